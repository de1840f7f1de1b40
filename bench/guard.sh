# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # run.sh assigns what is used here
#
# The group "guard" of run.sh, which sources this: what caissond costs, beside the engine's own socket and beside HAProxy,
# which filters by method and path as socket proxies of that kind do. Three ways, one session, samples by turns.

caissond=${CAISSOND:-$(dirname "$caisson")/caissond}
caissonctl=${CAISSONCTL:-$(dirname "$caisson")/caissonctl}
haproxy=${HAPROXY:-/usr/sbin/haproxy}
guard_pids=()

# guard_before NAME ENGINE_SOCKET [OPTION...]: a guard and an HAProxy in front of it, at $exec_root/NAME-{ours,haproxy}.sock;
# sets guard_pid and haproxy_pid
guard_before() {
	local name=$1 engine=$2 i
	shift 2
	mkdir -p "$work/guard-$name"
	chmod 0755 "$work/guard-$name"
	echo '{"enhancedContainerIsolation": {"value": true, "locked": true}}' >"$work/guard-$name/admin-settings.json"
	cat >"$work/haproxy-$name.cfg" <<-CFG
		global
		    maxconn 8192
		defaults
		    mode http
		    timeout connect 10s
		    timeout client 1h
		    timeout server 1h
		    timeout tunnel 1h
		frontend clients
		    bind unix@$exec_root/$name-haproxy.sock mode 600
		    http-request deny unless { path_reg ^(/v[0-9.]+)?/(_ping|version|info|events|auth|containers|images|exec|build)(/|$) }
		    default_backend engine
		backend engine
		    server engine unix@$engine
	CFG
	"$work/bin/caissond" --listen "unix://$exec_root/$name-ours.sock" --engine "unix://$engine" --settings "$work/guard-$name" \
		--audit "$work/audit-$name" "$@" >"$work/log/guard-$name.log" 2>&1 &
	guard_pid=$!
	"$haproxy" -db -f "$work/haproxy-$name.cfg" >"$work/log/haproxy-$name.log" 2>&1 &
	haproxy_pid=$!
	guard_pids+=("$guard_pid" "$haproxy_pid")
	for ((i = 0; i < 100; i++)); do
		[ -S "$exec_root/$name-ours.sock" ] && [ -S "$exec_root/$name-haproxy.sock" ] && break
		sleep 0.1
	done
	sleep 1 # the guard asks the engine what it is
	kill -0 "$guard_pid" "$haproxy_pid" 2>/dev/null || { tail -qn 2 "$work/log/guard-$name.log" "$work/log/haproxy-$name.log" >&2 && return 1; }
}

guard_end() {
	local p
	for p in "${guard_pids[@]}"; do
		kill "$p" 2>/dev/null
		wait "$p" 2>/dev/null
	done
	guard_pids=()
}

wire() { # wire FILE ARGUMENT...: results of one run of wire go to $work/results/FILE
	local file=$work/results/$1
	shift
	${pinned:+taskset -c 0} "$work/bin/wire" "$@" >"$file" 2>"$file.err" || sort -u "$file.err" | head -4 | sed 's/^/bench: /' >&2
}

# on_cpus LIST PID...: all threads of these
on_cpus() {
	local list=$1 p
	shift
	for p; do
		taskset -acp "$list" "$p" >/dev/null
	done
}

# added FILE LANE: what this lane's median is above the engine's own socket
added() { awk -v a="$(value "$1" "$2" us)" -v b="$(value "$1" raw us)" 'BEGIN { if (a != "" && b != "") print a - b }'; }

memory_of() { awk -v k="$2:" '$1 == k { print $2 / 1024 }' "/proc/$1/status"; }

ticks_of() { awk '{ print $14 + $15 }' "/proc/$1/stat"; } # CPU time so far

# stream_cpu WAY: sets ours_cpu and haproxy_cpu, in ms; what noise of other processes leaves alone
stream_cpu() {
	local before
	before=$(ticks_of "$guard_pid")
	wire cpu stream -n "$n_stream" -s "$mib" "$1" :: ours "$exec_root/null-ours.sock"
	ours_cpu=$((10 * ($(ticks_of "$guard_pid") - before)))
	before=$(ticks_of "$haproxy_pid")
	wire cpu stream -n "$n_stream" -s "$mib" "$1" :: haproxy "$exec_root/null-haproxy.sock"
	haproxy_cpu=$((10 * ($(ticks_of "$haproxy_pid") - before)))
}

# speed_figure NAME OURS PEER UNIT TARGET: of speeds, where more is better
speed_figure() {
	figure "$1" "$2" "$3" "$4" '>=' "$5" "$(awk -v a="$2" -v b="$3" 'BEGIN { if (a + 0 && b + 0) print a / b }')"
}

