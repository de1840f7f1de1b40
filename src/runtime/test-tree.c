/* SPDX-License-Identifier: Apache-2.0 */
/* What a copy of a directory on the host takes along and what it does not; its removal. Needs root. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <time.h>

#include <cmocka.h>

#include "runtime/tree.h"
#include "sys/test-dir.h"

static char top[] = "/tmp/caisson-test-XXXXXX";
static int top_fd = -EBADF, from = -EBADF, to = -EBADF;
static struct err err;

static int group_setup(void **state)
{
	(void)state;
	if (test_dir_make(top, true) < 0)
		return -1;
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return top_fd < 0 || test_put(top_fd, "secret", "secret") < 0 ? -1 : 0;
}

static int group_teardown(void **state)
{
	(void)state;
	top_fd = fd_close(top_fd);
	test_dir_drop(top);
	return access(top, F_OK) == 0 ? -1 : 0;
}

static int setup(void **state)
{
	static int n;
	char name[32];

	(void)state;
	(void)snprintf(name, sizeof name, "from%d", ++n);
	if (mkdirat(top_fd, name, 0755) < 0)
		return -1;
	from = openat(top_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)snprintf(name, sizeof name, "to%d", n);
	if (mkdirat(top_fd, name, 0700) < 0)
		return -1;
	to = openat(top_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return from < 0 || to < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	from = fd_close(from);
	to = fd_close(to);
	return 0;
}

static struct stat stat_of(int dir, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st;
}

static void assert_same(const char *name)
{
	struct stat a = stat_of(from, name), b = stat_of(to, name);

	assert_int_equal(a.st_mode, b.st_mode);
	assert_int_equal(a.st_uid, b.st_uid);
	assert_int_equal(a.st_gid, b.st_gid);
	assert_int_equal(a.st_mtim.tv_sec, b.st_mtim.tv_sec);
	assert_int_equal(a.st_mtim.tv_nsec, b.st_mtim.tv_nsec);
	if (S_ISREG(a.st_mode))
		assert_int_equal(a.st_size, b.st_size);
}

static void assert_missing(int dir, const char *name)
{
	assert_int_equal(faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(errno, ENOENT);
}

static void set_time(const char *name)
{
	const struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 981158400, .tv_nsec = 7 } };

	assert_int_equal(utimensat(from, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void owners_modes_times_and_attributes_are_kept(void **state)
{
	_cleanup_close_ int file = -EBADF, out = -EBADF;
	char value[8];

	(void)state;
	assert_int_equal(mkdirat(from, "d", 0), 0);
	assert_int_equal(test_put(from, "d/f", "text"), 0);
	assert_int_equal(symlinkat("/secret", from, "l"), 0);
	assert_int_equal(mknodat(from, "p", S_IFIFO | 0640, 0), 0);
	assert_int_equal(fchownat(from, "d", 7, 8, 0), 0);
	assert_int_equal(fchownat(from, "d/f", 33, 44, 0), 0);
	assert_int_equal(fchownat(from, "l", 5, 6, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(fchmodat(from, "d/f", 06755, 0), 0);
	assert_int_equal(fchmodat(from, "d", 01711, 0), 0);
	file = openat(from, "d/f", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fsetxattr(file, "trusted.t", "yes", 3, 0), 0);
	set_time("d/f");
	set_time("d");
	set_time("l");
	set_time(".");
	assert_int_equal(tree_copy(from, to, &err), 0);
	for (const char *const *n = (const char *const[]){ ".", "d", "d/f", "l", "p", NULL }; *n; n++)
		assert_same(*n);
	out = openat(to, "d/f", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fgetxattr(out, "trusted.t", value, sizeof value), 3);
	assert_int_equal(read(out, value, sizeof value), 4);
	assert_memory_equal(value, "text", 4);
}

static void holes_stay_holes(void **state)
{
	_cleanup_close_ int file = openat(from, "s", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), out = -EBADF;
	char c = 0;

	(void)state;
	assert_int_equal(pwrite(file, "a", 1, 0), 1);
	assert_int_equal(pwrite(file, "b", 1, 8 << 20), 1);
	assert_int_equal(ftruncate(file, 16 << 20), 0);
	assert_int_equal(tree_copy(from, to, &err), 0);
	assert_int_equal(stat_of(to, "s").st_size, 16 << 20);
	assert_true(stat_of(to, "s").st_blocks <= 64);
	out = openat(to, "s", O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(out, &c, 1, 8 << 20), 1);
	assert_int_equal(c, 'b');
	assert_int_equal(pread(out, &c, 1, 0), 1);
	assert_int_equal(c, 'a');
}

static void names_of_one_file_stay_one_file(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(from, "d", 0755), 0);
	assert_int_equal(test_put(from, "d/a", "text"), 0);
	assert_int_equal(linkat(from, "d/a", from, "b", 0), 0);
	assert_int_equal(linkat(from, "d/a", from, "d/c", 0), 0);
	assert_int_equal(test_put(from, "other", "text"), 0);
	assert_int_equal(tree_copy(from, to, &err), 0);
	assert_int_equal(stat_of(to, "b").st_nlink, 3);
	assert_int_equal(stat_of(to, "b").st_ino, stat_of(to, "d/a").st_ino);
	assert_int_equal(stat_of(to, "b").st_ino, stat_of(to, "d/c").st_ino);
	assert_int_equal(stat_of(to, "other").st_nlink, 1);
}

static void nodes_sockets_and_other_mounts_are_left_out(void **state)
{
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char path[64];

	(void)state;
	assert_int_equal(fchdir(from), 0);
	(void)snprintf(addr.sun_path, sizeof addr.sun_path, "sock");
	assert_int_equal(bind(sock, (const struct sockaddr *)&addr, sizeof addr), 0);
	assert_int_equal(mknodat(from, "c", S_IFCHR | 0666, makedev(1, 3)), 0);
	assert_int_equal(mknodat(from, "b", S_IFBLK | 0666, makedev(7, 0)), 0);
	assert_int_equal(mkdirat(from, "m", 0755), 0);
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d/m", from);
	assert_int_equal(mount("t", path, "tmpfs", 0, NULL), 0);
	assert_int_equal(test_put(from, "m/inside", "x"), 0);
	assert_int_equal(tree_copy(from, to, &err), 0);
	assert_int_equal(umount2(path, MNT_DETACH), 0);
	for (const char *const *n = (const char *const[]){ "sock", "c", "b", "m/inside", NULL }; *n; n++)
		assert_missing(to, *n);
	assert_int_equal(chdir("/"), 0);
}

static void make_deep(int levels)
{
	_cleanup_close_ int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < levels; i++) {
		int sub;

		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		sub = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)close(fd);
		fd = sub;
	}
}

static void deeper_than_the_bound_is_an_error(void **state)
{
	(void)state;
	make_deep(199);
	assert_int_equal(tree_copy(from, to, &err), 0);
	assert_int_equal(tree_remove(to, "d", &err), 0);
	assert_int_equal(renameat(from, "d", from, "e"), 0);
	assert_int_equal(mkdirat(from, "d", 0755), 0);
	assert_int_equal(renameat(from, "e", from, "d/d"), 0);
	assert_int_equal(tree_copy(from, to, &err), -ELOOP);
}

static void what_is_in_the_way_is_not_overwritten(void **state)
{
	char text[8] = "";
	_cleanup_close_ int fd = -EBADF;

	(void)state;
	assert_int_equal(symlinkat("../secret", to, "f"), 0);
	assert_int_equal(test_put(from, "f", "gone"), 0);
	assert_int_equal(tree_copy(from, to, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "copy f"));
	fd = openat(top_fd, "secret", O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, text, sizeof text), 6);
	assert_string_equal(text, "secret");
}

static void removal_takes_everything_and_follows_nothing(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(to, "x", 0755), 0);
	assert_int_equal(mkdirat(to, "x/y", 0), 0);
	assert_int_equal(test_put(to, "x/y/f", "x"), 0);
	assert_int_equal(symlinkat(top, to, "x/l"), 0);
	assert_int_equal(tree_remove(to, "x", &err), 0);
	assert_missing(to, "x");
	assert_int_equal(faccessat(top_fd, "secret", F_OK, 0), 0);
	assert_int_equal(tree_remove(to, "x", &err), 0);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest rows[] = {
		ROW(owners_modes_times_and_attributes_are_kept),
		ROW(holes_stay_holes),
		ROW(names_of_one_file_stay_one_file),
		ROW(nodes_sockets_and_other_mounts_are_left_out),
		ROW(deeper_than_the_bound_is_an_error),
		ROW(what_is_in_the_way_is_not_overwritten),
		ROW(removal_takes_everything_and_follows_nothing),
	};

	if (geteuid() != 0) {
		print_message("skipped: needs root for a mount namespace of its own\n");
		return 77;
	}
	return cmocka_run_group_tests(rows, group_setup, group_teardown);
}
