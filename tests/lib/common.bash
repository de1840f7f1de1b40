# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What every test file needs: where things are, one private directory for all that a run makes, helpers to
# wait and to compare, and a sweep that removes whatever carries this run's mark, also after a failure or ^C.
#
#   CAISSON_RUNTIME   the runtime under test (default: build/src/bin/caisson)
#   CAISSON_TEST_RUN  the run's directory; made here when a file is run alone with `bats FILE`

CAISSON_SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
: "${CAISSON_BUILD:=$CAISSON_SRC/build}"
: "${CAISSON_RUNTIME:=$CAISSON_BUILD/src/bin/caisson}"
: "${CAISSON_PEER:=$(PATH=$PATH:/usr/sbin command -v runc || true)}"
export CAISSON_SRC CAISSON_BUILD CAISSON_RUNTIME CAISSON_PEER
export BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-90}
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
BUSYBOX=/bin/busybox
[ -x "$BUSYBOX" ] || BUSYBOX=/usr/bin/busybox
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3

# Not when a plain script sources this.
if declare -F bats_require_minimum_version >/dev/null; then
	bats_require_minimum_version 1.5.0
fi

# die() - a fault of the harness itself, never of what is tested
die() {
	printf 'harness: %s\n' "$*" >&2
	return 1
}

fail() {
	printf '%s\n' "$*" >&2
	return 1
}

# is_caisson() - false while the harness is tried out with another runtime
is_caisson() {
	case ${CAISSON_RUNTIME##*/} in caisson*) true ;; *) false ;; esac
}

# ---- one directory per run --------------------------------------------------------------------------------

# run_open() - the run's directory and settings file; idempotent. A file run alone owns the run and closes it.
run_open() {
	[ -x "$CAISSON_RUNTIME" ] || die "no runtime at $CAISSON_RUNTIME: run make build" || return 1
	if [ -z "${CAISSON_TEST_RUN:-}" ]; then
		state_open
		CAISSON_TEST_RUN=$(mktemp -d /var/tmp/caisson-tests.XXXXXX) || return 1
		export CAISSON_TEST_RUN CAISSON_TEST_OWNER=$$
	fi
	[ -z "${CAISSON_TEST_FIRST:-}" ] || : >"$CAISSON_TEST_RUN/first"
	chmod 0755 "$CAISSON_TEST_RUN"
	RUN_TAG=$(printf '%s' "${CAISSON_TEST_RUN##*.}" | tr 'A-Z' 'a-z')
	SHARE=$CAISSON_TEST_RUN/share
	SETTINGS=$CAISSON_TEST_RUN/etc/admin-settings.json
	export RUN_TAG SHARE SETTINGS
	if [ ! -e "$SETTINGS" ]; then
		mkdir -p "$SHARE" "${SETTINGS%/*}"
		chmod 0755 "$SHARE" "${SETTINGS%/*}"
		settings_write "$SETTINGS"
	fi
}

# run_close() - remove all of it, when this file owns the run
run_close() {
	if [ "${CAISSON_TEST_OWNER:-}" = "$$" ] || [ "${1:-}" = force ]; then
		sweep "$CAISSON_TEST_RUN"
		rm -rf --one-file-system "$CAISSON_TEST_RUN"
		state_close
		unset CAISSON_TEST_RUN CAISSON_TEST_OWNER CAISSON_TEST_FIRST
	fi
}

# state_open() - did this run make the runtime's own directory, or one that overlaps with it? The last of them removes it.
state_open() {
	local first=(/var/tmp/caisson-tests.*/first)
	[ -e /run/caisson ] && [ ! -e "${first[0]}" ] || export CAISSON_TEST_FIRST=1
}

# state_close() - the runtime's own directory goes, too, when this run made it and nobody has a container or a range
state_close() {
	local dir=/run/caisson
	[ -n "${CAISSON_TEST_FIRST:-}" ] && [ -d "$dir" ] || return 0
	[ -z "$(find "$dir" -mindepth 1 ! -path "$dir/ids" ! -path "$dir/ids/.lock" ! -path "$dir/ids/foreign" \
		! -path "$dir/containers" ! -path "$dir/seccomp" ! -path "$dir/seccomp/*")" ] || return 0
	# A runtime that begins just now holds the lock, or makes all of it again.
	flock -n "$dir/ids/.lock" rm -rf --one-file-system "$dir/ids" "$dir/seccomp" 2>/dev/null
	rmdir "$dir/containers" "$dir" 2>/dev/null
	return 0
}

# settings_write FILE - the policy that the tests run under: one shared directory
settings_write() {
	jq -n --arg share "$SHARE" '{configurationFileVersion: 2,
		filesharingAllowedDirectories: [{path: $share, sharedByDefault: true}]}' >"$1.new"
	chmod 0644 "$1.new"
	mv "$1.new" "$1"
}

# file_dir - this test file's directory, of no other file's name, short enough for socket paths
file_dir() {
	local name=${BATS_TEST_FILENAME##*/}
	case $BATS_TEST_FILENAME in */attacks/*) name=a-$name ;; esac
	printf '%s/%s' "$CAISSON_TEST_RUN" "${name%.bats}"
}

# share_dir NAME UID MODE - a directory below the share, with that owner
share_dir() {
	mkdir -p "$SHARE/$1" && chown "$2:$2" "$SHARE/$1" && chmod "${3:-0755}" "$SHARE/$1" && printf '%s' "$SHARE/$1"
}

# ---- sweep ------------------------------------------------------------------------------------------------

# pids_marked MARK - processes whose command line or environment carries @MARK; never this shell's ancestors
pids_marked() {
	local mark=$1 pid me=$BASHPID keep=" " p
	p=$me
	while [ "${p:-0}" -gt 1 ]; do
		keep+="$p "
		p=$(awk '{print $4}' "/proc/$p/stat" 2>/dev/null)
	done
	for pid in $(grep -slF -- "$mark" /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 | sort -un); do
		# The grep that has just ended carried the mark as well.
		[ -e "/proc/$pid" ] || continue
		case $keep in *" $pid "*) continue ;; esac
		printf '%s\n' "$pid"
	done
}

# engine_pids DIR - what engines of ours left running: daemons, shims, monitors; not test runners
engine_pids() {
	local pid exe
	for pid in $(pids_marked "${1%/}/"); do # not of another whose name goes on
		exe=$(readlink "/proc/$pid/exe" 2>/dev/null) || continue
		case ${exe##*/} in
		dockerd | containerd | containerd-shim* | docker-proxy | conmon | podman | ctr | docker | socat | \
			"${CAISSON_RUNTIME##*/}" | runc | caisson*) printf '%s\n' "$pid" ;;
		esac
	done
}

