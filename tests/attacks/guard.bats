# SPDX-License-Identifier: Apache-2.0
# Attacks on the guard: requests that two readers could take for different things, and ways to a host directory, by rows
# B1-B11 and A112-A132 of the catalogue. What is about framing alone is in tests/integration/guard-transparent.bats. Each
# attack is first shown to work on the engine's own socket. No directory of the host's own is ever mounted by these
# tests: what is "secret" is a directory of the test.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/guard.bash
load ../lib/guard-api.bash

PATHS="restricted host mount"

setup_file() {
	rules_open
}

teardown_file() {
	guard_close
	docker_close
}

teardown() {
	rules_teardown
}

# made_with FORMAT BODY - on the engine's own socket this body makes a container of which inspect says FORMAT
made_with() {
	api "$ENGINE_SOCK" POST /containers/create "$2"
	assert_eq "$STATUS" 201 "$2: $output" || return 1
	rawd inspect -f "$1" "$(jq -r .Id <<<"$output")"
}

# never_made BODY - through the guard it is refused, and nothing is made
never_made() {
	local before
	before=$(rawd ps -aq | wc -l)
	api "$GUARD_SOCK" POST /containers/create "$1"
	assert_match "$STATUS" '^4' "$1: $output" || return 1
	assert_eq "$(rawd ps -aq | wc -l)" "$before" "$1"
}

# encodings SOURCE - every way to have this host path mounted, one body a line
encodings() {
	with "\"HostConfig\":{\"Binds\":[\"$1:/x\"]}"
	echo
	with "\"HostConfig\":{\"Binds\":[\"$1:/x:ro,rslave\"]}"
	echo
	with "\"HostConfig\":{\"Binds\":[\"$SHARE/a:/y\",\"$1:/x:Z\"]}"
	echo
	with "\"hostconfig\":{\"binds\":[\"$1:/x\"]}"
	echo
	with "\"HostConfig\":{\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"$1\",\"Target\":\"/x\",\"ReadOnly\":true}]}"
	echo
	with "\"HostConfig\":{\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/t\"},{\"TYPE\":\"bind\",\"\\u0073ource\":\"$1\",\"target\":\"/x\"}]}"
	echo
	with "\"HostConfig\":{\"Mounts\":[{\"Type\":\"volume\",\"Target\":\"/x\",\"VolumeOptions\":{\"NoCopy\":true,\"DriverConfig\":{\"Name\":\"local\",\"Options\":{\"type\":\"none\",\"o\":\"bind\",\"device\":\"$1\"}}}}]}"
	echo
	with "\"HostConfig\":{\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"new\",\"Target\":\"/x\",\"VolumeOptions\":{\"NoCopy\":true,\"DriverConfig\":{\"Options\":{\"type\":\"ext4\",\"o\":\"ro,rbind\",\"device\":\"$1\"}}}}]}"
	echo
}

# swap_tool - exchanges two names as fast as it can
swap_tool() {
	mkdir -p "$CAISSON_TEST_RUN/tools"
	gcc -static -O1 -o "$CAISSON_TEST_RUN/tools/guard-swap" "$CAISSON_SRC/tests/attacks/swap.c"
}

