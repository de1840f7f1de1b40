/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts a container's mounts together, as container root in the container's own user namespace: every path in the root file system is
 * resolved and every mount point made with no more rights than the container has anyway (A4-A14).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "cgroup/cgroup.h"
#include "runtime/copyup.h"
#include "runtime/init.h"
#include "runtime/procfs.h"
#include "sys/missing.h"
#include "sys/mnt.h"
#include "sys/path.h"

/* What may be bound over files of a procfs: views that tools such as lxcfs provide (runc's list). */
static const char *const proc_targets[] = {
	"/proc/cpuinfo",
	"/proc/diskstats",
	"/proc/meminfo",
	"/proc/stat",
	"/proc/swaps",
	"/proc/uptime",
	"/proc/loadavg",
	"/proc/slabinfo",
	"/proc/net/dev",
	"/proc/sys/kernel/ns_last_pid",
	"/proc/sys/crypto/fips_enabled",
};

static int check_target(int target, const struct planned_mount *m, struct err *e)
{
	struct statfs sfs;

	if (fstatfs(target, &sfs) < 0)
		return err_sys(e, errno, "stat mount point");
	if (sfs.f_type != PROC_SUPER_MAGIC || m->staged == STAGED_PROC)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(proc_targets); i++)
		if (strcmp(m->spec->destination, proc_targets[i]) == 0)
			return 0;
	return err_set(e, EPERM, "inside of /proc only files such as /proc/meminfo can be mounted over");
}

/* A12: a link at /proc or /sys would let an image say where kernel file systems go. */
static int open_plain_dir(const struct assembled *t, const char *dest, struct err *e)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = sys_openat2(t->root_fd, dest, &how);

	if (fd < 0 && errno == ENOENT) {
		_cleanup_close_ int made = path_make_in(t->root_fd, t->rw_fd, dest, true, e);

		if (made < 0)
			return made;
		fd = sys_openat2(t->root_fd, dest, &how);
	}
	if (fd < 0)
		return err_set(e, errno, "filesystem must be mounted on an ordinary directory, %s is none", dest);
	return fd;
}

static int open_target(const struct assembled *t, const struct planned_mount *m, struct err *e)
{
	const char *dest = m->spec->destination;
	int fd, r;

	if (m->staged == STAGED_PROC || m->staged == STAGED_SYS)
		return open_plain_dir(t, dest, e);
	fd = path_make_in(t->root_fd, t->rw_fd, dest, m->is_dir, e);
	if (fd < 0)
		return fd;
	r = check_target(fd, m, e);
	return r < 0 ? fd_close(fd), r : fd;
}

static int propagate(int mnt, const struct mount_options *o, struct err *e)
{
	if (o->propagation == 0 || o->propagation == MS_PRIVATE)
		return 0;
	return mnt_set_attr(mnt, 0, 0, o->propagation, o->propagation_recursive, e);
}

/* The directory that a mount point is in can never be forgotten. */
static void copy_up_parent(const struct assembled *t, const char *dest)
{
	static const char *const kernels[] = { "/dev/", "/proc/", "/sys/" };
	const char *slash = strrchr(dest, '/');
	_cleanup_free_ char *parent = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(kernels); i++)
		if (strncmp(dest, kernels[i], strlen(kernels[i])) == 0)
			return;
	if (t->rw_fd >= 0 || !slash || slash == dest)
		return;
	parent = strndup(dest, (size_t)(slash - dest));
	if (parent)
		copy_up_dir(t->root_fd, parent);
}

static int attach(const struct assembled *t, const struct planned_mount *m, int mnt, struct err *e)
{
	_cleanup_close_ int target = open_target(t, m, e);
	int r;

	if (target >= 0)
		copy_up_parent(t, m->spec->destination);
	r = target < 0 ? target : mnt_attach(mnt, target, e);

	return r < 0 ? r : propagate(mnt, &m->opt, e);
}

static int mount_inside(const struct assembled *t, const struct planned_mount *m, struct err *e)
{
	_cleanup_close_ int fs = mnt_fs_open(m->spec->type, e), mnt = -EBADF, lower = -EBADF;
	int r;

	if (fs < 0)
		return fs;
	if (m->spec->source && *m->spec->source)
		(void)fsconfig(fs, FSCONFIG_SET_STRING, "source", m->spec->source, 0);
	r = mnt_fs_set_all(fs, &m->opt, e);
	if (r < 0)
		return r;
	/* A tmpfs that gets a copy must be writable until then. */
	mnt = mnt_fs_create(fs, (unsigned)m->opt.set & (m->opt.copy_up ? ~(unsigned)MOUNT_ATTR_RDONLY : ~0u), e);
	if (mnt < 0)
		return mnt;
	if (m->opt.copy_up) {
		lower = path_make_in(t->root_fd, t->rw_fd, m->spec->destination, true, e);
		r = lower < 0 ? lower : copy_up_tree(lower, mnt, e);
		if (r == 0)
			r = mnt_set_attr(mnt, m->opt.set, m->opt.clear, 0, false, e);
		if (r < 0)
			return r;
	}
	return attach(t, m, mnt, e);
}

