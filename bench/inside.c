/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inside - prices of everyday system calls, as a process inside a container sees them.
 *
 *   inside [SCALE [TEST...]]
 *
 * Prints "TEST NANOSECONDS" per operation. SCALE multiplies the number of operations (default 1: about 100 ms in all).
 * Without TESTs, the first seven are run; one that fails prints nothing on stdout, its reason on stderr, and the exit status is 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"

#define DIR_NAME  "/tmp/caisson-bench-mnt"
#define SRC_NAME  "/tmp/caisson-bench-src"
#define FILE_NAME "/tmp/caisson-bench-file"

enum { BLOCK = 4096, BATCHES = 10, EVERYDAY = 7 };

static char block[BLOCK];

/* Every test does one operation and returns 0 or -errno. */

static int op_tmpfs(void)
{
	if (mount("tmpfs", DIR_NAME, "tmpfs", 0, NULL) < 0 || umount2(DIR_NAME, 0) < 0)
		return -errno;
	return 0;
}

static int op_bind(void)
{
	if (mount(SRC_NAME, DIR_NAME, NULL, MS_BIND, NULL) < 0 || umount2(DIR_NAME, 0) < 0)
		return -errno;
	return 0;
}

static int op_rbind(void)
{
	if (mount(SRC_NAME, DIR_NAME, NULL, MS_BIND | MS_REC, NULL) < 0 || umount2(DIR_NAME, MNT_DETACH) < 0)
		return -errno;
	return 0;
}

/* A mount that is there all the time is remounted, and made private. */
static int op_remount(void)
{
	static int made;

	if (!made && mount("tmpfs", SRC_NAME, "tmpfs", 0, NULL) < 0)
		return -errno;
	made = 1;
	if (mount(NULL, SRC_NAME, NULL, MS_REMOUNT | MS_BIND | MS_NOSUID, NULL) < 0 ||
	    mount(NULL, SRC_NAME, NULL, MS_PRIVATE, NULL) < 0)
		return -errno;
	return 0;
}

static int op_proc(void)
{
	if (mount("proc", DIR_NAME, "proc", 0, NULL) < 0 || umount2(DIR_NAME, 0) < 0)
		return -errno;
	return 0;
}

static int op_openat2(void)
{
	const struct open_how how = { .flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS };
	_cleanup_close_ int fd = (int)syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", &how, sizeof how);

	return fd >= 0 ? 0 : -errno;
}

static int read_file(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && read(fd, block, BLOCK) > 0 ? 0 : -errno;
}

/* The files of procfs that are emulated, by what carries them, and one that never is. */
static int op_swaps(void)
{
	return read_file("/proc/swaps");
}

static int op_meminfo(void)
{
	return read_file("/proc/meminfo");
}

static int op_sysctl(void)
{
	return read_file("/proc/sys/kernel/panic");
}

static int op_osrelease(void)
{
	return read_file("/proc/sys/kernel/osrelease");
}

static int op_uptime(void)
{
	return read_file("/proc/uptime");
}

