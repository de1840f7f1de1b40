/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker may not do once it works, and what it does when it cannot work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "notify/fence.h"
#include "notify/kernel.h"
#include "notify/worker.h"

static const char *const no_args[] = { NULL };

/* One call behind the fence: the signal that ended it, 0 for none. */
static int fenced(long nr, long a, long b, long c, long d)
{
	struct err e = { 0 };
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (notify_fence(&e) < 0)
			_exit(99);
		(void)syscall(nr, a, b, c, d, 0, 0);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

#define PTR(p)	      ((long)(intptr_t)(p))
#define ENDS(nr, ...) assert_int_equal(fenced(nr, __VA_ARGS__), SIGSYS)
#define GOES(nr, ...) assert_int_equal(fenced(nr, __VA_ARGS__), 0)

static void test_fence(void **state)
{
	const int rwx = PROT_READ | PROT_WRITE | PROT_EXEC, anonymous = MAP_PRIVATE | MAP_ANONYMOUS;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip();
#endif
	ENDS(SYS_execve, PTR("/bin/true"), PTR(no_args), PTR(no_args), 0);
	ENDS(SYS_execveat, AT_FDCWD, PTR("/bin/true"), PTR(no_args), PTR(no_args));
	ENDS(SYS_socket, AF_UNIX, SOCK_STREAM, 0, 0);
	ENDS(SYS_connect, -1, 0, 0, 0);
	ENDS(SYS_sendmsg, -1, 0, 0, 0);
	ENDS(SYS_ptrace, 0, 0, 0, 0);
	ENDS(SYS_kill, 1, 0, 0, 0);
	ENDS(SYS_pidfd_getfd, -1, 0, 0, 0);
	ENDS(SYS_open_by_handle_at, -1, 0, 0, 0);
	ENDS(SYS_bpf, 0, 0, 0, 0);
	ENDS(SYS_init_module, 0, 0, 0, 0);
	ENDS(SYS_keyctl, 0, 0, 0, 0);
	ENDS(SYS_io_uring_setup, 0, 0, 0, 0);
	ENDS(SYS_userfaultfd, 0, 0, 0, 0);
	ENDS(SYS_symlinkat, 0, -1, 0, 0);
	ENDS(SYS_renameat2, -1, 0, -1, 0);
	ENDS(SYS_pivot_root, 0, 0, 0, 0);
	ENDS(SYS_swapon, 0, 0, 0, 0);
	ENDS(SYS_fork, 0, 0, 0, 0);
	ENDS(SYS_vfork, 0, 0, 0, 0);
	ENDS(SYS_clone3, 0, 0, 0, 0);
	ENDS(0x40000000 | SYS_getpid, 0, 0, 0, 0); /* x32 */
	/* the same call with other arguments */
	ENDS(SYS_clone, SIGCHLD, 0, 0, 0);
	ENDS(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0);
	ENDS(SYS_unshare, CLONE_NEWUSER, 0, 0, 0);
	GOES(SYS_unshare, CLONE_NEWNS, 0, 0, 0);
	ENDS(SYS_mmap, 0, 4096, rwx, anonymous);
	GOES(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, anonymous);
	ENDS(SYS_mprotect, 0, 4096, PROT_READ | PROT_EXEC, 0);
	GOES(SYS_mprotect, 0, 0, PROT_READ, 0);
	ENDS(SYS_write, STDOUT_FILENO, PTR(""), 0, 0);
	GOES(SYS_write, STDERR_FILENO, PTR(""), 0, 0);
	ENDS(SYS_ioctl, -1, TIOCSTI, 0, 0);
	ENDS(SYS_ioctl, -1, SECCOMP_IOCTL_NOTIF_ADDFD, 0, 0);
	GOES(SYS_ioctl, -1, SECCOMP_IOCTL_NOTIF_SEND, 0, 0);
	ENDS(SYS_mount, PTR(""), PTR(""), PTR("tmpfs"), 0);
	ENDS(SYS_mount, PTR(""), PTR(""), 0, MS_BIND | MS_REMOUNT);
	GOES(SYS_mount, PTR(""), PTR(""), 0, MS_BIND);
}

static void send_a_file(int sock)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof(int))];
	} c = { .h = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct worker_msg m = { .listener = 0 };
	struct iovec iov = { &m, sizeof m };
	const struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = sizeof c.buf
	};

	memcpy(CMSG_DATA(&c.h), &sock, sizeof sock);
	assert_int_equal(sendmsg(sock, &msg, 0), sizeof m);
}

/* A worker that cannot take a listener does not stay to serve the others. */
static void test_no_descriptor(void **state)
{
	static struct notify_shared shared;
	static struct notify_worker w = { .shared = &shared };
	int pair[2], words[2], status;
	char text[512] = "";
	pid_t pid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(pipe2(words, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit limit = { 0 };
		struct err e = { 0 };
		int r;

		(void)close(pair[0]);
		limit.rlim_cur = limit.rlim_max =
			(rlim_t)words[1] + 1; /* no gap below but those that are filled */
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			_exit(1);
		while (fcntl(pair[1], F_DUPFD, 0) >= 0)
			;
		r = notify_worker_run(&w, pair[1], &e);
		(void)!write(words[1], e.msg, strlen(e.msg));
		_exit(r == -EMFILE ? 0 : 2);
	}
	(void)close(words[1]);
	send_a_file(pair[0]);
	for (int left = 5000; left > 0 && waitpid(pid, &status, WNOHANG) == 0; left--)
		(void)poll(NULL, 0, 1);
	(void)kill(pid, SIGKILL);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_true(read(words[0], text, sizeof text - 1) > 0);
	assert_non_null(strstr(text, "cannot take another seccomp listener"));
	assert_non_null(strstr(text, "ulimit -n"));
	(void)close(words[0]);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fence),
		cmocka_unit_test(test_no_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
