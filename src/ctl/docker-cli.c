/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/docker-cli.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "codec/docker-commands.h"
#include "codec/imageref.h"
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

void put_filter(struct command *c, const char *name, const char *value)
{
	json_t *key = text_json(name), *what = text_json(value);
	json_t *values = json_object_get(c->filters, json_string_value(key));

	if (!values)
		(void)json_object_set_new(c->filters, json_string_value(key), values = json_object());
	if (what) /* by way of text_json(), as a key has to be UTF-8 too */
		(void)json_object_set_new(values, json_string_value(what), json_true());
	json_decref(key);
	json_decref(what);
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
	if (f->kind == FLAG_BOOL && f->place == IN_QUERY && on)
		put_query(c, f->member, "1");
	else if (f->kind == FLAG_BOOL && f->place != IN_QUERY)
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
		if (f->place == IN_QUERY)
			put_query(c, f->member, value);
		else
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

/* How many words may follow the flags. */
enum {
	ANY = INT_MAX,
	EACH = INT_MAX - 1, /* any number: a request for each */
};

struct verb {
	const char *name; /* as docker_command_name() has it first */
	const struct flags *flags;
	int least, most;
	bool all; /* flags may follow words */
	const char *method, *path;
	/* What there is besides the path with the first word in it; may be NULL. */
	int (*finish)(struct command *c, const char *const words[], int n, struct docker_request *ret,
		      struct err *e);
};

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
	(void)e;
	put_string(c->config, "Image", words[0]);
	if (n > 1)
		(void)json_object_set_new(c->config, "Cmd", strings(words + 1, n - 1));
	if (!json_object_get(c->host, "NetworkMode"))
		put_string(c->host, "NetworkMode", "default");
	(void)json_object_set(c->config, "HostConfig", c->host);
	ret->body = json_incref(c->config);
	return 0;
}

static int finish_exec(struct command *c, const char *const words[], int n, struct docker_request *ret,
		       struct err *e)
{
	(void)e;
	(void)json_object_set_new(c->config, "AttachStdout", json_true());
	(void)json_object_set_new(c->config, "AttachStderr", json_true());
	(void)json_object_set_new(c->config, "Cmd", strings(words + 1, n - 1));
	ret->body = json_incref(c->config);
	return 0;
}

static int finish_update(struct command *c, const char *const words[], int n, struct docker_request *ret,
			 struct err *e)
{
	(void)words;
	(void)n;
	(void)e;
	ret->body = json_incref(c->host);
	return 0;
}

static int finish_volume(struct command *c, const char *const words[], int n, struct docker_request *ret,
			 struct err *e)
{
	(void)e;
	if (n > 0)
		put_string(c->config, "Name", words[0]);
	if (!json_object_get(c->config, "Driver"))
		put_string(c->config, "Driver", "local");
	ret->body = json_incref(c->config);
	return 0;
}

static int finish_network(struct command *c, const char *const words[], int n, struct docker_request *ret,
			  struct err *e)
{
	(void)n;
	(void)e;
	put_string(c->config, "Name", words[0]);
	if (!json_object_get(c->config, "Driver"))
		put_string(c->config, "Driver", "bridge");
	ret->body = json_incref(c->config);
	return 0;
}

static int finish_connect(struct command *c, const char *const words[], int n, struct docker_request *ret,
			  struct err *e)
{
	(void)n;
	(void)e;
	ret->body = json_pack("{so sO}", "Container", text_json(words[1]), "EndpointConfig", c->config);
	return 0;
}

static int finish_disconnect(struct command *c, const char *const words[], int n, struct docker_request *ret,
			     struct err *e)
{
	(void)n;
	(void)e;
	put_string(c->config, "Container", words[1]);
	ret->body = json_incref(c->config);
	return 0;
}

static int finish_build(struct command *c, const char *const words[], int n, struct docker_request *ret,
			struct err *e)
{
	(void)c;
	(void)words;
	(void)n;
	(void)e;
	ret->note = "as the classic builder asks; what BuildKit asks in its session is judged there as well";
	return 0;
}

/* "docker cp SRC NAME:PATH" writes into a container, the other way round only reads. */
static int finish_cp(struct command *c, const char *const words[], int n, struct docker_request *ret,
		     struct err *e)
{
	bool into = n > 1 && words[1][0] != '/' && words[1][0] != '.' && strchr(words[1], ':');
	const char *where = into ? words[1] : words[0], *colon = strchr(where, ':');

