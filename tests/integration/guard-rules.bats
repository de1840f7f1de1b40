# SPDX-License-Identifier: Apache-2.0
# What the guard changes and refuses, by the rows of the specification: through a real client and by bare requests.
# The engine's default runtime is runc: what is isolated here is so because of the guard, and each request that is
# refused is first shown to work on the engine's own socket.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/guard.bash
load ../lib/guard-api.bash

M1="can't share namespaces"
M2="can't share a network namespace with the host"
M3="because it's configured as a restricted host mount"
PATHS="restricted host mount"
SOCKET="ocker socket mount denied"

setup_file() {
	rules_open
}

teardown_file() {
	guard_close
	docker_close
}

teardown() {
	rules_teardown
}

# ---- isolation and runtime ------------------------------------------------------------------------------------

@test "E9 E31 --userns=host is ignored" {
	run -0 rawd run --rm --network none --userns host "$IMAGE" cat /proc/self/uid_map
	assert_match "$output" '^ *0 +0 +4294967295'
	run -0 d run --rm --network none --userns host "$IMAGE" cat /proc/self/uid_map
	assert_idmap "$output"
	run -0 d run --rm --network none --userns host --privileged "$IMAGE" cat /proc/self/uid_map
	assert_idmap "$output"
}

@test "E11 E133 every container runs under sysbox-runc, and inspect says so" {
	rawd create --name aa "$IMAGE" true
	assert_eq "$(rawd inspect -f '{{.HostConfig.Runtime}}' aa)" runc
	d create --name bb "$IMAGE" cat /proc/self/uid_map
	assert_eq "$(d inspect -f '{{.HostConfig.Runtime}}' bb)" sysbox-runc
	run -0 d start -a bb
	assert_idmap "$output"
}

@test "E12 a runtime that is asked for is silently replaced" {
	local name
	for name in runc io.containerd.runc.v2 no-such-runtime; do
		run -0 d run --name "x-$name" --network none --runtime "$name" "$IMAGE" echo test
		assert_eq "$output" test
		assert_eq "$(d inspect -f '{{.HostConfig.Runtime}}' "x-$name")" sysbox-runc
	done
	run -0 jq -r 'select(.action == "changed") | .message' "$GUARD_AUDIT"
	assert_has "$output" no-such-runtime
}

@test "E13 the engine's default runtime stays runc" {
	run -0 d info -f '{{.DefaultRuntime}}'
	assert_eq "$output" runc
}

@test "L26 docker info shows that containers are isolated" {
	run -0 d info
	assert_match "$output" 'Security Options:.*caisson'
	run -0 d info -f '{{.SecurityOptions}} {{.Containers}}'
	assert_has "$output" name=caisson
	run -0 rawd info -f '{{.SecurityOptions}}'
	refute_has "$output" caisson
	api "$GUARD_SOCK" GET /info
	assert_eq "$STATUS" 200
	jq -e '.ID and (.SecurityOptions | index("name=caisson,isolation=enhanced"))' <<<"$output"
}

@test "E14 bare requests are isolated as well: without HostConfig, with null, with keys in any case" {
	local body id
	for body in "{\"Image\":\"$IMAGE\",\"Cmd\":[\"cat\",\"/proc/self/uid_map\"]}" \
		"{\"Image\":\"$IMAGE\",\"Cmd\":[\"cat\",\"/proc/self/uid_map\"],\"HostConfig\":null}" \
		"{\"IMAGE\":\"$IMAGE\",\"cmd\":[\"cat\",\"/proc/self/uid_map\"],\"hostconfig\":{\"runtime\":\"runc\"}}"; do
		api "$ENGINE_SOCK" POST /containers/create "$body"
		id=$(jq -r .Id <<<"$output")
		refute_has "$(rawd inspect -f '{{.HostConfig.Runtime}}' "$id")" sysbox "$body"
		api "$GUARD_SOCK" POST /v1.41/containers/create "$body"
		assert_eq "$STATUS" 201 "$output"
		id=$(jq -r .Id <<<"$output")
		assert_eq "$(rawd inspect -f '{{.HostConfig.Runtime}}' "$id")" sysbox-runc
		api "$GUARD_SOCK" POST "/containers/$id/start"
		assert_eq "$STATUS" 204 "$output"
		rawd wait "$id"
		run -0 rawd logs "$id"
		assert_idmap "$output"
	done
}

restarted() {
	[ "$(d inspect -f '{{.RestartCount}}' aa)" -ge "$1" ]
}

restarted_engine_runs_it() {
	[ "$(d inspect -f '{{.State.StartedAt}}' aa)" \> "$1" ] && restarted "$2"
}

@test "E15b restart policies hold, after a restart of the engine too" {
	local now
	d run -d --name aa --network none --restart always "$IMAGE" sh -c 'cat /proc/self/uid_map; sleep 0.2'
	eventually 30 restarted 2
	now=$(date -u +%Y-%m-%dT%H:%M:%S)
	guard_restart_engine
	eventually 30 restarted_engine_runs_it "$now" 1
	run -0 d logs aa
	refute_match "$output" '4294967295'
	assert_eq "$(d inspect -f '{{.HostConfig.Runtime}}' aa)" sysbox-runc
}

# ---- namespaces ------------------------------------------------------------------------------------------------

