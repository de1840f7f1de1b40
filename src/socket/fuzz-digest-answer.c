/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer of the helper, and a file of the cache. What is accepted holds digests and nothing else where digests
 * belong, and is the same after it was written to a file and read again; read as about another name or another digest
 * it is refused.
 */
#include <stdint.h>

#include "base/cleanup.h"
#include "codec/fuzz-oci.h"
#include "codec/imageref.h"
#include "socket/digest-set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OTHER "sha256:0000000000000000000000000000000000000000000000000000000000000bad"

static void check_texts(char *const a[], char *const b[], size_t n, bool digests)
{
	for (size_t i = 0; i < n; i++)
		CHECK(same(a[i], b[i]) && (!digests || image_digest_valid(a[i])));
}

static void check_same(const struct digest_set *a, const struct digest_set *b)
{
	CHECK(a->n == b->n && a->n_images == b->n_images);
	CHECK(!a->first == !a->n && (!a->first || (same(a->first, b->first) && digest_set_has(a, a->first))));
	check_texts(a->digests, b->digests, a->n, true);
	for (size_t i = 0; i < a->n; i++)
		CHECK(digest_set_has(a, a->digests[i]));
	for (size_t i = 0; i < a->n_images; i++) {
		const struct digest_image *x = &a->images[i], *y = &b->images[i];

		CHECK(digest_set_has(a, x->config) && same(x->config, y->config) && same(x->os, y->os) &&
		      same(x->architecture, y->architecture) && same(x->variant, y->variant));
		CHECK(x->n_layers == y->n_layers && x->n_history == y->n_history);
		check_texts(x->layers, y->layers, x->n_layers, true);
		check_texts(x->history, y->history, x->n_history, false);
	}
}

static void check_set(const struct digest_set *set)
{
	_cleanup_free_ char *text = NULL;
	struct digest_set *again = NULL;
	struct err e = { 0 };
	int64_t fetched = 0;

	CHECK(digest_file_write(set, "r.io/a:1", 7, &text) == 0);
	CHECK(digest_file_read(text, strlen(text), "r.io/a:2", NULL, &fetched, &again, &e) == -EINVAL && !again);
	CHECK(digest_file_read(text, strlen(text), "r.io/a:1", NULL, &fetched, &again, &e) == 0 && fetched == 7);
	check_same(set, again);
	digest_set_unref(again);
	again = NULL;
	if (!digest_set_has(set, OTHER))
		CHECK(digest_file_read(text, strlen(text), "r.io/a:1", OTHER, &fetched, &again, &e) == -EINVAL &&
		      !again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct digest_answer a = { .status = DIGEST_FAILED };
	struct digest_set *set = NULL;
	struct err e = { 0 };
	int64_t fetched;

	if (size > 65536)
		return 0;
	if (digest_answer_read((const char *)data, size, NULL, &a, &e) == 0) {
		CHECK((a.status == DIGEST_FOUND) == (a.set != NULL) && a.retry_after <= 3600);
		for (const char *s = a.message; *s; s++)
			CHECK(*s >= ' ' && *s <= '~');
		if (a.set)
			check_set(a.set);
		digest_set_unref(a.set);
	}
	if (digest_file_read((const char *)data, size, "docker.io/library/docker:cli", NULL, &fetched, &set, &e) ==
	    0) {
		check_set(set);
		digest_set_unref(set);
	}
	return 0;
}
