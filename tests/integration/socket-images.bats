# SPDX-License-Identifier: Apache-2.0
# Which images may have the Docker socket: by what their registry has, not by their names (E47-E68, L14-L19).

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/guard.bash
load ../lib/guard-api.bash
load ../lib/tools.bash
load ../lib/registry.bash
load ../lib/socket.bash

DENIED="enhanced container isolation: Docker socket mount denied for container with image"

setup_file() {
	export BATS_TEST_TIMEOUT=180
	socket_open || return 1
	# Two tags of one name, with contents of their own.
	published "$REG/ci/tag:1" "$TOOL:1" one && published "$REG/ci/tag:2" "$TOOL:1" two &&
		published "$REG/ci/tag:latest" "$TOOL:1" latest
}

teardown_file() {
	registry_close
	socket_close
}

teardown() {
	registry_up
	socket_teardown
}

registry_up() {
	in_net "$ENGINE_NET" curl -fsS "http://$REG/v2/" >/dev/null 2>&1 || socket_registry
}

# upstream NAME TEXT - the registry gets other contents under this name; the local image stays
upstream() {
	rawd tag "$1" keep:1 && published "$1" "$TOOL:1" "$2" && rawd tag keep:1 "$1" && rawd rmi keep:1 >/dev/null
}

# fast - digests are asked for each time
FAST='own({digestMaxAge: 0})'

# ---- the default, and every way to ask -------------------------------------------------------------------------------

@test "E47 E49 M6 nothing is listed: refused, and said so; without the guard it works" {
	run -0 rawd run --rm --network none -v "$ENGINE_SOCK:$HOST_SOCK" "$TOOL:1" test -S "$HOST_SOCK"
	permit .
	denied "$DENIED \"$TOOL\"; allowed image list is empty." "$TOOL:1"
	assert_eq "$(audited)" "docker socket enhancedContainerIsolation.dockerSocketMount.imageList"
	permit 'img([])'
	denied "allowed image list is empty." "$TOOL:1"
}

@test "E47 E50 M5 an image that is not listed is refused, by its canonical name without the tag" {
	permit "img([\"$TOOL:1\"])"
	denied "$(not_listed "$REG/ci/other") If you wish to allow it, add the image name to the Docker socket image list" "$REG/ci/other:1"
	rawd tag "$REG/ci/other:1" other:cli
	denied "$(not_listed docker.io/library/other)" other:cli
	allowed aa "$TOOL:1"
	run -0 sock_d aa ps --format '{{.Names}}'
	assert_eq "$output" aa
}

# requests SOURCE - every way to have it mounted, one body a line
requests() {
	local image="\"Image\":\"$2\",\"Cmd\":[\"sleep\",\"60\"]"
	printf '{%s,"HostConfig":{"Binds":["%s:%s"]}}\n' "$image" "$1" "$HOST_SOCK"
	printf '{%s,"HostConfig":{"Binds":["%s:%s:rw,rprivate"]}}\n' "$image" "$1" "$HOST_SOCK"
	printf '{%s,"hostconfig":{"BINDS":["%s:%s"]}}\n' "$image" "$1" "$HOST_SOCK"
	printf '{%s,"HostConfig":{"Mounts":[{"Type":"bind","Source":"%s","Target":"%s"}]}}\n' "$image" "$1" "$HOST_SOCK"
	printf '{%s,"HostConfig":{"Mounts":[{"Type":"bind","Source":"%s","Target":"%s","BindOptions":{"CreateMountpoint":true}}]}}\n' \
		"$image" "$1" "$HOST_SOCK"
	printf '{%s,"HostConfig":{"Mounts":[{"type":"bind","s\\u006furce":"%s","target":"%s"}]}}\n' "$image" "$1" "$HOST_SOCK"
}

