/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes behind the back of whoever acts for a caller. Prints one line for each thing that is wrong, "end ..." at the end.
 *
 *   race swap DIR OTHER N   while mount(2) and mknod(2) below DIR/sw go on, DIR/sw turns into a link to OTHER and back;
 *                           what is told to have been made must be there, in one of the two places
 *   race signals DIR N      signals at 10 kHz: as many effects as successes
 *   race tids DIR SECONDS   few process numbers: callers that may and are killed, callers that may not
 *   race creds DIR N        threads of one process with other rights
 *   race files DIR          threads of one process with other descriptors
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NULL_DEV makedev(1, 3)

static char dir[200];
static volatile bool stop;

static const char *in(const char *name)
{
	static _Thread_local char path[4][300];
	static _Thread_local unsigned turn;
	char *at = path[turn++ % 4];

	(void)snprintf(at, sizeof path[0], "%s/%s", dir, name);
	return at;
}

/* Procfs mounts whose place is exactly @path. */
static int mounts_at(const char *path)
{
	char *line = NULL, at[400], root[400], *type;
	size_t size = 0;
	int n = 0;
	FILE *f = fopen("/proc/thread-self/mountinfo", "re");

	while (f && getline(&line, &size, f) > 0) {
		type = strstr(line, " - ");
		if (type && sscanf(line, "%*s %*s %*s %399s %399s", root, at) == 2 && strcmp(at, path) == 0 &&
		    strcmp(root, "/") == 0 && strncmp(type, " - proc ", 8) == 0)
			n++;
	}
	free(line);
	if (f)
		(void)fclose(f);
	return n;
}

static void take_all(const char *path)
{
	while (umount2(path, MNT_DETACH) == 0)
		;
}

static void expect(const char *what, long got, long want)
{
	if (got != want)
		printf("WRONG %s: %ld, not %ld\n", what, got, want);
}

/* ---- swap -------------------------------------------------------------------------------------------------------- */

static void *swapper(void *arg)
{
	(void)arg;
	while (!stop)
		(void)renameat2(AT_FDCWD, in("sw"), AT_FDCWD, in("alt"), RENAME_EXCHANGE);
	return NULL;
}

static void swap_to(const char *link, const char *other, int n)
{
	char here[300], there[300], name[40], node[300];
	int ok = 0, nodes = 0, found = 0;
	pthread_t t;

	(void)mkdir(in("sw"), 0755);
	(void)mkdir(in("sw/t"), 0755);
	(void)unlink(in("alt"));
	if (symlink(link, in("alt")) < 0) {
		perror(link);
		exit(2);
	}
	stop = false;
	(void)pthread_create(&t, NULL, swapper, NULL);
	for (int i = 0; i < n; i++) {
		if (mount("proc", in("sw/t"), "proc", 0, NULL) == 0)
			ok++;
		(void)snprintf(name, sizeof name, "sw/n%d", i);
		if (mknod(in(name), S_IFCHR | 0600, NULL_DEV) == 0)
			nodes++;
	}
	stop = true;
	(void)pthread_join(t, NULL);
	/* The directory at its own name again. */
	if (readlink(in("sw"), here, sizeof here) > 0)
		(void)renameat2(AT_FDCWD, in("sw"), AT_FDCWD, in("alt"), RENAME_EXCHANGE);
	(void)snprintf(here, sizeof here, "%s", in("sw/t"));
	(void)snprintf(there, sizeof there, "%s/t", other);
	expect("mounts", mounts_at(here) + mounts_at(there), ok);
	for (int i = 0; i < n; i++) {
		(void)snprintf(name, sizeof name, "sw/n%d", i);
		found += unlink(in(name)) == 0;
		(void)snprintf(node, sizeof node, "%s/n%d", other, i);
		found += unlink(node) == 0;
	}
	expect("nodes", found, nodes);
	printf("%s: %d mounts, %d nodes\n", link, ok, nodes);
	take_all(here);
	take_all(there);
}

static int swap(const char *other, int n)
{
	char link[300];

	swap_to(other, other, n);
	(void)snprintf(link, sizeof link, "../../../../../../../../../..%s", other);
	swap_to(link, other, n);
	(void)snprintf(link, sizeof link, "/proc/self/root%s", other);
	swap_to(link, other, n);
	(void)snprintf(link, sizeof link, "/proc/self/task/%d/root%s", getpid(), other);
	swap_to(link, other, n);
	printf("end\n");
	return 0;
}

