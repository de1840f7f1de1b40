# SPDX-License-Identifier: Apache-2.0
# Builds through the guard (E102, E104, E105): isolated, and judged in the query, in LLB and over gRPC.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/guard.bash

teardown() {
	runc_becomes caisson
	jq -e '.enhancedContainerIsolation.value == false' "$GUARD_SETTINGS" >/dev/null || return 0
	guard_isolation true
}

setup_file() {
	ENGINE_SHADOW_RUNC=1 docker_open runc && guard_open || return 1
	export CALL=$ENGINE/grpc-call
	cc -std=gnu17 -D_GNU_SOURCE -O1 -o "$CALL" "$CAISSON_SRC/tests/helpers/grpc-call.c" -lnghttp2
	mkdir -p "$ENGINE/ctx"
	printf 'FROM %s\nRUN cat /proc/self/uid_map && echo built >/who\n' "$IMAGE" >"$ENGINE/ctx/Dockerfile"
}

teardown_file() {
	guard_close
	docker_close
}

lacks() {
	[[ $1 != *"$2"* ]] || fail "'$1' contains '$2'"
}

# entitlements true|false - whether the engine grants any, in daemon.json; the engine is restarted
entitlements() {
	jq --argjson on "$1" '.builder = {Entitlements: {"network-host": $on, "security-insecure": $on}}' \
		"$ENGINE/etc/daemon.json" >"$ENGINE/etc/new.json"
	mv "$ENGINE/etc/new.json" "$ENGINE/etc/daemon.json"
	guard_restart_engine
	# The trials are over: what is found as runc may be changed from here on. (What was found before is not said again.)
	eventually 30 is_tried
}

is_tried() {
	curl -s --max-time 5 --unix-socket "$GUARD_SOCK" http://d/caisson/status | jq -e '[.. | .runcIsCaisson? // empty] == [true]'
}

# runc_becomes caisson|peer - what the engine finds as runc; the guard is not told
runc_becomes() {
	[ -e "$ENGINE/bin/caisson" ] || cp "$ENGINE/bin/runc" "$ENGINE/bin/caisson"
	if [ "$1" = caisson ]; then
		cp "$ENGINE/bin/caisson" "$ENGINE/bin/new"
	else
		printf '#!/bin/sh\nexec %q "$@"\n' "$CAISSON_PEER" >"$ENGINE/bin/new"
		chmod 0755 "$ENGINE/bin/new"
	fi
	mv "$ENGINE/bin/new" "$ENGINE/bin/runc"
}

# closed - the engine grants no entitlement from here on, and the guard knows
closed() {
	jq -e '.builder.Entitlements."network-host" == false' "$ENGINE/etc/daemon.json" >/dev/null || entitlements false
	eventually 20 grpc_passes
}

grpc_passes() {
	printf '' | "$CALL" "$GUARD_SOCK" /moby.buildkit.v1.Control/ListWorkers | grep -q '^status 0'
}

SOLVE=/moby.buildkit.v1.Control/Solve

# solve SOCKET [OPTION=VALUE...] - see llb.py
solve() {
	local sock=$1
	shift
	"$PYTHON" "$CAISSON_SRC/tests/lib/llb.py" "$@" | timeout 60 "$CALL" "$sock" "$SOLVE"
}

# refused WORDS [OPTION=VALUE...] - by the guard, with these words in the message, and written down
refused() {
	local words=$1
	shift
	: >"$GUARD_AUDIT"
	run -0 solve "$GUARD_SOCK" "$@"
	assert_has "$output" "$words"
	assert_has "$output" "enhanced container isolation"
	[[ $output =~ ^status\ (3|7) ]] || fail "$output"
	grep -q '"refused"' "$GUARD_AUDIT"
}

# passes [OPTION=VALUE...] - to the engine, which does what is asked
passes() {
	run -0 solve "$GUARD_SOCK" "$@"
	assert_has "$output" "status 0"
}

# ---- an engine as it comes --------------------------------------------------------------------------------

