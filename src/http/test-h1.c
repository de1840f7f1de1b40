/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "http/h1.h"

#define R "GET /_ping HTTP/1.1\r\n"
#define H "Host: docker\r\n"

/*
 * Scan and parse as a reader does that gets @step bytes at a time. Return: 0 or -errno; -EAGAIN: no complete
 * head.
 */
static int parse(const char *raw, size_t len, size_t step, char **ret_text, struct h1_head *ret)
{
	struct h1_scan scan = { 0 };
	size_t at = 0;

	for (;;) {
		size_t n = len - at < step ? len - at : step, used;
		int r;

		if (n == 0)
			return -EAGAIN;
		r = h1_scan(&scan, raw + at, n, &used, NULL);
		if (r < 0)
			return r;
		at += used;
		if (r == 1)
			break;
	}
	*ret_text = malloc(at + 1);
	assert_non_null(*ret_text);
	memcpy(*ret_text, raw, at);
	(*ret_text)[at] = '\0';
	return h1_request_parse(*ret_text, at, ret, NULL);
}

struct row {
	const char *raw;
	int want;
	enum h1_framing framing;
};

#define POST "POST /x HTTP/1.1\r\n" H

static const struct row rows[] = {
	/* what clients send */
	{ R H "\r\n", 0, H1_NONE },
	{ R "Host: \r\n\r\n", 0, H1_NONE }, /* docker 20.10 on hijacked requests */
	{ "HEAD /_ping HTTP/1.1\r\nhOST:docker\r\nUser-Agent: x \t\r\n\r\n", 0, H1_NONE },
	{ POST "Content-Length: 0\r\nContent-Type: text/plain\r\n\r\n", 0, H1_LENGTH },
	{ POST "Content-Length: 28\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", 0, H1_LENGTH },
	{ POST "Transfer-Encoding: CHUNKED\r\n\r\n", 0, H1_CHUNKED },
	{ POST "Connection: keep-alive, close\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", 0,
	  H1_LENGTH },
	{ R H "X: a\tb\r\nEmpty:\r\n\r\n", 0, H1_NONE },
	{ R H "Content-Length: 9223372036854775807\r\n\r\n", 0, H1_LENGTH },

	/* where does it end? */
	{ POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", -EBADMSG, 0 },
	{ POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", -EBADMSG, 0 },
	{ POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", -EBADMSG, 0 },
	{ POST "Content-Length: 5\r\ncontent-length: 5\r\n\r\n", -EBADMSG, 0 },
	{ POST "Content-Length: 5, 5\r\n\r\n", -EBADMSG, 0 },
	{ POST "Content-Length: +5\r\n\r\n", -EBADMSG, 0 },
	{ POST "Content-Length: -5\r\n\r\n", -EBADMSG, 0 },
	{ POST "Content-Length: 05\r\n\r\n", -EBADMSG, 0 },
	{ POST "Content-Length: 0x5\r\n\r\n", -EBADMSG, 0 },
	{ POST "Content-Length: 5 5\r\n\r\n", -EBADMSG, 0 },
	{ POST "Content-Length:\r\n\r\n", -EBADMSG, 0 },
	{ POST "Content-Length: 9223372036854775808\r\n\r\n", -EBADMSG, 0 },
	{ POST "Content-Length: 18446744073709551621\r\n\r\n", -EBADMSG, 0 },
	{ POST "Content-Length : 5\r\n\r\n", -EBADMSG, 0 },
	{ POST "Transfer-Encoding : chunked\r\n\r\n", -EBADMSG, 0 },
	{ POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", -EBADMSG, 0 },
	{ POST "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n", -EBADMSG, 0 },
	{ POST "Transfer-Encoding: xchunked\r\n\r\n", -ENOTSUP, 0 },
	{ POST "Transfer-Encoding: gzip, chunked\r\n\r\n", -ENOTSUP, 0 },
	{ POST "Transfer-Encoding: chunked, identity\r\n\r\n", -ENOTSUP, 0 },
	{ POST "Transfer-Encoding: \"chunked\"\r\n\r\n", -ENOTSUP, 0 },
	{ POST "Transfer-Encoding:\r\n\r\n", -ENOTSUP, 0 },
	{ POST "Transfer-Encoding:\x0b"
	       "chunked\r\n\r\n",
	  -EBADMSG, 0 },
	{ POST "Transfer-Encoding: chunked\r\n  \r\n\r\n", -EBADMSG, 0 },
	{ POST "X: y\r\n Content-Length: 5\r\n\r\n", -EBADMSG, 0 },
	{ POST "X: y\r\n\tz\r\n\r\n", -EBADMSG, 0 },
	{ POST " Content-Length: 5\r\n\r\n", -EBADMSG, 0 },

	/* where does a line end? */
	{ "GET /_ping HTTP/1.1\nHost: docker\n\n", -EBADMSG, 0 },
	{ R "Host: docker\n\r\n", -EBADMSG, 0 },
	{ R H "X: y\nContent-Length: 5\r\n\r\n", -EBADMSG, 0 },
	{ R H "X: y\rContent-Length: 5\r\n\r\n", -EBADMSG, 0 },
	{ R H "X: y\r\r\n\r\n", -EBADMSG, 0 },
	{ R H "\n", -EBADMSG, 0 },
	{ R H "\r\r\n", -EBADMSG, 0 },
	{ "\r\n" R H "\r\n", -EBADMSG, 0 },
	{ R H "X: \x01\r\n\r\n", -EBADMSG, 0 },
	{ R H "X: \x7f\r\n\r\n", -EBADMSG, 0 },
	{ R H "X: \xc3\xa4\r\n\r\n", -EBADMSG, 0 },

	/* what does it say? */
	{ R "\r\n", -EBADMSG, 0 },
	{ R H H "\r\n", -EBADMSG, 0 },
	{ R "Host: a, b\r\n\r\n", -EBADMSG, 0 },
	{ R "Host: a b\r\n\r\n", -EBADMSG, 0 },
	{ R "Host: user@a\r\n\r\n", -EBADMSG, 0 },
	{ R "Host: a/../b\r\n\r\n", -EBADMSG, 0 },
	{ R H "no colon\r\n\r\n", -EBADMSG, 0 },
	{ R H ": no name\r\n\r\n", -EBADMSG, 0 },
	{ R H "X Y: z\r\n\r\n", -EBADMSG, 0 },
	{ R H "X(: z\r\n\r\n", -EBADMSG, 0 },
	{ R H "Connection: close, X-Registry-Auth\r\n\r\n", -EBADMSG, 0 },
	{ R H "Connection: close\r\nConnection: upgrade\r\n\r\n", -EBADMSG, 0 },
	{ R H "Upgrade: tcp\r\nUpgrade: h2c\r\n\r\n", -EBADMSG, 0 },
	{ R H "Expect: 200-ok\r\n\r\n", -EBADMSG, 0 },
	{ R H "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n", -EBADMSG, 0 },
	{ R H "Content-Type: a/b\r\nContent-Type: application/json\r\n\r\n", -EBADMSG, 0 },

	/* request lines */
	{ "GET /_ping HTTP/1.0\r\n" H "\r\n", -EPROTONOSUPPORT, 0 },
	{ "GET /_ping HTTP/1.2\r\n" H "\r\n", -EPROTONOSUPPORT, 0 },
	{ "GET /_ping HTTP/1.10\r\n" H "\r\n", -EPROTONOSUPPORT, 0 },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", -EPROTONOSUPPORT, 0 },
	{ "GET /_ping http/1.1\r\n" H "\r\n", -EBADMSG, 0 },
	{ "GET /_ping\r\n" H "\r\n", -EBADMSG, 0 },
	{ "GET  /_ping HTTP/1.1\r\n" H "\r\n", -EBADMSG, 0 },
	{ "GET /_ping  HTTP/1.1\r\n" H "\r\n", -EBADMSG, 0 },
	{ "GET /_ping HTTP/1.1 \r\n" H "\r\n", -EBADMSG, 0 },
	{ "GET\t/_ping\tHTTP/1.1\r\n" H "\r\n", -EBADMSG, 0 },
	{ " GET /_ping HTTP/1.1\r\n" H "\r\n", -EBADMSG, 0 },
	{ "GET /a b HTTP/1.1\r\n" H "\r\n", -EBADMSG, 0 },
	{ "GET /a#b HTTP/1.1\r\n" H "\r\n", -EBADMSG, 0 },
	{ "GET _ping HTTP/1.1\r\n" H "\r\n", -EBADMSG, 0 },
	{ "GET http://docker/_ping HTTP/1.1\r\n" H "\r\n", -EBADMSG, 0 },
	{ "OPTIONS * HTTP/1.1\r\n" H "\r\n", -EBADMSG, 0 },
	{ "CONNECT docker:80 HTTP/1.1\r\n" H "\r\n", -EBADMSG, 0 },
	{ "get /_ping HTTP/1.1\r\n" H "\r\n", -EBADMSG, 0 },
	{ "G-T /_ping HTTP/1.1\r\n" H "\r\n", -EBADMSG, 0 },
	{ " /_ping HTTP/1.1\r\n" H "\r\n", -EBADMSG, 0 },
	{ "\x16\x03\x01\x02\x00\x01", -EBADMSG, 0 }, /* TLS */
};

static void heads_are_read_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t step = 1; step < 200; step += step < 4 ? 1 : 97) {
			_cleanup_free_ char *text = NULL;
			struct h1_head h;
			int r = parse(rows[i].raw, strlen(rows[i].raw), step, &text, &h);

			if (r != rows[i].want || (r == 0 && h.framing != rows[i].framing))
				fail_msg("row %zu, %zu bytes at a time: %d, want %d: %s", i, step, r, rows[i].want,
					 rows[i].raw);
		}
	}
}

static void a_nul_is_refused(void **state)
{
	_cleanup_free_ char *text = NULL;
	struct h1_head h;

	(void)state;
	assert_int_equal(parse("GET /\0x HTTP/1.1\r\n" H "\r\n", 30 + 4, 1, &text, &h), -EBADMSG);
}

/* P11: the head of bare line feeds never ends, so it must not be waited for. */
static void what_is_wrong_is_said_at_once(void **state)
{
	struct h1_scan scan = { 0 };
	size_t used;

	(void)state;
	assert_int_equal(h1_scan(&scan, "GET / HTTP/1.1\n", 15, &used, NULL), -EBADMSG);
}

static void a_head_is_bounded(void **state)
{
	struct h1_scan scan = { 0 };
	char block[1024];
	size_t used;
	int r = 0;
	size_t n = 0;

	(void)state;
	memset(block, 'a', sizeof block);
	while (r == 0 && n++ < 100)
		r = h1_scan(&scan, block, sizeof block, &used, NULL);
	assert_int_equal(r, -E2BIG);
	assert_int_equal(n, 65);
	assert_int_equal(h1_refusal_status(r), 431);
}

static void fields_are_bounded(void **state)
{
	_cleanup_free_ char *text = NULL;
	char raw[4096] = R H;
	struct h1_head h;
	size_t n = strlen(raw);

	(void)state;
	for (unsigned i = 0; i < H1_FIELDS_MAX; i++) {
		memcpy(raw + n, "a: b\r\n", 6);
		n += 6;
	}
	memcpy(raw + n, "\r\n", 2);
	assert_int_equal(parse(raw, n + 2, 4096, &text, &h), -E2BIG);
}

static void what_a_head_says(void **state)
{
	static const char raw[] =
		"POST /v1.41/exec/a/start?x=%20 HTTP/1.1\r\nHost:\r\nConnection: Upgrade , keep-alive\r\nUPGRADE: tcp\r\n"
		"Content-Length: 28\r\nX-A:  b c \t\r\nx-a: second\r\n\r\n{body";
	_cleanup_free_ char *text = NULL;
	struct h1_head h;

	(void)state;
	assert_int_equal(parse(raw, strlen(raw), 1000, &text, &h), 0);
	assert_string_equal(h.method, "POST");
	assert_string_equal(h.target, "/v1.41/exec/a/start?x=%20");
	assert_string_equal(h.upgrade, "tcp");
	assert_int_equal(h.length, 28);
	assert_false(h.close);
	assert_int_equal(h.n_fields, 6);
	assert_string_equal(h1_field_get(&h, "x-A"), "b c");
	assert_null(h1_field_get(&h, "X"));
}

/* Without Connection: upgrade it is the business of some earlier hop. */
static void upgrade_has_to_be_named(void **state)
{
	static const char raw[] = R H "Upgrade: tcp\r\n\r\n";
	_cleanup_free_ char *text = NULL;
	struct h1_head h;

	(void)state;
	assert_int_equal(parse(raw, strlen(raw), 1000, &text, &h), 0);
	assert_null(h.upgrade);
}

static int response(const char *raw, const char *method, struct h1_head *ret, char **text)
{
	*text = strdup(raw);
	return h1_response_parse(*text, strlen(raw), method, ret, NULL);
}

static void answers(void **state)
{
	static const struct {
		const char *raw, *method;
		int want, status;
		enum h1_framing framing;
	} r[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "GET", 0, 200, H1_LENGTH },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "HEAD", 0, 200, H1_NONE },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", 0, 200, H1_CHUNKED },
		{ "HTTP/1.1 200 OK\r\n\r\n", "GET", 0, 200, H1_CLOSE },
		{ "HTTP/1.1 204 No Content\r\n\r\n", "POST", 0, 204, H1_NONE },
		{ "HTTP/1.1 304 Not Modified\r\n\r\n", "POST", 0, 304, H1_NONE },
		{ "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", "POST", 0, 101,
		  H1_NONE },
		{ "HTTP/1.1 100 \r\n\r\n", "POST", 0, 100, H1_NONE },
		{ "HTTP/1.1 299\r\n\r\n", "GET", 0, 299, H1_CLOSE },
		{ "HTTP/1.0 200 OK\r\n\r\n", "GET", -EBADMSG, 0, 0 },
		{ "HTTP/2 200 OK\r\n\r\n", "GET", -EBADMSG, 0, 0 },
		{ "HTTP/1.1 99 Low\r\n\r\n", "GET", -EBADMSG, 0, 0 },
		{ "HTTP/1.1 600 High\r\n\r\n", "GET", -EBADMSG, 0, 0 },
		{ "HTTP/1.1 2000 OK\r\n\r\n", "GET", -EBADMSG, 0, 0 },
		{ "HTTP/1.1 0200 OK\r\n\r\n", "GET", -EBADMSG, 0, 0 },
		{ "HTTP/1.1  200 OK\r\n\r\n", "GET", -EBADMSG, 0, 0 },
		{ "HTTP/1.1 200OK\r\n\r\n", "GET", -EBADMSG, 0, 0 },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", -EBADMSG, 0,
		  0 },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n", "HEAD", -EBADMSG, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(r); i++) {
		_cleanup_free_ char *text = NULL;
		struct h1_head h;
		int got = response(r[i].raw, r[i].method, &h, &text);

		if (got != r[i].want || (got == 0 && (h.status != r[i].status || h.framing != r[i].framing)))
			fail_msg("row %zu: %d: %s", i, got, r[i].raw);
	}
}

