/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/settings-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/lexpath.h"

/* @len: how much of @path names the object in question, for the message. */
static int check_root_only(const struct stat *st, const char *path, size_t len, bool sticky_is_fine,
			   struct err *e)
{
	int n = len ? (int)len : 1; /* "/" */

	if (st->st_uid != 0)
		return err_set(e, EPERM,
			       "%s: %.*s belongs to user %u, who could change the policy; run: "
			       "chown root %.*s",
			       path, n, path, st->st_uid, n, path);
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) == 0 || (sticky_is_fine && (st->st_mode & S_ISVTX)))
		return 0;
	return err_set(e, EPERM,
		       "%s: %.*s is writable by group or others (mode %04o); run: chmod go-w %.*s",
		       path, n, path, st->st_mode & 07777, n, path);
}

/* Open one component without following links; tells a link from what else may be wrong. */
static int open_component(int dir, const char *name, int flags, const char *path, size_t len,
			  struct err *e)
{
	struct stat st;
	int fd, r;

	fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	r = errno;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
		return err_set(e, ELOOP,
			       "%s: %.*s is a symbolic link, which could be pointed elsewhere; use "
			       "the real path or put the file there",
			       path, (int)len, path);
	if (r == ENOENT)
		return err_set(e, ENOENT,
			       "%s: %.*s does not exist; create it, root-owned and mode 0644, or "
			       "correct the path",
			       path, (int)len, path);
	return err_sys(e, r, "%s: cannot open %.*s", path, (int)len, path);
}

/* Walk to the directory of @path, checking each one through the fd by which the next is reached. */
static int open_parent(const char *path, int *ret_fd, const char **ret_name, struct err *e)
{
	_cleanup_close_ int dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *name = path + 1;

	if (dir < 0)
		return err_sys(e, errno, "%s: cannot open /", path);
	for (;;) {
		size_t n = lex_first_len(name);
		bool last = name[n] == '\0';
		char component[NAME_MAX + 1];
		struct stat st;
		int next, r;

		if (fstat(dir, &st) < 0)
			return err_sys(e, errno, "%s: cannot examine its directories", path);
		r = check_root_only(&st, path, (size_t)(name - path) - 1, !last, e);
		if (r < 0)
			return r;
		if (last)
			break;
		if (n > NAME_MAX)
			return err_set(e, ENAMETOOLONG,
				       "%s: a name in it is too long; correct the path", path);
		memcpy(component, name, n);
		component[n] = '\0';
		next = open_component(dir, component, O_PATH | O_DIRECTORY, path,
				      (size_t)(name - path) + n, e);
		if (next < 0)
			return next;
		(void)fd_close(dir);
		dir = next;
		name += n + 1;
	}
	*ret_fd = TAKE_FD(dir);
	*ret_name = name;
	return 0;
}

static int check_file(int fd, const char *path, struct stat *ret, struct err *e)
{
	int r;

	if (fstat(fd, ret) < 0)
		return err_sys(e, errno, "%s: cannot examine it", path);
	if (!S_ISREG(ret->st_mode))
		return err_set(e, EINVAL, "%s: is not a regular file; put the settings into one",
			       path);
	r = check_root_only(ret, path, strlen(path), false, e);
	if (r < 0)
		return r;
	if (ret->st_nlink != 1)
		return err_set(e, EPERM,
			       "%s: has %lu names (hard links); make a copy with one name: cp, "
			       "then mv over it",
			       path, (unsigned long)ret->st_nlink);
	if (ret->st_size > (off_t)SETTINGS_MAX)
		return err_set(e, EFBIG, "%s: has more than %u bytes; it is not a settings file",
			       path, SETTINGS_MAX);
	return 0;
}

static bool unchanged(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int read_file(const char *path, char **ret, size_t *ret_len, struct err *e)
{
	_cleanup_close_ int dir = -EBADF, fd = -EBADF;
	_cleanup_free_ char *buf = NULL;
	struct stat before, after;
	const char *name = NULL;
	size_t len;
	int r;

	r = open_parent(path, &dir, &name, e);
	if (r < 0)
		return r;
	/* Non-blocking: a FIFO must not hang every container start before it is seen to be none of
	 * ours. */
	fd = open_component(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, path, strlen(path), e);
	if (fd < 0)
		return fd;
	r = check_file(fd, path, &before, e);
	if (r < 0)
		return r;
	r = io_read_fd(fd, SETTINGS_MAX, &buf, &len);
	if (r < 0)
		return err_sys(e, -r, "%s: cannot read it", path);
	if (fstat(fd, &after) < 0)
		return err_sys(e, errno, "%s: cannot examine it", path);
	if (!unchanged(&before, &after) || (off_t)len != after.st_size)
		return err_set(
			e, EAGAIN,
			"%s: changed while it was read; replace it by rename (mv) and try again",
			path);
	*ret = TAKE_PTR(buf);
	*ret_len = len;
	return 0;
}

int settings_load(const char *path, struct settings *ret, struct err *e)
{
	const char *file = path ? path : SETTINGS_DEFAULT_FILE;
	_cleanup_free_ char *buf = NULL;
	struct err why = { 0 };
	size_t len = 0;
	int r;

	if (!lex_is_clean(file) || strcmp(file, "/") == 0)
		return err_set(e, EINVAL,
			       "settings file: the path must be absolute, without //, /./, /../ "
			       "and a trailing /");
	r = read_file(file, &buf, &len, &why);
	if (r == -ENOENT && !path)
		return settings_parse(NULL, NULL, 0, ret, e);
	if (r < 0)
		return err_set(e, -r, "%s", why.msg);
	return settings_parse(file, buf, len, ret, e);
}
