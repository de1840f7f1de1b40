/* SPDX-License-Identifier: Apache-2.0 */
#include "socket/digests.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/cleanup.h"
#include "codec/sha256.h"
#include "socket/digest-files.h"
#include "socket/digest-set.h"
#include "socket/registry-ask.h"
#include "sys/root-dir.h"

#define NAME_MAX_LEN  (IMAGE_NAME_MAX + IMAGE_TAG_MAX + 2) /* the longer of tag and digest */
#define NAMES_MAX     4096u
#define BYTES_MAX     (64u << 20)
#define BUCKETS	      1024u
#define HOSTS_MAX     256u
#define ASKED_MAX     8u /* questions at once, of one registry 2 */
#define ASKED_OF_ONE  2u
#define WORKERS_MAX   4u
#define TIME_LIMIT_MS 10000
#define NONE_MS	      10000
#define FAILED_MS     5000
#define WEEK_MS	      (7 * 24 * 3600 * INT64_C(1000))
#define NEGATIVES     4

/* What was said instead of digests, and to whom. */
struct negative {
	char auth[SHA256_HEX]; /* of the credentials; "" without any */
	bool none;
	int64_t until;
	char message[256];
};

struct name {
	struct name *next; /* in its bucket */
	uint64_t used;
	struct digest_set *set; /* NULL: nothing known */
	int64_t fetched;	/* boot_ms() */
	bool loaded;		/* the file was looked at */
	bool fetching;		/* by one thread; keeps it from being dropped */
	bool queued;
	struct negative negative[NEGATIVES];
	unsigned next_negative;
	char text[];
};

struct host {
	char name[IMAGE_NAME_MAX + 1];
	unsigned asked, background;
	int64_t not_before;
};

struct task {
	struct task *next;
	struct image_ref ref;
	struct digest_set
		*known; /* a reference: what the registry may say that it is still the same; NULL: nothing */
	struct registry_ask asks[REGISTRY_ASKS_MAX];
};

struct digests {
	struct digests_config config;
	int dir, stop; /* directory or -EBADF; eventfd */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct name *buckets[BUCKETS];
	size_t n_names, bytes;
	uint64_t clock; /* of uses */
	struct host hosts[HOSTS_MAX];
	unsigned asked; /* questions that are being put */
	struct task *first, **last;
	pthread_t workers[WORKERS_MAX];
	unsigned n_workers, idle;
	bool stopping;
};

/* Goes on while the machine sleeps, as what registries have does. */
static int64_t boot_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void name_text(const struct image_ref *ref, char buf[static NAME_MAX_LEN + 1])
{
	size_t n = strlen(image_ref_name(ref, buf, NAME_MAX_LEN + 1));
	const char *what = *ref->digest ? ref->digest : *ref->tag ? ref->tag : "latest";

	(void)snprintf(buf + n, NAME_MAX_LEN + 1 - n, "%c%s", *ref->digest ? '@' : ':', what);
}

/* ---- names in memory; all with the lock ---- */

static struct name **bucket_of(struct digests *d, const char *text)
{
	uint32_t h = 2166136261u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 16777619u;
	return &d->buckets[h % BUCKETS];
}

static struct name *find(struct digests *d, const char *text)
{
	struct name *n = *bucket_of(d, text);

	while (n && strcmp(n->text, text) != 0)
		n = n->next;
	if (n)
		n->used = ++d->clock;
	return n;
}

static void put_set(struct digests *d, struct name *n, struct digest_set *set, int64_t fetched)
{
	if (n->set)
		d->bytes -= digest_set_size(n->set);
	digest_set_unref(n->set);
	n->set = set;
	n->fetched = fetched;
	if (set)
		d->bytes += digest_set_size(set);
}

static void drop(struct digests *d, struct name *n)
{
	struct name **p = bucket_of(d, n->text);

	while (*p != n)
		p = &(*p)->next;
	*p = n->next;
	put_set(d, n, NULL, 0);
	free(n);
	d->n_names--;
}

/* Make room: what was not used for longest goes, its file as well where there are too many names. */
static void shrink(struct digests *d, const struct name *keep)
{
	while (d->n_names > NAMES_MAX || d->bytes > BYTES_MAX) {
		struct name *oldest = NULL;

		for (size_t i = 0; i < BUCKETS; i++)
			for (struct name *n = d->buckets[i]; n; n = n->next)
				if (n != keep && !n->fetching && !n->queued && (!oldest || n->used < oldest->used))
					oldest = n;
		if (!oldest)
			return;
		if (d->n_names > NAMES_MAX)
			digest_file_remove(d->dir, oldest->text);
		drop(d, oldest);
	}
}

