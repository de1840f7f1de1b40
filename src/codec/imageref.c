/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/imageref.h"

#include <stdio.h>
#include <string.h>

#define DIGEST_PREFIX "sha256:"
#define DIGITS	      64

/* A name, taken apart. */
struct name {
	const char *registry, *repository; /* in the text, or constants */
	size_t n_registry, n_repository;
	bool library; /* "library/" belongs before the repository */
};

/* Not isalnum(3) and the like: what counts does not depend on a locale. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return (c >= 'a' && c <= 'z') || is_digit(c);
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_hex(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!is_digit(s[i]) && !(s[i] >= 'a' && s[i] <= 'f'))
			return false;
	return true;
}

static char lower(char c)
{
	return is_upper(c) ? (char)(c - 'A' + 'a') : c;
}

static bool equal_fold(const char *s, size_t n, const char *word)
{
	if (n != strlen(word))
		return false;
	for (size_t i = 0; i < n; i++)
		if (lower(s[i]) != word[i])
			return false;
	return true;
}

bool image_digest_valid(const char *text)
{
	size_t n = strlen(DIGEST_PREFIX);

	return strncmp(text, DIGEST_PREFIX, n) == 0 && strlen(text + n) == DIGITS && is_hex(text + n, DIGITS);
}

/* ---- registry ---- */

static bool is_port(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!is_digit(s[i]))
			return false;
	return n > 0;
}

/* Between brackets: the reference implementation takes digits and colons in any order, zones and IPv4 in none. */
static bool is_ipv6(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] != ':' && !is_digit(s[i]) && !(lower(s[i]) >= 'a' && lower(s[i]) <= 'f'))
			return false;
	return n > 0;
}

/* Labels of letters, digits and inner hyphens, with one period between two of them. */
static bool is_domain(const char *s, size_t n)
{
	bool edge = true; /* a label begins, or a hyphen came: a letter or digit has to follow */

	for (size_t i = 0; i < n; i++) {
		bool letter = is_lower(lower(s[i]));

		if (!letter && s[i] != '.' && s[i] != '-')
			return false;
		if ((s[i] == '.' && edge) || (s[i] == '-' && edge && (i == 0 || s[i - 1] != '-')))
			return false;
		edge = !letter;
	}
	return n > 0 && !edge;
}

static bool is_registry(const char *s, size_t n)
{
	const char *colon, *bracket;

	if (n > 0 && s[0] == '[') {
		bracket = memchr(s, ']', n);
		if (!bracket || !is_ipv6(s + 1, (size_t)(bracket - s) - 1))
			return false;
		n -= (size_t)(bracket - s) + 1;
		return n == 0 || (bracket[1] == ':' && is_port(bracket + 2, n - 1));
	}
	colon = memchr(s, ':', n);
	if (colon && !is_port(colon + 1, n - (size_t)(colon - s) - 1))
		return false;
	return is_domain(s, colon ? (size_t)(colon - s) : n);
}

/* ---- repository ---- */

static bool is_separator(char c)
{
	return c == '.' || c == '_' || c == '-';
}

/* One component: runs of letters and digits, between them one period, one or two underscores, or hyphens. */
static const char *check_component(const char *s, size_t n, bool glob)
{
	size_t run = 0; /* of one separator, up to here */

	if (n == 0)
		return "has an empty component in the repository";
	if (is_separator(s[0]) || is_separator(s[n - 1]))
		return "has a separator (. _ -) at the beginning or end of a component";
	for (size_t i = 0; i < n; i++) {
		if (is_lower(s[i]) || (glob && s[i] == '*')) {
			run = 0;
			continue;
		}
		if (!is_separator(s[i]))
			return "has a character that repositories do not have";
		if (run > 0 && (s[i] != s[i - 1] || s[i] == '.' || (s[i] == '_' && run == 2)))
			return "has too many separators (. _) in a row";
		run++;
	}
	return NULL;
}

