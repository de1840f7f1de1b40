/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What entries of the allowed list demand beyond commands: of what is made (L32, U20), and that a container reaches only
 * what it made itself (ownOnly, U18). What is made through a container's socket carries a label with its scope, which the
 * engine filters lists by; clients cannot set that label, and an image's is overridden.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "codec/json-read.h"
#include "guard/built.h"
#include "guard/rules.h"
#include "socket/grants.h"

#define ECI "enhanced container isolation: "

static void json_cleanup(json_t **v)
{
	json_decref(*v);
}
#define _cleanup_json_ _cleanup_(json_cleanup)

static int no_memory(struct judging *j)
{
	return refuse(j, 503, "memory", "out of memory");
}

static int refuse_made(struct judging *j, const struct socket_image *entry, const char *what)
{
	j->v->setting = entry->setting;
	return refuse(j, 403, "docker socket request",
		      ECI
		      "%s is blocked for what is made through this container's Docker socket (\"create\" of %s)",
		      what, entry->setting);
}

const struct socket_image *own_only(const struct judge_request *q)
{
	for (size_t i = 0; i < q->n_entries; i++)
		if (q->entries[i]->own_only && !q->entries[i]->learn)
			return q->entries[i];
	return NULL;
}

/* ---- labels and names of what is made ---- */

static bool scopes_are_in_use(const struct settings_socket *s)
{
	for (size_t i = 0; i < s->n_images; i++)
		if (s->images[i].own_only)
			return true;
	return false;
}

static int set_label(struct judging *j, json_t *body, const char *key, const char *value)
{
	json_t *labels = json_object_get(body, "Labels");

	if (!labels) {
		labels = json_object();
		if (json_object_set_new(body, "Labels", labels) < 0)
			return no_memory(j);
	}
	return json_object_set_new(labels, key, json_string(value)) < 0 ? no_memory(j) : 0;
}

static int socket_label(struct judging *j, json_t *object)
{
	const struct judge_request *q = j->q;
	int r = 0;

	for (size_t i = 0; i < q->n_entries; i++)
		for (size_t k = 0; k < q->entries[i]->create.n_labels && r == 0; k++)
			r = set_label(j, object, q->entries[i]->create.labels[k].key,
				      q->entries[i]->create.labels[k].value);
	return r < 0 ? r : set_label(j, object, SCOPE_LABEL, q->grant->scope);
}

int socket_labels_of(struct judging *j, json_t *object, bool from_image)
{
	if (j->q->grant)
		return socket_label(j, object);
	(void)json_object_del(json_object_get(object, "Labels"), SCOPE_LABEL);
	/* What an image says must not put a container into a scope. */
	return from_image && scopes_are_in_use(&j->q->settings->socket) ? set_label(j, object, SCOPE_LABEL, "")
									: 0;
}

int socket_labels(struct judging *j, bool from_image)
{
	return socket_labels_of(j, j->q->body, from_image);
}

bool socket_wants_labels(const struct judge_request *q)
{
	for (size_t i = 0; i < q->n_entries; i++)
		if (q->entries[i]->create.n_labels)
			return true;
	return own_only(q);
}

/*
 * A line that begins with no instruction may complete one of another line ("LA\\", "BEL a=b"), say what else completes lines
 * ("# escape"), or begin with one behind what the engine takes for blank as well (a no-break space, a byte order mark).
 */
static int judge_changes(struct judging *j, const char *s)
{
	static const char *const open[] = { "CMD",     "ENTRYPOINT", "ENV",    "EXPOSE", "HEALTHCHECK",
					    "ONBUILD", "USER",	     "VOLUME", "WORKDIR" };

	for (; *s; s += strcspn(s, "\n"), s += *s == '\n') {
		size_t len, i = 0;

		s += strspn(s, " \t\v\f\r");
		len = strcspn(s, " \t\v\f\r\n");
		while (i < ARRAY_SIZE(open) && (strlen(open[i]) != len || strncasecmp(open[i], s, len) != 0))
			i++;
		if (len && i == ARRAY_SIZE(open))
			return refuse(
				j, 403, "docker socket request",
				ECI
				"instruction \"%.*s\" is blocked for this container's Docker socket, as labels are "
				"set by the guard; begin each line of a change with another instruction",
				(int)(len > 64 ? 64 : len), s);
	}
	return 0;
}

