# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The runtime's own directory (ids, compiled filters): who measures where there was none leaves none.

state=/run/caisson state_is_ours=''
[ -e "$state" ] || state_is_ours=1

# state_end: not while somebody has a container or a range
state_end() {
	[ -n "$state_is_ours" ] && [ -d "$state/ids" ] || return 0
	[ -z "$(find "$state/containers" "$state/ids" -mindepth 1 ! -name .lock ! -name foreign 2>/dev/null)" ] || return 0
	flock -n "$state/ids/.lock" rm -rf --one-file-system "$state/ids" "$state/seccomp" 2>/dev/null
	rmdir "$state/containers" "$state" 2>/dev/null
	return 0
}
