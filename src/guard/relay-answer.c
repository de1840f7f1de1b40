/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's side: heads are written anew, bodies checked for their end and passed on as they are, streams
 * just passed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "guard/relay-internal.h"
#include "socket/grants.h"

static const char bad_answer[] = "the Docker Engine behind the guard gave an answer that is not HTTP/1.1";

static bool is_hop_by_hop(const char *name)
{
	static const char *const names[] = {
		"Connection", "Content-Length", "Keep-Alive",	     "Proxy-Connection",
		"TE",	      "Trailer",	"Transfer-Encoding", "Upgrade"
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

static void put_framing(struct exchange *x, const struct h1_head *h, struct h1_text *t)
{
	const char *length = h1_field_get(h, "Content-Length");

	/* An answer to HEAD says how long a body would be. */
	if (h->framing != H1_CHUNKED && length)
		h1_put_field(t, "Content-Length", length);
	else if (h->framing == H1_CHUNKED)
		h1_put_field(t, "Transfer-Encoding", "chunked");
	/* A client that asked for an upgrade would take the text behind "close" for the stream it asked for. */
	if (!x->keep && !x->upgrade)
		h1_put_field(t, "Connection", "close");
}

static int write_head(struct exchange *x, const struct h1_head *h)
{
	struct h1_text *t = &x->answer_head;

	h1_put_status(t, h->status, h->reason);
	for (size_t i = 0; i < h->n_fields; i++)
		if (!is_hop_by_hop(h->fields[i].name))
			h1_put_field(t, h->fields[i].name, h->fields[i].value);
	if (h->status == 101) {
		h1_put_field(t, "Connection", "Upgrade");
		h1_put_field(t, "Upgrade", x->upgrade);
	} else if (x->phase != PHASE_TUNNEL) {
		put_framing(x, h, t);
	}
	return h1_put_end(t);
}

/* P2: without Upgrade the engine turns the connection into a stream behind a 200 that has no end. */
static bool is_silent_hijack(const struct exchange *x, const struct h1_head *h)
{
	const char *type = h1_field_get(h, "Content-Type");

	return x->q.route->hijack && h->status == 200 && h->framing == H1_CLOSE && type &&
	       (strcasecmp(type, "application/vnd.docker.raw-stream") == 0 ||
		strcasecmp(type, "application/vnd.docker.multiplexed-stream") == 0);
}

/* Send what was read of the answer, its head first. */
static void pass(struct conn *c, char *buf, size_t len)
{
	struct exchange *x = c->x;
	struct iovec iov[2] = { { x->answer_head.text, x->answer_head.len }, { buf, len } };
	int r = 0;

	x->answer_begun = true;
	if (x->answer_head.text) {
		r = end_send(&c->client, iov, len ? 2 : 1);
		free(x->answer_head.text);
		x->answer_head = (struct h1_text){ 0 };
	} else if (len) {
		r = end_send(&c->client, iov + 1, 1);
	}
	if (r < 0)
		conn_kill(c);
}

/* The head goes out before what the gate has to say. */
static void pass_gate(struct conn *c, const char *buf, size_t len)
{
	struct exchange *x = c->x;

	if (x->answer_head.text)
		pass(c, NULL, 0);
	if (!c->dead && !x->gate && gate_open(x) < 0)
		conn_kill(c);
	if (!c->dead)
		gate_take(c, GRPC_ENGINE, buf, len);
}

/* The answer is complete. */
static void finish(struct conn *c)
{
	const struct relay_config *config = c->relay->config;

	if (*c->x->q.build_number && config->on_built)
		config->on_built(config->ctx, c->x->q.build_number, c->peer.uid);
	engine_rest(c->x);
	if (c->x->keep && c->x->body_done && !c->client.eof)
		conn_rest(c);
	else
		conn_drain(c);
}

static void take_answer(struct conn *c, char *buf, size_t len)
{
	struct exchange *x = c->x;
	size_t done = 0;
	bool end = false;

	switch (x->answer_framing) {
	case H1_NONE:
		end = true;
		break;
	case H1_LENGTH:
		done = len < x->answer_left ? len : (size_t)x->answer_left;
		x->answer_left -= done;
		end = x->answer_left == 0;
		break;
	case H1_CHUNKED:
		while (done < len && !end) {
			const char *data;
			size_t used, n;
			int r = h1_chunks_next(&x->answer_chunks, buf + done, len - done, &used, &data, &n, NULL);

			if (r < 0) { /* visibly cut off: no last chunk */
				conn_kill(c);
				return;
			}
			end = r == H1_CHUNK_END;
			done += used;
		}
		break;
	case H1_CLOSE:
		done = len;
		break;
	}
	if (done < len)
		x->lasting = false; /* something behind its end */
	pass(c, buf, done);
	if (end && !c->dead)
		finish(c);
}

/* A complete head that is not an interim one. Return: false when the exchange is over. */
static bool begin(struct conn *c, const struct h1_head *h)
{
	struct exchange *x = c->x;

	if (h->status == 101) {
		if (!x->upgrade || !h->upgrade || strcasecmp(h->upgrade, x->upgrade) != 0) {
			conn_fail(
				c, 502,
				"the Docker Engine behind the guard switched to a protocol that was not asked for");
			return false;
		}
		x->phase = PHASE_TUNNEL;
		if (x->preface) {
			x->answer_begun = true;
			return true;
		}
	} else if (x->preface) {
		conn_fail(c, 502, "the Docker Engine behind the guard does not switch to HTTP/2");
		return false;
	} else if (is_silent_hijack(x, h)) {
		x->phase = PHASE_TUNNEL;
	} else {
		x->phase = PHASE_ANSWER;
		x->answer_framing = h->framing;
		x->answer_left = h->length;
		if (h->framing == H1_CLOSE || !x->body_done)
			x->keep = false;
		if (h->framing == H1_CLOSE || h->close)
			x->lasting = false;
	}
	/* The engine made no container: nobody will have the socket. */
	if (h->status != 201 && *x->q.socket_token)
		grants_drop(c->relay->config->host->grants, x->q.socket_token);
	if (write_head(x, h) < 0) {
		conn_fail(c, 502, bad_answer);
		return false;
	}
	return true;
}

/* Return: bytes that belong to the head; 0: the exchange is over. */
static size_t take_head(struct conn *c, const char *buf, size_t len)
{
	_cleanup_free_ char *text = NULL;
	struct exchange *x = c->x;
	struct h1_head h;
	size_t used;
	int r;

	r = h1_scan(&x->answer_scan, buf, len, &used, NULL);
	if (r < 0 || bytes_add(&x->answer_bytes, buf, used) < 0 ||
	    (r == 1 && bytes_add(&x->answer_bytes, "", 1) < 0)) {
		conn_fail(c, 502, bad_answer);
		return 0;
	}
	if (r == 0)
		return used;
	text = x->answer_bytes.data;
	r = h1_response_parse(text, x->answer_bytes.len - 1, x->q.method, &h, NULL);
	x->answer_bytes = (struct bytes){ 0 };
	x->answer_scan = (struct h1_scan){ 0 };
	if (r < 0) {
		conn_fail(c, 502, bad_answer);
		return 0;
	}
	/* Expect is not passed on, so an interim answer has nothing to say to the client. */
	if (h.status < 200 && h.status != 101)
		return used;
	return begin(c, &h) ? used : 0;
}

void answer_take(struct conn *c, char *buf, size_t len)
{
	struct exchange *x = c->x;

	while (x->phase == PHASE_WAIT) {
		size_t used = take_head(c, buf, len);

		if (used == 0)
			return;
		buf += used;
		len -= used;
		if (x->phase == PHASE_WAIT && len == 0)
			return;
	}
	if (x->phase == PHASE_TUNNEL && gate_is_due(x))
		pass_gate(c, buf, len);
	else if (x->phase == PHASE_TUNNEL)
		pass(c, buf, len);
	else
		take_answer(c, buf, len);
}

bool answer_wants(const struct conn *c)
{
	const struct exchange *x = c->x;

	return c->state == CONN_EXCHANGE && x->phase >= PHASE_WAIT && !x->engine->eof && c->client.out.len == 0;
}

/* The engine sends nothing more. */
void answer_end(struct conn *c)
{
	struct exchange *x = c->x;

	if (x->phase == PHASE_TUNNEL)
		return; /* conn_run() mirrors it */
	if (engine_again(x)) {
		request_connect(x);
		return;
	}
	if (x->phase == PHASE_ANSWER && x->answer_framing == H1_CLOSE) {
		x->keep = false;
		finish(c);
		return;
	}
	conn_fail(c, 502, "the Docker Engine behind the guard closed the connection without an answer");
}
