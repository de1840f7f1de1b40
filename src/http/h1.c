/* SPDX-License-Identifier: Apache-2.0 */
#include "http/h1.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/num.h"

enum { SCAN_LINE, SCAN_CR, SCAN_START, SCAN_LAST_CR };

static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static int bad(struct err *e, const char *what)
{
	return err_set(e, EBADMSG, "malformed HTTP: %s", what);
}

int h1_scan(struct h1_scan *s, const char *buf, size_t len, size_t *ret_used, struct err *e)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)buf[i];

		if (++s->total > H1_HEAD_MAX)
			return err_set(e, E2BIG, "the HTTP head has more than %u bytes", H1_HEAD_MAX);
		if (s->state == SCAN_CR || s->state == SCAN_LAST_CR) {
			if (c != '\n')
				return bad(e, "carriage return without line feed");
			if (s->state == SCAN_LAST_CR) {
				*ret_used = i + 1;
				return 1;
			}
			s->state = SCAN_START;
		} else if (c == '\r') {
			if (s->total == 1)
				return bad(e, "empty line before the head");
			s->state = s->state == SCAN_START ? SCAN_LAST_CR : SCAN_CR;
		} else if (c == '\n') {
			return bad(e, "line feed without carriage return");
		} else if ((c < ' ' && c != '\t') || c > '~') {
			return bad(e, "control character or byte above 0x7e in the head");
		} else {
			if (s->state == SCAN_START && (c == ' ' || c == '\t'))
				return bad(e, "folded line");
			s->state = SCAN_LINE;
		}
	}
	*ret_used = len;
	return 0;
}

/* Cut one line off: NUL for its CRLF, which h1_scan() found complete. */
static char *take_line(char **at)
{
	char *line = *at, *end = strchr(line, '\r');

	*end = '\0';
	*at = end + 2;
	return line;
}

static char *trim(char *s)
{
	size_t n;

	s += strspn(s, " \t");
	n = strlen(s);
	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	s[n] = '\0';
	return s;
}

static int parse_fields(char *at, struct h1_head *h, struct err *e)
{
	while (*at != '\r') {
		char *line = take_line(&at), *colon = line;

		while (is_token_char(*colon))
			colon++;
		if (colon == line || *colon != ':')
			return bad(e, "field name");
		if (h->n_fields == H1_FIELDS_MAX)
			return err_set(e, E2BIG, "the HTTP head has more than %u fields", H1_FIELDS_MAX);
		*colon = '\0';
		h->fields[h->n_fields++] = (struct h1_field){ line, trim(colon + 1) };
	}
	return 0;
}

const char *h1_field_get(const struct h1_head *h, const char *name)
{
	for (size_t i = 0; i < h->n_fields; i++)
		if (strcasecmp(h->fields[i].name, name) == 0)
			return h->fields[i].value;
	return NULL;
}

/* Fields that must not be there twice, as readers differ in which one they take. */
static int take_single(const struct h1_head *h, const char *name, const char **ret, struct err *e)
{
	*ret = NULL;
	for (size_t i = 0; i < h->n_fields; i++) {
		if (strcasecmp(h->fields[i].name, name) != 0)
			continue;
		if (*ret)
			return err_set(e, EBADMSG, "malformed HTTP: %s is there twice", name);
		*ret = h->fields[i].value;
	}
	return 0;
}

bool h1_list_has(const char *list, const char *value)
{
	size_t want = strlen(value);

	while (*list) {
		size_t n, end;

		list += strspn(list, ", \t");
		n = strcspn(list, ",");
		for (end = n; end > 0 && (list[end - 1] == ' ' || list[end - 1] == '\t');)
			end--;
		if (end == want && strncasecmp(list, value, want) == 0)
			return true;
		list += n;
	}
	return false;
}

/*
 * Connection names fields that a proxy is to drop: a way to have a field vanish on the way (A120). Only what
 * concerns the connection itself may be named.
 */
static int check_connection(const char *list, struct err *e)
{
	static const char *const known[] = { "close", "keep-alive", "upgrade", "http2-settings", "te" };

	while (*list) {
		char element[16];
		size_t n, i;

		list += strspn(list, ", \t");
		n = strcspn(list, ", \t");
		if (n >= sizeof element)
			return bad(e, "Connection names an unknown option");
		memcpy(element, list, n);
		element[n] = '\0';
		for (i = 0; n > 0 && i < ARRAY_SIZE(known) && strcasecmp(known[i], element) != 0;)
			i++;
		if (i == ARRAY_SIZE(known))
			return bad(e, "Connection names an unknown option");
		list += n;
	}
	return 0;
}

