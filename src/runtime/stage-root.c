/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root file system without chown or copy: an overlay over id-mapped clones of all the layers of the engine's
 * overlay, upper and work included. Ids on disk stay 0..65535 (design: facts 2 and 3; docs/adr/0003).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "runtime/plan.h"
#include "sys/creds.h"
#include "sys/missing.h"
#include "sys/mnt.h"

#define BIT(cap) (UINT64_C(1) << (cap))

/*
 * What overlayfs does on the layers it does with these: everything about files, trusted.* attributes (SYS_ADMIN),
 * nothing else. Not SYS_RESOURCE: a container must not eat the file system's reserve for root.
 */
static const uint64_t overlay_caps = BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) |
				     BIT(CAP_FOWNER) | BIT(CAP_FSETID) | BIT(CAP_MKNOD) | BIT(CAP_SETFCAP) |
				     BIT(CAP_SYS_ADMIN);

static int common_options(int fs, const struct overlay_options *o, struct err *e)
{
	int r = 0;

	if (o->metacopy)
		r = mnt_fs_set(fs, "metacopy", "on", e);
	if (r == 0 && (o->redirect || o->metacopy))
		r = mnt_fs_set(fs, "redirect_dir", "on", e);
	if (r == 0 && o->userxattr)
		r = mnt_fs_set(fs, "userxattr", NULL, e);
	if (r == 0)
		r = mnt_fs_set(fs, "index", "off", e);
	return r;
}

