/* SPDX-License-Identifier: Apache-2.0 */
/* Which directories make up the root file system: opened before any namespace is left. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "policy/policy.h"
#include "runtime/plan.h"
#include "sys/missing.h"
#include "sys/mnt.h"
#include "sys/path.h"

#define MOUNTINFO_MAX (64u << 20)

/* The mountinfo line of mount MNT_ID; its strings point into *RET_TEXT. */
static int find_mount(const struct runtime *rt, uint64_t mnt_id, struct mountinfo *ret, char **ret_text,
		      struct err *e)
{
	_cleanup_free_ char *text = NULL;
	struct mountinfo m;
	char *cursor;
	int r;

	r = io_read_at(rt->proc_fd, "self/mountinfo", MOUNTINFO_MAX, &text, NULL);
	if (r < 0)
		return err_sys(e, -r, "read /proc/self/mountinfo");
	cursor = text;
	while ((r = mountinfo_next(&cursor, &m)) > 0) {
		if (m.id == mnt_id) {
			*ret = m;
			*ret_text = TAKE_PTR(text);
			return 0;
		}
	}
	return r < 0 ? err_set(e, EPROTO, "/proc/self/mountinfo has a line of unknown form")
		     : err_set(e, ENOENT, "mount of the root file system is not in /proc/self/mountinfo");
}

/* The directory N levels above PATH. */
static char *ancestor(const char *path, int n)
{
	char *s = strdup(path), *slash;

	while (s && n-- > 0) {
		slash = strrchr(s, '/');
		if (!slash || slash == s)
			break;
		*slash = '\0';
	}
	return s;
}

/*
 * Engines shorten long option strings with paths relative to a directory that they were in while mounting: Docker to
 * <data-root>/overlay2 (upper is relative then, too), containerd to the directory of all snapshots (upper stays absolute).
 */
