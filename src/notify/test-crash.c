/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "notify/journal.h"
#include "notify/test-box.h"
#include "sys/test-dir.h"

#define CHAR(mode) ((mode_t)(S_IFCHR | (mode)))

/* Things are to take long enough for something to happen in between, but not for ever. */
static int rounds = 25;

static void nothing(int sig)
{
	(void)sig;
}

/* Signals all the time: what was begun must not be begun again. */
static void disturb(void)
{
	const struct itimerval often = { .it_interval.tv_usec = 300, .it_value.tv_usec = 300 };
	const struct sigaction act = { .sa_handler = nothing, .sa_flags = SA_RESTART };

	BOX_CHECK(sigaction(SIGALRM, &act, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
}

/* Mounts at /mnt/@name and below. */
static int mounts_at(const char *name)
{
	char path[64], text[512];
	FILE *f = fopen("/proc/self/mountinfo", "re");
	int n = 0;

	BOX_CHECK(f);
	(void)snprintf(path, sizeof path, " /mnt/%s ", name);
	while (fgets(text, sizeof text, f))
		n += strstr(text, path) != NULL;
	(void)fclose(f);
	return n;
}

/* Each answer must be right, and each change be made once. */
static void work(const char *name)
{
	char bound[32], node[32];

	(void)snprintf(bound, sizeof bound, "%s.b", name);
	(void)snprintf(node, sizeof node, "%s.n", name);
	BOX_CHECK(mkdir(name, 0755) == 0 && mkdir(bound, 0755) == 0);
	for (int i = 0; i < rounds; i++) {
		BOX_CHECK(mount("proc", name, "proc", 0, NULL) == 0);
		BOX_CHECK(mounts_at(name) == 1);
		BOX_CHECK(mount(name, bound, NULL, MS_BIND, NULL) == 0);
		BOX_CHECK(mounts_at(bound) == 1);
		BOX_CHECK(umount(bound) == 0);
		BOX_CHECK(mounts_at(bound) == 0);
		BOX_CHECK(umount(name) == 0);
		BOX_CHECK(mounts_at(name) == 0);
		BOX_ERRNO(umount(name), EINVAL);
		BOX_CHECK(mount("tmpfs", name, "tmpfs", 0, NULL) == 0 && mounts_at(name) == 1 &&
			  umount(name) == 0);
		BOX_CHECK(mknod(node, CHAR(0600), makedev(1, 3)) == 0);
		BOX_CHECK(close(open(node, O_RDWR | O_CLOEXEC)) == 0 && mounts_at(node) == 1);
		BOX_ERRNO(mknod(node, CHAR(0600), makedev(1, 3)), EEXIST);
		BOX_CHECK(umount(node) == 0 && unlink(node) == 0);
	}
}

static void work_alone(void)
{
	work("a");
}

static void work_disturbed(void)
{
	disturb();
	work("a");
}

static void many(void)
{
	pid_t pid[4];
	int status;

	for (int i = 0; i < 4; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			const char name[2] = { (char)('a' + i) };

			disturb();
			work(name);
			_exit(0);
		}
	}
	for (int i = 0; i < 4; i++)
		BOX_CHECK(waitpid(pid[i], &status, 0) == pid[i] && status == 0);
}

static void test_undisturbed(void **state)
{
	(void)state;
	assert_true(box_run(&BOX_DEFAULT, work_alone, NULL));
	/* nothing is left open: stage, work, listener, socket, and what the test has opened itself */
	assert_in_range(box_worker_fds, 1, 18);
}

static void test_killed_randomly(void **state)
{
	struct box_options o = BOX_DEFAULT;
	unsigned deaths;

	(void)state;
	o.kill_randomly = true;
	assert_true(box_run(&o, many, &deaths));
	assert_true(deaths > 20);
}

static void test_killed_at_points(void **state)
{
	(void)state;
	rounds = 3;
	for (int point = 0; point < NOTIFY_POINTS; point++)
		for (unsigned times = 1; times <= 3; times += 2) {
			struct box_options o = BOX_DEFAULT;
			unsigned deaths;

			o.point = point;
			o.times = times;
			assert_true(box_run(&o, work_disturbed, &deaths));
			assert_int_equal(deaths, times);
		}
	rounds = 25;
}

static void one_mount(void)
{
	BOX_CHECK(mkdir("p", 0755) == 0 && mount("proc", "p", "proc", 0, NULL) == 0);
	BOX_CHECK(mounts_at("p") == 1);
}

/* A worker whose helper was killed does not know more than one that comes after it. */
static void test_helper_killed(void **state)
{
	(void)state;
	for (int point = NOTIFY_POINT_PREPARED; point <= NOTIFY_POINT_CHANGED; point++) {
		struct box_options o = BOX_DEFAULT;
		unsigned deaths;

		o.point = point;
		o.times = 1;
		o.helper = true;
		assert_true(box_run(&o, one_mount, &deaths));
		assert_int_equal(deaths, 1);
	}
}

static void poison(void)
{
	BOX_CHECK(mkdir("p", 0755) == 0);
	BOX_ERRNO(mount("proc", "p", "proc", 0, NULL), EIO);
	BOX_CHECK(mounts_at("p") == 0);
	BOX_CHECK(mount("proc", "p", "proc", 0, NULL) == 0 && mounts_at("p") == 1);
}

/* A call that kills its worker each time fails alone. */
static void test_poison(void **state)
{
	struct box_options o = BOX_DEFAULT;
	unsigned deaths;

	(void)state;
	o.point = NOTIFY_POINT_PREPARED;
	o.times = NOTIFY_ATTEMPTS + 1;
	assert_true(box_run(&o, poison, &deaths));
	assert_int_equal(deaths, NOTIFY_ATTEMPTS + 1);
}

static void patient(void)
{
	(void)alarm(2 * test_slow());
	BOX_CHECK(mount("proc", "p", "proc", 0, NULL) == 0);
}

static void wait_for_answer(void)
{
	BOX_CHECK(mkdir("p", 0755) == 0 && box_child(0, false, patient));
}

/* The journal is what saves the call: without it, nobody answers. */
static void test_control_forget(void **state)
{
	struct box_options o = BOX_DEFAULT;

	(void)state;
	o.point = NOTIFY_POINT_RECEIVED;
	o.times = 1;
	assert_true(box_run(&o, wait_for_answer, NULL));
	o.forget = true;
	assert_false(box_run(&o, wait_for_answer, NULL));
}

static void blind(void)
{
	/* as if a worker did not know that a change was under way */
	if (box_shared->slot.phase != NOTIFY_EMPTY)
		box_shared->slot.phase = NOTIFY_RECEIVED;
}

/* So is the mark: without it, the mount is made twice. */
static void test_control_blind(void **state)
{
	struct box_options o = BOX_DEFAULT;

	(void)state;
	o.point = NOTIFY_POINT_CHANGED;
	o.times = 1;
	assert_true(box_run(&o, one_mount, NULL));
	o.sabotage = blind;
	assert_false(box_run(&o, one_mount, NULL));
}

/* ---- callers that end -------------------------------------------------------------------------------------------- */

static void victim(void)
{
	(void)mount("proc", "p", "proc", 0, NULL);
}

static void callers_end(void)
{
	BOX_CHECK(mkdir("p", 0755) == 0);
	BOX_CHECK(!box_child(0, false, victim));
	while (umount("p") == 0)
		;
	BOX_CHECK(mount("proc", "p", "proc", 0, NULL) == 0 && umount("p") == 0);
}

static void test_caller_ends(void **state)
{
	(void)state;
	for (int point = 0; point < NOTIFY_POINTS - 1; point++) {
		struct box_options o = BOX_DEFAULT;
		unsigned deaths;

		o.point = point;
		o.times = 1;
		o.caller = true;
		assert_true(box_run(&o, callers_end, &deaths));
		assert_int_equal(deaths, 0);
		assert_in_range(box_worker_fds, 1, 18);
	}
}

/* ---- what never answers ------------------------------------------------------------------------------------------ */

/* A FUSE file system whose server is silent: a page of it is never there, a path through it never ends. */
static void silent_server(void)
{
	char options[64];
	int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	BOX_CHECK(fuse >= 0 && mkdir("silent", 0755) == 0 && mkdir("p", 0755) == 0);
	(void)snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
	BOX_CHECK(mount("silent", "silent", "fuse", 0, options) == 0);
	BOX_ERRNO(mount("proc", "silent/x", "proc", 0, NULL), EIO);
	BOX_CHECK(mount("proc", "p", "proc", 0, NULL) == 0 && umount("p") == 0);
	BOX_CHECK(umount("silent") == 0);
}

static void test_deadline(void **state)
{
	struct box_options o = BOX_DEFAULT;
	struct timespec before, after;
	unsigned deaths;

	(void)state;
	o.deadline = 2;
	(void)clock_gettime(CLOCK_MONOTONIC, &before);
	assert_true(box_run(&o, silent_server, &deaths));
	(void)clock_gettime(CLOCK_MONOTONIC, &after);
	assert_in_range(deaths, 1, 2);
	assert_in_range(after.tv_sec - before.tv_sec, 1, 6);
}

/* ---- without a worker --------------------------------------------------------------------------------------------- */

static void nobody(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		(void)mount("proc", "/mnt", "proc", 0, NULL);
		_exit(0);
	}
	(void)usleep(100000);
	BOX_CHECK(waitpid(pid, &status, WNOHANG) == 0 && kill(pid, SIGKILL) == 0);
	BOX_CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
}

