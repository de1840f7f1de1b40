/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's socket in containers (E47-E82): which containers get one, and what may be called through it. A container never
 * gets the engine's socket nor the guard's: its own one is mounted in the place of it (socket/grants.h).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "guard/engine.h"
#include "guard/rules.h"
#include "socket/grants.h"
#include "socket/trust.h"

#define ECI	       "enhanced container isolation: "
#define WAITING_MAX    64
#define UNUSED_MINUTES 10 /* socket-watch.c */
#define FRESH_S	       5  /* a decision holds for the start that follows */
#define LISTED	       "enhancedContainerIsolation.dockerSocketMount.imageList"

static void json_cleanup(json_t **v)
{
	json_decref(*v);
}
#define _cleanup_json_ _cleanup_(json_cleanup)

static int ask(void *ctx, const char *path, json_t **ret, struct err *e)
{
	return engine_get(ctx, path, ret, e);
}

/* ---- which containers get one ---- */

static void proto_done(struct grant *proto)
{
	free(proto->image);
	free(proto->entry);
}
#define _cleanup_proto_ _cleanup_(proto_done)

/* The first line, in the place of the one that is there; the others stay. */
static int set_entry(struct grant *proto, const char *entry)
{
	char *text = NULL, *others = strchr(proto->entry, '\n');

	if (asprintf(&text, "%s%s", entry, others ? others : "") < 0)
		return -ENOMEM;
	free(proto->entry);
	proto->entry = text;
	return 0;
}

/* What is made through a socket may not do more than who made it: its entries come along. */
static char *entries_above(const struct judge_request *q)
{
	char *text = NULL;

	if (!q->grant)
		return strdup("");
	return asprintf(&text, "\n%s", q->grant->entry) < 0 ? NULL : text;
}

/* @inspect: the image. Return: 0 and what the grant is about in @proto; -EPERM. */
static int decide(struct judging *j, const char *asked, json_t *inspect, struct grant *proto)
{
	const struct judge_request *q = j->q;
	const struct trust_engine engine = { ask, q->engine };
	const char *id = json_string_value(json_object_get(inspect, "Id"));
	const struct trust_image image = { .asked = asked, .id = id ? id : "", .inspect = inspect };
	struct trust_answer answer = { .why = TRUST_ERROR };

	trust_decide(q->host->trust, q->settings, &engine, &image, q->peer ? q->peer->uid : 0, &answer);
	if (answer.why != TRUST_ALLOWED) {
		j->v->setting = answer.setting;
		return refuse(j, answer.why == TRUST_ERROR ? 503 : 403, "docker socket", ECI "%s", answer.message);
	}
	if (set_entry(proto, answer.entry->text) < 0)
		return refuse(j, 503, "memory", "out of memory");
	proto->derived = answer.derived;
	(void)snprintf(proto->image_id, sizeof proto->image_id, "%s", image.id);
	(void)snprintf(proto->digest, sizeof proto->digest, "%s", answer.digest);
	return 0;
}

/* What can be said without asking anybody. */
static int refuse_at_once(struct judging *j)
{
	char image[600];

	image_familiar(j->image ? j->image : "", image, sizeof image);
	j->v->setting = LISTED;
	if (j->q->settings->socket.n_images == 0)
		return refuse(
			j, 403, "docker socket",
			ECI
			"Docker socket mount denied for container with image \"%s\"; allowed image list is empty.",
			image);
	if (!j->q->host || !j->q->host->trust || (!j->q->host->grants && !j->q->host->explains))
		return refuse(
			j, 403, "docker socket",
			ECI
			"Docker socket mount denied for container with image \"%s\"; the guard has no directory to "
			"remember it in: an administrator starts caissond with --state",
			image);
	if (!j->sockets)
		return refuse(
			j, 403, "docker socket",
			ECI
			"Docker socket mount denied for container with image \"%s\"; the socket can only be mounted "
			"by itself into a container that is made: -v /var/run/docker.sock:/var/run/docker.sock",
			image);
	return 0;
}

