/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKET_TRUST_INTERNAL_H
#define SOCKET_TRUST_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "socket/digests.h"
#include "socket/trust.h"

/*
 * What the parts of trust share: trust.c decides, trust-derived.c finds parents, trust-credentials.c keeps
 * passwords.
 */

#define TRUST_NAMES_MAX 64 /* of RepoTags, and of RepoDigests: that many are looked at */

struct trust {
	struct trust_config config;
	char *dir; /* owned; NULL: none */
	struct digests *digests;
	pthread_mutex_t lock; /* of what follows */
	struct credentials *credentials;
	struct lineage *lineage;
};

/* An image as far as entries of a list are about it. */
struct candidate {
	const char *id, *descriptor; /* borrowed; @descriptor "" where the engine gives none */
	json_t *labels;		     /* borrowed; may be NULL */
	struct image_ref *names;     /* owned; claims */
	size_t n;
	bool untagged; /* none of them has a tag */
};

/* candidate_make() - @asked may be NULL or no name at all. @inspect: of the engine, or one of its list. -ENOMEM. */
int candidate_make(const char *asked, const char *id, const json_t *inspect, struct candidate *ret);
void candidate_done(struct candidate *c);

/* In the order in which one outweighs another when nothing allows an image. */
enum proof {
	PROOF_NO, /* the entry is about something else */
	PROOF_EXPIRED,
	PROOF_ABSENT,	   /* the registry has nothing under the name */
	PROOF_MOVED,	   /* the registry has something else under the name */
	PROOF_UNREACHABLE, /* the registry did not say */
	PROOF_YES,
};

struct finding {
	enum proof proof;
	const struct socket_image *entry;
	struct image_ref asked; /* the question to the registry, where there was one */
	char digest[72];	/* with PROOF_YES */
	char why[300];		/* what the registry said instead */
};

/* One decision. */
struct deciding {
	struct trust *t;
	const struct settings *settings;
	const struct trust_engine *engine;
	const struct trust_image *image;
	uid_t uid;
	int64_t deadline_ms, now; /* CLOCK_MONOTONIC; seconds since 1970 */
};

/* prove() - is the image what the entry is about? By contents, as trust.h says. */
struct finding prove(const struct deciding *d, const struct socket_image *entry, const struct candidate *c);

/* prove_set() - what the registry has under @asked. PROOF_YES: *@ret is a reference; .digest is empty. */
struct finding prove_set(const struct deciding *d, const struct socket_image *entry, const struct image_ref *asked,
			 struct digest_set **ret);

/* entry_ended() - its time has passed. */
bool entry_ended(const struct deciding *d, const struct socket_image *entry);

/* ---- trust-derived.c ---- */

int lineage_new(struct lineage **ret);
void lineage_free(struct lineage *l);

/*
 * derived_find() - is the image made from one that an entry with "derived" is about? @best: of what else was found,
 * only what outweighs it replaces it. Return: 0; -errno with @e when the engine does not answer.
 */
int derived_find(const struct deciding *d, struct finding *best, struct err *e);

/*
 * derived_parent() - the name of the nearest image that is here and that this one is made from, whether it is listed or
 * not, into @ret; "": none is known. Takes about a second at most; what it learns makes it quicker.
 */
void derived_parent(const struct deciding *d, char *ret, size_t size);

/* ---- trust-credentials.c ---- */

struct credentials *credentials_new(void);
void credentials_free(struct credentials *c);

/* With the lock. @now_ms: CLOCK_MONOTONIC */
void credentials_put(struct credentials *c, uid_t uid, const char *registry, const char *header, int64_t now_ms);

/* credentials_get() - with the lock. malloc'd, or NULL. */
char *credentials_get(struct credentials *c, uid_t uid, const char *registry, int64_t now_ms);

#endif
