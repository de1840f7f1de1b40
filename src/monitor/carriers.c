/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the child does that monitor_launch() forks: open what it needs of the host, leave the host's tree, mount
 * the carriers, hand the runtime its copies, tell it the names of the files, become caisson-monitor. Single-threaded,
 * a copy of the runtime.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/num.h"
#include "codec/lexpath.h"
#include "emulate/cover.h"
#include "monitor/internal.h"
#include "procview/init.h"
#include "sys/missing.h"
#include "sys/mnt.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define NOFILE_WANTED (MONITOR_LISTENERS_MAX + MONITOR_FDS_BESIDES)
#define N_CGROUPS     (WORKER_FD_END - WORKER_FD_CG_MEMORY)

/* ---- descriptors --------------------------------------------------------------------------------------------- */

/*
 * Put @control and what @p lends to the numbers of internal.h, /dev/null everywhere else below MONITOR_FD_END,
 * and close all the rest: an engine waits for the end of the runtime's pipes.
 */
static int take_descriptors(const struct monitor_params *p, int control, uint32_t *ret_absent)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), from[MONITOR_FD_END], above = MONITOR_FD_END;

	if (null < 0)
		return -errno;
	for (int i = 0; i < MONITOR_FD_END; i++)
		from[i] = null;
	from[MONITOR_FD_CONTROL] = control;
	from[WORKER_FD_PROC] = p->proc_fd;
	*ret_absent = 0;
	for (int i = 0; i < N_CGROUPS; i++) {
		if (p->cgroup[i] >= 0)
			from[WORKER_FD_CG_MEMORY + i] = p->cgroup[i];
		else
			*ret_absent |= 1u << (WORKER_FD_CG_MEMORY + i);
	}
	for (int i = 0; i < MONITOR_FD_END; i++)
		if (from[i] >= above)
			above = from[i] + 1;
	/* Sources may have each other's numbers: first out of the way, then into place. */
	for (int i = 0; i < MONITOR_FD_END; i++) {
		if (from[i] == null)
			continue;
		from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, above);
		if (from[i] < 0)
			return -errno;
	}
	above = fcntl(null, F_DUPFD_CLOEXEC, above);
	for (int i = 0; above >= 0 && i < MONITOR_FD_END; i++)
		if (dup3(from[i] == null ? above : from[i], i, i < 3 ? 0 : O_CLOEXEC) < 0)
			return -errno;
	return above < 0 || close_range(MONITOR_FD_END, ~0u, 0) < 0 ? -errno : 0;
}

/* Move @fd to the fixed number @to, close-on-exec. */
static int place(int fd, int to, struct err *e)
{
	int r = dup3(fd, to, O_CLOEXEC) < 0 ? err_sys(e, errno, "place a descriptor") : 0;

	(void)fd_close(fd);
	return r;
}

/* The file that root runs must be one that only root can write. */
static int check_owner(int fd, const char *dir, const char *name, mode_t type, struct err *e)
{
	const char *slash = *name ? "/" : "";
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open %s%s%s", dir, slash, name);
	if ((st.st_mode & S_IFMT) != type)
		return err_set(e, EINVAL, "%s%s%s is not a %s", dir, slash, name,
			       type == S_IFDIR ? "directory" : "regular file");
	if (st.st_uid != 0 || (st.st_mode & 022))
		return err_set(e, EPERM, "%s%s%s must belong to root and be writable by nobody else", dir, slash,
			       name);
	return 0;
}

static int open_programs(const char *dir, struct err *e)
{
	static const struct {
		const char *name;
		int to;
	} programs[] = { { "caisson-monitor", MONITOR_FD_EXE_SELF },
			 { "caisson-procview", MONITOR_FD_EXE_VIEW },
			 { "caisson-notify", MONITOR_FD_EXE_NOTIFY } };
	_cleanup_close_ int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = check_owner(at, dir, "", S_IFDIR, e);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(programs); i++) {
		_cleanup_close_ int fd = openat(at, programs[i].name, O_PATH | O_CLOEXEC);

		r = check_owner(fd, dir, programs[i].name, S_IFREG, e);
		if (r == 0)
			r = place(TAKE_FD(fd), programs[i].to, e);
	}
	return r;
}

static int open_host(struct err *e)
{
	int fd = open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC), r;

	if (fd < 0)
		return err_sys(e, errno, "open /sys");
	r = place(fd, WORKER_FD_SYSFS, e);
	for (int to = WORKER_FD_CHANGING; r == 0 && to <= WORKER_FD_SYSCTL; to++) {
		/* Not blocking: a worker polls both. */
		fd = open("/dev/fuse", O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			return err_sys(e, errno, "open /dev/fuse (is the fuse module there?)");
		r = place(fd, to, e);
	}
	return r;
}

