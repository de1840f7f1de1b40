/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_JOIN_H
#define RUNTIME_JOIN_H

#include <linux/sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "codec/oci-spec.h"
#include "runtime/container.h"

/*
 * Namespaces that the spec wants joined by path (E10, E33-E35, A23). The host's own are refused. Those that belong to the user namespace
 * of another container of ours bring that user namespace, and with it the id range, along. A network namespace owned
 * by the host's user namespace (CNI, Podman) is accepted; a pid or ipc namespace like that is not.
 */
struct joined {
	int ns_fd[OCI_NS_COUNT]; /* -EBADF: not joined */
	int userns_fd;		 /* of the container whose namespaces are joined, or -EBADF */
	uint32_t base;		 /* its id range */
	bool netns_is_hosts;
};

#define JOINED_EMPTY                                                                                   \
	((struct joined){ .ns_fd = { -EBADF, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF }, \
			  .userns_fd = -EBADF })

int joined_open(const struct runtime *rt, const struct oci_spec *spec, struct joined *ret, struct err *e);
/* joined_clone() - clone3(2) after joining; as that, returns twice. The process is our child. */
pid_t joined_clone(const struct joined *j, struct clone_args *args, struct err *e);
void joined_done(struct joined *j);

#endif
