/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/creds.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int set_effective(uint64_t mask, struct err *e)
{
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &hdr, data) < 0)
		return err_sys(e, errno, "read own capabilities");
	for (unsigned i = 0; i < 2; i++)
		data[i].effective = data[i].permitted & (uint32_t)(mask >> (32 * i));
	return syscall(SYS_capset, &hdr, data) < 0 ? err_sys(e, errno, "set own capabilities") : 0;
}

int creds_become(uint32_t id, uint64_t caps, struct err *e)
{
	/* Raw system calls: the C library's wrappers would synchronise threads that do not exist. */
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) < 0)
		return err_sys(e, errno, "keep capabilities");
	if (syscall(SYS_setresgid, id, id, id) < 0 || syscall(SYS_setresuid, id, id, 0) < 0)
		return err_sys(e, errno, "take the ids of container root");
	return set_effective(caps, e);
}

int creds_become_owner(uint32_t id, struct err *e)
{
	int r = creds_become(id, UINT64_MAX, e);

	if (r < 0)
		return r;
	/* Nothing of host root in the new process but its file rights: CAP_SETUID is enough for our own way back. */
	if (syscall(SYS_setresuid, id, id, id) < 0)
		return err_sys(e, errno, "take the ids of container root");
	/* They return the former value, and say nothing of a failure: ask again. */
	(void)syscall(SYS_setfsuid, 0);
	(void)syscall(SYS_setfsgid, 0);
	if (syscall(SYS_setfsuid, -1) != 0 || syscall(SYS_setfsgid, -1) != 0)
		return err_set(e, EPERM, "keep the host root's rights over files");
	return 0;
}

int creds_restore(struct err *e)
{
	int r = set_effective(UINT64_MAX, e);

	if (r < 0)
		return r;
	if (syscall(SYS_setresuid, 0, 0, 0) < 0 || syscall(SYS_setresgid, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECUREBITS, 0) < 0)
		return err_sys(e, errno, "go back to root");
	return 0;
}
