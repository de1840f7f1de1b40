/* SPDX-License-Identifier: Apache-2.0 */
#include "notify/decode.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysinfo.h>

#include "base/cleanup.h"
#include "base/num.h"

#define MGC_VAL 0xc0ed0000u
#define MGC_MSK 0xffff0000u

static bool cond_holds(const struct bpf_cond *c, uint64_t arg)
{
	return (arg & c->a) == (c->b & c->a);
}

static bool row_traps(const struct notify_row *row, enum notify_abi abi, const struct seccomp_data *d)
{
	if (row->nr[abi] < 0 || row->nr[abi] != d->nr)
		return false;
	for (uint32_t i = 0; i < row->n_conds; i++)
		if (!cond_holds(&row->conds[i], d->args[row->conds[i].arg]))
			return false;
	return true;
}

static uint64_t arg_at(const struct seccomp_data *d, int8_t n, bool compat)
{
	if (n < 0)
		return 0;
	return compat ? (uint32_t)d->args[n] : d->args[n];
}

int notify_decode(const struct seccomp_data *d, struct notify_request *ret)
{
	bool compat = d->arch == notify_audit_arch(NOTIFY_I386);
	enum notify_abi abi = compat ? NOTIFY_I386 : NOTIFY_X86_64;

	if (d->arch != notify_audit_arch(abi))
		return -ENOENT;
	for (size_t i = 0; i < notify_n_rows; i++) {
		const struct notify_row *row = &notify_rows[i];

		if (!row_traps(row, abi, d))
			continue;
		*ret = (struct notify_request){
			.call = row->call,
			.compat = compat,
			.dirfd = row->at.dirfd < 0 ? AT_FDCWD : (int)(uint32_t)d->args[row->at.dirfd],
			.path = arg_at(d, row->at.path, compat),
			.source = arg_at(d, row->at.source, compat),
			.type = arg_at(d, row->at.type, compat),
			.data = arg_at(d, row->at.data, compat),
			.flags = (uint32_t)arg_at(d, row->at.flags, compat),
			.mode = (uint32_t)arg_at(d, row->at.mode, compat) & 0xffff, /* umode_t */
			.device = (uint32_t)arg_at(d, row->at.device, compat),
		};
		if (row->call == NOTIFY_MOUNT && (ret->flags & MGC_MSK) == MGC_VAL)
			ret->flags &= ~MGC_MSK;
		return 0;
	}
	return -ENOENT;
}

uint64_t notify_mount_attr(uint32_t flags)
{
	static const struct {
		uint32_t flag;
		uint64_t attr;
	} plain[] = {
		{ MS_RDONLY, MOUNT_ATTR_RDONLY },	  { MS_NOSUID, MOUNT_ATTR_NOSUID },
		{ MS_NODEV, MOUNT_ATTR_NODEV },		  { MS_NOEXEC, MOUNT_ATTR_NOEXEC },
		{ MS_NODIRATIME, MOUNT_ATTR_NODIRATIME }, { 256 /* MS_NOSYMFOLLOW */, 0x00200000 },
	};
	uint64_t attr = 0;

	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		if (flags & plain[i].flag)
			attr |= plain[i].attr;
	if (flags & MS_STRICTATIME)
		return attr | MOUNT_ATTR_STRICTATIME;
	return attr | (flags & MS_NOATIME ? MOUNT_ATTR_NOATIME : MOUNT_ATTR_RELATIME);
}

bool notify_option_next(char **cursor, char **ret_key, char **ret_value)
{
	while (*cursor && **cursor) {
		char *key = *cursor, *comma = strchr(key, ','), *equals;

		*cursor = comma ? comma + 1 : NULL;
		if (comma)
			*comma = '\0';
		equals = strchr(key, '=');
		if (*key == '\0' || equals == key)
			continue;
		if (equals)
			*equals++ = '\0';
		*ret_key = key;
		*ret_value = equals;
		return true;
	}
	return false;
}

bool notify_own_fd(const char *path, int *ret_fd, const char **ret_rest)
{
	static const char *const prefixes[] = { "/proc/self/fd/", "/proc/thread-self/fd/" };

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t len = strlen(prefixes[i]);
		const char *s = path + len;
		uint64_t n;

		if (strncmp(path, prefixes[i], len) != 0)
			continue;
		/* The kernel's file names have no leading zeros: those are other names, which do not exist. */
		if ((*s == '0' && s[1] >= '0' && s[1] <= '9') || num_span(&s, INT32_MAX, &n) < 0 ||
		    (*s != '\0' && *s != '/'))
			return false;
		s += strspn(s, "/");
		*ret_fd = (int)n;
		*ret_rest = *s ? s : NULL;
		return true;
	}
	return false;
}

