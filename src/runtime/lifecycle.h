/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_LIFECYCLE_H
#define RUNTIME_LIFECYCLE_H

#include <stdbool.h>

#include "base/err.h"
#include "codec/signame.h"
#include "runtime/container.h"
#include "runtime/create.h"

/*
 * run_container() - create and start; unless @detach also pass signals and the terminal through until init ends, then
 * delete (unless @keep). @ret_status: init's exit status, 128 + signal when it was killed; 0 when detached.
 */
int run_container(const struct runtime *rt, struct create_options *o, bool detach, bool keep, int *ret_status,
		  struct err *e);

/* delete_container() - a stopped or created one; any with @force, which is also fine with one that does not exist. */
int delete_container(const struct runtime *rt, const char *id, bool force, struct err *e);

/* kill_container() - @sig to init, or to all processes. "container not running" as runc words it. */
int kill_container(const struct runtime *rt, const char *id, int sig, bool all, struct err *e);

/* pause_container() - freeze or thaw; wrong states are refused. */
int pause_container(const struct runtime *rt, const char *id, bool freeze, struct err *e);

/*
 * supervise() - wait for child @pid, forwarding our signals to it; with @master >= 0 also relay between our
 * terminal (stdin, stdout) and that pty, in raw mode, with resizes. Consumes nothing. Return: exit status.
 */
int supervise(pid_t pid, int master, struct err *e);

/* supervise_console() - a connected pair for console_fd: receive the pty's master from @fd. Return: fd or -errno. */
int console_receive(int fd, struct err *e);

/* ---- exec ---- */

struct exec_options {
	const char *id;
	const char *process;	 /* file with an OCI process object, or NULL */
	const char *const *args; /* NULL-terminated, when no process file */
	const char *cwd, *apparmor, *label, *user, *pid_file, *console_socket, *cgroup;
	const char **env, **caps, **gids; /* NULL-terminated additions */
	bool tty, no_new_privs, detach, ignore_paused;
	unsigned preserve_fds;
};

/* exec_container() - run another process in it. @ret_status as for run_container(). */
int exec_container(const struct runtime *rt, const struct exec_options *o, int *ret_status, struct err *e);

#endif
