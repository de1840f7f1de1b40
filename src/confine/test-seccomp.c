/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/test-bpf.h" /* includes <seccomp.h>, which has to come before confine.h */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "confine/confine.h"
#include "confine/seccomp-cache.h"
#include "confine/test-profile.h"

#define SMALL                                                                      \
	.present = true, .default_action = "SCMP_ACT_ERRNO", .rules = small_rules, \
	.n_rules = ARRAY_SIZE(small_rules)

static struct oci_seccomp_rule small_rules[] = {
	{ .names = STRV("read", "write", "exit_group"), .action = "SCMP_ACT_ALLOW" },
};

/* Every operator with values around the 32-bit border, and every action. */
static struct oci_seccomp_rule operator_rules[] = {
	{ .names = STRV("read"), .action = "SCMP_ACT_KILL_PROCESS", ARGS({ 0, 7, 0, "SCMP_CMP_EQ" }) },
	{ .names = STRV("lseek"), .action = "SCMP_ACT_TRAP", ARGS({ 1, 0x100000005, 0, "SCMP_CMP_NE" }) },
	{ .names = STRV("mmap"), .action = "SCMP_ACT_LOG", ARGS({ 2, 0x200000003, 0, "SCMP_CMP_LT" }) },
	{ .names = STRV("mprotect"), .action = "SCMP_ACT_TRACE", ARGS({ 3, 0xffffffff, 0, "SCMP_CMP_LE" }) },
	{ .names = STRV("ioctl"),
	  .action = "SCMP_ACT_ERRNO",
	  .has_errno = true,
	  .errno_ret = 4095,
	  ARGS({ 4, 0x80000000, 0, "SCMP_CMP_GE" }) },
	{ .names = STRV("fcntl"), .action = "SCMP_ACT_KILL", ARGS({ 5, 0xfffffffffffffffe, 0, "SCMP_CMP_GT" }) },
	{ .names = STRV("fchmod"),
	  .action = "SCMP_ACT_KILL_THREAD",
	  ARGS({ 1, 0xf00000f0, 0x50000050, "SCMP_CMP_MASKED_EQ" }) },
	{ .names = STRV("open", "openat"),
	  .action = "SCMP_ACT_ERRNO",
	  ARGS({ 0, 3, 0, "SCMP_CMP_EQ" }, { 1, 5, 0, "SCMP_CMP_GT" }, { 2, 0x3, 0x1, "SCMP_CMP_MASKED_EQ" }) },
	{ .names = STRV("dup2"), .action = "SCMP_ACT_TRACE", .has_errno = true, .errno_ret = 65535 },
	{ .names = STRV("chmod"), .action = "SCMP_ACT_NOTIFY" },
	{ .names = STRV("kill"),
	  .action = "SCMP_ACT_ERRNO",
	  ARGS({ 0, 3, 0, "SCMP_CMP_EQ" }, { 0, 9, 0, "SCMP_CMP_EQ" }, { 1, 2, 0, "SCMP_CMP_EQ" }) },
};

static struct oci_seccomp_rule socket_rules[] = {
	{ .names = STRV("socketcall", "futex_waitv"), .action = "SCMP_ACT_ALLOW" },
	{ .names = STRV("socket"),
	  .action = "SCMP_ACT_ERRNO",
	  .has_errno = true,
	  .errno_ret = EINVAL,
	  ARGS({ 0, 16, 0, "SCMP_CMP_EQ" }, { 2, 9, 0, "SCMP_CMP_EQ" }) },
	{ .names = STRV("socket"), .action = "SCMP_ACT_ALLOW", ARGS({ 2, 9, 0, "SCMP_CMP_NE" }) },
	{ .names = STRV("socket"), .action = "SCMP_ACT_ALLOW", ARGS({ 0, 16, 0, "SCMP_CMP_NE" }) },
};