@test "E48 B2 every way to ask for the socket ends in the same decision" {
	local s body id
	ln -sfn "$GUARD_SOCK" "$SHARE/guard"
	ln -sfn guard "$SHARE/innocent"
	permit "img([\"$TOOL:1\"])"
	for s in "$HOST_SOCK" /run/docker.sock /var/run/./docker.sock //var/run//docker.sock "$GUARD_SOCK" "$SHARE/innocent" "$SHARE/guard"; do
		while read -r body; do
			api "$GUARD_SOCK" POST /v1.41/containers/create "$body"
			assert_eq "$STATUS" 403 "$body: $output"
			assert_has "$output" "ocker socket mount denied" "$body"
		done < <(requests "$s" "$REG/ci/other:1")
		while read -r body; do
			api "$GUARD_SOCK" POST /v1.41/containers/create "$body"
			assert_eq "$STATUS" 201 "$body: $output"
			id=$(jq -r .Id <<<"$output")
			filtered "$id"
		done < <(requests "$s" "$TOOL:1")
		api "$GUARD_SOCK" POST "/v1.41/containers/$id/start"
		assert_eq "$STATUS" 204 "$s: $output"
		sock_api "$id" GET /_ping
		assert_eq "$STATUS $output" "200 OK" "$s"
		d rm -f "$id"
	done
	rm "$SHARE/innocent" "$SHARE/guard"
}

@test "B2 docker run --use-api-socket" {
	local cli=/usr/local/bin/docker
	if "$cli" run --help 2>/dev/null | grep -q use-api-socket; then
		permit "img([\"$TOOL:1\"])"
		run -125 "$cli" run --rm --network none --use-api-socket "$REG/ci/other:1" true
		assert_has "$output" "$(not_listed "$REG/ci/other")"
		run -0 "$cli" run --rm --network none --use-api-socket "$TOOL:1" docker ps -q
		assert_match "$output" '^[0-9a-f]{12}$'
	fi
	# What such a client sends.
	permit "img([\"$TOOL:1\"])"
	api "$GUARD_SOCK" POST /v1.49/containers/create "{\"Image\":\"$REG/ci/other:1\",\"Env\":[\"DOCKER_CONFIG=/run/secrets/docker\"],
		\"HostConfig\":{\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"$HOST_SOCK\",\"Target\":\"$HOST_SOCK\",\"BindOptions\":{\"CreateMountpoint\":true}}]}}"
	assert_match "$STATUS $output" '^4.*ocker socket mount denied|API version|client version'
}

@test "E48 the engine's own socket, and those of other engines, are never handed through" {
	local s
	permit 'img(["*"])'
	for s in "$CONTAINERD_SOCK" /run/containerd/containerd.sock /run/podman/podman.sock /run/buildkit/buildkitd.sock /run/crio/crio.sock; do
		control POST /containers/create "$(with "\"HostConfig\":{\"Binds\":[\"$s:/s\"]}")"
		barred "ocker socket mount denied" "docker socket" POST /containers/create "$(with "\"HostConfig\":{\"Binds\":[\"$s:/s\"]}")"
	done
	api "$GUARD_SOCK" POST /containers/create "$(with "\"HostConfig\":{\"Binds\":[\"$ENGINE_SOCK:/s\"]}")"
	[ "$STATUS" = 403 ] || filtered "$(jq -r .Id <<<"$output")"
	for s in "$ENGINE" "${GUARD_SOCK%/*}" /run /var/run "$SOCKETS"; do
		barred "restricted host mount" "restricted host mount" POST /containers/create "$(with "\"HostConfig\":{\"Binds\":[\"$s:/s\"]}")"
	done
}

@test "E69 E47 other users of the host see the container's socket nowhere" {
	permit "img([\"$TOOL:1\"])"
	allowed aa "$TOOL:1"
	assert_match "$(stat -c '%U %a' "$SOCKETS")" '^root 7(00|11)$'
	run setpriv --reuid 1000 --regid "$(stat -c %g "$GUARD_SOCK")" --clear-groups ls "$SOCKETS"
	assert_has "$output" "Permission denied"
	run setpriv --reuid 1000 --regid "$(stat -c %g "$GUARD_SOCK")" --clear-groups curl -sS --unix-socket \
		"$(rawd inspect -f '{{range .Mounts}}{{.Source}}{{end}}' aa)" http://d/_ping
	[ "$status" -ne 0 ]
}

# ---- entries ------------------------------------------------------------------------------------------------------

