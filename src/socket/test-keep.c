/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper of listening sockets, as root; it is this program, started by itself with --keep. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include <cmocka.h>

#include "socket/grants.h"
#include "socket/keep.h"
#include "sys/test-dir.h"

static char top[] = "/tmp/caisson-test-XXXXXX";
static struct err err;

static pid_t pid_of(int keeper)
{
	struct ucred peer = { 0 };
	socklen_t n = sizeof peer;

	return getsockopt(keeper, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0 ? -1 : peer.pid;
}

static int setup(void **state)
{
	(void)state;
	memcpy(top + strlen(top) - 6, "XXXXXX", 6);
	err = (struct err){ 0 };
	return test_dir_make(top, false);
}

static int teardown(void **state)
{
	int fd = keep_connect(top, NULL);

	(void)state;
	if (fd >= 0)
		(void)kill(pid_of(fd), SIGKILL);
	(void)fd_close(fd);
	test_dir_drop(top);
	return 0;
}

static const char *token(unsigned i)
{
	static char text[GRANT_TOKEN_LEN + 1];

	(void)snprintf(text, sizeof text, "%032x", i);
	return text;
}

static struct sockaddr_un address(const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	(void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s/%s", top, name);
	return sa;
}

static int listening(const char *name)
{
	const struct sockaddr_un sa = address(name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static int client(const char *name)
{
	const struct sockaddr_un sa = address(name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (const struct sockaddr *)&sa, sizeof sa) == 0)
		return fd;
	(void)close(fd);
	return -errno;
}

static int keeper_of(void)
{
	int fd = keep_connect(top, &err);

	if (fd < 0)
		fail_msg("%s", err.msg);
	return fd;
}

struct found {
	size_t n;
	int fd; /* of @want */
	const char *want;
};

static void on_found(void *ctx, const char *name, int fd)
{
	struct found *f = ctx;

	f->n++;
	if (f->want && strcmp(name, f->want) == 0)
		f->fd = fd;
	else
		(void)close(fd);
}

static struct found list(int keeper, const char *want)
{
	struct found f = { .want = want, .fd = -EBADF };

	if (keep_list(keeper, on_found, &f, &err) < 0)
		fail_msg("%s", err.msg);
	return f;
}

static bool gone(pid_t pid)
{
	for (int i = 0; i < 500; i++) {
		char path[64], stat[256] = "";
		int fd;

		(void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return true;
		(void)!read(fd, stat, sizeof stat - 1);
		(void)close(fd);
		if (strstr(stat, ") Z"))
			return true;
		(void)usleep(10000);
	}
	return false;
}

/* ---- tests ----------------------------------------------------------------------------------------------------- */

static void test_put_list_drop(void **state)
{
	_cleanup_close_ int keeper = keeper_of(), a = listening("a"), b = listening("b");
	struct found f;

	(void)state;
	assert_int_equal(list(keeper, NULL).n, 0);
	assert_int_equal(keep_put(keeper, token(1), a, &err), 0);
	assert_int_equal(keep_put(keeper, token(2), b, &err), 0);
	assert_int_equal(list(keeper, NULL).n, 2);
	/* again: replaced, not added */
	assert_int_equal(keep_put(keeper, token(2), a, &err), 0);
	f = list(keeper, token(2));
	assert_int_equal(f.n, 2);
	assert_true(fcntl(f.fd, F_GETFD) & FD_CLOEXEC);
	b = fd_close(b);
	assert_int_equal(client("b"), -ECONNREFUSED);
	(void)close(f.fd);
	assert_int_equal(keep_drop(keeper, token(1), &err), 0);
	assert_int_equal(keep_drop(keeper, token(7), &err), 0);
	assert_int_equal(list(keeper, NULL).n, 1);
	assert_int_equal(keep_drop(keeper, token(2), &err), 0);
	a = fd_close(a);
	assert_int_equal(client("a"), -ECONNREFUSED);
}

/* The guard is killed; who connects meanwhile waits, and is served by the next one. */
static void test_guard_killed(void **state)
{
	_cleanup_close_ int keeper = -EBADF, waiting = -EBADF, accepted = -EBADF;
	struct found f;
	char byte = 0;
	pid_t pid;

	(void)state;
	for (int round = 0; round < 20; round++) {
		int pipefd[2];

		assert_int_equal(pipe(pipefd), 0);
		pid = fork();
		if (pid == 0) {
			int k = keep_connect(top, NULL);

			(void)unlink(address("s").sun_path);
			CHILD_CHECK(keep_put(k, token(5), listening("s"), NULL) == 0);
			CHILD_CHECK(write(pipefd[1], "x", 1) == 1);
			(void)pause();
			_exit(0);
		}
		(void)close(pipefd[1]);
		assert_int_equal(read(pipefd[0], &byte, 1), 1);
		(void)close(pipefd[0]);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(test_wait(pid), -1);
		waiting = client("s");
		assert_true(waiting >= 0);
		assert_int_equal(write(waiting, "y", 1), 1);
		keeper = keeper_of();
		f = list(keeper, token(5));
		assert_int_equal(f.n, 1);
		accepted = accept(f.fd, NULL, NULL);
		assert_true(accepted >= 0);
		assert_int_equal(read(accepted, &byte, 1), 1);
		assert_int_equal(byte, 'y');
		(void)close(f.fd);
		keeper = fd_close(keeper);
		waiting = fd_close(waiting);
		accepted = fd_close(accepted);
	}
}

static void test_keeper_killed(void **state)
{
	_cleanup_close_ int keeper = keeper_of(), again = -EBADF, a = listening("a");
	pid_t pid = pid_of(keeper);

	(void)state;
	assert_int_equal(keep_put(keeper, token(1), a, &err), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_true(gone(pid));
	assert_int_equal(keep_put(keeper, token(2), a, &err), -EPIPE);
	again = keeper_of();
	assert_true(pid_of(again) != pid);
	assert_int_equal(list(again, NULL).n, 0);
	assert_int_equal(keep_put(again, token(1), a, &err), 0);
	assert_int_equal(list(again, NULL).n, 1);
}

/* Of several that start at once one stays. */
static void test_one_keeper(void **state)
{
	pid_t pids[8];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			int fd = keep_connect(top, NULL);

			(void)usleep(300000);
			_exit(fd >= 0 && keep_drop(fd, token(1), NULL) == 0 ? (int)(pid_of(fd) % 251) : 252);
		}
	}
	int first = test_wait(pids[0]);

	assert_true(first >= 0 && first < 252);
	for (size_t i = 1; i < ARRAY_SIZE(pids); i++)
		assert_int_equal(test_wait(pids[i]), first);
}

static void ask(const char *text, int fd, const char *want)
{
	_cleanup_close_ int keeper = keeper_of();
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int[2]))];
	} control = { 0 };
	char copy[200], got[200] = "";
	struct iovec iov = { .iov_base = copy, .iov_len = strlen(text) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int two[2] = { fd, fd };

	memcpy(copy, text, strlen(text) + 1);
	if (fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof control.room;
		control.head = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
		control.head.cmsg_len = CMSG_LEN(want ? sizeof fd : sizeof two);
		memcpy(CMSG_DATA(&control.head), two, want ? sizeof fd : sizeof two);
		m.msg_controllen = CMSG_SPACE(want ? sizeof fd : sizeof two);
	}
	assert_int_equal(sendmsg(keeper, &m, MSG_NOSIGNAL), strlen(text));
	if (want) {
		assert_true(recv(keeper, got, sizeof got - 1, 0) > 0);
		assert_string_equal(got, want);
	} else { /* not answered, and shown out */
		assert_true(recv(keeper, got, sizeof got - 1, 0) <= 0);
	}
}

