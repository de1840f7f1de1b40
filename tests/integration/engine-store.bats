# SPDX-License-Identifier: Apache-2.0
# Debian 13's engine with containerd's image store: ids of images are digests of manifests and indexes, root file
# systems are containerd's snapshots. The runtime's layers, and which images may have the Docker socket.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/guard.bash
load ../lib/guard-api.bash
load ../lib/inner.bash
load ../lib/tools.bash
load ../lib/socket.bash

setup_file() {
	export BATS_TEST_TIMEOUT=180
	engine_newer || return 1
	export ENGINE_CONFIG='{"features": {"containerd-snapshotter": true},
		"builder": {"Entitlements": {"network-host": false, "security-insecure": false}}}'
	ENGINE_SHADOW_RUNC=1 socket_open || return 1
	published "$REG/ci/tag:1" "$TOOL:1" one && published "$REG/ci/tag:2" "$TOOL:1" two || return 1
	eventually 30 grep -q 'it grants no entitlement' "$ENGINE/guard.log" || return 1
	SNAPSHOTS=$ENGINE/cd/root/io.containerd.snapshotter.v1.overlayfs/snapshots
	export SNAPSHOTS
}

teardown_file() {
	socket_close
}

teardown() {
	socket_teardown
}

# built NAME BASE TEXT - BASE with one more layer, by BuildKit: an index of a manifest and its attestations
built() {
	mkdir -p "$ENGINE/built"
	printf '%s\n' "$3" >"$ENGINE/built/text"
	printf 'FROM %s\nCOPY text /text\n' "$2" >"$ENGINE/built/Dockerfile"
	DOCKER_HOST=unix://$ENGINE_SOCK d build -q --provenance=true -t "$1" "$ENGINE/built"
}

# layers - owners and times of all that images brought
layers() {
	find "$SNAPSHOTS" -path '*/fs/*' -printf '%P %u:%g %C@\n' | sort
}

# denied_image IMAGE - M5, and nothing else
denied_image() {
	denied "Docker socket mount denied for container with image" "$1"
}

# ---- root file systems --------------------------------------------------------------------------------------------

@test "E1 E3 E11 containers on containerd's snapshots are isolated, and what is on disk keeps its owners and times" {
	local before
	assert_has "$(d info -f '{{.Driver}} {{.DriverStatus}}')" "overlayfs [[driver-type io.containerd.snapshotter.v1]]"
	before=$(layers)
	assert_match "$before" 'home/user 1000:1000'
	d run -d --name aa --network none "$IMAGE" sh -c 'echo x >/marker; chown 5:6 /marker; chown 7:8 /home/user; exec sleep 600'
	d run -d --name bb --network none "$IMAGE" sleep 600
	eventually 5 d exec aa test -e /marker
	assert_idmap "$(d exec aa cat /proc/self/uid_map)"
	[ "$(d exec aa cat /proc/self/uid_map)" != "$(d exec bb cat /proc/self/uid_map)" ]
	assert_eq "$(d exec aa stat -c %u:%g /marker /home/user /bin/busybox)" $'5:6\n7:8\n0:0'
	assert_eq "$(d exec bb stat -c %u:%g /home/user /bin/busybox)" $'1000:1000\n0:0'
	assert_eq "$(find "$SNAPSHOTS" -name marker -exec stat -c %u:%g {} +)" 5:6
	assert_eq "$(find "$SNAPSHOTS" -uid +65535 -o -gid +65535)" ""
	drm aa bb
	# What builds left over may be collected meanwhile; nothing else is new or changed.
	assert_eq "$(comm -13 <(printf '%s\n' "$before") <(layers))" ""
	assert_match "$(layers)" 'home/user 1000:1000'
}

@test "E100 E101 cp, commit, restart of the container and of the engine: owners and changes stay" {
	d run -d --name aa --network none --restart always --stop-signal KILL "$IMAGE" sh -c 'echo $$ >>/runs; exec sleep 600'
	echo content >"$ENGINE/file"
	d cp "$ENGINE/file" aa:/there
	d restart -t 0 aa
	guard_restart_engine
	eventually 20 is_state aa running
	eventually 20 d exec aa grep -c . /runs
	assert_eq "$(d exec aa sh -c 'stat -c %u /there; cat /there')" $'0\ncontent'
	[ "$(d exec aa grep -c . /runs)" -ge 2 ]
	d commit aa kept >/dev/null
	assert_eq "$(d run --rm --network none kept cat /there)" content
	drm aa
	d rmi kept
}

