# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# OCI bundles for tests that call the runtime itself.

# oci_open() - once per file: root directory for states, a root file system that the bundles copy
oci_open() {
	run_open || return 1
	OCI=$(file_dir)
	OCI_ROOT=$OCI/state
	# A parent of its own: test files run side by side, and each removes what it finds below its own.
	OCI_CGROUP=ct-$RUN_TAG-oci-${OCI##*/}
	export OCI OCI_ROOT OCI_CGROUP
	mkdir -p "$OCI"
	image_tar "$CAISSON_TEST_RUN/busybox.tar"
}

# oci_close() - end what tests left, remove the directory
oci_close() {
	local rt id
	[ -n "${OCI:-}" ] || return 0
	for rt in "$CAISSON_RUNTIME" "$CAISSON_PEER"; do
		for id in $("$rt" --root "$(oci_root_of "$rt")" list -q 2>/dev/null); do
			"$rt" --root "$(oci_root_of "$rt")" delete --force "$id" >/dev/null 2>&1
		done
	done
	engine_remove "$OCI" "$OCI_CGROUP"
	run_close
}

oci_root_of() {
	printf '%s/state-%s' "$OCI" "${1##*/}"
}

# rt ARGS... - the runtime under test; RT selects another for side-by-side tests
rt() {
	local bin=${RT:-$CAISSON_RUNTIME}
	local -a global=(--root "$(oci_root_of "$bin")")
	case ${bin##*/} in caisson*) global+=(--settings "$SETTINGS") ;; esac
	"$bin" "${global[@]}" "$@"
}

# capture COMMAND... - like bats' run, but by a file: a container that lives on would hold run's pipe open for ever
capture() {
	status=0
	"$@" </dev/null >"$OCI/captured" 2>&1 3>&- || status=$?
	output=$(cat "$OCI/captured")
	mapfile -t lines <"$OCI/captured"
}

# bundle NAME [JQ-FILTER] - a fresh bundle; sets B (directory) and ID (container id)
bundle() {
	ID=$1-$BATS_TEST_NUMBER
	B=$OCI/b/$ID
	rm -rf "$B"
	mkdir -p "$B/rootfs"
	tar -C "$B/rootfs" -xf "$CAISSON_TEST_RUN/busybox.tar"
	config_template "$ID" >"$B/config.json"
	[ -z "${2:-}" ] || cfg "$2"
}

# cfg FILTER [JQ-ARGS...] - edit the bundle's config.json
cfg() {
	local filter=$1
	shift
	jq "$@" "$filter" "$B/config.json" >"$B/config.new" && mv "$B/config.new" "$B/config.json"
}

# script TEXT - let the container run this shell script
script_is() {
	cfg '.process.args = ["/bin/sh", "-c", $s]' --arg s "$1"
}

# sh_run TEXT - run the bundle with a shell script, in the foreground
sh_run() {
	script_is "$1"
	rt run --bundle "$B" "$ID" </dev/null
}

# sleeper() - let the container sleep until it is told to end
sleeper() {
	script_is 'trap "exit 0" TERM; while :; do sleep 3600 & wait $!; done'
}

# bg() - create and start the bundle in the background; sets PID
bg() {
	rt create --bundle "$B" --pid-file "$B/pid" "$@" "$ID" </dev/null >"$B/out" 2>"$B/err" || {
		cat "$B/err" >&2
		return 1
	}
	PID=$(cat "$B/pid")
	rt start "$ID"
}

status_of() {
	rt state "$1" | jq -r .status
}

has_status() {
	[ "$(status_of "$1" 2>/dev/null)" = "$2" ]
}

# gone ID - the runtime knows nothing of it any more, and neither does the host
gone() {
	if rt state "$1" >/dev/null 2>&1; then
		fail "$1 still has a state"
		return 1
	fi
	if findmnt -rn -o TARGET | grep -F "$OCI/b/$1/"; then
		fail "mounts left"
		return 1
	fi
	[ -z "$(find /sys/fs/cgroup -type d -path "*$OCI_CGROUP/$1" 2>/dev/null)" ] || fail "cgroups left"
}

config_template() {
	jq -n --arg cg "/$OCI_CGROUP/$1" '
	["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FSETID","CAP_FOWNER","CAP_MKNOD","CAP_NET_RAW","CAP_SETGID","CAP_SETUID",
	 "CAP_SETFCAP","CAP_SETPCAP","CAP_NET_BIND_SERVICE","CAP_SYS_CHROOT","CAP_KILL","CAP_AUDIT_WRITE"] as $caps |
	{ociVersion: "1.0.2",
	 process: {terminal: false, user: {uid: 0, gid: 0}, args: ["/bin/true"], cwd: "/",
		env: ["PATH=/bin:/usr/bin", "HOME=/root"], noNewPrivileges: false,
		capabilities: {bounding: $caps, effective: $caps, permitted: $caps}},
	 root: {path: "rootfs", readonly: false}, hostname: "caisson-test",
	 mounts: [
	  {destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"]},
	  {destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=65536k"]},
	  {destination: "/dev/pts", type: "devpts", source: "devpts",
	   options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
	  {destination: "/dev/shm", type: "tmpfs", source: "shm", options: ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
	  {destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"]},
	  {destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"]},
	  {destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["nosuid", "noexec", "nodev", "relatime", "ro"]}],
	 linux: {cgroupsPath: $cg,
		namespaces: [{type: "pid"}, {type: "network"}, {type: "ipc"}, {type: "uts"}, {type: "mount"}],
		resources: {devices: [{allow: false, access: "rwm"}]},
		maskedPaths: ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/sys/firmware"],
		readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]}}'
}
