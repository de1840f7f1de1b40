# SPDX-License-Identifier: Apache-2.0
"""Images for registries, put there without an engine, and servers that registries need or that pretend to be some.

registry.py push URL REPOSITORY TAG [options]   put an image there; prints its digests as JSON
registry.py token PORT DIR                      a token server (for docker-registry's `auth: token`); keys in DIR
registry.py hostile PORT DIR [CERT KEY]         a registry that misbehaves as the repository's name says
registry.py proxy PORT LOG NAME:PORT=PORT...    an HTTP proxy by which names lead to ports of this host

Servers listen on 127.0.0.1 and write down each request: DIR/log has "METHOD PATH AUTHORIZATION" (or "-") per line.
"""
import argparse
import base64
import email.utils
import gzip
import hashlib
import http.client
import http.server
import io
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tarfile
import threading
import time
import urllib.parse

OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker."
TYPES = {
    "oci": {"index": OCI + "index.v1+json", "manifest": OCI + "manifest.v1+json", "config": OCI + "config.v1+json",
            "layer": OCI + "layer.v1.tar+gzip"},
    "docker": {"index": DOCKER + "distribution.manifest.list.v2+json", "manifest": DOCKER + "distribution.manifest.v2+json",
               "config": DOCKER + "container.image.v1+json", "layer": DOCKER + "image.rootfs.diff.tar.gzip"},
}


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def small_layer(text):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("content")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    return out.getvalue()


class Image:
    """One image: blobs by digest, its manifest, and what a test wants to know of it."""

    def __init__(self, layers, platform="linux/amd64", kind="oci", label=None, cmd=None):
        self.types, self.blobs = TYPES[kind], {}
        os_name, arch, *variant = platform.split("/")
        packed = [gzip.compress(layer, 1, mtime=0) for layer in layers]
        self.layers = [digest(layer) for layer in layers]
        config = {"architecture": arch, "os": os_name, "config": {"Env": ["PATH=/bin:/usr/bin"], "Cmd": cmd or ["/bin/sh"]},
                  "rootfs": {"type": "layers", "diff_ids": self.layers},
                  "history": [{"created": "2024-01-01T00:00:00Z", "created_by": f"ADD layer {i}", "comment": "test"}
                              for i in range(len(layers))]}
        if variant:
            config["variant"] = variant[0]
        if label:
            config["config"]["Labels"] = dict(item.split("=", 1) for item in label)
        self.config = json.dumps(config).encode()
        self.document = {"schemaVersion": 2, "mediaType": self.types["manifest"],
                         "config": self.descriptor("config", self.config),
                         "layers": [self.descriptor("layer", p) for p in packed]}
        self.manifest = json.dumps(self.document).encode()
        self.platform = {"os": os_name, "architecture": arch, **({"variant": variant[0]} if variant else {})}
        for blob in [self.config, *packed]:
            self.blobs[digest(blob)] = blob

    def descriptor(self, what, data):
        return {"mediaType": self.types[what], "digest": digest(data), "size": len(data)}

    def entry(self):
        return {**self.descriptor("manifest", self.manifest), "platform": self.platform}


def make_index(images, kind, attest=False):
    entries = [image.entry() for image in images]
    if attest:
        entries.append({"mediaType": TYPES[kind]["manifest"], "digest": digest(b"attestation"), "size": 7,
                        "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
                        "platform": {"os": "unknown", "architecture": "unknown"}})
    return json.dumps({"schemaVersion": 2, "mediaType": TYPES[kind]["index"], "manifests": entries}).encode()


# ---- push -------------------------------------------------------------------------------------------------------


