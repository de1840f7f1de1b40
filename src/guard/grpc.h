/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_GRPC_H
#define GUARD_GRPC_H

#include <stdbool.h>
#include <stddef.h>

#include "guard/judge.h"

/*
 * The gate in a connection that speaks gRPC: HTTP/2 ends here on both sides, and only calls that were read whole and
 * judged go on, each written anew. Bytes in, bytes out; no sockets. What a client sends is untrusted.
 *
 * A call is one uncompressed message of at most 4 MiB in each request (what BuildKit's methods take that are let
 * through); its answer may be a stream, and passes as it comes. At most 100 calls at once, and 16 KiB of header
 * fields each. Refused calls get a gRPC status with the reason; the connection goes on.
 */
struct grpc_gate;

enum grpc_side { GRPC_CLIENT, GRPC_ENGINE };

struct grpc_ops {
	/* One message of a method; see solve.h. */
	void (*judge)(void *ctx, const char *path, const void *message, size_t len, struct judge_verdict *v);
	/* Is the method there? NULL: no, with the refusal in @v; else its path, static. */
	const char *(*method)(void *ctx, const char *path, struct judge_verdict *v);
	/* For the audit. */
	void (*refused)(void *ctx, const struct judge_verdict *v);
	/* Bytes for a side, to be copied. Return: 0, or -ENOMEM. */
	int (*send)(void *ctx, enum grpc_side to, const void *data, size_t len);
	/* Memory for messages that are being received. false: there is none. */
	bool (*charge)(void *ctx, size_t len);
	void (*release)(void *ctx, size_t len);
};

#define GRPC_MESSAGE_MAX (4u << 20)

/* grpc_gate_new() - @ops, @ctx: borrowed. Sends both sides' first bytes. */
int grpc_gate_new(const struct grpc_ops *ops, void *ctx, struct grpc_gate **ret);

/* grpc_gate_free() - releases what is charged. NULL is fine. */
void grpc_gate_free(struct grpc_gate *g);

/*
 * grpc_gate_take() - bytes that came from a side.
 * Return: 1 the connection goes on; 0 it is over: what was sent is to be flushed, then closed; -errno: to be cut.
 */
int grpc_gate_take(struct grpc_gate *g, enum grpc_side from, const void *data, size_t len);

#endif
