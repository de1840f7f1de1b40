/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/cleanup.h"
#include "emulate/render.h"
#include "emulate/text.h"

struct cpu_set {
	uint64_t bits[EMU_CPUS_MAX / 64];
};

static void add_range(struct cpu_set *set, uint64_t first, uint64_t last)
{
	for (uint64_t i = first; i <= last && i < EMU_CPUS_MAX; i++)
		set->bits[i / 64] |= (uint64_t)1 << i % 64;
}

/* "0-3,7" as the kernel writes it. What is no such list from some point on, ends there. */
static void read_list(const char *list, struct cpu_set *ret)
{
	while (list && *list) {
		size_t n = strspn(list, "0123456789"), m = 0;
		uint64_t first, last;

		if (!span_number((struct span){ list, n }, &first))
			return;
		last = first;
		list += n;
		if (*list == '-') {
			m = strspn(list + 1, "0123456789");
			if (!span_number((struct span){ list + 1, m }, &last))
				return;
			list += m + 1;
		}
		add_range(ret, first, last);
		if (*list != ',')
			return;
		list++;
	}
}

static unsigned count(const struct cpu_set *set)
{
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(set->bits); i++)
		n += (unsigned)__builtin_popcountll(set->bits[i]);
	return n;
}

static bool is_processor(struct span line)
{
	struct span word = span_word(&line), colon = span_word(&line);

	return span_is(word, "processor") && span_is(colon, ":");
}

/* "cpu0 …", "cpu1 …": those that are on. */
static unsigned count_stat(const char *stat)
{
	struct span line, word;
	unsigned n = 0;

	while (span_line(&stat, &line)) {
		word = span_word(&line);
		n += word.len > 3 && memcmp(word.p, "cpu", 3) == 0;
	}
	return n;
}

static unsigned count_processors(const char *cpuinfo)
{
	struct span line;
	unsigned n = 0;

	while (span_line(&cpuinfo, &line))
		n += is_processor(line);
	return n;
}

unsigned emu_cpus(const struct emu_input *in)
{
	struct cpu_set online = { 0 }, allowed = { 0 };
	uint64_t n, quota;

	read_list(in->host_cpu_online, &online);
	read_list(in->cpuset, &allowed);
	/* A list may name CPUs that are off; one that cannot be read limits nothing. */
	if (count(&online) && count(&allowed))
		for (size_t i = 0; i < ARRAY_SIZE(allowed.bits); i++)
			allowed.bits[i] &= online.bits[i];
	n = count(&allowed);
	if (n == 0)
		n = count(&online);
	if (n == 0)
		n = count_stat(in->host_stat);
	if (n == 0)
		n = count_processors(in->host_cpuinfo);
	if (in->quota_us != UINT64_MAX && in->period_us) {
		quota = in->quota_us / in->period_us + (in->quota_us % in->period_us != 0);
		n = lesser(n, quota);
	}
	n = lesser(n, EMU_CPUS_MAX);
	return n ? (unsigned)n : 1;
}

/*
 * online and present: the same, as no CPU of a container can be switched on later. Never "possible": programs size arrays by it
 * that they index with the numbers sched_getcpu(3) and rseq give, which are the host's.
 */
size_t render_cpu_list(const struct emu_input *in, char *text, size_t size)
{
	struct text t = { .buf = text, .size = size };
	unsigned n = emu_cpus(in);

	if (n == 1)
		text_line(&t, "0\n");
	else
		text_line(&t, "0-%u\n", n - 1);
	return t.len;
}

/*
 * The host's first processors, counted from 0. A paragraph is one processor's, or, on some architectures, is
 * about the machine and stays. Paragraphs are kept or left out as a whole, so that none lacks its end.
 */
size_t render_cpuinfo(const struct emu_input *in, char *text, size_t size)
{
	struct text t = { .buf = text, .size = size };
	const char *cursor = in->host_cpuinfo;
	unsigned limit = emu_cpus(in), n = 0;
	bool skip = false, begins = true;
	size_t paragraph = 0;
	struct span line;

	while (!t.full && span_line(&cursor, &line)) {
		bool processor = begins && is_processor(line);

		if (begins) {
			paragraph = t.len;
			skip = processor && n >= limit;
		}
		begins = line.len == 0;
		if (skip)
			continue;
		if (processor) {
			text_line(&t, "processor\t: %u\n", n++);
		} else {
			text_copy(&t, line.p, line.len);
			text_copy(&t, "\n", 1);
		}
	}
	return t.full ? paragraph : t.len;
}
