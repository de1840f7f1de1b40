/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/num.h"
#include "ctl/install.h"
#include "guard/engine.h"
#include "guard/relay.h"
#include "guard/text.h"
#include "sys/settings-file.h"

enum state { OK, WARNING, BROKEN };

static void add(json_t *list, const char *check, enum state state, const char *cure, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

static void add(json_t *list, const char *check, enum state state, const char *cure, const char *fmt, ...)
{
	static const char *const names[] = { "ok", "warning", "broken" };
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	(void)json_array_append_new(list,
				    json_pack("{ss ss so so}", "check", check, "state", names[state], "detail",
					      text_json(text), "cure", text_json(state == OK ? NULL : cure)));
}

static char *file_text(const char *path)
{
	char *text = NULL;

	return io_read_at(AT_FDCWD, path, 1u << 20, &text, NULL) < 0 ? NULL : text;
}

/* ---- kernel ---- */

static bool has_call(long number)
{
	/* Arguments that no call accepts: only whether it exists is asked. */
	return syscall(number, -1, NULL, ~0ul, NULL, 0) >= 0 || errno != ENOSYS;
}

static void check_kernel(json_t *list)
{
	static const struct {
		const char *name;
		long number;
		enum state state;
		const char *since;
	} calls[] = {
		{ "openat2", SYS_openat2, BROKEN, "5.6" },
		{ "pidfd_open", SYS_pidfd_open, BROKEN, "5.3" },
		{ "open_tree", SYS_open_tree, BROKEN, "5.2" },
		{ "fsopen", SYS_fsopen, BROKEN, "5.2" },
		{ "mount_setattr", SYS_mount_setattr, BROKEN, "5.12" },
	};
	struct seccomp_notif_sizes sizes;
	struct utsname u;
	unsigned lacking = 0;

	(void)uname(&u);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		if (has_call(calls[i].number))
			continue;
		lacking++;
		add(list, "kernel", calls[i].state, "run a newer kernel; docs/admin-guide.md says which",
		    "%s has no %s (since Linux %s)", u.release, calls[i].name, calls[i].since);
	}
	if (!lacking)
		add(list, "kernel", OK, NULL, "%s", u.release);
	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
		add(list, "seccomp", WARNING, "run a kernel with CONFIG_SECCOMP_FILTER, 5.0 or newer",
		    "no notifications: containers cannot mount, and see the host's memory and processors");
	else
		add(list, "seccomp", OK, NULL, "filters and notifications");
}

static void check_filesystems(json_t *list)
{
	static const struct {
		const char *name, *use;
	} kinds[] = { { "\toverlay\n", "images are not shifted to a container's ids without it" },
		      { "\tfuse\n", "containers see the host's memory and processors without it" } };
	_cleanup_free_ char *text = file_text("/proc/filesystems");

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		char name[16], cure[64];

		(void)snprintf(name, sizeof name, "%.*s", (int)strlen(kinds[i].name) - 2, kinds[i].name + 1);
		(void)snprintf(cure, sizeof cure, "run: modprobe %s", name);
		if (text && strstr(text, kinds[i].name))
			add(list, name, OK, NULL, "available");
		else
			add(list, name, WARNING, cure, "not loaded: %s", kinds[i].use);
	}
}

static void check_userns(json_t *list)
{
	_cleanup_free_ char *max = file_text("/proc/sys/user/max_user_namespaces");
	int status = 0;
	pid_t pid;

	if (!max || max[0] == '0') {
		add(list, "user namespaces", BROKEN,
		    "run: sysctl -w user.max_user_namespaces=65536, and put it into /etc/sysctl.d", "%s",
		    max ? "user.max_user_namespaces is 0" : "the kernel has none (CONFIG_USER_NS)");
		return;
	}
	pid = fork();
	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) < 0 ? errno & 127 : 0);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		add(list, "user namespaces", WARNING, "try again", "could not be tried");
	else if (WEXITSTATUS(status))
		add(list, "user namespaces", BROKEN,
		    "look for a security module or a container around this host that forbids them",
		    "making one fails: %s", strerrordesc_np(WEXITSTATUS(status)));
	else
		add(list, "user namespaces", OK, NULL, "at most %.*s", (int)strcspn(max, "\n"), max);
}

