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
#include "codec/idtext.h"

static void subid_ranges_are_read_and_other_lines_skipped(void **state)
{
	char text[] = "# comment\n"
		      "\n"
		      "alice:100000:65536\n"
		      "1000:200000:1\n"
		      "bob:x:65536\n"
		      "bob:300000\n"
		      "bob:300000:\n"
		      "bob::5\n"
		      "bob:300000:65536:7\n"
		      "bob:4294967296:1\n"
		      "bob: 1:1\n"
		      ":7:8\n"
		      "last:4294967295:4294967295";
	char *cursor = text;
	uint64_t first, count;
	const char *name;

	(void)state;
	assert_int_equal(idtext_next_subid(&cursor, &name, &first, &count), 1);
	assert_string_equal(name, "alice");
	assert_true(first == 100000 && count == 65536);
	assert_int_equal(idtext_next_subid(&cursor, &name, &first, &count), 1);
	assert_string_equal(name, "1000");
	assert_true(first == 200000 && count == 1);
	assert_int_equal(idtext_next_subid(&cursor, &name, &first, &count), 1);
	assert_string_equal(name, ""); /* nobody's, but a range all the same */
	assert_int_equal(idtext_next_subid(&cursor, &name, &first, &count), 1);
	assert_string_equal(name, "last");
	assert_true(first == UINT32_MAX && count == UINT32_MAX);
	assert_int_equal(idtext_next_subid(&cursor, &name, &first, &count), 0);
	assert_int_equal(idtext_next_subid(&cursor, &name, &first, &count), 0);
}

static void account_ids_are_the_third_field(void **state)
{
	char text[] = "root:x:0:0:root:/root:/bin/sh\n"
		      "\n"
		      "half:x\n"
		      "+::::::\n"
		      "neg:x:-2:1\n"
		      "big:x:4294967296:1\n"
		      "hex:x:0x10:\n"
		      "group:x:1234:a,b\n"
		      "empty::65534:\n"
		      "bare:x:77";
	char *cursor = text;
	uint64_t id;

	(void)state;
	assert_int_equal(idtext_next_account(&cursor, &id), 1);
	assert_int_equal(id, 0);
	assert_int_equal(idtext_next_account(&cursor, &id), 1);
	assert_int_equal(id, 1234);
	assert_int_equal(idtext_next_account(&cursor, &id), 1);
	assert_int_equal(id, 65534);
	assert_int_equal(idtext_next_account(&cursor, &id), 1);
	assert_int_equal(id, 77);
	assert_int_equal(idtext_next_account(&cursor, &id), 0);
}

static void maps_are_read_as_the_kernel_prints_them(void **state)
{
	char text[] = "         0     100000      65536\n"
		      "     65536          0 4294967295\n"
		      "1 2 3";
	static const char *const bad[] = { "\n",	"0 1\n",   "0 1 2 3\n", "0 1 x\n",	    "x 1 2\n",
					   "0 x 2\n",	"0 1 0\n", "0 1 2 \n",	"0 1 4294967296\n", "-1 1 1\n",
					   "0\t1\t2\n", "0 1\n2\n" };
	char *cursor = text;
	struct id_extent x;

	(void)state;
	assert_int_equal(idtext_next_map(&cursor, &x), 1);
	assert_true(x.inside == 0 && x.outside == 100000 && x.count == 65536);
	assert_int_equal(idtext_next_map(&cursor, &x), 1);
	assert_true(x.inside == 65536 && x.outside == 0 && x.count == UINT32_MAX);
	assert_int_equal(idtext_next_map(&cursor, &x), 1);
	assert_true(x.inside == 1 && x.outside == 2 && x.count == 3);
	assert_int_equal(idtext_next_map(&cursor, &x), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *copy = strdup(bad[i]);

		cursor = copy;
		x.inside = 4711;
		if (idtext_next_map(&cursor, &x) != -EPROTO || x.inside != 4711)
			fail_msg("accepted: '%s'", bad[i]);
	}
}

