/* SPDX-License-Identifier: Apache-2.0 */
/* Requests through a container's Docker socket, and requests for one, with a store and a trust that say what a test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "codec/json-read.h"
#include "guard/engine.h"
#include "guard/rules.h"
#include "socket/grants.h"
#include "socket/trust.h"

#define SCOPE	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TOKEN	 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define SOCKET	 "/run/caisson/sockets/" TOKEN "/docker.sock"
#define ID_OWN	 "1111111111111111111111111111111111111111111111111111111111111111"
#define ID_OTHER "2222222222222222222222222222222222222222222222222222222222222222"
#define ID_SELF	 "3333333333333333333333333333333333333333333333333333333333333333"
#define IMAGE_ID "sha256:4444444444444444444444444444444444444444444444444444444444444444"

#define CONTAINER(name, id, labels, mounts)                                                                    \
	{                                                                                                      \
		"/containers/" name "/json",                                                                   \
			"{\"Id\": \"" id "\", \"Image\": \"" IMAGE_ID "\", \"Config\": {\"Image\": \"tool\", " \
			"\"Labels\": {" labels                                                                 \
			"}}, \"HostConfig\": {\"Runtime\": \"sysbox-runc\"}, \"Mounts\": [" mounts "]}"        \
	}
#define OWN_LABEL "\"io.caisson.scope\": \"" SCOPE "\""

static const struct {
	const char *path, *answer;
} objects[] = {
	CONTAINER("own", ID_OWN, OWN_LABEL, ""),
	CONTAINER("other", ID_OTHER, "\"a\": \"b\"", ""),
	CONTAINER(ID_OTHER, ID_OTHER, "\"a\": \"b\"", ""),
	CONTAINER(ID_OWN, ID_OWN, OWN_LABEL, ""),
	CONTAINER("self", ID_SELF, "", ""),
	CONTAINER("holder", ID_OTHER, OWN_LABEL,
		  "{\"Type\": \"bind\", \"Source\": \"" SOCKET "\", \"Destination\": \"/var/run/docker.sock\"}"),
	{ "/images/tool/json", "{\"Id\": \"" IMAGE_ID "\", \"Config\": {}}" },
	{ "/images/made/json", "{\"Id\": \"" IMAGE_ID "\", \"Config\": {\"Labels\": {" OWN_LABEL "}}}" },
	{ "/images/" IMAGE_ID "/json", "{\"Id\": \"" IMAGE_ID "\", \"Config\": {}}" },
	{ "/images/sha256%3A4444444444444444444444444444444444444444444444444444444444444444/json",
	  "{\"Id\": \"" IMAGE_ID "\", \"Config\": {}}" },
	{ "/networks/mine", "{\"Name\": \"mine\", \"Driver\": \"bridge\", \"Labels\": {" OWN_LABEL "}}" },
	{ "/networks/theirs", "{\"Name\": \"theirs\", \"Driver\": \"bridge\", \"Labels\": {}}" },
	{ "/networks/bridge",
	  "{\"Name\": \"bridge\", \"Driver\": \"bridge\", \"Labels\": {}, \"Containers\": {\"x\": {}}}" },
	{ "/volumes/mine", "{\"Name\": \"mine\", \"Driver\": \"local\", \"Labels\": {" OWN_LABEL "}}" },
	{ "/volumes/theirs", "{\"Name\": \"theirs\", \"Driver\": \"local\", \"Labels\": null}" },
	{ "/exec/e1/json", "{\"ID\": \"e1\", \"ContainerID\": \"" ID_OWN "\"}" },
	{ "/exec/e2/json", "{\"ID\": \"e2\", \"ContainerID\": \"" ID_OTHER "\"}" },
};

int engine_get(struct judge_engine *engine, const char *path, json_t **ret, struct err *e)
{
	(void)engine;
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
		if (strcmp(objects[i].path, path) == 0)
			return (*ret = json_loads(objects[i].answer, 0, NULL))
				       ? 0
				       : err_set(e, EIO, "bad test object");
	return err_set(e, ENOENT, "no such object");
}

static char volume_made[512];

int engine_call(struct judge_engine *engine, const struct engine_call *call, char **ret_body, size_t *ret_len,
		struct err *e)
{
	(void)engine;
	(void)e;
	(void)snprintf(volume_made, sizeof volume_made, "%.*s", (int)call->len, (const char *)call->body);
	*ret_body = strdup("{}");
	*ret_len = 2;
	return 201;
}

/* ---- a trust and a store ---- */

static enum trust_why why;
static unsigned made, dropped, bound;
static char bound_to[80], scope_of_new[40], entry_of_new[80];
static struct docker_routes used, refused;

