# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Docker sockets in containers: an engine, a registry beside it, and a guard in front, with images in both places.
# Registry, engine and guard share a network namespace, so that 127.0.0.1 is the same for all of them.

REG=127.0.0.1:5000
TOOL=$REG/ci/tool
HOST_SOCK=/var/run/docker.sock

# socket_open - what the tests of a file share. TOOL:1 (docker, curl, socat) and REG/ci/other:1 are in the registry.
socket_open() {
	docker_open runc || return 1
	SECRET=$ENGINE/secret
	SOCKETS=$ENGINE/s
	export SECRET SOCKETS
	mkdir -p "$SECRET" "$SHARE/a"
	echo shared >"$SHARE/a/file"
	socket_registry || return 1
	tools_image "$TOOL:1" /usr/bin/docker curl socat || return 1
	"$DOCKER" push -q "$TOOL:1" >/dev/null || return 1
	variant "$REG/ci/other:1" "$TOOL:1" other && "$DOCKER" push -q "$REG/ci/other:1" >/dev/null || return 1
	socket_guard
}

# socket_guard - the guard, and a runtime that reads the guard's settings
socket_guard() {
	export GUARD_NET=$ENGINE_NET
	mkdir -p "$ENGINE/guard"
	jq --arg dir "$SOCKETS" '.caisson.dockerSocket.directory = $dir' "$SETTINGS" >"$ENGINE/base.json"
	cp "$ENGINE/base.json" "$ENGINE/guard/admin-settings.json"
	jq --arg s "$ENGINE/guard/admin-settings.json" '.runtimes["sysbox-runc"].runtimeArgs = ["--settings", $s]' \
		"$ENGINE/etc/daemon.json" >"$ENGINE/etc/daemon.new" && mv "$ENGINE/etc/daemon.new" "$ENGINE/etc/daemon.json"
	kill -HUP "$(cat "$ENGINE/dockerd.pid")"
	[ -z "${ENGINE_SHADOW_RUNC:-}" ] || SETTINGS=$ENGINE/guard/admin-settings.json runc_shadow
	guard_open
}

socket_close() {
	guard_close
	keeper_stop
	registry_end
	docker_close
}

# keeper_stop - the keeper outlives the guard: it is ended by the run that started it
keeper_stop() {
	local pid
	for pid in $(pids_marked "$ENGINE/guard-state"); do
		kill -KILL "$pid" 2>/dev/null
	done
	return 0
}

# ---- registry -----------------------------------------------------------------------------------------------------

# socket_registry - Debian's registry in the engine's network namespace, without TLS and authentication
socket_registry() {
	mkdir -p "$ENGINE/registry"
	cat >"$ENGINE/registry.yml" <<-YAML
		version: 0.1
		log: {level: warn}
		storage: {filesystem: {rootdirectory: $ENGINE/registry}, delete: {enabled: true}}
		http: {addr: "$REG"}
	YAML
	spawn "$ENGINE/registry.log" nsenter --net="$ENGINE_NET" -- docker-registry serve "$ENGINE/registry.yml" >"$ENGINE/registry.pid"
	eventually 20 in_net "$ENGINE_NET" curl -fsS "http://$REG/v2/"
}

registry_end() {
	local pid
	pid=$(cat "$ENGINE/registry.pid" 2>/dev/null) || return 0
	kill -TERM "$pid" 2>/dev/null
	eventually 10 ended "$pid"
}

# ---- images -------------------------------------------------------------------------------------------------------

# variant NAME BASE TEXT [CHANGE...] - BASE with one more layer, made by the engine itself
variant() {
	local name=$1 base=$2 text=$3 dir c
	dir=$(mktemp -d "$ENGINE/variant.XXXXXX")
	shift 3
	printf '%s\n' "$text" >"$dir/variant"
	{
		printf 'FROM %s\nCOPY variant /variant\n' "$base"
		for c; do
			printf '%s\n' "$c"
		done
	} >"$dir/Dockerfile"
	DOCKER_BUILDKIT=0 DOCKER_HOST=unix://$ENGINE/d.sock "$DOCKER" build -q -t "$name" "$dir" >/dev/null
	local status=$?
	rm -rf "$dir"
	return $status
}

# published NAME BASE TEXT - the same, in the registry and here
published() {
	variant "$@" && DOCKER_HOST=unix://$ENGINE/d.sock "$DOCKER" push -q "$1" >/dev/null
}

