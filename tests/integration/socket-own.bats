# SPDX-License-Identifier: Apache-2.0
# What the settings say about the Docker socket beyond Docker's own keys: caisson.dockerSocket (L13, L14, L19, L32, U18, U20).

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/guard.bash
load ../lib/guard-api.bash
load ../lib/tools.bash
load ../lib/socket.bash

OTHER=$REG/ci/other

setup_file() {
	export BATS_TEST_TIMEOUT=180 ENGINE_SHADOW_RUNC=1
	socket_open || return 1
	getent group "$(stat -c %G "$GUARD_SOCK")" >/dev/null || true
}

teardown_file() {
	socket_close
}

teardown() {
	socket_teardown
}

# entry MEMBERS - an entry for TOOL:1 with these members, and a plain one for OTHER:1
entry() {
	permit "own({images: [{image: \"$TOOL:1\", $1}, {image: \"$OTHER:1\"}]})"
}

# forbids WORDS METHOD TARGET [BODY] - 403 through aa's socket, with words; the same passes through bb's, which has a plain entry
forbids() {
	local words=$1
	shift
	sock_api bb "$@"
	assert_match "$STATUS" '^[23]' "control: $*: $output" || return 1
	undo "$2"
	sock_api aa "$@"
	assert_eq "$STATUS" 403 "$*: $output" || return 1
	assert_has "$output" "$words" "$*" || return 1
	assert_match "$(tail -n 1 "$GUARD_AUDIT" | jq -r '"\(.action) \(.setting)"')" '^refused caisson.dockerSocket.images\[0\]'
}

# permits METHOD TARGET [BODY] - passes through aa's socket
permits() {
	sock_api aa "$@"
	assert_match "$STATUS" '^[23]' "$*: $output" || return 1
	undo "$2"
}

both() {
	allowed aa "$TOOL:1"
	allowed bb "$OTHER:1"
}

# ---- lists and grants ----------------------------------------------------------------------------------------------------

