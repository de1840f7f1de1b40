/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_SOURCE_H
#define RUNTIME_SOURCE_H

#include "runtime/plan.h"
#include "sys/location.h"

/* source_judge() - ask the policy. -EPERM with M3 when it denies; @source as the spec names it, for the message. */
int source_judge(const struct plan *p, const struct bind_context *ctx, const struct location *l,
		 const char *source, struct bind_decision *ret, struct err *e);

#endif
