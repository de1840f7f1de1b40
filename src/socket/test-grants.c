/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grants of Docker sockets, as root, with the real keeper (this program, started by itself with --keep).
 * CAISSON_TEST_LONG=1: 1,000 kills instead of 60.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include <cmocka.h>

#include "socket/grants-internal.h"
#include "socket/keep.h"
#include "sys/test-dir.h"

static char top[] = "/tmp/caisson-test-XXXXXX";
static char directory[48], state_dir[48], ids_dir[48];
static struct err err;
static unsigned said;
static char last_said[1024];

static void say(void *ctx, const char *message)
{
	(void)ctx;
	said++;
	(void)snprintf(last_said, sizeof last_said, "%s", message);
}

static struct grants_config config = { .directory = directory, .state = state_dir, .gid = 4242, .say = say };

static int setup(void **state)
{
	(void)state;
	memcpy(top + strlen(top) - 6, "XXXXXX", 6);
	err = (struct err){ 0 };
	said = 0;
	if (test_dir_make(top, false) < 0)
		return -1;
	(void)snprintf(directory, sizeof directory, "%s/run/sockets", top);
	(void)snprintf(state_dir, sizeof state_dir, "%s/state", top);
	(void)snprintf(ids_dir, sizeof ids_dir, "%s/ids", top);
	config.ids = NULL;
	return mkdir(state_dir, 0700) < 0 || mkdir(ids_dir, 0700) < 0 ? -1 : 0;
}

static pid_t keeper_pid(int fd)
{
	struct ucred peer = { 0 };
	socklen_t n = sizeof peer;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0 ? -1 : peer.pid;
}

static void kill_keeper(void)
{
	int fd = keep_connect(state_dir, NULL);

	if (fd >= 0) {
		(void)kill(keeper_pid(fd), SIGKILL);
		(void)!recv(fd, &fd, 1, MSG_PEEK); /* until it is gone */
	}
	(void)fd_close(fd);
}

static int teardown(void **state)
{
	(void)state;
	kill_keeper();
	test_dir_drop(top);
	return 0;
}

static struct grants *open_grants(void)
{
	struct grants *g = NULL;

	if (grants_open(&config, &g, &err) < 0)
		fail_msg("%s", err.msg);
	return g;
}

static char image[] = "docker:cli", entry[] = "docker.io/library/docker:cli";

static const struct grant proto = {
	.image = image, .entry = entry, .digest = "sha256:abc", .image_id = "sha256:def", .derived = true
};

static int new_grant(struct grants *g, char token[static GRANT_TOKEN_LEN + 1])
{
	_cleanup_free_ char *path = NULL;

	return grants_new(g, &proto, &path, token, &err);
}

static int connect_to(const char *token)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s/%s/docker.sock", directory, token);
	if (connect(fd, (const struct sockaddr *)&sa, sizeof sa) == 0)
		return fd;
	(void)close(fd);
	return -errno;
}

static bool answers(struct grants *g, const char *token)
{
	struct grant *grant = grants_ref(g, token);
	_cleanup_close_ int fd = connect_to(token), accepted = grant ? accept(grant->fd, NULL, NULL) : -EBADF;

	grants_unref(g, grant);
	return fd >= 0 && accepted >= 0;
}

static void path_in(char *buf, size_t size, const char *token, const char *name)
{
	(void)snprintf(buf, size, "%s/%s/%s", directory, token, name);
}

static size_t entries(const char *dir)
{
	_cleanup_closedir_ DIR *d = opendir(dir);
	const struct dirent *ent;
	size_t n = 0;

	while (d && (ent = readdir(d)))
		n += ent->d_name[0] != '.' || strlen(ent->d_name) > 2;
	return n;
}

static size_t n_records(void)
{
	char path[96];

	(void)snprintf(path, sizeof path, "%s/grants", state_dir);
	return entries(path);
}

static int count_one(void *ctx, struct grant *grant)
{
	(void)grant;
	++*(size_t *)ctx;
	return 0;
}

static size_t n_grants(struct grants *g)
{
	size_t n = 0;

	assert_int_equal(grants_each(g, count_one, &n), 0);
	return n;
}

static void on_kept(void *ctx, const char *token, int fd)
{
	(void)token;
	(void)close(fd);
	++*(size_t *)ctx;
}

