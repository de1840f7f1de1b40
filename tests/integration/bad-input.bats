# SPDX-License-Identifier: Apache-2.0
# Malformed and hostile input, full disks, missing system calls, and death at any moment: each failure is one line that
# names the thing, and leaves nothing.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/bundle.bash

HELPERS=(no-syscall kill-after)

setup_file() {
	oci_open
	local name
	for name in "${HELPERS[@]}"; do
		cc -std=gnu17 -D_GNU_SOURCE -O2 -static -o "$OCI/$name" "$CAISSON_SRC/tests/helpers/$name.c"
	done
}

teardown_file() {
	oci_close
}

teardown() {
	local m
	if [ -n "${ID:-}" ]; then
		rt delete --force "$ID" >/dev/null 2>&1 || true
		for m in $(findmnt -rn -o TARGET | grep -F "$B/" | sort -r); do
			umount -l "$m"
		done
		chmod -R u+w "$B" 2>/dev/null || true
		rm -rf "$B"
	fi
}

# ---- helpers ----

state_root() {
	oci_root_of "$CAISSON_RUNTIME"
}

# remains ID - what there is still of a container: state, id range, control groups, processes, mounts. Nothing: no output.
remains() {
	local root pid
	root=$(state_root)
	[ ! -e "$root/$1" ] || printf 'state directory: %s\n' "$(ls -A "$root/$1" | tr '\n' ' ')"
	grep -lxF "owner $root/$1" /run/caisson/ids/[0-9]* 2>/dev/null | sed 's/^/id range: /'
	find /sys/fs/cgroup -type d \( -path "*/$OCI_CGROUP/$1" -o -path "*/caisson/$1" \) 2>/dev/null | sed 's/^/control group: /'
	for pid in $(pids_marked "$OCI/b/$1"); do
		ended "$pid" || printf 'process: %s %s\n' "$pid" "$(tr '\0' ' ' <"/proc/$pid/cmdline")"
	done
	findmnt -rn -o TARGET | grep -F -e "$OCI/b/$1/" -e "$root/$1" | sed 's/^/mount: /'
}

# nothing_left ID - at once
nothing_left() {
	local left
	left=$(remains "$1")
	[ -z "$left" ] || fail "$left"
}

# nothing_left_after_list ID - what a killed process left: `list` cleans it up, as soon as init has noticed
nothing_left_after_list() {
	local i left
	for i in 1 2 3 4 5 6 7 8 9 10; do
		rt list -q >/dev/null
		left=$(remains "$1")
		[ -n "$left" ] || return 0
		sleep 0.1
	done
	fail "$left"
}

# capture COMMAND... - sets status and output. Through a file: a container that came to be holds a pipe open.
capture() {
	status=0
	"$@" >"$OCI/captured" 2>&1 </dev/null || status=$?
	output=$(cat "$OCI/captured")
}

# one_line PATTERN - the last command failed with one line that matches
one_line() {
	[ "$status" -ne 0 ] || fail "accepted"
	# exec's own failures are 255, as with runc.
	[ "$status" -lt 128 ] || [ "$status" -eq 255 ] || fail "status $status: crashed or timed out: $output"
	assert_lines "$output" 1
	assert_match "$output" "$1"
}

# refused PATTERN - create of the bundle fails with one line, and leaves nothing
refused() {
	capture timeout -s KILL 20 "$CAISSON_RUNTIME" --root "$(state_root)" --settings "$SETTINGS" create --bundle "$B" "$ID"
	one_line "$1"
	nothing_left "$ID"
}

# survives - create of the bundle may succeed or be refused, but not crash, hang or leave anything after delete
survives() {
	capture timeout -s KILL 20 "$CAISSON_RUNTIME" --root "$(state_root)" --settings "$SETTINGS" create --bundle "$B" "$ID"
	[ "$status" -lt 128 ] || fail "status $status: $1"
	if [ "$status" -ne 0 ]; then
		assert_lines "$output" 1
	else
		rt delete --force "$ID"
	fi
	nothing_left "$ID"
}

config_python() {
	"$PYTHON" -c "import json, sys
d = json.load(open(sys.argv[1]))
$1
open(sys.argv[1], 'w').write(out if 'out' in globals() else json.dumps(d))" "$B/config.json"
}

# killed_rt MICROSECONDS ARGS... - the runtime, killed after that time
killed_rt() {
	local us=$1
	shift
	"$OCI/kill-after" "$us" "$CAISSON_RUNTIME" --root "$(state_root)" --settings "$SETTINGS" "$@" </dev/null >/dev/null 2>&1 3>&-
}

# ---- config.json ----

@test "text that is not JSON is refused with line and column" {
	local text
	bundle text
	for text in '' '\0' 'nul' '[]' '"x"' '1e999999' '{} {}' '{"ociVersion":"1.0.2",}' '{"ociVersion":"1.0.2"}\0' '{"a\0b":1}' \
		'\xff\xfe{' '{"ociVersion":"1.0\\u0000"}' '{"ociVersion":"1.0.2","ociVersion":"1.0.2"}' '{"ociVersion":"\xed\xa0\x80"}'; do
		printf "$text" >"$B/config.json"
		refused 'config.json.*(line [0-9]+|twice|UTF-8|must be an object)'
	done
}

