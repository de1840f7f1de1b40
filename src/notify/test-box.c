/* SPDX-License-Identifier: Apache-2.0 */
#include "notify/test-box.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "emulate/cover.h"
#include "notify/fence.h"
#include "notify/filter.h"
#include "notify/journal.h"
#include "notify/worker.h"
#include "sys/missing.h"
#include "sys/test-dir.h"

struct notify_shared *box_shared;
int *box_notes;
unsigned box_worker_fds;

static struct {
	int mnt;  /* the stage's mount namespace */
	int host; /* the one that boxes are made from */
	int proc, sysfs;
	/* shared with workers */
	unsigned *hits;		/* how often a point was reached */
	volatile pid_t *victim; /* who is to be killed; -1: the worker with its helpers */
} test;

static const struct box_options *options; /* of the box that runs */

_Noreturn void box_failed(const char *file, int line, const char *what)
{
	(void)dprintf(STDERR_FILENO, "%s:%d: in the box: %s: %s\n", file, line, what, strerror(errno));
	_exit(1);
}

static _Noreturn void broken(const char *what)
{
	perror(what);
	_exit(99);
}

/* ---- stage ---------------------------------------------------------------------------------------------------- */

static void make_carrier(const char *name, bool files)
{
	char path[64], row[EMU_NAME_MAX];

	if (mkdir(name, 0700) < 0 || mount("tmpfs", name, "tmpfs", 0, "mode=755") < 0)
		broken(name);
	for (size_t i = 0; files && i < emu_n_rows; i++) {
		int fd;

		emu_name(i, row);
		(void)snprintf(path, sizeof path, "%s/%s", name, row);
		fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
		if (fd < 0 || dprintf(fd, "emulated\n") < 0)
			broken(path);
		(void)close(fd);
	}
}

static int make_stage(void)
{
	int fd;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/mnt", "tmpfs", 0, "mode=700") < 0 || chdir("/mnt") < 0)
		broken("stage");
	make_carrier(COVER_CONSTANT, true);
	make_carrier(COVER_CHANGING, true);
	make_carrier(COVER_SYSCTL, true);
	make_carrier(COVER_EMPTY, false);
	if (mknod(COVER_NULL, S_IFCHR | 0666, makedev(1, 3)) < 0)
		broken(COVER_NULL);
	if (sys_pivot_root(".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
		broken("pivot_root");
	fd = openat(test.proc, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
	return fd;
}

/* Put the row's file over the native one that boxes begin with. We are back on the host afterwards. */
static bool cover_native(const char *carrier, const char *path)
{
	char from[64], name[EMU_NAME_MAX], to[64];
	int mnt;

	for (size_t i = 0; i < emu_n_rows; i++) {
		if (strcmp(emu_rows[i].path, path) != 0)
			continue;
		emu_name(i, name);
		(void)snprintf(from, sizeof from, "/%s/%s", carrier, name);
		(void)snprintf(to, sizeof to, "/%s/%s", emu_rows[i].fs == EMU_PROC ? "proc" : "sys", path);
		mnt = setns(test.mnt, CLONE_NEWNS) < 0
			      ? -1
			      : open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (mnt < 0 || setns(test.host, CLONE_NEWNS) < 0 ||
		    move_mount(mnt, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) < 0)
			return false;
		(void)close(mnt);
	}
	return true;
}

bool box_open(void)
{
	if (geteuid() != 0)
		return false;
	box_shared = mmap(NULL, sizeof *box_shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	box_notes = mmap(NULL, BOX_NOTES * sizeof *box_notes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0);
	test.hits = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	test.victim = (volatile pid_t *)(test.hits + 1);
	test.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	test.sysfs = open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	test.host = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	test.mnt = make_stage();
	if (test.mnt < 0)
		return false;
	/* Locked in every box, so that the kernel lets none mount these by itself. */
	return cover_native(COVER_CONSTANT, "swaps") && cover_native(COVER_CHANGING, "devices/system/cpu/online");
}

/* ---- worker --------------------------------------------------------------------------------------------------- */

static void die_at(int n)
{
	if (n == options->point && *test.hits < options->times) {
		++*test.hits;
		if (options->caller) {
			*test.victim =
				(pid_t)((const struct seccomp_notif *)(const void *)box_shared->slot.notif)->pid;
			while (*test.victim != 0)
				(void)usleep(100);
			return;
		}
		if (options->helper)
			(void)kill(getpid(), SIGKILL);
		/* A helper, as the container's user, may kill only itself. */
		*test.victim = -1;
		for (;;)
			(void)pause();
	}
}

static void send_fd(int sock, int fd, uint32_t number)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof(int))];
	} c = { 0 };
	struct worker_msg m = { .listener = number };
	struct iovec iov = { &m, sizeof m };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = sizeof c.buf
	};

	c.h.cmsg_level = SOL_SOCKET;
	c.h.cmsg_type = SCM_RIGHTS;
	c.h.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&c.h), &fd, sizeof fd);
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) < 0)
		broken("sendmsg");
}

