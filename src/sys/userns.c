/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "sys/missing.h"

int ns_open(int proc_fd, pid_t pid, const char *name, struct err *e)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof path, "%d/ns/%s", (int)pid, name);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, errno, "open %s namespace of process %d", name, (int)pid) : fd;
}

int userns_write_maps(int proc_fd, pid_t pid, const char *uid_map, const char *gid_map, struct err *e)
{
	char path[64];
	int r;

	(void)snprintf(path, sizeof path, "%d/uid_map", (int)pid);
	r = io_put_at(proc_fd, path, uid_map);
	if (r < 0)
		return err_sys(e, -r, "write uid_map");
	(void)snprintf(path, sizeof path, "%d/gid_map", (int)pid);
	r = io_put_at(proc_fd, path, gid_map);
	return r < 0 ? err_sys(e, -r, "write gid_map") : 0;
}

int userns_make(int proc_fd, const char *uid_map, const char *gid_map, struct err *e)
{
	struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	pid_t us = getpid(), pid = sys_clone3(&args);
	int r, fd = -EBADF;

	if (pid < 0)
		return err_sys(e, errno, "make a user namespace for an id-mapped mount");
	if (pid == 0) {
		/* It must not outlive a caller that is killed, not even one that was killed before this line. */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != us)
			_exit(1);
		for (;;)
			(void)pause();
	}
	r = userns_write_maps(proc_fd, pid, uid_map, gid_map, e);
	if (r == 0)
		fd = r = ns_open(proc_fd, pid, "user", e);
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r < 0 ? r : fd;
}
