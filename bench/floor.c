/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor - the least that an isolated container can cost: bare system calls, no configuration, no state, no checks.
 *
 *   floor [-s] ROOTFS COMMAND [ARGUMENT...]
 *
 * One process makes what the runtime must make for the bundle of bench/run.sh, in one go: a cgroup per hierarchy with
 * device rules, a child in new user, pid, ipc, uts, net, cgroup, time and mount namespaces with 65536 mapped ids, an
 * id-mapped root, /dev with real nodes, proc, sysfs, devpts, shm, mqueue, the cgroup mounts, masked and read-only
 * paths, pivot_root, exec, wait, and the removal of the cgroups. -s ("short") leaves out the cgroup mounts and the
 * masked and read-only paths: 7 mounts instead of about 25.
 * Exit status: the command's, 125 if something failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

#define CGROUPS "/sys/fs/cgroup"

/* Ids that no account, no subordinate range and no container of a bench run has. */
#define BASE 2000000000u

static const char *const hierarchies[] = {
	"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd", "unified",
};

enum { V2 = ARRAY_SIZE(hierarchies) - 1 }; /* index of the cgroup v2 hierarchy */

static const struct node {
	const char *name;
	unsigned minor;
} nodes[] = { { "null", 3 }, { "zero", 5 }, { "full", 7 }, { "random", 8 }, { "urandom", 9 } };

static const char *const device_rules[] = {
	"c *:* m",   "b *:* m",	  "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm",
	"c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm",
};

static const char *const masked[] = {
	"proc/acpi",	   "proc/asound",      "proc/kcore",	   "proc/keys", "proc/latency_stats",
	"proc/timer_list", "proc/timer_stats", "proc/sched_debug", "proc/scsi", "sys/firmware",
};

static const char *const read_only[] = { "proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger" };

static struct {
	pid_t child;
	char cgroup[64];
	int go[2]; /* the parent writes struct ready when ids, cgroups and mounts are */
	bool is_short, is_child;
	int tasks[ARRAY_SIZE(hierarchies)];
} run;

/* Detached mounts. The numbers are good in the child, as it shares the table of fds until exec. */
struct ready {
	int root, dev;
};

static void cgroups_remove(void)
{
	char path[160];

	for (size_t i = 0; i < ARRAY_SIZE(hierarchies); i++) {
		(void)snprintf(path, sizeof(path), CGROUPS "/%s/%s", hierarchies[i], run.cgroup);
		/* v1 lets go of a dead task a moment after its parent was told. */
		for (int try = 0; rmdir(path) < 0 && errno == EBUSY && try < 1000; try++)
			(void)nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	}
}

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	(void)fprintf(stderr, "floor: ");
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, ": %s\n", strerror(saved));
	if (run.child > 0) {
		(void)kill(run.child, SIGKILL);
		(void)waitpid(run.child, NULL, 0);
	}
	if (!run.is_child)
		cgroups_remove();
	_exit(125);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("write '%s' to %s", text, path);
	(void)close(fd);
}

/* ---- the parent's side ---- */

static void cpuset_inherit(const char *file)
{
	char path[192], text[256];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), CGROUPS "/cpuset/%s", file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	if (n <= 0)
		die("read %s", path);
	(void)close(fd);
	text[n] = '\0';
	(void)snprintf(path, sizeof(path), CGROUPS "/cpuset/%s/%s", run.cgroup, file);
	put(path, text);
}

static void device_rules_set(void)
{
	char path[192];

	(void)snprintf(path, sizeof(path), CGROUPS "/devices/%s/devices.deny", run.cgroup);
	put(path, "a");
	(void)snprintf(path, sizeof(path), CGROUPS "/devices/%s/devices.allow", run.cgroup);
	for (size_t k = 0; k < ARRAY_SIZE(device_rules); k++)
		put(path, device_rules[k]);
}

/*
 * The child enters the v1 cgroups itself, by writing "0" to "tasks", and the v2 one by being cloned into it: any
 * write of a pid or to "cgroup.procs" takes a lock that every fork on the host reads, and getting it for writing
 * waits for an RCU grace period, 10 to 20 ms on a quiet host.
 */
