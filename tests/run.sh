#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Build, then run the tests: unit and corpus replay (meson), integration and attacks (bats, real engines).
# The last line is "N passed, N failed, N skipped"; exit status 0 only when nothing failed, and in CI nothing was
# skipped either. Everything that a run makes is below one directory, which is removed however the run ends.
# usage: run.sh [unit] [integration] [attacks] [FILE.bats ...]      (default: all three suites)
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tests/lib/common.bash
. tests/lib/common.bash

JOBS=${CAISSON_TEST_JOBS:-$(nproc)}
LOGS=$CAISSON_BUILD/test-logs
passed=0 failed=0 skipped=0
files=() last=() unit=

say() {
	printf '%s\n' "$*"
}

finish() {
	local code=$? i pids
	trap - EXIT INT TERM HUP
	if [ -n "${CAISSON_TEST_RUN:-}" ]; then
		# Whatever still runs of this run's test files: only after an interruption.
		for i in 1 2 3; do
			pids=$(pids_marked "CAISSON_TEST_RUN=$CAISSON_TEST_RUN")
			[ -n "$pids" ] || break
			# shellcheck disable=SC2086
			kill -KILL $pids 2>/dev/null
			sleep 0.2
		done
		cp -r "$CAISSON_TEST_RUN/logs" "$LOGS/" 2>/dev/null
		run_close force
	fi
	exit $code
}

select_suites() {
	local what
	[ $# -gt 0 ] || set -- unit integration attacks
	for what; do
		case $what in
		unit) unit=1 ;;
		integration | attacks)
			for f in tests/"$what"/*.bats; do
				case $f in
				*/leftovers.bats) last+=("$f") ;;
				*'*'*) ;;
				*) files+=("$f") ;;
				esac
			done
			;;
		*/leftovers.bats) last+=("$what") ;;
		*.bats) files+=("$what") ;;
		*)
			say "run.sh: unknown suite '$what': unit, integration, attacks or bats files" >&2
			exit 2
			;;
		esac
	done
}

build() {
	[ -e "$CAISSON_BUILD/build.ninja" ] || meson setup "$CAISSON_BUILD" >"$LOGS/setup.log" 2>&1 || {
		cat "$LOGS/setup.log"
		return 1
	}
	meson compile -C "$CAISSON_BUILD" >"$LOGS/build.log" 2>&1 || {
		tail -50 "$LOGS/build.log"
		return 1
	}
}

# Each cmocka test counts, not each program; a program that dies without a verdict counts as one failure.
count_unit() {
	local code out p f s
	meson test -C "$CAISSON_BUILD" --no-rebuild --print-errorlogs --suite unit --suite replay --suite style >"$LOGS/unit.log" 2>&1
	[ -s "$CAISSON_BUILD/meson-logs/testlog.json" ] || {
		tail -20 "$LOGS/unit.log"
		failed=$((failed + 1))
		return
	}
	while IFS=$'\t' read -r name code out; do
		p=$(printf '%b' "$out" | sed -n 's/.*\[  PASSED  \] \([0-9]*\) test.*/\1/p' | awk '{n += $1} END {print n + 0}')
		f=$(printf '%b' "$out" | sed -n 's/.*\[  FAILED  \] \([0-9]*\) test.*/\1/p' | awk '{n += $1} END {print n + 0}')
		s=$(printf '%b' "$out" | sed -n 's/.*\[  SKIPPED \] \([0-9]*\) test.*/\1/p' | awk '{n += $1} END {print n + 0}')
		case $code in
		OK)
			[ $((p + s)) -gt 0 ] || p=1
			skipped=$((skipped + s))
			[ "$s" -eq 0 ] || say "skipped: unit $name: $(printf '%b' "$out" | sed -n 's/.*\[  SKIPPED \] \([a-z_][a-z0-9_]*\).*/\1/p' | sort -u | tr '\n' ' ')"
			;;
		SKIP)
			p=0
			skipped=$((skipped + 1))
			say "skipped: unit $name"
			;;
		*)
			[ "$f" -gt 0 ] || f=1
			say "not ok: unit $name ($code)"
			;;
		esac
		passed=$((passed + p)) failed=$((failed + f))
	done < <(jq -r '[.name, .result, ((.stdout // "") + (.stderr // "") | tojson)] | @tsv' "$CAISSON_BUILD/meson-logs/testlog.json")
	[ "$failed" -eq 0 ] || sed -n '/=\{20,\}/,$p' "$LOGS/unit.log" | tail -60
	say "unit: $passed passed, $failed failed, $skipped skipped"
}

