# SPDX-License-Identifier: Apache-2.0
# Docker in Docker: an engine inside one container, and what people do with it. One such container serves all tests
# that do not end it.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/inner.bash

setup_file() {
	docker_open
	inner_import engines
	dind_run dind
	inside dind docker import -c 'CMD ["sh"]' /images/busybox.tar bb >/dev/null
}

teardown_file() {
	docker_close
}

# dk ARGUMENT... - docker inside
dk() {
	inside dind docker "$@"
}

# limit CONTAINER V1CONTROLLER V1FILE V2FILE - what the control group of an inner container really has, seen from the host
limit() {
	local id pid
	id=$(dk inspect -f '{{.Id}}' "$1")
	pid=$(pgrep -f "runc.*$id" | head -1)
	pid=$(pgrep -P "$pid" | head -1)
	cg_get "$pid" "$2" "$3" "$4"
}

@test "E22 E90 the inner engine runs as an ordinary host user, on overlay2, and finds all it looks for" {
	local info
	assert_idmap "$(inside dind cat /proc/self/uid_map)"
	for pid in $(pgrep dockerd); do
		[ "$(map_base "$pid")" = 0 ] || break
	done
	[ "$(stat -c %u "/proc/$pid")" -ge 100000 ]
	info=$(dk info 2>&1)
	assert_match "$info" 'Storage Driver: overlay2'
	assert_match "$info" 'Backing Filesystem: (extfs|xfs|btrfs)'
	refute_match "$info" 'vfs|WARNING: No (memory|swap|cpu|kernel|pids|blkio throttle)'
	refute_has "$("$DOCKER" logs dind 2>&1)" 'level=error'
}

@test "E22 inner containers: plain, privileged, of another user, with a terminal, read-only, with a time limit" {
	assert_eq "$(dk run --rm bb echo hello)" hello
	assert_eq "$(dk run --rm --user 33:44 bb id -u)" 33
	assert_eq "$(dk run --rm -t bb tty | tr -d '\r')" /dev/pts/0
	assert_has "$(dk run --rm --read-only bb sh -c 'touch /x 2>&1 || :')" 'Read-only file system'
	assert_eq "$(dk run --rm --privileged bb sh -ec 'mount -t tmpfs t /mnt; mount -o bind /etc /mnt; umount /mnt; umount /mnt; echo ok')" ok
	assert_eq "$(dk run --rm --cap-add SYS_ADMIN --security-opt seccomp=unconfined bb unshare -m sh -ec 'mount -t tmpfs t /mnt; echo ok')" ok
	assert_eq "$(dk run --rm --sysctl net.ipv4.ip_forward=1 bb cat /proc/sys/net/ipv4/ip_forward)" 1
	assert_eq "$(dk run --rm --ulimit nofile=1000:1000 bb sh -c 'ulimit -n')" 1000
	assert_has "$(dk run --rm --tmpfs /t:size=1m bb df /t)" 1024
	assert_eq "$(dk run --rm --device /dev/fuse bb stat -c %t:%T /dev/fuse)" a:e5
	run -7 dk run --rm bb sh -c 'exit 7'
}

@test "E22 inner containers with a helper as pid 1, which is a read-only bind of the root file system" {
	assert_match "$(dk run --rm --init bb ps)" '1 root .*docker-init'
}

@test "E22 inner containers in the engine's own namespaces; binds of /proc, /sys, /dev and /" {
	assert_has "$(dk run --rm --pid=host bb cat /proc/1/comm)" tini
	assert_has "$(dk run --rm --net=host bb ip -o link)" docker0
	assert_eq "$(dk run --rm --uts=host bb hostname)" "$(inside dind hostname)"
	dk run --rm --ipc=host --userns=host bb true
	assert_eq "$(dk run --rm -v /proc:/p bb cat /p/1/comm)" tini
	assert_has "$(dk run --rm -v /sys:/s:ro bb ls /s)" kernel
	assert_eq "$(dk run --rm -v /dev:/d bb sh -c 'echo x >/d/null && echo ok')" ok
	assert_has "$(dk run --rm -v /:/host:ro bb ls /host/images)" busybox.tar
}