@test "E26 M1 --pid=host is refused" {
	local host
	host=$(readlink /proc/self/ns/pid)
	run -0 rawd run --rm --network none --pid host "$IMAGE" readlink /proc/self/ns/pid
	assert_eq "$output" "$host"
	run -125 d run --rm --network none --pid host "$IMAGE" true
	assert_has "$output" "docker: Error response from daemon: enhanced container isolation: error in the container spec: invalid or unsupported container spec: sysbox containers can't share namespaces [pid] with the host (because they use the linux user-namespace for isolation)"
	bars_create "$M1 [pid]" namespaces '"HostConfig":{"PidMode":"host"}'
	assert_eq "$(d ps -aq)" ""
}

@test "E27 E36 M2 the host's network is refused by every name, when it is connected to and when it is made" {
	local id
	run -0 rawd run --rm --network host "$IMAGE" ls /sys/class/net
	assert_has "$output" ctbr0
	run -125 d run --rm --network host "$IMAGE" true
	assert_has "$output" "$M2"
	id=$(rawd network inspect -f '{{.Id}}' host)
	bars_create "$M2" namespaces '"HostConfig":{"NetworkMode":"host"}'
	bars_create "$M2" namespaces "\"HostConfig\":{\"NetworkMode\":\"$id\"}"
	bars_create "$M2" namespaces "\"HostConfig\":{\"NetworkMode\":\"${id:0:12}\"}"
	bars_create "$M2" namespaces "\"HostConfig\":{\"NetworkMode\":\"host\"},\"NetworkingConfig\":{\"EndpointsConfig\":{\"host\":{}}}"
	d create --name aa "$IMAGE" true
	barred "$M2" namespaces POST /networks/host/connect '{"Container":"aa"}'
	barred "$M2" namespaces POST "/networks/$id/connect" '{"Container":"aa"}'
	barred "$M2" namespaces POST /networks/create '{"Name":"mine","Driver":"host"}'
	rawd network create mine
	passes POST /networks/mine/connect '{"Container":"aa"}'
	d network rm mine
}

@test "E28 E29 M1 --uts=host and --ipc=host are refused" {
	run -0 rawd run --rm --network none --uts host --ipc host "$IMAGE" hostname
	assert_eq "$output" "$(hostname)"
	run -125 d run --rm --network none --uts host "$IMAGE" true
	assert_has "$output" "$M1 [uts]"
	run -125 d run --rm --network none --ipc host "$IMAGE" true
	assert_has "$output" "$M1 [ipc]"
	bars_create "$M1 [uts]" namespaces '"HostConfig":{"UTSMode":"host"}'
	bars_create "$M1 [ipc]" namespaces '"HostConfig":{"IpcMode":"host"}'
}

@test "E30 --cgroupns=host gets a private one" {
	local host
	host=$(readlink /proc/self/ns/cgroup)
	run -0 rawd run --rm --network none --cgroupns host "$IMAGE" readlink /proc/self/ns/cgroup
	assert_eq "$output" "$host"
	run -0 d run --rm --network none --cgroupns host "$IMAGE" readlink /proc/self/ns/cgroup
	[ "$output" != "$host" ]
}

@test "E32 several namespaces of the host are refused together" {
	local ns
	control POST /containers/create "$(with '"HostConfig":{"PidMode":"host","IpcMode":"host","NetworkMode":"host"}')"
	run -125 d run --rm --pid host --ipc host --uts host --network host "$IMAGE" true
	for ns in pid ipc uts network; do
		assert_match "$output" "$M1 \[[a-z ]*$ns[a-z ]*\]"
	done
}

@test "E33 E34 E35 namespaces of an isolated container can be joined, those of another can not" {
	local kind
	dbg aa --ipc shareable
	rawd run -d --name bb --network none --ipc shareable "$IMAGE" sleep 600
	for kind in network ipc pid; do
		run -0 d run --rm "--$kind" container:aa "$IMAGE" readlink /proc/self/ns/user
		assert_eq "$output" "$(ns_of "$(dpid aa)" user)" "$kind"
		run -0 rawd run --rm "--$kind" container:bb "$IMAGE" true
		run -125 d run --rm "--$kind" container:bb "$IMAGE" true
		assert_has "$output" "made before isolation was turned on"
	done
	run -125 d run --rm --pid container:none "$IMAGE" true
	assert_has "$output" "No such container"
}

@test "H5 a container that is named in a request is sent on by its id: its name can not become another's" {
	local id
	d create --name aa -v data:/x "$IMAGE" true
	id=$(d inspect -f '{{.Id}}' aa)
	rawd create --name raw --volumes-from aa:ro "$IMAGE" true
	assert_eq "$(rawd inspect -f '{{json .HostConfig.VolumesFrom}}' raw)" '["aa:ro"]'
	d create --name bb --volumes-from aa:ro "$IMAGE" true
	assert_eq "$(d inspect -f '{{json .HostConfig.VolumesFrom}}' bb)" "[\"$id:ro\"]"
}

# ---- host directories ------------------------------------------------------------------------------------------

@test "E37 shared directories mount, by each encoding, read-only too; links are sent on as what they lead to" {
	run -0 d run --rm --network none -v "$SHARE/a:/x" "$IMAGE" cat /x/file
	assert_eq "$output" shared
	run -0 d run --rm --network none -v "$SHARE/good-link:/x:ro" "$IMAGE" cat /x/file
	assert_eq "$output" shared
	run -0 d run --rm --network none --mount "type=bind,src=$SHARE/../share/a/,dst=/x,readonly" "$IMAGE" cat /x/file
	assert_eq "$output" shared
	d create --name aa -v "$SHARE/good-link:/x" "$IMAGE" true
	assert_eq "$(d inspect -f '{{json .HostConfig.Binds}}' aa)" "[\"$SHARE/a:/x\"]"
	d volume create --opt type=none --opt o=bind,ro --opt "device=$SHARE/good-link" shared
	assert_eq "$(d volume inspect -f '{{.Options.device}}' shared)" "$SHARE/a"
	run -0 d run --rm --network none -v shared:/x "$IMAGE" cat /x/file
	assert_eq "$output" shared
}

