/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/mnt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "sys/missing.h"

/* The kernel explains a refusal in messages that are read from the context fd: "e overlay: No changes allowed". */
static int fs_fail(int fs, int code, const char *what, const char *key, struct err *e)
{
	char msg[256];
	ssize_t n = read(fs, msg, sizeof msg - 1);

	if (n > 2) {
		msg[n] = '\0';
		msg[strcspn(msg, "\n")] = '\0';
		return err_sys(e, code, "%s%s%s (kernel: %s)", what, *key ? " " : "", key, msg + 2);
	}
	return err_sys(e, code, "%s%s%s", what, *key ? " " : "", key);
}

int mnt_fs_open(const char *fstype, struct err *e)
{
	int fs = fsopen(fstype, FSOPEN_CLOEXEC);

	if (fs < 0 && errno == ENODEV)
		return err_set(e, ENODEV, "file system type %s is not known to this kernel", fstype);
	return fs < 0 ? err_sys(e, errno, "open a new %s file system", fstype) : fs;
}

int mnt_fs_set(int fs, const char *key, const char *value, struct err *e)
{
	int r = value ? fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0)
		      : fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0);

	return r < 0 ? fs_fail(fs, errno, "file system option", key, e) : 0;
}

int mnt_fs_set_fd(int fs, const char *key, int value, struct err *e)
{
	return fsconfig(fs, FSCONFIG_SET_FD, key, NULL, value) < 0
		       ? fs_fail(fs, errno, "file system option (by fd)", key, e)
		       : 0;
}

int mnt_fs_create(int fs, unsigned attr, struct err *e)
{
	int mnt;

	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fs_fail(fs, errno, "create file system", "", e);
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, attr);
	return mnt < 0 ? fs_fail(fs, errno, "mount file system", "", e) : mnt;
}

int mnt_clone(int dirfd, const char *path, bool recursive, struct err *e)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_NO_AUTOMOUNT;
	int mnt;

	if (recursive)
		flags |= AT_RECURSIVE;
	if (*path == '\0')
		flags |= AT_EMPTY_PATH;
	mnt = open_tree(dirfd, path, flags);
	return mnt < 0 ? err_sys(e, errno, "clone the mount of %s", *path ? path : "an open file") : mnt;
}

int mnt_set_attr(int mnt, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive, struct err *e)
{
	struct mount_attr attr = { .attr_set = set, .attr_clr = clear, .propagation = propagation };

	/* The atime modes are a field, not bits: clear it whenever one of them is asked for. */
	if ((set | clear) & MOUNT_ATTR__ATIME)
		attr.attr_clr |= MOUNT_ATTR__ATIME;
	if (mount_setattr(mnt, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof attr) < 0)
		return err_sys(e, errno, "set mount attributes");
	return 0;
}

int mnt_idmap(int mnt, int userns_fd, bool recursive, const char *what, struct err *e)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)userns_fd };

	if (mount_setattr(mnt, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof attr) == 0)
		return 0;
	if (errno == EINVAL)
		return err_set(
			e, EINVAL,
			"%s lies on a file system that cannot be id-mapped by this kernel; move it to one that can "
			"(ext4, xfs, btrfs, tmpfs from Linux 6.3 on)",
			what);
	return err_sys(e, errno, "id-map the mount of %s", what);
}

int mnt_attach(int mnt, int target_fd, struct err *e)
{
	return move_mount(mnt, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
		       ? err_sys(e, errno, "attach mount")
		       : 0;
}

int mnt_attach_at(int mnt, int dirfd, const char *path, struct err *e)
{
	return move_mount(mnt, "", dirfd, path, MOVE_MOUNT_F_EMPTY_PATH) < 0
		       ? err_sys(e, errno, "attach mount at %s", path)
		       : 0;
}

int mnt_reconfigure(int fd, struct err *e)
{
	_cleanup_close_ int fs = fspick(fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);

	if (fs < 0)
		return err_sys(e, errno, "pick file system");
	return fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0
		       ? fs_fail(fs, errno, "refresh file system", "", e)
		       : 0;
}
