/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CODEC_SETTINGS_SOCKET_H
#define CODEC_SETTINGS_SOCKET_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "codec/docker-commands.h"
#include "codec/imageref.h"

/*
 * What the settings say about the Docker socket in containers: enhancedContainerIsolation.dockerSocketMount
 * (Docker's schema, E47-E82) and caisson.dockerSocket (ours; documented in docs/settings.md):
 *
 * "caisson": { "dockerSocket": {
 *     "directory": "/run/caisson/sockets",
 *     "images": [ {
 *         "image": "docker.io/testcontainers/ryuk:*",       one of image, id, label says which image
 *         "id": "sha256:...",                                image id of the engine: a local image (L14)
 *         "label": "org.example.ci=yes", "builders": ["root", 1000],  built here by one of these users, with this label
 *         "allowDerivedImages": true,                        default: imageList.allowDerivedImages
 *         "commandList": { "type": "allow", "commands": [] },  default: dockerSocketMount.commandList
 *         "readOnly": true,                                  GET and HEAD only, no contents (archive, export, logs, attach)
 *         "ownOnly": true,                                   sees and changes only what it made (U18)
 *         "until": "2027-01-31T00:00:00Z",
 *         "learn": true,                                     everything passes and is recorded
 *         "create": { "privileged": false, "binds": false, "networks": ["bridge", "ci-*"], "namePrefix": "ci-",
 *                     "labels": { "owner": "ci" } }
 *     } ],
 *     "digestMaxAge": 120, "staleMaxAge": 0,                 seconds
 *     "offline": "refuse",                                   or "lastKnown": see socket/digests.h
 *     "proxy": "http://proxy:3128",
 *     "registries": { "registry.example.com:5000": { "insecure": true, "ca": "/etc/...", "auth": "/etc/...",
 *                     "mirror": "https://mirror.example.com" } }
 * } }
 */

struct socket_label {
	const char *key, *value;
};

/* What may be asked for when a container is made through the socket, beyond what the guard forbids anyway. */
struct socket_create {
	bool no_privileged;    /* "privileged": false: neither that nor CapAdd, Devices, SecurityOpt */
	bool no_binds;	       /* "binds": false: no host paths; volumes stay */
	const char **networks; /* owned array; names, "*" at the end stands for anything; NULL: any */
	size_t n_networks;
	const char *name_prefix;     /* NULL: any, also none */
	struct socket_label *labels; /* owned array; put on what is made */
	size_t n_labels;
};

enum socket_image_kind {
	SOCKET_IMAGE_NAME,  /* @pattern, decided by what the registry has */
	SOCKET_IMAGE_ID,    /* @id */
	SOCKET_IMAGE_LABEL, /* @label, built here by one of @builders */
};

struct socket_image {
	enum socket_image_kind kind;
	struct image_pattern pattern;
	const char *text;    /* as it is written: the entry's name in grants, messages and logs */
	const char *setting; /* "enhancedContainerIsolation.dockerSocketMount.imageList.images[2]" */
	const char *id;
	struct socket_label label;
	uint32_t *builders; /* owned; uids; none: root only */
	size_t n_builders;
	bool derived;
	struct docker_command_list commands; /* its own, or the global one */
	const char *commands_setting;	     /* where it is written */
	bool read_only, own_only, learn;
	int64_t until; /* seconds since 1970; 0: no end */
	struct socket_create create;
};

enum socket_offline {
	SOCKET_OFFLINE_REFUSE,	   /* what is older than the ages allow is refused */
	SOCKET_OFFLINE_LAST_KNOWN, /* while the registry does not answer, what it said last counts; up to 7 days */
};

struct socket_registry {
	const char *host;		/* as in image_ref.registry */
	bool insecure;			/* plain HTTP, or a certificate that nobody vouches for */
	const char *ca, *auth, *mirror; /* NULL: none; files are absolute paths */
};

struct settings_socket {
	/* In the order in which they are tried: caisson.dockerSocket.images, then imageList.images. Owned. */
	struct socket_image *images;
	size_t n_images;
	struct docker_command_list commands;
	bool derived;
	const char *directory;			/* default "/run/caisson/sockets" */
	uint32_t digest_max_age, stale_max_age; /* seconds; defaults 120 and 0 */
	enum socket_offline offline;
	const char *proxy;		    /* NULL: from the environment */
	struct socket_registry *registries; /* owned */
	size_t n_registries;
	void *heap; /* owned: texts made while parsing */
};

#define SOCKET_DIRECTORY "/run/caisson/sockets"

/*
 * settings_socket_parse() - from the whole tree of the settings, which has to outlive @ret; NULL: the defaults.
 * settings_parse() calls it. Strict below caisson: unknown members, unknown commands, malformed image names, dates,
 * ids, paths, names of networks and registries, and one image text twice, are refused by name (with the closest
 * known one); an unknown command or a bad image name in Docker's own part as well (a restriction must not vanish).
 * Return: 0, -EINVAL, -ENOMEM; *@ret has to be passed to settings_socket_done() in any case.
 */
int settings_socket_parse(const char *file, json_t *root, struct settings_socket *ret, struct err *e);

void settings_socket_done(struct settings_socket *s);

/* settings_socket_entry() - the entry of this text, or NULL: it is not listed (any more). */
const struct socket_image *settings_socket_entry(const struct settings_socket *s, const char *text);

/* settings_socket_registry() - what is said about a registry, or NULL. */
const struct socket_registry *settings_socket_registry(const struct settings_socket *s, const char *host);

#endif