static const char *check_repository(const char *s, size_t n, bool glob)
{
	for (size_t i = 0; i < n; i++) {
		if (is_upper(s[i]))
			return "has upper case letters in the repository";
		if (glob && s[i] == '*' && i + 1 < n && s[i + 1] == '*')
			return "has \"**\", which means nothing here";
	}
	for (size_t at = 0;; at++) {
		const char *slash = memchr(s + at, '/', n - at), *wrong;
		size_t len = slash ? (size_t)(slash - s) - at : n - at;

		wrong = check_component(s + at, len, glob);
		if (wrong || !slash)
			return wrong;
		at += len;
	}
}

/*
 * Registry and repository of @s, which has no tag and no digest any more. Same rules as the engine's for what
 * is which.
 */
static const char *split_name(const char *s, size_t n, bool glob, struct name *ret)
{
	const char *slash = memchr(s, '/', n);
	size_t first = slash ? (size_t)(slash - s) : n;
	struct name name = { "docker.io", s, strlen("docker.io"), n, !slash };
	bool upper = false, dotted = false;

	for (size_t i = 0; i < first; i++) {
		upper |= is_upper(s[i]);
		dotted |= s[i] == '.' || s[i] == ':';
	}
	if (glob && first == 1 && s[0] == '*')
		return "begins with \"*\": write the registry before it, as in docker.io/*/name";
	if (slash && (dotted || upper || equal_fold(s, first, "localhost"))) {
		if (memchr(s, '*', first))
			return "has \"*\" in the registry";
		/* The engine takes "Host/name" for a registry; written in lower case it is a repository. */
		if (!dotted && !equal_fold(s, first, "localhost"))
			return "has upper case letters in the repository";
		if (!is_registry(s, first))
			return "has a registry that is no host name or address with an optional port";
		name = (struct name){ s, slash + 1, first, n - first - 1, false };
		if (equal_fold(s, first, "docker.io") || equal_fold(s, first, "index.docker.io")) {
			name.registry = "docker.io";
			name.n_registry = strlen(name.registry);
			name.library = !memchr(name.repository, '/', name.n_repository);
		}
	}
	*ret = name;
	return check_repository(name.repository, name.n_repository, glob);
}

static const char *put_name(const struct name *name, struct image_ref *ret)
{
	size_t library = name->library ? strlen("library/") : 0;

	if (name->n_registry + 1 + library + name->n_repository > IMAGE_NAME_MAX)
		return "is longer than 255 characters";
	for (size_t i = 0; i < name->n_registry; i++)
		ret->registry[i] = lower(name->registry[i]);
	memcpy(ret->repository, "library/", library);
	memcpy(ret->repository + library, name->repository, name->n_repository);
	return NULL;
}

/* ---- the whole ---- */

static const char *put_tag(const char *s, size_t n, struct image_ref *ret)
{
	if (n == 0 || n > IMAGE_TAG_MAX)
		return n == 0 ? "has an empty tag" : "has a tag of more than 128 characters";
	for (size_t i = 0; i < n; i++)
		if (!is_lower(lower(s[i])) && s[i] != '_' && (i == 0 || (s[i] != '.' && s[i] != '-')))
			return "has a tag that is not made of letters, digits and _ . -";
	memcpy(ret->tag, s, n);
	return NULL;
}

/* Name, tag and digest of a text. */
struct parts {
	size_t n;		  /* of the name, at the beginning of the text */
	const char *tag, *digest; /* NULL: none; behind their ":" and "@" */
	size_t n_tag;
};

/* A colon before the last slash of the name is a port's. */
static struct parts split(const char *text)
{
	const char *at = strchr(text, '@'), *slash, *colon;
	struct parts p = { .n = at ? (size_t)(at - text) : strlen(text), .digest = at ? at + 1 : NULL };

