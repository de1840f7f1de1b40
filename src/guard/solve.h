/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_SOLVE_H
#define GUARD_SOLVE_H

#include "guard/judge.h"

/*
 * What clients may ask BuildKit over gRPC (E104, E105). Closed world: methods that are not listed are refused, and so
 * are fields that are not known in the messages that are judged. Pure.
 */
struct solve_method;

/*
 * solve_method() - @path: ":path" of the request, untrusted.
 * Return: the method, all of whose requests are one message; or NULL with the refusal in @v (501: there is no such
 * method as far as we know; 403: it is blocked).
 */
const struct solve_method *solve_method(const char *path, struct judge_verdict *v);

/* solve_method_path() - static. */
const char *solve_method_path(const struct solve_method *m);

/*
 * solve_judge() - @message: the only one of a request. @q: settings and host, as for judge(). *@v is overwritten: pass or
 * refuse.
 */
void solve_judge(const struct solve_method *m, const void *message, size_t len, struct judge_request *q,
		 struct judge_verdict *v);

#endif
