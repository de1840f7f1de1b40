/* SPDX-License-Identifier: Apache-2.0 */
/* All requests but HostConfig's fields, which are in test-hostconfig.c. */
#include "guard/test-judge.h"

#define CREATE	  "POST", "/containers/create"
#define R	  "\"Runtime\": \"sysbox-runc\""
#define HC_ONLY_R "\"HostConfig\": {" R "}"

static const struct row create[] = {
	{ CREATE, NULL, "configuration is needed", NULL },
	{ CREATE, "{}", NULL, "{" HC_ONLY_R "}" },
	{ CREATE, "{\"Image\": \"a\"}", NULL, "{\"Image\": \"a\", " HC_ONLY_R "}" },
	{ CREATE, "{\"HostConfig\": null}", NULL, "{" HC_ONLY_R "}" },
	{ CREATE, "{\"HostConfig\": {}}", NULL, "{" HC_ONLY_R "}" },
	{ CREATE, "{\"hostconfig\": {}}", NULL, "{" HC_ONLY_R "}" },
	{ CREATE, "{\"HOSTCONFIG\": {\"privileged\": true}}", NULL,
	  "{\"HostConfig\": {\"Privileged\": true, " R "}}" },
	{ CREATE, "{\"HostConfig\": {}, \"hostConfig\": {\"PidMode\": \"host\"}}", "two spellings", NULL },
	{ CREATE, "{\"ho\\u017ftconfig\": {\"PidMode\": \"host\"}}", "can't share namespaces [pid]", NULL },
	{ CREATE, "{\"HostConfig\": {\"\\u0050idMode\": \"h\\u006fst\"}}", "can't share namespaces [pid]", NULL },
	{ CREATE, "{\"HostConfig\": {\"NetwoR\\u212aMode\": \"host\"}}", "can't share a network namespace", NULL },
	{ CREATE, "{\"HostConfig\": {}, \"Ho\\u017ftConfig\": {}}", "two spellings", NULL },
	{ CREATE, "{\"HostConfig\": []}", "must be an object", NULL },
	{ CREATE, "{\"HostConfig\": \"x\"}", "must be an object", NULL },
	{ CREATE, "{\"Cmd\": \"a\", \"Entrypoint\": [\"b\"]}", NULL,
	  "{\"Cmd\": \"a\", \"Entrypoint\": [\"b\"], " HC_ONLY_R "}" },
	{ CREATE, "{\"Cmd\": [1]}", "must be an array of strings", NULL },
	{ CREATE, "{\"Env\": null, \"Labels\": {\"a\": \"b\", \"A\": \"c\"}}", NULL,
	  "{\"Labels\": {\"a\": \"b\", \"A\": \"c\"}, " HC_ONLY_R "}" },
	{ CREATE, "{\"Labels\": {\"a\": 1}}", "must be an object of strings", NULL },
	/* what only a newer engine knows passes beside HostConfig, not within */
	{ CREATE, "{\"NewThing\": 1}", NULL, "{\"NewThing\": 1, " HC_ONLY_R "}" },
	{ CREATE, "{\"NewThing\": 1, \"newthing\": 2}", "two spellings", NULL },
	/* old engines take HostConfig's members from the top */
	{ CREATE, "{\"Privileged\": true}", "belongs into HostConfig", NULL },
	{ CREATE, "{\"pidmode\": \"host\"}", "belongs into HostConfig", NULL },
	{ CREATE, "{\"Binds\": [\"/:/x\"], \"HostConfig\": {}}", "belongs into HostConfig", NULL },
	{ CREATE, "{\"Memory\": 1, \"VolumeDriver\": \"local\"}", NULL,
	  "{\"Memory\": 1, \"VolumeDriver\": \"local\", " HC_ONLY_R "}" },
	{ CREATE, "{\"VolumeDriver\": \"convoy\", \"HostConfig\": {}}", "only \"local\"", NULL },
	{ CREATE, "{\"NetworkingConfig\": {\"EndpointsConfig\": {\"net\": null, \"cafe\": {}}}}", NULL,
	  "{\"NetworkingConfig\": {\"EndpointsConfig\": {\"net\": null, \"cafe\": {}}}, " HC_ONLY_R "}" },
	{ CREATE, "{\"NetworkingConfig\": {\"EndpointsConfig\": {\"host\": {}}}}",
	  "can't share a network namespace", NULL },
	{ CREATE, "{\"NetworkingConfig\": {\"endpointsconfig\": {\"0ff1ce\": {}}}}",
	  "can't share a network namespace", NULL },
	{ CREATE, "{\"NetworkingConfig\": {\"Other\": 1}}", "not known", NULL },
	/* what json_read() makes of a big number is not to be sent on as a string */
	{ CREATE, "{\"Domainname\": 9223372036854775808}", "a number is too big", NULL },
	{ CREATE, "{\"Labels\": {\"a\": 18446744073709551615}}", "a number is too big", NULL },
	{ CREATE, "{\"NewThing\": [{\"a\": [1, 9223372036854775808]}]}", "a number is too big", NULL },
	{ CREATE, "{\"NewThing\": [9223372036854775807, \"\\u0001\", \"\\u00011x\"]}", NULL,
	  "{\"NewThing\": [9223372036854775807, \"\\u0001\", \"\\u00011x\"], " HC_ONLY_R "}" },
};

