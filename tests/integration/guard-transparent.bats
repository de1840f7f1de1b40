# SPDX-License-Identifier: Apache-2.0
# Docker through the guard: whatever is allowed works as without it; whatever is ambiguous never reaches the engine.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/guard.bash

: "${CAISSON_CTL:=$CAISSON_BUILD/src/bin/caissonctl}"

setup_file() {
	docker_open && guard_open
}

teardown_file() {
	guard_close
	docker_close
}

teardown() {
	drm aa bb cc
	"$DOCKER" rmi -f guard-built guard-imported >/dev/null 2>&1 || true
}

# guard_fds - how many descriptors the guard holds
guard_fds() {
	find "/proc/$(cat "$ENGINE/guard.pid")/fd" -mindepth 1 | wc -l
}

few_fds() {
	[ "$(guard_fds)" -le "$1" ]
}

# fake_open [MODE] - a guard of its own in front of a server of raw.py; by default it records what reaches it: FAKE, FAKE_SOCK, FAKE_RECORD
fake_open() {
	FAKE=$ENGINE/fake
	rm -rf "$FAKE"
	mkdir -p "$FAKE"
	FAKE_SOCK=$FAKE/g.sock
	FAKE_RECORD=$FAKE/record
	: >"$FAKE_RECORD"
	spawn "$FAKE/log" "$PYTHON" "$CAISSON_SRC/tests/lib/raw.py" "${1:-engine}" "$FAKE/e.sock" "$FAKE_RECORD" >"$FAKE/engine.pid"
	spawn "$FAKE/log" "$CAISSON_GUARD" --listen "unix://$FAKE_SOCK" --engine "unix://$FAKE/e.sock" \
		--settings "$ENGINE/guard" --audit "$FAKE/audit" >"$FAKE/guard.pid"
	eventually 10 test -S "$FAKE_SOCK" -a -S "$FAKE/e.sock"
}

fake_close() {
	kill "$(cat "$FAKE/guard.pid")" "$(cat "$FAKE/engine.pid")"
}

# asked METHOD NAME - the answer of raw.py's resting_engine to a request about a container of that name
asked() {
	curl -s --max-time 10 -X "$1" --unix-socket "$FAKE_SOCK" "http://d/containers/$2/$([ "$1" = GET ] && echo json || echo stop)"
}

recorded() {
	grep -c . "$FAKE_RECORD" || true
}

# ---- what people do ---------------------------------------------------------------------------------------

@test "version, info, and an old API version" {
	run -0 d version
	assert_has "$output" "Server:"
	DOCKER_API_VERSION=1.30 run -0 d ps
	run -0 d info
}

@test "run: exit codes, streams, -i, -it" {
	run -7 drun -- sh -c 'exit 7'
	run -0 bash -c "echo in | '$DOCKER' run -i --rm --network none $IMAGE sh -c 'cat; echo err >&2' 2>'$ENGINE/err'"
	assert_eq "$output" in
	assert_eq "$(cat "$ENGINE/err")" err
	run -0 in_tty "$DOCKER" run -it --rm --network none "$IMAGE" sh -c 'test -t 0 && echo interactive'
	assert_has "$output" interactive
}

@test "attach, and exec with standard input that ends" {
	d run -di --name aa --network none "$IMAGE" sh -c 'read x; echo "got $x"; sleep 0.2'
	run -0 bash -c "(sleep 0.5; echo word; sleep 1) | timeout 20 '$DOCKER' attach aa"
	assert_eq "$output" "got word"
	dbg bb
	run -0 bash -c "printf 12345 | timeout 20 '$DOCKER' exec -i bb wc -c"
	assert_eq "$output" 5
	run -0 in_tty "$DOCKER" exec -it bb tty
	assert_has "$output" /dev/pts/
}

@test "20 MB through exec, each way" {
	head -c 20000000 /dev/urandom >"$ENGINE/20M"
	local sum
	sum=$(md5sum <"$ENGINE/20M")
	dbg aa
	run -0 bash -c "timeout 60 '$DOCKER' exec -i aa md5sum <'$ENGINE/20M'"
	assert_eq "${output%% *}" "${sum%% *}"
	timeout 60 "$DOCKER" exec -i aa sh -c 'cat >/tmp/x' <"$ENGINE/20M"
	run -0 bash -c "timeout 60 '$DOCKER' exec aa cat /tmp/x | md5sum"
	assert_eq "$output" "$sum"
}

