#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Install what Caisson needs on Debian 12 or 13. Idempotent; says nothing and touches no network when all is there.
# usage: install-deps.sh [build] [test] [bench] [vm]      (default: build test)
set -euo pipefail

build=(gcc libc6-dev make meson ninja-build pkg-config libjansson-dev libseccomp-dev libnghttp2-dev libcurl4-openssl-dev
	libsystemd-dev libcmocka-dev)
test=(bats jq busybox-static docker.io runc containerd podman netavark aardvark-dns conmon iproute2 iptables nftables util-linux
	bsdutils curl socat strace python3 procps findutils tini docker-compose debootstrap
	debian-archive-keyring xfsprogs btrfs-progs docker-registry apache2-utils openssl)
bench=(crun runc docker.io busybox-static jq haproxy)
vm=(qemu-system-x86 debootstrap e2fsprogs qemu-utils linux-image-cloud-amd64 cpio)
lint=(clang clang-format shellcheck)

# A node.js from elsewhere brings an npm of its own, and Debian's does not go with it.
command -v npm >/dev/null || test+=(nodejs npm)

want=()
[ $# -gt 0 ] || set -- build test
for group in "$@"; do
	case $group in
	build) want+=("${build[@]}") ;;
	test) want+=("${test[@]}") ;;
	bench) want+=("${bench[@]}") ;;
	vm) want+=("${vm[@]}") ;;
	lint) want+=("${lint[@]}") ;;
	*)
		echo "install-deps: unknown group '$group': build, test, bench, vm and lint exist" >&2
		exit 2
		;;
	esac
done

missing() {
	local p
	for p in "${want[@]}"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || printf '%s\n' "$p"
	done
}

mapfile -t need < <(missing | sort -u)
[ ${#need[@]} -gt 0 ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "install-deps: not root; install these packages first: ${need[*]}" >&2
	exit 1
fi

# The engines are only used as programs: their services must not start just because their packages arrive. Where
# the machine has a policy of its own, it stays; ours is removed again whatever happens.
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 0755 "$policy"
	made_policy=1
fi
log=$(mktemp)
trap 'rm -f "$log" ${made_policy:+"$policy"}' EXIT

export DEBIAN_FRONTEND=noninteractive
echo "install-deps: installing ${need[*]}"
opts=(-qq -y --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 -o APT::Acquire::Retries=3)
if ! apt-get "${opts[@]}" install "${need[@]}" >"$log" 2>&1; then
	apt-get -qq -o DPkg::Lock::Timeout=300 update >>"$log" 2>&1 || true
	apt-get "${opts[@]}" install "${need[@]}" >>"$log" 2>&1 || {
		tail -30 "$log" >&2
		exit 1
	}
fi
