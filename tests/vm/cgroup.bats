#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cgroup v2 with the systemd driver: the scope, its limits as files, what is delegated and what is not.

load lib

setup_file()
{
	engine_start
}

teardown()
{
	containers_remove
}

@test "a container is in a scope of its own below system.slice, with delegation on" {
	idle c1
	assert_eq "$(systemctl show -P ActiveState "$(scope_of c1)")" active
	assert_eq "$(systemctl show -P ControlGroup "$(scope_of c1)")" "/system.slice/$(scope_of c1)"
	assert_eq "$(systemctl show -P Delegate "$(scope_of c1)")" yes
	assert_has "$(cat "/proc/$(pid_of c1)/cgroup")" "0::/system.slice/$(scope_of c1)"
}

@test "the scope is gone when the container is" {
	local dir unit

	idle c1
	dir=$(scope_dir c1) unit=$(scope_of c1)
	[ -d "$dir" ] || fail "no directory $dir"
	docker rm -f c1 >/dev/null
	eventually 10 test ! -e "$dir"
	assert_eq "$(systemctl show -P LoadState "$unit")" not-found
}

@test "limits given at the start are in the scope's files" {
	idle c1 --memory 64m --memory-swap 64m --memory-reservation 32m --cpus 0.5 --pids-limit 50 --cpuset-cpus 0
	local dir
	dir=$(scope_dir c1)
	assert_eq "$(cat "$dir/memory.max")" 67108864 memory.max
	assert_eq "$(cat "$dir/memory.swap.max")" 0 memory.swap.max
	assert_eq "$(cat "$dir/memory.low")" 33554432 memory.low
	assert_eq "$(cat "$dir/cpu.max")" "50000 100000" cpu.max
	assert_eq "$(cat "$dir/pids.max")" 50 pids.max
	assert_eq "$(cat "$dir/cpuset.cpus.effective")" 0 cpuset.cpus.effective
}

@test "without limits nothing is limited" {
	idle c1
	assert_eq "$(cat "$(scope_dir c1)/memory.max")" max
	assert_eq "$(cat "$(scope_dir c1)/cpu.max")" "max 100000"
}

@test "the weight of block I/O is in io.weight, converted from 10..1000 to 1..10000" {
	idle c1 --blkio-weight 300
	[ -e "$(scope_dir c1)/io.weight" ] || skip "this kernel has no io.weight"
	# 1 + (300 - 10) * 9999 / 990, rounded down or up
	assert_match "$(cat "$(scope_dir c1)/io.weight")" '^default (2929|2930)$'
}

@test "CPU shares become cpu.weight" {
	idle c1 --cpu-shares 4096
	idle c2 --cpu-shares 256
	local big small
	big=$(cat "$(scope_dir c1)/cpu.weight")
	small=$(cat "$(scope_dir c2)/cpu.weight")
	[ "$big" -gt 100 ] || fail "cpu.weight $big of 4096 shares"
	[ "$small" -lt 100 ] || fail "cpu.weight $small of 256 shares"
}

@test "limits survive a reload of the init" {
	idle c1 --memory 64m --pids-limit 50
	systemctl daemon-reload
	assert_eq "$(cat "$(scope_dir c1)/memory.max")" 67108864
	assert_eq "$(cat "$(scope_dir c1)/pids.max")" 50
	assert_eq "$(docker exec c1 echo alive)" alive
}

@test "more memory than allowed ends in an OOM kill that the engine reports" {
	docker run --name c1 --network=none --memory 32m --memory-swap 32m "$IMAGE" \
		sh -c 'head -c 200000000 /dev/zero | tail -c 150000000 | wc -c' || true
	assert_eq "$(docker inspect -f '{{.State.OOMKilled}}' c1)" true
}

@test "more processes than allowed are not made" {
	run box --pids-limit 20 -- sh -c 'i=0; while [ $i -lt 60 ]; do sleep 30 & i=$((i + 1)); done; wait'
	assert_has "$output" "can't fork"
}

@test "a privileged container manages cgroups of its own" {
	run box --privileged -- sh -ec 'mkdir /sys/fs/cgroup/own /sys/fs/cgroup/own/leaf
		echo 1 >/sys/fs/cgroup/own/cgroup.procs
		cat /proc/1/cgroup'
	assert_eq "$status" 0 "$output"
	assert_eq "$output" "0::/own"
}

@test "a privileged container passes controllers on to its own groups" {
	run box --privileged --memory 64m -- sh -ec 'cd /sys/fs/cgroup
		mkdir own
		echo 1 >own/cgroup.procs
		for p in $(cat cgroup.procs); do echo $p >own/cgroup.procs; done
		echo "+memory +pids" >cgroup.subtree_control
		mkdir inner
		echo 16777216 >inner/memory.max
		cat inner/memory.max'
	assert_eq "$status" 0 "$output"
	assert_eq "$output" 16777216
}

@test "a privileged container cannot raise its own limits" {
	run box --privileged --memory 64m --pids-limit 50 -- sh -c 'cd /sys/fs/cgroup
		echo max >memory.max; echo max >pids.max; echo "max 100000" >cpu.max; cat memory.max pids.max'
	# With a delegated child the files of the limits are not there at all, one level up and out of sight.
	refute_match "$output" $'(^|\n)max($|\n)'
	idle c1 --privileged --memory 64m --pids-limit 50
	docker exec c1 sh -c 'echo max >/sys/fs/cgroup/memory.max; echo max >/sys/fs/cgroup/pids.max' || true
	assert_eq "$(cat "$(scope_dir c1)/memory.max")" 67108864
	assert_eq "$(cat "$(scope_dir c1)/pids.max")" 50
}

@test "an ordinary container cannot write to its cgroups" {
	run box -- mkdir /sys/fs/cgroup/own
	assert_eq "$status" 1
}

@test "the container sees its own cgroup as the root" {
	assert_eq "$(box -- cat /proc/self/cgroup)" "0::/"
	assert_eq "$(box --cgroupns=host -- cat /proc/self/cgroup)" "0::/" "cgroupns=host is not honoured (E30)"
}

@test "a privileged container sees a machine of the size of its limits" {
	local dir used shown
	idle c1 --privileged --memory 128m --cpus 1
	assert_eq "$(docker exec c1 awk '/^MemTotal/ {print $2}' /proc/meminfo)" 131072
	assert_eq "$(docker exec c1 grep -c ^processor /proc/cpuinfo)" 1
	docker update --memory 64m --memory-swap 64m c1 >/dev/null
	assert_eq "$(docker exec c1 awk '/^MemTotal/ {print $2}' /proc/meminfo)" 65536
	# CPU time is that of the scope, in hundredths of a second, not what the guest has used since it was booted.
	dir=$(scope_dir c1)
	docker exec c1 timeout 1 sh -c 'while :; do :; done' || true
	shown=$(docker exec c1 awk '/^cpu / {print $2 + $3 + $4}' /proc/stat)
	used=$(($(awk '/^usage_usec/ {print $2}' "$dir/cpu.stat") / 10000))
	[ "$shown" -ge 10 ] && [ "$shown" -le $((used + 1)) ] || fail "/proc/stat shows $shown, the scope has used $used"
}

@test "exec joins the scope" {
	idle c1
	docker exec c1 sleep 77 &
	eventually 20 pgrep -x -f 'sleep 77'
	assert_has "$(cat "/proc/$(pgrep -x -f 'sleep 77' | head -n 1)/cgroup")" "$(scope_of c1)"
}
