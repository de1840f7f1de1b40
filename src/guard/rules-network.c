/* SPDX-License-Identifier: Apache-2.0 */
/* Networks, and what is closed as a whole. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "guard/rules.h"

static int rule_network_driver(struct judging *j, json_t *owner, json_t *value)
{
	static const char *const drivers[] = { "", "bridge", "overlay", "macvlan", "ipvlan", "null", "none" };
	const char *driver = json_string_value(value);

	(void)owner;
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (strcmp(driver, drivers[i]) == 0)
			return 0;
	if (strcmp(driver, "host") == 0) {
		j->host_ns[OCI_NS_NETWORK] = true;
		return 0;
	}
	return refuse_here(
		j, 403, "network drivers",
		"network driver \"%.64s\" is a program that runs on the host; use bridge, overlay, macvlan or "
		"ipvlan",
		driver);
}

/*
 * With the name of an interface that exists the engine takes it over, and containers sit in a network of the
 * host's.
 */
static int rule_network_options(struct judging *j, json_t *owner, json_t *value)
{
	const char *name = json_string_value(json_object_get(value, "com.docker.network.bridge.name"));
	char path[64];

	(void)owner;
	if (!name)
		return 0;
	if (strchr(name, '/') || strlen(name) > 15 ||
	    (snprintf(path, sizeof path, "/sys/class/net/%s", name) > 0 && access(path, F_OK) == 0))
		return refuse_here(
			j, 403, "network options",
			"the host has an interface \"%.32s\" already, and containers may not be attached to it; "
			"choose another "
			"com.docker.network.bridge.name",
			name);
	return 0;
}

static const struct field network_fields[] = {
	{ "Name", FIELD_STRING, NULL, NULL },
	{ "Driver", FIELD_STRING, NULL, rule_network_driver },
	{ "Options", FIELD_STRING_MAP, NULL, rule_network_options },
	{ "Labels", FIELD_STRING_MAP, NULL, NULL },
};
static const struct shape network_shape = { network_fields, ARRAY_SIZE(network_fields), true };

int judge_network_create(struct judge_request *q, struct judge_verdict *v)
{
	struct judging j = { .q = q, .v = v };
	int r = q->body ? shape_apply(&j, &network_shape, q->body) : 0;
	const char *name = json_string_value(json_object_get(q->body, "Name"));

	if (r == 0)
		r = host_namespaces(&j);
	if (r == 0 && q->body)
		r = socket_labels(&j, false);
	return r < 0 ? r : socket_name(&j, name ? name : "");
}

static const struct field connect_fields[] = {
	{ "Container", FIELD_STRING, NULL, NULL },
	{ "EndpointConfig", FIELD_OBJECT, NULL, NULL },
};
static const struct shape connect_shape = { connect_fields, ARRAY_SIZE(connect_fields), false };

/* Which container it is only matters where one client has containers of its own. */
static int connected_container(struct judging *j)
{
	const char *name = json_string_value(json_object_get(j->q->body, "Container"));

	if (!own_only(j->q) || !name)
		return 0;
	return container_ours(j, name, NULL);
}

int judge_network_connect(struct judge_request *q, struct judge_verdict *v)
{
	struct judging j = { .q = q, .v = v };
	int r = q->body ? shape_apply(&j, &connect_shape, q->body) : 0;

	if (r == 0)
		r = network_named(&j, q->segment[0]);
	if (r == 0)
		r = connected_container(&j);
	return r < 0 ? r : host_namespaces(&j);
}

static const struct field disconnect_fields[] = {
	{ "Container", FIELD_STRING, NULL, NULL },
	{ "Force", FIELD_BOOL, NULL, NULL },
};
static const struct shape disconnect_shape = { disconnect_fields, ARRAY_SIZE(disconnect_fields), false };

int judge_network_disconnect(struct judge_request *q, struct judge_verdict *v)
{
	struct judging j = { .q = q, .v = v };
	int r = q->body ? shape_apply(&j, &disconnect_shape, q->body) : 0;

	return r < 0 ? r : connected_container(&j);
}

int judge_plugin(struct judge_request *q, struct judge_verdict *v)
{
	struct judging j = { .q = q, .v = v };

	return refuse(&j, 403, "plugins",
		      "enhanced container isolation: plugins run with the host's rights, so %s is blocked; an "
		      "administrator sees to "
		      "plugins on the engine's own socket",
		      q->route->name);
}

int judge_swarm_join(struct judge_request *q, struct judge_verdict *v)
{
	struct judging j = { .q = q, .v = v };

	return refuse(
		&j, 403, "swarm",
		"enhanced container isolation: %s is blocked: managers of a swarm run containers here that no "
		"guard sees, and "
		"who has the tokens makes managers; an administrator sets swarms up on the engine's own socket",
		q->route->name);
}

int judge_debug(struct judge_request *q, struct judge_verdict *v)
{
	struct judging j = { .q = q, .v = v };

	return refuse(
		&j, 403, "debug",
		"enhanced container isolation: the engine's memory and figures are not for clients, so %s is "
		"blocked",
		q->route->name);
}
