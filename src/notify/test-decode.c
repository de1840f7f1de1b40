/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#include "base/cleanup.h"
#include "notify/decode.h"

static int decode(uint32_t arch, int nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
		  struct notify_request *ret)
{
	const struct seccomp_data data = { .nr = nr, .arch = arch, .args = { a, b, c, d, e } };

	memset(ret, 0xee, sizeof *ret);
	return notify_decode(&data, ret);
}

static void test_calls(void **state)
{
	struct notify_request r;

	(void)state;
	assert_int_equal(decode(AUDIT_ARCH_X86_64, 165, 1ull << 40, 2, 3, MS_RDONLY, 5, &r), 0);
	assert_true(r.call == NOTIFY_MOUNT && !r.compat && r.dirfd == AT_FDCWD && r.source == 1ull << 40 &&
		    r.path == 2 && r.type == 3 && r.flags == MS_RDONLY && r.data == 5);
	assert_int_equal(decode(AUDIT_ARCH_I386, 21, 0xffffffff00000001, 2, 3, 0xc0ed0000 | MS_RDONLY, 5, &r), 0);
	assert_true(r.call == NOTIFY_MOUNT && r.compat && r.source == 1 && r.flags == MS_RDONLY);
	assert_int_equal(decode(AUDIT_ARCH_X86_64, 165, 1, 2, 3, MS_BIND, 5, &r), 0);
	assert_true(r.call == NOTIFY_BIND && r.source == 1 && r.path == 2 && r.type == 0);
	assert_int_equal(decode(AUDIT_ARCH_X86_64, 165, 1, 2, 3, MS_BIND | MS_REC, 5, &r), -ENOENT);
	assert_int_equal(decode(AUDIT_ARCH_X86_64, 165, 1, 2, 3, MS_REMOUNT, 5, &r), -ENOENT);
	assert_int_equal(decode(AUDIT_ARCH_X86_64, 165, 1, 2, 3, MS_PRIVATE, 5, &r), -ENOENT);
	assert_int_equal(decode(AUDIT_ARCH_X86_64, 166, 7, 8, 0, 0, 0, &r), 0);
	assert_true(r.call == NOTIFY_UMOUNT && r.path == 7 && r.flags == 8);
	assert_int_equal(decode(AUDIT_ARCH_X86_64, 166, 7, MNT_DETACH, 0, 0, 0, &r), -ENOENT);
	assert_int_equal(decode(AUDIT_ARCH_I386, 22, 7, MNT_DETACH, 0, 0, 0, &r), 0);
	assert_true(r.call == NOTIFY_UMOUNT && r.path == 7 && r.flags == 0);
	assert_int_equal(decode(AUDIT_ARCH_X86_64, 428, (uint32_t)-100, 8, 1, 0, 0, &r), 0);
	assert_true(r.call == NOTIFY_OPEN_TREE && r.dirfd == AT_FDCWD && r.path == 8 && r.flags == 1);
	assert_int_equal(decode(AUDIT_ARCH_X86_64, 430, 9, 1, 0, 0, 0, &r), 0);
	assert_true(r.call == NOTIFY_FSOPEN && r.type == 9 && r.flags == 1);
	assert_int_equal(decode(AUDIT_ARCH_X86_64, 259, 5, 6, 0xffff0000 | S_IFCHR | 0644, 0x103, 0, &r), 0);
	assert_true(r.call == NOTIFY_MKNOD && r.dirfd == 5 && r.path == 6 && r.mode == (S_IFCHR | 0644) &&
		    r.device == 0x103);
	assert_int_equal(decode(AUDIT_ARCH_X86_64, 133, 6, S_IFREG, 0x103, 0, 0, &r), -ENOENT);
	assert_int_equal(decode(AUDIT_ARCH_X86_64, 99, 6, 0, 0, 0, 0, &r), 0);
	assert_true(r.call == NOTIFY_SYSINFO && r.data == 6);
	/* numbers of one ABI are others in the other */
	assert_int_equal(decode(AUDIT_ARCH_I386, 165, 1, 2, 3, 0, 5, &r), -ENOENT);
	assert_int_equal(decode(AUDIT_ARCH_X86_64, 21, 1, 2, 3, 0, 5, &r), -ENOENT);
	assert_int_equal(decode(AUDIT_ARCH_AARCH64, 165, 1, 2, 3, 0, 5, &r), -ENOENT);
	assert_int_equal(decode(AUDIT_ARCH_X86_64, -1, 1, 2, 3, 0, 5, &r), -ENOENT);
}

