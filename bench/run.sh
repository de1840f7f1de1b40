#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh - every performance figure of Caisson beside its peers, measured in one session. See bench/README.md.
#
#   bench/run.sh [--quick] [--strict] [--keep] [--only GROUP[,GROUP...]]
#
# Groups: oci exec rss hold process docker image inside supervisor inner guard socket. Exit status: 0, also when a figure is short of its
# target; 1 if one could not be measured, or is short under --strict; 2 for wrong usage.
# Environment: CAISSON (runtime to measure; default src/bin/caisson below CAISSON_BUILD, which is build by default),
# RUNC, CRUN, DOCKER, DOCKERD, BUSYBOX, HAPROXY, CC, TMPDIR, CAISSOND and CAISSONCTL (beside CAISSON),
# CAISSON_HIDE=1 (ours, too, must not see /sys/fs/cgroup/unified: for a stand-in such as crun).
set -u -o pipefail
export LC_ALL=C

top=$(cd "$(dirname "$0")/.." && pwd) || exit 2
caisson=${CAISSON:-${CAISSON_BUILD:-$top/build}/src/bin/caisson}
runc=${RUNC:-/usr/bin/runc}
crun=${CRUN:-/usr/bin/crun}
docker=${DOCKER:-/usr/bin/docker}
dockerd=${DOCKERD:-/usr/sbin/dockerd}
busybox=${BUSYBOX:-/bin/busybox}

all=(oci exec rss hold process docker image inside supervisor inner guard socket)
quick=0 strict=0 keep=0 groups=$(IFS=, && echo "${all[*]}")
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=1 ;;
	--strict) strict=1 ;;
	--keep) keep=1 ;;
	--only) shift && groups=${1:?--only needs groups} ;;
	-h | --help) sed -n '4,/^# CAISSON_HIDE/s/^# \{0,1\}//p' "$0" && exit 0 ;;
	*) echo "bench: unknown option '$1'; usage: bench/run.sh [--quick] [--strict] [--keep] [--only GROUP,...]" >&2 && exit 2 ;;
	esac
	shift
done

