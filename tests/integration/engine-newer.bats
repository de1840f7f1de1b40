# SPDX-License-Identifier: Apache-2.0
# The runtime and the guard with Debian 13's engine (26.1, API 1.45) and its clients: docker, buildx, compose.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/guard.bash
load ../lib/guard-api.bash
load ../lib/inner.bash
load ../lib/tools.bash

M1="invalid or unsupported container spec: sysbox containers can't share namespaces"
M2="invalid or unsupported container spec: sysbox containers can't share a network namespace with the host"
M3="because it's configured as a restricted host mount"

setup_file() {
	export BATS_TEST_TIMEOUT=180
	engine_newer || return 1
	export ENGINE_CONFIG='{"builder": {"Entitlements": {"network-host": false, "security-insecure": false}}}'
	ENGINE_SHADOW_RUNC=1 rules_open || return 1
	eventually 30 grep -q 'it grants no entitlement' "$ENGINE/guard.log" || return 1
	mkdir -p "$ENGINE/ctx"
	printf 'FROM %s\nRUN cat /proc/self/uid_map && echo built >/who\n' "$IMAGE" >"$ENGINE/ctx/Dockerfile"
}

teardown_file() {
	guard_close
	docker_close
}

teardown() {
	d buildx rm -f outside >/dev/null 2>&1 || true
	rules_teardown
}

# refuses WORDS ARGS... - docker run with these flags, refused with these words
refuses() {
	local words=$1
	shift
	capture_fail d run --rm --network none "$@" "$IMAGE" true
	assert_has "$output" "$words" "$*"
}

# ---- versions -----------------------------------------------------------------------------------------------------

@test "versions are negotiated: this client, older API versions, the client of Docker 20.10, one that is too old or too new" {
	run -0 d version -f '{{.Client.APIVersion}} {{.Server.APIVersion}} {{.Server.Version}}'
	assert_match "$output" '^1\.4[5-9] 1\.4[5-9] 2[6-9]\.'
	for v in 1.24 1.30 1.41 1.45; do
		DOCKER_API_VERSION=$v run -0 d run --network none "$IMAGE" cat /proc/self/uid_map
		assert_idmap "$output"
	done
	if [ -x /usr/bin/docker ]; then
		run -0 /usr/bin/docker run --rm --network none "$IMAGE" cat /proc/self/uid_map
		assert_idmap "$output"
	fi
	api "$GUARD_SOCK" GET /v1.23/containers/json
	assert_eq "$STATUS" 400
	api "$GUARD_SOCK" GET /v1.99/containers/json
	assert_eq "$STATUS" 400
}

@test "E13 L26 docker info shows the runtime and that containers are isolated; the default runtime stays runc" {
	run -0 d info -f '{{.DefaultRuntime}} {{range $k, $v := .Runtimes}}{{$k}} {{end}}{{json .SecurityOptions}}'
	assert_match "$output" '^runc .*sysbox-runc '
	assert_has "$output" '"name=caisson,isolation=enhanced"'
}

@test "P14 HTTP/2 by prior knowledge reaches nothing but what is judged as gRPC" {
	# Settings of the guard's own, or of the gate: never the engine's HTTP/1.1.
	raw send "$GUARD_SOCK" 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00' 2 >"$ENGINE/said"
	assert_eq "$(dd if="$ENGINE/said" bs=1 skip=3 count=1 status=none | od -An -tx1 | tr -d ' ')" 04
}

# ---- the runtime --------------------------------------------------------------------------------------------------