guard_requests() { # guard_requests: against an engine that does nothing
	local lanes=(:: raw "$exec_root/null.sock" :: ours "$exec_root/null-ours.sock" :: haproxy "$exec_root/null-haproxy.sock")
	local body v ours_cpu haproxy_cpu pinned=1
	wire idle idle 1000 "$guard_pid" "$haproxy_pid" :: ours "$exec_root/null-ours.sock" :: haproxy "$exec_root/null-haproxy.sock"
	body=$("$work/bin/caissonctl" --socket "$exec_root/null-ours.sock" --settings "$work/guard-null" --json explain -- docker run -d \
		--name web --restart unless-stopped -p 8080:80 -e A=b -e LANG=C.UTF-8 -l a=b -l c=d --tmpfs /tmp --cap-drop ALL \
		--cap-add NET_BIND_SERVICE --security-opt no-new-privileges --memory 512m nginx:1.25 nginx -g 'daemon off;' | jq -c .asked.body)
	# Where the scheduler wakes the next one up makes 10 us or 70: not what a proxy costs.
	on_cpus 0 "${guard_pids[@]}"
	wire ping ask -n "$n_ask" GET /_ping "${lanes[@]}"
	wire ping-new ask -c -n "$n_ask" GET /_ping "${lanes[@]}"
	wire create ask -n "$n_ask" POST /v1.41/containers/create "$body" "${lanes[@]}"
	wire auth ask -n "$n_ask" POST /v1.41/auth '{}' "${lanes[@]}"
	pinned=
	on_cpus "0-$(($(nproc) - 1))" "${guard_pids[@]}"
	wire spread ask -n "$n_ask" GET /_ping "${lanes[@]}"
	wire down stream -n "$n_stream" -s "$mib" down "${lanes[@]}"
	wire up stream -n "$n_stream" -s "$mib" up "${lanes[@]}"
	wire many many -n "$n_stream" 1000 "${lanes[@]}"
	v=$(added ping ours)
	figure "guard: ping, added to the engine's" "$v" 60 us '<=' 60 "${v:-}"
	figure "guard: ping, vs HAProxy" "$(value ping ours us)" "$(value ping haproxy us)" us '<=' 1.0
	note "ping itself, beside the engine's own socket" "$(value ping ours us)" "$(value ping raw us)" us
	note "the same on all processors, beside HAProxy" "$(value spread ours us)" "$(value spread haproxy us)" us
	figure "guard: ping p99, vs HAProxy" "$(value ping ours p99)" "$(value ping haproxy p99)" us '<=' 1.0
	figure "guard: ping on a new connection, vs HAProxy" "$(value ping-new ours us)" "$(value ping-new haproxy us)" us '<=' 1.0
	v=$(awk -v a="$(added create ours)" -v b="$(added auth ours)" 'BEGIN { if (a != "" && b != "") print (a > b ? a - b : 0.1) }')
	figure "guard: judging a create body" "$v" 50 us '<=' 50 "${v:-}"
	note "create itself, beside HAProxy" "$(value create ours us)" "$(value create haproxy us)" us
	speed_figure "guard: $mib MiB from the engine, vs HAProxy" "$(value down ours mbps)" "$(value down haproxy mbps)" MB/s 1.0
	speed_figure "guard: $mib MiB to the engine, vs HAProxy" "$(value up ours mbps)" "$(value up haproxy mbps)" MB/s 1.0
	stream_cpu down
	figure "guard: CPU of streams from it, vs HAProxy" "$ours_cpu" "$haproxy_cpu" ms '<=' 1.0
	stream_cpu up
	figure "guard: CPU of streams to it, vs HAProxy" "$ours_cpu" "$haproxy_cpu" ms '<=' 1.0
	speed_figure "guard: pings of 1,000 connections, vs HAProxy" "$(value many ours rps)" "$(value many haproxy rps)" /s 1.0
	v=$(memory_of "$guard_pid" VmRSS)
	figure "guard: RSS when they are gone" "$v" 5 MiB '<=' 5 "${v:-}"
	v=$(value idle ours bytes)
	figure "guard: memory of an idle connection" "$v" 1024 B '<=' 1024 "${v:-}"
	note "the same, beside HAProxy's" "$v" "$(value idle haproxy bytes)" B
}

