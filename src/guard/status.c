/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/status.h"

#include <jansson.h>
#include <unistd.h>

#include "guard/text.h"

static json_t *time_json(time_t t)
{
	struct tm tm;
	char text[32];

	(void)gmtime_r(&t, &tm);
	(void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

static json_t *files_of(const struct settings *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_sources; i++)
		(void)json_array_append_new(list, text_json(s->sources[i].file));
	return list;
}

static json_t *host_json(const struct judge_host *h)
{
	json_t *list = json_array();

	for (size_t i = 0; i < h->n_protected; i++)
		(void)json_array_append_new(list, text_json(h->protected_paths[i]));
	return json_pack("{sb sb so}", "runcIsCaisson", (int)h->runc_is_caisson, "buildsAreClosed",
			 (int)h->builds_are_closed, "protectedPaths", list);
}

static int add_full(json_t *o, json_t *settings, json_t *isolation, const struct status *st)
{
	char where[512];

	(void)settings_origin(st->settings, "enhancedContainerIsolation.value", where, sizeof where);
	(void)json_object_set_new(isolation, "setBy", text_json(where));
	(void)json_object_set_new(settings, "path", text_json(st->settings_path));
	(void)json_object_set_new(settings, "files", files_of(st->settings));
	(void)json_object_set_new(settings, "problem", text_json(st->problem));
	(void)json_object_set_new(settings, "note", text_json(st->settings->note));
	(void)json_object_set_new(o, "pid", json_integer(getpid()));
	(void)json_object_set_new(o, "connections", json_integer(st->connections));
	(void)json_object_set_new(o, "listen", text_json(st->listen));
	(void)json_object_set_new(o, "engine", text_json(st->engine));
	(void)json_object_set_new(o, "audit", text_json(st->audit));
	(void)json_object_set_new(o, "journal", text_json(st->journal));
	return json_object_set_new(o, "host", host_json(st->host));
}

char *status_json(const struct status *st, bool full)
{
	json_t *isolation =
		json_pack("{sb sb}", "enabled", (int)st->settings->enabled, "locked", (int)st->settings->locked);
	json_t *settings = json_pack("{so sb}", "loaded", time_json(st->loaded), "current", (int)!st->problem);
	json_t *o = json_pack("{ss so so so}", "version", CAISSON_VERSION, "started", time_json(st->started),
			      "isolation", isolation, "settings", settings);
	char *text = NULL;

	if (o && (!full || add_full(o, settings, isolation, st) == 0))
		text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}
