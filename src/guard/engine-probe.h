/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_ENGINE_PROBE_H
#define GUARD_ENGINE_PROBE_H

#include "guard/engine.h"

/*
 * The probes of engine-check.h. Each blocks for a second or so, some tens at most.
 * Return: 1 it is as it should be; 0 it is not, with the reason in @why; -errno with @why when it could not be
 * tried.
 */

/* engine_probe_builds() - BuildKit's RUN steps run in a user namespace of their own. */
int engine_probe_builds(struct judge_engine *engine, struct err *why);

/* engine_probe_containers() - and so do containers of runtime "runc" and of the default runtime. */
int engine_probe_containers(struct judge_engine *engine, struct err *why);

/* engine_probe_entitlements() - BuildKit refuses every entitlement that there is. */
int engine_probe_entitlements(struct judge_engine *engine, struct err *why);

#endif
