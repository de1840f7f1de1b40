/* SPDX-License-Identifier: Apache-2.0 */
/* caissonctl: the commands that look. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "bin/caissonctl.h"
#include "bin/helper.h"
#include "ctl/docker-cli.h"
#include "ctl/doctor.h"
#include "ctl/explain.h"
#include "ctl/follow.h"
#include "guard/engine.h"
#include "guard/text.h"
#include "sys/settings-file.h"

#define DEFAULT_AUDIT "/var/log/caisson/audit.log"

/* ---- status ---- */

int ctl_status(const struct ctl *c, int argc, char **argv)
{
	struct err e = { 0 };
	const json_t *isolation, *settings;
	json_t *status;

	(void)argv;
	if (argc)
		return ctl_usage("status takes no arguments");
	status = ctl_ask_status(c, &e);
	if (!status)
		return ctl_fail(c, &e);
	if (c->json) {
		ctl_print_json(status);
		return CTL_OK;
	}
	isolation = json_object_get(status, "isolation");
	settings = json_object_get(status, "settings");
	printf("isolation:  %s, %s%s%s\n", json_is_true(json_object_get(isolation, "enabled")) ? "on" : "off",
	       json_is_true(json_object_get(isolation, "locked")) ? "locked" : "not locked",
	       json_object_get(isolation, "setBy") ? ", by " : "", ctl_text(isolation, "setBy"));
	printf("guard:      caissond %s since %s\n", ctl_text(status, "version"), ctl_text(status, "started"));
	printf("settings:   loaded %s\n", ctl_text(settings, "loaded"));
	if (!json_is_true(json_object_get(settings, "current")))
		printf("            newer ones are not in force: %s\n",
		       *ctl_text(settings, "problem") ? ctl_text(settings, "problem")
						      : "they are wrong; root is told how");
	if (*ctl_text(settings, "note"))
		printf("            not heard: %s\n", ctl_text(settings, "note"));
	if (*ctl_text(status, "engine"))
		printf("engine:     %s\n", ctl_text(status, "engine"));
	if (*ctl_text(status, "audit") || *ctl_text(status, "journal"))
		printf("audit:      %s%s%s\n", ctl_text(status, "audit"),
		       *ctl_text(status, "audit") && *ctl_text(status, "journal") ? ", " : "",
		       ctl_text(status, "journal"));
	if (json_object_get(status, "connections"))
		printf("clients:    %lld connections\n",
		       (long long)json_integer_value(json_object_get(status, "connections")));
	json_decref(status);
	return CTL_OK;
}

/* ---- policy ---- */

const char *ctl_settings_place(const struct ctl *c, const json_t *status)
{
	const char *place = json_string_value(json_object_get(json_object_get(status, "settings"), "path"));

	return c->settings ? c->settings : place;
}

static json_t *origin(const struct settings *s, const char *key)
{
	char where[512];

	return text_json(settings_origin(s, key, where, sizeof where));
}

static json_t *shares_json(const struct settings *s)
{
	static const char *const mappings[] = {
		[SETTINGS_MAP_OWNER] = "owner",
		[SETTINGS_MAP_IDENTITY] = "identity",
		[SETTINGS_MAP_CONTAINER] = "container",
	};
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_shares; i++) {
		const struct settings_share *sh = &s->shares[i];
		bool built_in = strncmp(sh->rule, "built-in", 8) == 0;

		(void)json_array_append_new(list,
					    json_pack("{so sb ss so}", "path", text_json(sh->path), "readOnly",
						      (int)sh->read_only, "mapping", mappings[sh->mapping],
						      "decidedBy", origin(s, built_in ? "" : sh->rule)));
	}
	return list;
}

