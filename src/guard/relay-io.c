/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "guard/relay-internal.h"

int bytes_add(struct bytes *b, const void *data, size_t len)
{
	if (len == 0)
		return 0;
	if (b->size - b->len < len) {
		size_t size = b->len + len;
		char *grown;

		if (b->len && size < b->size * 2)
			size = b->size * 2;
		grown = realloc(b->data, size);
		if (!grown)
			return -ENOMEM;
		b->data = grown;
		b->size = size;
	}
	memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

void bytes_free(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){ 0 };
}

void bytes_drop(struct bytes *b, size_t len)
{
	if (len == 0)
		return;
	b->len -= len;
	if (b->len == 0)
		bytes_free(b);
	else
		memmove(b->data, b->data + len, b->len);
}

struct end *end_new(void)
{
	struct end *end = calloc(1, sizeof *end);

	if (end)
		end->watch.fd = -EBADF;
	return end;
}

int end_open(struct relay *r, struct end *end, enum watch_kind kind, int fd, struct conn *c)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLRDHUP, .data.ptr = end };

	*end = (struct end){ .watch = { kind, fd }, .conn = c, .armed = ev.events };
	if (epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	end->in_epoll = true;
	return 0;
}

void end_close(struct relay *r, struct end *end)
{
	(void)r;
	/* Closing takes it out of epoll: no other fd leads to the same socket. */
	end->watch.fd = fd_close(end->watch.fd);
	end->in_epoll = false;
	bytes_free(&end->out);
}

int end_watch(struct relay *r, struct end *end, bool reading)
{
	struct epoll_event ev = { .data.ptr = end };
	int op;

	if (end->watch.fd < 0)
		return 0;
	if (reading)
		ev.events |= EPOLLIN | EPOLLRDHUP;
	if (end->out.len)
		ev.events |= EPOLLOUT;
	/* EPOLLHUP cannot be masked: a peer that is gone, with nothing to be read, would keep the loop turning. */
	if (end->hup && !ev.events) {
		if (end->in_epoll && epoll_ctl(r->epoll_fd, EPOLL_CTL_DEL, end->watch.fd, NULL) < 0)
			return -errno;
		end->in_epoll = false;
		return 0;
	}
	if (end->in_epoll && end->armed == ev.events)
		return 0;
	op = end->in_epoll ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (epoll_ctl(r->epoll_fd, op, end->watch.fd, &ev) < 0)
		return -errno;
	end->in_epoll = true;
	end->armed = ev.events;
	return 0;
}

static void shut_if_due(struct end *end)
{
	if (!end->shut_asked || end->shut_done || end->out.len || end->watch.fd < 0)
		return;
	(void)shutdown(end->watch.fd, SHUT_WR);
	end->shut_done = true;
}

/* Nobody reads what is sent any more. What the peer has sent is still read. */
static void write_dead(struct end *end)
{
	end->write_dead = true;
	bytes_free(&end->out);
	shut_if_due(end);
}

int end_send(struct end *end, struct iovec *iov, size_t n)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n };
	ssize_t sent = 0;

	if (end->write_dead || end->watch.fd < 0)
		return 0;
	if (end->out.len == 0) {
		do {
			sent = sendmsg(end->watch.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		} while (sent < 0 && errno == EINTR);
		if (sent < 0 && errno != EAGAIN) {
			write_dead(end);
			return 0;
		}
		if (sent < 0)
			sent = 0;
	}
	for (size_t i = 0; i < n; i++) {
		size_t skip = (size_t)sent < iov[i].iov_len ? (size_t)sent : iov[i].iov_len;

		sent -= (ssize_t)skip;
		if (bytes_add(&end->out, (const char *)iov[i].iov_base + skip, iov[i].iov_len - skip) < 0)
			return -ENOMEM;
	}
	return 0;
}

int end_put(struct end *end, const void *data, size_t len)
{
	struct iovec iov = { .iov_len = len };

	memcpy(&iov.iov_base, &data, sizeof data); /* sendmsg() does not write there */
	return len ? end_send(end, &iov, 1) : 0;
}

void end_flush(struct end *end)
{
	while (end->out.len && end->watch.fd >= 0) {
		ssize_t n = send(end->watch.fd, end->out.data, end->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			write_dead(end);
			return;
		}
		bytes_drop(&end->out, (size_t)n);
	}
	shut_if_due(end);
}

void end_shut(struct end *end)
{
	end->shut_asked = true;
	shut_if_due(end);
}

ssize_t end_read(struct relay *r, struct end *end)
{
	ssize_t n;

	do {
		n = recv(end->watch.fd, r->buf, sizeof r->buf, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n > 0)
		return n;
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	/* ECONNRESET comes behind all that was sent: the peer closed without having read everything. */
	end->eof = true;
	return 0;
}
