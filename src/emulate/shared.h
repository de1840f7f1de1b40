/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EMULATE_SHARED_H
#define EMULATE_SHARED_H

#include <stdint.h>

#include "emulate/emulate.h"

/*
 * Memory that outlives a worker: two memfds which the monitor holds, one for each kind of worker, so that the
 * unprivileged one cannot reach what the other goes by. The kernel writes each request straight into a slot, which makes
 * the hand-over itself the journal entry (ADR 0010): a new worker finds what its predecessor was at.
 */
#define EMU_MAGIC 0x31706d656e737361ull

/* The same for both; written once by monitor_launch(), before any worker runs. Trusted. */
struct emu_params {
	uint64_t magic;
	uint32_t base;	    /* the container's range */
	uint32_t cgroup_v2; /* which files the cgroup fds lead to */
	uint64_t start_us;  /* CLOCK_BOOTTIME when the container started */
	uint64_t boot_time; /* seconds since the epoch, then; the clock may be set later on */
	uint64_t cpu_start_us;
	uint32_t resource_view;		/* sysinfo(2) is trapped */
	uint32_t devices;		/* EMU_DEV_*: what mknod(2) may make besides the harmless ones */
	uint32_t n_masked, n_read_only; /* paths in paths[], masked ones first: "proc/kcore\0sys/firmware\0" */
	char id[1025];
	char paths[8192];
};

#define EMU_DEV_FUSE 1u
#define EMU_DEV_TUN  2u

/* ---- procview ------------------------------------------------------------------------------------------------ */

#define VIEW_SLOT_SIZE 8192u /* what the kernel wants for read(/dev/fuse) when WRITEs have up to 4096 bytes */

/*
 * buf begins with the request's struct fuse_in_header, whose first member, len, is 0 when nothing is pending: what the kernel writes
 * is by itself the mark that something is (a length stored by us behind read(2) would leave a gap to die in).
 */
struct view_slot {
	uint32_t attempts; /* replays of this request */
	uint8_t buf[VIEW_SLOT_SIZE] __attribute__((aligned(64)));
};

/* A sysctl: two versions, published by a store to current. unique: the request that wrote it, for replays. */
struct view_value {
	uint32_t current;
	uint32_t len[2];
	int32_t result[2];
	uint64_t unique[2];
	char text[2][EMU_VALUE_MAX];
};

/* A rendering that serves all reads of one lifetime. */
struct view_text {
	uint64_t rendered_ns; /* CLOCK_MONOTONIC; 0: never */
	uint64_t version;     /* shown as modification time, so that the kernel drops what it cached */
	uint32_t len;
	char text[EMU_RENDER_MAX];
};

#define VIEW_TEXTS_MAX 16u

struct view_shared {
	struct emu_params params;
	uint32_t ready; /* values are filled in */
	struct view_slot changing, sysctl;
	struct view_value value[EMU_ROWS_MAX];
	double load[3];
	uint64_t load_at_us, load_cpu_us;
	uint64_t idle_us, idle_at_us, idle_cpu_us;
	struct view_text text[VIEW_TEXTS_MAX]; /* in the order of the changing rows; pages are touched when used */
};

/* ---- notify -------------------------------------------------------------------------------------------------- */

enum notify_phase { NOTIFY_EMPTY, NOTIFY_RECEIVED, NOTIFY_COMMITTING, NOTIFY_DONE };

#define NOTIFY_LIED_MAX 256u

struct notify_shared {
	struct emu_params params;
	struct {
		uint8_t notif[128] __attribute__((aligned(64))); /* struct seccomp_notif, written by the kernel */
		uint32_t listener; /* number of the listener it came from; valid before notif is */
		uint32_t phase;
		uint32_t attempts;
		int32_t error; /* DONE: the answer */
		int64_t value;
		uint64_t mark[4];     /* COMMITTING: what tells whether the commit happened */
		uint64_t received_ns; /* CLOCK_MONOTONIC */
	} slot;
	/* Mounts below an emulated procfs whose unmounting was answered with 0 once (umount -R): unique ids, a ring. */
	uint64_t lied[NOTIFY_LIED_MAX];
	uint32_t lied_next;
};

/* ---- how the monitor hands things to its workers: fixed descriptors ------------------------------------------- */

enum {
	WORKER_FD_MONITOR = 3,	/* SOCK_SEQPACKET to the monitor (notify: listeners arrive here) */
	WORKER_FD_SHARED = 4,	/* the memfd */
	WORKER_FD_PROC = 5,	/* O_PATH of the host's /proc */
	WORKER_FD_CHANGING = 6, /* procview: /dev/fuse of the two connections; notify: not open */
	WORKER_FD_SYSCTL = 7,
	WORKER_FD_SYSFS = 8, /* O_PATH of the host's /sys */
	/* O_PATH directories of the container's control groups; on v2 all the same one; not open when there is none */
	WORKER_FD_CG_MEMORY = 9,
	WORKER_FD_CG_CPU = 10,
	WORKER_FD_CG_CPUACCT = 11,
	WORKER_FD_CG_CPUSET = 12,
	WORKER_FD_CG_BLKIO = 13,
	WORKER_FD_CG_PIDS = 14,
	WORKER_FD_END = 15,
};

/* Monitor -> notify over WORKER_FD_MONITOR: one message per listener, the fd attached by SCM_RIGHTS. */
struct worker_msg {
	uint32_t listener; /* number; never used again for another one */
};

#endif
