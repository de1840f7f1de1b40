#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A kernel that lacks a system call: the runtime says in one line which version it needs, exits, and leaves nothing.

load ../lib/common
load ../lib/docker
load ../lib/bundle

setup_file()
{
	oci_open
}

teardown_file()
{
	oci_close
}

# without NUMBER - run a bundle on a kernel without system call NUMBER; sets $status and $output
without()
{
	bundle old
	script_is 'echo ran'
	run "$PYTHON" "$CAISSON_SRC/tests/vm/without-syscall.py" "$1" "$CAISSON_RUNTIME" --root "$OCI_ROOT" \
		--settings "$SETTINGS" run --bundle "$B" "$ID"
}

# refused NUMBER NAME
refused()
{
	local before

	before=$(find /run/caisson -type f 2>/dev/null | sort)
	without "$1"
	[ "$status" -ne 0 ] || fail "ran without $2: $output"
	assert_lines "$output" 1
	assert_has "$output" "function not implemented; Linux 6.1 or newer is needed" "$2"
	assert_eq "$("$CAISSON_RUNTIME" --root "$OCI_ROOT" list -q)" "" "containers left without $2"
	findmnt -rn -o TARGET | grep -F "$OCI/" && fail "mounts left without $2"
	assert_eq "$(cgroup_dirs "$OCI_CGROUP/$ID")" "" "cgroups left without $2"
	assert_eq "$(find /run/caisson -type f 2>/dev/null | sort)" "$before" "state left without $2"
}

@test "with all system calls the bundle runs" {
	without 999
	assert_eq "$status" 0 "$output"
	assert_eq "$output" ran
}

@test "a kernel that is too old for anything is refused" {
	refused 436 close_range
	assert_has "$output" close_range
}

@test "a kernel without id-mapped mounts is refused" {
	refused 442 mount_setattr
	assert_has "$output" "id-map"
}

@test "a kernel without openat2 is refused: there is no fallback to paths as strings" {
	refused 437 openat2
}

@test "a kernel without the calls for detached mounts is refused" {
	refused 428 open_tree
	refused 429 move_mount
	refused 430 fsopen
	refused 431 fsconfig
	refused 432 fsmount
}

@test "a kernel without clone3 or pidfds is refused" {
	refused 435 clone3
	refused 434 pidfd_open
}