static pid_t start_worker(int listener, int *ret_sock)
{
	static struct notify_worker w;
	const int none[6] = { -1, -1, -1, -1, -1, -1 };
	struct err e = { 0 };
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		broken("socketpair");
	pid = fork();
	if (pid < 0)
		broken("fork");
	if (pid == 0) {
		(void)setpgid(0, 0);
		(void)close(pair[0]);
		if (setns(test.mnt, CLONE_NEWNS) < 0)
			broken("setns");
		notify_test_point = options->point >= 0 ? die_at : NULL;
		notify_test_deadline = options->deadline ? options->deadline : NOTIFY_DEADLINE_S * test_slow();
		if (options->sabotage)
			options->sabotage();
		/* As in the program, but where it is to kill at a point, which takes calls of the test's. */
		if (notify_worker_open(&w, box_shared, test.proc, test.sysfs, none, &e) < 0 ||
		    (options->point < 0 && notify_fence(&e) < 0) || notify_worker_run(&w, pair[1], &e) < 0)
			(void)dprintf(STDERR_FILENO, "worker: %s\n", e.msg);
		_exit(e.code != 0);
	}
	(void)setpgid(pid, pid);
	(void)close(pair[1]);
	send_fd(pair[0], listener, 7);
	*ret_sock = pair[0];
	return pid;
}

static void bury_worker(pid_t pid)
{
	(void)kill(-pid, SIGKILL);
	while (waitpid(-pid, NULL, __WALL) > 0)
		;
}

/* ---- box ------------------------------------------------------------------------------------------------------ */

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		broken(path);
	(void)close(fd);
}

static int install_filter(void)
{
	struct notify_filter f;
	struct sock_fprog prog;
	int fd;

	if (notify_filter_make(options->view, options->devices, &f, NULL) < 0)
		broken("filter");
	prog = (struct sock_fprog){ .len = (unsigned short)f.n, .filter = f.insns };
	fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, f.flags, &prog);
	if (fd < 0)
		broken("seccomp");
	return fd;
}

static _Noreturn void be_box(int sock, void (*fn)(void))
{
	char c;
	int fd;

	if (read(sock, &c, 1) != 1 || setgid(0) < 0 || setuid(0) < 0)
		broken("box");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_DUMPABLE, 1);
	if (mount("tmpfs", "/mnt", "tmpfs", 0, "mode=755") < 0 || chdir("/mnt") < 0)
		broken("/mnt");
	fd = options->no_filter ? -1 : install_filter();
	if (fd >= 0)
		send_fd(sock, fd, 0);
	(void)close(fd);
	if (read(sock, &c, 1) != 1)
		broken("box");
	(void)close(sock);
	fn();
	_exit(0);
}

static pid_t make_box(int *ret_sock, void (*fn)(void))
{
	struct clone_args args = { .flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
					    CLONE_NEWIPC,
				   .exit_signal = SIGCHLD };
	char path[64], map[64];
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		broken("socketpair");
	pid = sys_clone3(&args);
	if (pid < 0)
		broken("clone3");
	if (pid == 0)
		be_box(pair[1], fn);
	(void)close(pair[1]);
	(void)snprintf(map, sizeof map, "0 %u 65536\n", BOX_BASE);
	(void)snprintf(path, sizeof path, "/proc/%d/uid_map", pid);
	write_file(path, map);
	(void)snprintf(path, sizeof path, "/proc/%d/gid_map", pid);
	write_file(path, map);
	*ret_sock = pair[0];
	return pid;
}

static int take_fd(int sock)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof(int))];
	} c = { 0 };
	char data[16];
	struct iovec iov = { data, sizeof data };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = sizeof c.buf
	};
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) <= 0)
		broken("the box has not made its filter");
	memcpy(&fd, CMSG_DATA(&c.h), sizeof fd);
	return fd;
}

