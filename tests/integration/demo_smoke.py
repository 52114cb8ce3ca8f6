#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""logctx-demo as an HTTP server, and its mistakes: every request is answered as it should be, what the demo counted is
what this client did, and each provoked mistake is reported exactly once, with no other error beside it. Nothing is
exported here; tests/integration/collector looks at what arrives.

    demo_smoke.py PATH/TO/logctx-demo
"""

import collections
import concurrent.futures
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile

CLOSE = b"Connection: close\r\n"
TRACE = b"0af7651916cd43dd8448eb211c80319c"


class Demo:
    """A running logctx-demo with its files in a folder of its own."""

    def __init__(self, program, folder):
        self.folder = pathlib.Path(folder)
        port_file, stats_file = self.folder / "port", self.folder / "stats"
        self.log = open(self.folder / "log", "w+")
        # Standard error tells when it is ready: when it listens and the port file is written.
        self.process = subprocess.Popen(
            [program, "--port", "0", "--port-file", port_file, "--stats-file", stats_file],
            stderr=subprocess.PIPE,
            env={**os.environ, "OTEL_SDK_DISABLED": "true"},
        )
        self.lines = self.read_log()
        for line in self.lines:
            if "Listening on" in line:
                break
        else:
            raise SystemExit(f"{program} ended with {self.process.wait()} before it listened")
        self.port = int(port_file.read_text())
        self.mode = port_file.stat().st_mode & 0o777
        self.reader = concurrent.futures.ThreadPoolExecutor(1)
        self.rest = self.reader.submit(list, self.lines)  # so that the pipe never fills up

    def read_log(self):
        for line in self.process.stderr:
            self.log.write(line.decode(errors="replace"))
            yield line.decode(errors="replace")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.rest.result()
        self.reader.shutdown()
        self.log.flush()
        return code, json.loads((self.folder / "stats").read_text())

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.settimeout(60)
        return connection

    def talk(self, data):
        """Send bytes, and return the answers until the server closes, as (status, headers, body)."""
        with self.connect() as connection:
            connection.sendall(data)
            return answers(read_all(connection))

    def get(self, path, headers=b"", method=b"GET"):
        (answer,) = self.talk(method + b" " + path + b" HTTP/1.1\r\nHost: h\r\n" + headers + CLOSE + b"\r\n")
        return answer

    def post(self, path, body):
        head = b"POST %s HTTP/1.1\r\nContent-Length: %d\r\n" % (path, len(body)) + CLOSE + b"\r\n"
        (answer,) = self.talk(head + body)
        return answer


def read_all(connection):
    data = b""
    try:
        while more := connection.recv(65536):
            data += more
    except ConnectionResetError:
        pass
    return data


def read_one(connection):
    """The answer to a request that keeps its connection; nothing follows before the next request."""
    data = b""
    while True:
        head, end, body = data.partition(b"\r\n\r\n")
        length = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")]
        if end and len(body) >= length[0]:
            return answers(data)[0]
        more = connection.recv(65536)
        assert more, f"the server closes within an answer: {data!r}"
        data += more


def answers(data, with_bodies=True):
    found = []
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        assert end, f"an answer without an end of its head: {head!r}"
        lines = head.split(b"\r\n")
        headers = dict(line.lower().split(b": ", 1) for line in lines[1:])
        length = int(headers[b"content-length"]) if with_bodies else 0
        assert len(data) >= length, f"an answer is cut: {head!r} {data!r}"
        found.append((int(lines[0].split()[1]), headers, data[:length]))
        data = data[length:]
    return found


checks = collections.Counter()


def check(what, got, wanted):
    checks[got == wanted] += 1
    print(f"{'ok  ' if got == wanted else 'FAIL'} {what}" + ("" if got == wanted else f": {got!r}, not {wanted!r}"))


def protocol(demo):
    """Everything but the mistakes. Returns how many requests of each kind and status that made."""
    status, headers, body = demo.get(b"/rooms/7")
    check("a room", (status, body.startswith(b"Room 7\n"), headers[b"connection"]), (200, True, b"close"))
    check("a room that is not there", demo.get(b"/rooms/999999")[0], 404)
    check("an id that is no number", demo.get(b"/rooms/7x")[0], 400)
    check("an id of 19 digits", demo.get(b"/rooms/1234567890123456789")[0], 400)
    check("an id of two segments", demo.get(b"/rooms/7/8")[0], 400)
    check("an id of none", demo.get(b"/rooms/")[0], 404)
    check("a path without a route", demo.get(b"/rooms")[0], 404)
    check("a path that is longer than its route", demo.get(b"/reports")[0], 404)
    check("a method without a route", demo.get(b"/rooms/7", method=b"DELETE")[0], 404)
    check("a method that few know", demo.get(b"/rooms/7", method=b"PROPFIND")[0], 404)
    check("a query", demo.get(b"/rooms/7?a=b/c")[0], 200)
    check("an offer to upgrade", demo.get(b"/rooms/7", b"Upgrade: h2c\r\nConnection: upgrade\r\n")[0], 200)
    check("a caller's trace", demo.get(b"/rooms/7", b"TraceParent: 00-%s-b7ad6b7169203331-01\r\n" % TRACE)[0], 200)
    status, _, body = demo.post(b"/rooms", b"It's a new room")
    check("a new room", status, 201)
    check("the new room is there", demo.get(body.strip())[2], b"It's a new room\nOpened\n")
    check("a name with a zero byte", demo.post(b"/rooms", b"a\0b")[0], 400)
    check("a name of no character", demo.post(b"/rooms", b"")[0], 400)
    check("a report", demo.get(b"/report")[2].startswith(b"The number of the day is "), True)

    with demo.connect() as connection:
        for number in (1, 2, 3):
            connection.sendall(b"GET /rooms/%d HTTP/1.1\r\n%s\r\n" % (number, CLOSE if number == 3 else b""))
            if number < 3:
                check("one request after the other on a connection", read_one(connection)[0], 200)
        check("the last of them", [a[0] for a in answers(read_all(connection))], [200])
    pipelined = demo.talk(b"GET /rooms/1 HTTP/1.1\r\n\r\nGET /rooms/2 HTTP/1.1\r\n" + CLOSE + b"\r\n")
    check("two pipelined requests", [(s, b[:6], h[b"connection"]) for s, h, b in pipelined],
          [(200, b"Room 1", b"keep-alive"), (200, b"Room 2", b"close")])
    chunked = b"Transfer-Encoding: chunked\r\n" + CLOSE + b"\r\n2\r\nRo\r\n2\r\nom\r\n0\r\ntraceparent: x\r\n\r\n"
    check("a body in chunks", [a[0] for a in demo.talk(b"POST /rooms HTTP/1.1\r\n" + chunked)], [201])
    with demo.connect() as connection:
        for byte in b"GET /rooms/3 HTTP/1.1\r\nConnection: close\r\n\r\n":
            connection.sendall(bytes([byte]))
        check("a request byte by byte", [a[0] for a in answers(read_all(connection))], [200])
    with demo.connect() as connection:
        connection.sendall(b"HEAD /rooms/3 HTTP/1.1\r\nConnection: close\r\n\r\n")
        check("no body for HEAD", [(a[0], a[2]) for a in answers(read_all(connection), False)], [(404, b"")])
    return {("GET /rooms/{id}", 200): 11, ("GET /rooms/{id}", 404): 1, ("GET /rooms/{id}", 400): 3, ("GET", 404): 3,
            ("DELETE", 404): 1, ("HTTP", 404): 1, ("POST /rooms", 201): 2, ("POST /rooms", 400): 2,
            ("GET /report", 200): 1, ("HEAD", 404): 1}


def limits(demo):
    """Requests that are refused. Each comes whole in one packet, so that nothing unread is left when the server closes,
    which would take the answer away."""
    check("a head that is too large", demo.get(b"/", b"X: " + b"x" * 9000 + b"\r\n")[0], 431)
    check("a URL that is too large", demo.get(b"/" + b"x" * 9000)[0], 431)
    check("the largest body", demo.post(b"/rooms", b"x" * 1024)[0], 400)  # not a name, but read
    check("a body that is too large", demo.post(b"/rooms", b"x" * 1025)[0], 413)
    check("not HTTP at all", [a[0] for a in demo.talk(b"\x16\x03\x01\x02\x00")], [400])
    check("another version", [a[0] for a in demo.talk(b"GET / HTTP/2.0\r\n\r\n")], [400])
    many = [demo.connect() for _ in range(400)]  # 256 are accepted, the others wait
    for connection in many:
        connection.sendall(b"GET /nope HTTP/1.1\r\nConnection: close\r\n\r\n")
    check("more connections than it keeps", {answers(read_all(c))[0][0] for c in many}, {404})
    for connection in many:
        connection.close()
    return {("GET", 431): 1, ("HTTP", 431): 1, ("POST /rooms", 400): 1, ("POST /rooms", 413): 1, ("HTTP", 400): 1,
            ("GET", 400): 1, ("GET", 404): 400}


def searches(demo):
    """Queries by a pool of two connections: more than it has at once, so that some wait."""
    check("a search", demo.get(b"/search/7")[2].startswith(b"1. Room "), True)
    check("a search for no number", demo.get(b"/search/x")[0], 400)
    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        check("searches at once", set(clients.map(lambda number: demo.get(b"/search/%d" % number)[0], range(1, 33))), {200})
    return {("GET /search/{id}", 200): 33, ("GET /search/{id}", 400): 1}


def mistakes(demo, rounds):
    """The three mistakes at once, among good requests and clients that leave at the wrong moment."""
    def one(number):
        path = (b"/bug/lost", b"/bug/leaked", b"/bug/restarted", b"/rooms/5")[number % 4]
        return demo.get(path)[0]

    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        check("the mistakes are answered", set(clients.map(one, range(4 * rounds))), {200})
    return {(f"GET /bug/{bug}", 200): rounds for bug in ("lost", "leaked", "restarted")} | {
        ("GET /rooms/{id}", 200): rounds}


def leave_early(demo):
    """A reset instead of a farewell. The server notices sooner or later, or has answered: nothing to count exactly."""
    for path in (b"/rooms/5", b"/report", b"/bug/leaked", b"/search/5", b"/search/6") * 5:
        connection = demo.connect()
        connection.sendall(b"GET " + path + b" HTTP/1.1\r\n\r\n")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def errors_of(stats):
    return {kind: count for kind, count in stats["library"]["errors"].items() if count}


def first_run(program):
    with tempfile.TemporaryDirectory() as folder:
        demo = Demo(program, folder)
        check("mode of the files", demo.mode, 0o600)
        wanted = collections.Counter()
        for part in (protocol(demo), limits(demo), searches(demo), mistakes(demo, 25)):
            wanted.update(part)
        code, stats = demo.stop()
        check("exit code", code, 0)
        counted = collections.Counter()
        for row in stats["requests"]:
            counted[row["kind"], row["status"]] += row["count"]
        check("requests by kind and status", dict(counted), dict(wanted))
        check("mistakes it made", [stats[f"bugs_{bug}"] for bug in ("lost", "leaked", "restarted")], [25] * 3)
        check("mistakes the library found, and nothing else", errors_of(stats),
              {"context_lost": 25, "leaked_to_loop": 25, "restarted_finished": 25})
        balance(stats)
        log = (pathlib.Path(folder) / "log").read_text()
        for sentence in ("Expected logging context GET-", "leaked to the event loop", "Re-starting finished",
                         f"[{TRACE.decode()}-"):
            check(f"a line says: {sentence}", sentence in log, True)


def balance(stats):
    library = stats["library"]
    check("all requests are answered", sum(row["count"] for row in stats["requests"]), stats["requests_total"])
    made = stats["requests_total"] + stats["worker_jobs"] + stats["queries"] + stats["ranked"] + stats["backgrounds"]
    check("contexts made", library["created"], made)
    check("contexts ended", (library["ended"], library["live"]), (library["created"], 0))


def second_run(program):
    """Without mistakes there are no errors; clients that leave early and a stop in the middle are no mistakes."""
    with tempfile.TemporaryDirectory() as folder:
        demo = Demo(program, folder)
        leave_early(demo)
        many = [demo.connect() for _ in range(20)]
        for connection in many:
            connection.sendall(b"GET /report HTTP/1.1\r\n\r\n")
        complete = [read_one(many[0])]  # the others are at work, or wait for a worker
        code, stats = demo.stop()
        check("exit code after a stop in the middle", code, 0)
        for connection in many[1:]:
            complete += answers(read_all(connection))
            connection.close()
        many[0].close()
        check("whole answers until the stop", ({a[0] for a in complete}, 1 <= len(complete) <= 20), ({200}, True))
        check("errors are the mistakes alone", errors_of(stats),
              {"leaked_to_loop": stats["bugs_leaked"]} if stats["bugs_leaked"] else {})
        balance(stats)


if __name__ == "__main__":
    first_run(sys.argv[1])
    second_run(sys.argv[1])
    print(f"{checks[True]} passed, {checks[False]} failed")
    sys.exit(1 if checks[False] else 0)
