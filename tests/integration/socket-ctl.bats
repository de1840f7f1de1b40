# SPDX-License-Identifier: Apache-2.0
# What an administrator is told about Docker sockets in containers: caissonctl socket and caissonctl explain.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/guard.bash
load ../lib/guard-api.bash
load ../lib/tools.bash
load ../lib/socket.bash

: "${CAISSON_CTL:=$CAISSON_BUILD/src/bin/caissonctl}"
OTHER=$REG/ci/other
MOUNT="$HOST_SOCK:$HOST_SOCK"

setup_file() {
	export BATS_TEST_TIMEOUT=180
	socket_open || return 1
	published "$REG/ci/count:1" "$TOOL:1" count
}

teardown_file() {
	socket_close
}

teardown() {
	socket_teardown
}

# ctl ARGS... - as root on the host of the engine, whose registry is on loopback
ctl() {
	in_net "$ENGINE_NET" "$CAISSON_CTL" --socket "$GUARD_SOCK" "$@"
}

# id_of NAME - the first digits, as people give them
id_of() {
	rawd inspect -f '{{slice .Id 0 12}}' "$1"
}

# line_of WORDS - where the settings have them: FILE:LINE
line_of() {
	printf '%s:%s' "$GUARD_SETTINGS" "$(grep -nF "$1" "$GUARD_SETTINGS" | head -n 1 | cut -d: -f1)"
}

# socket_of ID JQ - of what is said about the container
socket_of() {
	ctl --json socket ls | jq -c --arg id "$1" ".sockets[] | select(.container | startswith(\$id)) | $2"
}

@test "socket ls: who has one, by which entry, and what was called and refused" {
	local aa bb
	permit 'cmd("deny"; ["push", "images"])'
	run -0 ctl socket ls
	assert_lines "$output" 1
	permit "img([\"$TOOL:1\", \"$OTHER:*\"]) | cmd(\"deny\"; [\"push\", \"images\"])"
	allowed aa "$TOOL:1"
	allowed bb "$OTHER:1"
	aa=$(id_of aa) bb=$(id_of bb)
	run -0 sock_d aa ps -q
	run -0 sock_d aa volume ls -q
	capture_fail sock_d aa images
	run -0 ctl socket ls
	assert_lines "$output" 3
	assert_match "$output" "$aa $TOOL:1 +$TOOL:1 +[0-9]+ +1  [a-z, ]*ps,[a-z, ]*volume ls[a-z, ]* refused: images"
	assert_match "$output" "$bb $OTHER:1 +$OTHER:\* +[0-9]+ +0  "
	assert_eq "$(socket_of "$aa" '[.refusals, .refused, .entry, .derived]')" "[1,[\"images\"],\"$TOOL:1\",false]"
	assert_eq "$(socket_of "$aa" '.calls >= 2 and (.used | index("ps") and index("volume ls") and (index("images") | not))')" true
	assert_eq "$(socket_of "$aa" '.decidedBy')" "\"$(line_of "$TOOL:1")\""
	assert_eq "$(socket_of "$bb" '.imageId')" "\"$(rawd inspect -f '{{.Image}}' bb)\""
	permit "img([\"$OTHER:*\"])"
	assert_match "$(ctl socket ls)" "$aa $TOOL:1 +nothing any more "
	assert_eq "$(socket_of "$aa" .setting)" null
	rawd rm -f aa >/dev/null
	gone() {
		[ -z "$(socket_of "$aa" .container)" ] && [ -n "$(socket_of "$bb" .container)" ]
	}
	eventually 10 gone
}

@test "socket learn: the policy it prints allows what was called, and no more" {
	local aa
	permit "own({images: [{image: \"$TOOL:1\", learn: true, commandList: {type: \"allow\", commands: []}}]})"
	allowed aa "$TOOL:1"
	aa=$(id_of aa)
	d create --name cc "$IMAGE" true
	calls() {
		sock_d aa ps -q && sock_d aa rename cc dd && sock_d aa rename dd cc && sock_d aa network ls -q
	}
	run -0 calls
	run -0 ctl socket learn "$aa"
	assert_eq "$(jq -c '[.caisson.dockerSocket.images[] | .image, .commandList.type, (.commandList.commands | sort)]' <<<"$output")" \
		"[\"$TOOL:1\",\"allow\",[\"network ls\",\"ps\",\"rename\"]]"
	permit "own($(jq -c .caisson.dockerSocket <<<"$output"))"
	run -0 calls
	capture_fail sock_d aa images
	assert_has "$output" "is blocked"
	capture_fail sock_d aa rm cc
	assert_has "$output" "is blocked"
	allowed bb "$TOOL:1"
	run -1 ctl socket learn 0x
	assert_eq "$output" 'caissonctl: no container whose id begins with "0x" has a Docker socket; see caissonctl socket ls'
	run -1 ctl socket learn ''
	assert_has "$output" "more than one container's id begins with"
}

