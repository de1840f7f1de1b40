/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "guard/audit.h"

#define PAUSE_NS 100000000L

struct reader {
	int fd;
	off_t done; /* of this file */
	size_t len; /* of a line that is not whole yet */
	char buf[FOLLOW_LINE_MAX + 1];
};

/* Give the whole lines of the buffer; @all: the rest too. */
static int give(struct reader *r, bool all, int (*line)(void *, char *, size_t), void *ctx)
{
	char *start = r->buf, *nl;
	int ret = 0;

	while (ret == 0 && (nl = memchr(start, '\n', r->len))) {
		size_t n = (size_t)(nl - start);

		*nl = '\0';
		ret = line(ctx, start, n);
		start += n + 1;
		r->len -= n + 1;
	}
	if (ret == 0 && r->len && (all || r->len == FOLLOW_LINE_MAX)) {
		start[r->len] = '\0';
		ret = line(ctx, start, r->len);
		r->len = 0;
	}
	memmove(r->buf, start, r->len);
	return ret;
}

/* Everything that is there now. */
static int drain(struct reader *r, int (*line)(void *, char *, size_t), void *ctx)
{
	for (;;) {
		ssize_t n = read(r->fd, r->buf + r->len, FOLLOW_LINE_MAX - r->len);
		int ret;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		r->len += (size_t)n;
		r->done += n;
		ret = give(r, false, line, ctx);
		if (ret)
			return ret;
	}
}

/* Is the name another file's now? Return: 1 yes; 0 no, or there is none. */
static bool moved(const struct reader *r, const char *path)
{
	struct stat mine, named;

	return fstat(r->fd, &mine) == 0 && stat(path, &named) == 0 &&
	       (mine.st_ino != named.st_ino || mine.st_dev != named.st_dev);
}

static void check_cut(struct reader *r)
{
	struct stat st;

	if (fstat(r->fd, &st) == 0 && st.st_size < r->done && lseek(r->fd, 0, SEEK_SET) == 0) {
		r->done = 0;
		r->len = 0;
	}
}

static int next_file(struct reader *r, const char *path)
{
	int fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	(void)fd_close(r->fd);
	r->fd = fd;
	r->done = 0;
	return 0;
}

static int turn(struct reader *r, const char *path, int (*line)(void *, char *, size_t), void *ctx)
{
	int ret;

	if (r->fd < 0) {
		ret = next_file(r, path);
		return ret == -ENOENT ? 0 : ret < 0 ? ret : drain(r, line, ctx);
	}
	check_cut(r);
	ret = drain(r, line, ctx);
	if (ret || !moved(r, path))
		return ret;
	/* What was written before it was moved, and between that and our look at the name. */
	ret = drain(r, line, ctx);
	if (ret == 0)
		ret = give(r, true, line, ctx);
	if (ret == 0)
		ret = next_file(r, path);
	return ret == -ENOENT ? 0 : ret < 0 || ret ? ret : drain(r, line, ctx);
}

int follow_file(const char *path, bool follow, int (*line)(void *, char *, size_t), void *ctx, struct err *e)
{
	static const struct timespec pause = { .tv_nsec = PAUSE_NS };
	_cleanup_free_ struct reader *r = calloc(1, sizeof *r);
	int ret;

	if (audit_is_journal(path))
		return err_set(e, EINVAL, "the audit is in the journal; read it with: journalctl -t caissond%s",
			       follow ? " -f" : "");
	if (!r)
		return err_sys(e, ENOMEM, "%s", path);
	r->fd = -EBADF;
	ret = next_file(r, path);
	if (ret == -ENOENT && follow)
		ret = 0;
	if (ret == 0 && r->fd >= 0)
		ret = drain(r, line, ctx);
	if (ret == 0 && !follow)
		ret = give(r, true, line, ctx);
	while (ret == 0 && follow) {
		(void)nanosleep(&pause, NULL);
		ret = turn(r, path, line, ctx);
	}
	(void)fd_close(r->fd);
	return ret < 0 ? err_sys(e, -ret, "%s", path) : ret;
}
