/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/oci-json.h"

/*
 * The "linux.resources" object. Engines send 0 for limits that nobody asked for (Docker: "shares": 0, "weight": 0),
 * and a limit of 0 would stop the container dead, so there 0 is "not given".
 */

#define R	  struct oci_resources
#define MAJOR_MAX 0xfff /* of the kernel's dev_t */
#define MINOR_MAX 0xfffff

/* ------------------------------------------------------------------ devices */

static int rule_type_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_name types[] = { { "a", 'a' }, { "b", 'b' }, { "c", 'c' } };
	const char *s;
	int r, type;

	r = oci_json_str(v, at, &s, e);
	if (r < 0 || !*s)
		return r;
	r = oci_json_name(s, at, NULL, "device type", types, ARRAY_SIZE(types), &type, e);
	if (r == 0)
		*(char *)dst = (char)type;
	return r;
}

static int rule_access_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	struct oci_device_rule *d = dst;
	char q[OCI_QUOTE];
	const char *s;
	int r;

	r = oci_json_str(v, at, &s, e);
	if (r < 0 || !*s)
		return r;
	if (s[strspn(s, "rwm")])
		return oci_fail(at, e, "must be made of the letters r, w and m, got %s", oci_quote(q, s));
	d->read = strchr(s, 'r');
	d->write = strchr(s, 'w');
	d->mknod = strchr(s, 'm');
	return 0;
}

static int rule_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	struct oci_device_rule *d = dst;
	static const struct oci_field fields[] = {
		OCI_FIELD(struct oci_device_rule, BOOL, "allow", allow, .required = true),
		OCI_FIELD(struct oci_device_rule, RAW, "type", type, .fn = rule_type_fill),
		OCI_FIELD(struct oci_device_rule, INT, "major", major, .min = -1, .max = MAJOR_MAX),
		OCI_FIELD(struct oci_device_rule, INT, "minor", minor, .min = -1, .max = MINOR_MAX),
		{ .key = "access", .kind = OCI_RAW, .fn = rule_access_fill },
	};
	int r;

	d->type = 'a';
	d->major = d->minor = -1;
	r = oci_json_fields(v, at, fields, ARRAY_SIZE(fields), d, e);
	if (r < 0)
		return r;
	/* like an absent type, an absent access means all of them */
	if (!d->read && !d->write && !d->mknod)
		d->read = d->write = d->mknod = true;
	return 0;
}

/* ------------------------------------------------------------------ memory, cpu, pids */

/* -1, cast to unsigned by the engine, is "not given"; 200 is the kernel's own bound. */
static int swappiness_fill(json_t *obj, const struct oci_at *at, R *res, struct err *e)
{
	static const struct oci_field any = OCI_FIELD(R, UINT, "swappiness", swappiness);
	static const struct oci_field bounded =
		OCI_FIELD(R, UINT, "swappiness", swappiness, .max = 200, OCI_HAS(R, has_swappiness));
	int r;

	r = oci_json_fields(obj, at, &any, 1, res, e);
	if (r < 0)
		return r;
	if (res->swappiness != UINT64_MAX)
		return oci_json_fields(obj, at, &bounded, 1, res, e);
	res->swappiness = 0;
	return 0;
}

#define LIMIT(KEY, M) \
	OCI_FIELD(R, INT, KEY, M, .min = -1, .max = INT64_MAX, .zero_is_absent = true, OCI_HAS(R, has_##M))

static int memory_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_field fields[] = {
		LIMIT("limit", mem_limit),
		LIMIT("reservation", mem_reservation),
		LIMIT("swap", mem_swap),
		LIMIT("kernel", mem_kernel),
		LIMIT("kernelTCP", mem_kernel_tcp),
		OCI_FIELD(R, BOOL, "disableOOMKiller", disable_oom_killer, OCI_HAS(R, has_disable_oom_killer)),
		OCI_FIELD(R, BOOL, "useHierarchy", use_hierarchy, OCI_HAS(R, has_use_hierarchy)),
		OCI_FIELD(R, BOOL, "checkBeforeUpdate", check_before_update, OCI_HAS(R, has_check_before_update)),
	};
	int r;

	r = oci_json_fields(v, at, fields, ARRAY_SIZE(fields), dst, e);
	if (r < 0)
		return r;
	return swappiness_fill(v, at, dst, e);
}

static int list_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	char q[OCI_QUOTE];
	const char *s;
	int r;

	r = oci_json_str(v, at, &s, e);
	if (r < 0 || !*s)
		return r;
	if (!oci_is_cpu_list(s))
		return oci_fail(at, e, "%s is not a list of numbers: write it like '0-3,7'", oci_quote(q, s));
	*(const char **)dst = s;
	return 0;
}

