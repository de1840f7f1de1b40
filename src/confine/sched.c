/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/ioprio.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/num.h"

#define OOM_SCORE_ADJ_MAX 1000

/* sched_setattr(2), first version: the runtime specification has no utilisation clamps. */
struct sched_attr_v0 {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

_Static_assert(sizeof(struct sched_attr_v0) == 48, "SCHED_ATTR_SIZE_VER0");

int confine_rlimits(pid_t pid, const struct oci_rlimit *v, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const struct {
			uint64_t soft, hard;
		} lim = { v[i].soft, v[i].hard }; /* struct rlimit64 of the kernel, whatever the C library's is */

		if (v[i].soft > v[i].hard)
			return err_set(e, EINVAL, "process.rlimits: %s: soft %" PRIu64 " is above hard %" PRIu64,
				       v[i].name, v[i].soft, v[i].hard);
		if (syscall(SYS_prlimit64, pid, v[i].resource, &lim, NULL) == 0)
			continue;
		if (errno == EPERM)
			return err_set(e, EPERM,
				       "process.rlimits: %s: soft %" PRIu64 ", hard %" PRIu64
				       ": raising a hard limit needs CAP_SYS_RESOURCE on the host, "
				       "and RLIMIT_NOFILE cannot exceed fs.nr_open",
				       v[i].name, v[i].soft, v[i].hard);
		return err_sys(e, errno, "process.rlimits: %s: soft %" PRIu64 ", hard %" PRIu64, v[i].name,
			       v[i].soft, v[i].hard);
	}
	return 0;
}

/* "3" or "0-3" at *@s, which is advanced behind it. */
static int cpu_range(const char **s, uint64_t *ret_first, uint64_t *ret_last)
{
	uint64_t first, last;
	int r;

	if ((r = num_span(s, CONFINE_CPUS_MAX - 1, &first)) < 0)
		return r;
	last = first;
	if (**s == '-') {
		(*s)++;
		if ((r = num_span(s, CONFINE_CPUS_MAX - 1, &last)) < 0)
			return r;
	}
	if (last < first)
		return -EINVAL;
	*ret_first = first;
	*ret_last = last;
	return 0;
}

int confine_cpulist(const char *s, struct confine_cpus *ret)
{
	const size_t word = 8 * sizeof ret->bits[0];
	struct confine_cpus cpus = { 0 };

	for (;; s++) {
		uint64_t first, last;
		int r;

		if ((r = cpu_range(&s, &first, &last)) < 0)
			return r;
		for (uint64_t c = first; c <= last; c++)
			cpus.bits[c / word] |= 1ul << (c % word);
		if (*s == '\0')
			break;
		if (*s != ',')
			return -EINVAL;
	}
	*ret = cpus;
	return 0;
}

int confine_cpu_affinity(pid_t pid, const char *list, struct err *e)
{
	struct confine_cpus cpus;
	int r = confine_cpulist(list, &cpus);

	if (r == -ERANGE)
		return err_set(e, ERANGE, "process.execCPUAffinity: '%s': CPU numbers must be below %u", list,
			       CONFINE_CPUS_MAX);
	if (r < 0)
		return err_set(e, -r, "process.execCPUAffinity: '%s' is not a list of CPUs such as '0-3,7'", list);
	if (syscall(SYS_sched_setaffinity, pid, sizeof cpus.bits, cpus.bits) == 0)
		return 0;
	if (errno == EINVAL)
		return err_set(e, EINVAL, "process.execCPUAffinity: the cgroup's cpuset allows none of '%s'",
			       list);
	return err_sys(e, errno, "process.execCPUAffinity: '%s'", list);
}

static int set_scheduler(pid_t pid, const struct oci_scheduler *s, struct err *e)
{
	const struct sched_attr_v0 attr = {
		.size = sizeof attr,
		.policy = s->policy,
		.flags = s->flags,
		.nice = s->nice,
		.priority = (uint32_t)s->priority,
		.runtime = s->runtime,
		.deadline = s->deadline,
		.period = s->period,
	};

	if (syscall(SYS_sched_setattr, pid, &attr, 0) == 0)
		return 0;
	return err_sys(e, errno,
		       "process.scheduler: policy %u, nice %d, priority %d, flags 0x%" PRIx64
		       ", runtime/deadline/period %" PRIu64 "/%" PRIu64 "/%" PRIu64 " ns",
		       s->policy, s->nice, s->priority, s->flags, s->runtime, s->deadline, s->period);
}

int confine_scheduling(pid_t pid, const struct oci_process *p, struct err *e)
{
	int r;

	if (p->scheduler.present && (r = set_scheduler(pid, &p->scheduler, e)) < 0)
		return r;
	if (p->has_io_priority &&
	    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid, IOPRIO_PRIO_VALUE(p->io_class, p->io_level)) < 0)
		return err_sys(e, errno, "process.ioPriority: class %d, priority %d", p->io_class, p->io_level);
	if (p->has_exec_cpu_affinity && p->cpu_affinity_final)
		return confine_cpu_affinity(pid, p->cpu_affinity_final, e);
	return 0;
}

int confine_personality(const struct oci_linux *l, struct err *e)
{
	unsigned long domain;

	if (!l->has_personality)
		return 0;
	if (l->personality_domain && strcmp(l->personality_domain, "LINUX") == 0)
		domain = PER_LINUX;
	else if (l->personality_domain && strcmp(l->personality_domain, "LINUX32") == 0)
		domain = PER_LINUX32;
	else
		return err_set(e, EINVAL, "linux.personality.domain: '%s' is neither LINUX nor LINUX32",
			       l->personality_domain ? l->personality_domain : "");
	return personality(domain) < 0 ? err_sys(e, errno, "linux.personality.domain: %s", l->personality_domain)
				       : 0;
}

/* Into a buffer of the caller's, unlike io_read_at(): this runs in a cloned child as well. */
static int read_number(int dirfd, const char *name, int64_t *ret)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char buf[32];
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, sizeof buf - 1);
	if (n < 0)
		return -errno;
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return num_i64(buf, ret);
}

int confine_oom_score_adj(int procfd, pid_t pid, int value, struct err *e)
{
	char name[48], text[16];
	int64_t now;
	int r;

	if (value < -OOM_SCORE_ADJ_MAX || value > OOM_SCORE_ADJ_MAX)
		return err_set(e, EINVAL, "process.oomScoreAdj: %d is not within -1000 and 1000", value);
	if (pid == 0)
		(void)snprintf(name, sizeof name, "self/oom_score_adj");
	else
		(void)snprintf(name, sizeof name, "%d/oom_score_adj", (int)pid);
	/* A process with fewer rights may not write even what is there already (an inherited -999 below a daemon). */
	if (read_number(procfd, name, &now) == 0 && now == value)
		return 0;
	(void)snprintf(text, sizeof text, "%d", value);
	r = io_put_at(procfd, name, text);
	if (r == -EACCES)
		return err_set(e, EACCES,
			       "process.oomScoreAdj: %d: lowering it needs CAP_SYS_RESOURCE on the host", value);
	return r < 0 ? err_sys(e, -r, "process.oomScoreAdj: %d", value) : 0;
}
