/* SPDX-License-Identifier: Apache-2.0 */
/* Limits in cgroup2, and the conversions of the specification's v1 values. */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/num.h"
#include "cgroup/cgroup-internal.h"

uint64_t cg_cpu_weight(uint64_t shares)
{
	if (shares == 0)
		return 0;
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	/* linear between the two ranges, as the other runtimes and Kubernetes do */
	return 1 + ((shares - 2) * 9999) / 262142;
}

uint64_t cg_io_weight(uint64_t blkio_weight)
{
	if (blkio_weight == 0)
		return 0;
	if (blkio_weight < 10)
		blkio_weight = 10;
	if (blkio_weight > 1000)
		blkio_weight = 1000;
	return 1 + (blkio_weight - 10) * 9999 / 990;
}

int cg_swap_v2(bool has_mem, int64_t mem, bool has_swap, int64_t memsw, int64_t *ret, struct err *e)
{
	if (!has_mem)
		mem = 0;
	if (!has_swap)
		memsw = 0;
	/* as in v1, lifting the memory limit lifts that of memory+swap */
	if (memsw < 0 || (memsw == 0 && mem < 0)) {
		*ret = -1;
		return 0;
	}
	if (memsw == 0) {
		*ret = INT64_MIN;
		return 0;
	}
	if (mem <= 0)
		return err_set(e, EINVAL,
			       "linux.resources.memory.swap: %" PRId64
			       " is memory plus swap and needs memory.limit beside it",
			       memsw);
	if (memsw < mem)
		return err_set(e, EINVAL,
			       "linux.resources.memory.swap: %" PRId64
			       " is memory plus swap and must not be less than "
			       "memory.limit (%" PRId64 ")",
			       memsw, mem);
	*ret = memsw - mem;
	return 0;
}

int cg_rdma_format(const struct oci_rdma *r, char *buf, size_t size, struct err *e)
{
	char handles[32] = "", objects[32] = "";
	int n;

	if (!r->device || !r->device[0] || strpbrk(r->device, " \n/=") || strlen(r->device) > 64)
		return err_set(e, EINVAL, "linux.resources.rdma: not the name of a device");
	if (!r->has_handles && !r->has_objects)
		return err_set(e, EINVAL, "linux.resources.rdma.%s: neither hcaHandles nor hcaObjects is given",
			       r->device);
	if (r->has_handles)
		(void)snprintf(handles, sizeof handles, " hca_handle=%" PRIu32, r->handles);
	if (r->has_objects)
		(void)snprintf(objects, sizeof objects, " hca_object=%" PRIu32, r->objects);
	n = snprintf(buf, size, "%s%s%s", r->device, handles, objects);
	return n < 0 || (size_t)n >= size ? err_set(e, EINVAL, "linux.resources.rdma.%s: too long", r->device) : 0;
}

/* -- controllers -- */

static const char *const wanted[] = { "cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc" };

static bool word_in(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (*list) {
		size_t n = strcspn(list, " \n");

		if (n == len && memcmp(list, word, n) == 0)
			return true;
		list += n;
		list += strspn(list, " \n");
	}
	return false;
}

int cg_v2_missing(const char *available, const char *present, char *buf, size_t size)
{
	size_t n = 0;
	int count = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		if (!word_in(available, wanted[i]) || word_in(present, wanted[i]))
			continue;
		n += (size_t)snprintf(buf + n, size - n, "%s+%s", n ? " " : "", wanted[i]);
		if (n >= size)
			return -ENOSPC;
		count++;
	}
	return count;
}

/* Switch on what @dirfd has and does not pass on. Best effort: one controller that cannot be must
 * not cost the others. */
static int pass_on(int dirfd)
{
	_cleanup_free_ char *available = NULL, *present = NULL;
	char buf[256], *save, *word;
	int r = io_read_at(dirfd, "cgroup.controllers", CG_TEXT_MAX, &available, NULL);

	if (r == 0)
		r = io_read_at(dirfd, "cgroup.subtree_control", CG_TEXT_MAX, &present, NULL);
	if (r < 0)
		return r;
	r = cg_v2_missing(available, present, buf, sizeof buf);
	if (r <= 0)
		return r;
	if (io_put_at(dirfd, "cgroup.subtree_control", buf) == 0)
		return 0;
	for (word = strtok_r(buf, " ", &save); word; word = strtok_r(NULL, " ", &save))
		(void)io_put_at(dirfd, "cgroup.subtree_control", word);
	return 0;
}

