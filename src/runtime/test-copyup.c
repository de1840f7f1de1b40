/* SPDX-License-Identifier: Apache-2.0 */
/* What "tmpcopyup" takes along and what it does not. Needs root. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <time.h>

#include <cmocka.h>

#include "runtime/copyup.h"
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
	from = openat(top_fd, name, O_PATH | O_CLOEXEC); /* as the caller has it */
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

static void assert_same(const char *name)
{
	struct stat a, b;

	assert_int_equal(fstatat(from, name, &a, AT_SYMLINK_NOFOLLOW), 0);
	if (fstatat(to, name, &b, AT_SYMLINK_NOFOLLOW) < 0)
		fail_msg("%s was not copied", name);
	if (a.st_mode != b.st_mode || a.st_uid != b.st_uid || a.st_gid != b.st_gid ||
	    a.st_mtim.tv_sec != b.st_mtim.tv_sec || a.st_mtim.tv_nsec != b.st_mtim.tv_nsec)
		fail_msg("%s: mode %o/%o, owner %u:%u/%u:%u, time %ld/%ld", name, a.st_mode, b.st_mode, a.st_uid,
			 a.st_gid, b.st_uid, b.st_gid, a.st_mtim.tv_sec, b.st_mtim.tv_sec);
	if (S_ISREG(a.st_mode)) {
		_cleanup_free_ char *x = NULL, *y = NULL;
		size_t n, m;

		assert_int_equal(io_read_at(from, name, 64u << 20, &x, &n), 0);
		assert_int_equal(io_read_at(to, name, 64u << 20, &y, &m), 0);
		assert_true(n == m && memcmp(x, y, n) == 0);
	}
}

static void set_times(const char *name, time_t sec)
{
	const struct timespec t[2] = { { .tv_sec = sec, .tv_nsec = 5 }, { .tv_sec = sec + 1, .tv_nsec = 6 } };

	assert_int_equal(utimensat(from, name, t, AT_SYMLINK_NOFOLLOW), 0);
}

