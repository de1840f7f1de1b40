# SPDX-License-Identifier: Apache-2.0
# The supervisor: who gets one, trapped calls, emulated files, what happens when its parts die: rows E83-E97.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/tools.bash

TOOLS=caisson-test/tools

setup_file() {
	docker_open || return 1
	tools_image $TOOLS mount umount unshare findmnt nsenter sysctl free nproc || return 1
	IMAGE=$TOOLS dbg aa --privileged
}

teardown_file() {
	docker_close
}

teardown() {
	drm bb cc
}

# s COMMAND... - in the privileged container of this file
s() {
	d exec aa "$@"
}

# helpers_of NAME - pids of the supervisor's processes of a container
helpers_of() {
	local id
	id=$(d inspect -f '{{.Id}}' "$1")
	pgrep -f "caisson-[a-z]*: $id"
}

worker_of() {
	local id
	id=$(d inspect -f '{{.Id}}' "$1")
	pgrep -f "caisson-$2: $id"
}

# awake NAME - its workers run
awake() {
	d exec "$1" sh -c 'mount -t proc proc /mnt && cat /mnt/meminfo && umount /mnt' >/dev/null
}

@test "a container that cannot mount has no process of ours" {
	dbg bb
	[ -z "$(helpers_of bb)" ]
	[ -n "$(helpers_of aa)" ]
}

@test "workers are started by the first request, and only the one that is asked" {
	IMAGE=$TOOLS dbg bb --privileged
	sleep 0.5
	assert_eq "$(helpers_of bb)" "$(worker_of bb monitor)"
	d exec bb cat /proc/uptime /proc/swaps /proc/sys/kernel/osrelease >/dev/null # none of theirs
	assert_eq "$(helpers_of bb)" "$(worker_of bb monitor)"
	run -0 d exec bb cat /proc/sys/kernel/panic
	[ -n "$(worker_of bb procview)" ]
	[ -z "$(worker_of bb notify)" ]
	run -0 d exec bb mount -t tmpfs t /mnt
	[ -n "$(worker_of bb notify)" ]
}

@test "a profile that refuses mount leaves out the supervisor" {
	printf '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mount"],"action":"SCMP_ACT_ERRNO"}]}' >"$ENGINE/no-mount.json"
	dbg bb --cap-add SYS_ADMIN --security-opt seccomp="$ENGINE/no-mount.json"
	[ -z "$(helpers_of bb)" ]
}

@test "exec --privileged gives a container a supervisor, and it can mount then" {
	# AppArmor: `exec --privileged` keeps the container's profile, and the engine's default one refuses mount.
	dbg bb --security-opt seccomp=unconfined --security-opt apparmor=unconfined
	[ -z "$(helpers_of bb)" ]
	run -0 d exec --privileged bb sh -c 'mkdir -p /p && mount -t proc proc /p && cat /p/swaps | wc -l'
	assert_eq "$output" 1
	[ -n "$(helpers_of bb)" ]
}

@test "settings give every container the resource view" {
	dbg bb --memory 64m
	run -0 d exec bb awk '/^MemTotal/ {print $2}' /proc/meminfo
	[ "$output" -gt 65536 ] # without it: the host's
	drm bb
	cp "$SETTINGS" "$ENGINE/settings.saved"
	jq '.caisson.resourceView = "always"' "$ENGINE/settings.saved" >"$SETTINGS"
	dbg bb --memory 64m
	run -0 d exec bb awk '/^MemTotal/ {print $2}' /proc/meminfo
	cp "$ENGINE/settings.saved" "$SETTINGS"
	assert_eq "$output" 65536
}

@test "the supervisor ends with its container" {
	IMAGE=$TOOLS dbg bb --privileged
	local pids
	pids=$(helpers_of bb)
	[ -n "$pids" ]
	drm bb
	for p in $pids; do
		eventually 5 ended "$p"
	done
}

@test "A94 nothing of the supervisor is in the container's pid namespace" {
	s sh -c 'mkdir -p /p && for i in 1 2 3 4 5 6 7 8 9 10; do mount -t proc proc /p && ls -d /proc/[0-9]* | wc -l && umount /p; done' >"$ENGINE/out"
	refute_match "$(s sh -c 'cat /proc/[0-9]*/cmdline | tr "\0" " "')" caisson
	# init, its sleep, the shell, ls and wc: never more
	[ "$(sort -n "$ENGINE/out" | tail -1)" -le 6 ]
}

