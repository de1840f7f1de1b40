/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/settings-socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "codec/settings-internal.h"

#define OURS	 "caisson.dockerSocket.images"
#define DOCKERS	 "enhancedContainerIsolation.dockerSocketMount.imageList.images"
#define COMMANDS ".commandList"
#define SETTING_SIZE \
	(sizeof OURS + sizeof OURS + sizeof COMMANDS + 2 * sizeof "[4095]") /* both texts of an entry */
#define DIRECTORY_MAX (107 - 1 - 32 - (sizeof "/docker.sock" - 1)) /* so that sun_path holds a socket in it */
#define AGE_MAX	      (7u * 24 * 3600)
#define DIGEST_AGE    120
#define YEAR_FIRST    2000
#define NAME_LEN      128 /* of networks and containers */
#define LABEL_LEN     1024
#define HOST_LEN      200
#define URL_LEN	      512

_Static_assert(SETTING_SIZE > sizeof DOCKERS + sizeof "[4095]", "an entry of Docker's list has one text");

struct parser {
	struct settings_socket *s;
	char *pos; /* in s->heap, sized beforehand */
	struct err *e;
};

/* The objects on the way, for messages. */
struct place {
	struct where top, group, mount, list, caisson, socket;
};

/* ---- texts ---- */

/* "PREFIX[index]SUFFIX" into the heap; snprintf() would be most of the time that a long list takes. */
static const char *heap_setting(struct parser *p, const char *prefix, size_t index, const char *suffix)
{
	char digits[8], *s = p->pos, *d = digits + sizeof digits;

	do
		*--d = (char)('0' + index % 10);
	while ((index /= 10) > 0);
	p->pos = mempcpy(p->pos, prefix, strlen(prefix));
	*p->pos++ = '[';
	p->pos = mempcpy(p->pos, d, (size_t)(digits + sizeof digits - d));
	*p->pos++ = ']';
	p->pos = mempcpy(p->pos, suffix, strlen(suffix) + 1);
	return s;
}

/* reason: "TEXT" WHAT */
static int bad_text(struct err *e, const struct where *w, const char *name, const char *text, const char *what)
{
	char buf[96], reason[600];

	(void)snprintf(reason, sizeof reason, "\"%s\" %s", setting_shown(text, buf), what);
	return setting_bad(e, w, name, reason);
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What Docker takes for names of containers, networks and volumes; a prefix of one as well. */
static bool is_name(const char *s, size_t n)
{
	if (n == 0 || n > NAME_LEN || !is_alnum(s[0]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_alnum(s[i]) && !strchr("_.-", s[i]))
			return false;
	return true;
}

static bool is_plain(const char *s, size_t max)
{
	size_t n = strnlen(s, max + 1);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	return n <= max;
}

/* A scheme, and a host with a port or without; @more: further characters. */
static bool is_url(const char *s, const char *scheme, const char *more)
{
	size_t n = strlen(scheme);

	if (strncmp(s, scheme, n) != 0 || !s[n] || strlen(s) > URL_LEN)
		return false;
	for (s += n; *s; s++)
		if (!is_alnum(*s) && !strchr(".-:[]", *s) && !strchr(more, *s))
			return false;
	return true;
}

static bool digits(const char **s, size_t n, char end, unsigned lowest, unsigned highest, unsigned *ret)
{
	unsigned v = 0;

	for (size_t i = 0; i < n; i++) {
		if ((*s)[i] < '0' || (*s)[i] > '9')
			return false;
		v = v * 10 + (unsigned)((*s)[i] - '0');
	}
	if ((*s)[n] != end || v < lowest || v > highest)
		return false;
	*s += n + 1;
	*ret = v;
	return true;
}

/* RFC 3339, in UTC, to the second. From the year 2000 on, so that no time is 0. */
static bool read_time(const char *s, int64_t *ret)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	unsigned year, month, day, hour, minute, second;
	struct tm tm = { 0 };

	if (!digits(&s, 4, '-', YEAR_FIRST, 9999, &year) || !digits(&s, 2, '-', 1, 12, &month) ||
	    !digits(&s, 2, 'T', 1, 31, &day) || !digits(&s, 2, ':', 0, 23, &hour) ||
	    !digits(&s, 2, ':', 0, 59, &minute) || !digits(&s, 2, 'Z', 0, 59, &second) || *s)
		return false;
	if (day >
	    days[month - 1] + (unsigned)(month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)))
		return false;
	tm.tm_year = (int)year - 1900;
	tm.tm_mon = (int)month - 1;
	tm.tm_mday = (int)day;
	tm.tm_hour = (int)hour;
	tm.tm_min = (int)minute;
	tm.tm_sec = (int)second;
	*ret = timegm(&tm);
	return true;
}

