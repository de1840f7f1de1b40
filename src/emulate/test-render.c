/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "emulate/render.h"

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)

static const char host_meminfo[] = "MemTotal:       24684084 kB\n"
				   "MemFree:        19423472 kB\n"
				   "MemAvailable:   20470424 kB\n"
				   "Buffers:            8040 kB\n"
				   "Cached:          1217212 kB\n"
				   "Active(anon):       1648 kB\n"
				   "Inactive(anon):  3733840 kB\n"
				   "SwapTotal:       1048576 kB\n"
				   "SwapFree:           4096 kB\n"
				   "AnonPages:       3744928 kB\n"
				   "Shmem:              8872 kB\n"
				   "VmallocTotal:   34359738367 kB\n"
				   "HardwareCorrupted:     0 kB\n"
				   "HugePages_Total:       5\n"
				   "Hugepagesize:       2048 kB\n"
				   "DirectMap1G:    25165824 kB\n"
				   "not a line of this kind\n";

static struct emu_input input(void)
{
	return (struct emu_input){
		.host_meminfo = host_meminfo,
		.host_cpu_online = "0-3\n",
		.memory_limit = UINT64_MAX,
		.swap_limit = UINT64_MAX,
		.quota_us = UINT64_MAX,
		.period_us = 100000,
		.id = "c1",
	};
}

static void assert_shows(size_t (*render)(const struct emu_input *in, char *text, size_t size),
			 const struct emu_input *in, const char *want)
{
	static char text[EMU_RENDER_MAX + 1];
	size_t len = render(in, text, EMU_RENDER_MAX);

	assert_in_range(len, 0, EMU_RENDER_MAX);
	text[len] = '\0';
	assert_string_equal(text, want);
}

static void memory_is_the_containers_in_the_kernels_columns(void **state)
{
	struct emu_input in = input();

	(void)state;
	in.memory_limit = 512 * MIB;
	in.memory_used = 200 * MIB;
	in.cache = 100 * MIB;
	in.shmem = 10 * MIB;
	in.inactive_file = 60 * MIB;
	in.active_file = 20 * MIB;
	in.inactive_anon = 50 * MIB;
	in.active_anon = 8 * MIB;
	in.swap_limit = 64 * MIB;
	in.swap_used = MIB;
	assert_shows(render_meminfo, &in,
		     "MemTotal:         524288 kB\n"
		     "MemFree:          319488 kB\n"
		     "MemAvailable:     401408 kB\n"
		     "Buffers:               0 kB\n"
		     "Cached:           102400 kB\n"
		     "Active(anon):       8192 kB\n"
		     "Inactive(anon):    51200 kB\n"
		     "SwapTotal:         65536 kB\n"
		     "SwapFree:          64512 kB\n"
		     "AnonPages:         49152 kB\n"
		     "Shmem:             10240 kB\n"
		     "VmallocTotal:   34359738367 kB\n"
		     "HardwareCorrupted:     0 kB\n"
		     "HugePages_Total:       0\n"
		     "Hugepagesize:       2048 kB\n"
		     "DirectMap1G:           0 kB\n");
}

static void memory_never_adds_up_to_more_than_there_is(void **state)
{
	struct emu_input in = input();
	struct sysinfo info;

	(void)state;
	in.host_meminfo =
		"MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable: 1 kB\nCached: 1 kB\nShmem: 1 kB\nSwapTotal: 7 kB\n";
	in.memory_used = in.cache = in.shmem = in.inactive_file = in.active_file = in.inactive_anon = UINT64_MAX;
	in.active_anon = in.mapped = in.dirty = in.swap_used = in.tasks = in.uptime_us = UINT64_MAX;
	in.swap_limit = UINT64_MAX - 1;
	assert_shows(
		render_meminfo, &in,
		"MemTotal:       1000 kB\nMemFree: 0 kB\nMemAvailable: 0 kB\nCached: 1000 kB\nShmem: 1000 kB\n"
		"SwapTotal: 7 kB\n");
	emu_sysinfo(&in, &info);
	assert_int_equal(info.totalram, 1024000);
	assert_int_equal(info.freeram, 0);
	assert_int_equal(info.totalswap, 7168);
	assert_int_equal(info.freeswap, 0);
	assert_int_equal(info.procs, 65535);
	assert_int_equal(info.mem_unit, 1);
}

