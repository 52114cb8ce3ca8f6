#!/usr/bin/env python3
# Every query that the project ships is PromQL, and names only what the code sends: metrics, labels and the values of those
# labels that have few. A dashboard that asks for a metric nobody sends shows nothing and says nothing.
# SPDX-License-Identifier: Apache-2.0
"""usage: queries.py SOURCE-DIR METRIC_TABLE

METRIC_TABLE prints the tables of the headers as JSON. Exit status 77: promtool or PyYAML is missing.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import yaml  # noqa: F401 (query_sources needs it)

    import promql
    import query_sources
except ImportError:
    print("PyYAML is not installed; deploy/debian.sh names it (python3-yaml)")
    sys.exit(77)

# What Prometheus and the translation add to every series of a process.
OF_PROCESS = {"job", "instance"}
INTRINSIC = {"duration", "name", "status", "kind", "error", "nil", "rootName", "rootServiceName"}
MODES, SAMPLING = {"user", "system"}, {"RECORD_AND_SAMPLE", "DROP"}


class Names:
    """What there is to be named."""

    def __init__(self, table, resource_keys, rules=()):
        self.series, self.counters = {}, set()  # name of a series: its labels
        for metric in table["metrics"]:
            labels = {promql.label(key.strip()) for key in metric["attributes"].split(",")} | OF_PROCESS
            for name in promql.translated(metric["name"], metric["instrument"], metric["unit"]):
                self.series[name] = labels | ({"le"} if name.endswith("_bucket") else set())
                if metric["instrument"] in ("counter", "histogram"):
                    self.counters.add(name)
        self.resource_keys = set(resource_keys)
        self.series["target_info"] = {promql.label(key) for key in resource_keys} | OF_PROCESS
        self.series["up"] = set(OF_PROCESS)
        every = set().union(*self.series.values())
        self.series["ALERTS"] = every | {"alertname", "alertstate", "severity"}
        for rule in rules:
            if "record" in rule:
                selected = promql.read(rule["expr"])[0]
                self.series[rule["record"]] = set().union(*(self.series.get(each.metric, set()) for each in selected),
                                                          rule.get("labels", {}))
        names = {what: {row["name"] for row in rows} for what, rows in table.items()}
        self.misuse = {row["name"] for row in table["error_kinds"] if row["class"] == "misuse"}
        self.values = {"logctx_error_kind": names["error_kinds"], "logctx_type": names["types"], "cpu_mode": MODES,
                       "otel_span_sampling_result": SAMPLING}
        self.span_keys = names["span_attributes"]
        self.event_keys = names["event_attributes"]


def resource_keys(root):
    """The keys that the exporter sets on the resource, from its source."""
    text = (root / "exporter/resource.c").read_text(encoding="utf-8")
    return set(re.findall(r'"((?:service|process|host|os|telemetry)\.[a-z_.]+)"', text))


def wrong_values(matcher, names):
    """Of a label whose values are a closed set, those that are not in it."""
    known = names.values.get(matcher.label)
    if known is None or matcher.value.startswith("$") or not re.fullmatch(r"[\w|]*", matcher.value):
        return
    values = set(matcher.value.split("|")) if "~" in matcher.operator else {matcher.value}
    for value in sorted(values - known - {""}):
        yield "%s is never %r" % (matcher.label, value)
    if matcher.label == "logctx_error_kind" and values & names.misuse and values & names.misuse != names.misuse \
            and len(values) > 1:
        yield "not all kinds of wrong use: %s is missing" % ", ".join(sorted(names.misuse - values))


def newborn(selector, selectors):
    """Whether a counter stands where it may as it is: (x unless x offset w) or increase(x[w])."""
    same = [each for each in selectors if each[:2] == selector[:2]]
    return [each.function for each in same] == ["", "", "increase"]


def complaints(text, names, strict):
    """What is wrong with a query. `strict`: of a panel, which must not show a counter as it is."""
    selectors, groupings = promql.read(text)
    if not selectors:
        yield "selects nothing"
    for selector in selectors:
        labels = names.series.get(selector.metric)
        if labels is None:
            yield "there is no metric %s" % selector.metric
            continue
        for matcher in selector.matchers:
            if matcher.label not in labels:
                yield "%s has no label %s" % (selector.metric, matcher.label)
            yield from wrong_values(matcher, names)
        counter = selector.metric in names.counters
        if strict and counter and selector.function not in ("rate", "irate", "increase") and not newborn(selector, selectors):
            yield "%s is a counter, and is read without rate() or increase()" % selector.metric
        if not counter and selector.function in ("rate", "irate", "increase") and ":" not in selector.metric:
            yield "%s is no counter, and is read with %s()" % (selector.metric, selector.function)
    for grouping in groupings:
        for name in grouping.labels:
            for selector in grouping.selectors:
                if name not in names.series.get(selector.metric, {name}):
                    yield "%s has no label %s to group by" % (selector.metric, name)


def traceql_complaints(text, names):
    """Of TraceQL only the names are looked at."""
    bare = re.sub(r'"[^"]*"', '""', text)
    if not re.fullmatch(r"\s*\{.*\}\s*", bare) or bare.count("(") != bare.count(")"):
        yield "is not { ... }"
    for scope, key in re.findall(r"\b(span|resource|event)\.([\w.]+)", bare):
        known = {"span": names.span_keys, "resource": names.resource_keys, "event": names.event_keys}[scope]
        if key not in known:
            yield "no %s has an attribute %s" % (scope, key)
    for word in re.findall(r"(?<![\w.$])[a-z]\w*(?![\w.])", bare):
        if word not in INTRINSIC | {"span", "resource", "event", "and", "or"}:
            yield "there is no intrinsic %s" % word


def not_promql(promtool, queries):
    """What promtool says about the queries, as recording rules of one file each would be too slow: of all at once."""
    rules = [{"record": "q:%d" % number, "expr": query.filled_in()} for number, query in enumerate(queries)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "queries.yaml")
        path.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}), encoding="utf-8")
        result = subprocess.run([promtool, "check", "rules", path], capture_output=True, text=True, check=False)
    if result.returncode:
        said = result.stdout + result.stderr
        for number in sorted({int(each) for each in re.findall(r"q:(\d+)", said)}) or [None]:
            where = "some query" if number is None else queries[number].where
            line = next((line for line in said.splitlines() if number is not None and "q:%d\"" % number in line), said)
            yield "%s: promtool refuses it: %s" % (where, line.strip())


def unlike_the_alerts(table, models):
    """Where the dashboards draw a line or count a set of errors, it is that of the alerts."""
    panels = {(name, panel["title"]): panel for name, model in models.items() for panel in query_sources.panels(model)}
    limit = next(row["limit"] for row in table["alerts"] if row["name"] == "LogctxUnattributedCpuHigh")
    for (name, title), panel in panels.items():
        if title.startswith("Unattributed") and "share" in title + panel["description"].lower() and \
                panel["fieldConfig"]["defaults"]["unit"] == "percentunit" and "loop" not in title and \
                panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"] != limit:
            yield "%s: panel '%s' draws its line not at the alert's %g" % (name, title, limit)
    counted = {}
    for title in ("Lost or mixed up", "Run after their end", "On a wrong thread", "Wrong use"):
        (selector,), _ = promql.read(panels["logctx-losses.json", title]["targets"][0]["expr"])
        counted[title] = set(next(each.value for each in selector.matchers if each.label == "logctx_error_kind").split("|"))
    for row in table["error_kinds"]:
        homes = [title for title, kinds in counted.items() if row["name"] in kinds]
        if len(homes) != 1 or (homes == ["Wrong use"]) != (row["class"] == "misuse"):
            yield "logctx-losses.json counts %s in %s" % (row["name"], homes or "no panel")
    for row in table["alerts"]:
        if row["kinds"] and not any(set(row["kinds"]) <= kinds for kinds in counted.values()):
            yield "logctx-losses.json has no panel with all kinds of %s" % row["name"]


def prove_the_rules(names, promtool):
    """Each rule is tried on a query that it has to refuse, and on one that it must not."""
    good = 'sum by (logctx_kind) (rate(logctx_context_created_total{job=~"$job", logctx_type="request"}[5m]))'
    refused = {
        "nobody_sends_this": "there is no metric",
        'logctx_context_in_flight{logctx_error_kind="context_lost"}': "has no label logctx_error_kind",
        'rate(logctx_transition_errors_total{logctx_error_kind="lost"}[5m])': "never 'lost'",
        'rate(logctx_transition_errors_total{logctx_error_kind=~"context_lost|gone"}[5m])': "never 'gone'",
        'rate(logctx_transition_errors_total{logctx_error_kind!~"invalid_use|already_called"}[5m])': "not all kinds",
        "logctx_context_created_total": "without rate()",
        "logctx_context_created_total unless logctx_context_created_total offset 5m": "without rate()",
        "rate(logctx_context_in_flight[5m])": "is no counter",
        "sum(rate(logctx_context_created_total[5m])) by (logctx_loop_name)": "logctx_loop_name to group by",
        "sum by (cpu_mode) (logctx_context_in_flight)": "cpu_mode to group by",
        "vector(0)": "selects nothing",
    }
    assert not list(complaints(good, names, True)), list(complaints(good, names, True))
    for text, expected in refused.items():
        found = list(complaints(text, names, True))
        assert any(expected in line for line in found), (text, found)
    assert list(traceql_complaints("{ span.nobody.sets = 1 }", names))
    assert not list(traceql_complaints("{ span.logctx.errors > 0 && status = error }", names))
    bad = query_sources.Query("a sample", "sum(rate(up[5m])", "promql")
    fine = query_sources.Query("a sample", "sum(rate(up[5m]))", "promql")
    assert list(not_promql(promtool, [fine, bad])) and not list(not_promql(promtool, [fine]))


def main():
    root = Path(sys.argv[1])
    table = json.loads(subprocess.run([sys.argv[2]], capture_output=True, text=True, check=True).stdout)
    promtool = shutil.which("promtool")
    if not promtool:
        print("promtool is missing (Debian: apt-get install prometheus).")
        return 77
    rules = [query.rule for query in query_sources.of_rules(root)]
    names = Names(table, resource_keys(root), rules)
    prove_the_rules(names, promtool)
    queries = [*query_sources.everything(root), *query_sources.of_runbook(root)]
    assert len(queries) > 80, "only %d queries were found; is the path right?" % len(queries)
    wrong = []
    for query in queries:
        if query.language == "traceql":
            found = traceql_complaints(query.text, names)
        else:
            found = complaints(query.filled_in() if query.language == "promql" else query.text, names,
                               strict=bool(query.target))
        wrong += ["%s: %s" % (query.where, line) for line in found]
        if query.label and query.label not in names.series[promql.read(query.text)[0][0].metric]:
            wrong.append("%s: there is no label %s" % (query.where, query.label))
    models = query_sources.dashboards(root)
    wrong += unlike_the_alerts(table, models)
    for spoilt in (json.loads(json.dumps(models).replace("leaked_to_loop|", "")),
                   json.loads(json.dumps(models).replace('"value": 0.1', '"value": 0.2'))):
        assert list(unlike_the_alerts(table, spoilt)), "a dashboard that differs from the alerts is not refused"
    wrong += not_promql(promtool, [query for query in queries if query.language == "promql"])
    for line in wrong:
        print(line)
    print("%d queries, %d problems" % (len(queries), len(wrong)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