static void set_params(const struct box_options *o)
{
	struct emu_params *p = &box_shared->params;
	struct timespec now;
	size_t at = 0;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	memset(box_shared, 0, sizeof *box_shared);
	*p = (struct emu_params){
		.magic = EMU_MAGIC, .base = BOX_BASE, .resource_view = o->view, .devices = o->devices
	};
	p->start_us = (uint64_t)(now.tv_sec - BOX_UPTIME) * 1000000;
	if (o->masked) {
		(void)snprintf(p->paths, sizeof p->paths, "%s", o->masked);
		at = strlen(o->masked) + 1;
		p->n_masked = 1;
	}
	if (o->read_only) {
		(void)snprintf(p->paths + at, sizeof p->paths - at, "%s", o->read_only);
		p->n_read_only = 1;
	}
}

static unsigned count_fds(pid_t pid)
{
	char path[32];
	DIR *d;
	unsigned n = 0;

	(void)snprintf(path, sizeof path, "/proc/%d/fd", pid);
	d = opendir(path);
	while (d && readdir(d))
		n++;
	if (d)
		(void)closedir(d);
	return n;
}

/* The monitor's part, until the box has ended. */
static int watch(pid_t box, int pidfd, int listener, unsigned *deaths)
{
	pid_t worker = -1;
	int sock = -EBADF, status = -1;
	unsigned seed = 1, lives = 0;

	for (;;) {
		struct pollfd p = { .fd = pidfd, .events = POLLIN };
		siginfo_t info = { 0 };

		if (worker < 0 && listener >= 0 && !options->no_worker) {
			if (options->forget)
				memset(&box_shared->slot, 0, sizeof box_shared->slot);
			worker = start_worker(listener, &sock);
		}
		if (options->kill_randomly && worker > 0) {
			/* One life in sixteen is long enough for any call: NOTIFY_ATTEMPTS deaths of one are EIO by design. */
			long us = (++lives % 16 == 0 ? 40000 : rand_r(&seed) % 3000) * (long)test_slow();
			struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

			(void)nanosleep(&t, NULL);
			(void)kill(-worker, SIGKILL);
		}
		if (*test.victim != 0) {
			(void)kill(*test.victim > 0 ? *test.victim : -worker, SIGKILL);
			*test.victim = 0;
		}
		if (poll(&p, 1, options->kill_randomly ? 0 : 1) > 0)
			break;
		if (worker > 0 &&
		    waitid(P_PID, (id_t)worker, &info,
			   WEXITED | WNOWAIT | (options->kill_randomly ? 0 : WNOHANG)) == 0 &&
		    info.si_pid == worker) {
			++*deaths;
			bury_worker(worker);
			(void)close(sock);
			worker = -1;
		}
	}
	(void)waitpid(box, &status, 0);
	if (worker > 0) {
		box_worker_fds = count_fds(worker);
		bury_worker(worker);
		(void)close(sock);
	}
	return status;
}

bool box_run(const struct box_options *o, void (*fn)(void), unsigned *ret_deaths)
{
	_cleanup_close_ int listener = -EBADF, pidfd = -EBADF, sock = -EBADF;
	unsigned deaths = 0;
	pid_t pid;
	int status;

	options = o;
	*test.hits = 0;
	set_params(o);
	pid = make_box(&sock, fn);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (write(sock, "", 1) != 1)
		broken("write");
	if (!o->no_filter)
		listener = take_fd(sock);
	if (write(sock, "", 1) != 1)
		broken("write");
	status = watch(pid, pidfd, listener, &deaths);
	if (ret_deaths)
		*ret_deaths = deaths;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- in the box ----------------------------------------------------------------------------------------------- */

static bool ended_well(pid_t pid)
{
	int status = -1;

	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool box_child(int flags, bool map, void (*fn)(void))
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char text[64];
	pid_t pid = fork();

	if (pid != 0)
		return ended_well(pid);
	if (flags && unshare(flags) < 0)
		broken("unshare");
	if (map) {
		write_file("/proc/self/setgroups", "deny");
		(void)snprintf(text, sizeof text, "0 %u 1\n", uid);
		write_file("/proc/self/uid_map", text);
		(void)snprintf(text, sizeof text, "0 %u 1\n", gid);
		write_file("/proc/self/gid_map", text);
	}
	if (flags & CLONE_NEWPID) {
		pid = fork();
		if (pid != 0)
			_exit(!ended_well(pid));
	}
	fn();
	_exit(0);
}

int box_shell(const char *command)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}
