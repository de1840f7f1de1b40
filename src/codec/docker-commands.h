/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CODEC_DOCKER_COMMANDS_H
#define CODEC_DOCKER_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Commands of the docker CLI as the endpoints of the Engine API that they use, for command lists (E70-E78, E81). An
 * endpoint is named as the guard's route table names it ("container_create", guard/route.c); the only endpoint that is
 * two commands is image_create, which is "image_import" when it has fromSrc. Pure tables.
 *
 * A command has a key (endpoints that are this command: a deny list blocks them) and needs (what the CLI calls besides:
 * an allow list opens both). An allow list always opens ping, version and what OPTIONS answers.
 * Names: every command of `docker --help`, "container ls" style commands of groups, aliases ("rmi", "image rm",
 * "images", "image ls"), and wildcards, one for every group: "container*", "build*", "compose*", ...; a group's bare
 * name ("container", "compose") is its wildcard. A wildcard has as its key every endpoint of the group's objects and
 * the keys of the group's commands, and needs what these need. "compose" is the union of what it calls, with what it
 * changes as the key. Commands that call no endpoint of the engine ("context", "logout", "manifest", "trust",
 * "scout", "init", ...) are known, with an empty key: a file that names them is right. "system prune" calls what
 * other groups' prune commands call: listed by name it denies those, "system*" does not.
 */

#define DOCKER_ROUTES_MAX 192 /* at least as many as guard/route.c has */

/* A set of endpoints; indices into docker_route_names(). */
struct docker_routes {
	uint64_t bits[DOCKER_ROUTES_MAX / 64];
};

/* docker_route_names() - every endpoint, in the order of the bits. guard's tests hold it against the route table. */
const char *const *docker_route_names(size_t *ret_n);

/* docker_route_index() - -1: no such name. */
int docker_route_index(const char *name);

/* docker_command_add() - add the key (and, with @needs, the needs) of a command or wildcard. false: unknown name. */
bool docker_command_add(const char *command, bool needs, struct docker_routes *set);

/* docker_command_name() - all names: the @alias-th (0: the main one) of the @i-th command or group; NULL: no more. */
const char *docker_command_name(size_t i, size_t alias);

/* docker_route_command() - of the commands with it in their key the most specific: container_list: "ps"; NULL: none. */
const char *docker_route_command(int route);

/* docker_command_closest() - a known name that @name may have been meant for, or NULL: for messages. */
const char *docker_command_closest(const char *name);

bool docker_routes_has(const struct docker_routes *set, int route);
void docker_routes_set(struct docker_routes *set, int route);

/* A commandList, compiled. */
struct docker_command_list {
	bool given;		     /* false: everything is allowed */
	bool allow;		     /* what is listed, and nothing else; else all but what is listed */
	struct docker_routes listed; /* key, and for allow needs */
};

/*
 * docker_command_list_allows() - @route: index; -1 (an endpoint without a name) passes deny lists only. What an allow
 * list always opens a deny list closes where it is named ("version").
 */
bool docker_command_list_allows(const struct docker_command_list *list, int route);

/*
 * docker_command_learn() - a small allow list that admits all of @used and little else: single commands that were
 * called (something of their key was used) before others; groups only where they open nothing but what was used.
 * Names, each of which adds something; always the same for the same @used. What no command opens ("metrics") cannot
 * be admitted.
 * @ret: room for @max names. Return: how many.
 */
size_t docker_command_learn(const struct docker_routes *used, const char **ret, size_t max);

#endif
