/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NOTIFY_MOUNTS_H
#define NOTIFY_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/mountinfo.h"

#define NOTIFY_MOUNTINFO_MAX (64u * 1024 * 1024) /* bytes of one mountinfo */

/* The mounts of a namespace: a list to look things up in. Its strings are those of the text it was made of. */
struct notify_mounts {
	struct mountinfo *v; /* owned */
	size_t n;
};

/* notify_mounts_parse() - @text is modified and has to stay. Return: 0 or -ENOMEM; notify_mounts_done() in any case. */
int notify_mounts_parse(char *text, struct notify_mounts *ret);
void notify_mounts_done(struct notify_mounts *l);

const struct mountinfo *notify_mounts_find(const struct notify_mounts *l, uint64_t id);

/* notify_mounts_is_below() - is @m, directly or not, mounted below @id? */
bool notify_mounts_is_below(const struct notify_mounts *l, const struct mountinfo *m, uint64_t id);

#endif
