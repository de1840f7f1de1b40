#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a program on a kernel that seems to lack some system calls: they answer ENOSYS, as on an older one.

usage: without-syscall.py NUMBER[,NUMBER...] PROGRAM [ARGUMENT...]     (x86-64 numbers)
"""
import ctypes
import errno
import os
import struct
import sys

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
LD_W_ABS, JEQ, RET = 0x20, 0x15, 0x06
RET_ALLOW, RET_ERRNO = 0x7FFF0000, 0x00050000


def insn(code, k, jt=0, jf=0):
    return struct.pack("HBBI", code, jt, jf, k)


def main():
    numbers = [int(n) for n in sys.argv[1].split(",")]
    prog = insn(LD_W_ABS, 0)
    for nr in numbers:
        prog += insn(JEQ, nr, 0, 1) + insn(RET, RET_ERRNO | errno.ENOSYS)
    prog += insn(RET, RET_ALLOW)
    buf = ctypes.create_string_buffer(prog)
    fprog = struct.pack("HxxxxxxQ", len(prog) // 8, ctypes.addressof(buf))
    libc = ctypes.CDLL(None, use_errno=True)
    # Root needs no no_new_privs for this, and a runtime under test must not run with it.
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(fprog), 0, 0) != 0:
        sys.exit("seccomp: " + os.strerror(ctypes.get_errno()))
    os.execvp(sys.argv[2], sys.argv[2:])


main()
