/* SPDX-License-Identifier: Apache-2.0 */
#include "procview/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define NS_PER_MS 1000000ull
/*
 * For how long a file that is being read (the kernel asks before each read, naming an open file) keeps its
 * rendering: or else the second read of a text that has grown meanwhile would find more where the first one ended.
 * Programs that keep a file open and read it again and again are served so much later.
 */
#define OPEN_LIFETIME_MS   250u
#define SYSCTL_LIFETIME_NS (3600u * UINT64_C(1000000000))
/*
 * Of two GETATTRs that are on their way together, the kernel drops the answer that comes second. If that were the first to
 * name a new rendering, it would read the new text with the old size. So one rendering answers all that were asked at about the
 * same time: an old one is given out only if it has so much longer to live, and our predecessor's lives on for a
 * lifetime, as what was waiting for us was asked at any time; but not for ever where workers die all the time.
 */
#define MARGIN_MS    5u
#define INHERITED_MS 1000u
#define ROOT	     FUSE_ROOT_ID
#ifndef FOPEN_NOFLUSH
#define FOPEN_NOFLUSH (1 << 5)
#endif

static void at(const struct view *v, enum view_point point)
{
	if (v->point)
		v->point(point);
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int view_init(struct view *v)
{
	uint8_t n = 0;

	if (v->table.n > EMU_ROWS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < v->table.n; i++) {
		if (v->table.rows[i].carrier != EMU_CHANGING)
			continue;
		if (n == VIEW_TEXTS_MAX)
			return -E2BIG;
		v->text[i] = n++;
	}
	return 0;
}

/* ---- nodes ------------------------------------------------------------------------------------------------- */

static bool row_is_here(const struct view *v, enum view_conn conn, size_t row)
{
	return row < v->table.n &&
	       v->table.rows[row].carrier == (conn == VIEW_CHANGING ? EMU_CHANGING : EMU_SYSCTL);
}

/* Which row is @node? It may be one of a worker that had another table. */
static const struct emu_row *row_of(const struct view *v, enum view_conn conn, uint64_t node, size_t *ret)
{
	if (node < ROOT + 1 || !row_is_here(v, conn, node - (ROOT + 1)))
		return NULL;
	*ret = node - (ROOT + 1);
	return &v->table.rows[*ret];
}

static const struct view_text *text_of(const struct view *v, size_t row)
{
	return &v->shared->text[v->text[row]];
}

static void describe_root(const struct view *v, struct wire_node *ret)
{
	*ret = (struct wire_node){ .node = ROOT, .mode = S_IFDIR | 0555, .owner = v->shared->params.base };
	ret->valid_ns = 3600ull * 1000 * NS_PER_MS;
}

static size_t current_value(const struct view *v, size_t row, const char **ret)
{
	const struct view_value *value = &v->shared->value[row];
	uint32_t i = __atomic_load_n(&value->current, __ATOMIC_ACQUIRE) & 1;

	*ret = value->text[i];
	return value->len[i] <= EMU_VALUE_MAX ? value->len[i] : EMU_VALUE_MAX;
}

/* As things are now, without rendering: good enough for names, whose attributes are asked for when they matter. */
static void describe(const struct view *v, enum view_conn conn, size_t row, struct wire_node *ret)
{
	*ret = (struct wire_node){ .node = row + ROOT + 1, .mode = S_IFREG | (v->table.rows[row].mode & 07777) };
	ret->owner = v->shared->params.base;
	if (conn == VIEW_CHANGING) {
		ret->size = text_of(v, row)->len;
		ret->mtime_ns = text_of(v, row)->version;
	} else {
		const struct view_value *value = &v->shared->value[row];
		uint64_t unique = value->unique[value->current & 1];
		const char *text;

		/*
		 * The true length, though reads do not go by it: splice(2) and sendfile(2) (busybox cat) do,
		 * through the page cache. With the usual lie of one page they add NULs when another process asks
		 * for the size meanwhile, with 0 they see nothing. Time: the container's start, with a fraction
		 * that differs from write to write, so that cached pages go.
		 */
		ret->size = current_value(v, row, &text);
		ret->mtime_ns =
			v->shared->params.boot_time % (1ull << 33) * 1000000000u + unique / 2 % 1000000000u;
	}
}

/* ---- renderings -------------------------------------------------------------------------------------------- */

/*
 * Make row's text anew when it is older than @life ns. What it says and how long it is comes in two requests,
 * GETATTR and READ: only the first renders, and all READs up to the next are served from that rendering.
 * Return: for how long it is still good for who opens the file.
 */
static uint64_t refresh(struct view *v, size_t row, uint64_t life)
{
	struct view_text *t = &v->shared->text[v->text[row]];
	uint64_t now = now_ns(CLOCK_MONOTONIC), age = now - t->rendered_ns, version;
	uint64_t since = v->since_ns > t->rendered_ns && age < INHERITED_MS * NS_PER_MS ? v->since_ns
											: t->rendered_ns;
	const uint64_t fresh = EMU_LIFETIME_MS * NS_PER_MS;
	struct emu_input in;
	size_t len;

	age = now - since;
	if (t->rendered_ns != 0 && age + MARGIN_MS * NS_PER_MS < life)
		return age < fresh ? fresh - age : 0;
	memset(&in, 0, sizeof in);
	v->collect(v->arg, &v->table.rows[row], &in);
	len = emu_render(&v->table.rows[row], &in, v->scratch, sizeof v->scratch);
	if (len > sizeof v->scratch)
		len = sizeof v->scratch;
	if (t->rendered_ns != 0 && t->len == len && memcmp(t->text, v->scratch, len) == 0) {
		t->rendered_ns = now; /* same version: what the kernel has cached stays */
		return fresh;
	}
	version = now_ns(CLOCK_REALTIME);
	if (version <= t->version)
		version = t->version + 1;
	/* 0 while the text is neither the old nor the new one: who finds it so renders again */
	__atomic_store_n(&t->rendered_ns, 0, __ATOMIC_RELEASE);
	memcpy(t->text, v->scratch, len);
	at(v, VIEW_HALF);
	t->len = (uint32_t)len;
	t->version = version;
	__atomic_store_n(&t->rendered_ns, now, __ATOMIC_RELEASE);
	return fresh;
}

/*
 * Our predecessor's pages are not mapped here yet, and may have been swapped out when the text is old. A process
 * that is killed while the kernel faults in what it is to send makes the request fail with EIO; so they are made
 * resident (and locked, see sandbox.h) by touching them first.
 */
static void touch(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i += 4096)
		(void)*(volatile const char *)(p + i);
	if (len > 0)
		(void)*(volatile const char *)(p + len - 1);
}

