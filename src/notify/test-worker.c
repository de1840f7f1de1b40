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
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "notify/test-box.h"
#include "sys/missing.h"

static bool run(void (*fn)(void))
{
	return box_run(&BOX_DEFAULT, fn, NULL);
}

static bool is_emulated(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof text - 1);

	(void)close(fd);
	return n > 0 && strcmp(text, "emulated\n") == 0;
}

/* ---- new file systems ------------------------------------------------------------------------------------------- */

static void kernel_alone(void)
{
	BOX_CHECK(mkdir("p", 0755) == 0);
	BOX_ERRNO(mount("proc", "p", "proc", 0, NULL), EPERM);
	BOX_ERRNO(mount("sysfs", "p", "sysfs", 0, NULL), EPERM);
}

static void test_control(void **state)
{
	struct box_options o = BOX_DEFAULT;

	(void)state;
	o.no_filter = true;
	assert_true(box_run(&o, kernel_alone, NULL));
}

static void mount_proc(void)
{
	struct statvfs st;
	char link[16] = "";

	BOX_CHECK(mkdir("p", 0755) == 0 && mkdir("q", 0755) == 0);
	BOX_CHECK(mount("none", "p", "proc", 0, NULL) == 0);
	BOX_CHECK(readlink("p/self", link, sizeof link - 1) == 1 && strcmp(link, "1") == 0);
	BOX_CHECK(is_emulated("p/swaps") && is_emulated("p/meminfo") && is_emulated("p/sys/kernel/panic"));
	/* what is locked stays */
	BOX_ERRNO(umount2("p/meminfo", MNT_DETACH), EINVAL);
	BOX_ERRNO(mount("p/meminfo", "q", NULL, MS_MOVE, NULL), EINVAL);
	BOX_CHECK(is_emulated("p/meminfo"));
	/* what the caller asked for, it may take back */
	BOX_CHECK(mount("proc", "q", "proc", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME, NULL) ==
		  0);
	BOX_CHECK(statvfs("q", &st) == 0 && (st.f_flag & ST_RDONLY) && (st.f_flag & ST_NOSUID) &&
		  (st.f_flag & ST_NODEV) && (st.f_flag & ST_NOEXEC) && (st.f_flag & ST_NOATIME));
	BOX_CHECK(mount(NULL, "q", NULL, MS_REMOUNT | MS_BIND | MS_NOATIME, NULL) == 0);
	BOX_CHECK(statvfs("q", &st) == 0 && !(st.f_flag & ST_NOSUID));
	/* the way of old programs */
	BOX_CHECK(mkdir("r", 0755) == 0 && mount("proc", "r", "proc", 0xc0ed0000u | MS_NOSUID, NULL) == 0);
	BOX_CHECK(statvfs("r", &st) == 0 && (st.f_flag & ST_NOSUID) && is_emulated("r/meminfo"));
}

static void test_proc(void **state)
{
	(void)state;
	assert_true(run(mount_proc));
}

static void mount_options(void)
{
	char text[65536] = "";
	int fd;

	BOX_CHECK(mkdir("p", 0755) == 0);
	BOX_ERRNO(mount("proc", "p", "proc", 0, "nonsense"), EINVAL);
	BOX_ERRNO(mount("proc", "p", "proc", 0, "hidepid=nonsense"), EINVAL);
	BOX_CHECK(mount("source", "p", "proc", 0, ",hidepid=2,,gid=5") == 0);
	fd = open("p/self/mounts", O_RDONLY | O_CLOEXEC);
	for (size_t n = 0, more = 1; more > 0; n += more)
		more = (size_t)read(fd, text + n, sizeof text - 1 - n);
	BOX_CHECK(strstr(text, "source /mnt/p proc"));
	BOX_CHECK(strstr(text, "hidepid=invisible") && strstr(text, "gid=1500005"));
	BOX_CHECK(mount("proc", "p", "proc", 0, "subset=pid") == 0 && access("p/meminfo", F_OK) < 0);
}

static void test_options(void **state)
{
	(void)state;
	assert_true(run(mount_options));
}

