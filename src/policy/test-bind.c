/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "policy/bind.h"

#define ID    "1111111111111111111111111111111111111111111111111111111111111111"
#define OTHER "2222222222222222222222222222222222222222222222222222222222222222"
#define THIRD "3333333333333333333333333333333333333333333333333333333333333333"
#define LAYER "4444444444444444444444444444444444444444444444444444444444444444"

#define DR   "/var/lib/docker"
#define GR   "/var/lib/containers/storage"
#define RR   "/run/containers/storage"
#define CRI  "/var/lib/containerd/io.containerd.grpc.v1.cri"
#define CRIR "/run/containerd/io.containerd.grpc.v1.cri"
#define PODS "/var/lib/kubelet/pods"
#define POD  "0a1b2c3d-0000-1111-2222-333344445555"
#define PART DR "/tmp/safe-mount1843"
#define TASK "/run/containerd/io.containerd.runtime.v2.task/moby/" ID

static const char *const protected_paths[] = { "/run/caisson", "/etc/caisson", "/run/docker.sock",
					       "/home/.caisson/engine.sock" };
static const char *const joined[] = { OTHER };

enum who {
	DOCKER,
	JOINER,
	REMAP,
	SNAPSHOTTER,
	MOVED,
	BUILDKIT,
	PODMAN,
	PODMAN_FAKE,
	CRI_POD,
	CRI_JOINED,
	MANUAL,
	MANUAL_HOME,
	IN_HOME,
	AT_ROOT,
	NOBODY,
	N_WHO
};

#define PROTECTED .protected_paths = protected_paths, .n_protected = ARRAY_SIZE(protected_paths)
static const struct bind_context who[N_WHO] = {
	[DOCKER] = { .container_id = ID, .bundle = TASK, .rootfs = DR "/overlay2/" LAYER "/merged", PROTECTED },
	[JOINER] = { .container_id = ID,
		     .bundle = TASK,
		     .rootfs = DR "/overlay2/" LAYER "/merged",
		     PROTECTED,
		     .joined_ids = joined,
		     .n_joined = 1 },
	[REMAP] = { .container_id = ID, .bundle = TASK, .rootfs = DR "/100000.100000/vfs/dir/" LAYER, PROTECTED },
	[SNAPSHOTTER] = { .container_id = ID, .bundle = TASK, .rootfs = DR "/rootfs/overlayfs/" ID, PROTECTED },
	[MOVED] = { .container_id = ID,
		    .bundle = TASK,
		    .rootfs = "/big/docker/btrfs/subvolumes/" LAYER,
		    PROTECTED },
	[BUILDKIT] = { .container_id = "bk1",
		       .bundle = DR "/buildkit/executor/bk1",
		       .rootfs = DR "/buildkit/executor/bk1/rootfs",
		       PROTECTED },
	[PODMAN] = { .container_id = ID,
		     .bundle = GR "/overlay-containers/" ID "/userdata",
		     .rootfs = GR "/overlay/" LAYER "/merged",
		     PROTECTED },
	/* podman run --rootfs /home/u/overlay/x/merged: a data root that a user made */
	[PODMAN_FAKE] = { .container_id = ID,
			  .bundle = GR "/overlay-containers/" ID "/userdata",
			  .rootfs = "/home/u/overlay/x/merged",
			  PROTECTED },
	[CRI_POD] = { .container_id = ID,
		      .bundle = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID,
		      .rootfs = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID "/rootfs",
		      PROTECTED },
	[CRI_JOINED] = { .container_id = ID,
			 .bundle = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID,
			 .rootfs = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID "/rootfs",
			 PROTECTED,
			 .joined_ids = joined,
			 .n_joined = 1,
			 .pod_uid = POD },
	[MANUAL] = { .container_id = "c", .bundle = "/opt/b", .rootfs = "/opt/b/rootfs", PROTECTED },
	[MANUAL_HOME] = { .container_id = "c", .bundle = "/home/u/b", .rootfs = "/home/u/b/rootfs", PROTECTED },
	[IN_HOME] = { .container_id = ID,
		      .bundle = TASK,
		      .rootfs = "/home/docker/overlay2/" LAYER "/merged",
		      PROTECTED },
	[AT_ROOT] = { .container_id = ID, .bundle = "/", .rootfs = "/overlay2/" LAYER "/merged", PROTECTED },
	[NOBODY] = { 0 },
};

enum share_set { DEFAULTS, WIDE, NONE, N_SETS };

static const struct settings_share default_shares[] = {
	{ .path = "/home", .rule = "home" },
	{ .path = "/lib/modules", .read_only = true, .rule = "modules" },
	{ .path = "/usr/lib/modules", .read_only = true, .rule = "usr-modules" },
};
/* In no order of length: the longest match wins, not the first or the last. */
static const struct settings_share wide_shares[] = {
	{ .path = "/var", .rule = "var" },
	{ .path = "/run", .rule = "run" },
	{ .path = "/home/id/ro", .rule = "id-ro", .mapping = SETTINGS_MAP_CONTAINER, .read_only = true },
	{ .path = "/etc", .rule = "etc", .read_only = true },
	{ .path = "/srv/engine/mine", .rule = "mine" },
	{ .path = "/srv", .rule = "srv" },
	{ .path = "/home/id", .rule = "id", .mapping = SETTINGS_MAP_IDENTITY },
	{ .path = "/big", .rule = "big" },
};
static const char *wide_roots[] = { "/srv/engine" };

static struct settings settings_of(enum share_set set, struct settings_share buf[8])
{
	struct settings s = { .shares = buf };

