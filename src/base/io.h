/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Whole reads and writes, restarted on EINTR. No function here follows a magic link or writes in place.
 */

/*
 * io_read_fd() - read all of @fd (from its current offset) into a new NUL-terminated buffer.
 * @max: more bytes than this are -EFBIG     @ret: malloc'd, caller frees     @ret_len: without the NUL; may be NULL
 */
int io_read_fd(int fd, size_t max, char **ret, size_t *ret_len);

/* io_read_at() - open @name below @dirfd read-only (no symlink as last component) and io_read_fd() it. */
int io_read_at(int dirfd, const char *name, size_t max, char **ret, size_t *ret_len);

/* io_write_all() - write all of @buf. Return: 0 or -errno. */
int io_write_all(int fd, const void *buf, size_t len);

/* io_put_at() - open the existing file @name below @dirfd for writing and write @text in one write(2) (kernel files). */
int io_put_at(int dirfd, const char *name, const char *text);

/*
 * io_replace_at() - replace @name below @dirfd atomically: temporary file, rename(2). A reader sees the old or
 * the new content, never a mixture, also after kill -9 at any point; on failure nothing is left behind.
 */
int io_replace_at(int dirfd, const char *name, const void *buf, size_t len, mode_t mode);

#endif
