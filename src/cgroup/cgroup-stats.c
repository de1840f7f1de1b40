/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The figures of `events --stats`, under the field names that engines know. A file that is not
 * there (kernel options, controllers) leaves its field out; a file that cannot be understood is an
 * error.
 */
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "cgroup/cgroup-internal.h"

#define NSEC_PER_SEC 1000000000ull

/* One read of the statistics: the first failure sticks, and what follows is skipped. */
struct stats {
	struct cgroup *cg;
	struct err *e;
	int r;
};

static void fail(struct stats *s, const struct cg_dir *d, const char *file, int r)
{
	char path[PATH_MAX];

	if (s->r < 0)
		return;
	cg_dir_path(s->cg, d, path, sizeof path);
	s->r = err_sys(s->e, -r, "cgroup: %s/%s: unexpected text", path, file);
}

/* Text of @file, or NULL (missing, or failed before). Caller frees. */
static char *text_of(struct stats *s, struct cg_dir *d, const char *file)
{
	char *text = NULL;
	int r;

	if (s->r < 0 || !d)
		return NULL;
	r = cg_get(s->cg, d, file, &text, s->e);
	/* EOPNOTSUPP: accounting that was switched off (memory.kmem.*, pressure) */
	if (r < 0 && r != -ENOENT && r != -EOPNOTSUPP)
		s->r = r;
	return r < 0 ? NULL : text;
}

static bool number_of(struct stats *s, struct cg_dir *d, const char *file, uint64_t *ret)
{
	_cleanup_free_ char *text = text_of(s, d, file);

	if (!text)
		return false;
	if (strcmp(text, "max") == 0) {
		*ret = UINT64_MAX;
		return true;
	}
	if (num_u64(text, UINT64_MAX, ret) < 0) {
		fail(s, d, file, -EINVAL);
		return false;
	}
	return true;
}

static bool key_of(struct stats *s, struct cg_dir *d, const char *file, const char *text, const char *key,
		   uint64_t *ret)
{
	int r;

	if (!text || s->r < 0)
		return false;
	r = cg_kv_get(text, key, ret);
	if (r == -EINVAL)
		fail(s, d, file, r);
	return r == 0;
}

static void set(struct stats *s, json_t *o, const char *key, json_t *value)
{
	if (json_object_set_new(o, key, value) < 0 && s->r == 0)
		s->r = err_sys(s->e, ENOMEM, "cgroup: statistics");
}

static void set_u64(struct stats *s, json_t *o, const char *key, uint64_t v)
{
	set(s, o, key, cg_json_u64(v));
}

static void set_file(struct stats *s, json_t *o, const char *key, struct cg_dir *d, const char *file)
{
	uint64_t v;

	if (number_of(s, d, file, &v))
		set_u64(s, o, key, v);
}

static json_t *section(struct stats *s, json_t *parent, const char *key)
{
	json_t *o = json_object();

	set(s, parent, key, o);
	return o;
}

/* "psi": {"some": {...}, "full": {...}} */
static void add_pressure(struct stats *s, json_t *o, struct cg_dir *d, const char *file)
{
	_cleanup_free_ char *text = text_of(s, d, file);
	json_t *psi;
	int r;

	if (!text)
		return;
	r = cg_pressure_parse(text, &psi);
	if (r < 0)
		fail(s, d, file, r);
	else
		set(s, o, "psi", psi);
}

/* Blank-separated numbers into an array. */
static void add_numbers(struct stats *s, json_t *o, const char *key, struct cg_dir *d, const char *file)
{
	_cleanup_free_ char *text = text_of(s, d, file);
	const char *p = text;
	json_t *array;
	uint64_t v;

	if (!text)
		return;
	array = json_array();
	set(s, o, key, array);
	while (*(p += strspn(p, " "))) {
		if (num_span(&p, UINT64_MAX, &v) < 0 || (*p && *p != ' ')) {
			fail(s, d, file, -EINVAL);
			return;
		}
		(void)json_array_append_new(array, cg_json_u64(v));
	}
}

