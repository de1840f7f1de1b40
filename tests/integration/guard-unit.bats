# SPDX-License-Identifier: Apache-2.0
# The units as they are installed, under a systemd of Debian 12 and 13: what they take away is not what the guard needs.
# There is no engine behind it: this is about the guard's own files, sockets and looks at clients.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/inner.bash

# Refused for a reason of its own, before an engine is asked.
REQUEST='use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => "/run/docker.sock") or die "connect: $!\n";
	my $b = q({"Image":"x","HostConfig":{"PidMode":"host"}});
	print $s "POST /containers/create?name=web HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: " .
		length($b) . "\r\n\r\n$b"; print while <$s>;'

setup_file() {
	local r
	docker_open || return 1
	for r in 12 13; do
		inner_import "systemd-$r" 'CMD ["/sbin/init"]'
		"$DOCKER" run -d --name "deb$r" --privileged --runtime sysbox-runc --stop-signal SIGRTMIN+3 -t "caisson-test/systemd-$r" >/dev/null
	done
}

teardown_file() {
	docker_close
}

# put NAME FILE TARGET - not by docker cp: what runs already has looked into these directories
put() {
	"$DOCKER" exec -i "$1" sh -c 'cat >"$1" && chmod "$2" "$1"' - "$3" "$(stat -c %a "$2")" <"$2"
}

# installed NAME - programs, units and settings are in the container, and what a host with Docker has
installed() {
	local c=$1 f sbin
	booted "$c" || true
	sbin=$(sed -n 's,^ExecStart=\(.*\)/caissond .*,\1,p' "$CAISSON_BUILD/packaging/systemd/caissond.service")
	inside "$c" mkdir -p "$sbin" /etc/caisson /srv/mounted
	for f in caissond caissonctl; do
		put "$c" "$CAISSON_BUILD/src/bin/$f" "$sbin/$f"
	done
	for f in caissond.service caissond.socket caissond-keep.service; do
		put "$c" "$CAISSON_BUILD/packaging/systemd/$f" "/etc/systemd/system/$f"
	done
	inside "$c" sh -c 'grep -q ^docker: /etc/group || echo docker:x:990: >>/etc/group
		echo "{\"enhancedContainerIsolation\": {\"value\": true, \"locked\": true}}" >/etc/caisson/admin-settings.json
		systemctl daemon-reload && systemctl start caissond.socket'
}

works() {
	local c=$1 pid line keeper
	installed "$c"
	assert_eq "$(inside "$c" stat -c '%a %U %G' /run/docker.sock)" "660 root docker"
	# The socket starts it; the client is another user.
	run -0 inside "$c" setpriv --reuid 65534 --regid 65534 --groups 990 perl -e "$REQUEST"
	assert_has "$output" "403 Forbidden"
	assert_has "$output" "share namespaces"
	assert_eq "$(inside "$c" systemctl is-active caissond.service)" active
	line=$(inside "$c" cat /var/log/caisson/audit.log)
	assert_eq "$(jq -r '"\(.action) \(.uid) \(.exe)"' <<<"$line")" "refused 65534 /usr/bin/perl"
	assert_eq "$(inside "$c" stat -c '%a %U' /var/log/caisson /var/log/caisson/audit.log /var/lib/caisson/guard | tr '\n' ' ')" "750 root 640 root 700 root "
	run inside "$c" setpriv --reuid 65533 --regid 65533 --clear-groups perl -e "$REQUEST"
	assert_has "$output" "ermission denied"
	pid=$(inside "$c" systemctl show -P MainPID caissond.service)
	assert_match "$(inside "$c" grep -E '^(NoNewPrivs|Seccomp):' "/proc/$pid/status" | tr -s '\t\n' ' ')" 'NoNewPrivs: 1 Seccomp: 2'
	# It sees the mounts of the host, now and later.
	inside "$c" mount -t tmpfs later /srv/mounted
	assert_eq "$(inside "$c" readlink "/proc/$pid/ns/mnt")" "$(inside "$c" readlink /proc/1/ns/mnt)"
	inside "$c" grep -q ' /srv/mounted ' "/proc/$pid/mountinfo"
	inside "$c" umount /srv/mounted
	inside "$c" systemctl reload caissond.service
	# What keeps containers' sockets open is not stopped with it.
	keeper=$(inside "$c" systemctl show -P MainPID caissond-keep.service)
	assert_match "$keeper" '^[1-9]'
	inside "$c" systemctl restart caissond.service
	assert_eq "$(inside "$c" systemctl show -P MainPID caissond-keep.service)" "$keeper"
	run -0 inside "$c" perl -e "$REQUEST"
	assert_has "$output" "share namespaces"
	eventually 10 in_journal "$c" 1
	to_journal "$c"
	inside "$c" systemctl stop caissond.service caissond.socket
	assert_eq "$(inside "$c" systemctl is-failed caissond.service)" inactive
}

# to_journal NAME - as the administrator's guide says
to_journal() {
	local c=$1 lines_before
	lines_before=$(inside "$c" cat /var/log/caisson/audit.log | wc -l)
	inside "$c" sh -c 'mkdir -p /etc/systemd/system/caissond.service.d
		{ printf "[Service]\nExecStart=\n"; sed -n "s,^\(ExecStart=.*\) --audit /[^ ]*,\1,p" /etc/systemd/system/caissond.service; } \
			>/etc/systemd/system/caissond.service.d/journal.conf
		systemctl daemon-reload && systemctl restart caissond.service'
	inside "$c" setpriv --reuid 65534 --regid 65534 --groups 990 perl -e "$REQUEST"
	eventually 10 in_journal "$c" 2
	assert_eq "$(inside "$c" cat /var/log/caisson/audit.log | wc -l)" "$lines_before"
}

# in_journal NAME N - so many events of that user
in_journal() {
	[ "$(inside "$1" journalctl -q -t caissond -o json CAISSON_UID=65534 | jq -r '"\(.CAISSON_RULE) \(.CAISSON_EXE)"' | sort | uniq -c | xargs)" = \
		"$2 namespaces /usr/bin/perl" ]
}

@test "Debian 12: the units serve, look at clients, write their files, and go to the journal" {
	unsanitized "programs need libraries that these images lack"
	works deb12
}

@test "Debian 13: the units serve, look at clients, write their files, and go to the journal" {
	unsanitized "programs need libraries that these images lack"
	works deb13
}
