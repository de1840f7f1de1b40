/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file system whose server takes requests and does not answer them. It has a root directory and a file "page" that can
 * be opened; everything else, reading that file as well, waits for ever. Runs until it is killed.
 * usage: hang DIRECTORY
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int dev;

static void answer(const struct fuse_in_header *in, int error, const void *body, size_t size)
{
	struct fuse_out_header out = { .len = (unsigned)(sizeof out + size),
				       .error = error,
				       .unique = in->unique };
	struct iovec v[] = { { &out, sizeof out }, { (void *)(unsigned long)body, size } };

	(void)!writev(dev, v, size ? 2 : 1);
}

static struct fuse_attr attr_of(unsigned long node)
{
	return (struct fuse_attr){ .ino = node,
				   .size = 4096,
				   .mode = node == 1 ? S_IFDIR | 0777 : S_IFREG | 0666,
				   .nlink = 1,
				   .blksize = 4096 };
}

static void serve(const struct fuse_in_header *in, const char *body)
{
	switch (in->opcode) {
	case FUSE_INIT: {
		struct fuse_init_out o = { .major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096 };

		answer(in, 0, &o, sizeof o);
		break;
	}
	case FUSE_GETATTR: {
		struct fuse_attr_out o = { .attr_valid = 1000, .attr = attr_of(in->nodeid) };

		answer(in, 0, &o, sizeof o);
		break;
	}
	case FUSE_LOOKUP: {
		struct fuse_entry_out o = {
			.nodeid = 2, .entry_valid = 1000, .attr_valid = 1000, .attr = attr_of(2)
		};

		if (strcmp(body, "page") == 0)
			answer(in, 0, &o, sizeof o);
		break;
	}
	case FUSE_FLUSH:
		answer(in, -ENOSYS, NULL, 0);
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR: {
		struct fuse_open_out o = { 0 };

		answer(in, 0, &o, sizeof o);
		break;
	}
	}
}

int main(int argc, char **argv)
{
	static char buf[1 << 17];
	char options[200];

	dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	(void)snprintf(options, sizeof options, "fd=%d,rootmode=40777,user_id=0,group_id=0,allow_other", dev);
	if (argc != 2 || dev < 0 || mount("hang", argv[1], "fuse", 0, options) < 0) {
		perror("hang");
		return 1;
	}
	printf("ready\n");
	(void)fflush(stdout);
	for (;;) {
		ssize_t n = read(dev, buf, sizeof buf - 1);

		if (n < 0 && errno != EINTR && errno != EAGAIN && errno != ENOENT)
			return 0;
		if (n < (ssize_t)sizeof(struct fuse_in_header))
			continue;
		buf[n] = '\0';
		serve((const struct fuse_in_header *)(const void *)buf, buf + sizeof(struct fuse_in_header));
	}
}
