/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "codec/closest.h"
#include "codec/lexpath.h"
#include "codec/settings-internal.h"

#define PATH_SIZE 200 /* longer ones are cut: the line and what is named last are what is needed */

struct where setting_below(const struct where *w, const char *name, size_t index)
{
	return (struct where){ .file = w->file, .up = w, .name = *name ? name : NULL, .index = index };
}

const char *setting_shown(const char *s, char buf[96])
{
	size_t n = strnlen(s, 80);

	for (size_t i = 0; i < n; i++)
		buf[i] = (unsigned char)s[i] < 0x20 || s[i] == 0x7f ? '?' : s[i];
	memcpy(buf + n, s[n] ? "..." : "", s[n] ? 4 : 1);
	return buf;
}

static size_t write_path(const struct where *w, char *buf)
{
	char name[96];
	size_t n;

	if (!w->up) {
		buf[0] = '\0';
		return 0;
	}
	n = write_path(w->up, buf);
	if (w->name)
		(void)snprintf(buf + n, PATH_SIZE - n, "%s%s", n ? "." : "", setting_shown(w->name, name));
	else
		(void)snprintf(buf + n, PATH_SIZE - n, "[%zu]", w->index);
	return n + strlen(buf + n);
}

/* Type and reason in one place, so that every message has the same form: file: JSON path: reason; cure. */
int setting_bad(struct err *e, const struct where *w, const char *name, const char *reason)
{
	char path[PATH_SIZE];
	size_t n = write_path(w, path);

	return err_set(e, EINVAL, "%s: %s%s%s: %s", w->file, path, n && *name ? "." : "", name, reason);
}

