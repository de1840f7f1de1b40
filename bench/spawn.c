/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn - time several commands, or several OCI runtimes, against each other in one session.
 *
 *   spawn [-n ROUNDS] [-w WARMUP] [-p PAUSE_MS] [-b BUNDLE] [-l LOGDIR] :: NAME[,FLAG...] ARGV... [:: ...]
 *
 * Each "::" opens a lane. A round takes one sample of every lane, in an order shuffled anew each round (a fixed
 * order would let one lane always pay for what its predecessor left to the kernel's workers), with a pause before
 * each sample. Flags of a lane:
 *
 *   (none)  run ARGV, one sample is posix_spawn() to wait4()
 *   oci     ARGV is a runtime with its global options; one sample is create, start, the end of the container, delete
 *   exec    as oci, but one container is kept and a sample is "ARGV exec ID /bin/true"
 *   hold    one sample is create and start of one more container; all of them stay alive until the end
 *   hide    the lane runs in a mount namespace without /sys/fs/cgroup/unified
 *   out     also report lines "KEY NUMBER" that the command prints
 *
 * A lane is a process of its own, so "hide" is entered once, before the first sample, and costs the samples nothing;
 * it is a child subreaper, as the shim of an engine is, and waits for the container itself.
 *
 * Output: "NAME KEY MEDIAN MIN P90 SAMPLES" per figure; times in microseconds, maxrss in KiB (maximum of what the
 * runtime's processes and the container reached). "first10" and "last10" are medians of the ends of the run.
 * Exit status: 0, 1 if a lane failed (its line is "NAME failed 0 0 0 0"), 2 for wrong usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/num.h"

extern char **environ;

enum {
	LANES_MAX = 8,
	ARGS_MAX = 64,
	VALUES_MAX = 16,
	KEY_MAX = 24,
	FAILURES_MAX = 3,
	EDGE = 10,    /* samples at each end of a run that "first10" and "last10" stand for */
	LIMIT_S = 60, /* a command that takes longer is killed and counts as failed */
};

enum lane_kind { LANE_CMD, LANE_OCI, LANE_EXEC, LANE_HOLD };
enum order { ORDER_WARM = 'w', ORDER_SAMPLE = 's' };

struct value {
	char key[KEY_MAX];
	double v;
};

/* What a worker answers to one order; small enough for one SOCK_SEQPACKET message. */
struct sample {
	int code; /* 0 or the errno of the failure that @msg explains */
	char msg[256];
	size_t n;
	struct value values[VALUES_MAX];
};

struct lane {
	char name[32];
	enum lane_kind kind;
	bool hide, out;
	char **argv;
	size_t argc;
	pid_t pid;
	int sock;
	unsigned failures;
	struct sample *samples; /* only those that went well */
	size_t n_samples;
};

/* State of a lane's own process. */
struct worker {
	const struct lane *lane;
	const char *bundle;
	char pid_file[PATH_MAX];
	int log;
	long maxrss;
	unsigned n_held; /* containers "NAME-0" to "NAME-(n-1)" are alive */
};

struct options {
	uint64_t rounds, warmup, pause_ms;
	const char *bundle, *logdir;
};

static volatile sig_atomic_t stopped;
static volatile sig_atomic_t victim; /* the command that SIGALRM ends */

static void on_stop(int sig)
{
	(void)sig;
	stopped = 1;
}

static void on_alarm(int sig)
{
	(void)sig;
	if (victim > 0)
		(void)kill((pid_t)victim, SIGKILL);
}

static double now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void sample_add(struct sample *s, const char *key, double v)
{
	if (s->n == VALUES_MAX)
		return;
	(void)snprintf(s->values[s->n].key, KEY_MAX, "%s", key);
	s->values[s->n].v = v;
	s->n++;
}

/* ---- one command ---- */

static int spawn_child(struct worker *w, char *const argv[], int out, pid_t *ret, struct err *e)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t def, none;
	int r;

	(void)posix_spawn_file_actions_init(&fa);
	(void)posix_spawnattr_init(&attr);
	(void)posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	if (out >= 0)
		(void)posix_spawn_file_actions_adddup2(&fa, out, 1);
	else
		(void)posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
	(void)posix_spawn_file_actions_adddup2(&fa, w->log, 2);
	(void)sigemptyset(&none);
	(void)sigemptyset(&def);
	(void)sigaddset(&def, SIGINT);
	(void)sigaddset(&def, SIGTERM);
	(void)posix_spawnattr_setsigdefault(&attr, &def);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	r = posix_spawnp(ret, argv[0], &fa, &attr, argv, environ);
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&fa);
	return r ? err_sys(e, r, "run %s", argv[0]) : 0;
}

