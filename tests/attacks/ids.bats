# SPDX-License-Identifier: Apache-2.0
# Ids and resources that containers must not share or exhaust for each other and for the host (rows A107-A111, A148, A149, A153).

load attacks.bash

setup_file() {
	attack_open && tool exhaust
}

teardown_file() {
	oci_close
}

teardown() {
	[ -z "${HOLDER:-}" ] || kill "$HOLDER" 2>/dev/null || true
	[ -z "${OWNER:-}" ] || kill "$OWNER" 2>/dev/null || true
	attack_teardown
}

# pool FIRST COUNT - settings of this test's own, with that pool
pool() {
	jq --argjson f "$1" --argjson n "$2" '.caisson.idPool = {first: $f, count: $n}' "$SETTINGS" >"${SETTINGS%/*}/pool-$BATS_TEST_NUMBER.json"
	SETTINGS=${SETTINGS%/*}/pool-$BATS_TEST_NUMBER.json
	chmod 0644 "$SETTINGS"
}

@test "A107 ranges of containers made and killed at random never overlap" {
	local i k pids base
	for i in 1 2 3; do
		pids=()
		for k in $(seq 8); do
			bundle "r$i-$k"
			script_is 'exec sleep 30'
			(timeout -s KILL "0.0$((RANDOM % 9 + 1))" "$CAISSON_RUNTIME" --root "$(oci_root_of "$CAISSON_RUNTIME")" --settings "$SETTINGS" run --detach --bundle "$B" "$ID" </dev/null >/dev/null 2>&1 || true) &
			pids+=($!)
			bundle "s$i-$k"
			script_is 'exec sleep 30'
			(quick run --detach --bundle "$B" "$ID" >/dev/null 2>&1 || true) &
			pids+=($!)
		done
		wait "${pids[@]}" 2>/dev/null || true
		base=$(for k in $(rt list -q); do map_base "$(rt state "$k" | jq .pid)" 2>/dev/null; done | sort)
		[ -n "$base" ]
		assert_eq "$(uniq -d <<<"$base")" "" "ranges that two containers have"
		for k in $(rt list -q); do
			quick delete --force "$k"
		done
		for k in $(seq 8); do
			quick delete --force "r$i-$k-$BATS_TEST_NUMBER" || true
		done
	done
	rm -rf "$OCI"/b/[rs][1-3]-*
}

@test "A108 a range that holds a process, an account or a subordinate id of others is not given out" {
	pool 1073741824 1
	setpriv --reuid 1073741900 sleep 30 3>&- &
	OWNER=$!
	rm -f /run/caisson/ids/foreign
	bundle taken
	refused 'no free id range'
	kill "$OWNER"
	rm -f /run/caisson/ids/foreign
	eventually 5 test ! -e "/proc/$OWNER"
	attack_run 'cat /proc/self/uid_map'
	assert_match "$output" ' 1073741824 '
	# The pool of every container keeps clear of what the host has.
	local base
	bundle free
	script_is 'exec sleep 20'
	bg
	base=$(map_base "$PID")
	awk -F: -v b="$base" '$2 < b + 65536 && $2 + $3 > b && $1 != "caisson" {print; f = 1} END {exit f}' /etc/subuid /etc/subgid
	awk -F: -v b="$base" '$3 >= b && $3 < b + 65536 {print; f = 1} END {exit f}' /etc/passwd /etc/group
}

@test "A109 after a container nothing of its range is left where it was an engine's" {
	local v base
	bundle residue
	privileged
	v=$(vol v)
	bind "$v" /v rw
	attack_run 'for u in 0 1 33 1000 65534; do for d in / /v /tmp /var/tmp; do touch $d/u$u; chown $u:$u $d/u$u; done; done; awk "{print \$2}" /proc/self/uid_map'
	base=$(tail -1 <<<"$output")
	assert_match "$base" '^[0-9]+$'
	run find "$B" /run/caisson -uid +65535
	assert_eq "$output" "" "files with ids of range $base"
	assert_eq "$(stat -c %u "$v/u33" "$v/u65534" | tr '\n' ' ')" "33 65534 "
}

@test "A107 a namespace that outlived its container puts nobody into a range that is another's by now" {
	pool 1476395008 1
	bundle gone
	sleeper
	bg
	local gone=$ID b1=$B b2 later
	: >"$OCI/pin"
	mount --bind "/proc/$PID/ns/net" "$OCI/pin"
	# Control: while it is alive it can be joined.
	bundle joiner
	cfg '(.linux.namespaces[] | select(.type == "network")).path = $p' --arg p "$OCI/pin"
	script_is 'awk "{print \$2}" /proc/self/uid_map'
	capture rt run --bundle "$B" "$ID"
	assert_eq "$output" 1476395008
	b2=$B
	rt delete --force "$gone"
	bundle later
	sleeper
	eventually 15 bg
	later=$ID
	assert_eq "$(map_base "$PID")" 1476395008
	capture rt run --bundle "$b2" joined
	umount "$OCI/pin"
	[ "$status" -ne 0 ]
	assert_has "$output" "the container to join has ended"
	rt delete --force "$later"
	rm -rf "$b1" "$b2"
}

@test "A110 an exhausted pool refuses clearly, and goes on when a range is free again" {
	pool 1342177280 2
	bundle first
	sleeper
	bg
	local first=$ID b1=$B
	bundle second
	sleeper
	bg
	local second=$ID b2=$B
	bundle third
	refused 'no free id range'
	rt delete --force "$first"
	# Once its dead process 1 is reaped, by whoever is its parent now.
	script_is 'echo up'
	eventually 15 quick run --bundle "$B" "$ID"
	rt delete --force "$second"
	rm -rf "$b1" "$b2"
}

@test "A148 a fork bomb ends at the limit, the host goes on, and stopping works" {
	bundle bomb '.linux.resources.pids = {limit: 100}'
	privileged
	script_is 'b() { b | b & }; b; while :; do :; done'
	quick run --detach --bundle "$B" "$ID" >"$B/out" 2>&1
	sleep 1
	[ "$(cgroup_dirs "$OCI_CGROUP/$ID" | grep pids | head -1 | xargs -I{} cat {}/pids.current)" -le 100 ] || cgroup_v2
	run /bin/echo "the host forks"
	assert_eq "$status" 0
	local start=$SECONDS
	quick delete --force "$ID"
	[ $((SECONDS - start)) -le 10 ]
}

# Takes all that one container can get of a resource; a second container and the host must still get some.
exhausted() {
	local kind=$1 first b1
	bundle "hog-$kind"
	all_caps
	with_tool exhaust
	cfg '.process.args = ["/bin/exhaust", $k, $n]' --arg k "$kind" --arg n "${2:-200000}"
	mkfifo "$B/hold"
	first=$ID b1=$B
	timeout -k 1 40 "$CAISSON_RUNTIME" --root "$(oci_root_of "$CAISSON_RUNTIME")" --settings "$SETTINGS" run --bundle "$B" "$ID" <>"$B/hold" >"$B/out" 2>&1 3>&- &
	HOLDER=$!
	eventually 30 grep -q "^$kind" "$b1/out"
	run "$TOOLS/exhaust" "$kind" 1 </dev/null
	[ "${3:-}" = host-only ] || assert_eq "$output" "$kind 1" "the host, after a container had $(cat "$b1/out")"
	bundle "peer-$kind"
	all_caps
	with_tool exhaust
	cfg '.process.args = ["/bin/exhaust", $k, "1"]' --arg k "$kind"
	capture quick run --bundle "$B" "$ID"
	[ "${3:-}" = host-only ] || assert_eq "$output" "$kind 1" "another container, after the first had $(cat "$b1/out")"
	quick delete --force "$first" || true
	wait "$HOLDER" 2>/dev/null || true
	HOLDER=
	[ "$(sed -n "s/^$kind \([0-9]*\).*/\1/p" "$b1/out")" -gt 0 ] || fail "the container got none: $(cat "$b1/out")"
	rm -rf "$b1"
	quick delete --force "$ID" >/dev/null 2>&1 || true
	rm -rf "$B"
}

