/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NOTIFY_ACTS_H
#define NOTIFY_ACTS_H

#include "notify/caller.h"

/*
 * One function for each trapped call: look, act, say what to answer. What is refused is answered with an errno
 * that the kernel's own call could have given; what only the kernel can judge goes on. When they return, nothing
 * in the container is held open any more: it would be busy for the caller's next call.
 */
struct notify_verdict {
	bool go_on;
	int error; /* otherwise: 0 or -errno */
};

static inline struct notify_verdict notify_go_on(void)
{
	return (struct notify_verdict){ .go_on = true };
}

static inline struct notify_verdict notify_result(int error)
{
	return (struct notify_verdict){ .error = error };
}

typedef struct notify_verdict notify_act_fn(struct notify_worker *w, const struct notify_request *rq);

notify_act_fn notify_act_mount, notify_act_fsopen, notify_act_bind, notify_act_open_tree, notify_act_umount,
	notify_act_remount, notify_act_mknod, notify_act_sysinfo;

/*
 * notify_finish_mount() and so on: the predecessor died in the middle of the change that slot.mark describes. Find
 * out whether it happened.
 * Return: 1 it did, 0 it did not (the call is to be done again), or -errno.
 */
int notify_finish_mount(struct notify_worker *w, const struct notify_request *rq);
int notify_finish_umount(struct notify_worker *w, const struct notify_request *rq);
int notify_finish_mknod(struct notify_worker *w, const struct notify_request *rq);

void notify_sysinfo_done(struct notify_worker *w);

#endif
