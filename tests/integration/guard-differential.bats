# SPDX-License-Identifier: Apache-2.0
# The guard's understanding of requests against the engine's own: each request goes to the engine's socket and through
# the guard, and what the engine ends up with is compared and judged. See tests/lib/differential.py for the oracle.
#   CAISSON_DIFF_N     generated requests; from 1000 on, all of the tables instead of a part
#   CAISSON_DIFF_SEED  of the generator, and of the part of the tables that is taken

: "${CAISSON_DIFF_N:=150}" "${CAISSON_DIFF_SEED:=1}"

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/guard.bash
load ../lib/guard-api.bash

# What the requests name: containers of ours and of runc, at rest and running.
setup_file() {
	export BATS_TEST_TIMEOUT=$((180 + CAISSON_DIFF_N))
	rules_open || return 1
	rawd create --name peer --runtime sysbox-runc --network none -v "$SHARE/a:/p" "$IMAGE" true
	rawd create --name plain --runtime runc --network none -v "$SECRET:/s" "$IMAGE" true
	rawd run -d --name up --runtime sysbox-runc --network none "$IMAGE" sleep 100000
	rawd run -d --name plain-up --runtime runc --network none "$IMAGE" sleep 100000
}

teardown_file() {
	guard_close
	docker_close
}

# differs WHAT [GUARD_SOCKET] - fails with a line for each request that the two take for different things
differs() {
	run -0 "$PYTHON" "$CAISSON_SRC/tests/lib/differential.py" "$1" "$ENGINE_SOCK" "${2:-$GUARD_SOCK}" "$IMAGE" \
		"$SHARE" "$SECRET" "$CAISSON_DIFF_N" "$CAISSON_DIFF_SEED"
	printf '# %s: %s\n' "$1" "${lines[*]: -2}" >&3
}

@test "A118 A122 every member of interest, in any spelling and place, is taken for what the engine takes it for" {
	differs members
}

@test "A118 numbers, null and values of other types are taken as the engine takes them" {
	differs numbers
}

@test "A118 A117 what is no strict JSON, is deep or long, hides nothing from the guard" {
	differs texts
}

@test "A113 A119 paths, versions and queries lead both to the same, or the guard refuses" {
	differs targets
}

@test "A114 A115 A117 A120 however a request is framed, as many are judged as the engine hears" {
	differs framings
}

@test "A118 A122 generated requests: what the engine ends up with is what the guard judged" {
	differs generated
}

@test "A124 exec: the container and the rights are those that were judged" {
	differs execs
}

@test "A121 volumes: options are those that were judged" {
	differs volumes
}

@test "A128 networks are those that were judged" {
	differs networks
}

@test "A125 updates change what was judged" {
	differs updates
}

@test "A119 A127 archives go to the path that was judged" {
	differs archives
}

# A guard that believes that the engine's runc is Caisson: else it refuses all builds. None of these starts a program.
@test "A119 A133 builds: the parameters are those that were judged, and no form overrides them" {
	local sock=$ENGINE/b.sock pid
	pid=$(spawn "$ENGINE/builds-guard.log" "$CAISSON_GUARD" --listen "unix://$sock" --engine "unix://$ENGINE_SOCK" \
		--settings "$ENGINE/guard" --audit "$ENGINE/builds-audit.log" --state "$ENGINE/builds-state" --runc-is-caisson)
	eventually 10 test -S "$sock"
	differs builds "$sock"
	kill "$pid"
}
