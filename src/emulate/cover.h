/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EMULATE_COVER_H
#define EMULATE_COVER_H

#include "base/err.h"
#include "emulate/emulate.h"

/*
 * Where the carriers are mounted in a "stage" (a mount namespace of the host's with nothing else in it): these names
 * in its root directory. Files below are named by emu_name(); empty and null are what directories and files are masked with.
 */
#define COVER_CONSTANT "emu-constant"
#define COVER_CHANGING "emu-changing"
#define COVER_SYSCTL   "emu-sysctl"
#define COVER_EMPTY    "emu-empty" /* an empty read-only tmpfs */
#define COVER_NULL     "emu-null"  /* a node 1:3 */

/*
 * cover_emulated() - put the rows of @fs over the procfs or sysfs that @fs_fd (its root directory) is. @stage_fd:
 * O_PATH directory with the carriers (COVER_EMPTY is made there if need be); @fs_fd is to be mounted on one of its
 * directories, in our mount namespace. Our working directory is another one meanwhile. Rows whose file the kernel does not show are
 * skipped, and so are sysctls that the container may write natively (owned by @base and writable). No link is followed.
 * Return: number of covers, or -errno.
 */
int cover_emulated(int stage_fd, int fs_fd, enum emu_fs fs, uint32_t base, struct err *e);

/*
 * cover_read_only() - a read-only bind of itself, with what is mounted below it, over @path below @fs_fd; a path that is not there needs
 * none. cover_masked() - the stage's null (files) or an empty directory over it. Both after cover_emulated(), so that
 * emulated files below a read-only path are read-only, too.
 * With _fd: the same for a target that is open (O_PATH); @path is for the message.
 */
int cover_read_only(int fs_fd, const char *path, struct err *e);
int cover_masked(int stage_fd, int fs_fd, const char *path, struct err *e);
int cover_read_only_fd(int target, const char *path, struct err *e);
int cover_masked_fd(int stage_fd, int target, const char *path, struct err *e);

#endif
