/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command line, one word a line: no crash; a request is whole, reads the same when it is written and read, has a
 * target that the guard itself can read or refuses by name; what is refused is refused with a text.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "ctl/docker-cli.h"
#include "guard/judge.h"

#define WORDS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* Any text may stand in the file: here it is the path itself. */
static int read_file(void *ctx, const char *path, char **ret)
{
	(void)ctx;
	if (*path == '!')
		return -ENOENT;
	*ret = strdup(path);
	return *ret ? 0 : -ENOMEM;
}

static const char *get_env(void *ctx, const char *name)
{
	(void)ctx;
	return *name == 'X' ? name : NULL;
}

static void check_request(const struct docker_request *q)
{
	struct judge_request j = { 0 };
	struct judge_verdict v = { 0 };
	_cleanup_free_ char *text = NULL;

	check(q->method && q->target && q->target[0] == '/');
	if (q->body) {
		json_t *again;

		text = json_dumps(q->body, JSON_COMPACT);
		check(text != NULL);
		again = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
		check(json_equal(again, q->body));
		json_decref(again);
	}
	if (judge_route(q->method, q->target, &j, &v) == 0)
		judge_request_done(&j);
	else
		check(v.status && v.message[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct docker_outside outside = { .cwd = "/cwd", .read = read_file, .env = get_env };
	_cleanup_free_ char *text = malloc(size + 1);
	const char *words[WORDS];
	struct docker_request q = { 0 };
	struct err e = { 0 };
	char *next = text;
	int n = 0;

	if (!text || size > 8192)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	for (char *w; n < WORDS && (w = strsep(&next, "\n"));)
		words[n++] = w;
	if (docker_parse(n, words, &outside, &q, &e) < 0) {
		check(e.code && e.msg[0] && !q.target);
		return 0;
	}
	check_request(&q);
	docker_request_done(&q);
	return 0;
}
