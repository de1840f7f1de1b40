# SPDX-License-Identifier: Apache-2.0
# Attacks on the permissions of Docker sockets in containers, by rows A133-A142 of the catalogue: to get a socket with an
# image that is not allowed, to get at another container's, to do what is blocked, to be a nuisance. Each attack has a
# control: the same, allowed, works.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/guard.bash
load ../lib/guard-api.bash
load ../lib/tools.bash
load ../lib/registry.bash
load ../lib/socket.bash

OTHER=$REG/ci/other

setup_file() {
	export BATS_TEST_TIMEOUT=180
	socket_open || return 1
	cc -static -O1 -o "$ENGINE/passsock" "$CAISSON_SRC/tests/attacks/passsock.c"
}

teardown_file() {
	registry_close
	socket_close
}

setup() {
	permit "img([\"$TOOL:1\"])"
}

teardown() {
	socket_teardown
}

SOCKET="ocker socket mount denied"

# refused_body BODY - no container is made
refused_body() {
	local before
	before=$(rawd ps -aqf ancestor="$OTHER:1" | wc -l)
	api "$GUARD_SOCK" POST /containers/create "$1"
	assert_match "$STATUS" '^4' "$1: $output" || return 1
	assert_eq "$(rawd ps -aqf ancestor="$OTHER:1" | wc -l)" "$before" "$1"
}

# grant_file NAME - the socket of that container on the host
grant_file() {
	rawd inspect -f '{{range .Mounts}}{{if eq .Type "bind"}}{{.Source}}{{end}}{{end}}' "$1"
}

# ---- ways to have it mounted ------------------------------------------------------------------------------------------------

@test "A121 E48 by path, link, hard link, parent, volume, in every encoding: one decision" {
	local s body
	local bind vol
	mkdir -p "$SHARE/dir"
	ln -sfn "$HOST_SOCK" "$SHARE/link"
	ln -sfn "$SHARE/link" "$SHARE/dir/link2"
	ln -f "$GUARD_SOCK" "$SHARE/hard"
	ln -f "$ENGINE_SOCK" "$SHARE/hard-engine"
	for s in "$HOST_SOCK" /run/docker.sock //run//docker.sock /run/./docker.sock /run/../run/docker.sock /var/../run/docker.sock "$GUARD_SOCK" "$ENGINE_SOCK" \
		"$SHARE/link" "$SHARE/dir/link2" "$SHARE/hard" "$SHARE/hard-engine" "/proc/self/root$GUARD_SOCK" "/proc/1/root$GUARD_SOCK" "/proc/self/root/run/docker.sock"; do
		bind="{\"Image\":\"$OTHER:1\",\"Cmd\":[\"true\"],\"HostConfig\":{\"Binds\":[\"$s:/s:ro\"]}}"
		refused_body "$bind"
		refused_body "{\"Image\":\"$OTHER:1\",\"Cmd\":[\"true\"],\"HostConfig\":{\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"$s\",\"Target\":\"/s\"}]}}"
		vol="\"VolumeOptions\":{\"NoCopy\":true,\"DriverConfig\":{\"Name\":\"local\",\"Options\":{\"type\":\"none\",\"o\":\"bind\",\"device\":\"$s\"}}}"
		refused_body "{\"Image\":\"$OTHER:1\",\"Cmd\":[\"true\"],\"HostConfig\":{\"Mounts\":[{\"Type\":\"volume\",\"Target\":\"/s\",$vol}]}}"
		api "$GUARD_SOCK" POST /volumes/create "{\"Name\":\"vv\",\"DriverOpts\":{\"type\":\"none\",\"o\":\"bind\",\"device\":\"$s\"}}"
		assert_match "$STATUS" '^4' "volume of $s: $output"
		# What an allowed image gets is never the engine's or the guard's.
		api "$GUARD_SOCK" POST /containers/create "${bind/"$OTHER"/"$TOOL"}"
		case $STATUS in
		201) filtered "$(jq -r .Id <<<"$output")" ;;
		403) ;;
		*) fail "$s: $STATUS $output" ;;
		esac
	done
	for s in /run /var/run /run/ / "$ENGINE" "${ENGINE%/*}" "$SOCKETS" "$ENGINE/guard-state" "$ENGINE/guard"; do
		for body in "{\"Image\":\"$TOOL:1\",\"HostConfig\":{\"Binds\":[\"$s:/s\"]}}" \
			"{\"Image\":\"$TOOL:1\",\"HostConfig\":{\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"$s\",\"Target\":\"/s\"}]}}"; do
			refused_body "$body"
		done
	done
	rm -rf "$SHARE/link" "$SHARE/dir" "$SHARE/hard" "$SHARE/hard-engine"
}