static json_t *socket_image_json(const struct settings *s, const struct socket_image *im)
{
	const char *commands = !im->commands.given  ? "all"
			       : im->commands.allow ? "listed ones"
						    : "all but listed ones";
	time_t end = (time_t)im->until;
	char until[32] = "";
	struct tm tm;

	if (end && gmtime_r(&end, &tm))
		(void)strftime(until, sizeof until, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_pack("{so sb sb sb sb so ss so so}", "image", text_json(im->text), "derived", (int)im->derived,
			 "readOnly", (int)im->read_only, "ownOnly", (int)im->own_only, "learn", (int)im->learn,
			 "until", text_json(*until ? until : NULL), "commands",
			 im->learn ? "all, recorded" : commands, "commandsDecidedBy",
			 origin(s, im->commands_setting), "decidedBy", origin(s, im->setting));
}

static json_t *socket_json(const struct settings *s)
{
	json_t *images = json_array();

	for (size_t i = 0; i < s->socket.n_images; i++)
		(void)json_array_append_new(images, socket_image_json(s, &s->socket.images[i]));
	return json_pack("{so so si si ss so}", "images", images, "directory", text_json(s->socket.directory),
			 "digestMaxAge", (int)s->socket.digest_max_age, "staleMaxAge",
			 (int)s->socket.stale_max_age, "offline",
			 s->socket.offline == SOCKET_OFFLINE_LAST_KNOWN ? "lastKnown" : "refuse", "decidedBy",
			 origin(s, "caisson.dockerSocket"));
}

static json_t *policy_json(const struct settings *s)
{
	static const char *const views[] = {
		[SETTINGS_VIEW_ASKED] = "asked", [SETTINGS_VIEW_ALWAYS] = "always", [SETTINGS_VIEW_NEVER] = "never"
	};
	json_t *files = json_array(), *devices = json_array(), *roots = json_array();

	for (size_t i = 0; i < s->n_sources; i++)
		(void)json_array_append_new(files, text_json(s->sources[i].file));
	for (size_t i = 0; i < s->n_devices; i++)
		(void)json_array_append_new(devices, text_json(s->devices[i].path));
	for (size_t i = 0; i < s->n_engine_roots; i++)
		(void)json_array_append_new(roots, text_json(s->engine_roots[i]));
	return json_pack("{so so s{sb sb so} so s{so so} s{so so} s{sI sI so} s{sb so} s{ss so} so}", "files",
			 files, "note", text_json(s->note), "isolation", "enabled", (int)s->enabled, "locked",
			 (int)s->locked, "decidedBy", origin(s, "enhancedContainerIsolation.value"), "shares",
			 shares_json(s), "allowedDevices", "paths", devices, "decidedBy",
			 origin(s, "caisson.allowedDevices"), "engineRoots", "paths", roots, "decidedBy",
			 origin(s, "caisson.engineRoots"), "idPool", "first", (json_int_t)s->pool_first, "count",
			 (json_int_t)s->pool_count, "decidedBy", origin(s, "caisson.idPool"), "allowHooks",
			 "value", (int)s->allow_hooks, "decidedBy", origin(s, "caisson.allowHooks"),
			 "resourceView", "value", views[s->resource_view], "decidedBy",
			 origin(s, "caisson.resourceView"), "dockerSocket", socket_json(s));
}

static void print_paths(const char *name, const json_t *o)
{
	const json_t *p;
	size_t i;

	printf("%-14s", name);
	json_array_foreach(json_object_get(o, "paths"), i, p)
		printf("%s%s", i ? ", " : "", json_string_value(p));
	printf("%s  [%s]\n", json_array_size(json_object_get(o, "paths")) ? "" : "none", ctl_text(o, "decidedBy"));
}

static void print_socket(const json_t *socket)
{
	static const char *const flags[][2] = { { "derived", "derived ones too" },
						{ "readOnly", "read-only" },
						{ "ownOnly", "own only" } };
	const json_t *images = json_object_get(socket, "images"), *im;
	size_t i;

	if (json_array_size(images) == 0)
		printf("%-14snobody\n", "docker socket");
	json_array_foreach(images, i, im) {
		printf("%-14s%s", i ? "" : "docker socket", ctl_text(im, "image"));
		for (size_t k = 0; k < ARRAY_SIZE(flags); k++)
			if (json_is_true(json_object_get(im, flags[k][0])))
				printf(", %s", flags[k][1]);
		printf(", commands: %s%s%s  [%s]\n", ctl_text(im, "commands"),
		       *ctl_text(im, "until") ? ", until " : "", ctl_text(im, "until"), ctl_text(im, "decidedBy"));
	}
}

static void print_policy(const json_t *p)
{
	const json_t *isolation = json_object_get(p, "isolation"), *pool = json_object_get(p, "idPool"), *sh;
	size_t i;

	printf("%-14s%s, %s  [%s]\n", "isolation",
	       json_is_true(json_object_get(isolation, "enabled")) ? "on" : "off",
	       json_is_true(json_object_get(isolation, "locked")) ? "locked" : "users may change it",
	       ctl_text(isolation, "decidedBy"));
	json_array_foreach(json_object_get(p, "shares"), i, sh)
		printf("%-14s%s%s, %s  [%s]\n", i ? "" : "shares", ctl_text(sh, "path"),
		       json_is_true(json_object_get(sh, "readOnly")) ? ", read-only" : "", ctl_text(sh, "mapping"),
		       ctl_text(sh, "decidedBy"));
	print_paths("devices", json_object_get(p, "allowedDevices"));
	print_paths("engine roots", json_object_get(p, "engineRoots"));
	printf("%-14s%lld, %lld ranges  [%s]\n", "id pool",
	       (long long)json_integer_value(json_object_get(pool, "first")),
	       (long long)json_integer_value(json_object_get(pool, "count")), ctl_text(pool, "decidedBy"));
	printf("%-14s%s  [%s]\n", "hooks",
	       json_is_true(json_object_get(json_object_get(p, "allowHooks"), "value")) ? "allowed" : "refused",
	       ctl_text(json_object_get(p, "allowHooks"), "decidedBy"));
	printf("%-14s%s  [%s]\n", "resource view", ctl_text(json_object_get(p, "resourceView"), "value"),
	       ctl_text(json_object_get(p, "resourceView"), "decidedBy"));
	print_socket(json_object_get(p, "dockerSocket"));
	if (*ctl_text(p, "note"))
		printf("%-14s%s\n", "not heard", ctl_text(p, "note"));
}

static int policy_show(const struct ctl *c)
{
	json_t *status = c->settings ? NULL : ctl_ask_status(c, NULL), *policy;
	struct settings s = { 0 };
	struct err e = { 0 };
	int r = settings_load(ctl_settings_place(c, status), &s, &e);

	json_decref(status);
	if (r < 0)
		return ctl_fail(c, &e);
	policy = policy_json(&s);
	if (c->json) {
		ctl_print_json(policy);
	} else {
		print_policy(policy);
		json_decref(policy);
	}
	settings_done(&s);
	return CTL_OK;
}

static int policy_check(const struct ctl *c, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	struct settings s = { 0 };
	struct err e = { 0 };
	size_t len = 0;
	int r = fd < 0 ? -errno : io_read_fd(fd, SETTINGS_MAX, &text, &len);

	if (r == -EISDIR)
		r = settings_load(path, &s, &e);
	else if (r < 0)
		r = err_sys(&e, -r, "%s", path);
	else
		r = settings_parse(path, text, len, &s, &e);
	settings_done(&s);
	if (r < 0)
		return ctl_fail(c, &e);
	if (c->json)
		ctl_print_json(json_pack("{so sb}", "file", text_json(path), "correct", 1));
	else
		printf("%s: correct\n", path);
	return CTL_OK;
}

int ctl_policy(const struct ctl *c, int argc, char **argv)
{
	if (argc == 1 && strcmp(argv[0], "show") == 0)
		return policy_show(c);
	if (argc == 2 && strcmp(argv[0], "check") == 0)
		return policy_check(c, argv[1]);
	return ctl_usage("policy is followed by show, or by check and a file");
}

/* ---- explain ---- */

static int read_outside(void *ctx, const char *path, char **ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);

	(void)ctx;
	return fd < 0 ? -errno : io_read_fd(fd, 1u << 20, ret, NULL);
}

