/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/fetch.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/cleanup.h"
#include "registry/challenge.h"

#define HEAD_MAX 65536u /* bytes of all head lines */

/* One exchange that libcurl is in. */
struct exchange {
	struct fetch_answer answer;
	size_t max, size, head;
	int why; /* errno, why we ended it */
};

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int fetch_err(const struct fetch *f, int code, struct err *e, const char *format, ...)
{
	char text[640];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	/* one line of plain text, whatever libcurl or the registry put there */
	for (char *s = text; *s; s++)
		if (*s < ' ' || *s > '~')
			*s = '?';
	return err_set(e, code, "registry %s: %s", f->name, text);
}

void fetch_answer_done(struct fetch_answer *a)
{
	free(a->body);
	free(a->content_type);
	free(a->digest);
	free(a->retry_after);
	free(a->authenticate);
	free(a->location);
	*a = (struct fetch_answer){ 0 };
}

/* ---- what comes in --------------------------------------------------------------------------------------------- */

static size_t take_body(char *data, size_t size, size_t n, void *ctx)
{
	struct exchange *x = ctx;

	(void)size;
	if (n > x->max - x->answer.len) {
		x->why = E2BIG;
		return 0;
	}
	if (n > x->size - x->answer.len) {
		size_t more = x->size * 2 > x->answer.len + n ? x->size * 2 : x->answer.len + n;
		char *body = realloc(x->answer.body, more);

		if (!body) {
			x->why = ENOMEM;
			return 0;
		}
		x->answer.body = body;
		x->size = more;
	}
	memcpy(x->answer.body + x->answer.len, data, n);
	x->answer.len += n;
	return n;
}

/* The value of a head line "Name: value", or NULL. */
static char *value_of(const char *line, size_t n, const char *name)
{
	size_t len = strlen(name);

	if (n <= len || strncasecmp(line, name, len) != 0 || line[len] != ':')
		return NULL;
	for (line += len + 1, n -= len + 1; n > 0 && strchr(" \t", *line); line++)
		n--;
	while (n > 0 && strchr(" \t\r\n", line[n - 1]))
		n--;
	return strndup(line, n);
}

static size_t take_head(char *data, size_t size, size_t n, void *ctx)
{
	struct exchange *x = ctx;
	const struct {
		const char *name;
		char **to;
		bool list;
	} fields[] = {
		{ "Content-Type", &x->answer.content_type, false },
		{ "Docker-Content-Digest", &x->answer.digest, false },
		{ "Retry-After", &x->answer.retry_after, false },
		{ "Location", &x->answer.location, false },
		{ "WWW-Authenticate", &x->answer.authenticate, true },
	};

	(void)size;
	if (n > HEAD_MAX - x->head) {
		x->why = E2BIG;
		return 0;
	}
	x->head += n;
	/* another head begins: that of the answer after "100 Continue" */
	if (n >= 5 && memcmp(data, "HTTP/", 5) == 0) {
		fetch_answer_done(&x->answer);
		x->size = 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		char *value = value_of(data, n, fields[i].name), *both = NULL;

		if (!value)
			continue;
		if (!*fields[i].to) {
			*fields[i].to = value;
			continue;
		}
		if (fields[i].list && asprintf(&both, "%s, %s", *fields[i].to, value) < 0)
			both = NULL;
		free(value);
		if (!both) {
			x->why = fields[i].list ? ENOMEM : EBADMSG;
			return 0;
		}
		free(*fields[i].to);
		*fields[i].to = both;
	}
	return n;
}

/* ---- what goes out --------------------------------------------------------------------------------------------- */

struct options {
	CURL *curl;
	CURLcode code; /* of the first that failed */
};

#define SET(o, option, value)                                                    \
	do {                                                                     \
		CURLcode set_code_ = curl_easy_setopt((o)->curl, option, value); \
		if ((o)->code == CURLE_OK)                                       \
			(o)->code = set_code_;                                   \
	} while (0)

static void set_pem(struct options *o, CURLoption option, const char *text)
{
	struct curl_blob blob = { .len = strlen(text), .flags = CURL_BLOB_COPY };

	memcpy(&blob.data, &text, sizeof blob.data); /* it is only read */
	SET(o, option, &blob);
}

