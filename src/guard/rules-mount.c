/* SPDX-License-Identifier: Apache-2.0 */
/* What a container is to see of the host, in each of the ways in which the API can say it (A121). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/lexpath.h"
#include "guard/rules.h"

/* ---- Binds: "source:target[:mode]" ---- */

static int set_string(struct judging *j, json_t *string, const char *text)
{
	return json_string_set(string, text) < 0 ? refuse_here(j, 503, "memory", "out of memory") : 0;
}

/*
 * The engine splits at every colon and takes one part for a target, two for source and target, three for source,
 * target and mode; a source is a host path when it begins with a slash, and a volume's name otherwise.
 */
static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *s = list; *s; s += *s == ',') {
		size_t len = strcspn(s, ",");

		if (len == n && strncmp(s, word, n) == 0)
			return true;
		s += len;
	}
	return false;
}

/*
 * When a container is made the engine copies what the image has at the target into an empty volume: as root of the
 * host, programs with set-user-id included. Never into a directory of the host's.
 */
static int volume_bind(struct judging *j, json_t *string, const char *name)
{
	const char *text = json_string_value(string), *mode = strchr(strchr(text, ':') + 1, ':');
	_cleanup_free_ char *device = NULL, *result = NULL;
	int r = volume_named(j, name, &device);

	if (r < 0 || !device || (mode && has_word(mode + 1, "nocopy")))
		return r;
	changed(j, "nothing is copied into %.200s", device);
	if (asprintf(&result, "%s%snocopy", text, !mode ? ":" : mode[1] ? "," : "") < 0)
		return refuse_here(j, 503, "memory", "out of memory");
	return set_string(j, string, result);
}

/* @ret_moved: it is among @hc's Mounts now */
static int judge_bind(struct judging *j, json_t *hc, json_t *string, bool *ret_moved)
{
	const char *text = json_string_value(string), *colon = strchr(text, ':');
	_cleanup_free_ char *source = NULL, *path = NULL, *result = NULL;
	size_t colons = 0;
	int r;

	for (const char *s = text; *s; s++)
		colons += *s == ':';
	if (!colon && *text)
		return 0; /* a target alone: a new volume */
	if (colons > 2 || colon == text || !colon)
		return refuse_here(j, 400, "binds", "mount denied: the source path \"%.256s\" %s", text,
				   colons > 2 ? "has too many colons" : "is empty");
	source = strndup(text, (size_t)(colon - text));
	if (!source)
		return refuse_here(j, 503, "memory", "out of memory");
	if (*source != '/')
		return volume_bind(j, string, source);
	r = host_path_judge(j, source, &path);
	if (r < 0)
		return r;
	/* A container's socket is there, and in a place of root's. */
	*ret_moved = !lex_is_below(path, j->q->settings->socket.directory) && !host_path_steady(path);
	if (*ret_moved)
		return source_from_bind(j, hc, path, colon + 1);
	if (strchr(path, ':'))
		return refuse_here(j, 400, "binds", "%.256s leads to a path with a colon; use --mount type=bind",
				   source);
	if (asprintf(&result, "%s%s", path, colon) < 0)
		return refuse_here(j, 503, "memory", "out of memory");
	return set_string(j, string, result);
}

int rule_binds(struct judging *j, json_t *owner, json_t *value)
{
	for (size_t i = 0; i < json_array_size(value);) {
		bool moved = false;
		int r = judge_bind(j, owner, json_array_get(value, i), &moved);

		if (r == 0 && moved)
			r = json_array_remove(value, i);
		if (r < 0)
			return r;
		i += !moved;
	}
	return 0;
}

/* ---- VolumesFrom: "container[:mode]" ---- */

/*
 * The other container's socket is its own. If this one may have one as well, it is mounted over the other's: what Binds says
 * of a place is stronger than what VolumesFrom brings.
 */
static int mount_own_socket(struct judging *j, const json_t *m)
{
	const char *target = json_string_value(json_object_get(m, "Destination"));
	json_t *hc = json_object_get(j->q->body, "HostConfig"), *binds = json_object_get(hc, "Binds");
	_cleanup_free_ char *path = NULL, *bind = NULL;
	int r = socket_mount(j, &path);

	if (r < 0)
		return r;
	if (!target || strchr(target, ':'))
		return refuse_here(j, 403, "docker socket",
				   "the other container has the Docker socket at an odd place");
	if (!binds) {
		binds = json_array();
		if (json_object_set_new(hc, "Binds", binds) < 0)
			return refuse_here(j, 503, "memory", "out of memory");
	}
	if (asprintf(&bind, "%s:%s", path, target) < 0)
		return refuse_here(j, 503, "memory", "out of memory");
	return json_array_append_new(binds, json_string(bind)) < 0 ? refuse_here(j, 503, "memory", "out of memory")
								   : 0;
}

