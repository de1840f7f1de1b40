/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories and processes below a container's group. The container may have nested them without
 * limit, so walking goes by names and ".." with one fd, not by recursion with one per level:
 * directories of a cgroup tree cannot be moved to another parent.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/num.h"
#include "cgroup/cgroup-internal.h"

#define WALK_MAX (1u << 20) /* pending directories; the kernel charges far more for each than we do */

struct step {
	size_t depth; /* of the directory; children of the top have 1 */
	bool leave;   /* second visit, after its children */
	char *name;
};

struct walk {
	struct step *v;
	size_t n, size;
};

static void walk_done(struct walk *w)
{
	while (w->n > 0)
		free(w->v[--w->n].name);
	free(w->v);
	w->v = NULL;
}

static int walk_push(struct walk *w, size_t depth, bool leave, const char *name)
{
	if (w->n == w->size) {
		size_t size = w->size ? w->size * 2 : 32;
		struct step *v;

		if (size > WALK_MAX)
			return -E2BIG;
		if (!(v = reallocarray(w->v, size, sizeof *v)))
			return -ENOMEM;
		w->v = v;
		w->size = size;
	}
	w->v[w->n] = (struct step){ .depth = depth, .leave = leave, .name = strdup(name) };
	if (!w->v[w->n].name)
		return -ENOMEM;
	w->n++;
	return 0;
}

static int walk_push_children(struct walk *w, int fd, size_t depth)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *ent;
	int copy, r;

	copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (copy < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!(dir = fdopendir(copy))) {
		(void)close(copy);
		return -ENOMEM;
	}
	for (errno = 0; (ent = readdir(dir)); errno = 0) {
		if (ent->d_type != DT_DIR || strcmp(ent->d_name, ".") == 0 || strcmp(ent->d_name, "..") == 0)
			continue;
		r = walk_push(w, depth, false, ent->d_name);
		if (r < 0)
			return r;
	}
	/* removed while it is read: has no children any more */
	return errno == ENOENT ? 0 : -errno;
}

/*
 * Visit @top and all directories below. @enter (may be NULL) sees each one before its children; its
 * positive result ends the walk. With @remove, children are removed after theirs.
 */
