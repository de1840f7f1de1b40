/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_TREE_H
#define RUNTIME_TREE_H

#include "base/err.h"

/*
 * Whole directories on the host. What is in them is untrusted, who could change them meanwhile is not: the container
 * that they belong to does not run.
 */

/*
 * tree_copy() - copy directory @from (readable fd) into the empty directory @to, as host root: directories, files with
 * their holes, links and hard links, fifos; owners, modes, times and extended attributes. Sockets and device nodes are
 * left out, and so is what is mounted below @from. Follows no links and opens nothing but directories and files. At
 * most 200 levels.
 * Return: 0; -errno with @e filled in, @to holds a part of it then.
 */
int tree_copy(int from, int to, struct err *e);

/* tree_remove() - remove @name below @dir with all that is in it; 0 when there is none. Same bounds as tree_copy(). */
int tree_remove(int dir, const char *name, struct err *e);

#endif
