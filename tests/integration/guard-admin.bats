# SPDX-License-Identifier: Apache-2.0
# The administrator's side of the guard: settings files and their reload, caissonctl, install and uninstall. Nothing here
# touches this machine's own /etc: every command is given a root directory or a settings file of the test's.

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

setup() {
	D=$ENGINE/guard
	DROP=$D/admin-settings.d
	cp "$SETTINGS" "$GUARD_SETTINGS.new" && mv "$GUARD_SETTINGS.new" "$GUARD_SETTINGS"
	if [ -d "$DROP" ]; then
		find "$DROP" -mindepth 1 -maxdepth 1 -type f -delete
		rmdir "$DROP"
	fi
	rm -f "$D/user-settings.json"
	eventually 5 in_force
}

teardown() {
	drm aa bb
}

ctl() {
	"$CAISSON_CTL" --socket "$GUARD_SOCK" "$@"
}

# admin ARGS - with settings of the test's own, W, that no guard reads
admin() {
	"$CAISSON_CTL" --socket "$GUARD_SOCK" --settings "$W" "$@"
}

# own_settings - an empty settings directory: W
own_settings() {
	W=$ENGINE/w-$BATS_TEST_NUMBER
	mkdir -p "$W/admin-settings.d"
	chmod 0755 "$W" "$W/admin-settings.d"
}

put() {
	printf '%s\n' "$2" >"$1.new" && chmod 0644 "$1.new" && mv "$1.new" "$1"
}

status() {
	ctl --json status | jq -r "$1"
}

status_is() {
	[ "$(status "$1")" = "$2" ]
}

# in_force - the guard has what setup wrote
in_force() {
	status_is '"\(.settings.current) \(.isolation.setBy) \(.settings.files | length)"' "true built-in defaults 1"
}

# load_now - the guard has what was written when this returns
load_now() {
	: >"$ENGINE/guard.log"
	kill -HUP "$(cat "$ENGINE/guard.pid")"
	eventually 5 grep -q 'settings loaded' "$ENGINE/guard.log"
}

# ---- settings files -------------------------------------------------------------------------------------------

@test "E123 several files: the order of names, a later one wins, lists are replaced, each setting names its line" {
	own_settings
	put "$W/admin-settings.json" '{
  "filesharingAllowedDirectories": [{ "path": "/srv/a" }, { "path": "/srv/b" }],
  "caisson": { "idPool": { "first": 200000 }, "allowHooks": false }
}'
	put "$W/admin-settings.d/20-b.json" '{ "FileSharingAllowedDirectories": [{ "path": "/srv/last" }] }'
	put "$W/admin-settings.d/10-a.json" '{
  "filesharingAllowedDirectories": [{ "path": "/srv/middle" }],
  "caisson":
  { "idPool":
    { "count": 7 } } }'
	put "$W/admin-settings.d/.hidden.json" 'not JSON'
	put "$W/admin-settings.d/30-notes.txt" 'not JSON'
	run -0 admin --json policy show
	local p=$output
	assert_eq "$(jq -r '[.files[] | split("/")[-1]] | join(" ")' <<<"$p")" "admin-settings.json 10-a.json 20-b.json"
	assert_eq "$(jq -r '[.shares[] | select(.readOnly | not) | .path] | join(" ")' <<<"$p")" /srv/last
	assert_eq "$(jq -r '.shares[-1].decidedBy, .idPool.decidedBy, .allowHooks.decidedBy, .resourceView.decidedBy' <<<"$p")" \
		"$W/admin-settings.d/20-b.json:1
$W/admin-settings.d/10-a.json:4
$W/admin-settings.json:3
built-in defaults"
	assert_eq "$(jq -r '"\(.idPool.first) \(.idPool.count) \(.allowHooks.value)"' <<<"$p")" "200000 7 false"
}

@test "E119 what an earlier file locks a later one cannot change, and the message names both" {
	own_settings
	put "$W/admin-settings.json" '{"enhancedContainerIsolation": {"value": true, "locked": true}}'
	put "$W/admin-settings.d/50.json" '{"x": 1,
"EnhancedContainerIsolation": {"VALUE": false}}'
	run -1 admin policy show
	assert_eq "$output" "caissonctl: $W/admin-settings.d/50.json:2: EnhancedContainerIsolation.VALUE: differs from what $W/admin-settings.json says and locks; remove it here or unlock it there"
	put "$W/admin-settings.d/50.json" '{"enhancedContainerIsolation": {"value": true}}'
	run -0 admin policy show
	put "$W/admin-settings.d/50.json" '{"enhancedContainerIsolation": {"locked": false}}'
	run -1 admin policy show
	assert_has "$output" "enhancedContainerIsolation.locked: differs"
	put "$W/admin-settings.d/50.json" '{"enhancedContainerIsolation": {"dockerSocketMount": {"imageList": {"images": ["x"]}}}}'
	run -1 admin policy show
	assert_has "$output" "enhancedContainerIsolation.dockerSocketMount: differs"
}

