/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/grpc.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"

#define STREAMS_MAX	 100
#define FIELDS_MAX	 48
#define FIELDS_BYTES_MAX 16384
#define PREFIX		 5 /* of a message: compression, length */

/* gRPC's status codes */
enum {
	INVALID_ARGUMENT = 3,
	PERMISSION_DENIED = 7,
	RESOURCE_EXHAUSTED = 8,
	UNIMPLEMENTED = 12,
	UNAVAILABLE = 14,
};

struct text {
	uint8_t *data;
	size_t at, len, size;
};

/* Header fields as they came. */
struct fields {
	struct {
		char *name, *value; /* one allocation, at @name */
	} list[FIELDS_MAX];
	size_t n, bytes;
	bool too_many;
};

struct stream {
	struct grpc_gate *gate;
	struct stream *prev, *next;
	int32_t client, engine; /* ids; 0: none or over */
	const char *path;	/* of the method */
	struct fields fields;	/* of the request; then, of the answer, the head and the trailers */
	struct text request, answer;
	size_t charged;
	bool refused;	  /* the client has its answer */
	bool head_done;	  /* the answer's went to the client */
	bool answer_done; /* all of the answer is here */
	bool client_done; /* the client has sent all */
};

struct grpc_gate {
	const struct grpc_ops *ops;
	void *ctx;
	nghttp2_session *side[2];
	struct stream *streams;
	bool engine_leaves; /* GOAWAY */
	bool failed;	    /* no memory somewhere in a callback */
};

/* ---- bytes and fields ---- */

static int text_add(struct text *t, const void *data, size_t len)
{
	if (t->at == t->len)
		t->at = t->len = 0;
	if (t->size - t->len < len) {
		size_t size = t->len + len;
		uint8_t *grown;

		if (size < t->size * 2)
			size = t->size * 2;
		grown = realloc(t->data, size);
		if (!grown)
			return -ENOMEM;
		t->data = grown;
		t->size = size;
	}
	memcpy(t->data + t->len, data, len);
	t->len += len;
	return 0;
}

static size_t text_take(struct text *t, uint8_t *buf, size_t size)
{
	size_t n = t->len - t->at < size ? t->len - t->at : size;

	if (n)
		memcpy(buf, t->data + t->at, n);
	t->at += n;
	return n;
}

static void text_free(struct text *t)
{
	free(t->data);
	*t = (struct text){ 0 };
}

static void fields_free(struct fields *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->list[i].name);
	*f = (struct fields){ 0 };
}

static void fields_add(struct fields *f, const uint8_t *name, size_t name_len, const uint8_t *value,
		       size_t value_len)
{
	char *text;

	f->bytes += name_len + value_len + 32;
	if (f->n == FIELDS_MAX || f->bytes > FIELDS_BYTES_MAX) {
		f->too_many = true;
		return;
	}
	text = malloc(name_len + value_len + 2);
	if (!text) {
		f->too_many = true;
		return;
	}
	memcpy(text, name, name_len);
	text[name_len] = '\0';
	memcpy(text + name_len + 1, value, value_len);
	text[name_len + 1 + value_len] = '\0';
	f->list[f->n].name = text;
	f->list[f->n++].value = text + name_len + 1;
}

static const char *fields_get(const struct fields *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->list[i].name, name) == 0)
			return f->list[i].value;
	return NULL;
}

static nghttp2_nv field(const char *name, const char *value)
{
	nghttp2_nv nv = { .namelen = strlen(name), .valuelen = strlen(value) };

	memcpy(&nv.name, &name, sizeof name); /* nghttp2 copies and does not write */
	memcpy(&nv.value, &value, sizeof value);
	return nv;
}

/* ---- streams ---- */

static void release(struct stream *st)
{
	if (st->charged)
		st->gate->ops->release(st->gate->ctx, st->charged);
	st->charged = 0;
	text_free(&st->request);
}

static void stream_free(struct stream *st)
{
	release(st);
	text_free(&st->answer);
	fields_free(&st->fields);
	if (st->prev)
		st->prev->next = st->next;
	else
		st->gate->streams = st->next;
	if (st->next)
		st->next->prev = st->prev;
	free(st);
}

