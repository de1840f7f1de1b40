/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "confine/confine.h"

#define BIT(n)	      (UINT64_C(1) << (n))
#define CHILD_SKIPPED 77

/* In a child: a failed expectation is its exit code, and the line says which. */
#define EXPECT(cond)                                                       \
	do {                                                               \
		if (!(cond)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #cond); \
			return 1;                                          \
		}                                                          \
	} while (0)

static void in_child(int (*body)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(body());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == CHILD_SKIPPED)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int put_map(pid_t pid, const char *file, const char *text)
{
	char path[64];

	(void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	return io_put_at(AT_FDCWD, path, text);
}

/* Runs @body as root of a new user namespace with 65536 ids. */
static void in_userns(int (*body)(void))
{
	int status, ready[2], go[2];
	bool mapped;
	char c = 0;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER) < 0)
			_exit(CHILD_SKIPPED);
		if (write(ready[1], "r", 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(CHILD_SKIPPED);
		_exit(setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 ? 2 : body());
	}
	ready[1] = fd_close(ready[1]);
	mapped = read(ready[0], &c, 1) == 1 && put_map(pid, "uid_map", "0 100000 65536") == 0 &&
		 put_map(pid, "gid_map", "0 100000 65536") == 0;
	if (mapped)
		assert_int_equal(write(go[1], "g", 1), 1);
	(void)fd_close(go[1]);
	(void)fd_close(go[0]);
	(void)fd_close(ready[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == CHILD_SKIPPED)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* "CapEff:" and the like of this process, as the kernel shows them. */
static uint64_t status_mask(const char *field)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/status", "re");
	uint64_t v = UINT64_MAX;
	char line[256];

	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, field, strlen(field)) == 0)
			(void)sscanf(line + strlen(field), "%" SCNx64, &v);
	return v;
}

/* ---- capabilities and ids ---- */

static int body_caps_through_uid_change(void)
{
	uint32_t groups[] = { 7, 8 };
	const struct oci_user u = { .uid = 1000,
				    .gid = 1001,
				    .has_umask = true,
				    .umask = 027,
				    .additional_gids = groups,
				    .n_additional_gids = 2 };
	const struct oci_caps c = {
		.present = true,
		.bounding = BIT(CAP_CHOWN) | BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_SETPCAP),
		.permitted = BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_CHOWN),
		.effective = BIT(CAP_NET_BIND_SERVICE),
		.inheritable = BIT(CAP_NET_BIND_SERVICE),
		.ambient = BIT(CAP_NET_BIND_SERVICE),
	};
	gid_t now[8] = { 0 };
	struct err e = { 0 };
	uid_t r, ef, s;

	EXPECT(confine_bounding(&c, &e) == 0);
	EXPECT(status_mask("CapBnd:") == c.bounding);
	EXPECT(confine_ids(&u, &e) == 0);
	EXPECT(getresuid(&r, &ef, &s) == 0 && r == 1000 && ef == 1000 && s == 1000);
	EXPECT(getresgid(&r, &ef, &s) == 0 && r == 1001 && ef == 1001 && s == 1001);
	EXPECT(getgroups(8, now) == 2 && now[0] == 7 && now[1] == 8);
	EXPECT(umask(0) == 027);
	/* Kept and usable, not only permitted; and the next change of ids would drop them as usual. */
	EXPECT((status_mask("CapEff:") & BIT(CAP_SYS_ADMIN)) != 0);
	EXPECT(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0) == 0);
	EXPECT(confine_caps(&c, &e) == 0);
	EXPECT(status_mask("CapPrm:") == c.permitted);
	EXPECT(status_mask("CapEff:") == c.effective);
	EXPECT(status_mask("CapInh:") == c.inheritable);
	EXPECT(status_mask("CapAmb:") == c.ambient);
	EXPECT(status_mask("CapBnd:") == c.bounding);
	EXPECT(setresuid(0, 0, 0) < 0);
	return 0;
}

static void capabilities_survive_the_change_of_ids_exactly(void **state)
{
	(void)state;
	in_userns(body_caps_through_uid_change);
}

static int body_no_caps(void)
{
	const struct oci_caps none = { .present = false, .bounding = UINT64_MAX, .permitted = UINT64_MAX };
	struct err e = { 0 };

	EXPECT(confine_bounding(&none, &e) == 0 && confine_caps(&none, &e) == 0);
	EXPECT(status_mask("CapBnd:") == 0 && status_mask("CapPrm:") == 0 && status_mask("CapEff:") == 0 &&
	       status_mask("CapInh:") == 0 && status_mask("CapAmb:") == 0);
	return 0;
}