/* One mount of a container that exists. @ret_path: malloc'd, the host's directory that it shows, or NULL. */
static int judge_mount_of(struct judging *j, const json_t *m, char **ret_path)
{
	const char *type = json_string_value(json_object_get(m, "Type"));
	const char *source = json_string_value(json_object_get(m, "Source"));
	const char *name = json_string_value(json_object_get(m, "Name"));
	bool sockets;
	int r;

	if (socket_is_ours(j, source))
		return j->sockets ? mount_own_socket(j, m) : 0; /* what is in a socket's place is not written to */
	if (!type || strcmp(type, "bind") == 0) {
		/* That container has the engine's own socket, from before: it would come along as it is. */
		sockets = j->sockets;
		j->sockets = false;
		r = host_path_judge(j, source ? source : "", ret_path);
		j->sockets = sockets;
		return r;
	}
	if (strcmp(type, "volume") == 0)
		return name ? volume_named(j, name, ret_path) : 0;
	if (strcmp(type, "tmpfs") == 0 || strcmp(type, "image") == 0)
		return 0;
	return refuse_here(j, 403, "mounts", "the container has a mount of type \"%.32s\", which is not allowed",
			   type);
}

/*
 * What the other container has mounted was judged when it was made, if the guard was there then. @seen: the places for which
 * a container further behind in the list has something.
 */
static int judge_mounts_of(struct judging *j, json_t *hc, const json_t *inspect, bool read_only, json_t *seen)
{
	json_t *mounts = json_object_get(inspect, "Mounts"), *m;
	size_t i;

	json_array_foreach(mounts, i, m) {
		const char *type = json_string_value(json_object_get(m, "Type")),
			   *target = json_string_value(json_object_get(m, "Destination"));
		_cleanup_free_ char *path = NULL;
		int r = judge_mount_of(j, m, &path);

		if (r == 0 && path && (!type || strcmp(type, "bind") == 0) && target &&
		    !json_object_get(seen, target) && !host_path_steady(path))
			r = source_from_other(j, hc, m, path, read_only);
		if (r == 0 && target && json_object_set_new(seen, target, json_true()) < 0)
			r = refuse_here(j, 503, "memory", "out of memory");
		if (r < 0)
			return r;
	}
	return 0;
}

int container_copy(struct judging *j, const json_t *inspect, bool write)
{
	json_t *mounts = json_object_get(inspect, "Mounts"), *m;
	size_t i;

	json_array_foreach(mounts, i, m) {
		_cleanup_free_ char *path = NULL;
		int r = judge_mount_of(j, m, &path);

		if (r < 0)
			return r;
		if (!path)
			continue;
		if (write && !json_is_false(json_object_get(m, "RW")))
			return refuse(
				j, 403, "docker cp",
				"enhanced container isolation: docker cp into a container that has %.256s of the host "
				"mounted is blocked, as the engine would write there as root of the host; copy from "
				"inside: tar c FILE | docker exec -i CONTAINER tar x -C DIRECTORY",
				path);
		/* A read-only mount keeps the engine from writing wherever it leads to. */
		if (!write && !host_path_steady(path))
			return refuse(
				j, 403, "docker cp",
				"enhanced container isolation: docker cp out of a container that has %.256s of the "
				"host mounted is blocked, as users could make that lead elsewhere while the engine "
				"reads as root of the host; copy from inside: docker exec CONTAINER tar c FILE | tar x",
				path);
	}
	return 0;
}

static int judge_volumes_from(struct judging *j, json_t *hc, json_t *string, json_t *seen)
{
	const char *text = json_string_value(string), *colon = strchr(text, ':'), *id;
	_cleanup_free_ char *name = strndup(text, strcspn(text, ":")), *pinned = NULL;
	json_t *inspect = NULL;
	int r;

	if (!name)
		return refuse_here(j, 503, "memory", "out of memory");
	r = container_ours(j, name, &inspect);
	if (r < 0)
		return r;
	r = judge_mounts_of(j, hc, inspect, colon && has_word(colon + 1, "ro"), seen);
	id = json_string_value(json_object_get(inspect, "Id"));
	if (r == 0 && id) {
		if (asprintf(&pinned, "%s%s", id, colon ? colon : "") < 0)
			r = refuse_here(j, 503, "memory", "out of memory");
		else
			r = set_string(j, string, pinned);
	}
	json_decref(inspect);
	return r;
}