/* ---- command lists ---- */

static int parse_command(struct parser *p, json_t *item, const struct where *lw, size_t i,
			 struct docker_command_list *ret)
{
	struct where w = setting_below(lw, "", i);
	char what[160] =
		"is no command of docker that is known; remove it or see docs/settings.md for the known ones";
	const char *name = json_string_value(item), *closest;

	if (!name)
		return setting_bad_type(p->e, &w, "", "a string", item);
	if (!*name)
		return setting_bad(p->e, &w, "", "is empty; remove it");
	if (docker_command_add(name, ret->allow, &ret->listed))
		return 0;
	closest = docker_command_closest(name);
	if (closest)
		(void)snprintf(what, sizeof what,
			       "is no command of docker that is known; write \"%s\" or remove it", closest);
	return bad_text(p->e, &w, "", name, what);
}

static int parse_commands(struct parser *p, json_t *obj, const struct where *w, struct docker_command_list *ret)
{
	struct where lw = setting_below(w, "commands", 0);
	const char *type = "deny";
	json_t *list;
	int r = setting_string(obj, w, "type", &type, p->e);

	if (r < 0)
		return r;
	if (strcmp(type, "deny") != 0 && strcmp(type, "allow") != 0)
		return setting_bad(p->e, w, "type", "is not known; write deny or allow");
	*ret = (struct docker_command_list){ .given = true, .allow = *type == 'a' };
	r = setting_array(obj, w, "commands", &list, p->e);
	for (size_t i = 0; r > 0 && i < json_array_size(list); i++) {
		int q = parse_command(p, json_array_get(list, i), &lw, i, ret);

		if (q < 0)
			return q;
	}
	return r < 0 ? r : 0;
}

/* ---- entries ---- */

static int parse_pattern(struct parser *p, const char *text, const struct where *w, const char *name,
			 struct socket_image *im)
{
	char what[240];
	const char *why;

	if (!*text)
		return setting_bad(p->e, w, name, "is empty; remove it");
	why = image_pattern_parse(text, &im->pattern);
	im->kind = SOCKET_IMAGE_NAME;
	im->text = text;
	if (!why)
		return 0;
	(void)snprintf(what, sizeof what, "%s; write NAME:TAG, NAME:*, NAME@sha256:DIGITS or *", why);
	return bad_text(p->e, w, name, text, what);
}

static int parse_networks(struct parser *p, json_t *list, const struct where *cw, struct socket_create *c)
{
	struct where w = setting_below(cw, "networks", 0);

	c->networks = calloc(json_array_size(list) + 1, sizeof *c->networks);
	if (!c->networks)
		return setting_no_memory(p->e, &w);
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *item = json_array_get(list, i);
		struct where iw = setting_below(&w, "", i);
		const char *name = json_string_value(item);
		size_t n;

		if (!name)
			return setting_bad_type(p->e, &iw, "", "a string like \"ci-*\"", item);
		n = strlen(name);
		n -= n > 0 && name[n - 1] == '*';
		if (!is_name(name, n) && strcmp(name, "*") != 0)
			return bad_text(
				p->e, &iw, "", name,
				"is no name of a network; write letters, digits, _ . and -, and * only at its end");
		c->networks[c->n_networks++] = name;
	}
	return 0;
}