/* ---- cgroup ---- */

static int mount_cgroup2(const struct assembled *t, const struct planned_mount *m, struct err *e)
{
	_cleanup_close_ int fs = mnt_fs_open("cgroup2", e), mnt = -EBADF;

	if (fs < 0)
		return fs;
	mnt = mnt_fs_create(fs, (unsigned)m->opt.set, e);
	return mnt < 0 ? mnt : attach(t, m, mnt, e);
}

static int mount_hierarchy(int dir, const struct cgroup_hierarchy *h, unsigned attr, struct err *e)
{
	_cleanup_close_ int fs = mnt_fs_open("cgroup", e), mnt = -EBADF, target = -EBADF;
	char data[sizeof h->data];
	int r = 0;

	if (fs < 0)
		return fs;
	(void)snprintf(data, sizeof data, "%s", h->data);
	for (char *p = data, *word; r == 0 && (word = strsep(&p, ","));) {
		char *value = strchr(word, '=');

		if (value)
			*value++ = '\0';
		if (*word)
			r = mnt_fs_set(fs, word, value, e);
	}
	if (r < 0)
		return r;
	(void)fsconfig(fs, FSCONFIG_SET_STRING, "source", "cgroup", 0);
	mnt = mnt_fs_create(fs, attr, e);
	if (mnt < 0)
		return mnt;
	if (mkdirat(dir, h->name, 0755) < 0)
		return err_sys(e, errno, "make directory");
	/* "cpu,cpuacct" is known by both names, too. */
	if (strchr(h->name, ',')) {
		(void)snprintf(data, sizeof data, "%s", h->name);
		for (char *p = data, *word; (word = strsep(&p, ","));)
			if (symlinkat(h->name, dir, word) < 0)
				return err_sys(e, errno, "make link");
	}
	target = openat(dir, h->name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return target < 0 ? err_sys(e, errno, "open directory") : mnt_attach(mnt, target, e);
}

static int mount_cgroup(const struct assembled *t, const struct planned_mount *m, struct err *e)
{
	_cleanup_close_ int fs = -EBADF, mnt = -EBADF;
	const struct cgroup_hierarchy *h;
	size_t n;
	int r;

	if (cgroup_is_v2())
		return mount_cgroup2(t, m, e);
	r = cgroup_hierarchies(&h, &n, e);
	if (r < 0)
		return r;
	fs = mnt_fs_open("tmpfs", e);
	r = fs < 0 ? fs : mnt_fs_set(fs, "mode", "755", e);
	if (r < 0)
		return r;
	mnt = mnt_fs_create(fs, (unsigned)m->opt.set & ~(unsigned)MOUNT_ATTR_RDONLY, e);
	if (mnt < 0)
		return mnt;
	r = attach(t, m, mnt, e);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (h[i].is_v2)
			continue;
		r = mount_hierarchy(mnt, &h[i], (unsigned)m->opt.set, e);
		if (r < 0)
			return err_ctx(e, r, "cgroup hierarchy %s", h[i].name);
	}
	return r == 0 && (m->opt.set & MOUNT_ATTR_RDONLY) ? mnt_set_attr(mnt, m->opt.set, 0, 0, false, e) : r;
}

/* ---- the whole tree ---- */

static int mount_staged(const struct assembled *t, const struct planned_mount *m, struct err *e)
{
	_cleanup_close_ int mnt = mnt_clone(t->stage_fd, m->name, true, e);

	return mnt < 0 ? mnt : attach(t, m, mnt, e);
}

static int mount_one(const struct assembled *t, const struct planned_mount *m, struct err *e)
{
	switch (m->kind) {
	case MOUNT_STAGED:
		return mount_staged(t, m, e);
	case MOUNT_INSIDE:
		return mount_inside(t, m, e);
	case MOUNT_CGROUP:
		return mount_cgroup(t, m, e);
	}
	return err_set(e, EINVAL, "mount of no kind");
}

