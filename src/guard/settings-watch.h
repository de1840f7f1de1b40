/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_SETTINGS_WATCH_H
#define GUARD_SETTINGS_WATCH_H

#include <stdbool.h>

#include "base/err.h"

/*
 * Notices that settings files change: the file, those in FILE.d, the users' file, and the directories around them
 * when they come and go. Changes come in bursts (editors, package managers), so it is told a fifth of a second after the
 * first, and again for what comes after that.
 */
struct settings_watch;

/* settings_watch_new() - @path: as for settings_load(); NULL: the default place. Nothing of it has to exist. */
int settings_watch_new(const char *path, struct settings_watch **ret, struct err *e);

/* settings_watch_fd() - readable when settings_watch_due() is to be called. Borrowed. */
int settings_watch_fd(const struct settings_watch *w);

/* settings_watch_due() - take what happened. Return: whether the settings are to be loaded now. */
bool settings_watch_due(struct settings_watch *w);

void settings_watch_free(struct settings_watch *w);

#endif