static size_t n_kept(void)
{
	_cleanup_close_ int fd = keep_connect(state_dir, &err);
	size_t n = 0;

	assert_true(fd >= 0);
	assert_int_equal(keep_list(fd, on_kept, &n, &err), 0);
	return n;
}

static void write_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
}

static void record_path(char *buf, size_t size, const char *token)
{
	(void)snprintf(buf, size, "%s/grants/%s.json", state_dir, token);
}

/* ---- one grant ------------------------------------------------------------------------------------------------- */

static void test_life(void **state)
{
	struct grants *g = open_grants();
	_cleanup_free_ char *path = NULL, *text = NULL;
	char token[GRANT_TOKEN_LEN + 1], again[GRANT_TOKEN_LEN + 1], buf[160];
	struct grant *grant, *later;
	struct stat st;

	(void)state;
	assert_int_equal(grants_new(g, &proto, &path, token, &err), 0);
	assert_true(grants_token(g, path, again));
	assert_string_equal(token, again);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_gid, 4242);
	*strrchr(path, '/') = '\0';
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(st.st_gid, 4242);
	assert_true(answers(g, token));
	grant = grants_ref(g, token);
	assert_non_null(grant);
	assert_string_equal(grant->scope, token);
	assert_string_equal(grant->container, "");
	assert_string_equal(grant->image, image);
	assert_string_equal(grant->entry, entry);
	assert_true(grant->derived);
	assert_in_range(grant->created, time(NULL) - 5, time(NULL));

	assert_int_equal(grants_bind(g, token, "c1", &proto, &err), 0);
	assert_int_equal(grants_bind(g, token, "c1", &proto, &err), 0);
	assert_int_equal(grants_bind(g, token, "c2", &proto, &err), -EEXIST);
	assert_int_equal(grants_bind(g, "00000000000000000000000000000000", "c1", &proto, &err), -ENOENT);
	assert_int_equal(grants_bind(g, token, "", &proto, &err), -EINVAL);
	assert_int_equal(grants_bind(g, token, "a/b", &proto, &err), -EINVAL);
	path_in(buf, sizeof buf, token, "container");
	assert_int_equal(io_read_at(AT_FDCWD, buf, 100, &text, NULL), 0);
	assert_string_equal(text, "c1");
	/* the old picture stays what it was */
	later = grants_of(g, "c1");
	assert_non_null(later);
	assert_ptr_not_equal(later, grant);
	assert_string_equal(grant->container, "");
	assert_int_equal(later->fd, grant->fd);
	grants_unref(g, later);
	assert_null(grants_of(g, "c2"));
	assert_null(grants_of(g, ""));

	grants_drop(g, token);
	grants_drop(g, token);
	assert_null(grants_ref(g, token));
	assert_int_equal(entries(directory), 0);
	assert_int_equal(n_records(), 0);
	assert_int_equal(n_kept(), 0);
	/* it can be told, and its number is not another's */
	assert_int_equal(poll(&(struct pollfd){ .fd = grant->fd, .events = POLLIN }, 1, 0), 1);
	assert_true(fcntl(grant->fd, F_GETFD) >= 0);
	grants_unref(g, grant);
	grants_close(g);
}

static void test_paths(void **state)
{
	static const char good[] = "0123456789abcdef0123456789abcdef";
	static const char *const bad[] = { "%s/0123456789abcdef0123456789abcdef",
					   "%s/0123456789abcdef0123456789abcdef/",
					   "%s/0123456789abcdef0123456789abcdef/container",
					   "%s/0123456789abcdef0123456789abcdef/docker.sock/x",
					   "%s/0123456789abcdef0123456789abcde/docker.sock",
					   "%s/0123456789abcdef0123456789abcdeF/docker.sock",
					   "%s/../sockets/0123456789abcdef0123456789abcdef/docker.sock",
					   "%sx/0123456789abcdef0123456789abcdef/docker.sock",
					   "%s",
					   "/var/run/docker.sock" };
	struct grants *g = open_grants();
	char path[256], token[GRANT_TOKEN_LEN + 1];

	(void)state;
	(void)snprintf(path, sizeof path, "%s/%s/docker.sock", directory, good);
	assert_true(grants_token(g, path, token));
	assert_string_equal(token, good);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *rest = strncmp(bad[i], "%s", 2) == 0 ? bad[i] + 2 : NULL;

		(void)snprintf(path, sizeof path, "%s%s", rest ? directory : bad[i], rest ? rest : "");
		assert_false(grants_token(g, path, token));
	}
	grants_close(g);
}

