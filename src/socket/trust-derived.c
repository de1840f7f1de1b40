/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Derived images (E60-E63, A137): all layers of an allowed image, in its order, then perhaps more; and all of its
 * history, then perhaps more, so that a parent which only adds settings to a common base does not allow every image
 * of that base.
 * Who may build images can make up both, so "derived" is a grant to whoever may build (SECURITY.md); what is proved
 * is that the parent is what its registry has. Layers and history of an id never change and are remembered.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "codec/sha256.h"
#include "socket/registry-ask.h"
#include "socket/trust-internal.h"

#define KNOWN_MAX   1024 /* images that are remembered */
#define LAYERS_MAX  1024
#define HISTORY_MAX 4096
#define INSPECT_MAX 256	 /* questions to the engine in one decision */
#define SEARCH_MS   1000 /* for a parent that is only for a message */

static void json_cleanup(json_t **v)
{
	json_decref(*v);
}
#define _cleanup_json_ _cleanup_(json_cleanup)

/* An entry of history. What was run may be megabytes long, and is only ever compared. */
struct step {
	int64_t created; /* seconds since 1970; 0: not told */
	char hash[SHA256_HEX];
};

/* Nothing in it changes but refs, used, and history once, with the lock. */
struct known {
	unsigned refs;
	uint64_t used;
	char id[72];
	json_t *inspect; /* owned: RepoTags, RepoDigests and RootFS.Layers of the engine's answer */
	const json_t *layers;
	struct step *history; /* owned, oldest first; NULL: not asked for yet */
	size_t n_history;
};

struct lineage {
	struct known *all[KNOWN_MAX];
	size_t n;
	uint64_t clock;
};

int lineage_new(struct lineage **ret)
{
	*ret = calloc(1, sizeof **ret);
	return *ret ? 0 : -ENOMEM;
}

static void known_drop(struct known *k)
{
	if (!k || --k->refs > 0)
		return;
	json_decref(k->inspect);
	free(k->history);
	free(k);
}

void lineage_free(struct lineage *l)
{
	for (size_t i = 0; l && i < l->n; i++)
		known_drop(l->all[i]);
	free(l);
}

static void known_unref(const struct deciding *d, struct known *k)
{
	(void)pthread_mutex_lock(&d->t->lock);
	known_drop(k);
	(void)pthread_mutex_unlock(&d->t->lock);
}

/* ---- history ---- */

static bool digits(const char **s, size_t n, int *ret)
{
	*ret = 0;
	for (size_t i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		*ret = *ret * 10 + (**s - '0');
	}
	return true;
}

static bool skip(const char **s, char c)
{
	return *(*s)++ == c;
}

/* RFC 3339 up to the "|"; seconds, as that is what the engine tells. */
static int64_t created_of(const char *s)
{
	struct tm tm = { 0 };
	int hours = 0, minutes = 0, sign = 0;

	if (!digits(&s, 4, &tm.tm_year) || !skip(&s, '-') || !digits(&s, 2, &tm.tm_mon) || !skip(&s, '-') ||
	    !digits(&s, 2, &tm.tm_mday) || (*s != 'T' && *s != 't') || !skip(&s, *s) ||
	    !digits(&s, 2, &tm.tm_hour) || !skip(&s, ':') || !digits(&s, 2, &tm.tm_min) || !skip(&s, ':') ||
	    !digits(&s, 2, &tm.tm_sec))
		return 0;
	if (*s == '.')
		s += 1 + strspn(s + 1, "0123456789");
	if (*s == '+' || *s == '-') {
		sign = *s++ == '+' ? -1 : 1;
		if (!digits(&s, 2, &hours) || !skip(&s, ':') || !digits(&s, 2, &minutes))
			return 0;
	}
	if (tm.tm_year <= 1)
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return timegm(&tm) + sign * (hours * 3600 + minutes * 60);
}

/* "created|created_by|comment" of a registry. */
static struct step step_of_text(const char *text)
{
	const char *rest = strchrnul(text, '|');
	struct step st = { .created = created_of(text) };

	sha256_hex(rest, strlen(rest), st.hash);
	return st;
}

