/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/h2.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/num.h"

struct call {
	nghttp2_session *session;
	int fd;
	uint8_t prefix[5]; /* gRPC's: no compression, length */
	const char *message;
	size_t len, sent; /* of prefix and message together */
	char *text;
	uint32_t status; /* UINT32_MAX: none yet */
	bool closed;
};

static ssize_t on_read(nghttp2_session *s, int32_t id, uint8_t *buf, size_t size, uint32_t *flags,
		       nghttp2_data_source *source, void *user)
{
	struct call *c = source->ptr;
	size_t n = 0;

	(void)s;
	(void)id;
	(void)user;
	while (n < size && c->sent < sizeof c->prefix)
		buf[n++] = c->prefix[c->sent++];
	if (c->sent >= sizeof c->prefix) {
		size_t at = c->sent - sizeof c->prefix, left = c->len - at,
		       take = size - n < left ? size - n : left;

		if (take)
			memcpy(buf + n, c->message + at, take);
		n += take;
		c->sent += take;
		if (take == left)
			*flags |= NGHTTP2_DATA_FLAG_EOF;
	}
	return (ssize_t)n;
}

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* grpc-message is percent-encoded. What is not printable becomes "?": it ends in a log. */
static void decode(const uint8_t *value, size_t len, char *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < H2_MESSAGE_MAX - 1; i++) {
		int c = value[i];

		if (c == '%' && i + 2 < len && hex(value[i + 1]) >= 0 && hex(value[i + 2]) >= 0) {
			c = hex(value[i + 1]) << 4 | hex(value[i + 2]);
			i += 2;
		}
		ret[n++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	ret[n] = '\0';
}

static int on_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
		     const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
	struct call *c = user;
	uint32_t n;

	(void)s;
	(void)frame;
	(void)flags;
	if (name_len == 11 && memcmp(name, "grpc-status", 11) == 0) {
		char digits[12] = "";

		if (value_len < sizeof digits)
			memcpy(digits, value, value_len);
		c->status = num_u32(digits, &n) < 0 ? UINT32_MAX : n;
	} else if (name_len == 12 && memcmp(name, "grpc-message", 12) == 0) {
		decode(value, value_len, c->text);
	}
	return 0;
}

static int on_close(nghttp2_session *s, int32_t id, uint32_t error, void *user)
{
	struct call *c = user;

	(void)s;
	(void)id;
	(void)error;
	c->closed = true;
	return 0;
}

#define FIELD(n, v)                                                                                          \
	{                                                                                                    \
		.name = (uint8_t *)(uintptr_t)(n), .namelen = strlen(n), .value = (uint8_t *)(uintptr_t)(v), \
		.valuelen = strlen(v)                                                                        \
	}

static int begin(struct call *c, const char *path)
{
	const nghttp2_nv nv[] = {
		FIELD(":method", "POST"),
		FIELD(":scheme", "http"),
		FIELD(":path", path),
		FIELD(":authority", "localhost"),
		FIELD("content-type", "application/grpc"),
		FIELD("te", "trailers"),
		FIELD("user-agent", "caissond/" CAISSON_VERSION),
	};
	const nghttp2_data_provider data = { .source.ptr = c, .read_callback = on_read };
	nghttp2_session_callbacks *callbacks;
	int r;

	if (nghttp2_session_callbacks_new(&callbacks) != 0)
		return -ENOMEM;
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	r = nghttp2_session_client_new(&c->session, callbacks, c);
	nghttp2_session_callbacks_del(callbacks);
	if (r != 0)
		return -ENOMEM;
	if (nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, NULL, 0) != 0 ||
	    nghttp2_submit_request(c->session, NULL, nv, ARRAY_SIZE(nv), &data, NULL) < 0)
		return -ENOMEM;
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int wait_for(const struct call *c, short events, int64_t deadline)
{
	struct pollfd p = { .fd = c->fd, .events = events };
	int64_t left;

	while ((left = deadline - now_ms()) > 0) {
		int n = poll(&p, 1, (int)left);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
	return -ETIMEDOUT;
}

static int send_pending(struct call *c, int64_t deadline)
{
	const uint8_t *data;
	ssize_t len;

	while ((len = nghttp2_session_mem_send(c->session, &data)) > 0) {
		while (len > 0) {
			ssize_t n = send(c->fd, data, (size_t)len, MSG_NOSIGNAL);
			int r;

			if (n >= 0) {
				data += n;
				len -= n;
				continue;
			}
			if (errno != EAGAIN && errno != EINTR)
				return -EPROTO;
			r = wait_for(c, POLLOUT, deadline);
			if (r < 0)
				return r;
		}
	}
	return len < 0 ? -EPROTO : 0;
}

static int exchange(struct call *c, int64_t deadline)
{
	uint8_t buf[16384];

	while (!c->closed) {
		int r = send_pending(c, deadline);
		ssize_t n;

		if (r < 0)
			return r;
		n = recv(c->fd, buf, sizeof buf, 0);
		if (n > 0) {
			if (nghttp2_session_mem_recv(c->session, buf, (size_t)n) < 0)
				return -EPROTO;
			continue;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return -EPROTO;
		r = wait_for(c, POLLIN, deadline);
		if (r < 0)
			return r;
	}
	return 0;
}

int h2_call(int fd, const char *path, const void *message, size_t len, unsigned timeout_ms,
	    char ret_text[static H2_MESSAGE_MAX], struct err *e)
{
	struct call c = { .fd = fd, .message = message, .len = len, .text = ret_text, .status = UINT32_MAX };
	int r;

	ret_text[0] = '\0';
	for (unsigned i = 0; i < 4; i++)
		c.prefix[1 + i] = (uint8_t)(len >> (24 - 8 * i));
	r = begin(&c, path);
	if (r == 0)
		r = exchange(&c, now_ms() + timeout_ms);
	nghttp2_session_del(c.session);
	if (r == 0 && c.status > INT32_MAX)
		r = -EPROTO;
	if (r < 0)
		return err_set(e, -r, "%s: %s", path,
			       r == -ETIMEDOUT ? "no answer in time"
			       : r == -ENOMEM  ? "no memory"
					       : "no gRPC answer");
	return (int)c.status;
}
