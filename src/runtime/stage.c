/* SPDX-License-Identifier: Apache-2.0 */
/* The host's half of a container's mounts: see plan.h. Runs as host root in a mount namespace that nobody else is in. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/idtext.h"
#include "runtime/plan.h"
#include "runtime/procfs.h"
#include "runtime/supervisor.h"
#include "sys/creds.h"
#include "sys/missing.h"
#include "sys/mnt.h"
#include "sys/path.h"
#include "sys/userns.h"

#define BIT(cap)	 (UINT64_C(1) << (cap))
#define ACCOUNT_FILE_MAX (64u << 20)

/* Put MNT on the stage (our working directory) under NAME. */
static int put(int mnt, const char *name, bool is_dir, struct err *e)
{
	_cleanup_close_ int fd = -EBADF;

	if (is_dir) {
		if (mkdirat(AT_FDCWD, name, 0700) < 0)
			return err_sys(e, errno, "make %s on the stage", name);
	} else {
		fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0)
			return err_sys(e, errno, "make %s on the stage", name);
	}
	return mnt_attach_at(mnt, AT_FDCWD, name, e);
}

static int attributes(int mnt, const struct planned_mount *m, uint64_t always, struct err *e)
{
	const struct mount_options *o = &m->opt;
	int r = 0;

	if (o->rec_set || o->rec_clear)
		r = mnt_set_attr(mnt, o->rec_set, o->rec_clear, 0, true, e);
	if (r == 0)
		r = mnt_set_attr(mnt, o->set | always, o->clear & ~always, MS_PRIVATE, false, e);
	return r;
}

/* ---- /dev ---- */

static int make_node(int dev, const struct oci_device *d, struct err *e)
{
	_cleanup_free_ char *path = strdup(d->path + strlen("/dev/"));
	mode_t type = d->type == 'b' ? S_IFBLK : d->type == 'p' ? S_IFIFO : S_IFCHR;
	mode_t mode = d->has_mode ? d->mode & 07777 : 0666;

	if (!path)
		return err_sys(e, ENOMEM, "device %s", d->path);
	for (char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdirat(dev, path, 0755) < 0 && errno != EEXIST)
			return err_sys(e, errno, "make directory for device %s", d->path);
		*p = '/';
	}
	if (mknodat(dev, path, type | mode, makedev((unsigned)d->major, (unsigned)d->minor)) < 0)
		return err_sys(e, errno, "make device %s", d->path);
	return 0;
}

static int chown_node(int dev, const struct oci_device *d, uint32_t base, struct err *e)
{
	if (!d->has_uid && !d->has_gid)
		return 0;
	if (d->uid >= ID_RANGE || d->gid >= ID_RANGE)
		return err_set(e, EINVAL, "device %s: owner %u:%u is outside of the container's 65536 ids",
			       d->path, d->uid, d->gid);
	if (d->uid == 0 && d->gid == 0)
		return 0;
	return fchownat(dev, d->path + strlen("/dev/"), base + d->uid, base + d->gid, AT_SYMLINK_NOFOLLOW) < 0
		       ? err_sys(e, errno, "set owner of device %s", d->path)
		       : 0;
}

static const char *const dev_links[][2] = {
	{ "/proc/self/fd", "fd" },	 { "/proc/self/fd/0", "stdin" }, { "/proc/self/fd/1", "stdout" },
	{ "/proc/self/fd/2", "stderr" }, { "/proc/kcore", "core" },	 { "pts/ptmx", "ptmx" },
};

/*
 * What will be mounted below /dev: the mount points have to be there before a read-only /dev is frozen. Nobody else
 * sees this file system yet.
 */
static int make_dev_targets(int dev, const struct plan *p, struct err *e)
{
	for (size_t i = 0; i < p->n_mounts; i++) {
		const struct planned_mount *m = &p->mounts[i];
		_cleanup_close_ int fd = -EBADF;

		if (strncmp(m->spec->destination, "/dev/", 5) != 0 || m->spec->destination[5] == '\0')
			continue;
		fd = path_make_in(dev, -EBADF, m->spec->destination + strlen("/dev"), m->is_dir, e);
		if (fd < 0)
			return fd;
	}
	if (p->spec->process.terminal) {
		_cleanup_close_ int fd = path_make_in(dev, -EBADF, "/console", false, e);

		return fd < 0 ? fd : 0;
	}
	return 0;
}

