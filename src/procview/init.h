/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROCVIEW_INIT_H
#define PROCVIEW_INIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * The beginning of a FUSE connection, which the monitor does: the worker that serves it may die and come back any
 * number of times, and the kernel sends INIT only once. The order: open /dev/fuse, fuse_mount(),
 * fuse_answer_init(); the open file then goes to workers by inheritance (the same open file: never
 * FUSE_DEV_IOC_CLONE, whose close ends requests).
 */

/*
 * fuse_mount() - a detached mount of the connection @dev_fuse_fd (an open /dev/fuse on which nothing is mounted
 * yet). allow_other, default_permissions, nosuid, nodev, noexec. Call it in the host's user namespace, as root:
 * the superblock belongs to that, or else container root could abort the connection with umount -f (spec rows
 * A79-A106). Does not wait for INIT.
 * Return: a new CLOEXEC mount fd, or -errno.
 */
int fuse_mount(int dev_fuse_fd, struct err *e);

/*
 * fuse_answer_init() - read the INIT of a connection just mounted and answer it.
 * @changing: for the read-only files ("changing"), whose pages the kernel may keep; otherwise for sysctls.
 * Waits for the request when it is not there yet; it is queued within fsconfig(FSCONFIG_CMD_CREATE), so that it
 * always is after fuse_mount().
 * Return: 0; -EPROTO when the first request is no INIT or the kernel's protocol is older than 7.31 (Linux 5.4,
 * with no FUSE_NO_OPENDIR_SUPPORT-like flags missing); or -errno.
 */
int fuse_answer_init(int dev_fuse_fd, bool changing, struct err *e);

/*
 * fuse_answer_names() - answer who lists the root directories of both connections (by enum view_conn), until each has
 * been read to its end once or @end_fd is readable or closed. The kernel remembers the names, so that covering files
 * needs no worker, which would take longer to start. @base: the container's. Only the runtime reaches the mounts by
 * then; what it does not ask for is EIO.
 */
void fuse_answer_names(const int fd[2], uint32_t base, int end_fd);

#endif
