/* SPDX-License-Identifier: Apache-2.0 */
#include "procview/serve.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct wire_answer serve_answer;

static void at(const struct view *v, enum view_point point)
{
	if (v->point)
		v->point(point);
}

static struct view_slot *slot_of(struct view *v, enum view_conn conn)
{
	return conn == VIEW_CHANGING ? &v->shared->changing : &v->shared->sysctl;
}

/* The request's own length, in its first four bytes. */
static uint32_t *pending(struct view_slot *slot)
{
	return (uint32_t *)(void *)slot->buf;
}

/*
 * Errors are not ours to handle: ENOENT for a request that was answered already (by a predecessor) or whose caller
 * is gone, ENODEV for a connection that has ended. A partial write does not exist.
 */
static void send_answer(int fd, struct wire_answer *a)
{
	struct iovec iov[2] = { { a->head, a->len }, { NULL, a->tail_len } };

	if (a->len == 0)
		return;
	memcpy(&iov[1].iov_base, &a->tail, sizeof a->tail);
	while (writev(fd, iov, a->tail_len > 0 ? 2 : 1) < 0 && errno == EINTR)
		;
}

static void finish(struct view *v, enum view_conn conn, int fd)
{
	struct view_slot *slot = slot_of(v, conn);

	send_answer(fd, &serve_answer);
	at(v, VIEW_ANSWERED);
	__atomic_store_n(pending(slot), 0, __ATOMIC_RELEASE);
	at(v, VIEW_CLEARED);
	slot->attempts = 0;
}

static void handle(struct view *v, enum view_conn conn, int fd)
{
	struct view_slot *slot = slot_of(v, conn);

	at(v, VIEW_READ);
	view_answer(v, conn, slot->buf, sizeof slot->buf, &serve_answer);
	at(v, VIEW_MADE);
	finish(v, conn, fd);
}

void serve_recover(struct view *v, const int fd[VIEW_CONNS])
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	v->since_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	for (enum view_conn conn = 0; conn < VIEW_CONNS; conn++) {
		struct view_slot *slot = slot_of(v, conn);
		struct wire_request req;

		if (*pending(slot) == 0) {
			slot->attempts = 0;
			continue;
		}
		/* counted before, and one connection after the other: only the request that kills is given up */
		if (++slot->attempts <= SERVE_ATTEMPTS) {
			handle(v, conn, fd[conn]);
			continue;
		}
		wire_none(&serve_answer);
		if (wire_decode(slot->buf, sizeof slot->buf, &req) != -EPROTO && req.opcode != FUSE_FORGET &&
		    req.opcode != FUSE_BATCH_FORGET && req.opcode != FUSE_INTERRUPT)
			wire_error(&serve_answer, req.unique, -EIO);
		finish(v, conn, fd[conn]);
	}
}

/* Return: 1 when there may be more, 0 when the connection has ended, or -errno. */
static int take_one(struct view *v, enum view_conn conn, int fd)
{
	struct view_slot *slot = slot_of(v, conn);

	if (read(fd, slot->buf, sizeof slot->buf) >= 0) {
		handle(v, conn, fd);
		return 1;
	}
	switch (errno) {
	case EINTR:
	case EAGAIN:
	case ENOENT: /* its caller was killed while it was being handed over */
	case EIO:    /* the kernel answered a request itself that was too large for us */
		return 1;
	case ENODEV:
		return 0;
	default:
		return -errno;
	}
}

int serve_loop(struct view *v, const int fd[VIEW_CONNS])
{
	struct pollfd p[VIEW_CONNS];

	for (enum view_conn conn = 0; conn < VIEW_CONNS; conn++)
		p[conn] = (struct pollfd){ .fd = fd[conn], .events = POLLIN };
	while (p[VIEW_CHANGING].fd >= 0 || p[VIEW_SYSCTL].fd >= 0) {
		if (ppoll(p, VIEW_CONNS, NULL, NULL) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		for (enum view_conn conn = 0; conn < VIEW_CONNS; conn++) {
			int r;

			if (p[conn].fd < 0 || p[conn].revents == 0)
				continue;
			r = take_one(v, conn, p[conn].fd);
			if (r < 0)
				return r;
			if (r == 0)
				p[conn].fd = -EBADF;
		}
	}
	return 0;
}
