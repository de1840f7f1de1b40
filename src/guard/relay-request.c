/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side: heads, routes, bodies on their way to the judge or to the engine. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "guard/relay-internal.h"
#include "socket/grants.h"
#include "socket/trust.h"

#define PIECES 64 /* of a chunked body, gathered into one chunk */

static const char malformed[] = "http";

/*
 * HTTP/2 by prior knowledge, which newer clients may use for gRPC, is the same as a request to switch to it: the engine
 * is asked for that, whatever its version, and the gate reads what is said.
 */
static const char h2_preface[] = "PRI * HTTP/2.0\r\n\r\n";
static const char grpc_request[] =
	"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n";

/* Fields that mean something to the engine. All others end here: the head is written from scratch (A120). */
static bool is_passed(const char *name)
{
	static const char *const names[] = {
		"User-Agent",
		"Accept",
		"Accept-Encoding",
		"X-Registry-Auth",
		"X-Registry-Config",
		"Sec-WebSocket-Key",
		"Sec-WebSocket-Version",
		"Sec-WebSocket-Protocol",
		"Sec-WebSocket-Extensions",
		"Origin",
		"traceparent",
		"tracestate",
		"baggage",
	};
	static const char session[] = "X-Docker-Expose-Session-";

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return strncasecmp(name, session, sizeof session - 1) == 0;
}

/* A second one of these and two readers could see two different requests. */
static bool may_repeat(const char *name)
{
	return strncasecmp(name, "X-Docker-Expose-Session-", 24) == 0 || strncasecmp(name, "Accept", 6) == 0 ||
	       strcasecmp(name, "baggage") == 0 || strcasecmp(name, "tracestate") == 0;
}

static const char *repeated_field(const struct h1_head *h)
{
	for (size_t i = 0; i < h->n_fields; i++) {
		const char *name = h->fields[i].name;

		if (!is_passed(name) || may_repeat(name))
			continue;
		for (size_t k = 0; k < i; k++)
			if (strcasecmp(h->fields[k].name, name) == 0)
				return name;
	}
	return NULL;
}

static bool starts(const char *s, const char *prefix)
{
	return strncasecmp(s, prefix, strlen(prefix)) == 0;
}

static void put_body_fields(struct exchange *x, struct h1_text *t)
{
	const char *type = h1_field_get(&x->head, "Content-Type");
	bool reading = strcmp(x->q.method, "GET") == 0 || strcmp(x->q.method, "HEAD") == 0;

	if (x->json) {
		h1_put_field(t, "Content-Type", "application/json");
		h1_put_length(t, x->json_len);
		return;
	}
	if (x->q.route->body == BODY_STREAM && x->head.framing != H1_NONE) {
		if (type)
			h1_put_field(t, "Content-Type", type);
		if (x->head.framing == H1_CHUNKED)
			h1_put_field(t, "Transfer-Encoding", "chunked");
		else
			h1_put_length(t, x->head.length);
		return;
	}
	if (!reading)
		h1_put_length(t, 0);
}

int request_write(struct exchange *x, struct err *e)
{
	_cleanup_free_ char *target = judge_target(&x->q, &x->v);
	struct h1_text t = { 0 };
	int r;

	if (!target)
		return err_sys(e, ENOMEM, "writing the request");
	if (x->q.body) {
		x->json = json_dumps(x->q.body, JSON_COMPACT);
		if (!x->json)
			return err_sys(e, ENOMEM, "writing the request");
		x->json_len = strlen(x->json);
	}
	h1_put_request(&t, x->q.method, target);
	h1_put_field(&t, "Host", "docker");
	for (size_t i = 0; i < x->head.n_fields; i++)
		if (is_passed(x->head.fields[i].name))
			h1_put_field(&t, x->head.fields[i].name, x->head.fields[i].value);
	put_body_fields(x, &t);
	x->lasting = engine_may_last(x);
	if (!x->lasting)
		h1_put_field(&t, "Connection", x->upgrade ? "Upgrade" : "close");
	if (x->upgrade)
		h1_put_field(&t, "Upgrade", x->upgrade);
	r = h1_put_end(&t);
	if (r < 0)
		return err_sys(e, -r, "writing the request");
	x->request = t;
	return 0;
}

