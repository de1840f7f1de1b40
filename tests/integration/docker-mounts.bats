# SPDX-License-Identifier: Apache-2.0
# Binds, volumes, immutable mounts, ids of files: rows E37-E46, E83-E88, E98, E100, E101, M3.

load ../lib/common.bash
load ../lib/docker.bash

setup_file() {
	docker_open
}

teardown_file() {
	docker_close
}

teardown() {
	drm aa bb cc
	d volume rm v1 v2 >/dev/null 2>&1 || true
}

# refused SOURCE [FLAGS] - a bind of @source must end in M3
refused() {
	run -125 d run --rm --network none -v "$1:/x${2:-}" "$IMAGE" true
	assert_has "$output" "because it's configured as a restricted host mount"
	assert_has "$output" "can't mount"
}

@test "E37 a shared directory mounts and lists" {
	local dir
	dir=$(share_dir e37 1000)
	echo hello >"$dir/f"
	chown 1000:1000 "$dir/f"
	run -0 drun -v "$dir:/mnt" -- cat /mnt/f
	assert_eq "$output" hello
}

@test "E37 a single shared file mounts" {
	local dir
	dir=$(share_dir e37f 1000)
	echo hello >"$dir/f"
	chown 1000:1000 "$dir/f"
	run -0 drun -v "$dir/f:/etc/thing:ro" -- cat /etc/thing
	assert_eq "$output" hello
}

@test "E38 M3 a file of the host outside the share is refused by name" {
	run -125 d run --rm --network none -v "$ENGINE/etc/daemon.json:/mnt/daemon.json" "$IMAGE" true
	assert_has "$output" "error in the container spec: can't mount $ENGINE/etc/daemon.json because it's configured as a restricted host mount"
}

@test "E38 system directories, the root and parents of shares are refused" {
	local src
	for src in /etc /etc/hostname / /var /usr /root /boot /run /dev /proc /sys "$CAISSON_TEST_RUN" "$ENGINE/data" /var/tmp; do
		refused "$src"
	done
}

@test "E39 M3 read-only does not help" {
	refused /etc/hostname :ro
}

@test "E40 a volume that aliases a host directory is refused" {
	d volume create -o type=none -o o=bind -o device=/etc v1
	run -125 d run --rm --network none -v v1:/x "$IMAGE" ls /x
	assert_has "$output" "restricted host mount"
}

@test "E40 a volume that aliases a host directory by an overlay is refused" {
	mkdir -p "$ENGINE/empty"
	d volume create -o type=overlay -o "o=lowerdir=/etc:$ENGINE/empty" -o device=overlay v1
	run -125 d run --rm --network none -v v1:/x "$IMAGE" ls /x
	assert_has "$output" "restricted host mount"
	refute_has "$output" hostname
	run -0 d run --rm --network none --runtime runc -v v1:/x "$IMAGE" ls /x
	assert_has "$output" hostname "control: the volume shows the host's directory"
}

@test "E38 a link inside the share that points out of it is refused" {
	local dir
	dir=$(share_dir e38 1000)
	ln -sfn /etc "$dir/out"
	refused "$dir/out"
	refused "$dir/out/hostname"
}

@test "E38 dots, double slashes and --mount do not get around the rule" {
	refused "$SHARE/../etc"
	refused "$SHARE//..//etc"
	run -125 d run --rm --network none --mount type=bind,source=/etc,target=/x "$IMAGE" true
	assert_has "$output" "restricted host mount"
}

@test "E38 a directory whose name begins like the share's is refused" {
	mkdir -p "$SHARE-other"
	refused "$SHARE-other"
	rmdir "$SHARE-other"
}

@test "E38 the engine's own socket is refused" {
	refused "$ENGINE/d.sock"
}

@test "E43 a path that is not shared is not mounted, and the text says what would allow it" {
	mkdir -p "$ENGINE/opt"
	run -125 d run --rm --network none -v "$ENGINE/opt:/x" "$IMAGE" true
	assert_has "$output" "restricted host mount"
}

