/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/job.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/imageref.h"
#include "codec/json-read.h"

#define TOKEN_MAX 65536 /* bytes of a name, password or token */

/* Visible characters only: they become part of a head. */
static bool is_visible(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s > '~')
			return false;
	return true;
}

static int get_text(json_t *o, const char *name, const char **ret, struct err *e)
{
	json_t *v = json_object_get(o, name);

	*ret = NULL;
	if (!v)
		return 0;
	if (!json_is_string(v))
		return err_set(e, EINVAL, "%s: a text was expected", name);
	if (*json_string_value(v))
		*ret = json_string_value(v);
	return 0;
}

/* Every member is one of @names (ends with NULL). */
static int known(json_t *o, const char *const names[], const char *what, struct err *e)
{
	const char *key;
	json_t *v;

	if (!json_is_object(o))
		return err_set(e, EINVAL, "%s: an object was expected", what);
	json_object_foreach(o, key, v) {
		size_t i = 0;

		while (names[i] && strcmp(names[i], key) != 0)
			i++;
		if (!names[i])
			return err_set(e, EINVAL, "%s: unknown member", what);
	}
	return 0;
}

static int get_auth(json_t *o, struct registry_auth *ret, struct err *e)
{
	static const char *const names[] = { "username", "password", "identitytoken", "registrytoken", NULL };
	const char **const to[] = { &ret->username, &ret->password, &ret->identity_token, &ret->registry_token };
	int r;

	if (!o)
		return 0;
	if ((r = known(o, names, "auth", e)) < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
		if ((r = get_text(o, names[i], to[i], e)) < 0)
			return r;
		if (*to[i] && strlen(*to[i]) > TOKEN_MAX)
			return err_set(e, EINVAL, "auth: %s is too long", names[i]);
	}
	if (ret->username && strchr(ret->username, ':'))
		return err_set(e, EINVAL, "auth: a user name cannot have ':' in it");
	if (ret->registry_token && !is_visible(ret->registry_token))
		return err_set(e, EINVAL, "auth: registrytoken has characters that no token has");
	/* how docker writes an identity token where there is room for a password only */
	if (ret->username && strcmp(ret->username, "<token>") == 0) {
		ret->identity_token = ret->password;
		ret->username = ret->password = NULL;
	}
	return 0;
}

static int get_certs(json_t *o, struct registry_job *job, struct err *e)
{
	static const char *const names[] = { "cert", "key", NULL };
	int r;

	if (!o)
		return 0;
	if ((r = known(o, names, "certs", e)) < 0 || (r = get_text(o, "cert", &job->cert, e)) < 0 ||
	    (r = get_text(o, "key", &job->key, e)) < 0)
		return r;
	if (!job->cert != !job->key)
		return err_set(e, EINVAL, "certs: cert and key belong together");
	return 0;
}

/* The names become parts of a URL: exactly what an image's name would be taken apart into. */
static int check_names(struct registry_job *job, struct err *e)
{
	char text[2 * IMAGE_NAME_MAX + IMAGE_TAG_MAX + 8];
	struct image_ref ref;
	const char *why;

	if (!job->registry || !job->repository || !job->reference)
		return err_set(e, EINVAL, "registry, repository and reference are needed");
	job->by_digest = image_digest_valid(job->reference);
	if ((size_t)snprintf(text, sizeof text, "%s/%s%c%s", job->registry, job->repository,
			     job->by_digest ? '@' : ':', job->reference) >= sizeof text)
		return err_set(e, EINVAL, "the image's name is too long");
	if ((why = image_ref_parse(text, &ref)))
		return err_set(e, EINVAL, "the image's name %s", why);
	if (strcmp(ref.registry, job->registry) != 0 || strcmp(ref.repository, job->repository) != 0 ||
	    strcmp(job->by_digest ? ref.digest : ref.tag, job->reference) != 0)
		return err_set(e, EINVAL, "the image's name is not in its full form");
	return 0;
}

static int read_members(struct registry_job *job, struct err *e)
{
	static const char *const names[] = { "registry", "repository", "reference", "endpoint", "insecure", "ca",
					     "proxy",	 "certs",      "auth",	    "seconds",	"known",    NULL };
	const struct {
		const char *name, **to;
	} texts[] = {
		{ "registry", &job->registry },
		{ "repository", &job->repository },
		{ "reference", &job->reference },
		{ "endpoint", &job->endpoint },
		{ "ca", &job->ca },
		{ "proxy", &job->proxy },
		{ "known", &job->known },
	};
	json_t *insecure = json_object_get(job->tree, "insecure"),
	       *seconds = json_object_get(job->tree, "seconds");
	int r;

	if ((r = known(job->tree, names, "the job", e)) < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if ((r = get_text(job->tree, texts[i].name, texts[i].to, e)) < 0)
			return r;
	if (job->known && !image_digest_valid(job->known))
		return err_set(e, EINVAL, "known: a digest was expected");
	if (insecure && !json_is_boolean(insecure))
		return err_set(e, EINVAL, "insecure: true or false was expected");
	job->insecure = json_is_true(insecure);
	if (!json_is_integer(seconds) || json_integer_value(seconds) < 1 ||
	    json_integer_value(seconds) > REGISTRY_SECONDS_MAX)
		return err_set(e, EINVAL, "seconds: 1 to %d were expected", REGISTRY_SECONDS_MAX);
	job->seconds = (unsigned)json_integer_value(seconds);
	if ((r = check_names(job, e)) < 0 || (r = get_certs(json_object_get(job->tree, "certs"), job, e)) < 0)
		return r;
	return get_auth(json_object_get(job->tree, "auth"), &job->auth, e);
}

int job_parse(const char *buf, size_t len, struct registry_job *ret, struct err *e)
{
	struct registry_job job = { 0 };
	int r;

	if (len > REGISTRY_JOB_MAX)
		return err_set(e, EFBIG, "the job is over %u bytes", REGISTRY_JOB_MAX);
	if ((r = json_read("the job", buf, len, &job.tree, e)) < 0)
		return r;
	if ((r = read_members(&job, e)) < 0) {
		job_done(&job);
		return r;
	}
	*ret = job;
	return 0;
}

void job_done(struct registry_job *job)
{
	json_decref(job->tree);
	job->tree = NULL;
}