@test "E48 volumes and containers from before, and volumes-from, hand no socket on" {
	local m
	rawd volume create --opt type=none --opt o=bind --opt "device=$ENGINE_SOCK" sock
	refused_body "{\"Image\":\"$OTHER:1\",\"HostConfig\":{\"Binds\":[\"sock:/s\"]}}"
	# What a volume is, the guard can not make another thing: refused for an allowed image, too, beside a proper one as well.
	for m in '"sock:/s"' "\"$HOST_SOCK:$HOST_SOCK\",\"sock:/s\"" "\"sock:/s\",\"$HOST_SOCK:$HOST_SOCK\""; do
		api "$GUARD_SOCK" POST /containers/create "{\"Image\":\"$TOOL:1\",\"HostConfig\":{\"Binds\":[$m]}}"
		assert_eq "$STATUS" 403 "$m: $output"
	done
	rawd create --name old --runtime sysbox-runc -v "$GUARD_SOCK:/s" "$TOOL:1" true
	api "$GUARD_SOCK" POST /containers/create "{\"Image\":\"$OTHER:1\",\"HostConfig\":{\"VolumesFrom\":[\"old\"]}}"
	assert_match "$STATUS" '^4' "$output"
	api "$GUARD_SOCK" POST /containers/old/start
	assert_match "$STATUS" '^[45]' "$output"
	assert_has "$output" "restricted host mount"
	# A container that has one is no source for an image that may not.
	allowed aa "$TOOL:1"
	api "$GUARD_SOCK" POST /containers/create "{\"Image\":\"$OTHER:1\",\"HostConfig\":{\"VolumesFrom\":[\"aa\"]}}"
	assert_match "$STATUS" '^4' "$output"
	assert_has "$output" "$SOCKET"
}

@test "E48 the socket of another container, by its path, is not that container's socket any more" {
	local file
	allowed aa "$TOOL:1"
	file=$(grant_file aa)
	# The guard makes the bind one of the new container's own, or refuses it.
	api "$GUARD_SOCK" POST /containers/create "{\"Image\":\"$OTHER:1\",\"HostConfig\":{\"Binds\":[\"$file:/s\"]}}"
	assert_match "$STATUS" '^4' "$output"
	api "$GUARD_SOCK" POST '/containers/create?name=bb' "{\"Image\":\"$TOOL:1\",\"Cmd\":[\"sleep\",\"60\"],\"HostConfig\":{\"Binds\":[\"$file:$HOST_SOCK\"]}}"
	[ "$STATUS" != 201 ] || [ "$(grant_file bb)" != "$file" ]
	api "$GUARD_SOCK" POST /containers/create "{\"Image\":\"$TOOL:1\",\"HostConfig\":{\"Binds\":[\"${file%/*}:/s\"]}}"
	assert_match "$STATUS" '^4' "$output"
	# With the guard out of the way the runtime knows whose it is.
	rawd create --name cc --network none --runtime sysbox-runc -v "$file:$HOST_SOCK" "$TOOL:1" sleep 60
	run -1 rawd start cc
	refute_has "$output" "permission denied: unknown"
	rawd create --name dd --network none --runtime sysbox-runc -v "${file%/*}:/s" "$TOOL:1" sleep 60
	run -1 rawd start dd
	sock_api aa GET /_ping
	assert_eq "$STATUS" 200
}

@test "E47 second line: the runtime by itself mounts no engine's socket, whatever made the container" {
	local s n=0
	for s in "$ENGINE_SOCK" "$GUARD_SOCK" "$CONTAINERD_SOCK"; do
		n=$((n + 1))
		rawd create --name "r$n" --network none --runtime runc -v "$s:/s" "$TOOL:1" true
		run -0 rawd start "r$n"
		rawd create --name "s$n" --network none --runtime sysbox-runc -v "$s:/s" "$TOOL:1" true
		run -1 rawd start "s$n"
	done
}

# ---- images that pretend (A134-A140) -----------------------------------------------------------------------------------------