static void test_nobody(void **state)
{
	struct box_options o = BOX_DEFAULT;

	(void)state;
	o.no_worker = true;
	assert_true(box_run(&o, nobody, NULL));
}

/* ---- races ------------------------------------------------------------------------------------------------------ */

static volatile char *racing;

static void *swap_text(void *arg)
{
	while (*(volatile bool *)arg)
		racing[1] = racing[1] == 'p' ? 'd' : 'p';
	return NULL;
}

static void *swap_path(void *arg)
{
	while (*(volatile bool *)arg)
		(void)syscall(SYS_renameat2, AT_FDCWD, "x", AT_FDCWD, "y", 2 /* RENAME_EXCHANGE */);
	return NULL;
}

/* Whatever is made of a call whose arguments change under way: a procfs is never there without its covers. */
static void races(void)
{
	static volatile bool on = true;
	static char text[] = "/p";
	pthread_t a, b;
	int made = 0;

	racing = text;
	BOX_CHECK(chdir("/mnt") == 0 && mkdir("p", 0755) == 0 && mkdir("d", 0755) == 0 && mkdir("x", 0755) == 0 &&
		  symlink("/proc", "y") == 0);
	BOX_CHECK(chroot("/mnt") == 0 && mkdir("proc", 0755) == 0);
	BOX_CHECK(pthread_create(&a, NULL, swap_text, (void *)(uintptr_t)&on) == 0 &&
		  pthread_create(&b, NULL, swap_path, (void *)(uintptr_t)&on) == 0);
	for (int i = 0; i < 200; i++) {
		int fd;

		made += mount("proc", i % 2 ? "x" : text, "proc", 0, NULL) == 0;
		made += mount("x", text, NULL, MS_BIND, NULL) == 0;
		(void)umount(i % 2 ? "x" : text);
		fd = open("x/meminfo", O_RDONLY | O_CLOEXEC);
		if (fd >= 0) {
			char c = 0;

			BOX_CHECK(read(fd, &c, 1) == 1 && c == 'e' && close(fd) == 0);
		}
	}
	on = false;
	BOX_CHECK(pthread_join(a, NULL) == 0 && pthread_join(b, NULL) == 0 && made > 0);
}