/* LABEL among the changes of a commit or an import would be stronger than the labels of its body. */
int socket_changes(struct judging *j)
{
	const struct judge_request *q = j->q;
	int r = 0;

	for (size_t i = 0; q->grant && i < q->n_query && r == 0; i++)
		if (strcmp(q->query[i].key, "changes") == 0)
			r = judge_changes(j, q->query[i].value);
	return r;
}

/* Their tasks are made elsewhere, by the engine: what "create" demands could not be put on them. */
int socket_service(struct judging *j)
{
	for (size_t i = 0; i < j->q->n_entries; i++) {
		const struct socket_create *c = &j->q->entries[i]->create;

		if (c->no_privileged || c->no_binds || c->networks || c->name_prefix || c->n_labels)
			return refuse_made(j, j->q->entries[i], "a service");
	}
	return 0;
}

int socket_name(struct judging *j, const char *name)
{
	for (size_t i = 0; i < j->q->n_entries; i++) {
		const struct socket_image *entry = j->q->entries[i];
		const char *prefix = entry->create.name_prefix;

		if (!prefix || strncmp(name, prefix, strlen(prefix)) == 0)
			continue;
		j->v->setting = entry->setting;
		return refuse(
			j, 403, "docker socket request",
			ECI
			"the name \"%.128s\" is blocked: what is made through this container's Docker socket has a name "
			"that begins with \"%.64s\" (namePrefix)",
			name, prefix);
	}
	return 0;
}

/* A container without a name gets one that has the prefix. */
static int container_name(struct judging *j)
{
	struct judge_request *q = j->q;
	const char *name = query_get(q, "name"), *prefix = NULL;
	uint64_t random;

	if (name && *name)
		return socket_name(j, *name == '/' ? name + 1 : name);
	for (size_t i = 0; i < q->n_entries && !prefix; i++)
		prefix = q->entries[i]->create.name_prefix;
	if (!prefix)
		return 0;
	if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random ||
	    asprintf(&q->made_name, "%s%016llx", prefix, (unsigned long long)random) < 0) {
		q->made_name = NULL;
		return no_memory(j);
	}
	j->v->query_set[j->v->n_query_set++] = (struct judge_pair){ "name", q->made_name };
	return socket_name(j, q->made_name);
}

/* ---- what a container may be ---- */

static bool is_empty(const json_t *v)
{
	return !v || json_is_null(v) || json_is_false(v) || (json_is_array(v) && json_array_size(v) == 0) ||
	       (json_is_object(v) && json_object_size(v) == 0) ||
	       (json_is_string(v) && json_string_length(v) == 0);
}

int socket_powers(struct judging *j, const json_t *config)
{
	static const char *const powers[] = { "Privileged",	   "CapAdd",	     "Capabilities", "Devices",
					      "DeviceCgroupRules", "DeviceRequests", "SecurityOpt" };
	static const char *const uncovers[] = { "MaskedPaths", "ReadonlyPaths" }; /* also by an empty list */

	const struct socket_image *entry = NULL;

	for (size_t i = 0; i < j->q->n_entries && !entry; i++)
		entry = j->q->entries[i]->create.no_privileged ? j->q->entries[i] : NULL;
	if (!entry)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(powers); i++)
		if (!is_empty(json_object_get(config, powers[i])))
			return refuse_made(j, entry, powers[i]);
	for (size_t i = 0; i < ARRAY_SIZE(uncovers); i++)
		if (json_object_get(config, uncovers[i]))
			return refuse_made(j, entry, uncovers[i]);
	return 0;
}

static bool network_listed(const struct socket_create *c, const char *name)
{
	for (size_t i = 0; i < c->n_networks; i++) {
		size_t n = strlen(c->networks[i]);
		bool open_end = n > 0 && c->networks[i][n - 1] == '*';

		if (open_end ? strncmp(c->networks[i], name, n - 1) == 0 : strcmp(c->networks[i], name) == 0)
			return true;
	}
	return false;
}

int socket_network(struct judging *j, const char *name)
{
	static const char *const everyones[] = { "bridge", "none", "host" };
	const struct judge_request *q = j->q;
	_cleanup_json_ json_t *net = NULL;
	const char *scope;
	int r;

	if (*name == '\0' || strcmp(name, "default") == 0)
		name = "bridge";
	for (size_t i = 0; i < q->n_entries; i++) {
		const struct socket_image *entry = q->entries[i];

		if (!entry->create.networks || strcmp(name, "none") == 0 || network_listed(&entry->create, name))
			continue;
		j->v->setting = entry->setting;
		return refuse(
			j, 403, "docker socket request",
			ECI
			"network \"%.128s\" is blocked for this container's Docker socket: it is not among the "
			"\"networks\" of %s (by name)",
			name, entry->setting);
	}
	for (size_t i = 0; i < ARRAY_SIZE(everyones); i++)
		if (strcmp(name, everyones[i]) == 0)
			return 0;
	if (!own_only(q))
		return 0;
	r = object_look_up(j, "networks", name, "", &net);
	if (r < 0)
		return r;
	scope = json_string_value(json_object_get(json_object_get(net, "Labels"), SCOPE_LABEL));
	if (scope && strcmp(scope, q->grant->scope) == 0)
		return 0;
	return refuse(j, 404, "own things only", "network %.128s not found", name);
}