/* ---- signals ----------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t signals_seen;

static void on_alarm(int sig)
{
	(void)sig;
	signals_seen++;
}

static void timer(int us)
{
	const struct itimerval v = { { 0, us }, { 0, us } };

	(void)setitimer(ITIMER_REAL, &v, NULL);
}

static void signal_round(int n, int flags, int us)
{
	const struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = flags };
	int mounted = 0, taken = 0, nodes = 0, twice = 0, odd = 0, tries = 0, there;
	struct sysinfo info;
	struct stat st;
	char name[40];

	(void)sigaction(SIGALRM, &sa, NULL);
	timer(us);
	for (int i = 0; i < n; i++) {
		if (mount("proc", in("t"), "proc", 0, NULL) == 0)
			mounted++;
		else if (errno != EINTR)
			odd++;
	}
	timer(0);
	there = mounts_at(in("t"));
	expect("mounts", there, mounted);
	timer(us);
	while (taken < mounted && tries++ < 10 * n) {
		if (umount2(in("t"), 0) == 0)
			taken++;
		else if (errno != EINTR)
			odd++;
	}
	timer(0);
	expect("unmounts", there - mounts_at(in("t")), taken);
	take_all(in("t"));
	timer(us);
	for (int i = 0; i < n; i++) {
		(void)snprintf(name, sizeof name, "n%d", i);
		if (mknod(in(name), S_IFCHR | 0600, NULL_DEV) == 0)
			nodes++;
		else if (errno == EEXIST)
			twice++;
		else if (errno != EINTR)
			odd++;
		if (sysinfo(&info) < 0 && errno != EINTR)
			odd++;
	}
	timer(0);
	for (int i = 0; i < n; i++) {
		(void)snprintf(name, sizeof name, "n%d", i);
		if (lstat(in(name), &st) == 0)
			nodes--;
		(void)unlink(in(name));
	}
	expect("nodes", nodes, 0);
	expect("nodes that were made twice", twice, 0);
	expect("other errors", odd, 0);
	/* Before anybody has taken it, a call is given up for a handler without SA_RESTART: at 10 kHz, nearly every one. */
	if (mounted < (flags & SA_RESTART ? n : us > 100))
		printf("WRONG only %d of %d mounts\n", mounted, n);
}

static int signals(int n)
{
	(void)mkdir(in("t"), 0755);
	signal_round(n, 0, 100);
	signal_round(n, SA_RESTART, 100);
	signal_round(n, 0, 1000);
	printf("end %d signals\n", (int)signals_seen);
	return 0;
}

/* ---- tids -------------------------------------------------------------------------------------------------------- */

static void powerless(void)
{
	if (setgid(1000) < 0 || setuid(1000) < 0)
		_exit(77);
	_exit(mount("proc", in("b"), "proc", 0, NULL) == 0 || mount("/proc", in("b"), NULL, MS_BIND, NULL) == 0 ||
			      mknod(in("b/n"), S_IFCHR | 0600, NULL_DEV) == 0
		      ? 1
		      : 0);
}

/* The next process gets number @pid, when it is free. */
static void number_next(int fd, pid_t pid)
{
	char text[16];
	int len = snprintf(text, sizeof text, "%d", pid - 1);

	if (pwrite(fd, text, (size_t)len, 0) != len)
		printf("WRONG ns_last_pid: %s\n", strerror(errno));
}

static int tids(int seconds)
{
	int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC), rounds = 0, again = 0, status;
	time_t end = time(NULL) + seconds;
	unsigned seed = 7;

	(void)mkdir(in("a"), 0755);
	(void)mkdir(in("b"), 0777);
	(void)chmod(in("b"), 0777);
	while (time(NULL) < end) {
		pid_t strong = fork(), weak;

		if (strong == 0) {
			for (;;)
				(void)mount("proc", in("a"), "proc", 0, NULL);
		}
		(void)usleep((useconds_t)(rand_r(&seed) % 2000));
		(void)kill(strong, SIGKILL);
		(void)waitpid(strong, &status, 0);
		number_next(fd, strong);
		weak = fork();
		if (weak == 0)
			powerless();
		again += weak == strong;
		(void)waitpid(weak, &status, 0);
		if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
			printf("WRONG somebody without rights: %d\n", WEXITSTATUS(status));
		take_all(in("a"));
		rounds++;
	}
	expect("mounts of those without rights", mounts_at(in("b")), 0);
	if (again < rounds / 2)
		printf("WRONG %d of %d numbers were used again\n", again, rounds);
	printf("end %d rounds\n", rounds);
	return 0;
}

/* ---- creds ------------------------------------------------------------------------------------------------------- */

struct user {
	bool weak;
	gid_t gid;
	int n, good, bad;
	int number;
};

static int drop_all(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { 0 };

	return (int)syscall(SYS_capset, &h, d);
}

