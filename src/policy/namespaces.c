/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/policy.h"

/* Documentation and scripts quote these texts (they match on "can't share"), the old name of the
 * runtime included. */
#define SPEC_ERROR                                                                               \
	"error in the container spec: invalid or unsupported container spec: sysbox containers " \
	"can't share "
#define BECAUSE " with the host (because they use the linux user-namespace for isolation)"

/* Not here: user and cgroup, which the container gets in any case (E9, E30), and time, where the
 * host's is the default. */
static const enum oci_ns required[] = { OCI_NS_PID, OCI_NS_IPC, OCI_NS_UTS, OCI_NS_MOUNT, OCI_NS_NETWORK };

int policy_namespaces_host(const bool host[OCI_NS_COUNT], struct err *e)
{
	char names[64] = "";
	size_t n = 0, len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(required); i++) {
		int w;

		if (!host[required[i]])
			continue;
		w = snprintf(names + len, sizeof names - len, "%s%s", n > 0 ? " " : "", oci_ns_name(required[i]));
		if (w > 0 && (size_t)w < sizeof names - len)
			len += (size_t)w;
		n++;
	}
	if (n == 0)
		return 0;
	if (n == 1 && host[OCI_NS_NETWORK])
		return err_set(e, EPERM, SPEC_ERROR "a network namespace" BECAUSE);
	return err_set(e, EPERM, SPEC_ERROR "namespaces [%s]" BECAUSE, names);
}

int policy_namespaces(const struct oci_spec *s, struct err *e)
{
	bool host[OCI_NS_COUNT] = { false };

	for (size_t i = 0; i < ARRAY_SIZE(required); i++)
		host[required[i]] = !s->linux_.ns[required[i]].present;
	return policy_namespaces_host(host, e);
}
