/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caisson-monitor, caisson-notify and caisson-procview: the supervisor of one container, see ARCHITECTURE.md. Three programs
 * in one file, so that a container's three processes share their text; argv[0], which is also what ps shows, says which.
 * `caisson create` starts the first, that one the others, all with fixed descriptors (monitor/internal.h,
 * emulate/shared.h): by hand they are of no use.
 */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "monitor/monitor.h"
#include "notify/worker.h"
#include "procview/procview.h"

/* Standard error is for the time before the sandbox. */
static int report(const char *program, int r, const struct err *e)
{
	if (e->code != 0)
		(void)dprintf(STDERR_FILENO, "%s: %s\n", program, e->msg);
	return r < 0;
}

int main(int argc, char **argv)
{
	const struct view_table table = { emu_rows, emu_n_rows, emu_value_parse };
	const char *name = argc > 0 ? argv[0] : "";
	struct err e = { 0 };
	int r;

	if (strncmp(name, "caisson-notify:", strlen("caisson-notify:")) == 0) {
		r = notify_program(&e);
		return report("caisson-notify", r, &e);
	}
	if (strncmp(name, "caisson-procview:", strlen("caisson-procview:")) == 0) {
		r = procview_run(&table, &e);
		_exit(report("caisson-procview", r, &e));
	}
	(void)prctl(PR_SET_NAME, "caisson-monitor");
	return monitor_main(name);
}
