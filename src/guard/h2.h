/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_H2_H
#define GUARD_H2_H

#include <stddef.h>

#include "base/err.h"

/*
 * One gRPC call over HTTP/2 on a connection that has just been switched to it: what the guard itself asks BuildKit.
 * Blocks, with a deadline.
 */

#define H2_MESSAGE_MAX 1024

/*
 * h2_call() - @fd: connected, non-blocking; borrowed, and of no use afterwards
 * @path: "/moby.buildkit.v1.Control/Solve"
 * @message: one protobuf message; what it is answered by is not kept
 * @ret_text: grpc-message, decoded and cut off; "" when there is none
 * Return: grpc-status (0: success); -ETIMEDOUT, -EPROTO (it does not speak HTTP/2, or closed), -ENOMEM.
 */
int h2_call(int fd, const char *path, const void *message, size_t len, unsigned timeout_ms,
	    char ret_text[static H2_MESSAGE_MAX], struct err *e);

#endif
