/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFINE_TEST_BPF_H
#define CONFINE_TEST_BPF_H

#include <seccomp.h>

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/oci-spec.h"

/*
 * Two ways to a verdict that share nothing: bpf_run() executes the compiled program as the kernel does, and
 * rules_verdict() evaluates the OCI rules directly, by the *name* of the call that arrives. Tests compare them.
 */

#define X32		UINT32_C(0x40000000)
#define VERDICT_ILLEGAL INT64_C(-1) /* not a program that the kernel would take */

/* One run of a seccomp program: INT64 of the 32-bit return value, or VERDICT_ILLEGAL. */
static inline int64_t bpf_run(const struct sock_filter *f, size_t n, const struct seccomp_data *d)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &f[pc];
		bool jump;

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (i->k % 4 != 0 || i->k > sizeof *d - 4)
				return VERDICT_ILLEGAL;
			memcpy(&a, (const char *)d + i->k, 4);
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			continue;
		case BPF_RET | BPF_K:
			return i->k;
		case BPF_JMP | BPF_JA:
			if (i->k >= n - pc)
				return VERDICT_ILLEGAL;
			pc += i->k;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:
			jump = a == i->k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			jump = a > i->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			jump = a >= i->k;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			jump = (a & i->k) != 0;
			break;
		default:
			return VERDICT_ILLEGAL;
		}
		pc += jump ? i->jt : i->jf;
	}
	return VERDICT_ILLEGAL; /* fell off the end */
}

static inline uint32_t action_value(const char *name, bool has_errno, uint32_t errno_ret)
{
	uint32_t data = has_errno ? errno_ret : EPERM;

	if (strcmp(name, "SCMP_ACT_ALLOW") == 0)
		return SECCOMP_RET_ALLOW;
	if (strcmp(name, "SCMP_ACT_ERRNO") == 0)
		return SECCOMP_RET_ERRNO | data;
	if (strcmp(name, "SCMP_ACT_TRACE") == 0)
		return SECCOMP_RET_TRACE | data;
	if (strcmp(name, "SCMP_ACT_KILL_PROCESS") == 0)
		return SECCOMP_RET_KILL_PROCESS;
	if (strcmp(name, "SCMP_ACT_TRAP") == 0)
		return SECCOMP_RET_TRAP;
	if (strcmp(name, "SCMP_ACT_LOG") == 0)
		return SECCOMP_RET_LOG;
	if (strcmp(name, "SCMP_ACT_NOTIFY") == 0)
		return SECCOMP_RET_USER_NOTIF;
	return SECCOMP_RET_KILL_THREAD;
}

static inline bool arg_matches(const struct oci_seccomp_arg *c, uint64_t arg, bool narrow)
{
	uint64_t mask = narrow ? UINT32_MAX : UINT64_MAX, v = c->value & mask, two = c->value_two & mask;

	arg &= mask;
	if (strcmp(c->op, "SCMP_CMP_NE") == 0)
		return arg != v;
	if (strcmp(c->op, "SCMP_CMP_LT") == 0)
		return arg < v;
	if (strcmp(c->op, "SCMP_CMP_LE") == 0)
		return arg <= v;
	if (strcmp(c->op, "SCMP_CMP_EQ") == 0)
		return arg == v;
	if (strcmp(c->op, "SCMP_CMP_GE") == 0)
		return arg >= v;
	if (strcmp(c->op, "SCMP_CMP_GT") == 0)
		return arg > v;
	return (arg & v) == (two & v); /* SCMP_CMP_MASKED_EQ: as libseccomp, both sides */
}

/* All conditions, or, when two are about the same argument, any of them. */
static inline bool rule_matches(const struct oci_seccomp_rule *r, const __u64 args[6], bool narrow)
{
	bool all = true, any = r->n_args == 0, twice = false;

	for (size_t i = 0; i < r->n_args; i++) {
		bool m = arg_matches(&r->args[i], args[r->args[i].index], narrow);

		all &= m;
		any |= m;
		for (size_t k = 0; k < i; k++)
			twice |= r->args[k].index == r->args[i].index;
	}
	return twice ? any : all;
}

static inline bool strv_has(const struct oci_strv *v, const char *name)
{
	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->v[i], name) == 0)
			return true;
	return false;
}

static inline bool profile_names(const struct oci_seccomp *s, const char *name)
{
	for (size_t i = 0; i < s->n_rules; i++)
		if (strv_has(&s->rules[i].names, name))
			return true;
	return false;
}

/*
 * Direct evaluation works from numbers to names, the other way round than the compiler. libseccomp searches its table
 * for each, so names are kept: they never change.
 */
static const uint32_t rules_abi[3] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32 };
static const char *const rules_abi_name[3] = { "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32" };

#define NAMED_MIN (-256) /* libseccomp's pseudo numbers */
#define NAMED_MAX 1023

