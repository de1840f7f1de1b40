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

/*
 * tree_open_child() - open @name in @dir: no link is followed, and no mount or parent directory entered (-EXDEV, -ELOOP).
 * tree_copy_link() - make link @name in @to as it is in @from. Both with the caller's own rights.
 */
int tree_open_child(int dir, const char *name, int flags);
int tree_copy_link(int from, int to, const char *name);

#endif
