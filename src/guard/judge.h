/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_JUDGE_H
#define GUARD_JUDGE_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "codec/settings.h"

/*
 * What the guard thinks of one request to the Docker Engine API. Two steps, because a body may be a gigabyte: the
 * head alone decides which route it is and what is done with the body, then the request is judged as a whole.
 * Closed world: what is no route of the table is refused. Everything in a request is untrusted.
 */

struct judge_request;
struct judge_verdict;
struct judge_engine;

/* One query parameter or form field, percent-decoded, in the order of the request. NUL bytes are refused before. */
struct judge_pair {
	const char *key, *value;
};

enum judge_body {
	BODY_EMPTY, /* none, or ignored by the engine: Content-Length 0 or no body at all; anything else is refused */
	BODY_JSON,   /* read whole (at most JUDGE_BODY_MAX), parsed strictly, judged, written anew from the tree */
	BODY_STREAM, /* passed on as it comes (tar archives): nothing in it is judged */
};

#define JUDGE_BODY_MAX (4u << 20)
#define JUDGE_ENTRIES  8 /* containers that make containers that have the Docker socket */

struct judge_route {
	const char *name;    /* "container_create": for audit and command lists */
	const char *methods; /* "GET HEAD" */
	const char *pattern; /* "/containers/{}/start"; {} is one segment, {*} one or more (image names) */
	enum judge_body body;
	bool hijack;  /* may answer 101 or turn the connection into a two-way stream */
	bool refused; /* never passed on; the judge says why */
	int (*judge)(struct judge_request *q, struct judge_verdict *v); /* NULL: pass as it is */
};

struct judge_peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

/*
 * What the guard knows about the host it runs on: the same for every request, from its command line and its
 * self-test (engine-check.h), which may change its mind at any time.
 */
struct judge_host {
	const char *const
		*protected_paths; /* canonical: the engine's socket, the one listened on, state, settings */
	size_t n_protected;
	/* The engine's PATH resolves runc to Caisson: what runs as "runc" is isolated as well. Without it builds, services
	 * and containers from before are refused. */
	atomic_bool runc_is_caisson;
	atomic_bool
		builds_are_closed; /* the self-test proved that the engine grants no entitlement: /grpc may pass */
	/*
	 * Who may have the engine's socket, and who has it (rules-socket.c). NULL: nobody. Set once, @trust first; safe in
	 * several threads.
	 */
	struct trust *trust;
	struct grants *_Atomic grants;
	struct built *_Atomic built; /* which images were built here; with @grants */
	bool explains;		     /* nothing is made: what would be is told (`caissonctl explain`) */
};

struct judge_request {
	const struct judge_route *route;
	const char *method;
	const char *version;	/* "1.41", NULL: unversioned */
	const char *path;	/* decoded, without version: "/containers/create" */
	const char *segment[4]; /* what the {} of the pattern stand for */
	const struct judge_pair *query;
	size_t n_query;
	/* Owned. BODY_JSON: the tree (an object), may be changed in place; NULL: the request has no body. The judge drops it
	 * where the engine ignores bodies: what is sent on is what is here afterwards. */
	json_t *body;
	const struct judge_peer *peer;
	const struct settings *settings;
	const struct judge_host *host; /* NULL: nothing is known, the strictest is assumed */
	struct judge_engine *engine;   /* asks the engine about containers, images, volumes; see engine.h */
	const char *target;	       /* as the client wrote it, for messages */
	/* The container's socket through which it came, a reference of the relay's; NULL: the host's. */
	struct grant *grant;
	/* Of @settings: what allows @grant, and then those by whose sockets it was made; all of them hold. By socket_judge(). */
	const struct socket_image *entries[JUDGE_ENTRIES];
	size_t n_entries;
	/* Set when a container is made that is to have a socket: to be dropped if the engine does not make it. */
	char socket_token[33];
	char build_number[33];		/* of a build whose image is to be written down (built.h) */
	char *made_name, *made_filters; /* owned: what query_set of the verdict points to */
	char *heap, *segment_heap;	/* owned: what the strings above point into */
	/* Owned; what is sent on instead of path, with the id of the container that was judged; NULL: path. */
	char *pinned_path;
};

enum judge_what {
	JUDGE_REFUSE = 0, /* the zero verdict */
	JUDGE_PASS,	  /* query and body (changed or not) are written anew */
	JUDGE_ANSWER,	  /* the guard answers itself: 200 with verdict.answer */
};

struct judge_verdict {
	enum judge_what what;
	char *answer;			/* of JUDGE_ANSWER: JSON, malloc'd, taken over by whoever sends it */
	int status;			/* of a refusal: 403 by policy, 400 bad request, 404, 501 */
	char message[2048];		/* what the client is told: names the rule and the cure */
	const char *rule;		/* "namespaces", "restricted host mount": static or from settings */
	const char *setting;		/* key of the settings file that decided, or NULL */
	char changes[1024];		/* what was rewritten, for the audit log; empty: nothing */
	struct judge_pair query_set[8]; /* query parameters to replace or add (value NULL: remove) */
	size_t n_query_set;
};

/*
 * judge_route() - find the route of a request head. @target is the raw request target; on success *@q has method,
 * version, path, segments and query filled in (storage in @heap, freed by judge_request_done()).
 * Return: 0; or -EINVAL with @v filled (400: path not canonical ("//", "/./", "..", bad escapes, control
 * characters), or 501/403: no such route).
 */
int judge_route(const char *method, const char *target, struct judge_request *q, struct judge_verdict *v);

/*
 * judge() - the decision about a request whose body was read as its route says. @q has what judge_route() filled
 * in, and body, peer, settings, host and engine. *@v is overwritten. Asks the engine and looks at the host's file
 * system, so it may block. With settings->enabled false everything that has a route passes.
 */
void judge(struct judge_request *q, struct judge_verdict *v);

/*
 * judge_target() - the request target to send on: version, path and query (with v->query_set) encoded anew.
 * malloc'd.
 */
char *judge_target(const struct judge_request *q, const struct judge_verdict *v);

/* judge_request_done() - free what @q owns, the body included. */
void judge_request_done(struct judge_request *q);

#endif