/* -- v1 -- */

/* cpuacct.usage_all: "cpu user system" and one line for each CPU, nanoseconds */
static void add_usage_all(struct stats *s, json_t *usage, struct cg_dir *d)
{
	_cleanup_free_ char *text = text_of(s, d, "cpuacct.usage_all");
	json_t *user, *kernel;
	const char *p = text;

	if (!text)
		return;
	if (strncmp(p, "cpu user system\n", 16) != 0) {
		fail(s, d, "cpuacct.usage_all", -EINVAL);
		return;
	}
	set(s, usage, "percpu_user", user = json_array());
	set(s, usage, "percpu_kernel", kernel = json_array());
	for (p += 16; *p; p += *p == '\n') {
		uint64_t cpu, u, k;

		if (num_span(&p, CG_CPU_MAX, &cpu) < 0 || *p++ != ' ' || num_span(&p, UINT64_MAX, &u) < 0 ||
		    *p++ != ' ' || num_span(&p, UINT64_MAX, &k) < 0 || (*p && *p != '\n')) {
			fail(s, d, "cpuacct.usage_all", -EINVAL);
			return;
		}
		(void)json_array_append_new(user, cg_json_u64(u));
		(void)json_array_append_new(kernel, cg_json_u64(k));
	}
}

static void cpu_v1(struct stats *s, json_t *cpu)
{
	struct cg_dir *acct = cg_find(s->cg, CG_CPUACCT), *d = cg_find(s->cg, CG_CPU);
	_cleanup_free_ char *stat = text_of(s, d, "cpu.stat"), *ticks = text_of(s, acct, "cpuacct.stat");
	json_t *usage = section(s, cpu, "usage"), *throttling = section(s, cpu, "throttling");
	uint64_t v, hz = (uint64_t)sysconf(_SC_CLK_TCK);

	set_file(s, usage, "total", acct, "cpuacct.usage");
	add_numbers(s, usage, "percpu", acct, "cpuacct.usage_percpu");
	add_usage_all(s, usage, acct);
	set_u64(s, usage, "kernel",
		key_of(s, acct, "cpuacct.stat", ticks, "system", &v) ? v * NSEC_PER_SEC / hz : 0);
	set_u64(s, usage, "user", key_of(s, acct, "cpuacct.stat", ticks, "user", &v) ? v * NSEC_PER_SEC / hz : 0);
	if (key_of(s, d, "cpu.stat", stat, "nr_periods", &v))
		set_u64(s, throttling, "periods", v);
	if (key_of(s, d, "cpu.stat", stat, "nr_throttled", &v))
		set_u64(s, throttling, "throttledPeriods", v);
	if (key_of(s, d, "cpu.stat", stat, "throttled_time", &v))
		set_u64(s, throttling, "throttledTime", v);
}

static void add_list(struct stats *s, json_t *o, const char *key, struct cg_dir *d, const char *file)
{
	_cleanup_free_ char *text = text_of(s, d, file);
	_cleanup_free_ uint16_t *v = NULL;
	json_t *array;
	size_t n;
	int r;

	if (!text)
		return;
	r = cg_list_parse(text, &v, &n);
	if (r < 0) {
		fail(s, d, file, r);
		return;
	}
	set(s, o, key, array = json_array());
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(array, json_integer(v[i]));
}

static void cpuset_v1(struct stats *s, json_t *o)
{
	static const struct {
		const char *key, *file;
	} flags[] = {
		{ "cpu_exclusive", "cpuset.cpu_exclusive" },
		{ "mem_hardwall", "cpuset.mem_hardwall" },
		{ "mem_exclusive", "cpuset.mem_exclusive" },
		{ "memory_migrate", "cpuset.memory_migrate" },
		{ "memory_spread_page", "cpuset.memory_spread_page" },
		{ "memory_spread_slab", "cpuset.memory_spread_slab" },
		{ "memory_pressure", "cpuset.memory_pressure" },
		{ "sched_load_balance", "cpuset.sched_load_balance" },
	};
	struct cg_dir *d = cg_find(s->cg, CG_CPUSET);
	_cleanup_free_ char *level = text_of(s, d, "cpuset.sched_relax_domain_level");
	int64_t v;

	if (!d)
		return;
	add_list(s, o, "cpus", d, "cpuset.cpus");
	add_list(s, o, "mems", d, "cpuset.mems");
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		set_file(s, o, flags[i].key, d, flags[i].file);
	if (level && num_i64(level, &v) == 0)
		set(s, o, "sched_relax_domain_level", json_integer(v));
}

