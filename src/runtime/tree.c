/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/missing.h"

#define MAX_DEPTH 200 /* two fds each, below the usual limit of 1024 */

/* A file that has more names than one, and the first of them below the top of the copy. */
struct seen {
	dev_t dev;
	ino_t ino;
	char *path;
};

struct copy {
	int top;
	int depth;
	void *seen;	     /* tsearch(3) tree of struct seen */
	char path[PATH_MAX]; /* of the entry at work, below top */
};

static int compare_seen(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino == y->ino ? 0 : x->ino < y->ino ? -1 : 1;
}

static void free_seen(void *p)
{
	struct seen *s = p;

	free(s->path);
	free(s);
}

int tree_open_child(int dir, const char *name, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	int fd = sys_openat2(dir, name, &how);

	return fd < 0 ? -errno : fd;
}

/* ---- one entry ---- */

/* Only between two fds of which neither is a link: what the host's file system does not take is left out. */
static int copy_xattrs(int in, int out)
{
	_cleanup_free_ char *names = NULL, *value = malloc(XATTR_SIZE_MAX);
	ssize_t len = flistxattr(in, NULL, 0), n;

	if (len <= 0)
		return len == 0 || errno == ENOTSUP ? 0 : -errno;
	names = malloc((size_t)len);
	if (!names || !value)
		return -ENOMEM;
	len = flistxattr(in, names, (size_t)len);
	if (len < 0)
		return -errno;
	for (const char *name = names; name < names + len; name += strlen(name) + 1) {
		n = fgetxattr(in, name, value, XATTR_SIZE_MAX);
		if (n < 0 && errno != ENODATA)
			return -errno;
		if (n >= 0 && fsetxattr(out, name, value, (size_t)n, 0) < 0 && errno != ENOTSUP)
			return -errno;
	}
	return 0;
}

/* Owner first: chown(2) drops set-id bits and file capabilities. */
static int copy_attributes(int in, int out, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	int r;

	if (fchown(out, st->st_uid, st->st_gid) < 0 || fchmod(out, st->st_mode & 07777) < 0)
		return -errno;
	r = copy_xattrs(in, out);
	if (r == 0 && futimens(out, times) < 0)
		r = -errno;
	return r;
}

static int copy_bytes(int in, int out, off_t size)
{
	off_t at = 0, end;

	while (at < size) {
		ssize_t n;

		at = lseek(in, at, SEEK_DATA);
		if (at < 0 && errno == ENXIO)
			break; /* a hole to the end */
		end = at < 0 ? -1 : lseek(in, at, SEEK_HOLE);
		if (end < 0 || lseek(out, at, SEEK_SET) < 0)
			return -errno;
		while (at < end && (n = sendfile(out, in, &at, (size_t)(end - at))) != 0)
			if (n < 0)
				return -errno;
		if (at < end)
			break; /* shorter than it was */
	}
	return ftruncate(out, size) < 0 ? -errno : 0;
}

