/* SPDX-License-Identifier: Apache-2.0 */
/* create, start, run, delete, kill, state */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "bin/cli.h"
#include "runtime/create.h"
#include "runtime/lifecycle.h"

struct create_flags {
	const char *bundle, *console_socket, *pid_file, *no_pivot, *no_new_keyring, *preserve_fds, *detach, *keep,
		*no_subreaper;
};

#define CREATE_OPTIONS(f)                                                                                             \
	{                                                                                                             \
		"bundle",                                                                                             \
		'b',                                                                                                  \
		true,                                                                                                 \
		&(f).bundle,                                                                                          \
		NULL,                                                                                                 \
		NULL,                                                                                                 \
		"directory of config.json (default: the working directory)"                                           \
	},                                                                                                            \
		{ "console-socket",                                                                                   \
		  0,                                                                                                  \
		  true,                                                                                               \
		  &(f).console_socket,                                                                                \
		  NULL,                                                                                               \
		  NULL,                                                                                               \
		  "unix socket that receives the terminal" },                                                         \
		{ "pid-file", 0, true, &(f).pid_file, NULL, NULL, "write init's process id to this file" },           \
		{ "no-pivot",                                                                                         \
		  0,                                                                                                  \
		  false,                                                                                              \
		  &(f).no_pivot,                                                                                      \
		  NULL,                                                                                               \
		  NULL,                                                                                               \
		  "do not use pivot_root (for hosts that run from an initramfs)" },                                   \
		{ "no-new-keyring", 0, false, &(f).no_new_keyring, NULL, NULL, "keep the caller's session keyring" }, \
	{                                                                                                             \
		"preserve-fds", 0, true, &(f).preserve_fds, NULL, NULL,                                               \
			"pass this many fds, from 3 on, to the container"                                             \
	}

static int make_options(const struct cli *cli, const char *command, const struct create_flags *f, const char *id,
			struct create_options *o)
{
	const char *listen_fds = getenv("LISTEN_FDS"), *listen_pid = getenv("LISTEN_PID");
	uint32_t preserve = 0, listening = 0, pid = 0;

	/* Meant for an ancestor of ours who passed its environment on: sd_listen_fds(3). */
	if (listen_fds && (!listen_pid || num_u32(listen_pid, &pid) < 0 || pid != (uint32_t)getpid())) {
		(void)unsetenv("LISTEN_FDS");
		listen_fds = NULL;
	}

	if (f->preserve_fds && (num_u32(f->preserve_fds, &preserve) < 0 || preserve > 10000))
		return cli_usage(command, "--preserve-fds: \"%s\" is not a number up to 10000", f->preserve_fds);
	/* Socket activation: the fds come first, as sd_listen_fds(3) wants them. */
	if (listen_fds && (num_u32(listen_fds, &listening) < 0 || listening > 10000))
		return cli_usage(command, "LISTEN_FDS: \"%s\" is not a number up to 10000", listen_fds);
	/* What is not the caller's would be ours: /proc and /etc of the host. */
	if (preserve + listening > cli->inherited)
		return cli_usage(command, "--preserve-fds and LISTEN_FDS name %u fds, but fd %u is not open",
				 preserve + listening, 3 + cli->inherited);
	*o = (struct create_options){
		.id = id,
		.bundle = f->bundle,
		.console_socket = f->console_socket && *f->console_socket ? f->console_socket : NULL,
		.pid_file = f->pid_file && *f->pid_file ? f->pid_file : NULL,
		.console_fd = -EBADF,
		.no_pivot = f->no_pivot,
		.no_new_keyring = f->no_new_keyring,
		.preserve_fds = preserve + listening,
	};
	return 0;
}