static int count_lines(const char *path)
{
	FILE *f = fopen(path, "re");
	int c, n = 0;

	while (f && (c = fgetc(f)) != EOF)
		n += c == '\n';
	if (f)
		(void)fclose(f);
	return n;
}

static void test_races(void **state)
{
	int before = count_lines("/proc/self/mountinfo");

	(void)state;
	assert_true(box_run(&BOX_DEFAULT, races, NULL));
	assert_int_equal(count_lines("/proc/self/mountinfo"), before);
	assert_in_range(box_worker_fds, 1, 18);
}

/* ---- bad pointers ------------------------------------------------------------------------------------------------ */

static int note(int n, long result)
{
	box_notes[n] = result < 0 ? errno : 0;
	return n + 1;
}

static void pointers(void)
{
	char *pages = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *huge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const char *shapes[9];
	int n = 0;

	BOX_CHECK(pages != MAP_FAILED && huge != MAP_FAILED && mkdir("p", 0755) == 0);
	memset(pages, 'x', 2 * 4096);
	memset(huge, 'y', 8192);
	BOX_CHECK(munmap(pages + 2 * 4096, 4096) == 0 && mprotect(pages + 3 * 4096, 4096, PROT_NONE) == 0);
	pages[4096 - 2] = 'p';
	pages[4096 - 1] = '\0';
	shapes[0] = NULL;
	shapes[1] = (const char *)8;
	shapes[2] = pages + 2 * 4096;		       /* not mapped */
	shapes[3] = pages + 3 * 4096;		       /* not readable */
	shapes[4] = pages + 2 * 4096 - 5;	       /* goes on where nothing is */
	shapes[5] = pages + 4096 - 2;		       /* ends with its page */
	shapes[6] = huge;			       /* longer than any path */
	shapes[7] = (const char *)UINTPTR_MAX;	       /* the last byte there is */
	shapes[8] = (const char *)0xffff888000000000u; /* the kernel's */
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		const char *s = shapes[i];

		n = note(n, syscall(SYS_mount, s, "p", "tmpfs", 0, NULL));
		n = note(n, syscall(SYS_mount, "t", s, "tmpfs", 0, NULL));
		n = note(n, syscall(SYS_mount, "t", "p", s, 0, NULL));
		n = note(n, syscall(SYS_mount, "t", "p", "tmpfs", 0, s));
		n = note(n, syscall(SYS_mount, s, "p", NULL, MS_BIND, NULL));
		n = note(n, syscall(SYS_mount, "p", s, NULL, MS_BIND, NULL));
		n = note(n, syscall(SYS_umount2, s, 0));
		n = note(n, syscall(SYS_open_tree, AT_FDCWD, s, OPEN_TREE_CLONE));
		n = note(n, syscall(SYS_open_tree, AT_FDCWD, s, OPEN_TREE_CLONE | AT_EMPTY_PATH));
		n = note(n, syscall(SYS_fsopen, s, 0));
		n = note(n, syscall(SYS_mknod, s, CHAR(0600), 0x101));
		n = note(n, syscall(SYS_mknodat, 99, s, CHAR(0600), 0x101));
		n = note(n, syscall(SYS_sysinfo, i < 4 ? s : NULL));
		while (umount2("p", MNT_DETACH) == 0)
			;
	}
	/* those that would be emulated, where the pointer is what decides */
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		if (i == 5)
			continue;
		n = note(n, syscall(SYS_mount, "t", shapes[i], "proc", 0, NULL));
		n = note(n, syscall(SYS_mknod, shapes[i], CHAR(0600), 0x103));
	}
	BOX_CHECK(n <= BOX_NOTES);
	box_notes[BOX_NOTES - 1] = n;
}

