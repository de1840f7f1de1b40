/* SPDX-License-Identifier: Apache-2.0 */
/* The flags of docker's commands, and what becomes of their values. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "ctl/docker-internal.h"
#include "guard/target.h"
#include "guard/text.h"

#define OFF(name, letter)                                     \
	{                                                     \
		name, letter, FLAG_OFF, IN_CONFIG, NULL, NULL \
	}
#define UNUSED(name, letter)                                     \
	{                                                        \
		name, letter, FLAG_UNUSED, IN_CONFIG, NULL, NULL \
	}
#define SPECIAL(name, letter, fn)                               \
	{                                                       \
		name, letter, FLAG_SPECIAL, IN_CONFIG, NULL, fn \
	}
#define HOST(name, letter, kind, member)                  \
	{                                                 \
		name, letter, kind, IN_HOST, member, NULL \
	}
#define CONFIG(name, letter, kind, member)                  \
	{                                                   \
		name, letter, kind, IN_CONFIG, member, NULL \
	}
#define QUERY(name, letter, kind, member)                  \
	{                                                  \
		name, letter, kind, IN_QUERY, member, NULL \
	}

static int bad_value(struct err *e, const char *flag, const char *value)
{
	return err_set(e, EINVAL, "--%s: \"%.80s\" is not a value that docker takes", flag, value);
}

/* ---- volumes ---- */

