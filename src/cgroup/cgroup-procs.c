/* SPDX-License-Identifier: Apache-2.0 */
/* All processes of a container at once: listing, freezing, signalling. */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "cgroup/cgroup-internal.h"

#define FREEZE_TIMEOUT_MS 10000
#define KILL_ROUNDS	  200

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pause_us(long us)
{
	(void)nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL);
}

/*
 * The hierarchy to list: a container's processes are in all of them, so the unified one where there
 * is one (no controller has to be mounted for it), otherwise the first.
 */
static struct cg_dir *listed(struct cgroup *cg)
{
	struct cg_dir *d = cg_find_v2(cg);

	for (size_t i = 0; !d && i < cg->n; i++)
		if (!cg->dir[i].gone)
			d = &cg->dir[i];
	return d;
}

static int list_pids(struct cgroup *cg, struct cg_pids *pids, struct err *e)
{
	struct cg_dir *d = listed(cg);
	char path[PATH_MAX];
	int fd, r;

	if (!d)
		return err_set(e, ENOENT, "cgroup: %s does not exist", cg->path);
	fd = cg_dir_fd(cg, d, e);
	if (fd < 0)
		return fd;
	r = cg_tree_pids(fd, pids);
	if (r < 0) {
		cg_dir_path(cg, d, path, sizeof path);
		return err_sys(e, -r, "cgroup: list the processes in %s", path);
	}
	cg_pids_sort(pids);
	return 0;
}

int cgroup_dir(struct cgroup *cg, const char *controller)
{
	uint32_t mask = cg_ctrls_parse(controller);
	struct cg_dir *all = cg_find_v2(cg);

	/* Where there is nothing but the unified hierarchy, it has all controllers; beside v1 it has none that we use. */
	if (all && all->name[0] == '\0')
		return cg_dir_fd(cg, all, NULL);
	for (unsigned c = 0; c < CG_CTRL_COUNT; c++) {
		struct cg_dir *d = mask & (1u << c) ? cg_find(cg, (enum cg_ctrl)c) : NULL;
		int fd = d ? cg_dir_fd(cg, d, NULL) : -EBADF;

		if (fd >= 0)
			return fd;
	}
	return -EBADF;
}

int cgroup_pids(struct cgroup *cg, pid_t **ret, size_t *ret_n, struct err *e)
{
	_cleanup_(cg_pids_done) struct cg_pids pids = { 0 };
	int r = list_pids(cg, &pids, e);

	if (r < 0)
		return r;
	if (!pids.v && !(pids.v = malloc(sizeof *pids.v)))
		return err_sys(e, ENOMEM, "cgroup: list the processes");
	*ret = TAKE_PTR(pids.v);
	*ret_n = pids.n;
	return 0;
}

/* -- freezing -- */

static int frozen_v2(struct cgroup *cg, struct cg_dir *d, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	uint64_t frozen;
	int r = cg_get(cg, d, "cgroup.events", &text, e);

	if (r < 0)
		return r;
	r = cg_kv_get(text, "frozen", &frozen);
	return r < 0 ? err_sys(e, -r,
			       "cgroup: cgroup.events: no \"frozen\" line (Linux 5.2 or newer is "
			       "needed)")
		     : frozen != 0;
}

static int freeze_v2(struct cgroup *cg, struct cg_dir *d, bool freeze, struct err *e)
{
	int64_t end = now_ms() + FREEZE_TIMEOUT_MS;
	_cleanup_close_ int fd = -EBADF;
	char path[PATH_MAX];
	int r;

	/* opened before the write: an event that comes first is then pending, not lost */
	fd = cg_open(cg, d, "cgroup.events", O_RDONLY);
	if (fd < 0) {
		cg_dir_path(cg, d, path, sizeof path);
		return err_sys(e, -fd, "cgroup: open %s/cgroup.events", path);
	}
	r = cg_put(cg, d, "cgroup.freeze", freeze ? "1" : "0", e);
	if (r < 0)
		return r;
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLPRI };
		_cleanup_free_ char *text = NULL;
		uint64_t frozen = 0;
		int64_t left = end - now_ms();

		if (lseek(fd, 0, SEEK_SET) < 0)
			return err_sys(e, errno, "cgroup: read cgroup.events");
		r = io_read_fd(fd, CG_TEXT_MAX, &text, NULL);
		if (r == 0)
			r = cg_kv_get(text, "frozen", &frozen);
		if (r < 0)
			return err_sys(e, -r, "cgroup: read cgroup.events");
		if ((frozen != 0) == freeze)
			return 0;
		if (left <= 0)
			return -ETIMEDOUT;
		(void)poll(&p, 1, (int)left);
	}
}

static int freeze_v1(struct cgroup *cg, struct cg_dir *d, bool freeze, struct err *e)
{
	int64_t end = now_ms() + FREEZE_TIMEOUT_MS;
	const char *want = freeze ? "FROZEN" : "THAWED";
	long wait = 100;
	int r = cg_put(cg, d, "freezer.state", want, e);

	while (r == 0) {
		_cleanup_free_ char *text = NULL;

		r = cg_get(cg, d, "freezer.state", &text, e);
		if (r < 0 || strcmp(text, want) == 0)
			return r;
		if (now_ms() >= end)
			return -ETIMEDOUT;
		pause_us(wait);
		wait = wait < 10000 ? wait * 2 : wait;
		/*
		 * A process that forks while the others are frozen can leave the group in FREEZING
		 * until the state is written again.
		 */
		if (freeze)
			r = cg_put(cg, d, "freezer.state", want, e);
	}
	return r;
}