static int open_base(const char *rootfs, const struct overlay_options *o)
{
	const char *first = o->lower[0];
	_cleanup_free_ char *by_rootfs = ancestor(rootfs, 2);
	_cleanup_free_ char *by_upper = o->upper && o->upper[0] == '/' ? ancestor(o->upper, 2) : NULL;
	const char *const candidates[] = { by_upper, by_rootfs };

	if (first[0] == '/' && (!o->upper || o->upper[0] == '/'))
		return AT_FDCWD;
	for (size_t i = 0; i < ARRAY_SIZE(candidates); i++) {
		_cleanup_close_ int fd = -EBADF;

		if (!candidates[i])
			continue;
		fd = open(candidates[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && faccessat(fd, first, F_OK, 0) == 0)
			return TAKE_FD(fd);
	}
	return -ENOENT;
}

static int clone_layers(struct planned_root *root, int base, struct err *e)
{
	const struct overlay_options *o = &root->opt;

	root->lower = calloc(o->n_lower, sizeof *root->lower);
	if (!root->lower)
		return err_sys(e, ENOMEM, "overlay layers");
	for (size_t i = 0; i < o->n_lower; i++) {
		int fd = mnt_clone(base, o->lower[i], false, e);

		if (fd < 0)
			return err_ctx(e, fd, "overlay layer %s", o->lower[i]);
		root->lower[root->n_lower++] = (struct overlay_layer){
			.fd = fd,
			.data_only = i >= o->n_lower - o->n_data,
			.map = { .verdict = BIND_ENGINE },
		};
	}
	return 0;
}

/*
 * Upper and work must lie on one mount, id-mapped as a whole: their parent directory. The work directory is one of our
 * own beside the engine's: an overlay empties its work directory when it is mounted, and the engine's instance goes
 * on using the other ("docker cp" copies up through it).
 */
int plan_overlay_upper(struct planned_root *root, int base, int *ret_dir, struct err *e)
{
	_cleanup_free_ char *parent = ancestor(root->opt.upper, 1), *work = NULL;
	_cleanup_close_ int dir = -EBADF;
	const char *name = strrchr(root->opt.upper, '/');

	if (!parent || !name || !(work = strdup("caisson-work")))
		return err_set(e, EINVAL, "overlay upperdir=%s of the root file system has no parent directory",
			       root->opt.upper);
	dir = openat(base, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, errno, "open %s (overlay upperdir)", parent);
	if (mkdirat(dir, work, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make overlay work directory %s/%s", parent, work);
	root->upper = strdup(name + 1);
	root->work = TAKE_PTR(work);
	root->parent_fd = mnt_clone(base, parent, false, e);
	if (root->parent_fd < 0)
		return err_ctx(e, root->parent_fd, "overlay upperdir %s", root->opt.upper);
	if (ret_dir)
		*ret_dir = TAKE_FD(dir);
	return 0;
}

static int plan_overlay(const struct runtime *rt, struct plan *p, int fd, int *ret_upper, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int base_owned = -EBADF;
	struct planned_root *root = &p->root;
	struct mountinfo m = { 0 };
	uint64_t id;
	bool is_root;
	int r, base;

	r = path_mnt_id(fd, &id, &is_root);
	if (r < 0)
		return err_sys(e, -r, "root file system %s", p->rootfs);
	r = find_mount(rt, id, &m, &text, e);
	if (r < 0)
		return r;
	if (strcmp(m.root, "/") != 0 || !is_root)
		return err_set(
			e, EINVAL,
			"root file system %s is a directory inside an overlay, which cannot be id-mapped; give the "
			"overlay's own mount point as root.path, or a directory on ext4, xfs or btrfs",
			p->rootfs);
	root->opt_text = strdup(m.super_options);
	if (!root->opt_text)
		return err_sys(e, ENOMEM, "root file system");
	r = overlay_options_parse(root->opt_text, &root->opt);
	if (r < 0)
		return err_set(e, EINVAL, "root file system %s: overlay mount without readable lowerdir",
			       p->rootfs);
	base = open_base(p->rootfs, &root->opt);
	if (base < 0 && base != AT_FDCWD)
		return err_set(e, ENOENT,
			       "root file system %s: overlay layers with relative paths (%s) are not found",
			       p->rootfs, root->opt.lower[0]);
	if (base >= 0)
		base_owned = base;
	root->overlay = true;
	root->engine_dev = makedev(m.major, m.minor);
	root->parent_map.verdict = BIND_ENGINE;
	r = clone_layers(root, base, e);
	if (r == 0 && root->opt.upper)
		r = plan_overlay_upper(root, base, ret_upper, e);
	return r;
}

int plan_root(const struct runtime *rt, struct plan *p, const char *bundle, int *ret_upper, struct err *e)
{
	_cleanup_close_ int fd = -EBADF, bundle_fd = -EBADF;
	struct statfs sfs;
	struct stat st;
	int r;

	bundle_fd = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (bundle_fd < 0)
		return err_sys(e, errno, "open bundle %s", bundle);
	fd = openat(bundle_fd, p->spec->root_path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "root.path: open root file system %s", p->spec->root_path);
	if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(e, ENOTDIR, "root.path: %s is not a directory", p->spec->root_path);
	r = path_of_fd(rt->proc_fd, fd, &p->rootfs);
	if (r < 0)
		return err_sys(e, -r, "root.path: %s", p->spec->root_path);
	r = policy_root_path(p->rootfs, e);
	if (r < 0)
		return r;
	if (fstatfs(fd, &sfs) < 0)
		return err_sys(e, errno, "root.path: %s", p->rootfs);
	if (sfs.f_type == OVERLAYFS_SUPER_MAGIC)
		return plan_overlay(rt, p, fd, ret_upper, e);
	p->root.fd = mnt_clone(fd, "", true, e);
	return p->root.fd < 0 ? err_ctx(e, p->root.fd, "root file system %s", p->rootfs) : 0;
}

void planned_root_done(struct planned_root *root)
{
	for (size_t i = 0; i < root->n_lower; i++)
		(void)fd_close(root->lower[i].fd);
	root->fd = fd_close(root->fd);
	root->parent_fd = fd_close(root->parent_fd);
	overlay_options_done(&root->opt);
	free(root->lower);
	free(root->opt_text);
	free(root->upper);
	free(root->work);
	*root = (struct planned_root){ .fd = -EBADF, .parent_fd = -EBADF };
}