@test "E51 an entry without a tag is :latest, with a tag it is that tag" {
	permit "img([\"$REG/ci/tag\"])"
	allowed aa "$REG/ci/tag:latest"
	denied "$(not_listed "$REG/ci/tag")" "$REG/ci/tag:1"
	permit "img([\"$REG/ci/tag:1\"])"
	allowed bb "$REG/ci/tag:1"
	denied "$(not_listed "$REG/ci/tag")" "$REG/ci/tag:2"
	denied "$(not_listed "$REG/ci/tag")" "$REG/ci/tag"
}

@test "E52 an entry name:* is any tag of that name, and of no other" {
	permit "img([\"$REG/ci/tag:*\"])"
	allowed aa "$REG/ci/tag:1"
	allowed bb "$REG/ci/tag:2"
	allowed cc "$REG/ci/tag"
	denied "$(not_listed "$REG/ci/other")" "$REG/ci/other:1"
}

@test "E53 an entry name@digest is that digest: of a manifest, of an index, also with a tag" {
	local one index
	one=$(repo_digest "$REG/ci/tag:1")
	permit "img([\"$REG/ci/tag@$one\"])"
	allowed aa "$REG/ci/tag:1"
	denied "ocker socket mount denied" "$REG/ci/tag:2"
	permit "img([\"$REG/ci/tag:2@$one\"])"
	allowed bb "$REG/ci/tag:1"
	denied "ocker socket mount denied" "$REG/ci/tag:2"
	# An index over the manifest: what an engine that pulls it knows is the index's digest.
	index=$(index_of ci/tag "$one" multi)
	rawd rmi -f "$REG/ci/tag:multi" >/dev/null 2>&1 || true
	d pull -q "$REG/ci/tag:multi"
	assert_has "$(rawd image inspect -f '{{.RepoDigests}}' "$REG/ci/tag:multi")" "$index"
	permit "img([\"$REG/ci/tag@$index\"])"
	allowed cc "$REG/ci/tag:multi"
	denied "ocker socket mount denied" "$REG/ci/tag:2"
	permit "img([\"$REG/ci/tag:multi\"])"
	allowed dd "$REG/ci/tag:multi"
	permit "img([\"$REG/ci/tag@sha256:$(printf '%064d' 1)\"])"
	denied "ocker socket mount denied" "$REG/ci/tag:1"
	rawd rmi "$REG/ci/tag:multi"
}

# index_of REPOSITORY DIGEST TAG - put an index of this manifest for this machine into the registry; prints its digest
index_of() {
	local url=http://$REG/v2/$1/manifests body type=application/vnd.docker.distribution.manifest
	local size arch
	size=$(in_net "$ENGINE_NET" curl -fsSI -H "Accept: $type.v2+json" "$url/$2" | tr -d '\r' | awk 'tolower($1) == "content-length:" {print $2}')
	arch=$(rawd version -f '{{.Server.Arch}}')
	body=$(jq -nc --arg t "$type" --arg d "$2" --arg a "$arch" --argjson s "$size" '{schemaVersion: 2, mediaType: ($t + ".list.v2+json"), manifests: [
		{mediaType: ($t + ".v2+json"), digest: $d, size: $s, platform: {architecture: $a, os: "linux"}}]}')
	printf '%s' "$body" | in_net "$ENGINE_NET" curl -fsS -X PUT -H "Content-Type: $type.list.v2+json" --data-binary @- "$url/$3" >&2 || return 1
	printf 'sha256:%s' "$(printf '%s' "$body" | sha256sum | cut -d' ' -f1)"
}

@test "E54 an entry * is every image, also what is only here" {
	permit 'img(["*"])'
	allowed aa "$REG/ci/other:1"
	variant local:1 "$TOOL:1" local
	allowed bb local:1
	rawd rmi -f local:1
}