static void read_changing(struct view *v, size_t row, const struct wire_request *req, struct wire_answer *a)
{
	const struct view_text *t = text_of(v, row);
	size_t len;

	if (t->rendered_ns == 0)
		(void)refresh(v, row, 0);
	len = t->len <= sizeof t->text ? t->len : sizeof t->text;
	if (req->io.offset >= len) {
		wire_data(a, req->unique, NULL, 0);
		return;
	}
	len -= req->io.offset;
	if (len > req->io.size)
		len = req->io.size;
	touch(t->text + req->io.offset, len);
	wire_data(a, req->unique, t->text + req->io.offset, len);
}

/* ---- values ------------------------------------------------------------------------------------------------ */

/*
 * Numbers are at their end after one read, whatever its length, as the kernel's own: with a second piece from
 * another time readers would see numbers that never were. Texts can be read in pieces there too (shells read them
 * by bytes).
 */
static void read_value(const struct view *v, size_t row, const struct wire_request *req, struct wire_answer *a)
{
	const struct emu_rule *rule = v->table.rows[row].rule;
	bool pieces = rule && (rule->kind == EMU_TEXT || rule->kind == EMU_WORD);
	const char *text;
	size_t len = current_value(v, row, &text);

	if (req->io.offset >= len || (req->io.offset > 0 && !pieces)) {
		wire_data(a, req->unique, NULL, 0);
		return;
	}
	len -= req->io.offset;
	wire_data(a, req->unique, text + req->io.offset, len < req->io.size ? len : req->io.size);
}

/*
 * Exactly once: the new value is written beside the current one together with the request it came with, and then
 * published by one store. A successor that has the same request before it finds its number there, and only
 * answers.
 */
