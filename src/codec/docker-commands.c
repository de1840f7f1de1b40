/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which endpoints of the Engine API 1.24 to 1.56 the commands of the docker CLI use: as docker/cli (17.06 or newer),
 * buildx and compose call them. Rows are plain bytes without pointers, so that a program that never looks at them pays
 * nothing for them.
 */
#include "codec/docker-commands.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/closest.h"

/* What a wildcard takes as a whole. NO_GROUP: only what names it opens it. */
enum group_id {
	NO_GROUP,
	OPEN, /* clients need them to find out what they talk to */
	SYSTEM,
	CONTAINER,
	IMAGE,
	BUILD,
	NETWORK,
	VOLUME,
	PLUGIN,
	SWARM,
	SERVICE,
	NODE,
	SECRET,
	CONFIG,
};

/* In the order of the guard's route table (guard/route.c). */
#define ROUTES(X)                           \
	X(ping, OPEN)                       \
	X(version, OPEN)                    \
	X(info, SYSTEM)                     \
	X(events, SYSTEM)                   \
	X(system_df, SYSTEM)                \
	X(auth, NO_GROUP)                   \
	X(options, OPEN)                    \
	X(container_list, CONTAINER)        \
	X(container_create, CONTAINER)      \
	X(container_prune, CONTAINER)       \
	X(container_inspect, CONTAINER)     \
	X(container_top, CONTAINER)         \
	X(container_logs, CONTAINER)        \
	X(container_changes, CONTAINER)     \
	X(container_export, CONTAINER)      \
	X(container_stats, CONTAINER)       \
	X(container_start, CONTAINER)       \
	X(container_stop, CONTAINER)        \
	X(container_restart, CONTAINER)     \
	X(container_kill, CONTAINER)        \
	X(container_pause, CONTAINER)       \
	X(container_unpause, CONTAINER)     \
	X(container_wait, CONTAINER)        \
	X(container_resize, CONTAINER)      \
	X(container_rename, CONTAINER)      \
	X(container_update, CONTAINER)      \
	X(container_attach, CONTAINER)      \
	X(container_attach_ws, CONTAINER)   \
	X(exec_create, CONTAINER)           \
	X(container_archive_get, CONTAINER) \
	X(container_archive_put, CONTAINER) \
	X(container_delete, CONTAINER)      \
	X(checkpoint, CONTAINER)            \
	X(checkpoint_delete, CONTAINER)     \
	X(exec_inspect, CONTAINER)          \
	X(exec_start, CONTAINER)            \
	X(exec_resize, CONTAINER)           \
	X(commit, CONTAINER)                \
	X(image_list, IMAGE)                \
	X(image_search, IMAGE)              \
	X(image_save, IMAGE)                \
	X(image_load, IMAGE)                \
	X(image_create, IMAGE)              \
	X(image_import, IMAGE)              \
	X(image_prune, IMAGE)               \
	X(image_save_one, IMAGE)            \
	X(image_history, IMAGE)             \
	X(image_inspect, IMAGE)             \
	X(image_attestations, IMAGE)        \
	X(image_push, IMAGE)                \
	X(image_tag, IMAGE)                 \
	X(image_delete, IMAGE)              \
	X(distribution_inspect, NO_GROUP)   \
	X(build, BUILD)                     \
	X(build_prune, BUILD)               \
	X(build_cancel, BUILD)              \
	X(session, BUILD)                   \
	X(grpc, BUILD)                      \
	X(network_list, NETWORK)            \
	X(network_inspect, NETWORK)         \
	X(network_create, NETWORK)          \
	X(network_prune, NETWORK)           \
	X(network_connect, NETWORK)         \
	X(network_disconnect, NETWORK)      \
	X(network_delete, NETWORK)          \
	X(volume_list, VOLUME)              \
	X(volume_inspect, VOLUME)           \
	X(volume_create, VOLUME)            \
	X(volume_prune, VOLUME)             \
	X(volume_update, VOLUME)            \
	X(volume_delete, VOLUME)            \
	X(plugin_list, PLUGIN)              \
	X(plugin_privileges, PLUGIN)        \
	X(plugin_inspect, PLUGIN)           \
	X(plugin_pull, PLUGIN)              \
	X(plugin_create, PLUGIN)            \
	X(plugin_enable, PLUGIN)            \
	X(plugin_set, PLUGIN)               \
	X(plugin_upgrade, PLUGIN)           \
	X(plugin_disable, PLUGIN)           \
	X(plugin_push, PLUGIN)              \
	X(plugin_delete, PLUGIN)            \
	X(swarm_inspect, SWARM)             \
	X(swarm_unlockkey, SWARM)           \
	X(swarm_init, SWARM)                \
	X(swarm_join, SWARM)                \
	X(swarm_update, SWARM)              \
	X(swarm_unlock, SWARM)              \
	X(swarm_leave, SWARM)               \
	X(service_list, SERVICE)            \
	X(service_create, SERVICE)          \
	X(service_inspect, SERVICE)         \
	X(service_logs, SERVICE)            \
	X(service_update, SERVICE)          \
	X(service_delete, SERVICE)          \
	X(node_list, NODE)                  \
	X(node_inspect, NODE)               \
	X(node_update, NODE)                \
	X(node_delete, NODE)                \
	X(task_list, SERVICE)               \
	X(task_inspect, SERVICE)            \
	X(task_logs, SERVICE)               \
	X(secret_list, SECRET)              \
	X(secret_create, SECRET)            \
	X(secret_inspect, SECRET)           \
	X(secret_update, SECRET)            \
	X(secret_delete, SECRET)            \
	X(config_list, CONFIG)              \
	X(config_create, CONFIG)            \
	X(config_inspect, CONFIG)           \
	X(config_update, CONFIG)            \
	X(config_delete, CONFIG)            \
	X(debug, NO_GROUP)                  \
	X(metrics, NO_GROUP)