/* The record of a name, with what its file says. NULL: no memory. */
static struct name *look_up(struct digests *d, const struct image_ref *ref, const char *text)
{
	struct name *n = find(d, text), **bucket;
	struct digest_set *set;
	int64_t age_ms;

	if (!n) {
		n = calloc(1, sizeof *n + strlen(text) + 1);
		if (!n)
			return NULL;
		memcpy(n->text, text, strlen(text) + 1);
		n->used = ++d->clock;
		bucket = bucket_of(d, text);
		n->next = *bucket;
		*bucket = n;
		d->n_names++;
	}
	if (!n->loaded) {
		n->loaded = true;
		set = digest_file_load(d->dir, text, *ref->digest ? ref->digest : NULL, &age_ms);
		if (set)
			put_set(d, n, set, boot_ms() - age_ms);
	}
	shrink(d, n);
	return n;
}

/* @stale_too: as long as it may be used, and not only as long as it need not be asked for. */
static bool is_fresh(const struct name *n, const struct settings_socket *s, bool stale_too)
{
	int64_t limit = (int64_t)s->digest_max_age * 1000;

	if (stale_too)
		limit += (int64_t)s->stale_max_age * 1000;
	return n->set && (strchr(n->text, '@') || boot_ms() - n->fetched <= limit);
}

static const struct negative *negative_of(const struct name *n, const char *auth)
{
	int64_t now = boot_ms();

	for (size_t i = 0; i < NEGATIVES; i++)
		if (n->negative[i].until > now && strcmp(n->negative[i].auth, auth) == 0)
			return &n->negative[i];
	return NULL;
}

static void put_negative(struct name *n, const char *auth, bool none, const char *message)
{
	struct negative *neg = &n->negative[n->next_negative];

	n->next_negative = (n->next_negative + 1) % NEGATIVES;
	(void)snprintf(neg->auth, sizeof neg->auth, "%s", auth);
	neg->none = none;
	neg->until = boot_ms() + (none ? NONE_MS : FAILED_MS);
	(void)snprintf(neg->message, sizeof neg->message, "%.*s", (int)sizeof neg->message - 1, message);
}

/* ---- asking ---- */

static int wait_until(struct digests *d, int64_t deadline_ms)
{
	struct timespec ts = { .tv_sec = deadline_ms / 1000, .tv_nsec = deadline_ms % 1000 * 1000000 };

	return -pthread_cond_timedwait(&d->changed, &d->lock, &ts);
}

/* With the lock; good until it is let go. NULL: too many at once. */
static struct host *host_of(struct digests *d, const char *name)
{
	struct host *spare = NULL;

	for (size_t i = 0; i < HOSTS_MAX; i++) {
		struct host *h = &d->hosts[i];

		if (strcmp(h->name, name) == 0)
			return h;
		if (h->asked == 0 && (!spare || h->not_before < spare->not_before))
			spare = h;
	}
	if (spare) {
		*spare = (struct host){ 0 };
		(void)snprintf(spare->name, sizeof spare->name, "%s", name);
	}
	return spare;
}

/* Wait for one's turn. What is asked in the background leaves one turn to those who wait for an answer. */
static int begin(struct digests *d, const char *name, bool background, int64_t deadline_ms, struct err *e)
{
	for (;;) {
		struct host *h = host_of(d, name);
		int64_t now = boot_ms();

		if (d->stopping)
			return err_set(e, ECANCELED, "%s is not asked any more", name);
		if (h && h->not_before > now)
			return err_set(e, EAGAIN, "%s does not want to be asked for another %lld s", name,
				       (long long)(h->not_before - now) / 1000 + 1);
		if (h && d->asked < ASKED_MAX && h->asked < ASKED_OF_ONE && !(background && h->background > 0)) {
			d->asked++;
			h->asked++;
			h->background += background;
			return 0;
		}
		if (wait_until(d, deadline_ms) == -ETIMEDOUT)
			return err_set(e, ETIMEDOUT, "%s is busy with other questions", name);
	}
}

static void end(struct digests *d, const char *name, bool background, unsigned retry_after)
{
	struct host *h = host_of(d, name); /* there: nothing that is asked is put out */

	d->asked--;
	if (h) {
		h->asked--;
		h->background -= background;
		if (retry_after)
			h->not_before = boot_ms() + (int64_t)retry_after * 1000;
	}
	(void)pthread_cond_broadcast(&d->changed);
}