@test "nesting, size and number of things have limits" {
	bundle limits
	config_python 'out = "[" * 100000'
	refused 'config.json'
	config_python 'out = "{\"ociVersion\":\"1.0.2\",\"annotations\":" + "{\"a\":" * 5000 + "1" + "}" * 5001' 2>/dev/null || true
	refused 'config.json'
	bundle limits2
	config_python 'd["annotations"] = {"a": "x" * (20 << 20)}'
	refused 'config.json.*16 MiB'
	bundle limits3
	config_python 'd["process"]["env"] += ["A%d=%s" % (i, "x" * 100) for i in range(100000)]'
	survives 'a large environment'
	bundle limits4
	config_python 'd["mounts"] += [{"destination": "/m%d" % i, "type": "tmpfs", "source": "t"} for i in range(2000)]'
	survives 'many mounts'
}

@test "config.json that is a directory, a fifo, a link or a device is refused without waiting" {
	bundle file
	rm "$B/config.json"
	mkdir "$B/config.json"
	refused 'config.json'
	rmdir "$B/config.json"
	mkfifo "$B/config.json"
	refused 'config.json.*regular file'
	rm "$B/config.json"
	ln -s /dev/zero "$B/config.json"
	refused 'config.json.*regular file'
	rm "$B/config.json"
	refused 'config.json not found in bundle'
}

@test "wrong types and missing members are refused by name" {
	local filter name
	bundle types
	cp "$B/config.json" "$B/good"
	while IFS='|' read -r filter name; do
		jq "$filter" "$B/good" >"$B/config.json"
		refused "$name" || fail "for $filter"
	done <<-'ROWS'
		.ociVersion = null|ociVersion
		del(.ociVersion)|ociVersion
		.ociVersion = "x"|ociVersion
		.process = "x"|process: must be an object
		.process = null|process
		.process.terminal = "yes"|process.terminal
		.process.args = ["a\u0000b"]|0000
		.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 1, hard: 1}, {type: "RLIMIT_NOFILE", soft: 1, hard: 1}]|twice
		.root = []|root: must be an object
		del(.root)|root: is missing
		.root.path = 3|root.path
		.mounts = {}|mounts: must be an array
		.mounts = [3]|mounts.0.: must be an object
		.mounts = [{}]|mounts.0..destination
		.mounts = [{destination: ""}]|mounts.0..destination
		.mounts[0].options = "ro"|options
		.linux = 5|linux: must be an object
		del(.linux)|share namespaces
		.linux.namespaces = []|share namespaces
		.linux.resources.memory = {limit: 1e30}|memory.limit
		.linux.resources.pids = {limit: 1.5}|pids.limit
		.linux.maskedPaths = ["relative"]|maskedPaths
		.linux.cgroupsPath = 3|cgroupsPath
		.linux.sysctl = {"net.../../kernel.x": "1"}|kernel.x
		.hooks = {prestart: "x"}|hooks.prestart
		.hooks = {prestart: [{}]}|hooks.prestart.0..path
		.annotations = []|annotations
		.annotations = {a: 3}|annotations
		.hostname = ("a" * 300)|hostname
	ROWS
}

