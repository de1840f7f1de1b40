/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/oci-json.h"

/* The "linux" object; resources and seccomp have files of their own. */

/* ------------------------------------------------------------------ namespaces */

static const struct oci_name ns_names[] = {
	{ "pid", OCI_NS_PID }, { "network", OCI_NS_NETWORK }, { "mount", OCI_NS_MOUNT },   { "ipc", OCI_NS_IPC },
	{ "uts", OCI_NS_UTS }, { "user", OCI_NS_USER },	      { "cgroup", OCI_NS_CGROUP }, { "time", OCI_NS_TIME },
};

const char *oci_ns_name(enum oci_ns ns)
{
	for (size_t i = 0; i < ARRAY_SIZE(ns_names); i++)
		if (ns_names[i].value == (int)ns)
			return ns_names[i].name;
	return NULL;
}

struct ns_ref {
	const char *type, *path;
};

static int namespace_fill(json_t *v, const struct oci_at *at, struct oci_namespace ns[OCI_NS_COUNT], struct err *e)
{
	static const struct oci_field fields[] = {
		OCI_FIELD(struct ns_ref, STR, "type", type, .required = true),
		OCI_FIELD(struct ns_ref, PATH, "path", path),
	};
	struct ns_ref ref = { 0 };
	int r, i;

	r = oci_json_object(v, at, e);
	if (r == 0)
		r = oci_json_fields(v, at, fields, ARRAY_SIZE(fields), &ref, e);
	if (r < 0)
		return r;
	r = oci_json_name(ref.type, at, "type", "namespace", ns_names, ARRAY_SIZE(ns_names), &i, e);
	if (r < 0)
		return r;
	if (ns[i].present)
		return oci_fail(at, e, "the %s namespace is given twice: remove one", ref.type);
	ns[i].present = true;
	ns[i].path = ref.path;
	return 0;
}

static int namespaces_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	int r;

	r = oci_json_array(v, at, e);
	for (size_t i = 0; r == 0 && i < json_array_size(v); i++) {
		struct oci_at el = { .up = at, .step = OCI_STEP_ELEMENT, .index = i };

		r = namespace_fill(json_array_get(v, i), &el, dst, e);
	}
	return r;
}

/* ------------------------------------------------------------------ id maps, time offsets */

int oci_idmap_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	struct oci_idmap *m = dst;
	static const struct oci_field fields[] = {
		OCI_FIELD(struct oci_idmap, UINT, "containerID", container, .required = true),
		OCI_FIELD(struct oci_idmap, UINT, "hostID", host, .required = true),
		OCI_FIELD(struct oci_idmap, UINT, "size", size, .required = true, .min = 1, .max = UINT32_MAX),
	};
	int r;

	r = oci_json_fields(v, at, fields, ARRAY_SIZE(fields), m, e);
	if (r < 0)
		return r;
	/* the last id, 4294967295, is the kernel's "no id" */
	if (m->size > UINT32_MAX - m->container || m->size > UINT32_MAX - m->host)
		return oci_fail(at, e, "the range ends above id 4294967294: make it smaller");
	return 0;
}

#define L struct oci_linux
#define OFFSET_FIELDS(CLOCK)                                                       \
	static const struct oci_field fields[] = {                                 \
		OCI_FIELD(L, INT, "secs", CLOCK##_secs),                           \
		OCI_FIELD(L, INT, "nanosecs", CLOCK##_nanosecs, .max = 999999999), \
	};                                                                         \
	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), dst, e)

static int boottime_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	OFFSET_FIELDS(boottime);
}

static int monotonic_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	OFFSET_FIELDS(monotonic);
}

static int offsets_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_field fields[] = {
		OCI_INTO("boottime", boottime_fill, OCI_HAS(L, has_boottime_offset)),
		OCI_INTO("monotonic", monotonic_fill, OCI_HAS(L, has_monotonic_offset)),
	};
	int r;

	r = oci_json_only(v, at, fields, ARRAY_SIZE(fields), "clock", e);
	if (r < 0)
		return r;
	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), dst, e);
}

