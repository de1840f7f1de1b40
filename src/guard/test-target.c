/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "guard/rules.h"
#include "guard/target.h"
#include "guard/test-engine.h"

/* What is accepted and how it is written again; NULL: refused. */
static const struct {
	const char *raw, *again;
} targets[] = {
	{ "/_ping", "/_ping" },
	{ "/v1.41/containers/json", "/v1.41/containers/json" },
	{ "/v1.41/containers/json?", "/v1.41/containers/json" },
	{ "/v1.41/containers/json?all=1&filters=%7B%22a%22%3A%5B%22b%22%5D%7D",
	  "/v1.41/containers/json?all=1&filters=%7B%22a%22:%5B%22b%22%5D%7D" },
	{ "/images/docker.io/library/a:1@sha256:00/json", "/images/docker.io/library/a:1@sha256:00/json" },
	{ "/images/a%2Fb/json", "/images/a/b/json" },
	{ "/images/%61/json", "/images/a/json" },
	{ "/images/a%252e/json", "/images/a%252e/json" },
	{ "/build?t=a&t=b", "/build?t=a&t=b" },
	{ "/build?q", "/build?q=" },
	{ "/build?q=a+b%2Bc%3d", "/build?q=a%20b%2Bc%3D" },
	{ "/build?q=%C3%A9%0A", "/build?q=%C3%A9%0A" },
	{ "/volumes", "/volumes" },
	{ "/version", "/version" },
	{ "/v1.41", "/v1.41" },
	{ "", NULL },
	{ "*", NULL },
	{ "/", NULL },
	{ "//_ping", NULL },
	{ "/./_ping", NULL },
	{ "/a/../_ping", NULL },
	{ "/a/%2e%2e/_ping", NULL },
	{ "/a/%2E/_ping", NULL },
	{ "/a%2f%2fb", NULL },
	{ "/_ping/", NULL },
	{ "/_ping%2f", NULL },
	{ "/v1.41/", NULL },
	{ "/v1.41//_ping", NULL },
	{ "/v1..41/_ping", NULL },
	{ "/v1.41./_ping", NULL },
	{ "/v1/_ping", NULL },
	{ "/v1.4.1/_ping", NULL },
	{ "/v01.41/_ping", NULL },
	{ "/v1.041/_ping", NULL },
	{ "/v.41/_ping", NULL },
	{ "/v1.9999/_ping", NULL },
	{ "http://docker/_ping", NULL },
	{ "docker/_ping", NULL },
	{ "/a%00b", NULL },
	{ "/a%0ab", NULL },
	{ "/a%7fb", NULL },
	{ "/a%c3%a9b", NULL },
	{ "/a%4", NULL },
	{ "/a%4?b", NULL },
	{ "/a%zzb", NULL },
	{ "/a b", NULL },
	{ "/a\"b", NULL },
	{ "/a\\b", NULL },
	{ "/a#b", NULL },
	{ "/a?b;c=1", NULL },
	{ "/a?b%00=1", NULL },
	{ "/a?b=%00", NULL },
	{ "/a?b=%4", NULL },
	{ "/a?=1", NULL },
	{ "/a?b=1&", NULL },
	{ "/a?&b=1", NULL },
	{ "/a?b=1&&c=1", NULL },
	{ "/a?b=#", NULL },
	{ "/a?b=\xc3\xa9", NULL },
	{ "/a?b= ", NULL },
};

static void targets_are_canonical_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		struct judge_request q = { 0 };
		const char *why = target_parse(targets[i].raw, &q);
		_cleanup_free_ char *again = NULL;

		if (!targets[i].again != !!why)
			fail_msg("%s: %s", targets[i].raw, why ? why : "accepted");
		if (why) {
			assert_null(q.heap);
			continue;
		}
		again = target_write(q.version, q.path, q.query, q.n_query, NULL, 0);
		assert_string_equal(again, targets[i].again);
		judge_request_done(&q);
	}
}

/* @n times "names", @others of others. Return: what target_parse() says. */
static const char *parse_many(unsigned n, unsigned others)
{
	_cleanup_free_ char *raw = malloc(16 + (size_t)n * 8 + (size_t)others * 4);
	struct judge_request q = { 0 };
	const char *why;
	char *at = raw;

	assert_non_null(raw);
	at = stpcpy(at, "/images/get?z");
	for (unsigned i = 0; i < n; i++)
		at = stpcpy(at, "&names=a");
	for (unsigned i = 1; i < others; i++)
		at = stpcpy(at, "&b=c");
	why = target_parse(raw, &q);
	if (!why)
		assert_int_equal(q.n_query, n + others);
	judge_request_done(&q);
	return why;
}

/* docker save sends one for each image. */
static void only_names_repeat_often(void **state)
{
	static const char many[] = "the query has too many parameters";

	(void)state;
	assert_null(parse_many(TARGET_NAMES_MAX, TARGET_QUERY_MAX));
	assert_null(parse_many(0, TARGET_QUERY_MAX));
	assert_string_equal(parse_many(TARGET_NAMES_MAX + 1, 1), many);
	assert_string_equal(parse_many(0, TARGET_QUERY_MAX + 1), many);
	assert_string_equal(parse_many(TARGET_NAMES_MAX, TARGET_QUERY_MAX + 1), many);
}

