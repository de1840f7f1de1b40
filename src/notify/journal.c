/* SPDX-License-Identifier: Apache-2.0 */
#include "notify/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/mountinfo.h"
#include "notify/kernel.h"
#include "sys/missing.h"

#define MOUNTINFO_MAX (64u * 1024 * 1024)

#ifdef NOTIFY_TEST_POINTS
void (*notify_test_point)(int n);
unsigned notify_test_deadline = NOTIFY_DEADLINE_S;
bool notify_test_old;
#define IS_OLD notify_test_old
#else
#define IS_OLD false
#endif

/* Stores reach the memory in this order; whoever reads them is another process, later. */
#define ORDER() __asm__ volatile("" ::: "memory")

void notify_commit_begin(const struct notify_worker *w, const uint64_t mark[4])
{
	NOTIFY_POINT(NOTIFY_POINT_PREPARED);
	/* Ids that are used again: what was said about one may be about another from now on. */
	if (!mark[2])
		memset(w->shared->lied, 0, sizeof w->shared->lied);
	memcpy(w->shared->slot.mark, mark, sizeof w->shared->slot.mark);
	ORDER();
	w->shared->slot.phase = NOTIFY_COMMITTING;
	ORDER();
	NOTIFY_POINT(NOTIFY_POINT_MARKED);
}

int notify_commit_end(const struct notify_worker *w, int result)
{
	NOTIFY_POINT(NOTIFY_POINT_CHANGED);
	ORDER();
	w->shared->slot.error = result;
	ORDER();
	w->shared->slot.phase = NOTIFY_DONE;
	NOTIFY_POINT(NOTIFY_POINT_DONE);
	return result;
}

/* ---- recognising mounts --------------------------------------------------------------------------------------- */

/* mark: id, device, whether the id is unique, - */
int notify_mount_mark(int fd, uint64_t ret[4])
{
	struct statx stx;

	if (sys_statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_MNT_ID_UNIQUE, &stx) < 0)
		return -errno;
	if (IS_OLD)
		stx.stx_mask &= ~STATX_MNT_ID_UNIQUE;
	if (!(stx.stx_mask & STATX_MNT_ID_UNIQUE) &&
	    (sys_statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx) < 0 ||
	     !(stx.stx_mask & STATX_MNT_ID)))
		return -EIO;
	ret[0] = stx.stx_mnt_id;
	ret[1] = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	ret[2] = (stx.stx_mask & STATX_MNT_ID_UNIQUE) != 0;
	ret[3] = 0;
	return 0;
}

static int is_there(void *arg)
{
	const uint64_t *mark = arg;
	struct kernel_statmount sm;

	if (kernel_statmount(mark[0], KERNEL_STATMOUNT_MNT_BASIC, &sm) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

int notify_mount_there(const struct notify_worker *w, const struct notify_caller *c, const uint64_t mark[4])
{
	uint64_t copy[4] = { mark[0], mark[1], mark[2], mark[3] };
	_cleanup_free_ char *text = NULL;
	struct mountinfo m;
	char *cursor;
	int r;

	if (mark[2])
		return notify_act(w, c, NOTIFY_IN_MNT, is_there, copy);
	/* Ids are used again, but not before the one who reads this has looked: only we mount for this container. */
	r = io_read_at(c->task, "mountinfo", MOUNTINFO_MAX, &text, NULL);
	if (r < 0)
		return r;
	for (cursor = text; mountinfo_next(&cursor, &m) > 0;)
		if (m.id == mark[0] && makedev(m.major, m.minor) == mark[1])
			return 1;
	return 0;
}

/* ---- answers -------------------------------------------------------------------------------------------------- */

static void send(const struct notify_worker *w, int error, uint32_t flags)
{
	struct seccomp_notif_resp resp = { .id = notify_call_in_hand(w)->id, .error = error, .flags = flags };

	while (ioctl(w->listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) < 0 && errno == EINTR)
		;
	NOTIFY_POINT(NOTIFY_POINT_ANSWERED);
}

void notify_answer(const struct notify_worker *w, int error)
{
	/* The kernel does not check: a restart code would reach the program as an error that it does not know. */
	if (error > 0 || error <= -512)
		error = -EIO;
	send(w, error, 0);
}

void notify_answer_continue(const struct notify_worker *w)
{
	send(w, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}
