#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Does docs/man/caisson.8 name the commands and options that the program's --help names, no more and no fewer? Long
# name, letter and "takes a value" are compared. With mandoc(1) installed, the page must also pass its lint.
# In the page: ".Ss COMMAND" below ".Sh COMMANDS", and one ".It Fl l , Fl -long Ar value" line per option.
# usage: check-docs.sh CAISSON PAGE      Exit status: 0 equal, 1 different, 77 cannot be told (not root)
set -euo pipefail
export LC_ALL=C
caisson=$1 page=$2

# The program opens its state before it looks at a command's options.
if [ "$(id -u)" -ne 0 ]; then
	echo "check-docs: needs root, as caisson COMMAND --help does"
	exit 77
fi

# "NAME long letter value" lines from help text on stdin; letter and value are "-" when there is none.
from_help() {
	awk -v name="$1" '/^  (-[a-zA-Z], )?--[a-z]/ {
		value = letter = "-"
		if (match($0, /^  -[a-zA-Z], /)) letter = substr($0, 4, 1)
		match($0, /--[a-z-]+/)
		long = substr($0, RSTART + 2, RLENGTH - 2)
		rest = substr($0, RSTART + RLENGTH)
		if (rest ~ /^ [A-Z]/) value = "value"
		if (match(rest, /,[a-zA-Z]$/)) letter = substr(rest, RSTART + 1, 1)
		if (long != "version" && long != "help") print name, long, letter, value
	}'
}

help_side() {
	local c
	"$caisson" --help | from_help global
	while read -r c; do
		echo "command $c"
		{ "$caisson" "$c" --help 2>/dev/null || true; } | from_help "$c"
	done < <("$caisson" --help | awk '/^commands:/ {on = 1; next} on && NF {print $1}')
}

page_side() {
	awk '/^\.Sh / {section = $2; name = section == "OPTIONS" ? "global" : ""}
	/^\.Ss / && section == "COMMANDS" {
		for (i = 2; i <= NF; i++) print "command", $i
		name = $2
	}
	/^\.It Fl / && name != "" {
		value = letter = "-"
		for (i = 2; i <= NF; i++) {
			if ($i == "Fl" && $(i + 1) ~ /^-/) long = substr($(i + 1), 2)
			else if ($i == "Fl") letter = $(i + 1)
			if ($i == "Ar") value = "value"
		}
		if (long != "version" && long != "help") print name, long, letter, value
	}' "$page"
}

status=0
if ! diff <(help_side | sort) <(page_side | sort); then
	echo "check-docs: caisson --help (<) and $page (>) differ in the lines above"
	status=1
fi
if command -v mandoc >/dev/null; then
	mandoc -Tlint -Wwarning "$page" || status=1
else
	echo "check-docs: no mandoc, the page was not linted"
fi
exit $status
