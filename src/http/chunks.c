/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chunked coding (RFC 9112, section 7.1), without extensions and trailers, sizes written the shortest way.
 */
#include <errno.h>

#include "http/h1.h"

enum {
	CHUNK_SIZE,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_END_CR,
	CHUNK_END_LF,
	CHUNK_DONE
};

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* One byte outside of data. Return: 0 or -EBADMSG. */
static int step(struct h1_chunks *c, char byte, struct err *e)
{
	int digit;

	switch (c->state) {
	case CHUNK_SIZE:
		digit = hex_digit(byte);
		if (digit >= 0) {
			/* 14 digits are 72 PB. A leading zero can only be the last chunk. */
			if (c->digits == 14 || (c->digits == 1 && c->left == 0))
				return err_set(e, EBADMSG, "malformed HTTP: chunk size");
			c->left = c->left << 4 | (uint64_t)digit;
			c->digits++;
			return 0;
		}
		if (byte != '\r' || c->digits == 0)
			return err_set(e, EBADMSG, "malformed HTTP: chunk size");
		c->state = CHUNK_SIZE_LF;
		return 0;
	case CHUNK_DATA_CR:
	case CHUNK_END_CR:
		if (byte != '\r')
			return err_set(e, EBADMSG, "malformed HTTP: %s",
				       c->state == CHUNK_END_CR ? "trailers are not accepted"
								: "chunk is longer than its size");
		c->state++;
		return 0;
	default:
		if (byte != '\n')
			return err_set(e, EBADMSG, "malformed HTTP: carriage return without line feed");
		if (c->state == CHUNK_SIZE_LF)
			c->state = c->left ? CHUNK_DATA : CHUNK_END_CR;
		else
			c->state = c->state == CHUNK_DATA_LF ? CHUNK_SIZE : CHUNK_DONE;
		c->digits = 0;
		return 0;
	}
}

int h1_chunks_next(struct h1_chunks *c, const char *buf, size_t len, size_t *ret_used, const char **ret_data,
		   size_t *ret_len, struct err *e)
{
	for (size_t i = 0; i < len; i++) {
		int r;

		if (c->state == CHUNK_DONE) {
			*ret_used = i;
			return H1_CHUNK_END;
		}
		if (c->state == CHUNK_DATA) {
			size_t n = len - i < c->left ? len - i : (size_t)c->left;

			c->left -= n;
			if (c->left == 0)
				c->state = CHUNK_DATA_CR;
			*ret_data = buf + i;
			*ret_len = n;
			*ret_used = i + n;
			return H1_CHUNK_DATA;
		}
		r = step(c, buf[i], e);
		if (r < 0)
			return r;
	}
	*ret_used = len;
	return c->state == CHUNK_DONE ? H1_CHUNK_END : H1_CHUNK_MORE;
}

size_t h1_chunk_head(char buf[static H1_CHUNK_HEAD], size_t len)
{
	size_t n = 0;
	int shift = 60;

	while (shift > 0 && (len >> shift) == 0)
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		buf[n++] = "0123456789abcdef"[len >> shift & 15];
	buf[n++] = '\r';
	buf[n++] = '\n';
	return n;
}