# guard_isolation true|false - what the settings say; loaded when this returns
guard_isolation() {
	jq --argjson on "$1" '.enhancedContainerIsolation = {locked: true, value: $on}' "$SETTINGS" >"$GUARD_SETTINGS"
	: >"$ENGINE/guard.log"
	kill -HUP "$(cat "$ENGINE/guard.pid")"
	eventually 5 grep -q 'settings loaded' "$ENGINE/guard.log"
}

# The engine of this file runs RUN steps by a runc that is not Caisson, which the rules refuse: here it is about the streams.
@test "classic build with a context" {
	guard_isolation false
	mkdir -p "$ENGINE/ctx"
	head -c 30000000 /dev/urandom >"$ENGINE/ctx/big"
	printf 'FROM %s\nCOPY big /big\nRUN md5sum /big >/sum\n' "$IMAGE" >"$ENGINE/ctx/Dockerfile"
	DOCKER_BUILDKIT=0 d build --network none -t guard-built "$ENGINE/ctx"
	guard_isolation true
	run -0 d run --rm --network none guard-built cat /sum
	assert_eq "${output%% *}" "$(md5sum <"$ENGINE/ctx/big" | cut -d' ' -f1)"
}

@test "save, load, import, export" {
	run -0 bash -c "'$DOCKER' save $IMAGE | '$DOCKER' load"
	assert_has "$output" "Loaded image"
	dbg aa
	run -0 bash -c "'$DOCKER' export aa | '$DOCKER' import - guard-imported"
	run -0 d run --rm --network none guard-imported /bin/true
}

@test "cp both ways" {
	dbg aa
	head -c 3000000 /dev/urandom >"$ENGINE/3M"
	d cp "$ENGINE/3M" aa:/tmp/there
	d cp aa:/tmp/there "$ENGINE/back"
	cmp "$ENGINE/3M" "$ENGINE/back"
	run -0 bash -c "'$DOCKER' cp aa:/tmp/there - | tar t"
	assert_eq "$output" there
}

@test "events, logs -f and stats come as they happen" {
	timeout 20 "$DOCKER" events --filter event=start >"$ENGINE/events" 3>&- &
	BG+=($!)
	sleep 0.5
	d run -d --name aa --network none "$IMAGE" sh -c 'echo one; sleep 1; echo two; sleep 60'
	eventually 5 grep -q start "$ENGINE/events"
	run timeout 3 "$DOCKER" logs -f aa
	assert_eq "$output" $'one\ntwo'
	run -0 d stats --no-stream --format '{{.Name}}' aa
	assert_eq "$output" aa
	kill "${BG[@]}"
	bg_wait
}

@test "a newer client" {
	[ -x /usr/local/bin/docker ] || skip "no second client"
	run -0 /usr/local/bin/docker version
	dbg aa
	run -0 bash -c "echo in | /usr/local/bin/docker exec -i aa cat"
	assert_eq "$output" in
	run -0 bash -c "echo in | /usr/local/bin/docker run -i --rm --network none $IMAGE cat"
	assert_eq "$output" in
}

@test "the engine restarts: the guard says so meanwhile, then goes on" {
	docker_daemon_stop
	run d ps
	assert_has "$output" "cannot be reached"
	DOCKER_HOST=unix://$ENGINE_SOCK docker_daemon_start
	run -0 d ps
}

