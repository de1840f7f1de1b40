/* SPDX-License-Identifier: Apache-2.0 */
/* Another process in a running container. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/num.h"
#include "codec/idtext.h"
#include "confine/confine.h"
#include "runtime/init.h"
#include "runtime/lifecycle.h"
#include "runtime/procfs.h"
#include "runtime/start.h"
#include "runtime/supervisor.h"
#include "sys/arguments.h"
#include "sys/missing.h"
#include "sys/settings-file.h"
#include "sys/userns.h"

struct exec {
	const struct runtime *rt;
	const struct exec_options *o;
	struct container c;
	struct oci_spec spec;
	struct oci_process own;	    /* --process */
	struct oci_process process; /* what runs: shallow, points into the two above and into the options */
	struct seccomp_program seccomp, traps;
	struct pidref task;
	struct cgroup *cg;
	struct cgroup_entry entry;
	bool has_entry;
	const char **env, **args;
	uint32_t *gids;
	int sync, sync_task, console_fd, proc_fd;
};

static int parse_user(const char *text, struct oci_user *u, struct err *e)
{
	_cleanup_free_ char *copy = strdup(text);
	char *gid = copy ? strchr(copy, ':') : NULL;

	if (gid)
		*gid++ = '\0';
	if (!copy || num_u32(copy, &u->uid) < 0 || (gid && num_u32(gid, &u->gid) < 0))
		return err_set(e, EINVAL, "--user: \"%s\" is not UID or UID:GID in numbers", text);
	return 0;
}