/* Layers by fd, Linux 6.13. Return: mount fd; -EOPNOTSUPP when this kernel wants paths. */
static int overlay_by_fds(const struct planned_root *root, unsigned attr, struct err *e)
{
	_cleanup_close_ int fs = mnt_fs_open("overlay", e), upper = -EBADF, work = -EBADF;
	int r;

	if (fs < 0)
		return fs;
	for (size_t i = 0; i < root->n_lower; i++) {
		const struct overlay_layer *l = &root->lower[i];

		r = mnt_fs_set_fd(fs, l->data_only ? "datadir+" : "lowerdir+", l->fd, e);
		if (r < 0)
			return i == 0 && (r == -EINVAL || r == -EBADF) ? -EOPNOTSUPP : r;
	}
	if (root->parent_fd >= 0) {
		upper = openat(root->parent_fd, root->upper, O_PATH | O_DIRECTORY | O_CLOEXEC);
		work = openat(root->parent_fd, root->work, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (upper < 0 || work < 0)
			return err_sys(e, errno, "open overlay upper and work directories");
		r = mnt_fs_set_fd(fs, "upperdir", upper, e);
		if (r == 0)
			r = mnt_fs_set_fd(fs, "workdir", work, e);
		if (r < 0)
			return r;
	}
	r = common_options(fs, &root->opt, e);
	return r < 0 ? r : mnt_fs_create(fs, attr, e);
}

/* Attach MNT at a new directory NAME of the stage, our working directory. */
static int attach_layer(int mnt, const char *name, struct err *e)
{
	if (mkdirat(AT_FDCWD, name, 0700) < 0)
		return err_sys(e, errno, "make %s on the stage", name);
	return mnt_attach_at(mnt, AT_FDCWD, name, e);
}

static int layer_options(const struct planned_root *root, char **ret)
{
	size_t len = 0;
	FILE *f = open_memstream(ret, &len);
	bool data = false;

	if (!f)
		return -ENOMEM;
	fputs("index=off,lowerdir=", f);
	for (size_t i = 0; i < root->n_lower; i++) {
		fprintf(f, "%sl%zu", i == 0 ? "" : root->lower[i].data_only && !data ? "::" : ":", i);
		data |= root->lower[i].data_only;
	}
	if (root->parent_fd >= 0)
		fprintf(f, ",upperdir=up/%s,workdir=up/%s", root->upper, root->work);
	if (root->opt.metacopy)
		fputs(",metacopy=on", f);
	if (root->opt.redirect || root->opt.metacopy)
		fputs(",redirect_dir=on", f);
	if (root->opt.userxattr)
		fputs(",userxattr", f);
	return fclose(f) == 0 ? 0 : -ENOMEM;
}

/* Before Linux 6.13: attach each layer under a short name and mount by paths relative to the stage. */
static int overlay_by_paths(const struct planned_root *root, unsigned attr, uint32_t base, struct err *e)
{
	_cleanup_free_ char *options = NULL;
	char name[24];
	int r = 0, mnt;

	for (size_t i = 0; r == 0 && i < root->n_lower; i++) {
		(void)snprintf(name, sizeof name, "l%zu", i);
		r = attach_layer(root->lower[i].fd, name, e);
	}
	if (r == 0 && root->parent_fd >= 0)
		r = attach_layer(root->parent_fd, "up", e);
	if (r == 0 && mkdirat(AT_FDCWD, "ovl", 0700) < 0)
		r = err_sys(e, errno, "make ovl on the stage");
	if (r == 0)
		r = layer_options(root, &options) < 0 ? err_sys(e, ENOMEM, "overlay options") : 0;
	if (r == 0)
		r = creds_become(base, overlay_caps, e);
	if (r < 0)
		return r;
	if (mount("overlay", "ovl", "overlay", 0, options) < 0)
		r = err_sys(e, errno, "mount overlay root (%.200s)", options);
	if (creds_restore(r == 0 ? e : NULL) < 0)
		return -EPERM;
	mnt = r < 0 ? r : mnt_clone(AT_FDCWD, "ovl", false, e);
	if (mnt >= 0 && (r = mnt_set_attr(mnt, attr, 0, 0, false, e)) < 0)
		mnt = (fd_close(mnt), r);
	/* The overlay holds its own references: the names are no longer needed. */
	(void)umount2("ovl", MNT_DETACH);
	for (size_t i = 0; i < root->n_lower; i++) {
		(void)snprintf(name, sizeof name, "l%zu", i);
		(void)umount2(name, MNT_DETACH);
	}
	if (root->parent_fd >= 0)
		(void)umount2("up", MNT_DETACH);
	return mnt;
}

static int map_layer(const struct plan *p, int mnt, const struct source_map *map, const struct stage_context *c,
		     const char *what, struct err *e)
{
	_cleanup_close_ int owned = -EBADF;
	int fd = stage_mapping(p, map, c, &owned, e);

	return fd < 0 ? fd : mnt_idmap(mnt, fd, false, what, e);
}

int overlay_make(const struct plan *p, const struct planned_root *root, const struct stage_context *c,
		 unsigned attr, struct err *e)
{
	int r = 0, mnt;

	for (size_t i = 0; r == 0 && i < root->n_lower; i++)
		r = map_layer(p, root->lower[i].fd, &root->lower[i].map, c, root->opt.lower[i], e);
	if (r == 0 && root->parent_fd >= 0)
		r = map_layer(p, root->parent_fd, &root->parent_map, c, root->opt.upper, e);
	if (r < 0)
		return r;
	/* Overlay keeps its mounter's credentials and works on the layers with them. */
	r = creds_become(c->base, overlay_caps, e);
	if (r < 0)
		return r;
	mnt = overlay_by_fds(root, attr, e);
	r = creds_restore(mnt >= 0 ? e : NULL);
	if (r < 0)
		return fd_close(mnt), r;
	if (mnt == -EOPNOTSUPP)
		mnt = overlay_by_paths(root, attr, c->base, e);
	return mnt;
}

int root_make(struct plan *p, const struct stage_context *c, struct err *e)
{
	struct planned_root *root = &p->root;
	/*
	 * Device nodes that an image brings along are dead; /dev is a mount of its own. Not where the supervisor makes harmless
	 * ones for mknod(2): the container's device groups alone decide there which can be opened.
	 */
	unsigned attr = c->super ? 0 : MOUNT_ATTR_NODEV;
	struct stat st;
	int r, mnt;

	if (!root->overlay) {
		r = mnt_idmap(root->fd, c->userns_fd, true, p->rootfs, e);
		if (r == 0)
			r = mnt_set_attr(root->fd, attr, 0, MS_PRIVATE, true, e);
		return r < 0 ? r : TAKE_FD(root->fd);
	}
	mnt = overlay_make(p, root, c, attr, e);
	if (mnt >= 0 && fstat(mnt, &st) == 0)
		root->dev = st.st_dev;
	return mnt < 0 ? err_ctx(e, mnt, "root file system %s", p->rootfs) : mnt;
}