static void absent_capabilities_are_none_at_all(void **state)
{
	(void)state;
	in_userns(body_no_caps);
}

static int body_refused_caps(void)
{
	const uint64_t chown = BIT(CAP_CHOWN), admin = BIT(CAP_SYS_ADMIN), kill = BIT(CAP_KILL), future = BIT(62);
	const struct {
		struct oci_caps c;
		const char *text; /* NULL: accepted */
	} rows[] = {
		{ { .present = true, .permitted = chown, .effective = chown | kill }, "effective: CAP_KILL" },
		/* Ambient outside of permitted and inheritable: left out (the last row shows that the rest is raised). */
		{ { .present = true, .permitted = chown | kill | admin | BIT(CAP_SETPCAP), .ambient = kill },
		  NULL },
		/* What this kernel cannot know is not held against the profile. */
		{ { .present = true,
		    .permitted = chown | kill | BIT(CAP_SETPCAP) | future,
		    .effective = chown | future,
		    .inheritable = chown | future,
		    .ambient = chown | future },
		  NULL },
		{ { .present = true, .permitted = chown | admin }, "permitted: CAP_SYS_ADMIN" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		int r = confine_caps(&rows[i].c, &e);

		EXPECT(rows[i].text ? r == -EPERM && strstr(e.msg, rows[i].text) : r == 0);
	}
	EXPECT(status_mask("CapAmb:") == chown);
	/* An ambient capability goes also where it could stay. */
	const struct oci_caps quiet = { .present = true,
					.permitted = chown | BIT(CAP_SETPCAP),
					.inheritable = chown };

	EXPECT(confine_caps(&quiet, NULL) == 0 && status_mask("CapInh:") == chown && status_mask("CapAmb:") == 0);
	/* A capability that has left the bounding set cannot come back as an inheritable one. */
	const struct oci_caps bound = { .present = true, .bounding = chown },
			      inh = { .present = true, .permitted = chown, .inheritable = kill };
	const struct oci_caps again = { .present = true,
					.permitted = chown | BIT(CAP_SETPCAP),
					.effective = BIT(CAP_SETPCAP) };
	struct err e = { 0 };

	EXPECT(confine_caps(&again, &e) == 0 && confine_bounding(&bound, &e) == 0);
	EXPECT(confine_caps(&inh, &e) == -EPERM && strstr(e.msg, "inheritable: CAP_KILL"));
	return 0;
}

static void a_capability_that_cannot_be_had_is_named(void **state)
{
	(void)state;
	in_userns(body_refused_caps);
}

static int body_bad_ids(void)
{
	const struct oci_user uid = { .uid = 70000 }, gid = { .gid = 70000 };
	uint32_t groups[] = { 70000 };
	const struct oci_user group = { .additional_gids = groups, .n_additional_gids = 1 };
	struct err e = { 0 };

	EXPECT(confine_ids(&uid, &e) == -EINVAL && strstr(e.msg, "process.user.uid: setuid to 70000"));
	EXPECT(confine_ids(&gid, &e) == -EINVAL && strstr(e.msg, "process.user.gid: setgid to 70000"));
	EXPECT(confine_ids(&group, &e) == -EINVAL && strstr(e.msg, "additionalGids"));
	return 0;
}

static void ids_without_a_mapping_are_refused_by_name(void **state)
{
	(void)state;
	in_userns(body_bad_ids);
}

static int body_setgroups_denied(void)
{
	gid_t outside[] = { 0, 4 };
	uint32_t groups[] = { 0 };
	const struct oci_user with = { .additional_gids = groups, .n_additional_gids = 1 }, without = { 0 };
	struct err e = { 0 };

	EXPECT(setgroups(2, outside) == 0);
	if (unshare(CLONE_NEWUSER) < 0)
		return CHILD_SKIPPED;
	EXPECT(put_map(getpid(), "setgroups", "deny") == 0);
	EXPECT(put_map(getpid(), "uid_map", "0 0 1") == 0 && put_map(getpid(), "gid_map", "0 0 1") == 0);
	EXPECT(confine_ids(&with, &e) == -EPERM && strstr(e.msg, "not permitted in this user namespace"));
	EXPECT(confine_ids(&without, &e) == 0); /* gid 0 is its own, gid 4 has no mapping */
	return 0;
}

/* A group that is mapped is a right. It stays where it was asked for and is refused where not. */
static int body_setgroups_denied_with_a_mapped_group(void)
{
	gid_t outside[] = { 0, 4 };
	const struct oci_user u = { 0 };
	struct err e = { 0 };
	pid_t pid = getpid(), helper;
	int status, go[2];
	char c;

	EXPECT(setgroups(2, outside) == 0 && pipe2(go, O_CLOEXEC) == 0);
	/* Only the owner outside may map two ids. */
	if ((helper = fork()) == 0) {
		if (read(go[0], &c, 1) != 1)
			_exit(1);
		_exit(put_map(pid, "setgroups", "deny") < 0 || put_map(pid, "uid_map", "0 0 1") < 0 ||
		      put_map(pid, "gid_map", "0 0 8") < 0);
	}
	if (unshare(CLONE_NEWUSER) < 0)
		return CHILD_SKIPPED;
	EXPECT(write(go[1], "g", 1) == 1 && waitpid(helper, &status, 0) == helper && status == 0);
	EXPECT(confine_ids(&u, &e) == -EPERM);
	return 0;
}

static void where_setgroups_is_denied_no_group_slips_in(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	in_child(body_setgroups_denied);
	in_child(body_setgroups_denied_with_a_mapped_group);
}

/* ---- scheduling, limits, personality ---- */

static int body_rlimits(void)
{
	const struct oci_rlimit good[] = {
		{ .resource = RLIMIT_NOFILE, .name = "RLIMIT_NOFILE", .soft = 100, .hard = 200 },
		{ .resource = RLIMIT_CORE, .name = "RLIMIT_CORE", .soft = 0, .hard = 0 },
	};
	const struct oci_rlimit crossed = {
		.resource = RLIMIT_FSIZE, .name = "RLIMIT_FSIZE", .soft = 2, .hard = 1
	};
	const struct oci_rlimit raised = {
		.resource = RLIMIT_NOFILE, .name = "RLIMIT_NOFILE", .soft = 100, .hard = 300
	};
	const struct oci_rlimit unknown = { .resource = 99, .name = "RLIMIT_FUTURE", .soft = 1, .hard = 1 };
	struct err e = { 0 };
	struct rlimit lim;

	EXPECT(confine_rlimits(0, good, 2, &e) == 0);
	EXPECT(getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur == 100 && lim.rlim_max == 200);
	EXPECT(getrlimit(RLIMIT_CORE, &lim) == 0 && lim.rlim_max == 0);
	EXPECT(confine_rlimits(getpid(), &crossed, 1, &e) == -EINVAL &&
	       strstr(e.msg, "RLIMIT_FSIZE: soft 2 is above hard 1"));
	EXPECT(confine_rlimits(0, &unknown, 1, &e) == -EINVAL && strstr(e.msg, "RLIMIT_FUTURE"));
	if (geteuid() == 0)
		EXPECT(setresuid(65534, 65534, 65534) == 0);
	EXPECT(confine_rlimits(0, &raised, 1, &e) == -EPERM && strstr(e.msg, "RLIMIT_NOFILE: soft 100, hard 300"));
	return 0;
}

static void a_limit_that_fails_is_named(void **state)
{
	(void)state;
	in_child(body_rlimits);
}

static int body_scheduling(void)
{
	struct oci_process p = { .scheduler = { .present = true, .policy = SCHED_BATCH, .nice = 7 },
				 .has_io_priority = true,
				 .io_class = 2,
				 .io_level = 6 };
	struct err e = { 0 };

	EXPECT(confine_scheduling(0, &p, &e) == 0);
	EXPECT(sched_getscheduler(0) == SCHED_BATCH && getpriority(PRIO_PROCESS, 0) == 7);
	EXPECT(syscall(SYS_ioprio_get, 1, 0) == (2 << 13 | 6));
	p = (struct oci_process){ .scheduler = { .present = true, .policy = SCHED_IDLE } };
	EXPECT(confine_scheduling(getpid(), &p, &e) == 0 && sched_getscheduler(0) == SCHED_IDLE);
	p.scheduler.policy = 99;
	EXPECT(confine_scheduling(0, &p, &e) == -EINVAL && strstr(e.msg, "process.scheduler: policy 99"));
	p = (struct oci_process){ .has_io_priority = true, .io_class = 7, .io_level = 1 };
	EXPECT(confine_scheduling(0, &p, &e) == -EINVAL &&
	       strstr(e.msg, "process.ioPriority: class 7, priority 1"));
	p = (struct oci_process){ 0 };
	EXPECT(confine_scheduling(0, &p, &e) == 0 && sched_getscheduler(0) == SCHED_IDLE);
	return 0;
}

static void scheduling_is_set_only_where_given(void **state)
{
	(void)state;
	in_child(body_scheduling);
}

static int body_affinity(void)
{
	struct oci_process p = { .has_exec_cpu_affinity = true };
	cpu_set_t before, now;
	struct err e = { 0 };
	char list[16];
	size_t cpu = 0;

	EXPECT(sched_getaffinity(0, sizeof before, &before) == 0);
	while (!CPU_ISSET(cpu, &before))
		cpu++;
	(void)snprintf(list, sizeof list, "%zu", cpu);
	EXPECT(confine_scheduling(0, &p, &e) == 0); /* neither initial nor final: nothing happens */
	EXPECT(sched_getaffinity(0, sizeof now, &now) == 0 && CPU_EQUAL(&now, &before));
	p.cpu_affinity_final = list;
	EXPECT(confine_scheduling(0, &p, &e) == 0);
	EXPECT(sched_getaffinity(0, sizeof now, &now) == 0 && CPU_COUNT(&now) == 1 && CPU_ISSET(cpu, &now));
	EXPECT(confine_cpu_affinity(getpid(), "0-8191", &e) == 0);
	EXPECT(sched_getaffinity(0, sizeof now, &now) == 0 && CPU_EQUAL(&now, &before));
	EXPECT(confine_cpu_affinity(0, "8000-8191", &e) == -EINVAL && strstr(e.msg, "allows none of '8000-8191'"));
	EXPECT(confine_cpu_affinity(0, "8192", &e) == -ERANGE && strstr(e.msg, "below 8192"));
	EXPECT(confine_cpu_affinity(0, "1;2", &e) == -EINVAL && strstr(e.msg, "'1;2' is not a list"));
	return 0;
}

static void affinity_is_the_list(void **state)
{
	(void)state;
	in_child(body_affinity);
}

static void cpu_lists_are_strict(void **state)
{
	static const struct {
		const char *s;
		int r, n, first, last;
	} rows[] = {
		{ "0", 0, 1, 0, 0 },
		{ "0-3,7", 0, 5, 0, 7 },
		{ "7,0-3", 0, 5, 0, 7 },
		{ "1,1,1-1", 0, 1, 1, 1 },
		{ "0-8191", 0, 8192, 0, 8191 },
		{ "63-64", 0, 2, 63, 64 },
		{ "007", 0, 1, 7, 7 },
		{ "", -EINVAL },
		{ ",", -EINVAL },
		{ "1,", -EINVAL },
		{ ",1", -EINVAL },
		{ "1,,2", -EINVAL },
		{ "3-1", -EINVAL },
		{ "1-", -EINVAL },
		{ "-1", -EINVAL },
		{ "1-2-3", -EINVAL },
		{ " 1", -EINVAL },
		{ "1 ", -EINVAL },
		{ "1\n", -EINVAL },
		{ "0-7:2/4", -EINVAL },
		{ "a", -EINVAL },
		{ "0x1", -EINVAL },
		{ "+1", -EINVAL },
		{ "8192", -ERANGE },
		{ "0-8192", -ERANGE },
		{ "18446744073709551616", -ERANGE },
		{ "all", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct confine_cpus cpus;
		int n = 0, first = -1, last = -1;

		memset(&cpus, 0xa5, sizeof cpus);
		if (confine_cpulist(rows[i].s, &cpus) != rows[i].r)
			fail_msg("'%s'", rows[i].s);
		if (rows[i].r < 0) {
			assert_int_equal(cpus.bits[0], 0xa5a5a5a5a5a5a5a5); /* written on success only */
			continue;
		}
		for (int c = 0; c < (int)CONFINE_CPUS_MAX; c++)
			if (cpus.bits[c / 64] >> (c % 64) & 1) {
				first = first < 0 ? c : first;
				last = c;
				n++;
			}
		assert_true(n == rows[i].n && first == rows[i].first && last == rows[i].last);
	}
}

static int body_personality(void)
{
	struct oci_linux l = { .has_personality = false, .personality_domain = "LINUX32" };
	struct err e = { 0 };

	EXPECT(confine_personality(&l, &e) == 0 && personality(0xffffffff) == PER_LINUX);
	l.has_personality = true;
	EXPECT(confine_personality(&l, &e) == 0 && personality(0xffffffff) == PER_LINUX32);
	l.personality_domain = "LINUX";
	EXPECT(confine_personality(&l, &e) == 0 && personality(0xffffffff) == PER_LINUX);
	l.personality_domain = "BSD";
	EXPECT(confine_personality(&l, &e) == -EINVAL && strstr(e.msg, "'BSD'"));
	return 0;
}

static void personality_is_linux_or_linux32(void **state)
{
	(void)state;
	in_child(body_personality);
}

static void oom_score_is_written_only_when_it_differs(void **state)
{
	char dir[] = "/tmp/caisson-test-XXXXXX";
	_cleanup_close_ int fd = -EBADF;
	struct err e = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(fd, "12", 0700), 0);
	assert_int_equal(mkdirat(fd, "self", 0700), 0);
	static const struct {
		const char *name, *before, *after;
		pid_t pid;
		int value;
	} rows[] = {
		{ "12/oom_score_adj", "0500\n", "0500\n", 12,
		  500 }, /* a spelling that only an untouched file keeps */
		{ "12/oom_score_adj", "0500\n", "-999\n", 12, -999 },
		{ "self/oom_score_adj", "-0\n", "-0\n", 0, 0 },
		{ "self/oom_score_adj", "1000", "1000", 0, 1000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = NULL;
		_cleanup_close_ int f = openat(fd, rows[i].name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		assert_int_equal(io_write_all(f, rows[i].before, strlen(rows[i].before)), 0);
		assert_int_equal(confine_oom_score_adj(fd, rows[i].pid, rows[i].value, &e), 0);
		assert_int_equal(io_read_at(fd, rows[i].name, 64, &text, NULL), 0);
		assert_string_equal(text, rows[i].after);
	}
	assert_int_equal(confine_oom_score_adj(fd, 13, 1, &e), -ENOENT);
	assert_int_equal(confine_oom_score_adj(fd, 12, 1001, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "1001"));
	assert_int_equal(unlinkat(fd, "12/oom_score_adj", 0) | unlinkat(fd, "self/oom_score_adj", 0), 0);
	assert_int_equal(unlinkat(fd, "12", AT_REMOVEDIR) | unlinkat(fd, "self", AT_REMOVEDIR) | rmdir(dir), 0);
}

static int body_oom_score(void)
{
	_cleanup_close_ int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };

	EXPECT(confine_oom_score_adj(proc, getpid(), 900, &e) == 0 &&
	       confine_oom_score_adj(proc, 0, 900, &e) == 0);
	EXPECT(io_read_at(proc, "self/oom_score_adj", 64, &text, NULL) == 0 && strcmp(text, "900\n") == 0);
	return 0;
}

static void the_kernel_takes_the_oom_score(void **state)
{
	(void)state;
	in_child(body_oom_score);
}

/* ---- LSM ---- */

static bool has_lsm(void)
{
	return access("/sys/module/apparmor/parameters/enabled", F_OK) == 0 ||
	       access("/sys/fs/selinux/enforce", F_OK) == 0;
}

static void labels_are_refused_where_no_lsm_could_honour_them(void **state)
{
	static const struct {
		const char *apparmor, *selinux;
		int r;
		const char *text;
	} rows[] = {
		{ NULL, NULL, 0, NULL },
		{ "", "", 0, NULL },
		{ "unconfined", NULL, 0, NULL },
		{ "docker-default", NULL, -ENOTSUP, "process.apparmorProfile: 'docker-default'" },
		{ "Unconfined", NULL, -ENOTSUP, "'Unconfined'" },
		{ NULL, "system_u:system_r:container_t:s0", -ENOTSUP,
		  "process.selinuxLabel: 'system_u:system_r:container_t:s0'" },
		{ NULL, "unconfined", -ENOTSUP, "process.selinuxLabel" },
	};

	(void)state;
	if (has_lsm())
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };

		assert_int_equal(confine_lsm_check(rows[i].apparmor, rows[i].selinux, &e), rows[i].r);
		if (rows[i].text)
			assert_non_null(strstr(e.msg, rows[i].text));
	}
}

