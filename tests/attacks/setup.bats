# SPDX-License-Identifier: Apache-2.0
# Hostile images, hostile specs and races while a container is made or joined (rows A1-A24).

load attacks.bash

setup_file() {
	attack_open && tool swap watch
}

teardown_file() {
	oci_close
}

teardown() {
	[ -z "${SWAPPER:-}" ] || kill "$SWAPPER" 2>/dev/null || true
	[ -z "${AGENT:-}" ] || kill "$AGENT" 2>/dev/null || true
	attack_teardown
}

# As many "..": from wherever a leaked directory is, to the host's root
UP=../../../../../../../../../..

@test "A1 the runtime's program can not be overwritten by way of /proc/self/exe" {
	local how
	for how in /proc/self/exe /bin/evil; do
		bundle exe
		privileged
		printf '#!/proc/self/exe\n' >"$B/rootfs/bin/evil"
		chmod 0755 "$B/rootfs/bin/evil"
		cfg '.process.args = [$a, "spec"]' --arg a "$how"
		capture quick run --bundle "$B" "$ID"
		quick delete --force "$ID" || true
	done
	bundle writer
	privileged
	script_is 'while :; do for e in /proc/[0-9]*/exe; do case $(readlink $e) in */busybox) ;; ?*) echo "program $(readlink $e)"; ( echo x >>$e ) 2>/dev/null && echo "written $e";; esac; done; done 2>/dev/null'
	bg
	local i
	for i in $(seq 30); do
		quick exec "$ID" /proc/self/exe --version >/dev/null 2>&1 || true
		quick exec "$ID" /bin/true
	done
	refute_has "$(cat "$B/out")" written
	# host_unchanged compares the program's hash.
}

@test "A2 WORKDIR through /proc/self/fd/N never leaves the container, with run" {
	local n
	bundle cwd
	privileged
	for n in $(seq 0 24); do
		cfg '.process.cwd = $c' --arg c "/proc/self/fd/$n"
		attack_run "cat $UP$HOST/dir/marker; ls $UP/etc/debian_version; pwd"
		no_leak
		refute_has "$output" debian_version$'\n'
		[ "$status" -eq 0 ] || assert_has "$output" "chdir to cwd"
		quick delete --force "$ID" || true
	done
	for n in 3 5 7 8 9 10; do
		ln -sfn "/proc/self/fd/$n" "$B/rootfs/wd"
		cfg '.process.cwd = "/wd/'"$UP"'"'
		attack_run "cat ./$HOST/dir/marker"
		no_leak
		assert_match "$output" "chdir to cwd|can't open '\./$HOST/dir/marker'"
		quick delete --force "$ID" || true
	done
}

@test "A2 B7 WORKDIR and program through /proc/self/fd/N never leave the container, with exec" {
	local n
	bundle cwd
	privileged
	sleeper
	bg
	for n in $(seq 0 24); do
		capture quick exec --cwd "/proc/self/fd/$n" "$ID" /bin/sh -c "cat $UP$HOST/dir/marker"
		no_leak
		ln -sfn "/proc/self/fd/$n" "$B/rootfs/wd"
		capture quick exec --cwd "/wd/$UP" "$ID" /bin/sh -c "cat ./$HOST/dir/marker"
		no_leak
		capture quick exec "$ID" "/proc/self/fd/$n/$UP$BUSYBOX" cat "$HOST/dir/marker"
		[ "$status" -ne 0 ] || fail "fd $n: a program of the host runs: $output"
		capture quick exec "$ID" "/proc/self/fd/$n/$UP$HOST/token"
		refute_has "$output" "ermission denied" "fd $n: a path of the host is seen"
	done
}

@test "A3 a working directory that is a link out of the container makes nothing on the host" {
	local target
	for target in "$UP$HOST/made" "/..$HOST/made" "$HOST/made" /proc/self/root/../made /proc/1/root/made loop; do
		bundle wd
		ln -sfn "$target" "$B/rootfs/loop"
		cfg '.process.cwd = "/loop/deep/er"'
		attack_run 'pwd'
		assert_match "$output" '/deep/er$|chdir to cwd'
		[ ! -e "$HOST/made" ]
		quick delete --force "$ID" || true
		rm -rf "$B"
	done
}

