# SPDX-License-Identifier: Apache-2.0
# systemd as pid 1 of a container: Debian 12 and 13. One container of each serves all tests that do not end it.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/inner.bash

setup_file() {
	local r
	docker_open
	for r in 12 13; do
		inner_import "systemd-$r" 'CMD ["/sbin/init"]'
		boot "deb$r" "$r" -t
	done
}

teardown_file() {
	docker_close
}

# boot NAME RELEASE [FLAGS...] - start systemd; does not wait
boot() {
	local name=$1 release=$2
	shift 2
	"$DOCKER" run -d --name "$name" --privileged --runtime sysbox-runc --stop-signal SIGRTMIN+3 "$@" "caisson-test/systemd-$release" >/dev/null
}

# unit NAME COMMAND... -- PROPERTY... - what the command prints as a unit with these properties
unit() {
	local name=$1
	local -a cmd=() flags=()
	shift
	while [ "$1" != -- ]; do
		cmd+=("$1")
		shift
	done
	shift
	for p; do
		flags+=(-p "$p")
	done
	inside "$name" systemd-run -q --wait -P "${flags[@]}" "${cmd[@]}" 2>&1
}

# sandboxes NAME - units that fence themselves off
sandboxes() {
	local c=$1
	inside "$c" sh -c 'echo secret >/root/f; echo secret >/tmp/seen'
	assert_eq "$(unit "$c" ls /tmp -- PrivateTmp=yes)" ''
	assert_has "$(unit "$c" touch /etc/x -- ProtectSystem=strict)" 'Read-only file system'
	assert_eq "$(unit "$c" ls /root -- ProtectHome=yes)" ''
	assert_has "$(unit "$c" ls -d /proc/self/stat /proc/1 -- ProtectProc=invisible User=nobody)" "cannot access '/proc/1'"
	assert_eq "$(unit "$c" sh -c 'ls /proc/meminfo 2>/dev/null | wc -l' -- ProtectProc=ptraceable ProcSubset=pid)" 0
	assert_has "$(unit "$c" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward' -- ProtectKernelTunables=yes)" 'Read-only file system'
	assert_has "$(unit "$c" sh -c 'mkdir /sys/fs/cgroup/x' -- ProtectControlGroups=yes)" 'Read-only file system'
	assert_match "$(unit "$c" id -u -- DynamicUser=yes)" '^6[0-9]{4}$'
	assert_eq "$(unit "$c" id -u -- User=nobody NoNewPrivileges=yes)" 65534
	assert_eq "$(unit "$c" grep -c : /proc/net/dev -- PrivateNetwork=yes)" 1
	assert_match "$(unit "$c" cat /proc/self/uid_map -- PrivateUsers=yes)" '^ *0 +0 +1$'
	assert_eq "$(unit "$c" ls /mnt -- TemporaryFileSystem=/mnt BindReadOnlyPaths=/etc/dpkg:/mnt/x)" x
	assert_eq "$(unit "$c" sh -c 'stat -c %a /etc/passwd' -- InaccessiblePaths=/etc/passwd)" 0
	assert_eq "$(unit "$c" id -u -- PrivateDevices=yes ProtectKernelModules=yes ProtectKernelLogs=yes ProtectClock=yes \
		ProtectHostname=yes PrivateMounts=yes PrivateIPC=yes RestrictNamespaces=yes SystemCallFilter=@system-service \
		ProtectSystem=strict PrivateTmp=yes ProtectProc=invisible ProtectKernelTunables=yes ProtectControlGroups=yes)" 0
}

@test "Debian 12 boots to running with no failed unit" {
	run booted deb12
	assert_eq "$output" running "$(inside deb12 systemctl --failed --no-legend --plain)"
	assert_idmap "$(inside deb12 cat /proc/1/uid_map)"
}

@test "Debian 13 boots to running with no failed unit" {
	run booted deb13
	assert_eq "$output" running "$(inside deb13 systemctl --failed --no-legend --plain)"
}