@test "L13 each image has its own command list; without one the list for all counts" {
	permit "cmd(\"deny\"; [\"images\"]) | own({images: [
		{image: \"$TOOL:1\", commandList: {type: \"allow\", commands: [\"images\"]}}, {image: \"$OTHER:1\"}]})"
	both
	run -0 sock_d aa images -q
	capture_fail sock_d aa ps
	assert_match "$output" 'docker command "[^"]*/containers/json" is blocked'
	assert_match "$(tail -n 1 "$GUARD_AUDIT" | jq -r .setting)" '^caisson.dockerSocket.images\[0\].commandList'
	run -0 sock_d bb ps -q
	capture_fail sock_d bb images
	assert_has "$output" "is blocked"
	assert_match "$(tail -n 1 "$GUARD_AUDIT" | jq -r .setting)" 'dockerSocketMount.commandList'
}

@test "ours go before Docker's list, which goes on for the rest" {
	permit "img([\"$TOOL:1\", \"$OTHER:1\"]) | own({images: [{image: \"$TOOL:1\", readOnly: true}]})"
	both
	sock_api aa POST /containers/prune
	assert_eq "$STATUS" 403
	sock_api bb POST /containers/prune
	assert_eq "$STATUS" 200
}

@test "readOnly: looking, without contents" {
	entry 'readOnly: true'
	both
	d create --name cc --label x=y "$IMAGE" true
	permits GET /containers/json
	permits GET /images/json
	permits GET /containers/cc/json
	permits GET '/events?until=1'
	permits GET /version
	forbids "readOnly" POST '/containers/create' "{\"Image\":\"$IMAGE\"}"
	forbids "readOnly" GET '/containers/cc/archive?path=/etc/passwd'
	forbids "readOnly" GET '/containers/cc/logs?stdout=1'
	forbids "readOnly" POST '/volumes/create' '{"Name":"xx"}'
	forbids "readOnly" POST '/containers/cc/rename?name=dd'
	sock_api aa GET /containers/cc/export
	assert_eq "$STATUS" 403
	sock_api aa DELETE /containers/cc
	assert_eq "$STATUS" 403
	sock_api aa PUT '/containers/cc/archive?path=/'
	assert_eq "$STATUS" 403
	sock_api aa POST /containers/cc/attach
	assert_eq "$STATUS" 403
}

@test "until: before it allowed; after it no start, and what runs is refused from then on" {
	local soon
	entry 'until: "2020-01-01T00:00:00Z"'
	denied "ocker socket mount denied" "$TOOL:1"
	assert_match "$output" 'time that has passed|until|2020'
	soon=$(date -u -d '+20 seconds' +%Y-%m-%dT%H:%M:%SZ)
	entry "until: \"$soon\""
	allowed aa "$TOOL:1"
	over() {
		sock_api aa GET /containers/json
		[ "$STATUS" = 403 ]
	}
	eventually 40 over
	assert_has "$output" "until a time that has passed"
	denied "ocker socket mount denied" "$TOOL:1"
	run -0 jq -rs 'map(select(.action == "refused")) | last | .setting' "$GUARD_AUDIT"
	assert_match "$output" '^caisson.dockerSocket.images\[0\]'
}

@test "learn: all passes, also what the list blocks, and is recorded" {
	local token
	entry 'learn: true, commandList: {type: "allow", commands: []}'
	allowed aa "$TOOL:1"
	run -0 sock_d aa ps -q
	run -0 sock_d aa volume create learned
	run -0 sock_d aa volume rm learned
	run -0 sock_d aa run --rm --network none "$IMAGE" true
	token=$(grant_of aa)
	recorded() { grep -q . "$ENGINE/guard-state/grants/$token.json" && jq -e '[.. | strings] | index("container_list") and index("volume_create")' "$ENGINE/guard-state/grants/$token.json"; }
	eventually 15 recorded
	# The other rules hold meanwhile.
	capture_fail sock_d aa run --rm --network none --pid host "$IMAGE" true
	assert_has "$output" "can't share namespaces"
}

# grant_of NAME - the token of its socket
grant_of() {
	rawd inspect -f '{{range .Mounts}}{{.Source}}{{end}}' "$1" | sed 's|/docker.sock$||; s|.*/||'
}

# ---- what may be made (L32, U20) -----------------------------------------------------------------------------------------

# made MEMBERS - a body for create
made() {
	printf '{"Image":"%s","Cmd":["true"],%s}' "$IMAGE" "$1"
}

@test "L32 U20 create.privileged false: neither privileged nor capabilities, devices, security options" {
	local m
	entry 'create: {privileged: false}'
	both
	for m in '"Privileged":true' '"CapAdd":["NET_ADMIN"]' '"CapAdd":["ALL"]' '"SecurityOpt":["seccomp=unconfined"]' \
		'"Devices":[{"PathOnHost":"/dev/fuse","PathInContainer":"/dev/fuse","CgroupPermissions":"rwm"}]' '"MaskedPaths":[]' '"ReadonlyPaths":[]'; do
		forbids "create" POST /containers/create "$(made "\"HostConfig\":{$m}")"
	done
	forbids "create" POST /containers/create "$(made '"hostconfig":{"privileged":true}')"
	permits POST /containers/create "$(made '"HostConfig":{"Privileged":false,"CapAdd":[],"CapDrop":["ALL"]}')"
	permits POST /containers/create "$(made '"HostConfig":null')"
	# By exec neither.
	drm cc
	sock_api aa POST '/containers/create?name=cc' "{\"Image\":\"$IMAGE\",\"Cmd\":[\"sleep\",\"600\"],\"HostConfig\":{\"NetworkMode\":\"none\"}}"
	sock_api aa POST /containers/cc/start
	assert_eq "$STATUS" 204 "$output"
	sock_api bb POST /containers/cc/exec '{"Cmd":["true"],"Privileged":true}'
	assert_eq "$STATUS" 201 "$output"
	sock_api aa POST /containers/cc/exec '{"Cmd":["true"],"Privileged":true}'
	assert_eq "$STATUS" 403 "$output"
	sock_api aa POST /containers/cc/exec '{"Cmd":["true"]}'
	assert_eq "$STATUS" 201 "$output"
}

