/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount(2) with MS_REMOUNT | MS_BIND | MS_RDONLY of a directory of procfs or sysfs, as engines make /proc/sys read-only for
 * the containers they run inside. The kernel does that to the one mount; the emulated files are mounts of their own and
 * would stay writable. They are made read-only first, as the caller, and then the kernel goes on with the caller's call.
 * Done twice it does no harm, so there is nothing to recover. In which order other threads change what is mounted meanwhile
 * is the container's own affair: it could have left its mounts writable in the first place.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "notify/acts.h"
#include "notify/journal.h"
#include "notify/mounts.h"
#include "notify/tree.h"
#include "sys/missing.h"

struct remount {
	int top;	    /* the directory, as the caller's path leads to it */
	const char **paths; /* of the covers below it; point into the list of mounts */
	size_t n;
};

/* Nothing is asked that a file system in the container would have to answer, before it is known to be the kernel's. */
static bool is_candidate(int fd, uint64_t *ret_id)
{
	struct statx stx;
	struct statfs fs;

	if (sys_statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
		      STATX_TYPE | STATX_SIZE | STATX_MNT_ID, &stx) < 0 ||
	    !(stx.stx_mask & STATX_MNT_ID) || !(stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) ||
	    !S_ISDIR(stx.stx_mode) || stx.stx_size != 0 || stx.stx_dev_major != 0)
		return false;
	*ret_id = stx.stx_mnt_id;
	return fstatfs(fd, &fs) == 0 && notify_fs_by_magic(fs.f_type) != NULL;
}

static int find_covers(const struct notify_worker *w, const struct notify_mounts *l, uint64_t id,
		       struct remount *rm)
{
	const struct mountinfo *top = notify_mounts_find(l, id);
	size_t len = top ? strlen(top->target) : 0;

	if (!top)
		return -ENOENT;
	rm->paths = calloc(l->n, sizeof *rm->paths);
	if (!rm->paths)
		return -ENOMEM;
	for (size_t i = 0; i < l->n; i++) {
		const struct mountinfo *m = &l->v[i];

		if (notify_is_carrier(w, makedev(m->major, m->minor)) && notify_mounts_is_below(l, m, id) &&
		    strncmp(m->target, top->target, len) == 0 && m->target[len] == '/')
			rm->paths[rm->n++] = m->target + len + 1;
	}
	return 0;
}

static int make_read_only(void *arg)
{
	const struct remount *rm = arg;
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	/* Whether the caller may is judged by the kernel each time, and again for the call itself. */
	for (size_t i = 0; i < rm->n; i++)
		(void)mount_setattr(rm->top, rm->paths[i], AT_SYMLINK_NOFOLLOW, &attr, sizeof attr);
	return 0;
}

struct notify_verdict notify_act_remount(struct notify_worker *w, const struct notify_request *rq)
{
	_cleanup_(notify_caller_close) struct notify_caller c = NOTIFY_CALLER_EMPTY;
	_cleanup_(notify_mounts_done) struct notify_mounts l = { 0 };
	_cleanup_close_ int fd = -EBADF;
	_cleanup_free_ char *text = NULL;
	struct remount rm = { 0 };
	char path[PATH_MAX];
	uint64_t id;

	if (notify_read_string((pid_t)notify_call_in_hand(w)->pid, rq->path, path, sizeof path) > 0 &&
	    notify_caller_open(w, &c) == 0)
		fd = notify_peek(w, &c, AT_FDCWD, path, 0);
	if (fd >= 0 && is_candidate(fd, &id) && notify_caller_identify(w, &c) == 0 &&
	    io_read_at(c.task, "mountinfo", NOTIFY_MOUNTINFO_MAX, &text, NULL) == 0 &&
	    notify_mounts_parse(text, &l) == 0 && find_covers(w, &l, id, &rm) == 0 && rm.n > 0) {
		rm.top = fd;
		(void)notify_act(w, &c, NOTIFY_IN_MNT | NOTIFY_AS_CALLER, make_read_only, &rm);
	}
	free(rm.paths);
	return notify_go_on();
}
