/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/root-dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/lexpath.h"

bool is_roots_alone(const struct stat *st)
{
	return st->st_uid == 0 && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int check(int fd, const char *path, size_t len, bool last, struct err *e)
{
	struct stat st;
	int n = len ? (int)len : 1; /* "/" */

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "directory %.*s", n, path);
	if (is_roots_alone(&st) || (!last && st.st_uid == 0 && (st.st_mode & S_ISVTX)))
		return 0;
	return err_set(
		e, EPERM,
		"directory %s: %.*s is not root's alone (owner %u, mode %04o); run: chown root %.*s; chmod go-w %.*s",
		path, n, path, st.st_uid, st.st_mode & 07777, n, path, n, path);
}

static int step(int dir, const char *name, bool last, bool make)
{
	int flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | (last ? O_RDONLY : O_PATH);
	int fd = openat(dir, name, flags);

	if (fd >= 0 || errno != ENOENT || !make)
		return fd < 0 ? -errno : fd;
	if (mkdirat(dir, name, last ? 0700 : 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dir, name, flags);
	return fd < 0 ? -errno : fd;
}

int root_dir_open(const char *path, bool make, struct err *e)
{
	_cleanup_close_ int dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *name = path + 1;
	int r;

	if (!lex_is_clean(path) || path[1] == '\0')
		return err_set(e, EINVAL, "directory %s: not an absolute path without \".\", \"..\" and \"//\"",
			       path);
	if (dir < 0)
		return err_sys(e, errno, "open /");
	r = check(dir, path, 0, false, e);
	while (r == 0) {
		size_t n = lex_first_len(name), len = (size_t)(name - path) + n;
		bool last = name[n] == '\0';
		char component[NAME_MAX + 1];
		int next;

		if (n > NAME_MAX)
			return err_sys(e, ENAMETOOLONG, "directory %s", path);
		memcpy(component, name, n);
		component[n] = '\0';
		next = step(dir, component, last, make);
		if (next < 0)
			return err_sys(e, -next, "directory %.*s", (int)len, path);
		(void)fd_close(dir);
		dir = next;
		r = check(dir, path, len, last, e);
		if (r == 0 && last)
			return TAKE_FD(dir);
		name += n + 1;
	}
	return r;
}