	if (set == DEFAULTS) {
		memcpy(buf, default_shares, sizeof default_shares);
		s.n_shares = ARRAY_SIZE(default_shares);
	} else if (set == WIDE) {
		memcpy(buf, wide_shares, sizeof wide_shares);
		s.n_shares = ARRAY_SIZE(wide_shares);
		s.engine_roots = wide_roots;
		s.n_engine_roots = 1;
	}
	return s;
}

#define D  BIND_DENY
#define E  BIND_ENGINE
#define S  BIND_SHARE
#define SI BIND_SHARE_IDENTITY
#define SC BIND_SHARE_CONTAINER

#define DIR    (1u << 0)
#define REG    (1u << 1)
#define SOCK   (1u << 2)
#define MNT    (1u << 3)
#define USER   (1u << 4) /* owned by uid 1000 */
#define RO     (1u << 5) /* expected: read-only by force */
#define NOREAL (1u << 6)

/* A source at its real place on the root file system unless the row says otherwise. */
static const struct row {
	enum who who;
	enum share_set set;
	enum bind_verdict want;
	unsigned flags;
	const char *path, *real, *fstype, *mount_point, *real_mount;
} rows[] = {
	/* Docker's own files of the container */
	{ DOCKER, DEFAULTS, E, REG, DR "/containers/" ID "/resolv.conf" },
	{ DOCKER, DEFAULTS, E, REG, DR "/containers/" ID "/hosts" },
	{ DOCKER, DEFAULTS, E, REG, DR "/containers/" ID "/hostname" },
	{ DOCKER, DEFAULTS, E, DIR | MNT, DR "/containers/" ID "/mounts/shm", NULL, "tmpfs" },
	{ DOCKER, DEFAULTS, E, DIR | MNT, DR "/containers/" ID "/mounts/secrets", NULL, "tmpfs" },
	{ DOCKER, DEFAULTS, E, REG, DR "/containers/" ID "/mounts/secrets/abc", NULL, "tmpfs" },
	{ DOCKER, DEFAULTS, D, DIR, DR "/containers/" ID "/resolv.conf" },
	{ DOCKER, DEFAULTS, D, DIR, DR "/containers/" ID "/mounts" },
	/* a symlink that is turned to the engine's files once the id is known */
	{ DOCKER, DEFAULTS, D, DIR, DR "/containers/" ID },
	{ DOCKER, DEFAULTS, D, REG, DR "/containers/" ID "/hostconfig.json" },
	{ DOCKER, DEFAULTS, D, REG, DR "/containers/" ID "/config.v2.json" },
	{ DOCKER, DEFAULTS, D, REG, DR "/containers/" ID "/" ID "-json.log" },
	{ DOCKER, DEFAULTS, D, DIR, DR "/containers/" ID "/checkpoints" },
	{ DOCKER, DEFAULTS, D, REG, DR "/containers/" ID "/x/resolv.conf" },
	{ DOCKER, DEFAULTS, D, REG, DR "/containers/" ID "0/resolv.conf" },
	{ DOCKER, DEFAULTS, D, REG, DR "/containers/1/resolv.conf" },
	{ DOCKER, DEFAULTS, D, DIR, DR "/containers" },
	/* other containers: only when joined, and only what engines share then */
	{ DOCKER, DEFAULTS, D, REG, DR "/containers/" OTHER "/resolv.conf" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, DR "/containers/" OTHER "/mounts/shm", NULL, "tmpfs" },
	{ JOINER, DEFAULTS, E, REG, DR "/containers/" OTHER "/resolv.conf" },
	{ JOINER, DEFAULTS, E, REG, DR "/containers/" OTHER "/hosts" },
	{ JOINER, DEFAULTS, E, DIR | MNT, DR "/containers/" OTHER "/mounts/shm", NULL, "tmpfs" },
	{ JOINER, DEFAULTS, D, DIR | MNT, DR "/containers/" OTHER "/mounts/secrets", NULL, "tmpfs" },
	{ JOINER, DEFAULTS, D, REG, DR "/containers/" OTHER "/hostconfig.json" },
	{ JOINER, DEFAULTS, D, REG, DR "/containers/" THIRD "/hosts" },
	{ JOINER, DEFAULTS, E, REG, DR "/containers/" ID "/hosts" },
	/* user-made look-alikes */
	{ DOCKER, DEFAULTS, S, REG, "/home/x/containers/" ID "/hosts" },
	{ DOCKER, DEFAULTS, S, DIR, "/home/x/volumes/v/_data" },
	{ DOCKER, DEFAULTS, D, REG, "/tmp/containers/" ID "/hosts" },
	{ DOCKER, DEFAULTS, D, DIR, "/volumes/v/_data" },
	{ DOCKER, DEFAULTS, D, REG, DR "x/containers/" ID "/hosts" },
	{ DOCKER, DEFAULTS, D, REG, DR "/x/containers/" ID "/hosts" },
	/* an alias is judged by where it leads */
	{ DOCKER, DEFAULTS, D, REG, DR "/containers/" ID "/hosts", "/etc/shadow" },
	{ DOCKER, DEFAULTS, S, REG, DR "/containers/" ID "/hosts", "/home/u/hosts" },
	{ DOCKER, DEFAULTS, D, REG, "/home/u/hosts", DR "/containers/" ID "/hosts" },
	{ DOCKER, DEFAULTS, D, REG | NOREAL, DR "/containers/" ID "/hosts" },
	{ DOCKER, DEFAULTS, D, DIR | NOREAL, "/home/u" },
	/* volumes */
	{ DOCKER, DEFAULTS, E, DIR, DR "/volumes/v/_data" },
	{ DOCKER, DEFAULTS, E, DIR, DR "/volumes/" LAYER "/_data" },
	{ DOCKER, DEFAULTS, E, DIR, DR "/volumes/v/_data/sub", NULL, "ext4", "/" },
	{ DOCKER, DEFAULTS, E, DIR, DR "/volumes/v/_data/sub/deep", NULL, "ext4", "/var" },
	{ DOCKER, DEFAULTS, E, REG, DR "/volumes/v/_data/f", NULL, "xfs", DR },
	{ DOCKER, DEFAULTS, E, DIR, DR "/volumes/v/_data/volumes/w/_data", NULL, "ext4", "/" },
	{ DOCKER, DEFAULTS, D, DIR, DR "/volumes/v/_data/sub" }, /* mount not known */
	{ DOCKER, DEFAULTS, D, DIR, DR "/volumes/v/_data/sub", NULL, "ext4", "/srv" },
	{ DOCKER, DEFAULTS, D, DIR, DR "/volumes/v" },
	{ DOCKER, DEFAULTS, D, DIR, DR "/volumes" },
	{ DOCKER, DEFAULTS, D, REG, DR "/volumes/metadata.db" },
	{ DOCKER, DEFAULTS, D, REG, DR "/volumes/v/opts.json" },
	{ DOCKER, DEFAULTS, D, DIR, DR "/volumes/v/_datax" },
	{ DOCKER, DEFAULTS, D, DIR, DR "/volumes/v/w/_data" },
	{ DOCKER, DEFAULTS, D, DIR, DR "/volumes/_data" },
	{ DOCKER, DEFAULTS, D, DIR, DR "/x/volumes/v/_data" },
	{ DOCKER, DEFAULTS, D, DIR, DR "/volumes/v/../w/_data" },
	{ DOCKER, DEFAULTS, D, DIR, DR "/volumes/v/./_data" },
	{ DOCKER, DEFAULTS, D, DIR, DR "//volumes/v/_data" },
	{ DOCKER, DEFAULTS, D, DIR, DR "/volumes/v/_data/" },
	/* E40, B3, A121: volumes that are mounts */
	{ DOCKER, DEFAULTS, E, DIR | MNT, DR "/volumes/v/_data", NULL, "tmpfs" },
	{ DOCKER, DEFAULTS, E, DIR | MNT, DR "/volumes/v/_data", NULL, "nfs" },
	{ DOCKER, DEFAULTS, E, DIR | MNT, DR "/volumes/v/_data", NULL, "nfs4" },
	{ DOCKER, DEFAULTS, E, DIR | MNT, DR "/volumes/v/_data", NULL, "cifs" },
	{ DOCKER, DEFAULTS, E, DIR, DR "/volumes/v/_data/sub", NULL, "nfs4", DR "/volumes/v/_data" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, DR "/volumes/v/_data", "/etc/docker", "ext4" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, DR "/volumes/v/_data", "/etc", "ext4" },
	{ DOCKER, DEFAULTS, D, DIR, DR "/volumes/v/_data/docker", "/etc/docker", "ext4", DR "/volumes/v/_data" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, DR "/volumes/v/_data", "/run", "tmpfs" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, DR "/volumes/v/_data", "/", "ext4" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, DR "/volumes/v/_data", NULL, "ext4" }, /* device=/dev/sdb1 */
	{ DOCKER, DEFAULTS, D, DIR, DR "/volumes/v/_data/etc", NULL, "ext4", DR "/volumes/v/_data" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, DR "/volumes/v/_data", NULL, "overlay" }, /* lowerdir=/etc */
	{ DOCKER, DEFAULTS, D, DIR, DR "/volumes/v/_data/ssh", NULL, "overlay", DR "/volumes/v/_data" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, DR "/volumes/v/_data", NULL, "btrfs" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, DR "/volumes/v/_data", NULL, "fuse.sshfs" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, DR "/volumes/v/_data", NULL, "squashfs" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, DR "/volumes/v/_data", NULL, "nfsd" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, DR "/volumes/v/_data", NULL, "proc" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, DR "/volumes/v/_data", "/proc", "proc" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, DR "/volumes/v/_data", DR "/volumes/w", "ext4" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, DR "/volumes/v/_data", DR "/volumes/w/_data", "ext4" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, DR "/volumes/v/_data", DR, "ext4" },
	{ DOCKER, DEFAULTS, S, DIR | MNT, DR "/volumes/v/_data", "/home/u/data", "ext4" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, DR "/volumes/v/_data", "/homeu/data", "ext4" },
	/* parts of volumes: what the engine has bound to a place of its own */
	{ DOCKER, DEFAULTS, E, DIR | MNT, PART, DR "/volumes/v/_data/sub", "ext4", PART, "/" },
	{ DOCKER, DEFAULTS, E, REG | MNT, PART, DR "/volumes/v/_data/f", "ext4", PART, "/var" },
	{ DOCKER, DEFAULTS, E, DIR | MNT, PART, DR "/volumes/v/_data", "ext4", PART, DR },
	{ DOCKER, DEFAULTS, E, DIR | MNT, PART, DR "/volumes/v/_data/sub", "nfs4", PART, DR "/volumes/v/_data" },
	{ DOCKER, DEFAULTS, E, DIR | MNT, PART, DR "/volumes/v/_data", "tmpfs", PART, DR "/volumes/v/_data" },
	{ SNAPSHOTTER, DEFAULTS, E, DIR | MNT, PART, DR "/volumes/v/_data/sub", "ext4", PART, "/" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, PART, DR "/volumes/v/_data/sub", "ext4", PART, NULL },
	{ DOCKER, DEFAULTS, D, DIR | MNT, PART, DR "/volumes/v/_data/etc", "ext4", PART, DR "/volumes/v/_data" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, PART, DR "/volumes/v/_data", "ext4", PART, DR "/volumes/v/_data" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, PART, DR "/volumes/v/_data/etc", "overlay", PART,
	  DR "/volumes/v/_data" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, PART, DR "/volumes/v", "ext4", PART, "/" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, PART, DR "/volumes", "ext4", PART, "/" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, PART, "/etc", "ext4", PART, "/" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, PART, "/etc/docker", "ext4", PART, "/" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, PART, DR "/containers/" ID "/mounts/shm", "ext4", PART, "/" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, PART, "/other/volumes/v/_data/sub", "ext4", PART, "/" },
	{ DOCKER, DEFAULTS, S, DIR | MNT, PART, "/home/u/data/sub", "ext4", PART, "/" },
	{ DOCKER, DEFAULTS, D, DIR, PART, NULL, "ext4", "/", "/" },
	{ DOCKER, DEFAULTS, D, DIR, PART "/x", DR "/volumes/v/_data/sub", "ext4", PART, "/" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, DR "/tmp/safe-mount", DR "/volumes/v/_data/sub", "ext4", NULL, "/" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, DR "/tmp/safe-mountx", DR "/volumes/v/_data/sub", "ext4", NULL, "/" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, "/tmp/safe-mount1", DR "/volumes/v/_data/sub", "ext4", NULL, "/" },
	{ IN_HOME, DEFAULTS, S, DIR | MNT, "/home/docker/tmp/safe-mount1", "/home/docker/volumes/v/_data/s",
	  "ext4", NULL, "/" },
	/* nothing else is the engine's by another way than its own */
	{ MANUAL, DEFAULTS, D, DIR | MNT, "/mnt/x", "/opt/b/x" },
	{ CRI_POD, DEFAULTS, D, REG | MNT, "/mnt/x", CRI "/sandboxes/p/hostname" },
	{ PODMAN, DEFAULTS, D, REG | MNT, "/mnt/x", RR "/overlay-containers/" ID "/userdata/hosts" },
	/* the rest of the data root */
	{ DOCKER, DEFAULTS, D, DIR, DR },
	{ DOCKER, DEFAULTS, D, DIR, "/var/lib" },
	{ DOCKER, DEFAULTS, D, DIR, DR "/overlay2/" LAYER "/merged", NULL, "overlay" },
	{ DOCKER, DEFAULTS, D, DIR, DR "/overlay2/" LAYER "/diff" },
	{ DOCKER, DEFAULTS, D, DIR, DR "/image" },
	{ DOCKER, DEFAULTS, D, DIR, DR "/tmp/buildkit-mount1" },
	{ DOCKER, DEFAULTS, D, REG, DR "/buildkit/executor/hosts" },
	/* other places of the data root */
	{ REMAP, DEFAULTS, E, DIR, DR "/100000.100000/volumes/v/_data" },
	{ REMAP, DEFAULTS, E, REG, DR "/100000.100000/containers/" ID "/hosts" },
	{ REMAP, DEFAULTS, D, DIR, DR "/volumes/v/_data" },
	{ SNAPSHOTTER, DEFAULTS, E, DIR, DR "/volumes/v/_data" },
	{ MOVED, DEFAULTS, E, DIR, "/big/docker/volumes/v/_data" },
	{ MOVED, DEFAULTS, D, DIR, DR "/volumes/v/_data" },
	{ MOVED, DEFAULTS, D, DIR, "/big/docker/volumes" },
	{ AT_ROOT, DEFAULTS, D, DIR, "/volumes/v/_data" },
	{ AT_ROOT, DEFAULTS, D, REG, "/containers/" ID "/hosts" },
	{ AT_ROOT, DEFAULTS, D, REG, "/etc/shadow" },
	/* a data root in a share gets the share's verdict: users can make such directories */
	{ IN_HOME, DEFAULTS, S, DIR, "/home/docker/volumes/v/_data" },
	{ IN_HOME, DEFAULTS, S, REG, "/home/docker/containers/" ID "/hosts" },
	{ IN_HOME, DEFAULTS, D, DIR, "/home/docker/overlay2" },
	{ IN_HOME, DEFAULTS, D, DIR, "/home/docker" },
	{ IN_HOME, DEFAULTS, D, DIR, "/home" },
	{ IN_HOME, DEFAULTS, S, DIR, "/home/dockerx" },
	{ IN_HOME, NONE, E, DIR, "/home/docker/volumes/v/_data" },
	{ PODMAN_FAKE, DEFAULTS, S, DIR, "/home/u/volumes/v/_data" },
	{ PODMAN_FAKE, DEFAULTS, D, DIR, "/home/u/.ssh" },
	{ MOVED, WIDE, S, DIR, "/big/docker/volumes/v/_data" },
	{ MOVED, WIDE, D, DIR, "/big/docker/btrfs" },
	{ MOVED, WIDE, D, DIR, "/big" },
	{ MOVED, WIDE, S, DIR, "/big/else" },
	/* wide shares do not reach engines */
	{ DOCKER, WIDE, E, DIR, DR "/volumes/v/_data" },
	{ DOCKER, WIDE, E, REG, DR "/containers/" ID "/hosts" },
	{ DOCKER, WIDE, D, DIR, "/var" },
	{ DOCKER, WIDE, D, DIR, "/var/lib" },
	{ DOCKER, WIDE, D, DIR, DR },
	{ DOCKER, WIDE, D, REG, DR "/containers/" ID "/hostconfig.json" },
	{ DOCKER, WIDE, D, DIR, DR "/volumes" },
	{ DOCKER, WIDE, D, DIR, "/var/lib/containerd" },
	{ DOCKER, WIDE, D, DIR, "/var/lib/kubelet/pki" },
	{ DOCKER, WIDE, S, DIR, "/var/lib/dockerx" },
	{ DOCKER, WIDE, S, DIR, "/var/www" },
	{ DOCKER, WIDE, D, DIR, "/run" },
	{ DOCKER, WIDE, D, DIR, "/run/containerd" },
	{ DOCKER, WIDE, D, DIR, TASK },
	{ DOCKER, WIDE, D, REG, TASK "/options.json" },
	{ DOCKER, WIDE, D, DIR, "/etc" },
	{ DOCKER, WIDE, D, REG, "/etc/docker/daemon.json" },
	{ DOCKER, WIDE, D, REG, "/etc/caisson/admin-settings.json" },
	{ DOCKER, WIDE, S, REG | RO, "/etc/hosts" },
	{ DOCKER, WIDE, D, DIR, "/srv" },
	{ DOCKER, WIDE, D, DIR, "/srv/engine" },
	{ DOCKER, WIDE, D, DIR, "/srv/engine/overlay2" },
	{ DOCKER, WIDE, E, DIR, "/srv/engine/volumes/v/_data" },
	{ DOCKER, WIDE, S, DIR, "/srv/engine/mine" },
	{ DOCKER, WIDE, S, DIR, "/srv/engine/mine/sub" },
	{ DOCKER, WIDE, S, DIR, "/srv/other" },
	/* never */
	{ DOCKER, WIDE, D, SOCK, "/run/docker.sock" },
	{ DOCKER, WIDE, D, SOCK, "/run/containerd/containerd.sock" },
	{ DOCKER, WIDE, D, SOCK, "/run/podman/podman.sock" },
	{ DOCKER, WIDE, D, SOCK, "/run/user/1000/docker.sock" },
	{ DOCKER, WIDE, D, DIR, "/run/caisson/state" },
	{ DOCKER, WIDE, D, SOCK, "/run/x.sock", "/run/docker.sock" },
	{ DOCKER, WIDE, D, SOCK, "/run/docker.sock", "/run/x.sock" },
	{ DOCKER, DEFAULTS, D, SOCK | USER, "/home/u/docker.sock" },
	{ DOCKER, DEFAULTS, S, SOCK | USER, "/home/u/app.sock" },
	{ DOCKER, DEFAULTS, D, SOCK, DR "/volumes/v/_data/containerd.sock", NULL, "ext4", "/" },
	{ DOCKER, DEFAULTS, D, DIR, "/home" }, /* contains a protected path */
	{ DOCKER, DEFAULTS, D, DIR, "/home/.caisson" },
	{ DOCKER, DEFAULTS, D, SOCK, "/home/.caisson/engine.sock" },
	{ DOCKER, DEFAULTS, D, DIR, "/home/u/alias", "/home/.caisson" },
	{ DOCKER, DEFAULTS, D, DIR, "/home/.caisson/engine.sock/x", "/home/u" },
	{ DOCKER, DEFAULTS, S, DIR, "/home/.caissonx" },
	{ DOCKER, DEFAULTS, D, DIR, "/" },
	{ DOCKER, DEFAULTS, D, DIR, "/home/u/root", "/" },
	{ DOCKER, DEFAULTS, D, DIR, "/proc" },
	{ DOCKER, DEFAULTS, D, DIR, "/proc/1/root/home/u" },
	{ DOCKER, DEFAULTS, D, DIR, "/sys/fs/cgroup", NULL, "tmpfs" },
	{ DOCKER, DEFAULTS, D, DIR, "/dev/shm", NULL, "tmpfs" },
	{ DOCKER, DEFAULTS, D, 0, "/dev/sda" },
	{ DOCKER, DEFAULTS, D, DIR, "/home/u/dev", "/dev", "devtmpfs" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, "/home/u/chroot/proc", NULL, "proc" },
	{ DOCKER, DEFAULTS, D, DIR, "/home/u/chroot/sys/kernel", NULL, "sysfs" },
	{ DOCKER, DEFAULTS, D, DIR | MNT, "/home/u/cg", NULL, "cgroup2" },
	{ DOCKER, DEFAULTS, D, REG | MNT, "/home/u/netns", NULL, "nsfs" },
	/* shares */
	{ DOCKER, DEFAULTS, S, DIR | USER, "/home/u" },
	{ DOCKER, DEFAULTS, S, REG | USER, "/home/u/f" },
	{ DOCKER, DEFAULTS, S, DIR, "/mnt/u", "/home/u" },
	{ DOCKER, DEFAULTS, S, DIR | MNT, "/home/nas", NULL, "nfs4" },
	{ DOCKER, DEFAULTS, D, DIR, "/homefoo" },
	{ DOCKER, DEFAULTS, D, DIR, "/homefoo/u" },
	{ DOCKER, DEFAULTS, D, DIR, "/hom" },
	{ DOCKER, DEFAULTS, D, DIR, "/Home/u" },
	{ DOCKER, DEFAULTS, D, DIR, "/home/../etc" },
	{ DOCKER, DEFAULTS, D, DIR, "/home/u/../../etc" },
	{ DOCKER, DEFAULTS, D, DIR, "/home/./u" },
	{ DOCKER, DEFAULTS, D, DIR, "/home//u" },
	{ DOCKER, DEFAULTS, D, DIR, "/home/" },
	{ DOCKER, DEFAULTS, D, DIR, "home/u" },
	{ DOCKER, DEFAULTS, D, DIR, "" },
	{ DOCKER, DEFAULTS, D, REG, "(unreachable)/home/u" },
	{ DOCKER, DEFAULTS, D, DIR, "/home/u", "(unreachable)/home/u" },
	{ DOCKER, DEFAULTS, D, DIR, "/home/u", "/etc" },
	{ DOCKER, DEFAULTS, D, REG, "/home/u/passwd", "/etc/passwd" },
	{ DOCKER, DEFAULTS, D, REG, "/etc/docker/daemon.json" },
	{ DOCKER, DEFAULTS, D, DIR, "/etc" },
	{ DOCKER, DEFAULTS, D, DIR, "/root/.ssh" },
	{ DOCKER, DEFAULTS, D, DIR, "/tmp" },
	{ DOCKER, DEFAULTS, S, DIR | RO, "/usr/lib/modules/6.1.0" },
	{ DOCKER, DEFAULTS, S, DIR | RO, "/lib/modules" },
	{ DOCKER, DEFAULTS, D, DIR, "/lib/modules-load.d" },
	{ DOCKER, DEFAULTS, D, DIR, "/lib" },
	{ DOCKER, WIDE, SI, DIR, "/home/id/x" },
	{ DOCKER, WIDE, SI, DIR, "/home/id/rox" },
	{ DOCKER, WIDE, SC, DIR | RO, "/home/id/ro/x" },
	{ DOCKER, WIDE, D, DIR, "/home/u" },
	{ DOCKER, NONE, D, DIR, "/home/u" },
	{ DOCKER, NONE, E, DIR, DR "/volumes/v/_data" },
	/* the init program: root's, and never to be written */
	{ DOCKER, DEFAULTS, E, REG | RO, "/usr/bin/docker-init" },
	{ DOCKER, DEFAULTS, E, REG | RO, "/usr/libexec/docker/docker-init" },
	{ DOCKER, DEFAULTS, E, REG | RO, "/usr/sbin/docker-init" },
	{ PODMAN, DEFAULTS, E, REG | RO, "/usr/libexec/podman/catatonit" },
	{ DOCKER, DEFAULTS, D, REG | USER, "/usr/bin/docker-init" },
	{ DOCKER, DEFAULTS, D, DIR, "/usr/bin/docker-init" },
	{ DOCKER, DEFAULTS, D, REG, "/usr/bin/docker-init", "/usr/bin/dockerd" },
	{ DOCKER, DEFAULTS, D, REG, "/usr/bin/dockerd" },
	/* BuildKit */
	{ BUILDKIT, DEFAULTS, E, REG, DR "/buildkit/executor/resolv.conf" },
	{ BUILDKIT, DEFAULTS, E, REG, DR "/buildkit/executor/hosts" },
	{ BUILDKIT, DEFAULTS, E, REG, DR "/buildkit/executor/hosts.x1" },
	{ BUILDKIT, DEFAULTS, E, DIR, DR "/overlay2/" LAYER "/merged", NULL, "overlay" },
	{ BUILDKIT, DEFAULTS, E, DIR, DR "/overlay2/" LAYER "/diff/sub" },
	{ BUILDKIT, DEFAULTS, E, DIR | MNT, DR "/tmp/buildkit-mount123", NULL, "overlay" },
	{ BUILDKIT, DEFAULTS, E, DIR | MNT, DR "/tmp/buildkit-mount123", DR "/overlay2/" LAYER "/diff" },
	{ BUILDKIT, DEFAULTS, E, REG, DR "/tmp/buildkit-secrets123/s", NULL, "tmpfs" },
	{ BUILDKIT, DEFAULTS, E, SOCK, DR "/tmp/.buildkit-ssh-sock9/ssh_auth_sock" },
	{ BUILDKIT, DEFAULTS, D, DIR | MNT, DR "/tmp/buildkit-mount123", "/etc" },
	{ BUILDKIT, DEFAULTS, D, DIR | MNT, DR "/overlay2/" LAYER "/diff", DR "/tmp/buildkit-mount1" },
	{ BUILDKIT, DEFAULTS, D, DIR, DR "/tmp/buildkit-mountx" },
	{ BUILDKIT, DEFAULTS, D, DIR, DR "/tmp" },
	{ BUILDKIT, DEFAULTS, D, DIR, DR "/overlay2/l" },
	{ BUILDKIT, DEFAULTS, D, DIR, DR "/overlay2/" LAYER },
	{ BUILDKIT, DEFAULTS, D, REG, DR "/overlay2/" LAYER "/lower" },
	{ BUILDKIT, DEFAULTS, D, REG, DR "/buildkit/cache.db" },
	{ BUILDKIT, DEFAULTS, D, DIR, DR "/buildkit" },
	{ BUILDKIT, DEFAULTS, D, DIR, DR "/buildkit/executor" },
	{ BUILDKIT, DEFAULTS, D, REG, DR "/buildkit/executor/bk1/config.json" },
	{ BUILDKIT, DEFAULTS, D, REG, DR "/buildkit/executor/bk2/hosts" },
	{ BUILDKIT, DEFAULTS, D, DIR, "/etc" },
	{ BUILDKIT, DEFAULTS, D, DIR | MNT, DR "/tmp/buildkit-mount123", DR "/image" },
	{ BUILDKIT, DEFAULTS, D, DIR | MNT, DR "/tmp/buildkit-mount123", DR "/containers/" ID },
	{ DOCKER, DEFAULTS, D, DIR, "/tmp/buildkit-mount1" },
	{ DOCKER, DEFAULTS, D, DIR, "/overlay2/" LAYER "/merged" },
	/* Podman */
	{ PODMAN, DEFAULTS, E, REG, RR "/overlay-containers/" ID "/userdata/resolv.conf", NULL, "tmpfs" },
	{ PODMAN, DEFAULTS, E, REG, RR "/overlay-containers/" ID "/userdata/hosts", NULL, "tmpfs" },
	{ PODMAN, DEFAULTS, E, REG, RR "/overlay-containers/" ID "/userdata/.containerenv", NULL, "tmpfs" },
	{ PODMAN, DEFAULTS, E, DIR, RR "/overlay-containers/" ID "/userdata/run/secrets", NULL, "tmpfs" },
	{ PODMAN, DEFAULTS, E, DIR | MNT, GR "/overlay-containers/" ID "/userdata/shm", NULL, "tmpfs" },
	{ PODMAN, DEFAULTS, E, DIR, GR "/overlay-containers/" ID "/userdata/secrets" },
	{ PODMAN, DEFAULTS, E, DIR, GR "/volumes/v/_data" },
	{ PODMAN, DEFAULTS, D, REG, GR "/overlay-containers/" ID "/userdata/config.json" },
	{ PODMAN, DEFAULTS, D, 0, GR "/overlay-containers/" ID "/userdata/ctl" },
	{ PODMAN, DEFAULTS, D, DIR, GR "/overlay-containers/" ID "/userdata" },
	{ PODMAN, DEFAULTS, D, DIR, GR "/overlay-containers/" ID },
	{ PODMAN, DEFAULTS, D, REG, GR "/overlay-containers/" OTHER "/userdata/hosts" },
	{ PODMAN, DEFAULTS, D, DIR, GR "/overlay/" LAYER "/diff" },
	{ PODMAN, DEFAULTS, D, DIR | MNT, GR "/volumes/v/_data", "/etc", "ext4" },
	{ PODMAN, DEFAULTS, D, DIR, "/home2/overlay-containers/" ID "/userdata/secrets" },
	/* CRI */
	{ CRI_POD, DEFAULTS, E, REG, CRI "/sandboxes/" OTHER "/resolv.conf" },
	{ CRI_POD, DEFAULTS, E, DIR | MNT, CRIR "/sandboxes/" OTHER "/shm", NULL, "tmpfs" },
	{ CRI_JOINED, DEFAULTS, E, REG, CRI "/sandboxes/" OTHER "/hostname" },
	{ CRI_JOINED, DEFAULTS, D, REG, CRI "/sandboxes/" THIRD "/hostname" },
	{ CRI_POD, DEFAULTS, E, DIR, CRI "/containers/" ID "/volumes/abc" },
	{ CRI_POD, DEFAULTS, D, DIR, CRI "/containers/" OTHER "/volumes/abc" },
	{ CRI_POD, DEFAULTS, D, REG, CRI "/containers/" ID "/status" },
	{ CRI_POD, DEFAULTS, D, DIR, CRI "/containers/" ID "/volumes" },
	{ CRI_POD, DEFAULTS, D, DIR, CRI },
	{ CRI_POD, DEFAULTS, D, DIR, CRIR "/sandboxes/" OTHER },
	{ CRI_POD, DEFAULTS, E, REG, PODS "/" POD "/etc-hosts" },
	{ CRI_POD, DEFAULTS, E, REG, PODS "/" POD "/containers/app/0a1b" },
	{ CRI_POD, DEFAULTS, E, DIR | MNT, PODS "/" POD "/volumes/kubernetes.io~secret/s", NULL, "tmpfs" },
	{ CRI_POD, DEFAULTS, E, DIR, PODS "/" POD "/volumes/kubernetes.io~empty-dir/e/sub" },
	{ CRI_POD, DEFAULTS, E, DIR | MNT, PODS "/" POD "/volume-subpaths/e/app/0",
	  PODS "/" POD "/volumes/kubernetes.io~empty-dir/e/s" },
	{ CRI_POD, DEFAULTS, D, DIR | MNT, PODS "/" POD "/volume-subpaths/h/app/0", "/etc/kubernetes" },
	{ CRI_POD, DEFAULTS, D, DIR | MNT, PODS "/" POD "/volume-subpaths/h/app/0", PODS "/other/volumes/p/v/s" },
	{ CRI_POD, DEFAULTS, D, DIR | MNT, PODS "/" POD "/volumes/kubernetes.io~local-volume/l", "/mnt/disk" },
	{ CRI_POD, DEFAULTS, D, DIR | MNT, PODS "/" POD "/volume-subpaths/h/app/0", PODS "/" POD "/plugins/x/y" },
	{ CRI_POD, DEFAULTS, D, DIR | MNT, PODS "/" POD "/volume-subpaths/h/app/0", PODS "/" POD "/volumes/p" },
	{ CRI_POD, DEFAULTS, D, DIR | MNT, PODS "/" POD "/volumes/p/v", PODS "/" POD "/volumes/p/w" },
	{ CRI_POD, DEFAULTS, D, DIR, PODS "/" POD "/volumes/kubernetes.io~secret" },
	{ CRI_POD, DEFAULTS, D, DIR, PODS "/" POD "/volumes" },
	{ CRI_POD, DEFAULTS, D, DIR, PODS "/" POD },
	{ CRI_POD, DEFAULTS, D, DIR, PODS },
	{ CRI_POD, DEFAULTS, D, DIR, "/var/lib/kubelet" },
	{ CRI_POD, DEFAULTS, D, DIR, "/var/lib/kubelet/pods2/" POD "/volumes/p/v" },
	{ CRI_JOINED, DEFAULTS, E, DIR, PODS "/" POD "/volumes/p/v" },
	{ CRI_JOINED, DEFAULTS, D, DIR, PODS "/other/volumes/p/v" },
	/* bundles */
	{ MANUAL, DEFAULTS, E, DIR, "/opt/b/data" },
	{ MANUAL, DEFAULTS, E, REG, "/opt/b/rootfs/etc/x" },
	{ MANUAL, DEFAULTS, D, REG, "/opt/b/config.json" },
	{ MANUAL, DEFAULTS, D, DIR, "/opt/b" },
	{ MANUAL, DEFAULTS, D, DIR, "/opt/bb/data" },
	{ MANUAL, DEFAULTS, D, DIR, "/opt/b/data", "/etc" },
	{ MANUAL_HOME, DEFAULTS, S, DIR, "/home/u/b/data" },
	{ DOCKER, DEFAULTS, D, REG, TASK "/options.json" },
	{ DOCKER, DEFAULTS, D, REG, TASK "/config.json" },
	{ DOCKER, DEFAULTS, D, DIR, TASK "/rootfs" },
	/* an empty context knows no engine */
	{ NOBODY, DEFAULTS, D, DIR, DR "/volumes/v/_data" },
	{ NOBODY, DEFAULTS, D, REG, DR "/containers/" ID "/hosts" },
	{ NOBODY, DEFAULTS, S, DIR, "/home/u" },
	{ NOBODY, DEFAULTS, D, DIR, "/etc" },
};

