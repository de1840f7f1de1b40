/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/solve.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/json-read.h"
#include "guard/protobuf.h"
#include "guard/rules.h"

/*
 * Messages: buildkit's api/services/control/control.proto, frontend/gateway/pb/gateway.proto and
 * solver/pb/ops.proto, up to v0.2x. Field numbers never change there; new ones are refused until they are here.
 */

#define OUT_OF_BUILD "use a docker-container builder: docker buildx create --driver docker-container --use"
#define ECI	     "enhanced container isolation: "

struct solving {
	struct judging j;
	struct err e;
};

struct solve_method {
	const char *path;
	const struct pb_shape *shape; /* NULL: passes as it is */
	const char *refused;	      /* why, or NULL */
};

/* @v as a string; NULL, with the refusal, when it is none. malloc'd. */
static char *text_of(struct solving *s, const char *data, size_t len)
{
	char *text = memchr(data, '\0', len) ? NULL : strndup(data, len);

	if (!text)
		(void)refuse(&s->j, 400, "build request", ECI "a text in the build request contains NUL");
	return text;
}

static bool is_one_of(const char *data, size_t len, const char *const list[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (pb_equal(data, len, list[i]))
			return true;
	return false;
}

static bool starts(const char *data, size_t len, const char *prefix)
{
	size_t n = strlen(prefix);

	return len >= n && memcmp(data, prefix, n) == 0;
}

/* Does it come from the client's own session, or from an image? Then the engine fetches no address for it. */
static bool is_no_address(const char *data, size_t len)
{
	static const char *const prefixes[] = {
		"local:", "input:", "docker-image:", "docker-image+blob:", "oci-layout:", "oci-layout+blob:"
	};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (starts(data, len, prefixes[i]))
			return true;
	return len == 0;
}

static int judge_address(struct solving *s, const char *data, size_t len)
{
	_cleanup_free_ char *text = NULL;

	if (is_no_address(data, len))
		return 0;
	text = text_of(s, data, len);
	return text ? build_context(&s->j, text) : -EPERM;
}

/* ---- LLB ---- */

static int rule_network(void *ctx, const struct pb_value *v)
{
	struct solving *s = ctx;

	if (v->number == 0 || v->number == 2) /* of its own, or none */
		return 0;
	return refuse(&s->j, 403, "build network",
		      ECI "network.host is not allowed: a build can't share the host's network; " OUT_OF_BUILD);
}

static int rule_security(void *ctx, const struct pb_value *v)
{
	struct solving *s = ctx;

	if (v->number == 0)
		return 0;
	return refuse(&s->j, 403, "build entitlements",
		      ECI "security.insecure is not allowed: a build can't be privileged; " OUT_OF_BUILD);
}

static int rule_devices(void *ctx, const struct pb_value *v)
{
	struct solving *s = ctx;

	(void)v;
	return refuse(&s->j, 403, "build entitlements",
		      ECI "device is not allowed: a build gets no devices; " OUT_OF_BUILD);
}

static int rule_mount_type(void *ctx, const struct pb_value *v)
{
	struct solving *s = ctx;

	if (v->number <= 4) /* another step's result, secret, ssh, cache, tmpfs */
		return 0;
	return refuse(&s->j, 403, "build mounts", ECI "a mount of type %llu in a build is not known",
		      (unsigned long long)v->number);
}

static int rule_cgroup_parent(void *ctx, const struct pb_value *v)
{
	struct solving *s = ctx;
	_cleanup_free_ char *text = text_of(s, v->data, v->len);

	return text ? cgroup_parent(&s->j, text) : -EPERM;
}

static int rule_nested_build(void *ctx, const struct pb_value *v)
{
	struct solving *s = ctx;

	(void)v;
	return refuse(&s->j, 403, "build request",
		      ECI "a build inside of a build (BuildOp) can't be judged, so it is blocked; " OUT_OF_BUILD);
}

static int rule_source(void *ctx, const struct pb_value *v)
{
	return judge_address(ctx, v->data, v->len);
}

static int rule_source_attr(void *ctx, const struct pb_value *v)
{
	/* Takes the place of the identifier's address. */
	return pb_equal(v->key, v->key_len, "git.fullurl") ? judge_address(ctx, v->data, v->len) : 0;
}

static const struct pb_field meta_fields[] = {
	{ 1, PB_BYTES, true }, { 2, PB_BYTES, true },  { 3, PB_BYTES },
	{ 4, PB_BYTES },       { 5, PB_BYTES },	       { 6, PB_BYTES, true },
	{ 7, PB_BYTES },       { 9, PB_BYTES, true },  { 10, PB_BYTES, .rule = rule_cgroup_parent },
	{ 11, PB_INT },	       { 12, PB_BYTES, true },
};
static const struct pb_shape meta_shape = { "Meta", meta_fields, ARRAY_SIZE(meta_fields) };

static const struct pb_field mount_fields[] = {
	{ 1, PB_INT },	  { 2, PB_BYTES },  { 3, PB_BYTES },
	{ 4, PB_INT },	  { 5, PB_INT },    { 6, PB_INT, .rule = rule_mount_type },
	{ 19, PB_BYTES }, { 20, PB_BYTES }, { 21, PB_BYTES },
	{ 22, PB_BYTES }, { 23, PB_BYTES }, { 24, PB_INT },
};
static const struct pb_shape mount_shape_pb = { "Mount", mount_fields, ARRAY_SIZE(mount_fields) };

static const struct pb_field exec_fields[] = {
	{ 1, PB_MESSAGE, .of = &meta_shape },
	{ 2, PB_MESSAGE, true, &mount_shape_pb },
	{ 3, PB_INT, .rule = rule_network },
	{ 4, PB_INT, .rule = rule_security },
	{ 5, PB_BYTES, true },
	{ 6, PB_BYTES, true, .rule = rule_devices },
};
static const struct pb_shape exec_shape = { "ExecOp", exec_fields, ARRAY_SIZE(exec_fields) };

static const struct pb_field source_fields[] = {
	{ 1, PB_BYTES, .rule = rule_source },
	{ 2, PB_MAP, true, .rule = rule_source_attr },
};
static const struct pb_shape source_shape = { "SourceOp", source_fields, ARRAY_SIZE(source_fields) };

static const struct pb_field op_fields[] = {
	{ 1, PB_BYTES, true },
	{ 2, PB_MESSAGE, .of = &exec_shape },
	{ 3, PB_MESSAGE, .of = &source_shape },
	{ 4, PB_BYTES },
	{ 5, PB_BYTES, .rule = rule_nested_build },
	{ 6, PB_BYTES },
	{ 7, PB_BYTES },
	{ 10, PB_BYTES },
	{ 11, PB_BYTES },
};
static const struct pb_shape op_shape = { "Op", op_fields, ARRAY_SIZE(op_fields) };

/* ops, their metadata, their places in source files */
static const struct pb_field definition_fields[] = {
	{ 1, PB_MESSAGE, true, &op_shape },
	{ 2, PB_MAP, true },
	{ 3, PB_BYTES },
};
static const struct pb_shape definition_shape = { "Definition", definition_fields, ARRAY_SIZE(definition_fields) };

/* ---- Solve ---- */

static int rule_entitlement(void *ctx, const struct pb_value *v)
{
	struct solving *s = ctx;
	bool known = v->len <= 64 && !memchr(v->data, '\0', v->len);

	return refuse(&s->j, 403, "build entitlements", ECI "entitlement %.*s is not allowed; " OUT_OF_BUILD,
		      known ? (int)v->len : 1, known ? v->data : "?");
}

static int rule_frontend(void *ctx, const struct pb_value *v)
{
	static const char *const known[] = { "", "dockerfile.v0", "gateway.v0" };
	struct solving *s = ctx;

	if (is_one_of(v->data, v->len, known, ARRAY_SIZE(known)))
		return 0;
	return refuse(
		&s->j, 403, "build frontend",
		ECI
		"a build frontend other than dockerfile.v0 and gateway.v0 is not known, so it is blocked; " OUT_OF_BUILD);
}

static int judge_cache_type(struct solving *s, const char *data, size_t len)
{
	static const char *const known[] = { "registry", "inline", "local" };

	if (is_one_of(data, len, known, ARRAY_SIZE(known)))
		return 0;
	return refuse(
		&s->j, 403, "build cache",
		ECI "a build cache of another type than registry, inline or local is blocked, as the engine would "
		    "reach it with the host's network and credentials; " OUT_OF_BUILD);
}

static int rule_cache_type(void *ctx, const struct pb_value *v)
{
	return judge_cache_type(ctx, v->data, v->len);
}

/* The same list as in CacheOptions, as JSON. */
static int judge_cache_imports(struct solving *s, const char *data, size_t len)
{
	struct err e = { 0 };
	json_t *list = NULL, *one;
	size_t i;
	int r = 0;

	if (json_read("cache-imports", data, len, &list, &e) < 0)
		return refuse(&s->j, 400, "build cache", ECI "%s", e.msg);
	if (!json_is_array(list))
		r = refuse(&s->j, 400, "build cache", ECI "cache-imports must be an array");
	json_array_foreach(list, i, one) {
		const char *key, *type = NULL;
		json_t *v;

		/* Go takes keys in any case. */
		json_object_foreach(one, key, v) {
			if (!key_equal_fold(key, "Type"))
				continue;
			if (type || !json_is_string(v))
				r = refuse(&s->j, 400, "build cache",
					   ECI "cache-imports: Type must be one string");
			type = json_string_value(v);
		}
		if (r == 0)
			r = judge_cache_type(s, type ? type : "", type ? strlen(type) : 0);
		if (r < 0)
			break;
	}
	json_decref(list);
	return r;
}

static int judge_network_mode(struct solving *s, const char *data, size_t len)
{
	static const char *const own[] = { "", "default", "sandbox", "none" };
	const struct pb_value host = { .number = 1 };

	return is_one_of(data, len, own, ARRAY_SIZE(own)) ? 0 : rule_network(s, &host);
}

static bool is_attr_known(const char *key, size_t len)
{
	static const char *const names[] = {
		"add-hosts",
		"cache-from",
		"cmdline",
		"contextkey",
		"contextsubdir",
		"dockerfilekey",
		"filename",
		"frontend.caps",
		"hostname",
		"image-resolve-mode",
		"multi-platform",
		"no-cache",
		"override-copy-image",
		"platform",
		"requestid",
		"shm-size",
		"source",
		"target",
		"ulimit",
	};
	static const char *const prefixes[] = { "attest:", "build-arg:", "input-metadata:",  "input:",
						"label:",  "linux.",	 "local-sessionid:", "vcs:" };

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (starts(key, len, prefixes[i]))
			return true;
	return is_one_of(key, len, names, ARRAY_SIZE(names));
}

static int rule_frontend_attr(void *ctx, const struct pb_value *v)
{
	struct solving *s = ctx;
	_cleanup_free_ char *key = NULL;

	if (pb_equal(v->key, v->key_len, "force-network-mode"))
		return judge_network_mode(s, v->data, v->len);
	if (pb_equal(v->key, v->key_len, "cgroup-parent"))
		return rule_cgroup_parent(s, v);
	if (pb_equal(v->key, v->key_len, "cache-imports"))
		return judge_cache_imports(s, v->data, v->len);
	if (pb_equal(v->key, v->key_len, "context") || starts(v->key, v->key_len, "context:"))
		return judge_address(s, v->data, v->len);
	if (is_attr_known(v->key, v->key_len))
		return 0;
	key = text_of(s, v->key, v->key_len);
	return key ? refuse(&s->j, 403, "build request",
			    ECI "build option \"%.64s\" is not known, so it is blocked", key)
		   : -EPERM;
}

/* E81: what POST /images/{}/push would do. */
static int judge_push(struct solving *s)
{
	return socket_route_allowed(s->j.q, "image_push") ? 0 : socket_blocked(&s->j, "build --push");
}

static int rule_exporter_attr(void *ctx, const struct pb_value *v)
{
	static const char *const no[] = {
		"false", "0", "f", "F", "FALSE", "False"
	}; /* Go's ParseBool; "" is true */

	if (!pb_equal(v->key, v->key_len, "push") || is_one_of(v->data, v->len, no, ARRAY_SIZE(no)))
		return 0;
	return judge_push(ctx);
}

/* A cache that is exported to a registry is pushed there. */
static int rule_cache_export(void *ctx, const struct pb_value *v)
{
	struct solving *s = ctx;

	return v->len && !socket_route_allowed(s->j.q, "image_push") ? socket_blocked(&s->j, "build --cache-to")
								     : 0;
}

static int rule_cache_export_type(void *ctx, const struct pb_value *v)
{
	int r = rule_cache_type(ctx, v);

	return r == 0 && pb_equal(v->data, v->len, "registry") ? rule_cache_export(ctx, v) : r;
}

/* Exporters write to the engine's images, to a registry or to the client; one that is not known might write elsewhere. */
static int rule_exporter(void *ctx, const struct pb_value *v)
{
	static const char *const known[] = { "",      "moby", "image",	   "docker",  "oci",
					     "local", "tar",  "cacheonly", "registry" };
	struct solving *s = ctx;

	if (pb_equal(v->data, v->len, "registry"))
		return judge_push(s);
	if (is_one_of(v->data, v->len, known, ARRAY_SIZE(known)))
		return 0;
	return refuse(
		&s->j, 403, "build outputs",
		ECI
		"a build output of another type than image, docker, oci, local, tar, registry or cacheonly is blocked");
}

static int rule_source_policy(void *ctx, const struct pb_value *v)
{
	struct solving *s = ctx;

	(void)v;
	return refuse(&s->j, 403, "build request",
		      ECI "source policies, which replace one address of a build by another, are blocked; unset "
			  "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY");
}

static const struct pb_field cache_entry_fields[] = {
	{ 1, PB_BYTES, .rule = rule_cache_type },
	{ 2, PB_MAP, true },
};
static const struct pb_shape cache_entry_shape = { "CacheOptionsEntry", cache_entry_fields,
						   ARRAY_SIZE(cache_entry_fields) };

static const struct pb_field cache_export_fields[] = {
	{ 1, PB_BYTES, .rule = rule_cache_export_type },
	{ 2, PB_MAP, true },
};
static const struct pb_shape cache_export_shape = { "CacheOptionsEntry", cache_export_fields,
						    ARRAY_SIZE(cache_export_fields) };

/* 1 to 3: registry references, of old clients */
static const struct pb_field cache_fields[] = {
	{ 1, PB_BYTES, .rule = rule_cache_export },
	{ 2, PB_BYTES, true },
	{ 3, PB_MAP, true },
	{ 4, PB_MESSAGE, true, &cache_export_shape },
	{ 5, PB_MESSAGE, true, &cache_entry_shape },
};
static const struct pb_shape cache_shape = { "CacheOptions", cache_fields, ARRAY_SIZE(cache_fields) };

static const struct pb_field exporter_fields[] = {
	{ 1, PB_BYTES, .rule = rule_exporter },
	{ 2, PB_MAP, true, .rule = rule_exporter_attr },
};
static const struct pb_shape exporter_shape = { "Exporter", exporter_fields, ARRAY_SIZE(exporter_fields) };

static const struct pb_field solve_fields[] = {
	{ 1, PB_BYTES }, /* Ref */
	{ 2, PB_MESSAGE, .of = &definition_shape },
	{ 3, PB_BYTES, .rule = rule_exporter },
	{ 4, PB_MAP, true, .rule = rule_exporter_attr }, /* the exporter's */
	{ 5, PB_BYTES },				 /* Session */
	{ 6, PB_BYTES, .rule = rule_frontend },
	{ 7, PB_MAP, true, .rule = rule_frontend_attr },
	{ 8, PB_MESSAGE, .of = &cache_shape },
	{ 9, PB_BYTES, true, .rule = rule_entitlement },
	{ 10, PB_MAP_OF, true, &definition_shape }, /* FrontendInputs */
	{ 11, PB_INT },				    /* Internal: not in the history */
	{ 12, PB_BYTES, .rule = rule_source_policy },
	{ 13, PB_MESSAGE, true, &exporter_shape },
	{ 14, PB_INT },				      /* EnableSessionExporter */
	{ 15, PB_BYTES, .rule = rule_source_policy }, /* the session that would be asked for one */
};
static const struct pb_shape solve_shape = { "SolveRequest", solve_fields, ARRAY_SIZE(solve_fields) };

/* ---- LLBBridge: clients that are a frontend themselves ---- */

static const struct pb_field bridge_solve_fields[] = {
	{ 1, PB_MESSAGE, .of = &definition_shape },
	{ 2, PB_BYTES, .rule = rule_frontend },
	{ 3, PB_MAP, true, .rule = rule_frontend_attr },
	{ 4, PB_BYTES, true }, /* registry references */
	{ 5, PB_INT },
	{ 6, PB_INT },
	{ 10, PB_INT },
	{ 11, PB_BYTES }, /* ExporterAttr */
	{ 12, PB_MAP_OF, true, &definition_shape },
	{ 13, PB_MESSAGE, true, &cache_entry_shape },
	{ 14, PB_INT },
	{ 15, PB_BYTES, true, .rule = rule_source_policy },
};
static const struct pb_shape bridge_solve_shape = { "SolveRequest", bridge_solve_fields,
						    ARRAY_SIZE(bridge_solve_fields) };

static const struct pb_field source_meta_fields[] = {
	{ 1, PB_MESSAGE, .of = &source_shape },
	{ 2, PB_BYTES },
	{ 3, PB_BYTES },
	{ 4, PB_BYTES },
	{ 8, PB_BYTES, true, .rule = rule_source_policy },
};
static const struct pb_shape source_meta_shape = { "ResolveSourceMetaRequest", source_meta_fields,
						   ARRAY_SIZE(source_meta_fields) };

/* ---- methods ---- */

#define CONTROL "/moby.buildkit.v1.Control/"
#define BRIDGE	"/moby.buildkit.v1.frontend.LLBBridge/"

static const char no_session[] = ECI
	"BuildKit's sessions inside of /grpc can't be judged, so they are blocked; open them by POST /session, as docker "
	"and buildx do";
static const char no_container[] = ECI
	"containers of a build frontend (buildx debug, --invoke) can't be judged, so they are blocked; " OUT_OF_BUILD;

static const struct solve_method methods[] = {
	{ CONTROL "Solve", &solve_shape, NULL },
	{ CONTROL "Status", NULL, NULL },
	{ CONTROL "Info", NULL, NULL },
	{ CONTROL "ListWorkers", NULL, NULL },
	{ CONTROL "DiskUsage", NULL, NULL },
	{ CONTROL "Prune", NULL, NULL },
	{ CONTROL "ListenBuildHistory", NULL, NULL },
	{ CONTROL "UpdateBuildHistory", NULL, NULL },
	{ CONTROL "Session", NULL, no_session },
	{ BRIDGE "Ping", NULL, NULL },
	{ BRIDGE "Solve", &bridge_solve_shape, NULL },
	{ BRIDGE "ResolveImageConfig", NULL, NULL },
	{ BRIDGE "ResolveSourceMeta", &source_meta_shape, NULL },
	{ BRIDGE "ReadFile", NULL, NULL },
	{ BRIDGE "ReadDir", NULL, NULL },
	{ BRIDGE "StatFile", NULL, NULL },
	{ BRIDGE "Evaluate", NULL, NULL },
	{ BRIDGE "Return", NULL, NULL },
	{ BRIDGE "Inputs", NULL, NULL },
	{ BRIDGE "Warn", NULL, NULL },
	{ BRIDGE "NewContainer", NULL, no_container },
	{ BRIDGE "ReleaseContainer", NULL, no_container },
	{ BRIDGE "ExecProcess", NULL, no_container },
	{ "/grpc.health.v1.Health/Check", NULL, NULL },
	/* buildx's, after each build. The engine hands it to the collector that its administrator named, if any. */
	{ "/opentelemetry.proto.collector.trace.v1.TraceService/Export", NULL, NULL },
};

const struct solve_method *solve_method(const char *path, struct judge_verdict *v)
{
	struct judging j = { .v = v };

	*v = (struct judge_verdict){ .what = JUDGE_REFUSE };
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		if (strcmp(methods[i].path, path) != 0)
			continue;
		if (!methods[i].refused)
			return &methods[i];
		(void)refuse(&j, 403, "build request", "%s", methods[i].refused);
		return NULL;
	}
	(void)refuse(&j, 501, "closed world", ECI "gRPC method \"%.128s\" is not known, so it is blocked", path);
	return NULL;
}

const char *solve_method_path(const struct solve_method *m)
{
	return m->path;
}

void solve_judge(const struct solve_method *m, const void *message, size_t len, struct judge_request *q,
		 struct judge_verdict *v)
{
	struct solving s = { .j = { .q = q, .v = v } };

	*v = (struct judge_verdict){ .what = JUDGE_REFUSE, .status = 403, .rule = "closed world" };
	if (m->shape && pb_walk(m->shape, message, len, &s, &s.e) < 0) {
		if (!*v->message)
			(void)refuse(&s.j, 400, "build request",
				     ECI "the build request can't be judged, so it is blocked: %s", s.e.msg);
		return;
	}
	*v = (struct judge_verdict){ .what = JUDGE_PASS };
}
