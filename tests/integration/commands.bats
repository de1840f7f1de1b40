# SPDX-License-Identifier: Apache-2.0
# The command line of an OCI runtime, called directly on a bundle.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/bundle.bash

setup_file() {
	oci_open
}

teardown_file() {
	oci_close
}

teardown() {
	if [ -n "${ID:-}" ]; then
		rt delete --force "$ID" >/dev/null 2>&1 || true
		rm -rf "$B"
	fi
}

# refuses PATTERN ARGS... - the call fails with one line that matches
refuses() {
	local pattern=$1
	shift
	capture rt "$@"
	[ "$status" -ne 0 ] || fail "accepted: $*"
	assert_match "$output" "$pattern"
	assert_lines "$output" 1
}

# create_refuses PATTERN - create of the bundle fails so, and leaves nothing
create_refuses() {
	refuses "$1" create --bundle "$B" "$ID"
	gone "$ID"
}

# kill_soon SIGNAL - once the container runs
kill_soon() {
	eventually 10 has_status "$ID" running && rt kill "$ID" "$1"
}

# ---- spec and features ----

@test "spec writes a config.json that runs, and does not overwrite one" {
	bundle spec
	rm "$B/config.json"
	rt spec --bundle "$B"
	jq -e '.ociVersion and .process.args and .root.path == "rootfs"' "$B/config.json" >/dev/null
	cfg '.process.terminal = false | .process.args = ["echo", "from spec"]'
	run -0 rt run --bundle "$B" "$ID"
	assert_eq "$output" "from spec"
	refuses 'exists' spec --bundle "$B"
}

@test "features is JSON with versions, hooks, mount options, namespaces, capabilities, cgroups and seccomp" {
	run -0 rt features
	jq -e '(.ociVersionMin | startswith("1.0")) and (.ociVersionMax | startswith("1.2"))
		and (.hooks | sort == ["createContainer", "createRuntime", "poststart", "poststop", "prestart", "startContainer"])
		and ([.mountOptions[] | select(. == "rbind" or . == "rro" or . == "idmap" or . == "nosymfollow" or . == "tmpcopyup")] | length == 5)
		and ([.linux.namespaces[] | select(. == "user" or . == "time" or . == "cgroup")] | length == 3)
		and (.linux.capabilities | index("CAP_SYS_ADMIN")) and .linux.cgroup.v1 and .linux.cgroup.v2
		and .linux.seccomp.enabled and (.linux.seccomp.actions | index("SCMP_ACT_NOTIFY"))' <<<"$output"
}

@test "version and help are printed on standard output" {
	run -0 rt --version
	assert_match "${lines[0]}" 'version [0-9]+\.[0-9]+'
	assert_has "$output" 'spec: 1.2'
	run -0 rt --help
	local word
	for word in create start state kill delete exec run ps list pause resume update events features spec; do
		assert_has "$output" "$word"
	done
}

# ---- create, start, state, kill, delete ----

@test "create, start, stop, delete go through the states of the specification" {
	bundle life
	sleeper
	rt create --bundle "$B" --pid-file "$B/pid" "$ID" </dev/null >/dev/null
	assert_eq "$(status_of "$ID")" created
	[ "$(rt state "$ID" | jq .pid)" = "$(cat "$B/pid")" ]
	rt start "$ID"
	assert_eq "$(status_of "$ID")" running
	rt kill "$ID" TERM
	eventually 5 has_status "$ID" stopped
	rt delete "$ID"
	gone "$ID"
}

@test "the workload does not run before start" {
	bundle before
	script_is 'echo ran >/mark'
	rt create --bundle "$B" "$ID" </dev/null
	sleep 0.3
	[ ! -e "$B/rootfs/mark" ]
	rt start "$ID"
	eventually 5 test -e "$B/rootfs/mark"
}

