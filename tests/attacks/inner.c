/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters that a container puts on top of the supervisor's. Each in a process of its own: what mount(2) of a procfs on DIR says under
 * it, and whether it is there afterwards.
 * usage: inner DIR
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROC_MAGIC 0x9fa0

/* One action for mount(2) and umount2(2). */
static long install(unsigned action, unsigned flags)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mount, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_umount2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof f / sizeof *f, f };

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

static void attempt(const char *name, unsigned action, unsigned flags, const char *dir)
{
	int status;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		long r = install(action, flags);

		printf("%s installed %s\n", name, r < 0 ? strerrorname_np(errno) : "0");
		(void)fflush(stdout);
		if (r < 0)
			_exit(0);
		r = mount("proc", dir, "proc", 0, NULL);
		printf("%s mount %s\n", name, r < 0 ? strerrorname_np(errno) : "0");
		r = umount2(dir, 0);
		printf("%s umount %s\n", name, r < 0 ? strerrorname_np(errno) : "0");
		(void)fflush(stdout);
		_exit(0);
	}
	(void)waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		printf("%s signal %d\n", name, WTERMSIG(status));
}

int main(int argc, char **argv)
{
	struct statfs fs;

	if (argc != 2)
		return 2;
	attempt("allow", SECCOMP_RET_ALLOW, 0, argv[1]);
	attempt("success", SECCOMP_RET_ERRNO, 0, argv[1]);
	attempt("error", SECCOMP_RET_ERRNO | EXDEV, 0, argv[1]);
	attempt("trap", SECCOMP_RET_TRAP, 0, argv[1]);
	attempt("trace", SECCOMP_RET_TRACE, 0, argv[1]);
	attempt("log", SECCOMP_RET_LOG, 0, argv[1]);
	attempt("kill", SECCOMP_RET_KILL_PROCESS, 0, argv[1]);
	attempt("notify", SECCOMP_RET_USER_NOTIF, 0, argv[1]);
	attempt("listener", SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER, argv[1]);
	if (statfs(argv[1], &fs) == 0 && fs.f_type == PROC_MAGIC)
		printf("LEFT a procfs\n");
	printf("end\n");
	return 0;
}
