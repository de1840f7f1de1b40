/* SPDX-License-Identifier: Apache-2.0 */
/* HostConfig, field by field: what passes, and beside it the nearest thing that must not. */
#include "guard/test-judge.h"

struct host_config {
	const char *in;	  /* HostConfig */
	const char *says; /* words of the refusal; NULL: passes */
	const char *out;  /* what is sent on, without Runtime; NULL: as it came */
};

static void judge_one(const struct host_config *h)
{
	_cleanup_free_ char *in = NULL, *out = NULL;
	const char *want = h->out ? h->out : h->in;
	struct row row = { "POST", "/v1.41/containers/create?name=x", NULL, h->says, NULL };

	assert_true(asprintf(&in, "{\"Image\": \"docker:cli\", \"HostConfig\": {%s}}", h->in) > 0);
	assert_true(asprintf(&out,
			     "{\"Image\": \"docker:cli\", \"HostConfig\": {%s%s\"Runtime\": \"sysbox-runc\"}}",
			     want, *want ? ", " : "") > 0);
	row.in = in;
	row.out = out;
	test_row(&row, &test_settings, NULL);
}

#define M1(list)                                          \
	"sysbox containers can't share namespaces [" list \
	"] with the host (because they use the linux user-namespace"
#define M2 \
	"sysbox containers can't share a network namespace with the host (because they use the linux user-namespace"

static const struct host_config namespaces[] = {
	{ "\"Runtime\": \"runc\"", NULL, "" },
	{ "\"Runtime\": \"\"", NULL, "" },
	{ "\"rUNTIME\": \"io.containerd.kata.v2\"", NULL, "" },
	{ "\"Runtime\": null", NULL, "" },
	{ "\"Runtime\": 1", "must be a string", NULL },
	{ "\"Runtime\": \"a\", \"runtime\": \"b\"", "two spellings", NULL },
	{ "\"UsernsMode\": \"host\"", NULL, "" },
	{ "\"usernsmode\": \"host\"", NULL, "" },
	{ "\"CgroupnsMode\": \"host\"", NULL, "\"CgroupnsMode\": \"private\"" },
	{ "\"CgroupnsMode\": \"private\"", NULL, NULL },
	{ "\"CgroupnsMode\": \"Host\"", "not a mode", NULL },
	{ "\"PidMode\": \"host\"", M1("pid"), NULL },
	{ "\"PIDMODE\": \"host\"", M1("pid"), NULL },
	{ "\"IpcMode\": \"host\"", M1("ipc"), NULL },
	{ "\"UTSMode\": \"host\"", M1("uts"), NULL },
	{ "\"NetworkMode\": \"host\"", M2, NULL },
	{ "\"NetworkMode\": \"0ff1ce\"", M2, NULL },
	{ "\"NetworkMode\": \"host\", \"PidMode\": \"host\", \"IpcMode\": \"host\", \"UTSMode\": \"host\"",
	  M1("pid ipc uts network"), NULL },
	{ "\"PidMode\": \"\", \"IpcMode\": \"shareable\", \"UTSMode\": \"\", \"NetworkMode\": \"default\"", NULL,
	  NULL },
	{ "\"IpcMode\": \"private\", \"NetworkMode\": \"bridge\"", NULL, NULL },
	{ "\"IpcMode\": \"none\", \"NetworkMode\": \"none\"", NULL, NULL },
	{ "\"NetworkMode\": \"project_default\"", NULL, NULL },
	{ "\"NetworkMode\": \"cafe\"", NULL, NULL },
	{ "\"NetworkMode\": \"container:ours\"", NULL, "\"NetworkMode\": \"container:" ID_OURS "\"" },
	{ "\"PidMode\": \"container:ours\"", NULL, "\"PidMode\": \"container:" ID_OURS "\"" },
	{ "\"IpcMode\": \"container:none\"", "No such container: none", NULL },
	{ "\"NetworkMode\": \"container:old\"", "create it again", NULL },
	{ "\"IpcMode\": \"container:old\"", "create it again", NULL },
	{ "\"PidMode\": \"container:\"", "is not the name of a container", NULL },
	{ "\"PidMode\": \"container:../x\"", "is not the name of a container", NULL },
	{ "\"UTSMode\": \"container:ours\"", "not a mode", NULL },
	{ "\"PidMode\": \"ns:/proc/1/ns/pid\"", "not a mode", NULL },
	{ "\"PidMode\": true", "must be a string", NULL },
	{ "\"PidMode\": [\"host\"]", "must be a string", NULL },
	{ "\"Cgroup\": \"\"", NULL, NULL },
	{ "\"Cgroup\": \"container:ours\"", "not allowed", NULL },
};

