/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/join.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/idtext.h"
#include "policy/policy.h"
#include "sys/arguments.h"
#include "sys/missing.h"
#include "sys/userns.h"

static const struct {
	const char *file; /* below /proc/PID/ns */
	int type;
} kinds[OCI_NS_COUNT] = {
	[OCI_NS_PID] = { "pid", CLONE_NEWPID },		 [OCI_NS_NETWORK] = { "net", CLONE_NEWNET },
	[OCI_NS_MOUNT] = { "mnt", CLONE_NEWNS },	 [OCI_NS_IPC] = { "ipc", CLONE_NEWIPC },
	[OCI_NS_UTS] = { "uts", CLONE_NEWUTS },		 [OCI_NS_USER] = { "user", CLONE_NEWUSER },
	[OCI_NS_CGROUP] = { "cgroup", CLONE_NEWCGROUP }, [OCI_NS_TIME] = { "time", CLONE_NEWTIME },
};

static bool same_ns(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int open_one(enum oci_ns ns, const char *path, struct err *e)
{
	/* O_NONBLOCK: a fifo at that path must not stop us before we have seen that it is none of ours. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct statfs sfs;

	if (fd < 0)
		return err_sys(e, errno, "linux.namespaces: open %s namespace %s", oci_ns_name(ns), path);
	if (fstatfs(fd, &sfs) < 0 || sfs.f_type != NSFS_MAGIC || ioctl(fd, NS_GET_NSTYPE) != kinds[ns].type)
		return err_set(e, EINVAL, "linux.namespaces: %s is not a %s namespace", path, oci_ns_name(ns));
	return TAKE_FD(fd);
}

/* The id range of a user namespace, from the map of a process that joins it for a moment. */
static int range_of(const struct runtime *rt, int userns_fd, uint32_t *ret_base, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	struct clone_args args = { .exit_signal = SIGCHLD };
	struct id_extent x, more;
	char path[32], c, *cursor;
	pid_t us = getpid(), pid;
	int ready[2], r;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return err_sys(e, errno, "look at user namespace");
	pid = sys_clone3(&args);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == us && setns(userns_fd, CLONE_NEWUSER) == 0 && write(ready[1], "x", 1) == 1)
			for (;;)
				(void)pause();
		_exit(1);
	}
	(void)fd_close(ready[1]);
	r = pid < 0 ? -errno : read(ready[0], &c, 1) == 1 ? 0 : -EPERM;
	(void)fd_close(ready[0]);
	if (r == 0) {
		(void)snprintf(path, sizeof path, "%d/uid_map", (int)pid);
		r = io_read_at(rt->proc_fd, path, 4096, &text, NULL);
	}
	if (pid > 0) {
		(void)kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (r < 0)
		return err_sys(e, -r, "read the id map of the container to join");
	cursor = text;
	if (idtext_next_map(&cursor, &x) != 1 || idtext_next_map(&cursor, &more) != 0 || x.inside != 0 ||
	    x.count != ID_RANGE || x.outside < ID_RANGE)
		return err_set(e, EPERM, "linux.namespaces: the container to join was not made by this runtime");
	*ret_base = (uint32_t)x.outside;
	return 0;
}

/* To whom does the namespace belong? A container of ours: remember its user namespace; the host: only some may. */
static int take_owner(enum oci_ns ns, int fd, const char *path, int host_userns, struct joined *j, struct err *e)
{
	_cleanup_close_ int owner = ioctl(fd, NS_GET_USERNS);

	if (owner < 0)
		return err_sys(e, errno, "linux.namespaces: owner of %s namespace %s", oci_ns_name(ns), path);
	if (same_ns(owner, host_userns)) {
		if (ns == OCI_NS_PID || ns == OCI_NS_IPC)
			return err_set(
				e, EPERM,
				"linux.namespaces: the %s namespace %s belongs to a container that is not isolated; "
				"start that one with this runtime, too",
				oci_ns_name(ns), path);
		j->netns_is_hosts |= ns == OCI_NS_NETWORK;
		return 0;
	}
	if (j->userns_fd >= 0 && !same_ns(owner, j->userns_fd))
		return err_set(
			e, EPERM,
			"linux.namespaces: the namespaces to join belong to different containers; join those of one "
			"container only");
	if (j->userns_fd < 0)
		j->userns_fd = TAKE_FD(owner);
	return 0;
}

static int join_one(const struct runtime *rt, enum oci_ns ns, const char *path, int host_userns, struct joined *j,
		    bool *ret_is_host, struct err *e)
{
	_cleanup_close_ int fd = open_one(ns, path, e), own = -EBADF;
	int r;

	if (fd < 0)
		return fd;
	own = ns_open(rt->proc_fd, getpid(), kinds[ns].file, e);
	if (own < 0)
		return own;
	*ret_is_host = same_ns(fd, own);
	if (*ret_is_host)
		return 0;
	if (ns == OCI_NS_MOUNT)
		return err_set(
			e, ENOTSUP,
			"linux.namespaces: joining a mount namespace (%s) is not supported: a container has a root "
			"file system of its own",
			path);
	if (ns == OCI_NS_USER) {
		if (j->userns_fd >= 0 && !same_ns(fd, j->userns_fd))
			return err_set(e, EPERM,
				       "linux.namespaces: user namespace %s is not that of the other namespaces",
				       path);
		if (j->userns_fd < 0)
			j->userns_fd = TAKE_FD(fd);
		return 0;
	}
	r = take_owner(ns, fd, path, host_userns, j, e);
	if (r == 0)
		j->ns_fd[ns] = TAKE_FD(fd);
	return r;
}

int joined_open(const struct runtime *rt, const struct oci_spec *spec, struct joined *ret, struct err *e)
{
	_cleanup_close_ int host_userns = ns_open(rt->proc_fd, getpid(), "user", e);
	bool host[OCI_NS_COUNT] = { false }, any_host = false;
	struct joined j = JOINED_EMPTY;
	int r = host_userns < 0 ? host_userns : 0;

	for (int ns = 0; r == 0 && ns < OCI_NS_COUNT; ns++) {
		const char *path = spec->linux_.ns[ns].path;

		if (!spec->linux_.ns[ns].present || !path || !*path)
			continue;
		r = join_one(rt, (enum oci_ns)ns, path, host_userns, &j, &host[ns], e);
		/* The host's user, cgroup and time namespace: ignored, a new one is made (E9, E30). */
		if (ns != OCI_NS_USER && ns != OCI_NS_CGROUP && ns != OCI_NS_TIME)
			any_host |= host[ns];
	}
	if (r == 0 && any_host) {
		host[OCI_NS_USER] = host[OCI_NS_CGROUP] = host[OCI_NS_TIME] = false;
		r = policy_namespaces_host(host, e);
	}
	if (r == 0 && j.userns_fd >= 0)
		r = range_of(rt, j.userns_fd, &j.base, e);
	if (r < 0) {
		joined_done(&j);
		return r;
	}
	*ret = j;
	return 0;
}

static int enter_all(const struct joined *j)
{
	/* One that is the host's can only be entered with the host's rights, so before the user namespace changes. */
	if (j->netns_is_hosts && setns(j->ns_fd[OCI_NS_NETWORK], CLONE_NEWNET) < 0)
		return -errno;
	if (j->userns_fd >= 0 && setns(j->userns_fd, CLONE_NEWUSER) < 0)
		return -errno;
	for (int ns = 0; ns < OCI_NS_COUNT; ns++)
		if (j->ns_fd[ns] >= 0 && !(ns == OCI_NS_NETWORK && j->netns_is_hosts) &&
		    setns(j->ns_fd[ns], kinds[ns].type) < 0)
			return -errno;
	return 0;
}

pid_t joined_clone(const struct joined *j, struct clone_args *args, struct err *e)
{
	struct clone_args plain = { .exit_signal = SIGCHLD };
	bool any = j->userns_fd >= 0;
	int fds[2], answer = -EPIPE;
	pid_t helper, pid;

	for (int ns = 0; ns < OCI_NS_COUNT; ns++)
		any |= j->ns_fd[ns] >= 0;
	if (!any) {
		pid = sys_clone3(args);
		return pid < 0 ? err_sys(e, errno, "clone container init") : pid;
	}
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, errno, "clone container init");
	helper = sys_clone3(&plain);
	if (helper == 0) {
		arguments_hide();
		answer = enter_all(j);
		if (answer == 0) {
			args->flags |= CLONE_PARENT;
			args->exit_signal = 0;
			answer = sys_clone3(args);
			if (answer == 0)
				return 0; /* container init, a child of our caller */
			if (answer < 0)
				answer = -errno;
		}
		(void)!write(fds[1], &answer, sizeof answer);
		_exit(0);
	}
	(void)fd_close(fds[1]);
	if (helper > 0) {
		if (read(fds[0], &answer, sizeof answer) != (ssize_t)sizeof answer)
			answer = -EPIPE;
		while (waitpid(helper, NULL, 0) < 0 && errno == EINTR)
			;
	} else {
		answer = -errno;
	}
	(void)fd_close(fds[0]);
	return answer < 0 ? err_sys(e, -answer, "join namespaces and clone container init") : answer;
}

void joined_done(struct joined *j)
{
	for (int ns = 0; ns < OCI_NS_COUNT; ns++)
		j->ns_fd[ns] = fd_close(j->ns_fd[ns]);
	j->userns_fd = fd_close(j->userns_fd);
}
