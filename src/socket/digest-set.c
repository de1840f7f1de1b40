/* SPDX-License-Identifier: Apache-2.0 */
#include "socket/digest-set.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/json-read.h"

#define DIGESTS_MAX 8192
#define IMAGES_MAX  256
#define LAYERS_MAX  1024
#define HISTORY_MAX 4096
#define RETRY_MAX   3600

/* The texts of a set are those of the tree, which nobody changes. */
struct held {
	atomic_uint refs;
	json_t *json; /* {"digests": [], "images": []} */
	size_t size;
	struct digest_set set;
};

static struct held *held_of(const struct digest_set *set)
{
	return (struct held *)((char *)(uintptr_t)set - offsetof(struct held, set));
}

static void held_free(struct held *h)
{
	for (size_t i = 0; i < h->set.n_images; i++) {
		free(h->set.images[i].layers);
		free(h->set.images[i].history);
	}
	free(h->set.images);
	free(h->set.digests);
	json_decref(h->json);
	free(h);
}

struct digest_set *digest_set_ref(struct digest_set *set)
{
	if (set)
		atomic_fetch_add(&held_of(set)->refs, 1);
	return set;
}

void digest_set_unref(struct digest_set *set)
{
	if (set && atomic_fetch_sub(&held_of(set)->refs, 1) == 1)
		held_free(held_of(set));
}

