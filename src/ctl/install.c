/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing files so that it can be undone. Directories are walked one name at a time and never through a symbolic
 * link: what is given as root is not left. Nothing is removed but files that the record names, while they are
 * still as they were written, and directories that were made here and are empty.
 */
#include "ctl/install.h"

#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/lexpath.h"

#define RECORD	    "record.json"
#define TEXT_MAX    (1u << 20)
#define SETTINGS_AT "etc/caisson/admin-settings.json"

enum kind { NOTHING, REGULAR, LINK };

/* A file as it is or was. */
struct seen {
	enum kind kind;
	char *text; /* owned; contents, or where the link points to */
	size_t len;
	struct stat st;
};

struct work {
	const struct install_options *o;
	int root_fd;
	json_t *record, *files, *dirs; /* @files and @dirs are borrowed from @record */
};

static void seen_done(struct seen *s)
{
	free(s->text);
	*s = (struct seen){ 0 };
}

static void say(const struct work *w, const char *what, const char *path, const char *detail)
{
	char line[PATH_MAX + 64];

	(void)snprintf(line, sizeof line, "%s /%s", what, path);
	w->o->say(w->o->ctx, line, detail);
}

/* ---- the tree below the root ---- */

/*
 * The directory that holds @path, made where it is missing if @make. *@ret_name: borrowed, its last component.
 * -ENOENT: not there.
 */
