/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "ctl/docker-cli.h"

#define WORDS 32

static int read_file(void *ctx, const char *path, char **ret)
{
	(void)ctx;
	if (strcmp(path, "profile.json") == 0)
		*ret = strdup("{ \"defaultAction\" : \"SCMP_ACT_ALLOW\" }");
	else if (strcmp(path, "env") == 0)
		*ret = strdup("# comment\nA=1\n\nB=2\r\n");
	else
		return -ENOENT;
	return *ret ? 0 : -ENOMEM;
}

static const char *get_env(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "HOME") == 0 ? "/root" : NULL;
}

/* A command line without quotes: words at blanks. */
static int parse(const char *line, struct docker_request *q, struct err *e)
{
	static const struct docker_outside outside = { .cwd = "/srv/here", .read = read_file, .env = get_env };
	_cleanup_free_ char *text = strdup(line);
	const char *words[WORDS];
	char *save = NULL;
	int n = 0;

	assert_non_null(text);
	for (char *w = strtok_r(text, " ", &save); w && n < WORDS; w = strtok_r(NULL, " ", &save))
		words[n++] = w;
	return docker_parse(n, words, &outside, q, e);
}

/* Does @o have everything that @part has? */
static bool has(const json_t *o, const json_t *part)
{
	const char *key;
	json_t *v;

	if (!json_is_object(part))
		return json_equal(o, part);
	json_object_foreach((json_t *)(uintptr_t)part, key, v)
		if (!has(json_object_get(o, key), v))
			return false;
	return true;
}

#define HC(text) "{\"HostConfig\":{" text "}}"

