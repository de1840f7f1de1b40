/* SPDX-License-Identifier: Apache-2.0 */
#include "socket/digest-files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/sha256.h"
#include "socket/digest-set.h"

#define FILE_MAX (512u << 10) /* what is longer is in memory only: 4096 files have to fit */

/* The caller's own, for it alone, with one name. */
static bool is_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 077) == 0 &&
	       st.st_nlink == 1;
}

struct digest_set *digest_file_load(int dir, const char *name, const char *digest, int64_t *ret_age_ms)
{
	_cleanup_close_ int fd = -EBADF;
	_cleanup_free_ char *text = NULL;
	struct digest_set *set = NULL;
	int64_t fetched, now = time(NULL);
	char file[SHA256_HEX];
	size_t len;

	if (dir < 0)
		return NULL;
	sha256_hex(name, strlen(name), file);
	fd = openat(dir, file, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || !is_ours(fd) || io_read_fd(fd, FILE_MAX, &text, &len) < 0 ||
	    digest_file_read(text, len, name, digest, &fetched, &set, NULL) < 0)
		return NULL;
	if (fetched > now) {
		digest_set_unref(set);
		return NULL;
	}
	*ret_age_ms = (now - fetched + 1) * 1000; /* parts of a second are not known: rather too old */
	return set;
}

int digest_file_save(int dir, const char *name, const struct digest_set *set)
{
	_cleanup_free_ char *text = NULL;
	char file[SHA256_HEX];
	int r;

	if (dir < 0)
		return 0;
	r = digest_file_write(set, name, time(NULL), &text);
	if (r < 0)
		return r;
	sha256_hex(name, strlen(name), file);
	if (strlen(text) > FILE_MAX)
		return unlinkat(dir, file, 0) == 0 || errno == ENOENT ? 0 : -errno;
	return io_replace_at(dir, file, text, strlen(text), 0600);
}

void digest_file_remove(int dir, const char *name)
{
	char file[SHA256_HEX];

	sha256_hex(name, strlen(name), file);
	if (dir >= 0)
		(void)unlinkat(dir, file, 0);
}

/* ---- at the start ---- */

struct found {
	char name[SHA256_HEX];
	time_t written;
};

static int newest_first(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return (x->written < y->written) - (x->written > y->written);
}

static bool is_file_name(const char *name)
{
	return strlen(name) == SHA256_HEX - 1 && strspn(name, "0123456789abcdef") == SHA256_HEX - 1;
}

void digest_files_prune(int dir, size_t max)
{
	_cleanup_close_ int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *list = copy >= 0 ? fdopendir(copy) : NULL;
	_cleanup_free_ struct found *all = NULL;
	const struct dirent *ent;
	size_t n = 0, size = 0;
	struct stat st;

	if (list)
		(void)TAKE_FD(copy);
	while (list && (ent = readdir(list))) {
		if (strcmp(ent->d_name, ".") == 0 || strcmp(ent->d_name, "..") == 0)
			continue;
		if (!is_file_name(ent->d_name) || fstatat(dir, ent->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			(void)unlinkat(dir, ent->d_name, 0);
			continue;
		}
		if (n == size) {
			struct found *bigger = reallocarray(all, size ? 2 * size : 256, sizeof *all);

			if (!bigger)
				return;
			all = bigger;
			size = size ? 2 * size : 256;
		}
		memcpy(all[n].name, ent->d_name, SHA256_HEX);
		all[n++].written = st.st_mtime;
	}
	if (n <= max)
		return;
	qsort(all, n, sizeof *all, newest_first);
	for (size_t i = max; i < n; i++)
		(void)unlinkat(dir, all[i].name, 0);
}
