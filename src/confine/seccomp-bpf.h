/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFINE_SECCOMP_BPF_H
#define CONFINE_SECCOMP_BPF_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The code generator: rules by number in, classic BPF out. Pure.
 *
 * libseccomp is used for its tables of names and numbers, not for this, because its generator (2.5.4) merges rules of
 * one call into a decision tree that does not always say what the rules say: two rules (arg0 == x && arg1 != y) and
 * (arg0 != z && arg2 == w) let calls through that neither allows, "arg2 < x or arg2 < y" loses cases, and rules
 * with several != do not come to an end. It is also fifty times slower than what is here. The unit tests compare each
 * program with a direct evaluation of the rules.
 *
 * When several rules of one call match, the most restrictive action wins, in the kernel's own order for stacked
 * filters; of equally restrictive ones the first.
 */

enum bpf_op { BPF_OP_NE, BPF_OP_LT, BPF_OP_LE, BPF_OP_EQ, BPF_OP_GE, BPF_OP_GT, BPF_OP_MASKED_EQ };

struct bpf_cond {
	uint32_t arg; /* 0..5 */
	enum bpf_op op;
	uint64_t a, b; /* MASKED_EQ: (arg & a) == (b & a) */
};

#define BPF_CONDS_MAX 7 /* six arguments and the selector of a multiplexed call */

struct bpf_rule {
	uint32_t nr; /* without the x32 bit */
	uint32_t action;
	uint32_t order; /* position in the profile */
	uint32_t n_conds;
	const struct bpf_cond *conds; /* all are required; at most one per argument; borrowed */
};

struct bpf_abi {
	uint32_t audit; /* AUDIT_ARCH_* */
	bool x32;	/* the half of AUDIT_ARCH_X86_64 with bit 30 set */
	bool narrow;	/* arguments have 32 bits */
	bool has_newest;
	uint32_t newest; /* highest number that the profile names, whatever it says about it */
	struct bpf_rule *rules;
	size_t n;
};

/*
 * seccomp_bpf_generate() - one program for all @abis.
 * @abis:   rules are sorted in place; x32 only together with x86-64
 * @def:    for calls without a matching rule; calls of other ABIs kill the thread
 * @enosys: calls above an ABI's newest number answer ENOSYS
 * Return: 0, -ENOMEM, or -E2BIG for more instructions than the kernel takes.
 */
int seccomp_bpf_generate(struct bpf_abi *abis, size_t n, uint32_t def, bool enosys, struct sock_filter **ret,
			 size_t *ret_n);

#endif