/* Several rules for one call that overlap or contradict each other, and what libseccomp's tree gets wrong. */
static struct oci_seccomp_rule overlapping_rules[] = {
	{ .names = STRV("read"),
	  .action = "SCMP_ACT_ALLOW",
	  ARGS({ 0, 2, 0, "SCMP_CMP_EQ" }, { 1, 3, 0, "SCMP_CMP_NE" }) },
	{ .names = STRV("read"),
	  .action = "SCMP_ACT_ALLOW",
	  ARGS({ 0, 1, 0, "SCMP_CMP_NE" }, { 2, 3, 0, "SCMP_CMP_EQ" }) },
	{ .names = STRV("close"),
	  .action = "SCMP_ACT_ALLOW",
	  ARGS({ 0, 3, 0, "SCMP_CMP_NE" }, { 1, 1, 0, "SCMP_CMP_NE" }) },
	{ .names = STRV("close"),
	  .action = "SCMP_ACT_ALLOW",
	  ARGS({ 0, 3, 0, "SCMP_CMP_NE" }, { 2, 2, 0, "SCMP_CMP_NE" }) },
	{ .names = STRV("stat"),
	  .action = "SCMP_ACT_ALLOW",
	  ARGS({ 2, 0x122485b, 0, "SCMP_CMP_LT" }, { 2, 0x1936c2b8994063, 0, "SCMP_CMP_LT" }) },
	{ .names = STRV("brk", "socket", "shmat"), .action = "SCMP_ACT_ALLOW" },
	{ .names = STRV("brk", "socket", "shmat"), .action = "SCMP_ACT_KILL", ARGS({ 0, 5, 0, "SCMP_CMP_EQ" }) },
	{ .names = STRV("dup"), .action = "SCMP_ACT_TRAP", ARGS({ 0, 2, 0, "SCMP_CMP_GT" }) },
	{ .names = STRV("dup"), .action = "SCMP_ACT_ALLOW", ARGS({ 0, 4, 0, "SCMP_CMP_EQ" }) },
	{ .names = STRV("dup"),
	  .action = "SCMP_ACT_ERRNO",
	  .has_errno = true,
	  .errno_ret = 5,
	  ARGS({ 0, 1, 0, "SCMP_CMP_EQ" }) },
	{ .names = STRV("dup"),
	  .action = "SCMP_ACT_ERRNO",
	  .has_errno = true,
	  .errno_ret = 6,
	  ARGS({ 0, 1, 0, "SCMP_CMP_LE" }) },
	{ .names = STRV("accept", "recvmmsg", "semop", "socketcall"), .action = "SCMP_ACT_LOG" },
};

static struct oci_seccomp_rule allow_all_rules[] = {
	{ .names = { default_allowed, ARRAY_SIZE(default_allowed) }, .action = "SCMP_ACT_ERRNO" },
};

static const struct {
	const char *what;
	struct oci_seccomp s;
} profiles[] = {
	{ "small, native only", { SMALL } },
	{ "small, x86-64", { SMALL, .architectures = STRV("SCMP_ARCH_X86_64") } },
	{ "small, x86", { SMALL, .architectures = STRV("SCMP_ARCH_X86") } },
	{ "small, x32", { SMALL, .architectures = STRV("SCMP_ARCH_X32") } },
	{ "small, x32 first",
	  { SMALL, .architectures = STRV("SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64") } },
	{ "small, foreign", { SMALL, .architectures = STRV("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM") } },
	{ "small, default ENOSYS", { SMALL, .has_default_errno = true, .default_errno = ENOSYS } },
	{ "small, default 99", { SMALL, .has_default_errno = true, .default_errno = 99 } },
	{ "operators over allow",
	  { .present = true,
	    .default_action = "SCMP_ACT_ALLOW",
	    .rules = operator_rules,
	    .n_rules = ARRAY_SIZE(operator_rules),
	    .listener_path = "/run/agent",
	    .architectures = STRV("SCMP_ARCH_X86", "SCMP_ARCH_X32") } },
	{ "operators over kill",
	  { .present = true,
	    .default_action = "SCMP_ACT_KILL",
	    .rules = operator_rules,
	    .n_rules = ARRAY_SIZE(operator_rules),
	    .listener_path = "/run/agent",
	    .architectures = STRV("SCMP_ARCH_X86", "SCMP_ARCH_X32") } },
	{ "disjoint socket rules",
	  { .present = true,
	    .default_action = "SCMP_ACT_ERRNO",
	    .rules = socket_rules,
	    .n_rules = ARRAY_SIZE(socket_rules) } },
	{ "overlapping, deny",
	  { .present = true,
	    .default_action = "SCMP_ACT_ERRNO",
	    .rules = overlapping_rules,
	    .n_rules = ARRAY_SIZE(overlapping_rules),
	    .architectures = STRV("SCMP_ARCH_X86", "SCMP_ARCH_X32") } },
	{ "overlapping, log",
	  { .present = true,
	    .default_action = "SCMP_ACT_LOG",
	    .rules = overlapping_rules,
	    .n_rules = ARRAY_SIZE(overlapping_rules),
	    .architectures = STRV("SCMP_ARCH_X86", "SCMP_ARCH_X32") } },
	{ "only multiplexed names",
	  { .present = true,
	    .default_action = "SCMP_ACT_ERRNO",
	    .rules = (struct oci_seccomp_rule[]){ { .names = STRV("accept", "semop"),
						    .action = "SCMP_ACT_ALLOW" } },
	    .n_rules = 1,
	    .architectures = STRV("SCMP_ARCH_X86") } },
	{ "no rules, allow", { .present = true, .default_action = "SCMP_ACT_ALLOW" } },
	{ "no rules, log", { .present = true, .default_action = "SCMP_ACT_LOG" } },
	{ "no rules, trap", { .present = true, .default_action = "SCMP_ACT_TRAP" } },
	{ "a deny list of hundreds",
	  { .present = true,
	    .default_action = "SCMP_ACT_ALLOW",
	    .rules = allow_all_rules,
	    .n_rules = ARRAY_SIZE(allow_all_rules),
	    .architectures = STRV("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32") } },
};