@test "A134 A135 an image that is loaded under an allowed name, with forged names and digests inside" {
	local dir=$BATS_TEST_TMPDIR/image
	mkdir -p "$dir"
	rawd save "$OTHER:1" | tar -C "$dir" -x
	rawd tag "$TOOL:1" keep:1
	# "docker load" believes what the archive says about names.
	jq --arg n "$TOOL:1" '.[0].RepoTags = [$n] | .[0].RepoDigests = [$n]' "$dir/manifest.json" >"$dir/m" && mv "$dir/m" "$dir/manifest.json"
	rm -f "$dir/repositories"
	tar -C "$dir" -c . | d load
	assert_eq "$(rawd image inspect -f '{{.Id}}' "$TOOL:1")" "$(rawd image inspect -f '{{.Id}}' "$OTHER:1")"
	denied "$SOCKET" "$TOOL:1"
	denied "$SOCKET" "$(rawd image inspect -f '{{.Id}}' "$TOOL:1")"
	rawd tag keep:1 "$TOOL:1"
	allowed aa "$TOOL:1"
	rawd rmi keep:1
}

@test "A134 A135 an allowed configuration with other layers is another image" {
	local dir=$BATS_TEST_TMPDIR/image layer
	mkdir -p "$dir"
	rawd save "$TOOL:1" | tar -C "$dir" -x
	# The engine checks layers against the configuration: with a layer of one's own it does not load.
	layer=$(jq -r '.[0].Layers[0]' "$dir/manifest.json")
	mkdir -p "$dir/evil" && echo evil >"$dir/evil/evil"
	tar -C "$dir/evil" -cf "$dir/$layer" .
	rm -rf "$dir/evil"
	rawd rmi -f "$TOOL:1" "$OTHER:1" >/dev/null
	if tar -C "$dir" -c . | d load; then
		denied "$SOCKET" "$TOOL:1" || fail "an image with other layers is allowed"
	fi
	d pull -q "$TOOL:1"
	d pull -q "$OTHER:1"
	allowed aa "$TOOL:1"
}

@test "A137 layers forged to look like those of an allowed image: reordered, cut, none, squashed" {
	local dir=$BATS_TEST_TMPDIR/image n config
	published "$REG/ci/base:1" "$TOOL:1" base 'RUN true' 2>/dev/null || published "$REG/ci/base:1" "$TOOL:1" base
	variant child:1 "$REG/ci/base:1" child
	permit "img([\"$REG/ci/base:1\"]) | derived"
	allowed aa child:1
	drm aa
	# Cut: fewer layers than the parent has.
	denied "$SOCKET" "$TOOL:1"
	denied "$SOCKET" "$IMAGE"
	# Reordered and empty, loaded from an archive.
	mkdir -p "$dir"
	rawd save child:1 | tar -C "$dir" -x
	config=$(jq -r '.[0].Config' "$dir/manifest.json")
	jq '.rootfs.diff_ids |= reverse' "$dir/$config" >"$dir/reversed.json"
	jq '.[0].Config = "reversed.json" | .[0].Layers |= reverse | .[0].RepoTags = ["reversed:1"]' "$dir/manifest.json" >"$dir/m"
	rm -f "$dir/repositories"
	cp "$dir/manifest.json" "$dir/../manifest.keep"
	mv "$dir/m" "$dir/manifest.json"
	tar -C "$dir" -c . | d load
	denied "$SOCKET" reversed:1
	jq '.rootfs.diff_ids = [] | .history = []' "$dir/$config" >"$dir/none.json"
	jq '.[0].Config = "none.json" | .[0].Layers = [] | .[0].RepoTags = ["none:1"]' "$dir/../manifest.keep" >"$dir/manifest.json"
	if tar -C "$dir" -c . | d load; then
		denied "$SOCKET" none:1
		rawd rmi none:1
	fi
	# Squashed into one layer: exported and imported.
	rawd create --name bb child:1 true
	rawd export bb | d import - squashed:1
	denied "$SOCKET" squashed:1
	drm bb
	rawd rmi squashed:1 reversed:1 child:1 "$REG/ci/base:1"
}

@test "A139 names that look like an allowed one" {
	local name
	permit "img([\"docker.io/library/tool:1\", \"docker.io/ci/tool\"])"
	rawd tag "$OTHER:1" tool:1
	rawd tag "$OTHER:1" ci/tool:latest
	for name in tool:1 ci/tool docker.io/tool:1 index.docker.io/library/tool:1; do
		denied "$SOCKET" "$name"
	done
	rawd rmi tool:1 ci/tool:latest
	permit "img([\"$TOOL:1\"])"
	for name in "$REG/ci/tool2:1" "$REG/ci/xtool:1" "$REG/x/ci/tool:1" "$REG/ci/tool:10" "localhost:5000/ci/tool:1" "127.0.0.1:50000/ci/tool:1"; do
		rawd tag "$OTHER:1" "$name"
		denied "$SOCKET" "$name"
		rawd rmi "$name"
	done
	for name in "$TOOL:1@sha256:$(printf '%064d' 7)" "$TOOL:1 " "$TOOL:1%00" '../ci/tool:1' "$TOOL:1?x=y" "$TOOL:1/json"; do
		api "$GUARD_SOCK" POST /containers/create "$(jq -nc --arg i "$name" --arg b "$HOST_SOCK:$HOST_SOCK" '{Image: $i, HostConfig: {Binds: [$b]}}')"
		assert_match "$STATUS" '^(4..|503)$' "$name: $output"
	done
}

