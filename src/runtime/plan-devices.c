/* SPDX-License-Identifier: Apache-2.0 */
/* Which device nodes a container gets, and what its device control group lets through. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "codec/lexpath.h"
#include "policy/policy.h"
#include "runtime/plan.h"

/* Harmless for whoever holds them; every container has them. */
static const struct oci_device safe_devices[] = {
	{ .type = 'c', .path = "/dev/null", .major = 1, .minor = 3, .has_mode = true, .mode = 0666 },
	{ .type = 'c', .path = "/dev/zero", .major = 1, .minor = 5, .has_mode = true, .mode = 0666 },
	{ .type = 'c', .path = "/dev/full", .major = 1, .minor = 7, .has_mode = true, .mode = 0666 },
	{ .type = 'c', .path = "/dev/random", .major = 1, .minor = 8, .has_mode = true, .mode = 0666 },
	{ .type = 'c', .path = "/dev/urandom", .major = 1, .minor = 9, .has_mode = true, .mode = 0666 },
	{ .type = 'c', .path = "/dev/tty", .major = 5, .minor = 0, .has_mode = true, .mode = 0666 },
};

/*
 * Beyond the nodes: ptys, and making (not opening) any node, which the kernel judges by capability. Not 5:1, which engines list: a
 * container's console is a pty, and that one is the host's, whose keys it would read.
 */
static const struct cgroup_device always_rules[] = {
	{ 'c', -1, -1, false, false, true }, { 'b', -1, -1, false, false, true }, { 'c', 1, 3, true, true, true },
	{ 'c', 1, 5, true, true, true },     { 'c', 1, 7, true, true, true },	  { 'c', 1, 8, true, true, true },
	{ 'c', 1, 9, true, true, true },     { 'c', 5, 0, true, true, true },	  { 'c', 5, 2, true, true, true },
	{ 'c', 136, -1, true, true, true },
};

static bool same_device(const struct oci_device *a, const struct oci_device *b)
{
	return a->type == b->type && a->major == b->major && a->minor == b->minor;
}

static const struct oci_device *find_safe(const struct oci_device *d)
{
	for (size_t i = 0; i < ARRAY_SIZE(safe_devices); i++)
		if (same_device(d, &safe_devices[i]))
			return &safe_devices[i];
	return NULL;
}

/*
 * Does the policy list this device? Decided by what the listed host node *is*, never by the path in the spec: a
 * spec may call /dev/sda "/dev/fuse".
 */
static bool is_listed(const struct settings *st, const struct oci_device *d)
{
	for (size_t i = 0; i < st->n_devices; i++) {
		struct stat s;

		if (lstat(st->devices[i].path, &s) < 0)
			continue;
		if ((S_ISCHR(s.st_mode) && d->type == 'c') || (S_ISBLK(s.st_mode) && d->type == 'b'))
			if ((int64_t)major(s.st_rdev) == d->major && (int64_t)minor(s.st_rdev) == d->minor)
				return true;
	}
	return false;
}

/* What linux.resources.devices says of it: the last rule that fits counts. Without one it is there and cannot be opened. */
static struct cgroup_device rule_of(const struct oci_resources *res, const struct oci_device *d)
{
	struct cgroup_device ret = { d->type, d->major, d->minor, false, false, true };

	for (size_t i = 0; i < res->n_devices; i++) {
		const struct oci_device_rule *r = &res->devices[i];

		if ((r->type != 'a' && r->type != d->type) ||
		    (r->type != 'a' && r->major >= 0 && r->major != d->major) ||
		    (r->type != 'a' && r->minor >= 0 && r->minor != d->minor))
			continue;
		if (r->read || r->type == 'a')
			ret.read = r->allow;
		if (r->write || r->type == 'a')
			ret.write = r->allow;
	}
	return ret;
}

static void put_device(struct plan *p, const struct oci_device *d)
{
	for (size_t i = 0; i < p->n_devices; i++)
		if (strcmp(p->devices[i].path, d->path) == 0) {
			p->devices[i] = *d;
			return;
		}
	p->devices[p->n_devices++] = *d;
}

int plan_devices(struct plan *p, struct err *e)
{
	const struct oci_linux *l = &p->spec->linux_;
	bool privileged = policy_is_privileged(p->spec);

	p->devices = calloc(l->n_devices + ARRAY_SIZE(safe_devices), sizeof *p->devices);
	p->device_rules = calloc(l->n_devices + ARRAY_SIZE(always_rules), sizeof *p->device_rules);
	if (!p->devices || !p->device_rules)
		return err_sys(e, ENOMEM, "devices");
	for (size_t i = 0; i < ARRAY_SIZE(safe_devices); i++)
		p->devices[p->n_devices++] = safe_devices[i];
	memcpy(p->device_rules, always_rules, sizeof always_rules);
	p->n_device_rules = ARRAY_SIZE(always_rules);
	for (size_t i = 0; i < l->n_devices; i++) {
		struct oci_device d = l->devices[i];

		if (d.type == 'u')
			d.type = 'c';
		if (strncmp(d.path, "/dev/", 5) != 0 || !lex_is_clean(d.path))
			return err_set(
				e, ENOTSUP,
				"config.json: linux.devices[%zu]: %s must lie below /dev, without \"..\" and the "
				"like",
				i, d.path);
		if (d.type == 'p' || find_safe(&d)) {
			put_device(p, &d);
			continue;
		}
		if (is_listed(p->settings, &d)) {
			put_device(p, &d);
			p->device_rules[p->n_device_rules++] = rule_of(&l->resources, &d);
			continue;
		}
		/* --privileged lists whatever the host has: a container gets none of it (E21). */
		if (!privileged)
			return err_set(
				e, EPERM,
				"host device %s (%c %lld:%lld) is not allowed in an isolated container; to allow it, an "
				"administrator lists it under caisson.allowedDevices in the settings",
				d.path, d.type, (long long)d.major, (long long)d.minor);
	}
	return 0;
}
