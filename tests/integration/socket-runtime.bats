# SPDX-License-Identifier: Apache-2.0
# The runtime's own rule about Docker sockets that the guard gives to containers (socket/grants.h): no guard runs here,
# the directories of tokens are made by hand and a server of the test's own listens. Rows E47, E48, A142, A47.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/tools.bash

GID=4242

setup_file() {
	docker_open || return 1
	export TOOLS_IMAGE=caisson-test/socat SOCKETS=$ENGINE/s
	tools_image "$TOOLS_IMAGE" socat || return 1
	jq --arg dir "$SOCKETS" '.caisson.dockerSocket.directory = $dir' "$SETTINGS" >"$ENGINE/settings.json"
	jq --arg s "$ENGINE/settings.json" '.runtimes["sysbox-runc"].runtimeArgs = ["--settings", $s]' \
		"$ENGINE/etc/daemon.json" >"$ENGINE/etc/daemon.new" && mv "$ENGINE/etc/daemon.new" "$ENGINE/etc/daemon.json"
	kill -HUP "$(cat "$ENGINE/dockerd.pid")"
	mkdir -m 0700 "$SOCKETS"
}

teardown_file() {
	docker_close
}

setup() {
	TOKEN=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	AT=$SOCKETS/$TOKEN
}

teardown() {
	local ids
	ids=$(d ps -aq)
	# shellcheck disable=SC2086
	[ -z "$ids" ] || drm $ids
	[ ! -e "$ENGINE/server.pid" ] || kill "$(cat "$ENGINE/server.pid")" 2>/dev/null
	rm -rf "$ENGINE/server.pid" "$SOCKETS" "$ENGINE/elsewhere"
	mkdir -m 0700 "$SOCKETS"
}

