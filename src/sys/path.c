/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "sys/missing.h"

/* As many as the kernel follows in one lookup (MAXSYMLINKS). */
#define MAX_LINKS 40

int path_open_in(int root_fd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.mode = (flags & O_CREAT) ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	/* EAGAIN: a rename raced with ".." below the root; the kernel asks us to try again. */
	for (int i = 0; i < 64; i++) {
		fd = sys_openat2(root_fd, path, &how);
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd < 0 ? -errno : fd;
}

/* Make one missing entry NAME below the directory DIR_FD; an existing one is fine. */
static int make_entry(int dir_fd, const char *name, bool directory)
{
	_cleanup_close_ int fd = -EBADF;

	if (directory)
		return mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd < 0 && errno != EEXIST ? -errno : 0;
}

/* Where the dangling link NAME in directory PREFIX leads, with REST behind it; malloc'd. */
static int follow_dangling(int root_fd, const char *prefix, const char *name, const char *rest, char **ret)
{
	_cleanup_close_ int dir = path_open_in(root_fd, *prefix ? prefix : "/", O_PATH | O_DIRECTORY, 0);
	char target[PATH_MAX];
	ssize_t n;

	if (dir < 0)
		return dir;
	n = readlinkat(dir, name, target, sizeof target - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (asprintf(ret, "%s/%s%s", target[0] == '/' ? "" : prefix, target, rest) < 0)
		return -ENOMEM;
	return strlen(*ret) >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/*
 * Make what is missing of PATH, one component at a time. Return 0 when the whole path was walked, 1 with *REDIRECT
 * set when a dangling link leads elsewhere.
 */
static int make_missing(int root_fd, const char *path, bool directory, char **redirect)
{
	char prefix[PATH_MAX] = "";
	size_t len = 0;

	for (const char *p = path; *p;) {
		_cleanup_close_ int parent = -EBADF;
		char name[NAME_MAX + 1];
		const char *end;
		int r, fd;

		while (*p == '/')
			p++;
		end = strchrnul(p, '/');
		if (end == p)
			break;
		if ((size_t)(end - p) > NAME_MAX || len + (size_t)(end - p) + 2 > sizeof prefix)
			return -ENAMETOOLONG;
		memcpy(name, p, (size_t)(end - p));
		name[end - p] = '\0';
		parent = path_open_in(root_fd, len ? prefix : "/", O_PATH | O_DIRECTORY, 0);
		if (parent < 0)
			return parent;
		prefix[len] = '/';
		memcpy(prefix + len + 1, name, (size_t)(end - p) + 1);
		fd = path_open_in(root_fd, prefix, O_PATH, 0);
		if (fd == -ENOENT) {
			struct stat st;

			if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode)) {
				prefix[len] = '\0';
				r = follow_dangling(root_fd, prefix, name, end, redirect);
				return r < 0 ? r : 1;
			}
			r = make_entry(parent, name, directory || *end == '/');
			if (r < 0)
				return r;
		} else if (fd < 0) {
			return fd;
		} else {
			(void)fd_close(fd);
		}
		len += (size_t)(end - p) + 1;
		p = end;
	}
	return 0;
}

static int make_all(int root_fd, const char *path, bool directory)
{
	_cleanup_free_ char *at = strdup(path);

	for (int links = 0; links < MAX_LINKS; links++) {
		char *next = NULL;
		int r;

		if (!at)
			return -ENOMEM;
		r = make_missing(root_fd, at, directory, &next);
		if (r <= 0) {
			free(next);
			return r;
		}
		free(at);
		at = next;
	}
	return -ELOOP;
}

int path_make_in(int root_fd, int rw_fd, const char *path, bool directory, struct err *e)
{
	int fd = path_open_in(root_fd, path, O_PATH, 0), r;
	struct stat st;

	if (fd == -ENOENT) {
		r = make_all(root_fd, path, directory);
		if (r == -EROFS && rw_fd >= 0)
			r = make_all(rw_fd, path, directory);
		if (r < 0)
			return err_sys(e, -r, "make mount point %s in the container", path);
		fd = path_open_in(root_fd, path, O_PATH, 0);
	}
	if (fd < 0)
		return err_sys(e, -fd, "open mount point %s in the container", path);
	if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode) != directory) {
		(void)fd_close(fd);
		return err_set(e, ENOTDIR,
			       "mount point %s in the container is %sa directory, but what is mounted there is %s",
			       path, S_ISDIR(st.st_mode) ? "" : "not ",
			       directory ? "one: not a directory" : "a file");
	}
	return fd;
}

int path_of_fd(int proc_fd, int fd, char **ret)
{
	char name[64], target[PATH_MAX];
	ssize_t n;

	(void)snprintf(name, sizeof name, "self/fd/%d", fd);
	n = readlinkat(proc_fd, name, target, sizeof target);
	if (n < 0)
		return -errno;
	if (n == sizeof target)
		return -ENAMETOOLONG;
	target[n] = '\0';
	if (target[0] != '/')
		return -ENOENT;
	if (n > 10 && strcmp(target + n - 10, " (deleted)") == 0)
		return -ENOENT;
	*ret = strdup(target);
	return *ret ? 0 : -ENOMEM;
}

bool path_leads_to(const char *path, const struct stat *st)
{
	struct stat there;

	return fstatat(AT_FDCWD, path, &there, AT_NO_AUTOMOUNT) == 0 && there.st_dev == st->st_dev &&
	       there.st_ino == st->st_ino;
}

int path_mnt_id(int fd, uint64_t *ret_id, bool *ret_is_root)
{
	struct statx stx;

	if (sys_statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx) < 0)
		return -errno;
	if (!(stx.stx_mask & STATX_MNT_ID))
		return -ENOSYS;
	*ret_id = stx.stx_mnt_id;
	*ret_is_root = stx.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	return 0;
}
