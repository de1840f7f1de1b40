# SPDX-License-Identifier: Apache-2.0
# What may be called through the Docker socket in a container (E69-E82, B1). The engine's runc is Caisson, so that builds
# are isolated and pass the guard.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/guard.bash
load ../lib/guard-api.bash
load ../lib/tools.bash
load ../lib/socket.bash

setup_file() {
	export BATS_TEST_TIMEOUT=180 ENGINE_SHADOW_RUNC=1
	socket_open || return 1
	# shellcheck disable=SC2046
	cc -std=gnu17 -D_GNU_SOURCE -O1 -static -o "$ENGINE/grpc-call" "$CAISSON_SRC/tests/helpers/grpc-call.c" \
		$(pkg-config --static --libs libnghttp2) || return 1
	# BuildKit is to grant nothing: else the guard lets nobody speak its own protocol.
	jq '.builder = {Entitlements: {"network-host": false, "security-insecure": false}}' "$ENGINE/etc/daemon.json" >"$ENGINE/etc/new.json"
	mv "$ENGINE/etc/new.json" "$ENGINE/etc/daemon.json"
	guard_restart_engine
	permit "img([\"$TOOL:*\", \"$REG/ci/other:*\"])"
}

teardown_file() {
	socket_close
}

setup() {
	permit "img([\"$TOOL:*\", \"$REG/ci/other:*\"])"
	allowed aa "$TOOL:1"
}

teardown() {
	socket_teardown
}

# commands TYPE NAMES - this list, NAMES a list of JSON
commands() {
	permit "img([\"$TOOL:*\", \"$REG/ci/other:*\"]) | cmd(\"$1\"; $2)"
}

# blocked ARGS... - docker in aa is told that the command is blocked, and it is in the audit
blocked() {
	capture_fail sock_d aa "$@"
	# Where the connection was to become a stream this client says the status alone.
	[[ $output == *"unable to upgrade to tcp, received 403"* ]] || assert_match "$output" 'enhanced container isolation: docker command "/[^"]*" is blocked; if you wish to allow it, configure the docker socket command list in the admin-settings' "$*" || return 1
	assert_eq "$(tail -n 1 "$GUARD_AUDIT" | jq -r '"\(.action) \(.rule)"')" "refused docker socket command" "$*"
}

# unblocked ARGS... - it may fail, but not for the list
unblocked() {
	output=$(sock_d aa "$@" 2>&1 </dev/null) || true
	refute_has "$output" "is blocked" "$*"
}

M7='enhanced container isolation: docker command "%s" is blocked; if you wish to allow it, configure the docker socket command list in the admin-settings.'

# m7 PATH - the whole message
m7() {
	# shellcheck disable=SC2059
	printf "$M7" "$1"
}

@test "E69 the list is about the socket in the container: clients on the host are not bothered" {
	commands deny '["ps", "push", "images"]'
	blocked ps
	blocked images
	run -0 d ps -q
	run -0 d images -q
	run -0 d push -q "$TOOL:1"
}

@test "E70 without a list all passes: docker push from inside" {
	run -0 sock_d aa tag "$TOOL:1" "$REG/ci/tool:pushed"
	run -0 sock_d aa push "$REG/ci/tool:pushed"
	run -0 in_net "$ENGINE_NET" curl -fsS "http://$REG/v2/ci/tool/tags/list"
	assert_has "$output" '"pushed"'
	rawd rmi "$REG/ci/tool:pushed"
}

@test "E71 deny, which is also the default: what is listed is blocked, the rest passes" {
	commands deny '["build", "push"]'
	rawd tag "$TOOL:1" "$REG/ci/tool:denied"
	blocked push "$REG/ci/tool:denied"
	run -0 in_net "$ENGINE_NET" curl -fsS "http://$REG/v2/ci/tool/tags/list"
	refute_has "$output" denied
	run -0 sock_d aa ps -q
	permit "img([\"$TOOL:*\"]) | .enhancedContainerIsolation.dockerSocketMount.commandList = {commands: [\"push\"]}"
	blocked push "$REG/ci/tool:denied"
	unblocked images
	rawd rmi "$REG/ci/tool:denied"
}

@test "E72 allow: what is listed passes, the rest does not; clients can still find out whom they talk to" {
	commands allow '["ps", "container*", "volume*"]'
	blocked images
	blocked network ls
	blocked plugin ls
	run -0 sock_d aa ps -q
	run -0 sock_d aa volume ls
	run -0 sock_d aa version -f '{{.Server.Version}}'
	sock_api aa HEAD /_ping
	assert_match "$output" '^HTTP/1.1 200'
	sock_api aa GET /v1.41/_ping
	assert_eq "$STATUS" 200
	commands allow '[]'
	blocked ps
	sock_api aa GET /_ping
	assert_eq "$STATUS" 200
}

