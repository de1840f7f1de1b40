#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The root file system on this kernel: layers given to overlay by path or fd, id-mapped, ids on disk as in the image.

load lib

setup_file()
{
	engine_start
}

teardown()
{
	containers_remove
}

@test "ids are mapped to a range of the container's own (E1, E2, E4)" {
	assert_idmap "$(box -- cat /proc/self/uid_map)"
	assert_eq "$(box -- sh -c 'cmp /proc/self/uid_map /proc/self/gid_map && echo same')" same
}

@test "two live containers have different ranges (E3)" {
	idle c1
	idle c2
	local a b
	a=$(map_base "$(pid_of c1)") b=$(map_base "$(pid_of c2)")
	[ $((a > b ? a - b : b - a)) -ge 65536 ] || fail "bases $a and $b"
}

@test "processes have no id that is valid outside (E6)" {
	idle c1 -u 1000
	local base
	base=$(map_base "$(pid_of c1)")
	[ "$base" -ge 100000 ] || fail "base $base"
	assert_eq "$(stat -c %u "/proc/$(pid_of c1)")" $((base + 1000))
}

@test "the root is an overlay and its lower files are owned as in the image (E98)" {
	assert_eq "$(box -- awk '$2 == "/" {print $3}' /proc/mounts)" overlay
	assert_eq "$(box -- stat -c %u:%g /bin/busybox /home/user)" $'0:0\n1000:1000'
	assert_eq "$(box -- find / -xdev -mindepth 1 ! -path /proc ! -path /sys -user 65534)" ""
}

@test "what the container writes is unshifted on disk" {
	local upper

	idle c1
	upper=$(upper_of c1)
	docker exec c1 touch /root/by-root
	docker exec -u 1000 c1 touch /tmp/by-user
	docker exec c1 chown 65535:7 /etc/group
	assert_eq "$(stat -c %u:%g "$upper/root/by-root")" 0:0
	assert_eq "$(stat -c %u:%g "$upper/tmp/by-user")" 1000:1000
	assert_eq "$(stat -c %u:%g "$upper/etc/group")" 65535:7
}

@test "a lower file is copied up with its owner and can be removed" {
	idle c1
	run docker exec c1 sh -ec 'echo x >>/etc/passwd; stat -c %u /etc/passwd; rm /etc/group; test ! -e /etc/group
		mv /home/user /home/renamed; stat -c %u /home/renamed'
	assert_eq "$status" 0 "$output"
	assert_eq "$output" $'0\n1000'
	assert_eq "$(stat -c %u "$(upper_of c1)/etc/passwd")" 0
}

@test "diff, commit and a container on the committed layers agree" {
	local i

	docker tag "$IMAGE" layers
	for i in 1 2 3 4; do
		docker rm -f c1 >/dev/null 2>&1 || true
		docker run --name c1 --network=none layers sh -c "echo $i >/root/layer$i; chown $i /root/layer$i"
		assert_has "$(docker diff c1)" "A /root/layer$i"
		docker commit c1 layers >/dev/null
	done
	run docker run --rm --network=none layers sh -c 'cd /root && stat -c "%n %u" layer*; rm layer2 && ls'
	assert_eq "$status" 0 "$output"
	assert_eq "$output" $'layer1 1\nlayer2 2\nlayer3 3\nlayer4 4\nlayer1\nlayer3\nlayer4'
	docker rm -f c1 >/dev/null
	docker rmi layers >/dev/null
}

@test "files copied in and out keep their owners" {
	idle c1
	echo in >"$BATS_TEST_TMPDIR/in"
	# A name that was looked up in vain must not stay absent.
	docker exec c1 sh -c 'test ! -e /tmp/in && echo out >/tmp/out && chown 1000:7 /tmp/out'
	docker cp "$BATS_TEST_TMPDIR/in" c1:/tmp/in
	assert_eq "$(docker exec c1 sh -c 'stat -c %u /tmp/in; cat /tmp/in')" $'0\nin'
	assert_has "$(docker cp c1:/tmp/out - | tar -tv --numeric-owner)" " 1000/7 "
}

@test "a volume moves between containers with its owners (E98)" {
	docker volume create vol >/dev/null
	run box -v vol:/v -- sh -c 'echo x >/v/root; echo x >/v/user; chown 1000:1000 /v/user'
	assert_eq "$status" 0 "$output"
	assert_eq "$(box -v vol:/v -- stat -c %u:%g /v/root /v/user)" $'0:0\n1000:1000'
	assert_eq "$(stat -c %u "$(docker volume inspect -f '{{.Mountpoint}}' vol)/user")" 1000
	docker volume rm vol >/dev/null
}

@test "a volume on tmpfs is shared, also where the kernel cannot id-map it" {
	idle c1 --mount type=volume,src=v1,dst=/v,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-opt=o=size=8m
	docker exec c1 sh -c 'echo one >/v/f && df -k /v | grep -q " 8192 "'
	assert_eq "$(box -v v1:/v -- cat /v/f)" one
	docker rm -f c1
	docker volume rm v1
}

@test "nothing is mounted on the host for a container that is gone" {
	local before

	before=$(findmnt -rn -o TARGET | sort)
	box -- true
	assert_eq "$(findmnt -rn -o TARGET | sort)" "$before"
}
