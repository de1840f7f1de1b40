/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MONITOR_TEST_MONITOR_H
#define MONITOR_TEST_MONITOR_H

/*
 * What the tests of the supervisor stand on: a directory with the real caisson-monitor and fake workers, a state
 * directory, one supervisor at a time, an init for it. Every process that comes of a test must be gone in the end.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

#include <cmocka.h>

#include "base/num.h"
#include "emulate/cover.h"
#include "monitor/fake-worker.h"
#include "monitor/internal.h"
#include "sys/missing.h"
#include "sys/test-dir.h"

#define BASE 400000u

static char top[] = "/tmp/caisson-test-XXXXXX";
static char libexec[64], state_dir[300];
static int dir_fd, proc_fd, cgroup_fd;
static struct monitor m;
static struct err err;
static pid_t init_pid;
static volatile struct fake_record *view, *notify;
static pid_t tasks[8]; /* those of make_listener() */
static size_t n_tasks;
static pid_t asker;

static int64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void sleep_ms(int ms)
{
	(void)poll(NULL, 0, ms);
}

/* Wait until @cond holds; a busy machine is given time. */
#define EVENTUALLY(cond)                                               \
	do {                                                           \
		for (int left_ = 10000; !(cond) && left_ > 0; left_--) \
			sleep_ms(1);                                   \
		assert_true(cond);                                     \
	} while (0)

static int copy_program(const char *from, const char *name)
{
	char here[300], path[700], to[128];
	ssize_t n = readlink("/proc/self/exe", here, sizeof here - 1);
	_cleanup_close_ int in = -EBADF, out = -EBADF;
	struct stat st;

	if (n <= 0)
		return -1;
	here[n] = '\0';
	*strrchr(here, '/') = '\0';
	(void)snprintf(path, sizeof path, "%s/../src/%s", here, from);
	(void)snprintf(to, sizeof to, "%s/%s", libexec, name);
	in = open(path, O_RDONLY | O_CLOEXEC);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	if (in < 0 || out < 0 || fstat(in, &st) < 0)
		return -1;
	/* copy_file_range(2) refuses where the two are on different file systems. */
	for (off_t at = 0; at < st.st_size;)
		if (sendfile(out, in, &at, (size_t)(st.st_size - at)) <= 0)
			return -1;
	return 0;
}

static int group_setup(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		(void)fprintf(stderr, "these tests need root\n");
		exit(77);
	}
	/* Whatever the supervisor leaves behind becomes ours, and is found by nothing_left(). */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || test_dir_make(top, false) < 0)
		return -1;
	(void)snprintf(libexec, sizeof libexec, "%s/libexec", top);
	if (mkdir(libexec, 0755) < 0 || copy_program("bin/caisson-monitor", "caisson-monitor") < 0 ||
	    copy_program("monitor/fake-worker", "caisson-procview") < 0 ||
	    copy_program("monitor/fake-worker", "caisson-notify") < 0)
		return -1;
	proc_fd = open("/proc", O_PATH | O_CLOEXEC);
	cgroup_fd = open(top, O_PATH | O_CLOEXEC);
	return proc_fd < 0 || cgroup_fd < 0 ? -1 : 0;
}

static int group_teardown(void **state)
{
	(void)state;
	(void)close(proc_fd);
	(void)close(cgroup_fd);
	test_dir_drop(top);
	return access(top, F_OK) == 0 ? -1 : 0;
}

static int setup(void **state)
{
	(void)state;
	err = (struct err){ 0 };
	m = MONITOR_EMPTY;
	init_pid = 0;
	view = notify = NULL;
	(void)snprintf(state_dir, sizeof state_dir, "%s/%0200d", top, 0); /* longer than a socket address may be */
	if (mkdir(state_dir, 0700) < 0)
		return -1;
	dir_fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0 ? -1 : 0;
}

/* Every process that came of the launch is gone: they would have become our children. */
static int nothing_left(void)
{
	int64_t end = now_us() + 5000000;

	for (;;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG | __WALL);

		if (pid < 0)
			return errno == ECHILD ? 0 : -1;
		if (pid == 0 && now_us() > end)
			return -1;
		if (pid == 0)
			sleep_ms(1);
	}
}

static void unmap(void)
{
	if (view)
		(void)munmap((char *)(uintptr_t)view - FAKE_OFFSET, FAKE_OFFSET + 2048);
	if (notify)
		(void)munmap((char *)(uintptr_t)notify - FAKE_OFFSET, FAKE_OFFSET + 2048);
}

static int teardown(void **state)
{
	int r;

	(void)state;
	monitor_done(&m);
	if (init_pid > 0)
		(void)kill(init_pid, SIGKILL);
	if (asker > 0)
		(void)kill(asker, SIGKILL);
	asker = 0;
	while (n_tasks > 0)
		(void)kill(tasks[--n_tasks], SIGKILL);
	r = nothing_left();
	if (r < 0)
		(void)fprintf(stderr, "processes are left\n");
	unmap();
	(void)close(dir_fd);
	test_dir_drop(state_dir);
	return r;
}

