/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every endpoint of the Docker Engine API 1.24 to 1.56, and which rule judges it. Closed world: what is not here is
 * refused, so a new endpoint of a newer engine has to be looked at before it can be used.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "codec/json-read.h"
#include "guard/judge.h"
#include "guard/rules.h"
#include "guard/target.h"
#include "socket/grants.h"

#define OLDEST_MINOR 24 /* below, start takes a HostConfig and create reads one from the top level */

#define PASS(verb, where, id)                                 \
	{                                                     \
		.name = id, .methods = verb, .pattern = where \
	}
#define JUDGED(verb, where, id, rule)                                        \
	{                                                                    \
		.name = id, .methods = verb, .pattern = where, .judge = rule \
	}
#define JSON(verb, where, id, rule)                                                             \
	{                                                                                       \
		.name = id, .methods = verb, .pattern = where, .body = BODY_JSON, .judge = rule \
	}
#define STREAM(verb, where, id, rule)                                                             \
	{                                                                                         \
		.name = id, .methods = verb, .pattern = where, .body = BODY_STREAM, .judge = rule \
	}
/* BODY_STREAM: refused by the head alone. */
#define NEVER(verb, where, id, rule)                                                                 \
	{                                                                                            \
		.name = id, .methods = verb, .pattern = where, .body = BODY_STREAM, .refused = true, \
		.judge = rule                                                                        \
	}
#define HIJACK(verb, where, id, kind, rule)                                                                \
	{                                                                                                  \
		.name = id, .methods = verb, .pattern = where, .body = kind, .hijack = true, .judge = rule \
	}
/* The engine reads no body here, but libraries send one: it is dropped. */
#define NO_BODY(verb, where, id) JSON(verb, where, id, judge_no_body)