/* Run @argv to its end. *@ret_us is what posix_spawn() and wait4() took together. */
static int command_run(struct worker *w, char *const argv[], int out, double *ret_us, struct err *e)
{
	struct rusage ru;
	double begin;
	pid_t pid;
	int st, r;

	(void)alarm(LIMIT_S);
	begin = now_us();
	r = spawn_child(w, argv, out, &pid, e);
	if (r < 0)
		return r;
	victim = pid;
	while (wait4(pid, &st, 0, &ru) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "wait for %s", argv[0]);
	*ret_us = now_us() - begin;
	victim = 0;
	(void)alarm(0);
	if (ru.ru_maxrss > w->maxrss)
		w->maxrss = ru.ru_maxrss;
	if (WIFSIGNALED(st))
		return err_set(e, ECANCELED, "%s %s: ended by signal %d", argv[0], argv[1] ? argv[1] : "",
			       WTERMSIG(st));
	if (WEXITSTATUS(st) != 0)
		return err_set(e, ECANCELED, "%s %s: exit status %d", argv[0], argv[1] ? argv[1] : "",
			       WEXITSTATUS(st));
	return 0;
}

/* The lane's ARGV followed by the NULL-terminated arguments given, then command_run(). */
static int runtime_run(struct worker *w, double *ret_us, struct err *e, const char *const args[])
{
	char *argv[ARGS_MAX + 1];
	size_t n = 0;

	for (; n < w->lane->argc; n++)
		argv[n] = w->lane->argv[n];
	for (size_t i = 0; args[i] && n < ARGS_MAX; i++)
		argv[n++] = (char *)(uintptr_t)args[i];
	argv[n] = NULL;
	return command_run(w, argv, -1, ret_us, e);
}

/* ---- one container ---- */

static int pid_file_read(const struct worker *w, pid_t *ret, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	uint64_t v;
	int r;

	r = io_read_at(AT_FDCWD, w->pid_file, 64, &text, NULL);
	if (r < 0)
		return err_ctx(e, r, "read %s", w->pid_file);
	text[strcspn(text, "\n")] = '\0';
	r = num_u64(text, INT_MAX, &v);
	if (r < 0)
		return err_ctx(e, r, "pid in %s", w->pid_file);
	*ret = (pid_t)v;
	return 0;
}

/*
 * Wait for the end of the container's process. @must_be_0: its exit status must be, as far as we are its parent.
 * Its rusage counts: until exec it was the runtime.
 */
static int container_wait(struct worker *w, pid_t pid, int pidfd, bool must_be_0, struct err *e)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	struct rusage ru;
	int st, r;

	if (pidfd >= 0) {
		do
			r = poll(&p, 1, LIMIT_S * 1000);
		while (r < 0 && errno == EINTR);
		if (r == 0)
			return err_set(e, ETIMEDOUT, "container process %d did not end", pid);
	}
	if (wait4(pid, &st, WNOHANG, &ru) != pid)
		return 0;
	if (ru.ru_maxrss > w->maxrss)
		w->maxrss = ru.ru_maxrss;
	if (must_be_0 && st != 0)
		return err_set(e, ECANCELED, "container process ended with wait status %#x", (unsigned)st);
	return 0;
}

/* Collect whatever else was left to us as subreaper; not part of any sample's time. */
static void reap_strays(struct worker *w)
{
	struct rusage ru;

	while (wait4(-1, NULL, WNOHANG, &ru) > 0)
		if (ru.ru_maxrss > w->maxrss)
			w->maxrss = ru.ru_maxrss;
}

static void container_name(const struct worker *w, unsigned i, char *ret, size_t size)
{
	(void)snprintf(ret, size, "cbench-%s-%d-%u", w->lane->name, (int)getpid(), i);
}

/* create and start. On failure nothing of the container is left, as far as the runtime can remove it. */
static int container_up(struct worker *w, const char *id, double us[2], pid_t *ret_pid, int *ret_pidfd,
			struct err *e)
{
	_cleanup_close_ int pidfd = -EBADF;
	double ignored;
	pid_t pid = 0;
	int r;

