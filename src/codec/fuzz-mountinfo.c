/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as mountinfo: exactly the lines of the documented form are accepted (a second reader, written the other way
 * round, says which), and what was read is the same after it was written out as the kernel does and read again.
 */
#include <limits.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "codec/fuzz-oci.h"
#include "codec/mountinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The pieces of a line between single blanks; an empty one at the very end does not count. */
static size_t split(char *line, char **ret, size_t max)
{
	size_t n = 0;
	char *piece;

	while ((piece = strsep(&line, " ")))
		if (n < max && (line || *piece))
			ret[n++] = piece;
	return n;
}

static bool is_device(const char *s)
{
	char *colon = strchr(s, ':');
	_cleanup_free_ char *major = colon ? strndup(s, (size_t)(colon - s)) : NULL;
	uint32_t v;

	return major && num_u32(major, &v) == 0 && num_u32(colon + 1, &v) == 0;
}

static bool is_of_the_form(const char *text)
{
	_cleanup_free_ char *line = strdup(text);
	_cleanup_free_ char **piece = calloc(strlen(text) + 2, sizeof *piece);
	uint64_t v;
	size_t n, dash = 6;

	CHECK(line && piece);
	n = split(line, piece, strlen(text) + 1);
	while (dash < n && strcmp(piece[dash], "-") != 0)
		dash++;
	return n > dash + 3 && num_u64(piece[0], UINT64_MAX, &v) == 0 && num_u64(piece[1], UINT64_MAX, &v) == 0 &&
	       is_device(piece[2]);
}

static void put_escaped(FILE *f, const char *s)
{
	for (; *s; s++)
		if (strchr(" \t\n\\", *s))
			fprintf(f, "\\%03o", (unsigned char)*s);
		else
			fputc(*s, f);
	fputc(' ', f);
}

static void check_again(const struct mountinfo *m)
{
	char *text = NULL, *cursor;
	struct mountinfo again;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	CHECK(f);
	fprintf(f, "%lu %lu %u:%u ", m->id, m->parent, m->major, m->minor);
	put_escaped(f, m->root);
	put_escaped(f, m->target);
	fprintf(f, "rw shared:1 - %s ", m->fstype);
	put_escaped(f, m->source);
	fprintf(f, "%s end\n", m->super_options); /* a later field, lest empty options end the line */
	CHECK(fclose(f) == 0);
	cursor = text;
	CHECK(mountinfo_next(&cursor, &again) == 1 && *cursor == '\0');
	CHECK(again.id == m->id && again.parent == m->parent && again.major == m->major &&
	      again.minor == m->minor);
	CHECK(same(again.root, m->root) && same(again.target, m->target) && same(again.fstype, m->fstype) &&
	      same(again.source, m->source) && same(again.super_options, m->super_options));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text, *cursor;

	if (size > 65536)
		return 0;
	text = malloc(size + 1);
	CHECK(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	cursor = text;
	for (;;) {
		_cleanup_free_ char *line = strndup(cursor, strcspn(cursor, "\n"));
		bool more = *cursor != '\0';
		struct mountinfo m;
		int r = mountinfo_next(&cursor, &m);

		CHECK(line && cursor <= text + size);
		CHECK(r == (!more ? 0 : is_of_the_form(line) ? 1 : -EPROTO));
		if (!more)
			break;
		if (r == 1)
			check_again(&m);
	}
	free(text);
	return 0;
}