static void check_cgroup(json_t *list)
{
	struct statfs fs;

	if (statfs("/sys/fs/cgroup", &fs) < 0)
		add(list, "cgroup", BROKEN, "mount it: systemd does that", "/sys/fs/cgroup: %s",
		    strerrordesc_np(errno));
	else if (fs.f_type == CGROUP2_SUPER_MAGIC)
		add(list, "cgroup", OK, NULL, "version 2");
	else if (access("/sys/fs/cgroup/memory", F_OK) == 0)
		add(list, "cgroup", OK, NULL, "version 1%s",
		    access("/sys/fs/cgroup/unified", F_OK) == 0 ? ", beside version 2 (hybrid)" : "");
	else
		add(list, "cgroup", BROKEN,
		    "mount the controllers, or boot with systemd.unified_cgroup_hierarchy=1",
		    "no memory controller in /sys/fs/cgroup");
}

/* ---- programs ---- */

static void check_programs(json_t *list)
{
	static const char *const programs[] = { CAISSON_SBIN "/caisson",
						CAISSON_SBIN "/caissond",
						CAISSON_LIBEXEC "/caisson-registry",
						CAISSON_LIBEXEC "/caisson-monitor",
						CAISSON_LIBEXEC "/caisson-notify",
						CAISSON_LIBEXEC "/caisson-procview" };
	unsigned lacking = 0;

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		if (access(programs[i], X_OK) == 0)
			continue;
		lacking++;
		add(list, "programs", BROKEN, "install Caisson again (meson install)", "%s: %s", programs[i],
		    strerrordesc_np(errno));
	}
	if (!lacking)
		add(list, "programs", OK, NULL, "all in " CAISSON_SBIN " and " CAISSON_LIBEXEC);
}

/* The first runc in a PATH that was found in an environment. Return: 1 it is Caisson; 0 it is not; -ENOENT. */
static int judge_path(const char *path, char *found, size_t size)
{
	while (*path) {
		size_t n = strcspn(path, ":");
		char target[4096];
		ssize_t len;

		(void)snprintf(found, size, "%.*s/runc", (int)n, path);
		path += n + (path[n] == ':');
		if (access(found, X_OK) < 0)
			continue;
		len = readlink(found, target, sizeof target - 1);
		if (len < 0)
			return 0;
		target[len] = '\0';
		return strcmp(target, CAISSON_SBIN "/caisson") == 0;
	}
	return -ENOENT;
}

/* What an engine or a containerd of this host has as runc, by its environment. */
struct runc_seen {
	char who[64];	  /* "dockerd (pid 17)" */
	char found[4096]; /* a path; empty: none */
	bool is_caisson;
};

struct runcs {
	struct runc_seen v[16];
	size_t n, foreign;
};

static void see_runc_of(struct runcs *all, const char *pid, const char *comm)
{
	struct runc_seen *seen = &all->v[all->n];
	_cleanup_free_ char *env = NULL;
	_cleanup_close_ int dir = -EBADF;
	char name[64];
	size_t len = 0;
	int r;

	if (all->n == ARRAY_SIZE(all->v))
		return;
	(void)snprintf(name, sizeof name, "/proc/%.16s", pid);
	dir = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || io_read_at(dir, "environ", 1u << 20, &env, &len) < 0)
		return; /* ended, or not ours to read */
	for (const char *v = env; v < env + len; v += strlen(v) + 1) {
		if (strncmp(v, "PATH=", 5) != 0)
			continue;
		r = judge_path(v + 5, seen->found, sizeof seen->found);
		if (r == -ENOENT)
			seen->found[0] = '\0';
		(void)snprintf(seen->who, sizeof seen->who, "%.15s (pid %.16s)", comm, pid);
		seen->is_caisson = r == 1;
		all->foreign += r != 1;
		all->n++;
		return;
	}
}

static void see_runcs(struct runcs *all)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	const struct dirent *ent;

	while (proc && (ent = readdir(proc))) {
		_cleanup_free_ char *comm = NULL;
		char path[300];

		if (ent->d_name[0] < '0' || ent->d_name[0] > '9')
			continue;
		(void)snprintf(path, sizeof path, "/proc/%s/comm", ent->d_name);
		comm = file_text(path);
		if (!comm)
			continue;
		comm[strcspn(comm, "\n")] = '\0';
		if (strcmp(comm, "dockerd") == 0 || strcmp(comm, "containerd") == 0)
			see_runc_of(all, ent->d_name, comm);
	}
}