@test "who is not root is told nothing about sockets" {
	permit "img([\"$TOOL:1\"])"
	allowed aa "$TOOL:1"
	cp "$CAISSON_CTL" "$ENGINE/ctl"
	local -a nobody=(setpriv --reuid 65534 --regid 65534 --groups "$(stat -c %g "$GUARD_SOCK")")
	run -0 "${nobody[@]}" curl -fsS --unix-socket "$GUARD_SOCK" http://d/_ping
	run -1 "${nobody[@]}" "$ENGINE/ctl" --socket "$GUARD_SOCK" socket ls
	assert_has "$output" "run this as root"
	refute_has "$output" "$TOOL"
}

# decided ALLOWED IMAGE - docker run and explain say the same, with the same words; output: what explain says
decided() {
	local want=$1 image=$2 said
	if said=$("$DOCKER" run --rm --network none -v "$MOUNT" "$image" true 2>&1); then
		assert_eq allowed "$want" "$image" || return 1
		run -0 ctl explain -- docker run --network none -v "$MOUNT" "$image"
		assert_has "$output" "  changed: " && assert_has "$output" "the Docker socket is one of the container's own, by \"" || return 1
	else
		assert_eq refused "$want" "$image: $said" || return 1
		run -1 ctl explain -- docker run --network none -v "$MOUNT" "$image"
		assert_has "$said" "$(sed -n 's/^refused (403): //p' <<<"$output")" || return 1
		assert_has "$output" "  rule:    docker socket" || return 1
	fi
}

@test "explain: whether an image may have it, and which line decides" {
	local list=enhancedContainerIsolation.dockerSocketMount.imageList before
	permit .
	decided refused "$TOOL:1"
	assert_has "$output" "allowed image list is empty."
	assert_has "$output" "  setting: $list, decided by built-in defaults"
	permit "img([\"$OTHER:1\", \"$TOOL:1\"])"
	before=$(find "$SOCKETS" "$ENGINE/guard-state/grants" | wc -l)
	run -0 ctl explain -- docker -H unix:///no/such run -v "$MOUNT" "$TOOL:1"
	assert_has "$output" "by \"$TOOL:1\""
	assert_eq "$(find "$SOCKETS" "$ENGINE/guard-state/grants" | wc -l)" "$before"
	assert_eq "$(rawd ps -aqf "ancestor=$TOOL:1")" ""
	decided allowed "$TOOL:1"
	permit "img([\"$OTHER:1\"])"
	decided refused "$TOOL:1"
	assert_has "$output" "$(not_listed "$TOOL")"
	assert_has "$output" "  setting: $list.images, decided by $(line_of '"images"')"
	# another image under a listed name
	rawd tag "$TOOL:1" keep:1
	rawd tag "$OTHER:1" "$TOOL:1"
	permit "img([\"$TOOL:1\"])"
	decided refused "$TOOL:1"
	assert_has "$output" "registry"
	rawd tag keep:1 "$TOOL:1"
	rawd rmi keep:1 >/dev/null
	decided allowed "$TOOL:1"
	permit "own({images: [{image: \"$OTHER:1\"}, {image: \"$TOOL:1\", until: \"2020-01-01T00:00:00Z\"}]})"
	decided refused "$TOOL:1"
	assert_match "$output" "  setting: caisson.dockerSocket.images\[1\][^ ]*, decided by $GUARD_SETTINGS:[0-9]+"
	decided allowed "$OTHER:1"
}

# rows - commands that harm nobody, in aa; cc is another container
rows() {
	cat <<-ROWS
		ps -a --filter name=cc
		container ls -q
		images -a
		image ls $TOOL
		inspect cc
		inspect --type image $TOOL:1
		image inspect $TOOL:1
		logs --tail 1 cc
		logs -t cc
		container port cc
		diff cc
		export -o /tmp/e cc
		cp cc:/bin/ls /tmp/
		stop -t 1 cc
		kill -s HUP cc
		pause cc
		unpause cc
		rename cc cc
		top cc
		stats --no-stream --format {{.ID}} cc
		update --cpu-shares 10 cc
		rm none
		container prune -f --filter label=none
		exec cc true
		commit cc x
		create $IMAGE
		pull -q $REG/ci/none
		push $REG/ci/none
		tag $TOOL:1 x:2
		rmi none:1
		history $TOOL:1
		save -o /tmp/x $IMAGE
		search --limit 1 none
		login -u u -p p $REG
		network ls -f name=x
		network inspect none
		network create -d bridge --internal netx
		network connect bridge cc
		network disconnect none cc
		network rm nosuch
		volume create volx
		volume ls -q
		volume inspect volx
		volume rm -f volx
		info
		version
		events --since 1 --until 2
		system df
	ROWS
}

# agreed - explain --from says of each row what happens to it
agreed() {
	local line said allowed refused=0 n=0 aa
	aa=$(id_of aa)
	while read -r line; do
		# shellcheck disable=SC2086
		said=$(sock_d aa $line 2>&1 </dev/null) || true
		# shellcheck disable=SC2086
		capture_explained "$aa" $line || return 1
		allowed=$(jq .allowed <<<"$output")
		if [[ $said == *"is blocked"* ]]; then
			assert_eq "$allowed $(jq -r .setting <<<"$output")" "false $1" "$line" || return 1
			refused=$((refused + 1))
		else
			assert_eq "$allowed" true "$line: $said: $output" || return 1
		fi
		n=$((n + 1))
	done < <(rows)
	assert_eq "$refused of $n" "$2"
}