@test "A140 the name is another image's while the container is made: nobody gets a socket with the wrong one" {
	local good i image n=0
	good=$(rawd image inspect -f '{{.Id}}' "$TOOL:1")
	rawd tag "$TOOL:1" keep:1
	bg_run sh -c 'while [ ! -e "$0/stop" ]; do curl -s --unix-socket "$1" -X POST "http://d/images/$2:1/tag?repo=$3&tag=1"
		curl -s --unix-socket "$1" -X POST "http://d/images/keep:1/tag?repo=$3&tag=1"; done' "$BATS_TEST_TMPDIR" "$ENGINE_SOCK" "$OTHER" "$TOOL"
	for ((i = 0; i < 60; i++)); do
		api "$GUARD_SOCK" POST "/containers/create?name=race$i" \
			"{\"Image\":\"$TOOL:1\",\"Cmd\":[\"sleep\",\"60\"],\"HostConfig\":{\"NetworkMode\":\"none\",\"Binds\":[\"$HOST_SOCK:$HOST_SOCK\"]}}"
		[ "$STATUS" = 201 ] || continue
		image=$(rawd inspect -f '{{.Image}}' "race$i")
		api "$GUARD_SOCK" POST "/containers/race$i/start"
		[ "$STATUS" = 204 ] || continue
		n=$((n + 1))
		[ "$image" = "$good" ] || fail "started with $image"
	done
	touch "$BATS_TEST_TMPDIR/stop"
	bg_wait
	rawd tag keep:1 "$TOOL:1"
	rawd rmi keep:1
	[ "$n" -gt 0 ]
}

@test "A140 E64 a container that the guard never saw start gets no socket: the engine starts it on its own" {
	d create --name aa --network none --restart always -v "$HOST_SOCK:$HOST_SOCK" "$TOOL:1" sleep 600
	run -1 rawd start aa
	run -0 d start aa
	sock_api aa GET /_ping
	assert_eq "$STATUS" 200
}

@test "A136 A138 hostile registries: a refusal within seconds, and others are served meanwhile" {
	local case start
	hostile_start
	registry_in_net "$ENGINE_NET"
	permit "img([\"$REGISTRY/*:*\", \"$TOOL:1\"])"
	for case in busy down denied bad-challenge garbage broken loop cut wrong-digest wrong-config crowd big-config nested to-file to-user \
		endless endless-head endless-continue steady slow silent; do
		rawd tag "$OTHER:1" "$REGISTRY/$case:1"
		start=$SECONDS
		bg_run sh -c '"$0" run -d --network none -v "$1:$1" "$2" sleep 60 >"$3" 2>&1 && echo allowed >>"$3"' \
			"$DOCKER" "$HOST_SOCK" "$REGISTRY/$case:1" "$BATS_TEST_TMPDIR/$case"
		sleep 0.2
		run -0 timeout 5 "$DOCKER" ps -q
		bg_wait
		[ $((SECONDS - start)) -le $((25 * ${CAISSON_TEST_SLOW:-1})) ] || fail "$case: $((SECONDS - start)) s"
		assert_has "$(cat "$BATS_TEST_TMPDIR/$case")" "$SOCKET" "$case"
		refute_has "$(cat "$BATS_TEST_TMPDIR/$case")" root:x:0 "$case"
		rawd rmi "$REGISTRY/$case:1"
	done
	allowed aa "$TOOL:1"
	registry_stop
}

# ---- what is done with it (A133, A141, A142) ---------------------------------------------------------------------------------

