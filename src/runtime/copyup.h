/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_COPYUP_H
#define RUNTIME_COPYUP_H

#include "base/err.h"

/*
 * copy_up_tree() - "tmpcopyup": copy what lies in directory @from (O_PATH fd of the container's root file system) into the new
 * tmpfs @to: directories, files, links, fifos; owners, modes and times. Runs as container root; follows no links, does not
 * leave @from, crosses no mounts (A14). Depth is bounded.
 */
int copy_up_tree(int from, int to, struct err *e);

#endif
