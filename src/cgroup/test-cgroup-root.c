/* SPDX-License-Identifier: Apache-2.0 */
/* The real thing, on this machine's hierarchies, below directories named after this process. Needs
 * root. */
#include "cgroup/test-cgroup-root.h"

/* The directory of @cg in the hierarchy with controller @c. */
static const char *dir_of(struct cgroup *cg, enum cg_ctrl c)
{
	static char buf[PATH_MAX];
	struct cg_dir *d = cg_find(cg, c);

	assert_non_null(d);
	cg_dir_path(cg, d, buf, sizeof buf);
	return buf;
}

static struct cgroup *create(const char *name, const struct oci_resources *res, const struct cgroup_device *devs,
			     size_t n, bool delegate)
{
	struct cgroup_params p = { .id = name,
				   .cgroups_path = path_of("%s/%s", base, name),
				   .res = res,
				   .devices = devs,
				   .n_devices = n,
				   .delegate = delegate,
				   .owner = 4242 };
	struct cgroup *cg = NULL;

	assert_ok(cgroup_create(&p, &cg, &err));
	return cg;
}

/* A child that waits to be killed, made in @cg by itself as the runtime does it. */
static pid_t start_child(struct cgroup *cg)
{
	struct cgroup_entry entry;
	struct clone_args args = { .exit_signal = SIGCHLD };
	pid_t pid;
	int sync[2];
	char c;

	assert_ok(cgroup_entry_open(cg, &entry, &err));
	if (entry.into_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (unsigned)entry.into_fd;
	}
	assert_int_equal(pipe2(sync, O_CLOEXEC), 0);
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (cgroup_entry_self(&entry, NULL) < 0 || write(sync[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	assert_int_equal(read(sync[0], &c, 1), 1);
	(void)close(sync[0]);
	(void)close(sync[1]);
	cgroup_entry_done(&entry);
	return pid;
}

static pid_t fork_child(void)
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

static int reap(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void assert_member(pid_t pid, struct cgroup *cg, const char *sub)
{
	_cleanup_free_ char *text = NULL;

	assert_int_equal(io_read_at(AT_FDCWD, path_of("/proc/%d/cgroup", pid), 65536, &text, NULL), 0);
	for (size_t i = 0; i < cg->n; i++) {
		const struct cg_dir *d = &cg->dir[i];
		const char *want = path_of("%s%s", cg->path, d->v2 || !d->child ? "" : sub), *path;
		size_t len;

		assert_int_equal(cg_proc_cgroup_path(text, d, &path, &len), 0);
		if (strlen(want) != len || memcmp(path, want, len) != 0)
			fail_msg("hierarchy %s: in %.*s instead of %s", d->name, (int)len, path, want);
	}
}

static void destroy(struct cgroup *cg)
{
	assert_ok(cgroup_destroy(cg, &err));
	for (size_t i = 0; i < cg->n; i++)
		assert_false(exists(path_of("/sys/fs/cgroup/%s%s", cg->dir[i].name, cg->path)));
	/* again: idempotent */
	assert_ok(cgroup_destroy(cg, &err));
	cgroup_free(cg);
}

static bool is_v1(void)
{
	return !cgroup_is_v2();
}

#define need_v1()               \
	do {                    \
		if (!is_v1())   \
			skip(); \
	} while (0)

static void a_container_without_limits_lives_and_goes(void **state)
{
	struct cgroup *cg = create("plain", NULL, &all_devices, 1, false);
	_cleanup_free_ pid_t *pids = NULL;
	size_t n;
	pid_t pid = start_child(cg);

	(void)state;
	assert_member(pid, cg, "");
	assert_ok(cgroup_pids(cg, &pids, &n, &err));
	assert_int_equal(n, 1);
	assert_int_equal(pids[0], pid);
	assert_ok(cgroup_kill(cg, SIGKILL, &err));
	assert_int_equal(WTERMSIG(reap(pid)), SIGKILL);
	destroy(cg);
	/* the parent that was made for it is gone, too */
	assert_false(exists(path_of("/sys/fs/cgroup/%s%s", is_v1() ? "memory" : "", base)));
}

static void entering_by_pid_works_in_every_hierarchy(void **state)
{
	struct cgroup *cg = create("bypid", NULL, &all_devices, 1, false);
	pid_t pid = fork_child();

	(void)state;
	assert_ok(cgroup_enter(cg, pid, &err));
	assert_member(pid, cg, "");
	/* TERM has no cgroup.kill: signalled one by one */
	assert_ok(cgroup_kill(cg, SIGTERM, &err));
	assert_int_equal(WTERMSIG(reap(pid)), SIGTERM);
	destroy(cg);
}

static void limits_are_in_place_before_anything_runs(void **state)
{
	static const struct cgroup_device devs[] = { { 'c', 1, 3, true, true, true },
						     { 'c', 1, 5, true, false, false } };
	struct oci_resources res = {
		.has_mem_limit = true,
		.mem_limit = 64 << 20,
		.has_mem_swap = true,
		.mem_swap = 64 << 20,
		.has_mem_reservation = true,
		.mem_reservation = 32 << 20,
		.has_pids = true,
		.pids_limit = 17,
		.has_cpu_shares = true,
		.cpu_shares = 512,
		.has_cpu_quota = true,
		.cpu_quota = 20000,
		.has_cpu_period = true,
		.cpu_period = 40000,
		.cpus = "0",
		.has_swappiness = true,
		.swappiness = 10,
		.has_blkio_weight = true,
		.blkio_weight = 300,
		.has_disable_oom_killer = true,
	};
	struct cgroup *cg;

	(void)state;
	need_v1();
	cg = create("limits", &res, devs, ARRAY_SIZE(devs), false);
	assert_file(path_of("%s/memory.limit_in_bytes", dir_of(cg, CG_MEMORY)), "67108864");
	assert_file(path_of("%s/memory.memsw.limit_in_bytes", dir_of(cg, CG_MEMORY)), "67108864");
	assert_file(path_of("%s/memory.soft_limit_in_bytes", dir_of(cg, CG_MEMORY)), "33554432");
	assert_file(path_of("%s/memory.swappiness", dir_of(cg, CG_MEMORY)), "10");
	assert_file(path_of("%s/pids.max", dir_of(cg, CG_PIDS)), "17");
	assert_file(path_of("%s/cpu.shares", dir_of(cg, CG_CPU)), "512");
	assert_file(path_of("%s/cpu.cfs_quota_us", dir_of(cg, CG_CPU)), "20000");
	assert_file(path_of("%s/cpu.cfs_period_us", dir_of(cg, CG_CPU)), "40000");
	assert_file(path_of("%s/cpuset.cpus", dir_of(cg, CG_CPUSET)), "0");
	assert_file(path_of("%s/devices.list", dir_of(cg, CG_DEVICES)), "c 1:3 rwm");
	destroy(cg);
}

static void updates_follow_the_order_that_the_kernel_wants(void **state)
{
	static const struct {
		int64_t mem, swap;
		const char *limit, *memsw;
	} steps[] = {
		{ 64 << 20, 64 << 20, "67108864", "67108864" },
		{ 128 << 20, 256 << 20, "134217728", "268435456" },
		{ 32 << 20, 32 << 20, "33554432", "33554432" },
		{ -1, -1, "9223372036854771712", "9223372036854771712" },
		{ 32 << 20, 40 << 20, "33554432", "41943040" },
		{ 64 << 20, -1, "67108864", "9223372036854771712" },
		{ 16 << 20, 16 << 20, "16777216", "16777216" },
		{ -1, 0, "9223372036854771712", "9223372036854771712" },
	};
	struct cgroup *cg;
	struct oci_resources res;

	(void)state;
	need_v1();
	cg = create("update", NULL, &all_devices, 1, false);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		res = (struct oci_resources){ .has_mem_limit = true,
					      .mem_limit = steps[i].mem,
					      .has_mem_swap = steps[i].swap != 0,
					      .mem_swap = steps[i].swap };
		assert_ok(cgroup_update(cg, &res, &err));
		assert_file(path_of("%s/memory.limit_in_bytes", dir_of(cg, CG_MEMORY)), steps[i].limit);
		assert_file(path_of("%s/memory.memsw.limit_in_bytes", dir_of(cg, CG_MEMORY)), steps[i].memsw);
	}
	res = (struct oci_resources){ .has_pids = true, .pids_limit = 5 };
	assert_ok(cgroup_update(cg, &res, &err));
	assert_file(path_of("%s/pids.max", dir_of(cg, CG_PIDS)), "5");
	res.pids_limit = -1;
	assert_ok(cgroup_update(cg, &res, &err));
	assert_file(path_of("%s/pids.max", dir_of(cg, CG_PIDS)), "max");
	res = (struct oci_resources){
		.has_cpu_quota = true, .cpu_quota = 10000, .has_cpu_burst = true, .cpu_burst = 5000
	};
	assert_ok(cgroup_update(cg, &res, &err));
	assert_file(path_of("%s/cpu.cfs_burst_us", dir_of(cg, CG_CPU)), "5000");
	res = (struct oci_resources){
		.has_cpu_idle = true, .cpu_idle = 1, .has_cpu_shares = true, .cpu_shares = 2048
	};
	assert_ok(cgroup_update(cg, &res, &err));
	assert_file(path_of("%s/cpu.idle", dir_of(cg, CG_CPU)), "1");
	res.cpu_idle = 0;
	assert_ok(cgroup_update(cg, &res, &err));
	assert_file(path_of("%s/cpu.shares", dir_of(cg, CG_CPU)), "2048");
	res = (struct oci_resources){
		.has_mem_limit = true, .mem_limit = 32 << 20, .has_mem_swap = true, .mem_swap = 1 << 20
	};
	assert_int_equal(cgroup_update(cg, &res, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "memory.swap: 1048576"));
	destroy(cg);
}

static void what_the_host_lacks_is_refused_by_name_and_leaves_nothing(void **state)
{
	static const struct oci_hugetlb huge = { .page_size = "2MB", .limit = 0 };
	static const struct oci_unified unified = { "memory.high", "1" };
	struct oci_resources res = { .hugetlb = (struct oci_hugetlb *)(uintptr_t)&huge, .n_hugetlb = 1 };
	struct cgroup_params p = { .id = "x",
				   .cgroups_path = path_of("%s/lacks", base),
				   .res = &res,
				   .devices = &all_devices,
				   .n_devices = 1 };
	const struct cgroup_hierarchy *h;
	struct cgroup *cg = NULL;
	size_t n;

	(void)state;
	need_v1();
	assert_ok(cgroup_hierarchies(&h, &n, &err));
	for (size_t i = 0; i < n; i++)
		if (strstr(h[i].data, "hugetlb"))
			skip();
	assert_int_equal(cgroup_create(&p, &cg, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "\"hugetlb\""));
	assert_null(cg);
	for (size_t i = 0; i < n; i++)
		assert_false(exists(path_of("/sys/fs/cgroup/%s%s", h[i].name, base)));
	res = (struct oci_resources){ .unified = (struct oci_unified *)(uintptr_t)&unified, .n_unified = 1 };
	assert_int_equal(cgroup_create(&p, &cg, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "memory.high"));
	res = (struct oci_resources){ .cpus = "0,4095" };
	assert_true(cgroup_create(&p, &cg, &err) < 0);
	assert_non_null(strstr(err.msg, "write \"0,4095\" to /sys/fs/cgroup/cpuset"));
	for (size_t i = 0; i < n; i++)
		assert_false(exists(path_of("/sys/fs/cgroup/%s%s", h[i].name, base)));
}

static void a_group_in_use_is_refused_and_an_empty_one_reused(void **state)
{
	struct cgroup *cg = create("busy", NULL, &all_devices, 1, false), *other = NULL;
	struct cgroup_params p = {
		.id = "x", .cgroups_path = path_of("%s/busy", base), .devices = &all_devices, .n_devices = 1
	};
	pid_t pid = start_child(cg);

	(void)state;
	assert_int_equal(cgroup_create(&p, &other, &err), -EBUSY);
	assert_non_null(strstr(err.msg, "/busy"));
	assert_member(pid, cg, "");
	assert_ok(cgroup_kill(cg, SIGKILL, &err));
	(void)reap(pid);
	assert_ok(cgroup_create(&p, &other, &err));
	cgroup_free(other);
	destroy(cg);
}

static void freezing_stops_and_thawing_continues(void **state)
{
	struct cgroup *cg = create("freeze", NULL, &all_devices, 1, false);
	pid_t pid = start_child(cg);

	(void)state;
	assert_int_equal(cgroup_is_frozen(cg, &err), 0);
	assert_ok(cgroup_freeze(cg, true, &err));
	assert_int_equal(cgroup_is_frozen(cg, &err), 1);
	assert_ok(cgroup_freeze(cg, false, &err));
	assert_int_equal(cgroup_is_frozen(cg, &err), 0);
	/* killing works on a frozen one, too */
	assert_ok(cgroup_freeze(cg, true, &err));
	assert_ok(cgroup_kill(cg, SIGKILL, &err));
	assert_int_equal(WTERMSIG(reap(pid)), SIGKILL);
	destroy(cg);
}

static void assert_owner(const char *path, uid_t uid)
{
	struct stat st;

	if (stat(path, &st) < 0)
		fail_msg("stat %s", path);
	assert_int_equal(st.st_uid, uid);
}

static void delegation_keeps_the_limits_out_of_reach(void **state)
{
	struct oci_resources res = { .has_pids = true, .pids_limit = 50, .cpus = "0" };
	struct cgroup *cg, *again = NULL;
	_cleanup_free_ pid_t *pids = NULL;
	pid_t pid, joined;
	json_t *saved;
	size_t n;

	(void)state;
	need_v1();
	cg = create("deleg", &res, &all_devices, 1, true);
	pid = start_child(cg);
	assert_ok(cgroup_delegate(cg, pid, &err));
	assert_member(pid, cg, "/" CG_DELEGATED);
	assert_owner(dir_of(cg, CG_PIDS), 0);
	assert_owner(path_of("%s/pids.max", dir_of(cg, CG_PIDS)), 0);
	assert_owner(path_of("%s/" CG_DELEGATED, dir_of(cg, CG_PIDS)), 4242);
	assert_owner(path_of("%s/" CG_DELEGATED "/cgroup.procs", dir_of(cg, CG_PIDS)), 4242);
	assert_owner(path_of("%s/" CG_DELEGATED "/pids.max", dir_of(cg, CG_PIDS)), 0);
	assert_file(path_of("%s/pids.max", dir_of(cg, CG_PIDS)), "50");
	assert_file(path_of("%s/" CG_DELEGATED "/cpuset.cpus", dir_of(cg, CG_CPUSET)), "0");

	/* shrinking and growing a cpuset that has a child */
	res = (struct oci_resources){ .cpus = "0-1" };
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1) {
		assert_ok(cgroup_update(cg, &res, &err));
		assert_file(path_of("%s/" CG_DELEGATED "/cpuset.cpus", dir_of(cg, CG_CPUSET)), "0-1");
		res.cpus = "1";
		assert_ok(cgroup_update(cg, &res, &err));
		assert_file(path_of("%s/" CG_DELEGATED "/cpuset.cpus", dir_of(cg, CG_CPUSET)), "1");
	}

	/* a handle from the saved state does the same */
	saved = cgroup_save(cg);
	assert_ok(cgroup_load(saved, &again, &err));
	json_decref(saved);
	joined = fork_child();
	assert_int_equal(mkdir(path_of("%s/" CG_DELEGATED "/inner", dir_of(cg, CG_PIDS)), 0755), 0);
	assert_int_equal(cgroup_join(again, pid, joined, "../x", &err), -EPERM);
	assert_int_equal(cgroup_join(again, pid, joined, "pids:a/../../..", &err), -EPERM);
	assert_ok(cgroup_join(again, pid, joined, NULL, &err));
	assert_member(joined, cg, "/" CG_DELEGATED);
	assert_ok(cgroup_join(again, pid, joined, "pids:inner", &err));
	assert_file(path_of("%s/" CG_DELEGATED "/inner/cgroup.procs", dir_of(cg, CG_PIDS)), path_of("%d", joined));
	assert_ok(cgroup_pids(again, &pids, &n, &err));
	assert_int_equal(n, 2);
	cgroup_free(again);
	assert_ok(cgroup_kill(cg, SIGKILL, &err));
	(void)reap(pid);
	(void)reap(joined);
	destroy(cg);
}

static void throttled_block_io_is_not_delegated(void **state)
{
	struct oci_blkio_device dev = { .major = 7, .minor = 0, .rate = 1 << 20 };
	struct oci_resources res = { .read_bps = { &dev, 1 } };
	struct cgroup_params p = { .id = "t",
				   .cgroups_path = path_of("%s/throttle", base),
				   .res = &res,
				   .devices = &all_devices,
				   .n_devices = 1,
				   .delegate = true,
				   .owner = 4242 };
	struct cgroup *cg = NULL;
	pid_t pid;

	(void)state;
	need_v1();
	/* needs a device to throttle */
	if (!exists("/sys/dev/block/7:0") || cgroup_create(&p, &cg, &err) < 0)
		skip();
	pid = start_child(cg);
	assert_ok(cgroup_delegate(cg, pid, &err));
	assert_member(pid, cg, "/" CG_DELEGATED);
	assert_false(exists(path_of("%s/" CG_DELEGATED, dir_of(cg, CG_BLKIO))));
	assert_true(exists(path_of("%s/" CG_DELEGATED, dir_of(cg, CG_PIDS))));
	assert_ok(cgroup_kill(cg, SIGKILL, &err));
	(void)reap(pid);
	destroy(cg);
}

static void groups_nested_deeper_than_any_path_are_removed(void **state)
{
	const int depth = 1500;
	struct cgroup *cg;
	int fd;

	(void)state;
	need_v1();
	cg = create("deep", NULL, &all_devices, 1, false);
	fd = open(dir_of(cg, CG_PIDS), O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < depth; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "nested", 0755), 0);
		next = openat(fd, "nested", O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		(void)close(fd);
		fd = next;
	}
	(void)close(fd);
	destroy(cg);
}

static void statistics_have_the_names_that_engines_read(void **state)
{
	struct oci_resources res = {
		.has_mem_limit = true, .mem_limit = 64 << 20, .has_pids = true, .pids_limit = 9
	};
	struct cgroup *cg = create("stats", &res, &all_devices, 1, false);
	pid_t pid = start_child(cg);
	json_int_t limit, pids, max, kernel;
	json_t *o = NULL;

	(void)state;
	assert_ok(cgroup_stats(cg, &o, &err));
	assert_int_equal(json_unpack(o, "{s:{s:{s:I}}, s:{s:I, s:I}, s:{s:{s:I}}}", "memory", "usage", "limit",
				     &limit, "pids", "current", &pids, "limit", &max, "cpu", "usage", "kernel",
				     &kernel),
			 0);
	assert_int_equal(limit, 64 << 20);
	assert_int_equal(pids, 1);
	assert_int_equal(max, 9);
	json_decref(o);
	assert_ok(cgroup_kill(cg, SIGKILL, &err));
	(void)reap(pid);
	assert_ok(cgroup_destroy(cg, &err));
	assert_int_equal(cgroup_stats(cg, &o, &err), -ENOENT);
	cgroup_free(cg);
}

static void running_out_of_memory_is_reported(void **state)
{
	struct oci_resources res = {
		.has_mem_limit = true, .mem_limit = 4 << 20, .has_mem_swap = true, .mem_swap = 4 << 20
	};
	struct cgroup *cg = create("oom", &res, &all_devices, 1, false);
	struct pollfd p = { .events = POLLIN };
	_cleanup_close_ int fd = -EBADF;
	int sync[2];
	pid_t pid;

	(void)state;
	assert_ok(cgroup_oom_watch(cg, &fd, &err));
	assert_int_equal(cgroup_oom_read(cg, fd, &err), 0);
	assert_int_equal(pipe2(sync, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		volatile char *mem = malloc(64 << 20);
		char c;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!mem || read(sync[0], &c, 1) != 1)
			_exit(1);
		for (size_t i = 0; i < 64 << 20; i += 1024)
			mem[i] = 1;
		_exit(1);
	}
	assert_ok(cgroup_enter(cg, pid, &err));
	assert_int_equal(write(sync[1], "x", 1), 1);
	assert_int_equal(WTERMSIG(reap(pid)), SIGKILL);
	(void)close(sync[0]);
	(void)close(sync[1]);
	p.fd = fd;
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(cgroup_oom_read(cg, fd, &err), 1);
	assert_ok(cgroup_destroy(cg, &err));
	assert_int_equal(cgroup_oom_read(cg, fd, &err), -ENODEV);
	cgroup_free(cg);
}

static void a_device_list_changes_while_the_container_runs(void **state)
{
	static const struct cgroup_device before[] = { { 'c', 1, 3, true, true, true },
						       { 'c', 1, 5, true, true, true } };
	static const struct cgroup_device after[] = { { 'c', 1, 3, true, true, false },
						      { 'c', 1, 9, true, false, false } };
	_cleanup_free_ char *text = NULL;
	struct cgroup *cg;
	pid_t pid;

	(void)state;
	need_v1();
	cg = create("devs", NULL, before, 2, false);
	pid = start_child(cg);
	assert_ok(cgroup_set_devices(cg, after, 2, &err));
	assert_int_equal(
		io_read_at(AT_FDCWD, path_of("%s/devices.list", dir_of(cg, CG_DEVICES)), 4096, &text, NULL), 0);
	assert_string_equal(text, "c 1:3 rw\nc 1:9 r\n");
	assert_ok(cgroup_kill(cg, SIGKILL, &err));
	(void)reap(pid);
	destroy(cg);
}

/* -- cgroup2 alone: its own mount of the unified hierarchy, without controllers where v1 has them
 * -- */

static int v2_setup(void **state)
{
	char *dir = strdup("/tmp/caisson-test-XXXXXX");

	*state = dir;
	if (!dir || !mkdtemp(dir) || mount("none", dir, "cgroup2", 0, NULL) < 0 ||
	    cg_host_set_top(dir, NULL) < 0) {
		print_message("cannot mount cgroup2 on %s: %s\n", dir ? dir : "?", strerror(errno));
		return -1;
	}
	return 0;
}

static int v2_teardown(void **state)
{
	(void)cg_host_set_top("/sys/fs/cgroup", NULL);
	(void)umount2(*state, MNT_DETACH);
	(void)rmdir(*state);
	free(*state);
	return 0;
}

static void v2_every_controller_is_in_the_one_directory(void **state)
{
	static const char *const controllers[] = { "memory", "cpu", "cpuacct", "cpuset", "blkio", "pids" };
	struct cgroup *cg = create("v2-dir", NULL, NULL, 0, false);
	struct stat want, got;

	assert_int_equal(stat(path_of("%s%s/v2-dir", (char *)*state, base), &want), 0);
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++) {
		assert_int_equal(fstat(cgroup_dir(cg, controllers[i]), &got), 0);
		assert_int_equal(got.st_ino, want.st_ino);
	}
	assert_ok(cgroup_destroy(cg, &err));
	cgroup_free(cg);
}

