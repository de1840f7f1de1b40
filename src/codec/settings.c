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
#include "codec/settings-internal.h"

#define DEFAULTS_NAME "built-in defaults"
#define POOL_FIRST    100000u
#define POOL_COUNT    32760u
#define POOL_LOWEST   65536u	  /* below are the ids of the host's own accounts */
#define POOL_END      0x80000000u /* some tools still treat ids as signed */
#define RANGE_SIZE    65536u
#define RULE_SIZE     64u /* "filesharingAllowedDirectories[4095]" and the like */

/* The cursor of the settings' heap: filled front to back, sized beforehand. */
struct heap {
	char *pos;
};

static const char *heap_rule(struct heap *h, const char *list, size_t index)
{
	char *s = h->pos;
	int n = snprintf(s, RULE_SIZE, "%s[%zu]", list, index);

	h->pos += n + 1;
	return s;
}

/* Add @sh in place of an entry for the same path: caisson.shares refines what the defaults and
 * Docker's list name. */
static int add_share(struct settings *st, struct settings_share sh, const struct where *w, struct err *e)
{
	static const char ours[] = "caisson.";

	for (size_t i = 0; i < st->n_shares; i++) {
		if (strcmp(st->shares[i].path, sh.path) != 0)
			continue;
		/* Docker's entries say nothing but the path; two of ours could contradict each
		 * other. */
		if (strncmp(st->shares[i].rule, ours, strlen(ours)) == 0)
			return setting_bad(e, w, "path", "is listed twice; keep one entry");
		st->shares[i] = sh;
		return 0;
	}
	st->shares[st->n_shares++] = sh;
	return 0;
}

