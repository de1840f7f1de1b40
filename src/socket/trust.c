/* SPDX-License-Identifier: Apache-2.0 */
#include "socket/trust.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "socket/registry-ask.h"
#include "socket/trust-internal.h"

#define TIME_LIMIT_MS 15000
#define QUESTIONS_MAX 16 /* of one entry about one image: an image can claim any number of names */
#define CERTS_DIR     "/etc/docker/certs.d"
#define LISTED	      "enhancedContainerIsolation.dockerSocketMount.imageList.images"

/* ---- what an image claims ---- */

static void add_name(struct candidate *c, const char *text)
{
	struct image_ref *ref = &c->names[c->n];

	/* "<none>:<none>" and the like are no names. */
	if (!text || image_ref_parse(text, ref))
		return;
	for (size_t i = 0; i < c->n; i++)
		if (memcmp(&c->names[i], ref, sizeof *ref) == 0)
			return;
	c->untagged &= !*ref->tag;
	c->n++;
}

int candidate_make(const char *asked, const char *id, const json_t *inspect, struct candidate *ret)
{
	const char *const lists[] = { "RepoTags", "RepoDigests" };
	struct candidate c = { .id = id, .descriptor = "", .untagged = true };
	const json_t *descriptor = json_object_get(inspect, "Descriptor");
	size_t n[ARRAY_SIZE(lists)];

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		n[i] = json_array_size(json_object_get(inspect, lists[i]));
		n[i] = n[i] < TRUST_NAMES_MAX ? n[i] : TRUST_NAMES_MAX;
	}
	c.names = calloc(1 + n[0] + n[1], sizeof *c.names);
	if (!c.names)
		return -ENOMEM;
	if (json_is_string(json_object_get(descriptor, "digest")))
		c.descriptor = json_string_value(json_object_get(descriptor, "digest"));
	c.labels = json_object_get(json_object_get(inspect, "Config"), "Labels");
	add_name(&c, asked);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (size_t k = 0; k < n[i]; k++)
			add_name(&c, json_string_value(json_array_get(json_object_get(inspect, lists[i]), k)));
	/* A name alone is a tag's; by an id, or a digest, an image can be called that no tag leads to. */
	for (size_t i = 0; i < c.n; i++)
		c.untagged &= *c.names[i].digest != '\0';
	*ret = c;
	return 0;
}

void candidate_done(struct candidate *c)
{
	free(c->names);
}

static bool is_digest(const struct candidate *c, const char *digest)
{
	return strcmp(c->id, digest) == 0 || strcmp(c->descriptor, digest) == 0;
}

/* ---- one entry ---- */

bool entry_ended(const struct deciding *d, const struct socket_image *entry)
{
	return entry->until && d->now >= entry->until;
}

struct finding prove_set(const struct deciding *d, const struct socket_image *entry, const struct image_ref *asked,
			 struct digest_set **ret)
{
	struct finding f = { .proof = PROOF_UNREACHABLE, .entry = entry, .asked = *asked };
	_cleanup_free_ char *auth = NULL;
	enum digests_result r;
	struct err e = { 0 };

	(void)pthread_mutex_lock(&d->t->lock);
	auth = credentials_get(d->t->credentials, d->uid, asked->registry, registry_now_ms());
	(void)pthread_mutex_unlock(&d->t->lock);
	r = digests_get(d->t->digests, &d->settings->socket, asked, auth, d->deadline_ms, ret, &e);
	if (r == DIGESTS_FOUND)
		f.proof = PROOF_YES;
	else if (r == DIGESTS_NONE)
		f.proof = PROOF_ABSENT;
	if (r != DIGESTS_FOUND)
		(void)snprintf(f.why, sizeof f.why, "%.*s", (int)sizeof f.why - 1, e.msg);
	if (auth)
		explicit_bzero(auth, strlen(auth));
	return f;
}

static struct finding ask(const struct deciding *d, const struct socket_image *entry, const struct candidate *c,
			  const struct image_ref *asked)
{
	struct digest_set *set = NULL;
	struct finding f = prove_set(d, entry, asked, &set);

	if (f.proof != PROOF_YES)
		return f;
	if (digest_set_has(set, c->id))
		(void)snprintf(f.digest, sizeof f.digest, "%s", c->id);
	else if (*c->descriptor && digest_set_has(set, c->descriptor))
		(void)snprintf(f.digest, sizeof f.digest, "%.71s", c->descriptor);
	else
		f.proof = PROOF_MOVED;
	digest_set_unref(set);
	return f;
}

