/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways to a procfs without covers that do not go by taking one off (for those: locks.c): new mounts by every flag and every interface,
 * copies, layers, handles. A procfs shows itself by the host's boot_id. Prints "SEEN ..." for each that does, "end N attempts".
 * usage: reveal DEPTH DIR BOOT-ID     DEPTH: so many user namespaces further in
 *        reveal handles ONLINE        file handles on /sys: something that says ONLINE where cpu/online is covered
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID_FILE		      "sys/kernel/random/boot_id"
#define SYS_open_tree_attr_nr 467

static const char *dir, *id;
static unsigned long attempts, trees;

static void judge_fd(int fd, const char *what)
{
	static const char *const names[] = { ID_FILE, "kernel/random/boot_id", "random/boot_id", "boot_id" };
	char text[64];

	attempts++;
	if (fd < 0)
		return;
	trees++;
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		int f = openat(fd, names[i], O_RDONLY | O_CLOEXEC);
		ssize_t n = f < 0 ? 0 : read(f, text, sizeof text);

		if (n >= 36 && strncmp(text, id, 36) == 0)
			printf("SEEN %s\n", what);
		(void)close(f);
	}
}

static void judge_dir(const char *what)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	judge_fd(fd, what);
	(void)close(fd);
	while (umount2(dir, MNT_DETACH) == 0)
		;
}

static int int80(int nr, const char *a, const char *b, const char *c, unsigned long d, const char *e)
{
	int r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"((long)nr), "b"((long)(uintptr_t)a), "c"((long)(uintptr_t)b),
			   "d"((long)(uintptr_t)c), "S"(d), "D"(e)
			 : "memory", "r8", "r9", "r10", "r11");
	return r;
}

static void by_flags(void)
{
	static const char *const options[] = { NULL, "subset=pid", "hidepid=2", "gid=0",
					       "pidns=/proc/self/ns/pid" };
	char what[64];

	for (int bit = -1; bit < 64; bit++) {
		unsigned long flags = bit < 0 ? 0 : 1ul << bit;

		/* Would take the only procfs away, and with it the right to others. */
		if (flags == MS_MOVE)
			continue;
		for (unsigned o = 0; o < sizeof options / sizeof *options; o++) {
			(void)snprintf(what, sizeof what, "mount flag %d option %u", bit, o);
			if (mount("proc", dir, "proc", flags, options[o]) == 0)
				judge_dir(what);
			attempts++;
		}
		/* With the old magic number above, with two bits, and by the other entry. */
		if (mount("proc", dir, "proc", 0xc0ed0000 | flags, NULL) == 0)
			judge_dir("magic");
		for (int other = 0; other < 32; other++)
			if (1ul << other != MS_MOVE && mount("proc", dir, "proc", flags | 1ul << other, NULL) == 0)
				judge_dir("two flags");
		for (int b = 0; b < 4; b++) {
			static const char *const sources[] = { "/proc", "/proc/sys", "/proc/sys/kernel",
							       "/proc/sys/kernel/random" };

			if (mount(sources[b], dir, NULL, MS_BIND | flags, NULL) == 0)
				judge_dir("bind");
			attempts++;
		}
	}
}

/* Text where 32 bits reach: this program is linked below 4 GB. */
static void by_int80(void)
{
	for (int bit = -1; bit < 32; bit++)
		if (bit != 13 && int80(21, "proc", dir, "proc", bit < 0 ? 0 : 1u << bit, NULL) == 0)
			judge_dir("int80 mount");
	if (int80(21, "/proc", dir, NULL, MS_BIND, NULL) == 0)
		judge_dir("int80 bind");
	judge_fd(int80(428, (const char *)(long)AT_FDCWD, "/proc", (const char *)1, 0, NULL), "int80 open_tree");
	attempts += 32;
}

static void by_context(void)
{
	static const char *const names[] = { "proc", "sysfs" };

	for (int k = 0; k < 2; k++) {
		for (unsigned flags = 0; flags < 4; flags++) {
			int fs = k == 0 ? fsopen("proc", flags)
					: int80(430, names[0], (const char *)(long)flags, NULL, 0, NULL);

			attempts++;
			if (fs < 0)
				continue;
			if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0 ||
			    fsconfig(fs, 8, NULL, NULL, 0) == 0)
				judge_fd(fsmount(fs, 0, 0), "fsopen");
			(void)close(fs);
		}
	}
	for (int k = 0; k < 2; k++) {
		int pick = fspick(AT_FDCWD, k ? "/sys" : "/proc", FSPICK_CLOEXEC);

		if (pick >= 0) {
			(void)fsconfig(pick, FSCONFIG_SET_STRING, "subset", "pid", 0);
			(void)fsconfig(pick, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0);
			judge_fd(fsmount(pick, 0, 0), "fspick");
			(void)close(pick);
		}
	}
}

