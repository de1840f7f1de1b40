/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes: which may be made, and which that exist already show the host (E40, E41, B3). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "guard/engine.h"
#include "guard/rules.h"
#include "socket/grants.h"

/* Mount options, split at commas as the engine splits them. */
static const char *next_option(const char **s, size_t *ret_len)
{
	const char *at = *s;

	if (!at)
		return NULL;
	*ret_len = strcspn(at, ",");
	*s = at[*ret_len] ? at + *ret_len + 1 : NULL;
	return at;
}

static bool in_list(const char *s, size_t len, const char *const list[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(list[i]) == len && strncmp(s, list[i], len) == 0)
			return true;
	return false;
}

/* Flags that only restrict or tune the mount they are given to. */
static bool plain_flag(const char *s, size_t len)
{
	static const char *const flags[] = {
		"",	   "defaults", "ro",	     "rw",	 "suid",       "nosuid",      "dev",
		"nodev",   "exec",     "noexec",     "sync",	 "async",      "dirsync",     "atime",
		"noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime",
		"private", "rprivate",
	};

	return in_list(s, len, flags, ARRAY_SIZE(flags));
}

bool tmpfs_option(const char *s, size_t len)
{
	static const char *const names[] = {
		"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol", "huge"
	};
	static const char *const alone[] = { "noswap", "inode32", "inode64" };
	const char *equals = memchr(s, '=', len);

	if (!equals)
		return plain_flag(s, len) || in_list(s, len, alone, ARRAY_SIZE(alone));
	return in_list(s, (size_t)(equals - s), names, ARRAY_SIZE(names));
}

/* Anything by which mount(2) does something else than mount a new file system of the given type. */
static bool changes_the_call(const char *s, size_t len)
{
	static const char *const flags[] = {
		"bind",	 "rbind",  "move",    "remount",  "shared",	"rshared",
		"slave", "rslave", "private", "rprivate", "unbindable", "runbindable"
	};

	return in_list(s, len, flags, ARRAY_SIZE(flags));
}

static bool asks_bind(const char *o)
{
	static const char *const flags[] = { "bind", "rbind" };
	const char *s;
	size_t len;

	while ((s = next_option(&o, &len)))
		if (in_list(s, len, flags, ARRAY_SIZE(flags)))
			return true;
	return false;
}

