/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BIN_CLI_H
#define BIN_CLI_H

#include <getopt.h>

#include "base/err.h"
#include "runtime/container.h"

/* The command line of caisson, runc's where they overlap. One row per command; a command parses its own options. */
struct cli {
	struct runtime rt;
	unsigned inherited; /* fds that the caller had open from 3 on, without a gap: more cannot be preserved */
};

struct command {
	const char *name;
	const char *arguments; /* for the usage line */
	const char *summary;
	int (*run)(struct cli *cli, int argc, char **argv); /* exit status */
};

extern const struct command commands[];

int cmd_create(struct cli *cli, int argc, char **argv);
int cmd_delete(struct cli *cli, int argc, char **argv);
int cmd_events(struct cli *cli, int argc, char **argv);
int cmd_exec(struct cli *cli, int argc, char **argv);
int cmd_features(struct cli *cli, int argc, char **argv);
int cmd_kill(struct cli *cli, int argc, char **argv);
int cmd_list(struct cli *cli, int argc, char **argv);
int cmd_pause(struct cli *cli, int argc, char **argv);
int cmd_ps(struct cli *cli, int argc, char **argv);
int cmd_resume(struct cli *cli, int argc, char **argv);
int cmd_run(struct cli *cli, int argc, char **argv);
int cmd_spec(struct cli *cli, int argc, char **argv);
int cmd_start(struct cli *cli, int argc, char **argv);
int cmd_state(struct cli *cli, int argc, char **argv);
int cmd_update(struct cli *cli, int argc, char **argv);
int cmd_checkpoint(struct cli *cli, int argc, char **argv);

/* cli_fail() - report @e (log file and stderr). Return: @status. */
int cli_fail(const struct err *e, int status);
/* cli_usage() - a wrong command line: names the command and the cure. Return: 1. */
int cli_usage(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * cli_options() - getopt_long(3) for one command. Stops at the first argument that is no option. Handles --help.
 * @values: one pointer per option of @opts in order: set to the argument, or to "" for a flag; NULL when not given.
 * Return: index of the first argument in @argv, or -1 when the program should exit with *@ret_status.
 */
struct cli_option {
	const char *name;
	char letter; /* 0: none */
	bool has_arg;
	const char **value;
	int (*each)(const char *arg, void *ctx); /* for options that may be repeated, instead of value */
	void *ctx;
	const char *help;
};
int cli_options(const char *command, const struct cli_option *opts, int argc, char **argv, int *ret_status);

/* cli_one_id() - the single container id argument. NULL after a message. */
const char *cli_one_id(const char *command, int argc, char **argv, int at);

/* log_line() - one line to the log ("error", "warning", "info", "debug"). */
void log_line(const char *level, const char *text);
int log_open(const char *file, const char *format, bool debug, struct err *e);

#endif
