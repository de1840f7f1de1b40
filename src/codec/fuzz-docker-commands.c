/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random command lists, as settings have them: the first byte says which (1: allow, 2: an image's own list, 4: names
 * are text, one a line, else numbers of known ones). A deny list blocks exactly the keys of what it names, under any
 * of its names; an allow list admits exactly keys, needs and what is always open; and what was learned of a use (of
 * what the list has, and of endpoints by their number) admits it.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/docker-commands.h"
#include "codec/settings.h"

#define NAMES_MAX 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static struct docker_routes set_of(const char *name, bool needs)
{
	struct docker_routes set = { 0 };

	check(docker_command_add(name, needs, &set));
	return set;
}

static bool always_open(const char *route)
{
	return strcmp(route, "ping") == 0 || strcmp(route, "version") == 0 || strcmp(route, "options") == 0;
}

/* @list, by the table and by one command at a time. */
static void check_list(const struct docker_command_list *list, bool allow, const char *const *names, size_t n)
{
	size_t n_routes;
	const char *const *routes = docker_route_names(&n_routes);

	struct docker_routes sets[NAMES_MAX];

	check(list->given && list->allow == allow);
	for (size_t k = 0; k < n; k++)
		sets[k] = set_of(names[k], allow);
	for (int i = 0; i < (int)n_routes; i++) {
		bool named = false;

		for (size_t k = 0; k < n; k++)
			named = named || docker_routes_has(&sets[k], i);
		check(docker_command_list_allows(list, i) == (allow ? named || always_open(routes[i]) : !named));
	}
	for (int i = (int)n_routes; i < DOCKER_ROUTES_MAX; i++)
		check(docker_command_list_allows(list, i) == !allow);
	check(docker_command_list_allows(list, -1) == !allow);
}

/* What a name blocks, all others of the same command block. */
static void check_aliases(const char *name)
{
	for (size_t i = 0; docker_command_name(i, 0); i++) {
		struct docker_routes key, other;
		bool here = false;

		for (size_t k = 0; docker_command_name(i, k); k++)
			here = here || strcmp(docker_command_name(i, k), name) == 0;
		if (!here)
			continue;
		key = set_of(name, false);
		for (size_t k = 0; docker_command_name(i, k); k++) {
			other = set_of(docker_command_name(i, k), false);
			check(memcmp(&key, &other, sizeof key) == 0);
		}
	}
}

static bool admits(const struct docker_routes *sets, size_t n, size_t without, int route)
{
	for (size_t k = 0; k < n; k++)
		if (k != without && docker_routes_has(&sets[k], route))
			return true;
	return false;
}

static void check_learned(const struct docker_routes *used)
{
	struct docker_routes sets[DOCKER_ROUTES_MAX], possible = { 0 };
	const char *learned[DOCKER_ROUTES_MAX];
	size_t n_routes, n = docker_command_learn(used, learned, DOCKER_ROUTES_MAX);
	const char *const *routes = docker_route_names(&n_routes);

	for (size_t k = 0; docker_command_name(k, 0); k++)
		check(docker_command_add(docker_command_name(k, 0), true, &possible));
	for (size_t k = 0; k < n; k++)
		sets[k] = set_of(learned[k], true);
	for (int i = 0; i < (int)n_routes; i++)
		if (docker_routes_has(used, i) && docker_routes_has(&possible, i) && !always_open(routes[i]))
			check(admits(sets, n, n, i));
	for (size_t k = 0; k < n; k++) {
		bool adds = false;

		for (int i = 0; i < (int)n_routes; i++)
			adds = adds || (docker_routes_has(used, i) && !always_open(routes[i]) &&
					admits(sets, n, n, i) && !admits(sets, n, k, i));
		check(adds);
	}
}

static json_t *document(bool allow, bool own, json_t *commands)
{
	json_t *list = json_pack("{ss so}", "type", allow ? "allow" : "deny", "commands", commands);

	return own ? json_pack("{s{s{s[{ss so}]}}}", "caisson", "dockerSocket", "images", "image", "a",
			       "commandList", list)
		   : json_pack("{s{s{so s{s[s]}}}}", "enhancedContainerIsolation", "dockerSocketMount",
			       "commandList", list, "imageList", "images", "a");
}

/* Of the text or numbers in the input: names, of which @ret_known are. Return: how many. */
static size_t read_names(char *text, size_t size, bool words, const char **ret, size_t *ret_known)
{
	size_t n = 0, commands = 0;

	*ret_known = 0;
	while (docker_command_name(commands, 0))
		commands++;
	if (words) {
		char *save = NULL;

		for (char *w = strtok_r(text, "\n", &save); w && n < NAMES_MAX; w = strtok_r(NULL, "\n", &save)) {
			struct docker_routes ignored = { 0 };

			ret[n++] = w;
			*ret_known += docker_command_add(w, true, &ignored);
		}
		return n;
	}
	for (size_t i = 0; i + 1 < size && n < NAMES_MAX; i += 2) {
		const char *name = docker_command_name((uint8_t)text[i] % commands, (uint8_t)text[i + 1] % 5);

		ret[n++] = name ? name : docker_command_name((uint8_t)text[i] % commands, 0);
	}
	*ret_known = n;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = malloc(size + 1);
	const char *names[NAMES_MAX];
	json_t *commands = json_array();
	struct settings s = { 0 };
	struct err e = { 0 };
	struct docker_routes used = { 0 };
	size_t n, n_known, n_routes;
	bool allow, own;
	int r;

	if (!text || size == 0 || size > 2000) {
		json_decref(commands);
		return 0;
	}
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	allow = data[0] & 1;
	own = data[0] & 2;
	n = read_names(text, size - 1, data[0] & 4, names, &n_known);
	(void)docker_route_names(&n_routes);
	for (size_t i = 1; i < size; i++)
		docker_routes_set(&used, data[i] % (int)n_routes);
	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(commands, json_string(names[i])) < 0)
			n_known = SIZE_MAX; /* not UTF-8: not in any file */
	r = settings_parse_json("fuzz", document(allow, own, commands), &s, &e);
	if (n_known == SIZE_MAX) {
		settings_done(&s);
		return 0;
	}
	check((r == 0) == (n_known == n));
	if (r < 0) {
		check(strncmp(e.msg, "fuzz: ", 6) == 0 && !strpbrk(e.msg, "\n\r\x1b"));
		return 0;
	}
	check(s.socket.n_images == 1);
	check_list(&s.socket.images[0].commands, allow, names, n);
	for (size_t i = 0; i < n; i++)
		check_aliases(names[i]);
	check_learned(&s.socket.images[0].commands.listed);
	check_learned(&used);
	settings_done(&s);
	return 0;
}