@test "E89 E93 procfs can be mounted and carries the emulated files" {
	run -0 s sh -c 'mkdir -p /p1 && mount -t proc proc /p1 && cat /p1/swaps && grep -c " /p1/" /proc/self/mountinfo && umount /p1 && grep -c /p1 /proc/self/mountinfo || true'
	assert_match "${lines[0]}" '^Filename'
	[ "${lines[1]}" -gt 5 ]
	assert_eq "${lines[2]}" 0
}

@test "E89 unshare --mount-proc, and in a nested user namespace" {
	run -0 s unshare -pf --mount-proc sh -c 'echo $$; ls -d /proc/[0-9]* | wc -l; cat /proc/swaps | wc -l'
	assert_eq "${lines[0]}" 1
	assert_eq "${lines[2]}" 1
	run -0 s unshare -Urpf --mount-proc sh -c 'echo $$; head -1 /proc/meminfo'
	assert_eq "${lines[0]}" 1
	assert_match "${lines[1]}" MemTotal
}

@test "E89 in a chroot without a procfs one can be mounted, as debootstrap does" {
	run -0 s sh -c 'mkdir -p /ch/bin /ch/proc /ch/sys && cp /bin/busybox /ch/bin/ && chroot /ch busybox mount -t proc proc /proc && chroot /ch busybox mount -t sysfs sysfs /sys &&
		chroot /ch busybox head -1 /proc/swaps && cat /ch/sys/devices/system/cpu/online && umount /ch/sys && umount /ch/proc'
	assert_match "${lines[0]}" '^Filename'
}

@test "what an engine inside hides from its containers, these do not get by a procfs of their own" {
	run -0 s unshare -m sh -c 'mount --bind /dev/null /proc/version && unshare -pf --mount-proc true && ! unshare -Urmpf sh -c "mount -t proc proc /proc" && umount /proc/version &&
		unshare -Urmpf sh -c "mount -t proc proc /proc && head -c 5 /proc/version"'
	assert_match "${lines[-1]}" Linux
	assert_match "${lines[0]}" 'ermission denied|not permitted'
}

@test "E89 util-linux mounts procfs, by fsopen where it uses that" {
	run -0 s sh -c 'mkdir -p /p6 && /usr/bin/mount -t proc proc /p6 && cat /p6/swaps && /usr/bin/umount /p6 && /usr/bin/mount --bind /proc /p6 && /usr/bin/umount /p6 && /usr/bin/mount --rbind /proc /p6 && /usr/bin/umount -R /p6 && grep -c " /p6" /proc/self/mountinfo || true'
	assert_match "${lines[0]}" '^Filename'
	assert_eq "${lines[1]}" 0
}

@test "E89 sysfs can be mounted" {
	run -0 s sh -c 'mkdir -p /s1 && mount -t sysfs sysfs /s1 && ls /s1/class/net && cat /s1/devices/system/cpu/online && umount /s1'
	assert_has "$output" lo
}

@test "mount options of procfs are passed on, unknown ones are refused" {
	run -0 s sh -c 'mkdir -p /p2 && mount -t proc -o hidepid=2,ro proc /p2 && findmnt -no OPTIONS /p2 && umount /p2'
	assert_match "$output" 'ro'
	assert_match "$output" 'hidepid=(2|invisible)'
	run s sh -c 'mount -t proc -o nonsense=1 proc /p2'
	[ "$status" -ne 0 ]
}

@test "umount -R of a bound /proc, chroot scripts" {
	run -0 s sh -c 'mkdir -p /c/proc /c/sys /c/dev && mount --bind /proc /c/proc && mount --bind /sys /c/sys && mount --bind /dev /c/dev && cat /c/proc/swaps | wc -l && umount /c/dev && umount /c/sys && umount /c/proc && grep -c " /c/" /proc/self/mountinfo || true'
	assert_eq "$output" $'1\n0'
	run -0 s sh -c 'mount --rbind /proc /c/proc && /usr/bin/umount -R /c/proc && grep -c " /c/" /proc/self/mountinfo || true'
	assert_eq "$output" 0
}

@test "a file of an emulated procfs cannot be uncovered" {
	run s umount /proc/meminfo
	[ "$status" -ne 0 ]
	run s umount -l /proc/swaps
	[ "$status" -ne 0 ]
	s sh -c 'mkdir -p /p3 && mount -t proc proc /p3'
	run s umount -l /p3/swaps
	[ "$status" -ne 0 ]
	run s sh -c 'unshare -m sh -c "umount -l /p3/swaps"'
	[ "$status" -ne 0 ]
	s umount /p3
}

@test "E88 /proc and /sys of the container itself stay" {
	run s umount /proc
	[ "$status" -ne 0 ]
	assert_match "$output" 'busy|Invalid'
	run -0 s head -1 /proc/meminfo
}

