/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/settings-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/lexpath.h"

/* @len: how much of @path names the object in question, for the message. */
static int check_root_only(const struct stat *st, const char *path, size_t len, bool sticky_is_fine, struct err *e)
{
	int n = len ? (int)len : 1; /* "/" */

	if (st->st_uid != 0)
		return err_set(e, EPERM,
			       "%s: %.*s belongs to user %u, who could change the policy; run: "
			       "chown root %.*s",
			       path, n, path, st->st_uid, n, path);
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) == 0 || (sticky_is_fine && (st->st_mode & S_ISVTX)))
		return 0;
	return err_set(e, EPERM, "%s: %.*s is writable by group or others (mode %04o); run: chmod go-w %.*s", path,
		       n, path, st->st_mode & 07777, n, path);
}

/* Open one component without following links; tells a link from what else may be wrong. */
static int open_component(int dir, const char *name, int flags, const char *path, size_t len, struct err *e)
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
			return err_set(e, ENAMETOOLONG, "%s: a name in it is too long; correct the path", path);
		memcpy(component, name, n);
		component[n] = '\0';
		next = open_component(dir, component, O_PATH | O_DIRECTORY, path, (size_t)(name - path) + n, e);
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
		return err_set(e, EINVAL, "%s: is not a regular file; put the settings into one", path);
	r = check_root_only(ret, path, strlen(path), false, e);
	if (r < 0)
		return r;
	if (ret->st_nlink != 1)
		return err_set(e, EPERM,
			       "%s: has %lu names (hard links); make a copy with one name: cp, "
			       "then mv over it",
			       path, (unsigned long)ret->st_nlink);
	if (ret->st_size > (off_t)SETTINGS_MAX)
		return err_set(e, EFBIG, "%s: has more than %u bytes; it is not a settings file", path,
			       SETTINGS_MAX);
	return 0;
}

