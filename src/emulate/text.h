/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EMULATE_TEXT_H
#define EMULATE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file under construction: whole lines only. What does not fit ends it, so that no reader sees half a number. */
struct text {
	char *buf;
	size_t size, len;
	bool full;
};

/* text_line() - append what printf would write, or nothing and be full from then on. */
void text_line(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* text_copy() - the same for @len bytes. */
void text_copy(struct text *t, const char *s, size_t len);

/*
 * Readers of texts, which are all untrusted. A span is a piece of one; it is not terminated.
 */
struct span {
	const char *p;
	size_t len;
};

/* span_line() - the next line of *@cursor (without its newline), which moves behind it. False at the end or for NULL. */
bool span_line(const char **cursor, struct span *ret);
/* span_word() - take the first word (ended by blanks) off @s; empty when there is none. */
struct span span_word(struct span *s);
/* span_is() - whether the span is exactly @text. */
bool span_is(struct span s, const char *text);
/* span_number() - a span of decimal digits and nothing else, at most UINT64_MAX. */
bool span_number(struct span s, uint64_t *ret);
/* span_device() - "MAJOR:MINOR". */
bool span_device(struct span s, uint64_t *major, uint64_t *minor);

/* Sums and products that stop at the greatest number instead of starting again. */
static inline uint64_t sat_add(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static inline uint64_t sat_mul(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static inline uint64_t sat_sub(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static inline uint64_t lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

#endif
