/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_INIT_H
#define RUNTIME_INIT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "cgroup/cgroup.h"
#include "confine/confine.h"
#include "runtime/plan.h"

/*
 * The container's side of create: runs in the process that becomes the container's pid 1. It was cloned from the runtime and shares its
 * memory copy-on-write: everything was parsed and judged before.
 */
struct init_args {
	const struct oci_spec *spec;
	struct plan *plan;
	const struct seccomp_program *seccomp;
	const char *id;
	const char *state, *created_state; /* OCI state texts for hooks that run inside */
	const char *stage_at;
	int sync;	/* socket to the runtime (SOCK_SEQPACKET) */
	int start_fd;	/* listening start socket */
	int proc_fd;	/* the host's procfs; closed before anything of the container is touched */
	int console_fd; /* connected console socket, or -EBADF */
	bool new_ns[OCI_NS_COUNT];
	const struct cgroup_entry *entry;    /* groups to move into first; NULL: the runtime moves us */
	const struct seccomp_program *traps; /* of the supervisor */
	bool new_keyring, notify;
	unsigned preserve_fds;
};

/* What goes over the sync socket; both sides use these names. */
enum sync_kind {
	SYNC_GO,      /* runtime -> init: maps are written, groups entered, stage is built */
	SYNC_READY,   /* init -> runtime: put together; waiting to be released */
	SYNC_RELEASE, /* runtime -> init: state is on disk; wait for start */
	SYNC_ERROR,   /* init -> runtime: err tells why */
};

struct sync_msg {
	enum sync_kind kind;
	pid_t pid;
	uint64_t root_dev;
	struct err err;
};

int sync_send(int fd, enum sync_kind kind, const struct err *err);
/* sync_recv() - next message. -EPIPE when the other side is gone. */
int sync_recv(int fd, struct sync_msg *ret);

/* container_init() - never returns: becomes the program or exits. */
void container_init(const struct init_args *a) __attribute__((noreturn));

struct assembled {
	int root_fd;  /* the container's root */
	int stage_fd; /* the stage; gone after pivot */
	int rw_fd;    /* writable view or -EBADF */
	int proc_fd;  /* clean procfs */
	int at_fd;    /* where the root is attached before pivot_root */
};

/*
 * assemble_enter() - unshare the mount namespace and open what is needed of the stage. While we still are the host's root by number:
 * the stage may lie below directories that only root may enter.
 * assemble() - as container root: put the tree together, see plan.h.
 * assemble_pivot() - make it the root.
 */
int assemble_enter(const struct init_args *a, struct assembled *t, struct err *e);
int assemble(const struct init_args *a, struct assembled *t, struct err *e);
int assemble_pivot(const struct init_args *a, const struct assembled *t, struct err *e);

/* console_open() - a pty of the container's own devpts: master sent to @console_fd (or returned), slave as stdio. */
int console_setup(const struct oci_process *p, const struct assembled *t, int console_fd, struct err *e);
/* console_setup_in() - the same for exec: @root_fd is the container's root. No /dev/console. */
int console_open_in(int root_fd, const struct oci_process *p, int console_fd, int *ret_slave, struct err *e);
int console_take(int slave, struct err *e);

/*
 * run_process() - the common end of init and exec: ids, working directory, look-up of the program (before start), then
 * capabilities, labels, seccomp and execve (after).
 */
struct run_args {
	const struct oci_process *process;
	const struct oci_linux *linux_;
	const struct seccomp_program *seccomp, *traps; /* the profile; the supervisor's filter, n 0 without */
	int proc_fd;				       /* clean procfs */
	int notify_fd; /* socket to whoever takes the seccomp listener, or -EBADF */
	unsigned preserve_fds;
	const char *extra_env[4]; /* NULL-terminated */
};

/*
 * run_close_others() - close everything from 3 on but the @n fds in @keep and the first @preserve, which the caller of the
 * runtime wants passed on. Before anything of the container is looked up: an image's links may lead through
 * /proc/self/fd (A2), and while a created container waits for its start it holds no fd of the host's.
 */
void run_close_others(unsigned preserve, const int *keep, size_t n);
int run_prepare(const struct run_args *a, char **ret_path, struct err *e);
int run_exec(const struct run_args *a, const char *path, struct err *e);

#endif
