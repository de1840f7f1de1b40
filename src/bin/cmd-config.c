/* SPDX-License-Identifier: Apache-2.0 */
/* features, spec, update */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/num.h"
#include "bin/cli.h"
#include "bin/example-config.h"
#include "codec/mountopt.h"
#include "confine/confine.h"
#include "runtime/lifecycle.h"

/* ---- features ---- */

static json_t *strings(const char *const *v, size_t n)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(a, json_string(v[i]));
	return a;
}

static json_t *features_linux(void)
{
	static const char *const namespaces[] = {
		"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"
	};
	json_t *caps = json_array(), *seccomp = seccomp_features();

	for (int i = 0; oci_cap_name(i); i++)
		(void)json_array_append_new(caps, json_string(oci_cap_name(i)));
	return json_pack("{s:o, s:o, s:{s:b, s:b, s:b, s:b, s:b}, s:o, s:{s:b}, s:{s:b}, s:{s:{s:b}}, s:{s:b}}",
			 "namespaces", strings(namespaces, ARRAY_SIZE(namespaces)), "capabilities", caps, "cgroup",
			 "v1", 1, "v2", 1, "systemd", 1, "systemdUser", 0, "rdma", 1, "seccomp", seccomp,
			 "apparmor", "enabled", 1, "selinux", "enabled", 1, "mountExtensions", "idmap", "enabled",
			 1, "intelRdt", "enabled", 0);
}

int cmd_features(struct cli *cli, int argc, char **argv)
{
	static const char *const hooks[] = { "prestart",       "createRuntime", "createContainer",
					     "startContainer", "poststart",	"poststop" };
	const struct cli_option opts[] = { { NULL } };
	int status = 1, at = cli_options("features", opts, argc, argv, &status);
	const struct scmp_version *v = seccomp_version();
	json_t *mounts, *o;
	char version[32];
	char *text;

	(void)cli;
	if (at < 0)
		return status;
	mounts = json_array();
	for (size_t i = 0; mount_option_name(i); i++)
		(void)json_array_append_new(mounts, json_string(mount_option_name(i)));
	(void)snprintf(version, sizeof version, "%u.%u.%u", v->major, v->minor, v->micro);
	o = json_pack("{s:s, s:s, s:o, s:o, s:o, s:{s:s, s:s, s:s}, s:[s]}", "ociVersionMin", "1.0.0",
		      "ociVersionMax", "1.2.0", "hooks", strings(hooks, ARRAY_SIZE(hooks)), "mountOptions", mounts,
		      "linux", features_linux(), "annotations", "io.github.seccomp.libseccomp.version", version,
		      "org.opencontainers.runc.checkpoint.enabled", "false", "io.caisson.version", CAISSON_VERSION,
		      "potentiallyUnsafeConfigAnnotations", "io.caisson.");
	text = o ? json_dumps(o, JSON_INDENT(4)) : NULL;
	json_decref(o);
	if (!text)
		return 1;
	puts(text);
	free(text);
	return 0;
}

/* ---- spec ---- */

int cmd_spec(struct cli *cli, int argc, char **argv)
{
	const char *bundle = ".", *rootless = NULL;
	const struct cli_option opts[] = {
		{ "bundle", 'b', true, &bundle, NULL, NULL, "directory to write config.json to" },
		{ "rootless", 0, false, &rootless, NULL, NULL,
		  "not supported: containers are isolated without it" },
		{ NULL },
	};
	struct err e = { 0 };
	int status = 1, at = cli_options("spec", opts, argc, argv, &status);
	_cleanup_close_ int dir = -EBADF, fd = -EBADF;

	(void)cli;
	if (at < 0)
		return status;
	if (at != argc || rootless)
		return at != argc ? cli_usage("spec", "no arguments are expected")
				  : cli_usage("spec",
					      "--rootless is not supported: containers are isolated without it");
	dir = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		fd = openat(dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 && errno == EEXIST)
		(void)err_set(&e, EEXIST, "file config.json exists in %s; remove it first", bundle);
	else if (fd < 0)
		(void)err_sys(&e, errno, "write config.json to %s", bundle);
	else if (io_write_all(fd, example_config, strlen(example_config)) < 0)
		(void)err_sys(&e, errno, "write config.json");
	return e.code ? cli_fail(&e, 1) : 0;
}

