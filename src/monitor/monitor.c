/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caisson-monitor: keeps what must survive a worker (descriptors, shared memory), starts workers and buries
 * them. It sleeps in epoll_wait(2) until a child, the runtime, a listener's end or the container's end wakes
 * it, and reads nothing that a container wrote. No allocation and no stdio: there is one of it for each
 * container.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "monitor/internal.h"
#include "monitor/monitor.h"

#define LONG_LIFE_MS 1000  /* a worker that lived so long works */
#define GIVE_UP_MS   10000 /* one that fails by itself for so long never will */
#define FAREWELL_MS  2000
#define CLIENTS_MAX  32

/* What an event is about, in the upper half of epoll's data; the lower half is a number. */
enum { ON_CONTROL, ON_SIGNAL, ON_INIT, ON_SOCKET, ON_CLIENT, ON_LISTENER, ON_WORKER, ON_REQUEST };

struct worker {
	struct worker_start start;
	pid_t group;  /* 0: none. Its leader's pid, which cannot be reused before the group is gone */
	int sock;     /* our end */
	bool watched; /* sock is in the epoll set */
	bool killed;  /* the leader died by SIGKILL: somebody's doing, not its own */
	bool given_up;
	bool dormant;	  /* not started yet, as nobody has asked for anything: watch what it is to serve */
	unsigned quick;	  /* quick deaths in a row */
	int64_t since;	  /* ms: when it was started */
	int64_t again_at; /* when it may be started again */
	int64_t failing;  /* when it began to fail by itself; -1: it does not */
};

struct listener {
	int fd;
	uint32_t number;
};

struct state {
	struct worker view, notify;
	struct listener listeners[MONITOR_LISTENERS_MAX]; /* by number, ascending */
	size_t n_listeners, sent;			  /* sent: how many of them the notify worker has */
	uint32_t next_number;
	int clients[CLIENTS_MAX]; /* connections whose message is not there yet, oldest first */
	size_t n_clients, most;	  /* most: listeners that a worker has descriptors for */
	int epoll, signals, socket, init;
	bool committed, over;
	char view_name[MONITOR_NAME_MAX], notify_name[MONITOR_NAME_MAX];
};

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int watch(const struct state *s, int fd, uint32_t events, uint32_t what, uint32_t number)
{
	struct epoll_event ev = { .events = events, .data.u64 = (uint64_t)what << 32 | number };

	return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

/* Workers hold copies of the same open file, so that closing ours alone would leave it in the set. */
static void unwatch(const struct state *s, int fd)
{
	(void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, fd, NULL);
}

/* ---- listeners ------------------------------------------------------------------------------------------------ */

static void watch_worker(struct state *s, struct worker *w, bool on)
{
	if (on && !w->watched)
		w->watched = watch(s, w->sock, EPOLLOUT, ON_WORKER, 0) == 0;
	else if (!on && w->watched) {
		unwatch(s, w->sock);
		w->watched = false;
	}
}

/* Send the notify worker what it has not got, as far as its socket takes it. */
static void feed_notify(struct state *s)
{
	struct worker *w = &s->notify;
	bool full = false;

	if (w->group == 0)
		return;
	while (s->sent < s->n_listeners) {
		const struct listener *l = &s->listeners[s->sent];
		const struct worker_msg msg = { .listener = l->number };
		ssize_t n = monitor_send(w->sock, &msg, sizeof msg, &l->fd, 1, MSG_DONTWAIT);

		full = n == -EAGAIN;
		if (n < 0) {
			/*
			 * Without this channel it is of no use. When it is dead already, its burial starts the
			 * next one.
			 */
			if (!full)
				(void)kill(-w->group, SIGKILL);
			break;
		}
		s->sent++;
	}
	watch_worker(s, w, full);
}

static int add_listener(struct state *s, int fd)
{
	const __u64 none = 0;
	int r;

	/* The same question to anything else is ENOTTY or EINVAL: no other file gets in, whoever sends it. */
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &none) == 0 || errno != ENOENT)
		return -EINVAL;
	if (s->notify.given_up)
		return -EIO;
	if (s->n_listeners >= s->most || s->next_number == UINT32_MAX)
		return -ENFILE;
	/* Once there is a worker only its end (EPOLLHUP, always told) concerns us: calls that arrive do not wake us. */
	r = watch(s, fd, s->notify.dormant ? EPOLLIN : 0, ON_LISTENER, s->next_number);
	if (r < 0)
		return r;
	s->listeners[s->n_listeners++] = (struct listener){ fd, s->next_number++ };
	feed_notify(s);
	return 0;
}

