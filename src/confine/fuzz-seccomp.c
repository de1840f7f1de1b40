/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/test-bpf.h" /* includes <seccomp.h>, which has to come before confine.h */

#include <stdio.h>

#include "base/cleanup.h"
#include "confine/confine.h"

#define INPUT_MAX 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A few calls that profiles are about, the ends of the tables, and numbers that belong to nobody. */
static const uint32_t numbers[] = { 0,	 1,   2,   5,	41,  56,   59,	102,	    117,	135,	   231,
				    435, 449, 450, 451, 500, 1000, 359, 0x3fffffff, 0x80000000, 0xffffffff };

static void compare(const struct seccomp_program *p, const struct rules *r, struct seccomp_data *d)
{
	if (bpf_run(p->insns, p->n, d) != rules_verdict(r, d))
		abort();
}

static void compare_around_conditions(const struct seccomp_program *p, const struct rules *r,
				      struct seccomp_data *d)
{
	compare(p, r, d);
	for (size_t i = 0; i < r->s->n_rules; i++)
		for (size_t k = 0; k < r->s->rules[i].n_args; k++) {
			const struct oci_seccomp_arg *a = &r->s->rules[i].args[k];

			for (uint64_t delta = 0; delta < 3; delta++) {
				d->args[a->index] = a->value + delta - 1;
				if (d->arch == AUDIT_ARCH_I386)
					d->args[a->index] &= UINT32_MAX;
				compare(p, r, d);
			}
		}
}

/* Oracle: a profile that compiles says, as a program, what its rules say. The input is the "seccomp" object. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char head[] =
		"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},\"mounts\":[],\"linux\":{\"seccomp\":";
	char buf[sizeof head + INPUT_MAX + 2];
	struct seccomp_program p = { 0 };
	struct oci_spec spec = { 0 };
	struct rules r;
	int n;

	if (size > INPUT_MAX)
		return 0;
	n = snprintf(buf, sizeof buf, "%s%.*s}}", head, (int)size, (const char *)data);
	if (n < 0 || oci_spec_parse(buf, (size_t)n, &spec, NULL) < 0)
		return 0;
	if (spec.linux_.seccomp.present && spec.linux_.seccomp.n_rules <= 32 &&
	    seccomp_compile(&spec.linux_.seccomp, -EBADF, &p, NULL) == 0) {
		rules_init(&r, &spec.linux_.seccomp);
		for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
			struct seccomp_data d[] = {
				{ .nr = (int)numbers[i], .arch = AUDIT_ARCH_X86_64 },
				{ .nr = (int)numbers[i], .arch = AUDIT_ARCH_I386 },
				{ .nr = (int)(numbers[i] | X32), .arch = AUDIT_ARCH_X86_64 },
			};

			for (size_t k = 0; k < ARRAY_SIZE(d); k++)
				compare_around_conditions(&p, &r, &d[k]);
		}
	}
	seccomp_program_done(&p);
	oci_spec_done(&spec);
	return 0;
}
