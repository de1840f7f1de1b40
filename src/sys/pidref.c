/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/pidref.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "sys/missing.h"

int pidref_start_time(int proc_fd, pid_t pid, uint64_t *ret, char *ret_state)
{
	_cleanup_close_ int fd = -EBADF;
	char name[32], text[1024];
	const char *p;
	ssize_t n;

	(void)snprintf(name, sizeof name, "%d/stat", (int)pid);
	fd = openat(proc_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = read(fd, text, sizeof text - 1);
	if (n <= 0)
		return n < 0 ? -errno : -ESRCH;
	text[n] = '\0';
	/* The command name is chosen by the process and may hold anything: count from the last ')'. */
	p = strrchr(text, ')');
	if (!p || p[1] != ' ' || p[2] == '\0')
		return -EPROTO;
	if (ret_state)
		*ret_state = p[2];
	p += 2;
	for (int field = 3; field < 22; field++) {
		p = strchr(p, ' ');
		if (!p)
			return -EPROTO;
		p++;
	}
	return num_span(&p, UINT64_MAX, ret);
}

int pidref_open(int proc_fd, pid_t pid, uint64_t start, struct pidref *ret)
{
	_cleanup_close_ int fd = pidfd_open(pid, 0);
	uint64_t now;
	char state;
	int r;

	if (fd < 0)
		return -errno;
	/* Read after the pidfd exists: if the pid was reused in between, the start time tells. */
	r = pidref_start_time(proc_fd, pid, &now, &state);
	if (r < 0)
		return r;
	if (state == 'Z' || state == 'X' || (start && start != now))
		return -ESRCH;
	*ret = (struct pidref){ .pid = pid, .fd = TAKE_FD(fd), .start = now };
	return 0;
}

int pidref_signal(const struct pidref *p, int sig)
{
	return pidfd_send_signal(p->fd, sig, NULL, 0) < 0 ? -errno : 0;
}

int pidref_wait_exit(const struct pidref *p, int ms)
{
	struct pollfd pfd = { .fd = p->fd, .events = POLLIN };
	int r;

	do
		r = poll(&pfd, 1, ms);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

void pidref_done(struct pidref *p)
{
	p->fd = fd_close(p->fd);
	p->pid = 0;
}
