/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MONITOR_INTERNAL_H
#define MONITOR_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "emulate/shared.h"
#include "monitor/launch.h"

/*
 * What the runtime's half (launch.c), its forked child (carriers.c) and the program caisson-monitor (monitor.c)
 * agree on.
 * The monitor's own descriptors. Those that workers get have the same number there (WORKER_FD_*), so that
 * starting a worker moves only two. What a container has not got (control groups) is filled with /dev/null and
 * named in monitor_handover.absent: a hole would be taken by the next file that the monitor opens, and land in
 * a worker.
 */
enum {
	MONITOR_FD_CONTROL = 3,	 /* SOCK_SEQPACKET to the runtime; closed after the commit */
	MONITOR_FD_HANDOVER = 4, /* read end of a pipe with struct monitor_handover */
	/* WORKER_FD_PROC .. WORKER_FD_CG_PIDS */
	MONITOR_FD_VIEW = WORKER_FD_END, /* memfds: struct view_shared, struct notify_shared */
	MONITOR_FD_NOTIFY,
	MONITOR_FD_EXE_VIEW, /* O_PATH of caisson-procview and caisson-notify */
	MONITOR_FD_EXE_NOTIFY,
	MONITOR_FD_EXE_SELF, /* O_PATH of caisson-monitor; gone after execve */
	MONITOR_FD_END,
};

/* From the forked child to the program it becomes. Trusted. */
struct monitor_handover {
	uint32_t absent; /* bit n: WORKER_FD n is not open */
};

#define MONITOR_LISTENERS_MAX 4096u
#define MONITOR_FDS_BESIDES   256u /* other descriptors of a monitor, or of a worker at work */
#define MONITOR_SOCKET	      "monitor"
#define MONITOR_NAME_MAX      1088u /* "caisson-procview: " and the longest id */

/*
 * Runtime -> monitor: with the init's pidfd and the listening socket (commit), or one listener (give). Answer:
 * int32_t, 0 or -errno.
 */
#define MONITOR_COMMIT 0x434d4f4du
#define MONITOR_GIVE   0x47565345u

/* Monitor -> runtime when the carriers are there, with their three mounts; a failure is a struct err instead. */
struct monitor_ready {
	pid_t pid;
};

/*
 * carriers_main() - the forked child's life. @control: its end of the control socket. Never returns: becomes
 * the program, or ends after it has said why.
 */
_Noreturn void carriers_main(const struct monitor_params *p, int control);

/*
 * monitor_send(), monitor_receive() - one message with up to @max descriptors, which are CLOEXEC and the
 * caller's. MSG_* in @flags. Return: its length (0: the other side is gone), or -errno; -EPROTO when there is
 * more of anything.
 */
ssize_t monitor_send(int sock, const void *buf, size_t len, const int *fds, size_t n_fds, int flags);
ssize_t monitor_receive(int sock, void *buf, size_t len, int *fds, size_t max, size_t *ret_n_fds, int flags);

struct worker_start {
	int exe, shared;  /* MONITOR_FD_* */
	const char *name; /* argv[0] */
	uint32_t absent;
};

/*
 * worker_start() - run a worker in a process group of its own, with the WORKER_FD_* but no other descriptors,
 * no environment and no blocked signals. Returns when it has been executed; failures of that show as its end
 * with status 127.
 * @ret_sock: our end of its WORKER_FD_MONITOR, CLOEXEC. Return: its pid, a child of ours, or -errno.
 */
pid_t worker_start(const struct worker_start *s, int *ret_sock);

/*
 * worker_delay() - how long, in ms, to wait after the @quick'th quick death in a row (0: it had lived long): 0
 * 0 1 2 4 .. 64 100 100 ..
 */
int worker_delay(unsigned quick);

#endif