class Registry:
    def __init__(self, url, ca, user):
        self.url, self.user, self.bearer = urllib.parse.urlsplit(url), user, None
        self.context = ssl.create_default_context(cafile=ca) if self.url.scheme == "https" else None

    def connect(self, url):
        if url.scheme == "https":
            return http.client.HTTPSConnection(url.netloc, context=self.context, timeout=30)
        return http.client.HTTPConnection(url.netloc, timeout=30)

    def basic(self):
        return {"Authorization": "Basic " + base64.b64encode(self.user.encode()).decode()} if self.user else {}

    def token(self, challenge, repository):
        parts = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        url = urllib.parse.urlsplit(parts["realm"])
        query = urllib.parse.urlencode({"service": parts["service"], "scope": f"repository:{repository}:pull,push"})
        c = self.connect(url)
        c.request("GET", f"{url.path}?{query}", headers=self.basic())
        return json.load(c.getresponse())["token"]

    def call(self, method, path, repository, body=None, content_type="application/octet-stream"):
        for attempt in range(2):
            headers = {"Content-Type": content_type} if body is not None else {}
            headers |= {"Authorization": "Bearer " + self.bearer} if self.bearer else self.basic()
            c = self.connect(self.url)
            c.request(method, path, body=body, headers=headers)
            answer = c.getresponse()
            text = answer.read()
            challenge = answer.headers.get("WWW-Authenticate", "")
            if answer.status == 401 and attempt == 0 and challenge.startswith("Bearer"):
                self.bearer = self.token(challenge, repository)
                continue
            if answer.status >= 300:
                sys.exit(f"{method} {path}: {answer.status} {text.decode(errors='replace')}")
            return answer
        return None

    def put(self, repository, blob):
        where = self.call("POST", f"/v2/{repository}/blobs/uploads/", repository, b"").headers["Location"]
        parts = urllib.parse.urlsplit(where)
        query = parts.query + "&" if parts.query else ""
        self.call("PUT", f"{parts.path}?{query}digest={digest(blob)}", repository, blob)

    def put_manifest(self, repository, name, data, content_type):
        self.call("PUT", f"/v2/{repository}/manifests/{name}", repository, data, content_type)


def push(args):
    p = argparse.ArgumentParser(prog="registry.py push")
    p.add_argument("url")
    p.add_argument("repository")
    p.add_argument("tag")
    p.add_argument("--layer", action="append", help="a tar file")
    p.add_argument("--text", default="content", help="what the layer has without --layer")
    p.add_argument("--format", choices=TYPES, default="docker")
    p.add_argument("--platform", action="append", help="os/architecture[/variant]; several make an index")
    p.add_argument("--attest", action="store_true")
    p.add_argument("--label", action="append")
    p.add_argument("--cmd", nargs="+")
    p.add_argument("--ca")
    p.add_argument("--user", help="NAME:PASSWORD")
    a = p.parse_args(args)
    registry = Registry(a.url, a.ca, a.user)
    platforms = a.platform or ["linux/amd64"]
    images = []
    for platform in platforms:
        layers = [small_layer((a.text + (platform if len(platforms) > 1 else "")).encode())]
        if a.layer:
            layers = [open(name, "rb").read() for name in a.layer]
        image = Image(layers, platform, a.format, a.label, a.cmd)
        for blob in image.blobs.values():
            registry.put(a.repository, blob)
        images.append(image)
    top, content_type = images[0].manifest, TYPES[a.format]["manifest"]
    if len(images) > 1 or a.attest:
        for image in images:
            registry.put_manifest(a.repository, digest(image.manifest), image.manifest, content_type)
        if a.attest:
            registry.put(a.repository, b"{}")
        top, content_type = make_index(images, a.format), TYPES[a.format]["index"]
    registry.put_manifest(a.repository, a.tag, top, content_type)
    json.dump({"digest": digest(top), "images": [
        {"platform": platform, "manifest": digest(image.manifest), "config": digest(image.config), "layers": image.layers}
        for platform, image in zip(platforms, images)]}, sys.stdout)


# ---- servers ----------------------------------------------------------------------------------------------------


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log_lock = threading.Lock()

    def log_message(self, *args):
        pass

    def note(self):
        with self.log_lock, open(self.server.log, "a") as log:
            log.write(f"{self.command} {self.path} {self.headers.get('Authorization', '-')}\n")

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            for one in value if isinstance(value, list) else [value]:
                self.send_header(name.replace("_", "-"), one)
        if "Transfer_Encoding" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # clients that hang up are what is tested


