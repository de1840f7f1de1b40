/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Scope-bound ownership. An empty fd is -EBADF, so that one returned by mistake says what happened.
 * TAKE_FD() and TAKE_PTR() are the only ways by which ownership leaves a scope.
 */

/* Close FD once (close(2): retrying after a failure is wrong on Linux), keep errno, return "empty". */
static inline int fd_close(int fd)
{
	if (fd >= 0) {
		int saved = errno;

		(void)close(fd);
		errno = saved;
	}
	return -EBADF;
}

static inline void cleanup_close_func(int *fd)
{
	(void)fd_close(*fd);
}

static inline void cleanup_free_func(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_fclose_func(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

static inline void cleanup_closedir_func(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

#define _cleanup_(func)	   __attribute__((cleanup(func)))
#define _cleanup_close_	   _cleanup_(cleanup_close_func)
#define _cleanup_free_	   _cleanup_(cleanup_free_func)
#define _cleanup_fclose_   _cleanup_(cleanup_fclose_func)
#define _cleanup_closedir_ _cleanup_(cleanup_closedir_func)

#define TAKE_FD(fd)                           \
	({                                    \
		int *take_fd_p_ = &(fd);      \
		int take_fd_v_ = *take_fd_p_; \
		*take_fd_p_ = -EBADF;         \
		take_fd_v_;                   \
	})

#define TAKE_PTR(ptr)                                       \
	({                                                  \
		__typeof__(ptr) *take_ptr_p_ = &(ptr);      \
		__typeof__(ptr) take_ptr_v_ = *take_ptr_p_; \
		*take_ptr_p_ = NULL;                        \
		take_ptr_v_;                                \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