@test "A141 the list is about the socket: no command, entrypoint, variable, exec or other client gets around it" {
	permit "img([\"$TOOL:1\"]) | cmd(\"deny\"; [\"push\", \"images\"])"
	with_sock aa "$TOOL:1" --entrypoint "" -e DOCKER_API_VERSION=1.24 -e LD_PRELOAD=/x.so --user 0
	sock_api aa GET /images/json
	assert_eq "$STATUS" 403
	for p in /v1.24/images/json /v1.41/images/json /images/json?all=1 /images/json/ //images/json /v1.41/../images/json /IMAGES/json '/images/json?x=/containers/json' \
		'/images/json#/containers/json' /images%2Fjson /images/%6ason; do
		sock_api aa GET "$p"
		assert_match "$STATUS" '^(400|403|404|501)$' "$p: $output"
		refute_has "$output" RepoTags "$p"
	done
	sock_api aa HEAD /images/json
	refute_match "$output" '^HTTP/1.1 200'
	run -0 timeout 30 "$DOCKER" exec aa curl -sS --unix-socket "$HOST_SOCK" -X GET --request-target http://docker/images/json http://d/
	refute_has "$output" RepoTags
	sock_api aa GET /containers/json
	assert_eq "$STATUS" 200
	run -0 timeout 30 "$DOCKER" exec --privileged --user 0 aa curl -sS --unix-socket "$HOST_SOCK" http://d/images/json
	refute_has "$output" RepoTags
}

@test "A133 what builds must not ask for they can not ask for through a container's socket" {
	local q
	allowed aa "$TOOL:1"
	for q in networkmode=host 'networkmode=container:aa' cgroupparent=/system.slice 'remote=http://127.0.0.1:1/x' "remote=$ENGINE_SOCK" 'extrahosts=a:1.2.3.4&networkmode=host'; do
		sock_api aa POST "/build?$q"
		assert_match "$STATUS" '^4' "$q: $output"
	done
}

@test "A142 only the container's own users are served: not the host's, not another container's, by path or by descriptor" {
	local file how
	allowed aa "$TOOL:1" -v shared:/shared
	permit "img([\"$TOOL:1\", \"$OTHER:1\"])"
	allowed bb "$OTHER:1" -v shared:/shared
	d run -d --name cc --network none -v shared:/shared "$TOOL:1" sleep 600
	for n in aa bb cc; do
		rawd cp "$ENGINE/passsock" "$n:/passsock"
	done
	file=$(grant_file aa)
	# The host's root and a user of the socket's group.
	run curl -sS --max-time 5 --unix-socket "$file" http://d/containers/json
	refute_has "$output" '"Id"'
	run setpriv --reuid 1000 --regid "$(stat -c %g "$file")" --clear-groups curl -sS --max-time 5 --unix-socket "$file" http://d/containers/json
	refute_has "$output" '"Id"'
	# Control: within the container a descriptor of the file does.
	bg_run sh -c 'timeout 30 "$0" exec aa /passsock recv /shared/s >"$1" 2>&1' "$DOCKER" "$BATS_TEST_TMPDIR/own"
	timeout 30 "$DOCKER" exec aa /passsock path /shared/s "$HOST_SOCK"
	bg_wait
	assert_has "$(cat "$BATS_TEST_TMPDIR/own")" "answer HTTP/1.1 200"
	for n in bb cc; do
		bg_run sh -c 'timeout 30 "$0" exec "$2" /passsock recv /shared/s >"$1" 2>&1' "$DOCKER" "$BATS_TEST_TMPDIR/$n" "$n"
		timeout 30 "$DOCKER" exec aa /passsock path /shared/s "$HOST_SOCK"
		bg_wait
		refute_has "$(cat "$BATS_TEST_TMPDIR/$n")" "answer HTTP/1.1 200" "$n"
		assert_match "$(cat "$BATS_TEST_TMPDIR/$n")" '(connect|read|send|answer) ' "$n"
	done
	sock_api aa GET /_ping
	assert_eq "$STATUS" 200
}

@test "A142 the socket's directory is not in the container, and the file can be linked nowhere" {
	allowed aa "$TOOL:1" -v shared:/shared
	run timeout 30 "$DOCKER" exec aa ln "$HOST_SOCK" /shared/s
	[ "$status" -ne 0 ]
	run timeout 30 "$DOCKER" exec aa rm -f "$HOST_SOCK"
	[ "$status" -ne 0 ]
	# Whom it opens the file to, in the container, that is its own business; on the host nobody comes near.
	run timeout 30 "$DOCKER" exec aa chmod 0777 "$HOST_SOCK"
	run timeout 30 "$DOCKER" exec aa chown 1000 "$HOST_SOCK"
	sock_api aa GET /_ping
	assert_eq "$STATUS" 200
	run setpriv --reuid 1000 --regid 1000 --groups "$(stat -c %g "$GUARD_SOCK")" curl -sS --max-time 5 --unix-socket "$(grant_file aa)" http://d/_ping
	[ "$status" -ne 0 ]
}