	(void)unlink(w->pid_file);
	r = runtime_run(w, &us[0], e,
			(const char *[]){ "create", "--bundle", w->bundle, "--pid-file", w->pid_file, id, NULL });
	if (r >= 0)
		r = pid_file_read(w, &pid, e);
	if (r >= 0) {
		pidfd = pidfd_open(pid, 0);
		r = runtime_run(w, &us[1], e, (const char *[]){ "start", id, NULL });
	}
	if (r < 0) {
		(void)runtime_run(w, &ignored, NULL, (const char *[]){ "delete", "--force", id, NULL });
		return r;
	}
	*ret_pid = pid;
	*ret_pidfd = TAKE_FD(pidfd);
	return 0;
}

/* Kill, wait, delete. "delete --force" alone would wait for a parent to reap, and the parent is us. */
static int container_down(struct worker *w, const char *id, pid_t pid, struct err *e)
{
	_cleanup_close_ int pidfd = pid > 0 ? pidfd_open(pid, 0) : -EBADF;
	double ignored;
	int r;

	r = runtime_run(w, &ignored, e, (const char *[]){ "kill", id, "KILL", NULL });
	if (r >= 0)
		r = container_wait(w, pid, pidfd, false, e);
	reap_strays(w);
	if (r >= 0)
		r = runtime_run(w, &ignored, e, (const char *[]){ "delete", id, NULL });
	if (r < 0)
		(void)runtime_run(w, &ignored, NULL, (const char *[]){ "delete", "--force", id, NULL });
	return r;
}

static int sample_oci(struct worker *w, struct sample *s, struct err *e)
{
	_cleanup_close_ int pidfd = -EBADF;
	double begin, us[3], ignored, total;
	pid_t pid = 0;
	char id[96];
	int r;

	container_name(w, 0, id, sizeof(id));
	begin = now_us();
	r = container_up(w, id, us, &pid, &pidfd, e);
	if (r < 0)
		return r;
	r = container_wait(w, pid, pidfd, true, e);
	if (r >= 0)
		r = runtime_run(w, &us[2], e, (const char *[]){ "delete", id, NULL });
	total = now_us() - begin;
	if (r < 0) {
		(void)runtime_run(w, &ignored, NULL, (const char *[]){ "delete", "--force", id, NULL });
		return r;
	}
	sample_add(s, "total", total);
	sample_add(s, "create", us[0]);
	sample_add(s, "start", us[1]);
	sample_add(s, "delete", us[2]);
	return 0;
}

/* One more container that stays. Its pid is kept in the pid file "<pid_file>.<n>" for the end of the run. */
static int sample_hold(struct worker *w, struct sample *s, struct err *e)
{
	_cleanup_close_ int pidfd = -EBADF;
	char id[96], kept[PATH_MAX + 16];
	pid_t pid = 0;
	double us[2];
	int r;

	container_name(w, w->n_held, id, sizeof(id));
	(void)snprintf(kept, sizeof(kept), "%s.%u", w->pid_file, w->n_held);
	r = container_up(w, id, us, &pid, &pidfd, e);
	if (r < 0)
		return r;
	if (rename(w->pid_file, kept) < 0)
		return err_sys(e, errno, "rename %s", w->pid_file);
	w->n_held++;
	sample_add(s, "total", us[0] + us[1]);
	sample_add(s, "create", us[0]);
	sample_add(s, "start", us[1]);
	return 0;
}

static void held_down(struct worker *w)
{
	size_t end = strlen(w->pid_file);
	struct err e = { 0 };
	char id[96];

	while (w->n_held > 0) {
		pid_t pid = 0;

		w->n_held--;
		container_name(w, w->n_held, id, sizeof(id));
		(void)snprintf(w->pid_file + end, sizeof(w->pid_file) - end, ".%u", w->n_held);
		(void)pid_file_read(w, &pid, &e);
		if (container_down(w, id, pid, &e) < 0)
			(void)fprintf(stderr, "spawn: %s: remove %s: %s\n", w->lane->name, id, e.msg);
		(void)unlink(w->pid_file);
		w->pid_file[end] = '\0';
	}
}

/* ---- a lane's process ---- */

/* Lines "KEY NUMBER" become values; anything else a command may print is ignored. */
static void sample_parse(struct sample *s, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *blank = strchr(line, ' ');
		char *end;
		double v;

		if (!blank)
			continue;
		*blank = '\0';
		v = strtod(blank + 1, &end);
		if (end != blank + 1 && (*end == '\0' || *end == '\r'))
			sample_add(s, line, v);
	}
}