/* ---- update ---- */

struct update_flags {
	const char *resources, *blkio_weight, *cpu_period, *cpu_quota, *cpu_burst, *cpu_share, *cpu_rt_period,
		*cpu_rt_runtime, *cpuset_cpus, *cpuset_mems, *cpu_idle, *memory, *memory_reservation, *memory_swap,
		*kernel_memory, *kernel_memory_tcp, *pids_limit;
};

static int take_unsigned(const char *name, const char *text, uint64_t max, bool *has, uint64_t *value,
			 struct err *e)
{
	if (!text)
		return 0;
	if (num_u64(text, max, value) < 0)
		return err_set(e, EINVAL, "update: invalid value for %s: \"%s\"", name, text);
	*has = true;
	return 0;
}

static int take_signed(const char *name, const char *text, bool *has, int64_t *value, struct err *e)
{
	if (!text)
		return 0;
	if (num_i64(text, value) < 0)
		return err_set(e, EINVAL, "update: invalid value for %s: \"%s\"", name, text);
	*has = true;
	return 0;
}

/* Bytes with an optional unit, as runc and docker take them: 512m, 1g, -1. */
static int take_bytes(const char *name, const char *text, bool *has, int64_t *value, struct err *e)
{
	static const char units[] = "bkmgt";
	const char *p = text, *unit;
	uint64_t v;
	size_t len;

	if (!text)
		return 0;
	if (strcmp(text, "-1") == 0) {
		*has = true;
		*value = -1;
		return 0;
	}
	if (num_span(&p, INT64_MAX, &v) < 0)
		return err_set(e, EINVAL, "update: invalid value for %s: \"%s\"", name, text);
	len = strlen(p);
	unit = len ? strchr(units, *p | 0x20) : units;
	if (!unit || len > 2 || (len == 2 && (p[1] | 0x20) != 'b') ||
	    v > ((uint64_t)INT64_MAX >> (10 * (unit - units))))
		return err_set(e, EINVAL, "update: invalid value for %s: \"%s\"", name, text);
	*has = true;
	*value = (int64_t)(v << (10 * (unit - units)));
	return 0;
}

static int resources_from_flags(const struct update_flags *f, struct oci_resources *res, struct err *e)
{
	uint64_t weight = 0;
	int r;

	r = take_unsigned("blkio-weight", f->blkio_weight, 1000, &res->has_blkio_weight, &weight, e);
	res->blkio_weight = (uint16_t)weight;
	if (r == 0)
		r = take_unsigned("cpu-period", f->cpu_period, UINT64_MAX, &res->has_cpu_period, &res->cpu_period,
				  e);
	if (r == 0)
		r = take_signed("cpu-quota", f->cpu_quota, &res->has_cpu_quota, &res->cpu_quota, e);
	if (r == 0)
		r = take_unsigned("cpu-burst", f->cpu_burst, UINT64_MAX, &res->has_cpu_burst, &res->cpu_burst, e);
	if (r == 0)
		r = take_unsigned("cpu-share", f->cpu_share, UINT64_MAX, &res->has_cpu_shares, &res->cpu_shares,
				  e);
	if (r == 0)
		r = take_unsigned("cpu-rt-period", f->cpu_rt_period, UINT64_MAX, &res->has_rt_period,
				  &res->rt_period, e);
	if (r == 0)
		r = take_signed("cpu-rt-runtime", f->cpu_rt_runtime, &res->has_rt_runtime, &res->rt_runtime, e);
	if (r == 0)
		r = take_signed("cpu-idle", f->cpu_idle, &res->has_cpu_idle, &res->cpu_idle, e);
	if (r == 0)
		r = take_bytes("memory", f->memory, &res->has_mem_limit, &res->mem_limit, e);
	if (r == 0)
		r = take_bytes("memory-reservation", f->memory_reservation, &res->has_mem_reservation,
			       &res->mem_reservation, e);
	if (r == 0)
		r = take_bytes("memory-swap", f->memory_swap, &res->has_mem_swap, &res->mem_swap, e);
	if (r == 0)
		r = take_bytes("kernel-memory", f->kernel_memory, &res->has_mem_kernel, &res->mem_kernel, e);
	if (r == 0)
		r = take_bytes("kernel-memory-tcp", f->kernel_memory_tcp, &res->has_mem_kernel_tcp,
			       &res->mem_kernel_tcp, e);
	if (r == 0)
		r = take_signed("pids-limit", f->pids_limit, &res->has_pids, &res->pids_limit, e);
	res->cpus = f->cpuset_cpus;
	res->mems = f->cpuset_mems;
	return r;
}

