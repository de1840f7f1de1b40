/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at every process that appears in this pid namespace, for as long as the runtime may be in the middle of joining it:
 * open files, root, working directory, program, memory, environment, command line, mounts; tries to attach and to take
 * fds. Prints what it got of processes that are not the container's own: those whose name is the runtime's.
 * usage: watch NAME SECONDS     (ends early when /tmp/watch-stop exists)
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *name;
static int looked;

static int slurp(pid_t pid, const char *file, char *buf, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, buf, size - 1);
	(void)close(fd);
	if (n < 0)
		return -1;
	buf[n] = '\0';
	for (ssize_t i = 0; i < n; i++)
		if (buf[i] == '\0')
			buf[i] = ' ';
	return (int)n;
}

static int is_runtime(pid_t pid)
{
	char comm[64], path[64], exe[256];
	ssize_t n;

	if (slurp(pid, "comm", comm, sizeof comm) <= 0 || strncmp(comm, name, strlen(name)) != 0)
		return 0;
	/* execve(2) changes the name last: with a program of the container's it is that already. */
	(void)snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
	n = readlink(path, exe, sizeof exe - 1);
	if (n > 0)
		exe[n] = '\0';
	return n <= 0 || access(exe, F_OK) < 0;
}

static void look(pid_t pid)
{
	static const char *const links[] = {
		"exe", "root", "cwd", "fd/0", "fd/3", "fd/4", "fd/5", "fd/6", "ns/mnt"
	};
	static const char *const files[] = { "environ", "maps", "mem", "cmdline", "mountinfo" };
	char path[64], text[4096];
	pid_t child;
	int fd;

	looked++;
	for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
		ssize_t n;

		(void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, links[i]);
		n = readlink(path, text, sizeof text - 1);
		/* It may have become the container's program meanwhile: then all this is nobody's secret. */
		if (n > 0 && is_runtime(pid))
			printf("GOT link %s -> %.*s\n", links[i], (int)n, text);
		fd = open(path, O_PATH | O_CLOEXEC);
		if (fd >= 0 && is_runtime(pid))
			printf("GOT open %s\n", links[i]);
		if (fd >= 0)
			(void)close(fd);
	}
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (slurp(pid, files[i], text, sizeof text) > 0 && is_runtime(pid))
			printf("GOT %s: %.300s\n", files[i], text);
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd >= 0) {
		for (int i = 0; i < 16; i++) {
			int got = (int)syscall(SYS_pidfd_getfd, fd, i, 0);

			if (got >= 0 && is_runtime(pid))
				printf("GOT fd %d\n", i);
			if (got >= 0)
				(void)close(got);
		}
		(void)close(fd);
	}
	/* By a child: its end sets free what it attached to, also when that is the container's program by then. */
	(void)fflush(stdout);
	if ((child = fork()) == 0) {
		if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0 && is_runtime(pid))
			printf("GOT ptrace\n");
		(void)fflush(stdout);
		_exit(0);
	}
	(void)waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
	time_t end;

	if (argc != 3)
		return 2;
	name = argv[1];
	end = time(NULL) + atoi(argv[2]);
	while (time(NULL) < end && access("/tmp/watch-stop", F_OK) < 0) {
		DIR *dir = opendir("/proc");
		struct dirent *ent;

		if (!dir)
			return 2;
		while ((ent = readdir(dir))) {
			pid_t pid = atoi(ent->d_name);

			if (pid > 0 && pid != getpid() && is_runtime(pid))
				look(pid);
		}
		(void)closedir(dir);
	}
	printf("looked %d times\n", looked);
	return 0;
}
