/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads in which requests are judged: a decision may have to ask the engine and wait. Whoever makes the
 * guard ask much does not keep others waiting: one user has at most half of the threads.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/cleanup.h"
#include "codec/json-read.h"
#include "guard/relay-internal.h"
#include "guard/socket-watch.h"
#include "socket/grants.h"

#define THREADS	   6
#define STACK_SIZE (512u << 10)
#define SESSION_NS 300000000

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t more;
	pthread_t threads[THREADS];
	unsigned n_threads;
	struct exchange *first, **last; /* waiting */
	struct exchange *judged;
	uid_t busy[THREADS];			   /* whose request each thread has */
	char socket[THREADS][GRANT_TOKEN_LEN + 1]; /* and by which container's socket, "": the host's */
	bool is_busy[THREADS];
	bool ending;
	int event_fd;
};

struct worker {
	struct pool *pool;
	unsigned index;
};

static void set_refusal(struct judge_verdict *v, int status, const char *rule, const char *message)
{
	v->what = JUDGE_REFUSE;
	v->status = status;
	v->rule = rule;
	(void)snprintf(v->message, sizeof v->message, "%s", message);
}

/* The engine takes "application/json" with parameters; a charset other than its own would be another text. */
static bool is_json_type(const char *type)
{
	static const char name[] = "application/json";

	if (!type || strncasecmp(type, name, sizeof name - 1) != 0)
		return false;
	type += sizeof name - 1;
	type += strspn(type, " \t");
	if (*type == '\0')
		return true;
	if (*type++ != ';')
		return false;
	type += strspn(type, " \t");
	return strcasecmp(type, "charset=utf-8") == 0 || strcasecmp(type, "charset=\"utf-8\"") == 0;
}

/* docker commit without changes sends this: to the engine it is the same as nothing. */
static bool is_null(const char *s, size_t len)
{
	static const char blank[] = " \t\r\n";
	size_t n = strlen("null");

	for (; len > 0 && memchr(blank, *s, sizeof blank - 1); len--)
		s++;
	for (; len > 0 && memchr(blank, s[len - 1], sizeof blank - 1); len--)
		;
	return len == n && memcmp(s, "null", n) == 0;
}

/* Return: 0, or -EINVAL with the refusal in the verdict. */
static int read_body(struct exchange *x)
{
	struct err e = { 0 };

	if (x->q.route->body != BODY_JSON || x->body.len == 0)
		return 0;
	if (!is_json_type(h1_field_get(&x->head, "Content-Type"))) {
		set_refusal(&x->v, 415, "request body",
			    "the body of this request has to be application/json in UTF-8");
		return -EINVAL;
	}
	if (is_null(x->body.data, x->body.len))
		return 0;
	if (json_read("request body", x->body.data, x->body.len, &x->q.body, &e) < 0) {
		set_refusal(&x->v, 400, "request body", e.msg);
		return -EINVAL;
	}
	if (!json_is_object(x->q.body)) {
		set_refusal(&x->v, 400, "request body", "the body of this request has to be a JSON object");
		return -EINVAL;
	}
	return 0;
}

/* Is it a request about containers that the engine makes by itself? */
static bool needs_checks(const struct judge_route *route)
{
	static const char *const names[] = { "build", "grpc", "service_create", "service_update",
					     "container_start" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(route->name, names[i]) == 0)
			return true;
	return false;
}

/*
 * docker opens a session beside its request to build, and hangs for ever when the build is refused before the session is
 * there (seen with 20.10). Refusals of builds are rare, and there are few of these threads for each user.
 */
static void give_session_time(const struct exchange *x)
{
	const struct timespec time = { .tv_nsec = SESSION_NS };

	if (strcmp(x->q.route->name, "build") != 0)
		return;
	for (size_t i = 0; i < x->q.n_query; i++)
		if (strcmp(x->q.query[i].key, "session") == 0 && *x->q.query[i].value) {
			(void)nanosleep(&time, NULL);
			return;
		}
}

/*
 * A socket that its client does not wait for until the engine has answered is dropped only after a while: one user of the
 * host must not have them all. What is made through a container's socket has a limit of its own (rules-socket.c).
 */
static void limit_sockets(struct exchange *x)
{
	struct grants *grants = x->relay->config->host->grants;
	char message[512];
	struct err e = { 0 };

	if (x->grant || !*x->q.socket_token || grants_owner(grants, x->q.socket_token, x->peer.uid, &e) == 0)
		return;
	(void)snprintf(message, sizeof message,
		       "enhanced container isolation: %.300s; start some, or remove them and wait %d minutes",
		       e.msg, SOCKET_UNUSED_S / 60);
	set_refusal(&x->v, 503, "docker socket", message);
}

