/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_LISTEN_H
#define GUARD_LISTEN_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define LISTEN_MAX 8

/*
 * listen_create() - a listening unix stream socket at @path, owned by root and @gid, mode 0660 as Docker's. It
 * appears at its name with that owner and mode; there is no moment with others. What lies there already is
 * replaced if it is a socket that nobody serves. Return: the fd (non-blocking, close-on-exec); -EADDRINUSE
 * (somebody answers there, or it is no socket); -ENAMETOOLONG; ...
 */
int listen_create(const char *path, gid_t gid, struct err *e);

/* listen_remove() - remove the name, if it is still that of @fd. */
void listen_remove(int fd, const char *path);

/*
 * listen_inherited() - the sockets that systemd passes ($LISTEN_PID, $LISTEN_FDS; sd_listen_fds(3)). The
 * variables are removed. Each must be a listening unix stream socket. Return: how many (0: none were passed),
 * or -errno.
 */
int listen_inherited(int ret[static LISTEN_MAX], struct err *e);

/*
 * listen_notify() - one datagram to $NOTIFY_SOCKET (sd_notify(3)): "READY=1". Without that variable nothing
 * happens.
 */
int listen_notify(const char *text);

#endif
