/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File handles as keys to a whole file system.
 *   handle name FILE          print the handle
 *   handle open MOUNT HANDLE  open it by way of MOUNT, print the contents
 *   handle root MOUNT...      try handles of low inode numbers (roots of file systems) by way of each MOUNT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

union handle {
	struct file_handle h;
	char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

static int name(const char *file)
{
	union handle h = { .h.handle_bytes = MAX_HANDLE_SZ };
	int id;

	if (name_to_handle_at(AT_FDCWD, file, &h.h, &id, 0) < 0)
		return perror(file), 1;
	printf("%d:", h.h.handle_type);
	for (unsigned i = 0; i < h.h.handle_bytes; i++)
		printf("%02x", h.h.f_handle[i]);
	printf("\n");
	return 0;
}

static void open_it(const char *mount, union handle *h)
{
	int at = open(mount, O_RDONLY | O_CLOEXEC | O_NONBLOCK), fd;
	char text[256];
	ssize_t n;

	fd = open_by_handle_at(at, &h->h, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		printf("%s: %s\n", mount, strerror(errno));
	} else {
		n = read(fd, text, sizeof text - 1);
		printf("%s: OPENED %.*s\n", mount, n > 0 ? (int)n : 0, text);
		(void)close(fd);
	}
	(void)close(at);
}

int main(int argc, char **argv)
{
	union handle h = { 0 };

	if (argc == 3 && strcmp(argv[1], "name") == 0)
		return name(argv[2]);
	if (argc == 4 && strcmp(argv[1], "open") == 0) {
		const char *p = strchr(argv[3], ':');

		h.h.handle_type = atoi(argv[3]);
		for (p++; p[0] && p[1] && h.h.handle_bytes < MAX_HANDLE_SZ; p += 2) {
			unsigned x;

			(void)sscanf(p, "%2x", &x);
			h.h.f_handle[h.h.handle_bytes++] = (unsigned char)x;
		}
		open_it(argv[2], &h);
		return 0;
	}
	for (int i = 2; i < argc; i++)
		for (uint32_t ino = 2; ino < 16; ino++) {
			/* FILEID_INO32_GEN with generation 0, which is what ext4 gives its root */
			const uint32_t id[2] = { ino, 0 };

			h.h.handle_type = 1;
			h.h.handle_bytes = sizeof id;
			memcpy(h.h.f_handle, id, sizeof id);
			open_it(argv[i], &h);
		}
	return 0;
}
