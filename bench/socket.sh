# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2034 # run.sh and guard.sh assign and use what is here
#
# The group "socket" of run.sh, which sources this: what the Docker sockets of containers cost at the guard. The peer is the
# same request without a socket, or through the engine's own.

registry=${REGISTRY:-/usr/bin/docker-registry}

# socket_guard NAME ENGINE_SOCKET JQ: a guard at $exec_root/NAME-guard.sock, whose settings the filter makes of those that
# allow nothing; sets guard_pid
socket_guard() {
	local name=$1 dir=$work/socket-$1 i
	mkdir -p "$dir/settings"
	chmod 0755 "$dir/settings"
	jq -n --arg dir "$exec_root/s-$name" --arg host "localhost:$registry_port" '
		{enhancedContainerIsolation: {value: true, locked: true},
		 caisson: {dockerSocket: {directory: $dir, digestMaxAge: 604800, registries: {($host): {insecure: true}}}}} |
		def img($l): .enhancedContainerIsolation.dockerSocketMount.imageList.images = $l;
		def derived: .enhancedContainerIsolation.dockerSocketMount.imageList.allowDerivedImages = true;
		'"$3" >"$dir/settings/admin-settings.json"
	"$work/bin/caissond" --listen "unix://$exec_root/$name-guard.sock" --engine "unix://$2" --settings "$dir/settings" \
		--state "$dir/state" --runc-is-caisson --socket-group root >"$work/log/socket-$name.log" 2>&1 &
	guard_pid=$!
	guard_pids+=("$guard_pid")
	for ((i = 0; i < 100; i++)); do
		[ -S "$exec_root/$name-guard.sock" ] && [ -S "$dir/state/keep.sock" ] && return
		sleep 0.1
	done
	tail -n 2 "$work/log/socket-$name.log" >&2
	return 1
}

# socket_end NAME: the guard, and the keeper, which outlives it
socket_end() {
	local keeper
	keeper=$(keeper_pid "$1")
	guard_end
	[ -z "$keeper" ] || kill "$keeper" 2>/dev/null
}

keeper_pid() {
	local p
	for p in $(own_processes); do
		[[ $(tr '\0' ' ' <"/proc/$p/cmdline") == *"--keep $work/socket-$1/state "* ]] && echo "$p"
	done
}

pss_of() { awk '/^Pss:/ { kib += $2 } END { print kib }' "/proc/$1/smaps_rollup" "/proc/$2/smaps_rollup"; }

# life FILE ARGUMENT...: results of one run of `life ask` go to $work/results/FILE
life() {
	local file=$work/results/$1
	shift
	"$work/bin/life" ask "$@" >"$file" 2>"$file.err" || sort -u "$file.err" | head -4 | sed 's/^/bench: /' >&2
}

# create_body IMAGE [BIND]
create_body() {
	jq -cn --arg image "$1" --arg bind "${2-}" '{Image: $image, Cmd: ["sh"], Labels: {},
		HostConfig: {Binds: (if $bind == "" then [] else [$bind] end), NetworkMode: "none", Runtime: "sysbox-runc"}}'
}

# more FILE KEY LANE PEER: by how many ms the lane's median is above the peer's
more() { awk -v a="$(value "$1" "$3" "$2")" -v b="$(value "$1" "$4" "$2")" 'BEGIN { if (a != "" && b != "") print (a - b) / 1000 }'; }

# socket_lives NAME IMAGE: create and start at the guard NAME, with the socket and without
socket_lives() {
	life "lives-$1" -n "$n_lives" "$exec_root/$1-guard.sock" :: with "$(create_body "$2" "$bind")" :: without "$(create_body "$2")"
}

socket_registry_begin() {
	local i
	for ((registry_port = 20000 + RANDOM % 8000; ; registry_port++)); do
		(: <>"/dev/tcp/127.0.0.1/$registry_port") 2>/dev/null || break
	done
	cat >"$work/registry.yml" <<-YAML
		version: 0.1
		log: {level: warn, accesslog: {disabled: true}}
		storage: {filesystem: {rootdirectory: $work/registry}}
		http: {addr: "localhost:$registry_port", secret: bench}
	YAML
	"$registry" serve "$work/registry.yml" >"$work/log/registry.log" 2>&1 &
	registry_pid=$!
	for ((i = 0; i < 100; i++)); do
		(: <>"/dev/tcp/127.0.0.1/$registry_port") 2>/dev/null && break
		sleep 0.1
	done
	python3 "$top/bench/images.py" bench "$registry_port" "$work/engine" "$exec_root/s" "$n_bases" $((n_cold + 10))
}

