/* SPDX-License-Identifier: Apache-2.0 */
#include "procview/sandbox.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/callfilter.h"

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

int sandbox_lock(struct view_shared *shared, void *answer, size_t answer_len, struct err *e)
{
	struct view_slot *const slots[] = { &shared->changing, &shared->sysctl };

	/* most of the shared memory is room for long texts, which nobody may ever ask for */
	if (mlock2(shared, sizeof *shared, MLOCK_ONFAULT) < 0)
		return err_sys(e, errno, "lock the shared memory");
	if (mlock(answer, answer_len) < 0)
		return err_sys(e, errno, "lock the buffer for answers");
	/* locked when they are touched, which must be before the kernel does */
	for (size_t i = 0; i < ARRAY_SIZE(slots); i++)
		for (size_t at = 0; at <= sizeof slots[i]->buf; at += 4096) {
			volatile uint8_t *p = &slots[i]->buf[at < sizeof slots[i]->buf ? at : at - 1];

			*p = *p;
		}
	return 0;
}

/* ---- Landlock (5.13): Debian 12's header knows only its first version's rights ---------------- */

struct ruleset {
	uint64_t fs;
	uint64_t net;	 /* ABI 4 */
	uint64_t scoped; /* ABI 6 */
};

static int deny_files(struct err *e)
{
	/* all rights that each ABI knows: 1: 13 of them; 2: REFER; 3: TRUNCATE; 5: IOCTL_DEV */
	static const uint8_t rights[] = { 0, 13, 14, 15, 15, 16 };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1u /* LANDLOCK_CREATE_RULESET_VERSION */);
	struct ruleset rules = { 0 };
	_cleanup_close_ int fd = -EBADF;
	size_t size;

	if (abi < 1)
		return 0; /* not built in or switched off: system calls are filtered all the same */
	rules.fs = (1ull << rights[abi < 5 ? abi : 5]) - 1;
	rules.net = abi >= 4 ? 3 : 0;	 /* bind and connect */
	rules.scoped = abi >= 6 ? 3 : 0; /* abstract sockets, signals */
	size = abi >= 6	  ? sizeof rules
	       : abi >= 4 ? offsetof(struct ruleset, scoped)
			  : offsetof(struct ruleset, net);
	fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0u);
	if (fd < 0)
		return err_sys(e, errno, "make a Landlock rule set");
	if (syscall(SYS_landlock_restrict_self, fd, 0u) < 0)
		return err_sys(e, errno, "restrict ourselves by Landlock");
	return 0;
}

/* ---- ids and capabilities -------------------------------------------------------------------------------------- */

static int limit(struct err *e)
{
	static const struct {
		int what;
		rlim_t most;
	} limits[] = {
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_NPROC, 0 },
		{ RLIMIT_NOFILE, 3 }, /* ppoll(2) wants as many as it is given; what is open stays open */
	};

	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(limits) && r == 0; i++)
		r = callfilter_limit(limits[i].what, limits[i].most, e);
	return r;
}

/* ---- system calls ---------------------------------------------------------------------------------------------- */

static int filter_calls(const int fd[2], struct err *e)
{
	const struct sock_filter code[] = {
		CALLS_BEGIN,
		ALLOW(SYS_pread64),
		ALLOW(SYS_ppoll),
		ALLOW(SYS_clock_gettime), /* where the vDSO has no clock to go by */
		ALLOW(SYS_restart_syscall),
		ALLOW(SYS_exit_group),
#ifdef __SANITIZE_ADDRESS__
		ALLOW(SYS_sigaltstack), /* what AddressSanitizer does before _exit(2) */
#endif
		IS(SYS_read, 2, 0),
		IS(SYS_writev, 1, 0),
		ANSWER(SECCOMP_RET_KILL_PROCESS),
		LOAD(args[0]),
		IS(fd[0], 1, 0),
		IS(fd[1], 0, 1),
		ANSWER(SECCOMP_RET_ALLOW),
		ANSWER(SECCOMP_RET_KILL_PROCESS),
	};

	return callfilter_load(code, ARRAY_SIZE(code), e);
}

int sandbox_enter(uint32_t uid, const int fd[2], struct err *e)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "give up new privileges");
	if ((r = callfilter_user(uid, e)) < 0)
		return r;
	/* changing ids makes it what /proc/sys/fs/suid_dumpable says */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, errno, "become undumpable");
	if ((r = deny_files(e)) < 0 || (r = limit(e)) < 0)
		return r;
	return filter_calls(fd, e);
}
