# SPDX-License-Identifier: Apache-2.0
# containerd with the runtime-v2 shim for runc, driven by ctr.

load ../lib/common.bash
load ../lib/docker.bash

REF=example.test/caisson/busybox:latest

setup_file() {
	run_open || return 1
	ENGINE=$(file_dir)
	export ENGINE
	mkdir -p "$ENGINE"
	containerd_open "$ENGINE"
	# The shim takes no extra flags for the runtime, so the settings file comes in by a wrapper.
	if is_caisson; then
		printf '#!/bin/sh\nexec %q --settings %q "$@"\n' "$CAISSON_RUNTIME" "$SETTINGS" >"$ENGINE/runtime"
	else
		printf '#!/bin/sh\nexec %q "$@"\n' "$CAISSON_RUNTIME" >"$ENGINE/runtime"
	fi
	chmod 0755 "$ENGINE/runtime"
	image_tar "$CAISSON_TEST_RUN/busybox.tar"
	image_archive "$CAISSON_TEST_RUN/busybox.tar" "$ENGINE/image" "$REF"
	c images import --no-unpack "$ENGINE/image.tar" >/dev/null
}

teardown_file() {
	local id
	for id in $(c tasks ls -q 2>/dev/null); do
		c tasks rm -f "$id" >/dev/null 2>&1
	done
	for id in $(c containers ls -q 2>/dev/null); do
		c containers rm "$id" >/dev/null 2>&1
	done
	containerd_close "$ENGINE"
	engine_remove "$ENGINE" "ct-$RUN_TAG-ctr"
	run_close
}

# image_archive LAYER-TAR DIR REF - an OCI image archive DIR.tar around one layer
image_archive() {
	local layer=$1 dir=$2 ref=$3 blobs digest size config csize manifest msize
	blobs=$dir/blobs/sha256
	mkdir -p "$blobs"
	digest=$(sha256sum "$layer" | cut -d' ' -f1)
	size=$(stat -c %s "$layer")
	cp "$layer" "$blobs/$digest"
	jq -nc --arg d "sha256:$digest" '{architecture: "amd64", os: "linux", rootfs: {type: "layers", diff_ids: [$d]},
		config: {Cmd: ["/bin/sh"], Env: ["PATH=/bin:/usr/bin"]}}' >"$dir/c"
	config=$(sha256sum "$dir/c" | cut -d' ' -f1)
	csize=$(stat -c %s "$dir/c")
	mv "$dir/c" "$blobs/$config"
	jq -nc --arg c "sha256:$config" --argjson cs "$csize" --arg l "sha256:$digest" --argjson ls "$size" '{schemaVersion: 2,
		config: {mediaType: "application/vnd.oci.image.config.v1+json", digest: $c, size: $cs},
		layers: [{mediaType: "application/vnd.oci.image.layer.v1.tar", digest: $l, size: $ls}]}' >"$dir/m"
	manifest=$(sha256sum "$dir/m" | cut -d' ' -f1)
	msize=$(stat -c %s "$dir/m")
	mv "$dir/m" "$blobs/$manifest"
	jq -nc --arg m "sha256:$manifest" --argjson ms "$msize" --arg ref "$ref" '{schemaVersion: 2, manifests: [{
		mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $m, size: $ms,
		annotations: {"io.containerd.image.name": $ref}}]}' >"$dir/index.json"
	printf '{"imageLayoutVersion":"1.0.0"}' >"$dir/oci-layout"
	tar -C "$dir" -cf "$dir.tar" blobs index.json oci-layout
	rm -rf "$dir"
}

c() {
	ctr --address "$CONTAINERD_SOCK" --namespace "ct-$RUN_TAG-ctr" "$@"
}

# crun_rm ID COMMAND... - a throw-away container
crun_rm() {
	local id=$1
	shift
	c run --rm --runc-binary "$ENGINE/runtime" "$REF" "$id" "$@"
}

cbg() {
	local id=$1
	shift
	c run -d --runc-binary "$ENGINE/runtime" "$@" "$REF" "$id" sleep 1000
}

crm() {
	c tasks rm -f "$1" >/dev/null 2>&1 || true
	c containers rm "$1" >/dev/null 2>&1 || true
}

tpid() {
	c tasks ls | awk -v id="$1" '$1 == id {print $2}'
}

tstatus() {
	c tasks ls | awk -v id="$1" '$1 == id {print $3}'
}

@test "containerd: a container is mapped as in E1" {
	run -0 crun_rm t1 cat /proc/self/uid_map
	assert_idmap "$output"
}

@test "containerd: exit codes are those of the command" {
	run -9 crun_rm t2 sh -c 'exit 9'
}

