/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKET_DIGESTS_H
#define SOCKET_DIGESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "codec/settings-socket.h"

/*
 * What registries have under a name, remembered: in memory and in one file per name below a directory of root's.
 * Never believed beyond its age (settings: digestMaxAge): after that it is asked for again, by one thread while the
 * others wait. Younger than digestMaxAge + staleMaxAge: used at once and asked for in the background. With
 * offline "lastKnown": also when the registry does not answer, for at most a week. What is too old is asked for with
 * what is known: where the name still stands for that, nothing is fetched. What a digest stands for never changes and has
 * no age. A file that is damaged, from the future, or not root's alone is as good as not there.
 *
 * Names are chosen by users, so all is bounded: 4096 names and 64 MiB, the ones unused for longest go; 8 questions at
 * once, 2 of them to one registry (1 in the background), 10 s each; a refusal is remembered for 10 s and a failure for
 * 5 s (per credentials), and a registry that says when to come again is not asked before. Safe in several threads.
 */
struct digests;

struct digest_set {
	char **digests; /* index, manifests, configurations: all that this name stands for; sorted */
	size_t n;
	const char *
		first; /* of them before sorting: of the index or manifest that the name itself names; NULL: none */
	/* For derived images, of one platform each: diff ids of the layers and the history's commands, oldest first. */
	struct digest_image {
		char config[72];
		char os[32], architecture[32], variant[32];
		char **layers;
		size_t n_layers;
		char **history; /* "created|created_by|comment" of every entry; created as RFC 3339 has it, or "" */
		size_t n_history;
	} * images;
	size_t n_images;
};

enum digests_result {
	DIGESTS_FOUND,
	DIGESTS_NONE,	     /* the registry has nothing under this name; what it said is in @e */
	DIGESTS_UNREACHABLE, /* why is in @e */
};

struct digests_config {
	const char *dir;    /* borrowed; made, 0700; NULL: none */
	const char *helper; /* borrowed; NULL: none */
	const char *certs;  /* borrowed; as /etc/docker/certs.d, see registry-ask.h; NULL: none */
	void (*say)(void *ctx, const char *message); /* what an administrator should know; NULL: nobody listens */
	void *ctx;
};

/* digests_new() - -EPERM and the like when the directory is not root's alone. */
int digests_new(const struct digests_config *config, struct digests **ret, struct err *e);

/* digests_free() - ends what is asked in the background. Nobody may be in any other function. */
void digests_free(struct digests *d);

/*
 * digests_get() - @ref: with tag or digest (both: the digest; neither: latest). @auth: X-Registry-Auth of the client
 * (base64 of JSON, untrusted), or NULL; the administrator's credentials go before. What is found with anybody's
 * holds for everybody. @ret: a reference, to be dropped by digest_set_unref(). @deadline_ms: CLOCK_MONOTONIC.
 */
enum digests_result digests_get(struct digests *d, const struct settings_socket *s, const struct image_ref *ref,
				const char *auth, int64_t deadline_ms, struct digest_set **ret, struct err *e);

/*
 * digests_peek() - what is there, of whatever age; asks nobody. @ret_fresh: digests_get() would use it as it is. NULL:
 * nothing. A reference.
 */
struct digest_set *digests_peek(struct digests *d, const struct settings_socket *s, const struct image_ref *ref,
				bool *ret_fresh);

/* digests_refresh() - ask in the background unless what is there is fresh. */
void digests_refresh(struct digests *d, const struct settings_socket *s, const struct image_ref *ref);

bool digest_set_has(const struct digest_set *set, const char *digest);
struct digest_set *digest_set_ref(struct digest_set *set);
void digest_set_unref(struct digest_set *set);

#endif
