#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Compile a program that needs no C library and write its bytes as a C header.
# usage: embed-program.sh SOURCE HEADER NAME COMPILER...
set -eu
source=$1 header=$2 name=$3
shift 3
program=$header.elf
"$@" -Os -static -nostdlib -ffreestanding -fno-stack-protector -fcf-protection=none -fno-pic \
	-fno-asynchronous-unwind-tables -fno-builtin -Wl,-n,--build-id=none,-z,noexecstack -s -o "$program" "$source"
{
	printf '/* Made by tools/embed-program.sh. */\n#include <stdint.h>\nstatic const uint8_t %s[] = {\n' "$name"
	od -An -v -tx1 "$program" | sed 's/ \(..\)/0x\1,/g'
	printf '};\n'
} >"$header"
rm -f "$program"
