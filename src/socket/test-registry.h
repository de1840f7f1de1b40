/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKET_TEST_REGISTRY_H
#define SOCKET_TEST_REGISTRY_H

/*
 * Registries of files. The helper is a copy of the test's own program in a directory: called by the helper's name it
 * answers with what
 * <dir>/answers/NAME says and adds what it was asked to <dir>/log. A name without a file is not there; a file may
 * begin with lines "!sleep MS", "!exit N", and "!same DIGEST", for those who know this one.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "sys/test-dir.h"

#define FAKE_HELPER "caisson-registry"

struct fake {
	char dir[64], helper[96], state[96];
	int fd;
};

#define FAKE_SAME "{\"status\": \"same\"}"

/* "docker.io/library/docker:cli" as the name of a file. */
static inline void fake_file(const char *name, char ret[static 600])
{
	(void)snprintf(ret, 600, "answers/%.500s", name);
	for (char *p = ret + strlen("answers/"); *p; p++)
		if (*p == '/')
			*p = '+';
}

static int fake_directives(char **text, const char *known)
{
	char *p = *text;
	int r = 0;

	while (*p == '!') {
		if (strncmp(p, "!sleep ", 7) == 0)
			(void)usleep((useconds_t)strtoul(p + 7, NULL, 10) * 1000);
		if (strncmp(p, "!exit ", 6) == 0)
			r = (int)strtoul(p + 6, NULL, 10);
		if (known && strncmp(p, "!same ", 6) == 0 && strncmp(p + 6, known, strlen(known)) == 0) {
			memcpy(*text, FAKE_SAME, sizeof FAKE_SAME); /* no longer than the line */
			return r;
		}
		p = strchrnul(p, '\n');
		p += *p == '\n';
	}
	*text = p;
	return r;
}

