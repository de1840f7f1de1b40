# SPDX-License-Identifier: Apache-2.0
# Attacks on the supervisor: trapped calls, races behind its back, bad memory, emulated files, covers of procfs (rows A31, A41,
# A79-A84, A86-A89, A91, A92, A94, A95, A97, A99, A102-A106). What happens when its parts are killed: crash.bats.

load attacks.bash

setup_file() {
	attack_open && tool traps hang race load reveal inner passfd locks handle hijack || return 1
	bundle "$RUN_TAG-main"
	privileged
	with_tool traps race load reveal inner passfd locks
	sleeper
	bg
	awake "$ID"
	MAIN=$ID
	MAIN_PID=$PID
	export MAIN MAIN_PID
}

teardown_file() {
	rt delete --force "$MAIN" >/dev/null 2>&1
	oci_close
}

teardown() {
	local i
	for i in "${OWN[@]}"; do
		continue_all "$i"
		rt delete --force "$i" >/dev/null 2>&1
		rm -rf --one-file-system "${OCI:?}/b/$i"
	done
	bg_wait
	host_unchanged
}

OWN=()

# own NAME [JQ-FILTER] [TOOL...] - a container of this test's own
own() {
	local name=$1 filter=${2:-}
	shift 2 || shift
	bundle "$RUN_TAG-$name"
	OWN+=("$ID")
	privileged
	[ -z "$filter" ] || cfg "$filter"
	[ $# -eq 0 ] || with_tool "$@"
	sleeper
	bg
	awake "$ID"
}

# awake ID - its workers run, which are started with the first request
awake() {
	inside "$1" 20 sh -c 'mkdir -p /awake && mount -t proc proc /awake && cat /awake/meminfo && umount /awake' >/dev/null
}

# works COMMAND... - capture, and it must succeed. (Not by run: what hangs in a container would hold its pipe open.)
works() {
	capture "$@"
	[ "$status" -eq 0 ] || fail "status $status: $output"
}

FUSE='.linux.devices = [{path: "/dev/fuse", type: "c", major: 10, minor: 229, fileMode: 438, uid: 0, gid: 0}]'

# inside ID SECONDS COMMAND... - as root of a container, with an end
inside() {
	local id=$1 limit=$2 bin=$CAISSON_RUNTIME
	shift 2
	timeout -k 2 $((limit * ${CAISSON_TEST_SLOW:-1})) "$bin" --root "$(oci_root_of "$bin")" --settings "$SETTINGS" exec "$id" "$@" </dev/null 3>&-
}

# part ID [monitor|notify|procview] - pids of its supervisor, or the one of a part (not those of its short helpers)
part() {
	local monitor
	monitor=$(pgrep -o -f "^caisson-monitor: $1\$")
	case ${2:-} in
	'') pgrep -f "^caisson-[a-z]*: $1\$" ;;
	monitor) printf '%s' "$monitor" ;;
	*)
		eventually 5 pgrep -P "$monitor" -f "^caisson-$2: $1\$"
		pgrep -n -P "$monitor" -f "^caisson-$2: $1\$"
		;;
	esac
}

continue_all() {
	local p
	for p in $(part "$1"); do
		kill -CONT "$p" 2>/dev/null || true
	done
}

# rss PID - kB
rss() {
	awk '/^VmRSS/ {print $2}' "/proc/$1/status"
}

# fine - the container of this file still mounts and reads
fine() {
	capture inside "${1:-$MAIN}" 20 sh -c 'mkdir -p /fine && mount -t proc proc /fine && head -n 1 /fine/meminfo && umount /fine && cat /proc/sys/kernel/panic'
	assert_eq "$status" 0
	assert_has "$output" MemTotal
}

boot_id() {
	cat /proc/sys/kernel/random/boot_id
}

# ---- trapped calls -----------------------------------------------------------------------------------------