/* Is the entry about the name? An image that no tag leads to is also held against tags of the repository it claims. */
static bool is_about(const struct image_pattern *p, const struct candidate *c, const struct image_ref *name)
{
	struct image_pattern any = *p;

	any.kind = IMAGE_PATTERN_ANY;
	return image_pattern_names(p, name) ||
	       (p->kind == IMAGE_PATTERN_TAG && c->untagged && image_pattern_names(&any, name));
}

/* What the registry is asked when the entry is about @name. */
static struct image_ref question(const struct image_pattern *p, const struct image_ref *name)
{
	struct image_ref asked = *name;

	if (p->kind == IMAGE_PATTERN_ANY)
		return asked;
	memcpy(asked.tag, p->ref.tag, sizeof asked.tag);
	memcpy(asked.digest, p->ref.digest, sizeof asked.digest);
	return asked;
}

/* Claimed digests first: what they stand for is known for ever, once it is known. */
static struct finding prove_name(const struct deciding *d, const struct socket_image *entry,
				 const struct candidate *c)
{
	const struct image_pattern *p = &entry->pattern;
	struct finding best = { .entry = entry };
	unsigned asked = 0;

	for (size_t i = 0; i < 2 * c->n && asked < QUESTIONS_MAX; i++) {
		const struct image_ref *name = &c->names[i % c->n];
		struct finding f;

		if ((*name->digest == '\0') != (i >= c->n) || !is_about(p, c, name))
			continue;
		if (entry_ended(d, entry))
			return (struct finding){ .proof = PROOF_EXPIRED, .entry = entry };
		f.asked = question(p, name);
		f = ask(d, entry, c, &f.asked);
		asked++;
		/* Not its tag, and none that it claims. */
		if (f.proof == PROOF_MOVED && p->kind == IMAGE_PATTERN_TAG && !image_pattern_names(p, name))
			f.proof = PROOF_NO;
		if (f.proof == PROOF_MOVED && p->kind == IMAGE_PATTERN_DIGEST)
			f.proof = PROOF_NO;
		if (f.proof > best.proof)
			best = f;
		if (f.proof == PROOF_YES || (p->kind != IMAGE_PATTERN_ANY && !p->glob))
			return best;
	}
	return best;
}

static bool is_built_here(const struct deciding *d, const struct socket_image *entry, const struct candidate *c)
{
	const char *value = json_string_value(json_object_get(c->labels, entry->label.key));

	if (!d->t->config.built || !value || strcmp(value, entry->label.value) != 0)
		return false;
	if (entry->n_builders == 0)
		return d->t->config.built(d->t->config.ctx, c->id, 0);
	for (size_t i = 0; i < entry->n_builders; i++)
		if (d->t->config.built(d->t->config.ctx, c->id, entry->builders[i]))
			return true;
	return false;
}

struct finding prove(const struct deciding *d, const struct socket_image *entry, const struct candidate *c)
{
	struct finding f = { .entry = entry };
	bool is = false;

	if (entry->kind == SOCKET_IMAGE_ID)
		is = strcmp(entry->id, c->id) == 0;
	else if (entry->kind == SOCKET_IMAGE_LABEL)
		is = is_built_here(d, entry, c);
	else
		is = entry->pattern.kind == IMAGE_PATTERN_ALL ||
		     (entry->pattern.kind == IMAGE_PATTERN_DIGEST && is_digest(c, entry->pattern.ref.digest));
	if (is) {
		f.proof = entry_ended(d, entry) ? PROOF_EXPIRED : PROOF_YES;
		(void)snprintf(f.digest, sizeof f.digest, "%.71s", c->id);
		return f;
	}
	return entry->kind == SOCKET_IMAGE_NAME ? prove_name(d, entry, c) : f;
}

/* ---- messages ---- */

/* The repository as M5 names it (E50), of whatever name is known; else the id or what was asked for, made printable. */
static void image_text(const struct trust_image *image, const struct candidate *c,
		       char buf[static IMAGE_NAME_MAX + 2])
{
	const char *s = image->asked && *image->asked ? image->asked : image->id;
	size_t n = 0;

	if (c->n > 0) {
		(void)image_ref_name(&c->names[0], buf, IMAGE_NAME_MAX + 2);
		return;
	}
	for (; *s && n < IMAGE_NAME_MAX; s++)
		buf[n++] = *s > ' ' && *s <= '~' && *s != '"' ? *s : '?';
	buf[n] = '\0';
}