static void test_counts(void **state)
{
	struct grants *g = open_grants();
	char token[GRANT_TOKEN_LEN + 1];
	struct grant_counts counts;
	struct grant *grant;

	(void)state;
	assert_int_equal(new_grant(g, token), 0);
	grant = grants_ref(g, token);
	grants_count(g, grant, docker_route_index("container_list"), false);
	grants_count(g, grant, docker_route_index("image_push"), true);
	grants_count(g, grant, -1, true);
	assert_int_equal(grants_bind(g, token, "c1", &proto, &err), 0);
	grants_count(g, grant, docker_route_index("container_list"), false); /* by the old picture */
	grants_unref(g, grant);
	grants_close(g);
	g = open_grants();
	grant = grants_of(g, "c1");
	assert_non_null(grant);
	grants_counts(g, grant, &counts);
	assert_int_equal(counts.n_used, 2);
	assert_int_equal(counts.n_refused, 2);
	assert_true(docker_routes_has(&counts.used, docker_route_index("container_list")));
	assert_false(docker_routes_has(&counts.used, docker_route_index("image_push")));
	assert_true(docker_routes_has(&counts.refused, docker_route_index("image_push")));
	assert_string_equal(grant->image, image);
	assert_string_equal(grant->entry, entry);
	assert_string_equal(grant->digest, "sha256:abc");
	assert_string_equal(grant->image_id, "sha256:def");
	assert_true(grant->derived);
	grants_unref(g, grant);
	grants_close(g);
}

/* ---- without the guard ----------------------------------------------------------------------------------------- */

static void test_kept(void **state)
{
	struct grants *g = open_grants();
	char token[GRANT_TOKEN_LEN + 1], path[160];
	struct stat before, after;
	struct grant *grant;
	int fd, accepted;

	(void)state;
	assert_int_equal(new_grant(g, token), 0);
	assert_int_equal(grants_bind(g, token, "c1", &proto, &err), 0);
	path_in(path, sizeof path, token, "docker.sock");
	assert_int_equal(stat(path, &before), 0);
	grants_close(g);
	fd = connect_to(token); /* waits */
	assert_true(fd >= 0);
	g = open_grants();
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	grant = grants_ref(g, token);
	accepted = accept(grant->fd, NULL, NULL);
	assert_true(accepted >= 0);
	(void)close(accepted);
	(void)close(fd);
	grants_unref(g, grant);
	assert_int_equal(n_kept(), 1);
	grants_close(g);
	/* the directory is lost, as after a restart of the host but with the keeper: made anew */
	path_in(path, sizeof path, token, "docker.sock");
	assert_int_equal(unlink(path), 0);
	path_in(path, sizeof path, token, "container");
	assert_int_equal(unlink(path), 0);
	path_in(path, sizeof path, token, "");
	assert_int_equal(rmdir(path), 0);
	g = open_grants();
	assert_true(answers(g, token));
	path_in(path, sizeof path, token, "container");
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(n_kept(), 1);
	grants_close(g);
	/* likewise, but the engine was first, and made directories where it missed something */
	kill_keeper();
	path_in(path, sizeof path, token, "docker.sock");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	path_in(path, sizeof path, token, "");
	assert_int_equal(chmod(path, 0755), 0);
	g = open_grants();
	assert_true(answers(g, token));
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_mode & 07777, 0700);
	assert_int_equal(said, 0);
	grants_close(g);
	/* a place that cannot be cleared is one grant's trouble, not all of them's */
	kill_keeper();
	path_in(path, sizeof path, token, "docker.sock");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	path_in(path, sizeof path, token, "docker.sock/x");
	assert_int_equal(mkdir(path, 0755), 0);
	g = open_grants();
	assert_int_equal(said, 1);
	assert_int_equal(n_grants(g), 0);
	assert_int_equal(n_records(), 1);
	grants_close(g);
	assert_int_equal(rmdir(path), 0);
	g = open_grants();
	assert_true(answers(g, token));
	grants_close(g);
	said = 0;
	/* a record is gone: so is the rest */
	record_path(path, sizeof path, token);
	assert_int_equal(unlink(path), 0);
	g = open_grants();
	assert_int_equal(n_grants(g), 0);
	assert_int_equal(entries(directory), 0);
	assert_int_equal(n_kept(), 0);
	assert_int_equal(said, 0);
	grants_close(g);
}

