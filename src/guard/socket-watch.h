/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_SOCKET_WATCH_H
#define GUARD_SOCKET_WATCH_H

#include "guard/built.h"
#include "guard/engine.h"
#include "socket/grants.h"

/*
 * A container's socket ends with the container. On a thread of its own: whenever the engine says that containers were
 * removed, when it comes back, and every few minutes, the grants are held against the containers that there are. One whose
 * container is gone is dropped; so is one that no container has mounted ten minutes after it was made. Nothing is
 * dropped while the engine does not answer.
 */
struct socket_watch;

/* socket_watch_new() - start the thread. @engine, @grants, @built: borrowed. */
int socket_watch_new(struct judge_engine *engine, struct grants *grants, struct built *built,
		     struct socket_watch **ret, struct err *e);

/* socket_watch_built() - built_look() is to be called, on the thread. */
void socket_watch_built(struct socket_watch *w);

/* socket_watch_free() - waits for the question under way, at most about 10 s. NULL is fine. */
void socket_watch_free(struct socket_watch *w);

#endif