@test "the runtime reads the same files" {
	own_settings
	put "$W/admin-settings.json" '{}'
	put "$W/admin-settings.d/50.json" '{"caisson": {"allowHooks": "no"}}'
	mkdir -p "$ENGINE/bundle/rootfs"
	(cd "$ENGINE/bundle" && rm -f config.json && "$CAISSON_RUNTIME" spec)
	run "$CAISSON_RUNTIME" --settings "$W" --root "$ENGINE/rt" create --bundle "$ENGINE/bundle" "x$RUN_TAG" </dev/null
	[ "$status" -ne 0 ]
	assert_has "$output" "$W/admin-settings.d/50.json: caisson.allowHooks: must be true or false, got a string"
}

@test "A143 files and directories that others could change are refused" {
	own_settings
	put "$W/admin-settings.json" '{}'
	put "$W/admin-settings.d/50.json" '{}'
	chmod 0666 "$W/admin-settings.d/50.json"
	run -1 admin policy show
	assert_has "$output" "50.json is writable by group or others (mode 0666); run: chmod go-w"
	chmod 0644 "$W/admin-settings.d/50.json"
	chmod 0777 "$W/admin-settings.d"
	run -1 admin policy show
	assert_has "$output" "admin-settings.d is writable by group or others"
	chmod 0755 "$W/admin-settings.d"
	chown 1000 "$W/admin-settings.d/50.json"
	run -1 admin policy show
	assert_has "$output" "belongs to user 1000"
	rm "$W/admin-settings.d/50.json"
	ln -s ../admin-settings.json "$W/admin-settings.d/50.json"
	run -1 admin policy show
	assert_has "$output" "is a symbolic link"
}

@test "E118 E119 E120 E122 A145 the users' file decides only what is not locked, and cannot break anything" {
	own_settings
	put "$W/admin-settings.json" '{"enhancedContainerIsolation": {"value": true, "locked": false}}'
	put "$W/user-settings.json" '{"theirs": 1, "EnhancedContainerIsolation": false}'
	chown 1000:1000 "$W/user-settings.json"
	assert_eq "$(admin --json policy show | jq -r '"\(.isolation.enabled) \(.isolation.decidedBy)"')" "false $W/user-settings.json:1"
	put "$W/user-settings.json" '{"enhancedContainerIsolation": {"value": false}}'
	assert_eq "$(admin --json policy show | jq -r .isolation.enabled)" false
	put "$W/user-settings.json" '{"enhancedContainerIsolation": "off"}'
	assert_eq "$(admin --json policy show | jq -r '"\(.isolation.enabled) \(.note)"')" \
		"true $W/user-settings.json: enhancedContainerIsolation: must be true or false; correct it or remove it"
	put "$W/user-settings.json" '{'
	assert_eq "$(admin --json policy show | jq -r .isolation.enabled)" true
	rm "$W/user-settings.json"
	mkfifo "$W/user-settings.json"
	run -0 timeout 5 "$CAISSON_CTL" --json --settings "$W" policy show
	assert_has "$output" "is not a regular file"
	rm "$W/user-settings.json"
	put "$W/user-settings.json" '{"enhancedContainerIsolation": false}'
	for text in '{"enhancedContainerIsolation": {"value": true, "locked": true}}' '{"enhancedContainerIsolation": {"value": true}}' '{}'; do
		put "$W/admin-settings.json" "$text"
		assert_eq "$(admin --json policy show | jq -r .isolation.enabled)" true "$text"
	done
}

# ---- reload ---------------------------------------------------------------------------------------------------

@test "E121 L24 A146 a changed file is in force without a signal; a bad one is not, the last good one stays and status says why" {
	put "$GUARD_SETTINGS" '{"enhancedContainerIsolation": {"value": false}}'
	eventually 5 status_is .isolation.enabled false
	put "$GUARD_SETTINGS" '{"enhancedContainerIsolation": {"value": 1}}'
	eventually 5 status_is .settings.current false
	assert_eq "$(status '"\(.isolation.enabled) \(.settings.problem)"')" \
		"false $GUARD_SETTINGS: enhancedContainerIsolation.value: must be true or false, got an integer"
	run -0 ctl status
	assert_has "$output" "newer ones are not in force: $GUARD_SETTINGS: enhancedContainerIsolation.value"
	rm "$GUARD_SETTINGS"
	eventually 5 grep -q 'admin-settings.json does not exist' "$ENGINE/guard.log"
	status_is .isolation.enabled false
	put "$GUARD_SETTINGS" '{"enhancedContainerIsolation": {"value": true}}'
	eventually 5 status_is .isolation.enabled true
	status_is .settings.problem null
	mkdir "$DROP"
	put "$DROP/90.json" '{"caisson": {"allowedDevices": ["/dev/kvm"]}}'
	eventually 5 status_is '.settings.files | length' 2
	rm "$DROP/90.json"
	eventually 5 status_is '.settings.files | length' 1
}

