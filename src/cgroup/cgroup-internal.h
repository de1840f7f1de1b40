/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CGROUP_INTERNAL_H
#define CGROUP_INTERNAL_H

#include "cgroup/cgroup.h"

/*
 * Shared by the files of this directory and its tests; nothing else includes it.
 *
 * A hierarchy's directory is addressed as (top fd, "memory/docker/x"): one fd for /sys/fs/cgroup
 * serves all of them, and a directory gets an fd of its own only when several of its files are
 * needed.
 */

#define CG_TEXT_MAX    (1u << 20) /* bytes of any kernel file read here */
#define CG_PATH_MAX    3072	  /* bytes of a container's path; leaves room for names below it */
#define CG_DELEGATED   "delegated"
#define CG_DEVICES_MAX 4096
#define CG_CPU_MAX     8192

enum cg_ctrl {
	CG_CPU,
	CG_CPUACCT,
	CG_CPUSET,
	CG_MEMORY,
	CG_DEVICES,
	CG_FREEZER,
	CG_BLKIO, /* v2: "io" */
	CG_PIDS,
	CG_HUGETLB,
	CG_RDMA,
	CG_NET_CLS,
	CG_NET_PRIO,
	CG_PERF_EVENT,
	CG_MISC,
	CG_CTRL_COUNT,
};

struct cg_dir {
	char name[64];	/* of the hierarchy below the top; "" for cgroup2 alone */
	char data[128]; /* mount data: "cpu,cpuacct", "name=systemd", "" for v2 */
	bool v2;
	uint32_t ctrls; /* bit n = enum cg_ctrl n */

	int fd;		  /* O_PATH of the container's directory, or -EBADF: not opened yet */
	bool gone;	  /* known not to exist (any more); nothing is done there */
	bool made;	  /* by us: removed again when creating fails */
	uint16_t parents; /* so many path components above it were made by us */
	bool child;	  /* there is a "delegated" directory below (v1) */
	bool filled;	  /* cpuset: cpus and mems are known not to be empty */
	bool throttled;	  /* blkio v1: has throttle limits, which are not hierarchical */
};

struct cgroup {
	bool systemd;
	char *path; /* "/docker/x", cleaned; the same in every hierarchy */
	char *unit, *slice, *helper;
	bool delegate;
	uint32_t owner;
	bool entered;  /* a process was put in; with systemd: the unit exists */
	bool in_child; /* v1: cgroup_enter() put it into the delegated directories */
	bool cloned_into;
	uint64_t oom_kills; /* last value seen by cgroup_oom_read() */
	bool was_populated; /* seen by cgroup_oom_read() */
	struct cg_dir dir[CGROUP_HIERARCHY_MAX];
	size_t n;
	/* systemd: borrowed from create until enter */
	const struct oci_resources *res;
	const struct cgroup_device *devices;
	size_t n_devices;
};

/* -- cgroup-host.c: hierarchies, paths and files -- */

/* Use @top instead of /sys/fs/cgroup and forget what was found before. For tests; not exported. */
int cg_host_set_top(const char *top, struct err *e);
/* fd of the top and whether it is cgroup2; finds the hierarchies at the first call. */
int cg_host_load(int *ret_top, bool *ret_v2, struct err *e);
/* Parse /proc/<pid>/cgroup text into hierarchies (fd -EBADF). Strict; -EINVAL on anything unknown
 * in form. */
int cg_parse_proc_cgroup(const char *text, bool v2, struct cg_dir *dir, size_t max, size_t *ret_n);
/* Path of hierarchy @d in /proc/<pid>/cgroup text: pointer and length into @text. -ENOENT: not
 * listed. */
int cg_proc_cgroup_path(const char *text, const struct cg_dir *d, const char **ret, size_t *ret_len);
uint32_t cg_ctrls_parse(const char *list);
int cg_host_dirs(struct cg_dir *ret, size_t *ret_n, struct err *e);
bool cg_host_is_mounted(const struct cg_dir *d);
const char *cg_ctrl_name(enum cg_ctrl c);

/*
 * cg_path_clean() - an untrusted cgroupsPath as "/a/b": absolute, no empty or "." components.
 * Refused: "..", control characters, the root itself, components over 255 and paths over
 * CG_PATH_MAX bytes.
 */
