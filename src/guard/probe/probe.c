/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs inside a container that the engine makes for the guard: is it in a user namespace of its own? Exit status 0:
 * yes; 3: no, its ids are the host's; 4: cannot tell. Without a C library: it is the whole image.
 */
#define PROBE_ISOLATED 0
#define PROBE_HOST     3
#define PROBE_UNKNOWN  4

void _start(void);

#if defined __x86_64__
enum { SYS_READ = 0, SYS_OPENAT = 257, SYS_EXIT = 231 };

static long call(long nr, long a, long b, long c)
{
	register long d __asm__("r10") = 0;
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(d) : "rcx", "r11", "memory");
	return r;
}
#elif defined __aarch64__
enum { SYS_READ = 63, SYS_OPENAT = 56, SYS_EXIT = 94 };

static long call(long nr, long a, long b, long c)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = 0;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
}
#else
#error "probe.c: system calls of this architecture"
#endif

static int look(void)
{
	static const char path[] = "/proc/self/uid_map", all[] = "0 0 4294967295";
	char buf[256];
	long fd = call(SYS_OPENAT, -100, (long)path, 0), len, i;
	unsigned at = 0;

	if (fd < 0)
		return PROBE_UNKNOWN;
	len = call(SYS_READ, fd, (long)buf, sizeof buf);
	if (len <= 0)
		return PROBE_UNKNOWN;
	/* Columns are padded: compare with blanks squeezed. */
	for (i = 0; i < len && buf[i] != '\n'; i++) {
		if (buf[i] == ' ' && (at == 0 || buf[i - 1] == ' '))
			continue;
		if (at >= sizeof all - 1 || buf[i] != all[at++])
			return PROBE_ISOLATED;
	}
	return at == sizeof all - 1 ? PROBE_HOST : PROBE_ISOLATED;
}

void _start(void)
{
	for (;;)
		call(SYS_EXIT, look(), 0, 0);
}
