# One Alertmanager of the test and what it notifies: a server of ours that keeps every notification. Their owner is the
# thread that makes them; the receiver's own threads only append to its list. Each ends only what it started itself.
# SPDX-License-Identifier: Apache-2.0
"""Start a real Alertmanager with a configuration of its own, and receive what it sends. Standard library only."""

import http.client
import http.server
import json
import subprocess
import threading
from pathlib import Path

from collector import HOST, READY_S, CollectorError, free_ports, wait_for


class Receiver:
    """A webhook: `notified` has (path, notification) of each that came, in order.

        with Receiver() as receiver:
            ... receiver.address ...
    """

    def __init__(self):
        self.notified = []
        self._lock = threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with receiver._lock:
                    receiver.notified.append((self.path, body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer((HOST, 0), Handler)
        self.address = "http://%s:%d" % (HOST, self._server.server_port)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def alerts(self):
        """Every alert of every notification so far: (path, alert), whose `status` is firing or resolved."""
        with self._lock:
            return [(path, alert) for path, notification in self.notified for alert in notification["alerts"]]


class Alertmanager:
    """A server with its folder; `config` is alertmanager.yml as data. Leaving the block kills what still runs."""

    def __init__(self, binary, folder, config):
        self.folder = Path(folder)
        self.folder.mkdir()
        (self.port,) = free_ports(1)
        self.log_path = self.folder / "alertmanager.log"
        path = self.folder / "alertmanager.yml"
        path.write_text(json.dumps(config), encoding="utf-8")
        self._command = [binary, "--config.file=%s" % path, "--storage.path=%s" % (self.folder / "data"),
                         "--web.listen-address=%s:%d" % (HOST, self.port), "--cluster.listen-address="]
        self._process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def start(self):
        """Returns when it takes alerts."""
        with open(self.log_path, "wb") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(self._answers, "Alertmanager to answer on port %d" % self.port, READY_S)
        except CollectorError as error:
            tail = "\n".join(self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
            raise CollectorError("%s The end of its log:\n%s" % (error, tail)) from None

    def _answers(self):
        if self._process.poll() is not None:
            raise CollectorError("Alertmanager ended, status %d, instead of getting ready." % self._process.returncode)
        connection = http.client.HTTPConnection(HOST, self.port, timeout=READY_S)
        try:
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
