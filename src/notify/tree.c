/* SPDX-License-Identifier: Apache-2.0 */
#include "notify/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "emulate/cover.h"
#include "notify/journal.h"
#include "notify/kernel.h"
#include "notify/mounts.h"
#include "sys/missing.h"
#include "sys/mnt.h"

static const struct notify_fs kinds[] = {
	{ EMU_PROC, "proc", "ns/pid", "proc/", PROC_SUPER_MAGIC },
	{ EMU_SYSFS, "sysfs", "ns/net", "sys/", SYSFS_MAGIC },
};

const struct notify_fs *notify_fs_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

const struct notify_fs *notify_fs_by_magic(long magic)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].magic == magic)
			return &kinds[i];
	return NULL;
}

/* ---- contexts --------------------------------------------------------------------------------------------------- */

static int open_context(void *arg)
{
	int fd = fsopen(arg, FSOPEN_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

bool notify_fs_has_pidns(int proc_fd)
{
	_cleanup_close_ int fs = fsopen("proc", FSOPEN_CLOEXEC),
			    ns = openat(proc_fd, "self/ns/pid", O_RDONLY | O_CLOEXEC);

	return fs >= 0 && ns >= 0 && fsconfig(fs, FSCONFIG_SET_FD, "pidns", NULL, ns) == 0;
}

int notify_fs_prepare(const struct notify_worker *w, const struct notify_caller *c, const struct notify_fs *fs,
		      int *ret_prepared)
{
	char name[8];

	*ret_prepared = -EBADF;
	if (fs->fs != EMU_PROC || w->has_pidns)
		return 0;
	/*
	 * Procfs shows the pid namespace that its opener is in. Its own, as root of the host, where nobody inside
	 * may touch it.
	 */
	(void)snprintf(name, sizeof name, "%s", fs->name);
	*ret_prepared = notify_act(w, c, NOTIFY_IN_MORE | NOTIFY_IN_CHILD, open_context, name);
	return *ret_prepared < 0 ? *ret_prepared : 0;
}

unsigned notify_fs_where(const struct notify_fs *fs)
{
	return fs->fs == EMU_SYSFS ? NOTIFY_IN_MORE : 0;
}

int notify_fs_open(const struct notify_worker *w, const struct notify_caller *c, const struct notify_fs *fs,
		   int prepared)
{
	/*
	 * Of the one that was prepared only this has not been asked: may it mount anything? Anybody who may can
	 * mount a tmpfs.
	 */
	_cleanup_close_ int fd = fsopen(prepared < 0 ? fs->name : "tmpfs", FSOPEN_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (prepared >= 0)
		return prepared;
	if (fs->fs == EMU_PROC && w->has_pidns && fsconfig(fd, FSCONFIG_SET_FD, "pidns", NULL, c->more) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* ---- trees ------------------------------------------------------------------------------------------------------ */

/* The container's own masks and read-only paths hold in what is mounted inside as well. */
static int cover_paths(const struct notify_worker *w, const struct notify_fs *fs, int mnt, struct err *e)
{
	const struct emu_params *p = &w->shared->params;
	const char *path = p->paths, *end = p->paths + sizeof p->paths;
	size_t len = strlen(fs->prefix);

	for (uint32_t i = 0; i < p->n_masked + p->n_read_only && path < end; i++) {
		int r = 0;

		if (strncmp(path, fs->prefix, len) == 0)
			r = i < p->n_masked ? cover_masked(w->stage, mnt, path + len, e)
					    : cover_read_only(mnt, path + len, e);
		if (r < 0)
			return r;
		path += strlen(path) + 1;
	}
	return 0;
}

/* In the caller's network namespace: see notify_enter_net(). */
static int cover_files(const struct notify_worker *w, struct notify_caller *c, const struct notify_fs *fs, int mnt,
		       struct err *e)
{
	int r = notify_enter_net(w, c);

	if (r < 0)
		return err_sys(e, -r, "enter the caller's network namespace");
	r = cover_emulated(w->stage, mnt, fs->fs, w->shared->params.base, e);
	return notify_leave_net(w) < 0 ? err_sys(e, EPERM, "leave the caller's network namespace") : r;
}

int notify_tree_build(struct notify_worker *w, struct notify_caller *c, const struct notify_fs *fs, int mnt,
		      struct err *e)
{
	int r = mnt_attach(mnt, w->work, e);

	if (r < 0)
		return r;
	w->built = true;
	r = cover_files(w, c, fs, mnt, e);
	if (r >= 0)
		r = cover_paths(w, fs, mnt, e);
	return r < 0 ? r : 0;
}

void notify_tree_drop(struct notify_worker *w)
{
	if (w->built)
		(void)umount2(NOTIFY_WORK, MNT_DETACH | UMOUNT_NOFOLLOW);
	w->built = false;
	w->locked_ns = fd_close(w->locked_ns);
}

int notify_tree_lock(struct notify_worker *w, uint64_t attr)
{
	_cleanup_close_ int mnt = -EBADF;
	/*
	 * The copy of a mount has the flags that it had frozen, but not those it gets later: what the caller asked
	 * for it may take back. How access times are kept is frozen in any case and was set when the mount was
	 * made.
	 */
	struct mount_attr set = { .attr_set = attr & ~(uint64_t)MOUNT_ATTR__ATIME };

	if (unshare(CLONE_NEWNS) < 0)
		return -errno;
	mnt = open_tree(AT_FDCWD, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
	if (mnt < 0)
		return -errno;
	/* Taking the copy apart takes as long as making it, and longer. */
	w->locked_ns = openat(w->proc, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (set.attr_set && mount_setattr(mnt, "", AT_EMPTY_PATH, &set, sizeof set) < 0)
		return -errno;
	return TAKE_FD(mnt);
}

/* ---- what others mounted ---------------------------------------------------------------------------------------- */

bool notify_is_carrier(const struct notify_worker *w, uint64_t dev)
{
	for (size_t i = 0; i < ARRAY_SIZE(w->carriers); i++)
		if (w->carriers[i] != 0 && w->carriers[i] == dev)
			return true;
	return false;
}

/* Ids are never used again: other mounts have another sum. */
static struct notify_tree_print print_of(uint64_t top)
{
	struct notify_tree_print p = { .top = top, .covers = 14695981039346656037u };
	uint64_t ids[128], last = 0;
	ssize_t n;

	do {
		n = kernel_listmount(top, last, ids, ARRAY_SIZE(ids));
		if (n < 0)
			p.top = 0;
		for (ssize_t i = 0; i < n; i++)
			p.covers = (p.covers ^ ids[i]) * 1099511628211u;
		p.n += n > 0 ? (uint64_t)n : 0;
		last = n > 0 ? ids[n - 1] : 0;
	} while (n == ARRAY_SIZE(ids));
	return p;
}

void notify_tree_remember(struct notify_worker *w, const struct notify_fs *fs, uint64_t id)
{
	struct notify_tree_print p = print_of(id);

	p.fs = fs;
	if (p.n > 0)
		w->prints[w->next_print++ % NOTIFY_PRINTS] = p;
}

const struct notify_fs *notify_tree_recall(const struct notify_worker *w, uint64_t id)
{
	for (size_t i = 0; i < NOTIFY_PRINTS; i++) {
		const struct notify_tree_print *known = &w->prints[i];
		struct notify_tree_print now;

		if (known->top != id || known->top == 0)
			continue;
		now = print_of(id);
		return now.top == id && now.n == known->n && now.covers == known->covers ? known->fs : NULL;
	}
	return NULL;
}

bool notify_tree_has_strange(const struct notify_worker *w, int fd)
{
	uint64_t ids[128], last = 0, mark[4];
	struct kernel_statmount sm;
	ssize_t n;

	if (notify_mount_mark(fd, mark) < 0 || !mark[2])
		return true;
	while ((n = kernel_listmount(mark[0], last, ids, ARRAY_SIZE(ids))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			uint64_t dev;

			if (kernel_statmount(ids[i], KERNEL_STATMOUNT_SB_BASIC, &sm) < 0)
				return true;
			dev = makedev(sm.sb_dev_major, sm.sb_dev_minor);
			if (dev != mark[1] && !notify_is_carrier(w, dev))
				return true;
		}
		last = ids[n - 1];
	}
	return n < 0;
}

int notify_tree_prune(struct notify_worker *w, int tree)
{
	_cleanup_free_ char *text = NULL;
	struct stat st;
	struct mountinfo m;
	char *cursor;
	int r = fstat(tree, &st) < 0 ? -errno : mnt_attach(tree, w->work, NULL);

	if (r < 0)
		return r;
	w->built = true;
	r = io_read_at(w->proc, "self/mountinfo", NOTIFY_MOUNTINFO_MAX, &text, NULL);
	if (r < 0)
		return r;
	for (cursor = text; mountinfo_next(&cursor, &m) > 0;) {
		uint64_t dev = makedev(m.major, m.minor);

		/* What is locked stays: EINVAL, for us as well. */
		if (strncmp(m.target, "/" NOTIFY_WORK "/", strlen("/" NOTIFY_WORK "/")) == 0 && dev != st.st_dev &&
		    !notify_is_carrier(w, dev))
			(void)umount2(m.target, MNT_DETACH | UMOUNT_NOFOLLOW);
	}
	return mnt_clone(w->stage, NOTIFY_WORK, true, NULL);
}