void trust_decide(struct trust *t, const struct settings *s, const struct trust_engine *engine,
		  const struct trust_image *image, uid_t uid, struct trust_answer *ret)
{
	(void)t;
	(void)engine;
	(void)uid;
	assert_string_equal(image->id, IMAGE_ID);
	*ret = (struct trust_answer){ .why = why, .entry = why == TRUST_ALLOWED ? &s->socket.images[0] : NULL };
	(void)snprintf(ret->message, sizeof ret->message,
		       "Docker socket mount denied for container with image \"x\"; why");
}

int grants_new(struct grants *g, const struct grant *proto, char **ret_path,
	       char ret_token[static GRANT_TOKEN_LEN + 1], struct err *e)
{
	(void)g;
	(void)e;
	made++;
	(void)snprintf(scope_of_new, sizeof scope_of_new, "%s", proto->scope);
	(void)snprintf(entry_of_new, sizeof entry_of_new, "%s", proto->entry);
	memcpy(ret_token, TOKEN, sizeof TOKEN);
	*ret_path = strdup(SOCKET);
	return *ret_path ? 0 : -ENOMEM;
}

int grants_bind(struct grants *g, const char *token, const char *container, const struct grant *proto,
		struct err *e)
{
	(void)g;
	(void)proto;
	assert_string_equal(token, TOKEN);
	if (*bound_to && strcmp(bound_to, container) != 0)
		return err_set(e, EEXIST, "another's");
	bound++;
	return 0;
}

void grants_drop(struct grants *g, const char *token)
{
	(void)g;
	assert_string_equal(token, TOKEN);
	dropped++;
}

bool grants_token(const struct grants *g, const char *path, char ret[static GRANT_TOKEN_LEN + 1])
{
	(void)g;
	if (strcmp(path, SOCKET) != 0)
		return false;
	memcpy(ret, TOKEN, sizeof TOKEN);
	return true;
}

struct grant *grants_ref(struct grants *g, const char *token)
{
	(void)g;
	(void)token;
	return NULL;
}

void grants_unref(struct grants *g, struct grant *g2)
{
	(void)g;
	(void)g2;
}

static unsigned waiting;

int grants_each(struct grants *g, int (*f)(void *ctx, struct grant *grant), void *ctx)
{
	struct grant one = { .scope = SCOPE };

	(void)g;
	for (unsigned i = 0; i < waiting; i++)
		if (f(ctx, &one))
			return 1;
	return 0;
}

void grants_count(struct grants *g, struct grant *grant, int route, bool was_refused)
{
	(void)g;
	(void)grant;
	docker_routes_set(was_refused ? &refused : &used, route);
}

/* ---- rows ---- */

static struct settings settings;
static char tool[] = "tool";
static struct grant grant = { .scope = SCOPE, .container = ID_SELF, .image = tool, .entry = tool };
static const struct judge_host host = { .runc_is_caisson = true,
					.builds_are_closed = true,
					.trust = (struct trust *)&settings,
					.grants = (struct grants *)&settings };

static void use(const char *docker, const char *ours)
{
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };

	settings_done(&settings);
	settings = (struct settings){ 0 };
	assert_true(
		asprintf(
			&text,
			"{\"enhancedContainerIsolation\": {\"value\": true, \"dockerSocketMount\": %s}, \"caisson\": %s}",
			docker, ours) > 0);
	if (settings_parse("/etc/caisson/admin-settings.json", text, strlen(text), &settings, &e) < 0)
		fail_msg("%s", e.msg);
	why = TRUST_ALLOWED;
	made = dropped = bound = 0;
	*bound_to = '\0';
}

static void use_entry(const char *rules)
{
	_cleanup_free_ char *ours = NULL;

	assert_true(asprintf(&ours, "{\"dockerSocket\": {\"images\": [{\"image\": \"tool\"%s}]}}", rules) > 0);
	use("{}", ours);
}

/* @says: words of the refusal; NULL: passes. @out: what is sent on contains this, NULL: not looked at. */
static void row(struct grant *via, const char *method, const char *target, const char *in, int status,
		const char *says, const char *out)
{
	struct judge_request q = { .settings = &settings, .host = &host };
	struct judge_verdict v = { 0 };
	struct err e = { 0 };
	_cleanup_free_ char *body = NULL, *sent = NULL;

	if (judge_route(method, target, &q, &v) < 0)
		fail_msg("%s %s: %s", method, target, v.message);
	q.grant = via;
	q.target = target;
	if (in && json_read("test", in, strlen(in), &q.body, &e) < 0)
		fail_msg("%s: %s", in, e.msg);
	judge(&q, &v);
	if (v.what == JUDGE_ANSWER && out && strstr(v.answer, out)) {
		free(v.answer);
		judge_request_done(&q);
		return;
	}
	if ((v.what == JUDGE_PASS) != !says)
		fail_msg("%s %s: %s: %s", method, target, v.what == JUDGE_PASS ? "passed" : "refused", v.message);
	if (says && (!strstr(v.message, says) || v.status != status))
		fail_msg("%s %s: %d %s", method, target, v.status, v.message);
	body = q.body ? json_dumps(q.body, JSON_COMPACT) : strdup("");
	sent = judge_target(&q, &v);
	if (out && !strstr(body, out) && !strstr(sent, out))
		fail_msg("%s %s: sent on as %s %s", method, target, sent, body);
	judge_request_done(&q);
}

