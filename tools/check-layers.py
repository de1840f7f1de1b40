#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check the includes below src/ against tools/layers.txt. Prints one line per violation; exit status 1 if any.

usage: check-layers.py [TOP]      (default: the directory above this script's)
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')


def read_rules(path):
    """{directory: set of directories that it may include}."""
    rules = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        name, colon, allowed = line.partition(":")
        if not colon or name in rules:
            sys.exit(f"{path}:{number}: want one 'name: allowed ...' row per directory")
        rules[name] = set(allowed.split())
    for name, allowed in rules.items():
        if "*" in allowed:
            allowed.remove("*")
            allowed |= set(rules) - {"bin"}
        for other in allowed - set(rules):
            sys.exit(f"{path}: '{name}' may include '{other}', which has no row")
        allowed.add(name)
    return rules


def violations(top, rules):
    src = top / "src"
    for directory in sorted(p for p in src.iterdir() if p.is_dir()):
        if directory.name not in rules:
            yield f"src/{directory.name}: has no row in tools/layers.txt"
            continue
        for path in sorted(directory.rglob("*.[ch]")):
            if path.name.startswith(("test-", "fuzz-")):
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                found = INCLUDE.match(line)
                if not found:
                    continue
                target, where = found.group(1), f"{path.relative_to(top)}:{number}"
                layer = target.split("/", 1)[0]
                if "/" not in target or ".." in target or not (src / target).is_file():
                    yield f'{where}: "{target}" is not a header below src/, written from there'
                elif layer not in rules[directory.name]:
                    yield f"{where}: {directory.name} must not include {layer} ({target})"


def main():
    top = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent
    found = list(violations(top, read_rules(top / "tools" / "layers.txt")))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
