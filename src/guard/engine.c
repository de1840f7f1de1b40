/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/engine.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/cleanup.h"
#include "codec/json-read.h"
#include "http/h1.h"

#define ANSWER_MAX  (8u << 20)
#define READ_MAX    (ANSWER_MAX + H1_HEAD_MAX)
#define DEADLINE_MS 10000

struct judge_engine {
	struct sockaddr_un address;
};

/* One question: what was read of the answer so far. */
struct question {
	int fd;
	int64_t deadline; /* ms, CLOCK_MONOTONIC */
	char *buf;
	size_t len, size;
	bool sparing; /* read no byte behind the head */
};

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct judge_engine *engine_new(const char *path)
{
	struct judge_engine *en;

	if (strlen(path) >= sizeof en->address.sun_path)
		return NULL;
	en = calloc(1, sizeof *en);
	if (!en)
		return NULL;
	en->address.sun_family = AF_UNIX;
	memcpy(en->address.sun_path, path, strlen(path));
	return en;
}

void engine_free(struct judge_engine *en)
{
	free(en);
}

/* Return: 0 when @events came, -ETIMEDOUT, -errno. */
static int wait_for(const struct question *q, short events)
{
	struct pollfd p = { .fd = q->fd, .events = events };

	for (;;) {
		int64_t left = q->deadline - now_ms();
		int r = left > 0 ? poll(&p, 1, (int)left) : 0;

		if (r > 0)
			return 0;
		if (r == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

int engine_connect(const struct judge_engine *en)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&en->address, sizeof en->address) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* A full backlog is EAGAIN on unix sockets, and nothing tells when there is room. */
static int connect_patiently(const struct judge_engine *en, struct question *q)
{
	for (;;) {
		int fd = engine_connect(en);

		if (fd >= 0) {
			q->fd = fd;
			return 0;
		}
		if (fd != -EAGAIN)
			return fd;
		if (now_ms() >= q->deadline)
			return -ETIMEDOUT;
		(void)poll(NULL, 0, 20);
	}
}

static int send_all(const struct question *q, const char *data, size_t len)
{
	size_t done = 0;
	int r;

	while (done < len) {
		ssize_t n = send(q->fd, data + done, len - done, MSG_NOSIGNAL);

		if (n >= 0) {
			done += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = wait_for(q, POLLOUT);
		if (r < 0)
			return r;
	}
	return 0;
}

static int send_question(const struct question *q, const struct engine_call *call, const char *protocol)
{
	_cleanup_free_ char *text = NULL;
	struct h1_text t = { 0 };
	int r;

	h1_put_request(&t, call->method, call->path);
	h1_put_field(&t, "Host", "docker");
	h1_put_field(&t, "User-Agent", "caissond/" CAISSON_VERSION);
	if (call->type)
		h1_put_field(&t, "Content-Type", call->type);
	if (strcmp(call->method, "GET") != 0)
		h1_put_length(&t, call->type ? call->len : 0);
	h1_put_field(&t, "Connection", protocol ? "Upgrade" : "close");
	if (protocol)
		h1_put_field(&t, "Upgrade", protocol);
	r = h1_put_end(&t);
	if (r < 0)
		return r;
	text = t.text;
	r = send_all(q, text, t.len);
	return r == 0 && call->type ? send_all(q, call->body, call->len) : r;
}

/* Read some more. Return: bytes, 0 at the end, -errno. */
static ssize_t read_more(struct question *q)
{
	int r;

	if (q->len == q->size) {
		size_t size = q->size ? q->size * 2 : 16384;
		char *buf;

		if (q->len == READ_MAX)
			return -EFBIG;
		if (size > READ_MAX)
			size = READ_MAX;
		buf = realloc(q->buf, size);
		if (!buf)
			return -ENOMEM;
		q->buf = buf;
		q->size = size;
	}
	for (;;) {
		ssize_t n = recv(q->fd, q->buf + q->len, q->sparing ? 1 : q->size - q->len, 0);

		if (n >= 0) {
			q->len += (size_t)n;
			return n;
		}
		if (errno == ECONNRESET)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = wait_for(q, POLLIN);
		if (r < 0)
			return r;
	}
}

/* Read the head and move what follows it to the front of the buffer. */
static int read_head(struct question *q, const char *method, struct h1_head *ret, char **ret_text, struct err *e)
{
	struct h1_scan scan = { 0 };
	size_t at = 0, used;

	for (;;) {
		ssize_t n = read_more(q);
		int r;

		if (n <= 0)
			return n < 0 ? (int)n : -EPIPE;
		r = h1_scan(&scan, q->buf + at, q->len - at, &used, e);
		if (r < 0)
			return r;
		at += used;
		if (r == 0)
			continue;
		*ret_text = malloc(at + 1);
		if (!*ret_text)
			return -ENOMEM;
		memcpy(*ret_text, q->buf, at);
		(*ret_text)[at] = '\0';
		memmove(q->buf, q->buf + at, q->len - at);
		q->len -= at;
		return h1_response_parse(*ret_text, at, method, ret, e);
	}
}

/* Take the chunks apart in place. Return: 1 the body is complete, 0 more is needed, -EBADMSG. */
static int unchunk(struct question *q, struct h1_chunks *c, size_t *body, size_t *raw, struct err *e)
{
	while (*raw < q->len) {
		const char *data;
		size_t used, n;
		int r = h1_chunks_next(c, q->buf + *raw, q->len - *raw, &used, &data, &n, e);

		if (r < 0)
			return r;
		if (r == H1_CHUNK_DATA) {
			memmove(q->buf + *body, data, n);
			*body += n;
		}
		*raw += used;
		if (r == H1_CHUNK_END)
			return 1;
	}
	/* What was taken apart makes room for what comes. */
	q->len = *raw = *body;
	return 0;
}

static int read_body(struct question *q, const struct h1_head *h, size_t *ret_len, struct err *e)
{
	struct h1_chunks chunks = { 0 };
	size_t body = 0, raw = 0;

	if (h->framing == H1_LENGTH && h->length > ANSWER_MAX)
		return -EFBIG;
	for (;;) {
		ssize_t n;

		if (h->framing == H1_CHUNKED) {
			int r = unchunk(q, &chunks, &body, &raw, e);

			if (r != 0) {
				*ret_len = body;
				return r < 0 ? r : 0;
			}
		} else if (h->framing == H1_NONE || (h->framing == H1_LENGTH && q->len >= h->length)) {
			*ret_len = (size_t)h->length;
			return 0;
		}
		n = read_more(q);
		if (n < 0)
			return (int)n;
		if (n == 0) {
			*ret_len = q->len;
			return h->framing == H1_CLOSE ? 0 : -EPIPE;
		}
	}
}

static int begin(struct judge_engine *en, struct question *q, const struct engine_call *call, const char *protocol,
		 struct h1_head *ret, char **ret_text, struct err *e)
{
	int r = connect_patiently(en, q);

	if (r < 0) /* -ENOENT of a socket that is not there must not look like the engine's "no such volume" */
		return err_sys(e, -r, "cannot connect to %s", en->address.sun_path);
	r = send_question(q, call, protocol);
	return r < 0 ? r : read_head(q, call->method, ret, ret_text, e);
}

/* Return: the status, -errno with *@e filled in or empty. *@ret_len bytes of @q->buf are the body. */
static int ask(struct judge_engine *en, struct question *q, const struct engine_call *call, size_t *ret_len,
	       struct err *e)
{
	_cleanup_free_ char *text = NULL;
	struct h1_head head;
	int r = begin(en, q, call, NULL, &head, &text, e);

	if (r == 0)
		r = read_body(q, &head, ret_len, e);
	return r < 0 ? r : head.status;
}

static int fail(struct err *e, const char *path, int r, struct err *why)
{
	if (r == -EFBIG)
		(void)err_set(why, EFBIG, "its answer has more than %u MiB; are there very long labels?",
			      ANSWER_MAX >> 20);
	else if (!why->code)
		(void)err_sys(why, -r, "asking the engine");
	return err_set(e, r == -ETIMEDOUT ? ETIMEDOUT : EIO, "asking the engine for %s: %s", path, why->msg);
}

int engine_get(struct judge_engine *en, const char *path, json_t **ret, struct err *e)
{
	struct question q = { .fd = -EBADF, .deadline = now_ms() + DEADLINE_MS };
	const struct engine_call call = { .method = "GET", .path = path };
	struct err why = { 0 };
	size_t len;
	int r;

	r = ask(en, &q, &call, &len, &why);
	if (r == 200)
		r = json_read("answer of the engine", q.buf, len, ret, &why);
	else if (r > 0 && r != 404)
		r = err_set(&why, EIO, "it answers with status %d", r);
	(void)fd_close(q.fd);
	free(q.buf);
	if (r == 0)
		return 0;
	if (r == 404)
		return err_set(e, ENOENT, "the engine does not know %s", path);
	return fail(e, path, r, &why);
}

int engine_call(struct judge_engine *en, const struct engine_call *call, char **ret_body, size_t *ret_len,
		struct err *e)
{
	struct question q = { .fd = -EBADF, .deadline = now_ms() + DEADLINE_MS };
	struct err why = { 0 };
	char *body = NULL;
	size_t len = 0;
	int r;

	r = ask(en, &q, call, &len, &why);
	(void)fd_close(q.fd);
	if (r > 0) {
		body = malloc(len + 1);
		if (!body)
			r = -ENOMEM;
	}
	if (body) {
		if (len)
			memcpy(body, q.buf, len);
		body[len] = '\0';
		*ret_body = body;
		*ret_len = len;
	}
	free(q.buf);
	return r > 0 ? r : fail(e, call->path, r, &why);
}

int engine_open(struct judge_engine *en, const char *method, const char *path, const char *protocol, struct err *e)
{
	/* With HTTP/2 the engine speaks first. */
	struct question q = { .fd = -EBADF, .deadline = now_ms() + DEADLINE_MS, .sparing = true };
	const struct engine_call call = { .method = method, .path = path };
	_cleanup_free_ char *text = NULL;
	struct err why = { 0 };
	struct h1_head head;
	int r, wanted = protocol ? 101 : 200;

	r = begin(en, &q, &call, protocol, &head, &text, &why);
	free(q.buf);
	if (r == 0 && head.status != wanted)
		r = err_set(&why, EIO, "it answers with status %d", head.status);
	if (r < 0) {
		(void)fd_close(q.fd);
		return fail(e, path, r, &why);
	}
	return q.fd;
}
