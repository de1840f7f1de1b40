/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_HOOKS_H
#define RUNTIME_HOOKS_H

#include <sys/types.h>

#include "base/err.h"
#include "codec/oci-spec.h"

/*
 * OCI hooks: run in order, each with the state object on stdin, until one fails or takes longer than its timeout (then
 * it is killed). Output is kept (4 KiB) for the message. Hooks come with the bundle, i.e. from the engine, and run
 * with the runtime's own rights, except createContainer and startContainer, which run inside the container's.
 */

struct hook_runner {
	pid_t pid; /* 0: nothing to wait for */
	int fd;	   /* reports a struct err */
};

#define HOOK_RUNNER_EMPTY ((struct hook_runner){ .fd = -EBADF })

/*
 * hooks_start() - run @n lists of hooks one after the other in a child process.
 * @mntns_fd: mount namespace to enter first (the host's), or -EBADF     @cwd: working directory there
 */
int hooks_start(const struct oci_hooks *const *lists, const char *const *names, size_t n, const char *state,
		int mntns_fd, const char *cwd, struct hook_runner *ret, struct err *e);
/* hooks_wait() - wait for all of them; the first failure. Fine on an empty runner. */
int hooks_wait(struct hook_runner *h, struct err *e);
/* hooks_cancel() - kill what runs. */
void hooks_cancel(struct hook_runner *h);

/* hooks_run() - run one list in this process (as its children). */
int hooks_run(const struct oci_hooks *list, const char *name, const char *state, struct err *e);

#endif