static void test_attributes(void **state)
{
	(void)state;
	assert_int_equal(notify_mount_attr(0), MOUNT_ATTR_RELATIME);
	assert_int_equal(notify_mount_attr(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NODIRATIME),
			 MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
				 MOUNT_ATTR_NODIRATIME);
	assert_int_equal(notify_mount_attr(MS_NOATIME), MOUNT_ATTR_NOATIME);
	assert_int_equal(notify_mount_attr(MS_NOATIME | MS_STRICTATIME), MOUNT_ATTR_STRICTATIME);
	assert_int_equal(notify_mount_attr(256), 0x200000);
}

static void test_options(void **state)
{
	char text[] = ",,a,b=,=c,d=e=f,,g";
	char *cursor = text, *key, *value;
	char none[] = "";

	(void)state;
	assert_true(notify_option_next(&cursor, &key, &value) && strcmp(key, "a") == 0 && !value);
	assert_true(notify_option_next(&cursor, &key, &value) && strcmp(key, "b") == 0 && strcmp(value, "") == 0);
	assert_true(notify_option_next(&cursor, &key, &value) && strcmp(key, "d") == 0 &&
		    strcmp(value, "e=f") == 0);
	assert_true(notify_option_next(&cursor, &key, &value) && strcmp(key, "g") == 0 && !value);
	assert_false(notify_option_next(&cursor, &key, &value));
	assert_false(notify_option_next(&cursor, &key, &value));
	cursor = none;
	assert_false(notify_option_next(&cursor, &key, &value));
}

static void test_own_fd(void **state)
{
	static const char *const others[] = {
		"",
		"/proc/self/fd/",
		"/proc/self/fd/x",
		"/proc/self/fd/07",
		"/proc/self/fd/7x",
		"/proc/self/fd/-1",
		"/proc/self/fd/2147483648",
		"/proc/self/fd/99999999999999999999",
		"/proc/self/fdinfo/7",
		"proc/self/fd/7",
		"//proc/self/fd/7",
		"/proc/1/fd/7",
	};
	const char *rest;
	int fd;

	(void)state;
	assert_true(notify_own_fd("/proc/self/fd/7", &fd, &rest) && fd == 7 && !rest);
	assert_true(notify_own_fd("/proc/thread-self/fd/0", &fd, &rest) && fd == 0 && !rest);
	assert_true(notify_own_fd("/proc/self/fd/2147483647//a/b", &fd, &rest) && fd == INT32_MAX &&
		    strcmp(rest, "a/b") == 0);
	assert_true(notify_own_fd("/proc/self/fd/3/", &fd, &rest) && fd == 3 && !rest);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(notify_own_fd(others[i], &fd, &rest));
}

static void test_split(void **state)
{
	static const struct {
		const char *path;
		int result;
		const char *parent, *name;
	} rows[] = {
		{ "a", 0, "", "a" },	      { "/a", 0, "/", "a" },	       { "a/b", 0, "a", "b" },
		{ "/a/b", 0, "/a", "b" },     { "//a", 0, "/", "a" },	       { "a//b", 0, "a", "b" },
		{ "../a", 0, "..", "a" },     { "a/b/", -EISDIR, "a", "b" },   { "a//", -EISDIR, "", "a" },
		{ "", -ENOENT, NULL, NULL },  { "/", -EEXIST, NULL, NULL },    { "//", -EEXIST, NULL, NULL },
		{ ".", -EEXIST, NULL, NULL }, { "a/..", -EEXIST, NULL, NULL }, { "a/./", -EEXIST, NULL, NULL },
		{ "...", 0, "", "..." },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *parent = NULL, *name = NULL;
		char path[16];

		(void)snprintf(path, sizeof path, "%s", rows[i].path);
		assert_int_equal(notify_split(path, &parent, &name), rows[i].result);
		if (!rows[i].name)
			continue;
		assert_string_equal(parent, rows[i].parent);
		assert_string_equal(name, rows[i].name);
	}
}