# race LINK-TARGET - swap $D and a link to the target until the test ends
race() {
	ln -sfn "$1" "$D.link"
	"$TOOLS/swap" "$D" "$D.link" 3>&- &
	SWAPPER=$!
}

@test "A4 a mount point that a peer swaps for a link never leads out of the container" {
	bundle dest
	local s i
	s=$(share race)
	D=$s/sub
	mkdir "$D"
	mkdir -p "$HOST/dir"
	bind "$s" /shared rw
	bind "$(vol v)" /shared/sub rw
	touch "$B/vol/v/volume"
	race "$UP$HOST/dir"
	script_is "cat $HOST/dir/marker; ls /shared/sub/volume; awk '\$5 ~ /host/ {print}' /proc/self/mountinfo"
	for i in $(seq 300); do
		quick run --bundle "$B" "$ID" >>"$B/out" 2>&1 || quick delete --force "$ID" || true
	done
	output=$(cat "$B/out")
	no_leak
	[ "$(grep -c '/shared/sub/volume' <<<"$output")" -gt 0 ] || fail "no container came up"
}

@test "A5 a source that a peer swaps for a link out of the share is never shown" {
	bundle source
	local s i
	s=$(share race)
	D=$s/sub
	mkdir "$D"
	echo allowed >"$D/marker"
	bind "$D" /x ro
	race "$HOST/dir"
	script_is 'cat /x/marker'
	for i in $(seq 300); do
		quick run --bundle "$B" "$ID" >>"$B/out" 2>&1 || true
	done
	output=$(cat "$B/out")
	no_leak
	assert_has "$output" allowed
	assert_has "$output" "can't mount" "the race was run into"
	# Control: who decides by name falls for it.
	[ -n "$CAISSON_PEER" ] || return 0
	run in_loop_with_peer
	assert_has "$output" "host marker"
}

in_loop_with_peer() {
	local i
	for i in $(seq 40); do
		timeout 10 "$CAISSON_PEER" --root "$OCI/state-peer" run --bundle "$B" "$ID" </dev/null 2>&1 || true
	done
}

@test "A6 A12 mount points that are links make nothing on the host" {
	local at target n=0
	for at in proc sys dev dev/shm dev/pts etc/hosts data deep/er sys/fs/cgroup; do
		for target in "$UP$HOST/made" "$HOST/made" /proc/self/root/made; do
			bundle links
			mkdir -p "$B/vol/v" "$(dirname "$B/rootfs/$at")"
			echo x >"$B/vol/file"
			rm -rf "${B:?}/rootfs/$at"
			ln -sfn "$target" "$B/rootfs/$at"
			bind "$B/vol/v" /data rw
			bind "$B/vol/v" /deep/er rw
			bind "$B/vol/file" /etc/hosts rw
			attack_run 'echo up'
			[ ! -e "$HOST/made" ] || fail "$at -> $target"
			quick delete --force "$ID" || true
			rm -rf "$B"
			n=$((n + 1))
		done
	done
	[ "$n" -eq 27 ]
	# A file at the target of a kernel file system.
	for at in proc sys; do
		bundle file
		rm -rf "${B:?}/rootfs/$at"
		: >"$B/rootfs/$at"
		refused 'ordinary directory'
		rm -rf "$B"
	done
}

@test "A7 B8 an image's own /dev/null masks nothing: masked paths stay masked" {
	local kind dev
	for kind in file dir fifo link none; do
		for dev in mounted bare; do
			bundle "null-$kind-$dev"
			all_caps
			rm -f "$B/rootfs/dev/null"
			case $kind in
			file) echo 'from the image' >"$B/rootfs/dev/null" ;;
			dir) mkdir "$B/rootfs/dev/null" ;;
			fifo) mkfifo "$B/rootfs/dev/null" ;;
			link) ln -s /proc/sys/kernel/core_pattern "$B/rootfs/dev/null" ;;
			esac
			[ "$dev" = mounted ] || cfg '.mounts |= map(select(.destination | startswith("/dev") | not))'
			attack_run 'for f in /proc/kcore /proc/keys /proc/timer_list; do [ -e $f ] || continue; [ "$(head -c 9 $f 2>/dev/null | wc -c)" = 0 ] || echo "shown $f"; echo y >$f; [ "$(head -c 9 $f | wc -c)" = 0 ] || echo "kept $f"; done; echo x >/proc/sys/kernel/core_pattern; echo x >/proc/sysrq-trigger; echo end'
			if [ "$status" -eq 0 ]; then
				refute_has "$output" shown
				refute_has "$output" kept
				assert_has "$output" end
			else
				# A directory or a link where a node has to be bound: refusing is as good.
				[ "$dev" = bare ] || fail "$kind: $output"
			fi
			quick delete --force "$ID" || true
			rm -rf "$B"
		done
	done
}

