# SPDX-License-Identifier: Apache-2.0
# What root of a container can do with all capabilities: to the kernel, to other containers, by files, groups and devices
# (rows A26-A36, A57-A66, A70-A77, A83).

load attacks.bash

setup_file() {
	attack_open && tool calls nodes keys compat sweep
}

teardown_file() {
	oci_close
}

teardown() {
	attack_teardown
}

@test "A57 A58 no system call that acts on the host is permitted" {
	bundle calls
	privileged
	with_tool calls
	attack_run 'exec calls'
	assert_eq "$status" 0
	local name result bad=
	while read -r name result; do
		case $name:$result in
		*:EPERM | *:EACCES | *:ENOSYS) ;;
		# Refused by its arguments before or after the right was checked, or by emulation of the pid namespace.
		reboot_bad_command:EINVAL | quotactl:ENOENT | quotactl:ENOTBLK | fanotify_filesystem:EINVAL | *:EOPNOTSUPP) ;;
		socket_audit:0 | userfaultfd_kernel:0 | audit_get:ECONNREFUSED | audit_get:EPROTONOSUPPORT | socket_audit:EPROTONOSUPPORT) ;;
		*) bad+=" $name=$result" ;;
		esac
	done <<<"$output"
	assert_eq "$bad" "" "permitted"
	[ "$(grep -c . <<<"$output")" -ge 55 ]
	run "$TOOLS/calls" readonly
	assert_match "$output" 'bpf_prog_next_id (0|ENOENT)' "control: the host is permitted"
	assert_match "$output" 'perf_cpu_wide 0' "control: the host is permitted"
}