static void v2_create_enter_freeze_kill_delegate(void **state)
{
	struct cgroup *cg = create("v2", NULL, &all_devices, 1, true);
	_cleanup_free_ char *dir = strdup(path_of("%s%s/v2", (char *)*state, base));
	_cleanup_free_ pid_t *pids = NULL;
	pid_t pid = start_child(cg), joined = fork_child();
	json_t *stats = NULL;
	size_t n;

	assert_non_null(dir);
	assert_true(cgroup_is_v2());
	assert_int_equal(cg->n, 1);
	assert_true(cgroup_into_fd(cg) >= 0);
	assert_file(path_of("%s/cgroup.procs", dir), path_of("%d", pid));
	assert_ok(cgroup_delegate(cg, pid, &err));
	assert_owner(dir, 4242);
	assert_owner(path_of("%s/cgroup.procs", dir), 4242);
	assert_owner(path_of("%s/cgroup.subtree_control", dir), 4242);
	assert_owner(path_of("%s/cgroup.kill", dir), 0);
	assert_owner(path_of("%s/cgroup.freeze", dir), 0);
	assert_int_equal(mkdir(path_of("%s/init.scope", dir), 0755), 0);
	assert_int_equal(io_put_at(AT_FDCWD, path_of("%s/init.scope/cgroup.procs", dir), path_of("%d", pid)), 0);
	assert_ok(cgroup_join(cg, pid, joined, NULL, &err));
	assert_ok(cgroup_pids(cg, &pids, &n, &err));
	assert_int_equal(n, 2);
	assert_int_equal(cgroup_is_frozen(cg, &err), 0);
	assert_ok(cgroup_freeze(cg, true, &err));
	assert_int_equal(cgroup_is_frozen(cg, &err), 1);
	assert_ok(cgroup_freeze(cg, false, &err));
	assert_int_equal(cgroup_is_frozen(cg, &err), 0);
	assert_ok(cgroup_stats(cg, &stats, &err));
	json_decref(stats);
	assert_ok(cgroup_kill(cg, SIGKILL, &err));
	assert_int_equal(WTERMSIG(reap(pid)), SIGKILL);
	assert_int_equal(WTERMSIG(reap(joined)), SIGKILL);
	assert_ok(cgroup_destroy(cg, &err));
	assert_false(exists(path_of("%s%s", (char *)*state, base)));
	cgroup_free(cg);
}

