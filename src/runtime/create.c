/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/create.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/idtext.h"
#include "confine/confine.h"
#include "policy/policy.h"
#include "runtime/hooks.h"
#include "runtime/ids.h"
#include "runtime/init.h"
#include "runtime/join.h"
#include "runtime/notify.h"
#include "runtime/plan.h"
#include "runtime/start.h"
#include "runtime/supervisor.h"
#include "sys/creds.h"
#include "sys/missing.h"
#include "sys/path.h"
#include "sys/settings-file.h"
#include "sys/userns.h"

/* One create. Every stage fills in its part; create_done() gives up what is still held. */
struct create {
	const struct runtime *rt;
	const struct create_options *o;
	struct settings settings;
	char *bundle, *config;
	size_t config_len;
	struct oci_spec spec;
	struct plan plan;
	struct container c;
	struct seccomp_program seccomp;
	struct supervisor super;
	struct cgroup *cg;
	struct cgroup_entry entry;
	bool has_entry; /* init moves itself into the groups */
	struct joined joined;
	struct pidref init;
	struct hook_runner hooks;
	int ids_fd, host_mntns, sync, sync_init, start_fd, console_fd, userns_fd, netns_fd, pidns_fd, pid_file_dir;
	char *pid_file_name, *state, *notify_dir;
	bool ids_taken;
};

struct stage_fn {
	const char *name;
	int (*run)(struct create *, struct err *);
	void (*undo)(struct create *); /* called when a later stage fails */
};

void now_rfc3339(char *text, size_t size)
{
	struct timespec ts;
	struct tm tm;
	size_t n;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	(void)gmtime_r(&ts.tv_sec, &tm);
	n = strftime(text, size, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(text + n, size - n, ".%09ldZ", ts.tv_nsec);
}

int connect_unix(const char *path, struct err *e)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), dir = -EBADF;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const struct timeval patience = { .tv_sec = 10 };
	const char *slash = strrchr(path, '/');

	if (fd < 0)
		return err_sys(e, errno, "make socket");
	if (strlen(path) < sizeof addr.sun_path) {
		(void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
	} else if (slash && strlen(slash) < 64) {
		/* Longer than the address can hold: through its directory. */
		_cleanup_free_ char *parent = strndup(path, (size_t)(slash - path));

		dir = parent ? open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
		if (dir < 0)
			return err_sys(e, errno, "connect to %s", path);
		(void)snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d%s", dir, slash);
	} else {
		return err_set(e, ENAMETOOLONG, "connect to %s: name too long", path);
	}
	/* A listener whose queue is full and who never accepts must not stop us for ever. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (connect(fd, (const struct sockaddr *)&addr, sizeof addr) < 0)
		return err_sys(e, errno == EAGAIN ? ETIMEDOUT : errno, "connect to %s", path);
	return TAKE_FD(fd);
}

void stdio_give(uint32_t uid, uint32_t gid)
{
	for (int fd = 0; fd < 3; fd++) {
		struct statfs sfs;
		struct stat st;

		/* Only pipes without a name: an fd of a file that somebody else can reach is never given away (A10). */
		if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && fstatfs(fd, &sfs) == 0 &&
		    sfs.f_type == PIPEFS_MAGIC && fchown(fd, uid, gid) < 0)
			continue; /* comfort only: the fd itself works */
	}
}

/* ---- stages ---- */

static int read_bundle(struct create *c, struct err *e)
{
	const char *bundle = c->o->bundle ? c->o->bundle : ".";
	_cleanup_close_ int dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int r;

	if (dir < 0)
		return err_sys(e, errno, "open bundle %s", bundle);
	r = path_of_fd(c->rt->proc_fd, dir, &c->bundle);
	if (r < 0)
		return err_sys(e, -r, "bundle %s", bundle);
	/* Neither a fifo, on which we would wait for ever, nor a link. */
	if (fstatat(dir, "config.json", &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode))
		return err_set(e, EINVAL,
			       "config.json in bundle %s is not a regular file; put the file itself there",
			       c->bundle);
	r = io_read_at(dir, "config.json", OCI_CONFIG_MAX, &c->config, &c->config_len);
	if (r == -EFBIG)
		return err_set(e, EFBIG, "config.json in bundle %s has more than %u MiB", c->bundle,
			       OCI_CONFIG_MAX >> 20);
	if (r == -ENOENT)
		return err_set(e, ENOENT, "JSON specification file config.json not found in bundle %s", c->bundle);
	if (r < 0)
		return err_sys(e, -r, "read %s/config.json", c->bundle);
	return oci_spec_parse(c->config, c->config_len, &c->spec, e);
}

