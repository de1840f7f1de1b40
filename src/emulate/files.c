/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/cleanup.h"
#include "emulate/emulate.h"
#include "emulate/render.h"

/*
 * Ranges are those of the kernel's tables (6.1 to 6.18; the newer one where they differ), found in the file that
 * registers the sysctl. Left out on purpose:
 * - what is per container in the kernel: names, most of net/, fs/mqueue/, user/, kernel.{msg,sem,shm}*. (Debian's 6.1
 *   lets the container's root write the ipc ones.) Rows that a newer kernel keeps per container are skipped when covering.
 * - what a new network namespace does not show: net.core.default_qdisc, neighbour thresholds, net.nf_conntrack_max
 * - settings whose value promises something: vm.nr_hugepages; and actions: vm.drop_caches.
 */
#define INT_RULE(name, low, high) \
	static const struct emu_rule name = { .kind = EMU_INT, .min = (low), .max = (high) }

INT_RULE(any_int, INT_MIN, INT_MAX);
INT_RULE(natural, 0, INT_MAX);
INT_RULE(zero_one, 0, 1);
INT_RULE(zero_two, 0, 2);
INT_RULE(percent, 0, 100);
INT_RULE(two_hundred, 0, 200);
INT_RULE(pid_max, 301, 4194304);
INT_RULE(threads, 1, 0x3fffffff);
INT_RULE(receive_buffer, 2304, INT_MAX); /* SOCK_MIN_RCVBUF, SOCK_MIN_SNDBUF */
INT_RULE(send_buffer, 4608, INT_MAX);
INT_RULE(open_files, 64, 2147483584); /* whole words of bits */

static const struct emu_rule any_ulong = { .kind = EMU_ULONG, .min = 0, .max = -1 };
static const struct emu_rule up_to_long = { .kind = EMU_ULONG, .min = 0, .max = LONG_MAX };
static const struct emu_rule up_to_int = { .kind = EMU_ULONG, .min = 0, .max = INT_MAX };
static const struct emu_rule not_zero = { .kind = EMU_ULONG, .min = 1, .max = -1 };
static const struct emu_rule two_pages = { .kind = EMU_ULONG, .min = 8192, .max = -1 };
static const struct emu_rule any_uint = { .kind = EMU_UINT, .min = 0, .max = UINT_MAX };
static const struct emu_rule four_ints = { .kind = EMU_INTS, .count = 4, .min = INT_MIN, .max = INT_MAX };
static const struct emu_rule core_pattern = { .kind = EMU_TEXT, .max = 127 };
static const struct emu_rule ptrace_scope = { .kind = EMU_INT, .once = EINVAL, .last = 3, .min = 0, .max = 3 };
static const struct emu_rule unprivileged_bpf = { .kind = EMU_INT, .once = EPERM, .last = 1, .min = 0, .max = 2 };

#define CHANGING(fs, path, render, digits)                               \
	{                                                                \
		fs, EMU_CHANGING, path, 0444, render, NULL, NULL, digits \
	}
#define CONSTANT(fs, path, mode, render)                            \
	{                                                           \
		fs, EMU_CONSTANT, path, mode, render, NULL, NULL, 0 \
	}
#define EMPTY(path)                                                   \
	{                                                             \
		EMU_SYSFS, EMU_EMPTY, path, 0555, NULL, NULL, NULL, 0 \
	}
#define SYSCTL(path, rule)                                                    \
	{                                                                     \
		EMU_PROC, EMU_SYSCTL, "sys/" path, 0644, NULL, &rule, NULL, 0 \
	}