/* The engine's entry of the same. Years before 1 are its way to say that there is no date. */
static int step_of_engine(const json_t *o, struct step *ret)
{
	const char *by = json_string_value(json_object_get(o, "CreatedBy"));
	const char *comment = json_string_value(json_object_get(o, "Comment"));
	json_int_t created = json_integer_value(json_object_get(o, "Created"));
	_cleanup_free_ char *rest = NULL;

	if (asprintf(&rest, "|%s|%s", by ? by : "", comment ? comment : "") < 0) {
		rest = NULL;
		return -ENOMEM;
	}
	*ret = (struct step){ .created = created < -60000000000 ? 0 : created };
	sha256_hex(rest, strlen(rest), ret->hash);
	return 0;
}

/* Builders fill in a date where the parent has none. */
static bool same_step(const struct step *parent, const struct step *child)
{
	return (parent->created == 0 || parent->created == child->created) &&
	       strcmp(parent->hash, child->hash) == 0;
}

/* ---- what is remembered ---- */

/* With the lock. */
static struct known *find(struct lineage *l, const char *id)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->all[i]->id, id) == 0)
			return l->all[i];
	return NULL;
}

/* With the lock. Takes over @k, in the place of an earlier one of this id or of the one unused for longest. */
static void put(struct lineage *l, struct known *k)
{
	size_t at = l->n < KNOWN_MAX ? l->n : 0;

	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->all[i]->id, k->id) == 0) {
			at = i;
			break;
		}
		if (at < l->n && l->all[i]->used < l->all[at]->used)
			at = i;
	}
	if (at == l->n)
		l->n++;
	else
		known_drop(l->all[at]);
	k->used = ++l->clock;
	l->all[at] = k;
}

/* A copy of the texts in a list, of the first ones: names of images are anybody's. */
static json_t *copy_texts(const json_t *list, size_t max)
{
	json_t *copy = json_array(), *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, v)
		if (i < max && json_is_string(v) && json_string_length(v) < 1024)
			(void)json_array_append_new(copy, json_string(json_string_value(v)));
	return copy;
}

static struct known *known_make(const char *id, const json_t *inspect)
{
	const json_t *layers = json_object_get(json_object_get(inspect, "RootFS"), "Layers");
	struct known *k = calloc(1, sizeof *k);

	if (!k)
		return NULL;
	k->refs = 1;
	(void)snprintf(k->id, sizeof k->id, "%.71s", id);
	k->inspect = json_pack("{so, so, s{so}}", "RepoTags",
			       copy_texts(json_object_get(inspect, "RepoTags"), TRUST_NAMES_MAX), "RepoDigests",
			       copy_texts(json_object_get(inspect, "RepoDigests"), TRUST_NAMES_MAX), "RootFS",
			       "Layers", copy_texts(layers, LAYERS_MAX + 1));
	k->layers = json_object_get(json_object_get(k->inspect, "RootFS"), "Layers");
	if (!k->inspect || json_array_size(k->layers) != json_array_size(layers) ||
	    json_array_size(layers) > LAYERS_MAX) {
		known_drop(k);
		return NULL;
	}
	return k;
}

/*
 * The record of an image; a reference. @inspect: its names are the newest that are known of it. NULL: no
 * memory, or no image.
 */
static struct known *remember(const struct deciding *d, const char *id, const json_t *inspect)
{
	struct known *k = known_make(id, inspect), *old;

	if (!k)
		return NULL;
	(void)pthread_mutex_lock(&d->t->lock);
	old = find(d->t->lineage, id);
	if (old && old->history) {
		k->history = reallocarray(NULL, old->n_history + 1, sizeof *k->history);
		k->n_history = k->history ? old->n_history : 0;
		if (k->history)
			memcpy(k->history, old->history, old->n_history * sizeof *k->history);
	}
	k->refs++;
	put(d->t->lineage, k);
	(void)pthread_mutex_unlock(&d->t->lock);
	return k;
}

/* ---- asking the engine ---- */

static int get(const struct deciding *d, const char *path, json_t **ret, struct err *e)
{
	if (registry_now_ms() >= d->deadline_ms)
		return err_set(e, ETIMEDOUT, "it takes too long");
	return d->engine->get(d->engine->ctx, path, ret, e);
}

static int get_of(const struct deciding *d, const char *id, const char *what, json_t **ret, struct err *e)
{
	char path[128];

	(void)snprintf(path, sizeof path, "/images/sha256%%3A%s/%s", id + strlen("sha256:"), what);
	return get(d, path, ret, e);
}