/* A pattern that another one of the same method also matches stands before it. */
static const struct judge_route routes[] = {
	PASS("GET HEAD", "/_ping", "ping"),
	PASS("GET", "/version", "version"),
	JUDGED("GET", "/info", "info", judge_info),
	PASS("GET", "/events", "events"),
	PASS("GET", "/system/df", "system_df"),
	JSON("POST", "/auth", "auth", NULL),
	PASS("OPTIONS", "/{*}", "options"),

	PASS("GET", "/containers/json", "container_list"),
	JSON("POST", "/containers/create", "container_create", judge_container_create),
	NO_BODY("POST", "/containers/prune", "container_prune"),
	PASS("GET", "/containers/{}/json", "container_inspect"),
	PASS("GET", "/containers/{}/top", "container_top"),
	PASS("GET", "/containers/{}/logs", "container_logs"),
	PASS("GET", "/containers/{}/changes", "container_changes"),
	PASS("GET", "/containers/{}/export", "container_export"),
	PASS("GET", "/containers/{}/stats", "container_stats"),
	JSON("POST", "/containers/{}/start", "container_start", judge_container_start),
	NO_BODY("POST", "/containers/{}/stop", "container_stop"),
	JSON("POST", "/containers/{}/restart", "container_restart", judge_container_start),
	NO_BODY("POST", "/containers/{}/kill", "container_kill"),
	NO_BODY("POST", "/containers/{}/pause", "container_pause"),
	JSON("POST", "/containers/{}/unpause", "container_unpause", judge_container_start),
	NO_BODY("POST", "/containers/{}/wait", "container_wait"),
	NO_BODY("POST", "/containers/{}/resize", "container_resize"),
	JSON("POST", "/containers/{}/rename", "container_rename", judge_container_rename),
	JSON("POST", "/containers/{}/update", "container_update", judge_container_update),
	HIJACK("POST", "/containers/{}/attach", "container_attach", BODY_JSON, judge_container_start),
	HIJACK("GET", "/containers/{}/attach/ws", "container_attach_ws", BODY_EMPTY, judge_container_start),
	JSON("POST", "/containers/{}/exec", "exec_create", judge_exec_create),
	JUDGED("GET HEAD", "/containers/{}/archive", "container_archive_get", judge_container_archive_get),
	STREAM("PUT", "/containers/{}/archive", "container_archive_put", judge_container_archive),
	PASS("DELETE", "/containers/{}", "container_delete"),
	NEVER("GET POST", "/containers/{}/checkpoints", "checkpoint", judge_checkpoint),
	NEVER("DELETE", "/containers/{}/checkpoints/{}", "checkpoint_delete", judge_checkpoint),
	PASS("GET", "/exec/{}/json", "exec_inspect"),
	HIJACK("POST", "/exec/{}/start", "exec_start", BODY_JSON, judge_exec_start),
	NO_BODY("POST", "/exec/{}/resize", "exec_resize"),
	JSON("POST", "/commit", "commit", judge_commit),

	PASS("GET", "/images/json", "image_list"),
	PASS("GET", "/images/search", "image_search"),
	PASS("GET", "/images/get", "image_save"),
	STREAM("POST", "/images/load", "image_load", judge_image_load),
	STREAM("POST", "/images/create", "image_create", judge_image_create),
	NO_BODY("POST", "/images/prune", "image_prune"),
	PASS("GET", "/images/{*}/get", "image_save_one"),
	PASS("GET", "/images/{*}/history", "image_history"),
	PASS("GET", "/images/{*}/json", "image_inspect"),
	PASS("GET", "/images/{*}/attestations", "image_attestations"),
	NO_BODY("POST", "/images/{*}/push", "image_push"),
	NO_BODY("POST", "/images/{*}/tag", "image_tag"),
	PASS("DELETE", "/images/{*}", "image_delete"),
	PASS("GET", "/distribution/{*}/json", "distribution_inspect"),

	STREAM("POST", "/build", "build", judge_build),
	NO_BODY("POST", "/build/prune", "build_prune"),
	NO_BODY("POST", "/build/cancel", "build_cancel"),
	HIJACK("POST", "/session", "session", BODY_EMPTY, NULL),
	HIJACK("POST", "/grpc", "grpc", BODY_EMPTY, judge_grpc),

	PASS("GET", "/networks", "network_list"),
	PASS("GET", "/networks/{}", "network_inspect"),
	JSON("POST", "/networks/create", "network_create", judge_network_create),
	NO_BODY("POST", "/networks/prune", "network_prune"),
	JSON("POST", "/networks/{}/connect", "network_connect", judge_network_connect),
	JSON("POST", "/networks/{}/disconnect", "network_disconnect", judge_network_disconnect),
	PASS("DELETE", "/networks/{}", "network_delete"),

	PASS("GET", "/volumes", "volume_list"),
	PASS("GET", "/volumes/{}", "volume_inspect"),
	JSON("POST", "/volumes/create", "volume_create", judge_volume_create),
	NO_BODY("POST", "/volumes/prune", "volume_prune"),
	NEVER("PUT", "/volumes/{}", "volume_update", judge_volume_update),
	PASS("DELETE", "/volumes/{}", "volume_delete"),

	PASS("GET", "/plugins", "plugin_list"),
	PASS("GET", "/plugins/privileges", "plugin_privileges"),
	PASS("GET", "/plugins/{*}/json", "plugin_inspect"),
	NEVER("POST", "/plugins/pull", "plugin_pull", judge_plugin),
	NEVER("POST", "/plugins/create", "plugin_create", judge_plugin),
	NEVER("POST", "/plugins/{*}/enable", "plugin_enable", judge_plugin),
	NEVER("POST", "/plugins/{*}/set", "plugin_set", judge_plugin),
	NEVER("POST", "/plugins/{*}/upgrade", "plugin_upgrade", judge_plugin),
	NEVER("POST", "/plugins/{*}/disable", "plugin_disable", judge_plugin),
	NO_BODY("POST", "/plugins/{*}/push", "plugin_push"),
	NEVER("DELETE", "/plugins/{*}", "plugin_delete", judge_plugin),

	NEVER("GET", "/swarm", "swarm_inspect", judge_swarm_join),
	NEVER("GET", "/swarm/unlockkey", "swarm_unlockkey", judge_swarm_join),
	NEVER("POST", "/swarm/init", "swarm_init", judge_swarm_join),
	NEVER("POST", "/swarm/join", "swarm_join", judge_swarm_join),
	NEVER("POST", "/swarm/update", "swarm_update", judge_swarm_join),
	NEVER("POST", "/swarm/unlock", "swarm_unlock", judge_swarm_join),
	NO_BODY("POST", "/swarm/leave", "swarm_leave"),
	PASS("GET", "/services", "service_list"),
	JSON("POST", "/services/create", "service_create", judge_service),
	PASS("GET", "/services/{}", "service_inspect"),
	PASS("GET", "/services/{}/logs", "service_logs"),
	JSON("POST", "/services/{}/update", "service_update", judge_service),
	PASS("DELETE", "/services/{}", "service_delete"),
	PASS("GET", "/nodes", "node_list"),
	PASS("GET", "/nodes/{}", "node_inspect"),
	NEVER("POST", "/nodes/{}/update", "node_update", judge_swarm_join),
	NEVER("DELETE", "/nodes/{}", "node_delete", judge_swarm_join),
	PASS("GET", "/tasks", "task_list"),
	PASS("GET", "/tasks/{}", "task_inspect"),
	PASS("GET", "/tasks/{}/logs", "task_logs"),
	PASS("GET", "/secrets", "secret_list"),
	JSON("POST", "/secrets/create", "secret_create", judge_secret),
	PASS("GET", "/secrets/{}", "secret_inspect"),
	JSON("POST", "/secrets/{}/update", "secret_update", judge_secret),
	PASS("DELETE", "/secrets/{}", "secret_delete"),
	PASS("GET", "/configs", "config_list"),
	JSON("POST", "/configs/create", "config_create", judge_secret),
	PASS("GET", "/configs/{}", "config_inspect"),
	JSON("POST", "/configs/{}/update", "config_update", judge_secret),
	PASS("DELETE", "/configs/{}", "config_delete"),

	NEVER("GET POST", "/debug/{*}", "debug", judge_debug),
	NEVER("GET", "/metrics", "metrics", judge_debug),
};

