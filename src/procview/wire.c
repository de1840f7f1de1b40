/* SPDX-License-Identifier: Apache-2.0 */
#include "procview/wire.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define FOR_EVER (1ull << 30) /* seconds; more than the kernel counts in jiffies it cuts off itself */

/* What a body begins with, by opcode; its size is the least that the body must have. */
static int decode_body(const uint8_t *body, size_t len, struct wire_request *ret)
{
	union {
		struct fuse_getattr_in getattr;
		struct fuse_setattr_in setattr;
		struct fuse_open_in open;
		struct fuse_read_in read;
		struct fuse_write_in write;
		struct fuse_getxattr_in xattr;
	} in;

	switch (ret->opcode) {
	case FUSE_LOOKUP:
		if (!memchr(body, '\0', len))
			return -EINVAL;
		ret->name = (const char *)body;
		return 0;
	case FUSE_GETATTR:
		if (len < sizeof in.getattr)
			return -EINVAL;
		memcpy(&in.getattr, body, sizeof in.getattr);
		ret->flags = in.getattr.getattr_flags;
		return 0;
	case FUSE_SETATTR:
		if (len < sizeof in.setattr)
			return -EINVAL;
		memcpy(&in.setattr, body, sizeof in.setattr);
		ret->valid = in.setattr.valid;
		return 0;
	case FUSE_OPEN:
		if (len < sizeof in.open)
			return -EINVAL;
		memcpy(&in.open, body, sizeof in.open);
		ret->flags = in.open.flags;
		return 0;
	case FUSE_LISTXATTR:
		if (len < sizeof in.xattr)
			return -EINVAL;
		memcpy(&in.xattr, body, sizeof in.xattr);
		ret->size = in.xattr.size;
		return 0;
	case FUSE_READ:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		if (len < sizeof in.read)
			return -EINVAL;
		memcpy(&in.read, body, sizeof in.read);
		ret->io.offset = in.read.offset;
		ret->io.size = in.read.size;
		return 0;
	case FUSE_WRITE:
		if (len < sizeof in.write)
			return -EINVAL;
		memcpy(&in.write, body, sizeof in.write);
		if (in.write.size > len - sizeof in.write)
			return -EINVAL;
		ret->io.offset = in.write.offset;
		ret->io.size = in.write.size;
		ret->io.open_flags = in.write.flags;
		ret->io.data = (const char *)body + sizeof in.write;
		return 0;
	default:
		return 0;
	}
}

int wire_decode(const void *buf, size_t room, struct wire_request *ret)
{
	struct fuse_in_header in;

	memset(ret, 0, sizeof *ret);
	if (room < sizeof in)
		return -EPROTO;
	memcpy(&in, buf, sizeof in);
	if (in.len < sizeof in || in.len > room)
		return -EPROTO;
	ret->opcode = in.opcode;
	ret->unique = in.unique;
	ret->node = in.nodeid;
	ret->uid = in.uid;
	ret->gid = in.gid;
	return decode_body((const uint8_t *)buf + sizeof in, in.len - sizeof in, ret);
}

void wire_none(struct wire_answer *a)
{
	a->len = 0;
	a->tail = NULL;
	a->tail_len = 0;
}

static void put(struct wire_answer *a, uint64_t unique, int error, const void *body, size_t len)
{
	struct fuse_out_header out = { .len = (uint32_t)(sizeof out + len), .error = error, .unique = unique };

	memcpy(a->head, &out, sizeof out);
	if (len > 0)
		memcpy(a->head + sizeof out, body, len);
	a->len = sizeof out + len;
	a->tail = NULL;
	a->tail_len = 0;
}

void wire_error(struct wire_answer *a, uint64_t unique, int error)
{
	put(a, unique, error, NULL, 0);
}

