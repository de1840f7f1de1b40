/* SPDX-License-Identifier: Apache-2.0 */
/* The gate between a client and an engine, both made here of nghttp2, without sockets. */
#include "guard/grpc.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define PATH "/test/Method"

struct box {
	struct grpc_gate *gate;
	int over; /* what grpc_gate_take() returned last */
	struct {
		char *data;
		size_t len;
	} way[2]; /* bytes on their way to the client, to the engine */
	size_t charged, charge_max;
	unsigned judged, audited;

	nghttp2_session *client;
	const char *type; /* of the call; NULL: gRPC's */
	const char *body;
	size_t body_len, body_sent;
	bool endless;
	char status[16], text[8192];
	size_t received;
	bool closed;
	uint32_t error;

	nghttp2_session *engine;
	unsigned calls, resets;
	char fields[2048], *got;
	size_t got_len, answer_left;
	int32_t stream;
};

/* ---- the gate's side ---- */

static void do_judge(void *ctx, const char *path, const void *message, size_t len, struct judge_verdict *v)
{
	struct box *b = ctx;

	assert_string_equal(path, PATH);
	b->judged++;
	*v = (struct judge_verdict){ .what = JUDGE_PASS };
	if (len == 3 && memcmp(message, "bad", 3) == 0) {
		v->what = JUDGE_REFUSE;
		v->status = 403;
		(void)snprintf(v->message, sizeof v->message,
			       "100%% b\xc3\xa4"
			       "d");
	}
}

static const char *do_method(void *ctx, const char *path, struct judge_verdict *v)
{
	(void)ctx;
	*v = (struct judge_verdict){ .status = 501 };
	return strcmp(path, PATH) == 0 ? PATH : NULL;
}

static void do_refused(void *ctx, const struct judge_verdict *v)
{
	struct box *b = ctx;

	assert_int_equal(v->what, JUDGE_REFUSE);
	b->audited++;
}

static int do_send(void *ctx, enum grpc_side to, const void *data, size_t len)
{
	struct box *b = ctx;
	char *grown = realloc(b->way[to].data, b->way[to].len + len);

	assert_non_null(grown);
	memcpy(grown + b->way[to].len, data, len);
	b->way[to].data = grown;
	b->way[to].len += len;
	return 0;
}

static bool do_charge(void *ctx, size_t len)
{
	struct box *b = ctx;

	if (b->charge_max && b->charged + len > b->charge_max)
		return false;
	b->charged += len;
	return true;
}

static void do_release(void *ctx, size_t len)
{
	struct box *b = ctx;

	assert_true(len <= b->charged);
	b->charged -= len;
}

static const struct grpc_ops ops = { do_judge, do_method, do_refused, do_send, do_charge, do_release };

/* ---- client and engine ---- */

static nghttp2_nv nv(const char *name, const char *value)
{
	nghttp2_nv f = { .namelen = strlen(name), .valuelen = strlen(value) };

	memcpy(&f.name, &name, sizeof name);
	memcpy(&f.value, &value, sizeof value);
	return f;
}

static ssize_t client_read(nghttp2_session *s, int32_t id, uint8_t *buf, size_t size, uint32_t *flags,
			   nghttp2_data_source *source, void *user)
{
	struct box *b = user;
	size_t n = b->body_len - b->body_sent < size ? b->body_len - b->body_sent : size;

	(void)s;
	(void)id;
	(void)source;
	if (n)
		memcpy(buf, b->body + b->body_sent, n);
	b->body_sent += n;
	if (b->body_sent < b->body_len)
		return (ssize_t)n;
	if (b->endless)
		return n ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static int client_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name, size_t nl,
			 const uint8_t *value, size_t vl, uint8_t flags, void *user)
{
	struct box *b = user;

	(void)s;
	(void)f;
	(void)flags;
	if (nl == 11 && memcmp(name, "grpc-status", nl) == 0)
		(void)snprintf(b->status, sizeof b->status, "%.*s", (int)vl, (const char *)value);
	if (nl == 12 && memcmp(name, "grpc-message", nl) == 0)
		(void)snprintf(b->text, sizeof b->text, "%.*s", (int)vl, (const char *)value);
	return 0;
}

static int client_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user)
{
	struct box *b = user;

	(void)s;
	(void)flags;
	(void)id;
	for (size_t i = 0; i < len; i++)
		assert_int_equal(data[i], 'a');
	b->received += len;
	return 0;
}

static int client_close(nghttp2_session *s, int32_t id, uint32_t error, void *user)
{
	struct box *b = user;

	(void)s;
	(void)id;
	b->closed = true;
	b->error = error;
	return 0;
}

