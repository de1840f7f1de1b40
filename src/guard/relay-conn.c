/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a client's connection: events, what follows from them, refusals, the end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/cleanup.h"
#include "guard/relay-internal.h"
#include "guard/text.h"
#include "socket/grants.h"

void conn_deadline(struct conn *c, int64_t ms)
{
	if (c->deadline)
		c->relay->n_deadlines--;
	c->deadline = ms ? c->relay->now + ms : 0;
	if (c->deadline)
		c->relay->n_deadlines++;
}

void exchange_free(struct relay *r, struct exchange *x)
{
	grpc_gate_free(x->gate);
	if (x->engine)
		end_close(r, x->engine);
	free(x->engine);
	if (x->grant)
		grants_unref(r->config->host->grants, x->grant);
	/* The engine has not heard of it. From PHASE_WAIT on it may make the container, whoever waits for the answer. */
	if (*x->q.socket_token && x->phase < PHASE_WAIT)
		grants_drop(r->config->host->grants, x->q.socket_token);
	judge_request_done(&x->q);
	free(x->v.answer);
	policy_unref(x->policy);
	bytes_free(&x->body);
	bytes_free(&x->answer_bytes);
	free(x->request.text);
	free(x->answer_head.text);
	free(x->json);
	free(x->head_text);
	free(x);
}

/* The exchange is over for its connection. A worker that has it keeps it until it is done. */
void exchange_detach(struct conn *c)
{
	struct relay *r = c->relay;
	struct exchange *x = c->x;

	if (!x)
		return;
	c->x = NULL;
	r->bodies -= x->body_charged;
	c->user->bodies -= x->body_charged;
	x->body_charged = 0;
	x->conn = NULL;
	if (x->phase == PHASE_JUDGE)
		return;
	if (x->engine)
		end_close(r, x->engine);
	x->next = r->dead_exchanges;
	r->dead_exchanges = x;
}

static void user_leave(struct relay *r, struct user *u)
{
	if (--u->connections > 0)
		return;
	for (struct user **at = &r->users; *at; at = &(*at)->next)
		if (*at == u) {
			*at = u->next;
			free(u);
			return;
		}
}

void conn_kill(struct conn *c)
{
	struct relay *r = c->relay;

	if (c->dead)
		return;
	c->dead = true;
	exchange_detach(c);
	conn_deadline(c, 0);
	end_close(r, &c->client);
	bytes_free(&c->in);
	user_leave(r, c->user);
	if (c->grant)
		grants_unref(r->config->host->grants, c->grant);
	if (c->prev)
		c->prev->next = c->next;
	else
		r->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	r->n_conns--;
	c->next = r->dead_conns;
	r->dead_conns = c;
}

void conn_drain(struct conn *c)
{
	exchange_detach(c);
	c->state = CONN_DRAIN;
	bytes_free(&c->in);
	end_shut(&c->client);
	/* A client that is slow to read its answer has longer than one that is only to close. */
	conn_deadline(c, c->client.out.len ? BODY_MS : DRAIN_MS);
}

void conn_rest(struct conn *c)
{
	exchange_detach(c);
	c->state = CONN_HEAD;
	c->scan = (struct h1_scan){ 0 };
	c->drained = 0;
	c->since = c->relay->now;
	conn_deadline(c, 0);
}

/* What the request was about, as its client named it: for the audit. */
static void name_objects(const struct exchange *x, struct audit_event *ev)
{
	const struct judge_request *q = &x->q;

	if (!q->route)
		return;
	ev->route = q->route->name;
	if (strncmp(q->route->pattern, "/containers/{}", 14) == 0 ||
	    strncmp(q->route->pattern, "/exec/{}", 8) == 0)
		ev->container = q->segment[0];
	if (strncmp(q->route->pattern, "/images/{", 9) == 0)
		ev->image = q->segment[0];
	for (size_t i = 0; i < q->n_query; i++) {
		if (strcmp(q->query[i].key, "name") == 0 && strcmp(q->route->pattern, "/containers/create") == 0)
			ev->container = q->query[i].value;
		else if (strcmp(q->query[i].key, "fromImage") == 0)
			ev->image = q->query[i].value;
	}
	if (q->body && !ev->image)
		ev->image = json_string_value(json_object_get(q->body, "Image"));
}

