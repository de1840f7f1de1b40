/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/policy.h"

/* Trees that are the host's own, with everything in them. */
static const char *const system_trees[] = {
	"/etc", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/boot", "/dev", "/proc", "/sys",
};

/* Directories that containers' root file systems lie in, but that are none themselves. */
static const char *const system_directories[] = {
	"/",
	"/root",
	"/home",
	"/var",
	"/var/lib",
	"/var/tmp",
	"/var/run",
	"/var/log",
	"/var/cache",
	"/var/spool",
	"/run",
	"/tmp",
	"/opt",
	"/srv",
	"/mnt",
	"/media",
	"/run/docker",
	"/var/lib/docker",
	"/run/containerd",
	"/var/lib/containerd",
	"/var/lib/containers",
	"/run/containers",
	"/var/lib/kubelet",
	"/run/caisson",
};

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

int policy_root_path(const char *path, struct err *e)
{
	bool system = false;

	for (size_t i = 0; i < ARRAY_SIZE(system_trees); i++)
		system |= is_below(path, system_trees[i]);
	for (size_t i = 0; i < ARRAY_SIZE(system_directories); i++)
		system |= strcmp(path, system_directories[i]) == 0;
	if (system)
		return err_set(
			e, EPERM,
			"root.path: %s is a directory of the host's own and cannot be a container's root file system: what "
			"the container writes there would be root's; give it a directory of its own",
			path);
	return 0;
}
