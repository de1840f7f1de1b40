/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "codec/json-read.h"

static void values_are_read_exactly(void **state)
{
	static const struct {
		const char *text, *dump;
	} rows[] = {
		{ " {\t} \r\n", "{}" },
		{ "[]", "[]" },
		{ "[ [ ] , { \"a\" : [ { } ] } ]", "[[],{\"a\":[{}]}]" },
		{ "[true,false,null]", "[true,false,null]" },
		{ "[0,-0,7,-7]", "[0,0,7,-7]" },
		{ "[9223372036854775807,-9223372036854775808]", "[9223372036854775807,-9223372036854775808]" },
		{ "[9223372036854775808]", "[\"\\u00019223372036854775808\"]" },
		{ "[18446744073709551615]", "[\"\\u000118446744073709551615\"]" },
		{ "[1.5,-0.25,1e2,25E-1,1e+1]", "[1.5,-0.25,100.0,2.5,10.0]" },
		{ "[\"\",\"a\"]", "[\"\",\"a\"]" },
		{ "[\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"]", "[\"a\\\"\\\\/\\b\\f\\n\\r\\tz\"]" },
		{ "[\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"]", "[\"A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"]" },
		{ "[\"\xc3\xa9\"]", "[\"\xc3\xa9\"]" },
		{ "{\"\\u006e\":\"\\u0076\",\"\xc3\xa9\":\"w\"}", "{\"n\":\"v\",\"\xc3\xa9\":\"w\"}" },
		{ "{\"\":1}", "{\"\":1}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *dump = NULL;
		struct err e = { 0 };
		json_t *json;

		if (json_read("doc", rows[i].text, strlen(rows[i].text), &json, &e) < 0)
			fail_msg("%s: %s", rows[i].text, e.msg);
		dump = json_dumps(json, JSON_COMPACT);
		assert_string_equal(dump, rows[i].dump);
		json_decref(json);
	}
}

static void what_is_not_json_is_refused_at_its_place(void **state)
{
	static const struct {
		const char *text;
		size_t column;
		const char *why;
	} rows[] = {
		{ "", 1, "an object was expected" },
		{ "  7", 3, "an object was expected" },
		{ "\"x\"", 1, "an object was expected" },
		{ "\xef\xbb\xbf{}", 1, "an object was expected" },
		{ "[", 2, "the document ends inside an array" },
		{ "{\"a\":", 6, "the document ends where a value was expected" },
		{ "{\"a\":1", 7, "the document ends inside an object" },
		{ "{\"a\"", 5, "':' was expected" },
		{ "[1 2]", 4, "',' or ']' was expected" },
		{ "[1}", 3, "',' or ']' was expected" },
		{ "[,]", 2, "a value was expected" },
		{ "{,}", 2, "a name in quotes was expected" },
		{ "{1:2}", 2, "a name in quotes was expected" },
		{ "[]]", 3, "something follows the end of the document" },
		{ "[+1]", 2, "a value was expected" },
		{ "[-]", 2, "a value was expected" },
		{ "[.5]", 2, "a value was expected" },
		{ "[1.]", 2, "a digit was expected behind '.'" },
		{ "[1e]", 2, "an exponent was expected" },
		{ "[1e+", 2, "an exponent was expected" },
		{ "[NaN]", 2, "a value was expected" },
		{ "[nul]", 2, "a value was expected" },
		{ "[nullx]", 6, "',' or ']' was expected" },
		{ "[1e999]", 2, "a number is too big" },
		{ "[100000000000000000000000]", 2, "a number is too big" },
		{ "[0.1111111111111111111111111111111111111111111111111111111111111111]", 2,
		  "a number is too long" },
		{ "[\"a", 2, "the document ends inside a string" },
		{ "[\"\\n", 2, "the document ends inside a string" },
		{ "[\"\\", 3, "the document ends inside a string" },
		{ "[\"\\u00g0\"]", 3, "\\u needs four hexadecimal digits" },
		{ "[\"\\u12", 3, "\\u needs four hexadecimal digits" },
		{ "[\"\\ude00\"]", 3, "half of a surrogate pair" },
		{ "[\"\\ud83d\\u0041\"]", 3, "half of a surrogate pair" },
		{ "[\"\\ud83d\\ude0", 3, "half of a surrogate pair" },
		{ "[\"\\n\t\"]", 5, "control character in a string" },
		{ "[\"\xed\xa0\x80\"]", 2, "a string is not valid UTF-8" },
		{ "[\"\\n\xff\"]", 2, "a string is not valid UTF-8" },
		{ "{\"a\":1,\"b\":2,\"a\":3}", 14, "two members of one object have the same name: remove one" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *json = NULL;
		struct err e = { 0 };
		char msg[200];
		int r;

		(void)snprintf(msg, sizeof msg, "doc: not JSON: line 1, column %zu: %s", rows[i].column,
			       rows[i].why);
		r = json_read("doc", rows[i].text, strlen(rows[i].text), &json, &e);
		if (r != -EINVAL || strcmp(e.msg, msg) != 0)
			fail_msg("%s\n  returned %d: %s\n  expected %d: %s", rows[i].text, r, e.msg, -EINVAL, msg);
		assert_null(json);
	}
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(values_are_read_exactly),
		cmocka_unit_test(what_is_not_json_is_refused_at_its_place),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