int rule_volumes_from(struct judging *j, json_t *owner, json_t *value)
{
	json_t *seen = json_object();
	int r = seen ? 0 : refuse_here(j, 503, "memory", "out of memory");

	/* The last one has a place that several have. */
	for (size_t i = json_array_size(value); r == 0 && i-- > 0;)
		r = judge_volumes_from(j, owner, json_array_get(value, i), seen);
	json_decref(seen);
	return r;
}

/* ---- Tmpfs: {"/target": "options"} ---- */

int rule_tmpfs(struct judging *j, json_t *owner, json_t *value)
{
	const char *target;
	json_t *v;

	(void)owner;
	json_object_foreach(value, target, v) {
		const char *s = json_string_value(v);

		for (;;) {
			size_t len = strcspn(s, ",");

			if (!tmpfs_option(s, len))
				return refuse_here(j, 403, "tmpfs options", "option \"%.*s\" is not one of tmpfs",
						   (int)(len > 64 ? 64 : len), s);
			if (!s[len])
				break;
			s += len + 1;
		}
	}
	return 0;
}

/* ---- Mounts ---- */

static const struct field bind_option_fields[] = {
	{ "Propagation", FIELD_STRING, NULL, NULL }, /* of mounts in the container's own mount namespace */
	{ "NonRecursive", FIELD_BOOL, NULL, NULL },
	{ "CreateMountpoint", FIELD_BOOL, NULL, NULL }, /* judged by the directory that it would be made in */
	{ "ReadOnlyNonRecursive", FIELD_BOOL, NULL, NULL },
	{ "ReadOnlyForceRecursive", FIELD_BOOL, NULL, NULL },
};
static const struct shape bind_option_shape = { bind_option_fields, ARRAY_SIZE(bind_option_fields), false };

static int rule_subpath(struct judging *j, json_t *owner, json_t *value)
{
	const char *s = json_string_value(value);

	(void)owner;
	if (*s == '/')
		return refuse_here(j, 400, "mounts", "must be a relative path");
	for (;;) {
		size_t n = strcspn(s, "/");

		if (n == 2 && s[0] == '.' && s[1] == '.')
			return refuse_here(j, 403, "mounts", "must not leave the volume");
		if (!s[n])
			return 0;
		s += n + 1;
	}
}

static const struct field volume_option_fields[] = {
	{ "NoCopy", FIELD_BOOL, NULL, NULL },
	{ "Labels", FIELD_STRING_MAP, NULL, NULL },
	{ "Subpath", FIELD_STRING, NULL, rule_subpath },
	{ "DriverConfig", FIELD_OBJECT, &driver_shape, NULL },
};
static const struct shape volume_option_shape = { volume_option_fields, ARRAY_SIZE(volume_option_fields), false };

static const struct field image_option_fields[] = { { "Subpath", FIELD_STRING, NULL, rule_subpath } };
static const struct shape image_option_shape = { image_option_fields, ARRAY_SIZE(image_option_fields), false };

/* [["noexec"], ["size", "1m"]] */
static int rule_tmpfs_list(struct judging *j, json_t *owner, json_t *value)
{
	size_t i;
	json_t *v;

	(void)owner;
	if (!json_is_array(value))
		return refuse_here(j, 400, "request body", "must be an array");
	json_array_foreach(value, i, v) {
		const char *key = json_string_value(json_array_get(v, 0)),
			   *arg = json_string_value(json_array_get(v, 1));
		_cleanup_free_ char *whole = NULL;

		if (!key || json_array_size(v) > 2 || (json_array_size(v) == 2 && !arg))
			return refuse_here(j, 400, "request body", "must be arrays of one or two strings");
		if (asprintf(&whole, "%s%s%s", key, arg ? "=" : "", arg ? arg : "") < 0)
			return refuse_here(j, 503, "memory", "out of memory");
		if (strchr(whole, ',') || !tmpfs_option(whole, strlen(whole)))
			return refuse_here(j, 403, "tmpfs options", "option \"%.64s\" is not one of tmpfs", whole);
	}
	return 0;
}

