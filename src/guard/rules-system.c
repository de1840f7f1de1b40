/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "guard/engine.h"
#include "guard/rules.h"

/* In the form that the engine's own entries have; clients show it as "caisson". */
#define MARK "name=caisson,isolation=enhanced"

/*
 * What the engine says of itself, and that its containers are isolated (L26): whoever can ask for it can see it, without starting
 * anything. Without an answer the request passes, and the engine tells the client what is wrong.
 */
int judge_info(struct judge_request *q, struct judge_verdict *v)
{
	json_t *info = NULL, *options;
	char path[64];

	(void)snprintf(path, sizeof path, "%s%.16s/info", q->version ? "/v" : "", q->version ? q->version : "");
	if (!q->engine || engine_get(q->engine, path, &info, NULL) < 0)
		return 0;
	options = json_object_get(info, "SecurityOptions");
	if (json_is_object(info) && !json_is_array(options) &&
	    json_object_set_new(info, "SecurityOptions", json_array()) == 0)
		options = json_object_get(info, "SecurityOptions");
	if (json_is_array(options) && json_array_append_new(options, json_string(MARK)) == 0)
		v->answer = json_dumps(info, JSON_COMPACT);
	json_decref(info);
	return v->answer ? 1 : 0;
}
