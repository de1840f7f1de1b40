/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_URL_H
#define REGISTRY_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* URLs, taken apart by libcurl, so that what is checked is where it connects to. All texts are untrusted. */

#define URL_MAX 8192 /* bytes: object stores sign theirs */

struct url {
	char *text; /* malloc'd, without a fragment; always given back */
	bool https;
	char *host, *port; /* malloc'd; the port is always there */
};

/*
 * url_parse() - @text, or what it means when it is found in @base (NULL: it has to be whole). Only http and https,
 * no user or password in it, visible ASCII only.
 * Return: 0, -EINVAL, -ENOMEM; @ret to be passed to url_done() on success.
 */
int url_parse(const char *text, const struct url *base, struct url *ret, struct err *e);
void url_done(struct url *u);

/* url_same_origin() - scheme, host and port are the same. */
bool url_same_origin(const struct url *a, const struct url *b);

/*
 * url_redirect() - where a Location leads: @ret as url_parse(); never from https to http.
 * Return: 0, -EINVAL, -EPERM, -ENOMEM.
 */
int url_redirect(const struct url *from, const char *location, struct url *ret, struct err *e);

/* url_host_is_loopback() - "localhost", 127.0.0.0/8, "[::1]"; @host may have a port. Pure, asks no resolver. */
bool url_host_is_loopback(const char *host);

#endif