static struct monitor_params params_for(const char *id)
{
	struct monitor_params p = { .id = id, .base = BASE, .libexec_dir = libexec, .proc_fd = proc_fd };

	for (size_t i = 0; i < ARRAY_SIZE(p.cgroup); i++)
		p.cgroup[i] = -EBADF;
	p.cgroup[1] = p.cgroup[5] = cgroup_fd;
	return p;
}

static volatile struct fake_record *map_record(int fd)
{
	char path[64];
	_cleanup_close_ int memory = -EBADF;
	char *at;

	(void)snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)m.pid, fd);
	memory = open(path, O_RDWR | O_CLOEXEC);
	assert_true(memory >= 0);
	at = mmap(NULL, FAKE_OFFSET + 2048, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	assert_true(at != MAP_FAILED);
	return (volatile struct fake_record *)(void *)(at + FAKE_OFFSET);
}

static void launch(const char *id)
{
	const struct monitor_params p = params_for(id);

	if (monitor_launch(&p, &m, &err) < 0 || monitor_carriers(&m, &err) < 0)
		fail_msg("%s", err.msg);
	view = map_record(MONITOR_FD_VIEW);
	notify = map_record(MONITOR_FD_NOTIFY);
}

static void commit(void)
{
	int pidfd;

	init_pid = fork();
	assert_true(init_pid >= 0);
	if (init_pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	pidfd = pidfd_open(init_pid, 0);
	assert_true(pidfd >= 0);
	if (monitor_commit(&m, pidfd, dir_fd, &err) < 0)
		fail_msg("%s", err.msg);
	(void)close(pidfd);
	(void)close(m.control);
	m.control = -EBADF;
}

/* Look at an emulated file, which fake workers do not serve: whoever looks waits, and a worker is started. */
static void ask(void)
{
	asker = fork();
	assert_true(asker >= 0);
	if (asker == 0) {
		struct stat st;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)fstatat(m.sysctl, "0", &st, 0);
		_exit(0);
	}
}

/* With both workers asked for, if make_listener()'s are given. */
static void run(const char *id)
{
	launch(id);
	commit();
	ask();
}

/* The monitor is our child by now, as it would be the engine's. Its exit status. */
static int wait_monitor(void)
{
	return test_wait(m.pid);
}

static bool is_alive(pid_t pid)
{
	return kill(pid, 0) == 0;
}

/* The value of @key in /proc/PID/@file, a number. */
static long proc_number(pid_t pid, const char *file, const char *key)
{
	char path[64];
	_cleanup_free_ char *text = NULL;
	const char *at;
	uint64_t v;

	(void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	if (io_read_at(AT_FDCWD, path, 1 << 20, &text, NULL) < 0 || !(at = strstr(text, key)))
		return -1;
	at += strlen(key);
	at += strspn(at, " \t");
	return num_span(&at, INT32_MAX, &v) < 0 ? -1 : (long)v;
}

/*
 * A task that holds a filter with a listener until it is killed, and makes a trapped call, which fake workers do not
 * answer. @quiet: not before SIGCONT.
 */
static int make_task(pid_t *ret_pid, bool quiet)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_acct, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog prog = { .len = ARRAY_SIZE(insns), .filter = insns };
	int pair[2], fd = -1;
	uint32_t word;
	size_t n;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
		CHILD_CHECK(fd >= 0);
		CHILD_CHECK(monitor_send(pair[1], "ok..", 4, &fd, 1, 0) == 4);
		(void)close(fd);
		(void)close(pair[0]);
		(void)close(pair[1]);
		if (quiet)
			(void)raise(SIGSTOP);
		(void)syscall(SYS_acct, NULL);
		for (;;)
			(void)pause();
	}
	(void)close(pair[1]);
	assert_int_equal(monitor_receive(pair[0], &word, 4, &fd, 1, &n, 0), 4);
	assert_int_equal(n, 1);
	(void)close(pair[0]);
	tasks[n_tasks++] = *ret_pid = pid;
	return fd;
}

static int make_listener(pid_t *ret_pid)
{
	return make_task(ret_pid, false);
}

static void give(int fd)
{
	if (monitor_give_listener(dir_fd, fd, &err) < 0)
		fail_msg("%s", err.msg);
}

static void end_task(pid_t pid)
{
	for (size_t i = 0; i < n_tasks; i++)
		if (tasks[i] == pid)
			tasks[i--] = tasks[--n_tasks];
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

/* How many descriptors the monitor holds beyond those of its start. */
static int extra_fds(void)
{
	char path[64];
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *ent;
	int n = 0;

	(void)snprintf(path, sizeof path, "/proc/%d/fd", (int)m.pid);
	d = opendir(path);
	assert_non_null(d);
	while ((ent = readdir(d)) != NULL)
		n += ent->d_name[0] != '.';
	return n;
}

/* Once it has finished what it was at. */
static int settled_fds(void)
{
	int n = extra_fds();

	for (int same = 0, left = 5000; same < 20 && left > 0; left--) {
		int now;

		sleep_ms(1);
		now = extra_fds();
		same = now == n ? same + 1 : 0;
		n = now;
	}
	return n;
}

#endif
