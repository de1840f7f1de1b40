/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One gRPC call on the engine's /grpc, also as no client makes it. The message comes from standard input; prints "status N
 * bytes N" and grpc-message, or "http N" where the connection is not switched.
 *
 * usage: grpc-call [-f FLAG] [-t] [-w] [-n] [-H NAME=VALUE] SOCKET PATH
 *   -f FLAG  the message's compression flag       -t  the message twice
 *   -w       without ending the request: the answer has to come anyway
 *   -n       without asking for HTTP/1.1 to be switched (prior knowledge)
 */
#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct {
	uint8_t *data;
	size_t len, sent, received;
	bool endless, closed;
	char status[16], message[4096], http[16];
} call = { .status = "none" };

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static ssize_t on_read(nghttp2_session *s, int32_t id, uint8_t *buf, size_t size, uint32_t *flags,
		       nghttp2_data_source *src, void *user)
{
	size_t n = call.len - call.sent < size ? call.len - call.sent : size;

	(void)s, (void)id, (void)src, (void)user;
	memcpy(buf, call.data + call.sent, n);
	call.sent += n;
	if (call.sent < call.len)
		return (ssize_t)n;
	if (call.endless)
		return n ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static int on_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name, size_t nl,
		     const uint8_t *value, size_t vl, uint8_t flags, void *user)
{
	(void)s, (void)f, (void)flags, (void)user;
	if (nl == 7 && memcmp(name, ":status", 7) == 0)
		snprintf(call.http, sizeof call.http, "%.*s", (int)vl, (const char *)value);
	if (nl == 11 && memcmp(name, "grpc-status", 11) == 0)
		snprintf(call.status, sizeof call.status, "%.*s", (int)vl, (const char *)value);
	if (nl == 12 && memcmp(name, "grpc-message", 12) == 0)
		snprintf(call.message, sizeof call.message, "%.*s", (int)vl, (const char *)value);
	return 0;
}

static int on_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user)
{
	(void)s, (void)flags, (void)id, (void)data, (void)user;
	call.received += len;
	return 0;
}

static int on_close(nghttp2_session *s, int32_t id, uint32_t error, void *user)
{
	(void)s, (void)id, (void)error, (void)user;
	call.closed = true;
	return 0;
}

static int connect_to(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
		die(path);
	return fd;
}

static void upgrade(int fd)
{
	static const char text[] =
		"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n";
	char head[4096] = "", body[4096];
	size_t n = 0;

	if (write(fd, text, sizeof text - 1) < 0)
		die("write");
	while (!strstr(head, "\r\n\r\n") && n < sizeof head - 1 && read(fd, head + n, 1) == 1)
		n++;
	if (strncmp(head, "HTTP/1.1 101", 12) == 0)
		return;
	ssize_t len = read(fd, body, sizeof body);

	printf("http %.3s\n%.*s", head + 9, len > 0 ? (int)len : 0, body);
	exit(1);
}

static void read_message(int flag, bool twice)
{
	size_t n = 5, size = 16 << 20;
	ssize_t more;

	call.data = calloc(2, size);
	if (!call.data)
		die("memory");
	while ((more = read(0, call.data + n, size - n)) > 0)
		n += (size_t)more;
	call.data[0] = (uint8_t)flag;
	for (int i = 0; i < 4; i++)
		call.data[1 + i] = (uint8_t)((n - 5) >> (24 - 8 * i));
	if (twice)
		memcpy(call.data + n, call.data, n);
	call.len = twice ? 2 * n : n;
}

static nghttp2_nv nv(char *name, char *value)
{
	return (nghttp2_nv){ (uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), 0 };
}

int main(int argc, char **argv)
{
	nghttp2_nv fields[32] = { nv(":method", "POST"),
				  nv(":scheme", "http"),
				  nv(":path", ""),
				  nv(":authority", "localhost"),
				  nv("content-type", "application/grpc"),
				  nv("te", "trailers") };
	const nghttp2_data_provider data = { .read_callback = on_read };
	nghttp2_session_callbacks *cb;
	nghttp2_session *s;
	size_t n = 6;
	bool twice = false, prior = false;
	int c, fd, flag = 0;

	while ((c = getopt(argc, argv, "f:twnH:")) != -1) {
		char *eq = c == 'H' ? strchr(optarg, '=') : NULL;

		if (eq && n < 32) {
			*eq = '\0';
			fields[n++] = nv(optarg, eq + 1);
		}
		flag = c == 'f' ? optarg[0] - '0' : flag;
		twice |= c == 't';
		call.endless |= c == 'w';
		prior |= c == 'n';
	}
	if (optind + 2 != argc)
		return 2;
	fields[2] = nv(":path", argv[optind + 1]);
	read_message(flag, twice);
	fd = connect_to(argv[optind]);
	if (!prior)
		upgrade(fd);
	nghttp2_session_callbacks_new(&cb);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
	nghttp2_session_client_new(&s, cb, NULL);
	nghttp2_submit_settings(s, 0, NULL, 0);
	nghttp2_submit_request(s, NULL, fields, n, &data, NULL);
	while (!call.closed) {
		const uint8_t *out;
		uint8_t buf[65536];
		ssize_t len;

		while ((len = nghttp2_session_mem_send(s, &out)) > 0)
			if (send(fd, out, (size_t)len, MSG_NOSIGNAL) < len)
				break;
		len = read(fd, buf, sizeof buf);
		if (len <= 0 || nghttp2_session_mem_recv(s, buf, (size_t)len) < 0) {
			printf("closed %s\n", prior && len > 12 ? "after an answer" : "");
			return 1;
		}
	}
	printf("status %s bytes %zu\n%s\n", call.status, call.received, call.message);
	return 0;
}
