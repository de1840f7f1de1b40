/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NOTIFY_JOURNAL_H
#define NOTIFY_JOURNAL_H

#include <linux/seccomp.h>

#include "notify/caller.h"

/*
 * The slot that the kernel writes each call into (emulate/shared.h), and what we add. The rule: everything is
 * prepared on objects that vanish with us; then a mark by which the one change can be recognised, then the change,
 * then its result, then the answer. A successor finds which of these was reached.
 */
static inline const struct seccomp_notif *notify_call_in_hand(const struct notify_worker *w)
{
	return (const struct seccomp_notif *)(const void *)w->shared->slot.notif;
}

/*
 * notify_commit_begin() - the next system call is the change. @mark: four words for notify_*_happened().
 * notify_commit_end() - it returned @result (0 or -errno).
 */
void notify_commit_begin(const struct notify_worker *w, const uint64_t mark[4]);
int notify_commit_end(const struct notify_worker *w, int result);

/* notify_mount_mark() - recognise a mount: its unique id where the kernel has one (6.8), otherwise id and device. */
int notify_mount_mark(int fd, uint64_t ret[4]);

/* notify_mount_there() - is the mount of @mark among those of the caller's namespace? 1, 0 or -errno. */
int notify_mount_there(const struct notify_worker *w, const struct notify_caller *c, const uint64_t mark[4]);

/* Answers. Each is the last thing that happens to a call; a caller that has gone is no failure. */
void notify_answer(const struct notify_worker *w, int error); /* 0 or -errno */
void notify_answer_continue(const struct notify_worker *w);

/* Places at which tests kill the worker; nothing otherwise. */
#ifdef NOTIFY_TEST_POINTS
extern void (*notify_test_point)(int n);
extern unsigned notify_test_deadline;
extern bool notify_test_old; /* as on Linux 6.1: no pid namespaces by fd, no unique ids of mounts */
#define NOTIFY_POINT(n)                       \
	do {                                  \
		if (notify_test_point)        \
			notify_test_point(n); \
	} while (0)
#else
#define NOTIFY_POINT(n) ((void)0)
#endif
enum {
	NOTIFY_POINT_RECEIVED,
	NOTIFY_POINT_PREPARED,
	NOTIFY_POINT_MARKED,
	NOTIFY_POINT_CHANGED,
	NOTIFY_POINT_DONE,
	NOTIFY_POINT_ANSWERED,
	NOTIFY_POINTS,
};

#endif
