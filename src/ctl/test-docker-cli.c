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
		{ "network connect --alias x --link l:m --driver-opt a=b --ip 1.2.3.4 n c", "/networks/n/connect",
		  "{\"Container\":\"c\",\"EndpointConfig\":{\"Aliases\":[\"x\"],\"Links\":[\"l:m\"],"
		  "\"DriverOpts\":{\"a\":\"b\"}}}" },
		{ "commit -m m a r.io/b:1", "/commit?comment=m&container=a&repo=r.io%2Fb&tag=1", "{}" },
		{ "network disconnect -f n c", "/networks/n/disconnect", "{\"Container\":\"c\",\"Force\":true}" },
		{ "login -u u -p secret r.io", "/auth", "{\"username\":\"u\",\"serveraddress\":\"r.io\"}" },
		{ "login", "/auth", "{\"serveraddress\":\"https://index.docker.io/v1/\"}" },
		{ "update c --memory 1m", "/containers/c/update", "{\"Memory\":1048576}" },
		{ "cp f c:/etc", "/containers/c/archive?path=%2Fetc", NULL },
		{ "start c", "/containers/c/start", NULL },
		{ "load", "/images/load", NULL },
		{ "docker network create --internal n", "/networks/create", "{\"Name\":\"n\",\"Internal\":true}" },
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