@test "A121 E40 B3 a directory of the host is refused by each of its names in each encoding" {
	local s body n=0
	mkdir -p "$SHARE/deep" "$ENGINE/sécret"
	ln -sfn ../link/sub "$SHARE/deep/up"
	ln -sfn "$ENGINE/sécret" "$SHARE/unicode"
	ln -sfn /proc/self/root "$SHARE/magic"
	for s in "$SECRET" "$SECRET/" "$SECRET/." "//$SECRET//sub/.." "$SHARE/../${ENGINE##*/}/secret" "$SHARE/link" "$SHARE/link/sub" "$SHARE/deep/up" \
		"$SECRET/canary" "$SHARE/link/canary" "$ENGINE/sécret" "$SHARE/unicode" "$SHARE/unicode/" "/proc/self/root$SECRET" "/proc/$(cat "$ENGINE/guard.pid")/root$SECRET" \
		"/proc/thread-self/root$SECRET" "$SHARE/magic$SECRET" "/dev/../proc/self/cwd$SECRET"; do
		while read -r body; do
			control POST /containers/create "$body"
			api "$GUARD_SOCK" POST /containers/create "$body"
			assert_eq "$STATUS" 403 "$body: $output"
			assert_match "$output" "$PATHS|mounts denied" "$body"
			[[ $body != *'"Source":"new"'* ]] || rawd volume rm new >/dev/null
			n=$((n + 1))
		done < <(encodings "$s")
	done
	assert_eq "$n" 144
	assert_eq "$(rawd ps -aq)$(rawd volume ls -q)" ""
	rm -r "$SHARE/deep" "$SHARE/unicode" "$SHARE/magic"
	rmdir "$ENGINE/sécret"
}

@test "A121 what is shared passes in each encoding, so the refusals are about the path" {
	local body n=0
	while read -r body; do
		case $body in
		*DriverConfig*) body=${body//'"o":"bind"'/'"o":"bind,ro"'} ;;
		esac
		api "$GUARD_SOCK" POST /containers/create "$body"
		assert_eq "$STATUS" 201 "$body: $output"
		n=$((n + 1))
	done < <(encodings "$SHARE/good-link")
	assert_eq "$n" 8
	# shellcheck disable=SC2046
	run -0 rawd inspect $(rawd ps -aq) new
	assert_has "$output" "$SHARE/a"
	refute_has "$output" good-link
}

@test "B3 A121 volumes of every kind that show the host's storage are refused, whoever made them, sub-paths do not help" {
	local o root
	root=$(findmnt -no SOURCE -T "$ENGINE")
	for o in "{\"type\":\"overlay\",\"device\":\"overlay\",\"o\":\"lowerdir=$SECRET:$SHARE\"}" "{\"type\":\"none\",\"o\":\"bind\",\"device\":\"$SECRET\"}" \
		"{\"type\":\"tmpfs\",\"o\":\"rbind\",\"device\":\"$SHARE/link\"}"; do
		bars "$PATHS" "$PATHS" POST /volumes/create "{\"Name\":\"vv\",\"DriverOpts\":$o}"
		bars "$PATHS" "$PATHS" POST /volumes/create "{\"name\":\"vv\",\"driver\":\"local\",\"driveropts\":$o}"
		api "$ENGINE_SOCK" POST /volumes/create "{\"Name\":\"vv\",\"DriverOpts\":$o}"
		run -0 rawd run --rm --network none -v vv:/x "$IMAGE" cat /x/canary
		barred "$PATHS" "$PATHS" POST /containers/create "$(with '"HostConfig":{"Binds":["vv:/x"]}')"
		barred "$PATHS" "$PATHS" POST /containers/create "$(with '"HostConfig":{"Mounts":[{"Type":"volume","Source":"vv","Target":"/x","VolumeOptions":{"Subpath":"sub"}}]}')"
		rawd volume rm vv
	done
	# not mounted anywhere, only asked for
	for o in "{\"type\":\"$(findmnt -no FSTYPE -T "$ENGINE")\",\"device\":\"$root\"}" '{"type":"proc","device":"proc"}' '{"type":"sysfs","device":"sysfs"}' \
		'{"type":"devtmpfs","device":"dev"}' '{"type":"cgroup","device":"cgroup","o":"cpu"}' '{"type":"nfs","device":":/","o":"addr=127.0.0.1"}' \
		'{"type":"cifs","device":"//127.0.0.1/c","o":"ip=127.0.0.1"}' '{"type":"bogus","device":"x"}'; do
		barred "$PATHS" "$PATHS" POST /volumes/create "{\"Name\":\"vv\",\"DriverOpts\":$o}"
	done
	barred "only \"local\"" "volume drivers" POST /volumes/create '{"Name":"vv","Driver":"vieux/sshfs"}'
	barred "must not leave the volume" mounts POST /containers/create "$(with '"HostConfig":{"Mounts":[{"Type":"volume","Source":"plain","Target":"/x","VolumeOptions":{"Subpath":"a/../../b"}}]}')"
}

