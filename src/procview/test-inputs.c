/* SPDX-License-Identifier: Apache-2.0 */
/* What renderers are given, from files in a directory that look like the kernel's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "procview/inputs.h"
#include "sys/test-dir.h"

static char top[] = "/tmp/caisson-test-inputs.XXXXXX";
static char buf[65536];
static struct view_shared *shared;
static int dir_fd = -EBADF;

static int setup(void **state)
{
	(void)state;
	shared = calloc(1, sizeof *shared);
	if (!shared || test_dir_make(top, false) < 0)
		return -1;
	dir_fd = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	dir_fd = fd_close(dir_fd);
	test_dir_drop(top);
	(void)snprintf(top, sizeof top, "/tmp/caisson-test-inputs.XXXXXX");
	free(shared);
	return 0;
}

static void collect(const char *path, struct emu_input *ret)
{
	const struct emu_row row = { .path = path };
	int dir[DIR_N];
	struct inputs in;

	for (unsigned i = 0; i < DIR_N; i++)
		dir[i] = dir_fd;
	inputs_open(&in, shared, dir, buf, sizeof buf);
	inputs_collect(&in, &row, ret);
	inputs_close(&in);
}

static void put(const char *name, const char *text)
{
	assert_int_equal(test_put(dir_fd, name, text), 0);
}

static void nothing_there_is_no_limit(void **state)
{
	struct emu_input in;

	(void)state;
	for (unsigned v2 = 0; v2 < 2; v2++) {
		shared->params.cgroup_v2 = v2;
		collect("unknown", &in);
		assert_null(in.host_meminfo);
		assert_null(in.cpuset);
		assert_true(in.memory_limit == UINT64_MAX && in.swap_limit == UINT64_MAX &&
			    in.quota_us == UINT64_MAX);
		assert_int_equal(in.tasks, 1);
		assert_int_equal(in.memory_used + in.cache + in.cpu_user_us, 0);
		assert_ptr_equal(in.id, shared->params.id);
	}
}

static void v2_numbers(void **state)
{
	struct emu_input in;

	(void)state;
	shared->params.cgroup_v2 = 1;
	shared->params.cpu_start_us = 1500;
	put("memory.current", "1000\n");
	put("memory.swap.current", "77\n");
	put("memory.stat",
	    "anon 5\nfile 42\nnot_file 9\ninactive_file 3\nshmem 2\nfile_mapped 8\nactive_anon junk\n");
	put("cpu.stat", "usage_usec 3000\nuser_usec 1000\nsystem_usec 2000\n");
	put("cpuset.cpus.effective", "0-1\n");
	put("io.stat", "8:0 rbytes=1\n");
	put("pids.current", "12\n");
	put("meminfo", "MemTotal: 1 kB\n");
	collect("unknown", &in);
	assert_int_equal(in.memory_used, 1000);
	assert_int_equal(in.swap_used, 77);
	assert_int_equal(in.cache, 42);
	assert_int_equal(in.inactive_file, 3);
	assert_int_equal(in.shmem, 2);
	assert_int_equal(in.mapped, 8);
	assert_int_equal(in.active_anon, 0);
	assert_int_equal(in.cpu_user_us, 0); /* 1500 of it before the container */
	assert_int_equal(in.cpu_system_us, 1500);
	assert_string_equal(in.cpuset, "0-1\n");
	assert_string_equal(in.io, "8:0 rbytes=1\n");
	assert_null(in.blkio_bytes);
	assert_int_equal(in.tasks, 12);
	assert_string_equal(in.host_meminfo, "MemTotal: 1 kB\n");
	collect("meminfo", &in); /* only what it needs */
	assert_null(in.io);
	assert_null(in.cpuset);
	assert_int_equal(in.cache, 42);
}