@test "E41 E98 two containers with different ranges share a volume with the right owners" {
	d volume create v1
	dbg aa -v v1:/data
	dbg bb -v v1:/data
	[ "$(map_base "$(dpid aa)")" != "$(map_base "$(dpid bb)")" ]
	d exec aa sh -c 'echo a >/data/a; echo u >/data/u; chown 1000:2000 /data/u; mkdir /data/d'
	run -0 d exec bb stat -c %u:%g /data/a /data/u /data/d
	assert_eq "$output" $'0:0\n1000:2000\n0:0'
	d exec bb sh -c 'echo more >>/data/a; rm /data/u; echo b >/data/b'
	run -0 d exec aa cat /data/a /data/b
	assert_eq "$output" $'a\nmore\nb'
	# On disk the ids are those of the containers, not of a range.
	run -0 stat -c %u:%g "$(d volume inspect -f '{{.Mountpoint}}' v1)/a"
	assert_eq "$output" 0:0
}

@test "E41 anonymous volumes and volumes with contents of the image work" {
	run -0 drun -v /home/user -- stat -c %u:%g /home/user
	assert_eq "$output" 1000:1000
	run -0 drun -v /etc -- cat /etc/group
	assert_has "$output" extra
}

@test "E41 tmpfs mounts have the requested size and mode" {
	run -0 drun --tmpfs /t:size=1m,mode=1777,noexec -- sh -c 'grep " /t " /proc/mounts; stat -c %a /t; dd if=/dev/zero of=/t/f bs=64k count=32 2>/dev/null || echo full'
	assert_has "$output" noexec
	assert_has "$output" size=1024k
	assert_has "$output" 1777
	assert_has "$output" full
}

@test "E37 the main user of a container is the owner of the shared directory" {
	local dir
	dir=$(share_dir owner 1234)
	drun -v "$dir:/mnt" -- sh -ec 'echo x >/mnt/new; mkdir /mnt/sub; [ "$(stat -c %u:%g /mnt/new)" = 0:0 ]'
	run -0 stat -c %u "$dir/new" "$dir/sub"
	assert_eq "$output" $'1234\n1234'
}

@test "E37 with --user that user is the owner of the shared directory" {
	local dir
	dir=$(share_dir owner2 1234)
	drun --user 1000:1000 -v "$dir:/mnt" -- sh -ec 'echo x >/mnt/new; [ "$(stat -c %u /mnt/new)" = 1000 ]'
	run -0 stat -c %u "$dir/new"
	assert_eq "$output" 1234
}

@test "E99 nothing that a container writes to a share belongs to root or to another account" {
	local dir uid
	dir=$(share_dir accounts 1234 0777)
	drun -v "$dir:/mnt" -- sh -c 'for u in 0 1 33 1000 1234 65534; do
		cp /bin/busybox /mnt/suid$u 2>/dev/null; chown $u:$u /mnt/suid$u; chmod 6755 /mnt/suid$u; done; mknod /mnt/dev c 1 3; true'
	for uid in $(find "$dir" -mindepth 1 -printf '%U %G\n'); do
		[ "$uid" -eq 1234 ] || [ "$uid" -ge 100000 ] || fail "a file has id $uid: $(ls -ln "$dir")"
	done
	[ -z "$(find "$dir" -mindepth 1 \( -type c -o -type b \))" ] || fail "a device node on a share"
}

@test "E99 a shared directory of root stays unwritable, its root files unreadable" {
	local dir
	dir=$(share_dir rootdir 0)
	echo secret >"$dir/secret"
	chmod 0600 "$dir/secret"
	run drun -v "$dir:/mnt" -- sh -c 'touch /mnt/x'
	[ "$status" -ne 0 ]
	assert_has "$output" "touch: /mnt/x: Permission denied"
	run drun -v "$dir:/mnt" -- cat /mnt/secret
	[ "$status" -ne 0 ]
	assert_has "$output" "'/mnt/secret': Permission denied"
	refute_has "$output" secret$'\n'
	run drun --privileged -v "$dir:/mnt" -- sh -c 'chmod 0777 /mnt || chown 0 /mnt/secret'
	[ "$status" -ne 0 ]
	assert_match "$output" 'chmod: .*not permitted.*chown: .*not permitted'
	assert_eq "$(stat -c %a "$dir")" 755
}

@test "E45 deleting files on a shared directory works" {
	local dir
	dir=$(share_dir rm 1234)
	mkdir -p "$dir/d/e"
	touch "$dir/a" "$dir/d/e/f"
	chown -R 1234:1234 "$dir"
	run -0 drun -v "$dir:/mnt" -- rm -r /mnt/a /mnt/d
	refute_has "$output" 'too large'
	[ -z "$(ls -A "$dir")" ]
}

