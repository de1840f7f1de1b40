# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Registries of the test's own on loopback: Debian's docker-registry, and servers that pretend to be one (registry.py).
# After run_open() or docker_open(); registry_close() in teardown_file ends all of them.
#
#   registry_start [tls] [basic|token]   sets REGISTRY (localhost:PORT), REGISTRY_USER (alice:secret where it asks for a
#                                        login), REGISTRY_CA (of TLS) and REGISTRY_ID, by which it is stopped
#   registry_url                         https://localhost:PORT or http://...
#   registry_push REPO TAG [OPTION...]   put a small image there without an engine, prints {digest, images}: see registry.py
#   registry_push_busybox REPO TAG [...] likewise, one that runs
#   registry_stop [ID], registry_again [ID]   an outage, and its end
#   registry_in_net NETNS                the same port in a network namespace as well (ENGINE_NET), for an engine there
#   registry_ask REPO REFERENCE [JQ]     what caisson-registry says; JQ changes the job

REGISTRY_PY=$CAISSON_SRC/tests/lib/registry.py
: "${CAISSON_REGISTRY_HELPER:=$CAISSON_BUILD/src/bin/caisson-registry}"

# registry_dir - of this test file
registry_dir() {
	printf '%s-registry' "$(file_dir)"
}

# registry_certs - a CA of the test's own, a certificate of localhost, and one of another host; made once per test file
registry_certs() {
	local dir name san
	dir=$(registry_dir)/certs
	REGISTRY_CA=$dir/ca.crt
	export REGISTRY_CA
	[ ! -e "$dir/done" ] || return 0
	mkdir -p "$dir"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=caisson test CA" \
		-addext basicConstraints=critical,CA:TRUE -keyout "$dir/ca.key" -out "$dir/ca.crt" 2>/dev/null || return 1
	for name in localhost wrong; do
		san=DNS:localhost,IP:127.0.0.1,DNS:registry.test,DNS:auth.test
		[ $name = localhost ] || san=DNS:elsewhere.test
		openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
			-keyout "$dir/$name.key" -out "$dir/$name.csr" 2>/dev/null &&
			openssl x509 -req -in "$dir/$name.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -days 2 \
				-extfile <(printf 'subjectAltName=%s\n' "$san") -out "$dir/$name.crt" 2>/dev/null || return 1
	done
	: >"$dir/done"
}

# registry_port - one that nobody listens on; outside of the range that the kernel gives to clients
registry_port() {
	local port
	while :; do
		port=$((RANDOM % 8000 + 20000))
		(: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	printf '%s' "$port"
}

port_open() {
	(: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# registry_spawn ID PORT COMMAND... - a server of this test file; what it was started with is kept for registry_again()
registry_spawn() {
	local dir port=$2
	dir=$(registry_dir)/$1
	shift 2
	printf '%s\n' "$port" >"$dir/port"
	printf '%s\n' "${*@Q}" >"$dir/command"
	spawn "$dir/out" "$@" >"$dir/pid"
	eventually 20 port_open "$port" || {
		cat "$dir/out" >&2
		return 1
	}
}

# registry_new NAME - an id that no other has; its directory is made
registry_new() {
	local dir
	mkdir -p "$(registry_dir)"
	dir=$(mktemp -d "$(registry_dir)/$1.XXXX") || return 1
	printf '%s' "${dir##*/}"
}

registry_start() {
	local port dir what tls='' auth='' realm
	REGISTRY_USER=
	for what; do
		case $what in
		tls) tls=1 ;;
		basic | token) auth=$what ;;
		*) die "registry_start: unknown '$what'" || return 1 ;;
		esac
	done
	REGISTRY_ID=$(registry_new registry) || return 1
	dir=$(registry_dir)/$REGISTRY_ID
	port=$(registry_port)
	REGISTRY=localhost:$port
	[ -z "$auth" ] || REGISTRY_USER=alice:secret
	export REGISTRY REGISTRY_ID REGISTRY_USER
	registry_certs || return 1
	{
		printf 'version: 0.1\nlog: {level: warn}\nstorage: {filesystem: {rootdirectory: %s/data}, delete: {enabled: true}}\n' "$dir"
		printf 'http:\n  addr: localhost:%s\n  secret: test\n' "$port"
		[ -z "$tls" ] || printf '  tls: {certificate: %s.crt, key: %s.key}\n' "${REGISTRY_CA%/*}/localhost" "${REGISTRY_CA%/*}/localhost"
		case $auth in
		basic)
			htpasswd -Bbn "${REGISTRY_USER%:*}" "${REGISTRY_USER#*:}" >"$dir/htpasswd"
			printf 'auth: {htpasswd: {realm: test, path: %s/htpasswd}}\n' "$dir"
			;;
		token)
			realm=$(registry_token_server "$tls") || return 1
			printf 'auth: {token: {realm: "%s", service: test-registry, issuer: caisson-test, rootcertbundle: %s}}\n' \
				"$realm" "$(registry_dir)/token.crt"
			;;
		esac
	} >"$dir/config.yml"
	printf '%s\n' "${tls:+https}" >"$dir/scheme"
	registry_spawn "$REGISTRY_ID" "$port" docker-registry serve "$dir/config.yml"
}