/* From 1, as 0 ends the lists below. */
#define NUMBERED(name, group) r_##name,
enum route { r_end, ROUTES(NUMBERED) r_last };
#define N_ROUTES ((size_t)r_last - 1)

_Static_assert(N_ROUTES <= DOCKER_ROUTES_MAX && r_last <= UINT8_MAX, "a set has room for every endpoint");

struct command {
	char names[64]; /* one behind the other; the first is the one for messages */
	uint8_t key[11], needs[20];
	bool borrowed; /* its key is that of other groups' commands: its own group does not deny it */
};

#define KEY(...)            \
	{                   \
		__VA_ARGS__ \
	}
#define NEEDS(...)          \
	{                   \
		__VA_ARGS__ \
	}
#define NONE          \
	{             \
		r_end \
	}

/* docker 20.10 asks for the default registry by /info; content trust and compose look at the registry first. */
#define PULLS	    r_image_create, r_info, r_distribution_inspect
#define BUILD_KEY   KEY(r_build, r_build_cancel, r_session, r_grpc)
#define BUILD_NEEDS NEEDS(r_info, r_image_inspect, r_image_load)
/* A builder in a container of its own: buildx's driver docker-container. */
#define DRIVER                                                                                                    \
	NEEDS(r_info, r_image_create, r_image_inspect, r_container_list, r_container_create, r_container_inspect, \
	      r_container_start, r_container_stop, r_container_delete, r_container_logs, r_container_archive_put, \
	      r_exec_create, r_exec_start, r_exec_inspect, r_volume_delete)
#define SERVICE_NEEDS                                                                                             \
	NEEDS(r_info, r_distribution_inspect, r_service_inspect, r_network_inspect, r_secret_list, r_config_list, \
	      r_task_list, r_node_list)

