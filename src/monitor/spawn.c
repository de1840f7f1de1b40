/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "monitor/internal.h"

#define FDS_MAX 3u

union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

ssize_t monitor_send(int sock, const void *buf, size_t len, const int *fds, size_t n_fds, int flags)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control c = { 0 };
	ssize_t n;

	if (n_fds > FDS_MAX)
		return -EINVAL;
	if (n_fds > 0) {
		struct cmsghdr *h;

		msg.msg_control = c.buf;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		h = CMSG_FIRSTHDR(&msg);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(h), fds, n_fds * sizeof(int));
	}
	do
		n = sendmsg(sock, &msg, flags | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t monitor_receive(int sock, void *buf, size_t len, int *fds, size_t max, size_t *ret_n_fds, int flags)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	union control c = { 0 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = sizeof c.buf
	};
	struct cmsghdr *h;
	size_t n_fds = 0;
	ssize_t n;

	do
		n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	h = CMSG_FIRSTHDR(&msg);
	if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS) {
		/* As many as the kernel may put there: the buffer's padding holds one more than FDS_MAX. */
		int got[(sizeof c.buf - CMSG_LEN(0)) / sizeof(int)];

		n_fds = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(got, CMSG_DATA(h), n_fds * sizeof(int));
		if (n_fds > max || (msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC))) {
			for (size_t i = 0; i < n_fds; i++)
				(void)fd_close(got[i]);
			return -EPROTO;
		}
		if (n_fds > 0)
			memcpy(fds, got, n_fds * sizeof(int));
	}
	*ret_n_fds = n_fds;
	/* An fd that did not fit into our table is dropped by the kernel, with nothing but this flag. */
	if (msg.msg_flags & MSG_CTRUNC)
		return -EMFILE;
	return msg.msg_flags & MSG_TRUNC ? -EPROTO : n;
}

/* Between vfork(2) and execveat(2), on the parent's memory: system calls only, nothing is stored. */
static _Noreturn void become_worker(const struct worker_start *s, int sock, char *const argv[])
{
	char *const env[] = { NULL };
	sigset_t none;

	(void)setpgid(0, 0);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(sock, WORKER_FD_MONITOR) < 0 || dup2(s->shared, WORKER_FD_SHARED) < 0)
		_exit(127);
	for (int fd = WORKER_FD_MONITOR; fd < WORKER_FD_END; fd++) {
		if (s->absent & (1u << fd))
			(void)close(fd);
		else if (fcntl(fd, F_SETFD, 0) < 0)
			_exit(127);
	}
	if (close_range(WORKER_FD_END, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		_exit(127);
	(void)execveat(s->exe, "", argv, env, AT_EMPTY_PATH);
	_exit(127);
}

/*
 * Not fork: no page of the monitor's is copied, which is what keeps it small; and the group exists when it
 * returns. A function of its own, as the child runs on its frame.
 */
static __attribute__((noinline)) pid_t spawn(const struct worker_start *s, int sock, char *const argv[])
{
	pid_t pid = vfork();

	if (pid == 0)
		become_worker(s, sock, argv);
	return pid < 0 ? -errno : pid;
}

pid_t worker_start(const struct worker_start *s, int *ret_sock)
{
	char *const argv[] = { (char *)(uintptr_t)s->name, NULL };
	_cleanup_close_ int ours = -EBADF, theirs = -EBADF;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	pid = spawn(s, theirs, argv);
	if (pid > 0)
		*ret_sock = TAKE_FD(ours);
	return pid;
}

int worker_delay(unsigned quick)
{
	if (quick < 2)
		return 0;
	return quick < 9 ? 1 << (quick - 2) : 100;
}