static void test_keeper_killed(void **state)
{
	struct grants *g = open_grants();
	char a[GRANT_TOKEN_LEN + 1], b[GRANT_TOKEN_LEN + 1];
	struct pollfd p = { .fd = grants_event_fd(g), .events = POLLIN };

	(void)state;
	assert_int_equal(new_grant(g, a), 0);
	grants_changes(g);
	assert_int_equal(poll(&p, 1, 0), 0);
	kill_keeper();
	assert_int_equal(poll(&p, 1, 5000), 1);
	grants_changes(g);
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(n_kept(), 1);
	kill_keeper();
	assert_int_equal(new_grant(g, b), 0); /* finds it out by itself */
	assert_int_equal(n_kept(), 2);
	kill_keeper();
	grants_drop(g, a);
	assert_int_equal(n_kept(), 1);
	assert_int_equal(said, 0);
	grants_close(g);
	g = open_grants();
	assert_true(answers(g, b));
	grants_close(g);
}

static void test_two_guards(void **state)
{
	struct grants *g = open_grants(), *other = NULL;

	(void)state;
	assert_int_equal(grants_open(&config, &other, &err), -EBUSY);
	grants_close(g);
	g = open_grants();
	grants_close(g);
}

static void test_bad_directories(void **state)
{
	struct grants *g = NULL;
	char path[96];

	(void)state;
	(void)snprintf(path, sizeof path, "%s/run", top);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(chmod(path, 0777), 0);
	assert_int_equal(grants_open(&config, &g, &err), -EPERM);
	assert_non_null(strstr(err.msg, "/run is not root's alone"));
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(mkdir(directory, 0755), 0);
	assert_int_equal(chown(directory, 1000, 0), 0);
	assert_int_equal(grants_open(&config, &g, &err), -EPERM);
	assert_int_equal(rmdir(directory), 0);
	assert_int_equal(symlink("/tmp", directory), 0);
	assert_int_equal(grants_open(&config, &g, &err), -ENOTDIR);
	assert_int_equal(unlink(directory), 0);
	g = open_grants();
	grants_close(g);
	(void)snprintf(path, sizeof path, "%s/grants", state_dir);
	assert_int_equal(chmod(path, 0777), 0);
	assert_int_equal(grants_open(&config, &g, &err), -EPERM);
}

/* ---- damage ---------------------------------------------------------------------------------------------------- */

/* "%s": the token */
#define RECORD(version, scope, container, created, used)                                                           \
	"{\"version\":" version ",\"token\":\"%s\",\"scope\":\"" scope "\",\"container\":\"" container             \
	"\",\"image\":\"\",\"imageId\":\"\",\"entry\":\"\",\"digest\":\"\",\"derived\":false,\"created\":" created \
	",\"passed\":0,\"blocked\":0,\"used\":[" used "],\"refused\":[]}"

