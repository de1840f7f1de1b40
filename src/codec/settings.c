/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "codec/lexpath.h"

#define DEFAULTS_NAME "built-in defaults"
#define POOL_FIRST    100000u
#define POOL_COUNT    32760u
#define POOL_LOWEST   65536u	  /* below are the ids of the host's own accounts */
#define POOL_END      0x80000000u /* some tools still treat ids as signed */
#define RANGE_SIZE    65536u
#define MAX_ENTRIES   4096u /* per list: keeps the look for duplicates cheap for any file */
#define RULE_SIZE     64u   /* "filesharingAllowedDirectories[4095]" and the like */

/* Where in the file we are, for messages: "caisson.shares[2].path". */
struct where {
	const char *file;
	char path[160];
};

/* The cursor of the settings' heap: filled front to back, sized beforehand. */
struct heap {
	char *pos;
};

/* Type and reason in one place, so that every message has the same form: file: JSON path: reason;
 * cure. */
static int bad(struct err *e, const struct where *w, const char *name, const char *reason)
{
	return err_set(e, EINVAL, "%s: %s%s%s: %s", w->file, w->path, *w->path && *name ? "." : "",
		       name, reason);
}

/* One line, bounded, no control characters: text from the file must not forge a second log line. */
static const char *shown(const char *s, char buf[96])
{
	size_t n = strnlen(s, 80);

	for (size_t i = 0; i < n; i++)
		buf[i] = (unsigned char)s[i] < 0x20 || s[i] == 0x7f ? '?' : s[i];
	memcpy(buf + n, s[n] ? "..." : "", s[n] ? 4 : 1);
	return buf;
}

static const char *type_name(const json_t *j)
{
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a fraction";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	default:
		return "null";
	}
}

static int bad_type(struct err *e, const struct where *w, const char *name, const char *want,
		    const json_t *got)
{
	char reason[160];

	(void)snprintf(reason, sizeof reason, "must be %s, got %s", want, type_name(got));
	return bad(e, w, name, reason);
}

/* @w, extended by ".name" or, with an empty name, by "[index]". */
static struct where below(const struct where *w, const char *name, size_t index)
{
	struct where sub = { .file = w->file };

	if (*name)
		(void)snprintf(sub.path, sizeof sub.path, "%.100s%s%s", w->path,
			       *w->path ? "." : "", name);
	else
		(void)snprintf(sub.path, sizeof sub.path, "%.100s[%zu]", w->path, index);
	return sub;
}

/*
 * Documented names match without regard to case, as Docker Desktop's do. Two spellings of one name
 * would let a file say two things at once, so that is refused rather than decided by order. Return:
 * 1 found, 0 absent, -EINVAL.
 */
static int get(json_t *obj, const struct where *w, const char *name, json_t **ret, struct err *e)
{
	json_t *val, *found = NULL;
	const char *key;

	json_object_foreach (obj, key, val) {
		if (strcasecmp(key, name) != 0)
			continue;
		if (found)
			return bad(e, w, name, "appears twice, in two spellings; keep one");
		found = val;
	}
	if (!found)
		return 0;
	*ret = found;
	return 1;
}

static int get_object(json_t *obj, const struct where *w, const char *name, json_t **ret,
		      struct err *e)
{
	int r = get(obj, w, name, ret, e);

	return r > 0 && !json_is_object(*ret) ? bad_type(e, w, name, "an object", *ret) : r;
}

static int get_array(json_t *obj, const struct where *w, const char *name, json_t **ret,
		     struct err *e)
{
	int r = get(obj, w, name, ret, e);

	if (r <= 0)
		return r;
	if (!json_is_array(*ret))
		return bad_type(e, w, name, "an array", *ret);
	if (json_array_size(*ret) > MAX_ENTRIES)
		return bad(e, w, name,
			   "has more than 4096 entries; share or list a common parent instead");
	return 1;
}

/* @ret keeps its value when the key is absent. */
static int get_bool(json_t *obj, const struct where *w, const char *name, bool *ret, struct err *e)
{
	json_t *val;
	int r = get(obj, w, name, &val, e);

	if (r <= 0)
		return r;
	if (!json_is_boolean(val))
		return bad_type(e, w, name, "true or false", val);
	*ret = json_is_true(val);
	return 1;
}

