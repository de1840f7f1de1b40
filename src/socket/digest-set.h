/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKET_DIGEST_SET_H
#define SOCKET_DIGEST_SET_H

#include <jansson.h>

#include "socket/digests.h"

/* Sets of digests as text: what caisson-registry answers, and files of the cache. Both are untrusted. Pure. */

#define DIGEST_ANSWER_MAX (8u << 20) /* bytes */

enum digest_status { DIGEST_FOUND, DIGEST_SAME, DIGEST_NONE, DIGEST_FAILED };

struct digest_answer {
	enum digest_status status;
	struct digest_set *set; /* a reference, with DIGEST_FOUND */
	char message[256];	/* one line of printable characters, else */
	unsigned retry_after;	/* seconds; 0: it does not say; at most an hour */
};

/*
 * digest_answer_read() - @digest: NULL, or what was asked for: it has to be among what was found. DIGEST_SAME is an
 * answer to those who asked with "known"; whether they did is not known here. Closed: unknown
 * members, other types, more than 8192 digests, 256 images, 1024 layers or 4096 entries of history are -EINVAL.
 */
int digest_answer_read(const char *buf, size_t len, const char *digest, struct digest_answer *ret, struct err *e);

/* digest_file_write() - @name as it was asked for, @fetched in seconds since 1970. @ret: malloc'd. -ENOMEM. */
int digest_file_write(const struct digest_set *set, const char *name, int64_t fetched, char **ret);

/* digest_file_read() - the file has to be about @name. @digest: as above. */
int digest_file_read(const char *buf, size_t len, const char *name, const char *digest, int64_t *ret_fetched,
		     struct digest_set **ret, struct err *e);

/* digest_set_size() - bytes that it is counted for. */
size_t digest_set_size(const struct digest_set *set);

#endif
