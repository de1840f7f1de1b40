#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# profile.sh - where the time of create, start, exec and delete goes: system calls by strace, counters by perf.
#
#   bench/profile.sh [RUNTIME [ROUNDS]]       default: build/src/bin/caisson, 10 rounds
#
# Prints per command: the slowest system calls of one run with what each took, then a table of calls (strace -c), then
# perf's counters over ROUNDS runs where perf works. strace makes everything several times slower: compare calls and
# shares with it, never totals. Environment: HIDE=1 hides /sys/fs/cgroup/unified from the runtime (crun on hybrid hosts).
set -u -o pipefail
export LC_ALL=C

top=$(cd "$(dirname "$0")/.." && pwd) || exit 2
runtime=$(readlink -f "${1:-$top/build/src/bin/caisson}")
rounds=${2:-10}
busybox=${BUSYBOX:-/bin/busybox}

[ "$(id -u)" = 0 ] || { echo "profile: must run as root" >&2 && exit 2; }
[ -x "$runtime" ] || { echo "profile: $runtime is missing: build the project first" >&2 && exit 2; }
command -v strace >/dev/null || { echo "profile: strace is missing: apt install strace" >&2 && exit 2; }
if [ "${HIDE:-0}" = 1 ] && [ -z "${PROFILE_HIDDEN:-}" ]; then
	# shellcheck disable=SC2016 # for the inner shell
	PROFILE_HIDDEN=1 exec unshare -m sh -c 'umount /sys/fs/cgroup/unified; exec "$@"' sh "$0" "$runtime" "$rounds"
fi

# shellcheck source=bench/state.sh
. "$top/bench/state.sh"
work=$(mktemp -d "${TMPDIR:-/var/tmp}/cprofile.XXXXXX") || exit 2
id=cprofile-$$
rt() { "$runtime" --root "$work/root" "$@" </dev/null >/dev/null; }
finish() {
	rt delete --force $id 2>/dev/null
	state_end
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

mkdir -p "$work"/{rootfs/{bin,dev,etc,proc,sys,tmp},root}
cp "$busybox" "$work/rootfs/bin/busybox"
ln -s busybox "$work/rootfs/bin/true"
ln -s busybox "$work/rootfs/bin/sleep"
cat >"$work/config.json" <<-JSON
	{
	 "ociVersion": "1.0.2",
	 "process": {"terminal": false, "user": {"uid": 0, "gid": 0}, "args": ["/bin/sleep", "1000"], "cwd": "/", "env": ["PATH=/bin"]},
	 "root": {"path": "$work/rootfs"},
	 "hostname": "profile",
	 "mounts": [
	  {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
	  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
	  {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
	  {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
	  {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
	  {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
	  {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "ro"]}
	 ],
	 "linux": {
	  "resources": {"devices": [{"allow": false, "access": "rwm"}]},
	  "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}, {"type": "cgroup"}],
	  "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/scsi", "/sys/firmware"],
	  "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
	 }
	}
JSON

# The commands of one life, each run by what "$@" puts in front of it; $step is its name.
life() {
	local step
	for step in create start exec delete; do
		case $step in
		create) "$@" "$runtime" --root "$work/root" create --bundle "$work" --pid-file "$work/pid" $id ;;
		start) "$@" "$runtime" --root "$work/root" start $id ;;
		exec) "$@" "$runtime" --root "$work/root" exec $id /bin/true ;;
		delete)
			rt kill $id KILL
			while [ "$(awk '$1 == "State:" { print $2 }' "/proc/$(cat "$work/pid")/status" 2>/dev/null || echo Z)" != Z ] &&
				kill -0 "$(cat "$work/pid")" 2>/dev/null; do sleep 0.01; done
			"$@" "$runtime" --root "$work/root" delete $id
			;;
		esac </dev/null >/dev/null || return 1
	done
}

# strace must not wait for the container: it follows it as a child of create, so create's tracer is left in the background.
# shellcheck disable=SC2317 # called through life()
timed() {
	strace -f -T -tt -o "$work/$step.trace" "$@" &
	local tracer=$! i
	for ((i = 0; i < 1000; i++)); do
		kill -0 $tracer 2>/dev/null || return 0
		case $step in
		create) [ -s "$work/pid" ] && rt state $id && break ;;
		esac
		sleep 0.02
	done
	return 0
}

echo "== system calls of one life (with strace's own cost) =="
rm -f "$work/pid"
if life timed; then
	wait
	for step in create start exec delete; do
		echo "-- $step: $(grep -c -v -e '<unfinished' -e '+++' -e '---' "$work/$step.trace") calls; the slowest:"
		grep -E '<[0-9.]+>$' "$work/$step.trace" | grep -v -e ' wait4(' -e ' nanosleep(' -e clock_nanosleep |
			sed -E 's/^(.*)<([0-9.]+)>$/\2 \1/' | sort -rn | head -8 | cut -c1-150
		echo "   by call: count, seconds"
		sed -nE 's/^[0-9]+ +[0-9:.]+ (<\.\.\. )?([a-z0-9_]+)( resumed>|\().*<([0-9.]+)>$/\2 \4/p' "$work/$step.trace" |
			awk '{ n[$1]++; t[$1] += $2 } END { for (c in n) printf "   %-18s %5d %9.6f\n", c, n[c], t[c] }' | sort -k3 -rn | head -12
	done
else
	echo "profile: a command failed under strace" >&2
fi
rt delete --force $id 2>/dev/null

echo "== perf, $rounds lives =="
if command -v perf >/dev/null && perf stat -e task-clock true 2>/dev/null; then
	# shellcheck disable=SC2317 # called through life()
	counted() {
		perf stat -x, -o "$work/perf.$step" --append -e task-clock,context-switches,page-faults "$@"
	}
	for ((r = 0; r < rounds; r++)); do
		rm -f "$work/pid"
		life counted || { echo "profile: a command failed under perf" >&2 && break; }
	done
	for step in create start exec delete; do
		awk -F, -v s=$step 'NF > 3 { sub(/:.*/, "", $3); n[$3]++; t[$3] += $1 }
			END { printf "%-7s", s; for (e in n) printf "  %s %.2f", e, t[e] / n[e]; print "" }' "$work/perf.$step"
	done
else
	echo "perf does not work here; nothing counted"
fi
