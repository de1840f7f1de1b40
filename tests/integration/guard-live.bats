# SPDX-License-Identifier: Apache-2.0
# Containers that were started before the guard was installed and that the engine lets live on ("live-restore"): what is
# done to them through the guard, and how they become isolated. As caissonctl install does it, dockerd and containerd get
# another PATH; the shims of what lives on keep theirs.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/guard.bash

OLD="older container"

setup_file() {
	docker_open runc || return 1
	jq '. + {"live-restore": true, builder: {Entitlements: {"network-host": false, "security-insecure": false}}}' \
		"$ENGINE/etc/daemon.json" >"$ENGINE/etc/new.json"
	mv "$ENGINE/etc/new.json" "$ENGINE/etc/daemon.json"
	docker_daemon_stop && docker_daemon_start || return 1
	for name in aa bb cc; do
		d run -di --name $name --network none "$IMAGE" sh -c 'cat /proc/self/uid_map; while read -r line; do echo "got $line"; done; exec sleep 1000'
	done
	PIDS="$(dpid aa) $(dpid bb) $(dpid cc)"
	export PIDS
	docker_daemon_stop
	kill "$(cat "$ENGINE/containerd.pid")"
	eventually 20 ended "$(cat "$ENGINE/containerd.pid")"
	runc_shadow
	containerd_open "$ENGINE" "$ENGINE_NET" && docker_daemon_start && guard_open || return 1
	eventually 30 grep -q 'its runc is Caisson' "$ENGINE/guard.log"
}

teardown_file() {
	guard_close
	docker_close
}

rawd() {
	DOCKER_HOST=unix://$ENGINE_SOCK "$DOCKER" "$@"
}

# barred COMMAND... - works on the engine's own socket, without isolation; the guard refuses it and says what to do
barred() {
	rawd "$@" </dev/null || fail "without the guard: $*"
	output=$("$DOCKER" "$@" 2>&1 </dev/null) && fail "not refused: $*"
	assert_has "$output" "has been running without isolation since before that was turned on; restart it: docker restart"
	assert_eq "$(tail -n 1 "$GUARD_AUDIT" | jq -r '"\(.action) \(.rule)"')" "refused $OLD"
}

@test "they live on, and no process gets into them or to what they have" {
	assert_eq "$(dpid aa) $(dpid bb) $(dpid cc)" "$PIDS"
	run -0 rawd exec aa cat /proc/self/uid_map
	assert_match "$output" ' 4294967295$'
	barred exec aa true
	barred exec -u 0 aa true
	barred create --name dd --network none --pid container:aa "$IMAGE" true
	drm dd
	barred create --name dd --network container:aa "$IMAGE" true
	drm dd
	output=$(timeout 10 "$DOCKER" attach aa 2>&1 </dev/null) && fail "attached"
	assert_has "$output" "received 403"
	assert_eq "$(tail -n 1 "$GUARD_AUDIT" | jq -r '"\(.route) \(.rule)"')" "container_attach $OLD"
	barred cp "$ENGINE/etc/daemon.json" aa:/tmp/x
	# What only looks or stops passes.
	d cp aa:/bin/busybox "$ENGINE/out"
	d top aa
	run -0 d logs aa
	assert_match "$output" ' 4294967295$'
	d pause aa
	d unpause aa
	barred update --cpu-shares 100 aa
}

@test "docker restart isolates one, also stop and start" {
	d restart -t 0 aa
	d stop -t 0 bb
	d start bb
	for name in aa bb; do
		run -0 d exec $name cat /proc/self/uid_map
		assert_match "$output" ' 65536$'
		assert_match "$(rawd logs $name | tail -n 1)" ' 65536$'
	done
	d cp aa:/bin/busybox "$ENGINE/out"
	# The one beside them is as it was.
	barred exec cc true
	d kill cc
	d start cc
	d exec cc true
}
