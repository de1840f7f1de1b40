/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and answers without a kernel: bounds, replays, directories. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "procview/inputs.h"
#include "procview/test-view.h"

static struct view_shared shared;
static struct view view;
static struct wire_answer answer;
static uint8_t request[VIEW_SLOT_SIZE] __attribute__((aligned(8)));

static int setup(void **state)
{
	(void)state;
	memset(&shared, 0, sizeof shared);
	view = (struct view){ .shared = &shared, .table = test_table, .collect = test_collect };
	shared.params.base = 100000;
	inputs_first_values(&shared, test_rows, ROW_N, -EBADF, -EBADF);
	return view_init(&view);
}

static size_t make(uint32_t opcode, uint64_t unique, uint64_t node, const void *body, size_t len)
{
	struct fuse_in_header in = {
		.opcode = opcode, .unique = unique, .nodeid = node, .uid = 100000, .gid = 100000
	};

	in.len = (uint32_t)(sizeof in + len);
	memset(request, 0xa5, sizeof request);
	memcpy(request, &in, sizeof in);
	if (len > 0)
		memcpy(request + sizeof in, body, len);
	return in.len;
}

static int32_t ask(enum view_conn conn)
{
	struct fuse_out_header out;

	view_answer(&view, conn, request, sizeof request, &answer);
	if (answer.len == 0)
		return 1;
	memcpy(&out, answer.head, sizeof out);
	return out.error;
}

static size_t make_write_by(uint32_t open_flags, uint64_t unique, size_t row, uint64_t offset, const char *text,
			    uint32_t claimed)
{
	uint8_t body[4096 + sizeof(struct fuse_write_in)];
	struct fuse_write_in in = { .offset = offset, .size = claimed, .flags = open_flags };

	memcpy(body, &in, sizeof in);
	memcpy(body + sizeof in, text, strlen(text));
	return make(FUSE_WRITE, unique, row + 2, body, sizeof in + strlen(text));
}

static size_t make_write(uint64_t unique, size_t row, uint64_t offset, const char *text, uint32_t claimed)
{
	return make_write_by(O_WRONLY, unique, row, offset, text, claimed);
}

static void short_requests_are_refused(void **state)
{
	static const struct {
		uint32_t opcode;
		size_t least;
	} rows[] = {
		{ FUSE_LOOKUP, 1 },
		{ FUSE_GETATTR, sizeof(struct fuse_getattr_in) },
		{ FUSE_SETATTR, sizeof(struct fuse_setattr_in) },
		{ FUSE_OPEN, sizeof(struct fuse_open_in) },
		{ FUSE_READ, sizeof(struct fuse_read_in) },
		{ FUSE_READDIR, sizeof(struct fuse_read_in) },
		{ FUSE_READDIRPLUS, sizeof(struct fuse_read_in) },
		{ FUSE_WRITE, sizeof(struct fuse_write_in) },
		{ FUSE_LISTXATTR, sizeof(struct fuse_getxattr_in) },
	};
	static const uint8_t zeros[256];
	struct wire_request req;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t len = make(rows[i].opcode, 2, 1, zeros, rows[i].least);

		assert_int_equal(wire_decode(request, len, &req), 0);
		assert_int_equal(wire_decode(request, len - 1, &req), -EPROTO);
		len = make(rows[i].opcode, 2, 1, zeros, rows[i].least - 1);
		assert_int_equal(wire_decode(request, len, &req), -EINVAL);
		assert_int_equal(req.unique, 2);
	}
	assert_int_equal(wire_decode(request, 39, &req), -EPROTO);
	make(FUSE_LOOKUP, 2, 1, "abc", 3); /* not terminated within its length */
	request[43] = '\0';
	assert_int_equal(wire_decode(request, sizeof request, &req), -EINVAL);
}

static void a_write_is_no_longer_than_its_request(void **state)
{
	struct wire_request req;
	size_t len = make_write(2, ROW_INT, 0, "12\n", 3);

	(void)state;
	assert_int_equal(wire_decode(request, len, &req), 0);
	assert_memory_equal(req.io.data, "12\n", 3);
	len = make_write(2, ROW_INT, 0, "12\n", 4);
	assert_int_equal(wire_decode(request, len, &req), -EINVAL);
	make_write(2, ROW_INT, 0, "12\n", UINT32_MAX);
	assert_int_equal(wire_decode(request, sizeof request, &req), -EINVAL);
}

static void a_replayed_write_counts_once(void **state)
{
	const struct view_value *v = &shared.value[ROW_COUNTER];

	(void)state;
	for (uint64_t unique = 2; unique < 20; unique += 2) {
		for (int replay = 0; replay < 3; replay++) {
			make_write(unique, ROW_COUNTER, 0, "+", 1);
			assert_int_equal(ask(VIEW_SYSCTL), 0);
		}
		assert_int_equal(v->text[v->current][0], (char)('0' + unique / 2));
	}
}

