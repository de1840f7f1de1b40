/* SPDX-License-Identifier: Apache-2.0 */
#include "notify/fence.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#include "base/cleanup.h"
#include "confine/seccomp-bpf.h"
#include "notify/caller.h"
#include "notify/kernel.h"
#include "sys/missing.h"

#ifndef __SANITIZE_ADDRESS__

/* A call, for any arguments or if that one argument, which has 32 bits, is (@mask) @value. */
struct allowed {
	uint32_t nr;
	bool judged;
	uint32_t arg, mask, value;
};

#define ANY(name)                \
	{                        \
		.nr = SYS_##name \
	}
#define ONLY(name, a, v)                                                                        \
	{                                                                                       \
		.nr = SYS_##name, .judged = true, .arg = a, .mask = ~0u, .value = (uint32_t)(v) \
	}
#define WITHOUT(name, a, bits)                                                       \
	{                                                                            \
		.nr = SYS_##name, .judged = true, .arg = a, .mask = (uint32_t)(bits) \
	}

static const struct allowed allowed[] = {
	/* a call: taken, looked at, answered */
	ANY(poll),
	ANY(recvmsg),
	ANY(process_vm_readv),
	ANY(process_vm_writev),
	ANY(alarm),
	ANY(clock_gettime),
	ONLY(ioctl, 1, SECCOMP_IOCTL_NOTIF_RECV),
	ONLY(ioctl, 1, SECCOMP_IOCTL_NOTIF_SEND),
	ONLY(ioctl, 1, SECCOMP_IOCTL_NOTIF_ID_VALID),
	ONLY(ioctl, 1, SECCOMP_IOCTL_NOTIF_SET_FLAGS),
	ONLY(ioctl, 1, NS_GET_PARENT),
	ONLY(ioctl, 1, NS_GET_USERNS),
	/* files */
	ANY(openat),
	ANY(openat2),
	ANY(close),
	ANY(fcntl),
	ANY(read),
	ANY(pread64),
	ANY(readlinkat),
	ANY(fstat),
	ANY(newfstatat),
	ANY(statx),
	ANY(statfs),
	ANY(fstatfs),
	ANY(statmount),
	ANY(listmount),
	ONLY(write, 0, STDERR_FILENO),
	/* nodes */
	ANY(mknodat),
	ANY(unlinkat),
	ANY(fchownat),
	ANY(fchmodat),
	ANY(umask),
	/* mounts */
	ONLY(mount, 3, MS_BIND),
	ANY(umount2),
	ANY(open_tree),
	ANY(move_mount),
	ANY(mount_setattr),
	ANY(fsopen),
	ANY(fsconfig),
	ANY(fsmount),
	/* helpers, and who they become */
	ONLY(clone, 0, NOTIFY_HELPER_FLAGS),
	ANY(wait4),
	ANY(exit),
	ANY(exit_group),
	ANY(setns),
	ONLY(unshare, 0, CLONE_NEWNS),
	ANY(chroot),
	ANY(chdir),
	ANY(fchdir),
	ANY(setgroups),
	ANY(setresgid),
	ANY(setresuid),
	ANY(setfsgid),
	ANY(setfsuid),
	ANY(capset),
	/* memory, and the C library */
	ANY(brk),
	WITHOUT(mmap, 2, PROT_EXEC),
	WITHOUT(mprotect, 2, PROT_EXEC),
	ANY(munmap),
	ANY(mremap),
	ANY(madvise),
	ANY(getrandom),
	ANY(restart_syscall),
	ANY(rt_sigreturn),
};

int notify_fence(struct err *e)
{
	struct bpf_rule rules[ARRAY_SIZE(allowed)];
	struct bpf_cond conds[ARRAY_SIZE(allowed)];
	struct bpf_abi abi = { .audit = notify_audit_arch(NOTIFY_X86_64),
			       .rules = rules,
			       .n = ARRAY_SIZE(allowed) };
	_cleanup_free_ struct sock_filter *code = NULL;
	struct sock_fprog prog;
	size_t n;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
		const struct allowed *a = &allowed[i];

		conds[i] = (struct bpf_cond){ .arg = a->arg, .op = BPF_OP_MASKED_EQ, .a = a->mask, .b = a->value };
		rules[i] = (struct bpf_rule){ .nr = a->nr,
					      .action = SECCOMP_RET_ALLOW,
					      .order = (uint32_t)i,
					      .n_conds = a->judged,
					      .conds = &conds[i] };
	}
	r = seccomp_bpf_generate(&abi, 1, SECCOMP_RET_KILL_PROCESS, false, &code, &n);
	if (r < 0)
		return err_sys(e, -r, "make the filter for system calls");
	prog = (struct sock_fprog){ .len = (unsigned short)n, .filter = code };
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) < 0)
		return err_sys(e, errno, "filter system calls");
	return 0;
}

#else

/* AddressSanitizer makes calls of its own at any time. */
int notify_fence(struct err *e)
{
	(void)e;
	return 0;
}

#endif
