/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A way to a listening socket from one container to another: the file of the socket, or a connection to it.
 *   passsock path SOCKET FILE   open FILE with O_PATH; send it; stay until the other has gone
 *   passsock conn SOCKET FILE   connect to FILE; send the connection; stay as well
 *   passsock recv SOCKET        wait for one; connect by way of /proc/self/fd where it is a file; ask /_ping; print the
 *                               first line of the answer, or the error
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int dial(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
		return fd;
	printf("connect %s\n", strerrorname_np(errno));
	exit(1);
}

static void ask(int fd)
{
	static const char request[] = "GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n";
	char buf[512];
	ssize_t n;

	if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0) {
		printf("send %s\n", strerrorname_np(errno));
		exit(1);
	}
	n = read(fd, buf, sizeof buf - 1);
	if (n <= 0) {
		printf("read %s\n", n == 0 ? "end" : strerrorname_np(errno));
		exit(1);
	}
	buf[n] = '\0';
	printf("answer %.*s\n", (int)strcspn(buf, "\r\n"), buf);
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char byte = 0, path[64];
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof control.buf
	};
	int s = socket(AF_UNIX, SOCK_STREAM, 0), fd, type;
	socklen_t len = sizeof type;

	if (argc < 3)
		return 2;
	snprintf(a.sun_path, sizeof a.sun_path, "%s", argv[2]);
	if (strcmp(argv[1], "recv") == 0) {
		int c;

		unlink(argv[2]);
		if (bind(s, (struct sockaddr *)&a, sizeof a) < 0 || listen(s, 1) < 0 ||
		    (c = accept(s, NULL, NULL)) < 0 || recvmsg(c, &msg, 0) < 0 || !CMSG_FIRSTHDR(&msg))
			return perror("recv"), 3;
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof fd);
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0) {
			snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
			fd = dial(path);
		}
		ask(fd);
		return 0;
	}
	if (argc < 4)
		return 2;
	fd = strcmp(argv[1], "conn") == 0 ? dial(argv[3]) : open(argv[3], O_PATH | O_CLOEXEC);
	if (fd < 0)
		return perror(argv[3]), 3;
	for (int i = 0; connect(s, (struct sockaddr *)&a, sizeof a) < 0; i++) {
		if (i == 100)
			return perror("connect"), 3;
		usleep(100000);
	}
	msg.msg_control = control.buf;
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	if (sendmsg(s, &msg, 0) < 0)
		return perror("sendmsg"), 3;
	(void)!read(s, &byte, 1);
	return 0;
}
