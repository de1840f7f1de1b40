/* SPDX-License-Identifier: Apache-2.0 */
/* What state.json keeps of a container's groups, and the paths as `state` shows them. */
#include <limits.h>
#include <string.h>

#include "base/cleanup.h"
#include "cgroup/cgroup-internal.h"

json_t *cgroup_save(const struct cgroup *cg)
{
	json_t *dirs = json_array(), *o;

	for (size_t i = 0; dirs && i < cg->n; i++) {
		const struct cg_dir *d = &cg->dir[i];

		if (d->gone)
			continue;
		o = json_pack("{s:s, s:s, s:b, s:i, s:b, s:b}", "name", d->name, "data", d->data, "v2", d->v2,
			      "parents", (int)d->parents, "delegated", d->child, "throttled", d->throttled);
		if (!o || json_array_append_new(dirs, o) < 0) {
			json_decref(dirs);
			return NULL;
		}
	}
	return json_pack("{s:s, s:s, s:s*, s:s*, s:s*, s:b, s:I, s:o}", "driver",
			 cg->systemd ? "systemd" : "cgroupfs", "path", cg->path, "unit", cg->unit, "slice",
			 cg->slice, "helper", cg->helper, "delegate", cg->delegate, "owner", (json_int_t)cg->owner,
			 "dirs", dirs);
}

/* A string of the object, copied; at most @max bytes. */
static int get_copy(const json_t *o, const char *key, bool required, char **ret, struct err *e)
{
	const json_t *s = json_object_get(o, key);

	if (!s && !required)
		return 0;
	if (!json_is_string(s) || json_string_length(s) == 0 || json_string_length(s) > CG_PATH_MAX)
		return err_set(e, EINVAL, "state.json: cgroup.%s: must be a non-empty string", key);
	*ret = strdup(json_string_value(s));
	return *ret ? 0 : err_sys(e, ENOMEM, "state.json: cgroup.%s", key);
}

static bool hierarchy_name_is_valid(const char *s)
{
	for (; *s; s++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_,=-", *s))
			return false;
	return true;
}

static int load_dir(const json_t *o, size_t i, struct cg_dir *d, struct err *e)
{
	const char *name = json_string_value(json_object_get(o, "name"));
	const char *data = json_string_value(json_object_get(o, "data"));
	const json_t *v2 = json_object_get(o, "v2"), *child = json_object_get(o, "delegated");
	const json_t *throttled = json_object_get(o, "throttled"), *parents = json_object_get(o, "parents");

	if (!name || !data || !json_is_boolean(v2) || !json_is_boolean(child) || !json_is_boolean(throttled) ||
	    !json_is_integer(parents) || json_integer_value(parents) < 0 ||
	    json_integer_value(parents) > CG_PATH_MAX || strlen(name) >= sizeof d->name ||
	    strlen(data) >= sizeof d->data || !hierarchy_name_is_valid(name) || !hierarchy_name_is_valid(data) ||
	    (name[0] == '\0' && !json_is_true(v2)))
		return err_set(e, EINVAL, "state.json: cgroup.dirs[%zu]: not a hierarchy", i);
	memcpy(d->name, name, strlen(name) + 1);
	memcpy(d->data, data, strlen(data) + 1);
	d->v2 = json_is_true(v2);
	d->child = json_is_true(child);
	d->throttled = json_is_true(throttled);
	d->parents = (uint16_t)json_integer_value(parents);
	d->ctrls = strncmp(data, "name=", 5) == 0 ? 0 : cg_ctrls_parse(data);
	return 0;
}

static void cleanup_cgroup(struct cgroup **cg)
{
	cgroup_free(*cg);
}

int cgroup_load(const json_t *saved, struct cgroup **ret, struct err *e)
{
	_cleanup_(cleanup_cgroup) struct cgroup *cg = NULL;
	_cleanup_free_ char *driver = NULL, *clean = NULL;
	const json_t *dirs, *owner;
	int r;

	if (!json_is_object(saved))
		return err_set(e, EINVAL, "state.json: cgroup: must be an object");
	if (!(cg = calloc(1, sizeof *cg)))
		return err_sys(e, ENOMEM, "state.json: cgroup");
	for (size_t i = 0; i < ARRAY_SIZE(cg->dir); i++)
		cg->dir[i].fd = -EBADF;
	r = get_copy(saved, "driver", true, &driver, e);
	if (r == 0)
		r = get_copy(saved, "path", true, &cg->path, e);
	if (r < 0)
		return r;
	cg->systemd = strcmp(driver, "systemd") == 0;
	if (!cg->systemd && strcmp(driver, "cgroupfs") != 0)
		return err_set(e, EINVAL, "state.json: cgroup.driver: unknown driver \"%s\"", driver);
	r = get_copy(saved, "unit", cg->systemd, &cg->unit, e);
	if (r == 0)
		r = get_copy(saved, "slice", cg->systemd, &cg->slice, e);
	if (r == 0)
		r = get_copy(saved, "helper", cg->systemd, &cg->helper, e);
	if (r < 0)
		return r;
	if (cg_path_clean(cg->path, &clean, NULL) < 0 || strcmp(clean, cg->path) != 0)
		return err_set(e, EINVAL, "state.json: cgroup.path: must be an absolute path without \"..\"");
	if (cg->systemd && cg->helper[0] != '/')
		return err_set(e, EINVAL, "state.json: cgroup.helper: must be an absolute path");
	owner = json_object_get(saved, "owner");
	if (!json_is_integer(owner) || json_integer_value(owner) < 0 || json_integer_value(owner) > UINT32_MAX)
		return err_set(e, EINVAL, "state.json: cgroup.owner: must be a user id");
	cg->owner = (uint32_t)json_integer_value(owner);
	cg->delegate = cg->in_child = json_is_true(json_object_get(saved, "delegate"));
	cg->entered = true;
	dirs = json_object_get(saved, "dirs");
	if (!json_is_array(dirs) || json_array_size(dirs) > ARRAY_SIZE(cg->dir))
		return err_set(e, EINVAL, "state.json: cgroup.dirs: must be an array of at most %zu",
			       ARRAY_SIZE(cg->dir));
	for (; cg->n < json_array_size(dirs); cg->n++) {
		r = load_dir(json_array_get(dirs, cg->n), cg->n, &cg->dir[cg->n], e);
		if (r < 0)
			return r;
	}
	/* Only the top is opened here: `state` and `list` need no directory, and every other call
	 * opens what it uses. */
	r = cg_host_load(NULL, NULL, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(cg);
	return 0;
}

json_t *cgroup_paths(const struct cgroup *cg)
{
	json_t *o = json_object();
	char path[PATH_MAX];

	for (size_t i = 0; o && i < cg->n; i++) {
		const struct cg_dir *d = &cg->dir[i];
		bool named = strncmp(d->data, "name=", 5) == 0;

		if (d->gone)
			continue;
		cg_dir_path(cg, d, path, sizeof path);
		if (d->v2 || named) {
			if (json_object_set_new(o, d->v2 ? "" : d->data, json_string(path)) < 0)
				break;
			continue;
		}
		/* one entry for each controller of a joint hierarchy */
		for (unsigned c = 0; c < CG_CTRL_COUNT; c++)
			if (d->ctrls & (1u << c))
				(void)json_object_set_new(o, cg_ctrl_name(c), json_string(path));
	}
	return o;
}