@test "L32 U20 what create demands holds for builds, services, commits and volumes of mounts, too" {
	entry 'create: {networks: ["ci-*"], labels: {owner: "ci"}}'
	both
	# Without a word about networks a build has the engine's default one.
	printf 'FROM scratch\n' >"$ENGINE/Dockerfile"
	tar -C "$ENGINE" -cf "$ENGINE/ctx.tar" Dockerfile
	build() {
		timeout 60 "$DOCKER" exec -i aa curl -sS --unix-socket "$HOST_SOCK" -H 'Content-Type: application/x-tar' -H Expect: \
			--data-binary @- -w '\n%{http_code}' "http://docker/build$1" <"$ENGINE/ctx.tar"
	}
	run -0 build ''
	assert_eq "${lines[-1]}" 403 "$output"
	assert_has "$output" 'network \"bridge\" is blocked'
	run -0 build '?networkmode=none'
	assert_eq "${lines[-1]}" 200 "$output"
	# BuildKit's frontends choose networks themselves.
	run -0 build '?networkmode=none&version=2'
	assert_eq "${lines[-1]}" 403 "$output"
	assert_has "$output" 'BuildKit is blocked'
	sock_api aa POST /services/create "{\"Name\":\"evil\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"$IMAGE\",\"CapabilityAdd\":[\"CAP_SYS_ADMIN\"]}}}"
	assert_eq "$STATUS" 403 "$output"
	assert_has "$output" 'a service is blocked for what is made through'
	# Labels: what is demanded wins, wherever labels can be said.
	sock_api aa POST '/containers/create?name=cc' "$(made '"HostConfig":{"NetworkMode":"none","Mounts":[{"Type":"volume","Source":"vv","Target":"/x","VolumeOptions":{"Labels":{"io.caisson.scope":"forged","owner":"me","mine":"1"}}}]}')"
	assert_eq "$STATUS" 201 "$output"
	run rawd volume inspect -f '{{.Labels.owner}} {{.Labels.mine}} {{index .Labels "io.caisson.scope"}}' vv
	assert_match "$output" '^ci 1 [0-9a-f]{32}$'
	sock_api aa POST '/containers/create?name=dd' "$(made '"HostConfig":{"NetworkMode":"none","Binds":["ww:/x"]}')"
	assert_eq "$STATUS" 201 "$output"
	assert_eq "$(rawd volume inspect -f '{{.Labels.owner}}' ww)" ci
	drm dd
	for c in 'LABEL owner=me' ' label owner=me' $'ENV a=b\nLABEL owner=me' $'LA\\\nBEL owner=me' $'\xc2\xa0LABEL owner=me' $'\xef\xbb\xbfLABEL owner=me'; do
		api "$ENGINE_SOCK" POST "/commit?container=cc&repo=control&tag=1&changes=$(jq -rn --arg c "$c" '$c | @uri')" '{}'
		assert_eq "$(rawd image inspect -f '{{.Config.Labels.owner}}' control:1)" me "control: $c: $output"
		rawd rmi control:1 >/dev/null
		sock_api aa POST "/commit?container=cc&repo=made&tag=1&changes=$(jq -rn --arg c "$c" '$c | @uri')" '{}'
		assert_eq "$STATUS" 403 "$c: $output"
		assert_has "$output" "labels are set by the guard"
	done
	sock_api aa POST '/commit?container=cc&repo=made&tag=1&changes=ENV%20a=b' '{"Labels":{"owner":"me"}}'
	assert_eq "$STATUS" 201 "$output"
	assert_eq "$(rawd image inspect -f '{{.Config.Labels.owner}} {{.Config.Env}}' made:1 | tr -s ' ')" "$(printf 'ci [%s]' "$(rawd image inspect -f '{{join .Config.Env " "}}' made:1)")"
	drm cc
	rawd rmi made:1 >/dev/null
	rawd volume rm vv ww >/dev/null
}