/* The kernel puts what is appended at the file's end; what is written elsewhere on purpose stays without effect. */
static void an_appended_value_is_one_at_the_beginning(void **state)
{
	const struct view_value *v = &shared.value[ROW_INT];

	(void)state;
	make_write(2, ROW_INT, 5, "12\n", 3);
	assert_int_equal(ask(VIEW_SYSCTL), 0);
	assert_memory_equal(v->text[v->current], "4711\n", 5);
	make_write_by(O_WRONLY | O_APPEND, 4, ROW_INT, 5, "12\n", 3);
	assert_int_equal(ask(VIEW_SYSCTL), 0);
	assert_int_equal(v->len[v->current], 3);
	assert_memory_equal(v->text[v->current], "12\n", 3);
	make_write_by(O_RDWR | O_APPEND, 6, ROW_INT, 3, "x\n", 2);
	assert_int_equal(ask(VIEW_SYSCTL), -EINVAL);
	for (int replay = 0; replay < 3; replay++) {
		make_write_by(O_WRONLY | O_APPEND, 8, ROW_COUNTER, 2, "+", 1);
		assert_int_equal(ask(VIEW_SYSCTL), 0);
	}
	v = &shared.value[ROW_COUNTER];
	assert_int_equal(v->text[v->current][0], '1');
}

static void what_is_not_of_a_connection_is_not_there(void **state)
{
	static const struct fuse_getattr_in in;

	(void)state;
	for (uint64_t node = 0; node < 200; node++) {
		enum emu_carrier carrier = node >= 2 && node - 2 < ROW_N ? test_rows[node - 2].carrier : EMU_EMPTY;

		make(FUSE_GETATTR, 2, node, &in, sizeof in);
		assert_int_equal(ask(VIEW_CHANGING), node == 1 || carrier == EMU_CHANGING ? 0 : -ENOENT);
		assert_int_equal(ask(VIEW_SYSCTL), node == 1 || carrier == EMU_SYSCTL ? 0 : -ENOENT);
	}
	make(FUSE_GETATTR, 2, UINT64_MAX, &in, sizeof in);
	assert_int_equal(ask(VIEW_SYSCTL), -ENOENT);
}

static void some_requests_get_no_answer(void **state)
{
	static const uint32_t silent[] = { FUSE_FORGET, FUSE_BATCH_FORGET, FUSE_INTERRUPT };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		make(silent[i], 2, 2, "12345678", 8);
		assert_int_equal(ask(VIEW_CHANGING), 1);
	}
}

/* Whatever room the kernel gives, each name comes once, and the kernel's own rules of layout hold. */
static void a_directory_comes_in_pieces(void **state)
{
	(void)state;
	for (uint32_t size = 100; size < 5000; size += 61) {
		for (int plus = 0; plus < 2; plus++) {
			struct fuse_read_in in = { .size = size };
			unsigned names = 0;
			size_t got;

			do {
				make(plus ? FUSE_READDIRPLUS : FUSE_READDIR, 2, 1, &in, sizeof in);
				assert_int_equal(ask(VIEW_SYSCTL), 0);
				got = answer.len - sizeof(struct fuse_out_header);
				assert_true(got <= size);
				for (size_t at = sizeof(struct fuse_out_header); at < answer.len; names++) {
					struct fuse_dirent ent;

					at += plus ? sizeof(struct fuse_entry_out) : 0;
					memcpy(&ent, answer.head + at, sizeof ent);
					assert_true(ent.namelen > 0 && ent.off > in.offset);
					in.offset = ent.off;
					at += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + ent.namelen);
				}
			} while (got > 0);
			assert_int_equal(names, size < 160 && plus ? 0 : ROW_N - 3 + 2);
		}
	}
}

static void a_table_that_is_too_large_is_refused(void **state)
{
	static struct emu_row rows[VIEW_TEXTS_MAX + 1];

	(void)state;
	for (size_t i = 0; i <= VIEW_TEXTS_MAX; i++)
		rows[i].carrier = EMU_CHANGING;
	view.table = (struct view_table){ rows, VIEW_TEXTS_MAX, test_parse };
	assert_int_equal(view_init(&view), 0);
	view.table.n++;
	assert_int_equal(view_init(&view), -E2BIG);
	view.table.n = EMU_ROWS_MAX + 1;
	assert_int_equal(view_init(&view), -E2BIG);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(short_requests_are_refused),		 T(a_write_is_no_longer_than_its_request),
		T(a_replayed_write_counts_once),	 T(what_is_not_of_a_connection_is_not_there),
		T(some_requests_get_no_answer),		 T(a_directory_comes_in_pieces),
		T(a_table_that_is_too_large_is_refused), T(an_appended_value_is_one_at_the_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