@test "A125 what was made on the engine's own socket and started through the guard is judged by the runtime" {
	rawd create --name aa --runtime sysbox-runc --network none -v "$SECRET:/x" "$IMAGE" cat /x/canary
	capture_fail d start -a aa
	assert_has "$output" "$PATHS"
	rawd create --name bb --network none -v "$SECRET:/x" "$IMAGE" cat /x/canary
	run -0 rawd start -a bb
	assert_eq "$output" "canary $RUN_TAG"
}

@test "A125 H5 a source that is swapped for a link between judgement and mount is never shown" {
	local i seen=0 swap=$CAISSON_TEST_RUN/tools/guard-swap
	swap_tool
	mkdir -p "$SHARE/race/dir"
	echo mine >"$SHARE/race/dir/canary"
	ln -s "$SECRET" "$SHARE/race/out"
	"$swap" "$SHARE/race/dir" "$SHARE/race/out" 3>&- &
	BG+=($!)
	for i in 1 2 3 4 5 6; do
		output=$(rawd run --rm --network none -v "$SHARE/race/dir:/x" "$IMAGE" cat /x/canary 2>&1)
		[ "$output" = mine ] || seen=$((seen + 1))
	done
	[ "$seen" -gt 0 ] # the engine alone is misled
	for i in {1..25}; do
		output=$(d run --rm --network none -v "$SHARE/race/dir:/x" "$IMAGE" cat /x/canary 2>&1) || true
		refute_has "$output" "canary $RUN_TAG"
	done
	kill "${BG[@]}"
	bg_wait
	rm -r "$SHARE/race"
}

@test "A118 keys in other spellings, given twice or as objects that merge are never taken for nothing" {
	local hc
	for hc in '"HostConfig":{"pidmode":"host"}' '"HostConfig":{"PIDMODE":"host"}' '"hostCONFIG":{"PidMode":"host"}' '"HostConfig":{"\u0050idMode":"h\u006fst"}' \
		'"HostConfig":{"PidMode":"","PidMode":"host"}' '"HostConfig":{"PidMode":"private","pidMode":"host"}' '"HostConfig":{"PidMode":"host"},"HostConfig":{"Memory":0}' \
		'"HostConfig":{},"HostConfig":{"PidMode":"host"}' '"HostConfig":{"PidMode":"host"},"hostconfig":{}' '"HoſtConfig":{"PidMode":"host"}' '"Ho\u017ftConfig":{"pidMode":"host"}' \
		'"HostConfig":{"PidMode":"host","PidMode":null}'; do
		assert_eq "$(made_with '{{.HostConfig.PidMode}}' "$(with "$hc")")" host "$hc"
		never_made "$(with "$hc")"
	done
	for hc in '"HostConfig":{"NetworKMode":"host"}' '"HostConfig":{"NetworK\u004dode":"host"}' '"HostConfig":{"Networ\u212aMode":"host"}'; do
		assert_eq "$(made_with '{{.HostConfig.NetworkMode}}' "$(with "$hc")")" host "$hc"
		never_made "$(with "$hc")"
	done
	assert_eq "$(made_with '{{.HostConfig.Privileged}}' "$(with '"HostConfig":{"pRivileged":true}')")" true
	# an array over an array: what is left of the first must not show
	hc="\"HostConfig\":{\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"$SECRET\",\"Target\":\"/x\"}],\"mounts\":[{\"Target\":\"/y\"}]}"
	never_made "$(with "$hc")"
}