static const struct row containers[] = {
	{ "POST", "/containers/ours/start", NULL, NULL, NULL },
	{ "POST", "/containers/ours/start", "{}", NULL, "" },
	{ "POST", "/containers/ours/start", "{\"Binds\": [\"/:/x\"]}", "not supported", NULL },
	{ "POST", "/containers/none/start", NULL, "No such container: none", NULL },
	{ "POST", "/containers/ours/start?detachKeys=x", NULL, NULL, NULL },
	{ "POST", "/containers/ours/start?checkpoint=x&checkpoint-dir=/home/x", NULL,
	  "\"checkpoint\" is not known", NULL },
	{ "POST", "/containers/old/update", "{\"RestartPolicy\": {\"Name\": \"always\"}}", "create it again",
	  NULL },
	{ "POST", "/containers/old/start", NULL, "remove it (docker rm) and create it again", NULL },
	{ "POST", "/containers/old/restart", NULL, "create it again", NULL },
	{ "POST", "/containers/old/unpause", NULL, "create it again", NULL },
	{ "POST", "/containers/old/attach?stream=1", NULL, "create it again", NULL },
	{ "GET", "/containers/old/attach/ws", NULL, "create it again", NULL },
	{ "PUT", "/containers/old/archive?path=/", NULL, "create it again", NULL },
	{ "PUT", "/containers/ours/archive?path=/", NULL, NULL, NULL },
	{ "PUT", "/containers/etc/archive?path=/", NULL, "restricted host mount", NULL },
	{ "PUT", "/containers/vol/archive?path=/", NULL, "restricted host mount", NULL },
	{ "GET", "/containers/old/archive?path=/", NULL, NULL, NULL },
	{ "HEAD", "/containers/etc/archive?path=/", NULL, "restricted host mount", NULL },
	{ "GET", "/containers/vol/archive?path=/", NULL, "restricted host mount", NULL },
	{ "GET", "/containers/none/archive?path=/", NULL, "No such container: none", NULL },
	{ "POST", "/containers/old/exec", "{\"Cmd\": [\"sh\"]}", "create it again", NULL },
	{ "POST", "/containers/old/stop", NULL, NULL, NULL },
	{ "POST", "/containers/old/stop", "{\"t\": 1}", NULL, "" },
	{ "DELETE", "/containers/old", NULL, NULL, NULL },
	{ "GET", "/containers/old/logs?stdout=1", NULL, NULL, NULL },
	{ "POST", "/containers/down/start", NULL, "cannot judge the request without the engine", NULL },
	{ "POST", "/containers/-x/start", NULL, "is not the name of a container", NULL },
	{ "POST", "/containers/a%3fb/start", NULL, "is not the name of a container", NULL },
	{ "POST", "/containers/ours/exec", "{\"cmd\": [\"sh\"], \"PRIVILEGED\": true, \"Env\": null}", NULL,
	  "{\"Cmd\": [\"sh\"], \"Privileged\": true}" },
	{ "POST", "/containers/ours/exec", "{\"Cmd\": [\"sh\"], \"HostPid\": true}", "\"HostPid\" is not known",
	  NULL },
	{ "POST", "/containers/ours/exec", "{\"Cmd\": [\"sh\"], \"HostPid\": false}", NULL,
	  "{\"Cmd\": [\"sh\"]}" },
	{ "POST", "/exec/abc/start", "{\"Detach\": false, \"Tty\": true}", NULL, NULL },
	{ "POST", "/exec/abc/start", "{\"Detach\": 1}", "must be true or false", NULL },
	{ "POST", "/containers/ours/update", "{\"Memory\": 1048576, \"RestartPolicy\": {\"Name\": \"no\"}}", NULL,
	  NULL },
	{ "POST", "/containers/ours/update", "{\"Privileged\": true}", "not known", NULL },
	{ "POST", "/containers/ours/update", "{\"CgroupParent\": \"/\"}", "control group", NULL },
	{ "POST", "/containers/ours/update", "{\"devices\": [{\"PathOnHost\": \"/dev/sda\"}]}",
	  "/dev/sda is not allowed", NULL },
	{ "POST", "/commit?container=ours", "{\"Cmd\": [\"x\"], \"Memory\": 0}", NULL, NULL },
	{ "POST", "/commit?container=ours", NULL, NULL, NULL },
	{ "POST", "/containers/ours/checkpoints", NULL, "checkpoints", NULL },
	{ "DELETE", "/containers/ours/checkpoints/x", NULL, "checkpoints", NULL },
};

