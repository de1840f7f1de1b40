/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host paths that others than root can make lead elsewhere, by renaming a directory and putting a link in its place. The
 * runtime sees where they lead when it mounts them; but whenever a container starts, the engine makes the source of a bind
 * that is not there, as root of the host, following links. It does not for HostConfig.Mounts, so such paths are sent as those; a
 * source that is missing is made here, where no link is followed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "codec/lexpath.h"
#include "guard/rules.h"
#include "sys/missing.h"

static int no_memory(struct judging *j)
{
	return refuse_here(j, 503, "memory", "out of memory");
}

/* ---- a bind as a mount ---- */

int source_mount(struct judging *j, json_t *hc, const struct source_bind *b)
{
	json_t *mounts = json_object_get(hc, "Mounts"), *m;

	if (!mounts) {
		mounts = json_array();
		if (json_object_set_new(hc, "Mounts", mounts) < 0)
			return no_memory(j);
	}
	changed(j, "bind of %.200s sent as a mount", b->path);
	m = json_pack("{s:s, s:s, s:s, s:b}", "Type", "bind", "Source", b->path, "Target", b->target, "ReadOnly",
		      b->read_only);
	if (m && *b->propagation &&
	    json_object_set_new(m, "BindOptions", json_pack("{s:s}", "Propagation", b->propagation)) < 0) {
		json_decref(m);
		m = NULL;
	}
	return json_array_append_new(mounts, m) < 0 ? no_memory(j) : 0;
}

static bool is_one_of(const char *word, const char *const list[])
{
	for (; *list; list++)
		if (strcmp(word, *list) == 0)
			return true;
	return false;
}

/* One word of "ro,rslave,z". */
static int take_mode(struct judging *j, const char *word, struct source_bind *b)
{
	static const char *const propagation[] = { "private", "rprivate", "shared", "rshared",
						   "slave",   "rslave",	  NULL };
	static const char *const ignored[] = { "rw",	    "nocopy",  "consistent", "cached",
					       "delegated", "default", "",	     NULL };

	if (strcmp(word, "ro") == 0)
		b->read_only = true;
	else if (is_one_of(word, propagation))
		(void)snprintf(b->propagation, sizeof b->propagation, "%s", word);
	else if (strcmp(word, "z") == 0 || strcmp(word, "Z") == 0) {
		/* The engine would give new labels to wherever the path leads by then. Without SELinux they say nothing. */
		if (access("/sys/fs/selinux/enforce", F_OK) == 0)
			return refuse_here(j, 403, "binds",
					   "\"%s\" is not possible for %.256s, as users could make that path lead "
					   "elsewhere; have an administrator label it",
					   word, b->path);
	} else if (!is_one_of(word, ignored))
		return refuse_here(j, 400, "binds", "invalid mode: %.64s", word);
	return 0;
}

int source_from_bind(struct judging *j, json_t *hc, const char *path, const char *rest)
{
	_cleanup_free_ char *target = strdup(rest);
	struct source_bind b = { .path = path, .target = target };
	char *mode = target ? strchr(target, ':') : NULL, *word;
	int r = target ? 0 : no_memory(j);

	if (mode) {
		*mode++ = '\0';
		while (r == 0 && (word = strsep(&mode, ",")) != NULL)
			r = take_mode(j, word, &b);
	}
	if (r == 0)
		r = source_missing(j, path);
	return r < 0 ? r : source_mount(j, hc, &b);
}

/* ---- what another container brings along ---- */

/* Does the request itself mount something at @target? That is stronger than what VolumesFrom brings. */
static bool is_taken(json_t *hc, const char *target)
{
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(hc, "Binds"), i, v) {
		const char *text = json_string_value(v), *colon = strchr(text, ':');
		_cleanup_free_ char *own = colon ? strndup(colon + 1, strcspn(colon + 1, ":")) : strdup(text);
		_cleanup_free_ char *clean = own ? host_path_clean(own) : NULL;

		if (!clean || strcmp(clean, target) == 0)
			return true;
	}
	json_array_foreach(json_object_get(hc, "Mounts"), i, v) {
		const char *own = json_string_value(member_fold(v, "Target"));
		_cleanup_free_ char *clean = own ? host_path_clean(own) : NULL;

		if (clean && strcmp(clean, target) == 0)
			return true;
	}
	return false;
}

int source_from_other(struct judging *j, json_t *hc, const json_t *m, const char *path, bool read_only)
{
	const char *target = json_string_value(json_object_get(m, "Destination")),
		   *propagation = json_string_value(json_object_get(m, "Propagation"));
	_cleanup_free_ char *clean = target ? host_path_clean(target) : NULL;
	struct source_bind b = { .path = path,
				 .target = clean,
				 .read_only = read_only || json_is_false(json_object_get(m, "RW")) };

	if (!clean)
		return target ? no_memory(j) : 0;
	if (is_taken(hc, clean))
		return 0;
	(void)snprintf(b.propagation, sizeof b.propagation, "%s", propagation ? propagation : "");
	return source_mount(j, hc, &b);
}

/* ---- making what is missing ---- */

int source_missing(struct judging *j, const char *path)
{
	struct stat st;

	if (!j->missing || lex_is_below(path, j->q->settings->socket.directory) || lstat(path, &st) == 0 ||
	    errno != ENOENT)
		return 0;
	return json_array_append_new(j->missing, json_string(path)) < 0 ? no_memory(j) : 0;
}

/* As the engine would: directories of mode 0755 that belong to root. */
static int make_path(const char *path)
{
	const struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
				      .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_close_ int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char *rest = copy, *name;

	if (!copy || at < 0)
		return copy ? -errno : -ENOMEM;
	while ((name = strsep(&rest, "/")) != NULL) {
		int fd;

		if (*name == '\0')
			continue;
		fd = sys_openat2(at, name, &how);
		if (fd < 0 && errno == ENOENT && mkdirat(at, name, 0755) == 0)
			fd = sys_openat2(at, name, &how);
		if (fd < 0)
			return -errno;
		(void)fd_close(at);
		at = fd;
	}
	return 0;
}

int source_make(struct judging *j)
{
	json_t *v;
	size_t i;

	if (!j->q->host || j->q->host->explains) /* nobody will mount it */
		return 0;
	json_array_foreach(j->missing, i, v) {
		const char *path = json_string_value(v);
		int r = make_path(path);

		if (r < 0)
			return refuse(j, 403, "restricted host mount", "mounts denied: cannot make %.512s: %s",
				      path, strerrordesc_np(-r));
	}
	return 0;
}