/* An answer, in which "still the same" has become what that is. */
static int read_answer(const struct task *t, const char *text, size_t len, struct digest_answer *ret,
		       struct err *e)
{
	struct digest_answer a;
	int r = digest_answer_read(text, len, *t->ref.digest ? t->ref.digest : NULL, &a, e);

	if (r < 0)
		return r;
	if (a.status == DIGEST_SAME) {
		if (!t->known || !t->known->first)
			return err_set(e, EINVAL, "the same as what, it was not told");
		a.status = DIGEST_FOUND;
		a.set = digest_set_ref(t->known);
	}
	*ret = a;
	return 0;
}

/* One question, without the lock. What cannot be used is a failure. */
static void ask_one(struct digests *d, const struct task *t, const struct registry_ask *ask, bool background,
		    int64_t deadline_ms, struct digest_answer *ret)
{
	int64_t limit = registry_now_ms() + TIME_LIMIT_MS;
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };
	size_t len;
	int r;

	*ret = (struct digest_answer){ .status = DIGEST_FAILED };
	(void)pthread_mutex_lock(&d->lock);
	r = begin(d, ask->host, background, limit < deadline_ms ? limit : deadline_ms, &e);
	(void)pthread_mutex_unlock(&d->lock);
	if (r == 0) {
		limit = registry_now_ms() + TIME_LIMIT_MS;
		r = registry_ask_run(d->config.helper, ask, d->stop, limit < deadline_ms ? limit : deadline_ms,
				     &text, &len, &e);
		if (r == 0) {
			r = read_answer(t, text, len, ret, &e);
			if (r < 0)
				(void)err_ctx(&e, r, "%s: the answer cannot be used", ask->host);
		}
		(void)pthread_mutex_lock(&d->lock);
		end(d, ask->host, background, ret->retry_after);
		(void)pthread_mutex_unlock(&d->lock);
	}
	if (r < 0)
		(void)snprintf(ret->message, sizeof ret->message, "%.*s", (int)sizeof ret->message - 1, e.msg);
}

/* All that may be asked about a name, in order. The last one's word counts. */
static void ask_all(struct digests *d, const struct task *t, bool background, int64_t deadline_ms,
		    struct digest_answer *ret)
{
	*ret = (struct digest_answer){ .status = DIGEST_FAILED, .message = "nobody is there to ask registries" };
	for (size_t i = 0; i < REGISTRY_ASKS_MAX && t->asks[i].job && d->config.helper; i++) {
		ask_one(d, t, &t->asks[i], background, deadline_ms, ret);
		if (ret->status == DIGEST_FOUND)
			return;
	}
}

/* The end of what "fetching" began; takes over the answer's set. Without the lock. */
static void store(struct digests *d, const char *text, const char *auth, struct digest_answer *a)
{
	char message[NAME_MAX_LEN + 128];
	struct name *n;
	int r = a->status == DIGEST_FOUND ? digest_file_save(d->dir, text, a->set) : 0;

	if (r < 0 && d->config.say) {
		(void)snprintf(message, sizeof message, "%s: what its registry has is kept in memory only: %s: %s",
			       text, d->config.dir, strerrordesc_np(-r));
		d->config.say(d->config.ctx, message);
	}
	if (a->status == DIGEST_NONE)
		digest_file_remove(d->dir, text);
	(void)pthread_mutex_lock(&d->lock);
	n = find(d, text);
	if (n) {
		n->fetching = false;
		if (a->status == DIGEST_FOUND) {
			memset(n->negative, 0, sizeof n->negative);
			put_set(d, n, digest_set_ref(a->set), boot_ms());
			shrink(d, n);
		} else {
			put_negative(n, auth, a->status == DIGEST_NONE, a->message);
			if (a->status == DIGEST_NONE)
				put_set(d, n, NULL, 0);
		}
	}
	(void)pthread_cond_broadcast(&d->changed);
	(void)pthread_mutex_unlock(&d->lock);
	digest_set_unref(a->set);
	a->set = NULL;
}

static int make_asks(struct digests *d, const struct settings_socket *s, const char *auth, struct task *t,
		     struct err *e)
{
	return registry_ask_make(s, d->config.certs, &t->ref, auth, t->known ? t->known->first : NULL, t->asks, e);
}

static void task_done(struct task *t)
{
	registry_asks_done(t->asks);
	digest_set_unref(t->known);
}

/* @known: taken over */
static void fetch(struct digests *d, const struct settings_socket *s, const struct image_ref *ref,
		  struct digest_set *known, const char *auth, const char *auth_key, int64_t deadline_ms)
{
	struct task t = { .ref = *ref, .known = known };
	struct digest_answer a = { .status = DIGEST_FAILED };
	char text[NAME_MAX_LEN + 1];
	struct err e = { 0 };