/*
 * @vouched: the guard says that its engine's runc is Caisson. It has tried that, so what is found here then is of another
 * engine, or a script that runs Caisson, unless it was told not to try.
 */
static void check_runc(json_t *list, const struct runcs *all, bool vouched)
{
	static const char cure[] = "run: caissonctl install, then restart containerd and docker";
	static const char cure_other[] =
		"nothing, if that is not the engine behind the guard; where caissond has --runc-is-caisson, run: "
		"caissonctl install, then restart containerd and docker";

	for (size_t i = 0; i < all->n; i++) {
		const struct runc_seen *s = &all->v[i];

		if (s->is_caisson)
			add(list, "runc", OK, NULL, "%s finds Caisson as %s", s->who, s->found);
		else
			add(list, "runc", vouched ? WARNING : BROKEN, vouched ? cure_other : cure, "%s %s%s: %s",
			    s->who, s->found[0] ? "runs " : "has no runc in its PATH", s->found,
			    vouched ? "not Caisson by its name, although the guard's engine passed the trial"
				    : "builds and services would not be isolated");
	}
}

/* ---- settings ---- */

static void check_settings(json_t *list, const char *settings)
{
	struct settings s;
	struct err e = { 0 };
	char where[512];

	if (settings_load(settings, &s, &e) < 0) {
		add(list, "settings", BROKEN, "correct it as the text says; until then no container is made", "%s",
		    e.msg);
		return;
	}
	add(list, "settings", OK, NULL, "%zu file%s", s.n_sources, s.n_sources == 1 ? "" : "s");
	if (s.note)
		add(list, "users' settings", WARNING, "correct or remove that file", "not heard: %s", s.note);
	if (s.enabled)
		add(list, "isolation", OK, NULL, "on%s", s.locked ? ", locked" : "");
	else
		add(list, "isolation", WARNING, "run: caissonctl enable", "off, decided by %s",
		    settings_origin(&s, "enhancedContainerIsolation.value", where, sizeof where));
	settings_done(&s);
}

/* ---- sockets ---- */

/* Only root may connect: the socket itself, or a directory on its way, lets nobody else through. */
static bool only_root(const char *path, struct stat *st)
{
	char dir[4096];

	if (stat(path, st) < 0)
		return false;
	if (st->st_uid == 0 && (st->st_mode & 06) == 0 && ((st->st_mode & 060) == 0 || st->st_gid == 0))
		return true;
	(void)snprintf(dir, sizeof dir, "%s", path);
	for (char *slash = strrchr(dir, '/'); slash && slash != dir; slash = strrchr(dir, '/')) {
		struct stat d;

		*slash = '\0';
		if (stat(dir, &d) == 0 && d.st_uid == 0 && (d.st_mode & 011) == 0)
			return true;
	}
	return false;
}

static void check_private(json_t *list, const char *check, const char *path, const char *cure)
{
	struct stat st;

	if (only_root(path, &st))
		add(list, check, OK, NULL, "%s: root's only", path);
	else if (access(path, F_OK) < 0)
		add(list, check, WARNING, "start it, or say where it is", "%s: %s", path, strerrordesc_np(errno));
	else
		add(list, check, BROKEN, cure,
		    "%s: user %u, group %u, mode %04o: others than root get past the guard", path, st.st_uid,
		    st.st_gid, st.st_mode & 07777);
}

static void check_guard_socket(json_t *list, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		add(list, "guard's socket", BROKEN, "start it: systemctl start caissond.socket", "%s: %s", path,
		    strerrordesc_np(errno));
	else if (!S_ISSOCK(st.st_mode))
		add(list, "guard's socket", BROKEN, "move that away and start caissond.socket", "%s: is no socket",
		    path);
	else if (st.st_mode & 06)
		add(list, "guard's socket", WARNING, "set SocketMode=0660 and restart caissond.socket",
		    "%s: every user may connect (mode %04o)", path, st.st_mode & 07777);
	else
		add(list, "guard's socket", OK, NULL, "%s: group %u", path, st.st_gid);
}

/* ---- guard and engine ---- */

