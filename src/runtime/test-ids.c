/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of id ranges: in a directory of its own, with an /etc of its own and the real /proc. Needs root. */
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

#include "codec/idtext.h"
#include "runtime/ids.h"
#include "sys/test-dir.h"

/* Ids that nobody on a test machine has. */
#define FIRST	 1500000000u
#define RANGE(i) (FIRST + (uint32_t)(i)*ID_RANGE)

static char top[] = "/tmp/caisson-test-XXXXXX";
static int top_fd = -EBADF, etc_fd = -EBADF, own_fd = -EBADF, proc_fd = -EBADF, ids_fd = -EBADF;
static struct err err;

/* Each test starts with an empty registry, an empty /etc and no owners. */
static int setup(void **state)
{
	char path[64];

	(void)state;
	memcpy(top + strlen(top) - 6, "XXXXXX", 6);
	err = (struct err){ 0 };
	if (test_dir_make(top, false) < 0)
		return -1;
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(top_fd, "etc", 0755) < 0 || mkdirat(top_fd, "own", 0755) < 0 ||
	    mkdirat(top_fd, "claims", 0755) < 0)
		return -1;
	etc_fd = openat(top_fd, "etc", O_PATH | O_CLOEXEC);
	own_fd = openat(top_fd, "own", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	(void)snprintf(path, sizeof path, "%s/ids", top);
	ids_fd = ids_open(path, &err);
	return ids_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	int *const fds[] = { &top_fd, &etc_fd, &own_fd, &proc_fd, &ids_fd };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		*fds[i] = fd_close(*fds[i]);
	test_dir_drop(top);
	return access(top, F_OK) == 0 ? -1 : 0;
}

/* The path of owner @name; its directory is made. */
static const char *owner(const char *name)
{
	static char path[8][96];
	static unsigned i;

	i = (i + 1) % 8;
	(void)snprintf(path[i], sizeof path[i], "%s/own/%s", top, name);
	if (mkdir(path[i], 0700) < 0 && errno != EEXIST)
		fail_msg("mkdir %s", path[i]);
	return path[i];
}

static int alloc(uint32_t count, const char *who, uint32_t *ret)
{
	const struct ids_pool pool = { FIRST, count };

	return ids_alloc(ids_fd, proc_fd, etc_fd, &pool, who, ret, &err);
}

static void assert_gets(uint32_t count, const char *name, uint32_t want)
{
	uint32_t base = 0;
	int r = alloc(count, owner(name), &base);

	if (r != 0 || base != want)
		fail_msg("%s got %d, range %u, not range %u: %s", name, r, (base - FIRST) / ID_RANGE,
			 (want - FIRST) / ID_RANGE, err.msg);
}

/* The last scan of processes is too old to be believed. */
static void age_scan(long seconds)
{
	const struct timespec t[2] = { { .tv_sec = time(NULL) - seconds }, { .tv_sec = time(NULL) - seconds } };

	assert_int_equal(utimensat(ids_fd, "foreign", t, 0), 0);
}

