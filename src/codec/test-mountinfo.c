/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "codec/mountinfo.h"

/* The texts are cut up in place: each case works on a copy. */
static char *copy(const char *text)
{
	char *s = strdup(text);

	assert_non_null(s);
	return s;
}

static void a_line_of_each_form_is_read(void **state)
{
	static const char text[] =
		"22 27 0:21 / /proc rw,relatime - proc proc rw\n"
		"31 1 254:1 /var/lib/x /mnt\\040a\\011b ro,nosuid shared:7 master:2 - ext4 /dev/sd\\134a rw,errors=remount-ro\n"
		"18446744073709551615 4294967296 4095:1048575 / / rw propagate_from:1 unbindable - tmpfs  rw\n"
		"44 31 0:40 / /o rw - overlay overlay rw,lowerdir=/a\\054b";
	_cleanup_free_ char *copied = copy(text);
	char *cursor = copied;
	struct mountinfo m;

	(void)state;
	assert_int_equal(mountinfo_next(&cursor, &m), 1);
	assert_true(m.id == 22 && m.parent == 27 && m.major == 0 && m.minor == 21);
	assert_string_equal(m.root, "/");
	assert_string_equal(m.target, "/proc");
	assert_string_equal(m.fstype, "proc");
	assert_string_equal(m.source, "proc");
	assert_string_equal(m.super_options, "rw");

	assert_int_equal(mountinfo_next(&cursor, &m), 1);
	assert_true(m.id == 31 && m.parent == 1 && m.major == 254 && m.minor == 1);
	assert_string_equal(m.root, "/var/lib/x");
	assert_string_equal(m.target, "/mnt a\tb");
	assert_string_equal(m.options, "ro,nosuid");
	assert_string_equal(m.source, "/dev/sd\\a");
	assert_string_equal(m.super_options, "rw,errors=remount-ro");

	assert_int_equal(mountinfo_next(&cursor, &m), 1);
	assert_true(m.id == UINT64_MAX && m.parent == 4294967296 && m.major == 4095 && m.minor == 1048575);
	assert_string_equal(m.source, ""); /* mount("", ...): two blanks in a row */
	assert_string_equal(m.super_options, "rw");

	/* A comma that belongs to a value must not look like a separator yet. */
	assert_int_equal(mountinfo_next(&cursor, &m), 1);
	assert_string_equal(m.super_options, "rw,lowerdir=/a\\054b");
	assert_int_equal(mountinfo_next(&cursor, &m), 0);
	assert_int_equal(mountinfo_next(&cursor, &m), 0);
}

static void any_line_of_another_form_is_an_error_and_leaves_the_result_alone(void **state)
{
	static const char *const lines[] = {
		"\n",
		" ",
		"x 27 0:21 / /proc rw - proc proc rw",
		"22 x 0:21 / /proc rw - proc proc rw",
		"22 27 0 / /proc rw - proc proc rw",
		"22 27 0:x / /proc rw - proc proc rw",
		"22 27 x:0 / /proc rw - proc proc rw",
		"22 27 0:21x / /proc rw - proc proc rw",
		"22 27 0-21 / /proc rw - proc proc rw",
		"22 27 4294967296:0 / /proc rw - proc proc rw",
		"22 27 0:4294967296 / /proc rw - proc proc rw",
		"18446744073709551616 27 0:21 / /proc rw - proc proc rw",
		"22",
		"22 27",
		"22 27 0:21",
		"22 27 0:21 /",
		"22 27 0:21 / /proc",
		"22 27 0:21 / /proc rw",
		"22 27 0:21 / /proc rw shared:1",
		"22 27 0:21 / /proc rw proc proc rw",
		"22 27 0:21 / /proc rw -",
		"22 27 0:21 / /proc rw - proc",
		"22 27 0:21 / /proc rw - proc proc",
		"22 27 0:21 / /proc rw -- proc proc rw",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_free_ char *text = NULL;
		struct mountinfo m = { .id = 4711 };
		char *cursor;

		assert_true(asprintf(&text, "%s\n1 2 3:4 / /next rw - t s rw\n",
				     *lines[i] == '\n' ? "" : lines[i]) > 0);
		cursor = text;
		if (mountinfo_next(&cursor, &m) != -EPROTO || m.id != 4711)
			fail_msg("accepted: %s", lines[i]);
		/* The next line is still there for a caller that goes on. */
		assert_int_equal(mountinfo_next(&cursor, &m), 1);
		assert_string_equal(m.target, "/next");
	}
}