run_file() {
	local start=$SECONDS name log
	name=$(basename "$(dirname "$1")")-$(basename "$1" .bats)
	log=$LOGS/$name.tap
	timeout -k 60 "${CAISSON_TEST_TIMEOUT:-600}" bats --tempdir "$CAISSON_TEST_RUN/bats-$name" \
		--formatter tap --timing --print-output-on-failure "$1" >"$log" 2>&1 </dev/null
	printf '# exit %d after %d s\n' $? $((SECONDS - start)) >>"$log"
}

count_file() {
	local log p f s planned ran code
	log=$LOGS/$(basename "$(dirname "$1")")-$(basename "$1" .bats).tap
	s=$(grep -cE '^ok .*# skip' "$log")
	p=$(($(grep -cE '^ok ' "$log") - s))
	f=$(grep -cE '^not ok ' "$log")
	planned=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$log" | head -1)
	ran=$((p + f + s))
	code=$(sed -n 's/^# exit \([0-9]*\) .*/\1/p' "$log" | tail -1)
	# Tests that never ran (set-up failed, time-out) are failures, and so is a file that fails for no named test.
	[ "$ran" -ge "${planned:-0}" ] || f=$((f + planned - ran))
	if [ "$f" -eq 0 ] && { [ "${code:-1}" -ne 0 ] || [ -z "$planned" ]; }; then
		f=1
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	say "$1: $p passed, $f failed, $s skipped ($(sed -n 's/^# exit .* after //p' "$log" | tail -1))"
	[ "$f" -eq 0 ] || grep -A 25 -E '^not ok ' "$log" | grep -vE '^ok ' | cut -c1-400
	grep -E '^ok .*# skip' "$log" || true
}

run_bats() {
	local f
	for f in "${files[@]}"; do
		while [ "$(jobs -rp | wc -l)" -ge "$JOBS" ]; do
			wait -n
		done
		run_file "$f" &
	done
	wait
	for f in "${last[@]}"; do
		run_file "$f"
	done
	for f in "${files[@]}" "${last[@]}"; do
		count_file "$f"
	done
}

if [ "$(id -u)" -ne 0 ]; then
	say "run.sh: the tests start container engines of their own: run them as root" >&2
	exit 1
fi
select_suites "$@"
rm -rf "$LOGS"
mkdir -p "$LOGS"
trap finish EXIT
trap 'exit 130' INT TERM HUP
if ! build; then
	say "0 passed, 1 failed, 0 skipped"
	exit 1
fi
state_open
[ -z "$unit" ] || count_unit
if [ $((${#files[@]} + ${#last[@]})) -gt 0 ]; then
	CAISSON_TEST_RUN=$(mktemp -d /var/tmp/caisson-tests.XXXXXX) || exit 1
	export CAISSON_TEST_RUN
	if ! run_open; then
		say "0 passed, 1 failed, 0 skipped"
		exit 1
	fi
	image_ready() {
		# shellcheck source=tests/lib/docker.bash
		. tests/lib/docker.bash
		image_tar "$CAISSON_TEST_RUN/busybox.tar"
	}
	image_ready
	host_snapshot >"$CAISSON_TEST_RUN/before"
	run_bats
fi
say "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$((passed))" -gt 0 ] && { [ "${CI:-}" != true ] || [ "$skipped" -eq 0 ]; }
