/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

/*
 * Raw system calls throughout: the C library's setuid(2) family tells other threads about it under a lock, and libcap
 * allocates; both are out of bounds in a cloned child.
 */

#define OVERFLOW_GID	 65534u /* what an id without a mapping looks like */
#define GROUPS_LOOKED_AT 64
#define BIT(n)		 (UINT64_C(1) << (n))

struct capsets {
	uint64_t effective, permitted, inheritable;
};

static const char *cap_label(int cap)
{
	const char *name = oci_cap_name(cap);

	return name ? name : "one without a name";
}

/* The lowest capability in @set, which is not empty: one is enough to say what is wrong. */
static int first_cap(uint64_t set)
{
	return __builtin_ctzll(set);
}

/* Mask of the capabilities that this kernel knows. Asked of the kernel: no file of the container can be trusted here. */
static uint64_t known_caps(void)
{
	int lo = 0, hi = 64; /* lo is known, hi is not */

	while (hi - lo > 1) {
		int mid = (lo + hi) / 2;

		if (prctl(PR_CAPBSET_READ, (unsigned long)mid, 0, 0, 0) >= 0)
			lo = mid;
		else
			hi = mid;
	}
	return hi == 64 ? UINT64_MAX : BIT(hi) - 1;
}

static int caps_get(struct capsets *ret)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { 0 };

	if (syscall(SYS_capget, &h, d) < 0)
		return -errno;
	*ret = (struct capsets){
		.effective = d[0].effective | (uint64_t)d[1].effective << 32,
		.permitted = d[0].permitted | (uint64_t)d[1].permitted << 32,
		.inheritable = d[0].inheritable | (uint64_t)d[1].inheritable << 32,
	};
	return 0;
}

static int caps_set(const struct capsets *c)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct d[2] = {
		{ (uint32_t)c->effective, (uint32_t)c->permitted, (uint32_t)c->inheritable },
		{ (uint32_t)(c->effective >> 32), (uint32_t)(c->permitted >> 32),
		  (uint32_t)(c->inheritable >> 32) },
	};

	return syscall(SYS_capset, &h, d) < 0 ? -errno : 0;
}

int confine_bounding(const struct oci_caps *caps, struct err *e)
{
	uint64_t keep = caps->present ? caps->bounding : 0;

	for (int cap = 0; cap < 64; cap++) {
		int held = prctl(PR_CAPBSET_READ, (unsigned long)cap, 0, 0, 0);

		if (held < 0)
			break; /* above the last one that the kernel knows */
		if (held == 0 || (keep & BIT(cap)))
			continue;
		if (prctl(PR_CAPBSET_DROP, (unsigned long)cap, 0, 0, 0) < 0)
			return err_sys(e, errno, "drop %s from the bounding set", cap_label(cap));
	}
	return 0;
}

/*
 * A user namespace may forbid setgroups(2) (an unprivileged user made it). Groups from outside then show up as
 * unmapped and give nothing to the container; any mapped one would be a right that nobody asked for.
 */
static int groups_are_harmless(const struct oci_user *u)
{
	gid_t groups[GROUPS_LOOKED_AT];
	long n = syscall(SYS_getgroups, GROUPS_LOOKED_AT, groups);

	if (n < 0)
		return 0;
	for (long i = 0; i < n; i++)
		if (groups[i] != OVERFLOW_GID && groups[i] != u->gid)
			return 0;
	return 1;
}

static int set_groups(const struct oci_user *u, struct err *e)
{
	int code;

	if (syscall(SYS_setgroups, u->n_additional_gids, u->additional_gids) == 0)
		return 0;
	code = errno;
	if (code == EPERM && u->n_additional_gids == 0 && groups_are_harmless(u))
		return 0;
	if (code == EPERM)
		return err_set(e, code,
			       "process.user.additionalGids: setgroups is not permitted in this user namespace");
	return err_sys(e, code, "process.user.additionalGids: setgroups of %zu ids", u->n_additional_gids);
}

int confine_ids(const struct oci_user *u, struct err *e)
{
	struct capsets before = { 0 }, after = { 0 };
	int r;

	if ((r = caps_get(&before)) < 0)
		return err_sys(e, -r, "capget");
	if (prctl(PR_SET_KEEPCAPS, 1L, 0, 0, 0) < 0)
		return err_sys(e, errno, "PR_SET_KEEPCAPS");
	if ((r = set_groups(u, e)) < 0)
		return r;
	if (syscall(SYS_setresgid, u->gid, u->gid, u->gid) < 0)
		return err_sys(e, errno, "process.user.gid: setgid to %u (is it mapped in the user namespace?)",
			       u->gid);
	if (syscall(SYS_setresuid, u->uid, u->uid, u->uid) < 0)
		return err_sys(e, errno, "process.user.uid: setuid to %u (is it mapped in the user namespace?)",
			       u->uid);
	if (prctl(PR_SET_KEEPCAPS, 0L, 0, 0, 0) < 0)
		return err_sys(e, errno, "PR_SET_KEEPCAPS");
	/* KEEPCAPS keeps the permitted set only, but what follows (seccomp, capset) has to be able to use it. */
	if ((r = caps_get(&after)) < 0)
		return err_sys(e, -r, "capget");
	after.effective = before.effective & after.permitted;
	if ((r = caps_set(&after)) < 0)
		return err_sys(e, -r, "capset after the change of ids");
	if (u->has_umask)
		(void)umask((mode_t)u->umask);
	return 0;
}

/* Everything that capset(2) and PR_CAP_AMBIENT_RAISE would refuse without saying which capability it is about. */
static int caps_check(const struct capsets *want, struct err *e)
{
	struct capsets now = { 0 };
	uint64_t bad;
	int r;

	if ((r = caps_get(&now)) < 0)
		return err_sys(e, -r, "capget");
	if ((bad = want->permitted & ~now.permitted) != 0)
		return err_set(e, EPERM, "process.capabilities.permitted: %s is not held by the runtime",
			       cap_label(first_cap(bad)));
	if ((bad = want->effective & ~want->permitted) != 0)
		return err_set(e, EPERM, "process.capabilities.effective: %s is not in permitted",
			       cap_label(first_cap(bad)));
	for (uint64_t rest = want->inheritable & ~now.inheritable; rest != 0; rest &= rest - 1)
		if (prctl(PR_CAPBSET_READ, (unsigned long)first_cap(rest), 0, 0, 0) != 1)
			return err_set(e, EPERM, "process.capabilities.inheritable: %s is not in bounding",
				       cap_label(first_cap(rest)));
	return 0;
}

int confine_caps(const struct oci_caps *caps, struct err *e)
{
	struct capsets want = { 0 };
	uint64_t known = known_caps(), ambient = 0;
	int r;

	if (caps->present) {
		want = (struct capsets){
			.effective = caps->effective & known,
			.permitted = caps->permitted & known,
			.inheritable = caps->inheritable & known,
		};
		/* The kernel's rule; what does not meet it is left out, as runc and crun do with `runc spec`'s default. */
		ambient = caps->ambient & want.permitted & want.inheritable;
	}
	if ((r = caps_check(&want, e)) < 0)
		return r;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_sys(e, errno, "clear the ambient capabilities");
	if ((r = caps_set(&want)) < 0)
		return err_sys(e, -r, "capset");
	for (uint64_t rest = ambient; rest != 0; rest &= rest - 1)
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, (unsigned long)first_cap(rest), 0, 0) < 0)
			return err_sys(e, errno, "process.capabilities.ambient: raise %s",
				       cap_label(first_cap(rest)));
	return 0;
}
