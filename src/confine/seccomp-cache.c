/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/seccomp-cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

#define CACHE_MAGIC	  UINT64_C(0x314d474350434353) /* "SCCPCGM1" */
#define CACHE_NAME_LEN	  20			       /* 16 hex digits and ".bpf" */
#define CACHE_TMP_MAX_AGE 60			       /* seconds; a writer needs a millisecond */

/* An entry: this header, n_insns instructions, key_len bytes of key. Native byte order: it never leaves the machine. */
struct cache_head {
	uint64_t magic;
	uint64_t sum; /* over the instructions; the key is compared anyway */
	uint64_t key_len;
	uint32_t n_insns;
	uint32_t flags;
	uint32_t listener;
	uint32_t pad;
};

/* Word-wise multiply and fold: it only has to spread names and to notice accidents, not to resist anyone. */
static uint64_t hash_bytes(uint64_t h, const void *buf, size_t len)
{
	const unsigned char *p = buf;

	for (; len > 0; p += 8) {
		size_t n = len < 8 ? len : 8;
		uint64_t w = 0;

		memcpy(&w, p, n);
		h = (h ^ w ^ n) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
		len -= n;
	}
	return h;
}

static uint64_t head_sum(const struct cache_head *h, const struct sock_filter *insns)
{
	struct cache_head copy = *h;

	copy.sum = 0;
	return hash_bytes(hash_bytes(0, &copy, sizeof copy), insns, h->n_insns * sizeof *insns);
}

static int key_bytes(struct seccomp_key *k, const void *buf, size_t len)
{
	if (k->cap - k->len < len) {
		size_t cap = k->cap ? k->cap : 16384;
		unsigned char *bigger;

		while (cap - k->len < len)
			cap *= 2;
		if (!(bigger = realloc(k->buf, cap)))
			return -ENOMEM;
		k->buf = bigger;
		k->cap = cap;
	}
	memcpy(k->buf + k->len, buf, len);
	k->len += len;
	return 0;
}

static int key_num(struct seccomp_key *k, uint64_t v)
{
	return key_bytes(k, &v, sizeof v);
}

/* The terminating NUL is part of the encoding: no string of the spec contains one, so it ends exactly here. */
static int key_str(struct seccomp_key *k, const char *s)
{
	int r = key_bytes(k, s ? "s" : "-", 1);

	return r < 0 || !s ? r : key_bytes(k, s, strlen(s) + 1);
}

static int key_strv(struct seccomp_key *k, const struct oci_strv *v)
{
	int r = key_num(k, v->n);

	for (size_t i = 0; r == 0 && i < v->n; i++)
		r = key_str(k, v->v[i]);
	return r;
}

static int key_rule(struct seccomp_key *k, const struct oci_seccomp_rule *rule)
{
	int r;

	if ((r = key_strv(k, &rule->names)) < 0 || (r = key_str(k, rule->action)) < 0 ||
	    (r = key_num(k, rule->has_errno)) < 0 || (r = key_num(k, rule->has_errno ? rule->errno_ret : 0)) < 0 ||
	    (r = key_num(k, rule->n_args)) < 0)
		return r;
	for (size_t i = 0; i < rule->n_args; i++) {
		const struct oci_seccomp_arg *a = &rule->args[i];

		if ((r = key_num(k, a->index)) < 0 || (r = key_num(k, a->value)) < 0 ||
		    (r = key_num(k, a->value_two)) < 0 || (r = key_str(k, a->op)) < 0)
			return r;
	}
	return 0;
}

int seccomp_key_make(const struct oci_seccomp *s, const char *tool, struct seccomp_key *ret)
{
	struct seccomp_key k = { 0 };
	int r;

	/* A listener path changes no instruction, but a profile that lacks one may be refused for it. */
	if ((r = key_str(&k, tool)) < 0 || (r = key_str(&k, s->default_action)) < 0 ||
	    (r = key_num(&k, s->has_default_errno)) < 0 ||
	    (r = key_num(&k, s->has_default_errno ? s->default_errno : 0)) < 0 ||
	    (r = key_num(&k, s->listener_path && *s->listener_path)) < 0 ||
	    (r = key_strv(&k, &s->architectures)) < 0 || (r = key_strv(&k, &s->flags)) < 0 ||
	    (r = key_num(&k, s->n_rules)) < 0)
		goto fail;
	for (size_t i = 0; i < s->n_rules; i++)
		if ((r = key_rule(&k, &s->rules[i])) < 0)
			goto fail;
	k.hash = hash_bytes(0, k.buf, k.len);
	*ret = k;
	return 0;
fail:
	seccomp_key_done(&k);
	return r;
}

void seccomp_key_done(struct seccomp_key *k)
{
	free(k->buf);
	*k = (struct seccomp_key){ 0 };
}

static void entry_name(const struct seccomp_key *k, char name[CACHE_NAME_LEN + 1])
{
	(void)snprintf(name, CACHE_NAME_LEN + 1, "%016" PRIx64 ".bpf", k->hash);
}