const struct judge_route *route_table(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(routes);
	return routes;
}

static bool has_method(const char *list, const char *method)
{
	size_t n = strlen(method);

	if (n == 0 || strchr(method, ' '))
		return false;
	for (const char *s = list; *s; s += strcspn(s, " "), s += *s == ' ')
		if (strncmp(s, method, n) == 0 && (s[n] == ' ' || s[n] == '\0'))
			return true;
	return false;
}

/* What stands for {} or {*} in one match: spans of the path. */
struct span {
	size_t at, len;
};

/* {*} takes as much as leaves enough for what follows, which has no {*} and so a fixed number of components. */
static size_t greedy_length(const char *path, const char *rest)
{
	size_t n = strlen(path), components = 0;

	for (; *rest; rest++)
		components += *rest == '/';
	for (; components > 0 && n > 0; components--)
		while (n > 0 && path[--n] != '/')
			;
	return n;
}

static bool match(const char *pattern, const char *path, struct span *spans, size_t *n_spans)
{
	const char *p = path;

	*n_spans = 0;
	while (*pattern) {
		if (*pattern != '{') {
			if (*pattern++ != *p++)
				return false;
			continue;
		}
		bool many = pattern[1] == '*';
		size_t len;

		pattern += many ? 3 : 2;
		len = many ? greedy_length(p, pattern) : strcspn(p, "/");
		if (len == 0)
			return false;
		spans[(*n_spans)++] = (struct span){ .at = (size_t)(p - path), .len = len };
		p += len;
	}
	return *p == '\0';
}

static int no_route(struct judge_verdict *v, int status, const char *rule, const char *text)
{
	*v = (struct judge_verdict){ .what = JUDGE_REFUSE, .status = status, .rule = rule };
	(void)snprintf(v->message, sizeof v->message, "%s", text);
	return -EINVAL;
}

static int check_version(const char *version, struct judge_verdict *v)
{
	uint32_t minor = 0;

	if (!version || strncmp(version, "1.", 2) != 0)
		return version ? no_route(v, 400, "API version", "the API version must be 1.x") : 0;
	if (num_u32(version + 2, &minor) == 0 && minor >= OLDEST_MINOR)
		return 0;
	(void)no_route(v, 400, "API version", "");
	(void)snprintf(
		v->message, sizeof v->message,
		"client version %s is too old. Minimum supported API version is 1.%d, please upgrade your client "
		"to a newer version",
		version, OLDEST_MINOR);
	return -EINVAL;
}

/* Copies of the method and of the segments: the caller's buffer may go, the path itself stays whole. */
static int store_segments(struct judge_request *q, const struct span *spans, size_t n)
{
	size_t method_len = strlen(q->method) + 1;
	_cleanup_free_ char *copy = malloc(method_len + strlen(q->path) + n + 1);
	char *out;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, q->method, method_len);
	q->method = copy;
	out = copy + method_len;
	for (size_t i = 0; i < n; i++) {
		memcpy(out, q->path + spans[i].at, spans[i].len);
		out[spans[i].len] = '\0';
		q->segment[i] = out;
		out += spans[i].len + 1;
	}
	q->segment_heap = TAKE_PTR(copy);
	return 0;
}

