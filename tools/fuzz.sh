#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Run every fuzz target of a build for some seconds each, starting from its corpus. Findings stay in the build.
# usage: fuzz.sh BUILD SECONDS
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
build=$1 seconds=$2 failed=0 found=0
mkdir -p "$build/findings"
for target in "$build"/tests/fuzz-*; do
	[ -f "$target" ] && [ -x "$target" ] || continue
	found=$((found + 1))
	name=${target##*/fuzz-}
	scratch=$(mktemp -d)
	corpus=$top/corpus/$name
	[ -d "$corpus" ] || corpus=
	if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$build/findings/$name-" "$scratch" ${corpus:+"$corpus"} >"$build/findings/$name.log" 2>&1; then
		echo "fuzz $name: ok, $(awk '/number_of_executed_units/ {print $2}' "$build/findings/$name.log") runs"
	else
		echo "fuzz $name: FOUND something, see $build/findings/$name.log"
		failed=1
	fi
	rm -rf "$scratch"
done
[ "$found" -gt 0 ] || {
	echo "fuzz: no target in $build/tests" >&2
	exit 1
}
exit $failed