# socket_engine NAME: an engine that does nothing, and knows the images of that name
socket_engine() {
	"$work/bin/life" engine "$exec_root/$1.sock" "$work/engine/$1" &
	engine_pids+=($!)
	local i
	for ((i = 0; i < 50; i++)); do
		[ -S "$exec_root/$1.sock" ] && return
		sleep 0.1
	done
	return 1
}

socket_plain() {
	local before after v
	socket_engine plain && socket_guard plain "$exec_root/plain.sock" "img([\"$here/image:1\", \"$here/cold:*\"])" ||
		{ failed=$((failed + 1)) && return; }
	before=$(pss_of "$guard_pid" "$(keeper_pid plain)")
	life idle -n 197 "$exec_root/plain-guard.sock" :: with "$(create_body "$here/image:1" "$bind")"
	after=$(pss_of "$guard_pid" "$(keeper_pid plain)")
	v=$(awk -v a="$after" -v b="$before" 'BEGIN { if (a && b) print (a - b) / 1024 }')
	socket_lives plain "$here/image:1"
	life cold -n "$n_cold" "$exec_root/plain-guard.sock" :: cold "$(create_body "$here/cold:#" "$bind")"
	wire image ask -c -n "$n_lives" GET "/images/${here//\//%2F}%2Fimage:1/json" :: null "$exec_root/plain.sock"
	figure "socket: 200 idle ones, memory of guard and keeper" "$v" 10 MiB '<=' 10 "${v:-}"
	v=$(more lives-plain us with without)
	figure "socket: create+start, added, all known" "$v" 1 ms '<=' 1 "${v:-}"
	for k in create start; do
		note "$k itself, with and without" "$(vms lives-plain with "$k")" "$(vms lives-plain without "$k")" ms
	done
	note "of it a question for the image to this engine" "$(vms image null us)" 0 ms
	note "create, asked of a registry on loopback" "$(vms cold cold create)" "$(vms lives-plain with create)" ms
	socket_end plain
}

# All of the list is known before the samples: the guard asks ahead of time.
socket_derived() {
	local i v n
	socket_engine derived &&
		socket_guard derived "$exec_root/derived.sock" "img([range(1; $((n_bases + 1))) | \"$here/base:\\(.)\"]) | derived" ||
		{ failed=$((failed + 1)) && return; }
	for ((i = 0; i < 240; i++)); do
		n=$(find "$work/socket-derived/state/digests" -type f 2>/dev/null | wc -l)
		[ "$n" -ge "$n_bases" ] && break
		sleep 0.5
	done
	[ "$n" -ge "$n_bases" ] || { say "only $n of $n_bases images became known" && failed=$((failed + 1)) && return; }
	socket_lives derived "$here/child:1"
	v=$(more lives-derived us with without)
	figure "socket: derived, 100 layers, $n_bases listed, added" "$v" 20 ms '<=' 20 "${v:-}"
	socket_end derived
}

