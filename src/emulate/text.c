/* SPDX-License-Identifier: Apache-2.0 */
#include "emulate/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void text_line(struct text *t, const char *format, ...)
{
	size_t room = t->size - t->len;
	va_list ap;
	int n;

	if (t->full)
		return;
	va_start(ap, format);
	n = vsnprintf(t->buf + t->len, room, format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		t->full = true;
	else
		t->len += (size_t)n;
}

void text_copy(struct text *t, const char *s, size_t len)
{
	if (t->full || len > t->size - t->len) {
		t->full = true;
		return;
	}
	memcpy(t->buf + t->len, s, len);
	t->len += len;
}

bool span_line(const char **cursor, struct span *ret)
{
	const char *p = *cursor;

	if (!p || !*p)
		return false;
	*ret = (struct span){ p, strcspn(p, "\n") };
	*cursor = p + ret->len + (p[ret->len] == '\n');
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct span span_word(struct span *s)
{
	struct span word;

	while (s->len && is_blank(*s->p)) {
		s->p++;
		s->len--;
	}
	word = (struct span){ s->p, 0 };
	while (word.len < s->len && !is_blank(s->p[word.len]))
		word.len++;
	s->p += word.len;
	s->len -= word.len;
	return word;
}

bool span_is(struct span s, const char *text)
{
	return strlen(text) == s.len && memcmp(text, s.p, s.len) == 0;
}

bool span_number(struct span s, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
			return false;
	if (s.len == 0)
		return false;
	*ret = v;
	return true;
}

bool span_device(struct span s, uint64_t *major, uint64_t *minor)
{
	const char *colon = s.len ? memchr(s.p, ':', s.len) : NULL;
	size_t left = colon ? (size_t)(colon - s.p) : 0;

	return colon && span_number((struct span){ s.p, left }, major) &&
	       span_number((struct span){ colon + 1, s.len - left - 1 }, minor);
}
