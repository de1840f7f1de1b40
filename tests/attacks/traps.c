/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls that the supervisor answers, by every way into the kernel and with every kind of bad pointer.
 *
 *   traps entries DIR   each call with good arguments by the 64-bit entry, by "int 0x80" and with the x32 bit:
 *                       "CALL ENTRY RESULT", and what the boot_id below a procfs that came out of it says
 *   traps bad DIR       each pointer argument of each call bad in all ways: "CALL.ARGUMENT SHAPE ENTRY RESULT"
 *   traps slow DIR FILE each pointer argument on a page of FILE, whose file system never answers
 *
 * DIR/t is a directory to mount on. RESULT is 0, an error's name, "signal N" or "late".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096u
#define X32_BIT 0x40000000L

enum entry { BY_64, BY_INT80, BY_X32, N_ENTRIES };
static const char *const entry_names[] = { "x86_64", "int80", "x32" };

struct call {
	const char *name;
	int nr[2]; /* x86-64, i386; -1: none */
	uint64_t arg[6];
	int pointers; /* bit n: argument n is one that the supervisor reads */
	int out;      /* argument that is written to; -1: none */
};

static char *arena, *target, *node; /* where 32 bits reach */
static size_t used;
static char scratch[4096];
static double patience = 3;

static uint64_t low(const char *text)
{
	char *at = arena + used;

	used += strlen(text) + 1;
	return (uint64_t)(uintptr_t)strcpy(at, text);
}

static uint64_t p(const void *at)
{
	return (uint64_t)(uintptr_t)at;
}

static size_t make_calls(struct call *c)
{
	uint64_t proc = low("proc"), dir = low("/proc"), info = p(arena + 64 * PAGE - 512);
	size_t n = 0;

	c[n++] = (struct call){ "mount", { 165, 21 }, { proc, p(target), proc, 0, 0 }, 0x17, -1 };
	c[n++] = (struct call){
		"mount-data", { 165, 21 }, { proc, p(target), proc, 0, low("hidepid=2") }, 0x10, -1
	};
	c[n++] = (struct call){ "mount-magic", { 165, 21 }, { proc, p(target), proc, 0xc0ed0000, 0 }, 0x3, -1 };
	c[n++] = (struct call){ "bind", { 165, 21 }, { dir, p(target), 0, MS_BIND, 0 }, 0x3, -1 };
	c[n++] = (struct call){ "umount2", { 166, 52 }, { p(target), 0 }, 1, -1 };
	c[n++] = (struct call){ "umount", { -1, 22 }, { p(target) }, 1, -1 };
	c[n++] = (struct call){ "open_tree", { 428, 428 }, { (uint64_t)(int64_t)AT_FDCWD, dir, 1 }, 2, -1 };
	c[n++] = (struct call){ "fsopen", { 430, 430 }, { proc, 0 }, 1, -1 };
	c[n++] = (struct call){ "mknod", { 133, 14 }, { p(node), S_IFCHR | 0600, 0x103 }, 1, -1 };
	c[n++] = (struct call){
		"mknodat", { 259, 297 }, { (uint64_t)(int64_t)AT_FDCWD, p(node), S_IFCHR | 0600, 0x103 }, 2, -1
	};
	c[n++] = (struct call){ "sysinfo", { 99, 116 }, { info }, 0, 0 };
	return n;
}

static long enter(const struct call *c, const uint64_t a[6], enum entry e)
{
	long r;

	if (e == BY_INT80) {
		/* The sixth argument is in ebp, and none of these has one. */
		__asm__ volatile("int $0x80"
				 : "=a"(r)
				 : "a"((long)c->nr[1]), "b"((long)(uint32_t)a[0]), "c"((long)(uint32_t)a[1]),
				   "d"((long)(uint32_t)a[2]), "S"((long)(uint32_t)a[3]), "D"((long)(uint32_t)a[4])
				 : "memory", "r8", "r9", "r10", "r11");
		return (int)r;
	}
	r = syscall(c->nr[0] | (e == BY_X32 ? X32_BIT : 0), a[0], a[1], a[2], a[3], a[4], a[5]);
	return r < 0 ? -errno : r;
}

