/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_AUDIT_H
#define GUARD_AUDIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * What the guard refused and what it changed, to a file, to the journal of systemd, or to both.
 *
 * File: one JSON object a line, appended. A file that was moved away (logrotate) is noticed at the next line and made
 * anew, mode 0640. Lines are written with one write(2), so two guards can share a file.
 *
 * Journal: one message for each event, with the members of that object as fields CAISSON_UID, CAISSON_RULE and so on;
 * those that are null are left out, long ones are cut. SYSLOG_IDENTIFIER is "caissond". Source: JOURNAL_NATIVE_PROTOCOL
 * of systemd. A journal that takes nothing for a moment loses the event and the caller is told: nobody's request
 * waits for it.
 */
struct audit;

struct audit_event {
	const char *action; /* "refused" or "changed" */
	uid_t uid;
	pid_t pid;	       /* of the client when it connected; "exe" is what /proc says now */
	const char *route;     /* name of the route, or NULL */
	const char *container; /* as the client named it, or NULL */
	const char *image;     /* likewise */
	const char *socket;    /* id of the container through whose Docker socket it came; NULL: the host's */
	const char *rule;      /* may be NULL */
	const char *setting;   /* key of the settings file that decided, or NULL */
	const char *origin;    /* where that setting is written, "FILE:LINE", or NULL */
	const char *message;   /* what the client was told, or what was changed */
};

#define AUDIT_JOURNAL "journal"

/*
 * audit_open() - @file; @journal: "journal", or "journal:SOCKET" for one that listens elsewhere than journald. One may
 * be NULL; both are borrowed as long as the audit lives. Return: 0; 1: nothing listens on the socket, @e says so, but
 * there is the file, and each event tries the socket again; -errno: the file cannot be written, nothing listens and
 * there is no file, the name of the socket is wrong.
 */
int audit_open(const char *file, const char *journal, struct audit **ret, struct err *e);

/* audit_is_journal() - does this name the journal, and not a file? */
bool audit_is_journal(const char *where);

/*
 * audit_write() - append an event. Texts come from clients: in one that is not UTF-8 every byte beyond ASCII becomes
 * "?". What one of the two does not take is still given to the other. Not to be called by two threads at once.
 */
int audit_write(struct audit *a, const struct audit_event *event, struct err *e);

void audit_close(struct audit *a);

#endif
