#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# AppArmor profiles stay in force in containers that have a user namespace (E17).

load lib

setup_file()
{
	engine_start
}

teardown()
{
	containers_remove
}

@test "pid 1 is under docker-default and can read so" {
	assert_eq "$(box -- cat /proc/1/attr/current)" "docker-default (enforce)"
	idle c1
	assert_eq "$(cat "/proc/$(pid_of c1)/attr/current")" "docker-default (enforce)" "seen from the host"
}

@test "a process started by exec is under the profile too" {
	idle c1
	assert_eq "$(docker exec c1 cat /proc/self/attr/current)" "docker-default (enforce)"
}

@test "apparmor=unconfined and --privileged are honoured" {
	assert_eq "$(box --security-opt apparmor=unconfined -- cat /proc/1/attr/current)" unconfined
	assert_eq "$(box --privileged -- cat /proc/1/attr/current)" unconfined
}

@test "a custom profile denies what it lists and nothing else" {
	apparmor_parser -r <<-PROFILE
		#include <tunables/global>
		profile caisson-vm-deny flags=(attach_disconnected,mediate_deleted) {
		  file,
		  capability,
		  network,
		  signal,
		  deny /tmp/denied w,
		}
	PROFILE
	run box --security-opt apparmor=caisson-vm-deny -- sh -c 'echo x >/tmp/free && echo x >/tmp/denied'
	assert_eq "$status" 1
	assert_has "$output" "/tmp/denied: Permission denied"
	run box -- sh -c 'echo x >/tmp/denied'
	assert_eq "$status" 0 "without the profile"
}

@test "a profile that is not loaded is refused, and no container is left" {
	run ! docker run --name c1 --network=none --security-opt apparmor=caisson-no-such "$IMAGE" true
	assert_match "$output" 'caisson-no-such|apparmor profile'
	assert_eq "$(docker inspect -f '{{.State.Running}}' c1)" false
}

@test "a container under the profile is stopped and killed from the host" {
	idle c1
	run docker stop -t 20 c1
	assert_eq "$status" 0
	idle c2
	run docker kill c2
	assert_eq "$status" 0
	assert_eq "$(docker inspect -f '{{.State.ExitCode}}' c2)" 137
}
