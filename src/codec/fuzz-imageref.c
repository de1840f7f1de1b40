/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first line is an entry of a list, the second a name. A name that was read is the same after it was written out
 * and read again, and holds nothing but what belongs into a request to a registry; an entry without "*" is about its
 * own name; an entry for any tag is about no fewer names than one for a tag.
 */
#include <stdint.h>

#include "base/cleanup.h"
#include "codec/fuzz-oci.h"
#include "codec/imageref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same_ref(const struct image_ref *a, const struct image_ref *b)
{
	return same(a->registry, b->registry) && same(a->repository, b->repository) && same(a->tag, b->tag) &&
	       same(a->digest, b->digest);
}

static void check_ref(const struct image_ref *ref)
{
	char name[IMAGE_NAME_MAX + 2], text[IMAGE_NAME_MAX + IMAGE_TAG_MAX + IMAGE_DIGEST_MAX + 4];
	struct image_ref again;

	CHECK(*ref->registry && *ref->repository);
	CHECK(strspn(ref->registry, "abcdefghijklmnopqrstuvwxyz0123456789.-:[]") == strlen(ref->registry));
	CHECK(strspn(ref->repository, "abcdefghijklmnopqrstuvwxyz0123456789._-/") == strlen(ref->repository));
	CHECK(!strstr(ref->repository, "..") && !strstr(ref->repository, "//") && ref->repository[0] != '/');
	CHECK(!*ref->digest || image_digest_valid(ref->digest));
	CHECK(strlen(image_ref_name(ref, name, sizeof name)) <= IMAGE_NAME_MAX);
	(void)snprintf(text, sizeof text, "%s%s%s%s%s", name, *ref->tag ? ":" : "", ref->tag,
		       *ref->digest ? "@" : "", ref->digest);
	CHECK(!image_ref_parse(text, &again) && same_ref(ref, &again));
}

static void check_pattern(const struct image_pattern *p, const struct image_ref *ref)
{
	struct image_pattern any = *p;
	struct image_ref own = p->ref;

	CHECK(p->glob == (strchr(p->ref.repository, '*') != NULL) && !strchr(p->ref.registry, '*'));
	CHECK((p->kind == IMAGE_PATTERN_TAG) == (*p->ref.tag != '\0'));
	CHECK((p->kind == IMAGE_PATTERN_DIGEST) == (*p->ref.digest != '\0'));
	CHECK(p->glob || image_pattern_names(p, &own));
	any.kind = IMAGE_PATTERN_ANY;
	if (ref && image_pattern_names(p, ref))
		CHECK(p->kind == IMAGE_PATTERN_ALL || image_pattern_names(&any, ref));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = NULL;
	struct image_pattern pattern;
	struct image_ref ref;
	bool is_ref;
	char *name;

	if (size == 0 || size > 4096)
		return 0;
	text = strndup((const char *)data, size);
	CHECK(text);
	name = strchrnul(text, '\n');
	if (*name)
		*name++ = '\0';
	name[strcspn(name, "\n")] = '\0';
	is_ref = !image_ref_parse(name, &ref);
	if (is_ref)
		check_ref(&ref);
	if (!image_pattern_parse(text, &pattern))
		check_pattern(&pattern, is_ref ? &ref : NULL);
	return 0;
}
