# SPDX-License-Identifier: Apache-2.0
"""An engine that writes down what a client wants changed, and says no.

usage: record.py SOCKET RECORD      each request but GET: one JSON line with method, target and body, appended to RECORD
"""
import json
import os
import socketserver
import sys


class Client(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            line = self.rfile.readline().decode()
            if not line:
                return
            method, target, _ = line.split(" ", 2)
            length = 0
            while (field := self.rfile.readline().decode().strip()):
                name, _, value = field.partition(":")
                if name.lower() == "content-length":
                    length = int(value)
            body = self.rfile.read(length)
            self.answer(method, target, body)

    def answer(self, method, target, body):
        status, text = "400 Bad Request", b'{"message":"recorded"}'
        if target.endswith("/_ping"):
            status, text = "200 OK", b"OK"
        elif method == "GET":
            status, text = "200 OK", b"{}"
        else:
            with open(sys.argv[2], "a", encoding="utf-8") as out:
                out.write(json.dumps({"method": method, "target": target, "body": json.loads(body or b"null")}) + "\n")
        head = f"HTTP/1.1 {status}\r\nApi-Version: 1.41\r\nOstype: linux\r\nContent-Type: application/json\r\n"
        self.wfile.write((head + f"Content-Length: {len(text)}\r\n\r\n").encode() + (b"" if method == "HEAD" else text))


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


if os.path.exists(sys.argv[1]):
    os.unlink(sys.argv[1])
Server(sys.argv[1], Client).serve_forever()