@test "E1 E3 E11 E12 E14 E19 every container is isolated, in a range of its own" {
	local a b
	d run -d --name aa --network none --runtime io.containerd.runc.v2 "$IMAGE" sleep 600
	d run -d --name bb --network none --runtime runc --privileged "$IMAGE" sleep 600
	a=$(d exec aa cat /proc/self/uid_map) b=$(d exec bb cat /proc/self/uid_map)
	assert_idmap "$a"
	assert_idmap "$b"
	refute_match "$(awk '{print $2}' <<<"$a")" "^$(awk '{print $2}' <<<"$b")$"
	assert_eq "$(d inspect -f '{{.HostConfig.Runtime}}' aa bb)" $'sysbox-runc\nsysbox-runc'
	d exec bb mount -t tmpfs none /mnt
	api "$GUARD_SOCK" POST /v1.45/containers/create?name=cc "{\"Image\":\"$IMAGE\",\"Cmd\":[\"sleep\",\"600\"]}"
	assert_eq "$STATUS" 201
	d start cc
	assert_idmap "$(d exec cc cat /proc/self/uid_map)"
}

@test "E15 run -it, --init, attach, exec, signals and exit codes" {
	run -0 in_tty "$DOCKER" run -it --rm --network none "$IMAGE" sh -c 'test -t 0 && echo interactive'
	assert_has "$output" interactive
	run -137 d run --rm --init --network none "$IMAGE" sh -c 'kill -9 $$'
	run -0 d run --rm --init --network none "$IMAGE" cat /proc/1/cmdline
	assert_has "$output" docker-init
	d run -di --name aa --network none "$IMAGE" sh -c 'read x; echo "got $x"; sleep 0.2'
	run -0 bash -c "(sleep 0.5; echo word; sleep 1) | timeout 20 '$DOCKER' attach aa"
	assert_eq "$output" "got word"
	dbg bb
	run -0 in_tty "$DOCKER" exec -it bb tty
	assert_has "$output" /dev/pts/
	run -0 bash -c "head -c 3000000 /dev/zero | timeout 60 '$DOCKER' exec -i bb wc -c"
	assert_eq "$output" 3000000
	run -0 d exec -u 1000 -e A=b -w /tmp --privileged bb sh -c 'echo $A $(id -u) $(pwd)'
	assert_eq "$output" "b 1000 /tmp"
}

@test "E100 cp, diff, commit, logs, stats, top, update, events, save and load" {
	d run -d --name aa --network none "$IMAGE" sh -c 'echo line; exec sleep 600'
	echo content >"$ENGINE/file"
	d cp "$ENGINE/file" aa:/tmp/there
	assert_eq "$(d exec aa stat -c %u /tmp/there)" 0
	run -0 d cp aa:/tmp/there -
	run -0 bash -c "'$DOCKER' cp aa:/tmp/there - | tar xO"
	assert_eq "$output" content
	assert_has "$(d diff aa)" "A /tmp/there"
	d commit aa committed >/dev/null
	run -0 d run --rm --network none committed cat /tmp/there
	assert_eq "$output" content
	eventually 5 grep -q line <(d logs aa)
	assert_eq "$(d stats --no-stream --format '{{.Name}} {{.PIDs}}' aa)" "aa 1"
	assert_has "$(d top aa)" "sleep 600"
	d update --memory 200m --memory-swap 300m aa
	run -0 d events --since 1m --until "$(($(date +%s) + 1))" --filter container=aa --format '{{.Action}}'
	assert_match "$output" 'create.*start.*commit.*update'
	d save -o "$ENGINE/image.tar" committed
	d rmi committed
	run -0 d load -i "$ENGINE/image.tar"
	assert_has "$output" "committed"
	d rmi committed
}

