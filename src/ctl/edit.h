/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_EDIT_H
#define CTL_EDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * edit_text() - set enhancedContainerIsolation.value (of the users' file: enhancedContainerIsolation) in the text
 * of a settings file. Where it is written already only that word changes; else it is added, all other members keep
 * their order.
 * @old: NULL: there is no file yet     @ret: malloc'd     Return: 0; -EINVAL: not a JSON object; -ENOMEM. Pure.
 */
int edit_text(const char *old, size_t len, bool user, bool on, char **ret, struct err *e);

struct edit {
	char *file;   /* owned: the file that says it */
	bool changed; /* false: it said so already */
};

/*
 * edit_isolation() - turn isolation on or off in the settings file that decides about it: the last one that says
 * anything, or the administrator's; @user: the users' file. The file is replaced in one step, and only by a text
 * with which all settings together are right and say what is wanted; so a value that an earlier file locks, or a
 * later one decides otherwise, is refused by name of that file. @settings: as for settings_load().
 * Return: 0; -EPERM: locked; -EBUSY: another file decides; -errno.
 */
int edit_isolation(const char *settings, bool user, bool on, struct edit *ret, struct err *e);

#endif
