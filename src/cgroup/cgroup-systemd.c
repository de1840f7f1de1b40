/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The systemd driver's half in the runtime: turns resources into unit properties and runs
 * caisson-systemd, which speaks D-Bus (protocol: src/bin/caisson-systemd.c). The runtime itself
 * does not link libsystemd.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/num.h"
#include "cgroup/cgroup-internal.h"

#define HELPER_OUTPUT_MAX 8192
#define EXIT_NO_UNIT	  3

void cg_text_done(struct cg_text *t)
{
	free(t->v);
	*t = (struct cg_text){ 0 };
}

void cg_text_add(struct cg_text *t, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof line) {
		t->failed = true;
		return;
	}
	if (t->size - t->n <= (size_t)n) {
		size_t size = t->size * 2 + 2048;
		char *v = realloc(t->v, size);

		if (!v) {
			t->failed = true;
			return;
		}
		t->v = v;
		t->size = size;
	}
	memcpy(t->v + t->n, line, (size_t)n + 1);
	t->n += (size_t)n;
}

static void add_u64(struct cg_text *t, const char *name, uint64_t v)
{
	cg_text_add(t, "%s t %" PRIu64 "\n", name, v);
}

/* Limits where a negative value is "infinity". */
static void add_limit(struct cg_text *t, const char *name, int64_t v)
{
	add_u64(t, name, v < 0 ? UINT64_MAX : (uint64_t)v);
}

