/* SPDX-License-Identifier: Apache-2.0 */
/* What several rules need: containers and networks looked up, control groups, log drivers, sysctls, names. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "codec/imageref.h"
#include "codec/lexpath.h"
#include "guard/engine.h"
#include "guard/rules.h"
#include "guard/target.h"
#include "policy/policy.h"

static void json_cleanup(json_t **v)
{
	json_decref(*v);
}
#define _cleanup_json_ _cleanup_(json_cleanup)

int rule_refuse_unless_empty(struct judging *j, json_t *owner, json_t *value)
{
	(void)owner;
	if ((json_is_string(value) && json_string_length(value) == 0) ||
	    (json_is_array(value) && json_array_size(value) == 0) ||
	    (json_is_object(value) && json_object_size(value) == 0) || json_is_false(value))
		return 0;
	return refuse_here(j, 403, "closed world", "is not allowed for isolated containers; leave it out");
}

/* ---- the engine's objects ---- */

static bool name_valid(const char *name)
{
	size_t n;

	if (*name == '/') /* as `docker inspect` prints names */
		name++;
	n = strlen(name);
	return volume_name_valid(name, n);
}

static char *object_path(const char *kind, const char *name, const char *tail)
{
	char *ret = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&ret, &size);

	if (!f)
		return NULL;
	fprintf(f, "/%s/", kind);
	target_escape(f, name, false);
	fputs(tail, f);
	if (fclose(f) != 0) {
		free(ret);
		return NULL;
	}
	return ret;
}

int object_look_up(struct judging *j, const char *kind, const char *name, const char *tail, json_t **ret)
{
	_cleanup_free_ char *path = object_path(kind, name, tail);
	struct err e = { 0 };
	json_t *found = NULL;
	int r = path ? engine_get(j->q->engine, path, &found, &e) : err_sys(&e, ENOMEM, "path");

	*ret = NULL;
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return refuse(j, 503, "engine",
			      "enhanced container isolation: cannot judge the request without the engine: %s",
			      e.msg);
	*ret = found;
	return 0;
}

static bool runtime_is_ours(const struct judging *j, const char *runtime)
{
	static const char *const via_runc[] = { "", "runc", "io.containerd.runc.v2",
						"io.containerd.runtime.v1.linux" };

	if (!runtime)
		return false;
	if (strcmp(runtime, RULES_RUNTIME) == 0)
		return true;
	for (size_t i = 0; j->q->host && j->q->host->runc_is_caisson && i < ARRAY_SIZE(via_runc); i++)
		if (strcmp(runtime, via_runc[i]) == 0)
			return true;
	return false;
}

int container_look_up(struct judging *j, const char *name, json_t **ret_inspect)
{
	int r;

	if (!name_valid(name))
		return refuse_here(j, 400, "container", "\"%.128s\" is not the name of a container", name);
	r = object_look_up(j, "containers", *name == '/' ? name + 1 : name, "/json", ret_inspect);
	/* Not sent on: by the time the engine looks, another container may have got the name. */
	if (r == 0 && !*ret_inspect)
		r = refuse(j, j->depth > 0 ? 400 : 404, "container", "No such container: %s", name);
	return r;
}

/* Does it run now, in the host's user namespace? An engine that restarts may let containers live on ("live-restore"). */
static bool lives_unisolated(const json_t *inspect)
{
	json_int_t pid = json_integer_value(json_object_get(json_object_get(inspect, "State"), "Pid"));
	struct stat own, its;
	char path[64];

	if (pid <= 0)
		return false;
	(void)snprintf(path, sizeof path, "/proc/%" JSON_INTEGER_FORMAT "/ns/user", pid);
	if (stat(path, &its) < 0)
		return errno != ENOENT && errno != ESRCH; /* it has ended */
	return stat("/proc/self/ns/user", &own) < 0 || (own.st_ino == its.st_ino && own.st_dev == its.st_dev);
}

/* What ends it, or changes nothing while it runs. */
static bool may_live_on(const struct judge_route *route)
{
	return strcmp(route->name, "container_start") == 0 || strcmp(route->name, "container_restart") == 0 ||
	       strcmp(route->name, "container_unpause") == 0;
}

