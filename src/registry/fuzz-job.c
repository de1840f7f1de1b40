/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/fuzz-oci.h"
#include "registry/job.h"

/* What is accepted can be put into a URL and into a head. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_plain(const char *s)
{
	for (; s && *s; s++)
		CHECK(*s > ' ' && *s <= '~' && !strchr("?#%\\@\"", *s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct registry_job job;
	struct err e = { 0 };

	if (size > 65536)
		return 0;
	if (job_parse((const char *)data, size, &job, &e) < 0) {
		CHECK(*e.msg && !strchr(e.msg, '\n'));
		return 0;
	}
	check_plain(job.registry);
	check_plain(job.repository);
	check_plain(job.reference);
	CHECK(!strchr(job.reference, '/') && !strstr(job.repository, ".."));
	CHECK(job.seconds >= 1 && job.seconds <= REGISTRY_SECONDS_MAX);
	CHECK(!job.auth.username || !strchr(job.auth.username, ':'));
	job_done(&job);
	return 0;
}