static int engine_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name, size_t nl,
			 const uint8_t *value, size_t vl, uint8_t flags, void *user)
{
	struct box *b = user;
	size_t n = strlen(b->fields);

	(void)s;
	(void)f;
	(void)flags;
	(void)snprintf(b->fields + n, sizeof b->fields - n, "%.*s=%.*s ", (int)nl, (const char *)name, (int)vl,
		       (const char *)value);
	return 0;
}

static int engine_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user)
{
	struct box *b = user;

	(void)s;
	(void)flags;
	(void)id;
	b->got = realloc(b->got, b->got_len + len);
	assert_non_null(b->got);
	memcpy(b->got + b->got_len, data, len);
	b->got_len += len;
	return 0;
}

static int engine_frame(nghttp2_session *s, const nghttp2_frame *f, void *user)
{
	struct box *b = user;

	(void)s;
	b->calls += f->hd.type == NGHTTP2_HEADERS;
	b->resets += f->hd.type == NGHTTP2_RST_STREAM;
	if (f->hd.type == NGHTTP2_HEADERS)
		b->stream = f->hd.stream_id;
	return 0;
}

static void run(struct box *b);

/* @lazy: the client's windows only open by hand */
static void setup_client(struct box *b, bool lazy)
{
	nghttp2_session_callbacks *cb;
	nghttp2_option *option;

	*b = (struct box){ 0 };
	assert_int_equal(nghttp2_session_callbacks_new(&cb), 0);
	nghttp2_session_callbacks_set_on_header_callback(cb, client_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, client_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, client_close);
	assert_int_equal(nghttp2_option_new(&option), 0);
	nghttp2_option_set_no_auto_window_update(option, lazy);
	assert_int_equal(nghttp2_session_client_new2(&b->client, cb, b, option), 0);
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(cb);
	assert_int_equal(nghttp2_session_callbacks_new(&cb), 0);
	nghttp2_session_callbacks_set_on_header_callback(cb, engine_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, engine_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, engine_frame);
	assert_int_equal(nghttp2_session_server_new(&b->engine, cb, b), 0);
	nghttp2_session_callbacks_del(cb);
	assert_int_equal(nghttp2_submit_settings(b->client, 0, NULL, 0), 0);
	assert_int_equal(nghttp2_submit_settings(b->engine, 0, NULL, 0), 0);
	assert_int_equal(grpc_gate_new(&ops, b, &b->gate), 0);
	b->over = 1;
	run(b);
}

static void setup(struct box *b)
{
	setup_client(b, false);
}

static void done(struct box *b)
{
	grpc_gate_free(b->gate);
	assert_int_equal(b->charged, 0);
	nghttp2_session_del(b->client);
	nghttp2_session_del(b->engine);
	free(b->way[0].data);
	free(b->way[1].data);
	free(b->got);
}

/* One peer's turn: take what is on its way to it, say what it has to say. Return: whether anything moved. */
static bool turn(struct box *b, enum grpc_side side)
{
	nghttp2_session *s = side == GRPC_CLIENT ? b->client : b->engine;
	char *data = b->way[side].data;
	size_t len = b->way[side].len;
	const uint8_t *out;
	ssize_t n;
	bool moved = len > 0;

	b->way[side].data = NULL;
	b->way[side].len = 0;
	if (len)
		assert_int_equal(nghttp2_session_mem_recv(s, (const uint8_t *)data, len), len);
	free(data);
	while ((n = nghttp2_session_mem_send(s, &out)) > 0 && b->over == 1) {
		/* in pieces: a frame may come in any */
		for (ssize_t at = 0; at < n && b->over == 1; at += 1000)
			b->over = grpc_gate_take(b->gate, side, out + at, n - at < 1000 ? (size_t)(n - at) : 1000);
		moved = true;
	}
	return moved;
}

static void run(struct box *b)
{
	bool moved = true;

	while (moved) {
		moved = turn(b, GRPC_CLIENT);
		moved = turn(b, GRPC_ENGINE) || moved;
	}
}

static int32_t call_with(struct box *b, const char *path, const char *body, size_t len, const nghttp2_nv *more,
			 size_t n_more)
{
	nghttp2_nv fields[80] = { nv(":method", "POST"), nv(":scheme", "http"), nv(":path", path),
				  nv(":authority", "x"),
				  nv("content-type", b->type ? b->type : "application/grpc") };
	const nghttp2_data_provider data = { .read_callback = client_read };
	int32_t id;

	assert_true(n_more <= 70);
	for (size_t i = 0; i < n_more; i++)
		fields[5 + i] = more[i];
	b->body = body;
	b->body_len = len;
	b->body_sent = b->received = 0;
	b->closed = false;
	b->status[0] = b->text[0] = '\0';
	id = nghttp2_submit_request(b->client, NULL, fields, 5 + n_more, &data, NULL);
	assert_true(id > 0);
	run(b);
	return id;
}

