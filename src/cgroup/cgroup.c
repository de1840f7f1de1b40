/* SPDX-License-Identifier: Apache-2.0 */
/* Making, entering, delegating, updating and removing a container's groups. */
#include "cgroup/cgroup.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "cgroup/cgroup-internal.h"

void cgroup_free(struct cgroup *cg)
{
	if (!cg)
		return;
	for (size_t i = 0; i < cg->n; i++)
		(void)fd_close(cg->dir[i].fd);
	free(cg->path);
	free(cg->unit);
	free(cg->slice);
	free(cg->helper);
	free(cg);
}

static void cleanup_cgroup(struct cgroup **cg)
{
	cgroup_free(*cg);
}

#define _cleanup_cgroup_ _cleanup_(cleanup_cgroup)

static int cg_new(struct cgroup **ret, struct err *e)
{
	struct cgroup *cg = calloc(1, sizeof *cg);

	if (!cg)
		return err_sys(e, ENOMEM, "cgroup");
	for (size_t i = 0; i < ARRAY_SIZE(cg->dir); i++)
		cg->dir[i].fd = -EBADF;
	*ret = cg;
	return 0;
}

static int name_paths(struct cgroup *cg, const struct cgroup_params *p, struct err *e)
{
	_cleanup_free_ char *fallback = NULL;

	if (p->systemd) {
		if (!p->systemd_helper || p->systemd_helper[0] != '/' || !(cg->helper = strdup(p->systemd_helper)))
			return err_set(e, EINVAL, "cgroup: the systemd driver needs its helper's absolute path");
		return cg_systemd_path(p->cgroups_path, p->id, &cg->slice, &cg->unit, &cg->path, e);
	}
	if (p->cgroups_path && p->cgroups_path[0])
		return cg_path_clean(p->cgroups_path, &cg->path, e);
	if (asprintf(&fallback, "/caisson/%s", p->id) < 0) {
		fallback = NULL;
		return err_sys(e, ENOMEM, "cgroup");
	}
	return cg_path_clean(fallback, &cg->path, e);
}

static bool is_v2_only(const struct cgroup *cg)
{
	return cg->n == 1 && cg->dir[0].v2 && cg->dir[0].name[0] == '\0';
}

int cg_apply(struct cgroup *cg, const struct oci_resources *res, bool update, struct err *e)
{
	if (!res)
		return 0;
	return is_v2_only(cg) ? cg_v2_apply(cg, res, update, e) : cg_v1_apply(cg, res, update, e);
}

static int apply_devices(struct cgroup *cg, const struct cgroup_device *devs, size_t n, struct err *e)
{
	return is_v2_only(cg) ? cg_v2_devices(cg, devs, n, e) : cg_v1_devices(cg, devs, n, e);
}

/*
 * v1: the directory below, which the container may manage. Not for blkio with throttle limits: they
 * do not reach down, so whoever may make groups below is free of them.
 */
static int make_delegated(struct cgroup *cg, struct cg_dir *d, struct err *e)
{
	char rel[PATH_MAX], path[PATH_MAX];
	int top, r;

	if (d->v2 || d->gone || d->child || d->throttled)
		return 0;
	r = cg_host_load(&top, NULL, e);
	if (r < 0)
		return r;
	r = cg_rel_path(cg, d, rel, sizeof rel - sizeof "/" CG_DELEGATED);
	if (r < 0)
		return err_sys(e, -r, "cgroup: %s", cg->path);
	memcpy(rel + strlen(rel), "/" CG_DELEGATED, sizeof "/" CG_DELEGATED);
	if (mkdirat(top, rel, 0755) < 0 && errno != EEXIST) {
		r = -errno;
		cg_dir_path(cg, d, path, sizeof path);
		return err_sys(e, -r, "cgroup: mkdir %s/" CG_DELEGATED, path);
	}
	d->child = true;
	return 0;
}

