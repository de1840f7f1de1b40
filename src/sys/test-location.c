/* SPDX-License-Identifier: Apache-2.0 */
/* Where an object lies when bind mounts are ignored, in a mount namespace of its own. Needs root. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "sys/location.h"
#include "sys/test-dir.h"

static char top[] = "/tmp/caisson-test-XXXXXX";
static int proc_fd = -EBADF;

static int setup(void **state)
{
	(void)state;
	proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return proc_fd < 0 ? -1 : test_dir_make(top, true);
}

static int teardown(void **state)
{
	(void)state;
	(void)fd_close(proc_fd);
	test_dir_drop(top);
	return access(top, F_OK) == 0 ? -1 : 0;
}

/* A path below the test's directory; good until the fourth call from here. */
static const char *at(const char *name)
{
	static char buf[4][256];
	static unsigned next;
	char *s = buf[next++ % 4];

	(void)snprintf(s, sizeof buf[0], "%s%s", top, name);
	return s;
}

static void make_dir(const char *name)
{
	assert_int_equal(mkdir(at(name), 0755), 0);
}

static void bind(const char *from, const char *to)
{
	make_dir(to);
	assert_int_equal(mount(at(from), at(to), NULL, MS_BIND, NULL), 0);
}

static int look(const char *path, struct location *ret)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);

	assert_true(fd >= 0);
	return location_of_fd(proc_fd, fd, ret);
}

/* @real NULL: not known */
static void expect(const char *path, const char *real, const char *mount_point, const char *real_mount,
		   bool is_mount_root)
{
	_cleanup_(location_done) struct location l = { 0 };

	assert_int_equal(look(at(path), &l), 0);
	assert_string_equal(l.path, at(path));
	if (real)
		assert_string_equal(l.real_path, at(real));
	else
		assert_null(l.real_path);
	assert_string_equal(l.mount_point, at(mount_point));
	assert_string_equal(l.real_mount, at(real_mount));
	assert_string_equal(l.fstype, "tmpfs");
	assert_int_equal(l.is_mount_root, is_mount_root);
	assert_true(S_ISDIR(l.st.st_mode));
}

static void an_object_on_its_own_mount_is_where_it_is(void **state)
{
	(void)state;
	make_dir("/plain");
	expect("/plain", "/plain", "", "", false);
	expect("", "", "", "", true);
}

static void a_bind_mount_is_seen_through(void **state)
{
	(void)state;
	make_dir("/one");
	make_dir("/one/two");
	make_dir("/one/two/three");
	bind("/one/two", "/a b"); /* mountinfo escapes the blank */
	expect("/a b/three", "/one/two/three", "/a b", "", false);
	expect("/a b", "/one/two", "/a b", "", true);
	make_dir("/onetwo"); /* not below /one */
	bind("/onetwo", "/c");
	expect("/c", "/onetwo", "/c", "", true);
}

static void of_two_mounts_of_a_whole_file_system_the_older_counts(void **state)
{
	(void)state;
	make_dir("/first");
	assert_int_equal(mount("t", at("/first"), "tmpfs", 0, NULL), 0);
	make_dir("/first/x");
	bind("/first", "/second");
	expect("/second/x", "/first/x", "/second", "/first", false);
	expect("/first/x", "/first/x", "/first", "/first", false);
	bind("/second/x", "/third");
	expect("/third", "/first/x", "/third", "/first", true);
}

static void a_part_whose_whole_is_mounted_nowhere_is_not_known(void **state)
{
	(void)state;
	make_dir("/gone");
	assert_int_equal(mount("t", at("/gone"), "tmpfs", 0, NULL), 0);
	make_dir("/gone/part");
	make_dir("/gone/part/in");
	bind("/gone/part", "/kept");
	expect("/kept/in", "/gone/part/in", "/kept", "/gone", false);
	assert_int_equal(umount2(at("/gone"), MNT_DETACH), 0);
	expect("/kept/in", NULL, "/kept", "/kept", false);
	expect("/kept", NULL, "/kept", "/kept", true);
}

static void what_is_deleted_lies_nowhere(void **state)
{
	_cleanup_(location_done) struct location l = { 0 };
	_cleanup_close_ int fd = -EBADF;

	(void)state;
	make_dir("/deleted");
	fd = open(at("/deleted"), O_PATH | O_CLOEXEC);
	assert_int_equal(rmdir(at("/deleted")), 0);
	assert_int_equal(location_of_fd(proc_fd, fd, &l), -ENOENT);
}

static void the_root_mount_is_no_alias(void **state)
{
	_cleanup_(location_done) struct location l = { 0 };

	(void)state;
	assert_int_equal(look("/", &l), 0);
	assert_string_equal(l.path, "/");
	assert_string_equal(l.real_path, "/");
	assert_string_equal(l.mount_point, "/");
	assert_string_equal(l.fstype, "rootfs");
	assert_null(l.real_mount);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_object_on_its_own_mount_is_where_it_is),
		cmocka_unit_test(a_bind_mount_is_seen_through),
		cmocka_unit_test(of_two_mounts_of_a_whole_file_system_the_older_counts),
		cmocka_unit_test(a_part_whose_whole_is_mounted_nowhere_is_not_known),
		cmocka_unit_test(what_is_deleted_lies_nowhere),
		cmocka_unit_test(the_root_mount_is_no_alias),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