static void fill_attr(struct fuse_attr *attr, const struct wire_node *node)
{
	attr->ino = node->node;
	attr->size = node->size;
	attr->mode = node->mode;
	attr->nlink = S_ISDIR(node->mode) ? 2 : 1;
	attr->uid = attr->gid = node->owner;
	attr->atime = attr->mtime = attr->ctime = node->mtime_ns / 1000000000u;
	attr->atimensec = attr->mtimensec = attr->ctimensec = (uint32_t)(node->mtime_ns % 1000000000u);
	attr->blksize = 1024; /* as procfs */
}

static struct fuse_entry_out make_entry(const struct wire_node *node)
{
	struct fuse_entry_out out = { .nodeid = node->node, .entry_valid = FOR_EVER };

	out.attr_valid = node->valid_ns / 1000000000u;
	out.attr_valid_nsec = (uint32_t)(node->valid_ns % 1000000000u);
	fill_attr(&out.attr, node);
	return out;
}

void wire_entry(struct wire_answer *a, uint64_t unique, const struct wire_node *node)
{
	struct fuse_entry_out out = make_entry(node);

	put(a, unique, 0, &out, sizeof out);
}

void wire_attr(struct wire_answer *a, uint64_t unique, const struct wire_node *node)
{
	struct fuse_attr_out out = { .attr_valid = node->valid_ns / 1000000000u };

	out.attr_valid_nsec = (uint32_t)(node->valid_ns % 1000000000u);
	fill_attr(&out.attr, node);
	put(a, unique, 0, &out, sizeof out);
}

void wire_open(struct wire_answer *a, uint64_t unique, uint32_t flags)
{
	struct fuse_open_out out = { .open_flags = flags };

	put(a, unique, 0, &out, sizeof out);
}

void wire_written(struct wire_answer *a, uint64_t unique, uint32_t size)
{
	struct fuse_write_out out = { .size = size };

	put(a, unique, 0, &out, sizeof out);
}

void wire_statfs(struct wire_answer *a, uint64_t unique, uint64_t files)
{
	struct fuse_statfs_out out = { .st = { .bsize = 4096, .frsize = 4096, .namelen = 255, .files = files } };

	put(a, unique, 0, &out, sizeof out);
}

void wire_xattr_size(struct wire_answer *a, uint64_t unique, uint32_t size)
{
	struct fuse_getxattr_out out = { .size = size };

	put(a, unique, 0, &out, sizeof out);
}

void wire_data(struct wire_answer *a, uint64_t unique, const void *data, size_t len)
{
	struct fuse_out_header out = { .len = (uint32_t)(sizeof out + len), .unique = unique };

	memcpy(a->head, &out, sizeof out);
	a->len = sizeof out;
	a->tail = len > 0 ? data : NULL;
	a->tail_len = len;
}

bool wire_dirent(struct wire_answer *a, uint32_t size, bool plus, const struct wire_node *node, const char *name,
		 uint64_t next)
{
	struct fuse_out_header *out = (struct fuse_out_header *)a->head;
	struct fuse_dirent ent = { .ino = node->node, .off = next, .type = (node->mode & S_IFMT) >> 12 };
	size_t used = a->len - sizeof *out, name_len = strlen(name), skip = 0, len;

	ent.namelen = (uint32_t)name_len;
	len = (plus ? sizeof(struct fuse_entry_out) : 0) + FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + name_len);
	if (len > size || used > size - len || a->len > sizeof a->head - len)
		return false;
	memset(a->head + a->len, 0, len); /* the padding goes to the kernel too */
	if (plus) {
		struct fuse_entry_out entry = make_entry(node);

		if (name[0] == '.')
			entry.nodeid = 0;
		memcpy(a->head + a->len, &entry, sizeof entry);
		skip = sizeof entry;
	}
	memcpy(a->head + a->len + skip, &ent, FUSE_NAME_OFFSET);
	memcpy(a->head + a->len + skip + FUSE_NAME_OFFSET, name, name_len);
	a->len += len;
	out->len = (uint32_t)a->len;
	return true;
}