@test "E114 compose v2: up, exec, logs, down" {
	mkdir -p "$ENGINE/compose"
	cat >"$ENGINE/compose/compose.yaml" <<-YAML
		services:
		  web:
		    build: {context: ., network: none}
		    command: httpd -f -h /w
		    volumes: ["data:/data"]
		    healthcheck: {test: wget -qO- http://127.0.0.1/, start_period: 5s, start_interval: 200ms}
		  client:
		    image: $IMAGE
		    init: true
		    depends_on: {web: {condition: service_healthy}}
		    command: sh -c "wget -qO- http://web/ && exec sleep 600"
		    networks: {default: {mac_address: "02:42:ac:11:00:09"}}
		volumes: {data: {}}
	YAML
	printf 'FROM %s\nRUN mkdir /w && cat /proc/self/uid_map >/w/index.html\n' "$IMAGE" >"$ENGINE/compose/Dockerfile"
	compose() { timeout 60 "$DOCKER" compose --progress plain -p ct -f "$ENGINE/compose/compose.yaml" "$@"; }
	compose up -d --wait
	run -0 compose exec -T client cat /proc/self/uid_map
	assert_idmap "$output"
	run -0 compose logs --no-log-prefix --no-color client
	assert_match "$output" '0 +[1-9][0-9]{5,} +65536'
	compose down -v -t 1 --rmi local
	assert_eq "$(d ps -aq --filter label=com.docker.compose.project=ct)" ""
}

# ---- rules --------------------------------------------------------------------------------------------------------

@test "E26 E27 E28 E29 E30 E31 E32 M1 M2 namespaces of the host" {
	refuses "$M1 [pid]" --pid=host
	refuses "$M1 [uts]" --uts=host
	refuses "$M1 [ipc]" --ipc=host
	refuses "$M1 [" --pid=host --ipc=host
	capture_fail d run --rm --network=host "$IMAGE" true
	assert_has "$output" "$M2"
	capture_fail d run --rm --network=name=host "$IMAGE" true
	assert_has "$output" "$M2"
	run -0 d run --rm --network none --userns=host --cgroupns=host "$IMAGE" sh -c 'cat /proc/self/uid_map; readlink /proc/self/ns/cgroup'
	assert_idmap "${lines[0]}"
	refute_has "$output" "$(readlink /proc/self/ns/cgroup)"
}

@test "E33 E34 E35 namespaces of an isolated container can be joined" {
	dbg aa --ipc shareable --network bridge
	assert_idmap "$(d exec aa cat /proc/self/uid_map)"
	for flag in --network=container:aa --ipc=container:aa --pid=container:aa; do
		run -0 d run --rm "$flag" "$IMAGE" cat /proc/self/uid_map
		assert_eq "$output" "$(d exec aa cat /proc/self/uid_map)"
	done
}

@test "E37 E38 E39 M3 binds, with each way to treat mounts below and read-only ones" {
	local mode
	for mode in enabled disabled writable readonly; do
		run -0 d run --rm --network none --mount "type=bind,src=$SHARE/a,dst=/x,ro,bind-recursive=$mode,bind-propagation=rprivate" \
			"$IMAGE" sh -c 'cat /x/file; ! touch /x/new'
		assert_has "$output" shared
		refuses "$M3" --mount "type=bind,src=$SECRET,dst=/x,ro,bind-recursive=$mode,bind-propagation=rprivate"
	done
	refuses "$M3" -v /etc/docker:/x:ro
	bars_create "mounts denied" "restricted host mount" "\"HostConfig\":{\"Mounts\":[{\"Type\":\"bind\",
		\"Source\":\"$SECRET\",\"Target\":\"/x\",\"BindOptions\":{\"ReadOnlyNonRecursive\":true,\"CreateMountpoint\":true}}]}"
}

@test "E40 E41 B3 volume-subpath shows a part of a volume, and nothing else" {
	d volume create data >/dev/null
	d run --rm --network none -v data:/v "$IMAGE" sh -ec 'mkdir /v/sub
		 echo in >/v/sub/file; ln -s sub /v/link; ln -s / /v/root; ln -s ../../../../../../../../../.. /v/up'
	for part in sub link; do
		run -0 d run --rm --network none --mount "type=volume,src=data,dst=/x,volume-subpath=$part" "$IMAGE" \
			sh -c 'cat /x/file; touch /x/new; stat -c %u /x/new'
		assert_eq "$output" $'in\n0'
	done
	run -0 d run --rm --network none --mount type=volume,src=data,dst=/x,volume-subpath=sub/file "$IMAGE" cat /x
	assert_eq "$output" in
	run -0 d run --rm --network none --mount type=volume,src=data,dst=/x,volume-subpath=sub,ro "$IMAGE" sh -c '! touch /x/y'
	refuses "escapes" --mount type=volume,src=data,dst=/x,volume-subpath=root
	refuses "escapes" --mount type=volume,src=data,dst=/x,volume-subpath=up/etc
	refuses "must not leave the volume" --mount type=volume,src=data,dst=/x,volume-subpath=sub/../../..
	# It is judged again when the container starts again, and the part is one of its own again.
	d run -d --name aa --network none --mount type=volume,src=data,dst=/x,volume-subpath=sub "$IMAGE" sleep 600
	d restart -t 0 aa
	run -0 d exec aa ls /x
	assert_has "$output" file
}

@test "E40 B3 a part of a volume that shows the host is refused, by the guard and by the runtime" {
	rawd volume create -o type=none -o o=bind -o "device=$SECRET" shows >/dev/null
	refuses "$M3" --mount type=volume,src=shows,dst=/x,volume-subpath=sub
	for part in sub canary .; do
		run -125 rawd run --rm --network none --runtime sysbox-runc \
			--mount "type=volume,src=shows,dst=/x,volume-subpath=$part" "$IMAGE" true
		assert_has "$output" "$M3"
	done
	# Of a volume in memory it is one, also when all of it is the part: then it is there twice.
	d volume create -o type=tmpfs -o device=tmpfs memory >/dev/null
	run -0 d run --rm --network none -v memory:/x --mount type=volume,src=memory,dst=/y,volume-subpath=. "$IMAGE" \
		sh -c 'echo same >/x/f; cat /y/f'
	assert_eq "$output" same
}

@test "A121 mounts of other types, annotations, devices by driver: allowed or refused as the rules say" {
	# The guard lets images through; this engine does not know them yet.
	api "$GUARD_SOCK" POST /containers/create \
		"$(with "\"HostConfig\":{\"Mounts\":[{\"Type\":\"image\",\"Source\":\"$IMAGE\",\"Target\":\"/x\"}]}")"
	assert_has "$output" "mount type unknown"
	refuses 'mounts of type "cluster" are not allowed' --mount type=cluster,src=data,dst=/x
	refuses 'mounts of type "npipe" are not allowed' --mount type=npipe,src=data,dst=/x
	run -0 d run --rm --network none --annotation a.b=c "$IMAGE" true
	refuses "would change how the runtime works" --annotation run.oci.handler=wasm
	refuses "would change how the runtime works" --annotation org.systemd.property.DeviceAllow=x
	refuses "GPUs and other devices by driver" --gpus all
	refuses "GPUs and other devices by driver" --device vendor.com/class=name
	refuses "is not allowed for isolated containers" --device /dev/kmsg
	run -0 d run --rm --network none --tmpfs /x:exec,size=1m "$IMAGE" true
}