static void escapes_become_bytes_but_never_a_nul(void **state)
{
	static const char *const rows[][2] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "a\\040b\\011c\\012d\\134e\\043", "a b\tc\nd\\e#" },
		{ "\\134040", "\\040" }, /* once, not again */
		{ "\\377\\200", "\377\200" },
		{ "a\\000b", "a\\000b" },
		{ "\\400\\777", "\\400\\777" }, /* more than a byte */
		{ "\\08\\0 \\01", "\\08\\0 \\01" },
		{ "\\", "\\" },
		{ "\\0", "\\0" },
		{ "\\04", "\\04" },
		{ "x\\\\040", "x\\ " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *s = copy(rows[i][0]);

		mountinfo_unescape(s);
		assert_string_equal(s, rows[i][1]);
	}
}

static void check_layers(const struct overlay_options *o, const char *const *want)
{
	size_t n = 0;

	while (want[n]) {
		assert_true(n < o->n_lower);
		assert_string_equal(o->lower[n], want[n]);
		n++;
	}
	assert_int_equal(o->n_lower, n);
}

static void overlay_layers_are_split_as_the_kernel_does(void **state)
{
	static const struct {
		const char *text;
		const char *lower[6];
		size_t n_data;
		const char *upper, *work;
	} rows[] = {
		{ "rw,lowerdir=/a", { "/a" }, 0, NULL, NULL },
		{ "rw,lowerdir=/a:/b:c,upperdir=/u,workdir=/w", { "/a", "/b", "c" }, 0, "/u", "/w" },
		{ "lowerdir=/a\\134:b:/c", { "/a:b", "/c" }, 0, NULL, NULL },
		{ "lowerdir=/a\\134\\134b:/c", { "/a\\b", "/c" }, 0, NULL, NULL },
		{ "lowerdir=/a\\054b:/c\\040d,upperdir=/u\\054,workdir=/w\\134:",
		  { "/a,b", "/c d" },
		  0,
		  "/u,",
		  "/w:" },
		{ "lowerdir+=/a\\134b,upperdir=/u\\134\\054\\134\\134,workdir=\\134w\\134",
		  { "/a\\b" },
		  0,
		  "/u,\\",
		  "w\\" },
		{ "lowerdir=/a::/b::/c", { "/a", "/b", "/c" }, 2, NULL, NULL },
		{ "lowerdir=/a:/b::/c", { "/a", "/b", "/c" }, 1, NULL, NULL },
		{ "lowerdir+=/a:b,lowerdir+=/c,datadir+=/d,datadir+=/e::f",
		  { "/a:b", "/c", "/d", "/e::f" },
		  2,
		  NULL,
		  NULL },
		{ "lowerdir=/a\\134", { "/a\\" }, 0, NULL, NULL }, /* nothing left to escape */
		{ "lowerdir=x=y", { "x=y" }, 0, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = copy(rows[i].text);
		struct overlay_options o;

		assert_int_equal(overlay_options_parse(text, &o), 0);
		check_layers(&o, rows[i].lower);
		assert_int_equal(o.n_data, rows[i].n_data);
		if (rows[i].upper) {
			assert_string_equal(o.upper, rows[i].upper);
			assert_string_equal(o.work, rows[i].work);
		} else {
			assert_null(o.upper);
			assert_null(o.work);
		}
		overlay_options_done(&o);
		assert_null(o.lower);
		assert_int_equal(o.n_lower, 0);
	}
}

static void overlay_switches_are_recognised(void **state)
{
	static const struct {
		const char *text;
		bool metacopy, redirect, userxattr, volatile_, nfs_export;
	} rows[] = {
		{ "rw,lowerdir=/a", false, false, false, false, false },
		{ "lowerdir=/a,metacopy=on", true, false, false, false, false },
		{ "lowerdir=/a,redirect_dir=on", false, true, false, false, false },
		{ "lowerdir=/a,userxattr", false, false, true, false, false },
		{ "volatile,lowerdir=/a", false, false, false, true, false },
		{ "lowerdir=/a,nfs_export=on", false, false, false, false, true },
		{ "lowerdir=/a,metacopy=off,redirect_dir=nofollow,nfs_export=off,xino=on,uuid=null", false, false,
		  false, false, false },
		{ "lowerdir=/a,metacopy=on,metacopy=off,volatilex,xuserxattr", false, false, false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = copy(rows[i].text);
		struct overlay_options o;

		assert_int_equal(overlay_options_parse(text, &o), 0);
		assert_int_equal(o.metacopy, rows[i].metacopy);
		assert_int_equal(o.redirect, rows[i].redirect);
		assert_int_equal(o.userxattr, rows[i].userxattr);
		assert_int_equal(o.volatile_, rows[i].volatile_);
		assert_int_equal(o.nfs_export, rows[i].nfs_export);
		overlay_options_done(&o);
	}
}

static void an_overlay_without_layers_or_with_an_empty_one_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"rw",
		"rw,upperdir=/u,workdir=/w",
		"lowerdir=",
		"lowerdir=:/a",
		"lowerdir=/a:",
		"lowerdir=/a::",
		"lowerdir=/a:::/b",
		"lowerdir=/a,lowerdir+=",
		"datadir+=",
		"datadir+=/a", /* data alone */
		"datadir+=/a,lowerdir+=/b",
		"lowerdir=/a::/b,lowerdir+=/c",
		"lowerdir",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_free_ char *text = copy(texts[i]);
		struct overlay_options o = { .n_lower = 4711 };

		if (overlay_options_parse(text, &o) != -EINVAL || o.n_lower != 4711)
			fail_msg("accepted: %s", texts[i]);
	}
	assert_int_equal(overlay_options_parse(NULL, &(struct overlay_options){ 0 }), -EINVAL);
}