/* Somebody who runs with these ids, until kill_and_reap(). */
static pid_t somebody(uint32_t uid, uint32_t gid)
{
	int fds[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		CHILD_CHECK(setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		CHILD_CHECK(write(fds[1], "r", 1) == 1);
		for (;;)
			(void)pause();
	}
	(void)close(fds[1]);
	assert_int_equal(read(fds[0], &c, 1), 1);
	(void)close(fds[0]);
	return pid;
}

static void kill_and_reap(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void the_registry_belongs_to_root_alone(void **state)
{
	char path[64];
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(fstat(ids_fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_true(fcntl(ids_fd, F_GETFD) & FD_CLOEXEC);
	(void)snprintf(path, sizeof path, "%s/ids", top);
	fd = ids_open(path, &err); /* there already */
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(chmod(path, 0720), 0);
	assert_int_equal(ids_open(path, &err), -EPERM);
	assert_non_null(strstr(err.msg, path));
	assert_int_equal(chmod(path, 0702), 0);
	assert_int_equal(ids_open(path, &err), -EPERM);
	assert_int_equal(chmod(path, 0700), 0);
	assert_int_equal(chown(path, 1000, 0), 0);
	assert_int_equal(ids_open(path, &err), -EPERM);
	assert_non_null(strstr(err.msg, "must belong to root"));
	assert_int_equal(chown(path, 0, 0), 0);
	assert_int_equal(symlinkat("ids", top_fd, "link"), 0);
	(void)snprintf(path, sizeof path, "%s/link", top);
	assert_true(ids_open(path, &err) < 0);
	(void)snprintf(path, sizeof path, "%s/no/such", top);
	assert_int_equal(ids_open(path, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "make id registry"));
}

static void ranges_go_out_lowest_first_and_each_once(void **state)
{
	char name[16];

	(void)state;
	for (int i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof name, "c%d", i);
		assert_gets(300, name, RANGE(i));
	}
	assert_int_equal(ids_free(ids_fd, RANGE(7), owner("c7"), &err), 0);
	assert_int_equal(ids_free(ids_fd, RANGE(3), owner("c3"), &err), 0);
	assert_gets(300, "again1", RANGE(3));
	assert_gets(300, "again2", RANGE(7));
	assert_gets(300, "again3", RANGE(200));
}

static void an_exhausted_pool_says_so_with_the_cure(void **state)
{
	uint32_t base = 4711;

	(void)state;
	assert_gets(2, "a", RANGE(0));
	assert_gets(2, "b", RANGE(1));
	assert_int_equal(alloc(2, owner("c"), &base), -EAGAIN);
	assert_int_equal(base, 4711);
	assert_string_equal(
		err.msg, "no free id range: all 2 ranges of 65536 ids from 1500000000 on are in use or belong to "
			 "other accounts; delete containers or enlarge caisson.idPool in the settings");
	assert_int_equal(ids_free(ids_fd, RANGE(0), owner("a"), &err), 0);
	assert_gets(2, "c", RANGE(0));
}

/* Each row: one file of /etc with one line; which of the first three ranges are left alone. */
static void ids_of_accounts_and_their_subordinate_ranges_are_skipped(void **state)
{
	static const struct {
		const char *file, *line;
		bool skipped[3];
	} rows[] = {
		{ "passwd", "u:x:1500000000:5::/:/bin/sh\n", { true } },
		{ "passwd", "u:x:1500065535:5::/:/bin/sh\n", { true } },
		{ "passwd", "u:x:1500065536:5::/:/bin/sh\n", { false, true } },
		{ "passwd", "u:x:1499999999:1500000000::/:/bin/sh\n", { false } },
		{ "group", "g:x:1500131072:\n", { false, false, true } },
		{ "group", "g:x:1500196608:\n", { false } }, /* behind the pool */
		{ "subuid", "u:1500000000:65536\n", { true } },
		{ "subuid", "u:1499999999:1\n", { false } },
		{ "subuid", "u:1499999999:2\n", { true } },
		{ "subuid", "u:1500065535:2\n", { true, true } },
		{ "subuid", "u:1500000000:0\n", { false } },
		{ "subuid", "u:0:4294967295\n", { true, true, true } },
		{ "subgid", "u:1500065536:100\nv:1500131072:1\n", { false, true, true } },
		{ "subgid", "caisson:1500000000:655360\n", { false } }, /* that is us */
		{ "subuid", "caisson:1500000000:65536\ncaissonx:1500065536:1\n", { false, true } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t base;

		assert_int_equal(test_put(etc_fd, rows[i].file, rows[i].line), 0);
		for (int k = 0; k < 3; k++) {
			if (rows[i].skipped[k])
				continue;
			assert_int_equal(alloc(3, owner("a"), &base), 0);
			if (base != RANGE(k))
				fail_msg("row %zu (%s): range %u, not %d", i, rows[i].file,
					 (base - FIRST) / ID_RANGE, k);
		}
		assert_int_equal(alloc(3, owner("a"), &base), -EAGAIN);
		for (int k = 0; k < 3; k++)
			assert_int_equal(ids_free(ids_fd, RANGE(k), owner("a"), &err), 0);
		assert_int_equal(unlinkat(etc_fd, rows[i].file, 0), 0);
	}
}

static void accounts_that_cannot_be_read_stop_everything(void **state)
{
	static const char *const files[] = { "passwd", "group", "subuid", "subgid" };
	uint32_t base;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char want[64];

		assert_int_equal(mkdirat(etc_fd, files[i], 0755), 0);
		assert_int_equal(alloc(3, owner("a"), &base), -EISDIR);
		(void)snprintf(want, sizeof want, "read /etc/%s: ", files[i]);
		assert_non_null(strstr(err.msg, want));
		assert_int_equal(unlinkat(etc_fd, files[i], AT_REMOVEDIR), 0);
	}
}

static void a_range_with_a_running_process_is_skipped(void **state)
{
	pid_t by_uid = somebody(RANGE(0) + 77, 100), by_gid = somebody(0, RANGE(1) + 65535);
	pid_t by_root;

	(void)state;
	assert_gets(6, "a", RANGE(2));
	/* The scan is young: only the root of each range is looked for again. */
	by_root = somebody(RANGE(3), 100);
	assert_gets(6, "b", RANGE(4));
	kill_and_reap(by_uid);
	kill_and_reap(by_gid);
	kill_and_reap(by_root);
	assert_gets(6, "c", RANGE(3));
	age_scan(60);
	assert_gets(6, "d", RANGE(0));
	assert_gets(6, "e", RANGE(1));
}

static void processes_are_looked_at_again_after_five_seconds_or_when_the_clock_went_back(void **state)
{
	pid_t pid;

	(void)state;
	assert_gets(9, "a", RANGE(0));
	pid = somebody(RANGE(1) + 1, 100);
	age_scan(7);
	assert_gets(9, "b", RANGE(2));
	kill_and_reap(pid);
	pid = somebody(RANGE(3) + 1, 100);
	age_scan(-100);
	assert_gets(9, "c", RANGE(1));
	assert_gets(9, "d", RANGE(4));
	kill_and_reap(pid);
}

static void ranges_of_dead_owners_are_taken_back_when_nothing_else_is_left(void **state)
{
	uint32_t base;

	(void)state;
	assert_gets(3, "a", RANGE(0));
	assert_gets(3, "b", RANGE(1));
	assert_int_equal(rmdir(owner("a")), 0);
	assert_gets(3, "c", RANGE(2)); /* there still is a free one */
	assert_gets(3, "d", RANGE(0));
	assert_int_equal(alloc(3, owner("e"), &base), -EAGAIN);
	/* with two owners, both must be gone */
	assert_int_equal(ids_share(ids_fd, RANGE(1), owner("b2"), NULL, NULL, &err), 0);
	assert_int_equal(rmdir(owner("b")), 0);
	assert_int_equal(alloc(3, owner("e"), &base), -EAGAIN);
	assert_int_equal(rmdir(owner("b2")), 0);
	assert_gets(3, "e", RANGE(1));
}

/* The directory of its owner is gone, but something in it lives on: another container must not get its files and signals. */
static void a_dead_owners_range_is_not_taken_back_while_a_process_has_its_ids(void **state)
{
	uint32_t base = 0;
	pid_t pid;
	int r;

	(void)state;
	assert_gets(2, "a", RANGE(0));
	assert_gets(2, "b", RANGE(1));
	pid = somebody(RANGE(0) + 33, 100);
	assert_int_equal(rmdir(owner("a")), 0);
	r = alloc(2, owner("c"), &base);
	kill_and_reap(pid);
	assert_int_equal(r, -EAGAIN);
	age_scan(60);
	assert_gets(2, "c", RANGE(0));
}

static void a_registry_file_that_cannot_be_understood_is_never_handed_out(void **state)
{
	static const char *const texts[] = { "nonsense\n", "owner relative\n", "owner /no/such\nx\n", "\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		uint32_t base;

		assert_int_equal(test_put(ids_fd, "1500000000", texts[i]), 0);
		assert_int_equal(alloc(1, owner("a"), &base), -EAGAIN);
	}
	assert_int_equal(unlinkat(ids_fd, "1500000000", 0), 0);
	assert_int_equal(mkdirat(ids_fd, "1500000000", 0700), 0);
	assert_int_equal(alloc(1, owner("a"), &(uint32_t){ 0 }), -EAGAIN);
}

static void assert_owners(uint32_t base, const char *const *want)
{
	char **owners;
	size_t n = 0;

	assert_int_equal(ids_owners(ids_fd, base, &owners, &err), 0);
	for (; want[n]; n++) {
		assert_non_null(owners[n]);
		assert_string_equal(owners[n], want[n]);
	}
	assert_null(owners[n]);
	free(owners);
}

static void owners_share_a_range_and_the_last_one_frees_it(void **state)
{
	(void)state;
	assert_gets(5, "a", RANGE(0));
	assert_int_equal(ids_share(ids_fd, RANGE(0), owner("b"), NULL, NULL, &err), 0);
	assert_int_equal(ids_share(ids_fd, RANGE(0), owner("c"), NULL, NULL, &err), 0);
	assert_int_equal(ids_share(ids_fd, RANGE(0), owner("b"), NULL, NULL, &err), 0); /* once, however often */
	assert_owners(RANGE(0), (const char *const[]){ "a", "c", "b", NULL });
	assert_int_equal(ids_free(ids_fd, RANGE(0), owner("a"), &err), 0);
	assert_int_equal(ids_free(ids_fd, RANGE(0), owner("a"), &err), 0);
	assert_int_equal(ids_free(ids_fd, RANGE(0), owner("stranger"), &err), 0);
	assert_owners(RANGE(0), (const char *const[]){ "c", "b", NULL });
	assert_gets(5, "d", RANGE(1));
	assert_int_equal(ids_free(ids_fd, RANGE(0), owner("b"), &err), 0);
	assert_int_equal(ids_free(ids_fd, RANGE(0), owner("c"), &err), 0);
	assert_int_equal(ids_owners(ids_fd, RANGE(0), &(char **){ NULL }, &err), -ENOENT);
	assert_int_equal(ids_share(ids_fd, RANGE(0), owner("x"), NULL, NULL, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "1500000000"));
	assert_int_equal(ids_free(ids_fd, RANGE(0), owner("x"), &err), 0);
	assert_gets(5, "e", RANGE(0));
}

static void an_owner_is_forgotten_wherever_it_is(void **state)
{
	(void)state;
	assert_gets(5, "a", RANGE(0));
	assert_gets(5, "b", RANGE(1));
	assert_gets(5, "a", RANGE(2)); /* a create that was killed and done again */
	assert_int_equal(ids_share(ids_fd, RANGE(1), owner("a"), NULL, NULL, &err), 0);
	assert_int_equal(ids_forget(ids_fd, owner("a"), &err), 0);
	assert_int_equal(ids_forget(ids_fd, owner("a"), &err), 0);
	assert_owners(RANGE(1), (const char *const[]){ "b", NULL });
	assert_gets(5, "c", RANGE(0));
	assert_gets(5, "d", RANGE(2));
}

/* ---- kill -9 at any time ---- */

#define CRASH_POOL 8
#define WORKERS	   3
#define KILLS	   300

/* Who believes to hold @base says so in claims/@base. A second one is a violation unless the first one's owner is gone. */
static void claim(uint32_t base, const char *who)
{
	char name[32], old[128];
	ssize_t n;

	(void)snprintf(name, sizeof name, "claims/%u", base);
	while (symlinkat(who, top_fd, name) < 0) {
		CHILD_CHECK(errno == EEXIST);
		n = readlinkat(top_fd, name, old, sizeof old - 1);
		if (n < 0)
			continue;
		old[n] = '\0';
		if (access(old, F_OK) == 0) {
			CHILD_CHECK(symlinkat(old, top_fd, "violation") == 0 || errno == EEXIST);
			dprintf(2, "%u: given to %s, while %s has it\n", base, who, old);
			_exit(1);
		}
		(void)unlinkat(top_fd, name, 0);
	}
}

static void unclaim(uint32_t base)
{
	char name[32];

	(void)snprintf(name, sizeof name, "claims/%u", base);
	(void)unlinkat(top_fd, name, 0);
}

static void __attribute__((noreturn)) crash_worker(void)
{
	const struct ids_pool pool = { FIRST, CRASH_POOL };

	for (unsigned n = 0;; n++) {
		char who[96], partner[96];
		uint32_t base;
		int r;

		(void)snprintf(who, sizeof who, "%s/own/%d-%u", top, (int)getpid(), n);
		(void)snprintf(partner, sizeof partner, "%s/own/%d-%u-b", top, (int)getpid(), n);
		CHILD_CHECK(mkdir(who, 0700) == 0);
		r = ids_alloc(ids_fd, proc_fd, etc_fd, &pool, who, &base, NULL);
		CHILD_CHECK(r == 0 || r == -EAGAIN);
		if (r == 0) {
			claim(base, who);
			if (n % 3 == 0) {
				CHILD_CHECK(mkdir(partner, 0700) == 0);
				CHILD_CHECK(ids_share(ids_fd, base, partner, NULL, NULL, NULL) == 0);
				CHILD_CHECK(ids_free(ids_fd, base, partner, NULL) == 0);
				CHILD_CHECK(rmdir(partner) == 0);
			}
			unclaim(base);
			CHILD_CHECK(ids_free(ids_fd, base, who, NULL) == 0);
		}
		CHILD_CHECK(rmdir(who) == 0);
	}
}

static pid_t start_worker(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		crash_worker();
	return pid;
}

static int entries(int dir, bool (*match)(const char *, void *), void *arg)
{
	_cleanup_closedir_ DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *ent;
	int n = 0;

	assert_non_null(d);
	while ((ent = readdir(d)))
		n += strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0 && match(ent->d_name, arg);
	return n;
}

/* @arg: of this process; NULL: of all */
static bool remove_of_pid(const char *name, void *arg)
{
	const pid_t *pid = arg;

	return (!pid || strtol(name, NULL, 10) == *pid) && unlinkat(own_fd, name, AT_REMOVEDIR) == 0;
}

static bool is_temporary(const char *name, void *arg)
{
	(void)arg;
	return name[0] == '.' && strcmp(name, ".lock") != 0;
}

/* Count how often a living owner appears anywhere; more than once is an overlap. */
static bool check_slot(const char *name, void *arg)
{
	_cleanup_free_ char *text = NULL;
	const char *who;
	char *cursor;
	int r;

	(void)arg;
	if (name[0] < '0' || name[0] > '9')
		return false;
	assert_int_equal(io_read_at(ids_fd, name, 65536, &text, NULL), 0);
	cursor = text;
	while ((r = idtext_next_slot_owner(&cursor, &who)) > 0)
		if (access(who, F_OK) == 0) {
			char seen[128];

			(void)snprintf(seen, sizeof seen, "claims/seen-%s", strrchr(who, '/') + 1);
			if (symlinkat(name, top_fd, seen) < 0)
				fail_msg("%s has more than one range", who);
		}
	assert_int_equal(r, 0); /* whole lines only */
	return true;
}

static void a_kill_at_any_time_leaves_a_sound_registry(void **state)
{
	unsigned seed = (unsigned)getpid() ^ (unsigned)time(NULL), temporary = 0;
	pid_t worker[WORKERS];
	struct stat st;

	(void)state;
	for (int i = 0; i < WORKERS; i++)
		worker[i] = start_worker();
	for (int n = 0; n < KILLS; n++) {
		int i = n % WORKERS, status;

		(void)usleep((useconds_t)rand_r(&seed) % 8000);
		assert_int_equal(kill(worker[i], SIGKILL), 0);
		assert_int_equal(waitpid(worker[i], &status, 0), worker[i]);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL); /* it had not given up before */
		/* Some of the dead stay for a while, like containers whose create was killed. */
		if (rand_r(&seed) % 4 != 0)
			(void)entries(own_fd, remove_of_pid, &worker[i]);
		worker[i] = start_worker();
	}
	for (int i = 0; i < WORKERS; i++)
		kill_and_reap(worker[i]);
	assert_int_equal(fstatat(top_fd, "violation", &st, AT_SYMLINK_NOFOLLOW), -1);
	(void)entries(ids_fd, check_slot, NULL);

	/* All of them gone: everything comes back, and nothing that they left stays. */
	(void)entries(own_fd, remove_of_pid, NULL);
	for (int i = 0; i < CRASH_POOL; i++) {
		char name[16];
		uint32_t base;

		(void)snprintf(name, sizeof name, "final%d", i);
		assert_int_equal(alloc(CRASH_POOL, owner(name), &base), 0);
	}
	temporary = (unsigned)entries(ids_fd, is_temporary, NULL);
	if (temporary > 0)
		fail_msg("%u temporary files piled up after %d kills", temporary, KILLS);
}

/* What a kill in the middle of a write leaves, without having to hit that moment. */
static void the_next_allocation_clears_temporary_files_of_the_dead(void **state)
{
	static const char *const names[] = { ".1500000000.1", ".foreign.99", ".1500065536.4194304" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(test_put(ids_fd, names[i], "owner /"), 0);
	assert_gets(3, "a", RANGE(0));
	assert_int_equal(entries(ids_fd, is_temporary, NULL), 0);
	assert_int_equal(faccessat(ids_fd, ".lock", F_OK, 0), 0);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest rows[] = {
		ROW(the_registry_belongs_to_root_alone),
		ROW(ranges_go_out_lowest_first_and_each_once),
		ROW(an_exhausted_pool_says_so_with_the_cure),
		ROW(ids_of_accounts_and_their_subordinate_ranges_are_skipped),
		ROW(accounts_that_cannot_be_read_stop_everything),
		ROW(a_range_with_a_running_process_is_skipped),
		ROW(processes_are_looked_at_again_after_five_seconds_or_when_the_clock_went_back),
		ROW(ranges_of_dead_owners_are_taken_back_when_nothing_else_is_left),
		ROW(a_dead_owners_range_is_not_taken_back_while_a_process_has_its_ids),
		ROW(a_registry_file_that_cannot_be_understood_is_never_handed_out),
		ROW(owners_share_a_range_and_the_last_one_frees_it),
		ROW(an_owner_is_forgotten_wherever_it_is),
		ROW(a_kill_at_any_time_leaves_a_sound_registry),
		ROW(the_next_allocation_clears_temporary_files_of_the_dead),
	};

	if (geteuid() != 0) {
		print_message("skipped: the registry is root's\n");
		return 77;
	}
	return cmocka_run_group_tests(rows, NULL, NULL);
}
