# SPDX-License-Identifier: Apache-2.0
"""Raw conversations with a unix socket, and a fake engine that records them.

usage: raw.py send SOCKET TEXT [SECONDS]     TEXT with \\r \\n \\x00 escapes; prints what comes back until the end or SECONDS (default 5)
       raw.py MODE SOCKET ...                the modes are the functions below; each prints what the test compares
       raw.py engine SOCKET RECORD           answers everything, appends each connection's bytes to RECORD
"""
import json
import os
import socket
import sys
import threading
import time


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.settimeout(10)
    return s


def unescape(text):
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


def drain(s, seconds=5.0):
    """All that comes until the end, a reset or the time is over; and which of them it was."""
    out, end = b"", time.monotonic() + seconds
    while True:
        left = end - time.monotonic()
        if left <= 0:
            return out, "open"
        s.settimeout(left)
        try:
            piece = s.recv(65536)
        except socket.timeout:
            return out, "open"
        except ConnectionResetError:
            return out, "reset"
        if not piece:
            return out, "closed"
        out += piece


def read_head(s):
    out = b""
    while b"\r\n\r\n" not in out:
        piece = s.recv(1)
        if not piece:
            break
        out += piece
    return out


def send(path, text, seconds="5"):
    s = connect(path)
    try:
        s.sendall(unescape(text))
    except BrokenPipeError:
        pass
    out, how = drain(s, float(seconds))
    sys.stdout.write(out.decode("latin-1").replace("\r", ""))
    print(f"\n[{how}]")


def request(s, method, path, body=b"", fields=()):
    head = f"{method} {path} HTTP/1.1\r\nHost: docker\r\nContent-Length: {len(body)}\r\n"
    s.sendall((head + "".join(f + "\r\n" for f in fields) + "\r\n").encode() + body)


ATTACH = "POST /containers/{}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: \r\nContent-Length: 0\r\n{}\r\n"
UPGRADE = "Connection: Upgrade\r\nUpgrade: tcp\r\n"


def early(path, name):
    """P1: stdin in the same write as the head of attach."""
    s = connect(path)
    s.sendall((ATTACH.format(name, UPGRADE) + "early\n").encode())
    head = read_head(s)
    time.sleep(0.5)  # the engine itself loses output when its input ends at once
    s.shutdown(socket.SHUT_WR)
    print(head.split(b"\r\n")[0].decode(), drain(s)[0].decode("latin-1").strip()[-5:])


def hijack200(path, name):
    """P2: attach without Upgrade, which turns into a stream behind a 200."""
    s = connect(path)
    s.sendall(ATTACH.format(name, "").encode())
    head = read_head(s)
    s.sendall(b"later\n")
    time.sleep(0.5)  # the engine itself loses output when its input ends at once
    s.shutdown(socket.SHUT_WR)
    print(head.split(b"\r\n")[0].decode(), drain(s)[0].decode("latin-1").strip()[-5:])


def wait_head(path, name):
    """P4: the head of the answer to wait comes long before its body."""
    s = connect(path)
    request(s, "POST", f"/containers/{name}/wait")
    print(read_head(s).split(b"\r\n")[0].decode())


def events_half_close(path):
    """P6: closing one half of an event stream ends it, as it does at the engine."""
    s = connect(path)
    s.sendall(b"GET /events HTTP/1.1\r\nHost: docker\r\n\r\n")
    time.sleep(0.3)
    s.shutdown(socket.SHUT_WR)
    print(drain(s, 5)[1])


def early_answer(path, chunks="2000"):
    """P7: the answer to an upload that the engine does not want."""
    s = connect(path)
    s.sendall(b"PUT /containers/nope/archive?path=/ HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n")
    cut = "all sent"
    try:
        for _ in range(int(chunks)):
            s.sendall(b"2000\r\n" + b"x" * 8192 + b"\r\n")
        s.sendall(b"0\r\n\r\n")
    except (BrokenPipeError, ConnectionResetError):
        cut = "cut off"
    print(drain(s)[0].split(b"\r\n")[0].decode(), cut)


