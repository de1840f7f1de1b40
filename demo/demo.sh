#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Caisson in two minutes: an engine of our own, Debian's dockerd with private directories, socket, containerd and
# network, and Caisson as its runtime `sysbox-runc`. Nothing outside is touched, and nothing stays behind.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

# shellcheck source=tests/lib/common.bash
. tests/lib/common.bash
# shellcheck source=tests/lib/docker.bash
. tests/lib/docker.bash

RESULTS=()
FAILED=0

BOLD='' DIM='' PLAIN=''
if [ -t 1 ]; then
	BOLD=$'\033[1m' DIM=$'\033[2m' PLAIN=$'\033[0m'
fi

title() {
	printf '\n%s== %s%s\n' "$BOLD" "$*" "$PLAIN"
}

show() {
	printf '%s$ %s%s\n' "$DIM" "$*" "$PLAIN"
}

# check TEXT COMMAND... - one line of the summary
check() {
	local text=$1
	shift
	if "$@" >/dev/null 2>&1; then
		RESULTS+=("ok      $text")
	else
		RESULTS+=("FAILED  $text")
		FAILED=1
	fi
}

run() {
	show "docker run --rm --runtime=sysbox-runc $*"
	OUT=$("$DOCKER" run --rm --runtime=sysbox-runc "$@" 2>&1)
	STATUS=$?
	printf '%s\n' "$OUT"
}

finish() {
	local code=$?
	trap - EXIT INT TERM HUP
	if [ -n "${ENGINE:-}" ]; then
		docker_close
	fi
	[ -z "${CAISSON_TEST_RUN:-}" ] || run_close force
	exit $code
}

one_range() {
	assert_idmap "$OUT"
}

isolated_pair() {
	[ $((BASE_A > BASE_B ? BASE_A - BASE_B : BASE_B - BASE_A)) -ge 65536 ]
}

if [ "$(id -u)" -ne 0 ]; then
	echo "demo: container engines need root: run it as root" >&2
	exit 1
fi
trap finish EXIT
trap 'exit 130' INT TERM HUP
before=$(host_snapshot)

title "An engine of our own with Caisson as runtime sysbox-runc"
BATS_TEST_FILENAME=demo.bats
run_open || exit 1
# The demo leaves through finish() only, which removes the run's directory last.
CAISSON_TEST_OWNER=''
docker_open runc || {
	echo "demo: the engine does not start; its log is above" >&2
	exit 1
}
show "docker version --format '{{.Server.Version}}'; docker info --format '{{.DefaultRuntime}} {{range \$k, \$v := .Runtimes}}{{\$k}} {{end}}'"
"$DOCKER" version --format 'engine {{.Server.Version}} on Linux {{.Server.KernelVersion}}'
"$DOCKER" info --format 'default runtime {{.DefaultRuntime}}; known: {{range $k, $v := .Runtimes}}{{$k}} {{end}}'
IMAGE_SIZE=$("$DOCKER" image inspect -f '{{.Size}}' "$IMAGE")
echo "image $IMAGE, made with docker import, $((IMAGE_SIZE / 1024)) KiB"

title "1. Root of a container is nobody on the host"
run --network none "$IMAGE" cat /proc/self/uid_map
check "one line, root is an unprivileged id outside, 65536 ids" one_range

title "2. Two containers have ranges of their own"
for name in first second; do
	show "docker run -d --runtime=sysbox-runc --name $name $IMAGE sleep 300"
	"$DOCKER" run -d --runtime=sysbox-runc --name $name "$IMAGE" sleep 300 >/dev/null
	show "docker exec $name cat /proc/self/uid_map"
	"$DOCKER" exec $name cat /proc/self/uid_map
done
BASE_A=$(map_base "$(dpid first)") BASE_B=$(map_base "$(dpid second)")
check "ranges from $BASE_A and from $BASE_B do not overlap" isolated_pair

