/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CODEC_MOUNTOPT_H
#define CODEC_MOUNTOPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "codec/oci-spec.h"

/* The options of an OCI mount, sorted by what they mean to the kernel. Pure. */
struct mount_options {
	uint64_t set, clear;	     /* MOUNT_ATTR_* of the mount itself */
	uint64_t rec_set, rec_clear; /* of the whole tree ("rro", "rnosuid" ...) */
	unsigned long propagation;   /* MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE or 0 */
	bool propagation_recursive;
	bool bind, recursive; /* "bind", "rbind" */
	bool remount, copy_up;
	bool idmap, idmap_recursive; /* "idmap", "ridmap" */
	const char **data;	     /* file system options, in order; malloc'd array of borrowed strings */
	size_t n_data;
};

/*
 * mount_options_parse() - @opts as in mounts[].options. Contradicting pairs: the last one wins, as with mount(8).
 * Return: 0, -ENOMEM.
 */
int mount_options_parse(const struct oci_strv *opts, struct mount_options *ret, struct err *e);
void mount_options_done(struct mount_options *o);

/* mount_option_name() - the known words, for `features`; NULL at the end. */
const char *mount_option_name(size_t i);

#endif