static int tree_walk(int top, int (*enter)(int fd, void *arg), void *arg, bool remove)
{
	_cleanup_close_ int cur = openat(top, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(walk_done) struct walk w = { 0 };
	size_t depth = 0;
	int r;

	if (cur < 0)
		return errno == ENOENT ? 0 : -errno;
	r = enter ? enter(cur, arg) : 0;
	if (r == 0)
		r = walk_push_children(&w, cur, 1);
	while (r == 0 && w.n > 0) {
		struct step s = w.v[--w.n];
		_cleanup_free_ char *name = s.name;
		int fd;

		while (depth >= s.depth) {
			fd = openat(cur, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
			if (fd < 0)
				return -errno;
			(void)close(cur);
			cur = fd;
			depth--;
		}
		if (s.leave) {
			if (unlinkat(cur, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
				r = -errno;
			continue;
		}
		fd = openat(cur, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0) {
			r = errno == ENOENT ? 0 : -errno;
			continue;
		}
		(void)close(cur);
		cur = fd;
		depth++;
		r = enter ? enter(cur, arg) : 0;
		if (r == 0 && remove)
			r = walk_push(&w, depth, true, name);
		if (r == 0)
			r = walk_push_children(&w, cur, depth + 1);
	}
	return r;
}

int cg_pids_parse(const char *text, struct cg_pids *pids)
{
	while (*text) {
		uint64_t pid;

		if (num_span(&text, INT_MAX, &pid) < 0 || (*text != '\n' && *text != '\0'))
			return -EINVAL;
		text += *text == '\n';
		/* 0: a process outside of our pid namespace, which cannot be named */
		if (pid == 0)
			continue;
		if (pids->n == pids->size) {
			size_t size = pids->size ? pids->size * 2 : 32;
			pid_t *v = reallocarray(pids->v, size, sizeof *v);

			if (!v)
				return -ENOMEM;
			pids->v = v;
			pids->size = size;
		}
		pids->v[pids->n++] = (pid_t)pid;
	}
	return 0;
}

static int add_pids(int fd, void *arg)
{
	_cleanup_free_ char *text = NULL;
	int r = io_read_at(fd, "cgroup.procs", 16 * CG_TEXT_MAX, &text, NULL);

	/* EOPNOTSUPP: threaded; its processes are listed by the nearest domain above */
	if (r == -ENOENT || r == -ENODEV || r == -EOPNOTSUPP)
		return 0;
	return r < 0 ? r : cg_pids_parse(text, arg);
}

static int any_pid(int fd, void *arg)
{
	char c;
	_cleanup_close_ int procs = openat(fd, "cgroup.procs", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	(void)arg;
	return procs >= 0 && read(procs, &c, 1) > 0;
}

int cg_tree_pids(int dirfd, struct cg_pids *pids)
{
	return tree_walk(dirfd, add_pids, pids, false);
}

int cg_tree_populated(int dirfd)
{
	return tree_walk(dirfd, any_pid, NULL, false);
}

int cg_tree_remove_children(int dirfd)
{
	return tree_walk(dirfd, NULL, NULL, true);
}

static int pid_compare(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

void cg_pids_sort(struct cg_pids *p)
{
	size_t n = 0;

	if (p->n == 0)
		return;
	qsort(p->v, p->n, sizeof *p->v, pid_compare);
	/* a process that moved during the walk was seen twice */
	for (size_t i = 0; i < p->n; i++)
		if (n == 0 || p->v[n - 1] != p->v[i])
			p->v[n++] = p->v[i];
	p->n = n;
}

void cg_pids_done(struct cg_pids *p)
{
	free(p->v);
	*p = (struct cg_pids){ 0 };
}

/*
 * Make the missing directories above the container's. Returns 1 when there is no such hierarchy at
 * all. Another runtime may be removing an empty parent at the same time: the caller tries again.
 */
static int make_parents(struct cg_dir *d, char *rel, struct err *e)
{
	size_t start = strlen(d->name);
	uint16_t made = 0;
	int top, r;

	r = cg_host_load(&top, NULL, e);
	if (r < 0)
		return r;
	if (!cg_host_is_mounted(d))
		return 1;
	for (char *p = strchr(rel + start + (start > 0), '/'); p; p = strchr(p + 1, '/')) {
		_cleanup_close_ int fd = -EBADF;

		*p = '\0';
		r = mkdirat(top, rel, 0755) < 0 ? -errno : 0;
		/* only an unbroken chain that ends at the container's directory is ours to remove
		 */
		made = r == 0 ? (uint16_t)(made + 1) : 0;
		if (r == -EEXIST)
			r = 0;
		if (made && (d->ctrls & (1u << CG_CPUSET))) {
			fd = cg_open_beneath(top, rel, O_PATH | O_DIRECTORY);
			r = fd < 0 ? fd : cg_v1_cpuset_parent(fd);
		}
		if (r < 0)
			r = err_sys(e, -r, "cgroup: mkdir %s", rel);
		*p = '/';
		if (r < 0)
			return r;
	}
	d->parents = made;
	return 0;
}

int cg_dir_make(struct cgroup *cg, struct cg_dir *d, bool may_have_procs, struct err *e)
{
	char rel[PATH_MAX], path[PATH_MAX];
	int top, r;

	r = cg_host_load(&top, NULL, e);
	if (r < 0)
		return r;
	if (cg_rel_path(cg, d, rel, sizeof rel) < 0)
		return err_sys(e, ENAMETOOLONG, "cgroup: %s", cg->path);
	cg_dir_path(cg, d, path, sizeof path);
	for (int i = 0;; i++) {
		if (mkdirat(top, rel, 0755) == 0) {
			d->made = true;
			return 0;
		}
		r = -errno;
		if (r == -EROFS && !cg_host_is_mounted(d)) {
			d->gone = true;
			return 0;
		}
		if (r != -ENOENT || i == 16)
			break;
		r = make_parents(d, rel, e);
		if (r < 0 && r != -ENOENT)
			return r;
		if (r == 1) {
			d->gone = true;
			return 0;
		}
	}
	if (r != -EEXIST)
		return err_sys(e, -r, "cgroup: mkdir %s", path);
	r = cg_dir_fd(cg, d, e);
	if (r < 0)
		return r;
	if (!may_have_procs) {
		r = cg_tree_populated(r);
		if (r < 0)
			return err_sys(e, -r, "cgroup: look for processes in %s", path);
		if (r > 0)
			return err_set(e, EBUSY,
				       "cgroup: %s exists and has processes: another container "
				       "uses it, or an old one was "
				       "not deleted",
				       path);
	}
	return 0;
}

/* The parents that we made, from below, as long as they are empty. */
static void remove_parents(const struct cgroup *cg, const struct cg_dir *d)
{
	char rel[PATH_MAX], *slash;
	int top;

	if (cg_host_load(&top, NULL, NULL) < 0 || cg_rel_path(cg, d, rel, sizeof rel) < 0)
		return;
	for (uint16_t i = 0; i < d->parents; i++) {
		if (!(slash = strrchr(rel, '/')))
			return;
		*slash = '\0';
		if (unlinkat(top, rel, AT_REMOVEDIR) < 0 && errno != ENOENT)
			return;
	}
}

int cg_dir_remove(const struct cgroup *cg, struct cg_dir *d, int timeout_ms, struct err *e)
{
	char rel[PATH_MAX], path[PATH_MAX];
	int64_t left_us = (int64_t)timeout_ms * 1000, wait_us = 200;
	int top, r;

	if (d->gone)
		return 0;
	r = cg_host_load(&top, NULL, e);
	if (r < 0)
		return r;
	if (cg_rel_path(cg, d, rel, sizeof rel) < 0)
		return err_sys(e, ENAMETOOLONG, "cgroup: %s", cg->path);
	d->fd = fd_close(d->fd);
	if (d->child && strlen(rel) + sizeof "/" CG_DELEGATED < sizeof rel) {
		/* known to be there and mostly empty: spares a look around */
		memcpy(path, rel, strlen(rel) + 1);
		memcpy(path + strlen(rel), "/" CG_DELEGATED, sizeof "/" CG_DELEGATED);
		(void)unlinkat(top, path, AT_REMOVEDIR);
	}
	for (;;) {
		_cleanup_close_ int fd = -EBADF;

		if (unlinkat(top, rel, AT_REMOVEDIR) == 0 || errno == ENOENT || errno == ENODEV)
			break;
		r = -errno;
		if (r != -EBUSY && r != -ENOTEMPTY)
			break;
		fd = cg_open_beneath(top, rel, O_PATH | O_DIRECTORY);
		if (fd >= 0 && cg_tree_remove_children(fd) == 0 && unlinkat(top, rel, AT_REMOVEDIR) == 0) {
			r = 0;
			break;
		}
		if (left_us <= 0)
			break;
		/* the last processes are dead but not reaped yet */
		(void)nanosleep(&(struct timespec){ .tv_nsec = wait_us * 1000 }, NULL);
		left_us -= wait_us;
		wait_us = wait_us < 10000 ? wait_us * 2 : wait_us;
		r = 0;
	}
	if (r < 0) {
		cg_dir_path(cg, d, path, sizeof path);
		return err_sys(e, -r, "cgroup: rmdir %s", path);
	}
	d->gone = true;
	remove_parents(cg, d);
	return 0;
}

void cg_dir_undo(const struct cgroup *cg, struct cg_dir *d)
{
	if (d->made && !d->gone)
		(void)cg_dir_remove(cg, d, 100, NULL);
	else if (!d->gone && d->parents)
		remove_parents(cg, d);
}