#define PASSES(method, target, in, out)		   row(&grant, method, target, in, 0, NULL, out)
#define REFUSED(method, target, in, status, words) row(&grant, method, target, in, status, words, NULL)

/* ---- for whom there is a socket ---- */

static void test_mount(void **state)
{
	static const char *const bodies[] = {
		"{\"Image\": \"tool\", \"HostConfig\": {\"Binds\": [\"/var/run/docker.sock:/var/run/docker.sock\"]}}",
		"{\"Image\": \"tool\", \"HostConfig\": {\"Binds\": [\"/run/../run/docker.sock:/s:ro\"]}}",
		"{\"Image\": \"tool\", \"HostConfig\": {\"Mounts\": [{\"Type\": \"bind\", \"Source\": "
		"\"/var/run/docker.sock\", \"Target\": \"/var/run/docker.sock\"}]}}",
		"{\"Image\": \"tool\", \"HostConfig\": {\"Binds\": [\"" SOCKET
		":/s\"]}}", /* as `docker inspect` says */
	};

	(void)state;
	use("{\"imageList\": {\"images\": [\"tool\"]}}", "{}");
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		row(NULL, "POST", "/containers/create", bodies[i], 0, NULL, SOCKET);
	assert_int_equal(made, ARRAY_SIZE(bodies));
	assert_int_equal(dropped, 0);
	/* An image that is not here: the engine says so. */
	row(NULL, "POST", "/containers/create",
	    "{\"Image\": \"missing\", \"HostConfig\": {\"Binds\": [\"/run/docker.sock:/s\"]}}", 0, NULL, SOCKET);
	made = 0;
	why = TRUST_NOT_LISTED;
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		row(NULL, "POST", "/containers/create", bodies[i], 403,
		    "enhanced container isolation: Docker socket mount denied", NULL);
	assert_int_equal(made, 0);
}

static void test_mount_elsewhere(void **state)
{
	(void)state;
	use("{\"imageList\": {\"images\": [\"*\"]}}", "{}");
	row(NULL, "POST", "/volumes/create",
	    "{\"Name\": \"v\", \"DriverOpts\": {\"type\": \"none\", \"o\": \"bind,ro\", \"device\": \"/run/docker.sock\"}}",
	    403, "ocker socket mount denied", NULL);
	row(NULL, "POST", "/containers/create",
	    "{\"Image\": \"tool\", \"HostConfig\": {\"Binds\": [\"/run/containerd/containerd.sock:/s\"]}}", 403,
	    "only the Docker Engine's own socket", NULL);
	row(NULL, "POST", "/containers/create",
	    "{\"Image\": \"tool\", \"HostConfig\": {\"Binds\": [\"/run:/s\"]}}", 403, "restricted host mount",
	    NULL);
	assert_int_equal(made, 0);
}

static void test_dropped_with_the_request(void **state)
{
	(void)state;
	use("{\"imageList\": {\"images\": [\"*\"]}}", "{}");
	row(NULL, "POST", "/containers/create",
	    "{\"Image\": \"tool\", \"HostConfig\": {\"Binds\": [\"/run/docker.sock:/s\"], \"PidMode\": \"host\"}}",
	    403, "can't share", NULL);
	assert_int_equal(made, 1);
	assert_int_equal(dropped, 1);
}

static void test_volumes_from(void **state)
{
	(void)state;
	use("{\"imageList\": {\"images\": [\"*\"]}}", "{}");
	row(NULL, "POST", "/containers/create",
	    "{\"Image\": \"tool\", \"HostConfig\": {\"VolumesFrom\": [\"holder\"]}}", 0, NULL,
	    "\"Binds\":[\"" SOCKET ":/var/run/docker.sock\"]");
	assert_int_equal(made, 1);
	why = TRUST_NOT_LISTED;
	row(NULL, "POST", "/containers/create",
	    "{\"Image\": \"tool\", \"HostConfig\": {\"VolumesFrom\": [\"holder\"]}}", 403,
	    "ocker socket mount denied", NULL);
}

