# SPDX-License-Identifier: Apache-2.0
# Mounts that must stay as they are, whatever container root tries (rows A13, A27, A29, A37-A43).

load attacks.bash

setup_file() {
	attack_open && tool locks
}

teardown_file() {
	oci_close
}

teardown() {
	[ -z "${OWN:-}" ] || rm -rf --one-file-system "$OWN"
	attack_teardown
}

# locks_hold KIND PATH - at depths 0 to 3, with nothing breached
locks_hold() {
	local depth
	for depth in 0 1 2 3; do
		capture quick exec "$ID" /bin/locks "$depth" "$1" "$2"
		assert_eq "$status" 0 "depth $depth, $1 $2: $output"
		assert_match "$output" '^held [0-9]+ of [0-9]+$' "depth $depth, $1 $2"
		refute_match "$output" 'held 0 '
	done
}

# in_private_ns COMMAND - on the host, in a mount namespace of its own: where nothing holds
in_private_ns() {
	unshare --mount --propagation private -- sh -c "$1"
}

# start_target FILTER... - a container with all capabilities that waits
start_target() {
	bundle locks
	all_caps
	with_tool locks
	for f; do
		cfg "$f"
	done
	sleeper
	bg
}

@test "control: the lock probes get through where the mounts are not locked" {
	mkdir -p "$OCI/c/dir" "$OCI/c/over"
	echo below >"$OCI/c/over/file"
	run in_private_ns "mount --bind $OCI/c/dir $OCI/c/dir && mount -o remount,bind,ro,nodev $OCI/c/dir && $TOOLS/locks 0 ro $OCI/c/dir"
	assert_match "$output" 'BREACH mount.REMOUNT.BIND'
	run in_private_ns "mount --bind $OCI/c/dir $OCI/c/dir && mount -o remount,bind,ro $OCI/c/dir && $TOOLS/locks 0 ro $OCI/c/dir"
	assert_match "$output" 'BREACH'
	run in_private_ns "mount --bind $OCI/c/dir $OCI/c/dir && mount -o remount,bind,nodev $OCI/c/dir && $TOOLS/locks 0 nodev $OCI/c/dir"
	assert_match "$output" 'BREACH mount.REMOUNT.BIND'
	run in_private_ns "mount -t tmpfs t $OCI/c/over && $TOOLS/locks 0 cover $OCI/c/over"
	assert_match "$output" 'BREACH'
	run in_private_ns "mkdir -p $OCI/c/p && $TOOLS/locks 0 proc $OCI/c/p"
	assert_match "$output" 'BREACH new procfs'
}

@test "A37 A38 A39 A40 A43 a read-only root file system stays read-only at every depth" {
	start_target '.root.readonly = true'
	locks_hold ro /
	capture quick exec "$ID" /bin/touch /x
	[ "$status" -ne 0 ]
	assert_has "$output" "Read-only"
}

@test "A37 A38 A39 A40 A43 a read-only volume stays read-only at every depth" {
	bundle locks
	local v
	v=$(vol v)
	mkdir "$v/sub"
	all_caps
	with_tool locks
	bind "$v" /v ro
	sleeper
	bg
	locks_hold ro /v
	capture quick exec "$ID" /bin/touch /v/x
	[ "$status" -ne 0 ] && [ ! -e "$v/x" ]
}

@test "A37 A38 A39 A43 a read-only share stays read-only at every depth" {
	bundle locks
	local s
	s=$(share ro)
	echo data >"$s/file"
	all_caps
	with_tool locks
	bind "$s" /s ro
	bind "$s/file" /f ro
	sleeper
	bg
	locks_hold ro /s
	locks_hold ro /f
}

@test "A37 A38 A39 A40 A43 read-only parts of /proc and a read-only /sys stay so at every depth" {
	start_target
	local p
	for p in /proc/sys /proc/bus /proc/irq /proc/fs /proc/sysrq-trigger /sys; do
		[ ! -e "$p" ] || locks_hold ro "$p"
	done
}

