/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_RELAY_H
#define GUARD_RELAY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "codec/settings.h"
#include "guard/audit.h"
#include "guard/engine-check.h"
#include "guard/engine.h"
#include "guard/judge.h"

/*
 * Carries requests from clients to the engine and answers back, and decides nothing: what judge.h says is done.
 * One epoll loop, and a few threads for decisions that have to ask the engine. Nothing of a client's bytes
 * reaches the engine but what was parsed, judged and written anew, and the bodies and streams of routes that
 * are passed as they come. A connection to the engine carries one request at a time, and is used again only
 * after reads without a body whose answers had a clear end, never after anything that changes something.
 *
 * Limits: a head is complete 10 s after its first byte, a JSON body 60 s after its head; a body that is passed
 * on may pause for an hour; connections at rest, answers and streams have no limit in time, as with the engine.
 * In memory: per connection what one read brought and the other side did not take (128 KiB each way); JSON
 * bodies 4 MiB each, 64 MiB together, 32 MiB of one user.
 */
struct relay;

/* What begins so is answered by relay_config.status, never passed on; without an API version. */
#define RELAY_OWN_PATH	  "/caisson/"
#define RELAY_STATUS_PATH RELAY_OWN_PATH "status"

struct relay_config {
	const int *listen_fds; /* borrowed; non-blocking */
	size_t n_listen;
	int signal_fd; /* signalfd(2), borrowed */
	struct judge_engine *engine;
	const struct judge_host *host; /* borrowed; see judge.h */
	struct engine_check *check;    /* borrowed; what fills in part of @host; NULL: nothing does */
	struct audit *audit;	       /* NULL: none */
	unsigned connections;	       /* of clients, at most */
	unsigned per_user; /* of these, at most this many of one uid; one at rest is closed for a new one */
	void (*on_signal)(void *ctx, struct relay *r, int signo);
	int owner_fd; /* something that the owner waits for, borrowed; negative: nothing */
	void (*on_owner)(void *ctx, struct relay *r); /* it is readable */
	/*
	 * What a GET of a path that begins with RELAY_OWN_PATH answers: a malloc'd JSON text, or NULL: there is no such path. The
	 * peer decides how much it says. NULL: there are no such paths.
	 */
	char *(*status)(void *ctx, const struct relay *r, const char *path, const struct judge_peer *peer);
	/* A build whose image is to be written down has ended (judge_request.build_number). NULL: nobody does. */
	void (*on_built)(void *ctx, const char *number, uid_t uid);
	void (*warn)(void *ctx, const char *message); /* something for the log: the audit file cannot be written */
	void *ctx;
};

/* relay_new() - @settings: taken over on success. @config: borrowed. */
int relay_new(const struct relay_config *config, struct settings *settings, struct relay **ret, struct err *e);

/*
 * relay_set_settings() - judge requests by @settings from now on (taken over on success); those being judged
 * keep the old ones.
 */
int relay_set_settings(struct relay *r, struct settings *settings, struct err *e);

/* relay_sockets() - judge_host.grants was set: serve the sockets of containers as well. Once more is no error. */
int relay_sockets(struct relay *r, struct err *e);

/* relay_run() - serve until relay_stop() and the end of what was being answered, at most 2 s later. */
int relay_run(struct relay *r, struct err *e);

/*
 * relay_stop() - accept nothing more; connections at rest and streams are closed. To be called from on_signal.
 */
void relay_stop(struct relay *r);

/* relay_connections() - of clients, now. */
unsigned relay_connections(const struct relay *r);

/* relay_settings() - those by which requests are judged now; borrowed until relay_set_settings(). */
const struct settings *relay_settings(const struct relay *r);

void relay_free(struct relay *r);

#endif
