/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "codec/oci-spec.h"
#include "codec/settings.h"

/* Pure rules over the parsed spec. Return 0 or -EPERM/-EINVAL/-ENOTSUP with the text that the user sees. */

/*
 * policy_namespaces() - E26-E32: pid, ipc, uts, network must be present in the spec (not shared with the host).
 * Text M1 for any of pid/ipc/uts/mount (all missing ones in one list), M2 when only network is missing:
 *   error in the container spec: invalid or unsupported container spec: sysbox containers can't share namespaces [pid ipc] with the host (because they use the linux user-namespace for isolation)
 *   error in the container spec: invalid or unsupported container spec: sysbox containers can't share a network namespace with the host (because they use the linux user-namespace for isolation)
 * (a path that *is* the host's namespace is found out by the runtime with the inode; it uses policy_namespaces_host() for the same text).
 */
int policy_namespaces(const struct oci_spec *s, struct err *e);
int policy_namespaces_host(const bool host[OCI_NS_COUNT], struct err *e);

/*
 * policy_sysctl() - only namespaced ones, and only if the container has that namespace of its own or joins a container's:
 * kernel.{domainname,hostname (refused: use hostname), msgmax,msgmnb,msgmni,sem,shmall,shmmax,shmmni,shm_rmid_forced}, fs.mqueue.*, net.*, user.* ; key in either "a.b" or "a/b" form.
 * Anything else: refused by name with the cure.
 */
int policy_sysctl(const struct oci_spec *s, struct err *e);

/*
 * policy_sysctl_path() - @key as a path below /proc/sys: the first separator decides which one separates, so
 * "net.ipv4.conf.eth0/1.forwarding" and "net/ipv4/conf/eth0.1/forwarding" are the same file. Whoever writes a sysctl
 * uses this, so that what was judged is what is written. Return: 0, -EINVAL (empty, "." or ".." component,
 * blanks, control characters, too long for @ret).
 */
int policy_sysctl_path(const char *key, char *ret, size_t size);

/*
 * policy_root_path() - may the directory @path (canonical, absolute) be a container's root file system (A154)? Engines and bundles
 * have them in directories of their own; /, /etc, /usr, /var and the like are refused: ids are mapped so that the
 * container's root writes there as root.
 */
int policy_root_path(const char *path, struct err *e);

/* policy_device_listed() - is the host device node @path in settings (allowedDevices)? */
bool policy_device_listed(const struct settings *st, const char *path);

/*
 * policy_is_privileged() - the engine's --privileged: linux.resources.devices allows everything (type a, any:any, rwm). Then
 * host devices in linux.devices are dropped (E21) instead of refused.
 */
bool policy_is_privileged(const struct oci_spec *s);

/* policy_container_can_mount() - CAP_SYS_ADMIN in the bounding set. */
bool policy_container_can_mount(const struct oci_spec *s);
bool policy_process_can_mount(const struct oci_process *p);

/*
 * policy_seccomp_lets() - may the system call @name get past the profile for some arguments? (No profile: yes.) For deciding
 * whether something is needed, never for deciding whether something is safe.
 */
bool policy_seccomp_lets(const struct oci_seccomp *s, const char *name);

#endif
