/* SPDX-License-Identifier: Apache-2.0 */
/* Which grants a sweep drops, with an engine that answers what a test wants, and a store of this program's. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "guard/socket-watch.h"

#define LONG_LABEL (9u << 20)

/* ---- a store ---- */

enum { LIVING, REMOVED, FRESH, MOUNTED, UNUSED, N };

static struct grant table[N] = {
	[LIVING] = { .token = "00000000000000000000000000000000", .container = "living" },
	[REMOVED] = { .token = "11111111111111111111111111111111", .container = "removed" },
	[FRESH] = { .token = "22222222222222222222222222222222" },
	[MOUNTED] = { .token = "33333333333333333333333333333333" },
	[UNUSED] = { .token = "44444444444444444444444444444444" },
};
static atomic_bool dropped[N];
static atomic_uint looked, said;
static char last_said[1200];

int grants_each(struct grants *g, int (*f)(void *ctx, struct grant *grant), void *ctx)
{
	int r = 0;

	(void)g;
	for (size_t i = 0; i < N && r == 0; i++)
		r = dropped[i] ? 0 : f(ctx, &table[i]);
	if (r == 0)
		looked++;
	return r;
}

void grants_drop(struct grants *g, const char *token)
{
	(void)g;
	dropped[*token - '0'] = true;
}

bool grants_token(const struct grants *g, const char *path, char ret[static GRANT_TOKEN_LEN + 1])
{
	(void)g;
	if (strlen(path) != GRANT_TOKEN_LEN)
		return false;
	memcpy(ret, path, GRANT_TOKEN_LEN + 1);
	return true;
}

void built_look(struct built *b, struct judge_engine *engine)
{
	(void)b;
	(void)engine;
}

static void say(void *ctx, const char *message)
{
	(void)ctx;
	(void)snprintf(last_said, sizeof last_said, "%s", message);
	said++;
}

/* ---- an engine ---- */

static const char *list;  /* NULL: one with LONG_LABEL */
static atomic_int events; /* the stream's other end */
static int listener;

static void put(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* it has read enough */
		data += n;
		len -= (size_t)n;
	}
}

static void put_text(int fd, const char *text)
{
	put(fd, text, strlen(text));
}

static void put_list(int fd)
{
	static char label[LONG_LABEL + 8];
	char size[32];

	put_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	if (!list) {
		memset(label, 'x', LONG_LABEL);
		memcpy(label, "[\"", 2);
		memcpy(label + LONG_LABEL, "\"]", 3);
	}
	(void)snprintf(size, sizeof size, "%zx\r\n", strlen(list ? list : label));
	put_text(fd, size);
	put_text(fd, list ? list : label);
	put_text(fd, "\r\n0\r\n\r\n");
}

static void *engine_main(void *arg)
{
	char head[1024];
	int fd;

	(void)arg;
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		ssize_t n = recv(fd, head, sizeof head - 1, 0);

		head[n > 0 ? n : 0] = '\0';
		if (strncmp(head, "GET /events?", 12) == 0) {
			put_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
			events = fd;
			continue;
		}
		if (strncmp(head, "GET /containers/json?all=1 ", 27) == 0)
			put_list(fd);
		else if (strncmp(head, "GET /containers/living/json ", 28) == 0)
			put_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
		else
			put_text(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}");
		(void)close(fd);
	}
	return NULL;
}

static void wait_for_sweep(void)
{
	for (unsigned i = 0; i < 1000 && looked < 1; i++)
		(void)poll(NULL, 0, 10);
	assert_int_equal(looked, 1);
}

static void sweep_with(const char *answer, unsigned sweeps)
{
	static char directory[] = "/tmp/caisson-test-XXXXXX";
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct judge_engine *engine;
	struct socket_watch *w;
	struct err e = { 0 };
	pthread_t thread;

	memcpy(directory + strlen(directory) - 6, "XXXXXX", 6);
	assert_non_null(mkdtemp(directory));
	(void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s/s", directory);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (const struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(listener, 16), 0);
	list = answer;
	events = -1;
	said = 0;
	*last_said = '\0';
	for (size_t i = 0; i < N; i++) {
		dropped[i] = false;
		table[i].created = time(NULL) - (i == FRESH ? SOCKET_UNUSED_S - 60 : SOCKET_UNUSED_S + 60);
	}
	assert_int_equal(pthread_create(&thread, NULL, engine_main, NULL), 0);
	engine = engine_new(sa.sun_path);
	looked = 0;
	assert_int_equal(socket_watch_new(engine, NULL, NULL, say, &w, &e), 0);
	wait_for_sweep();
	for (unsigned i = 1; i < sweeps; i++) {
		looked = 0;
		put_text(events, "2\r\n{}\r\n");
		wait_for_sweep();
	}
	(void)shutdown(listener, SHUT_RDWR);
	(void)pthread_join(thread, NULL);
	socket_watch_free(w);
	engine_free(engine);
	(void)close(events);
	(void)close(listener);
	(void)unlink(sa.sun_path);
	(void)rmdir(directory);
}

#define IN_LIST "{\"Id\": \"x\", \"Mounts\": [{\"Source\": \"33333333333333333333333333333333\"}]}"

static void assert_dropped(bool removed, bool unused)
{
	assert_false(dropped[LIVING]);
	assert_int_equal(dropped[REMOVED], removed);
	assert_false(dropped[FRESH]);
	assert_false(dropped[MOUNTED]);
	assert_int_equal(dropped[UNUSED], unused);
}

static void test_in_the_list(void **state)
{
	(void)state;
	sweep_with("[{\"Id\": \"living\"}, " IN_LIST "]", 1);
	assert_dropped(true, true);
	assert_int_equal(said, 0);
}

/* It was made, and started, while the engine was writing the list. */
static void test_list_from_before(void **state)
{
	(void)state;
	sweep_with("[" IN_LIST "]", 1);
	assert_dropped(true, true);
}

static void test_list_cannot_be_read(void **state)
{
	static const char *const lists[] = { NULL, "[{\"Id\": \"x\", \"Labels\": {\"a\": \"\\u0000\"}}]", "{}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		sweep_with(lists[i], 3);
		assert_dropped(true, false);
		assert_int_equal(said, 1);
		if (!lists[i])
			assert_non_null(
				strstr(last_said, "/containers/json?all=1: its answer has more than 8 MiB"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_the_list),
		cmocka_unit_test(test_list_from_before),
		cmocka_unit_test(test_list_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