static size_t count(const char *const *v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

static int add_caps(struct oci_caps *caps, const char *const *names, struct err *e)
{
	for (; names && *names; names++) {
		int cap = oci_cap_from_name(*names);

		if (cap < 0)
			return err_set(e, EINVAL, "--cap: unknown capability \"%s\"", *names);
		caps->present = true;
		caps->bounding |= UINT64_C(1) << cap;
		caps->effective |= UINT64_C(1) << cap;
		caps->permitted |= UINT64_C(1) << cap;
	}
	return 0;
}

/* The container's own process with what the command line changes, as runc does. */
static int from_options(struct exec *x, struct err *e)
{
	const struct exec_options *o = x->o;
	struct oci_process *p = &x->process;
	size_t n_env, n_more = count(o->env), n_gids = count(o->gids), n_args = count(o->args);
	int r = 0;

	*p = x->spec.process;
	n_env = p->env.n;
	p->terminal = o->tty;
	p->console_height = p->console_width = 0;
	x->args = calloc(n_args + 1, sizeof *x->args);
	x->env = calloc(n_env + n_more + 1, sizeof *x->env);
	x->gids = calloc(p->user.n_additional_gids + n_gids + 1, sizeof *x->gids);
	if (!x->args || !x->env || !x->gids)
		return err_sys(e, ENOMEM, "exec");
	for (size_t i = 0; i < n_args; i++)
		x->args[i] = o->args[i];
	p->args = (struct oci_strv){ x->args, n_args };
	for (size_t i = 0; i < n_env + n_more; i++)
		x->env[i] = i < n_env ? p->env.v[i] : o->env[i - n_env];
	p->env = (struct oci_strv){ x->env, n_env + n_more };
	for (size_t i = 0; i < p->user.n_additional_gids; i++)
		x->gids[i] = p->user.additional_gids[i];
	for (size_t i = 0; i < n_gids; i++)
		if (num_u32(o->gids[i], &x->gids[p->user.n_additional_gids + i]) < 0)
			return err_set(e, EINVAL, "--additional-gids: \"%s\" is not a number", o->gids[i]);
	p->user.additional_gids = x->gids;
	p->user.n_additional_gids += n_gids;
	if (o->cwd)
		p->cwd = o->cwd;
	if (o->apparmor)
		p->apparmor_profile = o->apparmor;
	if (o->label)
		p->selinux_label = o->label;
	if (o->user)
		r = parse_user(o->user, &p->user, e);
	if (r == 0)
		r = add_caps(&p->caps, o->caps, e);
	p->no_new_privileges |= o->no_new_privs;
	return r;
}

static int from_file(struct exec *x, struct err *e)
{
	_cleanup_close_ int fd = open(x->o->process, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r;

	r = fd < 0 ? -errno : io_read_fd(fd, OCI_CONFIG_MAX, &text, &len);
	if (r < 0)
		return err_sys(e, -r, "--process: read %s", x->o->process);
	r = oci_process_parse(text, len, &x->own, e);
	if (r < 0)
		return r;
	x->process = x->own;
	/* What it leaves open is the container's, as with runc. */
	if (!x->own.caps.present)
		x->process.caps = x->spec.process.caps;
	if (!x->own.apparmor_profile)
		x->process.apparmor_profile = x->spec.process.apparmor_profile;
	if (!x->own.selinux_label)
		x->process.selinux_label = x->spec.process.selinux_label;
	if (!x->own.has_oom_score_adj) {
		x->process.has_oom_score_adj = x->spec.process.has_oom_score_adj;
		x->process.oom_score_adj = x->spec.process.oom_score_adj;
	}
	return 0;
}

static int check(const struct exec *x, struct err *e)
{
	const struct oci_process *p = &x->process;

	if (p->args.n == 0)
		return err_set(e, EINVAL, "exec: a command is needed");
	if (p->cwd[0] != '/')
		return err_set(e, EINVAL, "exec: working directory \"%s\" must be absolute", p->cwd);
	if (p->user.uid >= ID_RANGE || p->user.gid >= ID_RANGE)
		return err_set(e, EINVAL, "exec: user %u:%u is outside of the 65536 ids that a container has",
			       p->user.uid, p->user.gid);
	for (size_t i = 0; i < p->user.n_additional_gids; i++)
		if (p->user.additional_gids[i] >= ID_RANGE)
			return err_set(e, EINVAL,
				       "exec: group %u is outside of the 65536 ids that a container has",
				       p->user.additional_gids[i]);
	if (p->terminal && x->o->detach && !x->o->console_socket)
		return err_set(e, EINVAL,
			       "cannot allocate tty if runc will detach without setting console socket: give "
			       "--console-socket");
	if (!p->terminal && x->o->console_socket)
		return err_set(e, EINVAL, "cannot use console socket if runc will not detach or allocate tty");
	return confine_lsm_check(p->apparmor_profile, p->selinux_label, e);
}

/* The container may have had no use for a supervisor so far (docker exec --privileged): then it gets one now. */
static int load_traps(struct exec *x, struct err *e)
{
	struct supervisor s = SUPERVISOR_EMPTY;
	struct settings st = { 0 };
	int r = settings_load(x->rt->settings_path, &st, e);

	if (r < 0)
		return r;
	/* One at a time; what a monitor that was killed has left goes first. */
	if (flock(x->c.dir_fd, LOCK_EX) < 0)
		r = err_sys(e, errno, "lock %s", x->c.dir);
	if (r == 0 && !monitor_is_there(x->c.dir_fd)) {
		(void)unlinkat(x->c.dir_fd, "monitor", 0);
		r = supervisor_start(&s, x->rt, x->c.id, x->c.base, &x->spec, &st, x->cg, e);
		if (r == 0)
			r = monitor_carriers(&s.monitor, e);
		if (r == 0)
			r = monitor_commit(&s.monitor, x->c.init.fd, x->c.dir_fd, e);
		supervisor_done(&s);
	}
	(void)flock(x->c.dir_fd, LOCK_UN);
	if (r == 0)
		r = supervisor_filter(&st, &x->traps, e);
	settings_done(&st);
	return r;
}

static int prepare(struct exec *x, struct err *e)
{
	enum container_status status;
	_cleanup_close_ int cache = -EBADF, pidns = -EBADF;
	int r = container_load(x->rt, x->o->id, false, &x->c, e);

	if (r < 0)
		return r;
	status = container_status(&x->c);
	if (status == CONTAINER_STOPPED || status == CONTAINER_CREATING)
		return err_set(e, EINVAL, "cannot exec in a stopped container");
	if (status == CONTAINER_PAUSED && !x->o->ignore_paused)
		return err_set(e, EINVAL, "cannot exec in a paused container (use --ignore-paused to override)");
	r = container_spec(&x->c, &x->spec, e);
	if (r == 0)
		r = x->o->process ? from_file(x, e) : from_options(x, e);
	if (r == 0)
		r = check(x, e);
	if (r == 0 && x->spec.linux_.seccomp.present) {
		cache = open(SECCOMP_CACHE_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = seccomp_compile(&x->spec.linux_.seccomp, cache, &x->seccomp, e);
	}
	if (r == 0 && (x->process.apparmor_profile || x->process.selinux_label)) {
		/* Labels are written into a procfs of our own: the container's may be anything (A11). */
		pidns = ns_open(x->rt->proc_fd, x->c.init.pid, "pid", e);
		x->proc_fd = r = pidns < 0 ? pidns : procfs_make(pidns, NULL, e);
	}
	if (r >= 0)
		container_refresh_root(x->rt, &x->c);
	return r < 0 ? r : 0;
}

/* ---- the new process ---- */

static void __attribute__((noreturn)) task_main(struct exec *x)
{
	struct run_args run = {
		.process = &x->process,
		.linux_ = &x->spec.linux_,
		.seccomp = &x->seccomp,
		.traps = &x->traps,
		.proc_fd = x->proc_fd,
		.notify_fd = x->sync_task,
		.preserve_fds = x->o->preserve_fds,
	};
	const int keep[] = { x->sync_task, x->proc_fd };
	int r = 0, root_fd = -EBADF, slave = -EBADF;
	struct err e = { 0 };
	char *path = NULL, c;

	(void)setsid();
	r = cgroup_entry_self(&x->entry, &e);
	if (read(x->sync_task, &c, 1) != 1)
		_exit(1);
	/* In all of the container's namespaces; still the host's root by number, which the container does not know. */
	if (r == 0 && (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, 0, 0, 0) < 0 ||
		       syscall(SYS_setresuid, 0, 0, 0) < 0))
		r = err_sys(&e, errno, "become container root");
	(void)prctl(PR_SET_DUMPABLE,
		    0); /* what a change of ids sets it to is the host's choice (fs.suid_dumpable) */
	/* Keys of whoever runs the engine are none of the container's (A63). */
	if (r == 0)
		r = confine_new_keyring(x->c.id, &e);
	if (r == 0 && x->process.terminal) {
		root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		r = console_open_in(root_fd, &x->process, x->console_fd, &slave, &e);
		if (r == 0)
			r = console_take(slave, &e);
	}
	(void)umask(0022);
	run_close_others(x->o->preserve_fds, keep, ARRAY_SIZE(keep));
	if (r == 0)
		r = run_prepare(&run, &path, &e);
	if (r == 0)
		(void)run_exec(&run, path, &e);
	(void)send(x->sync_task, &e, sizeof e, MSG_NOSIGNAL);
	_exit(255);
}

#define ALL_NAMESPACES                                                                             \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | \
	 CLONE_NEWCGROUP | CLONE_NEWTIME)

/*
 * A helper enters all namespaces at once and clones the process as our child; it is itself never in the container's
 * pid namespace, and the new process is not dumpable until it executes: nothing in the container can look at either (A21).
 */
static int clone_task(struct exec *x, struct err *e)
{
	struct clone_args plain = { .exit_signal = SIGCHLD }, args = { .flags = CLONE_PARENT };
	pid_t helper, pid = -EPIPE;
	int fds[2], r;

	/* From outside of the container's cgroup namespace: with nsdelegate that is a border for moves. Inherited then. */
	if (x->entry.into_fd >= 0) {
		plain.flags |= CLONE_INTO_CGROUP;
		plain.cgroup = (unsigned)x->entry.into_fd;
	}
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, errno, "exec");
	helper = sys_clone3(&plain);
	if (helper == 0) {
		arguments_hide();
		pid = setns(x->c.init.fd, ALL_NAMESPACES) < 0 ? -errno : sys_clone3(&args);
		if (pid == 0) {
			(void)fd_close(x->sync);
			task_main(x);
		}
		if (pid == -1)
			pid = -errno;
		(void)!write(fds[1], &pid, sizeof pid);
		_exit(0);
	}
	(void)fd_close(fds[1]);
	if (helper < 0)
		pid = -errno;
	else if (read(fds[0], &pid, sizeof pid) != (ssize_t)sizeof pid)
		pid = -EPIPE;
	(void)fd_close(fds[0]);
	while (helper > 0 && waitpid(helper, NULL, 0) < 0 && errno == EINTR)
		;
	x->sync_task = fd_close(x->sync_task);
	if (pid < 0)
		return err_sys(e, -pid, "enter the container's namespaces");
	r = pidref_open(x->rt->proc_fd, pid, 0, &x->task);
	return r < 0 ? err_sys(e, -r, "exec: process %d died early", (int)pid) : 0;
}