	slash = memrchr(text, '/', p.n);
	slash = slash ? slash + 1 : text;
	colon = memchr(slash, ':', p.n - (size_t)(slash - text));
	if (colon) {
		p.tag = colon + 1;
		p.n_tag = p.n - (size_t)(p.tag - text);
		p.n = (size_t)(colon - text);
	}
	return p;
}

static const char *parse(const char *text, const struct parts *p, bool glob, struct image_ref *ret)
{
	struct image_ref ref = { 0 };
	const char *wrong;
	struct name name;

	if (strnlen(text, DIGITS + 1) == DIGITS && is_hex(text, DIGITS))
		return "is an id and not a name";
	if (image_digest_valid(text))
		return "is an id and not a name";
	if (p->n == 0)
		return "has no name";
	wrong = split_name(text, p->n, glob, &name);
	if (!wrong)
		wrong = put_name(&name, &ref);
	if (!wrong && p->tag)
		wrong = put_tag(p->tag, p->n_tag, &ref);
	if (!wrong && p->digest && !image_digest_valid(p->digest))
		wrong = "has a digest that is not sha256: and 64 digits (0-9, a-f)";
	if (wrong)
		return wrong;
	if (p->digest)
		memcpy(ref.digest, p->digest, IMAGE_DIGEST_MAX);
	*ret = ref;
	return NULL;
}

const char *image_ref_parse(const char *text, struct image_ref *ret)
{
	struct parts p = split(text);

	return parse(text, &p, false, ret);
}

const char *image_ref_name(const struct image_ref *ref, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%s/%s", ref->registry, ref->repository);
	return buf;
}

/* ---- entries of lists ---- */

const char *image_pattern_parse(const char *text, struct image_pattern *ret)
{
	struct image_pattern pattern = { .kind = IMAGE_PATTERN_TAG };
	struct parts p = split(text);
	const char *wrong;

	if (strcmp(text, "*") == 0) {
		*ret = (struct image_pattern){ .kind = IMAGE_PATTERN_ALL };
		return NULL;
	}
	if (p.tag && memchr(p.tag, '*', p.n_tag)) {
		if (p.n_tag != 1)
			return "has \"*\" in a part of the tag: only the whole tag can be \"*\"";
		if (p.digest)
			return "has both \":*\" and a digest";
		pattern.kind = IMAGE_PATTERN_ANY;
		p.tag = NULL;
	}
	wrong = parse(text, &p, true, &pattern.ref);
	if (wrong)
		return wrong;
	if (p.digest) {
		pattern.kind = IMAGE_PATTERN_DIGEST;
		pattern.ref.tag[0] = '\0';
	} else if (pattern.kind == IMAGE_PATTERN_TAG && !p.tag) {
		memcpy(pattern.ref.tag, "latest", sizeof "latest");
	}
	pattern.glob = strchr(pattern.ref.repository, '*') != NULL;
	*ret = pattern;
	return NULL;
}

/*
 * "*" never spans a slash, so slashes of both sides pair up one by one, and only the last "*" that was passed can be
 * made to take more: linear but for one component.
 */
static bool matches(const char *pattern, const char *s)
{
	const char *star = NULL, *taken = NULL;

	while (*s) {
		if (*pattern == '*') {
			star = ++pattern;
			taken = s;
		} else if (*pattern == *s) {
			pattern++;
			s++;
		} else if (star && *taken != '/') {
			pattern = star;
			s = ++taken;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

bool image_pattern_names(const struct image_pattern *pattern, const struct image_ref *ref)
{
	if (pattern->kind == IMAGE_PATTERN_ALL)
		return true;
	if (strcmp(pattern->ref.registry, ref->registry) != 0 ||
	    !matches(pattern->ref.repository, ref->repository))
		return false;
	if (pattern->kind != IMAGE_PATTERN_TAG)
		return true;
	if (*ref->tag)
		return strcmp(pattern->ref.tag, ref->tag) == 0;
	return !*ref->digest && strcmp(pattern->ref.tag, "latest") == 0;
}
