/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "confine/test-bpf.h"
#include "emulate/shared.h"
#include "notify/filter.h"

/*
 * What is to be trapped, said once more in words of its own: nothing here comes from the table.
 */
static bool new_mount(uint32_t flags)
{
	if ((flags & 0xffff0000u) == 0xc0ed0000u)
		flags &= 0xffffu;
	return !(flags & (MS_REMOUNT | MS_BIND | MS_MOVE | MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE));
}

static bool plain_bind(uint32_t flags)
{
	return (flags & MS_BIND) && !(flags & (MS_REMOUNT | MS_REC));
}

static bool device_wanted(uint32_t mode, uint32_t dev, unsigned devices)
{
	uint32_t major = (dev & 0xfff00) >> 8, minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);

	if (!S_ISCHR(mode & 0xffff))
		return false;
	if (major == 1)
		return minor == 3 || minor == 5 || minor == 7 || minor == 8 || minor == 9;
	if (major == 5)
		return minor <= 1;
	return major == 10 &&
	       ((minor == 229 && (devices & EMU_DEV_FUSE)) || (minor == 200 && (devices & EMU_DEV_TUN)));
}

static bool mount_wanted(uint32_t flags)
{
	const uint32_t read_only = MS_REMOUNT | MS_BIND | MS_RDONLY;

	return new_mount(flags) || plain_bind(flags) || (flags & read_only) == read_only;
}

static bool wanted(const struct seccomp_data *d, bool view, unsigned devices)
{
	bool compat = d->arch == AUDIT_ARCH_I386;
	uint32_t a[6];

	for (int i = 0; i < 6; i++)
		a[i] = (uint32_t)d->args[i];
	switch (d->nr) {
	case 165: /* mount */
		return !compat && mount_wanted(a[3]);
	case 21:
		return compat && mount_wanted(a[3]);
	case 166: /* umount2 */
		return !compat && (a[1] == 0 || a[1] == 1 || a[1] == 8 || a[1] == 9);
	case 52:
		return compat && (a[1] == 0 || a[1] == 1 || a[1] == 8 || a[1] == 9);
	case 22: /* umount */
		return compat;
	case 428: /* open_tree */
		return (a[2] & 1) && !(a[2] & 0x8000);
	case 430: /* fsopen */
		return true;
	case 133: /* mknod */
		return !compat && device_wanted(a[1], a[2], devices);
	case 14:
		return compat && device_wanted(a[1], a[2], devices);
	case 259: /* mknodat */
		return !compat && device_wanted(a[2], a[3], devices);
	case 297:
		return compat && device_wanted(a[2], a[3], devices);
	case 99: /* sysinfo */
		return !compat && view;
	case 116:
		return compat && view;
	default:
		return false;
	}
}

static void check(const struct notify_filter *f, const struct seccomp_data *d, bool view, unsigned devices)
{
	uint32_t nr = (uint32_t)d->nr;
	int64_t want = wanted(d, view, devices) ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW;

	if (d->arch == AUDIT_ARCH_X86_64 && nr >= X32 && nr != UINT32_MAX)
		want = SECCOMP_RET_ERRNO | ENOSYS;
	if (bpf_run(f->insns, f->n, d) != want)
		fail_msg("arch %x nr %d args %llx %llx %llx %llx: want %llx", d->arch, d->nr, d->args[0],
			 d->args[1], d->args[2], d->args[3], (unsigned long long)want);
}

static const uint64_t values[] = {
	0,
	1,
	2,
	3,
	4,
	8,
	9,
	10,
	0x10,
	MS_REMOUNT,
	MS_BIND,
	MS_BIND | MS_REC,
	MS_BIND | MS_REMOUNT,
	MS_MOVE,
	MS_REC,
	MS_SILENT,
	MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
	MS_SHARED,
	MS_PRIVATE,
	MS_SLAVE | MS_REC,
	MS_UNBINDABLE,
	MS_RELATIME,
	0xc0ed0000,
	0xc0ed0000 | MS_BIND,
	0xc0ed0000 | MS_REMOUNT,
	0xc0ed0000 | MS_MOVE,
	0xc0ed0000 | MS_RDONLY,
	0xc0ec0000,
	0xc0e90000,
	1u << 31,
	0x8001,
	0x80001,
	0x88001,
	0x1001,
	UINT32_MAX,
	UINT64_C(1) << 32,
	(UINT64_C(1) << 32) | MS_BIND,
	UINT64_MAX,
	S_IFCHR | 0666,
	S_IFBLK | 0666,
	S_IFREG | 0666,
	S_IFIFO,
	S_IFCHR | 0x10000,
	0x102,
	0x103,
	0x104,
	0x105,
	0x106,
	0x107,
	0x108,
	0x109,
	0x10a,
	0x500,
	0x501,
	0x502,
	0xae5,
	0xac8,
	0xaed,
	0x10ae5,
	0x100103,
	0x1000103,
	UINT64_C(0x100000103),
};

static const struct {
	bool view;
	unsigned devices;
} kinds[] = { { false, 0 },
	      { true, 0 },
	      { true, EMU_DEV_FUSE },
	      { false, EMU_DEV_TUN },
	      { true, EMU_DEV_FUSE | EMU_DEV_TUN } };

static void test_says_what_it_should(void **state)
{
	static const uint32_t arches[] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386 };

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct notify_filter f;

		assert_int_equal(notify_filter_make(kinds[k].view, kinds[k].devices, &f, NULL), 0);
		for (size_t a = 0; a < ARRAY_SIZE(arches); a++)
			for (int nr = 0; nr < 600; nr++)
				for (size_t i = 0; i < ARRAY_SIZE(values); i++)
					for (size_t j = 0; j < ARRAY_SIZE(values); j++) {
						struct seccomp_data d = { .nr = nr, .arch = arches[a] };

						/* modes and numbers are neighbours; flags are wherever they are */
						for (int n = 0; n < 6; n++)
							d.args[n] = n % 2 ? values[i] : values[j];
						check(&f, &d, kinds[k].view, kinds[k].devices);
					}
		notify_filter_done(&f);
	}
}

static void test_other_numbers(void **state)
{
	static const uint32_t numbers[] = { X32 - 1,	X32,	    X32 | 165,	      X32 | 99,
					    0x7fffffff, 0x80000000, 0x80000000 | 165, 0xbfffffff,
					    0xc0000000, 0xfffffffe, UINT32_MAX };
	struct notify_filter f;
	struct seccomp_data other = { .arch = AUDIT_ARCH_AARCH64 };

	(void)state;
	assert_int_equal(notify_filter_make(true, 0, &f, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct seccomp_data d = { .nr = (int)numbers[i], .arch = AUDIT_ARCH_X86_64 };

		check(&f, &d, true, 0);
		d.arch = AUDIT_ARCH_I386;
		check(&f, &d, true, 0);
	}
	assert_int_equal(bpf_run(f.insns, f.n, &other), SECCOMP_RET_KILL_THREAD);
	assert_int_equal(f.flags, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	notify_filter_done(&f);
	assert_null(f.insns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_says_what_it_should),
		cmocka_unit_test(test_other_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
