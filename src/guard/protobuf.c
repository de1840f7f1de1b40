/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/protobuf.h"

#include <errno.h>
#include <string.h>

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

#define FIELD_MAX ((1u << 29) - 1)

struct reader {
	const uint8_t *at, *end;
};

/* Written the shortest way only: there is one way to write each number. */
static int read_varint(struct reader *r, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t byte;

		if (r->at == r->end)
			return -EBADMSG;
		byte = *r->at++;
		if (shift == 63 && byte > 1)
			return -EBADMSG;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if (byte == 0 && shift > 0)
			return -EBADMSG;
		*ret = value;
		return 0;
	}
	return -EBADMSG;
}

static int read_fixed(struct reader *r, unsigned bytes, uint64_t *ret)
{
	uint64_t value = 0;

	if ((size_t)(r->end - r->at) < bytes)
		return -EBADMSG;
	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)r->at[i] << (8 * i);
	r->at += bytes;
	*ret = value;
	return 0;
}

static int read_bytes(struct reader *r, struct pb_value *ret)
{
	uint64_t len;

	if (read_varint(r, &len) < 0 || len > (uint64_t)(r->end - r->at))
		return -EBADMSG;
	ret->data = (const char *)r->at;
	ret->len = (size_t)len;
	r->at += len;
	return 0;
}

/* Return: 1 a field, 0 the end, -EBADMSG. */
static int read_field(struct reader *r, uint32_t *ret_number, enum wire *ret_wire, struct pb_value *ret)
{
	uint64_t tag;

	*ret = (struct pb_value){ 0 };
	if (r->at == r->end)
		return 0;
	if (read_varint(r, &tag) < 0 || tag >> 3 == 0 || tag >> 3 > FIELD_MAX)
		return -EBADMSG;
	*ret_number = (uint32_t)(tag >> 3);
	*ret_wire = (enum wire)(tag & 7);
	switch (*ret_wire) {
	case WIRE_VARINT:
		return read_varint(r, &ret->number) < 0 ? -EBADMSG : 1;
	case WIRE_64:
		return read_fixed(r, 8, &ret->number) < 0 ? -EBADMSG : 1;
	case WIRE_BYTES:
		return read_bytes(r, ret) < 0 ? -EBADMSG : 1;
	case WIRE_32:
		return read_fixed(r, 4, &ret->number) < 0 ? -EBADMSG : 1;
	}
	return -EBADMSG; /* groups, and what does not exist */
}

static enum wire wire_of(enum pb_type type)
{
	switch (type) {
	case PB_INT:
		return WIRE_VARINT;
	case PB_FIXED64:
		return WIRE_64;
	case PB_FIXED32:
		return WIRE_32;
	case PB_BYTES:
	case PB_MESSAGE:
	case PB_MAP:
	case PB_MAP_OF:
		break;
	}
	return WIRE_BYTES;
}

/* An entry of a map: a message of key and value, either of which may be left out when it is empty. */
static int read_entry(const struct pb_value *entry, struct pb_value *ret)
{
	struct reader r = { (const uint8_t *)entry->data, (const uint8_t *)entry->data + entry->len };
	struct pb_value v;
	bool seen[3] = { 0 };
	uint32_t number;
	enum wire wire;
	int more;

	*ret = (struct pb_value){ .key = "", .data = "" };
	while ((more = read_field(&r, &number, &wire, &v)) > 0) {
		if (number > 2 || wire != WIRE_BYTES || seen[number])
			return -EBADMSG;
		seen[number] = true;
		if (number == 1) {
			ret->key = v.data;
			ret->key_len = v.len;
		} else {
			ret->data = v.data;
			ret->len = v.len;
		}
	}
	return more;
}

static int malformed(const struct pb_shape *shape, struct err *e)
{
	return err_set(e, EBADMSG, "%s: not a well-formed message", shape->name);
}

static int walk(const struct pb_shape *shape, const struct pb_value *message, unsigned depth, void *ctx,
		struct err *e);

static int walk_field(const struct pb_shape *shape, const struct pb_field *f, const struct pb_value *value,
		      unsigned depth, void *ctx, struct err *e)
{
	struct pb_value v = *value;
	int r;

	if ((f->type == PB_MAP || f->type == PB_MAP_OF) && read_entry(value, &v) < 0)
		return malformed(shape, e);
	r = f->rule ? f->rule(ctx, &v) : 0;
	if (r < 0 || !f->of)
		return r;
	return walk(f->of, &v, depth + 1, ctx, e);
}

static int walk(const struct pb_shape *shape, const struct pb_value *message, unsigned depth, void *ctx,
		struct err *e)
{
	struct reader r = { (const uint8_t *)message->data, (const uint8_t *)message->data + message->len };
	bool seen[PB_FIELDS_MAX] = { 0 };
	struct pb_value v;
	uint32_t number;
	enum wire wire;
	int more;

	if (depth > PB_DEPTH_MAX)
		return err_set(e, EBADMSG, "%s: nested too deeply", shape->name);
	while ((more = read_field(&r, &number, &wire, &v)) > 0) {
		size_t i = 0;
		int error;

		while (i < shape->n && shape->fields[i].number != number)
			i++;
		if (i == shape->n)
			return err_set(e, EBADMSG, "%s: field %u is not known", shape->name, number);
		if (wire != wire_of(shape->fields[i].type))
			return err_set(e, EBADMSG, "%s: field %u has another type", shape->name, number);
		if (seen[i] && !shape->fields[i].repeated)
			return err_set(e, EBADMSG, "%s: field %u is there twice", shape->name, number);
		seen[i] = true;
		error = walk_field(shape, &shape->fields[i], &v, depth, ctx, e);
		if (error < 0)
			return error;
	}
	return more < 0 ? malformed(shape, e) : 0;
}

int pb_walk(const struct pb_shape *shape, const void *data, size_t len, void *ctx, struct err *e)
{
	const struct pb_value message = { .data = len ? data : "", .len = len };

	return walk(shape, &message, 0, ctx, e);
}

bool pb_equal(const char *data, size_t len, const char *s)
{
	return strlen(s) == len && memcmp(data, s, len) == 0;
}

static void put_raw(struct pb_text *t, const void *data, size_t len)
{
	if (t->full || t->size - t->len < len) {
		t->full = true;
		return;
	}
	if (len)
		memcpy(t->buf + t->len, data, len);
	t->len += len;
}

static void put_varint(struct pb_text *t, uint64_t value)
{
	uint8_t buf[10];
	size_t n = 0;

	while (value >= 0x80) {
		buf[n++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	buf[n++] = (uint8_t)value;
	put_raw(t, buf, n);
}

void pb_put_int(struct pb_text *t, uint32_t field, uint64_t value)
{
	put_varint(t, (uint64_t)field << 3 | WIRE_VARINT);
	put_varint(t, value);
}

void pb_put_bytes(struct pb_text *t, uint32_t field, const void *data, size_t len)
{
	put_varint(t, (uint64_t)field << 3 | WIRE_BYTES);
	put_varint(t, len);
	put_raw(t, data, len);
}
