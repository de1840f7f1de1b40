/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYS_CREDS_H
#define SYS_CREDS_H

#include <stdint.h>

#include "base/err.h"

/*
 * Act with the ids of container root (@id, a host id) while keeping the capabilities in @caps (bit masks as in
 * linux/capability.h), and go back to host root. Single-threaded callers only. Needed where the kernel stores the
 * caller's credentials (overlay) or files must belong to the container from birth.
 */
int creds_become(uint32_t id, uint64_t caps, struct err *e);
int creds_restore(struct err *e);

#endif
