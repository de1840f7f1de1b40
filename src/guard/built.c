/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/built.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/num.h"
#include "codec/imageref.h"

#define WAITING_MAX 256
#define NUMBER_LEN  32

struct waiting {
	char number[NUMBER_LEN + 1];
	uid_t uid;
};

struct built {
	int dir;
	pthread_mutex_t lock;
	pthread_mutex_t looking; /* held while the engine is asked: whoever has it knows of all that has ended */
	struct waiting waiting[WAITING_MAX];
	size_t n;
};

int built_new(const char *state, struct built **ret, struct err *e)
{
	_cleanup_free_ char *path = NULL;
	struct built *b = calloc(1, sizeof *b);

	if (!b || asprintf(&path, "%s/built", state) < 0) {
		free(b);
		return err_sys(e, ENOMEM, "list of builds");
	}
	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		free(b);
		return err_sys(e, errno, "directory %s", path);
	}
	b->dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (b->dir < 0) {
		free(b);
		return err_sys(e, errno, "directory %s", path);
	}
	(void)pthread_mutex_init(&b->lock, NULL);
	(void)pthread_mutex_init(&b->looking, NULL);
	*ret = b;
	return 0;
}

void built_free(struct built *b)
{
	if (!b)
		return;
	(void)fd_close(b->dir);
	(void)pthread_mutex_destroy(&b->lock);
	(void)pthread_mutex_destroy(&b->looking);
	free(b);
}

void built_note(struct built *b, const char *number, uid_t uid)
{
	(void)pthread_mutex_lock(&b->lock);
	if (b->n < WAITING_MAX) {
		(void)snprintf(b->waiting[b->n].number, sizeof b->waiting[b->n].number, "%s", number);
		b->waiting[b->n++].uid = uid;
	}
	(void)pthread_mutex_unlock(&b->lock);
}

/* Make room: the list is only of use while the images exist, and old ones are the likeliest not to. */
static void remove_oldest(const struct built *b)
{
	int fd = openat(b->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char oldest[NAME_MAX + 1] = "";
	time_t when = 0;
	size_t n = 0;

	if (!d) {
		if (fd >= 0)
			(void)fd_close(fd);
		return;
	}
	for (const struct dirent *entry; (entry = readdir(d));) {
		struct stat st;

		if (*entry->d_name == '.' || fstatat(b->dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		n++;
		if (!*oldest || st.st_mtime < when) {
			(void)snprintf(oldest, sizeof oldest, "%s", entry->d_name);
			when = st.st_mtime;
		}
	}
	(void)closedir(d);
	if (n >= BUILT_MAX)
		(void)unlinkat(b->dir, oldest, 0);
}

static void write_down(const struct built *b, const char *id, uid_t uid)
{
	static const char temporary[] = ".new";
	char text[16];
	int len = snprintf(text, sizeof text, "%" PRIu32 "\n", (uint32_t)uid);
	_cleanup_close_ int fd = -EBADF;

	remove_oldest(b);
	(void)unlinkat(b->dir, temporary, 0);
	fd = openat(b->dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	/* A file that is cut off allows nothing. */
	if (fd < 0 || write(fd, text, (size_t)len) != len ||
	    renameat(b->dir, temporary, b->dir, id + strlen("sha256:")) < 0)
		(void)unlinkat(b->dir, temporary, 0);
}

static void look_at(const struct built *b, struct judge_engine *engine, const struct waiting *w)
{
	char path[160];
	json_t *list = NULL;
	const char *id;

	(void)snprintf(path, sizeof path,
		       "/images/json?filters=%%7B%%22label%%22%%3A%%5B%%22" BUILT_LABEL "%%3D%s%%22%%5D%%7D",
		       w->number);
	if (engine_get(engine, path, &list, NULL) < 0)
		return;
	id = json_string_value(json_object_get(json_array_get(list, 0), "Id"));
	/* Two: somebody was fast, and nobody can tell which is which. */
	if (json_array_size(list) == 1 && id && image_digest_valid(id))
		write_down(b, id, w->uid);
	json_decref(list);
}

static bool take_one(struct built *b, struct waiting *ret)
{
	bool any;

	(void)pthread_mutex_lock(&b->lock);
	any = b->n > 0;
	if (any)
		*ret = b->waiting[--b->n];
	(void)pthread_mutex_unlock(&b->lock);
	return any;
}

void built_look(struct built *b, struct judge_engine *engine)
{
	struct waiting w;

	(void)pthread_mutex_lock(&b->looking);
	while (take_one(b, &w))
		look_at(b, engine, &w);
	(void)pthread_mutex_unlock(&b->looking);
}

bool built_by(const struct built *b, const char *id, uid_t uid)
{
	_cleanup_free_ char *text = NULL;
	uint32_t who;

	if (!image_digest_valid(id) || io_read_at(b->dir, id + strlen("sha256:"), 16, &text, NULL) < 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	return num_u32(text, &who) == 0 && who == uid;
}
