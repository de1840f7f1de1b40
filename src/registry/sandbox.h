/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_SANDBOX_H
#define REGISTRY_SANDBOX_H

#include "base/err.h"

#define SANDBOX_UID    65534u /* "nobody" */
#define SANDBOX_MEMORY (512u << 20)
#define SANDBOX_FILES  32u

/*
 * sandbox_enter() - for good, before anything comes from the network: user and group "nobody" without other groups
 * (when root), no capabilities, no new privileges, not dumpable, limits of memory, open files and written bytes,
 * and only the system calls that names, TLS and threads take: no programs, no processes, no files to write, no
 * memory that is made executable, no sockets but those of IP (and the kernel's lists of addresses), none that
 * listens, no signals. Anything else is EPERM.
 */
int sandbox_enter(struct err *e);

#endif