	name_text(ref, text);
	if (make_asks(d, s, auth, &t, &e) < 0)
		(void)snprintf(a.message, sizeof a.message, "%.*s", (int)sizeof a.message - 1, e.msg);
	else
		ask_all(d, &t, false, deadline_ms, &a);
	task_done(&t);
	store(d, text, auth_key, &a);
}

/* ---- in the background ---- */

static void task_free(struct task *t)
{
	task_done(t);
	free(t);
}

/* With the lock, which is let go while the question is put. */
static void do_task(struct digests *d, struct task *t)
{
	char text[NAME_MAX_LEN + 1];
	struct digest_answer a;
	struct name *n;

	name_text(&t->ref, text);
	n = find(d, text);
	if (!n || n->fetching || d->stopping) {
		if (n)
			n->queued = false;
		return;
	}
	n->queued = false;
	n->fetching = true;
	(void)pthread_mutex_unlock(&d->lock);
	ask_all(d, t, true, registry_now_ms() + 4 * TIME_LIMIT_MS, &a);
	store(d, text, "", &a);
	(void)pthread_mutex_lock(&d->lock);
}

static void *work(void *arg)
{
	struct digests *d = arg;

	(void)pthread_mutex_lock(&d->lock);
	for (;;) {
		struct task *t = d->first;

		if (!t && d->stopping)
			break;
		if (!t) {
			d->idle++;
			(void)pthread_cond_wait(&d->changed, &d->lock);
			d->idle--;
			continue;
		}
		d->first = t->next;
		if (!d->first)
			d->last = &d->first;
		do_task(d, t);
		task_free(t);
	}
	(void)pthread_mutex_unlock(&d->lock);
	return NULL;
}

/* With the lock. Without any thread nobody asks in the background, and those who need an answer wait for it. */
static void enqueue(struct digests *d, struct task *t)
{
	if (d->idle == 0 && d->n_workers < WORKERS_MAX &&
	    pthread_create(&d->workers[d->n_workers], NULL, work, d) == 0)
		d->n_workers++;
	*d->last = t;
	d->last = &t->next;
	(void)pthread_cond_broadcast(&d->changed);
}

/* Without the lock: files are read for it. @known: taken over. */
static void ask_later(struct digests *d, const struct settings_socket *s, const struct image_ref *ref,
		      struct digest_set *known)
{
	struct task *t = calloc(1, sizeof *t);
	char text[NAME_MAX_LEN + 1];
	struct name *n;

	name_text(ref, text);
	if (!t) {
		digest_set_unref(known);
		return;
	}
	t->ref = *ref;
	t->known = known;
	if (!d->config.helper || make_asks(d, s, NULL, t, NULL) < 0) {
		task_free(t);
		return;
	}
	(void)pthread_mutex_lock(&d->lock);
	n = find(d, text);
	if (n && !n->queued && !n->fetching && !d->stopping) {
		n->queued = true;
		enqueue(d, TAKE_PTR(t));
	}
	(void)pthread_mutex_unlock(&d->lock);
	if (t)
		task_free(t);
}

void digests_refresh(struct digests *d, const struct settings_socket *s, const struct image_ref *ref)
{
	char text[NAME_MAX_LEN + 1];
	struct digest_set *known = NULL;
	struct name *n;
	bool later;

	name_text(ref, text);
	(void)pthread_mutex_lock(&d->lock);
	n = look_up(d, ref, text);
	later = n && !is_fresh(n, s, false) && !n->queued && !n->fetching && !negative_of(n, "");
	if (later)
		known = digest_set_ref(n->set);
	(void)pthread_mutex_unlock(&d->lock);
	if (later)
		ask_later(d, s, ref, known);
}

/* ---- what others call ---- */

struct digest_set *digests_peek(struct digests *d, const struct settings_socket *s, const struct image_ref *ref,
				bool *ret_fresh)
{
	char text[NAME_MAX_LEN + 1];
	struct digest_set *set = NULL;
	struct name *n;

	name_text(ref, text);
	(void)pthread_mutex_lock(&d->lock);
	n = look_up(d, ref, text);
	if (n && n->set) {
		set = digest_set_ref(n->set);
		*ret_fresh = is_fresh(n, s, true);
	}
	(void)pthread_mutex_unlock(&d->lock);
	return set;
}

