/* SPDX-License-Identifier: Apache-2.0 */
#include "procview/init.h"

#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "emulate/emulate.h"
#include "procview/view.h"
#include "sys/mnt.h"

#define MINOR_LEAST 31

/*
 * Common: one readdir fills the kernel's name cache; no OPENDIR. AUTO_INVAL_DATA drops cached pages when size or
 * time changed: on the sysctl connection only splice and mmap leave any.
 */
#define FLAGS_COMMON                                                                           \
	(FUSE_ASYNC_READ | FUSE_AUTO_INVAL_DATA | FUSE_DO_READDIRPLUS | FUSE_PARALLEL_DIROPS | \
	 FUSE_NO_OPENDIR_SUPPORT)
/* OPEN is answered with ENOSYS once, and never sent again. */
#define FLAGS_CHANGING (FLAGS_COMMON | FUSE_NO_OPEN_SUPPORT | FUSE_MAX_PAGES)
/* O_TRUNC comes with OPEN, where it is ignored, and is no SETATTR of its own. */
#define FLAGS_SYSCTL (FLAGS_COMMON | FUSE_ATOMIC_O_TRUNC)

int fuse_mount(int dev_fuse_fd, struct err *e)
{
	_cleanup_close_ int fs = mnt_fs_open("fuse", e);
	char number[12];
	int r;

	if (fs < 0)
		return fs;
	(void)snprintf(number, sizeof number, "%d", dev_fuse_fd);
	if ((r = mnt_fs_set(fs, "source", "caisson", e)) < 0 || (r = mnt_fs_set(fs, "fd", number, e)) < 0 ||
	    (r = mnt_fs_set(fs, "rootmode", "40555", e)) < 0 || (r = mnt_fs_set(fs, "user_id", "0", e)) < 0 ||
	    (r = mnt_fs_set(fs, "group_id", "0", e)) < 0 || (r = mnt_fs_set(fs, "allow_other", NULL, e)) < 0 ||
	    (r = mnt_fs_set(fs, "default_permissions", NULL, e)) < 0)
		return r;
	return mnt_fs_create(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, e);
}

static int read_init(int dev_fuse_fd, struct fuse_in_header *ret, struct fuse_init_in *ret_in, struct err *e)
{
	static uint8_t buf[FUSE_MIN_READ_BUFFER] __attribute__((aligned(8)));
	struct pollfd p = { .fd = dev_fuse_fd, .events = POLLIN };
	/* The kernel's structure grew at its end: what an older one does not say is zero. */
	const size_t least = offsetof(struct fuse_init_in, flags2);
	ssize_t n;

	do {
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return err_sys(e, errno, "wait for FUSE's INIT");
		n = read(dev_fuse_fd, buf, sizeof buf);
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n < 0)
		return err_sys(e, errno, "read FUSE's INIT");
	if ((size_t)n < sizeof *ret + least)
		return err_set(e, EPROTO, "FUSE: the first request has only %zd bytes", n);
	memcpy(ret, buf, sizeof *ret);
	if (ret->opcode != FUSE_INIT)
		return err_set(e, EPROTO, "FUSE: the first request is number %u, not INIT", ret->opcode);
	memset(ret_in, 0, sizeof *ret_in);
	n -= (ssize_t)sizeof *ret;
	memcpy(ret_in, buf + sizeof *ret, (size_t)n < sizeof *ret_in ? (size_t)n : sizeof *ret_in);
	return 0;
}

int fuse_answer_init(int dev_fuse_fd, bool changing, struct err *e)
{
	struct {
		struct fuse_out_header head;
		struct fuse_init_out init;
	} out;
	struct fuse_in_header head = { 0 };
	struct fuse_init_in in = { 0 };
	ssize_t n;
	int r = read_init(dev_fuse_fd, &head, &in, e);

	if (r < 0)
		return r;
	if (in.major != FUSE_KERNEL_VERSION || in.minor < MINOR_LEAST)
		return err_set(e, EPROTO, "FUSE %u.%u of this kernel is too old: 7.%d is needed (Linux 5.4)",
			       in.major, in.minor, MINOR_LEAST);
	memset(&out, 0, sizeof out);
	out.head = (struct fuse_out_header){ .len = sizeof out, .unique = head.unique };
	out.init.major = FUSE_KERNEL_VERSION;
	out.init.minor = in.minor < FUSE_KERNEL_MINOR_VERSION ? in.minor : FUSE_KERNEL_MINOR_VERSION;
	out.init.flags = in.flags & (changing ? FLAGS_CHANGING : FLAGS_SYSCTL);
	/* A changing file is to come in one READ. A value is one page at the most, a longer write its first. */
	out.init.max_readahead = changing ? EMU_RENDER_MAX : 4096;
	out.init.max_pages = EMU_RENDER_MAX / 4096;
	out.init.max_write = 4096;
	out.init.max_background = 16;
	out.init.congestion_threshold = 12;
	out.init.time_gran = 1;
	n = write(dev_fuse_fd, &out, sizeof out);
	if (n != (ssize_t)sizeof out)
		return err_sys(e, n < 0 ? errno : EIO, "answer FUSE's INIT");
	return 0;
}

/* Return: is there nothing more to ask on this connection? */
static bool answer_name(struct view *v, enum view_conn conn, int fd)
{
	static uint8_t buf[FUSE_MIN_READ_BUFFER] __attribute__((aligned(8)));
	static struct wire_answer a;
	struct wire_request req;
	ssize_t n = read(fd, buf, sizeof buf);
	bool listing;

	if (n < 0)
		return errno != EINTR && errno != EAGAIN && errno != ENOENT;
	if (wire_decode(buf, (size_t)n, &req) == 0 && req.node != FUSE_ROOT_ID && req.opcode != FUSE_FORGET &&
	    req.opcode != FUSE_BATCH_FORGET)
		wire_error(&a, req.unique, -EIO);
	else
		view_answer(v, conn, buf, (size_t)n, &a);
	listing = req.opcode == FUSE_READDIR || req.opcode == FUSE_READDIRPLUS;
	if (a.len > 0 && write(fd, a.head, a.len) < 0)
		return false; /* who asked has gone */
	return listing && a.len == sizeof(struct fuse_out_header);
}

void fuse_answer_names(const int fd[2], uint32_t base, int end_fd)
{
	static struct view_shared shared; /* empty: neither values nor texts are asked for */
	static struct view v = { .shared = &shared };
	struct pollfd p[VIEW_CONNS + 1] = { { .fd = fd[VIEW_CHANGING], .events = POLLIN },
					    { .fd = fd[VIEW_SYSCTL], .events = POLLIN },
					    { .fd = end_fd, .events = POLLIN } };

	shared.params.base = base;
	v.table = (struct view_table){ .rows = emu_rows, .n = emu_n_rows };
	if (view_init(&v) < 0)
		return;
	while (p[VIEW_CHANGING].fd >= 0 || p[VIEW_SYSCTL].fd >= 0) {
		if (poll(p, VIEW_CONNS + 1, -1) < 0) {
			if (errno == EINTR)
				continue;
			return;
		}
		if (p[VIEW_CONNS].revents)
			return;
		for (enum view_conn conn = 0; conn < VIEW_CONNS; conn++)
			if (p[conn].fd >= 0 && p[conn].revents && answer_name(&v, conn, p[conn].fd))
				p[conn].fd = -EBADF;
	}
}
