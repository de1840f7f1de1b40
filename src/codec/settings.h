/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CODEC_SETTINGS_H
#define CODEC_SETTINGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "codec/settings-socket.h"

/*
 * admin-settings.json in Docker's schema (documented in docs/settings.md), with our extensions under the key "caisson".
 * Both the runtime and the guard read it as a whole, so a file that is wrong in any place is refused.
 */

#define SETTINGS_MAX (1u << 20)

enum settings_mapping {
	SETTINGS_MAP_OWNER, /* container's main user <-> owner of the shared directory; everything else in the container's range */
	SETTINGS_MAP_IDENTITY, /* ids on disk = ids in the container (by policy only) */
	SETTINGS_MAP_CONTAINER, /* ids on disk 0..65535 <-> container 0..65535, like a volume; not for directories of accounts */
};

enum settings_view {
	SETTINGS_VIEW_ASKED,  /* containers with a supervisor, and those that ask with an annotation */
	SETTINGS_VIEW_ALWAYS, /* all containers */
	SETTINGS_VIEW_NEVER,  /* containers with a supervisor only; nobody gets one by asking */
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

/* One file that took part: kept, so that it can be told where a setting is written. */
struct settings_source {
	char *file, *text;
	size_t len;
	bool user; /* the users' file */
};

struct settings {
	json_t *json; /* owned; strings point into it or into heap */
	char *heap;   /* owned */
	/* Where it came from: of several files the first; "built-in defaults" without one. Borrowed after settings_parse(),
	 * of sources[0] after settings_merge(). */
	const char *file;
	struct settings_source
		*sources; /* owned; in the order in which they were applied; empty after settings_parse() */
	size_t n_sources;
	char *note;   /* owned; NULL, or why the users' file was left out */
	bool enabled; /* enhancedContainerIsolation.value: the runtime isolates always; kept for the guard */
	bool locked; /* enhancedContainerIsolation.locked; true unless a file says false: users change nothing then */
	struct settings_share *
		shares; /* filesharingAllowedDirectories + caisson.shares; default /home owner-mapped, /lib/modules and /usr/lib/modules ro */
	size_t n_shares;
	struct settings_device *devices; /* caisson.allowedDevices; default /dev/fuse, /dev/net/tun */
	size_t n_devices;
	const char **engine_roots; /* caisson.engineRoots: extra data roots whose volumes are engine-managed */
	size_t n_engine_roots;
	uint32_t pool_first,
		pool_count; /* caisson.idPool: default 100000 and 32760 ranges; ends below 0x80000000 */
	bool allow_hooks; /* caisson.allowHooks, default true: hooks come from the bundle, i.e. from the engine */
	enum settings_view resource_view; /* caisson.resourceView, default "asked" */
	const char **host_sysctls;	  /* reserved: none */
	struct settings_socket socket;	  /* who may have the engine's socket, and for what: the guard's */
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

/* settings_parse_json() - likewise from a tree, which is taken over in any case. */
int settings_parse_json(const char *file, json_t *tree, struct settings *ret, struct err *e);

#define SETTINGS_FILES_MAX 64

struct settings_text {
	const char *file, *text; /* borrowed */
	size_t len;
};

/*
 * settings_merge() - several files to one policy: each is checked by itself, then a later one changes what the
 * earlier ones say, member by member; lists and plain values replace. An object with "locked": true is not
 * changed by a later file: one that says something else in it is refused as a whole, by name of both files.
 * @n: 0: the built-in defaults     Everything is copied.     Return: as settings_parse().
 */
int settings_merge(const struct settings_text *files, size_t n, struct settings *ret, struct err *e);

/*
 * settings_user() - let the users' file decide what is not locked: enhancedContainerIsolation, a boolean or an
 * object with "value". Everything else in it belongs to other programs. Untrusted. With @s->locked nothing is
 * read. Return: 0; -EINVAL, -EFBIG, -ENOMEM: @s is unchanged.
 */
int settings_user(struct settings *s, const struct settings_text *user, struct err *e);

struct settings_place {
	unsigned line;	   /* of its name, from 1; 0: not there */
	size_t start, end; /* of the value, in the text */
};

/*
 * settings_locate() - find a value in JSON text. @key: "caisson.shares[2].path"; names in any case. @text: any
 * bytes; what is found is right for what settings_parse() accepts. Pure, no allocation but for escaped names.
 */
struct settings_place settings_locate(const char *text, size_t len, const char *key);

/*
 * settings_origin() - where the setting @key was decided: "/etc/caisson/admin-settings.json:7", or "built-in defaults"
 * where no file says anything about it. Return: @buf.
 */
const char *settings_origin(const struct settings *s, const char *key, char *buf, size_t size);

void settings_done(struct settings *s);

#endif
