# SPDX-License-Identifier: Apache-2.0
# Namespaces shared with the host are refused, shared among containers they work: rows E10, E26-E36, M1, M2.

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

M1_TAIL="with the host (because they use the linux user-namespace for isolation)"

@test "E26 M1 --pid=host is refused by name" {
	run -125 d run --name aa --network none --pid=host "$IMAGE" true
	assert_has "$output" "sysbox containers can't share namespaces [pid] $M1_TAIL"
	assert_has "$output" "error in the container spec: invalid or unsupported container spec"
}

@test "E26 a refused container leaves no process, mount or id range" {
	local before
	before=$(engine_snapshot)
	run -125 d run --name aa --network none --pid=host "$IMAGE" true
	drm aa
	same() { diff <(printf '%s\n' "$before") <(engine_snapshot); }
	eventually 10 same || same
}

@test "E27 M2 --network=host is refused by name" {
	run -125 d run --name aa --network=host "$IMAGE" true
	assert_has "$output" "sysbox containers can't share"
	assert_match "$output" 'network'
	assert_has "$output" "$M1_TAIL"
}

@test "E28 M1 --uts=host is refused by name" {
	run -125 d run --name aa --network none --uts=host "$IMAGE" true
	assert_has "$output" "sysbox containers can't share namespaces [uts] $M1_TAIL"
}

@test "E29 M1 --ipc=host is refused by name" {
	run -125 d run --name aa --network none --ipc=host "$IMAGE" true
	assert_has "$output" "sysbox containers can't share namespaces [ipc] $M1_TAIL"
}

@test "E30 --cgroupns=host gets a private cgroup namespace" {
	run -0 drun --cgroupns=host -- readlink /proc/self/ns/cgroup
	[ "$output" != "$(readlink /proc/self/ns/cgroup)" ]
	run -0 drun --cgroupns=host -- cat /proc/self/cgroup
	refute_has "$output" "$ENGINE_CGROUP"
}

@test "E30 a container's cgroup namespace is private by default" {
	run -0 drun -- cat /proc/self/cgroup
	refute_has "$output" "$ENGINE_CGROUP"
}

@test "E31 --userns=host is ignored, also for a privileged container" {
	run -0 drun --userns=host --privileged -- cat /proc/self/uid_map
	assert_idmap "$output"
}

@test "E32 several shared namespaces are all named" {
	run -125 d run --name aa --network none --pid=host --uts=host --ipc=host "$IMAGE" true
	local list
	[[ $output =~ namespaces\ \[([a-z ]*)\] ]] || fail "$output"
	list=$(tr ' ' '\n' <<<"${BASH_REMATCH[1]}" | sort | tr '\n' ' ')
	assert_eq "$list" "ipc pid uts "
}

@test "E33 E10 a container joins the network, and so the user namespace, of another" {
	dbg aa
	run -0 d run --rm --runtime sysbox-runc --network container:aa "$IMAGE" sh -c 'readlink /proc/self/ns/net; cat /proc/self/uid_map; ls /sys/class/net'
	local pid
	pid=$(dpid aa)
	assert_eq "${lines[0]}" "$(ns_of "$pid" net)"
	assert_eq "$(awk '{print $2}' <<<"${lines[1]}")" "$(map_base "$pid")"
	assert_has "$output" lo
	dbg bb --network container:aa
	assert_eq "$(ns_of "$(dpid bb)" user)" "$(ns_of "$pid" user)"
}

@test "E33 a joined network namespace carries traffic" {
	dbg aa -- sh -c 'mkdir /w; echo hello >/w/index.html; exec httpd -f -p 127.0.0.1:81 -h /w'
	sleep 0.3
	run -0 d run --rm --network container:aa "$IMAGE" wget -qO- http://127.0.0.1:81/
	assert_eq "$output" hello
}

@test "E33 a container lives on when the one whose network it joined has gone" {
	dbg aa
	dbg bb --network container:aa
	local base
	base=$(map_base "$(dpid bb)")
	d kill aa
	d rm aa
	run -0 d exec bb cat /proc/self/uid_map
	assert_idmap "$output"
	# Its range must not be given to a new container while it lives.
	dbg cc
	[ "$(map_base "$(dpid cc)")" != "$base" ] || fail "range $base handed out twice"
}

@test "E34 a container joins the ipc namespace of a shareable one" {
	dbg aa --ipc=shareable
	dbg bb --ipc=container:aa
	assert_eq "$(ns_of "$(dpid bb)" ipc)" "$(ns_of "$(dpid aa)" ipc)"
	d exec aa sh -c 'echo shared >/dev/shm/f'
	run -0 d exec bb cat /dev/shm/f
	assert_eq "$output" shared
}

@test "E35 a container joins the pid namespace of another" {
	dbg aa
	run -0 drun --pid=container:aa -- sh -c 'tr "\0" " " </proc/1/cmdline; readlink /proc/self/ns/pid'
	assert_has "$output" 'trap'
	assert_has "$output" "$(ns_of "$(dpid aa)" pid)"
}

@test "E36 a container's network is not the engine's" {
	run -0 drun -- readlink /proc/self/ns/net
	[ "$output" != "net:[$(stat -Lc %i "$ENGINE_NET")]" ]
	run -0 d run --rm "$IMAGE" ls /sys/class/net
	refute_has "$output" ctbr0
	assert_has "$output" eth0
}

@test "every namespace of a container differs from the host's" {
	dbg aa
	local pid ns
	pid=$(dpid aa)
	for ns in user mnt pid net ipc uts cgroup time; do
		[ "$(ns_of "$pid" $ns)" != "$(readlink /proc/self/ns/$ns)" ] || fail "$ns is the host's"
	done
}

@test "two containers share no namespace" {
	dbg aa
	dbg bb
	local a b ns
	a=$(dpid aa) b=$(dpid bb)
	for ns in user mnt pid net ipc uts cgroup time; do
		[ "$(ns_of "$a" $ns)" != "$(ns_of "$b" $ns)" ] || fail "$ns is shared"
	done
}

@test "all namespaces of a container belong to its user namespace" {
	dbg aa
	local pid owner ns
	pid=$(dpid aa)
	for ns in pid ipc uts cgroup net; do
		owner=$(lsns -n -o ONS "/proc/$pid/ns/$ns" 2>/dev/null | tr -d ' ' || true)
		[ -n "$owner" ] || owner=$("$PYTHON" - "$pid" "$ns" <<-'PY'
			import fcntl, os, sys
			fd = os.open("/proc/%s/ns/%s" % (sys.argv[1], sys.argv[2]), os.O_RDONLY)
			print(os.fstat(fcntl.ioctl(fd, 0xb701)).st_ino)
		PY
		)
		assert_eq "user:[$owner]" "$(ns_of "$pid" user)" "$ns"
	done
}
