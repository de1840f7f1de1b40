/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "confine/test-bpf.h"
#include "emulate/shared.h"
#include "notify/decode.h"
#include "notify/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(cond)            \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

/*
 * Registers: the filter and the decoder agree about what is for us. A device that the filter was not told of, and
 * sysinfo(2), are known to the decoder all the same: so the filter here is the widest.
 */
static void check_registers(const struct seccomp_data *d)
{
	static struct notify_filter f;
	struct notify_request rq = { 0 };
	int64_t verdict;
	int r;

	if (!f.insns)
		REQUIRE(notify_filter_make(true, EMU_DEV_FUSE | EMU_DEV_TUN, &f, NULL) == 0);
	verdict = bpf_run(f.insns, f.n, d);
	r = notify_decode(d, &rq);
	REQUIRE(verdict != SECCOMP_RET_USER_NOTIF || r == 0);
	REQUIRE(r != 0 || rq.call == NOTIFY_MKNOD || verdict == SECCOMP_RET_USER_NOTIF);
	REQUIRE(r != 0 || (unsigned)rq.call < NOTIFY_CALLS);
	REQUIRE(r != 0 || !rq.compat || ((rq.path | rq.source | rq.type | rq.data) >> 32) == 0);
	(void)notify_mount_attr(rq.flags);
}

static void check_texts(char *text)
{
	char *copy = strdup(text), *cursor = copy, *key, *value;
	const char *parent, *name, *rest;
	struct notify_status st;
	size_t len = strlen(text), n = 0;
	uint32_t id;
	int fd, r;

	REQUIRE(copy);
	while (notify_option_next(&cursor, &key, &value)) {
		REQUIRE(*key && !strchr(key, ',') && !strchr(key, '='));
		REQUIRE(!value || !strchr(value, ','));
		n += strlen(key) + (value ? strlen(value) + 1 : 0);
	}
	REQUIRE(n <= len);
	memcpy(copy, text, len + 1);
	if (notify_own_fd(copy, &fd, &rest)) {
		char again[64];

		(void)snprintf(again, sizeof again, "/proc/self/fd/%d", fd);
		REQUIRE(fd >= 0 && (!rest || (*rest && *rest != '/')));
		REQUIRE(strstr(copy, strrchr(again, '/')) != NULL);
	}
	r = notify_split(copy, &parent, &name);
	if (r == 0 || r == -EISDIR) {
		REQUIRE(*name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
		REQUIRE(strlen(parent) + strlen(name) <= len);
		REQUIRE((*text == '/') == (*parent == '/'));
	}
	if (notify_status_parse(text, &st) == 0)
		while (notify_group_next(&st.groups, &id))
			;
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seccomp_data d = { 0 };
	struct sysinfo in = { 0 };
	struct notify_sysinfo32 out;
	char *text;

	if (size > 8192)
		return 0;
	memcpy(&d, data, size < sizeof d ? size : sizeof d);
	check_registers(&d);
	d.arch = d.nr & 1 ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64;
	d.nr = (d.nr >> 1) & 511;
	check_registers(&d);
	memcpy(&in, data, size < sizeof in ? size : sizeof in);
	in.mem_unit = 1;
	notify_sysinfo_compat(&in, &out);
	REQUIRE(out.mem_unit == 1 || out.mem_unit == 4096);
	text = calloc(1, size + 1);
	REQUIRE(text);
	memcpy(text, data, size);
	check_texts(text);
	free(text);
	return 0;
}
