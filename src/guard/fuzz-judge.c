/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A create body. Oracles, for one that passes:
 *   - it has one HostConfig, with our runtime, and none of the names that mean the host's namespaces;
 *   - no host path in it lies outside the share, and none has "..", "." or an empty component;
 *   - no two keys of HostConfig fold to the same;
 *   - judged again it passes and does not change: what is sent on is what was judged;
 *   - the same body with its keys in upper case gets the same verdict.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/json-read.h"
#include "codec/lexpath.h"
#include "guard/rules.h"
#include "guard/test-engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SHARE "/usr/share/doc"
#define CHECK(x)                 \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

static const struct settings *the_settings(void)
{
	static const char text[] = "{\"filesharingAllowedDirectories\": [{\"path\": \"" SHARE "\"}]}";
	static struct settings s;
	struct err e;

	if (!s.json)
		CHECK(settings_parse("settings", text, sizeof text - 1, &s, &e) == 0);
	return &s;
}

static enum judge_what judge_body(json_t **body)
{
	struct judge_request q = { 0 };
	struct judge_verdict v = { 0 };

	CHECK(judge_route("POST", "/containers/create", &q, &v) == 0);
	q.settings = the_settings();
	q.body = *body;
	judge(&q, &v);
	CHECK(v.what == JUDGE_PASS || (*v.message && v.rule && v.status >= 400));
	*body = json_incref(q.body);
	judge_request_done(&q);
	return v.what;
}

static void check_path(const char *path, size_t len)
{
	_cleanup_free_ char *p = strndup(path, len);

	CHECK(lex_is_clean(p));
	CHECK(lex_is_below(p, SHARE) || lex_is_below(p, "/lib/modules") || lex_is_below(p, "/usr/lib/modules"));
}

static bool is_text(const json_t *o, const char *key, const char *text)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s && strcmp(s, text) == 0;
}

static void check_passed(json_t *body)
{
	json_t *hc = json_object_get(body, "HostConfig"), *v, *w;
	const char *key, *other;
	size_t i;

	CHECK(json_is_object(hc) && is_text(hc, "Runtime", RULES_RUNTIME));
	CHECK(!is_text(hc, "PidMode", "host") && !is_text(hc, "IpcMode", "host") &&
	      !is_text(hc, "UTSMode", "host") && !is_text(hc, "NetworkMode", "host") &&
	      !is_text(hc, "CgroupnsMode", "host") && !json_object_get(hc, "UsernsMode"));
	json_object_foreach(hc, key, v)
		json_object_foreach(hc, other, w)
			CHECK(key == other || !key_equal_fold(key, other));
	json_object_foreach(body, key, v)
		CHECK(strcmp(key, "HostConfig") == 0 || !key_equal_fold(key, "HostConfig"));
	json_array_foreach(json_object_get(hc, "Binds"), i, v) {
		const char *s = json_string_value(v);

		if (*s == '/' && strchr(s, ':'))
			check_path(s, strcspn(s, ":"));
	}
	json_array_foreach(json_object_get(hc, "Mounts"), i, v)
		if (is_text(v, "Type", "bind"))
			check_path(json_string_value(json_object_get(v, "Source")), SIZE_MAX / 2);
}

/* Keys of the two upper levels in upper case; NULL when two of them meet. */
static json_t *upper(json_t *o, unsigned levels)
{
	json_t *ret = json_object(), *v;
	const char *key;

	json_object_foreach(o, key, v) {
		char name[256];
		size_t n = 0;

		for (; key[n] && n < sizeof name - 1; n++)
			name[n] = (char)toupper((unsigned char)key[n]);
		name[n] = '\0';
		v = levels > 1 && json_is_object(v) && strcmp(name, "HOSTCONFIG") == 0 ? upper(v, 1)
										       : json_incref(v);
		if (key[n] || !v || json_object_get(ret, name)) {
			json_decref(v);
			json_decref(ret);
			return NULL;
		}
		(void)json_object_set_new(ret, name, v);
	}
	return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *body = NULL, *shouted, *before;
	struct err e = { 0 };
	enum judge_what what;

	if (size > 16384 || json_read("body", (const char *)data, size, &body, &e) < 0)
		return 0;
	if (!json_is_object(body)) {
		json_decref(body);
		return 0;
	}
	before = json_deep_copy(body);
	shouted = upper(before, 2);
	what = judge_body(&body);
	if (shouted) {
		CHECK(judge_body(&shouted) == what);
		if (what == JUDGE_PASS)
			CHECK(json_equal(json_object_get(shouted, "HostConfig"),
					 json_object_get(body, "HostConfig")));
	}
	if (what == JUDGE_PASS) {
		json_t *again = json_deep_copy(body);

		check_passed(body);
		CHECK(judge_body(&again) == JUDGE_PASS && json_equal(again, body));
		json_decref(again);
	}
	json_decref(shouted);
	json_decref(before);
	json_decref(body);
	return 0;
}