@test "paths that lead elsewhere are refused or stay inside" {
	local filter name
	bundle paths
	cp "$B/config.json" "$B/good"
	while IFS='|' read -r filter name; do
		jq "$filter" "$B/good" >"$B/config.json"
		refused "$name" || fail "for $filter"
	done <<-'ROWS'
		.root.path = "/"|root.path: the host's own root
		.root.path = "/proc/self/root"|root.path: the host's own root
		.root.path = "../../../../../../../../../.."|root.path: the host's own root
		.root.path = "config.json"|root.path: config.json is not a directory
		.root.path = "/dev/null"|root.path: /dev/null is not a directory
		.root.path = "no-such-dir"|root.path.*no-such-dir
		.root.path = ("a" * 5000)|root.path
		.root.path = "/proc"|/proc (lies on a file system that cannot be id-mapped|is a directory of the host's own)
		.linux.cgroupsPath = "/../../x"|cgroupsPath.*"\.\." is not allowed
		.linux.cgroupsPath = "../../x"|cgroupsPath.*"\.\." is not allowed
		.linux.cgroupsPath = "/"|cgroupsPath.*root of the hierarchy
		.linux.cgroupsPath = "/a\nb"|cgroupsPath.*control character
		.linux.cgroupsPath = ("/" + "a" * 300)|cgroupsPath
		.linux.cgroupsPath = ("/a" * 3000)|cgroupsPath
		.mounts += [{destination: "/proc/self/root/x", type: "tmpfs", source: "t"}]|/proc/self/root/x
		.mounts += [{destination: ("/" + "a" * 300), type: "tmpfs", source: "t"}]|/aaa
		.mounts += [{destination: ("/a" * 3000), type: "tmpfs", source: "t"}]|/a/a
		.mounts += [{destination: "/x", type: "ext4", source: "/dev/sda"}]|type .*ext4
		.mounts += [{destination: "/x", type: "nfs", source: "h:/"}]|type .*nfs
		.mounts += [{destination: "/x", type: "bind"}]|needs a source
		.mounts += [{destination: "/x", type: "bind", source: "/no/such", options: ["bind"]}]|/no/such
		.mounts += [{destination: "/x", type: "bind", source: ("/a" * 3000), options: ["bind"]}]|/a/a
		.linux.devices = [{path: "/dev/../x", type: "c", major: 1, minor: 3}]|linux.devices.0.: /dev/../x
		.linux.devices = [{path: "/dev/", type: "c", major: 1, minor: 3}]|linux.devices.0.
		.linux.devices = [{path: "/x", type: "c", major: 1, minor: 3}]|linux.devices.0.: /x must lie below /dev
	ROWS
	while read -r filter; do
		jq "$filter" "$B/good" >"$B/config.json"
		survives "$filter"
	done <<-'ROWS'
		.mounts += [{destination: "/../../../../caisson-esc", type: "tmpfs", source: "t"}]
		.mounts += [{destination: "../caisson-esc", type: "tmpfs", source: "t"}]
		.mounts += [{destination: "/a/../../../caisson-esc", type: "tmpfs", source: "t"}]
		.mounts += [{destination: "/", type: "tmpfs", source: "t"}]
		.mounts += [.mounts[0]]
		.mounts += [.mounts[1]]
		.mounts += [{destination: "/tmp", type: "tmpfs", source: "t"}, {destination: "/tmp", type: "tmpfs", source: "t"}]
		.linux.readonlyPaths = ["/../../../etc"]
		.root.path = "rootfs/../rootfs"
		.process.env = ["=x", "NOEQUALS", ""]
	ROWS
	[ ! -e /caisson-esc ]
	[ ! -e "$OCI/b/caisson-esc" ]
	[ ! -e "$OCI/caisson-esc" ]
}

@test "bad container ids are refused by every command, and touch nothing" {
	local id command before
	bundle ids
	before=$(find "$OCI" -maxdepth 2 | sort)
	for id in ../x a/b . .. 'a b' $'a\nb' 'ä' '' "$(printf 'x%.0s' $(seq 1100))"; do
		capture rt create --bundle "$B" "$id"
		one_line 'id' || fail "create '$id'"
		for command in state start kill pause resume ps events 'delete --force'; do
			# shellcheck disable=SC2086
			capture rt $command "$id"
			[ "$status" -ne 0 ] || fail "$command accepted '$id'"
			assert_lines "$output" 1
		done
		capture rt exec "$id" true
		[ "$status" -ne 0 ] || fail "exec accepted '$id'"
	done
	capture rt create --bundle "$B" "$(printf 'x%.0s' $(seq 300))"
	one_line 'name too long'
	assert_eq "$(find "$OCI" -maxdepth 2 | grep -v -e captured -e '/state-' | sort)" "$(grep -v -e captured -e '/state-' <<<"$before")"
}

@test "bundles and root file systems that are not there are refused by name" {
	bundle missing
	capture rt create --bundle "$B/none" "$ID"
	one_line 'bundle .*/none'
	capture rt create --bundle "$B/config.json" "$ID"
	one_line 'bundle .*config.json.*not a directory'
	capture rt create --bundle "$B/"$'\xff' "$ID"
	one_line 'bundle .*\?'
	rm -rf "$B/rootfs"
	refused 'root.path.*rootfs'
	: >"$B/rootfs"
	refused 'root.path: rootfs is not a directory'
	nothing_left "$ID"
}

@test "unknown flags, missing values and arguments: every command says so in one line" {
	local command
	bundle flags
	for command in create run start delete kill state list ps pause resume events exec update features spec; do
		capture rt "$command" --no-such-flag "$ID"
		one_line "$command.*no-such-flag"
		capture rt "$command" -Z "$ID"
		one_line "$command.*-Z"
		capture rt "$command" --help
		assert_eq "$status" 0 "$command"
		capture rt "$command" -h
		assert_eq "$status" 0 "$command -h"
	done
	for command in create run start delete kill state pause resume events exec update ps; do
		capture rt "$command"
		one_line "$command.*container id"
	done
	for command in start delete state pause resume events create; do
		capture rt "$command" a b
		one_line "$command.*too many arguments"
	done
	capture rt create --bundle
	one_line 'bundle needs a value'
	capture rt kill "$ID" NOSIG
	one_line 'NOSIG'
	capture rt update --memory 12x "$ID"
	one_line 'memory'
	capture rt update --resources /no/such "$ID"
	one_line '/no/such'
	capture rt events --interval never "$ID"
	one_line 'interval'
	capture rt exec --user root "$ID" true
	one_line 'does not exist'
	capture rt --log /no/such/file list
	one_line '/no/such/file'
	capture rt --root /dev/null/x create --bundle "$B" "$ID"
	one_line '/dev/null/x'
}

@test "exec options that make no sense are refused in one line" {
	bundle execbad
	sleeper
	bg
	capture rt exec --user root "$ID" true
	one_line 'user'
	capture rt exec --user 70000 "$ID" true
	one_line '65536'
	capture rt exec --cap CAP_NONE "$ID" true
	one_line 'CAP_NONE'
	capture rt exec --cwd relative "$ID" true
	one_line 'relative'
	capture rt exec --cwd /no/such "$ID" true
	one_line '/no/such'
	capture rt exec --additional-gids x "$ID" true
	one_line 'additional-gids'
	capture rt exec --process /no/such "$ID"
	one_line '/no/such'
	printf '{"args":["true"],"cwd":3}' >"$B/p"
	capture rt exec --process "$B/p" "$ID"
	one_line 'cwd'
	capture rt exec --cgroup ../../x "$ID" true
	one_line 'cgroup'
	capture rt exec --pid-file /no/such/pid "$ID" true
	one_line '/no/such/pid'
	capture rt exec --tty --console-socket /no/such "$ID" true
	one_line '/no/such'
	capture rt exec "$ID" "$(printf 'x%.0s' $(seq 5000))"
	one_line 'exec'
	has_status "$ID" running
}

# ---- descriptors and signals that the caller passes on ----

@test "fds that the caller does not have are not preserved: they would be the runtime's own" {
	bundle preserve
	script_is 'ls /proc/self/fd/3/ /proc/self/fd/4/'
	capture rt run --preserve-fds 2 --bundle "$B" "$ID" 3>&-
	one_line 'fd 3 is not open'
	capture rt run --preserve-fds 10000 --bundle "$B" "$ID" 3>&-
	one_line 'fd 3 is not open'
	nothing_left "$ID"
	sleeper
	bg
	capture rt exec --preserve-fds 1 "$ID" true 3>&-
	one_line 'fd 3 is not open'
}

@test "LISTEN_FDS that is meant for another process is ignored" {
	bundle listen
	script_is 'ls /proc/self/fd | tr "\n" " "; echo "${LISTEN_FDS:-none}"'
	capture env LISTEN_FDS=3 LISTEN_PID=1 "$CAISSON_RUNTIME" --root "$(state_root)" run --bundle "$B" "$ID"
	assert_eq "$output" '0 1 2 3 none'
}

@test "a caller that ignores SIGCHLD, or closed its stdio, gets the same" {
	bundle sigchld
	script_is 'exit 7'
	capture timeout -s KILL 20 "$PYTHON" -c 'import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])' "$CAISSON_RUNTIME" --root "$(state_root)" run --bundle "$B" "$ID"
	assert_eq "$status" 7 "$output"
	status=0
	timeout -s KILL 20 "$CAISSON_RUNTIME" --root "$(state_root)" --log "$B/log" run --bundle "$B" "$ID" <&- >&- 2>&- || status=$?
	assert_eq "$status" 7
	nothing_left "$ID"
}

# ---- state ----

@test "a damaged state is named, and delete --force ends the container and all it holds" {
	local edit text file
	file=$(state_root)
	bundle damaged
	sleeper
	file+=/$ID/state.json
	while read -r edit; do
		bg
		if [ "$edit" = text ]; then
			echo '{"broken' >"$file"
		else
			jq "$edit" "$file" >"$B/new"
			cat "$B/new" >"$file"
		fi
		capture rt state "$ID"
		text=$output
		[ "$status" -eq 0 ] || one_line "$ID/state.json is damaged.*delete --force"
		rt delete --force "$ID" || fail "delete after $edit: $text"
		eventually 5 ended "$PID"
		nothing_left "$ID" || fail "after $edit"
	done <<-'ROWS'
		text
		.cgroup = 5
		.cgroup.path = "/../x"
		.pid = "x"
		.pid = 1
		.startTime = 0
		.base = 0
		.bundle = 3
		del(.base)
		.annotations = 5
	ROWS
}

@test "files that are missing from a state directory" {
	local dir
	dir=$(state_root)
	bundle lost
	sleeper
	bg
	rm "$dir/$ID/config.json"
	capture rt exec "$ID" true
	one_line "$ID/config.json"
	has_status "$ID" running
	rt delete --force "$ID"
	nothing_left "$ID"
	bg
	echo '{' >"$dir/$ID/config.json"
	capture rt exec "$ID" true
	one_line "$ID.*config.json"
	rt delete --force "$ID"
	nothing_left "$ID"
	# A directory without any state, as after a kill right at the beginning.
	mkdir -m 0700 "$dir/$ID"
	for command in state start kill pause resume; do
		capture rt "$command" "$ID"
		one_line 'does not exist|not running|not paused' || fail "$command"
		mkdir -p -m 0700 "$dir/$ID"
	done
	rt list -q
	nothing_left "$ID"
}

@test "a create that failed, or was killed, does not touch the groups of another container at the same path" {
	local first=$ID firstb other
	bundle owner
	sleeper
	bg
	first=$ID firstb=$B
	bundle intruder
	cfg '.linux.cgroupsPath = $c' --arg c "/$OCI_CGROUP/$first"
	refused 'exists and has processes'
	cfg '.mounts += [{destination: "/x", type: "ext4", source: "x"}]'
	refused 'ext4'
	other=$(state_root)/$ID
	mkdir -m 0700 "$other"
	jq -n --arg id "$ID" --arg c "/$OCI_CGROUP/$first" '{ociVersion: "1.2.0", id: $id, pid: 0, base: 229376000, bundle: "/x", created: "x", cgroupsPath: $c}' >"$other/creating.json"
	rt list -q >/dev/null
	nothing_left "$ID"
	has_status "$first" running
	rt delete --force "$first"
	rm -rf "$firstb"
	nothing_left "$first"
}

@test "a state root on a full disk: nothing is left of what did not fit" {
	local size code out
	bundle full
	cfg '.annotations = {a: ("x" * 30000)}'
	mkdir "$B/root"
	for size in 4 8 16 24 32 36 40 64 72 100 104 108 112 256; do
		mount -t tmpfs -o "size=${size}k,mode=0755" tmpfs "$B/root"
		dd if=/dev/zero of="$B/root/fill" bs=4k count=1 2>/dev/null || true
		capture "$CAISSON_RUNTIME" --root "$B/root" create --bundle "$B" "$ID"
		code=$status out=$output
		[ "$code" -ne 0 ] || "$CAISSON_RUNTIME" --root "$B/root" delete --force "$ID"
		assert_eq "$(ls "$B/root")" fill "size $size: $out"
		umount "$B/root"
		if [ "$code" -ne 0 ]; then
			assert_lines "$out" 1
			assert_match "$out" 'no space left'
		fi
		nothing_left "$ID"
	done
	[ "$code" -eq 0 ] || fail "256 KiB should do: $out"
}

@test "a pid file that can not be written: full disk, no directory, a directory in its place" {
	bundle pidfile
	mkdir "$B/small" "$B/place"
	mount -t tmpfs -o size=4k tmpfs "$B/small"
	dd if=/dev/zero of="$B/small/fill" bs=4k count=1 2>/dev/null
	capture rt create --bundle "$B" --pid-file "$B/small/pid" "$ID"
	one_line 'pid file .*/small/pid: no space'
	nothing_left "$ID" || true
	assert_eq "$(ls -A "$B/small")" fill
	umount "$B/small"
	nothing_left "$ID"
	capture rt create --bundle "$B" --pid-file "$B/none/pid" "$ID"
	one_line 'pid file .*/none/pid'
	nothing_left "$ID"
	capture rt create --bundle "$B" --pid-file "$B/place" "$ID"
	one_line 'pid file .*/place'
	assert_eq "$(ls -A "$B/place")" ''
	nothing_left "$ID"
}

@test "a state root that is read-only, a file, or not ours to enter" {
	bundle readonly
	mkdir "$B/ro"
	mount -t tmpfs tmpfs "$B/ro"
	mount -o remount,ro "$B/ro"
	capture "$CAISSON_RUNTIME" --root "$B/ro" create --bundle "$B" "$ID"
	one_line "$B/ro.*read-only"
	capture "$CAISSON_RUNTIME" --root "$B/ro/deep/er" create --bundle "$B" "$ID"
	one_line "$B/ro/deep.*read-only"
	umount "$B/ro"
	: >"$B/file"
	capture "$CAISSON_RUNTIME" --root "$B/file" create --bundle "$B" "$ID"
	one_line "$B/file.*not a directory"
	capture "$CAISSON_RUNTIME" --root "$B/file" list -q
	assert_eq "$output" ''
	nothing_left "$ID"
}

@test "a state directory that belongs to somebody else, or is a link, is not used" {
	local dir
	dir=$(state_root)
	bundle foreign
	mkdir -p "$dir" "$B/elsewhere"
	ln -s "$B/elsewhere" "$dir/$ID"
	capture rt create --bundle "$B" "$ID"
	one_line "$ID"
	capture rt state "$ID"
	one_line "$ID"
	rm "$dir/$ID"
	assert_eq "$(ls -A "$B/elsewhere")" ''
	: >"$dir/$ID"
	capture rt create --bundle "$B" "$ID"
	one_line "$ID"
	rm "$dir/$ID"
	nothing_left "$ID"
}

# ---- console and hooks ----

@test "console sockets that are not there, are no socket, or whose listener does not accept" {
	local t
	bundle console '.process.terminal = true'
	capture rt create --bundle "$B" --console-socket "$B/none" "$ID"
	one_line 'console-socket.*/none'
	nothing_left "$ID"
	capture rt create --bundle "$B" --console-socket "$B/config.json" "$ID"
	one_line 'console-socket.*config.json'
	nothing_left "$ID"
	capture rt create --bundle "$B" --console-socket "$B/$(printf 'x%.0s' $(seq 300))" "$ID"
	one_line 'name too long'
	nothing_left "$ID"
	# A listener with a full queue: connect(2) would wait for ever.
	"$PYTHON" -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(0)
c = socket.socket(socket.AF_UNIX); c.connect(sys.argv[1])
open(sys.argv[1] + ".ready", "w").close()
time.sleep(60)' "$B/s" 3>&- &
	local listener=$!
	eventually 5 test -e "$B/s.ready"
	t=$SECONDS
	capture timeout -s KILL 30 "$CAISSON_RUNTIME" --root "$(state_root)" create --bundle "$B" --console-socket "$B/s" "$ID"
	kill "$listener"
	one_line 'console-socket.*(timed out|Resource temporarily)'
	[ $((SECONDS - t)) -lt 20 ]
	nothing_left "$ID"
}

@test "hooks that fail, hang, are missing or not executable: named, and nothing is left, also of the hook" {
	local kind
	bundle hooks
	cp "$B/config.json" "$B/good"
	for kind in prestart createRuntime createContainer startContainer; do
		jq --arg k "$kind" '.hooks[$k] = [{path: "/bin/false"}]' "$B/good" >"$B/config.json"
		capture rt run --bundle "$B" "$ID"
		one_line "$kind hook #0 \(/bin/false\).*exit status 1"
		nothing_left "$ID"
		jq --arg k "$kind" '.hooks[$k] = [{path: "/no/such/hook"}]' "$B/good" >"$B/config.json"
		capture rt run --bundle "$B" "$ID"
		one_line "$kind hook #0 \(/no/such/hook\)"
		nothing_left "$ID"
		jq --arg k "$kind" --arg m "$OCI/b/$ID" '.hooks[$k] = [{path: "/bin/sh", args: ["sh", "-c", "sleep 60; : " + $m], timeout: 1}]' "$B/good" >"$B/config.json"
		capture rt run --bundle "$B" "$ID"
		one_line "$kind hook #0.*timeout of 1 s"
		nothing_left "$ID"
	done
	jq '.hooks.poststart = [{path: "/bin/false"}] | .process.args = ["/bin/sleep", "60"]' "$B/good" >"$B/config.json"
	capture rt run --bundle "$B" "$ID"
	one_line 'poststart hook #0'
	nothing_left "$ID"
	# One that fails after the container has gone is a warning.
	jq '.hooks.poststop = [{path: "/bin/false"}]' "$B/good" >"$B/config.json"
	capture rt run --bundle "$B" "$ID"
	assert_eq "$status" 0
	assert_has "$output" 'poststop hook #0'
	nothing_left "$ID"
}

@test "a hook that still runs when a later step fails ends with it" {
	bundle hooklate '.hooks.createRuntime = [{path: "/bin/sh", args: ["sh", "-c", "exec sleep 61"]}]
		| .linux.devices = [{path: "/dev/x", type: "c", major: 1, minor: 3, uid: 70000}]'
	capture rt create --bundle "$B" "$ID"
	one_line '/dev/x.*65536'
	# Told to die, it may need a moment.
	sleep 0.3
	nothing_left "$ID"
	[ -z "$(pgrep -fx 'sleep 61')" ]
}

@test "create killed while a hook hangs: delete --force does not wait for the hook" {
	bundle hookkill '.hooks.createRuntime = [{path: "/bin/sh", args: ["sh", "-c", "exec sleep 62"]}]'
	killed_rt 200000 create --bundle "$B" "$ID" || true
	timeout -s KILL 10 "$CAISSON_RUNTIME" --root "$(state_root)" delete --force "$ID"
	nothing_left_after_list "$ID"
	[ -z "$(pgrep -fx 'sleep 62')" ]
}

# ---- death ----

@test "create killed at 200 random times: list leaves nothing of it" {
	local i us whole=0 killed=0 listed=0
	bundle kill9
	sleeper
	mkdir -p "$SHARE/kill9"
	chown 1000:1000 "$SHARE/kill9"
	# Maps of other containers' shares and hooks are made by helper processes, which must not outlive it either.
	cfg '.mounts += [{destination: "/s", type: "bind", source: $s, options: ["rbind"]}] | .hooks = {createRuntime: [{path: "/bin/true"}]}' --arg s "$SHARE/kill9"
	for i in $(seq 200); do
		us=$((RANDOM % 15000))
		if killed_rt "$us" create --bundle "$B" "$ID"; then
			whole=$((whole + 1))
			rt delete --force "$ID"
			nothing_left "$ID"
			continue
		fi
		killed=$((killed + 1))
		if [ -n "$(rt list -q)" ]; then
			# Its last act was done: a whole container, which its caller does not know of.
			listed=$((listed + 1))
			assert_eq "$(status_of "$ID")" created "killed after $us us"
			rt delete --force "$ID"
		fi
		nothing_left_after_list "$ID" || fail "killed after $us us"
	done
	[ "$killed" -ge 50 ] || fail "only $killed of 200 were killed before they were done"
	echo "# $killed killed ($listed of them after the last step), $whole done before" >&3
	[ -z "$(find /run/caisson/ids -name ".[0-9f]*.[0-9]*" -mmin +1 2>/dev/null)" ]
}

@test "create killed, then create again with the same id: no list or delete is needed" {
	local i
	bundle again
	sleeper
	for i in $(seq 20); do
		killed_rt $((RANDOM % 8000)) create --bundle "$B" "$ID" && rt delete --force "$ID"
		if ! has_status "$ID" created; then
			# Init of the killed one may need a moment to see that.
			eventually 3 rt create --bundle "$B" "$ID"
		fi
		rt delete --force "$ID"
		nothing_left_after_list "$ID"
	done
}

@test "delete killed at any moment can be done again" {
	local i
	bundle delkill
	sleeper
	for i in $(seq 20); do
		bg
		killed_rt $((RANDOM % 6000)) delete --force "$ID" || true
		rt delete --force "$ID"
		nothing_left_after_list "$ID"
	done
}

@test "start and exec killed at any moment leave a container that can be deleted" {
	local i
	bundle startkill
	sleeper
	for i in $(seq 10); do
		rt create --bundle "$B" "$ID" </dev/null >/dev/null 2>&1
		killed_rt $((RANDOM % 3000)) start "$ID" || true
		timeout -s KILL 10 "$CAISSON_RUNTIME" --root "$(state_root)" state "$ID" >/dev/null
		has_status "$ID" running || rt start "$ID"
		killed_rt $((RANDOM % 5000)) exec "$ID" sleep 30 || true
		rt delete --force "$ID"
		nothing_left "$ID"
	done
}

@test "init killed while created, running and paused: stopped, and deleted without force" {
	local phase
	bundle phases
	sleeper
	for phase in created running paused; do
		rt create --bundle "$B" --pid-file "$B/pid" "$ID" </dev/null >/dev/null 2>&1
		[ "$phase" = created ] || rt start "$ID"
		[ "$phase" != paused ] || rt pause "$ID"
		kill -KILL "$(cat "$B/pid")"
		if [ "$phase" = paused ] && ! cgroup_v2; then
			# The v1 freezer keeps even the dead: the runtime's own kill thaws.
			assert_eq "$(status_of "$ID")" paused
			rt kill "$ID" KILL
		fi
		eventually 5 has_status "$ID" stopped || fail "$phase"
		capture rt kill "$ID" TERM
		one_line 'container not running'
		rt delete "$ID"
		nothing_left "$ID"
	done
}

@test "delete --force in each phase, again and again" {
	local phase
	bundle force
	sleeper
	for phase in created paused-created running paused; do
		rt create --bundle "$B" "$ID" </dev/null >/dev/null 2>&1
		case $phase in running | paused) rt start "$ID" ;; esac
		case $phase in paused*) rt pause "$ID" ;; esac
		timeout -s KILL 10 "$CAISSON_RUNTIME" --root "$(state_root)" delete --force "$ID" || fail "$phase"
		nothing_left "$ID"
		rt delete --force "$ID"
		rt delete --force "$ID"
	done
}

