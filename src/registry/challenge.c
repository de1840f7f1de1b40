/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/challenge.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/num.h"

/* ---- WWW-Authenticate ------------------------------------------------------------------------------------------ */

static bool is_tchar(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static void skip_blanks(const char **s)
{
	*s += strspn(*s, " \t");
}

/* -EBADMSG: none, or too long for @size */
static int get_token(const char **s, char *buf, size_t size)
{
	size_t n = 0;

	while (is_tchar((*s)[n]))
		n++;
	if (n == 0 || n >= size)
		return -EBADMSG;
	memcpy(buf, *s, n);
	buf[n] = '\0';
	*s += n;
	return 0;
}

/* A token, or a text in quotes. */
static int get_value(const char **s, char *buf, size_t size)
{
	size_t n = 0;

	if (**s != '"')
		return get_token(s, buf, size);
	for ((*s)++; **s != '"'; (*s)++) {
		if (**s == '\\')
			(*s)++;
		if (**s < ' ' || **s > '~' || n + 1 >= size)
			return -EBADMSG;
		buf[n++] = **s;
	}
	(*s)++;
	buf[n] = '\0';
	return 0;
}

/* Bearer's parameters that are of use; the others are read and forgotten. */
static int keep(struct challenge *c, const char *name, const char *value, bool seen[2])
{
	char *const to[] = { c->realm, c->service };
	static const char *const names[] = { "realm", "service" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcasecmp(name, names[i]) != 0)
			continue;
		if (seen[i])
			return -EBADMSG;
		seen[i] = true;
		memcpy(to[i], value, strlen(value) + 1);
	}
	return 0;
}

/*
 * What follows a scheme: parameters, with commas between them, up to the end or to the next scheme, which is a
 * token that no "=" follows; or one token68.
 */
static int get_parameters(const char **s, struct challenge *c, bool bearer)
{
	bool seen[2] = { false, false };

	for (bool first = true;; first = false) {
		char name[64], value[CHALLENGE_VALUE_MAX];
		const char *at = *s;
		int r;

		if (!*at || (first && *at == ','))
			return 0;
		if (first) {
			size_t n =
				strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/");

			n += strspn(at + n, "=");
			n += strspn(at + n, " \t");
			if (n > 0 && (!at[n] || at[n] == ',')) {
				*s += n;
				return 0;
			}
		}
		if ((r = get_token(&at, name, sizeof name)) < 0)
			return r;
		skip_blanks(&at);
		if (*at != '=')
			return first ? -EBADMSG : 0;
		at++;
		skip_blanks(&at);
		if ((r = get_value(&at, value, sizeof value)) < 0 ||
		    (bearer && (r = keep(c, name, value, seen)) < 0))
			return r;
		skip_blanks(&at);
		*s = at;
		if (*at && *at != ',')
			return -EBADMSG;
		*s += strspn(*s, ", \t");
	}
}

int challenge_parse(const char *value, struct challenge *ret)
{
	struct challenge c = { 0 };
	const char *s = value;
	int r;

	for (s += strspn(s, ", \t"); *s; s += strspn(s, ", \t")) {
		char scheme[64];
		bool bearer;

		if ((r = get_token(&s, scheme, sizeof scheme)) < 0)
			return r;
		if (*s && *s != ' ' && *s != ',')
			return -EBADMSG;
		skip_blanks(&s);
		bearer = strcasecmp(scheme, "Bearer") == 0 && !c.bearer;
		if ((r = get_parameters(&s, &c, bearer)) < 0)
			return r;
		if (bearer && !*c.realm)
			return -EBADMSG;
		c.bearer |= bearer;
		c.basic |= strcasecmp(scheme, "Basic") == 0;
	}
	*ret = c;
	return 0;
}

/* ---- Retry-After ----------------------------------------------------------------------------------------------- */

static int two_digits(const char *s)
{
	return isdigit((unsigned char)s[0]) && isdigit((unsigned char)s[1]) ? (s[0] - '0') * 10 + s[1] - '0' : -1;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static int64_t parse_date(const char *s)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec", days[] = "SunMonTueWedThuFriSat";
	static const char form[] = "ddd, 00 mmm 0000 00:00:00 GMT";
	const char *month = NULL, *day = NULL;
	struct tm tm = { 0 };

	if (strlen(s) != sizeof form - 1)
		return -1;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == '0' ? !isdigit((unsigned char)s[i])
				   : !islower((unsigned char)form[i]) && form[i] != s[i])
			return -1;
	for (size_t i = 0; i < 12; i++)
		if (memcmp(months + 3 * i, s + 8, 3) == 0)
			month = months + 3 * i;
	for (size_t i = 0; i < 7; i++)
		if (memcmp(days + 3 * i, s, 3) == 0)
			day = days + 3 * i;
	if (!month || !day)
		return -1;
	tm.tm_mday = two_digits(s + 5);
	tm.tm_mon = (int)(month - months) / 3;
	tm.tm_year = two_digits(s + 12) * 100 + two_digits(s + 14) - 1900;
	tm.tm_hour = two_digits(s + 17);
	tm.tm_min = two_digits(s + 20);
	tm.tm_sec = two_digits(s + 23);
	if (tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60 ||
	    tm.tm_year < 70)
		return -1;
	return timegm(&tm);
}

int64_t retry_after_parse(const char *value, int64_t now, int64_t max)
{
	uint64_t seconds;
	int64_t at;

	if (isdigit((unsigned char)*value)) {
		int r = num_u64(value, (uint64_t)max, &seconds);

		return r == -ERANGE ? max : r < 0 ? -1 : (int64_t)seconds;
	}
	at = parse_date(value);
	if (at < 0)
		return -1;
	return at <= now ? 0 : at - now > max ? max : at - now;
}
