# SPDX-License-Identifier: Apache-2.0
# Published bypasses of Docker's own isolation and attacks that need an engine (rows A1, A2, A14, A30; bypasses B3, B7, B8).

load attacks.bash

setup_file() {
	docker_open || return 1
	mkdir -p "$CAISSON_TEST_RUN/tools"
	HOST=$ENGINE/host
	export HOST
	mkdir -p "$HOST/dir"
	chmod 0755 "$HOST" "$HOST/dir"
	head -c 24 /dev/urandom | base64 >"$HOST/token"
	chmod 0600 "$HOST/token"
	printf 'host marker %s\n' "$RUN_TAG" >"$HOST/dir/marker"
	sha256sum "$CAISSON_RUNTIME" "$HOST/token" "$HOST/dir/marker" >"$ENGINE/sums"
}

teardown_file() {
	docker_close
}

setup() {
	TOOLS=$CAISSON_TEST_RUN/tools
	OCI=$ENGINE # for capture
	UP=../../../../../../../../../..
}

teardown() {
	# shellcheck disable=SC2046
	drm $(d ps -aq)
	# shellcheck disable=SC2046
	d volume rm $(d volume ls -q) >/dev/null 2>&1 || true
	sha256sum --quiet -c "$ENGINE/sums"
}

# image NAME CHANGE... - the busybox image with a changed configuration
image() {
	local name=$1
	local -a changes=()
	shift
	for c; do
		changes+=(-c "$c")
	done
	d import "${changes[@]}" "$CAISSON_TEST_RUN/busybox.tar" "$name" >/dev/null
}

@test "B3 a volume whose source is a restricted directory is refused, with every driver option" {
	local o n=0
	local -a opts
	ln -sfn /etc "$SHARE/b3-link"
	# Private, because the engine's unmount of a shared copy of "/" would take /proc and the rest from the host as well.
	for o in "type=none o=bind device=/etc" "type=none o=rbind,rprivate device=/" "type=none o=bind,ro device=/root" "type=none o=bind device=$SHARE/b3-link" \
		"type=none o=bind device=$SHARE/.." "type=overlay o=lowerdir=/etc:/usr device=overlay" "type=proc o= device=proc" "type=sysfs o= device=sysfs" \
		"type=$(findmnt -no FSTYPE /) o= device=$(findmnt -no SOURCE /)" "type=none o=bind device=$ENGINE/d.sock" "type=none o=bind device=$HOST" \
		"type=cgroup o=cpu device=cgroup" "type=devtmpfs o= device=dev" "type=none o=bind device=/run"; do
		read -ra opts <<<"$o"
		n=$((n + 1))
		d volume create "b3-$n" "${opts[@]/#/--opt=}" >/dev/null || continue
		capture timeout 30 "$DOCKER" run --rm --network none --runtime sysbox-runc -v "b3-$n:/x" "$IMAGE" ls /x
		[ "$status" -ne 0 ] || fail "$o: $output"
		refute_has "$output" "host marker"
	done
	rm -f "$SHARE/b3-link"
	# Control: a plain volume and one that leads into a share.
	d volume create plain >/dev/null
	run drun -v plain:/x -- ls /x
	assert_eq "$status" 0
}

@test "B7 A2 images with WORKDIR in /proc/self/fd/N come up nowhere else than inside" {
	local n
	for n in 3 5 6 7 8 9 10 12; do
		image "wd:$n" "WORKDIR /proc/self/fd/$n"
		capture timeout 30 "$DOCKER" run --rm --network none --runtime sysbox-runc "wd:$n" cat "$UP$HOST/dir/marker"
		refute_has "$output" "host marker"
	done
	dbg fd8 --privileged
	for n in 3 5 6 7 8 9 10 12; do
		capture timeout 30 "$DOCKER" exec -w "/proc/self/fd/$n" fd8 cat "$UP$HOST/dir/marker"
		refute_has "$output" "host marker"
		capture timeout 30 "$DOCKER" exec fd8 "/proc/self/fd/$n/$UP$BUSYBOX" cat "$HOST/dir/marker"
		[ "$status" -ne 0 ]
		refute_has "$output" "host marker"
	done
	printf 'FROM %s\nWORKDIR /proc/self/fd/8\nRUN cat %s%s/dir/marker\n' "$IMAGE" "$UP" "$HOST" >"$ENGINE/Dockerfile"
	capture timeout 60 env DOCKER_BUILDKIT=0 "$DOCKER" build --network none -f "$ENGINE/Dockerfile" "$ENGINE/etc"
	refute_has "$output" "host marker"
}