/* In a child of @cg: bit 0 set when /dev/null can be opened for writing, bit 1 for /dev/zero, bit 2
 * for /dev/full. */
static int probe_devices(struct cgroup *cg)
{
	static const char *const paths[] = { "/dev/null", "/dev/zero", "/dev/full" };
	struct cgroup_entry entry;
	struct clone_args args = { .exit_signal = SIGCHLD, .flags = CLONE_INTO_CGROUP };
	pid_t pid;

	assert_ok(cgroup_entry_open(cg, &entry, &err));
	args.cgroup = (unsigned)entry.into_fd;
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	assert_true(pid >= 0);
	if (pid == 0) {
		int mask = 0;

		for (int i = 0; i < 3; i++)
			mask |= open(paths[i], O_WRONLY | O_CLOEXEC) >= 0 ? 1 << i : 0;
		_exit(mask);
	}
	cgroup_entry_done(&entry);
	return WEXITSTATUS(reap(pid));
}

static void v2_devices_are_enforced_and_replaced(void **state)
{
	static const struct cgroup_device before[] = { { 'c', 1, 3, true, true, true },
						       { 'c', 1, 7, true, false, false } };
	static const struct cgroup_device after[] = { { 'c', 1, 5, false, true, false } };
	struct cgroup *cg = create("dev", NULL, before, 2, false);

	(void)state;
	assert_int_equal(probe_devices(cg), 1);
	assert_ok(cgroup_set_devices(cg, after, 1, &err));
	assert_int_equal(probe_devices(cg), 2);
	assert_ok(cgroup_set_devices(cg, &all_devices, 1, &err));
	assert_int_equal(probe_devices(cg), 7);
	assert_ok(cgroup_destroy(cg, &err));
	cgroup_free(cg);
}