@test "A120 a connection to the engine serves again after reads with a clear end, and after nothing else" {
	fake_open resting_engine
	assert_eq "$(asked GET aa)" "1 1"
	assert_eq "$(asked GET aa)" "1 2"
	# What changes something has a connection of its own, before and behind it.
	assert_eq "$(asked POST aa)" "2 1"
	assert_eq "$(asked GET aa)" "1 3"
	# Bytes behind the end, at once and later, are nobody's answer.
	assert_eq "$(asked GET extra)" "1 4"
	assert_eq "$(asked GET aa)" "3 1"
	assert_eq "$(asked GET late)" "3 2"
	sleep 0.3
	assert_eq "$(asked GET aa)" "4 1"
	assert_eq "$(asked GET says-close)" "4 2"
	assert_eq "$(asked GET aa)" "5 1"
	# One that the engine closed, seen before the next request and by it.
	assert_eq "$(asked GET close)" "5 2"
	assert_eq "$(asked GET aa)" "6 1"
	assert_eq "$(asked GET gone)" "7 1"
	assert_eq "$(asked GET aa)" "7 2"
	kill "$(cat "$FAKE/guard.pid")"
	eventually 5 test ! -S "$FAKE_SOCK"
	kill "$(cat "$FAKE/engine.pid")"
}

@test "the guard restarts: streams are cut, containers stay" {
	dbg aa
	timeout 30 "$DOCKER" attach --no-stdin aa 3>&- &
	local attached=$!
	sleep 0.5
	guard_stop
	eventually 5 ended $attached
	[ ! -e "$GUARD_SOCK" ]
	guard_start
	run -0 d exec aa echo here
	assert_eq "$output" here
}

@test "settings are loaded anew on SIGHUP; a bad file changes nothing" {
	cp "$GUARD_SETTINGS" "$ENGINE/good"
	echo '{"configurationFileVersion": "x"' >"$GUARD_SETTINGS"
	kill -HUP "$(cat "$ENGINE/guard.pid")"
	eventually 5 grep -q 'stay as they were' "$ENGINE/guard.log"
	run -0 d ps
	cp "$ENGINE/good" "$GUARD_SETTINGS"
	kill -HUP "$(cat "$ENGINE/guard.pid")"
	eventually 5 grep -q 'settings loaded' "$ENGINE/guard.log"
	run -0 d ps
}

# ---- pitfalls of proxies of Docker (guard-http.md, P1 and on) ------------------------------------------------

@test "P1: what is sent together with the head of attach arrives" {
	d run -di --name aa --network none "$IMAGE" sh -c 'read x; echo "$x"; sleep 0.5'
	run -0 raw early "$GUARD_SOCK" aa
	assert_has "$output" " 101 "
	assert_match "$output" 'early$'
}

@test "P2: without Upgrade the stream is behind a 200" {
	d run -di --name aa --network none "$IMAGE" sh -c 'read x; echo "$x"; sleep 0.5'
	run -0 raw hijack200 "$GUARD_SOCK" aa
	assert_has "$output" " 200 "
	assert_match "$output" 'later$'
}

@test "P3: of a 101 only the protocol counts, not its words" {
	local words
	dbg aa
	run -0 raw early "$GUARD_SOCK" aa
	assert_has "$output" "101 UPGRADED"
	run -0 raw session "$GUARD_SOCK"
	assert_has "$output" "101 Switching Protocols"
	fake_open
	for words in UPGRADED 'Switching Protocols' 'Something Else'; do
		printf 'HTTP/1.1 101 %s\r\nConnection: upgrade\r\nUPGRADE: H2C\r\n\r\nhello' "$words" >"$FAKE_RECORD.answer"
		run -0 raw send "$FAKE_SOCK" 'POST /session HTTP/1.1\r\nHost: \r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n' 2
		assert_has "$output" "HTTP/1.1 101 $words"
		assert_has "$output" hello
	done
	for words in 'Upgrade: tcp' 'Upgrade: websocket' 'X: h2c'; do
		printf 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n%s\r\n\r\nhello' "$words" >"$FAKE_RECORD.answer"
		run -0 raw send "$FAKE_SOCK" 'POST /session HTTP/1.1\r\nHost: \r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n' 2
		assert_has "$output" "502 Bad Gateway"
		refute_has "$output" hello
	done
	fake_close
}

@test "P4: the head of wait comes at once" {
	dbg aa
	run -0 timeout 3 "$PYTHON" "$CAISSON_SRC/tests/lib/raw.py" wait_head "$GUARD_SOCK" aa
	assert_has "$output" " 200 "
}

@test "P5: clients that go are noticed, nothing is held for them" {
	local before
	before=$(guard_fds)
	raw leave_events "$GUARD_SOCK" 20
	eventually 3 few_fds "$before"
}