static const struct row images[] = {
	{ "POST", "/images/create?fromImage=a&tag=b", NULL, NULL, NULL },
	{ "POST", "/images/create?fromSrc=-&repo=x&changes=A&changes=B", NULL, NULL, NULL },
	{ "POST", "/images/create?fromSrc=http://169.254.169.254/", NULL, "docker import -", NULL },
	{ "POST", "/images/create?fromSrc=-&fromSrc=http://x/", NULL, "appears twice", NULL },
	{ "POST", "/images/create?fromImage=a&new=1", NULL, "not known", NULL },
	{ "POST", "/images/load?quiet=1", NULL, NULL, NULL },
	{ "POST", "/images/a/b/push?tag=x", "{}", NULL, "" },
	{ "POST", "/build?t=a&t=b&dockerfile=D&networkmode=default&buildargs=%7B%7D&version=1", NULL, NULL, NULL },
	{ "POST", "/build?networkmode=host", NULL, "network.host is not allowed", NULL },
	{ "POST", "/build?networkmode=0ff1ce", NULL, "network.host is not allowed", NULL },
	{ "POST", "/build?networkmode=cafe", NULL, NULL, NULL },
	{ "POST", "/build?networkmode=none&networkmode=host", NULL, "appears twice", NULL },
	{ "POST", "/build?networkmode=container:down", NULL, "cannot judge", NULL },
	{ "POST", "/build?networkmode=container:ours", NULL, NULL, NULL },
	{ "POST", "/build?networkMode=host", NULL, "not known", NULL },
	{ "POST", "/build?cgroupparent=/system.slice", NULL, "control group", NULL },
	{ "POST", "/build?cgroupparent=/docker/x", NULL, NULL, NULL },
	{ "POST", "/build?securityopt=seccomp%3Dunconfined&securityopt=credentialspec%3Dfile:///x", NULL,
	  "credentialspec", NULL },
	{ "POST", "/build?entitlements=network.host", NULL, "not known", NULL },
	{ "POST", "/build?remote=client-session&session=x&version=2", NULL, NULL, NULL },
	{ "POST", "/build?remote=https://example.com/a.git", NULL, NULL, NULL },
	{ "POST", "/build?remote=https://127.0.0.1/a.git", NULL, "on the host itself", NULL },
	{ "POST", "/build?remote=http://user@localhost:8080/", NULL, "on the host itself", NULL },
	{ "POST", "/build?remote=http://127.0.0.1:1/x", NULL, "on the host itself", NULL },
	{ "POST", "/build?remote=http://0.0.0.0/x", NULL, "on the host itself", NULL },
	{ "POST", "/build?remote=http://%5B::1%5D:80/x", NULL, "on the host itself", NULL },
	{ "POST", "/build?remote=http://%5B::%5D/x", NULL, "on the host itself", NULL },
	{ "POST", "/build?remote=http://%5B::ffff:127.0.0.1%5D/x", NULL, "on the host itself", NULL },
	{ "POST", "/build?remote=http://%5B::ffff:7f00:1%5D/x", NULL, "on the host itself", NULL },
	{ "POST", "/build?remote=http://%5Bfe80::1%5D/x", NULL, "on the host itself", NULL },
	{ "POST", "/build?remote=http://%5B64:ff9b::a9fe:a9fe%5D/x", NULL, "on the host itself", NULL },
	{ "POST", "/build?remote=http://169.254.169.254/latest", NULL, "on the host itself", NULL },
	{ "POST", "/build?remote=http://LOCALHOST./x", NULL, "on the host itself", NULL },
	{ "POST", "/build?remote=http://a.localhost/x", NULL, "on the host itself", NULL },
	{ "POST", "/build?remote=http://ip6-localhost/x", NULL, "on the host itself", NULL },
	{ "POST", "/build?remote=http://a@b@127.0.0.1/x", NULL, "on the host itself", NULL },
	{ "POST", "/build?remote=http://example.com%5C@127.0.0.1/x", NULL, "on the host itself", NULL },
	{ "POST", "/build?remote=git@localhost:a/b.git", NULL, "on the host itself", NULL },
	{ "POST", "/build?remote=ssh://git@127.0.0.1:22/a.git", NULL, "on the host itself", NULL },
	{ "POST", "/build?remote=git://0.1.2.3/a.git", NULL, "on the host itself", NULL },
	{ "POST", "/build?remote=http://127.1/x", NULL, "in its usual form", NULL },
	{ "POST", "/build?remote=http://0x7f000001/x", NULL, "in its usual form", NULL },
	{ "POST", "/build?remote=http://2130706433/x", NULL, "in its usual form", NULL },
	{ "POST", "/build?remote=http://017700000001/x", NULL, "in its usual form", NULL },
	{ "POST", "/build?remote=http://0x7f.1/x", NULL, "in its usual form", NULL },
	{ "POST", "/build?remote=http://127.0.0.01/x", NULL, "in its usual form", NULL },
	{ "POST", "/build?remote=http://127.0.0.1./x", NULL, "in its usual form", NULL },
	{ "POST", "/build?remote=http://%5Bfe80::1%25eth0%5D/x", NULL, "in its usual form", NULL },
	{ "POST", "/build?remote=http://%5B::1/x", NULL, "in its usual form", NULL },
	{ "POST", "/build?remote=http://%5B::1%5Dx/x", NULL, "in its usual form", NULL },
	{ "POST", "/build?remote=http://127.0.0.1%20/x", NULL, "in its usual form", NULL },
	{ "POST", "/build?remote=http:///x", NULL, "in its usual form", NULL },
	{ "POST", "/build?remote=http://:80/x", NULL, "in its usual form", NULL },
	{ "POST", "/build?remote=http://ex%25ample/x", NULL, "in its usual form", NULL },
	{ "POST", "/build?remote=http://127.0.0.1:80x/x", NULL, "in its usual form", NULL },
	{ "POST", "/build?remote=http://%EF%BC%91/x", NULL, "in its usual form", NULL },
	{ "POST", "/build?remote=git@127.1:a/b.git", NULL, "in its usual form", NULL },
	{ "POST", "/build?remote=http://192.0.2.1/x", NULL, NULL, NULL },
	{ "POST", "/build?remote=http://10.0.0.1:8080/x", NULL, NULL, NULL },
	{ "POST", "/build?remote=https://%5B2001:db8::1%5D:8443/x", NULL, NULL, NULL },
	{ "POST", "/build?remote=https://user:pw@git.example.com/a.git%23main:dir", NULL, NULL, NULL },
	{ "POST", "/build?remote=git@example.com:a/b.git", NULL, NULL, NULL },
	{ "POST", "/build?remote=ssh://git@example.com:22/a.git", NULL, NULL, NULL },
	{ "POST", "/build?remote=github.com/a/b", NULL, NULL, NULL },
	{ "POST", "/build?remote=http://127.example.com/x", NULL, NULL, NULL },
	{ "POST", "/build?remote=http://localhost.example.com/x", NULL, NULL, NULL },
	{ "POST", "/build?remote=http://build/x", NULL, NULL, NULL },
	{ "POST", "/build?remote=https://0xproject.org/a.git", NULL, NULL, NULL },
	{ "POST", "/build?remote=file:///etc", NULL, "must come from the client", NULL },
	{ "POST", "/build?remote=ext::sh", NULL, "must come from the client", NULL },
	{ "POST", "/build?outputs=%5B%7B%22Type%22%3A%22local%22%2C%22Attrs%22%3A%7B%7D%7D%5D", NULL, NULL, NULL },
	{ "POST", "/build?outputs=%5B%7B%22type%22%3A%22exec%22%7D%5D", NULL, "\"exec\" is blocked", NULL },
	{ "POST", "/build?outputs=%7B%7D", NULL, "must be an array", NULL },
	{ "POST", "/build?outputs=%5B1%5D", NULL, "must be objects", NULL },
	{ "POST", "/session", NULL, NULL, NULL },
};

