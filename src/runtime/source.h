/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_SOURCE_H
#define RUNTIME_SOURCE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "runtime/plan.h"

/* What is known of an opened mount source; all of it comes from the fd, nothing from the path in the spec. */
struct source_info {
	char *path, *real_path, *fstype, *mount_point, *real_mount; /* owned; see struct bind_source */
	struct stat st;
	bool is_mount_root;
};

int source_describe(const struct runtime *rt, int fd, struct source_info *s, struct err *e);
void source_info_done(struct source_info *s);

/* source_judge() - ask the policy. -EPERM with M3 when it denies; @source as the spec names it, for the message. */
int source_judge(const struct plan *p, const struct bind_context *ctx, const struct source_info *s,
		 const char *source, struct bind_decision *ret, struct err *e);

#endif