#define RHM "because it's configured as a restricted host mount"

static const struct host_config binds[] = {
	{ "\"Binds\": null, \"Mounts\": null", NULL, "" },
	{ "\"Binds\": []", NULL, NULL },
	{ "\"Binds\": [\"@/share:/x\"]", NULL, NULL },
	{ "\"Binds\": [\"@/share/a:/x:ro\", \"@/share:/y:rw,z\"]", NULL, NULL },
	{ "\"Binds\": [\"@/share/to-a:/x:ro\"]", NULL, "\"Binds\": [\"@/share/a:/x:ro\"]" },
	{ "\"Binds\": [\"@/into:/x\"]", NULL, "\"Binds\": [\"@/share/a:/x\"]" },
	{ "\"Binds\": [\"@/share//a/.:/x\"]", NULL, "\"Binds\": [\"@/share/a:/x\"]" },
	{ "\"Binds\": [\"@/share/to-etc/../a:/x\"]", NULL, "\"Binds\": [\"@/share/a:/x\"]" },
	/* what is missing is made by us, and the engine told not to */
	{ "\"Binds\": [\"@/share/new/dir:/x\"]", NULL,
	  "\"Binds\": [], \"Mounts\": [{\"Type\": \"bind\", \"Source\": \"@/share/new/dir\", \"Target\": \"/x\", \"ReadOnly\": false}]" },
	{ "\"Binds\": [\"/y\", \"@/share/to-a/new:/x:ro,rslave\"]", NULL,
	  "\"Binds\": [\"/y\"], \"Mounts\": [{\"Type\": \"bind\", \"Source\": \"@/share/a/new\", \"Target\": \"/x\", \"ReadOnly\": true, "
	  "\"BindOptions\": {\"Propagation\": \"rslave\"}}]" },
	{ "\"Binds\": [\"@/share/mine:/x\"]", NULL, NULL },
	{ "\"Binds\": [\"/x\", \"plain:/y\", \"new-volume:/z:ro\", \"ram:/w\"]", NULL, NULL },
	{ "\"binds\": [\"/etc:/x\"]", "can't mount /etc " RHM, NULL },
	{ "\"Binds\": [\"/etc/docker/daemon.json:/x:ro\"]", "can't mount /etc/docker/daemon.json " RHM, NULL },
	{ "\"Binds\": [\"@/share:/x\", \"/etc:/x\"]", RHM, NULL },
	{ "\"Binds\": [\"/:/x\"]", RHM, NULL },
	{ "\"Binds\": [\"//:/x\"]", RHM, NULL },
	{ "\"Binds\": [\"/no/such/path:/x\"]", "mounts denied:", NULL },
	{ "\"Binds\": [\"@/sharefoo:/x\"]", RHM, NULL },
	{ "\"Binds\": [\"@/share/../secret:/x\"]", RHM, NULL },
	{ "\"Binds\": [\"@/share/to-secret:/x\"]", RHM, NULL },
	{ "\"Binds\": [\"@/share/to-secret/new:/x\"]", RHM, NULL },
	{ "\"Binds\": [\"@/share/to-etc:/x\"]", RHM, NULL },
	{ "\"Binds\": [\"@/share/to-etc/passwd:/x\"]", RHM, NULL },
	{ "\"Binds\": [\"@/share/dangling:/x\"]", "cannot find out where", NULL },
	{ "\"Binds\": [\"@/share/dangling/y:/x\"]", "cannot find out where", NULL },
	{ "\"Binds\": [\"@/share/loop:/x\"]", "cannot find out where", NULL },
	{ "\"Binds\": [\"@/share/magic:/x\"]", "cannot find out where", NULL },
	{ "\"Binds\": [\"@/share/mine/x:/x\"]", "cannot find out where", NULL },
	{ "\"Binds\": [\"/proc/self/root:/x\"]", "cannot find out where", NULL },
	{ "\"Binds\": [\"/proc:/x\"]", RHM, NULL },
	{ "\"Binds\": [\"/sys/fs/cgroup:/x\"]", RHM, NULL },
	{ "\"Binds\": [\"/dev/null:/x\"]", RHM, NULL },
	{ "\"Binds\": [\"/var/lib/docker/volumes/x/_data:/x\"]", RHM, NULL },
	{ "\"Binds\": [\"@/share/to-colon:/x\"]", "with a colon", NULL },
	{ "\"Binds\": [\"@/share/c:d:/x\"]", "invalid mode: /x",
	  NULL }, /* three parts: the engine takes @/share/c for the source */
	{ "\"Binds\": [\"@/share:/x:ro:rw\"]", "too many colons", NULL },
	{ "\"Binds\": [\":/x\"]", "is empty", NULL },
	{ "\"Binds\": [\"\"]", "is empty", NULL },
	{ "\"Binds\": [null]", "must be an array of strings", NULL },
	{ "\"Binds\": [1]", "must be an array of strings", NULL },
	{ "\"Binds\": \"/etc:/x\"", "must be an array of strings", NULL },
	{ "\"Binds\": {\"/etc\": \"/x\"}", "must be an array of strings", NULL },
	{ "\"Binds\": [\"@/share/a\\nb:/x\"]", "control characters", NULL },
	{ "\"Binds\": [\"../etc:/x\"]", "is not the name of a volume", NULL },
	{ "\"Binds\": [\"a/b:/x\"]", "is not the name of a volume", NULL },
	{ "\"Binds\": [\"alias:/x\"]", "can't mount /etc " RHM, NULL },
	{ "\"Binds\": [\"disk:/x\"]", "restricted host mount", NULL },
	{ "\"Binds\": [\"sshfs:/x\"]", "only \"local\"", NULL },
};

