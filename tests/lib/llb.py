# SPDX-License-Identifier: Apache-2.0
"""Build requests for BuildKit, written by hand: prints a SolveRequest. usage: llb.py [OPTION=VALUE ...]

run=COMMAND           a shell command in image=NAME (default docker.io/caisson-test/busybox:latest)
network= security=    of that step: numbers                      cgroup=   its cgroup parent
source=ID             an LLB source; attr.NAME=VALUE its attributes
frontend= opt.NAME=VALUE entitlement= exporter= out.NAME=VALUE exporter2= cache-to= cache-from= policy=  fields of the request
field=NUMBER          a field of that number with the text "x"
twice=NUMBER          that field once more, empty     bridge=1   LLBBridge's SolveRequest     size=N  padding
"""
import hashlib
import os
import sys


def varint(n):
    out = b""
    n &= (1 << 64) - 1
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def num(field, n):
    return varint(field << 3) + varint(n)


def data(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def entry(field, key, value):
    return data(field, data(1, key) + data(2, value))


def digest(op):
    return "sha256:" + hashlib.sha256(op).hexdigest()


def main(args):
    opts, ops, attrs, source_attrs = {}, [], b"", b""
    for arg in args:
        key, _, value = arg.partition("=")
        if key.startswith("opt."):
            attrs += entry(3 if "bridge=1" in args else 7, key[4:], value)
        elif key.startswith("attr."):
            source_attrs += entry(2, key[5:], value)
        else:
            opts[key] = value
    last = b""
    if "source" in opts:
        last = data(3, data(1, opts["source"]) + source_attrs)
        ops.append(last)
    if "run" in opts:
        image = data(3, data(1, "docker-image://" + opts.get("image", "docker.io/caisson-test/busybox:latest")) +
                     entry(2, "image.resolvemode", "local"))
        meta = data(1, "/bin/sh") + data(1, "-c") + data(1, opts["run"]) + data(2, "NONCE=" + os.urandom(8).hex()) + \
            data(2, "PATH=/bin") + data(3, "/")
        if "cgroup" in opts:
            meta += data(10, opts["cgroup"])
        step = data(1, meta) + data(2, data(3, "/"))
        if "network" in opts:
            step += num(3, int(opts["network"]))
        if "security" in opts:
            step += num(4, int(opts["security"]))
        if "device" in opts:
            step += data(6, data(1, opts["device"]))
        last = data(1, data(1, digest(image))) + data(2, step)
        ops += [image, last]
    definition = b"".join(data(1, op) for op in ops)
    if last:
        definition += data(1, data(1, data(1, digest(last))))
    if "size" in opts:
        definition += data(3, data(2, data(2, b"x" * int(opts["size"]))))
    if opts.get("bridge"):
        out = data(1, definition) + data(2, opts.get("frontend", "")) + attrs
    else:
        out = data(1, os.urandom(8).hex())
        out += data(2, definition) if definition else b""
        out += data(3, opts["exporter"]) if "exporter" in opts else b""
        out += b"".join(entry(4, name[4:], value) for name, value in opts.items() if name.startswith("out."))
        out += data(6, opts["frontend"]) if "frontend" in opts else b""
        out += attrs
        cache = b"".join(data(field, data(1, opts[name]) + entry(2, "ref", "localhost:1/x"))
                         for field, name in ((4, "cache-to"), (5, "cache-from")) if name in opts)
        out += data(8, cache) if cache else b""
        out += data(9, opts["entitlement"]) if "entitlement" in opts else b""
        out += data(12, opts["policy"]) if "policy" in opts else b""
        out += data(13, data(1, opts["exporter2"])) if "exporter2" in opts else b""
    if "field" in opts:
        out += data(int(opts["field"]), "x")
    if "twice" in opts:
        out += data(int(opts["twice"]), "")
    sys.stdout.buffer.write(out)


main(sys.argv[1:])