@test "no connection is dropped by a reload: a log that is followed, an upload, a connection at rest" {
	d run -d --name aa --network none "$IMAGE" sh -c 'for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.4; done'
	bg_run bash -c "timeout 30 '$DOCKER' logs -f aa >'$ENGINE/follow'"
	head -c 3000000 /dev/urandom >"$ENGINE/upload"
	bg_run bash -c "(sleep 0.3; head -c 1000000 '$ENGINE/upload'; sleep 2; tail -c +1000001 '$ENGINE/upload') |
		timeout 30 '$DOCKER' exec -i aa md5sum >'$ENGINE/sum'"
	sleep 0.6
	put "$GUARD_SETTINGS" '{"enhancedContainerIsolation": {"value": false}}'
	eventually 5 status_is .isolation.enabled false
	kill -HUP "$(cat "$ENGINE/guard.pid")"
	put "$GUARD_SETTINGS" '{"enhancedContainerIsolation": {"value": true}}'
	eventually 5 status_is .isolation.enabled true
	bg_wait
	assert_eq "$(tail -1 "$ENGINE/follow")" "line 8"
	assert_eq "$(wc -l <"$ENGINE/follow")" 8
	assert_eq "$(cut -d' ' -f1 "$ENGINE/sum")" "$(md5sum <"$ENGINE/upload" | cut -d' ' -f1)"
}

@test "whoever writes the users' file all the time does not keep other changes out" {
	put "$GUARD_SETTINGS" '{"enhancedContainerIsolation": {"value": true, "locked": false}}'
	eventually 5 status_is .isolation.locked false
	bg_run bash -c "for i in {1..60}; do echo '{}' >'$D/user-settings.json'; sleep 0.05; done"
	put "$GUARD_SETTINGS" '{"enhancedContainerIsolation": {"value": true, "locked": true}}'
	eventually 2 status_is .isolation.locked true
	bg_wait
}

@test "A144 B1 L30 bad settings at the start: the guard does not serve" {
	own_settings
	put "$W/admin-settings.json" '{}'
	put "$W/admin-settings.d/x.json" '{"caisson": {"alowHooks": false}}'
	run -1 timeout 10 "$CAISSON_GUARD" --listen "unix://$ENGINE/never.sock" --engine "unix://$ENGINE_SOCK" --settings "$W"
	assert_has "$output" "$W/admin-settings.d/x.json: caisson: unknown key \"alowHooks\"; write \"allowHooks\" or remove it"
	[ ! -e "$ENGINE/never.sock" ]
}

# ---- caissonctl -----------------------------------------------------------------------------------------------

@test "E127 L25 status: all of it for root, whether isolation is on for whoever may connect" {
	run -0 ctl status
	assert_match "${lines[0]}" '^isolation:  on, locked, by built-in defaults'
	assert_eq "$(status '.audit, .engine')" "$GUARD_AUDIT
$ENGINE_SOCK"
	chmod 0666 "$GUARD_SOCK"
	chmod 0755 "$ENGINE"
	run -0 setpriv --reuid 1000 --regid 1000 --clear-groups "$CAISSON_CTL" --socket "$GUARD_SOCK" --json status
	chmod 0660 "$GUARD_SOCK"
	assert_eq "$(jq -c '[.isolation, (.settings | keys), has("engine"), has("host"), has("pid")]' <<<"$output")" \
		'[{"enabled":true,"locked":true},["current","loaded"],false,false,false]'
	run -1 "$CAISSON_CTL" --socket "$ENGINE_SOCK" status
	assert_has "$output" "is served by an engine itself, not by the guard"
	run -1 "$CAISSON_CTL" --socket "$ENGINE/none.sock" status
	run -0 curl -s --unix-socket "$GUARD_SOCK" -X POST http://d/caisson/status
	assert_has "$output" "is no endpoint of the Docker Engine API"
}

@test "L38 policy check: good and bad files, with the place and the cure" {
	local file=$ENGINE/candidate.json
	run -0 ctl policy check "$CAISSON_SRC/examples/admin-settings.json"
	assert_eq "$output" "$CAISSON_SRC/examples/admin-settings.json: correct"
	printf '\xef\xbb\xbf{"unknown": 1}' >"$file"
	run -0 ctl policy check "$file"
	while IFS='|' read -r text want; do
		printf '%s' "$text" >"$file"
		run -1 ctl policy check "$file"
		assert_eq "$output" "caissonctl: $file: $want" "$text"
		run -1 ctl --json policy check "$file"
		assert_eq "$(jq -r .error <<<"$output")" "$file: $want"
	done <<-'ROWS'
		{"enhancedContainerIsolation": true}|enhancedContainerIsolation: must be an object, got true or false
		{"enhancedContainerIsolation": {"locked": "yes"}}|enhancedContainerIsolation.locked: must be true or false, got a string
		{"enhancedContainerIsolation": {"dockerSocketMount": {"commandList": {"type": "block"}}}}|enhancedContainerIsolation.dockerSocketMount.commandList.type: is not known; write deny or allow
		{"filesharingAllowedDirectories": [{"path": "srv"}]}|filesharingAllowedDirectories[0].path: "srv" is not absolute; write the full path, like /srv/data
		{"caisson": {"shares": [{"path": "/"}]}}|caisson.shares[0].path: "/" is the whole host; name the directories that are meant
		{"caisson": {"locked": 1}}|caisson.locked: must be true or false, got an integer
		{"a": 1,}|not valid JSON at line 1, column 9: string or '}' expected near '}'; correct it there
	ROWS
	run -1 ctl policy check "$ENGINE/none.json"
	assert_has "$output" "no such file or directory"
}

