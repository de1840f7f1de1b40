/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "notify/decode.h"
#include "notify/test-box.h"

#define CHAR(mode) ((mode_t)(S_IFCHR | (mode)))

static bool run(void (*fn)(void))
{
	return box_run(&BOX_DEFAULT, fn, NULL);
}

/* ---- devices ---------------------------------------------------------------------------------------------------- */

/* The box's /mnt is a tmpfs made inside: a node there cannot be opened. */
static bool works(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char c[2];
	bool ok = fd >= 0 && write(fd, "x", 1) == 1 && read(fd, c, 1) >= 0;

	if (fd >= 0)
		(void)close(fd);
	return ok;
}

static void without(void)
{
	BOX_ERRNO(mknod("null", CHAR(0666), makedev(1, 3)), EPERM);
	BOX_CHECK(mknod("white", CHAR(0), makedev(0, 0)) == 0);
	BOX_ERRNO(open("white", O_RDONLY | O_CLOEXEC), EACCES);
}

static void test_control(void **state)
{
	struct box_options o = BOX_DEFAULT;

	(void)state;
	o.no_filter = true;
	assert_true(box_run(&o, without, NULL));
}

static void nodes(void)
{
	static const struct {
		const char *name;
		unsigned major, minor;
	} good[] = { { "null", 1, 3 }, { "zero", 1, 5 }, { "random", 1, 8 }, { "urandom", 1, 9 } };
	struct stat st;

	(void)umask(022);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		BOX_CHECK(mknod(good[i].name, CHAR(0666), makedev(good[i].major, good[i].minor)) == 0);
		BOX_CHECK(stat(good[i].name, &st) == 0 && S_ISCHR(st.st_mode) && (st.st_mode & 07777) == 0644);
		BOX_CHECK(st.st_uid == 0 && st.st_gid == 0 && st.st_rdev == makedev(good[i].major, good[i].minor));
		BOX_CHECK(works(good[i].name));
		BOX_ERRNO(mknod(good[i].name, CHAR(0666), makedev(good[i].major, good[i].minor)), EEXIST);
	}
	BOX_CHECK(mknod("full", CHAR(0666), makedev(1, 7)) == 0);
	BOX_ERRNO(write(open("full", O_WRONLY | O_CLOEXEC), "x", 1), ENOSPC);
	BOX_CHECK(mknod("tty", CHAR(0666), makedev(5, 0)) == 0 &&
		  mknod("console", CHAR(0600), makedev(5, 1)) == 0);
	BOX_ERRNO(open("tty", O_RDWR | O_CLOEXEC), ENXIO);
	BOX_ERRNO(open("console", O_RDWR | O_NOCTTY | O_CLOEXEC), EACCES);
	/* others stay what they are */
	BOX_ERRNO(mknod("mem", CHAR(0666), makedev(1, 1)), EPERM);
	BOX_ERRNO(mknod("kmsg", CHAR(0666), makedev(1, 11)), EPERM);
	BOX_ERRNO(mknod("disk", S_IFBLK | 0666, makedev(1, 3)), EPERM);
	BOX_ERRNO(mknod("fuse", CHAR(0666), makedev(10, 229)), EPERM);
	BOX_ERRNO(mknod("tun", CHAR(0666), makedev(10, 200)), EPERM);
	BOX_CHECK(mknod("white", CHAR(0), makedev(0, 0)) == 0 && mknod("fifo", S_IFIFO | 0600, 0) == 0);
	BOX_CHECK(mknod("file", S_IFREG | 0600, makedev(1, 3)) == 0 && stat("file", &st) == 0 &&
		  S_ISREG(st.st_mode));
}

static void test_nodes(void **state)
{
	(void)state;
	assert_true(run(nodes));
}

static void by_policy(void)
{
	BOX_CHECK(mknod("fuse", CHAR(0666), makedev(10, 229)) == 0 && open("fuse", O_RDWR | O_CLOEXEC) >= 0);
	BOX_ERRNO(mknod("tun", CHAR(0666), makedev(10, 200)), EPERM);
}

static void test_policy(void **state)
{
	struct box_options o = BOX_DEFAULT;

	(void)state;
	o.devices = EMU_DEV_FUSE;
	assert_true(box_run(&o, by_policy, NULL));
}

static int null_at(int dirfd, const char *path)
{
	return mknodat(dirfd, path, CHAR(0666), makedev(1, 3));
}