@test "the engine's own configuration is tried: it grants network.host, so /grpc is refused" {
	entitlements true
	runc_becomes peer
	run -0 solve "$ENGINE_SOCK" run='grep -q ctbr0 /proc/net/dev' network=1 entitlement=network.host
	runc_becomes caisson
	assert_has "$output" "status 0"
	run -1 solve "$GUARD_SOCK" run=true
	assert_has "$output" "http 403"
	assert_has "$output" "network.host is not allowed"
	assert_has "$(cat "$ENGINE/guard.log")" "BuildKit grants network.host"
}

@test "E102: RUN steps are isolated, in the classic builder and in BuildKit" {
	for kit in 0 1; do
		DOCKER_BUILDKIT=$kit run -0 d build --progress plain --network none --no-cache -t guard-built "$ENGINE/ctx"
		lacks "$output" 4294967295
		[[ $output =~ 0\ +[1-9][0-9]+\ +65536 ]] || fail "$output"
		run -0 drun -- true
		run -0 d run --rm --network none guard-built sh -c 'cat /who; stat -c %u /who'
		assert_eq "$output" $'built\n0'
	done
	d rmi -f guard-built
}

@test "a context of 20 MB through BuildKit's session, and the engine's network" {
	mkdir -p "$ENGINE/big"
	head -c 20000000 /dev/urandom >"$ENGINE/big/big"
	printf 'FROM %s\nCOPY big /big\nRUN md5sum /big\n' "$IMAGE" >"$ENGINE/big/Dockerfile"
	DOCKER_BUILDKIT=1 run -0 d build --progress plain --no-cache "$ENGINE/big"
	assert_has "$output" "$(md5sum <"$ENGINE/big/big" | cut -d' ' -f1)"
	DOCKER_BUILDKIT=0 run -0 d build --no-cache "$ENGINE/ctx"
}

@test "E104: --network host is refused, in both builders; without the guard it is not" {
	printf 'FROM %s\nRUN ls /sys/class/net\n' "$IMAGE" >"$ENGINE/ctx/Dockerfile.net"
	for kit in 0 1; do
		runc_becomes peer
		DOCKER_BUILDKIT=$kit DOCKER_HOST=unix://$ENGINE_SOCK run -0 d build --progress plain --no-cache --network host \
			-f "$ENGINE/ctx/Dockerfile.net" "$ENGINE/ctx"
		assert_has "$output" ctbr0
		runc_becomes caisson
		DOCKER_BUILDKIT=$kit run -1 d build --no-cache --network host -f "$ENGINE/ctx/Dockerfile.net" "$ENGINE/ctx"
		assert_has "$output" "network.host is not allowed"
	done
}

@test "a build's cgroup parent and remote context are judged" {
	DOCKER_BUILDKIT=0 run -1 d build --cgroup-parent /system.slice "$ENGINE/ctx"
	assert_has "$output" "control group"
	run -0 curl -sS --unix-socket "$GUARD_SOCK" -X POST 'http://d/build?remote=http://127.0.0.1:1/ctx.tar'
	assert_has "$output" "on the host itself"
	run -0 curl -sS --unix-socket "$ENGINE_SOCK" -X POST 'http://d/build?remote=http://127.0.0.1:1/ctx.tar'
	assert_has "$output" "connection refused"
}

# context_server - in the engine's network, on its loopback only: CPORT. /ctx.tar is a context, /away leads to it
context_server() {
	CPORT=$((RANDOM % 20000 + 20000))
	mkdir -p "$ENGINE/www"
	tar -C "$ENGINE/ctx" -cf "$ENGINE/www/ctx.tar" Dockerfile
	in_net "$ENGINE_NET" bash -c "$(declare -f spawn); spawn '$ENGINE/www.log' '$PYTHON' -m http.server --directory '$ENGINE/www' $CPORT" >"$ENGINE/www.pid"
	eventually 10 in_net "$ENGINE_NET" curl -s -o /dev/null "http://127.0.0.1:$CPORT/"
}

