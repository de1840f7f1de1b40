/* SPDX-License-Identifier: Apache-2.0 */
#include <seccomp.h> /* first: see seccomp_program_load() in confine.h */

#include "confine/confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "confine/seccomp-bpf.h"
#include "confine/seccomp-cache.h"

#define X32_BIT	       0x40000000u
#define ERRNO_MAX      4095u  /* the kernel caps SECCOMP_RET_ERRNO here */
#define TRACE_DATA_MAX 65535u /* SECCOMP_RET_DATA */
#define MAX_ABIS       24

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* Every name that the runtime specification knows, and what it is for libseccomp and the kernel. */

static const struct {
	const char *name;
	uint32_t action;
	uint32_t data_max; /* of errnoRet; 0: the action takes none */
} actions[] = {
	{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW, 0 },
	{ "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0), ERRNO_MAX },
	{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD, 0 },
	{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS, 0 },
	{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD, 0 },
	{ "SCMP_ACT_LOG", SCMP_ACT_LOG, 0 },
	{ "SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY, 0 },
	{ "SCMP_ACT_TRACE", SCMP_ACT_TRACE(0), TRACE_DATA_MAX },
	{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP, 0 },
};

static const struct {
	const char *name;
	enum bpf_op op;
} operators[] = {
	{ "SCMP_CMP_EQ", BPF_OP_EQ }, { "SCMP_CMP_GE", BPF_OP_GE }, { "SCMP_CMP_GT", BPF_OP_GT },
	{ "SCMP_CMP_LE", BPF_OP_LE }, { "SCMP_CMP_LT", BPF_OP_LT }, { "SCMP_CMP_MASKED_EQ", BPF_OP_MASKED_EQ },
	{ "SCMP_CMP_NE", BPF_OP_NE },
};

static const struct {
	const char *name;
	const char *scmp; /* as seccomp_arch_resolve_name() spells it; not every libseccomp knows each */
} archs[] = {
	{ "SCMP_ARCH_AARCH64", "aarch64" },
	{ "SCMP_ARCH_ARM", "arm" },
	{ "SCMP_ARCH_LOONGARCH64", "loongarch64" },
	{ "SCMP_ARCH_MIPS", "mips" },
	{ "SCMP_ARCH_MIPS64", "mips64" },
	{ "SCMP_ARCH_MIPS64N32", "mips64n32" },
	{ "SCMP_ARCH_MIPSEL", "mipsel" },
	{ "SCMP_ARCH_MIPSEL64", "mipsel64" },
	{ "SCMP_ARCH_MIPSEL64N32", "mipsel64n32" },
	{ "SCMP_ARCH_PARISC", "parisc" },
	{ "SCMP_ARCH_PARISC64", "parisc64" },
	{ "SCMP_ARCH_PPC", "ppc" },
	{ "SCMP_ARCH_PPC64", "ppc64" },
	{ "SCMP_ARCH_PPC64LE", "ppc64le" },
	{ "SCMP_ARCH_RISCV64", "riscv64" },
	{ "SCMP_ARCH_S390", "s390" },
	{ "SCMP_ARCH_S390X", "s390x" },
	{ "SCMP_ARCH_X32", "x32" },
	{ "SCMP_ARCH_X86", "x86" },
	{ "SCMP_ARCH_X86_64", "x86_64" },
};

static const struct {
	const char *name;
	unsigned flag;
	bool needs_listener;
} flags[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC, false },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW, false },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG, false },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, true },
};

_Static_assert(ARRAY_SIZE(archs) + 1 <= MAX_ABIS, "every architecture and the native one must fit");

/*
 * Calls that i386 has behind socketcall(2) or ipc(2), and most of them also under a number of their own. libseccomp
 * gives them pseudo numbers: -100 or -200 less the selector.
 */
static const struct {
	int16_t pseudo;
	uint16_t direct; /* 0: none */
} multiplexed[] = {
	{ -101, 359 }, { -102, 361 }, { -103, 362 }, { -104, 363 }, { -105, 0 },   { -106, 367 }, { -107, 368 },
	{ -108, 360 }, { -109, 0 },   { -110, 0 },   { -111, 369 }, { -112, 371 }, { -113, 373 }, { -114, 366 },
	{ -115, 365 }, { -116, 370 }, { -117, 372 }, { -118, 364 }, { -119, 337 }, { -120, 345 }, { -201, 0 },
	{ -202, 393 }, { -203, 394 }, { -204, 0 },   { -211, 400 }, { -212, 401 }, { -213, 399 }, { -214, 402 },
	{ -221, 397 }, { -222, 398 }, { -223, 395 }, { -224, 396 },
};