for g in ${groups//,/ }; do
	[[ " ${all[*]} " == *" $g "* ]] || { echo "bench: unknown group '$g'; groups: ${all[*]}" >&2 && exit 2; }
done

if [ $quick = 1 ]; then
	n_oci=15 n_exec=15 n_docker=6 n_image=6 n_inside=8 warm=2
else
	n_oci=80 n_exec=80 n_docker=25 n_image=20 n_inside=40 warm=5
fi
n_hold=200
pause=60 # ms before each sample: let what the sample before left to the kernel's workers be done

short=0 failed=0 dockerd_pid='' spawn_pid='' hide=''
[ "${CAISSON_HIDE:-0}" = 1 ] && hide=,hide

say() { echo "bench: $*" >&2; }
die() { say "$*" && exit 2; }
wanted() { [[ ,$groups, == *,$1,* ]]; }

# shellcheck source=bench/guard.sh
. "$top/bench/guard.sh"
# shellcheck source=bench/socket.sh
. "$top/bench/socket.sh"
# shellcheck source=bench/state.sh
. "$top/bench/state.sh"

# ---- end ----

runtime_roots_empty() {
	local name bin id
	for name in ours crun runc; do
		[ -d "$work/root-$name" ] || continue
		bin=$(lane_bin $name)
		for id in $("$bin" --root "$work/root-$name" list -q 2>/dev/null); do
			"$bin" --root "$work/root-$name" delete --force "$id" >/dev/null 2>&1
		done
	done
}

# Processes whose command line or program is below our directories: nobody else's can be.
own_processes() {
	local p
	for p in /proc/[0-9]*; do
		[ "${p#/proc/}" != $$ ] || continue
		if [[ $(readlink "$p/exe" 2>/dev/null) == "$work"/* ]] ||
			tr '\0' '\n' 2>/dev/null <"$p/cmdline" | grep -qF -e "$work" -e "$exec_root"; then
			echo "${p#/proc/}"
		fi
	done
}

docker_end() {
	local ids i
	[ -n "$dockerd_pid" ] || return 0
	ids=$(dk ps -aq 2>/dev/null)
	# shellcheck disable=SC2086 # one word per container
	[ -z "$ids" ] || dk rm -f $ids >/dev/null 2>&1
	kill "$dockerd_pid" 2>/dev/null
	for ((i = 0; i < 200; i++)); do
		kill -0 "$dockerd_pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -9 "$dockerd_pid" 2>/dev/null
	wait "$dockerd_pid" 2>/dev/null
	dockerd_pid=''
}

finish() {
	local pid m d
	trap '' INT TERM HUP
	if [ -n "$spawn_pid" ]; then
		kill "$spawn_pid" 2>/dev/null
		wait "$spawn_pid" 2>/dev/null
	fi
	guard_end
	docker_end
	runtime_roots_empty
	for pid in $(own_processes); do
		[ "$pid" = "$BASHPID" ] || kill -9 "$pid" 2>/dev/null
	done
	while read -r m; do
		umount -l "$m" 2>/dev/null
	done < <(awk -v a="$work/" -v b="$exec_root/" 'index($2, a) == 1 || index($2, b) == 1 { print $2 }' /proc/mounts | tac)
	while read -r d; do
		rmdir "$d" 2>/dev/null
	done < <(find /sys/fs/cgroup -depth -type d \( -path '*/cbench-*-[0-9]*' -o -path "*/cbench-docker-$$*" \) 2>/dev/null |
		own_cgroups)
	state_end
	[ $keep = 1 ] && say "kept: $work" && return
	rm -rf "$work" "$exec_root"
}

# cgroup names carry the pid of a worker of ours; a name whose process is alive belongs to another bench.
own_cgroups() {
	local d pid
	while read -r d; do
		pid=$(sed -E 's:.*/cbench-[a-z0-9]+-([0-9]+).*:\1:' <<<"$d")
		[ "$pid" = $$ ] || [ ! -d "/proc/$pid" ] && echo "$d"
	done
}

# ---- begin ----

[ "$(id -u)" = 0 ] || die "must run as root: it starts containers"
for tool in "$caisson" "$runc" "$crun" "$busybox"; do
	[ -x "$tool" ] || die "$tool is missing: build the project, and install runc, crun and busybox-static"
done

work=$(mktemp -d "${TMPDIR:-/var/tmp}/cbench.XXXXXX") || exit 2
exec_root=$(mktemp -d /run/cbench.XXXXXX) || exit 2 # short: sockets live here
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkdir -p "$work"/{bin,log,results,root-ours,root-crun,root-runc,docker-config}

# A copy cannot be rebuilt under a running bench, and tells our processes from those of others on the host.
cp "$caisson" "$work/bin/caisson" || exit 2
for f in "$(dirname "$caisson")"/caisson-*; do
	[ -f "$f" ] && [ -x "$f" ] && cp -P "$f" "$work/bin/"
done

for p in spawn floor inside; do
	"${CC:-cc}" -std=gnu17 -O2 -static -D_GNU_SOURCE -Wall -Wextra -I"$top/src" -include "$top/src/base/banned.h" \
		-o "$work/bin/$p" "$top/bench/$p.c" "$top"/src/base/{err,io,num}.c || die "cannot compile bench/$p.c"
done

lane_bin() {
	case $1 in
	ours) echo "$work/bin/caisson" ;;
	crun) echo "$crun" ;;
	runc) echo "$runc" ;;
	esac
}

rootfs_make() {
	local l
	mkdir -p "$1"/{bin,dev,etc,proc,root,sys,tmp,var/tmp}
	chmod 1777 "$1/tmp"
	cp "$busybox" "$1/bin/busybox"
	for l in sh true sleep cat ls; do
		ln -s busybox "$1/bin/$l"
	done
	cp "$work/bin/inside" "$1/bin/inside"
	echo 'root:x:0:0:root:/root:/bin/sh' >"$1/etc/passwd"
	echo 'root:x:0:' >"$1/etc/group"
}