static void write_value(struct view *v, size_t row, const struct wire_request *req, struct wire_answer *a)
{
	struct view_value *value = &v->shared->value[row];
	uint32_t i = value->current & 1, next = !i;
	const char *current;
	size_t current_len = current_value(v, row, &current), len;
	int r;

	if (value->unique[i] == req->unique) {
		wire_written(a, req->unique, (uint32_t)value->result[i]);
		return;
	}
	r = v->table.parse(v->table.rows[row].rule, current, current_len, req->io.data, req->io.size,
			   value->text[next], &len);
	at(v, VIEW_HALF);
	if (r < 0 || len > EMU_VALUE_MAX) {
		wire_error(a, req->unique, r < 0 ? r : -EINVAL);
		return;
	}
	value->len[next] = (uint32_t)len;
	value->result[next] = (int32_t)req->io.size;
	value->unique[next] = req->unique;
	__atomic_store_n(&value->current, next, __ATOMIC_RELEASE);
	at(v, VIEW_STORED);
	wire_written(a, req->unique, req->io.size);
}

/* ---- requests ---------------------------------------------------------------------------------------------- */

static void answer_lookup(const struct view *v, enum view_conn conn, const struct wire_request *req,
			  struct wire_answer *a)
{
	struct wire_node node;
	char name[EMU_NAME_MAX];

	for (size_t i = 0; req->node == ROOT && i < v->table.n; i++) {
		if (!row_is_here(v, conn, i))
			continue;
		emu_name(i, name);
		if (strcmp(name, req->name) == 0) {
			describe(v, conn, i, &node);
			wire_entry(a, req->unique, &node);
			return;
		}
	}
	wire_error(a, req->unique, req->node == ROOT ? -ENOENT : -ENOTDIR);
}

static void answer_readdir(const struct view *v, enum view_conn conn, const struct wire_request *req,
			   struct wire_answer *a)
{
	bool plus = req->opcode == FUSE_READDIRPLUS;
	struct wire_node node;
	char name[EMU_NAME_MAX];

	if (req->node != ROOT) {
		wire_error(a, req->unique, -ENOTDIR);
		return;
	}
	wire_data(a, req->unique, NULL, 0);
	describe_root(v, &node);
	if ((req->io.offset < 1 && !wire_dirent(a, req->io.size, plus, &node, ".", 1)) ||
	    (req->io.offset < 2 && !wire_dirent(a, req->io.size, plus, &node, "..", 2)))
		return;
	for (size_t i = req->io.offset < 2 ? 0 : req->io.offset - 2; i < v->table.n; i++) {
		if (!row_is_here(v, conn, i))
			continue;
		emu_name(i, name);
		describe(v, conn, i, &node);
		if (!wire_dirent(a, req->io.size, plus, &node, name, i + 3))
			return;
	}
}

static void answer_attr(struct view *v, enum view_conn conn, const struct wire_request *req, struct wire_answer *a)
{
	struct wire_node node;
	uint64_t valid = 0;
	size_t row;

	if (req->node == ROOT) {
		describe_root(v, &node);
	} else if (row_of(v, conn, req->node, &row)) {
		bool open = req->opcode == FUSE_GETATTR && (req->flags & FUSE_GETATTR_FH);

		/* A value changes by writes only, all of which come through this connection: after one the kernel asks anew. */
		valid = conn == VIEW_CHANGING
				? refresh(v, row, (open ? OPEN_LIFETIME_MS : EMU_LIFETIME_MS) * NS_PER_MS)
				: SYSCTL_LIFETIME_NS;
		describe(v, conn, row, &node);
		node.valid_ns = valid;
	} else {
		wire_error(a, req->unique, -ENOENT);
		return;
	}
	wire_attr(a, req->unique, &node);
}

/* As the kernel's sysctls judge: by the owner alone; capabilities that override modes of files (A79) do not help. */
static int may_open(const struct view *v, const struct emu_row *row, const struct wire_request *req)
{
	mode_t want = (req->flags & O_ACCMODE) == O_RDONLY ? 04 : (req->flags & O_ACCMODE) == O_WRONLY ? 02 : 06;
	uint32_t base = v->shared->params.base;
	bool owner = req->uid == base || req->uid == 0; /* 0: the host's own root, who has come in */
	mode_t mode = owner ? row->mode >> 6 : req->gid == base ? row->mode >> 3 : row->mode;

	return (mode & want) == want ? 0 : -EACCES;
}

