/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CODEC_FUZZ_OCI_H
#define CODEC_FUZZ_OCI_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <jansson.h>

#include "base/err.h"

/* Oracles that the fuzz targets of this directory share. */

#define CHECK(cond)                                                                      \
	do {                                                                             \
		if (!(cond)) {                                                           \
			(void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                         \
		}                                                                        \
	} while (0)

/* A refusal is one printable line that names the document, and its code is the one returned. */
static inline void check_refusal(int r, const struct err *e, const char *doc)
{
	CHECK(r == -EINVAL || r == -EFBIG);
	CHECK(e->code == -r);
	CHECK(strncmp(e->msg, doc, strlen(doc)) == 0 && strncmp(e->msg + strlen(doc), ": ", 2) == 0);
	for (const char *s = e->msg; *s; s++)
		CHECK(*s >= ' ' && *s <= '~');
}

/* The accepted document, written out again: what was understood must be understood the same way again. */
static inline char *rewritten(json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);

	CHECK(text);
	return text;
}

static inline bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

#endif
