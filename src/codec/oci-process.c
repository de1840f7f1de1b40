/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "codec/oci-json.h"

/* The "process" object. */

/* ------------------------------------------------------------------ capabilities */

/* By number. A newer kernel's capability that is not in here is one that nobody gets. */
static const char *const cap_names[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

int oci_cap_from_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(cap_names); i++)
		if (strcasecmp(name, cap_names[i]) == 0)
			return (int)i;
	return -EINVAL;
}

const char *oci_cap_name(int cap)
{
	return cap >= 0 && (size_t)cap < ARRAY_SIZE(cap_names) ? cap_names[cap] : NULL;
}

static int cap_set_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	uint64_t *set = dst;
	int r;

	r = oci_json_array(v, at, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < json_array_size(v); i++) {
		struct oci_at el = { .up = at, .step = OCI_STEP_ELEMENT, .index = i };
		char q[OCI_QUOTE];
		const char *name;
		int cap;

		r = oci_json_str(json_array_get(v, i), &el, &name, e);
		if (r < 0)
			return r;
		cap = oci_cap_from_name(name);
		if (cap >= 0)
			*set |= UINT64_C(1) << cap;
		else if (strncasecmp(name, "CAP_", 4) != 0)
			return oci_fail(&el, e, "%s is not a capability: names start with CAP_",
					oci_quote(q, name));
	}
	return 0;
}

static int caps_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	struct oci_caps *c = dst;
	static const struct oci_field fields[] = {
		OCI_FIELD(struct oci_caps, RAW, "bounding", bounding, .fn = cap_set_fill),
		OCI_FIELD(struct oci_caps, RAW, "effective", effective, .fn = cap_set_fill),
		OCI_FIELD(struct oci_caps, RAW, "inheritable", inheritable, .fn = cap_set_fill),
		OCI_FIELD(struct oci_caps, RAW, "permitted", permitted, .fn = cap_set_fill),
		OCI_FIELD(struct oci_caps, RAW, "ambient", ambient, .fn = cap_set_fill),
	};

	c->present = true;
	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), c, e);
}

/* ------------------------------------------------------------------ user */

static int gids_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	struct oci_user *u = dst;
	size_t n;
	int r;

	r = oci_json_array(v, at, e);
	if (r < 0)
		return r;
	n = json_array_size(v);
	if (n == 0)
		return 0;
	u->additional_gids = calloc(n, sizeof *u->additional_gids);
	if (!u->additional_gids)
		return err_sys(e, ENOMEM, "additionalGids");
	u->n_additional_gids = n;
	for (size_t i = 0; i < n; i++) {
		struct oci_at el = { .up = at, .step = OCI_STEP_ELEMENT, .index = i };

		r = oci_json_u32(json_array_get(v, i), &el, &u->additional_gids[i], e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int user_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_field fields[] = {
		OCI_FIELD(struct oci_user, UINT, "uid", uid, .required = true),
		OCI_FIELD(struct oci_user, UINT, "gid", gid, .required = true),
		OCI_FIELD(struct oci_user, UINT, "umask", umask, .max = 0777, OCI_HAS(struct oci_user, has_umask)),
		{ .key = "additionalGids", .kind = OCI_RAW, .fn = gids_fill },
	};

	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), dst, e);
}

/* ------------------------------------------------------------------ rlimits */

static const struct oci_name rlimit_names[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};

static int rlimit_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	struct oci_rlimit *l = dst;
	static const struct oci_field fields[] = {
		OCI_FIELD(struct oci_rlimit, STR, "type", name, .required = true),
		OCI_FIELD(struct oci_rlimit, UINT, "soft", soft, .required = true),
		OCI_FIELD(struct oci_rlimit, UINT, "hard", hard, .required = true),
	};
	int r;

	r = oci_json_fields(v, at, fields, ARRAY_SIZE(fields), l, e);
	if (r < 0)
		return r;
	r = oci_json_name(l->name, at, "type", "rlimit", rlimit_names, ARRAY_SIZE(rlimit_names), &l->resource, e);
	if (r < 0)
		return r;
	if (l->soft > l->hard)
		return oci_fail(at, e, "the soft limit %llu is above the hard limit %llu: lower it",
				(unsigned long long)l->soft, (unsigned long long)l->hard);
	return 0;
}