static int cpu_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_field fields[] = {
		OCI_FIELD(R, UINT, "shares", cpu_shares, .zero_is_absent = true, OCI_HAS(R, has_cpu_shares)),
		LIMIT("quota", cpu_quota),
		OCI_FIELD(R, UINT, "burst", cpu_burst, OCI_HAS(R, has_cpu_burst)),
		OCI_FIELD(R, UINT, "period", cpu_period, .zero_is_absent = true, OCI_HAS(R, has_cpu_period)),
		LIMIT("realtimeRuntime", rt_runtime),
		OCI_FIELD(R, UINT, "realtimePeriod", rt_period, .zero_is_absent = true, OCI_HAS(R, has_rt_period)),
		OCI_FIELD(R, RAW, "cpus", cpus, .fn = list_fill),
		OCI_FIELD(R, RAW, "mems", mems, .fn = list_fill),
		OCI_FIELD(R, INT, "idle", cpu_idle, .max = 1, OCI_HAS(R, has_cpu_idle)),
	};

	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), dst, e);
}

static int pids_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_field fields[] = {
		OCI_FIELD(R, INT, "limit", pids_limit, OCI_HAS(R, has_pids)),
	};

	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), dst, e);
}

/* ------------------------------------------------------------------ blockIO */

#define B	   struct oci_blkio_device
#define WEIGHT_MAX 1000
#define MAJOR_MINOR                                                            \
	OCI_FIELD(B, INT, "major", major, .max = MAJOR_MAX, .required = true), \
		OCI_FIELD(B, INT, "minor", minor, .max = MINOR_MAX, .required = true)

static int weight_device_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_field fields[] = {
		MAJOR_MINOR,
		OCI_FIELD(B, UINT, "weight", weight, .max = WEIGHT_MAX, .zero_is_absent = true,
			  OCI_HAS(B, has_weight)),
		OCI_FIELD(B, UINT, "leafWeight", leaf_weight, .max = WEIGHT_MAX, .zero_is_absent = true,
			  OCI_HAS(B, has_leaf_weight)),
	};

	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), dst, e);
}

static int throttle_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_field fields[] = {
		MAJOR_MINOR,
		OCI_FIELD(B, UINT, "rate", rate, .required = true),
	};

	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), dst, e);
}

static int blkio_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_field fields[] = {
		OCI_FIELD(R, UINT, "weight", blkio_weight, .max = WEIGHT_MAX, .zero_is_absent = true,
			  OCI_HAS(R, has_blkio_weight)),
		OCI_FIELD(R, UINT, "leafWeight", blkio_leaf_weight, .max = WEIGHT_MAX, .zero_is_absent = true,
			  OCI_HAS(R, has_blkio_leaf_weight)),
		OCI_ARRAY(R, LIST, "weightDevice", weight_device.v, weight_device.n, weight_device_fill),
		OCI_ARRAY(R, LIST, "throttleReadBpsDevice", read_bps.v, read_bps.n, throttle_fill),
		OCI_ARRAY(R, LIST, "throttleWriteBpsDevice", write_bps.v, write_bps.n, throttle_fill),
		OCI_ARRAY(R, LIST, "throttleReadIOPSDevice", read_iops.v, read_iops.n, throttle_fill),
		OCI_ARRAY(R, LIST, "throttleWriteIOPSDevice", write_iops.v, write_iops.n, throttle_fill),
	};

	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), dst, e);
}

/* ------------------------------------------------------------------ hugetlb, network, rdma, unified */

