/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/settings-watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "base/cleanup.h"
#include "sys/settings-file.h"

#define DELAY_NS 200000000L
#define EVENTS                                                                                               \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF | \
	 IN_MOVE_SELF | IN_ONLYDIR)

enum { ABOVE, DIR_ITSELF, DROPINS, N_WATCHES };

struct settings_watch {
	int epoll, inotify, timer;
	char *paths[N_WATCHES];
	char *file, *dropins, *dir_name; /* last components */
	int wd[N_WATCHES];
	bool pending;
};

static char *last_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strdup(slash ? slash + 1 : path);
}

static char *above(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash != path ? strndup(path, (size_t)(slash - path)) : strdup("/");
}

static int name_paths(struct settings_watch *w, const char *path)
{
	_cleanup_free_ char *file = NULL;
	struct stat st;
	size_t n;

	if (!path)
		path = SETTINGS_DEFAULT_FILE;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		if (asprintf(&file, "%s/" SETTINGS_FILE_NAME, path) < 0)
			file = NULL;
	} else {
		file = strdup(path);
	}
	if (!file)
		return -ENOMEM;
	n = strlen(file);
	w->file = last_of(file);
	w->paths[DIR_ITSELF] = above(file);
	if (n > 5 && strcmp(file + n - 5, ".json") == 0)
		file[n - 5] = '\0';
	if (asprintf(&w->paths[DROPINS], "%s.d", file) < 0)
		w->paths[DROPINS] = NULL;
	if (!w->file || !w->paths[DIR_ITSELF] || !w->paths[DROPINS])
		return -ENOMEM;
	w->paths[ABOVE] = above(w->paths[DIR_ITSELF]);
	w->dropins = last_of(w->paths[DROPINS]);
	w->dir_name = last_of(w->paths[DIR_ITSELF]);
	return w->paths[ABOVE] && w->dropins && w->dir_name ? 0 : -ENOMEM;
}

/* Directories come and go: what is there now is what is watched. Adding one that is watched already is no change. */
static void watch_dirs(struct settings_watch *w)
{
	for (size_t i = 0; i < N_WATCHES; i++)
		w->wd[i] = inotify_add_watch(w->inotify, w->paths[i], EVENTS);
}

static int add(const struct settings_watch *w, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

int settings_watch_new(const char *path, struct settings_watch **ret, struct err *e)
{
	struct settings_watch *w = calloc(1, sizeof *w);
	int r;

	if (!w)
		return err_sys(e, ENOMEM, "watching the settings");
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	w->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (w->epoll < 0 || w->inotify < 0 || w->timer < 0)
		r = -errno;
	else
		r = name_paths(w, path);
	if (r == 0)
		r = add(w, w->inotify);
	if (r == 0)
		r = add(w, w->timer);
	if (r < 0) {
		settings_watch_free(w);
		return err_sys(e, -r, "watching the settings");
	}
	watch_dirs(w);
	*ret = w;
	return 0;
}

int settings_watch_fd(const struct settings_watch *w)
{
	return w->epoll;
}

static bool concerns(const struct settings_watch *w, const struct inotify_event *ev)
{
	const char *name = ev->len ? ev->name : "";
	size_t n = strlen(name);

	if (ev->mask & IN_Q_OVERFLOW)
		return true;
	if (ev->mask & IN_IGNORED)
		return false;
	/* Two of them may be the same directory: "/" above "/". */
	if (ev->wd == w->wd[ABOVE] && strcmp(name, w->dir_name) == 0)
		return true;
	if (ev->wd == w->wd[DIR_ITSELF] && (!n || strcmp(name, w->file) == 0 || strcmp(name, w->dropins) == 0 ||
					    strcmp(name, SETTINGS_USER_NAME) == 0))
		return true;
	return ev->wd == w->wd[DROPINS] && (!n || (name[0] != '.' && n > 5 && strcmp(name + n - 5, ".json") == 0));
}

static bool take_events(struct settings_watch *w)
{
	_Alignas(struct inotify_event) char buf[4096];
	bool any = false;
	ssize_t n;

	while ((n = read(w->inotify, buf, sizeof buf)) > 0)
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *ev = (const struct inotify_event *)(void *)p;

			any = concerns(w, ev) || any;
			p += sizeof *ev + ev->len;
		}
	return any;
}

bool settings_watch_due(struct settings_watch *w)
{
	static const struct itimerspec delay = { .it_value = { .tv_nsec = DELAY_NS } };
	uint64_t expired;

	if (take_events(w)) {
		watch_dirs(w);
		/* From the first change on: who may write one file could else put off all others for ever. */
		if (!w->pending)
			w->pending = timerfd_settime(w->timer, 0, &delay, NULL) == 0;
	}
	if (read(w->timer, &expired, sizeof expired) != (ssize_t)sizeof expired)
		return false;
	w->pending = false;
	return true;
}

void settings_watch_free(struct settings_watch *w)
{
	if (!w)
		return;
	(void)fd_close(w->epoll);
	(void)fd_close(w->inotify);
	(void)fd_close(w->timer);
	for (size_t i = 0; i < N_WATCHES; i++)
		free(w->paths[i]);
	free(w->file);
	free(w->dropins);
	free(w->dir_name);
	free(w);
}
