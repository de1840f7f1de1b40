/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "guard/protobuf.h"

/* What the rules saw, as text: "1=5 2=abc 4[k]=v " */
static char seen[512];

static void see(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void see(const char *fmt, ...)
{
	size_t n = strlen(seen);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(seen + n, sizeof seen - n, fmt, ap);
	va_end(ap);
}

static int see_int(void *ctx, const struct pb_value *v)
{
	(void)ctx;
	see("%llu ", (unsigned long long)v->number);
	return v->number == 666 ? -EPERM : 0;
}

static int see_bytes(void *ctx, const struct pb_value *v)
{
	(void)ctx;
	see("'%.*s' ", (int)v->len, v->data);
	return 0;
}

static int see_entry(void *ctx, const struct pb_value *v)
{
	(void)ctx;
	see("%.*s:%.*s ", (int)v->key_len, v->key, (int)v->len, v->data);
	return 0;
}

static const struct pb_shape shape;
static const struct pb_field fields[] = {
	{ 1, PB_INT, .rule = see_int },	    { 2, PB_BYTES, true, .rule = see_bytes },
	{ 3, PB_MESSAGE, .of = &shape },    { 4, PB_MAP, true, .rule = see_entry },
	{ 5, PB_MAP_OF, true, &shape },	    { 6, PB_FIXED64, .rule = see_int },
	{ 7, PB_FIXED32, .rule = see_int }, { 536870911, PB_INT, .rule = see_int },
};
static const struct pb_shape shape = { "Test", fields, ARRAY_SIZE(fields) };

#define BYTES(s) s, sizeof(s) - 1

static void messages_are_read(void **state)
{
	static const struct {
		const char *data;
		size_t len;
		const char *sees; /* NULL: refused */
	} rows[] = {
		{ BYTES(""), "" },
		{ BYTES("\x08\x05"), "5 " },
		{ BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "18446744073709551615 " },
		{ BYTES("\x12\x02hi\x12\x00"), "'hi' '' " },
		{ BYTES("\x1a\x02\x08\x07"), "7 " },
		{ BYTES("\x22\x06\x0a\x01k\x12\x01v"), "k:v " },
		{ BYTES("\x22\x06\x12\x01v\x0a\x01k"), "k:v " },
		{ BYTES("\x22\x03\x0a\x01k\x22\x00"), "k: : " },
		{ BYTES("\x2a\x07\x0a\x01k\x12\x02\x08\x09"), "9 " },
		{ BYTES("\x31\x01\0\0\0\0\0\0\0\x3d\x02\0\0\0"), "1 2 " },
		{ BYTES("\xf8\xff\xff\xff\x0f\x01"), "1 " },
		/* twice */
		{ BYTES("\x08\x05\x08\x05"), NULL },
		{ BYTES("\x1a\x00\x1a\x00"), NULL },
		{ BYTES("\x22\x06\x0a\x01k\x0a\x01l"), NULL },
		/* not known, another type */
		{ BYTES("\x40\x01"), NULL },
		{ BYTES("\x0a\x01x"), NULL },
		{ BYTES("\x10\x01"), NULL },
		{ BYTES("\x22\x02\x18\x01"), NULL },
		{ BYTES("\x22\x02\x08\x01"), NULL },
		{ BYTES("\x22\x02\x1a\x00"), NULL },
		{ BYTES("\x22\x02\x02\x00"), NULL },
		/* number 0, groups, types that are not there, a tag that others cut to 32 bits: field 1 + 2^32 */
		{ BYTES("\x00\x01"), NULL },
		{ BYTES("\x0b\x0c"), NULL },
		{ BYTES("\x0e\x01"), NULL },
		{ BYTES("\x88\x80\x80\x80\x80\x01\x05"), NULL },
		/* longer than needed, too long, cut off */
		{ BYTES("\x08\x85\x00"), NULL },
		{ BYTES("\x88\x00\x05"), NULL },
		{ BYTES("\x12\x81\x00x"), NULL },
		{ BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), NULL },
		{ BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00"), NULL },
		{ BYTES("\x08\x80"), NULL },
		{ BYTES("\x08"), NULL },
		{ BYTES("\x12\x03hi"), NULL },
		{ BYTES("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), NULL },
		{ BYTES("\x31\x01\0\0\0\0\0\0"), NULL },
		{ BYTES("\x3d\x02\0\0"), NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		/* at the end of its memory: reads behind it are found by sanitizers */
		_cleanup_free_ char *copy = malloc(rows[i].len ? rows[i].len : 1);
		int r;

		assert_non_null(copy);
		memcpy(copy, rows[i].data, rows[i].len);
		seen[0] = '\0';
		r = pb_walk(&shape, copy, rows[i].len, NULL, &e);
		if ((r == 0) != !!rows[i].sees)
			fail_msg("row %zu: %d %s", i, r, e.msg);
		if (rows[i].sees)
			assert_string_equal(seen, rows[i].sees);
		else
			assert_true(r == -EBADMSG && *e.msg);
	}
}

static void a_rule_ends_the_walk(void **state)
{
	struct err e = { 0 };

	(void)state;
	seen[0] = '\0';
	assert_int_equal(pb_walk(&shape,
				 BYTES("\x12\x01"
				       "a\x08\x9a\x05\x12\x01"
				       "b"),
				 NULL, &e),
			 -EPERM);
	assert_string_equal(seen, "'a' 666 ");
	assert_int_equal(e.code, 0);
}

static void depth_is_limited(void **state)
{
	char buf[64] = "";
	size_t len = 0;

	(void)state;
	for (unsigned i = 0; i <= PB_DEPTH_MAX; i++) {
		struct err e = { 0 };
		char next[64];
		struct pb_text t = { .buf = next, .size = sizeof next };

		assert_int_equal(pb_walk(&shape, buf, len, NULL, &e), 0);
		pb_put_bytes(&t, 3, buf, len);
		assert_false(t.full);
		memcpy(buf, next, t.len);
		len = t.len;
	}
	assert_int_equal(pb_walk(&shape, buf, len, NULL, &(struct err){ 0 }), -EBADMSG);
}

static void writing_stops_at_the_end(void **state)
{
	char buf[4];
	struct pb_text t = { .buf = buf, .size = sizeof buf };

	(void)state;
	pb_put_int(&t, 1, 300);
	assert_int_equal(t.len, 3);
	assert_memory_equal(buf, "\x08\xac\x02", 3);
	pb_put_bytes(&t, 2, "ab", 2);
	assert_true(t.full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_read),
		cmocka_unit_test(a_rule_ends_the_walk),
		cmocka_unit_test(depth_is_limited),
		cmocka_unit_test(writing_stops_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
