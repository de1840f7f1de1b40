/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HostConfig, field by field (A122). Every field of every engine up to API 1.56 is listed; what is not is refused.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "guard/rules.h"
#include "policy/policy.h"

/* ---- namespaces ---- */

/*
 * "container:x", pinned to the container's id so that a name which changes hands between judgement and use does not
 * matter.
 * Return: 1 when it is of this form and good, 0 when it is not.
 */
static int container_mode(struct judging *j, json_t *value)
{
	static const char prefix[] = "container:";
	const char *mode = json_string_value(value), *id;
	char pinned[sizeof prefix + 128];
	json_t *inspect = NULL;
	int r;

	if (strncmp(mode, prefix, sizeof prefix - 1) != 0)
		return 0;
	r = container_ours(j, mode + sizeof prefix - 1, &inspect);
	if (r < 0)
		return r;
	id = json_string_value(json_object_get(inspect, "Id"));
	if (id && strlen(id) <= 128) {
		(void)snprintf(pinned, sizeof pinned, "%s%s", prefix, id);
		r = json_string_set(value, pinned);
	}
	json_decref(inspect);
	return r < 0 ? refuse_here(j, 503, "memory", "out of memory") : 1;
}

static int namespace_mode(struct judging *j, json_t *value, enum oci_ns ns, const char *const plain[], size_t n)
{
	const char *mode = json_string_value(value);
	int r;

	if (strcmp(mode, "host") == 0) {
		j->host_ns[ns] = true;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		if (strcmp(mode, plain[i]) == 0)
			return 0;
	r = ns == OCI_NS_UTS ? 0 : container_mode(j, value);
	if (r != 0)
		return r < 0 ? r : 0;
	return refuse_here(j, 400, "namespaces", "\"%.128s\" is not a mode that the guard knows", mode);
}

static int rule_pid_mode(struct judging *j, json_t *owner, json_t *value)
{
	static const char *const plain[] = { "", "private" };

	(void)owner;
	return namespace_mode(j, value, OCI_NS_PID, plain, ARRAY_SIZE(plain));
}

static int rule_ipc_mode(struct judging *j, json_t *owner, json_t *value)
{
	static const char *const plain[] = { "", "none", "private", "shareable" };

	(void)owner;
	return namespace_mode(j, value, OCI_NS_IPC, plain, ARRAY_SIZE(plain));
}

static int rule_uts_mode(struct judging *j, json_t *owner, json_t *value)
{
	static const char *const plain[] = { "", "private" };

	(void)owner;
	return namespace_mode(j, value, OCI_NS_UTS, plain, ARRAY_SIZE(plain));
}

static int rule_network_mode(struct judging *j, json_t *owner, json_t *value)
{
	int r = container_mode(j, value);

	(void)owner;
	return r != 0 ? (r < 0 ? r : 0) : network_named(j, json_string_value(value));
}

/* E9, E31: ignored, as Docker's does. */
static int rule_userns_mode(struct judging *j, json_t *owner, json_t *value)
{
	if (json_string_length(value) > 0)
		changed(j, "UsernsMode \"%.32s\" dropped", json_string_value(value));
	return json_object_del(owner, "UsernsMode") < 0 ? refuse_here(j, 503, "memory", "out of memory") : 0;
}

/* E30: not refused. */
static int rule_cgroupns_mode(struct judging *j, json_t *owner, json_t *value)
{
	const char *mode = json_string_value(value);

	(void)owner;
	if (strcmp(mode, "host") == 0) {
		changed(j, "CgroupnsMode \"host\" is \"private\"");
		return json_string_set(value, "private") < 0 ? refuse_here(j, 503, "memory", "out of memory") : 0;
	}
	if (*mode && strcmp(mode, "private") != 0)
		return refuse_here(j, 400, "namespaces", "\"%.64s\" is not a mode that the guard knows", mode);
	return 0;
}

/* ---- devices ---- */

static int rule_device_path(struct judging *j, json_t *owner, json_t *value)
{
	const char *path = json_string_value(value);

	(void)owner;
	if (policy_device_listed(j->q->settings, path))
		return 0;
	j->v->setting = "caisson.allowedDevices";
	return refuse_here(
		j, 403, "devices",
		"host device %.128s is not allowed for isolated containers; an administrator can list it under "
		"caisson.allowedDevices in %s",
		path, j->q->settings->file ? j->q->settings->file : "the settings");
}

static const struct field device_fields[] = {
	{ "PathOnHost", FIELD_STRING, NULL, rule_device_path },
	{ "PathInContainer", FIELD_STRING, NULL, NULL },
	{ "CgroupPermissions", FIELD_STRING, NULL, NULL },
};
static const struct shape device_shape = { device_fields, ARRAY_SIZE(device_fields), false };

/* "c 10:229 rwm": does it give no more than a device that is listed? */
static bool device_rule_listed(const struct settings *st, const char *rule)
{
	uint64_t major_no, minor_no;
	char type = *rule;
	struct stat s;

	if ((type != 'c' && type != 'b') || rule[1] != ' ')
		return false;
	rule += 2;
	if (num_span(&rule, UINT32_MAX, &major_no) < 0 || *rule++ != ':' ||
	    num_span(&rule, UINT32_MAX, &minor_no) < 0 || *rule++ != ' ' || !*rule || rule[strspn(rule, "rwm")])
		return false;
	for (size_t i = 0; i < st->n_devices; i++)
		if (lstat(st->devices[i].path, &s) == 0 &&
		    (type == 'c' ? S_ISCHR(s.st_mode) : S_ISBLK(s.st_mode)) && major(s.st_rdev) == major_no &&
		    minor(s.st_rdev) == minor_no)
			return true;
	return false;
}

static int rule_device_rules(struct judging *j, json_t *owner, json_t *value)
{
	size_t i;
	json_t *v;

	(void)owner;
	json_array_foreach(value, i, v) {
		if (device_rule_listed(j->q->settings, json_string_value(v)))
			continue;
		j->v->setting = "caisson.allowedDevices";
		return refuse_here(
			j, 403, "devices",
			"\"%.64s\" is not about a device that is listed under caisson.allowedDevices in the "
			"settings",
			json_string_value(v));
	}
	return 0;
}

static int rule_device_requests(struct judging *j, json_t *owner, json_t *value)
{
	(void)owner;
	if (json_array_size(value) == 0)
		return 0;
	return refuse_here(
		j, 403, "devices",
		"GPUs and other devices by driver (--gpus, CDI) are given by hooks that run on the host, so they "
		"are not "
		"allowed for isolated containers; leave them out");
}

/* The engine looks the node up as root to learn its number. */
static int rule_block_device(struct judging *j, json_t *owner, json_t *value)
{
	const char *path = json_string_value(value);

	(void)owner;
	if (strncmp(path, "/dev/", 5) == 0 && !strstr(path, ".."))
		return 0;
	return refuse_here(j, 403, "devices", "must be a device below /dev, not \"%.128s\"", path);
}

static const struct field weight_fields[] = {
	{ "Path", FIELD_STRING, NULL, rule_block_device },
	{ "Weight", FIELD_INT, NULL, NULL },
};
static const struct shape weight_shape = { weight_fields, ARRAY_SIZE(weight_fields), false };

static const struct field throttle_fields[] = {
	{ "Path", FIELD_STRING, NULL, rule_block_device },
	{ "Rate", FIELD_INT, NULL, NULL },
};
static const struct shape throttle_shape = { throttle_fields, ARRAY_SIZE(throttle_fields), false };

/* ---- strings with a grammar of their own ---- */

static int rule_cgroup_parent(struct judging *j, json_t *owner, json_t *value)
{
	(void)owner;
	return cgroup_parent(j, json_string_value(value));
}

/* Split as the engine does: at the first '=', and at the first ':' only where there is no '='. */
int security_option(struct judging *j, const char *option)
{
	static const char *const names[] = { "seccomp", "apparmor", "label", "no-new-privileges",
					     "writable-cgroups" };
	static const char *const alone[] = { "no-new-privileges", "disable" };
	size_t n = strcspn(option, "=");

	if (!option[n])
		n = strcspn(option, ":");
	for (size_t i = 0; i < ARRAY_SIZE(alone); i++)
		if (strcmp(option, alone[i]) == 0)
			return 0;
	for (size_t i = 0; option[n] && i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == n && strncmp(option, names[i], n) == 0)
			return 0;
	if (option[n] && n == strlen("systempaths") && strncmp(option, "systempaths", n) == 0 &&
	    strcmp(option + n + 1, "unconfined") == 0)
		return 0;
	return refuse_here(
		j, 403, "security options",
		"\"%.64s\" is not known to this version of the guard; it knows seccomp, apparmor, label, "
		"no-new-privileges, "
		"systempaths=unconfined and writable-cgroups",
		option);
}

static int rule_security_options(struct judging *j, json_t *owner, json_t *value)
{
	size_t i;
	json_t *v;

	(void)owner;
	json_array_foreach(value, i, v) {
		int r = security_option(j, json_string_value(v));

		if (r < 0)
			return r;
	}
	return 0;
}

/* Runtimes obey some annotations; ours only the resource view, which gives a container no right. */
static int rule_annotations(struct judging *j, json_t *owner, json_t *value)
{
	static const char *const reserved[] = {
		"io.caisson.",	     "org.systemd.property.", "run.oci.", "io.katacontainers.", "org.criu.",
		"io.kubernetes.cri", "io.container.manager"
	};
	const char *key;
	json_t *v;

	(void)owner;
	json_object_foreach(value, key, v) {
		if (strcmp(key, "io.caisson.resource-view") == 0)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
			if (strncasecmp(key, reserved[i], strlen(reserved[i])) == 0)
				return refuse_here(j, 403, "annotations",
						   "\"%.128s\" would change how the runtime works; only "
						   "io.caisson.resource-view is for "
						   "users",
						   key);
	}
	return 0;
}

static int rule_storage_options(struct judging *j, json_t *owner, json_t *value)
{
	const char *key;
	json_t *v;

	(void)owner;
	json_object_foreach(value, key, v)
		if (strcmp(key, "size") != 0)
			return refuse_here(j, 403, "storage options", "only \"size\" is allowed, not \"%.64s\"",
					   key);
	return 0;
}

static int rule_isolation(struct judging *j, json_t *owner, json_t *value)
{
	const char *s = json_string_value(value);

	(void)owner;
	return *s && strcasecmp(s, "default") != 0
		       ? refuse_here(j, 400, "isolation", "must be \"default\" on Linux")
		       : 0;
}

/* E11, E12: replaced without a word. Set by judge_container_create(), as most bodies have no such member. */
static int rule_runtime(struct judging *j, json_t *owner, json_t *value)
{
	const char *runtime = json_string_value(value);

	(void)owner;
	if (*runtime && strcmp(runtime, RULES_RUNTIME) != 0)
		changed(j, "Runtime \"%.64s\" is \"" RULES_RUNTIME "\"", runtime);
	return 0;
}

static const struct field log_fields[] = {
	{ "Type", FIELD_STRING, NULL, NULL },
	{ "Config", FIELD_STRING_MAP, NULL, NULL },
};
static const struct shape log_shape = { log_fields, ARRAY_SIZE(log_fields), false };

static const struct field ulimit_fields[] = {
	{ "Name", FIELD_STRING, NULL, NULL },
	{ "Hard", FIELD_INT, NULL, NULL },
	{ "Soft", FIELD_INT, NULL, NULL },
};
static const struct shape ulimit_shape = { ulimit_fields, ARRAY_SIZE(ulimit_fields), false };

static const struct field restart_fields[] = {
	{ "Name", FIELD_STRING, NULL, NULL },
	{ "MaximumRetryCount", FIELD_INT, NULL, NULL },
};
static const struct shape restart_shape = { restart_fields, ARRAY_SIZE(restart_fields), false };

/* What limits a container, in create and in update. The kernel holds containers to it, so figures pass. */
#define RESOURCES                                                                                                \
	{ "CpuShares", FIELD_INT, NULL, NULL }, { "Memory", FIELD_INT, NULL, NULL },                             \
		{ "NanoCpus", FIELD_INT, NULL, NULL },                                                           \
		{ "CgroupParent", FIELD_STRING, NULL, rule_cgroup_parent },                                      \
		{ "BlkioWeight", FIELD_INT, NULL, NULL },                                                        \
		{ "BlkioWeightDevice", FIELD_OBJECTS, &weight_shape, NULL },                                     \
		{ "BlkioDeviceReadBps", FIELD_OBJECTS, &throttle_shape, NULL },                                  \
		{ "BlkioDeviceWriteBps", FIELD_OBJECTS, &throttle_shape, NULL },                                 \
		{ "BlkioDeviceReadIOps", FIELD_OBJECTS, &throttle_shape, NULL },                                 \
		{ "BlkioDeviceWriteIOps", FIELD_OBJECTS, &throttle_shape, NULL },                                \
		{ "CpuPeriod", FIELD_INT, NULL, NULL }, { "CpuQuota", FIELD_INT, NULL, NULL },                   \
		{ "CpuRealtimePeriod", FIELD_INT, NULL, NULL }, { "CpuRealtimeRuntime", FIELD_INT, NULL, NULL }, \
		{ "CpusetCpus", FIELD_STRING, NULL, NULL }, { "CpusetMems", FIELD_STRING, NULL, NULL },          \
		{ "Devices", FIELD_OBJECTS, &device_shape, NULL },                                               \
		{ "DeviceCgroupRules", FIELD_STRINGS, NULL, rule_device_rules },                                 \
		{ "DeviceRequests", FIELD_ANY, NULL, rule_device_requests },                                     \
		{ "KernelMemory", FIELD_INT, NULL, NULL }, { "KernelMemoryTCP", FIELD_INT, NULL, NULL },         \
		{ "MemoryReservation", FIELD_INT, NULL, NULL }, { "MemorySwap", FIELD_INT, NULL, NULL },         \
		{ "MemorySwappiness", FIELD_INT, NULL, NULL }, { "OomKillDisable", FIELD_BOOL, NULL, NULL },     \
		{ "PidsLimit", FIELD_INT, NULL, NULL }, { "Ulimits", FIELD_OBJECTS, &ulimit_shape, NULL },       \
		{ "CpuCount", FIELD_INT, NULL, NULL }, { "CpuPercent", FIELD_INT, NULL, NULL },                  \
		{ "IOMaximumIOps", FIELD_INT, NULL, NULL },                                                      \
	{                                                                                                        \
		"IOMaximumBandwidth", FIELD_INT, NULL, NULL                                                      \
	}

static const struct field host_config_fields[] = {
	{ "Binds", FIELD_STRINGS, NULL, rule_binds },
	{ "ContainerIDFile", FIELD_STRING, NULL, NULL }, /* the client's; the engine only keeps the text */
	{ "LogConfig", FIELD_OBJECT, &log_shape, rule_log_config },
	{ "NetworkMode", FIELD_STRING, NULL, rule_network_mode },
	{ "PortBindings", FIELD_ANY, NULL, NULL },
	{ "RestartPolicy", FIELD_OBJECT, &restart_shape, NULL },
	{ "AutoRemove", FIELD_BOOL, NULL, NULL },
	{ "VolumeDriver", FIELD_STRING, NULL, rule_volume_driver },
	{ "VolumesFrom", FIELD_STRINGS, NULL, rule_volumes_from },
	{ "ConsoleSize", FIELD_ANY, NULL, NULL },
	{ "Annotations", FIELD_STRING_MAP, NULL, rule_annotations },
	{ "CapAdd", FIELD_WORDS, NULL, NULL }, /* in the container's user namespace */
	{ "CapDrop", FIELD_WORDS, NULL, NULL },
	{ "Capabilities", FIELD_WORDS, NULL, NULL },
	{ "CgroupnsMode", FIELD_STRING, NULL, rule_cgroupns_mode },
	{ "Dns", FIELD_STRINGS, NULL, NULL },
	{ "DnsOptions", FIELD_STRINGS, NULL, NULL },
	{ "DnsSearch", FIELD_STRINGS, NULL, NULL },
	{ "ExtraHosts", FIELD_STRINGS, NULL, NULL },
	{ "GroupAdd", FIELD_STRINGS, NULL, NULL }, /* ids of the container's range */
	{ "IpcMode", FIELD_STRING, NULL, rule_ipc_mode },
	{ "Cgroup", FIELD_STRING, NULL, rule_refuse_unless_empty },
	{ "Links", FIELD_STRINGS, NULL, NULL },
	{ "OomScoreAdj", FIELD_INT, NULL, rule_oom_score },
	{ "PidMode", FIELD_STRING, NULL, rule_pid_mode },
	{ "Privileged", FIELD_BOOL, NULL, NULL }, /* E19: in the container's user namespace */
	{ "PublishAllPorts", FIELD_BOOL, NULL, NULL },
	{ "ReadonlyRootfs", FIELD_BOOL, NULL, NULL },
	{ "SecurityOpt", FIELD_STRINGS, NULL, rule_security_options },
	{ "StorageOpt", FIELD_STRING_MAP, NULL, rule_storage_options },
	{ "Tmpfs", FIELD_STRING_MAP, NULL, rule_tmpfs },
	{ "UTSMode", FIELD_STRING, NULL, rule_uts_mode },
	{ "UsernsMode", FIELD_STRING, NULL, rule_userns_mode },
	{ "ShmSize", FIELD_INT, NULL, NULL },
	{ "Sysctls", FIELD_STRING_MAP, NULL, rule_sysctls },
	{ "Runtime", FIELD_STRING, NULL, rule_runtime },
	{ "Isolation", FIELD_STRING, NULL, rule_isolation },
	{ "Mounts", FIELD_OBJECTS, &mount_shape, rule_mounts },
	{ "MaskedPaths", FIELD_STRINGS, NULL,
	  NULL }, /* as with systempaths=unconfined, the container only uncovers its own */
	{ "ReadonlyPaths", FIELD_STRINGS, NULL, NULL },
	{ "Init", FIELD_BOOL, NULL, NULL },
	{ "InitPath", FIELD_STRING, NULL, rule_refuse_unless_empty },
	/* fields of engines long gone that some libraries still send */
	{ "LxcConf", FIELD_ANY, NULL, rule_refuse_unless_empty },
	{ "DiskQuota", FIELD_INT, NULL, NULL },
	{ "LogOpts", FIELD_ANY, NULL, rule_refuse_unless_empty },
	{ "ExecIDs", FIELD_ANY, NULL, rule_refuse_unless_empty },
	RESOURCES,
};
const struct shape host_config_shape = { host_config_fields, ARRAY_SIZE(host_config_fields), false };

static const struct field update_fields[] = {
	RESOURCES,
	{ "RestartPolicy", FIELD_OBJECT, &restart_shape, NULL },
};
const struct shape resources_shape = { update_fields, ARRAY_SIZE(update_fields), false };
