/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "confine/confine.h"

#define WORD (8 * sizeof(unsigned long))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int has(const struct confine_cpus *c, size_t i)
{
	return (c->bits[i / WORD] >> (i % WORD)) & 1;
}

/*
 * Oracle: what is accepted consists of digits, '-' and ',' only, begins and ends with a digit, and its canonical form reads
 * back as the same set; every number in the text is a member.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct confine_cpus a, b;
	char in[1024], out[6 * CONFINE_CPUS_MAX];
	size_t n = 0;
	int r;

	if (size >= sizeof in)
		return 0;
	memcpy(in, data, size);
	in[size] = '\0';
	r = confine_cpulist(in, &a);
	if (r < 0) {
		if (r != -EINVAL && r != -ERANGE)
			abort();
		return 0;
	}
	if (strspn(in, "0123456789-,") != strlen(in) || !strchr("0123456789", in[0]) || in[0] == '\0')
		abort();
	for (const char *p = in; *p; p += strspn(p, "-,")) {
		char *end;
		unsigned long cpu = strtoul(p, &end, 10);

		if (end == p || cpu >= CONFINE_CPUS_MAX || !has(&a, cpu))
			abort();
		p = end;
	}
	for (size_t i = 0; i < CONFINE_CPUS_MAX; i++) {
		size_t last = i;

		if (!has(&a, i))
			continue;
		while (last + 1 < CONFINE_CPUS_MAX && has(&a, last + 1))
			last++;
		n += (size_t)snprintf(out + n, sizeof out - n, "%s%zu-%zu", n > 0 ? "," : "", i, last);
		i = last;
	}
	if (confine_cpulist(out, &b) != 0 || memcmp(&a, &b, sizeof a) != 0)
		abort();
	return 0;
}
