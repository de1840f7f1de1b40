/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "emulate/emulate.h"

/* What the kernel looks at: proc_get_long() copies 21 bytes and takes no number that fills them all. */
#define NUMBER_WINDOW 21u
#define NUMBERS_MAX   8u
#define WRITE_MAX     4095u /* a page without its end */

struct number {
	uint64_t magnitude;
	bool negative;
};

/* The kernel's isspace(), which is that of Latin 1. */
static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || (unsigned char)c == 0xa0;
}

static void skip_spaces(const char **p, size_t *left)
{
	while (*left && is_space(**p)) {
		(*p)++;
		(*left)--;
	}
}

/* The value of a digit, or 16 and more for what is none. */
static unsigned digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

static unsigned take_radix(const char *text, size_t len, size_t *at)
{
	size_t left = len - *at;

	if (text[*at] != '0')
		return 10;
	if (left < 3 || (text[*at + 1] | 0x20) != 'x' || digit(text[*at + 2]) >= 16)
		return 8;
	*at += 2;
	return 16;
}

/* As proc_get_long(). */
static int take_number(const char **p, size_t *left, struct number *ret)
{
	size_t len = *left < NUMBER_WINDOW ? *left : NUMBER_WINDOW, at = 0;
	struct number n = { 0 };
	unsigned radix;

	if (*left > 1 && **p == '-') {
		n.negative = true;
		at = 1;
	}
	if (at >= len || digit((*p)[at]) >= 10)
		return -EINVAL;
	radix = take_radix(*p, len, &at);
	for (; at < len && digit((*p)[at]) < radix; at++)
		if (__builtin_mul_overflow(n.magnitude, radix, &n.magnitude) ||
		    __builtin_add_overflow(n.magnitude, digit((*p)[at]), &n.magnitude))
			return -EINVAL;
	if (at == NUMBER_WINDOW || (at < *left && !memchr(" \t\n", (*p)[at], 3)))
		return -EINVAL;
	*p += at;
	*left -= at;
	*ret = n;
	return 0;
}

static bool is_signed(const struct emu_rule *rule)
{
	return rule->kind == EMU_INT || rule->kind == EMU_INTS;
}

static bool is_in_range(const struct emu_rule *rule, struct number n)
{
	int64_t v;

	/* For the kernel "-0" is negative where it takes no signs. */
	if (n.negative && !is_signed(rule))
		return false;
	if (rule->kind == EMU_ULONG)
		return n.magnitude >= (uint64_t)rule->min && n.magnitude <= (uint64_t)rule->max;
	if (n.magnitude > UINT_MAX)
		return false;
	v = n.negative ? -(int64_t)n.magnitude : (int64_t)n.magnitude;
	if (is_signed(rule) && (v < INT_MIN || v > INT_MAX))
		return false;
	return v >= rule->min && v <= rule->max;
}

/* Return: how many numbers there are, up to @max. Something else ends them: -EINVAL. */
static int take_numbers(const char *text, size_t len, struct number *ret, unsigned max)
{
	unsigned n = 0;
	int r;

	while (n < max) {
		skip_spaces(&text, &len);
		if (!len)
			break;
		r = take_number(&text, &len, &ret[n]);
		if (r < 0)
			return r;
		n++;
	}
	return (int)n;
}

static bool is_last(const struct emu_rule *rule, struct number n)
{
	return n.magnitude == (uint64_t)(rule->last < 0 ? -rule->last : rule->last) &&
	       (n.magnitude == 0 || n.negative == (rule->last < 0));
}

static int parse_numbers(const struct emu_rule *rule, const char *current, size_t current_len, const char *text,
			 size_t len, char ret[EMU_VALUE_MAX], size_t *ret_len)
{
	unsigned count = rule->kind == EMU_INTS ? rule->count : 1;
	struct number old[NUMBERS_MAX] = { 0 }, new[NUMBERS_MAX];
	char out[EMU_VALUE_MAX];
	size_t n = 0;
	int had, got;

	if (count == 0 || count > NUMBERS_MAX)
		return -EINVAL;
	had = take_numbers(current, current_len, old, count);
	memcpy(new, old, sizeof new);
	got = take_numbers(text, len > WRITE_MAX ? WRITE_MAX : len, new, count);
	if (got <= 0)
		return -EINVAL;
	for (unsigned i = 0; i < (unsigned)got; i++)
		if (!is_in_range(rule, new[i]))
			return -EINVAL;
	if (rule->once && had > 0 && is_last(rule, old[0]) && !is_last(rule, new[0]))
		return -rule->once;
	for (unsigned i = 0; i < count; i++)
		n += (size_t)snprintf(out + n, sizeof out - n, "%s%lu%c",
				      new[i].negative &&new[i].magnitude ? "-" : "", new[i].magnitude,
				      i + 1 < count ? '\t' : '\n');
	memcpy(ret, out, n);
	*ret_len = n;
	return 0;
}

/* As proc_dostring(): what is too long is cut. */
static int parse_text(const struct emu_rule *rule, const char *text, size_t len, char ret[EMU_VALUE_MAX],
		      size_t *ret_len)
{
	size_t max = rule->max > 0 && rule->max < EMU_VALUE_MAX ? (size_t)rule->max : EMU_VALUE_MAX - 1, n = 0;

	while (n < len && n < max && text[n] != '\n' && text[n] != '\0')
		n++;
	memmove(ret, text, n);
	ret[n] = '\n';
	*ret_len = n + 1;
	return 0;
}

static int parse_word(const struct emu_rule *rule, const char *text, size_t len, char ret[EMU_VALUE_MAX],
		      size_t *ret_len)
{
	if (len > EMU_VALUE_MAX || text[len - 1] != '\n')
		return -EINVAL;
	for (const char *word = rule->words; *word;) {
		size_t n = strcspn(word, " ");

		if (n == len - 1 && memcmp(word, text, n) == 0) {
			memmove(ret, text, len);
			*ret_len = len;
			return 0;
		}
		word += n + (word[n] == ' ');
	}
	return -EINVAL;
}

int emu_value_parse(const struct emu_rule *rule, const char *current, size_t current_len, const char *text,
		    size_t len, char ret[EMU_VALUE_MAX], size_t *ret_len)
{
	if (!current)
		current_len = 0;
	if (current_len > EMU_VALUE_MAX)
		current_len = EMU_VALUE_MAX;
	if (len == 0) {
		if (current_len)
			memmove(ret, current, current_len);
		*ret_len = current_len;
		return 0;
	}
	switch (rule->kind) {
	case EMU_TEXT:
		return parse_text(rule, text, len, ret, ret_len);
	case EMU_WORD:
		return parse_word(rule, text, len, ret, ret_len);
	default:
		return parse_numbers(rule, current, current_len, text, len, ret, ret_len);
	}
}