@test "containerd: two tasks have ranges that do not overlap, and are ordinary ids outside" {
	cbg t3
	cbg t4
	local a b
	a=$(map_base "$(tpid t3)") b=$(map_base "$(tpid t4)")
	crm t3
	crm t4
	[ $((a > b ? a - b : b - a)) -ge 65536 ] || fail "bases $a and $b"
}

@test "containerd: exec, signals, wait and delete" {
	cbg t5
	run -0 c tasks exec --exec-id e1 t5 cat /proc/self/uid_map
	assert_idmap "$output"
	run -3 c tasks exec --exec-id e2 t5 sh -c 'exit 3'
	c tasks kill -s KILL t5
	stopped() { [ "$(tstatus t5)" = STOPPED ]; }
	eventually 10 stopped
	crm t5
	run -0 c containers ls -q
	refute_has "$output" t5
}

@test "containerd: pause and resume" {
	cbg t6
	c tasks pause t6
	assert_eq "$(tstatus t6)" PAUSED
	c tasks resume t6
	assert_eq "$(tstatus t6)" RUNNING
	crm t6
}

@test "containerd: ps and metrics have figures" {
	cbg t7
	run -0 c tasks ps t7
	assert_match "$output" '[0-9]+'
	run c tasks metrics t7
	crm t7
	assert_eq "$status" 0
	assert_match "$output" 'memory|pids'
}

@test "containerd: a privileged task keeps to its user namespace" {
	run -0 c run --rm --privileged --runc-binary "$ENGINE/runtime" "$REF" t8 sh -c 'cat /proc/self/uid_map; { echo 1 >/proc/sys/vm/drop_caches; } 2>/dev/null || echo denied'
	assert_idmap "${lines[0]}"
	assert_has "$output" denied
}

@test "containerd: --net-host is refused with M2" {
	run c run --rm --net-host --runc-binary "$ENGINE/runtime" "$REF" t9 true
	crm t9
	[ "$status" -ne 0 ]
	assert_match "$output" "can't share|restricted host mount"
}

@test "containerd: a bind outside the share is refused with M3, inside it works" {
	run c run --rm --runc-binary "$ENGINE/runtime" --mount type=bind,src=/etc,dst=/x,options=rbind:ro "$REF" t10 true
	crm t10
	[ "$status" -ne 0 ]
	assert_has "$output" "restricted host mount"
	local dir
	dir=$(share_dir ctr 1000)
	run -0 c run --rm --runc-binary "$ENGINE/runtime" --mount "type=bind,src=$dir,dst=/x,options=rbind:rw" "$REF" t11 sh -c 'echo x >/x/f; stat -c %u /x/f'
	assert_eq "$output" 0
	assert_eq "$(stat -c %u "$dir/f")" 1000
}

@test "containerd: a read-only root file system and a terminal" {
	run c run --rm --read-only --runc-binary "$ENGINE/runtime" "$REF" t12 touch /x
	crm t12
	[ "$status" -ne 0 ]
	run in_tty ctr --address "$CONTAINERD_SOCK" --namespace "ct-$RUN_TAG-ctr" run -t --rm --runc-binary "$ENGINE/runtime" "$REF" t13 tty
	crm t13
	assert_has "$output" /dev/
}

@test "containerd: a container in a network namespace of the host's works" {
	local cni
	cni=$(net_open cni)
	run c run --rm --with-ns "network:$cni" --runc-binary "$ENGINE/runtime" "$REF" t14 sh -c 'cat /proc/self/uid_map; readlink /proc/self/ns/net; ls -d /sys/class/net/lo'
	local inode
	inode=$(stat -Lc %i "$cni")
	net_close "$cni"
	crm t14
	assert_eq "$status" 0 "$output"
	assert_idmap "${lines[0]}"
	assert_eq "${lines[1]}" "net:[$inode]"
	assert_eq "${lines[2]}" /sys/class/net/lo
}

@test "containerd: ten tasks at the same time" {
	local i
	for i in $(seq 10); do
		bg_run crun_rm "p$i" cat /proc/self/uid_map >"$ENGINE/p$i.out" 2>&1
	done
	bg_wait
	for i in $(seq 10); do
		assert_idmap "$(cat "$ENGINE/p$i.out")"
	done
}

@test "containerd: nothing is left after all tasks are gone" {
	run -0 c tasks ls -q
	assert_eq "$output" ""
	[ -z "$(findmnt -rn -o TARGET | grep -F "$ENGINE/cd/state" || true)" ]
	[ -z "$(find /sys/fs/cgroup -mindepth 3 -type d -path "*ct-$RUN_TAG-ctr/*" 2>/dev/null)" ]
}
