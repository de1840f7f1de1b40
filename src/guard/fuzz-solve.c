/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A SolveRequest. Oracle: what passes is read again as carelessly as Go's generated code reads it (tags and enums cut to
 * 32 bits, the last of two wins, what is not known is skipped), and even so asks for no entitlement, no network of the
 * host and no privileges.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "guard/solve.h"
#include "guard/test-engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)                 \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

struct careless {
	const uint8_t *at, *end;
	int32_t field;
	unsigned wire;
	uint64_t number;
	struct {
		const uint8_t *at, *end;
	} bytes;
};

static bool number(struct careless *c, uint64_t *ret)
{
	*ret = 0;
	for (unsigned shift = 0; shift < 64 && c->at < c->end; shift += 7) {
		uint8_t b = *c->at++;

		*ret |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80)
			return true;
	}
	return false;
}

static bool next(struct careless *c)
{
	uint64_t tag, len;

	if (!number(c, &tag))
		return false;
	c->field = (int32_t)(uint32_t)(tag >> 3);
	c->wire = tag & 7;
	if (c->wire == 0)
		return number(c, &c->number);
	if (c->wire == 2 && number(c, &len) && len <= (uint64_t)(c->end - c->at)) {
		c->bytes.at = c->at;
		c->bytes.end = c->at += len;
		return true;
	}
	len = c->wire == 1 ? 8 : 4;
	if ((c->wire != 1 && c->wire != 5) || len > (uint64_t)(c->end - c->at))
		return false;
	c->at += len;
	return true;
}

static void check_exec(struct careless c)
{
	while (next(&c))
		CHECK(c.wire != 0 || (int32_t)c.number != 1 || (c.field != 3 && c.field != 4));
}

static void check_definition(struct careless c)
{
	while (next(&c)) {
		struct careless op = { .at = c.bytes.at, .end = c.bytes.end };

		if (c.wire != 2 || c.field != 1)
			continue;
		while (next(&op))
			if (op.wire == 2 && op.field == 2)
				check_exec((struct careless){ .at = op.bytes.at, .end = op.bytes.end });
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct settings settings = { .enabled = true };
	static const struct judge_host host = { .runc_is_caisson = true, .builds_are_closed = true };
	struct judge_request q = { .settings = &settings, .host = &host };
	_cleanup_free_ uint8_t *copy = malloc(size ? size : 1);
	struct judge_verdict v;
	struct careless c;

	if (size > 65536)
		return 0;
	CHECK(copy);
	if (size)
		memcpy(copy, data, size);
	solve_judge(solve_method("/moby.buildkit.v1.Control/Solve", &v), copy, size, &q, &v);
	if (v.what != JUDGE_PASS) {
		CHECK(v.status >= 400 && *v.message && v.rule);
		return 0;
	}
	c = (struct careless){ .at = copy, .end = copy + size };
	while (next(&c)) {
		CHECK(c.field != 9);
		if (c.wire == 2 && c.field == 2)
			check_definition((struct careless){ .at = c.bytes.at, .end = c.bytes.end });
	}
	return 0;
}
