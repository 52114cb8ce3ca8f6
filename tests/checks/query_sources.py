# Every query that the project ships: of the dashboards' panels and variables, of the provisioned data sources, and of the
# Prometheus rules. Read from the files that are installed, not from what makes them.
# SPDX-License-Identifier: Apache-2.0
"""Where queries stand, and what they are."""

import json
import re
from pathlib import Path
from typing import NamedTuple

import yaml

DASHBOARDS, PROVISIONING, RULES = "deploy/grafana/dashboards", "deploy/grafana/provisioning", "deploy/prometheus"
_LABEL_VALUES = re.compile(r"label_values\((?:(?P<selector>.+),\s*)?(?P<label>\w+)\)\Z")
# What Grafana puts in the place of its variables; the names of kinds and processes are asked for by a pattern.
_DEFAULTS = {"job": ".+", "instance": ".+", "kind": ".+", "__rate_interval": "5m",
             "__rate_interval_ms": "300000", "__interval": "1m", "__range": "1h"}


class Query(NamedTuple):
    where: str  # for people
    text: str  # as it stands in the file
    language: str  # promql, labels (label_values), traceql
    label: str = ""  # of label_values
    target: dict = {}  # of a panel
    rule: dict = {}  # of a rule: its record or alert, labels, annotations

    def filled_in(self, **values):
        """With Grafana's variables replaced."""
        text = self.text
        for name, value in (_DEFAULTS | values).items():
            text = re.sub(r"\$(?:\{%s(?::\w+)?\}|%s\b)" % (name, name), lambda _, value=value: value, text)
        return text.replace("$__tags", 'job=~".+"')


def dashboards(root):
    """The models, by the names of their files."""
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted((root / DASHBOARDS).glob("*.json"))}


def panels(model):
    """All panels but rows, those in collapsed rows too."""
    for panel in model["panels"]:
        yield from ([panel] if panel["type"] != "row" else panel["panels"])


def of_dashboard(name, model):
    for variable in model["templating"]["list"]:
        if variable["type"] == "query":
            match = _LABEL_VALUES.match(variable["query"])
            if not match:
                raise ValueError("%s: the variable %s is no label_values()" % (name, variable["name"]))
            yield Query("%s: variable %s" % (name, variable["name"]), match["selector"], "labels", match["label"])
    for panel in panels(model):
        for target in panel["targets"]:
            where = "%s: panel '%s', query %s" % (name, panel["title"], target["refId"])
            if "expr" in target:
                yield Query(where, target["expr"], "promql", target=target)
            else:
                yield Query(where, target["query"], "traceql", target=target)


def of_provisioning(root):
    """Trace to metrics; in those files a dollar is written twice."""
    for path in sorted((root / PROVISIONING).rglob("*.yaml")):
        for source in yaml.safe_load(path.read_text(encoding="utf-8")).get("datasources", []):
            for query in source.get("jsonData", {}).get("tracesToMetrics", {}).get("queries", []):
                yield Query("%s: '%s'" % (path.name, query["name"]), query["query"].replace("$$", "$"), "promql")


def of_rules(root):
    for path in sorted((root / RULES).glob("*.yaml")):
        groups = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("groups")
        for group in groups or []:
            for rule in group["rules"]:
                name = rule.get("record") or rule["alert"]
                yield Query("%s: %s" % (path.name, name), rule["expr"], "promql", rule=rule)


def of_runbook(root):
    """What the runbook tells people to ask."""
    text = (root / "docs/runbook.md").read_text(encoding="utf-8")
    for number, match in enumerate(re.finditer(r"^```promql\n(.*?)^```", text, re.M | re.S), 1):
        yield Query("runbook.md: query %d" % number, match[1].strip(), "promql")


def everything(root):
    root = Path(root)
    for name, model in dashboards(root).items():
        yield from of_dashboard(name, model)
    yield from of_provisioning(root)
    yield from of_rules(root)
