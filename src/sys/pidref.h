/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYS_PIDREF_H
#define SYS_PIDREF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * A process that cannot be mistaken for another: pid, pidfd (Linux 5.3) and start time (clock ticks since boot, which
 * is what a state file can keep). Empty: { 0, -EBADF, 0 }.
 */
struct pidref {
	pid_t pid;
	int fd;
	uint64_t start;
};

#define PIDREF_EMPTY ((struct pidref){ .fd = -EBADF })

/*
 * pidref_open() - take hold of @pid. @start: expected start time, 0 for any. -ESRCH when it is gone, a zombie, or another process.
 * @proc_fd: O_PATH of a procfs of our pid namespace
 */
int pidref_open(int proc_fd, pid_t pid, uint64_t start, struct pidref *ret);
int pidref_signal(const struct pidref *p, int sig);
/* pidref_wait_exit() - wait until it is dead, at most @ms (-1: for ever). Return: 1 dead, 0 time is over, -errno. */
int pidref_wait_exit(const struct pidref *p, int ms);
void pidref_done(struct pidref *p);

/* pidref_start_time() - field 22 of /proc/PID/stat; @ret_state its state letter (may be NULL). -ESRCH when gone. */
int pidref_start_time(int proc_fd, pid_t pid, uint64_t *ret, char *ret_state);

#endif
