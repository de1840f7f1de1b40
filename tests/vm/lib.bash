# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the guest's own bats files share: the release's docker.service under its init, with the systemd cgroup driver
# and caisson as the runtime of every container.

# shellcheck source=tests/lib/common.bash
. "$BATS_TEST_DIRNAME/../lib/common.bash"
IMAGE=busybox:vm
# shellcheck disable=SC2016,SC2034 # for the container's shell; used by the files that load this
LOOP='n=0; while :; do n=$((n + 1)); echo $n >/tmp/n; usleep 50000; done'

# engine_start [RUNTIME] - start the engine if it is not up with that runtime, and import the image
engine_start()
{
	local runtime=${1:-sysbox-runc} args='[]'

	if [ "$(cat /run/caisson-vm/runtime 2>/dev/null)" = "$runtime" ] && systemctl -q is-active docker.service; then
		return 0
	fi
	if [ "$runtime" = sysbox-runc ] && is_caisson; then
		run_open || return 1
		args=$(jq -nc --arg s "$SETTINGS" '["--settings", $s]')
	fi
	mkdir -p /etc/docker /run/caisson-vm
	jq -n --arg path "$CAISSON_RUNTIME" --argjson args "$args" --arg default "$runtime" \
		'{"exec-opts": ["native.cgroupdriver=systemd"], "storage-driver": "overlay2",
		  "runtimes": {"sysbox-runc": {path: $path, runtimeArgs: $args}}, "default-runtime": $default}' \
		>/etc/docker/daemon.json
	systemctl restart docker.service || {
		journalctl -n 30 -u docker.service >&2
		return 1
	}
	image_import || return 1
	echo "$runtime" >/run/caisson-vm/runtime
}

image_import()
{
	local root

	docker image inspect "$IMAGE" >/dev/null 2>&1 && return 0
	root=$(mktemp -d)
	busybox_rootfs "$root"
	tar -C "$root" --numeric-owner -c . |
		docker import -c 'CMD ["sh"]' -c 'ENV PATH=/bin:/usr/bin' - "$IMAGE" >/dev/null
	rm -rf "$root"
}

# box [OPTION...] -- COMMAND... - a throw-away container
box()
{
	local -a flags=()

	while [ "$1" != -- ]; do
		flags+=("$1")
		shift
	done
	shift
	docker run --rm --network=none "${flags[@]}" "$IMAGE" "$@"
}

# idle NAME [OPTION...] - a container that sleeps and ends at once on TERM
idle()
{
	local name=$1

	shift
	docker run -d --name "$name" --network=none "$@" "$IMAGE" \
		sh -c 'trap "exit 0" TERM; while :; do sleep 3600 & wait $!; done' >/dev/null
}

pid_of()
{
	docker inspect -f '{{.State.Pid}}' "$1"
}

upper_of()
{
	docker inspect -f '{{.GraphDriver.Data.UpperDir}}' "$1"
}

# scope_of NAME - the unit that systemd made for a container
scope_of()
{
	printf 'docker-%s.scope' "$(docker inspect -f '{{.Id}}' "$1")"
}

# scope_dir NAME - its cgroup; the container's own processes may be in groups below it
scope_dir()
{
	printf '/sys/fs/cgroup%s' "$(systemctl show -P ControlGroup "$(scope_of "$1")")"
}

containers_remove()
{
	local ids

	ids=$(docker ps -aq)
	# shellcheck disable=SC2086 # a list of words
	[ -z "$ids" ] || docker rm -fv $ids >/dev/null
}
