/* SPDX-License-Identifier: Apache-2.0 */
#include "notify/caller.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "notify/kernel.h"
#include "sys/missing.h"

#define PAGE	     4096u
#define STATUS_MAX   (1024u * 1024) /* 65536 groups of ten digits fit */
#define HELPER_STACK (128u * 1024)

static const struct seccomp_notif *notif(const struct notify_worker *w)
{
	return (const struct seccomp_notif *)(const void *)w->shared->slot.notif;
}

bool notify_still_waiting(const struct notify_worker *w)
{
	__u64 id = notif(w)->id;

	return ioctl(w->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

/* ---- memory --------------------------------------------------------------------------------------------------- */

ssize_t notify_read_some(pid_t tid, uint64_t address, void *ret, size_t size)
{
	size_t first = PAGE - (size_t)(address % PAGE);
	/* One piece for each page: what can be read before one that cannot is delivered in whole pieces. */
	struct iovec local = { .iov_base = ret, .iov_len = size }, remote[3];
	unsigned n = 0;
	ssize_t got;

	for (size_t at = 0; at < size && n < ARRAY_SIZE(remote); n++) {
		size_t len = n == 0 && first < size ? first : size - at < PAGE ? size - at : PAGE;

		remote[n].iov_base = (void *)(uintptr_t)(address + at); /* NOLINT: an address of another process */
		remote[n].iov_len = len;
		at += len;
	}
	got = process_vm_readv(tid, &local, 1, remote, n, 0);
	return got <= 0 ? -EFAULT : got;
}

int notify_read_string(pid_t tid, uint64_t address, char *ret, size_t size)
{
	ssize_t n = address ? notify_read_some(tid, address, ret, size) : -EFAULT;
	const char *end;

	if (n < 0)
		return -EFAULT;
	end = memchr(ret, '\0', (size_t)n);
	if (end)
		return (int)(end - ret);
	return (size_t)n == size ? -ENAMETOOLONG : -EFAULT;
}

/* ---- looking -------------------------------------------------------------------------------------------------- */

int notify_caller_open(const struct notify_worker *w, struct notify_caller *c)
{
	char name[16];

	c->tid = (pid_t)notif(w)->pid;
	/* 0: a process that our pid namespace does not show; there is none such as long as we are in the host's. */
	if (c->tid <= 0)
		return -ESRCH;
	(void)snprintf(name, sizeof name, "%d", c->tid);
	c->task = openat(w->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c->task < 0 || !notify_still_waiting(w))
		return -ESRCH;
	return 0;
}

static int open_once(const struct notify_caller *c, const char *name, int flags, int *fd)
{
	if (*fd < 0)
		*fd = openat(c->task, name, flags | O_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

/*
 * What an LSM says about it; those without labels answer EINVAL. "unconfined" is AppArmor's and SELinux's users'
 * word.
 */
static bool is_confined(const struct notify_worker *w, const struct notify_caller *c)
{
	_cleanup_free_ char *label = NULL;

	if (!w->labels)
		return false;
	if (io_read_at(c->task, "attr/current", 4096, &label, NULL) < 0)
		return true;
	return strstr(label, "unconfined") != label && !strstr(label, ":unconfined_t");
}

/* Whether @fd is our own user namespace, and whether it is one that was made directly below ours. */
static int relate(const struct notify_worker *w, int fd, bool *ret_child)
{
	_cleanup_close_ int parent = -EBADF;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev == w->userns_dev && st.st_ino == w->userns_ino)
		return -ENOTSUP;
	parent = ioctl(fd, NS_GET_PARENT);
	if (parent < 0 || fstat(parent, &st) < 0)
		return -ENOTSUP;
	*ret_child = st.st_dev == w->userns_dev && st.st_ino == w->userns_ino;
	return 0;
}

/* Of the mount namespace. One of ours belongs to nobody inside. */
static int relate_owner(const struct notify_worker *w, struct notify_caller *c)
{
	_cleanup_close_ int owner = ioctl(c->mnt, NS_GET_USERNS);
	int r = owner < 0 ? -errno : relate(w, owner, &c->mnt_of_container);

	return r == -ENOTSUP ? 0 : r;
}

static int read_status(struct notify_caller *c)
{
	const char *groups;
	uint32_t id;
	size_t n = 0;
	int r = io_read_at(c->task, "status", STATUS_MAX, &c->status_text, NULL);

	if (r < 0 || notify_status_parse(c->status_text, &c->status) < 0)
		return -ESRCH;
	for (groups = c->status.groups; notify_group_next(&groups, &id);)
		n++;
	c->groups = calloc(n + 1, sizeof *c->groups);
	if (!c->groups)
		return -ENOMEM;
	for (groups = c->status.groups; c->n_groups < n && notify_group_next(&groups, &id);)
		c->groups[c->n_groups++] = id;
	return 0;
}

int notify_caller_identify(const struct notify_worker *w, struct notify_caller *c)
{
	int r = open_once(c, "root", O_PATH, &c->root);

	if (r == 0)
		r = open_once(c, "cwd", O_PATH, &c->cwd);
	if (r == 0)
		r = open_once(c, "ns/user", O_RDONLY, &c->user);
	if (r == 0)
		r = open_once(c, "ns/mnt", O_RDONLY, &c->mnt);
	if (r == 0)
		r = relate(w, c->user, &c->of_container);
	if (r == -ENOTSUP)
		return r;
	if (r == 0)
		r = relate_owner(w, c);
	if (r == 0 && !c->status_text)
		r = read_status(c);
	if (r == 0 && is_confined(w, c))
		return -ENOTSUP;
	if (r < 0)
		return r == -ENOMEM ? r : -ESRCH;
	return notify_still_waiting(w) ? 0 : -ESRCH;
}

int notify_caller_more(const struct notify_worker *w, struct notify_caller *c, const char *name)
{
	int r = open_once(c, name, O_RDONLY, &c->more);

	return r < 0 ? r : notify_still_waiting(w) ? 0 : -ESRCH;
}

void notify_caller_close(struct notify_caller *c)
{
	(void)fd_close(c->task);
	(void)fd_close(c->root);
	(void)fd_close(c->cwd);
	(void)fd_close(c->user);
	(void)fd_close(c->mnt);
	(void)fd_close(c->more);
	free(c->status_text);
	free(c->groups);
	*c = NOTIFY_CALLER_EMPTY;
}

/* ---- paths ---------------------------------------------------------------------------------------------------- */

/* What the caller's descriptor @fd leads to. */
static int open_descriptor(const struct notify_caller *c, int fd)
{
	char name[24];
	int r;

	(void)snprintf(name, sizeof name, "fd/%d", fd);
	r = openat(c->task, name, O_PATH | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

/* "self" is the process, whose descriptors are those of its first thread; the caller may have a table of its own (A88). */
static int open_of_process(const struct notify_worker *w, const struct notify_caller *c, int fd)
{
	_cleanup_free_ char *text = NULL;
	struct notify_status status;
	char name[48];
	int r = io_read_at(c->task, "status", STATUS_MAX, &text, NULL);

	if (r < 0 || notify_status_parse(text, &status) < 0)
		return -ENOENT;
	if (status.tgid == c->tid)
		return open_descriptor(c, fd);
	(void)snprintf(name, sizeof name, "%d/fd/%d", (int)status.tgid, fd);
	r = openat(w->proc, name, O_PATH | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

/* For "/proc/self/..." to mean the caller's own, there must be a procfs where it looks for one. */
static bool has_procfs(struct notify_caller *c)
{
	const struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				      .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	_cleanup_close_ int fd = -EBADF;
	struct statfs fs;

	if (open_once(c, "root", O_PATH, &c->root) < 0)
		return false;
	fd = sys_openat2(c->root, "/proc", &how);
	return fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

int notify_place(const struct notify_worker *w, struct notify_caller *c, int dirfd, const char *path, int *ret_at,
		 const char **ret_rest)
{
	int fd, at = AT_FDCWD;

	if (notify_own_fd(path, &fd, ret_rest)) {
		if (!has_procfs(c))
			return -ENOENT;
		at = strncmp(path, "/proc/self/", strlen("/proc/self/")) == 0 ? open_of_process(w, c, fd)
									      : open_descriptor(c, fd);
		if (!*ret_rest)
			*ret_rest = "";
	} else {
		*ret_rest = path;
		if (*path != '/' && dirfd != AT_FDCWD) {
			at = open_descriptor(c, dirfd);
			if (at == -ENOENT)
				at = -EBADF;
		}
	}
	if (at < 0 && at != AT_FDCWD)
		return at;
	if (at >= 0 && !notify_still_waiting(w)) {
		(void)fd_close(at);
		return -ESRCH;
	}
	*ret_at = at;
	return 0;
}

/* Resolve what depends on root and working directory by having them for a moment. */
static int open_from(const struct notify_worker *w, struct notify_caller *c, int at, const char *path, int flags)
{
	const struct open_how how = { .flags = (unsigned)(O_PATH | O_CLOEXEC | flags),
				      .resolve = RESOLVE_NO_MAGICLINKS };
	int fd, r = at == AT_FDCWD ? open_once(c, "cwd", O_PATH, &c->cwd) : 0;

	if (r < 0)
		return r;
	if (fchdir(c->root) < 0 || chroot(".") < 0)
		return -errno;
	fd = sys_openat2(at == AT_FDCWD ? c->cwd : at, path, &how);
	fd = fd < 0 ? -errno : fd;
	/* Without our own root we would be lost: better to begin again. */
	if (fchdir(w->stage) < 0 || chroot(".") < 0)
		_exit(71);
	return fd;
}

static int peek(const struct notify_worker *w, struct notify_caller *c, int dirfd, const char *path, int flags)
{
	const struct open_how how = { .flags = (unsigned)(O_PATH | O_CLOEXEC | flags),
				      .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	_cleanup_close_ int start = -EBADF;
	const char *rest;
	int at, r = open_once(c, "root", O_PATH, &c->root);

	if (r < 0)
		return r;
	if (*path == '/' && strncmp(path, "/proc/", 6) != 0) {
		r = sys_openat2(c->root, path, &how);
		return r < 0 ? -errno : r;
	}
	r = notify_place(w, c, dirfd, path, &at, &rest);
	if (r < 0)
		return r;
	if (at >= 0)
		start = at;
	if (*rest == '\0' && start >= 0)
		return TAKE_FD(start);
	return open_from(w, c, at, rest, flags);
}

int notify_enter_net(const struct notify_worker *w, struct notify_caller *c)
{
	_cleanup_close_ int net = openat(c->task, "ns/net", O_RDONLY | O_CLOEXEC);

	if (net < 0 || !notify_still_waiting(w))
		return -ESRCH;
	return setns(net, CLONE_NEWNET) < 0 ? -errno : 0;
}

int notify_leave_net(const struct notify_worker *w)
{
	return setns(w->own_net, CLONE_NEWNET) < 0 ? -errno : 0;
}

int notify_peek(const struct notify_worker *w, struct notify_caller *c, int dirfd, const char *path, int flags)
{
	/* Below /proc/sys/net every network namespace has files of its own. */
	bool net = strstr(path, "/net") != NULL;
	int r = net ? notify_enter_net(w, c) : 0;

	if (r < 0)
		return r;
	r = peek(w, c, dirfd, path, flags);
	if (net && notify_leave_net(w) < 0 && r >= 0) {
		(void)fd_close(r);
		return -EPERM;
	}
	return r;
}

/* ---- acting --------------------------------------------------------------------------------------------------- */

struct act {
	const struct notify_worker *w;
	const struct notify_caller *c;
	unsigned where;
	int (*fn)(void *arg);
	void *arg;
	int result;
};

int notify_become_caller(const struct notify_caller *c)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const uint64_t caps = c->status.caps;
	const struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)caps, .permitted = (uint32_t)caps },
		{ .effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32) },
	};

	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/*
 * Not the C library's functions: they are about all threads, and believe us to be our parent. That ids change
 * without capabilities is set up once, by notify_worker_open(); entering the user namespace gives all of them
 * there, and none elsewhere.
 */
static int become_user(const struct notify_caller *c)
{
	const uint32_t *u = c->status.uid, *g = c->status.gid;

	if (syscall(SYS_setgroups, c->n_groups, c->groups) < 0 || syscall(SYS_setresgid, g[0], g[1], g[2]) < 0 ||
	    syscall(SYS_setresuid, u[0], u[1], u[2]) < 0)
		return -errno;
	(void)syscall(SYS_setfsgid, g[3]);
	(void)syscall(SYS_setfsuid, u[3]);
	return setns(c->user, CLONE_NEWUSER) < 0 ? -errno : 0;
}

static int enter(const struct act *a)
{
	const struct notify_caller *c = a->c;
	int r = 0;

	if ((a->where & NOTIFY_IN_MORE) && setns(c->more, 0) < 0)
		return -errno;
	if (a->where & NOTIFY_IN_MNT) {
		int root = a->where & NOTIFY_IN_PROCFS ? a->w->proc : c->root;

		if (setns(c->mnt, CLONE_NEWNS) < 0 || fchdir(root) < 0 || chroot(".") < 0 ||
		    (!(a->where & NOTIFY_IN_PROCFS) && fchdir(c->cwd) < 0))
			return -errno;
	}
	if ((a->where & NOTIFY_IN_WORK) && chdir(NOTIFY_WORK) < 0)
		return -errno;
	if (a->where & (NOTIFY_AS_CALLER | NOTIFY_AS_OWNER))
		r = become_user(c);
	if (r == 0 && (a->where & NOTIFY_AS_CALLER))
		r = notify_become_caller(c);
	return r;
}

static int start(int (*fn)(void *arg), void *arg, char *stack)
{
	/*
	 * Our memory and our table of descriptors, a file system state and credentials of its own; we sleep until
	 * it has ended.
	 */
	pid_t pid = clone(fn, stack, NOTIFY_HELPER_FLAGS, arg);
	int status = 0;

	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
		;
	/* Killed: nobody knows how far it came. Who comes after us finds out. */
	if (status != 0)
		_exit(70);
	return 0;
}

static int helper_child(void *arg)
{
	struct act *a = arg;

	a->result = a->fn(a->arg);
	_exit(0);
}

static int helper(void *arg)
{
	struct act *a = arg;
	int r = enter(a);

	if (r == 0 && (a->where & NOTIFY_IN_CHILD))
		r = start(helper_child, a, (char *)a->w->helper_stack + HELPER_STACK / 2);
	else if (r == 0)
		a->result = a->fn(a->arg);
	if (r < 0)
		a->result = r;
	_exit(0);
}

int notify_act(const struct notify_worker *w, const struct notify_caller *c, unsigned where, int (*fn)(void *arg),
	       void *arg)
{
	struct act a = { .w = w, .c = c, .where = where, .fn = fn, .arg = arg, .result = -EIO };
	int r = start(helper, &a, (char *)w->helper_stack + HELPER_STACK);

	return r < 0 ? r : a.result;
}
