/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CGROUP_CGROUP_H
#define CGROUP_CGROUP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "codec/oci-spec.h"

/*
 * The container's control groups: cgroup v1 hierarchies (with or without an empty cgroup2 beside them, "hybrid") and
 * cgroup2 alone; made directly ("cgroupfs" driver) or by systemd over D-Bus ("systemd" driver, done by the separate
 * program caisson-systemd, so that the runtime itself stays static).
 *
 * Directories are held as O_PATH fds, opened once below the hierarchy's root with openat2(RESOLVE_BENEATH |
 * RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS); cgroupsPath and resource values are untrusted. All functions run as
 * host root in the host's mount namespace unless it says otherwise; fds stay usable after the mount namespace is left.
 */

struct cgroup;

#define CGROUP_HIERARCHY_MAX 24

/* One device that the container may use, as the runtime decided it (never the spec's raw list). */
struct cgroup_device {
	char type;	      /* 'c', 'b' or 'a' (both) */
	int64_t major, minor; /* -1: any */
	bool read, write, mknod;
};

struct cgroup_params {
	const char *id;		    /* container id */
	const char *cgroups_path;   /* linux.cgroupsPath; NULL: "/caisson/<id>" resp. "caisson-<id>.scope" */
	bool systemd;		    /* cgroups_path is "slice:prefix:name" */
	const char *systemd_helper; /* absolute path of caisson-systemd */
	bool delegate;		    /* the container manages cgroups of its own: see cgroup_delegate() */
	uint32_t owner;		    /* host id of container root, for delegation */
	const struct oci_resources
		*res; /* may be NULL; with the systemd driver borrowed until cgroup_enter() returns */
	const struct cgroup_device *devices; /* everything else is denied; borrowed likewise */
	size_t n_devices;
	const struct oci_kv *annotations; /* org.systemd.property.* is ignored on purpose (A72) */
	size_t n_annotations;
};

/*
 * cgroup_create() - make the groups and put the limits in place, empty of processes.
 * With the systemd driver the unit can only be made around a process: then the directories come to exist in
 * cgroup_enter(). An already existing directory that has processes is refused (names the path); an empty one is reused.
 * On failure everything made here is removed again.
 * v1: every mounted controller hierarchy and the named and unified ones. Missing controllers that @res asks for are
 * refused by name; cpuset.cpus/mems are inherited from the parent when the parent directories are made here.
 * The parent path is made as needed (owned by root) and is left in place on destroy only if it existed before or
 * is not empty.
 */
int cgroup_create(const struct cgroup_params *p, struct cgroup **ret, struct err *e);

/* cgroup_enter() - move process @pid into all of the groups (systemd driver: start the transient unit around it). */
int cgroup_enter(struct cgroup *cg, pid_t pid, struct err *e);

/*
 * Entering without cgroup_enter(): a process that moves itself, alone, is moved without the kernel's global
 * thread-group lock. Moving another one waits for an RCU grace period on an idle host: 8-17 ms measured for the first of
 * the hierarchies, against 0.1 ms for all of them this way. For runtime "create" and "exec":
 *
 *   cgroup_entry_open()        before clone, as host root
 *   clone3(CLONE_INTO_CGROUP, .cgroup = entry.into_fd)   when into_fd >= 0
 *   cgroup_entry_self()        in the child, single-threaded, any credentials and namespaces; only write(2)
 *   cgroup_entry_done()        in both; the fds are CLOEXEC
 *
 * -EOPNOTSUPP from cgroup_entry_open() (systemd driver): use cgroup_enter().
 */
struct cgroup_entry {
	int into_fd;
	bool into_owned; /* false: borrowed from @cg */
	int tasks_fd[CGROUP_HIERARCHY_MAX];
	size_t n;
	struct cgroup *cg;
};
int cgroup_entry_open(struct cgroup *cg, struct cgroup_entry *ret, struct err *e);
/* cgroup_entry_open_join() - the same for exec: the groups of @init_pid, or @sub as in cgroup_join(); any driver. */
int cgroup_entry_open_join(struct cgroup *cg, pid_t init_pid, const char *sub, struct cgroup_entry *ret,
			   struct err *e);
int cgroup_entry_self(const struct cgroup_entry *entry, struct err *e);
void cgroup_entry_done(struct cgroup_entry *entry);

/*
 * cgroup_into_fd() - the cgroup2 directory as a borrowed fd for clone3(CLONE_INTO_CGROUP), or -EBADF when there is none
 * usable (no cgroup2 mounted, or systemd driver). cgroup_enter() then still moves the process in the v1 ones.
 */
int cgroup_into_fd(const struct cgroup *cg);
/* cgroup_set_cloned_into() - the process was cloned into cgroup_into_fd(): cgroup_enter() need not move it there. */
void cgroup_set_cloned_into(struct cgroup *cg);

