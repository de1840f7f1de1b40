/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "codec/closest.h"
#include "codec/docker-commands.h"

static struct docker_command_list list_of(bool allow, const char *const *names)
{
	struct docker_command_list list = { .given = true, .allow = allow };

	for (; *names; names++)
		if (!docker_command_add(*names, allow, &list.listed))
			fail_msg("%s is not known", *names);
	return list;
}

#define LIST(allow, ...) list_of(allow, (const char *const[]){ __VA_ARGS__, NULL })

static bool passes(const struct docker_command_list *list, const char *route)
{
	int i = docker_route_index(route);

	if (i < 0)
		fail_msg("no endpoint %s", route);
	return docker_command_list_allows(list, i);
}

static void assert_list(const struct docker_command_list *list, const char *passing, const char *blocked)
{
	const char *const texts[] = { passing, blocked };

	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *copy = strdup(texts[i]);
		char *save = NULL;

		for (char *r = strtok_r(copy, " ", &save); r; r = strtok_r(NULL, " ", &save))
			if (passes(list, r) != (i == 0))
				fail_msg("%s is %s", r, i == 0 ? "blocked" : "let through");
	}
}

static void without_a_list_everything_passes(void **state)
{
	struct docker_command_list list = { 0 };
	size_t n;

	(void)state;
	(void)docker_route_names(&n);
	for (int i = -1; i < (int)n; i++)
		assert_true(docker_command_list_allows(&list, i));
}

static void names_and_indices_agree(void **state)
{
	size_t n;
	const char *const *names = docker_route_names(&n);

	(void)state;
	assert_true(n > 100 && n <= DOCKER_ROUTES_MAX);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(docker_route_index(names[i]), i);
	assert_int_equal(docker_route_index(""), -1);
	assert_int_equal(docker_route_index("container"), -1);
}

/* E71, E75: what the documentation's example says. */
static void a_deny_list_blocks_what_it_names(void **state)
{
	struct docker_command_list list = LIST(false, "push", "build");

	(void)state;
	assert_list(&list,
		    "ping version info container_list container_create image_create image_inspect image_load",
		    "image_push build session grpc build_cancel");
	assert_true(docker_command_list_allows(&list, -1));
	list = LIST(false, "run");
	assert_list(&list, "container_attach container_wait container_kill image_create container_list",
		    "container_create container_start");
	list = LIST(false, "version", "pull");
	assert_list(&list, "ping image_import", "version image_create");
}

/* E72: also that the client can find out what it talks to. */
static void an_allow_list_opens_what_its_commands_need(void **state)
{
	struct docker_command_list list = LIST(true, "ps", "container*", "volume*");

	(void)state;
	assert_list(
		&list,
		"ping version options container_list container_create container_start container_attach exec_start "
		"exec_resize commit image_create volume_create volume_prune",
		"image_list image_push build network_list system_df debug metrics swarm_init");
	assert_false(docker_command_list_allows(&list, -1));
	list = LIST(true, "run");
	assert_list(
		&list,
		"container_create container_start container_attach container_wait container_resize container_kill "
		"image_create container_archive_put",
		"container_list container_delete exec_create image_list container_archive_get");
	list = LIST(true, "logout");
	assert_list(&list, "ping version options", "info container_list auth");
}

static void wildcards_are_whole_groups(void **state)
{
	static const struct {
		const char *name, *blocked, *open;
	} rows[] = {
		{ "container*", "container_list exec_create exec_resize commit checkpoint_delete container_prune",
		  "image_list image_create build events" },
		{ "image*", "image_list image_create image_import image_push build session grpc image_prune",
		  "build_prune container_create commit distribution_inspect" },
		{ "build*", "build build_prune build_cancel session grpc",
		  "image_load info system_df image_list" },
		{ "system*", "info events system_df",
		  "container_prune image_prune volume_prune build_prune version ping" },
		{ "network*", "network_list network_connect network_prune", "volume_list container_create" },
		{ "volume*", "volume_list volume_update volume_prune", "network_list container_create" },
		{ "plugin", "plugin_list plugin_privileges plugin_set plugin_push", "volume_list" },
		{ "plugins", "plugin_pull", "volume_list" },
		{ "login", "auth", "info" },
		{ "stack", "service_create task_list", "network_create secret_create" },
		{ "service*", "service_list task_logs task_inspect", "node_list" },
		{ "compose", "container_create network_create exec_start build", "container_list info events" },
		{ "system prune", "container_prune build_prune image_prune", "info" },
	};
	struct docker_command_list list;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		list = LIST(false, rows[i].name);
		assert_list(&list, rows[i].open, rows[i].blocked);
	}
	list = LIST(true, "system*");
	assert_list(&list, "info system_df container_prune build_prune", "container_list volume_create");
	list = LIST(true, "image*");
	assert_list(&list, "image_list build image_load distribution_inspect info",
		    "container_create build_prune");
}

