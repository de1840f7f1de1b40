# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Requests as no client writes them, to the engine's own socket and through the guard. What a test says is refused is
# first shown to work where no guard is: a control that fails makes the test worthless, so it fails the test.

# rules_open - a guard in front of an engine whose default runtime is runc; a directory that is shared and one that is not
rules_open() {
	docker_open runc || return 1
	SECRET=$ENGINE/secret
	export SECRET
	mkdir -p "$SECRET/sub" "$SHARE/a"
	printf 'canary %s\n' "$RUN_TAG" >"$SECRET/canary"
	cp "$SECRET/canary" "$SECRET/sub/canary"
	ln -sfn "$SECRET" "$SHARE/link"
	ln -sfn a "$SHARE/good-link"
	echo shared >"$SHARE/a/file"
	guard_open
}

# rules_teardown - after each test: no container, no volume, nothing changed where nothing was shared
rules_teardown() {
	local ids
	ids=$(rawd ps -aq)
	# shellcheck disable=SC2086
	[ -z "$ids" ] || rawd rm -fv $ids >/dev/null 2>&1
	ids=$(rawd volume ls -q)
	# shellcheck disable=SC2086
	[ -z "$ids" ] || rawd volume rm $ids >/dev/null 2>&1
	assert_eq "$(cd "$SECRET" && find . | sort | tr '\n' ' ')" ". ./canary ./sub ./sub/canary "
}

# rawd ARGS... - docker on the engine's own socket
rawd() {
	DOCKER_HOST=unix://$ENGINE_SOCK "$DOCKER" "$@"
}

# api SOCKET METHOD TARGET [BODY [CURL_ARGS...]] - sets STATUS and output; BODY "" sends none. TYPE is the body's type.
api() {
	local sock=$1 method=$2 target=$3 body=${4-}
	local -a data=(-H "Content-Length: 0")
	shift $(($# > 4 ? 4 : $#))
	[ -z "$body" ] || data=(-H "Content-Type: ${TYPE-application/json}" -H Expect: --data-binary @-)
	[ "$method" != GET ] || data=()
	output=$(printf '%s' "$body" | curl -sS --max-time $((60 * ${CAISSON_TEST_SLOW:-1})) --path-as-is -g --unix-socket "$sock" -X "$method" "${data[@]}" "$@" \
		-w '\n%{http_code}' "http://docker$target" 2>&1)
	STATUS=${output##*$'\n'}
	output=${output%$'\n'*}
}

# with MEMBERS - a body for create
with() {
	printf '{"Image":"%s","Cmd":["true"],%s}' "$IMAGE" "$1"
}

# undo TARGET - remove what the answer in output says was made
undo() {
	case $1 in
	*containers/create*) api "$ENGINE_SOCK" DELETE "/containers/$(jq -r .Id <<<"$output")?force=1&v=1" ;;
	*volumes/create*) api "$ENGINE_SOCK" DELETE "/volumes/$(jq -r .Name <<<"$output")" ;;
	*networks/create*) api "$ENGINE_SOCK" DELETE "/networks/$(jq -r .Id <<<"$output")" ;;
	esac
}

# control METHOD TARGET [BODY] - works on the engine's own socket
control() {
	api "$ENGINE_SOCK" "$@"
	assert_match "$STATUS" '^[23]' "without the guard: $* says $output" || return 1
	undo "$2"
}

# barred WORDS RULE METHOD TARGET [BODY] - refused by the guard with these words, and so it is in the audit
barred() {
	local words=$1 rule=$2 line
	shift 2
	api "$GUARD_SOCK" "$@"
	assert_match "$STATUS" '^4[0-9][0-9]$' "through the guard: $* says $output" || return 1
	assert_has "$(jq -r .message <<<"$output")" "$words" "$*" || return 1
	line=$(tail -n 1 "$GUARD_AUDIT")
	assert_eq "$(jq -r '"\(.action) \(.uid) \(.pid > 1) \(.rule)"' <<<"$line")" "refused 0 true $rule" "$*" || return 1
	assert_eq "$(jq -r .message <<<"$line")" "$(jq -r .message <<<"$output")"
}

# bars WORDS RULE METHOD TARGET [BODY] - works without the guard, not with it
bars() {
	control "${@:3}" && barred "$@"
}

# bars_create WORDS RULE MEMBERS
bars_create() {
	bars "$1" "$2" POST /containers/create "$(with "$3")"
}

# passes METHOD TARGET [BODY] - the guard lets it through
passes() {
	api "$GUARD_SOCK" "$@"
	assert_match "$STATUS" '^[23]' "through the guard: $* says $output" || return 1
	undo "$2"
}

passes_create() {
	passes POST /containers/create "$(with "$1")"
}

# audited RULE - setting and object of the newest refusal
audited() {
	jq -r '"\(.rule) \(.setting)"' <<<"$(tail -n 1 "$GUARD_AUDIT")"
}

# settings_set JQ_FILTER - change the guard's settings and have them loaded
settings_set() {
	jq "$1" "$SETTINGS" >"$GUARD_SETTINGS.new" && mv "$GUARD_SETTINGS.new" "$GUARD_SETTINGS"
	guard_reload 'settings loaded'
}

# guard_reload WORDS - SIGHUP, until the guard says WORDS
guard_reload() {
	local before
	before=$(wc -l <"$ENGINE/guard.log")
	kill -HUP "$(cat "$ENGINE/guard.pid")"
	eventually 5 says_since "$before" "$1"
}

says_since() {
	tail -n +"$(($1 + 1))" "$ENGINE/guard.log" | grep -q -- "$2"
}

# capture_fail COMMAND... - sets output; a command that succeeds fails the test
capture_fail() {
	output=$("$@" 2>&1 </dev/null) || return 0
	fail "succeeded: $*: $output"
}
