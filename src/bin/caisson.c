/* SPDX-License-Identifier: Apache-2.0 */
/* caisson - an OCI runtime that puts every container into a user namespace of its own. See caisson(8). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "bin/cli.h"
#include "bin/helper.h"
#include "sys/arguments.h"

#define DEFAULT_ROOT "/run/caisson/containers"
#define BASE_DIR     "/run/caisson"
#define IDS_DIR	     BASE_DIR "/ids"

const struct command commands[] = {
	{ "checkpoint", "", "not supported: says so", cmd_checkpoint },
	{ "create", "[options] ID", "create a container", cmd_create },
	{ "delete", "[--force] ID", "remove what a container holds", cmd_delete },
	{ "events", "[--stats] [--interval T] ID", "show events and statistics", cmd_events },
	{ "exec", "[options] ID COMMAND [ARG...]", "run another process in a container", cmd_exec },
	{ "features", "", "show what this runtime can do, as JSON", cmd_features },
	{ "kill", "[--all] ID [SIGNAL]", "send a signal to a container's init (default SIGTERM)", cmd_kill },
	{ "list", "[--format table|json] [--quiet]", "list containers", cmd_list },
	{ "pause", "ID", "stop all processes of a container for a while", cmd_pause },
	{ "ps", "[--format table|json] ID [PS OPTIONS]", "show the processes of a container", cmd_ps },
	{ "restore", "", "not supported: says so", cmd_checkpoint },
	{ "resume", "ID", "let a paused container go on", cmd_resume },
	{ "run", "[options] ID", "create, start, wait for and delete a container", cmd_run },
	{ "spec", "[--bundle DIR]", "write an example config.json", cmd_spec },
	{ "start", "ID", "run the program of a created container", cmd_start },
	{ "state", "ID", "show the state of a container, as JSON", cmd_state },
	{ "update", "[options] ID", "change the resource limits of a container", cmd_update },
	{ NULL, NULL, NULL, NULL },
};

static void usage(FILE *f)
{
	fputs("caisson - OCI runtime with enhanced container isolation\n\n"
	      "usage: caisson [global options] COMMAND [options] [arguments]\n\n"
	      "global options:\n"
	      "  --root DIR          state of containers (default " DEFAULT_ROOT ")\n"
	      "  --settings FILE|DIR settings (default: those in /etc/caisson)\n"
	      "  --log FILE          log to FILE as well as stderr\n"
	      "  --log-format FMT    text (default) or json\n"
	      "  --systemd-cgroup    make control groups with systemd\n"
	      "  --debug             log more\n"
	      "  --version, --help\n\ncommands:\n",
	      f);
	for (const struct command *c = commands; c->name; c++)
		fprintf(f, "  %-10s  %s\n", c->name, c->summary);
}

int cli_usage(const char *command, const char *fmt, ...)
{
	struct err e = { .code = EINVAL };
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	(void)snprintf(e.msg, sizeof e.msg, "%s%s%s; see \"caisson %s%s--help\"", command, *command ? ": " : "",
		       text, command, *command ? " " : "");
	return cli_fail(&e, 1);
}

static void option_help(const char *command, const struct cli_option *opts)
{
	for (const struct command *c = commands; c->name; c++)
		if (strcmp(c->name, command) == 0)
			printf("%s\n\nusage: caisson %s %s\n\noptions:\n", c->summary, c->name, c->arguments);
	for (const struct cli_option *o = opts; o->name; o++) {
		char letter[8] = "";

		if (o->letter)
			(void)snprintf(letter, sizeof letter, "-%c, ", o->letter);
		printf("  %s--%s%s\n        %s\n", letter, o->name, o->has_arg ? " VALUE" : "", o->help);
	}
}

int cli_options(const char *command, const struct cli_option *opts, int argc, char **argv, int *ret_status)
{
	struct option longs[40] = { { 0 } };
	char letters[64] = "+:h";
	size_t n = 0, len = 3;
	int c;

	for (; opts[n].name; n++) {
		longs[n] = (struct option){ opts[n].name, opts[n].has_arg ? required_argument : no_argument, NULL,
					    (int)n + 1000 };
		if (opts[n].letter) {
			letters[len++] = opts[n].letter;
			if (opts[n].has_arg)
				letters[len++] = ':';
		}
	}
	longs[n] = (struct option){ "help", no_argument, NULL, 'h' };
	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const struct cli_option *o = NULL;

		if (c == 'h') {
			if (*command)
				option_help(command, opts);
			else
				usage(stdout);
			*ret_status = 0;
			return -1;
		}
		for (size_t i = 0; i < n && !o; i++)
			if (c == (int)i + 1000 || (c != ':' && c != '?' && c == opts[i].letter))
				o = &opts[i];
		if (!o) {
			*ret_status = cli_usage(command,
						c == ':' ? "option %s needs a value" : "unknown option %s",
						argv[optind - 1]);
			return -1;
		}
		if (o->each && (*ret_status = o->each(optarg, o->ctx)) != 0) {
			*ret_status = cli_usage(command, "--%s: bad value \"%s\"", o->name, optarg);
			return -1;
		}
		if (o->value)
			*o->value = o->has_arg ? optarg : "";
	}
	return optind;
}

const char *cli_one_id(const char *command, int argc, char **argv, int at)
{
	if (argc - at == 1)
		return argv[at];
	(void)cli_usage(command, argc == at ? "a container id is needed"
					    : "too many arguments (one container id is needed)");
	return NULL;
}

static void warn(const char *text)
{
	log_line("warning", text);
}

static void trace(const char *text)
{
	log_line("debug", text);
}

/* Before anything is opened: a descriptor of ours must not take a number that the caller's are looked for at. */
static unsigned prepare_fds(void)
{
	unsigned n = 0;

	/* stdio must exist: a later open must not become a container's stdout. */
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return 0;
	while (fcntl(3 + (int)n, F_GETFD) >= 0)
		n++;
	return n;
}