void exchange_judge(struct exchange *x)
{
	struct err e = { 0 };

	if (read_body(x) < 0)
		return;
	if (x->policy->settings.enabled && needs_checks(x->q.route))
		engine_check_settle(x->relay->config->check);
	judge(&x->q, &x->v);
	if (x->v.what == JUDGE_PASS)
		limit_sockets(x);
	if (x->v.what == JUDGE_REFUSE)
		give_session_time(x);
	if (x->v.what != JUDGE_PASS)
		return;
	if (request_write(x, &e) < 0)
		set_refusal(&x->v, 500, NULL, e.msg);
}

static const char *token_of(const struct exchange *x)
{
	return x->grant ? x->grant->token : "";
}

/* The first in the queue whose user does not have half of the threads already. Called with the lock held. */
static struct exchange *next_job(struct pool *p)
{
	for (struct exchange **at = &p->first; *at; at = &(*at)->next) {
		struct exchange *x = *at;
		unsigned of_user = 0;

		for (unsigned i = 0; i < p->n_threads; i++)
			of_user += p->is_busy[i] && strcmp(p->socket[i], token_of(x)) == 0 &&
				   (x->grant || p->busy[i] == x->peer.uid);
		if (of_user >= THREADS / 2)
			continue;
		*at = x->next;
		if (!*at)
			p->last = at;
		x->next = NULL;
		return x;
	}
	return NULL;
}

static void *worker_main(void *arg)
{
	struct worker me = *(struct worker *)arg;
	struct pool *p = me.pool;
	uint64_t one = 1;

	free(arg);
	(void)pthread_mutex_lock(&p->lock);
	while (!p->ending) {
		struct exchange *x = next_job(p);

		if (!x) {
			(void)pthread_cond_wait(&p->more, &p->lock);
			continue;
		}
		p->busy[me.index] = x->peer.uid;
		(void)snprintf(p->socket[me.index], sizeof p->socket[0], "%s", token_of(x));
		p->is_busy[me.index] = true;
		(void)pthread_mutex_unlock(&p->lock);
		exchange_judge(x);
		(void)pthread_mutex_lock(&p->lock);
		p->is_busy[me.index] = false;
		x->next = p->judged;
		p->judged = x;
		(void)pthread_mutex_unlock(&p->lock);
		(void)!write(p->event_fd, &one, sizeof one);
		(void)pthread_mutex_lock(&p->lock);
		/* One that waited because of its user may go on now: in this thread, which looks at all of them next. */
	}
	(void)pthread_mutex_unlock(&p->lock);
	return NULL;
}

int pool_new(int event_fd, struct pool **ret, struct err *e)
{
	struct pool *p = calloc(1, sizeof *p);
	pthread_attr_t attr;
	int r = 0;

	if (!p)
		return err_sys(e, ENOMEM, "worker threads");
	p->event_fd = event_fd;
	p->last = &p->first;
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_cond_init(&p->more, NULL);
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_SIZE);
	for (unsigned i = 0; i < THREADS && r == 0; i++) {
		struct worker *w = malloc(sizeof *w);

		if (!w) {
			r = ENOMEM;
			break;
		}
		*w = (struct worker){ p, i };
		(void)pthread_mutex_lock(&p->lock);
		r = pthread_create(&p->threads[i], &attr, worker_main, w);
		if (r == 0)
			p->n_threads++;
		else
			free(w);
		(void)pthread_mutex_unlock(&p->lock);
	}
	(void)pthread_attr_destroy(&attr);
	if (r > 0) {
		pool_free(p);
		return err_sys(e, r, "worker threads");
	}
	*ret = p;
	return 0;
}

/* Waits for the questions that are on their way to the engine; they end after 10 s at the latest. */
void pool_free(struct pool *p)
{
	if (!p)
		return;
	(void)pthread_mutex_lock(&p->lock);
	p->ending = true;
	(void)pthread_cond_broadcast(&p->more);
	(void)pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->n_threads; i++)
		(void)pthread_join(p->threads[i], NULL);
	/* Nobody waits for these any more: their connections are closed by now. */
	*p->last = p->judged;
	while (p->first) {
		struct exchange *x = p->first;

		p->first = x->next;
		exchange_free(x->relay, x);
	}
	(void)pthread_mutex_destroy(&p->lock);
	(void)pthread_cond_destroy(&p->more);
	free(p);
}

void pool_submit(struct pool *p, struct exchange *x)
{
	(void)pthread_mutex_lock(&p->lock);
	x->next = NULL;
	*p->last = x;
	p->last = &x->next;
	(void)pthread_mutex_unlock(&p->lock);
	/* Without the lock: a thread that wakes up on another processor would only wait for it. */
	(void)pthread_cond_signal(&p->more);
}

struct exchange *pool_take(struct pool *p)
{
	struct exchange *x;
	uint64_t count;

	(void)!read(p->event_fd, &count, sizeof count);
	(void)pthread_mutex_lock(&p->lock);
	x = p->judged;
	p->judged = NULL;
	(void)pthread_mutex_unlock(&p->lock);
	return x;
}
