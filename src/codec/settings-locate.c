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
		if (found)
			return true;
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
	struct text t = { text, text + len };
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
	for (size_t i = 0; i < p.start; i++)
		p.line += text[i] == '\n';
	return p;
}

/* "a.b[2].c" to "a.b[2]", "a.b", "a", "". */
static bool shorten(char *key)
{
	char *dot = strrchr(key, '.'), *bracket = strrchr(key, '[');

	if (!*key)
		return false;
	if (bracket && (!dot || bracket > dot))
		*bracket = '\0';
	else if (dot)
		*dot = '\0';
	else
		*key = '\0';
	return true;
}

/*
 * The file that has the last word about the longest part of @key that any says something about. An entry of a list
 * is in the file that has the list.
 */
static const struct settings_source *decider(const struct settings *s, char *key, unsigned *ret_line)
{
	for (; *key; shorten(key)) {
		char list[KEY_MAX];
		char *bracket;

		(void)snprintf(list, sizeof list, "%s", key);
		bracket = strchr(list, '[');
		if (bracket)
			*bracket = '\0';
		for (size_t i = s->n_sources; i-- > 0;) {
			const struct settings_source *src = &s->sources[i];
			unsigned line;

			if (!settings_locate(src->text, src->len, list).line)
				continue;
			line = settings_locate(src->text, src->len, key).line;
			if (!line)
				break;
			*ret_line = line;
			return src;
		}
	}
	return NULL;
}

const char *settings_origin(const struct settings *s, const char *key, char *buf, size_t size)
{
	const struct settings_source *src;
	char k[KEY_MAX];
	unsigned line = 0;

	(void)snprintf(k, sizeof k, "%s", key);
	src = decider(s, k, &line);
	if (src)
		(void)snprintf(buf, size, "%s:%u", src->file, line);
	else
		(void)snprintf(buf, size, "%s", BUILT_IN);
	return buf;
}