# elsewhere - what a user can do between create and start
elsewhere() {
	mv "$SHARE/u" "$SHARE/u.old" && ln -s "$SECRET" "$SHARE/u"
}

back_again() {
	rm "$SHARE/u" && mv "$SHARE/u.old" "$SHARE/u"
}

@test "E46 A121 a path that users make lead elsewhere has the engine make nothing there, whoever brings it along" {
	local how
	mkdir -p "$SHARE/u/there"
	echo here >"$SHARE/u/there/f"
	chown -R 1000:1000 "$SHARE/u"
	# Control: the engine by itself follows the link as root of the host.
	rawd create --name raw --runtime sysbox-runc --network none -v "$SHARE/u/raw:/x" "$IMAGE" true
	elsewhere
	run rawd start raw
	[ -d "$SECRET/raw" ]
	rmdir "$SECRET/raw"
	back_again
	d create --name old --network none -v "$SHARE/u/there:/x" -v "$SHARE/u/new:/y:ro" "$IMAGE" true
	d create --name young --network none --volumes-from old -v "$SHARE/a:/y" "$IMAGE" sh -c 'cat /x/f /y/file'
	d create --name reader --network none --volumes-from young:ro --volumes-from old "$IMAGE" sh -c '! touch /x/no && ! touch /y/no'
	api "$GUARD_SOCK" POST '/containers/create?name=made' "$(with "\"HostConfig\":{\"NetworkMode\":\"none\",\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"$SHARE/u/mp\",\"Target\":\"/x\",\"BindOptions\":{\"CreateMountpoint\":true}}]}")"
	assert_eq "$STATUS" 201 "$output"
	[ -d "$SHARE/u/new" ]
	[ -d "$SHARE/u/mp" ]
	assert_eq "$(d inspect -f '{{json .HostConfig.Binds}} {{range .Mounts}}{{.Type}} {{.Source}} {{.Destination}} {{.RW}},{{end}}' old | sed 's/^null/[]/')" \
		"[] bind $SHARE/u/there /x true,bind $SHARE/u/new /y false,"
	mv "$SHARE/u/there" "$SHARE/u/gone"
	rmdir "$SHARE/u/new" "$SHARE/u/mp"
	elsewhere
	for how in old young reader made; do
		run d start -a "$how"
		[ "$status" -ne 0 ]
	done
	assert_eq "$(find "$SECRET" -newer "$SHARE/u.old/gone/f" -mindepth 1 -name '[tnm]*')" ""
	[ ! -e "$SECRET/there" ]
	[ ! -e "$SECRET/new" ]
	[ ! -e "$SECRET/mp" ]
	back_again
	mv "$SHARE/u/gone" "$SHARE/u/there"
	mkdir "$SHARE/u/new"
	run -0 d start -a old
	run -0 d start -a young
	assert_eq "$output" $'here\nshared'
	run -1 d start -a reader # /x is that of old, which is the last one, and may be written
	run -0 d run --rm --network none -v "$SHARE/u/there:/x:rw,cached,rprivate,z" "$IMAGE" cat /x/f
	assert_eq "$output" here
	run -125 d run --rm --network none -v "$SHARE/u/there:/x:nonsense" "$IMAGE" true
	assert_has "$output" "invalid mode: nonsense"
	drm old young reader made raw
	rm -rf "$SHARE/u"
}

@test "E38 E39 M3 M9 files and directories of the engine's host are refused, read-only too" {
	run -125 d run --rm --network none -v /etc/docker/daemon.json:/mnt/daemon.json "$IMAGE" true
	assert_has "$output" "mounts denied: The path /etc/docker/daemon.json is not shared"
	assert_has "$output" "can't mount /etc/docker/daemon.json $M3"
	run -125 d run --rm --network none -v /etc/docker/daemon.json:/x:ro "$IMAGE" true
	assert_has "$output" "can't mount /etc/docker/daemon.json $M3"
	run -0 rawd run --rm --network none -v "$SECRET:/x:ro" "$IMAGE" cat /x/canary
	assert_eq "$output" "canary $RUN_TAG"
	run -125 d run --rm --network none -v "$SECRET:/x:ro" "$IMAGE" cat /x/canary
	assert_has "$output" "can't mount $SECRET $M3"
	assert_has "$output" "$GUARD_SETTINGS"
	assert_eq "$(audited)" "$PATHS filesharingAllowedDirectories"
}

@test "E42 E43 whatever is not listed is refused: the root, parents of shares, names that begin like a share's, what is not there yet" {
	local p
	mkdir -p "${SHARE}more"
	for p in / /root /usr /var/lib/docker "${SHARE%/*}" "${SHARE}more" "$SECRET/sub" "$ENGINE/not-there" /proc /sys /dev /dev/shm; do
		control POST /containers/create "$(with "\"HostConfig\":{\"Binds\":[\"$p:/x\"]}")"
		barred "$M3" "$PATHS" POST /containers/create "$(with "\"HostConfig\":{\"Binds\":[\"$p:/x\"]}")"
	done
	[ ! -e "$ENGINE/not-there" ]
	rmdir "${SHARE}more"
}

