/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/lifecycle.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "runtime/hooks.h"

static void run_poststop(const struct runtime *rt, const struct container *c, const struct oci_spec *spec)
{
	_cleanup_free_ char *state = NULL;
	struct err e = { 0 };

	state = container_hook_state(c, CONTAINER_STOPPED);
	/* A failure is logged and deleting goes on, as the runtime-spec demands; later hooks still run. */
	for (size_t i = 0; i < spec->poststop.n; i++) {
		const struct oci_hooks one = { &spec->poststop.v[i], 1 };

		if (hooks_run(&one, "poststop", state ? state : "{}", &e) < 0)
			rt->warn(e.msg);
	}
}

int delete_container(const struct runtime *rt, const char *id, bool force, struct err *e)
{
	_cleanup_(oci_spec_done) struct oci_spec spec = { 0 };
	struct container c = CONTAINER_EMPTY;
	struct err unread = { 0 };
	enum container_status status;
	int r;

	container_sweep(rt);
	r = container_load(rt, id, true, &c, e);
	if (r == -ENOENT && force)
		return 0;
	if (r == -EPROTO && force)
		return container_discard(rt, id, e);
	if (r < 0)
		return r;
	status = container_status(&c);
	if (!force && (status == CONTAINER_RUNNING || status == CONTAINER_PAUSED))
		r = err_set(e, EBUSY, "cannot delete container %s that is not stopped: %s", id,
			    container_status_name(status));
	/* The hooks run when nothing of the container is left, its copy of the spec included. */
	if (r == 0 && c.has_poststop && container_spec(&c, &spec, &unread) < 0)
		rt->warn(unread.msg);
	if (r == 0)
		r = container_destroy(rt, &c, e);
	if (r == 0 && spec.poststop.n)
		run_poststop(rt, &c, &spec);
	container_done(&c);
	/* What the state says of its groups makes no sense. */
	return r == -EINVAL && force ? container_discard(rt, id, e) : r;
}

int kill_container(const struct runtime *rt, const char *id, int sig, bool all, struct err *e)
{
	struct container c = CONTAINER_EMPTY;
	struct cgroup *cg = NULL;
	int r;

	r = container_load(rt, id, false, &c, e);
	if (r < 0)
		return r;
	if (all) {
		r = container_cgroup(&c, &cg, e);
		if (r == 0)
			r = cgroup_kill(cg, sig, e);
		/* Engines kill all of a container that has ended already: nothing to do is no error. */
		if (r == -ENOENT || r == -ESRCH)
			r = 0;
		if (cg)
			cgroup_free(cg);
	} else if (c.init.fd < 0) {
		r = err_set(e, ESRCH, "container not running");
	} else {
		r = pidref_signal(&c.init, sig);
		if (r == -ESRCH)
			r = err_set(e, ESRCH, "container not running");
		else if (r < 0)
			r = err_sys(e, -r, "signal container init");
		/* A frozen process does not see its death before it is thawed. */
		if (r == 0 && sig == SIGKILL && container_cgroup(&c, &cg, NULL) == 0) {
			if (cgroup_is_frozen(cg, NULL) > 0)
				(void)cgroup_freeze(cg, false, NULL);
			cgroup_free(cg);
		}
	}
	container_done(&c);
	return r;
}

int pause_container(const struct runtime *rt, const char *id, bool freeze, struct err *e)
{
	struct container c = CONTAINER_EMPTY;
	enum container_status status;
	struct cgroup *cg = NULL;
	int r;

	r = container_load(rt, id, true, &c, e);
	if (r < 0)
		return r;
	container_refresh_root(rt, &c);
	status = container_status(&c);
	if (freeze && status != CONTAINER_RUNNING && status != CONTAINER_CREATED)
		r = err_set(e, EINVAL, "container not running or created: %s", container_status_name(status));
	else if (!freeze && status != CONTAINER_PAUSED)
		r = err_set(e, EINVAL, "container not paused");
	else
		r = container_cgroup(&c, &cg, e);
	if (r == 0) {
		r = cgroup_freeze(cg, freeze, e);
		cgroup_free(cg);
	}
	container_done(&c);
	return r;
}

/* ---- run ---- */

static int wait_and_delete(const struct runtime *rt, struct container *c, int master, bool keep, int *ret_status,
			   struct err *e)
{
	int r = supervise(c->init.pid, master, e);

	if (r >= 0)
		*ret_status = r;
	if (!keep) {
		struct err second = { 0 };
		int d = delete_container(rt, c->id, true, &second);

		if (d < 0 && r >= 0)
			r = err_set(e, -d, "%s", second.msg);
	}
	return r < 0 ? r : 0;
}

int run_container(const struct runtime *rt, struct create_options *o, bool detach, bool keep, int *ret_status,
		  struct err *e)
{
	_cleanup_close_ int ours = -EBADF, theirs = -EBADF, master = -EBADF;
	struct container c = CONTAINER_EMPTY;
	struct err second = { 0 };
	int pair[2], r;

	if (!detach && !o->console_socket) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			return err_sys(e, errno, "make socket pair");
		ours = pair[0];
		theirs = pair[1];
		o->console_fd = theirs;
	}
	if (!detach && prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return err_sys(e, errno, "become subreaper");
	r = create_container(rt, o, &c, e);
	if (r < 0)
		return r;
	o->console_fd = -EBADF;
	theirs = fd_close(theirs);
	if (ours >= 0)
		master = console_receive(ours, NULL); /* end of file without a terminal */
	/* start takes the lock itself */
	c.dir_fd = fd_close(c.dir_fd);
	r = start_container(rt, o->id, e);
	if (r == 0 && !detach)
		r = wait_and_delete(rt, &c, master, keep, ret_status, e);
	else if (r == 0)
		*ret_status = 0;
	else
		(void)delete_container(rt, o->id, true, &second);
	container_done(&c);
	return r;
}