static int check_process(const struct create *c, struct err *e)
{
	const struct oci_process *p = &c->spec.process;

	if (!c->spec.has_process)
		return err_set(e, EINVAL, "config.json: process: is needed to create a container");
	if (p->terminal && !c->o->console_socket && c->o->console_fd < 0)
		return err_set(
			e, EINVAL,
			"cannot allocate tty if runc will detach without setting console socket: give --console-socket, "
			"or set process.terminal to false");
	if (!p->terminal && c->o->console_socket)
		return err_set(
			e, EINVAL,
			"cannot use console socket if runc will not detach or allocate tty: process.terminal is false");
	if (p->user.uid >= ID_RANGE || p->user.gid >= ID_RANGE)
		return err_set(e, EINVAL,
			       "config.json: process.user: %u:%u is outside of the 65536 ids that a container has",
			       p->user.uid, p->user.gid);
	for (size_t i = 0; i < p->user.n_additional_gids; i++)
		if (p->user.additional_gids[i] >= ID_RANGE)
			return err_set(
				e, EINVAL,
				"config.json: process.user.additionalGids: %u is outside of the 65536 ids that a "
				"container has",
				p->user.additional_gids[i]);
	return 0;
}

/* The runtime-spec lets runtimes leave out capabilities that they do not know, if they say so. */
static void warn_unknown_caps(const struct create *c)
{
	const json_t *caps = json_object_get(json_object_get(c->spec.json, "process"), "capabilities");
	const json_t *bounding = json_object_get(caps, "bounding"), *name;
	size_t i;

	json_array_foreach(bounding, i, name) {
		char text[128];

		if (!json_is_string(name) || oci_cap_from_name(json_string_value(name)) >= 0)
			continue;
		(void)snprintf(text, sizeof text, "ignoring unknown capability %.64s", json_string_value(name));
		c->rt->warn(text);
	}
}

static int judge(struct create *c, struct err *e)
{
	bool hooks = c->spec.prestart.n || c->spec.create_runtime.n || c->spec.create_container.n ||
		     c->spec.start_container.n || c->spec.poststart.n || c->spec.poststop.n;
	int r = settings_load(c->rt->settings_path, &c->settings, e);

	if (r == 0)
		r = policy_namespaces(&c->spec, e);
	if (r == 0)
		r = check_process(c, e);
	if (r == 0)
		warn_unknown_caps(c);
	if (r == 0)
		r = policy_sysctl(&c->spec, e);
	if (r == 0)
		r = confine_lsm_check(c->spec.process.apparmor_profile, c->spec.process.selinux_label, e);
	if (r == 0 && hooks && !c->settings.allow_hooks)
		r = err_set(e, EPERM, "config.json: hooks: not allowed by caisson.allowHooks in %s",
			    c->settings.file);
	return r;
}

static int make_directory(struct create *c, struct err *e)
{
	json_t *annotations = json_object_get(c->spec.json, "annotations");
	char created[40];
	int r;

	r = container_new(c->rt, c->o->id, &c->c, e);
	if (r < 0)
		return r;
	now_rfc3339(created, sizeof created);
	c->c.bundle = strdup(c->bundle);
	c->c.created = strdup(created);
	c->c.cgroups_path = c->spec.linux_.cgroups_path ? strdup(c->spec.linux_.cgroups_path) : NULL;
	c->c.systemd_cgroup = c->rt->systemd_cgroup;
	c->c.has_poststart = c->spec.poststart.n > 0;
	c->c.has_poststop = c->spec.poststop.n > 0;
	c->c.annotations = json_incref(annotations);
	r = io_replace_at(c->c.dir_fd, "config.json", c->config, c->config_len, 0600);
	return r < 0 ? err_sys(e, -r, "write %s/config.json", c->c.dir) : 0;
}

