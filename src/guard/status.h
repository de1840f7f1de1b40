/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_STATUS_H
#define GUARD_STATUS_H

#include <stdbool.h>
#include <time.h>

#include "codec/settings.h"
#include "guard/judge.h"

/* What the guard says about itself at RELAY_STATUS_PATH. Times are in seconds since 1970. */
struct status {
	time_t started, loaded;		 /* of the guard; of the settings in force */
	const struct settings *settings; /* those in force */
	const struct judge_host *host;
	/* Paths; NULL: none, inherited, or the default place. */
	const char *listen, *engine, *audit, *journal, *settings_path;
	const char *problem; /* why newer settings were not taken, or NULL */
	unsigned connections;
};

/*
 * status_json() - to whom may connect: version, whether isolation is on and locked, whether the settings could be
 * loaded. @full, for root: also files, paths, what the guard knows about the host. malloc'd; NULL without memory.
 */
char *status_json(const struct status *st, bool full);

#endif
