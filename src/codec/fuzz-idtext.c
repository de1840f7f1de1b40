/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte says which text the rest is: s subuid, a passwd, m map, o registry file, or numbers for a shared
 * directory's map. Texts: what was read is the same after it was written out and read again; every reader comes to an end
 * and counts no line twice. The map: no id on disk but the owner's and those of the range can be written by the container.
 */
#include <stdint.h>

#include "base/cleanup.h"
#include "codec/fuzz-oci.h"
#include "codec/idtext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_subids(char *text)
{
	uint64_t first, count, first2, count2;
	const char *name, *name2;
	char *cursor = text;

	while (idtext_next_subid(&cursor, &name, &first, &count) > 0) {
		_cleanup_free_ char *line = NULL;
		char *again;

		CHECK(first <= UINT32_MAX && count <= UINT32_MAX && !strpbrk(name, ":\n"));
		CHECK(asprintf(&line, "junk\n%s:%lu:%lu\n", name, first, count) > 0);
		again = line;
		CHECK(idtext_next_subid(&again, &name2, &first2, &count2) == 1 && *again == '\0');
		CHECK(strcmp(name, name2) == 0 && first == first2 && count == count2);
	}
	CHECK(*cursor == '\0');
}

static void check_accounts(char *text)
{
	char *cursor = text;
	uint64_t id, id2;

	while (idtext_next_account(&cursor, &id) > 0) {
		char line[64], *again = line;

		CHECK(id <= UINT32_MAX);
		(void)snprintf(line, sizeof line, "junk\nx:y:%lu:z\n", id);
		CHECK(idtext_next_account(&again, &id2) == 1 && id == id2 && *again == '\0');
	}
	CHECK(*cursor == '\0');
}

static void check_maps(char *text)
{
	char *cursor = text;
	struct id_extent x, y;
	int r;

	while ((r = idtext_next_map(&cursor, &x)) != 0) {
		char line[64], *again = line;

		CHECK(r == 1 || r == -EPROTO);
		if (r < 0)
			continue;
		CHECK(x.inside <= UINT32_MAX && x.outside <= UINT32_MAX && x.count > 0 && x.count <= UINT32_MAX);
		(void)snprintf(line, sizeof line, "%10lu %10lu %10lu\n", x.inside, x.outside, x.count);
		CHECK(idtext_next_map(&again, &y) == 1 && *again == '\0');
		CHECK(x.inside == y.inside && x.outside == y.outside && x.count == y.count);
	}
	CHECK(*cursor == '\0');
}

static void check_owners(char *text)
{
	_cleanup_free_ char *raw = strdup(text);
	char *cursor = text;
	const char *owner;
	int r;

	CHECK(raw);
	for (const char *line = raw; *line || *cursor; line += strcspn(line, "\n"), line += *line == '\n') {
		r = idtext_next_slot_owner(&cursor, &owner);
		CHECK(r == (strncmp(line, "owner /", 7) == 0 ? 1 : -EPROTO));
		CHECK(r < 0 || (*owner == '/' && strncmp(owner, line + 6, strlen(owner)) == 0 &&
				strchr("\n", line[6 + strlen(owner)])));
	}
	CHECK(idtext_next_slot_owner(&cursor, &owner) == 0);
}

static uint32_t number(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void check_extent(const struct id_extent *x, uint64_t base, uint64_t main_disk, uint64_t owner, bool owned)
{
	uint64_t in_end = x->inside + x->count, out_end = x->outside + x->count;

	/* What the kernel refuses: the id -1 on either side. */
	CHECK(in_end <= UINT32_MAX && out_end <= UINT32_MAX);
	if (x->outside >= ID_SHADOW) {
		/* Nobody's: no process has these ids. */
		CHECK(x->outside == ID_SHADOW + x->inside);
		CHECK(!owned || !(owner >= x->inside && owner < in_end));
		/* but the container's own are its own, except the one whose place the owner has */
		CHECK(in_end <= base || x->inside >= base + ID_RANGE ||
		      (owned && x->inside == main_disk && x->count == 1));
	} else if (x->inside == owner && owned) {
		CHECK(x->count == 1 && x->outside == main_disk);
	} else {
		CHECK(x->inside == x->outside && x->inside >= base && in_end <= base + ID_RANGE);
		CHECK(!owned || !(main_disk >= x->inside && main_disk < in_end));
	}
}

static void check_owner_map(const uint8_t *data)
{
	/* As settings allow: a pool below 2^31, and one id less, as the last id has no shadow. */
	uint32_t base = 65536 + number(data) % (0x7fff0000u - 65536), main_id = number(data + 4) % (ID_RANGE + 2);
	uint32_t owner = number(data + 8);
	bool owned = owner != 0 && main_id < ID_RANGE && !(owner >= base && owner < base + ID_RANGE) &&
		     owner < ID_SHADOW;
	struct id_extent x, seen[16];
	char text[512], *cursor = text;
	uint64_t mapped = 0;
	size_t n = 0;
	int r;

	memset(text, 'x', sizeof text);
	CHECK(idtext_owner_map(base, main_id, owner, text, sizeof text) < sizeof text - 1);
	while ((r = idtext_next_map(&cursor, &x)) > 0) {
		CHECK(n < ARRAY_SIZE(seen));
		check_extent(&x, base, (uint64_t)base + main_id, owner, owned);
		for (size_t i = 0; i < n; i++) {
			CHECK(x.inside >= seen[i].inside + seen[i].count || seen[i].inside >= x.inside + x.count);
			CHECK(x.outside >= seen[i].outside + seen[i].count ||
			      seen[i].outside >= x.outside + x.count);
		}
		seen[n++] = x;
		mapped += x.count;
	}
	/* All ids below 2^31 - 1 are there, and that one if it is the owner. */
	CHECK(r == 0 && mapped == (uint64_t)ID_SHADOW - 1 + (owned && owner == ID_SHADOW - 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = NULL;

	if (size == 0 || size > 65536)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	CHECK(text);
	switch (data[0]) {
	case 's':
		check_subids(text);
		break;
	case 'a':
		check_accounts(text);
		break;
	case 'm':
		check_maps(text);
		break;
	case 'o':
		check_owners(text);
		break;
	default:
		if (size >= 13)
			check_owner_map(data + 1);
	}
	return 0;
}