@test "A118 what is no strict JSON is refused, and the guard goes on" {
	local body
	for body in "$(with '"HostConfig":{}') {\"HostConfig\":{\"PidMode\":\"host\"}}" $'\xef\xbb\xbf'"$(with '"HostConfig":{}')" "$(with '"Hostname":"\ud800"')" \
		"$(with '"StopTimeout":1e400')" "$(with '"StopTimeout":1.5')" "$(with $'"Hostname":"\xff"')" "$(with '"Hostname":"a\u0000b"')" '[]' '"x"' '{' \
		"$(with '"HostConfig":[]')" "$(with '"HostConfig":{"Binds":"/:/x"}')" "$(with '"HostConfig":{"Binds":[["/:/x"]]}')" "{'Image':'x'}" '{"Image":"x",}' \
		"$(with "\"ExposedPorts\":$(printf '%*s' 10000 '' | tr ' ' '[')")"; do
		never_made "$body"
	done
	run -0 d ps
	control POST /containers/create "$(with '"HostConfig":{}') {\"trailing\":1}"
}

@test "A117 bodies that would not be seen: no type, another type or charset, encoded, too long, of no length" {
	local body type
	body=$(with '"HostConfig":{"PidMode":"host"}')
	for type in text/plain application/x-www-form-urlencoded multipart/form-data 'application/json; charset=utf-16' application/jsonx ''; do
		TYPE=$type api "$GUARD_SOCK" POST /containers/create "$body"
		assert_eq "$STATUS" 415 "$type: $output"
	done
	api "$GUARD_SOCK" POST /containers/create "$body" -H "Content-Encoding: gzip"
	assert_match "$STATUS" '^4' "$output"
	api "$GUARD_SOCK" POST /containers/create "$body" -H "Transfer-Encoding: chunked"
	assert_eq "$STATUS" 403
	assert_has "$output" "can't share"
	api "$GUARD_SOCK" POST /containers/create
	assert_eq "$STATUS" 400
	# CVE-2026-34040: the part that matters behind what a filter reads
	"$PYTHON" -c 'import sys; n = int(sys.argv[1]); sys.stdout.write("{\"Labels\":{\"x\":\"" + "y" * n + "\"},\"Image\":\"'"$IMAGE"'\",\"HostConfig\":{\"PidMode\":\"host\"}}")' 1100000 >"$BATS_TEST_TMPDIR/big"
	assert_eq "$(curl -s -o "$BATS_TEST_TMPDIR/out" -w '%{http_code}' --unix-socket "$ENGINE_SOCK" -H 'Content-Type: application/json' --data-binary @"$BATS_TEST_TMPDIR/big" http://d/containers/create)" 201
	assert_eq "$(curl -s -w '%{http_code}' -o "$BATS_TEST_TMPDIR/out" --unix-socket "$GUARD_SOCK" -H 'Content-Type: application/json' --data-binary @"$BATS_TEST_TMPDIR/big" http://d/containers/create)" 403
	assert_has "$(cat "$BATS_TEST_TMPDIR/out")" "can't share"
	head -c 4300000 /dev/zero | tr '\0' ' ' >>"$BATS_TEST_TMPDIR/big"
	assert_eq "$(curl -s -w '%{http_code}' -o "$BATS_TEST_TMPDIR/out" --unix-socket "$GUARD_SOCK" -H 'Content-Type: application/json' --data-binary @"$BATS_TEST_TMPDIR/big" http://d/containers/create)" 413
}

