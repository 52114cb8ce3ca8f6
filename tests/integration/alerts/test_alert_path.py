#!/usr/bin/env python3
# The alert path from end to end: the demo loses contexts, the real Collector shows its metrics, a real Prometheus with our
# rules (windows a twentieth as long: fifteen seconds instead of five minutes) tells a real Alertmanager with our
# configuration, and that notifies a server of the test; then the demo is well again, and the alerts resolve. While it was
# well, before, nothing was told, and the share of CPU time that is nobody's was below its limit.
#
#     test_alert_path.py SOURCE-DIR PATH/TO/logctx-demo PATH/TO/gen_rules
#
# Exit status 77: a program is missing that cannot be had here; with CI=true that is a failure.
# SPDX-License-Identifier: Apache-2.0
"""Somebody is told when the program begins to lose contexts, and when it stops."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "collector"), str(HERE.parent / "prometheus")]

try:
    import yaml
except ImportError:
    print("PyYAML is not installed; deploy/debian.sh names it (python3-yaml)")
    sys.exit(77)

import test_demo
from alertmanager import Alertmanager, Receiver
from collector import HOST, Collector, NoToolchain, build, wait_for
from prometheus import Prometheus

ROOT, GEN_RULES = Path(), ""
DIVIDE = "20"
LATELY, OVER = "15s", "1m30s"  # five minutes and half an hour, divided
PATIENCE_S = 120  # for each thing that is waited for
EXPECTED = {"LogctxContextLost": ("/ticket", "warning"), "LogctxLossBurst": ("/page", "critical")}
SHARE = "job_instance:logctx_unattributed_cpu:ratio_rate"


def rule_files(folder):
    """Our rules with short windows."""
    paths = []
    for what in ("records", "alerts"):
        path = folder / ("%s.yaml" % what)
        path.write_text(subprocess.run([GEN_RULES, what, "--divide", DIVIDE], check=True, capture_output=True,
                                       text=True).stdout, encoding="utf-8")
        paths.append(str(path))
    return paths


def prometheus_config(folder, scrape_port, alertmanager_port):
    """Ours, with other addresses, and the intervals divided."""
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "500ms", "scrape_timeout": "400ms", "evaluation_interval": "500ms"}
    config["rule_files"] = rule_files(folder)
    (alertmanager,), (scrape, _) = config["alerting"]["alertmanagers"], config["scrape_configs"]
    config["scrape_configs"] = [scrape]  # the Collectors' own metrics are for no alert of ours
    alertmanager["static_configs"] = [{"targets": ["%s:%d" % (HOST, alertmanager_port)]}]
    scrape["static_configs"] = [{"targets": ["%s:%d" % (HOST, scrape_port)]}]
    return config


def alertmanager_config(address):
    """Ours, with the receivers of the test, and no time to group in."""
    config = yaml.safe_load((ROOT / "deploy/prometheus/alertmanager.yml").read_text(encoding="utf-8"))
    config["route"] |= {"group_wait": "100ms", "group_interval": "500ms"}
    for receiver in config["receivers"]:
        (webhook,) = receiver["webhook_configs"]
        webhook["url"] = "%s/%s" % (address, receiver["name"])
    return config


def unattributed_limit():
    text = (ROOT / "deploy/prometheus/alerts.yaml").read_text(encoding="utf-8")
    return float(re.search(r"job_instance:logctx_unattributed_cpu:ratio_rate\w+ > ([\d.]+)", text)[1])


class Run:
    """One run of everything; what the tests look at."""

    def __init__(self, folder):
        with Receiver() as self.receiver, Collector(build(), folder) as collector:
            alertmanager = Alertmanager(shutil.which("prometheus-alertmanager"), folder / "alertmanager",
                                        alertmanager_config(self.receiver.address))
            prometheus = Prometheus(shutil.which("prometheus"), folder / "prometheus",
                                    prometheus_config(folder, collector.prometheus_port, alertmanager.port))
            with alertmanager, prometheus:
                collector.start()
                alertmanager.start()
                prometheus.start()
                collector.wait_ready()
                demo = test_demo.Demo(folder, collector.endpoint)
                try:
                    self._drive(demo, prometheus)
                finally:
                    demo.kill()

    def _drive(self, demo, prometheus):
        self._well(demo, prometheus)
        wait_for(lambda: self._after(demo, bug=True) and self._told("firing"), "both alerts to fire", PATIENCE_S)
        wait_for(lambda: self._after(demo, bug=False) and self._told("resolved"), "both alerts to resolve", PATIENCE_S)
        self.fired = {labels["alertname"] for labels, _ in prometheus.query("last_over_time(ALERTS{alertstate='firing'}[1h])")}
        (self.process,) = [labels for labels, _ in prometheus.query("target_info")]
        demo.connection.close()

    def _well(self, demo, prometheus):
        """Until the windows are full and every rule has been evaluated on them."""
        created = "sum(increase(logctx_context_created_total[%s])) > 100" % LATELY
        full = "count_over_time(%s%s[%s]) > 25" % (SHARE, LATELY, LATELY)

        def seen():
            return self._after(demo, bug=False) and prometheus.query(created) and prometheus.query(full)
        wait_for(seen, "a well demo to be seen", PATIENCE_S)
        self.told_in_health = self.receiver.alerts()
        # While the very first metrics have not come, their absence is pending; it must not get further.
        self.alerts_in_health = prometheus.query("last_over_time(ALERTS{alertname!='LogctxTelemetryAbsent'}[1h])")
        self.alerts_in_health += prometheus.query("last_over_time(ALERTS{alertstate='firing'}[1h])")
        self.shares = [value for window in (LATELY, OVER) for _, value in prometheus.query(SHARE + window)]

    @staticmethod
    def _after(demo, bug):
        """Some requests, each time on a new connection; then True."""
        for number in range(1, 6):
            demo.request("GET", "/rooms/%d" % number)
        demo.request("POST", "/rooms", b"Room of the test")
        demo.connection.close()  # the next request makes a new one
        if bug:
            demo.request("GET", "/bug/lost")
        return True

    def _told(self, status):
        return EXPECTED.keys() <= {alert["labels"]["alertname"] for _, alert in self.receiver.alerts()
                                   if alert["status"] == status}


class AlertPath(unittest.TestCase):
    run_: Run

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.run_ = Run(Path(cls.folder.name))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def alerts(self, status):
        return [(path, alert) for path, alert in self.run_.receiver.alerts() if alert["status"] == status]

    def test_nothing_is_told_of_a_program_that_is_well(self):
        self.assertEqual(self.run_.told_in_health, [])
        self.assertEqual(self.run_.alerts_in_health, [])

    def test_a_well_program_leaves_little_cpu_unattributed(self):
        print("unattributed share of the CPU while well: %s" % ", ".join("%.4f" % share for share in self.run_.shares))
        self.assertEqual(len(self.run_.shares), 2)
        for share in self.run_.shares:
            self.assertLess(share, unattributed_limit())

    def test_each_alert_fires_and_then_resolves_and_no_other_comes(self):
        self.assertEqual(self.run_.fired, set(EXPECTED))
        for status in ("firing", "resolved"):
            self.assertEqual({alert["labels"]["alertname"] for _, alert in self.alerts(status)}, set(EXPECTED), status)
        for name in EXPECTED:
            states = [alert["status"] for _, alert in self.run_.receiver.alerts() if alert["labels"]["alertname"] == name]
            self.assertEqual(states, sorted(states), name)  # f before r: it does not come and go

    def test_each_goes_to_who_has_to_know(self):
        for path, alert in self.run_.receiver.alerts():
            self.assertEqual((path, alert["labels"]["severity"]), EXPECTED[alert["labels"]["alertname"]])

    def test_alerts_name_the_process_and_say_what_to_do(self):
        runbook = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
        for _, alert in self.run_.receiver.alerts():
            labels, annotations = alert["labels"], alert["annotations"]
            self.assertEqual({labels["job"], labels["instance"]}, {self.run_.process["job"], self.run_.process["instance"]})
            self.assertRegex(annotations["description"], "^%s, %s: [0-9]" % (labels["job"], labels["instance"]))
            self.assertIn("over 15 s", annotations["description"])
            self.assertTrue(annotations["summary"].endswith("."))
            self.assertTrue(annotations["runbook_url"].endswith("/docs/runbook.md#" + labels["alertname"].lower()))
            self.assertIn("## %s\n" % labels["alertname"], runbook)


def main():
    global ROOT, GEN_RULES
    ROOT, test_demo.DEMO, GEN_RULES = Path(sys.argv.pop(1)), sys.argv.pop(1), sys.argv.pop(1)
    try:
        build()
        for program, package in (("prometheus", "prometheus"), ("prometheus-alertmanager", "prometheus-alertmanager")):
            if not shutil.which(program):
                raise NoToolchain("SKIPPED: %s is missing (Debian: apt-get install %s)." % (program, package))
    except NoToolchain as error:
        print("\n%s\nThe alert path was NOT tried.\n" % error)
        return 1 if os.environ.get("CI") == "true" else 77
    return 0 if unittest.main(exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