def serve(handler, port, directory, cert=None, key=None):
    server = Server(("127.0.0.1", port), handler)
    server.log, server.dir = os.path.join(directory, "log"), directory
    if cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.scheme = "https" if cert else "http"
    server.port = port
    server.serve_forever()


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class TokenHandler(Handler):
    """Everybody may pull public/*; who knows the password or has the refresh token, everything."""

    def token(self, scopes, user):
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            if user or name.startswith("public/"):
                access.append({"type": kind, "name": name, "actions": actions.split(",") if user else ["pull"]})
        cert = ssl.PEM_cert_to_DER_cert(open(os.path.join(self.server.dir, "token.crt")).read())
        now = int(time.time())
        head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(cert).decode()]}
        claims = {"iss": "caisson-test", "sub": user or "", "aud": "test-registry", "exp": now + 300, "nbf": now - 10,
                  "iat": now, "jti": os.urandom(8).hex(), "access": access}
        text = b".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", os.path.join(self.server.dir, "token.key")],
                                   input=text, capture_output=True, check=True).stdout
        return (text + b"." + base64url(signature)).decode()

    def grant(self, parameters, user, name):
        self.answer(200, json.dumps({name: self.token(parameters.get("scope", []), user)}).encode(),
                    Content_Type="application/json")

    def do_GET(self):
        self.note()
        given, user = self.headers.get("Authorization"), None
        if given:
            user, password = base64.b64decode(given.split()[1]).decode().split(":", 1)
            if password != "secret":
                return self.answer(401)
        self.grant(urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query), user, "token")

    def do_POST(self):
        self.note()
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        parameters = urllib.parse.parse_qs(body)
        if parameters.get("grant_type") != ["refresh_token"] or parameters.get("refresh_token") != ["refresh/1"]:
            return self.answer(401)
        self.grant(parameters, "alice", "access_token")


GOOD = Image([small_layer(b"good")])
OTHER = Image([small_layer(b"other")])
FOREIGN = [Image([small_layer(b"x")], "windows/amd64"), Image([small_layer(b"y")], "linux/s390x")]
MANIFEST, INDEX = TYPES["oci"]["manifest"], TYPES["oci"]["index"]


def document(**changes):
    return json.dumps({**GOOD.document, **changes}).encode()


# What is served as a manifest, by the repository's name: its bytes and its Content-Type.
DOCUMENTS = {
    "good": (GOOD.manifest, MANIFEST),
    "polyglot": (document(manifests=[OTHER.entry()]), MANIFEST),
    "polyglot-index": (json.dumps({"schemaVersion": 2, "manifests": [OTHER.entry()], "layers": []}).encode(), INDEX),
    "spelling": (document(Manifests=[OTHER.entry()]), MANIFEST),
    "twice": (GOOD.manifest.replace(b'{"schemaVersion": 2', b'{"schemaVersion": 2, "schemaVersion": 2', 1), MANIFEST),
    "lying-type": (GOOD.manifest, INDEX),
    "json-type": (GOOD.manifest, "application/json"),
    "docker-type": (GOOD.manifest, TYPES["docker"]["manifest"]),
    "schema1": (b'{"schemaVersion": 1, "name": "a", "tag": "b", "fsLayers": [], "history": [], "signatures": []}',
                DOCKER + "distribution.manifest.v1+prettyjws"),
    "bad-json": (GOOD.manifest[:-1], MANIFEST),
    "deep": (b'{"schemaVersion": 2, "config": ' + b"[" * 100000 + b"]" * 100000 + b"}", MANIFEST),
    "huge": (GOOD.manifest + b" " * (5 << 20), MANIFEST),
    "wrong-config": (GOOD.manifest, MANIFEST),
    "no-config": (GOOD.manifest, MANIFEST),
    "plugin": (document(config={**GOOD.document["config"], "mediaType": DOCKER + "plugin.v1+json"}), MANIFEST),
    "layers": (document(layers=GOOD.document["layers"] * 2), MANIFEST),
    "big-config": (document(config={**GOOD.document["config"], "size": 9 << 20}), MANIFEST),
    "sparse": (make_index([OTHER, GOOD], "oci"), INDEX),
    "nested": (json.dumps({"schemaVersion": 2, "manifests": [{**GOOD.entry(), "digest": digest(make_index([OTHER], "oci")),
                                                              "size": len(make_index([OTHER], "oci"))}]}).encode(), INDEX),
    "foreign": (make_index(FOREIGN, "oci"), INDEX),
    "no-platform": (json.dumps({"schemaVersion": 2, "manifests": [
        {k: v for k, v in image.entry().items() if k != "platform"} for image in [*FOREIGN, GOOD]]}).encode(), INDEX),
    "crowd": (json.dumps({"schemaVersion": 2, "manifests": [
        {**GOOD.entry(), "digest": f"sha256:{i:064x}"} for i in range(70)]}).encode(), INDEX),
}


