/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in a file something is written. The reader of JSON keeps no lines, and few messages need one: the text is
 * walked again then.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "codec/lexpath.h"
#include "codec/settings.h"

#define BUILT_IN "built-in defaults"
#define KEY_MAX	 512

struct text {
	const char *pos, *end;
	const char *start; /* of the name of the member that was entered last, or of the entry of a list */
};

static char peek(const struct text *t)
{
	return t->pos < t->end ? *t->pos : '\0';
}

static void skip_blanks(struct text *t)
{
	while (t->pos < t->end && (*t->pos == ' ' || *t->pos == '\t' || *t->pos == '\n' || *t->pos == '\r'))
		t->pos++;
}

/* Over a string, with its quotes. */
static bool skip_string(struct text *t)
{
	if (peek(t) != '"')
		return false;
	for (t->pos++; t->pos < t->end && *t->pos != '"'; t->pos++)
		if (*t->pos == '\\')
			t->pos++;
	if (t->pos >= t->end)
		return false;
	t->pos++;
	return true;
}

/* Over any value, however deep: brackets are only counted. */
static bool skip_value(struct text *t)
{
	size_t depth = 0;

	skip_blanks(t);
	do {
		char c = peek(t);

		if (c == '"') {
			if (!skip_string(t))
				return false;
		} else if (c == '{' || c == '[') {
			depth++;
			t->pos++;
		} else if (c == '}' || c == ']') {
			if (depth-- == 0)
				return false;
			t->pos++;
		} else if (depth > 0 && (c == ',' || c == ':')) {
			t->pos++;
		} else {
			const char *start = t->pos;

			while (t->pos < t->end && !strchr(" \t\r\n,:]}[{\"", *t->pos))
				t->pos++;
			if (t->pos == start)
				return false;
		}
		skip_blanks(t);
	} while (depth > 0 && t->pos < t->end);
	return depth == 0;
}

/* Is the string literal [@start, @end) that name? Escapes are rare, and left to the real reader. */
static bool names(const char *start, const char *end, const char *name, size_t len)
{
	json_t *s;
	bool same;

	if (!memchr(start, '\\', (size_t)(end - start)))
		return (size_t)(end - start) == len + 2 && strncasecmp(start + 1, name, len) == 0;
	s = json_loadb(start, (size_t)(end - start), JSON_DECODE_ANY, NULL);
	same = json_is_string(s) && json_string_length(s) == len &&
	       strncasecmp(json_string_value(s), name, len) == 0;
	json_decref(s);
	return same;
}

/* To the value of the member; @t is at the object. */
static bool enter_member(struct text *t, const char *name, size_t len)
{
	if (peek(t) != '{')
		return false;
	t->pos++;
	for (;;) {
		const char *start;
		bool found;

		skip_blanks(t);
		start = t->pos;
		if (!skip_string(t))
			return false;
		found = names(start, t->pos, name, len);
		skip_blanks(t);
		if (peek(t) != ':')
			return false;
		t->pos++;
		skip_blanks(t);
		if (found) {
			t->start = start;
			return true;
		}
		if (!skip_value(t) || peek(t) != ',')
			return false;
		t->pos++;
	}
}

static bool enter_item(struct text *t, size_t index)
{
	if (peek(t) != '[')
		return false;
	t->pos++;
	for (; index > 0; index--) {
		if (!skip_value(t) || peek(t) != ',')
			return false;
		t->pos++;
	}
	skip_blanks(t);
	t->start = t->pos;
	return peek(t) != ']';
}

/* One step of @key, which is moved behind it. */
static bool step(struct text *t, const char **key)
{
	const char *k = *key;
	size_t n, index = 0;

	if (*k == '[') {
		for (k++; *k >= '0' && *k <= '9' && index < SETTINGS_MAX; k++)
			index = index * 10 + (size_t)(*k - '0');
		if (*k != ']' || !enter_item(t, index))
			return false;
		*key = k + 1;
		return true;
	}
	k += *k == '.';
	n = strcspn(k, ".[");
	*key = k + n;
	return n > 0 && enter_member(t, k, n);
}

struct settings_place settings_locate(const char *text, size_t len, const char *key)
{
	static const char bom[] = "\xef\xbb\xbf";
	struct text t = { text, text + len, text };
	struct settings_place p = { .line = 1 };

	if (len >= 3 && memcmp(text, bom, 3) == 0)
		t.pos += 3;
	skip_blanks(&t);
	while (*key)
		if (!step(&t, &key))
			return (struct settings_place){ 0 };
	p.start = (size_t)(t.pos - text);
	if (!skip_value(&t))
		return (struct settings_place){ 0 };
	p.end = (size_t)(t.pos - text);
	while (p.end > p.start && strchr(" \t\r\n", text[p.end - 1]))
		p.end--;
	for (const char *c = text; c < t.start; c++)
		p.line += *c == '\n';
	return p;
}

/* Of the users' file only this is heard, in either form. */
static const char *user_key(const struct settings_source *src, const char *key)
{
	static const char value[] = "enhancedContainerIsolation.value", group[] = "enhancedContainerIsolation";

	if (strcmp(key, value) != 0)
		return NULL;
	return settings_locate(src->text, src->len, value).line ? value : group;
}

/* The file that has the last word. An entry of a list is in the file that has the list. */
static const struct settings_source *decider(const struct settings *s, const char *key, unsigned *ret_line)
{
	char list[KEY_MAX];

	(void)snprintf(list, sizeof list, "%.*s", (int)strcspn(key, "["), key);
	for (size_t i = s->n_sources; i-- > 0;) {
		const struct settings_source *src = &s->sources[i];
		const char *k = src->user ? user_key(src, key) : key;

		if (!k || !settings_locate(src->text, src->len, src->user ? k : list).line)
			continue;
		*ret_line = settings_locate(src->text, src->len, k).line;
		return *ret_line ? src : NULL;
	}
	return NULL;
}

const char *settings_origin(const struct settings *s, const char *key, char *buf, size_t size)
{
	unsigned line = 0;
	const struct settings_source *src = decider(s, key, &line);

	if (src)
		(void)snprintf(buf, size, "%s:%u", src->file, line);
	else
		(void)snprintf(buf, size, "%s", BUILT_IN);
	return buf;
}
