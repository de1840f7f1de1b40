/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKET_REGISTRY_ASK_H
#define SOCKET_REGISTRY_ASK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "codec/settings-socket.h"

/* Questions to registries, put by caisson-registry (registry/job.h): what it is given, and running it. */

#define REGISTRY_ASKS_MAX 2 /* the administrator's mirror, then the registry itself */

struct registry_ask {
	char host[IMAGE_NAME_MAX + 1]; /* whom it goes to: limits are counted by it */
	char *job;		       /* owned: JSON; has passwords in it */
	size_t len;
};

/*
 * registry_ask_make() - @ref: with tag or digest. @auth: the client's X-Registry-Auth (untrusted) or NULL; used for the
 * registry itself only, and not where settings name credentials. @known: the digest that @ref stood for when it was
 * asked for last, or NULL: without it "same" is no answer. Files that settings name, and below @certs (may be NULL)
 * those of HOST, as docker does: *.crt, where settings name no CA, and the first *.cert by name with its *.key. They
 * are read here, and have to be root's alone. Return: how many of @ret; -errno with the file's name.
 */
int registry_ask_make(const struct settings_socket *s, const char *certs, const struct image_ref *ref,
		      const char *auth, const char *known, struct registry_ask ret[static REGISTRY_ASKS_MAX],
		      struct err *e);

void registry_asks_done(struct registry_ask asks[static REGISTRY_ASKS_MAX]);

/*
 * registry_ask_run() - start @helper, give it the job, and read what it answers. Killed at @deadline_ms
 * (CLOCK_MONOTONIC) or when
 * @stop_fd is readable. It has no fd but its three, and of the environment what names proxies.
 * @ret: malloc'd, NUL-terminated, untrusted. Return: 0, -ETIMEDOUT, -ECANCELED, -EIO (it failed), ...
 */
int registry_ask_run(const char *helper, const struct registry_ask *ask, int stop_fd, int64_t deadline_ms,
		     char **ret, size_t *ret_len, struct err *e);

/* registry_now_ms() - CLOCK_MONOTONIC. */
int64_t registry_now_ms(void);

#endif
