/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/explain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "guard/judge.h"
#include "guard/text.h"
#include "socket/grants.h"
#include "socket/trust.h"

#define PATHS_MAX 16

/* What the guard knows, from what it says. */
struct host {
	struct judge_host host;
	const char *paths[PATHS_MAX];
	struct grant grant; /* its texts are owned */
};

static const struct judge_host *host_of(const json_t *status, struct host *h)
{
	const json_t *o = json_object_get(status, "host"), *list = json_object_get(o, "protectedPaths"), *p;
	size_t i;

	if (!json_is_object(o))
		return NULL;
	*h = (struct host){ .host = { .protected_paths = h->paths } };
	h->host.runc_is_caisson = json_is_true(json_object_get(o, "runcIsCaisson"));
	h->host.builds_are_closed = json_is_true(json_object_get(o, "buildsAreClosed"));
	json_array_foreach(list, i, p)
		if (json_is_string(p) && h->host.n_protected < PATHS_MAX)
			h->paths[h->host.n_protected++] = json_string_value(p);
	return &h->host;
}

static char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return strdup(s ? s : "");
}

static void put_id(char *ret, size_t size, const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	(void)snprintf(ret, size, "%s", s ? s : "");
}

static struct grant *grant_of(const json_t *socket, struct host *h)
{
	struct grant *g = &h->grant;

	if (!socket)
		return NULL;
	*g = (struct grant){ .image = text_of(socket, "image"), .entry = text_of(socket, "entries") };
	put_id(g->container, sizeof g->container, socket, "container");
	put_id(g->scope, sizeof g->scope, socket, "scope");
	g->derived = json_is_true(json_object_get(socket, "derived"));
	return g;
}

static void put_refusal(json_t *o, const struct explain *x, const struct judge_verdict *v)
{
	char where[512];

	(void)json_object_set_new(o, "status", json_integer(v->status));
	(void)json_object_set_new(o, "rule", text_json(v->rule));
	(void)json_object_set_new(o, "message", text_json(v->message));
	if (!v->setting)
		return;
	(void)json_object_set_new(o, "setting", text_json(v->setting));
	(void)json_object_set_new(o, "decidedBy",
				  text_json(settings_origin(x->settings, v->setting, where, sizeof where)));
}

static void put_request(json_t *o, const struct judge_request *q, const struct judge_verdict *v)
{
	_cleanup_free_ char *target = judge_target(q, v);

	(void)json_object_set_new(o, "changes", text_json(v->changes[0] ? v->changes : NULL));
	(void)json_object_set_new(o, "request",
				  json_pack("{so so so*}", "method", text_json(q->method), "target",
					    text_json(target), "body", json_incref(q->body)));
}

int explain_request(const struct explain *x, const char *method, const char *target, json_t *body, json_t **ret,
		    struct err *e)
{
	const struct judge_peer peer = { .pid = getpid(), .uid = getuid(), .gid = getgid() };
	const struct trust_config trust = { .helper = x->registry_helper };
	struct host host;
	struct judge_request q = { .peer = &peer };
	struct judge_verdict v = { 0 };
	json_t *o = json_object();
	bool routed;

	if (!o) {
		json_decref(body);
		return err_sys(e, ENOMEM, "explain");
	}
	routed = judge_route(method, target, &q, &v) == 0;
	if (routed) {
		q.settings = x->settings;
		q.engine = x->engine;
		q.host = host_of(x->status, &host);
		if (q.host) {
			host.host.explains = true;
			(void)trust_new(&trust, &host.host.trust, NULL);
			q.grant = grant_of(x->socket, &host);
			q.target = target;
		}
		if (q.route->body == BODY_JSON)
			q.body = json_incref(body);
		(void)json_object_set_new(o, "route", text_json(q.route->name));
		judge(&q, &v);
		if (q.host)
			trust_free(host.host.trust);
		if (q.grant) {
			free(q.grant->image);
			free(q.grant->entry);
		}
	}
	json_decref(body);
	(void)json_object_set_new(o, "allowed", json_boolean(v.what != JUDGE_REFUSE));
	if (v.what == JUDGE_PASS)
		put_request(o, &q, &v);
	else if (v.what == JUDGE_ANSWER)
		(void)json_object_set_new(o, "changes",
					  json_string("the guard asks the engine, and answers itself"));
	else
		put_refusal(o, x, &v);
	free(v.answer);
	judge_request_done(&q);
	*ret = o;
	return 0;
}