@test "E89 inner containers mount a procfs and a sysfs of their own" {
	assert_eq "$(dk run --rm --privileged bb sh -ec 'mount -t proc p /mnt; cat /mnt/1/comm; umount /mnt')" sh
	assert_eq "$(dk run --rm --privileged bb sh -ec 'mount -t sysfs s /mnt; ls /mnt | grep -c kernel; umount /mnt')" 1
	assert_eq "$(dk run --rm --privileged bb unshare -fpm --mount-proc sh -c 'ps -o pid= >/p; wc -l </p' | tr -d ' ')" 2
	assert_eq "$(inside dind unshare -fpm --mount-proc sh -c 'echo $$')" 1
}

@test "limits of inner containers are set in their own control groups, and hold" {
	dk run -d --name lim -m 64m --memory-swap 64m --cpus 0.5 --pids-limit 50 bb sleep 1000
	assert_eq "$(limit lim memory memory.limit_in_bytes memory.max)" 67108864
	assert_eq "$(limit lim pids pids.max pids.max)" 50
	assert_match "$(limit lim cpu cpu.cfs_quota_us cpu.max)" '^50000'
	run dk exec lim sh -c 'head -c 200m /dev/zero | tail -c 150m | wc -c'
	refute_has "$output" 157286400
	assert_match "$(dk stats --no-stream --format '{{.MemUsage}}' lim)" '/ 64MiB'
	dk update -m 96m --memory-swap 96m lim
	assert_eq "$(limit lim memory memory.limit_in_bytes memory.max)" 100663296
	dk pause lim
	assert_eq "$(dk inspect -f '{{.State.Status}}' lim)" paused
	dk unpause lim
	dk rm -f lim
}

@test "E22 builds, classic and BuildKit, keep deleted files, replaced directories and owners" {
	local kit
	inside dind sh -c 'mkdir -p /b; cd /b; echo copied >f; printf "%s\n" "$@" >Dockerfile' - \
		'FROM bb' 'RUN mkdir -p /data/sub && touch /data/sub/a /data/b && chown 33:44 /data/b' \
		'RUN rm -rf /data/sub && mkdir /data/sub && echo new >/data/sub/c' 'RUN rm /etc/group' \
		'COPY f /f' 'CMD cat /f; ls /data/sub; stat -c %u:%g /data/b; [ -e /etc/group ] || echo none'
	for kit in 0 1; do
		inside dind sh -c "cd /b && DOCKER_BUILDKIT=$kit docker build --no-cache -t built$kit . 2>&1"
		assert_eq "$(dk run --rm "built$kit")" $'copied\nc\n33:44\nnone'
	done
	assert_eq "$(dk history -q built1 | wc -l)" "$(dk history -q built0 | wc -l)"
}

@test "E22 inner volumes and networks: owners, read-only, names, a port reached from inside and from the host" {
	local ip
	dk run --rm -v vol:/v bb sh -c 'echo x >/v/f; chown 7:8 /v/f'
	assert_eq "$(dk run --rm -v vol:/v:ro bb sh -c 'stat -c %u:%g /v/f; touch /v/g 2>/dev/null || echo ro')" $'7:8\nro'
	dk network create net
	dk run -d --name web --network net -p 8080:80 bb httpd -f -h /etc
	assert_eq "$(dk run --rm --network net bb wget -qO- http://web/hostname)" "$(dk exec web hostname)"
	assert_eq "$(inside dind wget -qO- http://127.0.0.1:8080/hostname)" "$(dk exec web hostname)"
	ip=$("$DOCKER" inspect -f '{{.NetworkSettings.IPAddress}}' dind)
	assert_eq "$(in_net "$ENGINE_NET" curl -sS -m 5 "http://$ip:8080/hostname")" "$(dk exec web hostname)"
	# Isolated from the default network.
	run dk run --rm bb wget -T 2 -qO- "http://$(dk inspect -f '{{.NetworkSettings.Networks.net.IPAddress}}' web)/hostname"
	[ "$status" -ne 0 ]
	dk rm -f web
	dk network rm net
	dk volume rm vol
}