static void print_result(int status, bool late)
{
	if (late)
		printf("late");
	else if (WIFSIGNALED(status))
		printf("signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) == 0)
		printf("0");
	else
		printf("%s", strerrorname_np(WEXITSTATUS(status)));
}

/* In a process of its own, which is killed when it takes too long. */
static void attempt(const struct call *c, const uint64_t a[6], enum entry e)
{
	const struct timespec nap = { 0, 1000000 };
	struct timespec start, now;
	bool late = false;
	int status = 0;
	pid_t pid;

	(void)fflush(stdout);
	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	pid = fork();
	if (pid == 0) {
		long r = enter(c, a, e);

		_exit(r < 0 ? (int)-r : 0);
	}
	/* One that cannot even be killed is left behind. */
	while (!late && waitpid(pid, &status, WNOHANG) == 0) {
		(void)nanosleep(&nap, NULL);
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		if ((double)(now.tv_sec - start.tv_sec) > patience) {
			late = true;
			(void)kill(pid, SIGKILL);
		}
	}
	print_result(status, late);
}

static void clean(void)
{
	while (umount2(target, MNT_DETACH) == 0)
		;
	/* On a tmpfs of the container's own a node works because another is mounted over it. */
	(void)umount2(node, MNT_DETACH);
	(void)unlink(node);
}

static void show_id(void)
{
	char id[64];
	int fd;
	ssize_t n;

	(void)snprintf(scratch, sizeof scratch, "%s/sys/kernel/random/boot_id", target);
	fd = open(scratch, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, id, sizeof id);
	if (n > 0)
		printf(" id %.*s", (int)n - 1, id);
	(void)close(fd);
}

static int entries(const struct call *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (enum entry e = BY_64; e < N_ENTRIES; e++) {
			if (calls[i].nr[e == BY_INT80] < 0)
				continue;
			if (strncmp(calls[i].name, "umount", 6) == 0)
				(void)mount("proc", target, "proc", 0, NULL);
			printf("%s %s ", calls[i].name, entry_names[e]);
			attempt(&calls[i], calls[i].arg, e);
			show_id();
			printf("\n");
			clean();
		}
	}
	return 0;
}

/* ---- bad pointers ------------------------------------------------------------------------------------------------ */

static char *pages(size_t n, int prot)
{
	char *at = mmap(NULL, n * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (at == MAP_FAILED)
		exit(2);
	return at;
}

static char *guarded(size_t n)
{
	char *at = pages(n + 1, PROT_READ | PROT_WRITE);

	(void)mprotect(at + n * PAGE, PAGE, PROT_NONE);
	return at;
}

static uint64_t unterminated(size_t len)
{
	char *at = guarded(2) + 2 * PAGE - len;

	memset(at, 'a', len);
	return p(at);
}

static uint64_t long_text(size_t len)
{
	char *at = pages(4, PROT_READ | PROT_WRITE);

	memset(at, 'a', len);
	at[len] = '\0';
	return p(at);
}

/* A page that only a user-mode fault handler could fill, and nobody does. */
static uint64_t missing_page(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register r = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	char *at = pages(1, PROT_READ | PROT_WRITE);

	r.range.start = p(at);
	r.range.len = PAGE;
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0 || ioctl(fd, UFFDIO_REGISTER, &r) < 0)
		return 0;
	return p(at);
}

static uint64_t behind_end_of_file(void)
{
	int fd = memfd_create("short", MFD_CLOEXEC);
	char *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_32BIT, fd, 0);

	return at == MAP_FAILED ? 0 : p(at);
}

static uint64_t across(const char *text)
{
	char *at = pages(2, PROT_READ | PROT_WRITE) + PAGE - 2;

	return p(strcpy(at, text));
}

static uint64_t at_end(const char *text)
{
	char *at = guarded(1) + PAGE - strlen(text) - 1;

	return p(strcpy(at, text));
}

struct shape {
	const char *name;
	uint64_t at;
	bool wide; /* no 32 bits hold it */
};

