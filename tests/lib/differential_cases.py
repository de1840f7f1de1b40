# SPDX-License-Identifier: Apache-2.0
"""Requests about which two readers might disagree: tables, and a generator that mixes them. Makes bytes only."""
import random

JSON_TYPE = ("Content-Type: application/json",)
CREATE = "/containers/create"


class Case:
    """One or more requests on one connection. good: usual and harmless, so the guard has to let it through."""

    def __init__(self, data, good=False, many=False, what=""):
        self.data, self.good, self.many, self.what = data, good, many, what

    def __str__(self):
        text = repr(self.data)
        return (self.what + " " if self.what else "") + (text if len(text) < 700 else text[:500] + "..." + text[-150:])


def message(body, target=CREATE, method="POST", fields=JSON_TYPE, framing=None):
    """The bytes of a request. framing: field lines in the place of Content-Length."""
    # Surrogates U+DC80..DCFF stand for bytes that are no UTF-8.
    body = body.encode("utf-8", "surrogateescape") if isinstance(body, str) else body
    target = target.encode() if isinstance(target, str) else target
    lines = [method.encode() + b" " + target + b" HTTP/1.1", b"Host: docker"]
    lines += [f.encode("latin-1") for f in fields]
    lines += [b"Content-Length: %d" % len(body)] if framing is None else [f.encode("latin-1") for f in framing]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


# ---- JSON, as text that is not always JSON ------------------------------------------------------------------------

class Obj(list):
    """Members in order; names may repeat and be written in any way. A name or value that is Raw stands as it is."""


class Raw(str):
    pass


def quote(text):
    if isinstance(text, Raw):
        return str(text)
    out = '"'
    for c in text:
        out += "\\" + c if c in '"\\' else "\\u%04x" % ord(c) if ord(c) < 0x20 else c
    return out + '"'


def dump(v):
    if isinstance(v, Raw):
        return str(v)
    if isinstance(v, Obj):
        return "{" + ",".join(quote(k) + ":" + dump(m) for k, m in v) + "}"
    if isinstance(v, dict):
        return dump(Obj(v.items()))
    if isinstance(v, (list, tuple)):
        return "[" + ",".join(dump(m) for m in v) + "]"
    if isinstance(v, str):
        return quote(v)
    return {True: "true", False: "false", None: "null"}[v] if v is None or isinstance(v, bool) else str(v)


def escape_at(text, at):
    return Raw('"' + text[:at] + "\\u%04X" % ord(text[at]) + text[at + 1:] + '"')