/* A CPU or node list as systemd's byte array, least significant first, in hexadecimal. */
static int add_bits(struct cg_text *t, const char *name, const char *list, struct err *e)
{
	_cleanup_free_ uint16_t *v = NULL;
	uint8_t bits[CG_CPU_MAX / 8] = { 0 };
	char hex[401];
	size_t n, len;
	int r = cg_list_parse(list, &v, &n);

	if (r < 0 || n == 0)
		return err_set(e, EINVAL, "linux.resources: \"%.100s\" is not a list of CPUs or memory nodes",
			       list);
	for (size_t i = 0; i < n; i++)
		bits[v[i] / 8] |= (uint8_t)(1u << (v[i] % 8));
	len = v[n - 1] / 8u + 1;
	if (2 * len >= sizeof hex)
		return err_set(e, ERANGE, "linux.resources: \"%.100s\" is too long a list for the systemd driver",
			       list);
	for (size_t i = 0; i < len; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", bits[i]);
	cg_text_add(t, "%s ay %s\n", name, hex);
	return 0;
}

static void add_quota(struct cg_text *t, const struct oci_resources *res)
{
	bool quota = res->has_cpu_quota && res->cpu_quota != 0,
	     period = res->has_cpu_period && res->cpu_period != 0;
	uint64_t p = period ? res->cpu_period : 100000, per_sec;

	if (period)
		add_u64(t, "CPUQuotaPeriodUSec", p);
	if (!quota)
		return;
	if (res->cpu_quota < 0 || (uint64_t)res->cpu_quota > UINT64_MAX / 1000000) {
		add_u64(t, "CPUQuotaPerSecUSec", UINT64_MAX);
		return;
	}
	/* systemd keeps whole percents: rounded up, so that the exact value written after it fits
	 */
	per_sec = (uint64_t)res->cpu_quota * 1000000 / p;
	add_u64(t, "CPUQuotaPerSecUSec", (per_sec + 9999) / 10000 * 10000);
}

/*
 * Values of linux.resources.unified that systemd would overwrite with its own at the next
 * daemon-reload. The files are written in any case; this only makes systemd agree.
 */
static void add_unified(struct cg_text *t, const struct oci_unified *u)
{
	static const struct {
		const char *key, *property;
	} map[] = {
		{ "memory.max", "MemoryMax" },		{ "memory.high", "MemoryHigh" },
		{ "memory.low", "MemoryLow" },		{ "memory.min", "MemoryMin" },
		{ "memory.swap.max", "MemorySwapMax" }, { "pids.max", "TasksMax" },
		{ "cpu.weight", "CPUWeight" },
	};
	uint64_t v;

	for (size_t i = 0; i < ARRAY_SIZE(map); i++) {
		if (strcmp(map[i].key, u->key) != 0)
			continue;
		if (strcmp(u->value, "max") == 0)
			add_u64(t, map[i].property, UINT64_MAX);
		else if (num_u64(u->value, UINT64_MAX, &v) == 0)
			add_u64(t, map[i].property, v);
	}
}

static int resources_v2(const struct oci_resources *res, struct cg_text *t, struct err *e)
{
	int64_t swap;
	int r = 0;

	if (res->has_mem_limit && res->mem_limit != 0)
		add_limit(t, "MemoryMax", res->mem_limit);
	if (res->has_mem_reservation && res->mem_reservation != 0)
		add_limit(t, "MemoryLow", res->mem_reservation);
	/* memory+swap alone needs the limit in force: left to the direct write */
	if (res->has_mem_limit || (res->has_mem_swap && res->mem_swap < 0)) {
		r = cg_swap_v2(res->has_mem_limit, res->mem_limit, res->has_mem_swap, res->mem_swap, &swap, e);
		if (r < 0)
			return r;
		if (swap != INT64_MIN)
			add_limit(t, "MemorySwapMax", swap);
	}
	if (res->has_cpu_shares && res->cpu_shares != 0)
		add_u64(t, "CPUWeight", cg_cpu_weight(res->cpu_shares));
	if (res->cpus && res->cpus[0])
		r = add_bits(t, "AllowedCPUs", res->cpus, e);
	if (r == 0 && res->mems && res->mems[0])
		r = add_bits(t, "AllowedMemoryNodes", res->mems, e);
	for (size_t i = 0; i < res->n_unified; i++)
		add_unified(t, &res->unified[i]);
	return r;
}

int cg_systemd_resources(const struct oci_resources *res, bool v2, struct cg_text *t, struct err *e)
{
	int r = 0;

	if (v2) {
		r = resources_v2(res, t, e);
	} else {
		if (res->has_mem_limit && res->mem_limit != 0)
			add_limit(t, "MemoryLimit", res->mem_limit);
		if (res->has_cpu_shares && res->cpu_shares != 0)
			add_u64(t, "CPUShares", res->cpu_shares);
		if (res->has_blkio_weight && res->blkio_weight != 0)
			add_u64(t, "BlockIOWeight", res->blkio_weight);
	}
	if (r < 0)
		return r;
	add_quota(t, res);
	if (res->has_pids)
		add_limit(t, "TasksMax", res->pids_limit > 0 ? res->pids_limit : -1);
	return t->failed ? err_sys(e, ENOMEM, "cgroup: unit properties") : 0;
}

/* Name of major number @major in the "Character devices:" or "Block devices:" part of
 * /proc/devices. */
static int group_name(const char *text, char type, int64_t major, char *buf, size_t size)
{
	const char *head = type == 'b' ? "Block devices:\n" : "Character devices:\n", *p = strstr(text, head);

	if (!p)
		return -ENOENT;
	for (p += strlen(head); *p && *p != '\n'; p += *p == '\n') {
		uint64_t n;
		size_t len;

		p += strspn(p, " ");
		if (num_span(&p, UINT32_MAX, &n) < 0 || *p++ != ' ')
			return -EINVAL;
		len = strcspn(p, "\n");
		if (n == (uint64_t)major && len > 0 && len < size) {
			memcpy(buf, p, len);
			buf[len] = '\0';
			return 0;
		}
		p += len;
	}
	return -ENOENT;
}

int cg_systemd_devices(const struct cg_dev_list *l, const char *proc_devices, struct cg_text *t, struct err *e)
{
	/* an empty assignment first: update replaces the list */
	cg_text_add(t, "DevicePolicy s %s\nDeviceAllow a(ss)\n", l->all ? "auto" : "strict");
	for (size_t i = 0; i < l->n; i++) {
		const struct cg_dev_rule *r = &l->v[i];
		const char *kind = r->type == 'b' ? "block" : "char";
		char access[4], group[128];

		(void)snprintf(access, sizeof access, "%s%s%s", r->access & CG_DEV_R ? "r" : "",
			       r->access & CG_DEV_W ? "w" : "", r->access & CG_DEV_M ? "m" : "");
		if (r->major >= 0 && r->minor >= 0) {
			cg_text_add(t, "DeviceAllow a(ss) /dev/%s/%" PRId64 ":%" PRId64 " %s\n", kind, r->major,
				    r->minor, access);
		} else if (r->major < 0 && r->minor < 0) {
			cg_text_add(t, "DeviceAllow a(ss) %s-* %s\n", kind, access);
		} else if (r->major >= 0) {
			/* a driver that is not loaded has no name, and no device either */
			if (group_name(proc_devices, r->type, r->major, group, sizeof group) == 0)
				cg_text_add(t, "DeviceAllow a(ss) %s-%s %s\n", kind, group, access);
		} else {
			return err_set(e, EINVAL,
				       "cgroup: the systemd driver cannot allow one minor number "
				       "of all majors");
		}
	}
	return t->failed ? err_sys(e, ENOMEM, "cgroup: unit properties") : 0;
}

/* Wait for the helper; -errno from its exit status, with its one line as the text. */
static int helper_result(pid_t pid, const char *output, const char *verb, const char *unit, struct err *e)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "cgroup: wait for the systemd helper");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_UNIT)
		return err_set(e, ENOENT, "cgroup: systemd has no unit %s", unit);
	if (WIFEXITED(status))
		return err_set(e, EIO, "cgroup: %s unit %s: %.*s", verb, unit, (int)strcspn(output, "\n"), output);
	return err_set(e, EIO, "cgroup: %s unit %s: the systemd helper was killed by signal %d", verb, unit,
		       WTERMSIG(status));
}