static void a_limit_above_the_host_is_the_host(void **state)
{
	struct emu_input in = input();
	struct sysinfo info;

	(void)state;
	in.memory_limit = 1000 * GIB;
	in.load[0] = 1.5;
	emu_sysinfo(&in, &info);
	assert_int_equal(info.totalram, 24684084ul * 1024);
	assert_int_equal(info.totalswap, 0); /* no limit for swap: none is promised */
	assert_int_equal(info.loads[0], 3 << 15);
	in.host_meminfo = NULL;
	in.memory_limit = GIB;
	emu_sysinfo(&in, &info);
	assert_int_equal(info.totalram, GIB);
}

static void cpus_follow_cpuset_and_quota(void **state)
{
	static const struct {
		const char *online, *cpuset, *list;
		uint64_t quota, period;
		unsigned cpus;
	} rows[] = {
		{ "0-3\n", NULL, "0-3\n", UINT64_MAX, 100000, 4 },
		{ "0-3\n", "1,3\n", "0-1\n", UINT64_MAX, 100000, 2 },
		{ "0-3\n", "2-9\n", "0-1\n", UINT64_MAX, 100000, 2 },
		{ "0-3\n", "\n", "0-3\n", UINT64_MAX, 100000, 4 },
		{ "0-3\n", "8\n", "0-3\n", UINT64_MAX, 100000, 4 },
		{ "0-3\n", NULL, "0-1\n", 150000, 100000, 2 },
		{ "0-3\n", NULL, "0-1\n", 200000, 100000, 2 },
		{ "0-3\n", NULL, "0-3\n", 900000, 100000, 4 },
		{ "0-3\n", NULL, "0\n", 1000, 100000, 1 },
		{ "0-3\n", NULL, "0\n", 0, 100000, 1 },
		{ "0-3\n", NULL, "0-3\n", 5, 0, 4 },
		{ NULL, "0-2,2-3,x", "0-3\n", UINT64_MAX, 100000, 4 },
		{ NULL, NULL, "0\n", UINT64_MAX, 100000, 1 },
		{ "0-18446744073709551615\n", NULL, "0-8191\n", UINT64_MAX, 1, EMU_CPUS_MAX },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct emu_input in = input();

		in.host_cpu_online = rows[i].online;
		in.cpuset = rows[i].cpuset;
		in.quota_us = rows[i].quota;
		in.period_us = rows[i].period;
		assert_int_equal(emu_cpus(&in), rows[i].cpus);
		assert_shows(render_cpu_list, &in, rows[i].list);
	}
}

static void cpus_are_counted_where_they_are_listed(void **state)
{
	struct emu_input in = input();

	(void)state;
	in.host_cpu_online = NULL;
	in.host_cpuinfo = "processor\t: 0\n\nprocessor\t: 1\n";
	assert_int_equal(emu_cpus(&in), 2);
	in.host_stat = "cpu  1 2\ncpu0 1 2\ncpu1 1 2\ncpu3 1 2\nctxt 5\n";
	assert_int_equal(emu_cpus(&in), 3);
}

static void cpuinfo_is_the_first_processors(void **state)
{
	static char text[EMU_RENDER_MAX];
	struct emu_input in = input();

	(void)state;
	in.host_cpuinfo =
		"processor\t: 4\nmodel\t: x\n\nprocessor\t: 6\nmodel\t: y\n\nprocessor\t: 8\nmodel\t: z\n\nRevision\t: 7\n";
	in.host_cpu_online = "4,6,8";
	in.cpuset = "6,8";
	assert_shows(render_cpuinfo, &in,
		     "processor\t: 0\nmodel\t: x\n\nprocessor\t: 1\nmodel\t: y\n\nRevision\t: 7\n");
	/* No half of a processor. */
	assert_int_equal(render_cpuinfo(&in, text, 40), 25);
	in.host_cpuinfo = NULL;
	assert_shows(render_cpuinfo, &in, "");
}

static void times_are_spread_and_add_up(void **state)
{
	struct emu_input in = input();

	(void)state;
	in.quota_us = 200000;
	in.cpu_user_us = 70000;
	in.cpu_system_us = 35000;
	in.uptime_us = 1000000;
	in.boot_time = 1795698226;
	assert_shows(render_stat, &in,
		     "cpu  7 0 3 189 0 0 0 0 0 0\n"
		     "cpu0 4 0 2 95 0 0 0 0 0 0\n"
		     "cpu1 3 0 1 94 0 0 0 0 0 0\n"
		     "intr 0\nctxt 0\nbtime 1795698226\nprocesses 0\nprocs_running 1\nprocs_blocked 0\n"
		     "softirq 0 0 0 0 0 0 0 0 0 0 0\n");
	in.cpu_user_us = UINT64_MAX;
	in.host_cpu_online = "0";
	in.idle_us = 50000;
	assert_shows(render_stat, &in,
		     "cpu  1844674407370955 0 3 5 0 0 0 0 0 0\n"
		     "cpu0 1844674407370955 0 3 5 0 0 0 0 0 0\n"
		     "intr 0\nctxt 0\nbtime 1795698226\nprocesses 0\nprocs_running 1\nprocs_blocked 0\n"
		     "softirq 0 0 0 0 0 0 0 0 0 0 0\n");
}

