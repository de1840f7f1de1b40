/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount32 - make a mount through the kernel's 32-bit entry, as a program for i386 would.
 * usage: mount32 FSTYPE TARGET     mount32 -u TARGET
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define NR_MOUNT_I386  21
#define NR_UMOUNT_I386 22

static int call32(int nr, unsigned a, unsigned b, unsigned c, unsigned d, unsigned e)
{
	int ret;

	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

int main(int argc, char **argv)
{
	char *low = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	unsigned at = (unsigned)(unsigned long)low;
	int r;

	if (argc != 3 || low == MAP_FAILED || strlen(argv[1]) > 100 || strlen(argv[2]) > 4000)
		return 125;
	memcpy(low, argv[1], strlen(argv[1]) + 1);
	memcpy(low + 4096, argv[2], strlen(argv[2]) + 1);
	if (strcmp(argv[1], "-u") == 0)
		r = call32(NR_UMOUNT_I386, at + 4096, 0, 0, 0, 0);
	else
		r = call32(NR_MOUNT_I386, at, at + 4096, at, 0, 0);
	if (r < 0)
		fprintf(stderr, "mount32: %s\n", strerror(-r));
	return r < 0;
}