static int parse_labels(struct parser *p, json_t *obj, const struct where *cw, struct socket_create *c)
{
	struct where w = setting_below(cw, "labels", 0);
	const char *key;
	json_t *val;

	c->labels = calloc(json_object_size(obj) + 1, sizeof *c->labels);
	if (!c->labels)
		return setting_no_memory(p->e, &w);
	json_object_foreach(obj, key, val) {
		if (!*key || !is_plain(key, LABEL_LEN) || strchr(key, '='))
			return bad_text(
				p->e, &w, "", key,
				"is no name of a label; write up to 1024 characters, no = and no control characters");
		if (!json_is_string(val))
			return setting_bad_type(p->e, &w, key, "a string", val);
		if (!is_plain(json_string_value(val), LABEL_LEN))
			return setting_bad(
				p->e, &w, key,
				"is too long or has control characters; write up to 1024 other characters");
		c->labels[c->n_labels++] = (struct socket_label){ key, json_string_value(val) };
	}
	return 0;
}

static int parse_create(struct parser *p, json_t *obj, const struct where *iw, struct socket_create *c)
{
	enum { PRIVILEGED, BINDS, NETWORKS, PREFIX, LABELS, N };
	static const char *const known[N] = { "privileged", "binds", "networks", "namePrefix", "labels" };
	struct where w = setting_below(iw, "create", 0);
	bool privileged = true, binds = true;
	json_t *m[N];
	int r;

	r = setting_members(obj, &w, known, N, m, p->e);
	if (r >= 0)
		r = setting_as_bool(m[PRIVILEGED], &w, "privileged", &privileged, p->e);
	if (r >= 0)
		r = setting_as_bool(m[BINDS], &w, "binds", &binds, p->e);
	if (r >= 0 && (r = setting_as_array(m[NETWORKS], &w, "networks", p->e)) > 0)
		r = parse_networks(p, m[NETWORKS], &w, c);
	if (r >= 0 && (r = setting_as_string(m[PREFIX], &w, "namePrefix", &c->name_prefix, p->e)) > 0 &&
	    !is_name(c->name_prefix, strlen(c->name_prefix)))
		r = bad_text(
			p->e, &w, "namePrefix", c->name_prefix,
			"cannot begin a container's name; write letters, digits, _ . and -, a letter or digit first");
	if (r >= 0 && (r = setting_as_object(m[LABELS], &w, "labels", p->e)) > 0)
		r = parse_labels(p, m[LABELS], &w, c);
	c->no_privileged = !privileged;
	c->no_binds = !binds;
	return r;
}

static int parse_label(struct parser *p, const char *text, const struct where *w, struct socket_image *im)
{
	char *key = p->pos, *value;

	p->pos = mempcpy(p->pos, text, strlen(text) + 1);
	value = strchr(key, '=');
	if (!value || value == key || !is_plain(text, LABEL_LEN))
		return bad_text(p->e, w, "label", text,
				"is no label; write NAME=VALUE, like org.example.ci=yes, up to 1024 characters");
	*value++ = '\0';
	im->kind = SOCKET_IMAGE_LABEL;
	im->text = text;
	im->label = (struct socket_label){ key, value };
	return 0;
}

static int parse_builders(struct parser *p, json_t *list, const struct where *iw, struct socket_image *im)
{
	struct where w = setting_below(iw, "builders", 0);

	if (json_array_size(list) == 0)
		return setting_bad(p->e, &w, "", "is empty; leave it out for root only, or name who builds");
	im->builders = calloc(json_array_size(list), sizeof *im->builders);
	if (!im->builders)
		return setting_no_memory(p->e, &w);
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *item = json_array_get(list, i);
		struct where bw = setting_below(&w, "", i);
		json_int_t uid = json_integer_value(item);

		if (json_is_string(item) ? strcmp(json_string_value(item), "root") != 0
					 : !json_is_integer(item) || uid < 0 || uid >= UINT32_MAX)
			return setting_bad(p->e, &bw, "", "is no user; write \"root\" or a user id, like 1000");
		im->builders[im->n_builders++] = (uint32_t)uid;
	}
	return 0;
}

