# SPDX-License-Identifier: Apache-2.0
# What registries are asked (E56, A134 to A138): Debian's registry with and without TLS and logins, and hostile ones.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/registry.bash

setup_file() {
	run_open || return 1
	registry_certs || return 1
	hostile_start || return 1
	export PLAIN=$REGISTRY PLAIN_ID=$REGISTRY_ID
	hostile_start localhost || return 1
	export SECURE=$REGISTRY SECURE_ID=$REGISTRY_ID
	# each is "another host" for the other one, as its port is another
	printf 'https://%s\n' "$SECURE" >"$(registry_dir)/$PLAIN_ID/other"
	printf 'http://%s\n' "$PLAIN" >"$(registry_dir)/$SECURE_ID/other"
	read -r GOOD GOOD_CONFIG OTHER < <("$PYTHON" "$REGISTRY_PY" good-manifest)
	export GOOD GOOD_CONFIG OTHER
	export AUTH='.auth = {username: "alice", password: "secret"}'
	ALICE="Basic $(printf alice:secret | base64)"
	export ALICE
}

teardown_file() {
	registry_close
	run_close
}

setup() {
	unset HTTPS_PROXY https_proxy HTTP_PROXY http_proxy ALL_PROXY all_proxy NO_PROXY no_proxy
	REGISTRY=$PLAIN REGISTRY_ID=$PLAIN_ID
	CA=".ca = $(jq -Rs . <"$REGISTRY_CA")"
}

teardown() {
	[ -z "${ENGINE:-}" ] || docker_close
}

# secure - the hostile registry with TLS from here on
secure() {
	REGISTRY=$SECURE REGISTRY_ID=$SECURE_ID
}

# ask REPO REFERENCE [JQ] - into $answer; within the time that the job gives, and a bit
ask() {
	local start=$SECONDS
	answer=$(registry_ask "$@") || return 1
	[ $((SECONDS - start)) -le $((14 * ${CAISSON_TEST_SLOW:-1})) ] || fail "took $((SECONDS - start)) s"
	jq -e .status <<<"$answer" >/dev/null || fail "no answer: $answer"
}

of() {
	jq -r "$1" <<<"$answer"
}

found() {
	ask "$@" || return 1
	assert_eq "$(of .status)" found "$answer"
}

# fails WORDS REPO REFERENCE [JQ] - with one line that has the words and names the registry
fails() {
	local words=$1
	shift
	ask "$@" || return 1
	assert_eq "$(of .status)" failed "$answer" && assert_has "$(of .message)" "$words" &&
		assert_has "$(of .message)" "registry ${ASKED:-$REGISTRY}" && assert_lines "$(of .message)" 1
}

none() {
	ask "$1" "$2" "${3:-.}" || return 1
	assert_eq "$(of .status)" none "$answer"
	assert_has "$(of .message)" "registry $REGISTRY"
}

# logged WORDS - requests so far of the registry, whose lines have the words
logged() {
	grep -cF -- "$1" "$(registry_file log)" || true
}

forget() {
	: >"$(registry_dir)/$PLAIN_ID/log"
	: >"$(registry_dir)/$SECURE_ID/log"
}

# ---- Debian's registry ------------------------------------------------------------------------------------

@test "plain HTTP on loopback: an image by tag and by digest, with its chain of digests" {
	registry_start
	pushed=$(registry_push_busybox a/box 1.0 --format docker)
	for reference in 1.0 "$(jq -r .digest <<<"$pushed")"; do
		found a/box "$reference"
		assert_eq "$(of '.digests | join(" ")')" "$(jq -r '[.digest, .images[0].config] | join(" ")' <<<"$pushed")"
		assert_eq "$(of '.images | length')" 1
		assert_eq "$(of '.images[0].layers | join(" ")')" "$(jq -r '.images[0].layers | join(" ")' <<<"$pushed")"
		assert_eq "$(of '.images[0] | [.config, .os, .architecture, .variant, .history[0]] | join(" ")')" \
			"$(jq -r '.images[0].config' <<<"$pushed") linux amd64  2024-01-01T00:00:00Z|ADD layer 0|test"
	done
	assert_eq "$(of '.images[0].layers[0]')" "sha256:$(sha256sum <"$CAISSON_TEST_RUN/busybox.tar" | cut -d' ' -f1)"
	none a/box 2.0
	assert_has "$(of .message)" 'a/box has nothing under "2.0"'
	none a/nothing latest
	none a/box "$GOOD"
}