static int get_string(json_t *obj, const struct where *w, const char *name, const char **ret,
		      struct err *e)
{
	json_t *val;
	int r = get(obj, w, name, &val, e);

	if (r <= 0)
		return r;
	if (!json_is_string(val))
		return bad_type(e, w, name, "a string", val);
	*ret = json_string_value(val);
	return 1;
}

/* A mistyped name below "caisson" would silently drop a restriction (Docker's own part stays
 * tolerant: it grows). */
static int only_known(json_t *obj, const struct where *w, const char *const known[], size_t n,
		      struct err *e)
{
	const char *key;
	json_t *val;

	json_object_foreach (obj, key, val) {
		char buf[96], reason[256];
		size_t i = 0;

		(void)val;
		while (i < n && strcasecmp(key, known[i]) != 0)
			i++;
		if (i < n)
			continue;
		(void)snprintf(
			reason, sizeof reason,
			"unknown key \"%s\"; remove it or see docs/settings.md for the known ones",
			shown(key, buf));
		return bad(e, w, "", reason);
	}
	return 0;
}

/* Check @p and expand the three variables of Docker's schema; the result is static text or @p
 * itself. */
static int check_path(const struct where *w, const char *name, const char *p, const char **ret,
		      struct err *e)
{
	static const struct {
		const char *var, *path;
	} vars[] = { { "$HOME", "/home" }, { "$TMP", "/tmp" }, { "$TEMP", "/tmp" } };
	static const char *const kernel[] = { "/proc", "/sys", "/dev" };
	char buf[96], reason[256];

	for (size_t i = 0; i < ARRAY_SIZE(vars); i++)
		if (strcmp(p, vars[i].var) == 0)
			p = vars[i].path;
	if (p[0] == '$')
		(void)snprintf(reason, sizeof reason,
			       "\"%s\" has a variable; only $HOME (/home), $TMP and $TEMP (/tmp) "
			       "are known, and only alone",
			       shown(p, buf));
	else if (p[0] != '/')
		(void)snprintf(reason, sizeof reason,
			       "\"%s\" is not absolute; write the full path, like /srv/data",
			       shown(p, buf));
	else if (!lex_is_clean(p))
		(void)snprintf(reason, sizeof reason,
			       "\"%s\" is not clean; write it without //, /./, /../, a trailing / "
			       "and control characters",
			       shown(p, buf));
	else if (strcmp(p, "/") == 0)
		(void)snprintf(reason, sizeof reason,
			       "\"/\" is the whole host; name the directories that are meant");
	else
		reason[0] = '\0';
	for (size_t i = 0; !reason[0] && i < ARRAY_SIZE(kernel); i++)
		if (lex_is_below(p, kernel[i]))
			(void)snprintf(
				reason, sizeof reason,
				"\"%s\" belongs to the kernel and is never shared; remove it",
				shown(p, buf));
	if (reason[0])
		return bad(e, w, name, reason);
	*ret = p;
	return 0;
}

static const char *heap_rule(struct heap *h, const char *list, size_t index)
{
	char *s = h->pos;
	int n = snprintf(s, RULE_SIZE, "%s[%zu]", list, index);

	h->pos += n + 1;
	return s;
}

/* Add @sh in place of an entry for the same path: caisson.shares refines what the defaults and
 * Docker's list name. */
static int add_share(struct settings *st, struct settings_share sh, const struct where *w,
		     struct err *e)
{
	static const char ours[] = "caisson.";

	for (size_t i = 0; i < st->n_shares; i++) {
		if (strcmp(st->shares[i].path, sh.path) != 0)
			continue;
		/* Docker's entries say nothing but the path; two of ours could contradict each
		 * other. */
		if (strncmp(st->shares[i].rule, ours, strlen(ours)) == 0)
			return bad(e, w, "path", "is listed twice; keep one entry");
		st->shares[i] = sh;
		return 0;
	}
	st->shares[st->n_shares++] = sh;
	return 0;
}

