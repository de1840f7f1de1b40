/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYS_USERNS_H
#define SYS_USERNS_H

#include <sys/types.h>

#include "base/err.h"

/* userns_write_maps() - write uid_map and gid_map of process @pid (one write each, as the kernel wants). */
int userns_write_maps(int proc_fd, pid_t pid, const char *uid_map, const char *gid_map, struct err *e);

/*
 * userns_make() - a user namespace with these maps and no process in it, for id-mapped mounts.
 * Return: a new CLOEXEC fd, or -errno.
 */
int userns_make(int proc_fd, const char *uid_map, const char *gid_map, struct err *e);

/* ns_open() - /proc/PID/ns/NAME. Return: a new CLOEXEC fd, or -errno. */
int ns_open(int proc_fd, pid_t pid, const char *name, struct err *e);

#endif
