/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <time.h>

#include <cmocka.h>

#include "runtime/hooks.h"
#include "sys/test-dir.h"

static char top[] = "/tmp/caisson-test-XXXXXX";
static int top_fd = -EBADF;
static struct err err;

static int group_setup(void **state)
{
	(void)state;
	if (test_dir_make(top, false) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return -1;
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return top_fd < 0 ? -1 : 0;
}

static int group_teardown(void **state)
{
	(void)state;
	top_fd = fd_close(top_fd);
	test_dir_drop(top);
	return access(top, F_OK) == 0 ? -1 : 0;
}

static int setup(void **state)
{
	(void)state;
	err = (struct err){ 0 };
	(void)unlinkat(top_fd, "out", 0);
	return 0;
}

/* A hook that runs a shell script, with the directory as $1. */
struct script {
	const char *args[5];
	const char *env[2];
	struct oci_hook hook;
};

static struct oci_hook *script(struct script *s, const char *text, int timeout)
{
	*s = (struct script){ .args = { "sh", "-c", text, "sh", top }, .env = { "PATH=/bin:/usr/bin" } };
	s->hook = (struct oci_hook){
		.path = "/bin/sh", .args = { s->args, 5 }, .env = { s->env, 1 }, .timeout = timeout
	};
	return &s->hook;
}

static int run_script(const char *text, int timeout, const char *state)
{
	struct script s;
	const struct oci_hooks list = { script(&s, text, timeout), 1 };

	return hooks_run(&list, "prestart", state, &err);
}

static void assert_out(const char *want)
{
	_cleanup_free_ char *text = NULL;

	if (io_read_at(top_fd, "out", 4u << 20, &text, NULL) < 0)
		fail_msg("the hook wrote nothing");
	assert_string_equal(text, want);
}

static double seconds(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Wait until no child is left (what hooks started is handed to us); false after some seconds. */
static bool all_gone(void)
{
	for (int i = 0; i < 3000; i++) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0 && errno == ECHILD)
			return true;
		if (pid == 0)
			(void)usleep(1000);
	}
	return false;
}

/* End what a failed test left, so that the next one starts clean. */
static void kill_children(void)
{
	_cleanup_free_ char *text = NULL;
	char name[64];

	(void)snprintf(name, sizeof name, "/proc/self/task/%d/children", (int)getpid());
	if (io_read_at(AT_FDCWD, name, 65536, &text, NULL) < 0)
		return;
	for (char *p = text, *word; (word = strsep(&p, " "));)
		if (*word)
			(void)kill((pid_t)strtol(word, NULL, 10), SIGKILL);
	(void)all_gone();
}

static void a_hook_gets_the_state_on_stdin_and_its_own_environment_only(void **state)
{
	(void)state;
	(void)setenv("LEAK", "1", 1);
	assert_int_equal(run_script("{ cat; echo; env | grep -v -e ^PWD -e ^SHLVL -e ^_; umask; } > $1/out", 0,
				    "{\"id\":\"x\"}"),
			 0);
	assert_out("{\"id\":\"x\"}\nPATH=/bin:/usr/bin\n0022\n");
	assert_int_equal(err.code, 0);
}

static void a_state_that_is_larger_than_a_pipe_arrives_whole(void **state)
{
	size_t len = 1u << 20;
	_cleanup_free_ char *big = malloc(len + 1);

	(void)state;
	memset(big, 'x', len);
	big[len] = '\0';
	/* and one that is not read at all is nobody's problem */
	assert_int_equal(run_script("true", 0, big), 0);
	assert_int_equal(run_script("cat > $1/out", 0, big), 0);
	assert_out(big);
}

static void arguments_are_given_as_they_are(void **state)
{
	const char *args[] = { "other name", "-c", "echo \"$0\" > \"$1/out\"", "zero", top };
	struct oci_hook h = { .path = "/bin/sh", .args = { args, 5 } };
	const struct oci_hooks list = { &h, 1 };

	(void)state;
	assert_int_equal(hooks_run(&list, "x", "{}", &err), 0);
	assert_out("zero\n");
}