@test "E72 a pull is a pull, whatever else its query says" {
	permit "cmd(\"deny\"; [\"pull\"]) | own({images: [{image: \"$TOOL:1\"}]})"
	allowed aa "$TOOL:1"
	for q in 'fromImage=no.such/x&tag=1' 'fromImage=no.such/x&tag=1&fromSrc=-' 'fromSrc=-&fromImage=no.such/x'; do
		sock_api aa POST "/images/create?$q"
		assert_eq "$STATUS" 403 "$q: $output"
		assert_has "$output" "is blocked; if you wish to allow it"
	done
	permit "cmd(\"deny\"; [\"exec\"]) | own({images: [{image: \"$TOOL:1\"}]})"
	sock_api aa POST '/images/create?fromImage=no.such/x&tag=1&fromSrc=-'
	assert_eq "$STATUS" 400 "$output"
	assert_has "$output" "either fromImage"
}

@test "L32 create.binds false: no host paths by any encoding, volumes stay" {
	local m
	entry 'create: {binds: false}'
	both
	for m in "\"Binds\":[\"$SHARE/a:/x\"]" "\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"$SHARE/a\",\"Target\":\"/x\"}]" \
		"\"Mounts\":[{\"Type\":\"volume\",\"Target\":\"/x\",\"VolumeOptions\":{\"DriverConfig\":{\"Name\":\"local\",\"Options\":{\"type\":\"none\",\"o\":\"bind,ro\",\"device\":\"$SHARE/a\"}}}}]"; do
		forbids "host paths" POST /containers/create "$(made "\"HostConfig\":{$m}")"
	done
	forbids "host paths" POST /volumes/create "{\"Name\":\"vv\",\"DriverOpts\":{\"type\":\"none\",\"o\":\"bind,ro\",\"device\":\"$SHARE/a\"}}"
	d volume create --opt type=none --opt o=bind,ro --opt "device=$SHARE/a" shared
	forbids "host paths" POST /containers/create "$(made '"HostConfig":{"Binds":["shared:/x"]}')"
	d create --name cc -v "$SHARE/a:/x" "$IMAGE" true
	forbids "host paths" POST /containers/create "$(made '"HostConfig":{"VolumesFrom":["cc"]}')"
	permits POST /containers/create "$(made '"HostConfig":{"Binds":["data:/x","/y"],"Tmpfs":{"/t":""}}')"
	d rm cc
	d volume rm shared
}

@test "L32 create.networks: those that are named, by pattern too, and none; connecting is the same" {
	local net
	entry 'create: {networks: ["bridge", "ci-*"]}'
	both
	d network create ci-one
	d network create other
	permits POST /containers/create "$(made '"HostConfig":{"NetworkMode":"bridge"}')"
	permits POST /containers/create "$(made '"HostConfig":{}')"
	permits POST /containers/create "$(made '"HostConfig":{"NetworkMode":"none"}')"
	permits POST /containers/create "$(made '"HostConfig":{"NetworkMode":"ci-one"}')"
	forbids "networks" POST /containers/create "$(made '"HostConfig":{"NetworkMode":"other"}')"
	forbids "networks" POST /containers/create "$(made '"NetworkingConfig":{"EndpointsConfig":{"other":{}}},"HostConfig":{"NetworkMode":"other"}')"
	forbids "networks" POST /containers/create "$(made "\"HostConfig\":{\"NetworkMode\":\"$(d network inspect -f '{{.Id}}' other)\"}")"
	sock_api aa POST '/containers/create?name=cc' "$(made '"HostConfig":{"NetworkMode":"ci-one"}')"
	assert_eq "$STATUS" 201 "$output"
	sock_api aa POST /networks/other/connect '{"Container":"cc"}'
	assert_eq "$STATUS" 403 "$output"
	sock_api bb POST /networks/other/connect '{"Container":"cc"}'
	assert_eq "$STATUS" 200 "$output"
}

