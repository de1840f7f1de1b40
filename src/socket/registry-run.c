/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "socket/digest-set.h"
#include "socket/registry-ask.h"
#include "sys/missing.h"

#define PROXIES_MAX 8

int64_t registry_now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The helper's environment: proxies, and nothing else that somebody started us with. */
static void pick_proxies(char *ret[static PROXIES_MAX + 1])
{
	static const char *const names[] = { "HTTP_PROXY=", "HTTPS_PROXY=", "ALL_PROXY=", "NO_PROXY=" };
	size_t n = 0;

	for (char **v = environ; v && *v && n < PROXIES_MAX; v++)
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			if (strncasecmp(*v, names[i], strlen(names[i])) == 0 && n < PROXIES_MAX)
				ret[n++] = *v;
	ret[n] = NULL;
}

/* In a file without a name: no helper can make us wait for it to read. */
static int put_job(const struct registry_ask *ask)
{
	_cleanup_close_ int fd = memfd_create("job", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : io_write_all(fd, ask->job, ask->len);

	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? r : TAKE_FD(fd);
}

static int spawn(const char *helper, int in, int out, pid_t *ret)
{
	char name[] = "caisson-registry", *const argv[] = { name, NULL }, *env[PROXIES_MAX + 1];
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r;

	pick_proxies(env);
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	if ((r = posix_spawn_file_actions_init(&files)) != 0)
		return -r;
	if ((r = posix_spawnattr_init(&attr)) != 0) {
		(void)posix_spawn_file_actions_destroy(&files);
		return -r;
	}
	if ((r = posix_spawn_file_actions_adddup2(&files, in, 0)) == 0 &&
	    (r = posix_spawn_file_actions_adddup2(&files, out, 1)) == 0 &&
	    (r = posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0)) == 0 &&
	    (r = posix_spawn_file_actions_addclosefrom_np(&files, 3)) == 0 &&
	    (r = posix_spawnattr_setsigmask(&attr, &none)) == 0 &&
	    (r = posix_spawnattr_setsigdefault(&attr, &all)) == 0 &&
	    (r = posix_spawnattr_setpgroup(&attr, 0)) == 0 &&
	    (r = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
							 POSIX_SPAWN_SETPGROUP)) == 0)
		r = posix_spawn(ret, helper, &files, &attr, argv, env);
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&files);
	return -r;
}

/* Wait for @fd. Return: 0, -ETIMEDOUT, -ECANCELED. */
static int wait_for(int fd, int stop_fd, int64_t deadline_ms)
{
	for (;;) {
		struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = stop_fd, .events = POLLIN } };
		int64_t left = deadline_ms - registry_now_ms();
		int r = left > 0 ? poll(p, 2, left > 60000 ? 60000 : (int)left) : 0;

		if (r < 0 && errno != EINTR)
			return -errno;
		if (r > 0)
			return p[1].revents ? -ECANCELED : 0;
		if (r == 0 && left <= 0)
			return -ETIMEDOUT;
	}
}

static int read_answer(int fd, int stop_fd, int64_t deadline_ms, char **ret, size_t *ret_len)
{
	size_t size = 64u << 10, len = 0;
	_cleanup_free_ char *buf = malloc(size);

	for (;;) {
		ssize_t n;
		char *bigger;
		int r;

		if (!buf)
			return -ENOMEM;
		r = wait_for(fd, stop_fd, deadline_ms);
		if (r < 0)
			return r;
		n = read(fd, buf + len, size - len - 1);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n == 0)
			break;
		len += n > 0 ? (size_t)n : 0;
		if (len > DIGEST_ANSWER_MAX)
			return -EFBIG;
		if (size - len > 1)
			continue;
		size *= 2;
		bigger = realloc(buf, size);
		if (!bigger)
			return -ENOMEM;
		buf = bigger;
	}
	buf[len] = '\0';
	*ret = TAKE_PTR(buf);
	*ret_len = len;
	return 0;
}

/* @r: what came of it so far; below 0 it is not waited for any longer. */
static int finish(pid_t pid, int stop_fd, int64_t deadline_ms, int r)
{
	_cleanup_close_ int pidfd = pidfd_open(pid, 0); /* our child, not yet waited for: it is the one */
	siginfo_t info = { 0 };

	if (pidfd < 0)
		r = -errno;
	if (r == 0)
		r = wait_for(pidfd, stop_fd, deadline_ms);
	if (r < 0)
		(void)kill(pid, SIGKILL);
	while (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0)
		if (errno != EINTR)
			return r < 0 ? r : -errno;
	if (r == 0 && (info.si_code != CLD_EXITED || info.si_status != 0))
		r = -EIO;
	return r;
}

int registry_ask_run(const char *helper, const struct registry_ask *ask, int stop_fd, int64_t deadline_ms,
		     char **ret, size_t *ret_len, struct err *e)
{
	_cleanup_close_ int job = put_job(ask), in = -EBADF, out = -EBADF;
	_cleanup_free_ char *answer = NULL;
	int r, ends[2];
	pid_t pid;

	if (job < 0)
		return err_sys(e, -job, "%s", ask->host);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "%s", ask->host);
	in = ends[0];
	out = ends[1];
	r = spawn(helper, job, out, &pid);
	if (r < 0)
		return err_sys(e, -r, "%s cannot be started", helper);
	out = fd_close(out);
	r = read_answer(in, stop_fd, deadline_ms, &answer, ret_len);
	in = fd_close(in);
	r = finish(pid, stop_fd, deadline_ms, r);
	if (r == -ETIMEDOUT)
		return err_set(e, ETIMEDOUT, "%s does not answer in time", ask->host);
	if (r < 0)
		return err_sys(e, -r, "%s: the helper that asks it failed", ask->host);
	*ret = TAKE_PTR(answer);
	return 0;
}