static size_t make_shapes(struct shape *s, const char *good)
{
	char *hole = pages(1, PROT_NONE);
	size_t n = 0;

	s[n++] = (struct shape){ "null", 0, false };
	s[n++] = (struct shape){ "one", 1, false };
	s[n++] = (struct shape){ "last-byte", UINT32_MAX, false };
	s[n++] = (struct shape){ "kernel", 0xffffffff81000000, true };
	s[n++] = (struct shape){ "end-of-user", 0x7ffffffff000, true };
	s[n++] = (struct shape){ "not-canonical", 0x8000000000000000, true };
	s[n++] = (struct shape){ "all-ones", UINT64_MAX, true };
	s[n++] = (struct shape){ "no-access", p(hole), false };
	s[n++] = (struct shape){ "open-1", unterminated(1), false };
	s[n++] = (struct shape){ "open-100", unterminated(100), false };
	s[n++] = (struct shape){ "open-4095", unterminated(4095), false };
	s[n++] = (struct shape){ "open-4096", unterminated(4096), false };
	s[n++] = (struct shape){ "open-5000", unterminated(5000), false };
	s[n++] = (struct shape){ "long-255", long_text(255), false };
	s[n++] = (struct shape){ "long-4095", long_text(4095), false };
	s[n++] = (struct shape){ "long-4096", long_text(4096), false };
	s[n++] = (struct shape){ "long-10000", long_text(10000), false };
	s[n++] = (struct shape){ "empty", at_end(""), false };
	s[n++] = (struct shape){ "slashes", across("////"), false };
	s[n++] = (struct shape){ "bytes", across("\xff\xfe\x01\n\t,=,,=x"), false };
	s[n++] = (struct shape){ "good-at-end", at_end(good), false };
	s[n++] = (struct shape){ "good-across", across(good), false };
	s[n++] = (struct shape){ "behind-eof", behind_end_of_file(), false };
	s[n++] = (struct shape){ "missing", missing_page(), false };
	return n;
}

static void one_bad(const struct call *c, int k, const struct shape *s)
{
	for (enum entry e = BY_64; e <= BY_INT80; e++) {
		uint64_t a[6];

		if (c->nr[e] < 0 || (e == BY_INT80 && s->wide))
			continue;
		memcpy(a, c->arg, sizeof a);
		a[k] = s->at;
		/* Nothing there to be taken away by chance: what is asked for is the error. */
		printf("%s.%d %s %s ", c->name, k, s->name, entry_names[e]);
		attempt(c, a, e);
		printf("\n");
		clean();
	}
}

static void bad_out(const struct call *c)
{
	char *ro = pages(1, PROT_READ), *two = guarded(1);
	const struct shape s[] = {
		{ "null", 0, false },
		{ "one", 1, false },
		{ "kernel", 0xffffffff81000000, true },
		{ "all-ones", UINT64_MAX, true },
		{ "read-only", p(ro), false },
		{ "half", p(two + PAGE - 8), false },
		{ "one-byte", p(two + PAGE - 1), false },
		{ "missing", missing_page(), false },
		{ "behind-eof", behind_end_of_file(), false },
	};

	for (size_t i = 0; i < sizeof s / sizeof *s; i++)
		one_bad(c, c->out, &s[i]);
}

static int bad(const struct call *calls, size_t n)
{
	struct shape s[32];

	for (size_t i = 0; i < n; i++) {
		for (int k = 0; k < 6; k++) {
			size_t n_shapes;

			if (!(calls[i].pointers & (1 << k)))
				continue;
			n_shapes =
				make_shapes(s, calls[i].arg[k] ? (const char *)(uintptr_t)calls[i].arg[k] : "ro");
			for (size_t j = 0; j < n_shapes; j++)
				one_bad(&calls[i], k, &s[j]);
		}
		if (calls[i].out >= 0)
			bad_out(&calls[i]);
	}
	return 0;
}

static int slow(const struct call *calls, size_t n, const char *file)
{
	patience = 12;
	for (size_t i = 0; i < n; i++) {
		for (int k = 0; k < 6; k++) {
			uint64_t a[6];
			char *at;
			int fd;

			if (!(calls[i].pointers & (1 << k)) && k != calls[i].out)
				continue;
			fd = open(file, O_RDWR | O_CLOEXEC);
			at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
			if (at == MAP_FAILED) {
				perror(file);
				return 2;
			}
			(void)close(fd);
			memcpy(a, calls[i].arg, sizeof a);
			a[k] = p(at);
			printf("%s.%d slow x86_64 ", calls[i].name, k);
			attempt(&calls[i], a, BY_64);
			printf("\n");
			clean();
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct call calls[16];
	size_t n;

	if (argc < 3)
		return 2;
	arena = pages(64, PROT_READ | PROT_WRITE);
	(void)snprintf(scratch, sizeof scratch, "%s/t", argv[2]);
	target = (char *)(uintptr_t)low(scratch);
	(void)snprintf(scratch, sizeof scratch, "%s/n", argv[2]);
	node = (char *)(uintptr_t)low(scratch);
	(void)mkdir(target, 0755);
	n = make_calls(calls);
	if (strcmp(argv[1], "entries") == 0)
		return entries(calls, n);
	if (strcmp(argv[1], "bad") == 0)
		return bad(calls, n);
	return argc == 4 ? slow(calls, n, argv[3]) : 2;
}