static void v2_missing_controllers_and_forbidden_files_are_refused(void **state)
{
	static const struct {
		const char *key, *value;
		int r;
	} t[] = {
		{ "cgroup.procs", "1", -EPERM },
		{ "cgroup.kill", "1", -EPERM },
		{ "cgroup.subtree_control", "+cpu", -EPERM },
		{ "../x.y", "1", -EINVAL },
		{ ".x", "1", -EINVAL },
		{ "cgroup.max.depth", "3", 0 },
	};
	struct cgroup *cg = create("unified", NULL, &all_devices, 1, false);
	struct oci_resources res;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct oci_unified u = { t[i].key, t[i].value };

		res = (struct oci_resources){ .unified = &u, .n_unified = 1 };
		assert_int_equal(cgroup_update(cg, &res, &err), t[i].r);
	}
	assert_file(path_of("%s%s/unified/cgroup.max.depth", (char *)*state, base), "3");
	if (!exists(path_of("%s%s/unified/pids.max", (char *)*state, base))) {
		res = (struct oci_resources){ .has_pids = true, .pids_limit = 3 };
		assert_int_equal(cgroup_update(cg, &res, &err), -EOPNOTSUPP);
		assert_non_null(strstr(err.msg, "\"pids\" controller"));
	}
	assert_ok(cgroup_destroy(cg, &err));
	cgroup_free(cg);
}

