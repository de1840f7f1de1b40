/* SPDX-License-Identifier: Apache-2.0 */
#include "procview/inputs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/num.h"

/* What renderers go by, in groups that are read together. */
enum {
	NEED_MEMINFO = 1 << 0,
	NEED_STAT = 1 << 1,
	NEED_CPUINFO = 1 << 2,
	NEED_LOADAVG = 1 << 3,
	NEED_DISKSTATS = 1 << 4,
	NEED_MEMORY = 1 << 6, /* limits and use */
	NEED_TIME = 1 << 7,   /* CPU time used */
	NEED_CPUS = 1 << 8,   /* cpuset and quota */
	NEED_IO = 1 << 9,
	NEED_TASKS = 1 << 10,
	NEED_LOAD = 1 << 11,
	NEED_IDLE = 1 << 12,
};

static const struct {
	const char *v1, *v2;
	enum input_dir dir;
	unsigned need;
} files[IN_N] = {
	[IN_MEMINFO] = { "meminfo", "meminfo", DIR_PROC, NEED_MEMINFO },
	[IN_STAT] = { "stat", "stat", DIR_PROC, NEED_STAT },
	[IN_CPUINFO] = { "cpuinfo", "cpuinfo", DIR_PROC, NEED_CPUINFO },
	[IN_LOADAVG] = { "loadavg", "loadavg", DIR_PROC, NEED_LOADAVG },
	[IN_DISKSTATS] = { "diskstats", "diskstats", DIR_PROC, NEED_DISKSTATS },
	[IN_CPU_ONLINE] = { "devices/system/cpu/online", "devices/system/cpu/online", DIR_SYSFS, NEED_CPUS },
	[IN_MEMORY_STAT] = { "memory.stat", "memory.stat", DIR_MEMORY, NEED_MEMORY },
	[IN_MEMORY_USED] = { "memory.usage_in_bytes", "memory.current", DIR_MEMORY, NEED_MEMORY },
	[IN_SWAP_USED] = { "memory.memsw.usage_in_bytes", "memory.swap.current", DIR_MEMORY, NEED_MEMORY },
	[IN_CPU_USER] = { "cpuacct.usage_user", "cpu.stat", DIR_CPUACCT, NEED_TIME },
	[IN_CPU_SYSTEM] = { "cpuacct.usage_sys", NULL, DIR_CPUACCT, NEED_TIME },
	[IN_CPUSET] = { "cpuset.effective_cpus", "cpuset.cpus.effective", DIR_CPUSET, NEED_CPUS },
	[IN_IO] = { "blkio.throttle.io_service_bytes_recursive", "io.stat", DIR_BLKIO, NEED_IO },
	[IN_IO_OPS] = { "blkio.throttle.io_serviced_recursive", NULL, DIR_BLKIO, NEED_IO },
	[IN_TASKS] = { "pids.current", "pids.current", DIR_PIDS, NEED_TASKS },
};

static const struct {
	const char *path;
	unsigned need;
} rows[] = {
	{ "meminfo", NEED_MEMINFO | NEED_MEMORY },
	{ "swaps", NEED_MEMINFO | NEED_MEMORY },
	{ "vmstat", NEED_MEMINFO | NEED_MEMORY },
	{ "stat", NEED_STAT | NEED_TIME | NEED_CPUS | NEED_TASKS | NEED_IDLE },
	{ "cpuinfo", NEED_CPUINFO | NEED_CPUS },
	{ "devices/system/cpu/online", NEED_CPUS },
	{ "devices/system/cpu/present", NEED_CPUS },
	{ "devices/system/cpu/possible", NEED_CPUS },
	{ "uptime", NEED_TIME | NEED_CPUS | NEED_IDLE },
	{ "loadavg", NEED_LOADAVG | NEED_TIME | NEED_TASKS | NEED_LOAD },
	{ "diskstats", NEED_DISKSTATS | NEED_IO },
};

/* ---- opening ------------------------------------------------------------------------------------------------- */

