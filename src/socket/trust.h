/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKET_TRUST_H
#define SOCKET_TRUST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "codec/settings.h"

/*
 * May containers of this image have the Docker socket? Decided by contents: the image's id, which is the digest of its
 * configuration (or, with the containerd image store, of its manifest or index), has to be among the digests that the
 * image's own registry has under an allowed name. Names of the local image (RepoTags, RepoDigests; anybody who can
 * load an image forges them) only choose which entries are asked about. Safe in several threads; blocking.
 */
struct trust;

/* What is known of an image; borrowed. All from the engine, of which names and labels are whoever's made the image. */
struct trust_image {
	const char *asked; /* as the client named it, for messages; may be an id */
	const char *id;	   /* "sha256:..." */
	json_t *inspect;   /* GET /images/{id}/json */
};

/* Questions to the engine; @path percent-encoded. Return: 0 (@ret: new reference), -ENOENT, other -errno. */
struct trust_engine {
	int (*get)(void *ctx, const char *path, json_t **ret, struct err *e);
	void *ctx;
};

enum trust_why {
	TRUST_ALLOWED,
	TRUST_EMPTY,	   /* no image is listed (M6) */
	TRUST_NOT_LISTED,  /* M5, M5b when a parent is known */
	TRUST_MOVED,	   /* a listed name, but the registry has something else under it now (E58, L17) */
	TRUST_UNREACHABLE, /* a listed name; the registry did not say what it has */
	TRUST_EXPIRED,	   /* listed until a time that has passed */
	TRUST_ERROR,	   /* the engine did not answer, no memory */
};

struct trust_answer {
	enum trust_why why;
	const struct socket_image *entry; /* that allowed it; of the settings given */
	bool derived;
	char digest[72];     /* that proved it; of a derived image, of its parent */
	char message[1024];  /* of a refusal: without the prefix "enhanced container isolation: " (M5, M5b, M6) */
	const char *setting; /* key of the settings that decided */
};

struct trust_config {
	const char *state_dir; /* borrowed; absolute: DIR/digests is made below it; NULL: memory only */
	const char *helper;    /* borrowed; path of caisson-registry; NULL: registries cannot be asked */
	void (*say)(void *ctx, const char *message); /* for the log; NULL: nobody listens */
	/* Was image @id built here by user @uid? NULL: nobody knows, and entries with a label allow nothing. */
	bool (*built)(void *ctx, const char *id, uid_t uid);
	void *ctx;
};

int trust_new(const struct trust_config *config, struct trust **ret, struct err *e);
void trust_free(struct trust *t);

/*
 * trust_decide() - @ret->why tells. May take as long as registries take, at most 15 s in all; decisions of which all is
 * known and fresh ask nobody. @s is borrowed, and @ret points into it.
 */
void trust_decide(struct trust *t, const struct settings *s, const struct trust_engine *engine,
		  const struct trust_image *image, uid_t uid, struct trust_answer *ret);

/*
 * trust_credentials() - user @uid used these for @registry in a request that the engine is now to obey
 * (X-Registry-Auth, base64url of JSON; untrusted). Kept in memory for ten minutes, used for that user's decisions
 * only, and for that registry only.
 */
void trust_credentials(struct trust *t, uid_t uid, const char *registry, const char *header);

/* trust_warm() - ask about what @s lists by tag or digest ahead of time, in the background. @s is copied. */
void trust_warm(struct trust *t, const struct settings *s);

#endif
