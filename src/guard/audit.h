/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_AUDIT_H
#define GUARD_AUDIT_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * What the guard refused and what it changed: one JSON object a line, appended. A file that was moved away
 * (logrotate) is noticed at the next line and made anew, mode 0640. Lines are written with one write(2), so two
 * guards can share a file.
 */
struct audit;

struct audit_event {
	const char *action;    /* "refused" or "changed" */
	uid_t uid;
	pid_t pid;	       /* of the client when it connected; "exe" is what /proc says now */
	const char *route;     /* name of the route, or NULL */
	const char *container; /* as the client named it, or NULL */
	const char *image;     /* likewise */
	const char *rule;      /* may be NULL */
	const char *setting;   /* key of the settings file that decided, or NULL */
	const char *origin;    /* where that setting is written, "FILE:LINE", or NULL */
	const char *message;   /* what the client was told, or what was changed */
};

/* audit_open() - @path: absolute; borrowed as long as the audit lives. Return: 0 or -errno. */
int audit_open(const char *path, struct audit **ret, struct err *e);

/*
 * audit_write() - append a line. Texts come from clients: bytes that are not UTF-8 become "?". Not to be called
 * by two threads at once.
 */
int audit_write(struct audit *a, const struct audit_event *event, struct err *e);

void audit_close(struct audit *a);

#endif