static void cgroups_make(void)
{
	char path[192];

	for (size_t i = 0; i < ARRAY_SIZE(hierarchies); i++) {
		bool v2 = i == V2;

		run.tasks[i] = -EBADF;
		(void)snprintf(path, sizeof(path), CGROUPS "/%s/%s", hierarchies[i], run.cgroup);
		if (mkdir(path, 0755) < 0) {
			if (errno == ENOENT)
				continue; /* no such hierarchy on this host */
			die("mkdir %s", path);
		}
		if (strcmp(hierarchies[i], "cpuset") == 0) {
			cpuset_inherit("cpuset.cpus");
			cpuset_inherit("cpuset.mems");
		}
		if (strcmp(hierarchies[i], "devices") == 0)
			device_rules_set();
		(void)snprintf(path, sizeof(path), CGROUPS "/%s/%s%s", hierarchies[i], run.cgroup,
			       v2 ? "" : "/tasks");
		run.tasks[i] = open(path, (v2 ? O_PATH : O_WRONLY) | O_CLOEXEC);
		if (run.tasks[i] < 0)
			die("open %s", path);
	}
}

static void ids_map(void)
{
	char path[64], map[64];

	(void)snprintf(map, sizeof(map), "0 %u 65536\n", BASE);
	(void)snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)run.child);
	put(path, map);
	(void)snprintf(path, sizeof(path), "/proc/%d/gid_map", (int)run.child);
	put(path, map);
}

static int root_make(const char *rootfs)
{
	struct mount_attr a = { .attr_set = MOUNT_ATTR_IDMAP };
	char path[64];
	int userns, fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)run.child);
	userns = open(path, O_RDONLY | O_CLOEXEC);
	fd = open_tree(AT_FDCWD, rootfs, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (userns < 0 || fd < 0)
		die("clone mount of %s", rootfs);
	a.userns_fd = (unsigned)userns;
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0)
		die("id-map %s", rootfs);
	(void)close(userns);
	return fd;
}

/* A tmpfs of the host's user namespace, as device nodes of any other would not open. */
static int dev_make(void)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "mode", "755", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "size", "65536k", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		die("tmpfs for /dev");
	fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	if (fd < 0)
		die("mount tmpfs for /dev");
	(void)close(fs);
	if (fchownat(fd, "", BASE, BASE, AT_EMPTY_PATH) < 0)
		die("chown /dev");
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
		if (mknodat(fd, nodes[i].name, S_IFCHR | 0666, makedev(1, nodes[i].minor)) < 0 ||
		    fchownat(fd, nodes[i].name, BASE, BASE, 0) < 0)
			die("/dev/%s", nodes[i].name);
	if (mknodat(fd, "tty", S_IFCHR | 0666, makedev(5, 0)) < 0 || fchownat(fd, "tty", BASE, BASE, 0) < 0)
		die("/dev/tty");
	if (symlinkat("/proc/self/fd", fd, "fd") < 0 || symlinkat("/proc/self/fd/0", fd, "stdin") < 0 ||
	    symlinkat("/proc/self/fd/1", fd, "stdout") < 0 || symlinkat("/proc/self/fd/2", fd, "stderr") < 0 ||
	    symlinkat("pts/ptmx", fd, "ptmx") < 0 || mkdirat(fd, "pts", 0755) < 0 ||
	    mkdirat(fd, "shm", 0755) < 0 || mkdirat(fd, "mqueue", 0755) < 0)
		die("links and directories of /dev");
	return fd;
}

/* ---- the child's side ---- */

static void mnt(const char *src, const char *dst, const char *type, unsigned long flags, const char *data)
{
	if (mount(src, dst, type, flags, data) < 0)
		die("mount %s on %s", type ? type : src, dst);
}

static void cgroup_mounts(void)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	char dst[96];

	mnt("tmpfs", "sys/fs/cgroup", "tmpfs", flags, "mode=755");
	for (size_t i = 0; i < ARRAY_SIZE(hierarchies); i++) {
		const char *name = hierarchies[i];
		char path[96];

		(void)snprintf(path, sizeof(path), CGROUPS "/%s", name);
		if (access(path, F_OK) < 0)
			continue;
		(void)snprintf(dst, sizeof(dst), "sys/fs/cgroup/%s", name);
		if (mkdir(dst, 0755) < 0)
			die("mkdir %s", dst);
		if (i == V2)
			mnt("cgroup2", dst, "cgroup2", flags | MS_RDONLY, NULL);
		else
			mnt("cgroup", dst, "cgroup", flags | MS_RDONLY,
			    strcmp(name, "systemd") == 0 ? "none,name=systemd" : name);
	}
	mnt(NULL, "sys/fs/cgroup", NULL, flags | MS_REMOUNT | MS_RDONLY, "mode=755");
}

