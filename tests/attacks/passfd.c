/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A descriptor from one container to another.
 *   passfd send SOCKET FILE   open FILE for reading and writing, or reading; send it; stay until the other has gone
 *   passfd recv SOCKET        wait for one; "data ..." its first line, "write RESULT", "reopen ..." by way of /proc/self/fd
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

static void show(const char *name, int fd)
{
	char buf[256];
	ssize_t n = fd < 0 ? -1 : pread(fd, buf, sizeof buf, 0);

	if (n < 0)
		printf("%s %s\n", name, strerrorname_np(errno));
	else
		printf("%s %.*s\n", name, (int)strcspn(buf, "\n") < (int)n ? (int)strcspn(buf, "\n") : (int)n,
		       buf);
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
	struct cmsghdr *h;
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	if (argc < 3)
		return 2;
	(void)snprintf(a.sun_path, sizeof a.sun_path, "%s", argv[2]);
	if (argc == 4) {
		fd = open(argv[3], O_RDWR | O_CLOEXEC);
		if (fd < 0)
			fd = open(argv[3], O_RDONLY | O_CLOEXEC);
		show("own", fd);
		while (connect(s, (struct sockaddr *)&a, sizeof a) < 0)
			(void)usleep(10000);
		h = CMSG_FIRSTHDR(&msg);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(h), &fd, sizeof fd);
		if (sendmsg(s, &msg, 0) < 0)
			perror("sendmsg");
		(void)read(s, &byte, 1);
		show("after", fd);
		return 0;
	}
	(void)unlink(argv[2]);
	if (bind(s, (struct sockaddr *)&a, sizeof a) < 0 || listen(s, 1) < 0) {
		perror(argv[2]);
		return 1;
	}
	s = accept(s, NULL, NULL);
	if (recvmsg(s, &msg, 0) < 0 || !(h = CMSG_FIRSTHDR(&msg)))
		return 1;
	memcpy(&fd, CMSG_DATA(h), sizeof fd);
	show("data", fd);
	printf("write %s\n", pwrite(fd, "5\n", 2, 0) < 0 ? strerrorname_np(errno) : "0");
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	show("reopen", open(path, O_RDONLY | O_CLOEXEC));
	printf("end\n");
	return 0;
}
