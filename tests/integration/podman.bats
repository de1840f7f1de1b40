# SPDX-License-Identifier: Apache-2.0
# Podman, rootful, with the runtime given by path.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/podman.bash

setup_file() {
	podman_open
}

teardown_file() {
	podman_close
}

teardown() {
	local ids
	# By id: a name that is not there is taken for the beginning of an id.
	ids=$(p ps -aq --filter 'name=^aa$' --filter 'name=^bb$')
	# shellcheck disable=SC2086
	[ -z "$ids" ] || p rm -f -i -t 0 $ids >/dev/null 2>&1 || true
}

pbg() {
	local name=$1
	shift
	p run -d --name "$name" --network none --cgroup-parent "/ct-$RUN_TAG-podman" "$@" "$IMAGE" \
		sh -c 'trap "exit 0" TERM; while :; do sleep 3600 & wait $!; done' >/dev/null
}

ppid() {
	p inspect -f '{{.State.Pid}}' "$1"
}

@test "podman: a container is mapped as in E1" {
	run -0 prun "$IMAGE" cat /proc/self/uid_map
	assert_idmap "$output"
}

@test "podman: exit codes are those of the command" {
	run -7 prun "$IMAGE" sh -c 'exit 7'
	run -127 prun "$IMAGE" no-such-command
}

@test "podman: two containers have ranges that do not overlap" {
	pbg aa
	pbg bb
	local a b
	a=$(map_base "$(ppid aa)") b=$(map_base "$(ppid bb)")
	[ $((a > b ? a - b : b - a)) -ge 65536 ] || fail "bases $a and $b"
}

@test "podman: files have the owners of the image, and of the container after commit" {
	run -0 prun "$IMAGE" stat -c %u:%g /bin/busybox /home/user
	assert_eq "$output" $'0:0\n1000:1000'
	pbg aa
	p exec aa sh -c 'echo x >/f; chown 33:44 /f'
	p commit -q aa caisson-test/committed >/dev/null
	run -0 prun caisson-test/committed stat -c %u:%g /f
	assert_eq "$output" 33:44
}

@test "podman: exec, logs, stop, top" {
	pbg aa
	run -0 p exec aa cat /proc/self/uid_map
	assert_idmap "$output"
	run -4 p exec aa sh -c 'exit 4'
	run -0 p top aa
	assert_has "$output" sleep
	p stop -t 10 aa
	run -0 p inspect -f '{{.State.ExitCode}} {{.State.Status}}' aa
	assert_eq "$output" "0 exited"
	p run --name bb --network none --cgroup-parent "/ct-$RUN_TAG-podman" "$IMAGE" echo hello >/dev/null
	run -0 p logs bb
	assert_eq "$output" hello
}

@test "podman: pause and unpause" {
	pbg aa
	p pause aa
	run -0 p inspect -f '{{.State.Status}}' aa
	assert_eq "$output" paused
	p unpause aa
	run -0 p exec aa echo alive
	assert_eq "$output" alive
}

@test "podman: a terminal" {
	run in_tty nsenter --net="$ENGINE_NET" -- podman --root "$ENGINE/root" --runroot "$ENGINE/run" --tmpdir "$ENGINE/tmp" \
		--runtime "$ENGINE/runtime" --cgroup-manager cgroupfs --events-backend file \
		run -it --rm --network none --cgroup-parent "/ct-$RUN_TAG-podman" "$IMAGE" sh -c "tty; sleep 0.3"
	assert_has "$output" /dev/
}

@test "podman: a volume is shared by two containers with the right owners" {
	pbg aa -v pv:/data
	pbg bb -v pv:/data
	p exec aa sh -c 'echo x >/data/f; chown 1000:2000 /data/f'
	run -0 p exec bb stat -c %u:%g /data/f
	p rm -f -t 0 aa bb >/dev/null
	p volume rm pv >/dev/null
	assert_eq "$output" 1000:2000
}

@test "podman: a bind outside the share is refused with M3, inside it works" {
	run prun -v /etc:/x "$IMAGE" true
	[ "$status" -ne 0 ]
	assert_has "$output" "restricted host mount"
	local dir
	dir=$(share_dir podman 1000)
	run -0 prun -v "$dir:/x" "$IMAGE" sh -c 'echo x >/x/f; stat -c %u /x/f'
	assert_eq "$output" 0
	assert_eq "$(stat -c %u "$dir/f")" 1000
}

@test "podman: host namespaces are refused" {
	local flag
	for flag in --pid=host --uts=host --ipc=host --network=host; do
		run p run --rm --cgroup-parent "/ct-$RUN_TAG-podman" $flag "$IMAGE" true
		[ "$status" -ne 0 ] || fail "$flag was accepted"
		assert_has "$output" "can't share"
	done
}

@test "podman: a privileged container is mapped and confined" {
	run -0 prun --privileged "$IMAGE" sh -c 'cat /proc/self/uid_map; { echo 1 >/proc/sys/vm/drop_caches; } 2>/dev/null || echo denied'
	assert_idmap "${lines[0]}"
	assert_has "$output" denied
}

@test "podman: its own network works" {
	run -0 p run --rm --cgroup-parent "/ct-$RUN_TAG-podman" "$IMAGE" sh -c 'ls /sys/class/net; cat /proc/self/uid_map'
	assert_has "$output" eth0
	assert_idmap "${lines[-1]}"
}

@test "podman: containers of a pod share their network and user namespaces" {
	run p pod create --name pod1 --infra-image "$IMAGE" --infra-command "/bin/sleep 1000" --network none --cgroup-parent "/ct-$RUN_TAG-podman"
	assert_eq "$status" 0 "$output"
	p run -d --pod pod1 --name aa "$IMAGE" sleep 1000 >/dev/null
	p run -d --pod pod1 --name bb "$IMAGE" sleep 1000 >/dev/null
	local a b
	a=$(ppid aa) b=$(ppid bb)
	local net_a net_b user_a user_b
	net_a=$(ns_of "$a" net) net_b=$(ns_of "$b" net) user_a=$(ns_of "$a" user) user_b=$(ns_of "$b" user)
	p pod rm -f -t 0 pod1 >/dev/null
	assert_eq "$net_a" "$net_b"
	assert_eq "$user_a" "$user_b"
}

@test "podman: limits, update and stats" {
	pbg aa --memory 64m --pids-limit 44
	local pid
	pid=$(ppid aa)
	assert_eq "$(cg_get "$pid" memory memory.limit_in_bytes memory.max)" 67108864
	assert_eq "$(cg_get "$pid" pids pids.max pids.max)" 44
}
