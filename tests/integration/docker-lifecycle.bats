# SPDX-License-Identifier: Apache-2.0
# What people do with docker all day, under the runtime: run, exec, attach, logs, stop, restart, pause, update, ...

load ../lib/common.bash
load ../lib/docker.bash

setup_file() {
	docker_open
}

teardown_file() {
	docker_close
}

teardown() {
	drm aa bb cc
}

@test "exit codes of run are those of the command" {
	run -7 drun -- sh -c 'exit 7'
	run -137 drun --init -- sh -c 'kill -9 $$'
	run -127 drun -- no-such-command
	run -126 drun -- /etc/passwd
}

@test "standard input, output and error are separate streams" {
	run -0 bash -c "echo in | '$DOCKER' run -i --rm --network none $IMAGE sh -c 'cat; echo err >&2' 2>'$ENGINE/err'"
	assert_eq "$output" in
	assert_eq "$(cat "$ENGINE/err")" err
}

@test "run -it has a terminal with a size" {
	run -0 in_tty "$DOCKER" run -it --rm --network none "$IMAGE" sh -c 'tty; test -t 0 && echo interactive; stty size'
	assert_has "$output" interactive
	assert_match "$output" '/dev/(pts/0|console)'
}

@test "exec -it has a terminal, exec -e -w -u are followed" {
	dbg aa
	run -0 in_tty "$DOCKER" exec -it aa sh -c 'tty; echo here'
	assert_has "$output" /dev/pts/
	run -0 d exec -e A=b -w /tmp -u 1000:2000 aa sh -c 'echo $A; pwd; id -u; id -g'
	assert_eq "$output" $'b\n/tmp\n1000\n2000'
}

@test "exec runs in the container's namespaces and with its limits" {
	dbg aa --cap-drop ALL
	local pid ns
	pid=$(dpid aa)
	for ns in user mnt pid net ipc uts cgroup; do
		run -0 d exec aa readlink /proc/self/ns/$ns
		assert_eq "$output" "$(ns_of "$pid" $ns)"
	done
	run -0 d exec aa grep -E 'CapEff|Seccomp:' /proc/self/status
	assert_has "$output" 0000000000000000
	assert_match "$output" 'Seccomp:.2'
}

@test "exec --privileged gets more, in its user namespace" {
	dbg aa
	run -0 d exec --privileged aa sh -c 'grep CapEff /proc/self/status; cat /proc/self/uid_map'
	assert_match "${lines[0]}" '0000003fffffffff|000001ffffffffff'
	assert_idmap "${lines[1]}"
}

@test "exec exit codes and detached exec" {
	dbg aa
	run -5 d exec aa sh -c 'exit 5'
	run d exec aa no-such-command
	assert_match "$status" '^12[67]$'
	d exec -d aa sh -c 'echo done >/tmp/done'
	eventually 5 d exec aa test -e /tmp/done
}

@test "attach sees output and its input arrives" {
	d run -di --name aa --network none "$IMAGE" sh -c 'read x; echo "got $x"; sleep 0.2'
	run -0 bash -c "(sleep 0.5; echo word; sleep 1) | timeout 20 '$DOCKER' attach aa"
	assert_eq "$output" "got word"
}

@test "logs has what the container wrote, also with a terminal" {
	d run --name aa --network none "$IMAGE" sh -c 'echo one; echo two >&2' >/dev/null 2>&1
	run -0 d logs aa
	assert_has "$output" one
	assert_has "$output" two
	d run -dt --name bb --network none "$IMAGE" sh -c 'echo tty; sleep 0.1' >/dev/null
	eventually 10 is_state bb exited
	run -0 d logs bb
	assert_has "$output" tty
}

@test "stop ends a container with TERM, kill with a chosen signal" {
	dbg aa
	d stop -t 20 aa
	run -0 d inspect -f '{{.State.ExitCode}}' aa
	assert_eq "$output" 0
	dbg bb -- sh -c 'trap "exit 42" USR1; while :; do sleep 0.1; done'
	sleep 0.5
	d kill -s USR1 bb
	eventually 10 is_state bb exited
	run -0 d inspect -f '{{.State.ExitCode}}' bb
	assert_eq "$output" 42
}