#define SOCK                                                                                 \
	"enhanced container isolation: Docker socket mount denied for container with image " \
	"\"docker.io/library/docker\"; allowed image list is empty."

static const struct host_config sockets[] = {
	{ "\"Binds\": [\"/var/run/docker.sock:/var/run/docker.sock\"]", SOCK, NULL },
	{ "\"Binds\": [\"/run/docker.sock:/x:ro\"]", SOCK, NULL },
	{ "\"Binds\": [\"/var/../run/./docker.sock:/x\"]", SOCK, NULL },
	{ "\"Binds\": [\"/run/containerd/containerd.sock:/x\"]", SOCK, NULL },
	{ "\"Binds\": [\"@/share/docker.sock:/x\"]", SOCK, NULL },
	{ "\"Binds\": [\"@/share/innocent:/x\"]", SOCK, NULL },
	{ "\"Mounts\": [{\"Type\": \"bind\", \"Source\": \"/var/run/docker.sock\", \"Target\": \"/x\"}]", SOCK,
	  NULL },
	{ "\"mounts\": [{\"type\": \"bind\", \"\\u0073ource\": \"\\/var\\/run\\/docker.sock\", \"target\": "
	  "\"/x\"}]",
	  SOCK, NULL },
	{ "\"Mounts\": [{\"Type\": \"volume\", \"Target\": \"/x\", \"VolumeOptions\": {\"DriverConfig\": "
	  "{\"Options\": {\"o\": \"bind\", "
	  "\"device\": \"/run/docker.sock\"}}}}]",
	  SOCK, NULL },
	{ "\"Binds\": [\"/run:/x\"]", RHM, NULL },
	{ "\"Binds\": [\"/var/run:/x\"]", RHM, NULL },
	{ "\"Binds\": [\"/run/caisson:/x\"]", RHM, NULL },
};