static void remove_directory(struct create *c)
{
	if (c->c.dir_fd < 0)
		return;
	/* Its groups, if there were any, are gone; at their path another container's may be. */
	c->c.creating = false;
	(void)container_destroy(c->rt, &c->c, NULL);
}

static int open_files(struct create *c, struct err *e)
{
	const char *file = c->o->pid_file;
	int fds[2];

	c->host_mntns = openat(c->rt->proc_fd, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (c->host_mntns < 0)
		return err_sys(e, errno, "open own mount namespace");
	c->ids_fd = ids_open(c->rt->ids_path, e);
	if (c->ids_fd < 0)
		return c->ids_fd;
	if (file) {
		const char *slash = strrchr(file, '/');
		_cleanup_free_ char *dir = slash ? strndup(file, (size_t)(slash - file) + 1) : strdup(".");

		c->pid_file_name = strdup(slash ? slash + 1 : file);
		c->pid_file_dir = dir ? open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
		if (c->pid_file_dir < 0)
			return err_sys(e, errno, "open directory of pid file %s", file);
	}
	c->console_fd = c->o->console_fd >= 0 ? fcntl(c->o->console_fd, F_DUPFD_CLOEXEC, 3) : -EBADF;
	if (c->o->console_socket) {
		c->console_fd = connect_unix(c->o->console_socket, e);
		if (c->console_fd < 0)
			return err_ctx(e, c->console_fd, "--console-socket");
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return err_sys(e, errno, "make socket pair");
	c->sync = fds[0];
	c->sync_init = fds[1];
	c->start_fd = start_listen(c->c.dir_fd, e);
	return c->start_fd < 0 ? c->start_fd : 0;
}

/* Does the container with state directory @dir run in the user namespace that is joined? */
static bool is_joined(void *ctx, const char *dir)
{
	const struct create *c = ctx;
	_cleanup_free_ char *root = strdup(dir);
	_cleanup_(container_done) struct container other = CONTAINER_EMPTY;
	_cleanup_close_ int userns = -EBADF;
	struct runtime rt = *c->rt;
	char *slash = root ? strrchr(root, '/') : NULL;
	struct stat ours, theirs;

	if (!slash)
		return false;
	*slash = '\0';
	rt.root = root;
	if (container_load(&rt, slash + 1, false, &other, NULL) < 0 || other.init.fd < 0)
		return false;
	userns = ns_open(c->rt->proc_fd, other.init.pid, "user", NULL);
	return userns >= 0 && fstat(userns, &theirs) == 0 && fstat(c->joined.userns_fd, &ours) == 0 &&
	       ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev &&
	       pidref_wait_exit(&other.init, 0) == 0;
}

static int take_ids(struct create *c, struct err *e)
{
	const struct ids_pool pool = { c->settings.pool_first, c->settings.pool_count };
	int r;

	r = joined_open(c->rt, &c->spec, &c->joined, e);
	if (r < 0)
		return r;
	if (c->joined.userns_fd >= 0) {
		c->c.base = c->joined.base;
		r = ids_share(c->ids_fd, c->c.base, c->c.dir, is_joined, c, e);
	} else {
		r = ids_alloc(c->ids_fd, c->rt->proc_fd, c->rt->etc_fd, &pool, c->c.dir, &c->c.base, e);
	}
	/* From here on a killed create can be cleaned up by whoever finds it. */
	return r < 0 ? r : container_save(&c->c, e);
}

static int plan_mounts(struct create *c, struct err *e)
{
	_cleanup_free_ char **joined = NULL;
	struct plan_args a = {
		.settings = &c->settings,
		.spec = &c->spec,
		.bundle = c->bundle,
		.id = c->o->id,
		.no_pivot = c->o->no_pivot,
	};
	int r = 0;

	if (c->joined.userns_fd >= 0)
		r = ids_owners(c->ids_fd, c->c.base, &joined, e);
	a.joined_ids = joined;
	if (r == 0)
		r = notify_prepare(&c->c, &c->notify_dir, e);
	a.notify_dir = c->notify_dir;
	if (r == 0)
		r = plan_make(c->rt, &a, &c->plan, e);
	if (r == 0)
		c->c.rootfs = strdup(c->plan.rootfs);
	return r;
}

static int compile_seccomp(struct create *c, struct err *e)
{
	_cleanup_close_ int cache = -EBADF;
	int r = supervisor_decide(&c->super, &c->spec, &c->settings, e);

	if (r < 0)
		return r;
	c->c.supervised = c->super.traps;
	if (!c->spec.linux_.seccomp.present)
		return 0;
	/* Beside the id registry: one cache for all state roots. */
	if (mkdirat(c->ids_fd, "../seccomp", 0700) == 0 || errno == EEXIST)
		cache = openat(c->ids_fd, "../seccomp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return seccomp_compile(&c->spec.linux_.seccomp, cache, &c->seccomp, e);
}

static bool wants_delegation(const struct oci_spec *s)
{
	for (size_t i = 0; i < s->n_mounts; i++) {
		const struct oci_mount *m = &s->mounts[i];
		bool ro = false;

		if (!m->type || (strcmp(m->type, "cgroup") != 0 && strcmp(m->type, "cgroup2") != 0))
			continue;
		for (size_t k = 0; k < m->options.n; k++)
			ro |= strcmp(m->options.v[k], "ro") == 0;
		if (!ro)
			return true;
	}
	return policy_container_can_mount(s);
}

static int make_cgroup(struct create *c, struct err *e)
{
	struct cgroup_params p = {
		.id = c->o->id,
		.cgroups_path = c->spec.linux_.cgroups_path,
		.systemd = c->rt->systemd_cgroup,
		.systemd_helper = c->rt->systemd_helper,
		.delegate = wants_delegation(&c->spec),
		.owner = c->c.base,
		.res = &c->spec.linux_.resources,
		.devices = c->plan.device_rules,
		.n_devices = c->plan.n_device_rules,
	};

	c->c.delegated = p.delegate;
	return cgroup_create(&p, &c->cg, e);
}

static void drop_cgroup(struct create *c)
{
	if (c->init.fd >= 0) {
		(void)pidref_signal(&c->init, SIGKILL);
		(void)pidref_wait_exit(&c->init, 10000);
	}
	if (!c->cg)
		return; /* cgroup_create() failed, and has undone what it did */
	/* Whatever is in state.json by now, these are the groups; container_destroy() finds them gone. */
	(void)cgroup_kill(c->cg, SIGKILL, NULL);
	(void)cgroup_destroy(c->cg, NULL);
}

static int start_supervisor(struct create *c, struct err *e)
{
	return supervisor_start(&c->super, c->rt, c->o->id, c->c.base, &c->spec, &c->settings, c->cg, e);
}

/* systemd makes the groups around init: those of its containers exist later. */
static int start_supervisor_early(struct create *c, struct err *e)
{
	return c->super.wanted && !c->rt->systemd_cgroup ? start_supervisor(c, e) : 0;
}

static void drop_supervisor(struct create *c)
{
	supervisor_done(&c->super);
}

static uint64_t new_namespaces(const struct create *c)
{
	static const uint64_t flags[OCI_NS_COUNT] = {
		[OCI_NS_PID] = CLONE_NEWPID, [OCI_NS_NETWORK] = CLONE_NEWNET, [OCI_NS_UTS] = CLONE_NEWUTS,
		/* ipc: by init when it is container root, to whom the root of mqueue then belongs */
	};
	uint64_t out = c->joined.userns_fd >= 0 ? 0 : CLONE_NEWUSER;

	for (int i = 0; i < OCI_NS_COUNT; i++)
		if (c->joined.ns_fd[i] < 0)
			out |= flags[i];
	return out;
}

static const char *state_text(const struct container *c, enum container_status status)
{
	char *text = container_hook_state(c, status);

	return text ? text : "{}"; /* lives as long as init */
}

static void __attribute__((noreturn)) init_main(struct create *c)
{
	struct init_args a = {
		.spec = &c->spec,
		.plan = &c->plan,
		.seccomp = &c->seccomp,
		.traps = &c->super.filter,
		.id = c->o->id,
		.stage_at = c->c.dir,
		.sync = c->sync_init,
		.start_fd = c->start_fd,
		.proc_fd = c->rt->proc_fd,
		.console_fd = c->console_fd,
		.new_keyring = !c->o->no_new_keyring,
		.preserve_fds = c->o->preserve_fds,
		.entry = c->has_entry ? &c->entry : NULL,
		.notify = c->notify_dir != NULL,
	};

	(void)fd_close(c->sync);
	for (int i = 0; i < OCI_NS_COUNT; i++)
		a.new_ns[i] = c->joined.ns_fd[i] < 0;
	/* Hooks inside see the pid that init has inside, as with runc. */
	c->c.init_pid = getpid();
	a.state = state_text(&c->c, CONTAINER_CREATING);
	a.created_state = state_text(&c->c, CONTAINER_CREATED);
	container_init(&a);
}

/*
 * To whom the container's user namespace belongs on the host. Not root, to whom its inotify instances, queues and keys would
 * be charged (A149); not the container's root id, since whoever gets that one (a set-user-id program left in a shared
 * directory is enough) would have all rights over the container (A52, A109). It is an id that no process and no file
 * on disk has or can get: see idtext.h.
 */
static uint32_t owner_id(const struct create *c)
{
	return ID_SHADOW + c->c.base;
}

static int clone_init(struct create *c, struct err *e)
{
	struct clone_args args = { .flags = new_namespaces(c), .exit_signal = SIGCHLD };
	pid_t pid;
	int r = 0;

	r = cgroup_entry_open(c->cg, &c->entry, e);
	if (r < 0 && r != -EOPNOTSUPP)
		return r;
	c->has_entry = r == 0;
	if (c->has_entry && c->entry.into_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (unsigned)c->entry.into_fd;
	}

	/* The way back must work: nothing could be undone without it. */
	if (setns(c->host_mntns, CLONE_NEWNS) < 0)
		return err_sys(e, errno, "enter own mount namespace");
	/* A mount namespace of the host's, in which the container's tree is built; nothing goes back (A46). */
	if (chdir("/") < 0 || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, errno, "make an intermediate mount namespace");
	r = stage_enter(&c->plan, c->c.dir, e);
	if (r < 0)
		return r;
	if (c->joined.userns_fd < 0)
		r = creds_become_owner(owner_id(c), e);
	pid = r < 0 ? r : joined_clone(&c->joined, &args, e);
	if (pid == 0)
		init_main(c);
	if (c->joined.userns_fd < 0)
		r = creds_restore(pid < 0 ? NULL : e);
	if (pid < 0)
		return pid;
	if (r < 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return r;
	}
	c->sync_init = fd_close(c->sync_init);
	r = pidref_open(c->rt->proc_fd, pid, 0, &c->init);
	if (r < 0)
		return err_sys(e, -r, r == -ESRCH ? "container init %d died early" : "look at container init %d",
			       (int)pid);
	/* Not saved before the end: should we be killed, init sees it and exits, and its groups tell who is left. */
	c->c.init_pid = pid;
	c->c.init_start = c->init.start;
	return 0;
}

static void kill_init(struct create *c)
{
	if (c->init.pid > 0) {
		(void)pidref_signal(&c->init, SIGKILL);
		while (waitpid(c->init.pid, NULL, 0) < 0 && errno == EINTR)
			;
		c->c.init_pid = 0;
	}
}

static int map_ids(struct create *c, struct err *e)
{
	char map[64];
	int r = 0;

	if (c->joined.userns_fd < 0) {
		(void)snprintf(map, sizeof map, "0 %u %u\n", c->c.base, ID_RANGE);
		r = userns_write_maps(c->rt->proc_fd, c->init.pid, map, map, e);
	}
	if (r == 0)
		c->userns_fd = r = ns_open(c->rt->proc_fd, c->init.pid, "user", e);
	if (r >= 0)
		c->netns_fd = r = ns_open(c->rt->proc_fd, c->init.pid, "net", e);
	if (r >= 0)
		c->pidns_fd = r = ns_open(c->rt->proc_fd, c->init.pid, "pid", e);
	return r < 0 ? r : 0;
}

/* caisson-systemd and the supervisor are programs of the host's: run them where they can be seen, and come back to the stage. */
static int enter_by_systemd(struct create *c, struct err *e)
{
	_cleanup_close_ int here = openat(c->rt->proc_fd, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
	int r;

	if (here < 0 || setns(c->host_mntns, CLONE_NEWNS) < 0)
		return err_sys(e, errno, "enter the host's mount namespace");
	r = cgroup_enter(c->cg, c->init.pid, e);
	if (r == 0 && c->super.wanted)
		r = start_supervisor(c, e);
	if (setns(here, CLONE_NEWNS) < 0 || (c->plan.host_visible && chdir(c->c.dir) < 0))
		return err_sys(r == 0 ? e : NULL, errno, "go back to the stage");
	return r;
}

static int enter_cgroup(struct create *c, struct err *e)
{
	int r = 0;

	if (!c->has_entry)
		r = c->rt->systemd_cgroup ? enter_by_systemd(c, e) : cgroup_enter(c->cg, c->init.pid, e);
	if (r == 0 && c->c.delegated)
		r = cgroup_delegate(c->cg, c->init.pid, e);
	c->c.cgroup_saved = r == 0 ? cgroup_save(c->cg) : NULL;
	return r == 0 && !c->c.cgroup_saved ? err_sys(e, ENOMEM, "save control groups") : r;
}

/* prlimit(2) wants the same ids or CAP_SYS_RESOURCE, which not every host's root has. */
static int set_rlimits(struct create *c, struct err *e)
{
	const struct oci_process *p = &c->spec.process;
	int r = creds_become(owner_id(c), UINT64_MAX, e);

	if (r == 0)
		r = confine_rlimits(c->init.pid, p->rlimits, p->n_rlimits, e);
	return creds_restore(r == 0 ? e : NULL) < 0 ? -EPERM : r;
}

static int limit_init(struct create *c, struct err *e)
{
	const struct oci_process *p = &c->spec.process;
	int r = 0;

	if (p->has_oom_score_adj)
		r = confine_oom_score_adj(c->rt->proc_fd, c->init.pid, p->oom_score_adj, e);
	if (r == 0 && p->n_rlimits)
		r = set_rlimits(c, e);
	if (r == 0)
		r = confine_scheduling(c->init.pid, p, e);
	if (r == 0 && p->has_exec_cpu_affinity && p->cpu_affinity_final)
		r = confine_cpu_affinity(c->init.pid, p->cpu_affinity_final, e);
	stdio_give(c->c.base + p->user.uid, c->c.base + p->user.gid);
	return r;
}

/* The namespaces exist and the root is not pivoted: what prestart and createRuntime hooks expect. They run while we mount. */
static int begin_hooks(struct create *c, struct err *e)
{
	const struct oci_hooks *const lists[] = { &c->spec.prestart, &c->spec.create_runtime };
	static const char *const names[] = { "prestart", "createRuntime" };

	c->state = container_hook_state(&c->c, CONTAINER_CREATING);
	if (!c->state)
		return err_sys(e, ENOMEM, "state for hooks");
	return hooks_start(lists, names, ARRAY_SIZE(lists), c->state, c->host_mntns, c->bundle, &c->hooks, e);
}

static void cancel_hooks(struct create *c)
{
	hooks_cancel(&c->hooks);
}

static int stage_mounts(struct create *c, struct err *e)
{
	const struct stage_context ctx = {
		.rt = c->rt,
		.init = c->init.pid,
		.base = c->c.base,
		.userns_fd = c->userns_fd,
		.netns_fd = c->netns_fd,
		.pidns_fd = c->pidns_fd,
		.netns_is_hosts = c->joined.netns_is_hosts,
		.super = c->super.wanted ? &c->super : NULL,
	};
	int r = stage_build(&c->plan, &ctx, e);

	c->c.rootfs_dev = c->plan.root.dev;
	c->c.engine_dev = c->plan.root.engine_dev;
	return r;
}

static int await_hooks(struct create *c, struct err *e)
{
	return hooks_wait(&c->hooks, e);
}

/* Init's own words, or what its death tells. */
static int init_failed(struct create *c, const struct sync_msg *m, int r, struct err *e)
{
	int status;

	if (r == 0 && m->kind == SYNC_ERROR && m->err.code > 0)
		return err_set(e, m->err.code, "%.*s", (int)sizeof m->err.msg - 1, m->err.msg);
	(void)pidref_signal(&c->init, SIGKILL);
	if (waitpid(c->init.pid, &status, 0) != c->init.pid)
		return err_set(e, EPIPE, "container init died");
	c->init.pid = 0;
	if (WIFSIGNALED(status))
		return err_set(e, EPIPE, "container init was killed by signal %d%s", WTERMSIG(status),
			       WTERMSIG(status) == SIGKILL ? " (is the memory limit too low?)" : "");
	return err_set(e, EPIPE, "container init exited with status %d", WEXITSTATUS(status));
}

static int run_init(struct create *c, struct err *e)
{
	struct sync_msg m = { 0 };
	int r = sync_send(c->sync, SYNC_GO, NULL);

	if (r == 0)
		r = sync_recv(c->sync, &m);
	if (r < 0 || m.kind != SYNC_READY)
		return init_failed(c, &m, r, e);
	return 0;
}

static int finish(struct create *c, struct err *e)
{
	char pid[16];
	int r;

	c->c.creating = false;
	r = container_save(&c->c, e);
	if (r == 0 && c->pid_file_name) {
		(void)snprintf(pid, sizeof pid, "%d", (int)c->init.pid);
		r = io_replace_at(c->pid_file_dir, c->pid_file_name, pid, strlen(pid), 0644);
		if (r < 0)
			r = err_sys(e, -r, "write pid file %s", c->o->pid_file);
	}
	if (r == 0 && c->super.wanted)
		r = monitor_commit(&c->super.monitor, c->init.fd, c->c.dir_fd, e);
	if (r == 0 && sync_send(c->sync, SYNC_RELEASE, NULL) < 0)
		r = err_set(e, EPIPE, "container init died");
	if (r == 0)
		(void)unlinkat(c->c.dir_fd, "creating.json", 0);
	return r;
}

/*
 * The order is the design: ids before anything that uses them; sources before the mount namespace is left; groups
 * before init, init in them before it makes its cgroup namespace; mounts after the id maps; state before release.
 */
static const struct stage_fn stages[] = {
	{ "create: bundle", read_bundle, NULL },
	{ "create: policy", judge, NULL },
	{ "create: directory", make_directory, remove_directory },
	{ "create: files", open_files, NULL },
	{ "create: ids", take_ids, NULL },
	{ "create: plan", plan_mounts, NULL },
	{ "create: seccomp", compile_seccomp, NULL },
	{ "create: cgroup", make_cgroup, drop_cgroup },
	{ "create: supervisor", start_supervisor_early, drop_supervisor },
	{ "create: clone", clone_init, kill_init },
	{ "create: id maps", map_ids, NULL },
	{ "create: enter cgroup", enter_cgroup, NULL },
	{ "create: limits", limit_init, NULL },
	{ "create: hooks", begin_hooks, cancel_hooks },
	{ "create: mounts", stage_mounts, NULL },
	{ "create: hooks done", await_hooks, NULL },
	{ "create: init", run_init, NULL },
	{ "create: finish", finish, NULL },
};

const char *create_stage_name(size_t i)
{
	return i < ARRAY_SIZE(stages) ? stages[i].name : NULL;
}

static int run_stages(struct create *c, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
		struct sync_msg m;
		int r;

		c->rt->trace(stages[i].name);
		r = stages[i].run(c, e);
		if (r == 0)
			continue;
		/* When init failed first, its words tell why; ours only that it is gone. */
		if (c->sync >= 0 && recv(c->sync, &m, sizeof m, MSG_DONTWAIT) == (ssize_t)sizeof m &&
		    m.kind == SYNC_ERROR && m.err.code > 0)
			r = err_set(e, m.err.code, "%.*s", (int)sizeof m.err.msg - 1, m.err.msg);
		/* Undoing needs the host's tree again. */
		if (c->host_mntns >= 0)
			(void)setns(c->host_mntns, CLONE_NEWNS);
		/* The one that failed may have done half of its work. */
		for (size_t k = i + 1; k-- > 0;)
			if (stages[k].undo)
				stages[k].undo(c);
		return r;
	}
	return 0;
}

static void create_done(struct create *c)
{
	int *const fds[] = { &c->ids_fd,     &c->host_mntns, &c->sync,	   &c->sync_init, &c->start_fd,
			     &c->console_fd, &c->userns_fd,  &c->netns_fd, &c->pidns_fd,  &c->pid_file_dir };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		*fds[i] = fd_close(*fds[i]);
	if (c->has_entry)
		cgroup_entry_done(&c->entry);
	plan_done(&c->plan);
	seccomp_program_done(&c->seccomp);
	supervisor_done(&c->super);
	if (c->cg)
		cgroup_free(c->cg);
	joined_done(&c->joined);
	pidref_done(&c->init);
	oci_spec_done(&c->spec);
	settings_done(&c->settings);
	free(c->bundle);
	free(c->config);
	free(c->pid_file_name);
	free(c->state);
	free(c->notify_dir);
	container_done(&c->c);
}

int create_container(const struct runtime *rt, const struct create_options *o, struct container *ret,
		     struct err *e)
{
	struct create c = {
		.rt = rt,
		.o = o,
		.c = CONTAINER_EMPTY,
		.init = { .fd = -EBADF },
		.hooks = HOOK_RUNNER_EMPTY,
		.super = SUPERVISOR_EMPTY,
		.plan = { .root = { .fd = -EBADF, .parent_fd = -EBADF } },
		.joined = JOINED_EMPTY,
		.ids_fd = -EBADF,
		.host_mntns = -EBADF,
		.sync = -EBADF,
		.sync_init = -EBADF,
		.start_fd = -EBADF,
		.console_fd = -EBADF,
		.userns_fd = -EBADF,
		.netns_fd = -EBADF,
		.pidns_fd = -EBADF,
		.pid_file_dir = -EBADF,
	};
	int r = container_check_id(o->id, e);

	if (r == 0)
		r = run_stages(&c, e);
	/* What follows (pid files, logs, poststart hooks, deleting) happens in the host's tree again. */
	if (r == 0 && c.host_mntns >= 0 && ret && setns(c.host_mntns, CLONE_NEWNS) < 0)
		r = err_sys(e, errno, "go back to the host's mount namespace");
	if (r == 0 && ret) {
		*ret = c.c;
		ret->init = c.init;
		c.init = PIDREF_EMPTY;
		c.c = CONTAINER_EMPTY;
	}
	create_done(&c);
	return r;
}

/* ---- start ---- */

int start_container(const struct runtime *rt, const char *id, struct err *e)
{
	struct container c = CONTAINER_EMPTY;
	enum container_status status;
	int notify = -EBADF, r;

	r = container_load(rt, id, true, &c, e);
	if (r < 0)
		return r;
	status = container_status(&c);
	if (status == CONTAINER_CREATING)
		r = err_set(e, ENOENT, "container does not exist");
	else if (status == CONTAINER_STOPPED)
		r = err_set(e, EINVAL, "cannot start a container that has stopped");
	else if (status != CONTAINER_CREATED)
		r = err_set(e, EINVAL, "cannot start an already running container");
	/* The engine looked at the root file system while it prepared the container (users, mount points). */
	if (r == 0)
		container_refresh_root(rt, &c);
	if (r == 0)
		r = notify_listen(&c, &notify, e);
	if (r == 0)
		r = start_begin(&c, e);
	if (r == 0)
		(void)unlinkat(c.dir_fd, "start", 0);
	if (r == 0) /* it is there when a create was killed at its very end */
		(void)unlinkat(c.dir_fd, "creating.json", 0);
	/* Others may look at and change the container while its service gets ready. */
	if (r == 0 && notify >= 0 && flock(c.dir_fd, LOCK_UN) == 0)
		r = notify_forward(&c, notify, e);
	(void)fd_close(notify);
	container_done(&c);
	return r;
}
