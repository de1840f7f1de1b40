/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYS_TEST_DIR_H
#define SYS_TEST_DIR_H

/* What the tests that need root share: a private mount namespace, a directory in it, checks in children. */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

/* A check in a forked child, where cmocka's own would jump into the parent's frames. */
#define CHILD_CHECK(cond)                                                                                       \
	do {                                                                                                    \
		if (!(cond)) {                                                                                  \
			dprintf(2, "%s:%d: in a child: %s (%s)\n", __FILE__, __LINE__, #cond, strerror(errno)); \
			_exit(1);                                                                               \
		}                                                                                               \
	} while (0)

/* test_slow() - by how much limits in time are to be longer on this machine: CAISSON_TEST_SLOW, or 1. */
static inline unsigned test_slow(void)
{
	const char *slow = getenv("CAISSON_TEST_SLOW");
	unsigned n = slow ? (unsigned)atoi(slow) % 100 : 1;

	return n > 0 ? n : 1;
}

/* The exit status of @pid, or -1 when a signal ended it. */
static inline int test_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int test_dir_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	(void)remove(path);
	return 0;
}

/*
 * test_dir_make() - an empty directory of mode 0755 at @path (template as for mkdtemp(3)). @mount: a tmpfs of its own, in a
 * mount namespace that ends with this process. Return: 0 or -1.
 */
static inline int test_dir_make(char *path, bool mount_it)
{
	if (!mkdtemp(path) || chmod(path, 0755) < 0)
		return -1;
	if (!mount_it)
		return 0;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	return mount("caisson-test", path, "tmpfs", 0, "mode=755");
}

static inline void test_dir_drop(const char *path)
{
	while (umount2(path, MNT_DETACH) == 0)
		;
	(void)nftw(path, test_dir_remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* A file with this content below @dir. Return: 0 or -errno. */
static inline int test_put(int dir, const char *name, const char *text)
{
	_cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	return fd < 0 ? -errno : io_write_all(fd, text, strlen(text));
}

#endif