# registry_token_server [tls] - prints its address; its log is token.*/log
registry_token_server() {
	local id dir port
	id=$(registry_new token) || return 1
	dir=$(registry_dir)/$id
	port=$(registry_port)
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=tokens" -keyout "$dir/token.key" -out "$dir/token.crt" 2>/dev/null
	cp "$dir/token.crt" "$(registry_dir)/token.crt"
	registry_spawn "$id" "$port" "$PYTHON" "$REGISTRY_PY" token "$port" "$dir" \
		${1:+"${REGISTRY_CA%/*}/localhost.crt" "${REGISTRY_CA%/*}/localhost.key"} || return 1
	printf '%s://localhost:%s/token' "http${1:+s}" "$port"
}

# hostile_start [localhost|wrong] - a registry that misbehaves, with TLS when a certificate is named; as registry_start
hostile_start() {
	local dir port
	REGISTRY_ID=$(registry_new hostile) || return 1
	dir=$(registry_dir)/$REGISTRY_ID
	port=$(registry_port)
	REGISTRY=localhost:$port REGISTRY_USER=
	export REGISTRY REGISTRY_ID REGISTRY_USER
	registry_certs || return 1
	printf '%s\n' "${1:+https}" >"$dir/scheme"
	: >"$dir/log"
	registry_spawn "$REGISTRY_ID" "$port" "$PYTHON" "$REGISTRY_PY" hostile "$port" "$dir" \
		${1:+"${REGISTRY_CA%/*}/$1.crt" "${REGISTRY_CA%/*}/$1.key"}
}

# registry_file NAME - of the registry's directory: "log" of a hostile one
registry_file() {
	printf '%s/%s/%s' "$(registry_dir)" "$REGISTRY_ID" "$1"
}

registry_url() {
	local scheme
	scheme=$(cat "$(registry_file scheme)")
	printf '%s://%s' "${scheme:-http}" "$REGISTRY"
}

registry_push() {
	local repository=$1 tag=$2
	shift 2
	"$PYTHON" "$REGISTRY_PY" push "$(registry_url)" "$repository" "$tag" --ca "$REGISTRY_CA" \
		${REGISTRY_USER:+--user "$REGISTRY_USER"} "$@"
}

registry_push_busybox() {
	local repository=$1 tag=$2
	shift 2
	image_tar "$CAISSON_TEST_RUN/busybox.tar"
	registry_push "$repository" "$tag" --layer "$CAISSON_TEST_RUN/busybox.tar" "$@"
}

registry_stop() {
	local pid dir
	dir=$(registry_dir)/${1:-$REGISTRY_ID}
	pid=$(cat "$dir/pid" 2>/dev/null) || return 0
	kill -KILL "$pid" 2>/dev/null
	eventually 10 ended "$pid"
}

registry_again() {
	local id=${1:-$REGISTRY_ID} dir
	local -a command
	dir=$(registry_dir)/$id
	eval "command=($(cat "$dir/command"))"
	registry_spawn "$id" "$(cat "$dir/port")" "${command[@]}"
}

# Two relays with a socket file between them: a network namespace has none of the other's ports, but the same files.
registry_in_net() {
	local port=${REGISTRY##*:} dir id
	id=$(registry_new relay) || return 1
	dir=$(registry_dir)/$id
	spawn "$dir/out" socat "UNIX-LISTEN:$dir/sock,fork" "TCP4:127.0.0.1:$port" >"$dir/pid"
	eventually 10 test -S "$dir/sock" || return 1
	id=$(registry_new relay) || return 1
	spawn "$(registry_dir)/$id/out" nsenter --net="$1" -- socat "TCP4-LISTEN:$port,bind=127.0.0.1,reuseaddr,fork" \
		"UNIX-CONNECT:$dir/sock" >"$(registry_dir)/$id/pid"
	eventually 10 nsenter --net="$1" -- bash -c ": <>/dev/tcp/127.0.0.1/$port"
}

registry_ask() {
	jq -nc --arg registry "$REGISTRY" --arg repository "$1" --arg reference "$2" \
		'{registry: $registry, repository: $repository, reference: $reference, seconds: 10} | '"${3:-.}" |
		"$CAISSON_REGISTRY_HELPER" | cat
}

# registry_close() - end all that this file started; before docker_close() or run_close()
registry_close() {
	local file pid
	for file in "$(registry_dir)"/*/pid; do
		pid=$(cat "$file" 2>/dev/null)
		[ -n "$pid" ] || continue
		kill -KILL -- "-$pid" 2>/dev/null
		eventually 10 ended "$pid"
	done
	rm -rf --one-file-system "$(registry_dir)"
}
