/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/socket-status.h"

#include <jansson.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "guard/text.h"

#define COMMANDS_MAX 64

struct listing {
	struct grants *grants;
	const struct settings *settings;
	json_t *list;
};

static json_t *moment(int64_t t)
{
	time_t when = (time_t)t;
	struct tm tm;
	char text[32];

	(void)gmtime_r(&when, &tm);
	(void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

/* The commands that these endpoints are, each once. */
static json_t *commands_of(const struct docker_routes *routes)
{
	json_t *list = json_array(), *v;
	size_t n, i;

	(void)docker_route_names(&n);
	for (size_t route = 0; route < n; route++) {
		const char *name = docker_routes_has(routes, (int)route) ? docker_route_command((int)route) : NULL;
		bool known = !name;

		json_array_foreach(list, i, v)
			known = known || strcmp(json_string_value(v), name) == 0;
		if (!known)
			(void)json_array_append_new(list, json_string(name));
	}
	return list;
}

static json_t *learned(const struct docker_routes *used)
{
	const char *names[COMMANDS_MAX];
	size_t n = docker_command_learn(used, names, COMMANDS_MAX);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(list, json_string(names[i]));
	return json_pack("{ss so}", "type", "allow", "commands", list);
}

static int list_one(void *ctx, struct grant *g)
{
	struct listing *l = ctx;
	_cleanup_free_ char *text = strndup(g->entry, strcspn(g->entry, "\n"));
	const struct socket_image *entry = text ? settings_socket_entry(&l->settings->socket, text) : NULL;
	struct grant_counts counts;
	json_t *o = json_object();
	char where[512];

	grants_counts(l->grants, g, &counts);
	(void)json_object_set_new(o, "container", text_json(*g->container ? g->container : NULL));
	(void)json_object_set_new(o, "scope", json_string(g->scope));
	(void)json_object_set_new(o, "image", text_json(g->image));
	(void)json_object_set_new(o, "imageId", text_json(g->image_id));
	(void)json_object_set_new(o, "digest", text_json(*g->digest ? g->digest : NULL));
	(void)json_object_set_new(o, "entry", text_json(text && *text ? text : NULL));
	(void)json_object_set_new(o, "entries", text_json(g->entry));
	(void)json_object_set_new(o, "derived", json_boolean(g->derived));
	(void)json_object_set_new(o, "created", moment(g->created));
	(void)json_object_set_new(o, "calls", json_integer((json_int_t)counts.n_used));
	(void)json_object_set_new(o, "refusals", json_integer((json_int_t)counts.n_refused));
	(void)json_object_set_new(o, "used", commands_of(&counts.used));
	(void)json_object_set_new(o, "refused", commands_of(&counts.refused));
	(void)json_object_set_new(o, "learned", learned(&counts.used));
	(void)json_object_set_new(o, "setting", text_json(entry ? entry->setting : NULL));
	if (entry) {
		(void)json_object_set_new(
			o, "decidedBy",
			text_json(settings_origin(l->settings, entry->setting, where, sizeof where)));
		(void)json_object_set_new(o, "until", entry->until ? moment(entry->until) : json_null());
		(void)json_object_set_new(o, "readOnly", json_boolean(entry->read_only));
		(void)json_object_set_new(o, "ownOnly", json_boolean(entry->own_only));
		(void)json_object_set_new(o, "learn", json_boolean(entry->learn));
	}
	return json_array_append_new(l->list, o);
}

char *sockets_json(struct grants *grants, const struct settings *settings)
{
	struct listing l = { grants, settings, json_array() };
	json_t *o;
	char *text = NULL;

	if (l.list && (!grants || grants_each(grants, list_one, &l) == 0)) {
		o = json_pack("{sO}", "sockets", l.list);
		text = o ? json_dumps(o, JSON_COMPACT) : NULL;
		json_decref(o);
	}
	json_decref(l.list);
	return text;
}
