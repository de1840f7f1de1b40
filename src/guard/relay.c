/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/relay.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"
#include "guard/relay-internal.h"
#include "socket/grants.h"

#define EVENTS	   64
#define SWEEP_MS   1000
#define RETRY_MS   20
#define ACCEPT_MAX 64 /* in one turn of the loop */
#define CROWD	   256u

static int64_t clock_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void policy_unref(struct policy *p)
{
	if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	settings_done(&p->settings);
	free(p);
}

int relay_set_settings(struct relay *r, struct settings *settings, struct err *e)
{
	struct policy *p = malloc(sizeof *p);

	if (!p)
		return err_sys(e, ENOMEM, "settings");
	p->settings = *settings;
	*settings = (struct settings){ 0 };
	atomic_init(&p->refs, 1);
	policy_unref(r->policy);
	r->policy = p;
	gate_close_open_ones(r);
	return 0;
}

unsigned relay_connections(const struct relay *r)
{
	return r->n_conns;
}

const struct settings *relay_settings(const struct relay *r)
{
	return &r->policy->settings;
}

static int watch(struct relay *r, struct watch *w, enum watch_kind kind, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = w };

	*w = (struct watch){ kind, fd };
	return epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

int relay_sockets(struct relay *r, struct err *e)
{
	int error = watch(r, &r->grants, WATCH_GRANTS, grants_event_fd(r->config->host->grants));

	if (error < 0 && error != -EEXIST)
		return err_sys(e, -error, "Docker sockets of containers");
	sockets_update(r);
	return 0;
}

static int watch_all(struct relay *r)
{
	int fd, error;

	r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->judged.fd = fd;
	r->listeners = calloc(r->config->n_listen, sizeof *r->listeners);
	if (r->epoll_fd < 0 || fd < 0 || !r->listeners)
		return r->listeners ? -errno : -ENOMEM;
	error = watch(r, &r->judged, WATCH_JUDGED, fd);
	if (error == 0)
		error = watch(r, &r->signals, WATCH_SIGNAL, r->config->signal_fd);
	if (error == 0 && r->config->on_owner && r->config->owner_fd >= 0)
		error = watch(r, &r->owner, WATCH_OWNER, r->config->owner_fd);
	for (size_t i = 0; i < r->config->n_listen && error == 0; i++)
		error = watch(r, &r->listeners[i], WATCH_LISTEN, r->config->listen_fds[i]);
	return error;
}

int relay_new(const struct relay_config *config, struct settings *settings, struct relay **ret, struct err *e)
{
	struct relay *r = calloc(1, sizeof *r);
	int error;

	if (!r)
		return err_sys(e, ENOMEM, "relay");
	r->config = config;
	r->epoll_fd = r->judged.fd = -EBADF;
	r->now = clock_ms();
	error = watch_all(r);
	if (error < 0)
		(void)err_sys(e, -error, "relay");
	else
		error = pool_new(r->judged.fd, &r->pool, e);
	if (error == 0)
		error = relay_set_settings(r, settings, e);
	if (error < 0) {
		relay_free(r);
		return error;
	}
	*ret = r;
	return 0;
}

static void bury(struct relay *r)
{
	while (r->dead_conns) {
		struct conn *c = r->dead_conns;

		r->dead_conns = c->next;
		free(c);
	}
	while (r->dead_exchanges) {
		struct exchange *x = r->dead_exchanges;

		r->dead_exchanges = x->next;
		exchange_free(r, x);
	}
	while (r->dead_ends) {
		struct end *end = r->dead_ends;

		r->dead_ends = end->next;
		free(end);
	}
	sockets_bury(r);
}

void relay_free(struct relay *r)
{
	if (!r)
		return;
	while (r->conns)
		conn_kill(r->conns);
	pool_free(r->pool);
	engine_close(r, 0);
	sockets_free(r);
	bury(r);
	policy_unref(r->policy);
	(void)fd_close(r->judged.fd);
	(void)fd_close(r->epoll_fd);
	free(r->listeners);
	free(r);
}

static struct user *user_of(struct relay *r, uid_t uid, const struct grant *grant)
{
	struct user *u;