@test "E55 repositories by pattern, one component at a time, never in the registry" {
	rawd tag "$TOOL:1" "$REG/ci/deep/tool:1" && rawd push -q "$REG/ci/deep/tool:1"
	permit "img([\"$REG/ci/t*:*\"])"
	allowed aa "$REG/ci/tag:1"
	denied "$(not_listed "$REG/ci/other")" "$REG/ci/other:1"
	permit "img([\"$REG/*/other:1\"])"
	allowed bb "$REG/ci/other:1"
	denied "$(not_listed "$REG/ci/tag")" "$REG/ci/tag:1"
	rawd rmi "$REG/ci/deep/tool:1"
	published "$REG/ci/deep/x:1" "$TOOL:1" deep
	permit "img([\"$REG/ci/*:*\"])"
	allowed cc "$REG/ci/other:1"
	denied "$(not_listed "$REG/ci/deep/x")" "$REG/ci/deep/x:1"
	rawd rmi "$REG/ci/deep/x:1"
}

# ---- by contents ----------------------------------------------------------------------------------------------------

@test "E56 E57 A134 another image does not become an allowed one by its name" {
	permit "img([\"$TOOL:1\", \"$REG/ci/tag:*\"])"
	allowed aa "$TOOL:1"
	rawd tag "$TOOL:1" keep:1
	d tag "$REG/ci/other:1" "$TOOL:1"
	denied "ocker socket mount denied" "$TOOL:1"
	rawd tag keep:1 "$TOOL:1"
	allowed bb "$TOOL:1"
	# A tag that the registry does not have.
	d tag "$REG/ci/other:1" "$REG/ci/tag:9"
	denied "ocker socket mount denied" "$REG/ci/tag:9"
	rawd rmi keep:1 "$REG/ci/tag:9"
}

@test "E56 an allowed image is allowed by each of its names, and by its id" {
	local id
	id=$(rawd image inspect -f '{{.Id}}' "$TOOL:1")
	permit "img([\"$TOOL:1\"])"
	d tag "$TOOL:1" mine:1
	allowed aa mine:1
	allowed bb "$id"
	allowed cc "${id:7:12}"
	allowed dd "$TOOL@$(repo_digest "$TOOL:1")"
	rawd rmi mine:1
}

@test "E58 L17 the tag moved upstream: refused, said so, and a pull cures it" {
	published "$REG/ci/moving:1" "$TOOL:1" first
	permit "img([\"$REG/ci/moving:1\"]) | $FAST"
	allowed aa "$REG/ci/moving:1"
	upstream "$REG/ci/moving:1" second
	denied "ocker socket mount denied" "$REG/ci/moving:1"
	assert_has "$output" "docker pull $REG/ci/moving:1"
	# What runs goes on.
	sock_api aa GET /_ping
	assert_eq "$STATUS" 200
	d pull -q "$REG/ci/moving:1"
	allowed bb "$REG/ci/moving:1"
}

@test "E59 what is only here is refused: built, committed, imported, loaded" {
	permit "img([\"$TOOL:*\", \"$REG/ci/local:*\"])"
	variant "$REG/ci/local:1" "$TOOL:1" built
	denied "image is not in the allowed list" "$REG/ci/local:1"
	d create --name aa "$TOOL:1" true
	d commit aa "$REG/ci/local:2"
	denied "ocker socket mount denied" "$REG/ci/local:2"
	rawd export aa -o "$BATS_TEST_TMPDIR/tar"
	d import "$BATS_TEST_TMPDIR/tar" "$REG/ci/local:3"
	denied "ocker socket mount denied" "$REG/ci/local:3"
	d save "$REG/ci/local:1" -o "$BATS_TEST_TMPDIR/tar"
	rawd rmi "$REG/ci/local:1" "$REG/ci/local:2" "$REG/ci/local:3"
	d load -i "$BATS_TEST_TMPDIR/tar"
	denied "ocker socket mount denied" "$REG/ci/local:1"
	rawd rmi "$REG/ci/local:1"
}

@test "E56 save and load of an allowed image: it is the same image" {
	permit "img([\"$REG/ci/tag:1\"])"
	d save "$REG/ci/tag:1" -o "$BATS_TEST_TMPDIR/tar"
	rawd rmi -f "$REG/ci/tag:1"
	d load -i "$BATS_TEST_TMPDIR/tar"
	allowed aa "$REG/ci/tag:1"
	d pull -q "$REG/ci/tag:1"
}