@test "stop ends a container that ignores TERM with KILL" {
	dbg aa -- sh -c 'trap "" TERM; while :; do sleep 1; done'
	d stop -t 1 aa
	run -0 d inspect -f '{{.State.ExitCode}}' aa
	assert_eq "$output" 137
}

@test "restart keeps the file system and the name" {
	dbg aa
	d exec aa touch /mark
	d restart -t 5 aa
	run -0 d exec aa ls /mark
	assert_eq "$output" /mark
}

@test "pause stops all processes, unpause lets them go on" {
	dbg aa -- sh -c 'while :; do echo x >>/tmp/n; sleep 0.05; done'
	sleep 0.5
	d pause aa
	is_state aa paused
	local a b
	a=$(stat -c %s "/proc/$(dpid aa)/root/tmp/n")
	sleep 0.5
	b=$(stat -c %s "/proc/$(dpid aa)/root/tmp/n")
	assert_eq "$b" "$a"
	run d exec aa true
	[ "$status" -ne 0 ]
	d unpause aa
	sleep 0.5
	[ "$(stat -c %s "/proc/$(dpid aa)/root/tmp/n")" -gt "$b" ]
}

@test "a paused container can be killed and removed" {
	dbg aa
	d pause aa
	d rm -f aa
	run d inspect aa
	[ "$status" -ne 0 ]
}

@test "update changes the limits of a running container" {
	dbg aa --memory 64m --memory-swap 128m
	d update --memory 96m --memory-swap 192m --cpu-shares 256 --pids-limit 55 aa
	local pid
	pid=$(dpid aa)
	assert_eq "$(cg_get "$pid" memory memory.limit_in_bytes memory.max)" 100663296
	assert_eq "$(cg_get "$pid" pids pids.max pids.max)" 55
	cgroup_v2 || assert_eq "$(cg_get "$pid" cpu cpu.shares cpu.weight)" 256
}

@test "a container over its memory limit is killed, and the engine knows it" {
	d run --name aa --network none --memory 16m --memory-swap 16m "$IMAGE" sh -c 'head -c 64m /dev/zero | tail' >/dev/null 2>&1 || true
	dbg bb --memory 16m --memory-swap 16m -- sh -c 'x=a; while :; do x=$x$x; done'
	eventually 30 is_state bb exited
	run -0 d inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' bb
	assert_eq "$output" "true 137"
}

@test "a fork bomb ends at the pids limit" {
	run drun --pids-limit 20 -- sh -c 'i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i+1)); done; echo all'
	assert_has "$output" "fork"
}

@test "commit makes an image with the right owners" {
	dbg aa
	d exec aa sh -c 'mkdir /new; echo x >/new/f; chown -R 1000:2000 /new; rm /etc/group'
	d commit aa caisson-test/committed >/dev/null
	run -0 d run --rm --network none caisson-test/committed stat -c %u:%g /new /new/f
	d rmi -f caisson-test/committed >/dev/null
	assert_eq "$output" $'1000:2000\n1000:2000'
}

@test "diff lists what changed and nothing else" {
	dbg aa
	d exec aa sh -c 'echo x >/new; rm /etc/group'
	run -0 d diff aa
	assert_eq "$(sort <<<"$output")" $'A /new\nC /etc\nD /etc/group'
}

@test "export has the ids of the container" {
	dbg aa
	d exec aa sh -c 'echo x >/new; chown 1000:2000 /new'
	run -0 bash -c "'$DOCKER' export aa | tar -tvf - --numeric-owner new bin/busybox home/user"
	assert_match "$output" '1000/2000 .* new'
	assert_match "$output" '0/0 .* bin/busybox'
	assert_match "$output" '1000/1000 .* home/user'
}

@test "top lists the processes, stats has figures" {
	dbg aa -- sleep 1000
	run -0 d top aa
	assert_has "$output" 'sleep 1000'
	run -0 d stats --no-stream --format '{{.MemUsage}} {{.PIDs}} {{.CPUPerc}}' aa
	refute_has "$output" '--'
	assert_match "$output" '[1-9][0-9.]*[KM]iB .* [1-9]'
}