@test "A83 every trapped call by the 64-bit entry and by int 0x80 gives the same, by x32 nothing" {
	inside "$MAIN" 60 sh -c 'mkdir -p /entries && exec traps entries /entries' >"$OCI/entries"
	run grep -F "$(boot_id)" "$OCI/entries"
	assert_eq "$output" "" "the host's procfs came to light"
	assert_eq "$(grep -c ' x32 ENOSYS' "$OCI/entries")" 10
	assert_eq "$(grep -c ' x32 ' "$OCI/entries")" 10
	# Same results, whatever the entry.
	assert_eq "$(sed -n 's/ x86_64 / /p' "$OCI/entries")" "$(grep -v '^umount int80' "$OCI/entries" | sed -n 's/ int80 / /p')"
	assert_match "$(cat "$OCI/entries")" 'mount int80 0 id [0-9a-f-]{36}' "control: it is mounted"
	# Where nothing holds it, the same calls show the host's.
	mkdir -p "$OCI/empty"
	run unshare -Urmpf --mount-proc sh -c "mount -t tmpfs t $OCI/empty && exec $TOOLS/traps entries $OCI/empty"
	assert_match "$output" "mount int80 0 id $(boot_id)" "control"
}

@test "A89 bad pointers in every trapped call give what the kernel itself gives" {
	local before worker
	worker=$(part "$MAIN" notify)
	before=$(rss "$worker")
	inside "$MAIN" 60 sh -c 'mkdir -p /bad/t && cd /bad && exec unshare -m traps bad /bad' >"$OCI/bad.inside"
	mkdir -p "$OCI/empty"
	unshare -Urmpfn --mount-proc sh -c "mount -t tmpfs t $OCI/empty && cd $OCI/empty && exec $TOOLS/traps bad $OCI/empty" >"$OCI/bad.host"
	[ "$(grep -c . "$OCI/bad.inside")" -ge 600 ]
	refute_match "$(cat "$OCI/bad.inside")" 'late|signal'
	# Not what is good after all, and not devices, which the supervisor gives.
	run diff <(grep -vE ' (good-[a-z-]*|slashes) |^mknod.* EPERM$' "$OCI/bad.host") \
		<(grep -vE ' (good-[a-z-]*|slashes) ' "$OCI/bad.inside" | grep -vE '^mknod[at]*\.[01] (long-255|bytes) ')
	assert_eq "$output" "" "kernel < > supervisor"
	# Nobody had to die for it, and nothing was kept.
	assert_eq "$(part "$MAIN" notify)" "$worker"
	[ "$(rss "$worker")" -le $((before + 1024)) ] || fail "from $before to $(rss "$worker") kB"
	fine
}

@test "A89 A91 pointers to memory that never comes end in time, and do not hold up a peer" {
	own slow "$FUSE" hang traps
	inside "$ID" 20 sh -c 'mkdir -p /f /s; hang /f >/f.out 2>&1 & sleep 0.5; cat /f.out; exec ls -l /f/page'
	bg_run inside "$ID" 60 traps slow /s /f/page
	sleep 1
	works inside "$MAIN" 20 load latency 100 /lat
	assert_match "$output" '^mount '
	set -- $output
	[ "$3" -lt 500000 ] || fail "the peer waits: $output"
	# It dies although its calls are stuck.
	SECONDS=0
	rt kill "$ID" KILL
	eventually 10 has_status "$ID" stopped
	rt delete "$ID"
	[ "$SECONDS" -lt 15 ]
	gone "$ID"
	eventually 10 no_part "$ID"
}

no_part() {
	[ -z "$(part "$1")" ]
}

@test "A91 paths into a file system that never answers hold up nobody else, and its container can be killed" {
	local call
	own fuse "$FUSE" hang traps
	inside "$ID" 20 sh -c 'mkdir -p /f; hang /f >/f.out 2>&1 & sleep 0.5; cat /f.out; exec ls -l /f/page'
	for call in 'mount -t proc proc /f/x' 'mount -t tmpfs t /f/x' 'umount /f/x' 'mount --bind /proc /f/x' 'mknod /f/x/n c 1 3'; do
		# shellcheck disable=SC2086
		bg_run inside "$ID" 40 $call
	done
	sleep 2
	works inside "$MAIN" 20 load latency 100 /lat
	set -- $output
	[ "$3" -lt 500000 ] || fail "the peer waits: $output"
	# The container itself: files and execs as before.
	works inside "$ID" 10 head -n 1 /proc/meminfo
	SECONDS=0
	rt kill "$ID" KILL
	eventually 10 has_status "$ID" stopped
	rt delete "$ID"
	[ "$SECONDS" -lt 15 ]
	gone "$ID"
	eventually 10 no_part "$ID"
}