/* Only root may have decided what is in here: a program from the cache becomes a container's filter unseen. */
static bool owned_by_root(const struct stat *st)
{
	return st->st_uid == 0 && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static bool dir_is_trusted(int dirfd)
{
	struct stat st;

	return fstat(dirfd, &st) == 0 && S_ISDIR(st.st_mode) && owned_by_root(&st);
}

int seccomp_cache_get(int dirfd, const struct seccomp_key *k, struct seccomp_program *ret)
{
	_cleanup_close_ int fd = -EBADF;
	_cleanup_free_ struct sock_filter *insns = NULL;
	_cleanup_free_ unsigned char *key = NULL;
	char name[CACHE_NAME_LEN + 1];
	struct cache_head h;
	struct stat st;
	size_t fixed, n;

	if (!dir_is_trusted(dirfd))
		return 0;
	entry_name(k, name);
	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !owned_by_root(&st))
		return 0;
	/* The wanted key has a known length, so the size tells the number of instructions before a byte is read. */
	fixed = sizeof h + k->len;
	if (st.st_size < 0 || (size_t)st.st_size <= fixed || ((size_t)st.st_size - fixed) % sizeof *insns != 0)
		return 0;
	n = ((size_t)st.st_size - fixed) / sizeof *insns;
	if (n > BPF_MAXINSNS)
		return 0;
	insns = malloc(n * sizeof *insns);
	key = malloc(k->len);
	if (!insns || !key)
		return 0;
	const struct iovec iov[] = {
		{ &h, sizeof h },
		{ insns, n * sizeof *insns },
		{ key, k->len },
	};
	if (readv(fd, iov, ARRAY_SIZE(iov)) != (ssize_t)st.st_size)
		return 0;
	if (h.magic != CACHE_MAGIC || h.key_len != k->len || h.n_insns != n || h.listener > 1 || h.pad != 0 ||
	    memcmp(key, k->buf, k->len) != 0 || h.sum != head_sum(&h, insns))
		return 0;
	*ret = (struct seccomp_program){
		.insns = TAKE_PTR(insns),
		.n = n,
		.flags = h.flags,
		.listener = h.listener == 1,
	};
	return 1;
}

static bool is_entry_name(const char *name)
{
	return strlen(name) == CACHE_NAME_LEN && strspn(name, "0123456789abcdef") == CACHE_NAME_LEN - 4 &&
	       strcmp(name + CACHE_NAME_LEN - 4, ".bpf") == 0;
}

/*
 * One pass over the directory: remove what dead writers left, count entries, find the oldest.
 * Return: the number of entries; *@ret_oldest is empty when there is none.
 */
static size_t scan(DIR *d, char oldest[CACHE_NAME_LEN + 1])
{
	struct timespec oldest_time = { 0 };
	time_t now = time(NULL);
	struct dirent *de;
	size_t n = 0;

	oldest[0] = '\0';
	rewinddir(d);
	while ((de = readdir(d))) {
		struct stat st;

		if (fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (de->d_name[0] == '.' && S_ISREG(st.st_mode) && now - st.st_mtim.tv_sec > CACHE_TMP_MAX_AGE)
			(void)unlinkat(dirfd(d), de->d_name, 0);
		if (!is_entry_name(de->d_name))
			continue;
		n++;
		if (!oldest[0] || st.st_mtim.tv_sec < oldest_time.tv_sec ||
		    (st.st_mtim.tv_sec == oldest_time.tv_sec && st.st_mtim.tv_nsec < oldest_time.tv_nsec)) {
			oldest_time = st.st_mtim;
			memcpy(oldest, de->d_name, CACHE_NAME_LEN + 1);
		}
	}
	return n;
}

/* Make room for one more. Two writers at once may keep one entry too many until the next one comes by. */
static void evict(int dirfd)
{
	_cleanup_closedir_ DIR *d = NULL;
	char oldest[CACHE_NAME_LEN + 1];
	int fd;

	/* A descriptor of its own: fdopendir() moves the offset of what it is given and closes it. */
	fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (!(d = fdopendir(fd))) {
		(void)fd_close(fd);
		return;
	}
	while (scan(d, oldest) >= SECCOMP_CACHE_ENTRIES)
		if (unlinkat(dirfd, oldest, 0) < 0 && errno != ENOENT)
			return;
}

void seccomp_cache_put(int dirfd, const struct seccomp_key *k, const struct seccomp_program *p)
{
	_cleanup_free_ unsigned char *buf = NULL;
	size_t prog_len = p->n * sizeof *p->insns, len;
	char name[CACHE_NAME_LEN + 1];
	struct cache_head h = {
		.magic = CACHE_MAGIC,
		.key_len = k->len,
		.n_insns = (uint32_t)p->n,
		.flags = p->flags,
		.listener = p->listener,
	};

	if (p->n == 0 || p->n > BPF_MAXINSNS || !dir_is_trusted(dirfd))
		return;
	h.sum = head_sum(&h, p->insns);
	len = sizeof h + prog_len + k->len;
	if (!(buf = malloc(len)))
		return;
	memcpy(buf, &h, sizeof h);
	memcpy(buf + sizeof h, p->insns, prog_len);
	memcpy(buf + sizeof h + prog_len, k->buf, k->len);
	entry_name(k, name);
	evict(dirfd);
	(void)io_replace_at(dirfd, name, buf, len, 0600);
}
