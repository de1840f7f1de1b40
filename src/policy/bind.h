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
	BIND_DENY = 0,	 /* M3: "can't mount <path> because it's configured as a restricted host mount" */
	BIND_ENGINE,	 /* the engine's own: volume, resolv.conf, secrets, init binary ...: ids 0..65535 <-> the container's range */
	BIND_SHARE,	 /* a shared host directory: mapped by the share's owner rule */
	BIND_SHARE_IDENTITY,
	BIND_SHARE_CONTAINER,
};

/* What sys/ found out about the opened source. All strings are canonical absolute paths as the kernel reports them. */
struct bind_source {
	const char *path;	/* /proc/self/fd/N of the opened source */
	const char *real_path;	/* where the same object lies when reached through the file system's own root mount: differs from
				 * @path when the source is (below) a bind mount, e.g. a local volume with o=bind,device=/etc; NULL: unknown alias -> deny */
	const char *fstype;	/* of the mount, "ext4", "tmpfs", "overlay", "nfs4", ... */
	bool is_mount_root;	/* the source itself is the root of a mount */
	bool is_directory, is_socket, is_regular;
	uint32_t owner_uid;
};

/* Who asks: what the runtime knows of the engine from the bundle. */
struct bind_context {
	const char *container_id;
	const char *bundle;	/* canonical */
	const char *rootfs;	/* canonical path of root.path */
	const char *const *protected_paths; /* canonical: our state root, settings directory, engine sockets ... */
	size_t n_protected;
};

struct bind_decision {
	enum bind_verdict verdict;
	bool force_read_only; /* the share is read-only by policy */
	const char *rule;     /* static text or settings path: which rule decided, for the message and the audit */
};

/*
 * policy_bind() - decide.
 * Engine-managed (BIND_ENGINE), each also required to be reached at its real path (no alias) unless said otherwise:
 *   <data-root>/containers/<own id>/...      Docker: resolv.conf, hosts, hostname, mounts/{shm,secrets}  (tmpfs mounts allowed)
 *   <data-root>/volumes/<name>/_data[/...]   Docker volumes; a volume that is itself a mount only when tmpfs, nfs, nfs4, cifs (E40, B3: local volume
 *                                            with o=bind,device=/etc, overlay with lowerdir=, device=/dev/sda are refused)
 *   <data-root>/buildkit/..., <data-root>/overlay2/<x>/... for BuildKit's bundles (bundle below <data-root>/buildkit/executor)
 *   /usr/bin/docker-init, /usr/libexec/docker/docker-init, /usr/sbin/docker-init, catatonit/tini of Podman (regular file, owner root)
 *   <root>/overlay-containers/<own id>/userdata/... and <graphroot>/volumes/<name>/_data   Podman
 *   /var/lib/containerd/io.containerd.grpc.v1.cri/..., /run/containerd/io.containerd.grpc.v1.cri/..., /var/lib/kubelet/pods/...   CRI
 *   paths below the bundle itself
 * where <data-root> is derived from @rootfs (<data-root>/<driver>/<layer>/merged|/...), from the bundle, or listed in settings.engine_roots.
 * Never: sockets of engines, /proc, /sys, /dev below any share; anything that is, contains or lies below a protected path.
 * Everything else: the longest matching share, compared by real_path on component boundaries; deny otherwise.
 */
struct bind_decision policy_bind(const struct settings *s, const struct bind_context *c, const struct bind_source *src);

#endif
