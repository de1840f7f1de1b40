/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/sysinfo.h>

#include "base/cleanup.h"
#include "emulate/render.h"
#include "emulate/text.h"

/* In KiB. Parts never exceed the whole: free + used = total, file + shmem = cached <= used. */
struct memory {
	uint64_t total, free, available, cached, active_file, inactive_file, active_anon, inactive_anon, active,
		inactive;
	uint64_t anon, shmem, mapped, dirty, writeback, swap_total, swap_free, commit_limit, committed;
};

/* The layout when the host's text is not there; also what the columns are in any case. */
static const char plain[] = "MemTotal:              0 kB\n"
			    "MemFree:               0 kB\n"
			    "MemAvailable:          0 kB\n"
			    "Buffers:               0 kB\n"
			    "Cached:                0 kB\n"
			    "SwapCached:            0 kB\n"
			    "SwapTotal:             0 kB\n"
			    "SwapFree:              0 kB\n"
			    "Shmem:                 0 kB\n"
			    "SReclaimable:          0 kB\n";

/* Which line shows what. Lines that are not here say nothing about a container and show 0. */
static const struct {
	const char *name;
	size_t offset;
} shown[] = {
#define SHOWN(name, member)                           \
	{                                             \
		name, offsetof(struct memory, member) \
	}
	SHOWN("MemTotal", total),
	SHOWN("MemFree", free),
	SHOWN("MemAvailable", available),
	SHOWN("Cached", cached),
	SHOWN("Active", active),
	SHOWN("Inactive", inactive),
	SHOWN("Active(anon)", active_anon),
	SHOWN("Inactive(anon)", inactive_anon),
	SHOWN("Active(file)", active_file),
	SHOWN("Inactive(file)", inactive_file),
	SHOWN("SwapTotal", swap_total),
	SHOWN("SwapFree", swap_free),
	SHOWN("Dirty", dirty),
	SHOWN("Writeback", writeback),
	SHOWN("AnonPages", anon),
	SHOWN("Mapped", mapped),
	SHOWN("Shmem", shmem),
	SHOWN("CommitLimit", commit_limit),
	SHOWN("Committed_AS", committed),
#undef SHOWN
};

/* Properties of the machine, which programs use as such. */
static const char *const kept[] = { "VmallocTotal", "Hugepagesize" };

struct field {
	struct span name;
	uint64_t value;
	bool has_unit;
	size_t width; /* from behind the colon and a blank to the end of the number */
};

static bool is_name(struct span s)
{
	if (s.len == 0 || s.len > 32)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!memchr("()_", s.p[i], 3) && !(s.p[i] >= '0' && s.p[i] <= '9') &&
		    !((s.p[i] | 0x20) >= 'a' && (s.p[i] | 0x20) <= 'z'))
			return false;
	return true;
}

/* "Name:   123 kB". Other lines are left out. */
static bool read_field(struct span line, struct field *ret)
{
	struct span name = span_word(&line), number = span_word(&line), unit = span_word(&line);

	if (name.len < 2 || name.p[name.len - 1] != ':' || !span_number(number, &ret->value))
		return false;
	name.len--;
	ret->name = name;
	ret->has_unit = unit.len != 0;
	ret->width = lesser((uint64_t)(number.p + number.len - (name.p + name.len + 2)), 32);
	return is_name(name) && (!unit.len || span_is(unit, "kB"));
}

static uint64_t host_value(const char *meminfo, const char *name)
{
	struct field f;
	struct span line;

	while (span_line(&meminfo, &line))
		if (read_field(line, &f) && span_is(f.name, name))
			return f.value;
	return 0;
}

static uint64_t kib(uint64_t bytes)
{
	return bytes >> 10;
}

