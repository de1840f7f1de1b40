/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROCVIEW_SERVE_H
#define PROCVIEW_SERVE_H

#include "procview/view.h"

#define SERVE_ATTEMPTS 3u /* replays of a request that ended its worker, before it gets EIO */

/*
 * serve_recover() - answer what a predecessor had taken from the kernel and not finished. At most one process may
 * serve a struct view_shared: the caller's caller has reaped the predecessor.
 * @fd: /dev/fuse of the two connections, in the order of enum view_conn
 */
void serve_recover(struct view *v, const int fd[VIEW_CONNS]);

/*
 * serve_loop() - answer requests until both connections have ended (nothing is mounted any more: 0), or -errno.
 * The descriptors must be non-blocking. Needs ppoll, read, writev and what v->collect does, nothing else.
 */
int serve_loop(struct view *v, const int fd[VIEW_CONNS]);

/* Where answers are made; to be locked in memory, see sandbox.h. */
extern struct wire_answer serve_answer;

#endif