static void test_start(void **state)
{
	(void)state;
	use("{\"imageList\": {\"images\": [\"*\"]}}", "{}");
	row(NULL, "POST", "/containers/holder/start", NULL, 0, NULL, ID_OTHER "/start");
	assert_int_equal(bound, 1);
	(void)snprintf(bound_to, sizeof bound_to, ID_OWN);
	row(NULL, "POST", "/containers/holder/start", NULL, 403, "belongs to another one", NULL);
	why = TRUST_MOVED;
	row(NULL, "POST", "/containers/holder/restart", NULL, 403, "ocker socket mount denied", NULL);
	assert_int_equal(bound, 1);
	/* The list has become empty since it was made. */
	use("{}", "{}");
	row(NULL, "POST", "/containers/holder/start", NULL, 403, "allowed image list is empty", NULL);
}

/* ---- commands ---- */

static void test_commands(void **state)
{
	(void)state;
	use("{\"imageList\": {\"images\": [\"tool\"]}, \"commandList\": {\"type\": \"deny\", \"commands\": [\"push\", \"build\"]}}",
	    "{}");
	REFUSED("POST", "/v1.43/images/my/image/push?tag=latest", NULL, 403,
		"enhanced container isolation: docker command \"/v1.43/images/my/image/push?tag=latest\" is blocked; if you wish "
		"to allow it, configure the docker socket command list in the admin-settings.");
	REFUSED("POST", "/build?t=x", NULL, 403, "is blocked");
	REFUSED("POST", "/grpc", NULL, 403, "is blocked");
	PASSES("GET", "/containers/json", NULL, NULL);
	PASSES("POST", "/images/create?fromImage=x", NULL, NULL);
	assert_true(docker_routes_has(&refused, docker_route_index("image_push")));
	assert_true(docker_routes_has(&used, docker_route_index("container_list")));

	use("{\"imageList\": {\"images\": [\"tool\"]}, \"commandList\": {\"type\": \"allow\", \"commands\": [\"ps\", \"volume*\"]}}",
	    "{}");
	PASSES("GET", "/_ping", NULL, NULL);
	PASSES("GET", "/version", NULL, NULL);
	PASSES("GET", "/containers/json?all=1", NULL, NULL);
	PASSES("GET", "/volumes", NULL, NULL);
	REFUSED("GET", "/images/json", NULL, 403, "is blocked");
	REFUSED("POST", "/images/create?fromSrc=-&repo=x", NULL, 403, "is blocked");
	/* The engine pulls what fromImage names, whatever fromSrc says. */
	use("{\"imageList\": {\"images\": [\"tool\"]}, \"commandList\": {\"commands\": [\"pull\"]}}", "{}");
	REFUSED("POST", "/images/create?fromImage=x&fromSrc=-", NULL, 403, "is blocked; if you wish");
	REFUSED("POST", "/images/create?fromSrc=y&fromImage=x", NULL, 403, "is blocked; if you wish");
	PASSES("POST", "/images/create?fromSrc=-&repo=x", NULL, NULL);
	use("{\"imageList\": {\"images\": [\"tool\"]}, \"commandList\": {\"commands\": [\"import\"]}}", "{}");
	REFUSED("POST", "/images/create?fromSrc=-&repo=x", NULL, 403, "is blocked; if you wish");
	REFUSED("POST", "/images/create?fromSrc=-&fromImage=x", NULL, 400, "either fromImage");
	PASSES("POST", "/images/create?fromImage=x&fromSrc=", NULL, NULL);
	/* E69: the host's own clients are not concerned. */
	row(NULL, "GET", "/images/json", NULL, 0, NULL, NULL);
}

static void test_commands_of_an_image(void **state)
{
	(void)state;
	use_entry(", \"commandList\": {\"type\": \"deny\", \"commands\": [\"ps\"]}");
	REFUSED("GET", "/containers/json", NULL, 403, "is blocked");
	use_entry(", \"readOnly\": true");
	PASSES("GET", "/containers/json", NULL, NULL);
	REFUSED("GET", "/containers/own/archive?path=/etc", NULL, 403, "for looking only");
	REFUSED("POST", "/containers/own/stop", NULL, 403, "for looking only");
	use_entry(", \"until\": \"2001-01-01T00:00:00Z\"");
	REFUSED("GET", "/containers/json", NULL, 403, "a time that has passed");
	use_entry(", \"learn\": true, \"commandList\": {\"type\": \"deny\", \"commands\": [\"ps\"]}");
	PASSES("GET", "/containers/json", NULL, NULL);
	/* Not listed any more. */
	use("{\"imageList\": {\"images\": [\"else\"]}}", "{}");
	REFUSED("GET", "/containers/json", NULL, 403, "not in the allowed list any more");
	REFUSED("GET", "/_ping", NULL, 403, "not in the allowed list any more");
}