@test "A84 no new mount, copy, layer or handle shows a procfs without covers" {
	local depth
	# Of its own: a container may reconfigure its procfs (subset=pid), which is tried as well.
	own reveal "" reveal
	for depth in 0 1 2; do
		capture inside "$ID" 80 sh -c "mkdir -p /reveal && exec unshare -m reveal $depth /reveal $(boot_id)"
		assert_match "$output" 'end [0-9]+ attempts' "depth $depth"
		refute_has "$output" SEEN "depth $depth"
	done
	[ "$(sed -n 's/.* \([0-9]*\) trees/\1/p' <<<"$output")" -gt 50 ]
	capture inside "$ID" 20 reveal handles "$(cat /sys/devices/system/cpu/online)"
	refute_has "$output" SEEN
	mkdir -p "$OCI/empty"
	run unshare -Urmpfn --mount-proc "$TOOLS/reveal" 0 "$OCI/empty" "$(boot_id)"
	assert_match "$output" "SEEN mount flag 0" "control"
	assert_match "$output" "SEEN int80 mount" "control"
	assert_match "$output" "SEEN fsopen" "control"
	fine "$ID"
}

@test "A41 the covers of a procfs that was mounted inside cannot be taken off, at any depth" {
	local depth path
	for depth in 0 1 2; do
		for path in swaps meminfo sys/kernel/panic sys/kernel/random/boot_id; do
			capture inside "$MAIN" 30 unshare -m sh -c "mkdir -p /inner && mount -t proc proc /inner && exec locks $depth cover /inner/$path"
			assert_match "$output" 'held ([0-9]+) of' "depth $depth $path"
			assert_eq "$status" 0
			refute_has "$output" BREACH
			capture inside "$MAIN" 30 locks "$depth" cover "/proc/$path"
			assert_match "$output" 'held ([0-9]+) of' "depth $depth /proc/$path"
			assert_eq "$status" 0
		done
	done
	run in_private_ns "mkdir -p $OCI/p && mount -t proc proc $OCI/p && mount --bind $HOST/dir/marker $OCI/p/swaps && exec $TOOLS/locks 0 cover $OCI/p/swaps"
	assert_has "$output" "BREACH umount2" "control"
}

# in_private_ns TEXT - on the host, in a mount namespace whose mounts nobody else sees
in_private_ns() {
	unshare -m --propagation private sh -c "$1"
}

@test "A41 umount -R and lies about locked covers leave the covers where they are" {
	capture inside "$MAIN" 30 unshare -m sh -c 'mkdir -p /lie && mount -t proc proc /lie
		for i in 1 2 3; do umount /lie/swaps; echo $?; done
		cat /lie/swaps /lie/sys/kernel/random/boot_id; grep -c " /lie/swaps " /proc/self/mountinfo'
	refute_has "$output" "$(boot_id)"
	assert_eq "$(grep -c '^0$' <<<"$output")" 1 "told once"
	assert_eq "$(tail -n 1 <<<"$output")" 1
}

@test "A86 filters of the container's own only harm itself" {
	capture inside "$MAIN" 30 sh -c 'mkdir -p /filter && exec inner /filter'
	assert_has "$output" "allow mount 0" "control"
	assert_has "$output" "success mount 0"
	assert_has "$output" "error mount EXDEV"
	assert_has "$output" "trap signal 31"
	assert_has "$output" "kill signal 31"
	assert_has "$output" "listener installed EBUSY"
	refute_has "$output" LEFT
	assert_has "$output" end
	capture inside "$MAIN" 10 grep -c ' /filter ' /proc/self/mountinfo
	assert_eq "$output" 0
	fine
}

# ---- races -------------------------------------------------------------------------------------------------

@test "A79 a path that changes while it is walked leads nowhere else" {
	capture inside "$MAIN" 80 sh -c 'mkdir -p /swap /elsewhere/t && exec race swap /swap /elsewhere 300'
	assert_match "$output" '^/elsewhere: [1-9][0-9]* mounts, [1-9]'
	assert_has "$output" end
	refute_has "$output" WRONG
	# The same names on the host.
	[ ! -e /elsewhere ]
	[ ! -e /swap ]
}