@test "B8 A7 A30 an image with a link for /dev/null or /dev/console gets no masked file and no host file" {
	local at to
	for at in dev/null dev/console; do
		for to in /proc/sys/kernel/core_pattern /proc/sysrq-trigger "$UP$HOST/token"; do
			rm -rf "$ENGINE/img"
			mkdir "$ENGINE/img"
			tar -C "$ENGINE/img" -xf "$CAISSON_TEST_RUN/busybox.tar"
			rm -f "$ENGINE/img/$at"
			ln -s "$to" "$ENGINE/img/$at"
			tar -C "$ENGINE/img" --numeric-owner -c . | d import - evil >/dev/null
			run in_tty timeout 40 "$DOCKER" run --rm -t --network none --runtime sysbox-runc evil sh -c 'for f in /proc/kcore /proc/keys /proc/timer_list; do head -c 9 $f | wc -c; done; echo x >/proc/sys/kernel/core_pattern; cat /dev/console </dev/null & sleep 0; echo end'
			refute_match "$output" $'(^|\n)9'
			assert_has "$output" end "$at -> $to"
			refute_has "$output" "$(cat "$HOST/token")"
		done
	done
	refute_match "$(cat /proc/sys/kernel/core_pattern)" '^x$'
	assert_eq "$(stat -c '%u %g %a' "$HOST/token")" "0 0 600"
	rm -rf "$ENGINE/img"
}

@test "A1 an image that executes /proc/self/exe changes no program of the host" {
	dbg exe --privileged
	local i
	d exec -d exe sh -c 'while :; do for e in /proc/[0-9]*/exe; do case $(readlink $e) in */busybox) ;; *) ( echo x >>$e );; esac; done; done 2>/dev/null'
	for i in $(seq 10); do
		timeout 20 "$DOCKER" exec exe /proc/self/exe --version >/dev/null 2>&1 || true
	done
	capture timeout 30 "$DOCKER" run --rm --network none --runtime sysbox-runc --entrypoint /proc/self/exe "$IMAGE" --version
	# teardown compares the hashes.
}

@test "A14 an image's VOLUME made of links copies nothing of the host" {
	rm -rf "$ENGINE/img"
	mkdir "$ENGINE/img"
	tar -C "$ENGINE/img" -xf "$CAISSON_TEST_RUN/busybox.tar"
	mkdir "$ENGINE/img/data"
	ln -s "$HOST/dir/marker" "$ENGINE/img/data/abs"
	ln -s "$UP$HOST/dir" "$ENGINE/img/data/rel"
	ln -s "$UP$HOST/dir" "$ENGINE/img/vol"
	tar -C "$ENGINE/img" --numeric-owner -c . | d import -c 'VOLUME /data' -c 'VOLUME /vol' - links >/dev/null
	capture timeout 40 "$DOCKER" run --rm --network none --runtime sysbox-runc links sh -c 'cat /data/abs /data/rel/marker /vol/marker; find / -xdev -name marker; ls /data; echo end'
	assert_match "$output" $'\nabs\nrel\nend$'
	refute_has "$output" "host marker"
	rm -rf "$ENGINE/img"
}

@test "A63 a session key of the engine's does not come into a container with exec" {
	tool keys
	local s
	s=$(share_dir attack-keys 1000)
	cp "$TOOLS/keys" "$s/keys"
	dbg keys --privileged -v "$s:/k:ro"
	# The same session keyring for all execs, the container's own, and not the engine's.
	capture timeout 20 "$DOCKER" exec --privileged keys /k/keys look
	assert_match "$output" 'session [0-9]+$'
	local first=${output##*session }
	capture timeout 20 "$DOCKER" exec --privileged keys /k/keys look
	assert_eq "${output##*session }" "$first"
	dbg other --privileged -v "$s:/k:ro"
	capture timeout 20 "$DOCKER" exec --privileged other /k/keys look
	assert_match "$output" 'session [0-9]+$'
	[ "${output##*session }" != "$first" ] || fail "two containers have the same session keyring"
}
