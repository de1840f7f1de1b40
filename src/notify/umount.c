/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain umount(2) in the three cases in which the covers of an emulated procfs or sysfs are in the way:
 *   its root     is busy for the kernel, since something is mounted below: detach it with its covers
 *   a cover      is locked (EINVAL): "umount -R" goes through all mounts below and stops at the first error, so
 *                say once that it has been done. Only once: some programs try again until there is nothing left
 *   the container's own /proc and /sys: left to the kernel, which refuses
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "notify/acts.h"
#include "notify/journal.h"
#include "notify/kernel.h"
#include "notify/mounts.h"
#include "notify/tree.h"
#include "sys/missing.h"

#define GO_ON	    1 /* not for us */
#define LOOK_CLOSER 2 /* what is below cannot be told by its devices */
#define STRANGE_MAX 64u

/* What there is to know about a mount that may be one of ours. */
struct target {
	const struct notify_worker *w;
	int fd;
	uint64_t id, dev;
	uint64_t mark[4];
	const struct notify_fs *fs; /* NULL: none of the two */
	bool looked;		    /* fs, covered, foreign are known */
	bool initial;		    /* the container's own one, or a cover on it */
	bool covered;		    /* something is mounted below, */
	bool foreign;		    /* and not all of it is known to be ours: */
	int strange[STRANGE_MAX];   /* these are ours if they are locked: the masks that the runtime made */
	size_t n_strange;
};

/*
 * The root of a mount that may be procfs, sysfs or a cover. Nothing is asked that a file system in the container
 * would have to answer.
 */
