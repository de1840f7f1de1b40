# SPDX-License-Identifier: Apache-2.0
# The same command on runc and on the runtime under test, side by side: what engines rely on must match.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/bundle.bash

setup_file() {
	[ -x "$CAISSON_PEER" ] || die "no runc to compare with"
	oci_open
}

teardown_file() {
	oci_close
}

teardown() {
	if [ -n "${ID:-}" ]; then
		RT=$CAISSON_PEER rt delete --force "$ID" >/dev/null 2>&1 || true
		RT=$CAISSON_RUNTIME rt delete --force "$ID" >/dev/null 2>&1 || true
		rm -rf "$B"
	fi
}

# both ARGS... - run it on both; sets PEER_STATUS PEER_OUT OUR_STATUS OUR_OUT
both() {
	local RT=$CAISSON_PEER
	capture rt "$@"
	PEER_STATUS=$status PEER_OUT=$output
	RT=$CAISSON_RUNTIME
	capture rt "$@"
	OUR_STATUS=$status OUR_OUT=$output
}

same_status() {
	assert_eq "$OUR_STATUS" "$PEER_STATUS" "ours: $OUR_OUT; runc: $PEER_OUT"
}

# same_class PATTERN... - both fail, and both texts have every pattern
same_class() {
	local pattern
	same_status
	[ "$OUR_STATUS" -ne 0 ]
	for pattern; do
		[[ $PEER_OUT =~ $pattern ]] || fail "runc's text has no /$pattern/: $PEER_OUT"
		[[ $OUR_OUT =~ $pattern ]] || fail "our text has no /$pattern/: $OUR_OUT"
	done
}

start_both() {
	local RT
	for RT in "$CAISSON_PEER" "$CAISSON_RUNTIME"; do
		cfg '.linux.cgroupsPath = $c' --arg c "/$OCI_CGROUP/$ID-${RT##*/}"
		rt create --bundle "$B" --pid-file "$B/pid-${RT##*/}" "$ID" </dev/null >/dev/null 2>"$B/err" || fail "$RT: $(cat "$B/err")"
		rt start "$ID"
	done
}

stop_both() {
	local RT
	for RT in "$CAISSON_PEER" "$CAISSON_RUNTIME"; do
		rt kill "$ID" KILL
		eventually 10 has_status "$ID" stopped
	done
}

# field FILTER - of the last JSON outputs, for both: equal
same_json() {
	assert_eq "$(jq -cS "$1" <<<"$OUR_OUT")" "$(jq -cS "$1" <<<"$PEER_OUT")" "$1"
}

@test "parity: the state has all of runc's keys, with the same types and values" {
	bundle state
	sleeper
	start_both
	both state "$ID"
	same_status
	local missing
	missing=$(jq -rn --argjson a "$PEER_OUT" --argjson b "$OUR_OUT" '$a | to_entries[] | select((.value | type) != ($b[.key] | type)) | .key')
	[ -z "$missing" ] || fail "missing or of another type: $missing"
	same_json '{id, status, bundle, rootfs, owner}'
	stop_both
	both state "$ID"
	same_json '{id, status, bundle, pid}'
}

@test "parity: state, start, kill, delete, exec, pause, ps, update, events of an unknown id" {
	local cmd
	for cmd in "state nix" "start nix" "kill nix TERM" "delete nix" "exec nix true" "pause nix" "resume nix" "ps nix" \
		"update --memory 1000000 nix" "events --stats nix"; do
		# shellcheck disable=SC2086
		both $cmd
		same_class 'does not exist'
	done
	both delete --force nix
	same_status
}

@test "parity: exit codes of run" {
	local code
	bundle codes
	for code in 0 1 7 126 127 255; do
		script_is "exit $code"
		both run --bundle "$B" "$ID"
		same_status
		assert_eq "$OUR_STATUS" "$code"
	done
	script_is 'kill -9 -1; exit 3'
	both run --bundle "$B" "$ID"
	same_status
}

@test "parity: a command that does not exist, is a directory, is not executable" {
	bundle nocmd '.process.args = ["no-such-command"]'
	both run --bundle "$B" "$ID"
	same_class 'executable file not found in \$PATH'
	cfg '.process.args = ["/etc"]'
	both run --bundle "$B" "$ID"
	same_class 'permission denied|is a directory'
	cfg '.process.args = ["/etc/passwd"]'
	both run --bundle "$B" "$ID"
	same_class 'permission denied'
	cfg '.process.args = ["/no/such"]'
	both run --bundle "$B" "$ID"
	same_class 'no such file or directory'
}

@test "parity: a second create, a second start, delete of a running container" {
	bundle twice
	sleeper
	start_both
	both create --bundle "$B" "$ID"
	same_class 'exist'
	both start "$ID"
	same_class 'running'
	both delete "$ID"
	same_class 'not stopped|running'
}

