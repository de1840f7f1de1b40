/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_BUILT_H
#define GUARD_BUILT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "guard/engine.h"

/*
 * Which images were built here, and by whom: for entries of the allowed list that name a label and builders (L14, U15). A
 * label alone says nothing, anybody can write it. While such entries exist, each build by one of the builders gets one
 * more label with a number that nobody knows; the image that has it when the build has ended is written down. What
 * is built from it later has the label as well, but is not written down.
 *
 * <state>/built/<hexadecimal digits of the id>: "UID\n". At most BUILT_MAX, the oldest go. Safe in several threads.
 */
struct built;

#define BUILT_MAX   4096
#define BUILT_LABEL "io.caisson.build"

/* built_new() - @state: borrowed, an absolute path. */
int built_new(const char *state, struct built **ret, struct err *e);
void built_free(struct built *b);

/* built_note() - a build of @uid with this number has ended; cheap, does not block. Too many at once are forgotten. */
void built_note(struct built *b, const char *number, uid_t uid);

/*
 * built_look() - ask the engine which images the builds made that have ended, and write them down; at once when there are
 * none. When it returns, that is done, by whichever thread. Blocking.
 */
void built_look(struct built *b, struct judge_engine *engine);

/* built_by() - was image @id ("sha256:...") built here by @uid? */
bool built_by(const struct built *b, const char *id, uid_t uid);

#endif
