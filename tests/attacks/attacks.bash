# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Attacks on the runtime, one test per row of the catalogue. Each runs in a container as root with all that an engine
# could have given it ("--privileged"), asserts that the host's canaries are untouched, and has a positive control that
# shows that the same attempt succeeds where nothing holds it.

load ../lib/common.bash
load ../lib/docker.bash
load ../lib/bundle.bash

ATTACKS=$CAISSON_SRC/tests/attacks

# attack_open - once per file: bundles, canaries on the host, what the host looks like before
attack_open() {
	oci_open || return 1
	TOOLS=$CAISSON_TEST_RUN/tools
	HOST=$OCI/host
	export TOOLS HOST
	mkdir -p "$TOOLS" "$HOST/dir"
	chmod 0755 "$HOST" "$HOST/dir"
	head -c 24 /dev/urandom | base64 >"$HOST/token"
	chmod 0600 "$HOST/token"
	# Readable by everyone: seeing it means that a path led out of the container.
	printf 'host marker %s\n' "$RUN_TAG" >"$HOST/dir/marker"
	chmod 0644 "$HOST/dir/marker"
	host_facts >"$OCI/facts"
}

# host_facts - what no container may change: settings of the kernel that do not move by themselves, devices, canaries
host_facts() {
	{
		for f in /proc/sys/kernel/{core_pattern,core_pipe_limit,modprobe,hotplug,sysrq,randomize_va_space,kptr_restrict,dmesg_restrict,hostname,domainname,printk,panic,shmmax,shmall,msgmax,sem,threads-max,yama/ptrace_scope} \
			/proc/sys/vm/{overcommit_memory,swappiness,drop_caches,dirty_ratio,min_free_kbytes,max_map_count,panic_on_oom} \
			/proc/sys/fs/{file-max,suid_dumpable,protected_hardlinks,protected_symlinks,pipe-max-size,mount-max,inotify/max_user_instances,mqueue/msg_max} \
			/proc/sys/net/ipv4/{ip_forward,conf/all/forwarding} /sys/kernel/uevent_helper /sys/kernel/profiling \
			/sys/fs/cgroup/*/release_agent /sys/fs/cgroup/*/notify_on_release; do
			[ -r "$f" ] && printf '%s %s\n' "$f" "$(tr '\t\n' '  ' <"$f" 2>/dev/null)"
		done
		find /dev -xdev \( -type b -o -type c \) -printf 'dev %p %u %g %m\n' | grep -vE '/dev/(pts|tty|loop|bus)'
		find "$HOST" -printf 'canary %p %U:%G %m %s %T@ %y %l\n'
		find "$CAISSON_RUNTIME" -printf 'program %p %U:%G %m %s %T@\n'
		sha256sum "$HOST/token" "$HOST/dir/marker" "$CAISSON_RUNTIME"
	} | sort
}

# host_unchanged - called after each attack
host_unchanged() {
	host_facts | diff "$OCI/facts" - || fail "the host has changed"
	if grep -F " $HOST" /proc/self/mountinfo; then
		fail "something is mounted over the host's files"
		return 1
	fi
}

attack_teardown() {
	if [ -n "${ID:-}" ]; then
		rt delete --force "$ID" >/dev/null 2>&1 || true
		rm -rf "$B"
	fi
	host_unchanged
}

# tool NAME... - compile attack programs, once per run
tool() {
	local t
	for t; do
		[ -x "$TOOLS/$t" ] || {
			gcc -static -O1 -pthread -Wall -Wextra -o "$TOOLS/.$t.$$" "$ATTACKS/$t.c" && mv "$TOOLS/.$t.$$" "$TOOLS/$t"
		} || return 1
	done
}

ALL_CAPS='["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_DAC_READ_SEARCH","CAP_FOWNER","CAP_FSETID","CAP_KILL","CAP_SETGID",
	"CAP_SETUID","CAP_SETPCAP","CAP_LINUX_IMMUTABLE","CAP_NET_BIND_SERVICE","CAP_NET_BROADCAST","CAP_NET_ADMIN",
	"CAP_NET_RAW","CAP_IPC_LOCK","CAP_IPC_OWNER","CAP_SYS_MODULE","CAP_SYS_RAWIO","CAP_SYS_CHROOT","CAP_SYS_PTRACE",
	"CAP_SYS_PACCT","CAP_SYS_ADMIN","CAP_SYS_BOOT","CAP_SYS_NICE","CAP_SYS_RESOURCE","CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG","CAP_MKNOD","CAP_LEASE","CAP_AUDIT_WRITE","CAP_AUDIT_CONTROL","CAP_SETFCAP",
	"CAP_MAC_OVERRIDE","CAP_MAC_ADMIN","CAP_SYSLOG","CAP_WAKE_ALARM","CAP_BLOCK_SUSPEND","CAP_AUDIT_READ",
	"CAP_PERFMON","CAP_BPF","CAP_CHECKPOINT_RESTORE"]'

# all_caps - the bundle's process has every capability; masks and read-only parts stay
all_caps() {
	cfg '.process.capabilities = {bounding: $c, effective: $c, permitted: $c}' --argjson c "$ALL_CAPS"
}

# privileged - what --privileged means to the runtime: all capabilities, nothing masked, /sys and cgroups writable
privileged() {
	all_caps
	cfg '.linux.maskedPaths = [] | .linux.readonlyPaths = [] | del(.linux.seccomp)
		| .linux.resources.devices = [{allow: true, access: "rwm"}]
		| (.mounts[] | select(.type == "sysfs" or .type == "cgroup").options) -= ["ro"]'
}

# with_tool NAME... - the programs are at /bin in the bundle's root file system
with_tool() {
	tool "$@" || return 1
	local t
	for t; do
		cp --remove-destination "$TOOLS/$t" "$B/rootfs/bin/$t"
	done
}

# bind SOURCE DESTINATION [OPTION...] - add a bind mount
bind() {
	local src=$1 dst=$2 options
	shift 2
	options=$(printf '%s\n' "${@:-rw}" | jq -R . | jq -sc '["rbind"] + .')
	cfg '.mounts += [{destination: $d, source: $s, type: "bind", options: $o}]' --arg s "$src" --arg d "$dst" --argjson o "$options"
}

# share NAME [UID] - a directory that settings share
share() {
	share_dir "attack-$BATS_TEST_NUMBER-$1-${BATS_TEST_FILENAME##*/}" "${2:-1000}" 0777
}

# vol NAME - a directory below the bundle, mapped like a volume of an engine
vol() {
	mkdir -p "$B/vol/$1" && printf '%s' "$B/vol/$1"
}

# quick ARGS... - the runtime, with an end: an attack that makes it hang has succeeded
quick() {
	local bin=$CAISSON_RUNTIME
	timeout -k 2 20 "$bin" --root "$(oci_root_of "$bin")" --settings "$SETTINGS" "$@" </dev/null
}

# attack_run TEXT - run the bundle with a shell script; output and status for assertions
attack_run() {
	script_is "$1"
	capture quick run --bundle "$B" "$ID"
}

# refused TEXT - create must fail and say something that matches TEXT; a create that succeeds is ended at once
refused() {
	# Not by `run`: the init of a container that should not exist would hold its pipe open.
	if quick create --bundle "$B" "$ID" >"$B/refused" 2>&1; then
		quick delete --force "$ID"
		fail "accepted${2:+: $2}"
		return 1
	fi
	assert_match "$(cat "$B/refused")" "$1" "${2:-}"
}

# no_leak - the last output shows nothing of the host
no_leak() {
	refute_has "$output" "host marker"
	refute_has "$output" "$(cat "$HOST/token")"
}