cgroup_dirs() {
	find /sys/fs/cgroup -mindepth 1 -depth -type d \( -path "*$1*" \) 2>/dev/null
}

# sweep DIR - end every process, mount, cgroup, network namespace and file that belongs to DIR
sweep() {
	local dir=$1 tag pid m i d
	case $dir in /var/tmp/caisson-*) ;; *) die "sweep: refusing $dir" || return 1 ;; esac
	tag=$(printf '%s' "${dir##*.}" | tr 'A-Z' 'a-z')
	for i in 1 2 3 4 5; do
		local any=
		for pid in $(engine_pids "$dir"); do
			kill -KILL "$pid" 2>/dev/null && any=1
		done
		for d in $(cgroup_dirs "ct-$tag"); do
			while read -r pid; do
				kill -KILL "$pid" 2>/dev/null && any=1
			done <"$d/cgroup.procs"
		done 2>/dev/null
		[ -n "$any" ] || break
		sleep 0.2
	done
	for i in 1 2 3; do
		findmnt -rn -o TARGET | grep -F -- "$dir" | sort -r | while read -r m; do
			umount -l -- "$(printf '%b' "$m")" 2>/dev/null
		done
		findmnt -rn -o TARGET | grep -qF -- "$dir" || break
	done
	for d in $(cgroup_dirs "ct-$tag"); do
		rmdir "$d" 2>/dev/null
	done
	return 0
}

# ---- small helpers ----------------------------------------------------------------------------------------

# eventually SECONDS COMMAND... - until it succeeds; CAISSON_TEST_SLOW times as long on slow machines
eventually() {
	local end=$((SECONDS + $1 * ${CAISSON_TEST_SLOW:-1}))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || fail "not within time: $*" || return 1
		sleep 0.1
	done
}

# bg_run COMMAND... - in the background, remembered for bg_wait; bare `wait` would wait for bats' own watchdog too
BG=()
bg_run() {
	"$@" 3>&- &
	BG+=($!)
}

