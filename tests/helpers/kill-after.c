/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill-after - run a program and kill it with SIGKILL after some microseconds.
 * usage: kill-after MICROSECONDS PROGRAM [ARG...]
 * Exit status: 137 when it was killed by us, 125 for mistakes of its own, otherwise the program's.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OWN_FAULT 125

int main(int argc, char **argv)
{
	struct timespec wait;
	int status;
	char *end;
	long us;
	pid_t pid;

	us = argc < 3 ? -1 : strtol(argv[1], &end, 10);
	if (us < 0 || *end) {
		fputs("usage: kill-after MICROSECONDS PROGRAM [ARG...]\n", stderr);
		return OWN_FAULT;
	}
	pid = fork();
	if (pid == 0) {
		(void)execvp(argv[2], argv + 2);
		fprintf(stderr, "kill-after: %s: %s\n", argv[2], strerror(errno));
		_exit(OWN_FAULT);
	}
	wait = (struct timespec){ .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };
	(void)nanosleep(&wait, NULL);
	/* It is our child and not yet waited for: the number is still its own. */
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return OWN_FAULT;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
