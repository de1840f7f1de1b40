/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which devices a container may use. v1: lines in devices.allow and devices.deny; v2: a BPF program
 * at the group. In both, everything is denied that no rule allows, and one rule must cover all that
 * an open or mknod asks for.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "cgroup/cgroup-internal.h"

#define ACCESS_ALL (CG_DEV_R | CG_DEV_W | CG_DEV_M)

void cg_dev_list_done(struct cg_dev_list *l)
{
	free(l->v);
	*l = (struct cg_dev_list){ 0 };
}

static bool same_device(const struct cg_dev_rule *a, const struct cg_dev_rule *b)
{
	return a->type == b->type && a->major == b->major && a->minor == b->minor;
}

static bool covers(const struct cg_dev_rule *a, const struct cg_dev_rule *b)
{
	return a->type == b->type && (a->major < 0 || a->major == b->major) &&
	       (a->minor < 0 || a->minor == b->minor) && (b->access & ~a->access) == 0;
}

static int compare_rules(const void *a, const void *b)
{
	const struct cg_dev_rule *x = a, *y = b;

	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	if (x->major != y->major)
		return x->major < y->major ? -1 : 1;
	return (x->minor > y->minor) - (x->minor < y->minor);
}

static void list_add(struct cg_dev_list *l, const struct cg_dev_rule *r)
{
	for (size_t i = 0; i < l->n; i++)
		if (same_device(&l->v[i], r)) {
			l->v[i].access |= r->access;
			return;
		}
	l->v[l->n++] = *r;
}

int cg_dev_normalize(const struct cgroup_device *devs, size_t n, struct cg_dev_list *ret, struct err *e)
{
	_cleanup_(cg_dev_list_done) struct cg_dev_list l = { 0 };
	size_t kept = 0;

	if (n > CG_DEVICES_MAX)
		return err_set(e, E2BIG, "device list: more than %d entries", CG_DEVICES_MAX);
	if (!(l.v = calloc(2 * n + 1, sizeof *l.v)))
		return err_sys(e, ENOMEM, "device list");
	for (size_t i = 0; i < n; i++) {
		const struct cgroup_device *d = &devs[i];
		struct cg_dev_rule r = { .type = d->type, .major = d->major, .minor = d->minor };

		r.access = (d->read ? CG_DEV_R : 0) | (d->write ? CG_DEV_W : 0) | (d->mknod ? CG_DEV_M : 0);
		if (!strchr("abc", r.type) || !r.type || r.major < -1 || r.minor < -1 || r.major > INT32_MAX ||
		    r.minor > INT32_MAX || r.access == 0)
			return err_set(e, EINVAL, "device list: entry %zu: bad type, number or access", i);
		if (r.type != 'a') {
			list_add(&l, &r);
			continue;
		}
		if (r.major < 0 && r.minor < 0 && r.access == ACCESS_ALL)
			l.all = true;
		r.type = 'b';
		list_add(&l, &r);
		r.type = 'c';
		list_add(&l, &r);
	}
	if (l.all)
		l.n = 0;
	/* no two are equal any more, so "covered by another" cannot be mutual */
	for (size_t i = 0; i < l.n; i++) {
		bool covered = false;

		for (size_t j = 0; j < l.n && !covered; j++)
			covered = i != j && covers(&l.v[j], &l.v[i]);
		if (covered)
			l.v[i].access = 0;
		else
			kept++;
	}
	for (size_t i = 0, j = 0; i < l.n; i++)
		if (l.v[i].access)
			l.v[j++] = l.v[i];
	l.n = kept;
	if (l.n > 1)
		qsort(l.v, l.n, sizeof *l.v, compare_rules);
	*ret = l;
	l = (struct cg_dev_list){ 0 };
	return 0;
}

/* "*" or a number, up to @end */
static int parse_number(const char **p, int64_t *ret)
{
	uint64_t v;
	int r;

	if (**p == '*') {
		(*p)++;
		*ret = -1;
		return 0;
	}
	r = num_span(p, INT32_MAX, &v);
	if (r == 0)
		*ret = (int64_t)v;
	return r;
}

