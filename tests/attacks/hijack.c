/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hijack PID NUMBER [ARGUMENT...] - make process PID, which waits in a system call, make another one, as code that has
 * taken it over would. Says "returned N", after which PID goes on as after EINTR, or "ended by signal N". x86-64.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

static int step(pid_t pid, int request)
{
	int status;

	if (ptrace(request, pid, 0, 0) < 0 || waitpid(pid, &status, __WALL) != pid) {
		perror("hijack");
		exit(2);
	}
	if (!WIFSTOPPED(status)) {
		printf("ended by signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
		exit(0);
	}
	return status;
}

/* To the next beginning or end of a system call. */
static void to_call(pid_t pid)
{
	while (WSTOPSIG(step(pid, PTRACE_SYSCALL)) != (SIGTRAP | 0x80))
		;
}

int main(int argc, char **argv)
{
	struct user_regs_struct before, regs;
	unsigned long long a[6] = { 0 };
	pid_t pid = argc > 2 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
	long result;

	for (int i = 3; i < argc && i < 9; i++)
		a[i - 3] = strtoull(argv[i], NULL, 0);
	if (pid <= 0 || ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) < 0) {
		perror("hijack");
		return 2;
	}
	(void)step(pid, PTRACE_INTERRUPT);
	if (ptrace(PTRACE_GETREGS, pid, 0, &before) < 0)
		return 2;
	regs = before;
	regs.rip -= 2; /* the instruction that it waits in */
	regs.rax = strtoull(argv[2], NULL, 0);
	regs.orig_rax = (unsigned long long)-1;
	regs.rdi = a[0], regs.rsi = a[1], regs.rdx = a[2], regs.r10 = a[3], regs.r8 = a[4], regs.r9 = a[5];
	if (ptrace(PTRACE_SETREGS, pid, 0, &regs) < 0)
		return 2;
	to_call(pid);
	to_call(pid);
	if (ptrace(PTRACE_GETREGS, pid, 0, &regs) < 0)
		return 2;
	result = (long)regs.rax;
	(void)step(pid, PTRACE_SINGLESTEP); /* a signal that the call has earned arrives behind it */
	before.rax = (unsigned long long)-EINTR;
	before.orig_rax = (unsigned long long)-1;
	if (ptrace(PTRACE_SETREGS, pid, 0, &before) < 0 || ptrace(PTRACE_DETACH, pid, 0, 0) < 0)
		return 2;
	printf("returned %ld\n", result);
	return 0;
}