/* -- cgroup2 with its controllers, where it is the host's -- */

static const char *v2_file(struct cgroup *cg, const char *file)
{
	return path_of("/sys/fs/cgroup%s/%s", cg->path, file);
}

static void v2_limits_are_in_place_before_anything_runs(void **state)
{
	struct oci_resources res = {
		.has_mem_limit = true,
		.mem_limit = 64 << 20,
		.has_mem_swap = true,
		.mem_swap = 96 << 20,
		.has_mem_reservation = true,
		.mem_reservation = 32 << 20,
		.has_pids = true,
		.pids_limit = 17,
		.has_cpu_shares = true,
		.cpu_shares = 1024,
		.has_cpu_quota = true,
		.cpu_quota = 20000,
		.cpus = "0",
		.has_disable_oom_killer = true,
	};
	struct cgroup *cg;

	(void)state;
	cg = create("limits", &res, &all_devices, 1, false);
	assert_file(v2_file(cg, "memory.max"), "67108864");
	assert_file(v2_file(cg, "memory.swap.max"), "33554432");
	assert_file(v2_file(cg, "memory.low"), "33554432");
	assert_file(v2_file(cg, "pids.max"), "17");
	assert_file(v2_file(cg, "cpu.weight"), "39");
	assert_file(v2_file(cg, "cpu.max"), "20000 100000");
	assert_file(v2_file(cg, "cpuset.cpus"), "0");
	destroy(cg);
}

