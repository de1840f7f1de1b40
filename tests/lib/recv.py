#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Receivers for sockets that a runtime is given.

recv.py console SOCKET LINES   receive a terminal by SCM_RIGHTS, write each of LINES to it, print what comes back
recv.py notify SOCKET          receive one datagram of sd_notify and print it
recv.py tell SOCKET TEXT       send one datagram
recv.py journal SOCKET FILE    as journald: append each message, as one JSON line of its fields, to FILE
recv.py seccomp SOCKET         receive the seccomp listener's state, print it and how many fds came along
"""
import array
import json
import os
import socket
import sys


def receive(path, kind, count):
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.bind(path)
    os.chmod(path, 0o666)
    if kind == socket.SOCK_STREAM:
        sock.listen(1)
        sock, _ = sock.accept()
    fds = array.array("i")
    data, ancillary, _, _ = sock.recvmsg(65536, socket.CMSG_LEN(count * fds.itemsize))
    for level, what, payload in ancillary:
        if level == socket.SOL_SOCKET and what == socket.SCM_RIGHTS:
            fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
    return data, list(fds)


def console(path, lines):
    _, fds = receive(path, socket.SOCK_STREAM, 1)
    master = fds[0]
    for line in lines:
        os.write(master, line.encode() + b"\n")
    while True:
        try:
            data = os.read(master, 4096)
        except OSError:  # the last writer has gone
            break
        if not data:
            break
        sys.stdout.write(data.decode(errors="replace").replace("\r", ""))
        sys.stdout.flush()


def fields(data):
    """A message of the journal's native protocol; names that come twice get a list."""
    out = {}
    while data:
        line, _, rest = data.partition(b"\n")
        if b"=" in line:
            name, _, value = line.partition(b"=")
        else:
            name, size = line, int.from_bytes(rest[:8], "little")
            value, rest = rest[8:8 + size], rest[8 + size + 1:]
        out.setdefault(name.decode(), []).append(value.decode())
        data = rest
    return {name: values[0] if len(values) == 1 else values for name, values in out.items()}


def journal(path, name):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(path)
    while True:
        data = sock.recv(1 << 20)
        with open(name, "a") as f:
            f.write(json.dumps(fields(data)) + "\n")


def main():
    mode, path = sys.argv[1], sys.argv[2]
    if mode == "console":
        console(path, sys.argv[3:])
    elif mode == "notify":
        print(receive(path, socket.SOCK_DGRAM, 1)[0].decode())
    elif mode == "tell":
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(sys.argv[3].encode(), path)
    elif mode == "journal":
        journal(path, sys.argv[3])
    elif mode == "seccomp":
        data, fds = receive(path, socket.SOCK_STREAM, 4)
        print(data.decode())
        print("fds %d" % len(fds))


main()