static void mount_sys(void)
{
	struct stat a, b;

	BOX_CHECK(mkdir("s", 0755) == 0 && mount("sysfs", "s", "sysfs", 0, NULL) == 0);
	BOX_CHECK(is_emulated("s/devices/system/cpu/online"));
	BOX_CHECK(stat("s/class/net/lo", &a) == 0 && stat("s", &a) == 0 && stat("/sys", &b) == 0 &&
		  a.st_dev != b.st_dev);
	BOX_ERRNO(mount("sysfs", "s", "sysfs", 0, NULL), EBUSY);
	BOX_CHECK(umount("s") == 0 && access("s/class", F_OK) < 0);
}

static void test_sysfs(void **state)
{
	(void)state;
	assert_true(run(mount_sys));
}

static void mount_errors(void)
{
	char path[PATH_MAX + 32];

	BOX_CHECK(mkdir("p", 0755) == 0 && close(creat("file", 0644)) == 0 && symlink("loop", "loop") == 0);
	BOX_ERRNO(mount("proc", "file", "proc", 0, NULL), ENOTDIR);
	BOX_ERRNO(mount("proc", "file/x", "proc", 0, NULL), ENOTDIR);
	BOX_ERRNO(mount("proc", "nowhere", "proc", 0, NULL), ENOENT);
	BOX_ERRNO(mount("proc", "", "proc", 0, NULL), ENOENT);
	BOX_ERRNO(mount("proc", "loop", "proc", 0, NULL), ELOOP);
	memset(path, 'x', sizeof path);
	path[sizeof path - 1] = '\0';
	BOX_ERRNO(mount("proc", path, "proc", 0, NULL), ENAMETOOLONG);
	BOX_ERRNO(mount("proc", "p", "nonsense", 0, NULL), ENODEV);
	BOX_ERRNO(mount("proc", "p", "proc.x", 0, NULL), ENODEV);
	BOX_CHECK(rmdir("p") == 0);
}

static void test_errors(void **state)
{
	(void)state;
	assert_true(run(mount_errors));
}

static void masks(void)
{
	struct stat st;

	BOX_CHECK(mkdir("p", 0755) == 0 && mount("proc", "p", "proc", 0, NULL) == 0);
	BOX_CHECK(stat("p/cmdline", &st) == 0 && S_ISCHR(st.st_mode));
	BOX_ERRNO(open("p/sys/net/ipv4/ip_forward", O_WRONLY | O_CLOEXEC), EROFS);
	BOX_ERRNO(mount(NULL, "p/sys", NULL, MS_REMOUNT | MS_BIND, NULL), EPERM);
}

static void test_masks(void **state)
{
	struct box_options o = BOX_DEFAULT;

	(void)state;
	o.masked = "proc/cmdline";
	o.read_only = "proc/sys";
	assert_true(box_run(&o, masks, NULL));
}

/* ---- who may ---------------------------------------------------------------------------------------------------- */

static void refused(void)
{
	BOX_ERRNO(mount("proc", "/mnt/p", "proc", 0, NULL), EPERM);
	BOX_ERRNO(mount("sysfs", "/mnt/p", "sysfs", 0, NULL), EPERM);
}

static void refused_all(void)
{
	refused();
	BOX_ERRNO(fsopen("proc", 0), EPERM);
}

static void as_user(void)
{
	BOX_CHECK(setgid(33) == 0 && setuid(33) == 0);
	refused_all();
}

static void without_right(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	BOX_CHECK(syscall(SYS_capget, &head, data) == 0);
	data[0].effective &= ~(1u << CAP_SYS_ADMIN);
	BOX_CHECK(syscall(SYS_capset, &head, data) == 0);
	refused_all();
}

static void allowed(void)
{
	BOX_CHECK(mount("proc", "/mnt/p", "proc", 0, NULL) == 0 && is_emulated("/mnt/p/meminfo"));
	BOX_ERRNO(umount2("/mnt/p/meminfo", MNT_DETACH), EINVAL);
}

