/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NOTIFY_CALLS_H
#define NOTIFY_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "confine/seccomp-bpf.h"

/*
 * The trapped calls, one row for each way into the kernel and each condition on scalar arguments. The filter is
 * made from these rows, the decoder looks up what arrives in the same ones, so that the two cannot disagree.
 * Numbers are written out: they are the kernel's ABI, and libseccomp's tables are as old as the distribution.
 * Sources: the kernel's arch/x86/entry/syscalls/syscall_64.tbl and syscall_32.tbl.
 */
enum notify_call {
	NOTIFY_MOUNT,	  /* mount(2) of a new file system */
	NOTIFY_BIND,	  /* mount(2) with MS_BIND and without MS_REC and MS_REMOUNT */
	NOTIFY_REMOUNT,	  /* mount(2) with MS_REMOUNT, MS_BIND and MS_RDONLY */
	NOTIFY_UMOUNT,	  /* umount2(2) with at most MNT_FORCE and UMOUNT_NOFOLLOW */
	NOTIFY_OPEN_TREE, /* open_tree(2) with OPEN_TREE_CLONE and without AT_RECURSIVE */
	NOTIFY_FSOPEN,	  /* fsopen(2) of any file system: which one cannot be seen from here */
	NOTIFY_MKNOD,	  /* of a device in notify_devices[] */
	NOTIFY_SYSINFO,
	NOTIFY_CALLS,
};

/* Where a call keeps what: argument numbers, -1 where it has none. */
struct notify_layout {
	int8_t dirfd, path, source, type, flags, data, mode, device;
};

struct notify_row {
	enum notify_call call;
	int16_t nr[2]; /* by enum notify_abi; -1: not there */
	struct notify_layout at;
	uint8_t n_conds;
	struct bpf_cond conds[1];
};

enum notify_abi { NOTIFY_X86_64, NOTIFY_I386, NOTIFY_ABIS };

extern const struct notify_row notify_rows[];
extern const size_t notify_n_rows;

/*
 * A character device that mknod(2) may make; @need: EMU_DEV_*, 0 for those that do nobody any harm, 5:1 among them because
 * no container may open it.
 */
struct notify_device {
	uint16_t major, minor;
	uint32_t need;
};

#define NOTIFY_CONSOLE makedev(5, 1) /* the host's: its keys, its screen */

extern const struct notify_device notify_devices[];
extern const size_t notify_n_devices;

/* notify_device_number() - as mknod(2) takes it: the kernel's new_encode_dev(). */
static inline uint32_t notify_device_number(const struct notify_device *d)
{
	return (uint32_t)(d->minor & 0xff) | (uint32_t)d->major << 8 | (uint32_t)(d->minor & ~0xffu) << 12;
}

/* notify_audit_arch() - AUDIT_ARCH_* of an ABI. */
uint32_t notify_audit_arch(enum notify_abi abi);

#endif
