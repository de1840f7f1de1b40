/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_CHALLENGE_H
#define REGISTRY_CHALLENGE_H

#include <stdbool.h>
#include <stdint.h>

/* Values of header fields (RFC 9110), pure. Everything read is untrusted. */

#define CHALLENGE_VALUE_MAX 1024

/* What a registry wants to be shown: all of its challenges, of which two kinds are of use. */
struct challenge {
	bool basic, bearer;
	/* of the first bearer challenge; "": not given; visible ASCII and blanks only */
	char realm[CHALLENGE_VALUE_MAX], service[CHALLENGE_VALUE_MAX];
};

/*
 * challenge_parse() - WWW-Authenticate; several fields joined by ", ". Schemes of other names are passed over.
 * Return: 0; -EBADMSG: not as the RFC writes it, a parameter twice, a value too long, a bearer without realm; @ret is
 * unchanged then.
 */
int challenge_parse(const char *value, struct challenge *ret);

/*
 * retry_after_parse() - Retry-After: seconds, or a date in the form that servers have to send (IMF-fixdate).
 * @now: seconds since 1970
 * Return: seconds from now, 0 or more, no more than @max; -1: no such value.
 */
int64_t retry_after_parse(const char *value, int64_t now, int64_t max);

#endif