@test "Debian 12: services, journal, timers, mount units, limits, reload" {
	booted deb12 || true
	services deb12
}

@test "Debian 13: services, journal, timers, mount units, limits, reload" {
	booted deb13 || true
	services deb13
}

services() {
	local c=$1 pid
	inside "$c" sh -c 'printf "%s\n" "$@" >/etc/systemd/system/s.service' - '[Service]' \
		'ExecStart=/bin/sh -c "echo from the service; exec sleep 1000"' 'MemoryMax=64M' 'TasksMax=20' '[Install]' 'WantedBy=multi-user.target'
	inside "$c" systemctl daemon-reload
	inside "$c" systemctl enable --now s
	assert_eq "$(inside "$c" systemctl is-active s)" active
	eventually 10 sh -c "'$DOCKER' exec $c journalctl --no-pager -u s | grep -q 'from the service'"
	pid=$(inside "$c" systemctl show -P MainPID s)
	pid=$(pgrep -f '^sleep 1000' | while read -r p; do [ "$(awk '/NSpid/ {print $NF}' "/proc/$p/status")" = "$pid" ] && [ "$(map_base "$p")" = "$(map_base "$(dpid "$c")")" ] && echo "$p"; done)
	assert_eq "$(cg_get "$pid" memory memory.limit_in_bytes memory.max)" 67108864
	assert_eq "$(cg_get "$pid" pids pids.max pids.max)" 20
	inside "$c" systemctl restart s
	inside "$c" systemctl stop s
	run inside "$c" systemctl is-active s
	assert_eq "$output" inactive
	inside "$c" systemd-run -q --on-active=200ms --timer-property=AccuracySec=1ms touch /run/fired
	eventually 10 inside "$c" test -e /run/fired
	inside "$c" systemd-mount -q -t tmpfs tmpfs /mnt
	assert_has "$(inside "$c" findmnt -n -o FSTYPE /mnt)" tmpfs
	inside "$c" systemd-umount -q /mnt
	inside "$c" systemctl daemon-reexec
	assert_eq "$(inside "$c" systemctl show -P NFailedUnits)" "$(inside "$c" systemctl --failed --no-legend --plain | grep -cE '^sys-kernel-(debug|tracing)')"
	assert_eq "$(inside "$c" hostnamectl hostname 2>/dev/null || inside "$c" hostname)" "$(inside "$c" hostname)"
}

@test "Debian 12: units in sandboxes" {
	booted deb12 || true
	sandboxes deb12
}

@test "Debian 13: units in sandboxes, with private pids" {
	booted deb13 || true
	sandboxes deb13
	assert_eq "$(unit deb13 sh -c 'echo $$$$' -- PrivatePIDs=yes)" 1
}

@test "docker stop shuts systemd down cleanly and soon" {
	local c start
	for c in deb12 deb13; do
		booted "$c" || true
		start=$SECONDS
		"$DOCKER" stop -t 30 "$c"
		[ $((SECONDS - start)) -lt 15 ]
		# A halt in a pid namespace ends its init by SIGINT; 137 would be the engine's patience.
		assert_match "$("$DOCKER" inspect -f '{{.State.ExitCode}}' "$c")" '^(0|130)$'
		run "$DOCKER" logs --tail 60 "$c"
		refute_has "$output" FAILED
		assert_match "$output" 'Reached target.*(shutdown|System Shutdown)'
		"$DOCKER" start "$c"
	done
}

@test "reboot inside restarts the container by its restart policy, poweroff ends it" {
	local id
	boot re 12 --restart on-failure:3
	booted re || true
	id=$(inside re cat /proc/1/stat | cut -d' ' -f22)
	"$DOCKER" exec -d re systemctl reboot
	eventually 20 sh -c "[ \$('$DOCKER' inspect -f '{{.RestartCount}}' re) = 1 ]"
	eventually 20 is_state re running
	booted re || true
	"$DOCKER" rm -f re
	boot off 13
	booted off || true
	"$DOCKER" exec -d off systemctl poweroff
	eventually 20 is_state off exited
	drm off
}