static int parse_filesharing(struct settings *st, json_t *list, struct heap *h, struct err *e)
{
	static const char name[] = "filesharingAllowedDirectories";
	struct where top = { .file = st->file }, lw = below(&top, name, 0);

	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *item = json_array_get(list, i);
		struct where w = below(&lw, "", i);
		struct settings_share sh = { .rule = heap_rule(h, name, i) };
		const char *path;
		bool ignored;
		int r;

		if (!json_is_object(item))
			return bad_type(
				e, &w, "",
				"an object like {\"path\": \"/srv\", \"sharedByDefault\": true}",
				item);
		r = get_string(item, &w, "path", &path, e);
		if (r == 0)
			r = bad(e, &w, "path", "is missing; name the directory");
		if (r > 0)
			r = check_path(&w, "path", path, &sh.path, e);
		if (r >= 0)
			r = get_bool(item, &w, "sharedByDefault", &ignored, e);
		if (r >= 0)
			r = add_share(st, sh, &w, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_share(json_t *item, const struct where *w, struct settings_share *sh,
		       struct err *e)
{
	static const char *const known[] = { "path", "readOnly", "mapping" };
	const char *path, *mapping = "owner";
	int r;

	if (!json_is_object(item))
		return bad_type(e, w, "", "an object like {\"path\": \"/srv\", \"readOnly\": true}",
				item);
	r = only_known(item, w, known, ARRAY_SIZE(known), e);
	if (r < 0)
		return r;
	r = get_string(item, w, "path", &path, e);
	if (r == 0)
		r = bad(e, w, "path", "is missing; name the directory");
	if (r > 0)
		r = check_path(w, "path", path, &sh->path, e);
	if (r >= 0)
		r = get_bool(item, w, "readOnly", &sh->read_only, e);
	if (r >= 0)
		r = get_string(item, w, "mapping", &mapping, e);
	if (r < 0)
		return r;
	if (strcmp(mapping, "owner") == 0)
		sh->mapping = SETTINGS_MAP_OWNER;
	else if (strcmp(mapping, "identity") == 0)
		sh->mapping = SETTINGS_MAP_IDENTITY;
	else if (strcmp(mapping, "container") == 0)
		sh->mapping = SETTINGS_MAP_CONTAINER;
	else
		return bad(e, w, "mapping", "is not known; write owner, identity or container");
	return 0;
}

static int parse_shares(struct settings *st, json_t *list, const struct where *cw, struct heap *h,
			struct err *e)
{
	struct where lw = below(cw, "shares", 0);

	for (size_t i = 0; i < json_array_size(list); i++) {
		struct settings_share sh = { .rule = heap_rule(h, "caisson.shares", i) };
		struct where w = below(&lw, "", i);
		int r = parse_share(json_array_get(list, i), &w, &sh, e);

		if (r == 0)
			r = add_share(st, sh, &w, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_devices(struct settings *st, json_t *list, const struct where *cw, struct err *e)
{
	struct where lw = below(cw, "allowedDevices", 0);

	free(st->devices);
	st->n_devices = 0;
	st->devices = calloc(json_array_size(list) + 1, sizeof *st->devices);
	if (!st->devices)
		return err_sys(e, ENOMEM, "%s: %s", st->file, lw.path);
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *item = json_array_get(list, i);
		struct where w = below(&lw, "", i);
		const char *path;

		if (!json_is_string(item))
			return bad_type(e, &w, "", "a string like \"/dev/fuse\"", item);
		path = json_string_value(item);
		if (!lex_is_clean(path) || !lex_is_below(path, "/dev") || strcmp(path, "/dev") == 0)
			return bad(e, &w, "",
				   "must be the clean path of a device node below /dev, like "
				   "\"/dev/fuse\"");
		st->devices[st->n_devices++].path = path;
	}
	return 0;
}

static int parse_engine_roots(struct settings *st, json_t *list, const struct where *cw,
			      struct err *e)
{
	struct where lw = below(cw, "engineRoots", 0);

	st->engine_roots = calloc(json_array_size(list) + 1, sizeof *st->engine_roots);
	if (!st->engine_roots)
		return err_sys(e, ENOMEM, "%s: %s", st->file, lw.path);
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *item = json_array_get(list, i);
		struct where w = below(&lw, "", i);
		int r;

		if (!json_is_string(item))
			return bad_type(e, &w, "", "a string like \"/srv/docker\"", item);
		if (json_string_value(item)[0] == '$')
			return bad(e, &w, "",
				   "has a variable; write the full path, like /srv/docker");
		r = check_path(&w, "", json_string_value(item), &st->engine_roots[i], e);
		if (r < 0)
			return r;
		st->n_engine_roots++;
	}
	return 0;
}

/* @ret keeps its value when the key is absent. */
static int get_number(json_t *obj, const struct where *w, const char *name, uint32_t lowest,
		      uint32_t highest, uint32_t *ret, struct err *e)
{
	char reason[160];
	json_t *val;
	int r = get(obj, w, name, &val, e);

	if (r <= 0)
		return r;
	if (!json_is_integer(val))
		return bad_type(e, w, name, "an integer", val);
	if (json_integer_value(val) < lowest || json_integer_value(val) > highest) {
		(void)snprintf(reason, sizeof reason,
			       "must be from %" PRIu32 " to %" PRIu32 ", got %" JSON_INTEGER_FORMAT,
			       lowest, highest, json_integer_value(val));
		return bad(e, w, name, reason);
	}
	*ret = (uint32_t)json_integer_value(val);
	return 1;
}

static int parse_pool(struct settings *st, json_t *pool, const struct where *cw, struct err *e)
{
	static const char *const known[] = { "first", "count" };
	struct where w = below(cw, "idPool", 0);
	uint32_t first = POOL_FIRST, fits, count;
	int r;

	r = only_known(pool, &w, known, ARRAY_SIZE(known), e);
	if (r == 0)
		r = get_number(pool, &w, "first", POOL_LOWEST, POOL_END - RANGE_SIZE, &first, e);
	if (r < 0)
		return r;
	fits = (POOL_END - first) / RANGE_SIZE;
	count = fits < POOL_COUNT ? fits : POOL_COUNT;
	r = get_number(pool, &w, "count", 1, fits, &count, e);
	if (r < 0)
		return r;
	st->pool_first = first;
	st->pool_count = count;
	return 0;
}

static int parse_view(struct settings *st, json_t *obj, const struct where *w, struct err *e)
{
	const char *word = "asked";
	int r = get_string(obj, w, "resourceView", &word, e);

	if (r < 0)
		return r;
	if (strcmp(word, "asked") == 0)
		st->resource_view = SETTINGS_VIEW_ASKED;
	else if (strcmp(word, "always") == 0)
		st->resource_view = SETTINGS_VIEW_ALWAYS;
	else if (strcmp(word, "never") == 0)
		st->resource_view = SETTINGS_VIEW_NEVER;
	else
		return bad(e, w, "resourceView", "is not known; write asked, always or never");
	return 0;
}

static int parse_caisson(struct settings *st, json_t *root, struct heap *h, struct err *e)
{
	static const char *const known[] = { "shares",	   "allowedDevices", "engineRoots", "idPool",
					     "allowHooks", "resourceView",   "locked" };
	bool ignored; /* settings_merge() obeys it */
	struct where top = { .file = st->file }, w = below(&top, "caisson", 0);
	json_t *obj, *val;
	int r;

	r = get_object(root, &top, "caisson", &obj, e);
	if (r <= 0)
		return r;
	r = only_known(obj, &w, known, ARRAY_SIZE(known), e);
	if (r == 0 && (r = get_array(obj, &w, "shares", &val, e)) > 0)
		r = parse_shares(st, val, &w, h, e);
	if (r >= 0 && (r = get_array(obj, &w, "allowedDevices", &val, e)) > 0)
		r = parse_devices(st, val, &w, e);
	if (r >= 0 && (r = get_array(obj, &w, "engineRoots", &val, e)) > 0)
		r = parse_engine_roots(st, val, &w, e);
	if (r >= 0 && (r = get_object(obj, &w, "idPool", &val, e)) > 0)
		r = parse_pool(st, val, &w, e);
	if (r >= 0)
		r = get_bool(obj, &w, "allowHooks", &st->allow_hooks, e);
	if (r >= 0)
		r = get_bool(obj, &w, "locked", &ignored, e);
	if (r >= 0)
		r = parse_view(st, obj, &w, e);
	return r;
}

static int check_strings(json_t *obj, const struct where *w, const char *name, struct err *e)
{
	struct where lw = below(w, name, 0);
	json_t *list;
	int r = get_array(obj, w, name, &list, e);

	for (size_t i = 0; r > 0 && i < json_array_size(list); i++) {
		json_t *item = json_array_get(list, i);
		struct where iw = below(&lw, "", i);

		if (!json_is_string(item))
			return bad_type(e, &iw, "", "a string", item);
		if (json_string_length(item) == 0)
			return bad(e, &iw, "", "is empty; remove it");
	}
	return r;
}

/* The guard's part: not used here, but a file that is wrong in one place is not half right. */
static int check_sockets(json_t *group, const struct where *gw, struct err *e)
{
	struct where w = below(gw, "dockerSocketMount", 0), lw = below(&w, "imageList", 0),
		     cw = below(&w, "commandList", 0);
	const char *type = "deny";
	json_t *obj, *list;
	bool ignored;
	int r;

	r = get_object(group, gw, "dockerSocketMount", &obj, e);
	if (r <= 0)
		return r;
	r = get_object(obj, &w, "imageList", &list, e);
	if (r > 0) {
		r = check_strings(list, &lw, "images", e);
		if (r >= 0)
			r = get_bool(list, &lw, "allowDerivedImages", &ignored, e);
	}
	if (r >= 0)
		r = get_object(obj, &w, "commandList", &list, e);
	if (r <= 0)
		return r;
	r = get_string(list, &cw, "type", &type, e);
	if (r < 0)
		return r;
	if (strcmp(type, "deny") != 0 && strcmp(type, "allow") != 0)
		return bad(e, &cw, "type", "is not known; write deny or allow");
	return check_strings(list, &cw, "commands", e);
}

static int parse_isolation(struct settings *st, json_t *root, struct err *e)
{
	static const char name[] = "enhancedContainerIsolation";
	struct where top = { .file = st->file }, w = below(&top, name, 0);
	json_t *group;
	int r;

	r = get_object(root, &top, name, &group, e);
	if (r <= 0)
		return r;
	r = get_bool(group, &w, "value", &st->enabled, e);
	if (r >= 0)
		r = get_bool(group, &w, "locked", &st->locked, e);
	return r < 0 ? r : check_sockets(group, &w, e);
}

static int check_version(struct settings *st, json_t *root, struct err *e)
{
	struct where top = { .file = st->file };
	json_t *val;
	int r = get(root, &top, "configurationFileVersion", &val, e);

	if (r <= 0)
		return r;
	if (!json_is_integer(val))
		return bad_type(e, &top, "configurationFileVersion", "the integer 2", val);
	if (json_integer_value(val) != 2)
		return bad(e, &top, "configurationFileVersion",
			   "is not known; write 2 or leave the key out");
	return 0;
}

static const struct settings_share home_share = { .path = "/home",
						  .rule = "built-in default share /home" };
static const struct settings_share module_shares[] = {
	{ .path = "/lib/modules",
	  .read_only = true,
	  .rule = "built-in default share /lib/modules" },
	{ .path = "/usr/lib/modules",
	  .read_only = true,
	  .rule = "built-in default share /usr/lib/modules" },
};

/* Defaults that a file changes piece by piece. @n_shares: how many the file will add at most. */
static int set_defaults(struct settings *st, size_t n_shares, bool with_home)
{
	static const struct settings_device devices[] = { { "/dev/fuse" }, { "/dev/net/tun" } };

	st->shares = calloc(n_shares + 1 + ARRAY_SIZE(module_shares), sizeof *st->shares);
	st->devices = calloc(ARRAY_SIZE(devices), sizeof *st->devices);
	if (!st->shares || !st->devices)
		return -ENOMEM;
	if (with_home)
		st->shares[st->n_shares++] = home_share;
	for (size_t i = 0; i < ARRAY_SIZE(module_shares); i++)
		st->shares[st->n_shares++] = module_shares[i];
	memcpy(st->devices, devices, sizeof devices);
	st->n_devices = ARRAY_SIZE(devices);
	st->enabled = true;
	st->locked = true;
	st->allow_hooks = true;
	st->pool_first = POOL_FIRST;
	st->pool_count = POOL_COUNT;
	return 0;
}

static int parse_root(struct settings *st, struct err *e)
{
	struct where top = { .file = st->file };
	json_t *list = NULL, *caisson, *shares;
	size_t n = 0;
	struct heap h;
	int r;

	if (!json_is_object(st->json))
		return bad_type(e, &top, "the file", "one JSON object", st->json);
	r = get_array(st->json, &top, "filesharingAllowedDirectories", &list, e);
	if (r < 0)
		return r;
	if (r > 0)
		n += json_array_size(list);
	r = get_object(st->json, &top, "caisson", &caisson, e);
	if (r > 0) {
		struct where w = below(&top, "caisson", 0);

		r = get_array(caisson, &w, "shares", &shares, e);
		if (r > 0)
			n += json_array_size(shares);
	}
	if (r < 0)
		return r;
	st->heap = malloc((n + 1) * RULE_SIZE);
	if (!st->heap || set_defaults(st, n, !list) < 0)
		return err_sys(e, ENOMEM, "%s", st->file);
	h.pos = st->heap;
	r = check_version(st, st->json, e);
	if (r >= 0)
		r = parse_isolation(st, st->json, e);
	if (r >= 0 && list)
		r = parse_filesharing(st, list, &h, e);
	if (r >= 0)
		r = parse_caisson(st, st->json, &h, e);
	return r < 0 ? r : 0;
}

static int parse_text(struct settings *st, const char *buf, size_t len, struct err *e)
{
	static const char bom[] = "\xef\xbb\xbf";
	char shown_text[96];
	json_error_t je;

	if (len > SETTINGS_MAX)
		return err_set(e, EFBIG, "%s: has more than %u bytes; it is not a settings file",
			       st->file, SETTINGS_MAX);
	if (len >= 3 && memcmp(buf, bom, 3) == 0) {
		buf += 3;
		len -= 3;
	}
	st->json = json_loadb(buf, len, JSON_REJECT_DUPLICATES, &je);
	if (st->json)
		return parse_root(st, e);
	if (json_error_code(&je) == json_error_out_of_memory)
		return err_sys(e, ENOMEM, "%s", st->file);
	return err_set(e, EINVAL, "%s: not valid JSON at line %d, column %d: %s; correct it there",
		       st->file, je.line, je.column, shown(je.text, shown_text));
}

int settings_parse(const char *file, const char *buf, size_t len, struct settings *ret,
		   struct err *e)
{
	struct settings st = { .file = buf ? file : DEFAULTS_NAME };
	int r;

	if (buf)
		r = parse_text(&st, buf, len, e);
	else if ((r = set_defaults(&st, 0, true)) < 0)
		r = err_sys(e, ENOMEM, DEFAULTS_NAME);
	if (r < 0)
		settings_done(&st);
	else
		*ret = st;
	return r;
}

int settings_parse_json(const char *file, json_t *tree, struct settings *ret, struct err *e)
{
	struct settings st = { .file = file, .json = tree };
	int r = parse_root(&st, e);

	if (r < 0)
		settings_done(&st);
	else
		*ret = st;
	return r;
}

void settings_done(struct settings *s)
{
	for (size_t i = 0; i < s->n_sources; i++) {
		free(s->sources[i].file);
		free(s->sources[i].text);
	}
	free(s->sources);
	free(s->note);
	json_decref(s->json);
	free(s->heap);
	free(s->shares);
	free(s->devices);
	free(s->engine_roots);
	*s = (struct settings){ 0 };
}
