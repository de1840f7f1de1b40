/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that a container's root can try against a mount that must stay as it is: read-only, covering something,
 * without devices. Prints one line for each attempt that gave more than it should, "held N" at the end.
 *
 *   locks DEPTH ro PATH        PATH is read-only: make it, or a copy of it, writable
 *   locks DEPTH cover PATH     PATH is a mount over something: take it away, or see what is below
 *   locks DEPTH nodev PATH     PATH has nodev: lose it
 *   locks DEPTH proc DIR       get a procfs without the covers: DIR is an empty directory
 *
 * DEPTH: so many times unshare(NEWUSER|NEWNS) first.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MOVE_MOUNT_BENEATH
#define MOVE_MOUNT_BENEATH 0x00000200
#endif
#define OPEN_TREE_NAMESPACE_BIT 2u
#define SYS_open_tree_attr_nr	467
#define PROC_MAGIC		0x9fa0

static int attempts, breaches;

static void verdict(bool breached, const char *what)
{
	attempts++;
	if (breached) {
		breaches++;
		printf("BREACH %s\n", what);
	}
}

static void die(const char *what)
{
	printf("ERROR %s: %s\n", what, strerror(errno));
	exit(2);
}

static void put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(file);
	(void)close(fd);
}

/* One level down: root of a user namespace of its own, with a copy of all mounts. */
static void deeper(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		die("unshare");
	put("/proc/self/setgroups", "deny");
	put("/proc/self/uid_map", "0 0 1\n");
	put("/proc/self/gid_map", "0 0 1\n");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die("make private");
}