/* Everything that needs the directories: made, limited, and with their delegated children. */
static int build(struct cgroup *cg, bool may_have_procs, struct err *e)
{
	int r;

	for (size_t i = 0; i < cg->n; i++) {
		r = cg_dir_make(cg, &cg->dir[i], may_have_procs, e);
		/* cgroup_into_fd() hands it out */
		if (r == 0 && cg->dir[i].v2 && !cg->dir[i].gone)
			r = cg_dir_fd(cg, &cg->dir[i], e);
		if (r < 0)
			return r;
	}
	if (is_v2_only(cg)) {
		r = cg->dir[0].gone
			    ? err_set(e, ENOENT, "cgroup: no cgroup file system is mounted at /sys/fs/cgroup")
			    : cg_v2_prepare(cg, &cg->dir[0], e);
		if (r < 0)
			return r;
	}
	r = apply_devices(cg, cg->devices, cg->n_devices, e);
	if (r == 0)
		r = cg_apply(cg, cg->res, false, e);
	for (size_t i = 0; r == 0 && cg->delegate && i < cg->n; i++)
		r = make_delegated(cg, &cg->dir[i], e);
	return r;
}

static void undo(struct cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++)
		cg_dir_undo(cg, &cg->dir[i]);
}

int cgroup_create(const struct cgroup_params *p, struct cgroup **ret, struct err *e)
{
	_cleanup_cgroup_ struct cgroup *cg = NULL;
	int r = cg_new(&cg, e);

	if (r < 0)
		return r;
	cg->systemd = p->systemd;
	cg->delegate = p->delegate;
	cg->owner = p->owner;
	cg->res = p->res;
	cg->devices = p->devices;
	cg->n_devices = p->n_devices;
	r = name_paths(cg, p, e);
	if (r == 0)
		r = cg_host_dirs(cg->dir, &cg->n, e);
	if (r < 0)
		return r;
	if (!cg->systemd) {
		r = build(cg, false, e);
		if (r < 0) {
			undo(cg);
			return r;
		}
		cg->res = NULL;
		cg->devices = NULL;
		cg->n_devices = 0;
	}
	*ret = TAKE_PTR(cg);
	return 0;
}

/* -- entering -- */

/* Move @pid into @d or its subdirectory @sub. */
static int attach(struct cgroup *cg, struct cg_dir *d, const char *sub, size_t sub_len, pid_t pid, struct err *e)
{
	char file[PATH_MAX], path[PATH_MAX], value[16];
	_cleanup_close_ int fd = -EBADF;
	int r;

	/* 0 would move ourselves */
	if (pid <= 0)
		return err_set(e, EINVAL, "cgroup: %d is not a process", (int)pid);
	r = snprintf(file, sizeof file, "%.*s%scgroup.procs", (int)sub_len, sub, sub_len ? "/" : "");
	if (r < 0 || (size_t)r >= sizeof file)
		return err_sys(e, ENAMETOOLONG, "cgroup: %s", cg->path);
	(void)snprintf(value, sizeof value, "%d", (int)pid);
	cg_dir_path(cg, d, path, sizeof path);
	fd = cg_open(cg, d, file, O_WRONLY);
	r = fd < 0 ? fd : cg_write_fd(fd, value);
	if (r == -ENOSPC && (d->ctrls & (1u << CG_CPUSET))) {
		/* an empty cpuset; most of them inherit, so it is filled only when the kernel says
		 * so */
		file[sub_len] = '\0';
		r = cg_v1_cpuset_fill_dir(cg, d, file, e);
		if (r < 0)
			return r;
		d->filled = sub_len == 0;
		r = cg_write_fd(fd, value);
		file[sub_len] = sub_len ? '/' : 'c';
	}
	return r < 0 ? err_sys(e, -r, "cgroup: write \"%s\" to %s/%s", value, path, file) : 0;
}

static size_t child_len(const struct cg_dir *d)
{
	return d->child ? strlen(CG_DELEGATED) : 0;
}

static int start_unit(struct cgroup *cg, pid_t pid, struct err *e)
{
	int r = cg_systemd_start(cg, pid, e);

	if (r < 0)
		return r;
	cg->entered = true;
	/* the unit's directories exist with the process in them; the other hierarchies' are ours to
	 * make */
	r = build(cg, true, e);
	cg->res = NULL;
	cg->devices = NULL;
	cg->n_devices = 0;
	return r;
}

