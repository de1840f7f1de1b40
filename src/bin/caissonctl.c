/* SPDX-License-Identifier: Apache-2.0 */
/* caissonctl - the administrator's side of Caisson's guard. See caissonctl(8). */
#include "bin/caissonctl.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "guard/engine.h"
#include "guard/relay.h"
#include "guard/text.h"

#define DEFAULT_SOCKET "/run/docker.sock"

struct command {
	const char *name, *arguments, *help;
	int (*run)(const struct ctl *c, int argc, char **argv);
};

static const struct command commands[] = {
	{ "status", "", "whether isolation is on, and how the guard is", ctl_status },
	{ "policy", "show | check FILE",
	  "the settings in force and where each is written; or what is wrong with a file", ctl_policy },
	{ "explain", "[--from CONTAINER] -- docker ... | --body FILE METHOD PATH",
	  "what the guard would do with a command or request, of a client or of a container with a Docker socket",
	  ctl_explain },
	{ "socket", "ls | learn CONTAINER",
	  "which containers have a Docker socket, and by what; the smallest policy that allows what one called",
	  ctl_socket },
	{ "doctor", "", "what works on this host, what does not, and the cure", ctl_doctor },
	{ "audit", "[-f | --follow] [--file FILE]", "what was refused and changed; -f waits for more", ctl_audit },
	{ "enable", "[--user]", "turn isolation on in the settings file", ctl_enable },
	{ "disable", "[--user]", "turn isolation off", ctl_disable },
	{ "install", "[--dry-run] [--root DIR]", "put the guard between clients and the engine of this host",
	  ctl_install },
	{ "uninstall", "[--dry-run] [--root DIR]", "put back what was there before", ctl_uninstall },
};

static void help(FILE *f)
{
	fputs("caissonctl - the administrator's side of Caisson's guard\n\n"
	      "usage: caissonctl [--socket PATH] [--settings FILE|DIR] [--json] COMMAND ...\n\ncommands:\n",
	      f);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(f, "  %s %s\n      %s\n", commands[i].name, commands[i].arguments, commands[i].help);
	fputs("\noptions:\n"
	      "  --socket PATH           where clients connect (default " DEFAULT_SOCKET ")\n"
	      "  --settings FILE|DIR     settings other than those of the guard, or else of /etc/caisson\n"
	      "  --json                  one JSON document instead of text\n"
	      "  --version, --help\n"
	      "\nexit status: 0 yes or done, 1 no or not done, 2 a mistake in the command line\n",
	      f);
}

int ctl_usage(const char *text)
{
	fprintf(stderr, "caissonctl: %s; see caissonctl --help\n", text);
	return CTL_USAGE;
}

int ctl_fail(const struct ctl *c, const struct err *e)
{
	if (c->json)
		ctl_print_json(json_pack("{so}", "error", text_json(e->msg)));
	else
		fprintf(stderr, "caissonctl: %s\n", e->msg);
	return CTL_NO;
}

void ctl_print_json(json_t *o)
{
	_cleanup_free_ char *text = o ? json_dumps(o, JSON_INDENT(2)) : NULL;

	puts(text ? text : "null");
	json_decref(o);
}

const char *ctl_text(const json_t *o, const char *key)
{
	static char bufs[4][4096];
	static unsigned turn;
	const char *s = json_string_value(json_object_get(o, key));
	char *buf = bufs[turn++ % 4];

	(void)snprintf(buf, sizeof bufs[0], "%s", s ? s : "");
	for (char *p = buf; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return buf;
}

json_t *ctl_ask_status(const struct ctl *c, struct err *e)
{
	struct judge_engine *en = engine_new(c->socket);
	json_t *status = NULL;
	int r;

	if (!en) {
		(void)err_set(e, ENAMETOOLONG, "%s: too long for the path of a socket", c->socket);
		return NULL;
	}
	r = engine_get(en, RELAY_STATUS_PATH, &status, e);
	engine_free(en);
	if (r == -ENOENT)
		(void)err_set(e, ENOENT,
			      "%s is served by an engine itself, not by the guard; run: caissonctl install",
			      c->socket);
	else if (r < 0)
		(void)err_ctx(e, r, "%s", c->socket);
	return r < 0 ? NULL : status;
}

int main(int argc, char **argv)
{
	enum { SOCKET = 1, SETTINGS, JSON, VERSION, HELP };
	static const struct option table[] = {
		{ "socket", required_argument, NULL, SOCKET }, { "settings", required_argument, NULL, SETTINGS },
		{ "json", no_argument, NULL, JSON },	       { "version", no_argument, NULL, VERSION },
		{ "help", no_argument, NULL, HELP },	       { NULL, 0, NULL, 0 },
	};
	struct ctl c = { .socket = DEFAULT_SOCKET };
	int o;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(022);
	while ((o = getopt_long(argc, argv, "+", table, NULL)) != -1) {
		if (o == SOCKET)
			c.socket = strncmp(optarg, "unix://", 7) == 0 ? optarg + 7 : optarg;
		else if (o == SETTINGS)
			c.settings = optarg;
		else if (o == JSON)
			c.json = true;
		else if (o == VERSION)
			return puts("caissonctl " CAISSON_VERSION) < 0;
		else if (o == HELP)
			return help(stdout), CTL_OK;
		else
			return CTL_USAGE;
	}
	if (optind == argc) {
		help(stderr);
		return CTL_USAGE;
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(argv[optind], commands[i].name) == 0)
			return commands[i].run(&c, argc - optind - 1, argv + optind + 1);
	fprintf(stderr, "caissonctl: no command '%s'; see caissonctl --help\n", argv[optind]);
	return CTL_USAGE;
}