static void *user_main(void *arg)
{
	struct user *u = arg;
	char name[40], node[40];
	struct stat st;

	(void)snprintf(name, sizeof name, "u%d", u->number);
	(void)mkdir(in(name), 0777);
	if (u->weak)
		(void)drop_all();
	for (int i = 0; i < u->n; i++) {
		int r = mount("proc", in(name), "proc", 0, NULL), e = errno;

		if (u->weak ? r == 0 || e != EPERM : r != 0)
			u->bad++;
		else
			u->good++;
		if (r == 0)
			(void)umount2(in(name), MNT_DETACH);
		/* Of this thread alone: the library would change all. */
		(void)syscall(SYS_setfsgid, u->gid + (gid_t)(i % 2));
		(void)snprintf(node, sizeof node, "u%d-%d", u->number, i);
		r = mknod(in(node), S_IFCHR | 0600, NULL_DEV);
		if (u->weak ? r == 0 : r != 0 || lstat(in(node), &st) < 0 || st.st_gid != u->gid + (gid_t)(i % 2))
			u->bad++;
		(void)unlink(in(node));
	}
	return NULL;
}

static int creds(int n)
{
	struct user u[] = { { false, 0, n, 0, 0, 0 },
			    { true, 0, n, 0, 0, 1 },
			    { false, 2000, n, 0, 0, 2 },
			    { true, 3000, n, 0, 0, 3 } };
	pthread_t t[4];

	(void)chmod(dir, 0777);
	for (int i = 0; i < 4; i++)
		(void)pthread_create(&t[i], NULL, user_main, &u[i]);
	for (int i = 0; i < 4; i++) {
		(void)pthread_join(t[i], NULL);
		expect(u[i].weak ? "calls without rights" : "calls with rights", u[i].bad, 0);
		expect("calls", u[i].good, n);
	}
	printf("end\n");
	return 0;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static void where(const char *what, const char *want)
{
	static const char *const names[] = { "a", "b", "c" };
	int r = errno, n = 0;
	const char *found = "nowhere";

	for (int i = 0; i < 3; i++) {
		if (mounts_at(in(names[i])) > 0) {
			found = names[i];
			n++;
		}
		take_all(in(names[i]));
	}
	if (n > 1 || strcmp(found, want) != 0)
		printf("WRONG %s: %s, not %s (%s)\n", what, found, want, strerror(r));
}

static int put(int fd, const char *name)
{
	int from = open(in(name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dup3(from, fd, O_CLOEXEC);
}

static volatile bool leader_gone;

static void *other_files(void *arg)
{
	(void)arg;
	(void)unshare(CLONE_FILES);
	(void)put(100, "b");
	(void)mount("proc", "/proc/thread-self/fd/100", "proc", 0, NULL);
	where("thread-self", "b");
	/* "self" is the process, whose descriptors are those of its first thread. */
	(void)mount("proc", "/proc/self/fd/100", "proc", 0, NULL);
	where("self", "a");
	(void)unlink(in("b/n"));
	expect("mknodat", mknodat(100, "n", S_IFCHR | 0600, NULL_DEV), 0);
	expect("node in b", access(in("b/n"), F_OK), 0);
	expect("no node in a", access(in("a/n"), F_OK), -1);
	while (!leader_gone)
		(void)usleep(1000);
	(void)usleep(50000);
	expect("without the first thread", mount("proc", in("c"), "proc", 0, NULL), 0);
	where("without the first thread", "c");
	(void)mount("proc", "/proc/thread-self/fd/100", "proc", 0, NULL);
	where("thread-self without the first thread", "b");
	(void)mount("proc", "/proc/self/fd/100", "proc", 0, NULL);
	where("self without the first thread", "nowhere");
	printf("end\n");
	(void)fflush(stdout);
	_exit(0);
}

static int files(void)
{
	pthread_t t;

	(void)mkdir(in("a"), 0755);
	(void)mkdir(in("b"), 0755);
	(void)mkdir(in("c"), 0755);
	(void)put(100, "a");
	(void)pthread_create(&t, NULL, other_files, NULL);
	(void)usleep(300000);
	leader_gone = true;
	pthread_exit(NULL);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	(void)snprintf(dir, sizeof dir, "%s", argv[2]);
	if (strcmp(argv[1], "swap") == 0 && argc == 5)
		return swap(argv[3], atoi(argv[4]));
	if (strcmp(argv[1], "signals") == 0 && argc == 4)
		return signals(atoi(argv[3]));
	if (strcmp(argv[1], "tids") == 0 && argc == 4)
		return tids(atoi(argv[3]));
	if (strcmp(argv[1], "creds") == 0 && argc == 4)
		return creds(atoi(argv[3]));
	if (strcmp(argv[1], "files") == 0)
		return files();
	return 2;
}