@test "A113 a path has one spelling: all others are refused, also those that the engine takes" {
	local t taken=0 body
	body=$(with '"HostConfig":{"PidMode":"host"}')
	for t in /v1.41./containers/create /v1..41/containers/create /v1.041/containers/create /v1.9999/containers/create /v001.41/containers/create //containers/create \
		/./containers/create /x/../containers/create /%2e/containers/create /containers/%2e%2e/containers/create /containers//create /containers/create/ \
		/containers%2fcreate /Containers/create /CONTAINERS/CREATE '/containers/create;x=1' /containers/creat%65 /containers/create%20 /containers/create%00 \
		/v1.41/v1.41/containers/create /containers/%c0%af/create '/containers/create#x' '/containers/create?name=a&name=b' '/containers/create?a;b' '/containers/create?name=%zz' \
		'/containers/create?' /v1.12/containers/create http://docker/containers/create; do
		api "$ENGINE_SOCK" POST "$t" "$body"
		case $STATUS in 2*) taken=$((taken + 1)) ;; esac
		api "$GUARD_SOCK" POST "$t" "$body"
		refute_match "$STATUS" '^[23]' "$t: $output"
	done
	[ "$taken" -gt 3 ] || fail "the engine took $taken of them"
	for t in OPTIONS CONNECT TRACE PATCH PUT post; do
		api "$GUARD_SOCK" "$t" /containers/create "$body"
		refute_match "$STATUS" '^[23]' "$t: $output"
	done
	passes_create '"HostConfig":{}'
}

@test "A119 repeated and unknown parameters where they decide" {
	mkdir -p "$BATS_TEST_TMPDIR/ctx"
	local q
	for q in 'networkmode=host' 'networkmode=default&networkmode=host' 'NetworkMode=host' 'networkmode=none&entitlements=security.insecure' 'cgroupparent=/system.slice' 'securityopt=x'; do
		api "$GUARD_SOCK" POST "/build?$q" "" -H 'Content-Type: application/x-tar'
		assert_eq "$STATUS" 403 "$q"
	done
	barred "not known" "closed world" POST '/containers/aa/start?checkpoint=a'
	TYPE=application/x-www-form-urlencoded api "$GUARD_SOCK" POST /images/create 'fromSrc=http://127.0.0.1/'
	assert_eq "$STATUS" 415
	api "$GUARD_SOCK" POST '/images/create?fromSrc=-&fromSrc=http://127.0.0.1/x'
	assert_eq "$STATUS" 400
	api "$GUARD_SOCK" POST '/images/create?fromSrc=file:///etc/shadow'
	assert_eq "$STATUS" 403
}

@test "A122 privileges are of the container's own user namespace, whatever is asked for" {
	local before
	before=$(cat /proc/sys/vm/swappiness)
	run -0 rawd run --rm --cap-add SYS_ADMIN --security-opt apparmor=unconfined --network none "$IMAGE" \
		sh -c 'cat /proc/self/uid_map; mount -t proc p /mnt && cat /mnt/sys/vm/drop_caches >/dev/null; test -w /mnt/sys/vm/swappiness && echo writable'
	assert_match "$output" '4294967295.*writable'
	run -0 d run --rm --privileged --cap-add ALL --security-opt seccomp=unconfined --security-opt systempaths=unconfined --network none "$IMAGE" \
		sh -c 'cat /proc/self/uid_map; mount -t proc p /mnt; for f in /proc/sys/vm/swappiness /mnt/sys/vm/swappiness; do echo 77 >$f; done; true'
	refute_has "$output" 4294967295
	assert_eq "$(cat /proc/sys/vm/swappiness)" "$before"
	passes_create '"HostConfig":{"Privileged":true,"CapAdd":["ALL"],"MaskedPaths":[],"ReadonlyPaths":[]}'
	bars_create "would change how the runtime works" annotations '"HostConfig":{"Annotations":{"io.caisson.mapping":"x"}}' ||
		barred "would change how the runtime works" annotations POST /containers/create "$(with '"HostConfig":{"Annotations":{"io.caisson.mapping":"x"}}')"
	bars_create "belongs into HostConfig" "request body" '"PidMode":"host"'
	barred "belongs into HostConfig" "request body" POST /containers/create "{\"Image\":\"$IMAGE\",\"Privileged\":true,\"Binds\":[\"$SECRET:/x\"]}"
	bars_create "is not allowed" "closed world" '"HostConfig":{"Cgroup":"container:x"}'
	barred "only \"size\"" "storage options" POST /containers/create "$(with '"HostConfig":{"StorageOpt":{"dm.basesize":"1"}}')"
}

