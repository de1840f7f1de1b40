/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EMULATE_RENDER_H
#define EMULATE_RENDER_H

#include "emulate/emulate.h"

/* The renderers of the row table (struct emu_row, files.c); each is described where it is. */
size_t render_cpuinfo(const struct emu_input *in, char *text, size_t size);
size_t render_cpu_list(const struct emu_input *in, char *text, size_t size);
size_t render_meminfo(const struct emu_input *in, char *text, size_t size);
size_t render_swaps(const struct emu_input *in, char *text, size_t size);
size_t render_stat(const struct emu_input *in, char *text, size_t size);
size_t render_loadavg(const struct emu_input *in, char *text, size_t size);
size_t render_diskstats(const struct emu_input *in, char *text, size_t size);
size_t render_boot_id(const struct emu_input *in, char *text, size_t size);
size_t render_product_uuid(const struct emu_input *in, char *text, size_t size);

/* A load average that can be shown: never negative, endless or no number, whatever the memory that it is kept in says. */
double load_sane(double load);

#endif