#define X86_SOCKETCALL 102u
#define X86_IPC	       117u

/* What compile() makes of the profile: rules by number, for each ABI. */
struct plan {
	uint32_t default_action;
	struct bpf_abi abis[MAX_ABIS];
	uint32_t scmp[MAX_ABIS]; /* the ABIs as libseccomp calls them */
	size_t n_abis;
	unsigned flags;
	bool notify;
	struct bpf_cond *conds; /* room for all; rules point into it */
	size_t n_conds;
};

static void plan_done(struct plan *p)
{
	for (size_t i = 0; i < p->n_abis; i++)
		free(p->abis[i].rules);
	free(p->conds);
	*p = (struct plan){ 0 };
}

static int action_from_name(const char *where, const char *name, bool has_errno, uint32_t errno_ret, uint32_t *ret,
			    struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (strcmp(actions[i].name, name ? name : "") != 0)
			continue;
		if (has_errno && actions[i].data_max == 0)
			return err_set(e, EINVAL,
				       "%s: %s takes no errnoRet (only SCMP_ACT_ERRNO and SCMP_ACT_TRACE do)",
				       where, name);
		if (has_errno && errno_ret > actions[i].data_max)
			return err_set(e, EINVAL, "%s: errnoRet %u of %s is above %u", where, errno_ret, name,
				       actions[i].data_max);
		*ret = actions[i].action;
		if (actions[i].data_max != 0)
			*ret |= has_errno ? errno_ret : EPERM;
		return 0;
	}
	return err_set(e, EINVAL, "%s: unknown action '%s' (see \"caisson features\" for the known ones)", where,
		       name ? name : "");
}

static int op_from_name(const char *where, const char *name, enum bpf_op *ret, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(operators); i++)
		if (strcmp(operators[i].name, name ? name : "") == 0) {
			*ret = operators[i].op;
			return 0;
		}
	return err_set(e, EINVAL, "%s: unknown operator '%s' (see \"caisson features\" for the known ones)", where,
		       name ? name : "");
}

static void plan_add_abi(struct plan *p, uint32_t scmp)
{
	for (size_t i = 0; i < p->n_abis; i++)
		if (p->scmp[i] == scmp)
			return;
	/* libseccomp's tokens are the kernel's, but x32 has none there: it is x86-64 with a bit in the number. */
	p->abis[p->n_abis] = (struct bpf_abi){
		.audit = scmp == SCMP_ARCH_X32 ? AUDIT_ARCH_X86_64 : scmp,
		.x32 = scmp == SCMP_ARCH_X32,
		.narrow = (scmp & __AUDIT_ARCH_64BIT) == 0,
	};
	p->scmp[p->n_abis++] = scmp;
}

static int plan_archs(struct plan *p, const struct oci_seccomp *s, struct err *e)
{
	plan_add_abi(p, seccomp_arch_native());
	for (size_t i = 0; i < s->architectures.n; i++) {
		const char *name = s->architectures.v[i];
		uint32_t scmp = 0;
		size_t k;

		for (k = 0; k < ARRAY_SIZE(archs); k++)
			if (strcmp(archs[k].name, name) == 0)
				break;
		if (k == ARRAY_SIZE(archs))
			return err_set(e, EINVAL, "linux.seccomp.architectures[%zu]: unknown architecture '%s'", i,
				       name);
		if ((scmp = seccomp_arch_resolve_name(archs[k].scmp)) == 0)
			return err_set(e, EINVAL,
				       "linux.seccomp.architectures[%zu]: %s is not known to libseccomp %u.%u.%u",
				       i, name, seccomp_version()->major, seccomp_version()->minor,
				       seccomp_version()->micro);
		/* Arguments are read in halves whose places depend on it; no kernel runs both. */
		if (scmp != SCMP_ARCH_X32 && ((scmp ^ seccomp_arch_native()) & __AUDIT_ARCH_LE) != 0)
			return err_set(e, EINVAL, "linux.seccomp.architectures[%zu]: %s cannot run here", i, name);
		plan_add_abi(p, scmp);
	}
	return 0;
}

