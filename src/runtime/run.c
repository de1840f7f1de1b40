/* SPDX-License-Identifier: Apache-2.0 */
/* The last steps of a container process, the same for init and exec. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/num.h"
#include "runtime/copyup.h"
#include "runtime/init.h"
#include "sys/missing.h"

#define PASSWD_MAX   (1u << 20)
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *env_get(const struct oci_strv *env, const char *name)
{
	size_t len = strlen(name);

	/* The last one wins, as with every program that builds an environment. */
	for (size_t i = env->n; i-- > 0;)
		if (strncmp(env->v[i], name, len) == 0 && env->v[i][len] == '=')
			return env->v[i] + len + 1;
	return NULL;
}

void run_close_others(unsigned preserve, const int *keep, size_t n)
{
	unsigned from = 3 + preserve;

	for (;;) {
		unsigned next = ~0u;

		for (size_t i = 0; i < n; i++)
			if (keep[i] >= (int)from && (unsigned)keep[i] < next)
				next = (unsigned)keep[i];
		if (next == ~0u)
			break;
		if (next > from)
			(void)close_range(from, next - 1, 0);
		from = next + 1;
	}
	(void)close_range(from, ~0u, 0);
}

static int check_program(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return access(path, X_OK) < 0 ? -errno : 0;
}

static int find_program(const char *name, const char *search, char **ret, struct err *e)
{
	_cleanup_free_ char *copy = NULL;
	bool denied = false;
	char *dir, *p;
	int r;

	if (strchr(name, '/')) {
		r = check_program(name);
		if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
			return err_sys(e, -r, "unable to start container process: exec: \"%s\": stat %s", name,
				       name);
		if (r < 0)
			return err_sys(e, r == -EISDIR ? EISDIR : EACCES,
				       "unable to start container process: exec: \"%s\"", name);
		*ret = strdup(name);
		return *ret ? 0 : err_sys(e, ENOMEM, "exec");
	}
	copy = strdup(search);
	if (!copy)
		return err_sys(e, ENOMEM, "exec");
	for (p = copy; *name && (dir = strsep(&p, ":"));) {
		_cleanup_free_ char *path = NULL;

		if (asprintf(&path, "%s/%s", *dir ? dir : ".", name) < 0)
			return err_sys(e, ENOMEM, "exec");
		r = check_program(path);
		if (r == 0) {
			*ret = TAKE_PTR(path);
			return 0;
		}
		denied |= r == -EACCES;
	}
	if (denied)
		return err_sys(e, EACCES, "unable to start container process: exec: \"%s\"", name);
	return err_set(e, ENOENT,
		       "unable to start container process: exec: \"%s\": executable file not found in $PATH",
		       name);
}

/* WORKDIR may be a link into /proc/self/fd: be sure that we ended up below the root (A2, CVE-2024-21626). */
static int enter_cwd(const char *cwd, struct err *e)
{
	char buf[PATH_MAX];

	if (chdir(cwd) < 0)
		return err_sys(
			e, errno,
			"unable to start container process: chdir to cwd (\"%s\") set in config.json failed", cwd);
	if (syscall(SYS_getcwd, buf, sizeof buf) < 0 || buf[0] != '/')
		return err_set(e, EPERM, "process.cwd: \"%s\" leads out of the container", cwd);
	return 0;
}

/* While a process works in it, it is not forgotten either. As container root, who may. */
static void copy_up_cwd(const char *cwd)
{
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root >= 0 && strcmp(cwd, "/") != 0)
		copy_up_dir(root, cwd);
}

static void reset_signals(void)
{
	sigset_t mask;

	for (int i = 1; i < 65; i++)
		if (i != SIGKILL && i != SIGSTOP)
			(void)signal(i, SIG_DFL);
	(void)sigemptyset(&mask);
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
}

int run_prepare(const struct run_args *a, char **ret_path, struct err *e)
{
	const struct oci_process *p = a->process;
	const char *search = env_get(&p->env, "PATH");
	int r;

	if (p->args.n == 0)
		return err_set(e, EINVAL, "process.args: at least the program's name is needed");
	reset_signals();
	copy_up_cwd(p->cwd);
	r = confine_personality(a->linux_, e);
	/* Without a list there are none, as with runc: else root would get all of them by execve(2). */
	if (r == 0)
		r = confine_bounding(&p->caps, e);
	if (r == 0)
		r = confine_ids(&p->user, e);
	/* A change of ids sets what /proc/sys/fs/suid_dumpable says, which may be 1 (A21). */
	if (r == 0)
		(void)prctl(PR_SET_DUMPABLE, 0);
	if (r == 0)
		r = enter_cwd(p->cwd, e);
	if (r == 0)
		r = find_program(p->args.v[0], search ? search : DEFAULT_PATH, ret_path, e);
	return r;
}

