/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/init.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/num.h"
#include "codec/idtext.h"
#include "policy/policy.h"
#include "runtime/hooks.h"
#include "runtime/start.h"
#include "sys/missing.h"
#include "sys/path.h"

int sync_send(int fd, enum sync_kind kind, const struct err *err)
{
	struct sync_msg m = { .kind = kind };

	if (err)
		m.err = *err;
	return send(fd, &m, sizeof m, MSG_NOSIGNAL) == (ssize_t)sizeof m ? 0 : -errno;
}

int sync_recv(int fd, struct sync_msg *ret)
{
	ssize_t n;

	do
		n = recv(fd, ret, sizeof *ret, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == (ssize_t)sizeof *ret ? 0 : -EPIPE;
}

static int await(int fd, enum sync_kind kind, struct err *e)
{
	struct sync_msg m;
	int r = sync_recv(fd, &m);

	if (r < 0)
		return err_sys(e, -r, "the runtime went away");
	return m.kind == kind ? 0 : err_set(e, EPROTO, "unexpected message from the runtime");
}

/*
 * Namespaces now: new user, pid, ipc, uts, net as asked for; mount namespace shared with the runtime; ids still the host's root
 * with capabilities over our own user namespace only. The offsets can be written only before somebody is in the
 * time namespace, and their file belongs to host root: this is the one moment when we may.
 */
static int enter_time_namespace(const struct init_args *a, struct err *e)
{
	const struct oci_linux *l = &a->spec->linux_;
	_cleanup_close_ int ns = -EBADF;
	struct timespec now;
	char text[160];
	int r;

	if (unshare(CLONE_NEWTIME) < 0)
		return err_sys(e, errno, "make a time namespace");
	if (clock_gettime(CLOCK_BOOTTIME, &now) < 0)
		return err_sys(e, errno, "read the boot time clock");
	/* Unless the spec says otherwise the container was booted now: /proc/uptime counts from its start (E94). */
	if (l->has_boottime_offset)
		r = snprintf(text, sizeof text, "boottime %lld %lld\n", (long long)l->boottime_secs,
			     (long long)l->boottime_nanosecs);
	else if (now.tv_nsec == 0)
		r = snprintf(text, sizeof text, "boottime -%lld 0\n", (long long)now.tv_sec);
	else /* nanoseconds count upwards from the (negative) seconds */
		r = snprintf(text, sizeof text, "boottime -%lld %ld\n", (long long)now.tv_sec + 1,
			     1000000000L - now.tv_nsec);
	if (l->has_monotonic_offset)
		(void)snprintf(text + r, sizeof text - (size_t)r, "monotonic %lld %lld\n",
			       (long long)l->monotonic_secs, (long long)l->monotonic_nanosecs);
	r = io_put_at(a->proc_fd, "self/timens_offsets", text);
	if (r < 0)
		return err_sys(e, -r, "write time namespace offsets");
	ns = openat(a->proc_fd, "self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWTIME) < 0)
		return err_sys(e, errno, "enter the time namespace");
	return 0;
}

static int become_container_root(struct err *e)
{
	if (syscall(SYS_setgroups, 0, NULL) < 0)
		return err_sys(e, errno, "drop groups");
	if (syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0)
		return err_sys(e, errno, "become container root");
	(void)prctl(PR_SET_DUMPABLE,
		    0); /* what a change of ids sets it to is the host's choice (fs.suid_dumpable) */
	return 0;
}

static int loopback_up(struct err *e)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK };

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &req) < 0)
		return err_sys(e, errno, "set the loopback device up");
	return 0;
}

static int set_names(const struct init_args *a, struct err *e)
{
	const char *host = a->spec->hostname, *domain = a->spec->domainname;

	if (host && sethostname(host, strlen(host)) < 0)
		return err_sys(e, errno, "set hostname %s", host);
	if (domain && setdomainname(domain, strlen(domain)) < 0)
		return err_sys(e, errno, "set domainname %s", domain);
	return 0;
}

/*
 * net.ipv4.ping_group_range holds group ids, and Docker's default names all that a host can have ("0 2147483647"): all
 * that a container can have are 65536. Only the upper end is cut; anything else is left to the kernel's judgement.
 */
static const char *clamp_groups(const char *value, char *text, size_t size)
{
	const char *p = value;
	uint64_t low, high;

	if (num_span(&p, UINT32_MAX, &low) < 0 || (*p != ' ' && *p != '\t'))
		return value;
	p += strspn(p, " \t");
	if (num_span(&p, UINT32_MAX, &high) < 0 || *p != '\0' || low >= ID_RANGE || high < ID_RANGE)
		return value;
	(void)snprintf(text, size, "%llu %u", (unsigned long long)low, ID_RANGE - 1);
	return text;
}

/* Policy has checked the names; the kernel judges by our rights in the container's namespaces. */
static int write_sysctls(const struct init_args *a, int proc_fd, struct err *e)
{
	const struct oci_linux *l = &a->spec->linux_;

	for (size_t i = 0; i < l->n_sysctl; i++) {
		char path[300] = "sys/";
		const char *value = l->sysctl[i].value;
		char range[32];
		int r = policy_sysctl_path(l->sysctl[i].key, path + 4, sizeof path - 4);

		if (r == 0 && strcmp(path, "sys/net/ipv4/ping_group_range") == 0)
			value = clamp_groups(value, range, sizeof range);
		/* The file belongs to the host's root; the call is judged in the uts namespace. */
		if (r == 0 && strcmp(path, "sys/kernel/domainname") == 0)
			r = setdomainname(value, strlen(value)) < 0 ? -errno : 0;
		else if (r == 0)
			r = io_put_at(proc_fd, path, value);
		if (r < 0)
			return err_sys(e, -r, "linux.sysctl: write \"%s\" to %s", l->sysctl[i].value,
				       l->sysctl[i].key);
	}
	return 0;
}

