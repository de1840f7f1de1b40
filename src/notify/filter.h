/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NOTIFY_FILTER_H
#define NOTIFY_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * The seccomp program by which trapped calls reach the supervisor: one row per call in notify/calls.c says for
 * which scalar arguments (everything else is allowed here, and is the kernel's and the OCI profile's business,
 * whose refusals come first: ERRNO beats USER_NOTIF). All ABIs that the kernel accepts: x86-64 and i386; x32 calls
 * get ENOSYS.
 */
struct notify_filter {
	struct sock_filter *insns; /* owned */
	size_t n;
	/* SECCOMP_FILTER_FLAG_NEW_LISTENER | WAIT_KILLABLE_RECV: without the latter signals make calls happen twice */
	unsigned flags;
};

/*
 * notify_filter_make() - pure.
 * @resource_view: trap sysinfo(2) as well     @devices: EMU_DEV_*, see emulate/shared.h
 */
int notify_filter_make(bool resource_view, unsigned devices, struct notify_filter *ret, struct err *e);
void notify_filter_done(struct notify_filter *f);

#endif