static void path_masks(void)
{
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(masked); i++) {
		if (stat(masked[i], &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			mnt("tmpfs", masked[i], "tmpfs", MS_RDONLY, "size=0k");
		else
			mnt("dev/null", masked[i], NULL, MS_BIND, NULL);
	}
	for (size_t i = 0; i < ARRAY_SIZE(read_only); i++) {
		if (access(read_only[i], F_OK) < 0)
			continue;
		mnt(read_only[i], read_only[i], NULL, MS_BIND | MS_REC, NULL);
		mnt(NULL, read_only[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		    NULL);
	}
}

static void root_enter(int target, const struct ready *ready)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	mnt(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (move_mount(ready->root, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0 ||
	    fchdir(ready->root) < 0)
		die("attach the root");
	mnt("proc", "proc", "proc", flags, NULL);
	if (move_mount(ready->dev, "", AT_FDCWD, "dev", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		die("attach /dev");
	mnt("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
	mnt("shm", "dev/shm", "tmpfs", flags, "mode=1777,size=65536k");
	mnt("mqueue", "dev/mqueue", "mqueue", flags, NULL);
	mnt("sysfs", "sys", "sysfs", flags | MS_RDONLY, NULL);
	if (!run.is_short) {
		cgroup_mounts();
		path_masks();
	}
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		die("pivot_root");
}

static void __attribute__((noreturn)) child_main(const char *rootfs, char **argv)
{
	struct ready ready;
	int target;

	run.is_child = true;
	/* While the outer root's own: root of the namespace may not be able to search the way there. */
	target = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (target < 0)
		die("open %s", rootfs);
	for (size_t i = 0; i < V2; i++)
		if (run.tasks[i] >= 0 && write(run.tasks[i], "0", 1) < 0)
			die("enter cgroup of %s", hierarchies[i]);
	if (read(run.go[0], &ready, sizeof(ready)) != (ssize_t)sizeof(ready))
		die("wait for the parent");
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		die("become root of the namespace");
	/* The change of ids cleared it, and with it went the ownership of our files in /proc. */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		die("PR_SET_DUMPABLE");
	/* After the cgroups were entered, as their place is the root of the new cgroup namespace. */
	if (unshare(CLONE_NEWCGROUP | CLONE_NEWTIME) < 0)
		die("cgroup and time namespaces");
	put("/proc/self/timens_offsets", "boottime -1000 0\n");
	if (sethostname("floor", 5) < 0)
		die("sethostname");
	root_enter(target, &ready);
	(void)setsid();
	(void)execv(argv[0], argv);
	die("exec %s", argv[0]);
}

int main(int argc, char **argv)
{
	struct clone_args args = {
		.flags = CLONE_FILES | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET |
			 CLONE_NEWNS,
		.exit_signal = SIGCHLD,
	};
	struct ready ready;
	int st;

	if (argc > 1 && strcmp(argv[1], "-s") == 0) {
		run.is_short = true;
		argc--;
		argv++;
	}
	if (argc < 3) {
		(void)fprintf(stderr, "usage: floor [-s] ROOTFS COMMAND [ARGUMENT...]\n");
		return 2;
	}
	(void)snprintf(run.cgroup, sizeof(run.cgroup), "cbench-floor-%d", (int)getpid());
	(void)umask(0);
	if (pipe2(run.go, O_CLOEXEC) < 0)
		die("pipe");
	cgroups_make();
	if (run.tasks[V2] >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (unsigned)run.tasks[V2];
	}
	run.child = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (run.child < 0)
		die("clone3");
	if (run.child == 0)
		child_main(argv[1], argv + 2);
	ids_map();
	ready.root = root_make(argv[1]);
	ready.dev = dev_make();
	if (write(run.go[1], &ready, sizeof(ready)) != (ssize_t)sizeof(ready))
		die("wake the child");
	while (waitpid(run.child, &st, 0) < 0)
		if (errno != EINTR)
			die("wait");
	cgroups_remove();
	return WIFEXITED(st) ? WEXITSTATUS(st) : 125;
}
