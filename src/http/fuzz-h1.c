/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a request and as an answer. Whatever the split of the input, the result is the same; what is
 * read and written anew is read again as the same; a chunked body is the same after it was framed anew. No byte
 * behind the input is touched (exact-size copies).
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "http/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)                 \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

struct body {
	char *bytes;
	size_t len, end;
	int result; /* of the last call */
};

/* Scan in pieces of @step bytes. Return: what h1_scan() said; *@ret_len: bytes of the head. */
static int scan(const char *data, size_t size, size_t step, size_t *ret_len)
{
	struct h1_scan s = { 0 };
	size_t at = 0, used;
	int r = 0;

	while (at < size && r == 0) {
		size_t n = size - at < step ? size - at : step;

		r = h1_scan(&s, data + at, n, &used, NULL);
		if (r >= 0) {
			CHECK(used <= n);
			at += used;
		}
	}
	*ret_len = at;
	return r;
}

static char *copy(const char *data, size_t len)
{
	char *text = malloc(len + 1);

	CHECK(text);
	if (len)
		memcpy(text, data, len);
	text[len] = '\0';
	return text;
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static void check_written(const struct h1_head *h, bool request)
{
	_cleanup_free_ char *text = NULL;
	struct h1_text t = { 0 };
	struct h1_head again;

	if (request)
		h1_put_request(&t, h->method, h->target);
	else
		h1_put_status(&t, h->status, h->reason);
	for (size_t i = 0; i < h->n_fields; i++)
		h1_put_field(&t, h->fields[i].name, h->fields[i].value);
	/* Blanks that were trimmed come back as one each: at the limit it may be too long. */
	if (h1_put_end(&t) < 0)
		return;
	text = copy(t.text, t.len);
	free(t.text);
	CHECK((request ? h1_request_parse(text, t.len, &again, NULL)
		       : h1_response_parse(text, t.len, "GET", &again, NULL)) == 0);
	CHECK(same(h->method, again.method) && same(h->target, again.target) && h->status == again.status &&
	      same(h->reason, again.reason));
	CHECK(h->n_fields == again.n_fields && h->framing == again.framing && h->length == again.length &&
	      h->close == again.close);
	CHECK(h->expect_continue == again.expect_continue && same(h->upgrade, again.upgrade));
	for (size_t i = 0; i < h->n_fields; i++)
		CHECK(same(h->fields[i].name, again.fields[i].name) &&
		      same(h->fields[i].value, again.fields[i].value));
}

static void check_head(const struct h1_head *h)
{
	unsigned lengths = 0, codings = 0;

	for (size_t i = 0; i < h->n_fields; i++) {
		lengths += strcasecmp(h->fields[i].name, "content-length") == 0;
		codings += strcasecmp(h->fields[i].name, "transfer-encoding") == 0;
	}
	CHECK(lengths + codings <= 1);
	if (h->method) {
		CHECK(h->target[0] == '/' && h1_field_get(h, "host"));
		CHECK(h->framing == (lengths ? H1_LENGTH : codings ? H1_CHUNKED : H1_NONE));
	}
}

/* Decode in pieces of @step bytes, each in a buffer of its own size. */
static struct body decode(const char *data, size_t size, size_t step)
{
	struct body b = { .bytes = malloc(size + 1), .result = H1_CHUNK_MORE };
	struct h1_chunks c = { 0 };

	CHECK(b.bytes);
	while (b.end < size && b.result >= 0 && b.result != H1_CHUNK_END) {
		size_t n = size - b.end < step ? size - b.end : step, used, len, at = 0;
		_cleanup_free_ char *piece = malloc(n);
		const char *out;

		CHECK(piece);
		memcpy(piece, data + b.end, n);
		while (at < n) {
			b.result = h1_chunks_next(&c, piece + at, n - at, &used, &out, &len, NULL);
			if (b.result < 0)
				break;
			CHECK(at + used <= n);
			if (b.result == H1_CHUNK_DATA) {
				CHECK(out >= piece + at && out + len <= piece + n && len > 0);
				memcpy(b.bytes + b.len, out, len);
				b.len += len;
			}
			at += used;
			if (b.result == H1_CHUNK_END)
				break;
		}
		b.end += at;
	}
	return b;
}

static void check_body(const char *data, size_t size)
{
	struct body a = decode(data, size, size ? size : 1), b = decode(data, size, 1), c = decode(data, size, 7);

	/* How far a refused input was consumed differs with the pieces; what was decoded of it does not. */
	CHECK((a.result < 0) == (b.result < 0) && (a.result < 0) == (c.result < 0));
	CHECK(a.len == b.len && a.len == c.len && memcmp(a.bytes, b.bytes, a.len) == 0 &&
	      memcmp(a.bytes, c.bytes, a.len) == 0);
	CHECK((a.result == H1_CHUNK_END) == (b.result == H1_CHUNK_END));
	if (a.result == H1_CHUNK_END) {
		_cleanup_free_ char *again = malloc(a.len + 64);
		char head[H1_CHUNK_HEAD];
		size_t n = 0;
		struct body d;

		CHECK(again && a.end == b.end && a.end == c.end);
		if (a.len) {
			n = h1_chunk_head(head, a.len);
			memcpy(again, head, n);
			memcpy(again + n, a.bytes, a.len);
			memcpy(again + n + a.len, "\r\n", 2);
			n += a.len + 2;
		}
		memcpy(again + n, H1_CHUNK_LAST, 5);
		d = decode(again, n + 5, 3);
		CHECK(d.result == H1_CHUNK_END && d.end == n + 5 && d.len == a.len &&
		      memcmp(d.bytes, a.bytes, a.len) == 0);
		free(d.bytes);
	}
	free(a.bytes);
	free(b.bytes);
	free(c.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *input = copy((const char *)data, size);
	size_t len, other;
	int r;

	if (size > H1_HEAD_MAX + 4096)
		return 0;
	r = scan(input, size, size ? size : 1, &len);
	CHECK(scan(input, size, 1, &other) == r && (r < 0 || len == other));
	CHECK(scan(input, size, 3, &other) == r && (r < 0 || len == other));
	if (r == 1) {
		_cleanup_free_ char *request = copy(input, len), *answer = copy(input, len);
		struct h1_head h;

		if (h1_request_parse(request, len, &h, NULL) == 0) {
			check_head(&h);
			check_written(&h, true);
		}
		if (h1_response_parse(answer, len, "GET", &h, NULL) == 0) {
			check_head(&h);
			check_written(&h, false);
		}
		check_body(input + len, size - len);
	} else {
		check_body(input, size);
	}
	return 0;
}
