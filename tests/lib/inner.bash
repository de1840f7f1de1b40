# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Images with real software for containers that run engines or an init of their own, and helpers to use them. No
# registry is asked: an image is made of Debian packages, once per set of package versions, and kept as a tar file.
#
#   engines           dockerd, containerd, runc, crun, podman, docker-compose; the rest is busybox
#   systemd-12, -13   Debian 12 and 13: minbase with systemd, dbus, procps
#   node              systemd of this machine's release with containerd and runc: like a node of the `kind` tool
#   clients           clients of the Docker API: docker, docker-compose, the SDK for Python, curl, socat; the rest is busybox
#   testcontainers    node.js with the package `testcontainers` of npm; the rest is busybox
#   engine-13         no image: the programs of Debian 13's engine, for ENGINE_BIN of docker_open
#
#   CAISSON_IMAGE_CACHE   where the tar files are kept (default: /var/cache/caisson-images)

INNER_CACHE=${CAISSON_IMAGE_CACHE:-/var/cache/caisson-images}
INNER_MIRROR=${CAISSON_VM_MIRROR:-http://deb.debian.org/debian}
INNER_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
INNER_ENGINES=(docker.io containerd runc crun tini iptables docker-compose podman conmon netavark aardvark-dns)
INNER_NODE=(containerd runc libdevmapper1.02.1)
INNER_CLIENTS=(docker-compose python3-docker curl socat)
INNER_ENGINE_13=(docker.io docker-cli docker-buildx docker-compose containerd)
INNER_NPM=$CAISSON_SRC/tests/helpers/testcontainers
INNER_SYSTEMD=systemd,systemd-sysv,dbus,procps,libkmod2
INNER_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# ---- images -----------------------------------------------------------------------------------------------

# inner_image NAME - the tar file of an image, made when there is none of these package versions; prints its path
inner_image() {
	local name=$1 key file
	key=$(inner_key "$name" | sha256sum | cut -c1-16) || return 1
	file=$INNER_CACHE/$name-$key.tar
	mkdir -p "$INNER_CACHE/work-$name"
	(
		flock 9
		[ ! -e "$file" ] || exit 0
		rm -f "$INNER_CACHE/$name"-*.tar*
		# In memory, where nothing waits for a disk, and in a mount namespace, so that no mount is left behind.
		unshare --mount --propagation private bash -c '
			. "$1/tests/lib/common.bash" && . "$1/tests/lib/docker.bash" && . "$1/tests/lib/inner.bash" &&
				. "$1/tests/lib/tools.bash"
			set -e
			mount -t tmpfs -o mode=755 tmpfs "$3"
			inner_make "$2" "$3"
			tar -C "$3" --numeric-owner --xattrs -cf "$4.new" .
			mv "$4.new" "$4"' - "$CAISSON_SRC" "$name" "$INNER_CACHE/work-$name" "$file" >"$INNER_CACHE/$name.log" 2>&1 || {
			tail -20 "$INNER_CACHE/$name.log" >&2
			exit 1
		}
	) 9>"$INNER_CACHE/$name.lock" 3>&- && printf '%s' "$file"
}

# inner_key NAME - what an image is made of
inner_key() {
	declare -f package_files
	case $1 in
	engines) declare -f engines_tree && package_closure "${INNER_ENGINES[@]}" | xargs dpkg-query -W ;;
	node) declare -f debian_tree node_tree && dpkg-query -W "${INNER_NODE[@]}" && printf '%s' "$INNER_SYSTEMD" ;;
	clients) declare -f packages_tree clients_tree && package_closure "${INNER_CLIENTS[@]}" docker.io | xargs dpkg-query -W ;;
	testcontainers) declare -f packages_tree testcontainers_tree && dpkg-query -W nodejs && cat "$INNER_NPM/package-lock.json" ;;
	engine-13) declare -f engine_13_tree && printf '%s ' "${INNER_ENGINE_13[@]}" ;;
	*) declare -f debian_tree && printf '%s' "$INNER_SYSTEMD" ;;
	esac
}

inner_make() {
	case $1 in
	engines) engines_tree "$2" ;;
	systemd-12) debian_tree "$2" bookworm ;;
	systemd-13) debian_tree "$2" trixie ;;
	node) node_tree "$2" ;;
	clients) clients_tree "$2" ;;
	testcontainers) testcontainers_tree "$2" ;;
	engine-13) engine_13_tree "$2" ;;
	*) die "no image $1" ;;
	esac
}

# package_closure PACKAGE... - they and all that they need, as installed here, one a line
package_closure() {
	apt-cache depends --recurse --installed --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
		--no-enhances "$@" | grep -E '^[a-z0-9]' | sort -u |
		xargs dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | awk '$1 == "installed" {print $2}' | sort -u
}