@test "A142 E80 a sibling gets no way around: the socket again, its file, its directory, privileged, the guard's paths" {
	local m
	allowed aa "$TOOL:1"
	for m in "$(grant_file aa)" "$SOCKETS" "$GUARD_SOCK" "$ENGINE_SOCK" /run /var/run; do
		sock_api aa POST /containers/create "{\"Image\":\"$OTHER:1\",\"HostConfig\":{\"Privileged\":true,\"Binds\":[\"$m:/s\"]}}"
		assert_match "$STATUS" '^4' "$m: $output"
	done
	sock_api aa POST /containers/create "{\"Image\":\"$OTHER:1\",\"HostConfig\":{\"VolumesFrom\":[\"aa\"]}}"
	assert_match "$STATUS" '^4' "$output"
	for m in '"NetworkMode":"host"' '"PidMode":"host"' '"Runtime":"runc","UsernsMode":"host","IpcMode":"host"'; do
		sock_api aa POST /containers/create "{\"Image\":\"$IMAGE\",\"HostConfig\":{$m}}"
		assert_match "$STATUS" '^4' "$m: $output"
	done
}

# ---- nuisance, and what dies when ---------------------------------------------------------------------------------------------

@test "a flood on one socket leaves other sockets and the host's clients alone" {
	local i
	permit "img([\"$TOOL:1\", \"$OTHER:1\"])"
	allowed aa "$TOOL:1"
	allowed bb "$OTHER:1"
	# Connections that say nothing, requests without end, and heads without end.
	"$DOCKER" exec -d aa sh -c 'i=0; while [ $i -lt 600 ]; do socat -u UNIX-CONNECT:/var/run/docker.sock /dev/null </dev/zero & i=$((i + 1)); done; wait'
	"$DOCKER" exec -d aa sh -c 'while :; do curl -s --unix-socket /var/run/docker.sock http://d/_ping http://d/info http://d/_ping; done'
	"$DOCKER" exec -d aa sh -c 'cat /dev/zero | socat - UNIX-CONNECT:/var/run/docker.sock'
	sleep 3
	for i in 1 2 3 4 5; do
		run -0 timeout 10 "$DOCKER" exec bb curl -sS --max-time 5 --unix-socket "$HOST_SOCK" http://d/_ping
		assert_eq "$output" OK
		run -0 timeout 10 "$DOCKER" ps -q
	done
	[ "$(awk '/^VmRSS/ {print $2}' "/proc/$(cat "$ENGINE/guard.pid")/status")" -lt 200000 ]
}

@test "settings that change while a container runs count from then on" {
	allowed aa "$TOOL:1"
	permit "img([\"$OTHER:1\"])"
	sock_api aa GET /containers/json
	assert_eq "$STATUS" 403 "$output"
	assert_has "$output" "$SOCKET"
	permit "img([\"$TOOL:1\"]) | cmd(\"deny\"; [\"ps\"])"
	sock_api aa GET /containers/json
	assert_has "$output" "is blocked"
	permit "img([\"$TOOL:1\"])"
	sock_api aa GET /containers/json
	assert_eq "$STATUS" 200
	variant child:1 "$TOOL:1" child
	permit "img([\"$TOOL:1\"]) | derived"
	allowed bb child:1
	permit "img([\"$TOOL:1\"])"
	sock_api bb GET /containers/json
	assert_eq "$STATUS" 403 "$output"
	drm bb
	rawd rmi child:1
}

@test "the guard is killed and comes back: the container's socket goes on, and whoever asked meanwhile gets an answer" {
	allowed aa "$TOOL:1"
	guard_stop KILL
	bg_run sh -c 'DOCKER_HOST=unix://$2 timeout 30 "$0" exec aa curl -sS --max-time 25 --unix-socket /var/run/docker.sock http://d/_ping >"$1" 2>&1' \
		"$DOCKER" "$BATS_TEST_TMPDIR/meanwhile" "$ENGINE_SOCK"
	sleep 1
	guard_start
	bg_wait
	assert_eq "$(cat "$BATS_TEST_TMPDIR/meanwhile")" OK
	sock_api aa GET /containers/json
	assert_eq "$STATUS" 200
	permit "img([\"$TOOL:1\"]) | cmd(\"deny\"; [\"ps\"])"
	sock_api aa GET /containers/json
	assert_eq "$STATUS" 403
	guard_stop
	guard_start
	sock_api aa GET /containers/json
	assert_eq "$STATUS" 403
}

@test "guard and keeper are killed: after a restart of the container its socket works again" {
	allowed aa "$TOOL:1"
	guard_stop KILL
	keeper_stop
	guard_start
	d restart -t 1 aa
	sock_api aa GET /_ping
	assert_eq "$STATUS" 200 "$output"
}