/* Of two that say the same, the first is the one that messages and the learner name. */
static const struct command commands[] = {
	{ "ps\0container ls\0container list\0container ps", KEY(r_container_list), NONE, 0 },
	{ "run\0container run", KEY(r_container_create, r_container_start),
	  NEEDS(r_container_attach, r_container_wait, r_container_resize, r_container_kill,
		r_container_archive_put, PULLS),
	  0 },
	{ "create\0container create", KEY(r_container_create), NEEDS(r_container_archive_put, PULLS), 0 },
	{ "start\0container start", KEY(r_container_start),
	  NEEDS(r_container_inspect, r_container_attach, r_container_wait, r_container_resize, r_container_kill),
	  0 },
	{ "stop\0container stop", KEY(r_container_stop), NONE, 0 },
	{ "restart\0container restart", KEY(r_container_restart), NONE, 0 },
	{ "kill\0container kill", KEY(r_container_kill), NONE, 0 },
	{ "pause\0container pause", KEY(r_container_pause), NONE, 0 },
	{ "unpause\0container unpause", KEY(r_container_unpause), NONE, 0 },
	{ "rename\0container rename", KEY(r_container_rename), NONE, 0 },
	{ "update\0container update", KEY(r_container_update), NONE, 0 },
	{ "wait\0container wait", KEY(r_container_wait), NONE, 0 },
	{ "rm\0container rm\0container remove", KEY(r_container_delete), NONE, 0 },
	{ "exec\0container exec", KEY(r_exec_create, r_exec_start),
	  NEEDS(r_container_inspect, r_exec_inspect, r_exec_resize), 0 },
	{ "attach\0container attach", KEY(r_container_attach, r_container_attach_ws),
	  NEEDS(r_container_inspect, r_container_wait, r_container_resize, r_container_kill), 0 },
	{ "logs\0container logs", KEY(r_container_logs), NEEDS(r_container_inspect), 0 },
	{ "top\0container top", KEY(r_container_top), NONE, 0 },
	{ "stats\0container stats", KEY(r_container_stats), NEEDS(r_container_list, r_events), 0 },
	{ "container inspect", KEY(r_container_inspect), NONE, 0 },
	{ "port\0container port", KEY(r_container_inspect), NONE, 0 },
	{ "cp\0container cp", KEY(r_container_archive_get, r_container_archive_put), NONE, 0 },
	{ "diff\0container diff", KEY(r_container_changes), NONE, 0 },
	{ "export\0container export", KEY(r_container_export), NONE, 0 },
	{ "commit\0container commit", KEY(r_commit), NONE, 0 },
	{ "container prune", KEY(r_container_prune), NONE, 0 },
	{ "checkpoint ls\0checkpoint list\0checkpoint create", KEY(r_checkpoint), NONE, 0 },
	{ "checkpoint rm\0checkpoint remove", KEY(r_checkpoint_delete), NONE, 0 },

	{ "images\0image ls\0image list", KEY(r_image_list), NONE, 0 },
	{ "pull\0image pull", KEY(r_image_create), NEEDS(PULLS), 0 },
	{ "import\0image import", KEY(r_image_import), NONE, 0 },
	{ "push\0image push", KEY(r_image_push), NEEDS(r_info), 0 },
	{ "build\0image build\0builder build\0buildx build\0buildx b", BUILD_KEY, BUILD_NEEDS, 0 },
	{ "bake\0buildx bake\0buildx f", BUILD_KEY, BUILD_NEEDS, 0 },
	{ "save\0image save", KEY(r_image_save, r_image_save_one), NONE, 0 },
	{ "load\0image load", KEY(r_image_load), NONE, 0 },
	{ "tag\0image tag", KEY(r_image_tag), NONE, 0 },
	{ "rmi\0image rm\0image remove", KEY(r_image_delete), NONE, 0 },
	{ "history\0image history", KEY(r_image_history), NONE, 0 },
	{ "image inspect", KEY(r_image_inspect, r_image_attestations), NONE, 0 },
	{ "image prune", KEY(r_image_prune), NONE, 0 },
	{ "search", KEY(r_image_search), NEEDS(r_info), 0 },
	{ "login", KEY(r_auth), NEEDS(r_info), 0 },

	{ "builder prune\0buildx prune", KEY(r_build_prune), NEEDS(r_info, r_system_df, r_grpc, r_session), 0 },
	{ "buildx du\0buildx history\0buildx dial-stdio\0buildx debug", BUILD_KEY, BUILD_NEEDS, 0 },
	{ "buildx create\0buildx inspect\0buildx ls\0buildx use", NONE, DRIVER, 0 },
	{ "buildx rm\0buildx stop", NONE, DRIVER, 0 },
	{ "buildx imagetools\0buildx version\0buildx install\0"
	  "buildx uninstall",
	  NONE, NONE, 0 },

	{ "network ls\0network list", KEY(r_network_list), NONE, 0 },
	{ "network inspect", KEY(r_network_inspect), NONE, 0 },
	{ "network create", KEY(r_network_create), NONE, 0 },
	{ "network connect", KEY(r_network_connect), NONE, 0 },
	{ "network disconnect", KEY(r_network_disconnect), NONE, 0 },
	{ "network rm\0network remove", KEY(r_network_delete), NEEDS(r_network_inspect), 0 },
	{ "network prune", KEY(r_network_prune), NONE, 0 },
	{ "volume ls\0volume list", KEY(r_volume_list), NONE, 0 },
	{ "volume inspect", KEY(r_volume_inspect), NONE, 0 },
	{ "volume create", KEY(r_volume_create), NONE, 0 },
	{ "volume update", KEY(r_volume_update), NEEDS(r_volume_inspect), 0 },
	{ "volume rm\0volume remove", KEY(r_volume_delete), NONE, 0 },
	{ "volume prune", KEY(r_volume_prune), NONE, 0 },

	{ "info\0system info", KEY(r_info), NONE, 0 },
	{ "events\0system events", KEY(r_events), NONE, 0 },
	{ "version", KEY(r_version), NONE, 0 },
	{ "system df", KEY(r_system_df), NONE, 0 },
	{ "system prune", KEY(r_container_prune, r_network_prune, r_volume_prune, r_image_prune, r_build_prune),
	  NONE, 1 },
	{ "system dial-stdio", NONE, NONE, 0 },
	{ "inspect",
	  KEY(r_container_inspect, r_image_inspect, r_network_inspect, r_volume_inspect, r_service_inspect,
	      r_task_inspect, r_node_inspect, r_plugin_inspect, r_secret_inspect, r_config_inspect),
	  NEEDS(r_info), 0 },

	{ "plugin ls\0plugin list", KEY(r_plugin_list), NONE, 0 },
	{ "plugin inspect", KEY(r_plugin_inspect), NONE, 0 },
	{ "plugin install", KEY(r_plugin_pull, r_plugin_privileges),
	  NEEDS(r_info, r_plugin_inspect, r_plugin_enable), 0 },
	{ "plugin create", KEY(r_plugin_create), NONE, 0 },
	{ "plugin enable", KEY(r_plugin_enable), NONE, 0 },
	{ "plugin disable", KEY(r_plugin_disable), NONE, 0 },
	{ "plugin set", KEY(r_plugin_set), NONE, 0 },
	{ "plugin upgrade", KEY(r_plugin_upgrade), NEEDS(r_info, r_plugin_inspect, r_plugin_privileges), 0 },
	{ "plugin push", KEY(r_plugin_push), NEEDS(r_info), 0 },
	{ "plugin rm\0plugin remove", KEY(r_plugin_delete), NONE, 0 },

	{ "swarm init", KEY(r_swarm_init), NEEDS(r_info, r_swarm_inspect, r_node_inspect), 0 },
	{ "swarm join", KEY(r_swarm_join), NEEDS(r_info), 0 },
	{ "swarm join-token\0swarm ca", KEY(r_swarm_inspect), NEEDS(r_info, r_swarm_update, r_node_inspect), 0 },
	{ "swarm unlock-key", KEY(r_swarm_unlockkey), NEEDS(r_swarm_inspect, r_swarm_update), 0 },
	{ "swarm unlock", KEY(r_swarm_unlock), NEEDS(r_info), 0 },
	{ "swarm update", KEY(r_swarm_update), NEEDS(r_swarm_inspect, r_swarm_unlockkey), 0 },
	{ "swarm leave", KEY(r_swarm_leave), NONE, 0 },
	{ "node ls\0node list", KEY(r_node_list), NEEDS(r_info), 0 },
	{ "node inspect", KEY(r_node_inspect), NEEDS(r_info), 0 },
	{ "node update\0node promote\0node demote", KEY(r_node_update), NEEDS(r_node_inspect), 0 },
	{ "node rm\0node remove", KEY(r_node_delete), NONE, 0 },
	{ "service ls\0service list\0stack services", KEY(r_service_list), NEEDS(r_info, r_task_list, r_node_list),
	  0 },
	{ "service inspect", KEY(r_service_inspect), NEEDS(r_info, r_network_inspect), 0 },
	{ "service create", KEY(r_service_create), SERVICE_NEEDS, 0 },
	{ "service update\0service scale\0service rollback", KEY(r_service_update), SERVICE_NEEDS, 0 },
	{ "service rm\0service remove", KEY(r_service_delete), NONE, 0 },
	{ "service ps\0node ps\0stack ps", KEY(r_task_list),
	  NEEDS(r_info, r_service_list, r_service_inspect, r_node_list, r_node_inspect), 0 },
	{ "service logs", KEY(r_service_logs, r_task_logs),
	  NEEDS(r_service_inspect, r_task_inspect, r_task_list, r_node_inspect), 0 },
	{ "stack ls\0stack list", KEY(r_service_list), NONE, 0 },
	{ "stack deploy\0stack up", KEY(r_service_create, r_service_update),
	  NEEDS(r_info, r_distribution_inspect, r_service_list, r_service_inspect, r_service_delete,
		r_network_list, r_network_inspect, r_network_create, r_secret_list, r_secret_inspect,
		r_secret_create, r_secret_update, r_config_list, r_config_inspect, r_config_create,
		r_config_update, r_task_list, r_node_list),
	  0 },
	{ "stack rm\0stack remove\0stack down", KEY(r_service_delete),
	  NEEDS(r_info, r_service_list, r_network_list, r_network_delete, r_secret_list, r_secret_delete,
		r_config_list, r_config_delete, r_task_list),
	  0 },
	{ "stack config", NONE, NONE, 0 },
	{ "secret ls\0secret list", KEY(r_secret_list), NONE, 0 },
	{ "secret inspect", KEY(r_secret_inspect), NONE, 0 },
	{ "secret create", KEY(r_secret_create), NONE, 0 },
	{ "secret rm\0secret remove", KEY(r_secret_delete), NONE, 0 },
	{ "config ls\0config list", KEY(r_config_list), NONE, 0 },
	{ "config inspect", KEY(r_config_inspect), NONE, 0 },
	{ "config create", KEY(r_config_create), NONE, 0 },
	{ "config rm\0config remove", KEY(r_config_delete), NONE, 0 },

	/* No endpoint: they work in the client, or with other services. */
	{ "logout\0context\0context*\0completion\0help", NONE, NONE, 0 },
	{ "manifest\0manifest*\0trust\0trust*\0scout\0scout*\0sbom\0sbom*", NONE, NONE, 0 },
	{ "init\0dev\0dev*\0extension\0extension*\0feedback\0scan", NONE, NONE, 0 },
};

