/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "codec/mountopt.h"

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

#define MAX_WORDS 6
#define ATIME	  ((uint64_t)MOUNT_ATTR__ATIME)

static void parse(const char *const *words, struct mount_options *ret)
{
	const char *v[MAX_WORDS + 1];
	struct oci_strv opts = { .v = v };

	while (opts.n < MAX_WORDS && words[opts.n]) {
		v[opts.n] = words[opts.n];
		opts.n++;
	}
	assert_int_equal(mount_options_parse(&opts, ret, NULL), 0);
}

/* The kernel is asked for "clear the whole field, then set": what of @clear touches the atime field means all of it. */
static uint64_t clear_of(uint64_t clear)
{
	return clear & ATIME ? clear | ATIME : clear;
}

static void every_attribute_word_sets_or_clears_its_bit(void **state)
{
	static const struct {
		const char *words[MAX_WORDS];
		uint64_t set, clear, rec_set, rec_clear;
	} rows[] = {
		{ { NULL }, 0, 0, 0, 0 },
		{ { "ro" }, MOUNT_ATTR_RDONLY, 0, 0, 0 },
		{ { "rw" }, 0, MOUNT_ATTR_RDONLY, 0, 0 },
		{ { "nosuid" }, MOUNT_ATTR_NOSUID, 0, 0, 0 },
		{ { "suid" }, 0, MOUNT_ATTR_NOSUID, 0, 0 },
		{ { "nodev" }, MOUNT_ATTR_NODEV, 0, 0, 0 },
		{ { "dev" }, 0, MOUNT_ATTR_NODEV, 0, 0 },
		{ { "noexec" }, MOUNT_ATTR_NOEXEC, 0, 0, 0 },
		{ { "exec" }, 0, MOUNT_ATTR_NOEXEC, 0, 0 },
		{ { "nodiratime" }, MOUNT_ATTR_NODIRATIME, 0, 0, 0 },
		{ { "diratime" }, 0, MOUNT_ATTR_NODIRATIME, 0, 0 },
		{ { "nosymfollow" }, MOUNT_ATTR_NOSYMFOLLOW, 0, 0, 0 },
		{ { "symfollow" }, 0, MOUNT_ATTR_NOSYMFOLLOW, 0, 0 },
		{ { "noatime" }, MOUNT_ATTR_NOATIME, 0, 0, 0 },
		{ { "atime" }, 0, ATIME, 0, 0 },
		{ { "strictatime" }, MOUNT_ATTR_STRICTATIME, 0, 0, 0 },
		{ { "nostrictatime" }, 0, ATIME, 0, 0 },
		{ { "relatime" }, 0, ATIME, 0, 0 },
		{ { "norelatime" }, 0, 0, 0, 0 },
		{ { "rro" }, 0, 0, MOUNT_ATTR_RDONLY, 0 },
		{ { "rrw" }, 0, 0, 0, MOUNT_ATTR_RDONLY },
		{ { "rnosuid" }, 0, 0, MOUNT_ATTR_NOSUID, 0 },
		{ { "rsuid" }, 0, 0, 0, MOUNT_ATTR_NOSUID },
		{ { "rnodev" }, 0, 0, MOUNT_ATTR_NODEV, 0 },
		{ { "rdev" }, 0, 0, 0, MOUNT_ATTR_NODEV },
		{ { "rnoexec" }, 0, 0, MOUNT_ATTR_NOEXEC, 0 },
		{ { "rexec" }, 0, 0, 0, MOUNT_ATTR_NOEXEC },
		{ { "rnodiratime" }, 0, 0, MOUNT_ATTR_NODIRATIME, 0 },
		{ { "rdiratime" }, 0, 0, 0, MOUNT_ATTR_NODIRATIME },
		{ { "rnosymfollow" }, 0, 0, MOUNT_ATTR_NOSYMFOLLOW, 0 },
		{ { "rsymfollow" }, 0, 0, 0, MOUNT_ATTR_NOSYMFOLLOW },
		{ { "rnoatime" }, 0, 0, MOUNT_ATTR_NOATIME, 0 },
		{ { "ratime" }, 0, 0, 0, ATIME },
		{ { "rstrictatime" }, 0, 0, MOUNT_ATTR_STRICTATIME, 0 },
		{ { "rnostrictatime" }, 0, 0, 0, ATIME },
		{ { "rrelatime" }, 0, 0, 0, ATIME },
		{ { "rnorelatime" }, 0, 0, 0, 0 },
		/* the last one of a pair wins, the tree's words do not mix with the mount's own */
		{ { "ro", "rw" }, 0, MOUNT_ATTR_RDONLY, 0, 0 },
		{ { "rw", "ro" }, MOUNT_ATTR_RDONLY, 0, 0, 0 },
		{ { "rro", "rrw" }, 0, 0, 0, MOUNT_ATTR_RDONLY },
		{ { "rw", "rro" }, 0, MOUNT_ATTR_RDONLY, MOUNT_ATTR_RDONLY, 0 },
		{ { "nosuid", "nodev", "noexec", "ro" },
		  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY,
		  0,
		  0,
		  0 },
		/* the atime modes replace each other */
		{ { "noatime", "strictatime" }, MOUNT_ATTR_STRICTATIME, 0, 0, 0 },
		{ { "strictatime", "noatime" }, MOUNT_ATTR_NOATIME, 0, 0, 0 },
		{ { "noatime", "relatime" }, 0, ATIME, 0, 0 },
		{ { "noatime", "atime" }, 0, ATIME, 0, 0 },
		{ { "relatime", "noatime" }, MOUNT_ATTR_NOATIME, ATIME, 0, 0 },
		{ { "noatime", "nodiratime" }, MOUNT_ATTR_NOATIME | MOUNT_ATTR_NODIRATIME, 0, 0, 0 },
		/* nothing is known of these */
		{ { "defaults", "async", "loud", "silent", "acl", "noacl" }, 0, 0, 0, 0 },
		{ { "iversion", "noiversion", "mand", "nomand", "nolazytime" }, 0, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mount_options o;

		parse(rows[i].words, &o);
		if (o.set != rows[i].set || clear_of(o.clear) != rows[i].clear || o.rec_set != rows[i].rec_set ||
		    clear_of(o.rec_clear) != rows[i].rec_clear)
			fail_msg("row %zu (%s ...): %#lx %#lx %#lx %#lx", i, rows[i].words[0], o.set, o.clear,
				 o.rec_set, o.rec_clear);
		assert_int_equal(o.n_data, 0);
		assert_int_equal(o.propagation, 0);
		assert_false(o.bind || o.recursive || o.remount || o.copy_up || o.idmap || o.idmap_recursive);
		mount_options_done(&o);
	}
}

/* "nostrictatime" takes back "strictatime", and says nothing about "noatime". */
static void the_negative_of_one_atime_mode_leaves_another_mode_alone(void **state)
{
	static const struct {
		const char *words[MAX_WORDS];
		uint64_t set;
	} rows[] = {
		{ { "noatime", "nostrictatime" }, MOUNT_ATTR_NOATIME },
		{ { "noatime", "norelatime" }, MOUNT_ATTR_NOATIME },
		{ { "strictatime", "atime" }, MOUNT_ATTR_STRICTATIME },
		{ { "strictatime", "norelatime" }, MOUNT_ATTR_STRICTATIME },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mount_options o;

		parse(rows[i].words, &o);
		if (o.set != rows[i].set)
			fail_msg("%s,%s: %#lx", rows[i].words[0], rows[i].words[1], o.set);
		mount_options_done(&o);
	}
}

static void propagation_words_name_one_type_and_its_depth(void **state)
{
	static const struct {
		const char *words[MAX_WORDS];
		unsigned long type;
		bool recursive;
	} rows[] = {
		{ { "private" }, MS_PRIVATE, false },
		{ { "rprivate" }, MS_PRIVATE, true },
		{ { "slave" }, MS_SLAVE, false },
		{ { "rslave" }, MS_SLAVE, true },
		{ { "shared" }, MS_SHARED, false },
		{ { "rshared" }, MS_SHARED, true },
		{ { "unbindable" }, MS_UNBINDABLE, false },
		{ { "runbindable" }, MS_UNBINDABLE, true },
		{ { "rshared", "private" }, MS_PRIVATE, false },
		{ { "private", "rslave" }, MS_SLAVE, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mount_options o;

		parse(rows[i].words, &o);
		assert_int_equal(o.propagation, rows[i].type);
		assert_int_equal(o.propagation_recursive, rows[i].recursive);
		assert_true(o.set == 0 && o.clear == 0 && o.n_data == 0);
		mount_options_done(&o);
	}
}

static void flag_words_set_their_flags_and_nothing_else(void **state)
{
	static const struct {
		const char *word;
		bool bind, recursive, remount, copy_up, idmap, idmap_recursive;
	} rows[] = {
		{ "bind", true, false, false, false, false, false },
		{ "rbind", true, true, false, false, false, false },
		{ "remount", false, false, true, false, false, false },
		{ "tmpcopyup", false, false, false, true, false, false },
		{ "idmap", false, false, false, false, true, false },
		{ "ridmap", false, false, false, false, true, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *words[MAX_WORDS] = { rows[i].word };
		struct mount_options o;

		parse(words, &o);
		assert_int_equal(o.bind, rows[i].bind);
		assert_int_equal(o.recursive, rows[i].recursive);
		assert_int_equal(o.remount, rows[i].remount);
		assert_int_equal(o.copy_up, rows[i].copy_up);
		assert_int_equal(o.idmap, rows[i].idmap);
		assert_int_equal(o.idmap_recursive, rows[i].idmap_recursive);
		assert_true(o.set == 0 && o.clear == 0 && o.n_data == 0 && o.propagation == 0);
		mount_options_done(&o);
	}
}

static void other_words_go_to_the_file_system_in_their_order(void **state)
{
	static const char *const words[MAX_WORDS] = { "size=64k", "ro", "sync", "RO", "mode=755", "" };
	struct mount_options o;

	(void)state;
	parse(words, &o);
	assert_int_equal(o.n_data, 5);
	assert_string_equal(o.data[0], "size=64k");
	assert_string_equal(o.data[1], "sync");
	assert_string_equal(o.data[2], "RO"); /* case matters */
	assert_string_equal(o.data[3], "mode=755");
	assert_string_equal(o.data[4], "");
	assert_ptr_equal(o.data[0], words[0]); /* borrowed */
	assert_int_equal(o.set, MOUNT_ATTR_RDONLY);
	mount_options_done(&o);
	assert_null(o.data);
}

static void the_known_words_are_sorted_and_all_of_them_are_found(void **state)
{
	size_t n = 0;

	(void)state;
	for (const char *last = ""; mount_option_name(n); last = mount_option_name(n++)) {
		const char *words[MAX_WORDS] = { mount_option_name(n) };
		struct mount_options o;

		/* bsearch(3) finds them only so */
		assert_true(strcmp(last, words[0]) < 0);
		parse(words, &o);
		if (o.n_data > 0)
			assert_true(strcmp(words[0], "sync") == 0 || strcmp(words[0], "dirsync") == 0 ||
				    strcmp(words[0], "lazytime") == 0);
		mount_options_done(&o);
	}
	assert_true(n > 60);
	assert_null(mount_option_name(SIZE_MAX));
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(every_attribute_word_sets_or_clears_its_bit),
		cmocka_unit_test(the_negative_of_one_atime_mode_leaves_another_mode_alone),
		cmocka_unit_test(propagation_words_name_one_type_and_its_depth),
		cmocka_unit_test(flag_words_set_their_flags_and_nothing_else),
		cmocka_unit_test(other_words_go_to_the_file_system_in_their_order),
		cmocka_unit_test(the_known_words_are_sorted_and_all_of_them_are_found),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
