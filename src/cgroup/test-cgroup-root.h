/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CGROUP_TEST_ROOT_H
#define CGROUP_TEST_ROOT_H

/* Names, files and failures, for the tests on real hierarchies. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "cgroup/cgroup-internal.h"

static const struct cgroup_device all_devices = { 'a', -1, -1, true, true, true };
static char base[64]; /* "/caisson-test-<pid>" */
static struct err err;

#define assert_ok(call)                                                \
	do {                                                           \
		int ok_r_ = (call);                                    \
		if (ok_r_ < 0)                                         \
			fail_msg("%s: %d: %s", #call, ok_r_, err.msg); \
	} while (0)

static char *path_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static char *path_of(const char *fmt, ...)
{
	static char buf[4][PATH_MAX];
	static unsigned i;
	va_list ap;

	i = (i + 1) % 4;
	va_start(ap, fmt);
	(void)vsnprintf(buf[i], sizeof buf[i], fmt, ap);
	va_end(ap);
	return buf[i];
}

static void assert_file(const char *path, const char *want)
{
	_cleanup_free_ char *text = NULL;
	int r = io_read_at(AT_FDCWD, path, 65536, &text, NULL);

	if (r < 0)
		fail_msg("read %s: %s", path, strerror(-r));
	text[strcspn(text, "\n")] = '\0';
	assert_string_equal(text, want);
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

#endif