@test "A8 A9 B8 links at /dev and /dev/console lead to nothing of the host's, with a terminal" {
	local at target
	for at in dev dev/console dev/pts dev/ptmx dev/pts/ptmx dev/pts/0; do
		for target in "$UP$HOST/token" "$HOST/dir" /etc /proc/1/root/dev /proc/sysrq-trigger; do
			bundle console
			rm -rf "${B:?}/rootfs/$at"
			mkdir -p "$(dirname "$B/rootfs/$at")"
			ln -sfn "$target" "$B/rootfs/$at"
			cfg '.process.terminal = true | .mounts |= map(select(.destination != "/dev")) | .process.args = ["/bin/echo", "came up"]'
			in_tty timeout 20 "$CAISSON_RUNTIME" --root "$(oci_root_of "$CAISSON_RUNTIME")" --settings "$SETTINGS" run --bundle "$B" "$ID" >"$B/out" 2>&1 || true
			grep -qaE 'came up|mount point /dev/' "$B/out" || fail "$at -> $target: $(tr -d '\0' <"$B/out")"
			quick delete --force "$ID" || true
			host_unchanged || fail "$at -> $target"
			rm -rf "$B"
		done
	done
}

@test "A10 standard streams of all kinds keep owner and mode on the host" {
	bundle stdio
	ln -sfn "$HOST/token" "$B/rootfs/dev/null"
	cfg '.process.user = {uid: 1000, gid: 1000}'
	script_is 'echo x; echo y >&2; cat >/dev/null'
	local f=$OCI/stream before
	mkfifo "$f.fifo"
	echo in >"$f.in"
	: >"$f.out"
	before=$(stat -c '%n %u %g %a' "$f".* /dev/null /dev/tty /dev/full)
	local base
	base="$CAISSON_RUNTIME --root $(oci_root_of "$CAISSON_RUNTIME") --settings $SETTINGS run --bundle $B $ID"
	timeout 20 sh -c "$base" <"$f.in" >"$f.out" 2>>"$f.out"
	timeout 20 sh -c "$base" </dev/null >/dev/null 2>/dev/full || true
	timeout 20 sh -c "exec 8<>$f.fifo; $base <&8 & sleep 1; echo >&8; wait" >"$f.out" 2>&1 || true
	quick delete --force "$ID" || true
	timeout 20 sh -c "$base <&- >&- 2>&-" || true
	quick delete --force "$ID" || true
	assert_eq "$(stat -c '%n %u %g %a' "$f".* /dev/null /dev/tty /dev/full)" "$before"
	rm -f "$f".*
}

@test "A11 values that the runtime sets land where they belong or nowhere, whatever the image has at /proc" {
	local how
	for how in fake link bind tmpfs; do
		bundle "procfs-$how"
		privileged
		cfg '.linux.sysctl = {"kernel.msgmax": "9999", "net.ipv4.ip_forward": "1"} | .process.oomScoreAdj = 100'
		mkdir -p "$B/rootfs/proc/sys/kernel" "$B/rootfs/proc/self" "$B/rootfs/p2"
		case $how in
		fake) cfg '.mounts |= map(select(.destination != "/proc"))' && echo 1 >"$B/rootfs/proc/sys/kernel/msgmax" ;;
		link) rm -rf "$B/rootfs/proc" && ln -s /p2 "$B/rootfs/proc" && cfg '.mounts |= map(select(.destination != "/proc"))' ;;
		bind) bind "$(vol v)" /proc rw ;;
		tmpfs) cfg '.mounts += [{destination: "/proc", type: "tmpfs", source: "tmpfs", options: []}]' ;;
		esac
		attack_run 'mkdir -p /real; mount -t proc proc /real 2>/dev/null; cat /real/sys/kernel/msgmax /real/sys/net/ipv4/ip_forward /real/self/oom_score_adj 2>/dev/null; echo end'
		if [ "$status" -eq 0 ]; then
			assert_match "$output" '^(9999.1.100.)?end$' "$how"
		else
			assert_match "$output" 'error mounting .* at ."/proc' "$how"
		fi
		quick delete --force "$ID" || true
		rm -rf "$B"
	done
}

