/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_CONTAINER_H
#define RUNTIME_CONTAINER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "cgroup/cgroup.h"
#include "codec/oci-spec.h"
#include "codec/settings.h"
#include "sys/pidref.h"

/* What every command works with: opened once by main, borrowed everywhere. */
struct runtime {
	const char *root;	   /* --root, absolute */
	const char *settings_path; /* --settings or NULL */
	const char *ids_path;	   /* registry of id ranges, the same for every --root */
	const char *systemd_helper;
	const char *libexec_dir; /* where the supervisor's programs are */
	bool systemd_cgroup;
	bool debug;
	int proc_fd;			 /* O_PATH /proc */
	int etc_fd;			 /* O_PATH /etc */
	void (*warn)(const char *text);	 /* log a line; never NULL */
	void (*trace)(const char *text); /* with --debug; never NULL */
};

enum container_status {
	CONTAINER_CREATING,
	CONTAINER_CREATED,
	CONTAINER_RUNNING,
	CONTAINER_PAUSED,
	CONTAINER_STOPPED,
};

/*
 * A container as its state directory <root>/<id> (0700) tells: state.json, config.json (the spec as it was at create)
 * and the socket "start" that its init listens on until it is started.
 */
struct container {
	char *id, *dir, *bundle, *rootfs, *created;
	int dir_fd; /* O_RDONLY directory; also carries the lock */
	uint32_t base;
	struct pidref init; /* empty when it is dead */
	pid_t init_pid;	    /* as saved */
	uint64_t init_start;
	json_t *annotations;  /* owned, may be NULL */
	json_t *cgroup_saved; /* owned, may be NULL */
	char *cgroups_path;   /* as asked for; what recovery of a half-made container goes by */
	uint64_t rootfs_dev;  /* of the overlay that we mounted, 0: the root is not one */
	uint64_t engine_dev;  /* of the engine's overlay over the same layers */
	bool systemd_cgroup, creating, delegated, has_poststart, has_poststop;
	bool supervised; /* a monitor takes its trapped calls */
};

#define CONTAINER_EMPTY ((struct container){ .dir_fd = -EBADF, .init = { .fd = -EBADF } })

/* container_check_id() - runc's rule: [A-Za-z0-9_+.-]{1,}, at most 1024 bytes, not "." or "..". */
int container_check_id(const char *id, struct err *e);

/*
 * container_new() - make the state directory and lock it. -EEXIST (text as runc's: "container with id exists: x") when it is
 * there and alive; a directory that a killed create left behind is cleaned up first.
 */
int container_new(const struct runtime *rt, const char *id, struct container *ret, struct err *e);

/*
 * container_load() - open an existing one. -ENOENT with runc's text "container does not exist".
 * @lock: hold the lock until container_done() (for commands that change it)
 * A container that a killed create left behind is loaded with creating set.
 */
int container_load(const struct runtime *rt, const char *id, bool lock, struct container *ret, struct err *e);

/* container_save() - write state.json (atomically). */
int container_save(const struct container *c, struct err *e);

/* container_status() - looks at init, its start socket and the freezer. */
enum container_status container_status(const struct container *c);
const char *container_status_name(enum container_status s);

/* container_state_json() - the OCI state object, plus runc's rootfs, created, owner. New reference. */
json_t *container_state_json(const struct container *c, enum container_status status);

/* container_hook_state() - the OCI state object alone, as text for hooks and seccomp agents; malloc'd, NULL without memory. */
char *container_hook_state(const struct container *c, enum container_status status);

/* container_cgroup() - open its groups. Caller frees. */
int container_cgroup(const struct container *c, struct cgroup **ret, struct err *e);

/* container_spec() - parse the saved config.json. */
int container_spec(const struct container *c, struct oci_spec *ret, struct err *e);

/*
 * container_destroy() - kill what is left, remove groups, give the ids back, remove the directory. Works on half-made
 * ones; idempotent. @c stays to be container_done().
 */
int container_destroy(const struct runtime *rt, struct container *c, struct err *e);

/* container_discard() - remove one whose state file is damaged, as far as it can be known what it held. */
int container_discard(const struct runtime *rt, const char *id, struct err *e);

/*
 * container_sweep() - clean up what killed creates left below <root>. Cheap: looks only at directories without state.
 */
void container_sweep(const struct runtime *rt);

/* container_refresh_root() - let the container see what the engine wrote to its layers ("docker cp"). Best effort. */
void container_refresh_root(const struct runtime *rt, const struct container *c);

void container_done(struct container *c);

#endif
