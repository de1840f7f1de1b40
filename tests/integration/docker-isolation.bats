# SPDX-License-Identifier: Apache-2.0
# User namespaces, id ranges, runtime selection, posture, privileged containers: rows E1-E9, E11-E21, E24, E25.

load ../lib/common.bash
load ../lib/docker.bash

# The engine's default stays runc, and runc on its PATH is the runtime under test: E11-E14 need that.
setup_file() {
	ENGINE_SHADOW_RUNC=1 docker_open runc
}

teardown_file() {
	docker_close
}

teardown() {
	drm aa bb cc
}

@test "E1 uid_map is one line that maps root to an unprivileged id" {
	run -0 drun -- cat /proc/self/uid_map
	assert_idmap "$output"
}

@test "E2 the range is one contiguous block of 65536 ids" {
	run -0 drun -- sh -c 'wc -l </proc/self/uid_map; awk "{print \$3}" /proc/self/uid_map'
	assert_eq "$output" $'1\n65536'
}

@test "E3 two containers alive together have ranges that do not overlap" {
	dbg aa
	dbg bb
	local a b
	a=$(map_base "$(dpid aa)") b=$(map_base "$(dpid bb)")
	drm aa bb
	[ $((a > b ? a - b : b - a)) -ge 65536 ] || fail "bases $a and $b overlap"
}

@test "E4 gid_map has the same shape and the same base" {
	run -0 drun -- sh -c 'cmp /proc/self/uid_map /proc/self/gid_map && cat /proc/self/gid_map'
	assert_idmap "$output"
}

@test "E5 file owners are unchanged after stop and start" {
	dbg aa -v e5:/data
	d exec aa sh -c 'echo x >/f; chown 1000:2000 /f; echo x >/data/f; chown 33:44 /data/f'
	d stop -t 5 aa
	# Another container takes the range meanwhile, so the map is likely to change.
	dbg bb
	d start aa
	run -0 d exec aa stat -c %u:%g /f /data/f
	drm aa bb
	d volume rm e5
	assert_eq "$output" $'1000:2000\n33:44'
}

@test "E6 root of a container is an id that nobody has outside" {
	dbg aa
	local pid uid
	pid=$(dpid aa)
	uid=$(ps -o uid= -p "$pid" | tr -d ' ')
	local base
	base=$(map_base "$pid")
	drm aa
	assert_eq "$uid" "$base"
	[ "$uid" -ge 100000 ]
	[ -z "$(getent passwd "$uid")" ]
}

@test "E6 a user of a container is base plus its id outside" {
	dbg aa --user 1000:1000
	local pid
	pid=$(dpid aa)
	run -0 awk '/^Uid:/ {print $2, $3, $4, $5}' "/proc/$pid/status"
	local base
	base=$(map_base "$pid")
	drm aa
	local id=$((base + 1000))
	assert_eq "$output" "$id $id $id $id"
}

@test "E6 a process of exec runs with the ids of the container's range" {
	dbg aa
	d exec -d aa sleep 4242
	eventually 5 pgrep -f '^sleep 4242$'
	local uid base
	uid=$(ps -o uid= -p "$(pgrep -f '^sleep 4242$')" | tr -d ' ')
	base=$(map_base "$(dpid aa)")
	drm aa
	assert_eq "$uid" "$base"
}

@test "E9 --userns=host is ignored" {
	run -0 drun --userns=host -- cat /proc/self/uid_map
	assert_idmap "$output"
}

@test "E11 a container made with --runtime=sysbox-runc says so" {
	dbg aa
	run -0 d inspect --format '{{.HostConfig.Runtime}}' aa
	drm aa
	assert_eq "$output" sysbox-runc
}

@test "E12 a container that asks for runc runs isolated all the same" {
	run -0 d run --rm --network none --runtime=runc "$IMAGE" sh -c 'echo test; cat /proc/self/uid_map'
	assert_eq "${lines[0]}" test
	assert_idmap "${lines[1]}"
}

@test "E13 the engine's default runtime stays runc" {
	run -0 d info --format '{{.DefaultRuntime}}'
	assert_eq "$output" runc
}