/* HOME as login would set it: the sixth field of our line in the container's own /etc/passwd. */
static char *home_of(uint32_t uid)
{
	/* The image may have a fifo there, or anything else that never ends. */
	_cleanup_close_ int fd = open("/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	char *line, *home = NULL;
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		(void)io_read_fd(fd, PASSWD_MAX, &text, NULL);
	for (char *p = text; p && (line = strsep(&p, "\n"));) {
		char *field[7] = { 0 };
		uint32_t id;
		size_t n = 0;

		while (n < 7 && (field[n] = strsep(&line, ":")))
			n++;
		if (n >= 6 && num_u32(field[2], &id) == 0 && id == uid && field[5][0] == '/') {
			if (asprintf(&home, "HOME=%s", field[5]) < 0)
				home = NULL;
			return home;
		}
	}
	return strdup("HOME=/");
}

struct variable {
	char *text; /* owned */
	size_t name_len, at;
};

static int by_name(const void *a, const void *b)
{
	const struct variable *x = a, *y = b;
	size_t len = x->name_len < y->name_len ? x->name_len : y->name_len;
	int r = memcmp(x->text, y->text, len);

	if (r == 0)
		r = (x->name_len > y->name_len) - (x->name_len < y->name_len);
	return r != 0 ? r : (x->at > y->at) - (x->at < y->at);
}

static int by_place(const void *a, const void *b)
{
	const struct variable *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/* Of several with one name the last counts, as for runc; getenv(3) would take the first. */
static int drop_overridden(char **env, size_t *n)
{
	_cleanup_free_ struct variable *v = calloc(*n + 1, sizeof *v);
	size_t kept = 0;

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < *n; i++)
		v[i] = (struct variable){ env[i], strcspn(env[i], "="), i };
	qsort(v, *n, sizeof *v, by_name);
	for (size_t i = 0; i < *n; i++) {
		bool again = i + 1 < *n && v[i + 1].name_len == v[i].name_len &&
			     memcmp(v[i + 1].text, v[i].text, v[i].name_len) == 0;

		if (again)
			free(v[i].text);
		else
			v[kept++] = v[i];
	}
	qsort(v, kept, sizeof *v, by_place);
	for (size_t i = 0; i < kept; i++)
		env[i] = v[i].text;
	env[kept] = NULL;
	*n = kept;
	return 0;
}

static int make_env(const struct run_args *a, char ***ret, struct err *e)
{
	const struct oci_strv *env = &a->process->env;
	_cleanup_free_ char **out = calloc(env->n + ARRAY_SIZE(a->extra_env) + 2, sizeof *out);
	size_t n = 0;

	for (size_t i = 0; out && i < env->n; i++)
		if (!(out[n++] = strdup(env->v[i])))
			return err_sys(e, ENOMEM, "environment");
	for (size_t i = 0; out && i < ARRAY_SIZE(a->extra_env) && a->extra_env[i]; i++)
		if (!(out[n++] = strdup(a->extra_env[i])))
			return err_sys(e, ENOMEM, "environment");
	if (out && !env_get(env, "HOME"))
		out[n++] = home_of(a->process->user.uid);
	if (!out || !out[n > 0 ? n - 1 : 0] || drop_overridden(out, &n) < 0)
		return err_sys(e, ENOMEM, "environment");
	*ret = TAKE_PTR(out);
	return 0;
}

/*
 * The filter may trap any system call that would hand over its own listener (a deadlock runc and crun both had), so
 * the other side takes the fd out of this process: told its number before, it answers when it has it.
 */
static int load_program(const struct run_args *a, const struct seccomp_program *program, struct err *e)
{
	int listener = -EBADF, r, expected;
	char c;

	if (program->n == 0)
		return 0;
	if (program->listener) {
		expected = fcntl(a->notify_fd, F_DUPFD_CLOEXEC, 3);
		if (expected < 0)
			return err_sys(e, errno, "reserve seccomp listener");
		(void)fd_close(expected);
		if (send(a->notify_fd, &expected, sizeof expected, MSG_NOSIGNAL) != sizeof expected)
			return err_sys(e, errno, "announce seccomp listener");
	}
	r = seccomp_program_load(program, &listener, e);
	if (r == 0 && program->listener && read(a->notify_fd, &c, 1) != 1)
		r = err_set(e, EPIPE, "nobody took the seccomp listener");
	return r;
}

/* At most one of the two has a listener. The profile comes last: it may refuse seccomp(2). */
static int load_seccomp(const struct run_args *a, struct err *e)
{
	int r = load_program(a, a->traps, e);

	return r < 0 ? r : load_program(a, a->seccomp, e);
}

int run_exec(const struct run_args *a, const char *path, struct err *e)
{
	const struct oci_process *p = a->process;
	_cleanup_free_ const char **argv = calloc(p->args.n + 1, sizeof *argv);
	char **envp = NULL;
	int r;

	if (!argv)
		return err_sys(e, ENOMEM, "exec");
	memcpy(argv, p->args.v, p->args.n * sizeof *argv);
	r = make_env(a, &envp, e);
	if (r == 0)
		r = confine_lsm_apply(a->proc_fd, p->apparmor_profile, p->selinux_label, e);
	if (r == 0 && p->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = err_sys(e, errno, "set no_new_privs");
	/* Without no_new_privs loading a filter takes a capability that may be gone afterwards. */
	if (r == 0 && !p->no_new_privileges)
		r = load_seccomp(a, e);
	if (r == 0)
		r = confine_caps(&p->caps, e);
	if (r == 0 && p->no_new_privileges)
		r = load_seccomp(a, e);
	if (r < 0)
		return r;
	for (unsigned i = 3; i < 3 + a->preserve_fds; i++)
		(void)fcntl((int)i, F_SETFD, 0);
	(void)execve(path, (char *const *)(uintptr_t)argv, envp);
	return err_sys(e, errno, "unable to start container process: exec %s", path);
}