static int body_lsm_apply(void)
{
	_cleanup_close_ int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err e = { 0 };

	EXPECT(confine_lsm_apply(proc, NULL, NULL, &e) == 0 && confine_lsm_apply(proc, "", "", &e) == 0);
	EXPECT(confine_lsm_apply(-EBADF, NULL, "", &e) == 0);
	EXPECT(confine_lsm_apply(proc, "unconfined", NULL, &e) == 0);
	EXPECT(confine_lsm_apply(proc, "no-such-profile", NULL, &e) < 0 && strstr(e.msg, "no-such-profile"));
	EXPECT(confine_lsm_apply(proc, NULL, "no:such:label", &e) < 0 && strstr(e.msg, "no:such:label"));
	return 0;
}

static void a_label_that_cannot_be_applied_is_an_error(void **state)
{
	(void)state;
	if (has_lsm())
		skip();
	in_child(body_lsm_apply);
}

static void a_file_in_place_of_procfs_swallows_no_label(void **state)
{
	char dir[] = "/tmp/caisson-test-XXXXXX";
	static const char *const files[] = { "self/attr/apparmor/exec", "self/attr/exec" };
	static const char *const dirs[] = { "self", "self/attr", "self/attr/apparmor" };
	_cleanup_close_ int fd = -EBADF;
	struct err e = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		assert_int_equal(mkdirat(fd, dirs[i], 0700), 0);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		assert_int_equal(io_replace_at(fd, "tmp", "", 0, 0600) | renameat(fd, "tmp", fd, files[i]), 0);
	assert_int_equal(confine_lsm_apply(fd, "docker-default", NULL, &e), -EXDEV);
	assert_int_equal(confine_lsm_apply(fd, "unconfined", NULL, &e), -EXDEV);
	assert_int_equal(confine_lsm_apply(fd, NULL, "a:b:c", &e), -EXDEV);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *text = NULL;

		assert_int_equal(io_read_at(fd, files[i], 64, &text, NULL), 0);
		assert_string_equal(text, "");
		assert_int_equal(unlinkat(fd, files[i], 0), 0);
	}
	for (size_t i = ARRAY_SIZE(dirs); i-- > 0;)
		assert_int_equal(unlinkat(fd, dirs[i], AT_REMOVEDIR), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* ---- keyring ---- */

static int body_keyring(void)
{
	char desc[256] = "", again[256] = "";
	struct err e = { 0 };
	long n;

	if (syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1, 0, 0) < 0)
		return CHILD_SKIPPED; /* ENOSYS, or a filter around the test */
	EXPECT(confine_new_keyring("abc", &e) == 0);
	n = syscall(SYS_keyctl, KEYCTL_DESCRIBE, KEY_SPEC_SESSION_KEYRING, desc, sizeof desc, 0);
	EXPECT(n > 0 && strncmp(desc, "keyring;", 8) == 0 && strstr(desc, ";_ses.abc"));
	/* An exec'ed process with another id finds it by name: "other" may search. */
	EXPECT(strstr(desc, "8;_ses.abc"));
	/* Two containers have two keyrings. */
	EXPECT(confine_new_keyring("abd", &e) == 0);
	n = syscall(SYS_keyctl, KEYCTL_DESCRIBE, KEY_SPEC_SESSION_KEYRING, again, sizeof again, 0);
	EXPECT(n > 0 && strstr(again, ";_ses.abd"));
	return 0;
}

