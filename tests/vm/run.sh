#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Boots stock Debian kernels under emulation (no KVM needed) and runs the tests in them; see README.md.
#
#   run.sh [12|13|both]
#
# Environment: CAISSON_BUILD (build), CAISSON_VM_PREBUILT (set: take the build as it is), CAISSON_VM_TIMEOUT (seconds per
# release, 10800), CAISSON_VM_FILE_TIMEOUT (seconds per bats file, 5400), CAISSON_VM_SMP (2), CAISSON_VM_MEM (4096),
# CAISSON_VM_SUITES (what guest.sh shall run), CAISSON_VM_FILTER (parts of paths of bats files, separated by blanks: run
# only files with one of them), CAISSON_VM_TESTS (a regular expression: of bats files only the tests whose names match),
# CAISSON_VM_CACHE (/var/cache/caisson-vm), CAISSON_VM_RUNTIME (a runtime of the guest's instead of caisson, to try the
# tests themselves: /usr/sbin/runc).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
builddir=$(realpath -m "${CAISSON_BUILD:-$top/build}")
cache=${CAISSON_VM_CACHE:-/var/cache/caisson-vm}
limit=${CAISSON_VM_TIMEOUT:-10800}
export CAISSON_VM_CACHE=$cache

die()
{
	echo "run.sh: $*" >&2
	exit 1
}

case ${1:-both} in
12 | 13) releases=$1 ;;
both) releases="12 13" ;;
*) die "usage: run.sh [12|13|both]" ;;
esac

for tool in qemu-system-x86_64 mke2fs meson jq gcc pkg-config; do
	command -v "$tool" >/dev/null || die "$tool is not installed"
done
if [ -z "${CAISSON_VM_PREBUILT:-}" ]; then
	[ -e "$builddir/build.ninja" ] || meson setup "$builddir" >/dev/null || die "meson setup failed"
	meson compile -C "$builddir" >/dev/null || die "the build failed: see meson compile -C $builddir"
fi