static int check_rlimits(const struct oci_process *p, const struct oci_at *at, struct err *e)
{
	uint32_t seen = 0;

	_Static_assert(RLIM_NLIMITS <= 32, "one bit for each rlimit");
	for (size_t i = 0; i < p->n_rlimits; i++) {
		struct oci_at list = { .up = at, .step = OCI_STEP_MEMBER, .name = "rlimits" };
		struct oci_at el = { .up = &list, .step = OCI_STEP_ELEMENT, .index = i };
		uint32_t bit = 1u << p->rlimits[i].resource;

		if (seen & bit)
			return oci_fail(&el, e, "%s is given twice: remove one", p->rlimits[i].name);
		seen |= bit;
	}
	return 0;
}

/* ------------------------------------------------------------------ scheduling */

#define SCHED_ISO_VALUE 4 /* reserved by the kernel, named by the runtime-spec */

static const struct oci_name sched_policies[] = {
	{ "SCHED_OTHER", SCHED_NORMAL },      { "SCHED_FIFO", SCHED_FIFO },	{ "SCHED_RR", SCHED_RR },
	{ "SCHED_BATCH", SCHED_BATCH },	      { "SCHED_ISO", SCHED_ISO_VALUE }, { "SCHED_IDLE", SCHED_IDLE },
	{ "SCHED_DEADLINE", SCHED_DEADLINE },
};

static const struct oci_name sched_flags[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK },
	{ "SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM },
	{ "SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN },
	{ "SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY },
	{ "SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS },
	{ "SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX },
};

static int sched_policy_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	const char *s;
	int r, policy;

	r = oci_json_str(v, at, &s, e);
	if (r == 0)
		r = oci_json_name(s, at, NULL, "scheduler policy", sched_policies, ARRAY_SIZE(sched_policies),
				  &policy, e);
	if (r < 0)
		return r;
	*(uint32_t *)dst = (uint32_t)policy;
	return 0;
}

static int sched_flags_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	uint64_t *flags = dst;
	int r;

	r = oci_json_array(v, at, e);
	for (size_t i = 0; r == 0 && i < json_array_size(v); i++) {
		struct oci_at el = { .up = at, .step = OCI_STEP_ELEMENT, .index = i };
		const char *s;
		int flag;

		r = oci_json_str(json_array_get(v, i), &el, &s, e);
		if (r == 0)
			r = oci_json_name(s, &el, NULL, "scheduler flag", sched_flags, ARRAY_SIZE(sched_flags),
					  &flag, e);
		if (r == 0)
			*flags |= (uint64_t)flag;
	}
	return r;
}

static int scheduler_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	struct oci_scheduler *s = dst;
	static const struct oci_field fields[] = {
		OCI_FIELD(struct oci_scheduler, RAW, "policy", policy, .required = true, .fn = sched_policy_fill),
		OCI_FIELD(struct oci_scheduler, INT, "nice", nice, .min = -20, .max = 19),
		OCI_FIELD(struct oci_scheduler, INT, "priority", priority, .max = 99),
		OCI_FIELD(struct oci_scheduler, RAW, "flags", flags, .fn = sched_flags_fill),
		OCI_FIELD(struct oci_scheduler, UINT, "runtime", runtime),
		OCI_FIELD(struct oci_scheduler, UINT, "deadline", deadline),
		OCI_FIELD(struct oci_scheduler, UINT, "period", period),
	};

	s->present = true;
	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), s, e);
}

static const struct oci_name io_classes[] = {
	{ "IOPRIO_CLASS_RT", IOPRIO_CLASS_RT },
	{ "IOPRIO_CLASS_BE", IOPRIO_CLASS_BE },
	{ "IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE },
};

static int io_class_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	const char *s;
	int r, io_class;

	r = oci_json_str(v, at, &s, e);
	if (r == 0)
		r = oci_json_name(s, at, NULL, "I/O class", io_classes, ARRAY_SIZE(io_classes), &io_class, e);
	if (r == 0)
		*(int32_t *)dst = io_class;
	return r;
}