@test "E46 hard links keep their owner" {
	local dir
	dir=$(share_dir links 1234)
	run -0 drun -v "$dir:/mnt" -v v1:/vol -- sh -ec 'cd /mnt; echo x >a; ln a b; stat -c %u:%g:%h b; cd /vol; echo x >a; ln a b; stat -c %u:%g:%h b; cd /; echo x >a; ln a b; stat -c %u:%g:%h b'
	assert_eq "$output" $'0:0:2\n0:0:2\n0:0:2'
}

@test "E98 files of the image belong to the ids that the image says" {
	run -0 drun -- stat -c %u:%g /bin/busybox /home/user /
	assert_eq "$output" $'0:0\n1000:1000\n0:0'
	run -0 drun -- sh -ec 'chown 7:8 /bin/busybox; rm -r /home/user; stat -c %u:%g /bin/busybox'
	assert_eq "$output" 7:8
}

@test "E98 every file that the engine puts into a container belongs to root there" {
	run -0 drun -- stat -c '%u:%g %n' /etc/hosts /etc/hostname /etc/resolv.conf /dev/shm /dev/pts /dev
	refute_has "$output" 65534
}

@test "E84 a read-only share can not be remounted writable" {
	local dir
	dir=$(share_dir e84 1000)
	# Where there is AppArmor, its profile would answer before the kernel does.
	run drun --cap-add SYS_ADMIN --security-opt apparmor=unconfined -v "$dir:/mnt:ro" -- sh -c 'mount -o remount,rw /mnt /mnt; echo "code $?"; touch /mnt/x'
	[ "$status" -ne 0 ]
	assert_match "$output" '[Pp]ermission denied|not permitted'
	refute_has "$output" "code 0"
	[ ! -e "$dir/x" ]
}

@test "E84 a read-only volume can not be remounted writable, not even privileged" {
	d volume create v1
	run drun --privileged -v v1:/mnt:ro -- sh -c 'mount -o remount,bind,rw /mnt; mount -o remount,rw /mnt; touch /mnt/x'
	[ "$status" -ne 0 ]
	assert_has "$output" "touch: /mnt/x: Read-only file system"
	[ ! -e "$(d volume inspect -f '{{.Mountpoint}}' v1)/x" ]
}

@test "E84 a read-only root file system can not be remounted writable" {
	run drun --privileged --read-only -- sh -c 'mount -o remount,rw /; mount -o remount,bind,rw /; touch /x'
	[ "$status" -ne 0 ]
	assert_has "$output" "touch: /x: Read-only file system"
}

@test "E85 neither a bind of it, nor a new namespace, nor a chroot makes it writable" {
	local dir
	dir=$(share_dir e85 1000)
	run -0 drun --privileged -v "$dir:/mnt:ro" --tmpfs /t -- sh -c '
		mkdir /t/a /t/b
		mount --bind /mnt /t/a && mount -o remount,bind,rw /t/a && echo BAD1
		touch /t/a/x && echo BAD2
		unshare -m sh -c "mount -o remount,bind,rw /mnt && echo BAD3; mount --rbind / /t/b; mount -o remount,bind,rw /t/b/mnt && echo BAD4; chroot /t/b mount -o remount,bind,rw /mnt && echo BAD5; touch /t/b/mnt/x && echo BAD6"
		unshare -U -r -m sh -c "mount -o remount,bind,rw /mnt && echo BAD7"
		umount /mnt && touch /mnt/x && [ -e /t/a/x ] && echo BAD8
		echo end'
	refute_has "$output" BAD
	assert_has "$output" end
	[ ! -e "$dir/x" ]
}

@test "E86 a writable mount may be made read-only" {
	d volume create v1
	run -0 drun --privileged -v v1:/mnt -- sh -c 'mount -o remount,bind,ro /mnt && ! touch /mnt/x 2>/dev/null && echo ro'
	assert_eq "$output" ro
}

@test "E87 new mounts made inside are free" {
	run -0 drun --cap-add SYS_ADMIN --security-opt apparmor=unconfined -- sh -ec '
		mkdir /root/tmpfs; mount -t tmpfs tmpfs /root/tmpfs
		mount -o remount,ro /root/tmpfs /root/tmpfs; ! touch /root/tmpfs/f 2>/dev/null
		mount -o remount,rw /root/tmpfs /root/tmpfs; touch /root/tmpfs/f
		umount /root/tmpfs; echo free'
	assert_eq "$output" free
}