	for (u = r->users; u; u = u->next)
		if (grant ? strcmp(u->token, grant->token) == 0 : !*u->token && u->uid == uid)
			return u;
	u = calloc(1, sizeof *u);
	if (u) {
		u->uid = uid;
		if (grant)
			memcpy(u->token, grant->token, sizeof u->token);
		u->next = r->users;
		r->users = u;
	}
	return u;
}

/* Of the connections at rest (of one user, or of all), close the one that has rested longest. */
static bool evict(struct relay *r, const struct user *u)
{
	struct conn *oldest = NULL;

	for (struct conn *c = r->conns; c; c = c->next)
		if ((!u || c->user == u) && c->state == CONN_HEAD && c->in.len == 0 && c->client.out.len == 0 &&
		    (!oldest || c->since < oldest->since))
			oldest = c;
	if (oldest)
		conn_kill(oldest);
	return oldest;
}

static void add_conn(struct relay *r, int client, const struct listener *socket)
{
	struct grants *grants = r->config->host->grants;
	struct grant *grant = socket ? socket->grant : NULL;
	_cleanup_close_ int fd = client;
	socklen_t len = sizeof(struct ucred);
	struct conn *c = calloc(1, sizeof *c);
	struct ucred cred;
	struct user *u;
	bool full = false, stranger;

	if (!c || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || !(u = user_of(r, cred.uid, grant))) {
		free(c);
		return;
	}
	u->connections++; /* it lasts while connections of its are evicted */
	if (u->connections > (grant ? GRANT_CONNECTIONS : r->config->per_user))
		full = !evict(r, u);
	else if (r->n_conns >= r->config->connections)
		full = !evict(r, NULL);
	c->relay = r;
	c->user = u;
	c->grant = grant ? grants_ref(grants, grant->token) : NULL;
	stranger = grant && (!c->grant || !grants_peer(grants, c->grant, cred.uid));
	c->peer = (struct judge_peer){ .pid = cred.pid, .uid = cred.uid, .gid = cred.gid };
	c->since = r->now;
	c->client.watch.fd = -EBADF;
	c->next = r->conns;
	if (c->next)
		c->next->prev = c;
	r->conns = c;
	r->n_conns++;
	if (end_open(r, &c->client, WATCH_CLIENT, fd, c) < 0) {
		conn_kill(c); /* ours is closed here, by its own owner */
		return;
	}
	(void)TAKE_FD(fd);
	if (stranger) {
		conn_refuse(c, 403,
			    "enhanced container isolation: this Docker socket belongs to another container",
			    "docker socket", NULL);
		conn_run(c);
	} else if (full) {
		conn_refuse(c, 503, "too many connections of this user; close some", "limits", NULL);
		conn_run(c);
	}
}

/* @socket: the container's whose socket it is, NULL: the host's. */
static void accept_some(struct relay *r, const struct watch *w, const struct listener *socket)
{
	for (unsigned i = 0; i < ACCEPT_MAX; i++) {
		int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			add_conn(r, fd, socket);
			continue;
		}
		if ((errno == EMFILE || errno == ENFILE) && r->at_rest) {
			engine_close(r, 0);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			/* Waking up for what cannot be accepted would only burn time. */
			for (size_t k = 0; k < r->config->n_listen; k++)
				(void)epoll_ctl(r->epoll_fd, EPOLL_CTL_DEL, r->listeners[k].fd, NULL);
			(void)sockets_deaf(r, true);
			r->deaf = true;
		}
		return;
	}
}

static void take_judged(struct relay *r)
{
	struct exchange *x = pool_take(r->pool), *next;

	for (; x; x = next) {
		struct conn *c = x->conn;

		next = x->next;
		x->next = NULL;
		if (!c) {
			exchange_free(r, x);
			continue;
		}
		x->phase = PHASE_CONNECT;
		request_judged(x);
		conn_run(c);
	}
}

static void take_signal(struct relay *r)
{
	struct signalfd_siginfo info;

	while (read(r->signals.fd, &info, sizeof info) == (ssize_t)sizeof info)
		r->config->on_signal(r->config->ctx, r, (int)info.ssi_signo);
}

void relay_stop(struct relay *r)
{
	if (r->stopping)
		return;
	r->stopping = true;
	r->stop_at = r->now + STOP_MS;
	for (size_t i = 0; i < r->config->n_listen && !r->deaf; i++)
		(void)epoll_ctl(r->epoll_fd, EPOLL_CTL_DEL, r->listeners[i].fd, NULL);
	if (!r->deaf)
		(void)sockets_deaf(r, true);
}