static void as_user_nested(void)
{
	BOX_CHECK(setgid(33) == 0 && setuid(33) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
	BOX_CHECK(box_child(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID, true, allowed));
	/* the kernel's own conditions: rights over the mount namespace, and over what the file system shows */
	BOX_CHECK(box_child(CLONE_NEWUSER, true, refused_all));
	BOX_CHECK(box_child(CLONE_NEWUSER | CLONE_NEWNS, true, refused));
}

static void refused_sysfs(void)
{
	BOX_ERRNO(mount("sysfs", "/mnt/p", "sysfs", 0, NULL), EPERM);
}

static void allowed_sysfs(void)
{
	BOX_CHECK(mount("sysfs", "/mnt/p", "sysfs", 0, NULL) == 0);
}

static void who_may(void)
{
	BOX_CHECK(mkdir("p", 0755) == 0);
	BOX_CHECK(box_child(0, false, as_user));
	BOX_CHECK(box_child(0, false, without_right));
	BOX_CHECK(box_child(CLONE_NEWNS, false, allowed));
	BOX_CHECK(box_child(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID, true, allowed));
	BOX_CHECK(box_child(CLONE_NEWUSER | CLONE_NEWNS, true, refused_sysfs));
	BOX_CHECK(box_child(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET, true, allowed_sysfs));
	BOX_CHECK(box_child(0, false, as_user_nested));
}

static void test_who_may(void **state)
{
	(void)state;
	assert_true(run(who_may));
}

static void only_read_only(void)
{
	/* all that can be seen of sysfs is read-only: so is what is new */
	BOX_CHECK(mkdir("p", 0755) == 0 && mkdir("old", 0755) == 0);
	BOX_CHECK(mount(NULL, "/sys", NULL,
			MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME,
			NULL) == 0);
	BOX_ERRNO(mount("sysfs", "p", "sysfs", 0, NULL), EPERM);
	BOX_CHECK(mount("sysfs", "p", "sysfs", MS_RDONLY, NULL) == 0);
}

static void test_read_only(void **state)
{
	(void)state;
	assert_true(run(only_read_only));
}

static void mount_sysfs_refused(void)
{
	BOX_ERRNO(mount("sysfs", "/mnt/p", "sysfs", 0, NULL), EPERM);
}

static void hidden(void)
{
	/* what was read-only is so behind another mount as well */
	only_read_only();
	BOX_CHECK(umount2("p", MNT_DETACH) == 0 && mount("tmpfs", "/sys", "tmpfs", 0, NULL) == 0);
	mount_sysfs_refused();
	/* a mask that an engine inside put there is locked for whom it confines, and for nobody else */
	BOX_CHECK(mount("/dev/null", "/proc/version", NULL, MS_BIND, NULL) == 0);
	BOX_CHECK(mount("proc", "p", "proc", 0, NULL) == 0 && umount("p") == 0);
	BOX_CHECK(box_child(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID, true, refused));
	BOX_CHECK(umount("/proc/version") == 0);
	BOX_CHECK(box_child(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID, true, allowed));
	/* so is a part that was made read-only; what lies on the kernel's own mount points hides nothing */
	BOX_CHECK(mount("tmpfs", "/proc/sys/fs/binfmt_misc", "tmpfs", 0, NULL) == 0);
	BOX_CHECK(box_child(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID, true, allowed));
	BOX_CHECK(mount("/proc/fs", "/proc/fs", NULL, MS_BIND | MS_REC, NULL) == 0);
	BOX_CHECK(box_child(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID, true, refused));
}

static void test_hidden(void **state)
{
	(void)state;
	assert_true(run(hidden));
}

static void below_chroot(void)
{
	BOX_CHECK(mkdir("new", 0755) == 0 && mkdir("new/proc", 0755) == 0 && chroot("new") == 0 &&
		  chdir("/") == 0);
	BOX_CHECK(mount("proc", "/proc", "proc", 0, NULL) == 0 && is_emulated("/proc/meminfo"));
}

/* The procfs that allows for a new one need not be in sight. */
static void test_chroot(void **state)
{
	(void)state;
	assert_true(run(below_chroot));
}

static bool is_read_only(const char *path)
{
	struct statvfs st;

	return statvfs(path, &st) == 0 && (st.f_flag & ST_RDONLY);
}

static void part_read_only(void)
{
	BOX_CHECK(mkdir("p", 0755) == 0 && mount("proc", "p", "proc", 0, NULL) == 0);
	BOX_CHECK(mount("p/sys", "p/sys", NULL, MS_BIND | MS_REC, NULL) == 0);
	BOX_CHECK(is_emulated("p/sys/kernel/panic") && !is_read_only("p/sys/kernel/panic"));
	BOX_CHECK(mount(NULL, "p/sys", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0);
	BOX_CHECK(is_read_only("p/sys") && is_read_only("p/sys/kernel/panic") &&
		  is_read_only("p/sys/vm/swappiness"));
	BOX_CHECK(!is_read_only("p") && !is_read_only("p/meminfo"));
	/* all other remounts are the kernel's */
	BOX_ERRNO(mount(NULL, "p/fs", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), EINVAL);
	BOX_ERRNO(mount(NULL, "nowhere", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), ENOENT);
	BOX_CHECK(mkdir("t", 0755) == 0 && mount("tmpfs", "t", "tmpfs", 0, NULL) == 0);
	BOX_CHECK(mount(NULL, "t", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0 && is_read_only("t"));
}

static void test_part_read_only(void **state)
{
	(void)state;
	assert_true(run(part_read_only));
}

/* ---- umount ----------------------------------------------------------------------------------------------------- */

static void unmount(void)
{
	int fd;

	BOX_CHECK(mkdir("p", 0755) == 0 && mount("proc", "p", "proc", 0, NULL) == 0);
	BOX_CHECK(umount("p") == 0 && access("p/self", F_OK) < 0);
	BOX_ERRNO(umount("p"), EINVAL);
	BOX_ERRNO(umount("nowhere"), ENOENT);
	BOX_ERRNO(umount2("p", 64), EINVAL);
	/* the container's own */
	BOX_CHECK(umount("/proc") < 0 && (errno == EBUSY || errno == EINVAL));
	BOX_ERRNO(umount("/proc/swaps"), EINVAL);
	BOX_ERRNO(umount("/proc/swaps"), EINVAL);
	/* something foreign below */
	BOX_CHECK(mount("proc", "p", "proc", 0, NULL) == 0 && mount("tmpfs", "p/fs", "tmpfs", 0, NULL) == 0);
	BOX_ERRNO(umount("p"), EBUSY);
	BOX_CHECK(umount("p/fs") == 0);
	/* by a descriptor, as runc does: its own, of a directory that is not covered by links */
	fd = open("p", O_PATH | O_CLOEXEC);
	BOX_CHECK(fd >= 0 && umount("p") == 0);
	/* other file systems */
	BOX_CHECK(mount("tmpfs", "p", "tmpfs", 0, NULL) == 0);
	fd = open("p", O_PATH | O_CLOEXEC);
	BOX_ERRNO(umount("p"), EBUSY);
	BOX_CHECK(close(fd) == 0 && umount("p") == 0);
	/* a cover that was bound elsewhere is an ordinary mount */
	BOX_CHECK(mount("proc", "p", "proc", 0, NULL) == 0 && close(creat("file", 0644)) == 0);
	BOX_CHECK(mount("p/meminfo", "file", NULL, MS_BIND, NULL) == 0 && is_emulated("file"));
	BOX_CHECK(umount("file") == 0 && !is_emulated("file"));
	/* over the container's own */
	BOX_CHECK(mount("proc", "/proc", "proc", 0, NULL) == 0 && is_emulated("/proc/meminfo"));
	BOX_CHECK(umount("/proc") == 0 && !is_emulated("/proc/meminfo"));
}

static void test_umount(void **state)
{
	(void)state;
	assert_true(run(unmount));
}

static void cover_once(void)
{
	BOX_CHECK(mkdir("p", 0755) == 0 && mount("proc", "p", "proc", 0, NULL) == 0);
	BOX_CHECK(umount("p/meminfo") == 0 && is_emulated("p/meminfo"));
	BOX_ERRNO(umount("p/meminfo"), EINVAL);
	BOX_CHECK(umount("p/sys/kernel/panic") == 0);
	BOX_CHECK(box_child(0, false, as_user)); /* "p" is another's */
	BOX_CHECK(umount("p") == 0);
}

static void user_umount(void)
{
	BOX_CHECK(mkdir("p", 0755) == 0 && mount("proc", "p", "proc", 0, NULL) == 0);
	BOX_CHECK(setgid(33) == 0 && setuid(33) == 0);
	BOX_ERRNO(umount("p"), EPERM);
	BOX_ERRNO(umount("p/meminfo"), EPERM);
}

static void test_covers(void **state)
{
	(void)state;
	assert_true(run(cover_once));
	assert_true(run(user_umount));
}

/* ---- binds ------------------------------------------------------------------------------------------------------ */

static void binds(void)
{
	int fd;

	BOX_CHECK(mkdir("b", 0755) == 0 && mkdir("c", 0755) == 0 && close(creat("file", 0644)) == 0);
	BOX_CHECK(mount("proc", "/proc", "proc", 0, NULL) == 0);
	BOX_CHECK(mount("/proc", "b", NULL, MS_BIND, NULL) == 0 && is_emulated("b/meminfo"));
	BOX_ERRNO(umount2("b/meminfo", MNT_DETACH), EINVAL);
	BOX_CHECK(umount("b") == 0);
	BOX_CHECK(mount("/proc/sys/kernel", "b", NULL, MS_BIND, NULL) == 0 && is_emulated("b/panic"));
	BOX_CHECK(umount("b") == 0);
	BOX_ERRNO(mount("/proc", "file", NULL, MS_BIND, NULL), ENOTDIR);
	BOX_ERRNO(mount("/proc", "nowhere", NULL, MS_BIND, NULL), ENOENT);
	BOX_ERRNO(mount("", "b", NULL, MS_BIND, NULL), EINVAL);
	BOX_ERRNO(mount("/proc/nowhere", "b", NULL, MS_BIND, NULL), ENOENT);
	/* what runc and dockerd bind: links of procfs */
	BOX_CHECK(mount("/proc/self/cwd", "c", NULL, MS_BIND, NULL) == 0 && umount("c") == 0);
	BOX_CHECK(mount("/proc/self/ns/net", "file", NULL, MS_BIND, NULL) == 0 && umount("file") == 0);
	/* descriptors by name, ours and not the worker's */
	fd = open("/proc", O_PATH | O_CLOEXEC);
	BOX_CHECK(dup2(fd, 77) == 77 && dup2(open("c", O_PATH | O_CLOEXEC), 78) == 78);
	BOX_CHECK(mount("/proc/self/fd/77", "/proc/thread-self/fd/78", NULL, MS_BIND, NULL) == 0 &&
		  is_emulated("c/meminfo"));
	BOX_CHECK(close(77) == 0 && close(78) == 0 && close(fd) == 0 && umount("c") == 0);
	BOX_CHECK(mount("proc", "/proc/self/fd/../fd/../../../mnt/c", "proc", 0, NULL) < 0);
	/* what else is mounted below is not bound, and not in the way */
	BOX_CHECK(mount("tmpfs", "/proc/fs", "tmpfs", 0, NULL) == 0 && mkdir("/proc/fs/x", 0755) == 0);
	BOX_CHECK(mount("/proc", "c", NULL, MS_BIND, NULL) == 0 && is_emulated("c/meminfo"));
	BOX_CHECK(access("c/fs", F_OK) == 0 && access("c/fs/x", F_OK) < 0 && access("/proc/fs/x", F_OK) == 0);
	BOX_CHECK(umount("c") == 0 && umount("/proc/fs") == 0);
	/* relative, with links and dots */
	BOX_CHECK(chdir("/mnt/b") == 0 && symlink("../../proc", "/mnt/link") == 0);
	BOX_CHECK(mount("../link/sys", "../c", NULL, MS_BIND, NULL) == 0 && is_emulated("../c/kernel/panic"));
	BOX_CHECK(umount("../c") == 0);
	/* other binds */
	BOX_CHECK(mount("/usr", "/mnt/c", NULL, MS_BIND, NULL) == 0 && access("/mnt/c/bin", F_OK) == 0 &&
		  umount("/mnt/c") == 0);
}

/* The box's first procfs has a cover that no carrier of ours made, as the runtime's masks are. */
static void bind_first(void)
{
	BOX_CHECK(mkdir("b", 0755) == 0 && mount("/proc", "b", NULL, MS_BIND, NULL) == 0 &&
		  access("b/self", F_OK) == 0);
	BOX_ERRNO(umount2("b/swaps", MNT_DETACH), EINVAL);
	BOX_CHECK(umount("b") == 0 && access("b/self", F_OK) < 0);
	/* of the caller's own: busy as ever */
	BOX_CHECK(mount("/proc", "b", NULL, MS_BIND, NULL) == 0 && mount("tmpfs", "b/fs", "tmpfs", 0, NULL) == 0);
	BOX_ERRNO(umount("b"), EBUSY);
	BOX_CHECK(umount("b/fs") == 0 && umount("b") == 0);
}

static void test_binds(void **state)
{
	(void)state;
	assert_true(run(binds));
	assert_true(run(bind_first));
}

/* ---- new interface ---------------------------------------------------------------------------------------------- */

static void new_interface(void)
{
	int fs, mnt;

	/* as if there were none: programs have another way */
	BOX_ERRNO(fsopen("proc", FSOPEN_CLOEXEC), ENOSYS);
	BOX_ERRNO(fsopen("sysfs", 0), ENOSYS);
	BOX_ERRNO(fsopen("proc", 77), EINVAL);
	BOX_ERRNO(fsopen(NULL, 0), EFAULT);
	BOX_ERRNO(fsopen("nonsense", 0), ENODEV);
	fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	BOX_CHECK(fs >= 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0);
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	BOX_CHECK(mnt >= 0 && mkdirat(mnt, "x", 0755) == 0 && mkdir("p", 0755) == 0);
	BOX_CHECK(move_mount(mnt, "", AT_FDCWD, "p", MOVE_MOUNT_F_EMPTY_PATH) == 0 && access("p/x", F_OK) == 0);
	BOX_CHECK(mount("proc", "p", "proc", 0, NULL) == 0 && chdir("p") == 0);
	BOX_ERRNO(open_tree(AT_FDCWD, "/mnt/p", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), ENOSYS);
	BOX_ERRNO(open_tree(AT_FDCWD, "", OPEN_TREE_CLONE | AT_EMPTY_PATH), ENOSYS);
	BOX_ERRNO(open_tree(open("/mnt", O_PATH | O_CLOEXEC), "p/sys", OPEN_TREE_CLONE), ENOSYS);
	BOX_ERRNO(open_tree(open("sys", O_PATH | O_CLOEXEC), "", OPEN_TREE_CLONE | AT_EMPTY_PATH), ENOSYS);
	BOX_ERRNO(open_tree(AT_FDCWD, "", OPEN_TREE_CLONE), ENOENT);
	BOX_ERRNO(open_tree(AT_FDCWD, "nowhere", OPEN_TREE_CLONE), ENOENT);
	BOX_ERRNO(open_tree(99, "x", OPEN_TREE_CLONE), EBADF);
	BOX_ERRNO(open_tree(AT_FDCWD, "sys", OPEN_TREE_CLONE | 0x4000), EINVAL);
	BOX_CHECK(open_tree(AT_FDCWD, "self", OPEN_TREE_CLONE) >= 0 &&
		  open_tree(AT_FDCWD, "tty", OPEN_TREE_CLONE) >= 0);
	BOX_CHECK(open_tree(AT_FDCWD, "/mnt/p", OPEN_TREE_CLONE | AT_RECURSIVE) >= 0);
}

static void test_new_interface(void **state)
{
	(void)state;
	assert_true(run(new_interface));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_control),	       cmocka_unit_test(test_proc),
		cmocka_unit_test(test_options),	       cmocka_unit_test(test_sysfs),
		cmocka_unit_test(test_errors),	       cmocka_unit_test(test_masks),
		cmocka_unit_test(test_who_may),	       cmocka_unit_test(test_read_only),
		cmocka_unit_test(test_hidden),	       cmocka_unit_test(test_chroot),
		cmocka_unit_test(test_part_read_only), cmocka_unit_test(test_umount),
		cmocka_unit_test(test_covers),	       cmocka_unit_test(test_binds),
		cmocka_unit_test(test_new_interface),
	};

	if (!box_open()) {
		(void)fprintf(stderr, "not root, or not a kernel for this\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