@test "closed world: what newer API versions may add is refused until it is known, in any spelling and place" {
	local member
	for member in '"HostConfig":{"Shares":1}' '"HostConfig":{"Mounts":[{"Type":"volume","Target":"/x","Idmap":true}]}' \
		'"HostConfig":{"Mounts":[{"Type":"bind","Source":"/","Target":"/x","BindOptions":{"Elsewhere":"/"}}]}' \
		'"HostConfig":{"Mounts":[{"Type":"volume","Target":"/x","VolumeOptions":{"subPath2":"x"}}]}'; do
		bars_create "is not known to this version of the guard" "closed world" "$member"
	done
	api "$GUARD_SOCK" POST /v1.45/containers/aa/clone '{}'
	assert_eq "$STATUS" 501
}

# ---- builds -------------------------------------------------------------------------------------------------------

@test "E102 E104 E105 BuildKit by buildx, which is the default: isolated, without the host's network, no entitlement" {
	: >"$GUARD_AUDIT"
	run -0 d build --progress plain --no-cache -t built "$ENGINE/ctx"
	assert_has "$output" 'using docker driver'
	assert_match "$output" '0 +[1-9][0-9]{5,} +65536'
	# All that buildx asks for along the way is known: its traces, too, which come last.
	assert_eq "$(cat "$GUARD_AUDIT")" ""
	run -0 d run --rm --network none built sh -c 'cat /who; stat -c %u /who'
	assert_eq "$output" $'built\n0'
	d rmi built
	capture_fail d build --no-cache --network host "$ENGINE/ctx"
	assert_has "$output" "enhanced container isolation: network.host is not allowed"
	capture_fail d build --no-cache --allow security.insecure "$ENGINE/ctx"
	assert_has "$output" "security.insecure is not allowed"
	capture_fail d build --no-cache --cgroup-parent /system.slice "$ENGINE/ctx"
	assert_has "$output" "control group"
	printf 'FROM %s\nRUN --network=host true\n' "$IMAGE" >"$ENGINE/ctx/Dockerfile.net"
	capture_fail d build --no-cache -f "$ENGINE/ctx/Dockerfile.net" "$ENGINE/ctx"
	assert_has "$output" "network.host is not allowed"
}