# cli NAME ROUNDS COMMAND: the docker client by each way, "$D" being the client with its socket
cli() {
	local file=guard-$1 n=$2 lane args=()
	for lane in raw:docker.sock ours:guard-ours.sock haproxy:guard-haproxy.sock; do
		args+=(:: "${lane%%:*}" /bin/sh -c "D='$docker -H unix://$exec_root/${lane#*:}'; $3")
	done
	DOCKER_CONFIG=$work/docker-config measure "$file" -n "$n" -w 1 -p "$pause" "${args[@]}"
}

cli_figure() { # cli_figure NAME FILE PEER DIRECTION TARGET
	figure "$1" "$(vms "guard-$2" ours total)" "$(vms "guard-$2" "$3" total)" ms "$4" "$5"
}

guard_engine() { # against a dockerd: ours at guard-ours.sock
	local lanes=(:: raw "$exec_root/docker.sock" :: ours "$exec_root/guard-ours.sock" :: haproxy "$exec_root/guard-haproxy.sock") v k
	dk create --name big --network none --runtime sysbox-runc cbench:big true >/dev/null
	v=$(memory_of "$guard_pid" VmRSS)
	figure "guard: idle RSS" "$v" 5 MiB '<=' 5 "${v:-}"
	for k in version containers/json; do
		wire "engine-${k%/*}" ask -c -n $((n_ask / 5)) GET "/v1.41/$k" "${lanes[@]}"
		figure "guard: GET /$k, vs HAProxy" "$(value "engine-${k%/*}" ours us)" "$(value "engine-${k%/*}" haproxy us)" us '<=' 1.0
		figure "guard: GET /$k p99, vs HAProxy" "$(value "engine-${k%/*}" ours p99)" "$(value "engine-${k%/*}" haproxy p99)" us '<=' 1.0
		note "beside the engine's own socket" "$(value "engine-${k%/*}" ours us)" "$(value "engine-${k%/*}" raw us)" us
	done
	# shellcheck disable=SC2016 # $D is cli's
	{
		cli ps $((3 * n_cli)) '$D ps'
		cli version $((3 * n_cli)) '$D version'
		cli run "$n_cli" '$D run --rm --network none --runtime sysbox-runc cbench:small true'
		echo 5 >"/proc/$guard_pid/clear_refs" # the peak from here on
		cli save "$n_stream" '$D save cbench:big'
		cli load "$n_stream" "\$D load -i $work/big.tar"
		cli cp "$n_stream" '$D cp big:/big -'
		v=$(memory_of "$guard_pid" VmHWM)
	}
	cli_figure "guard: docker ps, vs HAProxy" ps haproxy '<=' 1.0
	cli_figure "guard: docker version, vs HAProxy" version haproxy '<=' 1.0
	cli_figure "guard: docker run --rm, vs the engine's socket" run raw '<=' 1.03
	note "the same, HAProxy" "$(vms guard-run haproxy total)" "$(vms guard-run raw total)" ms
	for k in save load cp; do
		cli_figure "guard: docker $k of $mib MiB, speed vs engine's" $k raw '>=' 0.9
		note "the same, HAProxy" "$(vms guard-$k haproxy total)" "$(vms guard-$k raw total)" ms
	done
	figure "guard: peak RSS meanwhile" "$v" 16 MiB '<=' 16 "${v:-}"
}

group_guard() {
	local n_ask=500 n_stream=7 n_cli=40 mib=1024 null
	[ "$quick" = 0 ] || n_ask=100 n_stream=3 n_cli=8 mib=128
	for f in "$caissond" "$caissonctl" "$haproxy"; do
		[ -x "$f" ] || { say "$f is missing: build the project, and install haproxy" && failed=$((failed + 1)) && return; }
	done
	cp "$caissond" "$caissonctl" "$work/bin/"
	"${CC:-cc}" -std=gnu17 -O2 -static -pthread -D_GNU_SOURCE -Wall -Wextra -I"$top/src" -include "$top/src/base/banned.h" \
		-o "$work/bin/wire" "$top/bench/wire.c" "$top"/src/base/{err,io,num}.c || die "cannot compile bench/wire.c"
	"$work/bin/wire" null "$exec_root/null.sock" &
	null=$!
	guard_pids+=("$null")
	guard_before null "$exec_root/null.sock" --runc-is-caisson && guard_requests
	guard_end
	docker_begin || { failed=$((failed + 1)) && return; }
	mkdir -p "$work/big"
	head -c "${mib}M" /dev/urandom >"$work/big/big"
	tar -C "$work/big" -cf - . | dk import - cbench:big >/dev/null
	rm -r "$work/big"
	dk save -o "$work/big.tar" cbench:big
	guard_before guard "$exec_root/docker.sock" && guard_engine
	guard_end
	dk rm big >/dev/null
	dk rmi cbench:big >/dev/null
	rm -f "$work/big.tar"
}
