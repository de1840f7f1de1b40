# SPDX-License-Identifier: Apache-2.0
# Other engines in one container: a Kubernetes node as the `kind` tool starts it, containerd, Podman, runc and crun by hand.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/inner.bash

setup_file() {
	docker_open
	inner_import node
	inner_import engines
	mkdir -p "$SHARE"
	node_run
	"$DOCKER" run -d --name box --privileged --runtime sysbox-runc caisson-test/engines tini -- sleep 100000 >/dev/null
}

teardown_file() {
	docker_close
}

# node_run - the very flags that kind passes for a node
node_run() {
	"$DOCKER" run -d --name node --hostname node --privileged --security-opt seccomp=unconfined \
		--security-opt apparmor=unconfined --tmpfs /tmp --tmpfs /run --volume /var --volume /lib/modules:/lib/modules:ro \
		-e KIND_EXPERIMENTAL_CONTAINERD_SNAPSHOTTER --cgroupns=private --device /dev/fuse --restart=on-failure:1 \
		--init=false --tty --stop-signal SIGRTMIN+3 --runtime sysbox-runc caisson-test/node /sbin/init >/dev/null
}

# pod NAME [FLAGS...] -- COMMAND... - a container by containerd in the node
pod() {
	local name=$1
	local -a flags=()
	shift
	while [ "$1" != -- ]; do
		flags+=("$1")
		shift
	done
	shift
	inside node ctr run --rm "${flags[@]}" --rootfs /var/rootfs "$name" "$@"
}

node_ready() {
	booted node || true
	eventually 20 inside node ctr version
	inside node sh -c '[ -e /var/rootfs ] || cp -a /images/busybox /var/rootfs'
}

@test "E23 the flags of a kind node: systemd and containerd run, /var is a volume, modules and fuse are there" {
	run booted node
	assert_eq "$output" running "$(inside node systemctl --failed --no-legend --plain)"
	node_ready
	assert_idmap "$(inside node cat /proc/1/uid_map)"
	assert_eq "$(inside node systemctl is-active containerd)" active
	assert_match "$(inside node ctr plugins ls)" 'io.containerd.snapshotter.v1 +overlayfs .* ok'
	assert_eq "$(inside node stat -c %t:%T /dev/fuse)" a:e5
	assert_eq "$(inside node sh -c 'cut -d" " -f5 /proc/self/mountinfo | grep -c ^/var')" 1
	inside node sh -c 'touch /lib/modules/x 2>&1 || :' | grep -q 'Read-only'
	inside node mount --make-rshared /
}

@test "E23 containerd in the node starts containers as for a pod: shared network, limits, mounts, privileged" {
	local pid
	node_ready
	assert_has "$(pod p1 -- /bin/sh -c 'echo up; /bin/id -u')" $'up\n0'
	inside node ctr run -d --memory-limit 67108864 --rootfs /var/rootfs pause /bin/sleep 1000
	pid=$(inside node ctr task ls | awk '$1 == "pause" {print $2}')
	assert_match "$(inside node sh -c "cat /sys/fs/cgroup/memory/default/pause/memory.limit_in_bytes /sys/fs/cgroup/default/pause/memory.max 2>/dev/null")" 67108864
	assert_eq "$(pod p2 --with-ns "network:/proc/$pid/ns/net" --with-ns "ipc:/proc/$pid/ns/ipc" -- /bin/readlink /proc/self/ns/net)" \
		"$(inside node readlink "/proc/$pid/ns/net")"
	assert_has "$(pod p3 --privileged -- /bin/sh -ec '/bin/mount -t tmpfs t /mnt; echo mounted')" mounted
	inside node sh -c 'mkdir -p /var/lib/kubelet/pods/x && echo conf >/var/lib/kubelet/pods/x/f'
	assert_has "$(pod p4 --mount type=bind,src=/var/lib/kubelet/pods/x,dst=/mnt,options=rbind:rw -- /bin/cat /mnt/f)" conf
	inside node ctr task kill -s KILL pause
	eventually 10 inside node ctr container rm pause
}

@test "E23 read-only mounts of a pod from the node's volume" {
	node_ready
	inside node sh -c 'mkdir -p /var/lib/kubelet/pods/y && echo conf >/var/lib/kubelet/pods/y/f'
	assert_has "$(pod p5 --mount type=bind,src=/var/lib/kubelet/pods/y,dst=/mnt,options=rbind:ro -- /bin/sh -c '/bin/cat /mnt/f; /bin/touch /mnt/g 2>&1 || :')" 'Read-only'
}

@test "E23 the sysctls that a kubelet and kube-proxy set" {
	local k
	node_ready
	for k in vm.overcommit_memory=1 vm.panic_on_oom=0 kernel.panic=10 kernel.panic_on_oops=1 kernel.keys.root_maxkeys=1000000 \
		kernel.keys.root_maxbytes=25000000 net.ipv4.ip_forward=1 net.ipv4.conf.all.route_localnet=1 net.netfilter.nf_conntrack_max=131072; do
		inside node sysctl -w "$k"
		assert_eq "$(inside node sysctl -n "${k%%=*}")" "${k#*=}"
	done
}

