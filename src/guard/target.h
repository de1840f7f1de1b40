/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_TARGET_H
#define GUARD_TARGET_H

#include <stdio.h>

#include "guard/judge.h"

/*
 * The request target, "/v1.41/images/a%2Fb/json?x=1", to its parts and back. Pure. What is accepted has one meaning
 * only: the engine (Go's net/url, a router that cleans paths and takes any "/v[0-9.]+" for a version) reads what
 * target_write() makes as the same parts.
 */

#define TARGET_MAX	 (64u << 10)
#define TARGET_QUERY_MAX 256  /* parameters, */
#define TARGET_NAMES_MAX 4096 /* and "names", one for each image of `docker save` */

/*
 * target_parse() - fill in version, path, query and heap of @q; nothing else is touched.
 * Path: absolute; no empty, "." or ".." component, also none that is written with %2e; no trailing slash; printable
 * ASCII once decoded.
 * Version: "/v" and digits "." digits without leading zeros. Query: key=value joined by "&", "+" is a blank; no
 * ";", no NUL, no empty key; values are any bytes.
 * Return: NULL, or a static text that says what is wrong (then @q owns nothing).
 */
const char *target_parse(const char *raw, struct judge_request *q);

/*
 * target_write() - the one way to write the parts. @set: parameters that replace all of their key, or are added;
 * a value NULL removes. Return: malloc'd, NULL without memory.
 */
char *target_write(const char *version, const char *path, const struct judge_pair *query, size_t n_query,
		   const struct judge_pair *set, size_t n_set);

/* target_escape() - write @s into @f so that it is one path component resp. (@slash) a path. */
void target_escape(FILE *f, const char *s, bool slash);

#endif
