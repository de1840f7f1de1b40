/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "ctl/edit.h"
#include "ctl/install.h"

static void one_word_is_changed(void **state)
{
	static const struct {
		const char *old;
		bool user, on;
		const char *want;
	} rows[] = {
		{ "{ \"enhancedContainerIsolation\" : {\t\"value\":true } }", false, false,
		  "{ \"enhancedContainerIsolation\" : {\t\"value\":false } }" },
		{ "\xef\xbb\xbf{\"EnhancedContainerIsolation\":{\"Value\":false}}\r\n", false, true,
		  "\xef\xbb\xbf{\"EnhancedContainerIsolation\":{\"Value\":true}}\r\n" },
		{ "{\"z\":1,\"enhancedContainerIsolation\":{\"locked\":true},\"a\":2}", false, true,
		  "{\n  \"z\": 1,\n  \"enhancedContainerIsolation\": {\n    \"locked\": true,\n    \"value\": true\n  },\n"
		  "  \"a\": 2\n}\n" },
		{ NULL, false, false,
		  "{\n  \"configurationFileVersion\": 2,\n  \"enhancedContainerIsolation\": {\n    \"value\": false\n  }\n}\n" },
		{ NULL, true, false, "{\n  \"enhancedContainerIsolation\": false\n}\n" },
		{ "{\"EnhancedContainerIsolation\":true}", true, false, "{\"EnhancedContainerIsolation\":false}" },
		{ "{\"enhancedContainerIsolation\":{\"value\":true}}", true, false,
		  "{\"enhancedContainerIsolation\":{\"value\":false}}" },
		{ "{\"enhancedContainerIsolation\":{}}", true, false,
		  "{\n  \"enhancedContainerIsolation\": {\n    \"value\": false\n  }\n}\n" },
		{ "[]", false, true, NULL },
		{ "", false, true, NULL },
		{ "{\"a\":1,\"a\":2}", false, true, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *got = NULL;
		struct err e = { 0 };
		int r = edit_text(rows[i].old, rows[i].old ? strlen(rows[i].old) : 0, rows[i].user, rows[i].on,
				  &got, &e);

		if (rows[i].want ? r < 0 || strcmp(got, rows[i].want) != 0 : r != -EINVAL)
			fail_msg("row %zu: %d %s %s", i, r, e.msg, got ? got : "");
	}
}

static void daemon_json_is_merged(void **state)
{
	static const struct {
		const char *old, *has; /* "": refused */
	} rows[] = {
		{ NULL, "\"network-host\": false" },
		{ "{\"Builder\":{\"entitlements\":{\"network-host\":true}}}",
		  "\"entitlements\": {\n      \"network-host\": false" },
		{ "{\"runtimes\":{\"sysbox-runc\":{\"path\":\"/old\",\"runtimeArgs\":[\"x\"]}}}",
		  "/caisson\"\n    }" },
		{ "{\"HOSTS\":[]}", "" },
		{ "{\"builder\":1}", "" },
		{ "[]", "" },
		{ "{", "" },
		{ "{\"a\":1,\"a\":2}", "" },
	};
	_cleanup_free_ char *first = NULL, *second = NULL;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *got = NULL;
		int r = merge_daemon_json(rows[i].old, &got, &e);

		if (*rows[i].has ? r < 0 || !strstr(got, rows[i].has) : r >= 0)
			fail_msg("row %zu: %d %s", i, r, got ? got : e.msg);
	}
	assert_int_equal(merge_daemon_json("{}", &first, &e), 0);
	assert_int_equal(merge_daemon_json(first, &second, &e), 0);
	assert_string_equal(first, second);
}

static void the_engines_command_line_loses_its_hosts(void **state)
{
	static const struct {
		const char *unit, *want;
		bool by_fd;
	} rows[] = {
		{ "ExecStart=/d -H fd:// --x $OPTS\n", "/d --x $OPTS", true },
		{ "ExecStart=/d --host=unix:///a -Hunix:///b --host unix:///c -D", "/d -D", false },
		{ "ExecStart=\n ExecStart=/e\\\n  -D\n", "/e -D", false },
		{ "ExecStart=/d -H tcp://1", NULL, false },
		{ "ExecStart=/d --host=0.0.0.0:1", NULL, false },
	};
	_cleanup_free_ char *none = NULL;
	struct err e = { 0 };
	bool by_fd;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *got = NULL;
		int r = exec_start(rows[i].unit, &got, &by_fd, &e);

		if (rows[i].want ? r < 0 || strcmp(got, rows[i].want) != 0 || by_fd != rows[i].by_fd
				 : r != -EINVAL)
			fail_msg("row %zu: %d %s", i, r, got ? got : e.msg);
	}
	assert_int_equal(exec_start("[Service]\nExecStartPre=/x\n", &none, &by_fd, &e), 0);
	assert_null(none);
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(one_word_is_changed),
		cmocka_unit_test(daemon_json_is_merged),
		cmocka_unit_test(the_engines_command_line_loses_its_hosts),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
