#!/usr/bin/env python3
# Every query of the dashboards and rules is asked of real Prometheus servers that the demo has filled through the real
# Collector, and returns data. First the demo is well; what then is empty has to be on a list, with the reason. Then it
# makes its mistakes, and a second demo cannot deliver; after that nothing may be empty.
#
#     test_queries.py SOURCE-DIR PATH/TO/logctx-demo
#
# Exit status 77: a program is missing that cannot be had here; with CI=true that is a failure.
# SPDX-License-Identifier: Apache-2.0
"""No panel and no rule asks for what is not there."""

import http.client
import json
import math
import os
import re
import shutil
import sys
import tempfile
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "collector"), str(HERE.parent.parent / "checks")]

try:
    import yaml

    import promql
    import query_sources
except ImportError:
    print("PyYAML is not installed; deploy/debian.sh names it (python3-yaml)")
    sys.exit(77)

import prometheus
import test_demo
from collector import HERE as COLLECTOR
from collector import Collector, CollectorError, NoToolchain, build, wait_for
from prometheus import Prometheus

ROOT = Path()
PATIENCE_S = 120  # until everything that was sent has been scraped and can be asked for
# In the place of Grafana's $__rate_interval; the servers scrape every half second.
WINDOW = {"__rate_interval": "15s", "__rate_interval_ms": "15000", "__interval": "15s", "__range": "10m"}

# Queries that have nothing to return while all is well, by what is in them, and why. Each returns data in the second half.
EMPTY_IN_HEALTH = {
    'error_type!=""': "nothing failed, so there is no series with an error.type",
    '(logctx_transition_errors_total{job=~"$job", instance=~"$instance"}[$__range])) > 0': "no errors: the table is empty",
    "ALERTS": "no alert is pending or firing",
    "logctx_transition_errors_by_kind_total": "a kind of context gets its series with its first error",
}
BY_KIND = "logctx-losses.json: panel 'By the kind of the context', query A"
SPANS_LOST = "logctx-exporter.json: panel 'Spans lost', query A"
# Parts of those that are there all the same: a sum that takes nothing for 0.
ALWAYS_THERE = re.compile(r"\bor\s+(vector\(0\)|0\s*\*\s*sum\b)")


def answers(server, queries):
    """What a server says to queries, one after the other."""
    return {query.where: ask(server, query) for query in queries}


def empty(answer):
    return {where for where, rows in answer.items() if not rows}


def ask(server, query):
    """The series of a query that have a value: as its panel asks, over time or at once."""
    expr = query.filled_in(**WINDOW)
    if query.language == "labels":
        return [(row, 1.0) for row in server.series(expr) if row.get(query.label)]
    now = time.time()
    if query.target and not query.target["instant"]:
        rows = [(labels, values[-1]) for labels, values in server.query_range(expr, now - 5, now, 1)]
    else:
        rows = server.query(expr)
    return [(labels, value) for labels, value in rows if not math.isnan(value)]


def may_be_empty(query):
    return not ALWAYS_THERE.search(query.text) and any(part in query.text for part in EMPTY_IN_HEALTH)


def selectors_of_alerts(queries):
    """The series that an alert's expression is about: its thresholds and windows are what promtool tests."""
    for query in queries:
        if "alert" in query.rule:
            for selector in promql.read(query.text)[0]:
                matchers = ", ".join("%s%s%s" % (each.label, each.operator, json.dumps(each.value))
                                     for each in selector.matchers)
                yield query._replace(where="%s, %s" % (query.where, selector.metric),
                                     text="last_over_time(%s{%s}[10m])" % (selector.metric, matchers), rule={})


def collector_configs(folder, newest_port):
    """The Collector of the other tests, which also sends the metrics on by OTLP; and one that refuses metrics."""
    config = yaml.safe_load((COLLECTOR / "config.yaml").read_text(encoding="utf-8"))
    deaf = json.loads(json.dumps(config))
    for name in ("metrics/kept", "metrics/batched"):
        del deaf["service"]["pipelines"][name]
    config["exporters"]["otlphttp/newest"] = {
        "metrics_endpoint": "http://127.0.0.1:%d/api/v1/otlp/v1/metrics" % newest_port}
    config["service"]["pipelines"]["metrics/batched"]["exporters"].append("otlphttp/newest")
    paths = folder / "whole.yaml", folder / "deaf.yaml"
    for path, content in zip(paths, (config, deaf)):
        path.write_text(json.dumps(content), encoding="utf-8")
    return paths


