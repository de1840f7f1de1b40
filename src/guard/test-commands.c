/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints of the route table as commands of the docker CLI (codec/docker-commands.h): a route that nobody has
 * classified fails here, so that no command list says nothing about it unnoticed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "codec/docker-commands.h"
#include "guard/rules.h"
#include "guard/test-engine.h"

/* Whose key it is (a deny list that names one blocks it), and who needs it besides (an allow list opens both). */
static const struct {
	const char *route, *key, *needs;
} golden[] = {
	{ "ping", "", "" },
	{ "version", "version", "" },
	{ "info", "info, system*",
	  "run, create, pull, push, build, bake, search, login, builder prune, buildx du, buildx "
	  "create, buildx rm, inspect, plugin install, plugin upgrade, plugin push, swarm init, "
	  "swarm join, swarm join-token, swarm unlock, node ls, node inspect, service ls, service "
	  "inspect, service create, service update, service ps, stack deploy, stack rm, container*, "
	  "image*, build*, buildx*, plugin*, swarm*, node*, service*, stack*, compose*" },
	{ "events", "events, system*", "stats, container*, compose*" },
	{ "system_df", "system df, system*", "builder prune, build*, buildx*" },
	{ "auth", "login", "" },
	{ "options", "", "" },
	{ "container_list", "ps, container*", "stats, buildx create, buildx rm, buildx*, compose*" },
	{ "container_create", "run, create, container*, compose*", "buildx create, buildx rm, buildx*" },
	{ "container_prune", "container prune, system prune, container*", "system*" },
	{ "container_inspect", "container inspect, port, inspect, container*",
	  "start, exec, attach, logs, buildx create, buildx rm, buildx*, compose*" },
	{ "container_top", "top, container*", "compose*" },
	{ "container_logs", "logs, container*", "buildx create, buildx rm, buildx*, compose*" },
	{ "container_changes", "diff, container*", "" },
	{ "container_export", "export, container*", "compose*" },
	{ "container_stats", "stats, container*", "compose*" },
	{ "container_start", "run, start, container*, compose*", "buildx create, buildx rm, buildx*" },
	{ "container_stop", "stop, container*, compose*", "buildx create, buildx rm, buildx*" },
	{ "container_restart", "restart, container*, compose*", "" },
	{ "container_kill", "kill, container*, compose*", "run, start, attach" },
	{ "container_pause", "pause, container*, compose*", "" },
	{ "container_unpause", "unpause, container*, compose*", "" },
	{ "container_wait", "wait, container*", "run, start, attach, compose*" },
	{ "container_resize", "container*", "run, start, attach, compose*" },
	{ "container_rename", "rename, container*, compose*", "" },
	{ "container_update", "update, container*", "" },
	{ "container_attach", "attach, container*, compose*", "run, start" },
	{ "container_attach_ws", "attach, container*", "" },
	{ "exec_create", "exec, container*, compose*", "buildx create, buildx rm, buildx*" },
	{ "container_archive_get", "cp, container*", "compose*" },
	{ "container_archive_put", "cp, container*, compose*", "run, create, buildx create, buildx rm, buildx*" },
	{ "container_delete", "rm, container*, compose*", "buildx create, buildx rm, buildx*" },
	{ "checkpoint", "checkpoint ls, container*, checkpoint*", "" },
	{ "checkpoint_delete", "checkpoint rm, container*, checkpoint*", "" },
	{ "exec_inspect", "container*", "exec, buildx create, buildx rm, buildx*, compose*" },
	{ "exec_start", "exec, container*, compose*", "buildx create, buildx rm, buildx*" },
	{ "exec_resize", "container*", "exec, compose*" },
	{ "commit", "commit, container*, compose*", "" },
	{ "image_list", "images, image*", "compose*" },
	{ "image_search", "search, image*", "" },
	{ "image_save", "save, image*", "" },
	{ "image_load", "load, image*, compose*", "build, bake, buildx du, build*, buildx*" },
	{ "image_create", "pull, image*, compose*", "run, create, buildx create, buildx rm, container*, buildx*" },
	{ "image_import", "import, image*", "" },
	{ "image_prune", "image prune, system prune, image*, compose*", "system*" },
	{ "image_save_one", "save, image*", "" },
	{ "image_history", "history, image*", "" },
	{ "image_inspect", "image inspect, inspect, image*",
	  "build, bake, buildx du, buildx create, buildx rm, build*, buildx*, compose*" },
	{ "image_attestations", "image inspect, image*", "" },
	{ "image_push", "push, image*, compose*", "" },
	{ "image_tag", "tag, image*, compose*", "" },
	{ "image_delete", "rmi, image*, compose*", "" },
	{ "distribution_inspect", "",
	  "run, create, pull, service create, service update, stack deploy, container*, image*, "
	  "service*, stack*, compose*" },
	{ "build", "build, bake, buildx du, image*, build*, buildx*, compose*", "" },
	{ "build_prune", "builder prune, system prune, build*, buildx*", "system*" },
	{ "build_cancel", "build, bake, buildx du, image*, build*, buildx*, compose*", "" },
	{ "session", "build, bake, buildx du, image*, build*, buildx*, compose*", "builder prune" },
	{ "grpc", "build, bake, buildx du, image*, build*, buildx*, compose*", "builder prune" },
	{ "network_list", "network ls, network*", "stack deploy, stack rm, stack*, compose*" },
	{ "network_inspect", "network inspect, inspect, network*",
	  "network rm, service inspect, service create, service update, stack deploy, service*, "
	  "stack*, compose*" },
	{ "network_create", "network create, network*, compose*", "stack deploy, stack*" },
	{ "network_prune", "network prune, system prune, network*", "system*" },
	{ "network_connect", "network connect, network*, compose*", "" },
	{ "network_disconnect", "network disconnect, network*, compose*", "" },
	{ "network_delete", "network rm, network*, compose*", "stack rm, stack*" },
	{ "volume_list", "volume ls, volume*", "compose*" },
	{ "volume_inspect", "volume inspect, inspect, volume*", "volume update, compose*" },
	{ "volume_create", "volume create, volume*, compose*", "" },
	{ "volume_prune", "volume prune, system prune, volume*", "system*" },
	{ "volume_update", "volume update, volume*", "" },
	{ "volume_delete", "volume rm, volume*, compose*", "buildx create, buildx rm, buildx*" },
	{ "plugin_list", "plugin ls, plugin*", "" },
	{ "plugin_privileges", "plugin install, plugin*", "plugin upgrade" },
	{ "plugin_inspect", "inspect, plugin inspect, plugin*", "plugin install, plugin upgrade" },
	{ "plugin_pull", "plugin install, plugin*", "" },
	{ "plugin_create", "plugin create, plugin*", "" },
	{ "plugin_enable", "plugin enable, plugin*", "plugin install" },
	{ "plugin_set", "plugin set, plugin*", "" },
	{ "plugin_upgrade", "plugin upgrade, plugin*", "" },
	{ "plugin_disable", "plugin disable, plugin*", "" },
	{ "plugin_push", "plugin push, plugin*", "" },
	{ "plugin_delete", "plugin rm, plugin*", "" },
	{ "swarm_inspect", "swarm join-token, swarm*", "swarm init, swarm unlock-key, swarm update" },
	{ "swarm_unlockkey", "swarm unlock-key, swarm*", "swarm update" },
	{ "swarm_init", "swarm init, swarm*", "" },
	{ "swarm_join", "swarm join, swarm*", "" },
	{ "swarm_update", "swarm update, swarm*", "swarm join-token, swarm unlock-key" },
	{ "swarm_unlock", "swarm unlock, swarm*", "" },
	{ "swarm_leave", "swarm leave, swarm*", "" },
	{ "service_list", "service ls, stack ls, service*, stack*", "service ps, stack deploy, stack rm, node*" },
	{ "service_create", "service create, stack deploy, service*, stack*", "" },
	{ "service_inspect", "inspect, service inspect, service*",
	  "service create, service update, service ps, service logs, stack deploy, node*, stack*" },
	{ "service_logs", "service logs, service*", "" },
	{ "service_update", "service update, stack deploy, service*, stack*", "" },
	{ "service_delete", "service rm, stack rm, service*, stack*", "stack deploy" },
	{ "node_list", "node ls, node*",
	  "service ls, service create, service update, service ps, stack deploy, service*, stack*" },
	{ "node_inspect", "inspect, node inspect, node*",
	  "swarm init, swarm join-token, node update, service ps, service logs, swarm*, service*, "
	  "stack*" },
	{ "node_update", "node update, node*", "" },
	{ "node_delete", "node rm, node*", "" },
	{ "task_list", "service ps, node*, service*, stack*",
	  "service ls, service create, service update, service logs, stack deploy, stack rm" },
	{ "task_inspect", "inspect, service*", "service logs" },
	{ "task_logs", "service logs, service*", "" },
	{ "secret_list", "secret ls, secret*",
	  "service create, service update, stack deploy, stack rm, service*, stack*" },
	{ "secret_create", "secret create, secret*", "stack deploy, stack*" },
	{ "secret_inspect", "inspect, secret inspect, secret*", "stack deploy, stack*" },
	{ "secret_update", "secret*", "stack deploy, stack*" },
	{ "secret_delete", "secret rm, secret*", "stack rm, stack*" },
	{ "config_list", "config ls, config*",
	  "service create, service update, stack deploy, stack rm, service*, stack*" },
	{ "config_create", "config create, config*", "stack deploy, stack*" },
	{ "config_inspect", "inspect, config inspect, config*", "stack deploy, stack*" },
	{ "config_update", "config*", "stack deploy, stack*" },
	{ "config_delete", "config rm, config*", "stack rm, stack*" },
	{ "debug", "", "" },
	{ "metrics", "", "" },
};

