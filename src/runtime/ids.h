/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_IDS_H
#define RUNTIME_IDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * The registry of id ranges: 65536 user and group ids for each container, exclusive among all live ones of this host,
 * whichever engine and state root they belong to (E2, E3, A107-A110).
 *
 * It is a directory (normally /run/caisson/ids), one file per range that is in use, named by the first id, holding the
 * owners: the state directories of the containers that run in it (more than one when they share a user namespace).
 * Every change happens under a lock and by rename(2) or unlink(2), so kill -9 at any point leaves the old or
 * the new state. A range whose owners are all gone is reclaimed.
 */

struct ids_pool {
	uint32_t first, count; /* ranges of 65536 from @first on */
};

/* ids_open() - the registry directory, made if missing (0700, root). Return: a new fd, or -errno. */
int ids_open(const char *path, struct err *e);

/*
 * ids_alloc() - take the lowest free range for @owner (absolute path of a state directory that exists).
 * Skipped: ranges that hold an id of /etc/passwd or /etc/group, overlap /etc/subuid or /etc/subgid (except entries of
 * user "caisson"), or hold a running process (looked up in /proc at most every 5 s, and for the range's root always).
 * @proc_fd, @etc_fd: O_PATH of /proc and /etc
 * Return: 0; -EAGAIN with text when no range is free.
 */
int ids_alloc(int ids_fd, int proc_fd, int etc_fd, const struct ids_pool *pool, const char *owner,
	      uint32_t *ret_base, struct err *e);

/*
 * ids_share() - @owner also uses the range @base, which must be in use. @is_with: asked under the lock, is this owner one
 * that the new one joins? The range may be somebody else's by now: -ESRCH when none of them is. NULL: it is known.
 */
int ids_share(int ids_fd, uint32_t base, const char *owner, bool (*is_with)(void *ctx, const char *other),
	      void *ctx, struct err *e);

/*
 * ids_owners() - the container ids (last components of the state directories) of all owners of @base.
 * @ret: NULL-terminated, one malloc'd block for array and strings; caller frees
 */
int ids_owners(int ids_fd, uint32_t base, char ***ret, struct err *e);

/* ids_free() - @owner no longer uses the range; unknown ones are fine (idempotent). */
int ids_free(int ids_fd, uint32_t base, const char *owner, struct err *e);

/* ids_forget() - @owner uses none of the ranges any more, whichever it had: for those whose state does not tell. */
int ids_forget(int ids_fd, const char *owner, struct err *e);

#endif
