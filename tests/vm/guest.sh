#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs inside the guest, as root, started by its init with standard output on the serial line that run.sh reads.
# Prints one TAP stream per suite, each after a line "VM-SUITE name"; count.awk adds them up on the host.
set -u

top=/caisson
cd "$top" || exit 1
# shellcheck source=/dev/null
. "$top/vm.env"
suites=${CAISSON_VM_SUITES:-unit control vm integration systemd}
filter=${CAISSON_VM_FILTER:-}
[ -z "${CAISSON_RUNTIME:-}" ] || export CAISSON_RUNTIME
export CAISSON_VM=1 CAISSON_BUILD=$top/build PATH=$top/front:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Thirty containers at the same time take three minutes under emulation when the host is busy.
export BATS_TEST_TIMEOUT=600 CAISSON_TEST_SLOW=6

# Emulation is slow: of the integration files, those that depend on the kernel or on cgroup v2 are run, some of them on
# engines with the systemd cgroup driver. The suite "full" has all of them.
integration_subset=(docker-isolation docker-mounts docker-namespaces containerd supervisor leftovers)
systemd_subset=(docker-lifecycle)

note()
{
	printf '# %s\n' "$*"
}

# An engine picks the systemd driver by itself where systemd runs; the tests say which one they want. This stands in
# front of dockerd in PATH, so that the integration tests' own engines need not know of it: with the systemd driver a
# cgroup parent is a slice.
install_dockerd_front()
{
	mkdir -p "$top/front"
	cat >"$top/front/dockerd" <<'FRONT'
#!/bin/bash
case "$*" in
*native.cgroupdriver=*) exec /usr/sbin/dockerd "$@" ;;
esac
driver=${CAISSON_CGROUP_DRIVER:-cgroupfs}
args=("$@")
if [ "$driver" = systemd ]; then
	for i in "${!args[@]}"; do
		if [ "${args[i]}" = --cgroup-parent ]; then
			name=${args[i + 1]#/}
			args[i + 1]=${name%.slice}.slice
		fi
	done
fi
exec /usr/sbin/dockerd --exec-opt "native.cgroupdriver=$driver" "${args[@]}"
FRONT
	chmod 755 "$top/front/dockerd"
}

# No compiler in the guest: tests that compile a program of theirs get what run.sh compiled.
install_compiler_front()
{
	cat >"$top/front/gcc" <<'FRONT'
#!/bin/bash
out= source=
while [ $# -gt 0 ]; do
	case $1 in
	-o)
		out=$2
		shift
		;;
	*.c) source=$1 ;;
	esac
	shift
done
exec cp "/caisson/build/test-programs/$(basename "$source" .c)" "$out"
FRONT
	chmod 755 "$top/front/gcc"
	ln -s gcc "$top/front/cc"
}

# One directory for all that the bats files make, as tests/run.sh does it.
open_run()
{
	CAISSON_TEST_RUN=$(mktemp -d /var/tmp/caisson-tests.XXXXXX) || return 1
	export CAISSON_TEST_RUN
	# shellcheck source=tests/lib/common.bash
	. "$top/tests/lib/common.bash"
	# shellcheck source=tests/lib/docker.bash
	. "$top/tests/lib/docker.bash"
	run_open && image_tar "$CAISSON_TEST_RUN/busybox.tar" && host_snapshot >"$CAISSON_TEST_RUN/before"
}

# unit_suite: every cmocka test counts; a program without such tests (the corpus replays) counts as one.
unit_suite()
{
	local name cmd log rc words

	while IFS=$'\t' read -r name cmd; do
		IFS=$'\t' read -r -a words <<<"$cmd"
		echo "VM-SUITE unit/$name"
		rc=0
		log=$(CMOCKA_MESSAGE_OUTPUT=TAP timeout 300 "${words[@]}" 2>&1 </dev/null) || rc=$?
		if grep -q '^1\.\.' <<<"$log"; then
			sed -E '/^(1\.\.|ok |not ok )/! s/^/# /' <<<"$log"
			if [ "$rc" != 0 ] && ! grep -q '^not ok ' <<<"$log"; then
				echo "not ok $name ended with $rc"
			fi
			continue
		fi
		echo "1..1"
		if [ "$rc" = 0 ]; then
			echo "ok 1 $name"
		elif [ "$rc" = 77 ]; then
			echo "ok 1 $name # SKIP"
		else
			echo "not ok 1 $name ended with $rc"
			tail -n 30 <<<"$log" | sed 's/^/# /'
		fi
	done <units.tsv
}

