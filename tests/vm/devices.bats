#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# On cgroup v2 devices are filtered by a BPF program on the container's cgroup, not by files.

load lib

setup_file()
{
	engine_start
}

teardown()
{
	containers_remove
}

# device_programs DIRECTORY - how many device programs are attached to a cgroup
device_programs()
{
	"$PYTHON" - "$1" <<-'PYTHON'
		import ctypes, os, struct, sys
		BPF_PROG_QUERY, BPF_CGROUP_DEVICE, NR_BPF = 16, 6, 321
		fd = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
		ids = (ctypes.c_uint32 * 64)()
		attr = ctypes.create_string_buffer(
		    struct.pack("IIIIQI", fd, BPF_CGROUP_DEVICE, 0, 0, ctypes.addressof(ids), 64), 128)
		libc = ctypes.CDLL(None, use_errno=True)
		if libc.syscall(NR_BPF, BPF_PROG_QUERY, attr, 128) < 0:
		    sys.exit(os.strerror(ctypes.get_errno()))
		print(struct.unpack_from("I", attr, 24)[0])
	PYTHON
}

# node CONTAINER NAME TYPE MAJOR MINOR - a device node in the container's /dev, made by the host with all rights
node()
{
	nsenter -t "$(pid_of "$1")" -m /bin/busybox mknod -m 666 "/dev/$2" "$3" "$4" "$5"
}

@test "a device program is attached to the container's cgroup" {
	idle c1
	local n
	n=$(device_programs "$(scope_dir c1)")
	[ "$n" -ge 1 ] || fail "$n programs on $(scope_dir c1)"
}

@test "a node of a device that is not listed cannot be opened, one that is listed can" {
	idle c1
	node c1 listed c 1 5
	node c1 unlisted c 1 11
	run docker exec c1 head -c 1 /dev/listed
	assert_eq "$status" 0 "$output"
	run docker exec c1 head -c 1 /dev/unlisted
	assert_eq "$status" 1
	assert_has "$output" "Operation not permitted"
}

@test "a privileged container cannot open the host's disk" {
	idle c1 --privileged
	node c1 disk b 254 0
	run docker exec c1 head -c 1 /dev/disk
	assert_eq "$status" 1
	assert_match "$output" "Operation not permitted|Permission denied"
}

@test "the usual devices work" {
	run box -- sh -ec 'echo x >/dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; echo x >/dev/full'
	assert_eq "$status" 1
	assert_has "$output" "No space left on device"
	# Standard output and error arrive in any order.
	assert_eq "$(grep -c '^4' <<<"$output")" 2
}

@test "the filter stays after update and after a reload of the init" {
	idle c1 --memory 64m --memory-swap 64m
	node c1 unlisted c 1 11
	docker update --memory 96m --memory-swap 96m c1 >/dev/null
	systemctl daemon-reload
	run docker exec c1 head -c 1 /dev/unlisted
	assert_eq "$status" 1
	run docker exec c1 head -c 1 /dev/zero
	assert_eq "$status" 0 "$output"
}
