/* SPDX-License-Identifier: Apache-2.0 */
/* Container root's ids with chosen capabilities, and back. Each case in a child of its own. Needs root. */
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "sys/creds.h"
#include "sys/test-dir.h"

#define BIT(c) (UINT64_C(1) << (c))
#define ID     100000u

static char top[] = "/tmp/caisson-test-XXXXXX";

static int setup(void **state)
{
	(void)state;
	return test_dir_make(top, false);
}

static int teardown(void **state)
{
	(void)state;
	test_dir_drop(top);
	return 0;
}

static void own_caps(uint64_t *effective, uint64_t *permitted)
{
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	CHILD_CHECK(syscall(SYS_capget, &hdr, d) == 0);
	*effective = d[0].effective | (uint64_t)d[1].effective << 32;
	*permitted = d[0].permitted | (uint64_t)d[1].permitted << 32;
}

static bool ids_are(uint32_t real, uint32_t effective, uint32_t saved, uint32_t gid)
{
	uid_t r, e, s;
	gid_t gr, ge, gs;

	return getresuid(&r, &e, &s) == 0 && getresgid(&gr, &ge, &gs) == 0 && r == real && e == effective &&
	       s == saved && gr == gid && ge == gid && gs == gid;
}

static void there_and_back(void)
{
	uint64_t had_effective, had, effective, permitted, want = BIT(CAP_DAC_OVERRIDE) | BIT(CAP_SYSLOG);
	struct err e = { 0 };
	struct stat st;
	int dir = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);

	own_caps(&had_effective, &had);
	CHILD_CHECK(creds_become(ID, want, &e) == 0);
	CHILD_CHECK(ids_are(ID, ID, 0, ID));
	CHILD_CHECK(prctl(PR_GET_SECUREBITS) == SECBIT_NO_SETUID_FIXUP);
	own_caps(&effective, &permitted);
	CHILD_CHECK(effective == (want & had) && permitted == had);
	/* from birth, through fsuid and fsgid */
	CHILD_CHECK(mkdirat(dir, "made", 0755) == 0);
	CHILD_CHECK(fstatat(dir, "made", &st, 0) == 0 && st.st_uid == ID && st.st_gid == ID);
	CHILD_CHECK(chown(top, 5, 5) < 0 && errno == EPERM); /* CAP_CHOWN was not asked for */

	CHILD_CHECK(creds_restore(&e) == 0);
	CHILD_CHECK(ids_are(0, 0, 0, 0));
	own_caps(&effective, &permitted);
	CHILD_CHECK(effective == had && permitted == had);
	CHILD_CHECK(prctl(PR_GET_SECUREBITS) == 0);
	CHILD_CHECK(mkdirat(dir, "mine", 0755) == 0);
	CHILD_CHECK(fstatat(dir, "mine", &st, 0) == 0 && st.st_uid == 0 && st.st_gid == 0);
	CHILD_CHECK(e.code == 0);
}

static void without_any_capability(void)
{
	uint64_t effective, permitted;

	CHILD_CHECK(creds_become(ID, 0, NULL) == 0);
	own_caps(&effective, &permitted);
	CHILD_CHECK(effective == 0 && permitted != 0);
	CHILD_CHECK(mkdir("/root/caisson-test-never", 0755) < 0);
	/* the saved id and the permitted set are the way back */
	CHILD_CHECK(creds_restore(NULL) == 0);
	CHILD_CHECK(ids_are(0, 0, 0, 0));
}

static void again_and_again(void)
{
	for (uint32_t i = 0; i < 10; i++) {
		CHILD_CHECK(creds_become(ID + i * 65536, BIT(CAP_SYS_ADMIN), NULL) == 0);
		CHILD_CHECK(ids_are(ID + i * 65536, ID + i * 65536, 0, ID + i * 65536));
		CHILD_CHECK(creds_restore(NULL) == 0);
	}
	CHILD_CHECK(ids_are(0, 0, 0, 0));
}

/* Somebody without the right gets an error with the reason, not half of the change. */
static void an_ordinary_user(void)
{
	struct err e = { 0 };

	CHILD_CHECK(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
	CHILD_CHECK(creds_become(ID, 0, &e) == -EPERM);
	CHILD_CHECK(e.code == EPERM && strcasestr(e.msg, "keep capabilities: operation not permitted"));
	CHILD_CHECK(ids_are(1000, 1000, 1000, 1000));
	CHILD_CHECK(creds_restore(&e) == -EPERM);
	CHILD_CHECK(strstr(e.msg, "go back to root"));
}

static void run(void (*body)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		body();
		exit(0); /* not _exit(2): counts in coverage */
	}
	assert_int_equal(test_wait(pid), 0);
}

static void become_takes_ids_and_capabilities_and_restore_gives_all_back(void **state)
{
	(void)state;
	run(there_and_back);
}

static void no_capability_at_all_is_possible(void **state)
{
	(void)state;
	run(without_any_capability);
}

static void it_can_be_done_many_times(void **state)
{
	(void)state;
	run(again_and_again);
}

static void who_may_not_is_told_so(void **state)
{
	(void)state;
	run(an_ordinary_user);
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(become_takes_ids_and_capabilities_and_restore_gives_all_back),
		cmocka_unit_test(no_capability_at_all_is_possible),
		cmocka_unit_test(it_can_be_done_many_times),
		cmocka_unit_test(who_may_not_is_told_so),
	};

	if (geteuid() != 0) {
		print_message("skipped: only root can take other ids\n");
		return 77;
	}
	return cmocka_run_group_tests(rows, setup, teardown);
}