static void check_engine(json_t *list, struct judge_engine *en)
{
	struct err e = { 0 };
	json_t *version = NULL, *info = NULL, *runtimes;
	const char *text;

	if (engine_get(en, "/version", &version, &e) < 0) {
		add(list, "engine", BROKEN, "look at: systemctl status docker docker.socket", "not reached: %s",
		    e.msg);
		return;
	}
	text = json_string_value(json_object_get(version, "Version"));
	add(list, "engine", OK, NULL, "%.64s, API %.32s", text ? text : "unknown",
	    json_string_value(json_object_get(version, "ApiVersion"))
		    ? json_string_value(json_object_get(version, "ApiVersion"))
		    : "unknown");
	if (engine_get(en, "/info", &info, &e) == 0) {
		runtimes = json_object_get(info, "Runtimes");
		if (json_object_get(runtimes, "sysbox-runc"))
			add(list, "engine's runtime", OK, NULL, "sysbox-runc is registered");
		else
			add(list, "engine's runtime", BROKEN, "run: caissonctl install, then restart docker",
			    "sysbox-runc is not registered in daemon.json: every container is refused by the engine");
		json_decref(info);
	}
	json_decref(version);
}

/* Return: does the guard say that what its engine runs as runc is Caisson? */
static bool check_status(json_t *list, const json_t *status, const struct runcs *runcs)
{
	const json_t *settings = json_object_get(status, "settings"), *host = json_object_get(status, "host");
	const char *problem = json_string_value(json_object_get(settings, "problem")),
		   *engine = json_string_value(json_object_get(status, "engine"));
	bool vouched;

	if (problem)
		add(list, "guard's settings", BROKEN, "correct it; the guard goes on with what it had before",
		    "%s", problem);
	else
		add(list, "guard's settings", OK, NULL, "current");
	if (!host) {
		add(list, "guard", WARNING, "run caissonctl doctor as root to see all of it",
		    "it says more to root");
		return false;
	}
	vouched = json_is_true(json_object_get(host, "runcIsCaisson"));
	if (vouched)
		add(list, "builds", OK, NULL,
		    "the engine runs containers and build steps with Caisson, also as runc");
	else
		add(list, "builds", WARNING,
		    runcs->foreign ? "run: caissonctl install, then restart containerd and docker"
				   : "look at what the trial said: journalctl -u caissond",
		    "builds, services and containers from before are refused: the guard tried the engine's runc, and "
		    "it is not known to be Caisson");
	if (engine)
		check_private(list, "engine's socket", engine,
			      "run: caissonctl install, then restart docker.socket");
	return vouched;
}

static bool check_guard(json_t *list, const char *socket, const struct runcs *runcs)
{
	struct judge_engine *en = engine_new(socket);
	json_t *status = NULL;
	bool vouched = false;
	struct err e = { 0 };
	int r = en ? engine_get(en, RELAY_STATUS_PATH, &status, &e) : -ENAMETOOLONG;

	if (r == 0) {
		const char *version = json_string_value(json_object_get(status, "version"));

		add(list, "guard", OK, NULL, "caissond %.32s answers", version ? version : "?");
		vouched = check_status(list, status, runcs);
	} else if (r == -ENOENT) {
		add(list, "guard", BROKEN, "run: caissonctl install; or give the guard's socket with --socket",
		    "%s is served by an engine, not by the guard", socket);
	} else {
		add(list, "guard", BROKEN, "look at: systemctl status caissond caissond.socket", "%s: %s", socket,
		    e.code ? e.msg : "the path is too long for a socket");
	}
	if (r == 0 || r == -ENOENT)
		check_engine(list, en);
	json_decref(status);
	engine_free(en);
	return vouched;
}

json_t *doctor_report(const char *settings, const char *socket)
{
	_cleanup_free_ struct runcs *runcs = calloc(1, sizeof *runcs);
	json_t *list = json_array();
	bool vouched;

	if (!list || !runcs) {
		json_decref(list);
		return NULL;
	}
	see_runcs(runcs);
	check_kernel(list);
	check_filesystems(list);
	check_userns(list);
	check_cgroup(list);
	check_programs(list);
	check_settings(list, settings);
	check_guard_socket(list, socket);
	vouched = check_guard(list, socket, runcs);
	check_private(list, "containerd's socket", "/run/containerd/containerd.sock",
		      "set [grpc] uid and gid to 0 in /etc/containerd/config.toml and restart containerd");
	check_runc(list, runcs, vouched);
	return list;
}