work=$(mktemp -d "${TMPDIR:-/var/tmp}/caisson-vm.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The guest sees the checkout with its programs under /caisson, in the same layout as here. Unit tests have paths of
# the host compiled in: guest.sh makes the path of the host's checkout lead there as well.
make_payload()
{
	local tree=$work/payload exe name file kib

	mkdir -p "$tree/build/src"
	tar -C "$top" --exclude=./.git --exclude='./build*' -c . | tar -C "$tree" -x
	copy_programs "$builddir/src/bin" "$tree/build/src/bin"
	copy_programs "$builddir/src/monitor" "$tree/build/src/monitor"
	compile_helpers "$tree/build/test-programs"
	# What programs look for at fixed places is installed there.
	meson install -C "$builddir" --no-rebuild --destdir "$tree/install" >"$work/install.log" 2>&1 ||
		die "meson install failed: $(tail -n 5 "$work/install.log")"
	# One line per unit test: name, then its command with the paths of the guest.
	meson introspect --tests "$builddir" |
		jq -r '.[] | select(.suite | any(test("unit|replay"))) | [.name] + .cmd | @tsv' >"$work/tests.tsv"
	while IFS=$'\t' read -r name exe _; do
		[ -x "$exe" ] || die "$exe (unit test $name) is not built"
		file=${exe#"$builddir"/}
		mkdir -p "$tree/build/$(dirname "$file")"
		cp "$exe" "$tree/build/$file"
	done <"$work/tests.tsv"
	sed -e "s|$builddir/|/caisson/build/|g" -e "s|$top/|/caisson/|g" "$work/tests.tsv" >"$tree/units.tsv"
	printf '%s=%q\n' CAISSON_VM_SUITES "${CAISSON_VM_SUITES:-}" CAISSON_VM_FILTER "${CAISSON_VM_FILTER:-}" \
		CAISSON_VM_TESTS "${CAISSON_VM_TESTS:-}" CAISSON_RUNTIME "${CAISSON_VM_RUNTIME:-}" CAISSON_HOST_TOP "$top" \
		CAISSON_VM_FILE_TIMEOUT "${CAISSON_VM_FILE_TIMEOUT:-}" >"$tree/vm.env"

	kib=$(du -sk "$tree" | cut -f1)
	mke2fs -q -t ext4 -m 0 -d "$tree" "$work/payload.img" $((kib * 5 / 4 + 65536))k >"$work/mke2fs.log" 2>&1 ||
		die "mke2fs failed: $(cat "$work/mke2fs.log")"
}

# Programs only: the objects beside them are many times their size.
copy_programs()
{
	local f

	mkdir -p "$2"
	for f in "$1"/*; do
		if [ -f "$f" ] && [ -x "$f" ]; then
			cp "$f" "$2/"
		fi
	done
}

# The programs that bats files compile for themselves elsewhere, all static: the guest need not have their libraries.
compile_helpers()
{
	local source libs

	read -ra libs <<<"$(pkg-config --static --libs libnghttp2)"
	mkdir -p "$1"
	for source in "$top"/tests/attacks/*.c "$top"/tests/helpers/*.c; do
		gcc -std=gnu17 -D_GNU_SOURCE -static -O1 -pthread -w -o "$1/$(basename "$source" .c)" "$source" "${libs[@]}" ||
			die "$source does not compile"
	done
}

# boot RELEASE IMAGEDIR: runs the guest until it powers itself off or the time is up. Both disks are snapshots: every
# run starts from the same state and nothing a test does is kept.
boot()
{
	local release=$1 image=$2

	timeout --kill-after=10 "$limit" nice -n 5 qemu-system-x86_64 \
		-accel tcg,thread=multi -cpu max -machine q35 \
		-smp "${CAISSON_VM_SMP:-2}" -m "${CAISSON_VM_MEM:-4096}" \
		-nodefaults -no-user-config -display none -no-reboot \
		-kernel "$image/vmlinuz" -initrd "$image/initrd.img" \
		-append "root=/dev/vda rw console=ttyS0 panic=-1 quiet apparmor=1 security=apparmor mitigations=off" \
		-drive "if=virtio,format=raw,file=$image/root.img,snapshot=on" \
		-drive "if=virtio,format=raw,file=$work/payload.img,snapshot=on" \
		-device virtio-rng-pci \
		-serial "file:$work/console-$release.log" -serial "file:$work/results-$release.tap" \
		</dev/null >"$work/qemu-$release.log" 2>&1
}

run_release()
{
	local release=$1 image pid tail_pid rc=0 results start=$SECONDS

	image=$("$here/image.sh" "$release") || die "no image for Debian $release"
	results=$work/results-$release.tap
	: >"$results"
	boot "$release" "$image" &
	pid=$!
	tail -n +1 -f --pid="$pid" "$results" | sed -u "s/^/[$release] /" &
	tail_pid=$!
	wait "$pid" || rc=$?
	wait "$tail_pid" || true

	mkdir -p "$builddir/vm-logs"
	cp "$work"/*-"$release".* "$builddir/vm-logs/"
	if [ "$rc" = 124 ] || [ "$rc" = 137 ]; then
		echo "run.sh: Debian $release: not finished after $limit s; last console lines:" >&2
		tail -n 5 "$work/console-$release.log" >&2
	elif [ "$rc" != 0 ]; then
		echo "run.sh: Debian $release: qemu failed ($rc): $(cat "$work/qemu-$release.log")" >&2
	fi
	echo "Debian $release: $((SECONDS - start)) s, logs in $builddir/vm-logs"
	awk -v label="debian-$release" -f "$here/count.awk" "$results"
}

make_payload
status=0
summary=
for release in $releases; do
	run_release "$release" | tee "$work/out-$release" || status=1
	summary+=$(tail -n 1 "$work/out-$release")$'\n'
done
if [ "$releases" = "12 13" ]; then
	printf '%s' "$summary"
fi
exit "$status"