static void test_damage(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"{}",
		"[]",
		"null",
		"\0",
		"{\"version\":1,\"token\":\"%s\"}",
		RECORD("2", "%s", "", "1", ""),
		RECORD("1", "../../../../../etc", "", "1", ""),
		RECORD("1", "%s", "../x", "1", ""),
		RECORD("1", "%s", "", "-1", ""),
		RECORD("1", "%s", "", "1", "1"),
	};
	static const char fine[] = RECORD("1", "%s", "", "1", "\"of_the_future\"");
	struct grants *g = open_grants();
	char token[GRANT_TOKEN_LEN + 1], path[160], text[1024], aside[200];

	(void)state;
	for (size_t i = 0; i <= ARRAY_SIZE(bad); i++) {
		const char *how = i < ARRAY_SIZE(bad) ? bad[i] : fine, *at;
		size_t n = 0;

		assert_int_equal(new_grant(g, token), 0);
		for (at = how; *at && n < sizeof text - 40;) {
			if (strncmp(at, "%s", 2) == 0) {
				memcpy(text + n, token, GRANT_TOKEN_LEN);
				n += GRANT_TOKEN_LEN, at += 2;
			} else {
				text[n++] = *at++;
			}
		}
		text[n] = '\0';
		grants_close(g);
		record_path(path, sizeof path, token);
		write_text(path, text);
		said = 0;
		g = open_grants();
		if (i == ARRAY_SIZE(bad)) {
			assert_int_equal(said, 0);
			assert_true(answers(g, token));
			continue;
		}
		if (said != 1)
			fail_msg("accepted: %s", text);
		assert_non_null(strstr(last_said, "is damaged and was moved to"));
		assert_int_equal(access(path, F_OK), -1);
		(void)snprintf(aside, sizeof aside, "%s.damaged", path);
		assert_int_equal(access(aside, F_OK), 0);
		assert_int_equal(n_grants(g), 0);
		assert_int_equal(entries(directory), 0);
	}
	assert_int_equal(n_grants(g), 1);
	grants_close(g);
}

/* A record with any byte changed, or cut off at any place, is refused or is a whole one. */
static void test_bytes(void **state)
{
	struct grants *g = open_grants();
	char bad[GRANT_TOKEN_LEN + 1], path[160];
	_cleanup_free_ char *text = NULL;
	size_t len;

	(void)state;
	assert_int_equal(new_grant(g, bad), 0);
	assert_int_equal(grants_bind(g, bad, "c1", &proto, &err), 0);
	grants_close(g);
	record_path(path, sizeof path, bad);
	assert_int_equal(io_read_at(AT_FDCWD, path, RECORD_MAX, &text, &len), 0);
	srandom(7);
	for (int i = 0; i < 3000; i++) {
		_cleanup_free_ char *copy = malloc(len + 1);
		struct grant_counts counts = { 0 };
		struct grant grant;
		size_t n = i % 3 ? len : (size_t)random() % len;

		assert_non_null(copy);
		memcpy(copy, text, len + 1);
		if (i % 3)
			copy[(size_t)random() % len] = (char)random();
		if (record_parse(bad, copy, n, &grant, &counts, &err) < 0)
			continue;
		assert_int_equal(n, len);
		assert_true(token_is_valid(grant.token) && token_is_valid(grant.scope));
		assert_string_equal(grant.token, bad);
		grant_done(&grant);
	}
}

/* ---- killed at any point --------------------------------------------------------------------------------------- */

static void do_things(unsigned seed)
{
	struct grants *g = NULL;
	char tokens[4][GRANT_TOKEN_LEN + 1] = { 0 };

	srandom(seed);
	CHILD_CHECK(grants_open(&config, &g, NULL) == 0);
	for (unsigned i = 0;; i++) {
		unsigned k = (unsigned)random() % 4;
		struct grant *grant;
		char id[16];

		(void)snprintf(id, sizeof id, "c%u-%u", seed, i);
		switch (random() % 4) {
		case 0:
			if (tokens[k][0])
				grants_drop(g, tokens[k]);
			CHILD_CHECK(new_grant(g, tokens[k]) == 0);
			break;
		case 1:
			if (tokens[k][0])
				CHILD_CHECK(grants_bind(g, tokens[k], id, &proto, NULL) != -ENOENT);
			break;
		case 2:
			grant = tokens[k][0] ? grants_ref(g, tokens[k]) : NULL;
			if (grant)
				grants_count(g, grant, 1, false);
			grants_unref(g, grant);
			break;
		default:
			if (random() % 8 == 0) {
				grants_close(g);
				CHILD_CHECK(grants_open(&config, &g, NULL) == 0);
			}
		}
	}
}

struct checked {
	struct grants *g;
	size_t n;
};

static int check_one(void *ctx, struct grant *grant)
{
	struct checked *c = ctx;
	_cleanup_free_ char *text = NULL;
	char path[160];

	c->n++;
	assert_true(answers(c->g, grant->token));
	path_in(path, sizeof path, grant->token, "container");
	if (grant->container[0]) {
		assert_int_equal(io_read_at(AT_FDCWD, path, 100, &text, NULL), 0);
		assert_string_equal(text, grant->container);
	}
	return 0;
}