static int place_task(struct exec *x, struct err *e)
{
	const struct oci_process *p = &x->process;
	int r = 0;

	if (p->has_oom_score_adj)
		r = confine_oom_score_adj(x->rt->proc_fd, x->task.pid, p->oom_score_adj, e);
	if (r == 0)
		r = confine_rlimits(x->task.pid, p->rlimits, p->n_rlimits, e);
	if (r == 0)
		r = confine_scheduling(x->task.pid, p, e);
	if (r == 0 && p->has_exec_cpu_affinity && p->cpu_affinity_final)
		r = confine_cpu_affinity(x->task.pid, p->cpu_affinity_final, e);
	stdio_give(x->c.base + p->user.uid, x->c.base + p->user.gid);
	return r;
}

static int write_pid_file(const char *file, pid_t pid, struct err *e)
{
	const char *slash = strrchr(file, '/');
	_cleanup_free_ char *dir = slash ? strndup(file, (size_t)(slash - file) + 1) : strdup(".");
	_cleanup_close_ int fd = dir ? open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	char text[16];
	int r;

	(void)snprintf(text, sizeof text, "%d", (int)pid);
	r = fd < 0 ? -errno : io_replace_at(fd, slash ? slash + 1 : file, text, strlen(text), 0644);
	return r < 0 ? err_sys(e, -r, "write pid file %s", file) : 0;
}