@test "a tag that moves stands for what it stands for now; known ones are asked about without a body" {
	registry_start
	first=$(registry_push a/moves latest --text one | jq -r .digest)
	found a/moves latest ".known = \"$OTHER\""
	assert_eq "$(of '.digests[0]')" "$first"
	ask a/moves latest ".known = \"$first\""
	assert_eq "$answer" '{"status":"same"}'
	second=$(registry_push a/moves latest --text two | jq -r .digest)
	[ "$first" != "$second" ]
	found a/moves latest ".known = \"$first\""
	assert_eq "$(of '.digests[0]')" "$second"
	REGISTRY=$PLAIN REGISTRY_ID=$PLAIN_ID
	forget
	ask good latest ".known = \"$GOOD\""
	assert_eq "$answer" '{"status":"same"}'
	assert_eq "$(cat "$(registry_file log)")" "HEAD /v2/good/manifests/latest -"
	found no-head latest ".known = \"$GOOD\""
	fails "asked too often" busy latest ".known = \"$GOOD\""
	assert_eq "$(of .retryAfter)" 30
}

@test "an index: what is of linux and of this machine is looked into, attestations are not" {
	registry_start
	for format in oci docker; do
		pushed=$(registry_push a/multi $format --format $format --attest --platform linux/amd64 --platform linux/arm64/v8 \
			--platform linux/386 --platform windows/amd64 --platform linux/amd64/v3)
		found a/multi $format
		assert_eq "$(of '.digests | sort | join(" ")')" "$(jq -r '[.digest, (.images[] |
			select(.platform | test("linux/(amd64|386)")) | .manifest, .config)] | sort | join(" ")' <<<"$pushed")"
		assert_eq "$(of '.images | map(.os + "/" + .architecture + .variant) | sort | join(" ")')" "linux/386 linux/amd64 linux/amd64v3"
		refute_has "$answer" "$(jq -r '.images[1].config' <<<"$pushed")"
	done
}

@test "an engine's push is understood" {
	docker_open runc
	registry_start
	registry_in_net "$ENGINE_NET"
	d tag "$IMAGE" "$REGISTRY/from/engine:latest"
	d push -q "$REGISTRY/from/engine:latest"
	found from/engine latest
	assert_has "$(of '.digests | join(" ")')" "$(d image inspect -f '{{.Id}}' "$IMAGE")"
	assert_eq "$(of '.digests[0]')" "$(d image inspect -f '{{index .RepoDigests 0}}' "$REGISTRY/from/engine" | cut -d@ -f2)"
	assert_eq "$(of '.images[0].layers | join(" ")')" "$(d image inspect "$IMAGE" | jq -r '.[0].RootFS.Layers | join(" ")')"
	# and the other way round: what is pushed without an engine runs
	pushed=$(registry_push_busybox for/engine latest)
	run -0 d run --rm --network none --runtime runc "$REGISTRY/for/engine" echo works
	assert_has "$output" works
	assert_eq "$(d image inspect -f '{{.Id}}' "$REGISTRY/for/engine")" "$(jq -r '.images[0].config' <<<"$pushed")"
}

@test "TLS: nothing without the CA, no way back to HTTP, and nothing with another CA" {
	registry_start tls
	registry_push a/box latest
	found a/box latest "$CA"
	fails "the certificate is not trusted (" a/box latest
	assert_has "$(of .message)" "give its CA with caisson.dockerSocket.registries"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=caisson test CA" \
		-keyout /dev/null -out "$BATS_TEST_TMPDIR/other.crt" 2>/dev/null
	fails "the certificate is not trusted (" a/box latest ".ca = $(jq -Rs . <"$BATS_TEST_TMPDIR/other.crt")"
	fails "CA of caisson.dockerSocket.registries cannot be read" a/box latest '.ca = "no PEM"'
	found a/box latest '.insecure = true'
}

# client_certificate NAME CA - a pair for clients, signed by that CA
client_certificate() {
	local dir=$BATS_TEST_TMPDIR
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$dir/$1.key" -out "$dir/$1.csr" 2>/dev/null &&
		openssl x509 -req -in "$dir/$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days 2 -out "$dir/$1.cert" 2>/dev/null
	PAIR=".certs = {cert: $(jq -Rs . <"$dir/$1.cert"), key: $(jq -Rs . <"$dir/$1.key")}"
}