static void test_killed(void **state)
{
	unsigned rounds = getenv("CAISSON_TEST_LONG") ? 1000 : 60;
	size_t seen = 0;

	(void)state;
	for (unsigned i = 0; i < rounds; i++) {
		struct checked c = { 0 };
		pid_t pid = fork();

		if (pid == 0)
			do_things(i + 1);
		(void)usleep((useconds_t)(random() % 30000));
		if (i % 10 == 3)
			kill_keeper();
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(test_wait(pid), -1);
		c.g = open_grants();
		assert_int_equal(grants_each(c.g, check_one, &c), 0);
		assert_int_equal(entries(directory), c.n);
		assert_int_equal(n_records(), c.n);
		assert_int_equal(n_kept(), c.n);
		assert_int_equal(said, 0);
		seen += c.n;
		grants_close(c.g);
	}
	assert_true(seen > rounds);
}

static int drop_one(void *ctx, struct grant *grant)
{
	grants_drop(ctx, grant->token);
	return 0;
}

static void test_full(void **state)
{
	struct grants *g = open_grants();
	char token[GRANT_TOKEN_LEN + 1], path[96];
	static char block[4096];
	int fd, n = 0;

	(void)state;
	(void)snprintf(path, sizeof path, "%s/grants", state_dir);
	grants_close(g);
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("caisson-test", path, "tmpfs", 0, "mode=700,size=64k"), 0);
	g = open_grants();
	assert_int_equal(new_grant(g, token), 0);
	(void)snprintf(path, sizeof path, "%s/grants/fill", state_dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fd, block, sizeof block) > 0)
		n++;
	assert_true(n > 4);
	(void)close(fd);
	for (int i = 0; i < 20; i++)
		assert_int_equal(new_grant(g, (char[GRANT_TOKEN_LEN + 1]){ 0 }), -ENOSPC);
	assert_non_null(strstr(err.msg, "no space left"));
	assert_int_equal(grants_bind(g, token, "c1", &proto, &err), -ENOSPC);
	assert_null(grants_of(g, "c1"));
	assert_int_equal(n_grants(g), 1);
	assert_int_equal(entries(directory), 1);
	assert_int_equal(n_records(), 2);
	assert_int_equal(n_kept(), 1);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(grants_bind(g, token, "c1", &proto, &err), 0);
	assert_int_equal(new_grant(g, token), 0);
	grants_close(g);
	/* the other one: no room for a socket */
	assert_int_equal(mount("caisson-test", directory, "tmpfs", 0, "mode=700,nr_inodes=7"), 0);
	g = open_grants();
	assert_int_equal(n_grants(g), 2);
	assert_int_equal(new_grant(g, token), -ENOSPC);
	assert_int_equal(entries(directory), 2);
	assert_int_equal(n_records(), 2);
	assert_int_equal(grants_each(g, drop_one, g), 0);
	assert_int_equal(new_grant(g, token), 0);
	grants_close(g);
	assert_int_equal(umount2(directory, MNT_DETACH), 0); /* the keeper is in it */
	(void)snprintf(path, sizeof path, "%s/grants", state_dir);
	assert_int_equal(umount2(path, MNT_DETACH), 0);
}

/* ---- who connects (A142) --------------------------------------------------------------------------------------- */

/* Connect as @uid to the socket behind @inode (O_PATH), as one does who was passed it: what the guard thinks of it. */
static bool let_in(struct grants *g, const char *token, int inode, uid_t uid)
{
	struct grant *grant = grants_ref(g, token);
	struct ucred peer;
	socklen_t n = sizeof peer;
	int fd, pipefd[2];
	char byte;
	bool yes;
	pid_t pid;

	assert_non_null(grant);
	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		struct sockaddr_un sa = { .sun_family = AF_UNIX };
		int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		(void)close(pipefd[1]);
		CHILD_CHECK(setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0);
		(void)snprintf(sa.sun_path, sizeof sa.sun_path, "/proc/self/fd/%d", inode);
		CHILD_CHECK(connect(s, (const struct sockaddr *)&sa, sizeof sa) == 0);
		(void)!read(pipefd[0], &byte, 1);
		_exit(0);
	}
	(void)close(pipefd[0]);
	assert_int_equal(poll(&(struct pollfd){ .fd = grant->fd, .events = POLLIN }, 1, 10000), 1);
	fd = accept(grant->fd, NULL, NULL);
	assert_true(fd >= 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n), 0);
	assert_int_equal(peer.uid, uid);
	yes = grants_peer(g, grant, peer.uid);
	(void)close(fd);
	(void)close(pipefd[1]);
	assert_int_equal(test_wait(pid), 0);
	grants_unref(g, grant);
	return yes;
}