@test "E102 builds on containerd's snapshots are isolated, by BuildKit and by the classic builder" {
	mkdir -p "$ENGINE/ctx"
	printf 'FROM %s\nRUN cat /proc/self/uid_map; stat -c "is %%u" /bin/busybox; echo x >/made\n' "$IMAGE" >"$ENGINE/ctx/Dockerfile"
	for kit in 0 1; do
		DOCKER_BUILDKIT=$kit run -0 d build --no-cache --network none -t made "$ENGINE/ctx"
		assert_match "$output" '0 +[1-9][0-9]{5,} +65536'
		assert_has "$output" "is 0"
		assert_eq "$(d run --rm --network none made stat -c %u /made)" 0
		d rmi made
	done
	assert_eq "$(find "$SNAPSHOTS" -uid +65535 -o -gid +65535)" ""
}

# ---- images that may have the socket --------------------------------------------------------------------------------

@test "E47 E50 E51 E53 E56 an image of the registry is allowed by tag, by digest, under each of its names and by its id" {
	local digest
	digest=$(repo_digest "$REG/ci/tag:1")
	permit .
	denied "allowed image list is empty" "$REG/ci/tag:1"
	for entry in "$REG/ci/tag:1" "$REG/ci/tag:*" "$REG/ci/tag@$digest"; do
		permit "img([\"$entry\"])"
		allowed aa "$REG/ci/tag:1"
		denied "$(not_listed "$REG/ci/other")" "$REG/ci/other:1"
		drm aa
	done
	permit "img([\"$REG/ci/tag:1\"])"
	denied_image "$REG/ci/tag:2"
	d tag "$REG/ci/tag:1" mine:1
	allowed aa mine:1
	allowed bb "$(rawd image inspect -f '{{.Id}}' "$REG/ci/tag:1")"
	allowed cc "$REG/ci/tag@$digest"
	rawd rmi mine:1
	# What a pull brings is the same.
	drm aa bb cc
	rawd rmi -f "$REG/ci/tag:1"
	d pull -q "$REG/ci/tag:1"
	allowed aa "$REG/ci/tag:1"
}

@test "E56 E57 E59 A134 an image with an allowed name that is not the registry's is refused: tagged, built, committed, imported, loaded" {
	permit "img([\"$REG/ci/tag:*\"])"
	rawd tag "$REG/ci/tag:1" keep:1
	d tag "$REG/ci/other:1" "$REG/ci/tag:1"
	denied_image "$REG/ci/tag:1"
	rawd tag keep:1 "$REG/ci/tag:1"
	rawd rmi keep:1
	allowed aa "$REG/ci/tag:1"
	built "$REG/ci/tag:8" "$REG/ci/tag:1" kit
	denied_image "$REG/ci/tag:8"
	permit "own({images: [{id: \"$(rawd image inspect -f '{{.Id}}' "$REG/ci/tag:8")\"}]})"
	allowed bb "$REG/ci/tag:8"
	drm bb
	permit "img([\"$REG/ci/tag:*\"])"
	variant "$REG/ci/tag:9" "$REG/ci/tag:1" classic
	denied_image "$REG/ci/tag:9"
	d commit aa "$REG/ci/tag:10"
	denied_image "$REG/ci/tag:10"
	rawd export aa | d import - "$REG/ci/tag:11"
	denied_image "$REG/ci/tag:11"
	d save -o "$ENGINE/saved.tar" "$REG/ci/tag:8"
	rawd rmi "$REG/ci/tag:8" "$REG/ci/tag:9" "$REG/ci/tag:10" "$REG/ci/tag:11"
	d load -i "$ENGINE/saved.tar"
	denied_image "$REG/ci/tag:8"
	rawd rmi "$REG/ci/tag:8"
	# Saved and loaded, an allowed one is what it was.
	drm aa
	d save -o "$ENGINE/saved.tar" "$REG/ci/tag:1"
	rawd rmi -f "$REG/ci/tag:1"
	d load -i "$ENGINE/saved.tar"
	allowed aa "$REG/ci/tag:1"
}