static int io_priority_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_field fields[] = {
		OCI_FIELD(struct oci_process, RAW, "class", io_class, .required = true, .fn = io_class_fill),
		OCI_FIELD(struct oci_process, INT, "priority", io_level, .max = 7),
	};

	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), dst, e);
}

static int cpu_list_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	char q[OCI_QUOTE];
	const char *s;
	int r;

	r = oci_json_str(v, at, &s, e);
	if (r < 0 || !*s)
		return r;
	if (!oci_is_cpu_list(s))
		return oci_fail(at, e, "%s is not a list of CPUs: write it like '0-3,7'", oci_quote(q, s));
	*(const char **)dst = s;
	return 0;
}

static int affinity_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_field fields[] = {
		OCI_FIELD(struct oci_process, RAW, "initial", cpu_affinity_initial, .fn = cpu_list_fill),
		OCI_FIELD(struct oci_process, RAW, "final", cpu_affinity_final, .fn = cpu_list_fill),
	};

	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), dst, e);
}

static int console_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_field fields[] = {
		OCI_FIELD(struct oci_process, UINT, "height", console_height),
		OCI_FIELD(struct oci_process, UINT, "width", console_width),
	};

	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), dst, e);
}

/* ------------------------------------------------------------------ the whole */

#define P struct oci_process

int oci_process_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	struct oci_process *p = dst;
	static const struct oci_field fields[] = {
		OCI_FIELD(P, BOOL, "terminal", terminal),
		OCI_INTO("consoleSize", console_fill),
		OCI_FIELD(P, OBJ, "user", user, .fn = user_fill),
		OCI_FIELD(P, STRV, "args", args, .required = true),
		OCI_FIELD(P, STRV, "env", env),
		OCI_FIELD(P, PATH, "cwd", cwd, .required = true),
		OCI_FIELD(P, OBJ, "capabilities", caps, .fn = caps_fill),
		OCI_ARRAY(P, LIST, "rlimits", rlimits, n_rlimits, rlimit_fill),
		OCI_FIELD(P, BOOL, "noNewPrivileges", no_new_privileges),
		OCI_FIELD(P, STR, "apparmorProfile", apparmor_profile),
		OCI_FIELD(P, STR, "selinuxLabel", selinux_label),
		OCI_FIELD(P, INT, "oomScoreAdj", oom_score_adj, .min = -1000, .max = 1000,
			  OCI_HAS(P, has_oom_score_adj)),
		OCI_FIELD(P, OBJ, "scheduler", scheduler, .fn = scheduler_fill),
		OCI_INTO("ioPriority", io_priority_fill, OCI_HAS(P, has_io_priority)),
		OCI_INTO("execCPUAffinity", affinity_fill, OCI_HAS(P, has_exec_cpu_affinity)),
	};
	struct oci_at args = { .up = at, .step = OCI_STEP_MEMBER, .name = "args" };
	int r;

	r = oci_json_fields(v, at, fields, ARRAY_SIZE(fields), p, e);
	if (r < 0)
		return r;
	if (p->args.n == 0)
		return oci_fail(&args, e, "must name the program to run, got an empty array");
	return check_rlimits(p, at, e);
}

int oci_process_parse(const char *buf, size_t len, struct oci_process *ret, struct err *e)
{
	static const struct oci_at at = { .step = OCI_STEP_DOC, .name = "process.json" };
	struct oci_process p = { 0 };
	int r;

	r = oci_json_load(at.name, buf, len, &p.json, e);
	if (r == 0)
		r = oci_process_fill(p.json, &at, &p, e);
	if (r < 0) {
		oci_process_done(&p);
		return r;
	}
	*ret = p;
	return 0;
}

void oci_process_done(struct oci_process *p)
{
	free(p->user.additional_gids);
	oci_strv_done(&p->args);
	oci_strv_done(&p->env);
	free(p->rlimits);
	json_decref(p->json);
	*p = (struct oci_process){ 0 };
}
