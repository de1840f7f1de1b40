/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load on the supervisor, with a verdict: prints "ERROR ..." for each result that is not as without load or crashes.
 *
 *   load flood SECONDS THREADS      trapped calls without a pause
 *   load spin SECONDS THREADS       the same number of threads that only count
 *   load latency N DIR              one caller; "mount P50 P99 MAX read P50 P99 MAX" in microseconds
 *   load calls SECONDS DIR [quiet]  4 threads under signals: stacked mounts, nodes, each effect counted
 *   load files SECONDS [quiet]      4 threads under signals: emulated files, contents judged
 *   load opens N [HELD]             open, read and close N times; then HELD descriptors at once
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NULL_DEV     makedev(1, 3)
#define ERRORS_SHOWN 20

static char dir[200];
static int64_t end_us;
static unsigned long done, errors;

static int64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static bool more(void)
{
	return now_us() < end_us;
}

static void error(const char *what, long got)
{
	int e = errno;

	if (__atomic_add_fetch(&errors, 1, __ATOMIC_RELAXED) <= ERRORS_SHOWN)
		printf("ERROR %s: %ld (%s)\n", what, got, strerror(e));
}

static void *flood_main(void *arg)
{
	unsigned long n = 0;
	struct sysinfo info;

	(void)arg;
	while (more()) {
		(void)mount("none", "/nowhere", "tmpfs", 0, NULL);
		(void)mount("proc", "/nowhere", "proc", 0, NULL);
		(void)umount2("/nowhere", 0);
		(void)mount("/proc", "/nowhere", NULL, MS_BIND, NULL);
		(void)mknod("/", S_IFCHR, NULL_DEV);
		(void)sysinfo(&info);
		n += 6;
	}
	(void)__atomic_add_fetch(&done, n, __ATOMIC_RELAXED);
	return NULL;
}

static void *spin_main(void *arg)
{
	volatile unsigned long n = 0;

	(void)arg;
	while (more())
		for (int i = 0; i < 100000; i++)
			n++;
	return NULL;
}

static int in_threads(void *(*fn)(void *), int n)
{
	pthread_t t[64];

	for (long i = 0; i < n; i++)
		(void)pthread_create(&t[i], NULL, fn, (void *)i);
	for (int i = 0; i < n; i++)
		(void)pthread_join(t[i], NULL);
	printf("end %lu calls, %lu errors\n", done, errors);
	return errors != 0;
}

