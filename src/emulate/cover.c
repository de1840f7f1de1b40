/* SPDX-License-Identifier: Apache-2.0 */
#include "emulate/cover.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/missing.h"
#include "sys/mnt.h"

#define NOTHING_ATTR (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY)

/* Kernel file systems have few links, none of which belongs into a list of paths to cover. */
static int open_target(int fs_fd, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH };
	int fd = sys_openat2(fs_fd, path, &how);

	return fd < 0 ? -errno : fd;
}

static bool is_absent(int target)
{
	return target == -ENOENT || target == -ENOTDIR;
}

static int empty_directory(int stage_fd, struct err *e)
{
	int mnt = open_tree(stage_fd, COVER_EMPTY, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	_cleanup_close_ int fs = -EBADF;

	if (mnt >= 0)
		return mnt;
	fs = mnt_fs_open("tmpfs", e);
	if (fs < 0)
		return fs;
	(void)fsconfig(fs, FSCONFIG_SET_STRING, "source", "tmpfs", 0);
	(void)fsconfig(fs, FSCONFIG_SET_STRING, "nr_blocks", "1", 0);
	(void)fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", "1", 0);
	return mnt_fs_create(fs, NOTHING_ATTR, e);
}

/* One for all that is to be empty: the runtime's stage has none before. */
static int stage_empty(int stage_fd, struct err *e)
{
	_cleanup_close_ int mnt = -EBADF;
	struct stat st;

	if (fstatat(stage_fd, COVER_EMPTY, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	mnt = empty_directory(stage_fd, e);
	if (mnt < 0)
		return mnt;
	if (mkdirat(stage_fd, COVER_EMPTY, 0700) < 0)
		return err_sys(e, errno, "make " COVER_EMPTY " on the stage");
	return mnt_attach_at(mnt, stage_fd, COVER_EMPTY, e);
}

int cover_read_only_fd(int target, const char *path, struct err *e)
{
	_cleanup_close_ int mnt = mnt_clone(target, "", true, e);
	int r = mnt < 0 ? mnt : mnt_set_attr(mnt, MOUNT_ATTR_RDONLY, 0, 0, true, e);

	if (r >= 0)
		r = mnt_attach(mnt, target, e);
	return r < 0 ? err_ctx(e, r, "make read-only %s", path) : 0;
}

int cover_masked_fd(int stage_fd, int target, const char *path, struct err *e)
{
	_cleanup_close_ int mnt = -EBADF;
	struct stat st;
	int r;

	if (fstat(target, &st) < 0)
		return err_sys(e, errno, "mask %s: stat", path);
	mnt = S_ISDIR(st.st_mode) ? empty_directory(stage_fd, e) : mnt_clone(stage_fd, COVER_NULL, false, e);
	r = mnt < 0 ? mnt : mnt_attach(mnt, target, e);
	return r < 0 ? err_ctx(e, r, "mask %s", path) : 0;
}

int cover_read_only(int fs_fd, const char *path, struct err *e)
{
	_cleanup_close_ int target = open_target(fs_fd, path);

	if (target < 0)
		return is_absent(target) ? 0 : err_sys(e, -target, "make read-only: open %s", path);
	return cover_read_only_fd(target, path, e);
}

int cover_masked(int stage_fd, int fs_fd, const char *path, struct err *e)
{
	_cleanup_close_ int target = open_target(fs_fd, path);

	if (target < 0)
		return is_absent(target) ? 0 : err_sys(e, -target, "mask: open %s", path);
	return cover_masked_fd(stage_fd, target, path, e);
}

/* What the kernel itself keeps for each container, and lets its root write, is not emulated. */
static bool is_native(const struct emu_row *row, const struct stat *st, uint32_t base)
{
	return row->carrier == EMU_SYSCTL && st->st_uid == base && (st->st_mode & S_IWUSR);
}

/*
 * Sysctls that were seen to be the host's in a container's procfs: with this kernel they always are. Those of networks
 * are shown as the host's also where only the network is.
 */
static bool known_host[EMU_ROWS_MAX];

static bool is_for_all(const struct emu_row *row, const struct stat *st)
{
	static const char net[] = "sys/net/";

	return row->fs == EMU_PROC && row->carrier == EMU_SYSCTL && st->st_uid == 0 &&
	       strncmp(row->path, net, sizeof net - 1) != 0;
}

/*
 * By mount(2) and names from here, the root of the file system: one call for what takes four with descriptors, and
 * there are fifty of them. The paths are those of the table, which no link leads away from, in a file system of the
 * kernel's.
 */
static int cover_row(size_t i, const char *from, dev_t dev, uint32_t base, struct err *e)
{
	const struct emu_row *row = &emu_rows[i];
	struct stat st;

	/* One that turns out not to be there is looked at like the others. */
	if (known_host[i] && mount(from, row->path, NULL, MS_BIND, NULL) == 0)
		return 1;
	if (fstatat(AT_FDCWD, row->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return is_absent(-errno) ? 0 : err_sys(e, errno, "emulate: look at %s", row->path);
	if (S_ISDIR(st.st_mode) != (row->carrier == EMU_EMPTY) || is_native(row, &st, base))
		return 0;
	if (st.st_dev != dev)
		return err_set(e, EXDEV, "emulate: %s is not on its file system", row->path);
	known_host[i] = is_for_all(row, &st);
	return mount(from, row->path, NULL, MS_BIND, NULL) < 0 ? err_sys(e, errno, "emulate %s", row->path) : 1;
}

static int cover_rows(int fs_fd, enum emu_fs fs, uint32_t base, struct err *e)
{
	static const char *const carriers[] = { [EMU_CONSTANT] = COVER_CONSTANT,
						[EMU_CHANGING] = COVER_CHANGING,
						[EMU_SYSCTL] = COVER_SYSCTL,
						[EMU_EMPTY] = COVER_EMPTY };
	struct stat st;
	int n = 0, r = 0;

	if (fstat(fs_fd, &st) < 0)
		return err_sys(e, errno, "emulate: look at the file system");
	for (size_t i = 0; r >= 0 && i < emu_n_rows; i++) {
		const struct emu_row *row = &emu_rows[i];
		const char *carrier = carriers[row->carrier];
		size_t len = strlen(carrier);
		char from[32 + EMU_NAME_MAX] = "../";

		if (row->fs != fs)
			continue;
		memcpy(from + 3, carrier, len + 1);
		if (row->carrier != EMU_EMPTY) {
			from[3 + len] = '/';
			emu_name(i, from + 3 + len + 1);
		}
		r = cover_row(i, from, st.st_dev, base, e);
		n += r > 0;
	}
	return r < 0 ? r : n;
}

int cover_emulated(int stage_fd, int fs_fd, enum emu_fs fs, uint32_t base, struct err *e)
{
	_cleanup_close_ int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (here < 0)
		return err_sys(e, errno, "emulate: open our own directory");
	if (fs == EMU_SYSFS)
		r = stage_empty(stage_fd, e);
	if (r == 0 && fchdir(fs_fd) < 0)
		r = err_sys(e, errno, "emulate: enter the file system");
	if (r == 0)
		r = cover_rows(fs_fd, fs, base, e);
	if (fchdir(here) < 0)
		return err_sys(e, errno, "emulate: go back");
	return r;
}