int cgroup_enter(struct cgroup *cg, pid_t pid, struct err *e)
{
	int r;

	if (cg->systemd && !cg->entered) {
		r = start_unit(cg, pid, e);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < cg->n; i++) {
		struct cg_dir *d = &cg->dir[i];

		if (d->gone || (d->v2 && (cg->cloned_into || (cg->systemd && is_v2_only(cg)))))
			continue;
		r = attach(cg, d, CG_DELEGATED, child_len(d), pid, e);
		if (r < 0)
			return r;
	}
	cg->entered = true;
	cg->in_child = cg->delegate;
	return 0;
}

int cgroup_into_fd(const struct cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++) {
		const struct cg_dir *d = &cg->dir[i];

		if (d->v2 && !d->gone && !cg->systemd)
			return d->fd >= 0 ? d->fd : -EBADF;
	}
	return -EBADF;
}

void cgroup_set_cloned_into(struct cgroup *cg)
{
	cg->cloned_into = true;
}

void cgroup_entry_done(struct cgroup_entry *entry)
{
	if (entry->into_owned)
		(void)fd_close(entry->into_fd);
	entry->into_fd = -EBADF;
	entry->into_owned = false;
	for (size_t i = 0; i < entry->n; i++)
		entry->tasks_fd[i] = fd_close(entry->tasks_fd[i]);
	entry->n = 0;
}

/* Add hierarchy @d at its subdirectory @sub ("" for itself), where there may be @no_process yet. */
static int entry_add(struct cgroup *cg, struct cg_dir *d, const char *sub, bool no_process,
		     struct cgroup_entry *entry, struct err *e)
{
	char file[PATH_MAX], path[PATH_MAX];
	int r;

	if (d->v2) {
		entry->into_owned = sub[0] || d->fd < 0;
		r = entry->into_owned ? cg_open(cg, d, sub[0] ? sub : ".", O_PATH | O_DIRECTORY) : d->fd;
		if (r >= 0)
			entry->into_fd = r;
	} else {
		if (no_process && (d->ctrls & (1u << CG_CPUSET))) {
			/* an empty cpuset takes no process, and the child could not fill it */
			r = cg_v1_cpuset_fill_dir(cg, d, sub, e);
			if (r < 0)
				return r;
		}
		r = snprintf(file, sizeof file, "%s%stasks", sub, sub[0] ? "/" : "");
		r = r < 0 || (size_t)r >= sizeof file ? -ENAMETOOLONG : cg_open(cg, d, file, O_WRONLY);
		if (r >= 0)
			entry->tasks_fd[entry->n++] = r;
	}
	if (r < 0) {
		cg_dir_path(cg, d, path, sizeof path);
		return err_sys(e, -r, "cgroup: open %s%s%s", path, sub[0] ? "/" : "", sub);
	}
	return 0;
}

int cgroup_entry_open(struct cgroup *cg, struct cgroup_entry *ret, struct err *e)
{
	_cleanup_(cgroup_entry_done) struct cgroup_entry entry = { .into_fd = -EBADF, .cg = cg };
	int r;

	if (cg->systemd)
		return err_set(e, EOPNOTSUPP,
			       "cgroup: a systemd unit can only be started around a process that exists");
	for (size_t i = 0; i < cg->n; i++) {
		struct cg_dir *d = &cg->dir[i];

		if (d->gone)
			continue;
		r = entry_add(cg, d, child_len(d) ? CG_DELEGATED : "", true, &entry, e);
		if (r < 0)
			return r;
	}
	cg->entered = true;
	cg->in_child = cg->delegate;
	*ret = entry;
	entry.n = 0;
	entry.into_owned = false;
	return 0;
}

int cgroup_entry_self(const struct cgroup_entry *entry, struct err *e)
{
	int r;

	for (size_t i = 0; i < entry->n; i++) {
		/* "0" in "tasks" is this thread: the only form that needs no lock on every fork and
		 * exit of the host */
		r = cg_write_fd(entry->tasks_fd[i], "0");
		if (r < 0)
			return err_sys(e, -r, "cgroup: enter the hierarchy #%zu of %s", i,
				       entry->cg ? entry->cg->path : "?");
	}
	return 0;
}

/* -- delegation -- */