static int32_t call(struct box *b, const char *body, size_t len)
{
	return call_with(b, PATH, body, len, NULL, 0);
}

static ssize_t engine_read(nghttp2_session *s, int32_t id, uint8_t *buf, size_t size, uint32_t *flags,
			   nghttp2_data_source *source, void *user)
{
	const nghttp2_nv trailers[] = { nv("grpc-status", "0"), nv("grpc-message", "fine") };
	struct box *b = user;
	size_t n = b->answer_left < size ? b->answer_left : size;

	(void)source;
	memset(buf, 'a', n);
	b->answer_left -= n;
	if (b->answer_left == 0) {
		*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
		assert_int_equal(nghttp2_submit_trailer(s, id, trailers, 2), 0);
	}
	return (ssize_t)n;
}

static void answer(struct box *b, size_t len)
{
	const nghttp2_nv head[] = { nv(":status", "200"), nv("content-type", "application/grpc") };
	const nghttp2_data_provider data = { .read_callback = engine_read };

	b->answer_left = len;
	assert_int_equal(nghttp2_submit_response(b->engine, b->stream, head, 2, &data), 0);
	run(b);
}

#define CALL(b, s) call(b, s, sizeof(s) - 1)

static void expect_refused(const struct box *b, const char *status, const char *words)
{
	assert_string_equal(b->status, status);
	if (!strstr(b->text, words))
		fail_msg("the message is: %s", b->text);
	assert_true(b->closed);
	assert_int_equal(b->calls, 0);
	assert_int_equal(b->charged, 0);
}

/* ---- tests ---- */

static void a_call_passes(void **state)
{
	const nghttp2_nv more[] = { nv("te", "trailers"), nv("buildkit-controlapi-buildid", "id"),
				    nv("cookie", "c"), nv("x-forwarded-for", "y") };
	struct box b;

	(void)state;
	setup(&b);
	call_with(&b, PATH, "\0\0\0\0\5hello", 10, more, ARRAY_SIZE(more));
	assert_int_equal(b.calls, 1);
	assert_int_equal(b.got_len, 10);
	assert_memory_equal(b.got, "\0\0\0\0\5hello", 10);
	assert_string_equal(b.fields, ":method=POST :scheme=http :path=" PATH
				      " :authority=localhost content-type=application/grpc te=trailers "
				      "buildkit-controlapi-buildid=id ");
	assert_int_equal(b.charged, 0);
	assert_false(b.closed);
	answer(&b, 7);
	assert_int_equal(b.received, 7);
	assert_string_equal(b.status, "0");
	assert_string_equal(b.text, "fine");
	assert_true(b.closed);
	CALL(&b, "\0\0\0\0\0");
	assert_int_equal(b.calls, 2);
	answer(&b, 0);
	assert_string_equal(b.status, "0");
	assert_int_equal(b.judged, 2);
	assert_int_equal(b.audited, 0);
	done(&b);
}

static void what_is_refused_never_reaches_the_engine(void **state)
{
	const nghttp2_nv gzip = nv("grpc-encoding", "gzip"), large = nv("x", "0123456789");
	nghttp2_nv many[60];
	struct box b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = large;
	setup(&b);
	CALL(&b, "\0\0\0\0\3bad");
	expect_refused(&b, "7", "100%25 b%C3%A4d");
	assert_int_equal(b.audited, 1);
	call_with(&b, "/test/Other", "\0\0\0\0\0", 5, NULL, 0);
	expect_refused(&b, "12", "");
	assert_int_equal(b.audited, 2);
	CALL(&b, "\1\0\0\0\2ok");
	expect_refused(&b, "12", "without compression");
	CALL(&b, "\0\0\0\0\2ok\0\0\0\0\2ok");
	expect_refused(&b, "3", "not one message");
	CALL(&b, "\0\0\0\0\3ok");
	expect_refused(&b, "3", "not one message");
	CALL(&b, "\0\0\0");
	expect_refused(&b, "3", "no message");
	CALL(&b, "");
	expect_refused(&b, "3", "no message");
	call_with(&b, PATH, "\0\0\0\0\0", 5, &gzip, 1);
	expect_refused(&b, "12", "without compression");
	b.type = "application/json";
	CALL(&b, "\0\0\0\0\0");
	expect_refused(&b, "12", "only gRPC");
	b.type = NULL;
	call_with(&b, PATH, "\0\0\0\0\0", 5, many, ARRAY_SIZE(many));
	expect_refused(&b, "8", "header fields");
	assert_int_equal(b.judged, 1);
	assert_int_equal(b.got_len, 0);
	assert_int_equal(b.over, 1);
	done(&b);
}

