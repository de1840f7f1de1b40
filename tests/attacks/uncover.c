/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the root file system off and looks at what lies below it, in the mount namespace's real root. Prints a line for each
 * directory of the host (an argument) that came to light.
 * usage: uncover PATH...
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void look(const char *when, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char text[40];
		ssize_t n;
		int fd = open(argv[i], O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		n = read(fd, text, sizeof text - 1);
		printf("SEEN %s: %s: %.*s\n", when, argv[i], n > 0 ? (int)n : 0, text);
		(void)close(fd);
	}
}

int main(int argc, char **argv)
{
	int ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	/* To the top of whatever is stacked at the root. */
	for (int i = 0; i < 3; i++) {
		int r = umount2("/", MNT_DETACH);

		printf("umount %s\n", r < 0 ? strerror(errno) : "0");
		r = setns(ns, CLONE_NEWNS);
		printf("setns %s\n", r < 0 ? strerror(errno) : "0");
		look("after umount", argc, argv);
		if (chroot("/..") == 0)
			look("above the root", argc, argv);
	}
	printf("end\n");
	return 0;
}
