/* SPDX-License-Identifier: Apache-2.0 */
#include "notify/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "emulate/cover.h"
#include "notify/acts.h"
#include "notify/fence.h"
#include "notify/journal.h"
#include "notify/kernel.h"
#include "notify/tree.h"
#include "sys/missing.h"

#define HELPER_STACK (128u * 1024)
#define NS_PER_S     UINT64_C(1000000000)

#ifdef NOTIFY_TEST_POINTS
#define DEADLINE_S notify_test_deadline
#define IS_OLD	   notify_test_old
#else
#define DEADLINE_S NOTIFY_DEADLINE_S
#define IS_OLD	   false
#endif

static const struct {
	notify_act_fn *act;
	int (*finish)(struct notify_worker *w, const struct notify_request *rq);
} calls[NOTIFY_CALLS] = {
	[NOTIFY_MOUNT] = { notify_act_mount, notify_finish_mount },
	[NOTIFY_BIND] = { notify_act_bind, notify_finish_mount },
	[NOTIFY_REMOUNT] = { notify_act_remount, NULL },
	[NOTIFY_UMOUNT] = { notify_act_umount, notify_finish_umount },
	[NOTIFY_OPEN_TREE] = { notify_act_open_tree, NULL },
	[NOTIFY_FSOPEN] = { notify_act_fsopen, NULL },
	[NOTIFY_MKNOD] = { notify_act_mknod, notify_finish_mknod },
	[NOTIFY_SYSINFO] = { notify_act_sysinfo, NULL },
};

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* ---- setting up ----------------------------------------------------------------------------------------------- */

static int check_sizes(struct err *e)
{
	struct seccomp_notif_sizes sizes;

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
		return err_sys(e, errno, "ask for the size of seccomp notifications");
	if (sizes.seccomp_notif > sizeof(((struct notify_shared *)NULL)->slot.notif) ||
	    sizes.seccomp_notif < sizeof(struct seccomp_notif) ||
	    sizes.seccomp_notif_resp != sizeof(struct seccomp_notif_resp) ||
	    sizes.seccomp_data != sizeof(struct seccomp_data))
		return err_set(e, EPROTO, "this kernel's seccomp notifications have another form than is known");
	return 0;
}

/* The devices by which covers are recognised. */
static int find_carriers(struct notify_worker *w, struct err *e)
{
	static const char *const names[] = { COVER_CONSTANT, COVER_CHANGING, COVER_SYSCTL, COVER_EMPTY,
					     COVER_NULL };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct statx stx;

		/* Not asking the file system: its server may be on its way up. */
		if (sys_statx(w->stage, names[i], AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_TYPE, &stx) < 0)
			return err_sys(e, errno, "look at the carrier %s", names[i]);
		w->carriers[i] = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	}
	return 0;
}

