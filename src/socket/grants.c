/* SPDX-License-Identifier: Apache-2.0 */
#include "socket/grants.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/num.h"
#include "codec/idtext.h"
#include "codec/lexpath.h"
#include "socket/grants-internal.h"
#include "socket/keep.h"
#include "sys/root-dir.h"

#define WRITE_SECONDS 5 /* what was counted; and between attempts to find a keeper */
#define IDS_MAX	      128u
#define OWNERS_MAX    (1u << 20)
#define STACK_SIZE    (128u << 10)

/* What all pictures of one grant have in common. */
struct end {
	unsigned refs;
	int fd;
	struct grant_counts counts;
	uid_t owner;   /* grants_owner() */
	bool owned;    /* it is known */
	bool counted;  /* more than its record says */
	bool unsynced; /* its record is to be on the disk for certain */
};

struct item {
	struct grant grant; /* first: whoever has the one has the other */
	unsigned refs;
	struct end *end;
};

struct grants {
	struct grants_config config;
	char *directory, *state, *ids; /* what config points to */
	int dir, records;
	int keeper; /* -EBADF: none */
	int epoll, event, timer;
	pthread_mutex_t change; /* held over changes with all their writing; taken before: */
	pthread_mutex_t lock;	/* the table, references and counts; never held while anything is written */
	pthread_cond_t sync;	/* something is unsynced, or the end */
	pthread_t syncer;
	bool syncs, ending;
	struct item **items;
	size_t n;
};

static void lock(struct grants *g)
{
	(void)pthread_mutex_lock(&g->lock);
}

static void unlock(struct grants *g)
{
	(void)pthread_mutex_unlock(&g->lock);
}

/* ---- the table; all under the lock ------------------------------------------------------------------------------ */

static struct item **find(struct grants *g, const char *token)
{
	for (size_t i = 0; i < g->n; i++)
		if (strcmp(g->items[i]->grant.token, token) == 0)
			return &g->items[i];
	return NULL;
}

static void unref(struct item *item)
{
	if (--item->refs > 0)
		return;
	if (--item->end->refs == 0) {
		(void)fd_close(item->end->fd);
		free(item->end);
	}
	grant_done(&item->grant);
	free(item);
}

/* One reference. @end: shared with another, or NULL: a new one that owns @fd, on success. */
static struct item *item_new(const struct grant *grant, struct end *end, int fd)
{
	struct item *item = calloc(1, sizeof *item);
	struct end *own = end ? end : calloc(1, sizeof *own);

	if (!item || !own || grant_copy(grant, &item->grant) < 0) {
		free(item);
		if (!end)
			free(own);
		return NULL;
	}
	if (!end)
		own->fd = fd;
	own->refs++;
	item->end = own;
	item->grant.fd = own->fd;
	item->refs = 1;
	return item;
}

static void tell(struct grants *g)
{
	(void)eventfd_write(g->event, 1);
}

static void say(struct grants *g, const char *what, const struct err *e)
{
	char text[1200];

	(void)snprintf(text, sizeof text, "%s: %s", what, e->msg);
	g->config.say(g->config.ctx, text);
}

/* ---- the keeper; all under "change" ---------------------------------------------------------------------------- */

static void arm_timer(struct grants *g)
{
	const struct itimerspec t = { .it_value.tv_sec = WRITE_SECONDS };

	(void)timerfd_settime(g->timer, 0, &t, NULL);
}