/* The same calls with and without us: the same answers. */
static void test_pointers(void **state)
{
	struct box_options o = BOX_DEFAULT;
	int *native = calloc(BOX_NOTES, sizeof *native);

	(void)state;
	o.no_filter = true;
	assert_true(box_run(&o, pointers, NULL));
	memcpy(native, box_notes, BOX_NOTES * sizeof *native);
	memset(box_notes, 0xff, BOX_NOTES * sizeof *native);
	o.no_filter = false;
	o.view = true;
	assert_true(box_run(&o, pointers, NULL));
	assert_true(native[BOX_NOTES - 1] > 100);
	for (int i = 0; i < native[BOX_NOTES - 1]; i++)
		if (native[i] != box_notes[i])
			fail_msg("call %d: %s, and with us: %s", i, strerror(native[i]), strerror(box_notes[i]));
	free(native);
}

/* ---- programs ---------------------------------------------------------------------------------------------------- */

static void programs(void)
{
	BOX_CHECK(mkdir("p", 0755) == 0 && mkdir("q", 0755) == 0);
	BOX_CHECK(box_shell("mount -t proc proc p && grep -q emulated p/meminfo") == 0);
	BOX_CHECK(box_shell("mount --bind p q && grep -q emulated q/meminfo && umount q && ! test -e q/meminfo") ==
		  0);
	BOX_CHECK(box_shell("mount --rbind p q && umount -R q && ! test -e q/meminfo") == 0);
	BOX_CHECK(box_shell("umount -R p && ! test -e p/meminfo") == 0);
	BOX_CHECK(box_shell("mount -t proc proc p && umount -R p && mount -t proc proc p && umount -R p") == 0);
	BOX_CHECK(box_shell("mount -t proc -o ro,nosuid,hidepid=2 proc p && mount -o remount,rw p && umount p") ==
		  0);
	BOX_CHECK(box_shell("mount -t sysfs sysfs p && test -d p/class/net/lo && umount p") == 0);
	BOX_CHECK(box_shell("unshare -Urpf --mount-proc sh -c 'grep -q emulated /proc/meminfo && test $$ = 1'") ==
		  0);
	BOX_CHECK(box_shell("unshare -mpf --mount-proc=/mnt/q grep -q emulated /mnt/q/meminfo") == 0);
	BOX_CHECK(box_shell("mknod null c 1 3 && echo x >null") == 0);
	BOX_CHECK(box_shell("mknod -m 600 zero c 1 5 && test $(head -c 3 zero | wc -c) = 3") == 0);
	BOX_CHECK(box_shell("mount -t proc proc p; umount p/meminfo && ! umount p/meminfo 2>/dev/null") == 0);
}

