/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_DOCUMENT_H
#define REGISTRY_DOCUMENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "codec/imageref.h"

/*
 * Documents that describe images: indexes, manifests, configurations (OCI image-spec 1.1; Docker's image manifest
 * version 2, schema 2). Pure; all of it is untrusted.
 *
 * A document is refused when two readers could take it for different things (GHSA-77vh-xpmg-72qh,
 * GHSA-5j5w-g665-5m35): it has what belongs to an index and what belongs to a manifest, its mediaType is not the
 * Content-Type, two members have the same name, or a member's name is one of those that count but for upper and
 * lower case (Go's reader takes it).
 */

#define DOCUMENT_MANIFEST_MAX  (4u << 20) /* bytes, also of an index */
#define DOCUMENT_CONFIG_MAX    (8u << 20)
#define DOCUMENT_ENTRIES_MAX   256 /* of an index */
#define DOCUMENT_PLATFORMS_MAX 64  /* of them, without attestations */
#define DOCUMENT_LAYERS_MAX    1024
#define DOCUMENT_HISTORY_MAX   4096

/* What to ask for: the four media types that are understood. */
#define DOCUMENT_ACCEPT                                                                                        \
	"application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, " \
	"application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"

struct document_blob {
	char digest[IMAGE_DIGEST_MAX + 1];
	int64_t size; /* bytes, positive, within the bound of its kind */
};

enum document_kind {
	DOCUMENT_INDEX,
	DOCUMENT_MANIFEST,
};

struct document {
	enum document_kind kind;
	/* of an index: manifests of linux for this machine, and those that say nothing about it; each once */
	struct document_blob images[DOCUMENT_PLATFORMS_MAX];
	size_t n_images;
	/* of a manifest */
	struct document_blob config;
	size_t n_layers;
};

/*
 * document_parse() - @content_type: of the answer, NULL: none
 * Return: 0; -ENOTSUP: well-formed but no image (schema 1, an artifact); -EINVAL: malformed or ambiguous; -E2BIG;
 * -ENOMEM.
 */
int document_parse(const char *buf, size_t len, const char *content_type, struct document *ret, struct err *e);

/*
 * document_config() - a configuration, as an object of the helper's answer: os, architecture, variant, layers,
 * history (job.h). @n_layers: of its manifest: as many layers are needed. @ret: new reference
 * Return: as document_parse().
 */
int document_config(const char *buf, size_t len, size_t n_layers, json_t **ret, struct err *e);

/* document_architecture() - does this machine run images of this architecture (Go's names) without emulation? */
bool document_architecture(const char *name);

#endif
