/* SPDX-License-Identifier: Apache-2.0 */
/* What a client sends after HTTP/2's preface, in pieces. Oracle: where every call is refused, none reaches the engine. */
#include <nghttp2/nghttp2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "guard/grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)                 \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

struct box {
	nghttp2_session *engine;
	size_t charged;
};

static void judge_all(void *ctx, const char *path, const void *message, size_t len, struct judge_verdict *v)
{
	(void)ctx;
	(void)path;
	CHECK(len <= GRPC_MESSAGE_MAX && (message || len == 0));
	*v = (struct judge_verdict){ .status = 403, .message = "no" };
}

static const char *method(void *ctx, const char *path, struct judge_verdict *v)
{
	(void)ctx;
	*v = (struct judge_verdict){ .status = 501, .message = "no" };
	return strcmp(path, "/a") == 0 ? "/a" : NULL;
}

static void refused(void *ctx, const struct judge_verdict *v)
{
	(void)ctx;
	CHECK(v->what == JUDGE_REFUSE);
}

static int send_to(void *ctx, enum grpc_side to, const void *data, size_t len)
{
	struct box *b = ctx;

	if (to == GRPC_ENGINE)
		CHECK(nghttp2_session_mem_recv(b->engine, data, len) == (ssize_t)len);
	return 0;
}

static bool charge(void *ctx, size_t len)
{
	struct box *b = ctx;

	b->charged += len;
	return true;
}

static void release(void *ctx, size_t len)
{
	struct box *b = ctx;

	CHECK(b->charged >= len);
	b->charged -= len;
}

static int on_begin(nghttp2_session *s, const nghttp2_frame *frame, void *user)
{
	(void)s;
	(void)frame;
	(void)user;
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct grpc_ops ops = { judge_all, method, refused, send_to, charge, release };
	nghttp2_session_callbacks *cb;
	struct grpc_gate *gate;
	struct box b = { 0 };
	size_t at = 0;

	if (size > 65536)
		return 0;
	CHECK(nghttp2_session_callbacks_new(&cb) == 0);
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin);
	CHECK(nghttp2_session_server_new(&b.engine, cb, &b) == 0);
	nghttp2_session_callbacks_del(cb);
	CHECK(grpc_gate_new(&ops, &b, &gate) == 0);
	if (grpc_gate_take(gate, GRPC_CLIENT, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN) == 1)
		while (at < size) {
			size_t n = data[at] + 1u < size - at ? data[at] + 1u : size - at;

			if (grpc_gate_take(gate, GRPC_CLIENT, data + at, n) != 1)
				break;
			at += n;
		}
	grpc_gate_free(gate);
	CHECK(b.charged == 0);
	nghttp2_session_del(b.engine);
	return 0;
}