enum member {
	IMAGE,
	ID,
	LABEL,
	BUILDERS,
	DERIVED,
	COMMAND_LIST,
	READ_ONLY,
	OWN_ONLY,
	UNTIL,
	LEARN,
	CREATE,
	N_MEMBERS
};

/* Which image: one of three ways to say it. */
static int parse_what(struct parser *p, json_t *const m[N_MEMBERS], const struct where *w, struct socket_image *im)
{
	const char *image = NULL, *id = NULL, *label = NULL;
	int r = setting_as_string(m[IMAGE], w, "image", &image, p->e);

	if (r >= 0)
		r = setting_as_string(m[ID], w, "id", &id, p->e);
	if (r >= 0)
		r = setting_as_string(m[LABEL], w, "label", &label, p->e);
	if (r < 0)
		return r;
	if (!image + !id + !label != 2)
		return setting_bad(p->e, w, "", "must have one of image, id and label; name what is allowed");
	if (id && !image_digest_valid(id))
		return bad_text(
			p->e, w, "id", id,
			"is no id of an image; write sha256: and 64 digits, as docker images --no-trunc shows it");
	if (image)
		r = parse_pattern(p, image, w, "image", im);
	else if (label)
		r = parse_label(p, label, w, im);
	if (r < 0)
		return r;
	if (id) {
		im->kind = SOCKET_IMAGE_ID;
		im->text = im->id = id;
	}
	r = setting_as_array(m[BUILDERS], w, "builders", p->e);
	if (r > 0 && !label)
		return setting_bad(p->e, w, "builders", "is for entries with a label; remove it");
	return r > 0 ? parse_builders(p, m[BUILDERS], w, im) : r;
}

static int parse_own_commands(struct parser *p, json_t *obj, const struct where *iw, struct socket_image *im)
{
	static const char *const known[] = { "type", "commands" };
	struct where w = setting_below(iw, "commandList", 0);
	int r = setting_only_known(obj, &w, known, ARRAY_SIZE(known), p->e);

	im->commands_setting = heap_setting(p, OURS, iw->index, COMMANDS);
	return r < 0 ? r : parse_commands(p, obj, &w, &im->commands);
}

static int parse_entry(struct parser *p, json_t *obj, const struct where *w, struct socket_image *im)
{
	static const char *const known[N_MEMBERS] = {
		"image",   "id",    "label", "builders", "allowDerivedImages", "commandList", "readOnly",
		"ownOnly", "until", "learn", "create"
	};
	json_t *m[N_MEMBERS];
	const char *until;
	int r;

	if (!json_is_object(obj))
		return setting_bad_type(p->e, w, "", "an object like {\"image\": \"docker:cli\"}", obj);
	r = setting_members(obj, w, known, N_MEMBERS, m, p->e);
	if (r >= 0)
		r = parse_what(p, m, w, im);
	if (r >= 0)
		r = setting_as_bool(m[DERIVED], w, "allowDerivedImages", &im->derived, p->e);
	if (r >= 0)
		r = setting_as_bool(m[READ_ONLY], w, "readOnly", &im->read_only, p->e);
	if (r >= 0)
		r = setting_as_bool(m[OWN_ONLY], w, "ownOnly", &im->own_only, p->e);
	if (r >= 0)
		r = setting_as_bool(m[LEARN], w, "learn", &im->learn, p->e);
	if (r >= 0 && (r = setting_as_string(m[UNTIL], w, "until", &until, p->e)) > 0 &&
	    !read_time(until, &im->until))
		r = bad_text(p->e, w, "until", until, "is no time; write it in UTC, like 2027-01-31T00:00:00Z");
	if (r >= 0 && (r = setting_as_object(m[COMMAND_LIST], w, "commandList", p->e)) > 0)
		r = parse_own_commands(p, m[COMMAND_LIST], w, im);
	if (r >= 0 && (r = setting_as_object(m[CREATE], w, "create", p->e)) > 0)
		r = parse_create(p, m[CREATE], w, &im->create);
	return r;
}