static bool is_candidate(const struct notify_worker *w, int fd, struct target *t)
{
	struct statx stx;

	if (sys_statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
		      STATX_TYPE | STATX_SIZE | STATX_MNT_ID, &stx) < 0 ||
	    !(stx.stx_mask & STATX_MNT_ID) || !(stx.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return false;
	t->fd = fd;
	t->id = stx.stx_mnt_id;
	t->dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	return notify_is_carrier(w, t->dev) ||
	       (S_ISDIR(stx.stx_mode) && stx.stx_size == 0 && stx.stx_dev_major == 0);
}

/* ---- the mounts around it --------------------------------------------------------------------------------------- */

static bool is_system_path(const char *path)
{
	return strcmp(path, "/proc") == 0 || strncmp(path, "/proc/", 6) == 0 || strcmp(path, "/sys") == 0 ||
	       strncmp(path, "/sys/", 5) == 0;
}

/* At or below /proc or /sys as seen from the top of its mount namespace? */
static bool is_system(const struct target *t)
{
	char name[32], path[16];
	ssize_t n;

	(void)snprintf(name, sizeof name, "self/fd/%d", t->fd);
	n = readlinkat(t->w->proc, name, path, sizeof path - 1);
	if (n < 0)
		return true;
	path[n] = '\0';
	return is_system_path(path);
}

/* The procfs or sysfs that a container (or an inner one) began with: there, and not put over another one. */
static bool is_initial(const struct notify_mounts *l, const struct target *t)
{
	const struct mountinfo *m = notify_mounts_find(l, t->id), *parent;

	while (m && (parent = notify_mounts_find(l, m->parent)) != NULL && parent != m) {
		bool inside = notify_fs_by_name(parent->fstype) != NULL;

		if (notify_fs_by_name(m->fstype) != NULL && strcmp(m->root, "/") == 0)
			return !inside;
		m = parent;
	}
	return true;
}

/* @m is mounted below, and its device says nothing. */
static void note_strange(const struct notify_caller *c, const struct mountinfo *m, struct target *t)
{
	const struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
				      .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	int fd = t->n_strange < STRANGE_MAX ? sys_openat2(c->root, m->target, &how) : -1;

	if (fd >= 0)
		t->strange[t->n_strange++] = fd;
	else
		t->foreign = true;
}

static int look_in_mountinfo(const struct notify_caller *c, struct target *t, bool system)
{
	_cleanup_free_ char *text = NULL;
	struct notify_mounts l = { 0 };
	const struct mountinfo *m;
	int r = io_read_at(c->task, "mountinfo", NOTIFY_MOUNTINFO_MAX, &text, NULL);

	if (r == 0)
		r = notify_mounts_parse(text, &l);
	m = r == 0 ? notify_mounts_find(&l, t->id) : NULL;
	if (m) {
		t->fs = notify_fs_by_name(m->fstype);
		t->initial = system && is_initial(&l, t);
		t->looked = true;
	}
	for (size_t i = 0; m && i < l.n; i++) {
		uint64_t dev = makedev(l.v[i].major, l.v[i].minor);

		if (!notify_mounts_is_below(&l, &l.v[i], t->id))
			continue;
		t->covered = true;
		if (dev != t->dev && !notify_is_carrier(t->w, dev))
			note_strange(c, &l.v[i], t);
	}
	notify_mounts_done(&l);
	return m ? 0 : -ENOENT;
}

/* The same without writing out and reading all the mounts, in the caller's namespace (Linux 6.8). */
static int look_below(struct target *t)
{
	uint64_t ids[128], last = 0;
	struct kernel_statmount sm;
	ssize_t n;

	t->fs = notify_tree_recall(t->w, t->mark[0]);
	t->looked = t->covered = t->fs != NULL;
	if (t->looked)
		return 0;
	if (kernel_statmount(t->mark[0], KERNEL_STATMOUNT_SB_BASIC, &sm) < 0)
		return -errno;
	t->fs = notify_fs_by_magic((long)sm.sb_magic);
	while (t->fs && (n = kernel_listmount(t->mark[0], last, ids, ARRAY_SIZE(ids))) > 0) {
		t->covered = true;
		for (ssize_t i = 0; i < n; i++) {
			uint64_t dev;

			if (kernel_statmount(ids[i], KERNEL_STATMOUNT_SB_BASIC, &sm) < 0)
				return -errno;
			dev = makedev(sm.sb_dev_major, sm.sb_dev_minor);
			t->foreign |= dev != t->dev && !notify_is_carrier(t->w, dev);
		}
		last = ids[n - 1];
	}
	t->looked = true;
	return 0;
}

static int look_around(const struct notify_caller *c, struct target *t)
{
	bool system = is_system(t);
	int r = notify_mount_mark(t->fd, t->mark);

	/* A unique id means that there is statmount(2), which the helper will use. */
	return r < 0 || (t->mark[2] && !system) ? r : look_in_mountinfo(c, t, system);
}

/* ---- the call --------------------------------------------------------------------------------------------------- */

static int tell_once(const struct target *t)
{
	struct notify_shared *s = t->w->shared;
	uint64_t id = t->mark[2] ? t->mark[0] : t->mark[0] | t->mark[1] << 32;

	for (size_t i = 0; i < NOTIFY_LIED_MAX; i++)
		if (s->lied[i] == id)
			return -EINVAL;
	/* In this order: who dies in between answers as has been decided. */
	(void)notify_commit_end(t->w, 0);
	s->lied[s->lied_next % NOTIFY_LIED_MAX] = id;
	s->lied_next++;
	return 0;
}

/* What plain umount(2) of @fd says. */
static int probe(int fd)
{
	char path[32];

	(void)snprintf(path, sizeof path, "/self/fd/%d", fd);
	return umount2(path, 0) < 0 ? errno : 0;
}

/*
 * As the caller, from the host's procfs as root directory: "/self/fd/N" is exactly the mount that was looked at.
 * As our descriptor holds it, plain umount cannot succeed, but its error tells what the kernel thinks: EPERM no
 * right, EINVAL locked, EBUSY could be.
 */
static int umount_as_caller(void *arg)
{
	struct target *t = arg;
	bool closer = t->looked;
	char path[32];
	int r, code;

	code = probe(t->fd);
	if (code != EBUSY && code != EINVAL)
		return -code;
	r = t->looked ? 0 : look_below(t);
	if (r < 0)
		return r == -ENOENT ? -EINVAL : -EBUSY;
	if (code == EINVAL)
		return t->fs || notify_is_carrier(t->w, t->dev) ? tell_once(t) : -EINVAL;
	if (!t->fs || !t->covered)
		return GO_ON;
	if (t->foreign)
		return closer ? -EBUSY : LOOK_CLOSER;
	for (size_t i = 0; i < t->n_strange; i++)
		if (probe(t->strange[i]) != EINVAL)
			return -EBUSY;
	notify_commit_begin(t->w, t->mark);
	(void)snprintf(path, sizeof path, "/self/fd/%d", t->fd);
	r = umount2(path, MNT_DETACH);
	return notify_commit_end(t->w, r < 0 ? -errno : 0);
}

static int umount_for(struct notify_worker *w, const struct notify_caller *c, struct target *t)
{
	const unsigned where = NOTIFY_IN_MNT | NOTIFY_IN_PROCFS | NOTIFY_AS_CALLER;
	int r = notify_act(w, c, where, umount_as_caller, t);

	if (r == LOOK_CLOSER) {
		t->covered = t->foreign = false;
		r = look_in_mountinfo(c, t, false);
		r = r < 0 ? -EBUSY : notify_act(w, c, where, umount_as_caller, t);
	}
	for (size_t i = 0; i < t->n_strange; i++)
		(void)fd_close(t->strange[i]);
	return r;
}

struct notify_verdict notify_act_umount(struct notify_worker *w, const struct notify_request *rq)
{
	_cleanup_(notify_caller_close) struct notify_caller c = NOTIFY_CALLER_EMPTY;
	_cleanup_close_ int fd = -EBADF;
	struct target t = { .w = w };
	char path[PATH_MAX];
	int r = GO_ON;

	if (notify_read_string((pid_t)notify_call_in_hand(w)->pid, rq->path, path, sizeof path) > 0 &&
	    notify_caller_open(w, &c) == 0)
		fd = notify_peek(w, &c, AT_FDCWD, path, rq->flags & UMOUNT_NOFOLLOW ? O_NOFOLLOW : 0);
	if (fd >= 0 && is_candidate(w, fd, &t) && notify_caller_identify(w, &c) == 0 && look_around(&c, &t) == 0 &&
	    !t.initial)
		r = umount_for(w, &c, &t);
	return r == GO_ON ? notify_go_on() : notify_result(r);
}

int notify_finish_umount(struct notify_worker *w, const struct notify_request *rq)
{
	int r = notify_finish_mount(w, rq);

	return r < 0 ? r : !r;
}
