/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/json-read.h"
#include "socket/grants-internal.h"

#define SUFFIX	  ".json"
#define NAME_SIZE (GRANT_TOKEN_LEN + sizeof SUFFIX + 16)
#define TEXT_MAX  8192u /* image, entry */
#define VERSION	  1

void grant_done(struct grant *grant)
{
	free(grant->image);
	free(grant->entry);
	grant->image = grant->entry = NULL;
}

int grant_copy(const struct grant *from, struct grant *ret)
{
	struct grant g = *from;

	g.fd = -EBADF;
	g.image = strdup(from->image ? from->image : "");
	g.entry = strdup(from->entry ? from->entry : "");
	if (!g.image || !g.entry) {
		grant_done(&g);
		return -ENOMEM;
	}
	*ret = g;
	return 0;
}

/* ---- text ------------------------------------------------------------------------------------------------------ */

static json_t *routes_json(const struct docker_routes *set)
{
	json_t *list = json_array();
	const char *const *names;
	size_t n;

	names = docker_route_names(&n);
	for (size_t i = 0; i < n; i++)
		if (docker_routes_has(set, (int)i) && json_array_append_new(list, json_string(names[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static char *record_text(const struct grant *g, const struct grant_counts *c)
{
	json_t *o = json_pack("{si ss ss ss ss ss ss ss sb sI sI sI so so}", "version", VERSION, "token", g->token,
			      "scope", g->scope, "container", g->container, "image", g->image, "imageId",
			      g->image_id, "entry", g->entry, "digest", g->digest, "derived", (int)g->derived,
			      "created", (json_int_t)g->created, "passed", (json_int_t)c->n_used, "blocked",
			      (json_int_t)c->n_refused, "used", routes_json(&c->used), "refused",
			      routes_json(&c->refused));
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	return text;
}

static int take_routes(const json_t *list, struct docker_routes *ret)
{
	const json_t *v;
	size_t i;

	if (!json_is_array(list))
		return -EINVAL;
	json_array_foreach(list, i, v) {
		int route = json_is_string(v) ? docker_route_index(json_string_value(v)) : -2;

		if (route == -2)
			return -EINVAL;
		if (route >= 0) /* one of another version is no damage */
			docker_routes_set(ret, route);
	}
	return 0;
}

/* A string of at most @size - 1 bytes of @accept (NULL: any). */
static int take_text(const json_t *o, const char *key, const char *accept, char *ret, size_t size)
{
	const char *s = json_string_value(json_object_get(o, key));

	if (!s || strlen(s) >= size || (accept && s[strspn(s, accept)] != '\0'))
		return -EINVAL;
	memcpy(ret, s, strlen(s) + 1);
	return 0;
}

static int take_token(const json_t *o, const char *key, char ret[static GRANT_TOKEN_LEN + 1])
{
	int r = take_text(o, key, NULL, ret, GRANT_TOKEN_LEN + 1);

	return r == 0 && !token_is_valid(ret) ? -EINVAL : r;
}

static int take_count(const json_t *o, const char *key, int64_t *ret)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return -EINVAL;
	*ret = json_integer_value(v);
	return 0;
}

#define ID_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-+:"

static int take_counts(const json_t *o, struct grant_counts *c)
{
	int64_t used, refused;
	int r = take_count(o, "passed", &used);

	if (r == 0)
		r = take_count(o, "blocked", &refused);
	if (r == 0)
		r = take_routes(json_object_get(o, "used"), &c->used);
	if (r == 0)
		r = take_routes(json_object_get(o, "refused"), &c->refused);
	if (r == 0)
		c->n_used = (uint64_t)used, c->n_refused = (uint64_t)refused;
	return r;
}

static int take_all(const json_t *o, struct grant *g, char *image, char *entry)
{
	const json_t *derived = json_object_get(o, "derived");
	int64_t version;
	int r = take_count(o, "version", &version);

	if (r == 0 && (version != VERSION || !json_is_boolean(derived)))
		r = -EINVAL;
	g->derived = json_is_true(derived);
	if (r == 0)
		r = take_token(o, "token", g->token);
	if (r == 0)
		r = take_token(o, "scope", g->scope);
	if (r == 0)
		r = take_text(o, "container", ID_CHARS, g->container, sizeof g->container);
	if (r == 0)
		r = take_text(o, "imageId", ID_CHARS, g->image_id, sizeof g->image_id);
	if (r == 0)
		r = take_text(o, "digest", ID_CHARS, g->digest, sizeof g->digest);
	if (r == 0)
		r = take_text(o, "image", NULL, image, TEXT_MAX);
	if (r == 0)
		r = take_text(o, "entry", NULL, entry, TEXT_MAX);
	if (r == 0)
		r = take_count(o, "created", &g->created);
	return r;
}

int record_parse(const char *token, const char *buf, size_t len, struct grant *ret, struct grant_counts *counts,
		 struct err *e)
{
	_cleanup_free_ char *image = malloc(TEXT_MAX), *entry = malloc(TEXT_MAX);
	struct grant g = { .fd = -EBADF };
	json_t *o = NULL;
	int r;

	if (!image || !entry)
		return err_sys(e, ENOMEM, "record");
	r = json_read("record", buf, len, &o, e);
	if (r < 0)
		return r;
	r = take_all(o, &g, image, entry);
	if (r == 0)
		r = take_counts(o, counts);
	json_decref(o);
	if (r == 0 && strcmp(g.token, token) != 0)
		r = -EINVAL;
	if (r < 0)
		return err_set(e, EINVAL, "record: not what the guard writes");
	g.image = image;
	g.entry = entry;
	r = grant_copy(&g, ret);
	return r < 0 ? err_sys(e, -r, "record") : 0;
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

static int write_new(int dir, const char *name, const char *text)
{
	_cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? -errno : io_write_all(fd, text, strlen(text));
}

int record_write(int dir, const struct grant *grant, const struct grant_counts *counts, struct err *e)
{
	_cleanup_free_ char *text = record_text(grant, counts);
	char name[NAME_SIZE], fresh[NAME_SIZE];
	int r;

	if (!text || strlen(text) > RECORD_MAX || (grant->image && strlen(grant->image) >= TEXT_MAX) ||
	    (grant->entry && strlen(grant->entry) >= TEXT_MAX))
		return err_set(e, EINVAL, "record of Docker socket %s: the names in it are too long or not UTF-8",
			       grant->token);
	(void)snprintf(name, sizeof name, "%s" SUFFIX, grant->token);
	(void)snprintf(fresh, sizeof fresh, ".%s" SUFFIX, grant->token);
	r = write_new(dir, fresh, text);
	if (r == 0 && renameat(dir, fresh, dir, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dir, fresh, 0);
	return r < 0 ? err_sys(e, -r, "write record of Docker socket %s", grant->token) : 0;
}

int record_sync(int dir, const char *token, struct err *e)
{
	_cleanup_close_ int fd = -EBADF;
	char name[NAME_SIZE];

	(void)snprintf(name, sizeof name, "%s" SUFFIX, token);
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fsync(fd) < 0 || fsync(dir) < 0)
		return err_sys(e, errno, "record of Docker socket %s", token);
	return 0;
}

void record_remove(int dir, const char *token)
{
	char name[NAME_SIZE];

	(void)snprintf(name, sizeof name, "%s" SUFFIX, token);
	(void)unlinkat(dir, name, 0);
}

/* The token in "<token>.json", or false. */
static bool name_token(const char *name, char ret[static GRANT_TOKEN_LEN + 1])
{
	if (strlen(name) != GRANT_TOKEN_LEN + strlen(SUFFIX) || strcmp(name + GRANT_TOKEN_LEN, SUFFIX) != 0)
		return false;
	memcpy(ret, name, GRANT_TOKEN_LEN);
	ret[GRANT_TOKEN_LEN] = '\0';
	return token_is_valid(ret);
}

static void set_aside(int dir, const char *name, const struct grants_config *config, const struct err *why)
{
	char aside[NAME_SIZE], message[2048];

	(void)snprintf(aside, sizeof aside, "%.*s.damaged", GRANT_TOKEN_LEN + (int)strlen(SUFFIX), name);
	(void)snprintf(
		message, sizeof message,
		"%s/grants/%s is damaged and was moved to %s: its container cannot be started any more, make it "
		"anew (%.500s)",
		config->state, name, aside, why->msg);
	(void)renameat(dir, name, dir, aside);
	config->say(config->ctx, message);
}

static int read_one(int dir, const char *name, const char *token, const struct grants_config *config,
		    struct grant *ret, struct grant_counts *counts, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	struct err why = { 0 };
	size_t len;
	int r = io_read_at(dir, name, RECORD_MAX, &text, &len);

	if (r == -ENOMEM || r == -EMFILE || r == -ENFILE || r == -EIO)
		return err_sys(e, -r, "%s/grants/%s", config->state, name);
	r = r < 0 ? err_sys(&why, -r, "read") : record_parse(token, text, len, ret, counts, &why);
	if (r == -ENOMEM)
		return err_sys(e, ENOMEM, "%s/grants/%s", config->state, name);
	if (r == 0)
		return 1;
	set_aside(dir, name, config, &why);
	return 0;
}

int records_read(int dir, const struct grants_config *config,
		 int (*f)(void *ctx, struct grant *grant, const struct grant_counts *counts), void *ctx,
		 struct err *e)
{
	int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *d = again < 0 ? NULL : fdopendir(again);
	const struct dirent *ent;

	if (!d) {
		(void)fd_close(again);
		return err_sys(e, errno, "%s/grants", config->state);
	}
	while ((ent = readdir(d))) {
		char token[GRANT_TOKEN_LEN + 1];
		struct grant_counts counts = { 0 };
		struct grant grant;
		int r;

		if (ent->d_name[0] == '.' && name_token(ent->d_name + 1, token))
			(void)unlinkat(dir, ent->d_name, 0);
		if (!name_token(ent->d_name, token))
			continue;
		r = read_one(dir, ent->d_name, token, config, &grant, &counts, e);
		if (r > 0)
			r = f(ctx, &grant, &counts);
		if (r < 0)
			return r;
	}
	return 0;
}