static void node_paths(void)
{
	struct stat st;
	char name[300];
	int dir;

	BOX_CHECK(mkdir("d", 0755) == 0 && symlink("d", "link") == 0 && symlink("nowhere", "dangling") == 0);
	BOX_CHECK(close(creat("file", 0644)) == 0);
	dir = open("d", O_PATH | O_CLOEXEC);
	BOX_CHECK(null_at(dir, "a") == 0 && null_at(AT_FDCWD, "link/b") == 0 && null_at(dir, "../d//c") == 0);
	BOX_CHECK(null_at(AT_FDCWD, "/mnt/d/e") == 0 && null_at(99, "/mnt/d/f") == 0);
	BOX_CHECK(works("d/a") && works("d/b") && works("d/c") && works("d/e") && works("d/f"));
	BOX_CHECK(umask(0) != 0777 && mknod("d/g", CHAR(0640), makedev(1, 3)) == 0);
	BOX_CHECK(stat("d/g", &st) == 0 && (st.st_mode & 07777) == 0640);
	BOX_ERRNO(null_at(AT_FDCWD, "dangling"), EEXIST);
	BOX_ERRNO(null_at(AT_FDCWD, "d"), EEXIST);
	BOX_ERRNO(null_at(AT_FDCWD, "."), EEXIST);
	BOX_ERRNO(null_at(AT_FDCWD, "d/.."), EEXIST);
	BOX_ERRNO(null_at(AT_FDCWD, "/"), EEXIST);
	BOX_ERRNO(null_at(AT_FDCWD, "new/"), ENOENT);
	BOX_ERRNO(null_at(AT_FDCWD, "d/a/"), EEXIST);
	BOX_ERRNO(null_at(AT_FDCWD, ""), ENOENT);
	BOX_ERRNO(null_at(AT_FDCWD, "nowhere/x"), ENOENT);
	BOX_ERRNO(null_at(AT_FDCWD, "file/x"), ENOTDIR);
	BOX_ERRNO(null_at(open("file", O_RDONLY | O_CLOEXEC), "x"), ENOTDIR);
	BOX_ERRNO(null_at(99, "x"), EBADF);
	memset(name, 'x', sizeof name);
	name[sizeof name - 1] = '\0';
	BOX_ERRNO(null_at(AT_FDCWD, name), ENAMETOOLONG);
	BOX_CHECK(mount("proc", "d", "proc", 0, NULL) == 0);
	BOX_ERRNO(null_at(AT_FDCWD, "d/x"), ENOENT);
	BOX_CHECK(mkdir("ro", 0755) == 0 && mount("tmpfs", "ro", "tmpfs", MS_RDONLY, NULL) == 0);
	BOX_ERRNO(null_at(AT_FDCWD, "ro/x"), EROFS);
	/* where the mount says that there are no devices, none is made */
	BOX_CHECK(mount("tmpfs", "ro", "tmpfs", MS_NODEV, NULL) == 0);
	BOX_ERRNO(null_at(AT_FDCWD, "ro/x"), EPERM);
	BOX_CHECK(rmdir("link") < 0 && access("ro/x", F_OK) < 0);
}

static void test_paths(void **state)
{
	(void)state;
	assert_true(run(node_paths));
}

static void refused(void)
{
	BOX_ERRNO(null_at(AT_FDCWD, "d/x"), EPERM);
}

static void refused_nested(void)
{
	BOX_CHECK(mkdir("/mnt/nested", 0755) == 0);
	BOX_ERRNO(null_at(AT_FDCWD, "/mnt/nested/x"), EPERM);
}

static void as_user(void)
{
	struct stat st;

	BOX_CHECK(setgid(33) == 0 && setuid(33) == 0);
	BOX_ERRNO(null_at(AT_FDCWD, "x"), EACCES);
	refused();
	BOX_CHECK(stat("own", &st) == 0 && st.st_uid == 0);
}

static void without_right(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	BOX_CHECK(syscall(SYS_capget, &head, data) == 0);
	data[0].effective &= ~(1u << CAP_MKNOD);
	BOX_CHECK(syscall(SYS_capset, &head, data) == 0);
	refused();
}

static void only_mknod(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { .effective = 1u << CAP_MKNOD, .permitted = 1u << CAP_MKNOD } };
	struct stat st;

	/* Other ids for files, and no right to override. */
	(void)syscall(SYS_setfsgid, 44);
	(void)syscall(SYS_setfsuid, 33);
	BOX_CHECK(syscall(SYS_capset, &head, data) == 0);
	BOX_ERRNO(null_at(AT_FDCWD, "/mnt/x"), EACCES);
	BOX_CHECK(null_at(AT_FDCWD, "d/x") == 0 && works("d/x"));
	BOX_CHECK(stat("d/x", &st) == 0 && st.st_uid == 33 && st.st_gid == 44);
}

static void who_may(void)
{
	BOX_CHECK(null_at(AT_FDCWD, "own") == 0 && mkdir("d", 0755) == 0 && chown("d", 33, 33) == 0);
	BOX_CHECK(box_child(0, false, as_user) && box_child(0, false, without_right));
	/* a user namespace made inside gives no devices */
	BOX_CHECK(box_child(CLONE_NEWUSER | CLONE_NEWNS, true, refused_nested));
	BOX_CHECK(box_child(CLONE_NEWNS, false, only_mknod));
}