static const char *env_outside(void *ctx, const char *name)
{
	(void)ctx;
	return getenv(name);
}

/* "explain --body FILE METHOD PATH" */
static int read_request(int argc, char **argv, struct docker_request *ret, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	json_error_t je;
	int r;

	if (argc != 3)
		return err_set(e, EINVAL, "--body is followed by a file, a method and a path");
	r = read_outside(NULL, argv[0], &text);
	if (r < 0)
		return err_sys(e, -r, "%s", argv[0]);
	if (*text) {
		ret->body = json_loads(text, JSON_REJECT_DUPLICATES, &je);
		if (!json_is_object(ret->body))
			return err_set(e, EINVAL, "%s: not a JSON object (line %d)", argv[0], je.line);
	}
	ret->method = argv[1];
	ret->target = strdup(argv[2]);
	return ret->target ? 0 : err_sys(e, ENOMEM, "explain");
}

static void print_explanation(const struct docker_request *q, json_t *x)
{
	const json_t *sent = json_object_get(json_object_get(x, "request"), "body");
	_cleanup_free_ char *text = sent ? json_dumps(sent, JSON_COMPACT) : NULL;
	bool allowed = json_is_true(json_object_get(x, "allowed"));

	printf("%s %s\n", q->method, q->target);
	if (allowed) {
		puts("allowed");
		if (*ctl_text(x, "changes"))
			printf("  changed: %s\n", ctl_text(x, "changes"));
		if (text)
			printf("  sent on: %s\n", text);
	} else {
		printf("refused (%lld): %s\n", (long long)json_integer_value(json_object_get(x, "status")),
		       ctl_text(x, "message"));
		printf("  rule:    %s\n", ctl_text(x, "rule"));
		if (*ctl_text(x, "setting"))
			printf("  setting: %s, decided by %s\n", ctl_text(x, "setting"), ctl_text(x, "decidedBy"));
	}
	if (*ctl_text(x, "note"))
		printf("  note:    %s\n", ctl_text(x, "note"));
}

