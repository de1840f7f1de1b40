/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MONITOR_FAKE_WORKER_H
#define MONITOR_FAKE_WORKER_H

#include <stdint.h>
#include <sys/types.h>

/*
 * What the workers of test-monitor.c (fake-worker.c) do is the beginning of the container's id: exit, crash,
 * stop, orphan (leaves a process behind), deaf (takes no listeners); others take listeners and stay. What they
 * saw is in the shared memory from here on.
 */
#define FAKE_OFFSET  10240
#define FAKE_NUMBERS 16

enum {
	FAKE_BAD_EXTRA_FD = 1,
	FAKE_BAD_ENV = 2,
	FAKE_BAD_ROOT = 4,
	FAKE_BAD_SIGNALS = 8,
	FAKE_BAD_GROUP = 16,
	FAKE_BAD_CAPS = 32,
};

struct fake_record {
	uint32_t starts, survivors; /* survivors: orphans of the predecessor that a new worker saw alive */
	pid_t pid, orphan;
	uint32_t bad, open_fds;		   /* FAKE_BAD_*; bit n: descriptor n */
	uint32_t n, numbers[FAKE_NUMBERS]; /* listeners that this one got, in order */
	uint32_t unordered, no_fd;
};

#endif
