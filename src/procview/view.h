/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROCVIEW_VIEW_H
#define PROCVIEW_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include "emulate/emulate.h"
#include "emulate/shared.h"
#include "procview/wire.h"

/*
 * What the emulated files answer: one request in, one answer out. All state is in struct view_shared, in such an
 * order that a process which is killed anywhere leaves something from which its successor can answer the same
 * request again.
 */
enum view_conn { VIEW_CHANGING, VIEW_SYSCTL, VIEW_CONNS };

/* Places at which a test may end the process. */
enum view_point { VIEW_READ, VIEW_HALF, VIEW_STORED, VIEW_MADE, VIEW_ANSWERED, VIEW_CLEARED, VIEW_POINTS };

struct view_table {
	const struct emu_row *rows;
	size_t n; /* <= EMU_ROWS_MAX, of which at most VIEW_TEXTS_MAX are changing */
	int (*parse)(const struct emu_rule *rule, const char *current, size_t current_len, const char *text,
		     size_t len, char ret[EMU_VALUE_MAX], size_t *ret_len);
};

struct view {
	struct view_shared *shared;
	struct view_table table;
	/* Fill in what the renderer of @row goes by; texts are valid until the next call. */
	void (*collect)(void *arg, const struct emu_row *row, struct emu_input *ret);
	void *arg;
	void (*point)(enum view_point point); /* NULL but in tests */
	uint8_t text[EMU_ROWS_MAX];	      /* which shared->text a changing row uses; see view_init() */
	uint64_t since_ns;		      /* CLOCK_MONOTONIC when this process began to serve */
	char scratch[EMU_RENDER_MAX];	      /* renderings are made here first */
};

/* view_init() - number the changing rows. -E2BIG: the table has too many. */
int view_init(struct view *v);

/*
 * view_answer() - @request: as read from /dev/fuse, at most @room bytes, untrusted. Never fails: what cannot be
 * served gets the error that procfs or the kernel would give; what cannot be answered leaves @a empty.
 */
void view_answer(struct view *v, enum view_conn conn, const void *request, size_t room, struct wire_answer *a);

#endif