static void signals_are_not_blocked_in_a_hook(void **state)
{
	sigset_t all, old;

	(void)state;
	assert_int_equal(sigfillset(&all), 0);
	assert_int_equal(sigprocmask(SIG_BLOCK, &all, &old), 0);
	assert_int_equal(run_script("grep ^SigBlk: /proc/self/status | tr -d '\\t' > $1/out", 0, "{}"), 0);
	assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
	assert_out("SigBlk:0000000000000000\n");
}

static void hooks_run_in_their_order_until_one_fails(void **state)
{
	struct script a, b, c;
	struct oci_hook v[3];
	const struct oci_hooks list = { v, 3 };

	(void)state;
	v[0] = *script(&a, "echo a >> $1/out", 0);
	v[1] = *script(&b, "echo b >> $1/out; exit 3", 0);
	v[2] = *script(&c, "echo c >> $1/out", 0);
	assert_int_equal(hooks_run(&list, "poststart", "{}", &err), -EPROTO);
	assert_out("a\nb\n");
	assert_string_equal(err.msg,
			    "error running poststart hook #1 (/bin/sh): hook failed: exit status 3, output: ");
	assert_int_equal(hooks_run(&(struct oci_hooks){ NULL, 0 }, "x", "{}", &err), 0);
}

static void the_end_of_the_output_is_in_the_message_without_control_characters(void **state)
{
	(void)state;
	assert_int_equal(run_script("echo out; printf 'e\\033[31m\\177x\\n' >&2; exit 1", 0, "{}"), -EPROTO);
	assert_non_null(strstr(err.msg, "exit status 1, output: out e [31m x "));
	/* only the end of much */
	assert_int_equal(run_script("i=0; while [ $i -lt 500 ]; do echo line$i; i=$((i+1)); done; exit 1", 0,
				    "{}"),
			 -EPROTO);
	assert_non_null(strstr(err.msg, "line499"));
	assert_null(strstr(err.msg, "line1 "));
	assert_true(strlen(err.msg) < 800);
}

static void other_ends_are_told_apart(void **state)
{
	struct oci_hook h = { .path = "/no/such/hook" };
	const struct oci_hooks list = { &h, 1 };

	(void)state;
	assert_int_equal(hooks_run(&list, "x", "{}", &err), -EPROTO);
	assert_non_null(strcasestr(
		err.msg, "x hook #0 (/no/such/hook): hook failed: exit status 127, output: no such file"));
	assert_int_equal(run_script("kill -TERM $$", 0, "{}"), -EPROTO);
	assert_non_null(strstr(err.msg, "hook was killed by signal 15"));
}

static void a_hook_past_its_timeout_is_killed_with_its_children(void **state)
{
	double start = seconds();

	(void)state;
	assert_int_equal(run_script("sleep 30 & echo started > $1/out; sleep 30; echo late > $1/out", 1, "{}"),
			 -ETIMEDOUT);
	assert_true(seconds() - start > 0.9 && seconds() - start < 10);
	assert_non_null(strstr(err.msg, "hook ran past its timeout of 1 s and was killed"));
	assert_out("started\n");
	if (!all_gone()) {
		kill_children();
		fail_msg("a child of the hook was left");
	}
	/* one that is in time is left alone */
	assert_int_equal(run_script("true", 5, "{}"), 0);
}

/* 4294968 s are 704 ms when an int of milliseconds overflows, 2147484 s less than nothing. */
static void a_timeout_of_weeks_is_not_a_short_one(void **state)
{
	(void)state;
	assert_int_equal(run_script("sleep 1", 4294968, "{}"), 0);
	assert_int_equal(run_script("true", INT32_MAX, "{}"), 0);
}

/* ---- beside other work ---- */

static int start(const char *first, const char *second, const char *cwd, int mntns, struct hook_runner *ret)
{
	static struct script a, b;
	static struct oci_hooks one, two, none;
	const struct oci_hooks *const lists[] = { &one, &none, &two };
	static const char *const names[] = { "prestart", "nothing", "createRuntime" };

	one = (struct oci_hooks){ script(&a, first, 0), 1 };
	two = (struct oci_hooks){ script(&b, second, 0), 1 };
	return hooks_start(lists, names, 3, "{\"s\":1}", mntns, cwd, ret, &err);
}