static void drop_listener(struct state *s, uint32_t number)
{
	for (size_t i = 0; i < s->n_listeners; i++) {
		if (s->listeners[i].number != number)
			continue;
		unwatch(s, s->listeners[i].fd);
		(void)close(s->listeners[i].fd);
		s->n_listeners--;
		memmove(&s->listeners[i], &s->listeners[i + 1], (s->n_listeners - i) * sizeof s->listeners[0]);
		if (s->sent > i)
			s->sent--;
		return;
	}
}

/* ---- workers -------------------------------------------------------------------------------------------------- */

/* Is it to run? The second kind only when there is something to serve. */
static bool is_wanted(const struct state *s, const struct worker *w)
{
	return !w->given_up && !w->dormant && w->group == 0 && (w == &s->view || s->n_listeners > 0);
}

/* The first request: the first worker is due, and is the one who sees what comes from now on. */
static void wake_view(struct state *s)
{
	s->view.dormant = false;
	unwatch(s, WORKER_FD_CHANGING);
	unwatch(s, WORKER_FD_SYSCTL);
}

static void wake_notify(struct state *s)
{
	s->notify.dormant = false;
	for (size_t i = 0; i < s->n_listeners; i++) {
		struct epoll_event ev = { .data.u64 = (uint64_t)ON_LISTENER << 32 | s->listeners[i].number };

		(void)epoll_ctl(s->epoll, EPOLL_CTL_MOD, s->listeners[i].fd, &ev);
	}
}

/*
 * No worker has been able to live: nobody will answer, and whoever waits for an answer cannot even be killed.
 * So let go: the emulated files fail (ENOTCONN) or the trapped calls do (ENOSYS). What must hold does, it is
 * the kernel's.
 */
static void give_up(struct state *s, struct worker *w)
{
	w->given_up = true;
	if (w == &s->view) {
		(void)dup3(STDIN_FILENO, WORKER_FD_CHANGING, O_CLOEXEC);
		(void)dup3(STDIN_FILENO, WORKER_FD_SYSCTL, O_CLOEXEC);
		return;
	}
	while (s->n_listeners > 0)
		drop_listener(s, s->listeners[s->n_listeners - 1].number);
}

static void note_death(struct state *s, struct worker *w)
{
	int64_t now = now_ms();

	if (now - w->since >= LONG_LIFE_MS) {
		w->quick = 0;
		w->failing = -1;
	} else {
		w->quick++;
	}
	if (!w->killed && w->failing < 0)
		w->failing = now;
	w->again_at = now + worker_delay(w->quick);
	if (!w->killed && now - w->failing >= GIVE_UP_MS)
		give_up(s, w);
}

/*
 * Wait for what is left of @w, and kill the rest as soon as the first has ended or stopped: an old worker's
 * helper and a new worker must never work on the same slot. Looked at before it is reaped, so that the group's
 * number is still taken.
 */
static void bury(struct state *s, struct worker *w)
{
	siginfo_t info;

	while (w->group != 0) {
		info.si_pid = 0;
		if (waitid(P_PGID, (id_t)w->group, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) == 0) {
			if (info.si_pid == 0)
				return;
			if (info.si_pid == w->group)
				w->killed = info.si_code == CLD_KILLED && info.si_status == SIGKILL;
			(void)kill(-w->group, SIGKILL);
			(void)waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WSTOPPED | WNOHANG | __WALL);
		} else if (errno == ECHILD) {
			if (w->sock >= 0)
				watch_worker(s, w, false);
			w->sock = fd_close(w->sock);
			w->group = 0;
			note_death(s, w);
		}
	}
}

static void start(struct state *s, struct worker *w)
{
	pid_t pid = worker_start(&w->start, &w->sock);

	w->since = now_ms();
	w->killed = false;
	if (pid < 0) {
		note_death(s, w);
		return;
	}
	w->group = pid;
	if (w == &s->notify) {
		s->sent = 0;
		feed_notify(s);
	}
}

/* Start what is due. Return: ms until the next one is, -1: nothing to wait for. */
static int start_workers(struct state *s)
{
	struct worker *both[] = { &s->view, &s->notify };
	int64_t wait = -1;

	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		struct worker *w = both[i];
		int64_t left;

		if (is_wanted(s, w) && w->again_at <= now_ms())
			start(s, w);
		if (!is_wanted(s, w))
			continue;
		left = w->again_at - now_ms();
		if (left < 0)
			left = 0;
		if (wait < 0 || left < wait)
			wait = left;
	}
	return (int)wait;
}

