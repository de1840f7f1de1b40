/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_ENGINE_H
#define GUARD_ENGINE_H

#include <jansson.h>

#include "base/err.h"

/*
 * Questions to the engine that a decision needs (is this volume an alias of a host path? which runtime has that
 * container?). Each is a GET on a connection of its own to the engine's socket, with a deadline of 10 s and an
 * answer of at most 8 MiB, read by the strict JSON reader. Blocking: called from a worker thread of the relay,
 * never from its event loop.
 */
struct judge_engine;

/* engine_new() - @path: the engine's socket. NULL when it is too long for a socket or there is no memory. */
struct judge_engine *engine_new(const char *path);
void engine_free(struct judge_engine *engine);

/*
 * engine_connect() - a new non-blocking connection, or -errno; -EAGAIN: its backlog is full, try again in a
 * while. Does not block.
 */
int engine_connect(const struct judge_engine *engine);

/*
 * engine_get() - GET @path ("/volumes/x", already percent-encoded). @ret: new reference.
 * Return: 0; -ENOENT for 404; -EIO or -ETIMEDOUT otherwise, named in @e.
 */
int engine_get(struct judge_engine *engine, const char *path, json_t **ret, struct err *e);

/* What the guard asks on its own behalf (engine-check.h): any method, with a body, answered by any status. */
struct engine_call {
	const char *method, *path;
	const char *type; /* of the body; NULL: there is no body */
	const void *body;
	size_t len;
};

/*
 * engine_call() - with engine_get()'s limits. @ret_body: malloc'd, NUL-terminated.
 * Return: the status of the answer; -EIO or -ETIMEDOUT.
 */
int engine_call(struct judge_engine *engine, const struct engine_call *call, char **ret_body, size_t *ret_len,
		struct err *e);

/*
 * engine_open() - send a request without a body and read the head of its answer.
 * @protocol: to be switched to (Upgrade), answered by 101; NULL: none, the answer is 200
 * Return: the connection, non-blocking, at the first byte behind the head; or -errno.
 */
int engine_open(struct judge_engine *engine, const char *method, const char *path, const char *protocol,
		struct err *e);

#endif