@test "A79 the same with links to places of the host" {
	inside "$MAIN" 80 sh -c "mkdir -p /swap2 && race swap /swap2 $HOST/dir 100" >"$OCI/swap2" || true
	assert_has "$(cat "$OCI/swap2")" end
	refute_has "$(cat "$OCI/swap2")" WRONG
	assert_eq "$(find "$HOST/dir" -name 'n[0-9]*')" ""
}

@test "A80 process numbers that are used again give nobody another's rights" {
	own tids "" race
	capture inside "$ID" 60 sh -c 'mkdir -p /tids && exec race tids /tids 6'
	assert_match "$output" 'end [1-9][0-9]+ rounds'
	refute_has "$output" WRONG
}

@test "A81 A96 under signals at 10 kHz there are as many effects as successes" {
	capture inside "$MAIN" 80 sh -c 'mkdir -p /signals && exec race signals /signals 150'
	assert_match "$output" 'end [0-9]{3,} signals'
	refute_has "$output" WRONG
}

@test "A88 threads with descriptors of their own, and without the first thread" {
	capture inside "$MAIN" 30 sh -c 'mkdir -p /files && exec race files /files'
	assert_has "$output" end
	refute_has "$output" WRONG
}

@test "A95 threads of one process with different rights" {
	capture inside "$MAIN" 60 sh -c 'mkdir -p /creds && exec race creds /creds 150'
	assert_has "$output" end
	refute_has "$output" WRONG
}

# ---- other containers, the host ----------------------------------------------------------------------------

@test "A92 a flood of trapped calls does not hold up a peer, and nothing is logged" {
	local quiet loud
	own flood "" load
	bg_run inside "$ID" 60 load spin 8 16
	sleep 1
	quiet=$(inside "$MAIN" 30 load latency 150 /lat)
	bg_wait
	bg_run inside "$ID" 60 load flood 8 16
	sleep 1
	loud=$(inside "$MAIN" 30 load latency 150 /lat)
	bg_wait
	# Against the same number of threads that only count.
	set -- $quiet $loud
	[ "${11}" -lt $(($3 * 4 + 100000)) ] || fail "mount: $quiet; flooded: $loud"
	[ "${15}" -lt $(($7 * 4 + 100000)) ] || fail "read: $quiet; flooded: $loud"
	assert_eq "$(readlink "/proc/$(part "$ID" notify)/fd/2")" /dev/null
	assert_eq "$(readlink "/proc/$(part "$ID" monitor)/fd/2")" /dev/null
}

@test "A94 helpers are not there for anybody in the container" {
	own seen
	bg_run inside "$ID" 60 sh -c 'mkdir -p /p; i=0; while [ $i -lt 150 ]; do mount -t proc proc /p && umount /p || echo failed; i=$((i+1)); done; echo done >/done' >"$OCI/loop"
	# The runtime's own way into the container is over by then.
	eventually 10 test -d "$B/rootfs/p"
	inside "$ID" 60 sh -c 'while [ ! -e /done ]; do for p in /proc/[0-9]*; do n=$(cat $p/comm 2>/dev/null); [ -n "$n" ] && echo "$n"; done; done' |
		sort | uniq -c >"$OCI/seen"
	bg_wait
	refute_match "$(cat "$OCI/seen")" 'caisson|monitor|notify|procview|init:'
	# exe: busybox, when it starts one of its programs
	[ "$(awk '{print $2}' "$OCI/seen" | sort -u | grep -vcE '^(sh|exe|mount|umount|cat|sleep|busybox|\{.*|ls|grep)$')" -eq 0 ] || fail "$(cat "$OCI/seen")"
	assert_eq "$(cat "$OCI/loop")" ""
}

@test "A94 stopping everything that can be seen does not stop the supervisor" {
	own stopper
	# The same process mounts while another stops all but itself.
	capture inside "$ID" 60 sh -c 'mkdir -p /p; i=0; while [ $i -lt 100 ]; do mount -t proc proc /p && umount /p || echo failed; kill -STOP -1; i=$((i+1)); done; echo end'
	assert_eq "$output" end
	assert_eq "$(awk '/^State/ {print $2}' "/proc/$(part "$ID" notify)/status")" S
	assert_eq "$(awk '/^State/ {print $2}' "/proc/$(part "$ID" procview)/status")" S
}

