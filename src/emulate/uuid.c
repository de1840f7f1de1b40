/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "emulate/render.h"
#include "emulate/text.h"

struct hash {
	uint64_t a, b;
};

/* The last step of MurmurHash3: reversible, every bit in changes half of those out. */
static uint64_t mix(uint64_t v)
{
	v = (v ^ v >> 33) * 0xff51afd7ed558ccdull;
	v = (v ^ v >> 33) * 0xc4ceb9fe1a85ec53ull;
	return v ^ v >> 33;
}

/*
 * 128 bits that two texts share by chance only. Not a secret, and nobody gains by a collision: the engine
 * chooses the ids. The NUL is taken in too, so that it is clear where one text ends.
 */
static void take(struct hash *h, const char *s)
{
	for (size_t i = 0, n = strlen(s) + 1; i < n; i++) {
		h->a = mix(h->a ^ (unsigned char)s[i]);
		h->b = mix(h->b ^ h->a);
	}
}

void emu_uuid(const char *id, const char *salt, char ret[38])
{
	struct hash h = { 0x9e3779b97f4a7c15ull, 0xf39cc0605cedc834ull };

	take(&h, id);
	take(&h, salt);
	(void)snprintf(ret, 38, "%08lx-%04lx-4%03lx-%04lx-%012lx\n", h.a >> 32, h.a >> 16 & 0xffff, h.a & 0xfff,
		       (h.b >> 48 & 0x3fff) | 0x8000, h.b & 0xffffffffffff);
}

static size_t render_uuid(const struct emu_input *in, const char *salt, char *text, size_t size)
{
	struct text t = { .buf = text, .size = size };
	char uuid[38];

	emu_uuid(in->id ? in->id : "", salt, uuid);
	text_line(&t, "%s", uuid);
	return t.len;
}

size_t render_boot_id(const struct emu_input *in, char *text, size_t size)
{
	return render_uuid(in, "boot_id", text, size);
}

size_t render_product_uuid(const struct emu_input *in, char *text, size_t size)
{
	return render_uuid(in, "product_uuid", text, size);
}