@test "E40 B3 a volume that shows a directory of the host is refused, made through the guard or before it" {
	local o
	local -a opts
	run -125 d volume create --opt type=none --opt o=bind --opt "device=$SECRET" v-guard && fail "$output"
	assert_has "$output" "$M3"
	for o in "type=none o=bind device=$SECRET" "type=none o=rbind device=$SECRET" "type=none o=bind,ro device=$SHARE/link" \
		"type=none o=noexec,bind device=$SHARE/../${ENGINE##*/}/secret" "type=overlay o=lowerdir=$SECRET:$SHARE device=overlay"; do
		read -ra opts <<<"$o"
		rawd volume create "${opts[@]/#/--opt=}" v-before
		run -0 rawd run --rm --network none -v v-before:/x "$IMAGE" cat /x/canary
		assert_eq "$output" "canary $RUN_TAG"
		run -125 d run --rm --network none -v v-before:/x "$IMAGE" cat /x/canary
		assert_has "$output" "$PATHS"
		run -125 d run --rm --network none --mount type=volume,src=v-before,dst=/x "$IMAGE" cat /x/canary
		assert_has "$output" "$PATHS"
		rawd volume rm v-before
	done
}

@test "E40 volumes-from takes nothing over that would be refused" {
	rawd create --name old -v "$SECRET:/x" "$IMAGE" true
	rawd create --name ours --runtime sysbox-runc -v "$SECRET:/x" "$IMAGE" true
	rawd volume create --opt type=none --opt o=bind --opt "device=$SECRET" alias
	rawd create --name by-volume --runtime sysbox-runc -v alias:/x "$IMAGE" true
	for o in old ours by-volume; do
		run -0 rawd run --rm --network none --volumes-from "$o" "$IMAGE" cat /x/canary
		assert_eq "$output" "canary $RUN_TAG"
	done
	barred "made before isolation" "older container" POST /containers/create "$(with '"HostConfig":{"VolumesFrom":["old"]}')"
	for o in ours ours:ro "$(rawd inspect -f '{{.Id}}' ours)" by-volume; do
		barred "$PATHS" "$PATHS" POST /containers/create "$(with "\"HostConfig\":{\"VolumesFrom\":[\"$o\"]}")"
	done
	d create --name good -v data:/x -v "$SHARE/a:/y" "$IMAGE" true
	run -0 d run --rm --network none --volumes-from good "$IMAGE" cat /y/file
	assert_eq "$output" shared
}

@test "E41 volumes, anonymous ones and tmpfs are unaffected; what the image has is copied into them" {
	run -0 d run --rm --network none -v data:/root "$IMAGE" sh -c 'echo kept >/root/f; ls -d /root'
	run -0 d run --rm --network none --mount type=volume,src=data,dst=/y "$IMAGE" cat /y/f
	assert_eq "$output" kept
	run -0 d run --rm --network none -v data:/etc/other -v copied:/etc "$IMAGE" cat /etc/passwd
	assert_has "$output" "user:x:1000"
	run -0 d run --rm --network none -v /anonymous --tmpfs /t:size=1m,mode=700 --mount type=tmpfs,dst=/u,tmpfs-size=1m "$IMAGE" \
		sh -c 'touch /anonymous/x && stat -c %a /t'
	assert_eq "$output" 700
	d volume create --driver local --opt type=tmpfs --opt device=tmpfs --opt o=size=1m,uid=1000 ram
	run -0 d run --rm --network none -v ram:/x "$IMAGE" stat -c %u /x
}

# ---- engine sockets ------------------------------------------------------------------------------------------------

@test "E47 E49 M6 the engine's socket is refused, and the list is said to be empty" {
	run -0 rawd run --rm --network none -v "$ENGINE_SOCK:/s" "$IMAGE" test -S /s
	run -125 d run --rm --network none -v "$ENGINE_SOCK:/s" "$IMAGE" test -S /s
	assert_has "$output" "docker: Error response from daemon: enhanced container isolation: Docker socket mount denied for container with image \"docker.io/$IMAGE\"; allowed image list is empty."
	assert_eq "$(audited)" "docker socket enhancedContainerIsolation.dockerSocketMount.imageList"
	run -125 d run --rm --network none -v "$GUARD_SOCK:/s" "$IMAGE" test -S /s
	assert_has "$output" "$SOCKET"
	run -125 d run --rm --network none -v /var/run/docker.sock:/var/run/docker.sock docker:cli true
	[[ $output == *"$SOCKET"*"docker.io/library/docker"* || $output == *"No such image"* || $output == *"Unable to find image"* ]] || fail "$output"
	api "$GUARD_SOCK" POST /containers/create '{"Image":"docker:cli","HostConfig":{"Binds":["/var/run/docker.sock:/var/run/docker.sock"]}}'
	assert_eq "$STATUS" 403
	assert_has "$output" '\"docker.io/library/docker\"' # E50
}