static void parameters_are_replaced_and_removed(void **state)
{
	const struct judge_pair set[] = { { "b", "2" }, { "c", NULL }, { "d", "3" } };
	struct judge_request q = { 0 };
	_cleanup_free_ char *again = NULL;

	(void)state;
	assert_null(target_parse("/x?a=1&b=1&c=1&b=9", &q));
	again = target_write(q.version, q.path, q.query, q.n_query, set, ARRAY_SIZE(set));
	assert_string_equal(again, "/x?a=1&b=2&d=3");
	judge_request_done(&q);
}

static const struct {
	const char *method, *target, *route, *segment;
	int status;
} routes[] = {
	{ "GET", "/_ping", "ping", NULL, 0 },
	{ "HEAD", "/v1.41/_ping", "ping", NULL, 0 },
	{ "POST", "/v1.24/containers/create?name=x", "container_create", NULL, 0 },
	{ "POST", "/containers/abc/start", "container_start", "abc", 0 },
	{ "GET", "/images/a/b/c:1/json", "image_inspect", "a/b/c:1", 0 },
	{ "GET", "/images/json", "image_list", NULL, 0 },
	{ "GET", "/images/json/json", "image_inspect", "json", 0 },
	{ "POST", "/images/create/push", "image_push", "create", 0 },
	{ "POST", "/images/push/tag/push", "image_push", "push/tag", 0 },
	{ "DELETE", "/images/a/b", "image_delete", "a/b", 0 },
	{ "GET", "/plugins/privileges", "plugin_privileges", NULL, 0 },
	{ "POST", "/plugins/a/b:c/enable", "plugin_enable", "a/b:c", 0 },
	{ "OPTIONS", "/containers/json", "options", "containers/json", 0 },
	{ "GET", "/debug/pprof/heap", "debug", "pprof/heap", 0 },
	{ "GET", "/v1.41/swarm", "swarm_inspect", NULL, 0 },
	{ "POST", "/containers/json", NULL, NULL, 501 },
	{ "get", "/_ping", NULL, NULL, 501 },
	{ "GE", "/_ping", NULL, NULL, 501 },
	{ "", "/_ping", NULL, NULL, 501 },
	{ "GET HEAD", "/_ping", NULL, NULL, 501 },
	{ "GET", "/_PING", NULL, NULL, 501 },
	{ "GET", "/containers/a/b/json", NULL, NULL, 501 },
	{ "GET", "/containers/a%2fb/json", NULL, NULL, 501 },
	{ "POST", "/containers/start", NULL, NULL, 501 },
	{ "GET", "/images/", NULL, NULL, 400 },
	{ "DELETE", "/images", NULL, NULL, 501 },
	{ "GET", "/new/endpoint", NULL, NULL, 501 },
	{ "CONNECT", "/_ping", NULL, NULL, 501 },
	{ "GET", "/v1.23/_ping", NULL, NULL, 400 },
	{ "GET", "/v2.0/_ping", NULL, NULL, 400 },
	{ "GET", "/v1.41/../_ping", NULL, NULL, 400 },
};

static void routes_are_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		struct judge_request q = { 0 };
		struct judge_verdict v = { 0 };
		int r = judge_route(routes[i].method, routes[i].target, &q, &v);

		if ((r == 0) != (routes[i].route != NULL))
			fail_msg("%s %s: %d %s", routes[i].method, routes[i].target, r, v.message);
		if (r < 0) {
			assert_int_equal(v.what, JUDGE_REFUSE);
			assert_int_equal(v.status, routes[i].status);
			assert_true(strlen(v.message) > 0);
			continue;
		}
		assert_string_equal(q.route->name, routes[i].route);
		if (routes[i].segment)
			assert_string_equal(q.segment[0], routes[i].segment);
		else
			assert_null(q.segment[0]);
		judge_request_done(&q);
	}
}

/* Every row can be reached: none stands behind one that takes its requests. */
static void no_route_hides_another(void **state)
{
	size_t n;
	const struct judge_route *table = route_table(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		struct judge_request q = { 0 };
		struct judge_verdict v = { 0 };
		char target[128] = "", method[16] = "";
		size_t len = 0;

		for (const char *p = table[i].pattern; *p; p++) {
			if (*p == '{') {
				target[len++] = 'x';
				p = strchr(p, '}');
			} else {
				target[len++] = *p;
			}
		}
		memcpy(method, table[i].methods, strcspn(table[i].methods, " "));
		assert_int_equal(judge_route(method, target, &q, &v), 0);
		assert_string_equal(q.route->name, table[i].name);
		judge_request_done(&q);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_are_canonical_or_refused),
		cmocka_unit_test(only_names_repeat_often),
		cmocka_unit_test(parameters_are_replaced_and_removed),
		cmocka_unit_test(routes_are_found),
		cmocka_unit_test(no_route_hides_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