int container_ours(struct judging *j, const char *name, json_t **ret_inspect)
{
	_cleanup_json_ json_t *c = NULL;
	const char *runtime;
	int r;

	if (ret_inspect)
		*ret_inspect = NULL;
	r = container_look_up(j, name, &c);
	if (r < 0)
		return r;
	runtime = json_string_value(json_object_get(json_object_get(c, "HostConfig"), "Runtime"));
	if (!runtime_is_ours(j, runtime))
		return refuse(
			j, 403, "older container",
			"enhanced container isolation: container %.128s runs under \"%.64s\", without isolation: "
			"it was made before "
			"isolation was turned on; remove it (docker rm) and create it again with the same options, "
			"its "
			"volumes stay",
			name, runtime ? runtime : "?");
	if (!may_live_on(j->q->route) && lives_unisolated(c))
		return refuse(
			j, 403, "older container",
			"enhanced container isolation: container %.128s has been running without isolation since before "
			"that was turned on; restart it: docker restart %.128s",
			name, name);
	r = own_container(j, c, name);
	if (r < 0)
		return r;
	if (ret_inspect)
		*ret_inspect = TAKE_PTR(c);
	return 0;
}

int network_named(struct judging *j, const char *name)
{
	_cleanup_json_ json_t *net = NULL;
	const char *driver;
	int r;

	if (strcmp(name, "host") == 0) {
		j->host_ns[OCI_NS_NETWORK] = true;
		return 0;
	}
	r = socket_network(j, name);
	if (r < 0)
		return r;
	/* The engine takes a network's id, or the beginning of one, for its name. */
	if (*name == '\0' || name[strspn(name, "0123456789abcdef")] != '\0')
		return 0;
	r = object_look_up(j, "networks", name, "", &net);
	if (r < 0 || !net)
		return r;
	driver = json_string_value(json_object_get(net, "Driver"));
	if (!driver || strcmp(driver, "host") == 0)
		j->host_ns[OCI_NS_NETWORK] = true;
	return 0;
}

int host_namespaces(struct judging *j)
{
	struct err e = { 0 };

	if (policy_namespaces_host(j->host_ns, &e) < 0)
		return refuse(j, 403, "namespaces", "enhanced container isolation: %s", e.msg);
	return 0;
}

/* ---- control groups, sysctls, logs ---- */

/* A container's own control groups are called by its id: nobody else goes into them. */
static bool has_container_id(const char *path)
{
	while (*path) {
		size_t n = strspn(path, "0123456789abcdef");

		if (n >= 64)
			return true;
		path += n + (path[n] != '\0');
	}
	return false;
}