# package_files DIR PACKAGE... - copy their files into DIR, which has the links of a merged /usr
package_files() {
	local dir=$1 d
	shift
	mkdir -p "$dir"/usr/{bin,sbin,lib,lib64}
	for d in bin sbin lib lib64; do
		ln -sfn "usr/$d" "$dir/$d"
	done
	dpkg-query -L "$@" | sort -u |
		grep -vE '^/usr/share/(doc|man|locale|lintian|bash-completion|info|perl)|^/etc/(init.d|default)/|\.mo$' |
		grep -vE '/(dnet|ovrouter|podman-remote|qemu-.*|containerd-shim|containerd-shim-runc-v1)$' |
		while read -r f; do
			[ ! -f "$f" ] || printf '%s\n' "${f#/}"
		done | tar -C / --no-recursion -T - -cf - | tar -C "$dir" --keep-directory-symlink -xf -
}

engines_tree() {
	local dir=$1 applet t
	# shellcheck disable=SC2046
	package_files "$dir" $(package_closure "${INNER_ENGINES[@]}")
	rm -rf "${dir:?}"/usr/lib/systemd "${dir:?}"/etc/containerd
	mkdir -p "$dir"/{dev,etc/docker,etc/containers,images,proc,root,run,sys,tmp,var/lib,var/tmp,mnt}
	chmod 1777 "$dir/tmp" "$dir/var/tmp"
	ln -sfn ../run "$dir/var/run"
	cp "$BUSYBOX" "$dir/usr/bin/busybox"
	"$BUSYBOX" --list | while read -r applet; do
		[ -e "$dir/usr/bin/$applet" ] || [ -e "$dir/usr/sbin/$applet" ] || ln -s busybox "$dir/usr/bin/$applet"
	done
	for t in iptables ip6tables; do
		ln -sf xtables-nft-multi "$dir/usr/sbin/$t"
		ln -sf xtables-nft-multi "$dir/usr/sbin/$t-save"
		ln -sf xtables-nft-multi "$dir/usr/sbin/$t-restore"
	done
	printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n' >"$dir/etc/passwd"
	printf 'root:x:0:\ndocker:x:999:\nuser:x:1000:\n' >"$dir/etc/group"
	printf 'hosts: files dns\n' >"$dir/etc/nsswitch.conf"
	printf '{"default": [{"type": "insecureAcceptAnything"}]}\n' >"$dir/etc/containers/policy.json"
	# What Docker's own images of that kind do before they start the engine.
	cat >"$dir/usr/bin/dind" <<-'SH'
		#!/bin/sh
		rm -f /run/docker.pid /run/docker/containerd/containerd.pid
		if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
			mkdir -p /sys/fs/cgroup/init
			xargs -rn1 </sys/fs/cgroup/cgroup.procs >/sys/fs/cgroup/init/cgroup.procs 2>/dev/null || :
			sed -e 's/ / +/g' -e 's/^/+/' </sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
		fi
		exec dockerd "$@"
	SH
	chmod 0755 "$dir/usr/bin/dind"
	busybox_rootfs "$dir/images/busybox"
	tar -C "$dir/images/busybox" --numeric-owner -cf "$dir/images/busybox.tar" .
}

