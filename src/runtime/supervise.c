/* SPDX-License-Identifier: Apache-2.0 */
/* The foreground part of run and exec: signals and the terminal are passed through until the process ends. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "runtime/lifecycle.h"

int console_receive(int fd, struct err *e)
{
	char name[64];
	struct iovec iov = { .iov_base = name, .iov_len = sizeof name };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof control.buf,
	};
	const struct cmsghdr *c;
	ssize_t n;
	int out;

	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
		return err_set(e, EPROTO, "no terminal was received");
	memcpy(&out, CMSG_DATA(c), sizeof out);
	return out;
}

static void copy_size(int master)
{
	struct winsize size;

	if (ioctl(0, TIOCGWINSZ, &size) == 0)
		(void)ioctl(master, TIOCSWINSZ, &size);
}

/* Move what is there from FROM to TO. Return: false at the end. */
static bool relay(int from, int to)
{
	char buf[8192];
	ssize_t n = read(from, buf, sizeof buf);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	return n > 0 && io_write_all(to, buf, (size_t)n) == 0;
}

/* Reap everything that has ended: as a subreaper we get orphans, too. Return: true when PID is among it. */
static bool reap(pid_t pid, int *ret_status)
{
	bool found = false;
	int status;
	pid_t got;

	while ((got = waitpid(-1, &status, WNOHANG)) > 0)
		if (got == pid) {
			*ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
			found = true;
		}
	return found;
}

static bool handle_signal(int sigfd, pid_t pid, int master, int *ret_status)
{
	struct signalfd_siginfo si;

	if (read(sigfd, &si, sizeof si) != (ssize_t)sizeof si)
		return false;
	if (si.ssi_signo == SIGCHLD)
		return reap(pid, ret_status);
	if (si.ssi_signo == SIGWINCH && master >= 0)
		copy_size(master);
	else
		(void)kill(pid, (int)si.ssi_signo);
	return false;
}

static int loop(int sigfd, pid_t pid, int master)
{
	struct pollfd p[3] = {
		{ .fd = sigfd, .events = POLLIN },
		{ .fd = master >= 0 ? master : -1, .events = POLLIN },
		{ .fd = master >= 0 ? 0 : -1, .events = POLLIN },
	};
	bool ended = false;
	int status = 255;

	ended = reap(pid, &status); /* it may be gone before our signal mask was in place */
	while (!ended) {
		if (poll(p, 3, -1) < 0) {
			if (errno == EINTR)
				continue;
			break;
		}
		if (p[0].revents)
			ended = handle_signal(sigfd, pid, master, &status);
		if (p[1].revents && !relay(master, 1))
			p[1].fd = -1;
		if (p[2].revents && !relay(0, master))
			p[2].fd = -1;
	}
	/* What it printed last. */
	while (p[1].fd >= 0 && poll(&p[1], 1, 0) > 0 && (p[1].revents & POLLIN) && relay(master, 1))
		;
	return status;
}

int supervise(pid_t pid, int master, struct err *e)
{
	_cleanup_close_ int sigfd = -EBADF;
	struct termios saved, raw;
	bool is_tty = master >= 0 && tcgetattr(0, &saved) == 0;
	sigset_t all;
	int status;

	(void)sigfillset(&all);
	/* Faults of our own must not be swallowed. */
	(void)sigdelset(&all, SIGSEGV);
	(void)sigdelset(&all, SIGBUS);
	(void)sigdelset(&all, SIGFPE);
	(void)sigdelset(&all, SIGILL);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	sigfd = signalfd(-1, &all, SFD_CLOEXEC);
	if (sigfd < 0)
		return err_sys(e, errno, "watch signals");
	if (is_tty) {
		copy_size(master);
		raw = saved;
		cfmakeraw(&raw);
		(void)tcsetattr(0, TCSANOW, &raw);
	}
	status = loop(sigfd, pid, master);
	if (is_tty)
		(void)tcsetattr(0, TCSANOW, &saved);
	return status;
}