static void full_name(const struct image_ref *ref, char *buf, size_t size)
{
	char name[IMAGE_NAME_MAX + 2];

	(void)snprintf(buf, size, "%s%s%s", image_ref_name(ref, name, sizeof name), *ref->digest ? "@" : ":",
		       *ref->digest ? ref->digest
		       : *ref->tag  ? ref->tag
				    : "latest");
}

#define DENIED "Docker socket mount denied for container with image \"%s\"; "
#define CORE   DENIED "image is not in the allowed list"
#define ADD    "If you wish to allow it, add the image name to the Docker socket image list in the admin-settings."

/* Append to the message. Names are at their longest when all of it does not fit: then its end is cut off. */
static void say(struct trust_answer *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct trust_answer *a, const char *fmt, ...)
{
	size_t n = strlen(a->message);
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(a->message + n, sizeof a->message - n, fmt, args);
	va_end(args);
}

static void say_not_listed(struct trust_answer *a, const char *image, const char *name, const struct finding *f,
			   const char *parent)
{
	a->why = TRUST_NOT_LISTED;
	say(a, CORE, image);
	if (f->proof == PROOF_ABSENT)
		say(a, ": its registry has no %s", name);
	say(a, ". " ADD);
	if (*parent)
		say(a,
		    " Alternatively add its parent image (%s) to the Docker socket image list in admin-settings and "
		    "set allowDerivedImages to true.",
		    parent);
}

static void say_moved(struct trust_answer *a, const char *image, const char *name, const struct finding *f)
{
	a->why = TRUST_MOVED;
	say(a, CORE, image);
	if (*f->digest)
		say(a,
		    ": it is made from an image that is not what the registry has as %s now. Get that, and make it "
		    "again: docker pull %s",
		    name, name);
	else
		say(a,
		    ": it has the name, but is not what the registry has as %s now. Get that: docker image rm %s && "
		    "docker pull %s",
		    name, name, name);
}

static void say_unreachable(struct trust_answer *a, const char *image, const char *name, const struct finding *f,
			    const struct settings_socket *s)
{
	a->why = TRUST_UNREACHABLE;
	say(a, CORE " as far as can be told, because %s did not say what %s is (%s); ", image, f->asked.registry,
	    name, f->why);
	if (s->offline == SOCKET_OFFLINE_LAST_KNOWN)
		say(a,
		    "nothing of the last 7 days is known of it either (caisson.dockerSocket.offline). Try again when "
		    "it answers.");
	else
		say(a, "try again when it answers, or have an administrator set caisson.dockerSocket.offline to "
		       "\"lastKnown\".");
}