static int open_below(int dir, const char *name)
{
	return dir < 0 || !name ? -EBADF : openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

static bool is_group(int dir)
{
	struct statfs fs;

	return fstatfs(dir, &fs) == 0 && (fs.f_type == CGROUP2_SUPER_MAGIC || fs.f_type == CGROUP_SUPER_MAGIC);
}

/*
 * @first and @second of @dir and its ancestors. "Max" files end where the hierarchy does: its root has none. A
 * group that is above what is mounted cannot be seen and does not count.
 */
static void open_levels(int dir, const char *first, const char *second, int ret_first[INPUTS_LEVELS],
			int ret_second[INPUTS_LEVELS])
{
	_cleanup_close_ int up = dir < 0 ? -EBADF : openat(dir, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (unsigned i = 0; i < INPUTS_LEVELS && up >= 0 && is_group(up); i++) {
		int next = openat(up, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

		ret_first[i] = open_below(up, first);
		ret_second[i] = open_below(up, second);
		up = fd_close(up);
		up = next;
		if (ret_first[i] < 0)
			break;
	}
}

void inputs_open(struct inputs *in, struct view_shared *shared, const int dir[DIR_N], char *buf, size_t size)
{
	bool v2 = shared->params.cgroup_v2;

	*in = (struct inputs){ .shared = shared, .buf = buf, .size = size, .boot_time = shared->params.boot_time };
	for (unsigned i = 0; i < IN_N; i++)
		in->file[i] = open_below(dir[files[i].dir], v2 ? files[i].v2 : files[i].v1);
	for (unsigned i = 0; i < INPUTS_LEVELS; i++)
		in->memory_max[i] = in->swap_max[i] = in->cpu_max[i] = in->cpu_period[i] = -EBADF;
	if (v2) {
		int none[INPUTS_LEVELS];

		open_levels(dir[DIR_MEMORY], "memory.max", "memory.swap.max", in->memory_max, in->swap_max);
		open_levels(dir[DIR_CPU], "cpu.max", NULL, in->cpu_max, none);
		return;
	}
	/* memory.stat knows the strictest limits; quotas have no such file */
	open_levels(dir[DIR_CPU], "cpu.cfs_quota_us", "cpu.cfs_period_us", in->cpu_max, in->cpu_period);
	if (in->file[IN_CPUSET] < 0)
		in->file[IN_CPUSET] = open_below(dir[DIR_CPUSET], "cpuset.cpus");
}

static void close_all(int *fd, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fd[i] = fd_close(fd[i]);
}

void inputs_close(struct inputs *in)
{
	close_all(in->file, IN_N);
	close_all(in->memory_max, INPUTS_LEVELS);
	close_all(in->swap_max, INPUTS_LEVELS);
	close_all(in->cpu_max, INPUTS_LEVELS);
	close_all(in->cpu_period, INPUTS_LEVELS);
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

/* All of @fd up to @size - 1 bytes, terminated. Return: bytes, -errno when there is nothing to read from. */
static ssize_t read_text(int fd, char *buf, size_t size)
{
	size_t len = 0;

	if (fd < 0)
		return -EBADF;
	/* seq files come in pieces of a page, others at once */
	while (len < size - 1) {
		ssize_t n = pread(fd, buf + len, size - 1 - len, (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	buf[len] = '\0';
	return (ssize_t)len;
}

/* Text number @file, behind what is in the buffer already. NULL: not there, not needed, or no room. */
static const char *take_text(const struct inputs *in, enum input_file file, unsigned need, size_t *used)
{
	char *at = in->buf + *used;
	ssize_t n;

	if (!(files[file].need & need) || in->size - *used < 2)
		return NULL;
	n = read_text(in->file[file], at, in->size - *used);
	if (n < 0)
		return NULL;
	*used += (size_t)n + 1;
	return at;
}

/* A number at the start of a text; "max" and what is no number are @none. */
static uint64_t number(const char *text, uint64_t none)
{
	uint64_t v;

	return text && num_span(&text, UINT64_MAX, &v) == 0 ? v : none;
}

static uint64_t read_number(int fd, uint64_t none)
{
	char text[64];

	return read_text(fd, text, sizeof text) < 0 ? none : number(text, none);
}

/* The number behind "@key " at the start of a line of @text. */
static uint64_t keyed(const char *text, const char *key, uint64_t none)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += line != text;
		if (strncmp(line, key, len) == 0 && line[len] == ' ')
			return number(line + len + 1, none);
	}
	return none;
}

static void collect_limits_v2(const struct inputs *in, struct emu_input *ret)
{
	for (unsigned i = 0; i < INPUTS_LEVELS; i++) {
		uint64_t memory = read_number(in->memory_max[i], UINT64_MAX);
		uint64_t swap = read_number(in->swap_max[i], UINT64_MAX);

		ret->memory_limit = memory < ret->memory_limit ? memory : ret->memory_limit;
		ret->swap_limit = swap < ret->swap_limit ? swap : ret->swap_limit;
	}
}

/* "No limit" is the largest number of whole pages here. Swap is limited together with memory. */
static void collect_limits_v1(const char *stat, struct emu_input *ret)
{
	const uint64_t none = 1ull << 62;
	uint64_t memory = keyed(stat, "hierarchical_memory_limit", none);
	uint64_t both = keyed(stat, "hierarchical_memsw_limit", none);

	if (memory < none)
		ret->memory_limit = memory;
	if (memory < none && both < none)
		ret->swap_limit = both > memory ? both - memory : 0;
	ret->swap_used = ret->swap_used > ret->memory_used ? ret->swap_used - ret->memory_used : 0;
}

static void collect_memory(const struct inputs *in, const char *stat, struct emu_input *ret)
{
	const struct {
		const char *v1, *v2;
		uint64_t *to;
	} keys[] = {
		{ "total_cache", "file", &ret->cache },
		{ "total_inactive_file", "inactive_file", &ret->inactive_file },
		{ "total_active_file", "active_file", &ret->active_file },
		{ "total_inactive_anon", "inactive_anon", &ret->inactive_anon },
		{ "total_active_anon", "active_anon", &ret->active_anon },
		{ "total_shmem", "shmem", &ret->shmem },
		{ "total_mapped_file", "file_mapped", &ret->mapped },
		{ "total_dirty", "file_dirty", &ret->dirty },
		{ "total_writeback", "file_writeback", &ret->writeback },
	};
	bool v2 = in->shared->params.cgroup_v2;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		*keys[i].to = keyed(stat, v2 ? keys[i].v2 : keys[i].v1, 0);
	ret->memory_used = read_number(in->file[IN_MEMORY_USED], 0);
	ret->swap_used = read_number(in->file[IN_SWAP_USED], 0);
	if (v2)
		collect_limits_v2(in, ret);
	else
		collect_limits_v1(stat, ret);
}

static void collect_quota(const struct inputs *in, struct emu_input *ret)
{
	for (unsigned i = 0; i < INPUTS_LEVELS; i++) {
		uint64_t quota = UINT64_MAX, period = 100000;
		char text[64];

		if (read_text(in->cpu_max[i], text, sizeof text) < 0)
			break;
		quota = number(text, UINT64_MAX); /* "max 100000", or v1: -1 */
		if (in->cpu_period[i] >= 0)
			period = read_number(in->cpu_period[i], period);
		else if (strchr(text, ' '))
			period = number(strchr(text, ' ') + 1, period);
		if (quota == UINT64_MAX || period == 0)
			continue;
		if (ret->quota_us == UINT64_MAX ||
		    (double)quota / (double)period < (double)ret->quota_us / (double)ret->period_us) {
			ret->quota_us = quota;
			ret->period_us = period;
		}
	}
}

static void collect_time(const struct inputs *in, const char *user, const char *system, struct emu_input *ret)
{
	uint64_t before = in->shared->params.cpu_start_us;

	if (in->shared->params.cgroup_v2) {
		ret->cpu_user_us = keyed(user, "user_usec", 0);
		ret->cpu_system_us = keyed(user, "system_usec", 0);
	} else {
		ret->cpu_user_us = number(user, 0) / 1000;
		ret->cpu_system_us = number(system, 0) / 1000;
	}
	/* what was used before the container started: next to nothing, and nobody knows how it divides */
	if (ret->cpu_user_us >= before) {
		ret->cpu_user_us -= before;
	} else {
		before -= ret->cpu_user_us;
		ret->cpu_user_us = 0;
		ret->cpu_system_us -= before < ret->cpu_system_us ? before : ret->cpu_system_us;
	}
}

static void collect_load(struct view_shared *s, uint64_t now_us, struct emu_input *ret)
{
	uint64_t cpu = ret->cpu_user_us + ret->cpu_system_us;
	uint64_t last = s->load_at_us ? s->load_at_us : s->params.start_us;

	memcpy(ret->load, s->load, sizeof ret->load);
	if (now_us > last && cpu >= s->load_cpu_us) {
		emu_load_update(ret->load, cpu - s->load_cpu_us, now_us - last);
		memcpy(s->load, ret->load, sizeof s->load);
	}
	s->load_at_us = now_us;
	s->load_cpu_us = cpu;
}

static void collect_idle(struct view_shared *s, uint64_t now_us, struct emu_input *ret)
{
	uint64_t cpu = ret->cpu_user_us + ret->cpu_system_us;
	uint64_t last = s->idle_at_us ? s->idle_at_us : s->params.start_us;

	ret->idle_us = s->idle_us;
	if (now_us > last && cpu >= s->idle_cpu_us)
		emu_idle_update(&ret->idle_us, emu_cpus(ret), cpu - s->idle_cpu_us, now_us - last);
	s->idle_us = ret->idle_us;
	s->idle_at_us = now_us;
	s->idle_cpu_us = cpu;
}

/*
 * When the container started, by the host's clock as it is set now: it may have been stepped since. The two clocks are
 * read one after the other, so that the second differs from time to time: an answer that is off by no more stays.
 */
static uint64_t boot_time_now(struct inputs *in, uint64_t uptime_us)
{
	struct timespec ts;
	uint64_t now_us, start;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	now_us = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	start = now_us > uptime_us ? (now_us - uptime_us) / 1000000 : 0;
	if (start > in->boot_time + 1 || in->boot_time > start + 1)
		in->boot_time = start;
	return in->boot_time;
}

void inputs_collect(void *arg, const struct emu_row *row, struct emu_input *ret)
{
	struct inputs *in = arg;
	const struct emu_params *params = &in->shared->params;
	const char *text[IN_N];
	unsigned need = ~0u;
	struct timespec ts;
	uint64_t now_us;
	size_t used = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].path, row->path) == 0)
			need = rows[i].need;
	memset(ret, 0, sizeof *ret);
	ret->memory_limit = ret->swap_limit = ret->quota_us = UINT64_MAX;
	ret->period_us = 100000;
	for (unsigned i = 0; i < IN_N; i++)
		text[i] = i == IN_MEMORY_USED || i == IN_SWAP_USED ? NULL : take_text(in, i, need, &used);
	ret->host_meminfo = text[IN_MEMINFO];
	ret->host_stat = text[IN_STAT];
	ret->host_cpuinfo = text[IN_CPUINFO];
	ret->host_loadavg = text[IN_LOADAVG];
	ret->host_diskstats = text[IN_DISKSTATS];
	ret->host_cpu_online = text[IN_CPU_ONLINE];
	ret->cpuset = text[IN_CPUSET];
	if (params->cgroup_v2)
		ret->io = text[IN_IO];
	else
		ret->blkio_bytes = text[IN_IO];
	ret->blkio_ops = text[IN_IO_OPS];
	ret->tasks = number(text[IN_TASKS], 1);
	if (need & NEED_MEMORY)
		collect_memory(in, text[IN_MEMORY_STAT], ret);
	if (need & NEED_CPUS)
		collect_quota(in, ret);
	if (need & NEED_TIME)
		collect_time(in, text[IN_CPU_USER], text[IN_CPU_SYSTEM], ret);
	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	now_us = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	ret->uptime_us = now_us > params->start_us ? now_us - params->start_us : 0;
	ret->boot_time = boot_time_now(in, ret->uptime_us);
	ret->id = params->id;
	if (need & NEED_LOAD)
		collect_load(in->shared, now_us, ret);
	if (need & NEED_IDLE)
		collect_idle(in->shared, now_us, ret);
}

/* ---- first values --------------------------------------------------------------------------------------------- */

void inputs_first_values(struct view_shared *shared, const struct emu_row *table, size_t n, int proc_fd,
			 int sysfs_fd)
{
	if (__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE))
		return;
	for (size_t i = 0; i < n && i < EMU_ROWS_MAX; i++) {
		struct view_value *value = &shared->value[i];
		char text[EMU_VALUE_MAX] = "";
		ssize_t len;

		if (table[i].carrier != EMU_SYSCTL)
			continue;
		if (table[i].initial) {
			len = (ssize_t)strnlen(table[i].initial, sizeof text - 1);
			memcpy(text, table[i].initial, (size_t)len);
		} else {
			_cleanup_close_ int fd =
				open_below(table[i].fs == EMU_PROC ? proc_fd : sysfs_fd, table[i].path);

			len = read_text(fd, text, sizeof text);
		}
		if (len < 0)
			len = 0; /* not a file of this kernel: nothing covers it either */
		if (len > 0 && text[len - 1] != '\n') {
			len -= len == EMU_VALUE_MAX;
			text[len++] = '\n';
		}
		memset(value, 0, sizeof *value);
		memcpy(value->text[0], text, (size_t)len);
		value->len[0] = (uint32_t)len;
	}
	__atomic_store_n(&shared->ready, 1, __ATOMIC_RELEASE);
}