# build_from SOCKET URL - what the classic builder says to a context that the engine fetches
build_from() {
	output=$(curl -sS -g -G --max-time 60 --unix-socket "$1" -X POST http://d/build --data-urlencode "remote=$2")
}

@test "a context on the engine's own host is refused by each of its spellings, also those that only resolvers know" {
	local host taken=0
	context_server
	for host in 127.0.0.1 127.8.9.10 localhost LOCALHOST localhost. 127.1 0x7f000001 2130706433 017700000001 0 0.0.0.0 '[::]' '[::ffff:127.0.0.1]' \
		a@127.0.0.1 a@b@127.0.0.1; do
		build_from "$ENGINE_SOCK" "http://$host:$CPORT/ctx.tar"
		[[ $output != *"Successfully built"* ]] || taken=$((taken + 1))
		build_from "$GUARD_SOCK" "http://$host:$CPORT/ctx.tar"
		assert_match "$output" 'enhanced container isolation: (a build context on the host itself is blocked|the host of a build context must be)' "$host"
	done
	kill "$(cat "$ENGINE/www.pid")"
	[ "$taken" -gt 5 ] || fail "the engine took $taken of them"
}

# ---- gRPC -------------------------------------------------------------------------------------------------

@test "without entitlements in the engine /grpc passes, and a restart of the engine is noticed" {
	entitlements false
	closed
	assert_has "$(cat "$ENGINE/guard.log")" "grants no entitlement"
	passes run='! grep -q 4294967295 /proc/self/uid_map'
	run -0 solve "$GUARD_SOCK" run='exit 9'
	assert_has "$output" "exit code: 9"
}

@test "E105: entitlements are refused in every form" {
	closed
	refused "network.host is not allowed" run=true network=1 entitlement=network.host
	refused "network.host is not allowed" run=true network=1
	refused "network.host is not allowed" run=true network=4294967297
	refused "security.insecure is not allowed" run=true security=1
	refused "security.insecure is not allowed" run=true entitlement=security.insecure
	refused "device is not allowed" run=true device=/dev/sda
	refused "entitlement device is not allowed" run=true entitlement=device
	refused "network.host is not allowed" frontend=dockerfile.v0 opt.force-network-mode=host
	passes run=true network=2
}

@test "frontends, their options, contexts" {
	closed
	refused "frontend other than" frontend=other
	refused "\"gateway-devel\" is not known" frontend=gateway.v0 opt.gateway-devel=true
	refused "control group" frontend=dockerfile.v0 opt.cgroup-parent=/system.slice
	refused "on the host itself" frontend=dockerfile.v0 opt.context=http://127.0.0.1/x.tar
	refused "on the host itself" frontend=dockerfile.v0 opt.context:base=http://127.0.0.1/x.tar
	refused "in its usual form" frontend=dockerfile.v0 opt.context=http://127.1/x.tar
	refused "on the host itself" frontend=dockerfile.v0 opt.context=http://[::ffff:127.0.0.1]/x.tar
	refused "in its usual form" source=https://0x7f000001/x
	refused "must come from the client" frontend=dockerfile.v0 opt.context=file:///etc
	refused "on the host itself" source=http://127.0.0.1:1/x
	refused "must come from the client" source=git://example.com/x.git attr.git.fullurl=ext::sh
	refused "control group" run=true cgroup=/system.slice
	# What passes is the engine's own business: it has no such session.
	run -0 solve "$GUARD_SOCK" frontend=dockerfile.v0 opt.filename=Dockerfile opt.build-arg:X=1 opt.context=local:x
	lacks "$output" "enhanced container isolation"
}

@test "outputs and caches by type" {
	closed
	refused "another type than image" run=true exporter=exec
	refused "another type than image" run=true exporter2=exec
	for type in gha s3 azblob; do
		refused "cache of another type" run=true cache-to=$type
		refused "cache of another type" run=true cache-from=$type
	done
	refused "cache of another type" frontend=dockerfile.v0 opt.cache-imports='[{"type":"s3","Attrs":{}}]'
	refused "source policies" run=true policy=x
	passes run=true exporter=moby
}

@test "what cannot be read for certain is refused: unknown fields, fields twice, compression, two messages" {
	closed
	refused "field 99 is not known" run=true field=99
	refused "field 2 is there twice" run=true twice=2
	"$PYTHON" "$CAISSON_SRC/tests/lib/llb.py" run=true >"$ENGINE/solve"
	run -0 "$CALL" -f 1 "$GUARD_SOCK" "$SOLVE" <"$ENGINE/solve"
	assert_has "$output" "without compression"
	run -0 "$CALL" -H grpc-encoding=gzip "$GUARD_SOCK" "$SOLVE" <"$ENGINE/solve"
	assert_has "$output" "without compression"
	run -0 "$CALL" -t "$GUARD_SOCK" "$SOLVE" <"$ENGINE/solve"
	assert_has "$output" "not one message"
	run -0 "$CALL" "$GUARD_SOCK" "$SOLVE" <"$ENGINE/solve"
	assert_has "$output" "status 0"
}

@test "P14 A117 gRPC by prior knowledge of HTTP/2 is judged as behind a switch" {
	closed
	run -0 "$CALL" -n "$GUARD_SOCK" /moby.buildkit.v1.Control/ListWorkers </dev/null
	assert_match "$output" '^status 0 bytes [1-9]'
	"$PYTHON" "$CAISSON_SRC/tests/lib/llb.py" run='! grep -q 4294967295 /proc/self/uid_map' >"$ENGINE/solve"
	run -0 timeout 60 "$CALL" -n "$GUARD_SOCK" "$SOLVE" <"$ENGINE/solve"
	assert_has "$output" "status 0"
	"$PYTHON" "$CAISSON_SRC/tests/lib/llb.py" run=true network=1 >"$ENGINE/solve"
	run -0 "$CALL" -n "$GUARD_SOCK" "$SOLVE" <"$ENGINE/solve"
	assert_has "$output" "network.host is not allowed"
	run -0 timeout 20 "$CALL" -n "$GUARD_SOCK" /moby.buildkit.v1.Control/New </dev/null
	assert_has "$output" "status 12"
	# Where /grpc is refused, HTTP/2 says why, and not a byte of it is the engine's business.
	entitlements true
	eventually 20 raw_has "$GUARD_SOCK" 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' "network.host"
	# What only begins like it is malformed.
	run -0 raw send "$GUARD_SOCK" 'PRI * HTTP/2.0\r\nHost: a\r\n\r\nSM\r\n\r\n' 2
	assert_match "$output" '^HTTP/1.1 505'
	run -0 raw send "$GUARD_SOCK" 'PRI /grpc HTTP/2.0\r\n\r\n' 2
	assert_match "$output" '^HTTP/1.1 505'
}

# raw_has SOCKET BYTES WORDS - they are in the answer to these bytes
raw_has() {
	raw send "$1" "$2" 1 | tr -d '\0' | grep -qa "$3"
}

@test "methods that are not known or cannot be judged are refused" {
	closed
	run -0 timeout 20 "$CALL" -w "$GUARD_SOCK" /moby.buildkit.v1.Control/Session </dev/null
	assert_has "$output" "status 7"
	assert_has "$output" "POST /session"
	run -0 timeout 20 "$CALL" "$GUARD_SOCK" /moby.buildkit.v1.Control/New </dev/null
	assert_has "$output" "status 12"
	run -0 timeout 20 "$CALL" "$GUARD_SOCK" //moby.buildkit.v1.Control/Solve </dev/null
	assert_has "$output" "status 12"
	"$PYTHON" "$CAISSON_SRC/tests/lib/llb.py" bridge=1 run=true network=1 >"$ENGINE/solve"
	run -0 "$CALL" "$GUARD_SOCK" /moby.buildkit.v1.frontend.LLBBridge/Solve <"$ENGINE/solve"
	assert_has "$output" "network.host is not allowed"
}

@test "messages are larger than windows, up to 4 MiB" {
	closed
	passes run=true size=3000000
	"$PYTHON" "$CAISSON_SRC/tests/lib/llb.py" run=true size=5000000 >"$ENGINE/solve"
	run -0 timeout 30 "$CALL" "$GUARD_SOCK" "$SOLVE" <"$ENGINE/solve"
	assert_has "$output" "more than 4 MiB"
	passes run=true
}

@test "with isolation off nothing is read; switching it on ends such connections" {
	closed
	guard_isolation false
	run -0 solve "$GUARD_SOCK" run=true exporter=exec
	lacks "$output" "enhanced container isolation"
	"$CALL" -w "$GUARD_SOCK" /moby.buildkit.v1.Control/Session </dev/null >"$ENGINE/open" 2>&1 3>&- &
	local pid=$!
	sleep 1
	test -d "/proc/$pid"
	guard_isolation true
	eventually 5 ended "$pid"
	refused "another type than image" run=true exporter=exec
}

# guard_isolation true|false - what the settings say; loaded when this returns
guard_isolation() {
	jq --argjson on "$1" '.enhancedContainerIsolation = {locked: true, value: $on}' "$SETTINGS" >"$GUARD_SETTINGS"
	: >"$ENGINE/guard.log"
	kill -HUP "$(cat "$ENGINE/guard.pid")"
	eventually 5 grep -q 'settings loaded' "$ENGINE/guard.log"
	closed
}

@test "a runc that is not Caisson is found out" {
	runc_becomes peer
	: >"$ENGINE/guard.log"
	kill -HUP "$(cat "$ENGINE/guard.pid")"
	eventually 20 grep -q 'builds and services are refused' "$ENGINE/guard.log"
	for kit in 0 1; do
		DOCKER_BUILDKIT=$kit DOCKER_HOST=unix://$ENGINE_SOCK run -0 d build --progress plain --network none --no-cache \
			"$ENGINE/ctx"
		assert_has "$output" 4294967295
		DOCKER_BUILDKIT=$kit run -1 d build --network none --no-cache "$ENGINE/ctx"
		assert_has "$output" "which is not Caisson here"
	done
	runc_becomes caisson
	kill -HUP "$(cat "$ENGINE/guard.pid")"
	eventually 20 grpc_passes
}

# found_out WORDS - the guard says that builds are refused because of these
found_out() {
	eventually 20 grep -q "builds and services are refused.*$1" "$ENGINE/guard.log"
	DOCKER_BUILDKIT=1 run -1 d build --network none --no-cache "$ENGINE/ctx"
	assert_has "$output" "which is not Caisson here"
}

@test "a runc that only dockerd finds is found out, by BuildKit" {
	closed
	: >"$ENGINE/guard.log"
	mkdir -p "$ENGINE/other"
	ln -sf "$CAISSON_PEER" "$ENGINE/other/runc"
	PATH=$ENGINE/other:$PATH guard_restart_engine
	found_out "BuildKit's RUN steps have the host's ids"
	: >"$ENGINE/guard.log"
	guard_restart_engine
	eventually 20 grep -q 'its runc is Caisson' "$ENGINE/guard.log"
}

@test "a default runtime that is not Caisson is found out when the engine reloads its configuration" {
	closed
	: >"$ENGINE/guard.log"
	cp "$ENGINE/etc/daemon.json" "$ENGINE/etc/kept.json"
	jq --arg peer "$CAISSON_PEER" '.runtimes.plain.path = $peer | ."default-runtime" = "plain"' "$ENGINE/etc/kept.json" \
		>"$ENGINE/etc/daemon.json"
	kill -HUP "$(cat "$ENGINE/dockerd.pid")"
	found_out "(the engine's default) have the host's ids"
	: >"$ENGINE/guard.log"
	cp "$ENGINE/etc/kept.json" "$ENGINE/etc/daemon.json"
	kill -HUP "$(cat "$ENGINE/dockerd.pid")"
	eventually 20 grep -q 'its runc is Caisson' "$ENGINE/guard.log"
}

@test "the probes leave nothing behind" {
	assert_eq "$(DOCKER_HOST=unix://$ENGINE_SOCK d ps -aq --filter label=io.caisson.probe)" ""
	assert_eq "$(DOCKER_HOST=unix://$ENGINE_SOCK d images -aq --filter label=io.caisson.probe)" ""
}