/* The image's history; it stays as long as @k does. Return: 0; -ENOENT (the image is gone), ... */
static int history_of(const struct deciding *d, struct known *k, struct err *e)
{
	_cleanup_free_ struct step *steps = NULL;
	_cleanup_json_ json_t *list = NULL;
	size_t n;
	bool have;
	int r;

	(void)pthread_mutex_lock(&d->t->lock);
	have = k->history != NULL;
	(void)pthread_mutex_unlock(&d->t->lock);
	if (have)
		return 0;
	r = get_of(d, k->id, "history", &list, e);
	if (r < 0)
		return r;
	n = json_array_size(list);
	steps = n <= HISTORY_MAX ? calloc(n + 1, sizeof *steps) : NULL;
	if (!steps)
		return err_set(e, EFBIG, "an image with too much history, or no memory");
	for (size_t i = 0; i < n; i++)
		if (step_of_engine(json_array_get(list, n - 1 - i), &steps[i]) < 0)
			return err_sys(e, ENOMEM, "history");
	(void)pthread_mutex_lock(&d->t->lock);
	if (!k->history) {
		k->history = TAKE_PTR(steps);
		k->n_history = n;
	}
	(void)pthread_mutex_unlock(&d->t->lock);
	return 0;
}

/* ---- who is made from whom ---- */

/* From the last one on, which hardly any two images have in common; so with history. */
static bool layers_begin_with(const struct known *k, char *const layers[], size_t n)
{
	if (n == 0 || n > json_array_size(k->layers))
		return false;
	for (size_t i = n; i > 0; i--)
		if (strcmp(json_string_value(json_array_get(k->layers, i - 1)), layers[i - 1]) != 0)
			return false;
	return true;
}

/* Return: 1, 0 or -errno. */
static int is_from_image(const struct deciding *d, struct known *child, const struct digest_image *im,
			 struct err *e)
{
	int r;

	/* Without any history nothing tells a parent from its own base. */
	if (im->n_history == 0 || !layers_begin_with(child, im->layers, im->n_layers))
		return 0;
	r = history_of(d, child, e);
	if (r < 0)
		return r;
	if (im->n_history > child->n_history)
		return 0;
	for (size_t i = im->n_history; i > 0; i--) {
		struct step step = step_of_text(im->history[i - 1]);

		if (!same_step(&step, &child->history[i - 1]))
			return 0;
	}
	return json_array_size(child->layers) > im->n_layers || child->n_history > im->n_history;
}

static int is_from_known(const struct deciding *d, struct known *child, struct known *parent, struct err *e)
{
	size_t n = json_array_size(parent->layers);
	int r;

	if (n == 0 || n > json_array_size(child->layers))
		return 0;
	for (size_t i = n; i > 0; i--)
		if (!json_equal(json_array_get(child->layers, i - 1), json_array_get(parent->layers, i - 1)))
			return 0;
	r = history_of(d, child, e);
	if (r < 0)
		return r;
	/* It was removed meanwhile: then it is not known. */
	if (history_of(d, parent, NULL) < 0)
		return 0;
	if (parent->n_history == 0 || parent->n_history > child->n_history)
		return 0;
	for (size_t i = parent->n_history; i > 0; i--)
		if (!same_step(&parent->history[i - 1], &child->history[i - 1]))
			return 0;
	return json_array_size(child->layers) > n || child->n_history > parent->n_history;
}

static void better(struct finding *best, const struct finding *f)
{
	if (f->proof > best->proof)
		*best = *f;
}

/* Parents that are in a registry, whether they are here or not: entries with one tag or digest of which it is known. */
static int from_sets(const struct deciding *d, struct known *child, struct finding *best, struct err *e)
{
	const struct settings_socket *s = &d->settings->socket;

	for (size_t i = 0; i < s->n_images && best->proof != PROOF_YES; i++) {
		const struct socket_image *entry = &s->images[i];
		const struct image_pattern *p = &entry->pattern;
		struct digest_set *set = NULL;
		struct finding f = { 0 };
		bool fresh = false;
		int r = 0;

		if (!entry->derived || entry->kind != SOCKET_IMAGE_NAME || p->glob || entry_ended(d, entry) ||
		    (p->kind != IMAGE_PATTERN_TAG && p->kind != IMAGE_PATTERN_DIGEST))
			continue;
		set = digests_peek(d->t->digests, s, &p->ref, &fresh);
		for (size_t k = 0; set && k < set->n_images && r == 0; k++) {
			r = is_from_image(d, child, &set->images[k], e);
			if (r <= 0)
				continue;
			f = (struct finding){ .proof = PROOF_YES, .entry = entry, .asked = p->ref };
			memcpy(f.digest, set->images[k].config, sizeof f.digest);
		}
		/* Made from what was there once: is it still? */
		if (r > 0 && !fresh) {
			struct digest_set *now = NULL;
			struct finding g = prove_set(d, entry, &p->ref, &now);

			if (g.proof == PROOF_YES && !digest_set_has(now, f.digest))
				g.proof = PROOF_MOVED;
			memcpy(g.digest, f.digest, sizeof g.digest);
			f = g;
			digest_set_unref(now);
		}
		digest_set_unref(set);
		if (r < 0)
			return r;
		better(best, &f);
	}
	return 0;
}

