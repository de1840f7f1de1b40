/* SPDX-License-Identifier: Apache-2.0 */
#include "notify/calls.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/mount.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "emulate/shared.h"

/* mount(2)'s and umount2(2)'s: <linux/mount.h> and <sys/mount.h> cannot be included together. */
#define MGC_VAL	      0xc0ed0000u
#define MGC_MSK	      0xffff0000u
#define KIND_FLAGS    (MS_REMOUNT | MS_BIND | MS_MOVE) /* in the lower half, which the magic number leaves alone */
#define PROPAGATION   (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)
#define UMOUNT_FORCE  1u
#define UMOUNT_NOLINK 8u

#define COND(n, mask, value) \
	.n_conds = 1, .conds = { { .arg = (n), .op = BPF_OP_MASKED_EQ, .a = (mask), .b = (value) } }

#define NOTHING \
	.dirfd = -1, .path = -1, .source = -1, .type = -1, .flags = -1, .data = -1, .mode = -1, .device = -1
#define AT(...) .at = { __VA_ARGS__ }

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
const struct notify_row notify_rows[] = {
	/* With the old magic number in the upper half that half says nothing else, so "new" takes two rows. */
	{ NOTIFY_MOUNT,
	  { 165, 21 },
	  AT(NOTHING, .source = 0, .path = 1, .type = 2, .flags = 3, .data = 4),
	  COND(3, MGC_MSK | KIND_FLAGS, MGC_VAL) },
	{ NOTIFY_MOUNT,
	  { 165, 21 },
	  AT(NOTHING, .source = 0, .path = 1, .type = 2, .flags = 3, .data = 4),
	  COND(3, KIND_FLAGS | PROPAGATION, 0) },
	{ NOTIFY_BIND,
	  { 165, 21 },
	  AT(NOTHING, .source = 0, .path = 1, .flags = 3),
	  COND(3, MS_REMOUNT | MS_BIND | MS_REC, MS_BIND) },
	{ NOTIFY_REMOUNT,
	  { 165, 21 },
	  AT(NOTHING, .path = 1, .flags = 3),
	  COND(3, MS_REMOUNT | MS_BIND | MS_RDONLY, MS_REMOUNT | MS_BIND | MS_RDONLY) },
	{ NOTIFY_UMOUNT,
	  { 166, 52 },
	  AT(NOTHING, .path = 0, .flags = 1),
	  COND(1, UINT32_MAX & ~(UMOUNT_FORCE | UMOUNT_NOLINK), 0) },
	{ NOTIFY_UMOUNT, { -1, 22 }, AT(NOTHING, .path = 0) },
	{ NOTIFY_OPEN_TREE,
	  { 428, 428 },
	  AT(NOTHING, .dirfd = 0, .path = 1, .flags = 2),
	  COND(2, OPEN_TREE_CLONE | AT_RECURSIVE, OPEN_TREE_CLONE) },
	{ NOTIFY_FSOPEN, { 430, 430 }, AT(NOTHING, .type = 0, .flags = 1) },
	/* Once for each device: the filter adds the condition on the number. */
	{ NOTIFY_MKNOD, { 133, 14 }, AT(NOTHING, .path = 0, .mode = 1, .device = 2), COND(1, S_IFMT, S_IFCHR) },
	{ NOTIFY_MKNOD,
	  { 259, 297 },
	  AT(NOTHING, .dirfd = 0, .path = 1, .mode = 2, .device = 3),
	  COND(2, S_IFMT, S_IFCHR) },
	{ NOTIFY_SYSINFO, { 99, 116 }, AT(NOTHING, .data = 0) },
};
#pragma GCC diagnostic pop
const size_t notify_n_rows = ARRAY_SIZE(notify_rows);

const struct notify_device notify_devices[] = {
	{ 1, 3, 0 },		   /* null */
	{ 1, 5, 0 },		   /* zero */
	{ 1, 7, 0 },		   /* full */
	{ 1, 8, 0 },		   /* random */
	{ 1, 9, 0 },		   /* urandom */
	{ 5, 0, 0 },		   /* tty */
	{ 5, 1, 0 },		   /* console */
	{ 10, 229, EMU_DEV_FUSE }, /* fuse */
	{ 10, 200, EMU_DEV_TUN },  /* net/tun */
};
const size_t notify_n_devices = ARRAY_SIZE(notify_devices);

uint32_t notify_audit_arch(enum notify_abi abi)
{
	return abi == NOTIFY_I386 ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64;
}
