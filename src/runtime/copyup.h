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

/*
 * copy_up_dir() - have this directory of an overlay in its upper layer, as it is. What the engine puts into a directory
 * ("docker cp") it puts there; an overlay that has cached the directory without that layer, and cannot forget it because
 * something is mounted in it or a process works in it, would never look there (ADR 0003). Best effort: nothing is done where
 * the path leads off the root's own overlay, or that is read-only.
 * @root_fd: of the root file system     @path: untrusted, as container root sees it
 */
void copy_up_dir(int root_fd, const char *path);

#endif
