/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "emulate/emulate.h"

static const struct emu_rule an_int = { .kind = EMU_INT, .min = INT_MIN, .max = INT_MAX };
static const struct emu_rule switch_rule = { .kind = EMU_INT, .min = 0, .max = 1 };
static const struct emu_rule ints = { .kind = EMU_INTS, .count = 4, .min = INT_MIN, .max = INT_MAX };
static const struct emu_rule up_to_three = { .kind = EMU_INT, .min = 0, .max = 3, .once = EINVAL, .last = 3 };
static const struct emu_rule locked_at_one = { .kind = EMU_INT, .min = 0, .max = 2, .once = EPERM, .last = 1 };
static const struct emu_rule ulong_rule = { .kind = EMU_ULONG, .min = 0, .max = -1 };
static const struct emu_rule uint_rule = { .kind = EMU_UINT, .min = 0, .max = UINT_MAX };
static const struct emu_rule short_text = { .kind = EMU_TEXT, .max = 5 };
static const struct emu_rule words = { .kind = EMU_WORD, .words = "on off ratelimit" };

static void values_are_judged_as_the_rule_says(void **state)
{
	static const struct {
		const struct emu_rule *rule;
		const char *current, *text, *want; /* NULL: @result is the answer */
		int result;
	} rows[] = {
		{ &an_int, "5\n", "7\n", "7\n", 0 },
		{ &an_int, "5\n", "", "5\n", 0 },
		{ &an_int, "5\n", "\n", NULL, -EINVAL },
		{ &an_int, NULL, "-0x10", "-16\n", 0 },
		{ &switch_rule, "0\n", "1", "1\n", 0 },
		{ &switch_rule, "0\n", "2", NULL, -EINVAL },
		{ &switch_rule, "0\n", "-1", NULL, -EINVAL },
		{ &ints, "4\t4\t1\t7\n", "1 2", "1\t2\t1\t7\n", 0 },
		{ &ints, "4\t4\t1\t7\n", "1 x", NULL, -EINVAL },
		{ &ints, "4\t4\t1\t7\n", "1 2 3 4 5", "1\t2\t3\t4\n", 0 },
		{ &ints, NULL, "1", "1\t0\t0\t0\n", 0 },
		{ &up_to_three, "2\n", "1", "1\n", 0 },
		{ &up_to_three, "3\n", "3", "3\n", 0 },
		{ &up_to_three, "3\n", "2", NULL, -EINVAL },
		{ &locked_at_one, "2\n", "0", "0\n", 0 },
		{ &locked_at_one, "1\n", "2", NULL, -EPERM },
		{ &locked_at_one, "1\n", "9", NULL, -EINVAL },
		{ &ulong_rule, "0\n", "18446744073709551615", "18446744073709551615\n", 0 },
		{ &ulong_rule, "0\n", "18446744073709551616", NULL, -EINVAL },
		{ &uint_rule, "0\n", "4294967295", "4294967295\n", 0 },
		{ &uint_rule, "0\n", "4294967296", NULL, -EINVAL },
		{ &short_text, "a\n", "abcdefgh", "abcde\n", 0 },
		{ &short_text, "a\n", "|x\ny", "|x\n", 0 },
		{ &short_text, "a\n", "\n", "\n", 0 },
		{ &words, "on\n", "ratelimit\n", "ratelimit\n", 0 },
		{ &words, "on\n", "off", NULL, -EINVAL }, /* as the kernel: without its newline it is none */
		{ &words, "on\n", "of\n", NULL, -EINVAL },
		{ &words, "on\n", "\n", NULL, -EINVAL },
		{ &words, "on\n", "on off\n", NULL, -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char got[EMU_VALUE_MAX + 1] = "untouched";
		size_t len = 9;
		int r = emu_value_parse(rows[i].rule, rows[i].current,
					rows[i].current ? strlen(rows[i].current) : 0, rows[i].text,
					strlen(rows[i].text), got, &len);

		got[len] = '\0';
		if (r != rows[i].result || strcmp(got, rows[i].want ? rows[i].want : "untouched") != 0)
			fail_msg("row %zu: \"%s\" gave %d, \"%s\"", i, rows[i].text, r, got);
	}
}

/* Nothing of the host is changed: all of these files belong to the network, ipc or uts namespace. */
static const struct {
	const char *path;
	struct emu_rule rule;
} kernel_files[] = {
	{ "net/ipv4/tcp_base_mss", { .kind = EMU_INT, .min = INT_MIN, .max = INT_MAX } },
	{ "kernel/msgmax", { .kind = EMU_INT, .min = 0, .max = INT_MAX } },
	{ "kernel/shmall", { .kind = EMU_ULONG, .min = 0, .max = -1 } },
	{ "kernel/shmmax", { .kind = EMU_ULONG, .min = 0, .max = -1 } },
	{ "net/ipv4/tcp_child_ehash_entries", { .kind = EMU_UINT, .min = 0, .max = 16777216 } },
	{ "net/ipv4/tcp_rmem", { .kind = EMU_INTS, .count = 3, .min = 1, .max = INT_MAX } },
	{ "kernel/domainname", { .kind = EMU_TEXT, .max = 64 } },
};

#define X16 "xxxxxxxxxxxxxxxx"

static const struct {
	const char *text;
	size_t len;
} writes[] = {
#define W(s)                     \
	{                        \
		s, sizeof(s) - 1 \
	}
	W("\n"),
	W(" "),
	W("1"),
	W("1\n"),
	W(" 1"),
	W("\t\n\v\f\r1\n"),
	W("\xa0"
	  "1"),
	W("\xa1"
	  "1"),
	W("1\0"),
	W("1\n\0"),
	W("1 \0"),
	W("1\0junk"),
	W("\0"
	  "1"),
	W("1 junk"),
	W("1\tjunk"),
	W("1\njunk"),
	W("1junk"),
	W("1\vjunk"),
	W("1\r\n"),
	W("1,2"),
	W("+1"),
	W("-1"),
	W("-0"),
	W("-"),
	W("--1"),
	W("- 1"),
	W("-x"),
	W("0"),
	W("0x10"),
	W("0X1F\n"),
	W("-0x10"),
	W("0x"),
	W("0xg"),
	W("0x 1"),
	W("010"),
	W("08"),
	W("0b1"),
	W("00"),
	W("0x0"),
	W("1e3"),
	W("1.5"),
	W("2147483647"),
	W("2147483648"),
	W("-2147483648"),
	W("-2147483649"),
	W("4294967295"),
	W("4294967296"),
	W("9223372036854775808"),
	W("16777216"),
	W("16777217"),
	W("18446744073709551615"),
	W("18446744073709551616"),
	W("99999999999999999999"),
	W("00000000000000000001"),
	W("000000000000000000001"),
	W("0000000000000000000001"),
	W("-0000000000000000001"),
	W("-00000000000000000001"),
	W("0x00000000000000001"),
	W("0x0000000000000000001"),
	W("0xffffffffffffffff"),
	W("0x1ffffffffffffffff"),
	W("1 2"),
	W("1 2 3"),
	W("1 2 3 4"),
	W("4096\t8192\t16384\n"),
	W("1 x"),
	W("1 2 x"),
	W("1 2 -3"),
	W("1 2 3 x"),
	W("a\nb"),
	W(" a b "),
	W("a\0b"),
	W(X16 X16 X16 "xxxxxxxxxxxxxxx\n"),
	W(X16 X16 X16 X16 "\n"),
	W(X16 X16 X16 X16 "yz"),
#undef W
};

static int write_file(const char *path, const char *text, size_t len)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return write(fd, text, len) < 0 ? -errno : 0;
}

