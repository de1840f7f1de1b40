/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/seccomp-bpf.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define X32_BIT	      0x40000000u
#define SIGN_BIT      0x80000000u
#define ENOSYS_ACTION (SECCOMP_RET_ERRNO | (ENOSYS & SECCOMP_RET_DATA))

/* A growing program. Once it has failed, everything that follows does nothing and the end reports it. */
struct code {
	struct sock_filter *v;
	size_t n, cap;
	int error;
};

/* What to do from one number up to the next segment: an action, or @n rules in turn and then the default. */
struct segment {
	uint32_t start;
	uint32_t action;
	const struct bpf_rule *rules;
	size_t n;
	bool narrow;
};

struct segments {
	struct segment *v;
	size_t n, cap;
	uint32_t def;
};

/* Where a conditional jump goes before the distances are known. */
enum target { TO_NEXT, TO_OK, TO_FAIL };

/* Jumps of one rule that still have to be aimed; a condition has at most two to each target. */
struct fixups {
	struct {
		size_t at;
		bool when_true;
	} v[2 * BPF_CONDS_MAX];
	size_t n;
};

static size_t put(struct code *c, uint16_t code, uint32_t k)
{
	if (c->n == c->cap && !c->error) {
		size_t cap = c->cap ? 2 * c->cap : 512;
		struct sock_filter *bigger = c->cap >= BPF_MAXINSNS ? NULL : realloc(c->v, cap * sizeof *bigger);

		if (bigger) {
			c->v = bigger;
			c->cap = cap;
		} else {
			c->error = c->cap >= BPF_MAXINSNS ? -E2BIG : -ENOMEM;
		}
	}
	if (c->error)
		return 0;
	c->v[c->n] = (struct sock_filter){ .code = code, .k = k };
	return c->n++;
}

static void put_ret(struct code *c, uint32_t action)
{
	(void)put(c, BPF_RET | BPF_K, action);
}

static void put_load(struct code *c, size_t offset)
{
	(void)put(c, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset);
}

/* Aim the jump at @at (its true or false side) at the next instruction. */
static void aim(struct code *c, size_t at, bool when_true)
{
	size_t distance;

	if (c->error)
		return;
	distance = c->n - at - 1;
	if (c->v[at].code == (BPF_JMP | BPF_JA))
		c->v[at].k = (uint32_t)distance;
	else if (distance >
		 UINT8_MAX) /* cannot be: only within a rule, of at most BPF_CONDS_MAX * 7 instructions */
		c->error = -E2BIG;
	else if (when_true)
		c->v[at].jt = (uint8_t)distance;
	else
		c->v[at].jf = (uint8_t)distance;
}

static void aim_all(struct code *c, const struct fixups *f)
{
	for (size_t i = 0; i < f->n; i++)
		aim(c, f->v[i].at, f->v[i].when_true);
}

static void put_jump(struct code *c, uint16_t op, uint32_t k, enum target t, enum target f, struct fixups *ok,
		     struct fixups *fail)
{
	size_t at = put(c, (uint16_t)(BPF_JMP | BPF_K | op), k);
	const enum target to[2] = { f, t };

	for (int side = 0; side < 2; side++) {
		struct fixups *list = to[side] == TO_OK ? ok : fail;

		if (to[side] == TO_NEXT)
			continue;
		list->v[list->n].at = at;
		list->v[list->n++].when_true = side == 1;
	}
}

static size_t arg_offset(uint32_t arg, bool high)
{
	bool second = high == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

	return offsetof(struct seccomp_data, args) + 8 * arg + (second ? 4 : 0);
}

/* The high half decides alone, or is equal and leaves it to the low half. */
static void put_cond_high(struct code *c, const struct bpf_cond *cond, struct fixups *ok, struct fixups *fail)
{
	uint32_t a = (uint32_t)(cond->a >> 32), b = (uint32_t)(cond->b >> 32);

	put_load(c, arg_offset(cond->arg, true));
	switch (cond->op) {
	case BPF_OP_EQ:
		put_jump(c, BPF_JEQ, a, TO_NEXT, TO_FAIL, ok, fail);
		break;
	case BPF_OP_NE:
		put_jump(c, BPF_JEQ, a, TO_NEXT, TO_OK, ok, fail);
		break;
	case BPF_OP_GT:
	case BPF_OP_GE:
		put_jump(c, BPF_JGT, a, TO_OK, TO_NEXT, ok, fail);
		put_jump(c, BPF_JEQ, a, TO_NEXT, TO_FAIL, ok, fail);
		break;
	case BPF_OP_LT:
	case BPF_OP_LE:
		put_jump(c, BPF_JGT, a, TO_FAIL, TO_NEXT, ok, fail);
		put_jump(c, BPF_JEQ, a, TO_NEXT, TO_OK, ok, fail);
		break;
	case BPF_OP_MASKED_EQ:
		(void)put(c, BPF_ALU | BPF_AND | BPF_K, a);
		put_jump(c, BPF_JEQ, a & b, TO_NEXT, TO_FAIL, ok, fail);
		break;
	}
}

