/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts between NULs: numbers (in the order of fill()), meminfo, cpuinfo, diskstats, online, cpuset, io.stat,
 * the two of blkio, id. Whatever they say: whole lines that fit, and a view without contradictions.
 */
#include <stdint.h>
#include <sys/sysinfo.h>

#include "base/cleanup.h"
#include "codec/fuzz-oci.h"
#include "emulate/emulate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXTS 10

static char big[EMU_RENDER_MAX + 1], small[EMU_RENDER_MAX + 1];

static const struct emu_row *find(const char *path)
{
	for (size_t i = 0; i < emu_n_rows; i++)
		if (strcmp(emu_rows[i].path, path) == 0)
			return &emu_rows[i];
	abort();
}

static const char *render(const char *path, const struct emu_input *in)
{
	size_t n = emu_render(find(path), in, big, EMU_RENDER_MAX);

	CHECK(n <= EMU_RENDER_MAX);
	big[n] = '\0';
	return big;
}

static void fill(struct emu_input *in, const char *numbers)
{
	uint64_t *const places[] = {
		&in->memory_limit,  &in->swap_limit,  &in->memory_used,	  &in->swap_used,   &in->cache,
		&in->inactive_file, &in->active_file, &in->inactive_anon, &in->active_anon, &in->shmem,
		&in->mapped,	    &in->dirty,	      &in->writeback,	  &in->cpu_user_us, &in->cpu_system_us,
		&in->quota_us,	    &in->period_us,   &in->tasks,	  &in->uptime_us,   &in->idle_us,
		&in->boot_time,
	};
	char *end;

	for (size_t i = 0; i < ARRAY_SIZE(places) && *numbers; i++, numbers = end) {
		*places[i] = strtoul(numbers, &end, 10);
		if (end == numbers)
			break;
	}
	for (size_t i = 0; i < 3; i++)
		memcpy(&in->load[i], places[i * 4], sizeof in->load[i]);
}

static void check_lines(const struct emu_input *in)
{
	static const size_t sizes[] = { 0, 1, 30, 300, 3000 };

	for (size_t i = 0; i < emu_n_rows; i++) {
		size_t n;

		if (!emu_rows[i].render)
			continue;
		n = emu_rows[i].render(in, big, EMU_RENDER_MAX);
		CHECK(n <= EMU_RENDER_MAX && (n == 0 || big[n - 1] == '\n') && !memchr(big, '\0', n));
		for (size_t j = 0; j < ARRAY_SIZE(sizes); j++) {
			size_t m = emu_rows[i].render(in, small, sizes[j]);

			CHECK(m <= sizes[j] && m <= n && (m == 0 || small[m - 1] == '\n'));
			/* The end of stat has a place of its own. */
			CHECK(strcmp(emu_rows[i].path, "stat") == 0 || memcmp(big, small, m) == 0);
		}
	}
}

static uint64_t field(const char *text, const char *name)
{
	for (const char *p = text; *p; p = strchr(p, '\n') + 1)
		if (strncmp(p, name, strlen(name)) == 0 && p[strlen(name)] == ':')
			return strtoul(p + strlen(name) + 1, NULL, 10);
	return 0;
}

static void check_memory(const struct emu_input *in)
{
	static const char *const parts[] = { "MemFree",	  "MemAvailable", "Cached",	   "Shmem",
					     "AnonPages", "Mapped",	  "Dirty",	   "Active",
					     "Inactive",  "Active(anon)", "Inactive(file)" };
	const char *text = render("meminfo", in);
	_cleanup_free_ char *first = strdup(text);
	struct emu_input again = *in;
	struct sysinfo info;

	CHECK(first);
	for (size_t i = 0; field(first, "MemTotal") && i < ARRAY_SIZE(parts); i++)
		CHECK(field(first, parts[i]) <= field(first, "MemTotal"));
	if (field(first, "SwapTotal"))
		CHECK(field(first, "SwapFree") <= field(first, "SwapTotal"));
	/* A container inside, which sees this as the host's, sees the same. */
	if (field(first, "MemTotal")) {
		again.host_meminfo = first;
		if (again.swap_limit == UINT64_MAX || field(first, "SwapTotal"))
			CHECK(strcmp(render("meminfo", &again), first) == 0);
	}
	emu_sysinfo(in, &info);
	CHECK(info.freeram <= info.totalram && info.sharedram <= info.totalram && info.freeswap <= info.totalswap);
}

