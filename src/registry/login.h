/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_LOGIN_H
#define REGISTRY_LOGIN_H

#include <stddef.h>

#include "base/err.h"
#include "registry/fetch.h"

/* How requests to the registry are let in. Zeroes: as nobody. */
struct login {
	const char *user, *password; /* borrowed from the job; NULL: none */
	char *bearer;		     /* malloc'd; NULL: none */
};

/*
 * login() - do what a 401 asks for: take the job's name and password, or get a token for pulling from the job's
 * repository, with its credentials when there are any.
 * @authenticate: the challenges; NULL: none
 * Return: 0; -EACCES; -EBADMSG; -EPERM (the token's realm may not be asked); -EAGAIN; or what fetch() says. @e is a
 * whole message.
 */
int login(struct fetch *f, const char *authenticate, struct login *ret, struct err *e);
void login_done(struct login *l);

/*
 * login_token() - the token in the answer of a token server, malloc'd. Pure; @buf is untrusted.
 * Return: 0; -EBADMSG: there is none, or it has characters that cannot be sent; -ENOMEM.
 */
int login_token(const char *buf, size_t len, char **ret);

#endif