static const struct row volumes[] = {
	{ "POST", "/volumes/create", "{\"Name\": \"v\"}", NULL, NULL },
	{ "POST", "/volumes/create", NULL, NULL, NULL },
	{ "POST", "/volumes/create", "{\"Driver\": \"local\", \"DriverOpts\": {}, \"Labels\": {\"a\": \"b\"}}",
	  NULL, NULL },
	{ "POST", "/volumes/create", "{\"Driver\": \"convoy\"}", "only \"local\"", NULL },
	{ "POST", "/volumes/create",
	  "{\"DriverOpts\": {\"type\": \"none\", \"o\": \"bind\", \"device\": \"/etc/docker\"}}",
	  "restricted host mount", NULL },
	{ "POST", "/volumes/create", "{\"driveropts\": {\"o\": \"rbind\", \"device\": \"/etc/docker\"}}",
	  "restricted host mount", NULL },
	{ "POST", "/volumes/create",
	  "{\"DriverOpts\": {\"type\": \"tmpfs\", \"o\": \"size=1m,bind\", \"device\": \"/etc\"}}",
	  "is not allowed for a volume that binds", NULL },
	{ "POST", "/volumes/create",
	  "{\"DriverOpts\": {\"type\": \"tmpfs\", \"o\": \"ro,bind\", \"device\": \"/etc\"}}",
	  "restricted host mount", NULL },
	{ "POST", "/volumes/create",
	  "{\"DriverOpts\": {\"type\": \"nfs\", \"o\": \"addr=10.0.0.1,bind\", \"device\": \"/etc\"}}",
	  "is not allowed for a volume that binds", NULL },
	{ "POST", "/volumes/create", "{\"DriverOpts\": {\"o\": \"bind\", \"device\": \"etc\"}}", "absolute path",
	  NULL },
	{ "POST", "/volumes/create", "{\"DriverOpts\": {\"o\": \"bind\", \"device\": \"@/share/to-etc\"}}",
	  "restricted host mount", NULL },
	{ "POST", "/volumes/create", "{\"DriverOpts\": {\"o\": \"bind,ro\", \"device\": \"@/share/to-a\"}}", NULL,
	  "{\"DriverOpts\": {\"o\": \"bind,ro\", \"device\": \"@/share/a\"}}" },
	{ "POST", "/volumes/create", "{\"DriverOpts\": {\"o\": \"bind\", \"device\": \"@/share/a\"}}",
	  "has to be read-only", NULL },
	{ "POST", "/volumes/create", "{\"DriverOpts\": {\"o\": \"ro,bind,rw\", \"device\": \"@/share/a\"}}",
	  "has to be read-only", NULL },
	{ "POST", "/volumes/create", "{\"DriverOpts\": {\"O\": \"bind\", \"device\": \"/etc\"}}", "not \"O\"",
	  NULL },
	{ "POST", "/volumes/create", "{\"DriverOpts\": {\"type\": \"ext4\", \"device\": \"/dev/sda1\"}}",
	  "restricted host mount", NULL },
	{ "POST", "/volumes/create",
	  "{\"DriverOpts\": {\"type\": \"overlay\", \"o\": \"lowerdir=/etc\", \"device\": \"overlay\"}}",
	  "restricted host mount", NULL },
	{ "POST", "/volumes/create", "{\"DriverOpts\": {\"type\": \"none\", \"device\": \"/etc\"}}",
	  "restricted host mount", NULL },
	{ "POST", "/volumes/create", "{\"DriverOpts\": {\"device\": \"/etc\"}}", "restricted host mount", NULL },
	{ "POST", "/volumes/create", "{\"DriverOpts\": {\"type\": \"proc\", \"device\": \"proc\"}}",
	  "restricted host mount", NULL },
	{ "POST", "/volumes/create",
	  "{\"DriverOpts\": {\"type\": \"tmpfs\", \"device\": \"tmpfs\", \"o\": \"size=1m,uid=1000\"}}", NULL,
	  NULL },
	{ "POST", "/volumes/create",
	  "{\"DriverOpts\": {\"type\": \"tmpfs\", \"device\": \"tmpfs\", \"o\": \"remount\"}}", "not one of tmpfs",
	  NULL },
	{ "POST", "/volumes/create",
	  "{\"DriverOpts\": {\"type\": \"nfs\", \"device\": \":/x\", \"o\": \"addr=10.0.0.1,rw\"}}", NULL, NULL },
	{ "POST", "/volumes/create",
	  "{\"DriverOpts\": {\"type\": \"nfs\", \"device\": \":/x\", \"o\": \"rw,addr=127.0.0.1\"}}",
	  "the host itself", NULL },
	{ "POST", "/volumes/create",
	  "{\"DriverOpts\": {\"type\": \"cifs\", \"device\": \"//localhost/x\", \"o\": \"\"}}", "the host itself",
	  NULL },
	{ "POST", "/volumes/create",
	  "{\"DriverOpts\": {\"type\": \"nfs\", \"device\": \":/x\", \"o\": \"remount\"}}", "not allowed", NULL },
	{ "POST", "/volumes/create", "{\"DriverOpts\": {\"size\": \"1G\"}}", NULL, NULL },
	{ "POST", "/volumes/create", "{\"DriverOpts\": {\"type\": 1}}", "must be an object of strings", NULL },
	{ "POST", "/volumes/create", "{\"ClusterVolumeSpec\": {\"Group\": \"x\"}}", "not allowed", NULL },
	{ "POST", "/volumes/create", "{\"Mountpoint\": \"/etc\"}", "not known", NULL },
	{ "PUT", "/volumes/v", NULL, "cluster volumes", NULL },
	{ "DELETE", "/volumes/v", NULL, NULL, NULL },
};