@test "state has the fields that engines read" {
	bundle state '.annotations = {"a.b": "c"}'
	sleeper
	bg
	run -0 rt state "$ID"
	jq -e --arg id "$ID" --arg b "$B" '.id == $id and .status == "running" and .pid > 0 and .bundle == $b
		and .rootfs == ($b + "/rootfs") and (.ociVersion | startswith("1.")) and .annotations["a.b"] == "c"
		and (.created | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T")) and has("owner")' <<<"$output"
}

@test "E1 the id maps of a container are one line and unprivileged" {
	bundle maps
	run -0 sh_run 'cat /proc/self/uid_map; cat /proc/self/gid_map'
	assert_idmap "${lines[0]}"
	assert_eq "${lines[1]}" "${lines[0]}"
}

@test "E7 a mapping to id 0 of the host, a short or a split block is refused or not used" {
	local map
	for map in '[{containerID: 0, hostID: 0, size: 65536}]' '[{containerID: 0, hostID: 0, size: 4294967295}]' \
		'[{containerID: 0, hostID: 200000, size: 1000}]' \
		'[{containerID: 0, hostID: 200000, size: 1000}, {containerID: 1000, hostID: 400000, size: 64536}]'; do
		bundle map ".linux.namespaces += [{type: \"user\"}] | .linux.uidMappings = $map | .linux.gidMappings = $map"
		run sh_run 'cat /proc/self/uid_map'
		if [ "$status" -eq 0 ]; then
			assert_idmap "$output"
		else
			assert_match "$output" '[Mm]apping'
			gone "$ID"
		fi
	done
}

@test "run gives the command's exit code, and 128 plus the signal" {
	bundle exit
	run -7 sh_run 'exit 7'
	gone "$ID"
	# Process 1 can not kill itself, so the signal comes from outside.
	sleeper
	bg_run kill_soon KILL
	run -137 rt run --bundle "$B" "$ID"
	bg_wait
	gone "$ID"
}

@test "run --detach returns at once and run --keep keeps the state" {
	bundle detach
	sleeper
	rt run --detach --pid-file "$B/pid" --bundle "$B" "$ID" </dev/null >/dev/null 2>&1
	has_status "$ID" running
	[ -e "/proc/$(cat "$B/pid")" ]
	rt delete --force "$ID"
	script_is 'true'
	rt run --keep --bundle "$B" "$ID" </dev/null
	assert_eq "$(status_of "$ID")" stopped
	rt delete "$ID"
}

@test "kill takes names, numbers and TERM by default, and refuses others" {
	bundle kill
	script_is 'for s in HUP USR1 USR2 TERM; do trap "echo $s >>/got" $s; done; touch /ready; while :; do sleep 0.05; done'
	bg
	eventually 5 test -e "$B/rootfs/ready"
	rt kill "$ID" SIGHUP
	eventually 5 grep -q HUP "$B/rootfs/got"
	rt kill "$ID" USR1
	eventually 5 grep -q USR1 "$B/rootfs/got"
	rt kill "$ID" 12
	eventually 5 grep -q USR2 "$B/rootfs/got"
	rt kill "$ID"
	eventually 5 grep -q TERM "$B/rootfs/got"
	refuses 'signal' kill "$ID" NOSUCH
	refuses 'signal' kill "$ID" 99
	rt kill --all "$ID" KILL
	eventually 5 has_status "$ID" stopped
	refuses 'not running' kill "$ID" TERM
}

@test "delete refuses a running container, --force ends it, and an unknown id with --force is fine" {
	bundle delete
	sleeper
	bg
	refuses 'not stopped|running' delete "$ID"
	rt delete --force "$ID"
	gone "$ID"
	eventually 5 ended "$PID"
	rt delete --force "$ID"
	refuses 'does not exist' delete "$ID"
}

@test "a created container can be killed and deleted without having been started" {
	bundle created
	rt create --bundle "$B" "$ID" </dev/null
	rt kill "$ID" KILL
	eventually 5 has_status "$ID" stopped
	rt delete "$ID"
	gone "$ID"
}

@test "start of an unknown, a running and a stopped container is refused" {
	bundle start
	refuses 'does not exist' start "$ID"
	sleeper
	bg
	refuses 'running|created' start "$ID"
	rt kill "$ID" KILL
	eventually 5 has_status "$ID" stopped
	refuses 'stopped' start "$ID"
}

@test "a second container with the same id is refused and the first lives on" {
	bundle twice
	sleeper
	bg
	refuses 'exists' create --bundle "$B" "$ID"
	has_status "$ID" running
}

@test "bad ids are refused" {
	bundle ids
	local id
	for id in '' ../x a/b . .. 'a b' $'a\nb' "$(printf 'x%.0s' $(seq 2000))" 'ä'; do
		capture rt create --bundle "$B" "$id"
		[ "$status" -ne 0 ] || fail "id '$id' accepted"
	done
}

@test "create of a command that does not exist says so" {
	bundle nocmd '.process.args = ["no-such-command"]'
	run rt run --bundle "$B" "$ID"
	[ "$status" -ne 0 ]
	assert_has "$output" 'executable file not found in $PATH'
	gone "$ID"
	bundle nocmd2 '.process.args = ["/no/such/command"]'
	run rt run --bundle "$B" "$ID"
	[ "$status" -ne 0 ]
	assert_has "$output" 'no such file or directory'
	bundle nocmd3 '.process.args = ["/etc/passwd"]'
	run rt run --bundle "$B" "$ID"
	[ "$status" -ne 0 ]
	assert_has "$output" 'permission denied'
}

# ---- exec ----

@test "exec gives output and exit code, environment, directory, user, groups" {
	bundle exec
	sleeper
	bg
	run -5 rt exec "$ID" sh -c 'echo out; exit 5'
	assert_eq "$output" out
	run -0 rt exec --env A=b --env C=d --cwd /tmp --user 1000:2000 --additional-gids 3000 --additional-gids 3001 "$ID" sh -c 'echo $A$C; pwd; id -u; id -g; id -G'
	assert_eq "$output" $'bd\n/tmp\n1000\n2000\n2000 3000 3001'
	run -0 rt exec "$ID" cat /proc/self/uid_map
	assert_idmap "$output"
}

@test "exec follows a process file" {
	bundle process
	sleeper
	bg
	jq '.process | .args = ["sh", "-c", "echo $X; pwd; ulimit -n; grep NoNewPrivs /proc/self/status"] | .env += ["X=y"] | .cwd = "/etc"
		| .noNewPrivileges = true | .rlimits = [{type: "RLIMIT_NOFILE", soft: 77, hard: 88}]' "$B/config.json" >"$B/process.json"
	run -0 rt exec --process "$B/process.json" "$ID"
	assert_eq "$output" $'y\n/etc\n77\nNoNewPrivs:\t1'
}

@test "exec --cap adds, --no-new-privs sets" {
	bundle caps '.process.capabilities = {bounding: ["CAP_KILL"], effective: ["CAP_KILL"], permitted: ["CAP_KILL"]}'
	sleeper
	bg
	run -0 rt exec "$ID" grep CapEff /proc/self/status
	assert_has "$output" 0000000000000020
	run -0 rt exec --cap CAP_NET_ADMIN "$ID" grep CapBnd /proc/self/status
	assert_has "$output" 0000000000001020
	run -0 rt exec --no-new-privs "$ID" grep NoNewPrivs /proc/self/status
	assert_match "$output" '1$'
}

@test "exec --detach returns at once and writes the pid" {
	bundle execd
	sleeper
	bg
	rt exec --detach --pid-file "$B/epid" "$ID" sleep 100 </dev/null >/dev/null 2>&1
	local pid
	pid=$(cat "$B/epid")
	assert_eq "$(ns_of "$pid" pid)" "$(ns_of "$PID" pid)"
	assert_eq "$(cat "/proc/$pid/cgroup")" "$(cat "/proc/$PID/cgroup")"
}

@test "exec --preserve-fds hands on descriptors and nothing else is open" {
	bundle execfds
	sleeper
	bg
	echo data >"$B/data"
	run -0 bash -c 'exec 3<"$1"; shift; "$@"' _ "$B/data" "$CAISSON_RUNTIME" --root "$(oci_root_of "$CAISSON_RUNTIME")" exec --preserve-fds 1 "$ID" sh -c 'cat <&3; ls /proc/self/fd | sort -n | tr "\n" " "'
	assert_eq "${lines[0]}" data
	assert_eq "${lines[1]}" '0 1 2 3 4 '
}

@test "exec in an unknown, a stopped and a paused container is refused" {
	bundle execbad
	refuses 'does not exist' exec "$ID" true
	sleeper
	bg
	rt pause "$ID"
	refuses 'paused' exec "$ID" true
	bg_run rt exec --ignore-paused "$ID" touch /mark
	sleep 0.3
	[ ! -e "$B/rootfs/mark" ]
	rt resume "$ID"
	bg_wait
	[ -e "$B/rootfs/mark" ]
	rt kill "$ID" KILL
	eventually 5 has_status "$ID" stopped
	refuses 'stopped' exec "$ID" true
}

@test "exec of a command that does not exist says so" {
	bundle execno
	sleeper
	bg
	run rt exec "$ID" no-such-command
	[ "$status" -ne 0 ]
	assert_has "$output" 'executable file not found in $PATH'
}

# ---- terminals, descriptors, sockets ----

@test "create --console-socket sends the terminal" {
	bundle tty '.process.terminal = true | .process.consoleSize = {height: 33, width: 99}'
	script_is 'tty; stty size; read x; echo "got $x"'
	"$PYTHON" "$CAISSON_SRC/tests/lib/recv.py" console "$B/sock" word >"$B/tty" 3>&- &
	local receiver=$!
	eventually 5 test -S "$B/sock"
	rt create --bundle "$B" --console-socket "$B/sock" "$ID" </dev/null
	rt start "$ID"
	wait "$receiver" || true
	assert_match "$(cat "$B/tty")" '/dev/(pts/0|console)'
	assert_has "$(cat "$B/tty")" '33 99'
	assert_has "$(cat "$B/tty")" 'got word'
}

@test "a terminal without a console socket, or a socket without a terminal, is refused" {
	bundle notty '.process.terminal = true'
	create_refuses 'console socket|console-socket'
	bundle nosock
	refuses 'terminal|console' create --bundle "$B" --console-socket "$B/none" "$ID"
	gone "$ID"
}

@test "run with a terminal works in the foreground" {
	bundle fg '.process.terminal = true'
	script_is 'tty; test -t 0 && echo interactive'
	run -0 in_tty "$CAISSON_RUNTIME" --root "$(oci_root_of "$CAISSON_RUNTIME")" run --bundle "$B" "$ID"
	assert_has "$output" interactive
}

@test "exec --tty with a console socket" {
	bundle exectty
	sleeper
	bg
	bg_run "$PYTHON" "$CAISSON_SRC/tests/lib/recv.py" console "$B/sock" word >"$B/tty"
	eventually 5 test -S "$B/sock"
	rt exec --tty --console-socket "$B/sock" --detach "$ID" sh -c 'tty; read x; echo "got $x"' </dev/null
	bg_wait
	assert_has "$(cat "$B/tty")" /dev/pts/
	assert_has "$(cat "$B/tty")" 'got word'
}

@test "only the standard descriptors reach the workload, whatever the caller has open" {
	bundle fds
	script_is 'ls /proc/self/fd | sort -n | tr "\n" " "'
	run -0 bash -c 'exec 7</etc/passwd 8</ 20</dev/null; "$@"' _ "$CAISSON_RUNTIME" --root "$(oci_root_of "$CAISSON_RUNTIME")" run --bundle "$B" "$ID"
	assert_eq "$output" '0 1 2 3 '
}

@test "--preserve-fds and LISTEN_FDS hand on descriptors" {
	bundle pfds
	echo data >"$B/data"
	script_is 'cat <&3'
	run -0 bash -c 'exec 3<"$1"; shift; "$@"' _ "$B/data" "$CAISSON_RUNTIME" --root "$(oci_root_of "$CAISSON_RUNTIME")" run --preserve-fds 1 --bundle "$B" "$ID"
	assert_eq "$output" data
	script_is 'echo $LISTEN_FDS $LISTEN_PID; cat <&3'
	run -0 bash -c 'exec 3<"$1"; shift; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"' _ "$B/data" "$CAISSON_RUNTIME" --root "$(oci_root_of "$CAISSON_RUNTIME")" run --bundle "$B" "$ID"
	assert_eq "$output" $'1 1\ndata'
}

@test "sd_notify of the workload reaches the caller's socket" {
	bundle notify
	script_is 'echo "$NOTIFY_SOCKET" >/where; sleep 3'
	"$PYTHON" "$CAISSON_SRC/tests/lib/recv.py" notify "$B/notify" >"$B/got" 3>&- &
	local receiver=$!
	eventually 5 test -S "$B/notify"
	NOTIFY_SOCKET=$B/notify rt run --detach --pid-file "$B/pid" --bundle "$B" "$ID" </dev/null >"$B/out" 2>&1 3>&- &
	eventually 5 test -s "$B/rootfs/where"
	# The datagram is sent through the container's root, to the path that the workload was given.
	"$PYTHON" "$CAISSON_SRC/tests/lib/recv.py" tell "/proc/$(cat "$B/pid" 2>/dev/null || rt state "$ID" | jq .pid)/root$(cat "$B/rootfs/where")" READY=1
	eventually 5 test -s "$B/got"
	kill "$receiver" 2>/dev/null || true
	assert_eq "$(head -1 "$B/got")" READY=1
}

# ---- list, ps, pause, update, events ----

@test "list as table, as JSON and quiet" {
	bundle list
	sleeper
	bg
	run -0 rt list
	assert_match "${lines[0]}" '^ID +PID +STATUS +BUNDLE +CREATED +OWNER'
	assert_has "$output" "$ID"
	run -0 rt list --format json
	jq -e --arg id "$ID" '.[] | select(.id == $id) | .status == "running" and .pid > 0 and .bundle and .created' <<<"$output"
	run -0 rt list --quiet
	assert_has "$output" "$ID"
	rt delete --force "$ID"
	run -0 rt list -q
	assert_eq "$output" ""
}

@test "ps as JSON and as table" {
	bundle ps
	script_is 'sleep 1000 & exec sleep 1001'
	bg
	eventually 5 sh -c '[ "$("$@" | jq length)" = 2 ]' _ "$CAISSON_RUNTIME" --root "$(oci_root_of "$CAISSON_RUNTIME")" ps --format json "$ID"
	run -0 rt ps --format json "$ID"
	jq -e --argjson p "$PID" 'index($p) != null' <<<"$output"
	run -0 rt ps "$ID"
	assert_has "${lines[0]}" PID
	assert_has "$output" 'sleep 1001'
	run -0 rt ps "$ID" -e -o pid,args
	assert_has "$output" 'sleep 1000'
}

@test "pause freezes, resume thaws, and both say what they refuse" {
	bundle pause
	script_is 'while :; do echo x >>/n; sleep 0.02; done'
	bg
	eventually 5 test -s "$B/rootfs/n"
	rt pause "$ID"
	assert_eq "$(status_of "$ID")" paused
	local a
	a=$(stat -c %s "$B/rootfs/n")
	sleep 0.3
	assert_eq "$(stat -c %s "$B/rootfs/n")" "$a"
	rt resume "$ID"
	assert_eq "$(status_of "$ID")" running
	refuses 'not paused|paused' resume "$ID"
	rt pause "$ID"
	rt delete --force "$ID"
	gone "$ID"
}

@test "update changes limits by flags and by a resources file" {
	bundle update '.linux.resources.memory = {limit: 67108864} | .linux.resources.pids = {limit: 50}'
	sleeper
	bg
	assert_eq "$(cg_get "$PID" memory memory.limit_in_bytes memory.max)" 67108864
	assert_eq "$(cg_get "$PID" pids pids.max pids.max)" 50
	rt update --memory 100663296 --pids-limit 60 --cpu-quota 50000 --cpu-period 100000 "$ID"
	assert_eq "$(cg_get "$PID" memory memory.limit_in_bytes memory.max)" 100663296
	assert_eq "$(cg_get "$PID" pids pids.max pids.max)" 60
	cgroup_v2 || assert_eq "$(cg_get "$PID" cpu cpu.cfs_quota_us cpu.max)" 50000
	echo '{"memory": {"limit": 83886080}, "pids": {"limit": 70}}' | rt update --resources - "$ID"
	assert_eq "$(cg_get "$PID" memory memory.limit_in_bytes memory.max)" 83886080
	assert_eq "$(cg_get "$PID" pids pids.max pids.max)" 70
	refuses 'does not exist' update --memory 1 no-such-id
}

@test "events --stats is one JSON object with figures" {
	bundle stats
	sleeper
	bg
	run -0 rt events --stats "$ID"
	jq -e --arg id "$ID" '.type == "stats" and .id == $id and .data.pids.current >= 1 and .data.memory.usage.usage > 0
		and .data.cpu.usage.total > 0' <<<"$output"
}

@test "events tells of an out-of-memory kill" {
	bundle oom '.linux.resources.memory = {limit: 16777216, swap: 16777216}'
	script_is 'sleep 1; x=a; while :; do x=$x$x; done'
	bg
	run timeout 20 "$CAISSON_RUNTIME" --root "$(oci_root_of "$CAISSON_RUNTIME")" events --interval 100ms "$ID"
	assert_has "$output" '"type":"stats"'
	assert_has "$output" '"type":"oom"'
}

# ---- logs and bad calls ----

@test "--log with --log-format json has level, message and time" {
	bundle log '.root.path = "no-such-dir"'
	capture rt --log "$B/log" --log-format json create --bundle "$B" "$ID"
	[ "$status" -ne 0 ]
	tail -1 "$B/log" | jq -e '.level == "error" and (.msg | contains("no-such-dir")) and (.time | test("^[0-9]{4}-"))'
}

@test "--log with the text format, and --debug says more" {
	bundle logtext '.root.path = "no-such-dir"'
	capture rt --log "$B/log" create --bundle "$B" "$ID"
	assert_has "$(cat "$B/log")" 'level=error'
	assert_has "$(cat "$B/log")" 'msg='
	bundle logdebug
	rt --debug --log "$B/log" --log-format json run --bundle "$B" "$ID" </dev/null
	grep -q '"level":"debug"' "$B/log"
}

@test "bad flags, commands and arguments are refused with one line" {
	bundle flags
	refuses 'no-such-flag' --no-such-flag list
	refuses 'no-such-command' no-such-command
	refuses 'no-such-flag' create --no-such-flag "$ID"
	refuses 'log-format|format' --log-format xml list
	refuses 'format' list --format xml
	capture rt create --bundle "$B"
	[ "$status" -ne 0 ]
	run rt state a b
	[ "$status" -ne 0 ]
	run rt exec
	[ "$status" -ne 0 ]
	refuses 'preserve-fds' create --bundle "$B" --preserve-fds x "$ID"
	refuses 'does not exist' state no-such-id
	gone "$ID"
}

@test "checkpoint and restore are refused with a clear line" {
	bundle criu
	refuses '[Cc]heckpoint' checkpoint "$ID"
	refuses '[Rr]estore' restore --bundle "$B" "$ID"
}

@test "malformed config.json: each is refused with one line and leaves nothing" {
	bundle bad
	local text
	for text in '' '{' '[]' '"x"' '{"ociVersion": 3}' '{"ociVersion":"1.0.2","ociVersion":"1.0.2"}' '{"ociVersion": "9.0.0"}'; do
		printf '%s' "$text" >"$B/config.json"
		create_refuses 'config.json'
	done
	rm "$B/config.json"
	create_refuses 'config.json'
	mkdir "$B/config.json"
	create_refuses 'config.json'
}

@test "wrong types and values in config.json are refused by name" {
	local row
	while IFS='|' read -r filter name; do
		bundle wrong "$filter"
		capture rt create --bundle "$B" "$ID"
		[ "$status" -ne 0 ] || fail "accepted: $filter"
		assert_match "$output" "$name" "$filter"
		assert_lines "$output" 1
		gone "$ID"
	done <<-'ROWS'
		.process.args = "sh"|args
		.process.args = []|args
		del(.process.cwd)|cwd
		.process.cwd = "relative"|cwd
		.process.user.uid = -1|uid
		.process.user.uid = 4294967296|uid
		.process.user.uid = "root"|uid
		.process.user.uid = 70000|uid|65536
		.process.rlimits = [{type: "RLIMIT_NO_SUCH", soft: 1, hard: 1}]|RLIMIT_NO_SUCH
		.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 2, hard: 1}]|rlimits|RLIMIT_NOFILE
		.process.env = [3]|env
		.process.oomScoreAdj = 5000|oomScoreAdj
		.root = null|root
		.root.path = ""|root
		.root.path = "no-such-dir"|no-such-dir
		.mounts += [{destination: "/x", type: "no-such-fs", source: "x"}]|no-such-fs
		.mounts += [{destination: "/x", type: "tmpfs", source: "x", options: ["no-such-option"]}]|no-such-option
		.linux.namespaces += [{type: "no-such-ns"}]|no-such-ns
		.linux.namespaces += [{type: "pid"}]|pid
		.linux.seccomp = {defaultAction: "SCMP_ACT_NO_SUCH"}|SCMP_ACT_NO_SUCH
		.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_NO_SUCH"]}|SCMP_ARCH_NO_SUCH
		.linux.resources.memory = {limit: "1m"}|limit
		.linux.sysctl = {"kernel.panic": "1"}|kernel.panic
		.linux.sysctl = {"vm.overcommit_memory": "1"}|vm.overcommit_memory
		.linux.rootfsPropagation = "no-such"|no-such
		.linux.devices = [{path: "/dev/x", type: "z"}]|type
		.linux.intelRdt = {closID: "x"}|[Rr]dt
		.hooks = {prestart: [{path: "relative"}]}|path
		.hostname = 3|hostname
	ROWS
}