int cmd_create(struct cli *cli, int argc, char **argv)
{
	struct create_flags f = { 0 };
	const struct cli_option opts[] = { CREATE_OPTIONS(f), { NULL } };
	struct create_options o;
	struct err e = { 0 };
	int status = 1, at = cli_options("create", opts, argc, argv, &status);
	const char *id = at < 0 ? NULL : cli_one_id("create", argc, argv, at);

	if (!id || make_options(cli, "create", &f, id, &o) != 0)
		return status;
	return create_container(&cli->rt, &o, NULL, &e) < 0 ? cli_fail(&e, 1) : 0;
}

int cmd_run(struct cli *cli, int argc, char **argv)
{
	struct create_flags f = { 0 };
	const struct cli_option opts[] = {
		CREATE_OPTIONS(f),
		{ "detach", 'd', false, &f.detach, NULL, NULL, "return when the container runs" },
		{ "keep", 0, false, &f.keep, NULL, NULL, "do not delete the container when it has ended" },
		{ "no-subreaper", 0, false, &f.no_subreaper, NULL, NULL, "do not reap the container's orphans" },
		{ NULL },
	};
	struct create_options o;
	struct err e = { 0 };
	int r, status = 1, at = cli_options("run", opts, argc, argv, &status);
	const char *id = at < 0 ? NULL : cli_one_id("run", argc, argv, at);

	if (!id || make_options(cli, "run", &f, id, &o) != 0)
		return status;
	r = run_container(&cli->rt, &o, f.detach, f.keep, &status, &e);
	return r < 0 ? cli_fail(&e, 1) : status;
}

int cmd_start(struct cli *cli, int argc, char **argv)
{
	const struct cli_option opts[] = { { NULL } };
	struct err e = { 0 };
	int status = 1, at = cli_options("start", opts, argc, argv, &status);
	const char *id = at < 0 ? NULL : cli_one_id("start", argc, argv, at);

	if (!id)
		return status;
	return start_container(&cli->rt, id, &e) < 0 ? cli_fail(&e, 1) : 0;
}

int cmd_delete(struct cli *cli, int argc, char **argv)
{
	const char *force = NULL;
	const struct cli_option opts[] = {
		{ "force", 'f', false, &force, NULL, NULL, "kill it first; no error when it does not exist" },
		{ NULL },
	};
	struct err e = { 0 };
	int status = 1, at = cli_options("delete", opts, argc, argv, &status);
	const char *id = at < 0 ? NULL : cli_one_id("delete", argc, argv, at);

	if (!id)
		return status;
	return delete_container(&cli->rt, id, force, &e) < 0 ? cli_fail(&e, 1) : 0;
}

int cmd_kill(struct cli *cli, int argc, char **argv)
{
	const char *all = NULL;
	const struct cli_option opts[] = {
		{ "all", 'a', false, &all, NULL, NULL, "send it to all processes of the container" },
		{ NULL },
	};
	struct err e = { 0 };
	int status = 1, sig, at = cli_options("kill", opts, argc, argv, &status);

	if (at < 0)
		return status;
	if (argc - at < 1 || argc - at > 2)
		return cli_usage("kill", "a container id and at most one signal are needed");
	sig = signal_from_text(argc - at == 2 ? argv[at + 1] : "SIGTERM");
	if (sig < 0)
		return cli_usage("kill", "unknown signal \"%s\"", argv[at + 1]);
	return kill_container(&cli->rt, argv[at], sig, all, &e) < 0 ? cli_fail(&e, 1) : 0;
}

int cmd_state(struct cli *cli, int argc, char **argv)
{
	const struct cli_option opts[] = { { NULL } };
	struct container c = CONTAINER_EMPTY;
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };
	int status = 1, at = cli_options("state", opts, argc, argv, &status);
	const char *id = at < 0 ? NULL : cli_one_id("state", argc, argv, at);
	json_t *o;

	if (!id)
		return status;
	if (container_load(&cli->rt, id, false, &c, &e) < 0)
		return cli_fail(&e, 1);
	o = container_state_json(&c, container_status(&c));
	text = o ? json_dumps(o, JSON_INDENT(2)) : NULL;
	json_decref(o);
	container_done(&c);
	return text && puts(text) >= 0 ? 0 : 1;
}
