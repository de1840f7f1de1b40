/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/container.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/state.h"
#include "monitor/launch.h"
#include "runtime/ids.h"
#include "runtime/start.h"
#include "sys/missing.h"
#include "sys/mnt.h"

#define STATE_FILE    "state.json"
#define CREATING_FILE "creating.json" /* in place of state.json until create is done */
#define CONFIG_FILE   "config.json"
#define STATE_MAX     (4u << 20)
#define ID_MAX	      1024

int container_check_id(const char *id, struct err *e)
{
	size_t len = strlen(id);

	if (len == 0)
		return err_set(e, EINVAL, "container id cannot be empty");
	if (len > ID_MAX || strcmp(id, ".") == 0 || strcmp(id, "..") == 0 ||
	    strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-") != len)
		return err_set(
			e, EINVAL,
			"invalid id format '%.64s': use letters, digits and _ + . - only, at most %d of them", id,
			ID_MAX);
	return 0;
}

static int lock_dir(int fd, bool wait)
{
	while (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static int open_dir(const char *dir, struct err *e)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return err_set(e, ENOENT, "container does not exist");
	return fd < 0 ? err_sys(e, errno, "open container directory %s", dir) : fd;
}

/* ---- the state file ---- */

int container_save(const struct container *c, struct err *e)
{
	const struct state s = {
		.id = c->id,
		.bundle = c->bundle,
		.rootfs = c->rootfs,
		.created = c->created,
		.cgroups_path = c->cgroups_path,
		.pid = c->init_pid,
		.start_time = c->init_start,
		.base = c->base,
		.rootfs_dev = c->rootfs_dev,
		.engine_dev = c->engine_dev,
		.systemd_cgroup = c->systemd_cgroup,
		.delegated = c->delegated,
		.supervised = c->supervised,
		.has_poststart = c->has_poststart,
		.has_poststop = c->has_poststop,
		.annotations = c->annotations,
		.cgroup = c->cgroup_saved,
	};
	_cleanup_free_ char *text = state_format(&s);
	const char *name = c->creating ? CREATING_FILE : STATE_FILE;
	int r;

	if (!text)
		return err_set(e, ENOMEM, "write container state: out of memory, or a path that is not UTF-8");
	r = io_replace_at(c->dir_fd, name, text, strlen(text), 0600);
	return r < 0 ? err_sys(e, -r, "write %s/%s", c->dir, name) : 0;
}

static void take_state(struct container *c, struct state *s)
{
	c->bundle = TAKE_PTR(s->bundle);
	c->rootfs = TAKE_PTR(s->rootfs);
	c->created = TAKE_PTR(s->created);
	c->cgroups_path = TAKE_PTR(s->cgroups_path);
	c->annotations = TAKE_PTR(s->annotations);
	c->cgroup_saved = TAKE_PTR(s->cgroup);
	c->init_pid = s->pid;
	c->init_start = s->start_time;
	c->base = s->base;
	c->rootfs_dev = s->rootfs_dev;
	c->engine_dev = s->engine_dev;
	c->systemd_cgroup = s->systemd_cgroup;
	c->delegated = s->delegated;
	c->supervised = s->supervised;
	c->has_poststart = s->has_poststart;
	c->has_poststop = s->has_poststop;
	state_done(s);
}

/* Read what state there is. Return 1, or 0 when there is none (a create was killed before it wrote any). */
static int read_state(const struct runtime *rt, struct container *c, struct err *e)
{
	_cleanup_free_ char *text = NULL, *path = NULL;
	const char *name = STATE_FILE;
	struct state s;
	size_t len;
	int r;

	r = io_read_at(c->dir_fd, name, STATE_MAX, &text, &len);
	if (r == -ENOENT) {
		c->creating = true;
		name = CREATING_FILE;
		r = io_read_at(c->dir_fd, name, STATE_MAX, &text, &len);
	}
	if (r == -ENOENT)
		return 0;
	if (asprintf(&path, "%s/%s", c->dir, name) < 0)
		return err_sys(e, ENOMEM, "read container state");
	if (r < 0)
		return err_sys(e, -r, "read %s", path);
	r = state_parse(path, text, len, &s, e);
	if (r < 0)
		return r;
	take_state(c, &s);
	r = c->init_pid > 0 ? pidref_open(rt->proc_fd, c->init_pid, c->init_start, &c->init) : -ESRCH;
	/* EINVAL, ENOENT: the number is a thread's now. What else fails does not say that init is dead. */
	if (r < 0 && r != -ESRCH && r != -EINVAL && r != -ENOENT)
		return err_sys(e, -r, "look at container init %d", (int)c->init_pid);
	/* Killed after its last write but before it told init, which then ended: nobody was told of this container. */
	if (c->init.fd < 0 && faccessat(c->dir_fd, CREATING_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		c->creating = true;
	return 1;
}

static int set_names(const struct runtime *rt, const char *id, struct container *c, struct err *e)
{
	int r = container_check_id(id, e);

	if (r < 0)
		return r;
	c->id = strdup(id);
	if (!c->id || asprintf(&c->dir, "%s/%s", rt->root, id) < 0)
		return err_sys(e, ENOMEM, "container %s", id);
	return 0;
}

/* Is the directory that we hold still the one at its path? (A delete may have won the lock before us.) */
static bool still_there(const struct container *c)
{
	struct stat by_fd, by_path;

	return fstat(c->dir_fd, &by_fd) == 0 && stat(c->dir, &by_path) == 0 && by_fd.st_ino == by_path.st_ino &&
	       by_fd.st_dev == by_path.st_dev;
}

int container_load(const struct runtime *rt, const char *id, bool lock, struct container *ret, struct err *e)
{
	struct container c = CONTAINER_EMPTY;
	int r;

	r = set_names(rt, id, &c, e);
	if (r == 0)
		c.dir_fd = r = open_dir(c.dir, e);
	if (r >= 0 && lock) {
		r = lock_dir(c.dir_fd, true);
		if (r < 0)
			r = err_sys(e, -r, "lock container %s", id);
		else if (!still_there(&c))
			r = err_set(e, ENOENT, "container does not exist");
	}
	if (r >= 0)
		r = read_state(rt, &c, e);
	/* Without the final state it is either being made right now or was left by a killed create. */
	if (r >= 0 && c.creating && !lock && (r == 0 || lock_dir(c.dir_fd, false) == -EWOULDBLOCK))
		r = err_set(e, ENOENT, "container does not exist");
	if (r < 0) {
		container_done(&c);
		return r;
	}
	*ret = c;
	return 0;
}

/* ---- making and clearing ---- */

/* --root may name several missing directories: engines expect them to be made. */
static int make_root(const struct runtime *rt, struct err *e)
{
	_cleanup_free_ char *path = strdup(rt->root);

	if (!path)
		return err_sys(e, ENOMEM, "make %s", rt->root);
	for (char *p = path + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(path, c == '\0' ? 0700 : 0711) < 0 && errno != EEXIST)
			return err_sys(e, errno, "make state directory %s", path);
		*p = c;
		if (c == '\0')
			return 0;
	}
}

/* The directory exists: clear it away if a killed create left it (0), otherwise -EEXIST. */
static int clear_leftover(const struct runtime *rt, const char *id, struct err *e)
{
	struct container old = CONTAINER_EMPTY;
	int r;

	r = set_names(rt, id, &old, e);
	if (r == 0)
		old.dir_fd = r = open_dir(old.dir, e);
	if (r >= 0 && lock_dir(old.dir_fd, false) < 0)
		r = err_set(e, EEXIST, "container with id exists: %s", id);
	else if (r >= 0 && !still_there(&old))
		r = 0; /* deleted just now */
	else if (r >= 0 && read_state(rt, &old, NULL) >= 0 && old.creating)
		r = container_destroy(rt, &old, e);
	else if (r >= 0)
		r = err_set(e, EEXIST, "container with id exists: %s", id);
	else if (r == -ENOENT)
		r = 0; /* gone meanwhile */
	container_done(&old);
	return r < 0 ? r : 0;
}

int container_new(const struct runtime *rt, const char *id, struct container *ret, struct err *e)
{
	struct container c = CONTAINER_EMPTY;
	int r = set_names(rt, id, &c, e);

	for (int tries = 0; r == 0 && c.dir_fd < 0; tries++) {
		if (tries == 100) {
			r = err_set(e, EAGAIN, "container directory %s keeps appearing and going; try again",
				    c.dir);
		} else if (mkdir(c.dir, 0700) == 0) {
			c.dir_fd = open_dir(c.dir, NULL);
			/* Wait: a sweep may have taken the new directory for a leftover, and is about to remove it. */
			if (c.dir_fd >= 0 && (lock_dir(c.dir_fd, true) < 0 || !still_there(&c)))
				c.dir_fd = fd_close(c.dir_fd);
		} else if (errno == ENOENT) {
			r = make_root(rt, e);
		} else if (errno == EEXIST) {
			r = clear_leftover(rt, id, e);
		} else {
			r = err_sys(e, errno, "make container directory %s", c.dir);
		}
	}
	if (r < 0) {
		container_done(&c);
		return r;
	}
	c.creating = true;
	*ret = c;
	return 0;
}

int container_cgroup(const struct container *c, struct cgroup **ret, struct err *e)
{
	if (!c->cgroup_saved)
		return err_set(e, ENOENT, "container has no control groups");
	return cgroup_load(c->cgroup_saved, ret, e);
}

int container_spec(const struct container *c, struct oci_spec *ret, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	r = io_read_at(c->dir_fd, CONFIG_FILE, OCI_CONFIG_MAX, &text, &len);
	if (r < 0)
		return err_sys(e, -r, "read %s/%s", c->dir, CONFIG_FILE);
	r = oci_spec_parse(text, len, ret, e);
	return r < 0 ? err_ctx(e, r, "saved %s", c->dir) : 0;
}

/* The groups of a container whose create was killed: the same names lead to them. */
static int recover_cgroup(const struct runtime *rt, const struct container *c, struct cgroup **ret, struct err *e)
{
	const struct oci_resources none = { 0 };
	const struct cgroup_params p = {
		.id = c->id,
		.cgroups_path = c->cgroups_path,
		.systemd = c->systemd_cgroup,
		.systemd_helper = rt->systemd_helper,
		.res = &none,
	};

	return cgroup_create(&p, ret, e);
}

static int destroy_cgroup(const struct runtime *rt, const struct container *c, struct err *e)
{
	struct cgroup *cg = NULL;
	int r;

	if (c->cgroup_saved)
		r = cgroup_load(c->cgroup_saved, &cg, e);
	else if (c->creating && c->base && !c->systemd_cgroup)
		/* Init sees that its create is gone, and ends; who stays belongs to another container. */
		for (int i = 0; (r = recover_cgroup(rt, c, &cg, e)) == -EBUSY && i < 100; i++)
			(void)poll(NULL, 0, 20);
	else
		return 0;
	if (r == -EBUSY)
		return 0;
	if (r == 0) {
		r = cgroup_destroy(cg, NULL);
		if (r < 0) {
			(void)cgroup_kill(cg, SIGKILL, NULL);
			r = cgroup_destroy(cg, e);
		}
		cgroup_free(cg);
	}
	return r;
}

static void thaw(const struct container *c)
{
	struct cgroup *cg = NULL;

	if (container_cgroup(c, &cg, NULL) < 0)
		return;
	if (cgroup_is_frozen(cg, NULL) > 0)
		(void)cgroup_freeze(cg, false, NULL);
	cgroup_free(cg);
}

/* A file, or the directory of the notify socket. */
static void remove_entry(int dir_fd, const char *name)
{
	_cleanup_close_ int sub = -EBADF;

	if (unlinkat(dir_fd, name, 0) == 0 || errno != EISDIR)
		return;
	sub = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	(void)unlinkat(sub, "notify.sock", 0);
	(void)unlinkat(dir_fd, name, AT_REMOVEDIR);
}

int container_destroy(const struct runtime *rt, struct container *c, struct err *e)
{
	_cleanup_close_ int ids_fd = -EBADF;
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *ent;
	int r, fd;

	if (c->init.fd >= 0) {
		r = pidref_signal(&c->init, SIGKILL);
		if (r < 0 && r != -ESRCH)
			return err_sys(e, -r, "kill container init %d", (int)c->init.pid);
		thaw(c); /* a frozen process does not see its death */
		if (pidref_wait_exit(&c->init, 10000) == 0)
			return err_set(e, EBUSY, "container init %d does not die; it is stuck in the kernel",
				       (int)c->init.pid);
	}
	r = destroy_cgroup(rt, c, e);
	if (r < 0)
		return err_ctx(e, r, "remove control groups");
	monitor_let_go(c->dir_fd);
	/* Only now is no process of the range left: its ids may go to somebody else. */
	ids_fd = ids_open(rt->ids_path, e);
	if (ids_fd < 0)
		return ids_fd;
	/* A create may have been killed between taking a range and writing down which. */
	r = c->base ? ids_free(ids_fd, c->base, c->dir, e) : ids_forget(ids_fd, c->dir, e);
	if (r < 0)
		return r;
	fd = openat(c->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return err_sys(e, errno, "remove %s", c->dir);
	/* The state goes last: a delete that is killed before can be done again. */
	while ((ent = readdir(dir)))
		if (ent->d_name[0] != '.' || (ent->d_name[1] != '\0' && strcmp(ent->d_name, "..") != 0))
			if (strcmp(ent->d_name, STATE_FILE) != 0 && strcmp(ent->d_name, CREATING_FILE) != 0)
				remove_entry(c->dir_fd, ent->d_name);
	(void)unlinkat(c->dir_fd, CREATING_FILE, 0);
	(void)unlinkat(c->dir_fd, STATE_FILE, 0);
	if (rmdir(c->dir) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove %s", c->dir);
	return 0;
}

/* The groups of a container whose state is damaged: where the copy of its spec says, as cgroup_save() would tell it. */
static json_t *guess_cgroup(const struct container *c)
{
	_cleanup_(oci_spec_done) struct oci_spec spec = { 0 };
	bool known = container_spec(c, &spec, NULL) == 0 && spec.linux_.cgroups_path && *spec.linux_.cgroups_path;
	const struct cgroup_hierarchy *h;
	json_t *dirs = json_array(), *path;
	size_t n = 0;

	if (cgroup_hierarchies(&h, &n, NULL) < 0)
		n = 0;
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(dirs, json_pack("{s:s, s:s, s:b, s:i, s:b, s:b}", "name", h[i].name,
							    "data", h[i].data, "v2", (int)h[i].is_v2, "parents", 0,
							    "delegated", 0, "throttled", 0));
	path = known ? json_string(spec.linux_.cgroups_path) : json_sprintf("/caisson/%s", c->id);
	return json_pack("{s:s, s:o, s:i, s:o}", "driver", "cgroupfs", "path", path, "owner", 0, "dirs", dirs);
}

int container_discard(const struct runtime *rt, const char *id, struct err *e)
{
	struct container c = CONTAINER_EMPTY;
	struct cgroup *cg = NULL;
	int r = set_names(rt, id, &c, e);

	if (r == 0)
		c.dir_fd = r = open_dir(c.dir, e);
	if (r >= 0)
		r = lock_dir(c.dir_fd, true);
	if (r == 0 && !still_there(&c))
		r = err_set(e, ENOENT, "container does not exist");
	if (r == 0)
		c.cgroup_saved = guess_cgroup(&c);
	if (r == 0 && container_cgroup(&c, &cg, NULL) == 0) {
		(void)cgroup_kill(cg, SIGKILL, NULL);
		cgroup_free(cg);
	} else {
		json_decref(c.cgroup_saved);
		c.cgroup_saved = NULL;
	}
	if (r == 0)
		r = container_destroy(rt, &c, e);
	container_done(&c);
	return r;
}

void container_sweep(const struct runtime *rt)
{
	_cleanup_closedir_ DIR *dir = opendir(rt->root);
	const struct dirent *ent;

	while (dir && (ent = readdir(dir))) {
		char name[ID_MAX + 32];
		bool half;

		if (container_check_id(ent->d_name, NULL) < 0 || ent->d_type != DT_DIR)
			continue;
		(void)snprintf(name, sizeof name, "%s/" STATE_FILE, ent->d_name);
		half = faccessat(dirfd(dir), name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
		(void)snprintf(name, sizeof name, "%s/" CREATING_FILE, ent->d_name);
		if (half || faccessat(dirfd(dir), name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			(void)clear_leftover(rt, ent->d_name, NULL);
	}
}

/* ---- what it is doing ---- */

enum container_status container_status(const struct container *c)
{
	struct cgroup *cg = NULL;
	int frozen = 0;

	if (c->creating)
		return CONTAINER_CREATING;
	if (c->init.fd < 0)
		return CONTAINER_STOPPED;
	/* First: a created one can be paused, too, and then has to be resumed before it can start. */
	if (container_cgroup(c, &cg, NULL) == 0) {
		frozen = cgroup_is_frozen(cg, NULL);
		cgroup_free(cg);
	}
	if (frozen > 0)
		return CONTAINER_PAUSED;
	return start_is_waiting(c->dir_fd) ? CONTAINER_CREATED : CONTAINER_RUNNING;
}

const char *container_status_name(enum container_status s)
{
	static const char *const names[] = { "creating", "created", "running", "paused", "stopped" };

	return names[s];
}

json_t *container_state_json(const struct container *c, enum container_status status)
{
	bool dead = status == CONTAINER_STOPPED;
	json_t *o = json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:s}", "ociVersion", "1.2.0", "id", c->id,
			      "pid", dead ? 0 : (int)c->init_pid, "status", container_status_name(status),
			      "bundle", c->bundle, "rootfs", c->rootfs ? c->rootfs : "", "created", c->created,
			      "owner", "");

	if (o && c->annotations && json_object_size(c->annotations) > 0)
		(void)json_object_set(o, "annotations", c->annotations);
	return o;
}

char *container_hook_state(const struct container *c, enum container_status status)
{
	json_t *o = json_pack("{s:s, s:s, s:s}", "ociVersion", "1.2.0", "id", c->id, "status",
			      container_status_name(status));
	char *text;

	if (o && status != CONTAINER_STOPPED)
		(void)json_object_set_new(o, "pid", json_integer(c->init_pid));
	if (o)
		(void)json_object_set_new(o, "bundle", json_string(c->bundle));
	if (o && c->annotations && json_object_size(c->annotations) > 0)
		(void)json_object_set(o, "annotations", c->annotations);
	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	return text;
}

/* Drop what the overlay with device number DEV that FD lies on remembers of names; nothing for any other file system. */
static void drop_names(int fd, uint64_t dev)
{
	struct statx stx;

	/*
	 * The container may have moved its root to a file system of its own, one that never answers included: touch
	 * nothing but the superblocks that we know, and look without asking the file system.
	 */
	if (fd >= 0 && statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &stx) == 0 &&
	    makedev(stx.stx_dev_major, stx.stx_dev_minor) == dev)
		(void)mnt_reconfigure(fd, NULL);
}

void container_refresh_root(const struct runtime *rt, const struct container *c)
{
	_cleanup_close_ int ours = -EBADF, engines = -EBADF;
	char path[32];

	if (c->rootfs_dev == 0 || c->init.fd < 0)
		return;
	(void)snprintf(path, sizeof path, "%d/root", (int)c->init.pid);
	ours = openat(rt->proc_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	drop_names(ours, c->rootfs_dev);
	engines = open(c->rootfs, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	drop_names(engines, c->engine_dev);
}

void container_done(struct container *c)
{
	pidref_done(&c->init);
	c->dir_fd = fd_close(c->dir_fd);
	json_decref(c->annotations);
	json_decref(c->cgroup_saved);
	free(c->id);
	free(c->dir);
	free(c->bundle);
	free(c->rootfs);
	free(c->created);
	free(c->cgroups_path);
	*c = CONTAINER_EMPTY;
}