static void a_tree_is_copied_with_owners_modes_and_times(void **state)
{
	static const char *const names[] = { "plain",	     "empty", "set-id",	  "private", "big",
					     "fifo",	     "link",  "dangling", "dir",     "dir/sub",
					     "dir/sub/file", "none",  "." };
	char link[64];

	(void)state;
	assert_int_equal(test_put(from, "plain", "hello"), 0);
	assert_int_equal(test_put(from, "empty", ""), 0);
	assert_int_equal(test_put(from, "set-id", "x"), 0);
	assert_int_equal(fchownat(from, "set-id", 7, 8, 0), 0);
	assert_int_equal(fchmodat(from, "set-id", 06755, 0), 0);
	assert_int_equal(test_put(from, "private", "p"), 0);
	assert_int_equal(fchmodat(from, "private", 0600, 0), 0);
	assert_int_equal(test_put(from, "none", "n"), 0);
	assert_int_equal(fchmodat(from, "none", 0, 0), 0);
	{
		/* more than one round of sendfile(2) */
		_cleanup_close_ int fd = openat(from, "big", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

		for (int i = 0; i < 3; i++) {
			static char block[1u << 20];

			memset(block, 'a' + i, sizeof block);
			assert_int_equal(io_write_all(fd, block, sizeof block - 7), 0);
		}
	}
	assert_int_equal(mknodat(from, "fifo", S_IFIFO | 0640, 0), 0);
	assert_int_equal(symlinkat("plain", from, "link"), 0);
	assert_int_equal(fchownat(from, "link", 9, 10, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(symlinkat("/etc/passwd", from, "dangling"), 0);
	assert_int_equal(mkdirat(from, "dir", 0755), 0);
	assert_int_equal(mkdirat(from, "dir/sub", 0), 0);
	assert_int_equal(test_put(from, "dir/sub/file", "deep"), 0);
	assert_int_equal(fchmodat(from, "dir", 01777, 0), 0);
	assert_int_equal(fchownat(from, ".", 11, 12, 0), 0);
	assert_int_equal(fchmodat(from, ".", 02751, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		set_times(names[i], 1000000000 + (time_t)i * 1000);

	if (copy_up_tree(from, to, &err) != 0)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_same(names[i]);
	assert_int_equal(readlinkat(to, "link", link, sizeof link), 5);
	assert_memory_equal(link, "plain", 5);
	assert_int_equal(readlinkat(to, "dangling", link, sizeof link), 11);
	assert_memory_equal(link, "/etc/passwd", 11);
}

static void devices_and_sockets_are_left_out(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(mknodat(from, "null", S_IFCHR | 0666, makedev(1, 3)), 0);
	(void)snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/socket", from);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof addr), 0);
	assert_int_equal(test_put(from, "z", ""), 0);
	assert_int_equal(copy_up_tree(from, to, &err), 0);
	assert_int_equal(faccessat(to, "null", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(faccessat(to, "socket", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_same("z");
}

static void other_mounts_are_not_entered(void **state)
{
	char path[64];

	(void)state;
	assert_int_equal(mkdirat(from, "mnt", 0755), 0);
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d/mnt", from);
	assert_int_equal(mount("t", path, "tmpfs", 0, NULL), 0);
	assert_int_equal(test_put(from, "mnt/other", ""), 0);
	assert_int_equal(copy_up_tree(from, to, &err), 0);
	assert_int_equal(faccessat(to, "mnt/other", F_OK, 0), -1);
	assert_int_equal(umount2(path, MNT_DETACH), 0);
}

static int make_deep(int depth)
{
	int at = openat(from, ".", O_PATH | O_CLOEXEC);

	for (int i = 0; i < depth; i++) {
		int next;

		assert_int_equal(mkdirat(at, "d", 0755), 0);
		next = openat(at, "d", O_PATH | O_CLOEXEC);
		(void)close(at);
		at = next;
	}
	(void)close(at);
	return copy_up_tree(from, to, &err);
}

static void sixty_four_levels_are_copied(void **state)
{
	(void)state;
	assert_int_equal(make_deep(64), 0);
}

static void deeper_than_that_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(make_deep(65), -ELOOP);
	assert_non_null(strstr(err.msg, "tmpcopyup: "));
}

static void what_is_in_the_way_is_not_overwritten(void **state)
{
	(void)state;
	assert_int_equal(test_put(from, "f", "new"), 0);
	assert_int_equal(symlinkat("../secret", to, "f"), 0);
	assert_int_equal(copy_up_tree(from, to, &err), -EEXIST);
	{
		_cleanup_free_ char *text = NULL;

		assert_int_equal(io_read_at(top_fd, "secret", 100, &text, NULL), 0);
		assert_string_equal(text, "secret");
	}
}

static void a_source_that_is_no_directory_is_an_error(void **state)
{
	_cleanup_close_ int fd = openat(top_fd, "secret", O_PATH | O_CLOEXEC);

	(void)state;
	assert_int_equal(copy_up_tree(fd, to, &err), -ENOTDIR);
	assert_non_null(strstr(err.msg, "tmpcopyup: open source"));
}

/* A real directory: a copied link says nothing about what was copied. */
static bool is_dir_with_secret(int dir, const char *name)
{
	_cleanup_close_ int fd = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && faccessat(fd, "secret", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Something in the container's image store changes a directory into a link to the outside while we copy. */
static void a_directory_that_becomes_a_link_does_not_lead_out(void **state)
{
	struct timespec start, now;
	unsigned rounds = 0, copied = 0;
	pid_t racer;

	(void)state;
	assert_int_equal(mkdirat(from, "a", 0755), 0);
	assert_int_equal(test_put(from, "a/inside", ""), 0);
	assert_int_equal(mkdirat(top_fd, "outside", 0755), 0);
	assert_int_equal(test_put(top_fd, "outside/secret", "secret"), 0);
	assert_int_equal(symlinkat("../outside", from, "b"), 0);
	racer = fork();
	if (racer == 0) {
		(void)alarm(60);
		for (;;)
			(void)renameat2(from, "a", from, "b", RENAME_EXCHANGE);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		_cleanup_close_ int sub = -EBADF;
		char name[32];

		(void)snprintf(name, sizeof name, "r%u", rounds++);
		assert_int_equal(mkdirat(to, name, 0755), 0);
		sub = openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		copied += copy_up_tree(from, sub, NULL) == 0;
		if (is_dir_with_secret(sub, "a") || is_dir_with_secret(sub, "b")) {
			(void)kill(racer, SIGKILL);
			fail_msg("round %u copied what lies outside", rounds);
		}
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - start.tv_sec < 2);
	assert_int_equal(kill(racer, SIGKILL), 0);
	assert_int_equal(waitpid(racer, NULL, 0), racer);
	assert_true(copied > 0);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest rows[] = {
		ROW(a_tree_is_copied_with_owners_modes_and_times),
		ROW(devices_and_sockets_are_left_out),
		ROW(other_mounts_are_not_entered),
		ROW(sixty_four_levels_are_copied),
		ROW(deeper_than_that_is_an_error),
		ROW(what_is_in_the_way_is_not_overwritten),
		ROW(a_source_that_is_no_directory_is_an_error),
		ROW(a_directory_that_becomes_a_link_does_not_lead_out),
	};

	if (geteuid() != 0) {
		print_message("skipped: needs root for a mount namespace of its own\n");
		return 77;
	}
	return cmocka_run_group_tests(rows, group_setup, group_teardown);
}
