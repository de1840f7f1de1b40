/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/callfilter.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

int callfilter_load(const struct sock_filter *code, size_t n, struct err *e)
{
	struct sock_fprog prog = { .len = (unsigned short)n };

	memcpy(&prog.filter, &code, sizeof prog.filter); /* the kernel only reads it, but does not say so */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) < 0)
		return err_sys(e, errno, "filter system calls");
	return 0;
}

static int drop_bounding(struct err *e)
{
	for (int cap = 0, has; cap < 64 && (has = prctl(PR_CAPBSET_READ, cap, 0, 0, 0)) >= 0; cap++)
		if (has == 1 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return err_sys(e, errno, "drop capability %d", cap);
	return 0;
}

static int drop_sets(struct err *e)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	return syscall(SYS_capset, &head, none) < 0 ? err_sys(e, errno, "give up capabilities") : 0;
}

int callfilter_powerless(struct err *e)
{
	int r = geteuid() == 0 ? drop_bounding(e) : 0;

	return r < 0 ? r : drop_sets(e);
}

int callfilter_user(uint32_t uid, struct err *e)
{
	int r = drop_bounding(e);

	if (r < 0)
		return r;
	if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		return err_sys(e, errno, "become user %u", uid);
	return drop_sets(e);
}

int callfilter_limit(int what, uint64_t most, struct err *e)
{
	struct rlimit l = { most, most };

	if (setrlimit((__rlimit_resource_t)what, &l) < 0)
		return err_sys(e, errno, "set limit %d", what);
	return 0;
}
