/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/fuzz-oci.h"
#include "registry/document.h"

/* Each input as a manifest, as an index, and as a configuration: nothing is more than one of the first two. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = {
	"application/vnd.oci.image.index.v1+json",
	"application/vnd.docker.distribution.manifest.list.v2+json",
	"application/vnd.oci.image.manifest.v1+json",
	"application/vnd.docker.distribution.manifest.v2+json",
};

static void check_blob(const struct document_blob *b, int64_t max)
{
	CHECK(image_digest_valid(b->digest));
	CHECK(b->size > 0 && b->size <= max);
}

static void check_document(const struct document *d, bool index)
{
	CHECK((d->kind == DOCUMENT_INDEX) == index);
	CHECK(d->n_images <= DOCUMENT_PLATFORMS_MAX);
	for (size_t i = 0; i < d->n_images; i++) {
		check_blob(&d->images[i], DOCUMENT_MANIFEST_MAX);
		for (size_t k = 0; k < i; k++)
			CHECK(strcmp(d->images[i].digest, d->images[k].digest) != 0);
	}
	if (!index) {
		CHECK(d->n_images == 0);
		check_blob(&d->config, DOCUMENT_CONFIG_MAX);
	}
}

static void check_config(json_t *image, size_t n_layers)
{
	json_t *layers = json_object_get(image, "layers"), *history = json_object_get(image, "history"), *v;
	size_t i;

	CHECK(json_object_size(image) == 5);
	CHECK(json_array_size(layers) == n_layers && json_is_array(history));
	json_array_foreach(layers, i, v)
		CHECK(image_digest_valid(json_string_value(v)));
	json_array_foreach(history, i, v)
		CHECK(strchr(json_string_value(v), '|'));
	CHECK(*json_string_value(json_object_get(image, "os")));
	CHECK(strlen(json_string_value(json_object_get(image, "variant"))) < 32);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *buf = (const char *)data;
	bool as_index = false, as_manifest = false;
	struct document d;
	json_t *image;

	if (size > 65536)
		return 0;
	for (size_t i = 0; i < 4; i++) {
		struct err e = { 0 };
		int r = document_parse(buf, size, types[i], &d, &e);

		if (r < 0) {
			CHECK(*e.msg && (r == -ENOTSUP || r == -EINVAL || r == -E2BIG || r == -EFBIG));
			continue;
		}
		check_document(&d, i < 2);
		*(i < 2 ? &as_index : &as_manifest) = true;
	}
	CHECK(!as_index || !as_manifest);
	CHECK(document_parse(buf, size, NULL, &d, NULL) < 0);
	for (size_t n = 0; n < 3; n++)
		if (document_config(buf, size, n, &image, NULL) == 0) {
			check_config(image, n);
			json_decref(image);
		}
	return 0;
}
