/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NOTIFY_DECODE_H
#define NOTIFY_DECODE_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "notify/calls.h"

/*
 * What a trapped call asks for. Pure: everything here works on registers and bytes that were copied already, all
 * of it chosen by the container.
 */
struct notify_request {
	enum notify_call call;
	bool compat; /* i386 */
	int dirfd;   /* AT_FDCWD where the call has none */
	/* addresses in the caller's memory, 0: none */
	uint64_t path, source, type, data;
	uint32_t flags;
	uint32_t mode, device;
};

/* notify_decode() - Return: 0, or -ENOENT when no row traps such a call. */
int notify_decode(const struct seccomp_data *d, struct notify_request *ret);

/* notify_mount_attr() - MS_* of mount(2) as MOUNT_ATTR_* of fsmount(2): what the kernel's path_mount() does. */
uint64_t notify_mount_attr(uint32_t flags);

/*
 * notify_option_next() - take the next option off *@cursor (mount(2)'s data, a NUL-terminated text, modified), as
 * the kernel's vfs_parse_monolithic_sep() does. *@ret_value is NULL for an option without "=".
 * Return: false at the end.
 */
bool notify_option_next(char **cursor, char **ret_key, char **ret_value);

/*
 * notify_own_fd() - does @path name one of the caller's own descriptors, "/proc/self/fd/N" or
 * "/proc/thread-self/fd/N"?
 * @ret_rest: what follows, without the slash, NULL for nothing; points into @path.
 */
bool notify_own_fd(const char *path, int *ret_fd, const char **ret_rest);

/*
 * notify_split() - cut @path (modified) for a call that makes its last component: *@ret_parent "" is where the
 * path begins ("/" for an absolute one), *@ret_name has no slash.
 * Return: 0, -ENOENT for an empty path, -EEXIST for one that ends in "/", "." or ".." and exists if anything does;
 * -EISDIR for a name followed by slashes (as the kernel: EEXIST when it is there, otherwise ENOENT).
 */
int notify_split(char *path, const char **ret_parent, const char **ret_name);

/* /proc/TID/status. */
struct notify_status {
	pid_t tgid;
	uint32_t uid[4], gid[4]; /* real, effective, saved, file system */
	uint32_t umask;
	uint64_t caps; /* effective */
	const char
		*groups; /* text after "Groups:\t": numbers, each followed by a blank, up to the end of the line */
};

/* notify_status_parse() - @text is NUL-terminated and has to outlive @ret. Return: 0 or -EPROTO. */
int notify_status_parse(const char *text, struct notify_status *ret);

/* notify_group_next() - take a number off *@groups. Return: false at the end. */
bool notify_group_next(const char **groups, uint32_t *ret);

/*
 * notify_sysinfo_compat() - struct sysinfo as i386 has it; amounts that do not fit are counted in larger units, as
 * the kernel's compat_sys_sysinfo() does.
 */
struct sysinfo;
struct notify_sysinfo32 {
	int32_t uptime;
	uint32_t loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	uint16_t procs, pad;
	uint32_t totalhigh, freehigh, mem_unit;
	char fill[8];
};
void notify_sysinfo_compat(const struct sysinfo *in, struct notify_sysinfo32 *ret);

#endif
