#!/usr/bin/env python3
# Tests of the instrument itself: that the readers read what the Collector writes, that nothing acknowledged
# is lost when the Collector is killed, and that a loss would be seen. Exit status 77: there is no Go
# toolchain, and only the readers were tested; with CI=true that is a failure.
# SPDX-License-Identifier: Apache-2.0
"""Tests of collector.py, otlp_lines.py and exposition.py, the latter half against the real Collector."""

import http.client
import json
import os
import re
import stat
import sys
import tempfile
import threading
import unittest
from pathlib import Path

import collector
import exposition
import otlp_lines
from collector import Collector, CollectorError, NoToolchain

TRACE_ID = "5b8efff798038103d269b633813fc60c"
NO_TOOLCHAIN = []  # why the Collector could not be built, if so


def span_request(*numbers, attributes=()):
    """An export request with one span for each number, which makes its id and name."""
    return {"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "test"}}]},
        "scopeSpans": [{"scope": {"name": "scope", "version": "1"}, "spans": [
            {"traceId": TRACE_ID, "spanId": "%016x" % number, "name": "span %d" % number, "kind": 2,
             "startTimeUnixNano": "1544712660000000001", "endTimeUnixNano": "1544712661000000002",
             "attributes": list(attributes)}
            for number in numbers]}]}]}


def metric_request(*metrics):
    return {"resourceMetrics": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "test"}},
                                    {"key": "service.instance.id", "value": {"stringValue": "1"}}]},
        "scopeMetrics": [{"scope": {"name": "scope"}, "metrics": list(metrics)}]}]}


def counter(name, value, time, attributes=()):
    return {"name": name, "unit": "{thing}", "sum": {
        "aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [
            {"asInt": str(value), "startTimeUnixNano": "1", "timeUnixNano": str(time),
             "attributes": list(attributes)}]}}


def numbers_of(spans):
    return [int(span["span_id"], 16) for span in spans]


class ReaderTest(unittest.TestCase):
    def records(self, data):
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            return otlp_lines.read_records(file.name, "resourceSpans")

    def line(self, *numbers, **options):
        request = span_request(*numbers, **options)
        return json.dumps(request, separators=(",", ":"), ensure_ascii=False).encode()

    def test_whole_records(self):
        found = self.records(self.line(1) + b"\n" + self.line(2, 3) + b"\n")
        self.assertEqual((numbers_of(otlp_lines.spans(found.records)), found.torn), ([1, 2, 3], 0))

    def test_a_newline_lost_to_a_kill_costs_no_record(self):
        found = self.records(self.line(1) + self.line(2) + b"\n" + self.line(3))
        self.assertEqual((numbers_of(otlp_lines.spans(found.records)), found.torn), ([1, 2, 3], 0))

    def test_every_cut_is_counted_and_costs_only_its_own_record(self):
        misleading = {"stringValue": '{"resourceSpans":[]} é\u2028'}
        whole = self.line(1, attributes=[{"key": "k", "value": misleading}])
        for length in range(1, len(whole)):
            found = self.records(whole[:length] + self.line(2) + b"\n")
            self.assertEqual((numbers_of(otlp_lines.spans(found.records)), found.torn), ([2], 1), length)

    def test_bytes_that_are_not_utf8_are_an_error(self):
        with self.assertRaises(UnicodeEncodeError):
            self.records(self.line(1).replace(b"span 1", b"span \xff"))

    def test_values(self):
        for any_value, expected in (
                ({}, None), (None, None), ({"stringValue": ""}, ""), ({"boolValue": False}, False),
                ({"intValue": "9007199254740993"}, 9007199254740993), ({"intValue": -1}, -1),
                ({"doubleValue": 0}, 0.0), ({"doubleValue": "-Infinity"}, float("-inf")),
                ({"bytesValue": "AAEC"}, b"\0\1\2"), ({"arrayValue": {}}, []),
                ({"arrayValue": {"values": [{"intValue": "1"}, {}]}}, [1, None]),
                ({"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": True}}]}}, {"k": True})):
            self.assertEqual(otlp_lines.value_of(any_value), expected, any_value)
            self.assertIs(type(otlp_lines.value_of(any_value)), type(expected), any_value)
        self.assertEqual(repr(otlp_lines.value_of({"doubleValue": "NaN"})), "nan")

    def test_an_attribute_that_is_there_twice_is_an_error(self):
        pair = {"key": "k", "value": {"intValue": "1"}}
        with self.assertRaisesRegex(ValueError, "'k' is there twice"):
            otlp_lines.attributes_of([pair, pair])

    def test_repeated_deliveries_count_once_and_must_agree(self):
        nan = [{"key": "k", "value": {"doubleValue": "NaN"}}]
        same = otlp_lines.spans([span_request(1, attributes=nan), span_request(1, 2, attributes=nan)])
        self.assertEqual(numbers_of(otlp_lines.unique_spans(same)), [1, 2])
        with self.assertRaisesRegex(ValueError, "two different spans"):
            otlp_lines.unique_spans(otlp_lines.spans([span_request(1), span_request(1, attributes=nan)]))

    def test_latest_points_are_the_newest_of_each_series(self):
        attributes = [{"key": "a", "value": {"intValue": "1"}}]
        points = otlp_lines.points([metric_request(counter("c", 5, 20), counter("c", 7, 20, attributes)),
                                    metric_request(counter("c", 4, 10), counter("c", 8, 30, attributes))])
        self.assertEqual(sorted(point["value"] for point in otlp_lines.latest_points(points)), [5, 8])

    def test_samples(self):
        text = '# HELP a b\na_total{x="q\\"\\\\n,}\\n",y=""} 5\nb +Inf\n'
        self.assertEqual(exposition.samples(text),
                         [("a_total", {"x": 'q"\\n,}\n', "y": ""}, 5.0), ("b", {}, float("inf"))])
        with self.assertRaisesRegex(ValueError, "not a sample"):
            exposition.samples("<html>\n")


class LiveTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            cls.binary = collector.build()
        except NoToolchain as error:
            if os.environ.get("CI") == "true":
                raise
            NO_TOOLCHAIN.append(str(error))
            raise unittest.SkipTest(str(error))

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def collector(self, **options):
        made = Collector(self.binary, self.directory, **options)
        self.addCleanup(made.kill)
        return made

    def started(self, **options):
        made = self.collector(**options)
        made.start()
        made.wait_ready()
        return made

    def post(self, to, request):
        signal_name = "traces" if "resourceSpans" in request else "metrics"
        status, body = to.post(signal_name, json.dumps(request).encode())
        self.assertEqual((status, body), (200, b'{"partialSuccess":{}}'))

    def assert_has(self, point, expected):
        self.assertEqual({key: point[key] for key in expected}, expected)

    def test_a_span_arrives_with_all_its_fields(self):
        request = span_request(1, attributes=[{"key": "i", "value": {"intValue": "9007199254740993"}}])
        request["resourceSpans"][0]["scopeSpans"][0]["spans"][0] |= {
            "parentSpanId": "00000000000000ff", "traceState": "a=b", "flags": 257,
            "droppedAttributesCount": 3,
            "events": [{"name": "e", "timeUnixNano": "5", "attributes": [{"key": "k", "value": {}}],
                        "droppedAttributesCount": 2}],
            "droppedEventsCount": 4,
            "links": [{"traceId": TRACE_ID, "spanId": "00000000000000fe", "traceState": "c=d", "flags": 1,
                       "droppedAttributesCount": 5}],
            "droppedLinksCount": 6, "status": {"code": 2, "message": "bad\u2028"}}
        running = self.started()
        self.post(running, request)
        self.assertEqual(running.read_spans(), [{
            "resource": {"attributes": {"service.name": "test"}, "dropped_attributes": 0, "schema_url": ""},
            "scope": {"name": "scope", "version": "1", "attributes": {}, "schema_url": ""},
            "name": "span 1", "trace_id": TRACE_ID, "span_id": "0000000000000001",
            "parent_span_id": "00000000000000ff", "trace_state": "a=b", "flags": 257, "kind": "SERVER",
            "start": 1544712660000000001, "end": 1544712661000000002,
            "attributes": {"i": 9007199254740993}, "dropped_attributes": 3,
            "events": [{"name": "e", "time": 5, "attributes": {"k": None}, "dropped_attributes": 2}],
            "dropped_events": 4,
            "links": [{"trace_id": TRACE_ID, "span_id": "00000000000000fe", "trace_state": "c=d", "flags": 1,
                       "attributes": {}, "dropped_attributes": 5}],
            "dropped_links": 6, "status": {"code": "ERROR", "message": "bad\u2028"}}])

    def test_metrics_arrive_in_the_file_and_at_the_prometheus_endpoint(self):
        kind = [{"key": "logctx.kind", "value": {"stringValue": 'GET "/r'}}]
        histogram = {"name": "h", "unit": "s", "histogram": {"aggregationTemporality": 2, "dataPoints": [
            {"count": "3", "sum": 0.5, "min": 0, "max": 0.3, "bucketCounts": ["1", "2", "0"],
             "explicitBounds": [0.1, 1], "timeUnixNano": "2",
             "exemplars": [{"asDouble": 0.3, "timeUnixNano": "2", "traceId": TRACE_ID,
                            "spanId": "0000000000000001"}]}]}}
        running = self.started()
        self.post(running, metric_request(counter("logctx.context.created", 5, 2, kind), histogram))
        created, durations = running.read_metrics()
        self.assert_has(created, {
            "metric": "logctx.context.created", "unit": "{thing}", "type": "sum", "temporality": "CUMULATIVE",
            "monotonic": True, "value": 5, "attributes": {"logctx.kind": 'GET "/r'}, "start": 1, "time": 2,
        })
        self.assert_has(durations, {
            "metric": "h", "type": "histogram", "count": 3, "sum": 0.5, "min": 0.0, "max": 0.3,
            "bounds": [0.1, 1.0], "bucket_counts": [1, 2, 0],
        })
        self.assertEqual(durations["exemplars"][0]["trace_id"], TRACE_ID)

        def scraped():
            return [sample for sample in running.scrape() if sample.name == "logctx_context_created_total"]
        sample, = collector.wait_for(scraped, "the counter at the Prometheus endpoint")
        self.assertEqual((sample.value, sample.labels["logctx_kind"], sample.labels["job"]),
                         (5.0, 'GET "/r', "test"))

    def test_a_bad_request_is_refused_and_written_nowhere(self):
        running = self.started()
        self.assertEqual(running.post("traces", b"{")[0], 400)
        self.post(running, span_request(1))
        self.assertEqual(numbers_of(running.read_spans()), [1])

    def test_sigterm_writes_everything_on_both_ways(self):
        running = self.started()
        for number in range(1, 201):
            self.post(running, span_request(number))
        running.stop()
        self.assertEqual(numbers_of(running.read_spans()), list(range(1, 201)))
        self.assertEqual(sum(map(int, re.findall(r'"spans": (\d+)', running.read_log()))), 200)
        self.assertEqual(running.torn_records(), 0)

    def test_sigkill_loses_nothing_that_was_acknowledged(self):
        running = self.collector()
        acknowledged, sent = [], 0
        for _ in range(5):
            running.start()
            running.wait_ready()
            sent = self.post_until_killed(running, acknowledged, sent, enough=100)
        running.start()
        running.wait_ready()
        self.post(running, span_request(sent + 1))
        running.stop()
        written = numbers_of(running.read_spans())
        self.assertEqual(sorted(set(acknowledged + [sent + 1]) - set(written)), [])
        self.assertLessEqual(set(written), set(range(1, sent + 2)))
        self.assertGreaterEqual(len(acknowledged), 500)

    def post_until_killed(self, running, acknowledged, sent, enough):
        """Posts from two threads until the kill, which comes in the middle of it; the last number sent."""
        lock, enough_now = threading.Lock(), threading.Event()
        target = len(acknowledged) + enough
        counted = [sent]

        def poster():
            while True:
                with lock:
                    counted[0] += 1
                    number = counted[0]
                try:
                    status, _ = running.post("traces", json.dumps(span_request(number)).encode())
                except (OSError, http.client.HTTPException):
                    enough_now.set()
                    return
                with lock:
                    if status == 200:
                        acknowledged.append(number)
                    if len(acknowledged) >= target:
                        enough_now.set()

        threads = [threading.Thread(target=poster) for _ in range(2)]
        for thread in threads:
            thread.start()
        enough_now.wait()
        running.kill()
        for thread in threads:
            thread.join()
        return counted[0]

    def lossy_config(self):
        """The same Collector with a batch processor that never sends by itself on the way to the file."""
        text = (collector.HERE / "config.yaml").read_text(encoding="utf-8")
        text = text.replace("timeout: 100ms", "timeout: 1h")
        text = text.replace("traces/kept:\n", "traces/kept:\n      processors: [batch]\n")
        path = self.directory / "lossy.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def test_a_loss_would_be_seen(self):
        running = self.started(config=self.lossy_config())
        self.post(running, span_request(1))
        running.kill()
        self.assertEqual(running.read_spans(), [])
        running.start()
        running.wait_ready()
        self.post(running, span_request(2))
        running.stop()
        self.assertEqual(numbers_of(running.read_spans()), [2])

    def test_files_are_the_owners_alone(self):
        running = self.started()
        self.post(running, span_request(1))
        self.post(running, metric_request(counter("c", 1, 1)))
        for path in (running.traces_path, running.metrics_path, running.log_path):
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600, path)
            self.assertGreater(path.stat().st_size, 0, path)

    def test_a_collector_that_cannot_start_says_why(self):
        first = self.started()
        with self.assertRaisesRegex(CollectorError, "(?s)ended, status 1.*address already in use"):
            self.started(ports=(first.otlp_port, collector.free_ports(1)[0]))
        first.stop()
        with self.assertRaisesRegex(CollectorError, "not running"):
            first.stop()


if __name__ == "__main__":
    outcome = unittest.main(exit=False).result
    if not outcome.wasSuccessful():
        sys.exit(1)
    if NO_TOOLCHAIN:
        print("*** %s Only the readers were tested. ***" % NO_TOOLCHAIN[0], file=sys.stderr)
        sys.exit(77)
