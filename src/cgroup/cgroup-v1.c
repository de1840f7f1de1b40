/* SPDX-License-Identifier: Apache-2.0 */
/* Limits in cgroup v1: one table of plain values, and the four controllers whose writes depend on
 * order. */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/num.h"
#include "cgroup/cgroup-internal.h"

/* The live directory of controller @c; @field names what asked for it. */
static int need(struct cgroup *cg, enum cg_ctrl c, const char *field, struct cg_dir **ret, struct err *e)
{
	*ret = cg_find(cg, c);
	if (*ret)
		return 0;
	return err_set(e, EOPNOTSUPP,
		       "linux.resources.%s: this host has no cgroup v1 hierarchy for the \"%s\" "
		       "controller; mount it below "
		       "/sys/fs/cgroup or remove the setting",
		       field, cg_ctrl_name(c));
}

static int put_u64(struct cgroup *cg, enum cg_ctrl c, const char *field, const char *file, uint64_t value,
		   struct err *e)
{
	struct cg_dir *d;
	int r = need(cg, c, field, &d, e);

	return r < 0 ? r : cg_putf(cg, d, file, e, "%" PRIu64, value);
}

static int put_i64(struct cgroup *cg, enum cg_ctrl c, const char *field, const char *file, int64_t value,
		   struct err *e)
{
	struct cg_dir *d;
	int r = need(cg, c, field, &d, e);

	return r < 0 ? r : cg_putf(cg, d, file, e, "%" PRId64, value);
}

/* -- cpuset -- */

static bool is_blank(const char *s)
{
	return s[strspn(s, " \t\n")] == '\0';
}