/* As filepath.Abs: "./data" and "../x", relative to the working directory. malloc'd. */
static char *absolute(const char *cwd, const char *path)
{
	_cleanup_free_ char *all = NULL;
	char *out, *end, *save = NULL;

	if (asprintf(&all, "%s/%s", cwd, path) < 0) {
		all = NULL;
		return NULL;
	}
	out = end = malloc(strlen(all) + 2);
	if (!out)
		return NULL;
	for (char *part = strtok_r(all, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		if (strcmp(part, ".") == 0)
			continue;
		if (strcmp(part, "..") == 0) {
			while (end > out && *--end != '/')
				;
			continue;
		}
		*end++ = '/';
		memcpy(end, part, strlen(part));
		end += strlen(part);
	}
	if (end == out)
		*end++ = '/';
	*end = '\0';
	return out;
}

static int special_volume(struct command *c, const char *value, struct err *e)
{
	/* docker takes one letter for a drive of Windows, on Linux too. */
	bool drive = ((value[0] | 32) >= 'a' && (value[0] | 32) <= 'z') && value[1] == ':';
	const char *colon = strchr(value + (drive ? 2 : 0), ':');
	_cleanup_free_ char *source = NULL, *abs = NULL, *bind = NULL;

	if (!*value)
		return bad_value(e, "volume", value);
	if (!colon) {
		json_t *v = json_object_get(c->config, "Volumes"), *name = text_json(value);

		if (!v)
			(void)json_object_set_new(c->config, "Volumes", v = json_object());
		if (name)
			(void)json_object_set_new(v, json_string_value(name), json_object());
		json_decref(name);
		return 0;
	}
	if (value[0] == '.') {
		source = strndup(value, (size_t)(colon - value));
		abs = source ? absolute(c->outside->cwd, source) : NULL;
		if (!abs || asprintf(&bind, "%s%s", abs, colon) < 0) {
			bind = NULL;
			return err_sys(e, ENOMEM, "--volume");
		}
		value = bind;
	}
	add_item(c->host, "Binds", text_json(value));
	return 0;
}

static int special_tmpfs(struct command *c, const char *value, struct err *e)
{
	(void)e;
	put_pair(c->host, "Tmpfs", value, ':');
	return 0;
}

/* ---- devices ---- */

/* "/dev/x[:/dev/y][:rwm]" */
static int special_device(struct command *c, const char *value, struct err *e)
{
	_cleanup_free_ char *text = strdup(value);
	char *save = NULL, *host, *inside, *mode;
	json_t *item;

	if (!text)
		return err_sys(e, ENOMEM, "--device");
	if (value[0] != '/' && strchr(value, '=')) {
		add_item(c->host, "DeviceRequests",
			 json_pack("{ss s[o]}", "Driver", "cdi", "DeviceIDs", text_json(value)));
		return 0;
	}
	host = strtok_r(text, ":", &save);
	inside = strtok_r(NULL, ":", &save);
	mode = strtok_r(NULL, ":", &save);
	if (!host)
		return bad_value(e, "device", value);
	if (inside && !mode && inside[0] != '/') {
		mode = inside;
		inside = NULL;
	}
	item = json_object();
	put_string(item, "PathOnHost", host);
	put_string(item, "PathInContainer", inside ? inside : host);
	put_string(item, "CgroupPermissions", mode ? mode : "rwm");
	add_item(c->host, "Devices", item);
	return 0;
}

static int special_gpus(struct command *c, const char *value, struct err *e)
{
	(void)e;
	add_item(c->host, "DeviceRequests",
		 json_pack("{sI s[[s]]}", "Count", (json_int_t)(strcmp(value, "all") == 0 ? -1 : 1),
			   "Capabilities", "gpu"));
	return 0;
}

static int add_rate(struct command *c, const char *member, const char *name, const char *value, struct err *e)
{
	const char *colon = strrchr(value, ':');
	_cleanup_free_ char *path = colon ? strndup(value, (size_t)(colon - value)) : NULL;
	int64_t n;

	if (!path || docker_bytes(colon + 1, &n) < 0)
		return bad_value(e, name, value);
	add_item(c->host, member,
		 json_pack("{so sI}", "Path", text_json(path),
			   strcmp(member, "BlkioWeightDevice") == 0 ? "Weight" : "Rate", (json_int_t)n));
	return 0;
}

#define RATE(fn, member, name)                                             \
	static int fn(struct command *c, const char *value, struct err *e) \
	{                                                                  \
		return add_rate(c, member, name, value, e);                \
	}
RATE(special_weight, "BlkioWeightDevice", "blkio-weight-device")
RATE(special_read_bps, "BlkioDeviceReadBps", "device-read-bps")
RATE(special_write_bps, "BlkioDeviceWriteBps", "device-write-bps")
RATE(special_read_iops, "BlkioDeviceReadIOps", "device-read-iops")
RATE(special_write_iops, "BlkioDeviceWriteIOps", "device-write-iops")

/* ---- the rest of a container ---- */

static int special_security(struct command *c, const char *value, struct err *e)
{
	size_t key = strcspn(value, "=:");
	const char *what = value[key] ? value + key + 1 : "";
	_cleanup_free_ char *text = NULL, *profile = NULL, *option = NULL;
	json_t *j;
	int r;

	if (strcmp(value, "systempaths=unconfined") == 0) {
		(void)json_object_set_new(c->host, "MaskedPaths", json_array());
		(void)json_object_set_new(c->host, "ReadonlyPaths", json_array());
		return 0;
	}
	if (!value[key] && strcmp(value, "no-new-privileges") != 0)
		return bad_value(e, "security-opt", value);
	if (strncmp(value, "seccomp", 7) != 0 || key != 7 || strcmp(what, "unconfined") == 0 ||
	    strcmp(what, "builtin") == 0) {
		add_item(c->host, "SecurityOpt", text_json(value));
		return 0;
	}
	r = c->outside->read(c->outside->ctx, what, &text);
	if (r < 0)
		return err_sys(e, -r, "opening seccomp profile (%.200s) failed", what);
	j = json_loads(text, 0, NULL);
	profile = j ? json_dumps(j, JSON_COMPACT) : NULL;
	json_decref(j);
	if (!profile)
		return err_set(e, EINVAL, "compacting json for seccomp profile (%.200s) failed", what);
	if (asprintf(&option, "seccomp=%s", profile) < 0) {
		option = NULL;
		return err_sys(e, ENOMEM, "--security-opt");
	}
	add_item(c->host, "SecurityOpt", text_json(option));
	return 0;
}

/* Only of these are there endpoints in the request. */
static bool is_user_network(const char *name)
{
	static const char *const others[] = { "default", "bridge", "host", "none" };

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (strcmp(name, others[i]) == 0)
			return false;
	return strncmp(name, "container:", 10) != 0;
}

/* "name", or "name=x,alias=y". */
static int special_network(struct command *c, const char *value, struct err *e)
{
	_cleanup_free_ char *name = NULL;
	const char *at = strstr(value, "name=");
	json_t *endpoints, *net = json_object_get(c->config, "NetworkingConfig");
	bool first = !json_object_get(c->host, "NetworkMode");

	if (strchr(value, '=') && at && (at == value || at[-1] == ','))
		name = strndup(at + 5, strcspn(at + 5, ","));
	else
		name = strdup(value);
	if (!name)
		return err_sys(e, ENOMEM, "--network");
	if (first)
		put_string(c->host, "NetworkMode", name);
	if (!is_user_network(name))
		return 0;
	if (!net)
		(void)json_object_set_new(c->config, "NetworkingConfig",
					  net = json_pack("{s{}}", "EndpointsConfig"));
	endpoints = json_object_get(net, "EndpointsConfig");
	(void)json_object_set_new(endpoints, name, json_object());
	return 0;
}

static int special_env_file(struct command *c, const char *value, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	char *save = NULL;
	int r = c->outside->read(c->outside->ctx, value, &text);

	if (r < 0)
		return err_sys(e, -r, "open %.200s", value);
	for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
		line += strspn(line, " \t");
		if (*line && *line != '#' && strchr(line, '='))
			add_item(c->config, "Env", text_json(line));
	}
	return 0;
}

