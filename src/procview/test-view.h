/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROCVIEW_TEST_VIEW_H
#define PROCVIEW_TEST_VIEW_H

/* A small table for tests: one row of each kind, with contents by which mixtures show. */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "procview/view.h"

enum {
	ROW_TICK,  /* changing: every line says the same number, and there are more or fewer lines of them */
	ROW_FIXED, /* constant content of three pages, from the connection "changing" */
	ROW_CONSTANT,
	ROW_INT,
	ROW_READ_ONLY,
	ROW_TEXT,
	ROW_SECRET, /* 0600 */
	ROW_TORN,
	ROW_COUNTER, /* adds one for each write; four of them, one for each reader */
	ROW_OWN = ROW_COUNTER + 4,
	ROW_N = ROW_OWN + 4,
};

#define FIXED_LEN 9000u

static size_t test_render_tick(const struct emu_input *in, char *text, size_t size)
{
	unsigned long long n = in->uptime_us;
	size_t len = 0;

	for (unsigned i = 0; i < 5 + n % 20 && len + 32 < size; i++)
		len += (size_t)snprintf(text + len, size - len, "%llu\n", n);
	return len;
}

static size_t test_render_fixed(const struct emu_input *in, char *text, size_t size)
{
	(void)in;
	(void)size;
	for (size_t i = 0; i < FIXED_LEN; i++)
		text[i] = i % 64 == 63 ? '\n' : (char)('a' + i / 64 % 26);
	text[FIXED_LEN - 1] = '\n';
	return FIXED_LEN;
}

static const struct emu_rule test_int = { .kind = EMU_INT, .count = 1, .min = 0, .max = 2000000000 };
static const struct emu_rule test_text = { .kind = EMU_TEXT, .max = 64 };
static const struct emu_rule test_counter = { .kind = EMU_INT, .count = 1, .words = "+1" };

#define SYSCTL(path, mode, rule, initial)                             \
	{                                                             \
		EMU_PROC, EMU_SYSCTL, path, mode, NULL, rule, initial \
	}

static const struct emu_row test_rows[ROW_N] = {
	[ROW_TICK] = { EMU_PROC, EMU_CHANGING, "tick", 0444, test_render_tick, NULL, NULL },
	[ROW_FIXED] = { EMU_PROC, EMU_CHANGING, "fixed", 0444, test_render_fixed, NULL, NULL },
	[ROW_CONSTANT] = { EMU_PROC, EMU_CONSTANT, "constant", 0444, test_render_fixed, NULL, NULL },
	[ROW_INT] = SYSCTL("sys/int", 0644, &test_int, "4711"),
	[ROW_READ_ONLY] = SYSCTL("sys/ro", 0444, &test_int, "1"),
	[ROW_TEXT] = SYSCTL("sys/text", 0644, &test_text, "some text"),
	[ROW_SECRET] = SYSCTL("sys/secret", 0600, &test_int, "2"),
	[ROW_TORN] = SYSCTL("sys/torn", 0644, &test_int, "7"),
	[ROW_COUNTER] = SYSCTL("sys/c0", 0644, &test_counter, "0"),
	[ROW_COUNTER + 1] = SYSCTL("sys/c1", 0644, &test_counter, "0"),
	[ROW_COUNTER + 2] = SYSCTL("sys/c2", 0644, &test_counter, "0"),
	[ROW_COUNTER + 3] = SYSCTL("sys/c3", 0644, &test_counter, "0"),
	[ROW_OWN] = SYSCTL("sys/o0", 0644, &test_int, "0"),
	[ROW_OWN + 1] = SYSCTL("sys/o1", 0644, &test_int, "0"),
	[ROW_OWN + 2] = SYSCTL("sys/o2", 0644, &test_int, "0"),
	[ROW_OWN + 3] = SYSCTL("sys/o3", 0644, &test_int, "0"),
};

/* The judge of values is emulate's, and tested there; this one is strict, and counts. */
static int test_parse(const struct emu_rule *rule, const char *current, size_t current_len, const char *text,
		      size_t len, char ret[EMU_VALUE_MAX], size_t *ret_len)
{
	unsigned long long v = 0;

	if (rule == &test_counter) {
		for (size_t i = 0; i < current_len && current[i] != '\n'; i++)
			v = v * 10 + (unsigned)(current[i] - '0');
		*ret_len = (size_t)snprintf(ret, EMU_VALUE_MAX, "%llu\n", v + 1);
		return 0;
	}
	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (len > 64)
		return -EINVAL;
	for (size_t i = 0; rule->kind == EMU_INT && i < len; i++)
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
	memcpy(ret, text, len);
	ret[len] = '\n';
	*ret_len = len + 1;
	return 0;
}

static void test_collect(void *arg, const struct emu_row *row, struct emu_input *ret)
{
	struct timespec ts;

	(void)arg;
	(void)row;
	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	ret->uptime_us = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static const struct view_table test_table = { test_rows, ROW_N, test_parse };

#endif
