/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CODEC_STATE_H
#define CODEC_STATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* state.json: what the commands keep about a container between calls. Pure. */
struct state {
	char *id, *bundle, *rootfs, *created, *cgroups_path; /* rootfs and cgroups_path may be NULL */
	int32_t pid;					     /* of init, 0: none yet */
	uint64_t start_time; /* of init; never 0 together with a pid, as that would match any process */
	uint32_t base;	     /* first id of the range, 0: none yet */
	uint64_t rootfs_dev, engine_dev;
	bool systemd_cgroup, delegated, supervised, has_poststart, has_poststop;
	json_t *annotations, *cgroup; /* may be NULL; not looked into */
};

/*
 * state_parse() - @text as state_format() wrote it, or what became of it.
 * @file: name for messages; they also say how to get rid of the container
 * Return: 0 with @ret filled, which owns all it points to: state_done(); -EPROTO for a damaged file; -ENOMEM.
 */
int state_parse(const char *file, const char *text, size_t len, struct state *ret, struct err *e);

/* state_format() - malloc'd, NUL-terminated; NULL without memory or when a string is not UTF-8. */
char *state_format(const struct state *s);

void state_done(struct state *s);

#endif