static nghttp2_session *client_of(const struct stream *st)
{
	return st->gate->side[GRPC_CLIENT];
}

static void check(struct grpc_gate *g, int r)
{
	if (r != 0)
		g->failed = true;
}

/* grpc-message: printable ASCII without "%" as it is. */
static void encode(const char *text, char *ret, size_t size)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t n = 0;

	for (; *text && n + 4 < size; text++) {
		uint8_t c = (uint8_t)*text;

		if (c >= 0x20 && c <= 0x7e && c != '%') {
			ret[n++] = (char)c;
			continue;
		}
		ret[n++] = '%';
		ret[n++] = digits[c >> 4];
		ret[n++] = digits[c & 15];
	}
	ret[n] = '\0';
}

/* The guard's own answer: a status without a message. */
static void refuse(struct stream *st, int status, const char *message)
{
	char code[12], text[3 * sizeof(((struct judge_verdict *)NULL)->message)];

	(void)snprintf(code, sizeof code, "%d", status);
	encode(message, text, sizeof text);
	const nghttp2_nv nv[] = { field(":status", "200"), field("content-type", "application/grpc"),
				  field("grpc-status", code), field("grpc-message", text) };

	st->refused = true;
	release(st);
	check(st->gate, nghttp2_submit_response(client_of(st), st->client, nv, ARRAY_SIZE(nv), NULL));
}

static void refuse_by(struct stream *st, const struct judge_verdict *v)
{
	int status = v->status == 501 ? UNIMPLEMENTED : v->status == 400 ? INVALID_ARGUMENT : PERMISSION_DENIED;

	st->gate->ops->refused(st->gate->ctx, v);
	refuse(st, status, v->message);
}

/* ---- to the engine ---- */

static ssize_t read_request(nghttp2_session *s, int32_t id, uint8_t *buf, size_t size, uint32_t *flags,
			    nghttp2_data_source *source, void *user)
{
	struct stream *st = source->ptr;
	size_t n = text_take(&st->request, buf, size);

	(void)s;
	(void)id;
	(void)user;
	if (st->request.at == st->request.len) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		release(st);
	}
	return (ssize_t)n;
}

