/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NOTIFY_WORKER_H
#define NOTIFY_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "emulate/shared.h"

/*
 * The worker: takes trapped calls from the listeners of one container, one at a time, and answers them. Most
 * answers are "go on": then the kernel judges the caller's own call, with whatever the caller's memory says by
 * then. Nothing may depend on what was read before such an answer.
 */
#define NOTIFY_WORK \
	"emu-work" /* where trees are put together: a directory of the stage, seen by our own copy of it only */
#define NOTIFY_DEADLINE_S \
	10u /* for one call; afterwards the worker dies of SIGALRM, and its successor answers EIO */
#define NOTIFY_ATTEMPTS	 64u /* kills from outside count, too; the monitor takes its time between many */
#define NOTIFY_LISTENERS 4096u

/* The covers of a tree that we have attached, by which it is known to be as it was. */
struct notify_tree_print {
	uint64_t top; /* unique id; 0: none */
	uint64_t covers, n;
	const struct notify_fs *fs;
};
#define NOTIFY_PRINTS 32u

struct notify_worker {
	struct notify_shared *shared; /* mapped, shared with our predecessor and successor */
	int proc;		      /* O_PATH, the host's /proc */
	int stage;	  /* O_PATH of the stage's root, our root directory, in our own mount namespace */
	int work;	  /* O_PATH of NOTIFY_WORK in it */
	int listener;	  /* that of the call in hand */
	int cg[6];	  /* borrowed: WORKER_FD_CG_*, -EBADF where there is none */
	int sysfs;	  /* borrowed: WORKER_FD_SYSFS */
	int own_net;	  /* our own network namespace */
	dev_t userns_dev; /* our own user namespace */
	ino_t userns_ino;
	uint64_t carriers[5]; /* devices of the file systems that covers come from */
	bool labels;	      /* a security module is there that names processes */
	bool has_pidns;	      /* see notify_fs_has_pidns() */
	bool built;	      /* there is a tree on the work directory: dropped after the answer */
	int locked_ns;	      /* the copy of our mount namespace that locked it: closed after the answer */
	struct notify_tree_print prints[NOTIFY_PRINTS]; /* a ring */
	unsigned next_print;
	void *helper_stack;
	void *sources; /* of sysinfo.c, opened when first needed */
};

/*
 * notify_worker_open() - @shared, @proc, @sysfs, @cg: borrowed. Our working directory and root must be the stage.
 * Makes a copy of the mount namespace for ourselves. Needs root with SYS_ADMIN, SYS_PTRACE, SYS_CHROOT, SETUID,
 * SETGID, MKNOD, CHOWN, FOWNER, DAC_OVERRIDE, DAC_READ_SEARCH, and SETPCAP at the beginning.
 */
int notify_worker_open(struct notify_worker *w, struct notify_shared *shared, int proc, int sysfs, const int cg[6],
		       struct err *e);

/* notify_worker_recover() - finish what our predecessor was at, on the listener it came from. */
void notify_worker_recover(struct notify_worker *w, int listener);

/*
 * notify_worker_serve() - take one call from @listener, which poll(2) says is readable, and answer it. @number:
 * the listener's.
 */
void notify_worker_serve(struct notify_worker *w, int listener, uint32_t number);

/*
 * notify_worker_run() - serve the listeners that arrive over @monitor until it is closed and the last of them has
 * ended.
 * Return: 0, or -errno when no work is possible.
 */
int notify_worker_run(struct notify_worker *w, int monitor, struct err *e);

void notify_worker_close(struct notify_worker *w);

/* notify_program() - caisson-notify: with the descriptors of emulate/shared.h. */
int notify_program(struct err *e);

#endif