static void v2_updates_change_only_what_is_given(void **state)
{
	static const struct oci_unified unified = { "memory.high", "50331648" };
	struct oci_resources res = {
		.has_cpu_quota = true, .cpu_quota = 20000, .has_cpu_period = true, .cpu_period = 50000
	};
	struct cgroup *cg;
	pid_t pid;

	(void)state;
	cg = create("update", &res, &all_devices, 1, false);
	pid = start_child(cg);
	res = (struct oci_resources){ .has_cpu_quota = true, .cpu_quota = 30000 };
	assert_ok(cgroup_update(cg, &res, &err));
	assert_file(v2_file(cg, "cpu.max"), "30000 50000");
	res = (struct oci_resources){ .has_cpu_period = true, .cpu_period = 60000 };
	assert_ok(cgroup_update(cg, &res, &err));
	assert_file(v2_file(cg, "cpu.max"), "30000 60000");
	res = (struct oci_resources){ .has_cpu_quota = true, .cpu_quota = -1 };
	assert_ok(cgroup_update(cg, &res, &err));
	assert_file(v2_file(cg, "cpu.max"), "max 60000");
	res = (struct oci_resources){ .has_mem_limit = true, .mem_limit = 64 << 20 };
	assert_ok(cgroup_update(cg, &res, &err));
	/* memory+swap alone counts from the memory limit in force */
	res = (struct oci_resources){ .has_mem_swap = true, .mem_swap = 80 << 20 };
	assert_ok(cgroup_update(cg, &res, &err));
	assert_file(v2_file(cg, "memory.swap.max"), "16777216");
	res = (struct oci_resources){ .has_mem_limit = true,
				      .mem_limit = 4096,
				      .has_check_before_update = true,
				      .check_before_update = true };
	assert_int_equal(cgroup_update(cg, &res, &err), -EBUSY);
	assert_non_null(strstr(err.msg, "checkBeforeUpdate"));
	assert_file(v2_file(cg, "memory.max"), "67108864");
	res = (struct oci_resources){ .unified = (struct oci_unified *)(uintptr_t)&unified, .n_unified = 1 };
	assert_ok(cgroup_update(cg, &res, &err));
	assert_file(v2_file(cg, "memory.high"), "50331648");
	res = (struct oci_resources){ .has_mem_limit = true, .mem_limit = -1, .has_pids = true, .pids_limit = 0 };
	assert_ok(cgroup_update(cg, &res, &err));
	assert_file(v2_file(cg, "memory.max"), "max");
	assert_file(v2_file(cg, "memory.swap.max"), "max");
	assert_file(v2_file(cg, "pids.max"), "max");
	assert_ok(cgroup_kill(cg, SIGKILL, &err));
	(void)reap(pid);
	destroy(cg);
}