capture_explained() {
	local aa=$1
	shift
	output=$(ctl --json explain --from "$aa" -- docker "$@" 2>&1) || jq -e '.allowed == false' <<<"$output" >/dev/null ||
		fail "$*: $output"
}

@test "explain --from: what a container may call is what explain says, for each command" {
	local list=enhancedContainerIsolation.dockerSocketMount.commandList
	permit "img([\"$TOOL:1\"]) | cmd(\"allow\"; [\"ps\", \"logs\", \"image inspect\", \"network*\", \"tag\", \"info\"])"
	allowed aa "$TOOL:1"
	d run -d --name cc "$IMAGE" sleep 600
	agreed $list "31 of 48"
	permit "img([\"$TOOL:1\"]) | cmd(\"deny\"; [\"ps\", \"logs\", \"image inspect\", \"network*\", \"tag\", \"rename\"])"
	agreed $list "14 of 48"
}

@test "explain --from: the words and the line, other rules, other containers, clients" {
	local aa bb said
	permit "own({images: [{image: \"$TOOL:1\", commandList: {type: \"deny\", commands: [\"images\"]}}, {image: \"$OTHER:1\", ownOnly: true}]})"
	allowed aa "$TOOL:1"
	allowed bb "$OTHER:1"
	aa=$(id_of aa) bb=$(id_of bb)
	d create --name cc "$IMAGE" true
	run -1 ctl explain --from "$aa" -- docker images
	assert_has "$output" 'refused (403): enhanced container isolation: docker command "/images/json" is blocked; if you wish to allow it, configure the docker socket command list in the admin-settings.'
	assert_has "$output" "  rule:    docker socket command"
	assert_has "$output" "  setting: caisson.dockerSocket.images[0].commandList, decided by $(line_of '"commandList"')"
	run -0 ctl explain --from "$bb" -- docker images
	run -0 ctl explain -- docker images
	# What holds for clients on the host holds as well.
	run -1 ctl explain --from "$aa" -- docker run --pid host "$IMAGE"
	assert_has "$output" "  rule:    namespaces"
	# ownOnly: narrowed, and everything else does not exist
	run -0 ctl --json explain --from "$bb" -- docker ps
	assert_match "$(jq -r .request.target <<<"$output")" 'filters=.*io\.caisson\.scope'
	run -0 ctl --json explain --from "$aa" -- docker ps
	refute_has "$(jq -r .request.target <<<"$output")" caisson.scope
	capture_fail sock_d bb rename cc dd
	said=$output
	run -1 ctl explain --from "$bb" -- docker rename cc dd
	assert_has "$output" "refused (404): "
	assert_has "$said" "$(sed -n 's/^refused (404): //p' <<<"$output")"
	run -0 ctl explain --from "$aa" -- docker rename cc dd
	assert_eq "$(rawd ps -aqf name=cc | wc -l)" 1
	run -1 ctl explain --from 0x -- docker ps
	assert_has "$output" 'no container whose id begins with "0x" has a Docker socket'
}

# asked METHOD - requests for manifests of count in the registry's log
asked() {
	grep -c "\"$1 /v2/ci/count/manifests/" "$ENGINE/registry.log" || true
}

# more METHOD NUMBER - the log may come after the answer
more() {
	[ "$(asked "$1")" -gt "$2" ]
}

@test "a tag whose registry still has the same costs a HEAD and no pull" {
	local get head
	# Before the policy: what it lists is asked for ahead of time.
	get=$(asked GET)
	permit "img([\"$REG/ci/count:1\"]) | own({digestMaxAge: 1})"
	allowed aa "$REG/ci/count:1"
	eventually 5 more GET "$get"
	sleep 2
	get=$(asked GET) head=$(asked HEAD)
	allowed bb "$REG/ci/count:1"
	eventually 5 more HEAD "$head"
	sleep 1
	assert_eq "$(asked GET)" "$get"
}

@test "sockets that could not be watched over at once are so after the next reload" {
	command -v strace || skip "no strace"
	# The fifth is the one by which the watching thread is woken up.
	printf '#!/bin/sh\nexec strace -D -o /dev/null -e trace=eventfd2 -e inject=eventfd2:error=EMFILE:when=5 "%s" "$@"\n' \
		"$CAISSON_GUARD" >"$ENGINE/short"
	chmod +x "$ENGINE/short"
	guard_stop
	rm -rf "$ENGINE/guard-state/grants"
	cp "$ENGINE/base.json" "$GUARD_SETTINGS"
	CAISSON_GUARD=$ENGINE/short guard_start
	permit "img([\"$TOOL:1\"])"
	eventually 5 grep -q "watching containers: too many open files" "$ENGINE/guard.log"
	permit "img([\"$TOOL:1\"])"
	assert_eq "$(grep -c "watching containers" "$ENGINE/guard.log")" 1
	allowed aa "$TOOL:1"
	rawd rm -f aa
	eventually 10 no_grants
}
