/* SPDX-License-Identifier: Apache-2.0 */
#include "socket/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "socket/grants.h"
#include "sys/callfilter.h"

#define LOCK_NAME   "keep.lock"
#define SOCKET_NAME "keep.sock"
#define CLIENTS_MAX 16u
#define OWN_FDS	    (CLIENTS_MAX + 16u)
#define MESSAGE_MAX 128u
#define PATIENCE_S  5 /* for the other side; neither has anything else to wait for */

/* ---- messages -------------------------------------------------------------------------------------------------- */

/* @fd: -EBADF: none. */
static int send_message(int to, const char *text, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char copy[MESSAGE_MAX];
	struct iovec iov = { .iov_base = copy };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	iov.iov_len = (size_t)snprintf(copy, sizeof copy, "%s", text);
	if (iov.iov_len >= sizeof copy)
		return -EMSGSIZE;
	if (fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof control.room;
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	}
	while (sendmsg(to, &m, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* Return: its length, 0: the other side is gone, or -errno. @ret_fd: to be closed by the caller; -EBADF: none. */
static int receive_message(int from, char text[static MESSAGE_MAX], int flags, int *ret_fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = text, .iov_len = MESSAGE_MAX - 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = CMSG_LEN(sizeof(int)) /* SPACE has room for two */ };
	ssize_t n;

	*ret_fd = -EBADF;
	do
		n = recvmsg(from, &m, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (m.msg_controllen >= CMSG_LEN(sizeof(int)) && control.head.cmsg_level == SOL_SOCKET &&
	    control.head.cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(&control.head), sizeof *ret_fd);
	text[n] = '\0';
	return m.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -EMSGSIZE : (int)n;
}

static int is_own_user(int fd)
{
	struct ucred peer;
	socklen_t n = sizeof peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
		return -errno;
	return peer.uid == geteuid() ? 0 : -EPERM;
}

static int set_patience(int fd)
{
	const struct timeval t = { .tv_sec = PATIENCE_S };

	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t) < 0 ||
			       setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) < 0
		       ? -errno
		       : 0;
}

/* ---- the keeper ------------------------------------------------------------------------------------------------ */

struct kept {
	char token[GRANT_TOKEN_LEN + 1];
	int fd;
};

/* Static, so that what is not used takes no memory, and nothing is allocated. */
static struct {
	int epoll, listener;
	unsigned clients;
	size_t n, max; /* as many as descriptors allow */
	struct kept kept[KEEP_MAX];
} keeper;

static struct kept *find(const char *token)
{
	for (size_t i = 0; i < keeper.n; i++)
		if (memcmp(keeper.kept[i].token, token, GRANT_TOKEN_LEN) == 0)
			return &keeper.kept[i];
	return NULL;
}

static bool is_listening(int fd)
{
	int domain, listening;
	socklen_t n = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 && domain == AF_UNIX &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &n) == 0 && listening;
}

static const char *put(const char *token, int *fd)
{
	struct kept *k = find(token);

	if (*fd < 0 || !is_listening(*fd))
		return "error not a listening socket";
	if (!k && keeper.n == keeper.max)
		return "error as many sockets as it may have open; raise its limit of open files";
	if (!k) {
		k = &keeper.kept[keeper.n++];
		memcpy(k->token, token, sizeof k->token);
	} else {
		(void)fd_close(k->fd);
	}
	k->fd = TAKE_FD(*fd);
	return "ok";
}

static const char *drop(const char *token)
{
	struct kept *k = find(token);

	if (k) {
		(void)fd_close(k->fd);
		*k = keeper.kept[--keeper.n];
	}
	return "ok";
}

static int list(int client)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < keeper.n; i++)
		r = send_message(client, keeper.kept[i].token, keeper.kept[i].fd);
	return r < 0 ? r : send_message(client, "end", -EBADF);
}

static int answer(int client, const char *text, int *fd)
{
	if (strcmp(text, "list") == 0)
		return list(client);
	if (strncmp(text, "put ", 4) == 0 && token_is_valid(text + 4))
		return send_message(client, put(text + 4, fd), -EBADF);
	if (strncmp(text, "drop ", 5) == 0 && token_is_valid(text + 5))
		return send_message(client, drop(text + 5), -EBADF);
	return send_message(client, "error unknown request", -EBADF);
}

static void serve_client(int client)
{
	_cleanup_close_ int fd = -EBADF;
	char text[MESSAGE_MAX];
	int r = receive_message(client, text, MSG_DONTWAIT, &fd);

	if (r == -EAGAIN ||
	    r == -ECONNRESET) /* once, by one who left without reading: what it sent comes after that */
		return;
	if (r > 0)
		r = answer(client, text, &fd) < 0 ? 0 : r;
	if (r <= 0) {
		(void)fd_close(client);
		keeper.clients--;
	}
}

