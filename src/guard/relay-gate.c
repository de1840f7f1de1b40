/* SPDX-License-Identifier: Apache-2.0 */
/* A connection that was switched to gRPC: its bytes go through the gate. */
#include <errno.h>

#include "base/cleanup.h"
#include "guard/relay-internal.h"
#include "guard/rules.h"
#include "guard/solve.h"

static void gate_judge(void *ctx, const char *path, const void *message, size_t len, struct judge_verdict *v)
{
	struct exchange *x = ctx;
	struct judge_request q = x->q;
	const struct solve_method *m = solve_method(path, v);

	/* The connection may last for days: what holds is what the settings say now. */
	q.settings = &x->relay->policy->settings;
	if (m && q.settings->enabled && q.grant && socket_judge(&q, v) < 0)
		return;
	if (m && q.settings->enabled)
		solve_judge(m, message, len, &q, v);
	else if (m)
		*v = (struct judge_verdict){ .what = JUDGE_PASS };
}

static const char *gate_method(void *ctx, const char *path, struct judge_verdict *v)
{
	const struct solve_method *m = solve_method(path, v);

	(void)ctx;
	return m ? solve_method_path(m) : NULL;
}

static void gate_refused(void *ctx, const struct judge_verdict *v)
{
	struct exchange *x = ctx;

	conn_write_down(x->conn, "refused", v->message, v->rule, v->setting);
}

static int gate_send(void *ctx, enum grpc_side to, const void *data, size_t len)
{
	struct exchange *x = ctx;

	return end_put(to == GRPC_CLIENT ? &x->conn->client : x->engine, data, len);
}

static bool gate_charge(void *ctx, size_t len)
{
	struct exchange *x = ctx;

	return request_charge(x->conn, len);
}

static void gate_release(void *ctx, size_t len)
{
	struct exchange *x = ctx;

	if (!x->conn)
		return; /* the whole charge went with the connection */
	x->body_charged -= len;
	x->relay->bodies -= len;
	x->conn->user->bodies -= len;
}

static const struct grpc_ops ops = {
	.judge = gate_judge,
	.method = gate_method,
	.refused = gate_refused,
	.send = gate_send,
	.charge = gate_charge,
	.release = gate_release,
};

bool gate_is_due(const struct exchange *x)
{
	bool enabled = x->policy->settings.enabled || x->relay->policy->settings.enabled;

	return x->gate || (enabled && strcmp(x->q.route->name, "grpc") == 0);
}

int gate_open(struct exchange *x)
{
	return grpc_gate_new(&ops, x, &x->gate);
}

/*
 * A message has to arrive in the time that other bodies have: whoever holds one back holds memory. Several that
 * overlap count as one: there is a moment between the calls of any client that does not do so on purpose.
 */
static void set_deadline(struct conn *c)
{
	struct exchange *x = c->x;

	if (x->body_charged && !c->deadline) {
		conn_deadline(c, BODY_MS);
		x->gate_timed = true;
	} else if (!x->body_charged && x->gate_timed) {
		conn_deadline(c, 0);
		x->gate_timed = false;
	}
}

void gate_take(struct conn *c, enum grpc_side from, const char *buf, size_t len)
{
	int r = len ? grpc_gate_take(c->x->gate, from, buf, len) : 1;

	if (r < 0)
		conn_kill(c);
	else if (r == 0)
		conn_drain(c);
	else
		set_deadline(c);
}

void gate_close_open_ones(struct relay *r)
{
	struct conn *next;

	for (struct conn *c = r->policy->settings.enabled ? r->conns : NULL; c; c = next) {
		next = c->next;
		if (c->state == CONN_EXCHANGE && c->x->phase == PHASE_TUNNEL && !c->x->gate &&
		    strcmp(c->x->q.route->name, "grpc") == 0)
			conn_kill(c);
	}
}