static int sample_command(struct worker *w, struct sample *s, struct err *e)
{
	_cleanup_close_ int rd = -EBADF, wr = -EBADF;
	_cleanup_free_ char *text = NULL;
	double us;
	int p[2], r;

	if (!w->lane->out) {
		r = command_run(w, w->lane->argv, -1, &us, e);
		if (r >= 0)
			sample_add(s, "total", us);
		return r;
	}
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	rd = p[0];
	wr = p[1];
	r = command_run(w, w->lane->argv, wr, &us, e); /* what it prints must fit into the pipe */
	if (r < 0)
		return r;
	wr = fd_close(wr);
	r = io_read_fd(rd, 65536, &text, NULL);
	if (r < 0)
		return err_ctx(e, r, "read output of %s", w->lane->argv[0]);
	sample_add(s, "total", us);
	sample_parse(s, text);
	return 0;
}

static int sample_exec(struct worker *w, struct sample *s, struct err *e)
{
	char id[96];
	double us;
	int r;

	if (w->n_held == 0) {
		struct sample ignored = { 0 };

		r = sample_hold(w, &ignored, e);
		if (r < 0)
			return r;
	}
	container_name(w, 0, id, sizeof(id));
	r = runtime_run(w, &us, e, (const char *[]){ "exec", id, "/bin/true", NULL });
	if (r >= 0)
		sample_add(s, "total", us);
	return r;
}

static int sample_take(struct worker *w, enum order order, struct sample *s, struct err *e)
{
	int r = -EINVAL;

	w->maxrss = 0;
	switch (w->lane->kind) {
	case LANE_CMD:
		r = sample_command(w, s, e);
		break;
	case LANE_OCI:
		r = sample_oci(w, s, e);
		break;
	case LANE_EXEC:
		r = sample_exec(w, s, e);
		break;
	case LANE_HOLD:
		r = sample_hold(w, s, e);
		if (order == ORDER_WARM)
			held_down(w);
		break;
	}
	if (w->lane->kind != LANE_EXEC)
		reap_strays(w);
	if (r >= 0)
		sample_add(s, "maxrss", (double)w->maxrss);
	return r;
}