static const struct field tmpfs_option_fields[] = {
	{ "SizeBytes", FIELD_INT, NULL, NULL },
	{ "Mode", FIELD_INT, NULL, NULL },
	{ "Options", FIELD_ANY, NULL, rule_tmpfs_list },
};
static const struct shape tmpfs_option_shape = { tmpfs_option_fields, ARRAY_SIZE(tmpfs_option_fields), false };

static const struct field mount_fields[] = {
	{ "Type", FIELD_STRING, NULL, NULL },
	{ "Source", FIELD_STRING, NULL, NULL }, /* judge_mount() */
	{ "Target", FIELD_STRING, NULL, NULL },
	{ "ReadOnly", FIELD_BOOL, NULL, NULL },
	{ "Consistency", FIELD_STRING, NULL, NULL },
	{ "BindOptions", FIELD_OBJECT, &bind_option_shape, NULL },
	{ "VolumeOptions", FIELD_OBJECT, &volume_option_shape, NULL },
	{ "ImageOptions", FIELD_OBJECT, &image_option_shape, NULL },
	{ "TmpfsOptions", FIELD_OBJECT, &tmpfs_option_shape, NULL },
	{ "ClusterOptions", FIELD_ANY, NULL, rule_refuse_unless_empty },
};
const struct shape mount_shape = { mount_fields, ARRAY_SIZE(mount_fields), false };

/* The engine puts them on a volume that it makes, as by POST /volumes/create. */
static int volume_labels(struct judging *j, json_t *mount)
{
	json_t *options = json_object_get(mount, "VolumeOptions");

	if (!options && !j->q->grant)
		return 0;
	if (!options && json_object_set_new(mount, "VolumeOptions", options = json_object()) < 0)
		return refuse_here(j, 503, "memory", "out of memory");
	return socket_labels_of(j, options, false);
}

static int judge_volume_mount(struct judging *j, json_t *mount, const char *name)
{
	_cleanup_free_ char *device = NULL;
	json_t *options;
	int r;

	j->volume_labelled = true;
	r = *name ? volume_named(j, name, &device) : 0;
	j->volume_labelled = false;
	if (r == 0)
		r = volume_labels(j, mount);
	if (r < 0 || !device)
		return r;
	options = json_object_get(mount, "VolumeOptions");
	if (json_is_true(json_object_get(options, "NoCopy")))
		return 0;
	changed(j, "nothing is copied into %.200s", device);
	if ((!options && json_object_set_new(mount, "VolumeOptions", options = json_object()) < 0) ||
	    json_object_set_new(options, "NoCopy", json_true()) < 0)
		return refuse_here(j, 503, "memory", "out of memory");
	return 0;
}

/* The engine would make it whenever the container starts: see rules-source.c. */
static int make_mountpoint(struct judging *j, json_t *options, const char *path)
{
	if (!json_is_true(json_object_get(options, "CreateMountpoint")) || host_path_steady(path))
		return 0;
	(void)json_object_del(options, "CreateMountpoint");
	return source_missing(j, path);
}

static int judge_mount(struct judging *j, json_t *mount)
{
	const char *type = json_string_value(json_object_get(mount, "Type"));
	json_t *s = json_object_get(mount, "Source");
	const char *source = s ? json_string_value(s) : "";
	_cleanup_free_ char *path = NULL;
	int r;

	if (!type)
		return refuse_here(j, 400, "mounts", "needs a Type: bind, volume, tmpfs or image");
	if (strcmp(type, "bind") == 0) {
		r = host_path_judge(j, source, &path);
		if (r == 0)
			r = make_mountpoint(j, json_object_get(mount, "BindOptions"), path);
		return r < 0 ? r : set_string(j, s, path);
	}
	if (strcmp(type, "volume") == 0)
		return judge_volume_mount(j, mount, source);
	if (strcmp(type, "tmpfs") == 0)
		return *source ? refuse_here(j, 400, "mounts", "a tmpfs has no Source") : 0;
	if (strcmp(type, "image") == 0)
		return 0; /* what is in an image is not the host's */
	return refuse_here(j, 403, "mounts",
			   "mounts of type \"%.32s\" are not allowed; use bind, volume, tmpfs or image", type);
}

int rule_mounts(struct judging *j, json_t *owner, json_t *value)
{
	size_t i;
	json_t *v;
	int r = 0;

	(void)owner;
	j->at[j->depth++].name = NULL;
	json_array_foreach(value, i, v) {
		j->at[j->depth - 1].index = i;
		if (r == 0)
			r = judge_mount(j, v);
	}
	if (r == 0)
		j->depth--;
	return r;
}
