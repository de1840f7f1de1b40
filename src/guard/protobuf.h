/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_PROTOBUF_H
#define GUARD_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Protocol buffers, read strictly and driven by tables: for messages that are judged. Two readers of what is
 * accepted here cannot disagree about what it says. Refused although other readers take it: fields that the table
 * does not have, a field that may be there once twice (others take the last one, or merge the two), numbers written
 * longer than needed, tags beyond 32 bits (others cut them off), groups, map entries with anything but one key and
 * one value. Pure; what is read is untrusted.
 */

enum pb_type {
	PB_INT,	    /* wire type 0: integers, bool, enums; as 64 bits, whatever the field has */
	PB_BYTES,   /* wire type 2: bytes and strings; also a message that is not looked into */
	PB_FIXED64, /* wire type 1 */
	PB_FIXED32, /* wire type 5 */
	PB_MESSAGE, /* wire type 2, walked by @of */
	PB_MAP,	    /* map<string, string>, or to bytes; the rule gets key and value */
	PB_MAP_OF,  /* map<string, message>, values walked by @of */
};

struct pb_value {
	uint64_t number;  /* PB_INT, PB_FIXED* */
	const char *data; /* PB_BYTES, PB_MAP: the value. Not terminated */
	size_t len;
	const char *key; /* PB_MAP */
	size_t key_len;
};

struct pb_shape;

struct pb_field {
	uint32_t number;
	enum pb_type type;
	bool repeated;
	const struct pb_shape *of; /* PB_MESSAGE, PB_MAP_OF */
	/* NULL: passes. PB_MESSAGE, PB_MAP_OF: before the message is walked. Return: 0, or below 0 to end the walk. */
	int (*rule)(void *ctx, const struct pb_value *v);
};

#define PB_FIELDS_MAX 32
#define PB_DEPTH_MAX  16

struct pb_shape {
	const char *name;
	const struct pb_field *fields;
	size_t n; /* at most PB_FIELDS_MAX */
};

/*
 * pb_walk() - read @len bytes as a message of @shape, and give what has a rule to it, in the order of the bytes.
 * Return: 0; what a rule returned; -EBADMSG with @e filled in.
 */
int pb_walk(const struct pb_shape *shape, const void *data, size_t len, void *ctx, struct err *e);

/* pb_equal() - is @len bytes at @data the text @s? */
bool pb_equal(const char *data, size_t len, const char *s);

/* A message being written, into @buf of @size bytes. Beyond that nothing is written and @full is set. */
struct pb_text {
	char *buf;
	size_t len, size;
	bool full;
};

void pb_put_int(struct pb_text *t, uint32_t field, uint64_t value);
void pb_put_bytes(struct pb_text *t, uint32_t field, const void *data, size_t len);

#endif