/* ---- shared memory -------------------------------------------------------------------------------------------- */

/*
 * CPU time that the control group has used already, when it was not made for this container; 0 when it cannot
 * be told.
 */
static uint64_t cpu_used_us(const struct monitor_params *p)
{
	const char *name = p->cgroup_v2 ? "cpu.stat" : "cpuacct.usage", *number;
	int dir = p->cgroup[WORKER_FD_CG_CPUACCT - WORKER_FD_CG_MEMORY];
	_cleanup_close_ int fd = dir < 0 ? -EBADF : openat(WORKER_FD_CG_CPUACCT, name, O_RDONLY | O_CLOEXEC);
	char text[512];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	uint64_t v;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	number = text;
	if (p->cgroup_v2) {
		number = strstr(text, "usage_usec ");
		if (!number)
			return 0;
		number += strlen("usage_usec ");
	}
	if (num_span(&number, UINT64_MAX, &v) < 0)
		return 0;
	return p->cgroup_v2 ? v : v / 1000;
}

/*
 * Those below /proc and /sys, as "proc/kcore". Others are the runtime's alone: what is mounted later is procfs
 * or sysfs.
 */
static int add_paths(struct emu_params *params, size_t *at, const char *const *paths, size_t n, uint32_t *ret_n,
		     struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(paths[i]);

		if (!lex_is_clean(paths[i]) ||
		    (!lex_is_below(paths[i], "/proc") && !lex_is_below(paths[i], "/sys")))
			continue;
		if (len > sizeof params->paths - *at)
			return err_set(
				e, E2BIG,
				"maskedPaths and readonlyPaths below /proc and /sys exceed %zu bytes in total",
				sizeof params->paths);
		memcpy(params->paths + *at, paths[i] + 1, len);
		*at += len;
		(*ret_n)++;
	}
	return 0;
}

static int fill_params(const struct monitor_params *p, struct emu_params *params, struct err *e)
{
	struct timespec boot, real;
	size_t at = 0, len = strlen(p->id);
	int r;

	if (len >= sizeof params->id)
		return err_set(e, ENAMETOOLONG, "the container's id is longer than %zu bytes",
			       sizeof params->id - 1);
	(void)clock_gettime(CLOCK_BOOTTIME, &boot);
	(void)clock_gettime(CLOCK_REALTIME, &real);
	params->magic = EMU_MAGIC;
	params->base = p->base;
	params->cgroup_v2 = p->cgroup_v2;
	params->start_us = (uint64_t)boot.tv_sec * 1000000 + (uint64_t)boot.tv_nsec / 1000;
	params->boot_time = (uint64_t)real.tv_sec;
	params->cpu_start_us = cpu_used_us(p);
	params->resource_view = p->resource_view;
	params->devices = p->devices;
	memcpy(params->id, p->id, len + 1);
	r = add_paths(params, &at, p->masked, p->n_masked, &params->n_masked, e);
	return r < 0 ? r : add_paths(params, &at, p->read_only, p->n_read_only, &params->n_read_only, e);
}

/* Sealed against growing: procview is not trusted with the host's memory. */
static int make_memory(const char *name, size_t size, const struct emu_params *params, int to, struct err *e)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL) /* Linux 6.2 and older; later ones may insist on it (vm.memfd_noexec) */
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return err_sys(e, errno, "make shared memory");
	if (ftruncate(fd, (off_t)size) < 0 || pwrite(fd, params, sizeof *params, 0) != (ssize_t)sizeof *params ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) < 0) {
		int code = errno;

		(void)fd_close(fd);
		return err_sys(e, code, "make shared memory");
	}
	return place(fd, to, e);
}

static int make_memories(const struct monitor_params *p, struct err *e)
{
	static struct emu_params params; /* not on the stack: 9 KiB that are zero beforehand */
	int r = fill_params(p, &params, e);

	if (r == 0)
		r = make_memory("caisson-view", sizeof(struct view_shared), &params, MONITOR_FD_VIEW, e);
	if (r == 0)
		r = make_memory("caisson-notify", sizeof(struct notify_shared), &params, MONITOR_FD_NOTIFY, e);
	return r;
}

/* ---- mounts --------------------------------------------------------------------------------------------------- */

