/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/copyup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "runtime/tree.h"
#include "sys/path.h"

#define MAX_DEPTH 64

static int copy_file(int from, int to, const char *name, const struct stat *st)
{
	_cleanup_close_ int in = tree_open_child(from, name, O_RDONLY | O_NONBLOCK), out = -EBADF;
	ssize_t n;

	if (in < 0)
		return in;
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, st->st_mode & 0777);
	if (out < 0)
		return -errno;
	while ((n = sendfile(out, in, NULL, 1u << 20)) > 0)
		;
	return n < 0 ? -errno : 0;
}

static int copy_attributes(int to, const char *name, const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };

	/* Owner first: chown(2) drops set-id bits. */
	if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISLNK(st->st_mode) && fchmodat(to, name, st->st_mode & 07777, 0) < 0)
		return -errno;
	(void)utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
	return 0;
}

static int copy_dir(int from, int to, int depth);

static int copy_entry(int from, int to, const char *name, int depth)
{
	struct stat st;
	int r = 0;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode)) {
		_cleanup_close_ int sub_from = tree_open_child(from, name, O_RDONLY | O_DIRECTORY),
				    sub_to = -EBADF;

		if (sub_from == -EXDEV)
			return 0; /* another mount: not part of the root file system */
		if (sub_from < 0)
			return sub_from;
		if (mkdirat(to, name, 0700) < 0)
			return -errno;
		sub_to = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = sub_to < 0 ? -errno : copy_dir(sub_from, sub_to, depth + 1);
	} else if (S_ISREG(st.st_mode)) {
		r = copy_file(from, to, name, &st);
	} else if (S_ISLNK(st.st_mode)) {
		r = tree_copy_link(from, to, name);
	} else if (S_ISFIFO(st.st_mode)) {
		r = mknodat(to, name, S_IFIFO | 0600, 0) < 0 ? -errno : 0;
	} else {
		return 0; /* device nodes do not work in a container's own file systems anyway */
	}
	return r < 0 ? r : copy_attributes(to, name, &st);
}

static int copy_dir(int from, int to, int depth)
{
	int fd = fcntl(from, F_DUPFD_CLOEXEC, 3), r = 0;
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *ent;

	if (!dir)
		return -errno;
	if (depth > MAX_DEPTH)
		return -ELOOP;
	while (r == 0 && (ent = readdir(dir)))
		if (strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0)
			r = copy_entry(from, to, ent->d_name, depth);
	return r;
}

int copy_up_tree(int from, int to, struct err *e)
{
	_cleanup_close_ int dir = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int r;

	if (dir < 0 || fstat(dir, &st) < 0)
		return err_sys(e, errno, "tmpcopyup: open source");
	r = copy_dir(dir, to, 0);
	if (r == 0)
		r = copy_attributes(to, ".", &st);
	return r < 0 ? err_sys(e, -r, "tmpcopyup") : 0;
}

void copy_up_dir(int root_fd, const char *path)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat root, st;
	struct statfs sfs;

	if (fstatfs(root_fd, &sfs) < 0 || sfs.f_type != OVERLAYFS_SUPER_MAGIC || (sfs.f_flags & ST_RDONLY) ||
	    fstat(root_fd, &root) < 0)
		return;
	fd = path_open_in(root_fd, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_dev != root.st_dev || st.st_ino == root.st_ino)
		return;
	/* A change to what it is already: nothing but the copy comes of it. */
	(void)fchmod(fd, st.st_mode & 07777);
}
