/* SPDX-License-Identifier: Apache-2.0 */
/* Out-of-memory events: an eventfd in v1, inotify on memory.events in v2. */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "cgroup/cgroup-internal.h"

static int watch_v1(struct cgroup *cg, struct cg_dir *d, int *ret_fd, struct err *e)
{
	_cleanup_close_ int control = -EBADF, event = -EBADF;
	char path[PATH_MAX];
	int r;

	cg_dir_path(cg, d, path, sizeof path);
	control = cg_open(cg, d, "memory.oom_control", O_RDONLY);
	if (control < 0)
		return err_sys(e, -control, "cgroup: open %s/memory.oom_control", path);
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		return err_sys(e, errno, "cgroup: eventfd");
	/* the kernel keeps the eventfd registered until the group or the eventfd goes away */
	r = cg_putf(cg, d, "cgroup.event_control", e, "%d %d", event, control);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(event);
	return 0;
}

static int oom_kills(struct cgroup *cg, struct cg_dir *d, uint64_t *ret)
{
	_cleanup_free_ char *text = NULL;
	int r = cg_get(cg, d, "memory.events", &text, NULL);

	return r < 0 ? r : cg_kv_get(text, "oom_kill", ret);
}

static int watch_v2(struct cgroup *cg, struct cg_dir *d, int *ret_fd, struct err *e)
{
	static const char *const files[] = { "memory.events", "cgroup.events" };
	_cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[PATH_MAX], proc[64];
	int r;

	if (fd < 0)
		return err_sys(e, errno, "cgroup: inotify_init1");
	cg_dir_path(cg, d, path, sizeof path);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_close_ int file = cg_open(cg, d, files[i], O_PATH);

		if (file < 0)
			return err_sys(e, -file, "cgroup: open %s/%s", path, files[i]);
		(void)snprintf(proc, sizeof proc, "/proc/self/fd/%d", file);
		if (inotify_add_watch(fd, proc, IN_MODIFY) < 0)
			return err_sys(e, errno, "cgroup: watch %s/%s", path, files[i]);
	}
	r = oom_kills(cg, d, &cg->oom_kills);
	cg->was_populated = cg->entered;
	if (r < 0)
		return err_sys(e, -r, "cgroup: read %s/memory.events", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Where the memory controller is: its v1 hierarchy, or cgroup2 alone. */
static struct cg_dir *memory_dir(struct cgroup *cg)
{
	struct cg_dir *d = cg_find(cg, CG_MEMORY);

	if (!d && (d = cg_find_v2(cg)) && d->name[0])
		d = NULL;
	return d;
}

int cgroup_oom_watch(struct cgroup *cg, int *ret_fd, struct err *e)
{
	struct cg_dir *d = memory_dir(cg);

	if (!d)
		return err_set(e, EOPNOTSUPP, "cgroup: %s: no memory controller to watch", cg->path);
	return d->v2 ? watch_v2(cg, d, ret_fd, e) : watch_v1(cg, d, ret_fd, e);
}

static int read_v1(struct cgroup *cg, struct cg_dir *d, int fd, struct err *e)
{
	uint64_t count;
	ssize_t n = read(fd, &count, sizeof count);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return err_sys(e, errno, "cgroup: read the OOM eventfd");
	/* removing the group signals the eventfd as well */
	if (!cg_has_file(cg, d, "memory.oom_control"))
		return -ENODEV;
	return n == (ssize_t)sizeof count;
}

static int read_v2(struct cgroup *cg, struct cg_dir *d, int fd, struct err *e)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	_cleanup_free_ char *text = NULL;
	uint64_t kills, populated;
	ssize_t n;
	int r;

	do
		n = read(fd, buf, sizeof buf);
	while (n > 0);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return err_sys(e, errno, "cgroup: read the inotify fd");
	r = oom_kills(cg, d, &kills);
	if (r < 0)
		return r == -ENOENT || r == -ENODEV ? -ENODEV : err_sys(e, -r, "cgroup: read memory.events");
	if (kills != cg->oom_kills) {
		cg->oom_kills = kills;
		return 1;
	}
	/* A removed group sends no event, but its last process leaving does. One that is still to
	 * be entered is no such. */
	r = cg_get(cg, d, "cgroup.events", &text, NULL);
	if (r == 0)
		r = cg_kv_get(text, "populated", &populated);
	if (r < 0)
		return -ENODEV;
	if (populated)
		cg->was_populated = true;
	return populated || !cg->was_populated ? 0 : -ENODEV;
}

int cgroup_oom_read(struct cgroup *cg, int fd, struct err *e)
{
	struct cg_dir *d = memory_dir(cg);

	if (!d)
		return -ENODEV;
	return d->v2 ? read_v2(cg, d, fd, e) : read_v1(cg, d, fd, e);
}
