/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/lexpath.h"

#include <string.h>

bool lex_is_clean(const char *p)
{
	size_t len = strlen(p);

	if (len >= LEX_PATH_MAX || p[0] != '/')
		return false;
	for (const char *c = p; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return false;
	if (len == 1)
		return true;
	for (const char *c = p; *c == '/';) {
		const char *name = c + 1;
		size_t n = strcspn(name, "/");

		if (n == 0 || (n == 1 && name[0] == '.') || (n == 2 && name[0] == '.' && name[1] == '.'))
			return false;
		c = name + n;
	}
	return true;
}

struct lex_prefix lex_whole(const char *p)
{
	return (struct lex_prefix){ p, p[1] == '\0' ? 0 : strlen(p) };
}

bool lex_prefix_is_below(struct lex_prefix p, const char *dir)
{
	struct lex_prefix d = lex_whole(dir);

	if (d.len > p.len || memcmp(p.path, d.path, d.len) != 0)
		return false;
	return d.len == p.len || p.path[d.len] == '/';
}

bool lex_is_below(const char *p, const char *dir)
{
	return lex_prefix_is_below(lex_whole(p), dir);
}

const char *lex_below(const char *p, struct lex_prefix dir)
{
	if (strncmp(p, dir.path, dir.len) != 0 || p[dir.len] != '/' || p[dir.len + 1] == '\0')
		return NULL;
	return p + dir.len + 1;
}

size_t lex_first_len(const char *rel)
{
	return strcspn(rel, "/");
}

bool lex_first_is(const char *rel, const char *name)
{
	size_t n = strlen(name);

	return rel && strncmp(rel, name, n) == 0 && (rel[n] == '/' || rel[n] == '\0');
}

const char *lex_after(const char *rel, const char *name)
{
	size_t n;

	if (!rel || (name && !lex_first_is(rel, name)))
		return NULL;
	n = lex_first_len(rel);
	return rel[n] == '/' ? rel + n + 1 : NULL;
}

const char *lex_last(const char *p)
{
	const char *slash = strrchr(p, '/');

	return slash ? slash + 1 : p;
}

static bool span_equal(const char *s, size_t len, const char *want)
{
	return strlen(want) == len && memcmp(s, want, len) == 0;
}

static bool component_matches(const char *s, size_t len, const char *form, const char *id)
{
	size_t tail;

	if (strcmp(form, "=") == 0)
		return id && span_equal(s, len, id);
	if (form[0] != '*')
		return span_equal(s, len, form);
	tail = strlen(form + 1);
	return len > tail && memcmp(s + len - tail, form + 1, tail) == 0;
}

bool lex_ends_with(const char *p, const char *const form[], size_t n, const char *id, struct lex_prefix *ret)
{
	size_t end = lex_whole(p).len;

	while (n-- > 0) {
		size_t start = end;

		while (start > 0 && p[start - 1] != '/')
			start--;
		if (start == 0 || !component_matches(p + start, end - start, form[n], id))
			return false;
		end = start - 1;
	}
	if (end == 0)
		return false;
	*ret = (struct lex_prefix){ p, end };
	return true;
}