void conn_write_down(struct conn *c, const char *action, const char *message, const char *rule,
		     const char *setting)
{
	const struct relay_config *config = c->relay->config;
	struct audit_event ev = { .action = action,
				  .uid = c->peer.uid,
				  .pid = c->peer.pid,
				  .message = message,
				  .rule = rule,
				  .setting = setting,
				  .socket = c->grant ? c->grant->container : NULL };
	struct err e = { 0 };
	char origin[512];

	if (!config->audit)
		return;
	if (c->x)
		name_objects(c->x, &ev);
	if (c->x && setting)
		ev.origin = settings_origin(&c->x->policy->settings, setting, origin, sizeof origin);
	if (audit_write(config->audit, &ev, &e) < 0)
		config->warn(config->ctx, e.msg);
}

/* The guard's own answer; @body: malloc'd, taken over. The connection goes on when all of the request was read. */
static void answer_json(struct conn *c, int status, char *json)
{
	const struct exchange *x = c->x;
	_cleanup_free_ char *body = json;
	struct h1_text t = { 0 };
	struct iovec iov[2] = { 0 };
	size_t len = 0;
	bool keep = x && x->keep && x->body_done,
	     head = x && x->head.method && strcmp(x->head.method, "HEAD") == 0;

	h1_put_status(&t, status, h1_reason(status));
	h1_put_field(&t, "Content-Type", "application/json");
	if (body) {
		len = strlen(body) + 1;
		body[len - 1] = '\n'; /* in the place of the NUL */
	}
	h1_put_length(&t, len);
	/* A client that asked for an upgrade would take the text behind "close" for the stream it asked for. */
	if (!keep && !(x && x->upgrade))
		h1_put_field(&t, "Connection", "close");
	if (!body || h1_put_end(&t) < 0) {
		free(t.text);
		conn_kill(c);
		return;
	}
	iov[0] = (struct iovec){ t.text, t.len };
	iov[1] = (struct iovec){ body, len };
	if (end_send(&c->client, iov, head ? 1 : 2) < 0) {
		free(t.text);
		conn_kill(c);
		return;
	}
	free(t.text);
	if (keep)
		conn_rest(c);
	else
		conn_drain(c);
}

/* What a client of HTTP/2 reads: SETTINGS, and GOAWAY with the message as its debug data (RFC 9113, 6.8). */
static void answer_preface(struct conn *c, const char *message)
{
	enum { HTTP_1_1_REQUIRED = 0xd, TEXT_MAX = 4096 };
	size_t text = strlen(message) < TEXT_MAX ? strlen(message) : TEXT_MAX, len = 8 + text;
	uint8_t head[9 + 9 + 8] = {
		[3] = 4, [10] = (uint8_t)(len >> 8), [11] = (uint8_t)len, [12] = 7, [25] = HTTP_1_1_REQUIRED
	};

	if (end_put(&c->client, head, sizeof head) < 0 || end_put(&c->client, message, text) < 0)
		conn_kill(c);
	else
		conn_drain(c);
}

static void answer(struct conn *c, int status, const char *message)
{
	json_t *o;

	if (c->x && c->x->preface) {
		answer_preface(c, message);
		return;
	}
	o = json_pack("{so}", "message", text_json(message));
	answer_json(c, status, o ? json_dumps(o, JSON_COMPACT) : NULL);
	json_decref(o);
}

void conn_status(struct conn *c, const char *path)
{
	const struct relay_config *config = c->relay->config;
	char *text = config->status(config->ctx, c->relay, path, &c->peer);

	if (text)
		answer_json(c, 200, text);
	else
		answer(c, 404, "the guard has no such path");
}

void conn_answer(struct conn *c, char *json)
{
	answer_json(c, 200, json);
}

void conn_refuse(struct conn *c, int status, const char *message, const char *rule, const char *setting)
{
	conn_write_down(c, "refused", message, rule, setting);
	answer(c, status, message);
}

void conn_fail(struct conn *c, int status, const char *message)
{
	if (c->x && c->x->answer_begun) {
		conn_kill(c);
		return;
	}
	if (c->x && c->x->phase >= PHASE_WAIT)
		c->x->keep = false;
	answer(c, status, message);
}

void conn_changed(struct conn *c)
{
	const struct judge_verdict *v = &c->x->v;

	conn_write_down(c, "changed", v->changes, v->rule, v->setting);
}

void conn_timeout(struct conn *c)
{
	if (c->state == CONN_DRAIN) {
		conn_kill(c);
	} else if (c->state == CONN_HEAD || c->x->phase == PHASE_BODY) {
		conn_refuse(c, 408, "the request did not arrive in time", "http", NULL);
		conn_run(c);
	} else if (c->x->phase == PHASE_CONNECT) {
		conn_fail(c, 503, "the Docker Engine behind the guard takes no connections; try again");
		conn_run(c);
	} else {
		conn_kill(c);
	}
}