static const struct row others[] = {
	{ "POST", "/networks/create", "{\"Name\": \"n\", \"Driver\": \"bridge\", \"IPAM\": {\"Config\": []}}",
	  NULL, NULL },
	{ "POST", "/networks/create", "{\"Name\": \"n\", \"Driver\": \"host\"}", "can't share a network namespace",
	  NULL },
	{ "POST", "/networks/create", "{\"name\": \"n\", \"DRIVER\": \"weave\"}", "network driver", NULL },
	{ "POST", "/networks/create",
	  "{\"Name\": \"n\", \"Options\": {\"com.docker.network.bridge.name\": \"lo\"}}", "has an interface",
	  NULL },
	{ "POST", "/networks/create",
	  "{\"Name\": \"n\", \"Options\": {\"com.docker.network.bridge.name\": \"br-x9z\"}}", NULL, NULL },
	{ "POST", "/networks/host/connect", "{\"Container\": \"ours\"}", "can't share a network namespace", NULL },
	{ "POST", "/networks/0ff1ce/connect", "{\"Container\": \"ours\"}", "can't share a network namespace",
	  NULL },
	{ "POST", "/networks/net/connect", "{\"Container\": \"ours\", \"EndpointConfig\": {\"Aliases\": [\"a\"]}}",
	  NULL, NULL },
	{ "GET", "/plugins", NULL, NULL, NULL },
	{ "POST", "/plugins/pull?remote=x", NULL, "plugin", NULL },
	{ "POST", "/plugins/create?name=x", NULL, "plugin", NULL },
	{ "POST", "/plugins/x/y/enable", NULL, "plugin", NULL },
	{ "POST", "/plugins/x/set", NULL, "plugin", NULL },
	{ "POST", "/plugins/x/upgrade", NULL, "plugin", NULL },
	{ "POST", "/plugins/x/disable", NULL, "plugin", NULL },
	{ "DELETE", "/plugins/x", NULL, "plugin", NULL },
	{ "POST", "/nodes/x/update", NULL, "node_update", NULL },
	{ "DELETE", "/nodes/x", NULL, "node_delete", NULL },
	{ "POST", "/build", NULL, "builds run under the engine's own runc", NULL },
	{ "POST", "/grpc", NULL, "builds run under the engine's own runc", NULL },
	{ "POST", "/swarm/init", NULL, "swarm_init", NULL },
	{ "POST", "/swarm/join", NULL, "swarm_join", NULL },
	{ "GET", "/swarm", NULL, "swarm_inspect", NULL },
	{ "POST", "/services/create", "{\"TaskTemplate\": {}}", "default runtime", NULL },
	{ "POST", "/secrets/create", "{\"Name\": \"s\", \"Data\": \"eA==\"}", NULL, NULL },
	{ "POST", "/secrets/create", "{\"Name\": \"s\", \"Driver\": {\"Name\": \"plugin\"}}", "not allowed",
	  NULL },
	{ "GET", "/debug/pprof/heap", NULL, "blocked", NULL },
	{ "GET", "/metrics", NULL, "blocked", NULL },
	{ "GET", "/info", NULL, NULL, NULL },
	{ "GET", "/events?since=1", NULL, NULL, NULL },
	{ "POST", "/auth", "{\"username\": \"a\"}", NULL, NULL },
};