@test "A149 A111 inotify and fanotify instances of one container are not those of others" {
	exhausted inotify
	exhausted fanotify
}

@test "A149 A111 message queues, queued signals and keys of one container are not those of others" {
	exhausted mqueue
	exhausted signals
	exhausted keys
}

@test "A149 A111 System V objects of one container are not those of others" {
	exhausted sem
	exhausted shm
	exhausted msg
}

@test "A149 A111 pipe buffers of one container are not those of others" {
	exhausted pipe 5000
}

@test "A149 ptys: the host keeps its reserve" {
	# kernel.pty.max is one number for all but the host's own instance, which has a reserve.
	bundle hog
	all_caps
	with_tool exhaust
	cfg '.process.args = ["/bin/exhaust", "pty", "100000"]'
	mkfifo "$B/hold"
	timeout -k 1 30 "$CAISSON_RUNTIME" --root "$(oci_root_of "$CAISSON_RUNTIME")" --settings "$SETTINGS" run --bundle "$B" "$ID" <>"$B/hold" >"$B/out" 2>&1 3>&- &
	HOLDER=$!
	eventually 20 grep -q '^pty' "$B/out"
	run "$TOOLS/exhaust" pty 1 </dev/null
	assert_eq "$output" "pty 1"
	quick delete --force "$ID"
	wait "$HOLDER" 2>/dev/null || true
}

