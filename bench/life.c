/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life - what it costs to make and start containers at a guard whose engine does nothing.
 *
 *   life engine SOCKET DIR              that engine, until it is killed. A GET is answered by the file of DIR that is
 *                                       called as its path, with "_" for "/". A container that is made with a bind of
 *                                       ".../TOKEN/docker.sock" gets the id TOKEN TOKEN, another one zeros; the file
 *                                       "container" stands for those of which there is none, with "@" for TOKEN
 *   life ask [-n ROUNDS] SOCKET LANES   POST /containers/create and /containers/ID/start, on a kept connection
 *
 * LANES: ":: NAME BODY" each; "#" in BODY is the number of the sample. A round takes one sample of every lane,
 * beginning with another one each time, and with a pause before: an engine would take longer than what a guard
 * still does when it has answered.
 *
 * Output: "NAME KEY MEDIAN MIN P90 SAMPLES" as spawn's; keys are us (microseconds), create and start, its parts.
 * Exit status: 0; 1 when a sample failed; 2 for wrong usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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
	WARM_UP = 3,
	PAUSE_US = 20000,
	LIMIT_S = 60,
	ID_LEN = 64,
	THREADS = 32,
	SIZE = 256 << 10, /* of a message, or a file */
};

/* A request or an answer; none that is here has a body without Content-Length. */
struct message {
	char text[SIZE];
	size_t head, len; /* bytes: up to the body, in all */
};

static int receive(int fd, struct message *m)
{
	m->head = m->len = 0;
	for (size_t want = SIZE - 1; m->len < want;) {
		ssize_t n = recv(fd, m->text + m->len, SIZE - 1 - m->len, 0);
		const char *end, *length;

		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		m->len += (size_t)n;
		m->text[m->len] = '\0';
		end = m->head ? NULL : strstr(m->text, "\r\n\r\n");
		if (!end)
			continue;
		m->head = (size_t)(end + 4 - m->text);
		length = strcasestr(m->text, "\r\nContent-Length:");
		want = m->head +
		       (length && length < end ? strtoul(length + strlen("\r\nContent-Length:"), NULL, 10) : 0);
	}
	return m->len < SIZE - 1 ? 0 : -EMSGSIZE;
}

static int send_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* ---- the engine ---- */

static const char *directory;

static int answer(int fd, const char *status, const char *body)
{
	_cleanup_free_ char *text = NULL;
	int n = asprintf(&text, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
			 status, strlen(body), body);

	if (n < 0) {
		text = NULL;
		return -ENOMEM;
	}
	return send_all(fd, text, (size_t)n);
}

static int answer_create(int fd, const struct message *m)
{
	const char *at = strstr(m->text + m->head, "/docker.sock:");
	char token[ID_LEN / 2 + 1], body[128];

	memset(token, '0', sizeof token - 1);
	if (at && at - (m->text + m->head) > ID_LEN / 2)
		memcpy(token, at - ID_LEN / 2, sizeof token - 1);
	token[sizeof token - 1] = '\0';
	(void)snprintf(body, sizeof body, "{\"Id\":\"%s%s\",\"Warnings\":[]}", token, token);
	return answer(fd, "201 Created", body);
}

/* @path: "/containers/ID/json". */
static int answer_container(int fd, int dir, const char *path)
{
	_cleanup_free_ char *text = NULL, *body = NULL;
	const char *token = path + strlen("/containers/");
	size_t size;
	FILE *f;
	int r;

	if (io_read_at(dir, "container", SIZE, &text, NULL) < 0)
		return answer(fd, "404 Not Found", "{\"message\":\"no such container\"}");
	f = open_memstream(&body, &size);
	for (const char *s = text; f && *s; s++)
		if (*s == '@')
			(void)fwrite(token, 1, ID_LEN / 2, f);
		else
			(void)fputc(*s, f);
	r = !f || fclose(f) != 0 ? -ENOMEM : answer(fd, "200 OK", body);
	return r;
}

static int answer_get(int fd, char *target)
{
	_cleanup_close_ int dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	char name[512];

	target[strcspn(target, " ?")] = '\0';
	(void)snprintf(name, sizeof name, "%s", target);
	for (char *s = name; *s; s++)
		if (*s == '/')
			*s = '_';
	if (io_read_at(dir, name, SIZE, &text, NULL) == 0)
		return answer(fd, "200 OK", text);
	if (strncmp(target, "/containers/", 12) == 0 && strlen(target) > ID_LEN)
		return answer_container(fd, dir, target);
	return strncmp(target, "/images/", 8) == 0 ? answer(fd, "404 Not Found", "{\"message\":\"no such image\"}")
						   : answer(fd, "200 OK", "{}");
}

static void client(int fd, struct message *m)
{
	static const char stream[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
	int r = 0;

	while (r == 0 && receive(fd, m) == 0) {
		if (strncmp(m->text, "GET /events", 11) == 0) /* nothing ever happens */
			r = send_all(fd, stream, sizeof stream - 1);
		else if (strncmp(m->text, "GET ", 4) == 0)
			r = answer_get(fd, m->text + 4);
		else if (strstr(m->text, "/create"))
			r = answer_create(fd, m);
		else
			r = answer(fd, "200 OK", "{}");
	}
	(void)close(fd);
}

static void *engine_main(void *arg)
{
	struct message *m = malloc(sizeof *m);
	int listener = (int)(intptr_t)arg;

	while (m) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			client(fd, m);
	}
	return NULL;
}

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	(void)snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	return a;
}