	if (!colon)
		return err_set(e, EINVAL, "one of the two has to be CONTAINER:PATH");
	c->name = strndup(where, (size_t)(colon - where));
	put_query(c, "path", colon + 1);
	ret->method = into ? "PUT" : "GET";
	return c->name ? 0 : err_sys(e, ENOMEM, "docker cp");
}

static int finish_rename(struct command *c, const char *const words[], int n, struct docker_request *ret,
			 struct err *e)
{
	(void)n;
	(void)ret;
	(void)e;
	put_query(c, "name", words[1]);
	return 0;
}

static int finish_logs(struct command *c, const char *const words[], int n, struct docker_request *ret,
		       struct err *e)
{
	(void)words;
	(void)n;
	(void)ret;
	(void)e;
	put_query(c, "stdout", "1");
	put_query(c, "stderr", "1");
	return 0;
}

static int finish_top(struct command *c, const char *const words[], int n, struct docker_request *ret,
		      struct err *e)
{
	char *args = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&args, &len);

	(void)ret;
	for (int i = 1; f && i < n; i++)
		(void)fprintf(f, "%s%s", i > 1 ? " " : "", words[i]);
	if (!f || fclose(f) != 0) {
		free(args);
		return err_sys(e, ENOMEM, "docker top");
	}
	if (n > 1)
		put_query(c, "ps_args", args);
	free(args);
	return 0;
}

/* ---- images ---- */

/* A name as docker sends it: "docker.io/library/x" is "x". @ret: malloc'd. */
static int read_image(const char *text, struct image_ref *ref, char **ret, struct err *e)
{
	const char *why = image_ref_parse(text, ref), *repository = ref->repository;
	bool hub;
	int r;

	if (why)
		return err_set(e, EINVAL, "%.256s: invalid reference format: it %s", text, why);
	hub = strcmp(ref->registry, "docker.io") == 0;
	if (hub && strncmp(repository, "library/", 8) == 0 && !strchr(repository + 8, '/'))
		repository += 8;
	r = asprintf(ret, "%s%s%s", hub ? "" : ref->registry, hub ? "" : "/", repository);
	return r < 0 ? err_sys(e, ENOMEM, "docker") : 0;
}

static void put_tag(struct command *c, const struct image_ref *ref)
{
	if (!json_is_true(json_object_get(c->config, "AllTags")))
		put_query(c, "tag", *ref->digest ? ref->digest : *ref->tag ? ref->tag : "latest");
}

static int finish_pull(struct command *c, const char *const words[], int n, struct docker_request *ret,
		       struct err *e)
{
	_cleanup_free_ char *name = NULL;
	struct image_ref ref = { 0 };
	int r = read_image(words[0], &ref, &name, e);

	(void)n;
	(void)ret;
	if (r < 0)
		return r;
	put_query(c, "fromImage", name);
	put_tag(c, &ref);
	return 0;
}

static int finish_push(struct command *c, const char *const words[], int n, struct docker_request *ret,
		       struct err *e)
{
	struct image_ref ref = { 0 };
	int r = read_image(words[0], &ref, &c->name, e);

	(void)n;
	(void)ret;
	if (r == 0)
		put_tag(c, &ref);
	return r;
}

static int finish_tag(struct command *c, const char *const words[], int n, struct docker_request *ret,
		      struct err *e)
{
	_cleanup_free_ char *name = NULL;
	struct image_ref ref = { 0 };
	int r = read_image(words[1], &ref, &name, e);

	(void)n;
	(void)ret;
	if (r < 0)
		return r;
	put_query(c, "repo", name);
	put_tag(c, &ref);
	return 0;
}

static int finish_commit(struct command *c, const char *const words[], int n, struct docker_request *ret,
			 struct err *e)
{
	_cleanup_free_ char *name = NULL;
	struct image_ref ref = { 0 };
	int r = n > 1 ? read_image(words[1], &ref, &name, e) : 0;

	if (r < 0)
		return r;
	put_query(c, "container", words[0]);
	if (name)
		put_query(c, "repo", name);
	if (*ref.tag)
		put_query(c, "tag", ref.tag);
	ret->body = json_object();
	return 0;
}

