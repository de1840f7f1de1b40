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
#include "codec/state.h"

#define FILE_NAME "/run/x/state.json"

static int parse(const char *text, struct state *ret, struct err *e)
{
	return state_parse(FILE_NAME, text, strlen(text), ret, e);
}

/* Byte for byte: files that an older version wrote are read by a newer one, and the reverse. */
static void the_format_on_disk_is_this(void **state)
{
	static const char want[] =
		"{\"ociVersion\":\"1.2.0\",\"id\":\"c1\",\"pid\":42,\"startTime\":4711,\"base\":100000,\"bundle\":\"/b\","
		"\"rootfs\":\"/r\",\"created\":\"2026-01-02T03:04:05Z\",\"cgroupsPath\":null,\"systemdCgroup\":false,"
		"\"delegated\":true,\"supervised\":true,\"hasPoststart\":true,\"hasPoststop\":false,\"rootfsDev\":77,\"engineDev\":78,"
		"\"annotations\":{\"a\":\"b\"},\"cgroup\":{\"path\":\"/x\"}}";
	char id[] = "c1", bundle[] = "/b", rootfs[] = "/r", created[] = "2026-01-02T03:04:05Z";
	json_t *annotations = json_pack("{s:s}", "a", "b"), *cgroup = json_pack("{s:s}", "path", "/x");
	const struct state s = { .id = id,
				 .bundle = bundle,
				 .rootfs = rootfs,
				 .created = created,
				 .pid = 42,
				 .start_time = 4711,
				 .base = 100000,
				 .rootfs_dev = 77,
				 .engine_dev = 78,
				 .delegated = true,
				 .supervised = true,
				 .has_poststart = true,
				 .annotations = annotations,
				 .cgroup = cgroup };
	_cleanup_free_ char *text = state_format(&s), *again = NULL;
	struct state read;

	(void)state;
	assert_non_null(text);
	assert_string_equal(text, want);
	assert_int_equal(parse(text, &read, NULL), 0);
	assert_string_equal(read.id, "c1");
	assert_string_equal(read.bundle, "/b");
	assert_string_equal(read.rootfs, "/r");
	assert_string_equal(read.created, created);
	assert_null(read.cgroups_path);
	assert_true(read.pid == 42 && read.start_time == 4711 && read.base == 100000 && read.rootfs_dev == 77 &&
		    read.engine_dev == 78);
	assert_true(read.delegated && read.supervised && read.has_poststart && !read.has_poststop &&
		    !read.systemd_cgroup);
	assert_true(json_equal(read.annotations, annotations));
	assert_true(json_equal(read.cgroup, cgroup));
	again = state_format(&read);
	assert_string_equal(again, want);
	state_done(&read);
	json_decref(annotations);
	json_decref(cgroup);
}

static void a_text_that_is_not_utf8_is_not_written(void **state)
{
	char bad[] = "/\xff", ok[] = "x";
	const struct state s = { .id = ok, .bundle = bad, .created = ok };

	(void)state;
	assert_null(state_format(&s));
}

static void a_damaged_file_is_named_with_reason_and_cure(void **state)
{
	static const char *const rows[][2] = {
		{ "", "not JSON" },
		{ "{", "not JSON" },
		{ "[]", "are needed" },
		{ "{}", "are needed" },
		{ "{\"pid\":1,\"pid\":2}", "not JSON" },
		{ "{\"bundle\":\"/b\",\"created\":\"x\",\"pid\":0}", "are needed" },
		{ "{\"bundle\":\"/b\",\"created\":\"x\",\"base\":0}", "are needed" },
		{ "{\"bundle\":\"/b\",\"pid\":0,\"base\":0}", "are needed" },
		{ "{\"created\":\"x\",\"pid\":0,\"base\":0}", "are needed" },
		{ "{\"bundle\":1,\"created\":\"x\",\"pid\":0,\"base\":0}", "are needed" },
		{ "{\"bundle\":\"/b\",\"created\":\"x\",\"pid\":-1,\"base\":0}", "are needed" },
		{ "{\"bundle\":\"/b\",\"created\":\"x\",\"pid\":2147483648,\"base\":0}", "are needed" },
		{ "{\"bundle\":\"/b\",\"created\":\"x\",\"pid\":\"1\",\"base\":0}", "are needed" },
		{ "{\"bundle\":\"/b\",\"created\":\"x\",\"pid\":1.0,\"base\":0}", "are needed" },
		{ "{\"bundle\":\"/b\",\"created\":\"x\",\"pid\":0,\"base\":4294967296}", "are needed" },
		{ "{\"bundle\":\"/b\",\"created\":\"x\",\"pid\":0,\"base\":-1}", "are needed" },
		/* any process with that pid would be taken for init */
		{ "{\"bundle\":\"/b\",\"created\":\"x\",\"pid\":1,\"base\":0}", "startTime is needed" },
		{ "{\"bundle\":\"/b\",\"created\":\"x\",\"pid\":1,\"base\":0,\"startTime\":0}",
		  "startTime is needed" },
		{ "{\"bundle\":\"/b\",\"created\":\"x\",\"pid\":1,\"base\":0,\"startTime\":\"5\"}",
		  "must be numbers" },
		{ "{\"bundle\":\"/b\",\"created\":\"x\",\"pid\":0,\"base\":0,\"rootfsDev\":-1}",
		  "must be numbers" },
		{ "{\"bundle\":\"/b\",\"created\":\"x\",\"pid\":0,\"base\":0,\"engineDev\":\"1\"}",
		  "must be numbers" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct state s = { .pid = 4711 };
		struct err e = { 0 };
		int r = parse(rows[i][0], &s, &e);

		if (r != -EPROTO || e.code != EPROTO || s.pid != 4711 ||
		    strncmp(e.msg, FILE_NAME " is damaged: ", 30) != 0 || !strstr(e.msg, rows[i][1]) ||
		    !strstr(e.msg, "; remove the container with delete --force"))
			fail_msg("row %zu: %d: %s", i, r, e.msg);
	}
}

static void the_least_that_is_needed_is_enough(void **state)
{
	struct state s;

	(void)state;
	assert_int_equal(parse("{\"bundle\":\"/b\",\"created\":\"x\",\"pid\":0,\"base\":7}", &s, NULL), 0);
	assert_true(s.pid == 0 && s.start_time == 0 && s.base == 7);
	assert_null(s.id);
	assert_null(s.annotations);
	state_done(&s);
	assert_null(s.bundle);
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(the_format_on_disk_is_this),
		cmocka_unit_test(a_text_that_is_not_utf8_is_not_written),
		cmocka_unit_test(a_damaged_file_is_named_with_reason_and_cure),
		cmocka_unit_test(the_least_that_is_needed_is_enough),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
