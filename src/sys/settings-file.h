/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYS_SETTINGS_FILE_H
#define SYS_SETTINGS_FILE_H

#include "base/err.h"
#include "codec/settings.h"

#define SETTINGS_DEFAULT_FILE "/etc/caisson/admin-settings.json"

/*
 * settings_load() - read the administrator's settings from a place that only root can change.
 * @path: absolute and clean; NULL: SETTINGS_DEFAULT_FILE. Must outlive @ret (settings.file).
 *
 * Every directory on the way and the file belong to root and are not writable by group or others; a
 * world-writable directory with the sticky bit (/tmp) is accepted above the file's own directory,
 * as nobody can replace root's entries there. Nothing on the way is a symbolic link. The file is
 * regular, has one name (a second one may lie in a user's directory and be an older, weaker
 * policy), at most SETTINGS_MAX bytes, and does not change while it is read.
 *
 * Without a file at the default place: the built-in defaults. Anything else, a missing explicit
 * file included, is an error with one line that names file, reason and cure; the caller must refuse
 * to work then (fail closed). Return: 0, -EPERM (not only root's), -ELOOP (symbolic link), -ENOENT,
 * -EFBIG, -EAGAIN (changed meanwhile), -EINVAL, ...
 */
int settings_load(const char *path, struct settings *ret, struct err *e);

#endif