const struct emu_row emu_rows[] = {
	/* Digits: of frequencies in MHz; of ticks (3 years of one CPU) and sectors; of tasks. meminfo has columns. */
	CHANGING(EMU_PROC, "cpuinfo", render_cpuinfo, 4),
	CHANGING(EMU_PROC, "diskstats", render_diskstats, 10),
	CHANGING(EMU_PROC, "loadavg", render_loadavg, 4),
	CHANGING(EMU_PROC, "meminfo", render_meminfo, 0),
	CHANGING(EMU_PROC, "stat", render_stat, 10),
	CHANGING(EMU_SYSFS, "devices/system/cpu/online", render_cpu_list, 0),
	CHANGING(EMU_SYSFS, "devices/system/cpu/present", render_cpu_list, 0),

	CONSTANT(EMU_PROC, "swaps", 0444, render_swaps),
	CONSTANT(EMU_PROC, "sys/kernel/random/boot_id", 0444, render_boot_id),
	CONSTANT(EMU_SYSFS, "devices/virtual/dmi/id/product_uuid", 0400, render_product_uuid),

	/* systemd mounts there; a sysfs remains mountable, as the kernel keeps these directories empty itself. */
	EMPTY("kernel/config"),
	EMPTY("kernel/debug"),
	EMPTY("kernel/security"),
	EMPTY("kernel/tracing"),

	SYSCTL("fs/aio-max-nr", any_ulong),
	SYSCTL("fs/file-max", up_to_long),
	SYSCTL("fs/inotify/max_queued_events", natural),
	SYSCTL("fs/inotify/max_user_instances", up_to_int),
	SYSCTL("fs/inotify/max_user_watches", up_to_int),
	SYSCTL("fs/nr_open", open_files),
	SYSCTL("fs/protected_fifos", zero_two),
	SYSCTL("fs/protected_hardlinks", zero_one),
	SYSCTL("fs/protected_regular", zero_two),
	SYSCTL("fs/protected_symlinks", zero_one),
	SYSCTL("fs/suid_dumpable", zero_two),

	SYSCTL("kernel/core_pattern", core_pattern),
	SYSCTL("kernel/core_uses_pid", any_int),
	SYSCTL("kernel/dmesg_restrict", zero_one),
	SYSCTL("kernel/keys/maxbytes", natural),
	SYSCTL("kernel/keys/maxkeys", natural),
	SYSCTL("kernel/keys/root_maxbytes", natural),
	SYSCTL("kernel/keys/root_maxkeys", natural),
	SYSCTL("kernel/kptr_restrict", zero_two),
	SYSCTL("kernel/panic", any_int),
	SYSCTL("kernel/panic_on_oops", any_int),
	SYSCTL("kernel/perf_event_paranoid", any_int),
	SYSCTL("kernel/pid_max", pid_max),
	SYSCTL("kernel/printk", four_ints),
	SYSCTL("kernel/randomize_va_space", any_int),
	SYSCTL("kernel/sysrq", any_int),
	SYSCTL("kernel/threads-max", threads),
	SYSCTL("kernel/unprivileged_bpf_disabled", unprivileged_bpf),
	SYSCTL("kernel/yama/ptrace_scope", ptrace_scope),

	/* The host's, but shown (read only) in every network namespace. */
	SYSCTL("net/core/rmem_default", receive_buffer),
	SYSCTL("net/core/rmem_max", receive_buffer),
	SYSCTL("net/core/wmem_default", send_buffer),
	SYSCTL("net/core/wmem_max", send_buffer),
	SYSCTL("net/netfilter/nf_conntrack_buckets", natural),
	SYSCTL("net/netfilter/nf_conntrack_max", natural),

	SYSCTL("vm/dirty_background_bytes", not_zero),
	SYSCTL("vm/dirty_background_ratio", percent),
	SYSCTL("vm/dirty_bytes", two_pages),
	SYSCTL("vm/dirty_ratio", percent),
	SYSCTL("vm/max_map_count", natural),
	SYSCTL("vm/min_free_kbytes", natural),
	SYSCTL("vm/mmap_min_addr", any_ulong),
	SYSCTL("vm/overcommit_memory", zero_two),
	SYSCTL("vm/overcommit_ratio", any_int),
	SYSCTL("vm/panic_on_oom", zero_two),
	SYSCTL("vm/swappiness", two_hundred),
	SYSCTL("vm/vfs_cache_pressure", natural),

	/* A parameter, which kube-proxy sets along with nf_conntrack_max. */
	{ EMU_SYSFS, EMU_SYSCTL, "module/nf_conntrack/parameters/hashsize", 0600, NULL, &any_uint, NULL, 0 },
};
const size_t emu_n_rows = ARRAY_SIZE(emu_rows);

_Static_assert(ARRAY_SIZE(emu_rows) <= EMU_ROWS_MAX, "the shared memory has places for that many rows");

/* How many digits the numbers of a text lack. Digits in words ("sse2") count too: those do not change. */
static size_t lacking(const char *text, size_t len, unsigned digits)
{
	size_t sum = 0, run = 0;

	for (size_t i = 0; i <= len; i++) {
		if (i < len && text[i] >= '0' && text[i] <= '9') {
			run++;
			continue;
		}
		if (run > 0 && run < digits)
			sum += digits - run;
		run = 0;
	}
	return sum;
}

size_t emu_render(const struct emu_row *row, const struct emu_input *in, char *text, size_t size)
{
	size_t len = row->render(in, text, size), end = len, blanks = lacking(text, len, row->digits);

	if (blanks == 0 || blanks > size - len)
		return len;
	while (end > 0 && text[end - 1] == '\n')
		end--;
	memmove(text + end + blanks, text + end, len - end);
	memset(text + end, ' ', blanks);
	return len + blanks;
}

void emu_name(size_t row, char name[EMU_NAME_MAX])
{
	char digits[EMU_NAME_MAX];
	size_t n = 0;

	/* Not snprintf(3): covering a procfs makes one for each of its files. */
	row %= 1000000;
	do
		digits[n++] = (char)('0' + row % 10);
	while ((row /= 10) > 0);
	while (n > 0)
		*name++ = digits[--n];
	*name = '\0';
}