/* As docker 20.10 sends them, but for the order of the query and for defaults in it. */
static void plain_commands_become_requests(void **state)
{
	static const struct {
		const char *line, *method, *target;
	} rows[] = {
		{ "ps", "GET", "/containers/json" },
		{ "container ls -aqs -n 3 --no-trunc --format x", "GET", "/containers/json?all=1&size=1&limit=3" },
		{ "container list --all=false -l", "GET", "/containers/json?limit=1" },
		{ "ps -f name=x --filter NAME=y -f status=a=b", "GET",
		  "/containers/json?filters=%7B%22name%22:%7B%22x%22:true%2C%22y%22:true%7D%2C"
		  "%22status%22:%7B%22a%3Db%22:true%7D%7D" },
		{ "stop -t 5 a", "POST", "/containers/a/stop?t=5" },
		{ "restart -s HUP --timeout 5 a", "POST", "/containers/a/restart?signal=HUP&t=5" },
		{ "start -ai a", "POST", "/containers/a/start" },
		{ "start --checkpoint c a", "POST", "/containers/a/start?checkpoint=c" },
		{ "kill --signal HUP a", "POST", "/containers/a/kill?signal=HUP" },
		{ "container pause a/b", "POST", "/containers/a%2Fb/pause" },
		{ "unpause a", "POST", "/containers/a/unpause" },
		{ "rename a b&c", "POST", "/containers/a/rename?name=b%26c" },
		{ "wait a", "POST", "/containers/a/wait" },
		{ "rm -fv --link a", "DELETE", "/containers/a?force=1&v=1&link=1" },
		{ "container remove a", "DELETE", "/containers/a" },
		{ "attach --no-stdin a", "POST", "/containers/a/attach" },
		{ "logs -ft --details -n 5 a", "GET",
		  "/containers/a/logs?follow=1&timestamps=1&details=1&tail=5&stdout=1&stderr=1" },
		{ "top a", "GET", "/containers/a/top" },
		{ "top a -o pid,x y", "GET", "/containers/a/top?ps_args=-o%20pid%2Cx%20y" },
		{ "stats --no-stream a", "GET", "/containers/a/stats" },
		{ "container inspect -s a", "GET", "/containers/a/json?size=1" },
		{ "inspect a", "GET", "/containers/a/json" },
		{ "inspect --type image r.io/a/b", "GET", "/images/r.io/a/b/json" },
		{ "inspect --type=volume a -f x", "GET", "/volumes/a" },
		{ "port a 80", "GET", "/containers/a/json" },
		{ "diff a", "GET", "/containers/a/changes" },
		{ "export -o f a", "GET", "/containers/a/export" },
		{ "cp a:/x/./y -", "GET", "/containers/a/archive?path=%2Fx%2F.%2Fy" },
		{ "container prune -f --filter until=1h", "POST",
		  "/containers/prune?filters=%7B%22until%22:%7B%221h%22:true%7D%7D" },
		{ "images", "GET", "/images/json" },
		{ "image ls -a x:1", "GET",
		  "/images/json?all=1&filters=%7B%22reference%22:%7B%22x:1%22:true%7D%7D" },
		{ "pull x", "POST", "/images/create?fromImage=x&tag=latest" },
		{ "image pull --platform a/b -q docker.io/library/x:1", "POST",
		  "/images/create?platform=a%2Fb&fromImage=x&tag=1" },
		{ "pull -a docker.io/a/x", "POST", "/images/create?fromImage=a%2Fx" },
		{ "pull r.io:5000/library/x@sha256:1111111111111111111111111111111111111111111111111111111111111111",
		  "POST",
		  "/images/create?fromImage=r.io:5000%2Flibrary%2Fx&tag=sha256:"
		  "1111111111111111111111111111111111111111111111111111111111111111" },
		{ "push r.io/a/b", "POST", "/images/r.io/a/b/push?tag=latest" },
		{ "image push -a r.io/a/b", "POST", "/images/r.io/a/b/push" },
		{ "push index.docker.io/x:2", "POST", "/images/x/push?tag=2" },
		{ "tag x:1 r.io/a/b", "POST", "/images/x:1/tag?repo=r.io%2Fa%2Fb&tag=latest" },
		{ "image tag a/x docker.io/y:2", "POST", "/images/a/x/tag?repo=y&tag=2" },
		{ "rmi -f --no-prune r.io/a/b:1", "DELETE", "/images/r.io/a/b:1?force=1&noprune=1" },
		{ "image rm x", "DELETE", "/images/x" },
		{ "image remove x", "DELETE", "/images/x" },
		{ "image inspect r.io/a/b", "GET", "/images/r.io/a/b/json" },
		{ "history -H a/x", "GET", "/images/a/x/history" },
		{ "save -o f x a/y:1", "GET", "/images/get?names=x&names=a%2Fy:1" },
		{ "image prune -f", "POST", "/images/prune?filters=%7B%22dangling%22:%7B%22true%22:true%7D%7D" },
		{ "image prune -af", "POST", "/images/prune?filters=%7B%22dangling%22:%7B%22false%22:true%7D%7D" },
		{ "search --limit 3 x", "GET", "/images/search?limit=3&term=x" },
		{ "network ls -f driver=x", "GET", "/networks?filters=%7B%22driver%22:%7B%22x%22:true%7D%7D" },
		{ "network list -q", "GET", "/networks" },
		{ "network inspect -v a", "GET", "/networks/a" },
		{ "network rm a", "DELETE", "/networks/a" },
		{ "network prune -f", "POST", "/networks/prune" },
		{ "volume ls -q", "GET", "/volumes" },
		{ "volume rm -f a", "DELETE", "/volumes/a?force=1" },
		{ "volume inspect a", "GET", "/volumes/a" },
		{ "volume prune", "POST", "/volumes/prune" },
		{ "volume prune -a", "POST", "/volumes/prune?filters=%7B%22all%22:%7B%22true%22:true%7D%7D" },
		{ "system df -v", "GET", "/system/df" },
		{ "system info", "GET", "/info" },
		{ "version --format x", "GET", "/version" },
		{ "system events --since 1 --until 2", "GET", "/events?since=1&until=2" },
		/* in front of the command */
		{ "docker -H tcp://x:1 -D --tls --log-level info --config d ps -q", "GET", "/containers/json" },
		{ "docker -Hx --context=y -c z -ldebug --tlsverify --tlscacert a --tlscert b --tlskey c image ls",
		  "GET", "/images/json" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct docker_request q = { 0 };
		struct err e = { 0 };

		if (parse(rows[i].line, &q, &e) < 0)
			fail_msg("%s: %s", rows[i].line, e.msg);
		if (strcmp(q.method, rows[i].method) != 0 || strcmp(q.target, rows[i].target) != 0)
			fail_msg("%s: %s %s", rows[i].line, q.method, q.target);
		assert_null(q.body);
		assert_null(q.note);
		docker_request_done(&q);
	}
}

static void of_several_objects_the_first_is_judged(void **state)
{
	static const char *const lines[] = { "rm a b", "image rm a b", "stop a b", "volume rm a b",
					     "update -c 1 a b" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct docker_request q = { 0 };
		struct err e = { 0 };

		assert_int_equal(parse(lines[i], &q, &e), 0);
		assert_non_null(strstr(q.target, "/a"));
		assert_non_null(q.note);
		assert_non_null(strstr(q.note, "only the first"));
		docker_request_done(&q);
	}
}

static void passwords_are_left_out(void **state)
{
	struct docker_request q = { 0 };
	struct err e = { 0 };
	char *text;

	(void)state;
	assert_int_equal(parse("login -u u --password secret r.io", &q, &e), 0);
	text = json_dumps(q.body, 0);
	assert_null(strstr(text, "secret"));
	free(text);
	docker_request_done(&q);
}

static void what_docker_does_not_take_is_refused(void **state)
{
	static const struct {
		const char *line, *why;
	} rows[] = {
		{ "", "not understood" },
		{ "docker", "not understood" },
		{ "docker swarm leave", "docker swarm: this command line is not understood" },
		{ "docker -H x", "not understood" },
		{ "docker -H", "flag needs an argument: --host" },
		{ "docker --nope ps", "unknown flag: --nope" },
		{ "ls", "not understood" },
		{ "image run x", "not understood" },
		{ "network ps", "not understood" },
		{ "ps x", "docker ps: 1 argument too many" },
		{ "container ls x y", "docker ps: 2 arguments too many" },
		{ "logs a b", "too many" },
		{ "ps -n x", "not a number" },
		{ "ps -f x", "bad format of filter" },
		{ "inspect --type x y", "--type" },
		{ "rm", "needs at least 1 more argument" },
		{ "tag a", "needs at least 1 more argument" },
		{ "stats", "needs at least 1 more argument" },
		{ "pull A", "A: invalid reference format: it has upper case letters" },
		{ "tag a b:c:d", "b:c:d: invalid reference format" },
		{ "push a@b", "a@b: invalid reference format" },
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
		cmocka_unit_test(plain_commands_become_requests),
		cmocka_unit_test(of_several_objects_the_first_is_judged),
		cmocka_unit_test(passwords_are_left_out),
		cmocka_unit_test(what_docker_does_not_take_is_refused),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