# ---- derived images ---------------------------------------------------------------------------------------------------

@test "E60 E61 E62 M5b derived images need allowDerivedImages, which is off; the refusal names the parent" {
	local entry
	variant child:1 "$REG/ci/tag:1" child 'ENV X=1' 'LABEL a=b'
	variant grandchild:1 child:1 grandchild
	permit "img([\"$REG/ci/tag:1\"])"
	denied "$(not_listed docker.io/library/child)" child:1
	assert_match "$output" "Alternatively add its parent image \($REG/ci/tag(:1)?\) to the Docker socket image list in admin-settings and set allowDerivedImages to true"
	for entry in "$REG/ci/tag:1" "$REG/ci/tag:*" "$REG/ci/*:*" "$REG/ci/tag@$(repo_digest "$REG/ci/tag:1")"; do
		permit "img([\"$entry\"]) | derived"
		allowed aa child:1
		allowed bb grandchild:1
		denied "ocker socket mount denied" "$IMAGE"
		drm aa bb
	done
	permit "img([\"$REG/ci/tag:2\"]) | derived"
	denied "ocker socket mount denied" child:1
	rawd rmi grandchild:1 child:1
}

# quickest COMMAND... - ms of the best of five
quickest() {
	local i start ms best=100000
	for i in 1 2 3 4 5; do
		start=$(date +%s%N)
		"$@" >/dev/null || return 1
		ms=$((($(date +%s%N) - start) / 1000000))
		[ "$ms" -ge "$best" ] || best=$ms
	done
	printf '%s' "$best"
}

@test "E63 looking whether an image is derived takes far less than the second that it may" {
	local with without
	variant child:1 "$REG/ci/tag:1" child 'ENV X=1'
	permit "img([\"$REG/ci/tag:1\"]) | derived"
	allowed aa child:1
	with=$(quickest d create --network none -v "$HOST_SOCK:$HOST_SOCK" child:1)
	without=$(quickest d create --network none child:1)
	[ $((with - without)) -lt 500 ] || fail "$with ms with the socket, $without without"
	d ps -aq --filter ancestor=child:1 | xargs "$DOCKER" rm -f >/dev/null
	rawd rmi child:1
}

@test "L18 derived images may be published, and their parent need not be here" {
	published "$REG/ci/child:1" "$REG/ci/tag:2" child
	permit "img([\"$REG/ci/tag:2\"]) | derived"
	allowed aa "$REG/ci/child:1"
	drm aa
	rawd rmi -f "$REG/ci/tag:2"
	allowed bb "$REG/ci/child:1"
	d pull -q "$REG/ci/tag:2"
}

@test "A137 what only shares layers with an allowed image is not derived from it" {
	# The allowed image has the layers of TOOL:1 and one more: TOOL:1 itself and its other children are not derived.
	permit "img([\"$REG/ci/tag:1\"]) | derived"
	denied "ocker socket mount denied" "$TOOL:1"
	variant sibling:1 "$TOOL:1" sibling
	denied "ocker socket mount denied" sibling:1
	rawd rmi sibling:1
}

# ---- when ---------------------------------------------------------------------------------------------------------------

@test "E64 decided at create and again at start" {
	permit "img([\"$TOOL:1\"])"
	d create --name aa --network none -v "$HOST_SOCK:$HOST_SOCK" "$TOOL:1" sleep 60
	permit "img([\"$REG/ci/other:1\"])"
	run -1 d start aa
	assert_has "$output" "$(not_listed "$TOOL")"
	assert_eq "$(dstate aa)" created
	permit .
	run -1 d start aa
	assert_has "$output" "allowed image list is empty"
	permit "img([\"$TOOL:1\"])"
	d start aa
	sock_api aa GET /_ping
	assert_eq "$STATUS" 200
	# The container has its image: what is called so now does not matter.
	drm aa
	rawd tag "$TOOL:1" keep:1
	d create --name aa --network none -v "$HOST_SOCK:$HOST_SOCK" "$TOOL:1" sleep 60
	rawd tag "$REG/ci/other:1" "$TOOL:1"
	d start aa
	assert_eq "$(rawd inspect -f '{{.Image}}' aa)" "$(rawd image inspect -f '{{.Id}}' keep:1)"
	rawd tag keep:1 "$TOOL:1"
	rawd rmi keep:1
}

