/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "sys/settings-file.h"

#define GOOD "{\"caisson\":{\"allowHooks\":false}}"

/* /tmp/caisson-test-x/a/settings.json, all root's. */
struct place {
	char top[64], dir[96], file[128], other[128];
};

static void put(const char *path, const char *text, size_t len)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, len), 0);
	assert_int_equal(fchmod(fd, 0644), 0);
}

static void make(struct place *p)
{
	snprintf(p->top, sizeof p->top, "/tmp/caisson-test-XXXXXX");
	assert_non_null(mkdtemp(p->top));
	snprintf(p->dir, sizeof p->dir, "%s/a", p->top);
	snprintf(p->file, sizeof p->file, "%s/settings.json", p->dir);
	snprintf(p->other, sizeof p->other, "%s/other", p->top);
	assert_int_equal(mkdir(p->dir, 0755), 0);
	assert_int_equal(chmod(p->dir, 0755), 0);
	put(p->file, GOOD, strlen(GOOD));
}

static void drop(const struct place *p)
{
	(void)chmod(p->dir, 0755);
	(void)unlink(p->file);
	(void)rmdir(p->file);
	(void)unlink(p->other);
	(void)unlink(p->dir);
	assert_true(rmdir(p->dir) == 0 || errno == ENOENT);
	assert_int_equal(rmdir(p->top), 0);
}

static void a_file_that_only_root_can_change_is_read(void **state)
{
	struct place p;
	struct settings s;
	struct err e = { 0 };

	(void)state;
	make(&p);
	assert_int_equal(settings_load(p.file, &s, &e), 0);
	assert_false(s.allow_hooks);
	assert_string_equal(s.file, p.file);
	settings_done(&s);
	drop(&p);
}

static void nothing(struct place *p)
{
	assert_int_equal(unlink(p->file), 0);
}

static void no_directory(struct place *p)
{
	nothing(p);
	assert_int_equal(rmdir(p->dir), 0);
}

static void file_mode_group(struct place *p)
{
	assert_int_equal(chmod(p->file, 0664), 0);
}

static void file_mode_other(struct place *p)
{
	assert_int_equal(chmod(p->file, 0646), 0);
}

static void file_mode_sticky(struct place *p)
{
	assert_int_equal(chmod(p->file, 01666), 0);
}

static void file_owner(struct place *p)
{
	assert_int_equal(chown(p->file, 1000, 0), 0);
}

static void dir_owner(struct place *p)
{
	assert_int_equal(chown(p->dir, 1000, 0), 0);
}

static void top_owner(struct place *p)
{
	assert_int_equal(chown(p->top, 1000, 0), 0);
}

static void dir_mode(struct place *p)
{
	assert_int_equal(chmod(p->dir, 0775), 0);
}

static void dir_mode_sticky(struct place *p)
{
	assert_int_equal(chmod(p->dir, 01777), 0);
}

static void top_mode(struct place *p)
{
	assert_int_equal(chmod(p->top, 0777), 0);
}

static void symlink_file(struct place *p)
{
	assert_int_equal(rename(p->file, p->other), 0);
	assert_int_equal(symlink(p->other, p->file), 0);
}

static void symlink_dangling(struct place *p)
{
	nothing(p);
	assert_int_equal(symlink("/nonexistent", p->file), 0);
}

static void symlink_dir(struct place *p)
{
	no_directory(p);
	assert_int_equal(symlink("/tmp", p->dir), 0);
}

static void hard_link(struct place *p)
{
	assert_int_equal(link(p->file, p->other), 0);
}

static void fifo(struct place *p)
{
	nothing(p);
	assert_int_equal(mkfifo(p->file, 0600), 0);
}

static void directory(struct place *p)
{
	nothing(p);
	assert_int_equal(mkdir(p->file, 0755), 0);
}

static void parent_is_a_file(struct place *p)
{
	no_directory(p);
	put(p->dir, "x", 1);
}

static void huge(struct place *p)
{
	assert_int_equal(truncate(p->file, (off_t)SETTINGS_MAX + 1), 0);
}

