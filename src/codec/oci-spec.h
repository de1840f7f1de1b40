/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CODEC_OCI_SPEC_H
#define CODEC_OCI_SPEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include "base/err.h"

/*
 * The OCI runtime configuration (config.json, runtime-spec 1.2) as typed C.
 *
 * Every string points into the jansson tree that the struct owns (struct oci_spec.json): valid until
 * oci_spec_done(). Arrays are malloc'd and owned by the struct. Absent optional strings are NULL, absent optional
 * numbers have a has_* flag or the documented default. A string never contains NUL (jansson refuses \u0000).
 * Everything in here is untrusted: the parser checks types, ranges and the rules named at each field, never policy.
 */

#define OCI_CONFIG_MAX (16u << 20) /* bytes of config.json; a Docker one is 10-60 KiB */

struct oci_strv {
	const char **v;
	size_t n;
};

enum oci_ns {
	OCI_NS_PID,
	OCI_NS_NETWORK,
	OCI_NS_MOUNT,
	OCI_NS_IPC,
	OCI_NS_UTS,
	OCI_NS_USER,
	OCI_NS_CGROUP,
	OCI_NS_TIME,
	OCI_NS_COUNT,
};

struct oci_namespace {
	bool present;
	const char *path; /* NULL: a new one */
};

struct oci_idmap {
	uint32_t container, host, size;
};

struct oci_idmaps {
	struct oci_idmap *v;
	size_t n;
};

struct oci_mount {
	const char *destination; /* absolute; a relative one is taken as below "/" (spec: deprecated) */
	const char *type;	 /* may be NULL */
	const char *source;	 /* may be NULL */
	struct oci_strv options;
	struct oci_idmaps uid_mappings, gid_mappings;
};

struct oci_rlimit {
	int resource; /* RLIMIT_* */
	const char *name;
	uint64_t soft, hard;
};

/* Capability sets as bit masks, bit n = capability number n (linux/capability.h). */
struct oci_caps {
	bool present;
	uint64_t bounding, effective, inheritable, permitted, ambient;
};

struct oci_user {
	uint32_t uid, gid;
	bool has_umask;
	uint32_t umask;
	uint32_t *additional_gids;
	size_t n_additional_gids;
};

struct oci_scheduler {
	bool present;
	uint32_t policy; /* SCHED_* */
	int32_t nice, priority;
	uint64_t flags; /* SCHED_FLAG_* */
	uint64_t runtime, deadline, period;
};

struct oci_process {
	json_t *json; /* owned only when parsed alone (oci_process_load) */
	bool terminal;
	uint16_t console_height, console_width; /* 0: not given */
	struct oci_user user;
	struct oci_strv args, env;
	const char *cwd; /* absolute */
	struct oci_caps caps;
	struct oci_rlimit *rlimits;
	size_t n_rlimits;
	bool no_new_privileges;
	const char *apparmor_profile, *selinux_label;
	bool has_oom_score_adj;
	int32_t oom_score_adj;
	struct oci_scheduler scheduler;
	bool has_io_priority;
	int32_t io_class, io_level; /* IOPRIO_CLASS_*, 0..7 */
	bool has_exec_cpu_affinity;
	const char *cpu_affinity_initial, *cpu_affinity_final; /* "0-3,7" lists, syntax checked */
};

struct oci_device {
	char type; /* 'c', 'b', 'u' (= 'c'), 'p' */
	const char *path;
	int64_t major, minor;
	bool has_mode;
	uint32_t mode;
	bool has_uid, has_gid;
	uint32_t uid, gid;
};

struct oci_device_rule {
	bool allow;
	char type;	      /* 'a', 'b', 'c' */
	int64_t major, minor; /* -1: any */
	bool read, write, mknod;
};

struct oci_hugetlb {
	const char *page_size; /* "2MB", "1GB": checked against ^[0-9]+[KMG]B$ */
	uint64_t limit;
};

struct oci_blkio_device {
	int64_t major, minor;
	bool has_weight, has_leaf_weight;
	uint16_t weight, leaf_weight;
	uint64_t rate;
};

struct oci_blkio_list {
	struct oci_blkio_device *v;
	size_t n;
};

struct oci_rdma {
	const char *device;
	bool has_handles, has_objects;
	uint32_t handles, objects;
};

struct oci_netprio {
	const char *name;
	uint32_t priority;
};

struct oci_unified {
	const char *key; /* file name below the cgroup: no '/', not empty, contains '.' */
	const char *value;
};

/* linux.resources; also what `update` takes. INT64_MIN / has_* false = not given. */
struct oci_resources {
	json_t *json; /* owned only when parsed alone (oci_resources_load) */
	struct oci_device_rule *devices;
	size_t n_devices;
	bool has_mem_limit, has_mem_reservation, has_mem_swap, has_mem_kernel, has_mem_kernel_tcp, has_swappiness;
	int64_t mem_limit, mem_reservation, mem_swap, mem_kernel, mem_kernel_tcp; /* -1: unlimited */
	uint64_t swappiness;
	bool has_disable_oom_killer, disable_oom_killer;
	bool has_use_hierarchy, use_hierarchy;
	bool has_check_before_update, check_before_update;
	bool has_cpu_shares, has_cpu_quota, has_cpu_burst, has_cpu_period, has_rt_runtime, has_rt_period,
		has_cpu_idle;
	uint64_t cpu_shares, cpu_burst, cpu_period, rt_period;
	int64_t cpu_quota, rt_runtime, cpu_idle;
	const char *cpus, *mems;
	bool has_pids;
	int64_t pids_limit; /* <= 0: unlimited (Docker sends 0 and -1) */
	bool has_blkio_weight, has_blkio_leaf_weight;
	uint16_t blkio_weight, blkio_leaf_weight;
	struct oci_blkio_list weight_device, read_bps, write_bps, read_iops, write_iops;
	struct oci_hugetlb *hugetlb;
	size_t n_hugetlb;
	bool has_net_classid;
	uint32_t net_classid;
	struct oci_netprio *netprio;
	size_t n_netprio;
	struct oci_rdma *rdma;
	size_t n_rdma;
	struct oci_unified *unified;
	size_t n_unified;
};

