/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_EXPLAIN_H
#define CTL_EXPLAIN_H

#include <jansson.h>

#include "base/err.h"
#include "codec/settings.h"

struct judge_engine;

/* What a guard is asked about itself; see RELAY_STATUS_PATH. */
struct explain {
	const struct settings *settings;
	struct judge_engine *engine; /* asked as the guard would: the guard's own socket does */
	const json_t *status;	     /* of the guard, for what it knows about its host; NULL: not known */
	const json_t *
		socket; /* of the guard, the container's socket through which it comes; NULL: a client's on the host */
	const char *registry_helper; /* path of caisson-registry, which asks which images may have a socket */
};

/*
 * explain_request() - judge a request as the guard would, without sending it.
 * @body: taken over; NULL: none     @ret: new reference: an object with "allowed", "route", and of a refusal
 * "status", "rule", "message", "setting", of what is let through "changes" and "request" as the engine would get
 * it.
 * Return: 0 or -ENOMEM.
 */
int explain_request(const struct explain *x, const char *method, const char *target, json_t *body, json_t **ret,
		    struct err *e);

#endif