static void test_peers(void **state)
{
	static const char *const bad[] = {
		"",	      "700000",		"700000 65536",	   "700000 65536\nx",	   " 700000 65536\n",
		"-1 65536\n", "0 4294967295\n", "700000  65536\n", "700000 99999999999\n", "700000\t65536\n"
	};
	struct grants *g;
	char token[GRANT_TOKEN_LEN + 1], path[160], slot[96];
	int inode;

	(void)state;
	config.ids = ids_dir;
	g = open_grants();
	assert_int_equal(new_grant(g, token), 0);
	assert_int_equal(grants_bind(g, token, "c1", &proto, &err), 0);
	path_in(path, sizeof path, token, "docker.sock");
	assert_int_equal(chmod(path, 0666), 0);
	inode = open(path, O_PATH | O_CLOEXEC);
	assert_true(inode >= 0);
	(void)snprintf(slot, sizeof slot, "%s/700000", ids_dir);
	write_text(slot, "owner /run/x/c1\n");
	assert_false(let_in(g, token, inode, 700000)); /* no file "ids" */
	path_in(path, sizeof path, token, "ids");
	write_text(path, "700000 65536\n");
	assert_true(let_in(g, token, inode, 700000));
	assert_true(let_in(g, token, inode, 700000 + 65535));
	assert_false(let_in(g, token, inode, 700000 + 65536));
	assert_false(let_in(g, token, inode, 699999));
	assert_false(let_in(g, token, inode, 0));
	assert_false(let_in(g, token, inode, 1000));
	/* the container is gone, and its ids are another's */
	write_text(slot, "owner /run/x/c2\n");
	assert_false(let_in(g, token, inode, 700000));
	write_text(slot, "owner /run/x/c2\nowner /run/x/c1\n");
	assert_true(let_in(g, token, inode, 700000));
	assert_int_equal(unlink(slot), 0);
	assert_false(let_in(g, token, inode, 700000));
	grants_close(g);
	config.ids = NULL;
	g = open_grants();
	assert_true(let_in(g, token, inode, 700000));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		write_text(path, bad[i]);
		if (let_in(g, token, inode, 700000))
			fail_msg("accepted: %s", bad[i]);
	}
	write_text(path, "700000 65536\n");
	assert_true(let_in(g, token, inode, 700000));
	(void)close(inode);
	grants_close(g);
}

/* ---- many ------------------------------------------------------------------------------------------------------ */

#define THREADS 8

static struct grants *shared;
static _Atomic unsigned made, wrong;

static void *race(void *arg)
{
	char tokens[8][GRANT_TOKEN_LEN + 1] = { 0 }, id[32];
	unsigned seed = (unsigned)(uintptr_t)arg, n = 0;

	for (int i = 0; i < 400; i++) {
		unsigned k = (unsigned)rand_r(&seed) % 8;
		struct grant *grant = tokens[k][0] ? grants_ref(shared, tokens[k]) : NULL;
		_cleanup_free_ char *path = NULL;

		(void)snprintf(id, sizeof id, "c-%s", tokens[k]);
		switch (grant ? rand_r(&seed) % 6 : 0) {
		case 0:
			grants_drop(shared, tokens[k]);
			wrong += grants_new(shared, &proto, &path, tokens[k], NULL) < 0;
			n++;
			break;
		case 1:
			wrong += grants_bind(shared, tokens[k], id, &proto, NULL) < 0;
			break;
		case 2:
			grants_count(shared, grant, 3, false);
			wrong += grants_peer(shared, grant, 5);
			break;
		case 3:
			wrong += strcmp(grant->token, tokens[k]) != 0 || strcmp(grant->entry, entry) != 0;
			wrong += fcntl(grant->fd, F_GETFD) < 0;
			break;
		case 4:
			grants_changes(shared);
			break;
		default: {
			size_t all = 0;

			wrong += grants_each(shared, count_one, &all) != 0 || all == 0;
		}
		}
		grants_unref(shared, grant);
	}
	for (size_t i = 0; i < 8; i++)
		if (tokens[i][0] && i % 2)
			grants_drop(shared, tokens[i]);
	made += n;
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[THREADS];
	struct checked c = { 0 };

	(void)state;
	shared = open_grants();
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, (void *)(i + 1)), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(wrong, 0);
	assert_true(made > THREADS);
	c.g = shared;
	assert_int_equal(grants_each(shared, check_one, &c), 0);
	assert_int_equal(entries(directory), c.n);
	assert_int_equal(n_records(), c.n);
	assert_int_equal(n_kept(), c.n);
	assert_int_equal(said, 0);
	grants_close(shared);
}