/* @from: the container through whose Docker socket it would come, or NULL. */
static int explain(const struct ctl *c, const char *from, struct docker_request *q)
{
	_cleanup_free_ char *helper = helper_path("caisson-registry");
	struct err e = { 0 };
	json_t *status = ctl_ask_status(c, NULL), *x = NULL, *sockets = NULL;
	struct settings s = { 0 };
	struct explain how = { .settings = &s, .status = status, .registry_helper = helper };
	int r = settings_load(ctl_settings_place(c, status), &s, &e);
	bool allowed;

	if (r == 0 && from) {
		sockets = ctl_ask_sockets(c, &e);
		how.socket = sockets ? ctl_find_socket(sockets, from, &e) : NULL;
		r = how.socket ? 0 : -ENOENT;
	}
	if (r == 0) {
		how.engine = engine_new(c->socket);
		r = how.engine ? explain_request(&how, q->method, q->target, json_deep_copy(q->body), &x, &e)
			       : err_set(&e, EINVAL, "%s: too long for the path of a socket", c->socket);
	}
	engine_free(how.engine);
	settings_done(&s);
	json_decref(sockets);
	if (r < 0) {
		json_decref(status);
		return ctl_fail(c, &e);
	}
	if (!json_is_object(json_object_get(status, "host")))
		q->note =
			"the guard did not say what it knows about its host (run this as root): the strictest is "
			"assumed";
	json_decref(status);
	(void)json_object_set_new(x, "note", text_json(q->note));
	allowed = json_is_true(json_object_get(x, "allowed"));
	if (c->json) {
		(void)json_object_set_new(x, "asked",
					  json_pack("{so so so*}", "method", text_json(q->method), "target",
						    text_json(q->target), "body", json_incref(q->body)));
		ctl_print_json(x);
	} else {
		print_explanation(q, x);
		json_decref(x);
	}
	return allowed ? CTL_OK : CTL_NO;
}