title "3. --privileged: root inside, an ordinary id outside, no power over the host"
show "docker run -d --privileged --runtime=sysbox-runc --name priv $IMAGE sleep 300"
"$DOCKER" run -d --privileged --runtime=sysbox-runc --name priv "$IMAGE" sleep 300 >/dev/null
show "docker exec priv sh -c 'id; mount -t tmpfs none /mnt && echo mounted a tmpfs'"
INSIDE=$("$DOCKER" exec priv sh -c 'id; mount -t tmpfs none /mnt && echo mounted a tmpfs' 2>&1)
printf '%s\n' "$INSIDE"
PID=$(dpid priv)
show "ps -o pid,uid,args -p $PID"
ps -o pid,uid,args -p "$PID"
UID_OUT=$(ps -o uid= -p "$PID" | tr -d ' ')
show "docker exec priv sh -c 'echo 1 >/proc/sys/vm/drop_caches'"
DENIED=$("$DOCKER" exec priv sh -c 'echo 1 >/proc/sys/vm/drop_caches' 2>&1)
DENIED_STATUS=$?
printf '%s\n' "$DENIED"
check "privileged: root inside" grep -q 'uid=0' <<<"$INSIDE"
check "privileged: may mount inside" grep -q 'mounted a tmpfs' <<<"$INSIDE"
check "privileged: id $UID_OUT outside" test "$UID_OUT" -ge 100000
check "privileged: kernel settings of the host are out of reach" test "$DENIED_STATUS" -ne 0

title "4. A machine of its own inside: memory, settings, a procfs for containers inside it"
PANIC=$(cat /proc/sys/kernel/panic)
OUT=$("$DOCKER" run --rm --privileged --runtime=sysbox-runc --network none --memory 96m "$IMAGE" sh -c \
	'echo 33 >/proc/sys/kernel/panic; unshare -pf sh -c "mount -t proc proc /proc; head -1 /proc/meminfo; cat /proc/sys/kernel/panic; ls -d /proc/[0-9]* | head -1"' 2>&1)
show "docker run --rm --privileged --memory 96m --runtime=sysbox-runc $IMAGE sh -c 'echo 33 >/proc/sys/kernel/panic; unshare -pf sh -c \"mount -t proc proc /proc; ...\"'"
printf '%s\n' "$OUT"
check "a container inside sees 96 MiB, the value that was set, and itself as process 1" test "$(tr -s ' \n' ' ' <<<"$OUT")" = "MemTotal: 98304 kB 33 /proc/1 "
check "the host's own setting is what it was" test "$(cat /proc/sys/kernel/panic)" = "$PANIC"

title "5. The host's namespaces are refused, and the text says why"
run --pid=host --network none "$IMAGE" ps
check "--pid=host refused with status 125" test "$STATUS" -eq 125
check "--pid=host refused by name" grep -q "can't share namespaces \[pid\] with the host" <<<"$OUT"
run --network none -v /etc:/host-etc "$IMAGE" ls /host-etc
check "a directory of the host outside the shares is refused" grep -q 'restricted host mount' <<<"$OUT"

title "6. A volume shared by two containers with different ranges"
for name in writer reader; do
	show "docker run -d --runtime=sysbox-runc --name $name -v shared:/data $IMAGE sleep 300"
	"$DOCKER" run -d --runtime=sysbox-runc --name $name -v shared:/data "$IMAGE" sleep 300 >/dev/null
done
show "docker exec writer sh -c 'echo hello >/data/greeting; chown 1000:1000 /data/greeting; touch /data/root'"
"$DOCKER" exec writer sh -c 'echo hello >/data/greeting; chown 1000:1000 /data/greeting; touch /data/root'
show "docker exec reader stat -c '%U(%u) %n' /data/greeting /data/root"
OWNERS=$("$DOCKER" exec reader stat -c '%U(%u) %n' /data/greeting /data/root 2>&1)
printf '%s\n' "$OWNERS"
echo "writer's root is $(map_base "$(dpid writer)") outside, reader's is $(map_base "$(dpid reader)")"
check "the volume's owners are the same in both" test "$OWNERS" = $'user(1000) /data/greeting\nroot(0) /data/root'

title "7. A directory of a user, shared by policy"
HOME_DIR=$(share_dir alice 1234)
show "docker run --rm --runtime=sysbox-runc -v $HOME_DIR:/project $IMAGE sh -c 'touch /project/new; ls -ln /project'"
"$DOCKER" run --rm --runtime=sysbox-runc -v "$HOME_DIR:/project" "$IMAGE" sh -c 'touch /project/new; ls -ln /project'
show "ls -ln $HOME_DIR"
ls -ln "$HOME_DIR"
check "root's new file belongs to the directory's owner outside" test "$(stat -c %u "$HOME_DIR/new")" = 1234

title "8. Gone without a trace"
docker_close
ENGINE=''
run_close force
no_trace() {
	diff <(printf '%s\n' "$before") <(host_snapshot | cat)
}
if ! eventually 10 no_trace; then
	no_trace
fi
check "no process, mount, cgroup, network or file is left" no_trace

title "Summary"
printf '%s\n' "${RESULTS[@]}"
exit $FAILED