/* ------------------------------------------------------------------ devices */

#define D struct oci_device

static int device_type_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_name types[] = { { "c", 'c' }, { "b", 'b' }, { "u", 'u' }, { "p", 'p' } };
	const char *s;
	int r, type;

	r = oci_json_str(v, at, &s, e);
	if (r == 0)
		r = oci_json_name(s, at, NULL, "device type", types, ARRAY_SIZE(types), &type, e);
	if (r == 0)
		*(char *)dst = (char)type;
	return r;
}

static int device_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	D *d = dst;
	static const struct oci_field base[] = {
		OCI_FIELD(D, PATH, "path", path, .required = true),
		OCI_FIELD(D, RAW, "type", type, .required = true, .fn = device_type_fill),
		OCI_FIELD(D, UINT, "fileMode", mode, OCI_HAS(D, has_mode)),
		OCI_FIELD(D, UINT, "uid", uid, OCI_HAS(D, has_uid)),
		OCI_FIELD(D, UINT, "gid", gid, OCI_HAS(D, has_gid)),
	};
	static const struct oci_field numbers[] = {
		OCI_FIELD(D, INT, "major", major, .max = 0xfff, .required = true),
		OCI_FIELD(D, INT, "minor", minor, .max = 0xfffff, .required = true),
	};
	int r;

	r = oci_json_fields(v, at, base, ARRAY_SIZE(base), d, e);
	if (r < 0)
		return r;
	d->mode &= 07777; /* some engines copy st_mode whole */
	if (d->type == 'p')
		return 0;
	return oci_json_fields(v, at, numbers, ARRAY_SIZE(numbers), d, e);
}

/* ------------------------------------------------------------------ sysctl */

/* "net.ipv4.ip_forward" or "net/ipv4/ip_forward"; an empty part would make "..", or an absolute path. */
static int sysctl_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	const char *s = at->name;

	for (;;) {
		size_t part = strcspn(s, "./");

		if (part == 0)
			return oci_fail(at, e, "is not the name of a sysctl: write it like 'net.ipv4.ip_forward'");
		if (!s[part])
			return oci_json_kv(v, at, dst, e);
		s += part + 1;
	}
}

/* Both separators reach the same file, so they are equal here. */
static int sysctl_compare(const void *a, const void *b)
{
	const char *s = ((const struct oci_kv *)a)->key, *t = ((const struct oci_kv *)b)->key;

	for (;; s++, t++) {
		unsigned char c = (unsigned char)(*s == '/' ? '.' : *s), d = (unsigned char)(*t == '/' ? '.' : *t);

		if (c != d)
			return c < d ? -1 : 1;
		if (!c)
			return 0;
	}
}

static int check_sysctls(const L *l, const struct oci_at *at, struct err *e)
{
	struct oci_at map = { .up = at, .step = OCI_STEP_MEMBER, .name = "sysctl" };
	_cleanup_free_ struct oci_kv *sorted = NULL;
	char q[OCI_QUOTE];

	if (l->n_sysctl < 2)
		return 0;
	sorted = malloc(l->n_sysctl * sizeof *sorted);
	if (!sorted)
		return err_sys(e, ENOMEM, "sysctl");
	memcpy(sorted, l->sysctl, l->n_sysctl * sizeof *sorted);
	qsort(sorted, l->n_sysctl, sizeof *sorted, sysctl_compare);
	for (size_t i = 1; i < l->n_sysctl; i++)
		if (sysctl_compare(&sorted[i - 1], &sorted[i]) == 0)
			return oci_fail(&map, e, "%s is given twice, once with '.' and once with '/': remove one",
					oci_quote(q, sorted[i].key));
	return 0;
}

/* ------------------------------------------------------------------ the rest */