/* What compose changes, and what it only looks at besides. */
static const uint8_t compose_key[] = { r_container_create,
				       r_container_start,
				       r_container_stop,
				       r_container_restart,
				       r_container_kill,
				       r_container_pause,
				       r_container_unpause,
				       r_container_rename,
				       r_container_delete,
				       r_container_attach,
				       r_container_archive_put,
				       r_exec_create,
				       r_exec_start,
				       r_commit,
				       r_image_create,
				       r_image_push,
				       r_image_delete,
				       r_image_tag,
				       r_image_prune,
				       r_image_load,
				       r_build,
				       r_build_cancel,
				       r_session,
				       r_grpc,
				       r_network_create,
				       r_network_connect,
				       r_network_disconnect,
				       r_network_delete,
				       r_volume_create,
				       r_volume_delete,
				       r_end };
static const uint8_t compose_needs[] = { r_info,
					 r_events,
					 r_container_list,
					 r_container_inspect,
					 r_container_logs,
					 r_container_top,
					 r_container_stats,
					 r_container_wait,
					 r_container_resize,
					 r_container_archive_get,
					 r_container_export,
					 r_exec_inspect,
					 r_exec_resize,
					 r_image_list,
					 r_image_inspect,
					 r_distribution_inspect,
					 r_network_list,
					 r_network_inspect,
					 r_volume_list,
					 r_volume_inspect,
					 r_end };