static void test_programs(void **state)
{
	(void)state;
	assert_true(box_run(&BOX_DEFAULT, programs, NULL));
}

static void be_old(void)
{
	notify_test_old = true;
}

/* What newer kernels make easier has to work on older ones, too. */
static void test_old(void **state)
{
	struct box_options o = BOX_DEFAULT;

	(void)state;
	o.sabotage = be_old;
	assert_true(box_run(&o, programs, NULL));
	assert_true(box_run(&o, work_alone, NULL));
	assert_in_range(box_worker_fds, 1, 18);
	o.kill_randomly = true;
	assert_true(box_run(&o, many, NULL));
	o.kill_randomly = false;
	for (o.point = 0; o.point < NOTIFY_POINTS; o.point++) {
		unsigned deaths;

		o.times = 2;
		assert_true(box_run(&o, work_disturbed, &deaths));
		assert_int_equal(deaths, 2);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_undisturbed),
		cmocka_unit_test(test_killed_randomly),
		cmocka_unit_test(test_killed_at_points),
		cmocka_unit_test(test_helper_killed),
		cmocka_unit_test(test_poison),
		cmocka_unit_test(test_control_forget),
		cmocka_unit_test(test_control_blind),
		cmocka_unit_test(test_caller_ends),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_races),
		cmocka_unit_test(test_pointers),
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_old),
	};

	/* rounds, for a longer run */
	if (argc > 1)
		rounds = (int)strtol(argv[1], NULL, 10);
	if (!box_open()) {
		(void)fprintf(stderr, "not root, or not a kernel for this\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