#define TASK(container, more) \
	"{\"Name\": \"s\", \"TaskTemplate\": {\"ContainerSpec\": {\"Image\": \"a\"" container "}" more "}}"
#define SERVICE "POST", "/services/create"
static const struct row services[] = {
	{ SERVICE, TASK("", ""), NULL, NULL },
	{ "POST", "/services/x/update?version=1", TASK("", ""), NULL, NULL },
	{ SERVICE, TASK(", \"Mounts\": [{\"Type\": \"bind\", \"Source\": \"/etc\", \"Target\": \"/x\"}]", ""),
	  "restricted host mount", NULL },
	{ "POST", "/services/x/update?version=1",
	  TASK(", \"mounts\": [{\"type\": \"bind\", \"source\": \"/var/run/docker.sock\"}]", ""),
	  "ocker socket mount denied", NULL },
	{ SERVICE, TASK(", \"Mounts\": [{\"Type\": \"volume\", \"Source\": \"alias\", \"Target\": \"/x\"}]", ""),
	  "restricted host mount", NULL },
	{ SERVICE,
	  TASK(", \"Mounts\": [{\"Type\": \"bind\", \"Source\": \"@/share/to-a\", \"Target\": \"/x\"}]", ""), NULL,
	  TASK(", \"Mounts\": [{\"Type\": \"bind\", \"Source\": \"@/share/a\", \"Target\": \"/x\"}]", "") },
	{ SERVICE, TASK(", \"Privileges\": {\"CredentialSpec\": {\"File\": \"x\"}}", ""), "not allowed", NULL },
	{ SERVICE,
	  TASK(", \"Privileges\": {\"NoNewPrivileges\": true, \"Seccomp\": {\"Mode\": \"unconfined\"}}", ""), NULL,
	  NULL },
	{ SERVICE, TASK(", \"Sysctls\": {\"kernel.panic\": \"1\"}", ""), "kernel.panic", NULL },
	{ SERVICE, TASK(", \"Sysctls\": {\"net.ipv4.ip_forward\": \"1\"}", ""), NULL, NULL },
	{ SERVICE, TASK(", \"Devices\": []", ""), NULL, TASK("", "") },
	{ SERVICE, TASK(", \"Devices\": [1]", ""), "not known", NULL },
	{ SERVICE, TASK("", ", \"Networks\": [{\"Target\": \"host\"}]"), "can't share a network namespace", NULL },
	{ SERVICE, TASK("", ", \"Networks\": [{\"Target\": \"0ff1ce\"}]"), "can't share a network namespace",
	  NULL },
	{ SERVICE, TASK("", ", \"Networks\": [{\"Target\": \"net\", \"Aliases\": [\"x\"]}]"), NULL, NULL },
	{ SERVICE, "{\"TaskTemplate\": {}, \"Networks\": [{\"Target\": \"host\"}]}",
	  "can't share a network namespace", NULL },
	{ SERVICE, TASK("", ", \"Runtime\": \"plugin\", \"PluginSpec\": {\"Remote\": \"x\"}"), "not allowed",
	  NULL },
	{ SERVICE, TASK("", ", \"Runtime\": \"plugin\""), "only containers are", NULL },
	{ SERVICE, TASK("", ", \"LogDriver\": {\"Name\": \"gelf\"}"), "log driver", NULL },
	{ SERVICE, TASK("", ", \"LogDriver\": {\"Name\": \"json-file\", \"Options\": {\"max-size\": \"1m\"}}"),
	  NULL, NULL },
};

