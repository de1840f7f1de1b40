/* SPDX-License-Identifier: Apache-2.0 */
/* The parts that need no cgroup file system: paths, conversions, device lists and programs,
 * properties, state. */
#include <errno.h>
#include <limits.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cgroup/cgroup-internal.h"

static void paths_are_cleaned_and_escapes_refused(void **state)
{
	static const struct {
		const char *in, *out; /* NULL: refused */
	} t[] = {
		{ "/docker/x", "/docker/x" },
		{ "docker//./x/", "/docker/x" },
		{ "x", "/x" },
		{ "/", NULL },
		{ "", NULL },
		{ "./.", NULL },
		{ "/docker/../x", NULL },
		{ "..", NULL },
		{ "/a/..", NULL },
		{ "/a\nb", NULL },
		{ "/a\x7f", NULL },
		{ "/a..b/..c", "/a..b/..c" },
		{ "/.../x", "/.../x" },
	};
	char longish[CG_PATH_MAX + 2], component[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_free_ char *out = NULL;
		struct err e = { 0 };
		int r = cg_path_clean(t[i].in, &out, &e);

		if (t[i].out) {
			assert_int_equal(r, 0);
			assert_string_equal(out, t[i].out);
		} else {
			assert_int_equal(r, -EINVAL);
			assert_non_null(strstr(e.msg, "linux.cgroupsPath"));
		}
	}
	memset(longish, 'a', sizeof longish - 1);
	longish[sizeof longish - 1] = '\0';
	assert_int_equal(cg_path_clean(longish, NULL, NULL), -ENAMETOOLONG);
	memset(component, 'a', 256);
	component[256] = '\0';
	assert_int_equal(cg_path_clean(component, NULL, NULL), -ENAMETOOLONG);
}