@test "E73 each command of docker --help by its name" {
	local line name
	local -a args
	d create --name other "$IMAGE" true
	"$DOCKER" exec aa sh -c 'mkdir /ctx && echo FROM x >/ctx/Dockerfile'
	while IFS='|' read -r name line; do
		read -ra args <<<"$line"
		commands deny "[\"$name\"]"
		blocked "${args[@]}" || fail "$name"
	done <<-LIST
		attach|attach aa
		build|build -q /ctx
		commit|commit other x
		cp|cp aa:/etc/passwd /tmp/x
		create|create $IMAGE
		diff|diff aa
		events|events --until 0s
		exec|exec aa true
		export|export other
		history|history $IMAGE
		images|images
		import|import http://127.0.0.1:1/x
		info|info
		inspect|inspect aa
		kill|kill other
		logs|logs aa
		pause|pause aa
		port|port aa
		ps|ps
		pull|pull $TOOL:1
		push|push $TOOL:1
		rename|rename other other2
		restart|restart other
		rm|rm other
		rmi|rmi no-such
		run|run --rm $IMAGE true
		save|save $IMAGE
		search|search x
		start|start other
		stats|stats --no-stream aa
		stop|stop other
		tag|tag $IMAGE x
		top|top aa
		unpause|unpause aa
		update|update --memory 1g aa
		wait|wait other
	LIST
	[ "$(dstate other)" = created ]
}

@test "E73 aliases are the same command" {
	commands deny '["image rm", "container ls"]'
	blocked rmi no-such
	blocked ps
	commands deny '["rmi"]'
	blocked image rm no-such
}

@test "E74 the six wildcards, and what they leave alone" {
	commands deny '["container*"]'
	blocked ps
	blocked exec aa true
	blocked run --rm "$IMAGE" true
	unblocked images
	unblocked volume ls
	commands deny '["image*"]'
	blocked images
	blocked pull "$TOOL:1"
	blocked save "$IMAGE"
	unblocked ps
	commands deny '["volume*"]'
	blocked volume ls
	blocked volume create x
	unblocked network ls
	commands deny '["network*"]'
	blocked network ls
	blocked network create x
	unblocked volume ls
	commands deny '["build*"]'
	blocked builder prune -f
	unblocked images
	commands deny '["system*"]'
	blocked info
	blocked events --until 0s
	blocked system df
	unblocked ps
}

@test "E75 B1 M7 push is 403, with the request's path, version and query in the message" {
	local p
	commands deny '["push"]'
	for p in '/v1.41/images/myimage/push?tag=latest' '/images/127.0.0.1:5000/ci/tool/push' '/v1.24/images/a/b/c/push?tag=x&y=z'; do
		sock_api aa POST "$p"
		assert_eq "$STATUS" 403 "$p: $output"
		assert_eq "$(jq -r 'keys == ["message"], .message' <<<"$output")" $'true\n'"$(m7 "$p")"
	done
	commands deny '[]'
	sock_api aa POST '/v1.41/images/myimage/push?tag=latest'
	refute_match "$STATUS" '^403$'
}

@test "E76 one list for all containers that have the socket" {
	allowed bb "$REG/ci/other:1"
	commands deny '["images"]'
	blocked images
	capture_fail sock_d bb images
	assert_has "$output" "is blocked"
}

@test "E77 L15 every group can be named, compose too" {
	commands deny '["compose", "dev", "extension", "feedback", "init", "manifest", "plugin", "sbom", "scout", "trust"]'
	blocked plugin ls
	commands deny '["trust", "scout", "manifest"]'
	unblocked ps
	commands allow '["compose"]'
	run -0 sock_d aa ps -q
	blocked plugin ls
	commands deny '["plugin*", "swarm*", "node", "service", "secret", "config", "stack"]'
	blocked plugin ls
	blocked node ls
	blocked service ls
	blocked secret ls
	blocked config ls
	blocked swarm ca
}

@test "E78 plugin and login" {
	commands deny '["plugin", "login"]'
	blocked plugin ls
	sock_api aa POST /v1.41/auth '{"username":"a","password":"b"}'
	assert_eq "$STATUS" 403 "$output"
	assert_eq "$(jq -r .message <<<"$output")" "$(m7 /v1.41/auth)"
	unblocked ps
}

@test "E79 B1 settings that can not be read change nothing, and a guard that starts with them lets nothing pass" {
	commands deny '["push"]'
	printf '{"enhancedContainerIsolation": {' >"$GUARD_SETTINGS"
	guard_reload 'admin-settings.json'
	blocked push "$TOOL:1"
	# A command that nobody knows is a list that would not hold.
	jq '.enhancedContainerIsolation.dockerSocketMount.commandList = {type: "deny", commands: ["psuh"]}' "$ENGINE/base.json" >"$GUARD_SETTINGS"
	guard_reload 'psuh.*push'
	blocked push "$TOOL:1"
	guard_stop
	run guard_start
	[ "$status" -ne 0 ]
	DOCKER_HOST=unix://$ENGINE_SOCK SOCK_TIME=3 sock_api aa POST '/v1.41/images/myimage/push?tag=latest'
	assert_eq "$STATUS" 000
	cp "$ENGINE/base.json" "$GUARD_SETTINGS"
	guard_start
	commands deny '["push"]'
	blocked push "$TOOL:1"
}