@test "a created container that is paused says so, answers any number of questions, and can be resumed" {
	local i
	bundle pausedcreated
	sleeper
	rt create --bundle "$B" "$ID" </dev/null >/dev/null 2>&1
	rt pause "$ID"
	for i in $(seq 15); do
		capture timeout -s KILL 5 "$CAISSON_RUNTIME" --root "$(state_root)" state "$ID"
		assert_eq "$status" 0
	done
	assert_eq "$(status_of "$ID")" paused
	capture timeout -s KILL 5 "$CAISSON_RUNTIME" --root "$(state_root)" start "$ID"
	one_line 'cannot start'
	rt resume "$ID"
	assert_eq "$(status_of "$ID")" created
	rt start "$ID"
	assert_eq "$(status_of "$ID")" running
}

@test "a created container that is told to end, ends" {
	local sig
	bundle term
	sleeper
	for sig in TERM INT HUP; do
		rt create --bundle "$B" "$ID" </dev/null >/dev/null 2>&1
		rt kill "$ID" WINCH
		assert_eq "$(status_of "$ID")" created
		rt kill "$ID" "$sig"
		eventually 5 has_status "$ID" stopped
		capture rt start "$ID"
		one_line 'cannot start a container that has stopped'
		rt delete "$ID"
		nothing_left "$ID"
	done
}