@test "enable and disable: one word changes, order and unknown keys stay, locks and later files are respected" {
	own_settings
	printf '{ "z": 1,\n\t"enhancedContainerIsolation" : { "b":2, "value" : true ,"a":[1 , 2] },\n "caisson":{} }' >"$W/admin-settings.json"
	chmod 0640 "$W/admin-settings.json"
	cp "$W/admin-settings.json" "$ENGINE/old.json"
	run -0 admin disable
	assert_eq "$output" "$W/admin-settings.json: isolation is off"
	assert_eq "$(cat "$W/admin-settings.json")" "$(sed 's/: true ,/: false ,/' "$ENGINE/old.json")"
	assert_eq "$(stat -c %a "$W/admin-settings.json")" 640
	run -0 admin disable
	assert_eq "$output" "$W/admin-settings.json: isolation is off already"
	run -0 admin enable
	cmp "$W/admin-settings.json" "$ENGINE/old.json"
	put "$W/admin-settings.json" '{"z": 1, "caisson": {"allowHooks": false}, "a": {}}'
	run -0 admin disable
	assert_eq "$(jq -c . "$W/admin-settings.json")" '{"z":1,"caisson":{"allowHooks":false},"a":{},"enhancedContainerIsolation":{"value":false}}'
	put "$W/admin-settings.d/50.json" '{"enhancedContainerIsolation": {"value": false}}'
	run -0 admin enable
	assert_eq "$output" "$W/admin-settings.d/50.json: isolation is on"
	put "$W/admin-settings.json" '{"enhancedContainerIsolation": {"value": true, "locked": true}}'
	run -1 admin disable
	assert_has "$output" "differs from what $W/admin-settings.json says and locks"
	assert_eq "$(cat "$W/admin-settings.d/50.json")" '{"enhancedContainerIsolation": {"value": true}}'
	run -1 admin disable --user
	assert_has "$output" "isolation is locked"
	[ ! -e "$W/user-settings.json" ]
	put "$W/admin-settings.json" '{"enhancedContainerIsolation": {"value": true, "locked": false}}'
	rm "$W/admin-settings.d/50.json"
	run -0 admin disable --user
	assert_eq "$(jq -c . "$W/user-settings.json")" '{"enhancedContainerIsolation":false}'
	run -1 admin enable
	assert_has "$output" "$W/user-settings.json:2 has the last word about enhancedContainerIsolation.value and says false"
	printf '{"caisson": {' >"$W/admin-settings.json"
	run -1 admin enable
	assert_has "$output" "not valid JSON"
	assert_eq "$(cat "$W/admin-settings.json")" '{"caisson": {'
	assert_eq "$(find "$W" -name '.*' -type f)" ""
}

@test "enable and disable change the settings of the guard that answers, unless others are named" {
	# The wrong file would be this machine's own.
	local before
	before=$(stat -c '%i %Y' /etc/caisson/admin-settings.json 2>&1 || true)
	run -0 ctl disable
	assert_has "$output" "$GUARD_SETTINGS"
	assert_eq "$(jq -r .enhancedContainerIsolation.value "$GUARD_SETTINGS")" false
	run -0 ctl enable
	assert_has "$output" "$GUARD_SETTINGS"
	assert_eq "$(stat -c '%i %Y' /etc/caisson/admin-settings.json 2>&1 || true)" "$before"
}

@test "enable and disable reach the guard" {
	run -0 "$CAISSON_CTL" --settings "$D" disable
	eventually 5 status_is .isolation.enabled false
	run -0 ctl explain -- docker run --pid host "$IMAGE"
	run -0 "$CAISSON_CTL" --settings "$D" enable
	eventually 5 status_is .isolation.enabled true
	run -1 ctl explain -- docker run --pid host "$IMAGE"
}

