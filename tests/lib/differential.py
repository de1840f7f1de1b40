# SPDX-License-Identifier: Apache-2.0
"""What the engine makes of a request, sent to its own socket and through the guard: is it the same, and is it allowed?

usage: differential.py WHAT ENGINE_SOCKET GUARD_SOCKET IMAGE SHARE SECRET [COUNT [SEED]]
WHAT: one of MODES. Prints a line for each thing that is wrong, then a line of figures; fails if anything is wrong.

The oracle, for each request:
- what is made through the guard is what the same bytes make on the engine's own socket, but for what the guard says
  that it changes (docs/adr/0015-guard-rules.md);
- what is made through the guard is within the policy, whatever the request looks like;
- as many things are made as the client was told;
- what is usual and harmless passes, and the engine itself takes it.
"""
import http.client
import io
import json
import os
import random
import re
import socket
import sys
import tarfile
import time
import urllib.parse

sys.dont_write_bytecode = True
from differential_cases import World  # noqa: E402

RUNTIME = "sysbox-runc"
ID = re.compile(r"[0-9a-f]{64}")
RANDOM_NAME = re.compile(r"/[a-z]+_[a-z]+[0-9]?$")
# The engine's words for what the guard replaces or drops before the engine sees it (E9, E12).
REWRITTEN = re.compile(r"runtime name|runtime|userns|user namespace", re.I)


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("docker", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Engine:
    """The engine's own socket, for what is not under test: looking and cleaning up."""

    def __init__(self, path):
        self.path, self.conn = path, Connection(path)

    def call(self, method, target, body=None):
        text = json.dumps(body) if body is not None else None
        for attempt in (1, 2):
            try:
                self.conn.request(method, target, text, {"Content-Type": "application/json"} if text else {})
                answer = self.conn.getresponse()
                data = answer.read()
                break
            except (http.client.HTTPException, OSError):
                self.conn.close()
                if attempt == 2:
                    raise
        return answer.status, json.loads(data) if data.strip() else None

    def get(self, target):
        status, data = self.call("GET", target)
        if status != 200:
            raise SystemExit(f"harness: GET {target}: {status} {data}")
        return data

    def make(self, target, body):
        status, data = self.call("POST", target, body)
        if status not in (200, 201, 204):
            raise SystemExit(f"harness: POST {target}: {status} {data}")
        return data


def real_path(path):
    return path if "\0" in path else os.path.realpath(path)


def one_answer(buf):
    """(status, body, rest) of the first answer in buf, or None when it is not whole."""
    head, mark, rest = buf.partition(b"\r\n\r\n")
    if not mark:
        return None
    status = int(head.split(b" ")[1])
    fields = head.lower()
    if status < 200 or status in (204, 304):
        return status, b"", rest
    if b"\r\ntransfer-encoding: chunked" in fields:
        body = b""
        while True:
            line, mark, more = rest.partition(b"\r\n")
            if not mark or len(more) < int(line, 16) + 2:
                return None
            n = int(line, 16)
            body, rest = body + more[:n], more[n + 2:]
            if n == 0:
                return status, body, rest
    length = re.search(rb"\r\ncontent-length: *([0-9]+)", fields)
    if not length:
        return status, rest, b""  # until the end, or a stream
    n = int(length[1])
    return (status, rest[:n], rest[n:]) if len(rest) >= n else None


def talk(path, case, patience):
    """Send all of it; the answers until the first (case.many: until nothing more comes for some time)."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.settimeout(20)
    got, answers = b"", []
    try:
        s.sendall(case.data)
    except OSError:
        pass
    try:
        while True:
            # Whoever waits for more of a body does not say so.
            if case.many:
                s.settimeout(patience * (1 if answers else 8))
            piece = s.recv(65536)
            got += piece
            while got:
                answer = one_answer(got)
                if not answer:
                    break
                got = answer[2]
                if answer[0] >= 200:
                    answers.append(answer[:2])
            if not piece or (answers and not case.many):
                break
    except OSError:
        pass
    s.close()
    return answers


def words(answers):
    return " | ".join(f"{status} {body[:160].decode('utf-8', 'replace').strip()}" for status,
        body in answers) or "no answer"


def told(answers):
    """Of how many things that were made the client knows."""
    return sum(status == 201 for status, body in answers)


def text_of(answers):
    return " ".join(body.decode("utf-8", "replace") for status, body in answers if status >= 400)


def differences(a, b, at=""):
    """Where two JSON values differ: "place: a / b"."""
    if isinstance(a, dict) and isinstance(b, dict):
        return [d for k in sorted(set(a) | set(b)) for d in differences(a.get(k), b.get(k), f"{at}.{k}")]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [d for i, (x, y) in enumerate(zip(a, b)) for d in differences(x, y, f"{at}[{i}]")]
    return [] if a == b else [f"{at[1:]}: {a!r:.120} / {b!r:.120}"]


class Subject:
    """One kind of thing that requests make, by ids: what there is, what it is like, what is wrong with it."""

    counts = True  # the client is told of each

    def __init__(self, engine, world):
        self.engine, self.world = engine, world
        self.known = set(self.ids())

    def before(self):
        """Called before each request."""

    def made(self):
        """Ids of what is there and was not at the start, the oldest first."""
        return [i for i in self.ids() if i not in self.known]

    def clean(self):
        """Called after what was made is removed."""

    def bad(self, view):
        """What is not wanted, as reasons."""
        return []

    def bad_through_guard(self, view):
        return self.bad(view)

    def look(self, name):
        """A container by its name, or None."""
        status, c = self.engine.call("GET", f"/containers/{urllib.parse.quote(name, safe='')}/json")
        return c if status == 200 else None

    def isolated(self, name):
        c = self.look(name)
        return bool(c) and c["HostConfig"]["Runtime"] == RUNTIME

    def shared(self, path):
        real = real_path(path)
        return real == self.world.share or real.startswith(self.world.share + "/")


class Containers(Subject):
    def __init__(self, engine, world):
        self.fixtures = {}
        for c in engine.get("/containers/json?all=1"):
            for n in c["Names"]:
                self.fixtures[n[1:]] = c["Id"]
        self.volumes = {v["Name"] for v in engine.get("/volumes")["Volumes"] or []}
        self.host_network = engine.get("/networks/host")["Id"]
        super().__init__(engine, world)

    def ids(self):
        # The newest is listed first.
        return [c["Id"] for c in reversed(self.engine.get("/containers/json?all=1"))]

    def view(self, ident):
        c = self.engine.get(f"/containers/{ident}/json")
        for v in c["Mounts"]:
            if v["Type"] == "volume":
                v["volume"] = self.engine.get("/volumes/" + v["Name"])
        return c

    def remove(self, ident):
        self.engine.call("DELETE", f"/containers/{ident}?force=1&v=1")

    def clean(self):
        for v in self.engine.get("/volumes")["Volumes"] or []:
            if v["Name"] not in self.volumes:
                self.engine.call("DELETE", "/volumes/" + v["Name"])

    # -- what the policy does not want

    def bad_mounts(self, c):
        for m in c["Mounts"]:
            if m["Type"] == "bind" and not self.shared(m["Source"]):
                yield "bind of " + m["Source"]
            if m["Type"] == "volume":
                yield from bad_volume(self, m["volume"])
        for options in (c["HostConfig"].get("Tmpfs") or {}).values():
            if set(o.split("=")[0] for o in options.split(",")) & {"bind", "rbind", "move", "remount"}:
                yield "tmpfs " + options

    def bad_modes(self, c, hc):
        for k in ("PidMode", "IpcMode", "UTSMode", "NetworkMode"):
            kind, _, other = hc[k].partition(":")
            if kind == "host":
                yield k
            if kind == "container" and not self.isolated(other):
                yield k + " of a container that is not isolated"
        for name, n in (c["NetworkSettings"]["Networks"] or {}).items():
            if name == "host" or self.host_network.startswith(name) or n["NetworkID"] == self.host_network:
                yield "host network"
        for other in hc["VolumesFrom"] or []:
            if not self.isolated(other.split(":")[0]):
                yield "volumes of a container that is not isolated"

    def bad(self, c):
        hc = c["HostConfig"]
        yield from self.bad_modes(c, hc)
        yield from self.bad_mounts(c)
        if hc["UsernsMode"]:
            yield "UsernsMode"
        if hc["CgroupParent"] and not re.fullmatch(r"/docker(/[^/]+)*|docker-[\w.-]+\.slice", hc["CgroupParent"]):
            yield "CgroupParent"
        for k in ("Devices", "DeviceCgroupRules", "DeviceRequests", "Cgroup"):
            if hc[k]:
                yield k
        if hc["VolumeDriver"] not in ("", "local"):
            yield "VolumeDriver"
        if hc["OomScoreAdj"] < 0:
            yield "OomScoreAdj"
        log = hc["LogConfig"]
        if log["Type"] not in ("json-file", "local", "journald", "none",
                "syslog") or "syslog-address" in (log["Config"] or {}):
            yield "LogConfig"
        for k in hc.get("Sysctls") or {}:
            if not re.match(r"net\.|fs\.mqueue\.|kernel\.(msg|sem|shm)", k):
                yield "sysctl " + k
        for k in ("BlkioWeightDevice", "BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps",
                "BlkioDeviceWriteIOps"):
            if any(not d["Path"].startswith("/dev/") for d in hc[k] or []):
                yield k
        if set(hc.get("StorageOpt") or {}) - {"size"}:
            yield "StorageOpt"

    def bad_through_guard(self, c):
        yield from self.bad(c)
        if c["HostConfig"]["Runtime"] != RUNTIME:
            yield "Runtime " + c["HostConfig"]["Runtime"]

    # -- what is to be equal

    def pinned(self, name):
        """Another container is sent on by its id."""
        c = self.look(name)
        return c["Id"] if c else name

    def bind(self, text):
        source, colon, rest = text.partition(":")
        return (real_path(source) if source.startswith("/") else source) + colon + rest

    def plain(self, c, rewrite):
        """Without what differs from one container to the next. rewrite: do to it what the guard says that it does."""
        c = {k: v for k, v in c.items() if k in ("Name", "Path", "Args", "Image", "Platform", "AppArmorProfile",
            "Config", "HostConfig", "Mounts",
                                                 "NetworkSettings", "Driver", "MountLabel", "ProcessLabel", "ident")}
        hc = c["HostConfig"]
        c["Name"] = "random" if RANDOM_NAME.match(c["Name"]) else c["Name"]
        if c["Config"]["Hostname"] == c["ident"][:12]:
            c["Config"]["Hostname"] = "of the id"
        del c["ident"]
        c["NetworkSettings"] = c["NetworkSettings"]["Networks"]
        for m in c["Mounts"]:
            if m["Type"] == "volume":
                options = m["volume"]["Options"]
                m["volume"] = {"Driver": m["volume"]["Driver"], "Options": options, "Labels": m["volume"]["Labels"]}
                if ID.fullmatch(m["Name"]):
                    m["Name"] = m["Source"] = "random"
                if rewrite and options and "bind" in options.get("o", ""):
                    options["device"] = real_path(options["device"])
            elif rewrite and m["Type"] == "bind":
                m["Source"] = real_path(m["Source"])
        c["Mounts"].sort(key=lambda m: m["Destination"])
        if not rewrite:
            return c
        hc["Runtime"] = RUNTIME
        hc["UsernsMode"] = ""
        for k in ("PidMode", "IpcMode", "NetworkMode"):
            if hc[k].startswith("container:"):
                hc[k] = "container:" + self.pinned(hc[k][10:])
        if hc["VolumesFrom"]:
            parts = [v.partition(":") for v in hc["VolumesFrom"]]
            hc["VolumesFrom"] = [self.pinned(name) + colon + mode for name, colon, mode in parts]
        if hc["Binds"]:
            hc["Binds"] = [self.bind(b) for b in hc["Binds"]]
        for m in hc.get("Mounts") or []:
            if m["Type"] == "bind":
                m["Source"] = real_path(m["Source"])
        return c

    def compare(self, case, raw, guarded):
        a, b = self.plain(raw, True), self.plain(guarded, False)
        # E30. Where it is not asked for, old engines' own default is host, of which the runtime makes a private one.
        if a["HostConfig"]["CgroupnsMode"] == "host" and b["HostConfig"]["CgroupnsMode"] == "private":
            a["HostConfig"]["CgroupnsMode"] = "private"
        # The engine has other defaults where there is no HostConfig at all; the guard adds one.
        text = case.data.lower()
        if a["HostConfig"]["CpusetCpus"] == "" and b"cpusetcpus" not in text:
            a["HostConfig"]["CpusetCpus"] = b["HostConfig"]["CpusetCpus"]
        if b["HostConfig"]["IpcMode"] == "shareable" and b"ipcmode" not in text:
            a["HostConfig"]["IpcMode"] = "shareable"
        return differences(a, b)


def bad_volume(containers, v):
    options = v["Options"] or {}
    flags = options.get("o", "").split(",")
    if v["Driver"] != "local":
        yield "volume driver " + v["Driver"]
    if "bind" in flags or "rbind" in flags:
        if not containers.shared(options.get("device", "/")):
            yield "volume of " + options.get("device", "?")
        if "ro" not in flags:
            yield "volume that is written to"
    elif options.get("type") not in (None, "", "tmpfs", "nfs", "nfs4", "cifs"):
        yield "volume of type " + options["type"]


class Volumes(Subject):
    def ids(self):
        return sorted(v["Name"] for v in self.engine.get("/volumes")["Volumes"] or [])

    def view(self, name):
        return self.engine.get("/volumes/" + name)

    def remove(self, name):
        self.engine.call("DELETE", "/volumes/" + name)

    def bad(self, v):
        return bad_volume(self, v)

    def compare(self, case, raw, guarded):
        for v in (raw, guarded):
            for k in ("CreatedAt", "Mountpoint", "ident"):
                v.pop(k, None)
            v["Name"] = "random" if ID.fullmatch(v["Name"]) else v["Name"]
        options = raw["Options"] or {}
        if "bind" in options.get("o", ""):
            options["device"] = real_path(options["device"])
        return differences(raw, guarded)


class Networks(Subject):
    def ids(self):
        return [n["Id"] for n in self.engine.get("/networks")]

    def view(self, ident):
        return self.engine.get("/networks/" + ident)

    def remove(self, ident):
        self.engine.call("DELETE", "/networks/" + ident)

    def bad(self, n):
        if n["Driver"] not in ("bridge", "overlay", "macvlan", "ipvlan", "null"):
            yield "network driver " + n["Driver"]

    def compare(self, case, raw, guarded):
        for n in (raw, guarded):
            for k in ("Created", "Id", "ident"):
                del n[k]
            if b"Subnet" not in case.data:
                n["IPAM"]["Config"] = "next"
        return differences(raw, guarded)


class Execs(Subject):
    def ids(self):
        return [i for c in ("up", "plain-up") for i in self.look(c)["ExecIDs"] or []]

    def view(self, ident):
        return self.engine.get(f"/exec/{ident}/json")

    def remove(self, ident):
        self.known.add(ident)  # they go with their container

    def bad(self, e):
        if not self.isolated(e["ContainerID"]):
            yield "exec in a container that is not isolated"

    def compare(self, case, raw, guarded):
        for e in (raw, guarded):
            del e["ID"], e["ident"]
        return differences(raw, guarded)


class Changed(Subject):
    """A container "target" of its own for each request, which changes it."""

    counts = False

    def ids(self):
        return []

    def __init__(self, engine, world):
        super().__init__(engine, world)
        self.changed = True

    def before(self):
        if not self.changed:
            return
        self.engine.call("DELETE", "/containers/target?force=1&v=1")
        self.ident = self.engine.make("/containers/create?name=target", {
            "Image": self.world.image, "Cmd": ["true"], "HostConfig": {"Runtime": RUNTIME,
            "NetworkMode": "none"}})["Id"]
        self.first = self.state()

    def made(self):
        self.now = self.state()
        self.changed = self.now != self.first
        return [self.ident] if self.changed else []

    def view(self, ident):
        return self.now

    def remove(self, ident):
        pass

    def compare(self, case, raw, guarded):
        del raw["ident"], guarded["ident"]
        return differences(raw, guarded)


class Updates(Changed):
    def state(self):
        return {"HostConfig": self.look(self.ident)["HostConfig"]}

    def bad(self, c):
        hc = c["HostConfig"]
        for k in ("Devices", "DeviceCgroupRules", "CgroupParent", "BlkioDeviceReadBps"):
            if hc[k]:
                yield k
        if hc["PidMode"] == "host" or hc["Privileged"] or hc["OomScoreAdj"] < 0 or hc["Binds"]:
            yield "a changed HostConfig"
        if hc["Runtime"] != RUNTIME:
            yield "a changed HostConfig"


class Archives(Changed):
    def state(self):
        return {"changes": sorted(c["Path"] for c in self.engine.get(f"/containers/{self.ident}/changes") or [])}


class Builds(Subject):
    """All images that a build makes are one thing: which they are, and in which order, tells nothing."""

    counts = False

    def ids(self):
        return [i["Id"] for i in self.engine.get("/images/json?all=1")]

    def made(self):
        return ["images"] if super().made() else []

    def view(self, ident):
        images = [self.engine.get(f"/images/{i}/json") for i in super().made()]
        return {"images": sorted([i["RepoTags"], sorted((i["Config"]["Labels"] or {}).items()),
            i["Config"]["Env"]] for i in images)}

    def remove(self, ident):
        # What another was made from cannot go before that one.
        while super().made():
            for i in super().made():
                self.engine.call("DELETE", f"/images/{i}?force=1")

    def compare(self, case, raw, guarded):
        return differences(raw["images"], guarded["images"])


class Run:
    def __init__(self, subject, engine_path, guard_path):
        self.subject, self.paths = subject, (engine_path, guard_path)
        self.cases = self.made = self.passed = self.unwanted = self.usual = self.wrong = 0

    def say(self, case, what):
        self.wrong += 1
        print(f"WRONG: {what}: {case}")

    def send(self, path, case, patience=0.05):
        """(answers, views of what was made), and all of it is gone again."""
        s = self.subject
        s.before()
        answers = talk(path, case, patience)
        views = []
        made = s.made()
        for ident in made:
            view = s.view(ident)
            view["ident"] = ident
            views.append(view)
            s.remove(ident)
        if made:
            s.clean()
        return answers, views

    def one(self, case):
        s = self.subject
        raw_answers, raw = self.send(self.paths[0], case)
        answers, views = self.send(self.paths[1], case)
        if s.counts and case.many and len(views) != told(answers):
            # Perhaps only late.
            time.sleep(2)
            for ident in s.made():
                s.remove(ident)
            raw_answers, raw = self.send(self.paths[0], case, 2)
            answers, views = self.send(self.paths[1], case, 2)
        self.cases += 1
        self.made += bool(raw)
        self.passed += bool(raw and views)
        reasons = [r for v in raw for r in s.bad(v)]
        self.unwanted += bool(reasons)
        self.usual += case.good
        for v in views:
            for reason in s.bad_through_guard(v):
                self.say(case, f"the guard let {reason} pass")
        if s.counts and told(answers) != len(views):
            self.say(case, f"{len(views)} were made, the client was told of {told(answers)}: {words(answers)}")
        if len(views) > len(raw) and not REWRITTEN.search(text_of(raw_answers)):
            self.say(case, f"made through the guard only; the engine says {words(raw_answers)}")
        for a, b in zip(raw, views):
            found = s.compare(case, a, b)
            if found:
                self.say(case, "engine / through the guard: " + "; ".join(found))
        if case.good and not views:
            who, said = ("the guard", answers) if raw else ("the engine", raw_answers)
            self.say(case, f"{who} refused what is usual: {words(said)}")

    def finish(self, cases, passed, unwanted):
        """passed, unwanted: of a hundred cases, how many at least. Else the test would say nothing."""
        for case in cases:
            self.one(case)
        print(f"{self.cases} requests: {self.made} made something, {self.passed} also through the guard, "
              f"{self.unwanted} what is not wanted; {self.usual} were usual; wrong: {self.wrong}")
        if self.passed * 100 < passed * self.cases or self.unwanted * 100 < unwanted * self.cases:
            print(f"WRONG: too few passed ({passed} % expected) or were not wanted ({unwanted} %)")
            self.wrong += 1
        left = self.subject.made() if self.subject.counts else []
        if left:
            print(f"WRONG: left behind: {left}")
            self.wrong += 1
        return self.wrong == 0


# WHAT: its subject, its requests, and what finish() is to find at least.

def members(w, count):
    return Containers, w.members(count >= 1000), 25, 10


def numbers(w, count):
    return Containers, w.numbers(), 2, 0


def texts(w, count):
    return Containers, w.texts(), 8, 10


def targets(w, count):
    return Containers, w.targets(), 6, 15


def framings(w, count):
    return Containers, w.framings(), 5, 10


def generated(w, count):
    return Containers, w.generated(count), 20, 8


def execs(w, count):
    return Execs, w.execs(), 18, 3


def volumes(w, count):
    return Volumes, w.volumes(), 12, 12


def networks(w, count):
    return Networks, w.networks(), 20, 0


def updates(w, count):
    return Updates, w.updates(), 10, 0


def archive(**files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def archives(w, count):
    return Archives, w.archives(archive(f="text\n")), 25, 0


def builds(w, count):
    text = f"FROM {w.image} AS one\nARG A=none\nLABEL file=%s a=$A\n"
    return Builds, w.builds(archive(Dockerfile=text % "Dockerfile", Other=text % "Other"), count >= 1000), 25, 0


MODES = {f.__name__: f for f in (members, numbers, texts, targets, framings, generated, execs, volumes, networks,
    updates, archives, builds)}


def main():
    what, engine_path, guard_path, image, share, secret = sys.argv[1:7]
    count, seed = (int(a) for a in (sys.argv[7:] + ["150", "1"][len(sys.argv) - 7:])[:2])
    print(f"seed {seed}, {count} generated")
    world = World(image, real_path(share), real_path(secret), random.Random(seed))
    kind, cases, passed, unwanted = MODES[what](world, count)
    start = time.monotonic()
    good = Run(kind(Engine(engine_path), world), engine_path, guard_path).finish(cases, passed, unwanted)
    print(f"{time.monotonic() - start:.0f} s")
    sys.exit(not good)


if __name__ == "__main__":
    main()