@test "A29 A41 A43 masks and read-only parts of /proc can not be taken off at any depth" {
	start_target
	local p n=0
	for p in /proc/acpi /proc/kcore /proc/keys /proc/timer_list /proc/sys /proc/sysrq-trigger /proc/bus /sys/firmware; do
		quick exec "$ID" /bin/sh -c "grep -q ' $p ' /proc/self/mountinfo" || continue
		n=$((n + 1))
		locks_hold cover "$p"
	done
	[ "$n" -ge 5 ] || fail "only $n covers found"
}

@test "A39 A75 nodev of shares stays at every depth" {
	bundle locks
	all_caps
	with_tool locks
	bind "$(share s)" /s rw dev
	sleeper
	bg
	locks_hold nodev /s
}

@test "A27 A41 A42 A44 no way to a procfs without the masks, at any depth" {
	start_target
	quick exec "$ID" /bin/mkdir /fresh
	locks_hold proc /fresh
}

@test "A28 no way to a writable sysfs or to one without the mask" {
	start_target
	capture quick exec "$ID" /bin/sh -c 'mkdir /s; mount -t sysfs sysfs /s && echo writable; mount -t sysfs -o ro sysfs /s && ls -A /s/firmware'
	# Read-only it can be had, with the container's masks: then there is nothing in it.
	assert_eq "$(grep -v "denied" <<<"$output")" ""
	[ -n "$(ls -A /sys/firmware)" ]
}

@test "A13 every mount that the spec wants read-only is so, in name and in fact" {
	bundle ro '.root.readonly = true'
	local v
	v=$(vol v)
	all_caps
	bind "$v" /vol ro
	cfg '.mounts += [{destination: "/ramdisk", type: "tmpfs", source: "tmpfs", options: ["ro"]},
		{destination: "/copied", type: "tmpfs", source: "tmpfs", options: ["ro", "tmpcopyup"]}]
		| (.mounts[] | select(.destination == "/dev" or .destination == "/dev/shm").options) += ["ro"]'
	mkdir -p "$B/rootfs/copied/d"
	# A link that a deferred remount by path would follow instead of the mount.
	ln -s /proc/self/fd "$B/rootfs/link"
	attack_run 'for m in / /vol /ramdisk /copied /dev /dev/shm /sys /sys/fs/cgroup /proc/sys; do
		awk -v m=$m "\$5 == m && \$6 ~ /(^|,)ro(,|\$)/ {f = 1} END {exit !f}" /proc/self/mountinfo || echo "not ro: $m"
		touch $m/x 2>/dev/null && echo "written: $m"; done; echo end'
	assert_eq "$output" end
}

@test "A46 nothing that a container mounts is seen on the host, whatever its propagation" {
	local s mode before
	for mode in rprivate rslave rshared shared slave; do
		bundle "prop-$mode"
		s=$(share "$mode")
		mkdir -p "$s/at"
		privileged
		bind "$s" /s rw "$mode"
		cfg '.linux.rootfsPropagation = "shared"'
		before=$(wc -l </proc/self/mountinfo)
		script_is 'mount -t tmpfs t /s/at && touch /s/at/inside && echo mounted; mount --make-rshared / ; mount -t tmpfs t /mnt; echo ready; exec sleep 1'
		quick run --bundle "$B" "$ID" >"$B/out" 2>&1 &
		eventually 5 grep -q ready "$B/out"
		if grep -F "$s" /proc/self/mountinfo; then
			fail "$mode: seen on the host"
		fi
		[ ! -e "$s/at/inside" ] || fail "$mode: the file is on the host"
		wait %% || true
		quick delete --force "$ID" || true
	done
}

