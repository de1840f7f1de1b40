/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_NOTIFY_H
#define RUNTIME_NOTIFY_H

#include "base/err.h"
#include "runtime/container.h"

/*
 * sd_notify(3) for a container that runs as a service, as runc does it: when the runtime has NOTIFY_SOCKET in its environment, the
 * container gets a socket of its own (/run/notify/notify.sock), and `start` passes READY=1 on, with init's pid as
 * MAINPID. Nothing else of what the container says reaches the service manager.
 */

/* notify_prepare() - at create: make the directory. *@ret: its path, malloc'd; NULL without NOTIFY_SOCKET. */
int notify_prepare(const struct container *c, char **ret, struct err *e);

/* notify_listen() - at start: the socket in it, *@ret -EBADF when the container has none. */
int notify_listen(const struct container *c, int *ret, struct err *e);

/* notify_forward() - wait until the container is ready or init is dead, and pass it on. */
int notify_forward(const struct container *c, int fd, struct err *e);

#endif
