/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device nodes: which can be made, and which, made or found, can be opened. Nothing is ever written to one.
 *   nodes make DIR       try to make 300 nodes below DIR; print "made TYPE MAJOR:MINOR" and "opened ..." for each
 *   nodes open DIR...    open every node below the directories; print "opened PATH"
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int tried;

static int try_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	/* ENXIO, ENODEV ... come from the driver: it was reached. */
	if (fd < 0 && (errno == EACCES || errno == EPERM))
		return 0;
	if (fd >= 0)
		(void)close(fd);
	return 1;
}

static void make(const char *dir, mode_t type, unsigned maj, unsigned min)
{
	char path[256];

	(void)snprintf(path, sizeof path, "%s/node", dir);
	tried++;
	if (mknod(path, type | 0666, makedev(maj, min)) < 0)
		return;
	printf("made %c %u:%u\n", type == S_IFBLK ? 'b' : 'c', maj, min);
	if (try_open(path))
		printf("opened %c %u:%u\n", type == S_IFBLK ? 'b' : 'c', maj, min);
	(void)unlink(path);
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)type;
	(void)at;
	if (!S_ISCHR(st->st_mode) && !S_ISBLK(st->st_mode))
		return 0;
	tried++;
	if (try_open(path))
		printf("opened %s\n", path);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "make") == 0) {
		for (unsigned maj = 0; maj < 15; maj++)
			for (unsigned min = 0; min < 10; min++) {
				make(argv[2], S_IFCHR, maj, min);
				make(argv[2], S_IFBLK, maj, min);
			}
		make(argv[2], S_IFBLK, 252, 0);
		make(argv[2], S_IFBLK, 254, 0);
		make(argv[2], S_IFBLK, 259, 0);
		make(argv[2], S_IFCHR, 10, 200);
		make(argv[2], S_IFCHR, 10, 229);
		make(argv[2], S_IFCHR, 10, 232);
	} else if (argc >= 3 && strcmp(argv[1], "open") == 0) {
		for (int i = 2; i < argc; i++)
			(void)nftw(argv[i], visit, 32, FTW_PHYS);
	} else {
		return 2;
	}
	printf("%d tried\n", tried);
	return 0;
}