/* The registry did not answer. With the lock. */
static enum digests_result last_known(struct digests *d, const struct settings_socket *s, const struct name *n,
				      const char *why, bool say, struct digest_set **ret, struct err *e)
{
	int64_t age = boot_ms() - n->fetched;
	char text[NAME_MAX_LEN + 512];

	if (s->offline == SOCKET_OFFLINE_LAST_KNOWN && n->set && age <= WEEK_MS) {
		if (say && d->config.say) {
			(void)snprintf(text, sizeof text, "%s: %.255s; what was there %lld s ago counts", n->text,
				       why, (long long)age / 1000);
			d->config.say(d->config.ctx, text);
		}
		*ret = digest_set_ref(n->set);
		return DIGESTS_FOUND;
	}
	(void)err_set(e, EHOSTUNREACH, "%s", why);
	return DIGESTS_UNREACHABLE;
}

enum digests_result digests_get(struct digests *d, const struct settings_socket *s, const struct image_ref *ref,
				const char *auth, int64_t deadline_ms, struct digest_set **ret, struct err *e)
{
	enum digests_result result = DIGESTS_UNREACHABLE;
	char text[NAME_MAX_LEN + 1], auth_key[SHA256_HEX] = "", late[IMAGE_NAME_MAX + 64];
	int64_t began = boot_ms();
	bool later = false, asked = false;
	struct digest_set *known;
	const struct negative *neg;
	struct name *n;

	name_text(ref, text);
	if (auth)
		sha256_hex(auth, strlen(auth), auth_key);
	(void)pthread_mutex_lock(&d->lock);
	for (;;) {
		n = look_up(d, ref, text);
		if (!n) {
			(void)err_sys(e, ENOMEM, "%s", text);
			break;
		}
		neg = negative_of(n, auth_key);
		/* With ages of nothing at all, what was fetched since we came is still an answer. */
		if (is_fresh(n, s, true) || (n->set && n->fetched >= began)) {
			later = !asked && !is_fresh(n, s, false) && !n->queued && !n->fetching &&
				!negative_of(n, "");
			*ret = digest_set_ref(n->set);
			result = DIGESTS_FOUND;
			break;
		}
		if (neg && neg->none) {
			(void)err_set(e, ENOENT, "%s", neg->message);
			result = DIGESTS_NONE;
			break;
		}
		if (neg) {
			result = last_known(d, s, n, neg->message, asked, ret, e);
			break;
		}
		if (registry_now_ms() >= deadline_ms) {
			(void)snprintf(late, sizeof late, "%s does not answer in time", ref->registry);
			result = last_known(d, s, n, late, true, ret, e);
			break;
		}
		if (n->fetching) {
			(void)wait_until(d, deadline_ms);
			continue;
		}
		n->fetching = asked = true;
		known = digest_set_ref(n->set);
		(void)pthread_mutex_unlock(&d->lock);
		fetch(d, s, ref, known, auth, auth_key, deadline_ms);
		(void)pthread_mutex_lock(&d->lock);
	}
	(void)pthread_mutex_unlock(&d->lock);
	if (later)
		ask_later(d, s, ref, digest_set_ref(*ret));
	return result;
}

int digests_new(const struct digests_config *config, struct digests **ret, struct err *e)
{
	struct digests *d = calloc(1, sizeof *d);
	pthread_condattr_t attr;

	if (!d)
		return err_sys(e, ENOMEM, "digests");
	d->config = *config;
	d->last = &d->first;
	d->dir = -EBADF;
	d->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	(void)pthread_mutex_init(&d->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&d->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	if (d->stop < 0) {
		int r = err_sys(e, errno, "eventfd");

		digests_free(d);
		return r;
	}
	if (config->dir) {
		d->dir = root_dir_open(config->dir, true, e);
		if (d->dir < 0) {
			int r = d->dir;

			digests_free(d);
			return r;
		}
		digest_files_prune(d->dir, NAMES_MAX);
	}
	*ret = d;
	return 0;
}

void digests_free(struct digests *d)
{
	if (!d)
		return;
	(void)pthread_mutex_lock(&d->lock);
	d->stopping = true;
	if (d->stop >= 0)
		(void)eventfd_write(d->stop, 1);
	(void)pthread_cond_broadcast(&d->changed);
	(void)pthread_mutex_unlock(&d->lock);
	for (unsigned i = 0; i < d->n_workers; i++)
		(void)pthread_join(d->workers[i], NULL);
	for (struct task *t = d->first, *next; t; t = next) {
		next = t->next;
		task_free(t);
	}
	for (size_t i = 0; i < BUCKETS; i++)
		while (d->buckets[i])
			drop(d, d->buckets[i]);
	(void)pthread_cond_destroy(&d->changed);
	(void)pthread_mutex_destroy(&d->lock);
	(void)fd_close(d->dir);
	(void)fd_close(d->stop);
	free(d);
}