static const uint8_t nothing[] = { r_end };

static const struct group {
	char names[32];
	char members[12]; /* how the names of its commands begin */
	enum group_id id;
	const uint8_t *key, *needs; /* besides */
} groups[] = {
	{ "container*\0container", "container ", CONTAINER, nothing, nothing },
	{ "image*\0image", "image ", IMAGE, nothing, nothing },
	{ "volume*\0volume", "volume ", VOLUME, nothing, nothing },
	{ "network*\0network", "network ", NETWORK, nothing, nothing },
	{ "build*\0builder*\0builder", "builder ", BUILD, nothing, nothing },
	{ "system*\0system", "system ", SYSTEM, nothing, nothing },
	{ "buildx*\0buildx", "buildx ", BUILD, nothing, nothing },
	{ "checkpoint*\0checkpoint", "checkpoint ", NO_GROUP, nothing, nothing },
	{ "plugin*\0plugin\0plugins", "plugin ", PLUGIN, nothing, nothing },
	{ "swarm*\0swarm", "swarm ", SWARM, nothing, nothing },
	{ "node*\0node", "node ", NODE, nothing, nothing },
	{ "service*\0service", "service ", SERVICE, nothing, nothing },
	{ "stack*\0stack", "stack ", NO_GROUP, nothing, nothing },
	{ "secret*\0secret", "secret ", SECRET, nothing, nothing },
	{ "config*\0config", "config ", CONFIG, nothing, nothing },
	{ "compose*\0compose", "", NO_GROUP, compose_key, compose_needs },
};

