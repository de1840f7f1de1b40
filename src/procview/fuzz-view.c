/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "procview/test-view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct view_shared shared;
static struct view view = { .shared = &shared, .collect = test_collect };
static struct wire_answer answer, again;

static void reset(void)
{
	view.table = test_table;
	if (view_init(&view) < 0)
		abort();
	shared.params.base = 100000;
	memset(shared.value, 0, sizeof shared.value);
	for (size_t i = 0; i < ROW_N; i++) {
		if (test_rows[i].carrier != EMU_SYSCTL)
			continue;
		shared.value[i].len[0] = (uint32_t)strlen(test_rows[i].initial) + 1;
		memcpy(shared.value[i].text[0], test_rows[i].initial, shared.value[i].len[0] - 1);
		shared.value[i].text[0][shared.value[i].len[0] - 1] = '\n';
	}
}

/* An answer is as long as it says, is to the request that was asked, errors have no body, and READ's is from a text. */
static void check(const uint8_t *request, size_t room, const struct wire_answer *a)
{
	struct fuse_out_header out;
	struct fuse_in_header in;

	if (a->len == 0)
		return;
	memcpy(&in, request, sizeof in);
	memcpy(&out, a->head, sizeof out);
	if (room < sizeof in || a->len > sizeof a->head || out.len != a->len + a->tail_len ||
	    out.unique != in.unique || out.error > 0 || out.error < -4095 ||
	    (out.error < 0 && out.len != sizeof out))
		abort();
	for (size_t i = 0; i < a->tail_len; i++) /* readable, for AddressSanitizer */
		(void)*((const volatile char *)a->tail + i);
}

/* Input: requests one after the other, each by its own length. A write comes twice and counts once. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	reset();
	for (size_t at = 0; at + sizeof(struct fuse_in_header) <= size && at < 65536;) {
		struct fuse_in_header in;

		memcpy(&in, data + at, sizeof in);
		for (enum view_conn conn = 0; conn < VIEW_CONNS; conn++) {
			struct view_value before[ROW_N];

			view_answer(&view, conn, data + at, size - at, &answer);
			check(data + at, size - at, &answer);
			if (in.opcode != FUSE_WRITE)
				continue;
			memcpy(before, shared.value, sizeof before);
			view_answer(&view, conn, data + at, size - at, &again);
			for (size_t i = 0; i < ROW_N; i++)
				if (before[i].current != shared.value[i].current)
					abort();
			if (again.len != answer.len || memcmp(again.head, answer.head, again.len) != 0)
				abort();
		}
		for (size_t i = 0; i < ROW_N; i++) {
			const struct view_value *v = &shared.value[i];

			if (test_rows[i].carrier == EMU_SYSCTL &&
			    (v->len[v->current] > EMU_VALUE_MAX ||
			     v->text[v->current][v->len[v->current] - 1] != '\n'))
				abort();
		}
		at += in.len >= sizeof in ? in.len : sizeof in;
	}
	return 0;
}