@test "E22 compose inside: services that find each other, a volume, and all of it gone afterwards" {
	inside dind sh -c 'mkdir -p /c && printf "%s\n" "$@" >/c/docker-compose.yml' - 'version: "3"' 'services:' \
		'  a: {image: bb, command: httpd -f -h /data, volumes: ["data:/data"]}' \
		'  b: {image: bb, depends_on: [a], command: sh -c "echo made >/data/f; sleep 1; wget -qO- http://a/f", volumes: ["data:/data"]}' \
		'volumes: {data: {}}'
	inside dind sh -c 'cd /c && docker-compose up -d 2>&1'
	eventually 15 sh -c "'$DOCKER' exec dind sh -c 'cd /c && docker-compose logs b 2>&1' | grep -q made"
	inside dind sh -c 'cd /c && docker-compose down -v -t 1 2>&1'
	assert_eq "$(dk volume ls -q)$(dk ps -aq)" ''
}

@test "E22 the life of an inner container: stop, start, exec, cp, diff, commit, save, load, events, logs" {
	dk run -d --name life bb sh -c 'trap "exit 3" TERM; echo up; while :; do sleep 1; done'
	dk exec life sh -c 'echo a >/new; rm /etc/group'
	dk cp life:/new /tmp/new
	dk cp /tmp/new life:/etc/copied
	assert_eq "$(dk diff life | sort)" $'A /etc/copied\nA /new\nC /etc\nD /etc/group'
	dk commit life com
	inside dind sh -ec 'docker save com >/tmp/com.tar; docker rmi com; docker load -i /tmp/com.tar; rm /tmp/com.tar'
	assert_eq "$(dk run --rm com sh -c 'cat /etc/copied; ls /etc/group 2>/dev/null | wc -l')" $'a\n0'
	dk stop -t 5 life
	assert_eq "$(dk inspect -f '{{.State.ExitCode}}' life)" 3
	dk start life
	assert_eq "$(dk exec life cat /new)" a
	assert_eq "$(dk logs life | sort -u)" up
	dk kill life
	dk rm life
	dk rmi com
}

@test "E101 inner images, containers and volumes survive stop, kill and an engine's restart, and go with the container" {
	local layer how
	dind_run keep
	inside keep docker import /images/busybox.tar bb
	inside keep docker run -d --name always --restart always --stop-timeout 1 -v vol:/v bb sh -c 'echo kept >/v/f; chown 5:6 /v/f; sleep 1000'
	layer=$(inner_layer keep)
	for how in stop kill engine; do
		case $how in
		stop) "$DOCKER" stop -t 20 keep ;;
		kill) "$DOCKER" kill keep ;;
		engine) docker_daemon_stop && docker_daemon_start ;;
		esac
		"$DOCKER" start keep
		dind_ready keep
		eventually 20 inside keep docker exec always true
		assert_eq "$(inside keep docker run --rm -v vol:/v bb sh -c 'cat /v/f; stat -c %u:%g /v/f')" $'kept\n5:6'
		assert_match "$(inside keep docker info 2>&1)" 'Storage Driver: overlay2'
	done
	# On disk nothing is shifted, and nobody but root gets near.
	[ -d "$layer/caisson-inner/docker/overlay2" ]
	assert_eq "$(stat -c %u:%a "$layer/caisson-inner")" 0:700
	assert_eq "$(find "$layer/caisson-inner" -uid +65535 -o -gid +65535 | wc -l)" 0
	"$DOCKER" rm -f keep
	[ ! -e "$layer" ]
	"$DOCKER" start dind
	dind_ready dind
}