static int give(int dirfd, const char *name, uint32_t owner)
{
	return fchownat(dirfd, name, owner, owner, name[0] ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static int delegate_v2(struct cgroup *cg, struct cg_dir *d, struct err *e)
{
	/* what is needed to make groups below and to move processes among them, and no file that
	 * holds a limit */
	static const char *const files[] = { "cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "" };
	char path[PATH_MAX];
	int fd = cg_dir_fd(cg, d, e), r;

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		r = give(fd, files[i], cg->owner);
		if (r < 0) {
			cg_dir_path(cg, d, path, sizeof path);
			return err_sys(e, -r, "cgroup: chown %s/%s to %u", path, files[i], (unsigned)cg->owner);
		}
	}
	return 0;
}

static int delegate_v1(struct cgroup *cg, struct cg_dir *d, pid_t pid, struct err *e)
{
	static const char *const files[] = { "cgroup.procs", "tasks", "" };
	_cleanup_close_ int fd = -EBADF;
	char path[PATH_MAX];
	int r;

	r = make_delegated(cg, d, e);
	if (r < 0 || !d->child)
		return r;
	cg_dir_path(cg, d, path, sizeof path);
	fd = cg_open(cg, d, CG_DELEGATED, O_PATH | O_DIRECTORY);
	if (fd < 0)
		return err_sys(e, -fd, "cgroup: open %s/" CG_DELEGATED, path);
	if ((d->ctrls & (1u << CG_CPUSET)) && (r = cg_v1_cpuset_fill(fd)) < 0)
		return err_sys(e, -r, "cgroup: copy cpuset.cpus and cpuset.mems down to %s/" CG_DELEGATED, path);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		r = give(fd, files[i], cg->owner);
		if (r < 0)
			return err_sys(e, -r, "cgroup: chown %s/" CG_DELEGATED "/%s to %u", path, files[i],
				       (unsigned)cg->owner);
	}
	return cg->in_child ? 0 : attach(cg, d, CG_DELEGATED, child_len(d), pid, e);
}

int cgroup_delegate(struct cgroup *cg, pid_t pid, struct err *e)
{
	int r;

	for (size_t i = 0; i < cg->n; i++) {
		struct cg_dir *d = &cg->dir[i];

		if (d->gone)
			continue;
		r = d->v2 ? delegate_v2(cg, d, e) : delegate_v1(cg, d, pid, e);
		if (r < 0)
			return r;
	}
	cg->delegate = cg->in_child = true;
	return 0;
}

/* -- changing and joining -- */

int cgroup_update(struct cgroup *cg, const struct oci_resources *res, struct err *e)
{
	int r;

	if (cg->systemd) {
		r = cg_systemd_update(cg, res, e);
		if (r < 0)
			return r;
	}
	return cg_apply(cg, res, true, e);
}

int cgroup_set_devices(struct cgroup *cg, const struct cgroup_device *devices, size_t n, struct err *e)
{
	return apply_devices(cg, devices, n, e);
}

/* An "exec --cgroup" argument: for hierarchy @d, the wanted path below, or NULL when it is not
 * meant. */
static int parse_sub(const char *sub, const struct cg_dir *d, const char **ret, struct err *e)
{
	const char *colon = strchr(sub, ':');

	*ret = NULL;
	if (colon) {
		_cleanup_free_ char *list = strndup(sub, (size_t)(colon - sub));

		if (!list)
			return err_sys(e, ENOMEM, "exec --cgroup");
		if (strchr(colon + 1, ':'))
			return err_set(e, EINVAL,
				       "exec --cgroup \"%s\": must be \"path\" or "
				       "\"controller[,controller]:path\"",
				       sub);
		if (!(cg_ctrls_parse(list) & d->ctrls) && strcmp(list, d->data) != 0)
			return 0;
		sub = colon + 1;
	}
	while (*sub == '/')
		sub++;
	for (const char *p = sub; *p;) {
		size_t len = strcspn(p, "/");

		if (len == 2 && memcmp(p, "..", 2) == 0)
			return err_set(e, EPERM, "exec --cgroup \"%s\": must stay below the container's group",
				       sub);
		p += len;
		p += *p == '/';
	}
	*ret = sub;
	return 0;
}

/* Where below @d does @text (/proc/<init>/cgroup) see the container's init? "" or "sub/dir". */
static int init_sub(struct cgroup *cg, const struct cg_dir *d, const char *text, char *buf, size_t size,
		    struct err *e)
{
	const char *path;
	size_t len, base = strlen(cg->path);
	int r = cg_proc_cgroup_path(text, d, &path, &len);

	if (r < 0)
		return err_sys(e, -r, "cgroup: /proc/<init>/cgroup: no line for \"%s\"", d->data);
	if (len < base || memcmp(path, cg->path, base) != 0 || (len > base && path[base] != '/'))
		return err_set(e, EPERM, "cgroup: the container's init is in %.*s, which is not below %s",
			       (int)len, path, cg->path);
	path += base;
	len -= base;
	if (len > 0) {
		path++;
		len--;
	}
	if (len >= size)
		return err_sys(e, ENAMETOOLONG, "cgroup: %s", cg->path);
	memcpy(buf, path, len);
	buf[len] = '\0';
	return 0;
}

/* The subdirectory of @d for a process that joins. */
static int join_sub(struct cgroup *cg, const struct cg_dir *d, const char *text, const char *sub, char *buf,
		    size_t size, struct err *e)
{
	const char *want = NULL;
	int r, n;

	if (sub && sub[0]) {
		r = parse_sub(sub, d, &want, e);
		if (r < 0)
			return r;
	}
	if (!want)
		return init_sub(cg, d, text, buf, size, e);
	n = snprintf(buf, size, "%s%s%s", child_len(d) ? CG_DELEGATED : "", child_len(d) && want[0] ? "/" : "",
		     want);
	return n < 0 || (size_t)n >= size ? err_sys(e, ENAMETOOLONG, "exec --cgroup") : 0;
}

static int read_init(pid_t init_pid, char **ret, struct err *e)
{
	char proc[64];
	int r;

	(void)snprintf(proc, sizeof proc, "/proc/%d/cgroup", (int)init_pid);
	r = io_read_at(AT_FDCWD, proc, CG_TEXT_MAX, ret, NULL);
	return r < 0 ? err_sys(e, -r, "cgroup: read %s", proc) : 0;
}

int cgroup_join(struct cgroup *cg, pid_t init_pid, pid_t pid, const char *sub, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	char buf[PATH_MAX];
	int r = read_init(init_pid, &text, e);

	for (size_t i = 0; r == 0 && i < cg->n; i++) {
		if (cg->dir[i].gone)
			continue;
		r = join_sub(cg, &cg->dir[i], text, sub, buf, sizeof buf, e);
		if (r == 0)
			r = attach(cg, &cg->dir[i], buf, strlen(buf), pid, e);
	}
	return r;
}

int cgroup_entry_open_join(struct cgroup *cg, pid_t init_pid, const char *sub, struct cgroup_entry *ret,
			   struct err *e)
{
	_cleanup_(cgroup_entry_done) struct cgroup_entry entry = { .into_fd = -EBADF, .cg = cg };
	_cleanup_free_ char *text = NULL;
	char buf[PATH_MAX];
	int r = read_init(init_pid, &text, e);

	for (size_t i = 0; r == 0 && i < cg->n; i++) {
		if (cg->dir[i].gone)
			continue;
		r = join_sub(cg, &cg->dir[i], text, sub, buf, sizeof buf, e);
		if (r == 0)
			r = entry_add(cg, &cg->dir[i], buf, sub && sub[0], &entry, e);
	}
	if (r < 0)
		return r;
	*ret = entry;
	entry.n = 0;
	entry.into_owned = false;
	return 0;
}

/* -- the end -- */

int cgroup_destroy(struct cgroup *cg, struct err *e)
{
	int r = 0, q;

	for (size_t i = 0; i < cg->n; i++) {
		/* try all of them, report the first failure; the patience is shared */
		q = cg_dir_remove(cg, &cg->dir[i], r < 0 ? 100 : 5000, r < 0 ? NULL : e);
		r = r < 0 ? r : q;
	}
	if (cg->systemd) {
		q = cg_systemd_stop(cg, r < 0 ? NULL : e);
		r = r < 0 ? r : q;
	}
	return r;
}
