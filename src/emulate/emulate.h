/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EMULATE_EMULATE_H
#define EMULATE_EMULATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * The emulated files: what they are, what they say, what may be written to them. Everything here is pure; who
 * serves them is procview, who puts them over the real files is cover.c. Sources: spec rows E93-E97, proc(5),
 * the kernel's Documentation/admin-guide/sysctl.
 *
 * Three carriers, by what a file is (ADR 0010):
 *   constant   a file in a read-only tmpfs: native speed, depends on nobody
 *   changing   read only, from a cached FUSE connection ("changing"): one rendering serves all reads for EMU_LIFETIME_MS
 *   sysctl     read and written, from a FUSE connection with direct I/O ("sysctl"): one value per container, which
 *              never reaches the host
 *   empty      a directory that shows nothing: an empty read-only tmpfs
 */
enum emu_fs { EMU_PROC, EMU_SYSFS };
enum emu_carrier { EMU_CONSTANT, EMU_CHANGING, EMU_SYSCTL, EMU_EMPTY };

#define EMU_ROWS_MAX	96u
#define EMU_VALUE_MAX	256u	/* bytes of a stored sysctl value, newline included */
#define EMU_RENDER_MAX	131072u /* bytes of a changing or constant file; longer ones end at the last whole line */
#define EMU_LIFETIME_MS 20u

struct emu_input;
struct emu_row;

/* What a sysctl takes. Values are judged as the kernel's own handlers would: see emu_value_parse(). */
struct emu_rule {
	enum { EMU_INT, EMU_UINT, EMU_ULONG, EMU_INTS, EMU_WORD, EMU_TEXT } kind;
	uint8_t count; /* EMU_INTS: how many numbers */
	int once; /* errno for leaving the value @last, which is for good (kernel.yama.ptrace_scope); 0: none is */
	int64_t last;
	int64_t min,
		max; /* of each number (EMU_ULONG: as uint64_t, so that -1 is the greatest); EMU_TEXT: max bytes */
	const char *words; /* EMU_WORD: allowed words, separated by blanks */
};

struct emu_row {
	enum emu_fs fs;
	enum emu_carrier carrier;
	const char *path; /* below the root of the file system, no leading slash */
	mode_t mode;	  /* permission bits, as the kernel shows them */
	/*
	 * constant and changing: write the content into @text, return its length (<= size). Never fails: what is not
	 * known is left out.
	 */
	size_t (*render)(const struct emu_input *in, char *text, size_t size);
	const struct emu_rule *rule; /* sysctl */
	const char *initial; /* sysctl: first value, where the host's own is not to be shown; NULL: the host's */
	unsigned digits;     /* changing: see emu_render() */
};

/*
 * emu_render() - row->render(), made as long as it would be if each number had at least row->digits digits, by
 * blanks at the end of the last line that says something. So a text does not change its length when its numbers
 * grow: the kernel's cache takes length and content from different answers (ADR 0010). Where @size has no room
 * for the blanks there are none.
 */
size_t emu_render(const struct emu_row *row, const struct emu_input *in, char *text, size_t size);

extern const struct emu_row emu_rows[];
extern const size_t emu_n_rows; /* <= EMU_ROWS_MAX */

/*
 * A row's name in the root directory of its carrier's file system: its number in decimal. Node id in FUSE:
 * number + 2.
 */
#define EMU_NAME_MAX 8u
void emu_name(size_t row, char name[EMU_NAME_MAX]);