static void judge_memory(const struct emu_input *in, struct memory *m)
{
	uint64_t host = lesser(host_value(in->host_meminfo, "MemTotal"), UINT64_MAX >> 10);
	uint64_t swap = lesser(host_value(in->host_meminfo, "SwapTotal"), UINT64_MAX >> 10), used, file, anon;

	*m = (struct memory){ 0 };
	m->total = host;
	if (in->memory_limit != UINT64_MAX && (host == 0 || kib(in->memory_limit) < host))
		m->total = kib(in->memory_limit);
	used = lesser(kib(in->memory_used), m->total);
	m->free = m->total - used;
	m->cached = lesser(kib(in->cache), used);
	m->shmem = lesser(kib(in->shmem), m->cached);
	file = m->cached - m->shmem;
	m->inactive_file = lesser(kib(in->inactive_file), file);
	m->active_file = lesser(kib(in->active_file), file - m->inactive_file);
	/* The kernel keeps shared memory on the lists of anonymous memory. */
	anon = used - file;
	m->inactive_anon = lesser(kib(in->inactive_anon), anon);
	m->active_anon = lesser(kib(in->active_anon), anon - m->inactive_anon);
	m->anon = sat_sub(m->inactive_anon + m->active_anon, m->shmem);
	m->active = m->active_anon + m->active_file;
	m->inactive = m->inactive_anon + m->inactive_file;
	m->available = m->free + m->inactive_file + m->active_file;
	m->mapped = lesser(kib(in->mapped), used);
	m->dirty = lesser(kib(in->dirty), m->cached);
	m->writeback = lesser(kib(in->writeback), m->cached);
	if (in->swap_limit != UINT64_MAX)
		m->swap_total = lesser(kib(in->swap_limit), swap);
	m->swap_free = sat_sub(m->swap_total, kib(in->swap_used));
	m->commit_limit = m->total / 2 + m->swap_total;
	m->committed = m->anon + m->shmem;
}

static uint64_t value_of(const struct memory *m, const struct field *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
		if (span_is(f->name, shown[i].name))
			return *(const uint64_t *)(const void *)((const char *)m + shown[i].offset);
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (span_is(f->name, kept[i]))
			return f->value;
	return 0;
}

/* The host's lines, so that the order is this kernel's, with the container's numbers. */
size_t render_meminfo(const struct emu_input *in, char *text, size_t size)
{
	struct text t = { .buf = text, .size = size };
	const char *cursor = host_value(in->host_meminfo, "MemTotal") ? in->host_meminfo : plain;
	struct memory m;
	struct span line;
	struct field f;

	judge_memory(in, &m);
	while (span_line(&cursor, &line))
		if (read_field(line, &f))
			text_line(&t, "%.*s: %*lu%s\n", (int)f.name.len, f.name.p, (int)f.width, value_of(&m, &f),
				  f.has_unit ? " kB" : "");
	return t.len;
}

/* No swap device is the container's. Tools, kubelet among them, take the header alone for "no swap". */
size_t render_swaps(const struct emu_input *in, char *text, size_t size)
{
	struct text t = { .buf = text, .size = size };

	(void)in;
	text_line(&t, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	return t.len;
}

static uint64_t bytes(uint64_t kibibytes)
{
	return sat_mul(kibibytes, 1024);
}

void emu_sysinfo(const struct emu_input *in, struct sysinfo *ret)
{
	struct memory m;

	judge_memory(in, &m);
	*ret = (struct sysinfo){
		.uptime = (long)(in->uptime_us / 1000000),
		.totalram = bytes(m.total),
		.freeram = bytes(m.free),
		.sharedram = bytes(m.shmem),
		.totalswap = bytes(m.swap_total),
		.freeswap = bytes(m.swap_free),
		.procs = (unsigned short)lesser(in->tasks, UINT16_MAX),
		.mem_unit = 1,
	};
	for (size_t i = 0; i < 3; i++)
		ret->loads[i] = (unsigned long)(load_sane(in->load[i]) * (1 << SI_LOAD_SHIFT));
}