/* Can something be written here? O_TMPFILE and mkdir leave nothing; files are only opened. */
static bool writable(int dirfd, const char *path)
{
	struct stat st;
	int fd;

	if (fstatat(dirfd, path, &st, *path ? 0 : AT_EMPTY_PATH) < 0)
		return false;
	if (!S_ISDIR(st.st_mode)) {
		char self[64];

		(void)snprintf(self, sizeof self, "/proc/self/fd/%d", dirfd);
		fd = *path ? openat(dirfd, path, O_WRONLY | O_CLOEXEC) : open(self, O_WRONLY | O_CLOEXEC);
	} else {
		struct statvfs v;
		int d = openat(dirfd, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (d < 0)
			return false;
		/* Kernel file systems take no new names: the mount's own flag tells. */
		fd = fstatvfs(d, &v) == 0 && !(v.f_flag & ST_RDONLY) ? d : -1;
		if (fd < 0)
			(void)close(d);
	}
	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

static bool has_flag(const char *path, unsigned long flag)
{
	struct statvfs v;

	return statvfs(path, &v) == 0 && (v.f_flag & flag);
}

static int set_attr(int fd, const char *path, unsigned flags, uint64_t set, uint64_t clear)
{
	struct mount_attr a = { .attr_set = set, .attr_clr = clear };

	return mount_setattr(fd, path, flags, &a, sizeof a);
}

/* Each kind of copy of PATH, as a detached mount. */
static int copy_of(const char *path, int kind)
{
	struct mount_attr a = { .attr_clr = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV };
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
	int first, second;

	switch (kind) {
	case 0:
		return open_tree(AT_FDCWD, path, flags);
	case 1:
		return open_tree(AT_FDCWD, path, flags | AT_RECURSIVE);
	case 2: /* a copy of a copy */
		first = open_tree(AT_FDCWD, path, flags | AT_RECURSIVE);
		second = first < 0 ? -1 : open_tree(first, "", flags | AT_EMPTY_PATH);
		(void)close(first);
		return second;
	case 3:
		return (int)syscall(SYS_open_tree_attr_nr, AT_FDCWD, path, flags | AT_RECURSIVE, &a, sizeof a);
	case 4:
		return (int)syscall(SYS_open_tree_attr_nr, AT_FDCWD, path, flags, &a, sizeof a);
	case 5:
		return open_tree(AT_FDCWD, path, OPEN_TREE_NAMESPACE_BIT | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	default:
		return -1;
	}
}

static const char *const copy_names[] = {
	"open_tree",	  "recursive open_tree", "open_tree of open_tree", "recursive open_tree_attr",
	"open_tree_attr", "open_tree(NAMESPACE)"
};
#define N_COPIES 6

static void reconfigure(int pick, const char *key)
{
	if (pick < 0)
		return;
	if (key)
		(void)fsconfig(pick, FSCONFIG_SET_FLAG, key, NULL, 0);
	(void)fsconfig(pick, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0);
	(void)close(pick);
}

static void try_ro(const char *path, const char *scratch)
{
	char what[200], at[128];

	if (writable(AT_FDCWD, path)) {
		verdict(true, "it is writable from the start");
		return;
	}
	(void)mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL);
	verdict(writable(AT_FDCWD, path), "mount(REMOUNT|BIND)");
	(void)mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME, NULL);
	verdict(writable(AT_FDCWD, path), "mount(REMOUNT|BIND) with the other flags kept");
	(void)mount(NULL, path, NULL, MS_REMOUNT, NULL);
	verdict(writable(AT_FDCWD, path), "mount(REMOUNT)");
	(void)set_attr(AT_FDCWD, path, 0, 0, MOUNT_ATTR_RDONLY);
	verdict(writable(AT_FDCWD, path), "mount_setattr");
	(void)set_attr(AT_FDCWD, path, AT_RECURSIVE, 0, MOUNT_ATTR_RDONLY);
	verdict(writable(AT_FDCWD, path), "recursive mount_setattr");
	reconfigure(fspick(AT_FDCWD, path, FSPICK_CLOEXEC), "rw");
	verdict(writable(AT_FDCWD, path), "fspick and fsconfig");
	for (int k = 0; k < N_COPIES; k++) {
		int fd = copy_of(path, k);

		if (fd < 0)
			continue;
		(void)set_attr(fd, "", AT_EMPTY_PATH, 0, MOUNT_ATTR_RDONLY);
		(void)set_attr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, 0, MOUNT_ATTR_RDONLY);
		reconfigure(fspick(fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH), "rw");
		(void)snprintf(what, sizeof what, "%s, then mount_setattr on it", copy_names[k]);
		verdict(writable(fd, ""), what);
		(void)close(fd);
	}
	for (int rec = 0; rec < 2; rec++) {
		struct stat st;

		(void)snprintf(at, sizeof at, "%s/bind%d", scratch, rec);
		if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
			(void)mkdir(at, 0700);
		else
			(void)close(open(at, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
		if (mount(path, at, NULL, MS_BIND | (rec ? MS_REC : 0), NULL) < 0)
			continue;
		(void)mount(NULL, at, NULL, MS_REMOUNT | MS_BIND, NULL);
		(void)mount(NULL, at, NULL, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
		(void)set_attr(AT_FDCWD, at, AT_RECURSIVE, 0, MOUNT_ATTR_RDONLY);
		(void)snprintf(what, sizeof what, "%sbind, then remount", rec ? "r" : "");
		verdict(writable(AT_FDCWD, at), what);
		(void)umount2(at, MNT_DETACH);
	}
}

static void try_nodev(const char *path)
{
	char what[200];

	if (!has_flag(path, ST_NODEV)) {
		verdict(true, "it has no nodev from the start");
		return;
	}
	(void)mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL);
	verdict(!has_flag(path, ST_NODEV), "mount(REMOUNT|BIND)");
	(void)mount(NULL, path, NULL, MS_REMOUNT, NULL);
	verdict(!has_flag(path, ST_NODEV), "mount(REMOUNT)");
	(void)set_attr(AT_FDCWD, path, AT_RECURSIVE, 0, MOUNT_ATTR_NODEV);
	verdict(!has_flag(path, ST_NODEV), "mount_setattr");
	for (int k = 0; k < N_COPIES; k++) {
		struct statvfs v;
		int fd = copy_of(path, k);

		if (fd < 0)
			continue;
		(void)set_attr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, 0, MOUNT_ATTR_NODEV);
		(void)snprintf(what, sizeof what, "%s, then mount_setattr on it", copy_names[k]);
		verdict(fstatvfs(fd, &v) == 0 && !(v.f_flag & ST_NODEV), what);
		(void)close(fd);
	}
}

/* What a name shows: the mount, not only the inode. */
static uint64_t shown(int dirfd, const char *path)
{
	struct statx s;

	if (statx(dirfd, path, AT_NO_AUTOMOUNT, STATX_MNT_ID | STATX_INO, &s) < 0)
		return 0;
	return ((uint64_t)s.stx_dev_major << 52) ^ ((uint64_t)s.stx_dev_minor << 32) ^ s.stx_ino;
}

static void try_cover(const char *path, const char *scratch)
{
	char parent[256], what[200], at[128];
	const char *name = strrchr(path, '/') + 1;
	uint64_t before = shown(AT_FDCWD, path);
	int fd;

	(void)snprintf(parent, sizeof parent, "%.*s", (int)(name - path - 1), path);
	if (before == 0)
		die(path);
	for (int i = 0; i < 4; i++) {
		static const int flags[] = { 0, MNT_DETACH, MNT_FORCE, MNT_EXPIRE };

		(void)umount2(path, flags[i]);
		if (flags[i] == MNT_EXPIRE)
			(void)umount2(path, MNT_EXPIRE);
		verdict(shown(AT_FDCWD, path) != before, "umount2");
	}
	(void)snprintf(at, sizeof at, "%s/%s", scratch, "moved");
	(void)mkdir(at, 0700);
	(void)mount(path, at, NULL, MS_MOVE, NULL);
	verdict(shown(AT_FDCWD, path) != before, "mount(MOVE)");
	fd = open(path, O_PATH | O_CLOEXEC);
	(void)move_mount(fd, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH);
	verdict(shown(AT_FDCWD, path) != before, "move_mount");
	(void)close(fd);
	/* Put something of ours between the cover and what it covers, then take the cover off. */
	fd = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fd >= 0 && fsconfig(fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0) {
		int mnt = fsmount(fd, FSMOUNT_CLOEXEC, 0);
		int r = move_mount(mnt, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_BENEATH);

		(void)umount2(path, MNT_DETACH);
		verdict(r == 0 && shown(AT_FDCWD, path) != before, "move_mount(BENEATH)");
		(void)close(mnt);
	}
	(void)close(fd);
	/* Copies of the parent that leave the cover behind. */
	for (int k = 0; k < N_COPIES; k++) {
		fd = copy_of(parent, k);
		if (fd < 0)
			continue;
		(void)snprintf(what, sizeof what, "%s of the parent", copy_names[k]);
		verdict(shown(fd, name) != before, what);
		if (move_mount(fd, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) == 0) {
			char sub[256];

			(void)snprintf(sub, sizeof sub, "%s/%s", at, name);
			(void)umount2(sub, MNT_DETACH);
			(void)snprintf(what, sizeof what, "%s of the parent, umount in it", copy_names[k]);
			verdict(shown(AT_FDCWD, sub) != before, what);
			(void)umount2(at, MNT_DETACH);
		}
		(void)close(fd);
	}
	if (mount(parent, at, NULL, MS_BIND, NULL) == 0) {
		char sub[256];

		(void)snprintf(sub, sizeof sub, "%s/%s", at, name);
		verdict(shown(AT_FDCWD, sub) != before, "bind of the parent");
		(void)umount2(at, MNT_DETACH);
	}
	/* Propagation: a peer of the parent, from which the cover is unmounted. */
	(void)mount(NULL, parent, NULL, MS_SHARED, NULL);
	if (mount(parent, at, NULL, MS_BIND | MS_REC, NULL) == 0) {
		char sub[256];

		(void)snprintf(sub, sizeof sub, "%s/%s", at, name);
		(void)umount2(sub, MNT_DETACH);
		verdict(shown(AT_FDCWD, sub) != before || shown(AT_FDCWD, path) != before,
			"umount in a shared peer");
		(void)umount2(at, MNT_DETACH);
	}
	(void)mount(NULL, parent, NULL, MS_PRIVATE, NULL);
}

/* A procfs that shows NAME as it is, not the cover? */
static bool raw_proc(int fd)
{
	struct statfs s;
	int f;

	if (fstatfs(fd, &s) < 0 || s.f_type != PROC_MAGIC)
		return false;
	f = openat(fd, "timer_list", O_PATH | O_CLOEXEC);
	if (f < 0)
		return false;
	bool raw = fstatfs(f, &s) == 0 && s.f_type == PROC_MAGIC;

	(void)close(f);
	return raw;
}

static void one_proc(const char *option, const char *value, const char *dir, const char *what)
{
	char text[64];
	int fs = fsopen("proc", FSOPEN_CLOEXEC), mnt;

	if (fs >= 0) {
		if (option)
			(void)fsconfig(fs, FSCONFIG_SET_STRING, option, value, 0);
		if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0) {
			mnt = fsmount(fs, FSMOUNT_CLOEXEC, 0);
			verdict(mnt >= 0 && raw_proc(mnt), what);
			if (mnt >= 0)
				(void)close(mnt);
		}
		(void)close(fs);
	}
	(void)snprintf(text, sizeof text, "%s%s%s", option ? option : "", option ? "=" : "", option ? value : "");
	if (mount("proc", dir, "proc", 0, option ? text : NULL) == 0) {
		int fd = open(dir, O_PATH | O_CLOEXEC);

		verdict(raw_proc(fd), what);
		(void)close(fd);
		(void)umount2(dir, MNT_DETACH);
	} else {
		verdict(false, what);
	}
}

