/* SPDX-License-Identifier: Apache-2.0 */
#include "procview/procview.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "emulate/cover.h"
#include "procview/inputs.h"
#include "procview/sandbox.h"
#include "procview/serve.h"

/* Static: only what is touched takes memory, and there is no allocator to go wrong in the sandbox. */
static char texts[1u << 20]; /* /proc/cpuinfo of 512 processors */
static struct view view;
static struct inputs inputs;

static int map_shared(struct view_shared **ret, struct err *e)
{
	struct stat st;
	void *p;

	if (fstat(WORKER_FD_SHARED, &st) < 0)
		return err_sys(e, errno, "shared memory (descriptor %d)", WORKER_FD_SHARED);
	if (st.st_size < (off_t)sizeof **ret)
		return err_set(e, EINVAL, "shared memory has only %lld bytes", (long long)st.st_size);
	p = mmap(NULL, sizeof **ret, PROT_READ | PROT_WRITE, MAP_SHARED, WORKER_FD_SHARED, 0);
	if (p == MAP_FAILED)
		return err_sys(e, errno, "map the shared memory");
	*ret = p;
	if ((*ret)->params.magic != EMU_MAGIC)
		return err_set(e, EINVAL, "shared memory is not of this version of caisson-monitor");
	return 0;
}

static int dir_of(int fd)
{
	return fcntl(fd, F_GETFD) < 0 ? -EBADF : fd;
}

/*
 * The monitor's mount namespace, where we are, has the carriers mounted. Should the monitor be killed, they would stay there as
 * long as we live, and we would live as long as they stay: so this process has none. When the container and the monitor are
 * gone, the connections end.
 */
static int leave_carriers(struct err *e)
{
	static const char *const carriers[] = { "/" COVER_CHANGING, "/" COVER_SYSCTL };

	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, errno, "leave the monitor's mount namespace");
	for (size_t i = 0; i < ARRAY_SIZE(carriers); i++)
		(void)umount2(carriers[i], MNT_DETACH);
	return 0;
}

int procview_run(const struct view_table *table, struct err *e)
{
	static const int conn[VIEW_CONNS] = { WORKER_FD_CHANGING, WORKER_FD_SYSCTL };
	const int dir[DIR_N] = {
		[DIR_PROC] = dir_of(WORKER_FD_PROC),	      [DIR_SYSFS] = dir_of(WORKER_FD_SYSFS),
		[DIR_MEMORY] = dir_of(WORKER_FD_CG_MEMORY),   [DIR_CPU] = dir_of(WORKER_FD_CG_CPU),
		[DIR_CPUACCT] = dir_of(WORKER_FD_CG_CPUACCT), [DIR_CPUSET] = dir_of(WORKER_FD_CG_CPUSET),
		[DIR_BLKIO] = dir_of(WORKER_FD_CG_BLKIO),     [DIR_PIDS] = dir_of(WORKER_FD_CG_PIDS),
	};
	int r = leave_carriers(e);

	if (r == 0)
		r = map_shared(&view.shared, e);
	if (r < 0)
		return r;
	view.table = *table;
	view.collect = inputs_collect;
	view.arg = &inputs;
	r = view_init(&view);
	if (r < 0)
		return err_sys(e, -r, "table of emulated files");
	for (int i = 0; i < VIEW_CONNS; i++)
		if (fcntl(conn[i], F_SETFL, O_RDWR | O_NONBLOCK) < 0)
			return err_sys(e, errno, "FUSE connection (descriptor %d)", conn[i]);
	inputs_open(&inputs, view.shared, dir, texts, sizeof texts);
	inputs_first_values(view.shared, table->rows, table->n, dir[DIR_PROC], dir[DIR_SYSFS]);
	for (unsigned i = 0; i < DIR_N; i++)
		(void)fd_close(dir[i]);
	if ((r = sandbox_lock(view.shared, &serve_answer, sizeof serve_answer, e)) < 0 ||
	    (r = sandbox_enter(SANDBOX_UID(view.shared->params.base), conn, e)) < 0)
		return r;
	serve_recover(&view, conn);
	return serve_loop(&view, conn); /* no words from here on: there is no way to write them */
}
