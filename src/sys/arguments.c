/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/arguments.h"

#include <stdlib.h>
#include <string.h>

/* Where the kernel put the strings: one block, in order. A fact of the process, like environ. */
static struct {
	char *start;
	size_t len;
} area;

char **arguments_take(int argc, char **argv)
{
	char **copy = calloc((size_t)argc + 1, sizeof *copy);

	if (!copy)
		return NULL;
	for (int i = 0; i < argc; i++) {
		copy[i] = strdup(argv[i]);
		if (!copy[i])
			return NULL;
		if (i == 0)
			area.start = argv[0];
		if (argv[i] == area.start + area.len)
			area.len += strlen(argv[i]) + 1;
	}
	return copy;
}

void arguments_hide(void)
{
	if (area.len)
		memset(area.start, 0, area.len);
}
