/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/engine-check.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"
#include "guard/engine-probe.h"

#define STACK_SIZE (512u << 10)
#define AWAY_MS	   1000 /* between looks for an engine that is not there */
#define RETRY_MS   5000 /* after a probe that could not be tried; doubled each time */
#define RETRY_MAX  300000
#define SETTLE_S   20

/* A stream that ends with the engine, and speaks when its configuration is reloaded: default-runtime may change. */
#define EVENTS "/events?filters=%7B%22type%22%3A%5B%22daemon%22%5D%7D"

struct engine_check {
	struct engine_check_config config;
	pthread_t thread;
	bool started;
	int wake_fd;
	pthread_mutex_t lock;
	pthread_cond_t settled;
	bool known; /* the probes of this engine's life are done, whatever they found */
	atomic_bool ending, away;
	int retry_ms; /* the thread's */
	char said[1200];
};

static void set(struct engine_check *c, bool known, bool isolated, bool closed)
{
	(void)pthread_mutex_lock(&c->lock);
	c->known = known;
	c->config.host->runc_is_caisson = isolated;
	c->config.host->builds_are_closed = closed;
	(void)pthread_cond_broadcast(&c->settled);
	(void)pthread_mutex_unlock(&c->lock);
}

static void say(struct engine_check *c, const char *text)
{
	if (strcmp(text, c->said) == 0)
		return;
	(void)snprintf(c->said, sizeof c->said, "%s", text);
	c->config.say(c->config.ctx, text);
}

static void say_found(struct engine_check *c, int isolated, int closed, const struct err *why)
{
	char text[1200];

	if (isolated == 1 && closed == 1)
		(void)snprintf(
			text, sizeof text,
			"engine: its runc is Caisson and it grants no entitlement: builds and services pass");
	else if (isolated == 1)
		(void)snprintf(text, sizeof text,
			       "engine: its runc is Caisson: builds and services pass, /grpc is refused: %s",
			       why->msg);
	else
		(void)snprintf(text, sizeof text, "engine: builds and services are refused: %s", why->msg);
	say(c, text);
}

static void probe(struct engine_check *c)
{
	struct err why = { 0 };
	int isolated, closed = 0;

	isolated = c->config.runc_is_caisson ? 1 : engine_probe_containers(c->config.engine, &why);
	if (isolated == 1 && !c->config.runc_is_caisson)
		isolated = engine_probe_builds(c->config.engine, &why);
	if (isolated == 1)
		closed = engine_probe_entitlements(c->config.engine, &why);
	set(c, true, isolated == 1, closed == 1);
	say_found(c, isolated, closed, &why);
	if (isolated >= 0 && closed >= 0)
		c->retry_ms = 0;
	else if (c->retry_ms == 0)
		c->retry_ms = RETRY_MS;
	else if (c->retry_ms < RETRY_MAX)
		c->retry_ms *= 2;
}

/* Return: true when somebody asks for attention within @ms (-1: for ever), or @fd has something. */
static bool wait_for(struct engine_check *c, int fd, int ms, bool *ret_fd)
{
	struct pollfd p[2] = { { .fd = c->wake_fd, .events = POLLIN }, { .fd = fd, .events = POLLIN } };
	uint64_t count;
	int n = poll(p, fd >= 0 ? 2 : 1, ms);

	if (ret_fd)
		*ret_fd = n > 0 && fd >= 0 && p[1].revents;
	if (n > 0 && p[0].revents)
		(void)!read(c->wake_fd, &count, sizeof count);
	return n > 0;
}

/* One life of the engine, which ends with the stream of events. */
static void watch(struct engine_check *c, int events)
{
	char buf[4096];

	c->retry_ms = 0;
	probe(c);
	while (!c->ending) {
		bool spoke;

		(void)wait_for(c, events, c->retry_ms ? c->retry_ms : -1, &spoke);
		if (c->ending)
			return;
		if (spoke) {
			ssize_t n = recv(events, buf, sizeof buf, MSG_DONTWAIT);

			if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
				return;
			if (n < 0)
				continue;
		}
		/* What is to be decided meanwhile waits for what is found; nothing is taken back before. */
		(void)pthread_mutex_lock(&c->lock);
		c->known = false;
		(void)pthread_mutex_unlock(&c->lock);
		probe(c);
	}
}

static void *check_main(void *arg)
{
	struct engine_check *c = arg;

	while (!c->ending) {
		struct err e = { 0 };
		_cleanup_close_ int events = engine_open(c->config.engine, "GET", EVENTS, NULL, &e);

		c->away = events < 0;
		if (events >= 0)
			watch(c, events);
		set(c, false, false, false);
		c->away = true;
		if (events < 0 && !c->ending)
			(void)wait_for(c, -EBADF, AWAY_MS, NULL);
	}
	return NULL;
}

void engine_check_again(struct engine_check *c)
{
	uint64_t one = 1;

	if (c)
		(void)!write(c->wake_fd, &one, sizeof one);
}

static int start(struct engine_check *c)
{
	pthread_attr_t attr;
	int r;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_SIZE);
	r = pthread_create(&c->thread, &attr, check_main, c);
	(void)pthread_attr_destroy(&attr);
	c->started = r == 0;
	return r;
}

int engine_check_new(const struct engine_check_config *config, struct engine_check **ret, struct err *e)
{
	struct engine_check *c = calloc(1, sizeof *c);
	int r = 0;

	if (!c)
		return err_sys(e, ENOMEM, "engine checks");
	c->config = *config;
	(void)pthread_mutex_init(&c->lock, NULL);
	(void)pthread_cond_init(&c->settled, NULL);
	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->wake_fd < 0)
		r = errno;
	else
		r = start(c);
	if (r > 0) {
		engine_check_free(c);
		return err_sys(e, r, "engine checks");
	}
	*ret = c;
	return 0;
}

void engine_check_settle(struct engine_check *c)
{
	struct timespec until = { 0 };
	int fd;

	if (!c)
		return;
	(void)pthread_mutex_lock(&c->lock);
	if (!c->known) {
		(void)pthread_mutex_unlock(&c->lock);
		fd = engine_connect(c->config.engine);
		if (fd < 0)
			return; /* the request will tell */
		(void)fd_close(fd);
		if (c->away)
			engine_check_again(c);
		(void)clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += SETTLE_S;
		(void)pthread_mutex_lock(&c->lock);
	}
	while (!c->known && !c->ending && pthread_cond_timedwait(&c->settled, &c->lock, &until) == 0)
		;
	(void)pthread_mutex_unlock(&c->lock);
}

void engine_check_free(struct engine_check *c)
{
	if (!c)
		return;
	(void)pthread_mutex_lock(&c->lock);
	c->ending = true;
	(void)pthread_cond_broadcast(&c->settled);
	(void)pthread_mutex_unlock(&c->lock);
	engine_check_again(c);
	if (c->started)
		(void)pthread_join(c->thread, NULL);
	(void)fd_close(c->wake_fd);
	(void)pthread_mutex_destroy(&c->lock);
	(void)pthread_cond_destroy(&c->settled);
	free(c);
}
