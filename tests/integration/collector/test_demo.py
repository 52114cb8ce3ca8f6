#!/usr/bin/env python3
# The main job, end to end: a real server under load sends to a real Collector, which is killed and started again in
# the middle; then what the Collector wrote is compared with what the server and this client counted themselves.
#
#     test_demo.py PATH/TO/logctx-demo SOURCE-FOLDER-OF-THE-DEMO
#
# Exit status 77: there is no Go toolchain to build the Collector with; with CI=true that is a failure.
# SPDX-License-Identifier: Apache-2.0
"""What arrives at the Collector is what the demo did: spans, parents, attributes, metrics, errors, and nothing else."""

import collections
import copy
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import otlp_lines
from collector import Collector, NoToolchain, build, wait_for

DEMO, SOURCES = "", Path()
TRACE_ID, PARENT_ID = "12345678901234567890123456789012", "1234567890123456"
TRACEPARENT = {"traceparent": "00-%s-%s-01" % (TRACE_ID, PARENT_ID), "tracestate": "vendor=1"}
BUGS = {"lost": "context_lost", "leaked": "leaked_to_loop", "restarted": "restarted_finished"}
COUNTERS = {  # metric: the span attribute whose sum it is
    "logctx.context.running.time": "logctx.running.time",
    "logctx.context.db.transactions": "logctx.db.transactions",
    "logctx.context.db.time": "logctx.db.time",
    "logctx.context.db.wait_time": "logctx.db.wait_time",
    "logctx.context.db.rows": "logctx.db.rows",
}
RESOURCE = ("service.name", "service.instance.id", "process.pid", "process.executable.name", "host.name",
            "telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version")


class Demo:
    """A running logctx-demo that sends to `endpoint`; the account that it leaves is its `stats`."""

    def __init__(self, folder, endpoint, **settings):
        self.port_file, self.stats_file = folder / "port", folder / "stats.json"
        self.log_path = folder / "demo.log"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")} | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_METRIC_EXPORT_INTERVAL": "200",
        } | settings
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [DEMO, "--port", "0", "--port-file", self.port_file, "--stats-file", self.stats_file],
                env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        wait_for(lambda: "Listening on" in self.log_path.read_text(errors="replace"), "the demo to listen")
        self.connection = http.client.HTTPConnection("127.0.0.1", int(self.port_file.read_text()), timeout=60)

    def request(self, method, path, body=None, headers=None):
        self.connection.request(method, path, body, headers or {})
        response = self.connection.getresponse()
        response.read()
        return response.status

    def stop(self):
        self.connection.close()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(120)
        return status, json.loads(self.stats_file.read_text())

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Load:
    """What this client asked for, by kind and status."""

    def __init__(self, demo):
        self.demo = demo
        self.made = collections.Counter()

    def ask(self, kind, path, body=None, headers=None):
        method = kind.partition(" ")[0]
        self.made[kind, self.demo.request(method, path, body, headers)] += 1

    def rooms(self, count):
        for number in range(1, count + 1):
            self.ask("GET /rooms/{id}", "/rooms/%d" % (number % 100 + 1))
            if number % 5 == 0:
                self.ask("POST /rooms", "/rooms", b"Room of the test")

    def everything(self):
        self.rooms(50)
        self.ask("GET /rooms/{id}", "/rooms/999999999")
        self.ask("GET /rooms/{id}", "/rooms/none")
        self.ask("GET /rooms/{id}", "/rooms/7", headers=TRACEPARENT)
        self.ask("GET /report", "/report", headers=TRACEPARENT)
        self.ask("GET /search/{id}", "/search/7")
        self.ask("GET", "/nowhere")
        self.ask("DELETE", "/rooms/7")
        for bug in BUGS:
            self.ask("GET /bug/" + bug, "/bug/" + bug)


class Run:
    """One run of everything; its results are what the tests look at."""

    def __init__(self, folder):
        with Collector(build(), folder) as collector:
            collector.start()
            collector.wait_ready()
            demo = Demo(folder, collector.endpoint)
            try:
                self._drive(demo, collector)
            finally:
                demo.kill()
            collector.stop()
            self.log = demo.log_path.read_text(errors="replace")
            self.sent_twice = len(collector.read_spans())
            self.spans = otlp_lines.unique_spans(collector.read_spans())
            self.sent_twice -= len(self.spans)
            self.all_points = collector.read_metrics()
            self.points = otlp_lines.latest_points(self.all_points)

    def _drive(self, demo, collector):
        load = Load(demo)
        load.everything()
        wait_for(lambda: any(span["name"] == "GET /report" for span in collector.read_spans()), "the first spans")
        collector.kill()
        load.rooms(100)  # nobody listens: the spans wait
        collector.start()
        load.rooms(50)
        collector.wait_ready()
        load.rooms(50)
        # The mistakes are made by callbacks that come after the answer.
        wait_for(lambda: "audited" in demo.log_path.read_text(errors="replace"), "the audit of /bug/restarted")
        self.made = load.made
        self.status, self.stats = demo.stop()


