# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A dockerd of the test's own: private containerd, data root, exec root, socket, network namespace with a bridge
# that we make, and cgroup parent. The network namespace keeps engines that run side by side from flushing each
# other's firewall chains, and takes bridges, veths and rules with it when it goes.
#
#   ENGINE_BIN      another engine's programs: in usr/bin and usr/sbin below it (default: those of this machine)
#   ENGINE_CONFIG   more of daemon.json

DOCKER=${ENGINE_BIN:-}/usr/bin/docker
[ -x "$DOCKER" ] || DOCKER=docker
IMAGE=caisson-test/busybox

# net_open NAME - a network namespace with loopback up, held by a file of ours; prints the file
net_open() {
	local file=$CAISSON_TEST_RUN/net/$1
	mkdir -p "${file%/*}"
	: >"$file"
	unshare --net="$file" ip link set lo up && printf '%s' "$file"
}

net_close() {
	[ ! -e "$1" ] || { umount "$1" 2>/dev/null; rm -f "$1"; }
}

in_net() {
	local file=$1
	shift
	nsenter --net="$file" -- "$@"
}

# spawn LOG COMMAND... - a daemon in a session of its own that holds none of our fds; prints its pid
spawn() {
	local log=$1
	shift
	(
		cd /
		exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
		exec setsid env CAISSON_TEST_RUN="$CAISSON_TEST_RUN" "$@" </dev/null >>"$log" 2>&1
	) &
	disown
	printf '%s' $!
}

# containerd_open DIR [NETNS] - start a private containerd; sets CONTAINERD_SOCK
containerd_open() {
	local dir=$1 ns=${2:-}
	mkdir -p "$dir/cd"
	CONTAINERD_SOCK=$dir/cd.sock
	cat >"$dir/containerd.toml" <<-TOML
		version = 2
		root = "$dir/cd/root"
		state = "$dir/cd/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri"]
		[grpc]
		  address = "$CONTAINERD_SOCK"
		[plugins."io.containerd.internal.v1.opt"]
		  path = "$dir/cd/opt"
	TOML
	local -a cmd=(containerd --config "$dir/containerd.toml")
	[ -z "$ns" ] || cmd=(nsenter --net="$ns" -- "${cmd[@]}")
	spawn "$dir/containerd.log" "${cmd[@]}" >"$dir/containerd.pid"
	export CONTAINERD_SOCK
	eventually 20 ctr --address "$CONTAINERD_SOCK" version || {
		cat "$dir/containerd.log" >&2
		return 1
	}
}