@test "A47 A154 every way to name a forbidden source is refused at once, by name" {
	local src n=0 start=$SECONDS
	ln -sfn /etc "$SHARE/attack-etc"
	ln -sfn /proc/1/root/etc "$SHARE/attack-magic"
	mkdir -p "$SHARE/attack-deep/a"
	bundle alias
	for src in / /. // /etc /etc/ /etc/. /etc/../etc /./etc //etc /proc /proc/1 /proc/1/root /proc/1/root/etc /proc/self/root \
		/proc/self/cwd /proc/self/root/etc /proc/thread-self/root/etc /sys /sys/fs/cgroup /dev /dev/shm /dev/null /run /var/run /run/caisson \
		/var /var/lib /var/lib/docker /root /boot /usr /bin /lib /home/../etc /tmp/../root /var/tmp "$CAISSON_TEST_RUN" \
		"$SHARE/.." "$SHARE/../etc" "$SHARE/attack-etc" "$SHARE/attack-etc/" "$SHARE/attack-etc/ssl" "$SHARE/attack-magic" \
		"$SHARE/attack-deep/../.." "$SHARE/attack-deep/a/../../../etc" "${SHARE}x" "$HOST" "$HOST/token" "$(oci_root_of "$CAISSON_RUNTIME")" \
		"$SETTINGS" "${SETTINGS%/*}" /run/docker.sock /var/run/docker.sock /run/containerd/containerd.sock /run/containerd; do
		[ -e "$src" ] || continue
		cp "$B/config.json" "$B/keep"
		bind "$src" /x rw
		refused "can't mount|o such|never" "$src"
		mv "$B/keep" "$B/config.json"
		n=$((n + 1))
	done
	rm -f "$SHARE/attack-etc" "$SHARE/attack-magic"
	[ "$n" -ge 35 ] || fail "only $n sources tried"
	[ $((SECONDS - start)) -le "$n" ] || fail "refusing took $((SECONDS - start)) s for $n sources"
	# And the next container starts.
	bundle after
	attack_run 'echo fine'
	assert_eq "$output" fine
}

@test "A154 the host's root directory, by any name, is no root file system for a container" {
	local p
	bundle rootfs
	ln -s / "$B/link"
	for p in / /. // /.. /proc/self/root /proc/1/root "$B/link" "$B/rootfs/../../../../../../../../../.."; do
		cfg '.root.path = $p' --arg p "$p"
		refused 'root\.path: ' "$p"
	done
}

# Only a directory that the test made is tried: a runtime that accepts it writes to it as root.
@test "A47 A154 a directory of the host's own system is no root file system for a container" {
	bundle rootfs
	OWN=$(mktemp -d /usr/local/caisson-attack.XXXXXX)
	mkdir "$OWN/rootfs"
	cfg '.root.path = $p' --arg p "$OWN/rootfs"
	refused 'root.path'
	run ls "$OWN/rootfs"
	assert_eq "$output" "" "made in it"
}

@test "A41 A44 the root file system can not be taken off, with pivot_root and without" {
	local flag
	for flag in --keep --no-pivot; do
		bundle uncover
		all_caps
		with_tool uncover
		cfg '.process.args = ["/bin/uncover", $m, "/etc/debian_version", "/etc/os-release"]' --arg m "$HOST/dir/marker"
		capture quick run "$flag" --bundle "$B" "$ID"
		quick delete --force "$ID" || true
		assert_has "$output" end
		refute_has "$output" SEEN "$flag"
		no_leak
	done
}

@test "A48 sockets of engines can not be had by another name or through their directory" {
	bundle sock
	local s n d
	s=$(share sock)
	for n in docker.sock containerd.sock podman.sock; do
		$PYTHON -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$s/$n"
		for d in "$s/$n" "$s/./$n"; do
			cp "$B/config.json" "$B/keep"
			bind "$d" /x.sock rw
			refused "sockets of engines" "$d"
			mv "$B/keep" "$B/config.json"
		done
	done
	# No abstract socket of the host answers: the network namespace is never the host's.
	$PYTHON -c 'import socket, time
s = socket.socket(socket.AF_UNIX); s.bind("\0caisson-attack-'"$RUN_TAG"'"); s.listen(); time.sleep(5)' 3>&- &
	attack_run 'grep -c caisson-attack /proc/net/unix; true'
	assert_eq "$output" 0
	kill %% 2>/dev/null || true
}