static int worker_hide(struct err *e)
{
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, errno, "new mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, errno, "make mounts private");
	if (umount2("/sys/fs/cgroup/unified", MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
		return err_sys(e, errno, "unmount /sys/fs/cgroup/unified");
	return 0;
}

/* Answer orders until the parent closes its end, then remove every container that is still held. */
static int worker_loop(struct worker *w, int sock)
{
	struct err setup = { 0 };
	char order;
	int r = 0;

	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		r = err_sys(&setup, errno, "become child subreaper");
	if (r >= 0 && w->lane->hide)
		r = worker_hide(&setup);
	while (recv(sock, &order, 1, 0) == 1) {
		struct sample s = { 0 };
		struct err e = setup;

		if (r >= 0)
			(void)sample_take(w, (enum order)order, &s, &e);
		s.code = e.code;
		(void)snprintf(s.msg, sizeof(s.msg), "%.255s", e.msg);
		if (send(sock, &s, sizeof(s), MSG_NOSIGNAL) != (ssize_t)sizeof(s))
			break;
	}
	held_down(w);
	reap_strays(w);
	(void)unlink(w->pid_file);
	return 0;
}

static void worker_main(const struct lane *l, const struct options *o, int sock)
{
	struct worker w = { .lane = l, .bundle = o->bundle, .log = -EBADF };
	char log[PATH_MAX];

	/* A ^C goes to the whole group; the worker ends when its parent closes the socket, after cleaning up. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)sigaction(SIGALRM, &(struct sigaction){ .sa_handler = on_alarm }, NULL);
	(void)snprintf(w.pid_file, sizeof(w.pid_file), "%s/%s-%d.pid", o->logdir, l->name, (int)getpid());
	(void)snprintf(log, sizeof(log), "%s/%s.err", o->logdir, l->name);
	w.log = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (w.log < 0) {
		(void)fprintf(stderr, "spawn: open %s: %s\n", log, strerror(errno));
		_exit(1);
	}
	_exit(worker_loop(&w, sock));
}

/* ---- rounds ---- */

static int lane_start(struct lane *l, const struct options *o, struct lane *all, size_t n, struct err *e)
{
	int sp[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp) < 0)
		return err_sys(e, errno, "socketpair");
	l->pid = fork();
	if (l->pid < 0)
		return err_sys(e, errno, "fork");
	if (l->pid == 0) {
		/* A copy of the parent's end, here or of another lane, would keep that lane from seeing the end. */
		(void)close(sp[0]);
		for (size_t i = 0; i < n; i++)
			if (all[i].sock >= 0)
				(void)close(all[i].sock);
		worker_main(l, o, sp[1]);
	}
	(void)close(sp[1]);
	l->sock = sp[0];
	return 0;
}

static void lane_order(struct lane *l, enum order order)
{
	char c = (char)order;
	struct sample s;
	ssize_t n;

	if (l->failures >= FAILURES_MAX)
		return;
	if (send(l->sock, &c, 1, MSG_NOSIGNAL) != 1) {
		l->failures = FAILURES_MAX;
		return;
	}
	do
		n = recv(l->sock, &s, sizeof(s), 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(s)) {
		l->failures = FAILURES_MAX;
		return;
	}
	if (s.code) {
		l->failures++;
		(void)fprintf(stderr, "spawn: %s: %s\n", l->name, s.msg);
		return;
	}
	if (order == ORDER_SAMPLE)
		l->samples[l->n_samples++] = s;
}

static void pause_ms(uint64_t ms)
{
	struct timespec t = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };

	if (!stopped)
		(void)nanosleep(&t, NULL);
}

/* Fisher-Yates with a fixed seed: two runs of the bench have the same order. */
static void shuffle(size_t *order, size_t n)
{
	static uint64_t x = 88172645463325252u;

	for (size_t i = n; i > 1; i--) {
		size_t j, t;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		j = (size_t)(x % i);
		t = order[i - 1];
		order[i - 1] = order[j];
		order[j] = t;
	}
}

static void rounds_run(struct lane *lanes, size_t n, const struct options *o)
{
	size_t order[LANES_MAX];

	for (size_t i = 0; i < n; i++)
		order[i] = i;
	for (uint64_t round = 0; round < o->warmup + o->rounds && !stopped; round++) {
		shuffle(order, n);
		for (size_t i = 0; i < n && !stopped; i++) {
			pause_ms(o->pause_ms);
			lane_order(&lanes[order[i]], round < o->warmup ? ORDER_WARM : ORDER_SAMPLE);
		}
	}
}

/* ---- report ---- */

static int double_cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts @v. */
static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), double_cmp);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* Values number @k of samples @from to @to, as far as they have the same key as the first sample's. */
static size_t collect(const struct lane *l, size_t k, size_t from, size_t to, double *ret)
{
	size_t n = 0;

	for (size_t i = from; i < to; i++)
		if (k < l->samples[i].n && strcmp(l->samples[i].values[k].key, l->samples[0].values[k].key) == 0)
			ret[n++] = l->samples[i].values[k].v;
	return n;
}

static void lane_report(const struct lane *l)
{
	_cleanup_free_ double *v = calloc(l->n_samples + 1, sizeof(*v));
	size_t n;

	if (!v || l->n_samples == 0 || l->failures >= FAILURES_MAX) {
		(void)printf("%s failed 0 0 0 0\n", l->name);
		return;
	}
	for (size_t k = 0; k < l->samples[0].n; k++) {
		const char *key = l->samples[0].values[k].key;
		double mid;

		n = collect(l, k, 0, l->n_samples, v);
		mid = median(v, n);
		if (strcmp(key, "maxrss") == 0)
			mid = v[n - 1];
		(void)printf("%s %s %.3f %.3f %.3f %zu\n", l->name, key, mid, v[0], v[n - 1 - n / 10], n);
	}
	if (l->n_samples < 2 * EDGE)
		return;
	n = collect(l, 0, 0, EDGE, v);
	(void)printf("%s first10 %.3f %.3f %.3f %zu\n", l->name, median(v, n), v[0], v[n - 1], n);
	n = collect(l, 0, l->n_samples - EDGE, l->n_samples, v);
	(void)printf("%s last10 %.3f %.3f %.3f %zu\n", l->name, median(v, n), v[0], v[n - 1], n);
}

/* ---- command line ---- */

