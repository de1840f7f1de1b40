/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NOTIFY_FENCE_H
#define NOTIFY_FENCE_H

#include "base/err.h"

/*
 * notify_fence() - let the worker and its helpers make only the system calls that their work consists of, for ever:
 * nothing is executed or traced, no socket is made, no memory becomes code, no process lives on. Any other call ends
 * whoever makes it. Needs no_new_privs or CAP_SYS_ADMIN. What it leaves is much, as mounting for others is the work:
 * it is there so that a worker which was taken over by what it reads does not have the whole kernel before it.
 */
int notify_fence(struct err *e);

#endif
