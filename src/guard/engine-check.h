/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_ENGINE_CHECK_H
#define GUARD_ENGINE_CHECK_H

#include "guard/engine.h"
#include "guard/judge.h"

/*
 * What the engine does with containers that it makes by itself: tried, not believed. Three probes, on a thread of
 * their own, at the start, whenever the engine was away or has reloaded its configuration, and on request:
 *
 * - BuildKit builds a one-file image in which a RUN step looks at its user namespace. Nothing is fetched or kept.
 * - A container of the same file is run with runtime "runc", and one with the engine's default runtime (the
 *   classic builder's).
 * - BuildKit is asked for each entitlement, which it has to refuse.
 *
 * judge_host.runc_is_caisson is set while the first two hold and the engine has no user namespace remapping of its
 * own; judge_host.builds_are_closed while the third holds. Both are false whenever nothing is known.
 */
struct engine_check;

struct engine_check_config {
	bool runc_is_caisson;			     /* the administrator says so: the first two are not tried */
	struct judge_engine *engine;		     /* borrowed */
	struct judge_host *host;		     /* borrowed; only the two members are written */
	void (*say)(void *ctx, const char *message); /* what was found, when it changes; on the thread */
	void *ctx;
};

/* engine_check_new() - start the thread. @config is copied. */
int engine_check_new(const struct engine_check_config *config, struct engine_check **ret, struct err *e);

/* engine_check_again() - probe again soon. */
void engine_check_again(struct engine_check *c);

/*
 * engine_check_settle() - wait until the probes are done if the engine is there and they are not; at most 20 s. For
 * worker threads, before a decision that depends on them. @c may be NULL.
 */
void engine_check_settle(struct engine_check *c);

/* engine_check_free() - ends the thread; waits for the question under way, at most about 10 s. */
void engine_check_free(struct engine_check *c);

#endif