int cg_dev_parse_list(const char *text, struct cg_dev_list *ret)
{
	_cleanup_(cg_dev_list_done) struct cg_dev_list l = { 0 };
	size_t lines = 1;

	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	if (!(l.v = calloc(lines, sizeof *l.v)))
		return -ENOMEM;
	while (*text) {
		struct cg_dev_rule r = { .type = *text++ };

		if (!strchr("abc", r.type) || *text++ != ' ' || parse_number(&text, &r.major) < 0 ||
		    *text++ != ':' || parse_number(&text, &r.minor) < 0 || *text++ != ' ')
			return -EINVAL;
		for (; *text && *text != '\n'; text++) {
			if (!strchr("rwm", *text))
				return -EINVAL;
			r.access |= *text == 'r' ? CG_DEV_R : *text == 'w' ? CG_DEV_W : CG_DEV_M;
		}
		text += *text == '\n';
		if (r.access == 0)
			return -EINVAL;
		if (r.type == 'a')
			l.all = true;
		else
			list_add(&l, &r);
	}
	if (l.all)
		l.n = 0;
	*ret = l;
	l = (struct cg_dev_list){ 0 };
	return 0;
}

static unsigned access_of(const struct cg_dev_list *l, const struct cg_dev_rule *r)
{
	for (size_t i = 0; i < l->n; i++)
		if (same_device(&l->v[i], r))
			return l->v[i].access;
	return 0;
}

/* Into @ret (empty): the rules of @a, reduced to the access that @b does not have for the same
 * device. */
static int subtract(const struct cg_dev_list *a, const struct cg_dev_list *b, struct cg_dev_list *ret)
{
	if (!(ret->v = calloc(a->n + 1, sizeof *ret->v)))
		return -ENOMEM;
	for (size_t i = 0; i < a->n; i++) {
		struct cg_dev_rule r = a->v[i];

		r.access &= ~access_of(b, &r);
		if (r.access)
			ret->v[ret->n++] = r;
	}
	return 0;
}

int cg_dev_diff(const struct cg_dev_list *cur, const struct cg_dev_list *want, struct cg_dev_list *ret_allow,
		struct cg_dev_list *ret_deny, bool *ret_reset)
{
	_cleanup_(cg_dev_list_done) struct cg_dev_list allow = { 0 }, deny = { 0 };
	bool reset = cur->all != want->all;
	int r;

	/* after a reset nothing is left to compare with; before "all", there is nothing to allow */
	r = want->all ? 0 : subtract(want, reset ? &deny : cur, &allow);
	if (r == 0 && !reset && !want->all)
		r = subtract(cur, want, &deny);
	if (r < 0)
		return r;
	*ret_allow = allow;
	*ret_deny = deny;
	*ret_reset = reset;
	allow = deny = (struct cg_dev_list){ 0 };
	return 0;
}

static void format_number(int64_t v, char *buf, size_t size)
{
	(void)snprintf(buf, size, v < 0 ? "*" : "%" PRId64, v);
}

int cg_dev_format(const struct cg_dev_rule *r, char *buf, size_t size)
{
	char major[24], minor[24];
	int n;

	format_number(r->major, major, sizeof major);
	format_number(r->minor, minor, sizeof minor);
	n = snprintf(buf, size, "%c %s:%s %s%s%s", r->type, major, minor, r->access & CG_DEV_R ? "r" : "",
		     r->access & CG_DEV_W ? "w" : "", r->access & CG_DEV_M ? "m" : "");
	return n < 0 || (size_t)n >= size ? -ENOSPC : 0;
}

/* -- v1 -- */

static int write_rules(struct cgroup *cg, struct cg_dir *d, const char *file, bool all,
		       const struct cg_dev_list *l, struct err *e)
{
	_cleanup_close_ int fd = -EBADF;
	char line[80] = "a", path[PATH_MAX];
	int r = 0;

	if (!all && l->n == 0)
		return 0;
	/* one line for each write(2) is all that the kernel takes, but the file is opened once */
	fd = cg_open(cg, d, file, O_WRONLY);
	if (fd < 0)
		r = fd;
	else if (all)
		r = cg_write_fd(fd, line);
	for (size_t i = 0; r == 0 && i < l->n; i++) {
		r = cg_dev_format(&l->v[i], line, sizeof line);
		if (r == 0)
			r = cg_write_fd(fd, line);
	}
	if (r < 0) {
		cg_dir_path(cg, d, path, sizeof path);
		return err_sys(e, -r, "cgroup: write \"%s\" to %s/%s", line, path, file);
	}
	return 0;
}

