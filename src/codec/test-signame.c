/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "codec/signame.h"

static void names_numbers_and_real_time_forms_are_known(void **state)
{
	static const struct {
		const char *s;
		int sig;
	} rows[] = {
		{ "SIGTERM", SIGTERM },
		{ "TERM", SIGTERM },
		{ "term", SIGTERM },
		{ "sigKill", SIGKILL },
		{ "15", 15 },
		{ "0", 0 },
		{ "1", 1 },
		{ "64", 64 },
		{ "09", 9 },
		{ "SIGHUP", SIGHUP },
		{ "WINCH", SIGWINCH },
		{ "SYS", SIGSYS },
		{ "STKFLT", SIGSTKFLT },
		{ "IOT", SIGABRT },
		{ "ABRT", SIGABRT },
		{ "SIGPOLL", SIGIO },
		{ "IO", SIGIO },
		{ "CLD", SIGCHLD },
		{ "CHLD", SIGCHLD },
		/* the kernel's numbers, not the C library's, which keeps two back */
		{ "RTMIN", 34 },
		{ "SIGRTMIN", 34 },
		{ "rtmin+3", 37 },
		{ "SIGRTMIN+30", 64 },
		{ "RTMAX", 64 },
		{ "SIGRTMAX-14", 50 },
		{ "RTMAX-30", 34 },
		{ "RTMIN+0", 34 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (signal_from_text(rows[i].s) != rows[i].sig)
			fail_msg("%s: %d", rows[i].s, signal_from_text(rows[i].s));
}

static void anything_else_is_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"65",
		"-1",
		"+1",
		" 1",
		"1 ",
		"0x9",
		"SIG",
		"SIG9",
		"SIGSIGTERM",
		"TERMX",
		"SIGTER",
		"RTMIN+",
		"RTMIN+31",
		"RTMIN-1",
		"RTMINX",
		"RTMAX-",
		"RTMAX-31",
		"RTMAX+1",
		"RTMAXX",
		"RTMIN+ 1",
		"RTMIN+99999999999999999999",
		"99999999999999999999",
		"SIGRTMIN3",
		"EXIT",
		"SIG TERM",
		"TERM\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (signal_from_text(rows[i]) != -EINVAL)
			fail_msg("accepted: '%s'", rows[i]);
}

static void every_classic_signal_has_a_name(void **state)
{
	(void)state;
	for (int i = 1; i < 32; i++) {
		const char *name = sigabbrev_np(i);
		char text[32];

		assert_non_null(name);
		assert_int_equal(signal_from_text(name), i);
		(void)snprintf(text, sizeof text, "SIG%s", name);
		assert_int_equal(signal_from_text(text), i);
	}
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(names_numbers_and_real_time_forms_are_known),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(every_classic_signal_has_a_name),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
