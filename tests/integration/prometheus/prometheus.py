# One Prometheus server of the test: started on a free loopback port with a configuration of its own, asked, stopped. Its
# owner is the thread that calls it; it ends only the process that it started itself.
# SPDX-License-Identifier: Apache-2.0
"""Start, ask and stop a real Prometheus. Standard library only."""

import http.client
import json
import signal
import subprocess
import urllib.parse
from pathlib import Path

from collector import HOST, READY_S, STOP_S, CollectorError, NoToolchain, free_ports, wait_for

HERE = Path(__file__).resolve().parent


class PrometheusError(CollectorError):
    """Prometheus did not do what the test needs; the text has the end of its log."""


def build():
    """The path of the newest Prometheus, built on first use (minutes; progress on stderr)."""
    result = subprocess.run([HERE / "build.sh"], stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode == 77:
        raise NoToolchain("SKIPPED: there is no Go toolchain to build Prometheus with.")
    if result.returncode != 0:
        raise PrometheusError("build.sh failed with status %d; its messages are above." % result.returncode)
    return Path(result.stdout.splitlines()[-1])


class Prometheus:
    """A server with its folder.

        with Prometheus(binary, folder, config) as server:
            server.start()
            server.query("up")

    `config` is the text of prometheus.yml, which is JSON here, a part of YAML. Leaving the block kills what still runs.
    """

    def __init__(self, binary, folder, config, arguments=()):
        self.folder = Path(folder)
        self.folder.mkdir()
        (self.port,) = free_ports(1)
        self.log_path = self.folder / "prometheus.log"
        path = self.folder / "prometheus.yml"
        path.write_text(json.dumps(config), encoding="utf-8")
        self._command = [binary, "--config.file=%s" % path, "--storage.tsdb.path=%s" % (self.folder / "data"),
                         "--web.listen-address=%s:%d" % (HOST, self.port), "--enable-feature=exemplar-storage", *arguments]
        self._process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def start(self):
        """Returns when it answers queries."""
        with open(self.log_path, "wb") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(self._answers, "Prometheus to answer on port %d" % self.port, READY_S)
        except CollectorError as error:
            raise self._error(str(error)) from None

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        if self._process.wait(STOP_S) != 0:
            raise self._error("Prometheus ended with status %d after SIGTERM." % self._process.returncode)

    def query(self, expr):
        """The samples of an instant query: (labels, value)."""
        return [(row["metric"], float(row["value"][1])) for row in self._ask("query", query=expr)["result"]]

    def query_range(self, expr, start, end, step):
        """The series of a range query: (labels, values)."""
        answer = self._ask("query_range", query=expr, start=start, end=end, step=step)
        return [(row["metric"], [float(value) for _, value in row["values"]]) for row in answer["result"]]

    def exemplars(self, expr, start, end):
        """The labels of the exemplars of a query's series."""
        answer = self._ask("query_exemplars", query=expr, start=start, end=end)
        return [exemplar["labels"] for row in answer for exemplar in row["exemplars"]]

    def series(self, selector):
        return self._ask("series", **{"match[]": selector})

    def _answers(self):
        if self._process.poll() is not None:
            raise CollectorError("Prometheus ended, status %d, instead of getting ready." % self._process.returncode)
        try:
            return self._request("/-/ready")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def _ask(self, what, **parameters):
        status, body = self._request("/api/v1/" + what, urllib.parse.urlencode(parameters))
        answer = json.loads(body)
        if status != 200 or answer["status"] != "success":
            raise PrometheusError("Prometheus refuses %s %r: %s" % (what, parameters, answer.get("error")))
        return answer["data"]

    def _request(self, path, form=None):
        connection = http.client.HTTPConnection(HOST, self.port, timeout=READY_S)
        try:
            if form is None or path.endswith("series"):
                connection.request("GET", path + ("?" + form if form else ""))
            else:
                connection.request("POST", path, form, {"Content-Type": "application/x-www-form-urlencoded"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _error(self, text):
        tail = "\n".join(self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
        return PrometheusError("%s The end of %s:\n%s" % (text, self.log_path, tail))
