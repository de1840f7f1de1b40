/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_SUPERVISOR_H
#define RUNTIME_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "cgroup/cgroup.h"
#include "codec/oci-spec.h"
#include "codec/settings.h"
#include "confine/confine.h"
#include "monitor/launch.h"
#include "runtime/container.h"

/*
 * The runtime's side of a container's supervisor: whether it gets one, starting it, its emulated files on the stage, and
 * the filter by which trapped calls reach it. What it does itself: monitor/, notify/, procview/.
 */
struct supervisor {
	bool wanted; /* emulated files are put over the real ones */
	bool traps;  /* its processes' calls are trapped, too */
	struct monitor monitor;
	struct seccomp_program filter; /* owned; n is 0 without traps */
};

#define SUPERVISOR_EMPTY ((struct supervisor){ .monitor = MONITOR_EMPTY })

/*
 * supervisor_decide() - a supervisor is for containers whose processes can mount (CAP_SYS_ADMIN in the bounding set, and a
 * seccomp profile that lets mount(2) through), or that ask for the resource view: by the settings (caisson.resourceView),
 * or with the annotation io.caisson.resource-view=true. Nothing is trapped when the profile has a listener of its own:
 * the kernel allows one for a process.
 */
int supervisor_decide(struct supervisor *s, const struct oci_spec *spec, const struct settings *st, struct err *e);

/* supervisor_wants() - does process @p of a container with seccomp profile @sc need the filter? */
bool supervisor_wants(const struct oci_process *p, const struct oci_seccomp *sc);

/* supervisor_start() - in the host's mount namespace, when the groups exist. @cg is borrowed. */
int supervisor_start(struct supervisor *s, const struct runtime *rt, const char *id, uint32_t base,
		     const struct oci_spec *spec, const struct settings *st, struct cgroup *cg, struct err *e);

/* supervisor_stage() - attach the carriers of the emulated files to the stage, our working directory. */
int supervisor_stage(struct supervisor *s, struct err *e);

/* supervisor_filter() - the filter as a program to load, for a process of a supervised container. */
int supervisor_filter(const struct settings *st, struct seccomp_program *ret, struct err *e);

void supervisor_done(struct supervisor *s);

#endif
