/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/mountopt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "base/cleanup.h"

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

enum kind {
	SET,   /* set attr bits */
	CLEAR, /* clear them */
	RSET,  /* the same, recursively */
	RCLEAR,
	PROPAGATE, /* value: MS_*, with MS_REC for the r- forms */
	FLAG,	   /* one of the bool members */
	SB,	   /* a superblock flag: handed to the file system by its name */
	IGNORE,	   /* is the default, or means nothing to any current kernel */
};

enum flag { F_BIND, F_RBIND, F_REMOUNT, F_COPYUP, F_IDMAP, F_RIDMAP };

static const struct word {
	const char *name;
	enum kind kind;
	uint64_t value;
} words[] = {
	{ "acl", IGNORE, 0 },
	{ "async", IGNORE, 0 },
	{ "atime", CLEAR, MOUNT_ATTR_NOATIME },
	{ "bind", FLAG, F_BIND },
	{ "defaults", IGNORE, 0 },
	{ "dev", CLEAR, MOUNT_ATTR_NODEV },
	{ "diratime", CLEAR, MOUNT_ATTR_NODIRATIME },
	{ "dirsync", SB, 0 },
	{ "exec", CLEAR, MOUNT_ATTR_NOEXEC },
	{ "idmap", FLAG, F_IDMAP },
	{ "iversion", IGNORE, 0 },
	{ "lazytime", SB, 0 },
	{ "loud", IGNORE, 0 },
	{ "mand", IGNORE, 0 },
	{ "noacl", IGNORE, 0 },
	{ "noatime", SET, MOUNT_ATTR_NOATIME },
	{ "nodev", SET, MOUNT_ATTR_NODEV },
	{ "nodiratime", SET, MOUNT_ATTR_NODIRATIME },
	{ "noexec", SET, MOUNT_ATTR_NOEXEC },
	{ "noiversion", IGNORE, 0 },
	{ "nolazytime", IGNORE, 0 },
	{ "nomand", IGNORE, 0 },
	{ "norelatime", CLEAR, MOUNT_ATTR_RELATIME },
	{ "nostrictatime", CLEAR, MOUNT_ATTR_STRICTATIME },
	{ "nosuid", SET, MOUNT_ATTR_NOSUID },
	{ "nosymfollow", SET, MOUNT_ATTR_NOSYMFOLLOW },
	{ "private", PROPAGATE, MS_PRIVATE },
	{ "ratime", RCLEAR, MOUNT_ATTR_NOATIME },
	{ "rbind", FLAG, F_RBIND },
	{ "rdev", RCLEAR, MOUNT_ATTR_NODEV },
	{ "rdiratime", RCLEAR, MOUNT_ATTR_NODIRATIME },
	{ "relatime", SET, MOUNT_ATTR_RELATIME },
	{ "remount", FLAG, F_REMOUNT },
	{ "rexec", RCLEAR, MOUNT_ATTR_NOEXEC },
	{ "ridmap", FLAG, F_RIDMAP },
	{ "rnoatime", RSET, MOUNT_ATTR_NOATIME },
	{ "rnodev", RSET, MOUNT_ATTR_NODEV },
	{ "rnodiratime", RSET, MOUNT_ATTR_NODIRATIME },
	{ "rnoexec", RSET, MOUNT_ATTR_NOEXEC },
	{ "rnorelatime", RCLEAR, MOUNT_ATTR_RELATIME },
	{ "rnostrictatime", RCLEAR, MOUNT_ATTR_STRICTATIME },
	{ "rnosuid", RSET, MOUNT_ATTR_NOSUID },
	{ "rnosymfollow", RSET, MOUNT_ATTR_NOSYMFOLLOW },
	{ "ro", SET, MOUNT_ATTR_RDONLY },
	{ "rprivate", PROPAGATE, MS_PRIVATE | MS_REC },
	{ "rrelatime", RSET, MOUNT_ATTR_RELATIME },
	{ "rro", RSET, MOUNT_ATTR_RDONLY },
	{ "rrw", RCLEAR, MOUNT_ATTR_RDONLY },
	{ "rshared", PROPAGATE, MS_SHARED | MS_REC },
	{ "rslave", PROPAGATE, MS_SLAVE | MS_REC },
	{ "rstrictatime", RSET, MOUNT_ATTR_STRICTATIME },
	{ "rsuid", RCLEAR, MOUNT_ATTR_NOSUID },
	{ "rsymfollow", RCLEAR, MOUNT_ATTR_NOSYMFOLLOW },
	{ "runbindable", PROPAGATE, MS_UNBINDABLE | MS_REC },
	{ "rw", CLEAR, MOUNT_ATTR_RDONLY },
	{ "shared", PROPAGATE, MS_SHARED },
	{ "silent", IGNORE, 0 },
	{ "slave", PROPAGATE, MS_SLAVE },
	{ "strictatime", SET, MOUNT_ATTR_STRICTATIME },
	{ "suid", CLEAR, MOUNT_ATTR_NOSUID },
	{ "symfollow", CLEAR, MOUNT_ATTR_NOSYMFOLLOW },
	{ "sync", SB, 0 },
	{ "tmpcopyup", FLAG, F_COPYUP },
	{ "unbindable", PROPAGATE, MS_UNBINDABLE },
};

