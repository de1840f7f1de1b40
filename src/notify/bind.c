/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Non-recursive binds (and clones, open_tree(2)) of a directory of procfs or sysfs. The kernel refuses them with
 * EINVAL when something below is locked; taking the locked covers along is what was meant. Everything else, and
 * every doubt, goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "notify/acts.h"
#include "notify/journal.h"
#include "notify/tree.h"
#include "sys/missing.h"

#define GO_ON 1 /* not for us */

#define OPEN_TREE_VALID \
	((unsigned)AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)

/*
 * A directory on procfs or sysfs? Those say nothing about their size; asking statfs(2) only then keeps us from
 * waiting for a FUSE server in the container.
 */
static bool is_candidate(int fd)
{
	struct statx stx;
	struct statfs fs;

	return sys_statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_SIZE,
			 &stx) == 0 &&
	       S_ISDIR(stx.stx_mode) && stx.stx_size == 0 && stx.stx_dev_major == 0 && fstatfs(fd, &fs) == 0 &&
	       notify_fs_by_magic(fs.f_type) != NULL;
}

static int open_place(int at, const char *rest, int flags)
{
	int fd = *rest || at < 0 ? openat(at, rest, O_PATH | O_CLOEXEC | flags) : fcntl(at, F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* What the kernel would clone by itself is left to it. Return: GO_ON, a detached tree, or -errno. */
static int clone_covered(int source, bool *go_on)
{
	int fd = open_tree(source, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	*go_on = fd >= 0 || !is_candidate(source);
	if (fd >= 0) {
		(void)close(fd);
		return -EINVAL;
	}
	if (errno != EINVAL)
		return -errno;
	fd = open_tree(source, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
	return fd < 0 ? -errno : fd;
}

struct bind {
	const struct notify_worker *w;
	int source_at, target_at; /* see notify_place() */
	const char *source, *target;
	int target_fd, tree; /* found and cloned */
	bool strange;	     /* there is more below than what is locked */
};

static int attach_as_caller(void *arg)
{
	const struct bind *b = arg;
	uint64_t mark[4];
	int r = notify_mount_mark(b->tree, mark);

	if (r < 0)
		return r;
	notify_commit_begin(b->w, mark);
	r = move_mount(b->tree, "", b->target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	return notify_commit_end(b->w, r < 0 ? -errno : 0);
}

static int bind_as_caller(void *arg)
{
	struct bind *b = arg;
	_cleanup_close_ int source = -EBADF;
	struct stat st;
	bool go_on;

	b->target_fd = open_place(b->target_at, b->target, 0);
	if (b->target_fd < 0)
		return b->target_fd;
	source = open_place(b->source_at, b->source, 0);
	if (source < 0)
		return source;
	b->tree = clone_covered(source, &go_on);
	if (go_on)
		return GO_ON;
	if (b->tree < 0)
		return b->tree;
	if (fstat(b->target_fd, &st) < 0 || !S_ISDIR(st.st_mode))
		return -ENOTDIR;
	b->strange = notify_tree_has_strange(b->w, source);
	return b->strange ? 0 : attach_as_caller(b);
}

static int bind_found(struct notify_worker *w, struct notify_caller *c, struct bind *b)
{
	int r = notify_act(w, c, NOTIFY_IN_MNT | NOTIFY_AS_CALLER, bind_as_caller, b);
	int pruned;

	if (r != 0 || !b->strange)
		return r;
	pruned = notify_tree_prune(w, b->tree);
	(void)fd_close(b->tree);
	b->tree = pruned;
	return pruned < 0 ? -EINVAL : notify_act(w, c, NOTIFY_IN_MNT | NOTIFY_AS_CALLER, attach_as_caller, b);
}

static int bind_for(struct notify_worker *w, struct notify_caller *c, const struct notify_request *rq,
		    const char *source)
{
	struct bind b = { .w = w, .source_at = -EBADF, .target_at = -EBADF, .target_fd = -EBADF, .tree = -EBADF };
	char target[PATH_MAX];
	int r = GO_ON;

	if (notify_read_string(c->tid, rq->path, target, sizeof target) >= 0 &&
	    notify_caller_identify(w, c) == 0 &&
	    notify_place(w, c, AT_FDCWD, source, &b.source_at, &b.source) == 0 &&
	    notify_place(w, c, AT_FDCWD, target, &b.target_at, &b.target) == 0)
		r = bind_found(w, c, &b);
	(void)fd_close(b.source_at);
	(void)fd_close(b.target_at);
	(void)fd_close(b.target_fd);
	(void)fd_close(b.tree);
	return r;
}

struct notify_verdict notify_act_bind(struct notify_worker *w, const struct notify_request *rq)
{
	_cleanup_(notify_caller_close) struct notify_caller c = NOTIFY_CALLER_EMPTY;
	_cleanup_close_ int peek = -EBADF;
	char source[PATH_MAX];
	int r = GO_ON;

	if (notify_read_string((pid_t)notify_call_in_hand(w)->pid, rq->source, source, sizeof source) > 0 &&
	    notify_caller_open(w, &c) == 0) {
		peek = notify_peek(w, &c, AT_FDCWD, source, 0);
		if (peek >= 0 && is_candidate(peek))
			r = bind_for(w, &c, rq, source);
	}
	return r == GO_ON ? notify_go_on() : notify_result(r);
}

struct tree {
	int at;
	const char *rest;
	int nofollow;
};

static int clone_as_caller(void *arg)
{
	const struct tree *t = arg;
	_cleanup_close_ int source = open_place(t->at, t->rest, t->nofollow), tree = -EBADF;
	bool go_on;

	if (source < 0)
		return source;
	tree = clone_covered(source, &go_on);
	return go_on ? GO_ON : tree < 0 ? tree : -ENOSYS;
}

/* The clone cannot be given to the caller: see notify_act_fsopen(). Without this interface programs use mount(2). */
struct notify_verdict notify_act_open_tree(struct notify_worker *w, const struct notify_request *rq)
{
	_cleanup_(notify_caller_close) struct notify_caller c = NOTIFY_CALLER_EMPTY;
	_cleanup_close_ int peek = -EBADF, at = -EBADF;
	struct tree t = { .nofollow = rq->flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0 };
	char path[PATH_MAX];
	int n = notify_read_string((pid_t)notify_call_in_hand(w)->pid, rq->path, path, sizeof path), r = GO_ON;

	if ((rq->flags & ~OPEN_TREE_VALID) != 0 || n < 0 || (n == 0 && !(rq->flags & AT_EMPTY_PATH)) ||
	    notify_caller_open(w, &c) < 0)
		return notify_go_on();
	peek = notify_peek(w, &c, rq->dirfd, n > 0 ? path : ".", t.nofollow);
	if (peek >= 0 && is_candidate(peek) && notify_caller_identify(w, &c) == 0 &&
	    notify_place(w, &c, rq->dirfd, n > 0 ? path : ".", &t.at, &t.rest) == 0) {
		at = t.at;
		r = notify_act(w, &c, NOTIFY_IN_MNT | NOTIFY_AS_CALLER, clone_as_caller, &t);
	}
	return r == GO_ON ? notify_go_on() : notify_result(r);
}
