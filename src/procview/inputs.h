/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROCVIEW_INPUTS_H
#define PROCVIEW_INPUTS_H

#include <stdbool.h>

#include "base/err.h"
#include "emulate/emulate.h"
#include "emulate/shared.h"

/*
 * Where renderings take their numbers from: files of the host and of the container's control groups, opened once
 * while we still may open something, and read anew from their beginning each time. What is not there (a controller
 * that is not mounted, a kernel without the file, a group removed meanwhile) is left out of struct emu_input.
 */
#define INPUTS_LEVELS 9u /* the container's group and eight above it */

enum input_dir { DIR_PROC, DIR_SYSFS, DIR_MEMORY, DIR_CPU, DIR_CPUACCT, DIR_CPUSET, DIR_BLKIO, DIR_PIDS, DIR_N };

enum input_file {
	IN_MEMINFO,
	IN_STAT,
	IN_CPUINFO,
	IN_LOADAVG,
	IN_DISKSTATS,
	IN_CPU_ONLINE,
	IN_MEMORY_STAT,
	IN_MEMORY_USED,
	IN_SWAP_USED,
	IN_CPU_USER,   /* v1; cpu.stat, with both times, on v2 */
	IN_CPU_SYSTEM, /* v1 */
	IN_CPUSET,
	IN_IO,	   /* io.stat, or v1: bytes */
	IN_IO_OPS, /* v1 */
	IN_TASKS,
	IN_N,
};

struct inputs {
	struct view_shared *shared; /* borrowed: parameters, load averages */
	int file[IN_N];
	/* v2: limits at each level, innermost first. v1: what memory.stat does not tell. */
	int memory_max[INPUTS_LEVELS], swap_max[INPUTS_LEVELS], cpu_max[INPUTS_LEVELS], cpu_period[INPUTS_LEVELS];
	char *buf; /* texts of one collection */
	size_t size;
	uint64_t boot_time; /* as told last */
};

/*
 * inputs_open() - @dir: O_PATH directories, borrowed; -EBADF where there is none. @buf: where texts go, borrowed,
 * at least 64 KiB. Files that cannot be opened are left out. inputs_close() after it.
 */
void inputs_open(struct inputs *in, struct view_shared *shared, const int dir[DIR_N], char *buf, size_t size);
void inputs_close(struct inputs *in);

/*
 * inputs_collect() - what the renderer of @row needs (everything for one that is not known here). @arg: struct
 * inputs. Makes no system call but pread() and clock_gettime(). Numbers from the control groups are the
 * container's own doing.
 */
void inputs_collect(void *arg, const struct emu_row *row, struct emu_input *ret);

/*
 * inputs_first_values() - fill in the values of all sysctls of @rows as the container finds them: the row's own,
 * or what the host's file says. Done once per container; a process killed half-way leaves shared->ready unset, and
 * its successor does it again.
 */
void inputs_first_values(struct view_shared *shared, const struct emu_row *rows, size_t n, int proc_fd,
			 int sysfs_fd);

#endif