# docker_open [DEFAULT_RUNTIME [EXTRA_DAEMON_FLAGS...]] - start the engine of this test file and import the image
docker_open() {
	local default=${1:-sysbox-runc} name third args='[]'
	shift || true
	run_open || return 1
	ENGINE=$(file_dir)
	name=${ENGINE##*/}
	ENGINE_CGROUP=ct-$RUN_TAG-${name:0:20}
	mkdir -p "$ENGINE/etc"
	ENGINE_NET=$(net_open "$name") || return 1
	third=$((RANDOM % 200 + 20))
	ENGINE_SUBNET=10.213.$third
	# An address of its own: else it has that of one of its ports, and another one when that port goes.
	in_net "$ENGINE_NET" ip link add ctbr0 address 02:42:0a:d5:00:01 type bridge
	in_net "$ENGINE_NET" ip addr add "$ENGINE_SUBNET.1/24" dev ctbr0
	in_net "$ENGINE_NET" ip link set ctbr0 up
	if is_caisson; then
		args=$(jq -nc --arg s "$SETTINGS" '["--settings", $s]')
	fi
	jq -n --arg rt "$CAISSON_RUNTIME" --argjson args "$args" --arg default "$default" --argjson more "${ENGINE_CONFIG:-null}" \
		'{runtimes: {"sysbox-runc": {path: $rt, runtimeArgs: $args}}, "default-runtime": $default} + $more' \
		>"$ENGINE/etc/daemon.json"
	if [ -n "${ENGINE_BIN:-}" ]; then
		export PATH=$ENGINE_BIN/usr/sbin:$ENGINE_BIN/usr/bin:$PATH
		ln -s "$ENGINE_BIN/usr/libexec/docker/cli-plugins" "$ENGINE/etc/"
	fi
	if [ -n "${ENGINE_SHADOW_RUNC:-}" ]; then
		runc_shadow
	fi
	export ENGINE ENGINE_NET ENGINE_CGROUP ENGINE_SUBNET
	export DOCKER_HOST=unix://$ENGINE/d.sock DOCKER_CONFIG=$ENGINE/etc COMPOSE_HTTP_TIMEOUT=60
	containerd_open "$ENGINE" "$ENGINE_NET" || return 1
	printf '%s\n' "${*@Q}" >"$ENGINE/flags"
	docker_daemon_start || return 1
	image_tar "$CAISSON_TEST_RUN/busybox.tar"
	"$DOCKER" import -c 'CMD ["/bin/sh"]' -c 'ENV PATH=/bin:/usr/bin' "$CAISSON_TEST_RUN/busybox.tar" "$IMAGE" >/dev/null
}

# runc_shadow() - make `runc` on the engine's PATH the runtime under test, as the guard installs it
runc_shadow() {
	mkdir -p "$ENGINE/bin"
	if is_caisson; then
		printf '#!/bin/sh\nexec %q --settings %q "$@"\n' "$CAISSON_RUNTIME" "$SETTINGS" >"$ENGINE/bin/runc"
	else
		printf '#!/bin/sh\nexec %q "$@"\n' "$CAISSON_RUNTIME" >"$ENGINE/bin/runc"
	fi
	chmod 0755 "$ENGINE/bin/runc"
	export PATH=$ENGINE/bin:$PATH
}

docker_daemon_start() {
	local -a extra
	eval "extra=($(cat "$ENGINE/flags"))"
	rm -f "$ENGINE/dockerd.pid"
	spawn "$ENGINE/dockerd.log" nsenter --net="$ENGINE_NET" -- dockerd \
		--config-file "$ENGINE/etc/daemon.json" --data-root "$ENGINE/data" --exec-root "$ENGINE/exec" \
		--host "$DOCKER_HOST" --pidfile "$ENGINE/dockerd.pid" --containerd "$CONTAINERD_SOCK" \
		--bridge ctbr0 --fixed-cidr "$ENGINE_SUBNET.0/24" --cgroup-parent "/$ENGINE_CGROUP" \
		--default-address-pool "base=10.214.0.0/16,size=24" "${extra[@]}" >/dev/null
	eventually 40 "$DOCKER" version || {
		tail -50 "$ENGINE/dockerd.log" >&2
		return 1
	}
}

docker_daemon_stop() {
	local pid
	pid=$(cat "$ENGINE/dockerd.pid" 2>/dev/null) || return 0
	kill -"${1:-TERM}" "$pid" 2>/dev/null
	eventually 30 test ! -e "/proc/$pid"
}

# docker_close() - end the engine of this test file and remove all of it; quiet when it never started
docker_close() {
	local ids
	[ -n "${ENGINE:-}" ] || return 0
	if [ -S "$ENGINE/d.sock" ]; then
		ids=$(timeout 20 "$DOCKER" ps -aq 2>/dev/null)
		# shellcheck disable=SC2086
		[ -z "$ids" ] || timeout 120 "$DOCKER" rm -fv $ids >/dev/null 2>&1
	fi
	mkdir -p "$CAISSON_TEST_RUN/logs"
	cp "$ENGINE/dockerd.log" "$CAISSON_TEST_RUN/logs/${ENGINE##*/}-dockerd.log" 2>/dev/null
	docker_daemon_stop || docker_daemon_stop KILL
	containerd_close "$ENGINE"
	net_close "$ENGINE_NET"
	engine_remove "$ENGINE" "$ENGINE_CGROUP"
	run_close
}

containerd_close() {
	local pid
	pid=$(cat "$1/containerd.pid" 2>/dev/null) || return 0
	kill -TERM "$pid" 2>/dev/null
	eventually 20 test ! -e "/proc/$pid" || kill -KILL "$pid"
	for pid in $(engine_pids "$1"); do
		kill -KILL "$pid" 2>/dev/null
	done
	return 0
}

# engine_remove DIR CGROUP - mounts, cgroups and files of an engine that has ended
engine_remove() {
	local m d
	findmnt -rn -o TARGET | grep -F -- "$1/" | sort -r | while read -r m; do
		# These two are the engine's own when it did not end by itself.
		case $m in
		*/exec/netns/default | */data) ;;
		*) printf 'left mounted: %s\n' "$m" >>"$CAISSON_TEST_RUN/leftovers.log" ;;
		esac
		umount -l -- "$m"
	done
	for d in $(cgroup_dirs "$2"); do
		rmdir "$d" 2>/dev/null || printf 'left cgroup: %s\n' "$d" >>"$CAISSON_TEST_RUN/leftovers.log"
	done
	rm -rf --one-file-system "$1"
}

