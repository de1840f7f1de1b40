/* SPDX-License-Identifier: Apache-2.0 */
/* Where the engine itself would fetch a build's context from. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "guard/rules.h"

#define HOST_MAX 253u /* a name in DNS */

static bool on_host_v4(const unsigned char *a)
{
	/* Loopback, "this host", and link-local with the metadata services of clouds. */
	return a[0] == 127 || a[0] == 0 || (a[0] == 169 && a[1] == 254);
}

static bool on_host_v6(const unsigned char *a)
{
	static const unsigned char zeros[12], mapped[12] = { [10] = 0xff, [11] = 0xff },
					      nat64[12] = { 0, 0x64, 0xff, 0x9b };

	if (a[0] == 0xfe && (a[1] & 0xc0) == 0x80)
		return true;
	/* An IPv4 address in it; "::1" and "::" are of this form too. */
	if (memcmp(a, zeros, 12) == 0 || memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
		return on_host_v4(a + 12);
	return false;
}

static bool ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), t = strlen(tail);

	return n >= t && strcasecmp(s + n - t, tail) == 0;
}

static bool on_host_name(const char *name)
{
	static const char *const names[] = { "localhost",     "localhost.localdomain",
					     "localhost6",    "localhost6.localdomain6",
					     "ip6-localhost", "ip6-loopback" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return ends_with(name, ".localhost");
}

/* Is its last label a number, so that resolvers take the whole for an address: "127.1", "0x7f000001", "0177.1"? */
static bool is_numeric(const char *host)
{
	const char *dot = strrchr(host, '.'), *last = dot ? dot + 1 : host;

	if (last[0] == '0' && (last[1] == 'x' || last[1] == 'X'))
		return last[2 + strspn(last + 2, "0123456789abcdefABCDEF")] == '\0';
	return *last && last[strspn(last, "0123456789")] == '\0';
}

enum where { ELSEWHERE, ON_HOST, UNCLEAR };

/* @host: as it stands between scheme and path, without user and port. */
static enum where where_is(char *host)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
	unsigned char a[sizeof(struct in6_addr)];
	size_t n = strlen(host);

	if (*host == '[') {
		if (host[n - 1] != ']')
			return UNCLEAR;
		host[n - 1] = '\0';
		if (inet_pton(AF_INET6, host + 1, a) != 1) /* nor with a zone */
			return UNCLEAR;
		return on_host_v6(a) ? ON_HOST : ELSEWHERE;
	}
	if (n == 0 || host[strspn(host, letters)] != '\0')
		return UNCLEAR;
	if (inet_pton(AF_INET, host, a) == 1) /* four decimal numbers without leading zeros, and nothing else */
		return on_host_v4(a) ? ON_HOST : ELSEWHERE;
	if (host[n - 1] == '.')
		host[n - 1] = '\0';
	if (is_numeric(host))
		return UNCLEAR;
	return on_host_name(host) ? ON_HOST : ELSEWHERE;
}

/* Return: 0; -EINVAL: it is not clear where the host ends. @scp: as in "git@host:path". */
static int host_of(const char *rest, bool scp, char *ret, size_t size)
{
	size_t n = strcspn(rest, scp ? ":" : "/?#"), end;
	const char *at = memrchr(rest, '@', n), *host = at ? at + 1 : rest;

	n -= (size_t)(host - rest);
	end = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
	if (end > n)
		end = n;
	/* What may follow is a port. */
	if (end >= size || (end < n && host[end] != ':') ||
	    (end < n && strspn(host + end + 1, "0123456789") != n - end - 1))
		return -EINVAL;
	memcpy(ret, host, end);
	ret[end] = '\0';
	return 0;
}

/*
 * Never this host, as far as the address says so, and never a program's transport ("ext::"). What a name resolves to,
 * and where a server redirects to, only the engine finds out.
 */
int build_context(struct judging *j, const char *remote)
{
	static const char *const kinds[] = { "", "client-session", "upload-request" };
	static const char *const schemes[] = { "https://", "http://", "git://", "ssh://", "git@", "github.com/" };
	char host[HOST_MAX + 3];
	enum where where;

	for (size_t i = 0; remote && i < ARRAY_SIZE(kinds); i++)
		if (strcmp(remote, kinds[i]) == 0)
			remote = NULL;
	if (!remote)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		size_t n = strlen(schemes[i]);

		if (strncasecmp(remote, schemes[i], n) != 0)
			continue;
		if (strcmp(schemes[i], "github.com/") == 0)
			return 0;
		if (host_of(remote + n, strcmp(schemes[i], "git@") == 0, host, sizeof host) < 0)
			where = UNCLEAR;
		else
			where = where_is(host);
		if (where == ON_HOST)
			return refuse(
				j, 403, "build context",
				"enhanced container isolation: a build context on the host itself is blocked, as the "
				"engine would fetch it with the host's rights; send it from the client");
		if (where == UNCLEAR)
			return refuse(
				j, 403, "build context",
				"enhanced container isolation: the host of a build context must be a name or an "
				"address in its usual form (192.0.2.1, [2001:db8::1]); write it so, or send the "
				"context from the client");
		return 0;
	}
	return refuse(
		j, 403, "build context",
		"enhanced container isolation: a build context must come from the client or from http, https, git "
		"or ssh");
}