@test "E48 B2 the engine's socket is refused in every way to say it" {
	local s
	ln -sfn "$ENGINE_SOCK" "$SHARE/innocent"
	ln -f "$ENGINE_SOCK" "$SHARE/hard"
	for s in "$ENGINE_SOCK" "$ENGINE/./d.sock" "//$ENGINE/secret/../d.sock" "$SHARE/innocent" "$SHARE/hard" \
		"$SHARE/../${ENGINE##*/}/d.sock" "$CONTAINERD_SOCK" "$GUARD_SOCK" "/proc/self/root$ENGINE_SOCK"; do
		bars_create "$SOCKET" "docker socket" "\"HostConfig\":{\"Binds\":[\"$s:/s:ro\"]}"
		bars_create "$SOCKET" "docker socket" "\"HostConfig\":{\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"$s\",\"Target\":\"/s\"}]}"
		bars "$SOCKET" "docker socket" POST /volumes/create "{\"Name\":\"vv\",\"DriverOpts\":{\"type\":\"none\",\"o\":\"bind\",\"device\":\"$s\"}}"
	done
	for s in "$ENGINE" "$ENGINE/" "${ENGINE%/*}" /run /var/run /run/docker /run/containerd; do
		barred "$PATHS" "$PATHS" POST /containers/create "$(with "\"HostConfig\":{\"Binds\":[\"$s:/s\"]}")"
	done
	for s in /var/run/docker.sock /run/docker.sock /run/containerd/containerd.sock /run/podman/podman.sock; do
		control POST /containers/create "$(with "\"HostConfig\":{\"Binds\":[\"$s:/s\"]}")"
		barred "$SOCKET" "docker socket" POST /containers/create "$(with "\"HostConfig\":{\"Binds\":[\"$s:/s\"]}")"
	done
	# --use-api-socket: a bind in Mounts, and a file that is copied in
	barred "$SOCKET" "docker socket" POST /v1.41/containers/create \
		"$(with '"HostConfig":{"Mounts":[{"Type":"bind","Source":"/var/run/docker.sock","Target":"/var/run/docker.sock","BindOptions":{"CreateMountpoint":true}}]}')"
	if /usr/local/bin/docker run --help 2>/dev/null | grep -q use-api-socket; then
		run -125 /usr/local/bin/docker run --rm --use-api-socket "$IMAGE" true
		assert_has "$output" "$SOCKET"
	fi
	rm "$SHARE/innocent" "$SHARE/hard"
}

@test "E48 the engine's socket is not handed on by a volume or a container from before" {
	rawd volume create --opt type=none --opt o=bind --opt "device=$ENGINE_SOCK" sock
	rawd create --name aa --runtime sysbox-runc -v "$ENGINE_SOCK:/s" "$IMAGE" true
	control POST /containers/create "$(with '"HostConfig":{"VolumesFrom":["aa"]}')"
	barred "$SOCKET" "docker socket" POST /containers/create "$(with '"HostConfig":{"VolumesFrom":["aa"]}')"
	barred "$SOCKET" "docker socket" POST /containers/create "$(with '"HostConfig":{"Binds":["sock:/s"]}')"
}

# ---- builds: this engine's runc is not Caisson ----------------------------------------------------------------------

@test "E102 E104 E106 A132 a build whose RUN steps would not be isolated is refused, and the text says what to do instead" {
	local net
	mkdir -p "$BATS_TEST_TMPDIR/ctx"
	printf 'FROM %s\nRUN cat /proc/self/uid_map\n' "$IMAGE" >"$BATS_TEST_TMPDIR/ctx/Dockerfile"
	for net in default host; do
		DOCKER_BUILDKIT=0 run -0 rawd build --no-cache --network "$net" "$BATS_TEST_TMPDIR/ctx"
		assert_has "$output" 4294967295
		DOCKER_BUILDKIT=0 capture_fail d build --no-cache --network "$net" "$BATS_TEST_TMPDIR/ctx"
		refute_has "$output" 4294967295
		assert_has "$output" "docker-container"
	done
	DOCKER_BUILDKIT=1 capture_fail d build --no-cache "$BATS_TEST_TMPDIR/ctx"
	assert_has "$output" "docker-container"
}

@test "E105 BuildKit's own protocol is refused where an engine grants entitlements or builds are not isolated" {
	run -0 raw send "$ENGINE_SOCK" 'POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n' 1
	assert_has "$output" " 101 "
	run -0 raw send "$GUARD_SOCK" 'POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n' 1
	assert_has "$output" " 403 "
}

# ---- everything else that would evade isolation ------------------------------------------------------------------------

@test "devices: only those that the settings list, in create and update" {
	bars_create "host device /dev/kmsg is not allowed" devices '"HostConfig":{"Devices":[{"PathOnHost":"/dev/kmsg","PathInContainer":"/dev/kmsg","CgroupPermissions":"rwm"}]}'
	assert_eq "$(audited)" "devices caisson.allowedDevices"
	bars_create "is not about a device" devices '"HostConfig":{"DeviceCgroupRules":["a *:* rwm"]}'
	bars_create "is not about a device" devices '"HostConfig":{"DeviceCgroupRules":["c 1:11 rwm"]}'
	barred "GPUs" devices POST /containers/create "$(with '"HostConfig":{"DeviceRequests":[{"Driver":"","Count":-1,"Capabilities":[["gpu"]]}]}')"
	bars_create "below /dev" devices '"HostConfig":{"BlkioDeviceReadBps":[{"Path":"/etc/shadow","Rate":1}]}'
	passes_create '"HostConfig":{"Devices":[{"PathOnHost":"/dev/fuse","PathInContainer":"/dev/fuse","CgroupPermissions":"rwm"}]}'
	run -0 d run --rm --network none --device /dev/fuse "$IMAGE" test -c /dev/fuse
	dbg aa
	barred "is not about a device" devices POST /containers/aa/update '{"DeviceCgroupRules":["a *:* rwm"]}'
	barred "/dev/kmsg" devices POST /containers/aa/update '{"Devices":[{"PathOnHost":"/dev/kmsg","PathInContainer":"/dev/kmsg","CgroupPermissions":"rwm"}]}'
	run -0 d update --memory 64m --memory-swap 64m --restart no aa
}