static size_t read_file(const char *path, char text[EMU_VALUE_MAX])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, EMU_VALUE_MAX);

	assert_true(n > 0);
	return (size_t)n;
}

static void compare(const char *path, const struct emu_rule *rule, const char *text, size_t len)
{
	char before[EMU_VALUE_MAX], after[EMU_VALUE_MAX], got[EMU_VALUE_MAX];
	size_t before_len = read_file(path, before), after_len, got_len = 0;
	int want = write_file(path, text, len);
	int r = emu_value_parse(rule, before, before_len, text, len, got, &got_len);

	after_len = read_file(path, after);
	if (r != want)
		fail_msg("%s: \"%.*s\" (%zu bytes): the kernel says %d, we %d", path, (int)len, text, len, want,
			 r);
	if (r == 0 && (got_len != after_len || memcmp(got, after, got_len) != 0))
		fail_msg("%s: \"%.*s\" (%zu bytes): the kernel shows \"%.*s\", we \"%.*s\"", path, (int)len, text,
			 len, (int)after_len, after, (int)got_len, got);
	assert_int_equal(write_file(path, before, before_len), 0);
}

/* Stable kernels differ in the smallest value of some: what is compared is how it is kept. */
static int64_t smallest(const char *path, const struct emu_rule *rule)
{
	char before[EMU_VALUE_MAX], text[24];
	size_t before_len = read_file(path, before);
	int64_t low = rule->min, high = 1 << 20; /* accepted */

	if (rule->kind != EMU_INTS)
		return low;
	while (low < high) {
		int64_t half = low + (high - low) / 2;
		int n = snprintf(text, sizeof text, "%lld", (long long)half);

		if (write_file(path, text, (size_t)n) == 0)
			high = half;
		else
			low = half + 1;
	}
	assert_int_equal(write_file(path, before, before_len), 0);
	return high;
}

static void the_kernel_takes_and_shows_the_same(void **state)
{
	const int namespaces = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
	struct emu_rule rule;
	char path[128];

	(void)state;
	if (unshare(namespaces) < 0)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(kernel_files); i++) {
		(void)snprintf(path, sizeof path, "/proc/sys/%s", kernel_files[i].path);
		if (access(path, W_OK) < 0) {
			assert_true(errno == EROFS || errno == EACCES || errno == ENOENT);
			skip();
		}
		rule = kernel_files[i].rule;
		rule.min = smallest(path, &rule);
		for (size_t j = 0; j < ARRAY_SIZE(writes); j++)
			compare(path, &rule, writes[j].text, writes[j].len);
	}
}

static void nothing_is_read_behind_a_page(void **state)
{
	static char text[5000];
	char got[EMU_VALUE_MAX];
	size_t len;

	(void)state;
	memset(text, ' ', sizeof text);
	text[4094] = '7';
	assert_int_equal(emu_value_parse(&an_int, NULL, 0, text, sizeof text, got, &len), 0);
	assert_int_equal(len, 2);
	assert_memory_equal(got, "7\n", 2);
	text[4094] = ' ';
	text[4095] = '7';
	assert_int_equal(emu_value_parse(&an_int, NULL, 0, text, sizeof text, got, &len), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_judged_as_the_rule_says),
		cmocka_unit_test(nothing_is_read_behind_a_page),
		/* The last one: it leaves the process in other namespaces. */
		cmocka_unit_test(the_kernel_takes_and_shows_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
