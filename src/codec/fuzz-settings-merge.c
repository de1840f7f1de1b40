/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Up to four settings files, separated by NUL bytes, the last one the users': what one locks no later one changes,
 * and every value of an accepted file is found in its text by settings_locate(), as the same value.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "codec/settings.h"

#define VALUES_MAX 400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* A name that a key can have in it, and that no other member has in another spelling. */
static bool plain(json_t *object, const char *name)
{
	const char *key;
	json_t *v;
	unsigned same = 0;

	json_object_foreach(object, key, v) {
		(void)v;
		same += strcasecmp(key, name) == 0;
	}
	return *name && strlen(name) < 40 && same == 1 && !strpbrk(name, ".[");
}

static unsigned looked_at;

static void check_located(const struct settings_source *src, json_t *v, const char *path)
{
	struct settings_place p = settings_locate(src->text, src->len, path);
	char sub[400];
	const char *name;
	json_t *item, *again;
	size_t i;

	if (strlen(path) > 300 || looked_at++ > VALUES_MAX)
		return;
	check(p.line > 0 && p.start < p.end && p.end <= src->len);
	again = json_loadb(src->text + p.start, p.end - p.start, JSON_DECODE_ANY, NULL);
	check(json_equal(again, v));
	json_decref(again);
	if (json_is_array(v))
		json_array_foreach(v, i, item) {
			(void)snprintf(sub, sizeof sub, "%s[%zu]", path, i);
			check_located(src, item, sub);
		}
	json_object_foreach(v, name, item) {
		if (!plain(v, name))
			continue;
		(void)snprintf(sub, sizeof sub, "%s%s%s", path, *path ? "." : "", name);
		check_located(src, item, sub);
	}
}

static size_t split(char *text, size_t size, struct settings_text files[4])
{
	size_t n = 0;

	for (char *p = text; p <= text + size && n < 4; n++) {
		char *end = memchr(p, '\0', (size_t)(text + size - p) + 1);

		files[n] = (struct settings_text){ "file", p, (size_t)(end - p) };
		p = end + 1;
	}
	return n;
}

static bool locks(const struct settings_text *f)
{
	struct settings_place p = settings_locate(f->text, f->len, "enhancedContainerIsolation.locked");

	return p.line && p.end - p.start == 4 && memcmp(f->text + p.start, "true", 4) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = malloc(size + 1);
	struct settings_text files[4];
	struct settings s, first;
	struct err e = { 0 };
	size_t n;

	if (!text || size > 65536)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	n = split(text, size, files);
	(void)settings_locate(text, size, "caisson.shares[1].path");
	if (n > 1)
		n--;
	if (settings_merge(files, n, &s, &e) < 0) {
		check(e.code && e.msg[0]);
		return 0;
	}
	check(s.n_sources == n);
	check(settings_merge(files, 1, &first, &e) == 0);
	if (locks(&files[0]))
		check(s.enabled == first.enabled && s.locked);
	settings_done(&first);
	looked_at = 0;
	for (size_t i = 0; i < n; i++) {
		struct settings one;

		check(settings_parse("x", files[i].text, files[i].len, &one, &e) == 0);
		check_located(&s.sources[i], one.json, "");
		settings_done(&one);
	}
	if (files[n - 1].text + files[n - 1].len < text + size) {
		bool before = s.enabled, locked = s.locked;

		(void)settings_user(&s, &files[n], &e);
		check(!locked || s.enabled == before);
	}
	settings_done(&s);
	return 0;
}