/* The one endpoint that is two commands. */
#define SPLIT "image_import"

static void every_route_has_its_bit_and_every_bit_its_route(void **state)
{
	size_t n_routes, n_names, split = 0;
	const struct judge_route *routes = route_table(&n_routes);
	const char *const *names = docker_route_names(&n_names);

	(void)state;
	for (size_t i = 0; i < n_names; i++) {
		if (strcmp(names[i], SPLIT) == 0) {
			assert_string_equal(names[i - 1], "image_create");
			split++;
		} else if (i - split >= n_routes || strcmp(names[i], routes[i - split].name) != 0) {
			fail_msg("%s: docker-commands.c has it where route.c has %s", names[i],
				 i - split < n_routes ? routes[i - split].name : "nothing");
		}
	}
	if (n_names != n_routes + 1)
		fail_msg("%s: classify it in docker-commands.c", routes[n_names - split].name);
	assert_int_equal(split, 1);
	for (size_t i = 0; i < n_routes; i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(routes[i].name, routes[j].name);
}

static void note(char *text, size_t size, const char *name)
{
	size_t n = strlen(text);

	assert_true(n + strlen(name) + 3 < size);
	(void)snprintf(text + n, size - n, "%s%s", n ? ", " : "", name);
}

static void every_route_is_classified(void **state)
{
	size_t n;
	const char *const *names = docker_route_names(&n);

	(void)state;
	for (size_t i = 0; i < n && i < ARRAY_SIZE(golden); i++) {
		char key[2000] = "", needs[2000] = "";
		const char *name;

		for (size_t k = 0; (name = docker_command_name(k, 0)); k++) {
			struct docker_routes own = { 0 }, all = { 0 };

			assert_true(docker_command_add(name, false, &own) && docker_command_add(name, true, &all));
			if (docker_routes_has(&own, (int)i))
				note(key, sizeof key, name);
			else if (docker_routes_has(&all, (int)i))
				note(needs, sizeof needs, name);
		}
		if (strcmp(golden[i].route, names[i]) != 0)
			fail_msg("%s: not in the table of this test", names[i]);
		if (strcmp(golden[i].key, key) != 0)
			fail_msg("%s: key of %s\n  expected %s", names[i], key, golden[i].key);
		if (strcmp(golden[i].needs, needs) != 0)
			fail_msg("%s: needed by %s\n  expected %s", names[i], needs, golden[i].needs);
	}
	assert_int_equal(n, ARRAY_SIZE(golden));
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(every_route_has_its_bit_and_every_bit_its_route),
		cmocka_unit_test(every_route_is_classified),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