#define MOUNT(text) "\"Mounts\": [{" text "}]"

static const struct host_config mounts[] = {
	{ "\"Mounts\": []", NULL, NULL },
	{ MOUNT("\"Type\": \"bind\", \"Source\": \"@/share\", \"Target\": \"/x\", \"ReadOnly\": true"), NULL,
	  NULL },
	{ MOUNT("\"type\": \"bind\", \"source\": \"@/share/to-a\", \"Target\": \"/x\""), NULL,
	  MOUNT("\"Type\": \"bind\", \"Source\": \"@/share/a\", \"Target\": \"/x\"") },
	{ MOUNT("\"Type\": \"bind\", \"Source\": \"@/share/to-colon\", \"Target\": \"/x\""), NULL,
	  MOUNT("\"Type\": \"bind\", \"Source\": \"@/share/c:d\", \"Target\": \"/x\"") },
	{ MOUNT("\"Type\": \"bind\", \"Source\": \"@/share/a\", \"BindOptions\": {\"Propagation\": \"rslave\", "
		"\"CreateMountpoint\": true}"),
	  NULL, NULL },
	{ MOUNT("\"Type\": \"bind\", \"Source\": \"/etc\", \"Target\": \"/x\""), "can't mount /etc " RHM, NULL },
	{ MOUNT("\"Type\": \"bind\", \"Source\": \"@/share/to-etc\", \"Target\": \"/x\""), RHM, NULL },
	{ MOUNT("\"Type\": \"bind\", \"Source\": \"etc\", \"Target\": \"/x\""), "not absolute", NULL },
	{ MOUNT("\"Type\": \"bind\", \"Target\": \"/x\""), "not absolute", NULL },
	{ MOUNT("\"Type\": \"bind\", \"Source\": \"@/share\", \"SOURCE\": \"/etc\""), "two spellings", NULL },
	{ MOUNT("\"Type\": \"bind\", \"Source\": \"@/share\", \"Options\": [\"bind\"]"),
	  "\"Options\" is not known", NULL },
	{ MOUNT("\"Type\": \"bind\", \"Source\": \"@/share\", \"BindOptions\": {\"X\": 1}"),
	  "HostConfig.Mounts[0].BindOptions: the member "
	  "\"X\" is not known",
	  NULL },
	{ "\"Binds\": [\"@/share:/x\"], " MOUNT("\"Type\": \"bind\", \"Source\": \"/etc\""), RHM, NULL },
	{ "\"Binds\": [\"/etc:/x\"], " MOUNT("\"Type\": \"bind\", \"Source\": \"@/share\""), RHM, NULL },
	{ "\"Mounts\": [null]", "must be an object", NULL },
	{ "\"Mounts\": [[]]", "must be an object", NULL },
	{ "\"Mounts\": {}", "must be an array", NULL },
	{ MOUNT("\"Source\": \"@/share\""), "needs a Type", NULL },
	{ MOUNT("\"Type\": \"Bind\", \"Source\": \"@/share\""), "mounts of type", NULL },
	{ MOUNT("\"Type\": \"npipe\", \"Source\": \"x\""), "mounts of type", NULL },
	{ MOUNT("\"Type\": \"cluster\", \"Source\": \"x\""), "mounts of type", NULL },
	{ MOUNT("\"Type\": \"image\", \"Source\": \"alpine\", \"ImageOptions\": {\"Subpath\": \"a/b\"}"), NULL,
	  NULL },
	{ MOUNT("\"Type\": \"image\", \"Source\": \"alpine\", \"ImageOptions\": {\"Subpath\": \"a/../..\"}"),
	  "must not leave", NULL },
	{ MOUNT("\"Type\": \"tmpfs\", \"Target\": \"/x\", \"TmpfsOptions\": {\"SizeBytes\": 1, \"Mode\": 448}"),
	  NULL, NULL },
	{ MOUNT("\"Type\": \"tmpfs\", \"Target\": \"/x\", \"TmpfsOptions\": {\"Options\": [[\"noexec\"], [\"uid\", "
		"\"1\"]]}"),
	  NULL, NULL },
	{ MOUNT("\"Type\": \"tmpfs\", \"Target\": \"/x\", \"TmpfsOptions\": {\"Options\": [[\"bind\"]]}"),
	  "not one of tmpfs", NULL },
	{ MOUNT("\"Type\": \"tmpfs\", \"Target\": \"/x\", \"TmpfsOptions\": {\"Options\": [[\"size\", "
		"\"1,bind\"]]}"),
	  "not one of tmpfs", NULL },
	{ MOUNT("\"Type\": \"tmpfs\", \"Source\": \"/etc\", \"Target\": \"/x\""), "no Source", NULL },
	{ MOUNT("\"Type\": \"volume\", \"Source\": \"plain\", \"Target\": \"/x\", \"VolumeOptions\": {\"NoCopy\": "
		"true, \"Subpath\": \"a\"}"),
	  NULL, NULL },
	{ MOUNT("\"Type\": \"volume\", \"Target\": \"/x\""), NULL, NULL },
	{ MOUNT("\"Type\": \"volume\", \"Source\": \"/etc\", \"Target\": \"/x\""), "is not the name of a volume",
	  NULL },
	{ MOUNT("\"Type\": \"volume\", \"Source\": \"alias\", \"Target\": \"/x\""), RHM, NULL },
	{ MOUNT("\"Type\": \"volume\", \"Source\": \"plain\", \"VolumeOptions\": {\"Subpath\": \"../../x\"}"),
	  "must not leave", NULL },
	{ MOUNT("\"Type\": \"volume\", \"Source\": \"plain\", \"VolumeOptions\": {\"Subpath\": \"/etc\"}"),
	  "relative path", NULL },
	{ MOUNT("\"Type\": \"volume\", \"VolumeOptions\": {\"DriverConfig\": {\"Name\": \"convoy\"}}"),
	  "only \"local\"", NULL },
	{ MOUNT("\"Type\": \"volume\", \"VolumeOptions\": {\"driverconfig\": {\"options\": {\"type\": \"none\", "
		"\"o\": \"bind\", \"device\": "
		"\"/etc\"}}}"),
	  RHM, NULL },
	{ MOUNT("\"Type\": \"volume\", \"VolumeOptions\": {\"DriverConfig\": {\"Options\": {\"o\": \"bind,rw\", "
		"\"device\": \"@/share/a\"}}}"),
	  "has to be read-only", NULL },
	{ MOUNT("\"Type\": \"volume\", \"VolumeOptions\": {\"DriverConfig\": {\"Options\": {\"o\": \"bind,ro\", "
		"\"device\": \"@/share/to-a\"}}}"),
	  NULL,
	  MOUNT("\"Type\": \"volume\", \"VolumeOptions\": {\"DriverConfig\": {\"Options\": {\"o\": \"bind,ro\", "
		"\"device\": "
		"\"@/share/a\"}}}") },
	{ "\"Tmpfs\": {\"/x\": \"\", \"/y\": \"rw,noexec,size=1m,mode=1777\"}", NULL, NULL },
	{ "\"Tmpfs\": {\"/x\": \"bind\"}", "not one of tmpfs", NULL },
	{ "\"Tmpfs\": {\"/x\": \"ro,rbind,size=1m\"}", "not one of tmpfs", NULL },
	{ "\"Tmpfs\": {\"/x\": \"lowerdir=/etc\"}", "not one of tmpfs", NULL },
	{ "\"VolumesFrom\": [\"ours\", \"ours:ro\"]", NULL,
	  "\"VolumesFrom\": [\"" ID_OURS "\", \"" ID_OURS ":ro\"]" },
	{ "\"VolumesFrom\": [\"old\"]", "create it again", NULL },
	{ "\"VolumesFrom\": [\"etc:ro\"]", "can't mount /etc " RHM, NULL },
	{ "\"VolumesFrom\": [\"vol\"]", "can't mount /etc " RHM, NULL },
	{ "\"VolumesFrom\": [\"none\"]", "No such container: none", NULL },
	{ "\"VolumesFrom\": [\"../volumes\"]", "is not the name of a container", NULL },
	{ "\"VolumeDriver\": \"\"", NULL, NULL },
	{ "\"VolumeDriver\": \"local\"", NULL, NULL },
	{ "\"VolumeDriver\": \"convoy\"", "only \"local\"", NULL },
};

