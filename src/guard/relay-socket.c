/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets of containers: which there are is the store's to say (socket/grants.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/cleanup.h"
#include "guard/relay-internal.h"
#include "socket/grants.h"

static struct grants *store(const struct relay *r)
{
	return r->config->host->grants;
}

static int listen_on(struct relay *r, struct listener *l)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &l->watch };

	return epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, l->watch.fd, &ev) < 0 ? -errno : 0;
}

/* A socket is open, so no other has its number, while its listener has a reference. NULL: no memory. */
static struct listener **place_of(struct relay *r, int fd)
{
	size_t n = (size_t)fd + 64;

	if ((size_t)fd >= r->n_by_fd) {
		struct listener **more = reallocarray(r->by_fd, n, sizeof(struct listener *));

		if (!more)
			return NULL;
		memset(more + r->n_by_fd, 0, (n - r->n_by_fd) * sizeof(struct listener *));
		r->by_fd = more;
		r->n_by_fd = n;
	}
	return &r->by_fd[fd];
}

static int take_one(void *ctx, struct grant *grant)
{
	struct relay *r = ctx;
	struct listener **at = place_of(r, grant->fd), *l;

	if (!at)
		return -ENOMEM;
	if (*at) {
		(*at)->seen = true;
		return 0;
	}
	l = calloc(1, sizeof *l);
	if (!l)
		return -ENOMEM;
	l->grant = grants_ref(store(r), grant->token);
	if (!l->grant) {
		free(l);
		return 0;
	}
	l->watch = (struct watch){ WATCH_SOCKET, l->grant->fd };
	l->seen = true;
	l->next = r->sockets;
	r->sockets = *at = l;
	return r->deaf || r->stopping ? 0 : listen_on(r, l);
}

static void drop(struct relay *r, struct listener *l)
{
	struct conn *next;

	(void)epoll_ctl(r->epoll_fd, EPOLL_CTL_DEL, l->watch.fd, NULL);
	for (struct conn *c = r->conns; c; c = next) {
		next = c->next;
		if (c->grant && strcmp(c->grant->token, l->grant->token) == 0)
			conn_kill(c);
	}
	r->by_fd[l->grant->fd] = NULL;
	l->watch.fd = -EBADF;
	l->next = r->dead_sockets; /* this turn's events may name it */
	r->dead_sockets = l;
}

void sockets_update(struct relay *r)
{
	struct listener **at = &r->sockets;

	for (struct listener *l = r->sockets; l; l = l->next)
		l->seen = false;
	grants_changes(store(r));
	if (grants_each(store(r), take_one, r) < 0)
		r->config->warn(r->config->ctx,
				"a container's Docker socket cannot be listened on: out of memory or files");
	while (*at) {
		struct listener *l = *at;

		if (l->seen) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		drop(r, l);
	}
}

int sockets_deaf(struct relay *r, bool deaf)
{
	int error = 0;

	for (struct listener *l = r->sockets; l; l = l->next)
		if (deaf)
			(void)epoll_ctl(r->epoll_fd, EPOLL_CTL_DEL, l->watch.fd, NULL);
		else if (listen_on(r, l) < 0)
			error = -errno;
	return error;
}

void sockets_bury(struct relay *r)
{
	while (r->dead_sockets) {
		struct listener *l = r->dead_sockets;

		r->dead_sockets = l->next;
		grants_unref(store(r), l->grant);
		free(l);
	}
}

void sockets_free(struct relay *r)
{
	while (r->sockets) {
		struct listener *l = r->sockets;

		r->sockets = l->next;
		drop(r, l);
	}
	sockets_bury(r);
	free(r->by_fd);
}
