/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "socket/trust-internal.h"

#define ALL_MAX	   256
#define USER_MAX   16 /* of one user: nobody puts out another's */
#define HEADER_MAX (64u << 10)
#define TIME_MS	   (10 * 60 * 1000)

struct credential {
	uid_t uid;
	char registry[IMAGE_NAME_MAX + 1];
	char *header; /* owned; NULL: the place is free */
	int64_t until;
};

struct credentials {
	struct credential all[ALL_MAX];
};

static void drop(struct credential *c)
{
	if (c->header)
		explicit_bzero(c->header, strlen(c->header));
	free(c->header);
	*c = (struct credential){ 0 };
}

struct credentials *credentials_new(void)
{
	return calloc(1, sizeof(struct credentials));
}

void credentials_free(struct credentials *c)
{
	for (size_t i = 0; c && i < ALL_MAX; i++)
		drop(&c->all[i]);
	free(c);
}

static struct credential *find(struct credentials *c, uid_t uid, const char *registry, int64_t now_ms)
{
	struct credential *found = NULL;

	for (size_t i = 0; i < ALL_MAX; i++) {
		struct credential *x = &c->all[i];

		if (x->header && x->until <= now_ms)
			drop(x);
		if (x->header && x->uid == uid && strcmp(x->registry, registry) == 0)
			found = x;
	}
	return found;
}

/* A free place, or the one that ends first; of the user's own where he has many. */
static struct credential *place(struct credentials *c, uid_t uid)
{
	struct credential *first = NULL, *own = NULL, *free_one = NULL;
	size_t n = 0;

	for (size_t i = 0; i < ALL_MAX; i++) {
		struct credential *x = &c->all[i];

		if (!x->header) {
			free_one = x;
			continue;
		}
		if (!first || x->until < first->until)
			first = x;
		if (x->uid != uid)
			continue;
		n++;
		if (!own || x->until < own->until)
			own = x;
	}
	return n >= USER_MAX ? own : free_one ? free_one : first;
}

void credentials_put(struct credentials *c, uid_t uid, const char *registry, const char *header, int64_t now_ms)
{
	struct credential *x;
	char *copy;

	if (strlen(header) > HEADER_MAX || strlen(registry) > IMAGE_NAME_MAX || !(copy = strdup(header)))
		return;
	x = find(c, uid, registry, now_ms);
	if (!x)
		x = place(c, uid);
	drop(x);
	x->uid = uid;
	(void)snprintf(x->registry, sizeof x->registry, "%s", registry);
	x->header = copy;
	x->until = now_ms + TIME_MS;
}

char *credentials_get(struct credentials *c, uid_t uid, const char *registry, int64_t now_ms)
{
	const struct credential *x = find(c, uid, registry, now_ms);

	return x ? strdup(x->header) : NULL;
}