@test "U20 create.namePrefix and create.labels" {
	entry 'create: {namePrefix: "ci-", labels: {owner: "ci", team: "x"}}'
	both
	forbids "ci-" POST '/containers/create?name=web' "$(made '"Labels":{}')"
	sock_api aa POST '/containers/create?name=ci-web' "$(made '"Labels":{"owner":"forged","mine":"1"}')"
	assert_eq "$STATUS" 201 "$output"
	assert_eq "$(rawd inspect -f '{{index .Config.Labels "owner"}} {{index .Config.Labels "team"}} {{index .Config.Labels "mine"}}' ci-web)" "ci x 1"
	sock_api aa POST '/containers/create' "$(made '"Labels":{}')"
	assert_match "$(rawd inspect -f '{{.Name}}' "$(jq -r .Id <<<"$output")")" '^/ci-'
	sock_api aa POST '/containers/ci-web/rename?name=web'
	assert_eq "$STATUS" 403 "$output"
	sock_api aa POST '/containers/ci-web/rename?name=ci-web2'
	assert_eq "$STATUS" 204 "$output"
	forbids "ci-" POST /volumes/create '{"Name":"data"}'
	permits POST /volumes/create '{"Name":"ci-data"}'
	forbids "ci-" POST /networks/create '{"Name":"net"}'
	permits POST /networks/create '{"Name":"ci-net"}'
}

@test "E65 these rules hold for siblings that have the socket as well, by their own images' entries" {
	entry 'create: {privileged: false}'
	both
	run -0 sock_d aa run -d --name cc --network none -v "$HOST_SOCK:$HOST_SOCK" "$TOOL:1" sleep 600
	sock_api cc POST /containers/create "$(made '"HostConfig":{"Privileged":true}')"
	assert_eq "$STATUS" 403 "$output"
	# An image that may do more than the one that starts it is no way around what the starter may.
	sock_api aa POST '/containers/create?name=dd' "{\"Image\":\"$OTHER:1\",\"Cmd\":[\"sleep\",\"600\"],\"HostConfig\":{\"NetworkMode\":\"none\",\"Binds\":[\"$HOST_SOCK:$HOST_SOCK\"]}}"
	if [ "$STATUS" = 201 ]; then
		sock_api aa POST /containers/dd/start
		sock_api dd POST /containers/create "$(made '"HostConfig":{"Privileged":true}')"
		assert_eq "$STATUS" 403 "a child does more than its parent may: $output"
	fi
}

# ---- only what it made (U18) -----------------------------------------------------------------------------------------------

strangers() {
	dbg stranger -v stranger-data:/d
	d network create stranger-net
	variant stranger:1 "$IMAGE" stranger
}

no_strangers() {
	rawd rmi -f stranger:1
}

