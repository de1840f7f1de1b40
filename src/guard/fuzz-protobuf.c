/* SPDX-License-Identifier: Apache-2.0 */
/* Oracle: what is accepted is exactly what is written when its fields are written again, one after the other. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "guard/protobuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_MAX_IN 4096
#define CHECK(x)                 \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

static int put_int(void *ctx, const struct pb_value *v)
{
	pb_put_int(ctx, 1, v->number);
	return 0;
}

static int put_bytes(void *ctx, const struct pb_value *v)
{
	pb_put_bytes(ctx, 2, v->data, v->len);
	return 0;
}

static const struct pb_shape inner;
static const struct pb_field inner_fields[] = {
	{ 1, PB_INT },	     { 2, PB_BYTES, true },	     { 3, PB_MESSAGE, .of = &inner },
	{ 4, PB_MAP, true }, { 5, PB_MAP_OF, true, &inner },
};
static const struct pb_shape inner = { "Inner", inner_fields, ARRAY_SIZE(inner_fields) };

static int put_message(void *ctx, const struct pb_value *v)
{
	pb_put_bytes(ctx, 3, v->data, v->len);
	return 0;
}

static const struct pb_field fields[] = {
	{ 1, PB_INT, true, .rule = put_int },
	{ 2, PB_BYTES, true, .rule = put_bytes },
	{ 3, PB_MESSAGE, true, &inner, put_message },
};
static const struct pb_shape shape = { "Outer", fields, ARRAY_SIZE(fields) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ void *copy = malloc(size ? size : 1);
	char buf[SIZE_MAX_IN];
	struct pb_text t = { .buf = buf, .size = sizeof buf };
	struct err e = { 0 };

	if (size > SIZE_MAX_IN)
		return 0;
	CHECK(copy);
	if (size)
		memcpy(copy, data, size);
	if (pb_walk(&shape, copy, size, &t, &e) < 0) {
		CHECK(*e.msg);
		return 0;
	}
	CHECK(!t.full && t.len == size && memcmp(buf, copy, size) == 0);
	return 0;
}
