/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/num.h"

static void err_ctx_puts_the_outermost_context_first(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(err_sys(&e, ENOENT, "open %s", "/x"), -ENOENT);
	assert_int_equal(err_ctx(&e, -ENOENT, "mount #%d", 3), -ENOENT);
	assert_string_equal(e.msg, "mount #3: open /x: no such file or directory");
	assert_int_equal(e.code, ENOENT);
}

static void err_ctx_never_overflows(void **state)
{
	struct err e = { 0 };
	char big[600];

	(void)state;
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	err_set(&e, EINVAL, "%s", big);
	for (int i = 0; i < 10; i++)
		err_ctx(&e, -EINVAL, "%s", big);
	assert_true(strlen(e.msg) < sizeof e.msg);
}

static void numbers_are_strict(void **state)
{
	static const struct {
		const char *s;
		int r;
		uint32_t v;
	} rows[] = {
		{ "0", 0, 0 },
		{ "4294967295", 0, UINT32_MAX },
		{ "01", 0, 1 },
		{ "", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ "0x1", -EINVAL, 0 },
		{ "4294967296", -ERANGE, 0 },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "99999999999999999999999", -ERANGE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t v = 0;

		assert_int_equal(num_u32(rows[i].s, &v), rows[i].r);
		if (rows[i].r == 0)
			assert_int_equal(v, rows[i].v);
	}
}

static void signed_numbers_reach_both_ends(void **state)
{
	int64_t v;

	(void)state;
	assert_int_equal(num_i64("-9223372036854775808", &v), 0);
	assert_true(v == INT64_MIN);
	assert_int_equal(num_i64("9223372036854775807", &v), 0);
	assert_true(v == INT64_MAX);
	assert_int_equal(num_i64("9223372036854775808", &v), -ERANGE);
	assert_int_equal(num_i64("--1", &v), -EINVAL);
}

static void replace_is_all_or_nothing(void **state)
{
	char dir[] = "/tmp/caisson-test-XXXXXX";
	_cleanup_close_ int fd = -EBADF;
	_cleanup_free_ char *text = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(io_replace_at(fd, "f", "one", 3, 0600), 0);
	assert_int_equal(io_replace_at(fd, "f", "two!", 4, 0600), 0);
	assert_int_equal(io_read_at(fd, "f", 100, &text, NULL), 0);
	assert_string_equal(text, "two!");
	free(TAKE_PTR(text));
	assert_int_equal(io_read_at(fd, "f", 3, &text, NULL), -EFBIG);
	assert_int_equal(unlinkat(fd, "f", 0), 0);
	assert_int_equal(rmdir(dir), 0); /* no temporary file is left */
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(err_ctx_puts_the_outermost_context_first),
		cmocka_unit_test(err_ctx_never_overflows),
		cmocka_unit_test(numbers_are_strict),
		cmocka_unit_test(signed_numbers_reach_both_ends),
		cmocka_unit_test(replace_is_all_or_nothing),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
