/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CODEC_SETTINGS_H
#define CODEC_SETTINGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * admin-settings.json in Docker's schema (documented in docs/settings.md), with our extensions under the key "caisson".
 * Only what the runtime decides by is typed here: the guard's part (socket lists) is checked for types, so a wrong file is refused as a whole.
 */

#define SETTINGS_MAX (1u << 20)

enum settings_mapping {
	SETTINGS_MAP_OWNER,    /* container's main user <-> owner of the shared directory; everything else in the container's range */
	SETTINGS_MAP_IDENTITY, /* ids on disk = ids in the container (by policy only) */
	SETTINGS_MAP_CONTAINER,/* ids on disk 0..65535 <-> container 0..65535, like a volume; not for directories of accounts */
};

struct settings_share {
	const char *path; /* absolute, lexically clean; "$HOME" and the like are expanded by the loader's caller */
	bool read_only;
	enum settings_mapping mapping;
	const char *rule; /* where it is written: "caisson.shares[2]"; never NULL after settings_parse() */
};

struct settings_device {
	const char *path; /* "/dev/fuse" */
};

struct settings {
	json_t *json; /* owned; strings point into it or into heap */
	char *heap;   /* owned */
	const char *file; /* where it came from, "built-in defaults" when no file exists; borrowed */
	bool enabled; /* enhancedContainerIsolation.value: the runtime isolates always; kept for the guard */
	struct settings_share *shares; /* filesharingAllowedDirectories + caisson.shares; default /home owner-mapped, /lib/modules and /usr/lib/modules ro */
	size_t n_shares;
	struct settings_device *devices; /* caisson.allowedDevices; default /dev/fuse, /dev/net/tun */
	size_t n_devices;
	const char **engine_roots; /* caisson.engineRoots: extra data roots whose volumes are engine-managed */
	size_t n_engine_roots;
	uint32_t pool_first, pool_count; /* caisson.idPool: default 100000 and 32760 ranges; ends below 0x80000000 */
	bool allow_hooks;		 /* caisson.allowHooks, default true: hooks come from the bundle, i.e. from the engine */
	const char **host_sysctls;	 /* reserved: none */
};

/*
 * settings_parse() - @buf NULL: the built-in defaults.
 * Tolerated: UTF-8 BOM, unknown keys, missing configurationFileVersion. Key names at documented places match
 * case-insensitively as Docker Desktop's do; two keys that differ only in case are refused. Refused with one line
 * (file, JSON path, reason, cure): not JSON, duplicate keys, wrong types, relative or unclean paths, "/" as a share,
 * unknown mapping, unknown command list type, pool outside 65536..2^31. Pure.
 * Also refused: a configurationFileVersion other than 2, unknown keys below "caisson" (a mistyped restriction must not
 * vanish silently), one path twice in caisson.shares, shares in /proc, /sys and /dev, lists of over 4096 entries.
 * $HOME, $TMP and $TEMP are expanded here, to /home, /tmp and /tmp. @file must outlive @ret.
 * Return: 0, -EINVAL, -EFBIG (over SETTINGS_MAX), -ENOMEM; *@ret is untouched then.
 */
int settings_parse(const char *file, const char *buf, size_t len, struct settings *ret, struct err *e);
void settings_done(struct settings *s);

#endif
