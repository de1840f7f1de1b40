/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYS_MNT_H
#define SYS_MNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Detached mounts, held as fds (fsopen/fsmount/open_tree/mount_setattr/move_mount, Linux 5.2; idmapped mounts 5.12,
 * overlay on them 5.19). An fd that is closed before it was attached takes its mount along.
 */

/* mnt_fs_open() - fsopen(2). Return: a new CLOEXEC context fd, or -errno. */
int mnt_fs_open(const char *fstype, struct err *e);
/* mnt_fs_set() - one option; @value NULL: a flag. The kernel's own words about a refusal are put into @e. */
int mnt_fs_set(int fs, const char *key, const char *value, struct err *e);
int mnt_fs_set_fd(int fs, const char *key, int value, struct err *e);
/*
 * mnt_fs_create() - create the superblock and a detached mount of it. @attr: MOUNT_ATTR_*.
 * @fs stays the caller's. Return: a new CLOEXEC mount fd, or -errno.
 */
int mnt_fs_create(int fs, unsigned attr, struct err *e);

/*
 * mnt_clone() - a detached copy of the mount that @path below @dirfd lies on, with that as its root (open_tree(2)).
 * @path "": @dirfd itself. @recursive: with the mounts below. The source must be in our mount namespace.
 */
int mnt_clone(int dirfd, const char *path, bool recursive, struct err *e);

/* mnt_set_attr() - @set and @clear: MOUNT_ATTR_*; @propagation: MS_PRIVATE and the like, 0 for as it is. */
int mnt_set_attr(int mnt, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive, struct err *e);

/*
 * mnt_idmap() - map the ids of detached mount @mnt by @userns_fd (0..n on disk <-> the namespace's host ids).
 * @what names the source in the message. -EINVAL from the kernel means that the file system cannot be id-mapped.
 */
int mnt_idmap(int mnt, int userns_fd, bool recursive, const char *what, struct err *e);

/* mnt_attach() - attach detached @mnt on the file or directory @target_fd (O_PATH) in our mount namespace. */
int mnt_attach(int mnt, int target_fd, struct err *e);
/* mnt_attach_at() - the same on @path below @dirfd; a symlink as last component is not followed. */
int mnt_attach_at(int mnt, int dirfd, const char *path, struct err *e);

/* mnt_reconfigure() - a no-op reconfigure of the superblock @fd lies on: drops cached names (needs rights over it). */
int mnt_reconfigure(int fd, struct err *e);

#endif