@test "the engine restarts, the container restarts: the socket works, for the container's new users" {
	allowed aa "$TOOL:1" --restart always
	d restart -t 1 aa
	sock_api aa GET /_ping
	assert_eq "$STATUS" 200
	guard_restart_engine
	again() { [ "$(rawd inspect -f '{{.RestartCount}}' aa)" -gt 0 ] && answers; }
	answers() { sock_api aa GET /_ping && [ "$STATUS" = 200 ]; }
	eventually 30 answers
	d stop -t 1 aa
	d start aa
	answers
	# By the engine alone, as after the host's boot.
	kill -KILL "$(rawd inspect -f '{{.State.Pid}}' aa)"
	eventually 30 again
}

@test "the container goes, and its socket, directory and record with it: rm, --rm, prune, a failed start, while the guard is away" {
	allowed aa "$TOOL:1"
	[ -e "$(grant_file aa)" ]
	d rm -f aa
	eventually 10 no_grants
	run -0 d run --rm --network none -v "$HOST_SOCK:$HOST_SOCK" "$TOOL:1" docker ps -q
	eventually 10 no_grants
	with_sock bb
	d stop -t 1 bb
	[ -e "$(grant_file bb)" ]
	d container prune -f
	eventually 10 no_grants
	capture_fail d run --rm --network none -v "$HOST_SOCK:$HOST_SOCK" "$TOOL:1" /no/such/program
	eventually 10 no_grants
	capture_fail d create --network none -v "$HOST_SOCK:$HOST_SOCK" --name 'bad name' "$TOOL:1"
	api "$GUARD_SOCK" POST '/containers/create?name=bad%20name' "{\"Image\":\"$TOOL:1\",\"HostConfig\":{\"Binds\":[\"$HOST_SOCK:/s\"]}}"
	assert_match "$STATUS" '^4'
	eventually 10 no_grants
	api "$GUARD_SOCK" POST /containers/create "{\"Image\":\"no-such-image\",\"HostConfig\":{\"Binds\":[\"$HOST_SOCK:/s\"]}}"
	assert_eq "$STATUS" 404 "$output"
	eventually 10 no_grants
	with_sock cc
	guard_stop
	rawd rm -f cc
	guard_start
	eventually 15 no_grants
}

