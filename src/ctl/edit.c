/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/settings.h"
#include "sys/settings-file.h"

#define GROUP "enhancedContainerIsolation"
#define VALUE GROUP ".value"

/* ---- the text ---- */

static int replace_at(const char *old, size_t len, struct settings_place at, const char *word, char **ret)
{
	return asprintf(ret, "%.*s%s%.*s", (int)at.start, old, word, (int)(len - at.end), old + at.end) < 0
		       ? -ENOMEM
		       : 0;
}

static const char *spelling(json_t *o, const char *name)
{
	const char *key;
	json_t *v;

	json_object_foreach(o, key, v) {
		(void)v;
		if (strcasecmp(key, name) == 0)
			return key;
	}
	return name;
}

static int add_value(json_t *tree, bool user, bool on)
{
	const char *group = spelling(tree, GROUP);
	json_t *o = json_object_get(tree, group);

	if (user && !json_is_object(o))
		return json_object_set_new(tree, group, json_boolean(on));
	if (!o && json_object_set_new(tree, group, o = json_object()) < 0)
		return -1;
	return json_object_set_new(o, spelling(o, "value"), json_boolean(on));
}

int edit_text(const char *old, size_t len, bool user, bool on, char **ret, struct err *e)
{
	static const char bom[] = "\xef\xbb\xbf";
	const char *word = on ? "true" : "false";
	struct settings_place at = { 0 };
	_cleanup_free_ char *text = NULL;
	bool marked = old && len >= 3 && memcmp(old, bom, 3) == 0;
	json_t *tree;
	int r;

	tree = old ? json_loadb(old + (marked ? 3 : 0), len - (marked ? 3 : 0), JSON_REJECT_DUPLICATES, NULL)
		   : json_pack("{si}", "configurationFileVersion", 2);
	if (!old && user)
		(void)json_object_clear(tree);
	if (!json_is_object(tree)) {
		json_decref(tree);
		return err_set(e, EINVAL, "not a JSON object; correct it");
	}
	if (old)
		at = settings_locate(old, len, VALUE);
	if (old && !at.line && user)
		at = settings_locate(old, len, GROUP);
	/* A number or the like in its place is replaced too: the file is wrong as it is. */
	if (at.line && old[at.start] != '{') {
		json_decref(tree);
		r = replace_at(old, len, at, word, ret);
		return r < 0 ? err_sys(e, ENOMEM, "editing the settings") : 0;
	}
	r = add_value(tree, user, on);
	if (r == 0)
		text = json_dumps(tree, JSON_INDENT(2));
	json_decref(tree);
	if (!text || asprintf(ret, "%s%s\n", marked ? bom : "", text) < 0)
		return err_sys(e, ENOMEM, "editing the settings");
	return 0;
}

/* ---- the file ---- */

/* Where the files are. Both malloc'd. */
static int places(const char *settings, char **ret_main, char **ret_user, struct err *e)
{
	const char *path = settings ? settings : SETTINGS_DEFAULT_FILE, *slash;
	_cleanup_free_ char *main_file = NULL;
	struct stat st;
	int r;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		r = asprintf(&main_file, "%s/" SETTINGS_FILE_NAME, path);
	else
		r = asprintf(&main_file, "%s", path);
	if (r < 0) {
		main_file = NULL;
		return err_sys(e, ENOMEM, "settings");
	}
	slash = strrchr(main_file, '/');
	if (!slash)
		return err_set(e, EINVAL, "%s: give the whole path", path);
	if (asprintf(ret_user, "%.*s/" SETTINGS_USER_NAME, (int)(slash - main_file), main_file) < 0)
		return err_sys(e, ENOMEM, "settings");
	*ret_main = TAKE_PTR(main_file);
	return 0;
}

/* The administrator's file of the last word; NULL: none says anything about it. */
static const struct settings_source *decider(const struct settings *s)
{
	for (size_t i = s->n_sources; i-- > 0;) {
		const struct settings_source *src = &s->sources[i];

		if (!src->user && settings_locate(src->text, src->len, VALUE).line)
			return src;
	}
	return NULL;
}

static int is_locked(const struct settings *s, struct err *e)
{
	char where[512];

	(void)settings_origin(s, GROUP ".locked", where, sizeof where);
	return err_set(e, EPERM,
		       "isolation is locked: users may change it only where the administrator's file says " GROUP
		       ".locked false (decided by %s)",
		       where);
}