static struct bind_source source_of(const struct row *row)
{
	return (struct bind_source){
		.path = row->path,
		.real_path = row->flags & NOREAL ? NULL
			     : row->real	 ? row->real
						 : row->path,
		.fstype = row->fstype ? row->fstype : "ext4",
		.mount_point = row->mount_point,
		.real_mount = row->real_mount,
		.is_mount_root = row->flags & MNT,
		.is_directory = row->flags & DIR,
		.is_regular = row->flags & REG,
		.is_socket = row->flags & SOCK,
		.owner_uid = row->flags & USER ? 1000 : 0,
	};
}

static void each_row_gets_its_verdict(void **state)
{
	(void)state;
	assert_true(ARRAY_SIZE(rows) >= 240);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct settings_share buf[8];
		struct settings s = settings_of(rows[i].set, buf);
		struct bind_source src = source_of(&rows[i]);
		struct bind_decision d = policy_bind(&s, &who[rows[i].who], &src);

		if (d.verdict != rows[i].want || d.force_read_only != !!(rows[i].flags & RO))
			fail_msg("row %zu: %s (%s) as %d: %d%s by \"%s\"", i, rows[i].path, src.real_path,
				 rows[i].who, d.verdict, d.force_read_only ? " ro" : "", d.rule);
		assert_non_null(d.rule);
	}
}