@test "E83 a user without rights cannot mount, with the supervisor there" {
	run d exec --user 1000 aa unshare -m true
	[ "$status" -ne 0 ]
	run d exec --user 1000 aa sh -c 'mount -t proc proc /mnt'
	[ "$status" -ne 0 ]
	run s grep -c ' /mnt ' /proc/self/mountinfo
	assert_eq "$output" 0
}

@test "E91 B10 A83 32-bit callers are treated the same" {
	gcc -static -O1 -Wall -Wextra -o "$ENGINE/mount32" tests/helpers/mount32.c
	d exec -i aa sh -c 'cat >/bin/mount32 && chmod 755 /bin/mount32' <"$ENGINE/mount32"
	run -0 s sh -c 'mkdir -p /p4 && mount32 proc /p4 && head -1 /p4/meminfo && mount32 -u /p4 && mount32 tmpfs /p4 && mount32 -u /p4'
	assert_match "$output" MemTotal
}

@test "mknod of harmless devices works, of others it does not" {
	run -0 s sh -c 'mknod /n1 c 1 3 && echo x >/n1 && mknod /z1 c 1 5 && head -c 4 /z1 | wc -c && stat -c "%t:%T %u %a" /n1 && rm /n1 /z1'
	assert_eq "$output" $'4\n1:3 0 644'
	run s mknod /m c 1 1
	[ "$status" -ne 0 ]
	# The system console is the host's: made, as in every /dev, and opened by nobody.
	run -0 s sh -c 'mknod /con c 5 1 && mount -t tmpfs t /mnt && mknod /mnt/con c 5 1 && for f in /con /mnt/con; do ! echo x >$f && ! cat $f; done && umount /mnt && rm /con'
	assert_eq "$(grep -c 'not permitted\|ermission denied' <<<"$output")" 4 "$output"
	run s mknod /k c 10 232
	[ "$status" -ne 0 ]
	run s mknod /b b 8 0
	[ "$status" -ne 0 ]
	run d exec --user 1000 aa mknod /n2 c 1 3
	[ "$status" -ne 0 ]
}

@test "E95 a kernel setting of one container is not that of another, nor of the host" {
	local before
	before=$(cat /proc/sys/kernel/panic)
	IMAGE=$TOOLS dbg bb --privileged
	run -0 s sysctl -w kernel.panic=77
	run -0 s cat /proc/sys/kernel/panic
	assert_eq "$output" 77
	run -0 s sh -c 'echo 33 >/proc/sys/vm/swappiness && echo 34 >>/proc/sys/vm/swappiness && cat /proc/sys/vm/swappiness'
	assert_eq "$output" 34
	run -0 d exec bb cat /proc/sys/kernel/panic
	[ "$output" != 77 ]
	assert_eq "$(cat /proc/sys/kernel/panic)" "$before"
}

@test "E95 values that the kernel would refuse are refused" {
	run s sh -c 'echo nonsense >/proc/sys/kernel/panic'
	[ "$status" -ne 0 ]
	assert_match "$output" 'Invalid argument'
	run s sh -c 'echo 99999999999 >/proc/sys/kernel/panic'
	[ "$status" -ne 0 ]
	run d exec --user 1000 aa sh -c 'echo 1 >/proc/sys/kernel/panic'
	[ "$status" -ne 0 ]
}

@test "E96 inner procfs mounts show the container's values" {
	run -0 s sysctl -w kernel.panic=55
	run -0 s unshare -pf --mount-proc cat /proc/sys/kernel/panic
	assert_eq "$output" 55
}

@test "sysctl -a reads everything, sysctl --system writes what a distribution sets" {
	run s sysctl -a
	refute_match "$output" 'not connected|Function not implemented|Input/output'
	[ "${#lines[@]}" -gt 100 ]
	run -0 s sh -c 'mkdir -p /etc/sysctl.d && printf "kernel.printk = 4 4 1 7\nkernel.sysrq = 438\nfs.protected_hardlinks = 1\nvm.overcommit_memory = 1\nkernel.panic = 10\nkernel.panic_on_oops = 1\n" >/etc/sysctl.d/99-k8s.conf && /usr/sbin/sysctl --system >/dev/null && cat /proc/sys/vm/overcommit_memory'
	assert_eq "$output" 1
}

@test "E97 kernel.shm* can be written" {
	run -0 s sysctl -w kernel.shmmax=123456789
	run -0 s cat /proc/sys/kernel/shmmax
	assert_eq "$output" 123456789
}