@test "P6: half-close ends an event stream, as at the engine" {
	run -0 raw events_half_close "$ENGINE_SOCK"
	assert_eq "$output" closed
	run -0 raw events_half_close "$GUARD_SOCK"
	assert_eq "$output" closed
}

@test "P7, P8: an answer before the end of an upload is read" {
	run -0 raw early_answer "$GUARD_SOCK" 2000
	assert_match "$output" ' 404 .* all sent$'
	run -0 d ps
}

@test "P9: Expect is answered by the guard, after the head was judged" {
	run -0 raw expect "$GUARD_SOCK"
	assert_match "${lines[0]}" '^HTTP/1.1 100 Continue then [245]'
	assert_match "${lines[1]}" '^[45]'
}

@test "P10, A114: a body that turns out malformed has no end for the engine" {
	fake_open
	local f
	for f in "$CAISSON_SRC"/corpus/h1/body-*; do
		: >"$FAKE_RECORD"
		run -0 raw file "$FAKE_SOCK" "$f"
		eventually 3 test -s "$FAKE_RECORD" || true
		case $f in
		*-bad-*)
			refute_match "$(cat "$FAKE_RECORD")" '\\r\\n0\\r\\n\\r\\n"$' "$f"
			assert_match "$output" '^HTTP/1.1 400|^none' "$f"
			;;
		*-ok-04) ;;
		*) assert_match "$(cat "$FAKE_RECORD")" '0\\r\\n\\r\\n"' "$f" ;;
		esac
	done
	fake_close
}

@test "P11: bare line feeds are refused at once, a slow head after 10 s" {
	run -0 raw send "$GUARD_SOCK" 'GET /_ping HTTP/1.1\nHost: docker\n\n' 2
	assert_has "$output" "400 Bad Request"
	run -0 raw slow_head "$GUARD_SOCK"
	assert_eq "$output" ended
}

@test "P12: an engine whose backlog is full is waited for" {
	local dir=$ENGINE/busy pid engine
	mkdir -p "$dir"
	spawn "$dir/log" "$PYTHON" "$CAISSON_SRC/tests/lib/raw.py" busy_engine "$dir/e.sock" 3 >"$dir/engine.pid"
	engine=$(cat "$dir/engine.pid")
	eventually 5 test -S "$dir/e.sock"
	spawn "$dir/log" "$CAISSON_GUARD" --listen "unix://$dir/g.sock" --engine "unix://$dir/e.sock" --settings "$ENGINE/guard" >"$dir/guard.pid"
	pid=$(cat "$dir/guard.pid")
	eventually 2 test -S "$dir/g.sock"
	raw is_full "$dir/e.sock"
	run -0 raw is_full "$dir/e.sock"
	assert_eq "$output" EAGAIN
	run -0 raw at_once "$dir/g.sock" 20
	assert_eq "$output" 20
	kill "$pid" "$engine"
	eventually 10 ended "$pid"
}

@test "P13: a refusal can be read by a client that is still sending" {
	run -0 raw refused_upload "$GUARD_SOCK"
	assert_match "$output" '^[45][0-9][0-9] all sent closed$'
}

@test "P14: HTTP/2 by prior knowledge is refused as /grpc is, before the engine hears of it" {
	fake_open
	# SETTINGS, and GOAWAY with the reason.
	raw send "$FAKE_SOCK" 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00' 20 >"$FAKE/said"
	assert_eq "$(head -c 9 "$FAKE/said" | od -An -tx1 | tr -d ' \n')" 000000040000000000
	assert_has "$(tr -d '\0' <"$FAKE/said")" "enhanced container isolation"
	refute_has "$(cat "$FAKE_RECORD")" "PRI"
	refute_has "$(cat "$FAKE_RECORD")" "SM"
	: >"$FAKE_RECORD"
	run -0 raw send "$FAKE_SOCK" 'GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n' 1
	assert_has "$output" "200 OK"
	assert_eq "$(recorded)" 1
	fake_close
}

