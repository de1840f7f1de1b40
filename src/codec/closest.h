/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CODEC_CLOSEST_H
#define CODEC_CLOSEST_H

#include <stddef.h>

/* Of several known names the one that a mistyped name was meant for: for messages. Pure, no allocation. */
struct closest {
	const char *name;
	const char *best; /* the result: the first of the closest, NULL when none is close */
	unsigned distance;
};

/* closest_start() - @name: untrusted, borrowed. */
void closest_start(struct closest *c, const char *name);

/* closest_look() - @known: borrowed. Letters that differ only in case are the same. */
void closest_look(struct closest *c, const char *known);

#endif