@test "E14 a container made by the API, without HostConfig, is isolated" {
	local id
	id=$(curl -sf --unix-socket "$ENGINE/d.sock" -H 'Content-Type: application/json' \
		-d "{\"Image\":\"$IMAGE\",\"Cmd\":[\"cat\",\"/proc/self/uid_map\"],\"NetworkDisabled\":true}" \
		http://localhost/v1.41/containers/create | jq -r .Id)
	[ -n "$id" ]
	run -0 d start -a "$id"
	d rm "$id"
	assert_idmap "$output"
}

@test "E15 --init works and is process 1" {
	run -0 drun --init -- sh -c 'tr "\0" " " </proc/1/cmdline'
	assert_match "$output" 'docker-init|tini'
}

@test "E16 a container has a time namespace of its own" {
	run -0 drun -- readlink /proc/self/ns/time
	assert_match "$output" '^time:'
	[ "$output" != "$(readlink /proc/self/ns/time)" ]
}

@test "E16 entering all namespaces of process 1 works inside" {
	dbg aa --privileged
	run d exec aa nsenter -t 1 -m -u -i -n -p sh -c 'echo entered'
	local out=$output
	local pid
	pid=$(dpid aa)
	run nsenter -t "$pid" -a true
	local code=$status
	drm aa
	assert_eq "$out" entered
	assert_eq "$code" 0
}

@test "E94 E16 /proc/uptime counts from the start of the container" {
	run -0 drun -- cut -d. -f1 /proc/uptime
	[ "$output" -lt 30 ] || fail "uptime $output"
}

@test "E17 a plain container has the default capabilities" {
	run -0 drun -- sh -c 'grep -E "Cap(Eff|Prm|Bnd|Amb|Inh)" /proc/self/status'
	assert_has "$output" $'CapEff:\t00000000a80425fb'
	assert_has "$output" $'CapPrm:\t00000000a80425fb'
	assert_has "$output" $'CapBnd:\t00000000a80425fb'
	assert_has "$output" $'CapAmb:\t0000000000000000'
}

@test "E17 --cap-drop and --cap-add are followed" {
	run -0 drun --cap-drop ALL -- grep CapBnd /proc/self/status
	assert_has "$output" 0000000000000000
	run -0 drun --cap-drop ALL --cap-add NET_ADMIN -- grep CapEff /proc/self/status
	assert_has "$output" 0000000000001000
}

@test "E17 an ordinary user has no capability" {
	run -0 drun --user 1000 -- grep -E 'CapEff|CapPrm' /proc/self/status
	refute_has "$output" a80425fb
}

@test "E17 the engine's seccomp filter is in force" {
	run -0 drun -- grep -E '^Seccomp:' /proc/self/status
	assert_match "$output" '2$'
	run drun -- unshare -U true
	[ "$status" -ne 0 ]
}

@test "E17 a seccomp profile of the user is followed" {
	cat >"$ENGINE/seccomp.json" <<-JSON
		{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}
	JSON
	run drun --security-opt "seccomp=$ENGINE/seccomp.json" -- mkdir /x
	[ "$status" -ne 0 ]
	assert_has "$output" 'not implemented'
}

@test "E17 no-new-privileges is followed" {
	run -0 drun --security-opt no-new-privileges -- grep NoNewPrivs /proc/self/status
	assert_match "$output" '1$'
	run -0 drun -- grep NoNewPrivs /proc/self/status
	assert_match "$output" '0$'
}

@test "E17 mount without CAP_SYS_ADMIN fails" {
	run drun -- mount -t tmpfs tmpfs /mnt
	[ "$status" -ne 0 ]
	assert_has "$output" "mount: permission denied"
}

@test "E17 /proc/sys is read-only and masked paths are empty" {
	run drun -- sh -c 'echo x >/proc/sys/kernel/hostname'
	[ "$status" -ne 0 ]
	assert_has "$output" 'Read-only'
	run -0 drun -- sh -c 'cat /proc/kcore 2>/dev/null | wc -c; ls /sys/firmware | wc -l'
	assert_eq "$output" $'0\n0'
}

@test "E17 a read-only root file system is read-only" {
	run drun --read-only -- touch /x
	[ "$status" -ne 0 ]
	assert_has "$output" 'Read-only'
}

@test "E17 limits, oom score, hostname, domain name and sysctls are followed" {
	run -0 drun --ulimit nofile=123:456 --oom-score-adj 500 --hostname h1 --domainname d1 --sysctl net.ipv4.ip_default_ttl=77 -- \
		sh -c 'ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj; hostname; cat /proc/sys/kernel/domainname /proc/sys/net/ipv4/ip_default_ttl'
	assert_eq "$output" $'123\n456\n500\nh1\nd1\n77'
}

@test "E17 user, groups and working directory are followed" {
	run -0 drun --user user:2000 --group-add 3000 -w /tmp/deep/dir -- sh -c 'id -u; id -g; id -G; pwd'
	assert_eq "${lines[0]} ${lines[1]} ${lines[3]}" "1000 2000 /tmp/deep/dir"
	assert_match "${lines[2]}" '(^| )3000( |$)'
}

@test "E17 limits of the cgroup are in force" {
	dbg aa --memory 64m --pids-limit 33 --cpu-shares 512
	local pid
	pid=$(dpid aa)
	local mem pids
	mem=$(cg_get "$pid" memory memory.limit_in_bytes memory.max)
	pids=$(cg_get "$pid" pids pids.max pids.max)
	drm aa
	assert_eq "$mem $pids" "67108864 33"
}

@test "E19 a privileged container starts, has all capabilities and is still mapped" {
	run -0 drun --privileged -- sh -c 'cat /proc/self/uid_map; grep CapEff /proc/self/status'
	assert_idmap "${lines[0]}"
	# Old engines know fewer capabilities than the kernel has.
	assert_match "${lines[1]}" '000000(3f|ff|1ff)ffffffff$|000001ffffffffff$'
}

@test "E19 a privileged container is an ordinary id outside" {
	dbg aa --privileged
	local uid
	uid=$(ps -o uid= -p "$(dpid aa)" | tr -d ' ')
	drm aa
	[ "$uid" -ge 100000 ]
}

@test "E19 the usual administration works inside a privileged container" {
	run -0 drun --privileged -- sh -ec '
		mount -t tmpfs t /mnt; touch /mnt/f; umount /mnt
		hostname other; [ "$(hostname)" = other ]
		ip link add d0 type dummy 2>/dev/null || ip link set lo up
		chroot / true; unshare -m true; unshare -p -f true; mkdir /x; mount --bind /x /x; umount /x; echo done'
	assert_eq "$output" done
}

@test "E20 kernel modules can not be loaded" {
	run drun --privileged -- sh -c 'head -c 4096 /bin/busybox >/m.ko; insmod /m.ko'
	[ "$status" -ne 0 ]
	# The file is no module: where the host refuses it for that, the container is refused before it is looked at.
	local why="not permitted"
	[ -e /proc/modules ] || why="kernel does not support"
	assert_has "$output" "insmod: can't insert '/m.ko': "
	assert_has "$output" "$why"
	head -c 4096 "$BUSYBOX" >"$ENGINE/m.ko"
	run "$BUSYBOX" insmod "$ENGINE/m.ko"
	[ "$status" -ne 0 ]
	grep -qsE '\[(integrity|confidentiality)\]' /sys/kernel/security/lockdown ||
		refute_has "$output" "not permitted" "control: the host gets as far as the file"
}

@test "E20 global kernel settings can not be changed" {
	local knob before
	for knob in kernel/modprobe vm/drop_caches kernel/hotplug; do
		[ -e "/proc/sys/$knob" ] || continue
		before=$(cat "/proc/sys/$knob" 2>/dev/null || true)
		# The value is the one it has: harmless where this succeeds.
		run drun --privileged -- sh -c "v=\$(cat /proc/sys/$knob 2>/dev/null || echo 1); echo \"\$v\" >/proc/sys/$knob"
		[ "$status" -ne 0 ] || fail "$knob could be written"
		assert_eq "$(cat "/proc/sys/$knob" 2>/dev/null || true)" "$before" "$knob"
	done
	# What programs of real roots set is the container's own: it reads back, and the host has what it had.
	for knob in kernel/panic=17 kernel/core_pattern=/tmp/core.%p vm/overcommit_memory=2 fs/file-max=123456; do
		before=$(cat "/proc/sys/${knob%%=*}")
		run -0 drun --privileged -- sh -c "echo ${knob#*=} >/proc/sys/${knob%%=*} && cat /proc/sys/${knob%%=*}"
		assert_eq "$output" "${knob#*=}"
		assert_eq "$(cat "/proc/sys/${knob%%=*}")" "$before" "$knob"
	done
}

@test "E20 sysrq, clock and kernel log are out of reach" {
	run drun --privileged -- sh -c 'echo h >/proc/sysrq-trigger'
	[ "$status" -ne 0 ]
	run drun --privileged -- date -s @1000000000
	assert_has "$output" 'not permitted'
	[ "$(date +%s)" -gt 1700000000 ]
	run drun --privileged -- dmesg -c
	[ "$status" -ne 0 ] || [ -z "$output" ]
}

@test "E21 a privileged container sees no device of the host beyond the safe set" {
	run -0 drun --privileged -- sh -c 'for f in $(find /dev -type b -o -type c); do echo $f; done'
	local dev
	for dev in $output; do
		case $dev in
		/dev/null | /dev/zero | /dev/full | /dev/random | /dev/urandom | /dev/tty | /dev/console | /dev/ptmx | /dev/pts/* | /dev/fuse | /dev/net/tun) ;;
		*) fail "device $dev" ;;
		esac
	done
}

@test "E21 a device node that the container makes is of no use" {
	local dev node
	dev=$(findmnt -no SOURCE /)
	[ -b "$dev" ] || dev=/dev/$(lsblk -rno NAME | head -1)
	for node in "b $((0x$(stat -c %t "$dev"))) $((0x$(stat -c %T "$dev")))" "c 1 11"; do
		run drun --privileged -- sh -c "mknod /node $node; dd if=/node of=/dev/null bs=8192 count=1"
		[ "$status" -ne 0 ] || fail "node $node"
		assert_match "$output" '(mknod|dd): .*([Pp]ermission denied|not permitted)'
	done
	# The host's kernel log is there for everybody who may make such a node.
	mknod "$ENGINE/kmsg" c 1 11
	run -0 sh -c ": <'$ENGINE/kmsg'"
}

@test "E21 --device gives no host device that policy does not list" {
	local dev
	dev=$(findmnt -no SOURCE /)
	[ -b "$dev" ] || dev=/dev/$(lsblk -rno NAME | head -1)
	run drun --device "$dev:/dev/disk" -- dd if=/dev/disk of=/dev/null bs=512 count=1
	[ "$status" -ne 0 ]
	assert_match "$output" "/dev/disk.*not allowed" "the refusal names the device"
}

@test "E21 the safe devices work" {
	run -0 drun -- sh -ec 'echo x >/dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; echo x 2>/dev/null >/dev/full || echo full'
	assert_eq "$output" $'4\n4\nfull'
}

@test "E24 with all capabilities the host's files stay out of reach by mount" {
	local fs dev own dir
	read -r dev own < <(findmnt -no SOURCE,FSTYPE /)
	[ -b "$dev" ] || dev=/dev/$(lsblk -rno NAME | head -1)
	dir=$(share_dir e24 1000)
	mkdir "$ENGINE/e24"
	# The host's disk is there for the container, by a node of the host's making.
	mknod "$dir/disk" b "$((0x$(stat -c %t "$dev")))" "$((0x$(stat -c %T "$dev")))"
	for fs in ext4 xfs btrfs devtmpfs; do
		run drun --cap-add ALL --security-opt seccomp=unconfined -v "$dir:/d" -- sh -c "ls /d; mount -t $fs /d/disk /mnt"
		[ "$status" -ne 0 ] || fail "$fs could be mounted"
		assert_match "$output" $'^disk\n.*(ermission denied|not permitted|o such device)' "$fs"
		[ "$fs" = devtmpfs ] || [ "$fs" = "$own" ] || continue
		run unshare --mount --propagation private -- mount -t "$fs" "$dev" "$ENGINE/e24"
		assert_eq "$status" 0 "control: the host can mount $fs: $output"
	done
	rm "$dir/disk"
}

@test "E24 the release agent of a cgroup hierarchy can not be set" {
	run drun --cap-add ALL --security-opt seccomp=unconfined -- sh -c '
		mkdir /x; mount -t cgroup -o pids none /x || exit 1; echo /bin/true >/x/release_agent'
	[ "$status" -ne 0 ]
	assert_match "$output" 'mount: permission denied|/x/release_agent: Permission denied'
	if ! cgroup_v2; then
		mkdir "$ENGINE/agent"
		# With the value that it has.
		run unshare --mount --propagation private -- sh -c "mount -t cgroup -o pids none $ENGINE/agent &&
			v=\$(cat $ENGINE/agent/release_agent) && echo \"\$v\" >$ENGINE/agent/release_agent"
		assert_eq "$status" 0 "control: the host can set it: $output"
	fi
}

@test "E24 process 1 of the container gives no way to the host's root" {
	local token=$CAISSON_TEST_RUN/token
	echo secret >"$token"
	run drun --privileged -- sh -c "ls /proc/1/root/bin/busybox; cat /proc/1/root$token"
	[ "$status" -ne 0 ]
	refute_has "$output" secret
	assert_match "$output" $'^/proc/1/root/bin/busybox\n.*No such file'
}

@test "E25 securityfs can not be mounted" {
	run drun --privileged -- mount -t securityfs none /sys/kernel/security
	[ "$status" -ne 0 ]
	assert_match "$output" 'ermission denied|not permitted|No such file'
}
