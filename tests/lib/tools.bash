# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Images with programs of the host's: busybox first, real ones (with the libraries that they need) over it.

# with_programs ROOTFS PROGRAM... - put programs of the host into a root file system, at the same paths
with_programs() {
	local root=$1 program file
	shift
	for program; do
		program=$(command -v "$program") || return 1
		program=$(realpath -s "$program")
		{
			printf '%s\n' "$program"
			ldd "$program" 2>/dev/null | grep -oE '/[^ )]+'
		} | while read -r file; do
			mkdir -p "$root${file%/*}"
			rm -f "$root$file"
			cp -L "$file" "$root$file"
		done
	done
}

# tools_image NAME PROGRAM... - import an image with them into the engine of this test file
tools_image() {
	local name=$1 dir=$CAISSON_TEST_RUN/tools-$BASHPID
	shift
	busybox_rootfs "$dir" && mkdir -p "$dir/lib64" "$dir/usr/sbin" "$dir/sbin" && with_programs "$dir" "$@" &&
		tar -C "$dir" --numeric-owner -c . | "$DOCKER" import -c 'CMD ["/bin/sh"]' \
			-c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$name" >/dev/null
	local status=$?
	rm -rf "$dir"
	return $status
}
