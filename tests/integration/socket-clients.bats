# SPDX-License-Identifier: Apache-2.0
# Clients of the Docker API in a container that has the socket: what they do works as on the engine's own.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/guard.bash
load ../lib/guard-api.bash
load ../lib/inner.bash
load ../lib/tools.bash
load ../lib/socket.bash

CLIENTS=$REG/ci/clients:1

setup_file() {
	export BATS_TEST_TIMEOUT=180
	docker_open runc || return 1
	SOCKETS=$ENGINE/s SECRET=$ENGINE/secret
	export SOCKETS SECRET
	mkdir -p "$SECRET"
	socket_registry || return 1
	inner_import clients || return 1
	"$DOCKER" tag caisson-test/clients "$CLIENTS"
	"$DOCKER" push -q "$CLIENTS"
	socket_guard || return 1
	permit "img([\"$CLIENTS\"])"
}

teardown_file() {
	socket_close
}

setup() {
	permit "img([\"$CLIENTS\"])"
	allowed aa "$CLIENTS"
}

teardown() {
	socket_teardown
}

# sh_in SCRIPT - in aa, first failure ends it
sh_in() {
	timeout 120 "$DOCKER" exec aa sh -ec "$1"
}

@test "docker: run, exec, logs, cp, streams both ways, events, exit codes" {
	run -0 sock_d aa run --rm --network none "$IMAGE" echo hello
	assert_eq "$output" hello
	run -7 sock_d aa run --rm --network none "$IMAGE" sh -c 'exit 7'
	run -0 sh_in "echo input | docker run -i --rm --network none $IMAGE cat"
	assert_eq "$output" input
	sh_in "docker run -d --name bb --network none $IMAGE sh -c 'trap \"exit 0\" TERM; echo started; while :; do sleep 1; done'"
	run -0 sh_in "echo 1234 | docker exec -i bb md5sum"
	assert_has "$output" "$(echo 1234 | md5sum | cut -d' ' -f1)"
	run -0 sh_in 'head -c 3000000 /dev/zero | docker exec -i bb wc -c'
	assert_eq "$output" 3000000
	run -0 sh_in 'docker exec bb head -c 3000000 /dev/zero | wc -c'
	assert_eq "$output" 3000000
	run -0 sh_in 'docker logs bb; echo text >/tmp/f; docker cp /tmp/f bb:/f; docker cp bb:/f /tmp/g; cat /tmp/g; docker exec bb stat -c %u /f'
	assert_eq "$output" $'started\ntext\n0'
	run -0 sh_in 'docker stop -t 5 bb; docker wait bb; docker inspect -f "{{.State.Status}}" bb; docker rm bb'
	assert_eq "$output" $'bb\n0\nexited\nbb'
	run -0 sh_in 'docker events --since 1m --until 0s --filter type=container --format "{{.Action}}"'
	assert_match "$output" 'create.*start.*destroy'
	run -0 sh_in 'docker save caisson-test/busybox | tar t | grep -c layer'
	run -0 sh_in "docker pull -q $CLIENTS && docker images -q $CLIENTS"
}

@test "docker-compose: up, ps, exec, logs, down; a second time" {
	local i
	sh_in "mkdir -p /project && cat >/project/docker-compose.yml <<-Y
		version: '2.4'
		services:
		  web:
		    image: $IMAGE
		    command: [sh, -c, 'echo serving; exec httpd -f -p 80 -h /etc']
		    networks: [inner]
		  user:
		    image: $IMAGE
		    depends_on: [web]
		    command: [sleep, '600']
		    volumes: ['data:/data']
		    stop_signal: SIGKILL
		    networks: [inner]
		networks: {inner: {}}
		volumes: {data: {}}
	Y"
	for i in 1 2; do
		sh_in 'cd /project && docker-compose --no-ansi up -d'
		run -0 sh_in 'cd /project && docker-compose ps -q | wc -l'
		assert_eq "$output" 2
		run -0 sh_in 'cd /project && docker-compose exec -T user wget -qO- http://web/passwd'
		assert_has "$output" root:x:0
		run -0 sh_in 'cd /project && docker-compose exec -T user cat /proc/self/uid_map'
		assert_idmap "$output"
		run -0 sh_in 'cd /project && docker-compose logs --no-color web'
		assert_has "$output" serving
		sh_in 'cd /project && docker-compose --no-ansi down -v -t 1'
	done
	assert_eq "$(rawd ps -q | wc -l)" 1
}

@test "the SDK for Python: run, exec, attach by socket, networks, volumes, errors" {
	run -0 timeout 120 "$DOCKER" exec -i aa python3 - <<-PY
		import docker
		c = docker.from_env()
		assert c.ping()
		assert c.containers.run("$IMAGE", "echo hello", remove=True, network_mode="none") == b"hello\n"
		n = c.networks.create("sdk")
		v = c.volumes.create("sdk")
		k = c.containers.run("$IMAGE", ["sleep", "600"], detach=True, network="sdk", volumes={"sdk": {"bind": "/x"}})
		assert k.exec_run("sh -c 'echo kept >/x/f; cat /x/f'").output == b"kept\n"
		s = c.api.exec_start(c.api.exec_create(k.id, "cat", stdin=True)["Id"], socket=True)
		s._sock.sendall(b"ping\n")
		assert b"ping" in s._sock.recv(64)
		s.close()
		assert [x.name for x in c.containers.list(filters={"network": "sdk"})] == [k.name]
		k.remove(force=True); n.remove(); v.remove()
		try:
		    c.containers.run("$IMAGE", "true", pid_mode="host")
		    raise SystemExit("pid_mode=host passed")
		except docker.errors.APIError as e:
		    assert e.response.status_code == 403 and "isolation" in e.explanation, e
		print("done")
	PY
	assert_eq "$output" "done"
}

@test "the socket serves root and the group of the engine's socket, in any container user's hands" {
	local gid
	run -0 timeout 60 "$DOCKER" exec aa stat -c '%F %u' "$HOST_SOCK"
	assert_eq "$output" "socket 0"
	gid=$("$DOCKER" exec aa stat -c %g "$HOST_SOCK")
	run -1 timeout 60 "$DOCKER" exec -u 1000:1000 aa docker ps -q
	allowed bb "$CLIENTS" --user 1000:1000 --group-add "$gid"
	run -0 sock_d bb ps -q
}

@test "a hundred connections at once, and a client that goes away in the middle" {
	run -0 timeout 120 "$DOCKER" exec -i aa python3 - <<-'PY'
		import socket, threading
		def ask(path):
		    s = socket.socket(socket.AF_UNIX); s.connect("/var/run/docker.sock")
		    s.sendall(b"GET %s HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n" % path)
		    return s
		good = []
		def one():
		    s = ask(b"/_ping"); data = b""
		    while True:
		        part = s.recv(4096)
		        if not part: break
		        data += part
		    good.append(data.startswith(b"HTTP/1.1 200"))
		t = [threading.Thread(target=one) for _ in range(100)]
		[x.start() for x in t]; [x.join() for x in t]
		assert len(good) == 100 and all(good), good
		held = [ask(b"/events") for _ in range(20)]
		for s in held: s.close()
		one(); assert good[-1]
		print("done")
	PY
	assert_eq "$output" "done"
}