# bundle_make NAME ARGS-AS-JSON: what `runc spec` writes, with Docker's capabilities; the same file for every runtime.
bundle_make() {
	local caps='"CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FSETID","CAP_FOWNER","CAP_MKNOD","CAP_NET_RAW","CAP_SETGID","CAP_SETUID","CAP_SETFCAP","CAP_SETPCAP","CAP_NET_BIND_SERVICE","CAP_SYS_CHROOT","CAP_KILL","CAP_AUDIT_WRITE"'
	mkdir -p "$work/$1"
	cat >"$work/$1/config.json" <<-JSON
		{
		 "ociVersion": "1.0.2",
		 "process": {
		  "terminal": false, "user": {"uid": 0, "gid": 0}, "args": $2, "cwd": "/", "noNewPrivileges": true,
		  "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
		  "capabilities": {"bounding": [$caps], "effective": [$caps], "permitted": [$caps]},
		  "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}]
		 },
		 "root": {"path": "$work/rootfs", "readonly": false},
		 "hostname": "bench",
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
		  "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"],
		  "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
		 }
		}
	JSON
}

rootfs_make "$work/rootfs"
bundle_make bundle-true '["/bin/true"]'
bundle_make bundle-sleep '["/bin/sleep", "100000"]'

# ---- measuring ----