@test "an unknown capability is left out and named, as runc does" {
	bundle unknowncap '.process.capabilities.bounding += ["CAP_NO_SUCH"]'
	script_is 'echo ok'
	capture rt run --bundle "$B" "$ID"
	assert_has "$output" CAP_NO_SUCH
	[ "$status" -ne 0 ] || assert_has "$output" ok
}

@test "a namespace of the host given by path is refused with M1 or M2" {
	bundle nspath '(.linux.namespaces[] | select(.type == "pid")).path = "/proc/'$$'/ns/pid"'
	create_refuses "can't share namespaces \[pid\] with the host"
	bundle nspath2 '(.linux.namespaces[] | select(.type == "network")).path = "/proc/'$$'/ns/net"'
	create_refuses "can't share (a network namespace|namespaces \[network\]) with the host"
	bundle nsmiss '.linux.namespaces |= map(select(.type != "network"))'
	create_refuses "can't share a network namespace with the host"
	bundle nsmiss2 '.linux.namespaces |= map(select(.type != "pid" and .type != "ipc"))'
	create_refuses "can't share namespaces \[(pid ipc|ipc pid)\] with the host"
	bundle nslink
	ln -s /proc/$$/ns/uts "$B/link"
	cfg '(.linux.namespaces[] | select(.type == "uts")).path = $p' --arg p "$B/link"
	create_refuses "can't share namespaces \[uts\] with the host"
}