static int plan_flags(struct plan *p, const struct oci_seccomp *s, struct err *e)
{
	for (size_t i = 0; i < s->flags.n; i++) {
		size_t k;

		for (k = 0; k < ARRAY_SIZE(flags); k++)
			if (strcmp(flags[k].name, s->flags.v[i]) == 0)
				break;
		if (k == ARRAY_SIZE(flags))
			return err_set(e, EINVAL, "linux.seccomp.flags[%zu]: unknown flag '%s'", i, s->flags.v[i]);
		/* Where nothing is ever received, WAIT_KILLABLE_RECV means nothing, and the kernel refuses it. */
		if (!flags[k].needs_listener || p->notify)
			p->flags |= flags[k].flag;
	}
	/* With a listener the kernel reports a thread that cannot follow by an error, not by its id. */
	if (p->notify && (p->flags & SECCOMP_FILTER_FLAG_TSYNC))
		p->flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
	return 0;
}

/* Room for the worst case, so that rules can point to conditions while more are added. */
static int plan_alloc(struct plan *p, const struct oci_seccomp *s, struct err *e)
{
	size_t n_rules = 1, n_conds = 1;

	for (size_t i = 0; i < s->n_rules; i++) {
		const struct oci_seccomp_rule *r = &s->rules[i];

		n_rules += r->names.n * ((r->n_args > 0 ? r->n_args : 1) + 1);
		n_conds += r->n_args + r->names.n;
	}
	if (!(p->conds = calloc(n_conds, sizeof *p->conds)))
		return err_sys(e, ENOMEM, "linux.seccomp");
	for (size_t i = 0; i < p->n_abis; i++)
		if (!(p->abis[i].rules = calloc(n_rules, sizeof *p->abis[i].rules)))
			return err_sys(e, ENOMEM, "linux.seccomp");
	return 0;
}

/* One rule of the profile, its conditions already converted. */
struct plan_rule {
	uint32_t action, order;
	bool is_default; /* changes nothing, as for runc: the profile only knows these names */
	bool separate;	 /* several conditions on one argument are alternatives, as for runc */
	const struct bpf_cond *conds;
	uint32_t n_conds;
};

static void abi_add(struct bpf_abi *abi, const struct plan_rule *r, uint32_t nr)
{
	if (!abi->has_newest || nr > abi->newest)
		abi->newest = nr;
	abi->has_newest = true;
	for (uint32_t i = 0; !r->is_default && i < (r->separate ? r->n_conds : 1); i++)
		abi->rules[abi->n++] = (struct bpf_rule){
			.nr = nr,
			.action = r->action,
			.order = r->order,
			.n_conds = r->separate ? 1 : r->n_conds,
			.conds = r->conds + i,
		};
}

/*
 * Behind socketcall(2) and ipc(2) arguments are in memory, where a filter cannot see them. A condition cannot be
 * checked there, so what it would allow is not allowed, and what it would deny is denied whatever the arguments.
 */
static void abi_add_multiplexed(struct plan *p, struct bpf_abi *abi, const struct plan_rule *r, size_t i)
{
	const int32_t strict = (int32_t)(r->action & SECCOMP_RET_ACTION_FULL);
	const int32_t def = (int32_t)(p->default_action & SECCOMP_RET_ACTION_FULL);
	bool ipc = multiplexed[i].pseudo <= -200;
	uint64_t selector = (uint64_t)(-multiplexed[i].pseudo - (ipc ? 200 : 100));
	struct plan_rule selected = *r;

	if (multiplexed[i].direct)
		abi_add(abi, r, multiplexed[i].direct);
	selected.separate = false;
	selected.is_default |= r->n_conds > 0 && strict >= def;
	selected.conds = &p->conds[p->n_conds];
	selected.n_conds = 1;
	if (!selected.is_default)
		/* ipc(2) has a version in the upper half of its selector. */
		p->conds[p->n_conds++] = (struct bpf_cond){
			.op = ipc ? BPF_OP_MASKED_EQ : BPF_OP_EQ,
			.a = ipc ? 0xffff : selector,
			.b = selector,
		};
	abi_add(abi, &selected, ipc ? X86_IPC : X86_SOCKETCALL);
}