static void slot_owners_are_absolute_paths(void **state)
{
	char text[] = "owner /run/a/x y\nowner /\nowner relative\nowner /z\n";
	static const char *const bad[] = { "\n",	  "owner\n",	 "owner \n", "Owner /a\n",
					   " owner /a\n", "owner  /a\n", "/a\n" };
	char *cursor = text;
	const char *owner;

	(void)state;
	assert_int_equal(idtext_next_slot_owner(&cursor, &owner), 1);
	assert_string_equal(owner, "/run/a/x y");
	assert_int_equal(idtext_next_slot_owner(&cursor, &owner), 1);
	assert_string_equal(owner, "/");
	assert_int_equal(idtext_next_slot_owner(&cursor, &owner), -EPROTO);
	assert_int_equal(idtext_next_slot_owner(&cursor, &owner), 1);
	assert_string_equal(owner, "/z");
	assert_int_equal(idtext_next_slot_owner(&cursor, &owner), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *copy = strdup(bad[i]);

		cursor = copy;
		assert_int_equal(idtext_next_slot_owner(&cursor, &owner), -EPROTO);
	}
}

/* ---- the map of a shared directory ---- */

struct map {
	struct id_extent x[16];
	size_t n;
};

static void read_map(uint32_t base, uint32_t main_id, uint32_t owner, struct map *ret)
{
	char text[512], *cursor = text;
	size_t len = idtext_owner_map(base, main_id, owner, text, sizeof text);
	int r;

	ret->n = 0;
	assert_int_equal(len, strlen(text));
	assert_true(len < sizeof text - 1);
	while ((r = idtext_next_map(&cursor, &ret->x[ret->n])) > 0)
		assert_true(++ret->n < ARRAY_SIZE(ret->x));
	assert_int_equal(r, 0);
}

/* What an id on disk is to the container's host-side view; UINT64_MAX: not mapped. */
static uint64_t seen_as(const struct map *m, uint64_t disk)
{
	for (size_t i = 0; i < m->n; i++)
		if (disk >= m->x[i].inside && disk - m->x[i].inside < m->x[i].count)
			return m->x[i].outside + (disk - m->x[i].inside);
	return UINT64_MAX;
}

/* The rule of the header, written down once more. */
static uint64_t want(uint64_t base, uint64_t main_id, uint64_t owner, uint64_t disk)
{
	bool owned = owner != 0 && owner < ID_SHADOW && !(owner >= base && owner < base + ID_RANGE);

	if (owned && disk == owner)
		return base + main_id;
	if (owned && disk == base + main_id)
		return ID_SHADOW + disk;
	if (disk >= base && disk < base + ID_RANGE)
		return disk;
	return disk < ID_SHADOW - 1 ? ID_SHADOW + disk : UINT64_MAX;
}

static void check_owner_map(uint32_t base, uint32_t main_id, uint32_t owner)
{
	const uint64_t around[] = {
		0, 1, 2, owner, base, (uint64_t)base + main_id, (uint64_t)base + ID_RANGE, ID_SHADOW, UINT32_MAX
	};
	struct map m;

	read_map(base, main_id, owner, &m);
	for (size_t i = 0; i < ARRAY_SIZE(around); i++)
		for (int d = -2; d <= 2; d++) {
			uint64_t disk = around[i] + (uint64_t)(int64_t)d;

			if (disk <= UINT32_MAX && seen_as(&m, disk) != want(base, main_id, owner, disk))
				fail_msg("base %u main %u owner %u: disk id %lu is seen as %lu, not %lu", base,
					 main_id, owner, disk, seen_as(&m, disk),
					 want(base, main_id, owner, disk));
		}
	/* The kernel takes no map with overlaps on either side. */
	for (size_t i = 0; i < m.n; i++)
		for (size_t k = 0; k < i; k++) {
			assert_true(m.x[i].inside >= m.x[k].inside + m.x[k].count ||
				    m.x[k].inside >= m.x[i].inside + m.x[i].count);
			assert_true(m.x[i].outside >= m.x[k].outside + m.x[k].count ||
				    m.x[k].outside >= m.x[i].outside + m.x[i].count);
		}
}