/*
 * cgroup_delegate() - after cgroup_enter(): give container root (owner) the right to manage groups of its own.
 * v2: chown the container's directory and its cgroup.procs, cgroup.threads, cgroup.subtree_control (never the limit files)
 * v1: a child directory "delegated" in each hierarchy, chowned likewise with its files, and @pid moved into it, so that the
 * limits stay one level up, out of reach (A73); cpuset values are copied down. Not in blkio when there are throttle limits:
 * v1 does not apply them to groups below. Cheap only with params.delegate: then the child is made at creation and entered
 * directly. The cgroup namespace is created by the
 * caller after this, so the delegated directory is its root.
 */
int cgroup_delegate(struct cgroup *cg, pid_t pid, struct err *e);

/* cgroup_update() - apply @res to a live container (`update`): only what is given changes; v1 writes memory and swap limits in the order that the kernel accepts. */
int cgroup_update(struct cgroup *cg, const struct oci_resources *res, struct err *e);

/*
 * cgroup_set_devices() - replace the device list of a live container. Without a moment in which a device that is
 * allowed before and after would be denied.
 */
int cgroup_set_devices(struct cgroup *cg, const struct cgroup_device *devices, size_t n, struct err *e);

/* cgroup_freeze() - freeze (true) or thaw all processes and wait until it is done (at most 10 s). */
int cgroup_freeze(struct cgroup *cg, bool freeze, struct err *e);
/* cgroup_is_frozen() - Return: 1, 0 or -errno. */
int cgroup_is_frozen(struct cgroup *cg, struct err *e);

/* cgroup_kill() - send @sig to every process, recursively (cgroup.kill for SIGKILL where there is one, otherwise freeze-free loops until no new one appears). */
int cgroup_kill(struct cgroup *cg, int sig, struct err *e);

/*
 * cgroup_dir() - the container's directory in the hierarchy of @controller (v1 names; "blkio" is io on v2), as a borrowed O_PATH fd.
 * -EBADF when there is no such hierarchy, or the directory is not there (yet).
 */
int cgroup_dir(struct cgroup *cg, const char *controller);

/* cgroup_pids() - all processes, recursively, as pids of our pid namespace, sorted. @ret malloc'd. */
int cgroup_pids(struct cgroup *cg, pid_t **ret, size_t *ret_n, struct err *e);

/*
 * cgroup_join() - for exec: move @pid into the running container's groups: the one that its init is in now (delegated
 * child included), or below it at @sub ("exec --cgroup": "path" or "controller[,controller]:path"; must stay below).
 */
int cgroup_join(struct cgroup *cg, pid_t init_pid, pid_t pid, const char *sub, struct err *e);

/* cgroup_stats() - the object that `events --stats` prints as "data" (runc's field names). New reference. */
int cgroup_stats(struct cgroup *cg, json_t **ret, struct err *e);

/*
 * cgroup_oom_watch() - an fd that polls readable at OOM kills; cgroup_oom_read() returns 1 for a new OOM event, 0 for none,
 * -ENODEV once the group is gone (v2: or its last process).
 */
int cgroup_oom_watch(struct cgroup *cg, int *ret_fd, struct err *e);
int cgroup_oom_read(struct cgroup *cg, int fd, struct err *e);

/*
 * cgroup_destroy() - remove all directories, children that the container made included, retrying while the last
 * processes are being reaped (at most 5 s; then -EBUSY with the path). Missing ones are fine: idempotent.
 */
int cgroup_destroy(struct cgroup *cg, struct err *e);

/*
 * cgroup_save() / cgroup_load() - what state.json keeps ("cgroup": {...}), new reference / new handle. Loading
 * re-opens the directories; ones that are gone are remembered as gone (destroy succeeds, others say -ENOENT).
 * The text is our own file, but still checked: paths must be absolute, without ".." or empty components.
 */
json_t *cgroup_save(const struct cgroup *cg);
int cgroup_load(const json_t *saved, struct cgroup **ret, struct err *e);

/* cgroup_paths() - {"memory": "/sys/fs/cgroup/memory/docker/x", ...} resp. {"": path}, as runc's state shows it. */
json_t *cgroup_paths(const struct cgroup *cg);

/* cgroup_is_v2() - true when cgroup2 is mounted at /sys/fs/cgroup. */
bool cgroup_is_v2(void);

/*
 * cgroup_v1_mounts() - the v1 hierarchies to show inside a container: each a name for the directory below
 * /sys/fs/cgroup (as on the host: "cpu", "cpu,cpuacct", "systemd", "unified") and the mount data
 * ("cpu", "name=systemd"); is_v2 for the unified one. With cgroup2 alone: one entry with the name "". Host-wide facts, static lifetime per process.
 */
struct cgroup_hierarchy {
	char name[64];
	char data[128];
	bool is_v2;
};
int cgroup_hierarchies(const struct cgroup_hierarchy **ret, size_t *ret_n, struct err *e);

void cgroup_free(struct cgroup *cg);

#endif
