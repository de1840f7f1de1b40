/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CODEC_IMAGEREF_H
#define CODEC_IMAGEREF_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Names of images as Docker normalises them (distribution/reference): "docker:cli" is
 * docker.io/library/docker:cli. Pure, no allocation; every text is untrusted.
 */

#define IMAGE_NAME_MAX	 255 /* registry and repository together, as the reference implementation limits them */
#define IMAGE_TAG_MAX	 128
#define IMAGE_DIGEST_MAX 71 /* "sha256:" and 64 digits: the only algorithm that is taken */

struct image_ref {
	char registry[IMAGE_NAME_MAX + 1];   /* "docker.io", "localhost:5000", "[::1]:5000"; lower case */
	char repository[IMAGE_NAME_MAX + 1]; /* "library/docker" */
	char tag[IMAGE_TAG_MAX + 1];	     /* "": none was given */
	char digest[IMAGE_DIGEST_MAX + 1];   /* "": none was given */
};

/*
 * image_ref_parse() - "name", "name:tag", "name@sha256:...", "name:tag@sha256:...". "index.docker.io" is docker.io.
 * 64 hexadecimal digits alone are an id, not a name. Return: NULL, or a static text that says what is wrong with it
 * ("has upper case letters in the repository"); *@ret is untouched then.
 */
const char *image_ref_parse(const char *text, struct image_ref *ret);

/* image_ref_name() - "docker.io/library/docker" into @buf (IMAGE_NAME_MAX + 2 are always enough). Return: @buf. */
const char *image_ref_name(const struct image_ref *ref, char *buf, size_t size);

/* image_digest_valid() - "sha256:" and 64 lower case hexadecimal digits, nothing else. */
bool image_digest_valid(const char *text);

enum image_pattern_kind {
	IMAGE_PATTERN_ALL,    /* "*" */
	IMAGE_PATTERN_TAG,    /* name[:tag]; no tag is latest (E51) */
	IMAGE_PATTERN_ANY,    /* name:* (E52) */
	IMAGE_PATTERN_DIGEST, /* name@sha256:... (E53), also with a tag, which then says nothing */
};

/* An entry of an allow-list. */
struct image_pattern {
	enum image_pattern_kind kind;
	bool glob; /* "*" in the repository: a component of testcontainers and any name (E55); never in the registry */
	struct image_ref ref; /* tag and digest as the kind says; empty for IMAGE_PATTERN_ALL */
};

/*
 * image_pattern_parse() - an entry. A "*" in the repository stands for any characters of one component but "/"; "**"
 * is refused, and so is "*" in the registry or in a part of a tag. Return: as image_ref_parse().
 */
const char *image_pattern_parse(const char *text, struct image_pattern *ret);

/*
 * image_pattern_names() - is @ref a name that this entry is about? Registry and repository match; with
 * IMAGE_PATTERN_TAG the tag as well (@ref without tag and digest: latest), with IMAGE_PATTERN_DIGEST the name alone.
 * A name proves nothing: contents decide (socket/trust.h).
 */
bool image_pattern_names(const struct image_pattern *pattern, const struct image_ref *ref);

#endif
