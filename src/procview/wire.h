/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROCVIEW_WIRE_H
#define PROCVIEW_WIRE_H

#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The kernel's FUSE protocol (linux/fuse.h, 7.31 to 7.45) as far as a flat directory of files needs it: bytes to
 * typed requests, answers to bytes. Pure. The kernel makes the requests, but what is in them (names, offsets,
 * data) comes from containers: all untrusted.
 */
#define WIRE_STATX 52 /* newer than Debian 12's header */

struct wire_request {
	uint32_t opcode, uid, gid;
	uint64_t unique, node;
	union {
		const char *name; /* LOOKUP: terminated, points into the request */
		uint32_t valid;	  /* SETATTR: FATTR_* */
		uint32_t flags;	  /* OPEN: O_*; GETATTR: FUSE_GETATTR_FH */
		uint32_t size;	  /* LISTXATTR: room that the caller has, 0: wants to know how much it takes */
		struct {
			uint64_t offset;
			uint32_t size;
			uint32_t open_flags; /* WRITE: O_* of the descriptor, as they are now */
			const char *data;    /* WRITE: size bytes, points into the request */
		} io;			     /* READ, WRITE, READDIR, READDIRPLUS */
	};
};

/*
 * wire_decode() - @buf: as read from /dev/fuse; @room: its size, of which the request says itself how much it
 * uses.
 * Return: 0; -EPROTO when there is not even a header (nothing can be answered); -EINVAL when the rest is not what
 * the opcode says (opcode, unique and node are set). Opcodes without a member above are left to the caller to
 * refuse.
 */
int wire_decode(const void *buf, size_t room, struct wire_request *ret);

/* An answer. What is behind head (tail) is borrowed and written along. Larger than any answer but READ's. */
#define WIRE_HEAD_MAX 8192u

struct wire_answer {
	size_t len; /* of head; 0: this request gets no answer */
	const void *tail;
	size_t tail_len;
	uint8_t head[WIRE_HEAD_MAX] __attribute__((aligned(8)));
};

/* What the attributes of a file are made from. Entries are valid for ever, attributes for @valid_ns. */
struct wire_node {
	uint64_t node, size, mtime_ns, valid_ns;
	uint32_t mode, owner; /* with S_IF*; uid and gid */
};

void wire_none(struct wire_answer *a);
/* wire_error() - @error: 0 or a negative errno. */
void wire_error(struct wire_answer *a, uint64_t unique, int error);
void wire_entry(struct wire_answer *a, uint64_t unique, const struct wire_node *node);
void wire_attr(struct wire_answer *a, uint64_t unique, const struct wire_node *node);
void wire_open(struct wire_answer *a, uint64_t unique, uint32_t flags);
void wire_written(struct wire_answer *a, uint64_t unique, uint32_t size);
void wire_statfs(struct wire_answer *a, uint64_t unique, uint64_t files);
void wire_xattr_size(struct wire_answer *a, uint64_t unique, uint32_t size);
/* wire_data() - @data is borrowed until the answer is written. */
void wire_data(struct wire_answer *a, uint64_t unique, const void *data, size_t len);

/*
 * A directory: wire_data() with nothing, then wire_dirent() per name until false, which means that it does not fit
 * in @size (READDIR's) or in the answer. @next: the offset behind it. @plus: READDIRPLUS, whose answers are
 * lookups as well; a node number 0 there ("." and "..") is none.
 */
bool wire_dirent(struct wire_answer *a, uint32_t size, bool plus, const struct wire_node *node, const char *name,
		 uint64_t next);

#endif