struct oci_seccomp_arg {
	uint32_t index;
	uint64_t value, value_two;
	const char *op; /* one of SCMP_CMP_{NE,LT,LE,EQ,GE,GT,MASKED_EQ} */
};

struct oci_seccomp_rule {
	struct oci_strv names;
	const char *action;
	bool has_errno;
	uint32_t errno_ret;
	struct oci_seccomp_arg *args;
	size_t n_args;
};

struct oci_seccomp {
	bool present;
	json_t *json; /* borrowed: the "seccomp" object, for the program cache's key */
	const char *default_action;
	bool has_default_errno;
	uint32_t default_errno;
	struct oci_strv architectures, flags;
	const char *listener_path, *listener_metadata;
	struct oci_seccomp_rule *rules;
	size_t n_rules;
};

struct oci_hook {
	const char *path; /* absolute */
	struct oci_strv args, env;
	int32_t timeout; /* seconds, 0: none */
};

struct oci_hooks {
	struct oci_hook *v;
	size_t n;
};

struct oci_kv {
	const char *key, *value;
};

struct oci_linux {
	struct oci_namespace ns[OCI_NS_COUNT];
	struct oci_idmaps uid_mappings, gid_mappings;
	bool has_boottime_offset, has_monotonic_offset; /* linux.timeOffsets */
	int64_t boottime_secs, boottime_nanosecs, monotonic_secs, monotonic_nanosecs;
	struct oci_device *devices;
	size_t n_devices;
	const char *cgroups_path;
	struct oci_resources resources;
	struct oci_seccomp seccomp;
	const char *rootfs_propagation; /* NULL or one of [r]private/[r]shared/[r]slave/[r]unbindable */
	struct oci_strv masked_paths, readonly_paths; /* absolute */
	const char *mount_label;
	struct oci_kv *sysctl;
	size_t n_sysctl;
	bool has_intel_rdt, has_personality;
	const char *personality_domain; /* "LINUX" or "LINUX32" */
};

struct oci_spec {
	json_t *json; /* owned; every string above points into it */
	const char *version;
	const char *root_path;
	bool root_readonly;
	bool has_process;
	struct oci_process process;
	const char *hostname, *domainname;
	struct oci_mount *mounts;
	size_t n_mounts;
	struct oci_hooks prestart, create_runtime, create_container, start_container, poststart, poststop;
	struct oci_kv *annotations;
	size_t n_annotations;
	struct oci_linux linux_;
};

/*
 * oci_spec_parse() - parse and check a whole config.json.
 * @buf, @len: untrusted bytes     @ret: filled on success only; oci_spec_done() it
 *
 * Refused with one line that names the JSON path, the reason and the cure (e.g. "config.json: process.user.uid:
 * must be an integer from 0 to 4294967295, got a string"): not JSON, duplicate keys, nesting over 64 levels, wrong types, numbers out of range, missing
 * required fields (ociVersion, root.path, mounts[].destination, ...), relative paths where the spec wants absolute
 * ones, unknown namespace, rlimit, capability (ignored with no error, as the spec allows unknown ones to be skipped,
 * only when the name starts with CAP_ ; anything else is refused), hook or scheduler names, duplicate namespaces, rlimits or sysctls,
 * NUL, ociVersion other than 1.x. Known but unsupported fields are refused by name: vm, windows, solaris, zos,
 * linux.intelRdt, linux.memoryPolicy, linux.netDevices, net_cls/net_prio are accepted and left to cgroup code.
 * Unknown fields are ignored, as the runtime-spec demands ("Extensibility").
 * Return: 0 or -EINVAL, -EFBIG, -ENOMEM. Pure: no system calls but malloc.
 */
int oci_spec_parse(const char *buf, size_t len, struct oci_spec *ret, struct err *e);

/* oci_process_parse() - the same for a process object alone (exec --process, process.json). */
int oci_process_parse(const char *buf, size_t len, struct oci_process *ret, struct err *e);

/* oci_resources_parse() - the same for a linux.resources object alone (update --resources). */
int oci_resources_parse(const char *buf, size_t len, struct oci_resources *ret, struct err *e);

/* Free what the struct owns and leave it empty; accepts an empty or half-built one. */
void oci_spec_done(struct oci_spec *s);
void oci_process_done(struct oci_process *p);
void oci_resources_done(struct oci_resources *r);

/* oci_cap_from_name() - "CAP_SYS_ADMIN" (any case) to its number, -EINVAL when unknown. */
int oci_cap_from_name(const char *name);
/* oci_cap_name() - the reverse, NULL above the last known one. */
const char *oci_cap_name(int cap);

/* oci_ns_name() - "pid", "network", ... as used in config.json. */
const char *oci_ns_name(enum oci_ns ns);

#endif