/* The host itself, as a server of network file systems. Its other addresses are the export list's concern. */
static bool is_loopback(const char *s, size_t len)
{
	static const char *const starts[] = { "127.",	     "0.",	    "localhost",    "::1",
					      "[::1",	     "::ffff:127.", "[::ffff:127.", "//127.",
					      "//localhost", "//[::1",	    "//0." };

	for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
		if (len >= strlen(starts[i]) && strncasecmp(s, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

/*
 * Into a volume that shows a directory of the host the engine would write as root of the host, when it makes a
 * container and for docker cp. The mount itself keeps it from that: the last of "ro" and "rw" counts.
 */
static bool asks_read_only(const char *o)
{
	static const char *const ro[] = { "ro" }, *const rw[] = { "rw" };
	bool read_only = false;
	const char *s;
	size_t len;

	while ((s = next_option(&o, &len))) {
		if (in_list(s, len, rw, 1))
			return false;
		read_only |= in_list(s, len, ro, 1);
	}
	return read_only;
}

static int bind_options(struct judging *j, json_t *options, const char *o, const char *device, char **ret_device)
{
	static const char *const propagation[] = { "bind", "rbind", "shared", "rshared", "slave", "rslave" };
	_cleanup_free_ char *path = NULL;
	const char *s, *rest = o;
	bool sockets;
	size_t len;
	int r;

	while ((s = next_option(&rest, &len)))
		if (!plain_flag(s, len) && !in_list(s, len, propagation, ARRAY_SIZE(propagation)))
			return refuse_here(j, 403, "volume options",
					   "option \"%.*s\" is not allowed for a volume that binds a directory",
					   (int)(len > 64 ? 64 : len), s);
	if (*device != '/')
		return refuse_here(j, 400, "volume options",
				   "a volume with o=bind needs an absolute path as its device");
	/* What is mounted is what the volume has, whatever the bind is called: no socket of the container's own. */
	sockets = j->sockets;
	j->sockets = false;
	r = host_path_judge(j, device, &path);
	j->sockets = sockets;
	if (r < 0)
		return r;
	if (ret_device) {
		*ret_device = TAKE_PTR(path);
		return 0;
	}
	if (!asks_read_only(o))
		return refuse_here(
			j, 403, "volume options",
			"a volume that shows %.256s of the host has to be read-only (o=bind,ro), as the engine itself "
			"would write there as root of the host; to write, mount the directory: -v %.256s:/TARGET",
			path, path);
	if (json_object_set_new(options, "device", json_string(path)) < 0)
		return refuse_here(j, 503, "memory", "out of memory");
	return 0;
}

static int network_options(struct judging *j, const char *o, const char *device)
{
	bool loopback = is_loopback(device, strlen(device));
	const char *s;
	size_t len;

	while ((s = next_option(&o, &len))) {
		if (changes_the_call(s, len))
			return refuse_here(j, 403, "volume options",
					   "option \"%.*s\" is not allowed for a network file system", (int)len,
					   s);
		if (len > 5 && strncmp(s, "addr=", 5) == 0)
			loopback |= is_loopback(s + 5, len - 5);
		if (len > 3 && strncmp(s, "ip=", 3) == 0)
			loopback |= is_loopback(s + 3, len - 3);
	}
	if (loopback)
		return refuse_here(
			j, 403, "restricted host mount",
			"mounts denied: the server of the volume is the host itself, a restricted host mount");
	return 0;
}

static const char *option(const json_t *options, const char *key)
{
	const char *s = json_string_value(json_object_get(options, key));

	return s ? s : "";
}

int volume_options(struct judging *j, json_t *options, char **ret_device)
{
	static const char *const keys[] = { "type", "o", "device", "size" };
	static const char *const network[] = { "nfs", "nfs4", "cifs" };
	const char *type = option(options, "type"), *o = option(options, "o"), *device = option(options, "device");
	const char *key, *s, *rest = o;
	size_t len;
	json_t *v;

	json_object_foreach(options, key, v) {
		if (!json_is_string(v))
			return refuse_here(j, 400, "volume options", "must be strings");
		if (!in_list(key, strlen(key), keys, ARRAY_SIZE(keys)))
			return refuse_here(
				j, 403, "volume options",
				"the local driver's options are type, o, device and size, not \"%.64s\"", key);
	}
	/* With a bind flag mount(2) ignores the type. */
	if (asks_bind(o))
		return bind_options(j, options, o, device, ret_device);
	if (!*type && !*o && !*device)
		return 0;
	if (in_list(type, strlen(type), network, ARRAY_SIZE(network)))
		return network_options(j, o, device);
	if (strcmp(type, "tmpfs") != 0)
		return refuse_here(
			j, 403, "restricted host mount",
			"mounts denied: a volume of type \"%.64s\" on device \"%.128s\" shows the host's own "
			"storage: a "
			"restricted host mount; use an ordinary volume, tmpfs, nfs or cifs",
			type, device);
	while ((s = next_option(&rest, &len)))
		if (!tmpfs_option(s, len))
			return refuse_here(j, 403, "volume options", "option \"%.*s\" is not one of tmpfs",
					   (int)(len > 64 ? 64 : len), s);
	return 0;
}

bool volume_name_valid(const char *name, size_t len)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

	if (len == 0 || len > 255 || !strchr(letters, name[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!name[i] || (!strchr(letters, name[i]) && !strchr("_.-", name[i])))
			return false;
	return true;
}

int rule_volume_driver(struct judging *j, json_t *owner, json_t *value)
{
	const char *driver = json_string_value(value);

	(void)owner;
	if (*driver == '\0' || strcmp(driver, "local") == 0)
		return 0;
	return refuse_here(j, 403, "volume drivers",
			   "volume driver \"%.64s\" is a program that runs on the host; only \"local\" is allowed",
			   driver);
}

/* The engine makes volumes that are not there, but without labels, of which one is that by which a scope knows its own. */
static int make_own_volume(struct judging *j, const char *name)
{
	_cleanup_free_ char *body = NULL, *answer = NULL;
	json_t *volume;
	struct engine_call call = { .method = "POST", .path = "/volumes/create", .type = "application/json" };
	struct err e = { 0 };
	size_t len;
	int r;

	if (j->volume_labelled || !socket_wants_labels(j->q))
		return 0;
	volume = json_pack("{ss}", "Name", name);
	r = volume ? socket_labels_of(j, volume, false) : -ENOMEM;
	body = r < 0 ? NULL : json_dumps(volume, 0);
	json_decref(volume);
	if (!body)
		return refuse_here(j, 503, "memory", "out of memory");
	call.body = body;
	call.len = strlen(body);
	r = engine_call(j->q->engine, &call, &answer, &len, &e);
	if (r == 201)
		return 0;
	return refuse(j, 503, "engine", "enhanced container isolation: volume %s cannot be made: %s", name,
		      r < 0 ? e.msg : answer);
}

int volume_named(struct judging *j, const char *name, char **ret_device)
{
	_cleanup_free_ char *path = NULL;
	json_t *volume = NULL, *options;
	struct err e = { 0 };
	const char *driver;
	int r;

	if (!volume_name_valid(name, strlen(name)))
		return refuse_here(j, 400, "volume", "\"%.128s\" is not the name of a volume", name);
	if (asprintf(&path, "/volumes/%s", name) < 0)
		return refuse_here(j, 503, "memory", "out of memory");
	r = engine_get(j->q->engine, path, &volume, &e);
	if (r == -ENOENT)
		return make_own_volume(j, name);
	if (r < 0)
		return refuse(j, 503, "engine",
			      "enhanced container isolation: cannot judge volume %s without the engine: %s", name,
			      e.msg);
	driver = json_string_value(json_object_get(volume, "Driver"));
	options = json_object_get(volume, "Options");
	if (!own_volume(j, volume))
		r = refuse_here(j, 403, "own things only",
				"volume %s was not made through this container's Docker socket", name);
	else if (!driver || strcmp(driver, "local") != 0)
		r = refuse_here(j, 403, "volume drivers",
				"volume %s is of driver \"%.64s\"; only \"local\" is allowed", name,
				driver ? driver : "?");
	else if (json_is_object(options))
		r = volume_options(j, options, ret_device);
	json_decref(volume);
	return r;
}

static int rule_driver_options(struct judging *j, json_t *owner, json_t *value)
{
	(void)owner;
	return volume_options(j, value, NULL);
}

static const struct field volume_fields[] = {
	{ "Name", FIELD_STRING, NULL, NULL },
	{ "Driver", FIELD_STRING, NULL, rule_volume_driver },
	{ "DriverOpts", FIELD_STRING_MAP, NULL, rule_driver_options },
	{ "Labels", FIELD_STRING_MAP, NULL, NULL },
	{ "ClusterVolumeSpec", FIELD_ANY, NULL, rule_refuse_unless_empty },
};
static const struct shape volume_shape = { volume_fields, ARRAY_SIZE(volume_fields), false };

/* The engine answers with the one that is there already. */
static int own_name(struct judging *j, const char *name)
{
	json_t *volume = NULL;
	int r;

	if (!volume_name_valid(name, strlen(name)))
		return refuse_here(j, 400, "volume", "\"%.128s\" is not the name of a volume", name);
	r = object_look_up(j, "volumes", name, "", &volume);
	if (r == 0 && volume && !own_volume(j, volume))
		r = refuse(
			j, 409, "own things only",
			"enhanced container isolation: volume %s was not made through this container's Docker socket",
			name);
	json_decref(volume);
	return r;
}

int judge_volume_create(struct judge_request *q, struct judge_verdict *v)
{
	struct judging j = { .q = q, .v = v };
	const char *name;
	int r;

	if (!q->body && q->grant && !(q->body = json_object()))
		return refuse(&j, 503, "memory", "out of memory");
	r = q->body ? shape_apply(&j, &volume_shape, q->body) : 0;
	if (r < 0 || !q->body)
		return r;
	name = json_string_value(json_object_get(q->body, "Name"));
	r = socket_labels(&j, false);
	if (r == 0 && name && *name && own_only(q))
		r = own_name(&j, name);
	return r < 0 || !name ? r : socket_name(&j, name);
}

int judge_volume_update(struct judge_request *q, struct judge_verdict *v)
{
	struct judging j = { .q = q, .v = v };

	return refuse(
		&j, 403, "cluster volumes",
		"enhanced container isolation: cluster volumes are programs of the swarm that run on the host, so "
		"changing them is "
		"blocked; an administrator can, on the engine's own socket");
}

/* A volume's driver where it is made together with the mount. */
static const struct field driver_fields[] = {
	{ "Name", FIELD_STRING, NULL, rule_volume_driver },
	{ "Options", FIELD_STRING_MAP, NULL, rule_driver_options },
};
const struct shape driver_shape = { driver_fields, ARRAY_SIZE(driver_fields), false };
