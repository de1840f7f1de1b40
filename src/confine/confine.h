/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFINE_CONFINE_H
#define CONFINE_CONFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "codec/oci-spec.h"

/*
 * What a process is put under before it runs container code: seccomp, capabilities, ids, LSM labels, scheduling.
 * Preparation ("compile") happens in the runtime process; application happens in the container process itself, with
 * few and known system calls, after clone(): no allocation, no library state, errors as struct err.
 */

/* ---- seccomp ------------------------------------------------------------------------------------------------ */

struct seccomp_program {
	struct sock_filter *insns; /* owned */
	size_t n;		   /* 0: nothing to load */
	unsigned flags;		   /* SECCOMP_FILTER_FLAG_* */
	bool listener;		   /* uses SCMP_ACT_NOTIFY: the filter is loaded with NEW_LISTENER */
};

/*
 * seccomp_compile() - turn linux.seccomp into a program, or take it from the cache. Names and numbers are libseccomp's,
 * the code is ours (why: seccomp-bpf.h). Of several matching rules the most restrictive wins, also over an unconditional one.
 * @cache_dirfd: directory for compiled programs (root only, 0700), or -EBADF. An entry holds the whole key (an injective
 *   encoding of every field that the program depends on + Caisson's and libseccomp's version + architecture) beside the
 *   program and is used only if that key is equal byte for byte; written by rename; a corrupt or foreign entry is
 *   ignored and replaced. At most 64 entries are kept. Entries or directories not owned by root or writable by others
 *   are ignored. Failures of the cache are never failures of the compilation.
 * Unknown system call names are skipped as runc does; unknown actions, operators, flags, architectures are refused by name.
 * Semantics equal runc's: all actions (KILL, KILL_PROCESS, KILL_THREAD, TRAP, ERRNO, TRACE, ALLOW, LOG, NOTIFY), defaultErrnoRet,
 * errnoRet, several conditions on one argument, all flags (TSYNC, LOG, SPEC_ALLOW, WAIT_KILLABLE_RECV), rules equal to the default action are skipped, native arch always
 * included, SCMP_ACT_NOTIFY on write, as the default or without a listenerPath refused (as runc), and, as runc's patched filters do, system calls newer
 * than the highest one in the profile answer ENOSYS instead of the default errno (see runc's "patchbpf"). As the
 * runtime-spec demands and runc does not, an errnoRet with an action that takes none is refused.
 */
int seccomp_compile(const struct oci_seccomp *s, int cache_dirfd, struct seccomp_program *ret, struct err *e);
void seccomp_program_done(struct seccomp_program *p);

/*
 * seccomp_program_load() - load @p into the calling thread. @ret_listener: the notify fd (CLOEXEC) when p->listener, may be NULL otherwise.
 * Needs no_new_privs or CAP_SYS_ADMIN in the current user namespace. No system call but seccomp(2), so nothing that
 * the filter traps happens between its installation and the return.
 */
int seccomp_program_load(const struct seccomp_program *p, int *ret_listener, struct err *e);
/* libseccomp has a function of this name: in a file that needs both, include <seccomp.h> first. */
#ifndef SCMP_VER_MAJOR
#define seccomp_load seccomp_program_load
#endif

/*
 * seccomp_notify_send() - OCI "listenerPath": connect to the unix socket at @path and send the container process state
 * {"ociVersion","fds":["seccompFd"],"pid","metadata","state":{...}} with the fd by SCM_RIGHTS. Runs in the runtime
 * process, which got the listener fd from the container process (pidfd_getfd); @state_json is the OCI state text.
 */
int seccomp_notify_send(const char *path, int listener, pid_t pid, const char *metadata, const char *state_json,
			struct err *e);

/* seccomp_features() - fill lists for `features`: known actions, operators, archs, flags, supported flags of this kernel. New reference. */
json_t *seccomp_features(void);

/* ---- capabilities and ids ----------------------------------------------------------------------------------- */

/* confine_bounding() - drop everything not in caps->bounding from the bounding set. */
int confine_bounding(const struct oci_caps *caps, struct err *e);

/*
 * confine_ids() - setgroups, setgid, setuid to @u keeping capabilities (PR_SET_KEEPCAPS), umask when given.
 * @groups_denied: setgroups is not permitted in this user namespace; additional gids are then refused unless empty.
 */
int confine_ids(const struct oci_user *u, struct err *e);

/*
 * confine_caps() - set permitted, effective, inheritable exactly as @caps says (masked by what the kernel knows), then
 * ambient, as far as it is in both permitted and inheritable (the kernel's rule; the rest is left out, as runc does).
 * Bits that the process does not hold are skipped with no error when the kernel does not know them, and
 * refused otherwise. !caps->present: drop everything.
 */
int confine_caps(const struct oci_caps *caps, struct err *e);

/* ---- scheduling, limits, personality ------------------------------------------------------------------------ */

/* Set on process @pid (0: self) from outside, with host rights: rlimits by prlimit(2). Names the limit on failure. */
int confine_rlimits(pid_t pid, const struct oci_rlimit *v, size_t n, struct err *e);
/*
 * sched_setattr(2), ioprio_set(2), sched_setaffinity(2) on @pid; each only when given. The affinity is the final one of
 * execCPUAffinity: the runtime sets the initial one with confine_cpu_affinity() before the process joins its cgroup.
 */
int confine_scheduling(pid_t pid, const struct oci_process *p, struct err *e);
/* sched_setaffinity(2) on @pid (0: self) with a list as confine_cpulist() reads it. */
int confine_cpu_affinity(pid_t pid, const char *cpus, struct err *e);

#define CONFINE_CPUS_MAX 8192u /* the most that an x86 kernel can be built for */
struct confine_cpus {
	unsigned long bits[CONFINE_CPUS_MAX / (8 * sizeof(unsigned long))];
};
/*
 * confine_cpulist() - read "0-3,7" (untrusted): numbers and ascending ranges, no blanks, no empty element. Pure.
 * Return: 0, -EINVAL for anything else, -ERANGE for a CPU from CONFINE_CPUS_MAX on; *@ret set on success only.
 */
int confine_cpulist(const char *s, struct confine_cpus *ret);
/* personality(2) of the calling process. */
int confine_personality(const struct oci_linux *l, struct err *e);
/* Write @value to <procfd>/<pid>/oom_score_adj; no write when it already has that value. */
int confine_oom_score_adj(int procfd, pid_t pid, int value, struct err *e);

/* ---- LSM ------------------------------------------------------------------------------------------------------ */

/*
 * confine_lsm_check() - in the runtime process: a label for an LSM that this kernel does not run. AppArmor: "unconfined" and ""
 * are no-ops without AppArmor; any other profile there is refused by name, as runc does not silently drop it
 * (Docker sets apparmor_profile only where the kernel has it). SELinux: the same. @sys_fd: O_PATH of /sys.
 */
int confine_lsm_check(const char *apparmor, const char *selinux, struct err *e);
/* confine_lsm_apply() - in the container process, right before exec: write attr/exec below @procfd (a clean procfs of the container's
 * pid namespace; "self/attr/apparmor/exec" with fallback "self/attr/exec"; "exec <profile>"), nothing when NULL or empty. */
int confine_lsm_apply(int procfd, const char *apparmor, const char *selinux, struct err *e);

/* ---- keyring -------------------------------------------------------------------------------------------------- */
/* A new session keyring named "_ses.<id>"; ENOSYS and EDQUOT are reported, ENOSYS ignored. */
int confine_new_keyring(const char *id, struct err *e);

#endif