/* Is @parent, which the image is made from, what one of the entries is about? */
static int prove_parent(const struct deciding *d, struct known *parent, struct finding *best)
{
	const struct settings_socket *s = &d->settings->socket;
	struct candidate c;
	int r = candidate_make(NULL, parent->id, parent->inspect, &c);

	for (size_t i = 0; r == 0 && i < s->n_images && best->proof != PROOF_YES; i++) {
		struct finding f;

		if (!s->images[i].derived)
			continue;
		f = prove(d, &s->images[i], &c);
		/* That a parent's name is unknown to its registry says nothing about this image. */
		if (f.proof == PROOF_ABSENT)
			continue;
		if (f.proof == PROOF_MOVED)
			memcpy(f.digest, parent->id, sizeof f.digest);
		better(best, &f);
	}
	if (r == 0)
		candidate_done(&c);
	return r;
}

/* References to all that is remembered. @ret: room for KNOWN_MAX. */
static size_t snapshot(const struct deciding *d, struct known **ret)
{
	struct lineage *l = d->t->lineage;
	size_t n;

	(void)pthread_mutex_lock(&d->t->lock);
	n = l->n;
	for (size_t i = 0; i < n; i++) {
		ret[i] = l->all[i];
		ret[i]->refs++;
	}
	(void)pthread_mutex_unlock(&d->t->lock);
	return n;
}

/*
 * Go through what is remembered: with @best whether any of it is an allowed parent; with @ret_parent which named one
 * is the nearest, a reference.
 */
static int from_known(const struct deciding *d, struct known *child, struct finding *best,
		      struct known **ret_parent, struct err *e)
{
	_cleanup_free_ struct known **all = reallocarray(NULL, KNOWN_MAX, sizeof(struct known *));
	struct known *nearest = NULL;
	size_t n;
	int r = 0;

	if (!all)
		return err_sys(e, ENOMEM, "images");
	n = snapshot(d, all);
	for (size_t i = 0; i < n && r >= 0 && !(best && best->proof == PROOF_YES); i++) {
		r = is_from_known(d, child, all[i], e);
		if (r > 0 && best)
			r = prove_parent(d, all[i], best);
		else if (r > 0 && json_array_size(json_object_get(all[i]->inspect, "RepoTags")) > 0 &&
			 (!nearest || json_array_size(all[i]->layers) >= json_array_size(nearest->layers)))
			nearest = all[i];
	}
	(void)pthread_mutex_lock(&d->t->lock);
	for (size_t i = 0; i < n; i++) {
		if (all[i] == nearest)
			continue;
		known_drop(all[i]);
	}
	(void)pthread_mutex_unlock(&d->t->lock);
	if (ret_parent)
		*ret_parent = nearest;
	return r < 0 ? r : 0;
}

/* ---- what is here ---- */

/* May one of the entries whose derived images are allowed be about it, by what it claims? */
static bool is_wanted(const struct deciding *d, const struct candidate *c)
{
	const struct settings_socket *s = &d->settings->socket;

	for (size_t i = 0; i < s->n_images; i++) {
		const struct socket_image *entry = &s->images[i];

		if (!entry->derived)
			continue;
		if (entry->kind == SOCKET_IMAGE_ID && strcmp(entry->id, c->id) == 0)
			return true;
		for (size_t k = 0; entry->kind == SOCKET_IMAGE_NAME && k < c->n; k++)
			if (image_pattern_names(&entry->pattern, &c->names[k]))
				return true;
	}
	return false;
}

