/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire - what a way to an engine costs: the engine's own socket beside proxies in front of it, in one session.
 *
 *   wire null SOCKET                                      an engine that does nothing, until it is killed
 *   wire ask [-n ROUNDS] [-c] METHOD TARGET [BODY] LANES  a request and its answer; -c: on a new connection each time
 *   wire stream [-n ROUNDS] [-s MIB] down|up LANES        that much from or to the null engine, chunked
 *   wire many [-n ROUNDS] CONNECTIONS LANES               pings on that many connections at once
 *   wire idle CONNECTIONS PID... LANES                    connections at rest; memory of the PIDs of each lane
 *
 * LANES: ":: NAME SOCKET" each. A round takes one sample of every lane, beginning with another one each time; of ask
 * 16 at a time, as one request alone costs what it takes to wake a processor up.
 *
 * Output: "NAME KEY MEDIAN MIN P90 SAMPLES" as spawn's; keys are us and p99 of ask (microseconds; all columns of
 * p99 are the same), mbps of stream, rps of many, bytes of idle (anonymous memory for each connection).
 * Exit status: 0; 1 when a lane failed, whose line is "NAME failed 0 0 0 0"; 2 for wrong usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/num.h"

enum {
	LANES_MAX = 6,
	PIECE = 64 << 10,
	BURST = 16, /* requests of ask */
	SPARE = 4,  /* threads of the null engine that wait for a client */
	WARM_UP = 3,
	LIMIT_S = 60,	/* an answer that takes longer is none */
	CHUNK_HEAD = 7, /* "10000\r\n" */
};

static const char last_chunk[] = "0\r\n\r\n";

struct lane {
	const char *name, *socket;
	int fd; /* of requests that share a connection; -EBADF */
	bool failed;
	double *samples;
	size_t n;
};

struct options {
	uint64_t rounds, mib;
	bool connect;
};

/* ---- sockets and HTTP, as much of it as is needed here ---- */

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	(void)snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	return a;
}

static int dial(const char *path)
{
	struct sockaddr_un a = address(path);
	struct timeval limit = { .tv_sec = LIMIT_S };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof a) < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	return TAKE_FD(fd);
}

static int send_all(int fd, const void *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		data = (const char *)data + n;
		len -= (size_t)n;
	}
	return 0;
}

/* Read a head, and what came behind it. Return: the length of the head. */
static ssize_t read_head(int fd, char *buf, size_t size, size_t *ret_len)
{
	size_t len = 0;

	for (;;) {
		ssize_t n = recv(fd, buf + len, size - 1 - len, 0);
		const char *end;

		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		len += (size_t)n;
		buf[len] = '\0';
		end = strstr(buf, "\r\n\r\n");
		if (end) {
			*ret_len = len;
			return end + 4 - buf;
		}
		if (len == size - 1)
			return -EMSGSIZE;
	}
}

/*
 * The end of a chunked body whose last bytes are @tail: all that is sent here are zeros, or JSON, which have
 * no such end in them.
 */
static void keep_tail(char *tail, const char *data, size_t len)
{
	const size_t max = sizeof last_chunk - 1;

	if (len >= max) {
		memcpy(tail, data + len - max, max);
		return;
	}
	memmove(tail, tail + len, max - len);
	memcpy(tail + max - len, data, len);
}

static const char *field(const char *head, const char *name)
{
	const char *at = strcasestr(head, name);

	return at ? at + strlen(name) : NULL;
}

/* What is left of a body after @len bytes of it. Return: how much of it was read in all. */
static int64_t read_body(int fd, const char *head, const char *data, size_t len)
{
	char buf[PIECE * 4];
	const char *length = field(head, "\r\nContent-Length: ");
	uint64_t total = len, want = length ? strtoull(length, NULL, 10) : 0;
	char tail[sizeof last_chunk - 1] = "";

	if (!length && !field(head, "\r\nTransfer-Encoding: chunked"))
		return -EPROTO;
	keep_tail(tail, data, len);
	while (length ? total < want : memcmp(tail, last_chunk, sizeof tail) != 0) {
		ssize_t n = recv(fd, buf, sizeof buf, 0);

		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		total += (size_t)n;
		keep_tail(tail, buf, (size_t)n);
	}
	return (int64_t)total;
}