static int propagation_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_name modes[] = {
		{ "private", 0 }, { "rprivate", 0 }, { "shared", 0 },	  { "rshared", 0 },
		{ "slave", 0 },	  { "rslave", 0 },   { "unbindable", 0 }, { "runbindable", 0 },
	};
	const char *s;
	int r, unused;

	r = oci_json_str(v, at, &s, e);
	if (r < 0 || !*s)
		return r;
	r = oci_json_name(s, at, NULL, "propagation", modes, ARRAY_SIZE(modes), &unused, e);
	if (r == 0)
		*(const char **)dst = s;
	return r;
}

static int domain_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_name domains[] = { { "LINUX", 0 }, { "LINUX32", 0 } };
	const char *s;
	int r, unused;

	r = oci_json_str(v, at, &s, e);
	if (r == 0)
		r = oci_json_name(s, at, NULL, "domain", domains, ARRAY_SIZE(domains), &unused, e);
	if (r == 0)
		*(const char **)dst = s;
	return r;
}

static int no_flags_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	int r;

	(void)dst;
	r = oci_json_array(v, at, e);
	if (r == 0 && json_array_size(v) > 0)
		return oci_fail(at, e, "the runtime-spec defines no flags: leave it out");
	return r;
}

static int personality_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_field fields[] = {
		OCI_FIELD(L, RAW, "domain", personality_domain, .required = true, .fn = domain_fill),
		{ .key = "flags", .kind = OCI_RAW, .fn = no_flags_fill },
	};

	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), dst, e);
}

int oci_linux_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	L *l = dst;
	static const struct oci_field fields[] = {
		OCI_FIELD(L, RAW, "namespaces", ns, .fn = namespaces_fill),
		OCI_ARRAY(L, LIST, "uidMappings", uid_mappings.v, uid_mappings.n, oci_idmap_fill),
		OCI_ARRAY(L, LIST, "gidMappings", gid_mappings.v, gid_mappings.n, oci_idmap_fill),
		OCI_INTO("timeOffsets", offsets_fill),
		OCI_ARRAY(L, LIST, "devices", devices, n_devices, device_fill),
		OCI_FIELD(L, STR, "cgroupsPath", cgroups_path),
		OCI_FIELD(L, OBJ, "resources", resources, .fn = oci_resources_fill),
		OCI_FIELD(L, OBJ, "seccomp", seccomp, .fn = oci_seccomp_fill),
		OCI_FIELD(L, RAW, "rootfsPropagation", rootfs_propagation, .fn = propagation_fill),
		OCI_FIELD(L, PATHV, "maskedPaths", masked_paths),
		OCI_FIELD(L, PATHV, "readonlyPaths", readonly_paths),
		OCI_FIELD(L, STR, "mountLabel", mount_label),
		OCI_ARRAY(L, MAP, "sysctl", sysctl, n_sysctl, sysctl_fill),
		OCI_INTO("personality", personality_fill, OCI_HAS(L, has_personality)),
		{ .key = "intelRdt", .kind = OCI_RAW, .fn = oci_unsupported },
		{ .key = "memoryPolicy", .kind = OCI_RAW, .fn = oci_unsupported },
		{ .key = "netDevices", .kind = OCI_RAW, .fn = oci_unsupported },
	};
	int r;

	r = oci_json_fields(v, at, fields, ARRAY_SIZE(fields), l, e);
	if (r < 0)
		return r;
	return check_sysctls(l, at, e);
}

void oci_linux_done(struct oci_linux *l)
{
	free(l->uid_mappings.v);
	free(l->gid_mappings.v);
	free(l->devices);
	oci_resources_done(&l->resources);
	oci_seccomp_done(&l->seccomp);
	oci_strv_done(&l->masked_paths);
	oci_strv_done(&l->readonly_paths);
	free(l->sysctl);
	*l = (L){ 0 };
}