@test "A26 A35 of all files of /proc/sys and /sys only those of namespaces take a write" {
	bundle sweep
	privileged
	with_tool sweep
	# Write-only files of the kernel's are only opened.
	attack_run 'sweep /proc/sys /sys 2>/tmp/n; cat /tmp/n'
	assert_eq "$status" 0
	local f bad=
	printf '%s\n' "$output" >"$B/sweep"
	while read -r f; do
		case ${f#open } in
		/proc/sys/net/* | /proc/sys/user/* | /proc/sys/fs/mqueue/*) ;;
		/proc/sys/kernel/msg* | /proc/sys/kernel/sem* | /proc/sys/kernel/shm* | /proc/sys/kernel/auto_msgmni) ;; # ipc
		/proc/sys/kernel/hostname | /proc/sys/kernel/domainname) ;; # uts
		/proc/sys/kernel/ns_last_pid | /proc/sys/kernel/pid_max) ;; # pid
		/proc/sys/fs/binfmt_misc/*) ;; # user, Linux 6.7
		/sys/devices/virtual/net/* | /sys/class/net/*) ;; # interfaces of its own
		/sys/fs/cgroup/*) ;; # another mount: judged by A70, A73
		*' files') ;;
		*) bad+=" $f" ;;
		esac
	done <<<"$output"
	assert_eq "$bad" "" "written"
	assert_match "$output" '/proc/sys/net/' "control: what is the container's own can be written"
	[ "$(sed -n 's/ files$//p' <<<"$output")" -ge 2000 ] || fail "only $(tail -1 <<<"$output")"
}

@test "A26 knobs that own the host can not be opened for writing, nor by an alias" {
	bundle knobs
	privileged
	attack_run 'for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/hotplug /proc/sys/vm/drop_caches \
			/proc/sysrq-trigger /proc/sys/kernel/sysrq /proc/sys/fs/suid_dumpable /sys/kernel/uevent_helper /proc/kcore /proc/1/mem /dev/mem; do
		for p in "" /proc/self/root /proc/1/root /proc/self/cwd /proc/thread-self/root /proc/self/fd/9/..; do
			[ -e $p$f ] || continue; case $f in /proc/1/mem) [ -z "$p" ] && continue;; esac
			( : >>$p$f ) 2>/dev/null && echo "opened $p$f" && (echo 1 >$p$f) 2>/dev/null; done; done 9</bin; echo end'
	# Memory of the container's own process 1 is the container's. So are the emulated settings: that the host has what it
	# had is looked at after each attack.
	output=$(grep -vE '/proc/1/mem|^opened .*/proc/sys/(kernel/(core_pattern|sysrq)|fs/suid_dumpable)$' <<<"$output")
	assert_eq "$output" end
}

@test "A30 sensitive files of the kernel give nothing" {
	bundle sensitive
	all_caps
	attack_run 'for f in /proc/kcore /proc/keys /proc/timer_list /proc/acpi/* /proc/scsi/* /sys/firmware/* /proc/kmsg /proc/slabinfo /proc/vmallocinfo /proc/pagetypeinfo /sys/kernel/debug/* /sys/kernel/tracing/* /sys/kernel/security/* /sys/kernel/slab/* /sys/fs/pstore/* /sys/firmware/efi/*; do
		[ -f $f ] && n=$(head -c 64 $f 2>/dev/null | wc -c) && [ "$n" -gt 0 ] && echo "read $f"; done
		awk "\$1 !~ /^0+\$/ {n++} END {print \"addresses\", n + 0}" /proc/kallsyms; echo end'
	assert_eq "$output" "$(printf 'addresses 0\nend')"
}

@test "A32 no alias of a mask shows what is below it" {
	bundle alias
	all_caps
	attack_run 'mkdir -p /m /deep; mount --rbind /proc /m; ln -s /proc/self/root/proc /deep/l; exec 8</proc 9</proc/self
		for p in /proc /proc/self/root/proc /proc/1/root/proc /proc/thread-self/root/proc /proc/self/cwd/proc /m /deep/l /proc/self/fd/8 /proc/self/fd/9/.. /proc/self/task/1/root/proc \
			/proc/net/../.. /m/self/root/proc /m/self/root/m /proc/self/root/proc/self/root/proc /dev/fd/8 //proc /./proc /proc/../proc /bin/../proc; do
			for f in kcore keys timer_list; do [ -e $p/$f ] || continue; n=$((n + 1)); [ "$(head -c 64 $p/$f 2>/dev/null | wc -c)" = 0 ] || echo "shown $p/$f"
			( echo x >$p/sysrq-trigger ) 2>/dev/null && echo "written $p"; done; done; [ "$n" -gt 30 ] && echo end'
	assert_eq "$output" end
}

@test "A36 values of the own process with an effect outside can not be lowered" {
	bundle self
	privileged
	attack_run 'echo -1000 >/proc/self/oom_score_adj; cat /proc/self/oom_score_adj; for i in $(seq 1 300); do eval "exec 9<>/proc/pressure/memory" && echo "some 150000 1000000" >&9; done 2>/dev/null; echo end'
	refute_match "$output" '^-'
	assert_has "$output" end
}

@test "A59 processes outside can not be seen, signalled, traced or read" {
	bundle signals
	privileged
	echo 'victim:x:424242:424242::/:/bin/sh' >>"$B/rootfs/etc/passwd" # renice wants a name
	setpriv --reuid 424242 sleep 30 3>&- &
	local victim=$! nice
	nice=$(awk '{print $19}' "/proc/$victim/stat")
	attack_run "kill -0 $victim && echo signalled; kill -9 $victim; ls -d /proc/$victim; cat /proc/$victim/environ; renice -n 5 -p $victim; renice -n 5 -u victim; kill -9 -1; echo end"
	assert_match "$output" $'\nend$'
	refute_has "$output" signalled
	kill -0 "$victim" || fail "the process on the host is dead"
	assert_eq "$(awk '{print $19}' "/proc/$victim/stat")" "$nice" "nice value"
	kill "$victim"
}

@test "A59 A107 two containers can not reach each other's processes and files by ids" {
	local s first second
	s=$(share peers)
	chmod 0777 "$s"
	bundle one
	privileged
	bind "$s" /s rw
	# Root is the owner of the share in every container; anybody else is an id of this container's.
	script_is 'echo secret >/s/f; chmod 0600 /s/f; chown 1234:1234 /s/f; echo ready; exec sleep 60'
	bg
	eventually 5 grep -q ready "$B/out"
	first=$PID
	local id1=$ID b1=$B
	bundle two
	privileged
	bind "$s" /s rw
	echo 'peer:x:1234:1234::/:/bin/sh' >>"$B/rootfs/etc/passwd"
	sleeper
	bg
	second=$PID
	[ "$(map_base "$first")" != "$(map_base "$second")" ]
	capture quick exec "$ID" /bin/sh -c 'kill -9 -1; ls /s; cat /s/f; echo x >>/s/f; chown 0:0 /s/f; chmod 0666 /s/f; su peer -c "cat /s/f"; echo end'
	assert_match "$output" $'(^|\n)f\n.*\nend$'
	assert_eq "$(grep -c 'ermission denied\|not permitted' <<<"$output")" 5 "$output"
	assert_eq "$(cat "$s/f")" secret
	# The second container's root, let into the pid namespace of the host: only ids keep it from the first's processes.
	capture nsenter --user --target "$second" -- sh -c "kill -0 $second && head -c 4 /proc/$second/environ && echo own
		kill -9 $first && echo KILLED; cat /proc/$first/environ /proc/$first/root/bin/sh; echo end"
	assert_has "$output" "own" "control: its own it may"
	assert_match "$output" $'\nend$'
	refute_has "$output" KILLED
	assert_eq "$(grep -ac 'ermission denied\|not permitted' <<<"$output")" 3 "$output"
	kill -0 "$first"
	rt delete --force "$id1"
	rm -rf "$b1"
}

@test "A60 the network of the host is out of reach" {
	bundle net
	privileged
	attack_run 'ip link add dummy9 type dummy; ip link set dummy9 netns 1 2>/dev/null; ls /sys/class/net; ip link set eth0 down; cat /proc/net/dev | wc -l; nc -w 1 127.0.0.1 22 </dev/null && echo reached; echo end'
	refute_has "$output" reached
	assert_has "$output" end
	run ip link show dummy9
	[ "$status" -ne 0 ]
}

@test "A61 a file capability of one container is none in another, nor on the host" {
	bundle fcap
	privileged
	local s
	s=$(share fcap)
	tool setcap whoami2
	cp "$TOOLS/setcap" "$B/rootfs/bin/setcap"
	cp "$TOOLS/whoami2" "$s/prog"
	chown 1000:1000 "$s/prog"
	chmod 0755 "$s" "$s/prog"
	bind "$s" /s rw
	attack_run 'setcap /s/prog && su user -c "/bin/setcap show /s/prog"; echo end'
	assert_has "$output" end
	# In the container the capability is good, for a user of the host's it is not.
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$TOOLS/setcap" show "$s/prog"
	refute_has "$output" "root 0"
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$TOOLS/setcap" run "$s/prog"
	assert_has "$output" "effective 0"
}

@test "A63 keys of the host's session do not come into a container with run" {
	bundle keys
	privileged
	with_tool keys
	script_is 'exec keys look'
	run "$TOOLS/keys" hold "$(cat "$HOST/token")" timeout 20 "$CAISSON_RUNTIME" --root "$(oci_root_of "$CAISSON_RUNTIME")" --settings "$SETTINGS" run --bundle "$B" "$ID"
	assert_has "$output" "session"
	no_leak
	run "$TOOLS/keys" hold "$(cat "$HOST/token")" "$TOOLS/keys" look
	assert_has "$output" "$(cat "$HOST/token")" "control: the session has the key"
}

@test "A63 keys of the host's session do not come into a container with exec" {
	bundle keys
	privileged
	with_tool keys
	sleeper
	bg
	run "$TOOLS/keys" hold "$(cat "$HOST/token")" timeout 20 "$CAISSON_RUNTIME" --root "$(oci_root_of "$CAISSON_RUNTIME")" --settings "$SETTINGS" exec "$ID" /bin/keys look
	assert_has "$output" "session"
	no_leak
}

@test "A63 A111 the key quota of one container is not that of another or of the host" {
	local first
	bundle k1
	privileged
	with_tool keys
	script_is 'exec keys fill 100000 hold'
	first=$ID
	quick run --bundle "$B" "$ID" >"$B/out" 2>&1 &
	eventually 10 grep -q added "$B/out"
	assert_match "$(cat "$B/out")" 'added [0-9]+'
	local b1=$B
	bundle k2
	privileged
	with_tool keys
	attack_run 'exec keys fill 20'
	assert_has "$output" "added 20"
	run "$TOOLS/keys" fill 20
	assert_has "$output" "added 20"
	rt delete --force "$first"
	wait %% || true
	rm -rf "$b1"
}

@test "A65 A66 only the standard descriptors reach the container, in run and in exec" {
	bundle fds
	privileged
	local i cmd='ls -l /proc/self/fd | awk "\$9 > 2 && \$11 !~ /^(.proc.[0-9]+.fd)?\$/ {print}"; echo end'
	script_is "$cmd; exec sleep 30"
	(
		for i in $(seq 10 110); do
			eval "exec $i<'$HOST/token'"
			eval "exec $((i + 110))<'$HOST'"
		done
		bg
		quick exec "$ID" /bin/sh -c "$cmd" >"$B/exec"
	)
	eventually 5 grep -q end "$B/out"
	assert_eq "$(cat "$B/out")" end
	assert_eq "$(cat "$B/exec")" end
}

# preserve_two COMMAND... - the runtime with what is open as 3 and 4 and nothing above, to $B/out
preserve_two() {
	local fd
	for fd in 5 6 7 8 9; do eval "exec $fd>&-"; done
	quick "$@" >"$B/out" 2>&1
}

@test "A65 A66 --preserve-fds hands on what the caller opened, never what the runtime opened" {
	bundle pres
	privileged
	local cmd='cat <&3; cat <&4; cat /proc/self/fd/[3-9]/../'"$HOST/dir/marker"' /proc/self/fd/*/marker 2>/dev/null
		ls -l /proc/self/fd 2>/dev/null | awk "\$9 > 4 && \$11 !~ /^(.proc.[0-9]+.fd)?\$/ {print}"; echo end'
	echo three >"$OCI/three"
	echo four >"$OCI/four"
	script_is "$cmd"
	(preserve_two run --preserve-fds 2 --bundle "$B" "$ID" 3<"$OCI/three" 4<"$OCI/four")
	assert_eq "$(cat "$B/out")" $'three\nfour\nend'
	# What is not open at the caller's is refused, not filled with the runtime's own.
	bundle pres1
	script_is "$cmd"
	! (preserve_two run --preserve-fds 2 --bundle "$B" "$ID" 3>&- 4>&-) || fail "accepted: $(cat "$B/out")"
	assert_has "$(cat "$B/out")" "fd 3 is not open"
	bundle pres2
	privileged
	sleeper
	bg
	(preserve_two exec --preserve-fds 2 "$ID" /bin/sh -c "$cmd" 3<"$OCI/three" 4<"$OCI/four")
	assert_eq "$(cat "$B/out")" $'three\nfour\nend'
	! (preserve_two exec --preserve-fds 2 "$ID" /bin/sh -c "$cmd" 3>&- 4>&-) || fail "accepted: $(cat "$B/out")"
	assert_has "$(cat "$B/out")" "fd 3 is not open"
}

@test "A70 the release agent of no hierarchy can be set, by any way" {
	bundle agent
	privileged
	attack_run 'n=0; for h in /sys/fs/cgroup/*; do [ -d $h ] || continue
			for f in $(find $h -name release_agent); do ( echo /x >$f ) 2>/dev/null && echo "written $f"; done; done
		mkdir /m; for c in cpu cpuacct cpuset memory devices freezer blkio net_cls net_prio perf_event pids hugetlb rdma misc name=systemd name=evil; do
			mount -t cgroup -o ${c#name=*/},release_agent=/x c /m 2>/dev/null && { echo "agent taken: $c"; umount /m; }
			mount -t cgroup -o none,$c c /m 2>/dev/null && { [ -e /m/release_agent ] && echo "agent shown: $c"; umount /m; }
			mount -t cgroup -o $c c /m 2>/dev/null || continue; n=$((n + 1))
			[ -e /m/release_agent ] && echo "agent shown: $c"
			mount -o remount,release_agent=/x /m 2>/dev/null && grep -q release_agent /proc/self/mountinfo && echo "agent by remount: $c"
			umount /m; done; echo "tried $n"'
	assert_match "$output" '^tried [0-9]+$'
	[ "$output" != "tried 0" ] || cgroup_v2
}

@test "A71 no process of a container can leave its control groups" {
	bundle leave
	privileged
	script_is 'for f in $(find /sys/fs/cgroup -name cgroup.procs -o -name tasks); do echo 0 >$f; echo 1 >$f; done 2>/dev/null; mkdir /m; mount -t cgroup -o pids c /m 2>/dev/null; mount -t cgroup2 c /m 2>/dev/null; for f in /m/../cgroup.procs /m/cgroup.procs /proc/1/root/sys/fs/cgroup/*/../../cgroup.procs; do echo $$ >$f; done 2>/dev/null; echo ready; exec sleep 20'
	bg
	eventually 5 grep -q ready "$B/out"
	local line
	while IFS=: read -r _ _ line; do
		[[ $line == *"$OCI_CGROUP/$ID"* || $line == / ]] || fail "process 1 is in $line"
		[ "$line" != / ] || fail "process 1 is in a root group: $(cat "/proc/$PID/cgroup")"
	done < <(grep -vE ':(misc|rdma)?:/$' "/proc/$PID/cgroup")
}

@test "A71 A72 cgroup paths that lead out of the hierarchy are refused or kept inside" {
	local p
	for p in / // /. .. /.. ../x /../../x /a/../../b "/$OCI_CGROUP/../../../tmp/x" "/$OCI_CGROUP/$(printf '\001')x"; do
		bundle cg
		cfg '.linux.cgroupsPath = $p' --arg p "$p"
		script_is 'exec sleep 20'
		if ! quick run --detach --bundle "$B" "$ID" >"$B/out" 2>&1; then
			assert_has "$(cat "$B/out")" "linux.cgroupsPath" "$p"
		else
			PID=$(rt state "$ID" | jq .pid)
			grep -q ":pids:/\$" "/proc/$PID/cgroup" && fail "cgroupsPath '$p': in the root group"
			[ ! -e /tmp/x/cgroup.procs ] || fail "cgroupsPath '$p' made directories elsewhere"
			quick delete --force "$ID"
		fi
		rmdir /sys/fs/cgroup/*/{x,b} 2>/dev/null || true
	done
}

@test "A73 limits can not be raised from inside, nor left behind in a group of one's own" {
	bundle limits '.linux.resources += {pids: {limit: 30}, memory: {limit: 67108864}}'
	privileged
	attack_run 'for f in $(find /sys/fs/cgroup -name pids.max -o -name memory.limit_in_bytes -o -name memory.max -o -name devices.allow -o -name freezer.state -o -name cpuset.cpus -o -name memory.memsw.limit_in_bytes); do
			echo max >$f; echo -1 >$f; echo "a *:* rwm" >$f; done 2>/dev/null
		for h in /sys/fs/cgroup/*; do mkdir $h/sub && { for f in pids.max memory.limit_in_bytes memory.max; do [ -e $h/sub/$f ] && { echo max >$h/sub/$f; echo -1 >$h/sub/$f; }; done; echo 0 >$h/sub/cgroup.procs; }; done 2>/dev/null
		n=0; while [ $n -lt 60 ]; do sleep 5 & n=$((n + 1)); done; jobs | wc -l'
	assert_has "$output" "can't fork"
	bundle mem '.linux.resources += {memory: {limit: 67108864}}'
	privileged
	attack_run 'mkdir /sys/fs/cgroup/memory/sub && echo -1 >/sys/fs/cgroup/memory/sub/memory.limit_in_bytes && echo 0 >/sys/fs/cgroup/memory/sub/cgroup.procs; head -c 200000000 /dev/zero | tail -n 1 | wc -c; echo survived'
	refute_has "$output" 200000000
	assert_has "$output" survived
}

@test "A74 A75 no node of a device of the host's but the harmless ones can be made or opened, wherever it lies" {
	bundle nodes
	privileged
	with_tool nodes
	local v s
	v=$(vol v)
	s=$(share nodes)
	# An image, a volume and a share that bring nodes along.
	for d in "$B/rootfs/brought" "$v" "$s"; do
		mkdir -p "$d"
		mknod -m 0666 "$d/disk" b "$((0x$(stat -c %t "$(findmnt -no SOURCE /)")))" "$((0x$(stat -c %T "$(findmnt -no SOURCE /)")))"
		mknod -m 0666 "$d/mem" c 1 1
		mknod -m 0666 "$d/kmsg" c 1 11
		mknod -m 0666 "$d/null" c 1 3
	done
	bind "$v" /v rw dev
	bind "$s" /s rw dev
	attack_run 'nodes open /brought /v /s; for d in / /v /s /dev /dev/shm /tmp; do nodes make $d; done; mkdir -p /dev/x; nodes make /dev/x; mount -t tmpfs -o dev t /mnt && nodes make /mnt; nodes open /dev'
	local line bad=
	while read -r line; do
		case $line in
		*' tried' | 'opened /dev/null' | 'opened /dev/zero' | 'opened /dev/full' | 'opened /dev/random' | 'opened /dev/urandom' | \
			'opened /dev/tty' | 'opened /dev/console' | 'opened /dev/pts/'*) ;;
		'made c 0:0' | 'opened c 0:0') ;; # a whiteout of overlayfs: no driver has it
		# Those of /dev can be made elsewhere, too, and brought along; so can the two that settings list.
		'made c 1:'[35789] | 'opened c 1:'[35789] | 'made c 5:'[01] | 'opened c 5:0' | 'made c 10:'2[02][09] | 'opened c 10:'2[02][09] | \
			'opened /brought/null' | 'opened /v/null') ;;
		'made p '*) ;;
		*) bad+=" [$line]" ;;
		esac
	done <<<"$output"
	assert_eq "$bad" ""
	assert_has "$output" "opened /dev/null"
	run "$TOOLS/nodes" open "$v"
	assert_has "$output" "opened $v/mem" "control: the host can open them"
}

@test "A77 devices that a spec names reach the container only when settings list them" {
	local d
	for d in "b 254 0" "b 252 0" "b 8 0" "c 1 1" "c 1 2" "c 1 4" "c 1 11" "c 10 232" "c 4 0" "c 7 0" "b 7 0"; do
		read -r type major minor <<<"$d"
		# The name must not decide: every device is called like one that is listed.
		bundle dev '.linux.devices = [{path: "/dev/fuse", type: "'"$type"'", major: '"$major"', minor: '"$minor"', fileMode: 438, uid: 0, gid: 0}]
			| .linux.resources.devices += [{allow: true, type: "'"$type"'", major: '"$major"', minor: '"$minor"', access: "rwm"}]'
		refused 'not allowed' "$d"
	done
	bundle outside '.linux.devices = [{path: "/dev/../../../../..'"$HOST"'/dir/x", type: "c", major: 1, minor: 3}]'
	attack_run 'true'
	[ ! -e "$HOST/dir/x" ]
	bundle outside2 '.linux.devices = [{path: "/etc/x", type: "c", major: 1, minor: 3}]'
	refused .
}

@test "A77 input can not be pushed into the terminal of the caller" {
	bundle tty
	privileged
	cat >"$B/rootfs/bin/push" <<-'SH'
		#!/bin/sh
		exec /bin/push.bin
	SH
	tool push
	cp "$TOOLS/push" "$B/rootfs/bin/push.bin"
	script_is 'exec push.bin'
	# The caller's terminal as plain standard input: no terminal of the container's own.
	run in_tty sh -c "$CAISSON_RUNTIME --root $(oci_root_of "$CAISSON_RUNTIME") --settings $SETTINGS run --bundle $B $ID"
	assert_has "$output" "TIOCSTI"
	refute_has "$output" "TIOCSTI 0"
	refute_has "$output" "TIOCSCTTY 0"
}

# seccomp_mkdir ARCHITECTURES - a profile that refuses mkdir and mkdirat
seccomp_mkdir() {
	bundle compat
	privileged
	with_tool compat
	cfg '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", architectures: $a,
		syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 99}]}' --argjson a "$1"
	attack_run 'exec compat /tmp'
	assert_has "$output" "x86_64 EADDRNOTAVAIL"
	assert_has "$output" "mkdirat EADDRNOTAVAIL"
	refute_match "$output" '(int80|x32) 0'
}

@test "A83 a seccomp profile holds for int 0x80 and for x32 numbers as well" {
	bundle compat0
	privileged
	with_tool compat
	attack_run 'exec compat /tmp'
	assert_has "$output" "x86_64 0"
	assert_has "$output" "int80 0" "control: without a profile the other entry works"
	rt delete --force "$ID" || true
	seccomp_mkdir '["SCMP_ARCH_X86_64"]'
	assert_match "$output" 'int80 (signal 31|E)'
	rt delete --force "$ID" || true
	seccomp_mkdir '["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]'
	assert_has "$output" "int80 EADDRNOTAVAIL"
	rt delete --force "$ID" || true
	seccomp_mkdir '["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]'
	assert_has "$output" "int80 EADDRNOTAVAIL"
}
