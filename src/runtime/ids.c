/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ids.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/num.h"
#include "codec/idtext.h"

#define SLOT_FILE_MAX	 (1u << 20)
#define ACCOUNT_FILE_MAX (64u << 20)
#define LOCK_FILE	 ".lock"
#define SCAN_FILE	 "foreign"
#define SCAN_SECONDS	 5

/* One bit per range of the pool: set = not to be handed out. */
struct slots {
	const struct ids_pool *pool;
	uint8_t *used;
};

static void mark(struct slots *s, uint64_t first, uint64_t count)
{
	uint64_t pool_first = s->pool->first, pool_end = pool_first + (uint64_t)s->pool->count * ID_RANGE;
	uint64_t end = first + count;

	if (count == 0 || end <= pool_first || first >= pool_end)
		return;
	if (first < pool_first)
		first = pool_first;
	if (end > pool_end)
		end = pool_end;
	for (uint64_t i = (first - pool_first) / ID_RANGE; i <= (end - 1 - pool_first) / ID_RANGE; i++)
		s->used[i] = 1;
}

int ids_open(const char *path, struct err *e)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make id registry %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open id registry %s", path);
	if (st.st_uid != 0 || (st.st_mode & 022))
		return err_set(e, EPERM,
			       "id registry %s must belong to root and be writable by nobody else; remove it",
			       path);
	return TAKE_FD(fd);
}

/* The lock is held until the returned fd is closed; the kernel drops it when its holder dies. */
static int lock_registry(int ids_fd, struct err *e)
{
	_cleanup_close_ int fd = openat(ids_fd, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys(e, errno, "open id registry lock");
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "lock id registry");
	return TAKE_FD(fd);
}

static int mark_accounts(struct slots *s, int etc_fd, struct err *e)
{
	static const char *const accounts[] = { "passwd", "group" };
	static const char *const subids[] = { "subuid", "subgid" };
	uint64_t first, count;
	const char *name;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(accounts); i++) {
		_cleanup_free_ char *text = NULL;
		char *cursor;

		r = io_read_at(etc_fd, accounts[i], ACCOUNT_FILE_MAX, &text, NULL);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return err_sys(e, -r, "read /etc/%s", accounts[i]);
		cursor = text;
		while (idtext_next_account(&cursor, &first) > 0)
			mark(s, first, 1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(subids); i++) {
		_cleanup_free_ char *text = NULL;
		char *cursor;

		r = io_read_at(etc_fd, subids[i], ACCOUNT_FILE_MAX, &text, NULL);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return err_sys(e, -r, "read /etc/%s", subids[i]);
		cursor = text;
		while (idtext_next_subid(&cursor, &name, &first, &count) > 0)
			if (strcmp(name, "caisson") != 0)
				mark(s, first, count);
	}
	return 0;
}

