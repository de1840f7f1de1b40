/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NOTIFY_CALLER_H
#define NOTIFY_CALLER_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "notify/decode.h"
#include "notify/worker.h"

/*
 * Who made a call, and acting in its place. A caller is looked at through descriptors of its /proc/TID that are
 * taken first and found valid afterwards (the call is still waiting), so that they can only be its own; it is
 * blocked in its call meanwhile, though other threads may change what they share with it.
 */
struct notify_caller {
	pid_t tid;
	int task; /* O_PATH of /proc/TID */
	int root, cwd;
	/* From here on after notify_caller_identify() only. */
	int user, mnt; /* namespaces */
	struct notify_status status;
	char *status_text; /* owned */
	uint32_t *groups;  /* owned */
	size_t n_groups;
	bool of_container;     /* its user namespace is the container's own one, not one made inside */
	bool mnt_of_container; /* the same of the one its mount namespace belongs to */
	int more;	       /* another namespace to act in: see NOTIFY_IN_*, -EBADF for none */
};

#define NOTIFY_CALLER_EMPTY      \
	((struct notify_caller){ \
		.task = -EBADF, .root = -EBADF, .cwd = -EBADF, .user = -EBADF, .mnt = -EBADF, .more = -EBADF })

/* notify_still_waiting() - is the call in hand still waiting for an answer? */
bool notify_still_waiting(const struct notify_worker *w);

/*
 * notify_read_string() - the NUL-terminated string at @address of the caller's memory. Return: its length,
 * -EFAULT, -ENAMETOOLONG when it does not end within @size. Its pages may be such that reading never ends: the
 * deadline is for that.
 */
int notify_read_string(pid_t tid, uint64_t address, char *ret, size_t size);

/* notify_read_some() - up to @size bytes, as far as they can be read. Return: how many, or -EFAULT for none. */
ssize_t notify_read_some(pid_t tid, uint64_t address, void *ret, size_t size);

/* notify_caller_open() - pin the caller of the call in hand. Return: 0, -ESRCH when it has gone. */
int notify_caller_open(const struct notify_worker *w, struct notify_caller *c);

/*
 * notify_caller_identify() - read all that is needed to act for it.
 * Return: 0; -ESRCH when it has gone; -ENOTSUP for one that nobody acts for: in our own user namespace, or
 * confined by a security module, whose judgement we could not ask.
 */
int notify_caller_identify(const struct notify_worker *w, struct notify_caller *c);

/* notify_caller_more() - open its namespace ns/@name as the further one. Return: 0 or -errno. */
int notify_caller_more(const struct notify_worker *w, struct notify_caller *c, const char *name);

void notify_caller_close(struct notify_caller *c);

/*
 * notify_enter_net() - be in the caller's network namespace until notify_leave_net(). Return: 0 or -errno.
 * For look-ups below /proc/sys/net only, where every namespace has files of its own.
 */
int notify_enter_net(const struct notify_worker *w, struct notify_caller *c);
int notify_leave_net(const struct notify_worker *w);

/*
 * notify_peek() - resolve @path as the caller would, with our own rights, to see what kind of object the call is
 * about; nothing is decided by this but whether to look closer. Links of procfs are followed for descriptors of
 * the caller's own only.
 * @flags: O_NOFOLLOW or 0. Return: an O_PATH fd, or -errno.
 */
int notify_peek(const struct notify_worker *w, struct notify_caller *c, int dirfd, const char *path, int flags);

/*
 * notify_place() - split off what of @path only we can resolve: the caller's descriptor @dirfd or the one named by
 * the path itself.
 * @ret_at: directory (or object) to start from, AT_FDCWD for the caller's working directory; the caller of this
 * closes it
 * @ret_rest: what to resolve from there, "" for the object itself; points into @path
 */
int notify_place(const struct notify_worker *w, struct notify_caller *c, int dirfd, const char *path, int *ret_at,
		 const char **ret_rest);

/*
 * Where a helper acts, what for. Entered in this order.
 * IN_PROCFS: instead of the caller's root directory that of the host's procfs, which names objects by "self/fd/N"
 * IN_CHILD: in a child of the helper's, in the pid namespace that was entered; it can be seen there
 */
enum {
	NOTIFY_IN_MORE = 1 << 0, /* c->more */
	NOTIFY_IN_MNT = 1 << 1,	 /* its mount namespace, root and working directory */
	NOTIFY_IN_PROCFS = 1 << 2,
	NOTIFY_IN_WORK = 1 << 3,   /* working directory: what is mounted on NOTIFY_WORK */
	NOTIFY_AS_CALLER = 1 << 4, /* its ids, user namespace and exactly its capabilities */
	NOTIFY_AS_OWNER = 1 << 5,  /* the same with all capabilities in that user namespace */
	NOTIFY_IN_CHILD = 1 << 6,
};

#define NOTIFY_HELPER_FLAGS (CLONE_VM | CLONE_FILES | CLONE_VFORK | SIGCHLD)

/*
 * notify_act() - run @fn in a short-lived process that has entered what @where says. It shares our memory and
 * descriptors, is not in the container's pid namespace (but for NOTIFY_IN_CHILD), so that nothing in the container
 * can name it.
 * Return: what @fn returns, or -errno of entering.
 */
int notify_act(const struct notify_worker *w, const struct notify_caller *c, unsigned where, int (*fn)(void *arg),
	       void *arg);

/* notify_become_caller() - within @fn, after NOTIFY_AS_OWNER: cut down to exactly the caller's capabilities. */
int notify_become_caller(const struct notify_caller *c);

/* notify_has_cap() - does it have capability @cap in its user namespace? */
static inline bool notify_has_cap(const struct notify_caller *c, unsigned cap)
{
	return c->status.caps >> cap & 1;
}

#endif