static int open_parent(const struct work *w, const char *path, bool make, int *ret_fd, const char **ret_name,
		       struct err *e)
{
	_cleanup_close_ int dir = openat(w->root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *name = path;

	if (dir < 0)
		return err_sys(e, errno, "%s", w->o->root);
	for (;;) {
		char part[NAME_MAX + 1];
		size_t n = lex_first_len(name);
		int next;

		if (!name[n])
			break;
		if (n > NAME_MAX)
			return err_set(e, ENAMETOOLONG, "/%s", path);
		memcpy(part, name, n);
		part[n] = '\0';
		if (make && mkdirat(dir, part, 0755) < 0 && errno != EEXIST)
			return err_sys(e, errno, "/%.*s: cannot make the directory",
				       (int)(name - path + (ptrdiff_t)n), path);
		next = openat(dir, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0 && errno == ENOENT)
			return -ENOENT;
		if (next < 0)
			return err_sys(e, errno, "/%.*s: has to be a directory, and no symbolic link",
				       (int)(name - path + (ptrdiff_t)n), path);
		(void)fd_close(dir);
		dir = next;
		name += n + 1;
	}
	*ret_fd = TAKE_FD(dir);
	*ret_name = name;
	return 0;
}

static int look_at(int dir, const char *name, const char *path, struct seen *ret, struct err *e)
{
	_cleanup_close_ int fd = -EBADF;
	struct seen s = { 0 };
	int r;

	if (fstatat(dir, name, &s.st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? (*ret = s, 0) : err_sys(e, errno, "/%s", path);
	if (S_ISLNK(s.st.st_mode)) {
		char target[PATH_MAX];
		ssize_t n = readlinkat(dir, name, target, sizeof target - 1);

		if (n < 0)
			return err_sys(e, errno, "/%s", path);
		s.kind = LINK;
		s.text = strndup(target, (size_t)n);
		s.len = (size_t)n;
		*ret = s;
		return s.text ? 0 : err_sys(e, ENOMEM, "/%s", path);
	}
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &s.st) < 0)
		return err_sys(e, errno, "/%s", path);
	if (!S_ISREG(s.st.st_mode))
		return err_set(e, EINVAL, "/%s: is not a regular file; move it away and try again", path);
	r = io_read_fd(fd, TEXT_MAX, &s.text, &s.len);
	if (r < 0)
		return err_sys(e, -r, "/%s: cannot read it", path);
	s.kind = REGULAR;
	*ret = s;
	return 0;
}

static int look(const struct work *w, const char *path, struct seen *ret, struct err *e)
{
	_cleanup_close_ int dir = -EBADF;
	const char *name = NULL;
	int r = open_parent(w, path, false, &dir, &name, e);

	if (r == -ENOENT) {
		*ret = (struct seen){ 0 };
		return 0;
	}
	return r < 0 ? r : look_at(dir, name, path, ret, e);
}

static int put_link(int dir, const char *name, const char *target)
{
	char tmp[NAME_MAX + 1];

	(void)snprintf(tmp, sizeof tmp, ".%.200s.%d", name, (int)getpid());
	(void)unlinkat(dir, tmp, 0);
	if (symlinkat(target, dir, tmp) < 0)
		return -errno;
	if (renameat(dir, tmp, dir, name) < 0) {
		int r = -errno;

		(void)unlinkat(dir, tmp, 0);
		return r;
	}
	return 0;
}

/* @as: owner, mode and time that it is to have; NULL: root's, 0644. */
static int put(const struct work *w, const char *path, enum kind kind, const char *text, size_t len,
	       const struct stat *as, bool times, struct err *e)
{
	_cleanup_close_ int dir = -EBADF;
	const char *name = NULL;
	int r = open_parent(w, path, kind != NOTHING, &dir, &name, e);

	if (r == -ENOENT && kind == NOTHING)
		return 0;
	if (r < 0)
		return r;
	if (kind == NOTHING)
		r = unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
	else if (kind == LINK)
		r = put_link(dir, name, text);
	else
		r = io_replace_at(dir, name, text, len, as ? as->st_mode & 0777 : 0644);
	if (r == 0 && as && kind != NOTHING &&
	    fchownat(dir, name, as->st_uid, as->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	if (r == 0 && as && kind == REGULAR && fchmodat(dir, name, as->st_mode & 07777, 0) < 0)
		r = -errno;
	if (r == 0 && as && times && kind != NOTHING) {
		const struct timespec ts[2] = { as->st_atim, as->st_mtim };

		(void)utimensat(dir, name, ts, AT_SYMLINK_NOFOLLOW);
	}
	return r < 0 ? err_sys(e, -r, "/%s: cannot change it", path) : 0;
}

/* ---- the record ---- */

static int open_state(const struct work *w, bool make, int *ret, struct err *e)
{
	const char *name = NULL;

	return open_parent(w, INSTALL_STATE "/x", make, ret, &name, e);
}

static int load_record(struct work *w, struct err *e)
{
	_cleanup_close_ int dir = -EBADF;
	_cleanup_free_ char *text = NULL;
	int r = open_state(w, false, &dir, e);

	if (r == 0)
		r = io_read_at(dir, RECORD, TEXT_MAX * 16, &text, NULL);
	if (r == 0)
		w->record = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	else if (r == -ENOENT)
		w->record = json_pack("{s[] s[]}", "files", "directories");
	else
		return err_sys(e, -r, "/" INSTALL_STATE "/" RECORD);
	w->files = json_object_get(w->record, "files");
	w->dirs = json_object_get(w->record, "directories");
	if (!json_is_array(w->files) || !json_is_array(w->dirs))
		return err_set(e, EINVAL, "/" INSTALL_STATE "/" RECORD ": is damaged; restore it from a backup");
	return 0;
}

static int save_record(const struct work *w, struct err *e)
{
	_cleanup_close_ int dir = -EBADF;
	_cleanup_free_ char *text = json_dumps(w->record, JSON_INDENT(1));
	int r = text ? open_state(w, true, &dir, e) : err_sys(e, ENOMEM, "installation");

	if (r == 0)
		r = fchmodat(dir, ".", 0700, 0) < 0 ? -errno : 0;
	if (r == 0)
		r = io_replace_at(dir, RECORD, text, strlen(text), 0600);
	return r < 0 ? err_sys(e, -r, "/" INSTALL_STATE "/" RECORD) : 0;
}

static json_t *entry_of(const struct work *w, const char *path, size_t *ret_index)
{
	json_t *o;
	size_t i;

	json_array_foreach(w->files, i, o) {
		const char *p = json_string_value(json_object_get(o, "path"));

		if (p && strcmp(p, path) == 0) {
			if (ret_index)
				*ret_index = i;
			return o;
		}
	}
	return NULL;
}

/* Every directory on the way to @path that does not exist is noted before it is made. */
static int note_dirs(struct work *w, const char *path, struct err *e)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		_cleanup_free_ char *dir = strndup(path, (size_t)(slash - path));
		bool known = false;
		struct stat st;
		json_t *d;
		size_t i;

		if (!dir)
			return err_sys(e, ENOMEM, "installation");
		/* Only whether something is there; open_parent() is who refuses links. */
		if (fstatat(w->root_fd, dir, &st, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		json_array_foreach(w->dirs, i, d)
			known = known || strcmp(json_string_value(d), dir) == 0;
		if (!known)
			(void)json_array_append_new(w->dirs, json_string(dir));
	}
	return 0;
}

/* After an uninstall that left something, the numbers of the files that are still known have gaps. */
static void free_name(const struct work *w, char *name, size_t size)
{
	bool taken = true;

	for (size_t n = 0; taken; n++) {
		const json_t *entry;
		size_t i;

		(void)snprintf(name, size, "%zu.before", n);
		taken = false;
		json_array_foreach(w->files, i, entry) {
			const char *other = json_string_value(json_object_get(entry, "backup"));

			taken |= other && strcmp(other, name) == 0;
		}
	}
}

static int keep_before(const struct work *w, json_t *entry, const struct seen *s, struct err *e)
{
	_cleanup_close_ int dir = -EBADF;
	char name[32];
	int r;

	(void)json_object_set_new(entry, "was",
				  json_string(s->kind == NOTHING ? "nothing"
					      : s->kind == LINK	 ? "link"
								 : "file"));
	if (s->kind == NOTHING)
		return 0;
	(void)json_object_set_new(entry, "uid", json_integer(s->st.st_uid));
	(void)json_object_set_new(entry, "gid", json_integer(s->st.st_gid));
	(void)json_object_set_new(entry, "mode", json_integer(s->st.st_mode & 07777));
	(void)json_object_set_new(entry, "mtime", json_integer(s->st.st_mtim.tv_sec));
	(void)json_object_set_new(entry, "mtimeNsec", json_integer(s->st.st_mtim.tv_nsec));
	if (s->kind == LINK)
		return json_object_set_new(entry, "target", json_string(s->text)) < 0
			       ? err_set(e, EINVAL, "a symbolic link that is not text")
			       : 0;
	free_name(w, name, sizeof name);
	(void)json_object_set_new(entry, "backup", json_string(name));
	r = open_state(w, true, &dir, e);
	if (r == 0)
		r = io_replace_at(dir, name, s->text, s->len, 0600);
	return r < 0 ? err_sys(e, -r, "/" INSTALL_STATE "/%s", name) : 0;
}

/* What was there before it was changed for the first time. */
static int get_before(const struct work *w, const json_t *entry, struct seen *ret, struct err *e)
{
	const char *was = json_string_value(json_object_get(entry, "was")),
		   *target = json_string_value(json_object_get(entry, "target")),
		   *backup = json_string_value(json_object_get(entry, "backup"));
	struct seen s = { 0 };
	_cleanup_close_ int dir = -EBADF;
	int r = 0;

	s.st.st_uid = (uid_t)json_integer_value(json_object_get(entry, "uid"));
	s.st.st_gid = (gid_t)json_integer_value(json_object_get(entry, "gid"));
	s.st.st_mode = (mode_t)json_integer_value(json_object_get(entry, "mode"));
	s.st.st_mtim.tv_sec = json_integer_value(json_object_get(entry, "mtime"));
	s.st.st_mtim.tv_nsec = json_integer_value(json_object_get(entry, "mtimeNsec"));
	s.st.st_atim = s.st.st_mtim;
	if (was && strcmp(was, "link") == 0 && target) {
		s.kind = LINK;
		s.text = strdup(target);
		s.len = strlen(target);
		r = s.text ? 0 : -ENOMEM;
	} else if (was && strcmp(was, "file") == 0 && backup && !strchr(backup, '/')) {
		s.kind = REGULAR;
		r = open_state(w, false, &dir, e);
		if (r == 0)
			r = io_read_at(dir, backup, TEXT_MAX, &s.text, &s.len);
	} else if (!was || strcmp(was, "nothing") != 0) {
		r = -EINVAL;
	}
	if (r < 0)
		return err_sys(e, -r, "/" INSTALL_STATE ": what was there before cannot be read");
	*ret = s;
	return 0;
}

/* ---- install ---- */

static bool same(const struct seen *s, enum kind kind, const char *text, size_t len)
{
	return s->kind == kind && (kind == NOTHING || (s->len == len && memcmp(s->text, text, len) == 0));
}

/* The lines that differ: those before with "-", those after with "+"; equal ones at both ends are left out. */
static char *difference(const char *before, const char *after)
{
	size_t head = 0, a = strlen(before), b = strlen(after);
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (size_t i = 0; i < a && i < b && before[i] == after[i]; i++)
		if (before[i] == '\n')
			head = i + 1;
	while (a > head && b > head && before[a - 1] == after[b - 1])
		a--, b--;
	while (before[a] && (a == 0 || before[a - 1] != '\n'))
		a++;
	while (after[b] && (b == 0 || after[b - 1] != '\n'))
		b++;
	for (int side = 0; side < 2; side++) {
		const char *s = (side ? after : before) + head, *end = side ? after + b : before + a;

		while (s < end) {
			size_t n = strcspn(s, "\n");

			if (n > (size_t)(end - s))
				n = (size_t)(end - s);
			(void)fprintf(f, "%c %.*s\n", side ? '+' : '-', (int)n, s);
			s += n + (s[n] == '\n');
		}
	}
	return fclose(f) == 0 ? text : (free(text), NULL);
}

static void tell(const struct work *w, const struct change *c, const struct seen *now)
{
	_cleanup_free_ char *detail = NULL;

	if (c->link) {
		if (asprintf(&detail, "+ -> %s\n", c->text) < 0)
			detail = NULL;
	} else {
		detail = difference(now->kind == REGULAR ? now->text : "", c->text);
	}
	say(w, now->kind == NOTHING ? "create" : "change", c->path, detail);
}

static int prepare_one(struct work *w, const struct change *c, const struct seen *now, struct err *e)
{
	json_t *entry = entry_of(w, c->path, NULL);
	int r = note_dirs(w, c->path, e);

	if (r < 0)
		return r;
	if (!entry) {
		entry = json_pack("{ss}", "path", c->path);
		r = entry ? keep_before(w, entry, now, e) : err_sys(e, ENOMEM, "installation");
		if (r < 0 || json_array_append_new(w->files, entry) < 0)
			return r < 0 ? r : err_sys(e, ENOMEM, "installation");
	}
	(void)json_object_set_new(entry, "isLink", json_boolean(c->link));
	if (json_object_set_new(entry, "written", json_string(c->text)) < 0)
		return err_set(e, EINVAL, "/%s: is not UTF-8", c->path);
	return 0;
}

static int apply(struct work *w, const struct plan *p, struct seen *now, struct err *e)
{
	bool due[CHANGES_MAX] = { 0 };
	int n = 0, r = 0;

	for (size_t i = 0; i < p->n && r == 0; i++) {
		const struct change *c = &p->v[i];

		r = look(w, c->path, &now[i], e);
		due[i] = r == 0 && !same(&now[i], c->link ? LINK : REGULAR, c->text, strlen(c->text));
		if (!due[i])
			continue;
		n++;
		tell(w, c, &now[i]);
	}
	if (r < 0 || n == 0 || w->o->dry_run)
		return r < 0 ? r : n;
	r = note_dirs(w, INSTALL_STATE "/x", e);
	for (size_t i = 0; i < p->n && r == 0; i++)
		if (due[i])
			r = prepare_one(w, &p->v[i], &now[i], e);
	if (r == 0)
		r = save_record(w, e);
	for (size_t i = 0; i < p->n && r == 0; i++) {
		const struct change *c = &p->v[i];

		if (due[i])
			r = put(w, c->path, c->link ? LINK : REGULAR, c->text, strlen(c->text),
				now[i].kind == REGULAR && !c->link ? &now[i].st : NULL, false, e);
	}
	return r < 0 ? r : n;
}

static int begin(struct work *w, struct err *e)
{
	w->root_fd = open(w->o->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (w->root_fd < 0)
		return err_sys(e, errno, "%s", w->o->root);
	return load_record(w, e);
}

static void end(struct work *w)
{
	json_decref(w->record);
	(void)fd_close(w->root_fd);
}

int install_run(const struct install_options *o, struct err *e)
{
	struct work w = { .o = o, .root_fd = -EBADF };
	struct seen now[CHANGES_MAX] = { 0 };
	struct plan plan = { 0 };
	int r;

	r = begin(&w, e);
	if (r == 0)
		r = plan_make(w.root_fd, o->root, &plan, e);
	if (r == 0)
		r = apply(&w, &plan, now, e);
	for (size_t i = 0; i < CHANGES_MAX; i++)
		seen_done(&now[i]);
	plan_done(&plan);
	end(&w);
	return r;
}

/* ---- uninstall ---- */

enum outcome { LEFT, KEPT, BACK };

/* One file back to what it was, unless somebody has changed it since. */
static int restore(struct work *w, const json_t *entry, struct err *e)
{
	const char *path = json_string_value(json_object_get(entry, "path")),
		   *written = json_string_value(json_object_get(entry, "written"));
	enum kind kind = json_is_true(json_object_get(entry, "isLink")) ? LINK : REGULAR;
	_cleanup_(seen_done) struct seen before = { 0 }, now = { 0 };
	int r;

	if (!path || !written || path[0] == '/')
		return err_set(e, EINVAL, "/" INSTALL_STATE "/" RECORD ": is damaged; restore it from a backup");
	r = get_before(w, entry, &before, e);
	if (r == 0)
		r = look(w, path, &now, e);
	if (r < 0)
		return r;
	if (same(&now, before.kind, before.text, before.len))
		return BACK;
	if (!same(&now, kind, written, strlen(written))) {
		bool settings = strcmp(path, SETTINGS_AT) == 0;

		say(w, settings ? "keep (it was changed)" : "leave (it was changed since, put it right by hand)",
		    path, NULL);
		return settings ? KEPT : LEFT;
	}
	say(w, before.kind == NOTHING ? "remove" : "restore", path, NULL);
	if (w->o->dry_run)
		return BACK;
	r = put(w, path, before.kind, before.text, before.len, &before.st, true, e);
	return r < 0 ? r : BACK;
}

static void drop_backup(const struct work *w, const json_t *entry)
{
	const char *backup = json_string_value(json_object_get(entry, "backup"));
	_cleanup_close_ int dir = -EBADF;

	if (backup && !strchr(backup, '/') && open_state(w, false, &dir, NULL) == 0)
		(void)unlinkat(dir, backup, 0);
}

/* Directories that were made here, if nobody else has put something into them. */
static void drop_dirs(const struct work *w)
{
	for (size_t i = json_array_size(w->dirs); i-- > 0;) {
		const char *path = json_string_value(json_array_get(w->dirs, i)), *name = NULL;
		_cleanup_close_ int dir = -EBADF;

		if (path && path[0] != '/' && open_parent(w, path, false, &dir, &name, NULL) == 0)
			(void)unlinkat(dir, name, AT_REMOVEDIR);
	}
}

static int restore_all(struct work *w, struct err *e)
{
	int back = 0, left = 0;

	for (size_t i = json_array_size(w->files); i-- > 0;) {
		const json_t *entry = json_array_get(w->files, i);
		int r = restore(w, entry, e);

		if (r < 0)
			return r;
		back += r == BACK;
		left += r == LEFT;
		if (r == LEFT || w->o->dry_run)
			continue;
		/* A run that ends here finds the file as it was, and goes on. */
		drop_backup(w, entry);
		(void)json_array_remove(w->files, i);
		if (save_record(w, e) < 0)
			return -EIO;
	}
	if (left)
		return err_set(e, EBUSY, "%d file%s left as %s: what was there before is in /" INSTALL_STATE, left,
			       left == 1 ? " is" : "s are", left == 1 ? "it is" : "they are");
	return back;
}

int uninstall_run(const struct install_options *o, struct err *e)
{
	struct work w = { .o = o, .root_fd = -EBADF };
	_cleanup_close_ int dir = -EBADF;
	int r;

	r = begin(&w, e);
	if (r == 0)
		r = json_array_size(w.files) ? restore_all(&w, e) : 0;
	if (r >= 0 && !o->dry_run && open_state(&w, false, &dir, NULL) == 0) {
		(void)unlinkat(dir, RECORD, 0);
		drop_dirs(&w);
	}
	end(&w);
	return r;
}