# poorly LIMIT [--OPTION] - calls in a container whose worker has a limit by then; what they say
poorly() {
	local worker
	worker=$(part "$ID" notify)
	rm -f "$B/rootfs/go"
	# The listener of this process is there before the limit is.
	inside "$ID" 60 sh -c 'while [ ! -e /go ]; do sleep 0.1; done; mkdir -p /p; i=0
		while [ $i -lt 10 ]; do if mount -t proc proc /p 2>/dev/null; then cat /p/sys/kernel/random/boot_id; umount /p; fi; i=$((i+1)); done
		umount -l /p 2>/dev/null; echo end' >"$B/poor" 3>&- &
	sleep 0.5
	prlimit --pid "$worker" "$1"
	: >"$B/rootfs/go"
	wait $!
	assert_has "$(cat "$B/poor")" end "$1"
	refute_has "$(cat "$B/poor")" "$(boot_id)" "$1"
	kill -9 "$worker"
	eventually 5 ended "$worker"
}

@test "A97 a supervisor that runs out of files, memory or processes gives nothing away" {
	local more fds
	own poor
	for more in 0 1 2 3 4 6 8; do
		fds=$(find "/proc/$(part "$ID" notify)/fd" -type l | sed 's,.*/,,' | sort -n | tail -1)
		poorly --nofile=$((fds + 2 + more))
	done
	poorly --as=1000000
	poorly --nproc=1
	poorly --stack=4096
	poorly --fsize=0
	fine "$ID"
}

@test "A97 system calls of the supervisor that fail give nothing away" {
	local worker call tracer
	command -v strace || skip "no strace"
	own faulty
	for call in openat2 fsconfig fsmount move_mount open_tree setns unshare capset; do
		worker=$(part "$ID" notify)
		# Every second one.
		strace -qq -f -p "$worker" -e trace="$call" -e inject="$call":error=ENOMEM:when=1+2 -o /dev/null </dev/null >/dev/null 2>&1 3>&- &
		tracer=$!
		eventually 5 grep -q '^TracerPid:.[1-9]' "/proc/$worker/status"
		capture inside "$ID" 60 sh -c "mkdir -p /p; i=0; while [ \$i -lt 4 ]; do if mount -t proc proc /p 2>/dev/null; then cat /p/sys/kernel/random/boot_id; umount /p; fi
			mount --bind /proc /p 2>/dev/null && { cat /p/sys/kernel/random/boot_id; umount /p; }; umount /proc/swaps 2>/dev/null && umount /proc/swaps 2>/dev/null && cat /proc/swaps; i=\$((i+1)); done; umount -l /p 2>/dev/null; echo end"
		refute_has "$output" "$(boot_id)" "$call"
		assert_has "$output" end "$call"
		# It may be waiting for a process that waits for it: what counts is that it is gone.
		kill -TERM "$tracer" 2>/dev/null || true
		sleep 0.3
		kill -KILL "$tracer" 2>/dev/null || true
		wait "$tracer" 2>/dev/null || true
		kill -9 "$worker" 2>/dev/null || true
		eventually 5 ended "$worker"
	done
	fine "$ID"
}

@test "A97 a worker that was taken over makes no system call that is not its work: it ends, and is replaced" {
	local part call worker said
	own hijacked
	for part in notify procview; do
		assert_eq "$(awk '/^Seccomp:/ {print $2}' "/proc/$(part "$ID" $part)/status")" 2
		assert_eq "$(awk '/^NoNewPrivs:/ {print $2}' "/proc/$(part "$ID" $part)/status")" 1
		# execve, socket, ptrace, kill of the monitor, bpf, memory that is code, a process, another namespace of users
		for call in "59 0 0 0" "41 1 1 0" "101 16 1" "62 $(part "$ID" monitor) 9" "321 0 0 0" "9 0 4096 7 0x22 -1 0" "57" "272 0x10000000"; do
			worker=$(part "$ID" $part)
			# shellcheck disable=SC2086 # several arguments
			said=$("$TOOLS/hijack" "$worker" $call)
			assert_eq "$said" "ended by signal 31" "$part: $call"
			eventually 5 ended "$worker"
		done
		fine "$ID"
		# Control: a call that is its work, exit_group, and the same by a process without a fence.
		worker=$(part "$ID" $part)
		assert_eq "$("$TOOLS/hijack" "$worker" 231 0)" "ended by signal 0"
	done
	assert_match "$("$TOOLS/hijack" "$PID" 41 1 1 0)" 'returned [0-9]+'
	fine "$ID"
}