static int make_work(struct notify_worker *w, struct err *e)
{
	struct stat st;

	if (mkdirat(w->stage, NOTIFY_WORK, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make " NOTIFY_WORK);
	w->work = openat(w->stage, NOTIFY_WORK, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (w->work < 0 || fstat(w->work, &st) < 0)
		return err_sys(e, errno, "open " NOTIFY_WORK);
	return 0;
}

int notify_worker_open(struct notify_worker *w, struct notify_shared *shared, int proc, int sysfs, const int cg[6],
		       struct err *e)
{
	_cleanup_close_ int userns = openat(proc, "self/ns/user", O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *label = NULL;
	struct stat st;
	int r = check_sizes(e);

	*w = (struct notify_worker){ .shared = shared,
				     .proc = proc,
				     .sysfs = sysfs,
				     .stage = -EBADF,
				     .work = -EBADF,
				     .locked_ns = -EBADF,
				     .own_net = openat(proc, "self/ns/net", O_RDONLY | O_CLOEXEC) };
	memcpy(w->cg, cg, sizeof w->cg);
	if (r < 0)
		return r;
	if (shared->params.magic != EMU_MAGIC)
		return err_set(e, EPROTO, "the shared memory is not the supervisor's");
	if (userns < 0 || w->own_net < 0 || fstat(userns, &st) < 0)
		return err_sys(e, errno, "look at our own namespaces");
	w->userns_dev = st.st_dev;
	w->userns_ino = st.st_ino;
	w->labels = io_read_at(proc, "thread-self/attr/current", 4096, &label, NULL) >= 0;
	/* Ids are changed without losing capabilities, and back again: see caller.c and mknod.c. */
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0)
		return err_sys(e, errno, "keep capabilities over changes of ids");
	/* Of our own, so that what we put together is gone with us. */
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, errno, "make a mount namespace");
	w->stage = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (w->stage < 0 || fchdir(w->stage) < 0)
		return err_sys(e, errno, "open the stage");
	w->has_pidns = !IS_OLD && notify_fs_has_pidns(proc);
	r = find_carriers(w, e);
	if (r == 0)
		r = make_work(w, e);
	if (r < 0)
		return r;
	w->helper_stack =
		mmap(NULL, HELPER_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (w->helper_stack == MAP_FAILED) {
		w->helper_stack = NULL;
		return err_sys(e, errno, "make a stack");
	}
	return 0;
}

void notify_worker_close(struct notify_worker *w)
{
	notify_sysinfo_done(w);
	w->work = fd_close(w->work);
	w->stage = fd_close(w->stage);
	w->own_net = fd_close(w->own_net);
	if (w->helper_stack)
		(void)munmap(w->helper_stack, HELPER_STACK);
	w->helper_stack = NULL;
}

/* ---- one call ------------------------------------------------------------------------------------------------- */

/* Nothing is pending any more. The call's number last: as long as it is there, the rest counts. */
static void clear_slot(struct notify_worker *w)
{
	struct seccomp_notif *n = (struct seccomp_notif *)(void *)w->shared->slot.notif;

	w->shared->slot.phase = NOTIFY_EMPTY;
	w->shared->slot.attempts = 0;
	memset(w->shared->slot.mark, 0, sizeof w->shared->slot.mark);
	memset(&n->pid, 0, sizeof w->shared->slot.notif - offsetof(struct seccomp_notif, pid));
	__asm__ volatile("" ::: "memory");
	n->id = 0;
	__asm__ volatile("" ::: "memory");
}

/* A call that no row knows was trapped by the filter of another version: the kernel judges it as if it were not. */
static void handle(struct notify_worker *w)
{
	struct notify_verdict v = notify_go_on();
	struct notify_request rq;

	if (notify_decode(&notify_call_in_hand(w)->data, &rq) == 0)
		v = calls[rq.call].act(w, &rq);
	if (v.go_on)
		notify_answer_continue(w);
	else
		notify_answer(w, v.error);
	notify_tree_drop(w);
}

void notify_worker_serve(struct notify_worker *w, int listener, uint32_t number)
{
	w->listener = listener;
	w->shared->slot.listener = number;
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, w->shared->slot.notif) < 0)
		return; /* taken back: a signal or its end came first */
	w->shared->slot.received_ns = now_ns();
	w->shared->slot.phase = NOTIFY_RECEIVED;
	NOTIFY_POINT(NOTIFY_POINT_RECEIVED);
	(void)alarm(DEADLINE_S);
	handle(w);
	(void)alarm(0);
	clear_slot(w);
}

/*
 * Did the change happen that our predecessor was about to make? If that cannot be told: not by this look, try
 * again.
 */
static bool has_happened(struct notify_worker *w, const struct notify_request *rq)
{
	int r = calls[rq->call].finish ? calls[rq->call].finish(w, rq) : 0;

	return r == 1;
}

void notify_worker_recover(struct notify_worker *w, int listener)
{
	struct notify_shared *s = w->shared;
	struct notify_request rq;
	bool late;

	w->listener = listener;
	if (!notify_still_waiting(w) || notify_decode(&notify_call_in_hand(w)->data, &rq) < 0)
		goto out;
	late = s->slot.attempts >= NOTIFY_ATTEMPTS ||
	       (s->slot.received_ns != 0 && now_ns() - s->slot.received_ns > (DEADLINE_S - 1) * NS_PER_S);
	s->slot.attempts++;
	(void)alarm(DEADLINE_S);
	if (s->slot.phase == NOTIFY_COMMITTING && has_happened(w, &rq)) {
		s->slot.error = 0;
		__asm__ volatile("" ::: "memory");
		s->slot.phase = NOTIFY_DONE;
	}
	if (s->slot.phase == NOTIFY_DONE)
		notify_answer(w, s->slot.error);
	else if (late)
		notify_answer(w, -EIO);
	else
		handle(w);
	(void)alarm(0);
out:
	clear_slot(w);
}

/* ---- all calls ------------------------------------------------------------------------------------------------ */

struct listeners {
	struct pollfd fds[NOTIFY_LISTENERS + 1]; /* the first is the monitor's socket */
	uint32_t number[NOTIFY_LISTENERS + 1];
	nfds_t n;
};

/* Return: 1 a listener, 0 the monitor has gone, -EMFILE when there is no descriptor for it, -errno. */
static int receive_listener(int monitor, int *ret_fd, uint32_t *ret_number, int flags)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct worker_msg m = { 0 };
	struct iovec iov = { &m, sizeof m };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof control.buf
	};
	ssize_t n = recvmsg(monitor, &msg, MSG_CMSG_CLOEXEC | flags);
	struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	if (n < 0)
		return -errno;
	if (n == 0)
		return 0;
	/* All that the kernel tells about a descriptor that it could not give. */
	if (msg.msg_flags & MSG_CTRUNC)
		return -EMFILE;
	if (n != (ssize_t)sizeof m || !h || h->cmsg_type != SCM_RIGHTS || h->cmsg_len != CMSG_LEN(sizeof(int)))
		return -EPROTO;
	memcpy(ret_fd, CMSG_DATA(h), sizeof *ret_fd);
	*ret_number = m.listener;
	return 1;
}