/* "2MB": digits, one of K M G, B */
static bool is_page_size(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return n > 0 && s[n] && strchr("KMG", s[n]) && s[n + 1] == 'B' && s[n + 2] == '\0';
}

static int hugetlb_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	struct oci_hugetlb *h = dst;
	static const struct oci_field fields[] = {
		OCI_FIELD(struct oci_hugetlb, STR, "pageSize", page_size, .required = true),
		OCI_FIELD(struct oci_hugetlb, UINT, "limit", limit, .required = true),
	};
	struct oci_at size = { .up = at, .step = OCI_STEP_MEMBER, .name = "pageSize" };
	char q[OCI_QUOTE];
	int r;

	r = oci_json_fields(v, at, fields, ARRAY_SIZE(fields), h, e);
	if (r < 0)
		return r;
	if (!is_page_size(h->page_size))
		return oci_fail(&size, e, "%s is not a page size: write it like '2MB' or '1GB'",
				oci_quote(q, h->page_size));
	return 0;
}

static int netprio_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_field fields[] = {
		OCI_FIELD(struct oci_netprio, STR, "name", name, .required = true),
		OCI_FIELD(struct oci_netprio, UINT, "priority", priority, .required = true),
	};

	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), dst, e);
}

static int network_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_field fields[] = {
		OCI_FIELD(R, UINT, "classID", net_classid, OCI_HAS(R, has_net_classid)),
		OCI_ARRAY(R, LIST, "priorities", netprio, n_netprio, netprio_fill),
	};

	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), dst, e);
}

static int rdma_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	struct oci_rdma *d = dst;
	static const struct oci_field fields[] = {
		OCI_FIELD(struct oci_rdma, UINT, "hcaHandles", handles, OCI_HAS(struct oci_rdma, has_handles)),
		OCI_FIELD(struct oci_rdma, UINT, "hcaObjects", objects, OCI_HAS(struct oci_rdma, has_objects)),
	};

	int r;

	d->device = at->name;
	r = oci_json_object(v, at, e);
	if (r < 0)
		return r;
	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), d, e);
}

/* The key becomes a file name below the container's cgroup. */
static int unified_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	struct oci_unified *u = dst;

	u->key = at->name;
	if (strchr(u->key, '/') || !strchr(u->key, '.') || *u->key == '.')
		return oci_fail(at, e,
				"is not the name of a cgroup file: write it like 'memory.high', without '/'");
	return oci_json_str(v, at, &u->value, e);
}

/* ------------------------------------------------------------------ the whole */

int oci_resources_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_field fields[] = {
		OCI_ARRAY(R, LIST, "devices", devices, n_devices, rule_fill),
		OCI_INTO("memory", memory_fill),
		OCI_INTO("cpu", cpu_fill),
		OCI_INTO("pids", pids_fill),
		OCI_INTO("blockIO", blkio_fill),
		OCI_ARRAY(R, LIST, "hugepageLimits", hugetlb, n_hugetlb, hugetlb_fill),
		OCI_INTO("network", network_fill),
		OCI_ARRAY(R, MAP, "rdma", rdma, n_rdma, rdma_fill),
		OCI_ARRAY(R, MAP, "unified", unified, n_unified, unified_fill),
	};

	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), dst, e);
}

int oci_resources_parse(const char *buf, size_t len, struct oci_resources *ret, struct err *e)
{
	static const struct oci_at at = { .step = OCI_STEP_DOC, .name = "resources" };
	struct oci_resources res = { 0 };
	int r;

	r = oci_json_load(at.name, buf, len, &res.json, e);
	if (r == 0)
		r = oci_resources_fill(res.json, &at, &res, e);
	if (r < 0) {
		oci_resources_done(&res);
		return r;
	}
	*ret = res;
	return 0;
}

void oci_resources_done(struct oci_resources *r)
{
	free(r->devices);
	free(r->weight_device.v);
	free(r->read_bps.v);
	free(r->write_bps.v);
	free(r->read_iops.v);
	free(r->write_iops.v);
	free(r->hugetlb);
	free(r->netprio);
	free(r->rdma);
	free(r->unified);
	json_decref(r->json);
	*r = (struct oci_resources){ 0 };
}