@test "P15: /session has no version, and behind it the engine is the one who asks" {
	run -0 raw session "$ENGINE_SOCK"
	local alone=$output
	assert_has "$alone" "| PRI * HTTP/2.0 | acknowledged"
	run -0 raw session "$GUARD_SOCK"
	assert_eq "$output" "$alone"
}

# ---- bytes as no client sends them ---------------------------------------------------------------------------

@test "A114: of the corpus of ambiguous heads nothing reaches the engine" {
	fake_open
	run -0 raw corpus "$FAKE_SOCK" "$FAKE_RECORD" "$CAISSON_SRC/corpus/h1"
	assert_eq "$output" "wrong: 0"
	[ "$(recorded)" -gt 0 ] # those that are fine do
	fake_close
}

@test "A114: two requests in one write are two connections of the engine" {
	fake_open
	run -0 raw send "$FAKE_SOCK" 'GET /_ping HTTP/1.1\r\nHost: a\r\n\r\nGET /version HTTP/1.1\r\nHost: b\r\n\r\n' 2
	assert_eq "$(recorded)" 2
	assert_eq "$(grep -c _ping "$FAKE_RECORD")" 1
	assert_eq "$(grep -c 'Host: docker' "$FAKE_RECORD")" 2
	fake_close
}

@test "A115: Upgrade only where a route may be hijacked" {
	fake_open
	raw send "$FAKE_SOCK" 'GET /version HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n' 1
	assert_eq "$(recorded)" 1
	refute_match "$(cat "$FAKE_RECORD")" 'Upgrade|HTTP2'
	fake_close
}

@test "A116: behind a hijack that did not happen nothing is a request" {
	fake_open
	printf 'HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}' >"$FAKE_RECORD.answer"
	run -0 raw send "$FAKE_SOCK" 'POST /session HTTP/1.1\r\nHost: \r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nGET /version HTTP/1.1\r\nHost: a\r\n\r\n' 2
	assert_has "$output" "404 Not Found"
	assert_eq "$(recorded)" 1
	refute_has "$(cat "$FAKE_RECORD")" /version
	printf 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n' >"$FAKE_RECORD.answer"
	run -0 raw send "$FAKE_SOCK" 'GET /version HTTP/1.1\r\nHost: a\r\n\r\n' 2
	assert_has "$output" "502 Bad Gateway"
	fake_close
}

@test "A119, A120: forms are refused, fields that the engine has no use for are dropped" {
	fake_open
	run -0 raw send "$FAKE_SOCK" 'POST /images/load HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b' 2
	assert_has "$output" "415 Unsupported Media Type"
	assert_eq "$(recorded)" 0
	raw send "$FAKE_SOCK" 'GET /version HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1\r\nX-HTTP-Method-Override: DELETE\r\nUser-Agent: me\r\n\r\n' 1
	refute_match "$(cat "$FAKE_RECORD")" 'Forwarded|Override'
	assert_has "$(cat "$FAKE_RECORD")" "User-Agent: me"
	fake_close
}

@test "an answer that is cut off is seen to be cut off, one that is no HTTP is a 502" {
	fake_open
	printf 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel' >"$FAKE_RECORD.answer"
	run -0 raw send "$FAKE_SOCK" 'GET /version HTTP/1.1\r\nHost: a\r\n\r\n' 2
	assert_has "$output" hel
	refute_match "$output" $'\n0\n'
	printf 'HTTP/1.1 200 OK\nContent-Length: 2\n\nOK' >"$FAKE_RECORD.answer"
	run -0 raw send "$FAKE_SOCK" 'GET /version HTTP/1.1\r\nHost: a\r\n\r\n' 2
	assert_has "$output" "502 Bad Gateway"
	fake_close
}

# ---- limits and the audit ----------------------------------------------------------------------------------

@test "keep-alive, also after a refusal and for requests in one write" {
	run -0 raw keep_alive "$GUARD_SOCK"
	assert_match "$output" '^200 [45]0[0-9] 200 200 200$'
}

# rss_below KIB - resident memory of the guard
rss_below() {
	[ "$(awk '/^VmRSS:/ {print $2}' "/proc/$(cat "$ENGINE/guard.pid")/status")" -lt "$1" ]
}

