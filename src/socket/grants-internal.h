/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKET_GRANTS_INTERNAL_H
#define SOCKET_GRANTS_INTERNAL_H

#include "socket/grants.h"

/* Private to src/socket/grants*.c: what a grant is on the disk. All names are below an fd of a directory of root's. */

/* ---- grants-record.c: <state>/grants/<token>.json --------------------------------------------------------------- */

#define RECORD_MAX 65536u

/*
 * record_parse() - @buf: a damaged file at worst. The strings of @ret are to be freed by grant_done(), on success
 * only. Return: 0; -EINVAL: not what record_write() writes, or another token's; -ENOMEM.
 */
int record_parse(const char *token, const char *buf, size_t len, struct grant *ret, struct grant_counts *counts,
		 struct err *e);

/* record_write() - atomically, as far as the kernel lives on. On failure the old one stays. */
int record_write(int dir, const struct grant *grant, const struct grant_counts *counts, struct err *e);
/* record_sync() - it is on the disk when this returns; one that is gone meanwhile is no error. */
int record_sync(int dir, const char *token, struct err *e);
void record_remove(int dir, const char *token);

/*
 * records_read() - call @f with each record; it owns @grant's strings from then on. Damaged ones are moved aside
 * and said, what a killed writer left is removed.
 */
int records_read(int dir, const struct grants_config *config,
		 int (*f)(void *ctx, struct grant *grant, const struct grant_counts *counts), void *ctx,
		 struct err *e);

/* grant_copy() - all but fd; -ENOMEM. grant_done() frees the strings. */
int grant_copy(const struct grant *from, struct grant *ret);
void grant_done(struct grant *grant);

/* ---- grants-dir.c: <directory>/<token>/ ------------------------------------------------------------------------- */

/* token_dir_make() - also with the right group and mode when it exists. Return: an fd of it (O_PATH), or -errno. */
int token_dir_make(int dir, const char *token, gid_t gid, struct err *e);

/* token_listen() - a new listening socket, in the place of what has its name. @path: of the directory. Return: fd. */
int token_listen(int dir, const char *path, const char *token, gid_t gid, struct err *e);

/*
 * token_is_live() - is there a socket behind the name that some process has open? Only the keeper can be, for only one
 * guard has this directory. Nobody notices the question.
 */
bool token_is_live(int dir, const char *token);

/* token_claim() - write the file "container". */
int token_claim(int dir, const char *token, const char *container, struct err *e);

/* token_dir_remove() - with all in it. Return: 0 (also when there is none) or -errno. */
int token_dir_remove(int dir, const char *token);

/* token_dirs_each() - call @f for each token that has a directory. @f may remove it. */
int token_dirs_each(int dir, void (*f)(void *ctx, const char *token), void *ctx);

#endif