@test "containerd: images unpacked by the overlay snapshotter survive stop and start" {
	inside box sh -c 'containerd >/tmp/cd.log 2>&1 &'
	eventually 20 inside box ctr version
	oci_archive box
	inside box ctr image import /tmp/oci.tar
	assert_has "$(inside box ctr run --rm docker.io/library/bb:1 c1 /bin/sh -c 'echo x >/new; /bin/ls /new')" /new
	assert_eq "$(inside box sh -c 'ls /var/lib/containerd | grep -c overlayfs')" 1
	"$DOCKER" restart -t 1 box
	inside box sh -c 'containerd >/tmp/cd.log 2>&1 &'
	eventually 20 inside box ctr version
	assert_has "$(inside box ctr run --rm docker.io/library/bb:1 c2 /bin/echo again)" again
}

# oci_archive NAME - /tmp/oci.tar in the container: the busybox image in the format of `docker save`
oci_archive() {
	inside_sh "$1" 'rm -rf /tmp/a && mkdir -p /tmp/a/l && cd /tmp/a && cp /images/busybox.tar l/layer.tar
		sum=$(sha256sum <l/layer.tar | cut -d" " -f1)
		echo "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":[\"PATH=/bin\"],\"Cmd\":[\"sh\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:$sum\"]}}" >c.json
		echo "[{\"Config\":\"c.json\",\"RepoTags\":[\"bb:1\"],\"Layers\":[\"l/layer.tar\"]}]" >manifest.json
		tar -cf /tmp/oci.tar manifest.json c.json l'
}

# pm ARGUMENT... - podman inside
pm() {
	inside box podman --cgroup-manager cgroupfs --events-backend file "$@"
}

@test "Podman inside: overlay storage, run, build, pod, volumes, networks, privileged; survives stop and start" {
	pm import -c 'ENV=PATH=/bin' /images/busybox.tar bb
	assert_eq "$(pm info -f '{{.Store.GraphDriverName}}')" overlay
	assert_eq "$(pm run --rm bb echo hello)" hello
	assert_eq "$(pm run --rm --runtime runc bb echo hello)" hello
	assert_eq "$(pm run --rm --privileged bb sh -ec 'mount -t tmpfs t /mnt; echo ok')" ok
	assert_eq "$(pm run --rm --read-only -v vol:/v bb sh -c 'echo x >/v/f; cat /v/f')" x
	inside_sh box 'mkdir -p /b; cd /b; printf "FROM bb\nRUN rm /etc/group && echo built >/f\n" >Dockerfile'
	inside box sh -c 'cd /b && podman --cgroup-manager cgroupfs build -t built . 2>&1'
	assert_eq "$(pm run --rm built sh -c 'cat /f; ls /etc/group 2>/dev/null | wc -l')" $'built\n0'
	pm network create net
	pm run -d --name web --network net -p 8081:80 bb httpd -f -h /etc
	assert_eq "$(pm run --rm --network net bb wget -qO- http://web/hostname)" "$(pm exec web hostname)"
	assert_eq "$(inside box wget -qO- http://127.0.0.1:8081/hostname)" "$(pm exec web hostname)"
	pm rm -f -t 0 web
	"$DOCKER" restart -t 1 box
	assert_eq "$(pm run --rm -v vol:/v built cat /f /v/f)" $'built\nx'
}

@test "runc and crun by hand, with their own default configuration" {
	local rt
	for rt in runc crun; do
		inside_sh box "rm -rf /tmp/$rt && mkdir -p /tmp/$rt && cd /tmp/$rt && cp -a /images/busybox rootfs && $rt spec &&
			sed -i 's/\"terminal\": true/\"terminal\": false/; s/\"sh\"/\"echo\", \"by $rt\"/' config.json"
		assert_eq "$(inside box sh -c "cd /tmp/$rt && $rt run x$rt")" "by $rt"
		# What they make read-only is: the emulated settings are mounts of their own below it.
		inside_sh box "cd /tmp/$rt && echo 60 >/proc/sys/vm/swappiness && sed -i 's/\"echo\", \"by $rt\"/\"sh\", \"-c\", \"echo 11 >\/proc\/sys\/vm\/swappiness; echo 5 >\/proc\/sys\/kernel\/panic; cat \/proc\/sys\/vm\/swappiness\"/' config.json"
		run inside box sh -c "cd /tmp/$rt && $rt run y$rt"
		assert_match "$output" 'swappiness: Read-only file system'
		assert_match "$output" 'panic: Read-only file system'
		assert_eq "${lines[-1]}" 60
	done
}

@test "rootless inside: another user's own user namespace with mounts and a procfs" {
	assert_eq "$(inside box su -s /bin/sh user -c 'unshare -Urmpf --mount-proc sh -c "id -u; echo \$\$; mount -t tmpfs t /mnt && echo ok"')" $'0\n1\nok'
}