int cgroup_parent(struct judging *j, const char *parent)
{
	size_t n = strlen(parent);
	bool slice = n > strlen("docker-.slice") && strncmp(parent, "docker-", 7) == 0 &&
		     strcmp(parent + n - 6, ".slice") == 0 &&
		     strspn(parent, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == n &&
		     !strstr(parent, "..") && !strstr(parent, "--");

	if (n == 0)
		return 0;
	if ((slice || (lex_is_clean(parent) && lex_is_below(parent, "/docker"))) && !has_container_id(parent))
		return 0;
	return refuse_here(
		j, 403, "control groups",
		"containers may not be put into control group \"%.128s\", where limits of others would not hold; "
		"leave it "
		"out or name one below /docker (with systemd: docker-NAME.slice)",
		parent);
}

int rule_sysctls(struct judging *j, json_t *owner, json_t *value)
{
	size_t n = json_object_size(value), i = 0;
	_cleanup_free_ struct oci_spec *s = NULL;
	_cleanup_free_ struct oci_kv *list = NULL;
	struct err e = { 0 };
	const char *key;
	json_t *v;

	(void)owner;
	if (n == 0)
		return 0;
	s = calloc(1, sizeof *s);
	list = calloc(n, sizeof *list);
	if (!s || !list)
		return refuse_here(j, 503, "memory", "out of memory");
	json_object_foreach(value, key, v)
		list[i++] = (struct oci_kv){ .key = key, .value = json_string_value(v) };
	s->linux_.sysctl = list;
	s->linux_.n_sysctl = n;
	/* Whether it has them of its own is what the namespace rules are for. */
	for (size_t ns = 0; ns < OCI_NS_COUNT; ns++)
		s->linux_.ns[ns].present = true;
	return policy_sysctl(s, &e) < 0 ? refuse_here(j, 403, "sysctls", "%s", e.msg) : 0;
}

int rule_oom_score(struct judging *j, json_t *owner, json_t *value)
{
	(void)owner;
	if (json_integer_value(value) >= 0)
		return 0;
	return refuse_here(j, 403, "out of memory",
			   "below 0 the host's own programs would be killed before the container; use 0 or more");
}

/*
 * Drivers that write files of the engine's own or to the host's journal. The others connect to the network as host
 * root.
 */
int rule_log_config(struct judging *j, json_t *owner, json_t *value)
{
	static const char *const drivers[] = { "", "none", "json-file", "local", "journald", "syslog" };
	static const char *const options[] = {
		"max-size",
		"max-file",
		"compress",
		"labels",
		"labels-regex",
		"env",
		"env-regex",
		"tag",
		"mode",
		"max-buffer-size",
		"syslog-facility",
		"syslog-format",
		"cache-disabled",
		"cache-max-size",
		"cache-max-file",
		"cache-compress",
	};
	json_t *type = json_object_get(value, "Type"), *config = json_object_get(value, "Config"), *v;
	const char *name, *key;
	bool known = false;

	(void)owner;
	if (!type)
		type = json_object_get(value, "Name"); /* a service's */
	if (!config)
		config = json_object_get(value, "Options");
	name = type ? json_string_value(type) : "";
	for (size_t i = 0; name && i < ARRAY_SIZE(drivers); i++)
		known |= strcmp(name, drivers[i]) == 0;
	if (!known)
		return refuse_here(
			j, 403, "log drivers",
			"log driver \"%.64s\" sends from the host, with the engine's rights; use json-file, local, "
			"journald, "
			"syslog or none, or have it set for all containers in daemon.json",
			name ? name : "?");
	json_object_foreach(config, key, v) {
		known = false;
		for (size_t i = 0; i < ARRAY_SIZE(options); i++)
			known |= strcmp(key, options[i]) == 0;
		if (!known)
			return refuse_here(
				j, 403, "log drivers",
				"log option \"%.64s\" may name files or addresses of the host; leave it out", key);
	}
	return 0;
}

/* ---- images ---- */

void image_familiar(const char *image, char *ret, size_t size)
{
	struct image_ref ref;

	/* An id, or no name at all: as it was asked for. */
	if (image_ref_parse(image, &ref))
		(void)snprintf(ret, size, "%.512s", image);
	else
		(void)image_ref_name(&ref, ret, size);
}

/* ---- query parameters ---- */

const char *query_get(const struct judge_request *q, const char *key)
{
	for (size_t i = 0; i < q->n_query; i++)
		if (strcmp(q->query[i].key, key) == 0)
			return q->query[i].value;
	return NULL;
}

static bool listed(const char *s, const char *const list[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(s, list[i]) == 0)
			return true;
	return false;
}

int query_closed(struct judging *j, const char *const known[], size_t n_known, const char *const repeatable[],
		 size_t n_repeatable)
{
	const struct judge_pair *p = j->q->query;

	for (size_t i = 0; i < j->q->n_query; i++) {
		if (listed(p[i].key, repeatable, n_repeatable))
			continue;
		if (!listed(p[i].key, known, n_known))
			return refuse(
				j, 403, "closed world",
				"enhanced container isolation: the query parameter \"%.64s\" is not known to this "
				"version of the "
				"guard, so it is blocked; leave it out",
				p[i].key);
		for (size_t k = 0; k < i; k++)
			if (strcmp(p[k].key, p[i].key) == 0)
				return refuse(
					j, 400, "request target",
					"enhanced container isolation: the query parameter \"%.64s\" appears twice",
					p[i].key);
	}
	return 0;
}