static void add_client(void)
{
	_cleanup_close_ int fd = accept4(keeper.listener, NULL, NULL, SOCK_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN };

	if (fd < 0 || keeper.clients == CLIENTS_MAX || is_own_user(fd) < 0 || set_patience(fd) < 0)
		return;
	ev.data.fd = fd;
	if (epoll_ctl(keeper.epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		return;
	keeper.clients++;
	(void)TAKE_FD(fd);
}

static int keep(int idle_ms)
{
	for (;;) {
		struct epoll_event ev;
		int n = epoll_wait(keeper.epoll, &ev, 1, keeper.n || keeper.clients ? -1 : idle_ms);

		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return 1;
		if (n > 0 && ev.data.fd == keeper.listener)
			add_client();
		else if (n > 0)
			serve_client(ev.data.fd);
	}
}

/* ---- what it gives up ------------------------------------------------------------------------------------------ */

static int filter_calls(struct err *e)
{
	const struct sock_filter code[] = {
		CALLS_BEGIN,
#ifdef SYS_epoll_wait
		ALLOW(SYS_epoll_wait),
#endif
		ALLOW(SYS_epoll_pwait),
		ALLOW(SYS_epoll_ctl),
		ALLOW(SYS_recvmsg),
		ALLOW(SYS_sendmsg),
		ALLOW(SYS_accept4),
		ALLOW(SYS_getsockopt),
		ALLOW(SYS_setsockopt),
		ALLOW(SYS_close),
		ALLOW(SYS_geteuid),
		ALLOW(SYS_restart_syscall),
		ALLOW(SYS_rt_sigreturn),
		ALLOW(SYS_exit_group),
#ifdef __SANITIZE_ADDRESS__
		ALLOW(SYS_sigaltstack), /* what AddressSanitizer does before _exit(2) */
#endif
		/* Refused, not killed: with it all the sockets would go. */
		ANSWER(SECCOMP_RET_ERRNO | EPERM),
	};

	return callfilter_load(code, ARRAY_SIZE(code), e);
}

static int give_up(struct err *e)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, errno, "give up privileges");
	r = callfilter_powerless(e);
	if (r < 0)
		return r;
	return filter_calls(e);
}

static void set_limit(void)
{
	struct rlimit rl = { 0 };

	(void)getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max < KEEP_MAX + OWN_FDS ? rl.rlim_max : KEEP_MAX + OWN_FDS;
	(void)setrlimit(RLIMIT_NOFILE, &rl);
	keeper.max = rl.rlim_cur > OWN_FDS ? (size_t)rl.rlim_cur - OWN_FDS : 0;
}

/* ---- its address ----------------------------------------------------------------------------------------------- */

/* By the directory's fd: names of sockets are short, those of directories need not be. */
static void fill(struct sockaddr_un *sa, int dir)
{
	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(sa->sun_path, sizeof sa->sun_path, "/proc/self/fd/%d/" SOCKET_NAME, dir);
}