@test "a missing bundle, and a state directory that can not be made, are refused by name" {
	bundle where
	refuses 'no-such-bundle' create --bundle "$OCI/no-such-bundle" "$ID"
	capture "$CAISSON_RUNTIME" --root /proc/no-such-dir create --bundle "$B" "$ID"
	[ "$status" -ne 0 ]
	assert_has "$output" /proc/no-such-dir
}

@test "a corrupt state is reported by name, and delete --force removes it" {
	bundle corrupt
	sleeper
	bg
	local file
	for file in $(find "$(oci_root_of "$CAISSON_RUNTIME")" -path "*$ID*" -type f -name '*.json'); do
		echo '{"broken' >"$file"
	done
	run rt state "$ID"
	[ "$status" -ne 0 ]
	assert_match "$output" "$ID"
	rt delete --force "$ID" || true
	kill -9 "$PID" 2>/dev/null || true
	run rt list
	[ "$status" -eq 0 ]
}

@test "a full disk for states fails cleanly" {
	bundle full
	mkdir -p "$OCI/small"
	mount -t tmpfs -o size=4k,nr_inodes=20 tmpfs "$OCI/small"
	dd if=/dev/zero of="$OCI/small/fill" bs=4k count=1 2>/dev/null || true
	capture "$CAISSON_RUNTIME" --root "$OCI/small" create --bundle "$B" "$ID"
	local code=$status out=$output
	umount "$OCI/small"
	[ "$code" -ne 0 ]
	assert_match "$out" '[Nn]o space'
	gone "$ID"
}

