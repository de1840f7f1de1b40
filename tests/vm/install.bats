#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the administrator's guide says to do on a host, done on one: `caissonctl install` on Debian's docker.io as it comes,
# the commands that it prints as they are printed, a look at whether the guard is in between, and all of it back.

load lib

GUIDE=$BATS_TEST_DIRNAME/../../docs/admin-guide.md

setup_file()
{
	# The engine as the package sets it up, not as the other files do.
	systemctl stop docker.service docker.socket containerd.service || true
	rm -f /run/caisson-vm/runtime /etc/docker/daemon.json
	systemctl reset-failed
	systemctl start containerd.service docker.socket docker.service
	image_import
	mkdir -p /var/lib/caisson
	getent passwd carl >/dev/null || useradd -M -G docker carl
	state_of_host >"$BATS_FILE_TMPDIR/before"
}

teardown_file()
{
	if [ -e /var/lib/caisson/install ]; then
		caissonctl uninstall >/dev/null
		systemctl stop caissond.service caissond.socket caissond-keep.service docker.service docker.socket
		systemctl daemon-reload
	fi
	userdel carl
}

# What is to be the same afterwards: /etc with kinds, modes, owners, targets of links, times of files and contents; what is
# enabled, runs and has failed; sockets.
state_of_host()
{
	find /etc '(' -type d -printf '%p %y %m %U:%G\n' ')' -o -printf '%p %y %m %U:%G %T@ %l\n' | sort
	find /etc -type f -exec md5sum {} + | sort -k 2
	systemctl is-enabled docker.service docker.socket containerd.service || true
	systemctl is-active docker.service docker.socket containerd.service || true
	systemctl list-unit-files --no-legend '*caisson*' '*docker*' | awk '{print $1, $2}'
	systemctl --failed --no-legend --plain
	systemctl show -p Listen docker.socket
	systemctl show -p ExecStart --value docker.service | sed 's/ ; .*//'
	systemctl show -p Environment,DropInPaths docker.service docker.socket containerd.service
	stat -c '%n %F %a %U %G' /run/docker.sock
	# Without what the guard itself wrote, which stays.
	find /usr/local/sbin /usr/local/libexec /var/lib/caisson -path /var/lib/caisson/guard -prune -o -printf '%p %y %m %l\n' | sort
	pgrep -a caissond || true
}

# printed TEXT - the commands in it, and nothing else of it, one a line
printed()
{
	sed -n '/^To put it into force/,$ s/^  //p' <<<"$1"
}

# follow TEXT - run them as they are printed, as somebody would who copies them into a shell
follow()
{
	local line n=0

	while read -r line; do
		bash -c "$line" </dev/null || fail "exit status $? of: $line"
		n=$((n + 1))
	done < <(printed "$1")
	[ "$n" -ge 4 ] || fail "$n commands in: $1"
}

map_in_container()
{
	docker run --rm --network none "$@" "$IMAGE" cat /proc/self/uid_map
}

@test "before: the engine answers itself, and containers are not isolated" {
	assert_match "$(map_in_container)" '^ +0 +0 +4294967295$'
	run caissonctl status
	assert_eq "$status" 1
	assert_has "$output" "is served by an engine itself, not by the guard; run: caissonctl install"
}

@test "install, and the commands that it prints, as they are printed" {
	run caissonctl install --dry-run
	assert_eq "$status" 0 "$output"
	state_of_host | diff "$BATS_FILE_TMPDIR/before" -
	run caissonctl install
	assert_eq "$status" 0 "$output"
	# The last of them is doctor, which has to find nothing broken.
	assert_eq "$(printed "$output" | tail -n 1)" "caissonctl doctor"
	follow "$output"
	assert_eq "$(systemctl --failed --no-legend --plain)" ""
}

@test "docker goes through the guard, which isolates and refuses" {
	assert_match "$(map_in_container)" '^ +0 +[1-9][0-9]{4,} +65536$'
	# Also where a client names the engine's own.
	assert_match "$(map_in_container --runtime runc)" '^ +0 +[1-9][0-9]{4,} +65536$'
	assert_match "$(map_in_container --privileged)" '^ +0 +[1-9][0-9]{4,} +65536$'
	run docker run --rm --network none --pid host "$IMAGE" true
	[ "$status" -ne 0 ]
	assert_has "$output" "can't share namespaces [pid] with the host"
	run docker run --rm --network none -v /etc:/host "$IMAGE" true
	[ "$status" -ne 0 ]
	# A member of group docker, as before; nobody else; and the engine's own socket is root's.
	run setpriv --reuid carl --regid carl --init-groups docker run --rm --network none --pid host "$IMAGE" true
	assert_has "$output" "can't share namespaces [pid]"
	run setpriv --reuid carl --regid carl --clear-groups docker version
	assert_has "$output" "ermission denied"
	assert_eq "$(stat -c '%F %a %U' /run/caisson/engine/docker.sock /run/caisson/engine)" $'socket 600 root\ndirectory 700 root'
	run setpriv --reuid carl --regid carl --init-groups docker -H unix:///run/caisson/engine/docker.sock version
	assert_has "$output" "ermission denied"
}