@test "control groups: no parent but Docker's own" {
	local p
	for p in / /.. /system.slice /docker-no /docker/../x /caisson; do
		bars_create "may not be put into control group" "control groups" "\"HostConfig\":{\"CgroupParent\":\"$p\"}"
	done
	passes_create '"HostConfig":{"CgroupParent":"/docker/team"}'
}

@test "sysctls of the host are refused, those of namespaces pass" {
	bars_create "kernel.core_pattern" sysctls '"HostConfig":{"Sysctls":{"kernel.core_pattern":"|/bin/sh"}}' || {
		# newer engines refuse by themselves
		barred "kernel.core_pattern" sysctls POST /containers/create "$(with '"HostConfig":{"Sysctls":{"kernel.core_pattern":"|/bin/sh"}}')"
	}
	run -0 d run --rm --network none --sysctl net.ipv4.ip_forward=1 "$IMAGE" cat /proc/sys/net/ipv4/ip_forward
	assert_eq "$output" 1
}

@test "security options: those that loosen what the container has pass, unknown ones and other doors are refused" {
	run -0 d run --rm --network none --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
		--security-opt systempaths=unconfined --security-opt no-new-privileges --privileged --cap-add ALL "$IMAGE" cat /proc/self/uid_map
	assert_idmap "$output"
	barred "is not known" "security options" POST /containers/create "$(with '"HostConfig":{"SecurityOpt":["credentialspec=file://x"]}')"
	bars_create "below 0" "out of memory" '"HostConfig":{"OomScoreAdj":-900}'
	bars_create "sends from the host" "log drivers" '"HostConfig":{"LogConfig":{"Type":"gelf","Config":{"gelf-address":"udp://127.0.0.1:1"}}}'
	bars_create "may name files" "log drivers" '"HostConfig":{"LogConfig":{"Type":"syslog","Config":{"syslog-address":"unix://'"$ENGINE_SOCK"'"}}}'
	barred "only \"local\"" "volume drivers" POST /containers/create "$(with '"HostConfig":{"VolumeDriver":"convoy","Binds":["v:/x"]}')"
	barred "is not known" "closed world" POST /containers/create "$(with '"HostConfig":{"NewDoor":true}')"
	passes_create '"HostConfig":{"LogConfig":{"Type":"json-file","Config":{"max-size":"1m"}}},"NewField":1'
}

@test "E129 L12 exec --privileged stays inside; containers from before are not entered, started, attached to or changed" {
	dbg aa
	run -0 d exec --privileged aa sh -c 'cat /proc/self/uid_map; mknod /tmp/x b 8 0 && head -c 1 /tmp/x; true'
	[[ $output != *"0 4294967295"* ]] || fail "$output"
	rawd run -d --name old --network none "$IMAGE" sleep 600
	rawd create --name old2 --network none "$IMAGE" true
	run -0 rawd exec old true
	run -0 rawd start old2
	for o in "exec old true" "start old2" "restart old" "update --memory 64m old" "cp /etc/hostname old:/x"; do
		# shellcheck disable=SC2086
		capture_fail d $o
		assert_has "$output" "made before isolation was turned on; remove it (docker rm) and create it again" "$o"
	done
	capture_fail d attach --no-stdin old
	assert_has "$output" "unable to upgrade to tcp, received 403" # all that this client says of any refusal
	run -0 d stop -t 0 old
	run -0 d rm old
}

@test "A123 A128 what runs on the host is blocked as a whole: plugins, checkpoints, imports from addresses, debug, unknown endpoints" {
	barred "plugins run with the host's rights" plugins POST '/plugins/pull?remote=vieux/sshfs' '[]'
	barred "plugins run with the host's rights" plugins POST /plugins/x/enable
	barred "plugins run with the host's rights" plugins POST '/plugins/create?name=x'
	control GET /plugins && passes GET /plugins
	barred "checkpoints" checkpoints POST /containers/x/checkpoints '{"CheckpointID":"a","CheckpointDir":"/etc"}'
	barred "is not known" "closed world" POST "/containers/x/start?checkpoint=a&checkpoint-dir=/etc"
	barred "importing from an address" "image import" POST "/images/create?fromSrc=http://127.0.0.1/x.tar"
	barred "network driver" "network drivers" POST /networks/create '{"Name":"x","Driver":"weave"}'
	bars "already" "network options" POST /networks/create \
		"{\"Name\":\"x\",\"Options\":{\"com.docker.network.bridge.name\":\"$(ip -o link show up type veth 2>/dev/null | awk -F'[:@ ]+' '{print $2; exit}' | grep . || ls /sys/class/net | grep -v '^lo$' | head -1)\"}}"
	control GET /debug/vars || true
	barred "not for clients" debug GET /debug/pprof/heap
	api "$GUARD_SOCK" POST /containers/x/newverb
	assert_eq "$STATUS" 501
}