# ---- process posture ----

@test "rlimits, oom score, umask, hostname, domain name and sysctls" {
	bundle posture '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 50, hard: 60}, {type: "RLIMIT_CORE", soft: 0, hard: 0}]
		| .process.oomScoreAdj = 300 | .process.user.umask = 63 | .hostname = "h1" | .domainname = "d1"
		| .linux.sysctl = {"net.ipv4.ip_default_ttl": "77", "kernel.msgmax": "4096"}'
	run -0 sh_run 'ulimit -Sn; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj; umask; hostname; cat /proc/sys/kernel/domainname /proc/sys/net/ipv4/ip_default_ttl /proc/sys/kernel/msgmax'
	assert_eq "$output" $'50\n60\n0\n300\n0077\nh1\nd1\n77\n4096'
}

@test "user, groups, capabilities and ambient capabilities" {
	bundle user '.process.user = {uid: 1000, gid: 2000, additionalGids: [3000, 0]}
		| .process.capabilities = {bounding: ["CAP_KILL", "CAP_CHOWN"], effective: ["CAP_KILL"], permitted: ["CAP_KILL"], inheritable: ["CAP_KILL"], ambient: ["CAP_KILL"]}'
	run -0 sh_run 'id -u; id -g; id -G; grep -E "Cap(Inh|Prm|Eff|Bnd|Amb)" /proc/self/status | cut -f2 | tr "\n" " "'
	assert_eq "${lines[0]} ${lines[1]}" "1000 2000"
	assert_match " ${lines[2]} " ' 3000 '
	assert_eq "${lines[3]}" "0000000000000020 0000000000000020 0000000000000020 0000000000000021 0000000000000020 "
}

