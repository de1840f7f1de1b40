/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/socket-watch.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

#define STACK_SIZE (512u << 10)
#define AWAY_MS	   1000 /* between looks for an engine that is not there */
#define BURST_MS   500	/* removals come in bursts */
#define SWEEP_MS   300000

/* {"type":["container"],"event":["destroy"]} */
#define EVENTS "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22destroy%22%5D%7D"

struct socket_watch {
	struct judge_engine *engine;
	struct grants *grants;
	struct built *built;
	void (*say)(void *ctx, const char *message);
	bool told; /* that the list cannot be read */
	pthread_t thread;
	int wake_fd;
	atomic_bool ending;
};

struct sweep {
	struct socket_watch *watch;
	const json_t *containers; /* NULL: it cannot be read */
	time_t asked;		  /* when it was asked for */
	char (*drop)[GRANT_TOKEN_LEN + 1];
	size_t n, size;
};

static bool has_container(const json_t *containers, const char *id)
{
	const json_t *c;
	size_t i;

	json_array_foreach(containers, i, c) {
		const char *other = json_string_value(json_object_get(c, "Id"));

		if (other && strcmp(other, id) == 0)
			return true;
	}
	return false;
}

static bool is_mounted(struct grants *grants, const json_t *containers, const char *token)
{
	char found[GRANT_TOKEN_LEN + 1];
	const json_t *c, *m;
	size_t i, k;

	json_array_foreach(containers, i, c)
		json_array_foreach(json_object_get(c, "Mounts"), k, m) {
			const char *source = json_string_value(json_object_get(m, "Source"));

			if (source && grants_token(grants, source, found) && strcmp(found, token) == 0)
				return true;
		}
	return false;
}

/*
 * The list is older than the grants are now: that a container is not in it is no proof. Its id has one meaning for ever.
 * Return: 1 it is gone, 0 it may be there, -ETIMEDOUT.
 */
static int is_gone(struct sweep *s, const char *id)
{
	char path[128];
	json_t *container;
	struct err e = { 0 };
	int r;

	if (s->containers && has_container(s->containers, id))
		return 0;
	(void)snprintf(path, sizeof path, "/containers/%s/json", id);
	r = engine_get(s->watch->engine, path, &container, &e);
	if (r == 0)
		json_decref(container);
	return r == -ETIMEDOUT ? r : r == -ENOENT;
}

static int look_at(void *ctx, struct grant *grant)
{
	struct sweep *s = ctx;
	int gone;

	if (s->watch->ending)
		return 1;
	if (*grant->container)
		gone = is_gone(s, grant->container);
	else
		gone = s->containers && s->asked - grant->created >= SOCKET_UNUSED_S &&
		       !is_mounted(s->watch->grants, s->containers, grant->token);
	if (gone <= 0)
		return gone; /* the others would not be answered for either */
	if (s->n == s->size) {
		size_t size = s->size ? s->size * 2 : 16;
		void *more = reallocarray(s->drop, size, sizeof *s->drop);

		if (!more)
			return -ENOMEM;
		s->drop = more;
		s->size = size;
	}
	memcpy(s->drop[s->n++], grant->token, sizeof *s->drop);
	return 0;
}

static int count_one(void *ctx, struct grant *grant)
{
	(void)grant;
	++*(size_t *)ctx;
	return 1; /* one is enough */
}

static void tell(struct socket_watch *w, const struct err *e)
{
	char text[1200];

	if (w->told)
		return;
	w->told = true;
	(void)snprintf(text, sizeof text,
		       "Docker sockets of containers that were never started are kept until the engine's list of "
		       "containers can be read again: %s",
		       e->msg);
	w->say(NULL, text);
}

static void sweep(struct socket_watch *w)
{
	struct sweep s = { .watch = w, .asked = time(NULL) };
	struct err e = { 0 };
	json_t *containers = NULL;
	size_t any = 0;

	(void)grants_each(w->grants, count_one, &any);
	if (!any)
		return;
	if (engine_get(w->engine, "/containers/json?all=1", &containers, &e) == 0 && !json_is_array(containers))
		(void)err_set(&e, EIO, "it is no list");
	if (e.code == ETIMEDOUT)
		return;
	if (e.code) {
		tell(w, &e);
	} else {
		w->told = false;
		s.containers = containers;
	}
	(void)grants_each(w->grants, look_at, &s);
	for (size_t i = 0; i < s.n; i++)
		grants_drop(w->grants, s.drop[i]);
	free(s.drop);
	json_decref(containers);
}

/* Return: whether @fd has something. Looks at builds that have ended meanwhile. */
static bool wait_for(struct socket_watch *w, int fd, int ms)
{
	struct pollfd p[2] = { { .fd = w->wake_fd, .events = POLLIN }, { .fd = fd, .events = POLLIN } };
	bool has = poll(p, fd >= 0 ? 2 : 1, ms) > 0 && fd >= 0 && p[1].revents;
	uint64_t count;

	if (!w->ending && p[0].revents) {
		(void)!read(w->wake_fd, &count, sizeof count);
		built_look(w->built, w->engine);
	}
	return has;
}

/* One life of the engine, which ends with the stream of events. What they say is not read: the list says it all. */
static void follow(struct socket_watch *w, int events)
{
	char buf[4096];
	time_t swept = time(NULL);

	sweep(w);
	while (!w->ending) {
		if (!wait_for(w, events, SWEEP_MS)) {
			if (!w->ending && time(NULL) >= swept + SWEEP_MS / 1000) {
				sweep(w);
				swept = time(NULL);
			}
			continue;
		}
		(void)wait_for(w, -1, BURST_MS);
		for (;;) {
			ssize_t n = recv(events, buf, sizeof buf, MSG_DONTWAIT);

			if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
				return;
			if (n < 0)
				break;
		}
		if (!w->ending)
			sweep(w);
	}
}

static void *watch_main(void *arg)
{
	struct socket_watch *w = arg;

	while (!w->ending) {
		struct err e = { 0 };
		int fd = engine_open(w->engine, "GET", EVENTS, NULL, &e);

		if (fd >= 0) {
			follow(w, fd);
			(void)fd_close(fd);
		}
		if (!w->ending)
			(void)wait_for(w, -1, AWAY_MS);
	}
	return NULL;
}

void socket_watch_built(struct socket_watch *w)
{
	uint64_t one = 1;

	(void)!write(w->wake_fd, &one, sizeof one);
}

int socket_watch_new(struct judge_engine *engine, struct grants *grants, struct built *built,
		     void (*say)(void *ctx, const char *message), struct socket_watch **ret, struct err *e)
{
	struct socket_watch *w = calloc(1, sizeof *w);
	pthread_attr_t attr;
	int r;

	if (!w)
		return err_sys(e, ENOMEM, "watching containers");
	w->engine = engine;
	w->grants = grants;
	w->built = built;
	w->say = say;
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->wake_fd < 0) {
		r = errno;
		free(w);
		return err_sys(e, r, "watching containers");
	}
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_SIZE);
	r = pthread_create(&w->thread, &attr, watch_main, w);
	(void)pthread_attr_destroy(&attr);
	if (r) {
		(void)fd_close(w->wake_fd);
		free(w);
		return err_sys(e, r, "watching containers");
	}
	*ret = w;
	return 0;
}

void socket_watch_free(struct socket_watch *w)
{
	uint64_t one = 1;

	if (!w)
		return;
	w->ending = true;
	(void)!write(w->wake_fd, &one, sizeof one);
	(void)pthread_join(w->thread, NULL);
	(void)fd_close(w->wake_fd);
	free(w);
}