static int special_env(struct command *c, const char *value, struct err *e)
{
	_cleanup_free_ char *pair = NULL;
	const char *v;

	if (!*value || *value == '=')
		return bad_value(e, "env", value);
	if (strchr(value, '=')) {
		add_item(c->config, "Env", text_json(value));
		return 0;
	}
	v = c->outside->env(c->outside->ctx, value);
	if (!v)
		return 0;
	if (asprintf(&pair, "%s=%s", value, v) < 0) {
		pair = NULL;
		return err_sys(e, ENOMEM, "--env");
	}
	add_item(c->config, "Env", text_json(pair));
	return 0;
}

static int special_log_driver(struct command *c, const char *value, struct err *e)
{
	json_t *log = json_object_get(c->host, "LogConfig");

	(void)e;
	if (!log)
		(void)json_object_set_new(c->host, "LogConfig", log = json_object());
	put_string(log, "Type", value);
	return 0;
}

static int special_log_opt(struct command *c, const char *value, struct err *e)
{
	json_t *log = json_object_get(c->host, "LogConfig");

	(void)e;
	if (!log)
		(void)json_object_set_new(c->host, "LogConfig", log = json_object());
	put_pair(log, "Config", value, '=');
	return 0;
}

static int special_restart(struct command *c, const char *value, struct err *e)
{
	const char *colon = strchr(value, ':');
	_cleanup_free_ char *name = strndup(value, strcspn(value, ":"));
	uint32_t count = 0;

	if (!name)
		return err_sys(e, ENOMEM, "--restart");
	if (colon && num_u32(colon + 1, &count) < 0)
		return bad_value(e, "restart", value);
	(void)json_object_set_new(c->host, "RestartPolicy",
				  json_pack("{so sI}", "Name", text_json(name), "MaximumRetryCount",
					    (json_int_t)count));
	return 0;
}

static int special_ulimit(struct command *c, const char *value, struct err *e)
{
	const char *equal = strchr(value, '='), *colon = strrchr(value, ':');
	_cleanup_free_ char *name = NULL, *first = NULL;
	int64_t soft, hard;

	if (!equal)
		return bad_value(e, "ulimit", value);
	name = strndup(value, (size_t)(equal - value));
	first = strndup(equal + 1, strcspn(equal + 1, ":"));
	if (!name || !first)
		return err_sys(e, ENOMEM, "--ulimit");
	if (num_i64(first, &soft) < 0)
		return bad_value(e, "ulimit", value);
	hard = soft;
	if (colon && num_i64(colon + 1, &hard) < 0)
		return bad_value(e, "ulimit", value);
	add_item(c->host, "Ulimits",
		 json_pack("{so sI sI}", "Name", text_json(name), "Soft", (json_int_t)soft, "Hard",
			   (json_int_t)hard));
	return 0;
}

static int special_cpus(struct command *c, const char *value, struct err *e)
{
	char *end;
	double n = strtod(value, &end);

	if (*end || end == value || !(n >= 0 && n < 1e6))
		return bad_value(e, "cpus", value);
	(void)json_object_set_new(c->host, "NanoCpus", json_integer((json_int_t)(n * 1e9)));
	return 0;
}