static int finish_images(struct command *c, const char *const words[], int n, struct docker_request *ret,
			 struct err *e)
{
	(void)ret;
	(void)e;
	if (n > 0)
		put_filter(c, "reference", words[0]);
	return 0;
}

static int finish_save(struct command *c, const char *const words[], int n, struct docker_request *ret,
		       struct err *e)
{
	(void)ret;
	(void)e;
	for (int i = 0; i < n; i++)
		put_query(c, "names", words[i]);
	return 0;
}

static int finish_search(struct command *c, const char *const words[], int n, struct docker_request *ret,
			 struct err *e)
{
	(void)n;
	(void)ret;
	(void)e;
	put_query(c, "term", words[0]);
	return 0;
}

static int finish_image_prune(struct command *c, const char *const words[], int n, struct docker_request *ret,
			      struct err *e)
{
	(void)words;
	(void)n;
	(void)ret;
	(void)e;
	put_filter(c, "dangling", json_is_true(json_object_get(c->config, "All")) ? "false" : "true");
	return 0;
}

static int finish_volume_prune(struct command *c, const char *const words[], int n, struct docker_request *ret,
			       struct err *e)
{
	(void)words;
	(void)n;
	(void)ret;
	(void)e;
	if (json_is_true(json_object_get(c->config, "All")))
		put_filter(c, "all", "true");
	return 0;
}

/* The password is nobody's business here. */
static int finish_login(struct command *c, const char *const words[], int n, struct docker_request *ret,
			struct err *e)
{
	(void)e;
	put_string(c->config, "serveraddress", n > 0 ? words[0] : "https://index.docker.io/v1/");
	ret->body = json_incref(c->config);
	return 0;
}

/* ---- the table ---- */

