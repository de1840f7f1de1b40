/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "socket/grants-internal.h"
#include "sys/root-dir.h"

#define BACKLOG 512

static int open_dir(int dir, const char *token)
{
	int fd = openat(dir, token, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* An engine makes empty directories where the source of a bind mount is missing, as after a restart of the host. */
static int remove_any(int at, const char *name)
{
	if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
		return 0;
	return errno == EISDIR && unlinkat(at, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
}

int token_dir_make(int dir, const char *token, gid_t gid, struct err *e)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	if (mkdirat(dir, token, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make directory %s for a Docker socket", token);
	fd = open_dir(dir, token);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, fd < 0 ? -fd : errno, "directory %s of a Docker socket", token);
	if (!is_roots_alone(&st))
		return err_set(e, EPERM, "directory %s of a Docker socket is not root's alone; remove it", token);
	if ((st.st_gid != gid && fchown(fd, (uid_t)-1, gid) < 0) ||
	    ((st.st_mode & 07777) != 0700 && fchmod(fd, 0700) < 0))
		return err_sys(e, errno, "owner and mode of directory %s of a Docker socket", token);
	return TAKE_FD(fd);
}

int token_listen(int dir, const char *path, const char *token, gid_t gid, struct err *e)
{
	_cleanup_close_ int at = token_dir_make(dir, token, gid, e), fd = -EBADF;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int n, r;

	if (at < 0)
		return at;
	/* Not by an fd: this is what ss(8) shows. Nobody else can change any of these directories. */
	n = snprintf(sa.sun_path, sizeof sa.sun_path, "%s/%s/" TOKEN_SOCKET, path, token);
	if (n < 0 || (size_t)n >= sizeof sa.sun_path)
		return err_sys(e, ENAMETOOLONG, "Docker socket %s/%s/" TOKEN_SOCKET, path, token);
	r = remove_any(at, TOKEN_SOCKET);
	if (r < 0)
		return err_sys(e, -r, "remove what is in the place of Docker socket %s", sa.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&sa, sizeof sa) < 0 ||
	    fchownat(at, TOKEN_SOCKET, 0, gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(at, TOKEN_SOCKET, 0660, 0) < 0 || listen(fd, BACKLOG) < 0)
		return err_sys(e, errno, "Docker socket %s", sa.sun_path);
	return TAKE_FD(fd);
}

bool token_is_live(int dir, const char *token)
{
	_cleanup_close_ int at = open_dir(dir, token), fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (at < 0 || fd < 0)
		return false;
	(void)snprintf(sa.sun_path, sizeof sa.sun_path, "/proc/self/fd/%d/" TOKEN_SOCKET, at);
	/* Of the wrong type, so nobody is connected to, and ECONNREFUSED when there is none behind the name. */
	return connect(fd, (const struct sockaddr *)&sa, sizeof sa) < 0 && errno == EPROTOTYPE;
}

int token_claim(int dir, const char *token, const char *container, struct err *e)
{
	_cleanup_close_ int at = open_dir(dir, token);
	_cleanup_free_ char *now = NULL;
	int r = at < 0 ? at : 0;

	if (r == 0 && io_read_at(at, TOKEN_CONTAINER, sizeof((struct grant *)0)->container, &now, NULL) == 0 &&
	    strcmp(now, container) == 0)
		return 0;
	if (r == 0)
		r = io_replace_at(at, TOKEN_CONTAINER, container, strlen(container), 0600);
	return r < 0 ? err_sys(e, -r, "write the owner of Docker socket %s", token) : 0;
}

int token_dir_remove(int dir, const char *token)
{
	int fd = open_dir(dir, token);
	_cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *ent;

	if (fd == -ENOENT)
		return 0;
	if (!d)
		return fd < 0 ? fd : -ENOMEM;
	while ((ent = readdir(d)))
		if (strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0)
			(void)remove_any(fd, ent->d_name);
	return unlinkat(dir, token, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int token_dirs_each(int dir, void (*f)(void *ctx, const char *token), void *ctx)
{
	int again = open_dir(dir, ".");
	_cleanup_closedir_ DIR *d = again < 0 ? NULL : fdopendir(again);
	const struct dirent *ent;

	if (!d) {
		(void)fd_close(again);
		return again < 0 ? again : -ENOMEM;
	}
	while ((ent = readdir(d)))
		if (token_is_valid(ent->d_name))
			f(ctx, ent->d_name);
	return 0;
}