static void each_container_has_a_session_keyring(void **state)
{
	(void)state;
	in_child(body_keyring);
}

/* ---- the seccomp listener ---- */

static int agent_listen(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0 && strlen(path) < sizeof sa.sun_path);
	memcpy(sa.sun_path, path, strlen(path));
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

/* All bytes until the peer closes, and the one descriptor that came with the first. */
static size_t agent_receive(int listener, char *buf, size_t size, int *ret_fd)
{
	_cleanup_close_ int c = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(4 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof control.buf
	};
	struct cmsghdr *h;
	ssize_t n, more;

	n = recvmsg(c, &m, MSG_CMSG_CLOEXEC);
	assert_true(n > 0);
	h = CMSG_FIRSTHDR(&m);
	assert_non_null(h);
	assert_int_equal(h->cmsg_type, SCM_RIGHTS);
	assert_int_equal(h->cmsg_len, CMSG_LEN(sizeof *ret_fd));
	memcpy(ret_fd, CMSG_DATA(h), sizeof *ret_fd);
	while ((more = read(c, buf + n, size - (size_t)n)) > 0)
		n += more;
	return (size_t)n;
}

static void the_agent_gets_the_container_process_state(void **state)
{
	static const char oci[] =
		"{\"ociVersion\":\"1.2.0\",\"id\":\"c1\",\"status\":\"creating\",\"pid\":42,\"bundle\":\"/b\"}";
	char dir[] = "/tmp/caisson-test-XXXXXX", path[64], buf[4096];

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof path, "%s/agent", dir);
	for (int with = 0; with < 2; with++) {
		_cleanup_close_ int listener = agent_listen(path), got = -EBADF;
		_cleanup_close_ int notify = memfd_create("notify", MFD_CLOEXEC);
		struct stat a, b;
		json_t *msg, *want;
		struct err e = { 0 };
		size_t n;

		assert_int_equal(seccomp_notify_send(path, notify, 42, with ? "meta \"data\"" : NULL, oci, &e), 0);
		n = agent_receive(listener, buf, sizeof buf, &got);
		assert_true(fstat(notify, &a) == 0 && fstat(got, &b) == 0 && a.st_ino == b.st_ino);
		msg = json_loadb(buf, n, JSON_REJECT_DUPLICATES, NULL);
		want = json_pack("{s:s, s:[s], s:i, s:s*, s:{s:s, s:s, s:s, s:i, s:s}}", "ociVersion", "1.2.0",
				 "fds", "seccompFd", "pid", 42, "metadata", with ? "meta \"data\"" : NULL, "state",
				 "ociVersion", "1.2.0", "id", "c1", "status", "creating", "pid", 42, "bundle",
				 "/b");
		assert_non_null(msg);
		assert_true(json_equal(msg, want));
		json_decref(msg);
		json_decref(want);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(dir), 0);
}

