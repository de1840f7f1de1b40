/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "http/h1.h"

static void put(struct h1_text *t, const char *s)
{
	size_t n = strlen(s);

	if (t->failed)
		return;
	if (t->size - t->len < n) {
		size_t size = t->len + n + 512;
		char *text = realloc(t->text, size);

		if (!text) {
			free(t->text);
			*t = (struct h1_text){ .failed = true };
			return;
		}
		t->text = text;
		t->size = size;
	}
	memcpy(t->text + t->len, s, n);
	t->len += n;
}

/* A word that came from elsewhere: a line break in it would be a line more. */
static void put_word(struct h1_text *t, const char *s)
{
	if (strpbrk(s, "\r\n"))
		t->bad = true;
	put(t, s);
}

void h1_put_request(struct h1_text *t, const char *method, const char *target)
{
	put_word(t, method);
	put(t, " ");
	put_word(t, target);
	put(t, " HTTP/1.1\r\n");
}

void h1_put_status(struct h1_text *t, int status, const char *reason)
{
	char line[32];

	(void)snprintf(line, sizeof line, "HTTP/1.1 %d ", status);
	put(t, line);
	put_word(t, reason);
	put(t, "\r\n");
}

void h1_put_field(struct h1_text *t, const char *name, const char *value)
{
	put_word(t, name);
	put(t, ": ");
	put_word(t, value);
	put(t, "\r\n");
}

void h1_put_length(struct h1_text *t, uint64_t length)
{
	char digits[24];

	(void)snprintf(digits, sizeof digits, "%llu", (unsigned long long)length);
	h1_put_field(t, "Content-Length", digits);
}

int h1_put_end(struct h1_text *t)
{
	struct h1_scan scan = { 0 };
	size_t used;
	int r;

	put(t, "\r\n");
	if (t->failed)
		return -ENOMEM;
	r = h1_scan(&scan, t->text, t->len, &used, NULL);
	if (r == 1 && used == t->len && !t->bad)
		return 0;
	free(t->text);
	*t = (struct h1_text){ .failed = true };
	return -EBADMSG;
}

const char *h1_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} rows[] = {
		{ 200, "OK" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].status == status)
			return rows[i].reason;
	return "Refused";
}