/* No mount on /dev: nodes of the stage are bound onto files of the root file system, one by one. */
static int bind_nodes(const struct plan *p, const struct assembled *t, struct err *e)
{
	for (size_t i = 0; i < p->n_devices; i++) {
		const char *path = p->devices[i].path;
		_cleanup_close_ int dev = openat(t->stage_fd, STAGE_DEV, O_PATH | O_DIRECTORY | O_CLOEXEC);
		_cleanup_close_ int mnt = -EBADF, target = -EBADF;
		int r;

		mnt = dev < 0 ? err_sys(e, errno, "open stage") : mnt_clone(dev, path + strlen("/dev/"), false, e);
		if (mnt < 0)
			return mnt;
		target = path_make_in(t->root_fd, t->rw_fd, path, false, e);
		r = target < 0 ? target : mnt_attach(mnt, target, e);
		if (r < 0)
			return err_ctx(e, r, "device %s", path);
	}
	return 0;
}

int assemble_enter(const struct init_args *a, struct assembled *t, struct err *e)
{
	const struct plan *p = a->plan;

	*t = (struct assembled){ -EBADF, -EBADF, -EBADF, -EBADF, -EBADF };
	if (p->host_visible && chdir(a->stage_at) < 0)
		return err_sys(e, errno, "enter the stage");
	/* Everything that the host built is locked in the copy that this makes (mount_namespaces(7)). */
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, errno, "unshare the mount namespace");
	t->stage_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t->stage_fd < 0)
		return err_sys(e, errno, "open the stage");
	t->proc_fd = openat(t->stage_fd, STAGE_PROC, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t->proc_fd < 0)
		return err_sys(e, errno, "open the stage's procfs");
	if (a->spec->root_readonly) {
		t->rw_fd = openat(t->stage_fd, STAGE_RW, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (t->rw_fd < 0)
			return err_sys(e, errno, "open the writable root");
	}
	/* createContainer hooks look for the root file system where the bundle has it. */
	if (p->host_visible)
		t->at_fd = open(p->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t->at_fd < 0)
		t->at_fd = openat(t->stage_fd, STAGE_NEW, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return t->at_fd < 0 ? err_sys(e, errno, "open the place of the root file system") : 0;
}

int assemble(const struct init_args *a, struct assembled *t, struct err *e)
{
	const struct plan *p = a->plan;
	int r;

	t->root_fd = mnt_clone(t->stage_fd, STAGE_ROOT, true, e);
	r = t->root_fd < 0 ? t->root_fd : mnt_attach(t->root_fd, t->at_fd, e);
	for (size_t i = 0; r == 0 && i < p->n_mounts; i++) {
		const struct oci_mount *spec = p->mounts[i].spec;

		r = mount_one(t, &p->mounts[i], e);
		if (r < 0)
			return err_ctx(e, r, "error mounting \"%s\" to rootfs at \"%s\"",
				       spec->source ? spec->source
				       : spec->type ? spec->type
						    : "",
				       spec->destination);
	}
	if (r == 0 && p->dev_in_root)
		r = bind_nodes(p, t, e);
	return r < 0 ? r : procfs_mask_rest(a->spec, t->root_fd, t->stage_fd, e);
}

static unsigned long root_propagation(const char *text)
{
	static const struct {
		const char *name;
		unsigned long flags;
	} rows[] = {
		{ "shared", MS_SHARED },	 { "rshared", MS_SHARED | MS_REC },
		{ "slave", MS_SLAVE },		 { "rslave", MS_SLAVE | MS_REC },
		{ "unbindable", MS_UNBINDABLE }, { "runbindable", MS_UNBINDABLE | MS_REC },
	};

	for (size_t i = 0; text && i < ARRAY_SIZE(rows); i++)
		if (strcmp(text, rows[i].name) == 0)
			return rows[i].flags;
	return 0; /* private: what it is already */
}

int assemble_pivot(const struct init_args *a, const struct assembled *t, struct err *e)
{
	unsigned long propagation = root_propagation(a->spec->linux_.rootfs_propagation);

	if (fchdir(t->root_fd) < 0)
		return err_sys(e, errno, "enter the root file system");
	if (sys_pivot_root(".", ".") < 0)
		return err_sys(e, errno, "pivot_root");
	if (umount2(".", MNT_DETACH) < 0)
		return err_sys(e, errno, "detach the stage");
	if (chdir("/") < 0)
		return err_sys(e, errno, "enter the root file system");
	if (propagation && mount(NULL, "/", NULL, propagation, NULL) < 0)
		return err_sys(e, errno, "linux.rootfsPropagation: %s", a->spec->linux_.rootfs_propagation);
	return 0;
}