# repo_digest NAME - the digest under which the registry has it
repo_digest() {
	local name=${1#"$REG/"}
	in_net "$ENGINE_NET" curl -fsSI -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' \
		-H 'Accept: application/vnd.oci.image.manifest.v1+json' -H 'Accept: application/vnd.oci.image.index.v1+json' \
		"http://$REG/v2/${name%:*}/manifests/${name##*:}" | tr -d '\r' | awk 'tolower($1) == "docker-content-digest:" {printf "%s", $2}'
}

# ---- settings -----------------------------------------------------------------------------------------------------

# permit JQ_FILTER - settings of these tests, changed by the filter; loaded when it returns. `img` is the list of images,
# `cmd` the command list, `own` caisson.dockerSocket.
permit() {
	local before
	before=$(wc -l <"$ENGINE/guard.log")
	jq "def img(\$l): .enhancedContainerIsolation.dockerSocketMount.imageList.images = \$l;
		def derived: .enhancedContainerIsolation.dockerSocketMount.imageList.allowDerivedImages = true;
		def cmd(\$t; \$l): .enhancedContainerIsolation.dockerSocketMount.commandList = {type: \$t, commands: \$l};
		def own(\$o): .caisson.dockerSocket += \$o;
		$1" "$ENGINE/base.json" >"$GUARD_SETTINGS.new" && mv "$GUARD_SETTINGS.new" "$GUARD_SETTINGS" || return 1
	kill -HUP "$(cat "$ENGINE/guard.pid")"
	eventually 5 says_since "$before" 'settings loaded'
}

# ---- containers with the socket -----------------------------------------------------------------------------------

# with_sock NAME [IMAGE [FLAGS...]] - a running container that has the engine's socket
with_sock() {
	local name=$1 image=${2:-$TOOL:1}
	shift $(($# > 2 ? 2 : $#))
	"$DOCKER" run -d --name "$name" -v "$HOST_SOCK:$HOST_SOCK" --network none "$@" "$image" \
		sh -c 'trap "exit 0" TERM; while :; do sleep 3600 & wait $!; done'
}

# sock_api NAME METHOD TARGET [BODY] - a request through the socket in that container; sets STATUS and output. SOCK_TIME:
# seconds to wait for the answer.
sock_api() {
	local name=$1 method=$2 target=$3 body=${4-}
	local -a data=(-H "Content-Length: 0")
	[ -z "$body" ] || data=(-H "Content-Type: application/json" -H Expect: --data-binary "$body")
	[ "$method" != GET ] || data=()
	[ "$method" != HEAD ] || data=(-I)
	output=$(timeout 60 "$DOCKER" exec "$name" curl -sS --max-time "${SOCK_TIME:-50}" --path-as-is -g --unix-socket "$HOST_SOCK" \
		-X "$method" "${data[@]}" -w '\n%{http_code}' "http://docker$target" 2>&1) || true
	STATUS=${output##*$'\n'}
	STATUS=${STATUS:0:3} # what else went to standard error may follow
	output=${output%$'\n'*}
}

# sock_d NAME ARGS... - docker in that container
sock_d() {
	local name=$1
	shift
	timeout 80 "$DOCKER" exec "$name" docker "$@"
}

# allowed NAME IMAGE [FLAGS...] - a container of the image gets a socket that answers
allowed() {
	with_sock "$@" || fail "not allowed: $*" || return 1
	sock_api "$1" GET /_ping
	assert_eq "$STATUS $output" "200 OK" "$*" && filtered "$1"
}

# filtered NAME - what is mounted in the container is a socket of its own, not the engine's or the guard's
filtered() {
	local source
	source=$(rawd inspect -f '{{range .Mounts}}{{if eq .Type "bind"}}{{.Source}}{{end}}{{end}}' "$1")
	assert_match "$source" "^$SOCKETS/[0-9a-f]{32}/docker\.sock$" "$1"
}

# denied WORDS IMAGE [FLAGS...] - it is refused by the guard, and nothing is made
denied() {
	local words=$1 image=$2 before
	shift 2
	before=$(rawd ps -aqf ancestor="$image" | wc -l)
	output=$("$DOCKER" run -d -v "$HOST_SOCK:$HOST_SOCK" --network none "$@" "$image" sleep 60 2>&1) &&
		fail "allowed: $image: $output" && return 1
	assert_has "$output" "$words" "$image" || return 1
	assert_eq "$(rawd ps -aqf ancestor="$image" | wc -l)" "$before" "containers after a refusal"
}

# not_listed IMAGE - the words of M5
not_listed() {
	printf 'enhanced container isolation: Docker socket mount denied for container with image "%s"; image is not in the allowed list.' "$1"
}

# socket_teardown - after each test: no container, nothing granted any more
socket_teardown() {
	local ids
	ids=$(rawd ps -aq)
	# shellcheck disable=SC2086
	[ -z "$ids" ] || rawd rm -fv $ids >/dev/null 2>&1
	rawd volume prune -f >/dev/null 2>&1
	rawd network prune -f >/dev/null 2>&1
	eventually 10 no_grants
}

# no_grants - none but those that no container was ever started with: they are kept for some minutes
no_grants() {
	local f t
	for f in "$ENGINE/guard-state/grants"/*.json; do
		[ -e "$f" ] || continue
		jq -e '.container == ""' "$f" >/dev/null || return 1
	done
	for t in "$SOCKETS"/*; do
		[ ! -e "$t" ] || [ -e "$ENGINE/guard-state/grants/${t##*/}.json" ] || return 1
	done
}