/* ---- latency ----------------------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void show(const char *name, int64_t *v, int n)
{
	qsort(v, (size_t)n, sizeof *v, by_size);
	printf("%s %ld %ld %ld ", name, (long)v[n / 2], (long)v[n * 99 / 100], (long)v[n - 1]);
}

static int read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n, all = 0;

	if (fd < 0)
		return -1;
	while ((n = read(fd, buf + all, size - 1 - (size_t)all)) > 0)
		all += n;
	(void)close(fd);
	buf[all] = '\0';
	return n < 0 ? -1 : (int)all;
}

static int latency(int n)
{
	int64_t *m = calloc((size_t)n, sizeof *m), *r = calloc((size_t)n, sizeof *r);
	char buf[65536];

	(void)mkdir(dir, 0755);
	for (int i = 0; i < n; i++) {
		int64_t t = now_us();

		if (mount("proc", dir, "proc", 0, NULL) < 0 || umount2(dir, 0) < 0)
			error("mount", i);
		m[i] = now_us() - t;
		t = now_us();
		if (read_file("/proc/sys/kernel/panic", buf, sizeof buf) <= 0 ||
		    read_file("/proc/meminfo", buf, sizeof buf) <= 0)
			error("read", i);
		r[i] = now_us() - t;
		(void)usleep(1000);
	}
	show("mount", m, n);
	show("read", r, n);
	printf("\n");
	return errors != 0;
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

static void on_alarm(int sig)
{
	(void)sig;
}

static void signals_on(void)
{
	const struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	const struct itimerval v = { { 0, 300 }, { 0, 300 } };

	(void)sigaction(SIGALRM, &sa, NULL);
	(void)setitimer(ITIMER_REAL, &v, NULL);
}

static int stacked(const char *path)
{
	static _Thread_local char *text;
	char want[260];
	int fd = open("/proc/thread-self/mountinfo", O_RDONLY | O_CLOEXEC), n = 0;
	ssize_t got, all = 0;

	text = text ? text : malloc(4 << 20);
	while (fd >= 0 && (got = read(fd, text + all, (4u << 20) - 1 - (size_t)all)) > 0)
		all += got;
	(void)close(fd);
	text[all] = '\0';
	(void)snprintf(want, sizeof want, " / %s ", path);
	for (char *at = text; (at = strstr(at, want)) != NULL; at++)
		n++;
	return n;
}

static void *calls_main(void *arg)
{
	char at[250], node[260];
	unsigned long n = 0;

	(void)snprintf(at, sizeof at, "%s/c%ld", dir, (long)arg);
	(void)snprintf(node, sizeof node, "%s/n%ld", dir, (long)arg);
	(void)mkdir(at, 0755);
	(void)unlink(node);
	while (more()) {
		int r;

		for (int i = 1; i <= 2; i++) {
			r = mount("proc", at, "proc", 0, NULL);
			if (r < 0)
				error("mount", r);
			r = stacked(at);
			if (r != i)
				error("mounts", r);
		}
		for (int i = 1; i >= 0; i--) {
			r = umount2(at, 0);
			if (r < 0)
				error("umount", r);
			r = stacked(at);
			if (r != i)
				error("mounts left", r);
		}
		r = umount2(at, 0);
		if (r == 0 || errno != EINVAL)
			error("umount of nothing", r);
		r = mknod(node, S_IFCHR | 0600, NULL_DEV);
		if (r < 0)
			error("mknod", r);
		r = mknod(node, S_IFCHR | 0600, NULL_DEV);
		if (r == 0 || errno != EEXIST)
			error("mknod of what is there", r);
		(void)unlink(node);
		while (umount2(at, MNT_DETACH) == 0)
			;
		n += 7;
	}
	(void)__atomic_add_fetch(&done, n, __ATOMIC_RELAXED);
	return NULL;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static void judge(const char *path, const char *start)
{
	static _Thread_local char buf[200000];
	int n = read_file(path, buf, sizeof buf);

	if (n <= 0)
		error(path, n);
	else if (strncmp(buf, start, strlen(start)) != 0)
		error(path, n);
	else if (buf[n - 1] != '\n')
		printf("TORN %s: %d bytes, ... %s\n", path, n, n > 40 ? buf + n - 40 : buf);
}

/* Each thread has a setting of its own: it reads what it wrote. */
static void *files_main(void *arg)
{
	static const char *const own[] = { "/proc/sys/kernel/panic", "/proc/sys/vm/swappiness",
					   "/proc/sys/kernel/panic_on_oops", "/proc/sys/fs/aio-max-nr" };
	const char *path = own[(long)arg % 4];
	unsigned long n = 0;

	while (more()) {
		char text[16], buf[64];
		int len = snprintf(text, sizeof text, "%lu\n", n % 3 ? 10 + n % 90 : n % 10),
		    fd = open(path, O_WRONLY | O_CLOEXEC);

		if (fd < 0 || write(fd, text, (size_t)len) != len)
			error("write", len);
		if (fd >= 0 && close(fd) < 0)
			error("close", fd);
		len = read_file(path, buf, sizeof buf);
		if (len < 0 || strcmp(buf, text) != 0)
			error("what was written", len);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "nonsense\n", 9) != -1 || errno != EINVAL)
			error("write of nonsense", fd);
		(void)close(fd);
		judge("/proc/meminfo", "MemTotal:");
		judge("/proc/stat", "cpu ");
		judge("/proc/cpuinfo", "processor");
		judge("/proc/loadavg", "");
		n++;
	}
	(void)__atomic_add_fetch(&done, 7 * n, __ATOMIC_RELAXED);
	return NULL;
}

static int opens(int n, int held)
{
	const struct rlimit lim = { 1u << 16, 1u << 16 };
	char buf[8192];
	int fd, got = 0;

	for (int i = 0; i < n; i++) {
		fd = open(i % 2 ? "/proc/sys/kernel/panic" : "/proc/meminfo", O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (i % 16 < 2 && read(fd, buf, sizeof buf) <= 0))
			error("open", fd);
		(void)close(fd);
	}
	(void)setrlimit(RLIMIT_NOFILE, &lim);
	for (; got < held; got++)
		if (open(got % 2 ? "/proc/sys/kernel/panic" : "/proc/stat", O_RDONLY | O_CLOEXEC) < 0)
			break;
	printf("end %d opens, %d held, %lu errors\n", n, got, errors);
	return errors != 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	end_us = now_us() + atoi(argc > 2 ? argv[2] : "0") * 1000000ll;
	if (argc > 3)
		(void)snprintf(dir, sizeof dir, "%s", argv[3]);
	if (strcmp(what, "flood") == 0 && argc == 4)
		return in_threads(flood_main, atoi(argv[3]) % 65);
	if (strcmp(what, "spin") == 0 && argc == 4)
		return in_threads(spin_main, atoi(argv[3]) % 65);
	if (strcmp(what, "latency") == 0 && argc == 4)
		return latency(atoi(argv[2]));
	if (strcmp(what, "calls") == 0 && argc >= 4) {
		if (argc == 4)
			signals_on();
		return in_threads(calls_main, 4);
	}
	if (strcmp(what, "files") == 0) {
		if (argc == 3)
			signals_on();
		return in_threads(files_main, 4);
	}
	if (strcmp(what, "opens") == 0)
		return opens(atoi(argv[2]), argc > 3 ? atoi(argv[3]) : 0);
	return 2;
}
