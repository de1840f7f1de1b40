# SPDX-License-Identifier: Apache-2.0
# The supervisor's parts are killed under load (rows A93, A100; spec/crash-safe.md §5): nobody inside notices, nothing is left.
# CAISSON_SOAK_KILLS says how often each worker is killed; "make soak" takes 1000.

load attacks.bash

KILLS=${CAISSON_SOAK_KILLS:-100}
# Twenty restarts a second are possible on a slow machine.
LIMIT=$((KILLS / 4 + 60))
export BATS_TEST_TIMEOUT=$((LIMIT + 120))

setup_file() {
	attack_open && tool load killer
}

teardown_file() {
	oci_close
}

setup() {
	bundle "$RUN_TAG-crash"
	privileged
	with_tool load
	sleeper
	bg
	# The workers are started with the first request.
	inside 20 sh -c 'mkdir -p /awake && mount -t proc proc /awake && cat /awake/meminfo && umount /awake' >/dev/null
}

teardown() {
	signal_all CONT "[a-z]*"
	rt delete --force "$ID" >/dev/null 2>&1
	bg_wait
	signal_all KILL "[a-z]*"
	rm -rf --one-file-system "${B:?}"
	host_unchanged
}

# inside SECONDS COMMAND... - as root of the container, with an end
inside() {
	local limit=$1 bin=$CAISSON_RUNTIME
	shift
	timeout -k 2 $((limit * ${CAISSON_TEST_SLOW:-1})) "$bin" --root "$(oci_root_of "$bin")" --settings "$SETTINGS" exec "$ID" "$@" </dev/null 3>&-
}

# part [monitor|notify|procview] - pids of the supervisor, with those of short helpers
part() {
	pgrep -f "^caisson-${1:-[a-z]*}: $ID\$"
}

# signal_all SIGNAL PART - all processes of a part
signal_all() {
	local p
	for p in $(part "$2"); do
		kill -"$1" "$p" 2>/dev/null || true
	done
}

no_part() {
	[ -z "$(part)" ]
}

# while_killed WHICH MAX-US LOAD... - the load runs until the last kill; its output in $B/load
while_killed() {
	local which=$1 max=$2 i
	shift 2
	inside "$LIMIT" sh -c 'while [ ! -e /stop ]; do "$@" || echo "ERROR status $?"; done; echo over' load "$@" >"$B/load" 3>&- &
	local job=$!
	sleep 0.3
	run timeout "$LIMIT" "$TOOLS/killer" "$(pgrep -o -f "^caisson-monitor: $ID\$")" "$which" "$KILLS" "$max"
	inside 20 touch /stop
	wait "$job"
	assert_has "$output" killed
	assert_has "$(cat "$B/load")" over
	refute_match "$(cat "$B/load")" 'ERROR|not connected|not implemented'
	assert_match "$(cat "$B/load")" 'end [0-9]+ calls, 0 errors'
	refute_has "$(cat "$B/load")" TORN
	# One of each, no more, and nothing held.
	eventually 5 all_there
	eventually 5 three
}

three() {
	[ "$(part | wc -l)" -eq 3 ]
}

all_there() {
	[ "$(part monitor | wc -l)" -eq 1 ] && [ "$(part notify | wc -l)" -eq 1 ] && [ "$(part procview | wc -l)" -eq 1 ]
}

# held - descriptors of the monitor, mounts that it and the container see
held() {
	find "/proc/$(pgrep -o -f "^caisson-monitor: $ID\$")/fd" -type l | wc -l
	wc -l <"/proc/$(part monitor)/mountinfo"
	wc -l <"/proc/$PID/mountinfo"
}

same_held() {
	[ "$(held)" = "$1" ]
}

@test "A93 the worker for calls is killed under load: each effect once, no error, nothing left" {
	local before
	inside 10 sh -c 'mkdir -p /c && mount -t proc proc /c && umount /c'
	before=$(held)
	while_killed notify 1500 load calls 3 /c
	eventually 5 same_held "$before"
}

@test "A93 the same soon after its start, without signals" {
	inside 10 mkdir -p /c
	while_killed notify 0 load calls 3 /c quiet
}

@test "A100 the server of the files is killed under readers and writers: right contents, no error" {
	local before
	before=$(held)
	while_killed procview 2000 load files 3
	eventually 5 same_held "$before"
}

@test "A93 A100 both are killed at once under both loads" {
	inside 10 mkdir -p /c
	while_killed both 5000 sh -c 'load calls 3 /c & load files 3; wait %1'
}

# ends - kill and delete work in time, and nothing is left
ends() {
	SECONDS=0
	quick kill "$ID" KILL
	eventually 10 has_status "$ID" stopped
	quick delete "$ID"
	[ "$SECONDS" -lt 15 ] || fail "$1: $SECONDS s"
	gone "$ID" || fail "$1"
	eventually 10 no_part || fail "$1: $(part | xargs -r ps -fp)"
	eventually 5 ended "$PID"
}

@test "A93 the monitor and the workers are killed in any order: the container can be ended, and leaves nothing" {
	local order p
	for order in "monitor notify procview" "monitor procview notify" "notify monitor procview" "notify procview monitor" \
		"procview monitor notify" "procview notify monitor" monitor "monitor notify" "monitor procview"; do
		inside 20 sh -c 'mkdir -p /c; (while mount -t proc proc /c && umount /c; do :; done >/dev/null 2>&1 &)
			(while cat /proc/meminfo /proc/sys/kernel/panic; do :; done >/dev/null 2>&1 &)'
		for p in $order; do
			signal_all KILL "$p"
		done
		has_status "$ID" running
		# What is left must not show the host's.
		capture inside 5 cat /proc/sys/kernel/random/boot_id
		refute_has "$output" "$(cat /proc/sys/kernel/random/boot_id)"
		capture inside 5 sh -c 'mkdir -p /raw; mount -t proc proc /raw && cat /raw/sys/kernel/random/boot_id'
		refute_has "$output" "$(cat /proc/sys/kernel/random/boot_id)"
		ends "$order"
		rm -rf --one-file-system "${B:?}"
		setup
	done
}

@test "A93 a container whose supervisor is stopped altogether is deleted by force" {
	local p
	for p in monitor notify procview; do
		signal_all STOP "$p"
	done
	SECONDS=0
	quick delete --force "$ID"
	[ "$SECONDS" -lt 10 ]
	gone "$ID"
	# Nobody but the host's root can have stopped them; as soon as they may, they end.
	signal_all CONT "[a-z]*"
	eventually 10 no_part
}

@test "A93 deaths in a row neither use up the processor nor leave the container without a supervisor" {
	local before after i
	for i in $(seq 30); do
		signal_all KILL "(notify|procview)"
	done
	eventually 5 all_there
	before=$(awk '{print $14 + $15}' "/proc/$(part monitor)/stat")
	sleep 2
	after=$(awk '{print $14 + $15}' "/proc/$(part monitor)/stat")
	[ $((after - before)) -le 2 ]
	capture inside 20 sh -c 'mkdir -p /c && mount -t proc proc /c && head -n 1 /c/meminfo && umount /c'
	assert_has "$output" MemTotal
}