static void command_lines_become_requests(void **state)
{
	static const struct {
		const char *line, *target, *body;
	} rows[] = {
		{ "docker run x", "/containers/create",
		  "{\"Image\":\"x\",\"HostConfig\":{\"NetworkMode\":\"default\"}}" },
		{ "docker container run --name a/b x -v y", "/containers/create?name=a%2Fb",
		  "{\"Cmd\":[\"-v\",\"y\"]}" },
		{ "run -itd -p80:8080 x", "/containers/create",
		  "{\"Tty\":true,\"OpenStdin\":true,\"HostConfig\":{\"PortBindings\":{\"8080/tcp\":[{\"HostPort\":\"80\"}]}}}" },
		{ "create --privileged=false --rm x", "/containers/create",
		  HC("\"Privileged\":false,\"AutoRemove\":true") },
		{ "create -v ./d/../e:/x -v ../../../..:/r x", "/containers/create",
		  HC("\"Binds\":[\"/srv/here/e:/x\",\"/:/r\"]") },
		{ "create -v /a:/b:ro -v=nn:/c -v /anon x", "/containers/create",
		  "{\"Volumes\":{\"/anon\":{}},\"HostConfig\":{\"Binds\":[\"/a:/b:ro\",\"nn:/c\"]}}" },
		{ "create --mount type=bind,src=/a,\"dst=/b,c\",ro,bind-propagation=shared x",
		  "/containers/create",
		  HC("\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/b,c\",\"ReadOnly\":true,"
		     "\"BindOptions\":{\"Propagation\":\"shared\"}}]") },
		{ "create --device /dev/a:r --device /dev/b:/dev/c x", "/containers/create",
		  HC("\"Devices\":[{\"PathOnHost\":\"/dev/a\",\"PathInContainer\":\"/dev/a\",\"CgroupPermissions\":\"r\"},"
		     "{\"PathOnHost\":\"/dev/b\",\"PathInContainer\":\"/dev/c\",\"CgroupPermissions\":\"rwm\"}]") },
		{ "create --security-opt seccomp=profile.json x", "/containers/create",
		  HC("\"SecurityOpt\":[\"seccomp={\\\"defaultAction\\\":\\\"SCMP_ACT_ALLOW\\\"}\"]") },
		{ "create -e HOME -e NONE -e A=b --env-file env x", "/containers/create",
		  "{\"Env\":[\"HOME=/root\",\"A=b\",\"A=1\",\"B=2\"]}" },
		{ "create -m 1.5g --cpus .5 --memory-swap -1 x", "/containers/create",
		  HC("\"Memory\":1610612736,\"NanoCpus\":500000000,\"MemorySwap\":-1") },
		{ "create --network name=n,alias=a x", "/containers/create",
		  "{\"HostConfig\":{\"NetworkMode\":\"n\"},\"NetworkingConfig\":{\"EndpointsConfig\":{\"n\":{}}}}" },
		{ "exec -u 0 c id -u", "/containers/c/exec", "{\"User\":\"0\",\"Cmd\":[\"id\",\"-u\"]}" },
		{ "build --network=host -t a -t b .", "/build?networkmode=host&t=a&t=b", NULL },
		{ "buildx build .", "/build", NULL },
		{ "volume create v -o device=/etc", "/volumes/create",
		  "{\"Name\":\"v\",\"Driver\":\"local\",\"DriverOpts\":{\"device\":\"/etc\"}}" },
		{ "update c --memory 1m", "/containers/c/update", "{\"Memory\":1048576}" },
		{ "cp f c:/etc", "/containers/c/archive?path=%2Fetc", NULL },
		{ "start c", "/containers/c/start", NULL },
		{ "load", "/images/load", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct docker_request q = { 0 };
		struct err e = { 0 };
		json_t *want = rows[i].body ? json_loads(rows[i].body, 0, NULL) : NULL;

		assert_true(!rows[i].body || want);
		if (parse(rows[i].line, &q, &e) < 0)
			fail_msg("%s: %s", rows[i].line, e.msg);
		if (strcmp(q.target, rows[i].target) != 0)
			fail_msg("%s: %s", rows[i].line, q.target);
		if (want && !has(q.body, want)) {
			char *text = json_dumps(q.body, JSON_COMPACT);

			fail_msg("%s: %s", rows[i].line, text);
		}
		json_decref(want);
		docker_request_done(&q);
	}
}

static void what_docker_does_not_take_is_refused(void **state)
{
	static const struct {
		const char *line, *why;
	} rows[] = {
		{ "", "not understood" },
		{ "docker", "not understood" },
		{ "docker ps", "not understood" },
		{ "volume", "not understood" },
		{ "run", "needs at least 1 more argument" },
		{ "run --nope x", "unknown flag: --nope" },
		{ "run -Z x", "unknown shorthand flag: 'Z'" },
		{ "run --name", "flag needs an argument: --name" },
		{ "run -e", "flag needs an argument: --env" },
		{ "run --privileged=maybe x", "neither true nor false" },
		{ "run -m lots x", "not a number" },
		{ "run --pids-limit 1x x", "not a number" },
		{ "run --mount type=bind,nope=1,dst=/x y", "unexpected key 'nope'" },
		{ "run --mount type=bind y", "target is required" },
		{ "run --mount \"dst=/x y", "a quote is not closed" },
		{ "run --ulimit nofile y", "--ulimit" },
		{ "run --security-opt seccomp=missing y", "opening seccomp profile (missing) failed" },
		{ "run --security-opt nonsense y", "--security-opt" },
		{ "run --env-file missing y", "open missing" },
		{ "exec c", "needs at least 1 more argument" },
		{ "cp a b", "CONTAINER:PATH" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct docker_request q = { .method = "untouched" };
		struct err e = { 0 };
		int r = parse(rows[i].line, &q, &e);

		if (r >= 0 || !strstr(e.msg, rows[i].why))
			fail_msg("%s: %d %s", rows[i].line, r, e.msg);
		assert_string_equal(q.method, "untouched");
	}
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(command_lines_become_requests),
		cmocka_unit_test(what_docker_does_not_take_is_refused),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