@test "U18 ownOnly: lists, events and prunes are its own, others answer 404" {
	local p m
	entry 'ownOnly: true'
	both
	strangers
	run -0 sock_d aa run -d --name mine --network none -v mine-data:/d "$IMAGE" sleep 600
	run -0 sock_d aa network create mine-net
	run -0 sock_d aa ps -a --format '{{.Names}}'
	assert_eq "$output" mine
	run -0 sock_d aa volume ls -q
	assert_eq "$output" mine-data
	run -0 sock_d aa network ls --format '{{.Name}}'
	assert_has "$output" mine-net
	refute_has "$output" stranger
	run -0 sock_d bb ps -a --format '{{.Names}}'
	assert_has "$output" stranger
	for p in GET:/containers/stranger/json GET:/containers/stranger/logs?stdout=1 POST:/containers/stranger/stop POST:/containers/stranger/kill \
		DELETE:/containers/stranger?force=1 GET:/containers/stranger/top GET:/containers/stranger/archive?path=/etc POST:/containers/stranger/attach?stream=1 \
		GET:/containers/stranger/export GET:/containers/stranger/changes POST:/containers/stranger/rename?name=x POST:/containers/stranger/pause POST:/containers/stranger/wait \
		GET:/volumes/stranger-data DELETE:/volumes/stranger-data GET:/networks/stranger-net DELETE:/networks/stranger-net \
		GET:/containers/bb/json GET:/containers/none-such/json "GET:/containers/$(d inspect -f '{{.Id}}' stranger)/json" "GET:/containers/$(d inspect -f '{{slice .Id 0 12}}' stranger)/json"; do
		sock_api aa "${p%%:*}" "${p#*:}"
		assert_eq "$STATUS" 404 "$p: $output"
	done
	sock_api aa POST /containers/stranger/exec '{"Cmd":["true"]}'
	assert_eq "$STATUS" 404 "$output"
	sock_api aa POST /networks/stranger-net/connect '{"Container":"mine"}'
	assert_eq "$STATUS" 404 "$output"
	sock_api aa POST /networks/mine-net/connect '{"Container":"stranger"}'
	assert_match "$STATUS" '^40[04]$' "$output"
	for p in containers volumes networks images; do
		sock_api aa POST "/$p/prune"
		assert_eq "$STATUS" 200 "$p: $output"
	done
	assert_eq "$(dstate stranger)" running
	rawd volume inspect stranger-data >/dev/null
	rawd network inspect stranger-net >/dev/null
	rawd image inspect stranger:1 >/dev/null
	run -0 sock_d aa exec mine echo works
	run -0 sock_d aa logs mine
	run -0 sock_d aa rm -f mine
	run -0 sock_d aa volume rm mine-data
	no_strangers
}

@test "U18 ownOnly: what belongs to others is not taken into its own containers" {
	local m
	entry 'ownOnly: true'
	both
	strangers
	for m in '"Binds":["stranger-data:/x"]' '"Mounts":[{"Type":"volume","Source":"stranger-data","Target":"/x"}]' '"VolumesFrom":["stranger"]' \
		'"NetworkMode":"container:stranger"' '"PidMode":"container:stranger"' '"IpcMode":"container:stranger"' '"NetworkMode":"stranger-net"' '"Links":["stranger:x"]'; do
		sock_api aa POST /containers/create "$(made "\"HostConfig\":{$m}")"
		assert_match "$STATUS" '^40[034]$' "$m: $output"
	done
	sock_api bb POST /containers/create "$(made '"HostConfig":{"Binds":["stranger-data:/x"]}')"
	assert_eq "$STATUS" 201 "$output"
	sock_api aa POST '/commit?container=stranger&repo=x'
	assert_match "$STATUS" '^40[34]$' "$output"
	sock_api aa POST '/images/stranger:1/push'
	assert_match "$STATUS" '^40[34]$' "$output"
	sock_api aa DELETE '/images/stranger:1'
	assert_match "$STATUS" '^40[34]$' "$output"
	sock_api aa POST "/images/$IMAGE/tag?repo=stranger&tag=1"
	assert_match "$STATUS" '^40[34]$' "$output"
	no_strangers
}

