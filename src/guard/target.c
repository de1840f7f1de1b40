/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/target.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define TARGET_PAIRS_MAX (TARGET_QUERY_MAX + TARGET_NAMES_MAX)

static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
static const char path_literals[] = "!$&'()*+,;=:@/"; /* besides: what RFC 3986 lets stand in a path */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Decode one character at *@s and advance behind it. Return: the byte, -EINVAL for a bad escape. */
static int next_byte(const char **s)
{
	int high, low;

	if (**s != '%')
		return (unsigned char)*(*s)++;
	high = hex_digit((*s)[1]);
	low = high < 0 ? -1 : hex_digit((*s)[2]);
	if (low < 0)
		return -EINVAL;
	*s += 3;
	return high << 4 | low;
}

static const char *parse_path(const char *s, const char *end, char *out)
{
	char *start = out;

	*out = '\0';
	if (s == end || *s != '/')
		return "the target must be an absolute path";
	while (s < end) {
		bool literal = *s != '%';
		int c;

		if (literal && !strchr(unreserved, *s) && !strchr(path_literals, *s))
			return "the path has a character that must be escaped";
		c = next_byte(&s);
		if (c < 0 || s > end)
			return "the path has a bad escape";
		if (c < 0x20 || c >= 0x7f)
			return "the path has a character that is not printable ASCII";
		*out++ = (char)c;
	}
	*out = '\0';
	if (out == start || out[-1] == '/')
		return "the path ends in a slash";
	for (const char *p = start; *p; p += 1 + strcspn(p + 1, "/")) {
		size_t n = strcspn(p + 1, "/");

		if (n == 0 || (n == 1 && p[1] == '.') || (n == 2 && p[1] == '.' && p[2] == '.'))
			return "the path is not clean: an empty, \".\" or \"..\" component";
	}
	return NULL;
}

static bool is_number(const char *s, size_t n)
{
	return n > 0 && n <= 3 && strspn(s, "0123456789") >= n && (n == 1 || *s != '0');
}

/* Take "/v1.41" off @path, which is moved on. Whatever else the engine's router would take for a version is wrong. */
static const char *take_version(char **path, const char **ret)
{
	char *v = *path + 2, *end;
	size_t n = strspn(v, "0123456789."), major;

	if (strncmp(*path, "/v", 2) != 0 || n == 0 || v[n] != '/')
		return NULL;
	major = strcspn(v, ".");
	end = v + n;
	if (major >= n || !is_number(v, major) || !is_number(v + major + 1, n - major - 1))
		return "the API version must be two numbers, like /v1.41/";
	/* The path goes on at end; moving it by one makes room for the terminator. */
	memmove(*path, v, n);
	(*path)[n] = '\0';
	*ret = *path;
	*path = end;
	return NULL;
}

static const char *parse_query(const char *s, struct judge_pair *pairs, size_t *n, char **out)
{
	size_t names = 0, others = 0;

	while (*s) {
		char *key = *out, *value = NULL;

		for (; *s && *s != '&';) {
			bool literal = *s != '%';
			int c = next_byte(&s);

			if (c <= 0)
				return "the query has a bad escape";
			if (literal && (c == ';' || c == '#' || c <= ' ' || c >= 0x7f))
				return "the query has a character that must be escaped";
			if (literal && c == '+')
				c = ' ';
			if (literal && c == '=' && !value) {
				*(*out)++ = '\0';
				value = *out;
			} else {
				*(*out)++ = (char)c;
			}
		}
		*(*out)++ = '\0';
		if (*s == '&' && !*++s)
			return "the query ends in an ampersand";
		if (*key == '\0')
			return "the query has a parameter without a name";
		++*(strcmp(key, "names") == 0 ? &names : &others);
		if (names > TARGET_NAMES_MAX || others > TARGET_QUERY_MAX)
			return "the query has too many parameters";
		pairs[(*n)++] = (struct judge_pair){ .key = key, .value = value ? value : *out - 1 };
	}
	return NULL;
}

const char *target_parse(const char *raw, struct judge_request *q)
{
	size_t n_pairs = 1, n = 0, len = strlen(raw), path_len = strcspn(raw, "?");
	_cleanup_free_ char *heap = NULL;
	struct judge_pair *pairs;
	const char *why, *version = NULL;
	char *out, *path;

	if (len > TARGET_MAX)
		return "the target is too long";
	for (const char *s = raw; *s; s++)
		n_pairs += *s == '&';
	/* One more than there may be is seen before it is written down. */
	n_pairs = n_pairs > TARGET_PAIRS_MAX ? TARGET_PAIRS_MAX : n_pairs;
	/* Decoding never lengthens; each parameter may need two terminators more than it has separators. */
	heap = malloc(n_pairs * sizeof *pairs + len + 2 * n_pairs + 2);
	if (!heap)
		return "out of memory";
	pairs = (struct judge_pair *)(void *)heap;
	path = out = heap + n_pairs * sizeof *pairs;
	why = parse_path(raw, raw + path_len, path);
	if (!why)
		why = take_version(&path, &version);
	if (why)
		return why;
	out += path_len + 1;
	if (raw[path_len] == '?' && raw[path_len + 1])
		why = parse_query(raw + path_len + 1, pairs, &n, &out);
	if (why)
		return why;
	q->version = version;
	q->path = path;
	q->query = pairs;
	q->n_query = n;
	q->heap = TAKE_PTR(heap);
	return NULL;
}

void target_escape(FILE *f, const char *s, bool slash)
{
	for (; *s; s++) {
		if (strchr(unreserved, *s) || *s == ':' || *s == '@' || (slash && *s == '/'))
			fputc(*s, f);
		else
			fprintf(f, "%%%02X", (unsigned char)*s);
	}
}

static void write_pair(FILE *f, char *separator, const struct judge_pair *p)
{
	fputc(*separator, f);
	*separator = '&';
	target_escape(f, p->key, false);
	fputc('=', f);
	target_escape(f, p->value, false);
}

char *target_write(const char *version, const char *path, const struct judge_pair *query, size_t n_query,
		   const struct judge_pair *set, size_t n_set)
{
	char separator = '?', *ret = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&ret, &size);
	bool failed;

	if (!f)
		return NULL;
	if (version)
		fprintf(f, "/v%s", version);
	target_escape(f, path, true);
	for (size_t i = 0; i < n_query; i++) {
		bool replaced = false;

		for (size_t k = 0; k < n_set; k++)
			replaced |= strcmp(set[k].key, query[i].key) == 0;
		if (!replaced)
			write_pair(f, &separator, &query[i]);
	}
	for (size_t k = 0; k < n_set; k++)
		if (set[k].value)
			write_pair(f, &separator, &set[k]);
	failed = ferror(f);
	if (fclose(f) != 0 || failed) {
		free(ret);
		return NULL;
	}
	return ret;
}