static int special_publish(struct command *c, const char *value, struct err *e)
{
	const char *colon = strrchr(value, ':'), *port = colon ? colon + 1 : value;
	_cleanup_free_ char *key = NULL, *from = colon ? strndup(value, (size_t)(colon - value)) : strdup("");
	json_t *all = json_object_get(c->host, "PortBindings");

	if (!from || asprintf(&key, "%s%s", port, strchr(port, '/') ? "" : "/tcp") < 0) {
		key = NULL;
		return err_sys(e, ENOMEM, "--publish");
	}
	if (!all)
		(void)json_object_set_new(c->host, "PortBindings", all = json_object());
	colon = strrchr(from, ':');
	(void)json_object_set_new(all, key, json_pack("[{so}]", "HostPort", text_json(colon ? colon + 1 : from)));
	return 0;
}

static int special_health(struct command *c, const char *value, struct err *e)
{
	(void)e;
	(void)json_object_set_new(c->config, "Healthcheck",
				  json_pack("{s[so]}", "Test", "CMD-SHELL", text_json(value)));
	return 0;
}

static int special_attach(struct command *c, const char *value, struct err *e)
{
	if (strcasecmp(value, "stdin") == 0)
		(void)json_object_set_new(c->config, "AttachStdin", json_true());
	else if (strcasecmp(value, "stdout") != 0 && strcasecmp(value, "stderr") != 0)
		return bad_value(e, "attach", value);
	return 0;
}

static int special_entrypoint(struct command *c, const char *value, struct err *e)
{
	(void)e;
	(void)json_object_set_new(c->config, "Entrypoint", json_pack("[o]", text_json(value)));
	return 0;
}

static int special_build_host(struct command *c, const char *value, struct err *e)
{
	(void)e;
	put_query(c, "extrahosts", value);
	return 0;
}

/* "--filter NAME=VALUE" */
static int special_filter(struct command *c, const char *value, struct err *e)
{
	const char *at = strchr(value, '=');
	_cleanup_free_ char *name = at ? strndup(value, (size_t)(at - value)) : NULL;

	if (!at)
		return err_set(e, EINVAL, "--filter: \"%.80s\": bad format of filter (expected name=value)",
			       value);
	if (!name)
		return err_sys(e, ENOMEM, "--filter");
	for (char *s = name; *s; s++)
		*s = *s >= 'A' && *s <= 'Z' ? (char)(*s + 32) : *s;
	put_filter(c, name, at + 1);
	return 0;
}

