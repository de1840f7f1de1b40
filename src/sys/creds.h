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

/*
 * creds_become_owner() - be @id as real and effective user and group, with all capabilities, but go on reaching files as host root: for the
 * moment in which a user namespace is created. It belongs to the effective user then, and what is counted for it
 * (inotify instances, queues, namespaces, keys) is counted for that user on the host, not for root (A149).
 */
int creds_become_owner(uint32_t id, struct err *e);
int creds_restore(struct err *e);

#endif