@test "E64 A140 the container is made of the image that was judged" {
	permit "img([\"$TOOL:1\"])"
	api "$GUARD_SOCK" POST /containers/create "{\"Image\":\"$TOOL:1\",\"Cmd\":[\"sleep\",\"60\"],\"HostConfig\":{\"Binds\":[\"$HOST_SOCK:$HOST_SOCK\"]}}"
	assert_eq "$STATUS" 201 "$output"
	assert_eq "$(rawd inspect -f '{{.Image}}' "$(jq -r .Id <<<"$output")")" "$(rawd image inspect -f '{{.Id}}' "$TOOL:1")"
}

@test "E65 nothing in a request changes the decision" {
	local body
	permit "img([\"$TOOL:1\"])"
	for body in '"Labels":{"io.caisson.scope":"00000000000000000000000000000000"}' '"Env":["DOCKER_HOST=unix:///x"]' \
		'"HostConfig":{"Privileged":true,"Binds":["'"$HOST_SOCK:$HOST_SOCK"'"]}'; do
		case $body in
		*HostConfig*) ;;
		*) body+=",\"HostConfig\":{\"Binds\":[\"$HOST_SOCK:$HOST_SOCK\"]}" ;;
		esac
		api "$GUARD_SOCK" POST /containers/create "{\"Image\":\"$REG/ci/other:1\",$body}"
		assert_eq "$STATUS" 403 "$body: $output"
	done
}

@test "E66 no image is allowed that is not listed, whatever it is called" {
	local name
	permit "img([\"$TOOL:1\"])"
	for name in docker/desktop-cloud-provider-kind:latest docker/desktop-containerd-registry-mirror:latest testcontainers/ryuk:0.11.0; do
		rawd tag "$REG/ci/other:1" "$name"
		denied "$(not_listed "docker.io/${name%:*}")" "$name"
		rawd rmi "$name"
	done
}

@test "E67 an engine inside a container is none of these rules' business" {
	permit .
	run -0 d run --rm --network none "$TOOL:1" sh -ec 'mkdir -p /var/run
		printf "#!/bin/sh\nwhile read -r line && [ \${#line} -gt 1 ]; do :; done; printf \"HTTP/1.0 200 OK\\r\\n\\r\\ninner\"\n" >/reply
		chmod +x /reply
		socat UNIX-LISTEN:/var/run/docker.sock,fork EXEC:/reply &
		while [ ! -S /var/run/docker.sock ]; do sleep 0.1; done
		curl -sS --unix-socket /var/run/docker.sock http://d/_ping'
	assert_has "$output" inner
}

@test "E68 many at once: all allowed, all end, none hangs; images without names do no harm" {
	local i id
	permit "img([\"$TOOL:1\", \"$REG/ci/tag:*\"]) | $FAST"
	for i in 1 2 3 4 5 6 7 8; do
		bg_run sh -c '"$0" run -d --name "c$1" --network none -v "$2:$2" "$3" sleep 600 >"$4/$1" 2>&1 || echo failed >>"$4/$1"' \
			"$DOCKER" "$i" "$HOST_SOCK" "$REG/ci/tag:$((i % 2 + 1))" "$BATS_TEST_TMPDIR"
	done
	bg_wait
	for i in 1 2 3 4 5 6 7 8; do
		refute_has "$(cat "$BATS_TEST_TMPDIR/$i")" failed
		sock_api "c$i" GET /_ping
		assert_eq "$STATUS" 200 "c$i"
	done
	drm c1 c2 c3 c4 c5 c6 c7 c8
	variant lonely:1 "$TOOL:1" lonely
	id=$(rawd image inspect -f '{{.Id}}' lonely:1)
	rawd tag "$TOOL:1" lonely:1
	assert_eq "$(rawd image inspect -f '{{.RepoTags}}' "$id")" "[]"
	denied "ocker socket mount denied" "$id"
	run -0 d ps -q
	rawd rmi lonely:1
	rawd rmi "$id"
}