@test "parity: kill, exec, pause and start of a stopped container" {
	bundle stopped
	sleeper
	start_both
	stop_both
	both kill "$ID" TERM
	same_class 'not running'
	both exec "$ID" true
	same_class 'stopped'
	both pause "$ID"
	same_class 'not running|stopped'
	both start "$ID"
	same_class 'stopped'
	both delete "$ID"
	same_status
}

@test "parity: kill with a bad signal, resume of a running, exec in a paused container" {
	bundle signals
	sleeper
	start_both
	both kill "$ID" NOSUCH
	same_class 'signal'
	both resume "$ID"
	same_class 'paused'
	both pause "$ID"
	same_status
	both exec "$ID" true
	same_class 'paused'
	both resume "$ID"
	same_status
	assert_eq "$PEER_STATUS" 0
}

@test "parity: exec exit codes and its missing command" {
	bundle exec
	sleeper
	start_both
	both exec "$ID" sh -c 'exit 5'
	same_status
	both exec "$ID" sh -c 'kill -9 $$'
	same_status
	both exec "$ID" no-such-command
	same_class 'executable file not found in \$PATH'
	both exec --user 1000:1000 --cwd /tmp --env A=b "$ID" sh -c 'id -u; pwd; echo $A; echo $HOME'
	same_status
	assert_eq "$OUR_OUT" "$PEER_OUT"
}

@test "parity: list as table, JSON and quiet" {
	bundle list
	sleeper
	start_both
	both list
	same_status
	assert_eq "$(head -1 <<<"$OUR_OUT" | tr -s ' ')" "$(head -1 <<<"$PEER_OUT" | tr -s ' ')"
	assert_eq "$(awk 'NR == 2 {print $1, $3, $4, $6}' <<<"$OUR_OUT")" "$(awk 'NR == 2 {print $1, $3, $4, $6}' <<<"$PEER_OUT")"
	both list --format json
	same_json '[.[] | {id, status, bundle, owner}]'
	same_json '.[0] | keys - ["annotations"]'
	both list -q
	assert_eq "$OUR_OUT" "$PEER_OUT"
	both list --format nix
	same_class 'format'
}

@test "parity: an empty list" {
	ID=''
	both list
	same_status
	assert_eq "$(tr -s ' ' <<<"$OUR_OUT")" "$(tr -s ' ' <<<"$PEER_OUT")"
	both list --format json
	assert_eq "$OUR_OUT" "$PEER_OUT"
}

@test "parity: ps as table and JSON" {
	bundle ps
	script_is 'exec sleep 1000'
	start_both
	both ps "$ID"
	same_status
	assert_eq "$(head -1 <<<"$OUR_OUT" | tr -s ' ')" "$(head -1 <<<"$PEER_OUT" | tr -s ' ')"
	assert_eq "$(wc -l <<<"$OUR_OUT")" "$(wc -l <<<"$PEER_OUT")"
	both ps --format json "$ID"
	same_json 'length'
	same_json '.[0] | type'
	both ps "$ID" -e -o pid,comm
	same_status
	assert_eq "$(head -1 <<<"$OUR_OUT" | tr -s ' ')" "$(head -1 <<<"$PEER_OUT" | tr -s ' ')"
}