@test "records that are damaged or strange grant nothing and stop nobody" {
	local t
	allowed aa "$TOOL:1"
	t=$(grant_file aa)
	t=${t%/docker.sock}
	t=${t##*/}
	guard_stop
	echo '{"token": "x"' >"$ENGINE/guard-state/grants/00000000000000000000000000000000.json"
	cp "$ENGINE/guard-state/grants/$t.json" "$ENGINE/guard-state/grants/11111111111111111111111111111111.json"
	mkdir -p "$SOCKETS/22222222222222222222222222222222"
	: >"$SOCKETS/22222222222222222222222222222222/docker.sock"
	guard_start
	sock_api aa GET /_ping
	assert_eq "$STATUS" 200
	[ ! -S "$SOCKETS/00000000000000000000000000000000/docker.sock" ]
	rm -rf "$SOCKETS/22222222222222222222222222222222" "$SOCKETS/11111111111111111111111111111111" \
		"$ENGINE/guard-state/grants"/*.damaged "$ENGINE/guard-state/grants"/1111*
}

@test "A112 E48 an engine's socket that is bound later in a shared directory, or has an abstract name: the kernel says no" {
	local pid
	d run -d --name aa --network none -v "$SHARE/a:/a" "$TOOL:1" sleep 600
	spawn "$ENGINE/late.log" socat "UNIX-LISTEN:$SHARE/a/docker.sock,fork,mode=660" "UNIX-CONNECT:$ENGINE_SOCK" >"$ENGINE/late.pid"
	spawn "$ENGINE/abstract.log" socat "ABSTRACT-LISTEN:$ENGINE/late,fork" "UNIX-CONNECT:$ENGINE_SOCK" >"$ENGINE/abstract.pid"
	eventually 10 test -S "$SHARE/a/docker.sock"
	run -0 curl -fsS --unix-socket "$SHARE/a/docker.sock" http://d/_ping
	run -0 curl -fsS --abstract-unix-socket "$ENGINE/late" http://d/_ping
	run -7 d exec aa curl -sS --unix-socket /a/docker.sock http://d/_ping
	assert_has "$output" "Couldn't connect"
	run -7 d exec --privileged aa curl -sS --unix-socket /a/docker.sock http://d/_ping
	run -7 d exec aa curl -sS --abstract-unix-socket "$ENGINE/late" http://d/_ping
	# Nor is it mounted by a name of its own, whatever the share says.
	denied "ocker socket mount denied" "$TOOL:1" -v "$SHARE/a/docker.sock:/s"
	for pid in late abstract; do
		kill "$(cat "$ENGINE/$pid.pid")"
	done
	rm -f "$SHARE/a/docker.sock"
}

# engine_between MODE - the guard speaks to the engine through this: it answers questions about images after a second (slow),
# or takes orders for containers with a socket and hangs up without having made them (mute)
engine_between() {
	cat >"$ENGINE/between.py" <<'PY'
import socket, sys, threading, time
here, there, mode = sys.argv[1:]
def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass
def serve(c):
    head = c.recv(65536)
    if mode == "mute" and head.startswith(b"POST /containers/create") and b"docker.sock" in head:
        c.close()
        return
    if mode == "slow" and head.startswith(b"GET /images/"):
        time.sleep(1)
    e = socket.socket(socket.AF_UNIX)
    e.connect(there)
    e.sendall(head)
    threading.Thread(target=pump, args=(c, e), daemon=True).start()
    pump(e, c)
    c.close()
    e.close()
s = socket.socket(socket.AF_UNIX)
s.bind(here)
s.listen(512)
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
PY
	guard_stop
	rm -f "$ENGINE/guard-state/grants"/*.json
	spawn "$ENGINE/between.log" "$PYTHON" "$ENGINE/between.py" "$ENGINE/between" "$ENGINE_SOCK" "$1" >"$ENGINE/between.pid"
	eventually 5 test -S "$ENGINE/between"
	ENGINE_SOCK=$ENGINE/between guard_start
}

engine_between_end() {
	kill "$(cat "$ENGINE/between.pid")"
	rm -f "$ENGINE/between"
	guard_stop
	rm -f "$ENGINE/guard-state/grants"/*.json
	guard_start
}

# orders N [WAIT] - containers that have the socket, each ordered by a connection of its own, which is closed at once, or by
# WAIT after the answer; prints how many had which status
orders() {
	"$PYTHON" - "$GUARD_SOCK" "$TOOL:1" "$@" <<'PY'
import collections, json, socket, sys
path, image, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
body = json.dumps({"Image": image, "Cmd": ["true"], "HostConfig": {"Binds": ["/var/run/docker.sock:/s"]}}).encode()
seen = collections.Counter()
for _ in range(n):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.sendall(b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    if len(sys.argv) > 4:
        seen[s.recv(65536)[9:12].decode()] += 1
    s.close()
print(*("%s:%d" % x for x in sorted(seen.items())))
PY
}

# records - how many sockets there are
records() {
	find "$ENGINE/guard-state/grants" -name '*.json' | wc -l
}

@test "sockets for containers that are never made: none is kept for who leaves at once, and nobody gets all of them" {
	local -a nobody=(setpriv --reuid 65534 --regid 65534 --groups "$(stat -c %g "$GUARD_SOCK")")
	one() {
		[ "$(records)" = 1 ]
	}
	engine_between slow
	orders 12
	# All of them are judged: who waits is answered behind them.
	run -0 orders 1 wait
	assert_eq "$output" 201:1
	eventually 10 one || fail "$(records) sockets"
	engine_between_end
	# The engine may have made what it did not answer for: these are kept for a while, so many of one user.
	engine_between mute
	run -0 orders 260 wait
	assert_eq "$output" "502:256 503:4"
	assert_eq "$(records)" 256
	api "$GUARD_SOCK" POST /containers/create "{\"Image\":\"$TOOL:1\",\"HostConfig\":{\"Binds\":[\"$HOST_SOCK:/s\"]}}"
	assert_eq "$STATUS $(jq -r .message <<<"$output")" "503 enhanced container isolation: 256 containers of user 0 that have a Docker socket were not started; start some, or remove them and wait 10 minutes"
	assert_eq "$(records)" 256
	d create --name bb "$TOOL:1"
	# Others are served.
	run -0 "${nobody[@]}" curl -sS -o /dev/null -w '%{http_code}' --unix-socket "$GUARD_SOCK" -H 'Content-Type: application/json' \
		--data-binary "{\"Image\":\"$TOOL:1\",\"HostConfig\":{\"Binds\":[\"$HOST_SOCK:/s\"]}}" http://d/containers/create
	assert_eq "$output" 502
	assert_eq "$(records)" 257
	engine_between_end
}