@test "A49 A28 no file system type but the harmless ones can be mounted by either interface" {
	bundle fs
	privileged
	with_tool fstypes
	attack_run 'exec fstypes /mnt'
	assert_eq "$status" 0
	# cpuset: the old name of a cgroup v1 hierarchy.
	local allowed=" binfmt_misc cgroup cgroup2 cpuset devpts fuse mqueue overlay proc ramfs sysfs tmpfs " t bad=
	for t in $(sed -n 's/^mounted //p' <<<"$output"); do
		[[ $allowed == *" $t "* ]] || bad+=" $t"
	done
	assert_eq "$bad" "" "mountable in a container"
	assert_has "$output" "mounted tmpfs"
	# Control: the host can mount more.
	run in_private_ns "$TOOLS/fstypes /mnt"
	assert_match "$output" 'mounted (debugfs|securityfs|tracefs|devtmpfs)'
}

@test "A49 spec mounts of types that need the host's rights are refused by name" {
	local t
	for t in ext4 xfs btrfs iso9660 squashfs erofs nfs nfs4 cifs 9p fuse debugfs tracefs securityfs devtmpfs configfs efivarfs bpf overlayfs; do
		bundle "t-$t" '.mounts += [{destination: "/x", type: "'$t'", source: "/dev/vda", options: []}]'
		refused "$t.* cannot be mounted" "$t"
	done
}

@test "A50 set-id programs and file capabilities brought up by an overlay in a container are of no use outside" {
	bundle ovl
	privileged
	local v
	v=$(vol v)
	bind "$v" /v rw
	# The lower directory holds a set-user-id program of an id that the container does not have.
	mkdir -p "$v/lower"
	cp /bin/true "$v/lower/prog"
	chown 70000:70000 "$v/lower/prog"
	chmod 6755 "$v/lower/prog"
	attack_run 'mkdir -p /t && mount -t tmpfs t /t && mkdir -p /t/u /t/w /m /v/u /v/w
		mount -t overlay o -o lowerdir=/v/lower,upperdir=/t/u,workdir=/t/w,userxattr /m && { touch /m/prog; chmod 6755 /m/prog; stat -c "%u %g %a" /m/prog; umount /m; }
		mount -t overlay o -o lowerdir=/v/lower,upperdir=/v/u,workdir=/v/w,userxattr /m && { touch /m/prog; chmod 6755 /m/prog; stat -c "%u %g %a" /m/prog; }; echo end'
	assert_has "$output" end
	run find "$v/u" -perm /6000 -uid 0
	assert_eq "$output" "" "a set-id file of root was made on the host"
	run find "$v/u" -perm /6000 -not -uid +65535
	assert_eq "$output" ""
}

@test "A56 open_by_handle_at reaches nothing outside of what is mounted" {
	bundle handle
	privileged
	local v h
	v=$(vol v)
	bind "$v" /v rw
	bind "$(share s)" /s rw
	echo mine >"$v/mine"
	with_tool handle
	h=$("$TOOLS/handle" name "$HOST/dir/marker")
	run "$TOOLS/handle" open "$HOST" "$h"
	assert_has "$output" "host marker" "control: the handle is good on the host"
	attack_run "for at in / /v /s /etc/hosts /dev /proc /tmp; do handle open \$at $h; done; handle root /v /s / ; echo end"
	no_leak
	assert_match "$output" $'(^|\n)/v: (Operation not permitted|Stale file handle)\n.*\nend$'
	refute_has "$output" OPENED
}