# token [GROUP] - the directory as the guard makes it, with a server that tells who connects
token() {
	local group=${1:-$GID}
	cat >"$ENGINE/server.py" <<-'PY'
		import os, socket, struct, sys
		s = socket.socket(socket.AF_UNIX)
		s.bind(sys.argv[1])
		os.chown(sys.argv[1], 0, int(sys.argv[2]))
		os.chmod(sys.argv[1], 0o660)
		s.listen(16)
		while True:
		    c = s.accept()[0]
		    uid = struct.unpack("iii", c.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
		    c.sendall(b"peer %d\n" % uid)
		    c.close()
	PY
	install -d -m 0700 -o 0 -g "$group" "$AT"
	spawn "$ENGINE/server.log" "$PYTHON" "$ENGINE/server.py" "$AT/docker.sock" "$group" >"$ENGINE/server.pid"
	eventually 10 listens "$AT/docker.sock" || { cat "$ENGINE/server.log" >&2; return 1; }
}

listens() {
	socat -u "UNIX-CONNECT:$1" - >/dev/null 2>&1
}

# give NAME - the token's socket is this container's
give() {
	(umask 077 && printf '%s' "$(d inspect -f '{{.Id}}' "$1")" >"$AT/container")
}

# make NAME [FLAGS...] - a container with the token's socket, not started; sets nothing
make() {
	local name=$1
	shift
	d create --name "$name" --network none --runtime sysbox-runc -v "$AT/docker.sock:/var/run/docker.sock" "$@" "$TOOLS_IMAGE" \
		sh -c 'trap "exit 0" TERM; while :; do sleep 3600 & wait $!; done' >/dev/null
}

# calls NAME [EXEC_FLAGS...] - what the server says to it
calls() {
	local name=$1
	shift
	d exec "$@" "$name" socat -u UNIX-CONNECT:/var/run/docker.sock -
}

base_of() {
	awk 'NR == 1 {print $2}' "/proc/$(dpid "$1")/uid_map"
}

# refused WORDS NAME - it does not start, in one line
refused() {
	run -1 d start "$2"
	assert_has "$output" "error in the container spec: can't mount $AT/docker.sock: $1"
	assert_eq "$(grep -c . <<<"$output")" 2 # and the client's own
	[ ! -e "$AT/ids" ] || fail "ids were written" || return 1
	assert_eq "$(stat -c '%u:%g' "$AT/docker.sock")" "0:$GID"
}

@test "E47 a granted socket is mounted, belongs to root and the host's group, and answers" {
	token
	make aa
	give aa
	run -0 d start aa
	run -0 calls aa
	assert_eq "$output" "peer $(base_of aa)"
	assert_eq "$(cat "$AT/ids")" "$(base_of aa) 65536"
	assert_eq "$(stat -c '%a %u:%g' "$AT/ids")" "600 0:0"
	# by which the guard knows whose these ids are now
	assert_match "$(cat "/run/caisson/ids/$(base_of aa)")" "/$(d inspect -f '{{.Id}}' aa)$"
	assert_eq "$(find "$AT" -mindepth 1 | wc -l)" 3
	run -0 d exec aa stat -c '%u:%g %a %F' /var/run/docker.sock
	assert_eq "$output" "0:$GID 660 socket"
	run -0 d exec aa grep ' /run/docker.sock \| /var/run/docker.sock ' /proc/self/mountinfo
	assert_match "$output" 'nosuid.*nodev.*noexec'
}

@test "E47 without its container's name, or with another's, the socket is not mounted" {
	token
	make aa
	make bb
	refused "it has not been granted; start the container through the guard (caissond)" aa
	give bb
	refused "this Docker socket belongs to another container" aa
	# no prefix of it and nothing behind it
	(umask 077 && d inspect -f '{{.Id}}' aa >"$AT/container")
	refused "this Docker socket belongs to another container" aa
	(umask 077 && d inspect -f '{{.Id}}' aa | cut -c1-12 | tr -d '\n' >"$AT/container")
	refused "this Docker socket belongs to another container" aa
	: >"$AT/container"
	refused "this Docker socket belongs to another container" aa
	head -c 100000 /dev/zero >"$AT/container"
	refused "this Docker socket belongs to another container" aa
	rm "$AT/container"
	give aa
	run -0 d start aa
	run -0 calls aa
}

@test "E47 what others than root could have made is refused" {
	token
	make aa
	give aa
	local not='the file "container" beside it is not a file of root'
	chown 1000 "$AT/container"
	refused "$not" aa
	chown 0 "$AT/container"
	chmod 0620 "$AT/container"
	refused "$not" aa
	mv "$AT/container" "$ENGINE/elsewhere"
	chmod 0600 "$ENGINE/elsewhere"
	ln -s "$ENGINE/elsewhere" "$AT/container"
	refused "$not" aa
	rm "$AT/container"
	mkfifo -m 0600 "$AT/container"
	refused "$not" aa
	rm "$AT/container"
	mkdir -m 0700 "$AT/container"
	refused "$not" aa
	rmdir "$AT/container"
	give aa
	chown 1000 "$AT"
	refused "its directory is not root's alone" aa
	chown 0 "$AT"
	chmod 0770 "$AT"
	refused "its directory is not root's alone" aa
	chmod 0700 "$AT"
	chmod 0777 "$SOCKETS"
	run -1 d start aa
	assert_has "$output" "error in the container spec: can't mount $AT/docker.sock: directory $SOCKETS: $SOCKETS is not root's alone"
	chmod 0700 "$SOCKETS"
	run -0 d start aa
}

@test "E47 a file or a link in the place of the socket is refused" {
	token
	make aa
	give aa
	mv "$AT/docker.sock" "$AT/other"
	echo secret >"$AT/docker.sock"
	run -1 d start aa
	assert_has "$output" "it is not the socket that the guard (caissond) made"
	rm "$AT/docker.sock"
	# the name that counts is the one behind the link
	ln -s "$AT/other" "$AT/docker.sock"
	run -1 d start aa
	assert_has "$output" "restricted host mount"
	rm "$AT/docker.sock"
	ln -s "${DOCKER_HOST#unix://}" "$AT/docker.sock"
	run -1 d start aa
	assert_has "$output" "restricted host mount"
	rm "$AT/docker.sock"
	mv "$AT/other" "$AT/docker.sock"
	run -0 d start aa
}

@test "E48 everything else in that directory stays the host's" {
	token
	give_any
	local s
	for s in "$SOCKETS" "$AT" "$AT/container" "${SOCKETS%/*}"; do
		run -125 d run --rm --network none --runtime sysbox-runc -v "$s:/x" "$IMAGE" true
		assert_has "$output" "can't mount $s because it's configured as a restricted host mount"
	done
	# also where the administrator shares what is around it
	jq --arg dir "$ENGINE" '.filesharingAllowedDirectories += [{path: $dir, sharedByDefault: true}]' "$ENGINE/settings.json" >"$ENGINE/wide.json"
	jq --arg s "$ENGINE/wide.json" '.runtimes.wide = {path: .runtimes["sysbox-runc"].path, runtimeArgs: ["--settings", $s]}' \
		"$ENGINE/etc/daemon.json" >"$ENGINE/etc/daemon.new" && mv "$ENGINE/etc/daemon.new" "$ENGINE/etc/daemon.json"
	kill -HUP "$(cat "$ENGINE/dockerd.pid")"
	mkdir -p "$ENGINE/elsewhere"
	eventually 10 d run --rm --network none --runtime wide -v "$ENGINE/elsewhere:/x" "$IMAGE" true
	for s in "$SOCKETS" "$AT" "$AT/container"; do
		run -125 d run --rm --network none --runtime wide -v "$s:/x" "$IMAGE" true
		assert_has "$output" "restricted host mount"
	done
}

give_any() {
	(umask 077 && printf 'x' >"$AT/container")
}

@test "E47 E48 the engine's own socket is refused always, also by another name" {
	local sock=${DOCKER_HOST#unix://}
	run -125 d run --rm --network none --runtime sysbox-runc -v "$sock:/var/run/docker.sock" "$IMAGE" true
	assert_has "$output" "restricted host mount"
	token
	make aa
	give aa
	# bound over the granted one
	mount --bind "$sock" "$AT/docker.sock"
	run d start aa
	umount "$AT/docker.sock"
	assert_eq "$status" 1
	assert_has "$output" "it is not the socket that the guard (caissond) made"
}

@test "E47 a user of the container needs the socket's group" {
	token
	make aa --user 1000:1000
	give aa
	d start aa
	run -1 calls aa
	assert_has "$output" "Permission denied"
	drm aa
	make bb --user 1000:1000 --group-add "$GID"
	rm "$AT/container"
	give bb
	run -0 d start bb
	run -0 calls bb
	assert_eq "$output" "peer $(($(base_of bb) + 1000))"
	run -0 calls bb --user 0
}

@test "E47 a group of the host that containers cannot have becomes root" {
	token 70000
	make aa
	give aa
	run -0 d start aa
	run -0 d exec aa stat -c '%u:%g' /var/run/docker.sock
	assert_eq "$output" "0:0"
}

@test "A142 each start writes anew whose ids may connect" {
	token
	make aa
	give aa
	d start aa
	local first n
	first=$(base_of aa)
	calls aa
	d stop aa
	# Somebody else takes its range meanwhile: the lowest that is free, of all that run on this machine.
	for n in bb cc dd ee ff gg hh ii; do
		dbg "$n"
		[ "$(base_of "$n")" != "$first" ] || break
	done
	assert_eq "$(base_of "$n")" "$first"
	d start aa
	refute_match "$(base_of aa)" "^$first$"
	assert_eq "$(cat "$AT/ids")" "$(base_of aa) 65536"
	run -0 calls aa
	assert_eq "$output" "peer $(base_of aa)"
	run -0 d exec aa stat -c '%u:%g' /var/run/docker.sock
	assert_eq "$output" "0:$GID"
	run -0 d restart aa
	run -0 calls aa
}

@test "E47 privileged containers, and user namespaces below: the same ids" {
	token
	make aa --privileged
	give aa
	d start aa
	run -0 calls aa
	assert_eq "$output" "peer $(base_of aa)"
	run -0 d exec aa unshare -U socat -u UNIX-CONNECT:/var/run/docker.sock -
	assert_eq "$output" "peer $(base_of aa)"
	run -0 d exec aa sh -ec 'mkdir /tmp/x; touch /tmp/x/s; mount --bind /var/run/docker.sock /tmp/x/s; socat -u UNIX-CONNECT:/tmp/x/s -'
	assert_eq "$output" "peer $(base_of aa)"
}

@test "E48 the destination may be anything: no /var/run, a link, read-only, a tmpfs on /run" {
	token
	local flags from
	# image, flags; those named link and none differ in what /var/run is
	while read -r from flags; do
		case $from in
		link) variant link 'rm -rf /var/run && mkdir -p /run && ln -s /run /var/run' ;;
		none) variant none 'rm -rf /var /run' ;;
		*) from=$TOOLS_IMAGE ;;
		esac
		rm -f "$AT/container"
		# shellcheck disable=SC2086
		TOOLS_IMAGE=$from make aa $flags
		give aa
		run -0 d start aa
		run -0 calls aa
		assert_has "$output" "peer $(base_of aa)" "$flags $from"
		drm aa
	done <<-TABLE
		plain --read-only
		plain -v $AT/docker.sock:/a/b/c.sock:ro
		link
		link --read-only
		link --tmpfs /run
		link --read-only --tmpfs /run
		link --privileged --tmpfs /run
		none
		none --read-only
	TABLE
}

# variant NAME SCRIPT - the tests' image, changed by the script; made once
variant() {
	[ -z "$(d images -q "$1")" ] || return 0
	d run --name "v-$1" --network none --runtime sysbox-runc "$TOOLS_IMAGE" sh -c "$2" && d commit "v-$1" "$1" >/dev/null
	drm "v-$1"
}
