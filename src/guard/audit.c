/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "guard/text.h"

struct audit {
	const char *path;
	int fd;
};

static int open_file(struct audit *a, struct err *e)
{
	int fd = open(a->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0640);

	if (fd < 0)
		return err_sys(e, errno, "audit file %s", a->path);
	(void)fd_close(a->fd);
	a->fd = fd;
	return 0;
}

int audit_open(const char *path, struct audit **ret, struct err *e)
{
	struct audit *a = malloc(sizeof *a);
	int r;

	if (!a)
		return err_sys(e, ENOMEM, "audit file %s", path);
	*a = (struct audit){ .path = path, .fd = -EBADF };
	r = open_file(a, e);
	if (r < 0) {
		free(a);
		return r;
	}
	*ret = a;
	return 0;
}

void audit_close(struct audit *a)
{
	if (!a)
		return;
	(void)fd_close(a->fd);
	free(a);
}

/* Is the file that we have open still the one of that name? */
static bool rotated(const struct audit *a)
{
	struct stat mine, named;

	return fstat(a->fd, &mine) < 0 || stat(a->path, &named) < 0 || mine.st_ino != named.st_ino ||
	       mine.st_dev != named.st_dev;
}

static json_t *exe_of(pid_t pid)
{
	char link[32], exe[PATH_MAX];
	ssize_t n;

	(void)snprintf(link, sizeof link, "/proc/%d/exe", pid);
	n = readlink(link, exe, sizeof exe - 1);
	if (n < 0)
		return json_null();
	exe[n] = '\0';
	return text_json(exe);
}

static json_t *now(void)
{
	struct timespec ts;
	struct tm tm;
	char day[32], text[64];

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	(void)gmtime_r(&ts.tv_sec, &tm);
	(void)strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(text, sizeof text, "%s.%03ldZ", day, ts.tv_nsec / 1000000);
	return json_string(text);
}

int audit_write(struct audit *a, const struct audit_event *ev, struct err *e)
{
	_cleanup_free_ char *line = NULL;
	json_t *o;
	size_t n;
	int r;

	o = json_pack("{so ss sI sI so so so so so so so so}", "time", now(), "action", ev->action, "uid",
		      (json_int_t)ev->uid, "pid", (json_int_t)ev->pid, "exe", exe_of(ev->pid), "route",
		      text_json(ev->route), "container", text_json(ev->container), "image", text_json(ev->image),
		      "rule", text_json(ev->rule), "setting", text_json(ev->setting), "origin",
		      text_json(ev->origin), "message", text_json(ev->message));
	if (o)
		line = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (!line)
		return err_sys(e, ENOMEM, "audit file %s", a->path);
	if (rotated(a)) {
		r = open_file(a, e);
		if (r < 0)
			return r;
	}
	n = strlen(line);
	line[n] = '\n'; /* instead of the NUL: one write */
	r = io_write_all(a->fd, line, n + 1);
	return r < 0 ? err_sys(e, -r, "audit file %s", a->path) : 0;
}
