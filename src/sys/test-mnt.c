/* SPDX-License-Identifier: Apache-2.0 */
/* Detached mounts, in a mount namespace of its own. Needs root. */
#include <errno.h>
#include <linux/magic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include <cmocka.h>

#include "codec/mountinfo.h"
#include "sys/missing.h"
#include "sys/mnt.h"
#include "sys/path.h"
#include "sys/test-dir.h"
#include "sys/userns.h"

static char top[] = "/tmp/caisson-test-XXXXXX";
static int top_fd = -EBADF, proc_fd = -EBADF;
static struct err err;

static int setup(void **state)
{
	(void)state;
	if (test_dir_make(top, true) < 0)
		return -1;
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return top_fd < 0 || proc_fd < 0 || mkdirat(top_fd, "at", 0755) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)fd_close(top_fd);
	(void)fd_close(proc_fd);
	test_dir_drop(top);
	return access(top, F_OK) == 0 ? -1 : 0;
}

/* A new detached tmpfs with one option. */
static int tmpfs(const char *key, const char *value, unsigned attr)
{
	_cleanup_close_ int fs = mnt_fs_open("tmpfs", &err);
	int mnt;

	assert_true(fs >= 0);
	assert_true(fcntl(fs, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(mnt_fs_set(fs, key, value, &err), 0);
	mnt = mnt_fs_create(fs, attr, &err);
	if (mnt < 0)
		fail_msg("%s", err.msg);
	assert_true(fcntl(mnt, F_GETFD) & FD_CLOEXEC);
	return mnt;
}

static unsigned long flags_of(int fd)
{
	struct statvfs st;

	assert_int_equal(fstatvfs(fd, &st), 0);
	return st.f_flag;
}

static bool is_on_tmpfs_of(int dir, const char *name, int mnt)
{
	struct stat a, b;

	return fstatat(dir, name, &a, 0) == 0 && fstat(mnt, &b) == 0 && a.st_dev == b.st_dev;
}

static void detach(const char *name)
{
	char path[64];

	(void)snprintf(path, sizeof path, "%s/%s", top, name);
	assert_int_equal(umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW), 0);
}

static void a_new_file_system_has_its_options_and_attributes(void **state)
{
	_cleanup_close_ int mnt = tmpfs("size", "64k", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	struct statfs sfs;

	(void)state;
	assert_int_equal(fstatfs(mnt, &sfs), 0);
	assert_true(sfs.f_type == TMPFS_MAGIC && sfs.f_blocks * (uint64_t)sfs.f_bsize == 65536);
	assert_int_equal(flags_of(mnt) & (ST_NOSUID | ST_NODEV | ST_NOEXEC | ST_RDONLY),
			 ST_NOSUID | ST_NODEV | ST_NOEXEC);
	/* detached: nobody sees it yet, and it goes with its fd */
	assert_false(is_on_tmpfs_of(top_fd, "at", mnt));
}

static void refusals_come_with_the_kernels_own_words(void **state)
{
	_cleanup_close_ int fs = mnt_fs_open("tmpfs", &err), overlay = mnt_fs_open("overlay", &err);

	(void)state;
	assert_int_equal(mnt_fs_open("nonsensefs", &err), -ENODEV);
	assert_string_equal(err.msg, "file system type nonsensefs is not known to this kernel");
	assert_int_equal(mnt_fs_set(fs, "nonsense", "1", &err), -EINVAL);
	assert_non_null(strstr(err.msg, "file system option nonsense (kernel: "));
	assert_non_null(strstr(err.msg, "nonsense'"));
	assert_null(strchr(err.msg, '\n'));
	assert_int_equal(mnt_fs_set(fs, "size", "bogus", &err), -EINVAL);
	assert_non_null(strstr(err.msg, "file system option size"));
	assert_int_equal(mnt_fs_set(fs, "nonsense", NULL, &err), -EINVAL);
	assert_int_equal(mnt_fs_set_fd(fs, "size", top_fd, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "file system option (by fd) size"));
	/* nothing to say: the errno must do */
	assert_int_equal(mnt_fs_set(top_fd, "x", "y", &err), -EINVAL);
	assert_non_null(strcasestr(err.msg, "file system option x: invalid argument"));
	assert_true(overlay >= 0);
	assert_true(mnt_fs_create(overlay, 0, &err) < 0);
	assert_int_equal(strncmp(err.msg, "create file system", 18), 0);
}

static void a_mount_is_attached_where_it_should_be(void **state)
{
	_cleanup_close_ int a = tmpfs("size", "4k", 0), b = tmpfs("size", "4k", 0), c = tmpfs("size", "4k", 0);
	_cleanup_close_ int at = openat(top_fd, "at", O_PATH | O_CLOEXEC);

	(void)state;
	assert_int_equal(mnt_attach(a, at, &err), 0);
	assert_true(is_on_tmpfs_of(top_fd, "at", a));
	detach("at");
	assert_int_equal(mnt_attach_at(b, top_fd, "at", &err), 0);
	assert_true(is_on_tmpfs_of(top_fd, "at", b));
	detach("at");
	/* a link in the last place could have been put there by the container */
	assert_int_equal(symlinkat("at", top_fd, "link"), 0);
	assert_true(mnt_attach_at(c, top_fd, "link", &err) < 0);
	assert_non_null(strstr(err.msg, "attach mount at link"));
	assert_false(is_on_tmpfs_of(top_fd, "at", c));
	assert_int_equal(mnt_attach_at(c, top_fd, "missing", &err), -ENOENT);
	assert_int_equal(test_put(top_fd, "file", ""), 0);
	(void)fd_close(at);
	at = openat(top_fd, "file", O_PATH | O_CLOEXEC);
	assert_true(mnt_attach(c, at, &err) < 0); /* a directory on a file */
	assert_non_null(strstr(err.msg, "attach mount: "));
}

static void a_clone_has_the_mounts_below_only_when_asked(void **state)
{
	_cleanup_close_ int outer = tmpfs("mode", "700", 0), inner = tmpfs("mode", "711", 0);
	_cleanup_close_ int flat = -EBADF, deep = -EBADF, by_fd = -EBADF, outer_at = -EBADF;
	struct stat st;

	(void)state;
	assert_int_equal(mnt_attach_at(outer, top_fd, "at", &err), 0);
	assert_int_equal(mkdirat(outer, "in", 0750), 0);
	assert_int_equal(mnt_attach_at(inner, outer, "in", &err), 0);
	flat = mnt_clone(top_fd, "at", false, &err);
	deep = mnt_clone(top_fd, "at", true, &err);
	outer_at = openat(top_fd, "at", O_PATH | O_CLOEXEC);
	by_fd = mnt_clone(outer_at, "", true, &err);
	assert_true(flat >= 0 && deep >= 0 && by_fd >= 0);
	assert_true(fcntl(flat, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fstatat(flat, "in", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0750);
	assert_int_equal(fstatat(deep, "in", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0711);
	assert_int_equal(fstatat(by_fd, "in", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0711);
	assert_int_equal(mnt_clone(top_fd, "nothing", true, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "clone the mount of nothing"));
	detach("at");
}

static void attributes_are_set_and_cleared_on_one_mount_or_the_tree(void **state)
{
	_cleanup_close_ int outer = tmpfs("mode", "700", MOUNT_ATTR_NOSUID), inner = tmpfs("mode", "700", 0),
			    below = -EBADF;

	(void)state;
	assert_int_equal(mkdirat(outer, "in", 0755), 0);
	assert_int_equal(mnt_attach_at(outer, top_fd, "at", &err), 0);
	assert_int_equal(mnt_attach_at(inner, outer, "in", &err), 0);
	below = openat(outer, "in", O_PATH | O_CLOEXEC);
	assert_int_equal(mnt_set_attr(outer, MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, 0, false, &err), 0);
	assert_int_equal(flags_of(outer) & (ST_RDONLY | ST_NOSUID), ST_RDONLY);
	assert_int_equal(flags_of(below) & ST_RDONLY, 0);
	assert_int_equal(mnt_set_attr(outer, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, 0, 0, true, &err), 0);
	assert_int_equal(flags_of(below) & (ST_RDONLY | ST_NODEV), ST_RDONLY | ST_NODEV);
	/* the atime modes are one field: any of them replaces the other */
	assert_int_equal(mnt_set_attr(outer, MOUNT_ATTR_NOATIME, 0, 0, false, &err), 0);
	assert_int_equal(flags_of(outer) & (ST_NOATIME | ST_RELATIME), ST_NOATIME);
	assert_int_equal(mnt_set_attr(outer, MOUNT_ATTR_STRICTATIME, 0, 0, false, &err), 0);
	assert_int_equal(flags_of(outer) & (ST_NOATIME | ST_RELATIME), 0);
	assert_int_equal(mnt_set_attr(outer, 0, MOUNT_ATTR_NOATIME, 0, false, &err), 0);
	assert_int_equal(flags_of(outer) & (ST_NOATIME | ST_RELATIME), ST_RELATIME);
	assert_int_equal(mnt_set_attr(outer, UINT64_C(1) << 40, 0, 0, false, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "set mount attributes"));
	detach("at");
}

static void propagation_is_set(void **state)
{
	_cleanup_close_ int mnt = tmpfs("mode", "700", 0);
	_cleanup_free_ char *text = NULL;
	char want[64];

	(void)state;
	assert_int_equal(mnt_attach_at(mnt, top_fd, "at", &err), 0);
	assert_int_equal(mnt_set_attr(mnt, 0, 0, MS_SHARED, false, &err), 0);
	assert_int_equal(io_read_at(proc_fd, "self/mountinfo", 1u << 20, &text, NULL), 0);
	(void)snprintf(want, sizeof want, "%s/at rw,relatime shared:", top);
	assert_non_null(strstr(text, want));
	detach("at");
}

static void ids_of_a_mount_are_mapped(void **state)
{
	_cleanup_close_ int mnt = tmpfs("mode", "755", 0),
			    ns = userns_make(proc_fd, "0 100000 65536\n", "0 100000 65536\n", &err);
	_cleanup_close_ int clone = -EBADF, proc = -EBADF;
	const char *name = "f";
	struct stat st;
	int r;

	(void)state;
	assert_int_equal(test_put(mnt, "f", ""), 0);
	assert_int_equal(fchownat(mnt, "f", 7, 8, 0), 0);
	assert_int_equal(mnt_attach_at(mnt, top_fd, "at", &err), 0);
	clone = mnt_clone(top_fd, "at", false, &err);
	r = mnt_idmap(clone, ns, false, "the share", &err);
	if (r == -EINVAL) {
		/* tmpfs can from Linux 6.3 on: before, the directory that our own tmpfs covers */
		(void)fd_close(clone);
		clone = mnt_clone(AT_FDCWD, "/tmp", false, &err);
		name = top + strlen("/tmp/");
		assert_int_equal(fchownat(clone, name, 7, 8, 0), 0);
		r = mnt_idmap(clone, ns, false, "the share", &err);
	}
	assert_int_equal(r, 0);
	assert_int_equal(fstatat(clone, name, &st, 0), 0);
	assert_true(st.st_uid == 100007 && st.st_gid == 100008);
	/* twice is one time too often */
	assert_true(mnt_idmap(clone, ns, false, "the share", &err) < 0);
	assert_non_null(strstr(err.msg, "the share"));
	proc = mnt_clone(proc_fd, "", false, &err);
	assert_int_equal(mnt_idmap(proc, ns, false, "/proc of all", &err), -EINVAL);
	assert_non_null(strstr(err.msg, "/proc of all lies on a file system that cannot be id-mapped"));
	assert_non_null(strstr(err.msg, "move it to one that can"));
	detach("at");
}

static void a_superblock_is_refreshed(void **state)
{
	_cleanup_close_ int mnt = tmpfs("size", "8k", 0);
	int fds[2];

	(void)state;
	assert_int_equal(mnt_attach_at(mnt, top_fd, "at", &err), 0);
	assert_int_equal(mnt_reconfigure(mnt, &err), 0);
	detach("at");
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_true(mnt_reconfigure(fds[0], &err) < 0);
	assert_non_null(strstr(err.msg, "pick file system"));
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* ---- what the reader of overlay's options must understand: this kernel's own writing ---- */

static const char *const odd_names[] = { "plain",     "co:lon", "com,ma", "back\\slash", "bl ank",
					 "new\nline", "eq=ual", "ha#sh",  "a\\:b" };

static void find_overlay(const char *target, char **text, struct overlay_options *ret)
{
	struct mountinfo m;
	char *cursor;
	int r;

	assert_int_equal(io_read_at(proc_fd, "self/mountinfo", 1u << 20, text, NULL), 0);
	cursor = *text;
	while ((r = mountinfo_next(&cursor, &m)) > 0)
		if (strcmp(m.target, target) == 0)
			break;
	assert_int_equal(r, 1);
	assert_string_equal(m.fstype, "overlay");
	assert_int_equal(overlay_options_parse(m.super_options, ret), 0);
}

static void layers_with_odd_names_are_read_as_the_kernel_shows_them(void **state)
{
	_cleanup_close_ int fs = mnt_fs_open("overlay", &err), mnt = -EBADF;
	_cleanup_free_ char *text = NULL;
	struct overlay_options o;
	char path[128], target[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(odd_names); i++) {
		assert_int_equal(mkdirat(top_fd, odd_names[i], 0755), 0);
		(void)snprintf(path, sizeof path, "%s/%s", top, odd_names[i]);
		if (mnt_fs_set(fs, "lowerdir+", path, &err) < 0)
			skip(); /* before Linux 6.7 */
	}
	mnt = mnt_fs_create(fs, 0, &err);
	if (mnt < 0)
		fail_msg("%s", err.msg);
	(void)snprintf(target, sizeof target, "%s/at", top);
	assert_int_equal(mnt_attach_at(mnt, top_fd, "at", &err), 0);
	find_overlay(target, &text, &o);
	detach("at");
	assert_int_equal(o.n_lower, ARRAY_SIZE(odd_names));
	for (size_t i = 0; i < o.n_lower; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", top, odd_names[i]);
		assert_string_equal(o.lower[i], path);
	}
	overlay_options_done(&o);
}

static void the_classic_form_is_read_as_well(void **state)
{
	static const char *const dirs[] = { "low:er1", "lower2", "up,per", "w:ork" };
	_cleanup_free_ char *text = NULL;
	struct overlay_options o;
	char opts[512], path[128], target[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		assert_int_equal(mkdirat(top_fd, dirs[i], 0755), 0);
	/* mount(2): "\:" for a colon in lowerdir, "\," for a comma anywhere */
	(void)snprintf(opts, sizeof opts, "lowerdir=%s/low\\:er1:%s/lower2,upperdir=%s/up\\,per,workdir=%s/w:ork",
		       top, top, top, top);
	(void)snprintf(target, sizeof target, "%s/at", top);
	assert_int_equal(mount("overlay", target, "overlay", 0, opts), 0);
	find_overlay(target, &text, &o);
	detach("at");
	assert_int_equal(o.n_lower, 2);
	(void)snprintf(path, sizeof path, "%s/low:er1", top);
	assert_string_equal(o.lower[0], path);
	(void)snprintf(path, sizeof path, "%s/lower2", top);
	assert_string_equal(o.lower[1], path);
	(void)snprintf(path, sizeof path, "%s/up,per", top);
	assert_string_equal(o.upper, path);
	(void)snprintf(path, sizeof path, "%s/w:ork", top);
	assert_string_equal(o.work, path);
	overlay_options_done(&o);
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(a_new_file_system_has_its_options_and_attributes),
		cmocka_unit_test(refusals_come_with_the_kernels_own_words),
		cmocka_unit_test(a_mount_is_attached_where_it_should_be),
		cmocka_unit_test(a_clone_has_the_mounts_below_only_when_asked),
		cmocka_unit_test(attributes_are_set_and_cleared_on_one_mount_or_the_tree),
		cmocka_unit_test(propagation_is_set),
		cmocka_unit_test(ids_of_a_mount_are_mapped),
		cmocka_unit_test(a_superblock_is_refreshed),
		cmocka_unit_test(layers_with_odd_names_are_read_as_the_kernel_shows_them),
		cmocka_unit_test(the_classic_form_is_read_as_well),
	};

	if (geteuid() != 0) {
		print_message("skipped: needs root for a mount namespace of its own\n");
		return 77;
	}
	return cmocka_run_group_tests(rows, setup, teardown);
}