static void by_tree(void)
{
	static const char *const sources[] = {
		"/proc", "/proc/sys", "/proc/sys/kernel", "/proc/sys/kernel/random", "/", "/proc/self/root/proc"
	};
	struct mount_attr a = { .attr_clr = MOUNT_ATTR_RDONLY };
	char path[64];

	for (unsigned s = 0; s < sizeof sources / sizeof *sources; s++) {
		for (unsigned f = 0; f < 8; f++) {
			unsigned flags = (f & 1 ? AT_RECURSIVE : 0) | (f & 2 ? 1u : 0) | (f & 4 ? 2u : 0);
			int fd = (int)syscall(SYS_open_tree, AT_FDCWD, sources[s], flags);
			int with = (int)syscall(SYS_open_tree_attr_nr, AT_FDCWD, sources[s], flags, &a, sizeof a);

			judge_fd(fd, "open_tree");
			judge_fd(with, "open_tree_attr");
			/* Taken apart while it is attached nowhere. */
			for (int i = 0; i < 2; i++) {
				int at = i ? with : fd,
				    name = at < 0 ? -1 : openat(at, ID_FILE, O_PATH | O_CLOEXEC);

				if (name < 0)
					continue;
				(void)snprintf(path, sizeof path, "/proc/self/fd/%d", name);
				if (flags & 1) {
					(void)umount2(path, MNT_DETACH);
					(void)umount2(path, 0);
					(void)move_mount(name, "", AT_FDCWD, dir, MOVE_MOUNT_F_EMPTY_PATH);
				}
				judge_fd(at, "a detached tree, its cover taken off");
				(void)umount2(dir, MNT_DETACH);
				(void)close(name);
			}
			(void)close(fd);
			(void)close(with);
		}
	}
}

static void by_layers(void)
{
	static const char *const lower[] = { "/proc", "/proc/sys", "/proc/sys/kernel", "/proc/sys/kernel/random" };
	char options[200];

	for (unsigned i = 0; i < 4; i++) {
		(void)snprintf(options, sizeof options, "lowerdir=%s:/bin", lower[i]);
		if (mount("overlay", dir, "overlay", 0, options) == 0)
			judge_dir("overlay");
		(void)snprintf(options, sizeof options, "lowerdir=/bin:%s", lower[i]);
		if (mount("overlay", dir, "overlay", 0, options) == 0)
			judge_dir("overlay");
		attempts += 2;
	}
}

/* New namespaces of each kind, then everything again. */
static void in_namespaces(void)
{
	static const int kinds[] = { CLONE_NEWNS, CLONE_NEWNS | CLONE_NEWPID, CLONE_NEWNS | CLONE_NEWNET,
				     CLONE_NEWNS | CLONE_NEWCGROUP };

	for (unsigned i = 0; i < 4; i++) {
		pid_t pid;

		(void)fflush(stdout);
		pid = fork();
		if (pid == 0) {
			if (unshare(kinds[i]) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
				_exit(0);
			pid = fork();
			if (pid == 0) {
				if (i == 0)
					(void)umount2("/proc", MNT_DETACH);
				if (mount("proc", dir, "proc", 0, NULL) == 0)
					judge_dir("in a new namespace");
				by_context();
				(void)fflush(stdout);
				_exit(0);
			}
			(void)waitpid(pid, NULL, 0);
			_exit(0);
		}
		(void)waitpid(pid, NULL, 0);
		attempts++;
	}
}

static void put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	(void)!write(fd, text, strlen(text));
	(void)close(fd);
}

static int handles(const char *online)
{
	struct {
		struct file_handle h;
		uint64_t id;
	} f = { .h = { .handle_bytes = 8, .handle_type = 0xfe } };
	int at = open("/sys", O_RDONLY | O_DIRECTORY | O_CLOEXEC), opened = 0, last = 0;

	for (uint64_t i = 1; i < 40000; i++) {
		char text[64], path[64], name[200];
		ssize_t n, len;
		int fd;

		f.id = i;
		fd = open_by_handle_at(at, &f.h, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0) {
			last = errno != ESTALE ? errno : last;
			continue;
		}
		opened++;
		(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		len = readlink(path, name, sizeof name - 1);
		name[len > 0 ? len : 0] = '\0';
		n = strstr(name, "cpu/online") ? read(fd, text, sizeof text) : 0;
		if (n > 0 && strncmp(text, online, strlen(online)) == 0)
			printf("SEEN %s by handle %lu\n", name, (unsigned long)i);
		(void)close(fd);
	}
	printf("end %d handles, %s\n", opened, last ? strerrorname_np(last) : "no error");
	return 0;
}

int main(int argc, char **argv)
{
	char *low;

	if (argc == 3 && strcmp(argv[1], "handles") == 0)
		return handles(argv[2]);
	if (argc != 4)
		return 2;
	/* Where 32 bits reach. */
	low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (low == MAP_FAILED || strlen(argv[2]) > 1000)
		return 2;
	dir = strcpy(low, argv[2]);
	id = argv[3];
	for (int depth = atoi(argv[1]); depth > 0; depth--) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			return 3;
		put("/proc/self/setgroups", "deny");
		put("/proc/self/uid_map", "0 0 1\n");
		put("/proc/self/gid_map", "0 0 1\n");
		(void)mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	}
	by_flags();
	by_int80();
	by_context();
	by_tree();
	by_layers();
	in_namespaces();
	printf("end %lu attempts, %lu trees\n", attempts, trees);
	return 0;
}
