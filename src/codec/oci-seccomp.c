/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "codec/oci-json.h"

/* The "linux.seccomp" object. Names of syscalls, architectures and flags are left to what builds the filter. */

#define ERRNO_MAX UINT16_MAX /* the data field of a filter's return value */

static const struct oci_name actions[] = {
	{ "SCMP_ACT_KILL", 0 },	 { "SCMP_ACT_KILL_PROCESS", 0 }, { "SCMP_ACT_KILL_THREAD", 0 },
	{ "SCMP_ACT_TRAP", 0 },	 { "SCMP_ACT_ERRNO", 0 },	 { "SCMP_ACT_TRACE", 0 },
	{ "SCMP_ACT_ALLOW", 0 }, { "SCMP_ACT_LOG", 0 },		 { "SCMP_ACT_NOTIFY", 0 },
};

static const struct oci_name operators[] = {
	{ "SCMP_CMP_NE", 0 }, { "SCMP_CMP_LT", 0 }, { "SCMP_CMP_LE", 0 },	 { "SCMP_CMP_EQ", 0 },
	{ "SCMP_CMP_GE", 0 }, { "SCMP_CMP_GT", 0 }, { "SCMP_CMP_MASKED_EQ", 0 },
};

static int name_fill(json_t *v, const struct oci_at *at, const char *what, const struct oci_name *t, size_t n,
		     const char **ret, struct err *e)
{
	const char *s;
	int r, unused;

	r = oci_json_str(v, at, &s, e);
	if (r == 0)
		r = oci_json_name(s, at, NULL, what, t, n, &unused, e);
	if (r == 0)
		*ret = s;
	return r;
}

static int action_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	return name_fill(v, at, "seccomp action", actions, ARRAY_SIZE(actions), dst, e);
}

static int op_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	return name_fill(v, at, "comparison", operators, ARRAY_SIZE(operators), dst, e);
}

#define A struct oci_seccomp_arg

static int arg_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_field fields[] = {
		OCI_FIELD(A, UINT, "index", index, .max = 5, .required = true),
		OCI_FIELD(A, UINT, "value", value, .required = true),
		OCI_FIELD(A, UINT, "valueTwo", value_two),
		OCI_FIELD(A, RAW, "op", op, .required = true, .fn = op_fill),
	};

	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), dst, e);
}

#define RULE struct oci_seccomp_rule

static int rule_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	RULE *rule = dst;
	static const struct oci_field fields[] = {
		OCI_FIELD(RULE, STRV, "names", names, .required = true),
		OCI_FIELD(RULE, RAW, "action", action, .required = true, .fn = action_fill),
		OCI_FIELD(RULE, UINT, "errnoRet", errno_ret, .max = ERRNO_MAX, OCI_HAS(RULE, has_errno)),
		OCI_ARRAY(RULE, LIST, "args", args, n_args, arg_fill),
	};
	struct oci_at names = { .up = at, .step = OCI_STEP_MEMBER, .name = "names" };
	int r;

	r = oci_json_fields(v, at, fields, ARRAY_SIZE(fields), rule, e);
	if (r < 0)
		return r;
	if (rule->names.n == 0)
		return oci_fail(&names, e, "must name at least one system call, got an empty array");
	return 0;
}

#define S struct oci_seccomp

int oci_seccomp_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	S *s = dst;
	static const struct oci_field fields[] = {
		OCI_FIELD(S, RAW, "defaultAction", default_action, .required = true, .fn = action_fill),
		OCI_FIELD(S, UINT, "defaultErrnoRet", default_errno, .max = ERRNO_MAX,
			  OCI_HAS(S, has_default_errno)),
		OCI_FIELD(S, STRV, "architectures", architectures),
		OCI_FIELD(S, STRV, "flags", flags),
		OCI_FIELD(S, STR, "listenerPath", listener_path),
		OCI_FIELD(S, STR, "listenerMetadata", listener_metadata),
		OCI_ARRAY(S, LIST, "syscalls", rules, n_rules, rule_fill),
	};

	s->present = true;
	s->json = v;
	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), s, e);
}

void oci_seccomp_done(struct oci_seccomp *s)
{
	for (size_t i = 0; i < s->n_rules; i++) {
		oci_strv_done(&s->rules[i].names);
		free(s->rules[i].args);
	}
	free(s->rules);
	oci_strv_done(&s->architectures);
	oci_strv_done(&s->flags);
	*s = (struct oci_seccomp){ 0 };
}
