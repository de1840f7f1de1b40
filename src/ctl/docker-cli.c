/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/docker-cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "ctl/docker-internal.h"
#include "guard/target.h"
#include "guard/text.h"

#define WORDS_MAX 4096

/* ---- steps ---- */

void put_string(json_t *o, const char *key, const char *value)
{
	(void)json_object_set_new(o, key, text_json(value));
}

void add_item(json_t *o, const char *list, json_t *item)
{
	json_t *l = json_object_get(o, list);

	if (!l)
		(void)json_object_set_new(o, list, l = json_array());
	(void)json_array_append_new(l, item);
}

void put_pair(json_t *o, const char *map, const char *pair, char separator)
{
	const char *at = strchr(pair, separator);
	_cleanup_free_ char *key = strndup(pair, at ? (size_t)(at - pair) : strlen(pair));
	json_t *m = json_object_get(o, map), *name = key ? text_json(key) : NULL;

	if (!m)
		(void)json_object_set_new(o, map, m = json_object());
	if (name) /* by way of text_json(), as a key has to be UTF-8 too */
		(void)json_object_set_new(m, json_string_value(name), text_json(at ? at + 1 : ""));
	json_decref(name);
}

void put_query(struct command *c, const char *key, const char *value)
{
	(void)fprintf(c->query, "%s%s=", ftell(c->query) ? "&" : "", key);
	target_escape(c->query, value, false);
}

int docker_bytes(const char *s, int64_t *ret)
{
	static const char units[] = "bkmgtp";
	char *end;
	double n;

	if (strcmp(s, "-1") == 0) {
		*ret = -1;
		return 0;
	}
	if (*s < '0' || *s > '9')
		return -EINVAL;
	n = strtod(s, &end);
	end += *end == ' ';
	if (*end) {
		const char *u = strchr(units, *end >= 'A' && *end <= 'Z' ? *end + 32 : *end);

		if (!u)
			return -EINVAL;
		n *= (double)(1ull << (10 * (u - units)));
		end++;
		end += *end == 'i';
		if (strcasecmp(end, "b") == 0)
			end++;
	}
	if (*end || !(n >= 0 && n < 9e18))
		return -EINVAL;
	*ret = (int64_t)n;
	return 0;
}

/* ---- flags ---- */

static int set_bool(struct command *c, const struct flag *f, const char *value, struct err *e)
{
	bool on = !value || strcasecmp(value, "true") == 0 || strcasecmp(value, "t") == 0 ||
		  strcmp(value, "1") == 0;

	if (!on && strcasecmp(value, "false") != 0 && strcasecmp(value, "f") != 0 && strcmp(value, "0") != 0)
		return err_set(e, EINVAL, "--%s: \"%.80s\" is neither true nor false", f->name, value);
	if (f->kind == FLAG_BOOL)
		(void)json_object_set_new(f->place == IN_HOST ? c->host : c->config, f->member, json_boolean(on));
	return 0;
}

static int set_flag(struct command *c, const struct flag *f, const char *value, struct err *e)
{
	json_t *o = f->place == IN_HOST ? c->host : c->config;
	int64_t n = 0;

	switch (f->kind) {
	case FLAG_BOOL:
	case FLAG_OFF:
		return set_bool(c, f, value, e);
	case FLAG_UNUSED:
		return 0;
	case FLAG_SPECIAL:
		return f->special(c, value, e);
	case FLAG_LIST:
		add_item(o, f->member, text_json(value));
		return 0;
	case FLAG_MAP:
		put_pair(o, f->member, value, '=');
		return 0;
	case FLAG_INT:
	case FLAG_BYTES:
		if (f->kind == FLAG_INT ? num_i64(value, &n) < 0 : docker_bytes(value, &n) < 0)
			return err_set(e, EINVAL, "--%s: \"%.80s\" is not a number that docker takes", f->name,
				       value);
		(void)json_object_set_new(o, f->member, json_integer(n));
		return 0;
	case FLAG_STRING:
		if (f->place == IN_QUERY)
			put_query(c, f->member, value);
		else
			put_string(o, f->member, value);
		return 0;
	}
	return 0;
}

static bool takes_value(const struct flag *f)
{
	return f->kind != FLAG_BOOL && f->kind != FLAG_OFF;
}

static const struct flag *find(struct flags flags, const char *name, size_t len, char letter)
{
	for (size_t i = 0; i < flags.n; i++)
		if (name ? strlen(flags.v[i].name) == len && strncmp(flags.v[i].name, name, len) == 0
			 : flags.v[i].letter == letter)
			return &flags.v[i];
	return NULL;
}