static void test_who_may(void **state)
{
	(void)state;
	assert_true(run(who_may));
}

/* ---- sysinfo(2) ------------------------------------------------------------------------------------------------- */

static void view(void)
{
	struct sysinfo s;

	memset(&s, 0xff, sizeof s);
	BOX_CHECK(sysinfo(&s) == 0 && s.mem_unit == 1 && s.totalram > 1 << 20 && s.freeram <= s.totalram);
	BOX_CHECK(s.uptime >= BOX_UPTIME && s.uptime < BOX_UPTIME + 60 && s.procs >= 1);
	BOX_ERRNO(syscall(SYS_sysinfo, NULL), EFAULT);
	BOX_ERRNO(syscall(SYS_sysinfo, 8), EFAULT);
	BOX_ERRNO(syscall(SYS_sysinfo, mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)), EFAULT);
}

static void test_sysinfo(void **state)
{
	struct box_options o = BOX_DEFAULT;

	(void)state;
	o.view = true;
	assert_true(box_run(&o, view, NULL));
}

/* ---- the other ABI ---------------------------------------------------------------------------------------------- */

/* A call by int 0x80: numbers and registers of i386, addresses below 4 GiB. */
static long i386(long nr, long a, long b, long c, long d, long e)
{
	long r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory", "r8", "r9", "r10", "r11");
	if (r < 0 && r > -4096) {
		errno = (int)-r;
		return -1;
	}
	return r;
}

static char *low; /* a page for strings */

static long text(const char *s)
{
	size_t len = strlen(s) + 1;
	char *at = low;

	memcpy(at, s, len);
	low += len;
	return (long)(uintptr_t)at;
}

static void narrow(void)
{
	struct notify_sysinfo32 *s;
	struct stat st;

	low = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	BOX_CHECK(low != MAP_FAILED && mkdir("p", 0755) == 0 && mkdir("q", 0755) == 0);
	s = (void *)low;
	low += sizeof *s;
	BOX_CHECK(i386(20, 0, 0, 0, 0, 0) == getpid());
	BOX_CHECK(i386(21, text("none"), text("p"), text("proc"), 0, 0) == 0);
	BOX_CHECK(stat("p/self", &st) == 0 && access("p/meminfo", F_OK) == 0 &&
		  umount2("p/meminfo", MNT_DETACH) < 0);
	BOX_CHECK(i386(21, text("p"), text("q"), 0, MS_BIND, 0) == 0 && access("q/self", F_OK) == 0);
	BOX_CHECK(i386(52, text("q"), 0, 0, 0, 0) == 0 && access("q/self", F_OK) < 0);
	BOX_CHECK(i386(22, text("p"), 0, 0, 0, 0) == 0 && access("p/self", F_OK) < 0);
	BOX_ERRNO(i386(22, text("p"), 0, 0, 0, 0), EINVAL);
	BOX_ERRNO(i386(430, text("proc"), 0, 0, 0, 0), ENOSYS);
	BOX_CHECK(i386(14, text("a"), CHAR(0600), 0x103, 0, 0) == 0 && works("a"));
	BOX_CHECK(i386(297, AT_FDCWD, text("b"), CHAR(0600), 0x103, 0) == 0 && works("b"));
	BOX_ERRNO(i386(14, text("c"), CHAR(0600), 0x101, 0, 0), EPERM);
	BOX_CHECK(i386(116, (long)(uintptr_t)s, 0, 0, 0, 0) == 0 && s->totalram > 0 && s->mem_unit >= 1);
	BOX_ERRNO(i386(116, 8, 0, 0, 0, 0), EFAULT);
}

static void test_i386(void **state)
{
	struct box_options o = BOX_DEFAULT;

	(void)state;
	o.view = true;
	assert_true(box_run(&o, narrow, NULL));
}

static void x32(void)
{
	BOX_ERRNO(syscall(0x40000000 | 165, "none", "p", "proc", 0, NULL), ENOSYS);
	BOX_ERRNO(syscall(0x40000000 | 39), ENOSYS);
}

static void test_x32(void **state)
{
	(void)state;
	assert_true(run(x32));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_control), cmocka_unit_test(test_nodes),	cmocka_unit_test(test_policy),
		cmocka_unit_test(test_paths),	cmocka_unit_test(test_who_may), cmocka_unit_test(test_sysinfo),
		cmocka_unit_test(test_i386),	cmocka_unit_test(test_x32),
	};

	if (!box_open()) {
		(void)fprintf(stderr, "not root, or not a kernel for this\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