# The rows of explain: a docker command line each.
commands() {
	cat <<-ROWS
		create $IMAGE
		create --name aa -it --privileged --cap-add NET_ADMIN --rm $IMAGE sh -c 'echo -v /:/host'
		create -v $SHARE:/data:ro --tmpfs /run:size=1m -e A=b --label x=y $IMAGE
		create -v /etc:/host $IMAGE
		create -v named:/data -v /anonymous $IMAGE
		create --mount type=bind,source=/,target=/host $IMAGE
		create --mount "type=bind,src=$SHARE,dst=/d,readonly" $IMAGE
		create --mount type=volume,dst=/v,volume-driver=local,volume-opt=type=none,volume-opt=o=bind,volume-opt=device=/etc $IMAGE
		create --mount type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1777 $IMAGE
		create -v /var/run/docker.sock:/var/run/docker.sock $IMAGE
		create --pid host $IMAGE
		create --network host --uts=host --ipc=host $IMAGE
		create --userns host --cgroupns host $IMAGE
		create --network mynet --network-alias x $IMAGE
		create --network container:bb $IMAGE
		create --device /dev/sda:/dev/x:r $IMAGE
		create --device /dev/fuse $IMAGE
		create --device-cgroup-rule 'c 1:3 rwm' $IMAGE
		create --gpus all $IMAGE
		create --runtime runc --memory 64m --cpus 0.5 --pids-limit 100 --ulimit nofile=10:20 $IMAGE
		create --security-opt seccomp=unconfined --security-opt no-new-privileges $IMAGE
		create --security-opt systempaths=unconfined $IMAGE
		create --security-opt label=disable $IMAGE
		create --sysctl net.ipv4.ip_forward=1 --sysctl kernel.shmmax=1 $IMAGE
		create --cgroup-parent /system.slice $IMAGE
		create --log-driver json-file --log-opt max-size=1m --restart on-failure:3 $IMAGE
		create --log-driver syslog --log-opt syslog-address=unix:///x $IMAGE
		create --volume-driver x -v y:/z $IMAGE
		create --volume-driver x -v yy:/z $IMAGE
		create --volumes-from bb $IMAGE
		create --pid container:bb $IMAGE
		create --dns 1.1.1.1 --add-host a:1.2.3.4 --group-add 5 --link bb:x -u 5:6 -w /w --entrypoint /e $IMAGE c d
		create -p 127.0.0.1:80:8080/udp -P --stop-timeout 3 --init --read-only --shm-size 1g --oom-score-adj 5 $IMAGE
		create --storage-opt size=1G $IMAGE
		exec -i --privileged -u 0 -e A=b -w /w bb sh -c id
		volume create --opt type=none --opt o=bind --opt device=/etc v1
		volume create -d local --label a=b v2
		volume create v3 --opt type=tmpfs --opt device=tmpfs
	ROWS
}

@test "explain: what a command would send is what docker sends" {
	local line target
	spawn "$ENGINE/record.log" "$PYTHON" "$CAISSON_SRC/tests/lib/record.py" "$ENGINE/record.sock" "$ENGINE/record" >"$ENGINE/record.pid"
	eventually 5 test -S "$ENGINE/record.sock"
	while read -r line; do
		: >"$ENGINE/record"
		(eval "set -- $line" && DOCKER_API_VERSION=1.41 timeout 20 "$DOCKER" -H "unix://$ENGINE/record.sock" "$@" >"$ENGINE/out" 2>&1) || true
		[ -s "$ENGINE/record" ] || fail "docker sent nothing for $line: $(cat "$ENGINE/out")"
		(eval "set -- $line" && ctl --json explain -- docker "$@" >"$ENGINE/explained") || true
		# Targets and methods are equal; of the body each member that we have is docker's.
		target=$(jq -rs 'map(select(.method == "POST"))[0].target' "$ENGINE/record")
		assert_eq "$(jq -r .asked.target "$ENGINE/explained")" "${target#/v1.41}" "$line"
		jq -en --slurpfile r "$ENGINE/record" --slurpfile x "$ENGINE/explained" '
			def within($real): . as $mine |
				if type == "object" then ($real | type) == "object" and all(keys[]; . as $k | $mine[$k] | within($real[$k]))
				elif type == "array" then ($real | type) == "array" and length == ($real | length) and
					all(range(length); . as $i | $mine[$i] | within($real[$i]))
				else . == $real end;
			($r | map(select(.method == "POST"))[0].body) as $real | $x[0].asked.body | within($real)' >/dev/null ||
			fail "$line: $(jq -c .asked.body "$ENGINE/explained") is not in $(jq -sc 'map(select(.method == "POST"))[0].body' "$ENGINE/record")"
	done < <(commands)
	kill "$(cat "$ENGINE/record.pid")"
}

@test "explain: allowed and refused as the guard does it, with the same words" {
	local line want
	dbg bb
	while read -r line; do
		want=
		(eval "set -- $line" && timeout 30 "$DOCKER" "$@" >"$ENGINE/out" 2>&1) || want=$(cat "$ENGINE/out")
		drm aa
		"$DOCKER" volume rm -f v1 v2 v3 >/dev/null 2>&1 || true
		(eval "set -- $line" && ctl --json explain -- docker "$@" >"$ENGINE/explained") || true
		# The engine has words of its own for what the guard lets through.
		if [ "$(jq -r .allowed "$ENGINE/explained")" = false ]; then
			assert_eq "$want" "Error response from daemon: $(jq -r .message "$ENGINE/explained")" "$line"
			grep -qF "$(jq .message "$ENGINE/explained")" "$GUARD_AUDIT" || fail "not refused by the guard: $line"
		else
			refute_has "$want" "enhanced container isolation" "$line"
			refute_has "$want" "restricted host mount" "$line"
		fi
	done < <(commands | grep -v '^exec ')
	"$DOCKER" ps -aq --filter status=created | xargs -r "$DOCKER" rm -f >/dev/null
}