@test "events tells create, start, exec, die and destroy" {
	local since
	since=$(date +%s)
	dbg aa
	d exec aa true
	d kill aa
	drm aa
	run -0 d events --since "$since" --until "$(($(date +%s) + 1))" --filter container=aa --format '{{.Action}}'
	local word
	for word in create start exec_start die kill destroy; do
		assert_has "$output" "$word"
	done
}

@test "a network of its own, names resolve, traffic flows" {
	d network create n1 >/dev/null
	d run -d --name aa --network n1 "$IMAGE" sh -c 'mkdir /w; echo hello >/w/index.html; exec httpd -f -h /w' >/dev/null
	run -0 d run --rm --network n1 "$IMAGE" sh -c 'for i in 1 2 3 4 5 6; do wget -qO- http://aa/ && exit; sleep 0.5; done; exit 1'
	drm aa
	d network rm n1
	assert_eq "$output" hello
}

@test "published ports reach the container" {
	d run -d --name aa -p 18080:80 -p 127.0.0.1:18081:80 "$IMAGE" sh -c 'mkdir /w; echo hello >/w/index.html; exec httpd -f -h /w' >/dev/null
	eventually 10 in_net "$ENGINE_NET" curl -sf -m 2 http://127.0.0.1:18080/
	run -0 in_net "$ENGINE_NET" curl -sf -m 5 http://127.0.0.1:18081/
	assert_eq "$output" hello
	run -0 d port aa
	assert_has "$output" 18080
}

@test "containers on the bridge reach each other and can ping" {
	d run -d --name aa "$IMAGE" sleep 100 >/dev/null
	local ip
	ip=$(d inspect -f '{{.NetworkSettings.IPAddress}}' aa)
	run -0 d run --rm "$IMAGE" ping -c 1 -W 3 "$ip"
}

@test "connecting a network to a running container gives it an interface" {
	d network create n2 >/dev/null
	d run -d --name aa "$IMAGE" sleep 100 >/dev/null
	d network connect n2 aa
	run -0 d exec aa ls /sys/class/net
	d network disconnect n2 aa
	drm aa
	d network rm n2
	assert_has "$output" eth1
}

@test "--init reaps orphans and forwards signals" {
	dbg aa --init -- sh -c 'for i in 1 2 3; do (sleep 0.1 &) ; done; exec sleep 1000'
	sleep 1
	run -0 d exec aa ps
	refute_has "$output" ' Z'
	d stop -t 10 aa
	run -0 d inspect -f '{{.State.ExitCode}}' aa
	assert_eq "$output" 143
}

@test "health checks run and report" {
	d run -d --name aa --network none --health-cmd 'test -e /ok' --health-interval 300ms --health-retries 2 --health-timeout 5s "$IMAGE" sleep 100 >/dev/null
	health() { [ "$(d inspect -f '{{.State.Health.Status}}' aa)" = "$1" ]; }
	eventually 15 health unhealthy
	d exec aa touch /ok
	eventually 15 health healthy
}

@test "E15b restart policies start a container again and again" {
	d run -d --name aa --network none --restart always "$IMAGE" sh -c 'sleep 0.1' >/dev/null
	restarted() { [ "$(d inspect -f '{{.RestartCount}}' aa)" -ge 3 ]; }
	eventually 30 restarted
	d run -d --name bb --network none --restart on-failure:2 "$IMAGE" false >/dev/null
	eventually 20 is_state bb exited
	run -0 d inspect -f '{{.RestartCount}}' bb
	assert_eq "$output" 2
}

@test "E15b a restart policy holds over a restart of the engine" {
	dbg aa --restart always -v v9:/data
	d exec aa sh -c 'echo x >/data/f; echo x >/f'
	docker_daemon_stop
	docker_daemon_start
	eventually 20 is_state aa running
	run -0 d exec aa stat -c %u /data/f /f
	assert_eq "$output" $'0\n0'
	drm aa
	d volume rm v9
}

