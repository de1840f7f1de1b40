/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_BIND_H
#define POLICY_BIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/settings.h"

/*
 * May this host object be mounted into a container, and how are its ids mapped? Pure: a typed description of an
 * already opened source in, a verdict out. The zero verdict is deny.
 */

enum bind_verdict {
	BIND_DENY = 0, /* M3: "can't mount <path> because it's configured as a restricted host mount" */
	BIND_ENGINE, /* the engine's own: volume, resolv.conf, secrets, init binary ...: ids 0..65535 <-> the container's range */
	BIND_SHARE, /* a shared host directory: mapped by the share's owner rule */
	BIND_SHARE_IDENTITY,
	BIND_SHARE_CONTAINER,
};

/* What sys/ found out about the opened source. All strings are canonical absolute paths as the kernel reports them. */
struct bind_source {
	const char *path; /* /proc/self/fd/N of the opened source */
	const char *
		real_path; /* where the same object lies when reached through the file system's own root mount: differs from
				 * @path when the source is (below) a bind mount, e.g. a local volume with o=bind,device=/etc; NULL: unknown alias -> deny */
	const char *fstype; /* of the mount, "ext4", "tmpfs", "overlay", "nfs4", ... */
	bool is_mount_root; /* the source itself is the root of a mount */
	bool is_directory, is_socket, is_regular;
	uint32_t owner_uid;
	const char *
		mount_point; /* where the mount that holds the source is attached; NULL: not known, then nothing below a
				  * volume's _data is engine-managed (only _data itself), see the volume rule */
	const char *real_mount; /* where the mount is attached through which the object is at @real_path; NULL: not
				 * known, then no part of a volume that is mounted elsewhere is engine-managed */
};

/* Who asks: what the runtime knows of the engine from the bundle. */
struct bind_context {
	const char *container_id;
	const char *bundle;		    /* canonical */
	const char *rootfs;		    /* canonical path of root.path */
	const char *const *protected_paths; /* canonical: our state root, settings directory, engine sockets ... */
	size_t n_protected;
	const char *const *joined_ids; /* containers whose namespaces this one joins (--network=container:x, pods);
					* NULL: not known, then any CRI sandbox's files are accepted */
	size_t n_joined;
	const char *
		pod_uid; /* Kubernetes pod of the container, NULL: not known; then any pod's directory is accepted */
};

struct bind_decision {
	enum bind_verdict verdict;
	bool force_read_only; /* read-only by policy, whatever was asked for: a share, or the init program */
	const char *
		rule; /* static text or settings path: which rule decided, for the message and the audit; never NULL, lives as long as @s */
};

/*
 * policy_bind() - decide.
 * Engine-managed (BIND_ENGINE), each also required to be reached at its real path (no alias) unless said otherwise:
 *   <data-root>/containers/<own id>/...      Docker: resolv.conf, hosts, hostname, mounts/{shm,secrets}  (tmpfs mounts allowed)
 *   <data-root>/volumes/<name>/_data[/...]   Docker volumes; a volume that is itself a mount only when tmpfs, nfs, nfs4, cifs (E40, B3: local volume
 *                                            with o=bind,device=/etc, overlay with lowerdir=, device=/dev/sda are refused)
 *   <data-root>/tmp/safe-mount<n>            a part of such a volume of the same data root (volume-subpath), bound there
 *   <data-root>/buildkit/..., <data-root>/overlay2/<x>/... for BuildKit's bundles (bundle below <data-root>/buildkit/executor)
 *   /usr/bin/docker-init, /usr/libexec/docker/docker-init, /usr/sbin/docker-init, catatonit/tini of Podman (regular file, owner root)
 *   <root>/overlay-containers/<own id>/userdata/... and <graphroot>/volumes/<name>/_data   Podman
 *   /var/lib/containerd/io.containerd.grpc.v1.cri/..., /run/containerd/io.containerd.grpc.v1.cri/..., /var/lib/kubelet/pods/...   CRI
 *   paths below the bundle itself
 * where <data-root> is derived from @rootfs (<data-root>/<driver>/<layer>/merged|/...), from the bundle, or listed in settings.engine_roots.
 * Never: sockets of engines, /proc, /sys, /dev below any share; anything that is, contains or lies below a protected path.
 * Everything else: the longest matching share, compared by real_path on component boundaries; deny otherwise.
 *
 * Order: never, engine-managed, shares. What an attacker who may name sources (or swap a symlink after the engine looked)
 * makes of the rows above narrows them further:
 *   - of an engine's container directory only what engines mount: resolv.conf, hosts, hostname, mounts/... resp. Podman's
 *     resolv.conf, hosts, hostname, passwd, group, .containerenv, shm, secrets/..., run/...; never hostconfig.json, config.json,
 *     logs, control files, nor the directory as a whole. Of a @joined_ids container: the three files and its shm.
 *   - of the bundle: nothing directly in it when containerd runs it (its shim trusts what lies there), else all but
 *     config.json and process.json.
 *   - of CRI's directories sandboxes/<x>/{hostname,hosts,resolv.conf,shm} and containers/<x>/volumes/...; of kubelet's
 *     <pod>/{volumes,volume-subpaths,containers}/... and etc-hosts; a sub-path's alias is accepted when its real path is
 *     one of the same pod's volumes.
 *   - of BuildKit: executor/{hosts*,resolv.conf*}, overlay2/<x>/{diff,merged}/..., the temporary mounts
 *     <data-root>/tmp/{buildkit-mount,buildkit-secrets,.buildkit-ssh-sock}<x>/...
 *   - kernel file systems (proc, sysfs, devtmpfs, cgroup, nsfs, ...) are refused wherever they are mounted.
 *   - a share does not reach into an engine's data root or configuration that lies below it, nor may it be used for
 *     a directory that contains one; a share that itself lies inside is a decision of the administrator and is honoured.
 *   - a data root or bundle that lies in a share and is neither the distribution's default nor in engine_roots gets
 *     the share's verdict (id mapping) instead of BIND_ENGINE: users can make directories there that look like an engine's.
 * So adding a protected path or removing a share never turns deny into allow.
 */
struct bind_decision policy_bind(const struct settings *s, const struct bind_context *c,
				 const struct bind_source *src);

#endif
