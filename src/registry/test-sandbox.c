/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "registry/sandbox.h"

/* Run in a child: what fails is the line that it ends with. */
#define MUST(x)                          \
	do {                             \
		if (!(x))                \
			return __LINE__; \
	} while (0)
#define BARRED(call)                                      \
	do {                                              \
		errno = 0;                                \
		if ((long)(call) != -1 || errno != EPERM) \
			return __LINE__;                  \
	} while (0)

static void *nothing(void *arg)
{
	return arg;
}

static int what_is_barred(void)
{
	char *const argv[] = { NULL };
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rlimit more = { 1 << 20, 1 << 20 };
	int pair[2];

	MUST(page != MAP_FAILED);
	BARRED(open("/tmp/caisson-sandbox", O_WRONLY | O_CREAT, 0600));
	BARRED(open("/dev/null", O_RDWR));
	BARRED(open("/tmp", O_TMPFILE | O_WRONLY, 0600));
	BARRED(syscall(SYS_openat2, AT_FDCWD, "/dev/null", NULL, 0));
	BARRED(execve("/bin/true", argv, argv));
	BARRED(syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, argv, 0));
	BARRED(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL));
	BARRED(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	BARRED(kill(getppid(), 0));
	BARRED(mount("none", "/mnt", "tmpfs", 0, NULL));
	BARRED(unshare(CLONE_NEWUSER));
	BARRED(setuid(0));
	BARRED(socket(AF_UNIX, SOCK_STREAM, 0));
	BARRED(socket(AF_PACKET, SOCK_RAW, 0));
	BARRED(socket(AF_VSOCK, SOCK_STREAM, 0));
	BARRED(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
	BARRED(listen(0, 1));
	BARRED(syscall(SYS_io_uring_setup, 1, NULL));
	BARRED(syscall(SYS_bpf, 0, NULL, 0));
	BARRED(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
	BARRED(mprotect(page, 4096, PROT_READ | PROT_EXEC));
	BARRED((long)mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	BARRED(memfd_create("x", 0));
	BARRED(unlink("/tmp/caisson-sandbox"));
	BARRED(chmod("/tmp/caisson-sandbox", 0));
	BARRED(setrlimit(RLIMIT_NOFILE, &more));
	BARRED(ioctl(0, TIOCSTI, "x"));
	return 0;
}

static int what_is_needed(void)
{
	struct addrinfo *found = NULL;
	pthread_t thread;
	struct rlimit l;
	char buf[16];
	int fd, pair[2];

	MUST((fd = open("/etc/hosts", O_RDONLY | O_CLOEXEC)) >= 0);
	MUST(read(fd, buf, sizeof buf) >= 0);
	MUST(close(fd) == 0);
	MUST((fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0 && close(fd) == 0);
	MUST((fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)) >= 0 || errno == EAFNOSUPPORT);
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	MUST(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
	MUST(getaddrinfo("localhost", "443", NULL, &found) == 0);
	freeaddrinfo(found);
	MUST(getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_max == SANDBOX_FILES);
	MUST(getrlimit(RLIMIT_CORE, &l) == 0 && l.rlim_max == 0);
	MUST(getrlimit(RLIMIT_FSIZE, &l) == 0 && l.rlim_max == 0);
#ifndef __SANITIZE_ADDRESS__
	MUST(getrlimit(RLIMIT_AS, &l) == 0 && l.rlim_max == SANDBOX_MEMORY);
	MUST(mmap(NULL, SANDBOX_MEMORY, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
#endif
	return 0;
}

/* As /proc has it. */
static int who_we_are(bool root)
{
	char status[4096];
	int fd = open("/proc/thread-self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, status, sizeof status - 1);

	MUST(n > 0);
	status[n] = '\0';
	MUST(close(fd) == 0);
	if (root) {
		MUST(strstr(status, "Uid:\t65534\t65534\t65534\t65534\n"));
		MUST(strstr(status, "Gid:\t65534\t65534\t65534\t65534\n"));
		MUST(strstr(status, "Groups:\t \n") || strstr(status, "Groups:\t\n"));
		MUST(strstr(status, "CapBnd:\t0000000000000000\n"));
	}
	MUST(strstr(status, "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"));
	MUST(strstr(status, "CapAmb:\t0000000000000000\n"));
	MUST(strstr(status, "NoNewPrivs:\t1\nSeccomp:\t2\n"));
	return 0;
}

static int run(int (*check)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct err e = { 0 };

		if (sandbox_enter(&e) < 0) {
			(void)dprintf(2, "%s\n", e.msg);
			_exit(255);
		}
		/* an exit status has 8 bits */
		status = check();
		if (status)
			(void)dprintf(2, "line %d (errno %d)\n", status, errno);
		_exit(status != 0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool as_root;

static int check_who(void)
{
	return who_we_are(as_root);
}

static void nothing_else_is_let_through(void **state)
{
	(void)state;
	assert_int_equal(run(what_is_barred), 0);
}

static void what_a_client_needs_works(void **state)
{
	(void)state;
	assert_int_equal(run(what_is_needed), 0);
}

static void it_is_nobody(void **state)
{
	(void)state;
	as_root = geteuid() == 0;
	assert_int_equal(run(check_who), 0);
}

/*
 * Root without capabilities over it, as other processes of "nobody" are: /proc/PID/environ and the like are closed.
 */
static void it_is_not_dumpable(void **state)
{
	struct stat st = { .st_uid = 1 };
	int ready[2], status, r;
	char path[64], c;
	ssize_t n;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if ((geteuid() == 0 && setresuid(1000, 1000, 1000) < 0) ||
		    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 || sandbox_enter(NULL) < 0)
			_exit(1);
		(void)!write(ready[1], "x", 1);
		for (;;)
			(void)usleep(100000);
	}
	(void)close(ready[1]);
	n = read(ready[0], &c, 1);
	(void)snprintf(path, sizeof path, "/proc/%d/mem", pid);
	r = stat(path, &st);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	(void)close(ready[0]);
	assert_int_equal(n, 1);
	assert_int_equal(r, 0);
	assert_int_equal(st.st_uid, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_else_is_let_through),
		cmocka_unit_test(what_a_client_needs_works),
		cmocka_unit_test(it_is_nobody),
		cmocka_unit_test(it_is_not_dumpable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