@test "explain: what the guard knows about its host counts" {
	put "$GUARD_SETTINGS" "{\"filesharingAllowedDirectories\": [{\"path\": \"$ENGINE\"}]}"
	load_now
	run -0 ctl explain -- docker create -v "$ENGINE/guard-other:/x" "$IMAGE"
	run -1 ctl --json explain -- docker create -v "$ENGINE/guard-state:/x" "$IMAGE"
	local message
	message=$(jq -r .message <<<"$output")
	assert_has "$message" "protected path"
	run -1 d create -v "$ENGINE/guard-state:/x" "$IMAGE"
	assert_eq "$output" "Error response from daemon: $message"
}

@test "explain: the rule, the setting and its line; exit status; bodies; what is not understood" {
	put "$GUARD_SETTINGS" '{
  "caisson": {
    "allowedDevices": []
  }
}'
	load_now
	run -1 ctl explain -- docker run --device /dev/fuse "$IMAGE"
	assert_has "$output" "rule:    devices"
	assert_has "$output" "setting: caisson.allowedDevices, decided by $GUARD_SETTINGS:3"
	run -0 ctl explain -- run "$IMAGE"
	assert_has "$output" '"Runtime":"sysbox-runc"'
	printf '{"Image": "x", "HostConfig": {"PidMode": "host"}}' >"$ENGINE/body"
	run -1 ctl explain --body "$ENGINE/body" POST /v1.41/containers/create
	assert_has "$output" "can't share namespaces"
	run -1 ctl explain --body /dev/null GET /no/such
	assert_has "$output" "refused (501)"
	run -0 ctl explain --body /dev/null GET /containers/json
	run -2 ctl explain -- docker run --no-such-flag "$IMAGE"
	assert_has "$output" "unknown flag: --no-such-flag"
	run -2 ctl explain -- docker frobnicate
	run -2 ctl explain
}

@test "doctor: valid JSON, what is broken has a cure" {
	run ctl --json doctor
	jq -e '.checks | length > 8 and all(.[]; (.state == "ok") == (.cure == null) and (.detail | length) > 0)' <<<"$output"
	jq -e '[.checks[] | select(.state == "ok") | .check] | contains(["kernel", "user namespaces", "cgroup", "guard", "engine", "engine'"'"'s runtime"])' <<<"$output"
	assert_eq "$(jq -r .works <<<"$output")" "$([ "$status" -eq 0 ] && echo true || echo false)"
	run -1 "$CAISSON_CTL" --socket "$ENGINE/none.sock" --settings "$ENGINE/none.json" doctor
	assert_has "$output" "broken   settings"
	assert_has "$output" "-> look at: systemctl status caissond caissond.socket"
	run -1 "$CAISSON_CTL" --socket "$ENGINE_SOCK" doctor
	assert_has "$output" "is served by an engine, not by the guard"
}

# runc_row - states of what doctor says about the runc of our own dockerd, and about builds
runc_row() {
	ctl --json doctor | jq -r --arg pid "(pid $(cat "$ENGINE/dockerd.pid"))" \
		'[.checks[] | select((.check == "runc" and (.detail | contains($pid))) or .check == "builds") | "\(.check) \(.state)"] | sort | join(", ")'
}

runc_row_is() {
	[ "$(runc_row)" = "$1" ]
}

@test "doctor: what was tried and what a PATH looks like are not at odds" {
	# The runc on the PATH of this engine is not Caisson by its name, and the trial says that it is not.
	assert_eq "$(runc_row)" "builds warning, runc broken"
	guard_stop
	spawn "$ENGINE/guard.log" "$CAISSON_GUARD" --listen "unix://$GUARD_SOCK" --engine "unix://$ENGINE_SOCK" \
		--settings "$ENGINE/guard" --audit "$GUARD_AUDIT" --state "$ENGINE/guard-state" --runc-is-caisson >"$ENGINE/guard.pid"
	eventually 10 test -S "$GUARD_SOCK"
	eventually 10 runc_row_is "builds ok, runc warning"
	run ctl doctor
	assert_has "$output" "where caissond has --runc-is-caisson, run: caissonctl install"
	guard_stop
	guard_start
}

# ---- audit ----------------------------------------------------------------------------------------------------

refuse_one() {
	"$DOCKER" create --pid host --name "$1" "$IMAGE" 2>/dev/null || true
}

