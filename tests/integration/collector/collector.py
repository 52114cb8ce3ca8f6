# One OpenTelemetry Collector process of the test: built, started on free loopback ports, killed, restarted,
# read. Its owner is the thread that calls it; it ends only the process it started itself.
# SPDX-License-Identifier: Apache-2.0
"""Start, stop and read the real OpenTelemetry Collector. Standard library only."""

import http.client
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

import exposition
import otlp_lines

HERE = Path(__file__).resolve().parent
HOST = "127.0.0.1"
POLL_S = 0.02
READY_S = 60  # generous, for machines that also run sanitizer builds; a ready process is seen at once
STOP_S = 60
READY_LINE = "Everything is ready."


class CollectorError(Exception):
    """The Collector did not do what the test needs; the text has the end of its log."""


class NoToolchain(Exception):
    """The Collector cannot be built here, for want of a Go toolchain; the text says so to a person."""


def build():
    """The path of the Collector's binary, built on first use (minutes; progress on stderr)."""
    result = subprocess.run([HERE / "build.sh"], stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode == 77:
        raise NoToolchain("SKIPPED: there is no Go toolchain to build the OpenTelemetry Collector with.")
    if result.returncode != 0:
        raise CollectorError("build.sh failed with status %d; its messages are above." % result.returncode)
    return Path(result.stdout.splitlines()[-1])


def wait_for(condition, what, seconds=READY_S):
    """Polls until `condition()` is true, and returns what it returned; CollectorError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise CollectorError("waited %d s in vain for %s." % (seconds, what))
        time.sleep(POLL_S)


def free_ports(count):
    """Loopback ports nobody listens on, from below the kernel's ephemeral range where there is room.

    A port of that range could be lost while the Collector is down: a client that goes on connecting to it may
    be given the very same port as its own, and is then connected to itself.
    """
    ephemeral = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    first_ephemeral = int(ephemeral.split()[0])
    candidates = range(10000, first_ephemeral) if first_ephemeral >= 12000 else range(10000, 65536)
    found = []
    for port in random.sample(candidates, 1000):
        if _is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise CollectorError("of 1000 ports tried on %s, fewer than %d were free." % (HOST, count))


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


class Collector:
    """A Collector with its ports and files, which stay the same when it is killed and started again.

        with Collector(build(), outdir) as collector:
            collector.start()
            collector.wait_ready()
            ... send to collector.endpoint ...
            collector.stop()
            spans = collector.read_spans()

    Leaving the block kills what still runs.
    """

    def __init__(self, binary, outdir, ports=None, config=HERE / "config.yaml"):
        self.otlp_port, self.prometheus_port = ports or free_ports(2)
        self.traces_path = Path(outdir) / "traces.jsonl"
        self.metrics_path = Path(outdir) / "metrics.jsonl"
        self.log_path = Path(outdir) / "collector.log"
        self._command = [binary, "--config=%s" % config]
        self._process = None
        self._log_before = 0
        # The exporter keeps the mode of a file that is there, and would make its own readable by the group.
        for path in (self.traces_path, self.metrics_path, self.log_path):
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    @property
    def endpoint(self):
        """What OTEL_EXPORTER_OTLP_ENDPOINT is set to."""
        return "http://%s:%d" % (HOST, self.otlp_port)

    @property
    def running(self):
        return self._process is not None and self._process.poll() is None

    def start(self):
        """Starts the process; it takes requests once wait_ready() has returned. Earlier output stays."""
        if self.running:
            raise CollectorError("the Collector is running already, as process %d." % self._process.pid)
        # No environment but this one: the Collector reads OTEL_* variables for its own telemetry.
        environment = {
            "OTLP_PORT": str(self.otlp_port),
            "PROM_PORT": str(self.prometheus_port),
            "OUT_TRACES": str(self.traces_path),
            "OUT_METRICS": str(self.metrics_path),
        }
        self._log_before = len(self.read_log())
        with open(self.log_path, "ab") as log:
            self._process = subprocess.Popen(self._command, env=environment, stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=subprocess.STDOUT)

    def wait_ready(self, seconds=READY_S):
        """Returns when this process has said that it is ready and a request is answered."""
        try:
            wait_for(self._answers, "the Collector to answer on port %d" % self.otlp_port, seconds)
        except CollectorError as error:
            raise self._error(str(error)) from None

    def kill(self):
        """SIGKILL, if it runs. What it acknowledged is in the files; what the batched way held is lost."""
        if self.running:
            self._process.kill()
            self._process.wait()

    def stop(self, seconds=STOP_S):
        """SIGTERM, and waits for the end, which must be status 0. Everything received is written then."""
        if not self.running:
            raise self._error("the Collector was to be stopped, but it is not running.")
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise self._error("the Collector did not end within %d s of SIGTERM." % seconds) from None
        if status != 0:
            raise self._error("the Collector ended with status %d after SIGTERM." % status)

    def post(self, signal_name, body, content_type="application/json", headers=None):
        """POSTs bytes to /v1/SIGNAL_NAME; (status, body). OSError or HTTPException if nobody answers."""
        return self._request(self.otlp_port, "POST", "/v1/" + signal_name, body,
                             {"Content-Type": content_type} | (headers or {}))

    def read_spans(self):
        """Every span received so far, in order, repeated deliveries too (see otlp_lines.unique_spans)."""
        return otlp_lines.spans(otlp_lines.read_records(self.traces_path, "resourceSpans").records)

    def read_metrics(self):
        """Every metric point received so far, in order (see otlp_lines.latest_points)."""
        return otlp_lines.points(otlp_lines.read_records(self.metrics_path, "resourceMetrics").records)

    def torn_records(self):
        """How many pieces in the files are no whole record; 0 for a Collector that was never killed."""
        return (otlp_lines.read_records(self.traces_path, "resourceSpans").torn
                + otlp_lines.read_records(self.metrics_path, "resourceMetrics").torn)

    def read_log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def scrape(self):
        """The samples on the Prometheus endpoint. They come by the batched way: poll for them."""
        status, body = self._request(self.prometheus_port, "GET", "/metrics", None, {})
        if status != 200:
            raise self._error("the Prometheus endpoint answered %d." % status)
        return exposition.samples(body.decode("utf-8"))

    def _answers(self):
        if not self.running:
            raise CollectorError("the Collector ended, status %s, instead of getting ready." % self._status())
        # An answer alone proves little: another process may have the port, and this one be about to fail.
        if READY_LINE not in self.read_log()[self._log_before:]:
            return False
        try:
            return self.post("traces", b"{}")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def _status(self):
        return "unknown" if self._process is None else self._process.returncode

    # http.client and not urllib.request, which would send loopback requests to a proxy from the environment.
    @staticmethod
    def _request(port, method, path, body, headers):
        connection = http.client.HTTPConnection(HOST, port, timeout=READY_S)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _error(self, text):
        tail = "\n".join(self.read_log().splitlines()[-20:])
        return CollectorError("%s The end of %s:\n%s" % (text, self.log_path, tail))
