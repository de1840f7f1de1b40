/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKET_TOKEN_H
#define SOCKET_TOKEN_H

#include <stdbool.h>
#include <string.h>

#define GRANT_TOKEN_LEN 32 /* hexadecimal digits, from getrandom(2) */

/* What a token's directory has in it; see grants.h. */
#define TOKEN_SOCKET	"docker.sock"
#define TOKEN_CONTAINER "container"
#define TOKEN_IDS	"ids"

/* token_is_valid() - 32 hexadecimal digits and nothing else. @s: untrusted. */
static inline bool token_is_valid(const char *s)
{
	return strspn(s, "0123456789abcdef") == GRANT_TOKEN_LEN && s[GRANT_TOKEN_LEN] == '\0';
}

#endif