static int op_read(void)
{
	_cleanup_close_ int fd = open(FILE_NAME, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && read(fd, block, BLOCK) == BLOCK ? 0 : -errno;
}

/* No O_TRUNC: ext4 flushes a file that was truncated and rewritten, and the figure would be the disk's. */
static int op_write(void)
{
	_cleanup_close_ int fd = open(FILE_NAME, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	return fd >= 0 && write(fd, block, BLOCK) == BLOCK ? 0 : -errno;
}

static int op_create(void)
{
	_cleanup_close_ int fd = open(FILE_NAME ".new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	return fd >= 0 && unlink(FILE_NAME ".new") == 0 ? 0 : -errno;
}

static int op_getpid(void)
{
	return syscall(SYS_getpid) > 0 ? 0 : -ECHILD;
}

static int op_forkexec(void)
{
	int st;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		(void)execl("/proc/self/exe", "inside", "--child", (char *)NULL);
		_exit(1);
	}
	if (waitpid(pid, &st, 0) != pid)
		return -errno;
	return st == 0 ? 0 : -ENOEXEC;
}

static const struct test {
	const char *name;
	unsigned ops;
	int (*op)(void);
} tests[] = {
	{ "tmpfs", 300, op_tmpfs },	 { "bind", 300, op_bind },	    { "write", 1500, op_write },
	{ "read", 5000, op_read },	 { "create", 1000, op_create },	    { "getpid", 200000, op_getpid },
	{ "forkexec", 60, op_forkexec }, { "rbind", 300, op_rbind },	    { "remount", 1000, op_remount },
	{ "proc", 200, op_proc },	 { "openat2", 3000, op_openat2 },   { "swaps", 3000, op_swaps },
	{ "meminfo", 3000, op_meminfo }, { "sysctl", 1000, op_sysctl },	    { "osrelease", 3000, op_osrelease },
	{ "uptime", 3000, op_uptime },	 { "meminfo-cold", 0, op_meminfo },
};

static double now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* One read after nobody has read for a while, the median of some: an emulated file is rendered anew then. */
static int cold_run(const struct test *t)
{
	double ns[15];

	for (size_t i = 0; i < ARRAY_SIZE(ns); i++) {
		const struct timespec while_ = { .tv_nsec = 60 * 1000000L };
		double begin;
		size_t at = i;
		int r;

		(void)nanosleep(&while_, NULL);
		begin = now_ns();
		r = t->op();
		begin = now_ns() - begin;
		if (r < 0) {
			(void)fprintf(stderr, "inside: %s: %s\n", t->name, strerror(-r));
			return r;
		}
		for (; at > 0 && ns[at - 1] > begin; at--)
			ns[at] = ns[at - 1];
		ns[at] = begin;
	}
	(void)printf("%s %.1f\n", t->name, ns[ARRAY_SIZE(ns) / 2]);
	return 0;
}

/* The quickest of BATCHES: what else the host did meanwhile is no cost of the call. The first batch is warm-up. */
static int test_run(const struct test *t, uint64_t scale)
{
	uint64_t n = t->ops * scale / BATCHES;
	double best = 0;
	int r = 0;

	if (t->ops == 0)
		return cold_run(t);
	for (int batch = 0; batch <= BATCHES && r == 0; batch++) {
		double begin = now_ns(), ns;

		for (uint64_t i = 0; i < n && r == 0; i++)
			r = t->op();
		ns = (now_ns() - begin) / (double)n;
		if (batch == 1 || (batch > 1 && ns < best))
			best = ns;
	}
	if (r < 0) {
		(void)fprintf(stderr, "inside: %s: %s\n", t->name, strerror(-r));
		return r;
	}
	(void)printf("%s %.1f\n", t->name, best);
	return 0;
}

static const struct test *test_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		if (strcmp(tests[i].name, name) == 0)
			return &tests[i];
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t scale = 1;
	int failed = 0;

	if (argc == 2 && strcmp(argv[1], "--child") == 0)
		return 0;
	if (argc > 1 && num_u64(argv[1], 1000, &scale) < 0) {
		(void)fprintf(stderr, "inside: '%s' is not a scale of 1 to 1000\n", argv[1]);
		return 2;
	}
	(void)mkdir(DIR_NAME, 0755);
	(void)mkdir(SRC_NAME, 0755);
	for (size_t i = 0; argc <= 2 && i < EVERYDAY; i++)
		failed |= test_run(&tests[i], scale) < 0;
	for (int i = 2; i < argc; i++) {
		const struct test *t = test_find(argv[i]);

		failed |= !t || test_run(t, scale) < 0;
	}
	(void)unlink(FILE_NAME);
	(void)umount2(SRC_NAME, MNT_DETACH); /* of op_remount() */
	(void)rmdir(SRC_NAME);
	(void)rmdir(DIR_NAME);
	return failed;
}