static void put_cond_low(struct code *c, const struct bpf_cond *cond, struct fixups *ok, struct fixups *fail)
{
	uint32_t a = (uint32_t)cond->a, b = (uint32_t)cond->b;

	put_load(c, arg_offset(cond->arg, false));
	switch (cond->op) {
	case BPF_OP_EQ:
		put_jump(c, BPF_JEQ, a, TO_NEXT, TO_FAIL, ok, fail);
		break;
	case BPF_OP_NE:
		put_jump(c, BPF_JEQ, a, TO_FAIL, TO_NEXT, ok, fail);
		break;
	case BPF_OP_GT:
		put_jump(c, BPF_JGT, a, TO_NEXT, TO_FAIL, ok, fail);
		break;
	case BPF_OP_GE:
		put_jump(c, BPF_JGE, a, TO_NEXT, TO_FAIL, ok, fail);
		break;
	case BPF_OP_LT:
		put_jump(c, BPF_JGE, a, TO_FAIL, TO_NEXT, ok, fail);
		break;
	case BPF_OP_LE:
		put_jump(c, BPF_JGT, a, TO_FAIL, TO_NEXT, ok, fail);
		break;
	case BPF_OP_MASKED_EQ:
		(void)put(c, BPF_ALU | BPF_AND | BPF_K, a);
		put_jump(c, BPF_JEQ, a & b, TO_NEXT, TO_FAIL, ok, fail);
		break;
	}
}

/* Returns the action when all conditions hold and falls through otherwise. */
static void put_rule(struct code *c, const struct bpf_rule *r, bool narrow)
{
	struct fixups fail = { .n = 0 };

	for (uint32_t i = 0; i < r->n_conds; i++) {
		struct fixups ok = { .n = 0 };

		if (!narrow)
			put_cond_high(c, &r->conds[i], &ok, &fail);
		put_cond_low(c, &r->conds[i], &ok, &fail);
		aim_all(c, &ok);
	}
	put_ret(c, r->action);
	aim_all(c, &fail);
}

static void put_segment(struct code *c, const struct segment *s, uint32_t def)
{
	for (size_t i = 0; i < s->n; i++) {
		put_rule(c, &s->rules[i], s->narrow);
		if (s->rules[i].n_conds == 0)
			return; /* nothing gets past a rule without conditions */
	}
	put_ret(c, s->n > 0 ? def : s->action);
}

/* Binary search: the number is in the accumulator, and every path ends in a return. */
static void put_tree(struct code *c, const struct segment *s, size_t n, uint32_t def)
{
	size_t test, far;

	if (n == 1) {
		put_segment(c, s, def);
		return;
	}
	/* The right half may be further away than a conditional jump reaches, so it is left to an unconditional one. */
	test = put(c, BPF_JMP | BPF_JGE | BPF_K, s[n / 2].start);
	far = put(c, BPF_JMP | BPF_JA, 0);
	if (!c->error)
		c->v[test].jf = 1;
	put_tree(c, s, n / 2, def);
	aim(c, far, true);
	put_tree(c, s + n / 2, n - n / 2, def);
}

static int by_number_and_strictness(const void *a, const void *b)
{
	const struct bpf_rule *x = a, *y = b;
	/* As numbers with a sign the actions are in the kernel's order: KILL_PROCESS is the lowest, ALLOW the highest. */
	int32_t sx = (int32_t)(x->action & SECCOMP_RET_ACTION_FULL),
		sy = (int32_t)(y->action & SECCOMP_RET_ACTION_FULL);

	if (x->nr != y->nr)
		return x->nr < y->nr ? -1 : 1;
	if (sx != sy)
		return sx < sy ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* A segment replaces one that begins at the same number and is dropped when it says the same as the one before. */
static int segment_add(struct segments *l, const struct segment *s)
{
	const struct segment *last;

	if (l->n > 0 && l->v[l->n - 1].start == s->start)
		l->n--;
	last = l->n > 0 ? &l->v[l->n - 1] : NULL;
	if (last && last->n == 0 && s->n == 0 && last->action == s->action)
		return 0;
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 256;
		struct segment *bigger = realloc(l->v, cap * sizeof *bigger);

		if (!bigger)
			return -ENOMEM;
		l->v = bigger;
		l->cap = cap;
	}
	l->v[l->n++] = *s;
	return 0;
}

