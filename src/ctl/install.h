/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_INSTALL_H
#define CTL_INSTALL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Puts the guard between Docker clients and the engine of a host with systemd: units for caissond, drop-ins that
 * move the engine's socket to a place that only root reaches and make Caisson the runc of the engine and of its
 * containerd, daemon.json merged, a settings file where there is none. Only files are written, all of them below
 * the given root directory, none through a symbolic link; no program is run. What was there before is kept in
 * INSTALL_STATE, so that it can be put back byte for byte.
 */

#define INSTALL_STATE  "var/lib/caisson/install"
#define INSTALL_ENGINE "/run/caisson/engine/docker.sock"

/* One file as it is to be. */
struct change {
	char *path; /* owned; below the root, without leading "/" */
	char *text; /* owned; contents, or where a link points to */
	bool link;
};

#define CHANGES_MAX 16

struct plan {
	struct change v[CHANGES_MAX];
	size_t n;
};

/*
 * plan_make() - what is to be changed below @root_fd (O_PATH directory), from what is there now. @root: its name,
 * for messages. Refused, as the guard would not be in between: an engine that listens on TCP, "hosts" in
 * daemon.json, no docker.service.
 */
int plan_make(int root_fd, const char *root, struct plan *ret, struct err *e);
void plan_done(struct plan *p);

/* merge_daemon_json() - @old: NULL: there is none. @ret: malloc'd; equal to @old where nothing is missing. */
int merge_daemon_json(const char *old, char **ret, struct err *e);

/*
 * exec_start() - the last ExecStart= of a unit file with every -H and --host taken out. @ret: malloc'd, NULL:
 * there is none.
 * @ret_fd: -H fd:// was among them. Return: 0; -EINVAL: the engine listens on TCP there.
 */
int exec_start(const char *unit, char **ret, bool *ret_fd, struct err *e);

struct install_options {
	const char *root; /* "/" or the directory that stands for it; absolute */
	bool dry_run;	  /* change nothing */
	/* What is (or would be) done, one line without newline; @detail: the change of the text, or NULL. */
	void (*say)(void *ctx, const char *line, const char *detail);
	void *ctx;
};

/* install_run() - Return: how many files were (or would be) changed, or -errno. */
int install_run(const struct install_options *o, struct err *e);

/*
 * uninstall_run() - back to what was before. Files that were changed since by somebody else are left, with the
 * backup, and named. Return: how many were put back; -EBUSY: some were left; -errno.
 */
int uninstall_run(const struct install_options *o, struct err *e);

#endif