int setting_no_memory(struct err *e, const struct where *w)
{
	char path[PATH_SIZE];

	(void)write_path(w, path);
	return err_sys(e, ENOMEM, "%s: %s", w->file, path);
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

int setting_bad_type(struct err *e, const struct where *w, const char *name, const char *want, const json_t *got)
{
	char reason[160];

	(void)snprintf(reason, sizeof reason, "must be %s, got %s", want, type_name(got));
	return setting_bad(e, w, name, reason);
}

/* Two spellings of one name would let a file say two things at once: that is refused rather than decided by order. */
int setting_get(json_t *obj, const struct where *w, const char *name, json_t **ret, struct err *e)
{
	json_t *val, *found = NULL;
	const char *key;

	json_object_foreach(obj, key, val) {
		if (strcasecmp(key, name) != 0)
			continue;
		if (found)
			return setting_bad(e, w, name, "appears twice, in two spellings; keep one");
		found = val;
	}
	if (!found)
		return 0;
	*ret = found;
	return 1;
}

int setting_as_object(json_t *val, const struct where *w, const char *name, struct err *e)
{
	return val && !json_is_object(val) ? setting_bad_type(e, w, name, "an object", val) : val != NULL;
}

int setting_as_array(json_t *val, const struct where *w, const char *name, struct err *e)
{
	if (!val)
		return 0;
	if (!json_is_array(val))
		return setting_bad_type(e, w, name, "an array", val);
	if (json_array_size(val) > SETTINGS_ENTRIES_MAX)
		return setting_bad(e, w, name,
				   "has more than 4096 entries; share or list a common parent instead");
	return 1;
}

int setting_as_bool(json_t *val, const struct where *w, const char *name, bool *ret, struct err *e)
{
	if (!val)
		return 0;
	if (!json_is_boolean(val))
		return setting_bad_type(e, w, name, "true or false", val);
	*ret = json_is_true(val);
	return 1;
}

int setting_as_string(json_t *val, const struct where *w, const char *name, const char **ret, struct err *e)
{
	if (!val)
		return 0;
	if (!json_is_string(val))
		return setting_bad_type(e, w, name, "a string", val);
	*ret = json_string_value(val);
	return 1;
}

int setting_object(json_t *obj, const struct where *w, const char *name, json_t **ret, struct err *e)
{
	int r = setting_get(obj, w, name, ret, e);

	return r > 0 ? setting_as_object(*ret, w, name, e) : r;
}

int setting_array(json_t *obj, const struct where *w, const char *name, json_t **ret, struct err *e)
{
	int r = setting_get(obj, w, name, ret, e);

	return r > 0 ? setting_as_array(*ret, w, name, e) : r;
}

int setting_bool(json_t *obj, const struct where *w, const char *name, bool *ret, struct err *e)
{
	json_t *val;
	int r = setting_get(obj, w, name, &val, e);

	return r > 0 ? setting_as_bool(val, w, name, ret, e) : r;
}

int setting_string(json_t *obj, const struct where *w, const char *name, const char **ret, struct err *e)
{
	json_t *val;
	int r = setting_get(obj, w, name, &val, e);

	return r > 0 ? setting_as_string(val, w, name, ret, e) : r;
}

int setting_number(json_t *obj, const struct where *w, const char *name, uint32_t lowest, uint32_t highest,
		   uint32_t *ret, struct err *e)
{
	char reason[160];
	json_t *val;
	int r = setting_get(obj, w, name, &val, e);

	if (r <= 0)
		return r;
	if (!json_is_integer(val))
		return setting_bad_type(e, w, name, "an integer", val);
	if (json_integer_value(val) < lowest || json_integer_value(val) > highest) {
		(void)snprintf(reason, sizeof reason,
			       "must be from %" PRIu32 " to %" PRIu32 ", got %" JSON_INTEGER_FORMAT, lowest,
			       highest, json_integer_value(val));
		return setting_bad(e, w, name, reason);
	}
	*ret = (uint32_t)json_integer_value(val);
	return 1;
}

static int unknown(struct err *e, const struct where *w, const char *key, const char *const known[], size_t n)
{
	char buf[96], reason[256];
	struct closest c;

	closest_start(&c, key);
	for (size_t i = 0; i < n; i++)
		closest_look(&c, known[i]);
	if (c.best)
		(void)snprintf(reason, sizeof reason, "unknown key \"%s\"; write \"%s\" or remove it",
			       setting_shown(key, buf), c.best);
	else
		(void)snprintf(reason, sizeof reason,
			       "unknown key \"%s\"; remove it or see docs/settings.md for the known ones",
			       setting_shown(key, buf));
	return setting_bad(e, w, "", reason);
}

/* A mistyped name below "caisson" would silently drop a restriction (Docker's own part stays tolerant: it grows). */
int setting_members(json_t *obj, const struct where *w, const char *const known[], size_t n, json_t **ret,
		    struct err *e)
{
	const char *key;
	json_t *val;

	memset(ret, 0, n * sizeof *ret);
	json_object_foreach(obj, key, val) {
		size_t i = 0;

		while (i < n && strcasecmp(key, known[i]) != 0)
			i++;
		if (i == n)
			return unknown(e, w, key, known, n);
		if (ret[i])
			return setting_bad(e, w, known[i], "appears twice, in two spellings; keep one");
		ret[i] = val;
	}
	return 0;
}

int setting_only_known(json_t *obj, const struct where *w, const char *const known[], size_t n, struct err *e)
{
	json_t *ignored[SETTINGS_KNOWN_MAX];

	return setting_members(obj, w, known, n, ignored, e);
}

int setting_path(const struct where *w, const char *name, const char *p, const char **ret, struct err *e)
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
			       setting_shown(p, buf));
	else if (p[0] != '/')
		(void)snprintf(reason, sizeof reason,
			       "\"%s\" is not absolute; write the full path, like /srv/data",
			       setting_shown(p, buf));
	else if (!lex_is_clean(p))
		(void)snprintf(reason, sizeof reason,
			       "\"%s\" is not clean; write it without //, /./, /../, a trailing / "
			       "and control characters",
			       setting_shown(p, buf));
	else if (strcmp(p, "/") == 0)
		(void)snprintf(reason, sizeof reason,
			       "\"/\" is the whole host; name the directories that are meant");
	else
		reason[0] = '\0';
	for (size_t i = 0; !reason[0] && i < ARRAY_SIZE(kernel); i++)
		if (lex_is_below(p, kernel[i]))
			(void)snprintf(reason, sizeof reason,
				       "\"%s\" belongs to the kernel and is never shared; remove it",
				       setting_shown(p, buf));
	if (reason[0])
		return setting_bad(e, w, name, reason);
	*ret = p;
	return 0;
}