@test "status, doctor and both audits say so" {
	run caissonctl status
	assert_eq "$status" 0 "$output"
	assert_match "$output" 'isolation:  on, locked, by /etc/caisson/admin-settings.json:[0-9]+'
	assert_has "$output" "engine:     /run/caisson/engine/docker.sock"
	assert_has "$output" "audit:      /var/log/caisson/audit.log, journal"
	run caissonctl --json doctor
	assert_eq "$status" 0 "$output"
	assert_eq "$(jq -r '.checks[] | select(.state == "broken") | .detail' <<<"$output")" ""
	assert_eq "$(caissonctl audit | grep -c "refused uid $(id -u carl) .*share namespaces")" 1
	eventually 10 in_journal "$(id -u carl)" namespaces
}

in_journal()
{
	[ "$(journalctl -q -t caissond -o json "CAISSON_UID=$1" | jq -r .CAISSON_RULE)" = "$2" ]
}

@test "it is there after the engine, the guard and containerd were restarted, and is started at boot" {
	systemctl restart containerd.service docker.service
	assert_match "$(map_in_container)" '^ +0 +[1-9][0-9]{4,} +65536$'
	systemctl restart caissond.service
	assert_match "$(map_in_container)" '^ +0 +[1-9][0-9]{4,} +65536$'
	# Socket activation of both.
	systemctl stop caissond.service docker.service
	assert_match "$(map_in_container)" '^ +0 +[1-9][0-9]{4,} +65536$'
	assert_eq "$(systemctl is-enabled caissond.socket caissond.service)" $'enabled\nenabled'
	[ ! -e /usr/sbin/logrotate ] || logrotate -d /etc/logrotate.d/caissond
}

# fetched ADDRESS - a Dockerfile with that ADD can be built
fetched()
{
	printf 'FROM %s\nADD http://%s:8099/key /key\n' "$IMAGE" "$1" | timeout 300 docker build -q --no-cache - >"$BATS_TEST_TMPDIR/built" 2>&1
}

# builds - the guard has seen that the engine is isolated, also after it was restarted
builds()
{
	printf 'FROM %s\n' "$IMAGE" | docker build -q -
}

@test "what a Dockerfile fetches comes from the host, and the guide's packet filter ends that" {
	local dir=$BATS_TEST_TMPDIR/www httpd
	mkdir "$dir"
	echo secret >"$dir/key"
	ip addr add 169.254.169.254/32 dev lo
	busybox httpd -f -p 8099 -h "$dir" 3>&- &
	httpd=$!
	# The limit, as it is documented.
	eventually 20 builds
	fetched 127.0.0.1 || fail "$(cat "$BATS_TEST_TMPDIR/built")"
	fetched 169.254.169.254 || fail "$(cat "$BATS_TEST_TMPDIR/built")"
	sed -n '/^    table inet caisson_engine$/,/^    }$/ s/^    //p' "$GUIDE" >/etc/caisson/engine.nft
	[ "$(grep -c reject /etc/caisson/engine.nft)" = 3 ]
	mkdir -p /etc/systemd/system/docker.service.d
	{
		echo '[Service]'
		sed -n 's/^    \(ExecStartPre=.*\)/\1/p' "$GUIDE"
	} >/etc/systemd/system/docker.service.d/filter.conf
	grep -qx 'ExecStartPre=/usr/sbin/nft -f /etc/caisson/engine.nft' /etc/systemd/system/docker.service.d/filter.conf
	systemctl daemon-reload
	systemctl restart docker.service
	# Twice: the control group is another one after a restart.
	systemctl restart docker.service
	eventually 20 builds
	fetched 127.0.0.1 && fail "the filter lets 127.0.0.1 through: $(nft list ruleset)"
	assert_match "$(cat "$BATS_TEST_TMPDIR/built")" 'refused|unreachable'
	fetched localhost && fail "the filter lets localhost through"
	fetched 169.254.169.254 && fail "the filter lets the metadata address through"
	# The exception that the guide names.
	nft insert rule inet caisson_engine output tcp dport 8099 accept
	fetched 127.0.0.1 || fail "$(cat "$BATS_TEST_TMPDIR/built")"
	# Whoever else is on the host is not concerned, nor are containers and their ports.
	assert_eq "$(curl -sS http://127.0.0.1:8099/key)" secret
	assert_match "$(map_in_container)" '^ +0 +[1-9][0-9]{4,} +65536$'
	docker run -d --name published -p 127.0.0.1:8098:80 "$IMAGE" sh -c 'echo page >/tmp/index.html; exec busybox httpd -f -p 80 -h /tmp' >/dev/null
	eventually 20 curl -sSf http://127.0.0.1:8098/index.html
	docker rm -f published >/dev/null
	rm -r /etc/caisson/engine.nft /etc/systemd/system/docker.service.d/filter.conf
	nft delete table inet caisson_engine
	kill "$httpd"
	ip addr del 169.254.169.254/32 dev lo
	systemctl daemon-reload
	systemctl restart docker.service
}

@test "a second install changes nothing; uninstall, and what it prints, puts everything back" {
	assert_eq "$(caissonctl install)" "everything is installed already"
	docker run -d --name stays --network none "$IMAGE" sleep 1000 >/dev/null
	run caissonctl uninstall
	assert_eq "$status" 0 "$output"
	follow "$output"
	state_of_host | diff "$BATS_FILE_TMPDIR/before" -
	# The engine goes on with what was made meanwhile.
	assert_eq "$(docker inspect -f '{{.Name}}' stays)" /stays
	docker rm -f stays >/dev/null
	assert_match "$(map_in_container)" '^ +0 +0 +4294967295$'
	run caissonctl status
	assert_eq "$status" 1
	run docker -H unix:///run/caisson/engine/docker.sock version
	assert_has "$output" "Cannot connect"
}
