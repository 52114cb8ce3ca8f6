# SPDX-License-Identifier: Apache-2.0
"""A small OTLP/HTTP endpoint that keeps the spans and the points it gets, decoded by field numbers of the protocol."""

import gzip
import http.server
import struct
import sys
import threading


def fields(data):
    """A protobuf message as a list of (number, value): int for varints, bytes for the rest."""
    found, at = [], 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = varint()
        size = {1: 8, 5: 4}.get(tag & 7)
        if tag & 7 == 0:
            found.append((tag >> 3, varint()))
            continue
        if size is None:
            size = varint()
        found.append((tag >> 3, data[at : at + size]))
        at += size
    return found


def all_of(message, number):
    return [value for key, value in message if key == number]


def one_of(message, number, default=b""):
    return (all_of(message, number) or [default])[-1]


def any_value(data):
    for number, value in fields(data):
        if number == 1:
            return value.decode()
        if number == 2:
            return bool(value)
        if number == 3:
            return value - (1 << 64) if value >> 63 else value
        if number == 4:
            return struct.unpack("<d", value)[0]
        if number == 5:
            return [any_value(item) for item in all_of(fields(value), 1)]
    return None


def attributes(message, number):
    pairs = [fields(pair) for pair in all_of(message, number)]
    return {one_of(pair, 1).decode(): any_value(one_of(pair, 2)) for pair in pairs}


def spans_of(body):
    for resource in all_of(fields(body), 1):
        for scope in all_of(fields(resource), 2):
            for data in all_of(fields(scope), 2):
                span = fields(data)
                events = [fields(event) for event in all_of(span, 11)]
                yield {
                    "trace_id": one_of(span, 1).hex(),
                    "parent": one_of(span, 4).hex(),
                    "name": one_of(span, 5).decode(),
                    "nanoseconds": struct.unpack("<q", one_of(span, 8))[0]
                    - struct.unpack("<q", one_of(span, 7))[0],
                    "attributes": attributes(span, 9),
                    "events": [
                        {"name": one_of(e, 2).decode(), "attributes": attributes(e, 3)} for e in events
                    ],
                }


def number_of(point):
    """The value of a NumberDataPoint."""
    for number, value in point:
        if number in (4, 6):
            return struct.unpack("<d" if number == 4 else "<q", value)[0]
    return None


def points_of(body):
    """(metric, attributes, value) of every gauge, sum and histogram (its count)."""
    for resource in all_of(fields(body), 1):
        for scope in all_of(fields(resource), 2):
            for data in all_of(fields(scope), 2):
                metric = fields(data)
                for kind in (5, 7, 9):
                    for point in (fields(p) for m in all_of(metric, kind) for p in all_of(fields(m), 1)):
                        if kind == 9:
                            value = struct.unpack("<q", one_of(point, 4, bytes(8)))[0]
                        else:
                            value = number_of(point)
                        yield one_of(metric, 1).decode(), attributes(point, 9 if kind == 9 else 7), value


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a sender may be killed
            super().handle_error(request, client_address)


class Receiver:
    """with Receiver() as receiver: ... receiver.endpoint, receiver.spans, receiver.points: the last value of each series"""

    def __enter__(self):
        receiver = self
        self.spans, self.points, self.requests, self.lock = [], {}, 0, threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                with receiver.lock:
                    receiver.requests += 1
                    if self.path == "/v1/traces":
                        receiver.spans += spans_of(body)
                    if self.path == "/v1/metrics":
                        for metric, said, value in points_of(body):
                            receiver.points[metric, *sorted(said.items())] = value
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
