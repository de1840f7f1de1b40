/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/json-read.h"

static int damaged(const char *file, const char *why, struct err *e)
{
	return err_set(e, EPROTO, "%s is damaged: %s; remove the container with delete --force", file, why);
}

/* A string member; a missing one and one of another type are NULL. Return -ENOMEM when the copy fails. */
static int take_string(const json_t *o, const char *key, char **ret)
{
	const char *s = json_string_value(json_object_get(o, key));

	*ret = s ? strdup(s) : NULL;
	return s && !*ret ? -ENOMEM : 0;
}

/* Not negative, at most @max. @needed: a missing one is an error, too. */
static bool take_number(const json_t *o, const char *key, uint64_t max, bool needed, uint64_t *ret)
{
	const json_t *v = json_object_get(o, key);
	json_int_t n = json_integer_value(v);

	*ret = 0;
	if (!v)
		return !needed;
	if (!json_is_integer(v) || n < 0 || (uint64_t)n > max)
		return false;
	*ret = (uint64_t)n;
	return true;
}

static int take_members(const char *file, const json_t *o, struct state *s, struct err *e)
{
	uint64_t pid, base;

	if (take_string(o, "id", &s->id) < 0 || take_string(o, "bundle", &s->bundle) < 0 ||
	    take_string(o, "rootfs", &s->rootfs) < 0 || take_string(o, "created", &s->created) < 0 ||
	    take_string(o, "cgroupsPath", &s->cgroups_path) < 0)
		return err_sys(e, ENOMEM, "%s", file);
	if (!s->bundle || !s->created || !take_number(o, "pid", INT32_MAX, true, &pid) ||
	    !take_number(o, "base", UINT32_MAX, true, &base))
		return damaged(file, "bundle, created, pid and base are needed", e);
	if (!take_number(o, "startTime", INT64_MAX, false, &s->start_time) ||
	    !take_number(o, "rootfsDev", INT64_MAX, false, &s->rootfs_dev) ||
	    !take_number(o, "engineDev", INT64_MAX, false, &s->engine_dev))
		return damaged(file, "startTime, rootfsDev and engineDev must be numbers", e);
	/* Without it, whoever has the pid by now would be taken for init, and be killed. */
	if (pid > 0 && s->start_time == 0)
		return damaged(file, "startTime is needed with a pid", e);
	s->pid = (int32_t)pid;
	s->base = (uint32_t)base;
	s->systemd_cgroup = json_is_true(json_object_get(o, "systemdCgroup"));
	s->delegated = json_is_true(json_object_get(o, "delegated"));
	s->supervised = json_is_true(json_object_get(o, "supervised"));
	s->has_poststart = json_is_true(json_object_get(o, "hasPoststart"));
	s->has_poststop = json_is_true(json_object_get(o, "hasPoststop"));
	s->annotations = json_incref(json_object_get(o, "annotations"));
	s->cgroup = json_incref(json_object_get(o, "cgroup"));
	return 0;
}

int state_parse(const char *file, const char *text, size_t len, struct state *ret, struct err *e)
{
	struct state s = { 0 };
	struct err why = { 0 };
	json_t *o = NULL;
	int r;

	r = json_read("state", text, len, &o, &why);
	if (r == -ENOMEM)
		return err_sys(e, ENOMEM, "%s", file);
	if (r < 0)
		return damaged(file, why.msg, e);
	r = take_members(file, o, &s, e);
	json_decref(o);
	if (r < 0) {
		state_done(&s);
		return r;
	}
	*ret = s;
	return 0;
}

static json_t *string_or_null(const char *s)
{
	return s ? json_string(s) : json_null();
}

char *state_format(const struct state *s)
{
	json_t *o = json_pack("{s:s, s:s, s:i, s:I, s:I, s:s, s:o, s:s, s:o, s:b, s:b, s:b, s:b, s:b, s:I, s:I}",
			      "ociVersion", "1.2.0", "id", s->id, "pid", (int)s->pid, "startTime",
			      (json_int_t)s->start_time, "base", (json_int_t)s->base, "bundle", s->bundle,
			      "rootfs", string_or_null(s->rootfs), "created", s->created, "cgroupsPath",
			      string_or_null(s->cgroups_path), "systemdCgroup", (int)s->systemd_cgroup,
			      "delegated", (int)s->delegated, "supervised", (int)s->supervised, "hasPoststart",
			      (int)s->has_poststart, "hasPoststop", (int)s->has_poststop, "rootfsDev",
			      (json_int_t)s->rootfs_dev, "engineDev", (json_int_t)s->engine_dev);
	char *text;

	if (o && s->annotations)
		(void)json_object_set(o, "annotations", s->annotations);
	if (o && s->cgroup)
		(void)json_object_set(o, "cgroup", s->cgroup);
	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	return text;
}

void state_done(struct state *s)
{
	json_decref(s->annotations);
	json_decref(s->cgroup);
	free(s->id);
	free(s->bundle);
	free(s->rootfs);
	free(s->created);
	free(s->cgroups_path);
	*s = (struct state){ 0 };
}