/* Return: 0; -EREMOTEIO: the answer is not one of success. */
static int read_answer(int fd)
{
	char buf[PIECE];
	size_t len = 0;
	ssize_t head = read_head(fd, buf, sizeof buf, &len);
	bool good;
	int64_t n;

	if (head <= 0)
		return head < 0 ? (int)head : -EPROTO;
	good = strncmp(buf, "HTTP/1.1 2", 10) == 0;
	buf[head - 1] = '\0';
	n = read_body(fd, buf, buf + head, len - (size_t)head);
	if (!good)
		(void)fprintf(stderr, "wire: %.200s\n", len > (size_t)head ? buf + head : buf);
	return n < 0 ? (int)n : good ? 0 : -EREMOTEIO;
}

/* @mib of zeros as chunks of 64 KiB. */
static int send_chunks(int fd, uint64_t mib)
{
	static char chunk[CHUNK_HEAD + PIECE + 2] = "10000\r\n";
	int r = 0;

	memcpy(chunk + CHUNK_HEAD + PIECE, "\r\n", 2);
	for (uint64_t i = 0; i < mib * ((1 << 20) / PIECE) && r == 0; i++)
		r = send_all(fd, chunk, sizeof chunk);
	return r < 0 ? r : send_all(fd, last_chunk, sizeof last_chunk - 1);
}

/* ---- the null engine ---- */

static int answer(int fd, const char *status, const char *body)
{
	char text[512];

	(void)snprintf(text, sizeof text,
		       "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", status,
		       strlen(body), body);
	return send_all(fd, text, strlen(text));
}