# engine_snapshot - mounts, cgroups and links that belong to this engine, as sorted lines
engine_snapshot() {
	{
		findmnt -rn -o TARGET | grep -F "$ENGINE/"
		cgroup_dirs "$ENGINE_CGROUP"
		in_net "$ENGINE_NET" ip -o link show | awk -F': ' '{print $2}'
		find "$ENGINE/exec" "$ENGINE/cd/state" -name '*.json' -o -name '*.sock' 2>/dev/null
	} | sort
}

# image_tar FILE - the busybox image, made once per run
image_tar() {
	[ -e "$1" ] || {
		busybox_rootfs "$1.d" && tar -C "$1.d" --numeric-owner -cf "$1.new" . && mv "$1.new" "$1" && rm -rf "$1.d"
	}
}

d() {
	"$DOCKER" "$@"
}

# net_flags FLAGS... - containers need no network unless they say so: sets NET
net_flags() {
	NET=(--network none)
	case " $* " in *" --network"* | *" -p "*) NET=() ;; esac
}

# drun [FLAGS...] -- COMMAND... - a throw-away container under the runtime of the test
drun() {
	local -a flags=() NET
	while [ "$1" != -- ]; do
		flags+=("$1")
		shift
	done
	shift
	net_flags "${flags[@]}"
	"$DOCKER" run --rm "${NET[@]}" --runtime sysbox-runc "${flags[@]}" "$IMAGE" "$@"
}

# dbg NAME [FLAGS...] [-- COMMAND...] - a container in the background that ends at once on TERM
dbg() {
	local name=$1
	local -a NET flags=() cmd=(sh -c 'trap "exit 0" TERM; while :; do sleep 3600 & wait $!; done')
	shift
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		flags+=("$1")
		shift
	done
	if [ "${1:-}" = -- ]; then
		shift
		cmd=("$@")
	fi
	net_flags "${flags[@]}"
	"$DOCKER" run -d --name "$name" "${NET[@]}" --runtime sysbox-runc "${flags[@]}" "$IMAGE" "${cmd[@]}"
}

dpid() {
	"$DOCKER" inspect -f '{{.State.Pid}}' "$1"
}

dstate() {
	"$DOCKER" inspect -f '{{.State.Status}}' "$1"
}

is_state() {
	[ "$(dstate "$1")" = "$2" ]
}

# drm NAME|ID... - remove containers; never fails. Names are matched whole: `docker rm bb`, when there is no bb, removes
# the container whose id begins with bb.
drm() {
	local n
	local -a ids=() names=()
	for n; do
		if [[ $n =~ ^[0-9a-f]{12,64}$ ]]; then
			ids+=("$n")
		else
			names+=(--filter "name=^$n\$")
		fi
	done
	if [ ${#names[@]} -gt 0 ]; then
		mapfile -t -O ${#ids[@]} ids < <("$DOCKER" ps -aq --no-trunc "${names[@]}" 2>/dev/null)
	fi
	[ ${#ids[@]} -eq 0 ] || "$DOCKER" rm -fv "${ids[@]}" >/dev/null 2>&1 || true
}
