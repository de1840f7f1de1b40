/* SPDX-License-Identifier: Apache-2.0 */
/* State directories: made, found, locked, damaged, left behind by a killed create, removed. Needs root. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <time.h>

#include <cmocka.h>

#include "runtime/container.h"
#include "runtime/ids.h"
#include "runtime/start.h"
#include "sys/test-dir.h"

#define FIRST 1600000000u

static char top[] = "/tmp/caisson-test-XXXXXX", root[64], ids_path[64];
static struct runtime rt;
static struct err err;
static struct cgroup *test_group; /* of this test */

static void no_warning(const char *text)
{
	(void)text;
}

static int setup(void **state)
{
	(void)state;
	memcpy(top + strlen(top) - 6, "XXXXXX", 6);
	err = (struct err){ 0 };
	if (test_dir_make(top, false) < 0)
		return -1;
	/* neither --root nor what is above it exists at first */
	(void)snprintf(root, sizeof root, "%s/a/b", top);
	(void)snprintf(ids_path, sizeof ids_path, "%s/ids", top);
	rt = (struct runtime){
		.root = root,
		.ids_path = ids_path,
		.proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC),
		.etc_fd = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC),
		.warn = no_warning,
	};
	return rt.proc_fd < 0 || rt.etc_fd < 0 ? -1 : 0;
}