/* What is being read of the command line. */
struct cursor {
	int argc, at;
	const char *const *argv;
};

static int value_of(struct cursor *cur, const struct flag *f, const char **ret, struct err *e)
{
	if (cur->at + 1 >= cur->argc)
		return err_set(e, EINVAL, "flag needs an argument: --%s", f->name);
	*ret = cur->argv[++cur->at];
	return 0;
}

static int read_long(struct command *c, struct flags flags, struct cursor *cur, struct err *e)
{
	const char *name = cur->argv[cur->at] + 2, *value = strchr(name, '=');
	size_t len = value ? (size_t)(value - name) : strlen(name);
	const struct flag *f = find(flags, name, len, 0);
	int r = 0;

	if (!f)
		return err_set(e, EINVAL, "unknown flag: --%.*s; give the request itself with --body",
			       (int)(len < 80 ? len : 80), name);
	if (value)
		value++;
	else if (takes_value(f))
		r = value_of(cur, f, &value, e);
	return r < 0 ? r : set_flag(c, f, value, e);
}

/* "-it", "-p80:80", "-p 80:80", "-e=x": a letter that takes a value takes the rest of the word. */
static int read_short(struct command *c, struct flags flags, struct cursor *cur, struct err *e)
{
	for (const char *s = cur->argv[cur->at] + 1; *s; s++) {
		const struct flag *f = find(flags, NULL, 0, *s);
		const char *value = NULL;
		int r = 0;

		if (!f)
			return err_set(e, EINVAL,
				       "unknown shorthand flag: '%c'; give the request itself with --body",
				       *s >= 0x20 && *s < 0x7f ? *s : '?');
		if (!takes_value(f) && s[1] == '=')
			return set_flag(c, f, s + 2, e);
		if (takes_value(f) && s[1])
			return set_flag(c, f, s + 1 + (s[1] == '='), e);
		if (takes_value(f))
			return (r = value_of(cur, f, &value, e)) < 0 ? r : set_flag(c, f, value, e);
		r = set_flag(c, f, NULL, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int flags_read(struct command *c, struct flags flags, int argc, const char *const argv[], bool all,
	       const char **words, int *ret_words, struct err *e)
{
	struct cursor cur = { argc, 0, argv };
	bool only_words = false;
	int n = 0, r = 0;

	for (; cur.at < argc && r == 0; cur.at++) {
		const char *arg = argv[cur.at];

		if (!only_words && strcmp(arg, "--") == 0) {
			only_words = true;
		} else if (only_words || arg[0] != '-' || !arg[1]) {
			words[n++] = arg;
			only_words = only_words || !all;
		} else if (arg[1] == '-') {
			r = read_long(c, flags, &cur, e);
		} else {
			r = read_short(c, flags, &cur, e);
		}
	}
	*ret_words = n;
	return r;
}

/* ---- commands ---- */

struct verb {
	const char *words; /* "container run" */
	const struct flags *flags;
	int least; /* words that have to follow the flags */
	bool all;  /* flags may follow words */
	int (*finish)(struct command *c, const char *const words[], int n, struct docker_request *ret,
		      struct err *e);
};

/* A target with one name in it, and the query. */
static int put_target(struct command *c, struct docker_request *ret, const char *before, const char *name,
		      const char *after)
{
	char *query = NULL;
	size_t len = 0;
	FILE *f;

	if (fflush(c->query) != 0)
		return -ENOMEM;
	f = open_memstream(&query, &len);
	if (!f)
		return -ENOMEM;
	(void)fputs(before, f);
	if (name)
		target_escape(f, name, false);
	(void)fputs(after, f);
	if (fclose(f) != 0) {
		free(query);
		return -ENOMEM;
	}
	ret->target = query;
	return 0;
}

static json_t *strings(const char *const words[], int n)
{
	json_t *list = json_array();

	for (int i = 0; i < n; i++)
		(void)json_array_append_new(list, text_json(words[i]));
	return list;
}

static int finish_run(struct command *c, const char *const words[], int n, struct docker_request *ret,
		      struct err *e)
{
	put_string(c->config, "Image", words[0]);
	if (n > 1)
		(void)json_object_set_new(c->config, "Cmd", strings(words + 1, n - 1));
	if (!json_object_get(c->host, "NetworkMode"))
		put_string(c->host, "NetworkMode", "default");
	(void)json_object_set(c->config, "HostConfig", c->host);
	ret->method = "POST";
	ret->body = json_incref(c->config);
	return put_target(c, ret, "/containers/create", NULL, "") < 0 ? err_sys(e, ENOMEM, "docker run") : 0;
}

static int finish_exec(struct command *c, const char *const words[], int n, struct docker_request *ret,
		       struct err *e)
{
	(void)json_object_set_new(c->config, "AttachStdout", json_true());
	(void)json_object_set_new(c->config, "AttachStderr", json_true());
	(void)json_object_set_new(c->config, "Cmd", strings(words + 1, n - 1));
	ret->method = "POST";
	ret->body = json_incref(c->config);
	return put_target(c, ret, "/containers/", words[0], "/exec") < 0 ? err_sys(e, ENOMEM, "docker exec") : 0;
}

static int finish_update(struct command *c, const char *const words[], int n, struct docker_request *ret,
			 struct err *e)
{
	if (n > 1)
		ret->note = "only the first container is judged here";
	ret->method = "POST";
	ret->body = json_incref(c->host);
	return put_target(c, ret, "/containers/", words[0], "/update") < 0 ? err_sys(e, ENOMEM, "docker update")
									   : 0;
}

static int finish_volume(struct command *c, const char *const words[], int n, struct docker_request *ret,
			 struct err *e)
{
	if (n > 0)
		put_string(c->config, "Name", words[0]);
	if (!json_object_get(c->config, "Driver"))
		put_string(c->config, "Driver", "local");
	ret->method = "POST";
	ret->body = json_incref(c->config);
	return put_target(c, ret, "/volumes/create", NULL, "") < 0 ? err_sys(e, ENOMEM, "docker volume") : 0;
}

static int finish_network(struct command *c, const char *const words[], int n, struct docker_request *ret,
			  struct err *e)
{
	(void)n;
	put_string(c->config, "Name", words[0]);
	if (!json_object_get(c->config, "Driver"))
		put_string(c->config, "Driver", "bridge");
	ret->method = "POST";
	ret->body = json_incref(c->config);
	return put_target(c, ret, "/networks/create", NULL, "") < 0 ? err_sys(e, ENOMEM, "docker network") : 0;
}

static int finish_build(struct command *c, const char *const words[], int n, struct docker_request *ret,
			struct err *e)
{
	(void)words;
	(void)n;
	ret->method = "POST";
	ret->note = "as the classic builder asks; what BuildKit asks in its session is judged there as well";
	return put_target(c, ret, "/build", NULL, "") < 0 ? err_sys(e, ENOMEM, "docker build") : 0;
}

static int finish_commit(struct command *c, const char *const words[], int n, struct docker_request *ret,
			 struct err *e)
{
	put_query(c, "container", words[0]);
	if (n > 1)
		put_query(c, "repo", words[1]);
	ret->method = "POST";
	ret->body = json_object();
	return put_target(c, ret, "/commit", NULL, "") < 0 ? err_sys(e, ENOMEM, "docker commit") : 0;
}

/* "docker cp SRC NAME:PATH" writes into a container, the other way round only reads. */
static int finish_cp(struct command *c, const char *const words[], int n, struct docker_request *ret,
		     struct err *e)
{
	bool into = n > 1 && words[1][0] != '/' && words[1][0] != '.' && strchr(words[1], ':');
	const char *where = into ? words[1] : words[0], *colon = strchr(where, ':');
	_cleanup_free_ char *name = colon ? strndup(where, (size_t)(colon - where)) : NULL;

	if (!name)
		return err_set(e, EINVAL, "one of the two has to be CONTAINER:PATH");
	put_query(c, "path", colon + 1);
	ret->method = into ? "PUT" : "GET";
	return put_target(c, ret, "/containers/", name, "/archive") < 0 ? err_sys(e, ENOMEM, "docker cp") : 0;
}

#define NAMED(function, what)                                                                                     \
	static int function(struct command *c, const char *const words[], int n, struct docker_request *ret,      \
			    struct err *e)                                                                        \
	{                                                                                                         \
		(void)n;                                                                                          \
		ret->method = "POST";                                                                             \
		return put_target(c, ret, "/containers/", words[0], "/" what) < 0 ? err_sys(e, ENOMEM, what) : 0; \
	}
NAMED(finish_start, "start")
NAMED(finish_restart, "restart")
NAMED(finish_attach, "attach")

#define FIXED(function, path)                                                                                \
	static int function(struct command *c, const char *const words[], int n, struct docker_request *ret, \
			    struct err *e)                                                                   \
	{                                                                                                    \
		(void)words;                                                                                 \
		(void)n;                                                                                     \
		ret->method = "POST";                                                                        \
		return put_target(c, ret, path, NULL, "") < 0 ? err_sys(e, ENOMEM, path) : 0;                \
	}
FIXED(finish_load, "/images/load")
FIXED(finish_swarm_init, "/swarm/init")
FIXED(finish_swarm_join, "/swarm/join")
FIXED(finish_plugin, "/plugins/pull")

static const struct flags no_flags;

static const struct verb verbs[] = {
	{ "run", &run_flags, 1, false, finish_run },
	{ "create", &run_flags, 1, false, finish_run },
	{ "exec", &exec_flags, 2, false, finish_exec },
	{ "build", &build_flags, 0, true, finish_build },
	{ "update", &update_flags, 1, true, finish_update },
	{ "commit", &no_flags, 1, true, finish_commit },
	{ "cp", &no_flags, 2, true, finish_cp },
	{ "start", &no_flags, 1, true, finish_start },
	{ "restart", &no_flags, 1, true, finish_restart },
	{ "attach", &no_flags, 1, true, finish_attach },
	{ "load", &no_flags, 0, true, finish_load },
	{ "volume create", &volume_flags, 0, true, finish_volume },
	{ "network create", &network_flags, 1, true, finish_network },
	{ "swarm init", &no_flags, 0, true, finish_swarm_init },
	{ "swarm join", &no_flags, 0, true, finish_swarm_join },
	{ "plugin install", &no_flags, 1, true, finish_plugin },
};

/* The groups under which the same commands stand. */
static bool is_group(const char *word)
{
	static const char *const groups[] = { "container", "image", "builder", "buildx" };

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (strcmp(word, groups[i]) == 0)
			return true;
	return false;
}

static const struct verb *find_verb(int argc, const char *const argv[], int *ret_used)
{
	int used = argc > 0 && strcmp(argv[0], "docker") == 0;

	if (argc - used > 1 && is_group(argv[used]))
		used++;
	for (size_t i = 0; argc > used && i < ARRAY_SIZE(verbs); i++) {
		const char *space = strchr(verbs[i].words, ' ');
		size_t first = strcspn(verbs[i].words, " ");

		if (strlen(argv[used]) != first || strncmp(argv[used], verbs[i].words, first) != 0)
			continue;
		if (space && (argc - used < 2 || strcmp(argv[used + 1], space + 1) != 0))
			continue;
		*ret_used = used + 1 + (space != NULL);
		return &verbs[i];
	}
	return NULL;
}

static int read_command(const struct verb *v, struct command *c, int argc, const char *const argv[],
			struct docker_request *ret, struct err *e)
{
	_cleanup_free_ const char **words = calloc((size_t)argc + 1, sizeof *words);
	int n = 0, r;

	if (!words)
		return err_sys(e, ENOMEM, "docker");
	r = flags_read(c, *v->flags, argc, argv, v->all, words, &n, e);
	if (r == 0 && n < v->least)
		r = err_set(e, EINVAL, "docker %s: needs at least %d more argument%s", v->words, v->least - n,
			    v->least - n == 1 ? "" : "s");
	return r < 0 ? r : v->finish(c, words, n, ret, e);
}

static int add_query(struct docker_request *r, const char *query)
{
	char *all = NULL;

	if (!*query)
		return 0;
	if (asprintf(&all, "%s?%s", r->target, query) < 0)
		return -ENOMEM;
	free(r->target);
	r->target = all;
	return 0;
}

int docker_parse(int argc, const char *const argv[], const struct docker_outside *outside,
		 struct docker_request *ret, struct err *e)
{
	struct command c = { .outside = outside, .config = json_object(), .host = json_object() };
	struct docker_request found = { 0 };
	const struct verb *v;
	char *query = NULL;
	size_t len = 0;
	int used = 0, r;

	c.query = open_memstream(&query, &len);
	v = find_verb(argc, argv, &used);
	if (!c.config || !c.host || !c.query)
		r = err_sys(e, ENOMEM, "docker");
	else if (!v || argc > WORDS_MAX)
		r = err_set(
			e, EINVAL,
			"this command line is not understood (run, create, exec, build, update, commit, cp, start, "
			"restart, attach, load, volume create, network create, plugin install and swarm init or "
			"join are); give the request itself with --body");
	else
		r = read_command(v, &c, argc - used, argv + used, &found, e);
	if (c.query && fclose(c.query) != 0 && r == 0)
		r = err_sys(e, ENOMEM, "docker");
	if (r == 0 && add_query(&found, query) < 0)
		r = err_sys(e, ENOMEM, "docker");
	free(query);
	json_decref(c.config);
	json_decref(c.host);
	if (r < 0)
		docker_request_done(&found);
	else
		*ret = found;
	return r;
}

void docker_request_done(struct docker_request *r)
{
	free(r->target);
	json_decref(r->body);
	*r = (struct docker_request){ 0 };
}