@test "E53 E58 an index of BuildKit in the registry is allowed; when its tag has moved it is refused, and a pull cures it" {
	built "$REG/ci/kit:1" "$TOOL:1" first
	assert_has "$(rawd save "$REG/ci/kit:1" | tar xO index.json)" application/vnd.oci.image.index.v1+json
	rawd push -q "$REG/ci/kit:1"
	permit "img([\"$REG/ci/kit:1\"]) | own({digestMaxAge: 0})"
	allowed aa "$REG/ci/kit:1"
	permit "img([\"$REG/ci/kit@$(repo_digest "$REG/ci/kit:1")\"])"
	allowed bb "$REG/ci/kit:1"
	permit "img([\"$REG/ci/kit:1\"]) | own({digestMaxAge: 0})"
	rawd tag "$REG/ci/kit:1" keep:1
	built "$REG/ci/kit:1" "$TOOL:1" second
	denied_image "$REG/ci/kit:1"
	rawd push -q "$REG/ci/kit:1"
	allowed cc "$REG/ci/kit:1"
	rawd tag keep:1 "$REG/ci/kit:1"
	denied_image "$REG/ci/kit:1"
	assert_has "$output" "docker pull $REG/ci/kit:1"
	d pull -q "$REG/ci/kit:1"
	allowed dd "$REG/ci/kit:1"
	drm aa bb cc dd
	rawd rmi -f keep:1 "$REG/ci/kit:1"
}

@test "E60 E61 E62 A137 M5b derived images by their layers, with allowDerivedImages; the refusal names the parent" {
	built child:1 "$REG/ci/tag:1" child
	variant grandchild:1 child:1 grandchild
	built sibling:1 "$TOOL:1" sibling
	permit "img([\"$REG/ci/tag:1\"])"
	denied "$(not_listed docker.io/library/child)" child:1
	assert_match "$output" "Alternatively add its parent image \($REG/ci/tag(:1)?\)"
	for entry in "$REG/ci/tag:1" "$REG/ci/tag:*" "$REG/ci/tag@$(repo_digest "$REG/ci/tag:1")"; do
		permit "img([\"$entry\"]) | derived"
		allowed aa child:1
		allowed bb grandchild:1
		denied_image sibling:1
		denied_image "$TOOL:1"
		drm aa bb
	done
	permit "img([\"$REG/ci/tag:2\"]) | derived"
	denied_image child:1
	rawd rmi grandchild:1 child:1 sibling:1
}

@test "L14 U15 images built here that have a label: by the classic builder; what buildx builds is not known, and refused" {
	permit 'own({images: [{label: "org.example.ci=yes", builders: ["root"]}]})'
	mkdir -p "$ENGINE/label"
	printf 'FROM %s\nLABEL org.example.ci=yes\nRUN echo here >/by\n' "$TOOL:1" >"$ENGINE/label/Dockerfile"
	DOCKER_BUILDKIT=0 d build --network none --no-cache -t here:1 "$ENGINE/label"
	allowed aa here:1
	d build --no-cache -t kit:1 "$ENGINE/label"
	denied_image kit:1
	variant elsewhere:1 "$TOOL:1" elsewhere 'LABEL org.example.ci=yes'
	denied_image elsewhere:1
	drm aa
	rawd rmi here:1 kit:1 elsewhere:1
}

@test "E64 E80 decided again at start; siblings of a container with the socket are isolated" {
	permit "img([\"$TOOL:1\"])"
	allowed aa "$TOOL:1"
	run -0 sock_d aa run --rm --network none "$IMAGE" cat /proc/self/uid_map
	assert_idmap "$output"
	run -0 sock_d aa images -q "$TOOL"
	d stop -t 1 aa
	permit "img([\"$REG/ci/other:1\"])"
	run -1 d start aa
	assert_has "$output" "$(not_listed "$TOOL")"
}
