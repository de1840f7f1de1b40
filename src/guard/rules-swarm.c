/* SPDX-License-Identifier: Apache-2.0 */
/* Services: their tasks are containers that the engine makes by itself, with its default runtime (E115, H3). */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "guard/rules.h"

static const struct field selinux_fields[] = {
	{ "Disable", FIELD_BOOL, NULL, NULL }, { "User", FIELD_STRING, NULL, NULL },
	{ "Role", FIELD_STRING, NULL, NULL },  { "Type", FIELD_STRING, NULL, NULL },
	{ "Level", FIELD_STRING, NULL, NULL },
};
static const struct shape selinux_shape = { selinux_fields, ARRAY_SIZE(selinux_fields), false };

static const struct field mode_fields[] = {
	{ "Mode", FIELD_STRING, NULL, NULL },
	{ "Profile", FIELD_STRING, NULL, NULL }, /* the profile itself, base64 */
};
static const struct shape mode_shape = { mode_fields, ARRAY_SIZE(mode_fields), false };

static const struct field privilege_fields[] = {
	{ "CredentialSpec", FIELD_ANY, NULL, rule_refuse_unless_empty },
	{ "SELinuxContext", FIELD_OBJECT, &selinux_shape, NULL },
	{ "Seccomp", FIELD_OBJECT, &mode_shape, NULL },
	{ "AppArmor", FIELD_OBJECT, &mode_shape, NULL },
	{ "NoNewPrivileges", FIELD_BOOL, NULL, NULL },
};
static const struct shape privilege_shape = { privilege_fields, ARRAY_SIZE(privilege_fields), false };

static const struct field container_fields[] = {
	{ "Image", FIELD_STRING, NULL, NULL },
	{ "Labels", FIELD_STRING_MAP, NULL, NULL },
	{ "Command", FIELD_STRINGS, NULL, NULL },
	{ "Args", FIELD_STRINGS, NULL, NULL },
	{ "Hostname", FIELD_STRING, NULL, NULL },
	{ "Env", FIELD_STRINGS, NULL, NULL },
	{ "Dir", FIELD_STRING, NULL, NULL },
	{ "User", FIELD_STRING, NULL, NULL },
	{ "Groups", FIELD_STRINGS, NULL, NULL },
	{ "Privileges", FIELD_OBJECT, &privilege_shape, NULL },
	{ "Init", FIELD_BOOL, NULL, NULL },
	{ "StopSignal", FIELD_STRING, NULL, NULL },
	{ "TTY", FIELD_BOOL, NULL, NULL },
	{ "OpenStdin", FIELD_BOOL, NULL, NULL },
	{ "ReadOnly", FIELD_BOOL, NULL, NULL },
	{ "Mounts", FIELD_OBJECTS, &mount_shape, rule_mounts },
	{ "StopGracePeriod", FIELD_INT, NULL, NULL },
	{ "Healthcheck", FIELD_OBJECT, &health_shape, NULL },
	{ "Hosts", FIELD_STRINGS, NULL, NULL },
	{ "DNSConfig", FIELD_ANY, NULL, NULL },
	{ "Secrets", FIELD_ANY, NULL, NULL }, /* files in the container, of the swarm's store */
	{ "Configs", FIELD_ANY, NULL, NULL },
	{ "Isolation", FIELD_STRING, NULL, NULL },
	{ "Sysctls", FIELD_STRING_MAP, NULL, rule_sysctls },
	{ "CapabilityAdd", FIELD_STRINGS, NULL, NULL },
	{ "CapabilityDrop", FIELD_STRINGS, NULL, NULL },
	{ "Ulimits", FIELD_ANY, NULL, NULL },
	{ "OomScoreAdj", FIELD_INT, NULL, rule_oom_score },
};
static const struct shape container_shape = { container_fields, ARRAY_SIZE(container_fields), false };

static int rule_target(struct judging *j, json_t *owner, json_t *value)
{
	(void)owner;
	return network_named(j, json_string_value(value));
}

static const struct field attachment_fields[] = {
	{ "Target", FIELD_STRING, NULL, rule_target },
	{ "Aliases", FIELD_STRINGS, NULL, NULL },
	{ "DriverOpts", FIELD_STRING_MAP, NULL, NULL },
};
static const struct shape attachment_shape = { attachment_fields, ARRAY_SIZE(attachment_fields), false };