static void memory_entry_v1(struct stats *s, json_t *memory, const char *key, struct cg_dir *d, const char *prefix)
{
	static const struct {
		const char *key, *suffix;
	} fields[] = {
		{ "limit", "limit_in_bytes" },
		{ "usage", "usage_in_bytes" },
		{ "max", "max_usage_in_bytes" },
		{ "failcnt", "failcnt" },
	};
	json_t *o = section(s, memory, key);
	char file[64];

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		(void)snprintf(file, sizeof file, "%s.%s", prefix, fields[i].suffix);
		set_file(s, o, fields[i].key, d, file);
	}
}

struct raw {
	struct stats *s;
	json_t *o;
};

static int add_raw(const char *key, size_t len, uint64_t value, void *arg)
{
	const struct raw *raw = arg;
	char name[128];

	if (len >= sizeof name)
		return -EINVAL;
	memcpy(name, key, len);
	name[len] = '\0';
	set_u64(raw->s, raw->o, name, value);
	return 0;
}

/* memory.stat as it is; returns the text for single values. */
static char *raw_memory(struct stats *s, json_t *memory, struct cg_dir *d)
{
	char *text = text_of(s, d, "memory.stat");
	struct raw raw = { .s = s };
	int r;

	if (!text)
		return NULL;
	raw.o = section(s, memory, "raw");
	r = cg_kv_parse(text, add_raw, &raw);
	if (r < 0)
		fail(s, d, "memory.stat", r);
	return text;
}

static void memory_v1(struct stats *s, json_t *memory)
{
	struct cg_dir *d = cg_find(s->cg, CG_MEMORY);
	_cleanup_free_ char *text = NULL;
	uint64_t v;

	if (!d)
		return;
	text = raw_memory(s, memory, d);
	/* with the groups below: a delegated container has all of its processes there */
	if (key_of(s, d, "memory.stat", text, "total_cache", &v) || key_of(s, d, "memory.stat", text, "cache", &v))
		set_u64(s, memory, "cache", v);
	memory_entry_v1(s, memory, "usage", d, "memory");
	memory_entry_v1(s, memory, "swap", d, "memory.memsw");
	memory_entry_v1(s, memory, "kernel", d, "memory.kmem");
	memory_entry_v1(s, memory, "kernelTCP", d, "memory.kmem.tcp");
}

static void add_blkio(struct stats *s, json_t *o, const char *key, struct cg_dir *d, const char *file,
		      const char *fallback)
{
	_cleanup_free_ char *text = text_of(s, d, file);
	json_t *array;
	int r;

	if ((!text || strcmp(text, "Total 0") == 0 || !text[0]) && fallback) {
		free(text);
		text = text_of(s, d, file = fallback);
	}
	if (!text)
		return;
	r = cg_blkio_parse(text, &array);
	if (r < 0)
		fail(s, d, file, r);
	else if (json_array_size(array) > 0)
		set(s, o, key, array);
	else
		json_decref(array);
}

