/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CODEC_MOUNTINFO_H
#define CODEC_MOUNTINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * /proc/PID/mountinfo (proc(5)) and overlay's mount options as the kernel prints them. Pure, in place, no allocation for
 * lines. Paths in it are chosen by whoever mounted: untrusted.
 */
struct mountinfo {
	uint64_t id, parent;
	unsigned major, minor;
	char *root, *target; /* unescaped */
	char *options;	     /* of the mount, "ro,nosuid" */
	char *fstype, *source;
	char *super_options; /* still escaped: a comma inside a value is \054 */
};

/*
 * mountinfo_next() - take the next line off *@cursor (NUL-terminated text, modified).
 * Return: 1 with @ret filled, 0 at the end, -EPROTO for a line of another form.
 */
int mountinfo_next(char **cursor, struct mountinfo *ret);

/* Turn \ooo into the byte, in place. Anything else stays as it is. */
void mountinfo_unescape(char *s);

struct overlay_options {
	char **lower; /* top first; malloc'd array, strings point into the parsed text */
	size_t n_lower;
	size_t n_data;	    /* the last n_data of lower are data-only layers */
	char *upper, *work; /* NULL: read-only overlay */
	bool metacopy, redirect, userxattr, volatile_, nfs_export;
};

/*
 * overlay_options_parse() - super options of an overlay mount, modified and referenced by the result.
 * Knows lowerdir=a:b::c (with \: escapes), lowerdir+=, datadir+=, upperdir=, workdir=.
 * Return: 0, -EINVAL without any lower layer or with over 500 (the kernel's limit), -ENOMEM.
 */
int overlay_options_parse(char *text, struct overlay_options *ret);
void overlay_options_done(struct overlay_options *o);

#endif