static void idle_time_never_goes_back(void **state)
{
	uint64_t idle = 0;

	(void)state;
	emu_idle_update(&idle, 2, 500, 1000);
	assert_int_equal(idle, 1500);
	emu_idle_update(&idle, 1, 4000, 1000);
	assert_int_equal(idle, 1500);
	emu_idle_update(&idle, 2, 0, UINT64_MAX);
	assert_true(idle == UINT64_MAX);
}

static void load_decays_as_the_kernels(void **state)
{
	double load[3] = { 0 }, other[3] = { 0 };

	(void)state;
	emu_load_update(load, 60000000, 60000000); /* one CPU busy for a minute */
	assert_true(fabs(load[0] - (1 - exp(-1))) < 1e-9);
	assert_true(fabs(load[1] - (1 - exp(-1 / 5.))) < 1e-9);
	assert_true(fabs(load[2] - (1 - exp(-1 / 15.))) < 1e-9);
	for (int i = 0; i < 600; i++)
		emu_load_update(other, 100000, 100000);
	assert_true(fabs(load[0] - other[0]) < 1e-9 && fabs(load[2] - other[2]) < 1e-9);
	emu_load_update(load, 0, UINT64_C(100) * 3600 * 1000000);
	assert_true(load[0] >= 0 && load[0] < 1e-9);
	load[0] = 1;
	emu_load_update(load, 0, 600000000);
	assert_true(fabs(load[0] - exp(-10)) < 1e-12);
	load[0] = 0;
	emu_load_update(load, 5, 0);
	assert_true(load[0] < 1e-9);
	load[0] = NAN;
	load[1] = -INFINITY;
	load[2] = INFINITY;
	emu_load_update(load, UINT64_MAX, 1);
	for (int i = 0; i < 3; i++)
		assert_true(load[i] >= 0 && load[i] <= 1e6);
}

static void loadavg_has_five_fields(void **state)
{
	struct emu_input in = input();

	(void)state;
	in.load[0] = 0.126;
	in.load[1] = NAN;
	in.load[2] = 1e300;
	in.tasks = 12;
	assert_shows(render_loadavg, &in, "0.13 0.00 1000000.00 1/12 12\n");
}

static void disks_are_those_with_io(void **state)
{
	struct emu_input in = input();

	(void)state;
	in.host_diskstats =
		"   7       0 loop0 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n"
		" 254       0 vda 52710 7752 4060250 28693 136793 24016 11355048 61213 0 16760 94831 0 0 0 0 0 0\n"
		" 254       1 vda1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n"
		"junk\n";
	assert_shows(render_diskstats, &in, "");
	in.io = "254:0 rbytes=4096 wbytes=1024 rios=3 wios=2 dbytes=512 dios=1 extra=5\n254:1\n"
		"7:0 rbytes=0 wios=0\n9:9 rios=5\n";
	assert_shows(render_diskstats, &in, " 254       0 vda 3 0 8 0 2 0 2 0 0 0 0 1 0 1 0 0 0\n");
	in.io = NULL;
	in.blkio_bytes =
		"254:0 Read 4096\n254:0 Write 1024\n254:0 Sync 9999\n254:0 Discard 512\n254:0 Total 5632\nTotal 5632\n";
	in.blkio_ops = "254:0 Read 3\n254:0 Write 2\n254:0 Discard 1\n254:0 Total 6\nTotal 6\n";
	assert_shows(render_diskstats, &in, " 254       0 vda 3 0 8 0 2 0 2 0 0 0 0 1 0 1 0 0 0\n");
}

