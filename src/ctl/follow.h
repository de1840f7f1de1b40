/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_FOLLOW_H
#define CTL_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * follow_file() - give the lines of a file that grows, to its end or for ever. A file that is moved away
 * (logrotate) is read to its end before the new one of that name is; one that is cut short (copytruncate) is read
 * from its beginning.
 * @follow: wait for more, also for a file that does not exist yet
 * @line: called with each whole line, without its newline; NUL-terminated. Anything but 0 ends it. Lines of more
 * than FOLLOW_LINE_MAX bytes come in pieces. An audit that is in the journal (audit.h) is no file: the error says
 * how to read it. Return: 0, what @line returned, or -errno.
 */
#define FOLLOW_LINE_MAX (64u << 10)

int follow_file(const char *path, bool follow, int (*line)(void *ctx, char *text, size_t len), void *ctx,
		struct err *e);

#endif