static int resources_from_file(const char *file, struct oci_resources *res, struct err *e)
{
	bool is_stdin = strcmp(file, "-") == 0;
	_cleanup_close_ int fd = is_stdin ? fcntl(0, F_DUPFD_CLOEXEC, 3) : open(file, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = fd < 0 ? -errno : io_read_fd(fd, OCI_CONFIG_MAX, &text, &len);

	if (r < 0)
		return err_sys(e, -r, "--resources: read %s", file);
	return oci_resources_parse(text, len, res, e);
}

int cmd_update(struct cli *cli, int argc, char **argv)
{
	struct update_flags f = { 0 };
	const struct cli_option opts[] = {
		{ "blkio-weight", 0, true, &f.blkio_weight, NULL, NULL, "block I/O weight, 10 to 1000" },
		{ "cpu-burst", 0, true, &f.cpu_burst, NULL, NULL, "CPU burst in microseconds" },
		{ "cpu-idle", 0, true, &f.cpu_idle, NULL, NULL, "1: run only when nothing else does" },
		{ "cpu-period", 0, true, &f.cpu_period, NULL, NULL, "CPU period in microseconds" },
		{ "cpu-quota", 0, true, &f.cpu_quota, NULL, NULL, "CPU quota in microseconds, -1: none" },
		{ "cpu-rt-period", 0, true, &f.cpu_rt_period, NULL, NULL, "real-time period in microseconds" },
		{ "cpu-rt-runtime", 0, true, &f.cpu_rt_runtime, NULL, NULL, "real-time runtime in microseconds" },
		{ "cpu-share", 0, true, &f.cpu_share, NULL, NULL, "CPU shares" },
		{ "cpuset-cpus", 0, true, &f.cpuset_cpus, NULL, NULL, "CPUs to use, such as 0-2,5" },
		{ "cpuset-mems", 0, true, &f.cpuset_mems, NULL, NULL, "memory nodes to use" },
		{ "kernel-memory", 0, true, &f.kernel_memory, NULL, NULL,
		  "kernel memory limit (cgroup v1, old kernels)" },
		{ "kernel-memory-tcp", 0, true, &f.kernel_memory_tcp, NULL, NULL, "TCP buffer limit (cgroup v1)" },
		{ "memory", 0, true, &f.memory, NULL, NULL, "memory limit in bytes, or with k, m, g" },
		{ "memory-reservation", 0, true, &f.memory_reservation, NULL, NULL, "memory soft limit" },
		{ "memory-swap", 0, true, &f.memory_swap, NULL, NULL, "memory and swap limit, -1: none" },
		{ "pids-limit", 0, true, &f.pids_limit, NULL, NULL, "number of processes, 0 or less: any" },
		{ "resources", 'r', true, &f.resources, NULL, NULL,
		  "file with linux.resources as JSON, -: standard input" },
		{ NULL },
	};
	_cleanup_(oci_resources_done) struct oci_resources res = { 0 };
	struct container c = CONTAINER_EMPTY;
	struct cgroup *cg = NULL;
	struct err e = { 0 };
	int r, status = 1, at = cli_options("update", opts, argc, argv, &status);
	const char *id = at < 0 ? NULL : cli_one_id("update", argc, argv, at);

	if (!id)
		return status;
	r = f.resources ? resources_from_file(f.resources, &res, &e) : resources_from_flags(&f, &res, &e);
	if (r == 0)
		r = container_load(&cli->rt, id, true, &c, &e);
	if (r == 0 && container_status(&c) == CONTAINER_STOPPED)
		r = err_set(&e, ESRCH, "container not running");
	/* Which devices a container may use was decided at create, by policy: an update does not widen it. */
	if (r == 0)
		res.n_devices = 0;
	if (r == 0)
		r = container_cgroup(&c, &cg, &e);
	if (r == 0)
		r = cgroup_update(cg, &res, &e);
	if (cg)
		cgroup_free(cg);
	container_done(&c);
	return r < 0 ? cli_fail(&e, 1) : 0;
}
