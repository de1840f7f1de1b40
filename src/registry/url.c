/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

static void cleanup_curlu(CURLU **u)
{
	curl_url_cleanup(*u);
}

/* A copy of our own: what libcurl allocates is to be freed by libcurl. */
static char *get_part(CURLU *u, CURLUPart part, unsigned flags)
{
	char *text = NULL, *copy = NULL;

	if (curl_url_get(u, part, &text, flags) == CURLUE_OK)
		copy = strdup(text);
	curl_free(text);
	return copy;
}

static bool has_part(CURLU *u, CURLUPart part)
{
	_cleanup_free_ char *text = get_part(u, part, 0);

	return text;
}

int url_parse(const char *text, const struct url *base, struct url *ret, struct err *e)
{
	_cleanup_(cleanup_curlu) CURLU *u = curl_url();
	_cleanup_free_ char *scheme = NULL;
	struct url url = { 0 };

	if (!u)
		return err_set(e, ENOMEM, "no memory");
	if (strlen(text) > URL_MAX)
		return err_set(e, EINVAL, "its address is over %d bytes", URL_MAX);
	for (const char *s = text; *s; s++)
		if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f)
			return err_set(e, EINVAL, "its address has characters that no address has");
	if ((base && curl_url_set(u, CURLUPART_URL, base->text, 0) != CURLUE_OK) ||
	    curl_url_set(u, CURLUPART_URL, text, 0) != CURLUE_OK)
		return err_set(e, EINVAL, "its address is not one of http or https");
	scheme = get_part(u, CURLUPART_SCHEME, 0);
	if (!scheme || (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0))
		return err_set(e, EINVAL, "its address is not one of http or https");
	if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
		return err_set(e, EINVAL, "its address has a user or a password in it");
	if (curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) != CURLUE_OK)
		return err_set(e, ENOMEM, "no memory");
	url.https = strcmp(scheme, "https") == 0;
	url.text = get_part(u, CURLUPART_URL, 0);
	url.host = get_part(u, CURLUPART_HOST, 0);
	url.port = get_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
	if (!url.text || !url.host || !url.port) {
		url_done(&url);
		return err_set(e, EINVAL, "its address has no host");
	}
	*ret = url;
	return 0;
}

void url_done(struct url *u)
{
	free(u->text);
	free(u->host);
	free(u->port);
	*u = (struct url){ 0 };
}

bool url_same_origin(const struct url *a, const struct url *b)
{
	return a->https == b->https && strcasecmp(a->host, b->host) == 0 && strcmp(a->port, b->port) == 0;
}

int url_redirect(const struct url *from, const char *location, struct url *ret, struct err *e)
{
	int r = url_parse(location, from, ret, e);

	if (r < 0)
		return err_ctx(e, r, "sends us elsewhere, but");
	if (from->https && !ret->https) {
		url_done(ret);
		return err_set(e, EPERM, "sends us from https to http");
	}
	return 0;
}

bool url_host_is_loopback(const char *host)
{
	char name[INET6_ADDRSTRLEN];
	size_t n = *host == '[' ? strcspn(host, "]") : strcspn(host, ":");
	struct in6_addr v6;
	struct in_addr v4;

	if (*host == '[') {
		if (n - 1 >= sizeof name || host[n] != ']')
			return false;
		memcpy(name, host + 1, n - 1);
		name[n - 1] = '\0';
		return inet_pton(AF_INET6, name, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
	}
	if (n >= sizeof name)
		return false;
	memcpy(name, host, n);
	name[n] = '\0';
	return strcasecmp(name, "localhost") == 0 ||
	       (inet_pton(AF_INET, name, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127);
}