static int fill_dev(int dev, const struct plan *p, const struct stage_context *c, bool read_only, struct err *e)
{
	int r;

	/* Everything belongs to container root from birth. */
	r = creds_become(c->base, BIT(CAP_MKNOD) | BIT(CAP_CHOWN) | BIT(CAP_FOWNER) | BIT(CAP_DAC_OVERRIDE), e);
	for (size_t i = 0; r == 0 && i < p->n_devices; i++) {
		r = make_node(dev, &p->devices[i], e);
		if (r == 0)
			r = chown_node(dev, &p->devices[i], c->base, e);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(dev_links); i++)
		if (symlinkat(dev_links[i][0], dev, dev_links[i][1]) < 0)
			r = err_sys(e, errno, "make link /dev/%s", dev_links[i][1]);
	if (r == 0 && read_only)
		r = make_dev_targets(dev, p, e);
	if (creds_restore(r == 0 ? e : NULL) < 0)
		return -EPERM;
	return r;
}

/*
 * /dev is one file system of the host's with real nodes: a container can neither make more of them (no CAP_MKNOD
 * over the host) nor needs one bind mount for each.
 */
static int make_dev(const struct plan *p, const struct planned_mount *m, const struct stage_context *c,
		    struct err *e)
{
	static const struct mount_options no_options;
	const struct mount_options *o = m ? &m->opt : &no_options;
	_cleanup_close_ int fs = mnt_fs_open("tmpfs", e), mnt = -EBADF;
	char id[16];
	int r;

	if (fs < 0)
		return fs;
	(void)snprintf(id, sizeof id, "%u", c->base);
	r = mnt_fs_set(fs, "source", "tmpfs", e);
	if (r == 0)
		r = mnt_fs_set(fs, "uid", id, e);
	if (r == 0)
		r = mnt_fs_set(fs, "gid", id, e);
	if (r == 0)
		r = mnt_fs_set(fs, "mode", "755", e);
	if (r == 0)
		r = mnt_fs_set_all(fs, o, e);
	if (r < 0)
		return r;
	/* Never nodev. */
	mnt = mnt_fs_create(
		fs, ((unsigned)o->set | MOUNT_ATTR_NOSUID) & ~(unsigned)(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV), e);
	if (mnt < 0)
		return mnt;
	r = fill_dev(mnt, p, c, o->set & MOUNT_ATTR_RDONLY, e);
	if (r == 0 && (o->set & MOUNT_ATTR_RDONLY))
		r = mnt_set_attr(mnt, MOUNT_ATTR_RDONLY, 0, 0, false, e);
	return r < 0 ? r : TAKE_FD(mnt);
}

/* ---- proc and sys ---- */

static int make_proc(const struct planned_mount *m, const struct stage_context *c, struct err *e)
{
	_cleanup_close_ int mnt = procfs_make(c->pidns_fd, m ? &m->opt : NULL, e);
	int r;

	if (mnt < 0)
		return mnt;
	r = m ? attributes(mnt, m, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, e) : 0;
	return r < 0 ? r : TAKE_FD(mnt);
}

/* sysfs belongs to the network namespace that its maker is in. */
static int make_sys(const struct planned_mount *m, const struct stage_context *c, struct err *e)
{
	_cleanup_close_ int own = ns_open(c->rt->proc_fd, getpid(), "net", e), fs = -EBADF;
	unsigned attr = (unsigned)m->opt.set | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	int mnt = -EBADF, r;

	if (own < 0)
		return own;
	if (setns(c->netns_fd, CLONE_NEWNET) < 0)
		return err_sys(e, errno, "enter the container's network namespace");
	fs = mnt_fs_open("sysfs", e);
	r = fs < 0 ? fs : mnt_fs_set(fs, "source", "sysfs", e);
	if (r == 0)
		r = mnt_fs_set_all(fs, &m->opt, e);
	if (r == 0)
		mnt = mnt_fs_create(fs, c->netns_is_hosts ? attr | MOUNT_ATTR_RDONLY : attr, e);
	if (setns(own, CLONE_NEWNET) < 0)
		return err_sys(e, errno, "leave the container's network namespace");
	return r < 0 ? r : mnt;
}

/* ---- bind mounts ---- */

static int own_mapping(const struct planned_mount *m, const struct stage_context *c, struct err *e)
{
	const struct oci_idmaps *const maps[] = { &m->spec->uid_mappings, &m->spec->gid_mappings };
	char text[2][4096];

	for (size_t k = 0; k < 2; k++) {
		size_t len = 0;

		text[k][0] = '\0';
		for (size_t i = 0; i < maps[k]->n; i++) {
			const struct oci_idmap *x = &maps[k]->v[i];

			if (x->size == 0 || (uint64_t)x->host + x->size > ID_RANGE)
				return err_set(e, EINVAL,
					       "id mapping %u:%u:%u reaches outside of the container's 65536 ids",
					       x->container, x->host, x->size);
			len += (size_t)snprintf(text[k] + len, sizeof text[k] - len, "%u %u %u\n", x->container,
						c->base + x->host, x->size);
			if (len >= sizeof text[k])
				return err_set(e, EINVAL, "too many id mappings");
		}
		if (maps[k]->n == 0)
			(void)snprintf(text[k], sizeof text[k], "0 %u %u\n", c->base, ID_RANGE);
	}
	return userns_make(c->rt->proc_fd, text[0], text[1], e);
}