int cg_v2_prepare(const struct cgroup *cg, struct cg_dir *d, struct err *e)
{
	_cleanup_free_ char *available = NULL, *present = NULL;
	_cleanup_close_ int fd = -EBADF;
	char buf[256], rel[PATH_MAX];
	int top, r;

	r = cg_host_load(&top, NULL, e);
	if (r < 0)
		return r;
	/* Beside v1 hierarchies, cgroup2 has no controllers and there is nothing to pass on. */
	if (d->name[0])
		return 0;
	r = cg_get(cg, d, "cgroup.controllers", &present, e);
	if (r < 0)
		return r;
	r = io_read_at(top, "cgroup.controllers", CG_TEXT_MAX, &available, NULL);
	if (r < 0)
		return err_sys(e, -r, "cgroup: read cgroup.controllers of the root");
	if (cg_v2_missing(available, present, buf, sizeof buf) == 0)
		return 0;
	if (cg_rel_path(cg, d, rel, sizeof rel) < 0)
		return err_sys(e, ENAMETOOLONG, "cgroup: %s", cg->path);
	r = pass_on(top);
	for (char *p = strchr(rel, '/'); r == 0 && p; p = strchr(p + 1, '/')) {
		*p = '\0';
		fd = fd_close(fd);
		fd = cg_open_beneath(top, rel, O_PATH | O_DIRECTORY);
		r = fd < 0 ? fd : pass_on(fd);
		*p = '/';
	}
	return r < 0 ? err_sys(e, -r, "cgroup: switch controllers on for %s", cg->path) : 0;
}

/* cg_put() that explains a missing file by its controller. */
static int put(struct cgroup *cg, struct cg_dir *d, const char *file, const char *value, struct err *e)
{
	_cleanup_free_ char *controllers = NULL;
	char name[64];
	int r = cg_put(cg, d, file, value, e);

	if (r != -ENOENT || d->gone || cg_get(cg, d, "cgroup.controllers", &controllers, NULL) < 0)
		return r;
	(void)snprintf(name, sizeof name, "%.*s", (int)strcspn(file, "."), file);
	if (word_in(controllers, name))
		return r;
	return err_set(e, EOPNOTSUPP,
		       "cgroup: %s: the \"%s\" controller is not available here "
		       "(cgroup.controllers: \"%s\"); enable it in "
		       "cgroup.subtree_control above, or remove the setting",
		       file, name, controllers);
}