#define STATUS(ids, umask, caps)                                                                              \
	"Name:\tUid:\\nUid:\\t\nUmask:\t" umask "\nState:\tS (sleeping)\nTgid:\t12\nNgid:\t0\nPid:\t13\n"     \
	"Uid:\t" ids "\nGid:\t5\t6\t7\t8\nFDSize:\t64\nGroups:\t4 24 4294967294 \nCapInh:\t0\nCapEff:\t" caps \
	"\nCapBnd:\t0\n"

static void test_status(void **state)
{
	static const char *const bad[] = {
		"",
		STATUS("1\t2\t3", "0022", "1"),
		STATUS("1\t2\t3\t4294967296", "0022", "1"),
		STATUS("1\t2\t3\t-4", "0022", "1"),
		STATUS("1\t2\t3\t4\t5", "0022", "1"),
		STATUS("1\t2\t3\t4", "0088", "1"),
		STATUS("1\t2\t3\t4", "7777", "1"),
		STATUS("1\t2\t3\t4", "", "1"),
		STATUS("1\t2\t3\t4", "0022", ""),
		STATUS("1\t2\t3\t4", "0022", "12345678901234567"),
		STATUS("1\t2\t3\t4", "0022", "xyz"),
	};
	struct notify_status st;
	uint32_t g;

	(void)state;
	assert_int_equal(notify_status_parse(STATUS("1\t2\t3\t4", "0027", "000001fffeffffff"), &st), 0);
	assert_true(st.tgid == 12 && st.uid[0] == 1 && st.uid[3] == 4 && st.gid[0] == 5 && st.gid[3] == 8);
	assert_true(st.umask == 027 && st.caps == 0x1fffeffffff);
	assert_true(notify_group_next(&st.groups, &g) && g == 4);
	assert_true(notify_group_next(&st.groups, &g) && g == 24);
	assert_true(notify_group_next(&st.groups, &g) && g == 4294967294);
	assert_false(notify_group_next(&st.groups, &g));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(notify_status_parse(bad[i], &st), -EPROTO);
}

static void test_sysinfo(void **state)
{
	struct sysinfo in = { .uptime = 77,
			      .loads = { 1, 2, 3 },
			      .totalram = 1ul << 30,
			      .freeram = 4096,
			      .procs = 9,
			      .mem_unit = 1 };
	struct notify_sysinfo32 out;

	(void)state;
	assert_int_equal(sizeof out, 64);
	notify_sysinfo_compat(&in, &out);
	assert_true(out.uptime == 77 && out.loads[2] == 3 && out.totalram == 1u << 30 && out.freeram == 4096 &&
		    out.mem_unit == 1 && out.procs == 9);
	in.totalram = 1ul << 40;
	notify_sysinfo_compat(&in, &out);
	assert_true(out.totalram == 1u << 28 && out.freeram == 1 && out.mem_unit == 4096);
	in.totalram = 1;
	in.totalswap = 1ul << 32;
	notify_sysinfo_compat(&in, &out);
	assert_true(out.totalswap == 1u << 20 && out.mem_unit == 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),	cmocka_unit_test(test_attributes), cmocka_unit_test(test_options),
		cmocka_unit_test(test_own_fd),	cmocka_unit_test(test_split),	   cmocka_unit_test(test_status),
		cmocka_unit_test(test_sysinfo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