def expect(path):
    """P9: 100 comes from the guard after the head was judged; a refusal comes instead of it."""
    s = connect(path)
    s.sendall(b"POST /images/load HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
    first = read_head(s)
    s.sendall(b"3\r\nabc\r\n0\r\n\r\n")
    second = read_head(s)
    print(first.split(b"\r\n")[0].decode(), "then", second.split(b"\r\n")[0].decode().split(" ")[1])
    s = connect(path)
    s.sendall(b"POST /nothing/there HTTP/1.1\r\nHost: docker\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    print(read_head(s).split(b"\r\n")[0].decode().split(" ")[1])


def refused_upload(path):
    """P13: a refusal is readable although the client was still sending."""
    s = connect(path)
    s.sendall(b"POST /nothing/there HTTP/1.1\r\nHost: docker\r\nContent-Length: 8000000\r\n\r\n")
    sent = 0
    try:
        while sent < 8000000:
            sent += s.send(b"x" * 65536)
    except (BrokenPipeError, ConnectionResetError):
        pass
    out, how = drain(s)
    print(out.split(b"\r\n")[0].decode().split(" ")[1], "all sent" if sent >= 8000000 else "cut off", how)


def keep_alive(path):
    """Several requests on one connection, a refusal among them, two of them in one write."""
    s = connect(path)
    ping = b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n"
    got = []
    for what in (ping, b"GET /no/such HTTP/1.1\r\nHost: docker\r\n\r\n", ping, ping + ping):
        s.sendall(what)
        for _ in range(what.count(b"HTTP/1.1")):
            head = read_head(s)
            length = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
            left = int(length[0])
            while left:
                left -= len(s.recv(left))
            got.append(head.split(b" ")[1].decode())
    print(" ".join(got))


def slow_head(path):
    """P11: bytes that trickle; prints after how many seconds the guard ends it."""
    s = connect(path)
    start = time.monotonic()
    try:
        for byte in b"GET /_ping HTTP/1.1\r\nHost: docker\r\nX: " + b"y" * 100:
            s.sendall(byte.to_bytes(1, "big"))
            s.settimeout(0.4)
            try:
                if s.recv(65536):
                    break
            except socket.timeout:
                continue
    except (BrokenPipeError, ConnectionResetError):
        pass
    print("ended" if 8 <= time.monotonic() - start <= 14 else f"after {time.monotonic() - start:.1f} s")


def leave_events(path, count="20"):
    """P5: clients that go away in the middle of a stream."""
    all_ = [connect(path) for _ in range(int(count))]
    for s in all_:
        s.sendall(b"GET /events HTTP/1.1\r\nHost: docker\r\n\r\n")
    for s in all_:
        read_head(s)
    for s in all_:
        s.close()


def many(path, count="1000", pings="10"):
    """Connections at once, each with some pings; prints how many answers were right."""
    good = 0
    socks = [connect(path) for _ in range(int(count))]
    for _ in range(int(pings)):
        for s in socks:
            s.sendall(b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n")
        for s in socks:
            out = read_head(s) + s.recv(2)
            good += out.endswith(b"\r\n\r\nOK")
    print(good)


def idle(path, pid, count="1000"):
    """Bytes of memory that a connection at rest costs the process @pid."""
    def anon():
        with open(f"/proc/{pid}/status") as f:
            return int(next(line for line in f if line.startswith("RssAnon")).split()[1]) * 1024
    warm = [connect(path) for _ in range(50)]
    ping = b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n"
    for s in warm:
        s.sendall(ping)
        s.recv(4096)
    before, fds = anon(), len(os.listdir(f"/proc/{pid}/fd"))
    socks = [connect(path) for _ in range(int(count))]
    # All taken before the first asks, however busy the machine is: else what answers need lies between them for good.
    for _ in range(200):
        if len(os.listdir(f"/proc/{pid}/fd")) >= fds + int(count):
            break
        time.sleep(0.05)
    for s in socks:
        s.sendall(ping)
        s.recv(4096)
    print((anon() - before) // int(count))


def engine(path, record):
    """A server that takes whatever is sent and says 200; every connection's bytes are one JSON line of @record."""
    srv = socket.socket(socket.AF_UNIX)
    srv.bind(path)
    srv.listen(512)

    def serve(c):
        got, c2 = b"", c
        c2.settimeout(0.3)
        try:
            while True:
                piece = c2.recv(65536)
                if not piece:
                    break
                got += piece
        except (socket.timeout, ConnectionResetError):
            pass
        if b"\r\nUser-Agent: caissond/" not in got:  # those are the guard's own questions
            with open(record, "a") as f:
                f.write(json.dumps(got.decode("latin-1")) + "\n")
        try:
            c.sendall(answer())
            c.close()
        except OSError:
            pass

    def answer():
        try:
            with open(record + ".answer", "rb") as f:
                return f.read()
        except FileNotFoundError:
            return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"

    while True:
        c, _ = srv.accept()
        threading.Thread(target=serve, args=(c,), daemon=True).start()


def file(path, name):
    """A file as it is; prints the first line of the answer."""
    s = connect(path)
    with open(name, "rb") as f:
        s.sendall(f.read())
    print(drain(s, 1)[0].split(b"\r\n")[0].decode("latin-1") or "none")


def busy_engine(path, seconds):
    """P12: a server whose backlog is full, and that does nothing for some seconds; then it answers 200 to everything."""
    srv = socket.socket(socket.AF_UNIX)
    srv.bind(path)
    srv.listen(0)
    time.sleep(float(seconds))
    while True:
        c, _ = srv.accept()
        try:
            read_head(c)
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
        except OSError:
            pass
        c.close()


def resting_engine(path, _):
    """A server that keeps connections, and answers "<connection> <request on it>" in the way that the name in the path asks for."""
    srv = socket.socket(socket.AF_UNIX)
    srv.bind(path)
    srv.listen(64)

    def serve(c, number):
        for k in range(1, 1000):
            head = read_head(c)
            if not head or (b"/gone/" in head and k > 1):
                break
            body = b"%d %d" % (number, k)
            end = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
            close = b"Connection: close\r\n" if b"/says-close/" in head else b""
            c.sendall(b"HTTP/1.1 200 OK\r\n" + close + b"Content-Length: %d\r\n\r\n" % len(body) + body +
                      (end if b"/extra/" in head else b""))
            if b"/late/" in head:
                time.sleep(0.1)
                c.sendall(end)
            if b"/close/" in head:
                break
        c.close()

    number = 0
    while True:
        c, _ = srv.accept()
        head = c.recv(4096, socket.MSG_PEEK)
        if b"\r\nUser-Agent: caissond/" in head:  # the guard's own questions
            c.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            c.close()
            continue
        number += 1
        threading.Thread(target=serve, args=(c, number), daemon=True).start()


def is_full(path):
    """What connect(2) says without waiting."""
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False)
    try:
        s.connect(path)
        print("connected")
    except BlockingIOError:
        print("EAGAIN")


def at_once(path, count):
    """P12: requests on as many connections; prints how many were answered 200."""
    all_ = [connect(path) for _ in range(int(count))]
    for s in all_:
        s.sendall(b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n")
    print(sum(read_head(s).startswith(b"HTTP/1.1 200 ") for s in all_))


def session(path):
    """P15: /session, which has no version; behind 101 it is the engine who begins, and the client who answers."""
    s = connect(path)
    s.sendall(b"POST /session HTTP/1.1\r\nHost: \r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
              b"X-Docker-Expose-Session-Uuid: " + str(os.getpid()).encode() + b"\r\n"
              b"X-Docker-Expose-Session-Name: t\r\nX-Docker-Expose-Session-Sharedkey: k\r\n"
              b"X-Docker-Expose-Session-Grpc-Method: /grpc.health.v1.Health/Check\r\nContent-Length: 0\r\n\r\n")
    head = read_head(s).split(b"\r\n")[0].decode()
    got = s.recv(24, socket.MSG_WAITALL)
    first = got.split(b"\r\n")[0].decode()
    # As an HTTP/2 server: our settings and the acknowledgement of its own; it acknowledges ours.
    s.sendall(b"\0\0\0\4\0\0\0\0\0" + b"\0\0\0\4\1\0\0\0\0")
    acknowledged = False
    try:
        while not acknowledged:
            frame = s.recv(9, socket.MSG_WAITALL)
            if len(frame) < 9:
                break
            acknowledged = frame[3] == 4 and frame[4] & 1 == 1
            left = int.from_bytes(frame[:3], "big")
            if left and len(s.recv(left, socket.MSG_WAITALL)) < left:
                break
    except (socket.timeout, ConnectionResetError):
        pass
    print(head, "|", first, "|", "acknowledged" if acknowledged else "silent")


def activate(path, *command):
    """Run a program with a listening socket, as systemd does."""
    srv = socket.socket(socket.AF_UNIX)
    srv.bind(path)
    srv.listen(64)
    fd = srv.detach()
    if fd != 3:
        os.dup2(fd, 3)
        os.close(fd)
    os.set_inheritable(3, True)
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.environ["LISTEN_FDS"] = "1"
    os.execv(command[0], command)


def corpus(path, record, directory):
    """Every input of a directory to the guard; prints what reached the engine although it must not, and the reverse."""
    wrong = 0
    for name in sorted(os.listdir(directory)):
        with open(os.path.join(directory, name), "rb") as f:
            data = f.read()
        before = os.path.getsize(record) if os.path.exists(record) else 0
        s = connect(path)
        try:
            s.sendall(data)
        except OSError:
            pass
        out, _ = drain(s, 0.8 if name.startswith("ok-") else 0.3)
        s.close()
        time.sleep(0.05)
        status = out.split(b" ")[1].decode() if out.startswith(b"HTTP/1.1 ") else "none"
        reached = (os.path.getsize(record) if os.path.exists(record) else 0) > before
        if name.startswith("bad-") and (reached or status not in ("400", "431", "501", "505")):
            print(name, status, "reached the engine" if reached else "")
            wrong += 1
    print("wrong:", wrong)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
