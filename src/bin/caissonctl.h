/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BIN_CAISSONCTL_H
#define BIN_CAISSONCTL_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

struct ctl {
	const char *socket, *settings; /* @settings: NULL: not given */
	bool json;
};

/* Exit status. */
enum { CTL_OK, CTL_NO, CTL_USAGE };

/* Each takes what follows its name, and returns an exit status. */
int ctl_status(const struct ctl *c, int argc, char **argv);
int ctl_policy(const struct ctl *c, int argc, char **argv);
int ctl_explain(const struct ctl *c, int argc, char **argv);
int ctl_doctor(const struct ctl *c, int argc, char **argv);
int ctl_audit(const struct ctl *c, int argc, char **argv);
int ctl_socket(const struct ctl *c, int argc, char **argv);
int ctl_enable(const struct ctl *c, int argc, char **argv);
int ctl_disable(const struct ctl *c, int argc, char **argv);
int ctl_install(const struct ctl *c, int argc, char **argv);
int ctl_uninstall(const struct ctl *c, int argc, char **argv);

/* ctl_fail() - say what went wrong. Return: CTL_NO. */
int ctl_fail(const struct ctl *c, const struct err *e);

/* ctl_usage() - Return: CTL_USAGE. */
int ctl_usage(const char *text);

/* ctl_print_json() - with --json; @o: taken over. */
void ctl_print_json(json_t *o);

/*
 * ctl_text() - a member as text to be shown: no control characters, "" for none. Lives until the fourth call
 * after.
 */
const char *ctl_text(const json_t *o, const char *key);

/* ctl_ask_sockets() - likewise which containers have a Docker socket (guard/socket-status.h). */
json_t *ctl_ask_sockets(const struct ctl *c, struct err *e);

/* ctl_find_socket() - the one of the container whose id begins with @name; borrowed from @o, or NULL with @e. */
const json_t *ctl_find_socket(const json_t *o, const char *name, struct err *e);

/* ctl_ask_status() - what the guard says about itself; new reference or NULL with @e. */
json_t *ctl_ask_status(const struct ctl *c, struct err *e);

/*
 * ctl_settings_place() - the settings of the guard that gave @status (NULL: none answered), unless others are asked for; NULL for the
 * default place. Lives as long as @status.
 */
const char *ctl_settings_place(const struct ctl *c, const json_t *status);

#endif