@test "1,000 connections at once; at rest each costs at most 1 KiB, and below 5 MiB of memory when they are gone" {
	unsanitized "memory is not what it is"
	# On a busy host what is being answered lies between what is at rest, and keeps pages: not each time.
	local try
	for try in 1 2 3 4; do
		run -0 raw many "$GUARD_SOCK" 1000 3
		assert_eq "$output" 3000
		! eventually 5 rss_below 5120 || break
	done
	rss_below 5120 || fail "$(grep -E '^(VmRSS|RssAnon)' "/proc/$(cat "$ENGINE/guard.pid")/status")"
	for try in 1 2 3 4; do
		run -0 raw idle "$GUARD_SOCK" "$(cat "$ENGINE/guard.pid")" 1000
		[ "$output" -gt 1024 ] || break
	done
	[ "$output" -le 1024 ] || fail "$output bytes per connection"
}

@test "the socket is Docker's to look at; refusals are in the audit, also after it was rotated" {
	assert_eq "$(stat -c '%a %U' "$GUARD_SOCK")" "660 root"
	raw send "$GUARD_SOCK" 'GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n' 1
	run -0 jq -r 'select(.message | contains("HTTP/1.1")) | "\(.action) \(.uid) \(.rule) \(.time[0:2])"' "$GUARD_AUDIT"
	assert_match "${lines[-1]}" '^refused 0 http 2'
	mv "$GUARD_AUDIT" "$GUARD_AUDIT.1"
	raw send "$GUARD_SOCK" 'GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n' 1
	assert_eq "$(wc -l <"$GUARD_AUDIT")" 1
}

# journal_guard - a guard that writes to a journal of ours: JDIR, JGUARD (socket), JLOG
journal_guard() { # [OPTION...]
	JDIR=$ENGINE/journal
	JGUARD=$JDIR/g.sock
	JLOG=$JDIR/messages
	mkdir -p "$JDIR"
	: >"$JLOG"
	journal_start
	spawn "$JDIR/log" "$CAISSON_GUARD" --listen "unix://$JGUARD" --engine "unix://$ENGINE_SOCK" --settings "$ENGINE/guard" \
		--audit "journal:$JDIR/j.sock" "$@" >"$JDIR/guard.pid"
	eventually 5 test -S "$JGUARD"
}

journal_start() {
	spawn "$JDIR/recorder" "$PYTHON" "$CAISSON_SRC/tests/lib/recv.py" journal "$JDIR/j.sock" "$JLOG" >"$JDIR/recorder.pid"
	eventually 5 test -S "$JDIR/j.sock"
}

journal_stop() {
	kill "$(cat "$JDIR/recorder.pid")"
	eventually 5 ended "$(cat "$JDIR/recorder.pid")"
	rm "$JDIR/j.sock"
}

journal_guard_stop() {
	kill "$(cat "$JDIR/guard.pid")"
	eventually 10 ended "$(cat "$JDIR/guard.pid")"
}

# create_json BODY - through that guard
create_json() {
	curl -sS --unix-socket "$JGUARD" -H 'Content-Type: application/json' --data-binary "$1" 'http://d/containers/create?name=web'
}

@test "the journal gets each event with fields, and what a client writes stays in its field" {
	local long
	journal_guard
	create_json '{"Image":"x\nCAISSON_RULE=none\nPRIORITY=7","HostConfig":{"PidMode":"host"}}'
	eventually 5 test -s "$JLOG"
	run -0 jq -r '"\(.CAISSON_ACTION) \(.CAISSON_UID) \(.CAISSON_ROUTE) \(.CAISSON_CONTAINER) \(.CAISSON_RULE) \(.PRIORITY) \(.SYSLOG_IDENTIFIER)"' "$JLOG"
	assert_eq "$output" "refused 0 container_create web namespaces 4 caissond"
	assert_eq "$(jq -r .CAISSON_IMAGE "$JLOG")" $'x\nCAISSON_RULE=none\nPRIORITY=7'
	assert_eq "$(jq -r .CAISSON_EXE "$JLOG")" "$(readlink -f "$(command -v curl)")"
	assert_match "$(jq -r .MESSAGE "$JLOG")" '^refused container_create of uid 0 .*share namespaces'
	assert_has "$(jq -r .CAISSON_MESSAGE "$JLOG")" "share namespaces"
	jq -e 'has("CAISSON_SETTING") | not' "$JLOG"
	: >"$JLOG"
	long=$(printf 'é%.0s' {1..5000})
	create_json "{\"Image\":\"a$long\",\"HostConfig\":{\"PidMode\":\"host\"}}"
	eventually 5 test -s "$JLOG"
	assert_eq "$(jq -r '.CAISSON_IMAGE | length' "$JLOG")" 2048
	: >"$JLOG"
	create_json "{\"Image\":\"$IMAGE\",\"HostConfig\":{\"Runtime\":\"runc\"}}"
	eventually 5 test -s "$JLOG"
	assert_eq "$(jq -r '"\(.CAISSON_ACTION) \(.PRIORITY)"' "$JLOG")" "changed 5"
	drm web
	guard_stays_without_journal
}