/*
 * Give what waits in c->in to whoever takes it now. Owned here meanwhile: taking may end the connection or
 * empty c->in.
 */
static void feed_held(struct conn *c)
{
	struct bytes held = c->in;
	size_t done = 0, n = 1;

	c->in = (struct bytes){ 0 };
	while (done < held.len && n && !c->dead) {
		n = request_take(c, held.data + done, held.len - done);
		done += n;
	}
	if (c->dead || c->state == CONN_DRAIN) {
		bytes_free(&held);
		return;
	}
	bytes_drop(&held, done);
	c->in = held;
}

static void feed(struct conn *c, char *buf, size_t len)
{
	size_t n = 1;

	if (c->in.len) {
		if (bytes_add(&c->in, buf, len) < 0)
			conn_kill(c);
		else
			feed_held(c);
		return;
	}
	while (len && n && !c->dead) {
		n = request_take(c, buf, len);
		buf += n;
		len -= n;
	}
	if (!c->dead && c->state != CONN_DRAIN && bytes_add(&c->in, buf, len) < 0)
		conn_kill(c);
}

static void settle_tunnel(struct conn *c)
{
	struct end *client = &c->client, *engine = c->x->engine;
	bool all_sent = c->in.len == 0 && engine->out.len == 0;

	if (client->eof && c->in.len == 0)
		end_shut(engine);
	if (engine->eof)
		end_shut(client);
	if (client->eof && client->hup && all_sent) {
		conn_kill(c);
	} else if (engine->eof && client->out.len == 0 && (client->eof || engine->hup)) {
		conn_drain(c);
	} else if (client->hup && !c->deadline) {
		/* Gone, but the engine has not taken all that it sent: not for ever. */
		conn_deadline(c, CONNECT_MS);
	}
}

/* A request and its answer, when an end of the client may have been seen. */
static void settle_exchange(struct conn *c)
{
	struct exchange *x = c->x;
	struct end *client = &c->client;
	bool gone = client->hup && (client->eof || !request_wants(c));

	switch (x->phase) {
	case PHASE_BODY:
		if (client->eof)
			conn_kill(c);
		return;
	case PHASE_JUDGE:
	case PHASE_CONNECT:
		if (gone)
			conn_kill(c);
		return;
	case PHASE_WAIT:
	case PHASE_ANSWER:
		if (client->write_dead || (gone && x->engine->out.len == 0) ||
		    (client->eof && !x->body_done && c->in.len == 0))
			conn_kill(c);
		else if (client->eof && x->body_done)
			end_shut(x->engine); /* P6: to the engine it means that the client has gone */
		return;
	case PHASE_TUNNEL:
		settle_tunnel(c);
		return;
	}
}

/* What follows from the ends' states. */
static void settle(struct conn *c)
{
	struct end *client = &c->client;

	switch (c->state) {
	case CONN_HEAD:
		if (client->write_dead || (client->eof && client->out.len == 0))
			conn_kill(c);
		else if (client->eof)
			conn_drain(c);
		return;
	case CONN_DRAIN:
		if (client->write_dead || (client->eof && client->out.len == 0))
			conn_kill(c);
		return;
	case CONN_EXCHANGE:
		settle_exchange(c);
		return;
	}
}

void conn_run(struct conn *c)
{
	struct relay *r = c->relay;

	if (!c->dead && c->in.len)
		feed_held(c);
	if (!c->dead)
		settle(c);
	if (c->dead)
		return;
	if (end_watch(r, &c->client, request_wants(c)) < 0 ||
	    (c->x && end_watch(r, c->x->engine, answer_wants(c)) < 0))
		conn_kill(c);
}

static void read_end(struct conn *c, struct end *end)
{
	bool client = end == &c->client;
	ssize_t n;

	if (client ? !request_wants(c) : !answer_wants(c))
		return;
	n = end_read(c->relay, end);
	if (n > 0 && client)
		feed(c, c->relay->buf, (size_t)n);
	else if (n > 0)
		answer_take(c, c->relay->buf, (size_t)n);
	else if (n == 0 && !client)
		answer_end(c);
}

void conn_event(struct conn *c, struct end *end, uint32_t events)
{
	if (c->dead || end->watch.fd < 0)
		return; /* closed earlier in this turn */
	if (events & EPOLLOUT)
		end_flush(end);
	if (events & (EPOLLHUP | EPOLLERR))
		end->hup = true;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		read_end(c, end);
	conn_run(c);
}
