#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The guest is what the other files take it for, and its engine works with the release's own runtime. When one of
# these fails, a failure elsewhere says nothing about caisson.

load lib

teardown_file()
{
	systemctl stop docker.service docker.socket
}

@test "pid 1 is systemd and the only hierarchy is cgroup v2" {
	assert_eq "$(cat /proc/1/comm)" systemd
	cgroup_v2
}

@test "AppArmor is on" {
	assert_eq "$(cat /sys/module/apparmor/parameters/enabled)" Y
	grep -qw apparmor /sys/kernel/security/lsm
}

@test "the engine runs a container with the release's runc" {
	engine_start runc
	assert_eq "$(box -- echo hello)" hello
}

@test "the engine's bridge network works" {
	assert_has "$(docker run --rm "$IMAGE" ip -4 addr show eth0)" "inet 172."
}

@test "runc containers are not in a user namespace, so that a mapped one elsewhere is caisson's doing" {
	assert_match "$(box -- cat /proc/self/uid_map)" '^ +0 +0 +4294967295$'
}