int notify_split(char *path, const char **ret_parent, const char **ret_name)
{
	size_t len = strlen(path), end = len;
	char *slash;

	if (len == 0)
		return -ENOENT;
	while (end > 0 && path[end - 1] == '/')
		end--;
	if (end == 0)
		return -EEXIST; /* the root */
	slash = memrchr(path, '/', end);
	*ret_name = slash ? slash + 1 : path;
	path[end] = '\0';
	if (strcmp(*ret_name, ".") == 0 || strcmp(*ret_name, "..") == 0)
		return -EEXIST;
	if (!slash) {
		*ret_parent = "";
	} else {
		while (slash > path && slash[-1] == '/')
			slash--;
		*ret_parent = slash == path ? "/" : path;
		*slash = '\0';
	}
	return end < len ? -EISDIR : 0;
}

/* The text behind "\nNAME:\t". */
static const char *status_field(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		if (line != text || *line == '\n')
			line++;
		if (strncmp(line, name, len) == 0)
			return line + len;
	}
	return NULL;
}

static int status_ids(const char *s, uint32_t ret[4])
{
	for (int i = 0; i < 4; i++) {
		uint64_t v;

		if (!s || num_span(&s, UINT32_MAX, &v) < 0 || *s != (i < 3 ? '\t' : '\n'))
			return -EPROTO;
		s++;
		ret[i] = (uint32_t)v;
	}
	return 0;
}

static int status_digits(const char *s, unsigned base, uint64_t *ret)
{
	uint64_t v = 0;
	int n = 0;

	for (; s && *s != '\n' && n <= 16; s++, n++) {
		unsigned digit = *s >= '0' && *s <= '9'	  ? (unsigned)(*s - '0')
				 : *s >= 'a' && *s <= 'f' ? (unsigned)(*s - 'a') + 10
							  : base;

		if (digit >= base)
			return -EPROTO;
		v = v * base + digit;
	}
	if (n == 0 || n > 16)
		return -EPROTO;
	*ret = v;
	return 0;
}

int notify_status_parse(const char *text, struct notify_status *ret)
{
	struct notify_status st = { .groups = status_field(text, "Groups:\t") };
	const char *tgid = status_field(text, "Tgid:\t");
	uint64_t mask = 0, id = 0;

	/* A task that is ending has no umask line any more; what it asked for will not be looked at. */
	if (!st.groups || !tgid || num_span(&tgid, INT32_MAX, &id) < 0 || *tgid != '\n' ||
	    status_ids(status_field(text, "Uid:\t"), st.uid) < 0 ||
	    status_ids(status_field(text, "Gid:\t"), st.gid) < 0 ||
	    status_digits(status_field(text, "CapEff:\t"), 16, &st.caps) < 0 ||
	    status_digits(status_field(text, "Umask:\t"), 8, &mask) < 0 || mask > 0777)
		return -EPROTO;
	st.tgid = (pid_t)id;
	st.umask = (uint32_t)mask;
	*ret = st;
	return 0;
}

bool notify_group_next(const char **groups, uint32_t *ret)
{
	uint64_t v;

	while (**groups == ' ')
		++*groups;
	if (num_span(groups, UINT32_MAX, &v) < 0)
		return false;
	*ret = (uint32_t)v;
	return true;
}

void notify_sysinfo_compat(const struct sysinfo *in, struct notify_sysinfo32 *ret)
{
	unsigned shift = 0;
	uint32_t unit = in->mem_unit;

	if (in->totalram >> 32 || in->totalswap >> 32)
		for (; unit < 4096; unit <<= 1)
			shift++;
	*ret = (struct notify_sysinfo32){
		.uptime = (int32_t)in->uptime,
		.loads = { (uint32_t)in->loads[0], (uint32_t)in->loads[1], (uint32_t)in->loads[2] },
		.totalram = (uint32_t)(in->totalram >> shift),
		.freeram = (uint32_t)(in->freeram >> shift),
		.sharedram = (uint32_t)(in->sharedram >> shift),
		.bufferram = (uint32_t)(in->bufferram >> shift),
		.totalswap = (uint32_t)(in->totalswap >> shift),
		.freeswap = (uint32_t)(in->freeswap >> shift),
		.procs = in->procs,
		.totalhigh = (uint32_t)(in->totalhigh >> shift),
		.freehigh = (uint32_t)(in->freehigh >> shift),
		.mem_unit = unit,
	};
}