static void empty(struct place *p)
{
	assert_int_equal(truncate(p->file, 0), 0);
}

static void cut(struct place *p)
{
	assert_int_equal(truncate(p->file, strlen(GOOD) - 1), 0);
}

static void every_defect_is_an_error_with_file_reason_and_cure(void **state)
{
	static const struct {
		void (*spoil)(struct place *p);
		int r;
		const char *why, *cure;
	} rows[] = {
		{ nothing, -ENOENT, "does not exist", "create it" },
		{ no_directory, -ENOENT, "does not exist", "correct the path" },
		{ file_mode_group, -EPERM, "mode 0664", "chmod go-w" },
		{ file_mode_other, -EPERM, "mode 0646", "chmod go-w" },
		{ file_mode_sticky, -EPERM, "mode 1666", "chmod go-w" },
		{ file_owner, -EPERM, "belongs to user 1000", "chown root" },
		{ dir_owner, -EPERM, "/a belongs to user 1000", "chown root" },
		{ top_owner, -EPERM, "belongs to user 1000", "chown root" },
		{ dir_mode, -EPERM, "/a is writable by group or others", "chmod go-w" },
		{ dir_mode_sticky, -EPERM, "mode 1777", "chmod go-w" },
		{ top_mode, -EPERM, "mode 0777", "chmod go-w" },
		{ symlink_file, -ELOOP, "settings.json is a symbolic link", "real path" },
		{ symlink_dangling, -ELOOP, "is a symbolic link", "real path" },
		{ symlink_dir, -ELOOP, "/a is a symbolic link", "real path" },
		{ hard_link, -EPERM, "2 names", "make a copy" },
		{ fifo, -EINVAL, "not a regular file", "put the settings into one" },
		{ directory, -ENOENT, "admin-settings.json does not exist", "create it" },
		{ parent_is_a_file, -ENOTDIR, "cannot open", "not a directory" },
		{ huge, -EFBIG, "1048576 bytes", "not a settings file" },
		{ empty, -EINVAL, "not valid JSON", "correct it" },
		{ cut, -EINVAL, "not valid JSON", "correct it" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct settings s = { .pool_first = 42 };
		struct err e = { 0 };
		struct place p;
		int r;

		make(&p);
		rows[i].spoil(&p);
		r = settings_load(p.file, &s, &e);
		if (r != rows[i].r || !strstr(e.msg, p.file) || !strstr(e.msg, rows[i].why) ||
		    !strstr(e.msg, rows[i].cure))
			fail_msg("row %zu: %d: %s", i, r, e.msg);
		assert_int_equal(s.pool_first, 42);
		assert_int_equal(e.code, -r);
		drop(&p);
	}
}

static void put_at(const char *dir, const char *name, const char *text)
{
	char path[192];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	put(path, text, strlen(text));
}

static void unlink_at(const char *dir, const char *name)
{
	char path[192];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	(void)unlink(path);
}

static void more_files_beside_it_and_the_users(void **state)
{
	static const char *const names[] = { "10.json", "5.json", "9.json", ".x.json", "notes", "20.json" };
	const struct settings_text instead = { .text = "{\"caisson\":{\"idPool\":{\"count\":5}}}", .len = 34 };
	struct settings_text what = instead;
	struct place p;
	struct settings s;
	struct err e = { 0 };
	char dir[128], path[192];

	(void)state;
	make(&p);
	snprintf(dir, sizeof dir, "%s/settings.d", p.dir);
	assert_int_equal(mkdir(dir, 0755), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	/* Made in an order that is neither theirs nor its reverse. */
	put_at(dir, "10.json", "{\"caisson\":{\"idPool\":{\"count\":10,\"first\":70000}}}");
	put_at(dir, "9.json", "{\"caisson\":{\"idPool\":{\"count\":9}}}");
	put_at(dir, "5.json", "{\"caisson\":{\"idPool\":{\"count\":5}}}");
	put_at(dir, ".x.json", "{");
	put_at(dir, "notes", "{");
	assert_int_equal(settings_load(p.file, &s, &e), 0);
	assert_int_equal(s.pool_count, 9); /* by bytes: "10" is before "9" */
	assert_int_equal(s.pool_first, 70000);
	assert_false(s.allow_hooks);
	assert_int_equal(s.n_sources, 4);
	settings_done(&s);

	/* What an edit would come to: in place of a file, and as one more. */
	snprintf(path, sizeof path, "%s/9.json", dir);
	what.file = path;
	assert_int_equal(settings_load_with(p.file, &what, &s, &e), 0);
	assert_int_equal(s.pool_count, 5);
	settings_done(&s);
	snprintf(path, sizeof path, "%s/95.json", dir);
	assert_int_equal(settings_load_with(p.file, &what, &s, &e), 0);
	assert_int_equal(s.n_sources, 5);
	assert_int_equal(s.pool_count, 5);
	settings_done(&s);

	/* A bad one of them is the end of all; one that others can change too. */
	put_at(dir, "20.json", "{\"caisson\":1}");
	assert_int_equal(settings_load(p.file, &s, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "settings.d/20.json: caisson"));
	put_at(dir, "20.json", "{}");
	assert_int_equal(chmod(dir, 0775), 0);
	assert_int_equal(settings_load(p.file, &s, &e), -EPERM);
	assert_int_equal(chmod(dir, 0755), 0);

	/* The users' file may be anybody's, and decides one thing where that is not locked. */
	put_at(p.dir, "user-settings.json", "{\"enhancedContainerIsolation\":false}");
	snprintf(path, sizeof path, "%s/user-settings.json", p.dir);
	assert_int_equal(chown(path, 1000, 1000), 0);
	assert_int_equal(settings_load(p.file, &s, &e), 0);
	assert_true(s.enabled && s.locked && !s.note);
	settings_done(&s);
	put_at(dir, "20.json", "{\"enhancedContainerIsolation\":{\"locked\":false}}");
	assert_int_equal(settings_load(p.file, &s, &e), 0);
	assert_false(s.enabled);
	settings_done(&s);
	put_at(p.dir, "user-settings.json", "{");
	assert_int_equal(settings_load(p.file, &s, &e), 0);
	assert_true(s.enabled && s.note);
	settings_done(&s);

	unlink_at(p.dir, "user-settings.json");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlink_at(dir, names[i]);
	assert_int_equal(rmdir(dir), 0);
	drop(&p);
}

static void an_odd_path_is_refused(void **state)
{
	static const char *const paths[] = {
		"", "/", "settings.json", "./settings.json", "/tmp/../etc/x", "/etc//x", "/etc/", "/etc/."
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct settings s;
		struct err e = { 0 };

		assert_int_equal(settings_load(paths[i], &s, &e), -EINVAL);
		assert_non_null(strstr(e.msg, "must be absolute"));
	}
}

static void without_the_default_file_the_defaults_apply(void **state)
{
	struct settings s;
	struct err e = { 0 };

	(void)state;
	if (access(SETTINGS_DEFAULT_FILE, F_OK) == 0)
		skip();
	assert_int_equal(settings_load(NULL, &s, &e), 0);
	assert_string_equal(s.file, "built-in defaults");
	assert_int_equal(e.code, 0); /* the missing file leaves no trace of an error */
	settings_done(&s);
	/* asked for by name, the same missing file is an error */
	assert_int_equal(settings_load(SETTINGS_DEFAULT_FILE, &s, &e), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(a_file_that_only_root_can_change_is_read),
		cmocka_unit_test(every_defect_is_an_error_with_file_reason_and_cure),
		cmocka_unit_test(more_files_beside_it_and_the_users),
		cmocka_unit_test(an_odd_path_is_refused),
		cmocka_unit_test(without_the_default_file_the_defaults_apply),
	};

	if (geteuid() != 0) {
		print_message("skipped: the rules are about root's files, so these tests need root\n");
		return 77;
	}
	return cmocka_run_group_tests(rows, NULL, NULL);
}