static int leave_host(struct err *e)
{
	_cleanup_close_ int fs = -EBADF, mnt = -EBADF;
	int r;

	/* Private before anything else: what is detached here must stay on the host. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, errno, "make the supervisor's mount namespace");
	fs = mnt_fs_open("tmpfs", e);
	r = fs < 0 ? fs : mnt_fs_set(fs, "mode", "700", e);
	if (r < 0)
		return r;
	/* Its null is what masked files look like: devices work here. */
	mnt = mnt_fs_create(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, e);
	r = mnt < 0 ? mnt : mnt_attach_at(mnt, AT_FDCWD, "/", e);
	if (r < 0)
		return r;
	if (fchdir(mnt) < 0)
		return err_sys(e, errno, "enter the supervisor's root");
	if (sys_pivot_root(".", ".") < 0) {
		/* An initramfs cannot be pivoted away from, only covered. */
		if (errno != EINVAL || chroot(".") < 0)
			return err_sys(e, errno, "leave the host's tree");
		return 0;
	}
	return umount2(".", MNT_DETACH) < 0 ? err_sys(e, errno, "detach the host's tree") : 0;
}

static int write_constants(const struct monitor_params *p, int mnt, const struct emu_input *in, struct err *e)
{
	_cleanup_free_ char *text = malloc(EMU_RENDER_MAX);
	int r = 0;

	if (!text)
		return err_set(e, ENOMEM, "no memory for emulated files");
	/* Born as the container's: cheaper than one chown each. */
	(void)setfsgid(p->base);
	(void)setfsuid(p->base);
	for (size_t i = 0; r == 0 && i < emu_n_rows; i++) {
		const struct emu_row *row = &emu_rows[i];
		_cleanup_close_ int fd = -EBADF;
		char name[EMU_NAME_MAX];
		size_t len;

		if (row->carrier != EMU_CONSTANT)
			continue;
		emu_name(i, name);
		len = row->render ? row->render(in, text, EMU_RENDER_MAX) : 0;
		fd = openat(mnt, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, row->mode);
		r = fd < 0 ? -errno : io_write_all(fd, text, len);
		if (r < 0)
			r = err_sys(e, -r, "make the emulated %s", row->path);
	}
	(void)setfsuid(0);
	(void)setfsgid(0);
	return r;
}

/*
 * A tmpfs that belongs to container root. @fill: with the constant files. Read-only in the end, as a file
 * system and as a mount.
 */
static int make_tmpfs(const struct monitor_params *p, bool fill, const struct emu_input *in, struct err *e)
{
	_cleanup_close_ int fs = mnt_fs_open("tmpfs", e), mnt = -EBADF;
	unsigned attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	char owner[16];
	int r = fs < 0 ? fs : mnt_fs_set(fs, "mode", "755", e);

	(void)snprintf(owner, sizeof owner, "%u", p->base);
	if (r == 0)
		r = mnt_fs_set(fs, "uid", owner, e);
	if (r == 0)
		r = mnt_fs_set(fs, "gid", owner, e);
	if (r < 0)
		return r;
	mnt = mnt_fs_create(fs, fill ? attr : attr | MOUNT_ATTR_RDONLY, e);
	r = mnt < 0 ? mnt : 0;
	if (r == 0 && fill) {
		r = write_constants(p, mnt, in, e);
		if (r == 0)
			r = mnt_set_attr(mnt, MOUNT_ATTR_RDONLY, 0, 0, false, e);
	}
	if (r == 0)
		r = mnt_fs_set(fs, "ro", NULL, e);
	if (r == 0 && fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		r = err_sys(e, errno, "make the emulated files read-only");
	return r < 0 ? r : TAKE_FD(mnt);
}

static int make_fuse(int dev, bool changing, struct err *e)
{
	_cleanup_close_ int mnt = fuse_mount(dev, e);
	int r = mnt < 0 ? mnt : fuse_answer_init(dev, changing, e);

	return r < 0 ? r : TAKE_FD(mnt);
}

/* Attach @mnt at @name. @ret_clone: a detached copy for the runtime, or NULL. Takes @mnt in any case. */
static int attach(int mnt_take, const char *name, int *ret_clone, struct err *e)
{
	_cleanup_close_ int mnt = mnt_take;
	int r;

	if (mnt < 0)
		return mnt;
	if (mkdirat(AT_FDCWD, name, 0700) < 0)
		return err_sys(e, errno, "make %s", name);
	r = mnt_attach_at(mnt, AT_FDCWD, name, e);
	if (r == 0 && ret_clone)
		*ret_clone = r = mnt_clone(mnt, "", false, e);
	return r < 0 ? r : 0;
}

static int make_carriers(const struct monitor_params *p, const char *product_uuid, int ret_clones[3],
			 struct err *e)
{
	const struct emu_input in = { .id = p->id, .host_product_uuid = product_uuid };
	int r = attach(make_fuse(WORKER_FD_CHANGING, true, e), COVER_CHANGING, &ret_clones[1], e);

	if (r == 0)
		r = attach(make_fuse(WORKER_FD_SYSCTL, false, e), COVER_SYSCTL, &ret_clones[2], e);
	if (r == 0)
		r = attach(make_tmpfs(p, true, &in, e), COVER_CONSTANT, &ret_clones[0], e);
	if (r == 0)
		r = attach(make_tmpfs(p, false, NULL, e), COVER_EMPTY, NULL, e);
	if (r == 0 && mknodat(AT_FDCWD, COVER_NULL, S_IFCHR | 0666, makedev(1, 3)) < 0)
		r = err_sys(e, errno, "make " COVER_NULL);
	return r;
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

/* What execve keeps, and nobody waits for. */
static void be_steady(void)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGQUIT };
	struct rlimit limit;
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)umask(077);
	/* A worker's helpers come to the monitor when their parent is killed. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* One listener is one descriptor, in the monitor and in the worker. */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		const struct rlimit want = { NOFILE_WANTED, NOFILE_WANTED };

		if (limit.rlim_max >= NOFILE_WANTED || setrlimit(RLIMIT_NOFILE, &want) < 0) {
			limit.rlim_cur = limit.rlim_max;
			(void)setrlimit(RLIMIT_NOFILE, &limit);
		}
	}
}

