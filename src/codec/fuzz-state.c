/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as state.json: read, or refused in one printable line; what was read survives being written and read again. */
#include <stdint.h>

#include "base/cleanup.h"
#include "codec/fuzz-oci.h"
#include "codec/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same_json(const json_t *a, const json_t *b)
{
	return a && b ? json_equal(a, b) : a == b;
}

static void check_again(const struct state *s)
{
	_cleanup_free_ char *text = state_format(s);
	struct state b;

	CHECK(!text == !s->id);
	if (!text)
		return;
	CHECK(state_parse("x", text, strlen(text), &b, NULL) == 0);
	CHECK(same(s->id, b.id) && same(s->bundle, b.bundle) && same(s->rootfs, b.rootfs) &&
	      same(s->created, b.created) && same(s->cgroups_path, b.cgroups_path));
	CHECK(s->pid == b.pid && s->start_time == b.start_time && s->base == b.base &&
	      s->rootfs_dev == b.rootfs_dev && s->engine_dev == b.engine_dev);
	CHECK(s->systemd_cgroup == b.systemd_cgroup && s->delegated == b.delegated &&
	      s->has_poststart == b.has_poststart && s->has_poststop == b.has_poststop);
	CHECK(same_json(s->annotations, b.annotations) && same_json(s->cgroup, b.cgroup));
	state_done(&b);
}

static bool is_text(const json_t *o, const char *key, const char *value)
{
	return same(json_string_value(json_object_get(o, key)), value);
}

static bool is_number(const json_t *o, const char *key, uint64_t value)
{
	return (uint64_t)json_integer_value(json_object_get(o, key)) == value;
}

static bool is_flag(const json_t *o, const char *key, bool value)
{
	return json_is_true(json_object_get(o, key)) == value;
}

/* What was read is what another reader finds in the text. */
static void check_members(const uint8_t *data, size_t size, const struct state *s)
{
	json_t *o = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);

	if (!o) /* a number that jansson cannot hold, in a member that is not ours */
		return;
	CHECK(is_text(o, "id", s->id) && is_text(o, "bundle", s->bundle) && is_text(o, "rootfs", s->rootfs) &&
	      is_text(o, "created", s->created) && is_text(o, "cgroupsPath", s->cgroups_path));
	CHECK(is_number(o, "pid", (uint64_t)s->pid) && is_number(o, "startTime", s->start_time) &&
	      is_number(o, "base", s->base) && is_number(o, "rootfsDev", s->rootfs_dev) &&
	      is_number(o, "engineDev", s->engine_dev));
	CHECK(is_flag(o, "systemdCgroup", s->systemd_cgroup) && is_flag(o, "delegated", s->delegated) &&
	      is_flag(o, "hasPoststart", s->has_poststart) && is_flag(o, "hasPoststop", s->has_poststop));
	CHECK(same_json(json_object_get(o, "annotations"), s->annotations) &&
	      same_json(json_object_get(o, "cgroup"), s->cgroup));
	json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct state s, untouched;
	struct err e = { 0 };
	int r;

	if (size > 65536)
		return 0;
	memset(&s, 0x5a, sizeof s);
	memcpy(&untouched, &s, sizeof s);
	r = state_parse("/run/x/state.json", (const char *)data, size, &s, &e);
	if (r < 0) {
		CHECK(r == -EPROTO && e.code == EPROTO && memcmp(&s, &untouched, sizeof s) == 0);
		CHECK(strncmp(e.msg, "/run/x/state.json is damaged: ", 30) == 0 &&
		      strstr(e.msg, "delete --force"));
		for (const char *p = e.msg; *p; p++)
			CHECK(*p >= ' ' && *p <= '~');
		return 0;
	}
	CHECK(s.bundle && s.created && s.pid >= 0 && (s.pid == 0 || s.start_time > 0));
	check_members(data, size, &s);
	check_again(&s);
	state_done(&s);
	CHECK(!s.bundle && !s.annotations);
	return 0;
}