@test "A87 the registration socket is for root of the host, and takes nothing but listeners" {
	local sock monitor
	sock=$(find "$(oci_root_of "$CAISSON_RUNTIME")/$MAIN" -name monitor -type s)
	[ -S "$sock" ]
	assert_eq "$(stat -c '%u %a' "$sock")" "0 600"
	monitor=$(part "$MAIN" monitor)
	# As somebody else, even where the directories let him.
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$PYTHON" - "$sock" <<-'PY'
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		try:
		    s.connect(sys.argv[1])
		    print("connected")
		except OSError as e:
		    print(e.strerror)
	PY
	refute_has "$output" connected
	run "$PYTHON" - "$sock" <<-'PY'
		import array, os, socket, struct, sys, tempfile
		GIVE, COMMIT = 0x47565345, 0x434d4f4d
		def talk(data, fds=()):
		    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		    s.settimeout(5)
		    s.connect(sys.argv[1])
		    try:
		        s.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])
		        got = s.recv(64)
		    except OSError as e:
		        return "error " + e.strerror
		    return str(struct.unpack("i", got)[0]) if len(got) == 4 else "closed" if not got else "odd"
		r, w = os.pipe()
		null = os.open("/dev/null", os.O_RDWR)
		d = os.open("/", os.O_PATH)
		mem = os.memfd_create("x")
		a, b = socket.socketpair()
		give = struct.pack("I", GIVE)
		for name, data, fds in [("none", give, ()), ("pipe", give, (r,)), ("null", give, (null,)), ("dir", give, (d,)), ("memfd", give, (mem,)),
		        ("socket", give, (a.fileno(),)), ("two", give, (r, w)), ("three", give, (r, w, null)), ("four", give, (r, w, null, d)), ("many", give, (r,) * 200), ("commit", struct.pack("I", COMMIT), (r, w)),
		        ("zero", bytes(4), (r,)), ("short", give[:3], (r,)), ("long", give + b"x", (r,)), ("huge", bytes(60000), (r,)), ("one byte", b"x", ())]:
		    print(name, talk(data, fds))
		idle = []
		for i in range(200):
		    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		    s.connect(sys.argv[1])
		    idle.append(s)
		print("end")
		sys.stdout.flush()
	PY
	assert_has "$output" end
	refute_match "$output" ' (0|odd)$' "accepted"
	refute_match "$output" $' (0|odd)\n' "accepted"
	assert_eq "$(part "$MAIN" monitor)" "$monitor"
	[ "$(find "/proc/$monitor/fd" -type l | wc -l)" -lt 100 ]
	# Neither the socket nor its directory is in sight of the container.
	capture inside "$MAIN" 20 find / -xdev -name monitor -type s
	assert_eq "$output" ""
	fine
}

# ---- emulated files ----------------------------------------------------------------------------------------

# host_values FILE - all that /proc/sys says, except for what moves by itself
host_values() {
	find /proc/sys -type f -readable ! -path '*/net/*' ! -path '*/random/*' ! -name '*-state' ! -name '*-nr' ! -name ns_last_pid ! -path '*/quota/*' ! -path '*/pty/nr' \
		-exec grep -sH . {} + | sort >"$1"
	for f in net/core/{rmem,wmem}_{default,max} net/netfilter/nf_conntrack_{max,buckets}; do
		grep -sH . "/proc/sys/$f" >>"$1" || true # conntrack: a module
	done
	grep -sH . /sys/module/nf_conntrack/parameters/hashsize >>"$1" || true
}

