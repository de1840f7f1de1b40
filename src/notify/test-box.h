/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NOTIFY_TEST_BOX_H
#define NOTIFY_TEST_BOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "emulate/shared.h"

/*
 * A container in small for tests of the worker: a process in user, mount, pid and network namespaces of its own,
 * with the filter, whose procfs and sysfs (the host's, as copies) have a locked cover; a stage with carriers that
 * are tmpfs, not FUSE; a worker on it, and what the monitor does: start it again when it dies.
 */
#define BOX_BASE   1500000u
#define BOX_UPTIME 100 /* seconds since it started, as its parameters say */

/* In the box: say what is wrong and end. */
#define BOX_CHECK(cond)                                        \
	do {                                                   \
		if (!(cond))                                   \
			box_failed(__FILE__, __LINE__, #cond); \
	} while (0)
/* @call fails with @code. */
#define BOX_ERRNO(call, code)                                                            \
	do {                                                                             \
		errno = 0;                                                               \
		if ((call) >= 0 || errno != (code))                                      \
			box_failed(__FILE__, __LINE__, #call " is to fail with " #code); \
	} while (0)
_Noreturn void box_failed(const char *file, int line, const char *what);

struct box_options {
	bool no_filter;			/* what the kernel does by itself */
	bool no_worker;			/* nobody answers */
	bool view;			/* sysinfo(2) is trapped */
	unsigned devices;		/* EMU_DEV_* */
	const char *masked, *read_only; /* one path each, "proc/kcore", or NULL */
	bool kill_randomly;		/* the worker, again and again */
	int point; /* NOTIFY_POINT_* at which the worker (or the caller) dies the first @times times; -1: none */
	bool caller;
	bool helper;	   /* its helper alone, which is then where the point must be */
	unsigned deadline; /* s; 0: the usual one */
	unsigned times;
	bool forget;		/* control: wipe the slot before a new worker starts */
	void (*sabotage)(void); /* runs in each worker before it serves */
};

#define BOX_DEFAULT ((struct box_options){ .point = -1 })

/*
 * box_run() - run @fn in a new box; it is to return. Return: true when nothing in it failed. @ret_deaths: of
 * workers, may be NULL.
 */
bool box_run(const struct box_options *o, void (*fn)(void), unsigned *ret_deaths);

/* Shared by the box and the worker's side. */
extern struct notify_shared *box_shared;
/* Shared by the box and the test: whatever is to be compared. */
#define BOX_NOTES 1024
extern int *box_notes;
/* How many descriptors the worker had open when the box had ended. */
extern unsigned box_worker_fds;

/*
 * box_child() - in the box: run @fn in a child; true when it ended well. @flags: for unshare(2) before it
 * (CLONE_NEWPID: in a grandchild).
 */
bool box_child(int flags, bool map, void (*fn)(void));
/* box_run_program() - in the box: exit status of /bin/sh -c @command. */
int box_shell(const char *command);

/* For the whole program: make the stage; root and a kernel with what is needed, or false. */
bool box_open(void);

#endif