static const struct host_config fields[] = {
	{ "\"Privileged\": true, \"CapAdd\": [\"ALL\"], \"CapDrop\": \"NET_RAW\", \"ReadonlyRootfs\": true", NULL,
	  NULL },
	{ "\"Privileged\": \"true\"", "must be true or false", NULL },
	{ "\"Privileged\": 1", "must be true or false", NULL },
	{ "\"Memory\": 1048576, \"PidsLimit\": null, \"OomKillDisable\": false, \"Ulimits\": [{\"Name\": "
	  "\"nofile\", \"Hard\": 1, \"Soft\": 1}]",
	  NULL,
	  "\"Memory\": 1048576, \"OomKillDisable\": false, \"Ulimits\": [{\"Name\": \"nofile\", \"Hard\": 1, "
	  "\"Soft\": 1}]" },
	{ "\"Memory\": \"1048576\"", "must be an integer", NULL },
	{ "\"Memory\": 1.5", "must be an integer", NULL },
	{ "\"Devices\": [{\"PathOnHost\": \"/dev/fuse\", \"PathInContainer\": \"/dev/fuse\", "
	  "\"CgroupPermissions\": \"rwm\"}]",
	  NULL, NULL },
	{ "\"Devices\": [{\"PathOnHost\": \"/dev/sda\", \"PathInContainer\": \"/dev/fuse\"}]",
	  "/dev/sda is not allowed", NULL },
	{ "\"Devices\": [{\"pathonhost\": \"/dev\"}]", "/dev is not allowed", NULL },
	{ "\"Devices\": [{\"PathOnHost\": \"/dev/fuse/../sda\"}]", "is not allowed", NULL },
	{ "\"DeviceRequests\": []", NULL, NULL },
	{ "\"DeviceRequests\": [{\"Driver\": \"\", \"Count\": -1, \"Capabilities\": [[\"gpu\"]]}]", "--gpus",
	  NULL },
	{ "\"DeviceCgroupRules\": [\"a *:* rwm\"]", "is not about a device", NULL },
	{ "\"DeviceCgroupRules\": [\"b 8:0 rwm\"]", "is not about a device", NULL },
	{ "\"DeviceCgroupRules\": [\"c 10:* rwm\"]", "is not about a device", NULL },
	{ "\"DeviceCgroupRules\": [\"c 10:232 rwm\"]", "is not about a device", NULL },
	{ "\"DeviceCgroupRules\": [\"c 10:229 rwmx\"]", "is not about a device", NULL },
	{ "\"BlkioDeviceReadBps\": [{\"Path\": \"/dev/sda\", \"Rate\": 1}]", NULL, NULL },
	{ "\"BlkioDeviceReadBps\": [{\"Path\": \"/root/x\", \"Rate\": 1}]", "below /dev", NULL },
	{ "\"BlkioWeightDevice\": [{\"Path\": \"/dev/../root/x\", \"Weight\": 1}]", "below /dev", NULL },
	{ "\"CgroupParent\": \"\"", NULL, NULL },
	{ "\"CgroupParent\": \"/docker/build\"", NULL, NULL },
	{ "\"CgroupParent\": \"docker-build.slice\"", NULL, NULL },
	{ "\"CgroupParent\": \"/docker/../x\"", "control group", NULL },
	{ "\"CgroupParent\": \"/docker/" ID_OURS "\"", "control group", NULL },
	{ "\"CgroupParent\": \"/dockerx\"", "control group", NULL },
	{ "\"CgroupParent\": \"system.slice\"", "control group", NULL },
	{ "\"CgroupParent\": \"docker-.slice\"", "control group", NULL },
	{ "\"CgroupParent\": \"docker-/x.slice\"", "control group", NULL },
	{ "\"Sysctls\": {}", NULL, NULL },
	{ "\"Sysctls\": {\"net.core.somaxconn\": \"1024\", \"kernel.shmmax\": \"1\"}", NULL, NULL },
	{ "\"Sysctls\": {\"kernel.core_pattern\": \"|/x\"}", "kernel.core_pattern", NULL },
	{ "\"Sysctls\": {\"net/../kernel/core_pattern\": \"|/x\"}", "the name is not one", NULL },
	{ "\"SecurityOpt\": [\"no-new-privileges\", \"no-new-privileges:true\", \"no-new-privileges=false\", "
	  "\"label=disable\", "
	  "\"label:disable\", \"seccomp=unconfined\", \"seccomp:{\\\"a\\\": 1}\", \"apparmor=unconfined\", "
	  "\"systempaths=unconfined\"]",
	  NULL, NULL },
	{ "\"SecurityOpt\": [\"credentialspec=file://x\"]", "credentialspec", NULL },
	{ "\"SecurityOpt\": [\"systempaths=other\"]", "systempaths", NULL },
	{ "\"SecurityOpt\": [\"systempaths\"]", "systempaths", NULL },
	{ "\"SecurityOpt\": [\"seccomp\"]", "seccomp", NULL },
	{ "\"SecurityOpt\": [\"seccomp:x=y\"]", "seccomp:x", NULL },
	{ "\"SecurityOpt\": [\"\"]", "not known", NULL },
	{ "\"OomScoreAdj\": 500", NULL, NULL },
	{ "\"OomScoreAdj\": -1", "before the container", NULL },
	{ "\"OomScoreAdj\": \"-1\"", "must be an integer", NULL },
	{ "\"LogConfig\": {\"Type\": \"json-file\", \"Config\": {\"max-size\": \"1m\"}}", NULL, NULL },
	{ "\"LogConfig\": {\"Type\": \"\", \"Config\": null}", NULL, "\"LogConfig\": {\"Type\": \"\"}" },
	{ "\"LogConfig\": {}", NULL, NULL },
	{ "\"LogConfig\": {\"Type\": \"syslog\", \"Config\": {\"syslog-facility\": \"daemon\", \"tag\": \"x\"}}",
	  NULL, NULL },
	{ "\"LogConfig\": {\"Type\": \"syslog\", \"Config\": {\"syslog-address\": \"unix:///run/x\"}}",
	  "syslog-address", NULL },
	{ "\"LogConfig\": {\"Config\": {\"syslog-address\": \"unix:///run/x\"}}", "syslog-address", NULL },
	{ "\"LogConfig\": {\"Type\": \"fluentd\"}", "log driver", NULL },
	{ "\"logconfig\": {\"type\": \"splunk\"}", "log driver", NULL },
	{ "\"Annotations\": {\"a\": \"b\", \"io.caisson.resource-view\": \"true\"}", NULL, NULL },
	{ "\"Annotations\": {\"io.caisson.other\": \"x\"}", "io.caisson.other", NULL },
	{ "\"Annotations\": {\"IO.caisson.resource-view\": \"x\"}", "IO.caisson", NULL },
	{ "\"Annotations\": {\"org.systemd.property.Slice\": \"x\"}", "org.systemd", NULL },
	{ "\"StorageOpt\": {\"size\": \"1G\"}", NULL, NULL },
	{ "\"StorageOpt\": {\"overlay2.x\": \"1\"}", "only \"size\"", NULL },
	{ "\"Isolation\": \"default\"", NULL, NULL },
	{ "\"Isolation\": \"hyperv\"", "must be \"default\"", NULL },
	{ "\"MaskedPaths\": [], \"ReadonlyPaths\": [\"/proc/sys\"]", NULL, NULL },
	{ "\"GroupAdd\": [\"docker\", \"0\"], \"ExtraHosts\": [\"a:host-gateway\"], \"Links\": [\"a:b\"], "
	  "\"Init\": true, \"ShmSize\": 1",
	  NULL, NULL },
	{ "\"LxcConf\": [], \"InitPath\": \"\"", NULL, NULL },
	{ "\"LxcConf\": {\"lxc.x\": \"y\"}", "not allowed", NULL },
	{ "\"InitPath\": \"/bin/sh\"", "not allowed", NULL },
	{ "\"ConsoleSize\": [24, 80], \"PortBindings\": {\"80/tcp\": [{\"HostPort\": \"80\"}]}", NULL, NULL },
	{ "\"RestartPolicy\": {\"Name\": \"always\", \"MaximumRetryCount\": 0}", NULL, NULL },
	{ "\"RestartPolicy\": {\"Name\": \"always\", \"Command\": \"x\"}",
	  "HostConfig.RestartPolicy: the member \"Command\"", NULL },
	{ "\"Tomorrow\": true", "HostConfig: the member \"Tomorrow\" is not known", NULL },
	{ "\"Tomorrow\": {\"a\": 1}", "not known", NULL },
	{ "\"Tomorrow\": null, \"A\": false, \"B\": 0, \"C\": \"\", \"D\": [], \"E\": {}", NULL, "" },
};