@test "A31 whatever is written to emulated files, the host and other containers keep their values" {
	local peer
	own writer
	host_values "$OCI/values.before"
	sleep 1
	host_values "$OCI/values.again"
	peer=$(inside "$MAIN" 30 sh -c 'cat $(cut -d" " -f5 /proc/self/mountinfo | grep ^/proc/sys/ | sort)' | sha256sum)
	capture inside "$ID" 80 sh -c 'n=0; big=$(head -c 5000 /dev/zero | tr "\0" 9)
		for f in $(cut -d" " -f5 /proc/self/mountinfo | grep ^/proc/sys/) /sys/module/nf_conntrack/parameters/hashsize; do
			[ -e $f ] || continue
			for v in 0 1 2 -1 77 2147483647 -2147483648 4294967296 18446744073709551615 99999999999999999999 0x7f "1 2 3 4" "" abc "|/bin/sh %p" "$big"; do
				( printf "%s\n" "$v" >$f ) 2>/dev/null && n=$((n+1)); done; ( : >>$f ); done 2>/dev/null
		cat $(cut -d" " -f5 /proc/self/mountinfo | grep ^/proc/sys/) >/dev/null && echo "end $n"'
	assert_match "$output" 'end ([0-9]{3,})' "control: most take something"
	host_values "$OCI/values.after"
	run comm -13 <(cat "$OCI/values.before" "$OCI/values.again" | sort -u) <(sort -u "$OCI/values.after")
	assert_eq "$output" "" "changed on the host"
	assert_eq "$(inside "$MAIN" 30 sh -c 'cat $(cut -d" " -f5 /proc/self/mountinfo | grep ^/proc/sys/ | sort)' | sha256sum)" "$peer"
}

@test "A99 a procview that is stopped is replaced" {
	local old
	own stopped
	old=$(part "$ID" procview)
	kill -STOP "$old"
	works inside "$ID" 10 sh -c 'head -n 1 /proc/meminfo; cat /proc/sys/kernel/panic'
	eventually 5 ended "$old"
}

@test "A82 A99 a supervisor that is stopped altogether hinders neither the host's tools nor the end of the container" {
	local p
	own frozen "" load
	bg_run inside "$ID" 60 sh -c 'while cat /proc/meminfo /proc/sys/kernel/panic >/dev/null; do :; done'
	bg_run inside "$ID" 60 sh -c 'mkdir -p /p; while mount -t proc proc /p && umount /p; do :; done'
	sleep 0.5
	for p in monitor notify procview; do
		kill -STOP "$(part "$ID" $p)"
	done
	sleep 0.5
	for p in "ps auxww" "df -a" "ls -l /proc/$PID/root/bin" "cat /proc/$PID/status" "findmnt -N $PID" "pgrep -a -P $PID"; do
		timeout 10 $p >/dev/null 2>&1 || [ $? -ne 124 ] || fail "$p hangs"
	done
	works quick list
	works quick state "$ID"
	works inside "$MAIN" 10 head -n 1 /proc/meminfo
	SECONDS=0
	quick kill "$ID" KILL
	quick delete --force "$ID"
	[ "$SECONDS" -lt 15 ] || fail "$SECONDS s"
	gone "$ID"
	# Nobody but the host's root can have stopped them; as soon as they may, they end.
	continue_all "$ID"
	eventually 10 no_part "$ID"
}

@test "A82 with the worker stopped a container ends in time, and a call waits for the next worker" {
	own waits
	bg_run inside "$ID" 60 sh -c 'mkdir -p /p; while mount -t proc proc /p && umount /p; do :; done'
	kill -STOP "$(part "$ID" notify)"
	fine "$ID"
	kill -STOP "$(part "$ID" notify)"
	SECONDS=0
	quick kill "$ID" KILL
	eventually 5 has_status "$ID" stopped
	quick delete "$ID"
	[ "$SECONDS" -lt 8 ] || fail "$SECONDS s"
	gone "$ID"
}

@test "A102 an emulated file that another container is handed shows its owner's values" {
	local s file mine
	s=$(share fds)
	tool passfd
	own giver '.linux.resources.memory = {limit: 67108864}' passfd
	bind "$s" /s rw
	rt delete --force "$ID"
	bg
	local giver=$ID
	own taker '.linux.resources.memory = {limit: 134217728}' passfd
	bind "$s" /s rw
	rt delete --force "$ID"
	bg
	inside "$giver" 10 sh -c 'echo 77 >/proc/sys/kernel/panic'
	inside "$ID" 10 sh -c 'echo 88 >/proc/sys/kernel/panic'
	for file in /proc/meminfo /proc/sys/kernel/panic /proc/swaps /proc/stat; do
		bg_run inside "$ID" 20 passfd recv /s/sock >"$OCI/taker"
		eventually 5 test -S "$s/sock"
		works inside "$giver" 20 passfd send /s/sock "$file"
		bg_wait
		mine=$(sed -n 's/^own //p' <<<"$output")
		assert_has "$(cat "$OCI/taker")" end
		case $file in
		*meminfo)
			assert_match "$mine" 'MemTotal: +65536 kB'
			assert_has "$(cat "$OCI/taker")" "data $mine"
			;;
		*panic)
			assert_eq "$mine" 77
			assert_has "$(cat "$OCI/taker")" "data 77"
			;;
		esac
		rm -f "$s/sock"
	done
	works inside "$ID" 10 cat /proc/sys/kernel/panic
	assert_eq "$output" 88
}

