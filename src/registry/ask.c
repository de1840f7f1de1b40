/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/sha256.h"
#include "registry/document.h"
#include "registry/login.h"

struct ask {
	const struct registry_job *job;
	struct fetch fetch;
	struct login login;
	bool reached, logged_in;  /* it has answered; it was asked for a token */
	json_t *digests, *images; /* owned */
};

/* ---- one document ---------------------------------------------------------------------------------------------- */

/*
 * May it be asked without TLS after that failure? As Docker does: where nothing can listen on the way, or where the
 * settings say that it does not matter. Who gives a CA wants TLS.
 */
static bool may_be_plain(const struct ask *a, int r)
{
	bool failed = r == -EPROTO || r == -ECONNREFUSED || r == -ETIMEDOUT || r == -EIO;

	return failed && !a->reached && a->fetch.base.https && !a->job->endpoint && !a->job->ca &&
	       (a->job->insecure || url_host_is_loopback(a->fetch.base.host));
}

/* One request, by what the registry turns out to speak and to ask for. */
static int request(struct ask *a, const char *what, const char *name, bool head, size_t max,
		   struct fetch_answer *ret, struct err *e)
{
	struct fetch *f = &a->fetch;

	for (;;) {
		struct fetch_request request = {
			.accept = strcmp(what, "manifests") == 0 ? DOCUMENT_ACCEPT : NULL,
			.bearer = a->login.bearer,
			.user = a->login.user,
			.password = a->login.password,
			.head = head,
			.max = max,
		};
		_cleanup_free_ char *text = NULL;
		struct fetch_answer answer;
		struct url url;
		int r, n = (int)strlen(f->base.text);

		while (n > 0 && f->base.text[n - 1] == '/')
			n--;
		if (asprintf(&text, "%.*s/v2/%s/%s/%s", n, f->base.text, a->job->repository, what, name) < 0) {
			text = NULL;
			return fetch_err(f, ENOMEM, e, "no memory");
		}
		if ((r = url_parse(text, NULL, &url, e)) < 0)
			return fetch_err(f, -r, e, "the address of the image is malformed");
		/* who does not speak TLS may wait for more of what it takes for a request */
		if (may_be_plain(a, -EPROTO))
			request.connect_ms = (int64_t)a->job->seconds * 1000 / 3;
		request.url = &url;
		r = fetch(f, &request, &answer, e);
		url_done(&url);
		if (may_be_plain(a, r)) {
			if ((r = fetch_plain(f, e)) < 0)
				return r;
			continue;
		}
		if (r < 0)
			return r;
		a->reached = true;
		if (answer.status != 401 || a->logged_in) {
			*ret = answer;
			return 0;
		}
		a->logged_in = true;
		r = login(f, answer.authenticate, &a->login, e);
		fetch_answer_done(&answer);
		if (r < 0)
			return r;
	}
}

/* Return: 0 (status 200; @ret to be passed to fetch_answer_done()), -ENOENT, -EACCES, -EAGAIN, -EIO, as fetch() */
static int get(struct ask *a, const char *what, const char *name, bool head, size_t max, struct fetch_answer *ret,
	       struct err *e)
{
	struct fetch *f = &a->fetch;
	int r = request(a, what, name, head, max, ret, e);

	if (r < 0)
		return r;
	switch (ret->status) {
	case 200:
		return 0;
	case 404:
		r = fetch_err(f, ENOENT, e, "%s has nothing under \"%s\" (404)", a->job->repository, name);
		break;
	case 401:
	case 403:
		r = fetch_err(
			f, EACCES, e,
			"access to %s is denied (%ld): it may not exist, or need other credentials, see \"auth\" "
			"in caisson.dockerSocket.registries",
			a->job->repository, ret->status);
		break;
	case 429:
	case 503:
		r = fetch_later(f, ret, e);
		break;
	default:
		r = fetch_err(f, EIO, e, "it answers %ld", ret->status);
	}
	fetch_answer_done(ret);
	return r;
}

static void digest_of(const struct fetch_answer *a, char ret[static IMAGE_DIGEST_MAX + 1])
{
	memcpy(ret, "sha256:", 7);
	sha256_hex(a->body, a->len, ret + 7);
}

/* A document that a digest names. */
static int get_blob(struct ask *a, const char *what, const struct document_blob *blob, struct fetch_answer *ret,
		    struct err *e)
{
	char digest[IMAGE_DIGEST_MAX + 1];
	int r = get(a, what, blob->digest, false, (size_t)blob->size, ret, e);

	if (r < 0)
		return r;
	digest_of(ret, digest);
	if ((int64_t)ret->len == blob->size && strcmp(digest, blob->digest) == 0)
		return 0;
	r = fetch_err(&a->fetch, EBADMSG, e, "%s: under %.19s it sends something else", a->job->repository,
		      blob->digest);
	fetch_answer_done(ret);
	return r;
}

static int malformed(const struct ask *a, int r, const char *digest, const struct err *why, struct err *e)
{
	return fetch_err(&a->fetch, -r, e, "%s: what is under %.19s %s", a->job->repository, digest, why->msg);
}

/* ---- images ---------------------------------------------------------------------------------------------------- */

static int add(struct ask *a, const char *digest, struct err *e)
{
	return json_array_append_new(a->digests, json_string(digest)) < 0
		       ? fetch_err(&a->fetch, ENOMEM, e, "no memory")
		       : 0;
}

/*
 * A manifest, whose bytes are verified.
 * @listed: by an index: only what is of this machine counts, and its digest is one more
 */
