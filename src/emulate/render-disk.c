/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "emulate/render.h"
#include "emulate/text.h"

#define SECTOR 512u

struct io {
	uint64_t bytes[3], ops[3]; /* read, write, discard */
};

/* cgroup v2: "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6", keys in any order. */
static void add_key(struct span word, struct io *io)
{
	static const char kinds[] = "rwd";
	const char *equals = word.len ? memchr(word.p, '=', word.len) : NULL, *kind;
	struct span key = { word.p, equals ? (size_t)(equals - word.p) : 0 };
	uint64_t v;

	if (key.len < 4 || !span_number((struct span){ equals + 1, word.len - key.len - 1 }, &v))
		return;
	kind = memchr(kinds, key.p[0], 3);
	if (!kind)
		return;
	key.p++;
	key.len--;
	if (span_is(key, "bytes"))
		io->bytes[kind - kinds] = v;
	else if (span_is(key, "ios"))
		io->ops[kind - kinds] = v;
}

/* cgroup v1: "8:0 Read 4096", one line for each kind; Sync, Async and Total are other sums of the same. */
static void add_kind(struct span rest, uint64_t numbers[3])
{
	static const char *const kinds[] = { "Read", "Write", "Discard" };
	struct span kind = span_word(&rest);
	uint64_t v;

	if (!span_number(span_word(&rest), &v))
		return;
	for (size_t i = 0; i < 3; i++)
		if (span_is(kind, kinds[i]))
			numbers[i] = v;
}

static bool is_about(struct span *line, uint64_t major, uint64_t minor)
{
	uint64_t a, b;

	return span_device(span_word(line), &a, &b) && a == major && b == minor;
}

static void collect(const struct emu_input *in, uint64_t major, uint64_t minor, struct io *ret)
{
	const char *io = in->io, *sizes = in->blkio_bytes, *ops = in->blkio_ops;
	struct span line, word;

	*ret = (struct io){ 0 };
	while (span_line(&io, &line))
		if (is_about(&line, major, minor))
			while ((word = span_word(&line)).len)
				add_key(word, ret);
	while (span_line(&sizes, &line))
		if (is_about(&line, major, minor))
			add_kind(line, ret->bytes);
	while (span_line(&ops, &line))
		if (is_about(&line, major, minor))
			add_kind(line, ret->ops);
}

static bool is_name(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.len > 0 && s.len < 32;
}

/*
 * The host's devices that the container had I/O on, in the host's order; the host's text gives only numbers and
 * names. How long it all took is not known. Control groups count whole disks, so there are no partitions.
 */
size_t render_diskstats(const struct emu_input *in, char *text, size_t size)
{
	static const struct io none;
	struct text t = { .buf = text, .size = size };
	const char *cursor = in->host_diskstats;
	struct span line;

	while (!t.full && span_line(&cursor, &line)) {
		struct span major_word = span_word(&line), minor_word = span_word(&line), name = span_word(&line);
		uint64_t major, minor;
		struct io io;

		if (!span_number(major_word, &major) || !span_number(minor_word, &minor) || !is_name(name))
			continue;
		collect(in, major, minor, &io);
		if (memcmp(&io, &none, sizeof io) == 0)
			continue;
		text_line(&t, "%4lu %7lu %.*s %lu 0 %lu 0 %lu 0 %lu 0 0 0 0 %lu 0 %lu 0 0 0\n", major, minor,
			  (int)name.len, name.p, io.ops[0], io.bytes[0] / SECTOR, io.ops[1], io.bytes[1] / SECTOR,
			  io.ops[2], io.bytes[2] / SECTOR);
	}
	return t.len;
}