/*
 * The token of an Upgrade that the engine knows, where the route may have one. Others are as good as not there
 * (RFC 9110, 7.8).
 */
static const char *allowed_upgrade(const struct exchange *x)
{
	static const char *const known[] = { "tcp", "h2c", "websocket" };

	if (!x->head.upgrade || !x->q.route->hijack)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcasecmp(x->head.upgrade, known[i]) == 0)
			return known[i];
	return NULL;
}

/* What a body may be, as far as the head tells. Return: 0 or the status of the refusal, with the message. */
static int check_body(const struct exchange *x, const char **ret_message)
{
	const char *type = h1_field_get(&x->head, "Content-Type"),
		   *coding = h1_field_get(&x->head, "Content-Encoding");
	bool has_body = x->head.framing == H1_CHUNKED || x->head.length > 0;

	/* The engine lets a form's fields override the query (A119). */
	if (type && (starts(type, "application/x-www-form-urlencoded") || starts(type, "multipart/"))) {
		*ret_message = "forms are not accepted: put parameters into the query";
		return 415;
	}
	if (!has_body)
		return 0;
	if (x->q.route->body == BODY_EMPTY && x->head.framing == H1_LENGTH) {
		*ret_message = "this request takes no body";
		return 400;
	}
	if (x->q.route->body == BODY_JSON && x->head.framing == H1_LENGTH && x->head.length > JUDGE_BODY_MAX) {
		*ret_message = "the body of this request has more than 4 MiB";
		return 413;
	}
	if (x->q.route->body == BODY_JSON && coding && strcasecmp(coding, "identity") != 0) {
		*ret_message = "the body of this request has to be sent without Content-Encoding";
		return 415;
	}
	return 0;
}

static void send_continue(struct conn *c)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (!c->x->continue_due)
		return;
	c->x->continue_due = false;
	if (end_put(&c->client, text, sizeof text - 1) < 0)
		conn_kill(c);
}

