/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte chooses a row of the table, then comes the current value, a NUL, and what a container writes. A
 * value that was taken is one line, lies in the rule's range, and stays the same when it is written back as it
 * is shown.
 */
#include <stdint.h>

#include "base/cleanup.h"
#include "codec/fuzz-oci.h"
#include "emulate/emulate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_numbers(const struct emu_rule *rule, const char *value, unsigned had)
{
	unsigned n = 0;

	for (const char *p = value; *p; n++) {
		char *end;
		long v = strtol(p, &end, 10);

		CHECK(end > p && *end == (n + 1 < (rule->kind == EMU_INTS ? rule->count : 1u) ? '\t' : '\n'));
		if (rule->kind == EMU_ULONG)
			CHECK(strtoul(p, NULL, 10) >= (uint64_t)rule->min &&
			      strtoul(p, NULL, 10) <= (uint64_t)rule->max);
		else if (n == 0 || !had) /* others may be the current ones, which are what they are */
			CHECK(v >= rule->min && v <= rule->max);
		p = end + 1;
	}
	CHECK(n == (rule->kind == EMU_INTS ? rule->count : 1u));
}

static void check_value(const struct emu_rule *rule, const char *current, size_t current_len, const char *text,
			size_t len)
{
	char value[EMU_VALUE_MAX + 1], again[EMU_VALUE_MAX];
	size_t n = SIZE_MAX, m = 0;
	int r = emu_value_parse(rule, current, current_len, text, len, value, &n);

	if (r < 0) {
		CHECK(r == -EINVAL || (rule->once && r == -rule->once));
		CHECK(n == SIZE_MAX && len > 0);
		return;
	}
	if (len == 0) {
		CHECK(n == (current_len > EMU_VALUE_MAX ? EMU_VALUE_MAX : current_len) &&
		      memcmp(value, current, n) == 0);
		return;
	}
	CHECK(n >= 1 && n <= EMU_VALUE_MAX);
	CHECK(memchr(value, '\n', n) == value + n - 1);
	value[n] = '\0';
	if (rule->kind != EMU_TEXT && rule->kind != EMU_WORD)
		check_numbers(rule, value, current_len != 0);
	/* Numbers of a vector that were not written may be anything. */
	if (rule->kind != EMU_INTS || current_len == 0) {
		CHECK(emu_value_parse(rule, value, n, value, n, again, &m) == 0);
		CHECK(m == n && memcmp(value, again, n) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct emu_rule extra[] = {
		{ .kind = EMU_INTS, .count = 8, .min = -5, .max = 100000 },
		{ .kind = EMU_UINT, .min = 0, .max = UINT32_MAX },
		{ .kind = EMU_TEXT, .max = 0 },
	};
	const struct emu_rule *rule;
	const char *text = (const char *)data + 1, *nul;
	size_t pick, len;

	if (size < 2 || size > 8192)
		return 0;
	pick = data[0] % (emu_n_rows + ARRAY_SIZE(extra));
	rule = pick < emu_n_rows ? emu_rows[pick].rule : &extra[pick - emu_n_rows];
	nul = memchr(text, '\0', size - 1);
	if (!rule || !nul)
		return 0;
	len = (size_t)(nul - text);
	check_value(rule, text, len, nul + 1, size - len - 2);
	return 0;
}