@test "what an image has where an inner engine keeps its layers is there, copied once and only by the first start" {
	local w=$ENGINE/preload
	mkdir -p "$w"/c/{sub,empty}
	echo one >"$w/c/one" && ln "$w/c/one" "$w/c/two" && ln -s one "$w/c/link"
	cp "$BUSYBOX" "$w/c/sub/bin"
	chown 33:44 "$w/c/one" && chmod 6755 "$w/c/sub/bin" && chmod 0711 "$w/c" && chown 7:8 "$w/c/sub"
	mkfifo "$w/c/fifo" && mknod "$w/c/node" c 1 3
	setcap cap_net_raw+ep "$w/c/sub/bin" && touch -d 2001-02-03 "$w/c/one"
	mkdir -p "$w/img/bin" "$w/img/var/lib" && cp "$BUSYBOX" "$w/img/bin/" && cp -a "$w/c" "$w/img/var/lib/containerd"
	tar -C "$w/img" --xattrs --xattrs-include='*' --numeric-owner -c . | "$DOCKER" import -c 'ENV PATH=/bin' - caisson-test/preload
	"$DOCKER" run -d --name pre --privileged --network none --runtime sysbox-runc caisson-test/preload busybox sleep 1000
	run -0 "$DOCKER" exec pre busybox sh -c 'cd /var/lib/containerd; busybox stat -c "%n %u:%g %a %h" . one two sub sub/bin fifo empty; busybox readlink link; busybox cat one; busybox stat -c %Y one; busybox ls node 2>/dev/null; :'
	assert_eq "${lines[0]} ${lines[1]} ${lines[2]}" '. 0:0 711 4 one 33:44 644 2 two 33:44 644 2'
	assert_eq "${lines[3]} ${lines[4]}" 'sub 7:8 755 2 sub/bin 0:0 6755 1'
	assert_has "$output" $'one\none\n'"$(date -d 2001-02-03 +%s)"
	w=$(inner_layer pre)/caisson-inner/containerd
	assert_has "$(getcap "$w/sub/bin")" cap_net_raw
	[ ! -e "$w/node" ]
	"$DOCKER" exec pre busybox rm /var/lib/containerd/one
	"$DOCKER" restart -t 0 pre
	run -0 "$DOCKER" exec pre busybox ls /var/lib/containerd
	refute_has "$output" one
	assert_has "$output" two
	"$DOCKER" rm -f pre
}

@test "an interrupted first start leaves no half of a copy" {
	local w=$ENGINE/half layer
	mkdir -p "$w/bin" "$w/var/lib/docker" && cp "$BUSYBOX" "$w/bin/" && echo all >"$w/var/lib/docker/f"
	tar -C "$w" --numeric-owner -c . | "$DOCKER" import -c 'ENV PATH=/bin' - caisson-test/half
	"$DOCKER" create --name half --privileged --network none --runtime sysbox-runc caisson-test/half busybox cat /var/lib/docker/f
	layer=$(inner_layer half)
	mkdir -p "$layer/caisson-inner/docker.new/x/y"
	assert_eq "$("$DOCKER" start -a half)" all
	[ ! -e "$layer/caisson-inner/docker.new" ]
	"$DOCKER" rm half
}

@test "private directories only where they are needed: not for volumes, plain containers, read-only roots, files" {
	local w=$ENGINE/file
	list() {
		drun "$@" -- sh -c 'cut -d" " -f5 /proc/self/mountinfo | grep "^/var/lib" | sort | tr "\n" " "'
	}
	assert_has "$(list --privileged)" '/var/lib/docker /var/lib/'
	assert_has "$(list --cap-add SYS_ADMIN)" '/var/lib/containerd '
	assert_eq "$(list)" ''
	assert_eq "$(list --privileged --read-only)" ''
	assert_eq "$(list --privileged -v /var/lib)" '/var/lib '
	assert_eq "$(list --privileged --tmpfs /var)" ''
	refute_has "$(list --privileged -v vol1:/var/lib/docker --tmpfs /var/lib/containerd)" '/var/lib/docker /var/lib/docker'
	assert_has "$(list --privileged -v vol1:/var/lib/docker/volumes)" '/var/lib/docker /var/lib/docker/volumes '
	# A file in the place of a directory is the image's own affair.
	mkdir -p "$w/bin" "$w/var/lib" && cp "$BUSYBOX" "$w/bin/" && echo file >"$w/var/lib/docker"
	tar -C "$w" --numeric-owner -c . | "$DOCKER" import -c 'ENV PATH=/bin' - caisson-test/file
	assert_eq "$("$DOCKER" run --rm --privileged --network none --runtime sysbox-runc caisson-test/file busybox cat /var/lib/docker)" file
	"$DOCKER" volume rm vol1
}