# ---- registries that do not answer -----------------------------------------------------------------------------------

@test "L16 A138 a registry that is away: what is known and fresh goes on, after that the policy decides" {
	permit "img([\"$TOOL:1\"]) | own({digestMaxAge: 600})"
	allowed aa "$TOOL:1"
	registry_end
	allowed bb "$TOOL:1"
	# Known digests survive the guard.
	guard_stop
	guard_start
	allowed cc "$TOOL:1"
	permit "img([\"$TOOL:1\"]) | $FAST"
	denied "ocker socket mount denied" "$TOOL:1"
	assert_has "$output" "because $REG did not say what $TOOL:1 is"
	# Those that run go on.
	sock_api aa GET /_ping
	assert_eq "$STATUS" 200
	permit "img([\"$TOOL:1\"]) | own({digestMaxAge: 0, offline: \"lastKnown\"})"
	allowed dd "$TOOL:1"
	# An outage widens nothing.
	denied "$(not_listed "$REG/ci/other")" "$REG/ci/other:1"
	permit "img([\"$REG/ci/never:*\"]) | own({digestMaxAge: 0, offline: \"lastKnown\"})"
	rawd tag "$REG/ci/other:1" "$REG/ci/never:1"
	denied "ocker socket mount denied" "$REG/ci/never:1"
	rawd rmi "$REG/ci/never:1"
	socket_registry
	permit "img([\"$TOOL:1\"]) | $FAST"
	# What failed is not asked for again at once.
	eventually 15 allowed ee "$TOOL:1"
}

@test "L16 the registry's last word counts, not an older one: what was taken away is refused when it is asked for again" {
	local digest
	published "$REG/ci/gone:1" "$TOOL:1" gone
	digest=$(repo_digest "$REG/ci/gone:1")
	permit "img([\"$REG/ci/gone:1\"]) | own({digestMaxAge: 0, offline: \"lastKnown\"})"
	allowed aa "$REG/ci/gone:1"
	in_net "$ENGINE_NET" curl -fsS -X DELETE "http://$REG/v2/ci/gone/manifests/$digest"
	denied "ocker socket mount denied" "$REG/ci/gone:1"
}

# private basic|token - a registry with TLS of its own and a login, which has PRIVATE; what the settings say about it: PRIVATE_OWN
private() {
	registry_start tls "$1"
	registry_in_net "$ENGINE_NET"
	[ "$1" = basic ] || REGISTRY=localhost:$(cat "$(registry_dir)"/token.*/port) registry_in_net "$ENGINE_NET"
	PRIVATE=$REGISTRY/team/private:1
	PRIVATE_OWN="registries: {\"$REGISTRY\": {ca: \"$REGISTRY_CA\"}}"
	d login -u "${REGISTRY_USER%:*}" -p "${REGISTRY_USER#*:}" "$REGISTRY"
	published "$PRIVATE" "$TOOL:1" "private $1"
}

# as_user UID COMMAND... - another user of the host, in the group of the guard's socket, with the same login
as_user() {
	local uid=$1
	shift
	setpriv --reuid "$uid" --regid "$(stat -c %g "$GUARD_SOCK")" --clear-groups "$@"
}

