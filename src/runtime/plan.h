/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_PLAN_H
#define RUNTIME_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "codec/mountinfo.h"
#include "codec/mountopt.h"
#include "codec/oci-spec.h"
#include "codec/settings.h"
#include "emulate/cover.h"
#include "policy/bind.h"
#include "runtime/container.h"

/*
 * What will be mounted in a container, decided and opened in the host's mount namespace before anything of
 * the container exists ("plan"), then made ready by the runtime process ("stage"), then put together by the
 * container's init with the container's own rights ("assemble").
 *
 * Stage: a tmpfs that becomes the root of an intermediate mount namespace owned by the host's user namespace. Every
 * mount that the host makes lies there under a name of its own. Init then unshares its mount namespace inside the
 * container's user namespace: the kernel locks everything in the copy (children cannot be separated, read-only,
 * nosuid, nodev, noexec are frozen). open_tree(CLONE) of each name gives a mount with a free top and locked
 * insides, which init moves into place. See docs/adr/0002-locked-mounts.md.
 */

enum mount_kind {
	MOUNT_STAGED, /* made by the host, taken over by init from the stage */
	MOUNT_INSIDE, /* made by init in the container's own namespaces: tmpfs, devpts, mqueue, cgroup2 ... */
	MOUNT_CGROUP, /* cgroup hierarchies as the container's cgroup namespace shows them */
};

enum staged_kind {
	STAGED_NONE,
	STAGED_BIND,
	STAGED_PROC,
	STAGED_SYS,
	STAGED_DEV,
	STAGED_OVERLAY,
};

/* Whose ids a source has on disk, and so how its mount is mapped. */
struct source_map {
	enum bind_verdict verdict;
	uint32_t owner_uid, owner_gid; /* BIND_SHARE: of the source */
};

struct planned_root;

/* A Docker socket of the container's own. */
struct planned_socket {
	int dir; /* the token's directory */
};

struct planned_mount {
	const struct oci_mount *spec;
	struct mount_options opt;
	enum mount_kind kind;
	enum staged_kind staged;
	bool is_dir;
	bool engine_tmpfs; /* a directory of the engine's on tmpfs: mounted as it is where tmpfs cannot be id-mapped */
	bool plain;	   /* belongs to the container's ids as it is: no mapping */
	bool no_nodes;	   /* holds no device node and never will: need not be nodev */
	int fd;		   /* STAGED: detached mount, owned until it is attached to the stage */
	struct source_map map;
	struct planned_root *overlay;  /* STAGED_OVERLAY, owned */
	struct planned_socket *socket; /* STAGED_BIND: a Docker socket of the container's own; owned, NULL: none */
	char name[24];		       /* on the stage */
};

struct overlay_layer {
	int fd; /* detached clone of the layer's mount with the layer as its root */
	bool data_only;
	struct source_map map;
};

/* The root file system, or another overlay. */
struct planned_root {
	bool overlay;
	int fd; /* not an overlay: detached clone of root.path */
	struct overlay_layer *lower;
	size_t n_lower;
	int parent_fd;	    /* overlay with upper: detached clone of the directory that holds upper and work */
	char *upper, *work; /* names below it */
	struct source_map parent_map;
	struct overlay_options opt;
	char *opt_text;	     /* what opt points into */
	uint64_t engine_dev; /* of the engine's overlay */
	uint64_t dev;	     /* of the overlay once made */
};

struct plan {
	const struct oci_spec *spec;
	const struct settings *settings;
	struct planned_root root;
	struct planned_mount *mounts;
	size_t n_mounts;
	bool host_visible; /* createContainer hooks run before pivot_root with the host's tree in view */
	bool no_pivot;
	bool dev_in_root; /* nothing is mounted on /dev: each node is bound into the root file system */
	char *rootfs;	  /* canonical root.path */
	/* devices, as the policy decided */
	struct oci_device *devices;
	size_t n_devices;
	struct cgroup_device *device_rules;
	size_t n_device_rules;
};

#define STAGE_ROOT "root"     /* the root file system */
#define STAGE_RW   "rw"	      /* a writable view of it, when it is read-only: for making mount points */
#define STAGE_NEW  "new"      /* where init attaches the root before pivot_root */
#define STAGE_PROC "proc"     /* a clean procfs of the container's pid namespace, for init's own writes */
#define STAGE_DEV  "dev"      /* device nodes, when plan.dev_in_root */
#define STAGE_NULL COVER_NULL /* /dev/null made by us, to mask files with */

/*
 * plan_make() - open and judge the root file system, every mount source and every device. Runs in the host's mount namespace as root.
 * bundle: canonical path; relative root.path and bind sources are below it
 * joined_ids: containers whose namespaces this one joins, NULL-terminated; NULL: none
 */