static const struct verb verbs[] = {
	{ "run", &run_flags, 1, ANY, false, "POST", "/containers/create", finish_run },
	{ "create", &run_flags, 1, ANY, false, "POST", "/containers/create", finish_run },
	{ "exec", &exec_flags, 2, ANY, false, "POST", "/containers/{}/exec", finish_exec },
	{ "ps", &ps_flags, 0, 0, true, "GET", "/containers/json", NULL },
	{ "start", &start_flags, 1, EACH, true, "POST", "/containers/{}/start", NULL },
	{ "stop", &stop_flags, 1, EACH, true, "POST", "/containers/{}/stop", NULL },
	{ "restart", &stop_flags, 1, EACH, true, "POST", "/containers/{}/restart", NULL },
	{ "kill", &kill_flags, 1, EACH, true, "POST", "/containers/{}/kill", NULL },
	{ "pause", &no_flags, 1, EACH, true, "POST", "/containers/{}/pause", NULL },
	{ "unpause", &no_flags, 1, EACH, true, "POST", "/containers/{}/unpause", NULL },
	{ "rename", &no_flags, 2, 2, true, "POST", "/containers/{}/rename", finish_rename },
	{ "update", &update_flags, 1, EACH, true, "POST", "/containers/{}/update", finish_update },
	{ "wait", &no_flags, 1, EACH, true, "POST", "/containers/{}/wait", NULL },
	{ "rm", &rm_flags, 1, EACH, true, "DELETE", "/containers/{}", NULL },
	{ "attach", &attach_flags, 1, 1, true, "POST", "/containers/{}/attach", NULL },
	{ "logs", &logs_flags, 1, 1, true, "GET", "/containers/{}/logs", finish_logs },
	{ "top", &no_flags, 1, ANY, false, "GET", "/containers/{}/top", finish_top },
	{ "stats", &stats_flags, 1, EACH, true, "GET", "/containers/{}/stats", NULL },
	{ "container inspect", &inspect_flags, 1, EACH, true, "GET", "/containers/{}/json", NULL },
	{ "port", &no_flags, 1, 2, true, "GET", "/containers/{}/json", NULL },
	{ "cp", &cp_flags, 2, 2, true, "GET", "/containers/{}/archive", finish_cp },
	{ "diff", &no_flags, 1, 1, true, "GET", "/containers/{}/changes", NULL },
	{ "export", &export_flags, 1, 1, true, "GET", "/containers/{}/export", NULL },
	{ "commit", &commit_flags, 1, 2, true, "POST", "/commit", finish_commit },
	{ "container prune", &prune_flags, 0, 0, true, "POST", "/containers/prune", NULL },

	{ "images", &images_flags, 0, 1, true, "GET", "/images/json", finish_images },
	{ "pull", &pull_flags, 1, 1, true, "POST", "/images/create", finish_pull },
	{ "push", &push_flags, 1, 1, true, "POST", "/images/{}/push", finish_push },
	{ "build", &build_flags, 0, 1, true, "POST", "/build", finish_build },
	{ "save", &save_flags, 1, ANY, true, "GET", "/images/get", finish_save },
	{ "load", &load_flags, 0, 0, true, "POST", "/images/load", NULL },
	{ "tag", &no_flags, 2, 2, true, "POST", "/images/{}/tag", finish_tag },
	{ "rmi", &rmi_flags, 1, EACH, true, "DELETE", "/images/{}", NULL },
	{ "history", &history_flags, 1, 1, true, "GET", "/images/{}/history", NULL },
	{ "image inspect", &image_inspect_flags, 1, EACH, true, "GET", "/images/{}/json", NULL },
	{ "image prune", &prune_all_flags, 0, 0, true, "POST", "/images/prune", finish_image_prune },
	{ "search", &search_flags, 1, 1, true, "GET", "/images/search", finish_search },
	{ "login", &login_flags, 0, 1, true, "POST", "/auth", finish_login },

	{ "network ls", &network_list_flags, 0, 0, true, "GET", "/networks", NULL },
	{ "network inspect", &network_inspect_flags, 1, EACH, true, "GET", "/networks/{}", NULL },
	{ "network create", &network_flags, 1, 1, true, "POST", "/networks/create", finish_network },
	{ "network connect", &connect_flags, 2, 2, true, "POST", "/networks/{}/connect", finish_connect },
	{ "network disconnect", &disconnect_flags, 2, 2, true, "POST", "/networks/{}/disconnect",
	  finish_disconnect },
	{ "network rm", &network_rm_flags, 1, EACH, true, "DELETE", "/networks/{}", NULL },
	{ "network prune", &prune_flags, 0, 0, true, "POST", "/networks/prune", NULL },
	{ "volume ls", &volume_list_flags, 0, 0, true, "GET", "/volumes", NULL },
	{ "volume inspect", &format_flags, 1, EACH, true, "GET", "/volumes/{}", NULL },
	{ "volume create", &volume_flags, 0, 1, true, "POST", "/volumes/create", finish_volume },
	{ "volume rm", &volume_rm_flags, 1, EACH, true, "DELETE", "/volumes/{}", NULL },
	{ "volume prune", &prune_all_flags, 0, 0, true, "POST", "/volumes/prune", finish_volume_prune },

	{ "info", &format_flags, 0, 0, true, "GET", "/info", NULL },
	{ "version", &format_flags, 0, 0, true, "GET", "/version", NULL },
	{ "events", &events_flags, 0, 0, true, "GET", "/events", NULL },
	{ "system df", &system_df_flags, 0, 0, true, "GET", "/system/df", NULL },
	{ "inspect", &inspect_flags, 1, EACH, true, "GET", "/containers/{}/json", NULL },
	{ "swarm init", &no_flags, 0, 0, true, "POST", "/swarm/init", NULL },
	{ "swarm join", &no_flags, 0, 1, true, "POST", "/swarm/join", NULL },
	{ "plugin install", &no_flags, 1, ANY, true, "POST", "/plugins/pull", NULL },
};

/* The first name of the command that has this one: "rmi" of "image" "rm". @second: NULL for names of one word. */
static const char *first_name(const char *first, const char *second)
{
	size_t len = strlen(first);
	const char *name;

	for (size_t i = 0; docker_command_name(i, 0); i++)
		for (size_t k = 0; (name = docker_command_name(i, k)); k++)
			if (strncmp(name, first, len) == 0 &&
			    (second ? name[len] == ' ' && strcmp(name + len + 1, second) == 0 : name[len] == '\0'))
				return docker_command_name(i, 0);
	return NULL;
}