static void test_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		test_row(&rows[i], &test_settings, NULL);
}

static void creates_are_judged(void **state)
{
	(void)state;
	test_rows(create, ARRAY_SIZE(create));
}

static void containers_of_before_are_refused(void **state)
{
	(void)state;
	test_rows(containers, ARRAY_SIZE(containers));
}

static void images_and_builds_are_judged(void **state)
{
	const struct judge_host open_builds = { .runc_is_caisson = true };
	const struct row grpc = { "POST", "/grpc", NULL, NULL, NULL };
	const struct row closed = { "POST", "/grpc", NULL, "network.host is not allowed", NULL };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(images); i++)
		test_row(&images[i], &test_settings, &test_host);
	test_row(&grpc, &test_settings, &test_host);
	test_row(&closed, &test_settings, &open_builds);
}

static void volumes_are_judged(void **state)
{
	(void)state;
	test_rows(volumes, ARRAY_SIZE(volumes));
}

static void the_rest_is_judged(void **state)
{
	(void)state;
	test_rows(others, ARRAY_SIZE(others));
}

static void services_are_judged_where_runc_is_caisson(void **state)
{
	const struct row start = { "POST", "/containers/old/start", NULL, NULL, NULL };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		test_row(&services[i], &test_settings, &test_host);
	test_row(&start, &test_settings, &test_host);
}

static void settings_decide(void **state)
{
	static const char off[] = "{\"enhancedContainerIsolation\": {\"value\": false}}";
	static const char load[] = "{\"BlockDockerLoad\": {\"locked\": true, \"value\": true}}";
	static const char list[] =
		"{\"enhancedContainerIsolation\": {\"value\": true, \"dockerSocketMount\": {\"imageList\": "
		"{\"images\": [\"docker:cli\"]}}}}";
	const struct row host_pid = { CREATE, "{\"HostConfig\": {\"PidMode\": \"host\"}}", NULL, NULL };
	const struct row loading = { "POST", "/images/load", NULL, "blockDockerLoad in some file", NULL };
	const struct row sock = {
		CREATE, "{\"Image\": \"docker:cli\", \"HostConfig\": {\"Binds\": [\"/run/docker.sock:/x\"]}}",
		"docker.io/library/docker\"; the guard has no directory to remember it in", NULL
	};
	const struct row engine = { CREATE, "{\"HostConfig\": {\"Binds\": [\"@/root/volumes/v/_data:/x\"]}}",
				    "use the volume's name", NULL };
	_cleanup_free_ char *roots = NULL;
	struct settings s = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(settings_parse("some file", off, sizeof off - 1, &s, &e), 0);
	test_row(&host_pid, &s, NULL);
	settings_done(&s);
	assert_int_equal(settings_parse("some file", load, sizeof load - 1, &s, &e), 0);
	test_row(&loading, &s, NULL);
	settings_done(&s);
	assert_int_equal(settings_parse("some file", list, sizeof list - 1, &s, &e), 0);
	test_row(&sock, &s, NULL);
	settings_done(&s);
	roots = test_expand("{\"caisson\": {\"engineRoots\": [\"@/root\"]}}");
	assert_int_equal(settings_parse("some file", roots, strlen(roots), &s, &e), 0);
	test_row(&engine, &s, NULL);
	settings_done(&s);
}