static uint32_t hash(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

/* Two entries of ours with one text could contradict each other, and grants know an entry by its text. */
static int refuse_twice(struct parser *p, const struct where *lw)
{
	const struct settings_socket *s = p->s;
	_cleanup_free_ uint32_t *h = malloc((s->n_images + 1) * sizeof *h);

	if (!h)
		return setting_no_memory(p->e, lw);
	for (size_t i = 0; i < s->n_images; i++) {
		h[i] = hash(s->images[i].text);
		for (size_t j = 0; j < i; j++)
			if (h[i] == h[j] && strcmp(s->images[i].text, s->images[j].text) == 0) {
				struct where w = setting_below(lw, "", i);

				return bad_text(p->e, &w, "", s->images[i].text,
						"is listed twice; keep one entry");
			}
	}
	return 0;
}

static struct socket_image *next_image(struct settings_socket *s, const char *setting)
{
	struct socket_image *im = &s->images[s->n_images++];

	im->setting = setting;
	im->derived = s->derived;
	im->commands = s->commands;
	im->commands_setting = "enhancedContainerIsolation.dockerSocketMount.commandList";
	return im;
}

static int parse_ours(struct parser *p, json_t *list, const struct where *w)
{
	struct where lw = setting_below(w, "images", 0);

	for (size_t i = 0; i < json_array_size(list); i++) {
		struct socket_image *im = next_image(p->s, heap_setting(p, OURS, i, ""));
		struct where iw = setting_below(&lw, "", i);
		int r = parse_entry(p, json_array_get(list, i), &iw, im);

		if (r < 0)
			return r;
	}
	return refuse_twice(p, &lw);
}

static int parse_dockers(struct parser *p, json_t *list, const struct where *w)
{
	struct where lw = setting_below(w, "images", 0);

	for (size_t i = 0; i < json_array_size(list); i++) {
		struct socket_image *im = next_image(p->s, heap_setting(p, DOCKERS, i, ""));
		json_t *item = json_array_get(list, i);
		struct where iw = setting_below(&lw, "", i);
		int r = json_is_string(item) ? parse_pattern(p, json_string_value(item), &iw, "", im)
					     : setting_bad_type(p->e, &iw, "", "a string", item);

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- registries and the rest ---- */

static int parse_file(struct parser *p, json_t *obj, const struct where *w, const char *name, const char **ret)
{
	int r = setting_string(obj, w, name, ret, p->e);

	if (r > 0 && **ret == '$')
		return setting_bad(p->e, w, name, "has a variable; write the full path");
	return r > 0 ? setting_path(w, name, *ret, ret, p->e) : r;
}

/* As names of images are understood, or nothing would ever be asked about what is written there. */
static int check_host(struct parser *p, const char *host, const struct where *lw)
{
	char text[HOST_LEN + sizeof "/x"], what[64 + IMAGE_NAME_MAX];
	struct image_ref ref;

	if (strlen(host) <= HOST_LEN) {
		(void)snprintf(text, sizeof text, "%s/x", host);
		if (!image_ref_parse(text, &ref)) {
			if (strcmp(ref.registry, host) == 0)
				return 0;
			if (strcmp(ref.repository, "x") == 0 || strcmp(ref.repository, "library/x") == 0) {
				(void)snprintf(what, sizeof what, "is called otherwise in names; write \"%s\"",
					       ref.registry);
				return bad_text(p->e, lw, "", host, what);
			}
		}
	}
	return bad_text(p->e, lw, "", host, "is no name of a registry; write HOST or HOST:PORT");
}

static int parse_registry(struct parser *p, const char *host, json_t *obj, const struct where *lw,
			  struct socket_registry *ret)
{
	static const char *const known[] = { "insecure", "ca", "auth", "mirror" };
	struct where w = setting_below(lw, host, 0);
	int r;

	r = check_host(p, host, lw);
	if (r < 0)
		return r;
	if (!json_is_object(obj))
		return setting_bad_type(p->e, &w, "", "an object like {\"ca\": \"/etc/ssl/registry.pem\"}", obj);
	*ret = (struct socket_registry){ .host = host };
	r = setting_only_known(obj, &w, known, ARRAY_SIZE(known), p->e);
	if (r >= 0)
		r = setting_bool(obj, &w, "insecure", &ret->insecure, p->e);
	if (r >= 0)
		r = parse_file(p, obj, &w, "ca", &ret->ca);
	if (r >= 0)
		r = parse_file(p, obj, &w, "auth", &ret->auth);
	if (r >= 0 && (r = setting_string(obj, &w, "mirror", &ret->mirror, p->e)) > 0 &&
	    !is_url(ret->mirror, "https://", "") && !(ret->insecure && is_url(ret->mirror, "http://", "")))
		r = bad_text(p->e, &w, "mirror", ret->mirror,
			     "is no mirror; write https://HOST or https://HOST:PORT (http:// only with insecure)");
	return r;
}

static int parse_registries(struct parser *p, json_t *obj, const struct where *w)
{
	struct where lw = setting_below(w, "registries", 0);
	const char *host;
	json_t *val;

	p->s->registries = calloc(json_object_size(obj) + 1, sizeof *p->s->registries);
	if (!p->s->registries)
		return setting_no_memory(p->e, &lw);
	json_object_foreach(obj, host, val) {
		int r = parse_registry(p, host, val, &lw, &p->s->registries[p->s->n_registries]);

		if (r < 0)
			return r;
		p->s->n_registries++;
	}
	return 0;
}

static int parse_directory(struct parser *p, json_t *obj, const struct where *w)
{
	char what[80];
	int r = parse_file(p, obj, w, "directory", &p->s->directory);

	if (r < 0 || strlen(p->s->directory) <= DIRECTORY_MAX)
		return r;
	(void)snprintf(what, sizeof what, "is too long for sockets in it; write at most %zu characters",
		       DIRECTORY_MAX);
	return bad_text(p->e, w, "directory", p->s->directory, what);
}

static int parse_offline(struct parser *p, json_t *obj, const struct where *w)
{
	const char *word = "refuse";
	int r = setting_string(obj, w, "offline", &word, p->e);

	if (r < 0)
		return r;
	if (strcmp(word, "lastKnown") == 0)
		p->s->offline = SOCKET_OFFLINE_LAST_KNOWN;
	else if (strcmp(word, "refuse") != 0)
		return setting_bad(p->e, w, "offline", "is not known; write refuse or lastKnown");
	return 0;
}

static int parse_rest(struct parser *p, json_t *obj, const struct where *w)
{
	struct settings_socket *s = p->s;
	json_t *val;
	int r = parse_directory(p, obj, w);

	if (r >= 0)
		r = setting_number(obj, w, "digestMaxAge", 0, AGE_MAX, &s->digest_max_age, p->e);
	if (r >= 0)
		r = setting_number(obj, w, "staleMaxAge", 0, AGE_MAX, &s->stale_max_age, p->e);
	if (r >= 0)
		r = parse_offline(p, obj, w);
	if (r >= 0 && (r = setting_string(obj, w, "proxy", &s->proxy, p->e)) > 0 &&
	    !is_url(s->proxy, "http://", "_~%@"))
		r = setting_bad(p->e, w, "proxy", "is no proxy; write http://HOST:PORT");
	if (r >= 0 && (r = setting_object(obj, w, "registries", &val, p->e)) > 0)
		r = parse_registries(p, val, w);
	return r;
}

/* Room for what is made while parsing: the texts of each entry, and labels, which are cut in two. */
static int make_room(struct parser *p, json_t *ours, json_t *dockers, const struct where *w)
{
	size_t n = json_array_size(ours) + json_array_size(dockers), labels = 0;
	const char *key;
	json_t *val;

	for (size_t i = 0; i < json_array_size(ours); i++)
		json_object_foreach(json_array_get(ours, i), key, val)
			labels += json_is_string(val) ? json_string_length(val) + 1 : 0;
	if (n == 0)
		return 0;
	p->s->images = calloc(n, sizeof *p->s->images);
	p->s->heap = malloc(n * SETTING_SIZE + labels);
	p->pos = p->s->heap;
	return p->s->images && p->s->heap ? 0 : setting_no_memory(p->e, w);
}

/* Docker's part; of its images only the list. */
static int parse_mount(struct parser *p, json_t *root, const struct place *at, json_t **ret_images)
{
	struct where cw = setting_below(&at->mount, "commandList", 0);
	json_t *group, *mount, *obj;
	int r = setting_object(root, &at->top, "enhancedContainerIsolation", &group, p->e);

	if (r > 0)
		r = setting_object(group, &at->group, "dockerSocketMount", &mount, p->e);
	if (r <= 0)
		return r;
	r = setting_object(mount, &at->mount, "imageList", &obj, p->e);
	if (r > 0) {
		r = setting_array(obj, &at->list, "images", ret_images, p->e);
		if (r >= 0)
			r = setting_bool(obj, &at->list, "allowDerivedImages", &p->s->derived, p->e);
	}
	if (r >= 0)
		r = setting_object(mount, &at->mount, "commandList", &obj, p->e);
	return r > 0 ? parse_commands(p, obj, &cw, &p->s->commands) : r;
}

static int parse_socket(struct parser *p, json_t *root, const struct place *at)
{
	static const char *const known[] = { "directory", "images", "digestMaxAge", "staleMaxAge",
					     "offline",	  "proxy",  "registries",   "locked" };
	json_t *caisson, *obj = NULL, *ours = NULL, *dockers = NULL;
	bool ignored; /* settings_merge() obeys it */
	int r = parse_mount(p, root, at, &dockers);

	if (r >= 0)
		r = setting_object(root, &at->top, "caisson", &caisson, p->e);
	if (r > 0)
		r = setting_object(caisson, &at->caisson, "dockerSocket", &obj, p->e);
	if (r > 0)
		r = setting_only_known(obj, &at->socket, known, ARRAY_SIZE(known), p->e);
	if (r >= 0)
		r = setting_bool(obj, &at->socket, "locked", &ignored, p->e);
	if (r >= 0)
		r = parse_rest(p, obj, &at->socket);
	if (r >= 0)
		r = setting_array(obj, &at->socket, "images", &ours, p->e);
	if (r >= 0)
		r = make_room(p, ours, dockers, &at->socket);
	if (r >= 0)
		r = parse_ours(p, ours, &at->socket);
	return r >= 0 ? parse_dockers(p, dockers, &at->list) : r;
}

int settings_socket_parse(const char *file, json_t *root, struct settings_socket *ret, struct err *e)
{
	struct parser p = { .s = ret, .e = e };
	struct place at = { .top = { .file = file } };

	at.group = setting_below(&at.top, "enhancedContainerIsolation", 0);
	at.mount = setting_below(&at.group, "dockerSocketMount", 0);
	at.list = setting_below(&at.mount, "imageList", 0);
	at.caisson = setting_below(&at.top, "caisson", 0);
	at.socket = setting_below(&at.caisson, "dockerSocket", 0);
	*ret = (struct settings_socket){ .directory = SOCKET_DIRECTORY, .digest_max_age = DIGEST_AGE };
	return parse_socket(&p, root, &at);
}

void settings_socket_done(struct settings_socket *s)
{
	for (size_t i = 0; i < s->n_images; i++) {
		free(s->images[i].builders);
		free(s->images[i].create.networks);
		free(s->images[i].create.labels);
	}
	free(s->images);
	free(s->registries);
	free(s->heap);
	*s = (struct settings_socket){ 0 };
}

const struct socket_image *settings_socket_entry(const struct settings_socket *s, const char *text)
{
	for (size_t i = 0; i < s->n_images; i++)
		if (strcmp(s->images[i].text, text) == 0)
			return &s->images[i];
	return NULL;
}

const struct socket_registry *settings_socket_registry(const struct settings_socket *s, const char *host)
{
	for (size_t i = 0; i < s->n_registries; i++)
		if (strcmp(s->registries[i].host, host) == 0)
			return &s->registries[i];
	return NULL;
}
