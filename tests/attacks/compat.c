/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other doors of the same kernel: mkdir(2) by the 64-bit entry, by "int 0x80" with the number that i386 has for it, and by
 * the number with the x32 bit. Prints "ENTRY RESULT", where RESULT is 0, an error's name or "signal N".
 * usage: compat DIRECTORY
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define I386_MKDIR 39
#define X32_BIT	   0x40000000L

static char *low; /* an address that 32 bits can hold */

static long by_int80(void)
{
	long r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(I386_MKDIR), "b"(low), "c"(0700)
			 : "memory", "r8", "r9", "r10", "r11");
	return r;
}

static long by_64(void)
{
	long r = syscall(SYS_mkdir, low, 0700);

	return r < 0 ? -errno : r;
}

static long by_x32(void)
{
	long r = syscall(SYS_mkdir | X32_BIT, low, 0700);

	return r < 0 ? -errno : r;
}

static long by_mkdirat(void)
{
	long r = syscall(SYS_mkdirat, -100, low, 0700);

	return r < 0 ? -errno : r;
}

static void one(const char *name, long (*call)(void))
{
	int status;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		long r = call();

		printf("%s %s\n", name, r < 0 ? strerrorname_np((int)-r) : "0");
		(void)fflush(stdout);
		_exit(0);
	}
	(void)waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		printf("%s signal %d\n", name, WTERMSIG(status));
	(void)rmdir(low);
}

int main(int argc, char **argv)
{
	low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (argc != 2 || low == MAP_FAILED)
		return 2;
	(void)snprintf(low, 4096, "%s/made", argv[1]);
	one("x86_64", by_64);
	one("mkdirat", by_mkdirat);
	one("int80", by_int80);
	one("x32", by_x32);
	return 0;
}