/* Run "helper VERB UNIT" with @input as stdin. @ret_output (may be NULL): what it printed. */
static int run_helper(const struct cgroup *cg, const char *verb, const struct cg_text *input, char **ret_output,
		      struct err *e)
{
	_cleanup_close_ int in = memfd_create("properties", MFD_CLOEXEC), out = -EBADF, out_child = -EBADF;
	_cleanup_free_ char *output = NULL, *verb_copy = strdup(verb);
	posix_spawn_file_actions_t actions;
	/* no environment: it could point libsystemd at another bus */
	char *argv[] = { cg->helper, verb_copy, cg->unit, NULL }, *envp[] = { NULL };
	int pipefd[2], r;
	pid_t pid;

	if (in < 0 || !verb_copy)
		return err_sys(e, in < 0 ? errno : ENOMEM, "cgroup: systemd helper");
	r = input->n ? io_write_all(in, input->v, input->n) : 0;
	if (r < 0 || lseek(in, 0, SEEK_SET) < 0)
		return err_sys(e, EIO, "cgroup: systemd helper: write the properties");
	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cgroup: systemd helper: pipe");
	out = pipefd[0];
	out_child = pipefd[1];
	r = posix_spawn_file_actions_init(&actions);
	if (r == 0) {
		r = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
		if (r == 0)
			r = posix_spawn_file_actions_adddup2(&actions, out_child, STDOUT_FILENO);
		if (r == 0)
			r = posix_spawn_file_actions_adddup2(&actions, out_child, STDERR_FILENO);
		if (r == 0)
			r = posix_spawn(&pid, cg->helper, &actions, NULL, argv, envp);
		(void)posix_spawn_file_actions_destroy(&actions);
	}
	if (r != 0)
		return err_sys(e, r, "cgroup: run the systemd helper %s", cg->helper);
	out_child = fd_close(out_child);
	r = io_read_fd(out, HELPER_OUTPUT_MAX, &output, NULL);
	/* with nobody reading any more, a helper that prints too much ends */
	out = fd_close(out);
	r = helper_result(pid, r == 0 ? output : "(no readable output)", verb, cg->unit, e);
	if (r == 0 && ret_output && output)
		*ret_output = TAKE_PTR(output);
	return r;
}

static int add_all(struct cgroup *cg, pid_t pid, struct cg_text *t, struct err *e)
{
	_cleanup_(cg_dev_list_done) struct cg_dev_list want = { 0 };
	_cleanup_free_ char *proc_devices = NULL;
	bool v2 = cgroup_is_v2();
	int r;

	cg_text_add(t,
		    "Description s container %s\nSlice s %s\nPIDs au %d\nDelegate b "
		    "1\nDefaultDependencies b 0\n",
		    cg->unit, cg->slice, (int)pid);
	cg_text_add(t, "MemoryAccounting b 1\nCPUAccounting b 1\nTasksAccounting b 1\n%s b 1\n",
		    v2 ? "IOAccounting" : "BlockIOAccounting");
	r = cg_dev_normalize(cg->devices, cg->n_devices, &want, e);
	if (r < 0)
		return r;
	r = io_read_at(AT_FDCWD, "/proc/devices", CG_TEXT_MAX, &proc_devices, NULL);
	if (r < 0)
		return err_sys(e, -r, "cgroup: read /proc/devices");
	r = cg_systemd_devices(&want, proc_devices, t, e);
	return r == 0 && cg->res ? cg_systemd_resources(cg->res, v2, t, e) : r;
}

int cg_systemd_start(struct cgroup *cg, pid_t pid, struct err *e)
{
	_cleanup_(cg_text_done) struct cg_text t = { 0 };
	_cleanup_free_ char *output = NULL, *clean = NULL;
	int r = add_all(cg, pid, &t, e);

	if (r == 0)
		r = run_helper(cg, "start", &t, &output, e);
	if (r < 0)
		return r;
	if (!output)
		return err_set(e, EIO, "cgroup: start unit %s: the helper printed no control group", cg->unit);
	/* systemd decides where the unit is: below its own root, which is not "/" when it runs in a
	 * container itself */
	output[strcspn(output, "\n")] = '\0';
	r = cg_path_clean(output, &clean, e);
	if (r < 0)
		return err_ctx(e, r, "start unit %s: control group as told by systemd", cg->unit);
	free(cg->path);
	cg->path = TAKE_PTR(clean);
	return 0;
}

int cg_systemd_update(struct cgroup *cg, const struct oci_resources *res, struct err *e)
{
	_cleanup_(cg_text_done) struct cg_text t = { 0 };
	int r = cg_systemd_resources(res, cgroup_is_v2(), &t, e);

	return r < 0 || t.n == 0 ? r : run_helper(cg, "set", &t, NULL, e);
}

int cg_systemd_stop(struct cgroup *cg, struct err *e)
{
	struct cg_text none = { 0 };
	int r = run_helper(cg, "stop", &none, NULL, e);

	/* a scope ends by itself with its last process */
	return r == -ENOENT ? 0 : r;
}
