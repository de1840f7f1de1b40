/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/login.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "codec/json-read.h"
#include "registry/challenge.h"

#define TOKEN_MAX	 32768u /* bytes: those of clouds are long */
#define TOKEN_ANSWER_MAX (1u << 18)

void login_done(struct login *l)
{
	free(l->bearer);
	*l = (struct login){ 0 };
}

int login_token(const char *buf, size_t len, char **ret)
{
	const char *token;
	json_t *root;
	int r = -EBADMSG;

	if (json_read("the token", buf, len, &root, NULL) < 0)
		return -EBADMSG;
	token = json_string_value(json_object_get(root, "token"));
	if (!token || !*token)
		token = json_string_value(json_object_get(root, "access_token"));
	if (token && *token && strlen(token) <= TOKEN_MAX) {
		const char *s = token;

		while (*s > ' ' && *s <= '~')
			s++;
		if (!*s)
			r = (*ret = strdup(token)) ? 0 : -ENOMEM;
	}
	json_decref(root);
	return r;
}

/* ---- token servers --------------------------------------------------------------------------------------------- */

/* Of a GET or of a POST. @more: one parameter, "&name=", and its value; NULL: none */
static char *parameters(CURL *curl, const struct challenge *c, const char *repository, const char *more,
			const char *value)
{
	char *service = curl_easy_escape(curl, c->service, 0),
	     *escaped = value ? curl_easy_escape(curl, value, 0) : NULL;
	char *text = NULL;

	/* what is asked for is ours to say: not the challenge's scope */
	if (service && (!value || escaped) &&
	    asprintf(&text, "client_id=caisson&service=%s&scope=repository%%3A%s%%3Apull%s%s", service, repository,
		     escaped ? more : "", escaped ? escaped : "") < 0)
		text = NULL;
	curl_free(service);
	curl_free(escaped);
	return text;
}

/* The server may be another host, but then nobody on the way must be able to read what it is shown. */
static int realm_url(struct fetch *f, const char *text, const char *query, struct url *ret, struct err *e)
{
	struct err why = { 0 };
	_cleanup_free_ char *whole = NULL;
	int r;

	if (query && asprintf(&whole, "%s%c%s", text, strchr(text, '?') ? '&' : '?', query) < 0) {
		whole = NULL;
		return fetch_err(f, ENOMEM, e, "no memory");
	}
	if ((r = url_parse(whole ? whole : text, NULL, ret, &why)) < 0)
		return fetch_err(f, EBADMSG, e, "names a token server, but %s", why.msg);
	if (ret->https || (!f->base.https && strcasecmp(ret->host, f->base.host) == 0))
		return 0;
	r = fetch_err(f, EPERM, e, "wants a token of %s by plain HTTP, which anybody on the way can read",
		      ret->host);
	url_done(ret);
	return r;
}

static int refused(struct fetch *f, const struct fetch_answer *a, const char *host, bool named, struct err *e)
{
	if (a->status == 429 || a->status == 503)
		return fetch_later(f, a, e);
	if ((a->status == 400 || a->status == 401 || a->status == 403) && named)
		return fetch_err(
			f, EACCES, e,
			"the credentials are refused by %s (%ld): docker login again, or check \"auth\" in "
			"caisson.dockerSocket.registries",
			host, a->status);
	if (a->status == 401 || a->status == 403)
		return fetch_err(f, EACCES, e,
				 "asks for a login: docker login, or give credentials with \"auth\" in "
				 "caisson.dockerSocket.registries");
	return fetch_err(f, EIO, e, "its token server %s answers %ld", host, a->status);
}

static int get_token(struct fetch *f, const struct challenge *c, const struct registry_auth *auth, char **ret,
		     struct err *e)
{
	struct fetch_request request = { .max = TOKEN_ANSWER_MAX, .accept = "application/json" };
	_cleanup_free_ char *text = NULL;
	struct fetch_answer answer;
	struct url url;
	int r;

	if (auth->identity_token)
		text = parameters(f->curl, c, f->job->repository,
				  "&grant_type=refresh_token&refresh_token=", auth->identity_token);
	else
		text = parameters(f->curl, c, f->job->repository, "&account=", auth->username);
	if (!text)
		return fetch_err(f, ENOMEM, e, "no memory");
	if ((r = realm_url(f, c->realm, auth->identity_token ? NULL : text, &url, e)) < 0)
		return r;
	request.url = &url;
	if (auth->identity_token) {
		request.form = text;
	} else {
		request.user = auth->username;
		request.password = auth->password;
	}
	r = fetch(f, &request, &answer, e);
	if (r >= 0) {
		if (answer.status != 200)
			r = refused(f, &answer, url.host, auth->identity_token || auth->username, e);
		else if ((r = login_token(answer.body, answer.len, ret)) < 0)
			r = fetch_err(f, -r, e, "its token server %s sends no token that can be used", url.host);
		fetch_answer_done(&answer);
	}
	url_done(&url);
	return r;
}

int login(struct fetch *f, const char *authenticate, struct login *ret, struct err *e)
{
	static const struct registry_auth nobody;
	const struct registry_auth *auth = f->own ? &f->job->auth : &nobody;
	struct challenge c;

	if (!authenticate || challenge_parse(authenticate, &c) < 0)
		return fetch_err(f, EBADMSG, e,
				 "asks for a login, but does not say for which in a way that can be read");
	if (c.bearer && auth->registry_token) {
		ret->bearer = strdup(auth->registry_token);
		return ret->bearer ? 0 : fetch_err(f, ENOMEM, e, "no memory");
	}
	if (c.bearer)
		return get_token(f, &c, auth, &ret->bearer, e);
	if (!c.basic)
		return fetch_err(f, EACCES, e, "asks for a kind of login that is not known");
	if (!auth->username)
		return fetch_err(f, EACCES, e,
				 "asks for a login: docker login, or give credentials with \"auth\" in "
				 "caisson.dockerSocket.registries");
	ret->user = auth->username;
	ret->password = auth->password;
	return 0;
}