static int null_answer(int fd, const char *head)
{
	static const char stream[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-tar\r\n"
				     "Transfer-Encoding: chunked\r\n\r\n";
	const char *get = strstr(head, "/images/null-");
	int r;

	if (strncmp(head, "GET ", 4) == 0 && get) {
		r = send_all(fd, stream, sizeof stream - 1);
		return r < 0 ? r : send_chunks(fd, strtoull(get + strlen("/images/null-"), NULL, 10));
	}
	if (strstr(head, "/create"))
		return answer(fd, "201 Created", "{\"Id\":\"0\",\"Warnings\":[]}");
	return answer(fd, "200 OK", strstr(head, "/_ping") ? "OK" : "{}");
}

/* Any number of requests of one client. */
static void null_client(int fd)
{
	char buf[PIECE];

	for (;;) {
		size_t len = 0;
		ssize_t head = read_head(fd, buf, sizeof buf, &len);

		if (head <= 0)
			return;
		buf[head - 1] = '\0';
		if ((field(buf, "\r\nTransfer-Encoding:") || field(buf, "\r\nContent-Length:")) &&
		    read_body(fd, buf, buf + head, len - (size_t)head) < 0)
			return;
		if (null_answer(fd, buf) < 0)
			return;
	}
}

static int null_fd = -EBADF;
static atomic_int null_waiting; /* threads in accept() */

/*
 * Threads are there before they are needed: to begin one costs as much as all that is measured here, and an engine in
 * Go does not do it for a connection. Those beyond a few end: they are woken in turn, and each would find its caches
 * cold.
 */
static void *null_thread(void *arg)
{
	(void)arg;
	(void)pthread_detach(pthread_self());
	for (;;) {
		int client;
		pthread_t more;

		if (atomic_fetch_add(&null_waiting, 1) >= SPARE) {
			if (atomic_fetch_sub(&null_waiting, 1) != 1)
				return NULL;
			continue; /* all others have got a client meanwhile */
		}
		client = accept4(null_fd, NULL, NULL, SOCK_CLOEXEC);
		if (atomic_fetch_sub(&null_waiting, 1) == 1)
			(void)pthread_create(&more, NULL, null_thread, NULL);
		if (client < 0)
			continue;
		null_client(client);
		(void)close(client);
	}
}

static int null_serve(const char *path)
{
	struct sockaddr_un a = address(path);

	null_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (null_fd < 0 || bind(null_fd, (const struct sockaddr *)&a, sizeof a) < 0 || listen(null_fd, 4096) < 0) {
		(void)fprintf(stderr, "wire: %s: %s\n", path, strerrordesc_np(errno));
		return 1;
	}
	for (;;) { /* this one stays */
		(void)null_thread(NULL);
		(void)poll(NULL, 0, 10);
	}
}

/* ---- samples ---- */

static double now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(struct lane *l, const char *key)
{
	double *v = l->samples;

	if (l->failed || l->n == 0) {
		printf("%s failed 0 0 0 0\n", l->name);
		return;
	}
	qsort(v, l->n, sizeof *v, by_value);
	printf("%s %s %.3f %.3f %.3f %zu\n", l->name, key, v[l->n / 2], v[0], v[l->n - 1 - l->n / 10], l->n);
	if (strcmp(key, "us") == 0) {
		double p99 = v[l->n - 1 - l->n / 100];

		printf("%s p99 %.3f %.3f %.3f %zu\n", l->name, p99, p99, p99, l->n);
	}
}

struct request {
	char *text;
	size_t len;
};

static int ask(struct lane *l, const struct request *q, bool anew, double *ret)
{
	double begin = now_us();
	int r;

	if (l->fd < 0)
		l->fd = dial(l->socket);
	r = l->fd < 0 ? l->fd : send_all(l->fd, q->text, q->len);
	if (r == 0)
		r = read_answer(l->fd);
	if (r < 0 || anew)
		l->fd = fd_close(l->fd);
	*ret = now_us() - begin;
	return r;
}

static int stream(struct lane *l, const char *way, uint64_t mib, double *ret)
{
	bool up = strcmp(way, "up") == 0;
	_cleanup_close_ int fd = dial(l->socket);
	char head[256];
	double begin = now_us();
	int r;

	if (up)
		(void)snprintf(head, sizeof head,
			       "POST /v1.41/images/load HTTP/1.1\r\nHost: docker\r\nContent-Type: "
			       "application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n");
	else
		(void)snprintf(head, sizeof head,
			       "GET /v1.41/images/null-%llu/get HTTP/1.1\r\nHost: docker\r\n\r\n",
			       (unsigned long long)mib);
	r = fd < 0 ? fd : send_all(fd, head, strlen(head));
	if (r == 0 && up)
		r = send_chunks(fd, mib);
	if (r == 0)
		r = read_answer(fd);
	*ret = (double)mib * 1048576 / (now_us() - begin); /* bytes per microsecond: MB/s */
	return r;
}

static const char ping[] = "GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n";

static int many(struct lane *l, size_t n, double *ret)
{
	_cleanup_free_ int *fds = calloc(n, sizeof *fds);
	const unsigned pings = 10;
	double begin;
	int r = fds ? 0 : -ENOMEM;
	size_t open = 0;

	for (; open < n && r == 0; open++) {
		fds[open] = dial(l->socket);
		r = fds[open] < 0 ? fds[open] : 0;
	}
	begin = now_us();
	for (unsigned k = 0; k < pings && r == 0; k++) {
		for (size_t i = 0; i < n && r == 0; i++)
			r = send_all(fds[i], ping, sizeof ping - 1);
		for (size_t i = 0; i < n && r == 0; i++)
			r = read_answer(fds[i]);
	}
	*ret = (double)(n * pings) / (now_us() - begin) * 1e6;
	for (size_t i = 0; i < open; i++)
		(void)fd_close(fds[i]);
	return r;
}

static int64_t anonymous_memory(const char *pid)
{
	char path[64];
	_cleanup_free_ char *text = NULL;
	const char *at;

	(void)snprintf(path, sizeof path, "/proc/%.20s/status", pid);
	if (io_read_at(AT_FDCWD, path, 1 << 16, &text, NULL) < 0 || !(at = strstr(text, "RssAnon:")))
		return -ENOENT;
	return strtoll(at + strlen("RssAnon:"), NULL, 10) << 10;
}

/* Every connection has been used once, so that nothing that comes with the first request is left out. */
static int idle(struct lane *l, size_t n, const char *pid, double *ret)
{
	const size_t warm = 50;
	_cleanup_free_ int *fds = calloc(n + warm, sizeof *fds);
	int64_t before = 0;
	int r = fds ? 0 : -ENOMEM;
	size_t open = 0;

	for (; open < n + warm && r == 0; open++) {
		if (open == warm)
			before = anonymous_memory(pid);
		fds[open] = dial(l->socket);
		r = fds[open] < 0 ? fds[open] : send_all(fds[open], ping, sizeof ping - 1);
		if (r == 0)
			r = read_answer(fds[open]);
	}
	*ret = (double)(anonymous_memory(pid) - before) / (double)n;
	for (size_t i = 0; i < open; i++)
		(void)fd_close(fds[i]);
	return r < 0 ? r : before < 0 ? (int)before : 0;
}

/* ---- command line ---- */

/* The lanes from the first "::" on; what stands before it ends there. Return: how many, 0 for wrong usage. */
static size_t lanes_parse(char **argv, struct lane *lanes, uint64_t rounds)
{
	size_t n = 0;

	while (*argv && strcmp(*argv, "::") != 0)
		argv++;
	for (; *argv; argv += 3) {
		if (n == LANES_MAX || strcmp(*argv, "::") != 0 || !argv[1] || !argv[2])
			return 0;
		*argv = NULL;
		lanes[n] = (struct lane){ .name = argv[1], .socket = argv[2], .fd = -EBADF };
		lanes[n].samples = calloc(rounds * BURST, sizeof *lanes[n].samples);
		if (!lanes[n].samples)
			return 0;
		n++;
	}
	return n;
}

static char *request_text(const char *method, const char *target, const char *body)
{
	char *text = NULL;
	int n;

	if (body)
		n = asprintf(&text,
			     "%s %s HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
			     "Content-Length: %zu\r\n\r\n%s",
			     method, target, strlen(body), body);
	else
		n = asprintf(&text, "%s %s HTTP/1.1\r\nHost: docker\r\n\r\n", method, target);
	return n < 0 ? NULL : text;
}

static int sample(const char *mode, char **args, const struct options *o, const struct request *q, struct lane *l,
		  size_t lane, double *ret)
{
	if (strcmp(mode, "ask") == 0)
		return ask(l, q, o->connect, ret);
	if (strcmp(mode, "stream") == 0)
		return stream(l, args[0], o->mib, ret);
	if (strcmp(mode, "many") == 0)
		return many(l, strtoul(args[0], NULL, 10), ret);
	return idle(l, strtoul(args[0], NULL, 10), args[1 + lane], ret);
}

static bool args_valid(const char *mode, char **args, size_t lanes)
{
	size_t n = 0;

	while (args[n])
		n++;
	if (strcmp(mode, "ask") == 0)
		return n == 2 || n == 3;
	if (strcmp(mode, "stream") == 0)
		return n == 1 && (strcmp(args[0], "up") == 0 || strcmp(args[0], "down") == 0);
	if (strcmp(mode, "many") == 0)
		return n == 1;
	return strcmp(mode, "idle") == 0 && n == 1 + lanes;
}

static bool measure(const char *mode, char **args, const struct options *o, struct lane *lanes, size_t n)
{
	size_t warm = strcmp(mode, "ask") == 0 ? WARM_UP : strcmp(mode, "idle") == 0 ? 0 : 1;
	size_t burst = strcmp(mode, "ask") == 0 ? BURST : 1;
	struct request q = { 0 };
	bool good = true;

	if (strcmp(mode, "ask") == 0) {
		q.text = request_text(args[0], args[1], args[2]);
		q.len = q.text ? strlen(q.text) : 0;
	}
	for (size_t turn = 0; turn < (warm + o->rounds) * n * burst; turn++) {
		size_t round = turn / (n * burst), k = (round + turn / burst) % n;
		double v = 0;
		int r;

		if (lanes[k].failed)
			continue;
		r = sample(mode, args, o, &q, &lanes[k], k, &v);
		if (r < 0) {
			(void)fprintf(stderr, "wire: %s: %s: %s\n", lanes[k].name, mode, strerrordesc_np(-r));
			lanes[k].failed = true;
			good = false;
		} else if (round >= warm) {
			lanes[k].samples[lanes[k].n++] = v;
		}
	}
	free(q.text);
	return good;
}

static const char *key_of(const char *mode)
{
	return strcmp(mode, "ask") == 0	     ? "us"
	       : strcmp(mode, "stream") == 0 ? "mbps"
	       : strcmp(mode, "many") == 0   ? "rps"
					     : "bytes";
}

int main(int argc, char **argv)
{
	struct options o = { .rounds = 1, .mib = 1024 };
	struct lane lanes[LANES_MAX];
	const char *mode = argc > 1 ? argv[1] : "";
	size_t n = 0;
	int c, r = 0;
	bool good;

	if (strcmp(mode, "null") == 0 && argc == 3)
		return null_serve(argv[2]);
	optind = 2;
	while (r >= 0 && (c = getopt(argc, argv, "+n:s:c")) != -1) {
		if (c == 'n')
			r = num_u64(optarg, 1000000, &o.rounds);
		else if (c == 's')
			r = num_u64(optarg, 1 << 20, &o.mib);
		else if (c == 'c')
			o.connect = true;
		else
			r = -EINVAL;
	}
	if (r >= 0 && optind <= argc)
		n = lanes_parse(argv + optind, lanes, o.rounds);
	if (n == 0 || !args_valid(mode, argv + optind, n)) {
		(void)fputs("wire: wrong usage; it is described at the top of bench/wire.c\n", stderr);
		return 2;
	}
	good = measure(mode, argv + optind, &o, lanes, n);
	for (size_t i = 0; i < n; i++) {
		report(&lanes[i], key_of(mode));
		free(lanes[i].samples);
		(void)fd_close(lanes[i].fd);
	}
	return good ? 0 : 1;
}
