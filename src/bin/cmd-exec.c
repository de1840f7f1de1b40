/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "bin/cli.h"
#include "runtime/lifecycle.h"

struct list {
	const char **v;
	size_t n;
};

static int append(const char *arg, void *ctx)
{
	struct list *l = ctx;
	const char **bigger = realloc(l->v, (l->n + 2) * sizeof *bigger);

	if (!bigger)
		return -1;
	l->v = bigger;
	l->v[l->n++] = arg;
	l->v[l->n] = NULL;
	return 0;
}

int cmd_exec(struct cli *cli, int argc, char **argv)
{
	const char *tty = NULL, *nnp = NULL, *detach = NULL, *ignore = NULL, *preserve = NULL, *ignored = NULL;
	struct list env = { 0 }, caps = { 0 }, gids = { 0 };
	struct exec_options o = { 0 };
	const struct cli_option opts[] = {
		{ "additional-gids", 'g', true, NULL, append, &gids, "another group id (may be repeated)" },
		{ "apparmor", 0, true, &o.apparmor, NULL, NULL, "AppArmor profile" },
		{ "cap", 'c', true, NULL, append, &caps, "add a capability (may be repeated)" },
		{ "cgroup", 0, true, &o.cgroup, NULL, NULL, "[CONTROLLER,...:]PATH below the container's group" },
		{ "console-socket", 0, true, &o.console_socket, NULL, NULL,
		  "unix socket that receives the terminal" },
		{ "cwd", 0, true, &o.cwd, NULL, NULL, "working directory" },
		{ "detach", 'd', false, &detach, NULL, NULL, "return when the process runs" },
		{ "env", 'e', true, NULL, append, &env, "NAME=VALUE (may be repeated)" },
		{ "ignore-paused", 0, false, &ignore, NULL, NULL, "allow it in a paused container" },
		{ "no-new-privs", 0, false, &nnp, NULL, NULL, "set no_new_privs" },
		{ "no-subreaper", 0, false, &ignored, NULL, NULL,
		  "accepted for runc's sake: exec never reaps orphans" },
		{ "pid-file", 0, true, &o.pid_file, NULL, NULL, "write the process id to this file" },
		{ "preserve-fds", 0, true, &preserve, NULL, NULL, "pass this many fds, from 3 on" },
		{ "process", 'p', true, &o.process, NULL, NULL, "file with an OCI process object" },
		{ "process-label", 0, true, &o.label, NULL, NULL, "SELinux label" },
		{ "tty", 't', false, &tty, NULL, NULL, "allocate a terminal" },
		{ "user", 'u', true, &o.user, NULL, NULL, "UID or UID:GID" },
		{ NULL },
	};
	struct err e = { 0 };
	uint32_t fds = 0;
	int r, status = 255, at = cli_options("exec", opts, argc, argv, &status);

	if (at < 0)
		return status;
	if (argc - at < 1 || (argc - at < 2 && !o.process))
		return cli_usage("exec", "a container id and a command are needed");
	if (preserve && (num_u32(preserve, &fds) < 0 || fds > 10000))
		return cli_usage("exec", "--preserve-fds: \"%s\" is not a number up to 10000", preserve);
	if (fds > cli->inherited)
		return cli_usage("exec", "--preserve-fds %u: fd %u is not open", fds, 3 + cli->inherited);
	o.id = argv[at];
	o.args = (const char *const *)(uintptr_t)(argv + at + 1);
	o.env = env.v;
	o.caps = caps.v;
	o.gids = gids.v;
	o.tty = tty;
	o.no_new_privs = nnp;
	o.detach = detach;
	o.ignore_paused = ignore;
	o.preserve_fds = fds;
	if (o.console_socket && !*o.console_socket)
		o.console_socket = NULL;
	if (o.pid_file && !*o.pid_file)
		o.pid_file = NULL;
	r = exec_container(&cli->rt, &o, &status, &e);
	free(env.v);
	free(caps.v);
	free(gids.v);
	return r < 0 ? cli_fail(&e, 255) : status;
}