@test "TLS: a registry that asks for a client certificate gets the one that is given, and without one that is said" {
	local pair
	registry_start tls
	registry_push a/box latest
	registry_stop
	sed -i "s|tls: {|tls: {clientcas: [$REGISTRY_CA], |" "$(registry_file config.yml)"
	registry_again
	fails "it asks for a client certificate (" a/box latest "$CA"
	assert_has "$(of .message)" "put NAME.cert and NAME.key into its directory below /etc/docker/certs.d"
	client_certificate good "${REGISTRY_CA%.crt}"
	pair=$PAIR
	found a/box latest "$CA | $pair"
	# The pair does not make up for the CA.
	fails "the certificate is not trusted (" a/box latest "$pair"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=other CA" \
		-keyout "$BATS_TEST_TMPDIR/other.key" -out "$BATS_TEST_TMPDIR/other.crt" 2>/dev/null
	client_certificate bad "$BATS_TEST_TMPDIR/other"
	fails "it does not take the client certificate (" a/box latest "$CA | $PAIR"
	fails "the client certificate does not do" a/box latest "$CA | $pair | .certs.key = $(jq -Rs . <"$BATS_TEST_TMPDIR/bad.key")"
}

@test "TLS: a certificate of another host" {
	hostile_start wrong
	fails "the certificate is another host's (" good latest "$CA"
	assert_eq "$(logged GET)" 0
	found good latest '.insecure = true'
}

@test "a CA given for a registry that has no TLS: it is not asked without" {
	forget
	fails "cannot agree on TLS" good latest "$CA"
	assert_eq "$(logged good)" 0
	found good latest
}

@test "names that are not loopback are asked by HTTPS only, through the proxy that is set" {
	local id port log
	id=$(registry_new proxy)
	port=$(registry_port)
	log=$(registry_dir)/$id/log
	registry_spawn "$id" "$port" "$PYTHON" "$REGISTRY_PY" proxy "$port" "$log" "registry.test:443=${SECURE#*:}" \
		"registry.test:5000=${SECURE#*:}" "plain.test:443=${PLAIN#*:}" "plain.test:80=${PLAIN#*:}"
	ASKED=registry.test:5000 REGISTRY=registry.test:5000
	found good latest "$CA | .proxy = \"http://127.0.0.1:$port\""
	assert_has "$(cat "$log")" "CONNECT registry.test:5000"
	: >"$log"
	REGISTRY=registry.test
	HTTPS_PROXY=http://127.0.0.1:$port found good latest "$CA"
	assert_has "$(cat "$log")" "CONNECT registry.test:443"
	ASKED=registry.test
	HTTPS_PROXY=http://127.0.0.1:$port NO_PROXY=registry.test fails "cannot be resolved" good latest "$CA"
	fails "the certificate is not trusted" good latest ".proxy = \"http://127.0.0.1:$port\""
	# who speaks HTTP only is not asked at all, unless the settings say that it does not matter
	forget
	ASKED=plain.test REGISTRY=plain.test
	fails "cannot agree on TLS" good latest "$CA | .proxy = \"http://127.0.0.1:$port\""
	REGISTRY_ID=$PLAIN_ID
	fails "cannot agree on TLS" good latest ".proxy = \"http://127.0.0.1:$port\""
	assert_eq "$(logged good)" 0
	found good latest ".insecure = true | .proxy = \"http://127.0.0.1:$port\""
	# and loopback is never asked through one
	: >"$log"
	REGISTRY=$PLAIN
	HTTPS_PROXY=http://127.0.0.1:$port HTTP_PROXY=http://127.0.0.1:$port found good latest ".proxy = \"http://127.0.0.1:$port\""
	assert_eq "$(cat "$log")" ""
	ASKED=registry.test REGISTRY=registry.test
	fails "the proxy's name cannot be resolved" good latest '.proxy = "http://proxy.invalid:1"'
}

@test "basic login: with the password, with a wrong one, without" {
	registry_start tls basic
	registry_push private/box latest
	found private/box latest "$CA | $AUTH"
	fails "asks for a login: docker login" private/box latest "$CA"
	fails "is denied (401)" private/box latest "$CA | .auth = {username: \"alice\", password: \"wrong\"}"
	fails "asks for a login" private/box latest "$CA | .auth = {registrytoken: \"x\"}"
}