static void set_tls(struct options *o, const struct fetch *f, bool base, bool trusted)
{
	const struct registry_job *job = f->job;
	bool verify = !(base && job->insecure);

	SET(o, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	SET(o, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
	SET(o, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
	if (job->ca)
		set_pem(o, CURLOPT_CAINFO_BLOB, job->ca);
	if (base && trusted && job->cert) {
		set_pem(o, CURLOPT_SSLCERT_BLOB, job->cert);
		set_pem(o, CURLOPT_SSLKEY_BLOB, job->key);
	}
}

static void set_limits(struct options *o, const struct fetch_request *request, const struct fetch *f, int64_t left)
{
	/* trickling is as good as silence, but whoever fetches for us first may take a while */
	long low = (long)f->job->seconds * 2 / 3;

	SET(o, CURLOPT_NOSIGNAL, 1L);
	SET(o, CURLOPT_TIMEOUT_MS, (long)left);
	SET(o, CURLOPT_CONNECTTIMEOUT_MS, (long)(request->connect_ms ? request->connect_ms : left));
	SET(o, CURLOPT_LOW_SPEED_LIMIT, 100L);
	SET(o, CURLOPT_LOW_SPEED_TIME, low < 1 ? 1L : low);
}

/* @url: of this hop. @trusted: its origin is the one that the credentials are for. */
static void set_request(struct options *o, const struct fetch *f, const struct fetch_request *request,
			const struct url *url, bool trusted)
{
	set_tls(o, f, url_same_origin(url, &f->base), trusted);
	SET(o, CURLOPT_URL, url->text);
	SET(o, CURLOPT_PROTOCOLS_STR, url->https ? "https" : "http");
	SET(o, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(o, CURLOPT_USERAGENT, "caisson/" CAISSON_VERSION);
	SET(o, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (url_host_is_loopback(url->host))
		SET(o, CURLOPT_PROXY, "");
	else if (f->job->proxy)
		SET(o, CURLOPT_PROXY, f->job->proxy);
	if (trusted && request->user) {
		SET(o, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		SET(o, CURLOPT_USERNAME, request->user);
		SET(o, CURLOPT_PASSWORD, request->password ? request->password : "");
	}
	if (request->form)
		SET(o, CURLOPT_POSTFIELDS, request->form);
	if (request->head)
		SET(o, CURLOPT_NOBODY, 1L);
}

static int append(struct curl_slist **list, const char *name, const char *value)
{
	_cleanup_free_ char *line = NULL;
	struct curl_slist *new;

	if (!value)
		return 0;
	if (asprintf(&line, "%s: %s", name, value) < 0) {
		line = NULL;
		return -ENOMEM;
	}
	if (!(new = curl_slist_append(*list, line)))
		return -ENOMEM;
	*list = new;
	return 0;
}

/* ---- what libcurl says ----------------------------------------------------------------------------------------- */

static int explain(const struct fetch *f, const struct url *url, CURLcode code, const char *detail, struct err *e)
{
	const char *text = *detail ? detail : curl_easy_strerror(code), *colon = strstr(text, "problem: ");
	char where[300] = "";

	if (!url_same_origin(url, &f->base))
		(void)snprintf(where, sizeof where, "%s port %s, where it sent us: ", url->host, url->port);
	/* What the other side says about ours: of TLS 1.3 when we think that all is well. */
	if (strstr(text, "alert certificate required") || strstr(text, "alert bad certificate") ||
	    strstr(text, "alert unknown ca"))
		return fetch_err(f, EKEYREJECTED, e,
				 "%sit %s (%s): put NAME.cert and NAME.key into its directory below "
				 "/etc/docker/certs.d",
				 where,
				 f->job->cert && !*where ? "does not take the client certificate"
							 : "asks for a client certificate",
				 text);
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
		if (strstr(text, "subject name"))
			return fetch_err(f, EKEYREJECTED, e,
					 "%sthe certificate is another host's (%s): ask the registry by the "
					 "name in its certificate",
					 where, text);
		return fetch_err(f, EKEYREJECTED, e,
				 "%sthe certificate is not trusted (%s): give its CA with "
				 "caisson.dockerSocket.registries",
				 where, colon ? colon + strlen("problem: ") : text);
	case CURLE_SSL_CACERT_BADFILE:
		return fetch_err(f, EKEYREJECTED, e,
				 "the CA of caisson.dockerSocket.registries cannot be read (%s)", text);
	case CURLE_SSL_CERTPROBLEM:
		return fetch_err(f, EKEYREJECTED, e, "%sthe client certificate does not do (%s)", where, text);
	case CURLE_SSL_CONNECT_ERROR:
		return fetch_err(
			f, EPROTO, e,
			"%scannot agree on TLS (%s): if it speaks plain HTTP, say so with \"insecure\" in "
			"caisson.dockerSocket.registries",
			where, text);
	case CURLE_COULDNT_RESOLVE_HOST:
		return fetch_err(f, EHOSTUNREACH, e,
				 "%sits name cannot be resolved: check the name and the host's resolver", where);
	case CURLE_COULDNT_RESOLVE_PROXY:
		return fetch_err(f, EHOSTUNREACH, e,
				 "the proxy's name cannot be resolved: check caisson.dockerSocket.proxy and "
				 "HTTPS_PROXY");
	case CURLE_COULDNT_CONNECT:
		return fetch_err(f, ECONNREFUSED, e, "%scannot connect (%s)", where, text);
	case CURLE_OPERATION_TIMEDOUT:
		return fetch_err(f, ETIMEDOUT, e, "%sno complete answer in time (%s)", where, text);
	default:
		return fetch_err(f, EIO, e, "%s%s", where, text);
	}
}

static int explain_own(const struct fetch *f, int why, size_t max, struct err *e)
{
	if (why == E2BIG)
		return fetch_err(f, why, e, "the answer is too long: over %zu bytes, or %u of its head", max,
				 HEAD_MAX);
	if (why == EBADMSG)
		return fetch_err(f, why, e, "the answer says one thing twice in its head");
	return fetch_err(f, why, e, "no memory for the answer");
}

/* ---- exchanges ------------------------------------------------------------------------------------------------- */

static int exchange(struct fetch *f, const struct fetch_request *request, const struct url *url, bool trusted,
		    struct fetch_answer *ret, struct err *e)
{
	struct exchange x = { .max = request->max };
	struct options o = { .curl = f->curl };
	char detail[CURL_ERROR_SIZE] = "";
	struct curl_slist *lines = NULL;
	int64_t left = f->deadline_ms - now_ms();
	_cleanup_free_ char *bearer = NULL;
	CURLcode code;

	if (left <= 0)
		return fetch_err(f, ETIMEDOUT, e, "no complete answer within %u s", f->job->seconds);
	curl_easy_reset(f->curl);
	set_limits(&o, request, f, left);
	set_request(&o, f, request, url, trusted);
	SET(&o, CURLOPT_ERRORBUFFER, detail);
	SET(&o, CURLOPT_WRITEFUNCTION, take_body);
	SET(&o, CURLOPT_WRITEDATA, &x);
	SET(&o, CURLOPT_HEADERFUNCTION, take_head);
	SET(&o, CURLOPT_HEADERDATA, &x);
	if (trusted && request->bearer && asprintf(&bearer, "Bearer %s", request->bearer) < 0)
		bearer = NULL;
	if (append(&lines, "Accept", request->accept) < 0 || append(&lines, "Authorization", bearer) < 0)
		o.code = CURLE_OUT_OF_MEMORY;
	SET(&o, CURLOPT_HTTPHEADER, lines);
	code = o.code == CURLE_OK ? curl_easy_perform(f->curl) : o.code;
	curl_slist_free_all(lines);
	if (code == CURLE_OK && curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &x.answer.status) == CURLE_OK) {
		*ret = x.answer;
		return 0;
	}
	fetch_answer_done(&x.answer);
	return x.why ? explain_own(f, x.why, x.max, e) : explain(f, url, code, detail, e);
}

static bool is_redirect(const struct fetch_answer *a)
{
	return a->location &&
	       (a->status == 301 || a->status == 302 || a->status == 303 || a->status == 307 || a->status == 308);
}

int fetch(struct fetch *f, const struct fetch_request *request, struct fetch_answer *ret, struct err *e)
{
	struct fetch_answer answer = { 0 };
	struct url at = { 0 }, next;
	bool trusted = true;
	int r = url_parse(request->url->text, NULL, &at, e);

	if (r < 0)
		return fetch_err(f, -r, e, "its address is malformed");
	for (unsigned hop = 0;; hop++) {
		struct err why = { 0 };

		r = exchange(f, request, &at, trusted, &answer, e);
		if (r < 0 || request->form || !is_redirect(&answer))
			break;
		if (hop == FETCH_REDIRECTS_MAX)
			r = fetch_err(f, ELOOP, e, "sends us elsewhere over %d times", FETCH_REDIRECTS_MAX);
		else if ((r = url_redirect(&at, answer.location, &next, &why)) < 0)
			r = fetch_err(f, -r, e, "%s", why.msg);
		fetch_answer_done(&answer);
		if (r < 0)
			break;
		/* once away, for good: who redirects back may have chosen the path */
		trusted = trusted && url_same_origin(&next, request->url);
		url_done(&at);
		at = next;
	}
	url_done(&at);
	if (r >= 0)
		*ret = answer;
	return r;
}

int fetch_later(struct fetch *f, const struct fetch_answer *a, struct err *e)
{
	if (a->retry_after)
		f->retry = retry_after_parse(a->retry_after, time(NULL), REGISTRY_RETRY_MAX);
	if (a->status == 429)
		return fetch_err(
			f, EAGAIN, e, "it has been asked too often (429)%s",
			f->job->auth.username
				? ""
				: ": credentials may allow more, see \"auth\" in caisson.dockerSocket.registries");
	return fetch_err(f, EAGAIN, e, "it is out of service (%ld)", a->status);
}

/* ---- whom to ask ---------------------------------------------------------------------------------------------- */

static int set_base(struct fetch *f, const char *scheme, struct url *ret, struct err *e)
{
	const char *host = strcmp(f->job->registry, "docker.io") == 0 ? "registry-1.docker.io" : f->job->registry;
	_cleanup_free_ char *text = NULL;

	if (asprintf(&text, "%s://%s", scheme, host) < 0) {
		text = NULL;
		return err_set(e, ENOMEM, "no memory");
	}
	return url_parse(text, NULL, ret, e);
}

/* @registry: where it would be without an endpoint */
static int set_endpoint(struct fetch *f, const struct url *registry, struct err *e)
{
	int r = url_parse(f->job->endpoint, NULL, &f->base, e);

	if (r < 0)
		return r;
	if (strchr(f->base.text, '?'))
		return err_set(e, EINVAL, "its address has a query");
	f->own = url_same_origin(&f->base, registry);
	(void)snprintf(f->name, sizeof f->name, "%s (asked at %s)", f->job->registry, f->base.host);
	if (!f->base.https && !f->job->insecure && !url_host_is_loopback(f->base.host))
		return err_set(
			e, EPERM,
			"it is asked by plain HTTP, which anybody on the way can change: use https, or say so "
			"with \"insecure\" in caisson.dockerSocket.registries");
	return 0;
}

int fetch_open(const struct registry_job *job, struct fetch *ret, struct err *e)
{
	struct fetch f = {
		.job = job, .own = true, .retry = -1, .deadline_ms = now_ms() + (int64_t)job->seconds * 1000
	};
	struct url registry = { 0 };
	struct err why = { 0 };
	int r;

	(void)snprintf(f.name, sizeof f.name, "%s", job->registry);
	r = set_base(&f, "https", &registry, &why);
	if (r >= 0 && job->endpoint) {
		r = set_endpoint(&f, &registry, &why);
		url_done(&registry);
	} else if (r >= 0) {
		f.base = registry;
	}
	if (r >= 0 && !(f.curl = curl_easy_init()))
		r = err_set(&why, ENOMEM, "no memory");
	if (r < 0) {
		r = fetch_err(&f, -r, e, "%s", why.msg);
		fetch_close(&f);
		return r;
	}
	*ret = f;
	return 0;
}

int fetch_plain(struct fetch *f, struct err *e)
{
	struct url url;
	int r = set_base(f, "http", &url, e);

	if (r < 0)
		return r;
	url_done(&f->base);
	f->base = url;
	return 0;
}

void fetch_close(struct fetch *f)
{
	curl_easy_cleanup(f->curl);
	url_done(&f->base);
}