@test "A52 what a container leaves in a share gives no host user any id but the owner's" {
	bundle suid
	privileged
	local s
	s=$(share suid 1000)
	bind "$s" /s rw
	with_tool whoami2
	attack_run 'cp /bin/whoami2 /s/a && chmod 6755 /s/a; for u in 0 1 33 1000 65534; do cp /bin/whoami2 /s/u$u && chown $u:$u /s/u$u && chmod 6755 /s/u$u; done; mknod /s/dev b 8 0; mknod /s/null c 1 3; echo end'
	assert_has "$output" end
	run find "$s" -perm /6000 \( -uid 0 -o -gid 0 \)
	assert_eq "$output" "" "set-id programs of root on the host"
	run find "$s" \( -type b -o -type c \)
	assert_eq "$output" "" "device nodes on the host"
	local f
	for f in "$s"/*; do
		run setpriv --reuid 65534 --regid 65534 --clear-groups "$f"
		assert_match "$output" '^uid (1000|1[0-9]{5,}|[2-9][0-9]{5,}|65534) gid (1000|1[0-9]{5,}|[2-9][0-9]{5,}|65534)$' "$f"
	done
}

@test "A52 a share that belongs to a system group gives nobody that group" {
	bundle sgid
	privileged
	local s
	s=$(share sgid 1000)
	chgrp 42 "$s"
	chmod 2775 "$s"
	bind "$s" /s rw
	with_tool whoami2
	attack_run 'cp /bin/whoami2 /s/a && chmod 2755 /s/a; stat -c %g /s/a; echo end'
	assert_has "$output" end
	run find "$s" -perm -2000 -type f -gid 42
	assert_eq "$output" "" "a set-group-id program of group shadow"
}

@test "A52 A109 a set-user-id program left behind gives no host user the next container of the range" {
	bundle leave
	privileged
	local s base
	# Nobody's directory: everything in it lands in the container's own range.
	s=$(share left 0)
	bind "$s" /s rw
	with_tool takeover
	attack_run 'cp /bin/takeover /s/t && chmod 4755 /s/t; awk "{print \$2}" /proc/self/uid_map'
	base=$output
	assert_eq "$(stat -c '%u %a' "$s/t")" "$base 4755"
	rt delete --force "$ID" || true
	rm -rf "$B"
	jq --argjson f "$base" '.caisson.idPool = {first: $f, count: 1}' "$SETTINGS" >"${SETTINGS%/*}/same-range.json"
	SETTINGS=${SETTINGS%/*}/same-range.json
	chmod 0644 "$SETTINGS"
	bundle next
	sleeper
	eventually 15 bg
	cp "$HOST/token" "$B/rootfs/token"
	chmod 0600 "$B/rootfs/token"
	assert_eq "$(map_base "$PID")" "$base"
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$s/t" "$PID" /token
	assert_has "$output" "id $base" "control: the set-user-id bit works on the host"
	refute_has "$output" ENTERED
	no_leak
}

@test "A53 every file has the ids that the ledger says, seen from inside and from outside" {
	bundle map
	privileged
	local v s base
	v=$(vol v)
	s=$(share map 1000)
	touch "$v/root" "$v/u5" "$v/far" "$s/owner" "$s/root" "$s/other"
	chown 5:5 "$v/u5"
	chown 70000:70000 "$v/far"
	chown 0:0 "$s/root"
	chown 1000:1000 "$s/owner"
	chown 1001:1001 "$s/other"
	bind "$v" /v rw
	bind "$s" /s rw
	script_is 'stat -c "%n %u" /v/root /v/u5 /v/far /s/owner /s/root /s/other; touch /v/new /s/new; su user -c "touch /tmp/n"; exec sleep 5'
	bg
	base=$(map_base "$PID")
	grep -qx "$base" <(ls /run/caisson/ids) || fail "range $base is in no ledger"
	eventually 5 test -e "$s/new"
	assert_eq "$(cat "$B/out")" "$(printf '%s\n' '/v/root 0' '/v/u5 5' '/v/far 65534' '/s/owner 0' '/s/root 65534' '/s/other 65534')"
	assert_eq "$(stat -c %u:%g "$v/new" "$s/new")" "$(printf '0:0\n1000:1000')"
}