const char *mount_option_name(size_t i)
{
	return i < ARRAY_SIZE(words) ? words[i].name : NULL;
}

static int compare_word(const void *key, const void *word)
{
	return strcmp(key, ((const struct word *)word)->name);
}

static void set_flag(struct mount_options *o, enum flag f)
{
	o->bind |= f == F_BIND || f == F_RBIND;
	o->recursive |= f == F_RBIND;
	o->remount |= f == F_REMOUNT;
	o->copy_up |= f == F_COPYUP;
	o->idmap |= f == F_IDMAP || f == F_RIDMAP;
	o->idmap_recursive |= f == F_RIDMAP;
}

/* The atime modes exclude each other: the last one replaces the earlier. RELATIME is the zero value. */
static void change(uint64_t *set, uint64_t *clear, uint64_t bits, bool on)
{
	bool atime = bits & MOUNT_ATTR__ATIME || bits == MOUNT_ATTR_RELATIME;

	if (on && atime)
		*set &= ~(uint64_t)MOUNT_ATTR__ATIME;
	if (on) {
		*set |= bits;
		*clear &= ~bits;
		if (bits == MOUNT_ATTR_RELATIME)
			*clear |= MOUNT_ATTR__ATIME;
	} else {
		*set &= ~bits;
		*clear |= bits & MOUNT_ATTR__ATIME ? (uint64_t)MOUNT_ATTR__ATIME : bits;
	}
}

int mount_options_parse(const struct oci_strv *opts, struct mount_options *ret, struct err *e)
{
	struct mount_options o = { 0 };

	o.data = calloc(opts->n + 1, sizeof *o.data);
	if (!o.data)
		return err_sys(e, ENOMEM, "mount options");
	for (size_t i = 0; i < opts->n; i++) {
		const struct word *w = bsearch(opts->v[i], words, ARRAY_SIZE(words), sizeof *words, compare_word);

		switch (w ? w->kind : SB) {
		case SET:
		case CLEAR:
			change(&o.set, &o.clear, w->value, w->kind == SET);
			break;
		case RSET:
		case RCLEAR:
			change(&o.rec_set, &o.rec_clear, w->value, w->kind == RSET);
			break;
		case PROPAGATE:
			o.propagation = (unsigned long)w->value & ~(unsigned long)MS_REC;
			o.propagation_recursive = w->value & MS_REC;
			break;
		case FLAG:
			set_flag(&o, (enum flag)w->value);
			break;
		case SB:
			o.data[o.n_data++] = opts->v[i];
			break;
		case IGNORE:
			break;
		}
	}
	*ret = o;
	return 0;
}

void mount_options_done(struct mount_options *o)
{
	free(o->data);
	*o = (struct mount_options){ 0 };
}
