/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NOTIFY_TREE_H
#define NOTIFY_TREE_H

#include "notify/caller.h"

/* The two file systems that are emulated. */
struct notify_fs {
	enum emu_fs fs;
	const char *name;	/* as mount(2) names it */
	const char *namespace_; /* below /proc/TID: what an instance of it shows */
	const char *prefix;	/* of the paths in struct emu_params that lie on it */
	long magic;		/* statfs(2) */
};

/* notify_fs_by_name(), notify_fs_by_magic() - NULL for any other. */
const struct notify_fs *notify_fs_by_name(const char *name);
const struct notify_fs *notify_fs_by_magic(long magic);

/*
 * A new file system context whose instance will show what the caller's own would: its processes (its pid namespace
 * is another than ours, and only from Linux 6.17 on can it be named), its network.
 * notify_fs_prepare() - before, as ourselves. Return: what to give to notify_fs_open() as @prepared (an fd or
 * -EBADF), or -errno.
 * notify_fs_where() - what its helper has to enter besides.
 * notify_fs_open() - as the caller: whether it may open one is judged by the kernel. Return: a context, also where
 * @prepared is it, or -errno.
 */
int notify_fs_prepare(const struct notify_worker *w, const struct notify_caller *c, const struct notify_fs *fs,
		      int *ret_prepared);
unsigned notify_fs_where(const struct notify_fs *fs);
int notify_fs_open(const struct notify_worker *w, const struct notify_caller *c, const struct notify_fs *fs,
		   int prepared);

/* notify_fs_has_pidns() - does procfs take a pid namespace as an option? */
bool notify_fs_has_pidns(int proc_fd);

/*
 * notify_tree_build() - put detached mount @mnt of a new procfs or sysfs on the work directory and cover it:
 * emulated files, masks, read-only parts. It stays there until notify_tree_drop(), for which nobody need wait; a
 * tree that was cloned from it stays afterwards. Our working directory must be the stage.
 */
int notify_tree_build(struct notify_worker *w, struct notify_caller *c, const struct notify_fs *fs, int mnt,
		      struct err *e);
void notify_tree_drop(struct notify_worker *w);

/*
 * notify_tree_lock() - in a helper with NOTIFY_IN_WORK and NOTIFY_AS_OWNER: a clone of the tree on the work
 * directory whose covers are locked onto it, for ever and for everybody without rights over our user namespace:
 * copying a mount namespace for a less privileged one locks what it holds, and a clone of a part keeps the locks
 * inside. @attr: for its top, which stays free.
 * Return: a detached mount, or -errno.
 */
int notify_tree_lock(struct notify_worker *w, uint64_t attr);

/*
 * notify_tree_remember() - in a helper in the caller's mount namespace: the tree with top @id, a unique one, has just
 * been attached. notify_tree_recall() - in such a helper: is there nothing below @id but what there was then? If so,
 * what it is; NULL: that is to be looked for.
 */
void notify_tree_remember(struct notify_worker *w, const struct notify_fs *fs, uint64_t id);
const struct notify_fs *notify_tree_recall(const struct notify_worker *w, uint64_t id);

/*
 * notify_tree_allowed() - would the kernel let the caller mount a new @fs, if our covers did not lie on those that are
 * there (mount_too_revealing(), fs/namespace.c)? One must be in its mount namespace, within its root directory or not, and
 * nothing be to be had by a new one that is read-only in all of them, or that somebody else's mounts hide, such as
 * the masks of an engine inside the container.
 */
bool notify_tree_allowed(const struct notify_worker *w, const struct notify_caller *c, const struct notify_fs *fs,
			 bool read_only);

/* notify_is_carrier() - is @dev the device of a file system that covers come from? */
bool notify_is_carrier(const struct notify_worker *w, uint64_t dev);

/*
 * notify_tree_has_strange() - in a helper in the caller's mount namespace: may something be mounted below @fd that
 * is not ours? Linux 6.8; always true where it cannot be told.
 * notify_tree_prune() - of detached @tree, a clone, take away what is not locked onto it and not ours. Return: what is left, a
 * detached tree, or -errno. notify_tree_drop() afterwards.
 */
bool notify_tree_has_strange(const struct notify_worker *w, int fd);
int notify_tree_prune(struct notify_worker *w, int tree);

#endif