static int parse_many(size_t n, bool by_plus)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	struct overlay_options o;
	int r;

	assert_non_null(f);
	for (size_t i = 0; i < n; i++)
		fprintf(f,
			by_plus ? "%slowerdir+=/%zu"
			: i	? "%s:/%zu"
				: "%slowerdir=/%zu",
			by_plus && i ? "," : "", i);
	assert_int_equal(fclose(f), 0);
	r = overlay_options_parse(text, &o);
	if (r == 0) {
		char name[16];

		assert_int_equal(o.n_lower, n);
		(void)snprintf(name, sizeof name, "/%zu", n - 1);
		assert_string_equal(o.lower[n - 1], name);
		overlay_options_done(&o);
	}
	return r;
}

static void five_hundred_layers_are_the_limit(void **state)
{
	(void)state;
	for (int plus = 0; plus < 2; plus++) {
		assert_int_equal(parse_many(16, plus), 0);
		assert_int_equal(parse_many(17, plus), 0);
		assert_int_equal(parse_many(500, plus), 0);
		assert_int_equal(parse_many(501, plus), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(a_line_of_each_form_is_read),
		cmocka_unit_test(any_line_of_another_form_is_an_error_and_leaves_the_result_alone),
		cmocka_unit_test(escapes_become_bytes_but_never_a_nul),
		cmocka_unit_test(overlay_layers_are_split_as_the_kernel_does),
		cmocka_unit_test(overlay_switches_are_recognised),
		cmocka_unit_test(an_overlay_without_layers_or_with_an_empty_one_is_refused),
		cmocka_unit_test(five_hundred_layers_are_the_limit),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