static void say_ended(struct trust_answer *a, const char *image, const struct finding *f)
{
	time_t until = (time_t)f->entry->until;
	char text[32] = "";
	struct tm tm;

	a->why = TRUST_EXPIRED;
	if (gmtime_r(&until, &tm))
		(void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	say(a, CORE " any more: it was until %s (%s.until). An administrator may set a later time.", image, text,
	    f->entry->setting);
}

static void answer(const struct deciding *d, const struct candidate *c, const struct finding *f,
		   const char *parent, struct trust_answer *a)
{
	char image[IMAGE_NAME_MAX + 2], name[IMAGE_NAME_MAX + IMAGE_TAG_MAX + 4];

	image_text(d->image, c, image);
	full_name(&f->asked, name, sizeof name);
	a->setting = f->proof == PROOF_NO ? LISTED : f->entry->setting;
	switch (f->proof) {
	case PROOF_YES:
		a->why = TRUST_ALLOWED;
		a->entry = f->entry;
		(void)snprintf(a->digest, sizeof a->digest, "%s", f->digest);
		break;
	case PROOF_UNREACHABLE:
		say_unreachable(a, image, name, f, &d->settings->socket);
		break;
	case PROOF_MOVED:
		say_moved(a, image, name, f);
		break;
	case PROOF_EXPIRED:
		say_ended(a, image, f);
		break;
	case PROOF_ABSENT:
	case PROOF_NO:
		say_not_listed(a, image, name, f, parent);
		break;
	}
}

static void answer_error(const struct trust_image *image, const char *why, struct trust_answer *a)
{
	const struct candidate none = { .n = 0 };
	char text[IMAGE_NAME_MAX + 2];

	image_text(image, &none, text);
	a->why = TRUST_ERROR;
	a->setting = LISTED;
	say(a, DENIED "whether it is allowed cannot be found out: %s", text, why);
}

/* ---- the decision ---- */

static void decide(const struct deciding *d, const struct candidate *c, struct trust_answer *ret)
{
	const struct settings_socket *s = &d->settings->socket;
	struct finding best = { 0 };
	char parent[IMAGE_NAME_MAX + IMAGE_TAG_MAX + 3] = "";
	struct err e = { 0 };
	bool derived = false;

	for (size_t i = 0; i < s->n_images && best.proof != PROOF_YES; i++) {
		struct finding f = prove(d, &s->images[i], c);

		derived |= s->images[i].derived;
		if (f.proof > best.proof)
			best = f;
	}
	if (best.proof != PROOF_YES && derived) {
		if (derived_find(d, &best, &e) < 0) {
			answer_error(d->image, e.msg, ret);
			return;
		}
		ret->derived = best.proof == PROOF_YES;
	}
	if (best.proof == PROOF_NO || best.proof == PROOF_ABSENT)
		derived_parent(d, parent, sizeof parent);
	answer(d, c, &best, parent, ret);
}

void trust_decide(struct trust *t, const struct settings *s, const struct trust_engine *engine,
		  const struct trust_image *image, uid_t uid, struct trust_answer *ret)
{
	struct deciding d = { .t = t,
			      .settings = s,
			      .engine = engine,
			      .image = image,
			      .uid = uid,
			      .now = time(NULL),
			      .deadline_ms = registry_now_ms() + TIME_LIMIT_MS };
	char text[IMAGE_NAME_MAX + 2];
	struct candidate c;

	*ret = (struct trust_answer){ .why = TRUST_ERROR };
	if (!image_digest_valid(image->id)) {
		answer_error(image, "the engine does not say which image that is", ret);
		return;
	}
	if (candidate_make(image->asked, image->id, image->inspect, &c) < 0) {
		answer_error(image, "out of memory", ret);
		return;
	}
	if (s->socket.n_images == 0) {
		image_text(image, &c, text);
		ret->why = TRUST_EMPTY;
		ret->setting = LISTED;
		say(ret, DENIED "allowed image list is empty.", text);
	} else {
		decide(&d, &c, ret);
	}
	candidate_done(&c);
}

void trust_credentials(struct trust *t, uid_t uid, const char *registry, const char *header)
{
	(void)pthread_mutex_lock(&t->lock);
	credentials_put(t->credentials, uid, registry, header, registry_now_ms());
	(void)pthread_mutex_unlock(&t->lock);
}

void trust_warm(struct trust *t, const struct settings *s)
{
	for (size_t i = 0; i < s->socket.n_images; i++) {
		const struct socket_image *entry = &s->socket.images[i];
		const struct image_pattern *p = &entry->pattern;

		if (entry->kind == SOCKET_IMAGE_NAME && !p->glob &&
		    (p->kind == IMAGE_PATTERN_TAG || p->kind == IMAGE_PATTERN_DIGEST))
			digests_refresh(t->digests, &s->socket, &p->ref);
	}
}

int trust_new(const struct trust_config *config, struct trust **ret, struct err *e)
{
	struct digests_config dc = {
		.helper = config->helper, .certs = CERTS_DIR, .say = config->say, .ctx = config->ctx
	};
	struct trust *t = calloc(1, sizeof *t);
	int r = -ENOMEM;

	if (!t)
		return err_sys(e, ENOMEM, "image list");
	t->config = *config;
	(void)pthread_mutex_init(&t->lock, NULL);
	t->credentials = credentials_new();
	if (config->state_dir && asprintf(&t->dir, "%s/digests", config->state_dir) < 0)
		t->dir = NULL;
	if (t->credentials && (t->dir || !config->state_dir))
		r = lineage_new(&t->lineage);
	if (r < 0) {
		trust_free(t);
		return err_sys(e, -r, "image list");
	}
	dc.dir = t->dir;
	r = digests_new(&dc, &t->digests, e);
	if (r < 0) {
		trust_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

void trust_free(struct trust *t)
{
	if (!t)
		return;
	digests_free(t->digests);
	lineage_free(t->lineage);
	credentials_free(t->credentials);
	(void)pthread_mutex_destroy(&t->lock);
	free(t->dir);
	free(t);
}