@test "A14 what a tmpfs copies up never follows a link out of the image" {
	bundle copyup
	mkdir -p "$B/rootfs/v/real"
	ln -s "$HOST/dir/marker" "$B/rootfs/v/abs"
	ln -s "$UP$HOST/dir/marker" "$B/rootfs/v/rel"
	ln -s "/proc/self/root/..$HOST/dir" "$B/rootfs/v/magic"
	ln -s "$HOST/dir" "$B/rootfs/v/dir"
	mkfifo "$B/rootfs/v/fifo"
	cfg '.mounts += [{destination: "/v", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"]}]'
	attack_run 'find /v -type f | while read -r f; do cat $f; done; cat /v/abs /v/rel /v/magic/marker /v/dir/marker; ls /v'
	no_leak
	assert_has "$output" real
}

@test "A15 A72 no label or annotation changes what a container gets" {
	local script='grep -E "^(Cap|Seccomp|NoNew)" /proc/self/status; cat /proc/self/uid_map; cut -d" " -f4- /proc/self/mountinfo | wc -l; ls /dev | sort | tr "\n" " "'
	bundle plain
	attack_run "$script"
	local plain=$output
	assert_eq "$status" 0
	assert_match "$plain" 'CapEff:.* 65536'
	bundle noted '.annotations = {"run.oci.keep_original_groups": "1", "run.oci.handler": "krun", "run.oci.hooks.stdout": "'"$HOST"'/made",
		"run.oci.mount_context_type": "x", "run.oci.systemd.subgroup": "x", "run.oci.delegate-cgroup": "/", "run.oci.seccomp.receiver": "'"$HOST"'/made",
		"run.oci.seccomp_bpf_data": "AAAA", "run.oci.seccomp_fail_unknown_syscall": "0", "org.systemd.property.DevicePolicy": "\"auto\"",
		"org.systemd.property.ExecStart": "\"/bin/sh\"", "org.criu.config": "'"$HOST"'/made", "io.kubernetes.cri-o.userns-mode": "host", "com.docker.sysbox": "off",
		"io.kubernetes.cri.container-type": "sandbox", "module.wasm.image/variant": "compat", "io.container.manager": "x", "caisson.privileged": "true", "caisson.userns": "host"}'
	attack_run "$script"
	sed_base() { sed -E 's/ +[0-9]+ +65536$/ BASE 65536/' <<<"$1"; }
	assert_eq "$(sed_base "$output")" "$(sed_base "$plain")"
	[ ! -e "$HOST/made" ]
}

@test "A16 users that are no plain numbers in range are refused" {
	local u
	bundle users
	sleeper
	bg
	for u in -1 4294967296 4294967295 65536 99999999999999999999 0x0 ' 0' '0 ' +0 1e3 1.5 '' ':' '0:' ':0' '0:-1' '0:4294967296' '0:65536' root 'root:root' '0:0:0' '٠' $'0\n' "0;id"; do
		capture quick exec --user "$u" "$ID" /bin/id -u
		if [ "$status" -eq 0 ]; then
			[[ $u == '' ]] || fail "accepted: '$u': $output"
		fi
	done
	capture quick exec --user 1000:1000 "$ID" /bin/id -u
	assert_eq "$output" 1000
	for u in -1 65536 4294967296 '"0"' 1.5 null; do
		bundle "spec-$RANDOM" '.process.user.uid = '"$u"
		[ "$u" = null ] || refused .
		rm -rf "$B"
	done
}

