/* SPDX-License-Identifier: Apache-2.0 */
/*
 * no-syscall - run a program on a kernel that does not know some system calls: a seccomp filter answers them with ENOSYS.
 * usage: no-syscall NAME[,NAME...] PROGRAM [ARG...]     no-syscall --list
 * Exit status: 125 for mistakes of its own, otherwise the program's.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OWN_FAULT 125

/* Every call that is younger than Linux 3.0 and that the runtime makes; the oldest kernel that has it. */
static const struct {
	const char *name;
	unsigned nr;
	const char *since;
} calls[] = {
	{ "setns", SYS_setns, "3.0" },
	{ "seccomp", SYS_seccomp, "3.17" },
	{ "memfd_create", SYS_memfd_create, "3.17" },
	{ "statx", SYS_statx, "4.11" },
	{ "pidfd_send_signal", SYS_pidfd_send_signal, "5.1" },
	{ "open_tree", SYS_open_tree, "5.2" },
	{ "move_mount", SYS_move_mount, "5.2" },
	{ "fsopen", SYS_fsopen, "5.2" },
	{ "fsconfig", SYS_fsconfig, "5.2" },
	{ "fsmount", SYS_fsmount, "5.2" },
	{ "fspick", SYS_fspick, "5.2" },
	{ "pidfd_open", SYS_pidfd_open, "5.3" },
	{ "clone3", SYS_clone3, "5.3" },
	{ "openat2", SYS_openat2, "5.6" },
	{ "pidfd_getfd", SYS_pidfd_getfd, "5.6" },
	{ "close_range", SYS_close_range, "5.9" },
	{ "mount_setattr", SYS_mount_setattr, "5.12" },
};

#define N_CALLS (sizeof calls / sizeof calls[0])

static int find(const char *name, size_t len, unsigned *ret)
{
	for (size_t i = 0; i < N_CALLS; i++)
		if (strlen(calls[i].name) == len && memcmp(calls[i].name, name, len) == 0) {
			*ret = calls[i].nr;
			return 0;
		}
	return -1;
}

static int load(const unsigned *nr, unsigned short n)
{
	struct sock_filter f[2 * N_CALLS + 2] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog prog = { .filter = f };
	unsigned short at = 1;

	for (unsigned short i = 0; i < n; i++) {
		f[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr[i], 0, 1);
		f[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
	}
	f[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	prog.len = at;
	/* prctl(2), not seccomp(2), which may be on the list. No no_new_privs: the program must not notice more than it should. */
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
}

int main(int argc, char **argv)
{
	unsigned nr[N_CALLS];
	unsigned short n = 0;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (size_t i = 0; i < N_CALLS; i++)
			printf("%s %s\n", calls[i].name, calls[i].since);
		return 0;
	}
	if (argc < 3) {
		fputs("usage: no-syscall NAME[,NAME...] PROGRAM [ARG...]\n", stderr);
		return OWN_FAULT;
	}
	for (const char *p = argv[1]; *p;) {
		size_t len = strcspn(p, ",");

		if (n == N_CALLS || find(p, len, &nr[n]) < 0) {
			fprintf(stderr, "no-syscall: unknown system call in \"%s\"; see --list\n", argv[1]);
			return OWN_FAULT;
		}
		n++;
		p += len + (p[len] == ',');
	}
	if (load(nr, n) < 0) {
		fprintf(stderr, "no-syscall: load filter: %s\n", strerror(errno));
		return OWN_FAULT;
	}
	(void)execvp(argv[2], argv + 2);
	fprintf(stderr, "no-syscall: %s: %s\n", argv[2], strerror(errno));
	return OWN_FAULT;
}
