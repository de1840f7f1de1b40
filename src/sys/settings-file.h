/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYS_SETTINGS_FILE_H
#define SYS_SETTINGS_FILE_H

#include "base/err.h"
#include "codec/settings.h"

#define SETTINGS_DEFAULT_DIR  "/etc/caisson"
#define SETTINGS_FILE_NAME    "admin-settings.json"
#define SETTINGS_DEFAULT_FILE SETTINGS_DEFAULT_DIR "/" SETTINGS_FILE_NAME
#define SETTINGS_USER_NAME    "user-settings.json"
#define SETTINGS_USER_MAX     (64u << 10) /* bytes: it is read whenever its owner likes */

/*
 * settings_load() - read the administrator's settings from places that only root can change.
 * @path: absolute and clean: a file, or a directory in which it is SETTINGS_FILE_NAME; NULL: SETTINGS_DEFAULT_FILE
 *
 * After FILE.json come, in the order of their bytes, the files "*.json" in the directory FILE.d beside it (none
 * whose name begins with a dot); settings_merge() says what a later one may change. Where the result leaves
 * enhancedContainerIsolation unlocked, SETTINGS_USER_NAME beside FILE.json is heard (settings_user()); that file
 * may be anybody's, so whatever is wrong with it is noted in @ret->note and otherwise without effect.
 *
 * Every directory on the way and the files belong to root and are not writable by group or others; a
 * world-writable directory with the sticky bit (/tmp) is accepted above the file's own directory,
 * as nobody can replace root's entries there. Nothing on the way is a symbolic link. A file is
 * regular, has one name (a second one may lie in a user's directory and be an older, weaker
 * policy), at most SETTINGS_MAX bytes, and does not change while it is read.
 *
 * Without a file at the default place: the built-in defaults, and FILE.d upon them. Anything else, a missing
 * explicit file included, is an error with one line that names file, reason and cure; the caller must refuse
 * to work then (fail closed). Return: 0, -EPERM (not only root's, or a locked setting was to be changed), -ELOOP
 * (symbolic link), -ENOENT, -EFBIG, -EAGAIN (changed meanwhile), -EINVAL, ...
 */
int settings_load(const char *path, struct settings *ret, struct err *e);

/*
 * settings_load_with() - as settings_load(), but @instead, where its name is that of one of the files, stands for
 * what that file says; a file that does not exist yet takes its place in the order. For edits, to see what they
 * would come to.
 */
int settings_load_with(const char *path, const struct settings_text *instead, struct settings *ret, struct err *e);

#endif