/* Metadata that mean something to BuildKit: which build an LLBBridge call belongs to, deadlines, traces. */
static bool is_passed(const char *name)
{
	static const char *const names[] = { "baggage",	     "buildkit-controlapi-buildid",
					     "grpc-timeout", "traceparent",
					     "tracestate",   "user-agent" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void forward(struct stream *st)
{
	const nghttp2_data_provider data = { .source.ptr = st, .read_callback = read_request };
	nghttp2_nv nv[6 + FIELDS_MAX] = {
		field(":method", "POST"),
		field(":scheme", "http"),
		field(":path", st->path),
		field(":authority", "localhost"),
		field("content-type", "application/grpc"),
		field("te", "trailers"),
	};
	size_t n = 6;
	int32_t id;

	for (size_t i = 0; i < st->fields.n; i++)
		if (is_passed(st->fields.list[i].name))
			nv[n++] = field(st->fields.list[i].name, st->fields.list[i].value);
	id = nghttp2_submit_request(st->gate->side[GRPC_ENGINE], NULL, nv, n, &data, st);
	fields_free(&st->fields);
	if (id < 0) {
		refuse(st, UNAVAILABLE, "the Docker Engine behind the guard takes no more calls");
		return;
	}
	st->engine = id;
}

/* All of a request is here. */
static void complete(struct stream *st)
{
	const uint8_t *p = st->request.data;
	struct judge_verdict v;
	size_t len;

	if (st->request.len < PREFIX) {
		refuse(st, INVALID_ARGUMENT, "the call has no message");
		return;
	}
	len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
	if (p[0] != 0) {
		refuse(st, UNIMPLEMENTED, "messages have to come without compression");
		return;
	}
	if (len != st->request.len - PREFIX) {
		refuse(st, INVALID_ARGUMENT, "the call is not one message");
		return;
	}
	st->gate->ops->judge(st->gate->ctx, st->path, p + PREFIX, len, &v);
	if (v.what != JUDGE_PASS)
		refuse_by(st, &v);
	else if (st->gate->engine_leaves)
		refuse(st, UNAVAILABLE, "the Docker Engine behind the guard is going away");
	else
		forward(st);
}

/* ---- from the client ---- */

static int client_begin(nghttp2_session *s, const nghttp2_frame *frame, void *user)
{
	struct grpc_gate *g = user;
	struct stream *st;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	st = calloc(1, sizeof *st);
	if (!st)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	st->gate = g;
	st->client = frame->hd.stream_id;
	st->next = g->streams;
	if (st->next)
		st->next->prev = st;
	g->streams = st;
	return nghttp2_session_set_stream_user_data(s, st->client, st) == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int client_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
			 const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
	struct stream *st = nghttp2_session_get_stream_user_data(s, frame->hd.stream_id);

	(void)flags;
	(void)user;
	if (st && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		fields_add(&st->fields, name, name_len, value, value_len);
	return 0;
}

static bool is_grpc_type(const char *type)
{
	return type && (strcmp(type, "application/grpc") == 0 || strcmp(type, "application/grpc+proto") == 0);
}

/* The head of a call is complete. */
static void client_call(struct stream *st)
{
	const char *method = fields_get(&st->fields, ":method"), *path = fields_get(&st->fields, ":path"),
		   *coding = fields_get(&st->fields, "grpc-encoding");
	struct judge_verdict v;

	if (st->fields.too_many) {
		refuse(st, RESOURCE_EXHAUSTED, "the call has too many header fields");
	} else if (!method || strcmp(method, "POST") != 0 || !path ||
		   !is_grpc_type(fields_get(&st->fields, "content-type"))) {
		refuse(st, UNIMPLEMENTED, "only gRPC is spoken here");
	} else if (coding && strcmp(coding, "identity") != 0) {
		refuse(st, UNIMPLEMENTED, "messages have to come without compression");
	} else {
		st->path = st->gate->ops->method(st->gate->ctx, path, &v);
		if (!st->path)
			refuse_by(st, &v);
	}
}

static int client_frame(nghttp2_session *s, const nghttp2_frame *frame, void *user)
{
	struct stream *st = nghttp2_session_get_stream_user_data(s, frame->hd.stream_id);
	bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	(void)user;
	if (!st || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
		return 0;
	st->client_done |= end;
	if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST && !st->refused)
		client_call(st);
	if (end && !st->refused)
		complete(st);
	return 0;
}

static int client_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user)
{
	struct stream *st = nghttp2_session_get_stream_user_data(s, id);
	struct grpc_gate *g = user;

	(void)flags;
	/* What is kept is bounded by the message, not by the window. */
	check(g, nghttp2_session_consume(s, id, len));
	if (!st || st->refused)
		return 0;
	if (st->request.len + len > GRPC_MESSAGE_MAX + PREFIX) {
		refuse(st, RESOURCE_EXHAUSTED, "the message has more than 4 MiB");
		return 0;
	}
	if (!g->ops->charge(g->ctx, len)) {
		refuse(st, RESOURCE_EXHAUSTED, "too many requests with bodies at once; try again");
		return 0;
	}
	st->charged += len;
	if (text_add(&st->request, data, len) < 0)
		refuse(st, RESOURCE_EXHAUSTED, "no memory");
	return 0;
}

/* A client that was refused before it had sent all need not go on. Not earlier: the answer would be lost. */
static int client_sent(nghttp2_session *s, const nghttp2_frame *frame, void *user)
{
	struct stream *st = nghttp2_session_get_stream_user_data(s, frame->hd.stream_id);

	if (frame->hd.type == NGHTTP2_HEADERS && st && st->refused && !st->client_done)
		check(user, nghttp2_submit_rst_stream(s, NGHTTP2_FLAG_NONE, st->client, NGHTTP2_NO_ERROR));
	return 0;
}

static int client_close(nghttp2_session *s, int32_t id, uint32_t error, void *user)
{
	struct stream *st = nghttp2_session_get_stream_user_data(s, id);
	struct grpc_gate *g = user;

	(void)error;
	if (!st)
		return 0;
	st->client = 0;
	if (st->engine == 0)
		stream_free(st);
	else
		check(g, nghttp2_submit_rst_stream(g->side[GRPC_ENGINE], NGHTTP2_FLAG_NONE, st->engine,
						   NGHTTP2_CANCEL));
	return 0;
}

/* ---- from the engine ---- */

static ssize_t read_answer(nghttp2_session *s, int32_t id, uint8_t *buf, size_t size, uint32_t *flags,
			   nghttp2_data_source *source, void *user)
{
	struct stream *st = source->ptr;
	struct grpc_gate *g = user;
	size_t n = text_take(&st->answer, buf, size);
	nghttp2_nv nv[FIELDS_MAX];

	/* Only what went on makes room for more. */
	if (n && st->engine)
		check(g, nghttp2_session_consume_stream(g->side[GRPC_ENGINE], st->engine, n));
	if (n)
		check(g, nghttp2_session_consume_connection(g->side[GRPC_ENGINE], n));
	if (st->answer.at < st->answer.len)
		return (ssize_t)n;
	if (!st->answer_done)
		return n ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (st->fields.n) {
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		for (size_t i = 0; i < st->fields.n; i++)
			nv[i] = field(st->fields.list[i].name, st->fields.list[i].value);
		check(g, nghttp2_submit_trailer(s, id, nv, st->fields.n));
	}
	return (ssize_t)n;
}

static int engine_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
			 const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
	struct stream *st = nghttp2_session_get_stream_user_data(s, frame->hd.stream_id);

	(void)flags;
	(void)user;
	if (st)
		fields_add(&st->fields, name, name_len, value, value_len);
	return 0;
}

/* A head of an answer, or its trailers. */
static void engine_fields(struct stream *st, const nghttp2_frame *frame)
{
	bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	const nghttp2_data_provider data = { .source.ptr = st, .read_callback = read_answer };
	const char *status = fields_get(&st->fields, ":status");
	nghttp2_nv nv[FIELDS_MAX];

	if (st->head_done)
		return; /* trailers go out behind the last byte */
	if (!status || *status == '1') {
		fields_free(&st->fields);
		return;
	}
	for (size_t i = 0; i < st->fields.n; i++)
		nv[i] = field(st->fields.list[i].name, st->fields.list[i].value);
	check(st->gate, nghttp2_submit_response(client_of(st), st->client, nv, st->fields.n, end ? NULL : &data));
	st->head_done = true;
	fields_free(&st->fields);
}

static int engine_frame(nghttp2_session *s, const nghttp2_frame *frame, void *user)
{
	struct stream *st = nghttp2_session_get_stream_user_data(s, frame->hd.stream_id);
	struct grpc_gate *g = user;

	if (frame->hd.type == NGHTTP2_GOAWAY)
		g->engine_leaves = true;
	if (!st || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) || !st->client)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS)
		engine_fields(st, frame);
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
		st->answer_done = true;
		(void)nghttp2_session_resume_data(client_of(st), st->client);
	}
	return 0;
}

