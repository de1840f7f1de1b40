#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Do the manual pages name the commands and options that the programs' --help name, no more and no fewer, and does each
# program take them? With mandoc(1) installed, the pages must also pass its lint.
#   caisson      Its --help is made of the tables that it parses with. Long name, letter and "takes a value" are compared.
#                In the page: ".Ss COMMAND" below ".Sh COMMANDS", and one ".It Fl l , Fl -long Ar value" line per option.
#   caissond     The table of its getopt_long(3), --help, SYNOPSIS (with values) and OPTIONS.
#   caissonctl   What it parses, --help with what each command takes, and ".It Cm COMMAND" lines.
# The other programs are started by these, and have no options.
# usage: check-docs.sh PROGRAMS SOURCE   (directories) Exit status: 0 equal, 1 different, 77 cannot be told (not root)
set -euo pipefail
export LC_ALL=C
programs=$1 source=$2
caisson=$programs/caisson page=$source/docs/man/caisson.8

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

# The rows of a getopt_long(3) table of long options: "name" or "name value".
from_table() {
	sed -nE 's/\{ *("[a-z-]+", (no|required)_argument)/\n\1/gp' "$1" |
		sed -nE 's/^"([a-z-]+)", no_argument.*/\1/p; s/^"([a-z-]+)", required_argument.*/\1 value/p'
}

# Long options of help text on stdin, with the values as they are written there.
help_values() {
	sed -nE 's/^  (--.*)/\1/p' | sed -E 's/  .*//; s/, /\n/g' | sed 's/^--//'
}

# The same of a page's synopsis.
synopsis_values() {
	sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/ s/^\.\(Op \)\?Fl -//p' "$1" | sed -E 's/ (Ar|Cm|Ns|Op) / /g; s/ \| /|/g'
}

page_names() {
	sed -n '/^\.Sh OPTIONS/,/^\.Sh [^O]/ s/^\.It //p' "$1" | grep -oE 'Fl -[a-z-]+' | cut -d- -f2- | sort -u
}

daemon_sides() {
	local man=$source/docs/man/caissond.8
	differ "caissond --help (<) and its table (>)" <("$programs/caissond" --help | help_values | sed 's/ .*/ value/') \
		<(from_table "$source/src/bin/caissond.c")
	differ "caissond --help (<) and the synopsis (>)" <("$programs/caissond" --help | help_values | grep -vE '^(help|version)$') \
		<(synopsis_values "$man")
	differ "caissond --help (<) and the page's options (>)" <("$programs/caissond" --help | help_values | cut -d' ' -f1) \
		<(page_names "$man")
}

# "COMMAND option" lines: of --help on stdin, whose lines are "  COMMAND ARGUMENTS" below "commands:" ...
ctl_help() {
	awk '/^commands:/ {on = 1; next} /^options:/ {on = 0} on && /^  [a-z]/ {
		print $1
		for (rest = $0; match(rest, /--?[a-z][a-z-]*/); rest = substr(rest, RSTART + RLENGTH))
			print $1, substr(rest, RSTART, RLENGTH)
	}'
}

# ... and of the page, where one .It may be about several commands.
ctl_page() {
	awk '/^\.Sh / {on = $2 == "COMMANDS"} on && /^\.It Cm / {
		for (i = 2; i <= NF; i++) {
			if ($i == "Cm") print name = $(i + 1)
			if ($i == "Fl") print name, "-" $(i + 1)
		}
	}' "$1"
}

ctl_sides() {
	local man=$source/docs/man/caissonctl.8
	differ "caissonctl --help (<) and its table (>)" <("$programs/caissonctl" --help | help_values | sed 's/ .*/ value/') \
		<(from_table "$source/src/bin/caissonctl.c")
	differ "caissonctl --help (<) and the page's options (>)" \
		<("$programs/caissonctl" --help | help_values | grep -vE '^(help|version)$' | cut -d' ' -f1) <(page_names "$man")
	differ "commands in caissonctl --help (<) and in the page (>)" <("$programs/caissonctl" --help | ctl_help) <(ctl_page "$man")
	differ "options of commands in caissonctl --help (<) and in the source (>)" \
		<("$programs/caissonctl" --help | ctl_help | awk 'NF == 2 {print $2}') \
		<(grep -ohE 'strcmp\(argv\[[a-z0-9]+\], "--?[a-z][^"]*"' "$source"/src/bin/ctl-*.c | cut -d'"' -f2)
}

# differ WHAT A B - as sets
differ() {
	diff <(sort -u "$2") <(sort -u "$3") && return
	echo "check-docs: $1 differ in the lines above"
	status=1
}

status=0
differ "caisson --help (<) and $page (>)" <(help_side) <(page_side)
daemon_sides
ctl_sides
if command -v mandoc >/dev/null; then
	mandoc -Tlint -Wwarning "$source"/docs/man/*.8 || status=1
else
	echo "check-docs: no mandoc, the pages were not linted"
fi
exit $status
