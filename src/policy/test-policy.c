/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "policy/policy.h"

#define PREFIX                                                                                   \
	"error in the container spec: invalid or unsupported container spec: sysbox containers " \
	"can't share "
#define SUFFIX " with the host (because they use the linux user-namespace for isolation)"

#define B(ns) (1u << OCI_NS_##ns)
#define ALL   (B(PID) | B(NETWORK) | B(MOUNT) | B(IPC) | B(UTS) | B(USER) | B(CGROUP))

static struct oci_spec spec_with(unsigned present)
{
	struct oci_spec s = { 0 };

	for (unsigned i = 0; i < OCI_NS_COUNT; i++)
		s.linux_.ns[i].present = present >> i & 1;
	return s;
}

static void shared_host_namespaces_are_refused_with_the_documented_text(void **state)
{
	static const struct {
		unsigned missing;
		const char *text; /* NULL: accepted */
	} rows[] = {
		{ 0, NULL },
		{ B(USER), NULL },
		{ B(CGROUP), NULL },
		{ B(USER) | B(CGROUP) | B(TIME), NULL },
		{ B(PID), PREFIX "namespaces [pid]" SUFFIX },
		{ B(IPC), PREFIX "namespaces [ipc]" SUFFIX },
		{ B(UTS), PREFIX "namespaces [uts]" SUFFIX },
		{ B(MOUNT), PREFIX "namespaces [mount]" SUFFIX },
		{ B(NETWORK), PREFIX "a network namespace" SUFFIX },
		{ B(NETWORK) | B(USER), PREFIX "a network namespace" SUFFIX },
		{ B(PID) | B(IPC), PREFIX "namespaces [pid ipc]" SUFFIX },
		{ B(PID) | B(NETWORK), PREFIX "namespaces [pid network]" SUFFIX },
		{ ALL, PREFIX "namespaces [pid ipc uts mount network]" SUFFIX },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct oci_spec s = spec_with(ALL & ~rows[i].missing);
		struct err e = { 0 };
		int r = policy_namespaces(&s, &e);

		assert_int_equal(r, rows[i].text ? -EPERM : 0);
		assert_string_equal(e.msg, rows[i].text ? rows[i].text : "");
	}
}

static void a_joined_host_namespace_gets_the_same_text_as_a_missing_one(void **state)
{
	(void)state;
	for (unsigned missing = 0; missing < 1u << OCI_NS_COUNT; missing++) {
		struct oci_spec s = spec_with(~missing);
		bool host[OCI_NS_COUNT];
		struct err a = { 0 }, b = { 0 };

		for (unsigned i = 0; i < OCI_NS_COUNT; i++)
			host[i] = missing >> i & 1;
		assert_int_equal(policy_namespaces(&s, &a), policy_namespaces_host(host, &b));
		assert_string_equal(a.msg, b.msg);
	}
}