static void answer_open(const struct view *v, enum view_conn conn, const struct wire_request *req,
			struct wire_answer *a)
{
	const struct emu_row *row;
	size_t i;
	int r;

	row = row_of(v, conn, req->node, &i);
	if (!row) {
		wire_error(a, req->unique, -ENOENT);
	} else if (conn == VIEW_CHANGING) {
		wire_error(a, req->unique, -ENOSYS); /* opens are not our business from now on */
	} else if ((r = may_open(v, row, req)) < 0) {
		wire_error(a, req->unique, r);
	} else {
		/* direct: rejected or half-written values must not be seen by others through the page cache */
		wire_open(a, req->unique, FOPEN_DIRECT_IO | FOPEN_NOFLUSH);
	}
}

/*
 * Sysctls count only what is written at their beginning, and know no O_APPEND: `echo 1 >>` writes there too. FUSE puts
 * such a write at the end of the file instead, all of them: further ones of the same descriptor cannot be told from
 * the first, and count as well.
 */
static bool is_at_beginning(const struct wire_request *req)
{
	return req->io.offset == 0 || (req->io.open_flags & O_APPEND);
}

static void answer_io(struct view *v, enum view_conn conn, const struct wire_request *req, struct wire_answer *a)
{
	const struct emu_row *row;
	size_t i;

	row = row_of(v, conn, req->node, &i);
	if (!row)
		wire_error(a, req->unique, req->node == ROOT ? -EISDIR : -ENOENT);
	else if (req->opcode == FUSE_READ && conn == VIEW_CHANGING)
		read_changing(v, i, req, a);
	else if (req->opcode == FUSE_READ)
		read_value(v, i, req, a);
	else if (conn == VIEW_CHANGING)
		wire_error(a, req->unique, -EIO); /* as procfs for a file that cannot be written to */
	else if (!(row->mode & 0222))
		wire_error(a, req->unique, -EPERM);
	else if (!is_at_beginning(req))
		wire_written(a, req->unique, req->io.size); /* accepted and ignored, as by the kernel */
	else
		write_value(v, i, req, a);
}

static void answer_setattr(struct view *v, enum view_conn conn, const struct wire_request *req,
			   struct wire_answer *a)
{
	if (req->valid & (FATTR_MODE | FATTR_UID | FATTR_GID))
		wire_error(a, req->unique, -EPERM);
	else
		answer_attr(v, conn, req, a); /* sizes and times: accepted, and stay what they are */
}

void view_answer(struct view *v, enum view_conn conn, const void *request, size_t room, struct wire_answer *a)
{
	struct wire_request req;
	int r = wire_decode(request, room, &req);

	wire_none(a);
	if (r == -EPROTO)
		return;
	if (r < 0) {
		wire_error(a, req.unique, r);
		return;
	}
	switch (req.opcode) {
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET: /* nodes are rows: there is nothing to forget */
	case FUSE_INTERRUPT:	/* nothing here takes long */
		return;
	case FUSE_LOOKUP:
		answer_lookup(v, conn, &req, a);
		return;
	case FUSE_GETATTR:
		answer_attr(v, conn, &req, a);
		return;
	case FUSE_SETATTR:
		answer_setattr(v, conn, &req, a);
		return;
	case FUSE_OPEN:
		answer_open(v, conn, &req, a);
		return;
	case FUSE_READ:
	case FUSE_WRITE:
		answer_io(v, conn, &req, a);
		return;
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		answer_readdir(v, conn, &req, a);
		return;
	case FUSE_STATFS:
		wire_statfs(a, req.unique, v->table.n);
		return;
	case FUSE_LISTXATTR: /* none, as on procfs */
		if (req.size == 0)
			wire_xattr_size(a, req.unique, 0);
		else
			wire_error(a, req.unique, 0);
		return;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_DESTROY:
		wire_error(a, req.unique, 0);
		return;
	case FUSE_FSYNC:
		wire_error(a, req.unique, -EINVAL);
		return;
	case FUSE_IOCTL:
		wire_error(a, req.unique, -ENOTTY);
		return;
	default:
		/* The kernel remembers it: EOPNOTSUPP (xattr, fallocate), or it does it by itself (lseek, poll). */
		wire_error(a, req.unique, -ENOSYS);
		return;
	}
}
