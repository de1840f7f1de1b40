# SPDX-License-Identifier: Apache-2.0
# Root file systems and sources on every kind of file system that this machine has, and mounts of type overlay.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/bundle.bash

setup_file() {
	oci_open
}

teardown_file() {
	findmnt -rn -o TARGET | grep -F "$OCI/fs" | sort -r | xargs -r -n1 umount -l
	oci_close
}

teardown() {
	[ -z "${ID:-}" ] || rt delete --force "$ID" >/dev/null 2>&1 || true
}

# loop_fs TYPE MKFS... - a small file system of that type in a file, mounted at $OCI/fs-TYPE
loop_fs() {
	local type=$1
	shift
	mkdir -p "$OCI/fs-$type"
	truncate -s 400M "$OCI/$type.img"
	"$@" "$OCI/$type.img" >/dev/null
	mount -o loop "$OCI/$type.img" "$OCI/fs-$type"
}

# root_on DIR - move the bundle's root file system there, with owners other than root
root_on() {
	cp -a "$B/rootfs" "$1/rootfs"
	chown 33:44 "$1/rootfs/etc/group"
	cfg '.root.path = $p' --arg p "$1/rootfs"
}

# overlay_on DIR - an overlay as an engine makes it, with the bundle's root file system as the lower layer
overlay_on() {
	mkdir -p "$1/l" "$1/o/diff" "$1/o/work" "$1/o/merged"
	cp -a "$B/rootfs/." "$1/l/"
	chown 33:44 "$1/l/etc/group"
	mount -t overlay overlay -o "lowerdir=$1/l,upperdir=$1/o/diff,workdir=$1/o/work" "$1/o/merged"
	cfg '.root.path = $p' --arg p "$1/o/merged"
}

# owners_hold UPPER - inside ids are as on disk, and what the container makes is stored unshifted
owners_hold() {
	run -0 sh_run 'stat -c %u:%g / /etc/group /bin/busybox; echo x >/new; chown 5:6 /new; echo y >>/etc/group; stat -c %u:%g /new /etc/group; wc -l </proc/self/uid_map'
	assert_eq "$output" $'0:0\n33:44\n0:0\n5:6\n33:44\n1'
	assert_eq "$(stat -c %u:%g "$1/new" "$1/etc/group")" $'5:6\n33:44'
}

@test "a root file system on xfs, plain and as overlay" {
	bundle xfs
	loop_fs xfs mkfs.xfs -q
	root_on "$OCI/fs-xfs"
	owners_hold "$OCI/fs-xfs/rootfs"
	overlay_on "$OCI/fs-xfs"
	owners_hold "$OCI/fs-xfs/o/diff"
	umount "$OCI/fs-xfs/o/merged"
	umount "$OCI/fs-xfs"
}

@test "a root file system on btrfs, plain and as overlay" {
	bundle btrfs
	loop_fs btrfs mkfs.btrfs -q
	root_on "$OCI/fs-btrfs"
	owners_hold "$OCI/fs-btrfs/rootfs"
	overlay_on "$OCI/fs-btrfs"
	owners_hold "$OCI/fs-btrfs/o/diff"
	umount "$OCI/fs-btrfs/o/merged"
	umount "$OCI/fs-btrfs"
}

@test "a root file system on tmpfs as overlay" {
	bundle tmpfs
	mkdir -p "$OCI/fs-tmpfs"
	mount -t tmpfs tmpfs "$OCI/fs-tmpfs"
	overlay_on "$OCI/fs-tmpfs"
	owners_hold "$OCI/fs-tmpfs/o/diff"
	umount "$OCI/fs-tmpfs/o/merged"
	umount "$OCI/fs-tmpfs"
}

@test "a read-only overlay without upper layer" {
	bundle roover
	mkdir -p "$OCI/ro/a" "$OCI/ro/b" "$OCI/ro/m"
	cp -a "$B/rootfs/." "$OCI/ro/a/"
	echo b >"$OCI/ro/b/b"
	mount -t overlay overlay -o "lowerdir=$OCI/ro/b:$OCI/ro/a" "$OCI/ro/m"
	cfg '.root.path = $p' --arg p "$OCI/ro/m"
	run sh_run 'stat -c %u /b /bin/busybox; touch /x 2>&1'
	umount "$OCI/ro/m"
	assert_has "$output" $'0\n0'
	assert_has "$output" 'Read-only file system'
}

