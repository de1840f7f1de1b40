/* SPDX-License-Identifier: Apache-2.0 */
/* list, ps, pause, resume, events, update, checkpoint */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/num.h"
#include "bin/cli.h"
#include "runtime/lifecycle.h"

/* ---- list ---- */

static json_t *list_entry(const struct cli *cli, const char *id)
{
	struct container c = CONTAINER_EMPTY;
	json_t *o = NULL;

	if (container_load(&cli->rt, id, false, &c, NULL) == 0 && !c.creating) {
		o = container_state_json(&c, container_status(&c));
		(void)json_object_set_new(o, "owner", json_string("root"));
	}
	container_done(&c);
	return o;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static int by_id(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char **all_ids(const char *root, size_t *ret_n)
{
	_cleanup_closedir_ DIR *dir = opendir(root);
	const struct dirent *ent;
	char **ids = NULL;
	size_t n = 0;

	while (dir && (ent = readdir(dir))) {
		char **bigger;

		if (container_check_id(ent->d_name, NULL) < 0 || ent->d_type != DT_DIR)
			continue;
		bigger = realloc(ids, (n + 1) * sizeof *ids);
		if (!bigger)
			break;
		ids = bigger;
		ids[n++] = strdup(ent->d_name);
	}
	if (ids)
		qsort(ids, n, sizeof *ids, by_id);
	*ret_n = n;
	return ids;
}

static void print_list(const json_t *list, const char *format, bool quiet)
{
	const json_t *o;
	size_t i;

	if (quiet) {
		json_array_foreach(list, i, o)
			puts(text_of(o, "id"));
	} else if (strcmp(format, "json") == 0) {
		char *text = json_dumps(list, JSON_COMPACT);

		puts(json_array_size(list) ? text : "null");
		free(text);
	} else {
		printf("%-24s %-10s %-10s %-40s %-32s %s\n", "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER");
		json_array_foreach(list, i, o)
			printf("%-24s %-10lld %-10s %-40s %-32s %s\n", text_of(o, "id"),
			       json_integer_value(json_object_get(o, "pid")), text_of(o, "status"),
			       text_of(o, "bundle"), text_of(o, "created"), text_of(o, "owner"));
	}
}

int cmd_list(struct cli *cli, int argc, char **argv)
{
	const char *format = "table", *quiet = NULL;
	const struct cli_option opts[] = {
		{ "format", 'f', true, &format, NULL, NULL, "table or json" },
		{ "quiet", 'q', false, &quiet, NULL, NULL, "ids only" },
		{ NULL },
	};
	int status = 1, at = cli_options("list", opts, argc, argv, &status);
	json_t *list;
	char **ids;
	size_t n;

	if (at < 0)
		return status;
	if (at != argc || (strcmp(format, "table") != 0 && strcmp(format, "json") != 0))
		return at != argc ? cli_usage("list", "no arguments are expected")
				  : cli_usage("list", "invalid format option \"%s\": use table or json", format);
	container_sweep(&cli->rt);
	list = json_array();
	ids = all_ids(cli->rt.root, &n);
	for (size_t i = 0; i < n; i++) {
		json_t *o = list_entry(cli, ids[i]);

		if (o)
			(void)json_array_append_new(list, o);
		free(ids[i]);
	}
	free(ids);
	print_list(list, format, quiet);
	json_decref(list);
	return 0;
}

/* ---- ps ---- */

/* runc's way: show the lines of ps(1) that belong to the container. */
static int print_ps(const pid_t *pids, size_t n, char **ps_args, struct err *e)
{
	char line[4096], *argv[64] = { (char *)(uintptr_t) "ps" };
	size_t argc = 1, column = 0;
	int fds[2], status;
	bool head = true;
	FILE *in;
	pid_t pid;

	while (ps_args[argc - 1] && argc < ARRAY_SIZE(argv) - 2) {
		argv[argc] = ps_args[argc - 1];
		argc++;
	}
	if (argc == 1)
		argv[argc++] = (char *)(uintptr_t) "-ef";
	if (pipe(fds) < 0)
		return err_sys(e, errno, "ps");
	pid = fork();
	if (pid == 0) {
		(void)dup2(fds[1], 1);
		(void)close(fds[0]);
		(void)close(fds[1]);
		(void)execvp("ps", argv);
		_exit(127);
	}
	(void)close(fds[1]);
	in = fdopen(fds[0], "r");
	while (pid > 0 && in && fgets(line, sizeof line, in)) {
		char *copy = strdup(line), *p = copy, *word;
		size_t i = 0;
		bool show = head;
		uint64_t v;

		while ((word = strsep(&p, " \t\n"))) {
			if (!*word)
				continue;
			if (head && strcmp(word, "PID") == 0)
				column = i;
			if (!head && i == column && num_u64(word, INT32_MAX, &v) == 0)
				for (size_t k = 0; k < n; k++)
					show |= pids[k] == (pid_t)v;
			i++;
		}
		head = false;
		free(copy);
		if (show)
			(void)fputs(line, stdout);
	}
	if (in)
		(void)fclose(in);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_set(e, EPROTO, "ps(1) failed (package procps); \"--format json\" does without it");
	return 0;
}

int cmd_ps(struct cli *cli, int argc, char **argv)
{
	const char *format = "table";
	const struct cli_option opts[] = { { "format", 'f', true, &format, NULL, NULL, "table or json" },
					   { NULL } };
	struct container c = CONTAINER_EMPTY;
	_cleanup_free_ pid_t *pids = NULL;
	struct cgroup *cg = NULL;
	struct err e = { 0 };
	size_t n = 0;
	int r, status = 1, at = cli_options("ps", opts, argc, argv, &status);

	if (at < 0)
		return status;
	if (at == argc)
		return cli_usage("ps", "a container id is needed");
	if (strcmp(format, "table") != 0 && strcmp(format, "json") != 0)
		return cli_usage("ps", "invalid format option \"%s\": use table or json", format);
	r = container_load(&cli->rt, argv[at], false, &c, &e);
	if (r == 0 && container_status(&c) == CONTAINER_STOPPED)
		r = 0; /* no processes: an empty list, as runc prints */
	else if (r == 0)
		r = container_cgroup(&c, &cg, &e);
	if (r == 0 && cg)
		r = cgroup_pids(cg, &pids, &n, &e);
	if (cg)
		cgroup_free(cg);
	container_done(&c);
	if (r == 0 && strcmp(format, "json") == 0) {
		printf("%s", n ? "[" : "null");
		for (size_t i = 0; i < n; i++)
			printf("%s%d", i ? "," : "", (int)pids[i]);
		puts(n ? "]" : "");
	} else if (r == 0) {
		r = print_ps(pids, n, argv + at + 1, &e);
	}
	return r < 0 ? cli_fail(&e, 1) : 0;
}

/* ---- pause, resume ---- */

static int freeze(struct cli *cli, const char *command, int argc, char **argv, bool on)
{
	const struct cli_option opts[] = { { NULL } };
	struct err e = { 0 };
	int status = 1, at = cli_options(command, opts, argc, argv, &status);
	const char *id = at < 0 ? NULL : cli_one_id(command, argc, argv, at);

	if (!id)
		return status;
	return pause_container(&cli->rt, id, on, &e) < 0 ? cli_fail(&e, 1) : 0;
}

int cmd_pause(struct cli *cli, int argc, char **argv)
{
	return freeze(cli, "pause", argc, argv, true);
}

int cmd_resume(struct cli *cli, int argc, char **argv)
{
	return freeze(cli, "resume", argc, argv, false);
}

/* ---- events ---- */

static int print_event(const char *type, const char *id, json_t *data, struct err *e)
{
	json_t *o = json_pack("{s:s, s:s}", "type", type, "id", id);
	char *text;

	if (o && data)
		(void)json_object_set_new(o, "data", data);
	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	if (!text)
		return err_sys(e, ENOMEM, "event");
	puts(text);
	(void)fflush(stdout);
	free(text);
	return 0;
}

static int print_stats(struct cgroup *cg, const char *id, struct err *e)
{
	json_t *data = NULL;
	int r = cgroup_stats(cg, &data, e);

	return r < 0 ? r : print_event("stats", id, data, e);
}

/* "5s", "500ms", "1m", as Go prints durations. */
static int parse_interval(const char *s, int *ret_ms)
{
	uint64_t v;

	if (num_span(&s, 86400000, &v) < 0 || v == 0)
		return -EINVAL;
	if (strcmp(s, "ms") != 0)
		v *= strcmp(s, "s") == 0 ? 1000 : strcmp(s, "m") == 0 ? 60000 : 0;
	if (v == 0 || v > INT32_MAX)
		return -EINVAL;
	*ret_ms = (int)v;
	return 0;
}

static int watch(struct cgroup *cg, const struct container *c, int interval, struct err *e)
{
	int oom = -EBADF, r = cgroup_oom_watch(cg, &oom, e);

	while (r == 0) {
		struct pollfd p[2] = { { .fd = oom, .events = POLLIN }, { .fd = c->init.fd, .events = POLLIN } };
		int n = poll(p, 2, interval);

		if (n < 0 && errno != EINTR)
			r = err_sys(e, errno, "wait for events");
		else if (n == 0)
			r = print_stats(cg, c->id, e);
		else if (p[1].revents)
			break;
		else if (p[0].revents) {
			r = cgroup_oom_read(cg, oom, e);
			if (r == -ENODEV)
				return 0;
			if (r > 0)
				r = print_event("oom", c->id, NULL, e);
		}
	}
	(void)fd_close(oom);
	return r;
}

int cmd_events(struct cli *cli, int argc, char **argv)
{
	const char *interval = "5s", *stats = NULL;
	const struct cli_option opts[] = {
		{ "interval", 0, true, &interval, NULL, NULL, "time between statistics, such as 5s or 500ms" },
		{ "stats", 0, false, &stats, NULL, NULL, "print statistics once and end" },
		{ NULL },
	};
	struct container c = CONTAINER_EMPTY;
	struct cgroup *cg = NULL;
	struct err e = { 0 };
	int r, ms, status = 1, at = cli_options("events", opts, argc, argv, &status);
	const char *id = at < 0 ? NULL : cli_one_id("events", argc, argv, at);

	if (!id)
		return status;
	if (parse_interval(interval, &ms) < 0)
		return cli_usage("events", "--interval: \"%s\" is no time such as 5s or 500ms", interval);
	r = container_load(&cli->rt, id, false, &c, &e);
	if (r == 0 && container_status(&c) == CONTAINER_STOPPED)
		r = err_set(&e, ESRCH, "container with id %s is not running", id);
	if (r == 0)
		r = container_cgroup(&c, &cg, &e);
	if (r == 0)
		r = stats ? print_stats(cg, id, &e) : watch(cg, &c, ms, &e);
	if (cg)
		cgroup_free(cg);
	container_done(&c);
	return r < 0 ? cli_fail(&e, 1) : 0;
}

int cmd_checkpoint(struct cli *cli, int argc, char **argv)
{
	const struct cli_option opts[] = { { NULL } };
	struct err e = { 0 };
	int status = 1;

	(void)cli;
	if (argc == 2 && cli_options(argv[0], opts, argc, argv, &status) < 0)
		return status;
	(void)err_set(
		&e, ENOTSUP,
		"%s: not supported: restoring a process image would bypass the isolation that create sets up; commit the "
		"container's files instead (docker commit)",
		argv[0]);
	return cli_fail(&e, 1);
}
