/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "codec/fuzz-oci.h"
#include "codec/oci-spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_process(const struct oci_process *p)
{
	uint32_t seen = 0;

	CHECK(p->json && p->args.n > 0 && p->cwd[0] == '/');
	for (size_t i = 0; i < p->args.n; i++)
		CHECK(p->args.v[i]);
	for (size_t i = 0; i < p->env.n; i++)
		CHECK(p->env.v[i]);
	for (size_t i = 0; i < p->n_rlimits; i++) {
		CHECK(p->rlimits[i].resource >= 0 && p->rlimits[i].resource < RLIM_NLIMITS);
		CHECK(p->rlimits[i].soft <= p->rlimits[i].hard);
		CHECK(!(seen & 1u << p->rlimits[i].resource));
		seen |= 1u << p->rlimits[i].resource;
	}
	CHECK(p->oom_score_adj >= -1000 && p->oom_score_adj <= 1000);
	CHECK(p->user.umask <= 0777 && p->io_level >= 0 && p->io_level <= 7 && p->io_class <= 3);
	CHECK(p->scheduler.policy <= 6 && p->scheduler.nice >= -20 && p->scheduler.nice <= 19);
	CHECK(!((p->caps.bounding | p->caps.ambient) >> 41));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct oci_process p, again;
	struct err e = { 0 };
	char *text;
	int r;

	if (size > 65536)
		return 0;
	memset(&p, 0x5a, sizeof p);
	memcpy(&again, &p, sizeof p);
	r = oci_process_parse((const char *)data, size, &p, &e);
	if (r < 0) {
		check_refusal(r, &e, "process.json");
		CHECK(memcmp(&p, &again, sizeof p) == 0);
		return 0;
	}
	check_process(&p);
	text = rewritten(p.json);
	CHECK(oci_process_parse(text, strlen(text), &again, NULL) == 0);
	CHECK(p.n_rlimits == again.n_rlimits && p.args.n == again.args.n && same(p.cwd, again.cwd));
	for (size_t i = 0; i < p.n_rlimits; i++)
		CHECK(p.rlimits[i].soft == again.rlimits[i].soft && p.rlimits[i].hard == again.rlimits[i].hard);
	CHECK(p.user.uid == again.user.uid && p.scheduler.runtime == again.scheduler.runtime);
	CHECK(memcmp(&p.caps, &again.caps, sizeof p.caps) == 0);
	free(text);
	oci_process_done(&p);
	oci_process_done(&again);
	return 0;
}