@test "an engine that dies leaves nothing that hinders the next one" {
	dbg aa
	docker_daemon_stop KILL
	docker_daemon_start
	eventually 20 dstate aa
	d rm -f aa
	run -0 drun -- echo again
	assert_eq "$output" again
}

@test "compose brings services up, they talk, and it takes them down" {
	local dir=$ENGINE/compose
	mkdir -p "$dir"
	cat >"$dir/docker-compose.yml" <<-YAML
		version: "2.4"
		services:
		  web:
		    image: $IMAGE
		    runtime: sysbox-runc
		    command: sh -c "mkdir /w; cat /proc/self/uid_map >/w/index.html; exec httpd -f -h /w"
		    volumes: ["data:/data"]
		  client:
		    image: $IMAGE
		    runtime: sysbox-runc
		    depends_on: [web]
		    command: sh -c "for i in 1 2 3 4 5 6 7 8; do wget -qO- http://web/ && exit; sleep 0.5; done; exit 1"
		volumes: {data: {}}
	YAML
	if "$DOCKER" compose version >/dev/null 2>&1; then
		compose() { "$DOCKER" compose -p ct -f "$dir/docker-compose.yml" "$@"; }
	else
		compose() { docker-compose -p ct -f "$dir/docker-compose.yml" "$@"; }
	fi
	compose up -d
	local client
	client=$(compose ps -q client 2>/dev/null || true)
	[ -n "$client" ] || client=$(d ps -aq --filter label=com.docker.compose.service=client)
	run -0 timeout 30 "$DOCKER" wait "$client"
	assert_eq "$output" 0
	run -0 d logs "$client"
	assert_idmap "$output"
	compose down -v -t 1
	[ -z "$(d ps -aq --filter label=com.docker.compose.project=ct)" ]
}

@test "the classic builder builds with RUN steps" {
	printf 'FROM %s\nRUN echo built >/built && chown 1000:1000 /built\nUSER user\nWORKDIR /home/user\n' "$IMAGE" >"$ENGINE/Dockerfile.b"
	DOCKER_BUILDKIT=0 d build -q --network none -t caisson-test/built -f "$ENGINE/Dockerfile.b" "$ENGINE/etc" >/dev/null
	run -0 d run --rm --network none caisson-test/built sh -c 'cat /built; stat -c %u /built; id -u; pwd'
	d rmi -f caisson-test/built >/dev/null
	assert_eq "$output" $'built\n1000\n1000\n/home/user'
}

@test "thirty containers started at the same time all run, with thirty ranges" {
	local i
	for i in $(seq 30); do
		bg_run dbg "par$i" -- sleep 300 >/dev/null 2>"$ENGINE/par$i.err"
	done
	bg_wait
	run -0 bash -c "'$DOCKER' ps -q --filter name=par | wc -l"
	local up=$output bases
	bases=$(for i in $(seq 30); do map_base "$(dpid "par$i")"; done | sort -u | wc -l)
	# shellcheck disable=SC2046
	d rm -f $(seq -f 'par%g' 30) >/dev/null
	assert_eq "$up" 30 "$(cat "$ENGINE"/par*.err)"
	assert_eq "$bases" 30
}

@test "thirty short containers at the same time leave nothing" {
	local before i pid bad=0
	before=$(engine_snapshot)
	for i in $(seq 30); do
		bg_run drun -- true
	done
	for pid in "${BG[@]}"; do
		wait "$pid" || bad=$((bad + 1))
	done
	BG=()
	assert_eq "$bad" 0 "containers that failed"
	same() { diff <(printf '%s\n' "$before") <(engine_snapshot); }
	eventually 10 same || same
}

@test "no process of the runtime remains beside a plain container" {
	dbg aa
	local shim
	shim=$(awk '/^PPid:/ {print $2}' "/proc/$(dpid aa)/status")
	run -0 cat "/proc/$shim/comm"
	assert_match "$output" '^containerd-shim'
	assert_eq "$(pgrep -P "$shim")" "$(dpid aa)"
	[ -z "$(pgrep -f "^$CAISSON_RUNTIME .*$ENGINE" || true)" ]
}
