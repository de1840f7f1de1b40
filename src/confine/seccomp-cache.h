/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFINE_SECCOMP_CACHE_H
#define CONFINE_SECCOMP_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "codec/oci-spec.h"
#include "confine/confine.h"

/*
 * The cache of compiled programs. It can only make things faster: whatever is wrong with it or with an entry counts as
 * "not found", and an entry is used only when the key in it equals the wanted one byte for byte.
 */

#define SECCOMP_CACHE_ENTRIES 64

struct seccomp_key {
	unsigned char *buf; /* owned */
	size_t len, cap;
	uint64_t hash; /* names the file; equality is decided by the bytes */
};

/*
 * seccomp_key_make() - encode every field of @s that the program depends on, so that two profiles have equal keys only
 * if they compile to equal programs. @tool: versions and architecture of what compiles.
 * Return: 0 or -ENOMEM.
 */
int seccomp_key_make(const struct oci_seccomp *s, const char *tool, struct seccomp_key *ret);
void seccomp_key_done(struct seccomp_key *k);

/* seccomp_cache_get() - 1 and a program that the caller owns, or 0. */
int seccomp_cache_get(int dirfd, const struct seccomp_key *k, struct seccomp_program *ret);

/* seccomp_cache_put() - store @p, evicting the oldest entries; on failure nothing is stored. */
void seccomp_cache_put(int dirfd, const struct seccomp_key *k, const struct seccomp_program *p);

#endif