/* E81: what the commands would do in another way. */
static void test_push_by_build(void **state)
{
	(void)state;
	use("{\"imageList\": {\"images\": [\"tool\"]}, \"commandList\": {\"commands\": [\"push\"]}}", "{}");
	REFUSED("POST", "/build?version=2&outputs=%5B%7B%22Type%22%3A%22registry%22%7D%5D", NULL, 403,
		"build --push");
	REFUSED("POST",
		"/build?version=2&outputs=%5B%7B%22Type%22%3A%22image%22%2C%22Attrs%22%3A%7B%22push%22%3A%22true%22%7D%7D%5D",
		NULL, 403, "build --push");
	PASSES("POST", "/build?version=2&outputs=%5B%7B%22Type%22%3A%22moby%22%7D%5D", NULL, NULL);
}

/* ---- what is made ---- */

static void test_siblings(void **state)
{
	(void)state;
	use_entry("");
	PASSES("POST", "/containers/create", "{\"Image\": \"x\"}",
	       "\"Labels\":{\"io.caisson.scope\":\"" SCOPE "\"}");
	PASSES("POST", "/containers/create", "{\"Image\": \"x\"}", "\"Runtime\":\"sysbox-runc\"");
	REFUSED("POST", "/containers/create", "{\"Image\": \"x\", \"HostConfig\": {\"PidMode\": \"host\"}}", 403,
		"can't share");
	PASSES("POST", "/networks/create", "{\"Name\": \"n\"}", SCOPE);
	PASSES("POST", "/volumes/create", "{\"Name\": \"n\"}", SCOPE);
	PASSES("POST", "/volumes/create", NULL, SCOPE);
	/* The socket rule again, in the same scope. */
	PASSES("POST", "/containers/create",
	       "{\"Image\": \"tool\", \"HostConfig\": {\"Binds\": [\"/run/docker.sock:/s\"]}}", SOCKET);
	assert_string_equal(scope_of_new, SCOPE);
	waiting = 64; /* made and never started */
	REFUSED("POST", "/containers/create",
		"{\"Image\": \"tool\", \"HostConfig\": {\"Binds\": [\"/run/docker.sock:/s\"]}}", 503,
		"have not been started");
	row(NULL, "POST", "/containers/create",
	    "{\"Image\": \"tool\", \"HostConfig\": {\"Binds\": [\"/run/docker.sock:/s\"]}}", 0, NULL, SOCKET);
	waiting = 0;
	/* Nobody gives himself a scope. */
	row(NULL, "POST", "/containers/create",
	    "{\"Image\": \"x\", \"Labels\": {\"io.caisson.scope\": \"" SCOPE "\"}}", 0, NULL, "\"Labels\":{}");
	use_entry(", \"ownOnly\": true");
	row(NULL, "POST", "/containers/create", "{\"Image\": \"x\"}", 0, NULL, "\"io.caisson.scope\":\"\"");
}

/* What is made through a socket and has one as well may not do more than who made it. */
static void test_entries_above(void **state)
{
	static char both[] = "else\ntool";
	struct grant child = { .scope = SCOPE, .container = ID_OWN, .image = tool, .entry = both };

	(void)state;
	use("{\"imageList\": {\"images\": [\"else\"]}}",
	    "{\"dockerSocket\": {\"images\": [{\"image\": \"tool\", \"commandList\": {\"commands\": [\"push\"]}, "
	    "\"create\": {\"privileged\": false, \"namePrefix\": \"ci-\"}}]}}");
	row(&child, "POST", "/images/x/push", NULL, 403, "is blocked", NULL);
	row(&child, "GET", "/images/json", NULL, 0, NULL, NULL);
	row(&child, "POST", "/containers/create", "{\"Image\": \"x\", \"HostConfig\": {\"Privileged\": true}}",
	    403, "Privileged", NULL);
	row(&child, "POST", "/containers/create", "{\"Image\": \"x\"}", 0, NULL, "name=ci-");
	/* The parent's entry is gone. */
	use("{\"imageList\": {\"images\": [\"else\"]}}", "{}");
	row(&child, "GET", "/images/json", NULL, 403, "not in the allowed list any more", NULL);
	use_entry("");
	PASSES("POST", "/containers/create",
	       "{\"Image\": \"tool\", \"HostConfig\": {\"Binds\": [\"/run/docker.sock:/s\"]}}", SOCKET);
	assert_string_equal(entry_of_new, "tool\ntool");
}