#define ALL(name, list)                                       \
	static void name(void **state)                        \
	{                                                     \
		(void)state;                                  \
		for (size_t i = 0; i < ARRAY_SIZE(list); i++) \
			judge_one(&list[i]);                  \
	}

ALL(namespaces_of_the_host_are_refused, namespaces)
ALL(binds_are_judged_and_pinned, binds)
ALL(engine_sockets_are_refused, sockets)
ALL(mounts_are_judged_and_pinned, mounts)
ALL(every_other_field_has_a_decision, fields)

static void listed_device_rules_pass(void **state)
{
	const struct host_config fuse = { "\"DeviceCgroupRules\": [\"c 10:229 rwm\"]", NULL, NULL };
	struct stat s;

	(void)state;
	if (stat("/dev/fuse", &s) < 0) /* its number is fixed, the node is not everywhere */
		skip();
	judge_one(&fuse);
}

/* 4 MiB of binds, the last of which is bad. */
static void big_bodies_are_read_to_the_end(void **state)
{
	json_t *body = json_pack("{s:{s:[]}}", "HostConfig", "Binds"),
	       *list = json_object_get(json_object_get(body, "HostConfig"), "Binds");
	struct judge_request q = { 0 };
	struct judge_verdict v = { 0 };

	(void)state;
	for (size_t i = 0; i < 100000; i++)
		assert_int_equal(json_array_append_new(list, json_string("/a/place/in/the/container")), 0);
	assert_int_equal(judge_route("POST", "/containers/create", &q, &v), 0);
	q.settings = &test_settings;
	q.body = body;
	judge(&q, &v);
	assert_int_equal(v.what, JUDGE_PASS);
	assert_int_equal(json_array_append_new(list, json_string("/etc:/x")), 0);
	judge(&q, &v);
	assert_int_equal(v.what, JUDGE_REFUSE);
	judge_request_done(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(namespaces_of_the_host_are_refused),
		cmocka_unit_test(binds_are_judged_and_pinned),
		cmocka_unit_test(engine_sockets_are_refused),
		cmocka_unit_test(mounts_are_judged_and_pinned),
		cmocka_unit_test(every_other_field_has_a_decision),
		cmocka_unit_test(listed_device_rules_pass),
		cmocka_unit_test(big_bodies_are_read_to_the_end),
	};

	return cmocka_run_group_tests(tests, test_setup, test_teardown);
}