static void an_agent_that_is_not_there_is_named(void **state)
{
	static const char oci[] = "{\"ociVersion\":\"1.2.0\"}";
	char longpath[200];
	const struct {
		const char *path, *state;
		int r;
		const char *text;
	} rows[] = {
		{ "/nonexistent/agent", oci, -ENOENT, "connect to '/nonexistent/agent'" },
		{ "agent", oci, -EINVAL, "must be absolute" },
		{ longpath, oci, -EINVAL, "shorter than 108" },
		{ "/nonexistent/agent", "[]", -EINVAL, "container state" },
		{ "/nonexistent/agent", "{", -EINVAL, "container state" },
		{ "/nonexistent/agent", "{\"id\":\"x\"}", -EINVAL, "ociVersion" },
	};

	(void)state;
	memset(longpath, '/', sizeof longpath - 1);
	longpath[sizeof longpath - 1] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };

		assert_int_equal(seccomp_notify_send(rows[i].path, 0, 1, NULL, rows[i].state, &e), rows[i].r);
		assert_non_null(strstr(e.msg, rows[i].text));
	}
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(capabilities_survive_the_change_of_ids_exactly),
		cmocka_unit_test(absent_capabilities_are_none_at_all),
		cmocka_unit_test(a_capability_that_cannot_be_had_is_named),
		cmocka_unit_test(ids_without_a_mapping_are_refused_by_name),
		cmocka_unit_test(where_setgroups_is_denied_no_group_slips_in),
		cmocka_unit_test(a_limit_that_fails_is_named),
		cmocka_unit_test(scheduling_is_set_only_where_given),
		cmocka_unit_test(affinity_is_the_list),
		cmocka_unit_test(cpu_lists_are_strict),
		cmocka_unit_test(personality_is_linux_or_linux32),
		cmocka_unit_test(oom_score_is_written_only_when_it_differs),
		cmocka_unit_test(the_kernel_takes_the_oom_score),
		cmocka_unit_test(labels_are_refused_where_no_lsm_could_honour_them),
		cmocka_unit_test(a_label_that_cannot_be_applied_is_an_error),
		cmocka_unit_test(a_file_in_place_of_procfs_swallows_no_label),
		cmocka_unit_test(each_container_has_a_session_keyring),
		cmocka_unit_test(the_agent_gets_the_container_process_state),
		cmocka_unit_test(an_agent_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