@test "U18 ownOnly: the label can neither be forged nor taken off, and a filter of one's own does not widen" {
	local f scope
	entry 'ownOnly: true'
	both
	strangers
	allowed cc "$TOOL:1"
	run -0 sock_d cc run -d --name theirs --network none "$IMAGE" sleep 600
	scope=$(rawd inspect -f '{{index .Config.Labels "io.caisson.scope"}}' theirs)
	assert_match "$scope" '^[0-9a-f]{32}$'
	sock_api aa POST '/containers/create?name=mine' "$(made "\"Labels\":{\"io.caisson.scope\":\"$scope\"}")"
	assert_eq "$STATUS" 201 "$output"
	f=$(rawd inspect -f '{{index .Config.Labels "io.caisson.scope"}}' mine)
	[ "$f" != "$scope" ] && [ -n "$f" ]
	sock_api aa POST '/containers/create?name=mine2' "$(made "\"labels\":{\"io.caisson.scope\":\"$scope\"}")"
	[ "$STATUS" != 201 ] || assert_eq "$(rawd inspect -f '{{index .Config.Labels "io.caisson.scope"}}' mine2)" "$f"
	for f in "{\"label\":[\"io.caisson.scope=$scope\"]}" "{\"label\":{\"io.caisson.scope=$scope\":true}}" '{"label":[]}' '{"label":{}}' '{"label":null}' '{"LABEL":["x"]}' \
		'{"name":["stranger"]}' '{"id":["a"]}'; do
		sock_api aa GET "/containers/json?all=1&filters=$(jq -rn --arg f "$f" '$f | @uri')"
		refute_has "$output" theirs "$f"
		refute_has "$output" stranger "$f"
	done
	sock_api aa GET "/containers/json?all=1&filters=%7B%7D&filters=$(jq -rn '"{\"name\":[\"stranger\"]}" | @uri')"
	refute_has "$output" '"/stranger"'
	# A user of the host does not get into a scope either.
	d create --name forged --label "io.caisson.scope=$scope" "$IMAGE" true
	run -0 sock_d cc ps -a --format '{{.Names}}'
	refute_has "$output" forged
	no_strangers
}

@test "U18 ownOnly: grandchildren belong to the same scope" {
	entry 'ownOnly: true'
	both
	run -0 sock_d aa run -d --name child --network none -v "$HOST_SOCK:$HOST_SOCK" "$TOOL:1" sleep 600
	run -0 sock_d child run -d --name grandchild --network none "$IMAGE" sleep 600
	run -0 sock_d aa ps --format '{{.Names}}'
	assert_has "$output" grandchild
	run -0 sock_d child ps --format '{{.Names}}'
	assert_has "$output" child
	run -0 sock_d aa rm -f grandchild child
}

@test "U18 ownOnly: events are its own, while others come and go" {
	entry 'ownOnly: true'
	both
	run -0 sock_d aa run --rm --name mine --network none "$IMAGE" true
	d run --rm --name stranger --network none "$IMAGE" true
	sleep 1.1 # docker asks for whole seconds
	run -0 sock_d aa events --since 1m --until 0s --format '{{.Actor.Attributes.name}} {{.Action}}'
	assert_has "$output" "mine create"
	refute_has "$output" stranger
	run -0 sock_d bb events --since 1m --until 0s --format '{{.Actor.Attributes.name}} {{.Action}}'
	assert_has "$output" stranger
}

@test "U18 ownOnly: the bridge that all share does not tell who else is on it" {
	entry 'ownOnly: true'
	both
	d run -d --name stranger --network bridge "$IMAGE" sleep 600
	sock_api bb GET /networks/bridge
	assert_has "$output" '"stranger"'
	sock_api aa GET /networks/bridge
	assert_eq "$STATUS" 200 "$output"
	refute_has "$output" '"stranger"'
	run -0 jq -r '.IPAM.Config[0].Subnet' <<<"$output"
	assert_has "$output" "$ENGINE_SUBNET"
}

@test "U18 ownOnly: builds, commits and what they make are its own; names of others' images are not taken" {
	entry 'ownOnly: true'
	both
	"$DOCKER" exec aa sh -ec "mkdir /ctx; printf 'FROM $IMAGE\nRUN true\n' >/ctx/Dockerfile"
	run -0 timeout 80 "$DOCKER" exec -e DOCKER_BUILDKIT=0 aa docker build -q -t own:1 /ctx
	run -0 sock_d aa rmi own:1
	capture_fail timeout 80 "$DOCKER" exec -e DOCKER_BUILDKIT=0 aa docker build -q -t "$OTHER:1" /ctx
	refute_has "$output" sha256
	run -0 sock_d aa create --name mine --network none "$IMAGE" true
	run -0 sock_d aa commit mine own:2
	run -0 sock_d aa rmi own:2
	sock_api aa GET /system/df
	assert_eq "$STATUS" 403
	sock_api aa POST /swarm/init '{}'
	assert_match "$STATUS" '^40[34]$'
}