/* Fds that an engine leaked to us stay away from containers, whatever happens later (A65). */
static int prepare_process(struct err *e)
{
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)umask(0);
	/* A caller who ignores it would have the kernel reap our children before we see their status. */
	(void)signal(SIGCHLD, SIG_DFL);
	if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return err_sys(e, errno, "close_range");
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return err_sys(e, EBADF, "stdin, stdout and stderr must be open");
	return 0;
}

/* Beside this program, as in a build directory; otherwise where they are installed. Lives as long as the process. */
static const char *find_libexec(void)
{
	char *path = helper_path("caisson-monitor");

	if (!path)
		return CAISSON_LIBEXEC;
	*strrchr(path, '/') = '\0';
	return path;
}

static int open_runtime(struct cli *cli, struct err *e)
{
	struct runtime *rt = &cli->rt;

	rt->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	rt->etc_fd = open("/etc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (rt->proc_fd < 0 || rt->etc_fd < 0)
		return err_sys(e, errno, "open /proc and /etc");
	rt->libexec_dir = find_libexec();
	if (geteuid() != 0)
		return err_set(e, EPERM, "caisson must be run by root");
	if (mkdir(BASE_DIR, 0711) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make " BASE_DIR);
	if (rt->root[0] != '/') {
		char *cwd = getcwd(NULL, 0), *path = NULL;

		if (!cwd || asprintf(&path, "%s/%s", cwd, rt->root) < 0)
			return err_sys(e, ENOMEM, "--root");
		free(cwd);
		rt->root = path;
	}
	return 0;
}

int main(int argc, char **original)
{
	char **argv = arguments_take(argc, original);
	struct cli cli = { .rt = { .root = DEFAULT_ROOT,
				   .ids_path = IDS_DIR,
				   .warn = warn,
				   .trace = trace,
				   .systemd_helper = CAISSON_LIBEXEC "/caisson-systemd" } };
	const char *root = NULL, *log = NULL, *format = "text", *systemd = NULL, *debug = NULL, *version = NULL,
		   *rootless = NULL, *criu = NULL;
	const struct cli_option opts[] = {
		{ "root", 0, true, &root, NULL, NULL, "" },
		{ "settings", 0, true, &cli.rt.settings_path, NULL, NULL, "" },
		{ "log", 0, true, &log, NULL, NULL, "" },
		{ "log-format", 0, true, &format, NULL, NULL, "" },
		{ "systemd-cgroup", 0, false, &systemd, NULL, NULL, "" },
		{ "debug", 0, false, &debug, NULL, NULL, "" },
		{ "version", 'v', false, &version, NULL, NULL, "" },
		{ "rootless", 0, true, &rootless, NULL, NULL, "" },
		{ "criu", 0, true, &criu, NULL, NULL, "" },
		{ NULL },
	};
	struct err e = { 0 };
	int at, status = 1;

	cli.inherited = prepare_fds();
	if (!argv)
		return 1;
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		usage(argc < 2 ? stderr : stdout);
		return argc < 2;
	}
	at = cli_options("", opts, argc, argv, &status);
	if (at < 0)
		return status;
	if (version) {
		printf("caisson version " CAISSON_VERSION "\nspec: 1.2.0\n");
		return 0;
	}
	cli.rt.systemd_cgroup = systemd != NULL;
	cli.rt.debug = debug != NULL;
	if (root && *root)
		cli.rt.root = root;
	if (log_open(log, format, debug != NULL, &e) < 0)
		return cli_fail(&e, 1);
	if (rootless && strcmp(rootless, "true") == 0)
		return cli_usage(
			"", "--rootless true: caisson needs root; containers are isolated without rootless mode");
	for (const struct command *c = commands; at < argc && c->name; c++) {
		if (strcmp(c->name, argv[at]) != 0)
			continue;
		/* Help needs no rights. */
		if (!(argc - at > 1 && (strcmp(argv[at + 1], "--help") == 0 || strcmp(argv[at + 1], "-h") == 0)) &&
		    (prepare_process(&e) < 0 || open_runtime(&cli, &e) < 0))
			return cli_fail(&e, 1);
		/* prepare_process() made the log's fd close-on-exec like all others; nothing else was open. */
		return c->run(&cli, argc - at, argv + at);
	}
	return at < argc ? cli_usage("", "unknown command \"%s\"", argv[at])
			 : cli_usage("", "a command is needed");
}