# wanted FILE: without a filter every file is
wanted()
{
	local word

	[ -n "$filter" ] || return 0
	for word in $filter; do
		case $1 in
		*"$word"*) return 0 ;;
		esac
	done
	return 1
}

# bats_file SUITE FILE: a file that hangs costs its own time limit, not that of the whole run.
bats_file()
{
	local rc=0 start=$SECONDS options=(--tap)

	wanted "$2" || return 0
	[ -z "${CAISSON_VM_TESTS:-}" ] || options+=(--filter "$CAISSON_VM_TESTS")
	echo "VM-SUITE $1/$(basename "$2" .bats)"
	timeout --kill-after=30 "${CAISSON_VM_FILE_TIMEOUT:-5400}" bats "${options[@]}" "$2" 2>&1 </dev/null || rc=$?
	note "ended with $rc after $((SECONDS - start)) s"
	# A file can fail without a test of that name, in its set-up or tear-down.
	if [ "$rc" -gt 1 ]; then
		echo "not ok $(basename "$2") ended with $rc"
		ps -e -o pid,ppid,stat,wchan:20,etimes,args --cols 160 | grep -v '\[.*\]$' | sed 's/^/# /'
	fi
}

vm_suite()
{
	local f

	for f in "$top"/tests/vm/*.bats; do
		[ "$f" = "$top/tests/vm/control.bats" ] || bats_file vm "$f"
	done
	systemctl -q stop docker.service docker.socket containerd.service
}

# bats_dir SUITE DIRECTORY: what looks for leftovers comes last.
bats_dir()
{
	local f last=

	for f in "$top/tests/$2"/*.bats; do
		case $f in
		*/leftovers.bats) last=$f ;;
		*'*'*) ;;
		*) bats_file "$1" "$f" ;;
		esac
	done
	[ -z "$last" ] || bats_file "$1" "$last"
}

# bats_some SUITE NAME...: a name without a file is a failure, so that a renamed file is not forgotten here.
bats_some()
{
	local suite=$1 name

	shift
	for name; do
		if [ -e "tests/integration/$name.bats" ]; then
			bats_file "$suite" "$top/tests/integration/$name.bats"
		else
			printf 'VM-SUITE %s/%s\n1..1\nnot ok 1 no such file\n' "$suite" "$name"
		fi
	done
}

note "kernel $(uname -r), $(. /etc/os-release && echo "$PRETTY_NAME"), $(/usr/sbin/dockerd --version), $(nproc) cpus," \
	"up $(cut -d' ' -f1 /proc/uptime) s"
if [ "$CAISSON_HOST_TOP" != "$top" ]; then
	mkdir -p "$(dirname "$CAISSON_HOST_TOP")"
	ln -s "$top" "$CAISSON_HOST_TOP"
fi
tar -C "$top/install" -c . | tar -C / -x --no-overwrite-dir --keep-directory-symlink
install_dockerd_front
install_compiler_front
opened=
for suite in $suites; do
	case $suite in
	vm | integration | systemd | full | attacks)
		if [ -z "$opened" ] && ! open_run; then
			printf 'VM-SUITE %s\n1..1\nnot ok 1 the run cannot be set up\n' "$suite"
			continue
		fi
		opened=1
		;;
	esac
	case $suite in
	unit) unit_suite ;;
	control) bats_file control "$top/tests/vm/control.bats" ;;
	vm) vm_suite ;;
	integration) bats_some integration "${integration_subset[@]}" ;;
	systemd) CAISSON_CGROUP_DRIVER=systemd bats_some systemd "${systemd_subset[@]}" ;;
	full) bats_dir full integration ;;
	attacks) bats_dir attacks attacks ;;
	*) printf 'VM-SUITE %s\n1..1\nnot ok 1 no such suite\n' "$suite" ;;
	esac
	note "$suite done, up $(cut -d' ' -f1 /proc/uptime) s"
done
exit 0