# A socket as a container's process has it: mounted elsewhere, asked by one of its ids.
socket_calls() {
	local id ids token k v flags
	# The runtime has to know where the guard's sockets are.
	printf '#!/bin/sh\nexec %s --settings %s "$@"\n' "$work/bin/caisson" "$work/socket-calls/settings/admin-settings.json" \
		>"$work/socket-runtime"
	chmod 0755 "$work/socket-runtime"
	docker_end
	docker_runtime=$work/socket-runtime
	docker_begin && socket_guard calls "$exec_root/docker.sock" 'img(["*"])' || { failed=$((failed + 1)) && return; }
	id=$(DOCKER_CONFIG=$work/docker-config "$docker" -H "unix://$exec_root/calls-guard.sock" run -d --network none \
		--runtime sysbox-runc -v "$bind" cbench:small sleep 100000) || { failed=$((failed + 1)) && return; }
	token=$(ls "$exec_root/s-calls")
	ids=$(cut -d ' ' -f 1 "$exec_root/s-calls/$token/ids")
	for k in _ping:ask v1.41/containers/json:ask _ping:ask-c; do
		flags=()
		[ "${k#*:}" = ask ] || flags=(-c)
		# shellcheck disable=SC2016 # expanded there
		IDS=$ids unshare -m sh -c '
			mount -t tmpfs t /mnt && touch /mnt/wire /mnt/raw /mnt/ours /mnt/host && mount --bind "$1" /mnt/wire &&
			mount --bind "$2" /mnt/raw && mount --bind "$3" /mnt/ours && mount --bind "$4" /mnt/host || exit
			gids=$(stat -c %g /mnt/raw /mnt/ours /mnt/host | sort -u | paste -sd,)
			shift 4
			exec setpriv --reuid "$IDS" --regid "$IDS" --groups "$gids" /mnt/wire "$@"' sh \
			"$work/bin/wire" "$exec_root/docker.sock" "$exec_root/s-calls/$token/docker.sock" "$exec_root/calls-guard.sock" \
			ask "${flags[@]}" -n "$n_ask" GET "/${k%:*}" :: raw /mnt/raw :: ours /mnt/ours :: host /mnt/host \
			>"$work/results/calls-${k//[\/:]/-}" 2>"$work/results/calls.err" || head -4 "$work/results/calls.err" >&2
	done
	wire calls-image ask -c -n $((n_ask / 5)) GET /v1.41/images/cbench:small/json :: raw "$exec_root/docker.sock"
	v=$(added calls-_ping-ask ours)
	figure "socket: GET /_ping, added to the engine's" "$v" 200 us '<=' 200 "${v:-}"
	note "itself, beside the engine's own socket" "$(value calls-_ping-ask ours us)" "$(value calls-_ping-ask raw us)" us
	note "itself, beside the guard's socket of the host" "$(value calls-_ping-ask ours us)" "$(value calls-_ping-ask host us)" us
	v=$(added calls-_ping-ask-c ours)
	note "on new connections, added" "$v" "$(added calls-_ping-ask-c host)" us
	v=$(added calls-v1.41-containers-json-ask ours)
	figure "socket: GET /containers/json, added" "$v" 200 us '<=' 200 "${v:-}"
	note "itself, beside the engine's own socket" "$(value calls-v1.41-containers-json-ask ours us)" \
		"$(value calls-v1.41-containers-json-ask raw us)" us
	note "a question for an image to this engine" "$(value calls-image raw us)" 0 us
	dk rm -f "$id" >/dev/null
	socket_end calls
	docker_end
	unset docker_runtime
}

group_socket() {
	local n_lives=300 n_cold=60 n_ask=300 n_bases=500 registry_port='' registry_pid='' engine_pids=() here k
	local bind=/var/run/docker.sock:/var/run/docker.sock
	[ "$quick" = 0 ] || n_lives=60 n_cold=10 n_ask=60
	for f in "$caissond" "$(dirname "$caissond")/caisson-registry" "$registry"; do
		[ -x "$f" ] || { say "$f is missing: build the project, and install docker-registry" && failed=$((failed + 1)) && return; }
	done
	cp "$caissond" "$(dirname "$caissond")/caisson-registry" "$work/bin/"
	for p in wire life; do
		"${CC:-cc}" -std=gnu17 -O2 -static -pthread -D_GNU_SOURCE -Wall -Wextra -I"$top/src" \
			-include "$top/src/base/banned.h" -o "$work/bin/$p" "$top/bench/$p.c" "$top"/src/base/{err,io,num}.c ||
			die "cannot compile bench/$p.c"
	done
	if socket_registry_begin; then
		here=localhost:$registry_port/bench
		socket_plain
		socket_derived
		guard_end
	else
		failed=$((failed + 1))
	fi
	socket_calls
	guard_end
	kill "$registry_pid" "${engine_pids[@]}" 2>/dev/null
	wait "$registry_pid" "${engine_pids[@]}" 2>/dev/null
}