size_t digest_set_size(const struct digest_set *set)
{
	return held_of(set)->size;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

bool digest_set_has(const struct digest_set *set, const char *digest)
{
	return bsearch(&digest, set->digests, set->n, sizeof set->digests[0], by_text) != NULL;
}

/* ---- reading ---- */

/* Every member of @o is one of @names. */
static int closed(const json_t *o, const char *const names[], size_t n, const char *what, struct err *e)
{
	const char *key;
	json_t *v;

	if (!json_is_object(o))
		return err_set(e, EINVAL, "%s is no object", what);
	json_object_foreach((json_t *)(uintptr_t)o, key, v) {
		bool known = false;

		for (size_t i = 0; i < n; i++)
			known |= strcmp(key, names[i]) == 0;
		if (!known)
			return err_set(e, EINVAL, "%s has an unknown member", what);
	}
	return 0;
}

/* An array of texts, which stay where they are. */
static int read_texts(const json_t *array, size_t max, bool digests, const char *what, char ***ret, size_t *ret_n,
		      struct err *e)
{
	_cleanup_free_ char **texts = NULL;
	size_t n = json_array_size(array);

	if (!json_is_array(array) || n > max)
		return err_set(e, EINVAL, "%s: no list, or more than %zu", what, max);
	texts = calloc(n + 1, sizeof *texts);
	if (!texts)
		return err_sys(e, ENOMEM, "%s", what);
	for (size_t i = 0; i < n; i++) {
		const char *s = json_string_value(json_array_get(array, i));

		if (!s || (digests && !image_digest_valid(s)))
			return err_set(e, EINVAL, "%s: #%zu is no %s", what, i, digests ? "digest" : "text");
		texts[i] = (char *)(uintptr_t)s;
	}
	*ret = TAKE_PTR(texts);
	*ret_n = n;
	return 0;
}

static int read_word(const json_t *o, const char *name, char *ret, size_t size, struct err *e)
{
	const char *s = json_string_value(json_object_get(o, name));

	if (!s || strlen(s) >= size)
		return err_set(e, EINVAL, "%s: no text, or too long", name);
	(void)snprintf(ret, size, "%s", s);
	return 0;
}

static int read_image(const json_t *o, struct digest_set *set, struct err *e)
{
	static const char *const names[] = { "config", "os", "architecture", "variant", "layers", "history" };
	struct digest_image *im = &set->images[set->n_images++];
	int r = closed(o, names, ARRAY_SIZE(names), "an image", e);

	if (r == 0)
		r = read_word(o, "config", im->config, sizeof im->config, e);
	if (r == 0 && !digest_set_has(set, im->config))
		r = err_set(e, EINVAL, "config: is not among the digests");
	if (r == 0)
		r = read_word(o, "os", im->os, sizeof im->os, e);
	if (r == 0)
		r = read_word(o, "architecture", im->architecture, sizeof im->architecture, e);
	if (r == 0)
		r = read_word(o, "variant", im->variant, sizeof im->variant, e);
	if (r == 0)
		r = read_texts(json_object_get(o, "layers"), LAYERS_MAX, true, "layers", &im->layers,
			       &im->n_layers, e);
	if (r == 0)
		r = read_texts(json_object_get(o, "history"), HISTORY_MAX, false, "history", &im->history,
			       &im->n_history, e);
	return r;
}

static int read_set(struct held *h, const char *digest, struct err *e)
{
	const json_t *images = json_object_get(h->json, "images");
	struct digest_set *set = &h->set;
	int r;

	r = read_texts(json_object_get(h->json, "digests"), DIGESTS_MAX, true, "digests", &set->digests, &set->n,
		       e);
	if (r < 0)
		return r;
	set->first = set->n ? set->digests[0] : NULL; /* the tree, and files made of it, keep the answer's order */
	qsort(set->digests, set->n, sizeof set->digests[0], by_text);
	if (digest && !digest_set_has(set, digest))
		return err_set(e, EINVAL, "digests: what was asked for is not among them");
	if (!json_is_array(images) || json_array_size(images) > IMAGES_MAX)
		return err_set(e, EINVAL, "images: no list, or more than %u", IMAGES_MAX);
	set->images = calloc(json_array_size(images) + 1, sizeof *set->images);
	if (!set->images)
		return err_sys(e, ENOMEM, "images");
	for (size_t i = 0; i < json_array_size(images) && r == 0; i++)
		r = read_image(json_array_get(images, i), set, e);
	return r;
}

/* The set in @tree, of which nothing else is kept. */
static int make_set(const json_t *tree, size_t size, const char *digest, struct digest_set **ret, struct err *e)
{
	struct held *h = calloc(1, sizeof *h);
	int r;

	if (!h)
		return err_sys(e, ENOMEM, "digests");
	atomic_init(&h->refs, 1);
	h->size = size;
	h->json = json_pack("{sO?, sO?}", "digests", json_object_get(tree, "digests"), "images",
			    json_object_get(tree, "images"));
	r = h->json ? read_set(h, digest, e) : err_sys(e, ENOMEM, "digests");
	if (r < 0) {
		held_free(h);
		return r;
	}
	*ret = &h->set;
	return 0;
}

static void json_cleanup(json_t **v)
{
	json_decref(*v);
}

/* A stranger's words on their way into messages and logs. */
static void put_message(struct digest_answer *a, const char *text)
{
	size_t n = 0;

	for (; *text && n < sizeof a->message - 1; text++)
		a->message[n++] = *text >= ' ' && *text <= '~' ? *text : '?';
	a->message[n] = '\0';
}

int digest_answer_read(const char *buf, size_t len, const char *digest, struct digest_answer *ret, struct err *e)
{
	static const char *const found[] = { "status", "digests", "images" };
	static const char *const same[] = { "status" };
	static const char *const other[] = { "status", "message", "retryAfter" };
	_cleanup_(json_cleanup) json_t *tree = NULL;
	struct digest_answer a = { .status = DIGEST_FAILED };
	const char *status, *message;
	const json_t *retry;
	int r;

	r = json_read("answer", buf, len, &tree, e);
	if (r < 0)
		return r;
	status = json_string_value(json_object_get(tree, "status"));
	if (status && strcmp(status, "found") == 0) {
		a.status = DIGEST_FOUND;
		r = closed(tree, found, ARRAY_SIZE(found), "the answer", e);
		if (r == 0)
			r = make_set(tree, len, digest, &a.set, e);
		if (r == 0)
			*ret = a;
		return r;
	}
	if (status && strcmp(status, "same") == 0) {
		a.status = DIGEST_SAME;
		r = closed(tree, same, ARRAY_SIZE(same), "the answer", e);
		if (r == 0)
			*ret = a;
		return r;
	}
	if (!status || (strcmp(status, "none") != 0 && strcmp(status, "failed") != 0))
		return err_set(e, EINVAL, "status: none that is known");
	r = closed(tree, other, ARRAY_SIZE(other), "the answer", e);
	message = json_string_value(json_object_get(tree, "message"));
	retry = json_object_get(tree, "retryAfter");
	if (r == 0 && (!message || (retry && (!json_is_integer(retry) || json_integer_value(retry) < 0))))
		r = err_set(e, EINVAL, "message, retryAfter: wrong type");
	if (r < 0)
		return r;
	a.status = strcmp(status, "none") == 0 ? DIGEST_NONE : DIGEST_FAILED;
	put_message(&a, message);
	if (retry)
		a.retry_after = json_integer_value(retry) > RETRY_MAX ? RETRY_MAX
								      : (unsigned)json_integer_value(retry);
	*ret = a;
	return 0;
}

/* ---- files ---- */

int digest_file_write(const struct digest_set *set, const char *name, int64_t fetched, char **ret)
{
	const struct held *h = held_of(set);
	_cleanup_(json_cleanup) json_t *tree = NULL;

	tree = json_pack("{ss, sI, sO, sO}", "name", name, "fetched", (json_int_t)fetched, "digests",
			 json_object_get(h->json, "digests"), "images", json_object_get(h->json, "images"));
	*ret = tree ? json_dumps(tree, JSON_COMPACT) : NULL;
	return *ret ? 0 : -ENOMEM;
}

int digest_file_read(const char *buf, size_t len, const char *name, const char *digest, int64_t *ret_fetched,
		     struct digest_set **ret, struct err *e)
{
	static const char *const names[] = { "name", "fetched", "digests", "images" };
	_cleanup_(json_cleanup) json_t *tree = NULL;
	const char *about;
	json_t *fetched;
	int r;

	r = json_read("file", buf, len, &tree, e);
	if (r == 0)
		r = closed(tree, names, ARRAY_SIZE(names), "the file", e);
	if (r < 0)
		return r;
	about = json_string_value(json_object_get(tree, "name"));
	fetched = json_object_get(tree, "fetched");
	if (!about || strcmp(about, name) != 0 || !json_is_integer(fetched) || json_integer_value(fetched) < 0)
		return err_set(e, EINVAL, "the file is about something else");
	r = make_set(tree, len, digest, ret, e);
	if (r == 0)
		*ret_fetched = json_integer_value(fetched);
	return r;
}