static void a_shared_directory_shows_its_owner_as_the_main_user_and_hides_all_others(void **state)
{
	static const uint32_t bases[] = { 100000, 65536, 100000 + 65536, 0x7ffe0000 };
	static const uint32_t mains[] = { 0, 1, 1000, 65534, 65535 };

	(void)state;
	for (size_t b = 0; b < ARRAY_SIZE(bases); b++)
		for (size_t i = 0; i < ARRAY_SIZE(mains); i++) {
			uint32_t base = bases[b], main_id = mains[i];
			const uint32_t owners[] = { 0,
						    1,
						    1000,
						    65534,
						    base - 1,
						    base,
						    base + 1,
						    base + main_id,
						    base + 65535,
						    base + 65536,
						    base + 65537,
						    0x7fffffff,
						    0x80000000,
						    UINT32_MAX };

			for (size_t o = 0; o < ARRAY_SIZE(owners); o++)
				check_owner_map(base, main_id, owners[o]);
		}
}

static void the_map_of_a_common_case_is_this(void **state)
{
	char text[512];

	(void)state;
	(void)idtext_owner_map(100000, 0, 1000, text, sizeof text);
	assert_string_equal(text, "0 2147483648 1000\n"
				  "1000 100000 1\n"
				  "1001 2147484649 98999\n"
				  "100000 2147583648 1\n"
				  "100001 100001 65535\n"
				  "165536 2147649184 2147318111\n");
	/* root's directory: nobody inside becomes root on disk */
	(void)idtext_owner_map(100000, 0, 0, text, sizeof text);
	assert_string_equal(text, "0 2147483648 100000\n"
				  "100000 100000 65536\n"
				  "165536 2147649184 2147318111\n");
}

static void a_main_user_outside_of_the_range_owns_nothing(void **state)
{
	struct map m;

	(void)state;
	read_map(100000, ID_RANGE, 1000, &m);
	assert_true(seen_as(&m, 1000) == ID_SHADOW + 1000u);
	assert_true(seen_as(&m, 100000) == 100000);
}

static void a_share_lends_only_the_owners_own_group(void **state)
{
	static const struct {
		uint32_t uid, gid;
		bool lent;
	} rows[] = {
		{ 1000, 1000, true },  /* alice's primary group */
		{ 1000, 42, false },   /* shadow */
		{ 1000, 4711, false }, /* she has an account, and that is not its group */
		{ 1001, 100, true },   /* bob's is users */
		{ 1234, 1234, true },  /* nobody's account, nobody's group */
		{ 1234, 42, false },   { 0, 0, true }, { 0, 42, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char passwd[] =
			"root:x:0:0:root:/root:/bin/sh\nbroken\nalice:x:1000:1000::/home/alice:\nbob:x:1001:100:::\n";
		char group[] = "root:x:0:\nshadow:x:42:alice\nusers:x:100:\nalice:x:1000:\n";

		if (idtext_group_is_owners(passwd, group, rows[i].uid, rows[i].gid) != rows[i].lent)
			fail_msg("%u:%u", rows[i].uid, rows[i].gid);
	}
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(a_share_lends_only_the_owners_own_group),
		cmocka_unit_test(subid_ranges_are_read_and_other_lines_skipped),
		cmocka_unit_test(account_ids_are_the_third_field),
		cmocka_unit_test(maps_are_read_as_the_kernel_prints_them),
		cmocka_unit_test(slot_owners_are_absolute_paths),
		cmocka_unit_test(a_shared_directory_shows_its_owner_as_the_main_user_and_hides_all_others),
		cmocka_unit_test(the_map_of_a_common_case_is_this),
		cmocka_unit_test(a_main_user_outside_of_the_range_owns_nothing),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
