/* SPDX-License-Identifier: Apache-2.0 */
/* Terminals: a pty of the container's own devpts, made through fds only (A8, A10). */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <termios.h>

#include "base/cleanup.h"
#include "runtime/init.h"
#include "sys/mnt.h"
#include "sys/path.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

static int open_master(int root_fd, struct err *e)
{
	_cleanup_close_ int fd = path_open_in(root_fd, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, 0);
	struct statfs sfs;
	int unlock = 0;

	if (fd < 0)
		return err_sys(e, -fd, "open /dev/pts/ptmx for a terminal (is a devpts mounted on /dev/pts?)");
	if (fstatfs(fd, &sfs) < 0 || sfs.f_type != DEVPTS_SUPER_MAGIC)
		return err_set(e, ENODEV, "/dev/pts/ptmx in the container does not belong to a devpts");
	if (ioctl(fd, TIOCSPTLCK, &unlock) < 0)
		return err_sys(e, errno, "unlock pty");
	return TAKE_FD(fd);
}

/* The name that runc sends along: engines show it, nobody opens it. */
static int send_master(int console_fd, int master, struct err *e)
{
	char name[] = "/dev/ptmx";
	struct iovec iov = { .iov_base = name, .iov_len = sizeof name - 1 };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof control.buf,
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &master, sizeof master);
	return sendmsg(console_fd, &msg, MSG_NOSIGNAL) < 0
		       ? err_sys(e, errno, "send terminal to the console socket")
		       : 0;
}

int console_open_in(int root_fd, const struct oci_process *p, int console_fd, int *ret_slave, struct err *e)
{
	_cleanup_close_ int master = open_master(root_fd, e), slave = -EBADF;
	struct winsize size = { .ws_row = p->console_height, .ws_col = p->console_width };
	int r;

	if (master < 0)
		return master;
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(e, errno, "open the other end of the pty");
	if (size.ws_row && size.ws_col && ioctl(master, TIOCSWINSZ, &size) < 0)
		return err_sys(e, errno, "set terminal size");
	if (fchown(slave, p->user.uid, (gid_t)-1) < 0)
		return err_sys(e, errno, "set owner of the terminal");
	r = send_master(console_fd, master, e);
	if (r < 0)
		return r;
	*ret_slave = TAKE_FD(slave);
	return 0;
}

int console_take(int slave, struct err *e)
{
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		return err_sys(e, errno, "take the terminal");
	for (int i = 0; i < 3; i++)
		if (dup2(slave, i) < 0)
			return err_sys(e, errno, "make the terminal stdio");
	return 0;
}

int console_setup(const struct oci_process *p, const struct assembled *t, int console_fd, struct err *e)
{
	_cleanup_close_ int slave = -EBADF, mnt = -EBADF, target = -EBADF;
	int r = console_open_in(t->root_fd, p, console_fd, &slave, e);

	if (r < 0)
		return r;
	mnt = mnt_clone(slave, "", false, e);
	target = mnt < 0 ? mnt : path_make_in(t->root_fd, t->rw_fd, "/dev/console", false, e);
	r = target < 0 ? target : mnt_attach(mnt, target, e);
	if (r < 0)
		return err_ctx(e, r, "mount /dev/console");
	return console_take(slave, e);
}