static int special_type(struct command *c, const char *value, struct err *e)
{
	static const struct {
		const char *type, *path;
	} rows[] = {
		{ "", "/containers/{}/json" },	{ "container", "/containers/{}/json" },
		{ "image", "/images/{}/json" }, { "network", "/networks/{}" },
		{ "node", "/nodes/{}" },	{ "plugin", "/plugins/{}/json" },
		{ "secret", "/secrets/{}" },	{ "service", "/services/{}" },
		{ "task", "/tasks/{}" },	{ "volume", "/volumes/{}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(value, rows[i].type) == 0) {
			c->path = rows[i].path;
			return 0;
		}
	return bad_value(e, "type", value);
}

/* What bounds a container: in run and in update. */
#define LIMITS                                                                                                \
	HOST("blkio-weight", 0, FLAG_INT, "BlkioWeight"), HOST("cpu-period", 0, FLAG_INT, "CpuPeriod"),       \
		HOST("cpu-quota", 0, FLAG_INT, "CpuQuota"),                                                   \
		HOST("cpu-rt-period", 0, FLAG_INT, "CpuRealtimePeriod"),                                      \
		HOST("cpu-rt-runtime", 0, FLAG_INT, "CpuRealtimeRuntime"),                                    \
		HOST("cpu-shares", 'c', FLAG_INT, "CpuShares"), SPECIAL("cpus", 0, special_cpus),             \
		HOST("cpuset-cpus", 0, FLAG_STRING, "CpusetCpus"),                                            \
		HOST("cpuset-mems", 0, FLAG_STRING, "CpusetMems"), HOST("memory", 'm', FLAG_BYTES, "Memory"), \
		HOST("memory-reservation", 0, FLAG_BYTES, "MemoryReservation"),                               \
		HOST("memory-swap", 0, FLAG_BYTES, "MemorySwap"),                                             \
		HOST("kernel-memory", 0, FLAG_BYTES, "KernelMemory"),                                         \
		HOST("pids-limit", 0, FLAG_INT, "PidsLimit"), SPECIAL("restart", 0, special_restart)

static const struct flag run_table[] = {
	LIMITS,
	HOST("add-host", 0, FLAG_LIST, "ExtraHosts"),
	HOST("annotation", 0, FLAG_MAP, "Annotations"),
	SPECIAL("attach", 'a', special_attach),
	SPECIAL("blkio-weight-device", 0, special_weight),
	HOST("cap-add", 0, FLAG_LIST, "CapAdd"),
	HOST("cap-drop", 0, FLAG_LIST, "CapDrop"),
	HOST("cgroup-parent", 0, FLAG_STRING, "CgroupParent"),
	HOST("cgroupns", 0, FLAG_STRING, "CgroupnsMode"),
	HOST("cidfile", 0, FLAG_STRING, "ContainerIDFile"),
	HOST("cpu-count", 0, FLAG_INT, "CpuCount"),
	HOST("cpu-percent", 0, FLAG_INT, "CpuPercent"),
	OFF("detach", 'd'),
	UNUSED("detach-keys", 0),
	SPECIAL("device", 0, special_device),
	HOST("device-cgroup-rule", 0, FLAG_LIST, "DeviceCgroupRules"),
	SPECIAL("device-read-bps", 0, special_read_bps),
	SPECIAL("device-read-iops", 0, special_read_iops),
	SPECIAL("device-write-bps", 0, special_write_bps),
	SPECIAL("device-write-iops", 0, special_write_iops),
	OFF("disable-content-trust", 0),
	HOST("dns", 0, FLAG_LIST, "Dns"),
	HOST("dns-opt", 0, FLAG_LIST, "DnsOptions"),
	HOST("dns-option", 0, FLAG_LIST, "DnsOptions"),
	HOST("dns-search", 0, FLAG_LIST, "DnsSearch"),
	CONFIG("domainname", 0, FLAG_STRING, "Domainname"),
	SPECIAL("entrypoint", 0, special_entrypoint),
	SPECIAL("env", 'e', special_env),
	SPECIAL("env-file", 0, special_env_file),
	UNUSED("expose", 0),
	SPECIAL("gpus", 0, special_gpus),
	HOST("group-add", 0, FLAG_LIST, "GroupAdd"),
	SPECIAL("health-cmd", 0, special_health),
	UNUSED("health-interval", 0),
	UNUSED("health-retries", 0),
	UNUSED("health-start-interval", 0),
	UNUSED("health-start-period", 0),
	UNUSED("health-timeout", 0),
	CONFIG("hostname", 'h', FLAG_STRING, "Hostname"),
	HOST("init", 0, FLAG_BOOL, "Init"),
	CONFIG("interactive", 'i', FLAG_BOOL, "OpenStdin"),
	UNUSED("ip", 0),
	UNUSED("ip6", 0),
	HOST("ipc", 0, FLAG_STRING, "IpcMode"),
	HOST("isolation", 0, FLAG_STRING, "Isolation"),
	CONFIG("label", 'l', FLAG_MAP, "Labels"),
	UNUSED("label-file", 0),
	HOST("link", 0, FLAG_LIST, "Links"),
	UNUSED("link-local-ip", 0),
	SPECIAL("log-driver", 0, special_log_driver),
	SPECIAL("log-opt", 0, special_log_opt),
	CONFIG("mac-address", 0, FLAG_STRING, "MacAddress"),
	HOST("memory-swappiness", 0, FLAG_INT, "MemorySwappiness"),
	SPECIAL("mount", 0, docker_mount),
	QUERY("name", 0, FLAG_STRING, "name"),
	SPECIAL("net", 0, special_network),
	UNUSED("net-alias", 0),
	SPECIAL("network", 0, special_network),
	UNUSED("network-alias", 0),
	OFF("no-healthcheck", 0),
	HOST("oom-kill-disable", 0, FLAG_BOOL, "OomKillDisable"),
	HOST("oom-score-adj", 0, FLAG_INT, "OomScoreAdj"),
	HOST("pid", 0, FLAG_STRING, "PidMode"),
	QUERY("platform", 0, FLAG_STRING, "platform"),
	HOST("privileged", 0, FLAG_BOOL, "Privileged"),
	SPECIAL("publish", 'p', special_publish),
	HOST("publish-all", 'P', FLAG_BOOL, "PublishAllPorts"),
	UNUSED("pull", 0),
	OFF("quiet", 'q'),
	HOST("read-only", 0, FLAG_BOOL, "ReadonlyRootfs"),
	HOST("rm", 0, FLAG_BOOL, "AutoRemove"),
	HOST("runtime", 0, FLAG_STRING, "Runtime"),
	SPECIAL("security-opt", 0, special_security),
	HOST("shm-size", 0, FLAG_BYTES, "ShmSize"),
	OFF("sig-proxy", 0),
	CONFIG("stop-signal", 0, FLAG_STRING, "StopSignal"),
	CONFIG("stop-timeout", 0, FLAG_INT, "StopTimeout"),
	HOST("storage-opt", 0, FLAG_MAP, "StorageOpt"),
	HOST("sysctl", 0, FLAG_MAP, "Sysctls"),
	SPECIAL("tmpfs", 0, special_tmpfs),
	CONFIG("tty", 't', FLAG_BOOL, "Tty"),
	SPECIAL("ulimit", 0, special_ulimit),
	CONFIG("user", 'u', FLAG_STRING, "User"),
	HOST("userns", 0, FLAG_STRING, "UsernsMode"),
	HOST("uts", 0, FLAG_STRING, "UTSMode"),
	SPECIAL("volume", 'v', special_volume),
	HOST("volume-driver", 0, FLAG_STRING, "VolumeDriver"),
	HOST("volumes-from", 0, FLAG_LIST, "VolumesFrom"),
	CONFIG("workdir", 'w', FLAG_STRING, "WorkingDir"),
};
const struct flags run_flags = { run_table, ARRAY_SIZE(run_table) };

static const struct flag update_table[] = { LIMITS };
const struct flags update_flags = { update_table, ARRAY_SIZE(update_table) };

static const struct flag exec_table[] = {
	CONFIG("detach", 'd', FLAG_BOOL, "Detach"),
	CONFIG("detach-keys", 0, FLAG_STRING, "DetachKeys"),
	SPECIAL("env", 'e', special_env),
	SPECIAL("env-file", 0, special_env_file),
	CONFIG("interactive", 'i', FLAG_BOOL, "AttachStdin"),
	CONFIG("privileged", 0, FLAG_BOOL, "Privileged"),
	CONFIG("tty", 't', FLAG_BOOL, "Tty"),
	CONFIG("user", 'u', FLAG_STRING, "User"),
	CONFIG("workdir", 'w', FLAG_STRING, "WorkingDir"),
};
const struct flags exec_flags = { exec_table, ARRAY_SIZE(exec_table) };

static const struct flag volume_table[] = {
	CONFIG("driver", 'd', FLAG_STRING, "Driver"),
	CONFIG("label", 0, FLAG_MAP, "Labels"),
	CONFIG("name", 0, FLAG_STRING, "Name"),
	CONFIG("opt", 'o', FLAG_MAP, "DriverOpts"),
};
const struct flags volume_flags = { volume_table, ARRAY_SIZE(volume_table) };

static const struct flag network_table[] = {
	CONFIG("attachable", 0, FLAG_BOOL, "Attachable"),
	UNUSED("aux-address", 0),
	UNUSED("config-from", 0),
	OFF("config-only", 0),
	CONFIG("driver", 'd', FLAG_STRING, "Driver"),
	UNUSED("gateway", 0),
	CONFIG("ingress", 0, FLAG_BOOL, "Ingress"),
	CONFIG("internal", 0, FLAG_BOOL, "Internal"),
	UNUSED("ip-range", 0),
	UNUSED("ipam-driver", 0),
	UNUSED("ipam-opt", 0),
	CONFIG("ipv6", 0, FLAG_BOOL, "EnableIPv6"),
	CONFIG("label", 0, FLAG_MAP, "Labels"),
	CONFIG("opt", 'o', FLAG_MAP, "Options"),
	CONFIG("scope", 0, FLAG_STRING, "Scope"),
	UNUSED("subnet", 0),
};
const struct flags network_flags = { network_table, ARRAY_SIZE(network_table) };

/* build: what either builder reads from the query; BuildKit's own go into its session. */
static const struct flag build_table[] = {
	SPECIAL("add-host", 0, special_build_host),
	UNUSED("allow", 0),
	UNUSED("annotation", 0),
	UNUSED("attest", 0),
	UNUSED("build-arg", 0),
	UNUSED("build-context", 0),
	UNUSED("builder", 0),
	UNUSED("cache-from", 0),
	UNUSED("cache-to", 0),
	UNUSED("call", 0),
	QUERY("cgroup-parent", 0, FLAG_STRING, "cgroupparent"),
	OFF("check", 0),
	OFF("compress", 0),
	QUERY("cpu-period", 0, FLAG_STRING, "cpuperiod"),
	QUERY("cpu-quota", 0, FLAG_STRING, "cpuquota"),
	QUERY("cpu-shares", 'c', FLAG_STRING, "cpushares"),
	QUERY("cpuset-cpus", 0, FLAG_STRING, "cpusetcpus"),
	QUERY("cpuset-mems", 0, FLAG_STRING, "cpusetmems"),
	OFF("disable-content-trust", 0),
	QUERY("file", 'f', FLAG_STRING, "dockerfile"),
	OFF("force-rm", 0),
	UNUSED("iidfile", 0),
	QUERY("isolation", 0, FLAG_STRING, "isolation"),
	UNUSED("label", 0),
	OFF("load", 0),
	UNUSED("memory", 'm'),
	UNUSED("memory-swap", 0),
	UNUSED("metadata-file", 0),
	QUERY("network", 0, FLAG_STRING, "networkmode"),
	OFF("no-cache", 0),
	UNUSED("no-cache-filter", 0),
	UNUSED("output", 'o'),
	QUERY("platform", 0, FLAG_STRING, "platform"),
	UNUSED("progress", 0),
	UNUSED("provenance", 0),
	OFF("pull", 0),
	OFF("push", 0),
	OFF("quiet", 'q'),
	OFF("rm", 0),
	UNUSED("sbom", 0),
	UNUSED("secret", 0),
	QUERY("security-opt", 0, FLAG_STRING, "securityopt"),
	UNUSED("shm-size", 0),
	OFF("squash", 0),
	UNUSED("ssh", 0),
	QUERY("tag", 't', FLAG_STRING, "t"),
	QUERY("target", 0, FLAG_STRING, "target"),
	UNUSED("ulimit", 0),
};
const struct flags build_flags = { build_table, ARRAY_SIZE(build_table) };

/* ---- commands that are one plain request ---- */

const struct flags no_flags;

#define FLAGS(name, ...)                                           \
	static const struct flag name##_table[] = { __VA_ARGS__ }; \
	const struct flags name##_flags = { name##_table, ARRAY_SIZE(name##_table) };

#define FILTER	 SPECIAL("filter", 'f', special_filter)
#define FORMAT	 UNUSED("format", 0)
#define FORMAT_F UNUSED("format", 'f')
#define NO_TRUNC OFF("no-trunc", 0)
#define QUIET	 OFF("quiet", 'q')
#define PLATFORM UNUSED("platform", 0)
#define FORCE	 QUERY("force", 'f', FLAG_BOOL, "force")
#define KEYS	 UNUSED("detach-keys", 0)
#define TIMES	 QUERY("since", 0, FLAG_STRING, "since"), QUERY("until", 0, FLAG_STRING, "until")

FLAGS(global, OFF("debug", 'D'), UNUSED("config", 0), UNUSED("context", 'c'), UNUSED("host", 'H'),
      UNUSED("log-level", 'l'), OFF("tls", 0), UNUSED("tlscacert", 0), UNUSED("tlscert", 0), UNUSED("tlskey", 0),
      OFF("tlsverify", 0))

FLAGS(attach, KEYS, OFF("no-stdin", 0), OFF("sig-proxy", 0))
FLAGS(commit, QUERY("author", 'a', FLAG_STRING, "author"), QUERY("change", 'c', FLAG_STRING, "changes"),
      QUERY("message", 'm', FLAG_STRING, "comment"), OFF("pause", 'p'))
FLAGS(cp, OFF("archive", 'a'), OFF("follow-link", 'L'), QUIET)
FLAGS(events, FILTER, FORMAT, TIMES)
FLAGS(export, UNUSED("output", 'o'))
FLAGS(format, FORMAT_F)
FLAGS(history, FORMAT, OFF("human", 'H'), NO_TRUNC, PLATFORM, QUIET)
FLAGS(image_inspect, FORMAT_F, PLATFORM)
FLAGS(images, QUERY("all", 'a', FLAG_BOOL, "all"), OFF("digests", 0), FILTER, FORMAT, NO_TRUNC, QUIET,
      OFF("tree", 0))
FLAGS(inspect, FORMAT_F, QUERY("size", 's', FLAG_BOOL, "size"), SPECIAL("type", 0, special_type))
FLAGS(kill, QUERY("signal", 's', FLAG_STRING, "signal"))
FLAGS(load, UNUSED("input", 'i'), PLATFORM, QUIET)
FLAGS(login, UNUSED("password", 'p'), OFF("password-stdin", 0), CONFIG("username", 'u', FLAG_STRING, "username"))
FLAGS(logs, QUERY("details", 0, FLAG_BOOL, "details"), QUERY("follow", 'f', FLAG_BOOL, "follow"),
      QUERY("tail", 'n', FLAG_STRING, "tail"), QUERY("timestamps", 't', FLAG_BOOL, "timestamps"), TIMES)
FLAGS(ps, QUERY("all", 'a', FLAG_BOOL, "all"), FILTER, FORMAT, QUERY("last", 'n', FLAG_INT, "limit"),
      QUERY("latest", 'l', FLAG_BOOL, "limit"), NO_TRUNC, QUIET, QUERY("size", 's', FLAG_BOOL, "size"))
FLAGS(pull, CONFIG("all-tags", 'a', FLAG_BOOL, "AllTags"), OFF("disable-content-trust", 0),
      QUERY("platform", 0, FLAG_STRING, "platform"), QUIET)
FLAGS(push, CONFIG("all-tags", 'a', FLAG_BOOL, "AllTags"), OFF("disable-content-trust", 0), PLATFORM, QUIET)
FLAGS(rm, FORCE, QUERY("link", 'l', FLAG_BOOL, "link"), QUERY("volumes", 'v', FLAG_BOOL, "v"))
FLAGS(rmi, FORCE, QUERY("no-prune", 0, FLAG_BOOL, "noprune"), PLATFORM)
FLAGS(save, UNUSED("output", 'o'), PLATFORM)
FLAGS(search, FILTER, FORMAT, QUERY("limit", 0, FLAG_INT, "limit"), NO_TRUNC)
FLAGS(start, OFF("attach", 'a'), QUERY("checkpoint", 0, FLAG_STRING, "checkpoint"),
      QUERY("checkpoint-dir", 0, FLAG_STRING, "checkpoint-dir"), KEYS, OFF("interactive", 'i'))
FLAGS(stats, OFF("all", 'a'), FORMAT, OFF("no-stream", 0), NO_TRUNC)
FLAGS(stop, QUERY("signal", 's', FLAG_STRING, "signal"), QUERY("time", 't', FLAG_INT, "t"),
      QUERY("timeout", 0, FLAG_INT, "t"))
FLAGS(system_df, FORMAT, OFF("verbose", 'v'))

FLAGS(connect, CONFIG("alias", 0, FLAG_LIST, "Aliases"), CONFIG("driver-opt", 0, FLAG_MAP, "DriverOpts"),
      UNUSED("gw-priority", 0), UNUSED("ip", 0), UNUSED("ip6", 0), CONFIG("link", 0, FLAG_LIST, "Links"),
      UNUSED("link-local-ip", 0))
FLAGS(disconnect, CONFIG("force", 'f', FLAG_BOOL, "Force"))
FLAGS(network_inspect, FORMAT_F, OFF("verbose", 'v'))
FLAGS(network_list, FILTER, FORMAT, NO_TRUNC, QUIET)
FLAGS(network_rm, OFF("force", 'f'))
FLAGS(volume_list, OFF("cluster", 0), FILTER, FORMAT, QUIET)
FLAGS(volume_rm, FORCE)
FLAGS(prune, SPECIAL("filter", 0, special_filter), OFF("force", 'f'))
FLAGS(prune_all, CONFIG("all", 'a', FLAG_BOOL, "All"), SPECIAL("filter", 0, special_filter), OFF("force", 'f'))
