/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYS_ROOT_DIR_H
#define SYS_ROOT_DIR_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"

/* is_roots_alone() - belongs to root and is writable by nobody else. */
bool is_roots_alone(const struct stat *st);

/*
 * root_dir_open() - open a directory that nobody but root can change or exchange: it and all above it belong to root,
 * are no symbolic links, and are writable by nobody else (above it also: sticky).
 * @path: absolute, lexically clean     @make: missing ones are made, the last one 0700, those above 0755
 * Return: a new fd (O_RDONLY); -EPERM (which one and why), -ENOENT, -ELOOP, -ENOTDIR, ...
 */
int root_dir_open(const char *path, bool make, struct err *e);

#endif