class HostileHandler(Handler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.note()
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/token":
            return self.answer(200, open(os.path.join(self.server.dir, "token"), "rb").read())
        parts = url.path.split("/")
        if len(parts) != 5 or parts[1] != "v2":
            return self.answer(404)
        _, _, case, what, name = parts
        act = getattr(self, "case_" + case.replace("-", "_"), None)
        if act:
            return act(what, name)
        return self.document(case, what, name)

    def document(self, case, what, name):
        data, content_type = DOCUMENTS.get(case, DOCUMENTS["good"])
        if what == "blobs":
            blobs = {**GOOD.blobs, **OTHER.blobs, **FOREIGN[0].blobs, **FOREIGN[1].blobs}
            if case == "no-config" or name not in blobs:
                return self.answer(404)
            data = blobs[name]
            if case == "wrong-config":
                data = data.replace(b"amd64", b"arm64")
            return self.answer(200, data)
        if name.startswith("sha256:") and name != digest(data):
            others = {digest(image.manifest): (image.manifest, MANIFEST) for image in [GOOD, *FOREIGN]}
            if case != "sparse":
                others[digest(OTHER.manifest)] = OTHER.manifest, MANIFEST
            nested = make_index([OTHER], "oci")
            others[digest(nested)] = nested, INDEX
            if name not in others:
                return self.answer(404)
            data, content_type = others[name]
        self.answer(200, data, Content_Type=content_type, Docker_Content_Digest=digest(data))

    def case_wrong_digest(self, what, name):
        if what == "blobs":
            return self.document("good", what, name)
        self.answer(200, OTHER.manifest, Content_Type=MANIFEST)

    def case_wrong_header(self, what, name):
        if what == "blobs":
            return self.document("good", what, name)
        self.answer(200, GOOD.manifest, Content_Type=MANIFEST, Docker_Content_Digest=digest(OTHER.manifest))

    def case_no_type(self, what, name):
        self.answer(200, GOOD.manifest)

    def case_two_types(self, what, name):
        self.answer(200, GOOD.manifest, Content_Type=[MANIFEST, INDEX])

    def case_slow(self, what, name):
        self.answer(200, Content_Type=MANIFEST, Transfer_Encoding="chunked")
        for byte in GOOD.manifest:
            self.wfile.write(b"1\r\n%c\r\n" % byte)
            self.wfile.flush()
            time.sleep(0.2)

    def case_steady(self, what, name):  # not slow at all, but without end
        self.answer(200, Content_Type=MANIFEST, Transfer_Encoding="chunked")
        while True:
            self.wfile.write(b"400\r\n" + b" " * 1024 + b"\r\n")
            time.sleep(0.1)

    def case_silent(self, what, name):
        time.sleep(60)

    def case_endless(self, what, name):
        self.answer(200, Content_Type=MANIFEST, Transfer_Encoding="chunked")
        while True:
            self.wfile.write(b"10000\r\n" + b" " * 65536 + b"\r\n")

    def case_endless_head(self, what, name):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            self.wfile.write(b"X-More: " + b"x" * 1000 + b"\r\n")

    def case_endless_continue(self, what, name):
        while True:
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def case_cut(self, what, name):
        self.send_response(200)
        self.send_header("Content-Type", MANIFEST)
        self.send_header("Content-Length", str(len(GOOD.manifest) + 10))
        self.end_headers()
        self.wfile.write(GOOD.manifest)
        self.close_connection = True

    def case_garbage(self, what, name):
        self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n" * 10)
        self.close_connection = True

    def redirect(self, where):
        self.answer(307, Location=where)

    def case_other(self, what, name):  # another origin: DIR/other has its address
        where = open(os.path.join(self.server.dir, "other")).read().strip()
        if self.headers.get("Authorization") is None:
            return self.challenge("Basic realm=x")
        self.redirect(f"{where}/v2/good/{what}/{name}")

    def case_back(self, what, name):  # there and back again
        where = open(os.path.join(self.server.dir, "other")).read().strip()
        if self.headers.get("Authorization") is None:
            return self.challenge("Basic realm=x")
        self.redirect(f"{where}/v2/return/{what}/{name}")

    def case_return(self, what, name):
        where = open(os.path.join(self.server.dir, "other")).read().strip()
        self.redirect(f"{where}/v2/good/{what}/{name}")

    def case_to_http(self, what, name):
        self.redirect(f"http://127.0.0.1:{self.server.port}/v2/good/{what}/{name}")

    def case_to_file(self, what, name):
        self.redirect("file:///etc/passwd")

    def case_to_user(self, what, name):
        self.redirect(f"{self.server.scheme}://user:password@localhost:{self.server.port}/v2/good/{what}/{name}")

    def case_loop(self, what, name):
        self.redirect(self.path)

    def case_few(self, what, name):  # within the bound; the blob is elsewhere on this host
        hops = int(urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query).get("n", ["0"])[0])
        if hops < 4:
            return self.redirect(f"../{what}/{name}?n={hops + 1}")
        self.redirect(f"/v2/good/{what}/{name}")

    def challenge(self, value):
        self.answer(401, WWW_Authenticate=value)

    def case_denied(self, what, name):
        self.challenge("Basic realm=x")

    def case_realm(self, what, name):  # DIR/realm has the token server's address
        if self.headers.get("Authorization") == "Bearer good-token":
            return self.document("good", what, name)
        self.challenge(f'Bearer realm="{open(os.path.join(self.server.dir, "realm")).read().strip()}",service="a&b"')

    def case_bad_challenge(self, what, name):
        self.challenge('Bearer realm="x')

    def case_digest_login(self, what, name):
        self.challenge('Digest realm="x", nonce="y"')

    def case_busy(self, what, name):
        self.answer(429, Retry_After="30")

    def case_busy_silent(self, what, name):
        self.answer(429)

    def case_down(self, what, name):
        self.answer(503, Retry_After=email.utils.formatdate(time.time() + 100, usegmt=True))

    def case_broken(self, what, name):
        self.answer(500, b"<html>\n\x1b[31mbroken</html>")

    def case_no_head(self, what, name):
        if self.command == "HEAD":
            return self.answer(405)
        self.document("good", what, name)