int ctl_explain(const struct ctl *c, int argc, char **argv)
{
	_cleanup_free_ char *cwd = getcwd(NULL, 0);
	const struct docker_outside outside = { .cwd = cwd ? cwd : "/", .read = read_outside, .env = env_outside };
	struct docker_request q = { 0 };
	const char *from = NULL;
	struct err e = { 0 };
	int r;

	if (argc > 1 && strcmp(argv[0], "--from") == 0) {
		from = argv[1];
		argc -= 2;
		argv += 2;
	}
	if (argc > 0 && strcmp(argv[0], "--body") == 0)
		r = read_request(argc - 1, argv + 1, &q, &e);
	else if (argc > 1 && strcmp(argv[0], "--") == 0)
		r = docker_parse(argc - 1, (const char *const *)argv + 1, &outside, &q, &e);
	else
		return ctl_usage("explain is followed by -- and a docker command, or by --body FILE METHOD PATH");
	if (r < 0) {
		(void)ctl_fail(c, &e);
		r = CTL_USAGE;
	} else {
		r = explain(c, from, &q);
	}
	docker_request_done(&q);
	return r;
}

/* ---- doctor ---- */

int ctl_doctor(const struct ctl *c, int argc, char **argv)
{
	json_t *list, *o;
	bool broken = false;
	size_t i;

	(void)argv;
	if (argc)
		return ctl_usage("doctor takes no arguments");
	list = doctor_report(c->settings, c->socket);
	json_array_foreach(list, i, o) {
		broken = broken || strcmp(ctl_text(o, "state"), "broken") == 0;
		if (c->json)
			continue;
		printf("%-8s %-20s %s\n", ctl_text(o, "state"), ctl_text(o, "check"), ctl_text(o, "detail"));
		if (*ctl_text(o, "cure"))
			printf("%-29s -> %s\n", "", ctl_text(o, "cure"));
	}
	if (c->json)
		ctl_print_json(json_pack("{sb so}", "works", (int)!broken, "checks", list));
	else
		json_decref(list);
	return broken ? CTL_NO : CTL_OK;
}

/* ---- audit ---- */

static int show_line(void *ctx, char *text, size_t len)
{
	const struct ctl *c = ctx;
	json_t *o;

	if (c->json) {
		(void)fwrite(text, 1, len, stdout);
		return fputc('\n', stdout) == EOF;
	}
	o = json_loadb(text, len, 0, NULL);
	if (!json_is_object(o)) {
		json_decref(o);
		return 0; /* not a line of the guard's */
	}
	printf("%s %s uid %lld ", ctl_text(o, "time"), ctl_text(o, "action"),
	       (long long)json_integer_value(json_object_get(o, "uid")));
	printf("%s %s%s%s: ", ctl_text(o, "exe"), ctl_text(o, "route"), *ctl_text(o, "container") ? " " : "",
	       ctl_text(o, "container"));
	printf("%s", ctl_text(o, "message"));
	if (*ctl_text(o, "rule"))
		printf(" [%s]", ctl_text(o, "rule"));
	if (*ctl_text(o, "origin"))
		printf(" (%s)", ctl_text(o, "origin"));
	json_decref(o);
	return fputc('\n', stdout) == EOF || fflush(stdout) != 0;
}

int ctl_audit(const struct ctl *c, int argc, char **argv)
{
	_cleanup_free_ char *path = NULL;
	const char *file = NULL;
	struct ctl copy = *c;
	bool follow = false;
	struct err e = { 0 };
	json_t *status;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "-f") == 0 || strcmp(argv[i], "--follow") == 0)
			follow = true;
		else if (strcmp(argv[i], "--file") == 0 && i + 1 < argc)
			file = argv[++i];
		else
			return ctl_usage("audit takes -f and --file FILE");
	}
	if (!file) {
		status = ctl_ask_status(c, NULL);
		file = json_string_value(json_object_get(status, "audit"));
		if (!file)
			file = json_string_value(json_object_get(status, "journal"));
		path = strdup(file ? file : DEFAULT_AUDIT);
		json_decref(status);
		file = path;
	}
	if (!file)
		return CTL_NO;
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	return follow_file(file, follow, show_line, &copy, &e) < 0 ? ctl_fail(c, &e) : CTL_OK;
}