/* Return: 0, 1: there is another keeper, or -errno. */
static int open_listener(const char *state, int *ret_lock, struct err *e)
{
	_cleanup_close_ int dir = open(state, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int lock = -EBADF, fd = -EBADF;
	struct sockaddr_un sa;

	if (dir < 0)
		return err_sys(e, errno, "state directory %s", state);
	lock = openat(dir, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (lock < 0)
		return err_sys(e, errno, "%s/" LOCK_NAME, state);
	/* A keeper that was killed lets go of its clients, who start another one, before it lets go of the lock. */
	for (int i = 0; flock(lock, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK)
			return err_sys(e, errno, "lock %s/" LOCK_NAME, state);
		if (i == 50)
			return 1;
		(void)nanosleep(&(struct timespec){ .tv_nsec = 4000000 }, NULL);
	}
	fill(&sa, dir);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* bind(2) takes the mode from the socket's inode. */
	if (fd < 0 || fchmod(fd, 0600) < 0 || (unlinkat(dir, SOCKET_NAME, 0) < 0 && errno != ENOENT) ||
	    bind(fd, (const struct sockaddr *)&sa, sizeof sa) < 0 || listen(fd, CLIENTS_MAX) < 0)
		return err_sys(e, errno, "%s/" SOCKET_NAME, state);
	*ret_lock = TAKE_FD(lock);
	keeper.listener = TAKE_FD(fd);
	return 0;
}

int keep_main(const char *state, int idle_ms, void (*ready)(void))
{
	_cleanup_close_ int lock = -EBADF;
	struct epoll_event ev = { .events = EPOLLIN };
	struct err e = { 0 };
	int r;

	(void)prctl(PR_SET_NAME, "caissond-keep", 0, 0, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	set_limit();
	r = open_listener(state, &lock, &e);
	if (r > 0)
		return 0;
	keeper.epoll = epoll_create1(EPOLL_CLOEXEC);
	ev.data.fd = keeper.listener;
	if (r == 0 && (keeper.epoll < 0 || epoll_ctl(keeper.epoll, EPOLL_CTL_ADD, keeper.listener, &ev) < 0))
		r = err_sys(&e, errno, "wait for clients");
	if (r == 0 && ready)
		ready();
	if (r == 0)
		r = give_up(&e);
	if (r < 0) {
		fprintf(stderr, "caissond: keeper of sockets: %s\n", e.msg);
		return 1;
	}
	return keep(idle_ms);
}

/* ---- clients --------------------------------------------------------------------------------------------------- */

/* After fork(2) in a process with threads: system calls only. */
static void become_keeper(char *const argv[], int null)
{
	sigset_t none;

	if (setsid() < 0 || fork() != 0)
		_exit(0);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 ||
	    syscall(SYS_close_range, 3u, ~0u, 0u) < 0 || chdir("/") < 0)
		_exit(1);
	(void)execve("/proc/self/exe", argv, (char *[]){ NULL });
	_exit(1);
}

static int start(const char *state, struct err *e)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_free_ char *copy = strdup(state);
	char name[] = "caissond", option[] = "--keep";
	char *argv[] = { name, option, copy, NULL };
	pid_t pid;

	if (null < 0 || !copy)
		return err_sys(e, errno, "start the keeper of sockets");
	pid = fork();
	if (pid < 0)
		return err_sys(e, errno, "start the keeper of sockets");
	if (pid == 0)
		become_keeper(argv, null);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

static int try_connect(const char *state)
{
	_cleanup_close_ int dir = open(state, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), fd = -EBADF;
	struct sockaddr_un sa;
	int r;

	if (dir < 0)
		return -errno;
	fill(&sa, dir);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = set_patience(fd);
	if (r == 0 && connect(fd, (const struct sockaddr *)&sa, sizeof sa) < 0)
		r = -errno;
	if (r == 0)
		r = is_own_user(fd);
	return r < 0 ? r : TAKE_FD(fd);
}

static bool is_absent(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED;
}

int keep_connect(const char *state, struct err *e)
{
	int fd, r;

	if (access(state, F_OK) < 0)
		return err_sys(e, errno, "state directory %s", state);
	fd = try_connect(state);
	if (is_absent(fd)) {
		r = start(state, e);
		if (r < 0)
			return r;
		for (long ms = 1, all = 0; is_absent(fd) && all < PATIENCE_S * 1000; all += ms, ms += ms < 50) {
			(void)nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
			fd = try_connect(state);
		}
	}
	return fd < 0 ? err_sys(e, -fd, "connect to the keeper of sockets (caissond --keep %s)", state) : fd;
}

static int ask(int fd, const char *what, const char *token, int socket_fd, struct err *e)
{
	_cleanup_close_ int stray = -EBADF;
	char text[MESSAGE_MAX];
	int r;

	(void)snprintf(text, sizeof text, "%s %s", what, token);
	r = send_message(fd, text, socket_fd);
	if (r == 0)
		r = receive_message(fd, text, 0, &stray);
	if (r == 0)
		r = -ECONNRESET;
	if (r < 0)
		return err_sys(e, -r, "keeper of sockets");
	if (strcmp(text, "ok") != 0)
		return err_set(e, EREMOTEIO, "keeper of sockets: %s", text);
	return 0;
}

int keep_put(int fd, const char *token, int socket_fd, struct err *e)
{
	return ask(fd, "put", token, socket_fd, e);
}

int keep_drop(int fd, const char *token, struct err *e)
{
	return ask(fd, "drop", token, -EBADF, e);
}

int keep_list(int fd, void (*found)(void *ctx, const char *token, int socket_fd), void *ctx, struct err *e)
{
	int r = send_message(fd, "list", -EBADF);

	for (;;) {
		_cleanup_close_ int socket_fd = -EBADF;
		char text[MESSAGE_MAX];

		if (r == 0)
			r = receive_message(fd, text, 0, &socket_fd);
		if (r <= 0)
			return err_sys(e, r < 0 ? -r : ECONNRESET, "keeper of sockets");
		if (strcmp(text, "end") == 0)
			return 0;
		if (socket_fd < 0 || !token_is_valid(text))
			return err_set(e, EPROTO, "keeper of sockets: answer is not understood");
		found(ctx, text, TAKE_FD(socket_fd));
		r = 0;
	}
}