static const struct verb *find_verb(int argc, const char *const argv[], int *ret_used)
{
	const char *name = argc > 1 ? first_name(argv[0], argv[1]) : NULL;

	*ret_used = name ? 2 : 1;
	if (!name && argc > 0)
		name = first_name(argv[0], NULL);
	for (size_t i = 0; name && i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static int check_number(const struct verb *v, int n, struct err *e)
{
	int few = v->least - n, many = n - v->most;

	if (few > 0)
		return err_set(e, EINVAL, "docker %s: needs at least %d more argument%s", v->name, few,
			       few == 1 ? "" : "s");
	if (many > 0)
		return err_set(e, EINVAL, "docker %s: %d argument%s too many", v->name, many,
			       many == 1 ? "" : "s");
	return 0;
}

static int put_target(const struct command *c, const char *word, struct docker_request *ret)
{
	const char *at = strstr(c->path, "{}");
	char *target = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&target, &len);

	if (!f)
		return -ENOMEM;
	(void)fprintf(f, "%.*s", at ? (int)(at - c->path) : INT_MAX, c->path);
	if (at) {
		target_escape(f, c->name ? c->name : word, strncmp(c->path, "/images/", 8) == 0);
		(void)fputs(at + 2, f);
	}
	if (fclose(f) != 0) {
		free(target);
		return -ENOMEM;
	}
	ret->target = target;
	return 0;
}

static int read_command(const struct verb *v, struct command *c, int argc, const char *const argv[],
			struct docker_request *ret, struct err *e)
{
	_cleanup_free_ const char **words = calloc((size_t)argc + 1, sizeof *words);
	_cleanup_free_ char *filters = NULL;
	int n = 0, r;

	if (!words)
		return err_sys(e, ENOMEM, "docker");
	c->path = v->path;
	ret->method = v->method;
	r = flags_read(c, *v->flags, argc, argv, v->all, words, &n, e);
	if (r == 0)
		r = check_number(v, n, e);
	if (r == 0 && v->most == EACH && n > 1)
		ret->note = "only the first of them is judged here";
	if (r == 0 && v->finish)
		r = v->finish(c, words, n, ret, e);
	if (r < 0)
		return r;
	if (json_object_size(c->filters) > 0) {
		filters = json_dumps(c->filters, JSON_COMPACT | JSON_SORT_KEYS);
		put_query(c, "filters", filters ? filters : "");
	}
	return put_target(c, words[0], ret) < 0 ? err_sys(e, ENOMEM, "docker %s", v->name) : 0;
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

/* What stands before the command says which engine is asked, and that is the guard's here. */
static int skip_globals(struct command *c, int argc, const char *const argv[], const char **words, int *ret_words,
			struct err *e)
{
	int docker = argc > 0 && strcmp(argv[0], "docker") == 0;

	return flags_read(c, global_flags, argc - docker, argv + docker, false, words, ret_words, e);
}

static int parse(struct command *c, int argc, const char *const argv[], struct docker_request *ret, struct err *e)
{
	_cleanup_free_ const char **words = calloc((size_t)argc + 1, sizeof *words);
	const struct verb *v = NULL;
	int n = 0, used = 0, r;

	if (!words)
		return err_sys(e, ENOMEM, "docker");
	r = skip_globals(c, argc, argv, words, &n, e);
	if (r < 0)
		return r;
	if (argc <= WORDS_MAX)
		v = find_verb(n, words, &used);
	if (!v)
		return err_set(
			e, EINVAL,
			"docker %.40s: this command line is not understood here, as it is of several requests or of "
			"another name; give the request itself with --body",
			n ? words[0] : "");
	return read_command(v, c, n - used, words + used, ret, e);
}

int docker_parse(int argc, const char *const argv[], const struct docker_outside *outside,
		 struct docker_request *ret, struct err *e)
{
	struct command c = {
		.outside = outside, .config = json_object(), .host = json_object(), .filters = json_object()
	};
	struct docker_request found = { 0 };
	char *query = NULL;
	size_t len = 0;
	int r;

	c.query = open_memstream(&query, &len);
	if (!c.config || !c.host || !c.filters || !c.query)
		r = err_sys(e, ENOMEM, "docker");
	else
		r = parse(&c, argc, argv, &found, e);
	if (c.query && fclose(c.query) != 0 && r == 0)
		r = err_sys(e, ENOMEM, "docker");
	if (r == 0 && add_query(&found, query) < 0)
		r = err_sys(e, ENOMEM, "docker");
	free(query);
	free(c.name);
	json_decref(c.config);
	json_decref(c.host);
	json_decref(c.filters);
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