@test "A16 A24 account files of the image can not stop or mislead a start" {
	local kind
	for kind in fifo dir huge link; do
		bundle "passwd-$kind"
		cfg '.process.env = ["PATH=/bin"]'
		rm -f "$B/rootfs/etc/passwd" "$B/rootfs/etc/group"
		case $kind in
		fifo) mkfifo "$B/rootfs/etc/passwd" "$B/rootfs/etc/group" ;;
		dir) mkdir "$B/rootfs/etc/passwd" ;;
		huge) truncate -s 20G "$B/rootfs/etc/passwd" ;;
		link) ln -s "$UP$HOST/token" "$B/rootfs/etc/passwd" ;;
		esac
		# Programs and libraries that a helper might fall for.
		mkdir -p "$B/rootfs/lib/x86_64-linux-gnu" "$B/rootfs/usr/bin"
		echo /lib/evil.so >"$B/rootfs/etc/ld.so.preload"
		printf '#!/bin/sh\ntouch %s/made\n' "$HOST" >"$B/rootfs/usr/bin/unpigz"
		chmod 0755 "$B/rootfs/usr/bin/unpigz"
		attack_run 'echo "home $HOME"'
		assert_eq "$output" "home /" "$kind"
		rm -rf "$B"
	done
	if [ -z "${CAISSON_SANITIZED:-}" ]; then # which are libraries
		run ldd "$CAISSON_RUNTIME"
		assert_match "$output" 'statically linked|not a dynamic executable' "the runtime loads no library at run time"
	fi
}

@test "A17 inheritable and ambient capabilities are empty unless asked for" {
	local u
	for u in 0 1000; do
		bundle caps
		all_caps
		cfg '.process.user = {uid: $u, gid: $u}' --argjson u "$u"
		script_is 'grep -E "^Cap(Inh|Amb)" /proc/self/status; exec sleep 20'
		bg
		eventually 5 grep -q CapAmb "$B/out"
		refute_match "$(cat "$B/out")" '[1-9a-f]$'
		capture quick exec --user "$u" "$ID" /bin/grep -E '^Cap(Inh|Amb)' /proc/self/status
		refute_match "$output" '[1-9a-f]$'
		capture quick exec --user "$u" --cap CAP_NET_ADMIN "$ID" /bin/grep -E '^Cap(Inh|Amb)' /proc/self/status
		refute_match "$output" '[1-9a-f]$'
		quick delete --force "$ID"
	done
}

@test "A18 supplementary groups are those of the spec and no others" {
	bundle groups '.process.user = {uid: 1000, gid: 1000, additionalGids: [5, 7]}'
	script_is 'grep ^Groups /proc/self/status; exec sleep 20'
	bg
	eventually 5 grep -q Groups "$B/out"
	assert_eq "$(tr -s ' \t' ' ' <"$B/out")" "Groups: 5 7 "
	run setpriv --groups 4,27,999 timeout 10 "$CAISSON_RUNTIME" --root "$(oci_root_of "$CAISSON_RUNTIME")" --settings "$SETTINGS" exec --user 1000:1000 --additional-gids 9 "$ID" /bin/grep ^Groups /proc/self/status
	refute_match "$output" '(^|[^0-9])(4|27|999|65534)([^0-9]|$)'
	assert_has "$output" 9
}

@test "A20 container ids that are no names are refused and touch nothing" {
	local id
	bundle ids
	for id in . .. ../x a/b /x x/ "$(printf 'a\nb')" "$(printf '%1100s' '' | tr ' ' x)" '' 'a b' 'a*' '-x' 'a;b' $'a\tb' '~' 'a:b'; do
		case $id in -*) continue ;; esac
		run quick create --bundle "$B" "$id"
		[ "$status" -ne 0 ] || fail "accepted: '$id'"
		run quick state "$id"
		[ "$status" -ne 0 ]
		run quick delete --force "$id"
	done
	[ ! -e "$OCI/x" ]
}

@test "A20 nobody but root reads or plants state" {
	bundle modes
	sleeper
	bg
	local d bad
	for d in "$(oci_root_of "$CAISSON_RUNTIME")" /run/caisson/ids /run/caisson/seccomp; do
		[ -e "$d" ] || continue
		assert_eq "$(stat -c '%u %a' "$d")" "0 700" "$d"
	done
	bad=$(find "$(oci_root_of "$CAISSON_RUNTIME")/$ID" -type f -perm /077)
	assert_eq "$bad" ""
	assert_eq "$(stat -c '%u %a' /run/caisson)" "0 711"
	run setpriv --reuid 65534 --regid 65534 --clear-groups ls "$(oci_root_of "$CAISSON_RUNTIME")/$ID"
	[ "$status" -ne 0 ]
	# A registry or a root that somebody else could write to is not used.
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$CAISSON_RUNTIME" --root "$OCI/other" list
	[ "$status" -ne 0 ]
}

