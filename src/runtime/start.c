/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/start.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "confine/confine.h"
#include "monitor/launch.h"
#include "runtime/hooks.h"
#include "sys/missing.h"

#define SOCKET_NAME "start"

/* Through /proc/self/fd: a state directory's path may be longer than sun_path. */
static void address(int dir_fd, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/" SOCKET_NAME, dir_fd);
}

int start_listen(int dir_fd, struct err *e)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr;

	address(dir_fd, &addr);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof addr) < 0 || listen(fd, 8) < 0)
		return err_sys(e, errno, "make start socket");
	return TAKE_FD(fd);
}

int start_wait(int listen_fd)
{
	for (;;) {
		_cleanup_close_ int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
		char c;
		ssize_t n;

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0)
			return -errno;
		do
			n = read(fd, &c, 1);
		while (n < 0 && errno == EINTR);
		if (n == 1)
			return TAKE_FD(fd);
	}
}

static int start_connect(int dir_fd, int flags)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
	struct sockaddr_un addr;

	address(dir_fd, &addr);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof addr) < 0)
		return errno == ENOENT ? -ECONNREFUSED : -errno;
	return TAKE_FD(fd);
}

bool start_is_waiting(int dir_fd)
{
	/* A frozen init accepts nobody; when its queue is full (EAGAIN) it listens all the same. */
	int fd = start_connect(dir_fd, SOCK_NONBLOCK);
	bool waiting = fd >= 0 || fd == -EAGAIN;

	(void)fd_close(fd);
	return waiting;
}

/* What init says before execve closes the connection: an error, or the number that its seccomp listener will have. */
union start_answer {
	struct err err;
	int listener;
};

static int take_listener(const struct pidref *task, int number)
{
	/*
	 * The filter is loaded right after the announcement: some 0.1 ms, and nothing tells when, as behind the filter
	 * init may not be allowed to write.
	 */
	for (int i = 0; i < 10000; i++) {
		const struct timespec wait = { .tv_nsec = i < 100 ? 20000 : 1000000 };
		int fd = pidfd_getfd(task->fd, number, 0);

		if (fd >= 0 || errno != EBADF)
			return fd < 0 ? -errno : fd;
		(void)nanosleep(&wait, NULL);
	}
	return -ETIMEDOUT;
}

static int give_listener(const struct container *c, const struct pidref *task, int number, struct err *e)
{
	_cleanup_close_ int fd = take_listener(task, number);
	_cleanup_(oci_spec_done) struct oci_spec spec = { 0 };
	_cleanup_free_ char *state = NULL;
	int r;

	if (fd < 0)
		return err_sys(e, -fd, "take the seccomp listener");
	r = c->supervised ? 0 : container_spec(c, &spec, e);
	if (r < 0)
		return r;
	/* The kernel allows one listener for a process: without listenerPath it is the supervisor's. */
	if (!spec.linux_.seccomp.listener_path)
		return monitor_give_listener(c->dir_fd, fd, e);
	state = container_hook_state(c, CONTAINER_CREATED);
	return seccomp_notify_send(spec.linux_.seccomp.listener_path, fd, task->pid,
				   spec.linux_.seccomp.listener_metadata, state ? state : "{}", e);
}

int start_answers(int fd, const struct container *c, const struct pidref *task, struct err *e)
{
	for (;;) {
		union start_answer a;
		ssize_t n = recv(fd, &a, sizeof a, 0);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n == (ssize_t)sizeof a.listener) {
			r = give_listener(c, task, a.listener, e);
			if (r < 0 || send(fd, "k", 1, MSG_NOSIGNAL) != 1)
				return r < 0 ? r : -EPIPE;
			continue;
		}
		if (n == (ssize_t)sizeof a.err && a.err.code > 0) {
			/* Our own code wrote it, but in a process that was already confined: check the form. */
			a.err.msg[sizeof a.err.msg - 1] = '\0';
			return err_set(e, a.err.code, "%s", a.err.msg);
		}
		return 0; /* execve closed it (or init was killed: then that is the container's end, not ours) */
	}
}

static int run_poststart(const struct container *c, struct err *e)
{
	_cleanup_(oci_spec_done) struct oci_spec spec = { 0 };
	_cleanup_free_ char *state = NULL;
	int r;

	if (!c->has_poststart)
		return 0;
	r = container_spec(c, &spec, e);
	if (r < 0)
		return r;
	state = container_hook_state(c, CONTAINER_RUNNING);
	r = hooks_run(&spec.poststart, "poststart", state ? state : "{}", e);
	if (r < 0)
		(void)pidref_signal(&c->init, SIGKILL);
	return r;
}

int start_begin(const struct container *c, struct err *e)
{
	_cleanup_close_ int fd = start_connect(c->dir_fd, 0);
	int r;

	if (fd < 0)
		return err_sys(e, -fd, "reach the container's init");
	if (send(fd, "s", 1, MSG_NOSIGNAL) != 1)
		return err_sys(e, errno, "tell the container's init to start");
	r = start_answers(fd, c, &c->init, e);
	return r < 0 ? r : run_poststart(c, e);
}