static void plan_name(struct plan *p, const struct plan_rule *r, const char *name)
{
	for (size_t a = 0; a < p->n_abis; a++) {
		int nr = seccomp_syscall_resolve_name_arch(p->scmp[a], name);

		if (nr >= 0)
			abi_add(&p->abis[a], r, (uint32_t)nr & ~(p->abis[a].x32 ? X32_BIT : 0));
		if (nr >= 0 || p->scmp[a] != SCMP_ARCH_X86)
			continue; /* unknown, or pseudo: other ABIs have it */
		for (size_t i = 0; i < ARRAY_SIZE(multiplexed); i++)
			if (multiplexed[i].pseudo == nr)
				abi_add_multiplexed(p, &p->abis[a], r, i);
	}
}

static int plan_conds(struct plan *p, const struct oci_seccomp_rule *r, const char *where, struct plan_rule *ret,
		      struct err *e)
{
	unsigned seen = 0;
	int err;

	ret->conds = &p->conds[p->n_conds];
	ret->n_conds = (uint32_t)r->n_args;
	for (size_t k = 0; k < r->n_args; k++) {
		const struct oci_seccomp_arg *a = &r->args[k];
		struct bpf_cond *c = &p->conds[p->n_conds++];

		if (a->index > 5)
			return err_set(e, EINVAL, "%s.args[%zu].index: %u is above 5", where, k, a->index);
		*c = (struct bpf_cond){ .arg = a->index, .a = a->value, .b = a->value_two };
		if ((err = op_from_name(where, a->op, &c->op, e)) < 0)
			return err;
		ret->separate |= (seen & 1u << a->index) != 0;
		seen |= 1u << a->index;
	}
	return 0;
}

static int plan_rule(struct plan *p, const struct oci_seccomp_rule *r, size_t i, struct err *e)
{
	struct plan_rule rule = { .order = (uint32_t)i };
	char where[64];
	int err;

	(void)snprintf(where, sizeof where, "linux.seccomp.syscalls[%zu]", i);
	if ((err = action_from_name(where, r->action, r->has_errno, r->errno_ret, &rule.action, e)) < 0 ||
	    (err = plan_conds(p, r, where, &rule, e)) < 0)
		return err;
	rule.is_default = rule.action == p->default_action;
	for (size_t k = 0; k < r->names.n; k++) {
		if (!*r->names.v[k])
			return err_set(e, EINVAL, "%s.names[%zu]: is empty", where, k);
		/* The container process reports its listener by write(2): nobody could answer that call yet. */
		if (rule.action == SCMP_ACT_NOTIFY && strcmp(r->names.v[k], "write") == 0)
			return err_set(e, EINVAL, "%s: SCMP_ACT_NOTIFY cannot be used for write", where);
		plan_name(p, &rule, r->names.v[k]);
	}
	p->notify |= rule.action == SCMP_ACT_NOTIFY;
	return 0;
}

static int plan_make(const struct oci_seccomp *s, struct plan *p, struct err *e)
{
	int r;

	if ((r = action_from_name("linux.seccomp.defaultAction", s->default_action, s->has_default_errno,
				  s->default_errno, &p->default_action, e)) < 0)
		return r;
	if (p->default_action == SCMP_ACT_NOTIFY)
		return err_set(e, EINVAL, "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be the default");
	if ((r = plan_archs(p, s, e)) < 0 || (r = plan_alloc(p, s, e)) < 0)
		return r;
	for (size_t i = 0; i < s->n_rules; i++)
		if ((r = plan_rule(p, &s->rules[i], i, e)) < 0)
			return r;
	if (p->notify && !(s->listener_path && *s->listener_path))
		return err_set(e, EINVAL,
			       "linux.seccomp: SCMP_ACT_NOTIFY needs listenerPath, or nobody would answer");
	return plan_flags(p, s, e);
}

/*
 * The profile was written for some kernel; programs probe for newer calls and fall back only on ENOSYS, never on the
 * EPERM of a typical default. So numbers above the newest one that the profile names answer ENOSYS, unless the default
 * is permissive: then the kernel knows best which of them it has.
 */
static bool wants_enosys(const struct plan *p)
{
	switch (p->default_action & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
	case SECCOMP_RET_TRACE:
		return false;
	default:
		return p->default_action != SCMP_ACT_ERRNO(ENOSYS);
	}
}

