/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "emulate/emulate.h"
#include "emulate/shared.h"

static void rows_are_complete_and_unique(void **state)
{
	size_t changing = 0;

	(void)state;
	assert_in_range(emu_n_rows, 1, EMU_ROWS_MAX);
	for (size_t i = 0; i < emu_n_rows; i++) {
		const struct emu_row *row = &emu_rows[i];
		bool rendered = row->carrier == EMU_CONSTANT || row->carrier == EMU_CHANGING;

		if (row->path[0] == '/' || strstr(row->path, "//") || !row->render == rendered ||
		    !row->rule == (row->carrier == EMU_SYSCTL) || (row->mode & ~0777u))
			fail_msg("row %zu (%s) is not complete", i, row->path);
		changing += row->carrier == EMU_CHANGING;
		for (size_t j = 0; j < i; j++)
			if (emu_rows[j].fs == row->fs && strcmp(emu_rows[j].path, row->path) == 0)
				fail_msg("%s is there twice", row->path);
	}
	assert_in_range(changing, 1, VIEW_TEXTS_MAX);
}

static void rules_are_complete(void **state)
{
	(void)state;
	for (size_t i = 0; i < emu_n_rows; i++) {
		const struct emu_rule *rule = emu_rows[i].rule;

		if (!rule)
			continue;
		if (rule->kind == EMU_WORD    ? !rule->words
		    : rule->kind == EMU_ULONG ? (uint64_t)rule->min > (uint64_t)rule->max
					      : rule->min > rule->max)
			fail_msg("the rule of %s lets nothing in", emu_rows[i].path);
		if (rule->kind == EMU_INTS && (rule->count < 2 || rule->count > 8))
			fail_msg("the rule of %s has no count", emu_rows[i].path);
		if (emu_rows[i].initial) {
			char got[EMU_VALUE_MAX];
			size_t len;

			assert_int_equal(emu_value_parse(rule, NULL, 0, emu_rows[i].initial,
							 strlen(emu_rows[i].initial), got, &len),
					 0);
		}
	}
}

/* Values outside of what may be written: switches that nobody has thrown, bytes that stand for "see the ratio". */
static bool is_unset(const struct emu_rule *rule, const char *text)
{
	return rule->min > 0 && strcmp(text, "0\n") == 0;
}

/* What this kernel shows is what a program may write back: it is a value, and shows the same afterwards. */
static void the_values_of_this_kernel_are_values(void **state)
{
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < emu_n_rows; i++) {
		char path[256], text[EMU_VALUE_MAX + 1] = "", got[EMU_VALUE_MAX];
		_cleanup_close_ int fd = -EBADF;
		size_t len = 0;
		ssize_t had;

		if (!emu_rows[i].rule || emu_rows[i].fs != EMU_PROC)
			continue;
		(void)snprintf(path, sizeof path, "/proc/%s", emu_rows[i].path);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		had = fd < 0 ? -1 : read(fd, text, EMU_VALUE_MAX);
		if (had <= 0 || is_unset(emu_rows[i].rule, text))
			continue;
		n++;
		if (emu_value_parse(emu_rows[i].rule, text, (size_t)had, text, (size_t)had, got, &len) != 0 ||
		    len != (size_t)had || memcmp(got, text, len) != 0)
			fail_msg("%s: \"%s\" is refused, or another one", path, text);
	}
	assert_true(n > 30);
}

static void programs_may_write_what_they_do(void **state)
{
	static const struct {
		const char *path, *text;
		int result;
	} writes[] = {
		{ "sys/kernel/panic", "10", 0 }, /* kubelet */
		{ "sys/kernel/panic", "-1", 0 },
		{ "sys/kernel/panic_on_oops", "1", 0 },
		{ "sys/kernel/keys/root_maxbytes", "25000000", 0 },
		{ "sys/vm/overcommit_memory", "1", 0 },
		{ "sys/vm/overcommit_memory", "3", -EINVAL },
		{ "sys/vm/max_map_count", "262144", 0 }, /* Elasticsearch */
		{ "sys/vm/swappiness", "201", -EINVAL },
		{ "sys/fs/file-max", "9223372036854775807", 0 }, /* systemd */
		{ "sys/fs/nr_open", "2147483584", 0 },
		{ "sys/fs/nr_open", "2147483647", -EINVAL },
		{ "sys/kernel/pid_max", "4194304", 0 }, /* Debian */
		{ "sys/kernel/pid_max", "300", -EINVAL },
		{ "sys/kernel/sysrq", "0x01b6", 0 },
		{ "sys/net/netfilter/nf_conntrack_max", "131072", 0 }, /* kube-proxy */
		{ "module/nf_conntrack/parameters/hashsize", "32768", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
		char got[EMU_VALUE_MAX];
		size_t len, row = 0;

		while (row < emu_n_rows && strcmp(emu_rows[row].path, writes[i].path) != 0)
			row++;
		assert_true(row < emu_n_rows);
		if (emu_value_parse(emu_rows[row].rule, NULL, 0, writes[i].text, strlen(writes[i].text), got,
				    &len) != writes[i].result)
			fail_msg("%s = %s", writes[i].path, writes[i].text);
	}
}

static void modes_are_the_kernels(void **state)
{
	(void)state;
	for (size_t i = 0; i < emu_n_rows; i++) {
		char path[256];
		struct stat st;

		(void)snprintf(path, sizeof path, "/%s/%s", emu_rows[i].fs == EMU_PROC ? "proc" : "sys",
			       emu_rows[i].path);
		/* A new network namespace has files that only the first one writes. */
		if (strncmp(emu_rows[i].path, "sys/net/", 8) == 0 || stat(path, &st) < 0)
			continue;
		/* Read only on machines that lack the hardware. */
		if (emu_rows[i].carrier != EMU_EMPTY && (st.st_mode & 0777) != emu_rows[i].mode &&
		    strcmp(emu_rows[i].path, "sys/kernel/nmi_watchdog") != 0)
			fail_msg("%s: %o, but the table has %o", path, st.st_mode & 0777, emu_rows[i].mode);
		assert_int_equal(!S_ISDIR(st.st_mode), emu_rows[i].carrier != EMU_EMPTY);
	}
}

static void a_name_is_the_number(void **state)
{
	char name[EMU_NAME_MAX];

	(void)state;
	emu_name(0, name);
	assert_string_equal(name, "0");
	emu_name(95, name);
	assert_string_equal(name, "95");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_complete_and_unique),
		cmocka_unit_test(rules_are_complete),
		cmocka_unit_test(the_values_of_this_kernel_are_values),
		cmocka_unit_test(programs_may_write_what_they_do),
		cmocka_unit_test(modes_are_the_kernels),
		cmocka_unit_test(a_name_is_the_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