static void test_nonsense(void **state)
{
	_cleanup_close_ int a = listening("a"), keeper = keeper_of(),
			    other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char text[64], big[160];

	(void)state;
	ask("hello", -1, "error unknown request");
	ask("put ../../etc", a, "error unknown request");
	ask("put ", a, "error unknown request");
	ask("LIST", -1, "error unknown request");
	(void)snprintf(text, sizeof text, "put %s", token(1));
	ask(text, -1, "error not a listening socket");
	ask(text, other, "error not a listening socket");
	(void)snprintf(text, sizeof text, "put %s0", token(1));
	ask(text, a, "error unknown request");
	(void)snprintf(text, sizeof text, "put %s", token(1));
	ask(text, a, NULL);
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	ask(big, -1, NULL);
	assert_int_equal(list(keeper, NULL).n, 0);
}

/* Somebody else gets no answer, even where the file modes would let them in. */
static void test_others(void **state)
{
	_cleanup_close_ int keeper = keeper_of();
	struct stat st;
	pid_t pid;

	(void)state;
	assert_int_equal(stat(address("keep.sock").sun_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(chmod(address("keep.sock").sun_path, 0666), 0);
	pid = fork();
	if (pid == 0) {
		const struct sockaddr_un sa = address("keep.sock");
		int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		char text[8];

		CHILD_CHECK(setresuid(12345, 12345, 12345) == 0);
		CHILD_CHECK(connect(fd, (const struct sockaddr *)&sa, sizeof sa) == 0);
		(void)send(fd, "list", 4, MSG_NOSIGNAL);
		CHILD_CHECK(recv(fd, text, sizeof text, 0) <= 0);
		_exit(0);
	}
	assert_int_equal(test_wait(pid), 0);
	assert_int_equal(list(keeper, NULL).n, 0);
}

static int ready_fd;

static void say_ready(void)
{
	(void)!write(ready_fd, "r", 1);
}

static void test_leaves(void **state)
{
	_cleanup_close_ int keeper = -EBADF, a = -EBADF;
	int pipefd[2];
	char byte;
	pid_t pid, second;

	(void)state;
	assert_int_equal(pipe(pipefd), 0);
	ready_fd = pipefd[1];
	pid = fork();
	if (pid == 0)
		_exit(keep_main(top, 200, say_ready));
	(void)close(pipefd[1]);
	assert_int_equal(read(pipefd[0], &byte, 1), 1);
	(void)close(pipefd[0]);
	keeper = keeper_of();
	assert_int_equal(pid_of(keeper), pid);
	second = fork();
	if (second == 0)
		_exit(keep_main(top, 200, NULL));
	assert_int_equal(test_wait(second), 0); /* at once */
	(void)usleep(400000);
	assert_int_equal(kill(pid, 0), 0); /* somebody is connected */
	a = listening("a");
	assert_int_equal(keep_put(keeper, token(1), a, &err), 0);
	keeper = fd_close(keeper);
	(void)usleep(400000);
	keeper = keeper_of(); /* it keeps something */
	assert_int_equal(pid_of(keeper), pid);
	assert_int_equal(keep_drop(keeper, token(1), &err), 0);
	keeper = fd_close(keeper);
	assert_int_equal(test_wait(pid), 0);
}

static uint64_t pss_kib(pid_t pid)
{
	char path[64], *text = NULL, *at;
	uint64_t kib = 0;
	int fd;

	(void)snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && io_read_fd(fd, 65536, &text, NULL) == 0 && (at = strstr(text, "\nPss:")))
		kib = strtoull(at + 5, NULL, 10);
	(void)fd_close(fd);
	free(text);
	return kib;
}

static void test_many(void **state)
{
	_cleanup_close_ int keeper = -EBADF;
	sigset_t term, before;
	struct timespec t[2];
	struct found f;
	char name[16], path[64], *status = NULL;
	uint64_t kib;
	int fd;

	(void)state;
	/* as in the guard, which takes signals by signalfd(2) */
	(void)sigemptyset(&term);
	(void)sigaddset(&term, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &term, &before);
	keeper = keeper_of();
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	(void)clock_gettime(CLOCK_MONOTONIC, &t[0]);
	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof name, "s%u", i);
		fd = listening(name);
		assert_int_equal(keep_put(keeper, token(i), fd, &err), 0);
		(void)close(fd);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &t[1]);
	f = list(keeper, token(999));
	assert_int_equal(f.n, 1000);
	(void)close(f.fd);
	fd = client("s500");
	assert_true(fd >= 0);
	(void)close(fd);
	kib = pss_kib(pid_of(keeper));
	print_message("1000 sockets: %llu KiB PSS, %lld us for each socket and put\n", (unsigned long long)kib,
		      (long long)((t[1].tv_sec - t[0].tv_sec) * 1000000 + (t[1].tv_nsec - t[0].tv_nsec) / 1000) /
			      1000);
