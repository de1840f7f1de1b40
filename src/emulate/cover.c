/* SPDX-License-Identifier: Apache-2.0 */
#include "emulate/cover.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

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

static int cover_row(int stage_fd, const int *carriers, int fs_fd, size_t i, uint32_t base, struct err *e)
{
	const struct emu_row *row = &emu_rows[i];
	_cleanup_close_ int target = open_target(fs_fd, row->path), mnt = -EBADF;
	char name[EMU_NAME_MAX];
	struct stat st;
	int r;

	if (is_absent(target))
		return 0;
	if (target < 0 || fstat(target, &st) < 0)
		return err_sys(e, target < 0 ? -target : errno, "emulate: open %s", row->path);
	if (S_ISDIR(st.st_mode) != (row->carrier == EMU_EMPTY) || is_native(row, &st, base))
		return 0;
	emu_name(i, name);
	mnt = row->carrier == EMU_EMPTY ? empty_directory(stage_fd, e) : mnt_clone(carriers[row->carrier], name, false, e);
	r = mnt < 0 ? mnt : mnt_attach(mnt, target, e);
	return r < 0 ? err_ctx(e, r, "emulate %s", row->path) : 1;
}

int cover_emulated(int stage_fd, int fs_fd, enum emu_fs fs, uint32_t base, struct err *e)
{
	static const char *const names[] = {
		[EMU_CONSTANT] = COVER_CONSTANT, [EMU_CHANGING] = COVER_CHANGING, [EMU_SYSCTL] = COVER_SYSCTL,
	};
	int carriers[ARRAY_SIZE(names)] = { -EBADF, -EBADF, -EBADF }, n = 0, r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(names); i++) {
		carriers[i] = openat(stage_fd, names[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (carriers[i] < 0)
			r = err_sys(e, errno, "emulate: open %s", names[i]);
	}
	for (size_t i = 0; r >= 0 && i < emu_n_rows; i++) {
		if (emu_rows[i].fs != fs)
			continue;
		r = cover_row(stage_fd, carriers, fs_fd, i, base, e);
		n += r > 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(carriers); i++)
		(void)fd_close(carriers[i]);
	return r < 0 ? r : n;
}