@test "A102 users without rights cannot write, whoever opened the file for them" {
	capture inside "$MAIN" 20 su user -c 'echo 1 >/proc/sys/kernel/panic'
	[ "$status" -ne 0 ]
	# By a descriptor for reading of root's.
	capture inside "$MAIN" 20 sh -c 'su user -c "echo 1 >/proc/self/fd/9" 9</proc/sys/kernel/panic'
	[ "$status" -ne 0 ]
	capture inside "$MAIN" 20 sh -c 'su user -c "unshare -Ur sh -c \"echo 1 >/proc/sys/kernel/panic\""'
	[ "$status" -ne 0 ]
}

@test "A103 a hundred thousand opens leave nothing behind" {
	local before after fds view
	view=$(part "$MAIN" procview)
	inside "$MAIN" 30 load opens 1000 100
	before=$(rss "$view")
	fds=$(find "/proc/$view/fd" -type l | wc -l)
	works inside "$MAIN" 80 load opens 100000 15000
	assert_match "$output" 'end 100000 opens, 15000 held, 0 errors'
	after=$(rss "$view")
	assert_eq "$(part "$MAIN" procview)" "$view"
	[ "$after" -le $((before + 256)) ] || fail "from $before to $after kB"
	assert_eq "$(find "/proc/$view/fd" -type l | wc -l)" "$fds"
}

@test "A104 the connections cannot be aborted from inside" {
	own abort "$FUSE"
	capture inside "$ID" 30 sh -c 'mkdir -p /c; mount -t fusectl fusectl /c && echo mounted; ls /sys/fs/fuse/connections; for f in /sys/fs/fuse/connections/*/abort; do echo 1 >$f && echo aborted; done
		umount -f /proc/meminfo; umount -f /proc/sys/kernel/panic; mkdir -p /p; touch /m; mount --bind /proc/meminfo /m && umount -f /m; mount -t proc proc /p && umount -f /p; echo end'
	refute_has "$output" mounted
	refute_has "$output" aborted
	assert_has "$output" end
	fine "$ID"
	fine
}

@test "A105 what walks through a container's /proc from the host finishes" {
	local p
	own walked
	kill -STOP "$(part "$ID" procview)"
	for p in "$PID" "$MAIN_PID"; do
		(cd "/proc/$p/root/proc" && timeout 40 find . -path './[0-9]*' -prune -o -path ./sys/net -prune -o -ls) >"$OCI/walk" 2>/dev/null ||
			[ $? -ne 124 ] || fail "find hangs"
		[ "$(wc -l <"$OCI/walk")" -gt 100 ]
		(cd "/proc/$p/root/proc/sys" && timeout 40 grep -rsI . kernel vm) >"$OCI/walk" || [ $? -ne 124 ] || fail "grep hangs"
		assert_has "$(cat "$OCI/walk")" kernel/panic
	done
}

@test "A106 values of one container never show in another" {
	own tagged
	inside "$ID" 10 sh -c 'for f in $(cut -d" " -f5 /proc/self/mountinfo | grep ^/proc/sys/); do echo 87654321 >$f; done' 2>/dev/null || true
	works inside "$ID" 10 cat /proc/sys/kernel/panic
	assert_eq "$output" 87654321 "control"
	capture inside "$MAIN" 20 sh -c 'cat $(cut -d" " -f5 /proc/self/mountinfo | grep ^/proc/sys/)'
	refute_has "$output" 87654321
	capture inside "$MAIN" 20 sh -c 'mkdir -p /tag && mount -t proc proc /tag && cat /tag/sys/kernel/panic && umount /tag'
	refute_has "$output" 87654321
}