/*
 * Decode @raw, @step bytes at a time. Return: bytes consumed at the end of the body; 0: it has not ended;
 * -EBADMSG.
 */
static ssize_t unchunk(const char *raw, size_t step, char *body)
{
	struct h1_chunks c = { 0 };
	size_t len = strlen(raw), at = 0, used, n, total = 0;
	const char *data;

	while (at < len) {
		size_t now = len - at < step ? len - at : step;
		int r = h1_chunks_next(&c, raw + at, now, &used, &data, &n, NULL);

		if (r < 0)
			return r;
		at += used;
		if (r == H1_CHUNK_DATA) {
			memcpy(body + total, data, n);
			total += n;
		}
		body[total] = '\0';
		if (r == H1_CHUNK_END)
			return (ssize_t)at;
	}
	return 0;
}

static void chunks(void **state)
{
	static const struct {
		const char *raw, *body; /* NULL: refused */
		ssize_t end;
	} r[] = {
		{ "0\r\n\r\n", "", 5 },
		{ "3\r\nabc\r\n0\r\n\r\n", "abc", 13 },
		{ "a\r\n0123456789\r\n1\r\nX\r\n0\r\n\r\nGET /", "0123456789X", 26 },
		{ "A\r\n0123456789\r\n0\r\n\r\n", "0123456789", 20 },
		{ "3\r\nab", "ab", 0 },
		{ "3;ext=1\r\nabc\r\n0\r\n\r\n", NULL, 0 },
		{ "3 \r\nabc\r\n0\r\n\r\n", NULL, 0 },
		{ "03\r\nabc\r\n0\r\n\r\n", NULL, 0 },
		{ "00\r\n\r\n", NULL, 0 },
		{ "0x3\r\nabc\r\n0\r\n\r\n", NULL, 0 },
		{ "+3\r\nabc\r\n0\r\n\r\n", NULL, 0 },
		{ "-1\r\nabc\r\n0\r\n\r\n", NULL, 0 },
		{ "\r\nabc\r\n0\r\n\r\n", NULL, 0 },
		{ "3\nabc\r\n0\r\n\r\n", NULL, 0 },
		{ "3\r\nabc\n0\r\n\r\n", NULL, 0 },
		{ "3\r\nabcd\r\n0\r\n\r\n", NULL, 0 },
		{ "3\r\nabc0\r\n\r\n", NULL, 0 },
		{ "4\r\nabc\r\n0\r\n\r\n", NULL, 0 },
		{ "0\r\nTrailer: x\r\n\r\n", NULL, 0 },
		{ "0\r\n\n", NULL, 0 },
		{ "100000000000000\r\nabc", NULL, 0 },
		{ "10000000000000003\r\nabc\r\n0\r\n\r\n", NULL, 0 },
		{ "g\r\n", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(r); i++) {
		for (size_t step = 1; step < 40; step++) {
			char body[128] = "";
			ssize_t got = unchunk(r[i].raw, step, body);

			if (got != (r[i].body ? r[i].end : -EBADMSG) ||
			    (r[i].body && strcmp(body, r[i].body) != 0))
				fail_msg("row %zu, %zu at a time: %zd, '%s'", i, step, got, body);
		}
	}
}

static void chunk_heads(void **state)
{
	static const struct {
		size_t len;
		const char *want;
	} r[] = { { 1, "1\r\n" },
		  { 15, "f\r\n" },
		  { 16, "10\r\n" },
		  { 131072, "20000\r\n" },
		  { SIZE_MAX, "ffffffffffffffff\r\n" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(r); i++) {
		char buf[H1_CHUNK_HEAD + 1];

		buf[h1_chunk_head(buf, r[i].len)] = '\0';
		assert_string_equal(buf, r[i].want);
	}
}

static void heads_are_written(void **state)
{
	struct h1_text t = { 0 };

	(void)state;
	h1_put_request(&t, "POST", "/a?b=c");
	h1_put_field(&t, "Host", "docker");
	h1_put_length(&t, 12);
	assert_int_equal(h1_put_end(&t), 0);
	assert_int_equal(t.len, strlen("POST /a?b=c HTTP/1.1\r\nHost: docker\r\nContent-Length: 12\r\n\r\n"));
	assert_memory_equal(t.text, "POST /a?b=c HTTP/1.1\r\nHost: docker\r\nContent-Length: 12\r\n\r\n", t.len);
	free(t.text);
}

static void nothing_can_be_written_into_a_head(void **state)
{
	static const char *const evil[] = { "a\r\nX: y", "a\r\n\r\nGET /", "a\nb", "a\rb", "a\x01", "\xff" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(evil); i++) {
		struct h1_text t = { 0 };

		h1_put_request(&t, "GET", "/");
		h1_put_field(&t, "Host", evil[i]);
		assert_int_equal(h1_put_end(&t), -EBADMSG);
		assert_null(t.text);
	}
}

static void lists(void **state)
{
	(void)state;
	assert_true(h1_list_has("close", "close"));
	assert_true(h1_list_has("keep-alive , CLOSE\t,x", "close"));
	assert_false(h1_list_has("closer", "close"));
	assert_false(h1_list_has("", "close"));
	assert_false(h1_list_has(", ,", "close"));
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(heads_are_read_or_refused),
		cmocka_unit_test(a_nul_is_refused),
		cmocka_unit_test(what_is_wrong_is_said_at_once),
		cmocka_unit_test(a_head_is_bounded),
		cmocka_unit_test(fields_are_bounded),
		cmocka_unit_test(what_a_head_says),
		cmocka_unit_test(upgrade_has_to_be_named),
		cmocka_unit_test(answers),
		cmocka_unit_test(chunks),
		cmocka_unit_test(chunk_heads),
		cmocka_unit_test(heads_are_written),
		cmocka_unit_test(nothing_can_be_written_into_a_head),
		cmocka_unit_test(lists),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