/* What is known of it under the names of @item, which change. With the lock; NULL: they did not. */
static json_t *renamed(const struct known *k, const json_t *item)
{
	json_t *tags = copy_texts(json_object_get(item, "RepoTags"), TRUST_NAMES_MAX);
	json_t *named = copy_texts(json_object_get(item, "RepoDigests"), TRUST_NAMES_MAX);

	if (json_equal(json_object_get(k->inspect, "RepoTags"), tags) &&
	    json_equal(json_object_get(k->inspect, "RepoDigests"), named)) {
		json_decref(tags);
		json_decref(named);
		return NULL;
	}
	return json_pack("{so, so, sO}", "RepoTags", tags, "RepoDigests", named, "RootFS",
			 json_object_get(k->inspect, "RootFS"));
}

/* @item: of the engine's list. Return: 1 when the engine was asked about it, 0. */
static int learn_one(const struct deciding *d, const json_t *item, bool all)
{
	const char *id = json_string_value(json_object_get(item, "Id"));
	_cleanup_json_ json_t *inspect = NULL;
	struct known *k = NULL;
	struct candidate c;
	bool wanted, ask;

	if (!id || !image_digest_valid(id) || candidate_make(NULL, id, item, &c) < 0)
		return 0;
	wanted = all || is_wanted(d, &c);
	candidate_done(&c);
	(void)pthread_mutex_lock(&d->t->lock);
	k = find(d->t->lineage, id);
	ask = wanted && !k;
	if (k) {
		k->used = ++d->t->lineage->clock;
		inspect = renamed(k, item);
	}
	(void)pthread_mutex_unlock(&d->t->lock);
	if (ask && get_of(d, id, "json", &inspect, NULL) < 0)
		return 0;
	k = inspect ? remember(d, id, inspect) : NULL;
	if (k)
		known_unref(d, k);
	return ask;
}

/* Learn of the images that are here. @all: also of those that no entry is about. @until_ms: when to stop. */
static int learn(const struct deciding *d, bool all, int64_t until_ms, struct err *e)
{
	_cleanup_json_ json_t *list = NULL;
	json_t *item;
	size_t i;
	int n = 0, r = get(d, "/images/json", &list, e);

	if (r < 0)
		return r;
	json_array_foreach(list, i, item) {
		if (n >= INSPECT_MAX || registry_now_ms() >= until_ms)
			break;
		n += learn_one(d, item, all);
	}
	return 0;
}

static struct known *child_of(const struct deciding *d)
{
	struct known *k;

	(void)pthread_mutex_lock(&d->t->lock);
	k = find(d->t->lineage, d->image->id);
	if (k) {
		k->refs++;
		k->used = ++d->t->lineage->clock;
	}
	(void)pthread_mutex_unlock(&d->t->lock);
	return k ? k : remember(d, d->image->id, d->image->inspect);
}

int derived_find(const struct deciding *d, struct finding *best, struct err *e)
{
	struct known *child = child_of(d);
	int r = 0;

	/* An image without layers, or with more than there can be. */
	if (!child)
		return 0;
	if (json_array_size(child->layers) > 0)
		r = from_sets(d, child, best, e);
	if (r == 0 && best->proof != PROOF_YES)
		r = from_known(d, child, best, NULL, e);
	if (r == 0 && best->proof != PROOF_YES && json_array_size(child->layers) > 0) {
		r = learn(d, false, d->deadline_ms, e);
		if (r == 0)
			r = from_known(d, child, best, NULL, e);
	}
	known_unref(d, child);
	return r;
}

void derived_parent(const struct deciding *d, char *ret, size_t size)
{
	struct known *child = child_of(d), *parent = NULL;
	struct candidate c;

	if (!child)
		return;
	if (json_array_size(child->layers) > 0 && learn(d, true, registry_now_ms() + SEARCH_MS, NULL) == 0)
		(void)from_known(d, child, NULL, &parent, NULL);
	if (parent && candidate_make(NULL, parent->id, parent->inspect, &c) == 0) {
		char name[IMAGE_NAME_MAX + 2];

		if (c.n > 0 && *c.names[0].tag)
			(void)snprintf(ret, size, "%s:%s", image_ref_name(&c.names[0], name, sizeof name),
				       c.names[0].tag);
		candidate_done(&c);
	}
	if (parent)
		known_unref(d, parent);
	known_unref(d, child);
}
