/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks directories and tries to write to each file its own value, as container root could try with any value. Prints
 * the path of each file that took it, and of each that let itself be opened for writing ("open PATH").
 * What has no value to read is only opened: nothing is changed even where this is allowed.
 * usage: sweep DIRECTORY...
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int seen;

static int visit(const char *path, const struct stat *st, int type, struct FTW *at)
{
	char text[4096];
	ssize_t n = -1;
	int fd;

	(void)st;
	(void)at;
	if (type != FTW_F)
		return 0;
	seen++;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof text);
		(void)close(fd);
	}
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (n > 0 && n < (ssize_t)sizeof text && write(fd, text, (size_t)n) == n)
		printf("%s\n", path);
	else
		printf("open %s\n", path);
	(void)close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (nftw(argv[i], visit, 64, FTW_PHYS | FTW_MOUNT) < 0)
			return perror(argv[i]), 2;
	fprintf(stderr, "%d files\n", seen);
	return seen == 0;
}