static void blkio_v1(struct stats *s, json_t *o)
{
	struct cg_dir *d = cg_find(s->cg, CG_BLKIO);

	/* BFQ counts only what it schedules; throttling counts everything */
	add_blkio(s, o, "ioServiceBytesRecursive", d, "blkio.bfq.io_service_bytes_recursive",
		  "blkio.throttle.io_service_bytes_recursive");
	add_blkio(s, o, "ioServicedRecursive", d, "blkio.bfq.io_serviced_recursive",
		  "blkio.throttle.io_serviced_recursive");
	add_blkio(s, o, "ioQueueRecursive", d, "blkio.bfq.io_queued_recursive", NULL);
	add_blkio(s, o, "ioServiceTimeRecursive", d, "blkio.bfq.io_service_time_recursive", NULL);
	add_blkio(s, o, "ioWaitTimeRecursive", d, "blkio.bfq.io_wait_time_recursive", NULL);
	add_blkio(s, o, "ioMergedRecursive", d, "blkio.bfq.io_merged_recursive", NULL);
	add_blkio(s, o, "ioTimeRecursive", d, "blkio.bfq.time_recursive", NULL);
	add_blkio(s, o, "sectorsRecursive", d, "blkio.bfq.sectors_recursive", NULL);
}

/* -- v2 -- */

static void cpu_v2(struct stats *s, json_t *cpu, struct cg_dir *d)
{
	_cleanup_free_ char *text = text_of(s, d, "cpu.stat");
	json_t *usage = section(s, cpu, "usage"), *throttling = section(s, cpu, "throttling");
	uint64_t v;

	if (key_of(s, d, "cpu.stat", text, "usage_usec", &v))
		set_u64(s, usage, "total", v * 1000);
	set_u64(s, usage, "kernel", key_of(s, d, "cpu.stat", text, "system_usec", &v) ? v * 1000 : 0);
	set_u64(s, usage, "user", key_of(s, d, "cpu.stat", text, "user_usec", &v) ? v * 1000 : 0);
	if (key_of(s, d, "cpu.stat", text, "nr_periods", &v))
		set_u64(s, throttling, "periods", v);
	if (key_of(s, d, "cpu.stat", text, "nr_throttled", &v))
		set_u64(s, throttling, "throttledPeriods", v);
	if (key_of(s, d, "cpu.stat", text, "throttled_usec", &v))
		set_u64(s, throttling, "throttledTime", v * 1000);
	add_pressure(s, cpu, d, "cpu.pressure");
}