static int look_into(struct ask *a, const char *digest, const struct document *d, bool listed, struct err *e)
{
	const char *os, *architecture;
	struct fetch_answer answer;
	struct err why = { 0 };
	json_t *image;
	int r;

	if ((r = get_blob(a, "blobs", &d->config, &answer, e)) < 0)
		/* not "none": the manifest is there */
		return r == -ENOENT ? fetch_err(&a->fetch, EIO, e, "%s: the configuration of %.19s is missing",
						a->job->repository, digest)
				    : r;
	r = document_config(answer.body, answer.len, d->n_layers, &image, &why);
	fetch_answer_done(&answer);
	if (r < 0)
		return malformed(a, r, d->config.digest, &why, e);
	os = json_string_value(json_object_get(image, "os"));
	architecture = json_string_value(json_object_get(image, "architecture"));
	if (listed && (strcmp(os, "linux") != 0 || !document_architecture(architecture))) {
		json_decref(image);
		return 0;
	}
	r = listed ? add(a, digest, e) : 0;
	if (r >= 0)
		r = add(a, d->config.digest, e);
	if (r < 0 || strcmp(os, "linux") != 0) {
		json_decref(image);
		return r;
	}
	if (json_object_set_new(image, "config", json_string(d->config.digest)) < 0) {
		json_decref(image);
		return fetch_err(&a->fetch, ENOMEM, e, "no memory");
	}
	return json_array_append_new(a->images, image) < 0 ? fetch_err(&a->fetch, ENOMEM, e, "no memory") : 0;
}

/* One entry of an index. Sparse copies of indexes have only some of what they name, and not all is images. */
static int look_at_entry(struct ask *a, const struct document_blob *blob, struct err *e)
{
	struct fetch_answer answer;
	struct err why = { 0 };
	struct document d;
	int r = get_blob(a, "manifests", blob, &answer, e);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = document_parse(answer.body, answer.len, answer.content_type, &d, &why);
	fetch_answer_done(&answer);
	if (r == -ENOTSUP)
		return 0;
	if (r >= 0 && d.kind != DOCUMENT_MANIFEST)
		r = err_set(&why, EINVAL, "is an index in an index");
	if (r < 0)
		return malformed(a, r, blob->digest, &why, e);
	return look_into(a, blob->digest, &d, true, e);
}

static int look(struct ask *a, struct err *e)
{
	const struct registry_job *job = a->job;
	char digest[IMAGE_DIGEST_MAX + 1];
	struct fetch_answer answer;
	struct err why = { 0 };
	struct document d;
	int r;

	if ((r = get(a, "manifests", job->reference, false, DOCUMENT_MANIFEST_MAX, &answer, e)) < 0)
		return r;
	digest_of(&answer, digest);
	if (job->by_digest && strcmp(digest, job->reference) != 0)
		r = fetch_err(&a->fetch, EBADMSG, e, "%s: under %.19s it sends something else", job->repository,
			      job->reference);
	else if (!job->by_digest && answer.digest && strcmp(digest, answer.digest) != 0)
		r = fetch_err(&a->fetch, EBADMSG, e,
			      "%s:%s is not what the registry says that it sends (Docker-Content-Digest)",
			      job->repository, job->reference);
	else if ((r = document_parse(answer.body, answer.len, answer.content_type, &d, &why)) < 0)
		r = malformed(a, r, digest, &why, e);
	fetch_answer_done(&answer);
	if (r < 0 || (r = add(a, digest, e)) < 0)
		return r;
	if (d.kind == DOCUMENT_MANIFEST)
		return look_into(a, digest, &d, false, e);
	for (size_t i = 0; i < d.n_images; i++)
		if ((r = look_at_entry(a, &d.images[i], e)) < 0)
			return r;
	if (json_array_size(a->digests) > 1)
		return 0;
	return fetch_err(&a->fetch, ENOENT, e, "%s:%s has no image for this machine", job->repository,
			 job->reference);
}

/* Does the name still stand for what it did? Return: 1 yes, 0 no or it does not say so, or as get() */
static int is_same(struct ask *a, struct err *e)
{
	struct fetch_answer answer;
	int r;

	if (!a->job->known || a->job->by_digest)
		return 0;
	r = get(a, "manifests", a->job->reference, true, 0, &answer, e);
	if (r < 0)
		return r == -EIO ? 0 : r; /* it may not know HEAD */
	r = answer.digest && strcmp(answer.digest, a->job->known) == 0;
	fetch_answer_done(&answer);
	return r;
}

/* ---- answers --------------------------------------------------------------------------------------------------- */

json_t *ask_failure(const char *message, int64_t retry)
{
	return json_pack("{s:s, s:s, s:o*}", "status", "failed", "message", message, "retryAfter",
			 retry < 0 ? NULL : json_integer(retry));
}

json_t *ask(const struct registry_job *job)
{
	struct ask a = { .job = job, .digests = json_array(), .images = json_array() };
	struct err e = { 0 };
	json_t *answer;
	bool same = false;
	int r;

	r = fetch_open(job, &a.fetch, &e);
	if (r >= 0)
		r = is_same(&a, &e);
	if (r == 0)
		r = look(&a, &e);
	else if (r == 1)
		same = true;
	if (same)
		answer = json_pack("{s:s}", "status", "same");
	else if (r >= 0)
		answer = json_pack("{s:s, s:O, s:O}", "status", "found", "digests", a.digests, "images", a.images);
	else if (r == -ENOENT)
		answer = json_pack("{s:s, s:s}", "status", "none", "message", e.msg);
	else
		answer = ask_failure(e.msg, a.fetch.retry);
	login_done(&a.login);
	fetch_close(&a.fetch);
	json_decref(a.digests);
	json_decref(a.images);
	return answer;
}