static int serve(const char *path)
{
	struct sockaddr_un a = address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 4096) < 0) {
		(void)fprintf(stderr, "life: %s: %s\n", path, strerrordesc_np(errno));
		return 1;
	}
	/* Before they are needed: to begin a thread costs as much as an answer. */
	for (size_t i = 0; i < THREADS; i++) {
		pthread_t t;

		(void)pthread_create(&t, NULL, engine_main, (void *)(intptr_t)fd);
	}
	(void)engine_main((void *)(intptr_t)fd);
	return 1;
}

/* ---- samples ---- */

struct lane {
	const char *name, *body;
	double *all, *create, *start;
	size_t n;
};

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

static void report(const char *name, const char *key, double *v, size_t n)
{
	if (n == 0) {
		printf("%s failed 0 0 0 0\n", name);
		return;
	}
	qsort(v, n, sizeof *v, by_value);
	printf("%s %s %.3f %.3f %.3f %zu\n", name, key, v[n / 2], v[0], v[n - 1 - n / 10], n);
}

static int post(int fd, const char *target, const char *body, struct message *m)
{
	_cleanup_free_ char *text = NULL;
	int r, n = asprintf(&text,
			    "POST /v1.41%s HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
			    "Content-Length: %zu\r\n\r\n%s",
			    target, strlen(body), body);

	if (n < 0) {
		text = NULL;
		return -ENOMEM;
	}
	r = send_all(fd, text, (size_t)n);
	if (r == 0)
		r = receive(fd, m);
	if (r == 0 && strncmp(m->text, "HTTP/1.1 2", 10) != 0) {
		(void)fprintf(stderr, "life: %.400s\n", m->text + m->head);
		return -EREMOTEIO;
	}
	return r;
}

static char *body_of(const char *pattern, size_t number)
{
	const char *at = strchr(pattern, '#');
	char *text = NULL;

	if (!at)
		return strdup(pattern);
	return asprintf(&text, "%.*s%zu%s", (int)(at - pattern), pattern, number, at + 1) < 0 ? NULL : text;
}

static int sample(int fd, const struct lane *l, size_t number, struct message *m, double ret[static 3])
{
	_cleanup_free_ char *body = body_of(l->body, number);
	char target[ID_LEN + 32];
	double begin = now_us();
	const char *id;
	int r = body ? post(fd, "/containers/create", body, m) : -ENOMEM;

	if (r < 0)
		return r;
	ret[0] = now_us();
	id = strstr(m->text + m->head, "\"Id\":\"");
	if (!id)
		return -EPROTO;
	(void)snprintf(target, sizeof target, "/containers/%.64s/start", id + strlen("\"Id\":\""));
	r = post(fd, target, "", m);
	ret[1] = now_us() - ret[0];
	ret[0] -= begin;
	ret[2] = ret[0] + ret[1];
	return r;
}

static int dial(const char *path)
{
	struct sockaddr_un a = address(path);
	struct timeval limit = { .tv_sec = LIMIT_S };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof a) < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	return fd;
}

static int measure(const char *socket, struct lane *lanes, size_t n, size_t rounds)
{
	static struct message m;
	int fd = dial(socket), r = fd < 0 ? fd : 0;

	for (size_t turn = 0; turn < (WARM_UP + rounds) * n && r == 0; turn++) {
		size_t round = turn / n;
		struct lane *l = &lanes[(round + turn) % n];
		double v[3];

		(void)usleep(PAUSE_US);
		r = sample(fd, l, round, &m, v);
		if (r < 0 || round < WARM_UP)
			continue;
		l->create[l->n] = v[0];
		l->start[l->n] = v[1];
		l->all[l->n++] = v[2];
	}
	if (r < 0)
		(void)fprintf(stderr, "life: %s: %s\n", socket, strerrordesc_np(-r));
	return r;
}

static size_t lanes_parse(char **argv, struct lane *lanes, size_t rounds)
{
	size_t n = 0;

	for (; *argv; argv += 3, n++) {
		if (n == LANES_MAX || strcmp(*argv, "::") != 0 || !argv[1] || !argv[2])
			return 0;
		lanes[n] = (struct lane){ .name = argv[1], .body = argv[2] };
		lanes[n].all = calloc(rounds, sizeof(double));
		lanes[n].create = calloc(rounds, sizeof(double));
		lanes[n].start = calloc(rounds, sizeof(double));
		if (!lanes[n].all || !lanes[n].create || !lanes[n].start)
			return 0;
	}
	return n;
}

int main(int argc, char **argv)
{
	struct lane lanes[LANES_MAX];
	uint64_t rounds = 1;
	size_t n = 0;
	int at = 2, r;

	if (argc == 4 && strcmp(argv[1], "engine") == 0) {
		directory = argv[3];
		return serve(argv[2]);
	}
	if (argc > 4 && strcmp(argv[2], "-n") == 0 && num_u64(argv[3], 100000, &rounds) == 0)
		at = 4;
	if (argc > at + 1 && strcmp(argv[1], "ask") == 0)
		n = lanes_parse(argv + at + 1, lanes, rounds);
	if (n == 0) {
		(void)fputs("life: wrong usage; it is described at the top of bench/life.c\n", stderr);
		return 2;
	}
	r = measure(argv[at], lanes, n, rounds);
	for (size_t i = 0; i < n; i++) {
		report(lanes[i].name, "us", lanes[i].all, lanes[i].n);
		report(lanes[i].name, "create", lanes[i].create, lanes[i].n);
		report(lanes[i].name, "start", lanes[i].start, lanes[i].n);
		free(lanes[i].all);
		free(lanes[i].create);
		free(lanes[i].start);
	}
	return r < 0 ? 1 : 0;
}