@test "no_new_privs, scheduler, io priority and personality" {
	bundle sched '.process.noNewPrivileges = true | .process.scheduler = {policy: "SCHED_BATCH", nice: 5}
		| .process.ioPriority = {class: "IOPRIO_CLASS_IDLE", priority: 0} | .linux.personality = {domain: "LINUX32"}'
	run -0 sh_run 'grep NoNewPrivs /proc/self/status | cut -f2; awk "{print \$41, \$19}" /proc/self/stat; ionice -p $$; uname -m'
	assert_eq "${lines[0]}" 1
	assert_eq "${lines[1]}" "3 5"
	assert_has "${lines[2]}" idle
	assert_match "${lines[3]}" 'i[3-6]86'
}

@test "seccomp: errno, kill, conditions and flags" {
	bundle seccomp '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], syscalls: [
		{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 28},
		{names: ["kill"], action: "SCMP_ACT_ERRNO", args: [{index: 1, value: 10, op: "SCMP_CMP_EQ"}]},
		{names: ["sync"], action: "SCMP_ACT_KILL_PROCESS"}]}'
	run -0 sh_run 'mkdir /x 2>&1; kill -10 $$ 2>&1; kill -0 $$ && echo zero; (sync); echo "sync $?"; grep Seccomp: /proc/self/status'
	assert_has "$output" 'No space left'
	assert_has "$output" 'not permitted'
	assert_has "$output" zero
	assert_has "$output" 'sync 159'
	assert_match "$output" 'Seccomp:.2'
}

@test "seccomp: the listener goes to listenerPath with the container's state" {
	bundle listener
	cfg '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: $p, listenerMetadata: "meta",
		syscalls: [{names: ["swapoff"], action: "SCMP_ACT_NOTIFY"}]}' --arg p "$B/sock"
	bg_run "$PYTHON" "$CAISSON_SRC/tests/lib/recv.py" seccomp "$B/sock" >"$B/got"
	eventually 5 test -S "$B/sock"
	sh_run 'true'
	bg_wait
	assert_has "$(cat "$B/got")" '"metadata":"meta"'
	assert_has "$(cat "$B/got")" "$ID"
	assert_match "$(cat "$B/got")" 'fds [1-9]'
}

@test "masked and read-only paths, read-only root" {
	bundle masks '.root.readonly = true | .linux.maskedPaths += ["/proc/version", "/etc/group", "/no-such-path"] | .linux.readonlyPaths += ["/tmp"]'
	run -0 sh_run 'cat /proc/version | wc -c; wc -c </etc/group; touch /x 2>&1; touch /tmp/x 2>&1; touch /proc/sys/kernel/x 2>&1; touch /dev/shm/x && echo shm; true'
	assert_eq "${lines[0]} ${lines[1]}" "0 0"
	assert_has "$output" '/x: Read-only'
	assert_has "$output" '/tmp/x: Read-only'
	assert_has "$output" shm
}

@test "devices: the safe set works, one that policy lists can be had, others not" {
	bundle devices
	run -0 sh_run 'for d in null zero full random urandom tty; do [ -c /dev/$d ] || echo missing $d; done; readlink /dev/fd /dev/stdin /dev/ptmx; stat -c %u:%g /dev/null; ls /dev | tr "\n" " "'
	refute_has "$output" missing
	assert_has "$output" 0:0
	refute_match "$output" ' (vda|sda|mem|kmsg|kvm) '
	bundle device2 '.linux.devices = [{path: "/dev/kmsg", type: "c", major: 1, minor: 11}]'
	create_refuses '/dev/kmsg'
}

# ---- mounts ----

@test "tmpfs options, tmpcopyup, nosuid and friends are in force" {
	bundle tmpfs '.mounts += [
		{destination: "/t1", type: "tmpfs", source: "t", options: ["size=64k", "mode=1770", "noexec", "nosuid", "nodev"]},
		{destination: "/etc", type: "tmpfs", source: "t", options: ["tmpcopyup"]},
		{destination: "/t2", type: "tmpfs", source: "t", options: ["ro"]}]'
	run -0 sh_run 'stat -c %a /t1; grep " /t1 " /proc/mounts; cat /etc/passwd | head -1; echo x >/etc/new; touch /t2/x 2>&1; true'
	assert_eq "${lines[0]}" 1770
	assert_match "${lines[1]}" 'nosuid,nodev,noexec.*size=64k'
	assert_has "${lines[2]}" root:
	assert_has "${lines[3]}" 'Read-only'
	[ ! -e "$B/rootfs/etc/new" ]
}

@test "binds: rw, ro, rro, nosymfollow, propagation, of a file and of a directory" {
	local dir
	dir=$(share_dir bind 1000)
	mkdir -p "$dir/sub"
	echo file >"$dir/f"
	ln -sf f "$dir/l"
	chown -hR 1000:1000 "$dir"
	bundle bind
	cfg '.mounts += [
		{destination: "/rw", type: "bind", source: $d, options: ["rbind", "rw"]},
		{destination: "/ro", type: "none", source: $d, options: ["bind", "ro"]},
		{destination: "/rro", type: "bind", source: $d, options: ["rbind", "rro"]},
		{destination: "/nf", type: "bind", source: $d, options: ["bind", "nosymfollow"]},
		{destination: "/file", type: "bind", source: ($d + "/f"), options: ["bind", "ro"]}]' --arg d "$dir"
	run -0 sh_run 'echo x >/rw/new && echo wrote; touch /ro/x 2>&1; touch /rro/x 2>&1; cat /nf/l 2>&1; cat /file; stat -c %u /rw/new; true'
	assert_eq "${lines[0]}" wrote
	assert_has "${lines[1]}" Read-only
	assert_has "${lines[2]}" Read-only
	assert_match "${lines[3]}" 'symbolic|loop|levels'
	assert_eq "${lines[4]}" file
	assert_eq "${lines[5]}" 0
	assert_eq "$(stat -c %u "$dir/new")" 1000
}