def rule_files():
    return [str(path) for path in sorted((ROOT / query_sources.RULES).glob("*.yaml"))
            if (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("groups")]


def settings(scrape_port=None):
    config = {"global": {"scrape_interval": "500ms", "scrape_timeout": "400ms", "evaluation_interval": "500ms"},
              "rule_files": rule_files()}
    if scrape_port:
        config["scrape_configs"] = [{"job_name": "collector", "honor_labels": True,
                                     "static_configs": [{"targets": ["127.0.0.1:%d" % scrape_port]}]}]
    return config


class Load:
    """Requests of every kind to a demo, again and again while something is waited for."""

    def __init__(self, demo):
        self.demo = demo

    def healthy(self):
        for number in range(1, 6):
            self.demo.request("GET", "/rooms/%d" % number)
        self.demo.request("POST", "/rooms", b"Room of the test")
        self.demo.request("GET", "/slow/5")

    def mistakes(self):
        for bug in test_demo.BUGS:
            self.demo.request("GET", "/bug/" + bug)
        self._leave()

    def _leave(self):
        """A client that goes before its answer comes: a failed context."""
        client = http.client.HTTPConnection("127.0.0.1", self.demo.connection.port, timeout=60)
        client.request("GET", "/slow/60000")
        client.close()


class Run:
    """One run of everything; its results are what the tests look at."""

    def __init__(self, folder):
        self.queries = [query for query in query_sources.everything(ROOT) if query.language != "traceql"]
        self.asked = [query for query in self.queries if "alert" not in query.rule]
        self.of_alerts = list(selectors_of_alerts(self.queries))
        self.folder, self.collector = folder, Collector(build(), folder)
        for name in ("well", "ill"):
            (folder / name).mkdir()
        newest = Prometheus(prometheus.build(), folder / "newest", settings(), ["--web.enable-otlp-receiver"])
        debian = Prometheus(shutil.which("prometheus"), folder / "debian", settings(self.collector.prometheus_port))
        with newest, debian:
            self.servers = {"the newest": newest, "Debian's": debian}
            newest.start()
            debian.start()
            self.whole, self.deaf = collector_configs(folder, newest.port)
            self._drive()

    def _drive(self):
        with self._collector(self.whole) as collector:
            well = test_demo.Demo(self.folder / "well", collector.endpoint, OTEL_BSP_MAX_QUEUE_SIZE="2048")
            ill = None
            try:
                began = time.time()
                load = Load(well)
                well.request("GET", "/report")
                self.in_health = self._answers(load.healthy, may_be_empty)
                collector.stop()
                ill = self._fall_ill(collector.endpoint)
                with self._collector(self.whole) as collector:
                    self._make_mistakes(load, Load(ill))
                    self.alert_series = {name: answers(server, self.of_alerts) for name, server in self.servers.items()}
                    self.exemplars = {name: self._exemplars(server, began) for name, server in self.servers.items()}
                    self.stats = [demo.stop()[1] for demo in (well, ill)]
                    self.counted = {name: self._counted(server) for name, server in self.servers.items()}
                    self.traces = {span["trace_id"] for span in collector.read_spans()}
            finally:
                well.kill()
                if ill:
                    ill.kill()

    def _collector(self, config):
        """Always the same ports and files: for the demos and the servers it is one Collector that is away at times."""
        ports = self.collector.otlp_port, self.collector.prometheus_port
        collector = Collector(build(), self.folder, ports, config)
        collector.start()
        collector.wait_ready()
        return collector

    def _fall_ill(self, endpoint):
        """A second demo, whose metrics are refused at first, and whose spans go where nobody takes them."""
        with self._collector(self.deaf):
            ill = test_demo.Demo(
                self.folder / "ill", endpoint, OTEL_BSP_MAX_QUEUE_SIZE="4", OTEL_BSP_SCHEDULE_DELAY="1000",
                OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=endpoint + "/nobody/is/here")
            wait_for(lambda: re.search("/v1/metrics were dropped", ill.log_path.read_text(errors="replace")),
                     "metrics to be refused")
        return ill

    def _make_mistakes(self, load, ill):
        def everything():
            load.healthy()
            load.mistakes()
            ill.healthy()
        self.at_the_end = self._answers(everything, lambda query: False)

    def _answers(self, work, is_empty):
        """The answers of all servers once they are as is to be; or when patience ends: the tests say what is not so. An alert
        on silence is pending for a moment after the first scrape, so what is to be empty has to become so as well."""
        expected = {query.where for query in self.asked if is_empty(query)}
        found = {}

        def complete():
            work()  # rates need growth
            found.update({name: answers(server, self.asked) for name, server in self.servers.items()})
            return all(empty(answer) == expected for answer in found.values())
        try:
            wait_for(complete, "all queries to return what they should", PATIENCE_S)
        except CollectorError as error:
            print(error)
        return found

    def _exemplars(self, server, began):
        exprs = {query.filled_in(**WINDOW) for query in self.asked if query.target.get("exemplar")}
        return [labels for expr in exprs for labels in server.exemplars(expr, began, time.time())]

    def _counted(self, server):
        """What the server has in the end, which is what the demos have sent last."""
        created = sum(stats["library"]["created"] for stats in self.stats)
        errors = sum(sum(stats["library"]["errors"].values()) for stats in self.stats)

        def sums():
            return [sum(value for _, value in server.query("sum(last_over_time(%s[10m]))" % metric))
                    for metric in ("logctx_context_created_total", "logctx_transition_errors_total",
                                   "logctx_transition_errors_by_kind_total")]
        try:
            wait_for(lambda: sums() == [created, errors, errors], "the last numbers")
        except CollectorError as error:
            print(error)
        errors = server.query("sum by (logctx_error_kind) (last_over_time(logctx_transition_errors_total[10m]))")
        last = answers(server, [query for query in self.asked if query.where in (BY_KIND, SPANS_LOST)])
        return sums()[0], {labels["logctx_error_kind"]: value for labels, value in errors}, last


class Queries(unittest.TestCase):
    run_: Run

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.run_ = Run(Path(cls.folder.name))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_what_is_empty_in_health_is_on_the_list_and_nothing_else(self):
        expected = {query.where for query in self.run_.asked if may_be_empty(query)}
        self.assertGreater(len(expected), 5)
        for name, answer in self.run_.in_health.items():
            with self.subTest(server=name):
                self.assertEqual(empty(answer), expected, {where: answer[where] for where in expected})

    def test_every_query_returns_data_after_mistakes(self):
        for name, answer in self.run_.at_the_end.items():
            with self.subTest(server=name):
                self.assertEqual(empty(answer), set())

    def test_an_empty_answer_would_be_seen(self):
        for server in self.run_.in_health:
            nothing = query_sources.Query("nothing", "nobody_sends_this", "promql", target={"instant": True})
            self.assertNotIn(nothing.where, self.run_.in_health[server])
        self.assertEqual(empty({"a": [], "b": [({}, 0.0)]}), {"a"})

    def test_series_that_alerts_watch_are_there(self):
        for name, answer in self.run_.alert_series.items():
            with self.subTest(server=name):
                self.assertEqual(empty(answer), set())

    def test_numbers_are_what_the_demos_counted(self):
        kinds = set(self.run_.stats[0]["library"]["errors"])
        wanted = {kind: sum(stats["library"]["errors"][kind] for stats in self.run_.stats) for kind in kinds}
        self.assertEqual({kind for kind, count in wanted.items() if count}, set(test_demo.BUGS.values()))
        for name, (created, errors, _) in self.run_.counted.items():
            with self.subTest(server=name):
                self.assertEqual(created, sum(stats["library"]["created"] for stats in self.run_.stats))
                self.assertEqual(errors, wanted)

    def test_series_that_are_born_with_an_error_count_it(self):
        well, ill = (stats["library"] for stats in self.run_.stats)
        for name, (_, _, last) in self.run_.counted.items():
            with self.subTest(server=name):
                self.assertEqual({(labels["logctx_error_kind"], labels["logctx_kind"]): value for labels, value in last[BY_KIND]},
                                 {(kind, "GET /bug/" + bug): well["errors"][kind] for bug, kind in test_demo.BUGS.items()})
                ((_, lost),) = last[SPANS_LOST]
                self.assertGreater(lost, 0)
                self.assertLessEqual(lost, ill["created"])

    def test_exemplars_lead_to_traces_that_were_sent(self):
        sources = yaml.safe_load((ROOT / query_sources.PROVISIONING / "datasources/logctx.yaml").read_text(encoding="utf-8"))
        (label,) = [destination["name"] for source in sources["datasources"]
                    for destination in source["jsonData"].get("exemplarTraceIdDestinations", [])]
        for name, exemplars in self.run_.exemplars.items():
            with self.subTest(server=name):
                self.assertTrue(exemplars)
                self.assertTrue({exemplar[label] for exemplar in exemplars} & self.run_.traces)


def main():
    global ROOT
    ROOT, test_demo.DEMO = Path(sys.argv.pop(1)), sys.argv.pop(1)
    try:
        build()
        prometheus.build()
        if not shutil.which("prometheus"):
            raise NoToolchain("SKIPPED: Prometheus is missing (Debian: apt-get install prometheus).")
    except NoToolchain as error:
        print("\n%s\nThe queries were NOT asked of real servers.\n" % error)
        return 1 if os.environ.get("CI") == "true" else 77
    return 0 if unittest.main(exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