@test "A125 H5 a container that gets the name of the one that was judged is not started" {
	dbg aa
	rawd create --name old --network none "$IMAGE" cat /proc/self/uid_map
	run -0 "$PYTHON" "$CAISSON_SRC/tests/attacks/rename.py" "$ENGINE_SOCK" "$GUARD_SOCK" 12
	assert_has "$output" "(304, " # the one that was judged, and running
	assert_has "$output" "(403, " # the other
	refute_has "$output" "(204, "
	assert_eq "$(rawd inspect -f '{{.State.StartedAt}}' old)" 0001-01-01T00:00:00Z
}

@test "B9 A127 docker cp into a container that swaps a directory for a link writes and reads nothing outside" {
	local i swap=$CAISSON_TEST_RUN/tools/guard-swap done=0
	swap_tool
	d create --name aa --network none "$IMAGE" sh -c "mkdir -p /w $SECRET; echo mine | tee /w/canary >$SECRET/canary; ln -s $SECRET /l; exec /guard-swap /w /l"
	d cp "$swap" aa:/
	d start aa
	eventually 5 d exec aa test -e /l
	echo evil >"$BATS_TEST_TMPDIR/evil"
	for i in {1..40}; do
		d cp "$BATS_TEST_TMPDIR/evil" aa:/w/ >/dev/null 2>&1 && done=$((done + 1))
		timeout 20 "$DOCKER" cp aa:/w/canary "$BATS_TEST_TMPDIR/got" >/dev/null 2>&1 || continue
		assert_eq "$(cat "$BATS_TEST_TMPDIR/got")" mine
	done
	is_state aa running
	[ "$done" -gt 0 ]
	[ ! -e "$SECRET/evil" ]
}

@test "B4 B6 A112 no socket of the engine is in a container, and nobody but root connects to the guard's without its group" {
	local f
	run -0 d run --rm "$IMAGE" sh -c 'cat /proc/net/unix; netstat -lnx 2>/dev/null; find / -xdev -type s 2>/dev/null'
	refute_match "$output" 'd\.sock|g\.sock|docker|containerd'
	run -0 d run --rm "$IMAGE" sh -c 'for p in 2375 2376 4243; do nc -w 1 '"$ENGINE_SUBNET.1"' $p </dev/null && echo open $p; done; true'
	refute_has "$output" open
	for f in "$ENGINE_SOCK" "$GUARD_SOCK"; do
		run -0 curl -s -o /dev/null --unix-socket "$f" http://d/_ping
		run setpriv --reuid 54321 --regid 54321 --clear-groups curl -s --unix-socket "$f" http://d/_ping
		[ "$status" -ne 0 ] || fail "$f: $output"
	done
}

@test "B2 B7 the engine's socket is had by no encoding, nor a directory of the host by an image's WORKDIR" {
	local body
	while read -r body; do
		control POST /containers/create "$body"
		[[ $body != *'"Source":"new"'* ]] || rawd volume rm new >/dev/null
		api "$GUARD_SOCK" POST /containers/create "$body"
		assert_eq "$STATUS" 403 "$body: $output"
		assert_has "$output" "ocker socket mount denied"
	done < <(encodings "$ENGINE_SOCK")
	d import -c 'WORKDIR /proc/self/fd/8' "$CAISSON_TEST_RUN/busybox.tar" fd-eight >/dev/null
	output=$(d run --rm --network none fd-eight sh -c 'pwd; ls ../../../../..' 2>&1) || true
	refute_match "$output" 'caisson-tests|lost\+found'
	d rmi -f fd-eight
}

@test "A126 A128 of what only reads, the engine's memory and keys are not for clients" {
	local t
	for t in /debug/pprof/cmdline /debug/vars /metrics /swarm /swarm/unlockkey; do
		api "$GUARD_SOCK" GET "$t"
		assert_eq "$STATUS" 403 "$t"
	done
	for t in /containers/json /images/json /networks /volumes /info /version /system/df /events?until=1; do
		passes GET "$t"
	done
}
