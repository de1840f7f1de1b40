/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/capability.h>
#include <string.h>

#include "policy/policy.h"

bool policy_device_listed(const struct settings *st, const char *path)
{
	for (size_t i = 0; i < st->n_devices; i++)
		if (strcmp(st->devices[i].path, path) == 0)
			return true;
	return false;
}

bool policy_is_privileged(const struct oci_spec *s)
{
	const struct oci_resources *r = &s->linux_.resources;
	bool everything = false;

	/* Later rules win: "all, but not this one" is not everything. */
	for (size_t i = 0; i < r->n_devices; i++) {
		const struct oci_device_rule *d = &r->devices[i];

		if (!d->allow)
			everything = false;
		else if (d->type == 'a' && d->major == -1 && d->minor == -1 && d->read && d->write && d->mknod)
			everything = true;
	}
	return everything;
}

bool policy_process_can_mount(const struct oci_process *p)
{
	return p->caps.present && (p->caps.bounding & (UINT64_C(1) << CAP_SYS_ADMIN));
}

bool policy_container_can_mount(const struct oci_spec *s)
{
	return s->has_process && policy_process_can_mount(&s->process);
}