/* Whatever a row is allowed for, protecting it, its parent or something in it takes that away. */
static void a_protected_path_denies_every_row_that_touches_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bind_source src = source_of(&rows[i]);
		char parent[512], child[512];
		const char *guard[] = { src.path, src.real_path, parent, child };
		struct settings_share buf[8];
		struct settings s = settings_of(rows[i].set, buf);

		if (rows[i].want == D)
			continue;
		snprintf(child, sizeof child, "%s/x", src.path);
		snprintf(parent, sizeof parent, "%s", src.path);
		*strrchr(parent, '/') = '\0';
		for (size_t g = 0; g < ARRAY_SIZE(guard); g++) {
			struct bind_context c = who[rows[i].who];

			c.protected_paths = &guard[g];
			c.n_protected = 1;
			assert_int_equal(policy_bind(&s, &c, &src).verdict, D);
		}
	}
}

static void removing_a_share_never_allows_a_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct settings_share buf[8];
		struct settings s = settings_of(rows[i].set, buf);
		struct bind_source src = source_of(&rows[i]);

		if (rows[i].want != D)
			continue;
		for (; s.n_shares > 0; s.n_shares--) {
			for (size_t k = 0; k < s.n_shares; k++) {
				struct settings_share out = s.shares[k];

				s.shares[k] = s.shares[s.n_shares - 1];
				s.n_shares--;
				assert_int_equal(policy_bind(&s, &who[rows[i].who], &src).verdict, D);
				s.n_shares++;
				s.shares[k] = out;
			}
		}
	}
}