static int fake_main(void)
{
	_cleanup_free_ char *job = NULL, *answer = NULL;
	char exe[256] = "", name[600], file[600], line[512];
	const char *registry, *repository, *reference;
	_cleanup_close_ int dir = -EBADF, log = -EBADF;
	char *slash, *text;
	json_t *tree;
	size_t len;
	int r;

	if (readlink("/proc/self/exe", exe, sizeof exe - 1) < 0 || !(slash = strrchr(exe, '/')))
		return 3;
	*slash = '\0';
	dir = open(exe, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	log = openat(dir, "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (io_read_fd(0, 1u << 20, &job, &len) < 0 || io_write_all(log, strcat(job, "\n"), len + 1) < 0)
		return 3;
	tree = json_loads(job, 0, NULL);
	if (json_unpack(tree, "{ss, ss, ss}", "registry", &registry, "repository", &repository, "reference",
			&reference) < 0)
		return 3;
	(void)snprintf(name, sizeof name, "%s%s/%s%c%s", json_object_get(tree, "endpoint") ? "mirror-" : "",
		       registry, repository, strchr(reference, ':') ? '@' : ':', reference);
	fake_file(name, file);
	if (faccessat(dir, "down", F_OK, 0) == 0)
		r = io_read_at(dir, "down", 65536, &answer, NULL);
	else
		r = io_read_at(dir, file, 64u << 20, &answer, NULL);
	if (r < 0) {
		(void)snprintf(line, sizeof line, "{\"status\": \"none\", \"message\": \"%s: no such image\"}",
			       registry);
		return io_write_all(1, line, strlen(line)) < 0 ? 3 : 0;
	}
	text = answer;
	r = fake_directives(&text, json_string_value(json_object_get(tree, "known")));
	if (io_write_all(1, text, strlen(text)) < 0)
		r = 3;
	json_decref(tree);
	return r;
}

/* Call it first in main(). */
static inline void fake_helper(int argc, char **argv)
{
	if (argc == 1 && strcmp(argv[0], FAKE_HELPER) == 0)
		_exit(fake_main());
}

static inline int fake_open(struct fake *f)
{
	_cleanup_free_ char *exe = NULL;
	size_t len;

	(void)snprintf(f->dir, sizeof f->dir, "/tmp/caisson-trust.XXXXXX");
	if (test_dir_make(f->dir, false) < 0 || chmod(f->dir, 0700) < 0)
		return -1;
	(void)snprintf(f->helper, sizeof f->helper, "%s/" FAKE_HELPER, f->dir);
	(void)snprintf(f->state, sizeof f->state, "%s/state", f->dir);
	f->fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->fd < 0 || mkdirat(f->fd, "answers", 0700) < 0 || mkdirat(f->fd, "state", 0700) < 0)
		return -1;
	{
		_cleanup_close_ int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

		if (io_read_fd(in, 256u << 20, &exe, &len) < 0)
			return -1;
	}
	return io_replace_at(f->fd, FAKE_HELPER, exe, len, 0700);
}

static inline void fake_close(struct fake *f)
{
	(void)fd_close(f->fd);
	test_dir_drop(f->dir);
}

static inline void fake_put(const struct fake *f, const char *name, const char *text)
{
	char file[600];

	fake_file(name, file);
	(void)unlinkat(f->fd, file, 0);
	if (text && test_put(f->fd, file, text) < 0)
		abort();
}

#define FAKE_DOWN "{\"status\": \"failed\", \"message\": \"docker.io: connection refused\"}"

/* No registry answers anything but @text; NULL: they answer again. */
static inline void fake_down(const struct fake *f, const char *text)
{
	(void)unlinkat(f->fd, "down", 0);
	if (text && test_put(f->fd, "down", text) < 0)
		abort();
}

/* How many questions there were with @part in them, and whether the last one had it. */
static inline int fake_asked(const struct fake *f, const char *part)
{
	_cleanup_free_ char *log = NULL;
	int n = 0;

	if (io_read_at(f->fd, "log", 16u << 20, &log, NULL) < 0)
		return 0;
	for (char *line = log, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		*end = '\0';
		n += strstr(line, part) != NULL;
	}
	return n;
}

/* "sha256:" and this number in 64 digits; good until it was called 64 times more. */
static inline const char *dg(unsigned n)
{
	static _Thread_local char buf[64][72];
	static _Thread_local unsigned at;

	at = (at + 1) % 64;
	(void)snprintf(buf[at], sizeof buf[at], "sha256:%064u", n);
	return buf[at];
}

/*
 * An answer: digests of @index (0: none), a manifest and its configuration; the layers first to first + n - 1, with a
 * step of history each.
 */
static inline char *fake_found(unsigned index, unsigned manifest, unsigned config, unsigned first, unsigned n)
{
	json_t *layers = json_array(), *history = json_array(), *digests = json_array(), *tree;
	char step[128], *text;

	for (unsigned i = 0; i < n; i++) {
		(void)json_array_append_new(layers, json_string(dg(first + i)));
		(void)snprintf(step, sizeof step, "2024-01-02T03:04:%02u.5Z|RUN %u|c", i % 60, first + i);
		(void)json_array_append_new(history, json_string(step));
	}
	if (index)
		(void)json_array_append_new(digests, json_string(dg(index)));
	(void)json_array_append_new(digests, json_string(dg(manifest)));
	(void)json_array_append_new(digests, json_string(dg(config)));
	tree = json_pack("{ss, so, s[{ss, ss, ss, ss, so, so}]}", "status", "found", "digests", digests, "images",
			 "config", dg(config), "os", "linux", "architecture", "amd64", "variant", "", "layers",
			 layers, "history", history);
	text = json_dumps(tree, 0);
	json_decref(tree);
	return text;
}

static inline void fake_image(const struct fake *f, const char *name, unsigned index, unsigned manifest,
			      unsigned config, unsigned first, unsigned n)
{
	_cleanup_free_ char *text = fake_found(index, manifest, config, first, n);

	fake_put(f, name, text);
}

/* The same, and those who know that the name stood for @same are told that it still does. */
static inline void fake_image_same(const struct fake *f, const char *name, unsigned same, unsigned index,
				   unsigned manifest, unsigned config)
{
	_cleanup_free_ char *found = fake_found(index, manifest, config, 10, 1), *text = NULL;

	if (asprintf(&text, "!same %s\n%s", dg(same), found) < 0)
		abort();
	fake_put(f, name, text);
}

#endif