@test "E115 swarm: no manager is made by a client, and services are refused while tasks would not be isolated" {
	barred "swarm" swarm POST /swarm/init '{"ListenAddr":"127.0.0.1"}'
	rawd swarm init --advertise-addr "$ENGINE_SUBNET.1" --listen-addr "$ENGINE_SUBNET.1:2377" >/dev/null
	barred "swarm" swarm GET /swarm
	barred "swarm" swarm GET /swarm/unlockkey
	bars "services are blocked" swarm POST /services/create "{\"Name\":\"s1\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"$IMAGE\",\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"$SECRET\",\"Target\":\"/x\"}]}},\"Mode\":{\"Replicated\":{\"Replicas\":0}}}"
	run -0 d service ls
	rawd swarm leave --force
}

@test "commit: passes for isolated containers, host fields in its body do not" {
	d run --name aa --network none "$IMAGE" touch /made
	run -0 d commit aa committed
	run -0 d run --rm --network none committed test -e /made
	barred "$M1" namespaces POST "/commit?container=aa" '{"HostConfig":{"PidMode":"host"}}'
	d rmi committed
}

# ---- docker cp: the engine works as root of the host, on all that the container has mounted -----------------------------

@test "E100 B9 docker cp brings no file with root's rights into a shared directory" {
	local tar=$BATS_TEST_TMPDIR/su.tar
	mkdir -p "$BATS_TEST_TMPDIR/t"
	cp "$BUSYBOX" "$BATS_TEST_TMPDIR/t/su"
	tar -C "$BATS_TEST_TMPDIR/t" --owner 0 --group 0 --mode 4755 -cf "$tar" su
	d create --name aa --network none -v "$SHARE/a:/m" "$IMAGE" true
	run -0 bash -c "DOCKER_HOST=unix://$ENGINE_SOCK '$DOCKER' cp - aa:/m <'$tar'"
	assert_eq "$(stat -c '%a %u' "$SHARE/a/su")" "4755 0"
	rm "$SHARE/a/su"
	capture_fail bash -c "'$DOCKER' cp - aa:/m <'$tar'"
	assert_has "$output" "as the engine would write there as root of the host"
	assert_eq "$(audited)" "docker cp null"
	capture_fail bash -c "'$DOCKER' cp - aa:/tmp <'$tar'"
	[ ! -e "$SHARE/a/su" ]
	# what is offered instead
	dbg bb -v "$SHARE/a:/m"
	run -0 bash -c "tar -C '$SHARE/a' -c file | '$DOCKER' exec -i bb tar -x -C /tmp"
	run -0 d exec bb cat /tmp/file
	assert_eq "$output" shared
	# volumes of the engine's, read-only shares, and containers without either
	d create --name cc --network none -v data:/d -v "$SHARE/a:/m:ro" "$IMAGE" true
	run -0 bash -c "'$DOCKER' cp - cc:/d <'$tar'"
	run -0 bash -c "'$DOCKER' cp cc:/m/file - | tar xO"
	assert_eq "$output" shared
}

@test "B9 docker cp follows no link that has taken the place of a shared directory" {
	mkdir -p "$SHARE/u"
	d create --name aa --network none -v "$SHARE/u:/m:ro" "$IMAGE" true
	mv "$SHARE/u" "$SHARE/u2"
	ln -s "$SECRET" "$SHARE/u"
	run -0 bash -c "DOCKER_HOST=unix://$ENGINE_SOCK '$DOCKER' cp aa:/m/canary - | tar xO"
	assert_eq "$output" "canary $RUN_TAG"
	capture_fail d cp aa:/m/canary "$BATS_TEST_TMPDIR/got"
	assert_has "$output" "$PATHS"
	rm "$SHARE/u"
	mv "$SHARE/u2" "$SHARE/u"
	# in the directory of a user this can be done in between
	chown 1000 "$SHARE/u"
	mkdir "$SHARE/u/v"
	d create --name bb --network none -v "$SHARE/u/v:/m:ro" "$IMAGE" true
	control GET '/containers/bb/archive?path=/m'
	barred "users could make that lead elsewhere" "docker cp" GET '/containers/bb/archive?path=/etc/passwd'
	rm -r "$SHARE/u"
}

@test "what an image has is not copied into a directory of the host" {
	local form
	mkdir -p "$BATS_TEST_TMPDIR/i/x" "$SHARE/empty"
	cp "$BUSYBOX" "$BATS_TEST_TMPDIR/i/x/su"
	tar -C "$BATS_TEST_TMPDIR/i" --owner 0 --group 0 --mode 4755 -c . | d import - with-su
	capture_fail d volume create --opt type=none --opt o=bind --opt "device=$SHARE/empty" alias
	assert_has "$output" "has to be read-only"
	rawd volume create --opt type=none --opt o=bind --opt "device=$SHARE/empty" alias
	control POST /containers/create '{"Image":"with-su","Cmd":["x"],"HostConfig":{"Binds":["alias:/x"]}}'
	assert_eq "$(stat -c '%a %u' "$SHARE/empty/su")" "4755 0"
	rm "$SHARE/empty/su"
	for form in '"Binds":["alias:/x"]' '"Binds":["alias:/x:rw"]' '"Binds":["alias:/x:"]' '"Binds":["alias:/x:nocopy"]' \
		'"Mounts":[{"Type":"volume","Source":"alias","Target":"/x"}]' '"Mounts":[{"Type":"volume","Source":"alias","Target":"/x","VolumeOptions":{"NoCopy":false}}]'; do
		api "$GUARD_SOCK" POST /containers/create "{\"Image\":\"with-su\",\"Cmd\":[\"x\"],\"HostConfig\":{$form}}"
		assert_match "$STATUS" '^(201|400)$' "$form: $output"
		[ ! -e "$SHARE/empty/su" ] || fail "$form"
	done
	drm $(d ps -aq)
	d rmi with-su
	rmdir "$SHARE/empty"
}