@test "audit -f goes on across rotation, and without -f it ends" {
	local n
	refuse_one n0
	spawn "$ENGINE/followed" "$CAISSON_CTL" --socket "$GUARD_SOCK" --json audit -f >"$ENGINE/follow.pid"
	eventually 5 grep -q '"container":"n0"' "$ENGINE/followed"
	refuse_one n1
	mv "$GUARD_AUDIT" "$GUARD_AUDIT.1"
	refuse_one n2
	eventually 5 grep -q '"container":"n2"' "$ENGINE/followed"
	cp "$GUARD_AUDIT" "$GUARD_AUDIT.2" && truncate -s 0 "$GUARD_AUDIT"
	sleep 0.3
	refuse_one n3
	eventually 5 grep -q '"container":"n3"' "$ENGINE/followed"
	kill "$(cat "$ENGINE/follow.pid")"
	for n in n0 n1 n2 n3; do
		assert_eq "$(grep -c "\"container\":\"$n\"" "$ENGINE/followed")" 1 "$n"
	done
	run -0 timeout 10 "$CAISSON_CTL" --socket "$GUARD_SOCK" audit
	assert_match "${lines[-1]}" "^2.* refused uid 0 .*docker container_create n3: .*can't share namespaces"
}

@test "audit: where it is in the journal, that is said, also by what follows" {
	run -1 ctl audit --file journal
	assert_eq "$output" "caissonctl: the audit is in the journal; read it with: journalctl -t caissond"
	run -1 timeout 5 "$CAISSON_CTL" --socket "$GUARD_SOCK" audit -f --file journal:/x
	assert_has "$output" "journalctl -t caissond -f"
}

@test "E135 L27 L33 audit: the line of the setting that decided" {
	put "$GUARD_SETTINGS" '{
  "caisson": { "allowedDevices": [] } }'
	load_now
	"$DOCKER" create --name aa --device /dev/fuse "$IMAGE" && fail "not refused"
	assert_eq "$(tail -1 "$GUARD_AUDIT" | jq -r '"\(.setting) \(.origin)"')" "caisson.allowedDevices $GUARD_SETTINGS:2"
}

# ---- install --------------------------------------------------------------------------------------------------

# host NAME - a directory that looks like a host with Docker's packages: R
host() {
	R=$ENGINE/host-$1
	mkdir -p "$R"/{etc/docker,lib/systemd/system,usr,var/lib,run}
	printf 'root:x:0:\ndocker:x:999:\n' >"$R/etc/group"
	cat >"$R/lib/systemd/system/docker.service" <<-'UNIT'
		[Service]
		Type=notify
		ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS
	UNIT
	printf '[Socket]\nListenStream=/run/docker.sock\n' >"$R/lib/systemd/system/docker.socket"
	printf '[Service]\nExecStart=/usr/bin/containerd\n' >"$R/lib/systemd/system/containerd.service"
}

# tree - everything below R: names, kinds, modes, owners, times of files, contents
tree() {
	(cd "$R" && find . \( -type d -printf '%p %y %m %U:%G\n' \) -o -printf '%p %y %m %U:%G %T@ %l\n' | sort && find . -type f -exec md5sum {} + | sort -k 2)
}

@test "install: dry run changes nothing, twice is once, uninstall restores byte for byte" {
	host a
	printf '{ "log-level":"warn",   "builder": {"gc":{"enabled":true}},\n\n"insecure-registries": [] }' >"$R/etc/docker/daemon.json"
	chmod 0640 "$R/etc/docker/daemon.json"
	chown 0:999 "$R/etc/docker/daemon.json"
	mkdir -p "$R/etc/systemd/system/docker.service.d"
	printf '[Service]\n# the administrator'"'"'s\n' >"$R/etc/systemd/system/docker.service.d/caisson.conf"
	touch -d 2001-02-03 "$R/etc/docker/daemon.json"
	mkdir "$R/etc/logrotate.d"
	tree >"$ENGINE/before"
	run -0 ctl install --dry-run --root "$R"
	assert_has "$output" "change /etc/docker/daemon.json"
	assert_has "$output" '+       "network-host": false,'
	tree | diff "$ENGINE/before" -
	run -0 ctl install --root "$R"
	assert_has "$output" "systemctl daemon-reload"
	assert_eq "$(jq -c '[."log-level", .builder.Entitlements, .builder.gc.enabled, (.runtimes."sysbox-runc".path | endswith("/caisson"))]' "$R/etc/docker/daemon.json")" \
		'["warn",{"network-host":false,"security-insecure":false},true,true]'
	assert_eq "$(stat -c '%a %g' "$R/etc/docker/daemon.json")" "640 999"
	grep -qx 'ListenStream=/run/caisson/engine/docker.sock' "$R/etc/systemd/system/docker.socket.d/caisson.conf"
	grep -qx 'SocketMode=0600' "$R/etc/systemd/system/docker.socket.d/caisson.conf"
	grep -q '^Environment=PATH=.*/caisson/bin:' "$R/etc/systemd/system/docker.service.d/caisson.conf"
	grep -q '^Environment=PATH=.*/caisson/bin:' "$R/etc/systemd/system/containerd.service.d/caisson.conf"
	grep -qx 'SocketGroup=docker' "$R/etc/systemd/system/caissond.socket"
	# What the unit writes is what is rotated; and it has the engine's view of the host.
	grep -q -- "--audit $(sed -n 's/ {$//p' "$R/etc/logrotate.d/caissond") " "$R/etc/systemd/system/caissond.service"
	refute_match "$(grep -v '^#' "$R/etc/systemd/system/caissond.service")" 'ProtectSystem|ProtectHome|PrivateTmp|ReadWritePaths|ProtectKernelTunables'
	assert_match "$(readlink "$R"/usr/local/libexec/caisson/bin/runc "$R"/usr/libexec/caisson/bin/runc)" 'bin/caisson$'
	tree >"$ENGINE/installed"
	run -0 ctl install --root "$R"
	assert_eq "$output" "everything is installed already"
	tree | diff "$ENGINE/installed" -
	run -0 ctl uninstall --dry-run --root "$R"
	tree | diff "$ENGINE/installed" -
	run -0 ctl uninstall --root "$R"
	tree | diff "$ENGINE/before" -
	run -0 ctl uninstall --root "$R"
	assert_eq "$output" "nothing is installed"
	tree | diff "$ENGINE/before" -
}