/* The driver's program: beside this test in a build directory, or installed. NULL: not built. */
static const char *systemd_helper(void)
{
	static const char *const installed[] = { "/usr/local/libexec/caisson/caisson-systemd",
						 "/usr/libexec/caisson/caisson-systemd" };
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
	const char *path;

	if (n > 0) {
		exe[n] = '\0';
		*strrchr(exe, '/') = '\0';
		path = path_of("%s/../src/cgroup/caisson-systemd", exe);
		if (access(path, X_OK) == 0)
			return path;
	}
	for (size_t i = 0; i < ARRAY_SIZE(installed); i++)
		if (access(installed[i], X_OK) == 0)
			return installed[i];
	return NULL;
}

static void systemd_starts_changes_and_stops_a_scope(void **state)
{
	static const struct cgroup_device devs[] = { { 'c', 1, 3, true, true, true },
						     { 'c', 136, -1, true, true, true },
						     { 'c', -1, -1, false, false, true },
						     { 'b', -1, -1, false, false, true } };
	struct oci_resources res = { .has_mem_limit = true,
				     .mem_limit = 64 << 20,
				     .has_pids = true,
				     .pids_limit = 17,
				     .has_cpu_quota = true,
				     .cpu_quota = 25000,
				     .cpus = "0" };
	_cleanup_free_ char *helper = NULL;
	struct cgroup_params p = { .id = path_of("t%d", (int)getpid()),
				   .systemd = true,
				   .res = &res,
				   .devices = devs,
				   .n_devices = ARRAY_SIZE(devs),
				   .delegate = true,
				   .owner = 4242 };
	struct cgroup *cg = NULL, *again = NULL;
	const char *found = systemd_helper();
	struct cgroup_entry entry;
	json_t *saved;
	pid_t pid;

	(void)state;
	assert_non_null(found);
	assert_non_null(helper = strdup(found));
	p.systemd_helper = helper;
	assert_ok(cgroup_create(&p, &cg, &err));
	assert_int_equal(cgroup_entry_open(cg, &entry, &err), -EOPNOTSUPP);
	pid = fork_child();
	assert_ok(cgroup_enter(cg, pid, &err));
	assert_string_equal(cg->path, path_of("/system.slice/caisson-t%d.scope", (int)getpid()));
	assert_ok(cgroup_delegate(cg, pid, &err));
	assert_member(pid, cg, "/" CG_DELEGATED);
	if (cgroup_is_v2()) {
		assert_file(v2_file(cg, "memory.max"), "67108864");
		assert_file(v2_file(cg, "pids.max"), "17");
		assert_file(v2_file(cg, "cpu.max"), "25000 100000");
		assert_file(v2_file(cg, "cpuset.cpus"), "0");
	}
	res = (struct oci_resources){ .has_pids = true, .pids_limit = 5 };
	saved = cgroup_save(cg);
	assert_ok(cgroup_load(saved, &again, &err));
	json_decref(saved);
	assert_ok(cgroup_update(again, &res, &err));
	/* systemd's own idea of the limit, which a daemon-reload writes again */
	assert_int_equal(system(path_of("systemctl daemon-reload && test \"$(systemctl show -P TasksMax %s)\" = 5",
					cg->unit)),
			 0);
	if (cgroup_is_v2())
		assert_file(v2_file(cg, "pids.max"), "5");
	assert_ok(cgroup_kill(again, SIGKILL, &err));
	(void)reap(pid);
	assert_ok(cgroup_destroy(again, &err));
	assert_ok(cgroup_destroy(again, &err));
	assert_int_equal(system(path_of("test \"$(systemctl show -P LoadState %s)\" = not-found", cg->unit)), 0);
	cgroup_free(again);
	cgroup_free(cg);
}