static void test_create_rules(void **state)
{
	(void)state;
	use_entry(", \"create\": {\"privileged\": false, \"binds\": false, \"networks\": [\"bridge\", \"ci-*\"], "
		  "\"namePrefix\": \"ci-\", \"labels\": {\"owner\": \"ci\"}}");
	PASSES("POST", "/containers/create?name=ci-1", "{\"Image\": \"x\"}", "\"owner\":\"ci\"");
	PASSES("POST", "/containers/create", "{\"Image\": \"x\"}", "name=ci-");
	REFUSED("POST", "/containers/create?name=db", "{\"Image\": \"x\"}", 403, "begins with \"ci-\"");
	REFUSED("POST", "/containers/own/rename?name=db", NULL, 403, "begins with \"ci-\"");
	REFUSED("POST", "/networks/create", "{\"Name\": \"db\"}", 403, "begins with \"ci-\"");
	REFUSED("POST", "/containers/create", "{\"Image\": \"x\", \"HostConfig\": {\"Privileged\": true}}", 403,
		"Privileged");
	REFUSED("POST", "/containers/create", "{\"Image\": \"x\", \"HostConfig\": {\"CapAdd\": [\"ALL\"]}}", 403,
		"CapAdd");
	REFUSED("POST", "/containers/create", "{\"Image\": \"x\", \"HostConfig\": {\"MaskedPaths\": []}}", 403,
		"MaskedPaths");
	REFUSED("POST", "/containers/own/exec", "{\"Cmd\": [\"x\"], \"Privileged\": true}", 403, "Privileged");
	REFUSED("POST", "/containers/create", "{\"Image\": \"x\", \"HostConfig\": {\"Binds\": [\"/home:/h\"]}}",
		403, "host paths are blocked");
	PASSES("POST", "/containers/create",
	       "{\"Image\": \"tool\", \"HostConfig\": {\"Binds\": [\"/run/docker.sock:/s\"]}}", SOCKET);
	PASSES("POST", "/containers/create", "{\"Image\": \"x\", \"HostConfig\": {\"NetworkMode\": \"ci-net\"}}",
	       NULL);
	REFUSED("POST", "/containers/create", "{\"Image\": \"x\", \"HostConfig\": {\"NetworkMode\": \"prod\"}}",
		403, "network \"prod\" is blocked");
	REFUSED("POST", "/networks/prod/connect", "{\"Container\": \"own\"}", 403, "network \"prod\" is blocked");
	use_entry(", \"create\": {\"networks\": [\"none\"]}");
	REFUSED("POST", "/containers/create", "{\"Image\": \"x\"}", 403, "network \"bridge\" is blocked");
}

static void test_create_networks_of_builds(void **state)
{
	(void)state;
	use_entry(", \"create\": {\"networks\": []}");
	REFUSED("POST", "/build?t=x", NULL, 403, "network \"bridge\" is blocked");
	REFUSED("POST", "/build?t=x&networkmode=", NULL, 403, "network \"bridge\" is blocked");
	REFUSED("POST", "/build?t=x&networkmode=default", NULL, 403, "network \"bridge\" is blocked");
	PASSES("POST", "/build?t=x&networkmode=none", NULL, NULL);
	PASSES("POST", "/build?t=x&networkmode=none&version=1", NULL, NULL);
	/* "# syntax=" names a program that says which network steps have. */
	REFUSED("POST", "/build?t=x&networkmode=none&version=2", NULL, 403, "BuildKit is blocked");
	REFUSED("POST", "/grpc", NULL, 403, "BuildKit is blocked");
	use_entry(", \"create\": {\"networks\": [\"bridge\"]}");
	PASSES("POST", "/build?t=x", NULL, NULL);
	PASSES("POST", "/build?t=x&version=2", NULL, NULL);
	PASSES("POST", "/grpc", NULL, NULL);
	row(NULL, "POST", "/build?t=x&version=2", NULL, 0, NULL, NULL);
}

static void test_create_of_services(void **state)
{
	static const char *const entries[] = {
		", \"create\": {\"privileged\": false}",      ", \"create\": {\"binds\": false}",
		", \"create\": {\"networks\": []}",	      ", \"create\": {\"namePrefix\": \"ci-\"}",
		", \"create\": {\"labels\": {\"a\": \"b\"}}",
	};
	static const char service[] =
		"{\"Name\": \"ci-x\", \"TaskTemplate\": {\"ContainerSpec\": {\"Image\": \"x\", "
		"\"Labels\": {\"io.caisson.scope\": \"forged\"}}}}";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		use_entry(entries[i]);
		REFUSED("POST", "/services/create", service, 403, "a service is blocked");
		REFUSED("POST", "/services/x/update?version=1", service, 403, "a service is blocked");
		row(NULL, "POST", "/services/create", service, 0, NULL, "\"Labels\":{}");
	}
	use_entry("");
	PASSES("POST", "/services/create", service, "\"Labels\":{\"io.caisson.scope\":\"" SCOPE "\"}");
	/* Nor by an image. */
	use_entry(", \"ownOnly\": true");
	row(NULL, "POST", "/services/create", service, 0, NULL, "\"io.caisson.scope\":\"\"");
}