static bool unchanged(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* @name below @dir, whose whole name is @path. */
static int read_file(int dir, const char *name, const char *path, char **ret, size_t *ret_len, struct err *e)
{
	_cleanup_close_ int fd = -EBADF;
	_cleanup_free_ char *buf = NULL;
	struct stat before, after;
	size_t len;
	int r;

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
		return err_set(e, EAGAIN, "%s: changed while it was read; replace it by rename (mv) and try again",
			       path);
	*ret = TAKE_PTR(buf);
	*ret_len = len;
	return 0;
}

/* What is read, in order. */
struct reading {
	const struct settings_text *instead;
	struct settings_text files[SETTINGS_FILES_MAX];
	size_t n;
	char *dir;	     /* that of the file */
	char *file, *dropin; /* whole names */
};

static void reading_done(struct reading *rd)
{
	for (size_t i = 0; i < rd->n; i++) {
		free((char *)(uintptr_t)rd->files[i].file);
		free((char *)(uintptr_t)rd->files[i].text);
	}
	free(rd->dir);
	free(rd->file);
	free(rd->dropin);
}

/* @path: malloc'd, taken over. */
static int add_file(struct reading *rd, int dir, const char *name, char *path, struct err *e)
{
	_cleanup_free_ char *p = path, *text = NULL;
	size_t len;
	int r = 0;

	if (!p)
		return err_sys(e, ENOMEM, "settings file %s", name);
	if (rd->n == SETTINGS_FILES_MAX)
		return err_set(e, EFBIG, "%s: more than %d settings files; put some together", p,
			       SETTINGS_FILES_MAX);
	if (rd->instead && strcmp(rd->instead->file, p) == 0) {
		len = rd->instead->len;
		text = strndup(rd->instead->text, len);
		r = text ? 0 : err_sys(e, ENOMEM, "%s", p);
	} else {
		r = read_file(dir, name, p, &text, &len, e);
	}
	if (r == 0)
		rd->files[rd->n++] = (struct settings_text){ TAKE_PTR(p), TAKE_PTR(text), len };
	return r;
}

static char *join(const char *dir, const char *name)
{
	char *s = NULL;

	return asprintf(&s, "%s/%s", dir, name) < 0 ? NULL : s;
}

static bool is_dropin(const char *name)
{
	size_t n = strlen(name);

	return name[0] != '.' && n > 5 && strcmp(name + n - 5, ".json") == 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
	char *v[SETTINGS_FILES_MAX];
	size_t n;
};

static void names_done(struct names *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
}

static int add_name(struct names *l, const char *name)
{
	if (l->n == SETTINGS_FILES_MAX)
		return -EFBIG;
	l->v[l->n] = strdup(name);
	return l->v[l->n] ? (l->n++, 0) : -ENOMEM;
}

static int list_dropins(const struct reading *rd, int fd, struct names *l, struct err *e)
{
	_cleanup_close_ int copy = fd >= 0 ? openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -EBADF;
	_cleanup_closedir_ DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	const struct settings_text *in = rd->instead;
	size_t len = strlen(rd->dropin);
	const struct dirent *ent;
	bool have = false;
	int r = 0;

	if (d)
		(void)TAKE_FD(copy);
	else if (fd >= 0)
		return err_sys(e, errno, "%s: cannot read it", rd->dropin);
	while (d && r == 0 && (ent = readdir(d))) {
		if (!is_dropin(ent->d_name))
			continue;
		have = have || (in && strncmp(in->file, rd->dropin, len) == 0 && in->file[len] == '/' &&
				strcmp(in->file + len + 1, ent->d_name) == 0);
		r = add_name(l, ent->d_name);
	}
	if (r == 0 && !have && in && strncmp(in->file, rd->dropin, len) == 0 && in->file[len] == '/' &&
	    !strchr(in->file + len + 1, '/') && is_dropin(in->file + len + 1))
		r = add_name(l, in->file + len + 1);
	if (r == -EFBIG)
		return err_set(e, EFBIG, "%s: more than %d settings files; put some together", rd->dropin,
			       SETTINGS_FILES_MAX - 1);
	qsort(l->v, l->n, sizeof l->v[0], by_name);
	return r < 0 ? err_sys(e, -r, "%s", rd->dropin) : 0;
}

/* FILE.d beside FILE.json. Usually there is none, and that is all this costs. */
static int add_dropins(struct reading *rd, int dir, const char *name, struct err *e)
{
	_cleanup_close_ int fd = -EBADF;
	_cleanup_(names_done) struct names l = { 0 };
	size_t n = strlen(name);
	struct stat st;
	int r = 0;

	if (n <= 5 || strcmp(name + n - 5, ".json") != 0)
		return 0;
	if (asprintf(&rd->dropin, "%.*s.d", (int)strlen(rd->file) - 5, rd->file) < 0) {
		rd->dropin = NULL;
		return err_sys(e, ENOMEM, "settings");
	}
	fd = openat(dir, lex_last(rd->dropin), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && !rd->instead)
		return 0;
	if (fd < 0 && errno != ENOENT)
		return err_sys(e, errno, "%s: is to be a directory of settings files, and no link", rd->dropin);
	if (fd >= 0) {
		if (fstat(fd, &st) < 0)
			return err_sys(e, errno, "%s: cannot examine it", rd->dropin);
		r = check_root_only(&st, rd->dropin, strlen(rd->dropin), false, e);
	}
	if (r == 0)
		r = list_dropins(rd, fd, &l, e);
	for (size_t i = 0; i < l.n && r == 0; i++)
		r = add_file(rd, fd, l.v[i], join(rd->dropin, l.v[i]), e);
	return r;
}

static int load_user(const struct reading *rd, int dir, struct settings *s, struct err *e)
{
	_cleanup_close_ int fd = -EBADF;
	_cleanup_free_ char *path = join(rd->dir, SETTINGS_USER_NAME), *text = NULL;
	struct settings_text user = { .file = path };
	struct stat st;
	int r;

	if (!path)
		return err_sys(e, ENOMEM, "settings");
	if (rd->instead && strcmp(rd->instead->file, path) == 0)
		return settings_user(s, rd->instead, e);
	/* Non-blocking: neither a FIFO nor a lease of its owner may hold us up. */
	fd = openat(dir, SETTINGS_USER_NAME, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "%s: cannot open it", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "%s: is not a regular file", path);
	r = io_read_fd(fd, SETTINGS_USER_MAX, &text, &user.len);
	if (r < 0)
		return err_sys(e, -r, "%s: cannot read it", path);
	user.text = text;
	return settings_user(s, &user, e);
}

/* A user cannot take the policy away by a file that cannot be read: the administrator's value holds then. */
static int hear_user(const struct reading *rd, int dir, struct settings *s, struct err *e)
{
	struct err why = { 0 };

	if (s->locked || load_user(rd, dir, s, &why) == 0)
		return 0;
	s->note = strdup(why.msg);
	return s->note ? 0 : err_sys(e, ENOMEM, "settings");
}

static int read_all(struct reading *rd, int dir, const char *name, bool may_lack, struct err *e)
{
	struct err why = { 0 };
	int r;

	r = add_file(rd, dir, name, strdup(rd->file), &why);
	if (r < 0 && !(r == -ENOENT && may_lack))
		return err_set(e, -r, "%s", why.msg);
	return add_dropins(rd, dir, name, e);
}

/* Where the file is: @path, or in @path. *@ret_dir: open; *@ret_name: in @rd->file. */
static int locate(const char *path, struct reading *rd, int *ret_dir, const char **ret_name, struct err *e)
{
	_cleanup_close_ int parent = -EBADF, sub = -EBADF;
	const char *name = NULL;
	struct stat st;
	int r;

	r = open_parent(path, &parent, &name, e);
	if (r < 0)
		return r;
	sub = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub >= 0) {
		if (fstat(sub, &st) < 0)
			return err_sys(e, errno, "%s: cannot examine it", path);
		r = check_root_only(&st, path, strlen(path), false, e);
		if (r < 0)
			return r;
		rd->dir = strdup(path);
		rd->file = join(path, SETTINGS_FILE_NAME);
	} else {
		rd->dir = name - path > 1 ? strndup(path, (size_t)(name - path) - 1) : strdup("/");
		rd->file = strdup(path);
	}
	if (!rd->dir || !rd->file)
		return err_sys(e, ENOMEM, "settings");
	*ret_dir = sub >= 0 ? TAKE_FD(sub) : TAKE_FD(parent);
	*ret_name = lex_last(rd->file);
	return 0;
}