int cg_path_clean(const char *in, char **ret, struct err *e);
/* "a-b.slice" -> "/a.slice/a-b.slice"; "-.slice" -> "". */
int cg_slice_expand(const char *slice, char **ret, struct err *e);
/* "slice:prefix:name" -> slice, unit and "/expanded/slice/unit". */
int cg_systemd_path(const char *in, const char *id, char **ret_slice, char **ret_unit, char **ret_path,
		    struct err *e);

struct cg_dir *cg_find(struct cgroup *cg, enum cg_ctrl c); /* NULL: no such (live) hierarchy */
struct cg_dir *cg_find_v2(struct cgroup *cg);		   /* the unified one */
/* "/sys/fs/cgroup/memory/docker/x" for messages and paths. */
void cg_dir_path(const struct cgroup *cg, const struct cg_dir *d, char *buf, size_t size);
int cg_dir_fd(const struct cgroup *cg, struct cg_dir *d, struct err *e); /* opens on demand; borrowed fd */
int cg_rel_path(const struct cgroup *cg, const struct cg_dir *d, char *buf, size_t size); /* below the top */
int cg_open_beneath(int dirfd, const char *path, int flags);
/* Read a file that the kernel shows as one record (it is complete in one read(2)), with as few
 * calls as possible. */
int cg_read_single(int dirfd, const char *name, char **ret);
int cg_write_fd(int fd, const char *value);					     /* one write(2) */
int cg_open(const struct cgroup *cg, struct cg_dir *d, const char *file, int flags); /* new fd or -errno */
/* Write one value. Failure is reported as `cgroup: write "5" to <path>/<file>: <reason>`. */
int cg_put(const struct cgroup *cg, struct cg_dir *d, const char *file, const char *value, struct err *e);
int cg_putf(const struct cgroup *cg, struct cg_dir *d, const char *file, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* Read a whole file; the trailing newline is cut. */
int cg_get(const struct cgroup *cg, struct cg_dir *d, const char *file, char **ret, struct err *e);
/* One decimal number; "max" is UINT64_MAX. */
int cg_get_u64(const struct cgroup *cg, struct cg_dir *d, const char *file, uint64_t *ret, struct err *e);
bool cg_has_file(const struct cgroup *cg, struct cg_dir *d, const char *file);

/* -- cgroup-tree.c: directories and processes, any depth with a bounded number of fds -- */

struct cg_pids {
	pid_t *v;
	size_t n, size;
};
int cg_tree_pids(int dirfd, struct cg_pids *pids);	   /* adds, unsorted */
int cg_pids_parse(const char *text, struct cg_pids *pids); /* text of cgroup.procs */
int cg_tree_populated(int dirfd);			   /* 1: some process, 0: none */
int cg_tree_remove_children(int dirfd);
void cg_pids_sort(struct cg_pids *p);
void cg_pids_done(struct cg_pids *p);
/* mkdir with parents for one hierarchy: sets d->made, d->parents. */
int cg_dir_make(struct cgroup *cg, struct cg_dir *d, bool may_have_procs, struct err *e);
int cg_dir_remove(const struct cgroup *cg, struct cg_dir *d, int timeout_ms, struct err *e);
void cg_dir_undo(const struct cgroup *cg, struct cg_dir *d);

/* -- limits -- */

int cg_v1_apply(struct cgroup *cg, const struct oci_resources *res, bool update, struct err *e);
int cg_v2_apply(struct cgroup *cg, const struct oci_resources *res, bool update, struct err *e);
int cg_apply(struct cgroup *cg, const struct oci_resources *res, bool update, struct err *e);
/* Give @dirfd's empty cpuset.cpus and cpuset.mems the values of the nearest ancestor that has some
 * (fills those between). */
int cg_v1_cpuset_fill(int dirfd);
/* A parent made by us: filled, and its children inherit, so that they cost nothing. */
int cg_v1_cpuset_parent(int dirfd);
/* The same for directory @d or its subdirectory @sub; nothing to do once d->filled. */
int cg_v1_cpuset_fill_dir(const struct cgroup *cg, struct cg_dir *d, const char *sub, struct err *e);
/*
 * cg_v2_prepare() - switch on, from the root down to the container's parent, every controller that
 * the host has and the container's directory lacks. One that cannot be is reported when a limit
 * needs it.
 */
int cg_v2_prepare(const struct cgroup *cg, struct cg_dir *d, struct err *e);
/* The controllers of @available (text of cgroup.controllers) that we want and @present lacks: "+cpu
 * +io". */
int cg_v2_missing(const char *available, const char *present, char *buf, size_t size);

/* Conversions of the OCI runtime specification's v1 values to cgroup2. */
int cg_rdma_format(const struct oci_rdma *r, char *buf, size_t size, struct err *e); /* "mlx5_0 hca_handle=2" */
uint64_t cg_cpu_weight(uint64_t shares);      /* 2..262144 -> 1..10000; 0 -> 0 */
uint64_t cg_io_weight(uint64_t blkio_weight); /* 10..1000 -> 1..10000; 0 -> 0 */
/*
 * Swap alone from memory+swap. @ret: -1 unlimited, INT64_MIN nothing to set.
 * Return: 0 or -EINVAL (swap without memory, or less than memory).
 */
int cg_swap_v2(bool has_mem, int64_t mem, bool has_swap, int64_t memsw, int64_t *ret, struct err *e);

/* -- cgroup-devices.c -- */

#define CG_DEV_R 1u
#define CG_DEV_W 2u
#define CG_DEV_M 4u

struct cg_dev_rule {
	char type;	      /* 'b', 'c', 'a' */
	int64_t major, minor; /* -1: any */
	unsigned access;
};
struct cg_dev_list {
	bool all; /* everything is allowed; rules are empty */
	struct cg_dev_rule *v;
	size_t n;
};
/* Merge same devices, drop what others cover, sort. -EINVAL on a bad type, number or empty access.
 */
int cg_dev_normalize(const struct cgroup_device *devs, size_t n, struct cg_dev_list *ret, struct err *e);
int cg_dev_parse_list(const char *text, struct cg_dev_list *ret); /* devices.list */
/* Lines that turn @cur into @want; @ret_reset: "a" must be denied (or, with want->all, allowed)
 * first. */
int cg_dev_diff(const struct cg_dev_list *cur, const struct cg_dev_list *want, struct cg_dev_list *ret_allow,
		struct cg_dev_list *ret_deny, bool *ret_reset);
int cg_dev_format(const struct cg_dev_rule *r, char *buf, size_t size); /* "c 1:3 rwm" */
void cg_dev_list_done(struct cg_dev_list *l);
int cg_v1_devices(struct cgroup *cg, const struct cgroup_device *devs, size_t n, struct err *e);
struct bpf_insn;
/* The program that answers 1 for what @want allows. malloc'd. */
int cg_dev_program(const struct cg_dev_list *want, struct bpf_insn **ret, size_t *ret_n);
int cg_v2_devices(struct cgroup *cg, const struct cgroup_device *devs, size_t n, struct err *e);

/* -- cgroup-text.c: text of kernel files -- */

json_t *cg_json_u64(uint64_t v); /* saturates at INT64_MAX */

/* Calls @each for every "key value" line; refuses anything else with -EINVAL. */
int cg_kv_parse(const char *text, int (*each)(const char *key, size_t len, uint64_t value, void *arg), void *arg);
int cg_kv_get(const char *text, const char *key, uint64_t *ret); /* -ENOENT: not there */
/* "0-3,7" -> 0,1,2,3,7; ascending, no overlaps, below CG_CPU_MAX; "" is an empty list. */
int cg_list_parse(const char *text, uint16_t **ret, size_t *ret_n);
/* "8:0 Read 512" / "8:0 512" lines into an array of {"major","minor","op","value"}; "Total N" is
 * skipped. */
int cg_blkio_parse(const char *text, json_t **ret);
/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 ..." */
int cg_iostat_parse(const char *text, json_t **ret_bytes, json_t **ret_ios);
/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull ..." */
int cg_pressure_parse(const char *text, json_t **ret);

/* -- cgroup-systemd.c -- */

struct cg_text {
	char *v;
	size_t n, size;
	bool failed;
};
void cg_text_add(struct cg_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cg_text_done(struct cg_text *t);
/* Property lines for caisson-systemd (its protocol: see src/bin/caisson-systemd.c). */
int cg_systemd_resources(const struct oci_resources *res, bool v2, struct cg_text *t, struct err *e);
int cg_systemd_devices(const struct cg_dev_list *l, const char *proc_devices, struct cg_text *t, struct err *e);
int cg_systemd_start(struct cgroup *cg, pid_t pid, struct err *e);
int cg_systemd_update(struct cgroup *cg, const struct oci_resources *res, struct err *e);
int cg_systemd_stop(struct cgroup *cg, struct err *e);

#endif