#define LABELS "\"owner\":\"ci\",\"io.caisson.scope\":\"" SCOPE "\""

static void test_create_labels(void **state)
{
	static const char volume[] =
		"{\"Image\": \"x\", \"HostConfig\": {\"Mounts\": [{\"Type\": \"volume\", \"Source\": \"v\", "
		"\"Target\": \"/v\", \"volumeOptions\": {\"labels\": {\"io.caisson.scope\": \"forged\"}}}]}}";
	static const char plain[] =
		"{\"Image\": \"x\", \"HostConfig\": {\"Mounts\": [{\"Type\": \"volume\", \"Target\": \"/v\"}]}}";
	static const char *const bad[] = {
		"LABEL%20a=b",	 "%20label%20a=b",    "ENV%20a=b%0ALABEL%20a=b", "LA%5C&changes=BEL%20a=b",
		"%23escape=%60", "%C2%A0LABEL%20a=b", "%EF%BB%BFLABEL%20a=b",
	};

	(void)state;
	use_entry(", \"create\": {\"labels\": {\"owner\": \"ci\"}}");
	*volume_made = '\0';
	PASSES("POST", "/containers/create", volume,
	       "\"Labels\":{\"io.caisson.scope\":\"" SCOPE "\",\"owner\":\"ci\"}");
	PASSES("POST", "/containers/create", plain, "\"VolumeOptions\":{\"Labels\":{" LABELS "}}");
	assert_string_equal(volume_made, "");
	PASSES("POST", "/containers/create", "{\"Image\": \"x\", \"HostConfig\": {\"Binds\": [\"v:/v\"]}}", NULL);
	assert_non_null(strstr(volume_made, "\"owner\": \"ci\""));
	row(NULL, "POST", "/containers/create", volume, 0, NULL, "\"Labels\":{}");
	PASSES("POST", "/build?networkmode=none&labels=%7B%22owner%22%3A%22me%22%7D", NULL,
	       "labels=%7B%22owner%22:%22ci%22%2C%22io.caisson.scope%22");
	PASSES("POST",
	       "/commit?container=own&changes=ENV%20a=b%0Acmd%20x&changes=", "{\"Labels\": {\"owner\": \"me\"}}",
	       "\"owner\":\"ci\"");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char target[128];

		(void)snprintf(target, sizeof target, "/commit?container=own&changes=%s", bad[i]);
		REFUSED("POST", target, NULL, 403, "labels are set by the guard");
	}
	row(NULL, "POST", "/commit?container=own&changes=LABEL%20a=b", NULL, 0, NULL, NULL);
}

/* ---- own things only ---- */

static void test_own_lists(void **state)
{
	static const char *const lists[] = { "/containers/json", "/events", "/networks", "/volumes" };
	static const char *const prunes[] = { "/containers/prune", "/networks/prune", "/volumes/prune",
					      "/images/prune" };
	static const char filter[] = "filters=%7B%22label%22:%5B%22io.caisson.scope%3D" SCOPE "%22%5D%7D";

	(void)state;
	use_entry(", \"ownOnly\": true");
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		PASSES("GET", lists[i], NULL, filter);
	for (size_t i = 0; i < ARRAY_SIZE(prunes); i++)
		PASSES("POST", prunes[i], NULL, filter);
	PASSES("GET", "/containers/json?filters=%7B%22label%22%3A%5B%22a%3Db%22%5D%7D", NULL,
	       "filters=%7B%22label%22:%5B%22a%3Db%22%2C%22io.caisson.scope%3D" SCOPE);
	PASSES("GET", "/containers/json?filters=%7B%22label%22%3A%7B%22a%3Db%22%3Atrue%7D%7D", NULL, SCOPE);
	REFUSED("GET", "/containers/json?filters=x", NULL, 400, "filters");
}