int cg_v1_devices(struct cgroup *cg, const struct cgroup_device *devs, size_t n, struct err *e)
{
	_cleanup_(cg_dev_list_done) struct cg_dev_list cur = { 0 }, want = { 0 }, allow = { 0 }, deny = { 0 };
	struct cg_dir *d = cg_find(cg, CG_DEVICES);
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	bool reset;
	int r;

	r = cg_dev_normalize(devs, n, &want, e);
	if (r < 0)
		return r;
	if (!d)
		return want.all ? 0
				: err_set(e, EOPNOTSUPP,
					  "cgroup: this host has no cgroup v1 hierarchy for the "
					  "\"devices\" controller, so the "
					  "container's devices cannot be restricted");
	/* a new group may do what its parent may, and never more */
	if (want.all && d->made && !cg->entered)
		return 0;
	/* A new group has its parent's list, which may be ours already (containers within a
	 * container). */
	r = cg_dir_fd(cg, d, e);
	if (r < 0)
		return r;
	cg_dir_path(cg, d, path, sizeof path);
	r = cg_read_single(d->fd, "devices.list", &text);
	if (r < 0)
		return err_sys(e, -r, "cgroup: read %s/devices.list", path);
	r = cg_dev_parse_list(text, &cur);
	if (r < 0)
		return err_sys(e, -r, "cgroup: %s/devices.list: unexpected text", path);
	r = cg_dev_diff(&cur, &want, &allow, &deny, &reset);
	if (r < 0)
		return err_sys(e, -r, "device list");
	if (reset && !want.all)
		r = write_rules(cg, d, "devices.deny", true, &deny, e);
	if (r == 0)
		r = write_rules(cg, d, "devices.allow", reset && want.all, &allow, e);
	/* last, so that what is allowed before and after is allowed all the time */
	if (r == 0 && !reset)
		r = write_rules(cg, d, "devices.deny", false, &deny, e);
	return r;
}

/* -- v2 -- */

#define INSN(c, d, s, o, i) \
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (int16_t)(o), .imm = (i) })
#define LOAD(dst, off)	  INSN(BPF_LDX | BPF_MEM | BPF_W, dst, BPF_REG_1, off, 0)
#define ALU(op, dst, imm) INSN(BPF_ALU | (op) | BPF_K, dst, 0, 0, imm)
#define MOVE(dst, src)	  INSN(BPF_ALU | BPF_MOV | BPF_X, dst, src, 0, 0)
#define RETURN(v)	  INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, v), INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define JUMP_NE(reg, imm) INSN(BPF_JMP | BPF_JNE | BPF_K, reg, 0, 0, imm)

static int bpf_access(unsigned access)
{
	return (access & CG_DEV_R ? BPF_DEVCG_ACC_READ : 0) | (access & CG_DEV_W ? BPF_DEVCG_ACC_WRITE : 0) |
	       (access & CG_DEV_M ? BPF_DEVCG_ACC_MKNOD : 0);
}

int cg_dev_program(const struct cg_dev_list *want, struct bpf_insn **ret, size_t *ret_n)
{
	/* r2 type, r3 access, r4 major, r5 minor; r1 (the context) is free after that */
	const struct bpf_insn head[] = {
		LOAD(BPF_REG_2, offsetof(struct bpf_cgroup_dev_ctx, access_type)),
		ALU(BPF_AND, BPF_REG_2, 0xffff),
		LOAD(BPF_REG_3, offsetof(struct bpf_cgroup_dev_ctx, access_type)),
		ALU(BPF_RSH, BPF_REG_3, 16),
		LOAD(BPF_REG_4, offsetof(struct bpf_cgroup_dev_ctx, major)),
		LOAD(BPF_REG_5, offsetof(struct bpf_cgroup_dev_ctx, minor)),
	};
	const struct bpf_insn allow[] = { RETURN(1) }, deny[] = { RETURN(0) };
	struct bpf_insn *p;
	size_t n = 0;

	if (!(p = calloc(ARRAY_SIZE(head) + want->n * 8 + 2, sizeof *p)))
		return -ENOMEM;
	if (want->all) {
		memcpy(p, allow, sizeof allow);
		*ret = p;
		*ret_n = ARRAY_SIZE(allow);
		return 0;
	}
	memcpy(p, head, sizeof head);
	n = ARRAY_SIZE(head);
	for (size_t i = 0; i < want->n; i++) {
		const struct cg_dev_rule *r = &want->v[i];
		size_t start = n;

		p[n++] = JUMP_NE(BPF_REG_2, r->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
		if (r->access != ACCESS_ALL) {
			/* what is asked for beyond the rule */
			p[n++] = MOVE(BPF_REG_1, BPF_REG_3);
			p[n++] = ALU(BPF_AND, BPF_REG_1, ~bpf_access(r->access));
			p[n++] = JUMP_NE(BPF_REG_1, 0);
		}
		if (r->major >= 0)
			p[n++] = JUMP_NE(BPF_REG_4, (int32_t)r->major);
		if (r->minor >= 0)
			p[n++] = JUMP_NE(BPF_REG_5, (int32_t)r->minor);
		memcpy(p + n, allow, sizeof allow);
		n += ARRAY_SIZE(allow);
		for (size_t j = start; j < n; j++)
			if (BPF_OP(p[j].code) == BPF_JNE && BPF_CLASS(p[j].code) == BPF_JMP)
				p[j].off = (int16_t)(n - j - 1);
	}
	memcpy(p + n, deny, sizeof deny);
	n += ARRAY_SIZE(deny);
	*ret = p;
	*ret_n = n;
	return 0;
}

static int sys_bpf(int cmd, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, cmd, attr, sizeof *attr);

	return r < 0 ? -errno : (int)r;
}