/* What a failed test left behind. */
static void clean_up(const struct cgroup_hierarchy *h, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *path = path_of("/sys/fs/cgroup/%s%s", h[i].name, base);
		int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

		struct cg_pids pids = { 0 };

		if (fd < 0)
			continue;
		if (cg_tree_pids(fd, &pids) == 0)
			for (size_t j = 0; j < pids.n; j++)
				(void)(kill(pids.v[j], SIGKILL) == 0 && waitpid(pids.v[j], NULL, 0));
		cg_pids_done(&pids);
		(void)cg_tree_remove_children(fd);
		(void)close(fd);
		(void)rmdir(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_container_without_limits_lives_and_goes),
		cmocka_unit_test(entering_by_pid_works_in_every_hierarchy),
		cmocka_unit_test(limits_are_in_place_before_anything_runs),
		cmocka_unit_test(updates_follow_the_order_that_the_kernel_wants),
		cmocka_unit_test(what_the_host_lacks_is_refused_by_name_and_leaves_nothing),
		cmocka_unit_test(a_group_in_use_is_refused_and_an_empty_one_reused),
		cmocka_unit_test(freezing_stops_and_thawing_continues),
		cmocka_unit_test(delegation_keeps_the_limits_out_of_reach),
		cmocka_unit_test(throttled_block_io_is_not_delegated),
		cmocka_unit_test(groups_nested_deeper_than_any_path_are_removed),
		cmocka_unit_test(statistics_have_the_names_that_engines_read),
		cmocka_unit_test(running_out_of_memory_is_reported),
		cmocka_unit_test(a_device_list_changes_while_the_container_runs),
	};
	const struct CMUnitTest host_tests[] = {
		cmocka_unit_test(v2_limits_are_in_place_before_anything_runs),
		cmocka_unit_test(v2_updates_change_only_what_is_given),
	};
	const struct CMUnitTest systemd_tests[] = {
		cmocka_unit_test(systemd_starts_changes_and_stops_a_scope),
	};
	const struct CMUnitTest v2_tests[] = {
		cmocka_unit_test(v2_every_controller_is_in_the_one_directory),
		cmocka_unit_test(v2_create_enter_freeze_kill_delegate),
		cmocka_unit_test(v2_devices_are_enforced_and_replaced),
		cmocka_unit_test(v2_missing_controllers_and_forbidden_files_are_refused),
	};
	const struct cgroup_hierarchy *h;
	size_t n = 0;
	int r;

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		(void)printf("SKIP: making control groups needs root\n");
		return 77;
	}
	if (cgroup_hierarchies(&h, &n, &err) < 0 || n == 0 || access("/sys/fs/cgroup", W_OK) < 0) {
		(void)printf("SKIP: no writable control groups: %s\n", err.msg);
		return 77;
	}
	(void)snprintf(base, sizeof base, "/caisson-test-%d", (int)getpid());
	r = cmocka_run_group_tests(tests, NULL, NULL);
	/* What only a host with nothing but v2, and one with systemd, has: elsewhere guests prove it (tests/vm). */
	if (cgroup_is_v2())
		r += cmocka_run_group_tests(host_tests, NULL, NULL);
	if (exists("/run/systemd/system"))
		r += cmocka_run_group_tests(systemd_tests, NULL, NULL);
	r += cmocka_run_group_tests(v2_tests, v2_setup, v2_teardown);
	clean_up(h, n);
	return r;
}