static void the_zero_verdict_refuses(void **state)
{
	static const struct judge_route never = {
		.name = "never", .methods = "GET", .pattern = "/", .refused = true
	};
	struct judge_request q = { .settings = &test_settings };
	struct judge_verdict v = { .what = JUDGE_PASS };

	(void)state;
	assert_int_equal((struct judge_verdict){ 0 }.what, JUDGE_REFUSE);
	judge(&q, &v);
	assert_int_equal(v.what, JUDGE_REFUSE);
	q.route = &never;
	judge(&q, &v);
	assert_int_equal(v.what, JUDGE_REFUSE);
	/* no settings, and a body where there is none to be */
	assert_int_equal(judge_route("GET", "/_ping", &q, &v), 0);
	q.settings = NULL;
	judge(&q, &v);
	assert_int_equal(v.what, JUDGE_REFUSE);
	assert_true(strlen(v.message) > 0);
	q.settings = &test_settings;
	q.body = json_object();
	judge(&q, &v);
	assert_int_equal(v.what, JUDGE_REFUSE);
	judge_request_done(&q);
}

#define DIGEST "sha256:0000000000000000000000000000000000000000000000000000000000000000"

static void names_of_images(void **state)
{
	static const char *const names[][2] = {
		{ "docker", "docker.io/library/docker" },
		{ "docker:cli", "docker.io/library/docker" },
		{ "docker@" DIGEST, "docker.io/library/docker" },
		{ "docker:cli@" DIGEST, "docker.io/library/docker" },
		{ DIGEST, DIGEST },			    /* an id */
		{ "docker@sha256:00", "docker@sha256:00" }, /* no name: as it was asked for */
		{ "a/b:1", "docker.io/a/b" },
		{ "docker.io/a/b", "docker.io/a/b" },
		{ "index.docker.io/a/b:1", "docker.io/a/b" },
		{ "localhost/a:1", "localhost/a" },
		{ "localhost:5000/a", "localhost:5000/a" },
		{ "reg.example/a/b:1", "reg.example/a/b" },
		{ "", "" },
	};
	char got[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		image_familiar(names[i][0], got, sizeof got);
		assert_string_equal(got, names[i][1]);
	}
}

/* A name may be another container's when the engine looks it up. */
static void names_of_containers_become_ids(void **state)
{
	static const char *const rows[][3] = {
		{ "POST", "/v1.41/containers/ours/start?detachKeys=x",
		  "/v1.41/containers/" ID_OURS "/start?detachKeys=x" },
		{ "POST", "/containers/ours/attach?stream=1", "/containers/" ID_OURS "/attach?stream=1" },
		{ "GET", "/containers/ours/attach/ws", "/containers/" ID_OURS "/attach/ws" },
		{ "POST", "/containers/ours/exec", "/containers/" ID_OURS "/exec" },
		{ "POST", "/containers/ours/update", "/containers/" ID_OURS "/update" },
		{ "PUT", "/containers/ours/archive?path=%2F", "/containers/" ID_OURS "/archive?path=%2F" },
		{ "GET", "/containers/old/archive?path=%2F", "/containers/" ID_OLD "/archive?path=%2F" },
		{ "POST", "/containers/ours/stop", "/containers/ours/stop" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct judge_request q = { .settings = &test_settings, .host = &test_host };
		_cleanup_free_ char *target = NULL;
		struct judge_verdict v = { 0 };

		assert_int_equal(judge_route(rows[i][0], rows[i][1], &q, &v), 0);
		judge(&q, &v);
		assert_int_equal(v.what, JUDGE_PASS);
		target = judge_target(&q, &v);
		assert_string_equal(target, rows[i][2]);
		judge_request_done(&q);
	}
}

static void only_roots_directories_are_steady(void **state)
{
	_cleanup_free_ char *below_tmp = test_expand("@/share/a");

	(void)state;
	assert_true(host_path_steady("/"));
	assert_true(host_path_steady("/etc/passwd"));
	assert_true(host_path_steady("/usr/lib"));
	assert_true(host_path_steady("/tmp"));
	assert_false(host_path_steady("/nowhere/x"));
	if (geteuid() != 0)
		return;
	assert_true(host_path_steady(below_tmp)); /* all of it root's, below a sticky directory */
	assert_int_equal(chmod(test_dir, 0777), 0);
	assert_false(host_path_steady(below_tmp));
	assert_int_equal(chmod(test_dir, 0755) | chown(test_dir, 1000, 0), 0);
	assert_false(host_path_steady(below_tmp));
	assert_int_equal(chown(test_dir, 0, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(creates_are_judged),
		cmocka_unit_test(containers_of_before_are_refused),
		cmocka_unit_test(images_and_builds_are_judged),
		cmocka_unit_test(volumes_are_judged),
		cmocka_unit_test(the_rest_is_judged),
		cmocka_unit_test(services_are_judged_where_runc_is_caisson),
		cmocka_unit_test(settings_decide),
		cmocka_unit_test(the_zero_verdict_refuses),
		cmocka_unit_test(names_of_images),
		cmocka_unit_test(names_of_containers_become_ids),
		cmocka_unit_test(only_roots_directories_are_steady),
	};

	return cmocka_run_group_tests(tests, test_setup, test_teardown);
}
