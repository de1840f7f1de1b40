/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "sys/missing.h"

#define OUTPUT_MAX 600 /* of a failed hook, in the message */

/* argv or envp of a hook; spec: args[0] and the environment are as given, nothing is inherited. */
static char **dup_vector(const struct oci_strv *v, const char *first)
{
	char **out = calloc(v->n + 2, sizeof *out);
	size_t n = 0;

	if (!out)
		return NULL;
	if (v->n == 0 && first)
		out[n++] = strdup(first);
	for (size_t i = 0; i < v->n; i++)
		out[n++] = strdup(v->v[i]);
	return out;
}

static void __attribute__((noreturn)) exec_hook(const struct oci_hook *h, int in, int out)
{
	static const struct oci_strv none;
	char **argv = dup_vector(&h->args, h->path), **envp = dup_vector(h->env.n ? &h->env : &none, NULL);
	sigset_t mask;

	(void)sigemptyset(&mask);
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	if (argv && envp && dup2(in, 0) >= 0 && dup2(out, 1) >= 0 && dup2(out, 2) >= 0) {
		(void)umask(0022);
		(void)execve(h->path, argv, envp);
	}
	dprintf(out, "%s", strerrordesc_np(errno));
	_exit(127);
}

/* The end of what the hook printed, with line breaks as blanks. */
static void read_output(int out, char *text, size_t size)
{
	off_t end = lseek(out, 0, SEEK_END);
	off_t from = end > (off_t)size - 1 ? end - (off_t)size + 1 : 0;
	ssize_t n = pread(out, text, size - 1, from);

	text[n < 0 ? 0 : n] = '\0';
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
}

/* Give the hook its input without a helper: what does not fit into a pipe goes through a file in memory. */
static int input_fd(const char *state)
{
	_cleanup_close_ int fd = memfd_create("state", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (io_write_all(fd, state, strlen(state)) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -EIO;
	return TAKE_FD(fd);
}

static int wait_hook(pid_t pid, const struct oci_hook *h, int out, struct err *e)
{
	_cleanup_close_ int fd = pidfd_open(pid, 0);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char text[OUTPUT_MAX];
	int status, r;

	/* Without one there is no timeout: then it does not run. */
	if (fd < 0) {
		r = err_sys(e, errno, "watch hook");
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return r;
	}
	/* poll(2) takes 24 days at the most: that is as good as for ever. */
	do
		r = poll(&pfd, 1, h->timeout > 0 && h->timeout <= INT_MAX / 1000 ? h->timeout * 1000 : -1);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		(void)kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r == 0)
		return err_set(e, ETIMEDOUT, "hook ran past its timeout of %d s and was killed", h->timeout);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	read_output(out, text, sizeof text);
	if (WIFSIGNALED(status))
		return err_set(e, EPROTO, "hook was killed by signal %d, output: %s", WTERMSIG(status), text);
	return err_set(e, EPROTO, "hook failed: exit status %d, output: %s", WEXITSTATUS(status), text);
}

static int run_one(const struct oci_hook *h, const char *state, struct err *e)
{
	_cleanup_close_ int in = input_fd(state), out = memfd_create("output", MFD_CLOEXEC);
	pid_t us = getpid(), pid;

	if (in < 0 || out < 0)
		return err_sys(e, out < 0 ? errno : -in, "prepare hook");
	pid = fork();
	if (pid < 0)
		return err_sys(e, errno, "start hook");
	if (pid == 0) {
		/* It has a group of its own, so that a timeout reaches all of it, and ends with whoever waits for it. */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != us)
			_exit(1);
		(void)setpgid(0, 0);
		exec_hook(h, in, out);
	}
	(void)setpgid(pid, pid);
	return wait_hook(pid, h, out, e);
}

int hooks_run(const struct oci_hooks *list, const char *name, const char *state, struct err *e)
{
	for (size_t i = 0; i < list->n; i++) {
		int r = run_one(&list->v[i], state, e);

		if (r < 0)
			return err_ctx(e, r, "error running %s hook #%zu (%s)", name, i, list->v[i].path);
	}
	return 0;
}

static int run_lists(const struct oci_hooks *const *lists, const char *const *names, size_t n, const char *state,
		     int mntns_fd, const char *cwd, struct err *e)
{
	if (mntns_fd >= 0 && setns(mntns_fd, CLONE_NEWNS) < 0)
		return err_sys(e, errno, "enter the runtime's mount namespace");
	if (cwd && chdir(cwd) < 0)
		return err_sys(e, errno, "enter %s", cwd);
	for (size_t i = 0; i < n; i++) {
		int r = hooks_run(lists[i], names[i], state, e);

		if (r < 0)
			return r;
	}
	return 0;
}

int hooks_start(const struct oci_hooks *const *lists, const char *const *names, size_t n, const char *state,
		int mntns_fd, const char *cwd, struct hook_runner *ret, struct err *e)
{
	size_t total = 0;
	int fds[2];
	pid_t us = getpid(), pid;

	for (size_t i = 0; i < n; i++)
		total += lists[i]->n;
	*ret = HOOK_RUNNER_EMPTY;
	if (total == 0)
		return 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, errno, "start hooks");
	pid = fork();
	if (pid < 0)
		return err_sys(e, errno, "start hooks");
	if (pid == 0) {
		struct err own = { 0 };

		/* We hold the container's lock, too: a killed create must not stay locked until its hooks end. */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != us)
			_exit(1);
		(void)setpgid(0, 0);
		if (run_lists(lists, names, n, state, mntns_fd, cwd, &own) < 0)
			(void)io_write_all(fds[1], &own, sizeof own);
		_exit(own.code != 0);
	}
	(void)fd_close(fds[1]);
	*ret = (struct hook_runner){ .pid = pid, .fd = fds[0] };
	return 0;
}

int hooks_wait(struct hook_runner *h, struct err *e)
{
	struct err theirs = { 0 };
	int status = 0, r = 0;
	ssize_t n;

	if (h->pid == 0)
		return 0;
	do
		n = read(h->fd, &theirs, sizeof theirs);
	while (n < 0 && errno == EINTR);
	while (waitpid(h->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n == (ssize_t)sizeof theirs)
		r = err_set(e, theirs.code, "%s", theirs.msg);
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		r = err_set(e, EPROTO, "the process that runs hooks died");
	h->fd = fd_close(h->fd);
	h->pid = 0;
	return r;
}

void hooks_cancel(struct hook_runner *h)
{
	if (h->pid > 0) {
		(void)kill(-h->pid, SIGKILL);
		(void)kill(h->pid, SIGKILL);
		while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	h->fd = fd_close(h->fd);
	h->pid = 0;
}
