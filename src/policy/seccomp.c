/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/policy.h"

static bool is_pass(const char *action)
{
	return strcmp(action, "SCMP_ACT_ALLOW") == 0 || strcmp(action, "SCMP_ACT_LOG") == 0 ||
	       strcmp(action, "SCMP_ACT_NOTIFY") == 0 || strcmp(action, "SCMP_ACT_TRACE") == 0;
}

static bool names(const struct oci_seccomp_rule *rule, const char *name)
{
	for (size_t i = 0; i < rule->names.n; i++)
		if (strcmp(rule->names.v[i], name) == 0)
			return true;
	return false;
}

bool policy_seccomp_lets(const struct oci_seccomp *s, const char *name)
{
	bool refused = false;

	if (!s->present)
		return true;
	for (size_t i = 0; i < s->n_rules; i++) {
		const struct oci_seccomp_rule *rule = &s->rules[i];

		if (!names(rule, name))
			continue;
		if (is_pass(rule->action))
			return true;
		refused |= rule->n_args == 0;
	}
	return !refused && is_pass(s->default_action);
}