int socket_buildkit(struct judging *j)
{
	if (socket_network(j, "") == 0)
		return 0;
	return refuse(
		j, 403, "docker socket request",
		ECI
		"BuildKit is blocked for this container's Docker socket: its steps may take network \"bridge\", which is "
		"not among the \"networks\" of %s; use DOCKER_BUILDKIT=0 docker build --network none",
		j->v->setting);
}

static int own_links(struct judging *j, const json_t *links)
{
	size_t i;
	json_t *v;

	json_array_foreach(links, i, v) {
		const char *text = json_string_value(v);
		_cleanup_free_ char *name = strndup(text, strcspn(text, ":"));
		int r = name ? container_ours(j, name, NULL) : no_memory(j);

		if (r < 0)
			return r;
	}
	return 0;
}

int socket_made(struct judging *j)
{
	struct judge_request *q = j->q;
	const json_t *hc = json_object_get(q->body, "HostConfig");
	int r = socket_labels(j, true);

	if (r < 0 || !q->n_entries)
		return r;
	r = container_name(j);
	if (r == 0)
		r = socket_powers(j, hc);
	if (r == 0 && !json_object_get(hc, "NetworkMode"))
		r = socket_network(j, "");
	if (r == 0 && own_only(q))
		r = own_links(j, json_object_get(hc, "Links"));
	return r;
}

/* Is somebody's build of interest to an entry of the list? */
static bool builds_count(const struct judge_request *q)
{
	const struct settings_socket *s = &q->settings->socket;
	uid_t uid = q->peer ? q->peer->uid : (uid_t)-1;

	if (!q->host || !q->host->built || q->grant)
		return false;
	for (size_t i = 0; i < s->n_images; i++) {
		const struct socket_image *entry = &s->images[i];

		if (entry->kind != SOCKET_IMAGE_LABEL)
			continue;
		if (entry->n_builders == 0 && uid == 0)
			return true;
		for (size_t k = 0; k < entry->n_builders; k++)
			if (entry->builders[k] == uid)
				return true;
	}
	return false;
}

int socket_build(struct judging *j)
{
	struct judge_request *q = j->q;
	const char *text = query_get(q, "labels");
	_cleanup_json_ json_t *labels = NULL;
	struct err e = { 0 };
	uint64_t random[2];

	if (builds_count(q)) {
		if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
			return no_memory(j);
		(void)snprintf(q->build_number, sizeof q->build_number, "%016llx%016llx",
			       (unsigned long long)random[0], (unsigned long long)random[1]);
	}
	if (!q->grant && !*q->build_number)
		return 0;
	if (!text || !*text)
		labels = json_object();
	else if (json_read("labels", text, strlen(text), &labels, &e) < 0 || !json_is_object(labels))
		return refuse(j, 400, "request target", ECI "the labels are not a JSON object");
	for (size_t i = 0; q->grant && i < q->n_entries; i++)
		for (size_t k = 0; k < q->entries[i]->create.n_labels; k++)
			if (json_object_set_new(labels, q->entries[i]->create.labels[k].key,
						json_string(q->entries[i]->create.labels[k].value)) < 0)
				return no_memory(j);
	if ((q->grant && json_object_set_new(labels, SCOPE_LABEL, json_string(q->grant->scope)) < 0) ||
	    (*q->build_number && json_object_set_new(labels, BUILT_LABEL, json_string(q->build_number)) < 0) ||
	    !(q->made_filters = json_dumps(labels, JSON_COMPACT)))
		return no_memory(j);
	j->v->query_set[j->v->n_query_set++] = (struct judge_pair){ "labels", q->made_filters };
	return 0;
}

/* ---- own things only ---- */

static const char *label_of(const json_t *object, const char *in)
{
	if (in)
		object = json_object_get(object, in);
	return json_string_value(json_object_get(json_object_get(object, "Labels"), SCOPE_LABEL));
}

