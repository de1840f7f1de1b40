/* SPDX-License-Identifier: Apache-2.0 */
/* Several settings files to one policy, and what users may change of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "codec/settings.h"

#define GROUP "enhancedContainerIsolation"
#define DEPTH 16 /* of objects that are merged; below, the later one replaces */

struct merge {
	const struct settings_text *files;
	size_t current;
	char path[256];
	struct err *e;
};

/* Its key in the spelling that is there, as names match in any case. */
static const char *spelling(const json_t *object, const char *name)
{
	const char *key;
	json_t *val;

	json_object_foreach((json_t *)(uintptr_t)object, key, val) {
		(void)val;
		if (strcasecmp(key, name) == 0)
			return key;
	}
	return NULL;
}

static json_t *member(const json_t *object, const char *name)
{
	const char *key = spelling(object, name);

	return key ? json_object_get(object, key) : NULL;
}

/* Names in a message: bounded, and nothing in them that forges a line. */
static void enter(struct merge *m, size_t len, const char *name)
{
	(void)snprintf(m->path + len, sizeof m->path - len, "%s%.64s", len ? "." : "", name);
	for (char *p = m->path + len; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
}

static const char *locker(const struct merge *m, size_t group_len)
{
	char key[300];

	(void)snprintf(key, sizeof key, "%.*s.locked", (int)group_len, m->path);
	for (size_t i = m->current; i-- > 0;) {
		struct settings_place p = settings_locate(m->files[i].text, m->files[i].len, key);

		if (p.line && p.end - p.start == 4 && memcmp(m->files[i].text + p.start, "true", 4) == 0)
			return m->files[i].file;
	}
	return "an earlier file";
}

static int refuse_locked(struct merge *m, size_t group_len)
{
	const struct settings_text *f = &m->files[m->current];
	unsigned line = settings_locate(f->text, f->len, m->path).line;

	return err_set(m->e, EPERM,
		       "%s:%u: %s: differs from what %s says and locks; remove it here or unlock it there",
		       f->file, line, m->path, locker(m, group_len));
}

/* @locked_len: of the path of the locked object around, 0: none is locked. */
static int merge_into(struct merge *m, json_t *to, json_t *from, size_t locked_len, unsigned depth)
{
	size_t len = strlen(m->path);
	const char *name;
	json_t *val;

	if (!locked_len && len && json_is_true(member(to, "locked")))
		locked_len = len;
	json_object_foreach(from, name, val) {
		const char *there = spelling(to, name);
		json_t *old = there ? json_object_get(to, there) : NULL;
		int r = 0;

		enter(m, len, name);
		if (json_is_object(old) && json_is_object(val) && depth < DEPTH)
			r = merge_into(m, old, val, locked_len, depth + 1);
		else if (old && json_equal(old, val))
			r = 0;
		else if (locked_len || (json_is_object(old) && json_is_true(member(old, "locked"))))
			r = refuse_locked(m, locked_len ? locked_len : strlen(m->path));
		else if (json_object_set(to, there ? there : name, val) < 0)
			r = err_sys(m->e, ENOMEM, "%s", m->files[m->current].file);
		if (r < 0)
			return r;
		m->path[len] = '\0';
	}
	return 0;
}

static int keep_source(struct settings *s, const struct settings_text *f, bool user)
{
	struct settings_source *grown = realloc(s->sources, (s->n_sources + 1) * sizeof *grown), *src;

	if (!grown)
		return -ENOMEM;
	s->sources = grown;
	src = &grown[s->n_sources];
	*src = (struct settings_source){ strdup(f->file), malloc(f->len + 1), f->len, user };
	s->n_sources++;
	if (!src->file || !src->text)
		return -ENOMEM;
	memcpy(src->text, f->text, f->len);
	src->text[f->len] = '\0';
	return 0;
}

/* The merged tree of several files, each of which is right by itself. */
static int merge_all(const struct settings_text *files, size_t n, json_t **ret, struct err *e)
{
	struct merge m = { .files = files, .e = e };
	json_t *all = json_object();
	int r = all ? 0 : err_sys(e, ENOMEM, "settings");

	for (; m.current < n && r == 0; m.current++) {
		struct settings one;

		r = settings_parse(files[m.current].file, files[m.current].text, files[m.current].len, &one, e);
		if (r < 0)
			break;
		m.path[0] = '\0';
		r = merge_into(&m, all, one.json, 0, 0);
		settings_done(&one);
	}
	if (r < 0) {
		json_decref(all);
		return r;
	}
	*ret = all;
	return 0;
}

int settings_merge(const struct settings_text *files, size_t n, struct settings *ret, struct err *e)
{
	struct settings s = { 0 };
	json_t *all = NULL;
	int r;

	if (n == 0)
		return settings_parse(NULL, NULL, 0, ret, e);
	if (n > SETTINGS_FILES_MAX)
		return err_set(e, EFBIG, "%s: more than %d settings files; put some together", files[0].file,
			       SETTINGS_FILES_MAX);
	if (n == 1) {
		r = settings_parse(files[0].file, files[0].text, files[0].len, &s, e);
	} else {
		r = merge_all(files, n, &all, e);
		if (r == 0)
			r = settings_parse_json(files[0].file, all, &s, e);
	}
	for (size_t i = 0; i < n && r == 0; i++)
		if (keep_source(&s, &files[i], false) < 0)
			r = err_sys(e, ENOMEM, "%s", files[i].file);
	if (r < 0) {
		settings_done(&s);
		return r;
	}
	s.file = s.sources[0].file;
	*ret = s;
	return 0;
}

int settings_user(struct settings *s, const struct settings_text *user, struct err *e)
{
	json_error_t je;
	json_t *tree, *val;
	int r = 0;

	if (s->locked)
		return 0;
	if (user->len > SETTINGS_MAX)
		return err_set(e, EFBIG, "%s: has more than %u bytes; it is not a settings file", user->file,
			       SETTINGS_MAX);
	tree = json_loadb(user->text, user->len, JSON_REJECT_DUPLICATES, &je);
	if (!json_is_object(tree)) {
		json_decref(tree);
		return err_set(e, EINVAL, "%s: not a JSON object (line %d); correct it or remove it", user->file,
			       tree ? 1 : je.line);
	}
	val = member(tree, GROUP);
	if (json_is_object(val))
		val = member(val, "value");
	if (val && !json_is_boolean(val))
		r = err_set(e, EINVAL, "%s: %s: must be true or false; correct it or remove it", user->file,
			    GROUP);
	else if (val && keep_source(s, user, true) < 0)
		r = err_sys(e, ENOMEM, "%s", user->file);
	else if (val)
		s->enabled = json_is_true(val);
	json_decref(tree);
	return r;
}