static int build(const struct oci_seccomp *s, struct seccomp_program *ret, struct err *e)
{
	_cleanup_(plan_done) struct plan p = { 0 };
	struct sock_filter *insns = NULL;
	size_t n = 0;
	int r;

	if ((r = plan_make(s, &p, e)) < 0)
		return r;
	r = seccomp_bpf_generate(p.abis, p.n_abis, p.default_action, wants_enosys(&p), &insns, &n);
	if (r == -E2BIG)
		return err_set(e, E2BIG,
			       "linux.seccomp: the filter has more than %d instructions; simplify the profile",
			       BPF_MAXINSNS);
	if (r < 0)
		return err_sys(e, -r, "linux.seccomp");
	*ret = (struct seccomp_program){ .insns = insns, .n = n, .flags = p.flags, .listener = p.notify };
	return 0;
}

int seccomp_compile(const struct oci_seccomp *s, int cache_dirfd, struct seccomp_program *ret, struct err *e)
{
	_cleanup_(seccomp_key_done) struct seccomp_key key = { 0 };
	const struct scmp_version *v = seccomp_version();
	struct seccomp_program p = { 0 };
	char tool[80];
	int r;

	if (!s->present) {
		*ret = p;
		return 0;
	}
	if (cache_dirfd >= 0) {
		(void)snprintf(tool, sizeof tool, "caisson %s libseccomp %u.%u.%u arch %x", CAISSON_VERSION,
			       v->major, v->minor, v->micro, seccomp_arch_native());
		if ((r = seccomp_key_make(s, tool, &key)) < 0)
			return err_sys(e, -r, "linux.seccomp");
		if (seccomp_cache_get(cache_dirfd, &key, ret) > 0)
			return 0;
	}
	if ((r = build(s, &p, e)) < 0)
		return r;
	if (cache_dirfd >= 0)
		seccomp_cache_put(cache_dirfd, &key, &p);
	*ret = p;
	return 0;
}

void seccomp_program_done(struct seccomp_program *p)
{
	free(p->insns);
	*p = (struct seccomp_program){ 0 };
}

int seccomp_program_load(const struct seccomp_program *p, int *ret_listener, struct err *e)
{
	struct sock_fprog prog = { .len = (unsigned short)p->n, .filter = p->insns };
	unsigned long f = p->flags;
	long r;

	if (p->n == 0)
		return 0;
	if (p->n > BPF_MAXINSNS || (p->listener && !ret_listener))
		return err_set(e, EINVAL, "seccomp: a filter with a listener needs somebody who takes it");
	if (p->listener)
		f |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, f, &prog);
	if (r < 0 && errno == EBUSY)
		return err_set(e, EBUSY, "seccomp: another filter of this process has a listener already");
	if (r < 0 && errno == EACCES)
		return err_set(e, EACCES, "seccomp: needs noNewPrivileges or CAP_SYS_ADMIN in the user namespace");
	if (r < 0)
		return err_sys(e, errno, "seccomp: load a filter of %zu instructions with flags 0x%lx", p->n, f);
	if (p->listener)
		*ret_listener = (int)r;
	else if (r > 0)
		return err_set(e, ESRCH, "seccomp: thread %ld cannot take the filter over", r);
	return 0;
}

/* The kernel looks at the flags before it looks at the program, so a NULL program tells them apart without harm. */
static bool flag_supported(size_t i)
{
	unsigned long f = flags[i].flag | (flags[i].needs_listener ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0);

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, f, NULL) < 0 && errno == EFAULT;
}

json_t *seccomp_features(void)
{
	json_t *act = json_array(), *ops = json_array(), *arch = json_array(), *known = json_array(),
	       *supported = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		(void)json_array_append_new(act, json_string(actions[i].name));
	for (size_t i = 0; i < ARRAY_SIZE(operators); i++)
		(void)json_array_append_new(ops, json_string(operators[i].name));
	for (size_t i = 0; i < ARRAY_SIZE(archs); i++)
		if (seccomp_arch_resolve_name(archs[i].scmp) != 0)
			(void)json_array_append_new(arch, json_string(archs[i].name));
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		(void)json_array_append_new(known, json_string(flags[i].name));
		if (flag_supported(i))
			(void)json_array_append_new(supported, json_string(flags[i].name));
	}
	/* "o" takes the references also when it fails, and NULL makes it fail: nothing leaks, the caller sees NULL. */
	return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o}", "enabled", 1, "actions", act, "operators", ops, "archs",
			 arch, "knownFlags", known, "supportedFlags", supported);
}