@test "M3 a bind outside the share is refused by name" {
	bundle m3 '.mounts += [{destination: "/x", type: "bind", source: "/etc", options: ["rbind", "ro"]}]'
	create_refuses "can't mount /etc because it's configured as a restricted host mount"
}

@test "proc, sysfs, mqueue, devpts, shm and cgroup mounts are there" {
	bundle std
	run -0 sh_run 'awk "{print \$3, \$2}" /proc/mounts; ls -d /dev/mqueue /sys/class/net/lo /sys/fs/cgroup/*'
	assert_has "$output" 'proc /proc'
	assert_has "$output" 'sysfs /sys'
	assert_has "$output" 'mqueue /dev/mqueue'
	assert_has "$output" 'devpts /dev/pts'
	assert_has "$output" 'tmpfs /dev/shm'
	assert_match "$output" '(cgroup2?|tmpfs) /sys/fs/cgroup'
}

@test "mount destinations that are links stay inside the root file system" {
	bundle links '.mounts += [{destination: "/esc/a", type: "tmpfs", source: "t"}, {destination: "/esc2", type: "tmpfs", source: "t"}]'
	ln -s /etc "$B/rootfs/esc"
	ln -s ../../../../../../tmp/caisson-esc "$B/rootfs/esc2"
	run -0 sh_run "awk '\$1 == \"t\" {print \$2}' /proc/mounts"
	assert_eq "$output" $'/etc/a\n/tmp/caisson-esc'
	[ ! -e /etc/a ]
	[ ! -e /tmp/caisson-esc ]
}

@test "a link at /proc of the root file system is refused" {
	bundle prolink
	rmdir "$B/rootfs/proc"
	ln -s /etc "$B/rootfs/proc"
	create_refuses 'must be mounted on an ordinary directory, /proc is none'
}

@test "root file systems that are not overlay: tmpfs, and files keep the ids of the disk" {
	bundle ids
	chown 33:44 "$B/rootfs/etc/group"
	run -0 sh_run 'stat -c %u:%g / /etc/group /home/user; touch /new; chown 5:6 /new'
	assert_eq "$output" $'0:0\n33:44\n1000:1000'
	assert_eq "$(stat -c %u:%g "$B/rootfs/new")" 5:6
	mkdir -p "$OCI/tmpfs"
	mount -t tmpfs tmpfs "$OCI/tmpfs"
	cp -a "$B/rootfs" "$OCI/tmpfs/"
	cfg '.root.path = $p' --arg p "$OCI/tmpfs/rootfs"
	run sh_run 'stat -c %u:%g / /etc/group'
	umount -l "$OCI/tmpfs"
	if [ "$(printf '6.3\n%s\n' "$(uname -r)" | sort -V | head -n 1)" = 6.3 ]; then
		assert_eq "$status" 0 "$output"
		assert_eq "$output" $'0:0\n33:44'
	else
		assert_eq "$status" 1 "$output"
		assert_has "$output" "lies on a file system that cannot be id-mapped by this kernel; move it to one that can"
	fi
}

@test "--no-pivot and --no-new-keyring are accepted" {
	bundle flags2
	script_is 'echo ok'
	run -0 rt run --no-pivot --no-new-keyring --bundle "$B" "$ID"
	assert_eq "$output" ok
}

# ---- hooks ----

@test "all six kinds of hooks run, in order, with the state on standard input" {
	bundle hooks
	cat >"$B/hook" <<-'SH'
		#!/bin/sh
		# busybox sh inside, the host's outside; the log is shared by way of the root file system
		state=$(cat)
		status=${state#*\"status\"}
		status=${status#*\"}
		echo "$1 ${status%%\"*}" >>"$2"
		case $state in *'"id"'*'"pid"'* | *'"pid"'*'"id"'*) ;; *) exit 9 ;; esac
	SH
	chmod 0755 "$B/hook"
	cp "$B/hook" "$B/rootfs/hook"
	: >"$B/rootfs/log"
	cfg 'def h(k; f; l): [{path: f, args: ["hook", k, l], timeout: 10}];
		.hooks = {prestart: h("prestart"; $b + "/hook"; $b + "/rootfs/log"), createRuntime: h("createRuntime"; $b + "/hook"; $b + "/rootfs/log"),
		createContainer: h("createContainer"; $b + "/hook"; $b + "/rootfs/log"), startContainer: h("startContainer"; "/hook"; "/log"),
		poststart: h("poststart"; $b + "/hook"; $b + "/rootfs/log"), poststop: h("poststop"; $b + "/hook"; $b + "/rootfs/log")}' --arg b "$B"
	# The workload runs beside the poststart hooks: it waits for them, or the order would be that of two processes.
	script_is 'until grep -q poststart /log; do sleep 0.1; done; echo workload >>/log'
	rt create --bundle "$B" "$ID" </dev/null
	rt start "$ID"
	eventually 5 has_status "$ID" stopped
	rt delete "$ID"
	run -0 cut -d' ' -f1 "$B/rootfs/log"
	assert_eq "$output" $'prestart\ncreateRuntime\ncreateContainer\nstartContainer\npoststart\nworkload\npoststop'
	run -0 cat "$B/rootfs/log"
	assert_has "$output" 'startContainer created'
	assert_has "$output" 'poststart running'
	assert_has "$output" 'poststop stopped'
}

@test "a hook that fails or takes too long ends the creation and leaves nothing" {
	bundle hookfail '.hooks = {createRuntime: [{path: "/bin/false"}]}'
	create_refuses 'hook'
	bundle hooktime '.hooks = {prestart: [{path: "/bin/sleep", args: ["sleep", "30"], timeout: 1}]}'
	local t=$SECONDS
	create_refuses 'hook'
	[ $((SECONDS - t)) -lt 10 ]
	bundle hookmiss '.hooks = {createRuntime: [{path: "/no/such/hook"}]}'
	create_refuses '/no/such/hook'
}