/* The one to freeze with: v1 where it is mounted, as other tools expect, otherwise the unified
 * hierarchy's. */
static int freezer(struct cgroup *cg, struct cg_dir **ret, struct err *e)
{
	struct cg_dir *d = cg_find(cg, CG_FREEZER);

	if (!d)
		d = cg_find_v2(cg);
	if (!d)
		return err_set(e, EOPNOTSUPP,
			       "cgroup: %s: this host has neither a v1 freezer hierarchy nor a "
			       "unified one to freeze with",
			       cg->path);
	*ret = d;
	return 0;
}

int cgroup_freeze(struct cgroup *cg, bool freeze, struct err *e)
{
	char path[PATH_MAX];
	struct cg_dir *d;
	int r = freezer(cg, &d, e);

	if (r < 0)
		return r;
	r = d->v2 ? freeze_v2(cg, d, freeze, e) : freeze_v1(cg, d, freeze, e);
	if (r == -ETIMEDOUT) {
		/* half frozen is the worst state to be left in */
		(void)cg_put(cg, d, d->v2 ? "cgroup.freeze" : "freezer.state", d->v2 ? "0" : "THAWED", NULL);
		cg_dir_path(cg, d, path, sizeof path);
		return err_set(e, ETIMEDOUT, "cgroup: %s %s: not done within %d seconds",
			       freeze ? "freeze" : "thaw", path, FREEZE_TIMEOUT_MS / 1000);
	}
	return r;
}

int cgroup_is_frozen(struct cgroup *cg, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	struct cg_dir *d;
	int r = freezer(cg, &d, e);

	if (r < 0)
		return r;
	if (d->v2)
		return frozen_v2(cg, d, e);
	r = cg_get(cg, d, "freezer.state", &text, e);
	return r < 0 ? r : strcmp(text, "FROZEN") == 0;
}

/* -- signals -- */

static bool contains(const struct cg_pids *p, pid_t pid)
{
	size_t lo = 0, hi = p->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->v[mid] == pid)
			return true;
		if (p->v[mid] < pid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static int pids_append(struct cg_pids *to, pid_t pid)
{
	if (to->n == to->size) {
		size_t size = to->size ? to->size * 2 : 32;
		pid_t *v = reallocarray(to->v, size, sizeof *v);

		if (!v)
			return -ENOMEM;
		to->v = v;
		to->size = size;
	}
	to->v[to->n++] = pid;
	return 0;
}

/*
 * Signal one process of the group. A pid read from a list may belong to somebody else by now: it is
 * listed again after the pidfd was opened, so the pidfd is that of a process in the group.
 */
static int signal_one(struct cgroup *cg, pid_t pid, int sig, struct err *e)
{
	_cleanup_(cg_pids_done) struct cg_pids again = { 0 };
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	int r;

	if (fd < 0)
		return errno == ESRCH || errno == EINVAL ? 0
							 : err_sys(e, errno, "cgroup: pidfd_open %d", (int)pid);
	r = list_pids(cg, &again, e);
	if (r < 0)
		return r;
	if (!contains(&again, pid))
		return 0;
	if (syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0) < 0 && errno != ESRCH)
		return err_sys(e, errno, "cgroup: send signal %d to process %d", sig, (int)pid);
	return 0;
}

static int signal_all(struct cgroup *cg, int sig, struct err *e)
{
	_cleanup_(cg_pids_done) struct cg_pids done = { 0 };

	for (int round = 0; round < KILL_ROUNDS; round++) {
		_cleanup_(cg_pids_done) struct cg_pids pids = { 0 };
		bool news = false;
		int r = list_pids(cg, &pids, e);

		if (r < 0)
			return r;
		for (size_t i = 0; i < pids.n; i++) {
			if (contains(&done, pids.v[i]))
				continue;
			news = true;
			r = signal_one(cg, pids.v[i], sig, e);
			if (r < 0)
				return r;
		}
		if (!news)
			return 0;
		for (size_t i = 0; i < pids.n; i++)
			if (pids_append(&done, pids.v[i]) < 0)
				return err_sys(e, ENOMEM, "cgroup: signal %s", cg->path);
		cg_pids_sort(&done);
	}
	return err_set(e, EAGAIN, "cgroup: %s: processes keep appearing; freeze it first, or use KILL", cg->path);
}

int cgroup_kill(struct cgroup *cg, int sig, struct err *e)
{
	struct cg_dir *v2 = cg_find_v2(cg), *frozen = cg_find(cg, CG_FREEZER);
	int r = -ENOENT;

	/* The kernel's own way has no race with fork; it is there since Linux 5.14. */
	if (sig == SIGKILL && v2)
		r = cg_put(cg, v2, "cgroup.kill", "1", NULL);
	if (r < 0)
		r = signal_all(cg, sig, e);
	/* The v1 freezer holds even killed processes. */
	if (r == 0 && sig == SIGKILL && frozen)
		(void)cg_put(cg, frozen, "freezer.state", "THAWED", NULL);
	return r == -ENOENT ? err_set(e, ENOENT, "cgroup: %s does not exist", cg->path) : r;
}