@test "A149 namespaces of one container are not counted for others" {
	# The limits are high; what can be seen at once is who is charged: root of the host must not be.
	local before after
	bundle hog
	all_caps
	with_tool exhaust
	cfg '.process.args = ["/bin/exhaust", "utsns", "500"]'
	mkfifo "$B/hold"
	timeout -k 1 30 "$CAISSON_RUNTIME" --root "$(oci_root_of "$CAISSON_RUNTIME")" --settings "$SETTINGS" run --bundle "$B" "$ID" <>"$B/hold" >"$B/out" 2>&1 3>&- &
	HOLDER=$!
	eventually 20 grep -q '^utsns' "$B/out"
	assert_eq "$(cat "$B/out")" "utsns 500"
	PID=$(rt state "$ID" | jq .pid)
	# Who made the user namespace is who is charged (ioctl_ns(2), NS_GET_OWNER_UID).
	run $PYTHON -c 'import fcntl, struct, sys
b = bytearray(4); fcntl.ioctl(open(sys.argv[1]), 0xb704, b); print(struct.unpack("I", b)[0])' "/proc/$PID/ns/user"
	[ "$output" -ge 100000 ] || fail "the user namespace belongs to id $output of the host"
	quick delete --force "$ID"
	wait "$HOLDER" 2>/dev/null || true
}

@test "A153 a container is never preferred by the out-of-memory killer, and deleting survives any order" {
	bundle oom
	privileged
	script_is 'cat /proc/self/oom_score_adj; echo -500 >/proc/self/oom_score_adj; cat /proc/self/oom_score_adj; exec sleep 20'
	bg
	eventually 5 sh -c '[ "$(wc -l <"$1")" -ge 2 ]' _ "$B/out"
	refute_match "$(cat "$B/out")" '^-5'
	kill -9 "$PID"
	eventually 5 ended "$PID"
	local dir
	dir=$(oci_root_of "$CAISSON_RUNTIME")/$ID
	# Killed half-way through, then again.
	timeout -s KILL 0.005 "$CAISSON_RUNTIME" --root "${dir%/*}" --settings "$SETTINGS" delete --force "$ID" </dev/null >/dev/null 2>&1 || true
	quick delete --force "$ID"
	quick delete --force "$ID"
	[ ! -e "$dir" ]
	[ -z "$(cgroup_dirs "$OCI_CGROUP/$ID")" ]
}