@test "L35 the resource view follows the limits" {
	IMAGE=$TOOLS dbg bb --privileged --memory 256m --cpus 1
	run -0 d exec bb sh -c "awk '/^MemTotal/ {print \$2}' /proc/meminfo; grep -c ^processor /proc/cpuinfo; grep -c '^cpu[0-9]' /proc/stat; cat /sys/devices/system/cpu/online; free -k | awk '/^Mem/ {print \$2}'"
	assert_eq "$output" $'262144\n1\n1\n0\n262144'
	d update --memory 128m --memory-swap 128m bb
	sleep 0.1
	run -0 d exec bb awk '/^MemTotal/ {print $2}' /proc/meminfo
	assert_eq "$output" 131072
	run -0 d exec bb /bin/busybox free -k
	assert_match "$output" 'Mem: +131072'
}

@test "busybox cat, dd, wc and tail read emulated files right" {
	run -0 s /bin/busybox cat /proc/sys/kernel/panic
	[ -n "$output" ]
	run -0 s sh -c '/bin/busybox cat /proc/meminfo | wc -l'
	[ "$output" -gt 10 ]
	run -0 s sh -c 'dd if=/proc/meminfo bs=1 count=8 2>/dev/null'
	assert_eq "$output" MemTotal
	run -0 s sh -c 'tail -1 /proc/meminfo | wc -l'
	assert_eq "$output" 1
}

@test "boot_id and product_uuid are the container's own and stay the same" {
	IMAGE=$TOOLS dbg bb --privileged
	local a b
	a=$(s cat /proc/sys/kernel/random/boot_id)
	b=$(d exec bb cat /proc/sys/kernel/random/boot_id)
	[ "$a" != "$b" ]
	[ "$a" != "$(cat /proc/sys/kernel/random/boot_id)" ]
	assert_eq "$(s cat /proc/sys/kernel/random/boot_id)" "$a"
	assert_match "$a" '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'
}

@test "workers that are killed come back, and nobody notices" {
	local i n=$((400 / ${CAISSON_TEST_SLOW:-1}))
	s env N="$n" sh -c 'mkdir -p /p5; i=0; while [ $i -lt $N ]; do mount -t proc proc /p5 && head -1 /p5/meminfo >/dev/null && umount /p5 && cat /proc/sys/kernel/panic >/dev/null || { echo failed at $i; exit 1; }; i=$((i+1)); done; echo fine' >"$ENGINE/out" 2>&1 &
	local loop=$!
	for i in $(seq $((n / 4))); do
		# shellcheck disable=SC2046
		kill -9 $(worker_of aa notify) $(worker_of aa procview) 2>/dev/null || true
		sleep 0.02
	done
	wait "$loop"
	assert_eq "$(cat "$ENGINE/out")" fine
	run s grep -c /p5 /proc/self/mountinfo
	assert_eq "$output" 0
}

@test "P1 with the workers dead for good the kernel still refuses" {
	IMAGE=$TOOLS dbg bb --privileged
	local p
	awake bb
	# Stopped monitor: nobody restarts the workers.
	kill -STOP "$(worker_of bb monitor)"
	kill -9 "$(worker_of bb procview)"
	p=$(worker_of bb notify) && kill -9 "$p"
	# The call waits, and does nothing.
	run timeout 3 "$DOCKER" exec bb sh -c 'mount -t proc proc /mnt; grep -c " /mnt " /proc/1/mountinfo'
	[ "$status" -ne 0 ]
	kill -CONT "$(worker_of bb monitor)"
	run -0 d exec bb sh -c 'mount -t proc proc /mnt && head -1 /mnt/meminfo'
}

@test "docker stop and kill work in time with a stopped worker" {
	IMAGE=$TOOLS dbg bb --privileged
	awake bb
	d exec -d bb sh -c 'while :; do cat /proc/meminfo /proc/sys/kernel/panic; done'
	kill -STOP "$(worker_of bb procview)"
	SECONDS=0
	d stop -t 2 bb
	[ "$SECONDS" -lt $((8 * ${CAISSON_TEST_SLOW:-1})) ]
}

@test "a monitor that somebody stopped ends with its container, and so do its workers" {
	IMAGE=$TOOLS dbg bb --privileged
	local id p pids=()
	awake bb
	id=$(d inspect -f '{{.Id}}' bb)
	for p in monitor procview notify; do
		pids+=("$(worker_of bb "$p")")
	done
	kill -STOP "${pids[@]}"
	d rm -f bb
	for p in "${pids[@]}"; do
		eventually 10 ended "$p"
	done
	refute_match "$(pgrep -af "caisson-(monitor|notify|procview): $id")" "$id"
}

@test "containers work on after an engine restart, and new ones start" {
	docker_daemon_stop
	docker_daemon_start
	s true || d start aa
	run -0 s sh -c 'head -1 /proc/meminfo'
	assert_match "$output" MemTotal
}