#define GROUPED(name, group) group,
static const uint8_t group_of[] = { ROUTES(GROUPED) };

#define NAMED(name, group) #name,
static const char *const route_names[] = { ROUTES(NAMED) };

#define each_name(n, names) (const char *n = (names); *n; n += strlen(n) + 1)

const char *const *docker_route_names(size_t *ret_n)
{
	*ret_n = N_ROUTES;
	return route_names;
}

int docker_route_index(const char *name)
{
	for (size_t i = 0; i < N_ROUTES; i++)
		if (strcmp(route_names[i], name) == 0)
			return (int)i;
	return -1;
}

bool docker_routes_has(const struct docker_routes *set, int route)
{
	return route >= 0 && route < DOCKER_ROUTES_MAX && (set->bits[route / 64] >> (route % 64) & 1);
}

void docker_routes_set(struct docker_routes *set, int route)
{
	if (route >= 0 && route < DOCKER_ROUTES_MAX)
		set->bits[route / 64] |= UINT64_C(1) << (route % 64);
}

static void add_list(struct docker_routes *set, const uint8_t *list, size_t max)
{
	for (size_t i = 0; i < max && list[i] != r_end; i++)
		docker_routes_set(set, list[i] - 1);
}

static void add_command(const struct command *c, bool needs, struct docker_routes *set)
{
	add_list(set, c->key, sizeof c->key);
	if (needs)
		add_list(set, c->needs, sizeof c->needs);
}

static bool is_member(const struct group *g, const struct command *c)
{
	for
		each_name(n, c->names) if (*g->members &&
					   strncmp(n, g->members, strlen(g->members)) == 0) return true;
	return false;
}

static void add_group(const struct group *g, bool needs, struct docker_routes *set)
{
	for (size_t i = 0; i < N_ROUTES && g->id != NO_GROUP; i++)
		if (group_of[i] == g->id)
			docker_routes_set(set, (int)i);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (is_member(g, &commands[i]) && (needs || !commands[i].borrowed))
			add_command(&commands[i], needs, set);
	add_list(set, g->key, SIZE_MAX);
	if (needs)
		add_list(set, g->needs, SIZE_MAX);
}

static bool has_name(const char *names, const char *name)
{
	for
		each_name(n, names) if (n[0] == name[0] && strcmp(n, name) == 0) return true;
	return false;
}

bool docker_command_add(const char *command, bool needs, struct docker_routes *set)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (has_name(commands[i].names, command)) {
			add_command(&commands[i], needs, set);
			return true;
		}
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (has_name(groups[i].names, command)) {
			add_group(&groups[i], needs, set);
			return true;
		}
	return false;
}

const char *docker_command_name(size_t i, size_t alias)
{
	const char *names;

	if (i >= ARRAY_SIZE(commands) + ARRAY_SIZE(groups))
		return NULL;
	names = i < ARRAY_SIZE(commands) ? commands[i].names : groups[i - ARRAY_SIZE(commands)].names;
	for
		each_name(n, names) if (alias-- == 0) return n;
	return NULL;
}

static unsigned count(const struct docker_routes *set)
{
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(set->bits); i++)
		n += (unsigned)__builtin_popcountll(set->bits[i]);
	return n;
}

static struct docker_routes minus(struct docker_routes a, const struct docker_routes *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(a.bits); i++)
		a.bits[i] &= ~b->bits[i];
	return a;
}

static struct docker_routes both(struct docker_routes a, const struct docker_routes *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(a.bits); i++)
		a.bits[i] &= b->bits[i];
	return a;
}

static void unite(struct docker_routes *a, const struct docker_routes *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(a->bits); i++)
		a->bits[i] |= b->bits[i];
}

