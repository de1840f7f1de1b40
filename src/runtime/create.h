/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_CREATE_H
#define RUNTIME_CREATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "runtime/container.h"

struct create_options {
	const char *id, *bundle; /* bundle NULL: working directory */
	const char *console_socket, *pid_file;
	int console_fd; /* instead of console_socket: connected socket, borrowed, -EBADF when none (run) */
	bool no_pivot, no_new_keyring;
	unsigned preserve_fds;
};

/*
 * create_container() - OCI "create": everything up to the point where init waits for "start". On failure nothing is left:
 * processes, groups, ids, files. Must be called in a process that may change its mount namespace for good.
 * @ret: may be NULL; holds the container's lock until container_done().
 */
int create_container(const struct runtime *rt, const struct create_options *o, struct container *ret,
		     struct err *e);

/* create_stage_name() - the stages in the order in which they run; NULL at the end. */
const char *create_stage_name(size_t i);

/* start_container() - OCI "start": tell init, run poststart hooks. */
int start_container(const struct runtime *rt, const char *id, struct err *e);

/* now_rfc3339() - UTC with nanoseconds, as state files and logs want it. @text: at least 40 bytes. */
void now_rfc3339(char *text, size_t size);

/* stdio_give() - make pipes on stdio belong to host id @uid:@gid, so that a program can reopen /dev/stdout. */
void stdio_give(uint32_t uid, uint32_t gid);

/* connect_unix() - connect to the unix socket at @path. Return: a new fd or -errno. */
int connect_unix(const char *path, struct err *e);

#endif