static void lists_run_one_after_the_other_in_the_bundle(void **state)
{
	struct hook_runner h;

	(void)state;
	assert_int_equal(start("sleep 0.2; pwd >> $1/out", "cat >> $1/out", top, -EBADF, &h), 0);
	assert_true(h.pid > 0 && h.fd >= 0);
	assert_int_equal(hooks_wait(&h, &err), 0);
	assert_true(h.pid == 0 && h.fd == -EBADF);
	{
		_cleanup_free_ char *want = NULL;

		assert_true(asprintf(&want, "%s\n{\"s\":1}", top) > 0);
		assert_out(want);
	}
	assert_int_equal(hooks_wait(&h, &err), 0); /* nothing to wait for */
	hooks_cancel(&h);
	assert_true(all_gone());
}

static void the_first_failure_is_reported(void **state)
{
	struct hook_runner h;

	(void)state;
	assert_int_equal(start("echo why; exit 9", "echo second > $1/out", top, -EBADF, &h), 0);
	assert_int_equal(hooks_wait(&h, &err), -EPROTO);
	assert_string_equal(err.msg,
			    "error running prestart hook #0 (/bin/sh): hook failed: exit status 9, output: why ");
	assert_int_equal(faccessat(top_fd, "out", F_OK, 0), -1);
	assert_int_equal(start("true", "exit 4", top, -EBADF, &h), 0);
	assert_int_equal(hooks_wait(&h, &err), -EPROTO);
	assert_non_null(strstr(err.msg, "createRuntime hook #0"));

	assert_int_equal(start("true", "true", "/no/such/bundle", -EBADF, &h), 0);
	assert_int_equal(hooks_wait(&h, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "enter /no/such/bundle"));
	assert_int_equal(start("true", "true", NULL, top_fd, &h), 0);
	assert_int_equal(hooks_wait(&h, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "enter the runtime's mount namespace"));
}

static void without_hooks_nothing_is_started(void **state)
{
	struct oci_hooks none = { 0 };
	const struct oci_hooks *const lists[] = { &none };
	static const char *const names[] = { "x" };
	struct hook_runner h = { .pid = 4711, .fd = 0 };

	(void)state;
	assert_int_equal(hooks_start(lists, names, 1, "{}", -EBADF, NULL, &h, &err), 0);
	assert_true(h.pid == 0 && h.fd == -EBADF);
	assert_int_equal(hooks_wait(&h, &err), 0);
}

static void a_runner_that_dies_is_a_failure(void **state)
{
	struct hook_runner h;

	(void)state;
	assert_int_equal(start("kill -KILL $PPID", "true", NULL, -EBADF, &h), 0);
	assert_int_equal(hooks_wait(&h, &err), -EPROTO);
	assert_string_equal(err.msg, "the process that runs hooks died");
	assert_true(all_gone());
}

static void cancelling_kills_the_hook_that_runs(void **state)
{
	struct hook_runner h;
	double begin = seconds();
	struct stat st;

	(void)state;
	assert_int_equal(start("echo started > $1/out; exec sleep 30", "echo second > $1/out", top, -EBADF, &h),
			 0);
	while ((fstatat(top_fd, "out", &st, 0) < 0 || st.st_size == 0) && seconds() - begin < 5)
		(void)usleep(1000);
	hooks_cancel(&h);
	assert_true(h.pid == 0 && h.fd == -EBADF);
	if (!all_gone()) {
		kill_children();
		fail_msg("the hook goes on");
	}
	assert_true(seconds() - begin < 10);
	assert_out("started\n");
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest rows[] = {
		ROW(a_hook_gets_the_state_on_stdin_and_its_own_environment_only),
		ROW(a_state_that_is_larger_than_a_pipe_arrives_whole),
		ROW(arguments_are_given_as_they_are),
		ROW(signals_are_not_blocked_in_a_hook),
		ROW(hooks_run_in_their_order_until_one_fails),
		ROW(the_end_of_the_output_is_in_the_message_without_control_characters),
		ROW(other_ends_are_told_apart),
		ROW(a_hook_past_its_timeout_is_killed_with_its_children),
		ROW(a_timeout_of_weeks_is_not_a_short_one),
		ROW(lists_run_one_after_the_other_in_the_bundle),
		ROW(the_first_failure_is_reported),
		ROW(without_hooks_nothing_is_started),
		ROW(a_runner_that_dies_is_a_failure),
		ROW(cancelling_kills_the_hook_that_runs),
	};

	return cmocka_run_group_tests(rows, group_setup, group_teardown);
}