@test "A21 A33 A68 nothing of the runtime can be seen from inside while it joins, in 100 execs" {
	bundle watch
	privileged
	with_tool watch
	cfg '.process.args = ["/bin/watch", $n, "40"]' --arg n "$(basename "$CAISSON_RUNTIME")"
	bg
	local i
	for i in $(seq 100); do
		quick exec "$ID" /bin/true
	done
	# The watcher ends at once, and with it whoever told it so.
	quick exec "$ID" /bin/touch /tmp/watch-stop || true
	eventually 10 grep -q looked "$B/out"
	output=$(cat "$B/out")
	refute_match "$output" 'GOT (link|open|environ|maps|mem|fd|ptrace)'
	refute_match "$output" 'GOT cmdline: .*--root'
	[ "$(sed -n 's/looked \([0-9]*\) .*/\1/p' "$B/out")" -gt 0 ] || fail "the watcher saw none of 100"
}

@test "A21 A34 a container whose pid namespace is joined sees nothing of the one that is being made" {
	bundle watch
	privileged
	with_tool watch
	cfg '.process.args = ["/bin/watch", $n, "30"]' --arg n "$(basename "$CAISSON_RUNTIME")"
	bg
	local i first=$ID b1=$B pid=$PID
	bundle joiner
	cfg '(.linux.namespaces[] | select(.type == "pid")).path = $p' --arg p "/proc/$pid/ns/pid"
	for i in $(seq 30); do
		quick run --bundle "$B" "$ID"
	done
	rt exec "$first" /bin/touch /tmp/watch-stop || true # process 1 ends of it and takes it along
	eventually 10 grep -q looked "$b1/out"
	output=$(cat "$b1/out")
	rt delete --force "$first"
	rm -rf "$b1"
	refute_match "$output" 'GOT (link|open|environ|maps|mem|fd|ptrace)'
	refute_match "$output" 'GOT mountinfo: .* /(etc|home|usr|var/lib)[ /]'
	refute_match "$output" 'GOT mountinfo: [0-9]+ [0-9]+ [0-9:]+ / / [a-z,=0-9]+ (shared:[0-9]+ )?- (ext4|xfs|btrfs|overlay)'
	refute_match "$output" 'GOT cmdline: .*--root'
}