/*
 * Wake the worker on the CPU where the caller sleeps: what it needs is in that one's cache. Linux 6.6; without it,
 * slower.
 */
static void prefer_same_cpu(int listener)
{
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
}

static int add_listener(struct notify_worker *w, struct listeners *l, int fd, uint32_t number)
{
	if (l->n == ARRAY_SIZE(l->fds)) {
		(void)fd_close(fd);
		return 0; /* as many as the monitor gives */
	}
	prefer_same_cpu(fd);
	/*
	 * They come in the order of their numbers: when that of the pending call is not there, nobody waits for it
	 * any more.
	 */
	if (notify_call_in_hand(w)->id != 0 && number >= w->shared->slot.listener) {
		if (number == w->shared->slot.listener)
			notify_worker_recover(w, fd);
		else
			clear_slot(w);
	}
	l->fds[l->n] = (struct pollfd){ .fd = fd, .events = POLLIN };
	l->number[l->n++] = number;
	return 0;
}

static void drop_listener(struct listeners *l, nfds_t i)
{
	(void)fd_close(l->fds[i].fd);
	l->n--;
	l->fds[i] = l->fds[l->n];
	l->number[i] = l->number[l->n];
}

static void serve_ready(struct notify_worker *w, struct listeners *l)
{
	for (nfds_t i = l->n - 1; i > 0; i--) {
		if (l->fds[i].revents & POLLIN)
			notify_worker_serve(w, l->fds[i].fd, l->number[i]);
		else if (l->fds[i].revents & (POLLHUP | POLLERR | POLLNVAL))
			drop_listener(l, i);
	}
}

