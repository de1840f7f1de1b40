/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CODEC_LEXPATH_H
#define CODEC_LEXPATH_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Paths as text, compared on component boundaries: "/homefoo" is not below "/home". Nothing here
 * looks at a file system. Unless said otherwise, paths are absolute and clean (lex_is_clean()).
 */

#define LEX_PATH_MAX 4096

/* A path given as the first @len bytes of a longer one; len 0 is "/". */
struct lex_prefix {
	const char *path;
	size_t len;
};

/* lex_is_clean() - absolute, under LEX_PATH_MAX, no empty, "." or ".." component, no control
 * characters. @p: anything */
bool lex_is_clean(const char *p);

/* lex_is_below() - is @p the directory @dir or below it? */
bool lex_is_below(const char *p, const char *dir);
bool lex_prefix_is_below(struct lex_prefix p, const char *dir);

/* lex_below() - the part of @p below @dir, without leading '/'; NULL when @p is not strictly below
 * it. */
const char *lex_below(const char *p, struct lex_prefix dir);

/* lex_whole() - all of @p as a prefix. */
struct lex_prefix lex_whole(const char *p);

/*
 * The rest are for relative paths "a/b/c" as lex_below() returns them; NULL is never equal.
 * lex_first_is() - is the first component @name?
 * lex_after() - what follows the first component, if that is @name (NULL: any); NULL when nothing
 * follows. lex_first_len() - the length of the first component.
 */
bool lex_first_is(const char *rel, const char *name);
const char *lex_after(const char *rel, const char *name);
size_t lex_first_len(const char *rel);

/* lex_last() - the last component. */
const char *lex_last(const char *p);

/*
 * lex_ends_with() - does @p end in these components, with something before them?
 * @form: literal components; "*": any; "*-x": any that ends in "-x"; "=": equal to @id (NULL: no
 * component is)
 * @ret: what is before them, borrowed from @p
 */
bool lex_ends_with(const char *p, const char *const form[], size_t n, const char *id, struct lex_prefix *ret);

#endif