struct plan_args {
	const struct settings *settings;
	const struct oci_spec *spec;
	const char *bundle, *id;
	char *const *joined_ids;
	const char *notify_dir; /* directory for a notify socket to show at /run/notify, or NULL */
	bool no_pivot;
};
int plan_make(const struct runtime *rt, const struct plan_args *a, struct plan *ret, struct err *e);
void plan_done(struct plan *p);

/* Parts, each in a file of its own. */
/* plan_root() - *@ret_upper: see plan_overlay_upper(); left alone when the root is no overlay that is written to. */
int plan_root(const struct runtime *rt, struct plan *p, const char *bundle, int *ret_upper, struct err *e);
int plan_bind(const struct runtime *rt, struct plan *p, struct planned_mount *m, const struct bind_context *ctx,
	      struct err *e);

/*
 * plan_socket() - is the opened source a Docker socket that the guard made (<settings' directory>/<token>/docker.sock),
 * and is it for the container @id? Then m->socket is set, and the mount will be nosuid, nodev, noexec. @fd: O_PATH,
 * borrowed; @path: where the kernel says it lies. Return: 1; 0: it is something else, for the policy to decide; -EPERM: it
 * is another container's, nobody's yet, or not root's alone, ...
 */
int plan_socket(const struct plan *p, struct planned_mount *m, const char *id, int fd, const char *path,
		struct err *e);
void planned_socket_free(struct planned_socket *socket);

/*
 * stage_socket() - let the ids of the container, which start at @base, and no others use its socket, which @mnt is a
 * detached mount of: the guard is told by the file "ids", and the socket belongs to container root and to the group of
 * the same number as its directory's on the host.
 */
int stage_socket(const struct planned_socket *socket, int mnt, uint32_t base, struct err *e);

int plan_overlay_mount(const struct runtime *rt, struct plan *p, struct planned_mount *m,
		       const struct bind_context *ctx, struct err *e);
int plan_devices(struct plan *p, struct err *e);
/*
 * plan_overlay_upper() - open upper's parent directory and make our work directory in it. @base: for relative paths.
 * @ret_dir: that directory as seen in our mount namespace, to be closed by the caller; may be NULL.
 */
int plan_overlay_upper(struct planned_root *root, int base, int *ret_dir, struct err *e);

/*
 * plan_inner_dirs() - when processes of the container can mount and its root file system is an overlay: a private
 * directory of the host's file system for each place where an engine inside (Docker, containerd, Podman, BuildKit,
 * kubelet, k3s, k0s) keeps its layers. They are the first of the planned mounts, so that whatever the spec mounts there
 * lies on top; where it mounts something at or above such a place anyway, nothing is added. On first use a directory
 * is filled with what the image has there, ids as on disk.
 * They are not nodev: containerd and runc before 1.2 bind parts of them and remount those without it, which the kernel
 * refuses where it is frozen. Nor need they be: device nodes are not copied, and nobody can make any there.
 * @upper_dir: the directory that holds the upper layer (plan_overlay_upper()), or -EBADF; borrowed
 * p->mounts must have room for INNER_DIRS more.
 */
#define INNER_DIRS 7
int plan_inner_dirs(struct plan *p, int upper_dir, struct err *e);
void planned_root_done(struct planned_root *root);

struct supervisor;

/* What staging needs to know of the container that was just cloned. */
struct stage_context {
	const struct runtime *rt;
	pid_t init;
	uint32_t base;
	int userns_fd, netns_fd, pidns_fd;
	struct supervisor *super; /* has the carriers of the emulated files; NULL: nothing is emulated */
	bool netns_is_hosts;	  /* joined, and owned by the host's user namespace: sysfs is made read-only */
};

/*
 * stage_enter() - in the intermediate mount namespace (unshared, private), before init is cloned into it: attach the stage
 * at @at (a directory of the host: the state directory) and make it the root of the namespace (unless plan->host_visible), so that
 * whoever can look at init from the start sees nothing of the host's mounts (A34). Working directory: the stage.
 * stage_build() - make all of its mounts, when init and its namespaces exist.
 */
int stage_enter(const struct plan *p, const char *at, struct err *e);
int stage_build(struct plan *p, const struct stage_context *c, struct err *e);

/*
 * stage_mapping() - the user namespace that maps a source. *@ret_owned: to be closed by the caller, or -EBADF when the
 * result is the container's own. Return: fd or -errno.
 */
int stage_mapping(const struct plan *p, const struct source_map *map, const struct stage_context *c,
		  int *ret_owned, struct err *e);

/* overlay_make() - a detached overlay over the id-mapped layers. @attr: MOUNT_ATTR_*. Return: fd or -errno. */
int overlay_make(const struct plan *p, const struct planned_root *root, const struct stage_context *c,
		 unsigned attr, struct err *e);

/* root_make() - the id-mapped root file system as a detached mount. Return: fd or -errno. */
int root_make(struct plan *p, const struct stage_context *c, struct err *e);

#endif
