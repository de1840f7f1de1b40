/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/document.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "codec/json-read.h"

#define PLATFORM_MAX 31 /* bytes of an os, an architecture, a variant */

#if defined(__x86_64__)
static const char *const architectures[] = { "amd64", "386" };
#elif defined(__aarch64__)
static const char *const architectures[] = { "arm64", "arm" };
#else
#error "name this architecture as Go does here"
#endif

static const struct {
	const char *media_type;
	enum document_kind kind;
} kinds[] = {
	{ "application/vnd.oci.image.index.v1+json", DOCUMENT_INDEX },
	{ "application/vnd.docker.distribution.manifest.list.v2+json", DOCUMENT_INDEX },
	{ "application/vnd.oci.image.manifest.v1+json", DOCUMENT_MANIFEST },
	{ "application/vnd.docker.distribution.manifest.v2+json", DOCUMENT_MANIFEST },
};

static const char *const config_types[] = {
	"application/vnd.oci.image.config.v1+json",
	"application/vnd.docker.container.image.v1+json",
};

bool document_architecture(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(architectures); i++)
		if (strcmp(architectures[i], name) == 0)
			return true;
	return false;
}

/* ---- members --------------------------------------------------------------------------------------------------- */

/* As Go's reader compares names: any case, and the two letters outside of ASCII that fold into it. */
static bool folds_to(const char *key, const char *name)
{
	for (; *key && *name; name++) {
		if (strncmp(key, "\xc5\xbf", 2) == 0 && (*name == 's' || *name == 'S')) /* long s */
			key += 2;
		else if (strncmp(key, "\xe2\x84\xaa", 3) == 0 && (*name == 'k' || *name == 'K')) /* Kelvin */
			key += 3;
		else if (tolower((unsigned char)*key) == tolower((unsigned char)*name))
			key++;
		else
			return false;
	}
	return !*key && !*name;
}

/* An object in which each of @names (ends with NULL) is spelled as it is here, or is not there. */
static int check_object(json_t *o, const char *const names[], const char *what, struct err *e)
{
	const char *key;
	json_t *v;

	if (!json_is_object(o))
		return err_set(e, EINVAL, "%s is no object", what);
	json_object_foreach(o, key, v)
		for (size_t i = 0; names[i]; i++)
			if (strcmp(key, names[i]) != 0 && folds_to(key, names[i]))
				return err_set(e, EINVAL,
					       "%s has \"%s\" in another spelling, which some would read", what,
					       names[i]);
	return 0;
}

/* A text or NULL; json_null is as good as nothing, as Go has it. */
static int get_text(json_t *o, const char *name, const char **ret, struct err *e)
{
	json_t *v = json_object_get(o, name);

	if (v && !json_is_string(v) && !json_is_null(v))
		return err_set(e, EINVAL, "\"%s\" is no text", name);
	*ret = json_string_value(v);
	return 0;
}

/* Short and plain, or "". */
static int get_name(json_t *o, const char *name, const char **ret, struct err *e)
{
	int r = get_text(o, name, ret, e);

	if (r < 0)
		return r;
	if (!*ret)
		*ret = "";
	if (strlen(*ret) > PLATFORM_MAX ||
	    (*ret)[strspn(*ret, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")])
		return err_set(e, EINVAL, "\"%s\" is not a name", name);
	return 0;
}

static int get_array(json_t *o, const char *name, size_t max, json_t **ret, struct err *e)
{
	*ret = json_object_get(o, name);
	if (!json_is_array(*ret))
		return err_set(e, EINVAL, "\"%s\" is no list", name);
	if (json_array_size(*ret) > max)
		return err_set(e, E2BIG, "\"%s\" has over %zu entries", name, max);
	return 0;
}

/* ---- descriptors ----------------------------------------------------------------------------------------------- */

static int get_descriptor(json_t *o, int64_t max, const char *what, struct document_blob *ret,
			  const char **ret_type, struct err *e)
{
	static const char *const names[] = { "mediaType", "digest", "size", "platform", "annotations", NULL };
	json_t *size = json_object_get(o, "size");
	const char *digest;
	int r;

	if ((r = check_object(o, names, what, e)) < 0 || (r = get_text(o, "mediaType", ret_type, e)) < 0 ||
	    (r = get_text(o, "digest", &digest, e)) < 0)
		return r;
	if (!*ret_type)
		*ret_type = "";
	if (!digest || !image_digest_valid(digest))
		return err_set(e, EINVAL, "%s has no sha256 digest", what);
	if (!json_is_integer(size) || json_integer_value(size) <= 0)
		return err_set(e, EINVAL, "%s has no size", what);
	if (json_integer_value(size) > max)
		return err_set(e, E2BIG, "%s is said to be over %lld bytes", what, (long long)max);
	(void)snprintf(ret->digest, sizeof ret->digest, "%s", digest);
	ret->size = json_integer_value(size);
	return 0;
}

/* An image's manifest, as far as the index says? */
static bool is_manifest_type(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].media_type, type) == 0)
			return kinds[i].kind == DOCUMENT_MANIFEST;
	return false;
}