static bool is_own(const struct judging *j, const char *scope)
{
	return scope && strcmp(scope, j->q->grant->scope) == 0;
}

int own_container(struct judging *j, const json_t *inspect, const char *name)
{
	if (!own_only(j->q) || is_own(j, label_of(inspect, "Config")))
		return 0;
	return refuse(j, j->depth > 0 ? 400 : 404, "own things only", "No such container: %.128s", name);
}

bool own_volume(const struct judging *j, const json_t *volume)
{
	return !own_only(j->q) || is_own(j, label_of(volume, NULL));
}

static int narrow(struct judging *j)
{
	struct judge_request *q = j->q;
	const char *text = query_get(q, "filters");
	_cleanup_json_ json_t *filters = NULL;
	char label[sizeof SCOPE_LABEL + GRANT_TOKEN_LEN + 1];
	struct err e = { 0 };
	json_t *labels;
	int r;

	(void)snprintf(label, sizeof label, SCOPE_LABEL "=%s", q->grant->scope);
	if (!text || !*text)
		filters = json_object();
	else if (json_read("filters", text, strlen(text), &filters, &e) < 0 || !json_is_object(filters))
		return refuse(j, 400, "request target", ECI "the filters are not a JSON object");
	labels = json_object_get(filters, "label");
	if (!labels && filters) {
		labels = json_array();
		(void)json_object_set_new(filters, "label", labels);
	}
	if (json_is_array(labels)) {
		r = json_array_append_new(labels, json_string(label));
	} else if (json_is_object(labels)) { /* as clients before API 1.22 write them */
		r = json_object_set_new(labels, label, json_true());
	} else {
		return refuse(j, 400, "request target", ECI "the filter \"label\" must be an array");
	}
	q->made_filters = r < 0 ? NULL : json_dumps(filters, JSON_COMPACT);
	if (!q->made_filters)
		return no_memory(j);
	j->v->query_set[j->v->n_query_set++] = (struct judge_pair){ "filters", q->made_filters };
	return 0;
}

/* Its own container it may look at: tools find their network that way. */
static int one_container(struct judging *j)
{
	_cleanup_json_ json_t *inspect = NULL;
	int r = container_look_up(j, j->q->segment[0], &inspect);
	const char *id = json_string_value(json_object_get(inspect, "Id"));

	if (r < 0)
		return r;
	if (!id || strcmp(id, j->q->grant->container) != 0 || strcmp(j->q->route->name, "container_inspect") != 0)
		r = own_container(j, inspect, j->q->segment[0]);
	return r < 0 ? r : pin_container(j, inspect);
}

static int one_exec(struct judging *j)
{
	_cleanup_json_ json_t *exec = NULL, *inspect = NULL;
	const char *id;
	int r = object_look_up(j, "exec", j->q->segment[0], "/json", &exec);

	if (r < 0)
		return r;
	id = json_string_value(json_object_get(exec, "ContainerID"));
	r = id ? container_look_up(j, id, &inspect) : -EPERM;
	if (r == 0)
		r = own_container(j, inspect, id);
	return r < 0 ? refuse(j, 404, "own things only", "No such exec instance: %.128s", j->q->segment[0]) : 0;
}

static int one_network(struct judging *j)
{
	const char *name = j->q->segment[0], *route = j->q->route->name;
	_cleanup_json_ json_t *net = NULL;
	bool shared;
	int r = object_look_up(j, "networks", name, "", &net);

	if (r < 0)
		return r;
	shared = strcmp(name, "bridge") == 0 || strcmp(name, "none") == 0;
	if (is_own(j, label_of(net, NULL)))
		return 0;
	/* Everybody's; but not who else is in it. */
	if (shared && strcmp(route, "network_inspect") == 0) {
		(void)json_object_set_new(net, "Containers", json_object());
		j->v->answer = net ? json_dumps(net, JSON_COMPACT) : NULL;
		return j->v->answer ? 1 : no_memory(j);
	}
	if (shared && strcmp(route, "network_delete") != 0)
		return 0;
	return refuse(j, 404, "own things only", "network %.128s not found", name);
}

static int one_volume(struct judging *j)
{
	_cleanup_json_ json_t *volume = NULL;
	int r = object_look_up(j, "volumes", j->q->segment[0], "", &volume);

	if (r < 0 || is_own(j, label_of(volume, NULL)))
		return r;
	return refuse(j, 404, "own things only", "get %.128s: no such volume", j->q->segment[0]);
}