@test "an overlay with sixty layers, names with colons and commas in them" {
	bundle layers
	local i lower=
	mkdir -p "$OCI/many/up" "$OCI/many/wk" "$OCI/many/m" "$OCI/many/base"
	cp -a "$B/rootfs/." "$OCI/many/base/"
	for i in $(seq 60); do
		mkdir -p "$OCI/many/l$i"
		echo "$i" >"$OCI/many/l$i/f$i"
		lower=$lower:l$i
	done
	mkdir "$OCI/many/odd:one" "$OCI/many/odd,two"
	echo odd1 >"$OCI/many/odd:one/odd1"
	echo odd2 >"$OCI/many/odd,two/odd2"
	mkdir -p "$OCI/many/x/diff" "$OCI/many/x/work"
	(cd "$OCI/many" && mount -t overlay overlay -o "lowerdir=odd\\:one:odd\\,two${lower}:base,upperdir=$OCI/many/x/diff,workdir=$OCI/many/x/work" m)
	cfg '.root.path = $p' --arg p "$OCI/many/m"
	run sh_run 'cat /f1 /f60 /odd1 /odd2; stat -c %u /f30; echo n >/new'
	umount "$OCI/many/m"
	assert_eq "$output" $'1\n60\nodd1\nodd2\n0'
	assert_eq "$(stat -c %u "$OCI/many/x/diff/new")" 0
}

@test "a file system that can not be id-mapped is a clear error, and nothing is left" {
	bundle ramfs
	mkdir -p "$OCI/fs-ramfs"
	mount -t ramfs ramfs "$OCI/fs-ramfs"
	root_on "$OCI/fs-ramfs"
	run rt run --bundle "$B" "$ID"
	umount "$OCI/fs-ramfs"
	assert_eq "$status" 1
	assert_has "$output" 'cannot be id-mapped'
	assert_eq "${#lines[@]}" 1
	gone "$ID"
}

@test "a directory inside an overlay as root file system is refused with the cure" {
	bundle inside
	overlay_on "$OCI"
	cfg '.root.path = $p' --arg p "$OCI/o/merged/etc"
	run rt run --bundle "$B" "$ID"
	umount "$OCI/o/merged"
	assert_eq "$status" 1
	assert_has "$output" "overlay's own mount point"
}

@test "a mount of type overlay takes shared directories as layers, and nothing else" {
	bundle overmount
	mkdir -p "$SHARE/low" "$SHARE/top/up" "$SHARE/top/wk"
	echo low >"$SHARE/low/f"
	chown -R 1234:1234 "$SHARE/low" "$SHARE/top"
	cfg '.mounts += [{destination: "/o", type: "overlay", source: "overlay", options: ["lowerdir=" + $s + "/low", "upperdir=" + $s + "/top/up", "workdir=" + $s + "/top/wk"]}]' --arg s "$SHARE"
	run -0 sh_run 'cat /o/f; echo new >/o/f; cat /o/f; stat -c %u /o/f'
	assert_eq "$output" $'low\nnew\n0'
	assert_eq "$(cat "$SHARE/low/f")" low
	assert_eq "$(cat "$SHARE/top/up/f")" new
	cfg '(.mounts[] | select(.type == "overlay") | .options[0]) = "lowerdir=/etc"'
	run sh_run 'cat /o/shadow'
	assert_eq "$status" 1
	assert_has "$output" 'restricted host mount'
	rm -rf "$SHARE/low" "$SHARE/top"
}

@test "a directory of the host's own is no root file system" {
	bundle hostroot
	local dir
	for dir in / /etc /usr /usr/share /var /var/lib /home /run /tmp /dev /proc "$B/rootfs/../../../../../../.."; do
		cfg '.root.path = $p' --arg p "$dir"
		run rt create --bundle "$B" "$ID"
		[ "$status" -eq 1 ] || fail "$dir was accepted"
		assert_has "$output" 'root.path'
		assert_eq "${#lines[@]}" 1
		gone "$ID"
	done
}