/* A group that is not the owner's own (shadow, disk, docker) is not lent to a container: see idtext.h (A52). */
static int lent_group(const struct runtime *rt, const struct source_map *map, uint32_t *ret, struct err *e)
{
	_cleanup_free_ char *passwd = NULL, *group = NULL;
	int r = io_read_at(rt->etc_fd, "passwd", ACCOUNT_FILE_MAX, &passwd, NULL);

	if (r == 0)
		r = io_read_at(rt->etc_fd, "group", ACCOUNT_FILE_MAX, &group, NULL);
	if (r < 0)
		return err_sys(e, -r, "read /etc/passwd and /etc/group");
	/* 0: no group is lent */
	*ret = idtext_group_is_owners(passwd, group, map->owner_uid, map->owner_gid) ? map->owner_gid : 0;
	return 0;
}

int stage_mapping(const struct plan *p, const struct source_map *map, const struct stage_context *c,
		  int *ret_owned, struct err *e)
{
	const struct oci_user *u = &p->spec->process.user;
	char uid_map[512], gid_map[512];
	uint32_t gid;
	int r;

	*ret_owned = -EBADF;
	if (map->verdict != BIND_SHARE)
		return c->userns_fd;
	r = lent_group(c->rt, map, &gid, e);
	if (r < 0)
		return r;
	(void)idtext_owner_map(c->base, u->uid, map->owner_uid, uid_map, sizeof uid_map);
	(void)idtext_owner_map(c->base, u->gid, gid, gid_map, sizeof gid_map);
	*ret_owned = userns_make(c->rt->proc_fd, uid_map, gid_map, e);
	return *ret_owned;
}

static int map_bind(const struct plan *p, struct planned_mount *m, const struct stage_context *c, bool recursive,
		    struct err *e)
{
	bool own = m->spec->uid_mappings.n || m->spec->gid_mappings.n;
	_cleanup_close_ int owned = -EBADF;
	int fd;

	if (m->plain)
		return 0;
	if (own)
		fd = owned = own_mapping(m, c, e);
	else
		fd = stage_mapping(p, &m->map, c, &owned, e);
	return fd < 0 ? fd : mnt_idmap(m->fd, fd, recursive, m->spec->source, e);
}

/*
 * Before Linux 6.3, which can id-map tmpfs: a shared /dev/shm, a memory volume, secrets. What the container
 * makes there has ids of its range anyway, as it does for a container that has joined it; its root gets the top. Files
 * of others are nobody's, with what they let everyone do.
 */
static int own_tmpfs(const struct planned_mount *m, const struct stage_context *c, struct err *e)
{
	struct stat st;

	if (fstat(m->fd, &st) < 0)
		return err_sys(e, errno, "stat source %s", m->spec->source);
	if (st.st_uid != 0 || st.st_gid != 0)
		return 0;
	if (fchownat(m->fd, "", c->base, c->base, AT_EMPTY_PATH) < 0 && errno != EROFS)
		return err_sys(e, errno, "give source %s to the container's root", m->spec->source);
	return 0;
}

static int make_bind(const struct plan *p, struct planned_mount *m, const struct stage_context *c, struct err *e)
{
	bool recursive = m->opt.recursive || m->opt.idmap_recursive;
	uint64_t nodev = MOUNT_ATTR_NODEV;
	int r = m->socket ? stage_socket(m->socket, m->fd, c->base, e) : map_bind(p, m, c, recursive, e);

	if (r == -EINVAL && m->engine_tmpfs)
		r = own_tmpfs(m, c, e);
	if (r < 0)
		return r;
	/*
	 * No device node in a host directory works, whatever the spec says; frozen with the rest. Except in an engine's own volumes
	 * where inner engines may run: runc before 1.2 remounts parts of them without the flag, which the kernel refuses. The
	 * device control group judges the nodes there.
	 */
	if (m->no_nodes || (m->map.verdict == BIND_ENGINE && c->super))
		nodev = 0;
	if (recursive && nodev)
		r = mnt_set_attr(m->fd, nodev, 0, MS_PRIVATE, true, e);
	if (r == 0)
		r = attributes(m->fd, m, nodev, e);
	return r < 0 ? r : TAKE_FD(m->fd);
}

/* ---- all of them ---- */