# measure FILE SPAWN-ARGUMENT...: results of one run of spawn go to $work/results/FILE.
measure() {
	local file=$work/results/$1
	shift
	"$work/bin/spawn" -l "$work/log" "$@" >"$file" 2>"$file.err" &
	spawn_pid=$!
	wait $spawn_pid
	local r=$?
	spawn_pid=''
	if [ $r != 0 ]; then
		sort -u "$file.err" | head -4 | sed 's/^/bench: /' >&2
		tail -qn 2 "$work"/log/*.err 2>/dev/null | sort -u | head -4 | sed 's/^/bench:   /' >&2
	fi
	return 0
}

# value FILE LANE KEY [COLUMN]: the median (column 3; 4 is the minimum), or nothing.
value() { awk -v l="$2" -v k="$3" -v c="${4:-3}" '$1 == l && $2 == k { print $c }' "$work/results/$1" 2>/dev/null; }

# figure NAME OURS PEER UNIT "<="|">=" TARGET [RATIO]: one line. RATIO is ours/peer unless given; with ">=" it is peer/ours.
figure() {
	local line
	line=$(awk -v name="$1" -v ours="$2" -v peer="$3" -v unit="$4" -v dir="$5" -v target="$6" -v ratio="${7-}" '
		function show(v) { return v == "" ? "-" : sprintf(v >= 100 || v == int(v) ? "%.0f" : v >= 10 ? "%.1f" : "%.2f", v) }
		BEGIN {
			bad = ours == "" || peer == "" || (ratio == "" && (ours + 0 == 0 || peer + 0 == 0))
			if (!bad && ratio == "")
				ratio = dir == "<=" ? ours / peer : peer / ours
			state = bad ? "failed" : (dir == "<=" ? ratio <= target + 0 : ratio >= target + 0) ? "ok" : "short"
			printf "%-46s %9s %9s %-4s %8s  %s %-5s %s\n", name, show(ours), show(peer), unit,
				bad ? "-" : sprintf("%.3f", ratio), dir, target, state
		}')
	echo "$line"
	case $line in
	*short) short=$((short + 1)) ;;
	*failed) failed=$((failed + 1)) ;;
	esac
}

# note NAME OURS PEER UNIT: a line without a target, to read the figures by.
note() {
	awk -v name="$1" -v ours="$2" -v peer="$3" -v unit="$4" 'BEGIN {
		printf "  %-44s %9.2f %9.2f %-4s %8s\n", name, ours, peer, unit, (ours + 0 > 0 && peer + 0 > 0) ? sprintf("%.3f", ours / peer) : "-" }'
}

ms() { [ -z "$1" ] || awk -v v="$1" 'BEGIN { print v / 1000 }'; }
vms() { ms "$(value "$@")"; }

lane_ours=(ours "$work/bin/caisson" --root "$work/root-ours")
# shellcheck disable=SC2034 # used by name in lane()
lane_crun=(crun "$crun" --root "$work/root-crun")
# shellcheck disable=SC2034
lane_runc=(runc "$runc" --root "$work/root-runc")

# lane KIND NAME: sets the array `lane`
lane() {
	local -n l=lane_$2
	local flags=$1
	[ "$2" = crun ] && flags+=,hide
	[ "$2" = ours ] && flags+=$hide
	lane=(:: "${l[0]},$flags" "${l[@]:1}")
}

group_oci() {
	local args=() k p
	for k in ours crun runc; do
		lane oci $k
		args+=("${lane[@]}")
	done
	measure oci -n $n_oci -w $warm -p $pause -b "$work/bundle-true" "${args[@]}" \
		:: floor "$work/bin/floor" "$work/rootfs" /bin/true :: floor7 "$work/bin/floor" -s "$work/rootfs" /bin/true
	figure "oci create+start+delete, vs crun" "$(vms oci ours total)" "$(vms oci crun total)" ms '<=' 0.75
	figure "oci create+start+delete, vs runc" "$(vms oci ours total)" "$(vms oci runc total)" ms '<=' 0.20
	figure "oci create+start+delete, vs floor" "$(vms oci ours total)" "$(vms oci floor total)" ms '<=' 3.00
	for p in create start delete; do
		note "$p, beside crun" "$(vms oci ours $p)" "$(vms oci crun $p)" ms
	done
	note "total, beside the floor of 7 mounts" "$(vms oci ours total)" "$(vms oci floor7 total)" ms
}

group_exec() {
	local args=() k
	for k in ours crun runc; do
		lane exec $k
		args+=("${lane[@]}")
	done
	measure exec -n $n_exec -w $warm -p $pause -b "$work/bundle-sleep" "${args[@]}"
	figure "oci exec, vs crun" "$(vms exec ours total)" "$(vms exec crun total)" ms '<=' 0.75
	figure "oci exec, vs runc" "$(vms exec ours total)" "$(vms exec runc total)" ms '<=' 0.25
}

# Of the runs above; alone (--only rss) it makes its own.
group_rss() {
	local ours peer
	[ -s "$work/results/oci" ] || { lane oci ours && measure oci -n 5 -w 1 -b "$work/bundle-true" "${lane[@]}"; }
	[ -s "$work/results/exec" ] || { lane exec ours && measure exec -n 5 -w 1 -b "$work/bundle-sleep" "${lane[@]}"; }
	ours=$(cat "$work/results/oci" "$work/results/exec" | awk '$1 == "ours" && $2 == "maxrss" && $3 > m { m = $3 } END { if (m) print m / 1024 }')
	peer=$(cat "$work/results/oci" "$work/results/exec" | awk '$1 == "crun" && $2 == "maxrss" && $3 > m { m = $3 } END { print m / 1024 }')
	figure "peak RSS of the runtime (peer: crun)" "$ours" "$peer" MiB '<=' 6 "${ours:-}"
}

group_hold() {
	local k
	for k in ours crun; do
		lane hold $k
		measure hold-$k -n $n_hold -w $warm -p 40 -b "$work/bundle-sleep" "${lane[@]}" \
			:: floor "$work/bin/floor" "$work/rootfs" /bin/true
	done
	figure "start with 200 alive, last 10 vs first 10" "$(vms hold-ours ours last10)" "$(vms hold-ours ours first10)" ms '<=' 1.15
	note "the same, crun" "$(vms hold-crun crun last10)" "$(vms hold-crun crun first10)" ms
	note "the floor meanwhile (what the kernel adds)" "$(vms hold-ours floor last10)" "$(vms hold-ours floor first10)" ms
}

# Processes that run a program of ours or call themselves after it, except the container's own.
left_processes() {
	local p n=0
	for p in /proc/[0-9]*; do
		[[ $(readlink "$p/exe" 2>/dev/null) == "$work"/bin/caisson* ]] && n=$((n + 1))
	done
	echo $n
}

group_process() {
	local id=cbench-process-$$ n='' pre=()
	[ -z "$hide" ] || pre=(unshare -m sh -c "umount /sys/fs/cgroup/unified; exec \"\$@\"" sh)
	if "${pre[@]}" "${lane_ours[@]:1}" create --bundle "$work/bundle-sleep" "$id" </dev/null >/dev/null 2>"$work/process.err" &&
		"${pre[@]}" "${lane_ours[@]:1}" start "$id" </dev/null >/dev/null 2>>"$work/process.err"; then
		sleep 0.3
		n=$(left_processes)
	else
		say "$(tail -n 1 "$work/process.err")"
	fi
	"${pre[@]}" "${lane_ours[@]:1}" delete --force "$id" >/dev/null 2>&1
	figure "processes left beside a container" "$n" 0 '' '<=' 0 "$n"
}

# ---- through the engine ----

dk() { DOCKER_CONFIG=$work/docker-config "$docker" -H "unix://$exec_root/docker.sock" "$@"; }

docker_begin() {
	local pre=() i
	[ -z "$dockerd_pid" ] || return 0
	if ! [ -x "$docker" ] || ! [ -x "$dockerd" ]; then
		say "no Docker Engine here (docker.io)"
		return 1
	fi
	[ -z "$hide" ] || pre=(unshare -m sh -c "umount /sys/fs/cgroup/unified; exec \"\$@\"" sh)
	echo '{}' >"$work/daemon.json"
	"${pre[@]}" "$dockerd" --config-file "$work/daemon.json" --data-root "$work/docker" --exec-root "$exec_root/exec" \
		-H "unix://$exec_root/docker.sock" --pidfile "$exec_root/pid" --bridge none --iptables=false --ip6tables=false \
		--cgroup-parent "/cbench-docker-$$" --storage-driver overlay2 --add-runtime "sysbox-runc=${docker_runtime:-$work/bin/caisson}" \
		>"$work/log/dockerd.log" 2>&1 &
	dockerd_pid=$!
	for ((i = 0; i < 150; i++)); do
		dk version >/dev/null 2>&1 && break
		kill -0 $dockerd_pid 2>/dev/null || break
		sleep 0.1
	done
	dk version >/dev/null 2>&1 || { say "dockerd did not start: $(tail -n 1 "$work/log/dockerd.log")" && return 1; }
	tar -C "$work/rootfs" -cf - . | dk import - cbench:small >/dev/null
}

# An image of the root file system and $1 files, 500 to a directory.
image_make() {
	local many=$work/files/usr/share/many
	mkdir -p "$many"
	cp -a "$work/rootfs/." "$work/files/"
	seq -f "$many/%g" 1 $(($1 / 500)) | xargs mkdir
	seq 1 $(($1 / 500)) | awk -v d="$many" '{ for (i = 1; i <= 500; i++) print d "/" $1 "/file-" i }' | xargs touch
	tar -C "$work/files" -cf - . | dk import - "cbench:$1" >/dev/null
	rm -rf "$work/files"
}

docker_lane() { # docker_lane NAME RUNTIME IMAGE: sets `lane`
	lane=(:: "$1" "$docker" -H "unix://$exec_root/docker.sock" run --rm --network none --runtime "$2" "$3" true)
}

group_docker() {
	local args=() ours peer
	if docker_begin; then
		docker_lane ours sysbox-runc cbench:small && args+=("${lane[@]}")
		docker_lane runc runc cbench:small && args+=("${lane[@]}")
		DOCKER_CONFIG=$work/docker-config measure docker -n $n_docker -w $warm -p $pause "${args[@]}"
		args=()
		ours=$(dk run -d --network none --runtime sysbox-runc cbench:small sleep 100000) || ours=none
		peer=$(dk run -d --network none --runtime runc cbench:small sleep 100000) || peer=none
		DOCKER_CONFIG=$work/docker-config measure docker-exec -n $n_docker -w $warm -p $pause \
			:: ours "$docker" -H "unix://$exec_root/docker.sock" exec "$ours" true \
			:: runc "$docker" -H "unix://$exec_root/docker.sock" exec "$peer" true
		dk rm -f "$ours" "$peer" >/dev/null 2>&1
	fi
	figure "docker run --rm, vs runc" "$(vms docker ours total)" "$(vms docker runc total)" ms '<=' 0.90
	figure "docker exec, vs runc" "$(vms docker-exec ours total)" "$(vms docker-exec runc total)" ms '<=' 0.90
}

group_image() {
	local args=() n
	if docker_begin; then
		for n in 20000 200000; do
			image_make $n
		done
		for n in small 20000 200000; do
			docker_lane "ours-$n" sysbox-runc "cbench:$n" && args+=("${lane[@]}")
			docker_lane "runc-$n" runc "cbench:$n" && args+=("${lane[@]}")
		done
		DOCKER_CONFIG=$work/docker-config measure image -n $n_image -w $warm -p $pause "${args[@]}"
	fi
	figure "docker run: image of 20,000 files vs of 10" "$(vms image ours-20000 total)" "$(vms image ours-small total)" ms '<=' 1.05
	figure "docker run: image of 200,000 files vs of 10" "$(vms image ours-200000 total)" "$(vms image ours-small total)" ms '<=' 1.05
	note "the same with runc, 200,000 vs 10" "$(vms image runc-200000 total)" "$(vms image runc-small total)" ms
}

group_inside() {
	local ours='' peer=''
	if docker_begin; then
		# As a plain `docker run` makes them, default seccomp filter included.
		ours=$(dk run -d --network none --runtime sysbox-runc cbench:small sleep 100000) || ours=none
		peer=$(dk run -d --network none --runtime runc cbench:small sleep 100000) || peer=none
		DOCKER_CONFIG=$work/docker-config measure inside -n $n_inside -w $warm -p 20 \
			:: ours,out "$docker" -H "unix://$exec_root/docker.sock" exec "$ours" /bin/inside 1 write read create getpid forkexec \
			:: runc,out "$docker" -H "unix://$exec_root/docker.sock" exec "$peer" /bin/inside 1 write read create getpid forkexec
		dk rm -f "$ours" "$peer" >/dev/null 2>&1
	fi
	inside_figure inside read "inside: file read, speed vs runc"
	inside_figure inside write "inside: file write, speed vs runc"
	inside_figure inside getpid "inside: getpid, speed vs runc"
	inside_figure inside forkexec "inside: fork+exec, speed vs runc"
	note "file create+unlink" "$(value inside ours create)" "$(value inside runc create)" ns
}

# What a runc container must be given to do what a privileged one of ours does (root here may lack CAP_SYS_RESOURCE).
all_rights=(--cap-add ALL --cap-drop SYS_RESOURCE --security-opt seccomp=unconfined --security-opt apparmor=unconfined
	--security-opt systempaths=unconfined)

supervisor_pss() { # KiB of all helper processes
	local p kib=0 n
	for p in /proc/[0-9]*; do
		[[ $(readlink "$p/exe" 2>/dev/null) == "$work"/bin/caisson-* ]] || continue
		n=$(awk '/^Pss:/ { print $2 }' "$p/smaps_rollup" 2>/dev/null)
		kib=$((kib + ${n:-0}))
	done
	echo $kib
}

supervisor_ticks() { # CPU time of all helper processes, in ticks
	local p t=0
	for p in /proc/[0-9]*; do
		[[ $(readlink "$p/exe" 2>/dev/null) == "$work"/bin/caisson-* ]] || continue
		t=$((t + $(awk '{ print $14 + $15 }' "$p/stat" 2>/dev/null || echo 0)))
	done
	echo $t
}

bundle_with_rights() { # bundle_with_rights FROM TO
	mkdir -p "$work/$2"
	jq '.process.capabilities |= (.bounding += ["CAP_SYS_ADMIN"] | .effective += ["CAP_SYS_ADMIN"] | .permitted += ["CAP_SYS_ADMIN"])' \
		"$work/$1/config.json" >"$work/$2/config.json"
}

group_supervisor() {
	local ours='' peer='' before after i kib args=()
	local tests=(tmpfs bind rbind remount proc openat2 swaps meminfo meminfo-cold sysctl osrelease uptime)
	bundle_with_rights bundle-true bundle-true-mount
	mkdir -p "$work/bundle-true-view"
	jq '.annotations = {"io.caisson.resource-view": "true"}' "$work/bundle-true/config.json" >"$work/bundle-true-view/config.json"
	measure super-life -n $n_oci -w $warm -p $pause \
		:: with "${lane_ours[@]:1}" run --bundle "$work/bundle-true-mount" "cbench-with-$$" \
		:: view "${lane_ours[@]:1}" run --bundle "$work/bundle-true-view" "cbench-view-$$" \
		:: without "${lane_ours[@]:1}" run --bundle "$work/bundle-true" "cbench-without-$$"
	figure "run, with vs without supervisor" "$(vms super-life with total)" "$(vms super-life without total)" ms '<=' 1.35
	note "with one, but no delegated control groups" "$(vms super-life view total)" "$(vms super-life without total)" ms
	if docker_begin; then
		ours=$(dk run -d --network none "${all_rights[@]}" --runtime sysbox-runc cbench:small sleep 100000) || ours=none
		peer=$(dk run -d --network none "${all_rights[@]}" --runtime runc cbench:small sleep 100000) || peer=none
		DOCKER_CONFIG=$work/docker-config measure super -n $n_inside -w $warm -p 20 \
			:: ours,out "$docker" -H "unix://$exec_root/docker.sock" exec "$ours" /bin/inside 1 "${tests[@]}" \
			:: runc,out "$docker" -H "unix://$exec_root/docker.sock" exec "$peer" /bin/inside 1 "${tests[@]}"
		kib=$(supervisor_pss) # all three run by now
		dk rm -f "$ours" "$peer" >/dev/null 2>&1
		figure "supervisor: PSS of one container's helpers" "${kib:+$(awk -v k="$kib" 'BEGIN { print k / 1024 }')}" 1.5 MiB '<=' 1.5 "$(awk -v k="$kib" 'BEGIN { print k / 1024 }')"
		for ((i = 0; i < 100; i++)); do
			args+=("$(dk create --network none --cap-add SYS_ADMIN --runtime sysbox-runc cbench:small sleep 100000)")
		done
		dk start "${args[@]}" >/dev/null
		# Workers start with the first request: one for each.
		for i in "${args[@]}"; do
			dk exec "$i" sh -c '/bin/busybox mount -t tmpfs t /tmp; cat /proc/sys/kernel/panic' >/dev/null 2>&1
		done
		sleep 2
		before=$(supervisor_ticks)
		sleep 10
		after=$(supervisor_ticks)
		kib=$(supervisor_pss)
		dk rm -f "${args[@]}" >/dev/null 2>&1
		figure "supervisor: PSS of 100 containers' helpers" "$(awk -v k="$kib" 'BEGIN { print k / 1024 }')" 150 MiB '<=' 150 "$(awk -v k="$kib" 'BEGIN { print k / 1024 }')"
		figure "supervisor: CPU of 100 idle ones in 10 s" $((after - before)) 0 tick '<=' 0 $((after - before))
	fi
	super_figure tmpfs 2.0 && super_figure bind 2.5 && super_figure rbind 1.02 && super_figure remount 1.02 && super_figure proc 10 &&
		super_figure openat2 1.02
	figure "read of a constant file" "$(value super ours swaps)" "$(value super runc swaps)" ns '<=' 0.7
	figure "read of a changing file, hot" "$(value super ours meminfo)" "$(value super runc meminfo)" ns '<=' 1.0
	figure "read of a changing file, cold" "$(value super ours meminfo-cold)" "$(value super runc meminfo-cold)" ns '<=' 10
	figure "read of an emulated sysctl" "$(value super ours sysctl)" "$(value super runc sysctl)" ns '<=' 5
	super_figure osrelease 1.02 && super_figure uptime 1.02
}

# ---- an engine inside a container ----

now_ms() { echo $(($(date +%s%N) / 1000000)); }

# inner_begin LANE: start a container with dockerd in it; prints how many ms until it takes commands
inner_begin() {
	local flags=(--privileged --runtime sysbox-runc) begin i
	[ "$1" = ours ] || flags=("${all_rights[@]}" --runtime runc)
	begin=$(now_ms)
	# shellcheck disable=SC2016 # expanded inside
	dk run -d --name "inner-$1" --network none -v /var/lib/docker "${flags[@]}" cbench:engines sh -c '
		for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mount -o remount,bind,rw "$d" 2>/dev/null; done
		exec dind --bridge none --iptables=false --ip6tables=false' >/dev/null || return 1
	for ((i = 0; i < 600; i++)); do
		dk exec "inner-$1" test -S /var/run/docker.sock && dk exec "inner-$1" docker version >/dev/null 2>&1 && break
		sleep 0.02
	done
	echo $(($(now_ms) - begin))
}

median() { sort -n | awk '{ v[NR] = $1 } END { if (NR) print v[int((NR + 1) / 2)] }'; }

group_inner() {
	local tar k i n=8
	[ $quick = 1 ] && n=3
	tar=$(cd "$top" && bash -c '. tests/lib/common.bash && . tests/lib/docker.bash && . tests/lib/inner.bash && inner_image engines')
	if [ -n "$tar" ] && docker_begin && dk import -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$tar" cbench:engines >/dev/null; then
		for ((i = 0; i < n; i++)); do
			for k in ours runc; do
				dk rm -fv "inner-$k" >/dev/null 2>&1
				inner_begin $k >>"$work/results/inner-ready-$k"
			done
		done
		for k in ours runc; do
			dk exec "inner-$k" docker import -c 'CMD ["sh"]' /images/busybox.tar bb >/dev/null
			dk cp "$work/bin/spawn" "inner-$k:/spawn" >/dev/null
		done
		for ((i = 0; i < 4 * n; i++)); do
			for k in ours runc; do
				dk exec "inner-$k" /spawn -n 1 -w 0 -p 20 -l /tmp :: x /usr/bin/docker run --rm --network none bb true 2>/dev/null |
					awk '$2 == "total" { print $3 / 1000 }' >>"$work/results/inner-run-$k"
			done
		done
		dk rm -fv inner-ours inner-runc >/dev/null 2>&1
	fi
	figure "inner docker run, vs in runc with all rights" "$(median <"$work/results/inner-run-ours")" "$(median <"$work/results/inner-run-runc")" ms '<=' 1.15
	figure "inner dockerd ready, vs the same" "$(median <"$work/results/inner-ready-ours")" "$(median <"$work/results/inner-ready-runc")" ms '<=' 1.2
}

super_figure() { # super_figure TEST TARGET
	figure "supervised: $1, vs runc with all rights" "$(value super ours "$1")" "$(value super runc "$1")" ns '<=' "$2"
}

inside_figure() { # inside_figure FILE TEST NAME
	figure "$3" "$(value "$1" ours "$2")" "$(value "$1" runc "$2")" ns '>=' 0.97
	note "the quickest round" "$(value "$1" ours "$2" 4)" "$(value "$1" runc "$2" 4)" ns
}

say "ours: $caisson; $("$runc" --version | head -1); $("$crun" --version | head -1); Linux $(uname -r), $(nproc) CPUs"
printf '%-46s %9s %9s %-4s %8s  %-8s %s\n' figure ours peer unit ratio target state
for g in "${all[@]}"; do
	wanted "$g" && "group_$g"
done
echo "$short short, $failed not measured"
[ $failed = 0 ] && { [ $strict = 0 ] || [ $short = 0 ]; }