/* Fill @file of @dirfd when it is empty, from its parent, which is filled first if need be. */
static int fill_file(int dirfd, const char *file, unsigned depth)
{
	_cleanup_free_ char *text = NULL, *above = NULL;
	_cleanup_close_ int parent = -EBADF;
	char above_file[64];
	int r = cg_read_single(dirfd, file, &text);

	if (r < 0 || !is_blank(text))
		return r;
	/* the root is never empty; above it there is no such file */
	if (depth > 256)
		return -ELOOP;
	(void)snprintf(above_file, sizeof above_file, "../%s", file);
	r = cg_read_single(dirfd, above_file, &above);
	if (r < 0)
		return r;
	if (is_blank(above)) {
		parent = openat(dirfd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (parent < 0)
			return -errno;
		r = fill_file(parent, file, depth + 1);
		if (r < 0)
			return r;
		free(TAKE_PTR(above));
		r = cg_read_single(dirfd, above_file, &above);
		if (r < 0)
			return r;
	}
	return io_put_at(dirfd, file, above);
}

int cg_v1_cpuset_fill(int dirfd)
{
	int r = fill_file(dirfd, "cpuset.cpus", 0);

	return r < 0 ? r : fill_file(dirfd, "cpuset.mems", 0);
}

int cg_v1_cpuset_parent(int dirfd)
{
	int r = cg_v1_cpuset_fill(dirfd);

	return r < 0 ? r : io_put_at(dirfd, "cgroup.clone_children", "1");
}

int cg_v1_cpuset_fill_dir(const struct cgroup *cg, struct cg_dir *d, const char *sub, struct err *e)
{
	_cleanup_close_ int fd = -EBADF;
	char path[PATH_MAX];
	int r;

	if (d->filled)
		return 0;
	fd = cg_open(cg, d, sub && sub[0] ? sub : ".", O_PATH | O_DIRECTORY);
	r = fd < 0 ? fd : cg_v1_cpuset_fill(fd);
	if (r < 0) {
		cg_dir_path(cg, d, path, sizeof path);
		return err_sys(e, -r, "cgroup: inherit cpuset.cpus and cpuset.mems for %s", path);
	}
	return 0;
}

static int put_cpuset(struct cgroup *cg, struct cg_dir *d, const char *file, const char *value, bool update,
		      struct err *e)
{
	char child[64];
	int r;

	(void)snprintf(child, sizeof child, CG_DELEGATED "/%s", file);
	if (!update || !d->child)
		return cg_put(cg, d, file, value, e);
	/* A v1 cpuset must contain its children's: shrinking starts at the child, growing at the
	 * parent. */
	r = cg_put(cg, d, file, value, e);
	if (r == -EBUSY) {
		r = cg_put(cg, d, child, value, e);
		return r < 0 ? r : cg_put(cg, d, file, value, e);
	}
	return r < 0 ? r : cg_put(cg, d, child, value, e);
}

static int apply_cpuset(struct cgroup *cg, const struct oci_resources *res, bool update, struct err *e)
{
	bool cpus = res->cpus && res->cpus[0], mems = res->mems && res->mems[0];
	struct cg_dir *d;
	int r;

	if (!cpus && !mems)
		return 0;
	r = need(cg, CG_CPUSET, cpus ? "cpu.cpus" : "cpu.mems", &d, e);
	if (r < 0)
		return r;
	if (!update && (cpus != mems || !d->made || d->parents == 0)) {
		/* the parent must have them too, and the one that is not given must not stay empty
		 */
		r = cg_v1_cpuset_fill_dir(cg, d, NULL, e);
		if (r < 0)
			return r;
	}
	r = cpus ? put_cpuset(cg, d, "cpuset.cpus", res->cpus, update, e) : 0;
	if (r == 0 && mems)
		r = put_cpuset(cg, d, "cpuset.mems", res->mems, update, e);
	if (r == 0)
		d->filled = true;
	return r;
}

/* -- cpu -- */

static int apply_cpu_bandwidth(struct cgroup *cg, const struct oci_resources *res, struct err *e)
{
	bool period = res->has_cpu_period && res->cpu_period != 0;
	bool quota = res->has_cpu_quota && res->cpu_quota != 0;
	bool burst = res->has_cpu_burst;
	int r;

	/*
	 * The kernel checks every intermediate state (quota/period against the parent's, burst
	 * against quota): what it refuses before the quota is set is tried again after it.
	 */
	if (period) {
		r = put_u64(cg, CG_CPU, "cpu.period", "cpu.cfs_period_us", res->cpu_period, e);
		if (r < 0 && (r != -EINVAL || !quota))
			return r;
		period = r < 0;
	}
	if (burst) {
		r = put_u64(cg, CG_CPU, "cpu.burst", "cpu.cfs_burst_us", res->cpu_burst, e);
		if (r < 0 && (r != -EINVAL || !quota))
			return r;
		burst = r < 0;
	}
	if (quota) {
		r = put_i64(cg, CG_CPU, "cpu.quota", "cpu.cfs_quota_us", res->cpu_quota, e);
		if (r < 0)
			return r;
	}
	r = period ? put_u64(cg, CG_CPU, "cpu.period", "cpu.cfs_period_us", res->cpu_period, e) : 0;
	if (r == 0 && burst)
		r = put_u64(cg, CG_CPU, "cpu.burst", "cpu.cfs_burst_us", res->cpu_burst, e);
	return r;
}

static int apply_cpu(struct cgroup *cg, const struct oci_resources *res, bool update, struct err *e)
{
	int r = 0;

	/* An idle group has no shares (EINVAL), so idle comes first, and shares only without it. */
	if (res->has_cpu_idle && (update || res->cpu_idle != 0))
		r = put_i64(cg, CG_CPU, "cpu.idle", "cpu.idle", res->cpu_idle, e);
	if (r == 0 && res->has_cpu_shares && res->cpu_shares != 0 && !(res->has_cpu_idle && res->cpu_idle == 1))
		r = put_u64(cg, CG_CPU, "cpu.shares", "cpu.shares", res->cpu_shares, e);
	if (r == 0 && res->has_rt_period && res->rt_period != 0)
		r = put_u64(cg, CG_CPU, "cpu.realtimePeriod", "cpu.rt_period_us", res->rt_period, e);
	if (r == 0 && res->has_rt_runtime && res->rt_runtime != 0)
		r = put_i64(cg, CG_CPU, "cpu.realtimeRuntime", "cpu.rt_runtime_us", res->rt_runtime, e);
	return r < 0 ? r : apply_cpu_bandwidth(cg, res, e);
}

/* -- memory -- */

static int put_limit(struct cgroup *cg, struct cg_dir *d, int64_t limit, struct err *e)
{
	uint64_t usage, peak;
	int r = cg_putf(cg, d, "memory.limit_in_bytes", e, "%" PRId64, limit);

	if (r == -EBUSY && cg_get_u64(cg, d, "memory.usage_in_bytes", &usage, NULL) == 0 &&
	    cg_get_u64(cg, d, "memory.max_usage_in_bytes", &peak, NULL) == 0)
		return err_ctx(e, r, "current usage %" PRIu64 ", peak usage %" PRIu64, usage, peak);
	return r;
}

static int put_swap(struct cgroup *cg, struct cg_dir *d, int64_t limit, struct err *e)
{
	if (!cg_has_file(cg, d, "memory.memsw.limit_in_bytes"))
		return limit < 0 ? 0
				 : err_set(e, EOPNOTSUPP,
					   "linux.resources.memory.swap: the kernel does not "
					   "account swap; boot with swapaccount=1 "
					   "or remove the setting");
	return cg_putf(cg, d, "memory.memsw.limit_in_bytes", e, "%" PRId64, limit);
}

static int apply_memory_swap(struct cgroup *cg, struct cg_dir *d, const struct oci_resources *res, bool update,
			     struct err *e)
{
	bool mem = res->has_mem_limit && res->mem_limit != 0, swap = res->has_mem_swap && res->mem_swap != 0;
	int64_t swap_limit = swap ? res->mem_swap : 0;
	bool fresh = !update && d->made, swap_first = false;
	uint64_t current;
	int r;

	/* memory unlimited, swap not mentioned: a smaller memory+swap limit would stand in the way
	 */
	if (mem && res->mem_limit < 0 && !swap) {
		swap = true;
		swap_limit = -1;
	}
	if (mem && swap && swap_limit > 0 && (res->mem_limit < 0 || swap_limit < res->mem_limit))
		return err_set(e, EINVAL,
			       "linux.resources.memory.swap: %" PRId64
			       " is memory plus swap and must not be less than "
			       "memory.limit (%" PRId64 ")",
			       swap_limit, res->mem_limit);
	/* a new group is unlimited */
	if (fresh && mem && res->mem_limit < 0)
		mem = false;
	if (fresh && swap && swap_limit < 0)
		swap = false;
	/*
	 * memory <= memory+swap holds at every moment: the new memory+swap limit may come first
	 * exactly when it is not below the present memory limit, and the new memory limit may come
	 * first otherwise.
	 */
	if (mem && swap && !fresh) {
		r = cg_get_u64(cg, d, "memory.limit_in_bytes", &current, e);
		if (r < 0)
			return r;
		swap_first = swap_limit < 0 || (uint64_t)swap_limit >= current;
	}
	if (swap && swap_first) {
		r = put_swap(cg, d, swap_limit, e);
		if (r < 0)
			return r;
	}
	r = mem ? put_limit(cg, d, res->mem_limit, e) : 0;
	if (r == -EINVAL && !swap && update)
		return err_ctx(e, r,
			       "the memory limit may not exceed the present memory+swap limit, set "
			       "that too");
	if (r == 0 && swap && !swap_first)
		r = put_swap(cg, d, swap_limit, e);
	return r;
}

static int apply_memory(struct cgroup *cg, const struct oci_resources *res, bool update, struct err *e)
{
	bool limit = res->has_mem_limit && res->mem_limit != 0, swap = res->has_mem_swap && res->mem_swap != 0;
	bool soft = res->has_mem_reservation && res->mem_reservation != 0;
	bool tcp = res->has_mem_kernel_tcp && res->mem_kernel_tcp != 0;
	bool oom = res->has_disable_oom_killer && (update || res->disable_oom_killer);
	/* -1 (as unsigned, too) is Docker's "not set" */
	bool swappiness = res->has_swappiness && res->swappiness <= INT64_MAX;
	struct cg_dir *d;
	int r;

	if (update ? !(limit || swap || soft || tcp || oom || swappiness)
		   : !((limit && res->mem_limit > 0) || (swap && res->mem_swap > 0) ||
		       (soft && res->mem_reservation > 0) || (tcp && res->mem_kernel_tcp > 0) || oom ||
		       swappiness))
		return 0;
	r = need(cg, CG_MEMORY, limit ? "memory.limit" : "memory", &d, e);
	if (r < 0)
		return r;
	if (swappiness && res->swappiness > 100)
		return err_set(e, EINVAL, "linux.resources.memory.swappiness: %" PRIu64 " is not within 0 to 100",
			       res->swappiness);
	r = apply_memory_swap(cg, d, res, update, e);
	if (r == 0 && soft)
		r = cg_putf(cg, d, "memory.soft_limit_in_bytes", e, "%" PRId64, res->mem_reservation);
	if (r == 0 && tcp)
		r = cg_putf(cg, d, "memory.kmem.tcp.limit_in_bytes", e, "%" PRId64, res->mem_kernel_tcp);
	if (r == 0 && oom)
		r = cg_put(cg, d, "memory.oom_control", res->disable_oom_killer ? "1" : "0", e);
	if (r == 0 && swappiness)
		r = cg_putf(cg, d, "memory.swappiness", e, "%" PRIu64, res->swappiness);
	return r;
}

/* -- blkio -- */

static int put_throttle(struct cgroup *cg, const struct oci_blkio_list *l, const char *field, const char *file,
			bool update, struct err *e)
{
	struct cg_dir *d;
	int r;

	for (size_t i = 0; i < l->n; i++) {
		const struct oci_blkio_device *b = &l->v[i];

		if (!update && b->rate == 0)
			continue;
		r = need(cg, CG_BLKIO, field, &d, e);
		if (r < 0)
			return r;
		if (d->child && b->rate != 0)
			return err_set(e, EOPNOTSUPP,
				       "linux.resources.%s: cgroup v1 does not apply throttle "
				       "limits to groups below, and this "
				       "container makes groups of its own; create the container "
				       "with the limit instead",
				       field);
		r = cg_putf(cg, d, file, e, "%" PRId64 ":%" PRId64 " %" PRIu64, b->major, b->minor, b->rate);
		if (r < 0)
			return r;
		d->throttled = d->throttled || b->rate != 0;
	}
	return 0;
}

static int apply_blkio(struct cgroup *cg, const struct oci_resources *res, bool update, struct err *e)
{
	bool weight = res->has_blkio_weight && res->blkio_weight != 0;
	bool leaf = res->has_blkio_leaf_weight && res->blkio_leaf_weight != 0;
	struct cg_dir *d;
	bool bfq;
	int r;

	r = put_throttle(cg, &res->read_bps, "blockIO.throttleReadBpsDevice", "blkio.throttle.read_bps_device",
			 update, e);
	if (r == 0)
		r = put_throttle(cg, &res->write_bps, "blockIO.throttleWriteBpsDevice",
				 "blkio.throttle.write_bps_device", update, e);
	if (r == 0)
		r = put_throttle(cg, &res->read_iops, "blockIO.throttleReadIOPSDevice",
				 "blkio.throttle.read_iops_device", update, e);
	if (r == 0)
		r = put_throttle(cg, &res->write_iops, "blockIO.throttleWriteIOPSDevice",
				 "blkio.throttle.write_iops_device", update, e);
	if (r < 0 || (!weight && !leaf && res->weight_device.n == 0))
		return r;
	r = need(cg, CG_BLKIO, "blockIO.weight", &d, e);
	if (r < 0)
		return r;
	/* only one of the two schedulers is there; blkio.weight went away with CFQ in Linux 5.0 */
	bfq = !cg_has_file(cg, d, "blkio.weight");
	if (weight)
		r = cg_putf(cg, d, bfq ? "blkio.bfq.weight" : "blkio.weight", e, "%u",
			    (unsigned)res->blkio_weight);
	if (r == 0 && leaf)
		r = cg_putf(cg, d, "blkio.leaf_weight", e, "%u", (unsigned)res->blkio_leaf_weight);
	for (size_t i = 0; r == 0 && i < res->weight_device.n; i++) {
		const struct oci_blkio_device *b = &res->weight_device.v[i];

		if (b->has_weight)
			r = cg_putf(cg, d, bfq ? "blkio.bfq.weight_device" : "blkio.weight_device", e,
				    "%" PRId64 ":%" PRId64 " %u", b->major, b->minor, (unsigned)b->weight);
		if (r == 0 && b->has_leaf_weight)
			r = cg_putf(cg, d, "blkio.leaf_weight_device", e, "%" PRId64 ":%" PRId64 " %u", b->major,
				    b->minor, (unsigned)b->leaf_weight);
	}
	return r;
}

/* -- the rest -- */

static int apply_hugetlb(struct cgroup *cg, const struct oci_resources *res, struct err *e)
{
	char file[96];
	struct cg_dir *d;
	int r;

	for (size_t i = 0; i < res->n_hugetlb; i++) {
		const struct oci_hugetlb *h = &res->hugetlb[i];

		r = need(cg, CG_HUGETLB, "hugepageLimits", &d, e);
		if (r < 0)
			return r;
		(void)snprintf(file, sizeof file, "hugetlb.%.32s.limit_in_bytes", h->page_size);
		r = cg_putf(cg, d, file, e, "%" PRIu64, h->limit);
		if (r < 0)
			return r;
		/* reservations are accounted separately since Linux 5.7; limiting only faults would
		 * kill with SIGBUS */
		(void)snprintf(file, sizeof file, "hugetlb.%.32s.rsvd.limit_in_bytes", h->page_size);
		r = cg_has_file(cg, d, file) ? cg_putf(cg, d, file, e, "%" PRIu64, h->limit) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

static int apply_rdma(struct cgroup *cg, const struct oci_resources *res, struct err *e)
{
	char value[256];
	struct cg_dir *d;
	int r;

	for (size_t i = 0; i < res->n_rdma; i++) {
		r = need(cg, CG_RDMA, "rdma", &d, e);
		if (r == 0)
			r = cg_rdma_format(&res->rdma[i], value, sizeof value, e);
		if (r == 0)
			r = cg_put(cg, d, "rdma.max", value, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int apply_net(struct cgroup *cg, const struct oci_resources *res, struct err *e)
{
	struct cg_dir *d;
	int r = 0;

	if (res->has_net_classid && res->net_classid != 0)
		r = put_u64(cg, CG_NET_CLS, "network.classID", "net_cls.classid", res->net_classid, e);
	for (size_t i = 0; r == 0 && i < res->n_netprio; i++) {
		const struct oci_netprio *p = &res->netprio[i];

		if (!p->name[0] || strpbrk(p->name, " \n/"))
			return err_set(e, EINVAL,
				       "linux.resources.network.priorities[%zu].name: not an "
				       "interface name",
				       i);
		r = need(cg, CG_NET_PRIO, "network.priorities", &d, e);
		if (r == 0)
			r = cg_putf(cg, d, "net_prio.ifpriomap", e, "%s %" PRIu32, p->name, p->priority);
	}
	return r;
}

static int apply_pids(struct cgroup *cg, const struct oci_resources *res, bool update, struct err *e)
{
	struct cg_dir *d;
	int r;

	/* a new group is unlimited, so on creation "no limit" needs no write, nor the controller */
	if (!res->has_pids || (res->pids_limit <= 0 && (!update || !cg_find(cg, CG_PIDS))))
		return 0;
	r = need(cg, CG_PIDS, "pids.limit", &d, e);
	if (r < 0)
		return r;
	if (res->pids_limit <= 0)
		return cg_put(cg, d, "pids.max", "max", e);
	return cg_putf(cg, d, "pids.max", e, "%" PRId64, res->pids_limit);
}

int cg_v1_apply(struct cgroup *cg, const struct oci_resources *res, bool update, struct err *e)
{
	int r;

	if (res->n_unified > 0)
		return err_set(e, EOPNOTSUPP,
			       "linux.resources.unified: \"%s\" needs cgroup v2, and this host's "
			       "controllers are cgroup v1",
			       res->unified[0].key);
	r = apply_memory(cg, res, update, e);
	if (r == 0)
		r = apply_cpu(cg, res, update, e);
	if (r == 0)
		r = apply_cpuset(cg, res, update, e);
	if (r == 0)
		r = apply_pids(cg, res, update, e);
	if (r == 0)
		r = apply_blkio(cg, res, update, e);
	if (r == 0)
		r = apply_hugetlb(cg, res, e);
	if (r == 0)
		r = apply_rdma(cg, res, e);
	return r < 0 ? r : apply_net(cg, res, e);
}