int settings_load_with(const char *path, const struct settings_text *instead, struct settings *ret, struct err *e)
{
	_cleanup_(reading_done) struct reading rd = { .instead = instead };
	const char *file = path ? path : SETTINGS_DEFAULT_FILE, *name = NULL;
	_cleanup_close_ int dir = -EBADF;
	struct settings s = { 0 };
	struct err why = { 0 };
	int r;

	if (!lex_is_clean(file) || strcmp(file, "/") == 0)
		return err_set(e, EINVAL,
			       "settings file: the path must be absolute, without //, /./, /../ "
			       "and a trailing /");
	r = locate(file, &rd, &dir, &name, &why);
	if (r == -ENOENT && !path)
		return settings_parse(NULL, NULL, 0, ret, e);
	if (r < 0)
		return err_set(e, -r, "%s", why.msg);
	r = read_all(&rd, dir, name, !path, e);
	if (r == 0)
		r = settings_merge(rd.files, rd.n, &s, e);
	if (r < 0)
		return r;
	r = hear_user(&rd, dir, &s, e);
	if (r < 0) {
		settings_done(&s);
		return r;
	}
	*ret = s;
	return 0;
}

int settings_load(const char *path, struct settings *ret, struct err *e)
{
	return settings_load_with(path, NULL, ret, e);
}