#ifndef __SANITIZE_ADDRESS__
	assert_in_range(kib, 1, 1024);
#endif
	/* it has given up what it does not need */
	(void)snprintf(path, sizeof path, "/proc/%d/status", pid_of(keeper));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(io_read_fd(fd, 65536, &status, NULL), 0);
	(void)close(fd);
	assert_non_null(strstr(status, "CapPrm:\t0000000000000000"));
	assert_non_null(strstr(status, "CapEff:\t0000000000000000"));
	assert_non_null(strstr(status, "CapBnd:\t0000000000000000"));
	assert_non_null(strstr(status, "NoNewPrivs:\t1"));
	assert_non_null(strstr(status, "Seccomp:\t2"));
	assert_non_null(strstr(status, "SigBlk:\t0000000000000000"));
	free(status);
}

/* The program is exchanged on the disk while it runs: what is started is still itself. */
static void test_replaced(void **state)
{
	_cleanup_close_ int keeper = -EBADF;
	char path[64], command[160];
	pid_t pid;

	(void)state;
	(void)snprintf(path, sizeof path, "%s/program", top);
	(void)snprintf(command, sizeof command, "cp /proc/%d/exe %s", getpid(), path);
	assert_int_equal(system(command), 0);
	pid = fork();
	if (pid == 0) {
		(void)execl(path, "program", "--replaced", top, NULL);
		_exit(99);
	}
	assert_int_equal(test_wait(pid), 0);
	keeper = keeper_of();
	assert_int_equal(list(keeper, NULL).n, 1);
}

static int replaced(const char *state)
{
	char path[64];
	int fd;

	memcpy(top, state, strlen(top));
	(void)snprintf(path, sizeof path, "%s/program", top);
	CHILD_CHECK(unlink(path) == 0);
	fd = keep_connect(top, &err);
	CHILD_CHECK(fd >= 0);
	CHILD_CHECK(keep_put(fd, token(1), listening("a"), NULL) == 0);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_put_list_drop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guard_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keeper_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_keeper, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nonsense, setup, teardown),
		cmocka_unit_test_setup_teardown(test_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leaves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replaced, setup, teardown),
	};

	if (argc == 3 && strcmp(argv[1], "--keep") == 0)
		return keep_main(argv[2], KEEP_IDLE_MS, NULL);
	if (argc == 3 && strcmp(argv[1], "--replaced") == 0)
		return replaced(argv[2]);
	return geteuid() == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}