static void v1_numbers(void **state)
{
	struct emu_input in;

	(void)state;
	shared->params.cgroup_v2 = 0;
	put("memory.usage_in_bytes", "1000\n");
	put("memory.memsw.usage_in_bytes", "1077\n");
	put("memory.stat",
	    "cache 1\nhierarchical_memory_limit 5000\nhierarchical_memsw_limit 7000\ntotal_cache 42\n"
	    "total_inactive_file 3\n");
	put("cpuacct.usage_user", "4000000\n");
	put("cpuacct.usage_sys", "5000000\n");
	put("cpuset.cpus", "1\n"); /* no effective_cpus */
	put("blkio.throttle.io_service_bytes_recursive", "Total 0\n");
	collect("unknown", &in);
	assert_int_equal(in.memory_limit, 5000);
	assert_int_equal(in.swap_limit, 2000);
	assert_int_equal(in.memory_used, 1000);
	assert_int_equal(in.swap_used, 77);
	assert_int_equal(in.cache, 42);
	assert_int_equal(in.cpu_user_us, 4000);
	assert_int_equal(in.cpu_system_us, 5000);
	assert_string_equal(in.cpuset, "1\n");
	assert_string_equal(in.blkio_bytes, "Total 0\n");
	put("memory.stat", "hierarchical_memory_limit 9223372036854771712\n"
			   "hierarchical_memsw_limit 9223372036854771712\n");
	collect("meminfo", &in);
	assert_true(in.memory_limit == UINT64_MAX && in.swap_limit == UINT64_MAX);
}

static uint64_t now_us(clockid_t clock)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(clock, &ts), 0);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/*
 * That the clock has been stepped by so many seconds is the same as that the container started so much later. Each
 * answer holds until it is off by more than one second, also one that is not the first.
 */
static void boot_time_follows_the_clock(void **state)
{
	static const struct {
		int later, told;
	} steps[] = { { 0, 0 }, { 1, 0 }, { -1, 0 }, { 2, 2 }, { 1, 2 }, { 0, 0 }, { 5, 5 }, { -5, -5 } };
	const struct emu_row row = { .path = "stat" };
	const int64_t start = (int64_t)(now_us(CLOCK_REALTIME) / 1000000) - 10; /* this machine is up for longer */
	int dir[DIR_N];
	struct emu_input out;
	struct inputs in;

	(void)state;
	for (unsigned i = 0; i < DIR_N; i++)
		dir[i] = dir_fd;
	shared->params.boot_time = (uint64_t)start;
	inputs_open(&in, shared, dir, buf, sizeof buf);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		/* in the middle of a second, so that it does not matter how much time passes between two clocks */
		uint64_t ago = now_us(CLOCK_REALTIME) - (uint64_t)(start + steps[i].later) * 1000000 - 500000;

		shared->params.start_us = now_us(CLOCK_BOOTTIME) - ago;
		inputs_collect(&in, &row, &out);
		assert_int_equal((int64_t)out.boot_time - start, steps[i].told);
	}
	inputs_close(&in);
}

/* Longer than the buffer: cut, and terminated. */
static void long_texts_are_cut(void **state)
{
	struct emu_input in;
	char *text = calloc(1, 2 * sizeof buf);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 2 * sizeof buf - 1);
	put("cpuinfo", text);
	put("meminfo", "short\n");
	free(text);
	collect("unknown", &in);
	assert_string_equal(in.host_meminfo, "short\n");
	assert_non_null(in.host_cpuinfo);
	assert_int_equal(strlen(in.host_cpuinfo), sizeof buf - 1 - sizeof "short\n");
	assert_null(in.host_diskstats);
}

static void first_values_are_the_rows_own_or_the_hosts(void **state)
{
	static const struct emu_row rows[] = {
		{ EMU_PROC, EMU_SYSCTL, "host", 0644, NULL, NULL, NULL },
		{ EMU_PROC, EMU_SYSCTL, "host", 0644, NULL, NULL, "own" },
		{ EMU_PROC, EMU_SYSCTL, "absent", 0644, NULL, NULL, NULL },
		{ EMU_PROC, EMU_CHANGING, "host", 0444, NULL, NULL, NULL },
	};

	(void)state;
	put("host", "4711\n");
	inputs_first_values(shared, rows, ARRAY_SIZE(rows), dir_fd, -EBADF);
	assert_int_equal(shared->ready, 1);
	assert_int_equal(shared->value[0].len[0], 5);
	assert_memory_equal(shared->value[0].text[0], "4711\n", 5);
	assert_int_equal(shared->value[1].len[0], 4);
	assert_memory_equal(shared->value[1].text[0], "own\n", 4);
	assert_int_equal(shared->value[2].len[0], 0);
	assert_int_equal(shared->value[3].len[0], 0);
	/* once: what the container wrote stays */
	put("host", "1\n");
	inputs_first_values(shared, rows, ARRAY_SIZE(rows), dir_fd, -EBADF);
	assert_memory_equal(shared->value[0].text[0], "4711\n", 5);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_there_is_no_limit),
		T(v2_numbers),
		T(v1_numbers),
		T(boot_time_follows_the_clock),
		T(long_texts_are_cut),
		T(first_values_are_the_rows_own_or_the_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