@test "install: nothing there before, nothing after; an engine with a command line instead of a socket unit" {
	host b
	rmdir "$R/etc/docker"
	rm "$R/lib/systemd/system/docker.socket"
	printf '[Service]\nExecStart=/usr/bin/dockerd -H unix:///var/run/docker.sock \\\n  --debug --host=unix:///x\n' >"$R/lib/systemd/system/docker.service"
	tree >"$ENGINE/before"
	run -0 ctl install --root "$R"
	[ ! -e "$R/etc/logrotate.d" ]
	grep -qx 'ExecStart=/usr/bin/dockerd --debug -H unix:///run/caisson/engine/docker.sock' "$R/etc/systemd/system/docker.service.d/caisson.conf"
	run -0 ctl uninstall --root "$R"
	tree | diff "$ENGINE/before" -
}

@test "install: what was changed since is not overwritten, and the settings are kept" {
	host c
	echo '{}' >"$R/etc/docker/daemon.json"
	run -0 ctl install --root "$R"
	echo '{"mine": 1}' >"$R/etc/docker/daemon.json"
	echo '{"caisson": {}}' >"$R/etc/caisson/admin-settings.json"
	run -1 ctl uninstall --root "$R"
	assert_has "$output" "leave (it was changed since, put it right by hand) /etc/docker/daemon.json"
	assert_has "$output" "keep (it was changed) /etc/caisson/admin-settings.json"
	assert_eq "$(cat "$R/etc/docker/daemon.json")" '{"mine": 1}'
	assert_eq "$(find "$R/etc/systemd" -type f)" ""
	assert_eq "$(cat "$R"/var/lib/caisson/install/*.before)" '{}'
	echo '{}' >"$R/etc/docker/daemon.json"
	run -0 ctl uninstall --root "$R"
	[ ! -e "$R/var/lib/caisson" ]
	assert_eq "$(cat "$R/etc/caisson/admin-settings.json")" '{"caisson": {}}'
}

@test "install: again, after something was left: what was there before the first time is still known" {
	host again
	mkdir -p "$R/etc/systemd/system/containerd.service.d"
	echo '# theirs' >"$R/etc/systemd/system/containerd.service.d/caisson.conf"
	echo '{}' >"$R/etc/docker/daemon.json"
	run -0 ctl install --root "$R"
	echo '{"mine": 1}' >"$R/etc/docker/daemon.json"
	run -1 ctl uninstall --root "$R"
	run -0 ctl install --root "$R"
	run -0 ctl uninstall --root "$R"
	assert_eq "$(cat "$R/etc/docker/daemon.json")" '{}'
	assert_eq "$(cat "$R/etc/systemd/system/containerd.service.d/caisson.conf")" '# theirs'
}

@test "install: refuses where the guard would not be in between, and leaves through no link" {
	host d
	run_refused() {
		tree >"$ENGINE/before"
		run -1 ctl install --root "$R"
		assert_has "$output" "$1"
		tree | diff "$ENGINE/before" -
	}
	echo '{"hosts": ["tcp://0.0.0.0:2375"]}' >"$R/etc/docker/daemon.json"
	run_refused '"hosts": the engine would listen there, past the guard'
	echo '{"runtimes": []}' >"$R/etc/docker/daemon.json"
	run_refused "have to be objects"
	echo '{' >"$R/etc/docker/daemon.json"
	run_refused "daemon.json: not a JSON object (line 2"
	rm "$R/etc/docker/daemon.json"
	sed -i 's|fd://|fd:// -H tcp://127.0.0.1:2375|' "$R/lib/systemd/system/docker.service"
	run_refused "the engine listens on tcp://127.0.0.1:2375, past the guard"
	rm "$R/lib/systemd/system/docker.service"
	run_refused "there is no docker.service"
	host e
	mkdir "$ENGINE/outside"
	rmdir "$R/etc/docker"
	ln -s "$ENGINE/outside" "$R/etc/docker"
	run -1 ctl install --root "$R"
	assert_has "$output" "/etc/docker: has to be a directory, and no symbolic link"
	assert_eq "$(find "$ENGINE/outside" -mindepth 1)" ""
}