static void a_listed_engine_root_in_a_share_is_trusted(void **state)
{
	static const char *roots[] = { "/home/docker" };
	struct settings_share buf[8];
	struct settings s = settings_of(DEFAULTS, buf);
	struct bind_source src = { .path = "/home/docker/volumes/v/_data",
				   .real_path = "/home/docker/volumes/v/_data",
				   .fstype = "ext4",
				   .is_directory = true };

	(void)state;
	assert_int_equal(policy_bind(&s, &who[IN_HOME], &src).verdict, BIND_SHARE);
	s.engine_roots = roots;
	s.n_engine_roots = 1;
	assert_int_equal(policy_bind(&s, &who[IN_HOME], &src).verdict, BIND_ENGINE);
}

static void an_odd_container_id_matches_nothing_else(void **state)
{
	static const char *const ids[] = { "*", "=", "", ".", "..", "*-containers", "/", "1" };
	struct settings_share buf[8];
	struct settings s = settings_of(DEFAULTS, buf);
	struct bind_source src = { .path = DR "/containers/" ID "/hosts",
				   .real_path = DR "/containers/" ID "/hosts",
				   .fstype = "ext4",
				   .is_regular = true };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		struct bind_context c = who[DOCKER];

		c.container_id = ids[i];
		c.joined_ids = ids;
		c.n_joined = ARRAY_SIZE(ids);
		assert_int_equal(policy_bind(&s, &c, &src).verdict, BIND_DENY);
	}
}

static void an_unusable_protected_path_protects_everything(void **state)
{
	static const char *const bad[] = { NULL, "", "relative", "/a/../b" };
	struct settings_share buf[8];
	struct settings s = settings_of(DEFAULTS, buf);
	struct bind_source src = {
		.path = "/home/u", .real_path = "/home/u", .fstype = "ext4", .is_directory = true
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct bind_context c = { .protected_paths = &bad[i], .n_protected = 1 };

		assert_int_equal(policy_bind(&s, &c, &src).verdict, BIND_DENY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_gets_its_verdict),
		cmocka_unit_test(a_protected_path_denies_every_row_that_touches_it),
		cmocka_unit_test(removing_a_share_never_allows_a_row),
		cmocka_unit_test(a_listed_engine_root_in_a_share_is_trusted),
		cmocka_unit_test(an_odd_container_id_matches_nothing_else),
		cmocka_unit_test(an_unusable_protected_path_protects_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