static void a_client_is_refused_before_its_end(void **state)
{
	struct box b;

	(void)state;
	setup(&b);
	b.endless = true;
	call_with(&b, "/test/Other", "", 0, NULL, 0);
	expect_refused(&b, "12", "");
	assert_int_equal(b.error, NGHTTP2_NO_ERROR);
	done(&b);
}

static void messages_have_a_limit(void **state)
{
	_cleanup_free_ char *large = calloc(1, GRPC_MESSAGE_MAX + 6);
	struct box b;

	(void)state;
	assert_non_null(large);
	setup(&b);
	large[1] = 0x00;
	large[2] = 0x40; /* 4 MiB */
	call(&b, large, GRPC_MESSAGE_MAX + 5);
	assert_int_equal(b.calls, 1);
	assert_int_equal(b.got_len, GRPC_MESSAGE_MAX + 5);
	answer(&b, 1);
	assert_string_equal(b.status, "0");
	b.calls = 0;
	call(&b, large, GRPC_MESSAGE_MAX + 6);
	expect_refused(&b, "8", "more than 4 MiB");
	b.charge_max = 100000;
	call(&b, large, 200000);
	expect_refused(&b, "8", "try again");
	done(&b);
}

static void a_long_answer_flows(void **state)
{
	struct box b;

	(void)state;
	setup(&b);
	CALL(&b, "\0\0\0\0\0");
	answer(&b, 5000000);
	assert_int_equal(b.received, 5000000);
	assert_string_equal(b.status, "0");
	done(&b);
}

static void a_client_that_does_not_take_stops_the_engine(void **state)
{
	size_t consumed = 0;
	struct box b;
	int32_t id;

	(void)state;
	setup_client(&b, true);
	id = CALL(&b, "\0\0\0\0\0");
	answer(&b, 1000000);
	/* the client's window, and the gate's */
	assert_int_equal(b.received, 65535);
	assert_in_range(1000000 - b.answer_left, 65535, 2 * 65535);
	while (!b.closed) {
		assert_true(b.received > consumed);
		assert_int_equal(nghttp2_session_consume(b.client, id, b.received - consumed), 0);
		consumed = b.received;
		run(&b);
	}
	assert_int_equal(b.received, 1000000);
	assert_string_equal(b.status, "0");
	done(&b);
}

static void who_leaves_is_noticed_by_the_other(void **state)
{
	struct box b;
	int32_t id;

	(void)state;
	setup(&b);
	id = CALL(&b, "\0\0\0\0\0");
	assert_int_equal(nghttp2_submit_rst_stream(b.client, 0, id, NGHTTP2_CANCEL), 0);
	run(&b);
	assert_int_equal(b.resets, 1);
	CALL(&b, "\0\0\0\0\0");
	assert_int_equal(nghttp2_submit_rst_stream(b.engine, 0, b.stream, NGHTTP2_INTERNAL_ERROR), 0);
	run(&b);
	assert_string_equal(b.status, "14");
	CALL(&b, "\0\0\0\0\0");
	assert_int_equal(nghttp2_submit_goaway(b.engine, 0, b.stream, 0, NULL, 0), 0);
	run(&b);
	b.calls = 0;
	CALL(&b, "\0\0\0\0\0");
	expect_refused(&b, "14", "going away");
	assert_int_equal(b.over, 1);
	answer(&b, 1);
	assert_string_equal(b.status, "0");
	assert_int_equal(b.over, 0);
	done(&b);
}

static void what_is_not_http2_ends_the_connection(void **state)
{
	struct box b;

	(void)state;
	setup(&b);
	assert_true(grpc_gate_take(b.gate, GRPC_CLIENT, "GET / HTTP/1.1\r\n\r\n", 18) <= 0);
	done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_passes),
		cmocka_unit_test(what_is_refused_never_reaches_the_engine),
		cmocka_unit_test(a_client_is_refused_before_its_end),
		cmocka_unit_test(messages_have_a_limit),
		cmocka_unit_test(a_long_answer_flows),
		cmocka_unit_test(a_client_that_does_not_take_stops_the_engine),
		cmocka_unit_test(who_leaves_is_noticed_by_the_other),
		cmocka_unit_test(what_is_not_http2_ends_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
