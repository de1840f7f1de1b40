/* SPDX-License-Identifier: Apache-2.0 */
/* User namespaces without processes, for id-mapped mounts. Needs root. */
#include <errno.h>
#include <linux/nsfs.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>

#include <cmocka.h>

#include "codec/idtext.h"
#include "sys/test-dir.h"
#include "sys/userns.h"

static int proc_fd = -EBADF;

static int setup(void **state)
{
	(void)state;
	proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* what a killed caller leaves behind becomes our child */
	return proc_fd < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	proc_fd = fd_close(proc_fd);
	return 0;
}

static bool no_children(void)
{
	return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

/* Does @map, as read inside, hold exactly this one extent? */
static bool map_is(const char *name, uint64_t inside, uint64_t outside, uint64_t count)
{
	_cleanup_free_ char *text = NULL;
	struct id_extent x, more;
	char *cursor;

	if (io_read_at(proc_fd, name, 4096, &text, NULL) < 0)
		return false;
	cursor = text;
	return idtext_next_map(&cursor, &x) == 1 && idtext_next_map(&cursor, &more) == 0 && x.inside == inside &&
	       x.outside == outside && x.count == count;
}

static void a_namespace_has_the_maps_and_no_process(void **state)
{
	struct err e = { 0 };
	_cleanup_close_ int fd = userns_make(proc_fd, "0 100000 65536\n", "0 200000 1000\n", &e);
	pid_t pid;

	(void)state;
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(ioctl(fd, NS_GET_NSTYPE), CLONE_NEWUSER);
	assert_true(no_children());
	pid = fork();
	if (pid == 0) {
		CHILD_CHECK(setns(fd, CLONE_NEWUSER) == 0);
		/* seen from inside a reader of the same namespace: the ids of the parent's */
		CHILD_CHECK(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0);
		(void)pause();
		_exit(0);
	}
	for (int i = 0; i < 1000; i++) {
		char name[32];

		(void)snprintf(name, sizeof name, "%d/uid_map", (int)pid);
		if (map_is(name, 0, 100000, 65536))
			break;
		(void)usleep(1000);
		assert_true(i < 999);
	}
	{
		char name[32];

		(void)snprintf(name, sizeof name, "%d/gid_map", (int)pid);
		assert_true(map_is(name, 0, 200000, 1000));
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(test_wait(pid), -1);
}

static void a_map_that_the_kernel_refuses_is_an_error_and_leaves_nothing(void **state)
{
	static const struct {
		const char *uid, *gid, *text;
	} rows[] = {
		{ "0 100000 0\n", "0 100000 65536\n", "write uid_map" },
		{ "x\n", "0 100000 65536\n", "write uid_map" },
		{ "0 100000 65536\n", "0 1 2\n1 5 9\n", "write gid_map" }, /* overlaps */
		{ "0 4294967295 1\n", "0 0 1\n", "write uid_map" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };

		assert_int_equal(userns_make(proc_fd, rows[i].uid, rows[i].gid, &e), -EINVAL);
		assert_non_null(strstr(e.msg, rows[i].text));
		assert_true(no_children());
	}
}

static void every_map_of_a_shared_directory_is_one_that_the_kernel_takes(void **state)
{
	static const uint32_t owners[] = { 0,	   1,	   1000,   65534,      99999,	  100000,
					   165535, 165536, 200000, 0x7ffffffe, 0x7fffffff };
	static const uint32_t mains[] = { 0, 1000, 65535 };

	(void)state;
	for (size_t o = 0; o < ARRAY_SIZE(owners); o++)
		for (size_t m = 0; m < ARRAY_SIZE(mains); m++) {
			struct err e = { 0 };
			char uid[512], gid[512];
			int fd;

			(void)idtext_owner_map(100000, mains[m], owners[o], uid, sizeof uid);
			(void)idtext_owner_map(0x7ffe0000, mains[m], owners[o], gid, sizeof gid);
			fd = userns_make(proc_fd, uid, gid, &e);
			if (fd < 0)
				fail_msg("owner %u, main user %u: %s", owners[o], mains[m], e.msg);
			(void)close(fd);
		}
}

static void namespaces_are_opened_by_name(void **state)
{
	static const char *const names[] = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time" };
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_close_ int fd = ns_open(proc_fd, getpid(), names[i], &e);
		char path[32];
		struct stat a, b;

		assert_true(fd >= 0);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		(void)snprintf(path, sizeof path, "self/ns/%s", names[i]);
		assert_int_equal(fstat(fd, &a), 0);
		assert_int_equal(fstatat(proc_fd, path, &b, 0), 0);
		assert_true(a.st_ino == b.st_ino);
	}
	assert_int_equal(ns_open(proc_fd, getpid(), "nonsense", &e), -ENOENT);
	assert_non_null(strstr(e.msg, "open nonsense namespace of process"));
	assert_int_equal(ns_open(proc_fd, 0x7ffffff0, "user", &e), -ENOENT);
}

/* kill -9 of the caller at any time must not leave the process that holds the namespace open. */
static void a_killed_caller_leaves_no_process(void **state)
{
	unsigned seed = (unsigned)getpid();

	(void)state;
	for (int i = 0; i < 100; i++) {
		pid_t pid = fork(), left;

		assert_true(pid >= 0);
		if (pid == 0)
			for (;;)
				(void)fd_close(userns_make(proc_fd, "0 100000 65536\n", "0 100000 65536\n", NULL));
		(void)usleep(1000 + (useconds_t)rand_r(&seed) % 2000);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		/* whatever it had forked dies by itself, shortly */
		for (int wait = 0; (left = waitpid(-1, NULL, WNOHANG)) >= 0 && wait < 500; wait++)
			(void)usleep(1000);
		if (left >= 0) {
			char name[64];
			_cleanup_free_ char *children = NULL;

			(void)snprintf(name, sizeof name, "self/task/%d/children", (int)getpid());
			if (io_read_at(proc_fd, name, 4096, &children, NULL) == 0 && *children)
				(void)kill((pid_t)strtol(children, NULL, 10), SIGKILL);
			(void)waitpid(-1, NULL, 0);
			fail_msg("round %d: process %s was left", i, children ? children : "?");
		}
	}
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(a_namespace_has_the_maps_and_no_process),
		cmocka_unit_test(a_map_that_the_kernel_refuses_is_an_error_and_leaves_nothing),
		cmocka_unit_test(every_map_of_a_shared_directory_is_one_that_the_kernel_takes),
		cmocka_unit_test(namespaces_are_opened_by_name),
		cmocka_unit_test(a_killed_caller_leaves_no_process),
	};

	if (geteuid() != 0) {
		print_message("skipped: only root can map other ids\n");
		return 77;
	}
	return cmocka_run_group_tests(rows, setup, teardown);
}
