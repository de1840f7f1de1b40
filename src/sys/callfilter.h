/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYS_CALLFILTER_H
#define SYS_CALLFILTER_H

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * What our own processes give up: short seccomp filters that are written by hand, capabilities, ids, limits. The
 * filters of containers are generated (confine/seccomp-bpf.h).
 *
 *	const struct sock_filter code[] = { CALLS_BEGIN, ALLOW(SYS_read), ALLOW(SYS_exit_group), ANSWER(...) };
 */

#if defined(__x86_64__)
#define CALLS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define CALLS_ARCH AUDIT_ARCH_AARCH64
#else
#error "name this architecture's AUDIT_ARCH_ here"
#endif

/* The half of an argument that the kernel looks at where it takes an int: little-endian machines only. */
#define LOAD(field)	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define ANSWER(what)	BPF_STMT(BPF_RET | BPF_K, what)
#define IS(k, yes, no)	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(k), yes, no)
#define HAS(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (uint32_t)(k), yes, no)
#define ALLOW(nr)	IS(nr, 0, 1), ANSWER(SECCOMP_RET_ALLOW)
#define CALLS_BEGIN	LOAD(arch), IS(CALLS_ARCH, 1, 0), ANSWER(SECCOMP_RET_KILL_PROCESS), LOAD(nr)

/* callfilter_load() - for this thread, for ever. no_new_privs has to be set. */
int callfilter_load(const struct sock_filter *code, size_t n, struct err *e);

/* callfilter_powerless() - no capability of any set, now or later: who is not root gets none by no_new_privs. */
int callfilter_powerless(struct err *e);

/* callfilter_user() - that, and @uid as user and only group. */
int callfilter_user(uint32_t uid, struct err *e);

/* callfilter_limit() - a resource limit, soft and hard. @what: RLIMIT_... */
int callfilter_limit(int what, uint64_t most, struct err *e);

#endif
