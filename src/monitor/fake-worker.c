/* SPDX-License-Identifier: Apache-2.0 */
/* See fake-worker.h. Static, since there is nothing but the carriers where it runs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "emulate/cover.h"
#include "emulate/shared.h"
#include "monitor/fake-worker.h"
#include "monitor/internal.h"

extern char **environ;

static bool root_is_tiny(void)
{
	static const char *const names[] = { ".",	   "..",	COVER_CONSTANT, COVER_CHANGING,
					     COVER_SYSCTL, COVER_EMPTY, COVER_NULL };
	DIR *d = opendir(".");
	struct dirent *ent;
	size_t n = 0;

	while (d && (ent = readdir(d)) != NULL) {
		bool known = false;

		for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
			known |= strcmp(ent->d_name, names[i]) == 0;
		if (!known)
			return false;
		n++;
	}
	return d && closedir(d) == 0 && n == 7 && access("/" COVER_NULL, F_OK) == 0;
}

static void look_around(struct fake_record *r)
{
	sigset_t mask;

	r->bad = 0;
	r->open_fds = 0;
	for (int fd = 0; fd < WORKER_FD_END; fd++)
		r->open_fds |= fcntl(fd, F_GETFD) >= 0 ? 1u << fd : 0;
	for (int fd = WORKER_FD_END; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			r->bad |= FAKE_BAD_EXTRA_FD;
	if (*environ)
		r->bad |= FAKE_BAD_ENV;
	if (!root_is_tiny())
		r->bad |= FAKE_BAD_ROOT;
	if (sigprocmask(SIG_SETMASK, NULL, &mask) < 0 || !sigisemptyset(&mask))
		r->bad |= FAKE_BAD_SIGNALS;
	if (getpgrp() != getpid())
		r->bad |= FAKE_BAD_GROUP;
	/* Enough to make a namespace: execve gave back what the monitor has dropped. */
	if (unshare(CLONE_NEWNS) < 0)
		r->bad |= FAKE_BAD_CAPS;
}

static void take_listeners(struct fake_record *r)
{
	for (;;) {
		struct worker_msg msg;
		size_t n_fds = 0;
		int fd = -1;
		ssize_t n = monitor_receive(WORKER_FD_MONITOR, &msg, sizeof msg, &fd, 1, &n_fds, 0);

		if (n != (ssize_t)sizeof msg)
			_exit(0);
		if (n_fds != 1)
			r->no_fd++;
		if (r->n > 0 && r->n <= FAKE_NUMBERS && msg.listener <= r->numbers[r->n - 1])
			r->unordered++;
		if (r->n < FAKE_NUMBERS)
			r->numbers[r->n] = msg.listener;
		__atomic_add_fetch(&r->n, 1, __ATOMIC_SEQ_CST);
	}
}

int main(int argc, char **argv)
{
	const char *colon = argc > 0 ? strchr(argv[0], ' ') : NULL, *id = colon ? colon + 1 : "";
	char *memory = mmap(NULL, FAKE_OFFSET + 4096, PROT_READ | PROT_WRITE, MAP_SHARED, WORKER_FD_SHARED, 0);
	struct fake_record *r = (struct fake_record *)(void *)(memory + FAKE_OFFSET);

	if (memory == MAP_FAILED)
		return 9;
	look_around(r);
	r->n = 0;
	r->pid = getpid();
	if (r->orphan > 0 && kill(r->orphan, 0) == 0)
		r->survivors++;
	if (strncmp(id, "orphan", 6) == 0) {
		pid_t pid = fork();

		if (pid == 0)
			for (;;)
				(void)pause();
		r->orphan = pid;
	}
	__atomic_add_fetch(&r->starts, 1, __ATOMIC_SEQ_CST);
	if (strncmp(id, "exit", 4) == 0)
		return 3;
	if (strncmp(id, "crash", 5) == 0) {
		(void)prctl(PR_SET_DUMPABLE, 0);
		(void)raise(SIGSEGV);
	}
	if (strncmp(id, "stop", 4) == 0)
		(void)raise(SIGSTOP);
	if (strncmp(id, "deaf", 4) == 0)
		for (;;)
			(void)pause();
	take_listeners(r);
	return 0;
}
