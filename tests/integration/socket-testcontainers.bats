# SPDX-License-Identifier: Apache-2.0
# Testcontainers (the package of npm) with its reaper, in a container that has the Docker socket. The flow first runs
# on the engine's own socket under runc: it is right, and what it needs is there.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/guard.bash
load ../lib/guard-api.bash
load ../lib/inner.bash
load ../lib/tools.bash
load ../lib/socket.bash

SUITE=$REG/ci/suite:1
RYUK=$REG/testcontainers/ryuk:0.11.0
SMALL=$REG/ci/small:1

setup_file() {
	export BATS_TEST_TIMEOUT=300
	local dir
	docker_open runc
	SOCKETS=$ENGINE/s
	export SOCKETS
	socket_registry
	inner_import testcontainers
	"$DOCKER" tag "$IMAGE" "$SMALL"
	dir=$ENGINE/build
	mkdir -p "$dir"
	cp "$INNER_NPM"/*.js "$dir/"
	printf 'FROM caisson-test/testcontainers\nWORKDIR /app\nCOPY flow.js /app/\nCMD ["node", "flow.js"]\n' >"$dir/Dockerfile"
	DOCKER_BUILDKIT=0 "$DOCKER" build -q -t "$SUITE" "$dir"
	printf 'FROM caisson-test/testcontainers\nCOPY reaper.js /app/\nENV RYUK_RECONNECTION_TIMEOUT=2\nCMD ["node", "/app/reaper.js"]\n' >"$dir/Dockerfile"
	DOCKER_BUILDKIT=0 "$DOCKER" build -q -t "$RYUK" "$dir"
	"$DOCKER" push -q "$SUITE"
	"$DOCKER" push -q "$RYUK"
	"$DOCKER" push -q "$SMALL"
	socket_guard
}

teardown_file() {
	socket_close
}

teardown() {
	socket_teardown
}

# flow SOCKET [FLAGS...] - run it with that socket of the host
flow() {
	local sock=$1
	shift
	timeout 200 "$DOCKER" run --rm --name suite -v "$sock:$HOST_SOCK" -e FLOW_IMAGE="$SMALL" \
		-e TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX="$REG" -e TESTCONTAINERS_HOST_OVERRIDE="$ENGINE_SUBNET.1" \
		"$@" "$SUITE" 2>&1
}

reaped() {
	[ "$(rawd ps -aq | wc -l)" = 0 ] && [ "$(rawd network ls -qf type=custom | wc -l)" = 0 ]
}

@test "control: the flow and the reaper work with the engine's own socket" {
	export DOCKER_HOST=unix://$ENGINE_SOCK
	run -0 flow "$ENGINE_SOCK" -e TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE="$ENGINE_SOCK"
	assert_match "$output" '^ok network.*ok start.*ok port.*ok exec.*ok logs.*map 0 0 4294967295.*ok alias.*ok stop.*left '
	eventually 30 reaped
}

@test "U18 E80 an allowed suite runs to the end, what it starts is isolated, and its reaper removes what was left" {
	permit "img([\"$REG/ci/suite\", \"$REG/ci/suite:1\", \"$REG/testcontainers/ryuk:*\"])"
	run -0 flow "$HOST_SOCK"
	assert_match "$output" '^ok network.*ok start.*ok port.*ok exec.*ok logs.*map 0 [1-9][0-9]* 65536.*ok alias.*ok stop.*left '
	eventually 30 reaped
	eventually 10 no_grants
}

@test "U18 with ownOnly, a suite runs to the end, and nothing of others is touched" {
	dbg bystander --label org.testcontainers=true
	d network create bystander
	permit "own({images: [{image: \"$REG/ci/suite:1\", ownOnly: true}, {image: \"$REG/testcontainers/ryuk:*\", ownOnly: true}]})"
	run -0 flow "$HOST_SOCK"
	assert_match "$output" 'ok start.*ok port.*ok exec.*ok logs.*ok alias.*ok stop.*left '
	only_bystander() { [ "$(rawd ps -aq | wc -l)" = 1 ] && [ "$(rawd network ls -qf type=custom | wc -l)" = 1 ]; }
	eventually 30 only_bystander
	assert_eq "$(dstate bystander)" running
}

@test "U18 two suites at once do not disturb each other" {
	permit "own({images: [{image: \"$REG/ci/suite:1\", ownOnly: true}, {image: \"$REG/testcontainers/ryuk:*\", ownOnly: true}]})"
	bg_run bash -c 'timeout 200 "$0" run --rm --name two -v "$1:$1" "${@:2}" >"$BATS_TEST_TMPDIR/two" 2>&1; echo "status $?" >>"$BATS_TEST_TMPDIR/two"' \
		"$DOCKER" "$HOST_SOCK" -e FLOW_IMAGE="$SMALL" -e TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX="$REG" \
		-e TESTCONTAINERS_HOST_OVERRIDE="$ENGINE_SUBNET.1" "$SUITE"
	run -0 flow "$HOST_SOCK"
	bg_wait
	assert_match "$(cat "$BATS_TEST_TMPDIR/two")" 'ok start.*left .*status 0'
	eventually 30 reaped
}

@test "E47 M5 a suite that is not listed is refused with the text that says what to do" {
	permit "img([\"$REG/testcontainers/ryuk:*\"])"
	run -125 flow "$HOST_SOCK"
	assert_has "$output" "$(not_listed "$REG/ci/suite")"
}

@test "E80 E47 a reaper that is not listed is refused in the suite, with the same text; without it the rest works" {
	permit "img([\"$REG/ci/suite:1\"])"
	run -1 flow "$HOST_SOCK"
	assert_has "$output" "$(not_listed "$REG/testcontainers/ryuk")"
	run -0 flow "$HOST_SOCK" -e TESTCONTAINERS_RYUK_DISABLED=true
	assert_has "$output" "ok stop"
}

@test "U18 the cleaner needs no more commands than the guides list for it" {
	permit "own({images: [{image: \"$REG/ci/suite:1\"}, {image: \"$REG/testcontainers/ryuk:*\",
		commandList: {type: \"allow\", commands: [\"ps\", \"rm\", \"images\", \"rmi\", \"image prune\", \"network*\", \"volume*\"]}}]})"
	run -0 flow "$HOST_SOCK"
	assert_has "$output" "ok stop"
	eventually 30 reaped
}

@test "E72 E77 the commands that the suite needs are enough" {
	permit "img([\"$REG/ci/suite:1\", \"$REG/testcontainers/ryuk:*\"]) | cmd(\"allow\"; [\"container*\", \"network*\", \"info\", \"images\", \"inspect\", \"pull\", \"rmi\", \"volume ls\"])"
	run -0 flow "$HOST_SOCK"
	assert_has "$output" "ok stop"
	eventually 30 reaped
	permit "img([\"$REG/ci/suite:1\", \"$REG/testcontainers/ryuk:*\"]) | cmd(\"deny\"; [\"exec\"])"
	run -1 flow "$HOST_SOCK"
	assert_match "$output" 'docker command .*/containers/[0-9a-f]+/exec.* is blocked'
}
