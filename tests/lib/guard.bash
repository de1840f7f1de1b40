# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A guard of the test's own in front of the engine that docker_open() started. GUARD_NET: its network
# namespace, a file.

: "${CAISSON_GUARD:=$CAISSON_BUILD/src/bin/caissond}"

# guard_open - start it and make every docker command go through it. ENGINE_SOCK is the engine's own socket from then on.
guard_open() {
	ENGINE_SOCK=$ENGINE/d.sock
	GUARD_SOCK=$ENGINE/g.sock
	GUARD_AUDIT=$ENGINE/audit.log
	GUARD_SETTINGS=$ENGINE/guard/admin-settings.json
	mkdir -p "$ENGINE/guard"
	[ -e "$GUARD_SETTINGS" ] || cp "$SETTINGS" "$GUARD_SETTINGS"
	export ENGINE_SOCK GUARD_SOCK GUARD_AUDIT GUARD_SETTINGS
	guard_start || return 1
	export DOCKER_HOST=unix://$GUARD_SOCK
}

guard_start() {
	spawn "$ENGINE/guard.log" ${GUARD_NET:+nsenter "--net=$GUARD_NET" --} "$CAISSON_GUARD" --listen "unix://$GUARD_SOCK" \
		--engine "unix://$ENGINE_SOCK" --settings "$ENGINE/guard" --audit "$GUARD_AUDIT" --state "$ENGINE/guard-state" >"$ENGINE/guard.pid"
	eventually 10 test -S "$GUARD_SOCK" || {
		cat "$ENGINE/guard.log" >&2
		return 1
	}
}

# guard_stop [SIGNAL]
guard_stop() {
	local pid
	pid=$(cat "$ENGINE/guard.pid" 2>/dev/null) || return 0
	kill -"${1:-TERM}" "$pid" 2>/dev/null
	eventually 15 ended "$pid"
}

# guard_close() - before docker_close(), which is to reach the engine itself
guard_close() {
	[ -n "${ENGINE:-}" ] || return 0
	guard_stop || guard_stop KILL
	mkdir -p "$CAISSON_TEST_RUN/logs"
	cp "$ENGINE/guard.log" "$CAISSON_TEST_RUN/logs/${ENGINE##*/}-guard.log" 2>/dev/null
	export DOCKER_HOST=unix://$ENGINE/d.sock
}

# guard_restart_engine - the engine goes and comes back; the guard stays
guard_restart_engine() {
	local host=$DOCKER_HOST
	docker_daemon_stop || return 1
	DOCKER_HOST=unix://$ENGINE_SOCK docker_daemon_start || return 1
	export DOCKER_HOST=$host
}

# raw SOCKET MODE [ARGS...] - bytes as no client sends them; see raw.py
raw() {
	"$PYTHON" "$CAISSON_SRC/tests/lib/raw.py" "$@"
}
