/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to the engine between two requests. What makes reuse dangerous is a disagreement about where a request
 * or an answer ends. So only requests that have no body and change nothing come here, written by us; and after an answer
 * whose end the parser found exactly where the bytes ended. A connection that says anything while it rests is closed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "guard/relay-internal.h"

bool engine_may_last(const struct exchange *x)
{
	const struct judge_request *q = &x->q;

	return (strcmp(q->method, "GET") == 0 || strcmp(q->method, "HEAD") == 0) && x->body_done && !x->json &&
	       !x->upgrade && !q->route->hijack && q->route->body != BODY_STREAM;
}

/* Freed at the end of this turn of the loop, which may have an event for it still. */
static void drop(struct relay *r, struct end *end)
{
	end_close(r, end);
	end->next = r->dead_ends;
	r->dead_ends = end;
}

void engine_rest(struct exchange *x)
{
	struct relay *r = x->relay;
	struct end *end = x->engine;

	if (!x->lasting || r->stopping || r->n_at_rest >= ENGINE_AT_REST || end->eof || end->hup ||
	    end->write_dead || end->shut_asked || end->out.len || end_watch(r, end, true) < 0)
		return;
	x->engine = NULL;
	end->watch.kind = WATCH_REST;
	end->conn = NULL;
	end->next = r->at_rest;
	r->at_rest = end;
	r->n_at_rest++;
}

/* What came since epoll was asked, or the end of it. */
static bool has_spoken(const struct end *end)
{
	char byte;

	return recv(end->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

bool engine_wake(struct exchange *x)
{
	struct relay *r = x->relay;
	struct end *end;

	if (!x->lasting || x->again)
		return false;
	while ((end = r->at_rest) && has_spoken(end))
		engine_gone(r, end);
	if (!end)
		return false;
	r->at_rest = end->next;
	r->n_at_rest--;
	free(x->engine); /* never connected */
	end->watch.kind = WATCH_ENGINE;
	end->conn = x->conn;
	end->next = NULL;
	x->engine = end;
	x->rested = true;
	return true;
}

bool engine_again(struct exchange *x)
{
	struct end *fresh;

	if (!x->rested || x->again || x->phase != PHASE_WAIT || x->answer_scan.total || !(fresh = end_new()))
		return false;
	drop(x->relay, x->engine);
	x->engine = fresh;
	x->again = true;
	x->phase = PHASE_CONNECT;
	return true;
}

void engine_gone(struct relay *r, struct end *end)
{
	for (struct end **at = &r->at_rest; *at; at = &(*at)->next)
		if (*at == end) {
			*at = end->next;
			r->n_at_rest--;
			drop(r, end);
			return;
		}
}

void engine_close(struct relay *r, unsigned keep)
{
	struct end **at = &r->at_rest, *end;

	for (unsigned i = 0; i < keep && *at; i++)
		at = &(*at)->next;
	while ((end = *at)) {
		*at = end->next;
		r->n_at_rest--;
		drop(r, end);
	}
}