static void swaps_has_its_header_only(void **state)
{
	struct emu_input in = input();

	(void)state;
	assert_shows(render_swaps, &in, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
}

static void what_does_not_fit_is_left_out_by_the_line(void **state)
{
	struct emu_input in = input();
	char text[64];

	(void)state;
	assert_int_equal(render_meminfo(&in, text, 60), 56);
	assert_memory_equal(text + 28, "MemFree:        24684084 kB\n", 28);
	assert_int_equal(render_meminfo(&in, text, 20), 0);
	assert_int_equal(render_swaps(&in, text, 10), 0);
	assert_int_equal(render_stat(&in, text, 20), 14); /* what follows the CPUs has a place of its own */
	assert_int_equal(render_loadavg(&in, text, 0), 0);
}

static void assert_uuid(const char *s)
{
	for (size_t i = 0; i < 36; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23)
			assert_int_equal(s[i], '-');
		else
			assert_non_null(memchr("0123456789abcdef", s[i], 16));
	assert_int_equal(s[14], '4');
	assert_non_null(memchr("89ab", s[19], 4));
	assert_string_equal(s + 36, "\n");
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, 38);
}

static void uuids_are_stable_and_distinct(void **state)
{
	enum { N = 20000 };
	static char all[N][38];
	char id[16], again[38];

	(void)state;
	for (size_t i = 0; i < N; i++) {
		(void)snprintf(id, sizeof id, "%zu", i / 2);
		emu_uuid(id, i % 2 ? "boot_id" : "product_uuid", all[i]);
		assert_uuid(all[i]);
	}
	emu_uuid("7", "boot_id", again);
	assert_string_equal(again, all[15]);
	qsort(all, N, sizeof all[0], compare);
	for (size_t i = 1; i < N; i++)
		assert_string_not_equal(all[i - 1], all[i]);
	emu_uuid("ab", "c", again);
	emu_uuid("a", "bc", all[0]);
	assert_string_not_equal(all[0], again);
}

static const struct emu_row *row_of(const char *path)
{
	for (size_t i = 0; i < emu_n_rows; i++)
		if (strcmp(emu_rows[i].path, path) == 0)
			return &emu_rows[i];
	fail();
	return NULL;
}

/* The kernel's cache has the length from one rendering and the content from another. */
static void numbers_that_grow_do_not_make_a_text_longer(void **state)
{
	static const char *const paths[] = { "stat", "loadavg", "diskstats", "meminfo", "cpuinfo" };
	static char text[EMU_RENDER_MAX + 1];
	struct emu_input in = input();
	char io[100], info[100];

	(void)state;
	in.host_diskstats = " 254       0 vda 52710 7752\n";
	in.io = io;
	in.host_cpuinfo = info;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		size_t first = 0, len;

		for (uint64_t n = 1; n <= 10000000; n *= 10) {
			(void)snprintf(io, sizeof io, "254:0 rbytes=%lu wios=%lu\n", n * 512, n);
			(void)snprintf(info, sizeof info,
				       "processor\t: 0\ncpu MHz\t\t: %lu.000\npower management:\n\n",
				       n % 10000 + 1);
			in.cpu_user_us = in.uptime_us = n * 10000;
			in.memory_used = n * 1024;
			in.load[0] = (double)(n % 10000);
			in.tasks = n % 10000;
			len = emu_render(row_of(paths[i]), &in, text, EMU_RENDER_MAX);
			first = first ? first : len;
			assert_int_equal(len, first);
			assert_true(len > 0 && text[len - 1] == '\n');
		}
	}
	/* The blanks are at the end of what is said; lines between paragraphs stay empty. */
	assert_true(strncmp(text + strlen("processor\t: 0\ncpu MHz\t\t: 1.000\n"), "power management:   ", 20) ==
		    0);
	in.load[0] = 0;
	in.tasks = 1;
	assert_int_equal(emu_render(row_of("loadavg"), &in, text, 24),
			 strlen("0.00 0.00 0.00 1/1 1\n")); /* no room */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_the_containers_in_the_kernels_columns),
		cmocka_unit_test(memory_never_adds_up_to_more_than_there_is),
		cmocka_unit_test(a_limit_above_the_host_is_the_host),
		cmocka_unit_test(cpus_follow_cpuset_and_quota),
		cmocka_unit_test(cpus_are_counted_where_they_are_listed),
		cmocka_unit_test(cpuinfo_is_the_first_processors),
		cmocka_unit_test(times_are_spread_and_add_up),
		cmocka_unit_test(idle_time_never_goes_back),
		cmocka_unit_test(load_decays_as_the_kernels),
		cmocka_unit_test(loadavg_has_five_fields),
		cmocka_unit_test(disks_are_those_with_io),
		cmocka_unit_test(swaps_has_its_header_only),
		cmocka_unit_test(what_does_not_fit_is_left_out_by_the_line),
		cmocka_unit_test(numbers_that_grow_do_not_make_a_text_longer),
		cmocka_unit_test(uuids_are_stable_and_distinct),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