static int engine_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user)
{
	struct stream *st = nghttp2_session_get_stream_user_data(s, id);
	struct grpc_gate *g = user;

	(void)flags;
	if (!st || !st->client) {
		check(g, nghttp2_session_consume(s, id, len));
		return 0;
	}
	if (text_add(&st->answer, data, len) < 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	(void)nghttp2_session_resume_data(client_of(st), st->client);
	return 0;
}

static int engine_close(nghttp2_session *s, int32_t id, uint32_t error, void *user)
{
	struct stream *st = nghttp2_session_get_stream_user_data(s, id);
	struct grpc_gate *g = user;

	(void)user;
	if (!st)
		return 0;
	st->engine = 0;
	if (!st->client) {
		/* What it sent and nobody took. */
		if (st->answer.at < st->answer.len)
			check(g, nghttp2_session_consume_connection(s, st->answer.len - st->answer.at));
		stream_free(st);
	} else if (!st->answer_done && !st->head_done) {
		refuse(st, UNAVAILABLE, "the Docker Engine behind the guard did not answer the call");
	} else if (!st->answer_done) {
		check(g, nghttp2_submit_rst_stream(client_of(st), NGHTTP2_FLAG_NONE, st->client,
						   error ? error : NGHTTP2_INTERNAL_ERROR));
	}
	return 0;
}

/* ---- both ---- */

static int new_session(struct grpc_gate *g, enum grpc_side side)
{
	nghttp2_session_callbacks *cb;
	nghttp2_option *option;
	int r;

	if (nghttp2_session_callbacks_new(&cb) != 0)
		return -ENOMEM;
	if (nghttp2_option_new(&option) != 0) {
		nghttp2_session_callbacks_del(cb);
		return -ENOMEM;
	}
	nghttp2_option_set_no_auto_window_update(option, 1);
	nghttp2_option_set_no_closed_streams(option, 1);
	nghttp2_option_set_max_send_header_block_length(option, 2 * FIELDS_BYTES_MAX);
	if (side == GRPC_CLIENT) {
		nghttp2_session_callbacks_set_on_begin_headers_callback(cb, client_begin);
		nghttp2_session_callbacks_set_on_header_callback(cb, client_header);
		nghttp2_session_callbacks_set_on_frame_recv_callback(cb, client_frame);
		nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, client_data);
		nghttp2_session_callbacks_set_on_frame_send_callback(cb, client_sent);
		nghttp2_session_callbacks_set_on_stream_close_callback(cb, client_close);
		r = nghttp2_session_server_new2(&g->side[side], cb, g, option);
	} else {
		nghttp2_session_callbacks_set_on_header_callback(cb, engine_header);
		nghttp2_session_callbacks_set_on_frame_recv_callback(cb, engine_frame);
		nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, engine_data);
		nghttp2_session_callbacks_set_on_stream_close_callback(cb, engine_close);
		r = nghttp2_session_client_new2(&g->side[side], cb, g, option);
	}
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(cb);
	return r == 0 ? 0 : -ENOMEM;
}