/* What a failed test left in its groups, frozen perhaps. */
static void drop_group(void)
{
	if (!test_group)
		return;
	(void)cgroup_freeze(test_group, false, NULL);
	(void)cgroup_kill(test_group, SIGKILL, NULL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	(void)cgroup_destroy(test_group, NULL);
	cgroup_free(test_group);
	test_group = NULL;
}

static int teardown(void **state)
{
	(void)state;
	drop_group();
	(void)fd_close(rt.proc_fd);
	(void)fd_close(rt.etc_fd);
	test_dir_drop(top);
	return access(top, F_OK) == 0 ? -1 : 0;
}

/* ---- what the tests are made of ---- */

static const char *path_of(const char *id, const char *name)
{
	static char path[4][160];
	static unsigned i;

	i = (i + 1) % 4;
	(void)snprintf(path[i], sizeof path[i], "%s/%s%s%s", root, id, *name ? "/" : "", name);
	return path[i];
}

static bool there(const char *id, const char *name)
{
	return access(path_of(id, name), F_OK) == 0;
}

/* A new container with the members that a state needs; still locked and creating. */
static void begin(const char *id, struct container *c)
{
	if (container_new(&rt, id, c, &err) != 0)
		fail_msg("%s: %s", id, err.msg);
	c->bundle = strdup("/some/bundle");
	c->created = strdup("2026-01-02T03:04:05.000000006Z");
	c->rootfs = strdup("/some/rootfs");
	assert_true(c->creating);
}

/* As the last stage of create. */
static void finish(struct container *c)
{
	c->creating = false;
	assert_int_equal(container_save(c, &err), 0);
	assert_true(unlinkat(c->dir_fd, "creating.json", 0) == 0 || errno == ENOENT);
}

static void make_finished(const char *id)
{
	struct container c;

	begin(id, &c);
	finish(&c);
	container_done(&c);
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	return pid;
}

/* Let @c be the container of this process. */
static void adopt(struct container *c, pid_t pid)
{
	assert_int_equal(pidref_open(rt.proc_fd, pid, 0, &c->init), 0);
	c->init_pid = pid;
	c->init_start = c->init.start;
}

static int load(const char *id, bool lock, struct container *ret)
{
	return container_load(&rt, id, lock, ret, &err);
}

static void assert_missing(const char *id)
{
	struct container c;

	assert_int_equal(load(id, false, &c), -ENOENT);
	assert_string_equal(err.msg, "container does not exist");
}

/* ---- ids and names ---- */

static void container_ids_follow_runcs_rule(void **state)
{
	static const char *const good[] = { "a", "A-z_0.9+x", "...", "-", "+", ".a", "0" };
	static const char *const bad[] = {
		"", ".", "..", "a/b", "/", "a b", "a\n", "a:b", "\xc3\xa4", "a*", "a@b"
	};
	char longest[1026];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(container_check_id(good[i], &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct container c;

		assert_int_equal(container_check_id(bad[i], &err), -EINVAL);
		assert_int_equal(container_new(&rt, bad[i], &c, &err), -EINVAL);
		assert_int_equal(load(bad[i], false, &c), -EINVAL);
	}
	memset(longest, 'x', 1025);
	longest[1025] = '\0';
	assert_int_equal(container_check_id(longest, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "at most 1024"));
	longest[1024] = '\0';
	assert_int_equal(container_check_id(longest, &err), 0);
}

/* ---- round trip ---- */

static void what_is_saved_is_loaded(void **state)
{
	struct container c, d;
	struct stat st;

	(void)state;
	begin("c1", &c);
	assert_int_equal(stat(path_of("c1", ""), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(root, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	c.cgroups_path = strdup("/x/y");
	c.base = 4000000000u;
	c.init_pid = 0x7ffffff0; /* nobody */
	c.init_start = 123456789012;
	c.rootfs_dev = 77;
	c.engine_dev = 78;
	c.annotations = json_pack("{s:s}", "k", "v");
	c.cgroup_saved = json_pack("{s:i}", "any", 1);
	c.delegated = c.has_poststop = true;
	assert_int_equal(container_save(&c, &err), 0);
	assert_true(there("c1", "creating.json") && !there("c1", "state.json"));
	finish(&c);
	assert_true(there("c1", "state.json") && !there("c1", "creating.json"));
	assert_int_equal(stat(path_of("c1", "state.json"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);

	for (int lock = 0; lock < 2; lock++) {
		assert_int_equal(load("c1", false, &d), 0); /* not hindered by the lock */
		assert_string_equal(d.id, "c1");
		assert_string_equal(d.dir, path_of("c1", ""));
		assert_string_equal(d.bundle, "/some/bundle");
		assert_string_equal(d.rootfs, "/some/rootfs");
		assert_string_equal(d.created, c.created);
		assert_string_equal(d.cgroups_path, "/x/y");
		assert_true(d.base == 4000000000u && d.init_pid == 0x7ffffff0 && d.init_start == 123456789012);
		assert_true(d.rootfs_dev == 77 && d.engine_dev == 78);
		assert_true(d.delegated && d.has_poststop && !d.has_poststart && !d.systemd_cgroup && !d.creating);
		assert_true(json_equal(d.annotations, c.annotations) &&
			    json_equal(d.cgroup_saved, c.cgroup_saved));
		assert_true(d.init.fd == -EBADF); /* dead */
		container_done(&d);
		assert_true(d.dir_fd == -EBADF && !d.id);
	}
	container_done(&c);
}

static void init_is_found_again_only_if_it_is_the_same_process(void **state)
{
	struct container c;
	pid_t pid = sleeper();

	(void)state;
	begin("c1", &c);
	adopt(&c, pid);
	c.creating = false;
	assert_int_equal(container_save(&c, &err), 0);
	c.init_start++;
	container_done(&c);
	assert_int_equal(load("c1", true, &c), 0);
	assert_true(c.init.pid == pid && c.init.fd >= 0);
	c.init_start++; /* as if the number had been given to somebody else */
	assert_int_equal(container_save(&c, &err), 0);
	container_done(&c);
	assert_int_equal(load("c1", false, &c), 0);
	assert_int_equal(c.init.fd, -EBADF);
	assert_int_equal(container_status(&c), CONTAINER_STOPPED);
	container_done(&c);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(test_wait(pid), -1);
}

/* ---- locks ---- */

static void a_container_that_is_being_made_does_not_exist_yet(void **state)
{
	struct container c, other;

	(void)state;
	assert_missing("c1");
	begin("c1", &c);
	assert_missing("c1");
	assert_int_equal(container_save(&c, &err), 0);
	assert_missing("c1");
	assert_int_equal(container_new(&rt, "c1", &other, &err), -EEXIST);
	assert_string_equal(err.msg, "container with id exists: c1");
	finish(&c);
	assert_int_equal(load("c1", false, &other), 0);
	container_done(&other);
	container_done(&c);
	/* finished and unlocked, it is still in the way of another */
	assert_int_equal(container_new(&rt, "c1", &other, &err), -EEXIST);
}

static void a_locked_load_waits_for_the_holder(void **state)
{
	struct container c;
	struct timespec a, b;
	int fds[2];
	pid_t pid;
	char x;

	(void)state;
	make_finished("c1");
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		CHILD_CHECK(container_load(&rt, "c1", true, &c, NULL) == 0);
		CHILD_CHECK(write(fds[1], "l", 1) == 1);
		(void)usleep(300000);
		exit(0); /* the kernel drops the lock */
	}
	assert_int_equal(read(fds[0], &x, 1), 1);
	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(load("c1", false, &c), 0); /* without: at once */
	container_done(&c);
	assert_int_equal(load("c1", true, &c), 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 >= 200);
	container_done(&c);
	assert_int_equal(test_wait(pid), 0);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* Whoever waits for the lock while it is removed, and perhaps made anew, must not work on the old directory. */
static void who_waits_while_it_is_deleted_finds_nothing(void **state)
{
	struct container c, d;
	pid_t pid;

	(void)state;
	for (int again = 0; again < 2; again++) {
		make_finished("c1");
		assert_int_equal(load("c1", true, &c), 0);
		pid = fork();
		if (pid == 0) {
			struct err e = { 0 };

			(void)container_done(&c); /* its copy of the lock */
			_exit(container_load(&rt, "c1", true, &d, &e) == -ENOENT &&
					      strcmp(e.msg, "container does not exist") == 0
				      ? 0
				      : 1);
		}
		(void)usleep(100000);
		assert_int_equal(container_destroy(&rt, &c, &err), 0);
		if (again)
			make_finished("c1");
		container_done(&c);
		assert_int_equal(test_wait(pid), 0);
	}
}

/* ---- damage ---- */

static void put_state(const char *id, const char *text, size_t len)
{
	_cleanup_close_ int fd = open(path_of(id, "state.json"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, len), 0);
}

/* Return 1 when it was loaded, 0 when it was refused as it should be. */
static int load_damaged(const char *what, size_t at)
{
	struct container c;
	int r;

	err = (struct err){ 0 };
	r = load("c1", false, &c);
	if (r == 0) {
		container_done(&c);
		return 1;
	}
	if (r != -EPROTO || err.code != EPROTO ||
	    strncmp(err.msg, path_of("c1", "state.json"), strlen(path_of("c1", "state.json"))) != 0 ||
	    !strstr(err.msg, " is damaged: ") || !strstr(err.msg, "delete --force"))
		fail_msg("%s at byte %zu: %d: %s", what, at, r, err.msg);
	return 0;
}

static void a_damaged_state_is_refused_with_file_and_cure(void **state)
{
	_cleanup_free_ char *text = NULL;
	unsigned loaded = 0, refused = 0;
	struct container c;
	size_t len;

	(void)state;
	begin("c1", &c);
	c.creating = false;
	c.base = FIRST;
	c.init_pid = 0x7ffffff0;
	c.init_start = 4711;
	c.annotations = json_pack("{s:s}", "k", "v");
	assert_int_equal(container_save(&c, &err), 0);
	container_done(&c);
	assert_int_equal(io_read_at(AT_FDCWD, path_of("c1", "state.json"), 65536, &text, &len), 0);
	for (size_t i = 0; i < len; i++) {
		put_state("c1", text, i);
		if (load_damaged("cut", i))
			fail_msg("loaded when cut at byte %zu", i);
	}
	for (size_t i = 0; i < len; i++)
		for (int bit = 0; bit < 8; bit++) {
			text[i] = (char)(text[i] ^ 1 << bit);
			put_state("c1", text, len);
			if (load_damaged("flipped", i))
				loaded++; /* another letter in a path cannot be told */
			else
				refused++;
			text[i] = (char)(text[i] ^ 1 << bit);
		}
	assert_true(refused > loaded);
	/* the cure */
	put_state("c1", "{", 1);
	assert_int_equal(container_discard(&rt, "c1", &err), 0);
	assert_missing("c1");
}

static void a_damaged_file_of_a_create_is_named_as_what_it_is(void **state)
{
	struct container c;

	(void)state;
	begin("c1", &c);
	assert_int_equal(test_put(c.dir_fd, "creating.json", "{"), 0);
	container_done(&c);
	assert_int_equal(load("c1", false, &c), -EPROTO);
	assert_non_null(strstr(err.msg, "/c1/creating.json is damaged"));
	assert_int_equal(container_discard(&rt, "c1", &err), 0);
	assert_false(there("c1", ""));
	assert_int_equal(container_discard(&rt, "c1", &err), -ENOENT);
}

/* While `delete --force` of a damaged one waited, another got rid of it and made a new one: that is not ours to remove. */
/* Wait until @pid waits for a lock; proc(5), /proc/locks: "1: -> FLOCK  ADVISORY  WRITE 4711 ..." */
static void wait_for_waiter(pid_t pid)
{
	char want[32];

	(void)snprintf(want, sizeof want, "WRITE %d ", (int)pid);
	for (int i = 0; i < 2000; i++) {
		_cleanup_free_ char *text = NULL;
		char *line;

		assert_int_equal(io_read_at(rt.proc_fd, "locks", 1 << 22, &text, NULL), 0);
		for (char *rest = text; (line = strsep(&rest, "\n"));)
			if (strstr(line, "-> FLOCK") && strstr(line, want))
				return;
		(void)usleep(5000);
	}
	fail_msg("process %d does not wait for a lock", (int)pid);
}

static void discarding_spares_a_container_that_was_made_meanwhile(void **state)
{
	struct container c;
	pid_t pid;

	(void)state;
	make_finished("c1");
	put_state("c1", "{", 1);
	assert_int_equal(mkdir(path_of("other", ""), 0700), 0);
	/* by hand: a damaged one cannot be loaded */
	c = CONTAINER_EMPTY;
	c.dir_fd = open(path_of("c1", ""), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(c.dir_fd, LOCK_EX), 0);
	pid = fork();
	if (pid == 0) {
		(void)fd_close(c.dir_fd);
		_exit(container_discard(&rt, "c1", NULL) == -ENOENT ? 0 : 1);
	}
	wait_for_waiter(pid);
	assert_int_equal(unlink(path_of("c1", "state.json")), 0);
	assert_int_equal(rmdir(path_of("c1", "")), 0);
	assert_int_equal(mkdir(path_of("c1", ""), 0700), 0); /* as container_new() does first */
	(void)fd_close(c.dir_fd);
	assert_int_equal(test_wait(pid), 0);
	assert_true(there("c1", ""));
}

/* ---- what a killed create leaves ---- */

static uint32_t take_range(int ids_fd, const char *id)
{
	const struct ids_pool pool = { FIRST, 4 };
	uint32_t base;

	assert_int_equal(ids_alloc(ids_fd, rt.proc_fd, rt.etc_fd, &pool, path_of(id, ""), &base, &err), 0);
	return base;
}

static bool range_is_taken(int ids_fd, uint32_t base)
{
	char name[16];

	(void)snprintf(name, sizeof name, "%u", base);
	return faccessat(ids_fd, name, F_OK, 0) == 0;
}

static void half_made_containers_are_swept_and_others_are_not(void **state)
{
	_cleanup_close_ int ids_fd = ids_open(ids_path, &err);
	struct container empty, part, full, locked, c;
	uint32_t base;
	char group[64];

	(void)state;
	(void)snprintf(group, sizeof group, "/caisson-test-%d", (int)getpid());
	make_finished("finished");
	begin("empty", &empty);
	begin("part", &part);
	assert_int_equal(test_put(part.dir_fd, "config.json", "{}"), 0);
	assert_int_equal(test_put(part.dir_fd, ".creating.json.77", "{"), 0);
	begin("full", &full);
	base = take_range(ids_fd, "full");
	assert_true(range_is_taken(ids_fd, base));
	full.base = base;
	full.cgroups_path = strdup(group);
	assert_int_equal(container_save(&full, &err), 0);
	assert_int_equal(test_put(full.dir_fd, "config.json", "{}"), 0);
	{
		_cleanup_close_ int fd = start_listen(full.dir_fd, &err);

		assert_true(fd >= 0);
	}
	begin("locked", &locked);
	container_done(&empty);
	container_done(&part);
	container_done(&full);

	container_sweep(&rt);
	assert_false(there("empty", "") || there("part", "") || there("full", ""));
	assert_false(range_is_taken(ids_fd, base));
	assert_true(there("locked", "")); /* somebody is at it right now */
	assert_true(there("finished", "state.json"));
	container_done(&locked);
	assert_int_equal(load("finished", false, &c), 0);
	container_done(&c);
	/* Its init's death between two steps: the next create of that name clears it away, too. */
	begin("locked", &c);
	container_done(&c);
	container_sweep(&rt);
	assert_false(there("locked", ""));
}

/* The last write was done, but init was not told and ended: no caller has heard of this container. */
static void one_that_was_killed_after_its_last_write_is_swept_once_init_is_gone(void **state)
{
	struct container c;
	pid_t pid = sleeper();

	(void)state;
	begin("c1", &c);
	assert_int_equal(container_save(&c, &err), 0);
	adopt(&c, pid);
	c.creating = false;
	assert_int_equal(container_save(&c, &err), 0);
	container_done(&c);
	container_sweep(&rt);
	assert_true(there("c1", "state.json")); /* init may have been released all the same */
	assert_int_equal(load("c1", false, &c), 0);
	assert_false(c.creating);
	container_done(&c);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(test_wait(pid), -1);
	container_sweep(&rt);
	assert_false(there("c1", ""));
}

/* Killed between taking a range and writing down which. */
static void a_range_that_no_state_tells_of_is_given_back(void **state)
{
	_cleanup_close_ int ids_fd = ids_open(ids_path, &err);
	struct container c;
	uint32_t base;

	(void)state;
	begin("c1", &c);
	base = take_range(ids_fd, "c1");
	assert_int_equal(container_save(&c, &err), 0); /* without it */
	container_done(&c);
	container_sweep(&rt);
	assert_false(there("c1", ""));
	assert_false(range_is_taken(ids_fd, base));
}

static void sweeping_without_a_root_directory_is_fine(void **state)
{
	(void)state;
	container_sweep(&rt);
	assert_int_equal(mkdir(root, 0700), -1);
}

static void a_half_made_one_with_a_living_init_is_ended(void **state)
{
	struct container c;
	pid_t pid = sleeper();
	int status;

	(void)state;
	begin("c1", &c);
	adopt(&c, pid);
	assert_int_equal(container_save(&c, &err), 0);
	container_done(&c);
	begin("c1", &c); /* again */
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	container_done(&c);
}

/* ---- what it is doing ---- */

static void the_status_follows_init_and_its_socket(void **state)
{
	static const char *const names[] = { "creating", "created", "running", "paused", "stopped" };
	struct container c;
	pid_t pid = sleeper();
	int fd;

	(void)state;
	begin("c1", &c);
	assert_int_equal(container_status(&c), CONTAINER_CREATING);
	c.creating = false;
	assert_int_equal(container_status(&c), CONTAINER_STOPPED);
	adopt(&c, pid);
	fd = start_listen(c.dir_fd, &err);
	assert_true(fd >= 0);
	assert_int_equal(container_status(&c), CONTAINER_CREATED);
	(void)close(fd);
	assert_int_equal(container_status(&c), CONTAINER_RUNNING);
	container_done(&c);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(test_wait(pid), -1);
	for (int i = CONTAINER_CREATING; i <= CONTAINER_STOPPED; i++)
		assert_string_equal(container_status_name((enum container_status)i), names[i]);
}

static void assert_json(json_t *o, const char *want)
{
	_cleanup_free_ char *text = json_dumps(o, JSON_COMPACT);

	assert_string_equal(text, want);
	json_decref(o);
}

static void the_state_object_is_what_the_specification_says(void **state)
{
	_cleanup_free_ char *hook = NULL, *stopped = NULL;
	struct container c;

	(void)state;
	begin("c1", &c);
	c.init_pid = 42;
	c.annotations = json_pack("{s:s}", "k", "v");
	assert_json(
		container_state_json(&c, CONTAINER_RUNNING),
		"{\"ociVersion\":\"1.2.0\",\"id\":\"c1\",\"pid\":42,\"status\":\"running\",\"bundle\":\"/some/bundle\","
		"\"rootfs\":\"/some/rootfs\",\"created\":\"2026-01-02T03:04:05.000000006Z\",\"owner\":\"\","
		"\"annotations\":{\"k\":\"v\"}}");
	hook = container_hook_state(&c, CONTAINER_CREATED);
	assert_string_equal(hook, "{\"ociVersion\":\"1.2.0\",\"id\":\"c1\",\"status\":\"created\",\"pid\":42,"
				  "\"bundle\":\"/some/bundle\",\"annotations\":{\"k\":\"v\"}}");
	json_decref(c.annotations);
	c.annotations = json_object();
	free(TAKE_PTR(c.rootfs));
	assert_json(
		container_state_json(&c, CONTAINER_STOPPED),
		"{\"ociVersion\":\"1.2.0\",\"id\":\"c1\",\"pid\":0,\"status\":\"stopped\",\"bundle\":\"/some/bundle\","
		"\"rootfs\":\"\",\"created\":\"2026-01-02T03:04:05.000000006Z\",\"owner\":\"\"}");
	stopped = container_hook_state(&c, CONTAINER_STOPPED);
	assert_string_equal(stopped, "{\"ociVersion\":\"1.2.0\",\"id\":\"c1\",\"status\":\"stopped\","
				     "\"bundle\":\"/some/bundle\"}");
	container_done(&c);
}

static void groups_and_spec_are_taken_from_the_state_directory(void **state)
{
	struct cgroup *cg;
	struct oci_spec spec;
	struct container c;

	(void)state;
	begin("c1", &c);
	assert_int_equal(container_cgroup(&c, &cg, &err), -ENOENT);
	assert_string_equal(err.msg, "container has no control groups");
	assert_int_equal(container_spec(&c, &spec, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/c1/config.json"));
	assert_int_equal(test_put(c.dir_fd, "config.json", "{}"), 0);
	assert_int_equal(container_spec(&c, &spec, &err), -EINVAL);
	assert_non_null(strstr(err.msg, path_of("c1", "")));
	container_done(&c);
}

static void destroying_ends_everything_and_can_be_done_again(void **state)
{
	_cleanup_close_ int ids_fd = ids_open(ids_path, &err);
	struct container c;
	pid_t pid = sleeper();
	int status;

	(void)state;
	begin("c1", &c);
	c.base = take_range(ids_fd, "c1");
	adopt(&c, pid);
	c.creating = false;
	assert_int_equal(container_save(&c, &err), 0);
	assert_int_equal(test_put(c.dir_fd, "config.json", "{}"), 0);
	assert_int_equal(test_put(c.dir_fd, ".hidden", ""), 0);
	assert_int_equal(container_destroy(&rt, &c, &err), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_false(there("c1", ""));
	assert_false(range_is_taken(ids_fd, c.base));
	assert_int_equal(container_destroy(&rt, &c, &err), 0);
	container_done(&c);
	assert_missing("c1");
}

/* ---- with groups of its own ---- */

static void make_group(struct container *ret, const char *id)
{
	static const struct cgroup_device all = { 'a', -1, -1, true, true, true };
	const struct oci_resources none = { 0 };
	struct cgroup_params p = { .id = id, .res = &none, .devices = &all, .n_devices = 1 };
	char path[64];

	(void)snprintf(path, sizeof path, "/caisson-test-%d", (int)getpid());
	p.cgroups_path = path;
	if (cgroup_create(&p, &test_group, &err) < 0)
		fail_msg("%s", err.msg);
	ret->cgroups_path = strdup(path);
	ret->cgroup_saved = cgroup_save(test_group);
	assert_non_null(ret->cgroup_saved);
}

static void assert_no_group_left(void)
{
	char command[128];

	(void)snprintf(command, sizeof command, "! find /sys/fs/cgroup -name caisson-test-%d | grep .",
		       (int)getpid());
	assert_int_equal(system(command), 0);
}

static void a_frozen_container_is_paused_and_can_be_destroyed(void **state)
{
	struct container c;
	pid_t pid = sleeper(), other = sleeper();

	(void)state;
	begin("c1", &c);
	make_group(&c, "c1");
	assert_int_equal(cgroup_enter(test_group, pid, &err), 0);
	assert_int_equal(cgroup_enter(test_group, other, &err), 0);
	adopt(&c, pid);
	finish(&c);
	assert_int_equal(container_status(&c), CONTAINER_RUNNING);
	assert_int_equal(cgroup_freeze(test_group, true, &err), 0);
	assert_int_equal(container_status(&c), CONTAINER_PAUSED);
	container_done(&c);

	assert_int_equal(load("c1", true, &c), 0);
	assert_int_equal(container_status(&c), CONTAINER_PAUSED);
	if (container_destroy(&rt, &c, &err) != 0)
		fail_msg("%s", err.msg);
	container_done(&c);
	/* init and whoever else was in its groups */
	assert_int_equal(test_wait(pid), -1);
	assert_int_equal(test_wait(other), -1);
	assert_false(there("c1", ""));
	assert_no_group_left();
}

static void discarding_a_damaged_one_finds_its_groups_by_the_saved_spec(void **state)
{
	struct container c;
	char spec[512];
	pid_t pid = sleeper();

	(void)state;
	begin("c1", &c);
	make_group(&c, "c1");
	assert_int_equal(cgroup_enter(test_group, pid, &err), 0);
	(void)snprintf(spec, sizeof spec,
		       "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},\"linux\":{\"cgroupsPath\":\"%s\"}}",
		       c.cgroups_path);
	assert_int_equal(test_put(c.dir_fd, "config.json", spec), 0);
	assert_int_equal(test_put(c.dir_fd, "state.json", "{"), 0);
	container_done(&c);
	if (container_discard(&rt, "c1", &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(test_wait(pid), -1);
	assert_false(there("c1", ""));
	assert_no_group_left();
}

/* ---- what an engine writes into the layers ---- */

static void overlay(const char *at)
{
	char opts[512], target[128];

	(void)snprintf(opts, sizeof opts, "lowerdir=%s/o/lower,upperdir=%s/o/upper,workdir=%s/o/work", top, top,
		       top);
	(void)snprintf(target, sizeof target, "%s/o/%s", top, at);
	CHILD_CHECK(mount("overlay", target, "overlay", 0, opts) == 0);
}

static void refresh_in_child(void)
{
	static const char *const dirs[] = { "", "/lower", "/upper", "/work", "/engine", "/ours" };
	char path[128], new_file[128];
	struct container c = CONTAINER_EMPTY;
	int fds[2], back[2];
	struct stat st;
	pid_t pid;
	char x;

	CHILD_CHECK(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		(void)snprintf(path, sizeof path, "%s/o%s", top, dirs[i]);
		CHILD_CHECK(mkdir(path, 0755) == 0);
		if (i == 0)
			CHILD_CHECK(mount("t", path, "tmpfs", 0, NULL) == 0);
	}
	overlay("engine");
	overlay("ours");
	(void)snprintf(path, sizeof path, "%s/o/ours", top);
	(void)snprintf(new_file, sizeof new_file, "%s/o/ours/new", top);
	CHILD_CHECK(pipe2(fds, O_CLOEXEC) == 0 && pipe2(back, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		(void)close(back[1]);
		CHILD_CHECK(chroot(path) == 0 && chdir("/") == 0);
		CHILD_CHECK(write(fds[1], "r", 1) == 1);
		(void)!read(back[0], &x, 1);
		_exit(0);
	}
	CHILD_CHECK(read(fds[0], &x, 1) == 1);
	/* Looked up in vain before the engine makes it: remembered as absent. */
	CHILD_CHECK(access(new_file, F_OK) < 0 && errno == ENOENT);
	(void)snprintf(path, sizeof path, "%s/o/engine/new", top);
	CHILD_CHECK(test_put(AT_FDCWD, path, "new") == 0);
	CHILD_CHECK(access(new_file, F_OK) < 0);

	CHILD_CHECK(pidref_open(rt.proc_fd, pid, 0, &c.init) == 0);
	(void)snprintf(path, sizeof path, "%s/o/ours", top);
	CHILD_CHECK(stat(path, &st) == 0);
	c.rootfs_dev = st.st_dev + 1; /* the container has moved to another file system: not ours to touch */
	(void)snprintf(path, sizeof path, "%s/o/engine", top);
	c.rootfs = strdup(path);
	container_refresh_root(&rt, &c);
	CHILD_CHECK(access(new_file, F_OK) < 0);
	c.rootfs_dev = 0;
	container_refresh_root(&rt, &c);
	CHILD_CHECK(access(new_file, F_OK) < 0);
	c.rootfs_dev = st.st_dev;
	container_refresh_root(&rt, &c);
	CHILD_CHECK(access(new_file, F_OK) == 0);

	/* and the other way round, for what the engine reads */
	CHILD_CHECK(stat(c.rootfs, &st) == 0);
	c.engine_dev = st.st_dev;
	(void)snprintf(path, sizeof path, "%s/o/engine/later", top);
	CHILD_CHECK(access(path, F_OK) < 0);
	(void)snprintf(new_file, sizeof new_file, "%s/o/ours/later", top);
	CHILD_CHECK(test_put(AT_FDCWD, new_file, "x") == 0);
	CHILD_CHECK(access(path, F_OK) < 0);
	container_refresh_root(&rt, &c);
	CHILD_CHECK(access(path, F_OK) == 0);
	(void)close(back[1]);
	CHILD_CHECK(test_wait(pid) == 0);
	container_done(&c);
	exit(0);
}

static void a_refreshed_root_shows_what_the_engine_wrote(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		refresh_in_child();
	assert_int_equal(test_wait(pid), 0);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest rows[] = {
		ROW(container_ids_follow_runcs_rule),
		ROW(what_is_saved_is_loaded),
		ROW(init_is_found_again_only_if_it_is_the_same_process),
		ROW(a_container_that_is_being_made_does_not_exist_yet),
		ROW(a_locked_load_waits_for_the_holder),
		ROW(who_waits_while_it_is_deleted_finds_nothing),
		ROW(a_damaged_state_is_refused_with_file_and_cure),
		ROW(a_damaged_file_of_a_create_is_named_as_what_it_is),
		ROW(discarding_spares_a_container_that_was_made_meanwhile),
		ROW(half_made_containers_are_swept_and_others_are_not),
		ROW(one_that_was_killed_after_its_last_write_is_swept_once_init_is_gone),
		ROW(a_range_that_no_state_tells_of_is_given_back),
		ROW(sweeping_without_a_root_directory_is_fine),
		ROW(a_half_made_one_with_a_living_init_is_ended),
		ROW(the_status_follows_init_and_its_socket),
		ROW(the_state_object_is_what_the_specification_says),
		ROW(groups_and_spec_are_taken_from_the_state_directory),
		ROW(destroying_ends_everything_and_can_be_done_again),
		ROW(a_frozen_container_is_paused_and_can_be_destroyed),
		ROW(discarding_a_damaged_one_finds_its_groups_by_the_saved_spec),
		ROW(a_refreshed_root_shows_what_the_engine_wrote),
	};

	if (geteuid() != 0) {
		print_message("skipped: the registry of ids is root's\n");
		return 77;
	}
	return cmocka_run_group_tests(rows, NULL, NULL);
}
