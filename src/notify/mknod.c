/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mknod(2) of devices that do nobody any harm. The caller's own call is made first, in its place: the kernel goes
 * through all its checks and refuses at the last one, the right to make devices, which no user namespace gives
 * (EPERM). Whatever else it says is the answer. Then the same call on the same directory is made by us, as the
 * caller's file system ids.
 *
 * On file systems whose superblock belongs to a container (a tmpfs mounted inside) a node can be made but not
 * opened. There a node of our own is mounted over it, as engines do; unless the mount itself says nodev, which the
 * container wanted. The system console is made, since what fills a /dev makes one, and is good for nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/cleanup.h"
#include "notify/acts.h"
#include "notify/journal.h"
#include "notify/kernel.h"
#include "sys/missing.h"
#include "sys/mnt.h"

#define GO_ON 1
#define NODE  "emu-node"

struct node {
	const struct notify_worker *w;
	const struct notify_caller *c;
	int at; /* see notify_place() */
	const char *parent, *name;
	int split; /* what notify_split() said */
	mode_t mode;
	dev_t device;
	int dir;  /* made by the caller's attempt */
	int node; /* to be put over the node */
};

static dev_t device_of(uint32_t number)
{
	return makedev((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xfff00));
}

static int attempt(void *arg)
{
	struct node *n = arg;
	struct stat st;

	/* The descriptor itself when the path is one of the caller's own, and nothing follows. */
	n->dir = n->at >= 0 && *n->parent == '\0' ? fcntl(n->at, F_DUPFD_CLOEXEC, 0)
						  : openat(n->at, n->parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (n->dir < 0)
		return -errno;
	if (n->split == -EISDIR)
		return fstatat(n->dir, n->name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? -EEXIST : -ENOENT;
	if (mknodat(n->dir, n->name, n->mode, n->device) == 0)
		return GO_ON;
	return -errno;
}

/* ---- over a node that cannot be opened -------------------------------------------------------------------------- */

static int attach(void *arg)
{
	const struct node *n = arg;
	_cleanup_close_ int at = openat(n->dir, n->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	/* What has become something else meanwhile stays it. */
	if (at < 0 || fstat(at, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != n->device)
		return 0;
	return move_mount(n->node, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0 ? -errno : 0;
}

/* Is a node on this file system good for anything? Opening tells: EACCES, before the driver is asked. */
static bool is_dead(const struct notify_worker *w, int fd)
{
	struct statvfs st;
	char path[32];
	int opened;

	if (fstatvfs(fd, &st) < 0 || (st.f_flag & ST_NODEV))
		return false;
	(void)snprintf(path, sizeof path, "self/fd/%d", fd);
	opened = openat(w->proc, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (opened >= 0) {
		(void)close(opened);
		return false;
	}
	return errno == EACCES;
}

/* A node of the stage's file system, which is the host's, with the owner and mode of @st. */
static int make_own(const struct stat *st)
{
	int mnt;

	(void)unlinkat(AT_FDCWD, NODE, 0);
	if (mknodat(AT_FDCWD, NODE, S_IFCHR | 0600, st->st_rdev) < 0 ||
	    fchownat(AT_FDCWD, NODE, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(AT_FDCWD, NODE, st->st_mode & 07777, 0) < 0)
		return -errno;
	mnt = open_tree(AT_FDCWD, NODE, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return mnt < 0 ? -errno : mnt;
}

/*
 * The node is there; see to it that it works. Done again by a successor: what is mounted over already can be
 * opened.
 */
static int enliven(struct node *n)
{
	_cleanup_close_ int fd = openat(n->dir, n->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int r;

	if (n->device == NOTIFY_CONSOLE)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != n->device || !is_dead(n->w, fd))
		return 0;
	n->node = make_own(&st);
	/* Not as the caller: the right to make devices includes this here, the right to mount is another. */
	r = n->node < 0 ? n->node : notify_act(n->w, n->c, NOTIFY_IN_MNT, attach, n);
	n->node = fd_close(n->node);
	/* Not before it is attached: what has no name any more cannot be. */
	(void)unlinkat(AT_FDCWD, NODE, 0);
	return r;
}

/* ---- the call --------------------------------------------------------------------------------------------------- */

static int make_as(const struct node *n)
{
	const struct notify_status *st = &n->c->status;
	mode_t mask = umask((mode_t)st->umask);
	int r;

	(void)syscall(SYS_setfsgid, st->gid[3]);
	(void)syscall(SYS_setfsuid, st->uid[3]);
	r = mknodat(n->dir, n->name, n->mode, n->device) < 0 ? -errno : 0;
	(void)syscall(SYS_setfsuid, 0);
	(void)syscall(SYS_setfsgid, 0);
	(void)umask(mask);
	return r;
}

static int make(struct node *n)
{
	struct timespec now;
	struct statvfs fs;
	struct stat st;
	uint64_t mark[4] = { 0 };
	int r;

	/* A directory of the host's that is shared gets none: it would be of no use there, and nobody's business outside. */
	if (fstatvfs(n->dir, &fs) < 0 || (fs.f_flag & ST_NODEV))
		return -EPERM;
	/* So that a node which is there after a crash is known to be ours. */
	if (fstatat(n->dir, n->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	(void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
	mark[0] = (uint64_t)now.tv_sec;
	mark[1] = (uint64_t)now.tv_nsec;
	mark[2] = 1; /* no mount's id */
	notify_commit_begin(n->w, mark);
	r = make_as(n);
	if (r == 0 && enliven(n) < 0) {
		/* Half of it is nothing. */
		(void)unlinkat(n->dir, n->name, 0);
		r = -EPERM;
	}
	return notify_commit_end(n->w, r);
}

/* Made since the mark? Then the rest of it, too. Return: 1 it is there, 0 it is to be made again. */
static int finish(struct node *n)
{
	const uint64_t *mark = n->w->shared->slot.mark;
	struct statx stx;
	const struct statx_timestamp *t;

	if (sys_statx(n->dir, n->name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_BTIME,
		      &stx) < 0 ||
	    !S_ISCHR(stx.stx_mode) || makedev(stx.stx_rdev_major, stx.stx_rdev_minor) != n->device)
		return 0;
	t = stx.stx_mask & STATX_BTIME ? &stx.stx_btime : &stx.stx_ctime;
	if (t->tv_sec < (int64_t)mark[0] || (t->tv_sec == (int64_t)mark[0] && t->tv_nsec < mark[1]))
		return 0;
	if (enliven(n) == 0)
		return 1;
	(void)unlinkat(n->dir, n->name, 0);
	return 0;
}

/*
 * Only for those with CAP_MKNOD in the container's own user namespace; one that was made inside gives no devices,
 * as on a host. @then: what to do when the caller's attempt has told that nothing else is in the way.
 */
static int node_for(struct notify_worker *w, struct notify_caller *c, const struct notify_request *rq,
		    int (*then)(struct node *n, int attempted))
{
	char path[PATH_MAX];
	const char *parent, *rest;
	_cleanup_close_ int at = -EBADF, dir = -EBADF;
	struct node n = { .w = w,
			  .c = c,
			  .mode = (mode_t)rq->mode,
			  .device = device_of(rq->device),
			  .dir = -EBADF,
			  .node = -EBADF };
	int r;

	if (notify_read_string(c->tid, rq->path, path, sizeof path) < 0 || notify_caller_identify(w, c) < 0 ||
	    !c->of_container || !notify_has_cap(c, CAP_MKNOD))
		return GO_ON;
	n.split = notify_split(path, &parent, &n.name);
	if (n.split < 0 && n.split != -EISDIR)
		return GO_ON;
	r = notify_place(w, c, rq->dirfd, *parent ? parent : ".", &n.at, &rest);
	if (r < 0)
		return GO_ON;
	at = n.at;
	n.parent = rest;
	r = notify_act(w, c, NOTIFY_IN_MNT | NOTIFY_AS_CALLER, attempt, &n);
	dir = n.dir;
	return dir < 0 ? r : then(&n, r);
}

static int make_if_allowed(struct node *n, int attempted)
{
	return attempted == -EPERM ? make(n) : attempted;
}

static int finish_always(struct node *n, int attempted)
{
	(void)attempted;
	return finish(n);
}

struct notify_verdict notify_act_mknod(struct notify_worker *w, const struct notify_request *rq)
{
	_cleanup_(notify_caller_close) struct notify_caller c = NOTIFY_CALLER_EMPTY;
	int r = GO_ON;

	if (notify_caller_open(w, &c) == 0)
		r = node_for(w, &c, rq, make_if_allowed);
	return r == GO_ON ? notify_go_on() : notify_result(r);
}

int notify_finish_mknod(struct notify_worker *w, const struct notify_request *rq)
{
	_cleanup_(notify_caller_close) struct notify_caller c = NOTIFY_CALLER_EMPTY;
	int r = notify_caller_open(w, &c);

	return r < 0 ? r : node_for(w, &c, rq, finish_always);
}