@test "E88 the root and what lies over /proc can not be unmounted" {
	run -0 drun --cap-add SYS_ADMIN --security-opt apparmor=unconfined -- sh -c '
		umount / && echo BAD/; umount -l / && echo BAD-lazy/; umount /proc && echo BAD/proc
		set -- $(awk "\$2 ~ /^\/proc\// {print \$2}" /proc/mounts)
		[ $# -ge 5 ] || echo BAD: nothing lies over /proc
		for m; do umount -l $m 2>/dev/null && echo BAD$m; done
		head -c1 /proc/self/status >/dev/null && echo alive'
	assert_has "$output" alive
	refute_has "$output" BAD
}

@test "E88 a container that throws its /proc away gets no other one, and uncovers nothing" {
	run -0 drun --privileged -- sh -c '
		umount -l /proc || exit 3
		ls -A /proc; mount -t proc proc /proc 2>/dev/null && echo BAD; mkdir /p; mount -t proc proc /p 2>/dev/null && echo BAD
		echo end'
	assert_eq "$output" end
}

@test "E88 masked files stay masked after every attempt to uncover them" {
	run -0 drun --cap-add SYS_ADMIN --security-opt apparmor=unconfined -- sh -c '
		mkdir /a; umount -l /proc/kcore 2>/dev/null; mount --bind /proc /a 2>/dev/null; mount -t proc proc /a 2>/dev/null
		cat /proc/kcore /a/kcore 2>/dev/null | head -c 64 | wc -c'
	assert_eq "${lines[-1]}" 0
}

@test "E83 mount and umount of every kind that needs no host right work inside" {
	run -0 drun --privileged -- sh -ec '
		mkdir /a /b /c; mount --bind /a /b; umount /b; mount --rbind /c /b; umount /b
		mount -t tmpfs t /a; mkdir /a/u /a/w /a/l /a/m; mount -t overlay o -o lowerdir=/a/l,upperdir=/a/u,workdir=/a/w,userxattr /a/m
		touch /a/m/f; [ -e /a/u/f ]; umount /a/m; mount --make-rprivate /; mount --move /a /c 2>/dev/null || true; echo done'
	assert_eq "$output" done
}

@test "E100 docker cp into a running container gives root's ownership" {
	dbg aa
	echo hello >"$ENGINE/f"
	d cp "$ENGINE/f" aa:/f
	run -0 d exec aa sh -c 'stat -c %u:%g /f; cat /f'
	assert_eq "$output" $'0:0\nhello'
}

@test "E100 docker cp to a name that was looked up before in vain is seen" {
	dbg aa
	d exec aa sh -c 'ls /f /tmp/g /home/user/h; true' 2>/dev/null
	echo hello >"$ENGINE/f"
	d cp "$ENGINE/f" aa:/f
	d cp "$ENGINE/f" aa:/tmp/g
	d cp "$ENGINE/f" aa:/home/user/h
	run -0 d exec aa cat /f /tmp/g /home/user/h
	assert_eq "$output" $'hello\nhello\nhello'
}

@test "E100 docker cp -a keeps owners, and a file copied out has the container's ids" {
	dbg aa
	d exec aa sh -c 'echo x >/f; chown 1000:2000 /f'
	run -0 sh -c "'$DOCKER' cp aa:/f - | tar -tvf - --numeric-owner"
	assert_match "$output" '1000/2000'
	mkdir -p "$ENGINE/cp"
	echo x >"$ENGINE/cp/f"
	tar -C "$ENGINE/cp" --owner 33 --group 44 -cf "$ENGINE/cp.tar" f
	d cp -a - aa:/tmp <"$ENGINE/cp.tar"
	run -0 d exec aa stat -c %u:%g /tmp/f
	assert_eq "$output" 33:44
}

@test "E100 docker cp into a stopped container is there after start" {
	dbg aa
	d stop -t 5 aa
	echo hello >"$ENGINE/f"
	d cp "$ENGINE/f" aa:/f
	d start aa
	run -0 d exec aa stat -c %u /f
	assert_eq "$output" 0
}

@test "E100 docker cp over a file that exists, and of a directory" {
	dbg aa
	mkdir -p "$ENGINE/dir/sub"
	echo new >"$ENGINE/dir/sub/f"
	d exec aa sh -c 'echo old >/etc/thing; cat /etc/thing' >/dev/null
	d cp "$ENGINE/dir/sub/f" aa:/etc/thing
	d cp "$ENGINE/dir" aa:/opt
	run -0 d exec aa cat /etc/thing /opt/sub/f
	assert_eq "$output" $'new\nnew'
}

@test "E101 changes of the root file system survive a restart of the engine" {
	dbg aa
	d exec aa sh -c 'echo kept >/kept; chown 5:6 /kept'
	docker_daemon_stop
	docker_daemon_start
	d start aa
	run -0 d exec aa sh -c 'cat /kept; stat -c %u:%g /kept'
	assert_eq "$output" $'kept\n5:6'
}

@test "an image with a link as a mount point does not lead out of the container" {
	local before
	before=$(find /etc /tmp -maxdepth 1 | sort | md5sum)
	printf 'FROM %s\nRUN ["/bin/sh", "-c", "rm -rf /mnt /opt; ln -s /etc/caisson-escape /mnt; ln -s ../../../../tmp/caisson-escape /opt"]\n' "$IMAGE" >"$ENGINE/Dockerfile.link"
	DOCKER_BUILDKIT=0 d build -q --network none -t caisson-test/links -f "$ENGINE/Dockerfile.link" "$ENGINE/etc" >/dev/null
	run d run --rm --network none -v v1:/mnt -v v2:/opt/sub caisson-test/links true
	d rmi -f caisson-test/links >/dev/null
	[ ! -e /etc/caisson-escape ] && [ ! -e /tmp/caisson-escape ]
}

@test "mount options of the command line are in force" {
	local dir
	dir=$(share_dir opts 1000)
	run -0 drun --mount "type=bind,source=$dir,target=/a,readonly" --mount type=volume,target=/b --mount type=tmpfs,target=/c,tmpfs-size=65536 -- grep -E ' /(a|b|c) ' /proc/mounts
	assert_match "$output" ' /a [a-z0-9]+ ro,'
	assert_match "$output" ' /b [a-z0-9]+ rw,'
	assert_match "$output" 'size=64k'
}

# An overlay remembers a directory that is in use as it found it: without the layer that docker cp writes to.
@test "E101 U1 docker cp into a directory that is in use: /etc, the working directory, where a volume is, of an exec" {
	local at
	printf 'FROM %s\nRUN mkdir -p /app/src /srv/www/data /opt/tool && chmod 2751 /app && touch -d @86400 /app /app/src\nWORKDIR /app/src\n' "$IMAGE" >"$BATS_TEST_TMPDIR/Dockerfile"
	d build -q --network none -t caisson-test/app "$BATS_TEST_TMPDIR" >/dev/null
	echo new >"$BATS_TEST_TMPDIR/new"
	d run -d --name aa --network none -v data:/srv/www/data caisson-test/app sh -c 'while :; do cat new /etc/new >/tmp/got 2>/dev/null; sleep 0.1; done'
	assert_eq "$(d diff aa)" "$(d diff aa | grep -v -e app -e etc -e srv)" "a container that changed nothing"
	run -0 d exec aa stat -c '%a %u %Y' /app /app/src
	assert_eq "$output" $'2751 0 86400\n755 0 86400'
	d exec -d -w /opt/tool aa sh -c 'while :; do cat new >/tmp/tool 2>/dev/null; sleep 0.1; done'
	for at in /app/src /etc /srv/www /opt/tool; do
		d cp "$BATS_TEST_TMPDIR/new" "aa:$at/new"
	done
	eventually 5 sees aa /tmp/got $'new\nnew'
	eventually 5 sees aa /tmp/tool new
	run -0 d exec aa cat /app/src/new /etc/new /srv/www/new /opt/tool/new
	assert_eq "$output" $'new\nnew\nnew\nnew'
	run -0 d exec aa stat -c '%u:%g' /etc/new
	assert_eq "$output" 0:0
	d exec aa rm /etc/new
	run -0 d diff aa
	refute_match "$output" '/etc/new'
}

sees() {
	assert_eq "$(d exec "$1" cat "$2")" "$3"
}
