#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the root file system, kernel and initrd of one Debian release for tests/vm/run.sh, and prints the directory
# that holds them. Nothing is built when the directory was made by this very script already.
#
#   image.sh 12|13
#
# Everything comes from the Debian archive and is checked against its signatures: the release file up front by gpgv,
# the packages by debootstrap and by apt inside. Needs root, debootstrap, gpgv, curl and mke2fs.
set -euo pipefail

MIRROR=${CAISSON_VM_MIRROR:-http://deb.debian.org/debian}
CACHE=${CAISSON_VM_CACHE:-/var/cache/caisson-vm}
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
SIZE=3G

# What both releases get. No -dev packages and no compiler: what is tested is built on the host.
PACKAGES="linux-image-cloud-amd64 systemd systemd-sysv udev dbus kmod apparmor docker.io runc crun containerd
	  bats jq busybox-static iptables iproute2 procps psmisc util-linux curl e2fsprogs attr acl libcap2-bin
	  podman netavark aardvark-dns conmon nftables tini docker-compose bsdutils findutils
	  python3 ca-certificates libcmocka0 libjansson4 libseccomp2 libcap2 libsystemd0 strace socat"

die()
{
	echo "image.sh: $*" >&2
	exit 1
}

log()
{
	echo "image.sh: $*" >&2
}

release=${1:-}
case $release in
12) suite=bookworm ;;
13) suite=trixie PACKAGES="$PACKAGES docker-cli" ;;
*) die "usage: image.sh 12|13" ;;
esac

out=$CACHE/debian-$release
stamp=$(sha256sum "$0" | cut -d' ' -f1)
if [ -e "$out/stamp" ] && [ "$(cat "$out/stamp")" = "$stamp" ]; then
	echo "$out"
	exit 0
fi

[ "$(id -u)" = 0 ] || die "must be root"
for tool in debootstrap gpgv curl mke2fs unshare flock; do
	command -v "$tool" >/dev/null || die "$tool is not installed"
done

# All mounts are made in a mount namespace of our own: whatever happens, none is left behind.
if [ -z "${CAISSON_VM_UNSHARED:-}" ]; then
	mkdir -p "$CACHE"
	CAISSON_VM_UNSHARED=1 exec flock "$CACHE/lock-$release" \
		unshare --mount --propagation private "$0" "$release"
fi

verify_release()
{
	local inrelease=$CACHE/InRelease-$suite

	curl -fsS --retry 3 -o "$inrelease" "$MIRROR/dists/$suite/InRelease" || die "cannot fetch $suite's InRelease"
	# debootstrap checks as well; this check names the remedy when the keyring is older than the release.
	gpgv -q --keyring "$KEYRING" --output /dev/null "$inrelease" 2>"$inrelease.log" ||
		die "$KEYRING does not verify $suite ($inrelease.log): update the package debian-archive-keyring"
}

in_root()
{
	chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root \
		DEBIAN_FRONTEND=noninteractive "$@"
}

install_packages()
{
	log "$suite: debootstrap"
	debootstrap --variant=minbase --keyring="$KEYRING" --force-check-gpg --cache-dir="$debs" \
		"$suite" "$root" "$MIRROR" >"$work/debootstrap.log" 2>&1 ||
		die "debootstrap failed, see $work/debootstrap.log"

	# Nothing may be started while packages are installed, the guest's init does that.
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod 755 "$root/usr/sbin/policy-rc.d"
	mkdir -p "$root/etc/initramfs-tools/conf.d" "$root/etc/dpkg/dpkg.cfg.d"
	echo 'MODULES=list' >"$root/etc/initramfs-tools/conf.d/caisson"
	printf 'path-exclude /usr/share/%s/*\n' doc man locale info >"$root/etc/dpkg/dpkg.cfg.d/small"
	mount -t proc proc "$root/proc"
	mount --bind "$debs" "$root/var/cache/apt/archives"

	log "$suite: packages"
	# shellcheck disable=SC2086 # a list of words
	{
		in_root apt-get -q update &&
			in_root apt-get -q install -y --no-install-recommends $PACKAGES
	} >"$work/apt.log" 2>&1 || die "apt-get failed, see $work/apt.log"
	umount "$root/var/cache/apt/archives"
	rm -rf "$root"/var/lib/apt/lists/* "$root/usr/sbin/policy-rc.d"
}

# The unit that runs the tests, and the program it starts. The program does no more than mount the second disk and run
# what is on it, so that the image need not be built again when the tests change.
install_runner()
{
	cat >"$root/usr/local/sbin/caisson-vm-run" <<'RUNNER'
#!/bin/bash
# The second serial line carries the results and nothing else.
stty -F /dev/ttyS1 raw 115200
exec >/dev/ttyS1 2>&1 </dev/null
mkdir -p /caisson
if mount /dev/vdb /caisson; then
	/bin/bash /caisson/tests/vm/guest.sh
	echo "VM-EXIT $?"
else
	echo "VM-EXIT no second disk"
fi
sync
sleep 1
systemctl poweroff --force --force
RUNNER
	chmod 755 "$root/usr/local/sbin/caisson-vm-run"
	cat >"$root/etc/systemd/system/caisson-vm.service" <<'UNIT'
[Unit]
Description=Tests of the second disk
After=systemd-user-sessions.service apparmor.service dbus.service

[Service]
Type=exec
ExecStart=/usr/local/sbin/caisson-vm-run
Environment=HOME=/root TERM=dumb LC_ALL=C.UTF-8
TasksMax=infinity
LimitNOFILE=1048576

[Install]
WantedBy=multi-user.target
UNIT
}

configure()
{
	echo caisson-vm >"$root/etc/hostname"
	printf '127.0.0.1 localhost caisson-vm\n::1 localhost\n' >"$root/etc/hosts"
	printf '/dev/vda / ext4 defaults,noatime 0 0\n' >"$root/etc/fstab"
	in_root passwd -q -d root
	# Boot time is paid in every run and emulation makes it dear: what no test needs does not start.
	in_root systemctl -q mask getty@.service serial-getty@.service getty-static.service apt-daily.timer \
		apt-daily-upgrade.timer systemd-timesyncd.service e2scrub_reap.service e2scrub_all.timer \
		fstrim.timer dpkg-db-backup.timer systemd-update-utmp.service man-db.timer
	in_root systemctl -q disable docker.service docker.socket containerd.service
	install_runner
	in_root systemctl -q enable caisson-vm.service
	printf 'virtio_pci\nvirtio_blk\next4\n' >>"$root/etc/initramfs-tools/modules"
	in_root update-initramfs -u -k all >>"$work/apt.log" 2>&1 || die "update-initramfs failed, see $work/apt.log"
	umount "$root/proc"
}

work=$CACHE/work-$release
root=$work/root
debs=$CACHE/debs-$suite
rm -rf "$work" "$out"
mkdir -p "$root" "$debs" "$out"
verify_release
install_packages
configure

log "$suite: file system"
cp "$root"/boot/vmlinuz-* "$out/vmlinuz"
cp "$root"/boot/initrd.img-* "$out/initrd.img"
in_root dpkg-query -W >"$out/packages.txt"
rm -rf "${root:?}"/boot/initrd.img-* "${root:?}"/dev/* "${root:?}"/tmp/* "${root:?}"/var/log/*.log
mke2fs -q -t ext4 -L root -m 0 -d "$root" "$out/root.img" "$SIZE" || die "mke2fs failed"
rm -rf "$work"
echo "$stamp" >"$out/stamp"
log "$suite: $(ls "$out") in $out, $(du -sh "$out" | cut -f1)"
echo "$out"