# A journal that is gone, and one that is there again.
guard_stays_without_journal() {
	journal_stop
	run -0 create_json '{"HostConfig":{"PidMode":"host"}}'
	assert_has "$output" "share namespaces"
	eventually 5 grep -q "one event is lost" "$JDIR/log"
	journal_start
	: >"$JLOG"
	create_json '{"HostConfig":{"PidMode":"host"}}'
	eventually 5 test -s "$JLOG"
	journal_guard_stop
	journal_stop
	run -1 "$CAISSON_GUARD" --listen "unix://$JGUARD" --engine "unix://$ENGINE_SOCK" --settings "$ENGINE/guard" --audit "journal:$JDIR/j.sock"
	assert_eq "$output" "caissond: audit: no journal listens on $JDIR/j.sock (No such file or directory); start systemd-journald, or give a file with --audit"
	run -1 "$CAISSON_GUARD" --listen "unix://$JGUARD" --engine "unix://$ENGINE_SOCK" --settings "$ENGINE/guard" --audit journal:here
	assert_has "$output" "give journal:/absolute/path"
}

@test "the audit to a file and to the journal: both get everything, and each what the other does not take" {
	journal_guard --audit "$ENGINE/journal/both"
	create_json '{"HostConfig":{"PidMode":"host"}}'
	eventually 5 test -s "$JLOG"
	assert_eq "$(jq -r '"\(.action) \(.container) \(.rule) \(.time)"' "$JDIR/both")" \
		"$(jq -r '"\(.CAISSON_ACTION) \(.CAISSON_CONTAINER) \(.CAISSON_RULE) \(.CAISSON_TIME)"' "$JLOG")"
	run -0 "$CAISSON_CTL" --socket "$JGUARD" status
	assert_has "$output" "audit:      $JDIR/both, journal:$JDIR/j.sock"
	run -0 "$CAISSON_CTL" --socket "$JGUARD" audit
	assert_has "$output" "share namespaces"
	journal_stop
	create_json '{"HostConfig":{"PidMode":"host"}}'
	eventually 5 grep -q "one event is in the file only" "$JDIR/log"
	assert_eq "$(wc -l <"$JDIR/both")" 2
	# Rotated: the next line is in a new file, and in the journal that is there again.
	mv "$JDIR/both" "$JDIR/both.1"
	: >"$JLOG"
	journal_start
	create_json '{"HostConfig":{"PidMode":"host"}}'
	eventually 5 test -s "$JLOG"
	assert_eq "$(wc -l <"$JDIR/both") $(wc -l <"$JLOG")" "1 1"
	# A file that cannot be written: the journal has it.
	rm "$JDIR/both"
	mkdir "$JDIR/both"
	: >"$JLOG"
	create_json '{"HostConfig":{"PidMode":"host"}}'
	eventually 5 test -s "$JLOG"
	eventually 5 grep -q "audit file $JDIR/both: is a directory" "$JDIR/log"
	rmdir "$JDIR/both"
	journal_guard_stop
	# No journal at the start: said, and the file has everything.
	journal_stop
	spawn "$JDIR/log" "$CAISSON_GUARD" --listen "unix://$JGUARD" --engine "unix://$ENGINE_SOCK" --settings "$ENGINE/guard" \
		--audit "$JDIR/both" --audit "journal:$JDIR/j.sock" >"$JDIR/guard.pid"
	eventually 5 test -S "$JGUARD"
	assert_has "$(cat "$JDIR/log")" "caissond: audit: no journal listens on $JDIR/j.sock (No such file or directory); start systemd-journald"
	create_json '{"HostConfig":{"PidMode":"host"}}'
	assert_eq "$(wc -l <"$JDIR/both")" 1
	journal_guard_stop
}

