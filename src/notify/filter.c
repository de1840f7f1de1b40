/* SPDX-License-Identifier: Apache-2.0 */
#include "notify/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "confine/seccomp-bpf.h"
#include "notify/calls.h"

#define ENOSYS_ACTION (SECCOMP_RET_ERRNO | (ENOSYS & SECCOMP_RET_DATA))
#define X32_FIRST     0x40000000u
#define RULES_MAX     64u
#define CONDS_MAX     2u

/*
 * Before the generated part: numbers that are no x86-64 call's. -1 is what a tracer writes to skip a call, which
 * must not get another answer than the tracer's.
 */
static const struct sock_filter prologue[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 5),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_FIRST, 0, 3),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, UINT32_MAX, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	BPF_STMT(BPF_RET | BPF_K, ENOSYS_ACTION),
};

struct rules {
	struct bpf_rule v[RULES_MAX];
	struct bpf_cond conds[RULES_MAX][CONDS_MAX];
	size_t n;
};

static int rule_add(struct rules *l, const struct notify_row *row, uint32_t nr, const struct notify_device *d)
{
	struct bpf_cond *conds = l->conds[l->n];
	uint32_t n = 0;

	if (l->n == RULES_MAX)
		return -E2BIG;
	for (; n < row->n_conds; n++)
		conds[n] = row->conds[n];
	if (d) {
		conds[n++] = (struct bpf_cond){ .arg = (uint32_t)row->at.device,
						.op = BPF_OP_MASKED_EQ,
						.a = UINT32_MAX,
						.b = notify_device_number(d) };
	}
	l->v[l->n] = (struct bpf_rule){
		.nr = nr, .action = SECCOMP_RET_USER_NOTIF, .order = (uint32_t)l->n, .n_conds = n, .conds = conds
	};
	l->n++;
	return 0;
}

static int rules_make(struct rules *l, enum notify_abi abi, bool resource_view, unsigned devices)
{
	int r = 0;

	for (size_t i = 0; i < notify_n_rows && r == 0; i++) {
		const struct notify_row *row = &notify_rows[i];

		if (row->nr[abi] < 0 || (row->call == NOTIFY_SYSINFO && !resource_view))
			continue;
		if (row->call != NOTIFY_MKNOD) {
			r = rule_add(l, row, (uint32_t)row->nr[abi], NULL);
			continue;
		}
		for (size_t k = 0; k < notify_n_devices && r == 0; k++)
			if ((notify_devices[k].need & ~devices) == 0)
				r = rule_add(l, row, (uint32_t)row->nr[abi], &notify_devices[k]);
	}
	return r;
}

int notify_filter_make(bool resource_view, unsigned devices, struct notify_filter *ret, struct err *e)
{
	_cleanup_free_ struct rules *rules = calloc(NOTIFY_ABIS, sizeof *rules);
	_cleanup_free_ struct sock_filter *generated = NULL;
	struct bpf_abi abis[NOTIFY_ABIS];
	struct sock_filter *all;
	size_t n;
	int r = rules ? 0 : -ENOMEM;

	for (size_t i = 0; i < NOTIFY_ABIS && r == 0; i++) {
		r = rules_make(&rules[i], (enum notify_abi)i, resource_view, devices);
		abis[i] = (struct bpf_abi){ .audit = notify_audit_arch((enum notify_abi)i),
					    .narrow = i == NOTIFY_I386,
					    .rules = rules[i].v,
					    .n = rules[i].n };
	}
	if (r == 0)
		r = seccomp_bpf_generate(abis, NOTIFY_ABIS, SECCOMP_RET_ALLOW, false, &generated, &n);
	if (r < 0)
		return err_sys(e, -r, "make the filter for the supervisor");
	all = calloc(n + ARRAY_SIZE(prologue), sizeof *all);
	if (!all)
		return err_sys(e, ENOMEM, "make the filter for the supervisor");
	memcpy(all, prologue, sizeof prologue);
	memcpy(all + ARRAY_SIZE(prologue), generated, n * sizeof *all);
	*ret = (struct notify_filter){ .insns = all,
				       .n = n + ARRAY_SIZE(prologue),
				       .flags = SECCOMP_FILTER_FLAG_NEW_LISTENER |
						SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV };
	return 0;
}

void notify_filter_done(struct notify_filter *f)
{
	free(f->insns);
	*f = (struct notify_filter){ 0 };
}