/* ---- events --------------------------------------------------------------------------------------------------- */

static void on_control(struct state *s)
{
	uint32_t kind;
	int fds[2];
	size_t n_fds;
	ssize_t n = monitor_receive(MONITOR_FD_CONTROL, &kind, sizeof kind, fds, ARRAY_SIZE(fds), &n_fds,
				    MSG_DONTWAIT);
	int32_t answer = 0;

	if (n == -EAGAIN)
		return;
	if (n != (ssize_t)sizeof kind || kind != MONITOR_COMMIT || n_fds != ARRAY_SIZE(fds)) {
		s->over = true; /* the runtime has failed or was killed: there will be no container */
		return;
	}
	s->init = fds[0];
	s->socket = fds[1];
	/* Here, not in the runtime: who connects learns by SO_PEERCRED who called listen(2) (monitor_let_go()). */
	if (listen(s->socket, 128) < 0)
		answer = -errno;
	if (answer == 0)
		answer = watch(s, s->init, EPOLLIN, ON_INIT, 0);
	if (answer == 0)
		answer = watch(s, s->socket, EPOLLIN, ON_SOCKET, 0);
	s->committed = answer == 0;
	s->over = !s->committed;
	(void)monitor_send(MONITOR_FD_CONTROL, &answer, sizeof answer, NULL, 0, MSG_DONTWAIT);
	unwatch(s, MONITOR_FD_CONTROL);
	(void)close(MONITOR_FD_CONTROL);
}

static void forget_client(struct state *s, int fd)
{
	for (size_t i = 0; i < s->n_clients; i++) {
		if (s->clients[i] != fd)
			continue;
		s->n_clients--;
		memmove(&s->clients[i], &s->clients[i + 1], (s->n_clients - i) * sizeof s->clients[0]);
		(void)close(fd);
		return;
	}
}

static void on_client(struct state *s, int fd)
{
	uint32_t kind = 0;
	size_t n_fds = 0;
	int given = -EBADF;
	ssize_t n = monitor_receive(fd, &kind, sizeof kind, &given, 1, &n_fds, MSG_DONTWAIT);
	int32_t answer;

	if (n == -EAGAIN)
		return;
	if (n != 0) {
		if (n < 0)
			answer = (int32_t)n;
		else if (n != (ssize_t)sizeof kind || kind != MONITOR_GIVE || n_fds != 1)
			answer = -EPROTO;
		else
			answer = add_listener(s, given);
		if (answer < 0 && n_fds == 1)
			(void)fd_close(given);
		(void)monitor_send(fd, &answer, sizeof answer, NULL, 0, MSG_DONTWAIT);
	}
	forget_client(s, fd);
}