@test "parity: features has at least runc's keys and values" {
	both features
	same_status
	local missing
	missing=$(jq -rn --argjson a "$PEER_OUT" --argjson b "$OUR_OUT" '
		($a.hooks - $b.hooks) + (($a.mountOptions - ["mand", "nomand"]) - $b.mountOptions) + ($a.linux.namespaces - $b.linux.namespaces)
		+ ($a.linux.capabilities - $b.linux.capabilities)
		+ (($a.linux.seccomp.actions // []) - ($b.linux.seccomp.actions // [])) + (($a.linux.seccomp.operators // []) - ($b.linux.seccomp.operators // []))
		+ (($a.linux.cgroup | keys) - ($b.linux.cgroup | keys)) | .[]')
	[ -z "$missing" ] || fail "not in ours: $missing"
}

@test "parity: events --stats has runc's keys" {
	bundle stats
	sleeper
	start_both
	both events --stats "$ID"
	same_status
	same_json '{type, id}'
	local missing
	missing=$(jq -rn --argjson a "$PEER_OUT" --argjson b "$OUR_OUT" '
		[["data"], ["data", "cpu"], ["data", "cpu", "usage"], ["data", "memory"], ["data", "memory", "usage"], ["data", "pids"]][] as $p
		| ($a | getpath($p) | keys) - ($b | getpath($p) | keys) | .[] | ($p | join(".")) + "." + .')
	[ -z "$missing" ] || fail "not in ours: $missing"
}

@test "parity: log lines as JSON" {
	bundle log '.root.path = "no-such-dir"'
	local RT
	for RT in "$CAISSON_PEER" "$CAISSON_RUNTIME"; do
		capture rt --log "$B/log-${RT##*/}" --log-format json create --bundle "$B" "$ID"
		[ "$status" -ne 0 ]
	done
	assert_eq "$(tail -1 "$B/log-${CAISSON_RUNTIME##*/}" | jq -c keys)" "$(tail -1 "$B/log-${CAISSON_PEER##*/}" | jq -c keys)"
	assert_eq "$(tail -1 "$B/log-${CAISSON_RUNTIME##*/}" | jq -r .level)" error
}

@test "parity: missing bundle, missing config, missing root file system" {
	bundle missing
	both create --bundle "$OCI/no-such-bundle" "$ID"
	same_class 'no such file or directory'
	cfg '.root.path = "no-such-dir"'
	both create --bundle "$B" "$ID"
	same_class 'no such file or directory'
	rm "$B/config.json"
	both create --bundle "$B" "$ID"
	same_class 'config.json'
}

@test "parity: bad flags, missing arguments, unknown command" {
	bundle flags
	both create --bundle "$B"
	same_status
	both state
	same_status
	both exec
	same_status
	both --log-format xml list
	same_status
	[ "$OUR_STATUS" -ne 0 ]
}

@test "parity: the pid file holds the number alone, without a newline" {
	bundle pidfile
	sleeper
	start_both
	local ours peer
	ours=$(xxd -p "$B/pid-${CAISSON_RUNTIME##*/}" 2>/dev/null || od -An -c "$B/pid-${CAISSON_RUNTIME##*/}")
	peer=$(tail -c 1 "$B/pid-${CAISSON_PEER##*/}" | od -An -c)
	assert_eq "$(tail -c 1 "$B/pid-${CAISSON_RUNTIME##*/}" | od -An -c | grep -c '[0-9]')" "$(grep -c '[0-9]' <<<"$peer")" "$ours"
}

@test "parity: what a workload sees of environment, limits, mounts and capabilities" {
	bundle sees '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 100, hard: 200}] | .process.env += ["A=b"] | .process.cwd = "/tmp"'
	script_is 'env | sort; pwd; ulimit -n; grep -E "Cap|NoNewPrivs" /proc/self/status; hostname; umask; awk "{print \$2, \$3}" /proc/mounts | grep -E "^/(proc|dev|sys|dev/pts|dev/shm|dev/mqueue) " | sort -u; ls /proc/self/fd; id -G'
	both run --bundle "$B" "$ID"
	same_status
	assert_eq "$OUR_OUT" "$PEER_OUT"
}

@test "parity: cgroup limits of the same config are the same" {
	bundle limits '.linux.resources += {memory: {limit: 67108864, swap: 134217728}, pids: {limit: 40}, cpu: {shares: 512, quota: 20000, period: 100000}}'
	sleeper
	start_both
	local a b row
	a=$(cat "$B/pid-${CAISSON_PEER##*/}") b=$(cat "$B/pid-${CAISSON_RUNTIME##*/}")
	for row in "memory memory.limit_in_bytes memory.max" "pids pids.max pids.max" "cpu cpu.shares cpu.weight" \
		"cpu cpu.cfs_quota_us cpu.max"; do
		# shellcheck disable=SC2086
		assert_eq "$(cg_get "$b" $row)" "$(cg_get "$a" $row)" "$row"
	done
}

@test "parity: hooks run in the same order with at least the same keys of state" {
	bundle hooks
	printf '#!/bin/sh\njq -c "[\\"$1\\", .status, keys]" >>"$2"\n' >"$B/hook"
	chmod 0755 "$B/hook"
	local RT
	for RT in "$CAISSON_PEER" "$CAISSON_RUNTIME"; do
		cfg 'def h(k): [{path: ($b + "/hook"), args: ["hook", k, $l], env: ["PATH=/usr/bin:/bin"]}];
			.hooks = {prestart: h("prestart"), createRuntime: h("createRuntime"), createContainer: h("createContainer"), poststart: h("poststart"), poststop: h("poststop")}' \
			--arg b "$B" --arg l "$B/log-${RT##*/}"
		script_is 'sleep 0.3'
		# createContainer hooks of an isolated container run with the container's ids
		: >"$B/log-${RT##*/}"
		chmod 0666 "$B/log-${RT##*/}"
		rt run --bundle "$B" "$ID" </dev/null
	done
	# poststart: runc 1.1 still says created when the program runs already; the specification's running is fine.
	run -0 jq -n --slurpfile a "$B/log-${CAISSON_PEER##*/}" --slurpfile b "$B/log-${CAISSON_RUNTIME##*/}" '
		($a | length) == ($b | length) and ([$a, $b] | transpose | all(
			.[0][0] == .[1][0] and (.[0][1] == .[1][1] or .[0][0] == "poststart") and (.[0][2] - .[1][2] == [])))'
	assert_eq "$output" true "$(cat "$B"/log-*)"
}