@test "E102 E104 the classic builder" {
	export DOCKER_BUILDKIT=0
	run -0 d build --network none --no-cache "$ENGINE/ctx"
	assert_match "$output" '0 +[1-9][0-9]{5,} +65536'
	capture_fail d build --no-cache --network host "$ENGINE/ctx"
	assert_has "$output" "network.host is not allowed"
}

@test "builds with a secret, a cache mount, a context of 5 MB, contexts by name, an output; bake, du, prune, inspect" {
	mkdir -p "$ENGINE/big" "$ENGINE/named"
	head -c 5000000 /dev/urandom >"$ENGINE/big/big"
	echo named >"$ENGINE/named/f"
	echo hidden >"$ENGINE/secret.txt"
	cat >"$ENGINE/big/Dockerfile" <<-DF
		FROM $IMAGE AS one
		COPY big /big
		COPY --from=named f /f
		RUN --mount=type=secret,id=s --mount=type=cache,target=/cache cat /run/secrets/s /f >/cache/x && cp /cache/x /out && md5sum /big >>/out
		FROM scratch
		COPY --from=one /out /out
	DF
	d build --progress plain --no-cache --secret "id=s,src=$ENGINE/secret.txt" --build-context "named=$ENGINE/named" \
		--output "type=local,dest=$ENGINE/result" "$ENGINE/big"
	assert_eq "$(cat "$ENGINE/result/out")" "$(printf 'hidden\nnamed\n%s  /big' "$(md5sum <"$ENGINE/big/big" | cut -d' ' -f1)")"
	printf 'target "default" { context = "%s" }\n' "$ENGINE/ctx" >"$ENGINE/bake.hcl"
	d buildx bake -f "$ENGINE/bake.hcl" --set '*.no-cache=true' --progress plain
	run -0 d buildx inspect
	assert_match "$output" 'Status: +running'
	d buildx du >/dev/null
	d buildx prune -af >/dev/null
}

# ---- builders of their own ----------------------------------------------------------------------------------------