@test "A21 the seccomp listener of an exec is taken from the new process, never from the container's process 1" {
	bundle listener
	privileged
	cfg '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: $p, architectures: ["SCMP_ARCH_X86_64"],
		syscalls: [{names: ["sethostname"], action: "SCMP_ACT_NOTIFY"}]}' --arg p "$OCI/agent"
	# An agent that says what kind of file each container and exec hands over, and keeps it open.
	$PYTHON - "$OCI/agent" >"$B/agent" 3>&- <<-'PY' &
		import array, os, socket, sys
		s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()
		kept = []
		while True:
		    c, _ = s.accept()
		    m, anc, _, _ = c.recvmsg(65536, 4096)
		    for _, _, data in anc:
		        a = array.array("i"); a.frombytes(data[:len(data) // 4 * 4]); kept += list(a)
		        for f in a: print(os.readlink("/proc/self/fd/%d" % f), flush=True)
	PY
	AGENT=$!
	eventually 5 test -S "$OCI/agent"
	# Process 1 has open files at every number that the runtime could be told.
	script_is 'for i in 3 4 5 6 7 8 9; do eval "exec $i</bin/busybox"; done; echo up; exec sleep 30'
	bg
	eventually 5 grep -q up "$B/out"
	capture quick exec "$ID" /bin/true
	kill "$AGENT"
	assert_eq "$(sort -u "$B/agent")" "anon_inode:seccomp notify"
	assert_eq "$(wc -l <"$B/agent")" 2
}

@test "A22 no mapping of a spec gives a container an id of the host" {
	local maps base
	for maps in '[{containerID: 0, hostID: 0, size: 65536}]' '[{containerID: 0, hostID: 0, size: 4294967295}]' '[{containerID: 0, hostID: 1000, size: 1}]' \
		'[{containerID: 0, hostID: 65535, size: 65536}]' '[{containerID: 0, hostID: 100000, size: 1}, {containerID: 1, hostID: 0, size: 1}]' '[]' \
		'[{containerID: 5, hostID: 0, size: 1}]' '[{containerID: 0, hostID: 4294901760, size: 65535}]'; do
		bundle map '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = '"$maps"' | .linux.gidMappings = '"$maps"
		script_is 'exec sleep 20'
		if quick run --detach --bundle "$B" "$ID" >"$B/out" 2>&1; then
			PID=$(rt state "$ID" | jq .pid)
			assert_idmap "$(cat "/proc/$PID/uid_map")"
			assert_idmap "$(cat "/proc/$PID/gid_map")"
			base=$(map_base "$PID")
			[ -e "/run/caisson/ids/$base" ] || fail "$base is in no ledger"
			quick delete --force "$ID"
		fi
		rm -rf "$B"
	done
	bundle none '.linux.namespaces |= map(select(.type != "user"))'
	attack_run 'cat /proc/self/uid_map'
	assert_idmap "$output"
}

@test "A23 namespaces of the host and of strangers can not be joined" {
	local type path stranger
	# The host's own, by every name that leads to it.
	for type in pid:pid network:net ipc:ipc uts:uts mount:mnt; do
		for path in "/proc/self/ns/${type#*:}" "/proc/$$/ns/${type#*:}" "/proc/self/root/proc/$$/ns/${type#*:}" "/proc/thread-self/ns/${type#*:}"; do
			bundle join '(.linux.namespaces[] | select(.type == "'"${type%:*}"'")).path = "'"$path"'"'
			refused "share|not supported" "$type $path"
			rm -rf "$B"
		done
	done
	for type in user cgroup time; do
		bundle own '.linux.namespaces += [{type: "'$type'", path: "/proc/'$$'/ns/'$type'"}]'
		script_is 'cat /proc/self/uid_map; exec sleep 20'
		quick run --detach --bundle "$B" "$ID" >"$B/out" 2>&1
		PID=$(rt state "$ID" | jq .pid)
		[ "$(ns_of "$PID" "$type")" != "$(ns_of $$ "$type")" ] || fail "$type namespace is the host's"
		assert_idmap "$(cat "/proc/$PID/uid_map")"
		quick delete --force "$ID"
		rm -rf "$B"
	done
	# A stranger's: not isolated, or isolated by somebody else.
	unshare --pid --ipc --uts --fork sleep 30 3>&- &
	eventually 5 pgrep -P $!
	stranger=$(pgrep -P $!)
	for type in pid ipc; do
		bundle stranger '(.linux.namespaces[] | select(.type == "'$type'")).path = "/proc/'"$stranger"'/ns/'$type'"'
		refused "not isolated" "$type"
		rm -rf "$B"
	done
	kill "$stranger"
	unshare --user --map-root-user --pid --ipc --net --fork sleep 30 3>&- &
	eventually 5 pgrep -P $!
	stranger=$(pgrep -P $!)
	for type in pid:pid ipc:ipc network:net; do
		bundle stranger2 '(.linux.namespaces[] | select(.type == "'"${type%:*}"'")).path = "/proc/'"$stranger"'/ns/'"${type#*:}"'"'
		refused "not made by this runtime" "$type"
		rm -rf "$B"
	done
	kill "$stranger"
	# What is no namespace, and namespaces of two containers.
	for path in /etc/passwd /proc/$$/ns/net /nowhere "$HOST/dir/marker" /dev/zero; do
		bundle nons '(.linux.namespaces[] | select(.type == "ipc")).path = "'"$path"'"'
		refused . "$path"
		rm -rf "$B"
	done
}

@test "A19 checkpoint and restore are refused" {
	bundle criu
	sleeper
	bg
	run quick checkpoint "$ID"
	[ "$status" -ne 0 ]
	run quick restore "$ID"
	[ "$status" -ne 0 ]
}