static uint64_t ptr_u64(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static int load_program(const struct cg_dev_list *want, struct err *e)
{
	_cleanup_free_ struct bpf_insn *prog = NULL;
	union bpf_attr attr;
	size_t n;
	int r = cg_dev_program(want, &prog, &n);

	if (r < 0)
		return err_sys(e, -r, "cgroup: device program");
	memset(&attr, 0, sizeof attr);
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = ptr_u64(prog);
	attr.insn_cnt = (uint32_t)n;
	attr.license = ptr_u64("Apache-2.0");
	memcpy(attr.prog_name, "caisson_dev", 12);
	/* EAGAIN: the verifier was interrupted by a signal */
	for (int i = 0; i < 5; i++) {
		r = sys_bpf(BPF_PROG_LOAD, &attr);
		if (r != -EAGAIN)
			break;
	}
	return r < 0 ? err_sys(e, -r, "cgroup: load the device program (%zu instructions)", n) : r;
}

#define PROGRAMS_MAX 64

static int query_programs(int dir, uint32_t *ids, uint32_t *ret_n)
{
	union bpf_attr attr;
	int r;

	memset(&attr, 0, sizeof attr);
	attr.query.target_fd = (uint32_t)dir;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = ptr_u64(ids);
	attr.query.prog_cnt = PROGRAMS_MAX;
	r = sys_bpf(BPF_PROG_QUERY, &attr);
	if (r == 0)
		*ret_n = attr.query.prog_cnt;
	return r;
}

static int program_from_id(uint32_t id)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof attr);
	attr.prog_id = id;
	return sys_bpf(BPF_PROG_GET_FD_BY_ID, &attr);
}

static int attach_program(int dir, int prog, int replace)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof attr);
	attr.target_fd = (uint32_t)dir;
	attr.attach_bpf_fd = (uint32_t)prog;
	attr.attach_type = BPF_CGROUP_DEVICE;
	/* Multi: a program of systemd's or an administrator's stays in force beside ours, and all
	 * must agree. */
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (replace >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)replace;
	}
	return sys_bpf(BPF_PROG_ATTACH, &attr);
}

/* Is @prog one that load_program() made? */
static bool is_ours(int prog)
{
	struct bpf_prog_info info;
	union bpf_attr attr;

	memset(&info, 0, sizeof info);
	memset(&attr, 0, sizeof attr);
	attr.info.bpf_fd = (uint32_t)prog;
	attr.info.info_len = sizeof info;
	attr.info.info = ptr_u64(&info);
	return sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) == 0 && strcmp(info.name, "caisson_dev") == 0;
}

int cg_v2_devices(struct cgroup *cg, const struct cgroup_device *devs, size_t n, struct err *e)
{
	_cleanup_(cg_dev_list_done) struct cg_dev_list want = { 0 };
	_cleanup_close_ int dir = -EBADF, prog = -EBADF, old = -EBADF;
	struct cg_dir *d = cg_find_v2(cg);
	uint32_t ids[PROGRAMS_MAX], count = 0;
	char path[PATH_MAX];
	int r;

	r = cg_dev_normalize(devs, n, &want, e);
	if (r < 0)
		return r;
	if (!d)
		return err_set(e, ENOENT, "cgroup: %s does not exist", cg->path);
	cg_dir_path(cg, d, path, sizeof path);
	/* bpf(2) refuses O_PATH fds */
	dir = cg_open(cg, d, ".", O_RDONLY | O_DIRECTORY);
	if (dir < 0)
		return err_sys(e, -dir, "cgroup: open %s", path);
	r = query_programs(dir, ids, &count);
	if (r < 0)
		return err_sys(e, -r, "cgroup: query the device programs of %s", path);
	for (uint32_t i = 0; i < count && old < 0; i++) {
		old = program_from_id(ids[i]);
		if (old >= 0 && !is_ours(old))
			old = fd_close(old);
	}
	if (want.all && old < 0)
		return 0;
	prog = load_program(&want, e);
	if (prog < 0)
		return prog;
	r = attach_program(dir, prog, old);
	return r < 0 ? err_sys(e, -r, "cgroup: attach the device program to %s", path) : 0;
}