static const struct field log_driver_fields[] = {
	{ "Name", FIELD_STRING, NULL, NULL },
	{ "Options", FIELD_STRING_MAP, NULL, NULL },
};
static const struct shape log_driver_shape = { log_driver_fields, ARRAY_SIZE(log_driver_fields), false };

static int rule_task_runtime(struct judging *j, json_t *owner, json_t *value)
{
	const char *s = json_string_value(value);

	(void)owner;
	if (*s == '\0' || strcmp(s, "container") == 0)
		return 0;
	return refuse_here(j, 403, "plugins", "tasks of kind \"%.32s\" are not allowed; only containers are", s);
}

static const struct field task_fields[] = {
	{ "ContainerSpec", FIELD_OBJECT, &container_shape, NULL },
	{ "PluginSpec", FIELD_ANY, NULL, rule_refuse_unless_empty },
	{ "NetworkAttachmentSpec", FIELD_ANY, NULL, rule_refuse_unless_empty },
	{ "Resources", FIELD_ANY, NULL, NULL },
	{ "RestartPolicy", FIELD_ANY, NULL, NULL },
	{ "Placement", FIELD_ANY, NULL, NULL },
	{ "Networks", FIELD_OBJECTS, &attachment_shape, NULL },
	{ "LogDriver", FIELD_OBJECT, &log_driver_shape, rule_log_config },
	{ "ForceUpdate", FIELD_INT, NULL, NULL },
	{ "Runtime", FIELD_STRING, NULL, rule_task_runtime },
};
static const struct shape task_shape = { task_fields, ARRAY_SIZE(task_fields), false };

static const struct field service_fields[] = {
	{ "Name", FIELD_STRING, NULL, NULL },
	{ "Labels", FIELD_STRING_MAP, NULL, NULL },
	{ "TaskTemplate", FIELD_OBJECT, &task_shape, NULL },
	{ "Mode", FIELD_ANY, NULL, NULL },
	{ "UpdateConfig", FIELD_ANY, NULL, NULL },
	{ "RollbackConfig", FIELD_ANY, NULL, NULL },
	{ "Networks", FIELD_OBJECTS, &attachment_shape, NULL },
	{ "EndpointSpec", FIELD_ANY, NULL, NULL },
};
static const struct shape service_shape = { service_fields, ARRAY_SIZE(service_fields), false };

int judge_service(struct judge_request *q, struct judge_verdict *v)
{
	struct judging j = { .q = q, .v = v };
	json_t *task, *container;
	int r;

	if (!q->host || !q->host->runc_is_caisson)
		return refuse(
			&j, 403, "swarm",
			"enhanced container isolation: tasks of a service run under the engine's default runtime, "
			"which is not Caisson "
			"here, so services are blocked; an administrator lets the engine resolve runc to Caisson "
			"(caissonctl install)");
	if (!q->body)
		return refuse_here(&j, 400, "request body", "a service's specification is needed");
	if (socket_service(&j) < 0)
		return -EPERM;
	task = member_fold(q->body, "TaskTemplate");
	container = member_fold(task, "ContainerSpec");
	j.image = json_string_value(member_fold(container, "Image"));
	r = shape_apply(&j, &service_shape, q->body);
	if (r == 0)
		r = host_namespaces(&j);
	return r < 0 || !container ? r : socket_labels_of(&j, container, true);
}

static const struct field secret_fields[] = {
	{ "Name", FIELD_STRING, NULL, NULL },
	{ "Labels", FIELD_STRING_MAP, NULL, NULL },
	{ "Data", FIELD_STRING, NULL, NULL },
	{ "Templating", FIELD_ANY, NULL, NULL },
	{ "Driver", FIELD_ANY, NULL, rule_refuse_unless_empty }, /* a plugin that is asked for the secret */
};
static const struct shape secret_shape = { secret_fields, ARRAY_SIZE(secret_fields), false };

int judge_secret(struct judge_request *q, struct judge_verdict *v)
{
	struct judging j = { .q = q, .v = v };

	return q->body ? shape_apply(&j, &secret_shape, q->body) : 0;
}