static void sysctls_are_judged_by_the_namespace_they_belong_to(void **state)
{
	static const struct {
		const char *key;
		unsigned present;
		int r;
	} rows[] = {
		{ "net.ipv4.ip_forward", ALL, 0 },
		{ "net/ipv4/ip_forward", ALL, 0 },
		{ "net.ipv4.conf.eth0/1.forwarding", ALL, 0 },
		{ "net/ipv4/conf/eth0.1/forwarding", ALL, 0 },
		{ "net.ipv4.ip_forward", ALL & ~B(NETWORK), -EPERM },
		{ "net.core.somaxconn", B(NETWORK), 0 },
		{ "net", ALL, -EPERM },
		{ "network.x", ALL, -EPERM },
		{ "kernel.msgmax", ALL, 0 },
		{ "kernel.msgmnb", ALL, 0 },
		{ "kernel.msgmni", ALL, 0 },
		{ "kernel.sem", ALL, 0 },
		{ "kernel.shmall", ALL, 0 },
		{ "kernel.shmmax", ALL, 0 },
		{ "kernel/shmmni", ALL, 0 },
		{ "kernel.shm_rmid_forced", ALL, 0 },
		{ "kernel.shmmax", ALL & ~B(IPC), -EPERM },
		{ "kernel.shmmaxx", ALL, -EPERM },
		{ "kernel.shmmax.x", ALL, -EPERM },
		{ "fs.mqueue.msg_max", ALL, 0 },
		{ "fs.mqueue.msg_max", ALL & ~B(IPC), -EPERM },
		{ "fs.mqueue", ALL, -EPERM },
		{ "fs.mqueuex.y", ALL, -EPERM },
		{ "kernel.domainname", ALL, 0 },
		{ "kernel.domainname", ALL & ~B(UTS), -EPERM },
		{ "kernel.hostname", ALL, -EINVAL },
		{ "kernel/hostname", ALL, -EINVAL },
		{ "user.max_user_namespaces", ALL, 0 },
		{ "user.max_user_namespaces", 0, 0 },
		{ "kernel.core_pattern", ALL, -EPERM },
		{ "kernel/core_pattern", ALL, -EPERM },
		{ "kernel.modprobe", ALL, -EPERM },
		{ "kernel.panic", ALL, -EPERM },
		{ "kernel.ns_last_pid", ALL, -EPERM },
		{ "vm.overcommit_memory", ALL, -EPERM },
		{ "fs.file-max", ALL, -EPERM },
		{ "abi.x", ALL, -EPERM },
		{ "debug.exception-trace", ALL, -EPERM },
		{ "Net.ipv4.ip_forward", ALL, -EPERM },
		{ "net/../kernel/core_pattern", ALL, -EINVAL },
		{ "net.//.kernel.core_pattern", ALL, -EINVAL },
		{ "net./.kernel.core_pattern", ALL, -EINVAL },
		{ "net//ipv4", ALL, -EINVAL },
		{ "net..ipv4", ALL, -EINVAL },
		{ "net/./ipv4", ALL, -EINVAL },
		{ ".net.ipv4", ALL, -EINVAL },
		{ "/proc/sys/net/x", ALL, -EINVAL },
		{ "net.ipv4.", ALL, -EINVAL },
		{ "net.ipv4.x\n", ALL, -EINVAL },
		{ "net.ipv4.x y", ALL, -EINVAL },
		{ "net.ipv4.x+kernel.core_pattern", ALL,
		  0 }, /* one odd name below net/: the kernel does not have it */
		{ "", ALL, -EINVAL },
		{ ".", ALL, -EINVAL },
		{ "/", ALL, -EINVAL },
		{ "..", ALL, -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct oci_kv kv[] = { { "net.ipv4.ip_forward", "1" }, { rows[i].key, "1" } };
		struct oci_spec s = spec_with(rows[i].present);
		struct err e = { 0 };
		int r;

		s.linux_.sysctl = kv + 1;
		s.linux_.n_sysctl = 1;
		r = policy_sysctl(&s, &e);
		if (r != rows[i].r || (r < 0) != (e.msg[0] != '\0') || strpbrk(e.msg, "\n"))
			fail_msg("%s: %d: %s", rows[i].key, r, e.msg);
		if (rows[i].present & B(NETWORK)) {
			s.linux_.sysctl = kv; /* a bad one behind a good one */
			s.linux_.n_sysctl = 2;
			assert_int_equal(policy_sysctl(&s, NULL), rows[i].r);
		}
	}
}

static void a_sysctl_name_becomes_one_path_that_cannot_leave_its_tree(void **state)
{
	char buf[64], long_name[400];

	(void)state;
	assert_int_equal(policy_sysctl_path("net.ipv4.conf.eth0/1.rp_filter", buf, sizeof buf), 0);
	assert_string_equal(buf, "net/ipv4/conf/eth0.1/rp_filter");
	assert_int_equal(policy_sysctl_path("net/ipv4/conf/eth0.1/rp_filter", buf, sizeof buf), 0);
	assert_string_equal(buf, "net/ipv4/conf/eth0.1/rp_filter");
	assert_int_equal(policy_sysctl_path("kernel.sem", buf, 10), -EINVAL);
	assert_int_equal(policy_sysctl_path("kernel.sem", buf, 11), 0);
	memset(long_name, 'a', sizeof long_name);
	long_name[sizeof long_name - 1] = '\0';
	assert_int_equal(policy_sysctl_path(long_name, long_name, sizeof long_name), -EINVAL);
}

static void refused_sysctls_are_named_with_a_cure(void **state)
{
	struct oci_kv kv = { "kernel.core_pattern", "|/bin/sh" };
	struct oci_spec s = spec_with(ALL);
	struct err e = { 0 };

	(void)state;
	s.linux_.sysctl = &kv;
	s.linux_.n_sysctl = 1;
	assert_int_equal(policy_sysctl(&s, &e), -EPERM);
	assert_non_null(strstr(e.msg, "kernel.core_pattern"));
	assert_non_null(strstr(e.msg, "leave it out"));
	kv.key = "kernel.hostname";
	assert_int_equal(policy_sysctl(&s, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "--hostname"));
}

static void only_devices_in_the_settings_are_listed(void **state)
{
	struct settings_device devices[] = { { "/dev/fuse" }, { "/dev/net/tun" } };
	struct settings st = { .devices = devices, .n_devices = 2 }, none = { 0 };

	(void)state;
	assert_true(policy_device_listed(&st, "/dev/fuse"));
	assert_true(policy_device_listed(&st, "/dev/net/tun"));
	assert_false(policy_device_listed(&st, "/dev/fuse2"));
	assert_false(policy_device_listed(&st, "/dev/net"));
	assert_false(policy_device_listed(&st, "/dev/net/../fuse"));
	assert_false(policy_device_listed(&st, "/dev/sda"));
	assert_false(policy_device_listed(&none, "/dev/fuse"));
}

#define RULE(a, t, ma, mi, r, w, m)   \
	{                             \
		a, t, ma, mi, r, w, m \
	}

static void privileged_means_every_device_and_no_later_exception(void **state)
{
	static const struct {
		struct oci_device_rule v[3];
		size_t n;
		bool want;
	} rows[] = {
		{ { { 0 } }, 0, false },
		{ { RULE(true, 'a', -1, -1, true, true, true) }, 1, true },
		{ { RULE(false, 'a', -1, -1, true, true, true), RULE(true, 'a', -1, -1, true, true, true) },
		  2,
		  true },
		{ { RULE(true, 'a', -1, -1, true, true, true), RULE(false, 'a', -1, -1, true, true, true) },
		  2,
		  false },
		{ { RULE(true, 'a', -1, -1, true, true, true), RULE(false, 'b', 8, -1, true, true, true) },
		  2,
		  false },
		{ { RULE(true, 'a', -1, -1, true, true, true), RULE(true, 'c', 1, 3, true, true, true) }, 2, true },
		{ { RULE(true, 'a', -1, -1, true, true, false) }, 1, false },
		{ { RULE(true, 'a', -1, -1, false, true, true) }, 1, false },
		{ { RULE(true, 'a', 8, -1, true, true, true) }, 1, false },
		{ { RULE(true, 'a', -1, 0, true, true, true) }, 1, false },
		{ { RULE(true, 'c', -1, -1, true, true, true), RULE(true, 'b', -1, -1, true, true, true) },
		  2,
		  false },
		{ { RULE(false, 'a', -1, -1, true, true, true), RULE(true, 'c', -1, -1, false, false, true) },
		  2,
		  false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct oci_device_rule v[3];
		struct oci_spec s = { 0 };

		memcpy(v, rows[i].v, sizeof v);
		s.linux_.resources.devices = v;
		s.linux_.resources.n_devices = rows[i].n;
		if (policy_is_privileged(&s) != rows[i].want)
			fail_msg("row %zu", i);
	}
}

static void only_cap_sys_admin_in_the_bounding_set_can_mount(void **state)
{
	struct oci_spec s = { .has_process = true };

	(void)state;
	assert_false(policy_container_can_mount(&s));
	s.process.caps = (struct oci_caps){ .present = true, .bounding = UINT64_C(1) << 21 };
	assert_true(policy_container_can_mount(&s));
	s.process.caps.present = false;
	assert_false(policy_container_can_mount(&s));
	s.process.caps =
		(struct oci_caps){ .present = true, .bounding = ~(UINT64_C(1) << 21), .effective = ~UINT64_C(0) };
	assert_false(policy_container_can_mount(&s));
	s.process.caps.bounding = ~UINT64_C(0);
	s.has_process = false;
	assert_false(policy_container_can_mount(&s));
}

static void a_profile_lets_a_call_through_when_some_arguments_pass(void **state)
{
	static const char *mount_name[] = { "mount" };
	struct oci_seccomp_arg arg = { 0 };
	struct oci_seccomp_rule rule[2] = { 0 };
	struct oci_seccomp s = { .default_action = "SCMP_ACT_ERRNO", .rules = rule };

	(void)state;
	assert_true(policy_seccomp_lets(&s, "mount")); /* no profile */
	s.present = true;
	assert_false(policy_seccomp_lets(&s, "mount"));
	s.default_action = "SCMP_ACT_ALLOW";
	assert_true(policy_seccomp_lets(&s, "mount"));
	/* refused for all arguments */
	rule[0].names.v = mount_name;
	rule[0].names.n = 1;
	rule[0].action = "SCMP_ACT_ERRNO";
	s.n_rules = 1;
	assert_false(policy_seccomp_lets(&s, "mount"));
	assert_true(policy_seccomp_lets(&s, "umount2"));
	/* refused for some only */
	rule[0].args = &arg;
	rule[0].n_args = 1;
	assert_true(policy_seccomp_lets(&s, "mount"));
	/* allowed for some, everything else refused */
	s.default_action = "SCMP_ACT_KILL";
	rule[0].action = "SCMP_ACT_ALLOW";
	assert_true(policy_seccomp_lets(&s, "mount"));
	/* allowed by the second rule */
	rule[1] = rule[0];
	rule[0].action = "SCMP_ACT_ERRNO";
	s.n_rules = 2;
	assert_true(policy_seccomp_lets(&s, "mount"));
}

static void a_root_file_system_is_no_directory_of_the_hosts(void **state)
{
	static const struct {
		const char *path;
		int r;
	} rows[] = {
		{ "/", -EPERM },
		{ "/etc", -EPERM },
		{ "/etc/x/rootfs", -EPERM },
		{ "/usr/local", -EPERM },
		{ "/root", -EPERM },
		{ "/root/bundle/rootfs", 0 },
		{ "/var", -EPERM },
		{ "/var/lib/docker", -EPERM },
		{ "/home", -EPERM },
		{ "/run", -EPERM },
		{ "/etcetera/rootfs", 0 },
		{ "/home/alice/bundle/rootfs", 0 },
		{ "/var/lib/docker/overlay2/0123/merged", 0 },
		{ "/run/containerd/io.containerd.runtime.v2.task/default/c/rootfs", 0 },
		{ "/tmp/b/rootfs", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };

		if (policy_root_path(rows[i].path, &e) != rows[i].r)
			fail_msg("%s: %s", rows[i].path, e.msg);
		if (rows[i].r < 0)
			assert_non_null(strstr(e.msg, rows[i].path));
	}
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(a_root_file_system_is_no_directory_of_the_hosts),
		cmocka_unit_test(shared_host_namespaces_are_refused_with_the_documented_text),
		cmocka_unit_test(a_joined_host_namespace_gets_the_same_text_as_a_missing_one),
		cmocka_unit_test(sysctls_are_judged_by_the_namespace_they_belong_to),
		cmocka_unit_test(a_sysctl_name_becomes_one_path_that_cannot_leave_its_tree),
		cmocka_unit_test(refused_sysctls_are_named_with_a_cure),
		cmocka_unit_test(only_devices_in_the_settings_are_listed),
		cmocka_unit_test(privileged_means_every_device_and_no_later_exception),
		cmocka_unit_test(only_cap_sys_admin_in_the_bounding_set_can_mount),
		cmocka_unit_test(a_profile_lets_a_call_through_when_some_arguments_pass),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
