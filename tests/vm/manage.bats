#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the engine does to a running container on cgroup v2: stats, update, pause, top, stop.

load lib

setup_file()
{
	engine_start
}

teardown()
{
	containers_remove
}

@test "stats show memory against the limit, and the number of processes" {
	idle c1 --memory 64m
	local stats
	stats=$(docker stats --no-stream --format '{{.MemUsage}};{{.PIDs}};{{.CPUPerc}}' c1)
	assert_match "$stats" '^[0-9.]+[KM]iB / 64MiB;[1-9][0-9]*;[0-9.]+%$'
	refute_match "$stats" '^0B'
}

@test "update changes memory, CPU and process limits of a live container" {
	idle c1 --memory 64m --memory-swap 64m
	docker update --memory 128m --memory-swap 128m --cpus 0.25 --pids-limit 33 c1 >/dev/null
	assert_eq "$(cat "$(scope_dir c1)/memory.max")" 134217728
	assert_eq "$(cat "$(scope_dir c1)/cpu.max")" "25000 100000"
	assert_eq "$(cat "$(scope_dir c1)/pids.max")" 33
	assert_eq "$(docker exec c1 echo alive)" alive
}

@test "what update set stays after a reload of the init" {
	idle c1 --memory 64m --memory-swap 64m
	docker update --memory 128m --memory-swap 128m c1 >/dev/null
	systemctl daemon-reload
	assert_eq "$(cat "$(scope_dir c1)/memory.max")" 134217728
}

@test "pause freezes all processes, unpause lets them go on" {
	local before

	docker run -d --name c1 --network=none "$IMAGE" sh -c "$LOOP" >/dev/null
	eventually 20 test -s "$(upper_of c1)/tmp/n"
	docker pause c1 >/dev/null
	assert_eq "$(docker inspect -f '{{.State.Status}}' c1)" paused
	assert_match "$(cat "$(scope_dir c1)/cgroup.events")" 'frozen 1'
	before=$(cat "$(upper_of c1)/tmp/n")
	sleep 1.5
	assert_eq "$(cat "$(upper_of c1)/tmp/n")" "$before"
	docker unpause c1 >/dev/null
	eventually 20 sh -c "[ \"\$(cat $(upper_of c1)/tmp/n)\" != $before ]"
}

@test "a paused container can be killed and removed" {
	idle c1
	docker pause c1 >/dev/null
	run timeout 60 docker rm -f c1
	assert_eq "$status" 0 "$output"
}

@test "top shows processes under the ids they have on the host" {
	idle c1
	local uid
	uid=$(docker top c1 -eo pid,uid,comm | awk '$3 == "sleep" {print $2}')
	[ "${uid:-0}" -ge 100000 ] || fail "uid '$uid': $(docker top c1 -eo pid,uid,comm)"
}

@test "stop, start and restart keep the container's files" {
	idle c1
	docker exec c1 sh -c 'echo kept >/tmp/file'
	docker restart -t 20 c1 >/dev/null
	assert_eq "$(docker exec c1 cat /tmp/file)" kept
	docker stop -t 20 c1 >/dev/null
	docker start c1 >/dev/null
	assert_eq "$(docker exec c1 cat /tmp/file)" kept
}

@test "a restart policy starts the container again under a new scope of the same name" {
	docker run -d --name c1 --network=none --restart on-failure:2 "$IMAGE" sh -c 'sleep 1; exit 3' >/dev/null
	eventually 90 sh -c '[ "$(docker inspect -f "{{.RestartCount}} {{.State.Running}}" c1)" = "2 false" ]'
	assert_eq "$(docker inspect -f '{{.State.ExitCode}}' c1)" 3
}