/* What has no end of its own is closed at once when the guard ends. */
static void close_endless(struct relay *r)
{
	struct conn *next;

	for (struct conn *c = r->conns; c; c = next) {
		next = c->next;
		if ((c->state == CONN_HEAD || (c->state == CONN_EXCHANGE && c->x->phase == PHASE_TUNNEL)) &&
		    !c->client.out.len)
			conn_kill(c);
	}
}

static void sweep(struct relay *r)
{
	struct conn *next;

	r->next_sweep = r->now + SWEEP_MS;
	for (struct conn *c = r->n_deadlines ? r->conns : NULL; c; c = next) {
		next = c->next;
		if (c->deadline && c->deadline <= r->now)
			conn_timeout(c);
	}
	engine_close(r, ENGINE_KEPT);
	if (!r->deaf || r->stopping)
		return;
	r->deaf = false;
	for (size_t i = 0; i < r->config->n_listen; i++)
		if (watch(r, &r->listeners[i], WATCH_LISTEN, r->listeners[i].fd) < 0)
			r->deaf = true;
	if (sockets_deaf(r, false) < 0)
		r->deaf = true;
}

static void retry_connects(struct relay *r)
{
	struct conn *next;

	r->n_connecting = 0;
	for (struct conn *c = r->conns; c; c = next) {
		next = c->next;
		if (c->state != CONN_EXCHANGE || c->x->phase != PHASE_CONNECT)
			continue;
		request_connect(c->x);
		conn_run(c);
	}
}

static int wait_ms(const struct relay *r)
{
	if (r->n_connecting)
		return RETRY_MS;
	if (r->stopping)
		return 50;
	return r->n_deadlines || r->deaf || r->n_at_rest > ENGINE_KEPT ? SWEEP_MS : -1;
}

static void dispatch(struct relay *r, const struct epoll_event *ev)
{
	struct watch *w = ev->data.ptr;

	switch (w->kind) {
	case WATCH_LISTEN:
		if (!r->stopping && !r->deaf)
			accept_some(r, w, NULL);
		return;
	case WATCH_SOCKET: /* one that was dropped in this turn has no fd */
		if (!r->stopping && !r->deaf && w->fd >= 0)
			accept_some(r, w, (struct listener *)w);
		return;
	case WATCH_GRANTS:
		sockets_update(r);
		return;
	case WATCH_SIGNAL:
		take_signal(r);
		return;
	case WATCH_OWNER:
		r->config->on_owner(r->config->ctx, r);
		return;
	case WATCH_JUDGED:
		take_judged(r);
		return;
	case WATCH_REST:
		engine_gone(r, (struct end *)w);
		return;
	case WATCH_CLIENT:
	case WATCH_ENGINE:
		/* An end that was closed in this turn stays allocated until bury(), with no fd. */
		if (w->fd >= 0) {
			struct end *end = (struct end *)w;

			conn_event(end->conn, end, ev->events);
		}
		return;
	}
}

/*
 * The heap keeps the memory of a burst of connections: by itself malloc gives back only what is free at its very end,
 * and something small always lies behind.
 */
static void give_back(struct relay *r)
{
	if (r->n_conns > r->crowd)
		r->crowd = r->n_conns;
	if (r->crowd < CROWD || r->n_conns > r->crowd / 8)
		return;
	r->crowd = r->n_conns;
	(void)malloc_trim(0);
}

int relay_run(struct relay *r, struct err *e)
{
	struct epoll_event events[EVENTS];

	while (!r->stopping || (r->conns && r->now < r->stop_at)) {
		int n = epoll_wait(r->epoll_fd, events, EVENTS, wait_ms(r));

		if (n < 0 && errno != EINTR)
			return err_sys(e, errno, "waiting for events");
		r->now = clock_ms();
		for (int i = 0; i < n; i++)
			dispatch(r, &events[i]);
		if (r->n_connecting)
			retry_connects(r);
		if (r->now >= r->next_sweep)
			sweep(r);
		if (r->stopping)
			close_endless(r);
		bury(r);
		give_back(r);
	}
	return 0;
}
