/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "monitor/internal.h"

#define ANSWER_S 30 /* a busy host is slow; a monitor that was stopped must not hang the runtime for ever */

/* Twice forked, so that nobody who started the runtime gets a child that it does not know. */
static int fork_twice(const struct monitor_params *p, int control)
{
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		/* The first one borrows our memory: only the second needs a copy. */
		pid_t second = fork();

		if (second == 0)
			carriers_main(p, control);
		_exit(second < 0 ? errno : 0);
	}
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

static int set_timeout(int sock)
{
	const struct timeval t = { .tv_sec = ANSWER_S };

	return setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) < 0 ? -errno : 0;
}

int monitor_launch(const struct monitor_params *p, struct monitor *ret, struct err *e)
{
	_cleanup_close_ int ours = -EBADF, theirs = -EBADF;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "make the supervisor's control socket");
	ours = pair[0];
	theirs = pair[1];
	r = set_timeout(ours);
	if (r == 0)
		r = fork_twice(p, theirs);
	if (r < 0)
		return err_sys(e, -r, "start the supervisor");
	*ret = MONITOR_EMPTY;
	ret->control = TAKE_FD(ours);
	return 0;
}

static int no_answer(ssize_t n, struct err *e)
{
	if (n == -EAGAIN)
		return err_set(e, ETIMEDOUT, "the supervisor does not answer within %d seconds", ANSWER_S);
	if (n == 0 || n == -ECONNRESET || n == -EPIPE)
		return err_set(e, ECONNRESET, "the supervisor ended unexpectedly");
	return err_sys(e, n < 0 ? (int)-n : EPROTO, "hear from the supervisor");
}

int monitor_carriers(struct monitor *m, struct err *e)
{
	union {
		struct err err;
		struct monitor_ready ready;
	} a;
	int fds[3];
	size_t n_fds;
	ssize_t n = monitor_receive(m->control, &a, sizeof a, fds, ARRAY_SIZE(fds), &n_fds, 0);

	if (n == (ssize_t)sizeof a.ready && n_fds == ARRAY_SIZE(fds)) {
		m->pid = a.ready.pid;
		m->constant = fds[0];
		m->changing = fds[1];
		m->sysctl = fds[2];
		return 0;
	}
	for (size_t i = 0; n > 0 && i < n_fds; i++)
		(void)fd_close(fds[i]);
	if (n == (ssize_t)sizeof a.err && a.err.code > 0) {
		a.err.msg[sizeof a.err.msg - 1] = '\0';
		return err_set(e, a.err.code, "%s", a.err.msg);
	}
	return no_answer(n, e);
}

/*
 * bind(2) or connect(2) by a name in @dir_fd. From within the directory: its path may be longer than sun_path,
 * and where the runtime is by then there need not be a /proc.
 */
static int in_directory(int dir_fd, int sock, int (*call)(int, const struct sockaddr *, socklen_t))
{
	const struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = MONITOR_SOCKET };
	_cleanup_close_ int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (here < 0 || fchdir(dir_fd) < 0)
		return -errno;
	r = call(sock, (const struct sockaddr *)&addr, sizeof addr) < 0 ? -errno : 0;
	if (fchdir(here) < 0)
		return -errno;
	return r;
}

static int bind_private(int sock, const struct sockaddr *addr, socklen_t len)
{
	mode_t old = umask(0177);
	int r = bind(sock, addr, len);

	(void)umask(old);
	return r;
}

int monitor_commit(struct monitor *m, int init_pidfd, int dir_fd, struct err *e)
{
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const uint32_t kind = MONITOR_COMMIT;
	int32_t answer = 0;
	size_t n_fds;
	ssize_t n;
	int r = sock < 0 ? -errno : in_directory(dir_fd, sock, bind_private);

	if (r < 0)
		return err_sys(e, -r, "make the supervisor's socket");
	n = monitor_send(m->control, &kind, sizeof kind, (const int[]){ init_pidfd, sock }, 2, 0);
	if (n > 0)
		n = monitor_receive(m->control, &answer, sizeof answer, NULL, 0, &n_fds, 0);
	if (n != (ssize_t)sizeof answer)
		return no_answer(n, e);
	return answer < 0 ? err_sys(e, -answer, "hand the container to its supervisor") : 0;
}

void monitor_done(struct monitor *m)
{
	(void)fd_close(m->control);
	(void)fd_close(m->constant);
	(void)fd_close(m->changing);
	(void)fd_close(m->sysctl);
	*m = MONITOR_EMPTY;
}

static int connect_to(int dir_fd, int flags)
{
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
	int r = sock < 0 ? -errno : in_directory(dir_fd, sock, connect);

	return r < 0 ? r : TAKE_FD(sock);
}

int monitor_give_listener(int dir_fd, int listener, struct err *e)
{
	_cleanup_close_ int sock = connect_to(dir_fd, 0);
	const uint32_t kind = MONITOR_GIVE;
	int32_t answer = 0;
	size_t n_fds;
	ssize_t n;
	int r = sock < 0 ? sock : set_timeout(sock);

	if (r < 0)
		return err_sys(e, -r, "reach the container's supervisor");
	n = monitor_send(sock, &kind, sizeof kind, &listener, 1, 0);
	if (n > 0)
		n = monitor_receive(sock, &answer, sizeof answer, NULL, 0, &n_fds, 0);
	if (n != (ssize_t)sizeof answer)
		return no_answer(n, e);
	if (answer == -ENFILE)
		return err_set(
			e, ENFILE,
			"the container's supervisor serves as many seccomp filters as it can (%u, or what the "
			"limit of open files leaves); end some exec sessions",
			MONITOR_LISTENERS_MAX);
	return answer < 0 ? err_sys(e, -answer, "hand a seccomp listener to the container's supervisor") : 0;
}

bool monitor_is_there(int dir_fd)
{
	/* One that is stopped has a full queue at worst: it is there all the same. */
	int fd = connect_to(dir_fd, SOCK_NONBLOCK);
	bool there = fd >= 0 || fd == -EAGAIN;

	(void)fd_close(fd);
	return there;
}

void monitor_let_go(int dir_fd)
{
	_cleanup_close_ int fd = connect_to(dir_fd, SOCK_NONBLOCK);
	struct ucred peer;
	socklen_t len = sizeof peer;

	/* Whoever listens is there. SIGCONT does nothing to another process that may have got its pid since. */
	if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.pid > 0)
		(void)kill(peer.pid, SIGCONT);
}