static void try_proc(const char *dir)
{
	int status;
	pid_t pid;

	one_proc(NULL, NULL, dir, "new procfs");
	one_proc("subset", "pid", dir, "new procfs with subset=pid");
	one_proc("hidepid", "2", dir, "new procfs with hidepid");
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWPID) < 0)
			_exit(0);
		pid = fork();
		if (pid == 0) {
			attempts = breaches = 0;
			one_proc(NULL, NULL, dir, "new procfs of a new pid namespace");
			(void)fflush(stdout);
			_exit(breaches ? 1 : 0);
		}
		(void)waitpid(pid, &status, 0);
		_exit(WEXITSTATUS(status));
	}
	(void)waitpid(pid, &status, 0);
	verdict(status != 0, "new pid namespace");
	/* Without any procfs in sight. */
	pid = fork();
	if (pid == 0) {
		char old[128];

		attempts = breaches = 0;
		if (unshare(CLONE_NEWNS) < 0 || mount("none", dir, "tmpfs", 0, NULL) < 0)
			_exit(0);
		(void)snprintf(old, sizeof old, "%s/x", dir);
		(void)mkdir(old, 0700);
		if (chdir(dir) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
			_exit(0);
		one_proc(NULL, NULL, "/x", "new procfs after pivot_root away from all of them");
		(void)fflush(stdout);
		_exit(breaches ? 1 : 0);
	}
	(void)waitpid(pid, &status, 0);
	verdict(status != 0, "pivot_root");
	/* The whole tree detached, then a new one. */
	pid = fork();
	if (pid == 0) {
		attempts = breaches = 0;
		if (unshare(CLONE_NEWNS) < 0)
			_exit(0);
		(void)umount2("/proc", MNT_DETACH);
		one_proc(NULL, NULL, "/proc", "new procfs after umount -l /proc");
		(void)fflush(stdout);
		_exit(breaches ? 1 : 0);
	}
	(void)waitpid(pid, &status, 0);
	verdict(status != 0, "umount -l /proc");
}

int main(int argc, char **argv)
{
	char scratch[] = "/tmp/locks.XXXXXX";

	if (argc != 4) {
		fputs("usage: locks DEPTH ro|cover|nodev|proc PATH\n", stderr);
		return 2;
	}
	for (int depth = atoi(argv[1]); depth > 0; depth--)
		deeper();
	if (mount("none", "/tmp", "tmpfs", 0, NULL) < 0 || !mkdtemp(scratch))
		die("scratch directory");
	if (strcmp(argv[2], "ro") == 0)
		try_ro(argv[3], scratch);
	else if (strcmp(argv[2], "cover") == 0)
		try_cover(argv[3], scratch);
	else if (strcmp(argv[2], "nodev") == 0)
		try_nodev(argv[3]);
	else
		try_proc(argv[3]);
	printf("held %d of %d\n", attempts - breaches, attempts);
	(void)umount2("/tmp", MNT_DETACH);
	return breaches != 0;
}