static int putf(struct cgroup *cg, struct cg_dir *d, const char *file, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

static int putf(struct cgroup *cg, struct cg_dir *d, const char *file, struct err *e, const char *fmt, ...)
{
	char value[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(value, sizeof value, fmt, ap);
	va_end(ap);
	return put(cg, d, file, value, e);
}

static int put_limit(struct cgroup *cg, struct cg_dir *d, const char *file, int64_t value, struct err *e)
{
	return value < 0 ? put(cg, d, file, "max", e) : putf(cg, d, file, e, "%" PRId64, value);
}

/* -- memory -- */

/* With checkBeforeUpdate a limit below the usage is refused instead of reclaiming and killing. */
static int check_usage(struct cgroup *cg, struct cg_dir *d, const char *usage_file, const char *what,
		       int64_t limit, struct err *e)
{
	uint64_t usage;
	int r;

	if (limit < 0)
		return 0;
	r = cg_get_u64(cg, d, usage_file, &usage, e);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (usage > (uint64_t)limit)
		return err_set(e, EBUSY,
			       "linux.resources.memory.%s: limit %" PRId64 " is below the current usage %" PRIu64
			       " (checkBeforeUpdate)",
			       what, limit, usage);
	return 0;
}

static int put_swap(struct cgroup *cg, struct cg_dir *d, int64_t swap, struct err *e)
{
	/* without swap accounting there is no file, and nothing to do for "none" and "unlimited" */
	if (!cg_has_file(cg, d, "memory.swap.max") && cg_has_file(cg, d, "memory.max"))
		return swap <= 0 ? 0
				 : err_set(e, EOPNOTSUPP,
					   "linux.resources.memory.swap: the kernel does not "
					   "account swap; remove the setting");
	return put_limit(cg, d, "memory.swap.max", swap, e);
}

static int apply_memory(struct cgroup *cg, struct cg_dir *d, const struct oci_resources *res, bool update,
			struct err *e)
{
	bool has_mem = res->has_mem_limit && res->mem_limit != 0;
	int64_t mem = has_mem ? res->mem_limit : 0, swap = INT64_MIN;
	uint64_t current;
	int r;

	if (!has_mem && update && res->has_mem_swap && res->mem_swap > 0) {
		/* memory+swap alone: against the memory limit in force */
		r = cg_get_u64(cg, d, "memory.max", &current, e);
		if (r < 0)
			return r;
		mem = current > INT64_MAX ? 0 : (int64_t)current;
	}
	r = cg_swap_v2(mem != 0, mem, res->has_mem_swap, res->mem_swap, &swap, e);
	if (r < 0)
		return r;
	/* a new group is unlimited */
	if (!update && d->made && mem < 0)
		has_mem = false;
	if (!update && d->made && swap == -1)
		swap = INT64_MIN;
	if (update && res->has_check_before_update && res->check_before_update) {
		r = has_mem ? check_usage(cg, d, "memory.current", "limit", mem, e) : 0;
		if (r == 0 && swap != INT64_MIN)
			r = check_usage(cg, d, "memory.swap.current", "swap", swap, e);
		if (r < 0)
			return r;
	}
	r = swap != INT64_MIN ? put_swap(cg, d, swap, e) : 0;
	if (r == 0 && has_mem)
		r = put_limit(cg, d, "memory.max", mem, e);
	if (r == 0 && res->has_mem_reservation && res->mem_reservation != 0)
		r = put_limit(cg, d, "memory.low", res->mem_reservation, e);
	return r;
}

/* -- cpu -- */

static int apply_cpu_max(struct cgroup *cg, struct cg_dir *d, const struct oci_resources *res, struct err *e)
{
	bool quota = res->has_cpu_quota && res->cpu_quota != 0,
	     period = res->has_cpu_period && res->cpu_period != 0;
	bool burst = res->has_cpu_burst;
	_cleanup_free_ char *current = NULL;
	uint64_t p = 100000;
	int r;

	/* as in v1: a burst that does not fit the present quota is tried again after the new one */
	if (burst) {
		r = putf(cg, d, "cpu.max.burst", e, "%" PRIu64, res->cpu_burst);
		if (r < 0 && (r != -EINVAL || !quota))
			return r;
		burst = r < 0;
	}
	if (!quota && !period)
		return 0;
	if (!quota || !period) {
		/* "<quota|max> <period>": keep the half that is not given */
		r = cg_get(cg, d, "cpu.max", &current, NULL);
		if (r == 0 && strchr(current, ' ') && !period)
			(void)num_u64(strchr(current, ' ') + 1, UINT64_MAX, &p);
	}
	if (period)
		p = res->cpu_period;
	if (!quota && current)
		r = putf(cg, d, "cpu.max", e, "%.*s %" PRIu64, (int)strcspn(current, " "), current, p);
	else if (!quota || res->cpu_quota < 0)
		r = putf(cg, d, "cpu.max", e, "max %" PRIu64, p);
	else
		r = putf(cg, d, "cpu.max", e, "%" PRId64 " %" PRIu64, res->cpu_quota, p);
	if (r == 0 && burst)
		r = putf(cg, d, "cpu.max.burst", e, "%" PRIu64, res->cpu_burst);
	return r;
}

static int apply_cpu(struct cgroup *cg, struct cg_dir *d, const struct oci_resources *res, bool update,
		     struct err *e)
{
	int r = 0;

	if ((res->has_rt_runtime && res->rt_runtime != 0) || (res->has_rt_period && res->rt_period != 0))
		return err_set(e, EOPNOTSUPP,
			       "linux.resources.cpu.realtimeRuntime: cgroup v2 has no real-time limits");
	/* an idle group has no weight (EINVAL) */
	if (res->has_cpu_idle && (update || res->cpu_idle != 0))
		r = putf(cg, d, "cpu.idle", e, "%" PRId64, res->cpu_idle);
	if (r == 0 && res->has_cpu_shares && res->cpu_shares != 0 && !(res->has_cpu_idle && res->cpu_idle == 1))
		r = putf(cg, d, "cpu.weight", e, "%" PRIu64, cg_cpu_weight(res->cpu_shares));
	return r < 0 ? r : apply_cpu_max(cg, d, res, e);
}

/* -- io -- */

static int put_io_max(struct cgroup *cg, struct cg_dir *d, const struct oci_blkio_list *l, const char *key,
		      bool update, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->n; i++) {
		const struct oci_blkio_device *b = &l->v[i];

		if (b->rate != 0)
			r = putf(cg, d, "io.max", e, "%" PRId64 ":%" PRId64 " %s=%" PRIu64, b->major, b->minor,
				 key, b->rate);
		else if (update)
			r = putf(cg, d, "io.max", e, "%" PRId64 ":%" PRId64 " %s=max", b->major, b->minor, key);
	}
	return r;
}

static int apply_io(struct cgroup *cg, struct cg_dir *d, const struct oci_resources *res, bool update,
		    struct err *e)
{
	bool weight = res->has_blkio_weight && res->blkio_weight != 0, bfq;
	int r;

	r = put_io_max(cg, d, &res->read_bps, "rbps", update, e);
	if (r == 0)
		r = put_io_max(cg, d, &res->write_bps, "wbps", update, e);
	if (r == 0)
		r = put_io_max(cg, d, &res->read_iops, "riops", update, e);
	if (r == 0)
		r = put_io_max(cg, d, &res->write_iops, "wiops", update, e);
	if (r < 0 || (!weight && res->weight_device.n == 0))
		return r;
	/* BFQ takes the v1 scale as it is; the cost model's io.weight has its own */
	bfq = cg_has_file(cg, d, "io.bfq.weight");
	if (weight)
		r = bfq ? putf(cg, d, "io.bfq.weight", e, "%u", (unsigned)res->blkio_weight)
			: putf(cg, d, "io.weight", e, "%" PRIu64, cg_io_weight(res->blkio_weight));
	for (size_t i = 0; r == 0 && i < res->weight_device.n; i++) {
		const struct oci_blkio_device *b = &res->weight_device.v[i];

		if (!b->has_weight || b->weight == 0)
			continue;
		r = putf(cg, d, bfq ? "io.bfq.weight" : "io.weight", e, "%" PRId64 ":%" PRId64 " %" PRIu64,
			 b->major, b->minor, bfq ? b->weight : cg_io_weight(b->weight));
	}
	return r;
}

/* -- the rest -- */

static int apply_hugetlb(struct cgroup *cg, struct cg_dir *d, const struct oci_resources *res, struct err *e)
{
	char file[96];
	int r = 0;

	for (size_t i = 0; r == 0 && i < res->n_hugetlb; i++) {
		const struct oci_hugetlb *h = &res->hugetlb[i];

		(void)snprintf(file, sizeof file, "hugetlb.%.32s.max", h->page_size);
		r = putf(cg, d, file, e, "%" PRIu64, h->limit);
		(void)snprintf(file, sizeof file, "hugetlb.%.32s.rsvd.max", h->page_size);
		if (r == 0 && cg_has_file(cg, d, file))
			r = putf(cg, d, file, e, "%" PRIu64, h->limit);
	}
	return r;
}

/* linux.resources.unified: any controller's file, but never one that moves processes or changes the
 * tree. */
static int apply_unified(struct cgroup *cg, struct cg_dir *d, const struct oci_resources *res, struct err *e)
{
	for (size_t i = 0; i < res->n_unified; i++) {
		const char *key = res->unified[i].key, *p = res->unified[i].value;
		int r = 0;

		if (!key[0] || key[0] == '.' || strchr(key, '/') || !strchr(key, '.') || strlen(key) > 200)
			return err_set(e, EINVAL,
				       "linux.resources.unified: \"%.200s\" is not the name of a "
				       "control file",
				       key);
		if (strncmp(key, "cgroup.", 7) == 0 && strcmp(key, "cgroup.max.depth") != 0 &&
		    strcmp(key, "cgroup.max.descendants") != 0)
			return err_set(e, EPERM,
				       "linux.resources.unified: \"%s\" is not a resource; of the "
				       "cgroup.* files only "
				       "cgroup.max.depth and cgroup.max.descendants may be set",
				       key);
		/* files such as io.max take one device for each write */
		do {
			size_t len = strcspn(p, "\n");

			if (len > 0 || *p == '\0')
				r = len < 255 ? putf(cg, d, key, e, "%.*s", (int)len, p)
					      : err_set(e, EINVAL,
							"linux.resources.unified: value of %s: "
							"line too long",
							key);
			p += len;
			p += *p == '\n';
		} while (r == 0 && *p);
		if (r < 0)
			return r;
	}
	return 0;
}

int cg_v2_apply(struct cgroup *cg, const struct oci_resources *res, bool update, struct err *e)
{
	struct cg_dir *d = cg_find_v2(cg);
	char rdma[256];
	int r;

	if (!d)
		return err_set(e, ENOENT, "cgroup: %s does not exist", cg->path);
	r = apply_memory(cg, d, res, update, e);
	if (r == 0)
		r = apply_cpu(cg, d, res, update, e);
	if (r == 0 && res->cpus && res->cpus[0])
		r = put(cg, d, "cpuset.cpus", res->cpus, e);
	if (r == 0 && res->mems && res->mems[0])
		r = put(cg, d, "cpuset.mems", res->mems, e);
	if (r == 0 && res->has_pids && (update || res->pids_limit > 0))
		r = put_limit(cg, d, "pids.max", res->pids_limit > 0 ? res->pids_limit : -1, e);
	if (r == 0)
		r = apply_io(cg, d, res, update, e);
	if (r == 0)
		r = apply_hugetlb(cg, d, res, e);
	for (size_t i = 0; r == 0 && i < res->n_rdma; i++) {
		r = cg_rdma_format(&res->rdma[i], rdma, sizeof rdma, e);
		if (r == 0)
			r = put(cg, d, "rdma.max", rdma, e);
	}
	return r < 0 ? r : apply_unified(cg, d, res, e);
}