static void on_socket(struct state *s)
{
	int fd = accept4(s->socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t len = sizeof who;

	if (fd < 0)
		return;
	/* The directory is root's alone; this holds when somebody lets another in. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 || who.uid != 0) {
		(void)close(fd);
		return;
	}
	/* The oldest has had its time. */
	if (s->n_clients == CLIENTS_MAX)
		forget_client(s, s->clients[0]);
	if (watch(s, fd, EPOLLIN, ON_CLIENT, (uint32_t)fd) < 0) {
		(void)close(fd);
		return;
	}
	s->clients[s->n_clients++] = fd;
	on_client(s, fd);
}

static void on_signal(struct state *s)
{
	struct signalfd_siginfo info;

	/* One signal may stand for several children. */
	while (read(s->signals, &info, sizeof info) == (ssize_t)sizeof info)
		;
	bury(s, &s->view);
	bury(s, &s->notify);
	/* Nobody of ours; but what is not waited for stays. */
	if (s->view.group == 0 && s->notify.group == 0)
		while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
			;
}

static void on_event(struct state *s, const struct epoll_event *ev)
{
	uint32_t number = (uint32_t)ev->data.u64;

	switch (ev->data.u64 >> 32) {
	case ON_CONTROL:
		on_control(s);
		break;
	case ON_SIGNAL:
		on_signal(s);
		break;
	case ON_INIT:
		s->over = true;
		break;
	case ON_SOCKET:
		on_socket(s);
		break;
	case ON_CLIENT:
		on_client(s, (int)number);
		break;
	case ON_LISTENER:
		if (ev->events & EPOLLHUP)
			drop_listener(s, number);
		else
			wake_notify(s);
		break;
	case ON_REQUEST:
		wake_view(s);
		break;
	case ON_WORKER:
		feed_notify(s);
		break;
	}
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

/*
 * Only what is needed between the starts of workers: to kill procview, whose user is another, and to send
 * descriptors however many of root's are under way. A worker is executed by root and so begins with all that
 * the bounding set allows.
 */
static int drop_rights(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint32_t keep = 1u << CAP_KILL | 1u << CAP_SYS_RESOURCE;

	(void)prctl(PR_SET_DUMPABLE, 0);
	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	/* A host may withhold the second one from root. */
	keep &= data[0].permitted;
	memset(data, 0, sizeof data);
	data[0].effective = data[0].permitted = keep;
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

static void set_name(char *to, const char *worker, const char *monitor)
{
	const char *id = strstr(monitor, ": ");
	size_t n = strlen(worker), len = id ? strnlen(id, MONITOR_NAME_MAX - 1 - n) : 0;

	memcpy(to, worker, n);
	if (len > 0)
		memcpy(to + n, id, len);
	to[n + len] = '\0';
}

/* A listener takes a descriptor here and in the worker, which needs others for its work: it must never be without. */
static size_t listeners_most(void)
{
	struct rlimit limit = { 0 };

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur >= MONITOR_LISTENERS_MAX + MONITOR_FDS_BESIDES)
		return MONITOR_LISTENERS_MAX;
	return limit.rlim_cur > MONITOR_FDS_BESIDES ? (size_t)limit.rlim_cur - MONITOR_FDS_BESIDES : 0;
}

static int set_up(struct state *s, const char *name)
{
	struct monitor_handover h;
	sigset_t mask;

	if (close_range(MONITOR_FD_CONTROL, MONITOR_FD_EXE_NOTIFY + 1, CLOSE_RANGE_CLOEXEC) < 0 ||
	    read(MONITOR_FD_HANDOVER, &h, sizeof h) != (ssize_t)sizeof h)
		return -EBADF; /* not started by the runtime */
	set_name(s->view_name, "caisson-procview", name);
	set_name(s->notify_name, "caisson-notify", name);
	s->view = (struct worker){ .start = { MONITOR_FD_EXE_VIEW, MONITOR_FD_VIEW, s->view_name, h.absent },
				   .sock = -EBADF,
				   .dormant = true,
				   .failing = -1 };
	h.absent |= 1u << WORKER_FD_CHANGING | 1u << WORKER_FD_SYSCTL;
	s->notify =
		(struct worker){ .start = { MONITOR_FD_EXE_NOTIFY, MONITOR_FD_NOTIFY, s->notify_name, h.absent },
				 .sock = -EBADF,
				 .dormant = true,
				 .failing = -1 };
	s->most = listeners_most();
	/* The low numbers stay taken for the same reason as the others: see internal.h. */
	(void)dup3(STDIN_FILENO, MONITOR_FD_HANDOVER, O_CLOEXEC);
	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGCHLD);
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	s->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->signals < 0 || s->epoll < 0 || watch(s, s->signals, EPOLLIN, ON_SIGNAL, 0) < 0 ||
	    watch(s, MONITOR_FD_CONTROL, EPOLLIN, ON_CONTROL, 0) < 0 ||
	    watch(s, WORKER_FD_CHANGING, EPOLLIN, ON_REQUEST, 0) < 0 ||
	    watch(s, WORKER_FD_SYSCTL, EPOLLIN, ON_REQUEST, 0) < 0)
		return -errno;
	return drop_rights();
}

/*
 * Nothing of ours is to outlive us for others to bury; but a worker that the kernel does not let go must not
 * hold us up.
 */
static void finish(struct state *s)
{
	struct worker *both[] = { &s->view, &s->notify };
	int64_t end = now_ms() + FAREWELL_MS, left = FAREWELL_MS;

	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		both[i]->given_up = true;
		if (both[i]->group != 0)
			(void)kill(-both[i]->group, SIGKILL);
	}
	give_up(s, &s->view);
	give_up(s, &s->notify);
	for (; left > 0; left = end - now_ms()) {
		struct pollfd p = { .fd = s->signals, .events = POLLIN };

		on_signal(s);
		if (s->view.group == 0 && s->notify.group == 0)
			return;
		(void)poll(&p, 1, (int)left);
	}
}

int monitor_main(const char *name)
{
	static struct state s;
	struct epoll_event events[16];

	if (set_up(&s, name) < 0)
		return 1;
	while (!s.over) {
		int n = epoll_wait(s.epoll, events, ARRAY_SIZE(events), start_workers(&s));

		if (n < 0 && errno != EINTR)
			break;
		for (int i = 0; i < n && !s.over; i++)
			on_event(&s, &events[i]);
	}
	finish(&s);
	return 0;
}