static int watch(struct grants *g, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(g->epoll, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

static int hand_over(struct grants *g, struct err *e)
{
	int r = 0;

	/* Only changes make and remove items. */
	for (size_t i = 0; r == 0 && i < g->n; i++)
		r = keep_put(g->keeper, g->items[i]->grant.token, g->items[i]->grant.fd, e);
	return r;
}

/* A keeper that has all of ours, or none; tried again later. */
static void find_keeper(struct grants *g)
{
	struct err e = { 0 };
	int r;

	g->keeper = fd_close(g->keeper);
	r = g->keeper = keep_connect(g->state, &e);
	if (r >= 0)
		r = hand_over(g, &e);
	if (r >= 0)
		r = watch(g, g->keeper);
	if (r >= 0)
		return;
	g->keeper = fd_close(g->keeper);
	say(g, "Docker sockets of containers would not outlive the guard", &e);
	arm_timer(g);
}

/* Let the keeper put (@fd) or drop (-EBADF) one. An answer other than ok may leave it out of step: begin anew. */
static void keeper_does(struct grants *g, const char *token, int fd)
{
	int r = g->keeper;

	if (r >= 0)
		r = fd >= 0 ? keep_put(r, token, fd, NULL) : keep_drop(r, token, NULL);
	if (r < 0)
		find_keeper(g);
}

/* ---- to the disk ------------------------------------------------------------------------------------------------ */

/* With the lock. @ret: the token of a grant whose record is to be on the disk. */
static bool next_unsynced(struct grants *g, char ret[static GRANT_TOKEN_LEN + 1])
{
	for (size_t i = 0; i < g->n; i++)
		if (g->items[i]->end->unsynced) {
			g->items[i]->end->unsynced = false;
			memcpy(ret, g->items[i]->grant.token, GRANT_TOKEN_LEN + 1);
			return true;
		}
	return false;
}

/* A disk may take its time: neither whoever starts a container nor the loop waits for it. */
static void *sync_main(void *arg)
{
	struct grants *g = arg;
	char token[GRANT_TOKEN_LEN + 1];

	lock(g);
	for (;;) {
		struct err e = { 0 };

		if (next_unsynced(g, token)) {
			unlock(g);
			if (record_sync(g->records, token, &e) < 0)
				say(g, "a Docker socket may not outlive a crash of the host", &e);
			lock(g);
		} else if (g->ending) {
			break;
		} else {
			(void)pthread_cond_wait(&g->sync, &g->lock);
		}
	}
	unlock(g);
	return NULL;
}

static int start_syncer(struct grants *g, struct err *e)
{
	pthread_attr_t attr;
	int r;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_SIZE);
	r = pthread_create(&g->syncer, &attr, sync_main, g);
	(void)pthread_attr_destroy(&attr);
	g->syncs = r == 0;
	return r ? err_sys(e, r, "Docker sockets") : 0;
}

static void end_syncer(struct grants *g)
{
	if (!g->syncs)
		return;
	lock(g);
	g->ending = true;
	(void)pthread_cond_signal(&g->sync);
	unlock(g);
	(void)pthread_join(g->syncer, NULL);
}

/* ---- open ------------------------------------------------------------------------------------------------------ */

struct kept {
	char token[GRANT_TOKEN_LEN + 1];
	int fd; /* -EBADF: found its grant */
};

struct loading {
	struct grants *g;
	struct kept *kept; /* KEEP_MAX */
	size_t n_kept;
};

static void found_kept(void *ctx, const char *token, int fd)
{
	struct loading *l = ctx;

	if (l->n_kept == KEEP_MAX) {
		(void)fd_close(fd);
		return;
	}
	memcpy(l->kept[l->n_kept].token, token, sizeof l->kept->token);
	l->kept[l->n_kept++].fd = fd;
}

static int take_kept(struct loading *l, const char *token)
{
	for (size_t i = 0; i < l->n_kept; i++)
		if (strcmp(l->kept[i].token, token) == 0 && token_is_live(l->g->dir, token))
			return TAKE_FD(l->kept[i].fd);
	return -EBADF;
}

static int add_loaded(struct loading *l, const struct grant *grant, const struct grant_counts *counts,
		      struct err *e)
{
	struct grants *g = l->g;
	_cleanup_close_ int fd = take_kept(l, grant->token);
	struct item *item;
	int r = 0;

	if (fd >= 0) { /* for its group only */
		_cleanup_close_ int at = token_dir_make(g->dir, grant->token, g->config.gid, e);

		r = at < 0 ? at : 0;
	} else {
		r = fd = token_listen(g->dir, g->directory, grant->token, g->config.gid, e);
	}
	if (r >= 0 && grant->container[0])
		r = token_claim(g->dir, grant->token, grant->container, e);
	if (r < 0)
		return r;
	item = item_new(grant, NULL, fd);
	if (!item)
		return err_sys(e, ENOMEM, "Docker sockets");
	(void)TAKE_FD(fd);
	item->end->counts = *counts;
	g->items[g->n++] = item;
	return 0;
}

/* One that cannot be had must not keep the guard from its other work: its record stays, for the next time. */
static int load_one(void *ctx, struct grant *grant, const struct grant_counts *counts)
{
	struct loading *l = ctx;
	struct err e = { 0 };
	char text[GRANT_TOKEN_LEN + 64];

	if (l->g->n == GRANTS_MAX)
		(void)err_set(&e, EUSERS, "there are more than %d", GRANTS_MAX);
	if (e.code || add_loaded(l, grant, counts, &e) < 0) {
		(void)snprintf(text, sizeof text, "Docker socket %s does not work", grant->token);
		say(l->g, text, &e);
	}
	grant_done(grant);
	return 0;
}

static void remove_orphan(void *ctx, const char *token)
{
	struct loading *l = ctx;

	if (!find(l->g, token))
		(void)token_dir_remove(l->g->dir, token);
}

static int load(struct grants *g, struct err *e)
{
	struct loading l = { .g = g, .kept = calloc(KEEP_MAX, sizeof *l.kept) };
	struct err why = { 0 };
	int r;

	if (!l.kept)
		return err_sys(e, ENOMEM, "Docker sockets");
	g->keeper = keep_connect(g->state, &why);
	/* Once more: it may have been about to leave, with nothing to do. */
	if (g->keeper >= 0 && keep_list(g->keeper, found_kept, &l, &why) < 0) {
		(void)fd_close(g->keeper);
		g->keeper = keep_connect(g->state, &why);
		if (g->keeper >= 0 && keep_list(g->keeper, found_kept, &l, &why) < 0)
			g->keeper = fd_close(g->keeper);
	}
	r = records_read(g->records, &g->config, load_one, &l, e);
	for (size_t i = 0; i < l.n_kept; i++) {
		if (r == 0 && l.kept[i].fd >= 0 && !find(g, l.kept[i].token) && g->keeper >= 0)
			(void)keep_drop(g->keeper, l.kept[i].token, NULL);
		(void)fd_close(l.kept[i].fd);
	}
	free(l.kept);
	if (r == 0)
		r = token_dirs_each(g->dir, remove_orphan, &l);
	if (r < 0)
		return err_ctx(e, r, "Docker sockets");
	if (g->keeper < 0 || hand_over(g, &why) < 0 || watch(g, g->keeper) < 0)
		find_keeper(g);
	return 0;
}

static int lock_directory(struct grants *g, struct err *e)
{
	/* A guard that was killed while it started its keeper has for a moment more a child that holds the lock. */
	for (int i = 0; flock(g->dir, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK)
			return err_sys(e, errno, "lock directory %s", g->directory);
		if (i == 50)
			return err_set(e, EBUSY, "directory %s: another guard has its sockets there",
				       g->directory);
		(void)nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	}
	return 0;
}

static int open_dirs(struct grants *g, struct err *e)
{
	_cleanup_free_ char *records = NULL;
	struct stat st;
	int r;

	g->dir = root_dir_open(g->directory, true, e);
	if (g->dir < 0)
		return g->dir;
	r = lock_directory(g, e);
	if (r < 0)
		return r;
	if (asprintf(&records, "%s/grants", g->state) < 0) {
		records = NULL;
		return err_sys(e, ENOMEM, "Docker sockets");
	}
	if (mkdir(records, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make directory %s", records);
	g->records = open(records, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (g->records < 0 || fstat(g->records, &st) < 0)
		return err_sys(e, errno, "directory %s", records);
	if (!is_roots_alone(&st))
		return err_set(e, EPERM, "directory %s must belong to root and be writable by nobody else",
			       records);
	g->epoll = epoll_create1(EPOLL_CLOEXEC);
	g->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (g->epoll < 0 || g->event < 0 || g->timer < 0)
		return err_sys(e, errno, "Docker sockets");
	r = watch(g, g->event);
	if (r == 0)
		r = watch(g, g->timer);
	return r < 0 ? err_sys(e, -r, "Docker sockets") : 0;
}

int grants_open(const struct grants_config *config, struct grants **ret, struct err *e)
{
	struct grants *g = calloc(1, sizeof *g);
	int r;

	if (!g)
		return err_sys(e, ENOMEM, "Docker sockets");
	*g = (struct grants){ .config = *config,
			      .dir = -EBADF,
			      .records = -EBADF,
			      .keeper = -EBADF,
			      .epoll = -EBADF,
			      .event = -EBADF,
			      .timer = -EBADF,
			      .directory = strdup(config->directory),
			      .state = strdup(config->state),
			      .ids = config->ids ? strdup(config->ids) : NULL,
			      .items = calloc(GRANTS_MAX, sizeof(struct item *)) };
	(void)pthread_mutex_init(&g->change, NULL);
	(void)pthread_mutex_init(&g->lock, NULL);
	(void)pthread_cond_init(&g->sync, NULL);
	if (!g->directory || !g->state || !g->items || (config->ids && !g->ids)) {
		r = err_sys(e, ENOMEM, "Docker sockets");
	} else {
		g->config.directory = g->directory;
		g->config.state = g->state;
		r = open_dirs(g, e);
		if (r == 0)
			r = load(g, e);
		if (r == 0)
			r = start_syncer(g, e);
	}
	if (r < 0) {
		grants_close(g);
		return r;
	}
	tell(g);
	*ret = g;
	return 0;
}

/* ---- changes --------------------------------------------------------------------------------------------------- */

static int new_token(char token[static GRANT_TOKEN_LEN + 1], struct err *e)
{
	unsigned char random[GRANT_TOKEN_LEN / 2];

	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		return err_sys(e, errno, "random numbers");
	for (size_t i = 0; i < sizeof random; i++)
		(void)snprintf(token + 2 * i, 3, "%02x", random[i]);
	return 0;
}

/* The directory, the socket, then the record: without that, all of it is removed by the next grants_open(). */
static int make(struct grants *g, struct grant *grant, struct item **ret, struct err *e)
{
	_cleanup_close_ int fd = token_listen(g->dir, g->directory, grant->token, g->config.gid, e);
	struct item *item = NULL;
	int r = fd < 0 ? fd : 0;

	if (r == 0 && !(item = item_new(grant, NULL, fd)))
		r = err_sys(e, ENOMEM, "Docker socket");
	if (r == 0)
		r = record_write(g->records, &item->grant, &item->end->counts, e);
	if (r < 0) {
		if (item) {
			item->end->fd = -EBADF;
			unref(item);
		}
		(void)token_dir_remove(g->dir, grant->token);
		return r;
	}
	(void)TAKE_FD(fd);
	*ret = item;
	return 0;
}

static int add(struct grants *g, struct grant *grant, struct err *e)
{
	struct item *item;
	int r;

	if (g->n == GRANTS_MAX)
		return err_set(e, EUSERS, "%d containers have a Docker socket already; remove some", GRANTS_MAX);
	r = make(g, grant, &item, e);
	if (r < 0)
		return r;
	lock(g);
	g->items[g->n++] = item;
	unlock(g);
	keeper_does(g, grant->token, item->grant.fd);
	return 0;
}

int grants_new(struct grants *g, const struct grant *proto, char **ret_path,
	       char ret_token[static GRANT_TOKEN_LEN + 1], struct err *e)
{
	_cleanup_free_ char *path = NULL;
	struct grant grant = *proto;
	int r = new_token(grant.token, e);

	if (r < 0)
		return r;
	if (asprintf(&path, "%s/%s/" TOKEN_SOCKET, g->directory, grant.token) < 0) {
		path = NULL;
		return err_sys(e, ENOMEM, "Docker socket");
	}
	if (!token_is_valid(grant.scope))
		memcpy(grant.scope, grant.token, sizeof grant.scope);
	grant.container[0] = '\0';
	grant.created = (int64_t)time(NULL);
	(void)pthread_mutex_lock(&g->change);
	r = add(g, &grant, e);
	(void)pthread_mutex_unlock(&g->change);
	if (r < 0)
		return r;
	tell(g); /* without the lock, for which the loop would wait */
	*ret_path = TAKE_PTR(path);
	memcpy(ret_token, grant.token, sizeof grant.token);
	return 0;
}

int grants_owner(struct grants *g, const char *token, uid_t uid, struct err *e)
{
	struct item **slot;
	unsigned waiting = 0;

	lock(g);
	for (size_t i = 0; i < g->n; i++) {
		const struct item *item = g->items[i];

		waiting += item->end->owned && item->end->owner == uid && !*item->grant.container;
	}
	slot = find(g, token);
	if (slot && waiting < GRANTS_WAITING_MAX) {
		(*slot)->end->owner = uid;
		(*slot)->end->owned = true;
	}
	unlock(g);
	return waiting < GRANTS_WAITING_MAX
		       ? 0
		       : err_set(e, EUSERS, "%u containers of user %u that have a Docker socket were not started",
				 waiting, uid);
}

static bool same(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool is_known(const struct grant *have, const char *container, const struct grant *proto)
{
	return same(have->container, container) && same(have->image_id, proto->image_id) &&
	       same(have->entry, proto->entry) && same(have->digest, proto->digest) &&
	       have->derived == proto->derived;
}

/* Another picture in the place of @slot's, which nobody else replaces meanwhile. */
static int replace(struct grants *g, struct item **slot, const char *container, const struct grant *proto,
		   struct err *e)
{
	struct item *old = *slot, *item;
	struct grant_counts counts;
	struct grant next = old->grant;
	int r;

	memcpy(next.container, container, strlen(container) + 1);
	memcpy(next.image_id, proto->image_id, sizeof next.image_id);
	memcpy(next.digest, proto->digest, sizeof next.digest);
	next.entry = proto->entry;
	next.derived = proto->derived;
	lock(g);
	item = item_new(&next, old->end, -EBADF);
	counts = old->end->counts;
	unlock(g);
	if (!item)
		return err_sys(e, ENOMEM, "Docker socket");
	r = record_write(g->records, &item->grant, &counts, e);
	/* Last: what the runtime goes by. */
	if (r == 0)
		r = token_claim(g->dir, item->grant.token, container, e);
	lock(g);
	if (r == 0) {
		*slot = item;
		item->end->unsynced = true;
		(void)pthread_cond_signal(&g->sync);
	}
	unref(r == 0 ? old : item);
	unlock(g);
	return r;
}

static int bind_to(struct grants *g, const char *token, const char *container, const struct grant *proto,
		   struct err *e)
{
	struct item **slot = find(g, token);
	const struct grant *have;

	if (!slot)
		return err_set(e, ENOENT, "Docker socket %s is not known; make its container anew", token);
	have = &(*slot)->grant;
	if (have->container[0] && strcmp(have->container, container) != 0)
		return err_set(e, EEXIST, "Docker socket %s belongs to another container", token);
	if (is_known(have, container, proto))
		return token_claim(g->dir, token, container, e);
	return replace(g, slot, container, proto, e);
}

int grants_bind(struct grants *g, const char *token, const char *container, const struct grant *proto,
		struct err *e)
{
	int r;

	if (container[0] == '\0' || strlen(container) >= sizeof proto->container || strchr(container, '/'))
		return err_set(e, EINVAL, "\"%.80s\" is no container id", container);
	(void)pthread_mutex_lock(&g->change);
	r = bind_to(g, token, container, proto, e);
	(void)pthread_mutex_unlock(&g->change);
	if (r == 0)
		tell(g);
	return r;
}

void grants_drop(struct grants *g, const char *token)
{
	struct item **slot, *item = NULL;

	(void)pthread_mutex_lock(&g->change);
	lock(g);
	slot = find(g, token);
	if (slot) {
		item = *slot;
		*slot = g->items[--g->n];
	}
	unlock(g);
	if (item) {
		/* The record first: the rest is found and removed without it. */
		record_remove(g->records, token);
		(void)shutdown(item->grant.fd, SHUT_RDWR);
		keeper_does(g, token, -EBADF);
		(void)token_dir_remove(g->dir, token);
		tell(g);
		lock(g);
		unref(item);
		unlock(g);
	}
	(void)pthread_mutex_unlock(&g->change);
}

/* ---- questions ------------------------------------------------------------------------------------------------- */

bool grants_token(const struct grants *g, const char *path, char ret[static GRANT_TOKEN_LEN + 1])
{
	const char *rest = lex_below(path, lex_whole(g->directory));
	char token[GRANT_TOKEN_LEN + 1];

	if (!rest || lex_first_len(rest) != GRANT_TOKEN_LEN)
		return false;
	memcpy(token, rest, GRANT_TOKEN_LEN);
	token[GRANT_TOKEN_LEN] = '\0';
	if (!token_is_valid(token) || !same(lex_after(rest, NULL), TOKEN_SOCKET))
		return false;
	memcpy(ret, token, sizeof token);
	return true;
}

struct grant *grants_ref(struct grants *g, const char *token)
{
	struct item **slot, *item = NULL;

	lock(g);
	slot = find(g, token);
	if (slot) {
		item = *slot;
		item->refs++;
	}
	unlock(g);
	return item ? &item->grant : NULL;
}

struct grant *grants_of(struct grants *g, const char *container)
{
	struct item *item = NULL;

	lock(g);
	for (size_t i = 0; !item && container[0] && i < g->n; i++)
		if (strcmp(g->items[i]->grant.container, container) == 0) {
			item = g->items[i];
			item->refs++;
		}
	unlock(g);
	return item ? &item->grant : NULL;
}

void grants_unref(struct grants *g, struct grant *grant)
{
	if (!grant)
		return;
	lock(g);
	unref((struct item *)grant);
	unlock(g);
}

/* Does the registry say that the range from @base on is this container's? */
static bool owns_range(const struct grants *g, uint64_t base, const char *container)
{
	_cleanup_close_ int dir = open(g->ids, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	const char *owner;
	char name[24], *cursor;

	(void)snprintf(name, sizeof name, "%llu", (unsigned long long)base);
	if (dir < 0 || io_read_at(dir, name, OWNERS_MAX, &text, NULL) < 0)
		return false;
	cursor = text;
	while (idtext_next_slot_owner(&cursor, &owner) > 0)
		if (strcmp(lex_last(owner), container) == 0)
			return true;
	return false;
}

bool grants_peer(struct grants *g, const struct grant *grant, uid_t uid)
{
	_cleanup_free_ char *text = NULL;
	char name[GRANT_TOKEN_LEN + 8];
	uint64_t base, count;
	const char *s;

	(void)snprintf(name, sizeof name, "%s/" TOKEN_IDS, grant->token);
	if (io_read_at(g->dir, name, IDS_MAX, &text, NULL) < 0)
		return false;
	s = text;
	if (num_span(&s, UINT32_MAX, &base) < 0 || *s++ != ' ' || num_span(&s, UINT32_MAX, &count) < 0 ||
	    strcmp(s, "\n") != 0)
		return false;
	/* Never the host's own, whatever the file says. */
	if (base == 0 || uid < base || uid - base >= count)
		return false;
	return !g->ids || owns_range(g, base, grant->container);
}

void grants_counts(struct grants *g, const struct grant *grant, struct grant_counts *ret)
{
	lock(g);
	*ret = ((const struct item *)grant)->end->counts;
	unlock(g);
}

void grants_count(struct grants *g, struct grant *grant, int route, bool refused)
{
	struct end *end = ((struct item *)grant)->end;
	bool first;

	lock(g);
	if (route >= 0)
		docker_routes_set(refused ? &end->counts.refused : &end->counts.used, route);
	++*(refused ? &end->counts.n_refused : &end->counts.n_used);
	first = !end->counted;
	end->counted = true;
	unlock(g);
	if (first)
		arm_timer(g);
}

/* ---- the loop -------------------------------------------------------------------------------------------------- */

int grants_event_fd(const struct grants *g)
{
	return g->epoll;
}

int grants_each(struct grants *g, int (*f)(void *ctx, struct grant *grant), void *ctx)
{
	_cleanup_free_ struct item **items = NULL;
	size_t n;
	int r = 0;

	lock(g);
	n = g->n;
	items = calloc(n ? n : 1, sizeof(struct item *));
	for (size_t i = 0; items && i < n; i++) {
		items[i] = g->items[i];
		items[i]->refs++;
	}
	unlock(g);
	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < n && r == 0; i++)
		r = f(ctx, &items[i]->grant);
	lock(g);
	for (size_t i = 0; i < n; i++)
		unref(items[i]);
	unlock(g);
	return r;
}

/* The record of what was counted of the @i-th, if anything was. Under "change". */
static void write_counted(struct grants *g, size_t i)
{
	struct end *end = g->items[i]->end;
	struct grant_counts counts;
	struct err e = { 0 };
	bool counted;

	lock(g);
	counted = end->counted;
	end->counted = false;
	counts = end->counts;
	unlock(g);
	/* Lost are numbers, which are not worth a write to the disk; the old record stays. */
	if (counted && record_write(g->records, &g->items[i]->grant, &counts, &e) < 0)
		say(g, "calls through a Docker socket", &e);
}

void grants_changes(struct grants *g)
{
	eventfd_t events;
	uint64_t expired;
	bool due;
	char byte;
	ssize_t n;

	(void)eventfd_read(g->event, &events);
	due = read(g->timer, &expired, sizeof expired) > 0;
	(void)pthread_mutex_lock(&g->change);
	for (size_t i = 0; due && i < g->n; i++)
		write_counted(g, i);
	n = g->keeper < 0 ? -1 : recv(g->keeper, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (g->keeper < 0 ? due : n >= 0 || errno != EAGAIN)
		find_keeper(g);
	(void)pthread_mutex_unlock(&g->change);
}

void grants_close(struct grants *g)
{
	if (!g)
		return;
	end_syncer(g);
	for (size_t i = 0; i < g->n; i++) {
		write_counted(g, i);
		unref(g->items[i]);
	}
	(void)fd_close(g->keeper);
	(void)fd_close(g->timer);
	(void)fd_close(g->event);
	(void)fd_close(g->epoll);
	(void)fd_close(g->records);
	(void)fd_close(g->dir);
	(void)pthread_cond_destroy(&g->sync);
	(void)pthread_mutex_destroy(&g->lock);
	(void)pthread_mutex_destroy(&g->change);
	free(g->items);
	free(g->directory);
	free(g->state);
	free(g->ids);
	free(g);
}