static int parse_filesharing(struct settings *st, json_t *list, struct heap *h, struct err *e)
{
	static const char name[] = "filesharingAllowedDirectories";
	struct where top = { .file = st->file }, lw = setting_below(&top, name, 0);

	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *item = json_array_get(list, i);
		struct where w = setting_below(&lw, "", i);
		struct settings_share sh = { .rule = heap_rule(h, name, i) };
		const char *path;
		bool ignored;
		int r;

		if (!json_is_object(item))
			return setting_bad_type(
				e, &w, "", "an object like {\"path\": \"/srv\", \"sharedByDefault\": true}", item);
		r = setting_string(item, &w, "path", &path, e);
		if (r == 0)
			r = setting_bad(e, &w, "path", "is missing; name the directory");
		if (r > 0)
			r = setting_path(&w, "path", path, &sh.path, e);
		if (r >= 0)
			r = setting_bool(item, &w, "sharedByDefault", &ignored, e);
		if (r >= 0)
			r = add_share(st, sh, &w, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_share(json_t *item, const struct where *w, struct settings_share *sh, struct err *e)
{
	static const char *const known[] = { "path", "readOnly", "mapping" };
	const char *path, *mapping = "owner";
	int r;

	if (!json_is_object(item))
		return setting_bad_type(e, w, "", "an object like {\"path\": \"/srv\", \"readOnly\": true}", item);
	r = setting_only_known(item, w, known, ARRAY_SIZE(known), e);
	if (r < 0)
		return r;
	r = setting_string(item, w, "path", &path, e);
	if (r == 0)
		r = setting_bad(e, w, "path", "is missing; name the directory");
	if (r > 0)
		r = setting_path(w, "path", path, &sh->path, e);
	if (r >= 0)
		r = setting_bool(item, w, "readOnly", &sh->read_only, e);
	if (r >= 0)
		r = setting_string(item, w, "mapping", &mapping, e);
	if (r < 0)
		return r;
	if (strcmp(mapping, "owner") == 0)
		sh->mapping = SETTINGS_MAP_OWNER;
	else if (strcmp(mapping, "identity") == 0)
		sh->mapping = SETTINGS_MAP_IDENTITY;
	else if (strcmp(mapping, "container") == 0)
		sh->mapping = SETTINGS_MAP_CONTAINER;
	else
		return setting_bad(e, w, "mapping", "is not known; write owner, identity or container");
	return 0;
}

static int parse_shares(struct settings *st, json_t *list, const struct where *cw, struct heap *h, struct err *e)
{
	struct where lw = setting_below(cw, "shares", 0);

	for (size_t i = 0; i < json_array_size(list); i++) {
		struct settings_share sh = { .rule = heap_rule(h, "caisson.shares", i) };
		struct where w = setting_below(&lw, "", i);
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
	struct where lw = setting_below(cw, "allowedDevices", 0);

	free(st->devices);
	st->n_devices = 0;
	st->devices = calloc(json_array_size(list) + 1, sizeof *st->devices);
	if (!st->devices)
		return setting_no_memory(e, &lw);
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *item = json_array_get(list, i);
		struct where w = setting_below(&lw, "", i);
		const char *path;

		if (!json_is_string(item))
			return setting_bad_type(e, &w, "", "a string like \"/dev/fuse\"", item);
		path = json_string_value(item);
		if (!lex_is_clean(path) || !lex_is_below(path, "/dev") || strcmp(path, "/dev") == 0)
			return setting_bad(e, &w, "",
					   "must be the clean path of a device node below /dev, like "
					   "\"/dev/fuse\"");
		st->devices[st->n_devices++].path = path;
	}
	return 0;
}

static int parse_engine_roots(struct settings *st, json_t *list, const struct where *cw, struct err *e)
{
	struct where lw = setting_below(cw, "engineRoots", 0);

	st->engine_roots = calloc(json_array_size(list) + 1, sizeof *st->engine_roots);
	if (!st->engine_roots)
		return setting_no_memory(e, &lw);
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *item = json_array_get(list, i);
		struct where w = setting_below(&lw, "", i);
		int r;

		if (!json_is_string(item))
			return setting_bad_type(e, &w, "", "a string like \"/srv/docker\"", item);
		if (json_string_value(item)[0] == '$')
			return setting_bad(e, &w, "", "has a variable; write the full path, like /srv/docker");
		r = setting_path(&w, "", json_string_value(item), &st->engine_roots[i], e);
		if (r < 0)
			return r;
		st->n_engine_roots++;
	}
	return 0;
}

static int parse_pool(struct settings *st, json_t *pool, const struct where *cw, struct err *e)
{
	static const char *const known[] = { "first", "count" };
	struct where w = setting_below(cw, "idPool", 0);
	uint32_t first = POOL_FIRST, fits, count;
	int r;

	r = setting_only_known(pool, &w, known, ARRAY_SIZE(known), e);
	if (r == 0)
		r = setting_number(pool, &w, "first", POOL_LOWEST, POOL_END - RANGE_SIZE, &first, e);
	if (r < 0)
		return r;
	fits = (POOL_END - first) / RANGE_SIZE;
	count = fits < POOL_COUNT ? fits : POOL_COUNT;
	r = setting_number(pool, &w, "count", 1, fits, &count, e);
	if (r < 0)
		return r;
	st->pool_first = first;
	st->pool_count = count;
	return 0;
}

static int parse_view(struct settings *st, json_t *obj, const struct where *w, struct err *e)
{
	const char *word = "asked";
	int r = setting_string(obj, w, "resourceView", &word, e);

	if (r < 0)
		return r;
	if (strcmp(word, "asked") == 0)
		st->resource_view = SETTINGS_VIEW_ASKED;
	else if (strcmp(word, "always") == 0)
		st->resource_view = SETTINGS_VIEW_ALWAYS;
	else if (strcmp(word, "never") == 0)
		st->resource_view = SETTINGS_VIEW_NEVER;
	else
		return setting_bad(e, w, "resourceView", "is not known; write asked, always or never");
	return 0;
}

static int parse_caisson(struct settings *st, json_t *root, struct heap *h, struct err *e)
{
	static const char *const known[] = { "shares",	   "allowedDevices", "engineRoots", "idPool",
					     "allowHooks", "resourceView",   "locked",	    "dockerSocket" };
	bool ignored; /* settings_merge() obeys it */
	struct where top = { .file = st->file }, w = setting_below(&top, "caisson", 0);
	json_t *obj, *val;
	int r;

	r = setting_object(root, &top, "caisson", &obj, e);
	if (r <= 0)
		return r;
	r = setting_only_known(obj, &w, known, ARRAY_SIZE(known), e);
	if (r == 0 && (r = setting_array(obj, &w, "shares", &val, e)) > 0)
		r = parse_shares(st, val, &w, h, e);
	if (r >= 0 && (r = setting_array(obj, &w, "allowedDevices", &val, e)) > 0)
		r = parse_devices(st, val, &w, e);
	if (r >= 0 && (r = setting_array(obj, &w, "engineRoots", &val, e)) > 0)
		r = parse_engine_roots(st, val, &w, e);
	if (r >= 0 && (r = setting_object(obj, &w, "idPool", &val, e)) > 0)
		r = parse_pool(st, val, &w, e);
	if (r >= 0)
		r = setting_bool(obj, &w, "allowHooks", &st->allow_hooks, e);
	if (r >= 0)
		r = setting_bool(obj, &w, "locked", &ignored, e);
	if (r >= 0)
		r = parse_view(st, obj, &w, e);
	return r;
}

static int parse_isolation(struct settings *st, json_t *root, struct err *e)
{
	static const char name[] = "enhancedContainerIsolation";
	struct where top = { .file = st->file }, w = setting_below(&top, name, 0);
	json_t *group;
	int r;

	r = setting_object(root, &top, name, &group, e);
	if (r <= 0)
		return r;
	r = setting_bool(group, &w, "value", &st->enabled, e);
	if (r >= 0)
		r = setting_bool(group, &w, "locked", &st->locked, e);
	return r < 0 ? r : 0;
}

static int check_version(struct settings *st, json_t *root, struct err *e)
{
	struct where top = { .file = st->file };
	json_t *val;
	int r = setting_get(root, &top, "configurationFileVersion", &val, e);

	if (r <= 0)
		return r;
	if (!json_is_integer(val))
		return setting_bad_type(e, &top, "configurationFileVersion", "the integer 2", val);
	if (json_integer_value(val) != 2)
		return setting_bad(e, &top, "configurationFileVersion",
				   "is not known; write 2 or leave the key out");
	return 0;
}

static const struct settings_share home_share = { .path = "/home", .rule = "built-in default share /home" };
static const struct settings_share module_shares[] = {
	{ .path = "/lib/modules", .read_only = true, .rule = "built-in default share /lib/modules" },
	{ .path = "/usr/lib/modules", .read_only = true, .rule = "built-in default share /usr/lib/modules" },
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
		return setting_bad_type(e, &top, "the file", "one JSON object", st->json);
	r = setting_array(st->json, &top, "filesharingAllowedDirectories", &list, e);
	if (r < 0)
		return r;
	if (r > 0)
		n += json_array_size(list);
	r = setting_object(st->json, &top, "caisson", &caisson, e);
	if (r > 0) {
		struct where w = setting_below(&top, "caisson", 0);

		r = setting_array(caisson, &w, "shares", &shares, e);
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
	if (r >= 0)
		r = settings_socket_parse(st->file, st->json, &st->socket, e);
	return r < 0 ? r : 0;
}

static int parse_text(struct settings *st, const char *buf, size_t len, struct err *e)
{
	static const char bom[] = "\xef\xbb\xbf";
	char shown_text[96];
	json_error_t je;

	if (len > SETTINGS_MAX)
		return err_set(e, EFBIG, "%s: has more than %u bytes; it is not a settings file", st->file,
			       SETTINGS_MAX);
	if (len >= 3 && memcmp(buf, bom, 3) == 0) {
		buf += 3;
		len -= 3;
	}
	st->json = json_loadb(buf, len, JSON_REJECT_DUPLICATES, &je);
	if (st->json)
		return parse_root(st, e);
	if (json_error_code(&je) == json_error_out_of_memory)
		return err_sys(e, ENOMEM, "%s", st->file);
	return err_set(e, EINVAL, "%s: not valid JSON at line %d, column %d: %s; correct it there", st->file,
		       je.line, je.column, setting_shown(je.text, shown_text));
}

int settings_parse(const char *file, const char *buf, size_t len, struct settings *ret, struct err *e)
{
	struct settings st = { .file = buf ? file : DEFAULTS_NAME };
	int r;

	if (buf)
		r = parse_text(&st, buf, len, e);
	else if ((r = set_defaults(&st, 0, true)) < 0)
		r = err_sys(e, ENOMEM, DEFAULTS_NAME);
	else
		r = settings_socket_parse(st.file, NULL, &st.socket, e);
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
	settings_socket_done(&s->socket);
	json_decref(s->json);
	free(s->heap);
	free(s->shares);
	free(s->devices);
	free(s->engine_roots);
	*s = (struct settings){ 0 };
}