# builder_image - what `docker buildx create` starts. BuildKit's own daemon is in no package of Debian: the BuildKit of an
# engine takes its place, behind programs of the same names.
builder_image() {
	mkdir -p "$ENGINE/builder"
	printf '#!/bin/sh\nexec dind --data-root /var/lib/buildkit\n' >"$ENGINE/builder/buildkitd"
	printf '#!/bin/sh\n[ "$1" != dial-stdio ] || exec docker buildx dial-stdio\nexec docker version\n' >"$ENGINE/builder/buildctl"
	chmod 0755 "$ENGINE"/builder/*
	inner_import engines
	d create --name aa caisson-test/engines true
	tar -C "$ENGINE_BIN" --exclude docker-compose -c usr | d cp - aa:/
	d cp "$ENGINE/builder/." aa:/usr/bin/
	d commit -c 'ENTRYPOINT ["buildkitd"]' aa caisson-test/builder
	d rm aa
}

@test "E103 E106 a docker-container builder works and is isolated, with its host's network and privileges in there" {
	local builder=buildx_buildkit_outside0 root=$ENGINE/builder/ctx
	builder_image
	d buildx create --name outside --driver docker-container --driver-opt image=caisson-test/builder
	d buildx inspect --bootstrap outside
	run -0 d inspect -f '{{.HostConfig.Runtime}} {{.HostConfig.Privileged}} {{.HostConfig.CgroupParent}}' $builder
	assert_eq "$output" "sysbox-runc true /docker/buildx"
	assert_idmap "$(d exec $builder cat /proc/self/uid_map)"
	assert_idmap "$(cat "/proc/$(dpid $builder)/uid_map")"
	mkdir -p "$root"
	cp "$CAISSON_TEST_RUN/busybox.tar" "$root/root.tar"
	printf 'FROM scratch\nADD root.tar /\nENV PATH=/bin\n%s\n' \
		'RUN --network=host cat /proc/self/uid_map >/map; ls /sys/class/net >/net' >"$root/Dockerfile"
	d buildx build --builder outside --allow network.host --progress plain --output "type=local,dest=$root/out" "$root"
	assert_eq "$(cat "$root/out/map")" "$(d exec $builder cat /proc/self/uid_map)"
	assert_has "$(cat "$root/out/net")" docker0
	refute_has "$(cat "$root/out/net")" ctbr0
	d buildx rm outside
	assert_eq "$(rawd ps -aq; rawd volume ls -q)" ""
	d rmi caisson-test/builder caisson-test/engines
}

# ---- from afar ----------------------------------------------------------------------------------------------------

# far_open - `ssh` leads to a host whose docker goes to the guard
far_open() {
	mkdir -p "$ENGINE/ssh"
	cat >"$ENGINE/ssh/ssh" <<-SH
		#!/bin/sh
		echo "\$*" >>"$ENGINE/ssh/log"
		while [ "\$1" != -- ]; do shift; done
		shift 2
		exec env DOCKER_HOST=unix://$GUARD_SOCK sh -c "\$*"
	SH
	chmod 0755 "$ENGINE/ssh/ssh"
	export PATH=$ENGINE/ssh:$PATH
	unset DOCKER_HOST
}

@test "docker -H ssh:// and a context of it, which are docker system dial-stdio there: streams, rules, builds" {
	far_open
	run -0 d -H ssh://someone@host:2222 run --rm --network none "$IMAGE" cat /proc/self/uid_map
	assert_idmap "$output"
	assert_has "$(cat "$ENGINE/ssh/log")" "-l someone -p 2222 -- host docker system dial-stdio"
	d context create far --docker host=ssh://host
	export DOCKER_CONTEXT=far
	capture_fail d run --rm --network none --pid=host "$IMAGE" true
	assert_has "$output" "$M1 [pid]"
	d run -d --name aa --network none "$IMAGE" sleep 600
	run -0 bash -c "head -c 3000000 /dev/zero | timeout 60 '$DOCKER' exec -i aa wc -c"
	assert_eq "$output" 3000000
	run -0 in_tty "$DOCKER" exec -it aa tty
	assert_has "$output" /dev/pts/
	run -0 d build --progress plain --no-cache "$ENGINE/ctx"
	assert_match "$output" '0 +[1-9][0-9]{5,} +65536'
	capture_fail d build --no-cache --network host "$ENGINE/ctx"
	assert_has "$output" "network.host is not allowed"
	unset DOCKER_CONTEXT
	d context rm far
}