@test "tokens: anonymous, by password, by refresh token, and a token given" {
	registry_start tls token
	registry_push public/box latest
	registry_push private/box latest
	log=$(echo "$(registry_dir)"/token.*/log)
	: >"$log"
	found public/box latest "$CA"
	assert_has "$(cat "$log")" "GET /token?client_id=caisson&service=test-registry&scope=repository%3Apublic/box%3Apull -"
	fails "access to private/box is denied (401)" private/box latest "$CA"
	found private/box latest "$CA | $AUTH"
	assert_has "$(cat "$log")" "&account=alice $ALICE"
	: >"$log"
	fails "the credentials are refused by localhost (401)" private/box latest "$CA | .auth = {username: \"alice\", password: \"x\"}"
	found private/box latest "$CA | .auth = {identitytoken: \"refresh/1\"}"
	found private/box latest "$CA | .auth = {username: \"<token>\", password: \"refresh/1\"}"
	fails "the credentials are refused by localhost (401)" private/box latest "$CA | .auth = {identitytoken: \"x\"}"
	token=$(curl -sS --cacert "$REGISTRY_CA" -u alice:secret "$(sed -n 's/.*realm: "\([^"]*\)".*/\1/p' \
		"$(registry_file config.yml)")?service=test-registry&scope=repository:private/box:pull" | jq -r .token)
	: >"$log"
	found private/box latest "$CA | .auth = {registrytoken: \"$token\"}"
	assert_eq "$(cat "$log")" ""
	fails "is denied (401)" private/box latest "$CA | .auth = {registrytoken: \"x$token\"}"
}

@test "an outage, and its end" {
	registry_start
	registry_push a/box latest
	registry_stop
	fails "cannot connect" a/box latest
	registry_again
	found a/box latest
}

# ---- where credentials go ---------------------------------------------------------------------------------

@test "redirects to another host are followed without credentials, and there is no way back to them" {
	# "insecure" is about the registry, not about where it sends us
	for insecure in false true; do
		forget
		fails "localhost port ${SECURE#*:}, where it sent us: the certificate is not trusted" other latest \
			"$AUTH | .insecure = $insecure"
		assert_has "$(cat "$(registry_file log)")" "/v2/other/manifests/latest $ALICE"
	done
	hostile_start localhost
	printf 'https://%s\n' "$SECURE" >"$(registry_file other)"
	forget
	found other latest "$CA | $AUTH"
	assert_eq "$(of '.digests | join(" ")')" "$GOOD $GOOD_CONFIG"
	assert_eq "$(logged "other/manifests/latest $ALICE")" 1
	there=$(cat "$(registry_dir)/$SECURE_ID/log")
	assert_eq "$there" "$(printf 'GET /v2/good/%s -\n' manifests/latest "blobs/$GOOD_CONFIG")"
	# and back: what the other host named is asked for as nobody
	printf 'https://%s\n' "$REGISTRY" >"$(registry_dir)/$SECURE_ID/other"
	: >"$(registry_file log)"
	found back latest "$CA | $AUTH"
	printf 'http://%s\n' "$PLAIN" >"$(registry_dir)/$SECURE_ID/other"
	assert_eq "$(logged "back/manifests/latest $ALICE")" 1
	assert_eq "$(logged "good/manifests/latest -")" 1
	assert_eq "$(logged "good/manifests/latest $ALICE")" 0
}

@test "redirects within the registry keep credentials; five are followed" {
	forget
	found few latest
	assert_eq "$(logged "few/manifests")" 5
	fails "sends us elsewhere over 5 times" loop latest
}

@test "redirects that are not followed: to HTTP, to files, with a password, without end" {
	secure
	forget
	fails "from https to http" to-http latest "$CA"
	fails "from https to http" other latest "$CA | $AUTH"
	fails "not one of http or https" to-file latest "$CA"
	fails "has a user or a password" to-user latest "$CA"
	fails "sends us elsewhere over 5 times" loop latest "$CA"
	assert_eq "$(wc -l <"$(registry_dir)/$PLAIN_ID/log")" 0
	assert_eq "$(logged "good")" 0
}

@test "token servers: another host by HTTPS only; tokens that cannot be sent" {
	hostile_start localhost
	printf '{"token": "good-token"}' >"$(registry_file token)"
	cp "$(registry_file token)" "$(registry_dir)/$SECURE_ID/token"
	cp "$(registry_file token)" "$(registry_dir)/$PLAIN_ID/token"
	forget
	printf 'https://%s/token?x=1\n' "$SECURE" >"$(registry_file realm)"
	found realm latest "$CA | $AUTH"
	assert_has "$(cat "$(registry_dir)/$SECURE_ID/log")" \
		"GET /token?x=1&client_id=caisson&service=a%26b&scope=repository%3Arealm%3Apull&account=alice $ALICE"
	assert_eq "$(logged "$ALICE")" 0
	for realm in "http://$PLAIN/token" "http://$REGISTRY/token" "http://elsewhere.test/token"; do
		printf '%s\n' "$realm" >"$(registry_file realm)"
		fails "by plain HTTP, which anybody on the way can read" realm latest "$CA | $AUTH"
	done
	printf 'file:///etc/passwd\n' >"$(registry_file realm)"
	fails "names a token server, but" realm latest "$CA | $AUTH"
	assert_eq "$(wc -l <"$(registry_dir)/$PLAIN_ID/log")" 0
	printf 'https://%s/token\n' "$SECURE" >"$(registry_file realm)"
	printf '{"token": "good-token\\r\\nX-Evil: 1"}' >"$(registry_dir)/$SECURE_ID/token"
	fails "sends no token that can be used" realm latest "$CA | $AUTH"
	head -c 300000 /dev/zero | tr '\0' ' ' >"$(registry_dir)/$SECURE_ID/token"
	fails "too long" realm latest "$CA | $AUTH"
	# a registry on loopback without TLS: its own host may be asked for tokens without, no other
	REGISTRY=$PLAIN REGISTRY_ID=$PLAIN_ID
	printf 'http://%s/token\n' "$PLAIN" >"$(registry_file realm)"
	found realm latest "$AUTH"
	printf 'http://127.0.0.1:%s/token\n' "${PLAIN#*:}" >"$(registry_file realm)"
	fails "by plain HTTP" realm latest "$AUTH"
}

@test "logins that cannot be made: malformed, of another kind, without end" {
	fails "in a way that can be read" bad-challenge latest "$AUTH"
	fails "a kind of login that is not known" digest-login latest "$AUTH"
	forget
	fails "access to denied is denied (401)" denied latest "$AUTH"
	assert_eq "$(logged denied)" 2
}

@test "mirrors: asked in the place of the registry, without the registry's credentials" {
	secure
	REGISTRY=registry.invalid ASKED="registry.invalid (asked at localhost)"
	export REGISTRY_ID=$SECURE_ID
	forget
	found good latest "$CA | $AUTH | .endpoint = \"https://$SECURE/\""
	assert_eq "$(logged "good/manifests/latest -")" 1
	fails "asks for a login" denied latest "$CA | $AUTH | .endpoint = \"https://$SECURE\""
	found good latest ".endpoint = \"http://$PLAIN\""
	fails "cannot agree on TLS" good latest ".endpoint = \"https://$PLAIN\""
	ASKED="registry.invalid (asked at mirror.invalid)"
	fails "by plain HTTP, which anybody on the way can change" good latest '.endpoint = "http://mirror.invalid"'
	ASKED="registry.invalid"
	fails "has a user or a password" good latest '.endpoint = "https://a:b@mirror.invalid"'
	fails "not one of http or https" good latest '.endpoint = "file:///x"'
}

# ---- documents --------------------------------------------------------------------------------------------

@test "A136: documents that can be taken for something else are refused, each for its reason" {
	fails "is an index and a manifest at once" polyglot latest
	fails "is an index and a manifest at once" polyglot-index latest
	fails 'has "manifests" in another spelling' spelling latest
	fails "two members of one object have the same name" twice latest
	fails "but says that it is something else" lying-type latest
	fails "but says that it is something else" docker-type latest
	fails "another media type than those of images" json-type latest
	fails "another media type than those of images" no-type latest
	fails "says one thing twice" two-types latest
	fails 'old format "schema 1"' schema1 latest
	fails "the document ends inside an object" bad-json latest
	fails "nested" deep latest
	fails "is not an image" plugin latest
	fails "has 1 layers, but its manifest 2" layers latest
	fails 'is said to be over 8388608 bytes' big-config latest
	fails "over 64 platforms" crowd latest
	fails "is an index in an index" nested latest
}

@test "A135: bytes that are not what their digest says are refused" {
	found good latest
	assert_eq "$(of '.digests | join(" ")')" "$GOOD $GOOD_CONFIG"
	found good "$GOOD"
	found wrong-digest "$OTHER"
	fails "it sends something else" wrong-digest "$GOOD"
	fails "(Docker-Content-Digest)" wrong-header latest
	found wrong-header "$GOOD"
	fails "it sends something else" wrong-config latest
	fails "the configuration of" no-config latest
}

@test "an index of which only a part is there, and one that has nothing for this machine" {
	found sparse latest
	assert_eq "$(of '.digests[1:] | join(" ")')" "$GOOD $GOOD_CONFIG"
	# where the index does not say for what it is, its configuration does
	found no-platform latest
	assert_eq "$(of '.digests[1:] | join(" ")')" "$GOOD $GOOD_CONFIG"
	assert_eq "$(of '.images | length')" 1
	none foreign latest
	assert_has "$(of .message)" "has no image for this machine"
}

@test "answers without end are cut, and slow ones given up" {
	fails "the answer is too long: over 4194304 bytes" huge latest
	fails "the answer is too long" endless latest
	fails "the answer is too long" endless-head latest
	for case in slow silent steady endless-continue; do
		start=$SECONDS
		fails "" $case latest '.seconds = 3'
		[[ $(of .message) =~ "no complete answer in time"|"too long" ]] || fail "$answer"
		[ $((SECONDS - start)) -le $((6 * ${CAISSON_TEST_SLOW:-1})) ] || fail "$case: $((SECONDS - start)) s"
	done
	fails "too slow" slow latest '.seconds = 6'
	fails "" cut latest
	fails "" garbage latest
}

@test "busy and broken registries say when to come back" {
	fails "it has been asked too often (429)" busy latest
	assert_eq "$(of .retryAfter)" 30
	fails "(429)" busy-silent latest
	assert_eq "$(of 'has("retryAfter")')" false
	fails "it is out of service (503)" down latest
	[ "$(of .retryAfter)" -ge 90 ]
	[ "$(of .retryAfter)" -le 100 ]
	fails "it answers 500" broken latest
	ask good latest '.seconds = 0'
	assert_eq "$(of .message)" "caisson-registry: seconds: 1 to 60 were expected"
	ask ../good latest
	assert_has "$(of .message)" "caisson-registry: the image's name"
}

# ---- the process ------------------------------------------------------------------------------------------

@test "it runs as nobody, without rights, and nothing of the host is open in it" {
	unsanitized "a library reads /proc"
	forget
	exec 7<"$REGISTRY_PY"
	job=$(jq -nc --arg registry "$REGISTRY" '{registry: $registry, repository: "silent", reference: "latest", seconds: 20,
		auth: {username: "alice", password: "hidden"}}')
	SECRET_VARIABLE=x CAISSON_TEST_RUN=$CAISSON_TEST_RUN bash -c 'exec "$1" <<<"$2" >/dev/null' - \
		"$CAISSON_REGISTRY_HELPER" "$job" 3>&- &
	pid=$!
	exec 7<&-
	eventually 10 grep -q silent "$(registry_file log)"
	status=$(cat "/proc/$pid/status")
	for line in Uid:$'\t'65534$'\t'65534$'\t'65534$'\t'65534 Gid:$'\t'65534$'\t'65534$'\t'65534$'\t'65534 \
		CapPrm:$'\t'0000000000000000 CapBnd:$'\t'0000000000000000 NoNewPrivs:$'\t'1 Seccomp:$'\t'2; do
		assert_has "$status" "$line"
	done
	assert_eq "$(stat -c %u "/proc/$pid/mem")" 0 dumpable
	limits=$(cat "/proc/$pid/limits")
	assert_match "$limits" "Max file size +0 +0 "
	assert_match "$limits" "Max core file size +0 +0 "
	assert_match "$limits" "Max address space +536870912 +536870912 "
	assert_match "$limits" "Max open files +32 +32 "
	refute_has "$(ls -l "/proc/$pid/fd")" registry.py
	run -1 setpriv --reuid 65534 --regid 65534 --clear-groups cat "/proc/$pid/environ"
	kill -KILL "$pid"
	run wait "$pid"
}
