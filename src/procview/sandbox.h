/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROCVIEW_SANDBOX_H
#define PROCVIEW_SANDBOX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "emulate/shared.h"

/*
 * sandbox_lock() - keep in memory what the kernel copies requests to and answers from: a process killed while the
 * kernel faults one of these pages in makes the request fail with EIO. The slots at once, the
 * rest of @shared when it is touched, and @answer (rounded to pages). Needs CAP_IPC_LOCK.
 */
int sandbox_lock(struct view_shared *shared, void *answer, size_t answer_len, struct err *e);

/* The user that serves the container with range @base: one for each, outside of all ranges of containers. */
#define SANDBOX_UID(base) ((3u << 30) | ((base) >> 16))

/*
 * sandbox_enter() - for good: user and group @uid, no capabilities, no new privileges, not dumpable, nothing of
 * the file system or network (Landlock, where the kernel has it), and only the system calls that serving takes:
 * read(2) and writev(2) on @fd[0] and @fd[1], pread64(2), ppoll(2), clock_gettime(2), and leaving. Anything else
 * kills.
 */
int sandbox_enter(uint32_t uid, const int fd[2], struct err *e);

#endif