static int lane_parse(struct lane *l, char **argv, size_t argc, struct err *e)
{
	char *save = NULL;
	char *word = strtok_r(argv[0], ",", &save);

	*l = (struct lane){ .argv = argv + 1, .argc = argc - 1, .sock = -EBADF };
	if (!word || argc < 2 || argc > ARGS_MAX - 8)
		return err_set(e, EINVAL, "a lane is \":: NAME[,FLAG...] COMMAND [ARGUMENT...]\"");
	(void)snprintf(l->name, sizeof(l->name), "%s", word);
	while ((word = strtok_r(NULL, ",", &save))) {
		if (strcmp(word, "oci") == 0)
			l->kind = LANE_OCI;
		else if (strcmp(word, "exec") == 0)
			l->kind = LANE_EXEC;
		else if (strcmp(word, "hold") == 0)
			l->kind = LANE_HOLD;
		else if (strcmp(word, "hide") == 0)
			l->hide = true;
		else if (strcmp(word, "out") == 0)
			l->out = true;
		else
			return err_set(e, EINVAL, "lane %s: unknown flag '%s'", l->name, word);
	}
	return 0;
}

/* Splits at "::", which is overwritten with the NULL that ends the lane before. Return: number of lanes. */
static int lanes_parse(char **argv, struct lane *lanes, struct err *e)
{
	size_t n = 0;

	while (*argv) {
		size_t len = 0;
		int r;

		if (strcmp(*argv, "::") != 0)
			return err_set(e, EINVAL, "'%s' where '::' is expected", *argv);
		*argv++ = NULL;
		while (argv[len] && strcmp(argv[len], "::") != 0)
			len++;
		if (n == LANES_MAX || len == 0)
			return err_set(e, EINVAL, "1 to %d lanes, none of them empty", LANES_MAX);
		r = lane_parse(&lanes[n], argv, len, e);
		if (r < 0)
			return r;
		n++;
		argv += len;
	}
	return n ? (int)n : err_set(e, EINVAL, "no lane");
}

static int options_parse(int argc, char **argv, struct options *o, struct err *e)
{
	int c, r = 0;

	while (r >= 0 && (c = getopt(argc, argv, "+n:w:p:b:l:")) != -1) {
		switch (c) {
		case 'n':
			r = num_u64(optarg, 100000, &o->rounds);
			break;
		case 'w':
			r = num_u64(optarg, 1000, &o->warmup);
			break;
		case 'p':
			r = num_u64(optarg, 10000, &o->pause_ms);
			break;
		case 'b':
			o->bundle = optarg;
			break;
		case 'l':
			o->logdir = optarg;
			break;
		default:
			return err_set(e, EINVAL, "unknown option");
		}
	}
	return r < 0 ? err_ctx(e, r, "option -%c %s", c, optarg) : 0;
}

int main(int argc, char **argv)
{
	struct options o = { .rounds = 20, .warmup = 3, .pause_ms = 20, .bundle = ".", .logdir = "." };
	struct lane lanes[LANES_MAX];
	struct err e = { 0 };
	bool failed = false;
	int n, r;

	n = options_parse(argc, argv, &o, &e);
	if (n >= 0)
		n = lanes_parse(argv + optind, lanes, &e);
	if (n < 0) {
		(void)fprintf(stderr, "spawn: %s\n", e.msg);
		return 2;
	}
	(void)sigaction(SIGINT, &(struct sigaction){ .sa_handler = on_stop }, NULL);
	(void)sigaction(SIGTERM, &(struct sigaction){ .sa_handler = on_stop }, NULL);
	for (int i = 0; i < n; i++) {
		lanes[i].samples = calloc(o.rounds + 1, sizeof(struct sample));
		r = lanes[i].samples ? lane_start(&lanes[i], &o, lanes, (size_t)n, &e)
				     : err_sys(&e, ENOMEM, "samples");
		if (r < 0) {
			(void)fprintf(stderr, "spawn: %s\n", e.msg);
			stopped = 1;
			break;
		}
	}
	rounds_run(lanes, (size_t)n, &o);
	for (int i = 0; i < n; i++)
		(void)fd_close(lanes[i].sock);
	for (int i = 0; i < n; i++)
		while (lanes[i].pid > 0 && waitpid(lanes[i].pid, NULL, 0) < 0 && errno == EINTR)
			;
	for (int i = 0; i < n; i++) {
		lane_report(&lanes[i]);
		failed |= lanes[i].n_samples == 0 || lanes[i].failures >= FAILURES_MAX;
		free(lanes[i].samples);
	}
	return failed || stopped;
}
