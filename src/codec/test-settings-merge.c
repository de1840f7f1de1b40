/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "codec/settings.h"

#define ECI(text) "{\"enhancedContainerIsolation\":" text "}"

static int merge(const char *const texts[], size_t n, struct settings *s, struct err *e)
{
	static const char *const names[] = { "/a.json", "/d/1.json", "/d/2.json" };
	struct settings_text files[3];

	for (size_t i = 0; i < n; i++)
		files[i] = (struct settings_text){ names[i], texts[i], strlen(texts[i]) };
	return settings_merge(files, n, s, e);
}

static void what_is_written_where(void **state)
{
	static const char text[] =
		"\xef\xbb\xbf{ \"a\": 1,\n \"b\" : {\n  \"c\": [10,\n {\"d\": \"x\\\"]}\"}, null],\n"
		" \"\\u0065\": true }, \"f\" : [ ] }\n";
	static const struct {
		const char *key, *value;
		unsigned line;
	} rows[] = {
		{ "a", "1", 1 },
		{ "A", "1", 1 },
		{ "b.c", "[10,\n {\"d\": \"x\\\"]}\"}, null]", 3 },
		{ "b.c[0]", "10", 3 },
		{ "b.c[1].d", "\"x\\\"]}\"", 4 },
		{ "b.c[2]", "null", 4 },
		{ "b.e", "true", 5 },
		{ "f", "[ ]", 5 },
		{ "f[0]", NULL, 0 },
		{ "b.c[3]", NULL, 0 },
		{ "b.c.d", NULL, 0 },
		{ "a.b", NULL, 0 },
		{ "a[0]", NULL, 0 },
		{ "g", NULL, 0 },
		{ "b.c[", NULL, 0 },
		{ "b..c", NULL, 0 },
		{ ".", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct settings_place p = settings_locate(text, sizeof text - 1, rows[i].key);

		if (p.line != rows[i].line)
			fail_msg("%s: line %u", rows[i].key, p.line);
		if (rows[i].value && (p.end - p.start != strlen(rows[i].value) ||
				      memcmp(text + p.start, rows[i].value, p.end - p.start) != 0))
			fail_msg("%s: %.*s", rows[i].key, (int)(p.end - p.start), text + p.start);
	}
}

static void text_that_is_no_json_is_only_not_found(void **state)
{
	static const char *const texts[] = { "", "{", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":[", "]", "{\"\\" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char *exact = malloc(strlen(texts[i]) + 1);

		assert_non_null(exact);
		memcpy(exact, texts[i], strlen(texts[i])); /* nothing behind it that ends it */
		assert_int_equal(settings_locate(exact, strlen(texts[i]), "a").line, 0);
		free(exact);
	}
}

static void a_later_file_wins_member_by_member(void **state)
{
	static const char *const texts[] = {
		"{\"caisson\":{\"allowHooks\":false,\"idPool\":{\"first\":70000},\"allowedDevices\":[\"/dev/a\",\"/dev/b\"]}}",
		"{\"CAISSON\":{\"idpool\":{\"count\":3},\"alloweddevices\":[\"/dev/c\"]}}",
		ECI("{\"value\":false}"),
	};
	struct settings s;
	struct err e = { 0 };
	char buf[64];

	(void)state;
	if (merge(texts, 3, &s, &e) < 0)
		fail_msg("%s", e.msg);
	assert_false(s.allow_hooks);
	assert_false(s.enabled);
	assert_true(s.locked);
	assert_int_equal(s.pool_first, 70000);
	assert_int_equal(s.pool_count, 3);
	assert_int_equal(s.n_devices, 1);
	assert_string_equal(s.devices[0].path, "/dev/c");
	assert_int_equal(s.n_sources, 3);
	assert_string_equal(s.file, "/a.json");
	assert_string_equal(settings_origin(&s, "caisson.allowedDevices[0]", buf, sizeof buf), "/d/1.json:1");
	assert_string_equal(settings_origin(&s, "caisson.idPool.first", buf, sizeof buf), "/a.json:1");
	assert_string_equal(settings_origin(&s, "caisson.resourceView", buf, sizeof buf), "built-in defaults");
	settings_done(&s);
}

static void what_is_locked_stays(void **state)
{
	static const struct {
		const char *first, *second, *why; /* NULL: accepted */
	} rows[] = {
		{ ECI("{\"value\":true,\"locked\":true}"), ECI("{\"value\":false}"),
		  "/d/1.json:1: enhancedContainerIsolation.value" },
		{ ECI("{\"value\":true,\"locked\":true}"), ECI("{\"value\":true}"), NULL },
		{ ECI("{\"value\":true,\"locked\":true}"), ECI("{\"locked\":false}"),
		  "enhancedContainerIsolation.locked" },
		{ ECI("{\"locked\":true}"), ECI("{\"value\":false}"), "enhancedContainerIsolation.value" },
		{ ECI("{\"locked\":false}"), ECI("{\"value\":false}"), NULL },
		{ ECI("{\"value\":true}"), ECI("{\"value\":false}"), NULL },
		{ ECI("{\"locked\":true,\"dockerSocketMount\":{\"imageList\":{\"images\":[\"a\"]}}}"),
		  ECI("{\"dockerSocketMount\":{\"imageList\":{\"images\":[\"b\"]}}}"),
		  "dockerSocketMount.imageList.images" },
		{ "{\"x\":{\"value\":1,\"locked\":true}}", "{\"X\":{\"VALUE\":2}}", "/d/1.json:1: X.VALUE" },
		{ "{\"x\":{\"value\":1,\"locked\":true}}", "{\"x\":2}", "/d/1.json:1: x" },
		{ "{\"caisson\":{\"locked\":true,\"allowHooks\":false}}", "{\"caisson\":{\"allowHooks\":true}}",
		  "caisson.allowHooks" },
		{ "{\"caisson\":{\"locked\":true,\"allowHooks\":false}}", "{\"caisson\":{\"shares\":[]}}",
		  "caisson.shares" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *const texts[] = { rows[i].first, rows[i].second };
		struct settings s = { .pool_first = 42 };
		struct err e = { 0 };
		int r = merge(texts, 2, &s, &e);

		if (rows[i].why ? r != -EPERM || !strstr(e.msg, rows[i].why) ||
					  !strstr(e.msg, "what /a.json says and locks")
				: r != 0)
			fail_msg("row %zu: %d %s", i, r, e.msg);
		if (r == 0)
			settings_done(&s);
		else
			assert_int_equal(s.pool_first, 42);
	}
}

static void each_file_is_checked_by_itself(void **state)
{
	/* Overruled later, but wrong. */
	static const char *const texts[] = { "{}", "{\"caisson\":{\"allowHooks\":1}}",
					     "{\"caisson\":{\"allowHooks\":true}}" };
	/* Each right, together not. */
	static const char *const together[] = { "{\"caisson\":{\"idPool\":{\"count\":32000}}}",
						"{\"caisson\":{\"idPool\":{\"first\":2147400000}}}" };
	struct settings s;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(merge(texts, 3, &s, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "/d/1.json: caisson.allowHooks"));
	assert_int_equal(merge(together, 2, &s, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "caisson.idPool.count"));
	assert_int_equal(settings_merge(NULL, 0, &s, &e), 0);
	assert_string_equal(s.file, "built-in defaults");
	assert_true(s.enabled && s.locked);
	settings_done(&s);
}

static void users_decide_what_is_not_locked(void **state)
{
	static const struct {
		const char *admin, *user;
		int r;
		bool enabled;
	} rows[] = {
		{ ECI("{\"locked\":false}"), "{\"EnhancedContainerIsolation\":false}", 0, false },
		{ ECI("{\"locked\":false}"), ECI("{\"value\":false}"), 0, false },
		{ ECI("{\"locked\":false,\"value\":false}"), ECI("true"), 0, true },
		{ ECI("{\"locked\":false}"), "{\"caisson\":{\"allowHooks\":3}}", 0, true },
		{ ECI("{\"locked\":false}"), ECI("{}"), 0, true },
		{ ECI("{\"locked\":false}"), ECI("1"), -EINVAL, true },
		{ ECI("{\"locked\":false}"), ECI("{\"value\":null}"), -EINVAL, true },
		{ ECI("{\"locked\":false}"), "[]", -EINVAL, true },
		{ ECI("{\"locked\":false}"), "", -EINVAL, true },
		{ ECI("{\"locked\":true}"), ECI("false"), 0, true },
		{ ECI("{\"value\":true}"), ECI("false"), 0, true },
		{ "{}", ECI("false"), 0, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct settings_text user = { "/u.json", rows[i].user, strlen(rows[i].user) };
		struct settings s;
		struct err e = { 0 };
		char buf[64];

		assert_int_equal(merge(&rows[i].admin, 1, &s, &e), 0);
		if (settings_user(&s, &user, &e) != rows[i].r || s.enabled != rows[i].enabled)
			fail_msg("row %zu: %d %s", i, s.enabled, e.msg);
		if (i < 2)
			assert_string_equal(settings_origin(&s, "enhancedContainerIsolation.value", buf,
							    sizeof buf),
					    "/u.json:1");
		assert_string_equal(settings_origin(&s, "caisson.allowHooks", buf, sizeof buf),
				    "built-in defaults");
		settings_done(&s);
	}
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(what_is_written_where),
		cmocka_unit_test(text_that_is_no_json_is_only_not_found),
		cmocka_unit_test(a_later_file_wins_member_by_member),
		cmocka_unit_test(what_is_locked_stays),
		cmocka_unit_test(each_file_is_checked_by_itself),
		cmocka_unit_test(users_decide_what_is_not_locked),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
