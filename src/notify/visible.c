/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Would the kernel let the caller mount a new procfs or sysfs, but for our covers? It wants one in the mount namespace
 * on which nothing that is locked hides anything (mnt_already_visible(), fs/namespace.c). Mounts are locked when a mount
 * namespace is copied for a user namespace made inside; in one of the container's own user namespace only ours are.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "emulate/emulate.h"
#include "notify/mounts.h"
#include "notify/tree.h"
#include "sys/missing.h"

struct look {
	const struct notify_worker *w;
	const struct notify_caller *c;
	char *text; /* owned: its mountinfo */
};

/* All mounts of the namespace, from its own root directory: the caller's may be a part of it. */
static int read_mounts(void *arg)
{
	struct look *l = arg;

	if (setns(l->c->mnt, CLONE_NEWNS) < 0)
		return -errno;
	return io_read_at(l->w->proc, "self/mountinfo", NOTIFY_MOUNTINFO_MAX, &l->text, NULL);
}

/* @path behind @dir: "" or "a/b"; NULL when it is not below. */
static const char *behind(const char *path, const char *dir)
{
	size_t len = strcmp(dir, "/") == 0 ? 0 : strlen(dir);

	if (strncmp(path, dir, len) != 0 || (path[len] != '/' && path[len] != '\0'))
		return NULL;
	return path[len] == '/' ? path + len + 1 : path + len;
}

/* Directories that the kernel keeps empty for others to mount on: sysfs_create_mount_point() and its like. */
static bool is_mount_point(const struct notify_fs *fs, const char *path)
{
	static const char *const of_proc[] = { "fs/nfsd", "openprom", "sys/fs/binfmt_misc", NULL };
	static const char *const of_sysfs[] = { "firmware/efi/efivars",
						"fs/bpf",
						"fs/cgroup",
						"fs/fuse/connections",
						"fs/pstore",
						"fs/resctrl",
						"fs/selinux",
						"fs/smackfs",
						"hypervisor/s390",
						"kernel/config",
						"kernel/debug",
						"kernel/security",
						"kernel/tracing",
						NULL };

	for (const char *const *p = fs->fs == EMU_PROC ? of_proc : of_sysfs; *p; p++)
		if (behind(path, *p))
			return true;
	return false;
}

/* The bundle's masks and read-only paths lie on a new one as well. @masked: masks alone. */
static bool is_of_bundle(const struct notify_worker *w, const struct notify_fs *fs, const char *path, bool masked)
{
	const struct emu_params *p = &w->shared->params;
	const char *at = p->paths, *end = p->paths + sizeof p->paths;
	size_t len = strlen(fs->prefix);

	for (uint32_t i = 0; i < p->n_masked + (masked ? 0 : p->n_read_only) && at < end; i++) {
		if (strncmp(at, fs->prefix, len) == 0 && behind(path, at + len))
			return true;
		at += strlen(at) + 1;
	}
	return false;
}

static bool is_emulated(const struct notify_fs *fs, const char *path)
{
	for (size_t i = 0; i < emu_n_rows; i++)
		if (emu_rows[i].fs == fs->fs && strcmp(emu_rows[i].path, path) == 0)
			return true;
	return false;
}

/* Does @m, at @path of an instance on device @dev, hide what a new one would show? */
static bool hides(const struct notify_worker *w, const struct notify_fs *fs, const struct mountinfo *m,
		  uint64_t dev, const char *path)
{
	uint64_t own = makedev(m->major, m->minor);

	if (is_mount_point(fs, path) || is_of_bundle(w, fs, path, true))
		return false;
	if (own == dev)
		return !is_of_bundle(w, fs, path, false);
	return !notify_is_carrier(w, own) || !is_emulated(fs, path);
}

static bool is_read_only(const char *options)
{
	return strncmp(options, "ro", 2) == 0 && (options[2] == ',' || options[2] == '\0');
}

static bool shows_all(const struct notify_worker *w, const struct notify_fs *fs, const struct notify_mounts *l,
		      const struct mountinfo *top)
{
	uint64_t dev = makedev(top->major, top->minor);

	for (size_t i = 0; i < l->n; i++) {
		const struct mountinfo *m = &l->v[i];
		const char *path;

		if (!notify_mounts_is_below(l, m, top->id))
			continue;
		path = behind(m->target, top->target);
		if (!path || hides(w, fs, m, dev, path))
			return false;
	}
	return true;
}

static bool sees_one(const struct notify_worker *w, const struct notify_caller *c, const struct notify_fs *fs,
		     bool read_only)
{
	struct look look = { .w = w, .c = c };
	struct notify_mounts l = { 0 };
	bool found = false;

	if (notify_act(w, c, 0, read_mounts, &look) == 0 && notify_mounts_parse(look.text, &l) == 0)
		for (size_t i = 0; i < l.n && !found; i++) {
			const struct mountinfo *m = &l.v[i];

			found = strcmp(m->fstype, fs->name) == 0 && strcmp(m->root, "/") == 0 &&
				(read_only || (!is_read_only(m->options) && !is_read_only(m->super_options))) &&
				(c->mnt_of_container || shows_all(w, fs, &l, m));
		}
	notify_mounts_done(&l);
	free(look.text);
	return found;
}

bool notify_tree_allowed(const struct notify_worker *w, const struct notify_caller *c, const struct notify_fs *fs,
			 bool read_only)
{
	const struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				      .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	_cleanup_close_ int fd = -EBADF;
	struct statfs kind;
	struct statvfs st;

	/* Where it usually is: all the mounts need not be looked through. */
	if (c->mnt_of_container)
		fd = sys_openat2(c->root, fs->fs == EMU_PROC ? "/proc" : "/sys", &how);
	if (fd >= 0 && fstatfs(fd, &kind) == 0 && kind.f_type == fs->magic && fstatvfs(fd, &st) == 0 &&
	    (read_only || !(st.f_flag & ST_RDONLY)))
		return true;
	return sees_one(w, c, fs, read_only);
}
