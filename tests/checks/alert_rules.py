#!/usr/bin/env python3
# The Prometheus rules do what alert_cases.py says: each alert fires a little above its limit and not a little below, says
# what is expected, resolves, and neither a restart of the process nor a missed scrape starts or ends it. By promtool's own
# unit tests. The rules and configurations are first held to the table of alerts, and to promtool and amtool.
# SPDX-License-Identifier: Apache-2.0
"""usage: alert_rules.py [--write] SOURCE-DIR GEN_RULES

--write brings deploy/prometheus up to date with the table. Exit status 77: promtool or amtool is missing.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import yaml
except ImportError:
    print("PyYAML is not installed; deploy/debian.sh names it (python3-yaml)")
    sys.exit(77)

import alert_cases

FOLDER = "deploy/prometheus"
GENERATED = {"rules.yaml": "records", "alerts.yaml": "alerts"}
RUNBOOK = "https://logctx.example/docs/runbook.md#"


def printed_by(gen_rules, *arguments):
    return subprocess.run([gen_rules, *arguments], check=True, capture_output=True, text=True).stdout


def stale_files(root, gen_rules, write):
    """Generated files that are not what the table says."""
    for name, what in GENERATED.items():
        path, wanted = root / FOLDER / name, printed_by(gen_rules, what)
        if write:
            path.write_text(wanted, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != wanted:
            yield "%s/%s is not what the table says; run tests/docs/update.sh" % (FOLDER, name)


def refused(*command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        yield "%s: %s" % (" ".join(map(str, command[:3])), (result.stdout + result.stderr).strip())


def without_runbook(root):
    """Alerts whose link leads nowhere, and sections of no alert."""
    page = (root / "docs/runbook.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", page, flags=re.M)[1:]
    anchors = {section.splitlines()[0].lower(): section for section in sections if section.startswith("Logctx")}
    wanted = {case.name.lower() for case in alert_cases.CASES}
    for name in sorted(wanted ^ set(anchors)):
        yield "docs/runbook.md: a section and an alert have to have each other: %s" % name
    for name, section in sorted(anchors.items()):
        for part in ("Meaning", "Impact", "Finding the cause", "Fix"):
            if "**%s.**" % part not in section:
                yield "docs/runbook.md: %s does not say: %s" % (name, part)


# ---- promtool's tests

def written(values, missed):
    """As promtool reads them. A scrape that failed ends every series of its target until the next one."""
    words, there = [], False
    for minute, value in enumerate(values):
        gone = value is None or minute in missed
        words.append("%g" % round(value, 6) if not gone else "stale" if there else "_")
        there = not gone
    return " ".join(words)


def counted(increase, minutes, restart):
    total, values = 0, []
    for minute in range(minutes):
        by = increase(minute)
        if minute == restart:
            total = 0
        if by is not None:
            total += by if minute or not values else 0
        values.append(None if by is None else total)
    return values


def input_series(course, minutes, restart=None, missed=()):
    rows = [(series, counted(increase, minutes, restart)) for series, increase in course.counters.items()]
    rows += [(series, [value(minute) for minute in range(minutes)]) for series, value in course.gauges.items()]
    return [{"series": series, "values": written(values, missed)} for series, values in rows]


def firing(case):
    return "ALERTS{alertname=\"%s\", alertstate=\"firing\", severity=\"%s\"}" % (case.name, case.severity)


class Test:
    """One test of promtool: series, and what is asked of them."""

    def __init__(self, case, name, course, minutes, **options):
        self.case, self.minutes, self.exact, self.asked = case, minutes, [], []
        self.name = "%s (%s): %s" % (case.name, case.severity, name)
        self.series = input_series(course, minutes + 1, **options)

    def fires(self, *at):
        for minute in at:
            self._ask("count(%s)" % firing(self.case), minute, [{"labels": "{}", "value": 1}])
        return self

    def says(self, at):
        case = self.case
        self.exact.append({"eval_time": "%dm" % at, "alertname": case.name, "exp_alerts": [{
            "exp_labels": case.labels | {"severity": case.severity},
            "exp_annotations": {"summary": case.summary, "description": case.description,
                                "runbook_url": RUNBOOK + case.name.lower()}}]})
        return self

    def never_fires(self):
        return self.silent_between(0, self.minutes)

    def silent_between(self, first, last):
        self._ask("count_over_time(%s[%dm])" % (firing(self.case), last - first or 1), last, [])
        return self

    def _ask(self, expr, at, samples):
        self.asked.append({"expr": expr, "eval_time": "%dm" % at, "exp_samples": samples})

    def as_json(self):
        return {"name": self.name, "interval": "1m", "input_series": self.series, "alert_rule_test": self.exact,
                "promql_expr_test": self.asked}


def tests_of(case):
    """All that is tried of one alert."""
    at, ill, well = case.fires, case.ill, case.well
    long, end = at + 60, at + 5
    for_ever = case.course(ill, case.begin, alert_cases.NEVER)
    below = case.course(well, case.begin, alert_cases.NEVER)
    yield Test(case, "fires", for_ever, at).silent_between(0, case.begin).fires(at).says(at)
    yield Test(case, "does not fire just below", below, long).never_fires()
    yield Test(case, "resolves", case.course(ill, case.begin, end), end + case.clears + 60).fires(at, end).silent_between(
        end + case.clears, end + case.clears + 60)
    yield Test(case, "a restart does not end it", for_ever, at + 8, restart=at + 2).fires(*range(at, at + 9))
    yield Test(case, "a restart does not start it", below, long, restart=at + 2).never_fires()
    yield Test(case, "a missed scrape does not end it", for_ever, at + 8, missed={at + 2}).fires(*range(at, at + 9))
    yield Test(case, "a missed scrape does not start it", below, long, missed={at + 2}).never_fires()
    if case.name != "LogctxTelemetryAbsent":
        # Longer than Prometheus looks back for a value, when all is over: what comes back then is not new.
        over = end + case.clears
        outage = set(range(over + 30, over + 50))
        yield Test(case, "an outage does not bring it back", case.course(ill, case.begin, end), over + 90,
                   missed=outage).fires(end).silent_between(over, over + 90)
    for name, course in case.quiet.items():
        yield Test(case, name, course, long + case.clears).never_fires()
    for name, (course, minute) in case.also.items():
        yield Test(case, name, course, minute).fires(minute)


def needed(case, rules):
    """The rules that an alert consists of: itself and the records that it reads. All of them for each test take a minute."""
    kept, reads = [], ""
    for rule in reversed(rules):
        if (rule.get("alert"), rule.get("labels", {}).get("severity")) == (case.name, case.severity) or (
                "record" in rule and re.search(r"%s(?![\w:])" % re.escape(rule["record"]), reads)):
            kept.insert(0, rule)
            reads += rule["expr"]
    return kept


def run_tests(promtool, rules, tests):
    """What promtool says of the tests of one alert, if they fail."""
    content = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test.as_json() for test in tests]}
    groups = {"groups": [{"name": "needed", "rules": needed(tests[0].case, rules)}]}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "rules.yaml").write_text(json.dumps(groups), encoding="utf-8")
        path = Path(folder, "tests.yaml")
        path.write_text(json.dumps(content), encoding="utf-8")
        result = subprocess.run([promtool, "test", "rules", path], capture_output=True, text=True, check=False)
    if result.returncode:
        yield (result.stdout + result.stderr).strip()


def prove_the_tests(promtool, rules):
    """Each way of asking is tried on what it has to refuse."""
    case = alert_cases.CASES[0]
    ill = case.course(case.ill, case.begin, alert_cases.NEVER)
    well = case.course(case.well, case.begin, alert_cases.NEVER)
    assert list(run_tests(promtool, rules, [Test(case, "ill", ill, case.fires).never_fires()]))
    assert list(run_tests(promtool, rules, [Test(case, "well", well, case.fires).fires(case.fires)]))
    other = case._replace(summary="Something else.")
    assert list(run_tests(promtool, rules, [Test(other, "other words", ill, case.fires).says(case.fires)]))


def main():
    words = [word for word in sys.argv[1:] if word != "--write"]
    root, gen_rules = Path(words[0]).resolve(), words[1]
    write = len(words) < len(sys.argv) - 1
    wrong = list(stale_files(root, gen_rules, write))
    if write:
        return 0
    promtool, amtool = shutil.which("promtool"), shutil.which("amtool")
    if not promtool or not amtool:
        print("promtool or amtool is missing (Debian: apt-get install prometheus prometheus-alertmanager).")
        return 77
    paths = [root / FOLDER / name for name in GENERATED]
    wrong += refused(promtool, "check", "rules", *paths)
    wrong += refused(promtool, "check", "config", root / FOLDER / "prometheus.yml")
    wrong += refused(amtool, "check-config", root / FOLDER / "alertmanager.yml")
    wrong += without_runbook(root)
    rules = [rule for path in paths for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
             for rule in group["rules"]]
    names = sorted(rule["alert"] for rule in rules if "alert" in rule)
    if names != sorted(case.name for case in alert_cases.CASES):
        wrong.append("alert_cases.py has not the same alerts as the table: %s" % ", ".join(names))
    prove_the_tests(promtool, rules)
    count = 0
    for case in alert_cases.CASES:
        tests = list(tests_of(case))
        wrong += run_tests(promtool, rules, tests)
        count += len(tests)
    for line in wrong:
        print(line)
    print("%d alerts, %d tests, %d problems" % (len(alert_cases.CASES), count, len(wrong)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
