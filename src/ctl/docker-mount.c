/* SPDX-License-Identifier: Apache-2.0 */
/* --mount type=bind,src=/a,dst=/b,... : one line of CSV. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "ctl/docker-internal.h"
#include "guard/text.h"

/* Where a key's value goes: a member of the mount, or of one of its option objects. */
struct option {
	const char *key, *object, *member;
	enum flag_kind kind;
};

static const struct option options[] = {
	{ "type", NULL, "Type", FLAG_STRING },
	{ "source", NULL, "Source", FLAG_STRING },
	{ "src", NULL, "Source", FLAG_STRING },
	{ "target", NULL, "Target", FLAG_STRING },
	{ "dst", NULL, "Target", FLAG_STRING },
	{ "destination", NULL, "Target", FLAG_STRING },
	{ "readonly", NULL, "ReadOnly", FLAG_BOOL },
	{ "ro", NULL, "ReadOnly", FLAG_BOOL },
	{ "consistency", NULL, "Consistency", FLAG_STRING },
	{ "bind-propagation", "BindOptions", "Propagation", FLAG_STRING },
	{ "bind-nonrecursive", "BindOptions", "NonRecursive", FLAG_BOOL },
	{ "bind-create-src", "BindOptions", "CreateMountpoint", FLAG_BOOL },
	{ "volume-subpath", "VolumeOptions", "Subpath", FLAG_STRING },
	{ "volume-nocopy", "VolumeOptions", "NoCopy", FLAG_BOOL },
	{ "volume-label", "VolumeOptions", "Labels", FLAG_MAP },
	{ "image-subpath", "ImageOptions", "Subpath", FLAG_STRING },
	{ "tmpfs-size", "TmpfsOptions", "SizeBytes", FLAG_BYTES },
};

static json_t *sub(json_t *o, const char *name)
{
	json_t *found = json_object_get(o, name);

	if (!found)
		(void)json_object_set_new(o, name, found = json_object());
	return found;
}

static int bad_field(struct err *e, const char *field)
{
	return err_set(e, EINVAL, "--mount: invalid field \"%.80s\"", field);
}

static int put_bool(json_t *o, const char *member, const char *value, const char *field, struct err *e)
{
	bool on = !value || strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0 ||
		  strcasecmp(value, "t") == 0;

	if (!on && strcasecmp(value, "false") != 0 && strcmp(value, "0") != 0 && strcasecmp(value, "f") != 0)
		return bad_field(e, field);
	(void)json_object_set_new(o, member, json_boolean(on));
	return 0;
}

static int put_option(json_t *m, const struct option *o, const char *value, const char *field, struct err *e)
{
	json_t *to = o->object ? sub(m, o->object) : m;
	int64_t n;

	if (o->kind == FLAG_BOOL)
		return put_bool(to, o->member, value, field, e);
	if (!value)
		return bad_field(e, field);
	if (o->kind == FLAG_MAP) {
		put_pair(to, o->member, value, '=');
		return 0;
	}
	if (o->kind == FLAG_BYTES) {
		if (docker_bytes(value, &n) < 0)
			return bad_field(e, field);
		(void)json_object_set_new(to, o->member, json_integer(n));
		return 0;
	}
	put_string(to, o->member, value);
	return 0;
}

/* The keys that do not go straight into a member. Return: 1 done, 0 not one of these, -EINVAL. */
static int put_odd(json_t *m, const char *key, const char *value, const char *field, struct err *e)
{
	json_t *o;

	if (strcasecmp(key, "volume-driver") == 0 || strcasecmp(key, "volume-opt") == 0) {
		o = sub(sub(m, "VolumeOptions"), "DriverConfig");
		if (!value)
			return bad_field(e, field);
		if (strcasecmp(key, "volume-opt") == 0)
			put_pair(o, "Options", value, '=');
		else
			put_string(o, "Name", value);
		return 1;
	}
	if (strcasecmp(key, "tmpfs-mode") == 0) {
		char *end;
		long mode = value ? strtol(value, &end, 8) : -1;

		if (mode < 0 || *end)
			return bad_field(e, field);
		(void)json_object_set_new(sub(m, "TmpfsOptions"), "Mode", json_integer(mode));
		return 1;
	}
	if (strcasecmp(key, "bind-recursive") == 0) {
		o = sub(m, "BindOptions");
		if (value && strcmp(value, "disabled") == 0)
			(void)json_object_set_new(o, "NonRecursive", json_true());
		else if (value && strcmp(value, "writable") == 0)
			(void)json_object_set_new(o, "ReadOnlyNonRecursive", json_true());
		else if (value && strcmp(value, "readonly") == 0)
			(void)json_object_set_new(o, "ReadOnlyForceRecursive", json_true());
		else if (!value || strcmp(value, "enabled") != 0)
			return bad_field(e, field);
		return 1;
	}
	return 0;
}

static int put_field(json_t *m, char *field, struct err *e)
{
	char *value = strchr(field, '=');
	int r;

	if (value)
		*value++ = '\0';
	r = put_odd(m, field, value, field, e);
	if (r)
		return r < 0 ? r : 0;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (strcasecmp(field, options[i].key) == 0)
			return put_option(m, &options[i], value, field, e);
	return err_set(e, EINVAL, "--mount: unexpected key '%.80s'", field);
}

/*
 * The next field of a CSV record, unquoted in place. *@s moves behind it. Return: the field; NULL: a quote is not
 * closed.
 */
static char *next_field(char **s)
{
	char *in = *s, *out = in, *start = in;
	bool quoted = *in == '"';

	for (in += quoted; *in; in++) {
		if (quoted && *in == '"' && in[1] == '"')
			in++;
		else if (quoted && *in == '"') {
			in++;
			quoted = false;
			break;
		} else if (!quoted && *in == ',')
			break;
		*out++ = *in;
	}
	if (quoted || (*in && *in != ','))
		return NULL;
	*s = *in ? in + 1 : in;
	*out = '\0';
	return start;
}

int docker_mount(struct command *c, const char *value, struct err *e)
{
	_cleanup_free_ char *text = strdup(value);
	json_t *m = json_object();
	char *s = text;
	int r = text && m ? 0 : err_sys(e, ENOMEM, "--mount");

	if (r == 0 && !*s)
		r = bad_field(e, "");
	while (r == 0 && *s) {
		char *field = next_field(&s);

		r = field ? put_field(m, field, e) : err_set(e, EINVAL, "--mount: a quote is not closed");
	}
	if (r == 0 && !json_object_get(m, "Target"))
		r = err_set(e, EINVAL, "--mount: target is required");
	if (r < 0) {
		json_decref(m);
		return r;
	}
	if (!json_object_get(m, "Type"))
		put_string(m, "Type", "volume");
	add_item(c->host, "Mounts", m);
	return 0;
}