static bool is_name_or_id(const char *image)
{
	struct image_ref ref;

	return !image_ref_parse(image, &ref) || image_digest_valid(image) ||
	       (strlen(image) == 64 && image[strspn(image, "0123456789abcdef")] == '\0');
}

struct count {
	const char *scope;
	unsigned n;
};

static int count_waiting(void *ctx, struct grant *grant)
{
	struct count *c = ctx;

	c->n += !*grant->container && strcmp(grant->scope, c->scope) == 0;
	return 0;
}

/* Sockets that were never started are only dropped after a while: one container must not have them all. */
static int refuse_hoard(struct judging *j)
{
	struct count c = { .scope = j->q->grant ? j->q->grant->scope : "" };

	if (!j->q->grant)
		return 0;
	(void)grants_each(j->q->host->grants, count_waiting, &c);
	return c.n < WAITING_MAX
		       ? 0
		       : refuse(j, 503, "docker socket",
				ECI
				"%d containers that were made through this Docker socket, with one of their own, "
				"have not been started; start or remove some, and wait %d minutes",
				WAITING_MAX, UNUSED_MINUTES);
}

int socket_mount(struct judging *j, char **ret)
{
	_cleanup_json_ json_t *inspect = NULL;
	_cleanup_proto_ struct grant proto = { .image = strdup(j->image ? j->image : ""),
					       .entry = entries_above(j->q) };
	struct err e = { 0 };
	int r;

	if (j->socket_path && j->sockets)
		return (*ret = strdup(j->socket_path)) ? 0 : refuse_here(j, 503, "memory", "out of memory");
	r = proto.image && proto.entry ? refuse_at_once(j) : refuse(j, 503, "memory", "out of memory");
	if (r < 0)
		return r;
	/* An image that is not here is answered with 404 by the engine, pulled by the client, and asked for again. */
	if (j->image && *j->image && !is_name_or_id(j->image))
		return refuse(j, 400, "docker socket", ECI "the image's name %.256s: invalid reference format",
			      j->image);
	if (j->image && *j->image)
		r = object_look_up(j, "images", j->image, "/json", &inspect);
	if (r == 0 && inspect)
		r = decide(j, j->image, inspect, &proto);
	if (r < 0)
		return r;
	if (j->q->grant)
		(void)snprintf(proto.scope, sizeof proto.scope, "%s", j->q->grant->scope);
	if (j->q->host->explains) {
		changed(j, "the Docker socket is one of the container's own, by \"%.*s\"",
			(int)strcspn(proto.entry, "\n"), proto.entry);
		*ret = strdup("/run/docker.sock");
		return *ret ? 0 : refuse_here(j, 503, "memory", "out of memory");
	}
	r = refuse_hoard(j);
	if (r < 0)
		return r;
	if (grants_new(j->q->host->grants, &proto, &j->socket_path, j->q->socket_token, &e) < 0)
		return refuse(j, 503, "docker socket", ECI "no socket could be made for the container: %s", e.msg);
	changed(j, "the Docker socket is %s", j->socket_path);
	return (*ret = strdup(j->socket_path)) ? 0 : refuse_here(j, 503, "memory", "out of memory");
}

bool socket_is_ours(const struct judging *j, const char *path)
{
	char token[GRANT_TOKEN_LEN + 1];

	return path && j->q->host && j->q->host->grants && grants_token(j->q->host->grants, path, token);
}

/* The image may have been removed under the container: then what it was called is all that is known of it. */
static int image_of(struct judging *j, const char *id, const char *asked, json_t **ret)
{
	int r = object_look_up(j, "images", id, "/json", ret);

	if (r == 0 && !*ret)
		*ret = json_pack("{ss, s[s]}", "Id", id, "RepoTags", asked);
	return r == 0 && !*ret ? refuse(j, 503, "memory", "out of memory") : r;
}

