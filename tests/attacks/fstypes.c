/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tries to mount each type of /proc/filesystems by both interfaces at a directory and at once unmounts it. Prints "mounted TYPE".
 * Types that need a device get one that does not exist: the right is checked before.
 * usage: fstypes DIRECTORY
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static int by_fd(const char *type)
{
	int fs = fsopen(type, FSOPEN_CLOEXEC), mnt = -1;

	if (fs < 0)
		return 0;
	(void)fsconfig(fs, FSCONFIG_SET_STRING, "source", "none", 0);
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mnt = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	(void)close(fs);
	if (mnt < 0)
		return 0;
	(void)close(mnt);
	return 1;
}

int main(int argc, char **argv)
{
	char line[128], type[64];
	FILE *f = fopen("/proc/filesystems", "re");
	int n = 0;

	if (argc != 2 || !f)
		return 2;
	while (fgets(line, sizeof line, f)) {
		int ok;

		if (sscanf(line, "nodev %63s", type) != 1 && sscanf(line, "%63s", type) != 1)
			continue;
		n++;
		ok = by_fd(type);
		if (mount("none", argv[1], type, 0, NULL) == 0) {
			ok = 1;
			(void)umount2(argv[1], MNT_DETACH);
		}
		if (ok)
			printf("mounted %s\n", type);
	}
	(void)fclose(f);
	printf("%d types\n", n);
	return n == 0;
}