# ---- robustness ----

@test "create killed at any moment leaves nothing once delete --force has run" {
	local i
	bundle killed
	sleeper
	for i in $(seq 25); do
		rt create --bundle "$B" "$ID" </dev/null >/dev/null 2>&1 3>&- &
		local pid=$!
		sleep "0.00$((RANDOM % 10))"
		pkill -KILL -P "$pid" 2>/dev/null || true
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
		rt delete --force "$ID" >/dev/null 2>&1 || true
	done
	sleep 0.3
	rt delete --force "$ID" || true
	gone "$ID"
	local left
	left=$(pids_marked "$OCI/b/$ID" | tr '\n' ' ')
	# shellcheck disable=SC2086
	[ -z "$left" ] || fail "processes left: $(ps -o pid,stat,wchan:20,args $left)"
	# The range is free: a new container gets the lowest one again.
	run -0 sh_run 'awk "{print \$2}" /proc/self/uid_map'
	[ "$output" -ge 100000 ]
}

@test "one hundred creates at the same time get one hundred ranges" {
	bundle many
	sleeper
	local i
	for i in $(seq 100); do
		cfg_id="$ID-$i"
		mkdir -p "$OCI/b/$cfg_id"
		jq --arg r "$B/rootfs" --arg c "/$OCI_CGROUP/$cfg_id" '.root = {path: $r, readonly: true} | .linux.cgroupsPath = $c' "$B/config.json" >"$OCI/b/$cfg_id/config.json"
		bg_run rt create --bundle "$OCI/b/$cfg_id" --pid-file "$OCI/b/$cfg_id/pid" "$cfg_id" </dev/null >/dev/null 2>"$OCI/b/$cfg_id/err"
	done
	bg_wait
	local bases
	bases=$(for i in $(seq 100); do map_base "$(cat "$OCI/b/$ID-$i/pid")"; done | sort -u | wc -l)
	for i in $(seq 100); do
		rt delete --force "$ID-$i"
		rm -rf "$OCI/b/$ID-$i"
	done
	assert_eq "$bases" 100
	run -0 rt list -q
	assert_eq "$output" ""
}

@test "E8 an exhausted pool of id ranges is a clear refusal" {
	jq '.caisson = {idPool: {first: 1000000000, count: 1}}' "$SETTINGS" >"${SETTINGS%/*}/pool.json"
	chmod 0644 "${SETTINGS%/*}/pool.json"
	bundle pool
	sleeper
	SETTINGS=${SETTINGS%/*}/pool.json
	bg
	local first=$ID firstb=$B
	bundle pool2
	capture rt create --bundle "$B" "$ID"
	local code=$status out=$output
	rt delete --force "$first"
	rm -rf "$firstb"
	[ "$code" -ne 0 ]
	assert_match "$out" 'range|pool|exhausted'
	assert_lines "$out" 1
}

@test "settings that can not be read refuse every bind, by name of the file" {
	local dir
	dir=$(share_dir nosettings 1000)
	echo '{' >"${SETTINGS%/*}/broken.json"
	chmod 0644 "${SETTINGS%/*}/broken.json"
	SETTINGS=${SETTINGS%/*}/broken.json
	bundle settings
	cfg '.mounts += [{destination: "/x", type: "bind", source: $d, options: ["rbind"]}]' --arg d "$dir"
	capture rt create --bundle "$B" "$ID"
	[ "$status" -ne 0 ]
	assert_has "$output" broken.json
	gone "$ID"
}

@test "E25 no list of capabilities means none; exec --process takes what it leaves open from the container" {
	bundle bare 'del(.process.capabilities) | .process.noNewPrivileges = false'
	script_is 'grep -h "^Cap" /proc/self/status; mount -t tmpfs t /tmp'
	capture rt run --bundle "$B" "$ID"
	assert_eq "$(grep -c 0000000000000000 <<<"$output")" 5 "$output"
	assert_has "$output" "ermission denied"
	bundle some '.process.capabilities |= map_values(["CAP_CHOWN"]) | .process.noNewPrivileges = false'
	sleeper
	bg
	printf '{"cwd":"/","user":{"uid":0,"gid":0},"env":["PATH=/bin"],"args":["grep","-h","^CapEff","/proc/self/status"]}' >"$B/process.json"
	run -0 rt exec --process "$B/process.json" "$ID"
	assert_match "$output" '0000000000000001$'
	rt delete --force "$ID"
}

@test "of two variables of one name the last counts" {
	bundle vars '.process.env = ["PATH=/bin", "FOO=1", "BAR=x", "FOO=2"]'
	script_is 'exec env'
	capture rt run --bundle "$B" "$ID"
	assert_eq "$(grep -E '^(FOO|BAR)=' <<<"$output")" $'BAR=x\nFOO=2'
	bundle more '.process.env = ["PATH=/bin", "FOO=bar"]'
	sleeper
	bg
	run -0 rt exec --env FOO=baz "$ID" env
	assert_eq "$(grep FOO <<<"$output")" FOO=baz
	rt delete --force "$ID"
}

@test "a listed device has the access that linux.resources.devices gives it" {
	local saved=$SETTINGS
	jq '.caisson.allowedDevices = ["/dev/fuse"]' "$saved" >"$OCI/dev.json"
	chmod 0644 "$OCI/dev.json"
	SETTINGS=$OCI/dev.json
	bundle access '.linux.devices = [{"path":"/dev/fuse","type":"c","major":10,"minor":229,"fileMode":438}] |
		.linux.resources.devices = [{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":10,"minor":229,"access":"r"}]'
	script_is ': </dev/fuse && echo read; : >/dev/fuse && echo written'
	capture rt run --bundle "$B" "$ID"
	assert_match "${lines[0]}" '^read$'
	refute_has "$output" written
	cfg '.linux.resources.devices[1].access = "rw"'
	capture rt run --bundle "$B" "$ID"
	assert_has "$output" written
	SETTINGS=$saved
	rm "$OCI/dev.json"
}
