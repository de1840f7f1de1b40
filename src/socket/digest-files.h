/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKET_DIGEST_FILES_H
#define SOCKET_DIGEST_FILES_H

#include <stddef.h>

#include "socket/digests.h"

/*
 * One file per name, called by the SHA-256 of the name, 0600: {"name", "fetched": seconds since 1970, "digests",
 * "images"}.
 * @dir: an fd of a directory that only root can change, or below 0: then nothing is kept.
 */

/*
 * digest_file_load() - @digest: NULL, or what has to be in it. @ret_age_ms: by the wall clock. NULL: there is none,
 * or it is damaged, about something else, from the future, or not the caller's alone.
 */
struct digest_set *digest_file_load(int dir, const char *name, const char *digest, int64_t *ret_age_ms);

/* digest_file_save() - as of now. Return: 0, -ENOSPC, ... */
int digest_file_save(int dir, const char *name, const struct digest_set *set);

void digest_file_remove(int dir, const char *name);

/* digest_files_prune() - remove what does not belong there, and what was written longest ago beyond @max files. */
void digest_files_prune(int dir, size_t max);

#endif
