/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount(2) of a new procfs or sysfs. The kernel would refuse it, since part of the container's own is covered by
 * what is locked. It is made in three steps:
 *   as the caller     find the place, make the superblock: whether it may is judged by the kernel
 *   as ourselves      mount it where we are, cover it
 *   as the caller     lock the covers, attach the tree: again the kernel judges
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "notify/acts.h"
#include "notify/journal.h"
#include "notify/tree.h"
#include "sys/missing.h"

#define FSCONFIG_STRING_MAX 256 /* fs/fsopen.c */
#define ATTR_ATIME	    ((uint64_t)MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME)

struct new_mount {
	struct notify_worker *w;
	struct notify_caller *c;
	const struct notify_fs *fs;
	uint64_t attr;
	uint32_t flags;
	char *options;	    /* modified */
	const char *source; /* "": none */
	int at;		    /* see notify_place() */
	const char *rest;
	int target, context; /* made by the first step */
};

static int make_superblock(void *arg)
{
	struct new_mount *m = arg;
	char *key, *value;
	int r;

	m->target = *m->rest || m->at < 0 ? openat(m->at, m->rest, O_PATH | O_CLOEXEC)
					  : fcntl(m->at, F_DUPFD_CLOEXEC, 0);
	if (m->target < 0)
		return -errno;
	r = notify_fs_open(m->w, m->c, m->fs, m->context);
	if (r < 0)
		return r;
	m->context = r;
	if (*m->source && fsconfig(m->context, FSCONFIG_SET_STRING, "source", m->source, 0) < 0)
		return -errno;
	if ((m->flags & MS_RDONLY) && fsconfig(m->context, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0)
		return -errno;
	while (notify_option_next(&m->options, &key, &value))
		if (fsconfig(m->context, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value, 0) < 0)
			return -errno;
	return fsconfig(m->context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ? -errno : 0;
}

/* For the same network there is one sysfs only, which cannot be mounted twice at one place. */
static int check_target(int target, int mnt)
{
	struct statx t, m;
	int flags = AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;

	if (sys_statx(target, "", flags, STATX_TYPE, &t) < 0 || sys_statx(mnt, "", flags, STATX_TYPE, &m) < 0)
		return -EIO;
	if (!S_ISDIR(t.stx_mode))
		return -ENOTDIR;
	if ((t.stx_attributes & STATX_ATTR_MOUNT_ROOT) && t.stx_dev_major == m.stx_dev_major &&
	    t.stx_dev_minor == m.stx_dev_minor)
		return -EBUSY;
	return 0;
}

static int lock_and_attach(void *arg)
{
	const struct new_mount *m = arg;
	_cleanup_close_ int mnt = notify_tree_lock(m->w, m->attr);
	uint64_t mark[4];
	int r = mnt < 0 ? mnt : notify_mount_mark(mnt, mark);

	if (r == 0 && setns(m->c->mnt, CLONE_NEWNS) < 0)
		r = -errno;
	if (r == 0)
		r = notify_become_caller(m->c);
	if (r < 0)
		return r;
	notify_commit_begin(m->w, mark);
	r = move_mount(mnt, "", m->target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	r = notify_commit_end(m->w, r < 0 ? -errno : 0);
	if (r == 0 && mark[2])
		notify_tree_remember(m->w, m->fs, mark[0]);
	return r;
}

static int mount_new(struct new_mount *m)
{
	_cleanup_close_ int mnt = -EBADF;
	int r = notify_fs_prepare(m->w, m->c, m->fs, &m->context);

	if (r == 0)
		r = notify_act(m->w, m->c, notify_fs_where(m->fs) | NOTIFY_IN_MNT | NOTIFY_AS_CALLER,
			       make_superblock, m);
	if (r < 0)
		return r;
	/* In our namespace it reveals nothing. */
	mnt = fsmount(m->context, FSMOUNT_CLOEXEC, (unsigned)(m->attr & ATTR_ATIME));
	if (mnt < 0)
		return -errno;
	r = check_target(m->target, mnt);
	if (r < 0)
		return r;
	/* Not for the caller to know why; without its covers it must not have it. */
	if (notify_tree_build(m->w, m->c, m->fs, mnt, NULL) < 0)
		return -EPERM;
	r = notify_act(m->w, m->c, NOTIFY_IN_WORK | NOTIFY_AS_OWNER, lock_and_attach, m);
	return r;
}

/* 0: answered by what *@ret says; 1: the kernel is to go on. */
static int mount_for(struct notify_worker *w, struct notify_caller *c, const struct notify_request *rq,
		     const struct notify_fs *fs, int *ret)
{
	char path[PATH_MAX], source[PATH_MAX] = "", options[4096] = "";
	_cleanup_close_ int at_fd = -EBADF;
	struct new_mount m = { .w = w,
			       .c = c,
			       .fs = fs,
			       .flags = rq->flags,
			       .attr = notify_mount_attr(rq->flags),
			       .options = options,
			       .source = source,
			       .target = -EBADF,
			       .context = -EBADF };
	ssize_t n;
	int r;

	/* What cannot be read, the kernel cannot read either. A name too long to be set by fsconfig(2) is left out. */
	if (notify_read_string(c->tid, rq->path, path, sizeof path) < 0)
		return 1;
	if (rq->source) {
		r = notify_read_string(c->tid, rq->source, source, sizeof source);
		if (r < 0)
			return 1;
		if (r >= FSCONFIG_STRING_MAX)
			source[0] = '\0';
	}
	if (rq->data) {
		n = notify_read_some(c->tid, rq->data, options, sizeof options - 1);
		if (n < 0)
			return 1;
		options[n] = '\0';
	}
	if (notify_caller_identify(w, c) < 0 || notify_caller_more(w, c, fs->namespace_) < 0 ||
	    !notify_tree_allowed(w, c, fs, rq->flags & MS_RDONLY))
		return 1;
	r = notify_place(w, c, AT_FDCWD, path, &m.at, &m.rest);
	if (r == 0) {
		at_fd = m.at;
		r = mount_new(&m);
	}
	(void)fd_close(m.target);
	(void)fd_close(m.context);
	*ret = r;
	return 0;
}

struct notify_verdict notify_act_mount(struct notify_worker *w, const struct notify_request *rq)
{
	_cleanup_(notify_caller_close) struct notify_caller c = NOTIFY_CALLER_EMPTY;
	pid_t tid = (pid_t)notify_call_in_hand(w)->pid;
	const struct notify_fs *fs = NULL;
	char type[8];
	int r = 0;

	/* The way of all other file systems: one look and on. */
	if (notify_read_string(tid, rq->type, type, sizeof type) >= 0)
		fs = notify_fs_by_name(type);
	if (!fs || notify_caller_open(w, &c) < 0 || mount_for(w, &c, rq, fs, &r) != 0)
		return notify_go_on();
	return notify_result(r);
}

/*
 * The same by fsopen(2), fsconfig(2), fsmount(2): what came out would have to get into the caller's table of
 * descriptors, and the kernel has no way for those that only lead to a place (SECCOMP_IOCTL_NOTIF_ADDFD: EBADF for
 * O_PATH). So for these two file systems there is no such interface, and programs go the way of kernels that have
 * none (libmount, crun).
 */
/* Who may mount anything may mount a tmpfs; others are told that they may not. */
static int may_open(void *arg)
{
	int fd = fsopen("tmpfs", FSOPEN_CLOEXEC);

	(void)arg;
	if (fd < 0)
		return -errno;
	(void)close(fd);
	return -ENOSYS;
}

struct notify_verdict notify_act_fsopen(struct notify_worker *w, const struct notify_request *rq)
{
	_cleanup_(notify_caller_close) struct notify_caller c = NOTIFY_CALLER_EMPTY;
	char type[8];

	if (notify_read_string((pid_t)notify_call_in_hand(w)->pid, rq->type, type, sizeof type) < 0 ||
	    !notify_fs_by_name(type) || (rq->flags & ~(uint32_t)FSOPEN_CLOEXEC) || notify_caller_open(w, &c) < 0 ||
	    notify_caller_identify(w, &c) < 0)
		return notify_go_on();
	return notify_result(notify_act(w, &c, NOTIFY_IN_MNT | NOTIFY_AS_CALLER, may_open, NULL));
}

int notify_finish_mount(struct notify_worker *w, const struct notify_request *rq)
{
	_cleanup_(notify_caller_close) struct notify_caller c = NOTIFY_CALLER_EMPTY;
	int r = notify_caller_open(w, &c);

	(void)rq;
	if (r == 0)
		r = notify_caller_identify(w, &c);
	return r < 0 ? r : notify_mount_there(w, &c, w->shared->slot.mark);
}