static long long us(const struct timespec *from, const struct timespec *to)
{
	return (to->tv_sec - from->tv_sec) * 1000000LL + (to->tv_nsec - from->tv_nsec) / 1000;
}

static void test_limit(void **state)
{
	struct rlimit rl = { .rlim_cur = GRANTS_MAX + 100, .rlim_max = GRANTS_MAX + 100 };
	struct grants *g;
	char token[GRANT_TOKEN_LEN + 1];
	struct timespec t[5];

	(void)state;
	if (setrlimit(RLIMIT_NOFILE, &rl) < 0)
		skip();
	g = open_grants();
	(void)clock_gettime(CLOCK_MONOTONIC, &t[0]);
	for (int i = 0; i < GRANTS_MAX; i++) {
		if (i == 200)
			(void)clock_gettime(CLOCK_MONOTONIC, &t[1]);
		if (new_grant(g, token) < 0)
			fail_msg("the %d-th: %s", i, err.msg);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &t[2]);
	assert_int_equal(new_grant(g, token), -EUSERS);
	assert_int_equal(said, 0);
	grants_close(g);
	(void)clock_gettime(CLOCK_MONOTONIC, &t[3]);
	g = open_grants();
	assert_int_equal(n_grants(g), GRANTS_MAX);
	(void)clock_gettime(CLOCK_MONOTONIC, &t[4]);
	print_message("grants_new: %lld us, first 200; %lld us, all; grants_open: %lld us each\n",
		      us(&t[0], &t[1]) / 200, us(&t[0], &t[2]) / GRANTS_MAX, us(&t[3], &t[4]) / GRANTS_MAX);
	assert_int_equal(said, 0);
	grants_close(g);
}

static int new_of(struct grants *g, uid_t uid, char token[static GRANT_TOKEN_LEN + 1])
{
	assert_int_equal(new_grant(g, token), 0);
	return grants_owner(g, token, uid, &err);
}

/* So many that wait are one user's; those that were started or are gone do not count. */
static void test_waiting(void **state)
{
	char first[GRANT_TOKEN_LEN + 1], token[GRANT_TOKEN_LEN + 1];
	struct grants *g = open_grants();

	(void)state;
	assert_int_equal(new_of(g, 7, first), 0);
	for (unsigned i = 1; i < GRANTS_WAITING_MAX; i++)
		assert_int_equal(new_of(g, 7, token), 0);
	assert_int_equal(new_of(g, 7, token), -EUSERS);
	assert_string_equal(err.msg, "256 containers of user 7 that have a Docker socket were not started");
	grants_drop(g, token);
	assert_int_equal(new_of(g, 8, token), 0);
	assert_int_equal(grants_bind(g, first, "aa", &proto, &err), 0);
	assert_int_equal(new_of(g, 7, token), 0);
	assert_int_equal(new_of(g, 7, first), -EUSERS);
	grants_drop(g, token);
	grants_drop(g, first);
	assert_int_equal(new_of(g, 7, token), 0);
	grants_close(g);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_life, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keeper_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_guards, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_directories, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waiting, setup, teardown),
	};

	if (argc == 3 && strcmp(argv[1], "--keep") == 0)
		return keep_main(argv[2], KEEP_IDLE_MS, NULL);
	return geteuid() == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}