private_registry() {
	local auth=$ENGINE/guard/auth.json body
	private "$1"
	permit "img([\"$PRIVATE\"]) | own({digestMaxAge: 0, $PRIVATE_OWN})"
	body="{\"Image\":\"$PRIVATE\",\"Cmd\":[\"sleep\",\"60\"],\"HostConfig\":{\"NetworkMode\":\"none\",\"Binds\":[\"$HOST_SOCK:$HOST_SOCK\"]}}"
	# Nobody has shown the guard a login.
	denied "ocker socket mount denied" "$PRIVATE"
	assert_has "$output" "$REGISTRY"
	# The calling user's, which comes with a pull; it is that user's alone.
	d pull -q "$PRIVATE"
	allowed aa "$PRIVATE"
	run as_user 1000 curl -sS --unix-socket "$GUARD_SOCK" -H 'Content-Type: application/json' -d "$body" http://d/containers/create
	assert_has "$output" "ocker socket mount denied"
	# The administrator's, for all.
	jq '{auths}' "$ENGINE/etc/config.json" >"$auth"
	chmod 600 "$auth"
	permit "img([\"$PRIVATE\"]) | own({digestMaxAge: 0, $PRIVATE_OWN}) | .caisson.dockerSocket.registries[].auth = \"$auth\""
	as_user_made() { [[ $(as_user 1000 curl -sS --unix-socket "$GUARD_SOCK" -H 'Content-Type: application/json' -d "$body" http://d/containers/create) == *'"Id"'* ]]; }
	eventually 15 as_user_made
	# Without the CA nothing is believed.
	permit "img([\"$PRIVATE\"]) | own({digestMaxAge: 0})"
	denied "ocker socket mount denied" "$PRIVATE"
	# And with another one neither.
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=other -keyout /dev/null -out "$ENGINE/guard/other.crt" 2>/dev/null
	permit "img([\"$PRIVATE\"]) | own({digestMaxAge: 0, registries: {\"$REGISTRY\": {ca: \"$ENGINE/guard/other.crt\", auth: \"$auth\"}}})"
	denied "ocker socket mount denied" "$PRIVATE"
	d logout "$REGISTRY"
	rawd rmi -f "$PRIVATE"
	registry_stop
}

@test "E56 A138 a registry with TLS and a login by password: the caller's or the administrator's" {
	private_registry basic
}

@test "E56 A138 a registry with TLS and a token server" {
	private_registry token
}

# ---- images that are only here ------------------------------------------------------------------------------------------

@test "L14 an image by its id, and no other image of that name" {
	local id
	variant local:1 "$TOOL:1" local
	id=$(rawd image inspect -f '{{.Id}}' local:1)
	permit "own({images: [{id: \"$id\"}]})"
	allowed aa local:1
	allowed bb "$id"
	drm aa bb
	variant local:1 "$TOOL:1" changed
	denied "ocker socket mount denied" local:1
	denied "ocker socket mount denied" "$TOOL:1"
	rawd rmi local:1
}

@test "L19 * can be narrowed: all images, but what is read only" {
	permit 'own({images: [{image: "*", readOnly: true}]})'
	allowed aa "$REG/ci/other:1"
	sock_api aa GET /containers/json
	assert_eq "$STATUS" 200
	sock_api aa POST /containers/prune
	assert_eq "$STATUS" 403 "$output"
}

# ---- what is made through it ---------------------------------------------------------------------------------------------

@test "E80 E44 siblings are isolated, judged by every rule, and by this one again" {
	permit "img([\"$TOOL:1\"])"
	allowed aa "$TOOL:1"
	run -0 sock_d aa run --rm --network none "$IMAGE" cat /proc/self/uid_map
	assert_idmap "$output"
	run -0 sock_d aa run --rm --network none --privileged --userns host --runtime runc "$IMAGE" cat /proc/self/uid_map
	assert_idmap "$output"
	capture_fail sock_d aa run --rm --network none --pid host "$IMAGE" true
	assert_has "$output" "can't share namespaces [pid]"
	capture_fail sock_d aa run --rm --network none -v "$SECRET:/x" "$IMAGE" true
	assert_has "$output" "restricted host mount"
	capture_fail sock_d aa run --rm --network none -v "$HOST_SOCK:$HOST_SOCK" "$REG/ci/other:1" true
	assert_has "$output" "$(not_listed "$REG/ci/other")"
	run -0 sock_d aa run -d --name bb --network none -v "$HOST_SOCK:$HOST_SOCK" "$TOOL:1" sleep 600
	filtered bb
	run -0 sock_d bb ps --format '{{.Names}}'
	assert_has "$output" bb
	run -0 sock_d bb run --rm --network none "$IMAGE" cat /proc/self/uid_map
	assert_idmap "$output"
	assert_match "$(rawd inspect -f '{{index .Config.Labels "io.caisson.scope"}}' bb)" '^[0-9a-f]{32}$'
}
