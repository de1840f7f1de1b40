/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_PROCFS_H
#define RUNTIME_PROCFS_H

#include "base/err.h"
#include "codec/mountopt.h"
#include "codec/oci-spec.h"
#include "runtime/plan.h"

/*
 * procfs_make() - a detached procfs of the pid namespace @pidns_fd, with the file system options of @opt (may be NULL).
 * By fsconfig(SET_FD, "pidns") where the kernel has it, otherwise by a short-lived child inside that namespace
 * (before any container code runs there). nosuid, nodev, noexec. Return: mount fd or -errno.
 */
int procfs_make(int pidns_fd, const struct mount_options *opt, struct err *e);

/*
 * procfs_cover() - what lies over parts of the procfs or sysfs @m, attached on the stage (our working directory): the
 * emulated files, and linux.readonlyPaths and linux.maskedPaths below its destination. On the stage, so that they are locked later. Paths
 * that do not exist are skipped. Files are masked with the stage's /dev/null, directories with an empty read-only tmpfs (A7).
 */
int procfs_cover(const struct oci_spec *spec, const struct stage_context *c, const struct planned_mount *m,
		 struct err *e);

/* procfs_mask_rest() - the same inside the container for paths that procfs_cover() is not responsible for. @stage_fd: O_PATH. */
int procfs_mask_rest(const struct oci_spec *spec, int root_fd, int stage_fd, struct err *e);

/* mnt_fs_set_all() - all of @opt's file system options. */
int mnt_fs_set_all(int fs, const struct mount_options *opt, struct err *e);

#endif