static size_t compared;

static void same_verdict(const char *what, const struct seccomp_program *p, const struct rules *r,
			 const struct seccomp_data *d)
{
	int64_t want = rules_verdict(r, d), got = bpf_run(p->insns, p->n, d);

	if (got != want)
		fail_msg("%s: arch %x nr %x args %llx %llx %llx %llx %llx %llx: want %llx, got %llx", what,
			 d->arch, (unsigned)d->nr, d->args[0], d->args[1], d->args[2], d->args[3], d->args[4],
			 d->args[5], (long long)want, (long long)got);
	compared++;
}

/* Whether arguments can matter: other calls are tried with two sets of them only. */
static bool has_conditions(const struct oci_seccomp *s, const struct seccomp_data *d)
{
	uint32_t nr = (uint32_t)d->nr;
	size_t abi = d->arch == AUDIT_ARCH_I386 ? 1 : (nr & X32) ? 2 : 0;
	const char *name = name_of(abi, nr & ~X32);

	if (d->nr % 64 == 0)
		return true; /* a sample of the others */
	for (size_t i = 0; name && i < s->n_rules; i++)
		if (s->rules[i].n_args > 0 && strv_has(&s->rules[i].names, name))
			return true;
	return false;
}

/* Around each value of each condition; the arguments before it keep their last value. */
static void same_verdict_for_arguments(const char *what, const struct seccomp_program *p, const struct rules *r,
				       struct seccomp_data *d)
{
	bool wide = d->arch != AUDIT_ARCH_I386; /* the kernel gives a 32-bit caller's registers, nothing above */

	for (size_t i = 0; has_conditions(r->s, d) && i < r->s->n_rules; i++)
		for (size_t k = 0; k < r->s->rules[i].n_args; k++) {
			const struct oci_seccomp_arg *a = &r->s->rules[i].args[k];
			const uint64_t near[] = { a->value,
						  a->value - 1,
						  a->value + 1,
						  a->value ^ (UINT64_C(1) << 32),
						  a->value ^ (UINT64_C(1) << 63),
						  a->value_two,
						  ~a->value,
						  a->value | 0x101,
						  (a->value & 0xffffffff) | UINT64_C(0x700000000) };

			for (size_t n = 0; n < ARRAY_SIZE(near); n++) {
				uint64_t v = wide ? near[n] : near[n] & UINT32_MAX;

				d->args[a->index] = v;
				same_verdict(what, p, r, d);
			}
		}
}

/* What is behind the multiplexed calls of i386. */
static void same_verdict_for_selectors(const char *what, const struct seccomp_program *p, const struct rules *r,
				       struct seccomp_data *d)
{
	if (d->arch != AUDIT_ARCH_I386 || (d->nr != 102 && d->nr != 117))
		return;
	for (unsigned i = 0; i < 30; i++) {
		d->args[0] = i;
		same_verdict(what, p, r, d);
		d->args[0] = i | 1u << 16;
		same_verdict(what, p, r, d);
	}
}

static void same_verdict_everywhere(const char *what, const struct oci_seccomp *s)
{
	static const uint32_t arches[] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_PPC64LE, 0 };
	static const uint32_t odd[] = { 0x3fffffff, 0x7fffffff, 0x80000000, 0xbfffffff, 0xfffffffe, 0xffffffff };
	_cleanup_(seccomp_program_done) struct seccomp_program p = { 0 };
	struct err e = { 0 };
	struct rules r;

	if (seccomp_compile(s, -EBADF, &p, &e) < 0)
		fail_msg("%s: %s", what, e.msg);
	rules_init(&r, s);
	for (size_t a = 0; a < ARRAY_SIZE(arches); a++)
		for (uint32_t i = 0; i < 2 * 600 + ARRAY_SIZE(odd); i++) {
			uint32_t nr = i < 600 ? i : i < 1200 ? (i - 600) | X32 : odd[i - 1200];
			struct seccomp_data d = { .nr = (int)nr, .arch = arches[a] };

			same_verdict(what, &p, &r, &d);
			same_verdict_for_selectors(what, &p, &r, &d);
			same_verdict_for_arguments(what, &p, &r, &d);
			memset(d.args, 0xff, sizeof d.args);
			same_verdict(what, &p, &r, &d);
		}
}

static void the_program_says_what_the_rules_say(void **state)
{
	(void)state;
	compared = 0;
	for (size_t i = 0; i < ARRAY_SIZE(profiles); i++)
		same_verdict_everywhere(profiles[i].what, &profiles[i].s);
	same_verdict_everywhere("default", &default_profile);
	assert_true(compared > 150000);
}