# debian_tree DIR SUITE - a root file system from the archive; debootstrap checks the signatures
debian_tree() {
	local dir=$1 suite=$2 try
	mkdir -p "$INNER_CACHE/debs-$suite"
	for try in 1 2 3; do
		debootstrap --variant=minbase --keyring="$INNER_KEYRING" --force-check-gpg \
			--cache-dir="$INNER_CACHE/debs-$suite" --include="$INNER_SYSTEMD" "$suite" "$dir" "$INNER_MIRROR" && break
		echo "debootstrap failed, try $try"
		tail -5 "$dir/debootstrap/debootstrap.log"
		find "$dir" -mindepth 1 -delete
	done
	[ -e "$dir/sbin/init" ] || return 1
	rm -rf "$dir"/usr/share/{doc,man,locale,info,zoneinfo} "$dir"/var/{cache/apt,lib/apt/lists}/* "${dir:?}"/dev/*
	: >"$dir/etc/machine-id"
	# Nothing here is to be updated.
	rm -f "$dir"/etc/systemd/system/timers.target.wants/{apt-*,dpkg-*,e2scrub*,fstrim}*
}

# engine_13_tree DIR - programs that need no newer libc than Debian 12's, so that they run as they are. Its runc does.
engine_13_tree() {
	local dir=$1 list package try
	list=$(IFS=, && printf '%s' "${INNER_ENGINE_13[*]}")
	mkdir -p "$INNER_CACHE/debs-trixie"
	for try in 1 2 3; do
		debootstrap --download-only --variant=minbase --keyring="$INNER_KEYRING" --force-check-gpg \
			--cache-dir="$INNER_CACHE/debs-trixie" --include="$list" trixie "$dir/get" "$INNER_MIRROR" && break
		echo "debootstrap failed, try $try"
		rm -rf "${dir:?}/get"
	done
	for package in "${INNER_ENGINE_13[@]}"; do
		dpkg-deb -x "$dir/get/var/cache/apt/archives/${package}"_*.deb "$dir"
	done
	rm -rf "${dir:?}"/{get,etc,lib,usr/lib,usr/share} "$dir"/usr/bin/{containerd-shim,containerd-shim-runc-v1}
	# The init program is this machine's, as runc is: containers get it from nowhere but /usr.
	rm -f "$dir"/usr/bin/docker-init
}

# engine_newer - make docker_open() take Debian 13's engine; unpacked once per run
engine_newer() {
	local file
	run_open && file=$(inner_image engine-13) || return 1
	export ENGINE_BIN=$CAISSON_TEST_RUN/engine-13
	(
		flock 9
		[ ! -d "$ENGINE_BIN" ] || exit 0
		mkdir "$ENGINE_BIN.new" && tar -C "$ENGINE_BIN.new" -xf "$file" && mv "$ENGINE_BIN.new" "$ENGINE_BIN"
	) 9>"$ENGINE_BIN.lock" 3>&- || return 1
	DOCKER=$ENGINE_BIN/usr/bin/docker
}

# The engine comes from this machine, so the release is this machine's.
node_tree() {
	local dir=$1 base
	base=$(inner_image "systemd-$(. /etc/os-release && printf '%s' "$VERSION_ID")") || return 1
	tar -C "$dir" --numeric-owner --xattrs -xf "$base"
	package_files "$dir" "${INNER_NODE[@]}"
	mkdir -p "$dir/images" "$dir/etc/systemd/system/multi-user.target.wants"
	ln -s /lib/systemd/system/containerd.service "$dir/etc/systemd/system/multi-user.target.wants/"
	busybox_rootfs "$dir/images/busybox"
}

# packages_tree DIR PACKAGE... - a root file system of busybox and these packages with all that they need
packages_tree() {
	local dir=$1
	shift
	# shellcheck disable=SC2046
	package_files "$dir" $(package_closure "$@")
	busybox_rootfs "$dir/box"
	rm -rf "${dir:?}"/usr/lib/systemd "${dir:?}"/etc
	# The links of a merged /usr stay; nothing of the packages is replaced.
	tar -C "$dir/box" -c . | tar -C "$dir" --keep-directory-symlink --skip-old-files -x
	rm -rf "${dir:?}/box"
}

clients_tree() {
	packages_tree "$1" "${INNER_CLIENTS[@]}"
	with_programs "$1" /usr/bin/docker
}

testcontainers_tree() {
	packages_tree "$1" nodejs
	rm -rf "${1:?}/usr/include" "${1:?}/usr/lib/node_modules/npm"
	mkdir -p "$1/app"
	cp "$INNER_NPM"/package*.json "$1/app/"
	npm --prefix "$1/app" --cache "$1/npm" ci --ignore-scripts --omit=optional --no-audit --no-fund
	rm -rf "${1:?}/npm"
	find "$1/app" '(' -name '*.map' -o -name '*.ts' ')' -delete
}

# inner_import NAME [CHANGE...] - give the engine of this test file the image, as caisson-test/NAME
inner_import() {
	local name=$1 file c
	local -a flags=(-c "ENV PATH=$INNER_PATH")
	shift
	file=$(inner_image "$name") || return 1
	for c; do
		flags+=(-c "$c")
	done
	"$DOCKER" import "${flags[@]}" "$file" "caisson-test/$name" >/dev/null
}

# ---- containers -------------------------------------------------------------------------------------------

# inside NAME COMMAND... - run it in the container, with a time limit
inside() {
	local name=$1
	shift
	timeout 60 "$DOCKER" exec "$name" "$@"
}

# inside_sh NAME SCRIPT - the same for a few lines of shell, which end at the first failure
inside_sh() {
	inside "$1" sh -ec "$2"
}

# dind_run NAME [FLAGS...] - a container with an engine of its own, ready to take commands
dind_run() {
	local name=$1
	shift
	"$DOCKER" run -d --name "$name" --privileged --runtime sysbox-runc "$@" caisson-test/engines tini -- dind \
		--default-address-pool base=10.215.0.0/16,size=24 >/dev/null
	dind_ready "$name"
}

dind_ready() {
	eventually 40 inside "$1" docker version || {
		"$DOCKER" logs --tail 30 "$1" >&2
		return 1
	}
}

# inner_layer NAME - the directory in which the engine keeps the container's upper layer
inner_layer() {
	local upper
	upper=$("$DOCKER" inspect -f '{{.GraphDriver.Data.UpperDir}}' "$1")
	printf '%s' "${upper%/diff}"
}

# booted NAME - systemd inside has finished starting, well or not
booted() {
	eventually 30 inside "$1" test -S /run/dbus/system_bus_socket &&
		inside "$1" timeout 50 systemctl is-system-running --wait
}