static int segment_action(struct segments *l, uint32_t start, uint32_t action)
{
	return segment_add(l, &(struct segment){ .start = start, .action = action });
}

/* The segments of one ABI from @base on; what follows its last rule is left to its tail. */
static int segments_of_abi(struct segments *l, struct bpf_abi *abi, uint32_t base)
{
	size_t i, k;
	int r;

	if (abi->n > 0)
		qsort(abi->rules, abi->n, sizeof *abi->rules, by_number_and_strictness);
	if ((r = segment_action(l, base, l->def)) < 0)
		return r;
	for (i = 0; i < abi->n; i = k) {
		const struct bpf_rule *first = &abi->rules[i];
		struct segment s = { .start = base | first->nr, .narrow = abi->narrow };

		for (k = i; k < abi->n && abi->rules[k].nr == first->nr; k++)
			;
		if (first->n_conds == 0) {
			s.action = first->action;
		} else {
			s.rules = first;
			s.n = k - i;
		}
		if ((r = segment_add(l, &s)) < 0 || (r = segment_action(l, (base | first->nr) + 1, l->def)) < 0)
			return r;
	}
	return 0;
}

/*
 * All numbers of one audit architecture. With x86-64 they are four quarters by their two highest bits: bit 30 is x32, bit 31
 * is nobody's. Without x32 in the profile, its quarters are another ABI and kill, but -1 is what a tracer
 * writes to skip a call and gets the default.
 */
static int segments_of_audit(struct segments *l, struct bpf_abi *abi, struct bpf_abi *x32, bool enosys)
{
	uint32_t tail = enosys && abi->has_newest ? ENOSYS_ACTION : l->def;
	uint32_t x32_tail = x32 && enosys && x32->has_newest ? ENOSYS_ACTION : l->def;
	int r;

	if ((r = segments_of_abi(l, abi, 0)) < 0)
		return r;
	if (tail != l->def && (r = segment_action(l, abi->newest + 1, tail)) < 0)
		return r;
	if (abi->audit != AUDIT_ARCH_X86_64)
		return 0;
	if (!x32) {
		if ((r = segment_action(l, X32_BIT, SECCOMP_RET_KILL_THREAD)) < 0 ||
		    (r = segment_action(l, SIGN_BIT, tail != l->def ? tail : SECCOMP_RET_KILL_THREAD)) < 0 ||
		    (r = segment_action(l, SIGN_BIT | X32_BIT, SECCOMP_RET_KILL_THREAD)) < 0)
			return r;
		return segment_action(l, UINT32_MAX, l->def);
	}
	if ((r = segments_of_abi(l, x32, X32_BIT)) < 0 ||
	    (x32_tail != l->def && (r = segment_action(l, (X32_BIT | x32->newest) + 1, x32_tail)) < 0) ||
	    (r = segment_action(l, SIGN_BIT, tail)) < 0)
		return r;
	return segment_action(l, SIGN_BIT | X32_BIT, x32_tail);
}

int seccomp_bpf_generate(struct bpf_abi *abis, size_t n, uint32_t def, bool enosys, struct sock_filter **ret,
			 size_t *ret_n)
{
	_cleanup_free_ struct sock_filter *prog = NULL;
	struct code c = { 0 };
	int r = 0;

	put_load(&c, offsetof(struct seccomp_data, arch));
	for (size_t i = 0; i < n && r == 0; i++) {
		struct segments l = { .def = def };
		struct bpf_abi *x32 = NULL;
		size_t test, other;

		if (abis[i].x32)
			continue;
		for (size_t k = 0; k < n && abis[i].audit == AUDIT_ARCH_X86_64; k++)
			if (abis[k].x32)
				x32 = &abis[k];
		r = segments_of_audit(&l, &abis[i], x32, enosys);
		if (r == 0) {
			test = put(&c, BPF_JMP | BPF_JEQ | BPF_K, abis[i].audit);
			other = put(&c, BPF_JMP | BPF_JA, 0);
			if (!c.error)
				c.v[test].jt = 1;
			put_load(&c, offsetof(struct seccomp_data, nr));
			put_tree(&c, l.v, l.n, def);
			aim(&c, other, true);
		}
		free(l.v);
	}
	put_ret(&c, SECCOMP_RET_KILL_THREAD);
	prog = c.v;
	if (r == 0)
		r = c.error;
	if (r == 0 && c.n > BPF_MAXINSNS)
		r = -E2BIG;
	if (r < 0)
		return r;
	*ret = TAKE_PTR(prog);
	*ret_n = c.n;
	return 0;
}