/* Return: 1: an image that counts; 0: one of another platform; -ENOENT: none at all. */
static int check_platform(json_t *entry, const char *type, struct err *e)
{
	static const char *const names[] = { "os", "architecture", "variant", NULL };
	json_t *platform = json_object_get(entry, "platform");
	const char *os, *architecture;
	int r;

	if (!is_manifest_type(type) ||
	    json_object_get(json_object_get(entry, "annotations"), "vnd.docker.reference.type"))
		return -ENOENT;
	if (!platform || json_is_null(platform))
		return 1; /* its configuration tells */
	if ((r = check_object(platform, names, "a platform", e)) < 0 ||
	    (r = get_name(platform, "os", &os, e)) < 0 ||
	    (r = get_name(platform, "architecture", &architecture, e)) < 0)
		return r;
	if (strcmp(os, "unknown") == 0 && strcmp(architecture, "unknown") == 0)
		return -ENOENT;
	return strcmp(os, "linux") == 0 && document_architecture(architecture);
}

static int parse_index(json_t *root, struct document *ret, struct err *e)
{
	size_t platforms = 0, i, k;
	json_t *list, *entry;
	int r;

	if ((r = get_array(root, "manifests", DOCUMENT_ENTRIES_MAX, &list, e)) < 0)
		return r;
	json_array_foreach(list, i, entry) {
		struct document_blob blob;
		const char *type;

		if ((r = get_descriptor(entry, DOCUMENT_MANIFEST_MAX, "an entry of the index", &blob, &type, e)) <
		    0)
			return r;
		r = check_platform(entry, type, e);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		if (++platforms > DOCUMENT_PLATFORMS_MAX)
			return err_set(e, E2BIG, "the index has over %d platforms", DOCUMENT_PLATFORMS_MAX);
		for (k = 0; k < ret->n_images && strcmp(ret->images[k].digest, blob.digest) != 0; k++)
			;
		if (r == 1 && k == ret->n_images)
			ret->images[ret->n_images++] = blob;
	}
	return 0;
}

static int parse_manifest(json_t *root, struct document *ret, struct err *e)
{
	json_t *layers;
	const char *type;
	int r;

	if ((r = get_descriptor(json_object_get(root, "config"), DOCUMENT_CONFIG_MAX, "\"config\"", &ret->config,
				&type, e)) < 0 ||
	    (r = get_array(root, "layers", DOCUMENT_LAYERS_MAX, &layers, e)) < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(config_types); i++)
		if (strcmp(type, config_types[i]) == 0) {
			ret->n_layers = json_array_size(layers);
			return 0;
		}
	return err_set(e, ENOTSUP, "is not an image: its configuration is of another media type");
}

/* Media type of a Content-Type, without its parameters. */
static bool type_is(const char *content_type, const char *media_type)
{
	size_t n = strlen(media_type);

	if (strncasecmp(content_type, media_type, n) != 0)
		return false;
	n += strspn(content_type + n, " \t");
	return !content_type[n] || content_type[n] == ';';
}

static int find_kind(json_t *root, const char *content_type, enum document_kind *ret, struct err *e)
{
	json_t *version = json_object_get(root, "schemaVersion");
	bool index = json_object_get(root, "manifests"),
	     manifest = json_object_get(root, "layers") || json_object_get(root, "config");
	const char *type;
	size_t i;
	int r;

	if (json_object_get(root, "fsLayers") || json_object_get(root, "signatures") ||
	    (json_is_integer(version) && json_integer_value(version) == 1))
		return err_set(
			e, ENOTSUP,
			"is in the old format \"schema 1\", which proves nothing: push it again with a newer engine");
	if (!json_is_integer(version) || json_integer_value(version) != 2)
		return err_set(e, EINVAL, "\"schemaVersion\" is not 2");
	if (index && manifest)
		return err_set(e, EINVAL, "is an index and a manifest at once");
	if ((r = get_text(root, "mediaType", &type, e)) < 0)
		return r;
	for (i = 0; i < ARRAY_SIZE(kinds) && !(content_type && type_is(content_type, kinds[i].media_type)); i++)
		;
	if (i == ARRAY_SIZE(kinds))
		return err_set(e, ENOTSUP, "was sent as another media type than those of images and indexes");
	if (type && strcmp(type, kinds[i].media_type) != 0)
		return err_set(e, EINVAL, "was sent as %s, but says that it is something else",
			       kinds[i].media_type);
	if (kinds[i].kind == DOCUMENT_INDEX ? !index : !manifest)
		return err_set(e, EINVAL, "was sent as %s, but is not", kinds[i].media_type);
	*ret = kinds[i].kind;
	return 0;
}