static int prepare(const struct monitor_params *p, int clones[3], struct err *e)
{
	_cleanup_free_ char *uuid = NULL;
	int r = open_programs(p->libexec_dir, e);

	if (r == 0)
		r = open_host(e);
	if (r == 0)
		r = make_memories(p, e);
	if (r < 0)
		return r;
	/* Many virtual machines have none. */
	(void)io_read_at(WORKER_FD_SYSFS, "class/dmi/id/product_uuid", 256, &uuid, NULL);
	r = leave_host(e);
	return r < 0 ? r : make_carriers(p, uuid, clones, e);
}

/* Return: only on failure. */
static int become_monitor(const char *id, uint32_t absent)
{
	char name[MONITOR_NAME_MAX];
	const struct monitor_handover h = { .absent = absent };
	char *const argv[] = { name, NULL }, *const env[] = { NULL };
	int ends[2];

	(void)snprintf(name, sizeof name, "caisson-monitor: %s", id);
	if (pipe2(ends, O_CLOEXEC) < 0 || write(ends[1], &h, sizeof h) != (ssize_t)sizeof h ||
	    dup2(ends[0], MONITOR_FD_HANDOVER) < 0)
		return -errno;
	be_steady();
	for (int fd = MONITOR_FD_CONTROL; fd < MONITOR_FD_EXE_SELF; fd++)
		(void)fcntl(fd, F_SETFD, 0);
	(void)execveat(MONITOR_FD_EXE_SELF, "", argv, env, AT_EMPTY_PATH);
	return -errno;
}

_Noreturn void carriers_main(const struct monitor_params *p, int control)
{
	static struct err e;
	const struct monitor_ready ready = { .pid = getpid() };
	uint32_t absent = 0;
	int clones[3] = { -EBADF, -EBADF, -EBADF }, r;

	(void)setsid();
	(void)umask(0);
	r = take_descriptors(p, control, &absent);
	if (r < 0) {
		(void)err_sys(&e, -r, "arrange the supervisor's descriptors");
		(void)monitor_send(control, &e, sizeof e, NULL, 0, 0);
		_exit(1);
	}
	r = prepare(p, clones, &e);
	if (r < 0) {
		(void)err_ctx(&e, r, "start the supervisor");
		(void)monitor_send(MONITOR_FD_CONTROL, &e, sizeof e, NULL, 0, 0);
		_exit(1);
	}
	if (monitor_send(MONITOR_FD_CONTROL, &ready, sizeof ready, clones, ARRAY_SIZE(clones), 0) < 0)
		_exit(1);
	for (size_t i = 0; i < ARRAY_SIZE(clones); i++)
		(void)fd_close(clones[i]);
	fuse_answer_names((const int[]){ WORKER_FD_CHANGING, WORKER_FD_SYSCTL }, p->base, MONITOR_FD_CONTROL);
	/* Found out by the runtime when it commits: the control socket ends. */
	r = become_monitor(p->id, absent);
	_exit(r < 0 ? -r : 1);
}