/* Is the entry one of those that a container's socket was allowed by? */
static bool is_of_grant(const struct grant *grant, const struct socket_image *entry)
{
	size_t len = strlen(entry->text);

	for (const char *line = grant->entry; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (strncmp(line, entry->text, len) == 0 && (line[len] == '\n' || line[len] == '\0'))
			return true;
	return false;
}

/* May judging it have to ask somebody? Whose a single object is (ownOnly), only the engine knows. */
static bool may_wait(const struct exchange *x)
{
	const struct settings_socket *s = &x->policy->settings.socket;

	if (x->q.route->judge || x->body.len)
		return true;
	for (size_t i = 0; x->grant && i < s->n_images; i++)
		if (s->images[i].own_only && is_of_grant(x->grant, &s->images[i]))
			return true;
	return false;
}

/*
 * The exchange goes to the judge: to a worker, unless the answer is certain to come without waiting. Whatever
 * the decision, the exchange may be gone afterwards.
 */
static void submit(struct exchange *x)
{
	conn_deadline(x->conn, 0);
	x->phase = PHASE_JUDGE;
	if (may_wait(x)) {
		pool_submit(x->relay->pool, x);
		return;
	}
	exchange_judge(x);
	x->phase = PHASE_CONNECT; /* no worker has it: whoever detaches it disposes of it */
	request_judged(x);
}

/* What a client pulls with, it may also be allowed by: private registries are asked with the same. */
static void note_credentials(const struct exchange *x)
{
	const char *header = h1_field_get(&x->head, "X-Registry-Auth");
	struct trust *trust = x->relay->config->host->trust;
	struct image_ref ref;

	if (!trust || !header || strcmp(x->q.route->name, "image_create") != 0)
		return;
	for (size_t i = 0; i < x->q.n_query; i++)
		if (strcmp(x->q.query[i].key, "fromImage") == 0 && !image_ref_parse(x->q.query[i].value, &ref))
			trust_credentials(trust, x->peer.uid, ref.registry, header);
}

/* A whole head. @c has an exchange when this returns, or is being closed. */
static void begin(struct conn *c, const char *head, size_t len, bool preface)
{
	struct relay *r = c->relay;
	struct exchange *x = calloc(1, sizeof *x);
	const char *why = NULL;
	struct err e = { 0 };
	int status;

	if (!x || !(x->head_text = malloc(len + 1)) || !(x->engine = end_new())) {
		if (x)
			free(x->head_text);
		free(x);
		conn_kill(c);
		return;
	}
	memcpy(x->head_text, head, len);
	x->head_text[len] = '\0';
	x->grant = c->grant ? grants_ref(r->config->host->grants, c->grant->token) : NULL;
	x->conn = c;
	x->relay = r;
	x->preface = preface;
	x->peer = c->peer;
	x->policy = r->policy;
	atomic_fetch_add(&x->policy->refs, 1);
	c->x = x;
	c->state = CONN_EXCHANGE;

	status = h1_request_parse(x->head_text, len, &x->head, &e);
	if (status < 0) {
		conn_refuse(c, h1_refusal_status(status), e.msg, malformed, NULL);
		return;
	}
	x->body_left = x->head.length;
	x->body_done = x->head.framing != H1_CHUNKED && x->body_left == 0;
	x->keep = !x->head.close;
	/* What is asked of the guard itself. The engine has no such paths. */
	if (c->grant && !x->grant) {
		conn_refuse(c, 403, "enhanced container isolation: this container's Docker socket is gone",
			    "docker socket", NULL);
		return;
	}
	if (r->config->status && !c->grant && x->body_done && strcmp(x->head.method, "GET") == 0 &&
	    strncmp(x->head.target, RELAY_OWN_PATH, sizeof RELAY_OWN_PATH - 1) == 0) {
		conn_status(c, x->head.target);
		return;
	}
	if (judge_route(x->head.method, x->head.target, &x->q, &x->v) < 0) {
		conn_refuse(c, x->v.status, x->v.message, x->v.rule, x->v.setting);
		return;
	}
	x->q.peer = &x->peer;
	x->q.target = x->head.target;
	x->q.grant = x->grant;
	x->q.settings = &x->policy->settings;
	x->q.host = r->config->host;
	x->q.engine = r->config->engine;
	x->upgrade = allowed_upgrade(x);
	if (x->q.route->hijack)
		x->keep = false; /* bytes behind it may be a stream's: never read as a request */
	note_credentials(x);
	status = check_body(x, &why);
	if (status == 0 && repeated_field(&x->head)) {
		status = 400;
		why = "malformed HTTP: a field is there twice";
	}
	if (status) {
		conn_refuse(c, status, why, malformed, NULL);
		return;
	}
	x->continue_due = x->head.expect_continue && !x->body_done;
	if (x->q.route->body == BODY_STREAM || x->body_done) {
		submit(x);
		return;
	}
	conn_deadline(c, BODY_MS);
	send_continue(c);
}

static size_t take_head(struct conn *c, char *buf, size_t len)
{
	struct err e = { 0 };
	size_t used;
	int r;

	/* Answers are taken before more is asked: what waits for a client stays bounded. */
	if (c->client.out.len)
		return 0;
	if (c->scan.total == 0)
		conn_deadline(c, HEAD_MS);
	if (c->scan.total >= len)
		return 0;
	r = h1_scan(&c->scan, buf + c->scan.total, len - c->scan.total, &used, &e);
	if (r < 0) {
		conn_refuse(c, h1_refusal_status(r), e.msg, malformed, NULL);
		return len;
	}
	if (r == 0)
		return 0; /* the bytes wait in c->in; the scan goes on behind them */
	used = c->scan.total;
	c->scan = (struct h1_scan){ 0 };
	/* What HTTP/2 begins with has the form of a head. It stays where it is: it is for the gate. */
	if (used == sizeof h2_preface - 1 && memcmp(buf, h2_preface, used) == 0) {
		begin(c, grpc_request, sizeof grpc_request - 1, true);
		return 0;
	}
	begin(c, buf, used, false);
	return used;
}

bool request_charge(struct conn *c, size_t len)
{
	if (c->relay->bodies + len > BODIES_MAX || c->user->bodies + len > BODIES_PER_USER)
		return false;
	c->relay->bodies += len;
	c->user->bodies += len;
	c->x->body_charged += len;
	return true;
}

static bool collect(struct conn *c, const char *data, size_t len)
{
	struct exchange *x = c->x;

	if (x->q.route->body == BODY_EMPTY) {
		conn_refuse(c, 400, "this request takes no body", malformed, NULL);
		return false;
	}
	if (x->body.len + len > JUDGE_BODY_MAX) {
		conn_refuse(c, 413, "the body of this request has more than 4 MiB", malformed, NULL);
		return false;
	}
	if (!request_charge(c, len) || bytes_add(&x->body, data, len) < 0) {
		conn_refuse(c, 503, "too many requests with bodies at once; try again", "limits", NULL);
		return false;
	}
	return true;
}

/* A body for the judge, collected as it comes. */
static size_t take_body(struct conn *c, const char *buf, size_t len)
{
	struct exchange *x = c->x;
	struct err e = { 0 };
	size_t done = 0, used, n;
	const char *data;

	if (x->head.framing == H1_LENGTH) {
		done = len < x->body_left ? len : (size_t)x->body_left;
		if (!collect(c, buf, done))
			return len;
		x->body_left -= done;
		x->body_done = x->body_left == 0;
	}
	while (x->head.framing == H1_CHUNKED && done < len && !x->body_done) {
		int r = h1_chunks_next(&x->chunks, buf + done, len - done, &used, &data, &n, &e);

		if (r < 0) {
			conn_refuse(c, 400, e.msg, malformed, NULL);
			return len;
		}
		if (r == H1_CHUNK_DATA && !collect(c, data, n))
			return len;
		x->body_done = r == H1_CHUNK_END;
		done += used;
	}
	if (x->body_done)
		submit(x);
	return done;
}

/* A malformed body of which the engine has a part: it must not see an end. */
static void cut_stream(struct conn *c, const char *message)
{
	if (c->x->answer_begun)
		conn_kill(c);
	else
		conn_refuse(c, 400, message, malformed, NULL);
}

static size_t stream_chunked(struct conn *c, char *buf, size_t len)
{
	static char last[] = "\r\n" H1_CHUNK_LAST;
	struct exchange *x = c->x;
	struct iovec iov[PIECES + 2];
	char head[H1_CHUNK_HEAD];
	size_t n = 1, total = 0, done = 0;

	while (done < len && n <= PIECES && !x->body_done) {
		const char *data;
		struct err e = { 0 };
		size_t used, piece;
		int r = h1_chunks_next(&x->chunks, buf + done, len - done, &used, &data, &piece, &e);

		if (r < 0) {
			cut_stream(c, e.msg);
			return len;
		}
		if (r == H1_CHUNK_DATA) {
			iov[n++] = (struct iovec){ buf + (data - buf), piece };
			total += piece;
		}
		x->body_done = r == H1_CHUNK_END;
		done += used;
	}
	if (total) {
		iov[0] = (struct iovec){ head, h1_chunk_head(head, total) };
		iov[n++] = (struct iovec){ last, x->body_done ? sizeof last - 1 : 2 };
	} else {
		iov[0] = (struct iovec){ last + 2, x->body_done ? sizeof last - 3 : 0 };
	}
	if (iov[0].iov_len && end_send(x->engine, iov, n) < 0) {
		conn_kill(c);
		return len;
	}
	return done;
}

/* A body that is passed on as it comes, framed anew. */
static size_t take_stream(struct conn *c, char *buf, size_t len)
{
	struct exchange *x = c->x;
	size_t done;

	if (x->engine->out.len)
		return 0;
	conn_deadline(c, STREAM_MS);
	if (x->head.framing == H1_CHUNKED) {
		done = stream_chunked(c, buf, len);
	} else {
		done = len < x->body_left ? len : (size_t)x->body_left;
		x->body_left -= done;
		x->body_done = x->body_left == 0;
		if (end_put(x->engine, buf, done) < 0)
			conn_kill(c);
	}
	if (c->dead || c->state != CONN_EXCHANGE)
		return done;
	if (x->body_done)
		conn_deadline(c, 0);
	/* P7: the engine has answered and closed. The client goes on for a while, and comes to read the answer. */
	if (x->engine->write_dead) {
		c->drained += done;
		if (c->drained > DRAIN_BYTES)
			conn_kill(c);
	}
	return done;
}

bool request_wants(const struct conn *c)
{
	const struct exchange *x = c->x;

	if (c->client.eof)
		return false;
	switch (c->state) {
	case CONN_HEAD:
		return c->client.out.len == 0;
	case CONN_DRAIN:
		return true;
	case CONN_EXCHANGE:
		break;
	}
	switch (x->phase) {
	case PHASE_BODY:
		return true;
	case PHASE_JUDGE:
	case PHASE_CONNECT:
		return c->in.len < HOLD_MAX;
	case PHASE_TUNNEL: /* the gate answers by itself: not more than the client takes */
		return x->engine->out.len == 0 && (!x->gate || c->client.out.len == 0);
	case PHASE_WAIT:
	case PHASE_ANSWER:
		return x->body_done ? c->in.len < HOLD_MAX : x->engine->out.len == 0;
	}
	return false;
}

size_t request_take(struct conn *c, char *buf, size_t len)
{
	struct exchange *x = c->x;

	if (c->state == CONN_HEAD)
		return take_head(c, buf, len);
	if (c->state == CONN_DRAIN) {
		c->drained += len;
		if (c->drained > DRAIN_BYTES)
			conn_kill(c);
		return len;
	}
	switch (x->phase) {
	case PHASE_BODY:
		return take_body(c, buf, len);
	case PHASE_JUDGE:
	case PHASE_CONNECT:
		return 0;
	case PHASE_TUNNEL:
		if (x->engine->out.len)
			return 0;
		if (x->gate)
			gate_take(c, GRPC_CLIENT, buf, len);
		else if (end_put(x->engine, buf, len) < 0)
			conn_kill(c);
		return len;
	case PHASE_WAIT:
	case PHASE_ANSWER:
		return x->body_done ? 0 : take_stream(c, buf, len);
	}
	return 0;
}

static void send_request(struct exchange *x)
{
	struct iovec iov[2] = { { x->request.text, x->request.len }, { x->json, x->json_len } };

	if (end_send(x->engine, iov, x->json ? 2 : 1) < 0) {
		conn_kill(x->conn);
		return;
	}
	if (!x->rested || x->again) { /* else it may have to be sent once more */
		free(TAKE_PTR(x->request.text));
		free(TAKE_PTR(x->json));
	}
	x->phase = PHASE_WAIT;
	conn_deadline(x->conn, x->body_done ? 0 : STREAM_MS);
	send_continue(x->conn);
}

void request_connect(struct exchange *x)
{
	struct conn *c = x->conn;
	char message[256];
	int fd;

	if (engine_wake(x)) {
		send_request(x);
		return;
	}
	fd = engine_connect(c->relay->config->engine);
	if (fd == -EMFILE || fd == -ENFILE) {
		engine_close(c->relay, 0);
		fd = engine_connect(c->relay->config->engine);
	}
	if (fd == -EAGAIN) { /* P12: its backlog is full; unix sockets never say EINPROGRESS */
		if (!c->deadline)
			conn_deadline(c, CONNECT_MS);
		c->relay->n_connecting++;
		return;
	}
	if (fd < 0 || end_open(c->relay, x->engine, WATCH_ENGINE, fd, c) < 0) {
		(void)snprintf(message, sizeof message,
			       "the Docker Engine behind the guard cannot be reached (%s); is it running?",
			       strerrordesc_np(fd < 0 ? -fd : errno));
		conn_fail(c, 503, message);
		return;
	}
	send_request(x);
}

void request_judged(struct exchange *x)
{
	if (x->v.what == JUDGE_REFUSE) {
		conn_refuse(x->conn, x->v.status, x->v.message, x->v.rule, x->v.setting);
		return;
	}
	if (x->v.what == JUDGE_ANSWER) {
		conn_answer(x->conn, TAKE_PTR(x->v.answer));
		return;
	}
	if (x->v.changes[0])
		conn_changed(x->conn);
	request_connect(x);
}