@test "one hundred creates at once: all succeed, in ranges of their own, and all of them go again" {
	local i id start middle end pid bases
	bundle many
	sleeper
	for i in $(seq 100); do
		id=$ID-$i
		mkdir -p "$OCI/b/$id"
		jq --arg r "$B/rootfs" --arg c "/$OCI_CGROUP/$id" '.root = {path: $r, readonly: true} | .linux.cgroupsPath = $c' \
			"$B/config.json" >"$OCI/b/$id/config.json"
	done
	start=$(date +%s%N)
	for i in $(seq 100); do
		id=$ID-$i
		bg_run rt create --bundle "$OCI/b/$id" --pid-file "$OCI/b/$id/pid" "$id" </dev/null >/dev/null 2>"$OCI/b/$id/err"
	done
	bg_wait
	middle=$(date +%s%N)
	bases=$(for i in $(seq 100); do
		pid=$(cat "$OCI/b/$ID-$i/pid") || cat "$OCI/b/$ID-$i/err"
		map_base "$pid"
	done | sort -un)
	# Each is aligned to the pool's first range, so different bases are disjoint ranges.
	assert_lines "$bases" 100
	assert_eq "$(rt list -q | wc -l)" 100
	for i in $(seq 100); do
		bg_run rt delete --force "$ID-$i"
	done
	bg_wait
	end=$(date +%s%N)
	assert_eq "$(rt list -q)" ''
	# All of them at one go: the same as remains(), with patterns.
	[ -z "$(pids_marked "$OCI/b/$ID-")" ]
	[ -z "$(find /sys/fs/cgroup -type d -path "*$OCI_CGROUP/$ID-*")" ]
	[ -z "$(grep -lF "owner $(state_root)/$ID-" /run/caisson/ids/[0-9]* 2>/dev/null)" ]
	[ -z "$(find "$(state_root)" -name "$ID-*")" ]
	[ -z "$(findmnt -rn -o TARGET | grep -F "$ID-")" ]
	rm -rf "$OCI/b/$ID-"*
	echo "# 100 creates: $(((middle - start) / 1000000)) ms, 100 deletes: $(((end - middle) / 1000000)) ms" >&3
}