static int copy_file(int from, int to, const char *name)
{
	_cleanup_close_ int in = tree_open_child(from, name, O_RDONLY | O_NONBLOCK | O_NOATIME), out = -EBADF;
	struct stat st;
	int r;

	if (in < 0)
		return in;
	if (fstat(in, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ESTALE;
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	r = copy_bytes(in, out, st.st_size);
	return r < 0 ? r : copy_attributes(in, out, &st);
}

int tree_copy_link(int from, int to, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof target - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, to, name) < 0 ? -errno : 0;
}

/* Links and fifos: never opened. */
static int copy_special(int from, int to, const char *name, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	int r = 0;

	if (S_ISLNK(st->st_mode))
		r = tree_copy_link(from, to, name);
	else if (mknodat(to, name, S_IFIFO | 0600, 0) < 0)
		r = -errno;
	if (r == 0 && fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	if (r == 0 && !S_ISLNK(st->st_mode) && fchmodat(to, name, st->st_mode & 07777, 0) < 0)
		r = -errno;
	if (r == 0)
		(void)utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
	return r;
}

/* Return: 1 when this is one more name of a file that was copied already. */
static int link_seen(struct copy *c, int to, const char *name, const struct stat *st)
{
	struct seen *s, **found;

	if (st->st_nlink < 2 || S_ISDIR(st->st_mode))
		return 0;
	s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	*s = (struct seen){ .dev = st->st_dev, .ino = st->st_ino, .path = strdup(c->path) };
	found = s->path ? tsearch(s, &c->seen, compare_seen) : NULL;
	if (!found || *found != s)
		free_seen(s);
	if (!found)
		return -ENOMEM;
	if (*found == s)
		return 0;
	return linkat(c->top, (*found)->path, to, name, 0) < 0 ? -errno : 1;
}

static int copy_dir(struct copy *c, int from_take, int to);

static int copy_subdir(struct copy *c, int from, int to, const char *name)
{
	_cleanup_close_ int in = tree_open_child(from, name, O_RDONLY | O_DIRECTORY), out = -EBADF;

	if (in == -EXDEV)
		return 0; /* another mount: not part of the root file system */
	if (in < 0)
		return in;
	if (mkdirat(to, name, 0700) < 0)
		return -errno;
	out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return out < 0 ? -errno : copy_dir(c, TAKE_FD(in), out);
}

static int copy_entry(struct copy *c, int from, int to, const char *name)
{
	size_t len = strlen(c->path);
	struct stat st;
	int r;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISSOCK(st.st_mode) || S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		return 0;
	if ((size_t)snprintf(c->path + len, sizeof c->path - len, "%s%s", len ? "/" : "", name) >=
	    sizeof c->path - len)
		return -ENAMETOOLONG;
	r = link_seen(c, to, name, &st);
	if (r == 0)
		r = S_ISDIR(st.st_mode)	  ? copy_subdir(c, from, to, name)
		    : S_ISREG(st.st_mode) ? copy_file(from, to, name)
					  : copy_special(from, to, name, &st);
	/* On failure the path stays what failed. */
	if (r >= 0)
		c->path[len] = '\0';
	return r < 0 ? r : 0;
}

static int copy_dir(struct copy *c, int from_take, int to)
{
	_cleanup_closedir_ DIR *dir = fdopendir(from_take);
	const struct dirent *ent;
	struct stat st;
	int r = 0;

	if (!dir)
		return fd_close(from_take), -errno;
	if (fstat(dirfd(dir), &st) < 0)
		return -errno;
	if (++c->depth > MAX_DEPTH)
		return -ELOOP;
	while (r == 0 && (ent = readdir(dir)))
		if (strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0)
			r = copy_entry(c, dirfd(dir), to, ent->d_name);
	c->depth--;
	/* Last: a new entry would change the time. */
	return r < 0 ? r : copy_attributes(dirfd(dir), to, &st);
}

int tree_copy(int from, int to, struct err *e)
{
	_cleanup_free_ struct copy *c = calloc(1, sizeof *c);
	/* Not a dup(2), which would read on where somebody else stopped. */
	int own = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (!c || own < 0)
		return r = own < 0 ? errno : ENOMEM, fd_close(own), err_sys(e, r, "copy");
	c->top = to;
	r = copy_dir(c, own, to);
	tdestroy(c->seen, free_seen);
	return r < 0 ? err_sys(e, -r, "copy %.200s", *c->path ? c->path : ".") : 0;
}

/* ---- removal ---- */

static int remove_in(int dir, const char *name, int depth)
{
	_cleanup_closedir_ DIR *sub = NULL;
	const struct dirent *ent;
	int fd, r = 0;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	if (depth > MAX_DEPTH)
		return -ELOOP;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	sub = fd < 0 ? NULL : fdopendir(fd);
	if (!sub)
		return fd_close(fd), -errno;
	while (r == 0 && (ent = readdir(sub)))
		if (strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0)
			r = remove_in(dirfd(sub), ent->d_name, depth + 1);
	if (r == 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0)
		r = -errno;
	return r;
}

int tree_remove(int dir, const char *name, struct err *e)
{
	int r = remove_in(dir, name, 0);

	return r < 0 ? err_sys(e, -r, "remove %s", name) : 0;
}