static int make_staged(struct plan *p, struct planned_mount *m, const struct stage_context *c, struct err *e)
{
	switch (m->staged) {
	case STAGED_PROC:
		return make_proc(m, c, e);
	case STAGED_SYS:
		return make_sys(m, c, e);
	case STAGED_DEV:
		return make_dev(p, m, c, e);
	case STAGED_BIND:
		return make_bind(p, m, c, e);
	case STAGED_OVERLAY:
		return overlay_make(p, m->overlay, c, (unsigned)m->opt.set | MOUNT_ATTR_NODEV, e);
	case STAGED_NONE:
		break;
	}
	return err_set(e, EINVAL, "mount of no kind");
}

static int stage_root(struct plan *p, const struct stage_context *c, struct err *e)
{
	_cleanup_close_ int mnt = root_make(p, c, e), rw = -EBADF;
	int r = mnt < 0 ? mnt : 0;

	if (r == 0)
		r = put(mnt, STAGE_ROOT, true, e);
	if (r == 0 && p->spec->root_readonly) {
		rw = mnt_clone(mnt, "", false, e);
		r = rw < 0 ? rw : put(rw, STAGE_RW, true, e);
		if (r == 0)
			r = mnt_set_attr(mnt, MOUNT_ATTR_RDONLY, 0, 0, true, e);
	}
	return r;
}

/* What init needs for itself: a clean procfs, /dev/null to mask files with, nodes when nothing is mounted on /dev. */
static int stage_tools(const struct plan *p, const struct stage_context *c, struct err *e)
{
	_cleanup_close_ int proc = make_proc(NULL, c, e), dev = -EBADF;
	int r = proc < 0 ? proc : put(proc, STAGE_PROC, true, e);

	if (r == 0 && (mkdirat(AT_FDCWD, STAGE_NEW, 0700) < 0 ||
		       mknodat(AT_FDCWD, STAGE_NULL, S_IFCHR | 0666, makedev(1, 3)) < 0))
		r = err_sys(e, errno, "fill the stage");
	if (r == 0 && p->dev_in_root) {
		dev = make_dev(p, NULL, c, e);
		r = dev < 0 ? dev : put(dev, STAGE_DEV, true, e);
	}
	return r;
}

int stage_enter(const struct plan *p, const char *at, struct err *e)
{
	_cleanup_close_ int fs = mnt_fs_open("tmpfs", e), mnt = -EBADF;
	int r = fs < 0 ? fs : mnt_fs_set(fs, "mode", "755", e);

	if (r < 0)
		return r;
	mnt = mnt_fs_create(fs, MOUNT_ATTR_NOSUID, e);
	if (mnt < 0)
		return mnt;
	r = mnt_attach_at(mnt, AT_FDCWD, p->no_pivot ? "/" : at, e);
	if (r < 0)
		return r;
	if (fchdir(mnt) < 0)
		return err_sys(e, errno, "enter the stage");
	if (p->host_visible)
		return 0;
	/*
	 * An initramfs cannot be pivoted away from, but covered: init's copy of the stage is locked to what it covers, and
	 * pivot_root(2) hands that lock on to the container's root, so nobody takes it off again (A41).
	 */
	if (p->no_pivot)
		return chroot(".") < 0 ? err_sys(e, errno, "make the stage the root (--no-pivot)") : 0;
	/* Stacks the old root on top of the new one; detaching it leaves a namespace with nothing of the host in it. */
	if (sys_pivot_root(".", ".") < 0)
		return err_sys(e, errno, "make the stage the root");
	if (umount2(".", MNT_DETACH) < 0)
		return err_sys(e, errno, "detach the host's tree");
	return 0;
}

static bool is_kernels(const struct planned_mount *m)
{
	return m->staged == STAGED_PROC || m->staged == STAGED_SYS;
}

static int stage_mount(struct plan *p, struct planned_mount *m, const struct stage_context *c, struct err *e)
{
	_cleanup_close_ int mnt = make_staged(p, m, c, e);
	int r = mnt < 0 ? mnt : put(mnt, m->name, m->is_dir, e);

	if (r == 0 && is_kernels(m))
		r = procfs_cover(p->spec, c, m, e);
	return r < 0 ? err_ctx(e, r, "mount %s", m->spec->destination) : 0;
}

int stage_build(struct plan *p, const struct stage_context *c, struct err *e)
{
	int r = stage_root(p, c, e);

	if (r == 0)
		r = stage_tools(p, c, e);
	/* procfs and sysfs last: what covers parts of them takes its time to start. The order on the stage is of no matter. */
	for (int last = 0; r == 0 && last <= 1; last++) {
		if (last && c->super)
			r = supervisor_stage(c->super, e);
		for (size_t i = 0; r == 0 && i < p->n_mounts; i++)
			if (p->mounts[i].kind == MOUNT_STAGED && is_kernels(&p->mounts[i]) == (last == 1))
				r = stage_mount(p, &p->mounts[i], c, e);
	}
	return r;
}
