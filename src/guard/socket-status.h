/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_SOCKET_STATUS_H
#define GUARD_SOCKET_STATUS_H

#include "codec/settings.h"
#include "socket/grants.h"

/* What the guard says at this path, to root: which containers have a Docker socket, by which entry, and what they called. */
#define SOCKETS_STATUS_PATH "/caisson/sockets"

/*
 * sockets_json() - {"sockets": [{"container", "image", "imageId", "digest", "entry", "setting", "decidedBy", "calls",
 * "refusals", "used": [commands], "refused": [commands], "learned": a commandList that allows what was used, ...}]}.
 * @grants: NULL: there are none. Return: malloc'd, NULL without memory.
 */
char *sockets_json(struct grants *grants, const struct settings *settings);

#endif