static int build(const struct init_args *a, struct assembled *t, struct err *e)
{
	int r;

	if (a->new_ns[OCI_NS_CGROUP] && unshare(CLONE_NEWCGROUP) < 0)
		return err_sys(e, errno, "make a cgroup namespace");
	r = assemble_enter(a, t, e);
	if (r == 0)
		r = become_container_root(e);
	/* As container root, so that exec finds it by its name (keyrings(7)). */
	if (r == 0 && a->new_keyring)
		r = confine_new_keyring(a->id, e);
	if (r == 0 && a->new_ns[OCI_NS_IPC] && unshare(CLONE_NEWIPC) < 0)
		r = err_sys(e, errno, "make an ipc namespace");
	if (r == 0)
		r = set_names(a, e);
	if (r == 0 && a->new_ns[OCI_NS_NETWORK])
		r = loopback_up(e);
	if (r == 0)
		r = assemble(a, t, e);
	if (r == 0)
		r = write_sysctls(a, t->proc_fd, e);
	if (r == 0 && a->spec->process.terminal)
		r = console_setup(&a->spec->process, t, a->console_fd, e);
	if (r == 0)
		r = hooks_run(&a->spec->create_container, "createContainer", a->state, e);
	return r;
}

/* The working directory is made by container root, as runc does; entering it is the user's business. */
static void make_cwd(const struct init_args *a, const struct assembled *t)
{
	int fd = path_make_in(t->root_fd, t->rw_fd, a->spec->process.cwd, true, NULL);

	(void)fd_close(fd);
}

static int set_up(const struct init_args *a, int *ret_proc, struct run_args *run, char **ret_path, struct err *e)
{
	struct assembled t = { -EBADF, -EBADF, -EBADF, -EBADF, -EBADF };
	int r = 0, keep[4];

	/* A process that moves itself does not wait for the kernel's thread-group lock (see cgroup.h). */
	if (a->entry)
		r = cgroup_entry_self(a->entry, e);
	if (r == 0 && a->new_ns[OCI_NS_TIME])
		r = enter_time_namespace(a, e);
	if (r == 0)
		r = await(a->sync, SYNC_GO, e);
	if (r == 0)
		r = build(a, &t, e);
	if (r < 0)
		return r;
	make_cwd(a, &t);
	r = assemble_pivot(a, &t, e);
	if (r < 0)
		return r;
	keep[0] = a->sync;
	keep[1] = a->start_fd;
	keep[2] = run->proc_fd = t.proc_fd;
	run_close_others(a->preserve_fds, keep, 3);
	(void)umask(0022);
	*ret_proc = t.proc_fd;
	return run_prepare(run, ret_path, e);
}

static void __attribute__((noreturn)) fail(int fd, const struct err *e, int status)
{
	(void)sync_send(fd, SYNC_ERROR, e);
	_exit(status);
}

static void end_of_wait(int sig)
{
	_exit(128 + sig);
}

/* A created container that is told to end, ends, as runc's does: but pid 1 sees only signals that it has a handler for. */
static void end_on_signals(void (*handler)(int))
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)signal(signals[i], handler);
}

void container_init(const struct init_args *a)
{
	struct run_args run = {
		.process = &a->spec->process,
		.linux_ = &a->spec->linux_,
		.seccomp = a->seccomp,
		.traps = a->traps,
		.notify_fd = -EBADF,
		.preserve_fds = a->preserve_fds,
	};
	struct err e = { 0 };
	char *path = NULL, listen_fds[32];
	size_t n_env = 0;
	int conn, proc_fd = -EBADF;

	(void)setsid();
	if (set_up(a, &proc_fd, &run, &path, &e) < 0)
		fail(a->sync, &e, 1);
	if (sync_send(a->sync, SYNC_READY, NULL) < 0 || await(a->sync, SYNC_RELEASE, &e) < 0)
		_exit(1);
	(void)close(a->sync);
	end_on_signals(end_of_wait);
	conn = start_wait(a->start_fd);
	if (conn < 0)
		_exit(1);
	end_on_signals(SIG_DFL);
	(void)close(a->start_fd);
	run.notify_fd = conn;
	if (a->preserve_fds && getenv("LISTEN_FDS")) {
		(void)snprintf(listen_fds, sizeof listen_fds, "LISTEN_FDS=%s", getenv("LISTEN_FDS"));
		run.extra_env[n_env++] = listen_fds;
		run.extra_env[n_env++] = "LISTEN_PID=1";
	}
	if (a->notify)
		run.extra_env[n_env++] = "NOTIFY_SOCKET=/run/notify/notify.sock";
	if (hooks_run(&a->spec->start_container, "startContainer", a->created_state, &e) == 0)
		(void)run_exec(&run, path, &e);
	(void)send(conn, &e, sizeof e, MSG_NOSIGNAL);
	_exit(e.code == ENOENT ? 127 : 126);
}
