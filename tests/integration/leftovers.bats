# SPDX-License-Identifier: Apache-2.0
# Runs last: what all the other files left on the host.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/bundle.bash

setup_file() {
	run_open
	[ -e "$CAISSON_TEST_RUN/before" ] || host_snapshot >"$CAISSON_TEST_RUN/before"
}

teardown_file() {
	run_close
}

@test "an engine and a container come and go without a trace on the host" {
	local before
	before=$(host_snapshot)
	docker_open
	d run --rm --runtime sysbox-runc -p 18090:80 "$IMAGE" true
	dbg aa --privileged -v v1:/v
	CAISSON_TEST_OWNER='' docker_close
	diff <(printf '%s\n' "$before") <(host_snapshot)
}

@test "nothing that a test file started was left for the harness to remove" {
	[ ! -s "$CAISSON_TEST_RUN/leftovers.log" ] || fail "$(cat "$CAISSON_TEST_RUN/leftovers.log")"
}

@test "no process of any engine of this run is alive" {
	local pid
	for pid in $(engine_pids "$CAISSON_TEST_RUN/"); do
		fail "$pid: $(tr '\0' ' ' <"/proc/$pid/cmdline")"
	done
}

@test "no mount, cgroup or network namespace of this run is left" {
	local left
	left=$(
		findmnt -rn -o TARGET | grep -F "$CAISSON_TEST_RUN"
		cgroup_dirs "ct-$RUN_TAG"
	) || true
	[ -z "$left" ] || fail "$left"
}

@test "no container and no id range of this run is registered any more" {
	local left
	left=$(grep -rlsF "$CAISSON_TEST_RUN" /run/caisson 2>/dev/null || true)
	[ -z "$left" ] || fail "$left"
}

@test "E3 a range is used again after its container is gone" {
	local first second
	oci_open
	# A pool of one: a second container can only start when the first one's range is free again.
	jq '.caisson = {idPool: {first: 1500000000, count: 1}}' "$SETTINGS" >"${SETTINGS%/*}/one.json"
	chmod 0644 "${SETTINGS%/*}/one.json"
	SETTINGS=${SETTINGS%/*}/one.json
	bundle again
	first=$(sh_run 'cat /proc/self/uid_map')
	second=$(sh_run 'cat /proc/self/uid_map')
	CAISSON_TEST_OWNER='' oci_close
	assert_idmap "$first"
	assert_eq "$second" "$first"
}

@test "the host is as it was before the tests" {
	run diff "$CAISSON_TEST_RUN/before" <(host_snapshot)
	# Other programs of the machine may come and go meanwhile: only what looks like an engine's or ours counts.
	local added
	added=$(grep '^>' <<<"$output" | grep -Ei 'caisson|ct-|docker|containerd|podman|libpod|veth|br-|overlay|sysbox|moby' || true)
	[ -z "$added" ] || fail "$added"
}
