/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKET_GRANTS_H
#define SOCKET_GRANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "codec/docker-commands.h"
#include "socket/token.h"

/*
 * Docker sockets that containers have: one each, in a directory of its own,
 *
 *   <directory>/<token>/              0700, root; its group is what the socket's group is to be in the container
 *   <directory>/<token>/docker.sock   listened on by the guard; what the container mounts
 *   <directory>/<token>/container     the container's id, from its first start on: the runtime mounts the socket into
 *                                     this container and no other
 *   <directory>/<token>/ids           written by the runtime at each start: "BASE COUNT\n", the user ids of the host
 *                                     that are this container's; whoever connects has to be one of them (A142)
 *
 * and one record each in <state>/grants/<token>.json, which outlives the guard, the engine and the host's
 * restarts. The listening sockets themselves are kept by another process (keep.h) while the guard is away. All of
 * it is root's alone. At most GRANTS_MAX. Safe in several threads.
 *
 * Grants are counted. A reference is a picture that nobody changes: grants_bind() puts another one in its place,
 * so whoever keeps a reference for long asks for the token again before deciding by it. fd is the same in all of
 * them, and stays open while there is a reference. After grants_drop() it is shut down: nobody connects any more,
 * and epoll(7) reports EPOLLHUP for it.
 *
 * Killed at any point, it leaves either a whole grant or something that the next grants_open() removes. Records are
 * brought to the disk by a thread of the store's own right after grants_bind(), of which the container's first start takes
 * the longer. When the host loses power before, or within seconds after grants_new(), the container has to be made again.
 */
struct grants;

#define GRANTS_MAX	   4096
#define GRANTS_WAITING_MAX 256 /* of one user, not started yet */

struct grant {
	char token[GRANT_TOKEN_LEN + 1];
	char scope[GRANT_TOKEN_LEN +
		   1];	    /* token of the grant through which its container was made, else its own: what
					  * is made through any of a scope's sockets belongs together (ownOnly) */
	char container[65]; /* id; "": not started yet */
	char *image;	    /* as it was asked for */
	char image_id[72];  /* "": not known yet */
	/*
	 * socket_image.text of the entry that allowed it ("": not decided yet), and behind it, a line each, of those that allowed
	 * the containers by whose sockets it was made: it may do what all of them may.
	 */
	char *entry;
	char digest[72];
	bool derived;
	int64_t created; /* seconds since 1970 */
	int fd;		 /* listening, non-blocking; the store's */
};

struct grants_config {
	const char *directory; /* absolute, no symbolic links: <directory> above; made 0700 root, parents 0755 */
	const char *state;     /* absolute, exists */
	const char *ids;       /* the runtime's registry of id ranges (runtime/ids.h); NULL: not asked */
	gid_t gid;	       /* of the sockets inside of containers: that of the host's */
	void (*say)(void *ctx, const char *message);
	void *ctx;
};

/*
 * grants_open() - load the records, fetch the listening sockets from the keeper (started when there is none), make
 * anew those that nobody keeps. A damaged record is moved aside (".damaged") and said. Directories of tokens
 * without a record are removed. Without a keeper it goes on and says so: the sockets die with this process then.
 * @config is copied. Return: 0; -EBUSY: another guard has @config->directory; -EPERM: a directory is not root's
 * alone; ...
 */
int grants_open(const struct grants_config *config, struct grants **ret, struct err *e);
void grants_close(struct grants *g); /* the keeper goes on */

/*
 * grants_new() - a grant that has no container yet. @proto: image, image_id, entry, digest, derived and scope ("":
 * its own) are copied. @ret_path: malloc'd, the socket. @ret_token: of the new grant. Nothing is left behind on
 * failure. Return: 0; -EUSERS: there are GRANTS_MAX; -ENOSPC ...
 */
int grants_new(struct grants *g, const struct grant *proto, char **ret_path,
	       char ret_token[static GRANT_TOKEN_LEN + 1], struct err *e);

/*
 * grants_owner() - the host's user @uid asked for this one, as long as it is not started: not known any more after the
 * next grants_open(). Return: 0, also for unknown tokens; -EUSERS: GRANTS_WAITING_MAX are waiting for that user already,
 * and this one is to be dropped.
 */
int grants_owner(struct grants *g, const char *token, uid_t uid, struct err *e);

/*
 * grants_bind() - this container, and no other, has it from now on; image_id, entry, digest and derived of @proto
 * as well. Written when it returns; costs nothing when all of that is known already. Return: 0; -EEXIST: it is
 * another container's; -ENOENT: no such token; ...
 */
int grants_bind(struct grants *g, const char *token, const char *container, const struct grant *proto,
		struct err *e);

/* grants_drop() - the container is gone: socket, directory and record are removed. Unknown tokens are no error. */
void grants_drop(struct grants *g, const char *token);

/* grants_token() - the token in a path of a socket of this store, or false. */
bool grants_token(const struct grants *g, const char *path, char ret[static GRANT_TOKEN_LEN + 1]);

/* grants_ref() - by token, NULL: none. grants_of() - by container id. To be dropped by grants_unref(). */
struct grant *grants_ref(struct grants *g, const char *token);
struct grant *grants_of(struct grants *g, const char *container);
void grants_unref(struct grants *g, struct grant *grant);

/*
 * grants_peer() - is @uid (SO_PEERCRED) one of its container's (the file "ids")? False when there is no such file, and
 * when that range is not this container's any more: one that stopped leaves its ids to the next.
 */
bool grants_peer(struct grants *g, const struct grant *grant, uid_t uid);

/* What was called through one, up to now. */
struct grant_counts {
	struct docker_routes used, refused;
	uint64_t n_used, n_refused;
};

void grants_counts(struct grants *g, const struct grant *grant, struct grant_counts *ret);

/* grants_count() - a call was passed or refused; @route as docker_route_index(). Written at most every 5 s. */
void grants_count(struct grants *g, struct grant *grant, int route, bool refused);

/*
 * grants_event_fd() - readable when grants were made, bound or dropped since the last grants_changes(): the loop that
 * listens has to look. Also when the store itself has something to do there. Borrowed.
 */
int grants_event_fd(const struct grants *g);

/* grants_each() - call @f for every grant, with a reference that lasts for the call. Stops at the first non-zero. */
int grants_each(struct grants *g, int (*f)(void *ctx, struct grant *grant), void *ctx);

/* grants_changes() - acknowledge; writes what was counted, and finds a new keeper when the old one died. */
void grants_changes(struct grants *g);

#endif
