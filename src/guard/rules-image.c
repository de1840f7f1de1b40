/* SPDX-License-Identifier: Apache-2.0 */
/* Images and builds (E102-E107, A128-A133). */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/json-read.h"
#include "guard/rules.h"

int judge_image_load(struct judge_request *q, struct judge_verdict *v)
{
	struct judging j = { .q = q, .v = v };

	if (!json_is_true(member_fold(member_fold(q->settings->json, "blockDockerLoad"), "value")))
		return 0;
	v->setting = "blockDockerLoad";
	return refuse(
		&j, 403, "image load",
		"enhanced container isolation: docker load is blocked by blockDockerLoad in %s; pull the image "
		"from a registry",
		q->settings->file ? q->settings->file : "the settings");
}

int judge_image_create(struct judge_request *q, struct judge_verdict *v)
{
	static const char *const known[] = { "fromImage", "fromSrc",  "repo",	 "tag",
					     "message",	  "platform", "registry" };
	static const char *const repeatable[] = { "changes" };
	struct judging j = { .q = q, .v = v };
	const char *source = query_get(q, "fromSrc"), *image = query_get(q, "fromImage");
	int r = query_closed(&j, known, ARRAY_SIZE(known), repeatable, ARRAY_SIZE(repeatable));

	if (r == 0)
		r = socket_changes(&j);
	if (r < 0 || !source || !*source)
		return r;
	if (image && *image)
		return refuse(&j, 400, "image import",
			      "enhanced container isolation: either fromImage, to pull, or fromSrc, to import");
	if (strcmp(source, "-") == 0)
		return 0;
	return refuse(
		&j, 403, "image import",
		"enhanced container isolation: importing from an address is blocked, as the engine would fetch it "
		"from the host's "
		"network; fetch it yourself: curl ADDRESS | docker import -");
}

/* ---- builds ---- */

#define OUT_OF_BUILD "use a docker-container builder: docker buildx create --driver docker-container --use"

/* E102: RUN steps are containers that the engine makes by itself, with its own runc. */
static int builds_are_isolated(struct judging *j)
{
	if (j->q->host && j->q->host->runc_is_caisson)
		return 0;
	return refuse(
		j, 403, "build runtime",
		"enhanced container isolation: builds run under the engine's own runc, which is not Caisson here, "
		"so they are blocked; "
		"an administrator lets the engine resolve runc to Caisson (caissonctl install), until then "
		"" OUT_OF_BUILD);
}

static int judge_build_network(struct judging *j, const char *mode)
{
	static const char prefix[] = "container:";
	int r;

	if (!mode)
		return socket_network(j, "");
	if (strncmp(mode, prefix, sizeof prefix - 1) == 0)
		return container_ours(j, mode + sizeof prefix - 1, NULL);
	r = network_named(j, mode);
	if (r < 0 || !j->host_ns[OCI_NS_NETWORK])
		return r;
	return refuse(j, 403, "build network",
		      "enhanced container isolation: network.host is not allowed: a build can't share the host's "
		      "network; " OUT_OF_BUILD);
}

static const struct field output_fields[] = {
	{ "Type", FIELD_STRING, NULL, NULL },
	{ "Attrs", FIELD_STRING_MAP, NULL, NULL },
};
static const struct shape output_shape = { output_fields, ARRAY_SIZE(output_fields), false };

/* Exporters write to the engine's images or to the client; one that is not known might write elsewhere. */
static int judge_output(struct judging *j, json_t *output)
{
	static const char *const types[] = { "",      "moby", "image",	   "docker",  "oci",
					     "local", "tar",  "cacheonly", "registry" };
	const char *type, *push;
	int r;

	if (!json_is_object(output))
		return refuse(j, 400, "build outputs", "enhanced container isolation: outputs must be objects");
	r = shape_apply(j, &output_shape, output);
	if (r < 0)
		return r;
	type = json_string_value(json_object_get(output, "Type"));
	push = json_string_value(json_object_get(json_object_get(output, "Attrs"), "push"));
	/* E81: what /images/{}/push would do. */
	if (((type && strcmp(type, "registry") == 0) || (push && strcmp(push, "false") != 0)) &&
	    !socket_route_allowed(j->q, "image_push"))
		return socket_blocked(j, "build --push");
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(type ? type : "", types[i]) == 0)
			return 0;
	return refuse(j, 403, "build outputs",
		      "enhanced container isolation: build output of type \"%.64s\" is blocked", type);
}

static int judge_outputs(struct judging *j, const char *text)
{
	struct err e = { 0 };
	json_t *outputs, *v;
	size_t i;
	int r;

	if (!text || !*text)
		return 0;
	r = json_read("outputs", text, strlen(text), &outputs, &e);
	if (r < 0)
		return refuse(j, 400, "build outputs", "enhanced container isolation: %s", e.msg);
	if (!json_is_array(outputs))
		r = refuse(j, 400, "build outputs", "enhanced container isolation: outputs must be an array");
	json_array_foreach(outputs, i, v) {
		r = judge_output(j, v);
		if (r < 0)
			break;
	}
	json_decref(outputs);
	return r;
}

int judge_build(struct judge_request *q, struct judge_verdict *v)
{
	static const char *const known[] = {
		"dockerfile", "q",	   "nocache",	   "cachefrom",	  "pull",	"rm",
		"forcerm",    "memory",	   "memswap",	   "cpushares",	  "cpusetcpus", "cpusetmems",
		"cpuperiod",  "cpuquota",  "cgroupparent", "networkmode", "shmsize",	"squash",
		"labels",     "buildargs", "ulimits",	   "target",	  "remote",	"session",
		"platform",   "isolation", "buildid",	   "version",	  "outputs",
	};
	static const char *const repeatable[] = { "t", "extrahosts", "securityopt" };
	struct judging j = { .q = q, .v = v };
	const char *builder = query_get(q, "version");
	int r = builds_are_isolated(&j);

	if (r == 0)
		r = query_closed(&j, known, ARRAY_SIZE(known), repeatable, ARRAY_SIZE(repeatable));
	if (r == 0)
		r = judge_build_network(&j, query_get(q, "networkmode"));
	if (r == 0 && builder && *builder && strcmp(builder, "1") != 0)
		r = socket_buildkit(&j);
	if (r == 0 && query_get(q, "cgroupparent"))
		r = cgroup_parent(&j, query_get(q, "cgroupparent"));
	for (size_t i = 0; r == 0 && i < q->n_query; i++)
		if (strcmp(q->query[i].key, "securityopt") == 0)
			r = security_option(&j, q->query[i].value);
	if (r == 0)
		r = build_context(&j, query_get(q, "remote"));
	if (r == 0)
		r = judge_outputs(&j, query_get(q, "outputs"));
	return r < 0 ? r : socket_build(&j);
}

int judge_grpc(struct judge_request *q, struct judge_verdict *v)
{
	struct judging j = { .q = q, .v = v };

	if (builds_are_isolated(&j) < 0)
		return -EPERM;
	if (socket_buildkit(&j) < 0)
		return -EPERM;
	if (q->host->builds_are_closed)
		return 0;
	return refuse(&j, 403, "build entitlements",
		      "enhanced container isolation: BuildKit's own protocol is blocked, as this engine grants "
		      "network.host to whoever asks: "
		      "network.host is not allowed; an administrator switches it off in daemon.json "
		      "(builder.entitlements), until then " OUT_OF_BUILD);
}