/* Made a moment ago, for this image, by what the settings still say: `docker run` starts at once what it has made. */
static bool is_fresh(const struct judging *j, const struct grant *have, const char *image_id)
{
	const struct settings_socket *s = &j->q->settings->socket;
	_cleanup_free_ char *text = have ? strndup(have->entry, strcspn(have->entry, "\n")) : NULL;
	const struct socket_image *entry = text && *text ? settings_socket_entry(s, text) : NULL;
	time_t now = time(NULL), age = s->digest_max_age < FRESH_S ? (time_t)s->digest_max_age : FRESH_S;

	return entry && strcmp(have->image_id, image_id) == 0 && now >= have->created &&
	       now - have->created < age && (entry->derived || !have->derived) &&
	       (!entry->until || now < entry->until);
}

/* As decided when it was made. */
static int proto_of(struct judging *j, const struct grant *have, struct grant *proto)
{
	proto->derived = have->derived;
	memcpy(proto->image_id, have->image_id, sizeof proto->image_id);
	memcpy(proto->digest, have->digest, sizeof proto->digest);
	proto->image = strdup(have->image);
	return proto->image ? 0 : refuse(j, 503, "memory", "out of memory");
}

static int decide_by_image(struct judging *j, const char *image_id, struct grant *proto)
{
	_cleanup_json_ json_t *image = NULL;
	int r = image_of(j, image_id, j->image, &image);

	if (r == 0)
		r = decide(j, j->image, image, proto);
	if (r == 0 && !(proto->image = strdup(j->image)))
		r = refuse(j, 503, "memory", "out of memory");
	return r;
}

static int bind_grant(struct judging *j, const char *token, const json_t *inspect)
{
	struct grants *grants = j->q->host->grants;
	const char *id = json_string_value(json_object_get(inspect, "Id")),
		   *image_id = json_string_value(json_object_get(inspect, "Image")),
		   *asked = json_string_value(json_object_get(json_object_get(inspect, "Config"), "Image"));
	_cleanup_proto_ struct grant proto = { 0 };
	struct grant *have;
	struct err e = { 0 };
	int r;

	if (!id || !image_id)
		return refuse(j, 503, "engine", ECI "the engine does not say which image the container has");
	j->image = asked ? asked : image_id;
	j->sockets = true;
	have = grants_ref(grants, token);
	proto.entry = strdup(have ? have->entry : "");
	r = proto.entry ? refuse_at_once(j) : refuse(j, 503, "memory", "out of memory");
	if (r == 0)
		r = is_fresh(j, have, image_id) ? proto_of(j, have, &proto) : decide_by_image(j, image_id, &proto);
	if (have)
		grants_unref(grants, have);
	if (r < 0)
		return r;
	r = grants_bind(grants, token, id, &proto, &e);
	if (r == -EEXIST || r == -ENOENT)
		return refuse(
			j, 403, "docker socket",
			ECI
			"the Docker socket of this container %s; remove the container (docker rm) and create it "
			"again",
			r == -EEXIST ? "belongs to another one" : "is gone");
	if (r < 0)
		return refuse(j, 503, "docker socket", ECI "the container's Docker socket: %s", e.msg);
	return 0;
}

int socket_start(struct judging *j, const json_t *inspect)
{
	struct grants *grants = j->q->host ? j->q->host->grants : NULL;
	json_t *mounts = json_object_get(inspect, "Mounts"), *m;
	char done[GRANT_TOKEN_LEN + 1] = "";
	size_t i;

	json_array_foreach(mounts, i, m) {
		const char *source = json_string_value(json_object_get(m, "Source"));
		char token[GRANT_TOKEN_LEN + 1];
		int r;

		if (!source || !grants || !grants_token(grants, source, token) || strcmp(token, done) == 0)
			continue;
		r = bind_grant(j, token, inspect);
		if (r < 0)
			return r;
		memcpy(done, token, sizeof done);
	}
	return 0;
}

/* ---- what may be called through it ---- */

static int route_index(const struct judge_request *q)
{
	const char *image = query_get(q, "fromImage"), *from = query_get(q, "fromSrc");
	/* The engine pulls as soon as there is an image, whatever else there is. */
	bool imports = strcmp(q->route->name, "image_create") == 0 && from && *from && !(image && *image);

	return docker_route_index(imports ? "image_import" : q->route->name);
}