@test "list and delete that run beside creates do not disturb them" {
	local i
	bundle beside
	(
		while [ ! -e "$B/stop" ]; do
			rt list -q >/dev/null
			rt delete --force no-such-id
		done
	) 3>&- &
	local sweeper=$!
	for i in $(seq 100); do
		capture rt create --bundle "$B" "$ID"
		[ "$status" -eq 0 ] || break
		rt delete --force "$ID" || break
	done
	: >"$B/stop"
	wait "$sweeper" || true
	assert_eq "$status" 0 "create $i: $output"
	nothing_left "$ID"
}

# ---- kernels that lack a system call ----

# lacking CALL ARGS... - the runtime on a kernel without that call
lacking() {
	local call=$1
	shift
	capture timeout -s KILL 30 "$OCI/no-syscall" "$call" "$CAISSON_RUNTIME" --root "$(state_root)" --settings "$SETTINGS" "$@"
}

# works_or_tells CALL WHAT - it did, or failed with one line that names the kernel needed
works_or_tells() {
	[ "$status" -ne 0 ] || return 0
	[ "$status" -lt 125 ] || [ "$status" -eq 255 ] || fail "$2 without $1: status $status: $output"
	assert_lines "$output" 1 || fail "$2 without $1"
	assert_match "$output" 'not implemented.*Linux [0-9]' "$2 without $1"
}

