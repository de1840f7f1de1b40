/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "METHOD target": oracles: what is accepted is written again as something that is accepted, with the same parts, and
 * writing is then stable; paths are clean; a route is found again for what is written; where "pull" is blocked, so is all that
 * names an image.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/lexpath.h"
#include "guard/judge.h"
#include "guard/rules.h"
#include "guard/test-engine.h"
#include "socket/grants.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)                 \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* As the engine decides: it pulls whenever there is a fromImage. */
static void check_pull(struct judge_request *q)
{
	static const char text[] =
		"{\"enhancedContainerIsolation\": {\"dockerSocketMount\": {\"imageList\": {\"images\": "
		"[\"tool\"]}, \"commandList\": {\"commands\": [\"pull\"]}}}}";
	static char tool[] = "tool";
	static struct grant grant = { .image = tool, .entry = tool };
	static struct settings settings;
	struct judge_verdict v = { 0 };
	const char *image = query_get(q, "fromImage");
	struct err e;

	if (strcmp(q->route->name, "image_create") != 0 || !image || !*image)
		return;
	if (!settings.json)
		CHECK(settings_parse("settings", text, sizeof text - 1, &settings, &e) == 0);
	q->settings = &settings;
	q->grant = &grant;
	q->target = "x";
	CHECK(socket_judge(q, &v) < 0 && v.status == 403 && strstr(v.message, "is blocked"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = NULL, *once = NULL, *twice = NULL;
	struct judge_request a = { 0 }, b = { 0 };
	struct judge_verdict v = { 0 };
	const char *method, *target;
	char *space;

	if (size > 8192)
		return 0;
	text = strndup((const char *)data, size);
	CHECK(text);
	space = strchr(text, ' ');
	method = space ? text : "GET";
	target = space ? space + 1 : text;
	if (space)
		*space = '\0';
	if (judge_route(method, target, &a, &v) < 0) {
		CHECK(v.what == JUDGE_REFUSE && v.status >= 400 && *v.message && !a.heap && !a.segment_heap);
		return 0;
	}
	CHECK(a.route && lex_is_clean(a.path));
	once = judge_target(&a, &v);
	CHECK(once && judge_route(method, once, &b, &v) == 0);
	CHECK(a.route == b.route && same(a.path, b.path) && same(a.version, b.version) && a.n_query == b.n_query);
	for (size_t i = 0; i < a.n_query; i++)
		CHECK(same(a.query[i].key, b.query[i].key) && same(a.query[i].value, b.query[i].value) &&
		      *a.query[i].key);
	for (size_t i = 0; i < ARRAY_SIZE(a.segment); i++)
		CHECK(same(a.segment[i], b.segment[i]) && (!a.segment[i] || *a.segment[i]));
	twice = judge_target(&b, &v);
	CHECK(same(once, twice));
	check_pull(&a);
	judge_request_done(&a);
	judge_request_done(&b);
	return 0;
}