static inline const char *name_of(size_t abi, int64_t nr)
{
	static char *names[3][NAMED_MAX - NAMED_MIN + 1];
	static bool known[3][NAMED_MAX - NAMED_MIN + 1];
	int64_t i = nr - NAMED_MIN;

	if (nr < NAMED_MIN || nr > NAMED_MAX)
		return NULL;
	if (!known[abi][i])
		names[abi][i] = seccomp_syscall_resolve_num_arch(rules_abi[abi], (int)(abi == 2 ? nr | X32 : nr));
	known[abi][i] = true;
	return names[abi][i];
}

/* The call behind i386's socketcall(2) or ipc(2), by libseccomp's pseudo numbers; NULL for any other @name. */
static inline const char *behind(const char *name, uint64_t selector)
{
	if (selector == 0 || selector > 50)
		return NULL;
	if (strcmp(name, "socketcall") == 0)
		return name_of(1, -100 - (int64_t)selector);
	if (strcmp(name, "ipc") == 0)
		return name_of(1, -200 - (int64_t)selector);
	return NULL;
}

static inline bool profile_names_behind(const struct oci_seccomp *s, const char *name)
{
	for (uint64_t i = 1; i <= 50; i++)
		if (behind(name, i) && profile_names(s, behind(name, i)))
			return true;
	return false;
}

/* What does not depend on the call, prepared once per profile. */
struct rules {
	const struct oci_seccomp *s;
	uint32_t newest[3]; /* x86-64, x86, x32; without the x32 bit */
	bool known[3];
};

static inline void rules_init(struct rules *r, const struct oci_seccomp *s)
{
	*r = (struct rules){ .s = s };
	for (size_t a = 0; a < 3; a++)
		for (uint32_t nr = 0; nr <= NAMED_MAX; nr++) {
			const char *name = name_of(a, nr);

			if (name && (profile_names(s, name) || (a == 1 && profile_names_behind(s, name)))) {
				r->newest[a] = nr;
				r->known[a] = true;
			}
		}
}

/* Lower is stricter; the order of the kernel for several filters. */
static inline int strictness(uint32_t action)
{
	static const uint32_t order[] = { SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP,
					  SECCOMP_RET_ERRNO,	    SECCOMP_RET_USER_NOTIF,  SECCOMP_RET_TRACE,
					  SECCOMP_RET_LOG,	    SECCOMP_RET_ALLOW };
	int i = 0;

	while (order[i] != (action & 0xffff0000u))
		i++;
	return i;
}

/* The strictest matching rule decides, of equally strict ones the first, of none the default. */
static inline uint32_t rules_decide(const struct oci_seccomp *s, uint32_t def, const char *name, const char *inner,
				    const __u64 args[6], bool narrow)
{
	uint32_t verdict = def;
	bool any = false;

	for (size_t i = 0; i < s->n_rules; i++) {
		const struct oci_seccomp_rule *r = &s->rules[i];
		uint32_t action = action_value(r->action, r->has_errno, r->errno_ret);
		/* Conditions on an inner call cannot be seen: a stricter rule applies without them, a laxer one not at all. */
		bool by_inner = inner && strv_has(&r->names, inner) &&
				(r->n_args == 0 || strictness(action) < strictness(def));

		if (action == def || !((strv_has(&r->names, name) && rule_matches(r, args, narrow)) || by_inner))
			continue;
		if (!any || strictness(action) < strictness(verdict))
			verdict = action;
		any = true;
	}
	return verdict;
}

static inline int64_t rules_verdict(const struct rules *r, const struct seccomp_data *d)
{
	const struct oci_seccomp *s = r->s;
	uint32_t def = action_value(s->default_action, s->has_default_errno, s->default_errno);
	uint32_t nr = (uint32_t)d->nr;
	bool permissive = strictness(def) >= strictness(SECCOMP_RET_TRACE);
	bool x32_listed = strv_has(&s->architectures, "SCMP_ARCH_X32");
	const char *name, *inner;
	size_t abi;

	if (d->arch == AUDIT_ARCH_I386)
		abi = 1;
	else if (d->arch == AUDIT_ARCH_X86_64)
		abi = (nr & X32) ? 2 : 0;
	else
		return SECCOMP_RET_KILL_THREAD;
	if (!permissive && def != (SECCOMP_RET_ERRNO | ENOSYS) && r->known[abi] &&
	    (abi == 0 || strv_has(&s->architectures, rules_abi_name[abi])) &&
	    (abi == 2 ? nr & ~X32 : nr) > r->newest[abi])
		return SECCOMP_RET_ERRNO | ENOSYS;
	/* For libseccomp everything from the x32 bit on is x32, but for the -1 of a tracer that skips a call. */
	if (abi == 1 && !strv_has(&s->architectures, "SCMP_ARCH_X86"))
		return SECCOMP_RET_KILL_THREAD;
	if (abi != 1 && nr >= X32 && !x32_listed)
		return nr == UINT32_MAX ? def : SECCOMP_RET_KILL_THREAD;
	name = name_of(abi, abi == 2 ? nr & ~X32 : nr);
	if (!name)
		return def;
	inner = abi == 1 ? behind(name, nr == 117 ? d->args[0] & 0xffff : d->args[0]) : NULL;
	return rules_decide(s, def, name, inner, d->args, abi != 0);
}

#endif