@test "E81 an endpoint has one class, however it is written" {
	local p
	commands deny '["push"]'
	for p in /images/x/push /v1.41/images/x/push /v1.99/images/x/push /images/a/b/push '/images/x/push?' '/images/x/%70ush' '/images/%78/push' \
		'/images/a%2Fb/push' //images/x/push /images//x/push /images/./x/push /images/y/../x/push /v1.41//images/x/push '/images/x/push/' '/v1.41/v1.41/images/x/push'; do
		sock_api aa POST "$p"
		assert_match "$STATUS" '^(400|403|404|501)$' "$p: $output"
		[ "$STATUS" != 404 ] || refute_has "$output" "does not exist" "$p"
		refute_has "$output" "An image does not exist locally" "$p"
	done
	commands deny '["import"]'
	sock_api aa POST '/images/create?fromSrc=http://127.0.0.1:1/x'
	assert_eq "$STATUS" 403 "$output"
	assert_has "$output" "is blocked"
	sock_api aa POST '/images/create?fromImage=127.0.0.1:1/x'
	refute_has "$output" "is blocked"
	commands deny '["pull"]'
	sock_api aa POST '/images/create?fromImage=127.0.0.1:1/x'
	assert_has "$output" "is blocked"
}

@test "E81 every request of a connection is judged, not the first alone" {
	commands deny '["push", "exec"]'
	run -0 timeout 20 "$DOCKER" exec aa sh -c '{ printf "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\nPOST /images/x/push HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\nGET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"; sleep 2; } |
		socat -t5 - UNIX-CONNECT:/var/run/docker.sock'
	assert_match "$output" '200 OK.*403 Forbidden.*/images/x/push'
}

@test "E81 L32 push denied is push denied in BuildKit, too" {
	commands deny '["push"]'
	printf 'FROM %s\nRUN true\n' "$IMAGE" >"$BATS_TEST_TMPDIR/Dockerfile"
	rawd cp "$BATS_TEST_TMPDIR/Dockerfile" aa:/Dockerfile
	"$DOCKER" exec aa mkdir -p /ctx
	"$DOCKER" exec aa mv /Dockerfile /ctx/
	DOCKER_BUILDKIT=1 run -0 timeout 80 "$DOCKER" exec -e DOCKER_BUILDKIT=1 aa docker build -q -t built /ctx
	rawd rmi built
	commands deny '["build"]'
	# Where the connection was to become a stream this client says the status alone.
	capture_fail timeout 80 "$DOCKER" exec -e DOCKER_BUILDKIT=1 aa docker build -q -t built /ctx
	assert_match "$output" "is blocked|received 403"
	capture_fail timeout 80 "$DOCKER" exec -e DOCKER_BUILDKIT=0 aa docker build -q -t built /ctx
	assert_has "$output" "is blocked"
}

# solve [OPTION=VALUE...] - a build by BuildKit's own protocol through aa's socket; see llb.py
solve() {
	"$PYTHON" "$CAISSON_SRC/tests/lib/llb.py" "$@" | timeout 60 "$DOCKER" exec -i aa /grpc-call "$HOST_SOCK" /moby.buildkit.v1.Control/Solve
}

solves() {
	solve "$@" | grep -q '^status 0'
}

@test "E81 L32 a build that pushes is a push: by exporter, by its option, by cache; where build is denied BuildKit is not spoken to" {
	local o
	rawd cp "$ENGINE/grpc-call" aa:/grpc-call
	eventually 20 solves run=true
	commands deny '["push"]'
	solves run=true exporter=moby out.name=x out.push=false
	for o in out.push=true out.push= out.push=1; do
		run -0 solve run=true exporter=moby out.name="$TOOL:built" "$o"
		assert_has "$output" 'docker command "build --push" is blocked'
	done
	run -0 solve run=true cache-to=registry
	assert_has "$output" "is blocked"
	commands deny '["build"]'
	run -1 solve run=true
	assert_has "$output" "http 403"
	commands allow '["build*"]'
	solves run=true
	run -0 solve run=true exporter=moby out.name="$TOOL:built" out.push=true
	assert_has "$output" "is blocked"
}

@test "E82 other wildcards and arguments are refused by name, and the settings before stay" {
	local name
	commands deny '["push"]'
	for name in 'docker*' 'pu*' '*' 'run --privileged' ''; do
		jq --arg n "$name" '.enhancedContainerIsolation.dockerSocketMount.commandList = {type: "deny", commands: [$n]}' "$ENGINE/base.json" >"$GUARD_SETTINGS"
		guard_reload 'commandList'
		blocked push "$TOOL:1"
	done
}
