/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

#define DIR_NAME "notify"

int notify_prepare(const struct container *c, char **ret, struct err *e)
{
	const char *host = getenv("NOTIFY_SOCKET");

	*ret = NULL;
	if (!host || !*host)
		return 0;
	if (mkdirat(c->dir_fd, DIR_NAME, 0755) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make directory for the notify socket");
	return asprintf(ret, "%s/" DIR_NAME, c->dir) < 0 ? err_sys(e, ENOMEM, "notify socket") : 0;
}

int notify_listen(const struct container *c, int *ret, struct err *e)
{
	_cleanup_close_ int dir = openat(c->dir_fd, DIR_NAME, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
			    fd = -EBADF;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	*ret = -EBADF;
	if (dir < 0)
		return 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/notify.sock", dir);
	(void)unlinkat(dir, "notify.sock", 0);
	/* Whoever is in the container may say that it is ready: it is one service. */
	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof addr) < 0 ||
	    fchmodat(dir, "notify.sock", 0777, 0) < 0)
		return err_sys(e, errno, "make notify socket");
	*ret = TAKE_FD(fd);
	return 0;
}

static int send_to_manager(const char *text, struct err *e)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t len = path ? strlen(path) : 0;

	if (len == 0)
		return 0;
	if (len >= sizeof addr.sun_path || (path[0] != '/' && path[0] != '@'))
		return err_set(e, EINVAL, "NOTIFY_SOCKET: \"%s\" is no socket address", path);
	memcpy(addr.sun_path, path, len);
	if (addr.sun_path[0] == '@')
		addr.sun_path[0] = '\0';
	if (fd < 0 || sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&addr,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		return err_sys(e, errno, "send to NOTIFY_SOCKET %s", path);
	return 0;
}

static bool says_ready(char *text)
{
	char *line;

	while ((line = strsep(&text, "\n")))
		if (strcmp(line, "READY=1") == 0)
			return true;
	return false;
}

int notify_forward(const struct container *c, int fd, struct err *e)
{
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = c->init.fd, .events = POLLIN } };
	char text[4096];
	ssize_t n;
	int r;

	for (;;) {
		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return err_sys(e, errno, "wait for the container to be ready");
		}
		if (p[0].revents & POLLIN) {
			n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
			text[n < 0 ? 0 : n] = '\0';
			if (n > 0 && says_ready(text))
				break;
		} else if (p[1].revents) {
			return 0; /* it ended without: the service manager sees that by itself */
		}
	}
	r = send_to_manager("READY=1\n", e);
	(void)snprintf(text, sizeof text, "MAINPID=%d", (int)c->init.pid);
	return r < 0 ? r : send_to_manager(text, e);
}
