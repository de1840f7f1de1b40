/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MONITOR_LAUNCH_H
#define MONITOR_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * What the runtime does with a container's supervisor. One monitor per container; it lives in the host's
 * namespaces except for a mount namespace of its own that holds nothing but the carriers of the emulated files
 * (see cover.h), ends by itself when the container's init has ended, and as long as it has not been committed,
 * when the runtime closes its end of the control socket or dies.
 */
struct monitor_params {
	const char *id;
	uint32_t base;
	const char *libexec_dir; /* where caisson-monitor, caisson-notify and caisson-procview are */
	int proc_fd;		 /* O_PATH of the host's /proc */
	bool resource_view;
	uint32_t devices; /* EMU_DEV_* */
	/* As in linux.maskedPaths, readonlyPaths. Clean ones below /proc and /sys are kept for later mounts. */
	const char *const *masked, *const *read_only;
	size_t n_masked, n_read_only;
	bool cgroup_v2;
	int cgroup[6]; /* O_PATH directories in the order of WORKER_FD_CG_*; -EBADF where there is none; borrowed */
};

struct monitor {
	int control;			/* our end; closing it before monitor_commit() ends the monitor */
	pid_t pid;			/* of the monitor, after monitor_carriers(); not our child */
	int constant, changing, sysctl; /* detached mounts of the carriers, after monitor_carriers() */
};

#define MONITOR_EMPTY ((struct monitor){ -EBADF, 0, -EBADF, -EBADF, -EBADF })

/*
 * monitor_launch() - start a container's supervisor in the background: returns as soon as it is forked. Must be
 * called in the host's mount namespace as host root, single-threaded. Standard streams and all other files of
 * ours are closed in it. What goes wrong in it, monitor_carriers() tells. @p is not needed any more when this returns.
 */
int monitor_launch(const struct monitor_params *p, struct monitor *ret, struct err *e);

/*
 * monitor_carriers() - wait until the emulated files can be mounted and take the three mounts. Names what failed;
 * then only monitor_done() is left to do. Works in any mount namespace, as do those below: none needs /proc.
 */
int monitor_carriers(struct monitor *m, struct err *e);

/*
 * monitor_commit() - from now on it belongs to the container whose init is @init_pidfd, and listens on the
 * socket "monitor" in the directory @dir_fd (made here, 0600). Returns when it does. -ECONNRESET: it has died.
 * Close m->control (monitor_done()) afterwards.
 */
int monitor_commit(struct monitor *m, int init_pidfd, int dir_fd, struct err *e);

/* monitor_done() - close our ends. Before the commit that is the end of the monitor, too. */
void monitor_done(struct monitor *m);

/*
 * monitor_give_listener() - hand a seccomp listener to the monitor of the container with state directory
 * @dir_fd, and wait until it is held. @listener stays the caller's. -ENOENT, -ECONNREFUSED: there is no
 * monitor; -EINVAL: not a listener; -ENFILE: it has 4096 already; -EIO: the worker could not be made to live.
 */
int monitor_give_listener(int dir_fd, int listener, struct err *e);

/* monitor_is_there() - does a monitor listen there? */
bool monitor_is_there(int dir_fd);

/*
 * monitor_let_go() - the container is gone: have a monitor that somebody stopped (SIGSTOP) go on, so that it sees that
 * and ends, and ends its workers. One that runs does so anyway.
 */
void monitor_let_go(int dir_fd);

#endif