static void systemd_paths_expand_their_slice(void **state)
{
	static const struct {
		const char *in, *slice, *unit, *path; /* slice NULL: refused */
	} t[] = {
		{ NULL, "system.slice", "caisson-id1.scope", "/system.slice/caisson-id1.scope" },
		{ "system.slice:docker:abc", "system.slice", "docker-abc.scope",
		  "/system.slice/docker-abc.scope" },
		{ "a-b-c.slice:p:n", "a-b-c.slice", "p-n.scope", "/a.slice/a-b.slice/a-b-c.slice/p-n.scope" },
		{ "-.slice:p:n", "-.slice", "p-n.scope", "/p-n.scope" },
		{ ":p:n", "system.slice", "p-n.scope", "/system.slice/p-n.scope" },
		{ "user.slice::n", "user.slice", "n.scope", "/user.slice/n.scope" },
		{ "/docker/x", NULL, NULL, NULL },
		{ "a:b", NULL, NULL, NULL },
		{ "a.slice:p:../x", NULL, NULL, NULL },
		{ "../a.slice:p:x", NULL, NULL, NULL },
		{ "a--b.slice:p:x", NULL, NULL, NULL },
		{ "-a.slice:p:x", NULL, NULL, NULL },
		{ "a-.slice:p:x", NULL, NULL, NULL },
		{ "a.scope:p:x", NULL, NULL, NULL },
		{ "a.slice:p:x.slice", NULL, NULL, NULL },
		{ "a.slice:p q:x", NULL, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_free_ char *slice = NULL, *unit = NULL, *path = NULL;
		struct err e = { 0 };
		int r = cg_systemd_path(t[i].in, "id1", &slice, &unit, &path, &e);

		if (!t[i].slice) {
			assert_int_equal(r, -EINVAL);
			continue;
		}
		assert_int_equal(r, 0);
		assert_string_equal(slice, t[i].slice);
		assert_string_equal(unit, t[i].unit);
		assert_string_equal(path, t[i].path);
	}
}

static void hierarchies_are_read_from_proc_self_cgroup(void **state)
{
	struct cg_dir d[CGROUP_HIERARCHY_MAX];
	const char *path;
	size_t n, len;
	const char *text = "9:name=systemd:/\n4:cpu,cpuacct:/a/b\n3:name=..:/\n2:memory:/x\n0::/u\n";

	(void)state;
	assert_int_equal(cg_parse_proc_cgroup(text, false, d, ARRAY_SIZE(d), &n), 0);
	assert_int_equal(n, 4);
	assert_string_equal(d[0].name, "systemd");
	assert_string_equal(d[0].data, "name=systemd");
	assert_int_equal(d[0].ctrls, 0);
	assert_string_equal(d[1].name, "cpu,cpuacct");
	assert_int_equal(d[1].ctrls, 1u << CG_CPU | 1u << CG_CPUACCT);
	assert_int_equal(d[2].ctrls, 1u << CG_MEMORY);
	assert_true(d[3].v2);
	assert_string_equal(d[3].name, "unified");
	assert_int_equal(cg_proc_cgroup_path(text, &d[1], &path, &len), 0);
	assert_int_equal(len, 4);
	assert_memory_equal(path, "/a/b", 4);
	assert_int_equal(cg_parse_proc_cgroup(text, true, d, ARRAY_SIZE(d), &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(d[0].name, "");
	assert_int_equal(cg_parse_proc_cgroup("0::/u", false, d, ARRAY_SIZE(d), &n), -EINVAL);
	assert_int_equal(cg_parse_proc_cgroup("x:cpu:/\n", false, d, ARRAY_SIZE(d), &n), -EINVAL);
	assert_int_equal(cg_parse_proc_cgroup("1:cpu:rel\n", false, d, ARRAY_SIZE(d), &n), -EINVAL);
	assert_int_equal(cg_parse_proc_cgroup("1::/x\n", false, d, ARRAY_SIZE(d), &n), -EINVAL);
	assert_int_equal(cg_parse_proc_cgroup("1:cpu:/\n2:memory:/\n", false, d, 1, &n), -E2BIG);
}

static void v1_values_become_v2_values(void **state)
{
	static const struct {
		uint64_t shares, weight;
	} cpu[] = {
		{ 0, 0 }, { 1, 1 }, { 2, 1 }, { 512, 20 }, { 1024, 39 }, { 262144, 10000 }, { 1000000, 10000 }
	};
	static const struct {
		uint64_t blkio, io;
	} io[] = { { 0, 0 }, { 10, 1 }, { 500, 4950 }, { 1000, 10000 }, { 5, 1 }, { 60000, 10000 } };
	static const struct {
		bool has_mem;
		int64_t mem;
		bool has_swap;
		int64_t memsw;
		int r;
		int64_t swap;
	} swap[] = {
		{ false, 0, false, 0, 0, INT64_MIN },
		{ true, 100, false, 0, 0, INT64_MIN },
		{ true, 100, true, 300, 0, 200 },
		{ true, 100, true, 100, 0, 0 },
		{ true, 100, true, -1, 0, -1 },
		{ true, -1, false, 0, 0, -1 },
		{ true, 100, true, 0, 0, INT64_MIN },
		{ true, 300, true, 100, -EINVAL, 0 },
		{ false, 0, true, 100, -EINVAL, 0 },
		{ true, -1, true, 100, -EINVAL, 0 },
		{ true, 1, true, INT64_MAX, 0, INT64_MAX - 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cpu); i++)
		assert_int_equal(cg_cpu_weight(cpu[i].shares), cpu[i].weight);
	for (size_t i = 0; i < ARRAY_SIZE(io); i++)
		assert_int_equal(cg_io_weight(io[i].blkio), io[i].io);
	for (size_t i = 0; i < ARRAY_SIZE(swap); i++) {
		int64_t v = 77;

		assert_int_equal(cg_swap_v2(swap[i].has_mem, swap[i].mem, swap[i].has_swap, swap[i].memsw, &v,
					    NULL),
				 swap[i].r);
		assert_true(v == (swap[i].r < 0 ? 77 : swap[i].swap));
	}
}

static void only_missing_controllers_are_switched_on(void **state)
{
	char buf[256], tiny[8];

	(void)state;
	assert_int_equal(cg_v2_missing("cpuset cpu io memory pids dmem\n", "cpu memory\n", buf, sizeof buf), 3);
	assert_string_equal(buf, "+cpuset +io +pids");
	assert_int_equal(cg_v2_missing("cpu\n", "cpu\n", buf, sizeof buf), 0);
	assert_string_equal(buf, "");
	/* "cpu" is not "cpuset" */
	assert_int_equal(cg_v2_missing("cpu cpuset", "cpuset", buf, sizeof buf), 1);
	assert_string_equal(buf, "+cpu");
	assert_int_equal(cg_v2_missing("cpu cpuset", "", tiny, sizeof tiny), -ENOSPC);
}

static void rdma_limits_name_only_what_is_given(void **state)
{
	struct oci_rdma r = { .device = "mlx5_0", .has_handles = true, .handles = 3 };
	char buf[128];

	(void)state;
	assert_int_equal(cg_rdma_format(&r, buf, sizeof buf, NULL), 0);
	assert_string_equal(buf, "mlx5_0 hca_handle=3");
	r.has_objects = true;
	r.objects = 9;
	assert_int_equal(cg_rdma_format(&r, buf, sizeof buf, NULL), 0);
	assert_string_equal(buf, "mlx5_0 hca_handle=3 hca_object=9");
	r.device = "a b";
	assert_int_equal(cg_rdma_format(&r, buf, sizeof buf, NULL), -EINVAL);
	r = (struct oci_rdma){ .device = "x" };
	assert_int_equal(cg_rdma_format(&r, buf, sizeof buf, NULL), -EINVAL);
}

/* -- devices -- */

static const struct cgroup_device sample[] = {
	{ 'c', 1, 3, true, true, false },    { 'c', 1, 3, false, false, true },
	{ 'c', -1, -1, false, false, true }, { 'b', -1, -1, false, false, true },
	{ 'c', 136, -1, true, true, true },  { 'c', 5, 2, true, true, false },
	{ 'c', 136, 4, true, false, false },
};

static void device_lists_merge_and_drop_what_is_covered(void **state)
{
	static const char *const want[] = { "b *:* m", "c *:* m", "c 1:3 rwm", "c 5:2 rw", "c 136:* rwm" };
	static const struct cgroup_device all = { 'a', -1, -1, true, true, true };
	static const struct cgroup_device bad[] = {
		{ 'x', 1, 1, true, true, true },
		{ 'c', -2, 1, true, true, true },
		{ 'c', 1, 1, false, false, false },
		{ 0, 1, 1, true, true, true },
	};
	_cleanup_(cg_dev_list_done) struct cg_dev_list l = { 0 }, full = { 0 }, both = { 0 };
	const struct cgroup_device read_all = { 'a', -1, -1, true, false, false };
	char line[64];

	(void)state;
	assert_int_equal(cg_dev_normalize(sample, ARRAY_SIZE(sample), &l, NULL), 0);
	assert_int_equal(l.n, ARRAY_SIZE(want));
	for (size_t i = 0; i < l.n; i++) {
		assert_int_equal(cg_dev_format(&l.v[i], line, sizeof line), 0);
		assert_string_equal(line, want[i]);
	}
	assert_int_equal(cg_dev_normalize(&all, 1, &full, NULL), 0);
	assert_true(full.all);
	assert_int_equal(full.n, 0);
	/* "a" with less than everything is both kinds: the kernel would take the line as everything
	 */
	assert_int_equal(cg_dev_normalize(&read_all, 1, &both, NULL), 0);
	assert_false(both.all);
	assert_int_equal(both.n, 2);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(cg_dev_normalize(&bad[i], 1, &l, NULL), -EINVAL);
}

static void device_list_changes_are_minimal(void **state)
{
	static const struct {
		const char *cur, *want, *allow, *deny;
		bool reset;
	} t[] = {
		{ "a *:* rwm\n", "c 1:3 rwm\n", "c 1:3 rwm\n", "", true },
		{ "a *:* rwm\n", "a *:* rwm\n", "", "", false },
		{ "c 1:3 rwm\n", "a *:* rwm\n", "", "", true },
		{ "c 1:3 rwm\nb *:* m\n", "b *:* m\nc 1:3 rwm\n", "", "", false },
		{ "c 1:3 rwm\n", "c 1:3 rw\nc 1:5 r\n", "c 1:5 r\n", "c 1:3 m\n", false },
		{ "", "c 1:3 r", "c 1:3 r\n", "", false },
		{ "c 1:3 r\n", "", "", "c 1:3 r\n", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_(cg_dev_list_done) struct cg_dev_list cur = { 0 }, want = { 0 }, allow = { 0 },
							       deny = { 0 };
		char text[256] = "", line[64];
		bool reset;

		assert_int_equal(cg_dev_parse_list(t[i].cur, &cur), 0);
		assert_int_equal(cg_dev_parse_list(t[i].want, &want), 0);
		assert_int_equal(cg_dev_diff(&cur, &want, &allow, &deny, &reset), 0);
		assert_int_equal(reset, t[i].reset);
		for (size_t j = 0; j < allow.n; j++) {
			assert_int_equal(cg_dev_format(&allow.v[j], line, sizeof line), 0);
			(void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s\n", line);
		}
		assert_string_equal(text, t[i].allow);
		text[0] = '\0';
		for (size_t j = 0; j < deny.n; j++) {
			assert_int_equal(cg_dev_format(&deny.v[j], line, sizeof line), 0);
			(void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s\n", line);
		}
		assert_string_equal(text, t[i].deny);
	}
}

static void malformed_device_lists_are_refused(void **state)
{
	static const char *const bad[] = {
		"c",	    "c 1:3",	  "c 1 rwm",	"x 1:3 r\n", "c 1:3 rx\n",
		"c 1:3 \n", "c -1:3 r\n", "c 1:3  r\n", "\n",	     "c 99999999999:1 r\n"
	};
	struct cg_dev_list l;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(cg_dev_parse_list(bad[i], &l), -EINVAL);
}

/* Just the instructions that the program uses; anything else, a wild jump or a missing exit fails
 * the test. */
static uint64_t interpret(const struct bpf_insn *p, size_t n, const struct bpf_cgroup_dev_ctx *ctx)
{
	uint64_t reg[11] = { 0 };
	size_t pc = 0;

	for (size_t steps = 0; steps < n; steps++) {
		const struct bpf_insn *i = &p[pc];

		assert_true(pc < n);
		pc++;
		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			assert_int_equal(i->src_reg, BPF_REG_1);
			assert_true(i->off >= 0 && (size_t)i->off <= sizeof *ctx - 4);
			memcpy(&reg[i->dst_reg], (const char *)ctx + i->off, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			reg[i->dst_reg] = (uint32_t)reg[i->dst_reg] & (uint32_t)i->imm;
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			reg[i->dst_reg] = (uint32_t)reg[i->dst_reg] >> i->imm;
			break;
		case BPF_ALU | BPF_MOV | BPF_X:
			reg[i->dst_reg] = (uint32_t)reg[i->src_reg];
			break;
		case BPF_ALU64 | BPF_MOV | BPF_K:
			reg[i->dst_reg] = (uint64_t)(int64_t)i->imm;
			break;
		case BPF_JMP | BPF_JNE | BPF_K:
			assert_true(i->off > 0);
			if (reg[i->dst_reg] != (uint64_t)(int64_t)i->imm)
				pc += (size_t)i->off;
			break;
		case BPF_JMP | BPF_EXIT:
			return reg[0];
		default:
			fail_msg("instruction %#x", i->code);
		}
	}
	fail_msg("no exit");
	return 0;
}

static bool allowed(const struct cg_dev_list *l, char type, uint32_t major, uint32_t minor, unsigned access)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].type == type && (l->v[i].major < 0 || l->v[i].major == major) &&
		    (l->v[i].minor < 0 || l->v[i].minor == minor) && (access & ~l->v[i].access) == 0)
			return true;
	return l->all;
}

static void check_program(const struct cgroup_device *devs, size_t n_devs)
{
	static const uint32_t numbers[] = { 0, 1, 2, 3, 4, 5, 136, 1048575 };
	_cleanup_(cg_dev_list_done) struct cg_dev_list l = { 0 };
	_cleanup_free_ struct bpf_insn *p = NULL;
	size_t n;

	assert_int_equal(cg_dev_normalize(devs, n_devs, &l, NULL), 0);
	assert_int_equal(cg_dev_program(&l, &p, &n), 0);
	for (unsigned access = 1; access < 8; access++)
		for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
			for (size_t j = 0; j < ARRAY_SIZE(numbers); j++)
				for (int block = 0; block < 2; block++) {
					uint32_t acc = (access & CG_DEV_R ? BPF_DEVCG_ACC_READ : 0u) |
						       (access & CG_DEV_W ? BPF_DEVCG_ACC_WRITE : 0u) |
						       (access & CG_DEV_M ? BPF_DEVCG_ACC_MKNOD : 0u);
					struct bpf_cgroup_dev_ctx ctx = {
						.access_type = acc << 16 |
							       (block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR),
						.major = numbers[i],
						.minor = numbers[j],
					};

					assert_int_equal(interpret(p, n, &ctx),
							 allowed(&l, block ? 'b' : 'c', numbers[i], numbers[j],
								 access));
				}
}

static void the_device_program_allows_exactly_the_list(void **state)
{
	static const struct cgroup_device all = { 'a', -1, -1, true, true, true };
	static const struct cgroup_device minor_only = { 'c', -1, 3, true, false, false };

	(void)state;
	check_program(sample, ARRAY_SIZE(sample));
	check_program(sample, 1);
	check_program(&all, 1);
	check_program(&minor_only, 1);
	check_program(NULL, 0);
}

/* -- systemd -- */

static void resources_become_unit_properties(void **state)
{
	static const struct oci_unified unified[] = { { "memory.high", "max" },
						      { "pids.max", "7" },
						      { "io.max", "8:0 rbps=1" } };
	struct oci_resources res = {
		.has_mem_limit = true,
		.mem_limit = 1 << 20,
		.has_mem_swap = true,
		.mem_swap = 3 << 20,
		.has_cpu_shares = true,
		.cpu_shares = 1024,
		.has_cpu_quota = true,
		.cpu_quota = 12345,
		.has_pids = true,
		.pids_limit = -1,
		.cpus = "0-2,9",
		.unified = NULL,
	};
	_cleanup_(cg_text_done) struct cg_text v1 = { 0 }, v2 = { 0 }, v3 = { 0 };

	(void)state;
	assert_int_equal(cg_systemd_resources(&res, false, &v1, NULL), 0);
	assert_string_equal(v1.v, "MemoryLimit t 1048576\nCPUShares t 1024\nCPUQuotaPerSecUSec t 130000\n"
				  "TasksMax t 18446744073709551615\n");
	assert_int_equal(cg_systemd_resources(&res, true, &v2, NULL), 0);
	assert_string_equal(v2.v, "MemoryMax t 1048576\nMemorySwapMax t 2097152\nCPUWeight t "
				  "39\nAllowedCPUs ay 0702\n"
				  "CPUQuotaPerSecUSec t 130000\nTasksMax t 18446744073709551615\n");
	res = (struct oci_resources){
		.has_cpu_quota = true, .cpu_quota = -1, .has_cpu_period = true, .cpu_period = 50000
	};
	res.unified = (struct oci_unified *)(uintptr_t)unified;
	res.n_unified = ARRAY_SIZE(unified);
	assert_int_equal(cg_systemd_resources(&res, true, &v3, NULL), 0);
	assert_string_equal(v3.v, "MemoryHigh t 18446744073709551615\nTasksMax t 7\nCPUQuotaPeriodUSec t 50000\n"
				  "CPUQuotaPerSecUSec t 18446744073709551615\n");
	res = (struct oci_resources){ .cpus = "3-1" };
	assert_int_equal(cg_systemd_resources(&res, true, &v3, NULL), -EINVAL);
}

static void devices_become_unit_properties(void **state)
{
	static const char proc[] = "Character devices:\n  1 mem\n136 pts\n\nBlock devices:\n  8 sd\n";
	_cleanup_(cg_dev_list_done) struct cg_dev_list l = { 0 }, wild = { 0 };
	_cleanup_(cg_text_done) struct cg_text t = { 0 };
	static const struct cgroup_device minor_only = { 'c', -1, 3, true, false, false };

	(void)state;
	assert_int_equal(cg_dev_normalize(sample, ARRAY_SIZE(sample), &l, NULL), 0);
	assert_int_equal(cg_systemd_devices(&l, proc, &t, NULL), 0);
	assert_string_equal(t.v, "DevicePolicy s strict\nDeviceAllow a(ss)\nDeviceAllow a(ss) block-* m\n"
				 "DeviceAllow a(ss) char-* m\nDeviceAllow a(ss) /dev/char/1:3 rwm\n"
				 "DeviceAllow a(ss) /dev/char/5:2 rw\nDeviceAllow a(ss) char-pts rwm\n");
	assert_int_equal(cg_dev_normalize(&minor_only, 1, &wild, NULL), 0);
	assert_int_equal(cg_systemd_devices(&wild, proc, &t, NULL), -EINVAL);
}

/* -- text -- */

static void key_value_text_is_read_strictly(void **state)
{
	static const char *const bad[] = { "a\n",    "a 1 \n", "a  1\n",  " a 1\n",
					   "a -1\n", "\n",     "a 1\n\n", "a 18446744073709551616\n",
					   "a\t1\n" };
	uint64_t v;

	(void)state;
	assert_int_equal(cg_kv_get("cache 1\ntotal_cache 22\nrss 3\n", "total_cache", &v), 0);
	assert_int_equal(v, 22);
	assert_int_equal(cg_kv_get("cache 1\nrss 3", "rss", &v), 0);
	assert_int_equal(v, 3);
	assert_int_equal(cg_kv_get("cache 1\n", "cach", &v), -ENOENT);
	assert_int_equal(cg_kv_get("", "a", &v), -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(cg_kv_get(bad[i], "b", &v), -EINVAL);
}

static void cpu_lists_are_ascending_and_bounded(void **state)
{
	static const char *const bad[] = { "1,", ",1",	 "3-1",	    "1,1", "1-3,2", "a",
					   "1-", "8192", "0-99999", "0 1", "1\n2",  "-1" };
	_cleanup_free_ uint16_t *v = NULL;
	uint16_t *none = NULL;
	size_t n;

	(void)state;
	assert_int_equal(cg_list_parse("0-2,7\n", &v, &n), 0);
	assert_int_equal(n, 4);
	assert_int_equal(v[0], 0);
	assert_int_equal(v[2], 2);
	assert_int_equal(v[3], 7);
	free(TAKE_PTR(v));
	assert_int_equal(cg_list_parse("0-8191", &v, &n), 0);
	assert_int_equal(n, CG_CPU_MAX);
	free(TAKE_PTR(v));
	assert_int_equal(cg_list_parse("\n", &v, &n), 0);
	assert_int_equal(n, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(cg_list_parse(bad[i], &none, &n), -EINVAL);
	assert_null(none);
}

static void assert_json(json_t *o, const char *want)
{
	_cleanup_free_ char *text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);

	assert_non_null(text);
	assert_string_equal(text, want);
	json_decref(o);
}

static void io_statistics_become_entries(void **state)
{
	json_t *a, *b;

	(void)state;
	assert_int_equal(cg_blkio_parse("8:0 Read 5\n8:16 9\nTotal 14\n", &a), 0);
	assert_json(a, "[{\"major\":8,\"minor\":0,\"op\":\"Read\",\"value\":5},{\"major\":8,"
		       "\"minor\":16,\"value\":9}]");
	assert_int_equal(
		cg_iostat_parse("8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0 cost.x=1.5\n252:1 \n", &a,
				&b),
		0);
	assert_json(a, "[{\"major\":8,\"minor\":0,\"op\":\"Read\",\"value\":1},{\"major\":8,"
		       "\"minor\":0,\"op\":\"Write\",\"value\":2},"
		       "{\"major\":8,\"minor\":0,\"op\":\"Discard\",\"value\":0}]");
	assert_json(b, "[{\"major\":8,\"minor\":0,\"op\":\"Read\",\"value\":3},{\"major\":8,"
		       "\"minor\":0,\"op\":\"Write\",\"value\":4},"
		       "{\"major\":8,\"minor\":0,\"op\":\"Discard\",\"value\":0}]");
	assert_int_equal(cg_blkio_parse("8 Read 5\n", &a), -EINVAL);
	assert_int_equal(cg_blkio_parse("8:0 Read\n", &a), -EINVAL);
	assert_int_equal(cg_iostat_parse("8:0 rbytes\n", &a, &b), -EINVAL);
}

static void pressure_is_read_strictly(void **state)
{
	json_t *o;

	(void)state;
	assert_int_equal(cg_pressure_parse("some avg10=1.50 avg60=0.00 avg300=0.00 total=7\n", &o), 0);
	assert_json(o, "{\"some\":{\"avg10\":1.5,\"avg300\":0.0,\"avg60\":0.0,\"total\":7}}");
	assert_int_equal(cg_pressure_parse("some avg10=1.5 avg60=0.00 avg300=0.00 total=7\n", &o), -EINVAL);
	assert_int_equal(cg_pressure_parse("all avg10=1.50 avg60=0.00 avg300=0.00 total=7\n", &o), -EINVAL);
}

static void process_lists_skip_strangers_and_sort(void **state)
{
	_cleanup_(cg_pids_done) struct cg_pids p = { 0 };

	(void)state;
	assert_int_equal(cg_pids_parse("30\n0\n4\n4\n", &p), 0);
	cg_pids_sort(&p);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.v[0], 4);
	assert_int_equal(p.v[1], 30);
	assert_int_equal(cg_pids_parse("4 5\n", &p), -EINVAL);
	assert_int_equal(cg_pids_parse("x\n", &p), -EINVAL);
}

/* -- state -- */

static void state_survives_a_round_trip(void **state)
{
	static const char text[] = "{\"delegate\":true,\"dirs\":[{\"data\":\"memory\","
				   "\"delegated\":true,\"name\":\"memory\",\"parents\":1,"
				   "\"throttled\":false,\"v2\":false},{\"data\":\"\",\"delegated\":"
				   "false,\"name\":\"unified\",\"parents\":0,"
				   "\"throttled\":false,\"v2\":true}],\"driver\":\"systemd\","
				   "\"helper\":\"/h\",\"owner\":100000,"
				   "\"path\":\"/system.slice/"
				   "a.scope\",\"slice\":\"system.slice\",\"unit\":\"a.scope\"}";
	json_t *o = json_loads(text, 0, NULL);
	struct cgroup *cg;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(cgroup_load(o, &cg, &e), 0);
	json_decref(o);
	assert_json(cgroup_save(cg), text);
	assert_json(cgroup_paths(cg), "{\"\":\"/sys/fs/cgroup/unified/system.slice/a.scope\","
				      "\"memory\":\"/sys/fs/cgroup/memory/system.slice/a.scope\"}");
	cgroup_free(cg);
}

static void tampered_state_is_refused(void **state)
{
	static const char *const bad[] = {
		"[]",
		"{}",
		"{\"driver\":\"cgroupfs\",\"path\":\"/a/../b\",\"owner\":0,\"dirs\":[]}",
		"{\"driver\":\"cgroupfs\",\"path\":\"a\",\"owner\":0,\"dirs\":[]}",
		"{\"driver\":\"cgroupfs\",\"path\":\"/a//b\",\"owner\":0,\"dirs\":[]}",
		"{\"driver\":\"cgroupfs\",\"path\":\"/\",\"owner\":0,\"dirs\":[]}",
		"{\"driver\":\"other\",\"path\":\"/a\",\"owner\":0,\"dirs\":[]}",
		"{\"driver\":\"systemd\",\"path\":\"/a\",\"owner\":0,\"dirs\":[]}",
		"{\"driver\":\"systemd\",\"path\":\"/"
		"a\",\"unit\":\"u\",\"slice\":\"s\",\"helper\":\"h\",\"owner\":0,\"dirs\":[]}",
		"{\"driver\":\"cgroupfs\",\"path\":\"/a\",\"owner\":-1,\"dirs\":[]}",
		"{\"driver\":\"cgroupfs\",\"path\":\"/a\",\"owner\":0,\"dirs\":[{}]}",
		("{\"driver\":\"cgroupfs\",\"path\":\"/"
		 "a\",\"owner\":0,\"dirs\":[{\"data\":\"x\",\"delegated\":false,"
		 "\"name\":\"../x\",\"parents\":0,\"throttled\":false,\"v2\":false}]}"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *o = json_loads(bad[i], 0, NULL);
		struct cgroup *cg = NULL;
		struct err e = { 0 };

		assert_non_null(o);
		assert_int_equal(cgroup_load(o, &cg, &e), -EINVAL);
		assert_null(cg);
		assert_non_null(strstr(e.msg, "state.json"));
		json_decref(o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_cleaned_and_escapes_refused),
		cmocka_unit_test(systemd_paths_expand_their_slice),
		cmocka_unit_test(hierarchies_are_read_from_proc_self_cgroup),
		cmocka_unit_test(v1_values_become_v2_values),
		cmocka_unit_test(only_missing_controllers_are_switched_on),
		cmocka_unit_test(rdma_limits_name_only_what_is_given),
		cmocka_unit_test(device_lists_merge_and_drop_what_is_covered),
		cmocka_unit_test(device_list_changes_are_minimal),
		cmocka_unit_test(malformed_device_lists_are_refused),
		cmocka_unit_test(the_device_program_allows_exactly_the_list),
		cmocka_unit_test(resources_become_unit_properties),
		cmocka_unit_test(devices_become_unit_properties),
		cmocka_unit_test(key_value_text_is_read_strictly),
		cmocka_unit_test(cpu_lists_are_ascending_and_bounded),
		cmocka_unit_test(io_statistics_become_entries),
		cmocka_unit_test(pressure_is_read_strictly),
		cmocka_unit_test(process_lists_skip_strangers_and_sort),
		cmocka_unit_test(state_survives_a_round_trip),
		cmocka_unit_test(tampered_state_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