static int parse_framing(struct h1_head *h, struct err *e)
{
	const char *length = NULL, *coding = NULL;
	int r;

	r = take_single(h, "Content-Length", &length, e);
	if (r == 0)
		r = take_single(h, "Transfer-Encoding", &coding, e);
	if (r < 0)
		return r;
	if (length && coding)
		return bad(e, "both Content-Length and Transfer-Encoding");
	if (coding) {
		if (strcasecmp(coding, "chunked") != 0)
			return err_set(e, ENOTSUP, "the only transfer coding understood is \"chunked\"");
		h->framing = H1_CHUNKED;
	}
	if (length) {
		if ((length[0] == '0' && length[1]) || num_u64(length, H1_LENGTH_MAX, &h->length) < 0)
			return bad(e, "Content-Length");
		h->framing = H1_LENGTH;
	}
	return 0;
}

static int parse_common(char *at, struct h1_head *h, struct err *e)
{
	const char *connection = NULL, *upgrade = NULL;
	int r;

	r = parse_fields(at, h, e);
	if (r == 0)
		r = parse_framing(h, e);
	if (r == 0)
		r = take_single(h, "Connection", &connection, e);
	if (r == 0)
		r = take_single(h, "Upgrade", &upgrade, e);
	if (r < 0)
		return r;
	if (connection) {
		r = check_connection(connection, e);
		if (r < 0)
			return r;
		h->close = h1_list_has(connection, "close");
		if (upgrade && h1_list_has(connection, "upgrade"))
			h->upgrade = upgrade;
	}
	return 0;
}

/*
 * The three words of a request line. The version is looked at first: HTTP/2's preface is to be named as what it
 * is.
 */
static int parse_request_line(char *line, struct h1_head *h, struct err *e)
{
	char *target = strchr(line, ' '), *version = target ? strrchr(line, ' ') : NULL;

	if (!version || version == target)
		return bad(e, "request line");
	*target++ = '\0';
	*version++ = '\0';
	if (strcmp(version, "HTTP/1.1") != 0) {
		if (strncmp(version, "HTTP/", 5) != 0)
			return bad(e, "request line");
		return err_set(e, EPROTONOSUPPORT, "only HTTP/1.1 is understood here, and HTTP/2 for gRPC");
	}
	if (!*line || strlen(line) > 16 || strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(line))
		return bad(e, "method");
	if (*target != '/' || strpbrk(target, " \t#"))
		return bad(e, "request target; it is to begin with \"/\"");
	h->method = line;
	h->target = target;
	return 0;
}

int h1_request_parse(char *buf, size_t len, struct h1_head *ret, struct err *e)
{
	const char *host = NULL, *expect = NULL, *type = NULL;
	char *at = buf;
	int r;

	*ret = (struct h1_head){ 0 };
	if (len < 4 || memcmp(buf + len - 4, "\r\n\r\n", 4) != 0)
		return bad(e, "incomplete head");
	r = parse_request_line(take_line(&at), ret, e);
	if (r == 0)
		r = parse_common(at, ret, e);
	if (r == 0)
		r = take_single(ret, "Host", &host, e);
	if (r == 0)
		r = take_single(ret, "Expect", &expect, e);
	if (r == 0)
		r = take_single(ret, "Content-Type", &type, e);
	if (r < 0)
		return r;
	if (!host || strpbrk(host, " \t,/@"))
		return bad(e, "Host");
	if (expect) {
		if (strcasecmp(expect, "100-continue") != 0)
			return bad(e, "Expect");
		ret->expect_continue = true;
	}
	return 0;
}

int h1_response_parse(char *buf, size_t len, const char *method, struct h1_head *ret, struct err *e)
{
	char *at = buf, *line;
	uint64_t status;
	const char *p;
	int r;

	*ret = (struct h1_head){ 0 };
	if (len < 4 || memcmp(buf + len - 4, "\r\n\r\n", 4) != 0)
		return bad(e, "incomplete head");
	line = take_line(&at);
	if (strncmp(line, "HTTP/1.1 ", 9) != 0)
		return bad(e, "status line");
	p = line + 9;
	if (num_span(&p, 599, &status) < 0 || p != line + 12 || status < 100 || (*p && *p != ' '))
		return bad(e, "status line");
	ret->status = (int)status;
	ret->reason = *p ? p + 1 : p;
	ret->framing = H1_CLOSE;
	r = parse_common(at, ret, e);
	if (r < 0)
		return r;
	if (status < 200 || status == 204 || status == 304 || strcmp(method, "HEAD") == 0)
		ret->framing = H1_NONE;
	return 0;
}

int h1_refusal_status(int r)
{
	switch (r) {
	case -E2BIG:
		return 431;
	case -EPROTONOSUPPORT:
		return 505;
	case -ENOTSUP:
		return 501;
	default:
		return 400;
	}
}