static void test_own_objects(void **state)
{
	(void)state;
	use_entry(", \"ownOnly\": true");
	PASSES("GET", "/containers/own/json", NULL, ID_OWN);
	PASSES("POST", "/containers/own/stop?t=1", NULL, ID_OWN);
	PASSES("DELETE", "/containers/own?force=1", NULL, ID_OWN);
	PASSES("GET", "/containers/self/json", NULL, ID_SELF);
	REFUSED("DELETE", "/containers/self", NULL, 404, "No such container");
	REFUSED("GET", "/containers/other/json", NULL, 404, "No such container: other");
	REFUSED("GET", "/containers/other/logs?stdout=1", NULL, 404, "No such container");
	REFUSED("POST", "/containers/other/exec", "{\"Cmd\": [\"x\"]}", 404, "No such container");
	REFUSED("POST", "/containers/other/start", NULL, 404, "No such container");
	REFUSED("DELETE", "/containers/" ID_OTHER, NULL, 404, "No such container");
	PASSES("POST", "/exec/e1/start", "{}", NULL);
	REFUSED("POST", "/exec/e2/start", "{}", 404, "No such exec instance");
	PASSES("GET", "/networks/mine", NULL, NULL);
	PASSES("GET", "/networks/bridge", NULL, "\"Containers\":{}"); /* others' are not told */
	REFUSED("GET", "/networks/theirs", NULL, 404, "network theirs not found");
	REFUSED("DELETE", "/networks/bridge", NULL, 404, "not found");
	REFUSED("POST", "/networks/mine/connect", "{\"Container\": \"other\"}", 404, "No such container");
	REFUSED("POST", "/networks/bridge/disconnect", "{\"Container\": \"other\"}", 404, "No such container");
	PASSES("DELETE", "/volumes/mine", NULL, NULL);
	REFUSED("DELETE", "/volumes/theirs", NULL, 404, "no such volume");
	REFUSED("POST", "/volumes/create", "{\"Name\": \"theirs\"}", 409, "not made through");
	PASSES("DELETE", "/images/made", NULL, NULL);
	REFUSED("DELETE", "/images/tool", NULL, 403, "was not made through");
	REFUSED("POST", "/images/made/tag?repo=tool", NULL, 403, "was not made through");
	PASSES("POST", "/images/made/tag?repo=new", NULL, NULL);
	PASSES("POST", "/build?t=new", NULL, "labels=%7B%22io.caisson.scope%22:");
	REFUSED("POST", "/build?t=tool", NULL, 403, "was not made through");
	REFUSED("POST", "/images/load", NULL, 403, "ownOnly");
	REFUSED("GET", "/system/df", NULL, 403, "ownOnly");
	REFUSED("POST", "/grpc", NULL, 403, "ownOnly");
	REFUSED("GET", "/secrets", NULL, 403, "ownOnly");
}

static void test_own_create(void **state)
{
	(void)state;
	use_entry(", \"ownOnly\": true");
	PASSES("POST", "/containers/create", "{\"Image\": \"x\", \"HostConfig\": {\"NetworkMode\": \"mine\"}}",
	       NULL);
	REFUSED("POST", "/containers/create", "{\"Image\": \"x\", \"HostConfig\": {\"NetworkMode\": \"theirs\"}}",
		404, "not found");
	REFUSED("POST", "/containers/create",
		"{\"Image\": \"x\", \"HostConfig\": {\"NetworkMode\": \"container:other\"}}", 400,
		"No such container");
	REFUSED("POST", "/containers/create", "{\"Image\": \"x\", \"HostConfig\": {\"VolumesFrom\": [\"other\"]}}",
		400, "No such container");
	REFUSED("POST", "/containers/create", "{\"Image\": \"x\", \"HostConfig\": {\"Links\": [\"other:db\"]}}",
		404, "No such container");
	REFUSED("POST", "/containers/create", "{\"Image\": \"x\", \"HostConfig\": {\"Binds\": [\"theirs:/v\"]}}",
		403, "volume theirs was not made");
	PASSES("POST", "/containers/create", "{\"Image\": \"x\", \"HostConfig\": {\"Binds\": [\"fresh:/v\"]}}",
	       NULL);
	assert_string_equal(volume_made,
			    "{\"Name\": \"fresh\", \"Labels\": {\"io.caisson.scope\": \"" SCOPE "\"}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mount),
		cmocka_unit_test(test_mount_elsewhere),
		cmocka_unit_test(test_dropped_with_the_request),
		cmocka_unit_test(test_volumes_from),
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_commands_of_an_image),
		cmocka_unit_test(test_push_by_build),
		cmocka_unit_test(test_siblings),
		cmocka_unit_test(test_entries_above),
		cmocka_unit_test(test_create_rules),
		cmocka_unit_test(test_create_networks_of_builds),
		cmocka_unit_test(test_create_of_services),
		cmocka_unit_test(test_create_labels),
		cmocka_unit_test(test_own_lists),
		cmocka_unit_test(test_own_objects),
		cmocka_unit_test(test_own_create),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