/* The text of @file: of @s where it took part, else read; NULL: there is none. */
static int current_text(const struct settings *s, const char *file, char **ret, size_t *ret_len, struct err *e)
{
	_cleanup_close_ int fd = -EBADF;
	int r;

	*ret = NULL;
	*ret_len = 0;
	for (size_t i = 0; i < s->n_sources; i++)
		if (strcmp(s->sources[i].file, file) == 0) {
			*ret = strndup(s->sources[i].text, s->sources[i].len);
			*ret_len = s->sources[i].len;
			return *ret ? 0 : err_sys(e, ENOMEM, "%s", file);
		}
	fd = open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "%s", file);
	r = io_read_fd(fd, SETTINGS_MAX, ret, ret_len);
	return r < 0 ? err_sys(e, -r, "%s", file) : 0;
}

/* Into a file that stays the same one: the users' own, in a directory that is not theirs. */
static int overwrite(const char *file, const char *text, size_t len)
{
	_cleanup_close_ int fd = open(file, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : io_write_all(fd, text, len);
}

static int store(const char *file, const char *text, size_t len, bool user, struct err *e)
{
	const char *name = strrchr(file, '/') + 1;
	_cleanup_free_ char *dir_name = strndup(file, (size_t)(name - file));
	_cleanup_close_ int dir = dir_name ? open(dir_name, O_PATH | O_DIRECTORY | O_CLOEXEC) : -EBADF;
	struct stat st = { .st_mode = 0644 };
	bool have;
	int r;

	if (dir < 0 && dir_name && errno == ENOENT && mkdir(dir_name, 0755) == 0)
		dir = open(dir_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, errno, "%s", file);
	have = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (have && !S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "%s: is not a regular file", file);
	r = io_replace_at(dir, name, text, len, st.st_mode & 0777);
	if (r == -EACCES && user)
		r = overwrite(file, text, len);
	else if (r == 0 && have && st.st_uid != 0 &&
		 fchownat(dir, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	return r < 0 ? err_sys(e, -r, "%s: cannot change it", file) : 0;
}

/* What it would come to. */
static int check(const char *settings, const struct settings_text *with, bool on, struct err *e)
{
	struct settings s;
	char where[512];
	int r = settings_load_with(settings, with, &s, e);

	if (r < 0)
		return r;
	if (s.note)
		r = err_set(e, EINVAL, "%s", s.note);
	else if (s.enabled != on)
		r = err_set(e, EBUSY, "%s has the last word about " VALUE " and says %s; change it there",
			    settings_origin(&s, VALUE, where, sizeof where), s.enabled ? "true" : "false");
	settings_done(&s);
	return r;
}

static int edit(const char *settings, const struct settings *s, const char *file, bool user, bool on,
		bool *ret_changed, struct err *e)
{
	_cleanup_free_ char *old = NULL, *text = NULL;
	struct settings_text with = { .file = file };
	int r;

	r = current_text(s, file, &old, &with.len, e);
	if (r < 0)
		return r;
	r = edit_text(old, with.len, user, on, &text, e);
	if (r < 0)
		return err_ctx(e, r, "%s", file);
	with.text = text;
	with.len = strlen(text);
	r = check(settings, &with, on, e);
	*ret_changed = !old || strcmp(old, text) != 0;
	return r < 0 || !*ret_changed ? r : store(file, text, with.len, user, e);
}

int edit_isolation(const char *settings, bool user, bool on, struct edit *ret, struct err *e)
{
	_cleanup_free_ char *main_file = NULL, *user_file = NULL, *file = NULL;
	const struct settings_source *src;
	struct settings s = { 0 };
	struct err why = { 0 };
	bool changed = false;
	int r;

	r = places(settings, &main_file, &user_file, e);
	if (r < 0)
		return r;
	r = settings_load(settings, &s, &why);
	if (r == -ENOENT && !user) /* a place that was named, and has nothing yet */
		r = settings_parse(NULL, NULL, 0, &s, e);
	else if (r < 0)
		return err_set(e, -r, "%s", why.msg);
	if (r == 0 && user && s.locked)
		r = is_locked(&s, e);
	if (r == 0) {
		src = user ? NULL : decider(&s);
		file = strdup(user ? user_file : src ? src->file : main_file);
		r = file ? edit(settings, &s, file, user, on, &changed, e) : err_sys(e, ENOMEM, "settings");
	}
	settings_done(&s);
	if (r == 0)
		*ret = (struct edit){ TAKE_PTR(file), changed };
	return r;
}