int document_parse(const char *buf, size_t len, const char *content_type, struct document *ret, struct err *e)
{
	static const char *const names[] = { "schemaVersion", "mediaType", "config",	 "layers",
					     "manifests",     "fsLayers",  "signatures", NULL };
	struct document d = { 0 };
	json_t *root;
	int r;

	if (len > DOCUMENT_MANIFEST_MAX)
		return err_set(e, E2BIG, "is over %u bytes", DOCUMENT_MANIFEST_MAX);
	if ((r = json_read("it", buf, len, &root, e)) < 0)
		return r;
	if ((r = check_object(root, names, "it", e)) >= 0 && (r = find_kind(root, content_type, &d.kind, e)) >= 0)
		r = d.kind == DOCUMENT_INDEX ? parse_index(root, &d, e) : parse_manifest(root, &d, e);
	if (r >= 0)
		*ret = d;
	json_decref(root);
	return r;
}

/* ---- configurations -------------------------------------------------------------------------------------------- */

static int copy_layers(json_t *root, size_t n_layers, json_t *to, struct err *e)
{
	static const char *const names[] = { "type", "diff_ids", NULL };
	json_t *rootfs = json_object_get(root, "rootfs"), *ids, *id;
	size_t i;
	int r;

	if ((r = check_object(rootfs, names, "\"rootfs\"", e)) < 0)
		return r;
	ids = json_object_get(rootfs, "diff_ids");
	if ((!ids || json_is_null(ids)) && n_layers == 0)
		return 0;
	if ((r = get_array(rootfs, "diff_ids", DOCUMENT_LAYERS_MAX, &ids, e)) < 0)
		return r;
	if (json_array_size(ids) != n_layers)
		return err_set(e, EINVAL, "has %zu layers, but its manifest %zu", json_array_size(ids), n_layers);
	json_array_foreach(ids, i, id) {
		if (!json_is_string(id) || !image_digest_valid(json_string_value(id)))
			return err_set(e, EINVAL, "\"diff_ids\" has something else than sha256 digests");
		if (json_array_append(to, id) < 0)
			return err_set(e, ENOMEM, "no memory");
	}
	return 0;
}

static int copy_history(json_t *root, json_t *to, struct err *e)
{
	static const char *const names[] = { "created", "created_by", "comment", NULL };
	json_t *history = json_object_get(root, "history"), *entry;
	size_t i;
	int r;

	if (!history || json_is_null(history))
		return 0;
	if ((r = get_array(root, "history", DOCUMENT_HISTORY_MAX, &history, e)) < 0)
		return r;
	json_array_foreach(history, i, entry) {
		const char *text[3];

		if ((r = check_object(entry, names, "an entry of \"history\"", e)) < 0)
			return r;
		for (size_t k = 0; k < ARRAY_SIZE(text); k++) {
			if ((r = get_text(entry, names[k], &text[k], e)) < 0)
				return r;
			if (!text[k])
				text[k] = "";
		}
		if (json_array_append_new(to, json_sprintf("%s|%s|%s", text[0], text[1], text[2])) < 0)
			return err_set(e, ENOMEM, "no memory");
	}
	return 0;
}

static int copy_config(json_t *root, size_t n_layers, json_t **ret, struct err *e)
{
	static const char *const names[] = { "os", "architecture", "variant", "rootfs", "history", NULL };
	const char *os, *architecture, *variant;
	json_t *out;
	int r;

	if ((r = check_object(root, names, "it", e)) < 0 || (r = get_name(root, "os", &os, e)) < 0 ||
	    (r = get_name(root, "architecture", &architecture, e)) < 0 ||
	    (r = get_name(root, "variant", &variant, e)) < 0)
		return r;
	if (!*os || !*architecture)
		return err_set(e, EINVAL, "has no \"os\" and \"architecture\"");
	out = json_pack("{s:s, s:s, s:s, s:[], s:[]}", "os", os, "architecture", architecture, "variant", variant,
			"layers", "history");
	if (!out)
		return err_set(e, ENOMEM, "no memory");
	if ((r = copy_layers(root, n_layers, json_object_get(out, "layers"), e)) < 0 ||
	    (r = copy_history(root, json_object_get(out, "history"), e)) < 0)
		json_decref(out);
	else
		*ret = out;
	return r;
}

int document_config(const char *buf, size_t len, size_t n_layers, json_t **ret, struct err *e)
{
	json_t *root;
	int r;

	if (len > DOCUMENT_CONFIG_MAX)
		return err_set(e, E2BIG, "is over %u bytes", DOCUMENT_CONFIG_MAX);
	if ((r = json_read("it", buf, len, &root, e)) < 0)
		return r;
	r = copy_config(root, n_layers, ret, e);
	json_decref(root);
	return r;
}