static void check_cpus(const struct emu_input *in)
{
	unsigned cpus = emu_cpus(in), n = 0, first = 0, last = 0;
	uint64_t sum[3] = { 0 }, whole[3] = { 0 };
	const char *text = render("devices/system/cpu/online", in);

	CHECK(cpus >= 1 && cpus <= EMU_CPUS_MAX);
	CHECK(cpus == 1 ? strcmp(text, "0\n") == 0 : sscanf(text, "%u-%u", &first, &last) == 2);
	CHECK(first == 0 && last == cpus - 1);
	text = render("stat", in);
	CHECK(sscanf(text, "cpu  %lu 0 %lu %lu", &whole[0], &whole[1], &whole[2]) == 3 &&
	      strstr(text, "\nbtime "));
	for (text = strchr(text, '\n') + 1; strncmp(text, "cpu", 3) == 0; text = strchr(text, '\n') + 1, n++) {
		uint64_t v[3];
		unsigned number;

		CHECK(sscanf(text, "cpu%u %lu 0 %lu %lu", &number, &v[0], &v[1], &v[2]) == 4 && number == n);
		for (size_t i = 0; i < 3; i++)
			sum[i] += v[i];
	}
	CHECK(n <= cpus);
	if (n == cpus)
		CHECK(memcmp(sum, whole, sizeof sum) == 0);
	n = 0;
	for (text = render("cpuinfo", in); *text; text = strchr(text, '\n') + 1)
		n += (text == big || text[-2] == '\n') && strncmp(text, "processor\t: ", 12) == 0 && *text;
	CHECK(n <= cpus);
}

static void check_disks(const struct emu_input *in)
{
	for (const char *p = render("diskstats", in); *p; p = strchr(p, '\n') + 1) {
		uint64_t v[9];
		char name[32];

		CHECK(sscanf(p, "%lu %lu %31s %lu 0 %lu 0 %lu 0 %lu 0 0 0 0 %lu 0 %lu 0 0 0", &v[0], &v[1], name,
			     &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) == 9);
	}
}

static void check_loads(const struct emu_input *in)
{
	double load[3] = { in->load[0], in->load[1], in->load[2] };
	uint64_t idle = in->idle_us;

	emu_load_update(load, in->cpu_user_us, in->uptime_us);
	for (size_t i = 0; in->uptime_us && i < 3; i++)
		CHECK(load[i] >= 0 && load[i] <= 1e6);
	emu_idle_update(&idle, emu_cpus(in), in->cpu_user_us, in->uptime_us);
	CHECK(idle >= in->idle_us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *all = NULL;
	const char *text[TEXTS] = { NULL };
	struct emu_input in = { .memory_limit = UINT64_MAX, .swap_limit = UINT64_MAX, .quota_us = UINT64_MAX };
	size_t n = 0;

	if (size == 0 || size > 16384)
		return 0;
	all = malloc(size + 1);
	CHECK(all);
	memcpy(all, data, size);
	all[size] = '\0';
	for (const char *p = all; p < all + size && n < TEXTS; p += strlen(p) + 1)
		text[n++] = p;
	fill(&in, text[0]);
	in.host_meminfo = text[1];
	in.host_cpuinfo = text[2];
	in.host_diskstats = text[3];
	in.host_cpu_online = text[4];
	in.cpuset = text[5];
	in.io = text[6];
	in.blkio_bytes = text[7];
	in.blkio_ops = text[8];
	in.id = text[9];
	check_lines(&in);
	check_memory(&in);
	check_cpus(&in);
	check_disks(&in);
	check_loads(&in);
	return 0;
}
