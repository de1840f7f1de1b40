/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File capabilities by hand.
 *   setcap FILE        give it all capabilities (version 2; the kernel makes it version 3 in a user namespace)
 *   setcap show FILE   "caps version N root ID"
 *   setcap run FILE    execute it after saying "effective N": how many capabilities a program with them would get
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static int effective_of(pid_t pid)
{
	char path[64], line[256];
	unsigned long long caps = 0;
	FILE *f;

	(void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f))
		(void)sscanf(line, "CapPrm: %llx", &caps);
	if (f)
		(void)fclose(f);
	return __builtin_popcountll(caps);
}

int main(int argc, char **argv)
{
	struct vfs_ns_cap_data d = { .magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE };

	if (argc == 3 && strcmp(argv[1], "show") == 0) {
		ssize_t n = getxattr(argv[2], "security.capability", &d, sizeof d);

		if (n < 0)
			return printf("none: %s\n", strerror(errno)), 0;
		printf("caps version %u root %u\n", d.magic_etc >> 24, n == (ssize_t)sizeof d ? d.rootid : 0);
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "run") == 0) {
		int fds[2];
		pid_t pid;

		if (pipe(fds) < 0)
			return 2;
		pid = fork();
		if (pid == 0) {
			/* Its output goes into a full pipe's place: it waits there while we look. */
			(void)dup2(fds[1], 1);
			(void)execl(argv[2], argv[2], NULL);
			_exit(1);
		}
		(void)usleep(100000);
		printf("effective %d\n", effective_of(pid));
		(void)waitpid(pid, NULL, 0);
		return 0;
	}
	if (argc != 2)
		return 2;
	d.data[0].permitted = d.data[1].permitted = UINT32_MAX;
	d.data[1].permitted = 0x1ff;
	return setxattr(argv[1], "security.capability", &d, XATTR_CAPS_SZ_2, 0) < 0 ? perror("setcap"), 1 : 0;
}