int notify_worker_run(struct notify_worker *w, int monitor, struct err *e)
{
	_cleanup_free_ struct listeners *l = calloc(1, sizeof *l);
	int fd = -EBADF, r;

	if (!l)
		return err_sys(e, ENOMEM, "make the table of listeners");
	l->n = 1;
	l->fds[0] = (struct pollfd){ .fd = monitor, .events = POLLIN };
	while (l->fds[0].fd >= 0 || l->n > 1) {
		/* A call that is pending comes before all others: the slot is its. */
		bool pending = notify_call_in_hand(w)->id != 0 && l->fds[0].fd >= 0;

		if (poll(l->fds, pending ? 1 : l->n, -1) < 0) {
			if (errno == EINTR)
				continue;
			return err_sys(e, errno, "wait for calls");
		}
		if (l->fds[0].revents) {
			uint32_t number;

			r = receive_listener(monitor, &fd, &number, MSG_DONTWAIT);
			if (r > 0)
				r = add_listener(w, l, fd, number);
			/* Whoever waits on it would wait for ever: the successor gets it again. */
			else if (r == -EMFILE)
				return err_set(
					e, EMFILE,
					"cannot take another seccomp listener beside %zu: no file descriptor left; "
					"raise the limit of open files (ulimit -n) of what starts containers",
					(size_t)l->n - 1);
			else if (r != -EAGAIN && r != -EINTR)
				l->fds[0].fd = -EBADF; /* those that are held are served on */
			continue;
		}
		if (!pending)
			serve_ready(w, l);
	}
	return 0;
}

/* ---- the program ---------------------------------------------------------------------------------------------- */

static int map_shared(struct notify_shared **ret, struct err *e)
{
	struct stat st;

	if (fstat(WORKER_FD_SHARED, &st) < 0 || st.st_size < (off_t)sizeof **ret)
		return err_set(e, EBADF, "started without shared memory; the monitor starts this program");
	*ret = mmap(NULL, sizeof **ret, PROT_READ | PROT_WRITE, MAP_SHARED, WORKER_FD_SHARED, 0);
	if (*ret == MAP_FAILED)
		return err_sys(e, errno, "map the shared memory");
	return 0;
}

/* What is left of root: see notify_worker_open(). Executing anything gives nothing back. */
static int drop_rights(struct err *e)
{
	const uint64_t keep = UINT64_C(1) << CAP_SYS_ADMIN | UINT64_C(1) << CAP_SYS_PTRACE |
			      UINT64_C(1) << CAP_SYS_CHROOT | UINT64_C(1) << CAP_SETUID |
			      UINT64_C(1) << CAP_SETGID | UINT64_C(1) << CAP_MKNOD | UINT64_C(1) << CAP_CHOWN |
			      UINT64_C(1) << CAP_FOWNER | UINT64_C(1) << CAP_DAC_OVERRIDE |
			      UINT64_C(1) << CAP_DAC_READ_SEARCH;
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)keep, .permitted = (uint32_t)keep },
		{ .effective = (uint32_t)(keep >> 32), .permitted = (uint32_t)(keep >> 32) },
	};

	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &head, data) < 0)
		return err_sys(e, errno, "give up capabilities");
	return 0;
}

int notify_program(struct err *e)
{
	static struct notify_worker w;
	struct notify_shared *shared;
	int cg[6];
	int r = map_shared(&shared, e);

	if (r < 0)
		return r;
	(void)prctl(PR_SET_DUMPABLE, 0);
	for (int fd = WORKER_FD_MONITOR; fd < WORKER_FD_END; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	for (int i = 0; i < 6; i++)
		cg[i] = fcntl(WORKER_FD_CG_MEMORY + i, F_GETFD) < 0 ? -EBADF : WORKER_FD_CG_MEMORY + i;
	r = notify_worker_open(&w, shared, WORKER_FD_PROC, WORKER_FD_SYSFS, cg, e);
	if (r == 0)
		r = drop_rights(e);
	if (r == 0)
		r = notify_fence(e);
	return r < 0 ? r : notify_worker_run(&w, WORKER_FD_MONITOR, e);
}
