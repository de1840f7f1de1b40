/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/callfilter.h"

/* ---- ids, capabilities, limits --------------------------------------------------------------------------------- */

static int limit(struct err *e)
{
	static const struct {
		int what;
		rlim_t most;
	} limits[] = {
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_FSIZE, 0 },
		{ RLIMIT_NOFILE, SANDBOX_FILES },
#ifndef __SANITIZE_ADDRESS__ /* whose shadow memory alone is terabytes */
		{ RLIMIT_AS, SANDBOX_MEMORY },
#endif
	};

	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(limits) && r == 0; i++)
		r = callfilter_limit(limits[i].what, limits[i].most, e);
	return r;
}

/* ---- system calls ---------------------------------------------------------------------------------------------- */

#define LOAD_HIGH(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, args[n]) + 4)
#define YES	     ANSWER(SECCOMP_RET_ALLOW)
#define NO	     ANSWER(SECCOMP_RET_ERRNO | EPERM)
#define NOT_THERE    ANSWER(SECCOMP_RET_ERRNO | ENOSYS)

#define WRITES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

static int filter_calls(struct err *e)
{
	/* clang-format off */
	const struct sock_filter code[] = {
		CALLS_BEGIN,
		/* what is open */
		ALLOW(SYS_read), ALLOW(SYS_write), ALLOW(SYS_readv), ALLOW(SYS_writev), ALLOW(SYS_pread64),
		ALLOW(SYS_lseek), ALLOW(SYS_close), ALLOW(SYS_fstat), ALLOW(SYS_fcntl), ALLOW(SYS_getdents64),
		ALLOW(SYS_ppoll), ALLOW(SYS_pselect6),
#ifdef SYS_poll
		ALLOW(SYS_poll), ALLOW(SYS_select), ALLOW(SYS_stat), ALLOW(SYS_lstat), ALLOW(SYS_access),
#endif
		ALLOW(SYS_newfstatat), ALLOW(SYS_faccessat),
		/* connections, and libcurl's own wake-ups */
		ALLOW(SYS_connect), ALLOW(SYS_bind), ALLOW(SYS_getsockname), ALLOW(SYS_getpeername),
		ALLOW(SYS_getsockopt), ALLOW(SYS_setsockopt), ALLOW(SYS_sendto), ALLOW(SYS_recvfrom),
		ALLOW(SYS_sendmsg), ALLOW(SYS_recvmsg), ALLOW(SYS_sendmmsg), ALLOW(SYS_shutdown),
		ALLOW(SYS_pipe2), ALLOW(SYS_eventfd2),
		/* memory, threads, time */
		ALLOW(SYS_brk), ALLOW(SYS_munmap), ALLOW(SYS_mremap), ALLOW(SYS_madvise),
		ALLOW(SYS_futex), ALLOW(SYS_set_robust_list), ALLOW(SYS_rseq), ALLOW(SYS_sched_yield),
		ALLOW(SYS_sched_getaffinity),
		ALLOW(SYS_rt_sigaction), ALLOW(SYS_rt_sigprocmask), ALLOW(SYS_rt_sigreturn), ALLOW(SYS_sigaltstack),
		ALLOW(SYS_restart_syscall), ALLOW(SYS_exit), ALLOW(SYS_exit_group),
		ALLOW(SYS_clock_gettime), ALLOW(SYS_clock_getres), ALLOW(SYS_gettimeofday), ALLOW(SYS_clock_nanosleep),
		ALLOW(SYS_nanosleep), ALLOW(SYS_setitimer), ALLOW(SYS_getrandom),
		ALLOW(SYS_getpid), ALLOW(SYS_gettid), ALLOW(SYS_getuid), ALLOW(SYS_geteuid), ALLOW(SYS_getgid),
		ALLOW(SYS_getegid), ALLOW(SYS_uname), ALLOW(SYS_sysinfo),
		/* its arguments are in memory, which a filter cannot read: glibc goes on with clone */
		IS(SYS_clone3, 0, 1), NOT_THERE,
		IS(SYS_clone, 0, 4), LOAD(args[0]), HAS(CLONE_THREAD, 0, 1), YES, NO,
		IS(SYS_openat, 0, 4), LOAD(args[2]), HAS(WRITES, 1, 0), YES, NO,
#ifdef SYS_open
		IS(SYS_open, 0, 4), LOAD(args[1]), HAS(WRITES, 1, 0), YES, NO,
#endif
		/* libraries are mapped (getaddrinfo's modules), but nothing that can be written is ever executed */
		IS(SYS_mmap, 0, 5), LOAD(args[2]), HAS(PROT_EXEC, 0, 2), HAS(PROT_WRITE, 0, 1), NO, YES,
		IS(SYS_mprotect, 0, 4), LOAD(args[2]), HAS(PROT_EXEC, 1, 0), YES, NO,
		IS(SYS_socket, 0, 6), LOAD(args[0]), IS(AF_INET, 2, 0), IS(AF_INET6, 1, 0), IS(AF_NETLINK, 0, 1),
			YES, NO,
		/* only of those that stay connected: others can send to every Unix socket of the host */
		IS(SYS_socketpair, 0, 5), LOAD(args[1]), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf),
			IS(SOCK_STREAM, 0, 1), YES, NO,
		IS(SYS_ioctl, 0, 4), LOAD(args[1]), IS(FIONREAD, 0, 1), YES, NO,
		/* limits can be read, not set */
		IS(SYS_prlimit64, 0, 6), LOAD(args[2]), IS(0, 0, 3), LOAD_HIGH(2), IS(0, 0, 1), YES, NO,
		NO,
	};
	/* clang-format on */

	return callfilter_load(code, ARRAY_SIZE(code), e);
}

int sandbox_enter(struct err *e)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "give up new privileges");
	if ((r = (geteuid() == 0 ? callfilter_user(SANDBOX_UID, e) : callfilter_powerless(e))) < 0)
		return r;
	/* changing ids makes it what /proc/sys/fs/suid_dumpable says */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, errno, "become undumpable");
	if ((r = limit(e)) < 0)
		return r;
	return filter_calls(e);
}