bg_wait() {
	[ ${#BG[@]} -eq 0 ] || wait "${BG[@]}" || true
	BG=()
}

# ended PID - gone, or only waiting to be reaped
ended() {
	[ ! -e "/proc/$1" ] || [ "$(awk '/^State:/ {print $2}' "/proc/$1/status" 2>/dev/null)" = Z ] || [ ! -e "/proc/$1" ]
}

# unsanitized WHY - of programs as they are only: "make sanitize" sets CAISSON_SANITIZED
unsanitized() {
	[ -z "${CAISSON_SANITIZED:-}" ] || skip "under sanitizers $1"
}

assert_eq() {
	[ "$1" = "$2" ] || fail "expected '$2', got '$1'${3:+ ($3)}"
}

assert_match() {
	[[ $1 =~ $2 ]] || fail "'$1' does not match /$2/${3:+ ($3)}"
}

refute_match() {
	[[ ! $1 =~ $2 ]] || fail "'$1' must not match /$2/${3:+ ($3)}"
}

assert_has() {
	[[ $1 == *"$2"* ]] || fail "'$1' does not contain '$2'${3:+ ($3)}"
}

refute_has() {
	[[ $1 != *"$2"* ]] || fail "'$1' must not contain '$2'${3:+ ($3)}"
}

assert_lines() {
	assert_eq "$(printf '%s\n' "$1" | grep -c .)" "$2" "lines of: $1"
}

# assert_idmap TEXT - the shape of E1, E2: one line, 0, base >= 100000, 65536
assert_idmap() {
	local -a w
	read -ra w <<<"$1"
	assert_lines "$1" 1 && assert_eq "${#w[@]}" 3 && assert_eq "${w[0]}" 0 && assert_eq "${w[2]}" 65536 &&
		{ [ "${w[1]}" -ge 100000 ] || fail "base ${w[1]} is below 100000"; }
}

map_base() {
	awk '{print $2; exit}' "/proc/$1/uid_map"
}

ns_of() {
	readlink "/proc/$1/ns/$2"
}

# in_tty COMMAND... - run with a terminal, output without carriage returns
in_tty() {
	local quoted
	printf -v quoted '%q ' "$@"
	script -qec "$quoted" /dev/null </dev/null | tr -d '\r'
}

cgroup_v2() {
	[ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]
}

# cg_get PID V1CONTROLLER V1FILE V2FILE - a value of the cgroup that the process is in
cg_get() {
	local path
	if cgroup_v2; then
		path=$(awk -F: '$1 == 0 {print $3}' "/proc/$1/cgroup")
		cat "/sys/fs/cgroup$path/$4"
	else
		path=$(awk -F: -v c="$2" '{n = split($2, a, ","); for (i = 1; i <= n; i++) if (a[i] == c) print $3}' "/proc/$1/cgroup")
		cat "/sys/fs/cgroup/$2$path/$3"
	fi
}

# host_snapshot - what a test may not change on the host, as sorted lines; without what other runs, as told by their
# marks, do at the same time
host_snapshot() {
	{
		findmnt -rn -o TARGET,SOURCE,FSTYPE | sed 's/^/mount /'
		find /sys/fs/cgroup -mindepth 2 -type d 2>/dev/null | grep -E '/(ct-|caisson|docker|libpod|machine|moby|sysbox)' | sed 's/^/cgroup /'
		ip -o link show | awk -F': ' '{print "link " $2}'
		grep -rlsF "${CAISSON_TEST_RUN:-none}" /run/caisson | sed 's/^/state /'
		iptables-save 2>/dev/null | grep -E '^(:|-A)' | sed 's/\[[0-9:]*\]//;s/^/rule /'
	} | awk -v tag="ct-${RUN_TAG:-none}" -v dir="${CAISSON_TEST_RUN:-none}" '
		/\/ct-[a-z0-9]+-/ && !index($0, tag) {next}
		/\/caisson-[a-z]+\.[A-Za-z0-9]+/ && !index($0, dir) {next}
		{print}' | sort
}

# busybox_rootfs DIR - a root file system with every applet
busybox_rootfs() {
	local applet
	mkdir -p "$1"/{bin,dev,etc,home/user,proc,root,run,sys,tmp,usr/bin,var/tmp,mnt}
	chmod 1777 "$1/tmp" "$1/var/tmp"
	cp "$BUSYBOX" "$1/bin/busybox"
	"$BUSYBOX" --list | while read -r applet; do
		[ "$applet" = busybox ] || ln -sf busybox "$1/bin/$applet"
	done
	ln -sf ../../bin/env "$1/usr/bin/env"
	printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n' >"$1/etc/passwd"
	printf 'root:x:0:\nuser:x:1000:\nextra:x:2000:user\n' >"$1/etc/group"
	chown -R 1000:1000 "$1/home/user"
}