def bug_line(bug):
    """file:line of the mistake in the demo's source, as the library reports it."""
    for path in sorted(SOURCES.glob("*.c")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if "// BUG: " + bug in line:
                return "%s:%d" % (path.name, number)
    raise AssertionError("no line of %s is marked // BUG: %s" % (SOURCES, bug))


def same_place(reported, place):
    reported = reported.partition(" (")[0]  # without the function
    return Path(reported.rpartition(":")[0]).name == place.rpartition(":")[0] and \
        reported.rpartition(":")[2] == place.rpartition(":")[2]


def attribute(span, key):
    return span["attributes"].get(key)


def contexts(spans):
    return [span for span in spans if span["name"] != "logctx.transition_error"]


def errors(spans):
    """Every transition error that arrived: the attributes of its event or of its own span, and the span concerned."""
    own = {span["span_id"]: span for span in spans}
    for span in spans:
        if span["name"] == "logctx.transition_error":
            yield span["attributes"], own.get(span["parent_span_id"])
        for event in span["events"]:
            if event["name"] == "logctx.transition_error":
                yield event["attributes"], span


def expected_spans(stats):
    """How many spans of each kind and type the demo's own account asks for."""
    wanted = collections.Counter()
    for row in stats["requests"]:
        wanted[row["kind"], "request"] += row["count"]
    wanted["GET /report", "thread"] += stats["worker_jobs"]
    wanted["GET /search/{id}", "thread"] += stats["queries"]
    wanted["GET /search/{id}-rank", "nested"] += stats["ranked"]
    wanted["prune_rooms", "background"] += stats["background_runs"]
    wanted["main", "background"] += stats["startups"]
    wanted["shutdown", "background"] += stats["shutdowns"]
    return +wanted


def series(points, metric):
    return [point for point in points if point["metric"] == metric]


def by_kind(points, metric, value):
    sums = collections.Counter()
    for point in series(points, metric):
        sums[point["attributes"]["logctx.kind"], point["attributes"]["logctx.type"]] += value(point)
    return sums


def differences(stats, spans, points):
    """What is not as it was done: one line each. The heart of the test, and what its twins are made of."""
    found = []

    def same(what, got, wanted, tolerance=0):
        near = abs(got - wanted) <= tolerance if tolerance else got == wanted
        if not near:
            found.append("%s: %r arrived, %r was done" % (what, got, wanted))

    there = collections.Counter((span["name"], attribute(span, "logctx.type")) for span in contexts(spans))
    wanted = expected_spans(stats)
    for key in sorted(there | wanted):
        same("spans of %s (%s)" % key, there[key], wanted[key])
    created = by_kind(points, "logctx.context.created", lambda point: point["value"])
    in_flight = by_kind(points, "logctx.context.in_flight", lambda point: point["value"])
    ended = by_kind(points, "logctx.context.duration", lambda point: point["count"])
    for key in sorted(created | wanted):
        same("created %s (%s)" % key, created[key], wanted[key])
        same("ended %s (%s)" % key, ended[key], wanted[key])
        same("in flight %s (%s)" % key, in_flight[key], 0)
        _compare_sums(same, key, [span for span in contexts(spans)
                                  if (span["name"], attribute(span, "logctx.type")) == key], points)
    for point in series(points, "logctx.transition.errors"):
        kind = point["attributes"]["logctx.error.kind"]
        same("the counter of " + kind, point["value"], stats["library"]["errors"][kind])
    arrived = collections.Counter(attributes["logctx.error.kind"] for attributes, _ in errors(spans))
    for kind, count in stats["library"]["errors"].items():
        same("errors of kind " + kind, arrived[kind], count)
    requests = sum(point["count"] for point in series(points, "http.server.request.duration"))
    same("http.server.request.duration", requests, sum(row["count"] for row in stats["requests"]))
    return found


def _compare_sums(same, key, spans, points):
    """Metrics count own usage, so their sums are the spans'; but what runs after a span is sealed is in metrics only."""
    if key[0] == "GET /bug/restarted":
        return
    for metric, name in COUNTERS.items():
        got = by_kind(points, metric, lambda point: point["value"])[key]
        same("%s of %s (%s)" % ((metric,) + key), got, sum(attribute(span, name) for span in spans),
             1e-6 if isinstance(got, float) else 0)
    cpu = by_kind(points, "logctx.context.cpu.time", lambda point: point["value"])[key]
    same("CPU of %s (%s)" % key, cpu, sum(attribute(span, "logctx.cpu.time") for span in spans), 1e-6)
    lives = sum(point["sum"] for point in series(points, "logctx.context.duration")
                if (point["attributes"]["logctx.kind"], point["attributes"]["logctx.type"]) == key)
    same("durations of %s (%s)" % key, lives, sum(span["end"] - span["start"] for span in spans) / 1e9, 1e-6)


class EndToEnd(unittest.TestCase):
    run_: Run

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.run_ = Run(Path(cls.folder.name))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def spans_of(self, name):
        return [span for span in self.run_.spans if span["name"] == name]

    def test_demo_ends_well_and_counts_as_the_client_does(self):
        self.assertEqual(self.run_.status, 0, self.run_.log[-2000:])
        counted = {(row["kind"], row["status"]): row["count"] for row in self.run_.stats["requests"]}
        self.assertEqual(counted, dict(self.run_.made))

    def test_nothing_is_missing_and_nothing_is_made_up(self):
        self.assertEqual(differences(self.run_.stats, self.run_.spans, self.run_.points), [])

    def test_books_balance(self):
        library = self.run_.stats["library"]
        self.assertEqual(library["created"], library["live"] + library["ended"])
        self.assertEqual(library["live"], 0)
        self.assertEqual(library["ended"], len(contexts(self.run_.spans)))

    def test_a_difference_would_be_seen(self):
        stats, spans, points = self.run_.stats, self.run_.spans, self.run_.points
        self.assertNotEqual(differences(stats, spans[1:], points), [])
        self.assertNotEqual(differences(stats, spans + [dict(spans[0], span_id="0" * 15 + "1")], points), [])
        changed = copy.deepcopy(points)
        rows = [point for point in series(changed, "logctx.context.db.rows")
                if point["attributes"]["logctx.kind"] == "GET /rooms/{id}"]
        rows[0]["value"] += 1
        self.assertNotEqual(differences(stats, spans, changed), [])
        without = [span for span in spans if not span["events"]]
        self.assertNotEqual(differences(stats, without, points), [])
        self.assertNotEqual(differences(stats, spans, []), [])

    def test_each_mistake_is_there_once_with_its_place(self):
        found = list(errors(self.run_.spans))
        self.assertEqual(sorted(attributes["logctx.error.kind"] for attributes, _ in found), sorted(BUGS.values()))
        for bug, kind in BUGS.items():
            (attributes, span), = [item for item in found if item[0]["logctx.error.kind"] == kind]
            self.assertEqual(span["name"], "GET /bug/" + bug)
            place = attributes["logctx.error.found_by" if bug == "restarted" else "logctx.error.set_by"]
            self.assertTrue(same_place(place, bug_line(bug)), "%s is not %s" % (place, bug_line(bug)))
            self.assertIn(span["attributes"]["logctx.name"], attributes["logctx.error.message"])
            self.assertTrue(attributes["logctx.error.recent"])
            self.assertEqual(span["status"]["code"], "UNSET")

    def test_error_kinds_are_zero_from_the_first_export(self):
        counters = series(self.run_.all_points, "logctx.transition.errors")
        first = min(point["time"] for point in counters)
        kinds = {point["attributes"]["logctx.error.kind"]: point["value"] for point in counters if point["time"] == first}
        self.assertEqual(set(kinds), set(self.run_.stats["library"]["errors"]))

    def test_parents(self):
        by_id = {span["span_id"]: span for span in self.run_.spans}
        (report,) = [span for span in self.spans_of("GET /report") if attribute(span, "logctx.type") == "request"]
        (worker,) = [span for span in self.spans_of("GET /report") if attribute(span, "logctx.type") == "thread"]
        self.assertIs(by_id[worker["parent_span_id"]], report)
        self.assertEqual((worker["flags"], report["flags"]), (0x101, 0x301))
        self.assertNotEqual(attribute(worker, "thread.id"), attribute(report, "thread.id"))
        self.assertGreater(attribute(report, "logctx.total.cpu.time"), attribute(report, "logctx.cpu.time"))
        remote = [span for span in self.run_.spans if span["parent_span_id"] == PARENT_ID]
        self.assertEqual(sorted(span["name"] for span in remote), ["GET /report", "GET /rooms/{id}"])
        for span in remote + [worker]:
            self.assertEqual((span["trace_id"], span["trace_state"]), (TRACE_ID, "vendor=1"))
        (part,) = self.spans_of("GET /search/{id}-rank")
        self.assertEqual(by_id[part["parent_span_id"]]["name"], "GET /search/{id}")
        (query,) = [span for span in self.spans_of("GET /search/{id}") if attribute(span, "logctx.type") == "thread"]
        self.assertEqual(by_id[query["parent_span_id"]], by_id[part["parent_span_id"]])
        roots = [span for span in contexts(self.run_.spans) if span not in remote + [worker, part, query]]
        self.assertEqual({span["parent_span_id"] for span in roots}, {""})
        self.assertEqual(len({span["trace_id"] for span in roots}), len(roots))
        (late,) = self.spans_of("logctx.transition_error")
        self.assertEqual(by_id[late["parent_span_id"]]["name"], "GET /bug/restarted")
        self.assertEqual((late["trace_id"], late["start"]), (by_id[late["parent_span_id"]]["trace_id"], late["end"]))

    def test_attributes(self):
        rooms = self.spans_of("GET /rooms/{id}")
        self.assertEqual(collections.Counter(attribute(span, "http.response.status_code") for span in rooms),
                         {status: count for (kind, status), count in self.run_.made.items() if kind == "GET /rooms/{id}"})
        for span in rooms:
            self.assertEqual(span["kind"], "SERVER")
            self.assertEqual(attribute(span, "http.request.method"), "GET")
            self.assertEqual(attribute(span, "http.route"), "/rooms/{id}")
            self.assertTrue(attribute(span, "url.path").startswith("/rooms/"))
            self.assertTrue(re.fullmatch(r"GET-\d+", attribute(span, "logctx.name")), span)
            self.assertGreater(attribute(span, "logctx.cpu.time"), 0)
            self.assertGreaterEqual(span["end"], span["start"])
        self.assertEqual(len({attribute(span, "logctx.name") for span in rooms}), len(rooms))

    def test_resource_and_scope(self):
        resources = [item["resource"]["attributes"] for item in self.run_.spans + self.run_.points]
        self.assertEqual({json.dumps(attributes, sort_keys=True) for attributes in resources},
                         {json.dumps(resources[0], sort_keys=True)})
        for key in RESOURCE:
            self.assertIn(key, resources[0])
        self.assertEqual((resources[0]["service.name"], resources[0]["telemetry.sdk.name"]), ("logctx-demo", "logctx"))
        self.assertEqual({span["scope"]["name"] for span in self.run_.spans}, {"logctx"})

    def test_metrics_are_cumulative_and_never_go_down(self):
        last = {}
        for point in self.run_.all_points:
            if point["type"] == "gauge":
                continue
            self.assertEqual(point["temporality"], "CUMULATIVE", point["metric"])
            self.assertLessEqual(point["start"], point["time"], point["metric"])
            value = point["count"] if point["type"] == "histogram" else point["value"]
            before = last.get(otlp_lines.series_of(point))
            if before and point["time"] > before[0]:
                self.assertEqual(point["start"], before[2], point["metric"])
                if point["type"] == "histogram" or point["monotonic"]:
                    self.assertGreaterEqual(value, before[1], point["metric"])
            last[otlp_lines.series_of(point)] = (point["time"], value, point["start"])
        process = series(self.run_.points, "process.cpu.time")
        self.assertEqual({point["attributes"]["cpu.mode"] for point in process}, {"user", "system"})
        self.assertGreater(sum(point["value"] for point in process), 0)

    def test_a_point_is_there_once_in_a_collection(self):
        seen = collections.Counter((otlp_lines.series_of(point), point["time"]) for point in self.run_.all_points)
        # A request whose answer was lost when the Collector was killed is sent again as it was.
        twice = [key for key, count in seen.items() if count > 2]
        self.assertEqual(twice, [])


def main():
    global DEMO, SOURCES
    DEMO, SOURCES = sys.argv.pop(1), Path(sys.argv.pop(1))
    try:
        build()
    except NoToolchain as error:
        print("\n%s\nThe test of the main job, end to end, did NOT run.\n" % error)
        return 1 if os.environ.get("CI") == "true" else 77
    return 0 if unittest.main(exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