/* An image that is not there is nobody's. */
static int image_is_own(struct judging *j, const char *name, bool missing_is_fine)
{
	_cleanup_json_ json_t *image = NULL;
	int r = object_look_up(j, "images", name, "/json", &image);

	if (r < 0 || (image ? is_own(j, label_of(image, "Config")) : missing_is_fine))
		return r;
	return refuse(
		j, image ? 403 : 404, "own things only",
		image ? ECI
			"image %.128s was not made through this container's Docker socket, so it can't be removed, "
			"pushed or replaced (ownOnly)"
		      : "No such image: %.128s",
		name);
}

static int one_image(struct judging *j)
{
	return image_is_own(j, j->q->segment[0], false);
}

/* A name that is given to an image takes it from the one that has it. */
static int new_name(struct judging *j, const char *repo, const char *tag)
{
	_cleanup_free_ char *name = NULL;

	if (!repo || !*repo)
		return 0;
	if (asprintf(&name, tag && *tag ? "%s:%s" : "%s", repo, tag) < 0)
		return no_memory(j);
	return image_is_own(j, name, true);
}

static int tag_image(struct judging *j)
{
	return new_name(j, query_get(j->q, "repo"), query_get(j->q, "tag"));
}

static int commit_image(struct judging *j)
{
	const char *container = query_get(j->q, "container");
	_cleanup_json_ json_t *inspect = NULL;
	int r = container_look_up(j, container ? container : "", &inspect);

	if (r == 0)
		r = own_container(j, inspect, container);
	return r < 0 ? r : tag_image(j);
}

static int build_image(struct judging *j)
{
	const struct judge_request *q = j->q;
	int r = 0;

	for (size_t i = 0; i < q->n_query && r == 0; i++)
		if (strcmp(q->query[i].key, "t") == 0)
			r = image_is_own(j, q->query[i].value, true);
	return r;
}

static int import_image(struct judging *j)
{
	const char *source = query_get(j->q, "fromSrc");

	return source && *source ? new_name(j, query_get(j->q, "repo"), query_get(j->q, "tag")) : 0;
}

static int open_to_all(struct judging *j)
{
	(void)j;
	return 0;
}

/* What is not here reaches everybody's. */
static const struct {
	const char *route; /* "container_*": all that begin so and have no row of their own before */
	int (*judge)(struct judging *j);
} own_routes[] = {
	{ "ping", open_to_all },
	{ "version", open_to_all },
	{ "info", open_to_all },
	{ "auth", open_to_all },
	{ "options", open_to_all },
	{ "events", narrow },
	{ "container_list", narrow },
	{ "container_create", open_to_all }, /* socket_made() */
	{ "container_prune", narrow },
	{ "container_*", one_container },
	{ "checkpoint_*", one_container },
	{ "exec_create", one_container },
	{ "exec_*", one_exec },
	{ "commit", commit_image },
	{ "image_list", open_to_all },
	{ "image_search", open_to_all },
	{ "image_history", open_to_all },
	{ "image_inspect", open_to_all },
	{ "image_attestations", open_to_all },
	{ "image_save", open_to_all },
	{ "image_save_one", open_to_all },
	{ "distribution_inspect", open_to_all },
	{ "image_create", import_image },
	{ "image_prune", narrow },
	{ "image_push", one_image },
	{ "image_delete", one_image },
	{ "image_tag", tag_image },
	{ "build", build_image },
	{ "build_cancel", open_to_all },
	{ "session", open_to_all },
	{ "network_list", narrow },
	{ "network_create", open_to_all },
	{ "network_prune", narrow },
	{ "network_*", one_network },
	{ "volume_list", narrow },
	{ "volume_create", open_to_all },
	{ "volume_prune", narrow },
	{ "volume_*", one_volume },
};

static bool is_route(const char *row, const char *name)
{
	size_t n = strlen(row);

	return row[n - 1] == '*' ? strncmp(row, name, n - 1) == 0 : strcmp(row, name) == 0;
}

int own_judge(struct judging *j)
{
	for (size_t i = 0; i < ARRAY_SIZE(own_routes); i++)
		if (is_route(own_routes[i].route, j->q->route->name))
			return own_routes[i].judge(j);
	j->v->setting = own_only(j->q)->setting;
	return refuse(
		j, 403, "own things only",
		ECI
		"docker command \"%.1024s\" is blocked, as this container's Docker socket only reaches what was made "
		"through it (ownOnly)",
		j->q->target);
}
