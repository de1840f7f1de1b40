/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_FETCH_H
#define REGISTRY_FETCH_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "registry/job.h"
#include "registry/url.h"

/*
 * Requests over the network, by libcurl: HTTP/1.1, bounded in time, bytes and redirects. curl_global_init() was
 * called.
 */

#define FETCH_REDIRECTS_MAX 5

struct fetch {
	CURL *curl; /* owned; keeps connections open between requests */
	const struct registry_job *job;
	struct url base;     /* owned; the registry or the endpoint in its place: whom "insecure" is about */
	bool own;	     /* it is the registry's own host: whom auth is for */
	int64_t deadline_ms; /* CLOCK_MONOTONIC */
	int64_t retry;	     /* what an answer said about asking again, seconds; -1: nothing */
	char name[700];	     /* of the registry, for messages */
};

/* Credentials are for the origin of @url: redirects to others are followed without. */
struct fetch_request {
	const struct url *url;
	const char *accept;	     /* NULL: any */
	const char *bearer;	     /* NULL: none */
	const char *user, *password; /* basic; NULL: none */
	const char *form;	     /* POST this; not redirected. NULL: GET */
	bool head;		     /* HEAD */
	size_t max;		     /* bytes of the body */
	int64_t connect_ms;	     /* limit for connecting, TLS included; 0: none of its own */
};

struct fetch_answer {
	long status;
	char *body; /* malloc'd, not NULL when @len is not 0 */
	size_t len;
	/* malloc'd, NULL: there was none. Of "WWW-Authenticate", all, joined by ", ". */
	char *content_type, *digest, *retry_after, *authenticate, *location;
};

/*
 * fetch_open() - @job is borrowed, the time runs from now. Return: 0, -EINVAL, -EPERM (http without "insecure"),
 * -ENOMEM.
 */
int fetch_open(const struct registry_job *job, struct fetch *ret, struct err *e);
void fetch_close(struct fetch *f);

/* fetch_plain() - the base is asked by http from now on. */
int fetch_plain(struct fetch *f, struct err *e);

/*
 * fetch() - one question, redirects followed. Whatever status the last one has is an answer.
 * Return: 0 (@ret to be passed to fetch_answer_done()); -EPROTO: that is not TLS; -ECONNREFUSED: cannot connect;
 * -EKEYREJECTED: a certificate; -ETIMEDOUT; -E2BIG; -ELOOP; -EPERM: a redirect that is not followed; -EBADMSG;
 * -EIO. @e is a whole message, with the registry's name and the cure.
 */
int fetch(struct fetch *f, const struct fetch_request *request, struct fetch_answer *ret, struct err *e);
void fetch_answer_done(struct fetch_answer *a);

/* fetch_err() - a message of which @name is the subject: "registry NAME: ...". */
int fetch_err(const struct fetch *f, int code, struct err *e, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* fetch_later() - an answer of status 429 or 503: @f->retry, and a whole message. Return: -EAGAIN. */
int fetch_later(struct fetch *f, const struct fetch_answer *a, struct err *e);

#endif