@test "each newer system call missing: create, run and exec work or tell which kernel is needed, and leave nothing" {
	local call since dir other otherb table=
	bundle other
	sleeper
	bg
	other=$ID otherb=$B
	bundle nosys '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["swapoff"], action: "SCMP_ACT_ERRNO"}]}
		| .hooks = {createRuntime: [{path: "/bin/true"}]}'
	dir=$OCI/overlay
	mkdir -p "$dir/upper" "$dir/work" "$dir/merged"
	mount -t overlay overlay -o "lowerdir=$B/rootfs,upperdir=$dir/upper,workdir=$dir/work" "$dir/merged"
	cfg '.root.path = $p' --arg p "$dir/merged"
	while read -r call since; do
		lacking "$call" run --bundle "$B" "$ID"
		works_or_tells "$call" run
		table+="$call(run:$status"
		nothing_left "$ID" || fail "run without $call"
		lacking "$call" create --bundle "$B" "$ID"
		works_or_tells "$call" create
		[ "$status" -ne 0 ] || rt delete --force "$ID"
		lacking "$call" exec "$other" true
		works_or_tells "$call" exec
		table+=" exec:$status) "
		lacking "$call" state "$other"
		works_or_tells "$call" state
		[ "$status" -ne 0 ] || assert_eq "$(jq -r .status <<<"$output")" running "state without $call"
		has_status "$other" running
	done < <("$OCI/no-syscall" --list)
	echo "# $table" >&3
	umount "$dir/merged"
	nothing_left "$ID"
	rt delete --force "$other"
	rm -rf "$otherb"
	nothing_left "$other"
}

@test "a seccomp listener without pidfd_getfd is refused, not waited for" {
	bundle nogetfd
	cfg '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: $p, syscalls: [{names: ["swapoff"], action: "SCMP_ACT_NOTIFY"}]}' --arg p "$B/sock"
	lacking pidfd_getfd run --bundle "$B" "$ID"
	one_line 'listener.*not implemented.*Linux [0-9]'
	nothing_left "$ID"
}
