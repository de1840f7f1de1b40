/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYS_PATH_H
#define SYS_PATH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Paths are resolved to fds once. Everything below a container's root goes through openat2(RESOLVE_IN_ROOT |
 * RESOLVE_NO_MAGICLINKS): no string fallback (Linux 5.6).
 */

/*
 * path_open_in() - open PATH as a process with root directory @root_fd would see it.
 * @root_fd: O_PATH directory, borrowed     @path: untrusted, absolute or relative to the root
 * @flags: open(2) flags, O_CLOEXEC is added     @mode: for O_CREAT
 * Return: a new fd, or -errno.
 */
int path_open_in(int root_fd, const char *path, int flags, mode_t mode);

/*
 * path_make_in() - open PATH below @root_fd with O_PATH, making it and missing parents (0755; files 0644 and empty)
 * when they do not exist. Symlinks are followed inside the root, dangling ones too.
 * @rw_fd: a writable view of the same tree for a read-only root, or -EBADF. Used only for making.
 * Runs with the container's own rights, so nothing can be made that container root could not make.
 * Return: a new fd, or -errno with @e filled in.
 */
int path_make_in(int root_fd, int rw_fd, const char *path, bool directory, struct err *e);

/*
 * path_of_fd() - the canonical path of an open fd, from /proc/self/fd. @proc_fd: O_PATH of a procfs of our pid
 * namespace. @ret: malloc'd. -ENOENT when the object is deleted or outside of the root (text does not begin with '/').
 */
int path_of_fd(int proc_fd, int fd, char **ret);

/* path_leads_to() - is the object at @path, symbolic links followed, that of @st? */
bool path_leads_to(const char *path, const struct stat *st);

/* path_mnt_id() - STATX_MNT_ID (Linux 5.8) and whether the object is the root of a mount. */
int path_mnt_id(int fd, uint64_t *ret_id, bool *ret_is_root);

#endif
