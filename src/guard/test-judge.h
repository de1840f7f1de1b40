/* SPDX-License-Identifier: Apache-2.0 */
/* Requests as rows: what goes in, what is sent on or which words the refusal has. */
#ifndef GUARD_TEST_JUDGE_H
#define GUARD_TEST_JUDGE_H

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "codec/json-read.h"
#include "guard/rules.h"
#include "guard/test-engine.h"

/* A small host. "@" in a row stands for this directory: share/ is shared, secret/ is not. */
static char test_dir[] = "/tmp/judge-test.XXXXXX";
static struct settings test_settings;
static const struct judge_host test_host = { .runc_is_caisson = true, .builds_are_closed = true };

struct row {
	const char *method, *target, *in; /* in: the body, NULL: none */
	const char *says;		  /* words of the refusal; NULL: passes */
	const char *out;		  /* the body that is sent on; NULL: as it came; "": none */
};

static char *test_expand(const char *text)
{
	char *ret = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&ret, &size);

	assert_non_null(f);
	for (; *text; text++) {
		if (*text == '@')
			fputs(test_dir, f);
		else
			fputc(*text, f);
	}
	assert_int_equal(fclose(f), 0);
	return ret;
}

static json_t *test_parse(const char *text)
{
	_cleanup_free_ char *expanded = text ? test_expand(text) : NULL;
	json_t *ret = NULL;
	struct err e = { 0 };

	if (text && json_read("test", expanded, strlen(expanded), &ret, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
	return ret;
}

static void test_row(const struct row *row, const struct settings *settings, const struct judge_host *host)
{
	struct judge_request q = { .settings = settings, .host = host };
	struct judge_verdict v = { 0 };
	json_t *expected;

	if (judge_route(row->method, row->target, &q, &v) < 0)
		fail_msg("%s %s: %s", row->method, row->target, v.message);
	q.body = test_parse(row->in);
	judge(&q, &v);
	if ((v.what == JUDGE_PASS) != !row->says)
		fail_msg("%s %s %s: %s: %s", row->method, row->target, row->in,
			 v.what == JUDGE_PASS ? "passed" : "refused", v.message);
	if (row->says) {
		if (!strstr(v.message, row->says))
			fail_msg("%s %s %s: the message is: %s", row->method, row->target, row->in, v.message);
		assert_true(v.status >= 400 && v.status < 600);
		assert_non_null(v.rule);
		judge_request_done(&q);
		return;
	}
	expected = test_parse(!row->out ? row->in : *row->out ? row->out : NULL);
	if ((q.body || expected) && !json_equal(q.body, expected)) {
		_cleanup_free_ char *got = q.body ? json_dumps(q.body, JSON_COMPACT) : NULL;

		fail_msg("%s %s %s: sent on as %s", row->method, row->target, row->in, got);
	}
	json_decref(expected);
	judge_request_done(&q);
}

static void make_socket(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof a.sun_path, "%s/%s", test_dir, name);
	assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof a), 0);
}

static int test_setup(void **state)
{
	static const char text[] = "{\"filesharingAllowedDirectories\": [{\"path\": \"@/share\"}]}";
	_cleanup_free_ char *settings = NULL;
	_cleanup_close_ int dir = -EBADF;
	struct err e = { 0 };

	(void)state;
	assert_non_null(mkdtemp(test_dir));
	dir = open(test_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(
		mkdirat(dir, "share", 0755) | mkdirat(dir, "share/a", 0755) | mkdirat(dir, "share/c:d", 0755), 0);
	assert_int_equal(mkdirat(dir, "sharefoo", 0755) | mkdirat(dir, "secret", 0755), 0);
	assert_int_equal(symlinkat("a", dir, "share/to-a") | symlinkat("../secret", dir, "share/to-secret"), 0);
	assert_int_equal(symlinkat("/etc", dir, "share/to-etc") | symlinkat("c:d", dir, "share/to-colon"), 0);
	assert_int_equal(symlinkat("/nowhere/x", dir, "share/dangling") | symlinkat("loop", dir, "share/loop"), 0);
	assert_int_equal(symlinkat("share/a", dir, "into") | symlinkat("/proc/self/cwd", dir, "share/magic"), 0);
	make_socket("share/docker.sock");
	make_socket("share/mine");
	assert_int_equal(symlinkat("docker.sock", dir, "share/innocent"), 0);
	settings = test_expand(text);
	assert_int_equal(settings_parse("/etc/caisson/admin-settings.json", settings, strlen(settings),
					&test_settings, &e),
			 0);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int test_teardown(void **state)
{
	(void)state;
	settings_done(&test_settings);
	return nftw(test_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

#endif
