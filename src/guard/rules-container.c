/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about containers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "guard/rules.h"

int judge_no_body(struct judge_request *q, struct judge_verdict *v)
{
	(void)v;
	json_decref(q->body);
	q->body = NULL;
	return 0;
}

static void json_cleanup(json_t **v)
{
	json_decref(*v);
}
#define _cleanup_json_ _cleanup_(json_cleanup)

/* ---- create ---- */

static const struct field health_fields[] = {
	{ "Test", FIELD_WORDS, NULL, NULL },	    { "Interval", FIELD_INT, NULL, NULL },
	{ "Timeout", FIELD_INT, NULL, NULL },	    { "StartPeriod", FIELD_INT, NULL, NULL },
	{ "StartInterval", FIELD_INT, NULL, NULL }, { "Retries", FIELD_INT, NULL, NULL },
};
const struct shape health_shape = { health_fields, ARRAY_SIZE(health_fields), true };

static const struct field endpoints_fields[] = {
	{ "EndpointsConfig", FIELD_OBJECT_MAP, NULL, NULL },
};
static const struct shape endpoints_shape = { endpoints_fields, ARRAY_SIZE(endpoints_fields), false };

static int rule_networking(struct judging *j, json_t *owner, json_t *value)
{
	const char *name;
	json_t *v;

	(void)owner;
	json_object_foreach(json_object_get(value, "EndpointsConfig"), name, v) {
		int r = network_named(j, name);

		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Container configuration, HostConfig beside it. Engines up to 28 also take members of HostConfig from this level:
 * all when there is no HostConfig, and of what is there anyway only the five at the end.
 */
static const struct field create_fields[] = {
	{ "Hostname", FIELD_STRING, NULL, NULL },
	{ "Domainname", FIELD_STRING, NULL, NULL },
	{ "User", FIELD_STRING, NULL, NULL },
	{ "AttachStdin", FIELD_BOOL, NULL, NULL },
	{ "AttachStdout", FIELD_BOOL, NULL, NULL },
	{ "AttachStderr", FIELD_BOOL, NULL, NULL },
	{ "ExposedPorts", FIELD_ANY, NULL, NULL },
	{ "Tty", FIELD_BOOL, NULL, NULL },
	{ "OpenStdin", FIELD_BOOL, NULL, NULL },
	{ "StdinOnce", FIELD_BOOL, NULL, NULL },
	{ "Env", FIELD_STRINGS, NULL, NULL },
	{ "Cmd", FIELD_WORDS, NULL, NULL },
	{ "Healthcheck", FIELD_OBJECT, &health_shape, NULL },
	{ "ArgsEscaped", FIELD_BOOL, NULL, NULL },
	{ "Image", FIELD_STRING, NULL, NULL },
	{ "Volumes", FIELD_ANY, NULL, NULL }, /* targets of new volumes */
	{ "WorkingDir", FIELD_STRING, NULL, NULL },
	{ "Entrypoint", FIELD_WORDS, NULL, NULL },
	{ "NetworkDisabled", FIELD_BOOL, NULL, NULL },
	{ "MacAddress", FIELD_STRING, NULL, NULL },
	{ "OnBuild", FIELD_WORDS, NULL, NULL },
	{ "Labels", FIELD_STRING_MAP, NULL, NULL },
	{ "StopSignal", FIELD_STRING, NULL, NULL },
	{ "StopTimeout", FIELD_INT, NULL, NULL },
	{ "Shell", FIELD_WORDS, NULL, NULL },
	{ "HostConfig", FIELD_OBJECT, &host_config_shape, NULL },
	{ "NetworkingConfig", FIELD_OBJECT, &endpoints_shape, rule_networking },
	{ "Memory", FIELD_INT, NULL, NULL },
	{ "MemorySwap", FIELD_INT, NULL, NULL },
	{ "CpuShares", FIELD_INT, NULL, NULL },
	{ "Cpuset", FIELD_STRING, NULL, NULL },
	{ "CpusetCpus", FIELD_STRING, NULL, NULL },
	{ "VolumeDriver", FIELD_STRING, NULL, rule_volume_driver },
};
static const struct shape create_shape = { create_fields, ARRAY_SIZE(create_fields), true };

/* A member of HostConfig that stands a level too high would be judged as nothing and might be obeyed. */
static int check_level(struct judging *j)
{
	const char *key;
	json_t *v;

	json_object_foreach(j->q->body, key, v)
		if (!shape_find(&create_shape, key) && shape_find(&host_config_shape, key))
			return refuse_here(j, 400, "request body", "\"%.64s\" belongs into HostConfig", key);
	return 0;
}

static int set_runtime(struct judging *j)
{
	json_t *hc = json_object_get(j->q->body, "HostConfig");

	if (!hc) {
		changed(j, "HostConfig added");
		if (json_object_set_new(j->q->body, "HostConfig", json_object()) < 0)
			return refuse(j, 503, "memory", "out of memory");
		hc = json_object_get(j->q->body, "HostConfig");
	}
	if (json_object_set_new(hc, "Runtime", json_string(RULES_RUNTIME)) < 0)
		return refuse(j, 503, "memory", "out of memory");
	return 0;
}

int judge_container_create(struct judge_request *q, struct judge_verdict *v)
{
	_cleanup_json_ json_t *missing = json_array();
	struct judging j = { .q = q, .v = v, .missing = missing };
	int r;

	if (!q->body)
		return refuse_here(&j, 400, "request body", "a container's configuration is needed");
	j.image = json_string_value(member_fold(q->body, "Image"));
	j.sockets = true;
	r = check_level(&j);
	if (r == 0)
		r = shape_apply(&j, &create_shape, q->body);
	if (r == 0)
		r = host_namespaces(&j);
	if (r == 0)
		r = set_runtime(&j);
	if (r == 0)
		r = socket_made(&j);
	if (r == 0)
		r = source_make(&j);
	free(j.socket_path);
	return r;
}

/* ---- what is done to a container that exists ---- */

/*
 * The name in the path may be another container's by the time the engine looks it up: send on the id of the one that
 * was judged.
 */
int pin_container(struct judging *j, const json_t *inspect)
{
	struct judge_request *q = j->q;
	const char *id = json_string_value(json_object_get(inspect, "Id"));
	static const char prefix[] = "/containers/";
	const char *tail = q->path + sizeof prefix - 1 + strlen(q->segment[0]);

	free(q->pinned_path);
	if (!id || strlen(id) > 128 || asprintf(&q->pinned_path, "%s%s%s", prefix, id, tail) < 0)
		q->pinned_path = NULL;
	return q->pinned_path ? 0
			      : refuse(j, 503, "engine", "enhanced container isolation: the engine gives no id");
}

static int this_container(struct judging *j)
{
	_cleanup_json_ json_t *inspect = NULL;
	int r = container_ours(j, j->q->segment[0], &inspect);

	return r < 0 ? r : pin_container(j, inspect);
}

static int start_this_container(struct judging *j)
{
	_cleanup_json_ json_t *inspect = NULL;
	int r = container_ours(j, j->q->segment[0], &inspect);

	if (r == 0)
		r = socket_start(j, inspect);
	return r < 0 ? r : pin_container(j, inspect);
}

static bool starts(const struct judge_route *route)
{
	return strcmp(route->name, "container_start") == 0 || strcmp(route->name, "container_restart") == 0;
}

/*
 * Engines before API 1.24 took a HostConfig here; today's do not read a body, but libraries send "{}". A checkpoint
 * to start from may lie in any directory of the host, so the query is closed.
 */
int judge_container_start(struct judge_request *q, struct judge_verdict *v)
{
	static const char *const known[] = { "detachKeys" };
	struct judging j = { .q = q, .v = v };

	if (strcmp(q->route->name, "container_start") == 0) {
		if (q->body && json_object_size(q->body) > 0)
			return refuse_here(
				&j, 400, "request body",
				"starting a container with a configuration is not supported; create it with one");
		if (query_closed(&j, known, ARRAY_SIZE(known), NULL, 0) < 0)
			return -EPERM;
	}
	(void)judge_no_body(q, v);
	return starts(q->route) ? start_this_container(&j) : this_container(&j);
}

int judge_container_archive(struct judge_request *q, struct judge_verdict *v)
{
	struct judging j = { .q = q, .v = v };
	_cleanup_json_ json_t *inspect = NULL;
	int r = container_ours(&j, q->segment[0], &inspect);

	if (r == 0)
		r = container_copy(&j, inspect, true);
	return r < 0 ? r : pin_container(&j, inspect);
}

/* Also of containers from before: what is in them can be saved. */
int judge_container_archive_get(struct judge_request *q, struct judge_verdict *v)
{
	struct judging j = { .q = q, .v = v };
	_cleanup_json_ json_t *inspect = NULL;
	int r = container_look_up(&j, q->segment[0], &inspect);

	if (r == 0)
		r = container_copy(&j, inspect, false);
	return r < 0 ? r : pin_container(&j, inspect);
}

int judge_container_rename(struct judge_request *q, struct judge_verdict *v)
{
	struct judging j = { .q = q, .v = v };
	const char *name = query_get(q, "name");

	(void)judge_no_body(q, v);
	return socket_name(&j, name && *name == '/' ? name + 1 : name ? name : "");
}

/* Of containers from before as well: with a restart policy the engine would start them by itself. */
int judge_container_update(struct judge_request *q, struct judge_verdict *v)
{
	struct judging j = { .q = q, .v = v };
	int r = q->body ? shape_apply(&j, &resources_shape, q->body) : 0;

	if (r == 0)
		r = socket_powers(&j, q->body);
	return r < 0 ? r : this_container(&j);
}

static const struct field exec_fields[] = {
	{ "User", FIELD_STRING, NULL, NULL },	    { "Privileged", FIELD_BOOL, NULL, NULL },
	{ "Tty", FIELD_BOOL, NULL, NULL },	    { "ConsoleSize", FIELD_ANY, NULL, NULL },
	{ "AttachStdin", FIELD_BOOL, NULL, NULL },  { "AttachStdout", FIELD_BOOL, NULL, NULL },
	{ "AttachStderr", FIELD_BOOL, NULL, NULL }, { "Detach", FIELD_BOOL, NULL, NULL },
	{ "DetachKeys", FIELD_STRING, NULL, NULL }, { "Env", FIELD_STRINGS, NULL, NULL },
	{ "WorkingDir", FIELD_STRING, NULL, NULL }, { "Cmd", FIELD_WORDS, NULL, NULL },
	{ "Container", FIELD_STRING, NULL, NULL }, /* ignored: the path says which */
};
static const struct shape exec_shape = { exec_fields, ARRAY_SIZE(exec_fields), false };

int judge_exec_create(struct judge_request *q, struct judge_verdict *v)
{
	struct judging j = { .q = q, .v = v };
	int r = q->body ? shape_apply(&j, &exec_shape, q->body) : 0;

	if (r == 0)
		r = socket_powers(&j, q->body);
	return r < 0 ? r : this_container(&j);
}

static const struct field exec_start_fields[] = {
	{ "Detach", FIELD_BOOL, NULL, NULL },
	{ "Tty", FIELD_BOOL, NULL, NULL },
	{ "ConsoleSize", FIELD_ANY, NULL, NULL },
};
static const struct shape exec_start_shape = { exec_start_fields, ARRAY_SIZE(exec_start_fields), true };

int judge_exec_start(struct judge_request *q, struct judge_verdict *v)
{
	struct judging j = { .q = q, .v = v };

	return q->body ? shape_apply(&j, &exec_start_shape, q->body) : 0;
}

int judge_commit(struct judge_request *q, struct judge_verdict *v)
{
	struct judging j = { .q = q, .v = v };
	int r = q->body ? shape_apply(&j, &create_shape, q->body) : 0;

	/* An image has no HostConfig; the engine ignores one. */
	if (r == 0)
		r = host_namespaces(&j);
	if (r == 0)
		r = socket_changes(&j);
	if (r == 0 && q->grant && !q->body && !(q->body = json_object()))
		r = refuse(&j, 503, "memory", "out of memory");
	return r < 0 || !q->grant ? r : socket_labels(&j, false);
}

int judge_checkpoint(struct judge_request *q, struct judge_verdict *v)
{
	struct judging j = { .q = q, .v = v };

	return refuse(
		&j, 403, "checkpoints",
		"enhanced container isolation: checkpoints are written to and read from any directory of the host, "
		"so they are "
		"blocked");
}
