/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "emulate/render.h"
#include "emulate/text.h"

#define TICK_US	 10000u /* USER_HZ is 100 on all architectures we know */
#define LOAD_MAX 1e6
#define TAIL	 256u /* room for what follows the lines of CPUs */

/* Share @i of @n: all together are the whole, and each grows only. */
static uint64_t share(uint64_t whole, unsigned i, unsigned n)
{
	return whole / n + (i < whole % n);
}

static uint64_t idle_ticks(const struct emu_input *in, unsigned cpus)
{
	uint64_t used = sat_add(in->cpu_user_us, in->cpu_system_us);

	return (in->idle_us ? in->idle_us : sat_sub(sat_mul(in->uptime_us, cpus), used)) / TICK_US;
}

/*
 * Which CPU the time was spent on is not known for all control groups, so it is spread evenly. The rest of the
 * file is about the host (interrupts, context switches, other people's processes) and shows 0.
 */
size_t render_stat(const struct emu_input *in, char *text, size_t size)
{
	struct text t = { .buf = text, .size = size > TAIL ? size - TAIL : 0 };
	unsigned n = emu_cpus(in);
	uint64_t user = in->cpu_user_us / TICK_US, sys = in->cpu_system_us / TICK_US, idle = idle_ticks(in, n);

	text_line(&t, "cpu  %lu 0 %lu %lu 0 0 0 0 0 0\n", user, sys, idle);
	for (unsigned i = 0; i < n; i++)
		text_line(&t, "cpu%u %lu 0 %lu %lu 0 0 0 0 0 0\n", i, share(user, i, n), share(sys, i, n),
			  share(idle, i, n));
	t.size = size;
	t.full = false;
	text_line(&t, "intr 0\n");
	text_line(&t, "ctxt 0\n");
	text_line(&t, "btime %lu\n", in->boot_time);
	text_line(&t, "processes 0\n");
	text_line(&t, "procs_running 1\n"); /* who reads this */
	text_line(&t, "procs_blocked 0\n");
	text_line(&t, "softirq 0 0 0 0 0 0 0 0 0 0 0\n");
	return t.len;
}

double load_sane(double load)
{
	if (!(load >= 0)) /* no number is not either */
		return 0;
	return load < LOAD_MAX ? load : LOAD_MAX;
}

/* The last field would be the last process id given out; the number of tasks is as near as we can get. */
size_t render_loadavg(const struct emu_input *in, char *text, size_t size)
{
	struct text t = { .buf = text, .size = size };
	uint64_t tasks = in->tasks ? in->tasks : 1;

	text_line(&t, "%.2f %.2f %.2f 1/%lu %lu\n", load_sane(in->load[0]), load_sane(in->load[1]),
		  load_sane(in->load[2]), tasks, tasks);
	return t.len;
}

/* e^-x for x >= 0, to 12 digits. Written out, as libm would be linked into every program for this one line. */
static double decay(double x)
{
	unsigned halved = 0;
	double sum = 1, term = 1;

	if (x > 700)
		return 0;
	for (; x > 0.5; x /= 2)
		halved++;
	for (unsigned i = 1; i < 16; i++) {
		term *= -x / i;
		sum += term;
	}
	while (halved--)
		sum *= sum;
	return sum;
}

void emu_load_update(double load[3], uint64_t cpu_us, uint64_t elapsed_us)
{
	static const double minutes[3] = { 1, 5, 15 };
	double active;

	if (elapsed_us == 0)
		return;
	active = load_sane((double)cpu_us / (double)elapsed_us);
	for (size_t i = 0; i < 3; i++) {
		double keep = decay((double)elapsed_us / (minutes[i] * 60e6));

		load[i] = load_sane(load_sane(load[i]) * keep + active * (1 - keep));
	}
}

void emu_idle_update(uint64_t *idle_us, unsigned cpus, uint64_t cpu_us, uint64_t elapsed_us)
{
	*idle_us = sat_add(*idle_us, sat_sub(sat_mul(elapsed_us, cpus), cpu_us));
}