int socket_blocked(struct judging *j, const char *what)
{
	return refuse(
		j, 403, "docker socket command",
		ECI
		"docker command \"%.1024s\" is blocked; if you wish to allow it, configure the docker socket command "
		"list in the admin-settings.",
		what);
}

bool socket_route_allowed(const struct judge_request *q, const char *route)
{
	for (size_t i = 0; i < q->n_entries; i++)
		if (!q->entries[i]->learn &&
		    (q->entries[i]->read_only ||
		     !docker_command_list_allows(&q->entries[i]->commands, docker_route_index(route))))
			return false;
	return true;
}

/* Only looking, and not at what containers and images contain or say. */
static bool is_looking(const struct judge_request *q)
{
	static const char *const contents[] = {
		"container_archive_get", "container_attach_ws", "container_export", "container_logs", "image_save",
		"image_save_one",	 "service_logs",	"task_logs"
	};

	if (strcmp(q->method, "GET") != 0 && strcmp(q->method, "HEAD") != 0 && strcmp(q->method, "OPTIONS") != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(contents); i++)
		if (strcmp(q->route->name, contents[i]) == 0)
			return false;
	return true;
}

/* One line of grant.entry, as the settings have it now. */
static int find_entry(struct judging *j, const char *line, size_t len)
{
	struct judge_request *q = j->q;
	_cleanup_free_ char *text = strndup(line, len);
	const struct socket_image *entry = text ? settings_socket_entry(&q->settings->socket, text) : NULL;
	bool own = q->n_entries == 0;
	char image[600];

	image_familiar(own ? q->grant->image : "", image, sizeof image);
	j->v->setting = entry ? entry->setting : LISTED;
	if (!entry || (own && q->grant->derived && !entry->derived))
		return refuse(
			j, 403, "docker socket",
			ECI
			"Docker socket mount denied for container with image \"%s\"; image is not in the allowed list "
			"any more.",
			own    ? image
			: text ? text
			       : "");
	if (entry->until && time(NULL) >= entry->until)
		return refuse(
			j, 403, "docker socket",
			ECI
			"Docker socket mount denied for container with image \"%s\"; it was allowed until a time that "
			"has passed (%s).",
			own ? image : text, entry->setting);
	if (q->n_entries == JUDGE_ENTRIES)
		return refuse(j, 403, "docker socket",
			      ECI "this Docker socket was given on too often: %d containers made each other",
			      JUDGE_ENTRIES);
	q->entries[q->n_entries++] = entry;
	j->v->setting = NULL;
	return 0;
}

static int judge_entries(struct judging *j)
{
	const char *line = j->q->grant->entry ? j->q->grant->entry : "";

	j->q->n_entries = 0;
	for (;;) {
		size_t len = strcspn(line, "\n");
		int r = find_entry(j, line, len);

		if (r < 0 || !line[len])
			return r;
		line += len + 1;
	}
}

static int judge_command(struct judging *j, const struct socket_image *entry, int route)
{
	if (entry->learn)
		return 0;
	if (entry->read_only && !is_looking(j->q)) {
		j->v->setting = entry->setting;
		return refuse(
			j, 403, "docker socket command",
			ECI
			"docker command \"%.1024s\" is blocked, as this container's Docker socket is for looking only "
			"(readOnly).",
			j->q->target);
	}
	if (docker_command_list_allows(&entry->commands, route))
		return 0;
	j->v->setting = entry->commands_setting;
	return socket_blocked(j, j->q->target);
}

int socket_judge(struct judge_request *q, struct judge_verdict *v)
{
	struct judging j = { .q = q, .v = v };
	int route = route_index(q), r = judge_entries(&j);

	for (size_t i = 0; i < q->n_entries && r == 0; i++)
		r = judge_command(&j, q->entries[i], route);
	return r == 0 && own_only(q) ? own_judge(&j) : r;
}

void socket_count(struct judge_request *q, bool refused)
{
	grants_count(q->host->grants, q->grant, route_index(q), refused);
}
