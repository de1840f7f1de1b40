# SPDX-License-Identifier: Apache-2.0
"""Images for bench/socket.sh: in a registry, and as the engine of life.c knows them.

images.py NAME PORT DIR SOCKETS BASES COLD

The registry is that of localhost:PORT. DIR/plain and DIR/derived are made for `life engine`; SOCKETS-plain and
SOCKETS-derived are the directories of the sockets of containers:

  plain    NAME/image:1, and NAME/cold:1 ... COLD, which all are the same image of one layer, in the registry too
  derived  NAME/child:1, of 100 layers, made from the last of NAME/base:1 ... BASES, which are images of 50 layers in
           the registry of which no two are the same, but have all layers but the last in common
"""
import hashlib
import json
import os
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/lib"))
import registry  # noqa: E402

SECONDS, TEXT = 1704067200, "2024-01-01T00:00:00Z"


def fake(text):
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


class Image(registry.Image):
    """An image whose layers are only said to be there: nobody unpacks them."""

    def __init__(self, names):
        super().__init__([b"layer"], kind="docker", label=["name=" + names[-1]])
        self.steps = [f"RUN make {name}" for name in names]
        self.layers = [fake(name) for name in names]
        config = json.loads(self.config)
        config["rootfs"]["diff_ids"] = self.layers
        config["history"] = [{"created": TEXT, "created_by": step} for step in self.steps]
        self.config = json.dumps(config).encode()
        self.document["config"] = self.descriptor("config", self.config)
        self.document["layers"] *= len(names)
        self.manifest = json.dumps(self.document).encode()
        self.blobs[registry.digest(self.config)] = self.config

    def id(self):
        return registry.digest(self.config)

    def push(self, to, repository, tags, blobs=None):
        for blob in blobs or self.blobs.values():
            to.put(repository, blob)
        for tag in tags:
            to.put_manifest(repository, tag, self.manifest, self.types["manifest"])

    def inspect(self, name):
        return {"Id": self.id(), "RepoTags": [name], "RepoDigests": [], "Architecture": "amd64", "Os": "linux",
                "Config": {"Labels": None}, "RootFS": {"Type": "layers", "Layers": self.layers}}

    def history(self):
        return [{"Id": "<missing>", "Created": SECONDS, "CreatedBy": step, "Tags": None, "Size": 1, "Comment": ""}
                for step in reversed(self.steps)]


def write(directory, name, what):
    with open(os.path.join(directory, name), "w", encoding="utf-8") as f:
        json.dump(what, f)


def engine_knows(directory, image, names, sockets):
    os.makedirs(directory, exist_ok=True)
    for name in names:
        write(directory, f"_images_{urllib.parse.quote(name, safe=':@')}_json", image.inspect(name))
    for name in (image.id(), image.id().replace(":", "%3A")):
        write(directory, f"_images_{name}_json", image.inspect(names[0]))
        write(directory, f"_images_{name}_history", image.history())
    for name, token in (("container", "@"), (f"_containers_{64 * '0'}_json", None)):
        mounts = [{"Type": "bind", "Source": f"{sockets}/{token}/docker.sock", "Destination": "/var/run/docker.sock",
                   "Mode": "", "RW": True, "Propagation": "rprivate"}] if token else []
        write(directory, name, {"Id": 2 * (token or 32 * "0"), "Image": image.id(), "Mounts": mounts,
                                "State": {"Status": "created", "Running": False, "Pid": 0}, "Config": {"Image": names[0]},
                                "HostConfig": {"Runtime": "sysbox-runc", "NetworkMode": "none"}})


def main():
    name, port, directory, sockets = sys.argv[1:5]
    bases, cold = int(sys.argv[5]), int(sys.argv[6])
    to, here = registry.Registry(f"http://localhost:{port}", None, None), f"localhost:{port}/{name}/"
    plain = Image(["plain"])
    plain.push(to, name + "/image", ["1"])
    plain.push(to, name + "/cold", [str(i) for i in range(cold)])
    engine_knows(directory + "/plain", plain, [here + "image:1"] + [f"{here}cold:{i}" for i in range(cold)],
                 sockets + "-plain")
    common = [f"common-{i}" for i in range(49)]
    for i in range(1, bases + 1):
        base = Image(common + [f"base-{i}"])
        base.push(to, name + "/base", [str(i)], None if i == 1 else [base.config])
    child = Image(common + [f"base-{bases}"] + [f"own-{i}" for i in range(50)])
    engine_knows(directory + "/derived", child, [here + "child:1"], sockets + "-derived")


main()