const char *docker_route_command(int route)
{
	unsigned best = 0;
	const char *ret = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		struct docker_routes key = { 0 };
		unsigned n;

		add_command(&commands[i], false, &key);
		n = count(&key);
		if (docker_routes_has(&key, route) && (!ret || n < best)) {
			ret = commands[i].names;
			best = n;
		}
	}
	return ret;
}

const char *docker_command_closest(const char *name)
{
	struct closest c;

	if (strncmp(name, "docker ", 7) == 0)
		name += 7;
	closest_start(&c, name);
	for (size_t i = 0; docker_command_name(i, 0); i++)
		for (size_t k = 0; docker_command_name(i, k); k++)
			closest_look(&c, docker_command_name(i, k));
	return c.best;
}

static bool always_open(int route)
{
	return route >= 0 && (size_t)route < N_ROUTES && group_of[route] == OPEN;
}

bool docker_command_list_allows(const struct docker_command_list *list, int route)
{
	if (!list->given)
		return true;
	if (list->allow)
		return always_open(route) || docker_routes_has(&list->listed, route);
	return !docker_routes_has(&list->listed, route);
}

/* ---- learning ---- */

#define CANDIDATES (ARRAY_SIZE(commands) + ARRAY_SIZE(groups))

struct candidate {
	const char *name;
	struct docker_routes key, opens;
	bool group, chosen;
};

static void fill_candidates(struct candidate all[static CANDIDATES])
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		all[i] = (struct candidate){ .name = commands[i].names };
		add_command(&commands[i], false, &all[i].key);
		add_command(&commands[i], true, &all[i].opens);
	}
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		struct candidate *c = &all[ARRAY_SIZE(commands) + i];

		*c = (struct candidate){ .name = groups[i].names, .group = true };
		add_group(&groups[i], false, &c->key);
		add_group(&groups[i], true, &c->opens);
	}
}

/*
 * The next one for the list: the lowest (2 + endpoints opened that nobody used) for each that it adds, so that neither
 * many names nor much that is not needed come out. Groups only where they open nothing but what was used. @any: also
 * commands of whose key nothing was used, which are not what was called, but open it.
 */
static struct candidate *choose(struct candidate all[static CANDIDATES], const struct docker_routes *used,
				const struct docker_routes *open, bool any)
{
	struct docker_routes missing = minus(*used, open);
	unsigned best_cost = 0, best_gain = 0;
	struct candidate *best = NULL;

	for (struct candidate *c = all; c < all + CANDIDATES; c++) {
		struct docker_routes gained = both(c->opens, &missing), called = both(c->key, used), extra;
		unsigned cost, gain = count(&gained);

		extra = minus(minus(c->opens, used), open);
		cost = 2 + count(&extra);
		if (gain == 0 || (!any && count(&called) == 0) || (c->group && cost > 2))
			continue;
		if (best && cost * best_gain >= best_cost * gain)
			continue;
		best = c;
		best_cost = cost;
		best_gain = gain;
	}
	return best;
}

/* Drop what the others open too, as far as it was used. */
static void drop_superfluous(struct candidate all[static CANDIDATES], const struct docker_routes *used,
			     const struct docker_routes *always)
{
	for (struct candidate *c = all + CANDIDATES; c-- > all;) {
		struct docker_routes others = *always, own = both(c->opens, used);

		if (!c->chosen)
			continue;
		for (const struct candidate *o = all; o < all + CANDIDATES; o++)
			if (o->chosen && o != c)
				unite(&others, &o->opens);
		own = minus(own, &others);
		c->chosen = count(&own) > 0;
	}
}

size_t docker_command_learn(const struct docker_routes *used, const char **ret, size_t max)
{
	struct docker_routes always = { 0 }, open;
	struct candidate all[CANDIDATES], *next;
	size_t n = 0;

	for (int i = 0; i < (int)N_ROUTES; i++)
		if (always_open(i))
			docker_routes_set(&always, i);
	fill_candidates(all);
	open = always;
	while ((next = choose(all, used, &open, false)) || (next = choose(all, used, &open, true))) {
		unite(&open, &next->opens);
		next->chosen = true;
	}
	drop_superfluous(all, used, &always);
	for (const struct candidate *c = all; c < all + CANDIDATES && n < max; c++)
		if (c->chosen)
			ret[n++] = c->name;
	return n;
}
