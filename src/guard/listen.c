/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/num.h"

#define FIRST_FD 3

static int fill(struct sockaddr_un *sa, const char *path, struct err *e)
{
	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (path[0] != '/')
		return err_set(e, EINVAL, "socket %s: not an absolute path", path);
	if (strlen(path) >= sizeof sa->sun_path)
		return err_set(e, ENAMETOOLONG, "socket %s: the path has more than %zu bytes", path,
			       sizeof sa->sun_path - 1);
	memcpy(sa->sun_path, path, strlen(path));
	return 0;
}

/* May the name be taken? A socket with nobody behind it is what an earlier guard left. */
static int check_free(const char *path, const struct sockaddr_un *sa, struct err *e)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "socket %s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, EADDRINUSE, "socket %s: something else has that name; remove it", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, errno, "socket %s", path);
	if (connect(fd, (const struct sockaddr *)sa, sizeof *sa) < 0 && errno == ECONNREFUSED)
		return 0;
	return err_set(e, EADDRINUSE, "socket %s: somebody serves it already; stop that, or listen elsewhere",
		       path);
}

int listen_create(const char *path, gid_t gid, struct err *e)
{
	_cleanup_close_ int fd = -EBADF;
	struct sockaddr_un sa, fresh;
	char name[sizeof sa.sun_path + 16];
	int r;

	r = fill(&sa, path, e);
	if (r == 0)
		r = check_free(path, &sa, e);
	if (r < 0)
		return r;
	(void)snprintf(name, sizeof name, "%s.%d", path, getpid());
	r = fill(&fresh, name, e);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, errno, "socket %s", path);
	/* bind(2) takes the mode from the socket's inode: nobody but root can connect before chown and chmod. */
	if (fchmod(fd, 0600) < 0 || (unlink(name) < 0 && errno != ENOENT) ||
	    bind(fd, (const struct sockaddr *)&fresh, sizeof fresh) < 0)
		return err_sys(e, errno, "socket %s", path);
	if (lchown(name, 0, gid) < 0 || chmod(name, 0660) < 0 || listen(fd, SOMAXCONN) < 0 ||
	    rename(name, path) < 0) {
		r = err_sys(e, errno, "socket %s", path);
		(void)unlink(name);
		return r;
	}
	return TAKE_FD(fd);
}

void listen_remove(int fd, const char *path)
{
	struct sockaddr_un sa;
	struct stat st;
	_cleanup_close_ int probe = -EBADF;

	/* A socket's inode is not that of its name: whether the name leads to us is known when nobody answers there
	 * after our own end was closed. */
	(void)fd_close(fd);
	if (fill(&sa, path, NULL) < 0 || lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe >= 0 && connect(probe, (const struct sockaddr *)&sa, sizeof sa) < 0 && errno == ECONNREFUSED)
		(void)unlink(path);
}

static int check_inherited(int fd, struct err *e)
{
	int domain, type, listening, flags;
	socklen_t n = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &n) < 0)
		return err_sys(e, errno, "inherited socket %d", fd);
	if (domain != AF_UNIX || type != SOCK_STREAM || !listening)
		return err_set(
			e, EINVAL,
			"inherited socket %d is not a listening unix stream socket; use ListenStream= with a path",
			fd);
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_sys(e, errno, "inherited socket %d", fd);
	return 0;
}

int listen_inherited(int ret[static LISTEN_MAX], struct err *e)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint32_t want = 0, n = 0;
	bool ours = pid && fds && num_u32(pid, &want) == 0 && want == (uint32_t)getpid() && num_u32(fds, &n) == 0;
	int r;

	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	if (!ours)
		return 0;
	if (n > LISTEN_MAX)
		return err_set(e, EINVAL, "%u inherited sockets; at most %d are served", n, LISTEN_MAX);
	for (uint32_t i = 0; i < n; i++) {
		r = check_inherited(FIRST_FD + (int)i, e);
		if (r < 0)
			return r;
		ret[i] = FIRST_FD + (int)i;
	}
	return (int)n;
}

int listen_notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -EBADF;
	size_t n;

	if (!path)
		return 0;
	n = strlen(path);
	if ((path[0] != '/' && path[0] != '@') || n >= sizeof sa.sun_path)
		return -EINVAL;
	memcpy(sa.sun_path, path, n);
	if (path[0] == '@')
		sa.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&sa,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		return -errno;
	return 0;
}
