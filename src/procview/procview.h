/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROCVIEW_PROCVIEW_H
#define PROCVIEW_PROCVIEW_H

#include "base/err.h"
#include "procview/view.h"

/*
 * procview_run() - the whole of caisson-procview: take over the descriptors WORKER_FD_*, prepare, go into the
 * sandbox and serve until the container's mounts are gone (0) or something is wrong (-errno; @e stays empty when
 * that is in the sandbox).
 */
int procview_run(const struct view_table *table, struct err *e);

#endif