# ---- proxy ------------------------------------------------------------------------------------------------------


def proxy(port, log, names):
    """Only to the names given; each request is written down."""
    ports = dict(name.split("=") for name in names)
    listener = socket.create_server(("127.0.0.1", port))

    def pump(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass
        b.close()

    def handle(client):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        method, target = (word.decode() for word in head.split()[:2])
        if method != "CONNECT":
            target = urllib.parse.urlsplit(target).netloc
            target += "" if ":" in target else ":80"
        with open(log, "a") as f:
            f.write(head.split(b"\r\n")[0].decode() + "\n")
        if target not in ports:
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return client.close()
        server = socket.create_connection(("127.0.0.1", int(ports[target])))
        if method == "CONNECT":
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            server.sendall(head)
        threading.Thread(target=pump, args=(server, client), daemon=True).start()
        pump(client, server)

    while True:
        client, _ = listener.accept()
        threading.Thread(target=handle, args=(client,), daemon=True).start()


def main():
    what, *args = sys.argv[1:]
    if what == "push":
        push(args)
    elif what == "token":
        serve(TokenHandler, int(args[0]), *args[1:])
    elif what == "hostile":
        serve(HostileHandler, int(args[0]), *args[1:])
    elif what == "proxy":
        proxy(int(args[0]), args[1], args[2:])
    elif what == "good-manifest":
        print(digest(GOOD.manifest), digest(GOOD.config), digest(OTHER.manifest))


main()
