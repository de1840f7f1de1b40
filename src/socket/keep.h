/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKET_KEEP_H
#define SOCKET_KEEP_H

#include <stddef.h>

#include "base/err.h"

/*
 * A listening socket dies with the last process that has it, and a container cannot be given another one in the
 * place of the file it has mounted. So a small process keeps them open while the guard restarts or crashes;
 * whoever connects meanwhile waits in the backlog. Protocol: SOCK_SEQPACKET at <state>/keep.sock, mode 0600, only
 * the keeper's own user (root) is answered; one datagram a request: "put TOKEN" (with the fd) and "drop TOKEN",
 * answered by "ok" or "error REASON", and "list", answered by one "TOKEN" with its fd each and "end". It has to
 * stay as it is: keeper and guard may be of different versions. Limits: 4096 sockets, 16 clients.
 */

#define KEEP_MAX     4096
#define KEEP_IDLE_MS 60000

/*
 * keep_main() - be the keeper, in the process that calls it: `caissond --keep STATE`. Ends by itself when it has
 * kept nothing and nobody has been connected for @idle_ms. @ready: called once when clients are heard, for
 * sd_notify(3); may be NULL. What fails is said on standard error. Return: an exit status; 0 also when there is
 * another keeper.
 */
int keep_main(const char *state, int idle_ms, void (*ready)(void));

/*
 * keep_connect() - to the keeper of @state; started (double fork, own session, `/proc/self/exe --keep STATE`) when
 * there is none. Return: a new fd, readable only when the keeper is gone. It serves one thread, and none after a
 * failure of the calls below: close it and connect again.
 */
int keep_connect(const char *state, struct err *e);

/* keep_put() - @socket_fd stays the caller's. A token that is known gets the new socket. */
int keep_put(int fd, const char *token, int socket_fd, struct err *e);
/* keep_drop() - unknown tokens are no error. */
int keep_drop(int fd, const char *token, struct err *e);

/* keep_list() - @found is called for each; it owns @socket_fd from then on (close-on-exec). */
int keep_list(int fd, void (*found)(void *ctx, const char *token, int socket_fd), void *ctx, struct err *e);

#endif