static uint64_t rnd(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* Few names, many rules: overlaps are the rule. Fixed seed: a failure can be repeated. */
static void random_profiles_say_what_their_rules_say(void **state)
{
	static const char *const acts[] = { "SCMP_ACT_ALLOW",	     "SCMP_ACT_ERRNO", "SCMP_ACT_KILL",
					    "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_LOG",   "SCMP_ACT_TRACE",
					    "SCMP_ACT_TRAP" };
	static const char *const ops[] = { "SCMP_CMP_EQ", "SCMP_CMP_NE", "SCMP_CMP_LT",	      "SCMP_CMP_LE",
					   "SCMP_CMP_GT", "SCMP_CMP_GE", "SCMP_CMP_MASKED_EQ" };
	static const char *abis[] = { "SCMP_ARCH_X86", "SCMP_ARCH_X32" };
	static const char *calls[] = { "read", "write", "openat", "close", "stat", "socket", "accept", "shmat",
				       "brk",  "ioctl", "execve", "exit",  "kill", "clone3", "setns",  "futex" };
	enum { RULES = 48 };
	uint64_t x = 88172645463325252;

	(void)state;
	for (int round = 0; round < 40; round++) {
		struct oci_seccomp_rule rules[RULES] = { 0 };
		struct oci_seccomp_arg args[RULES][3] = { 0 };
		struct oci_seccomp s = { .present = true, .rules = rules };

		s.default_action = acts[rnd(&x) % ARRAY_SIZE(acts)];
		s.architectures = (struct oci_strv){ abis, rnd(&x) % 3 };
		while (s.n_rules < RULES) {
			struct oci_seccomp_rule *r = &rules[s.n_rules];
			size_t first = rnd(&x) % 4;

			r->names = (struct oci_strv){ &calls[rnd(&x) % ARRAY_SIZE(calls)], 1 };
			r->action = acts[rnd(&x) % ARRAY_SIZE(acts)];
			r->args = args[s.n_rules++];
			r->n_args = rnd(&x) % 4;
			for (size_t k = 0; k < r->n_args; k++)
				r->args[k] = (struct oci_seccomp_arg){
					.index = (uint32_t)(rnd(&x) % 8 == 0 ? first : first + k),
					.value = rnd(&x) >> (rnd(&x) % 64),
					.value_two = rnd(&x) >> (rnd(&x) % 64),
					.op = ops[rnd(&x) % ARRAY_SIZE(ops)],
				};
		}
		char what[32];

		(void)snprintf(what, sizeof what, "random %d", round);
		same_verdict_everywhere(what, &s);
	}
}

static void calls_newer_than_the_profile_do_not_exist(void **state)
{
	static const struct {
		uint32_t arch, nr;
		uint32_t want;
	} rows[] = {
		{ AUDIT_ARCH_X86_64, 39, SECCOMP_RET_ALLOW },	       /* getpid */
		{ AUDIT_ARCH_X86_64, 165, SECCOMP_RET_ERRNO | EPERM }, /* mount: known and not allowed */
		{ AUDIT_ARCH_X86_64, 435, SECCOMP_RET_ERRNO | ENOSYS },
		{ AUDIT_ARCH_X86_64, 449, SECCOMP_RET_ALLOW }, /* futex_waitv, the newest that the profile names */
		{ AUDIT_ARCH_X86_64, 450, SECCOMP_RET_ERRNO | ENOSYS },
		{ AUDIT_ARCH_X86_64, 4000, SECCOMP_RET_ERRNO | ENOSYS },
		{ AUDIT_ARCH_I386, 20, SECCOMP_RET_ALLOW },
		{ AUDIT_ARCH_I386, 21, SECCOMP_RET_ERRNO | EPERM },
		{ AUDIT_ARCH_I386, 450, SECCOMP_RET_ERRNO | ENOSYS },
		{ AUDIT_ARCH_X86_64, 39 | X32, SECCOMP_RET_ALLOW },
		{ AUDIT_ARCH_X86_64, 165 | X32, SECCOMP_RET_ERRNO | EPERM },
		{ AUDIT_ARCH_X86_64, 4000 | X32, SECCOMP_RET_ERRNO | ENOSYS },
		{ AUDIT_ARCH_AARCH64, 39, SECCOMP_RET_KILL_THREAD },
	};
	_cleanup_(seccomp_program_done) struct seccomp_program p = { 0 };

	(void)state;
	assert_int_equal(seccomp_compile(&default_profile, -EBADF, &p, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct seccomp_data d = { .nr = (int)rows[i].nr, .arch = rows[i].arch };

		assert_int_equal(bpf_run(p.insns, p.n, &d), rows[i].want);
	}
}

static void what_nobody_knows_is_refused_by_name(void **state)
{
#define RULE(...) .rules = (struct oci_seccomp_rule[]){ { __VA_ARGS__ } }, .n_rules = 1
#define BASE	  .present = true, .default_action = "SCMP_ACT_ERRNO"
	const struct {
		struct oci_seccomp s;
		const char *text;
	} rows[] = {
		{ { .present = true, .default_action = "SCMP_ACT_MAYBE" }, "SCMP_ACT_MAYBE" },
		{ { .present = true }, "defaultAction" },
		{ { .present = true, .default_action = "SCMP_ACT_NOTIFY" }, "cannot be the default" },
		{ { BASE, .has_default_errno = true, .default_errno = 4096 }, "4096" },
		{ { .present = true, .default_action = "SCMP_ACT_ALLOW", .has_default_errno = true },
		  "takes no errnoRet" },
		{ { BASE, .architectures = STRV("SCMP_ARCH_Z80") }, "SCMP_ARCH_Z80" },
		{ { BASE, .architectures = STRV("SCMP_ARCH_LOONGARCH64") }, "libseccomp 2." },
		{ { BASE, .architectures = STRV("SCMP_ARCH_PPC") }, "cannot run here" }, /* big endian */
		{ { BASE, .flags = STRV("SECCOMP_FILTER_FLAG_FAST") }, "SECCOMP_FILTER_FLAG_FAST" },
		{ { BASE, RULE(.names = STRV("read"), .action = "SCMP_ACT_DENY") },
		  "syscalls[0]: unknown action 'SCMP_ACT_DENY'" },
		{ { BASE, RULE(.names = STRV("no_such_call"), .action = "ALLOW") }, "'ALLOW'" },
		{ { BASE, RULE(.names = STRV(""), .action = "SCMP_ACT_ALLOW") }, "names[0]" },
		{ { BASE,
		    RULE(.names = STRV("read"), .action = "SCMP_ACT_ALLOW", ARGS({ 0, 0, 0, "SCMP_CMP_IS" })) },
		  "SCMP_CMP_IS" },
		{ { BASE,
		    RULE(.names = STRV("read"), .action = "SCMP_ACT_ALLOW", ARGS({ 6, 0, 0, "SCMP_CMP_EQ" })) },
		  "args[0].index: 6" },
		{ { BASE, .listener_path = "/x",
		    RULE(.names = STRV("read", "write"), .action = "SCMP_ACT_NOTIFY") },
		  "cannot be used for write" },
		{ { BASE, RULE(.names = STRV("read"), .action = "SCMP_ACT_NOTIFY") }, "listenerPath" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct seccomp_program p = { .n = 77 };
		struct err e = { 0 };

		if (seccomp_compile(&rows[i].s, -EBADF, &p, &e) >= 0 || !strstr(e.msg, rows[i].text))
			fail_msg("row %zu: '%s' lacks '%s'", i, e.msg, rows[i].text);
		assert_int_equal(p.n, 77); /* outputs are written on success only */
	}
}

static void flags_become_the_kernels(void **state)
{
	struct oci_seccomp s = { SMALL, .flags = STRV("SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
						      "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
						      "SECCOMP_FILTER_FLAG_TSYNC") };
	struct oci_seccomp_rule notify = { .names = STRV("chmod"), .action = "SCMP_ACT_NOTIFY" };
	struct seccomp_program p;

	(void)state;
	assert_int_equal(seccomp_compile(&s, -EBADF, &p, NULL), 0);
	assert_int_equal(p.flags,
			 SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_TSYNC);
	assert_false(p.listener);
	seccomp_program_done(&p);
	s.rules = &notify;
	s.n_rules = 1;
	s.listener_path = "/x";
	assert_int_equal(seccomp_compile(&s, -EBADF, &p, NULL), 0);
	assert_int_equal(p.flags, SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW |
					  SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH |
					  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	assert_true(p.listener);
	seccomp_program_done(&p);
	s.present = false;
	assert_int_equal(seccomp_compile(&s, -EBADF, &p, NULL), 0);
	assert_int_equal(p.n, 0);
	assert_int_equal(seccomp_program_load(&p, NULL, NULL), 0);
}

/* ---- the cache ---- */

struct cache {
	char dir[32];
	int fd;
};

static int cache_setup(void **state)
{
	static struct cache c;

	memcpy(c.dir, "/tmp/caisson-test-XXXXXX", 25);
	if (!mkdtemp(c.dir))
		return -1;
	c.fd = open(c.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &c;
	return c.fd < 0 ? -1 : 0;
}

/* The name of the only entry, or the number of entries when @name is NULL. */
static size_t cache_list(const struct cache *c, char *name, size_t size)
{
	_cleanup_closedir_ DIR *d = opendir(c->dir);
	struct dirent *de;
	size_t n = 0;

	assert_non_null(d);
	while ((de = readdir(d)))
		if (de->d_name[0] != '.' || strlen(de->d_name) > 2) {
			n++;
			if (name)
				assert_true((size_t)snprintf(name, size, "%s", de->d_name) < size);
		}
	return n;
}

static int cache_teardown(void **state)
{
	struct cache *c = *state;
	char name[64];

	while (cache_list(c, name, sizeof name) > 0)
		(void)unlinkat(c->fd, name, 0);
	c->fd = fd_close(c->fd);
	return rmdir(c->dir);
}

static bool same_program(const struct seccomp_program *a, const struct seccomp_program *b)
{
	return a->n == b->n && a->flags == b->flags && a->listener == b->listener &&
	       memcmp(a->insns, b->insns, a->n * sizeof *a->insns) == 0;
}

static void the_cache_returns_the_same_program(void **state)
{
	struct cache *c = *state;
	_cleanup_(seccomp_program_done) struct seccomp_program a = { 0 }, b = { 0 }, d = { 0 };
	_cleanup_(seccomp_key_done) struct seccomp_key k = { 0 };
	char name[64];
	struct stat st;

	assert_int_equal(seccomp_compile(&default_profile, -EBADF, &a, NULL), 0);
	assert_int_equal(seccomp_compile(&default_profile, c->fd, &b, NULL), 0);
	assert_int_equal(cache_list(c, name, sizeof name), 1);
	assert_int_equal(fstatat(c->fd, name, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(seccomp_compile(&default_profile, c->fd, &d, NULL), 0);
	assert_true(same_program(&a, &b) && same_program(&a, &d));
	/* What is found is what was stored: a changed key under the same name is not found. */
	assert_int_equal(seccomp_key_make(&default_profile, "another tool", &k), 0);
	assert_int_equal(sscanf(name, "%lx", &k.hash), 1);
	seccomp_program_done(&d);
	assert_int_equal(seccomp_cache_get(c->fd, &k, &d), 0);
}

/* Overwrites the only entry in place, so that owner and name stay. */
static void damage(const struct cache *c, const char *name, off_t at, const void *buf, size_t len)
{
	_cleanup_close_ int fd = openat(c->fd, name, O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, buf, len, at), len);
}

static void a_damaged_entry_is_replaced(void **state)
{
	struct cache *c = *state;
	_cleanup_(seccomp_program_done) struct seccomp_program good = { 0 };
	_cleanup_free_ char *whole = NULL;
	char name[64];
	size_t len;

	assert_int_equal(seccomp_compile(&profiles[0].s, c->fd, &good, NULL), 0);
	assert_int_equal(cache_list(c, name, sizeof name), 1);
	assert_int_equal(io_read_at(c->fd, name, 1 << 20, &whole, &len), 0);
	/* Every single byte matters, and so does the length. */
	for (size_t at = 0; at < len + 3; at++) {
		_cleanup_(seccomp_program_done) struct seccomp_program p = { 0 };
		_cleanup_free_ char *now = NULL;
		char bad = at < len ? (char)(whole[at] ^ 0x10) : 0;
		size_t now_len;

		if (at <= len)
			damage(c, name, (off_t)at, &bad, 1);
		else {
			_cleanup_close_ int fd = openat(c->fd, name, O_WRONLY | O_CLOEXEC);

			assert_int_equal(ftruncate(fd, at == len + 1 ? 0 : (off_t)len - 8), 0);
		}
		assert_int_equal(seccomp_compile(&profiles[0].s, c->fd, &p, NULL), 0);
		assert_true(same_program(&p, &good));
		assert_int_equal(io_read_at(c->fd, name, 1 << 20, &now, &now_len), 0);
		assert_true(now_len == len && memcmp(now, whole, len) == 0);
	}
}

/* A filter that allows everything, stored under the right name with the right key by the wrong hand. */
static void entries_of_others_are_ignored(void **state)
{
	struct cache *c = *state;
	static const struct {
		uid_t uid;
		mode_t file, dir;
		int found;
	} rows[] = {
		{ 0, 0600, 0700, 1 }, { 65534, 0600, 0700, 0 }, { 0, 0620, 0700, 0 },
		{ 0, 0602, 0700, 0 }, { 0, 0600, 0770, 0 },	{ 0, 0600, 0707, 0 },
	};
	_cleanup_(seccomp_key_done) struct seccomp_key k = { 0 };
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	const struct seccomp_program evil = { .insns = &allow, .n = 1 };
	char name[64];

	if (geteuid() != 0)
		skip();
	assert_int_equal(seccomp_key_make(&profiles[0].s, "tool", &k), 0);
	seccomp_cache_put(c->fd, &k, &evil);
	assert_int_equal(cache_list(c, name, sizeof name), 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(seccomp_program_done) struct seccomp_program p = { 0 };

		assert_int_equal(fchownat(c->fd, name, rows[i].uid, 0, 0), 0);
		assert_int_equal(fchmodat(c->fd, name, rows[i].file, 0), 0);
		assert_int_equal(fchmod(c->fd, rows[i].dir), 0);
		assert_int_equal(seccomp_cache_get(c->fd, &k, &p), rows[i].found);
	}
	assert_int_equal(fchmod(c->fd, 0700), 0);
	/* A symbolic link and a fifo are not entries, and the fifo does not block. */
	assert_int_equal(renameat(c->fd, name, c->fd, "elsewhere"), 0);
	assert_int_equal(symlinkat("elsewhere", c->fd, name), 0);
	assert_int_equal(seccomp_cache_get(c->fd, &k, &(struct seccomp_program){ 0 }), 0);
	assert_int_equal(unlinkat(c->fd, name, 0), 0);
	assert_int_equal(mkfifoat(c->fd, name, 0600), 0);
	assert_int_equal(seccomp_cache_get(c->fd, &k, &(struct seccomp_program){ 0 }), 0);
}

static void the_cache_keeps_the_newest_entries(void **state)
{
	struct cache *c = *state;
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	const struct seccomp_program prog = { .insns = &allow, .n = 1 };
	const struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	int found = 0;

	/* A temporary file of a writer that was killed, and one of a writer at work. */
	assert_int_equal(io_replace_at(c->fd, ".0.bpf.1", "x", 1, 0600), 0);
	assert_int_equal(utimensat(c->fd, ".0.bpf.1", old, 0), 0);
	assert_int_equal(io_replace_at(c->fd, ".0.bpf.2", "x", 1, 0600), 0);
	for (uint32_t i = 0; i < SECCOMP_CACHE_ENTRIES + 10; i++) {
		_cleanup_(seccomp_key_done) struct seccomp_key k = { 0 };
		struct oci_seccomp s = { SMALL, .has_default_errno = true, .default_errno = i };
		char name[64];

		assert_int_equal(seccomp_key_make(&s, "tool", &k), 0);
		seccomp_cache_put(c->fd, &k, &prog);
		/* Timestamps may be too coarse to tell who came first. */
		const struct timespec t[2] = { { .tv_sec = 1000 + i }, { .tv_sec = 1000 + i } };

		(void)snprintf(name, sizeof name, "%016lx.bpf", k.hash);
		assert_int_equal(utimensat(c->fd, name, t, 0), 0);
	}
	assert_int_equal(cache_list(c, NULL, 0), SECCOMP_CACHE_ENTRIES + 1);
	for (uint32_t i = 0; i < SECCOMP_CACHE_ENTRIES + 10; i++) {
		_cleanup_(seccomp_program_done) struct seccomp_program p = { 0 };
		_cleanup_(seccomp_key_done) struct seccomp_key k = { 0 };
		struct oci_seccomp s = { SMALL, .has_default_errno = true, .default_errno = i };
		int hit;

		assert_int_equal(seccomp_key_make(&s, "tool", &k), 0);
		hit = seccomp_cache_get(c->fd, &k, &p);
		assert_int_equal(hit, i >= 10);
		found += hit;
	}
	assert_int_equal(found, SECCOMP_CACHE_ENTRIES);
}

static void different_profiles_have_different_keys(void **state)
{
	struct oci_seccomp_arg arg = { 0, 1, 0, "SCMP_CMP_EQ" };
	struct oci_seccomp_rule one_two[] = { { .names = STRV("a", "b"), .action = "X" } },
				joined[] = { { .names = STRV("ab"), .action = "X" } },
				split[] = { { .names = STRV("a"), .action = "X" },
					    { .names = STRV("b"), .action = "X" } },
				as_b[] = { { .names = STRV("as", "b"), .action = "X" } },
				a_sb[] = { { .names = STRV("a", "sb"), .action = "X" } },
				errno0[] = { { .names = STRV("a", "b"), .action = "X", .has_errno = true } },
				with_arg[] = {
					{ .names = STRV("a", "b"), .action = "X", .args = &arg, .n_args = 1 }
				};
	const struct oci_seccomp rows[] = {
		{ .default_action = "A" },
		{ .default_action = "A", .has_default_errno = true },
		{ .default_action = "A", .architectures = STRV("x") },
		{ .default_action = "A", .flags = STRV("x") },
		{ .default_action = "A", .listener_path = "/x" },
		{ .default_action = "A", .rules = one_two, .n_rules = 1 },
		{ .default_action = "A", .rules = joined, .n_rules = 1 },
		{ .default_action = "A", .rules = split, .n_rules = 2 },
		{ .default_action = "A", .rules = as_b, .n_rules = 1 },
		{ .default_action = "A", .rules = a_sb, .n_rules = 1 },
		{ .default_action = "A", .rules = errno0, .n_rules = 1 },
		{ .default_action = "A", .rules = with_arg, .n_rules = 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
			_cleanup_(seccomp_key_done) struct seccomp_key a = { 0 }, b = { 0 };

			assert_int_equal(seccomp_key_make(&rows[i], "t", &a), 0);
			assert_int_equal(seccomp_key_make(&rows[k], "t", &b), 0);
			assert_int_equal(a.len == b.len && memcmp(a.buf, b.buf, a.len) == 0, i == k);
		}
}

/* ---- in the kernel ---- */

/* Runs @body in a child; its return value is the exit code. */
static int in_child(int (*body)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(body());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int body_default_profile(void)
{
	struct seccomp_program p;

	if (seccomp_compile(&default_profile, -EBADF, &p, NULL) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || seccomp_program_load(&p, NULL, NULL) < 0)
		return 1;
	if (getpid() <= 0 || syscall(SYS_mount, 0, 0, 0, 0, 0) != -1 || errno != EPERM)
		return 2;
	if (syscall(SYS_clone3, 0, 0) != -1 || errno != ENOSYS || syscall(468, 0, 0) != -1 || errno != ENOSYS)
		return 3;
	return syscall(SYS_personality, 0xffffffff) < 0 || syscall(SYS_personality, 5) != -1 ? 4 : 0;
}

static int body_listener(void)
{
	struct oci_seccomp_rule notify = { .names = STRV("chmod"), .action = "SCMP_ACT_NOTIFY" };
	struct oci_seccomp s = { .present = true,
				 .default_action = "SCMP_ACT_ALLOW",
				 .rules = &notify,
				 .n_rules = 1,
				 .listener_path = "/x",
				 .flags = STRV("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV") };
	struct seccomp_program p;
	struct err e = { 0 };
	int fd = -EBADF, again = -EBADF;

	if (seccomp_compile(&s, -EBADF, &p, NULL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return 1;
	if (seccomp_program_load(&p, NULL, &e) != -EINVAL || seccomp_program_load(&p, &fd, &e) < 0)
		return 2;
	if ((fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0)
		return 3;
	return seccomp_program_load(&p, &again, &e) != -EBUSY || again != -EBADF || !strstr(e.msg, "listener") ? 4
													       : 0;
}

static int body_without_rights(void)
{
	struct seccomp_program p;
	struct err e = { 0 };

	if (seccomp_compile(&profiles[0].s, -EBADF, &p, NULL) < 0 || setresuid(65534, 65534, 65534) < 0)
		return 1;
	return seccomp_program_load(&p, NULL, &e) != -EACCES || !strstr(e.msg, "noNewPrivileges");
}

static void the_kernel_takes_the_programs(void **state)
{
	(void)state;
	assert_int_equal(in_child(body_default_profile), 0);
	assert_int_equal(in_child(body_listener), 0);
	if (geteuid() == 0)
		assert_int_equal(in_child(body_without_rights), 0);
}

static void features_name_what_compile_takes(void **state)
{
	json_t *f = seccomp_features(), *name;
	size_t i;

	(void)state;
	assert_non_null(f);
	assert_true(json_is_true(json_object_get(f, "enabled")));
	assert_int_equal(json_array_size(json_object_get(f, "actions")), 9);
	assert_int_equal(json_array_size(json_object_get(f, "operators")), 7);
	assert_int_equal(json_array_size(json_object_get(f, "knownFlags")), 4);
	assert_true(json_array_size(json_object_get(f, "supportedFlags")) >= 2);
	json_array_foreach(json_object_get(f, "actions"), i, name) {
		struct oci_seccomp_rule r = { .names = STRV("chmod"), .action = json_string_value(name) };
		struct oci_seccomp s = { .present = true,
					 .default_action = "SCMP_ACT_ERRNO",
					 .rules = &r,
					 .n_rules = 1,
					 .listener_path = "/x" };
		struct seccomp_program p;

		assert_int_equal(seccomp_compile(&s, -EBADF, &p, NULL), 0);
		seccomp_program_done(&p);
	}
	json_decref(f);
}

#define cache_test(t) cmocka_unit_test_setup_teardown(t, cache_setup, cache_teardown)

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(the_program_says_what_the_rules_say),
		cmocka_unit_test(random_profiles_say_what_their_rules_say),
		cmocka_unit_test(calls_newer_than_the_profile_do_not_exist),
		cmocka_unit_test(what_nobody_knows_is_refused_by_name),
		cmocka_unit_test(flags_become_the_kernels),
		cache_test(the_cache_returns_the_same_program),
		cache_test(a_damaged_entry_is_replaced),
		cache_test(entries_of_others_are_ignored),
		cache_test(the_cache_keeps_the_newest_entries),
		cmocka_unit_test(different_profiles_have_different_keys),
		cmocka_unit_test(the_kernel_takes_the_programs),
		cmocka_unit_test(features_name_what_compile_takes),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