static uint64_t add_u64(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static void memory_v2(struct stats *s, json_t *memory, struct cg_dir *d)
{
	_cleanup_free_ char *text = raw_memory(s, memory, d), *events = text_of(s, d, "memory.events");
	json_t *usage = section(s, memory, "usage"), *swap = section(s, memory, "swap");
	uint64_t v, current = 0, limit = UINT64_MAX, swap_current, swap_limit = UINT64_MAX;

	if (key_of(s, d, "memory.stat", text, "file", &v))
		set_u64(s, memory, "cache", v);
	if (number_of(s, d, "memory.current", &current))
		set_u64(s, usage, "usage", current);
	if (number_of(s, d, "memory.max", &limit))
		set_u64(s, usage, "limit", limit);
	set_file(s, usage, "max", d, "memory.peak");
	set_u64(s, usage, "failcnt", key_of(s, d, "memory.events", events, "max", &v) ? v : 0);
	/* as in v1, "swap" is memory plus swap */
	if (number_of(s, d, "memory.swap.current", &swap_current)) {
		(void)number_of(s, d, "memory.swap.max", &swap_limit);
		set_u64(s, swap, "usage", add_u64(current, swap_current));
		set_u64(s, swap, "limit", add_u64(limit, swap_limit));
		set_u64(s, swap, "failcnt", 0);
	}
	if (key_of(s, d, "memory.stat", text, "kernel", &v))
		set_u64(s, section(s, memory, "kernel"), "usage", v);
	if (key_of(s, d, "memory.stat", text, "sock", &v))
		set_u64(s, section(s, memory, "kernelTCP"), "usage", v);
	add_pressure(s, memory, d, "memory.pressure");
}

static void blkio_v2(struct stats *s, json_t *o, struct cg_dir *d)
{
	_cleanup_free_ char *text = text_of(s, d, "io.stat");
	json_t *bytes, *ios;
	int r;

	add_pressure(s, o, d, "io.pressure");
	if (!text)
		return;
	r = cg_iostat_parse(text, &bytes, &ios);
	if (r < 0) {
		fail(s, d, "io.stat", r);
		return;
	}
	set(s, o, "ioServiceBytesRecursive", bytes);
	set(s, o, "ioServicedRecursive", ios);
}

/* -- both -- */

static void pids_stats(struct stats *s, json_t *o, struct cg_dir *d)
{
	uint64_t v;

	set_file(s, o, "current", d, "pids.current");
	/* "no limit" is 0, as engines expect */
	if (number_of(s, d, "pids.max", &v))
		set_u64(s, o, "limit", v == UINT64_MAX ? 0 : v);
}

static void hugetlb_stats(struct stats *s, json_t *o, struct cg_dir *d, bool v2)
{
	/* every size that a supported architecture has */
	static const char *const sizes[] = { "64KB", "1MB", "2MB", "16MB", "32MB", "512MB", "1GB", "2GB", "16GB" };
	char file[64];

	if (!d)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_free_ char *events = NULL;
		uint64_t v;
		json_t *h;

		(void)snprintf(file, sizeof file, "hugetlb.%s.%s", sizes[i], v2 ? "current" : "usage_in_bytes");
		if (!number_of(s, d, file, &v))
			continue;
		h = section(s, o, sizes[i]);
		set_u64(s, h, "usage", v);
		if (v2) {
			(void)snprintf(file, sizeof file, "hugetlb.%s.events", sizes[i]);
			events = text_of(s, d, file);
			set_u64(s, h, "failcnt", key_of(s, d, file, events, "max", &v) ? v : 0);
			continue;
		}
		(void)snprintf(file, sizeof file, "hugetlb.%s.max_usage_in_bytes", sizes[i]);
		set_file(s, h, "max", d, file);
		(void)snprintf(file, sizeof file, "hugetlb.%s.failcnt", sizes[i]);
		set_file(s, h, "failcnt", d, file);
	}
}

int cgroup_stats(struct cgroup *cg, json_t **ret, struct err *e)
{
	struct stats s = { .cg = cg, .e = e };
	struct cg_dir *v2;
	json_t *o, *cpu, *cpuset, *memory, *pids, *blkio, *hugetlb;
	bool alive = false;

	for (size_t i = 0; i < cg->n; i++)
		alive = (!cg->dir[i].gone && cg_dir_fd(cg, &cg->dir[i], NULL) >= 0) || alive;
	if (!alive)
		return err_set(e, ENOENT, "cgroup: %s does not exist", cg->path);
	v2 = cg_find_v2(cg);
	o = json_object();
	cpu = section(&s, o, "cpu");
	cpuset = section(&s, o, "cpuset");
	memory = section(&s, o, "memory");
	pids = section(&s, o, "pids");
	blkio = section(&s, o, "blkio");
	hugetlb = section(&s, o, "hugetlb");
	set(&s, o, "intel_rdt", json_object());
	set(&s, o, "network_interfaces", json_null());
	if (v2 && v2->name[0] == '\0') {
		cpu_v2(&s, cpu, v2);
		add_list(&s, cpuset, "cpus", v2, "cpuset.cpus.effective");
		add_list(&s, cpuset, "mems", v2, "cpuset.mems.effective");
		memory_v2(&s, memory, v2);
		pids_stats(&s, pids, v2);
		blkio_v2(&s, blkio, v2);
		hugetlb_stats(&s, hugetlb, v2, true);
	} else {
		cpu_v1(&s, cpu);
		cpuset_v1(&s, cpuset);
		memory_v1(&s, memory);
		pids_stats(&s, pids, cg_find(cg, CG_PIDS));
		blkio_v1(&s, blkio);
		hugetlb_stats(&s, hugetlb, cg_find(cg, CG_HUGETLB), false);
	}
	if (s.r < 0) {
		json_decref(o);
		return s.r;
	}
	*ret = o;
	return 0;
}