static int start_task(struct exec *x, struct err *e)
{
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return err_sys(e, errno, "exec");
	x->sync = fds[0];
	x->sync_task = fds[1];
	r = container_cgroup(&x->c, &x->cg, e);
	if (r == 0 && supervisor_wants(&x->process, &x->spec.linux_.seccomp))
		r = load_traps(x, e);
	if (r == 0)
		r = cgroup_entry_open_join(x->cg, x->c.init.pid, x->o->cgroup, &x->entry, e);
	if (r < 0)
		return r;
	x->has_entry = true;
	r = clone_task(x, e);
	if (r == 0)
		r = place_task(x, e);
	if (r == 0 && send(x->sync, "g", 1, MSG_NOSIGNAL) != 1)
		r = err_set(e, EPIPE, "exec: process died early");
	if (r == 0)
		r = start_answers(x->sync, &x->c, &x->task, e);
	if (r == 0 && x->o->pid_file)
		r = write_pid_file(x->o->pid_file, x->task.pid, e);
	if (r < 0 && x->task.fd >= 0) {
		(void)pidref_signal(&x->task, SIGKILL);
		(void)waitpid(x->task.pid, NULL, 0);
	}
	return r;
}

static int run_task(struct exec *x, int *ret_status, struct err *e)
{
	_cleanup_close_ int ours = -EBADF, master = -EBADF;
	int pair[2], r;

	if (x->o->console_socket) {
		x->console_fd = connect_unix(x->o->console_socket, e);
		if (x->console_fd < 0)
			return err_ctx(e, x->console_fd, "--console-socket");
	} else if (x->process.terminal) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			return err_sys(e, errno, "exec");
		ours = pair[0];
		x->console_fd = pair[1];
	}
	r = start_task(x, e);
	if (r < 0)
		return r;
	*ret_status = 0;
	if (x->o->detach)
		return 0;
	if (ours >= 0) {
		master = console_receive(ours, e);
		if (master < 0)
			return master;
	}
	r = supervise(x->task.pid, master, e);
	if (r >= 0)
		*ret_status = r;
	return r < 0 ? r : 0;
}

int exec_container(const struct runtime *rt, const struct exec_options *o, int *ret_status, struct err *e)
{
	struct exec x = {
		.rt = rt,
		.o = o,
		.c = CONTAINER_EMPTY,
		.task = { .fd = -EBADF },
		.sync = -EBADF,
		.sync_task = -EBADF,
		.console_fd = -EBADF,
		.proc_fd = -EBADF,
	};
	int r = prepare(&x, e);

	if (r == 0)
		r = run_task(&x, ret_status, e);
	(void)fd_close(x.sync);
	(void)fd_close(x.sync_task);
	(void)fd_close(x.console_fd);
	(void)fd_close(x.proc_fd);
	if (x.has_entry)
		cgroup_entry_done(&x.entry);
	if (x.cg)
		cgroup_free(x.cg);
	pidref_done(&x.task);
	seccomp_program_done(&x.seccomp);
	seccomp_program_done(&x.traps);
	oci_process_done(&x.own);
	oci_spec_done(&x.spec);
	container_done(&x.c);
	free(x.env);
	free(x.args);
	free(x.gids);
	return r;
}