/* Send what both have to say, until neither has more: what one sends may make room in the other. */
static int pump(struct grpc_gate *g)
{
	bool more = true;

	while (more) {
		more = false;
		for (int side = GRPC_CLIENT; side <= GRPC_ENGINE; side++) {
			const uint8_t *data;
			ssize_t n = nghttp2_session_mem_send(g->side[side], &data);

			if (n < 0)
				return -EPROTO;
			if (n == 0)
				continue;
			more = true;
			if (g->ops->send(g->ctx, (enum grpc_side)side, data, (size_t)n) < 0)
				return -ENOMEM;
		}
	}
	return g->failed ? -ENOMEM : 0;
}

int grpc_gate_new(const struct grpc_ops *ops, void *ctx, struct grpc_gate **ret)
{
	static const nghttp2_settings_entry for_client[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, FIELDS_BYTES_MAX }
	};
	static const nghttp2_settings_entry for_engine[] = { { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 } };
	struct grpc_gate *g = calloc(1, sizeof *g);
	int r;

	if (!g)
		return -ENOMEM;
	g->ops = ops;
	g->ctx = ctx;
	r = new_session(g, GRPC_CLIENT);
	if (r == 0)
		r = new_session(g, GRPC_ENGINE);
	if (r == 0 && (nghttp2_submit_settings(g->side[GRPC_CLIENT], NGHTTP2_FLAG_NONE, for_client,
					       ARRAY_SIZE(for_client)) != 0 ||
		       nghttp2_submit_settings(g->side[GRPC_ENGINE], NGHTTP2_FLAG_NONE, for_engine,
					       ARRAY_SIZE(for_engine)) != 0))
		r = -ENOMEM;
	if (r == 0)
		r = pump(g);
	if (r < 0) {
		grpc_gate_free(g);
		return r;
	}
	*ret = g;
	return 0;
}

void grpc_gate_free(struct grpc_gate *g)
{
	if (!g)
		return;
	nghttp2_session_del(g->side[GRPC_CLIENT]);
	nghttp2_session_del(g->side[GRPC_ENGINE]);
	while (g->streams)
		stream_free(g->streams);
	free(g);
}

int grpc_gate_take(struct grpc_gate *g, enum grpc_side from, const void *data, size_t len)
{
	int r;

	if (nghttp2_session_mem_recv(g->side[from], data, len) < 0)
		return -EPROTO;
	r = pump(g);
	if (r < 0)
		return r;
	for (int side = GRPC_CLIENT; side <= GRPC_ENGINE; side++)
		if (!nghttp2_session_want_read(g->side[side]) && !nghttp2_session_want_write(g->side[side]))
			return 0;
	return 1;
}
