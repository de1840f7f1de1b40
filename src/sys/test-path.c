/* SPDX-License-Identifier: Apache-2.0 */
/* Paths below a container's root, with everything that a hostile image may put there. Needs root. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "sys/missing.h"
#include "sys/path.h"
#include "sys/test-dir.h"

static char top[] = "/tmp/caisson-test-XXXXXX";
static int top_fd = -EBADF, root_fd = -EBADF, proc_fd = -EBADF;

/* top/secret, top/outside/, top/root/ with links of all kinds */
static int setup(void **state)
{
	static const char *const links[][2] = {
		{ "/d/sub", "abs" },
		{ "d/sub", "rel" },
		{ "../d/sub", "d/up" },
		{ "../../../../d/sub", "over" },
		{ "../../secret", "d/out" },
		{ "/../../outside", "out-dir" },
		{ "/nowhere/at/all", "dangling" },
		{ "missing", "d/dangling" },
		{ "loop-b", "loop-a" },
		{ "loop-a", "loop-b" },
		{ "chain-1", "chain-0" },
		{ "/chain-2", "chain-1" },
		{ "d/../new/end", "chain-2" },
		{ "/etc/passwd", "passwd" },
		{ "/abs-made/x", "d/abs-dangling" },
		{ "/self-made/./x/..", "odd" },
	};

	(void)state;
	if (test_dir_make(top, true) < 0)
		return -1;
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(top_fd, "root", 0755) < 0 || mkdirat(top_fd, "outside", 0755) < 0 ||
	    test_put(top_fd, "secret", "secret") < 0)
		return -1;
	root_fd = openat(top_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(root_fd, "d", 0755) < 0 || mkdirat(root_fd, "d/sub", 0755) < 0 ||
	    test_put(root_fd, "d/file", "x") < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlinkat(links[i][0], root_fd, links[i][1]) < 0)
			return -1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)fd_close(root_fd);
	(void)fd_close(top_fd);
	(void)fd_close(proc_fd);
	test_dir_drop(top);
	return access(top, F_OK) == 0 ? -1 : 0;
}

