# SPDX-License-Identifier: Apache-2.0
"""Give the name "aa" to the container "old" and back, as fast as the engine can, while starting "aa" through the guard.

usage: rename.py ENGINE_SOCKET GUARD_SOCKET SECONDS     prints how often each status was the answer
"""
import collections
import http.client
import socket
import sys
import threading
import time


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("docker")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def post(self, target):
        self.request("POST", target, headers={"Content-Length": "0"})
        answer = self.getresponse()
        answer.read()
        return answer.status


def rename(path, end):
    engine = Unix(path)
    while not end.is_set():
        for was, becomes in (("aa", "tmp"), ("old", "aa"), ("aa", "old"), ("tmp", "aa")):
            engine.post(f"/containers/{was}/rename?name={becomes}")


end = threading.Event()
thread = threading.Thread(target=rename, args=(sys.argv[1], end))
thread.start()
guard, seen = Unix(sys.argv[2]), collections.Counter()
until = time.monotonic() + float(sys.argv[3])
while time.monotonic() < until:
    seen[guard.post("/containers/aa/start")] += 1
end.set()
thread.join()
print(*sorted(seen.items()))