@test "the audit file: behind a line that there was no space for, the next one is whole" {
	local n=0
	JDIR=$ENGINE/small
	JGUARD=$ENGINE/small.sock
	mkdir "$JDIR"
	mount -t tmpfs -o size=8k none "$JDIR"
	head -c 4096 /dev/zero >"$JDIR/filler"
	spawn "$ENGINE/small.log" "$CAISSON_GUARD" --listen "unix://$JGUARD" --engine "unix://$ENGINE_SOCK" --settings "$ENGINE/guard" \
		--audit "$JDIR/a" >"$ENGINE/small.pid"
	eventually 5 test -S "$JGUARD"
	until grep -q "audit file $JDIR/a: no space left on device" "$ENGINE/small.log" || [ $((n += 1)) -gt 60 ]; do
		create_json '{"HostConfig":{"PidMode":"host"}}'
	done
	cp "$JDIR/a" "$ENGINE/torn.log"
	rm "$JDIR/filler"
	create_json '{"HostConfig":{"PidMode":"host"}}'
	create_json '{"HostConfig":{"PidMode":"host"}}'
	cp "$JDIR/a" "$ENGINE/whole.log"
	kill "$(cat "$ENGINE/small.pid")"
	eventually 10 ended "$(cat "$ENGINE/small.pid")"
	umount "$JDIR"
	assert_eq "$(stat -c %s "$ENGINE/torn.log")" 4096
	n=$(wc -l <"$ENGINE/torn.log")
	assert_eq "$(tail -n 2 "$ENGINE/whole.log" | jq -r .rule | xargs)" "namespaces namespaces"
	assert_eq "$(wc -l <"$ENGINE/whole.log")" $((n + 3))
	refute_match "$(cat "$ENGINE/whole.log")" $'\n\n'
}

@test "socket activation and READY=1" {
	local dir=$ENGINE/act
	mkdir -p "$dir"
	"$PYTHON" "$CAISSON_SRC/tests/lib/recv.py" notify "$dir/notify" >"$dir/ready" 3>&- &
	BG+=($!)
	eventually 5 test -S "$dir/notify"
	NOTIFY_SOCKET=$dir/notify spawn "$dir/log" "$PYTHON" "$CAISSON_SRC/tests/lib/raw.py" activate "$dir/a.sock" "$CAISSON_GUARD" \
		--engine "unix://$ENGINE_SOCK" --settings "$ENGINE/guard" >"$dir/pid"
	bg_wait
	assert_has "$(cat "$dir/ready")" READY=1
	run -0 "$DOCKER" -H "unix://$dir/a.sock" version
	kill "$(cat "$dir/pid")"
	eventually 5 ended "$(cat "$dir/pid")"
	[ -S "$dir/a.sock" ] # systemd's, not ours to remove
}

@test "nothing serves where something else is, and a second guard on one state is refused" {
	run -1 "$CAISSON_GUARD" --listen "unix://$GUARD_SOCK" --engine "unix://$ENGINE_SOCK" --settings "$ENGINE/guard"
	assert_has "$output" "somebody serves it already"
	run -1 "$CAISSON_GUARD" --listen "unix://$ENGINE/x.sock" --engine "unix://$ENGINE_SOCK" --settings "$ENGINE/guard" \
		--state "$ENGINE/guard-state"
	assert_has "$output" "another guard uses it"
	run -1 "$CAISSON_GUARD" --listen "unix://$ENGINE/x.sock" --engine "unix://$ENGINE_SOCK" --settings "$ENGINE/none.json"
	assert_has "$output" none.json
	[ ! -e "$ENGINE/x.sock" ]
}