/*
 * emu_value_parse() - judge @len bytes that a container wrote to a sysctl (untrusted, not terminated).
 * @current: the value now, with its newline (numbers of EMU_INTS that are not written stay, "once"); NULL: none
 * @ret: the value as the file shows it from now on, newline included; @ret_len its length. Set on success only.
 * As the kernel (proc_dointvec and its relatives in kernel/sysctl.c, 6.1 to 6.18): leading blanks are skipped;
 * numbers in decimal, octal or hex, at most 20 characters, ended by a blank or newline, behind which nothing is
 * looked at; a NUL is no end. EMU_TEXT ends at a newline, a NUL or its greatest length, EMU_WORD is one word and
 * one newline. An empty write changes nothing (return 0, value = current). Other than the kernel: EMU_INTS with
 * a bad number changes none, while the kernel keeps those before it.
 * Return: 0, -EINVAL for anything that is no number or out of range, or what the rule has for "once".
 */
int emu_value_parse(const struct emu_rule *rule, const char *current, size_t current_len, const char *text,
		    size_t len, char ret[EMU_VALUE_MAX], size_t *ret_len);

/*
 * What renderers work on: texts as the host's kernel wrote them (cgroup files are the container's: their
 * *numbers* are influenced by it, so all of it is parsed as untrusted). A text that is not there is NULL.
 */
struct emu_input {
	const char *host_meminfo, *host_stat, *host_cpuinfo, *host_loadavg, *host_diskstats, *host_cpu_online;
	/* limits that are in force: the strictest of the container's own group and its ancestors' */
	uint64_t memory_limit, swap_limit; /* bytes (swap alone); UINT64_MAX: none */
	uint64_t memory_used, swap_used;   /* bytes */
	/* bytes; from memory.stat */
	uint64_t cache, inactive_file, active_file, inactive_anon, active_anon, shmem, mapped, dirty, writeback;
	uint64_t cpu_user_us, cpu_system_us; /* time used since the container started */
	uint64_t quota_us, period_us;	     /* CPU quota; quota UINT64_MAX: none */
	const char *cpuset;		     /* list in force ("0-3,7"), NULL: all */
	const char *io;			     /* v2 io.stat or NULL */
	const char *blkio_bytes,
		*blkio_ops; /* v1 blkio.throttle.io_service_bytes_recursive, io_serviced_recursive, or NULL */
	uint64_t tasks;	    /* processes and threads in the container */
	uint64_t uptime_us; /* since the container started */
	uint64_t idle_us;   /* kept by emu_idle_update(); 0: what of uptime_us was not used */
	uint64_t boot_time; /* seconds since the epoch at which it started, by the clock as it is set now */
	double load[3];	    /* kept by emu_load_update() */
	const char *id;	    /* the container's */
	const char *host_product_uuid; /* NULL: the host has none */
};

/* emu_cpus() - how many CPUs a container sees: its cpuset, cut to its quota (rounded up), 1 to EMU_CPUS_MAX. */
#define EMU_CPUS_MAX 8192u /* the kernel's greatest NR_CPUS */
unsigned emu_cpus(const struct emu_input *in);

/*
 * emu_load_update() - load averages from CPU time used: @cpu_us used within @elapsed_us, by the kernel's own
 * decay (1, 5, 15 minutes). Computed when somebody reads, for the whole time since the last reading: nothing
 * runs meanwhile.
 */
void emu_load_update(double load[3], uint64_t cpu_us, uint64_t elapsed_us);

/*
 * emu_idle_update() - idle time of @cpus CPUs that used @cpu_us within @elapsed_us. Kept, as the difference of
 * two readings would go backwards when a container uses more CPUs for a moment than its quota gives it on the
 * average.
 */
void emu_idle_update(uint64_t *idle_us, unsigned cpus, uint64_t cpu_us, uint64_t elapsed_us);

/* emu_sysinfo() - the same view for sysinfo(2). Units as in sysinfo(2), mem_unit 1. */
struct sysinfo;
void emu_sysinfo(const struct emu_input *in, struct sysinfo *ret);

/*
 * emu_uuid() - a version 4 UUID in text form (36 characters and a newline), stable for @id and @salt: what
 * boot_id and product_uuid show. Distinct ids give distinct texts.
 */
void emu_uuid(const char *id, const char *salt, char ret[38]);

#endif
