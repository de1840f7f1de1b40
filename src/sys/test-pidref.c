/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "sys/pidref.h"

static int proc_fd = -EBADF;

static int setup(void **state)
{
	(void)state;
	proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return proc_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	proc_fd = fd_close(proc_fd);
	return 0;
}

/* A child that waits for a signal; @name: its command name, or NULL. */
static pid_t sleeper(const char *name)
{
	int fds[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (name)
			(void)prctl(PR_SET_NAME, name);
		(void)!write(fds[1], "r", 1);
		for (;;)
			(void)pause();
	}
	assert_int_equal(read(fds[0], &c, 1), 1);
	(void)close(fds[0]);
	(void)close(fds[1]);
	return pid;
}

static void kill_and_reap(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void the_start_time_does_not_depend_on_the_command_name(void **state)
{
	static const char *const names[] = { "plain", ") Z 1 2 3", "(((", "a b) S (", "x\n) R 1", ")" };
	struct timespec now;
	uint64_t before, ticks = (uint64_t)sysconf(_SC_CLK_TCK);

	(void)state;
	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &now), 0);
	before = (uint64_t)now.tv_sec * ticks;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		pid_t pid = sleeper(names[i]);
		uint64_t start = 0;
		char letter = 0;

		assert_int_equal(pidref_start_time(proc_fd, pid, &start, &letter), 0);
		assert_true(letter == 'S' || letter == 'R');
		/* within the last minute, in ticks since boot */
		assert_true(start + ticks >= before && start < before + 60 * ticks);
		assert_int_equal(pidref_start_time(proc_fd, pid, &start, NULL), 0);
		kill_and_reap(pid);
		assert_int_equal(pidref_start_time(proc_fd, pid, &start, NULL), -ESRCH);
	}
}

static void only_the_process_that_is_meant_is_taken(void **state)
{
	struct pidref p = { .pid = 4711 }, q;
	pid_t pid = sleeper(NULL);

	(void)state;
	assert_int_equal(pidref_open(proc_fd, pid, 0, &q), 0);
	assert_int_equal(q.pid, pid);
	assert_true(q.fd >= 0 && q.start > 0);
	assert_true(fcntl(q.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(pidref_open(proc_fd, pid, q.start + 1, &p), -ESRCH);
	assert_int_equal(pidref_open(proc_fd, pid, q.start - 1, &p), -ESRCH);
	assert_int_equal(p.pid, 4711);
	assert_int_equal(pidref_open(proc_fd, pid, q.start, &p), 0);
	pidref_done(&p);
	assert_true(p.fd == -EBADF && p.pid == 0);
	pidref_done(&p); /* empty */
	pidref_done(&q);
	kill_and_reap(pid);
}

static void a_zombie_and_a_reaped_process_are_gone(void **state)
{
	struct pidref p;
	siginfo_t info;
	pid_t pid = sleeper(NULL);
	uint64_t start;
	char letter;

	(void)state;
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(pidref_start_time(proc_fd, pid, &start, &letter), 0);
	assert_int_equal(letter, 'Z');
	assert_int_equal(pidref_open(proc_fd, pid, 0, &p), -ESRCH);
	assert_int_equal(pidref_open(proc_fd, pid, start, &p), -ESRCH);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(pidref_open(proc_fd, pid, 0, &p), -ESRCH);
}

static void signals_reach_it_and_its_death_is_seen(void **state)
{
	struct pidref p;
	pid_t pid = sleeper(NULL);
	int status;

	(void)state;
	assert_int_equal(pidref_open(proc_fd, pid, 0, &p), 0);
	assert_int_equal(pidref_wait_exit(&p, 0), 0);
	assert_int_equal(pidref_wait_exit(&p, 20), 0);
	assert_int_equal(pidref_signal(&p, 0), 0);
	assert_int_equal(pidref_signal(&p, SIGUSR1), 0);
	assert_int_equal(pidref_wait_exit(&p, -1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
	assert_int_equal(pidref_wait_exit(&p, 0), 1);
	assert_int_equal(pidref_signal(&p, SIGKILL), -ESRCH);
	pidref_done(&p);
	assert_int_equal(pidref_signal(&p, SIGKILL), -EBADF);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void waiting_goes_on_after_a_signal(void **state)
{
	const struct sigaction sa = { .sa_handler = on_alarm };
	const struct itimerval tick = { .it_interval.tv_usec = 5000, .it_value.tv_usec = 5000 }, off = { 0 };
	struct sigaction old;
	struct pidref p;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		(void)usleep(60000);
		_exit(0);
	}
	assert_int_equal(pidref_open(proc_fd, pid, 0, &p), 0);
	assert_int_equal(sigaction(SIGALRM, &sa, &old), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &tick, NULL), 0);
	assert_int_equal(pidref_wait_exit(&p, -1), 1);
	assert_int_equal(setitimer(ITIMER_REAL, &off, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	pidref_done(&p);
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(the_start_time_does_not_depend_on_the_command_name),
		cmocka_unit_test(only_the_process_that_is_meant_is_taken),
		cmocka_unit_test(a_zombie_and_a_reaped_process_are_gone),
		cmocka_unit_test(signals_reach_it_and_its_death_is_seen),
		cmocka_unit_test(waiting_goes_on_after_a_signal),
	};

	return cmocka_run_group_tests(rows, setup, teardown);
}