# How a name may be written so that Go's encoding/json still takes it for the field: any case, escapes, two folds.
SAME_NAME = {
    "plain": lambda s: s,
    "lower": str.lower,
    "upper": str.upper,
    "swapped": str.swapcase,
    "escaped": lambda s: escape_at(s, len(s) // 2),
    "all escaped": lambda s: Raw('"' + "".join("\\u%04x" % ord(c) for c in s) + '"'),
    "long s": lambda s: s.replace("s", "\u017f").replace("S", "\u017f"),
    "kelvin": lambda s: s.replace("k", "\u212a").replace("K", "\u212a"),
    "escaped folds": lambda s: Raw('"' + s.replace("s", "\\u017F").replace("k", "\\u212a") + '"'),
}
# ... and so that it is another name, or none.
OTHER_NAME = {
    "blank": lambda s: s + " ",
    "nul": lambda s: Raw('"' + s + '\\u0000"'),
    "raw nul": lambda s: s[:-1] + Raw("\0") + s[-1],
    "dotless i": lambda s: s.replace("i", "\u0131").replace("I", "\u0130"),
    "sharp s": lambda s: s.replace("ss", "\u00df").replace("s", "\u1e9e", 1),
    "combining": lambda s: s + "\u0301",
    "zero width": lambda s: s[:1] + "\u200b" + s[1:],
    "fullwidth": lambda s: s[:-1] + chr(ord(s[-1]) + 0xfee0),
    "soft hyphen": lambda s: "\u00ad" + s,
    "lone surrogate": lambda s: Raw('"' + s + '\\ud800"'),
    "invalid utf-8": lambda s: Raw('"' + s + '\udcff"'),
}


class World:
    """What the requests are about: an image, a shared and a secret directory, two containers."""

    def __init__(self, image, share, secret, rng):
        self.image, self.share, self.secret, self.rng = image, share, secret, rng
        bind = {"Type": "bind", "Source": secret, "Target": "/m"}
        local = {"NoCopy": True, "DriverConfig": {"Name": "local", "Options":
                 {"type": "none", "o": "bind", "device": secret}}}
        # Members of HostConfig with which the engine itself makes a container that the policy does not want.
        self.bad = [
            ("PidMode", "host"), ("IpcMode", "host"), ("UTSMode", "host"), ("NetworkMode", "host"),
            ("UsernsMode", "host"), ("CgroupParent", "/evil"), ("CgroupParent", "evil.slice"),
            ("Runtime", "io.containerd.runc.v2"), ("Runtime", "runc"), ("OomScoreAdj", -500),
            ("Devices", [{"PathOnHost": "/dev/kmsg", "PathInContainer": "/dev/kmsg", "CgroupPermissions": "rwm"}]),
            ("DeviceCgroupRules", ["a *:* rwm"]), ("Binds", [secret + ":/x"]), ("Binds",
            ["/proc/self/root" + secret + ":/x:ro"]),
            ("Mounts", [bind]), ("Mounts", [{"Type": "volume", "Target": "/m", "VolumeOptions": local}]),
            ("VolumesFrom", ["plain"]), ("VolumesFrom", ["plain:ro"]), ("PidMode", "container:plain"),
            ("Sysctls", {"kernel.core_pattern": "|/x"}), ("Cgroup", "container:plain"),
            ("LogConfig", {"Type": "syslog", "Config": {"syslog-address": "udp://127.0.0.1:9"}}),
            ("BlkioDeviceReadBps", [{"Path": "/etc/hostname", "Rate": 1}]), ("NetworkMode", "container:plain"),
        ]
        self.good = [
            ("Privileged", True), ("Privileged", False), ("Privileged", None), ("Binds", [share + "/a:/x"]), ("Binds",
            None), ("Binds", []),
            ("Binds", [share + "/good-link:/x:ro"]), ("Mounts", [dict(bind, Source=share + "/a")]), ("PidMode", ""),
            ("Mounts", [{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 65536}}]),
            ("Mounts", [{"Type": "volume", "Target": "/v"}]), ("CapAdd", ["SYS_ADMIN"]), ("CapAdd", "NET_ADMIN"),
            ("CapDrop", ["ALL"]), ("PidMode", "container:peer"), ("NetworkMode", "none"), ("NetworkMode", "bridge"),
            ("NetworkMode", "container:peer"), ("IpcMode", "private"), ("IpcMode", "shareable"), ("VolumesFrom",
            ["peer:ro"]),
            ("CgroupnsMode", "host"), ("CgroupnsMode", "private"), ("CgroupParent", "/docker/x"), ("CgroupParent", ""),
            ("SecurityOpt", ["no-new-privileges", "seccomp=unconfined", "label=disable"]), ("SecurityOpt", []),
            ("Sysctls", {"net.ipv4.ip_forward": "1"}), ("MaskedPaths", []), ("ReadonlyPaths", []),
            ("MaskedPaths", ["/proc/kcore"]), ("Tmpfs", {"/t": "size=64k,noexec"}), ("GroupAdd", ["44", "audio"]),
            ("Memory", 67108864), ("ShmSize", 65536), ("PidsLimit", 50), ("PidsLimit", None), ("OomScoreAdj", 100),
            ("Init", True), ("ReadonlyRootfs", True), ("AutoRemove", False), ("Dns", ["10.0.0.1"]),
            ("ExtraHosts", ["a:10.0.0.2"]), ("Ulimits", [{"Name": "nofile", "Soft": 64, "Hard": 64}]),
            ("RestartPolicy", {"Name": "on-failure", "MaximumRetryCount": 2}), ("Links", None), ("Links", []),
            ("PortBindings", {"80/tcp": [{"HostPort": "0"}]}), ("LogConfig", {"Type": "local",
            "Config": {"max-size": "1m"}}),
            ("LogConfig", {"Type": "", "Config": {}}), ("UTSMode", ""), ("Isolation", "default"), ("Isolation", ""),
            ("Devices", []), ("DeviceRequests", None), ("DeviceCgroupRules", None), ("StorageOpt", {}),
            ("VolumeDriver", "local"),
            ("ConsoleSize", [0, 0]), ("Cgroup", ""), ("CpuShares", 512), ("CpusetCpus", "0"), ("Annotations", None),
        ]
        self.config = [
            ("Hostname", "h"), ("Domainname", "d.example"), ("User", "1000:44"), ("Env", ["A=1",
            "B=\u00fc\U0001f600"]), ("Tty", True),
            ("Labels", {"a": "", "A": "x", "\u212a": "y", "K": "z"}), ("WorkingDir", "/tmp"), ("Entrypoint", ["sh",
            "-c"]),
            ("Entrypoint", "sh"), ("Entrypoint", []), ("StopSignal", "KILL"), ("StopTimeout", 3), ("Shell", ["sh"]),
            ("Volumes", {"/v": {}}),
            ("ExposedPorts", {"80/tcp": {}}), ("Healthcheck", {"Test": ["CMD", "true"], "Interval": 1000000000}),
            ("Healthcheck", None),
            ("NetworkDisabled", True), ("MacAddress", "02:42:0a:00:00:01"), ("NetworkingConfig",
            {"EndpointsConfig": {}}), ("OnBuild", None),
            ("NetworkingConfig", {"EndpointsConfig": {"bridge": {"Aliases": ["x"],
            "MacAddress": "02:42:0a:00:00:02"}}}),
            ("Memory", 33554432), ("CpuShares", 256), ("Cpuset", "0"), ("VolumeDriver", "local"), ("NoSuchMember",
            {"a": [1, 2.5, None]}),
        ]

    def base(self, *members):
        return Obj([("Image", self.image), ("Cmd", ["true"])] + list(members))

    def body(self, *host_config):
        return self.base(("HostConfig", Obj(host_config)))

    # ---- tables ----

    def places(self, k, v):
        """(what, body): one member of HostConfig in each place where a reader may find it, or not."""
        empty = {str: "", int: 0, list: [], bool: False, dict: {}}.get(type(v))
        for name, spell in list(SAME_NAME.items()) + list(OTHER_NAME.items()):
            if spell(k) != k or name == "plain":
                yield name, self.body((spell(k), v))
            if name != "plain":
                yield "HostConfig " + name, self.base((spell("HostConfig"), Obj([(k, v)])))
        yield "twice, empty last", self.body((k, v), (k, empty))
        yield "twice, empty first", self.body((k, empty), (k, v))
        yield "twice, null last", self.body((k, v), (k.lower(), None))
        yield "twice, null first", self.body((k.upper(), None), (k, v))
        yield "a second HostConfig", self.base(("HostConfig", Obj()), ("HostConfig", Obj([(k, v)])))
        yield "a HostConfig before", self.base(("HostConfig", Obj([(k, v)])), ("hostconfig", Obj()))
        yield "HostConfig, then null", self.base(("HostConfig", Obj([(k, v)])), ("HOSTCONFIG", None))
        yield "top level", self.base((k, v))
        yield "top level beside HostConfig", self.base((k, v), ("HostConfig", Obj()))
        yield "top level beside null", self.base((k.lower(), v), ("HostConfig", None))
        yield "in NetworkingConfig", self.base(("NetworkingConfig", Obj([("HostConfig", Obj([(k, v)]))])))
        yield "in Resources", self.body(("Resources", Obj([(k, v)])))
        yield "in Config", self.base(("Config", Obj([("HostConfig", Obj([(k, v)]))])))
        yield "in InnerHostConfig", self.base(("InnerHostConfig", Obj([(k, v)])))
        yield "HostConfig in HostConfig", self.body(("HostConfig", Obj([(k, v)])))
        yield "HostConfig in an array", self.base(("HostConfig", [Obj([(k, v)])]))
        yield "in an array", self.body((k, [v]))

    def members(self, all_places):
        """Every member of interest, as it is and in some of its places."""
        for k, v in self.bad:
            places = list(self.places(k, v))
            few = not all_places and (k, v) != ("PidMode", "host")
            for what, body in places[:1] + self.rng.sample(places[1:], 2) if few else places:
                yield Case(message(dump(body)), what=k + " " + what)
        for what, spell in SAME_NAME.items():
            yield Case(message(dump(self.base((spell("NetworkingConfig"), {spell("EndpointsConfig"): {"host": {}}})))),
                what="host network " + what)
            yield Case(message(dump(self.body((spell("NetworkMode"), "none")))), good=True, what="NetworkMode " + what)
        for i, (k, v) in enumerate(self.good):
            yield Case(message(dump(self.body((k, v)))), good=True, what=k)
            if i % 3 == 0:
                same = self.rng.choice(list(SAME_NAME.values()))
                yield Case(message(dump(self.base((same("HostConfig"), Obj([(same(k), v)]))))), good=True, what=k)
        for k, v in self.config:
            yield Case(message(dump(self.base((k, v)))), good=True, what=k)

    def numbers(self):
        values = ["1.0", "1e0", "1E+0", "0.5", "-0", "-0.0", "01", "+1", ".5", "1.", "0x10", "1e400", "1e-400", "NaN",
            "Infinity",
                  "1_0", '"1"', "true", "null", "[]", "{}", "9223372036854775807", "9223372036854775808",
                  "-9223372036854775808",
                  "-9223372036854775809", "18446744073709551615", "18446744073709551616", "1" + "0" * 400, '""']
        fields = ["StopTimeout", "Domainname", "Tty"]
        for v in values:
            for f in fields:
                yield Case(message(dump(self.base((f, Raw(v))))), what=f)
        for v in ["9223372036854775808", "18446744073709551615"]:
            yield Case(message(dump(self.base(("Labels", {"a": Raw(v)}), ("Env", [Raw(v)])))))
            yield Case(message(dump(self.base(("NetworkingConfig",
                {"EndpointsConfig": {"bridge": {"MacAddress": Raw(v)}}})))))
            yield Case(message(dump(self.base(("ExposedPorts", {"80/tcp": Raw(v)})))))
        for f, vs in (("Privileged", ['"true"', "1", "0", '""', "[]", "{}", "TRUE", "True"]), ("PidMode", ["1", "true",
                "[]", '["host"]', "{}"]),
                      ("Binds", ['""', "{}", '"%s:/x"' % self.secret, '[["%s:/x"]]' % self.secret, "[null]", "[1]"]),
                      ("OomScoreAdj", ["-500.0", "-5e2", '"-500"', "-2147483649", "4294966796",
                      "18446744073709551116"]),
                      ("HostConfig", ["null", "[]", '""', "0", "false", "[null]"]), ("Devices", ["{}", "[null]",
                      "[[]]", '["/dev/kmsg"]']),
                      ("Sysctls", ["[]", '{"a":null}', '{"net.ipv4.ip_forward":1}']), ("CapAdd", ["null", "{}",
                      "[null]", "[1]", '""'])):
            for v in vs:
                yield Case(message(dump(self.body((f, Raw(v))) if f != "HostConfig" else self.base((f, Raw(v))))),
                    what=f)

    def texts(self):
        """The text of the body as a whole: around what is harmless, and around what is not."""
        harmless = dump(self.body(("Init", True)))
        host = dump(self.body(("PidMode", "host")))
        for t in (harmless, host):
            yield Case(message(t), good=t is harmless)
            for around in (" \t\r\n%s \n", "\n\n%s"):
                yield Case(message(around % t), good=t is harmless, what="blanks")
            for around in ("\ufeff%s", "%s\ufeff", "//c\n%s", "/*c*/%s", "%s//c", "[%s]", "%s,", "%s}", "%s{}", "%s\0",
                    "\0%s", "\f%s", "\v%s", "\u00a0%s",
                           "\u2028%s", "'%s'", "(%s)", ")]}'\n%s", "null%s", "%snull", "%s\n%s" % (harmless, "%s"),
                           "%s" + host, "{}%s", '"%s"', "%s garbage"):
                yield Case(message(around % t), what=repr(around[:12]))
            for old, new in (('"Init":true', '"Init":true,'), ('{"Image"', '{,"Image"'), ('{"Image"', '{/**/"Image"'),
                    ('"Image"', "'Image'"),
                             ('"Image"', "Image"), (":", "="), (",", ";"), ('"true"', '"true\\x41"'), ('"true"',
                             '"true\\u41"'), ('"true"', '"t\nrue"'),
                             ('"true"', '"tr\\/ue"'), ('"true"', '"true\\ud83d\\ude00"'), ('"true"',
                             '"\\ude00\\ud83d"'), ('"true"', '"\\ud800"'),
                             ('"true"', '"a\\u0000b"'), ('"true"', '"\udcff"'), ('"true"', '"\udcc0\udcaf"'),
                             ('"true"', '"\udced\udca0\udc80"'),
                             ('"true"', '"\udcf4\udc90\udc80\udc80"'), ('"true"', '"\x7f"'), ('"true"', '"\\u0001"'),
                             ('"true"', '"\\b\\f\\n\\r\\t\\"\\\\"')):
                yield Case(message(t.replace(old, new, 1)), what=repr(new))
            yield Case(message(t.encode("utf-16")), what="UTF-16")
            yield Case(message(t.encode("utf-16-le")), what="UTF-16")
            yield Case(message(t.encode("utf-32")), what="UTF-32")
        for depth in (20, 50, 61, 62, 63, 64, 65, 200, 9990, 20000):
            deep = Raw("[" * depth + "]" * depth)
            yield Case(message(dump(self.base(("Deep", deep), ("HostConfig", {"PidMode": "host"})))), what="deep")
            yield Case(message(dump(self.base(("Deep", deep)))), good=depth < 62, what="deep")
        for size in (65536, 1 << 20, (4 << 20) - 200, 4 << 20, (4 << 20) + 1):
            yield Case(message(dump(self.base(("Labels", {"a": "x" * size})))), good=size < 4 << 20, what="long string")
            yield Case(message(dump(self.base(("x" * size, 1), ("hostconfig", {"PIDMODE": "host"})))), what="long name")
        for t in ("", "null", "[]", "{}", '""', "0", "true", " ", "{", "}", '{"Image":"%s"' % self.image,
                '{"Image":null}', '{"image":"%s"}' % self.image,
                  '{"Image":["%s"]}' % self.image):
            yield Case(message(t))

    def targets(self):
        harmless, host = dump(self.body(("Init", True))), dump(self.body(("PidMode", "host")))
        good = ["/containers/create", "/v1.24/containers/create", "/v1.30/containers/create",
            "/v1.39/containers/create", "/v1.40/containers/create",
                "/v1.41/containers/create", "/containers/create?", "/containers/create?name=n-1",
                "/v1.41/containers/create?name=n-2&platform=",
                "/containers/create?name=n%2D3", "/containers/create?name=", "/containers/create?n%61me=n-4",
                "/containers/create?x=1&name=n-5&x=2"]
        odd = ["/v1/containers/create", "/v1.41./containers/create", "/v1..41/containers/create",
            "/v.1.41/containers/create", "/v1.041/containers/create",
               "/v01.41/containers/create", "/V1.41/containers/create", "/v1.23/containers/create",
               "/v1.12/containers/create", "/v1.99/containers/create",
               "/v2.0/containers/create", "/v1.4.1/containers/create", "/v/containers/create", "/v1.41",
               "/v1.41//containers/create",
               "//containers/create", "/containers//create", "/./containers/create", "/containers/./create",
               "/x/../containers/create",
               "/containers/create/", "/containers/create/.", "/containers/create/x/..", "/containers/x/../create",
               "/%2e/containers/create",
               "/x/%2e%2e/containers/create", "/containers%2fcreate", "/containers/%63reate", "/containers/creat%65",
               "/containers/create%2f",
               "/containers/create%20", "/containers/create%00", "/containers/create%0a", "/containers/create;x=1",
               "/containers;x/create",
               "/containers/create%3fname=a", "/containers/create#f", "/containers/create%23f", "/Containers/create",
               "/containers/CREATE",
               "/containers/c\\reate", "/containers\\create", "http://docker/containers/create",
               "http:/containers/create", "containers/create", "*",
               "/containers/create?name=n-6&name=n-7", "/containers/create?name=n-8;name=n-9",
               "/containers/create?name=n-10;", "/containers/create?name=n%3b11",
               "/containers/create?name=n+12", "/containers/create?name=n%2012", "/containers/create?name=n%00",
               "/containers/create?name=%zz",
               "/containers/create?name=n-13%", "/containers/create?name=/n-14", "/containers/create?name=n%2f15",
               "/containers/create?&name=n-16",
               "/containers/create?name=n-17&", "/containers/create?&&name=n-18", "/containers/create?=x&name=n-19",
               "/containers/create?Name=n-20",
               "/containers/create?name[]=n-21", "/containers/create?name=n-22=x", "/containers/create??name=n-23",
               "/containers/create?name=\xc3\xbc",
               "/containers/create?name=%C3%BC", "/containers/create?name=%ff", "/containers/create?name=n-24#f",
               "/containers/create?name=n-25%26name=n-26",
               "/containers/create?platform=linux", "/containers/create?platform=linux%2famd64",
               "/v1.41/containers/create?platform=windows",
               "/v1.39/v1.41/containers/create", "/v1.41/v1.39/containers/create",
               "/containers/create?name=" + "n" * 300, "/containers/create?x=" + "y" * 70000,
               "/containers/create?" + "&".join("x%d=1" % i for i in range(300)), "/\u0063ontainers/create"]
        for t in good:
            yield Case(message(harmless, t), good=True)
            yield Case(message(host, t))
        for t in odd:
            yield Case(message(harmless, t.encode("latin-1")))
            yield Case(message(host, t.encode("latin-1")))
        for m in ("GET", "PUT", "post", "Post", "POST ", "P\u00d6ST", "PATCH", "OPTIONS", "TRACE", "CREATE"):
            yield Case((m + " /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
                        "Content-Length: %d\r\n\r\n" % len(host))
                       .encode("latin-1") + host.encode(), what="method")

    def framings(self):
        host = dump(self.body(("PidMode", "host"))).encode()
        harmless = dump(self.body(("Init", True))).encode()
        hidden = message(host)
        n = b"%d" % len(harmless)
        for b in (harmless, host):
            good = b is harmless
            head = b"POST /containers/create HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
            chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(b), b)
            halves = b"%x\r\n%s\r\n%X\r\n%s\r\n0\r\n\r\n" % (20, b[:20], len(b) - 20, b[20:])
            length = b"Content-Length: %d\r\n" % len(b)
            yield Case(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk, good=good, what="chunked")
            yield Case(head + b"Transfer-Encoding: chunked\r\n\r\n" + halves, good=good, what="two chunks")
            yield Case(head + b"transfer-encoding:CHUNKED\r\n\r\n" + chunk, good=good, what="upper case")
            yield Case(head + length + b"Expect: 100-continue\r\n\r\n" + b, good=good, what="expect")
            yield Case(head + b"Transfer-Encoding: chunked\r\nExpect: 100-Continue\r\n\r\n" + chunk, good=good,
                what="expect chunked")
            for te in (b"xchunked", b"chunked, chunked", b"identity", b"gzip, chunked", b"chunked;q=1", b"\x0bchunked",
                    b"chunked ", b"\"chunked\"", b"chunked,", b",chunked", b"chun\tked"):
                yield Case(head + b"Transfer-Encoding: " + te + b"\r\n\r\n" + chunk, many=True, what="coding")
                yield Case(head + length + b"Transfer-Encoding: " + te + b"\r\n\r\n" + chunk, many=True,
                    what="coding and length")
            for odd in (b"Transfer-Encoding : chunked\r\n", b"Transfer-Encoding:\r\n chunked\r\n",
                    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                        b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
                        b"X: y\rTransfer-Encoding: chunked\r\n", b"X: y\nTransfer-Encoding: chunked\r\n",
                        b"Transfer_Encoding: chunked\r\n",
                        b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n",
                        length + b"Transfer-Encoding: chunked\r\n",
                        b"Transfer-Encoding: chunked\r\n" + length,
                        b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"):
                yield Case(head + odd + b"\r\n" + chunk, many=True, what="field")
            for pieces in (b"%x;a=b\r\n%s\r\n0\r\n\r\n", b"%x ;a\r\n%s\r\n0\r\n\r\n", b"%x \r\n%s\r\n0\r\n\r\n",
                    b"0%x\r\n%s\r\n0\r\n\r\n", b"0x%x\r\n%s\r\n0\r\n\r\n",
                           b"+%x\r\n%s\r\n0\r\n\r\n", b"-%x\r\n%s\r\n0\r\n\r\n", b"%x\n%s\n0\n\n",
                           b"%x\r\n%s0\r\n\r\n", b"%x\r\n%s\r\n00\r\n\r\n", b"%x\r\n%s\r\n0\r\nX: y\r\n\r\n",
                           b"%x\r\n%s\r\n0\r\nContent-Length: 5\r\n\r\n", b"\r\n%x\r\n%s\r\n0\r\n\r\n",
                           b"%x;a=\"\r\n\"\r\n%s\r\n0\r\n\r\n", b"10000000000000000%x\r\n%s\r\n0\r\n\r\n"):
                yield Case(head + b"Transfer-Encoding: chunked\r\n\r\n" + pieces % (len(b), b), many=True,
                    what="chunks")
            for cl in (b"+%d", b"0%d", b"%d, %d", b"%d,", b" %d \t", b"%d ", b"-%d", b"0x%x", b"%d.0", b"%de0", b"1%d",
                    b"18446744073709551616%d", b"\"%d\""):
                value = cl % ((len(b),) * cl.count(b"%"))
                yield Case(head + b"Content-Length: " + value + b"\r\n\r\n" + b, many=True, what="length")
            yield Case(head + length + length + b"\r\n" + b, many=True, what="length twice")
            yield Case(head + length + b"Content-Length: 0\r\n\r\n" + b, many=True, what="lengths differ")
            yield Case(head + length + b"content_length: 0\r\n\r\n" + b, many=True, good=good, what="another field")
            yield Case(head + b"\r\n" + b, many=True, what="no length")
            # One in the other: whoever takes the first framing sees one request, the other two.
            yield Case(head + b"Content-Length: " + n + b"\r\n\r\n" + harmless + hidden, many=True,
                what="a second request")
            both = b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(hidden))
            yield Case(head + both + hidden, many=True, what="hidden behind chunks")
            yield Case(head + b"Content-Length: 0\r\n\r\n" + hidden, many=True, what="empty, then another")
            yield Case(b"GET /_ping HTTP/1.1\r\nHost: d\r\nContent-Length: %d\r\n\r\n" % len(hidden) + hidden,
                many=True, what="in the body of a GET")
            yield Case(b"POST /session HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n" + hidden, many=True,
                what="behind a hijack")
            yield Case(head + b"Content-Length: " + n + b"\r\nConnection: close\r\n\r\n" + harmless + hidden,
                many=True, what="behind close")
            yield Case(head + b"Content-Length: " + n + b"\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n" +
                       harmless + hidden, many=True, what="behind an upgrade")
            for t in ("application/json", "application/json; charset=utf-8", "APPLICATION/JSON",
                    'application/json;charset="UTF-8"'):
                yield Case(message(b, fields=("Content-Type: " + t,)), good=good, what="type")
            for t in ("", "text/plain", "application/json; charset=utf-16", "application/jsonp",
                    "application/json, text/plain", "application/x-www-form-urlencoded",
                      "multipart/form-data; boundary=x", "text/json", "application/json;", " ;application/json",
                      "application/json; charset=utf-7", "application/ json"):
                yield Case(message(b, fields=("Content-Type: " + t,)), what="type")
            yield Case(message(b, fields=()), what="no type")
            yield Case(message(b, fields=JSON_TYPE * 2), what="type twice")
            for f in ("Content-Encoding: gzip", "Content-Encoding: identity", "X-HTTP-Method-Override: GET",
                    "X-Original-URL: /_ping", "X-Rewrite-URL: /_ping", "Host: other",
                      "Connection: Content-Type", "Connection: close, Content-Length", "Connection: keep-alive",
                      "Expect: 200-ok", "Range: bytes=0-5", "Trailer: Content-Length",
                      "HTTP2-Settings: AAMAAABkAAQ", "Content-Range: bytes 0-1/2", "Cookie: a=b", "TE: trailers",
                      "X-Docker-Token: x", "\tX: y", "X\x00: y", "X: \x80", "X y: z"):
                yield Case(message(b, fields=JSON_TYPE + (f,)), many=True, what=f)
        for version in ("HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "http/1.1", "HTTP/1.1 ", "HTTP/01.1", ""):
            yield Case(message(host).replace(b"HTTP/1.1", version.encode(), 1), many=True, what="version")
        yield Case(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden, many=True, what="preface")
        yield Case(b"\r\n" + hidden, many=True, what="empty line first")
        yield Case(hidden.replace(b"\r\n", b"\n"), many=True, what="bare line feeds")
        yield Case(hidden.replace(b"Host: docker\r\n", b""), many=True, what="no host")
        yield Case(hidden.replace(b"POST ", b"POST\t", 1), many=True, what="tab")
        yield Case(hidden.replace(b"POST ", b"POST  ", 1), many=True, what="two blanks")

    # ---- other requests ----

    def spellings(self, target, base, lists, method="POST"):
        """Members beside those of base, in some spellings, twice, and under other names. lists: (good, members)."""
        r = self.rng
        for good, list_ in lists:
            for k, v in list_:
                yield Case(message(dump(Obj(base + [(k, v)])), target, method), good=good, what=k)
                same, other = r.choice(list(SAME_NAME.values())), r.choice(list(OTHER_NAME.values()))
                yield Case(message(dump(Obj([(same(k), v)] + base)), target, method), good=good, what=k)
                for odd in ([(other(k), v)], [(k, v), (same(k), None)], [(k, None), (k, v)], [(same(k), v), (k, v)],
                        [(k, [v])], [(k, Raw("18446744073709551615"))]):
                    yield Case(message(dump(Obj(base + odd)), target, method), what=k)

    def execs(self):
        base = [("Cmd", ["true"])]
        good = [("Privileged", True), ("Privileged", False), ("User", "1000:44"), ("User", ""), ("Tty", True),
            ("AttachStdin", True), ("AttachStdout", True),
                ("Env", ["A=1"]), ("WorkingDir", "/tmp"), ("DetachKeys", "ctrl-a"), ("Detach", True), ("Cmd2", None)]
        yield from self.spellings("/containers/up/exec", base, [(True, good), (False, [("Container", "plain-up"),
            ("ID", "plain-up"), ("ContainerID", "plain-up")])])
        body = dump(Obj(base + [("Privileged", True)]))
        for t in ("/containers/plain-up/exec", "/v1.24/containers/plain-up/exec", "/containers/%70lain-up/exec",
                "/containers/%2Fplain-up/exec", "/containers/up/../plain-up/exec",
                  "/containers/plain-up%2fexec", "//containers/plain-up/exec", "/containers/plain-up/exec/",
                  "/containers/plain-up/exec?container=up", "/containers/up/exec?container=plain-up",
                  "/containers/up/exec?name=plain-up", "/containers/up%00plain-up/exec",
                  "/containers/plain-up;up/exec", "/containers/Up/exec", "/containers/up /exec",
                  "/containers/%2e%2e/containers/plain-up/exec", "/containers/up%2f..%2fplain-up/exec",
                  "/v1.41/containers/plain-up/exec?", "/containers/./plain-up/exec"):
            yield Case(message(body, t), what="target")
        for t in ("/containers/up/exec", "/v1.41/containers/up/exec", "/containers/%75p/exec",
                "/containers/up/exec?x=1"):
            yield Case(message(body, t), good=True, what="target")
        for body in ("", "null", "{}", '{"Cmd":"true"}', '{"Cmd":[]}', '{"Cmd":null}', '{"Cmd":[null]}',
                '{"Cmd":["a\\u0000"]}', body + body, "[%s]" % body):
            yield Case(message(body, "/containers/up/exec"), what="body")

    def volumes(self):
        r, s, bind = self.rng, self.secret, {"type": "none", "o": "bind", "device": self.secret}
        good = [("Name", "v-1"), ("Name", ""), ("Driver", "local"), ("Driver", ""), ("Labels", {"a": "b"}),
            ("DriverOpts", {}), ("DriverOpts", None),
                ("DriverOpts", dict(bind, o="bind,ro", device=self.share + "/a")), ("DriverOpts", dict(bind,
                o="ro,rbind", device=self.share + "/good-link")),
                ("DriverOpts", {"type": "tmpfs", "device": "tmpfs", "o": "size=64k"})]
        bad = [("DriverOpts", bind), ("DriverOpts", dict(bind, o="rbind,ro")), ("DriverOpts", dict(bind,
            type="tmpfs")), ("DriverOpts", dict(bind, o="ro,bind", device=s + "/sub/..")),
               ("DriverOpts", dict(bind, o="bind,ro", device=self.share + "/link")), ("DriverOpts", dict(bind,
               o="bind,ro", device=self.share + "/../" + s[s.rindex("/") - 0:])),
               ("DriverOpts", {"type": "ext4", "device": "/dev/sda1"}), ("DriverOpts", {"type": "proc",
               "device": "proc"}), ("DriverOpts", {"type": "overlay", "device": "x", "o": "lowerdir=" + s}),
               ("DriverOpts", dict(bind, o="bind", device=self.share + "/a")), ("DriverOpts", dict(bind, O="bind,ro",
               device=self.share + "/a")),
               ("DriverOpts", dict(bind, o="ro,bind,rw", device=self.share + "/a")), ("DriverOpts", dict(bind,
               o="bind ,ro")), ("DriverOpts", dict(bind, o="BIND,ro", type="tmpfs"))]
        yield from self.spellings("/volumes/create", [], [(True, good), (False, bad)])
        for opts in (Obj([("o", "ro"), ("o", "bind"), ("type", "none"), ("device", s)]), Obj([("type", "none"),
                ("device", self.share + "/a"), ("o", "bind,ro"), ("device", s)]),
                     Obj([(Raw('"\\u006f"'), "bind"), ("type", "none"), ("device", s)]),
                     Obj([("type", "none"), ("o", Raw('"b\\u0069nd"')), ("device", s)]), Obj([("type", "none"), ("o",
                     "bind"), ("Device", self.share), ("device", s)])):
            yield Case(message(dump(Obj([("DriverOpts", opts)])), "/volumes/create"), what="options")
            yield Case(message(dump(Obj([(r.choice(list(SAME_NAME.values()))("DriverOpts"), opts), ("Name", "v-2")])),
                "/v1.30/volumes/create"), what="options")
        for t in ("/volumes/create?driver=x", "/volumes/create/", "/volumes/%63reate", "/volumes//create",
                "/v1.41/volumes/create", "/volumes/create?name=a;b", "/volumes/x/../create"):
            yield Case(message(dump(Obj([("DriverOpts", bind)])), t), what="target")
        for body in ("", "null", "{}", "[]", '{"Name":null}', "{}{}"):
            yield Case(message(body, "/volumes/create"), what="body")

    def networks(self):
        # Without a driver's work: a bridge takes the engine a second.
        base = [("Name", "n-1"), ("ConfigOnly", True)]
        good = [("Labels", {"a": "b"}), ("Options", {"com.docker.network.bridge.enable_icc": "false"}), ("Options",
            None), ("EnableIPv6", False), ("CheckDuplicate", True),
                ("IPAM", {"Driver": "default", "Config": [{"Subnet": "10.215.7.0/24"}]}), ("Internal", False),
                ("Driver", "bridge"), ("Driver", "")]
        other = [("Driver", "host"), ("Driver", "null"), ("Scope", "swarm"), ("Internal", True), ("ConfigFrom",
            {"Network": "host"}),
                 ("Options", {"com.docker.network.bridge.name": "a/b"})]
        yield from self.spellings("/networks/create", base, [(True, good), (False, other)])
        yield Case(message('{"name":"n-1","DRIVER":"bridge","Internal":true}', "/networks/create"), good=True,
            what="bridge")
        for t in ("/networks/create?x=1", "/networks/create/", "/networks/%63reate", "/networks//create",
                "/v1.24/networks/create", "/networks/x/../create"):
            yield Case(message(dump(Obj(base)), t), what="target")
        for body in ("", "null", "{}", "[]", '{"Name":null}', '{"Name":"host"}', '{"Name":"a\\u0000"}',
                '{"name":"n-2","Name":"n-3"}'):
            yield Case(message(body, "/networks/create"), what="body")

    def updates(self):
        good = [("MemoryReservation", 33554432), ("CpuShares", 512), ("CpusetCpus", "0"), ("PidsLimit", 50),
            ("RestartPolicy", {"Name": "always"}), ("NanoCpus", 500000000)]
        other = [("Devices", [{"PathOnHost": "/dev/kmsg", "PathInContainer": "/dev/kmsg",
            "CgroupPermissions": "rwm"}]), ("CgroupParent", "/evil"), ("DeviceCgroupRules", ["a *:* rwm"]),
                 ("Privileged", True), ("PidMode", "host"), ("HostConfig", {"PidMode": "host"}), ("OomScoreAdj", -1),
                 ("Runtime", "runc"), ("Binds", [self.secret + ":/x"]),
                 ("BlkioDeviceReadBps", [{"Path": "/etc/hostname", "Rate": 1}]), ("Resources", {"CpuShares": 512})]
        yield from self.spellings("/containers/target/update", [("CpuPeriod", 0)], [(True, good), (False, other)])
        for t in ("/containers/target/update?cpushares=6", "/containers/target/update/", "/containers/%74arget/update",
                "/containers/target%2fupdate", "/containers/target/../target/update"):
            yield Case(message('{"CpuShares":512}', t), what="target")
        for body in ("", "null", "{}", "[]", '{"CpuShares":1e2}', '{"CpuShares":"512"}',
                '{"CpuShares":512}{"CpuShares":9}', '{"CpuShares":512.0}'):
            yield Case(message(body, "/containers/target/update"), what="body")

    def archives(self, tar):
        """tar: an archive of one file, which is called f."""
        good = ["path=/tmp", "path=%2Ftmp", "path=tmp", "path=/tmp/", "path=/tmp&noOverwriteDirNonDir=1",
            "path=/tmp&copyUIDGID=1", "p%61th=/tmp", "path=/tmp&x=", "path=/"]
        odd = ["path=/tmp&path=/root", "path=/tmp;path=/root", "path=", "", "path", "Path=/tmp", "path=/tmp%00",
            "path=/tmp/../root", "path=../../../tmp", "path=/nowhere", "path=/bin/sh", "path=%ff",
               "path=/tmp&", "&path=/tmp", "path==/tmp", "path=/tmp=", "path=/t+p", "path=/tmp%26path=/root",
               "path=/tmp#x", "path[]=/tmp", "path=%2e%2e/tmp", "path=/tmp%2f..%2froot", "path=/proc", "path=/dev"]
        types = ["application/x-tar", "application/octet-stream", "text/plain", "application/json", ""]
        forms = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
            "Application/X-WWW-Form-Urlencoded ;q=1", "application/x-www-form-urlencoded\t"]
        where = "/containers/target/archive?"
        for q in good + odd:
            yield Case(message(tar, where + q, "PUT", ("Content-Type: application/x-tar",)), good=q in good,
                what="query")
        for t in types + forms:
            yield Case(message(tar, where + "path=/tmp", "PUT", ("Content-Type: " + t,)), good=t in types, what="type")
        for t in forms:
            yield Case(message(b"path=/root&noOverwriteDirNonDir=1", where + "path=/tmp", "PUT", ("Content-Type: " + t,
                )), what="form")
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(tar), tar)
        yield Case(message(chunked, where + "path=/tmp", "PUT", ("Content-Type: application/x-tar",),
            ("Transfer-Encoding: chunked",)), good=True, what="chunked")
        yield Case(message(chunked, where + "path=/tmp", "PUT", ("Content-Length: %d" % len(tar),),
            ("Transfer-Encoding: chunked",)), many=True, what="two framings")
        for target in ("/containers/target/archive/?path=/tmp", "/containers/%74arget/archive?path=/tmp",
                "/containers//target/archive?path=/tmp", "/containers/target/%61rchive?path=/tmp",
                       "/containers/plain/../target/archive?path=/tmp"):
            yield Case(message(tar, target, "PUT", ("Content-Type: application/x-tar",)), what="target")

    def builds(self, tar, all_of_them):
        """tar: a context of two Dockerfiles, as of differential.py."""
        good = ["", "t=b:1", "t=b:1&t=b:2", "t=b%3a1", "dockerfile=Other", "docker%66ile=Other", 'labels={"k":"v"}',
            "labels=%7B%22k%22%3A%22v%22%7D", 'buildargs={"A":"x"}', "target=one", "rm=1&forcerm=1",
                "networkmode=none", "networkmode=default", "version=1", "q=1", "nocache=1", "cgroupparent=", "remote=",
                "shmsize=65536", 'ulimits=[]', "platform="]
        odd = ["dockerfile=Dockerfile&dockerfile=Other", "dockerfile=Other;t=b:1", "Dockerfile=Other",
            "dockerfile=../Other", "dockerfile=./Other", "dockerfile=Other%00", "dockerfile=Other&", "t=b:1;b:2",
               'labels={"k":"v","k":"w"}', 'labels={"k":"v"}{"k":"w"}', 'labels={"k":"v"}&labels={"k":"w"}',
               'labels={"k":18446744073709551615}', 'labels=["k"]', "labels=null",
               'buildargs={"A":"x","A":"y"}', 'buildargs={"A":null}', 'buildargs={"a":"x"}', "target=one&target=two",
               "target=TWO", "version=2", "version=1&version=2", "networkmode=host",
               "networkmode=none&networkmode=host", "NetworkMode=host", "cgroupparent=/evil", "isolation=hyperv",
               "q+=1", "dockerfile=O+ther", "dockerfile=%4fther%20", "x=1", "securityopt="]
        queries = [(q, True) for q in good] + [(q, False) for q in odd]
        for q, usual in queries if all_of_them else self.rng.sample(queries, 24):
            q = q.replace('"', "%22").replace("{", "%7B").replace("}", "%7D")
            yield Case(message(tar, "/build?" + q, "POST", ("Content-Type: application/x-tar",)), good=usual,
                what="query")
        for t in ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-8",
                "multipart/form-data; boundary=x"):
            yield Case(message(tar, "/build?t=b:1", "POST", ("Content-Type: " + t,)), what="type")
            yield Case(message(b"dockerfile=Other&t=b:9", "/build?t=b:1", "POST", ("Content-Type: " + t,)), what="form")
        part = b'--x\r\nContent-Disposition: form-data; name="remote"\r\n\r\nhttp://127.0.0.1:9/\r\n--x--\r\n'
        yield Case(message(part, "/build", "POST", ("Content-Type: multipart/form-data; boundary=x",)), what="form")

    # ---- the generator ----

    def odd_value(self, v):
        """The same value, another one, or no value, written in some way. Returns it and whether it is still good."""
        r = self.rng
        if isinstance(v, str) and v and r.random() < 0.5:
            return escape_at(v, r.randrange(len(v))), ord(max(v)) < 0x10000
        return r.choice([(v, True), (None, False), ([v], False), (Raw('"\\u0000"'), False), (Raw("1e0"), False),
            (Raw("18446744073709551615"), False),
                         (Raw('"' + str(v)[:20].replace('"', "'").replace("\\", "") + '\\ud800"'), False), (Obj([("a",
                         v)]), False), (Raw(""), False)])

    def random_members(self):
        """Members of HostConfig, and whether all are good."""
        r, good, out = self.rng, True, Obj()
        names = set()
        for _ in range(r.choice([0, 1, 1, 2, 2, 3, 5])):
            bad = r.random() < 0.3
            k, v = r.choice(self.bad if bad else self.good)
            if k in names and r.random() < 0.8:
                continue
            good &= not bad and k not in names
            names.add(k)
            if r.random() < 0.12:
                v, same = self.odd_value(v)
                good &= same
            elif isinstance(v, list) and v and isinstance(v[0], dict):
                v = [Obj((r.choice(list(SAME_NAME.values()))(n), m) for n, m in e.items()) for e in v]
            how = r.random()
            if how < 0.35:
                k = r.choice(list(SAME_NAME.values()))(k)
            elif how < 0.42:
                k, good = r.choice(list(OTHER_NAME.values()))(k), False
            out.append((k, v))
        # Two that the engine refuses together, or of which one gets the other's default.
        if len(out) > 1:
            good = good and not names & {"NetworkMode", "PidMode", "VolumesFrom", "CapAdd", "CapDrop", "Memory",
                "Mounts", "Binds", "Tmpfs", "AutoRemove", "RestartPolicy",
                                         "PortBindings", "Dns", "ExtraHosts", "IpcMode", "SecurityOpt", "Sysctls",
                                         "ShmSize", "Links", "Privileged"}
        return out, good

    def random_case(self):
        r = self.rng
        members, good = self.random_members()
        place = r.random()
        name = r.choice(list(SAME_NAME.values()))("HostConfig") if r.random() < 0.4 else "HostConfig"
        body = self.base((name, members))
        if place < 0.06:
            body, good = self.base(*members), False
        elif place < 0.12:
            more, _ = self.random_members()
            body, good = self.base((name, members), (r.choice(list(SAME_NAME.values()))("HostConfig"), more)), False
        elif place < 0.16:
            body, good = self.base(("NetworkingConfig", Obj([(name, members)]))), False
        for k, v in r.sample(self.config, r.choice([0, 0, 1, 2])):
            good = good and not members and k != "NetworkDisabled" and all(k != name for name, _ in body)
            body.append((k, v))
        r.shuffle(body)
        text = dump(body)
        if r.random() < 0.15:
            text, good = self.scratch(text), False
        elif r.random() < 0.3:
            text = text.replace(",", r.choice([" ,", ",\n", "\t, "])).replace("{",
                "{ ") if '", ' not in text and "kelvin" not in text else text
            good = False
        fields, framing = JSON_TYPE, None
        target = r.choice(["", "", "", "/v1.41", "/v1.40", "/v1.39", "/v1.24"]) + CREATE
        if r.random() < 0.15:
            target += r.choice(["?name=r-1", "?name=r%2d1", "?x=+", "?platform=", "?name=r-1&name=r-2", "?name=r-1;x",
                "?%6eame=r-1", "?name=", "?name=r+1"])
            good = False
        data = text.encode("utf-8", "surrogateescape")
        if r.random() < 0.2:
            framing, at = ("Transfer-Encoding: chunked",), r.randrange(1, len(data))
            data = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (data[:at], data[at:]) if p) + b"0\r\n\r\n"
        return Case(message(data, target, fields=fields, framing=framing), good=good, what="generated")

    def scratch(self, text):
        """A few characters more, less or other."""
        r = self.rng
        for _ in range(r.choice([1, 1, 2, 4])):
            at = r.randrange(len(text) + 1)
            what = r.choice(["", '"', "\\", "{", "}", "[", "]", ",", ":", "\0", "\u017f", "\u212a", "\udcff", "\ufeff",
                "/", "1", "e", " ", "\n", "\\u0000", "\\ud800", "null"])
            text = text[:at] + what + text[at + r.choice([0, 0, 1, 2]):]
        return text

    def generated(self, count):
        for _ in range(count):
            yield self.random_case()

