/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set-user-id program that a container left on the host, with an id of the container's range: what does it give whoever
 * executes it over the container that has the range now? Prints "id N", then "ENTERED" and the file when it got in.
 * usage: takeover PID FILE
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int open_ns(const char *pid, const char *ns)
{
	char path[64];

	(void)snprintf(path, sizeof path, "/proc/%s/ns/%s", pid, ns);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int main(int argc, char **argv)
{
	int user, mnt, fd;
	char text[128];
	ssize_t n;

	if (argc != 3)
		return 2;
	printf("id %u\n", geteuid());
	user = open_ns(argv[1], "user");
	mnt = open_ns(argv[1], "mnt");
	if (user < 0 || mnt < 0 || setns(user, CLONE_NEWUSER) < 0 || setns(mnt, CLONE_NEWNS) < 0)
		return printf("refused: %s\n", strerror(errno)), 0;
	fd = open(argv[2], O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof text);
	printf("ENTERED %.*s\n", n > 0 ? (int)n : 0, text);
	return 0;
}
