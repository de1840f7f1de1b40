/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_H1_H
#define HTTP_H1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * HTTP/1.1 heads, message framing and their encoding, as strict as RFC 9110 and 9112 allow and stricter where
 * two readers of the same bytes could disagree about what a message says or where it ends. Pure: bytes in,
 * structures out. Everything read is untrusted.
 *
 * Refused although some servers take them: bare CR or LF, NUL and other control characters, bytes above 0x7e,
 * folded lines, blanks before a colon, an empty line before the request, HTTP/1.0, lower-case methods,
 * absolute, authority and asterisk targets, no Host or two (an empty one is fine: docker sends it),
 * Content-Length together with Transfer-Encoding, either of them twice, a length that is not written the
 * shortest way, transfer codings other than "chunked", chunk extensions, padded chunk sizes and trailers.
 */

#define H1_HEAD_MAX   65536u /* bytes of a head with its empty line */
#define H1_FIELDS_MAX 192u   /* BuildKit's clients send one field for each method that their session offers */
#define H1_LENGTH_MAX INT64_MAX

struct h1_field {
	const char *name, *value; /* as sent; @value without the blanks around it */
};

enum h1_framing {
	H1_NONE,   /* no body */
	H1_LENGTH, /* Content-Length, may be 0 */
	H1_CHUNKED,
	H1_CLOSE, /* responses only: until the connection is closed */
};

struct h1_head {
	const char *method, *target; /* of a request */
	int status;		     /* of a response: 100..599 */
	const char *reason;	     /* may be "" */
	struct h1_field fields[H1_FIELDS_MAX];
	size_t n_fields;
	enum h1_framing framing;
	uint64_t length;      /* H1_LENGTH */
	bool close;	      /* Connection: close */
	bool expect_continue; /* Expect: 100-continue */
	const char *upgrade;  /* value of Upgrade where Connection names it, else NULL */
};

/* Where h1_scan() is in a head. Start with zeroes. */
struct h1_scan {
	size_t total;
	int state;
};

/*
 * h1_scan() - find the end of a head in bytes as they arrive; what is wrong is said at the first byte that
 * cannot be right, so a sender of bare line feeds does not wait for an empty line that never comes.
 * @ret_used: how many of @len bytes belong to the head (all of them unless 1 is returned)
 * Return: 1 the head is complete; 0 more is needed; -EBADMSG; -E2BIG (more than H1_HEAD_MAX bytes).
 */
int h1_scan(struct h1_scan *s, const char *buf, size_t len, size_t *ret_used, struct err *e);

/*
 * h1_request_parse() - read a complete head.
 * @buf: what h1_scan() accepted, up to and with the empty line. Changed: @ret points into it, so it must live
 * as long.
 * Return: 0; -EBADMSG; -E2BIG (too many fields); -EPROTONOSUPPORT (not HTTP/1.1, HTTP/2's preface included);
 * -ENOTSUP (a transfer coding).
 */
int h1_request_parse(char *buf, size_t len, struct h1_head *ret, struct err *e);

/* h1_response_parse() - likewise. @method: of the request, which decides whether an answer has a body. */
int h1_response_parse(char *buf, size_t len, const char *method, struct h1_head *ret, struct err *e);

/* h1_refusal_status() - the status code that answers a request for which a function here returned @r. */
int h1_refusal_status(int r);

/* h1_field_get() - value of the first field of that name (in any case), or NULL. */
const char *h1_field_get(const struct h1_head *h, const char *name);

/* h1_list_has() - is @value one of the comma-separated elements, in any case? */
bool h1_list_has(const char *list, const char *value);

/* Where a chunked body is. Start with zeroes. */
struct h1_chunks {
	uint64_t left; /* of the chunk */
	int state;
	unsigned digits;
};

enum h1_chunk_result {
	H1_CHUNK_MORE, /* all of @len was used */
	H1_CHUNK_DATA, /* *@ret_data, *@ret_len is a piece of the body */
	H1_CHUNK_END,  /* the body ended; what is behind *@ret_used is not its */
};

/*
 * h1_chunks_next() - go on in a chunked body until there is data, the end, or no more bytes.
 * @ret_used: bytes of @buf that were consumed, the data included     @ret_data: points into @buf
 * Return: enum h1_chunk_result or -EBADMSG.
 */
int h1_chunks_next(struct h1_chunks *c, const char *buf, size_t len, size_t *ret_used, const char **ret_data,
		   size_t *ret_len, struct err *e);

/*
 * A head being written. Zeroes to begin with; after a failed allocation nothing more is added and text is NULL.
 */
struct h1_text {
	char *text; /* owned: free() */
	size_t len, size;
	bool failed, bad; /* bad: a value would have added a line */
};

/*
 * The writers: a start line, fields, one framing, the end. No value can add a line or a byte that a reader
 * would refuse: h1_put_end() checks the whole with h1_scan().
 */
void h1_put_request(struct h1_text *t, const char *method, const char *target);
void h1_put_status(struct h1_text *t, int status, const char *reason);
void h1_put_field(struct h1_text *t, const char *name, const char *value);
void h1_put_length(struct h1_text *t, uint64_t length);
/* h1_put_end() - Return: 0; -ENOMEM; -EBADMSG (it would not be a head). */
int h1_put_end(struct h1_text *t);

#define H1_CHUNK_HEAD 20
/*
 * h1_chunk_head() - "1f\r\n" for a chunk of @len > 0 bytes, which is to be followed by "\r\n". Return: its
 * length.
 */
size_t h1_chunk_head(char buf[static H1_CHUNK_HEAD], size_t len);
#define H1_CHUNK_LAST "0\r\n\r\n"

/* h1_reason() - the usual words for a status code. */
const char *h1_reason(int status);

#endif