static int scan_processes(struct slots *s, int ids_fd, int proc_fd, struct err *e)
{
	_cleanup_free_ uint8_t *mine = calloc(s->pool->count, 1);
	_cleanup_free_ char *text = NULL, *old = NULL;
	struct slots found = { .pool = s->pool, .used = mine };
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *ent;
	size_t len = 0;
	FILE *out;
	int fd, r;

	fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir || !mine)
		return err_sys(e, errno, "scan processes");
	while ((ent = readdir(dir))) {
		struct stat st;

		if (ent->d_name[0] < '1' || ent->d_name[0] > '9' || fstatat(proc_fd, ent->d_name, &st, 0) < 0)
			continue;
		mark(&found, st.st_uid, 1);
		mark(&found, st.st_gid, 1);
	}
	out = open_memstream(&text, &len);
	if (!out)
		return err_sys(e, errno, "scan processes");
	for (uint32_t i = 0; i < s->pool->count; i++)
		if (mine[i] && !s->used[i]) {
			s->used[i] = 1;
			fprintf(out, "%u\n", s->pool->first + i * ID_RANGE);
		}
	if (fclose(out) != 0)
		return err_sys(e, ENOMEM, "scan processes");
	/* Mostly nothing has changed, and replacing a file costs milliseconds where /run lies on a disk. */
	if (io_read_at(ids_fd, SCAN_FILE, SLOT_FILE_MAX, &old, NULL) == 0 && strcmp(old, text) == 0 &&
	    utimensat(ids_fd, SCAN_FILE, NULL, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	r = io_replace_at(ids_fd, SCAN_FILE, text, len, 0600);
	return r < 0 ? err_sys(e, -r, "write id registry") : 0;
}

/* Processes of others in our pool: scan, or believe a scan that is a few seconds old. */
static int mark_processes(struct slots *s, int ids_fd, int proc_fd, bool fresh, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	struct timespec now;
	struct stat st;
	char *line;

	if (fresh || fstatat(ids_fd, SCAN_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    clock_gettime(CLOCK_REALTIME, &now) < 0 || now.tv_sec < st.st_mtim.tv_sec ||
	    now.tv_sec - st.st_mtim.tv_sec > SCAN_SECONDS ||
	    io_read_at(ids_fd, SCAN_FILE, SLOT_FILE_MAX, &text, NULL) < 0)
		return scan_processes(s, ids_fd, proc_fd, e);
	for (char *p = text; (line = strsep(&p, "\n"));) {
		uint32_t base;

		if (num_u32(line, &base) == 0)
			mark(s, base, ID_RANGE);
	}
	return 0;
}

static bool any_owner_lives(int ids_fd, const char *name)
{
	_cleanup_free_ char *text = NULL;
	const char *owner;
	char *cursor;
	struct stat st;
	int r;

	if (io_read_at(ids_fd, name, SLOT_FILE_MAX, &text, NULL) < 0)
		return true; /* unreadable: never hand it out */
	cursor = text;
	while ((r = idtext_next_slot_owner(&cursor, &owner)) > 0)
		if (stat(owner, &st) == 0 || errno != ENOENT)
			return true;
	return r < 0;
}

/* Mark what has a file; with RECLAIM, drop files whose owners are all gone. */
static int mark_taken(struct slots *s, int ids_fd, bool reclaim, struct err *e)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *ent;
	int fd = openat(ids_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return err_sys(e, errno, "read id registry");
	while ((ent = readdir(dir))) {
		uint32_t base;

		/* We hold the lock, so a temporary file belongs to somebody who was killed while he had it. */
		if (ent->d_name[0] == '.' && ent->d_type == DT_REG && strcmp(ent->d_name, LOCK_FILE) != 0)
			(void)unlinkat(ids_fd, ent->d_name, 0);
		if (num_u32(ent->d_name, &base) < 0)
			continue;
		if (reclaim && !any_owner_lives(ids_fd, ent->d_name))
			(void)unlinkat(ids_fd, ent->d_name, 0);
		else
			mark(s, base, ID_RANGE);
	}
	return 0;
}

/* Does a process run as the root of this range right now? One hash look-up in the kernel. */
static bool range_has_root_process(uint32_t base)
{
	errno = 0;
	return getpriority(PRIO_USER, base) != -1 || errno != ESRCH;
}

static int find_free(struct slots *s, int ids_fd, int proc_fd, int etc_fd, bool reclaim, uint32_t *ret,
		     struct err *e)
{
	int r;

	memset(s->used, 0, s->pool->count);
	r = mark_taken(s, ids_fd, reclaim, e);
	if (r == 0)
		r = mark_accounts(s, etc_fd, e);
	if (r == 0)
		r = mark_processes(s, ids_fd, proc_fd, reclaim, e);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < s->pool->count; i++) {
		uint32_t base = s->pool->first + i * ID_RANGE;

		if (!s->used[i] && !range_has_root_process(base)) {
			*ret = base;
			return 1;
		}
	}
	return 0;
}

static int write_slot(int ids_fd, uint32_t base, const char *text, struct err *e)
{
	char name[16];
	int r;

	(void)snprintf(name, sizeof name, "%u", base);
	r = *text ? io_replace_at(ids_fd, name, text, strlen(text), 0600) : 0;
	if (!*text && unlinkat(ids_fd, name, 0) < 0 && errno != ENOENT)
		r = -errno;
	return r < 0 ? err_sys(e, -r, "write id registry entry %s", name) : 0;
}

int ids_alloc(int ids_fd, int proc_fd, int etc_fd, const struct ids_pool *pool, const char *owner,
	      uint32_t *ret_base, struct err *e)
{
	_cleanup_free_ uint8_t *used = calloc(pool->count, 1);
	_cleanup_free_ char *text = NULL;
	struct slots s = { .pool = pool, .used = used };
	_cleanup_close_ int lock = -EBADF;
	uint32_t base;
	int r;

	if (!used || asprintf(&text, "owner %s\n", owner) < 0)
		return err_sys(e, ENOMEM, "allocate ids");
	lock = lock_registry(ids_fd, e);
	if (lock < 0)
		return lock;
	r = find_free(&s, ids_fd, proc_fd, etc_fd, false, &base, e);
	if (r == 0) /* nothing free: look for ranges that dead creators left behind */
		r = find_free(&s, ids_fd, proc_fd, etc_fd, true, &base, e);
	if (r < 0)
		return r;
	if (r == 0)
		return err_set(
			e, EAGAIN,
			"no free id range: all %u ranges of 65536 ids from %u on are in use or belong to other "
			"accounts; delete containers or enlarge caisson.idPool in the settings",
			pool->count, pool->first);
	r = write_slot(ids_fd, base, text, e);
	if (r == 0)
		*ret_base = base;
	return r;
}

/* Rewrite the owners of BASE without OWNER, and with it once more when ADD. */
struct company {
	bool (*is_with)(void *ctx, const char *other);
	void *ctx;
};

/* @add: NULL: take it away */
static int change_owners(int ids_fd, uint32_t base, const char *owner, const struct company *add, struct err *e)
{
	_cleanup_free_ char *text = NULL, *out = NULL;
	_cleanup_close_ int lock = lock_registry(ids_fd, e);
	const char *other;
	bool found = !add || !add->is_with;
	char name[16], *cursor;
	size_t len = 0;
	FILE *f;
	int r;

	if (lock < 0)
		return lock;
	(void)snprintf(name, sizeof name, "%u", base);
	r = io_read_at(ids_fd, name, SLOT_FILE_MAX, &text, NULL);
	if (r == -ENOENT && !add)
		return 0;
	if (r < 0)
		return err_sys(e, -r, "read id registry entry %s", name);
	f = open_memstream(&out, &len);
	if (!f)
		return err_sys(e, ENOMEM, "change id registry entry %s", name);
	cursor = text;
	while (idtext_next_slot_owner(&cursor, &other) > 0)
		if (strcmp(other, owner) != 0) {
			fprintf(f, "owner %s\n", other);
			found = found || add->is_with(add->ctx, other);
		}
	if (add)
		fprintf(f, "owner %s\n", owner);
	if (fclose(f) != 0)
		return err_sys(e, ENOMEM, "change id registry entry %s", name);
	if (!found)
		return err_set(e, ESRCH, "linux.namespaces: the container to join has ended");
	return write_slot(ids_fd, base, out, e);
}

int ids_share(int ids_fd, uint32_t base, const char *owner, bool (*is_with)(void *ctx, const char *other),
	      void *ctx, struct err *e)
{
	const struct company company = { is_with, ctx };

	return change_owners(ids_fd, base, owner, &company, e);
}

int ids_free(int ids_fd, uint32_t base, const char *owner, struct err *e)
{
	return change_owners(ids_fd, base, owner, NULL, e);
}

static bool is_owner(int ids_fd, const char *name, const char *owner)
{
	_cleanup_free_ char *text = NULL;
	const char *other;
	char *cursor;

	if (io_read_at(ids_fd, name, SLOT_FILE_MAX, &text, NULL) < 0)
		return false;
	cursor = text;
	while (idtext_next_slot_owner(&cursor, &other) > 0)
		if (strcmp(other, owner) == 0)
			return true;
	return false;
}

int ids_forget(int ids_fd, const char *owner, struct err *e)
{
	int fd = openat(ids_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *ent;

	if (!dir)
		return err_sys(e, errno, "read id registry");
	while (r == 0 && (ent = readdir(dir))) {
		uint32_t base;

		if (num_u32(ent->d_name, &base) == 0 && is_owner(ids_fd, ent->d_name, owner))
			r = ids_free(ids_fd, base, owner, e);
	}
	return r;
}

int ids_owners(int ids_fd, uint32_t base, char ***ret, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t n = 0, len, lines = 0;
	const char *owner;
	char name[16], **out, *cursor, *strings;
	int r;

	(void)snprintf(name, sizeof name, "%u", base);
	r = io_read_at(ids_fd, name, SLOT_FILE_MAX, &text, &len);
	if (r < 0)
		return err_sys(e, -r, "read id registry entry %s", name);
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	out = calloc(1, (lines + 2) * sizeof *out + len + 1);
	if (!out)
		return err_sys(e, ENOMEM, "read id registry entry %s", name);
	strings = (char *)(out + lines + 2);
	cursor = text;
	while (n <= lines && idtext_next_slot_owner(&cursor, &owner) > 0) {
		size_t size = strlen(strrchr(owner, '/') + 1) + 1;

		memcpy(strings, strrchr(owner, '/') + 1, size);
		out[n++] = strings;
		strings += size;
	}
	*ret = out;
	return 0;
}
