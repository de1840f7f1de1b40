/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NOTIFY_KERNEL_H
#define NOTIFY_KERNEL_H

#include <linux/seccomp.h>
#include <linux/types.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What is newer than the C library's and the distribution's kernel headers, for this directory only. */

#ifndef STATX_MNT_ID_UNIQUE /* Linux 6.8 */
#define STATX_MNT_ID_UNIQUE 0x00004000U
#endif

#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP /* Linux 6.6 */
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS	   SECCOMP_IOW(4, __u64)
#endif

#ifndef SYS_statmount /* Linux 6.8, the same number everywhere */
#define SYS_statmount 457
#define SYS_listmount 458
#endif

#define KERNEL_STATMOUNT_SB_BASIC  0x1u
#define KERNEL_STATMOUNT_MNT_BASIC 0x2u

struct kernel_mnt_id_req {
	uint32_t size, spare;
	uint64_t mnt_id, param;
};

/* The fixed part of struct statmount; no strings are asked for. */
struct kernel_statmount {
	uint32_t size, mnt_opts;
	uint64_t mask;
	uint32_t sb_dev_major, sb_dev_minor;
	uint64_t sb_magic;
	uint32_t sb_flags, fs_type;
	uint64_t mnt_id, mnt_parent_id;
	uint64_t rest[57];
};
_Static_assert(sizeof(struct kernel_statmount) == 512, "the kernel's before its strings");

static inline int kernel_statmount(uint64_t id, uint64_t what, struct kernel_statmount *ret)
{
	const struct kernel_mnt_id_req req = { .size = sizeof req, .mnt_id = id, .param = what };

	return (int)syscall(SYS_statmount, &req, ret, sizeof *ret, 0);
}

/* Ids of the mounts below @id, at any depth, that come after @last (0: all). Return: how many, 0 at the end. */
static inline ssize_t kernel_listmount(uint64_t id, uint64_t last, uint64_t *ret, size_t n)
{
	const struct kernel_mnt_id_req req = { .size = sizeof req, .mnt_id = id, .param = last };

	return syscall(SYS_listmount, &req, ret, n, 0);
}

#endif
