/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "runtime/plan.h"
#include "sys/missing.h"
#include "sys/mnt.h"
#include "sys/path.h"
#include "sys/userns.h"

#define PROC_ATTR (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

int mnt_fs_set_all(int fs, const struct mount_options *opt, struct err *e)
{
	for (size_t i = 0; i < opt->n_data; i++) {
		_cleanup_free_ char *key = strdup(opt->data[i]);
		char *value = key ? strchr(key, '=') : NULL;
		int r;

		if (!key)
			return err_sys(e, ENOMEM, "mount options");
		if (value)
			*value++ = '\0';
		r = mnt_fs_set(fs, key, value, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int make_here(int pidns_fd, const struct mount_options *opt, struct err *e)
{
	_cleanup_close_ int fs = mnt_fs_open("proc", e);
	int r;

	if (fs < 0)
		return fs;
	if (pidns_fd >= 0 && fsconfig(fs, FSCONFIG_SET_FD, "pidns", NULL, pidns_fd) < 0)
		return -EOPNOTSUPP;
	r = mnt_fs_set(fs, "source", "proc", e);
	if (r == 0 && opt)
		r = mnt_fs_set_all(fs, opt, e);
	return r < 0 ? r : mnt_fs_create(fs, PROC_ATTR, e);
}

struct helper_result {
	int r;
	struct err e;
};

/*
 * Kernels without "pidns": a procfs shows the pid namespace of the process that makes it. The children share our table of open
 * files, so the mount fd is simply there afterwards.
 */
static int make_by_child(int pidns_fd, const struct mount_options *opt, struct err *e)
{
	struct clone_args args = { .flags = CLONE_FILES, .exit_signal = SIGCHLD };
	struct helper_result res = { .r = -EPROTO };
	int pipe_fds[2];
	pid_t outer;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_sys(e, errno, "make procfs");
	outer = sys_clone3(&args);
	if (outer == 0) {
		pid_t inner;

		if (setns(pidns_fd, CLONE_NEWPID) < 0) {
			res.r = err_sys(&res.e, errno, "enter pid namespace");
			(void)!write(pipe_fds[1], &res, sizeof res);
			_exit(0);
		}
		inner = sys_clone3(&args);
		if (inner == 0) {
			res.r = make_here(-EBADF, opt, &res.e);
			(void)!write(pipe_fds[1], &res, sizeof res);
			_exit(0);
		}
		(void)waitpid(inner, NULL, 0);
		_exit(0);
	}
	if (outer > 0) {
		while (waitpid(outer, NULL, 0) < 0 && errno == EINTR)
			;
		/* Everybody who could write is gone; an empty pipe would block, so look first. */
		int flags = fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);

		if (flags < 0 || read(pipe_fds[0], &res, sizeof res) != (ssize_t)sizeof res)
			res.r = err_set(&res.e, EPROTO, "make procfs: helper died");
	} else {
		res.r = err_sys(&res.e, errno, "make procfs");
	}
	(void)fd_close(pipe_fds[0]);
	(void)fd_close(pipe_fds[1]);
	if (res.r < 0 && e)
		*e = res.e;
	return res.r;
}

int procfs_make(int pidns_fd, const struct mount_options *opt, struct err *e)
{
	int r = make_here(pidns_fd, opt, e);

	return r == -EOPNOTSUPP ? make_by_child(pidns_fd, opt, e) : r;
}

/* PATH behind DEST on a component boundary, without leading slash; NULL when it lies elsewhere. */
static const char *relative_to(const char *path, const char *dest)
{
	size_t len = strlen(dest);

	while (len > 1 && dest[len - 1] == '/')
		len--;
	if (strncmp(path, dest, len) != 0 || path[len] != '/')
		return NULL;
	path += len;
	while (*path == '/')
		path++;
	return *path ? path : NULL;
}

/* Below /proc/sys/net every network namespace has files of its own: who looks decides which ones are covered. */
static int cover_proc(int fs_fd, const struct stage_context *c, struct err *e)
{
	_cleanup_close_ int own = ns_open(c->rt->proc_fd, getpid(), "net", e);
	int r;

	if (own < 0)
		return own;
	if (setns(c->netns_fd, CLONE_NEWNET) < 0)
		return err_sys(e, errno, "enter the container's network namespace");
	r = cover_emulated(AT_FDCWD, fs_fd, EMU_PROC, c->base, e);
	if (setns(own, CLONE_NEWNET) < 0)
		return err_sys(e, errno, "leave the container's network namespace");
	return r;
}

int procfs_cover(const struct oci_spec *spec, const struct stage_context *c, const struct planned_mount *m,
		 struct err *e)
{
	const struct oci_strv *ro = &spec->linux_.readonly_paths, *masked = &spec->linux_.masked_paths;
	_cleanup_close_ int fs_fd = open(m->name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (fs_fd < 0)
		return err_sys(e, errno, "open stage %s", m->name);
	/* First of all, so that what is emulated below a read-only path is read-only, too. */
	if (c->super)
		r = m->staged == STAGED_PROC ? cover_proc(fs_fd, c, e)
					     : cover_emulated(AT_FDCWD, fs_fd, EMU_SYSFS, c->base, e);
	for (size_t i = 0; r >= 0 && i < ro->n + masked->n; i++) {
		const char *path = i < ro->n ? ro->v[i] : masked->v[i - ro->n];
		const char *rel = relative_to(path, m->spec->destination);

		if (rel)
			r = i < ro->n ? cover_read_only(fs_fd, rel, e) : cover_masked(AT_FDCWD, fs_fd, rel, e);
	}
	return r < 0 ? r : 0;
}

static bool is_staged_path(const struct oci_spec *spec, const char *path)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct oci_mount *m = &spec->mounts[i];

		if (m->type && (strcmp(m->type, "proc") == 0 || strcmp(m->type, "sysfs") == 0) &&
		    relative_to(path, m->destination))
			return true;
	}
	return false;
}

/* Resolved in the container, by its own rights; the rest is as for a file system of the kernel's. */
static int cover_path(int root_fd, int stage_fd, const char *path, bool read_only, struct err *e)
{
	_cleanup_close_ int target = path_open_in(root_fd, path, O_PATH, 0);

	if (target < 0)
		return target == -ENOENT || target == -ENOTDIR ? 0 : err_sys(e, -target, "cover %s", path);
	return read_only ? cover_read_only_fd(target, path, e) : cover_masked_fd(stage_fd, target, path, e);
}

int procfs_mask_rest(const struct oci_spec *spec, int root_fd, int stage_fd, struct err *e)
{
	const struct oci_strv *ro = &spec->linux_.readonly_paths, *masked = &spec->linux_.masked_paths;

	for (size_t i = 0; i < ro->n + masked->n; i++) {
		const char *path = i < ro->n ? ro->v[i] : masked->v[i - ro->n];
		int r;

		if (is_staged_path(spec, path))
			continue;
		r = cover_path(root_fd, stage_fd, path, i < ro->n, e);
		if (r < 0)
			return r;
	}
	return 0;
}
