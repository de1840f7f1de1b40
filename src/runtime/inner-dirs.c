/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories in which engines inside a container keep their layers: see plan.h, plan_inner_dirs().
 *
 * A container's root file system is an overlay, and the kernel takes no overlay as the upper layer of another: an
 * engine that finds itself on one refuses to start or copies whole file systems ("vfs"). So each of these directories
 * is a directory of the file system that the container's own upper layer lies on, mounted with the container's ids.
 *
 * They lie beside that upper layer, in the directory that the engine has made for this container and nothing else.
 * So they are there at every start of the container, whatever was restarted meanwhile, and the engine removes them
 * together with the layer. There is no list to keep, and nothing to clean up.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "codec/idtext.h"
#include "codec/lexpath.h"
#include "policy/policy.h"
#include "runtime/plan.h"
#include "runtime/tree.h"
#include "sys/mnt.h"
#include "sys/path.h"

/* Beside the upper layer; 0700, so nobody on the host reaches what a container puts there. */
#define INNER_DIR "caisson-inner"

/* The last component is the name on disk. */
static const struct oci_mount inner_dirs[INNER_DIRS] = {
	{ .destination = "/var/lib/docker", .source = "inner engine" },
	{ .destination = "/var/lib/containerd", .source = "inner engine" },
	{ .destination = "/var/lib/containers", .source = "inner engine" },
	{ .destination = "/var/lib/buildkit", .source = "inner engine" },
	{ .destination = "/var/lib/kubelet", .source = "inner engine" },
	{ .destination = "/var/lib/rancher", .source = "inner engine" },
	{ .destination = "/var/lib/k0s", .source = "inner engine" },
};

/* Is DEST, of a mount that the engine asks for, PATH or a directory above it, other than the root? */
static bool covers(const char *dest, const char *path)
{
	size_t len = strlen(dest);

	while (len > 1 && dest[len - 1] == '/')
		len--;
	return len > 1 && strncmp(path, dest, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static bool is_covered(const struct oci_spec *s, const char *path)
{
	for (size_t i = 0; i < s->n_mounts; i++)
		if (covers(s->mounts[i].destination, path))
			return true;
	return false;
}

/*
 * What the image has at PATH, for copying. *@ret_fd: -EBADF when it has nothing there.
 * Return: 1; 0 when nothing can be mounted at PATH, because it is no directory or container root could not make it;
 * -errno.
 */
static int look(int root_fd, const char *path, int *ret_fd, struct err *e)
{
	char parent[64];
	struct stat st;
	int fd = path_open_in(root_fd, path, O_RDONLY | O_DIRECTORY, 0);

	if (fd >= 0)
		return *ret_fd = fd, 1;
	(void)snprintf(parent, sizeof parent, "%s", path);
	while (fd == -ENOENT && parent[1]) {
		char *slash = strrchr(parent, '/');

		slash[slash == parent] = '\0';
		fd = path_open_in(root_fd, parent, O_PATH | O_DIRECTORY, 0);
	}
	if (fd == -ENOTDIR || fd == -ELOOP || fd == -ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return fd_close(fd), err_sys(e, fd < 0 ? -fd : errno, "open %s in the image", path);
	(void)fd_close(fd);
	*ret_fd = -EBADF;
	return st.st_uid < ID_RANGE && st.st_gid < ID_RANGE;
}

/* Under another name until it is complete: whoever is killed meanwhile leaves nothing that looks like a copy. */
static int fill(int dir, const char *name, int image_fd, struct err *e)
{
	_cleanup_close_ int fd = -EBADF;
	char temporary[32];
	int r;

	(void)snprintf(temporary, sizeof temporary, "%s.new", name);
	r = tree_remove(dir, temporary, e);
	if (r < 0)
		return r;
	if (mkdirat(dir, temporary, 0755) < 0)
		return err_sys(e, errno, "make %s", temporary);
	fd = openat(dir, temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open %s", temporary);
	r = image_fd >= 0	   ? tree_copy(image_fd, fd, e)
	    : fchmod(fd, 0755) < 0 ? err_sys(e, errno, "%s", temporary)
				   : 0;
	if (r == 0 && renameat(dir, temporary, dir, name) < 0)
		r = err_sys(e, errno, "rename %s", temporary);
	if (r < 0)
		(void)tree_remove(dir, temporary, NULL);
	return r;
}

static int plan_one(struct plan *p, int dir, int root_fd, const struct oci_mount *spec, struct err *e)
{
	struct planned_mount *m = &p->mounts[p->n_mounts];
	const char *name = lex_last(spec->destination);
	_cleanup_close_ int image_fd = -EBADF;
	struct stat st;
	int r;

	r = look(root_fd, spec->destination, &image_fd, e);
	if (r <= 0)
		return r;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		r = errno == ENOENT ? fill(dir, name, image_fd, e) : err_sys(e, errno, "%s", name);
		if (r < 0)
			return r;
	}
	*m = (struct planned_mount){
		.spec = spec,
		.kind = MOUNT_STAGED,
		.staged = STAGED_BIND,
		.is_dir = true,
		.no_nodes = true,
		.map = { .verdict = BIND_ENGINE },
		.fd = mnt_clone(dir, name, false, e),
	};
	(void)snprintf(m->name, sizeof m->name, "inner-%s", name);
	p->n_mounts++;
	return m->fd < 0 ? m->fd : 0;
}

int plan_inner_dirs(struct plan *p, int upper_dir, struct err *e)
{
	_cleanup_close_ int dir = -EBADF, root_fd = -EBADF;

	if (upper_dir < 0 || p->spec->root_readonly || !policy_container_can_mount(p->spec))
		return 0;
	if (mkdirat(upper_dir, INNER_DIR, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make %s beside the upper layer", INNER_DIR);
	dir = openat(upper_dir, INNER_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	root_fd = open(p->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || root_fd < 0)
		return err_sys(e, errno, "open %s", dir < 0 ? INNER_DIR " beside the upper layer" : p->rootfs);
	for (size_t i = 0; i < INNER_DIRS; i++) {
		const struct oci_mount *spec = &inner_dirs[i];
		int r;

		if (is_covered(p->spec, spec->destination))
			continue;
		r = plan_one(p, dir, root_fd, spec, e);
		if (r < 0)
			return err_ctx(e, r, "private directory for %s", spec->destination);
	}
	return 0;
}