static void aliases_are_one(void **state)
{
	static const char *const pairs[][2] = {
		{ "ps", "container ls" },	  { "rmi", "image rm" },       { "images", "image ls" },
		{ "port", "container inspect" },  { "build", "image build" },  { "info", "system info" },
		{ "container", "container*" },	  { "build", "buildx build" }, { "builder prune", "buildx prune" },
		{ "volume rm", "volume remove" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct docker_command_list a = LIST(false, pairs[i][0]), b = LIST(false, pairs[i][1]);

		assert_memory_equal(&a, &b, sizeof a);
	}
}

static void unknown_names_are_told_with_the_closest(void **state)
{
	static const char *const rows[][2] = {
		{ "psuh", "push" },	   { "pusj", "push" },
		{ "docker push", "push" }, { "container-ls", "container ls" },
		{ "Build", "build" },	   { "contaner*", "container*" },
		{ "imagess", "images" },   { "volume_ls", "volume ls" },
	};
	static const char *const none[] = { "",	 "xyzzyplugh", "rm -rf /",
					    "*", "docker",     "a name that is so long that nobody mistyped it" };
	struct docker_routes set = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_false(docker_command_add(rows[i][0], true, &set));
		assert_non_null(docker_command_closest(rows[i][0]));
		assert_string_equal(docker_command_closest(rows[i][0]), rows[i][1]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		assert_false(docker_command_add(none[i], true, &set));
		assert_null(docker_command_closest(none[i]));
	}
	assert_memory_equal(&set, &(struct docker_routes){ 0 }, sizeof set);
}

static void messages_name_the_plain_command(void **state)
{
	static const char *const rows[][2] = {
		{ "container_list", "ps" },
		{ "container_create", "create" },
		{ "container_start", "start" },
		{ "image_push", "push" },
		{ "image_inspect", "image inspect" },
		{ "container_inspect", "container inspect" },
		{ "grpc", "build" },
		{ "container_prune", "container prune" },
		{ "image_import", "import" },
		{ "container_archive_get", "cp" },
		{ "volume_list", "volume ls" },
		{ "auth", "login" },
		{ "exec_start", "exec" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(docker_route_command(docker_route_index(rows[i][0])), rows[i][1]);
	assert_null(docker_route_command(docker_route_index("container_resize")));
	assert_null(docker_route_command(docker_route_index("debug")));
	assert_null(docker_route_command(-1));
	assert_null(docker_route_command(DOCKER_ROUTES_MAX));
}

static void assert_learned(const char *used, const char *want)
{
	_cleanup_free_ char *copy = strdup(used);
	struct docker_routes set = { 0 };
	const char *names[20];
	char got[600] = "", *save = NULL;
	size_t n;

	for (char *r = strtok_r(copy, " ", &save); r; r = strtok_r(NULL, " ", &save)) {
		assert_true(docker_route_index(r) >= 0);
		docker_routes_set(&set, docker_route_index(r));
	}
	n = docker_command_learn(&set, names, ARRAY_SIZE(names));
	for (size_t i = 0; i < n; i++)
		(void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", i ? ", " : "", names[i]);
	assert_string_equal(got, want);
}

static void the_learned_list_is_small_and_says_what_was_done(void **state)
{
	(void)state;
	assert_learned("", "");
	assert_learned("ping version options", "");
	assert_learned("metrics debug", "");
	assert_learned("ping container_list", "ps");
	/* docker run -it; docker ps */
	assert_learned(
		"ping container_create image_create container_attach container_wait container_resize container_start "
		"container_list",
		"ps, run");
	/* docker exec */
	assert_learned("container_inspect exec_create exec_start exec_inspect", "exec");
	/* docker build with BuildKit: nothing of a container's builder */
	assert_learned("ping info session grpc", "build");
	/* Ryuk */
	assert_learned(
		"container_list container_delete network_list network_delete volume_list volume_delete image_list "
		"image_delete",
		"ps, rm, images, rmi, network ls, network rm, volume ls, volume rm");
	/* What the build needs anyhow is not named besides. */
	assert_learned("volume_list volume_delete image_inspect build", "build, volume ls, volume rm");
	/* What is only somebody's need is opened by whoever opens least besides. */
	assert_learned("exec_inspect", "exec");
	assert_learned(
		"network_list network_inspect network_create network_prune network_connect network_disconnect "
		"network_delete",
		"network*");
}

static void the_learned_list_keeps_to_its_room(void **state)
{
	struct docker_routes all = { 0 };
	const char *names[4] = { NULL };

	(void)state;
	memset(&all, 0xff, sizeof all);
	assert_int_equal(docker_command_learn(&all, names, 0), 0);
	assert_true(docker_command_learn(&all, names, 3) <= 3);
	assert_null(names[3]);
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(without_a_list_everything_passes),
		cmocka_unit_test(names_and_indices_agree),
		cmocka_unit_test(a_deny_list_blocks_what_it_names),
		cmocka_unit_test(an_allow_list_opens_what_its_commands_need),
		cmocka_unit_test(wildcards_are_whole_groups),
		cmocka_unit_test(aliases_are_one),
		cmocka_unit_test(unknown_names_are_told_with_the_closest),
		cmocka_unit_test(messages_name_the_plain_command),
		cmocka_unit_test(the_learned_list_is_small_and_says_what_was_done),
		cmocka_unit_test(the_learned_list_keeps_to_its_room),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