@test "E128 a privileged container changes none of the settings that are enforced" {
	local before
	before=$(sha256sum "$GUARD_SETTINGS")
	run -125 d run --rm --network none --privileged -v "$ENGINE/guard:/s" "$IMAGE" true
	assert_has "$output" "can't mount $ENGINE/guard $M3"
	dbg aa --privileged
	run d exec --privileged aa sh -c "mkdir -p /x; for d in /dev/vda /dev/sda /dev/nvme0n1; do mount \$d /x && echo reached; done
		nsenter -t 1 -m cat $GUARD_SETTINGS && echo reached; mount -t proc p /x && cat /x/1/root$GUARD_SETTINGS && echo reached
		echo end"
	assert_has "$output" end
	refute_has "$output" reached
	assert_eq "$(sha256sum "$GUARD_SETTINGS")" "$before"
	run -0 rawd run --rm --network none -v "$ENGINE/guard:/s" "$IMAGE" sh -c 'echo reached >/s/x'
	rm "$ENGINE/guard/x"
}

# ---- settings and audit ---------------------------------------------------------------------------------------------------

@test "settings: SIGHUP brings a new share, a bad file keeps the last good policy and says so, a removed share is gone" {
	local body
	body=$(with "\"HostConfig\":{\"Binds\":[\"$SECRET:/x:ro\"]}")
	barred "$M3" "$PATHS" POST /containers/create "$body"
	settings_set ".filesharingAllowedDirectories += [{path: \"$SECRET\"}]"
	passes POST /containers/create "$body"
	passes_create "\"HostConfig\":{\"Binds\":[\"$SHARE/a:/x\"]}"
	for bad in '{"configurationFileVersion": 2, "filesharingAllowedDirectories": [{"path": "etc"}]}' '{' '' '[]' \
		'{"enhancedContainerIsolation": {"value": "no"}}'; do
		printf '%s' "$bad" >"$GUARD_SETTINGS"
		guard_reload 'stay as they were'
		passes POST /containers/create "$body"
		bars_create "$M1" namespaces '"HostConfig":{"PidMode":"host"}'
	done
	settings_set .
	barred "$M3" "$PATHS" POST /containers/create "$body"
}

@test "B1 B11 a guard that can not read its settings does not serve; a file and a directory mean the same" {
	local sock=$ENGINE/s2.sock bad=$ENGINE/bad.json pid
	echo '{"enhancedContainerIsolation": {"value": 1}}' >"$bad"
	run -1 timeout 10 "$CAISSON_GUARD" --listen "unix://$sock" --engine "unix://$ENGINE_SOCK" --settings "$bad"
	assert_has "$output" "$bad"
	[ ! -e "$sock" ]
	spawn "$ENGINE/g2.log" "$CAISSON_GUARD" --listen "unix://$sock" --engine "unix://$ENGINE_SOCK" --settings "$GUARD_SETTINGS" >"$ENGINE/g2.pid"
	pid=$(cat "$ENGINE/g2.pid")
	eventually 10 test -S "$sock"
	api "$sock" POST /containers/create "$(with '"HostConfig":{"PidMode":"host"}')"
	assert_eq "$STATUS" 403
	api "$sock" POST /containers/create "$(with "\"HostConfig\":{\"Binds\":[\"$SECRET:/x\"]}")"
	assert_eq "$STATUS" 403
	kill "$pid"
	eventually 5 ended "$pid"
}

@test "E135 L27 audit: who, from which process, what, by which rule; one line for each refusal and each change" {
	local line before
	before=$(wc -l <"$GUARD_AUDIT")
	api "$GUARD_SOCK" POST '/v1.41/containers/create?name=named' "$(with '"HostConfig":{"PidMode":"host"}')"
	assert_eq "$(wc -l <"$GUARD_AUDIT")" $((before + 1))
	line=$(tail -n 1 "$GUARD_AUDIT")
	assert_eq "$(jq -r '"\(.action) \(.route) \(.container) \(.image) \(.exe)"' <<<"$line")" "refused container_create named $IMAGE $(command -v curl)"
	assert_match "$(jq -r .time <<<"$line")" '^20[0-9-]+T[0-9:.]+Z$'
	chmod 0666 "$GUARD_SOCK"
	setpriv --reuid 54321 --regid 54321 --clear-groups bash -c "echo \$\$; exec curl -s -o /dev/null --unix-socket '$GUARD_SOCK' -H 'Content-Type: application/json' \
		-d '{\"HostConfig\":{\"UTSMode\":\"host\"}}' http://docker/containers/create" >"$BATS_TEST_TMPDIR/pid"
	chmod 0660 "$GUARD_SOCK"
	assert_eq "$(tail -n 1 "$GUARD_AUDIT" | jq -r '"\(.uid) \(.pid)"')" "54321 $(cat "$BATS_TEST_TMPDIR/pid")"
	d create --name bb --userns host "$IMAGE" true
	assert_eq "$(tail -n 1 "$GUARD_AUDIT" | jq -r '"\(.action) \(.container) \(.message)"')" 'changed bb UsernsMode "host" dropped'
}

@test "isolation that is switched off by the settings refuses nothing" {
	settings_set '.enhancedContainerIsolation = {value: false, locked: true}'
	passes_create '"HostConfig":{"PidMode":"host"}'
	settings_set .
	barred "$M1" namespaces POST /containers/create "$(with '"HostConfig":{"PidMode":"host"}')"
}
