/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_SOCKET_WATCH_H
#define GUARD_SOCKET_WATCH_H

#include "guard/built.h"
#include "guard/engine.h"
#include "socket/grants.h"

/*
 * A container's socket ends with the container. On a thread of its own: whenever the engine says that containers were
 * removed, when it comes back, and every few minutes, the grants are held against the containers that there are. One that
 * is not among them, and that the engine does not know by its id either, is dropped. Containers are users' work, and may be
 * such that the list cannot be read: then each is asked for by its id, and @say is told. What was not started after
 * SOCKET_UNUSED_S is dropped as well, when the list says that no container has it mounted. Nothing is dropped while the
 * engine does not answer.
 */
struct socket_watch;

#define SOCKET_UNUSED_S 600

/* socket_watch_new() - start the thread. @engine, @grants, @built: borrowed. @say: called on it. */
int socket_watch_new(struct judge_engine *engine, struct grants *grants, struct built *built,
		     void (*say)(void *ctx, const char *message), struct socket_watch **ret, struct err *e);

/* socket_watch_built() - built_look() is to be called, on the thread. */
void socket_watch_built(struct socket_watch *w);

/* socket_watch_free() - waits for the question under way, at most about 10 s. NULL is fine. */
void socket_watch_free(struct socket_watch *w);

#endif