static bool same_file(int fd, const char *name)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(root_fd, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static void names_are_resolved_as_inside_the_container(void **state)
{
	static const struct {
		const char *path, *is;
		int r;
	} rows[] = {
		{ "/", ".", 0 },
		{ ".", ".", 0 },
		{ "..", ".", 0 },
		{ "/../../..", ".", 0 },
		{ "d/sub", "d/sub", 0 },
		{ "/d//sub/", "d/sub", 0 },
		{ "abs", "d/sub", 0 },
		{ "rel", "d/sub", 0 },
		{ "d/up", "d/sub", 0 },
		{ "over", "d/sub", 0 },
		{ "abs/../file", "d/file", 0 },
		{ "../d/../d/file", "d/file", 0 },
		{ "d/out", NULL, -ENOENT }, /* there is no /secret inside */
		{ "../secret", NULL, -ENOENT },
		{ "d/sub/../../../../secret", NULL, -ENOENT },
		{ "passwd", NULL, -ENOENT }, /* nor an /etc/passwd */
		{ "out-dir", NULL, -ENOENT },
		{ "dangling", NULL, -ENOENT },
		{ "loop-a", NULL, -ELOOP },
		{ "loop-a/x", NULL, -ELOOP },
		{ "d/file/x", NULL, -ENOTDIR },
		{ "", NULL, -ENOENT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_close_ int fd = path_open_in(root_fd, rows[i].path, O_PATH, 0);

		if (fd < 0 ? fd != rows[i].r : rows[i].r < 0 || !same_file(fd, rows[i].is))
			fail_msg("%s: %d", rows[i].path, fd);
		if (fd >= 0)
			assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	}
}

/* A process inside can bring in links that the kernel follows without a path: to its own files, to /proc/PID/root. */
static void magic_links_are_not_followed(void **state)
{
	_cleanup_close_ int secret = openat(top_fd, "secret", O_RDONLY | O_CLOEXEC);
	struct err e = { 0 };
	char name[64];

	(void)state;
	assert_int_equal(mkdirat(root_fd, "proc", 0755), 0);
	(void)snprintf(name, sizeof name, "%s/root/proc", top);
	assert_int_equal(mount("/proc", name, NULL, MS_BIND, NULL), 0);
	(void)snprintf(name, sizeof name, "/proc/%d/fd/%d", (int)getpid(), secret);
	assert_int_equal(path_open_in(root_fd, name, O_RDONLY, 0), -ELOOP);
	assert_int_equal(path_open_in(root_fd, "/proc/self/root", O_PATH, 0), -ELOOP);
	assert_int_equal(path_open_in(root_fd, "/proc/self/cwd/x", O_PATH, 0), -ELOOP);
	assert_int_equal(path_make_in(root_fd, -EBADF, "/proc/self/root/tmp", true, &e), -ELOOP);
	assert_int_equal(symlinkat(name, root_fd, "to-fd"), 0);
	assert_int_equal(path_open_in(root_fd, "to-fd", O_RDONLY, 0), -ELOOP);
	(void)snprintf(name, sizeof name, "%s/root/proc", top);
	assert_int_equal(umount2(name, MNT_DETACH), 0);
}

static void a_new_file_gets_the_mode_that_was_asked_for(void **state)
{
	_cleanup_close_ int fd = path_open_in(root_fd, "/abs/made", O_WRONLY | O_CREAT | O_EXCL, 0640);
	struct stat st;

	(void)state;
	assert_true(fd >= 0);
	assert_true(same_file(fd, "d/sub/made"));
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void missing_mount_points_are_made_where_the_container_would_see_them(void **state)
{
	static const struct {
		const char *path;
		bool directory;
		const char *is;
	} rows[] = {
		{ "/m1", true, "m1" },
		{ "m2/a/b/c", true, "m2/a/b/c" },
		{ "/m3/a/file", false, "m3/a/file" },
		{ "/d/sub", true, "d/sub" }, /* there already */
		{ "/d/file", false, "d/file" },
		{ "/abs/m4", true, "d/sub/m4" },
		{ "/../../m5", true, "m5" },
		{ "m6/../m7", true, "m7" },
		{ "/m8/./x/", true, "m8/x" },
		{ "dangling", true, "nowhere/at/all" }, /* an absolute link means the container's root */
		{ "d/dangling", false, "d/missing" },
		{ "d/abs-dangling/y", true, "abs-made/x/y" },
		{ "chain-0", true, "new/end" },
		{ "out-dir/x", true, "outside/x" },
		{ "odd", true, "self-made" },
		{ "/", true, "." },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		_cleanup_close_ int fd = path_make_in(root_fd, -EBADF, rows[i].path, rows[i].directory, &e);
		struct stat st;

		if (fd < 0 || !same_file(fd, rows[i].is))
			fail_msg("%s: %d: %s", rows[i].path, fd, e.msg);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(S_ISDIR(st.st_mode), rows[i].directory);
		if (!rows[i].directory && strcmp(rows[i].is, "d/file") != 0)
			assert_int_equal(st.st_size, 0);
	}
	/* nothing of it beside the root */
	assert_int_equal(faccessat(top_fd, "outside/x", F_OK, 0), -1);
	assert_int_equal(faccessat(top_fd, "nowhere", F_OK, 0), -1);
	assert_int_equal(faccessat(top_fd, "m5", F_OK, 0), -1);
	assert_int_equal(access("/nowhere", F_OK), -1);
}

static void parents_are_0755_and_files_0644_whatever_the_umask_leaves(void **state)
{
	mode_t old = umask(0);
	struct err e = { 0 };
	_cleanup_close_ int fd = path_make_in(root_fd, -EBADF, "/modes/dir/file", false, &e);
	struct stat st;

	(void)state;
	(void)umask(old);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(fstatat(root_fd, "modes/dir", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

static void what_cannot_be_made_is_explained(void **state)
{
	static char too_long[300], too_deep[5000], later_too_long[320];
	static const struct {
		const char *path;
		bool directory;
		int r;
		const char *text;
	} rows[] = {
		{ "/d/file", true, -ENOTDIR, "not a directory, but what is mounted there is one" },
		{ "/d/sub", false, -ENOTDIR, "is a directory, but what is mounted there is a file" },
		{ "/d/file/x", true, -ENOTDIR, "open mount point /d/file/x" },
		{ "/loop-a", true, -ELOOP, "/loop-a" },
		{ "/loop-a/x", true, -ELOOP, "/loop-a/x" },
		{ "/l0/x", true, -ELOOP, "/l0/x" },
		{ too_long, true, -ENAMETOOLONG, "xxx" },
		{ too_deep, true, -ENAMETOOLONG, "/y" },
		{ later_too_long, true, -ENAMETOOLONG, "not-there/xxx" },
	};

	(void)state;
	memset(too_long, 'x', sizeof too_long - 1);
	/* The kernel sees the missing one first. */
	(void)snprintf(later_too_long, sizeof later_too_long, "not-there/%s", too_long);
	for (size_t i = 0; i + 2 < sizeof too_deep; i += 2)
		memcpy(too_deep + i, "/y", 2);
	/* dangling links that lead to each other, more of them than the kernel follows */
	for (int i = 0; i < 50; i++) {
		char from[16], to[16];

		(void)snprintf(from, sizeof from, "l%d", i);
		(void)snprintf(to, sizeof to, "/l%d", i + 1);
		assert_int_equal(symlinkat(to, root_fd, from), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		int r = path_make_in(root_fd, -EBADF, rows[i].path, rows[i].directory, &e);

		if (r != rows[i].r || e.code != -r || !strstr(e.msg, rows[i].text))
			fail_msg("row %zu: %d: %s", i, r, e.msg);
	}
}

static void a_read_only_root_is_written_through_its_writable_view(void **state)
{
	_cleanup_close_ int ro = -EBADF, fd = -EBADF;
	uint64_t id, ro_id;
	struct err e = { 0 };
	char from[64], to[64];
	bool is_root;

	(void)state;
	(void)snprintf(from, sizeof from, "%s/root", top);
	(void)snprintf(to, sizeof to, "%s/ro", top);
	assert_int_equal(mkdir(to, 0755), 0);
	assert_int_equal(mount(from, to, NULL, MS_BIND, NULL), 0);
	assert_int_equal(mount(NULL, to, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), 0);
	ro = open(to, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(ro >= 0);

	assert_int_equal(path_make_in(ro, -EBADF, "/ro-new/x", true, &e), -EROFS);
	assert_non_null(strcasestr(e.msg, "make mount point /ro-new/x in the container: read-only file system"));
	assert_int_equal(faccessat(root_fd, "ro-new", F_OK, 0), -1);

	/* What comes back lies on the read-only mount: that is where the container will look. */
	fd = path_make_in(ro, root_fd, "/abs/ro-new/x", true, &e);
	assert_true(fd >= 0);
	assert_int_equal(path_mnt_id(ro, &ro_id, &is_root), 0);
	assert_true(is_root);
	assert_int_equal(path_mnt_id(fd, &id, &is_root), 0);
	assert_true(id == ro_id && !is_root);
	assert_int_equal(faccessat(root_fd, "d/sub/ro-new/x", F_OK, 0), 0);
	assert_int_equal(umount2(to, MNT_DETACH), 0);
}

static pid_t start_racer(void (*once)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)alarm(60);
		for (;;)
			once();
	}
	return pid;
}

static void stop_racer(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Take a directory out of the root and back, while somebody walks ".." from within it. */
static void move_out_and_in(void)
{
	(void)renameat(root_fd, "race/a", top_fd, "outside/a");
	(void)renameat(top_fd, "outside/a", root_fd, "race/a");
}

static double seconds(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void a_rename_out_of_the_root_does_not_lead_out(void **state)
{
	double end = seconds() + 1.5;
	unsigned tries = 0, found = 0;
	pid_t racer;

	(void)state;
	assert_int_equal(mkdirat(root_fd, "race", 0755), 0);
	assert_int_equal(mkdirat(root_fd, "race/a", 0755), 0);
	assert_int_equal(mkdirat(root_fd, "race/a/b", 0755), 0);
	assert_int_equal(test_put(root_fd, "race/here", "x"), 0);
	racer = start_racer(move_out_and_in);
	assert_true(racer > 0);
	while (seconds() < end) {
		/* from top/outside/a/b this would be top/secret */
		_cleanup_close_ int out = path_open_in(root_fd, "race/a/b/../../../secret", O_PATH, 0);
		_cleanup_close_ int in = path_open_in(root_fd, "race/a/b/../../here", O_PATH, 0);

		tries++;
		found += in >= 0;
		if (out >= 0) {
			stop_racer(racer);
			fail_msg("opened what lies outside after %u tries", tries);
		}
	}
	stop_racer(racer);
	assert_true(tries > 100 && found > 0);
	(void)renameat(top_fd, "outside/a", root_fd, "race/a");
}

/* A directory on the way becomes a link to the outside and back. */
static void swap_for_link(void)
{
	(void)renameat2(root_fd, "swap/dir", root_fd, "swap/link", RENAME_EXCHANGE);
}

static void a_link_that_is_swapped_in_does_not_get_anything_made_outside(void **state)
{
	double end = seconds() + 1.5;
	char target[64];
	unsigned tries = 0, made = 0;
	pid_t racer;

	(void)state;
	(void)snprintf(target, sizeof target, "%s/outside", top);
	assert_int_equal(mkdirat(root_fd, "swap", 0755), 0);
	assert_int_equal(mkdirat(root_fd, "swap/dir", 0755), 0);
	assert_int_equal(symlinkat("../../outside", root_fd, "swap/link"), 0);
	racer = start_racer(swap_for_link);
	assert_true(racer > 0);
	while (seconds() < end) {
		char name[64];
		int fd;

		(void)snprintf(name, sizeof name, "swap/dir/%u/x", tries++);
		fd = path_make_in(root_fd, -EBADF, name, true, NULL);
		made += fd >= 0;
		(void)fd_close(fd);
	}
	stop_racer(racer);
	assert_true(tries > 100 && made > 0);
	assert_int_equal(unlinkat(top_fd, "outside", AT_REMOVEDIR), 0); /* still empty */
	assert_int_equal(mkdirat(top_fd, "outside", 0755), 0);
}

static void the_path_of_an_open_file_is_told_unless_it_is_gone(void **state)
{
	_cleanup_close_ int fd = openat(root_fd, "abs/../file", O_PATH | O_CLOEXEC), gone = -EBADF;
	_cleanup_free_ char *path = NULL;
	char want[64];
	int fds[2];

	(void)state;
	fd = path_open_in(root_fd, "abs/../file", O_PATH, 0);
	(void)snprintf(want, sizeof want, "%s/root/d/file", top);
	assert_int_equal(path_of_fd(proc_fd, fd, &path), 0);
	assert_string_equal(path, want);

	assert_int_equal(test_put(root_fd, "gone", ""), 0);
	gone = openat(root_fd, "gone", O_PATH | O_CLOEXEC);
	assert_int_equal(unlinkat(root_fd, "gone", 0), 0);
	free(TAKE_PTR(path));
	assert_int_equal(path_of_fd(proc_fd, gone, &path), -ENOENT);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(path_of_fd(proc_fd, fds[0], &path), -ENOENT); /* "pipe:[1]" */
	(void)close(fds[0]);
	(void)close(fds[1]);
	assert_int_equal(path_of_fd(proc_fd, fds[0], &path), -ENOENT); /* not open */
	assert_null(path);
}

static void a_path_of_more_than_4095_bytes_is_an_error(void **state)
{
	_cleanup_close_ int at = openat(root_fd, ".", O_PATH | O_CLOEXEC);
	_cleanup_free_ char *path = NULL;
	char name[256];

	(void)state;
	memset(name, 'n', 255);
	name[255] = '\0';
	for (int i = 0; i < 17; i++) {
		int next;

		assert_int_equal(mkdirat(at, name, 0755), 0);
		next = openat(at, name, O_PATH | O_CLOEXEC);
		assert_true(next >= 0);
		(void)close(at);
		at = next;
	}
	assert_int_equal(path_of_fd(proc_fd, at, &path), -ENAMETOOLONG);
	assert_null(path);
}

static void a_path_leads_to_one_object(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat("/proc/self/exe", &st), 0);
	assert_true(path_leads_to("/proc/self/exe", &st));
	assert_false(path_leads_to("/proc/self", &st));
	assert_false(path_leads_to("/nowhere/at/all", &st));
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(names_are_resolved_as_inside_the_container),
		cmocka_unit_test(magic_links_are_not_followed),
		cmocka_unit_test(a_new_file_gets_the_mode_that_was_asked_for),
		cmocka_unit_test(missing_mount_points_are_made_where_the_container_would_see_them),
		cmocka_unit_test(parents_are_0755_and_files_0644_whatever_the_umask_leaves),
		cmocka_unit_test(what_cannot_be_made_is_explained),
		cmocka_unit_test(a_read_only_root_is_written_through_its_writable_view),
		cmocka_unit_test(a_rename_out_of_the_root_does_not_lead_out),
		cmocka_unit_test(a_link_that_is_swapped_in_does_not_get_anything_made_outside),
		cmocka_unit_test(the_path_of_an_open_file_is_told_unless_it_is_gone),
		cmocka_unit_test(a_path_of_more_than_4095_bytes_is_an_error),
		cmocka_unit_test(a_path_leads_to_one_object),
	};

	if (geteuid() != 0) {
		print_message("skipped: needs root for a mount namespace of its own\n");
		return 77;
	}
	return cmocka_run_group_tests(rows, setup, teardown);
}