# ---- labels and builders (L14, U15) ----------------------------------------------------------------------------------------

# built_by UID NAME - an image with the label, built through the guard by this user
built_by() {
	mkdir -p "$BATS_TEST_TMPDIR/ctx"
	printf 'FROM %s\nLABEL org.example.ci=yes\nRUN echo %s >/by\n' "$TOOL:1" "$2" >"$BATS_TEST_TMPDIR/ctx/Dockerfile"
	tar -C "$BATS_TEST_TMPDIR/ctx" -c . >"$BATS_TEST_TMPDIR/ctx.tar"
	chmod 755 "$BATS_TEST_TMPDIR"
	chmod 644 "$BATS_TEST_TMPDIR/ctx.tar"
	setpriv --reuid "$1" --regid "$(stat -c %g "$GUARD_SOCK")" --clear-groups curl -sS --max-time 60 --unix-socket "$GUARD_SOCK" -X POST \
		-H 'Content-Type: application/x-tar' --data-binary @- "http://d/build?t=$2&networkmode=none&nocache=1" <"$BATS_TEST_TMPDIR/ctx.tar"
}

@test "L14 U15 an image that was built here by one of the builders and has the label" {
	permit 'own({images: [{label: "org.example.ci=yes", builders: ["root", 1000]}]})'
	run -0 built_by 0 by-root:1
	assert_has "$output" "Successfully built"
	allowed aa by-root:1
	run -0 built_by 1000 by-user:1
	assert_has "$output" "Successfully built"
	allowed bb by-user:1
	run -0 built_by 1001 by-other:1
	assert_has "$output" "Successfully built"
	denied "ocker socket mount denied" by-other:1
	# The label alone is nothing: not on what was built elsewhere, tagged, loaded or committed.
	variant elsewhere:1 "$TOOL:1" elsewhere 'LABEL org.example.ci=yes'
	denied "ocker socket mount denied" elsewhere:1
	d save elsewhere:1 -o "$BATS_TEST_TMPDIR/tar"
	rawd rmi elsewhere:1
	d load -i "$BATS_TEST_TMPDIR/tar"
	denied "ocker socket mount denied" elsewhere:1
	d create --name cc "$TOOL:1" true
	d commit -c 'LABEL org.example.ci=yes' cc committed:1
	denied "ocker socket mount denied" committed:1
	denied "ocker socket mount denied" "$TOOL:1"
	# It outlives the guard.
	guard_stop
	guard_start
	allowed dd by-root:1
	drm aa bb cc dd
	rawd rmi -f by-root:1 by-user:1 by-other:1 elsewhere:1 committed:1
}

# ---- settings ------------------------------------------------------------------------------------------------------------------

@test "what is misspelt is refused by name, and the settings before stay" {
	local o words
	entry 'readOnly: true'
	both
	while IFS='|' read -r o words; do
		jq "def own(\$o): .caisson.dockerSocket += \$o; own($o)" "$ENGINE/base.json" >"$GUARD_SETTINGS"
		guard_reload "$words"
		sock_api aa POST /containers/prune
		assert_eq "$STATUS" 403 "$o: $output"
	done <<-LIST
		{images: [{image: "$TOOL:1", readOnyl: true}]}|readOnyl.*readOnly
		{images: [{image: "$TOOL:1", id: "sha256:0"}]}|images\[0\]
		{images: [{image: "Bad:Name:x"}]}|Bad:Name
		{images: [{}]}|images\[0\]
		{images: [{image: "a", until: "tomorrow"}]}|until
		{images: [{image: "a", create: {network: []}}]}|network.*networks
		{images: [{image: "a", commandList: {type: "deny", commands: ["psuh"]}}]}|psuh
		{directory: "relative"}|directory
		{digestMaxAge: -1}|digestMaxAge
		{offline: "allow"}|offline
	LIST
}