int judge_route(const char *method, const char *target, struct judge_request *q, struct judge_verdict *v)
{
	struct judge_request found = { .method = method };
	struct span spans[ARRAY_SIZE(q->segment)] = { 0 };
	const char *why;
	size_t n = 0;

	*v = (struct judge_verdict){ .what = JUDGE_REFUSE };
	why = target_parse(target, &found);
	if (why)
		return no_route(v, 400, "request target", why);
	if (check_version(found.version, v) < 0) {
		judge_request_done(&found);
		return -EINVAL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(routes) && !found.route; i++)
		if (has_method(routes[i].methods, method) && match(routes[i].pattern, found.path, spans, &n))
			found.route = &routes[i];
	if (!found.route) {
		(void)no_route(v, 501, "closed world", "");
		(void)snprintf(
			v->message, sizeof v->message,
			"enhanced container isolation: %.16s %.512s is no endpoint of the Docker Engine API that "
			"this "
			"version of the guard knows, so it is blocked",
			method, found.path);
		judge_request_done(&found);
		return -EINVAL;
	}
	if (store_segments(&found, spans, n) < 0) {
		judge_request_done(&found);
		return no_route(v, 503, "memory", "out of memory");
	}
	found.peer = q->peer;
	found.settings = q->settings;
	found.host = q->host;
	found.engine = q->engine;
	found.target = q->target;
	found.grant = q->grant;
	*q = found;
	v->what = JUDGE_PASS;
	return 0;
}

/*
 * Numbers of 2^63 and more are strings to us (json_read()), and would be sent on as strings, which the engine takes
 * where it refuses numbers. Those of its fields that are as long (rates in bytes, for one) have no use for such values.
 */
static bool has_big_number(json_t *v)
{
	const char *s = json_string_value(v), *key;
	json_t *below;
	size_t i;

	json_array_foreach(v, i, below)
		if (has_big_number(below))
			return true;
	json_object_foreach(v, key, below)
		if (has_big_number(below))
			return true;
	return s && *s == JSON_READ_BIG && s[1] && s[1 + strspn(s + 1, "0123456789")] == '\0';
}

void judge(struct judge_request *q, struct judge_verdict *v)
{
	const struct judge_route *route = q->route;
	struct judging j = { .q = q, .v = v };
	int r = 0;

	*v = (struct judge_verdict){ .what = JUDGE_REFUSE, .status = 403, .rule = "closed world" };
	if (!route)
		return;
	if (has_big_number(q->body)) {
		(void)refuse_here(&j, 400, "request body",
				  "a number is too big; at most 9223372036854775807 is understood");
		return;
	}
	if (q->settings && !q->settings->enabled) {
		v->what = JUDGE_PASS;
		return;
	}
	if (!q->settings || (route->body != BODY_JSON && q->body))
		r = -EPERM;
	if (r == 0 && q->grant)
		r = socket_judge(q, v); /* also 1: answered */
	if (r == 0 && route->judge)
		r = route->judge(q, v);
	if (q->grant && q->host->grants)
		socket_count(q, r < 0);
	if (r > 0 && v->answer) {
		v->what = JUDGE_ANSWER;
	} else if (r == 0 && !route->refused) {
		v->what = JUDGE_PASS;
		v->status = 0;
		v->rule = NULL;
	} else if (!*v->message) {
		(void)snprintf(v->message, sizeof v->message,
			       "enhanced container isolation: the request could not be judged, so it is blocked");
	}
	if (v->what != JUDGE_PASS && *q->socket_token) {
		grants_drop(q->host->grants, q->socket_token);
		*q->socket_token = '\0';
	}
}

char *judge_target(const struct judge_request *q, const struct judge_verdict *v)
{
	return target_write(q->version, q->pinned_path ? q->pinned_path : q->path, q->query, q->n_query,
			    v->query_set, v->n_query_set);
}

void judge_request_done(struct judge_request *q)
{
	json_decref(q->body);
	free(q->heap);
	free(q->segment_heap);
	free(q->pinned_path);
	free(q->made_name);
	free(q->made_filters);
	*q = (struct judge_request){ 0 };
}
