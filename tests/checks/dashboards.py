#!/usr/bin/env python3
# The Grafana dashboards keep the rules of Grafana's own linter, and some of ours: stable uids, nothing of one installation,
# panels that do not overlap, links that lead somewhere; and they are what generate.py makes. Each rule is first tried on a
# dashboard that breaks it.
# SPDX-License-Identifier: Apache-2.0
"""usage: dashboards.py SOURCE-DIR

Exit status 77: PyYAML is missing.
"""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

try:
    import yaml

    import promql
    import query_sources
except ImportError:
    print("PyYAML is not installed; deploy/debian.sh names it (python3-yaml)")
    sys.exit(77)

UIDS = {"logctx-overview.json": "logctx-overview", "logctx-losses.json": "logctx-losses",
        "logctx-exporter.json": "logctx-exporter"}
UNITS = {"none", "string", "short", "percent", "percentunit", "bytes", "s", "ms", "dateTimeFromNow", "cps", "cpm", "ops",
         "reqps", "dtdurations"}  # of Grafana's, those that make sense here
SOURCES = {"prometheus_datasource": ("prometheus", "Prometheus data source"),
           "tempo_datasource": ("tempo", "Tempo data source")}


def variables(model, kind):
    return {each["name"]: each for each in model["templating"]["list"] if each["type"] == kind}


def template_datasource_rule(model):
    found = variables(model, "datasource")
    if "prometheus_datasource" not in found:
        yield None, "has no templated Prometheus data source"
    for name, variable in found.items():
        if (variable["query"], variable["label"]) != SOURCES.get(name):
            yield None, "the data source variable %s is not named and labelled after its kind" % name


def _template_rule(model, name):
    variable = variables(model, "query").get(name)
    if not variable:
        yield None, "has no variable %s" % name
    elif (variable["label"], variable["multi"], variable["allValue"], variable["datasource"]["uid"]) != \
            (name.title(), True, ".+", "${prometheus_datasource}"):
        yield None, "the variable %s is not labelled %s, multi, and with .+ for all" % (name, name.title())


def template_job_rule(model):
    return _template_rule(model, "job")


def template_instance_rule(model):
    return _template_rule(model, "instance")


def template_label_promql_rule(model):
    for name, variable in variables(model, "query").items():
        match = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
        if not match or len(promql.read(match[1])[0]) != 1:
            yield None, "the variable %s is no label_values() of one metric" % name


def template_on_time_change_reload_rule(model):
    for name, variable in variables(model, "query").items():
        if variable["refresh"] != 2:
            yield None, "the variable %s is not asked again when the time range changes" % name


def panel_datasource_rule(model):
    known = {"${%s}" % name for name in variables(model, "datasource")}
    for panel in query_sources.panels(model):
        for user in [panel] + panel["targets"]:
            if user["datasource"]["uid"] not in known:
                yield panel, "uses the data source %s, which is no variable" % user["datasource"]["uid"]


def panel_title_description_rule(model):
    for panel in query_sources.panels(model):
        if not panel["title"] or len(panel["description"]) < 20:
            yield panel, "has no title, or nothing that describes it"


def unique_titles_rule(model):
    """A title is how people, .lint and the tests name a panel."""
    titles = [panel["title"] for panel in query_sources.panels(model)]
    for panel in query_sources.panels(model):
        if titles.count(panel["title"]) > 1:
            yield panel, "has the title of another one"


def panel_units_rule(model):
    for panel in query_sources.panels(model):
        if panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
            yield panel, "has no unit, or none that is known"


def panel_no_targets_rule(model):
    for panel in query_sources.panels(model):
        if not panel["targets"]:
            yield panel, "asks nothing"


def _targets(model):
    for panel in query_sources.panels(model):
        for target in panel["targets"]:
            yield panel, target.get("expr", "")


def target_promql_rule(model):
    """Whether it is PromQL is what queries.py asks promtool; here: whether there is any."""
    for panel, expr in _targets(model):
        if not expr:
            yield panel, "has no PromQL"


def target_rate_interval_rule(model):
    for panel, expr in _targets(model):
        for selector in promql.read(expr)[0]:
            wanted = {"rate": "$__rate_interval", "irate": "$__rate_interval"}.get(selector.function)
            if (wanted and selector.range != wanted) or (selector.range and not selector.range.startswith("$__")):
                yield panel, "has the range [%s] under %s()" % (selector.range, selector.function)


def _matcher_rule(model, label):
    for panel, expr in _targets(model):
        for selector in promql.read(expr)[0] or [None]:
            if not selector or promql.Matcher(label, "=~", "$" + label) not in selector.matchers:
                yield panel, "has a selector without %s=~\"$%s\"" % (label, label)


def target_job_rule(model):
    return _matcher_rule(model, "job")


def target_instance_rule(model):
    return _matcher_rule(model, "instance")


# From here on the rules are ours.


def nothing_of_an_installation(model):
    if set(model) & {"id", "version", "__inputs", "__requires"}:
        yield None, "has an id, a version or inputs, which belong to one installation"
    if model["editable"] or model["tags"] != ["logctx"]:
        yield None, "can be edited where it is provisioned, or has not the one tag that links the dashboards"


def links_rule(model):
    if not any(link["type"] == "dashboards" and link["tags"] == ["logctx"] and link["keepTime"] and link["includeVars"]
               for link in model["links"]):
        yield None, "has no links to the other dashboards"
    for panel in query_sources.panels(model):
        for link in panel.get("links", []) + panel["fieldConfig"]["defaults"].get("links", []):
            if not re.fullmatch(r"/d/(%s)\?.*" % "|".join(UIDS.values()), link["url"]):
                yield panel, "has a link that leads to no dashboard of ours"


def layout_rule(model):
    taken, ids = set(), set()
    for panel in model["panels"]:
        for each in [panel] + panel.get("panels", []):
            place = each["gridPos"]
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}
            if place["x"] + place["w"] > 24 or cells & taken or each["id"] in ids:
                yield each, "lies over another one, beyond the edge, or has another one's number"
            taken |= cells
            ids.add(each["id"])


def exemplars_rule(model):
    """Exemplars hang on buckets; asked for elsewhere they are never there."""
    for panel in query_sources.panels(model):
        for target in panel["targets"]:
            if target.get("exemplar") and "_bucket" not in target["expr"]:
                yield panel, "asks for exemplars where there are none"


RULES = (template_datasource_rule, template_job_rule, template_instance_rule, template_label_promql_rule,
         template_on_time_change_reload_rule, panel_datasource_rule, panel_title_description_rule, panel_units_rule,
         panel_no_targets_rule, target_promql_rule, target_rate_interval_rule, target_job_rule, target_instance_rule,
         nothing_of_an_installation, unique_titles_rule, links_rule, layout_rule, exemplars_rule)


def _first(model):
    return next(query_sources.panels(model))


def _variable(model, name):
    return next(each for each in model["templating"]["list"] if each["name"] == name)


def _expr(old, new):
    def spoil(model):
        target = next(target for panel in query_sources.panels(model) for target in panel["targets"]
                      if old in target.get("expr", ""))
        target["expr"] = target["expr"].replace(old, new)
    return spoil


# How a good dashboard is made to break each rule.
SPOILERS = {
    template_datasource_rule: lambda model: _variable(model, "prometheus_datasource").update(name="datasource"),
    template_job_rule: lambda model: _variable(model, "job").update(allValue=".*"),
    template_instance_rule: lambda model: model["templating"]["list"].remove(_variable(model, "instance")),
    template_label_promql_rule: lambda model: _variable(model, "job").update(query="label_names()"),
    template_on_time_change_reload_rule: lambda model: _variable(model, "job").update(refresh=1),
    panel_datasource_rule: lambda model: _first(model).update(datasource={"type": "prometheus", "uid": "abc"}),
    panel_title_description_rule: lambda model: _first(model).update(description=""),
    panel_units_rule: lambda model: _first(model)["fieldConfig"]["defaults"].pop("unit"),
    panel_no_targets_rule: lambda model: _first(model)["targets"].clear(),
    target_promql_rule: lambda model: _first(model)["targets"][0].update(expr=""),
    target_rate_interval_rule: _expr("$__rate_interval", "5m"),
    target_job_rule: _expr('job=~"$job", ', ""),
    target_instance_rule: _expr('instance=~"$instance"', 'instance="$instance"'),
    nothing_of_an_installation: lambda model: model.update(id=7),
    unique_titles_rule: lambda model: _first(model).update(title=list(query_sources.panels(model))[-1]["title"]),
    links_rule: lambda model: model["links"].clear(),
    layout_rule: lambda model: _first(model)["gridPos"].update(x=23),
    exemplars_rule: lambda model: _first(model)["targets"][0].update(exemplar=True),
}


def linter_name(rule):
    return rule.__name__.replace("_", "-")


def excused(rule, panel, lint, used):
    """Whether .lint excludes this; what it excludes is noted, so that nothing stands there for no reason."""
    exclusion = lint["exclusions"].get(linter_name(rule))
    if not exclusion or not panel or not exclusion.get("reason"):
        return False
    for entry in exclusion["entries"]:
        if entry["panel"] == panel["title"]:
            used.add((linter_name(rule), entry["panel"]))
            return True
    return False


def complaints(name, model, lint, used):
    for rule in RULES:
        for panel, text in rule(model):
            if not excused(rule, panel, lint, used):
                yield "%s%s %s (%s)" % (name, ", panel '%s'" % panel["title"] if panel else ":", text, linter_name(rule))


def prove_the_rules(name, model, lint):
    for rule in RULES:
        spoilt = copy.deepcopy(model)
        SPOILERS[rule](spoilt)
        found = [text for panel, text in rule(spoilt) if not excused(rule, panel, lint, set())]
        assert found, "%s is not refused by %s after it was spoilt" % (name, rule.__name__)


def main():
    root = Path(sys.argv[1])
    models = query_sources.dashboards(root)
    lint = yaml.safe_load((root / query_sources.DASHBOARDS / ".lint").read_text(encoding="utf-8"))
    prove_the_rules("logctx-exporter.json", models["logctx-exporter.json"], lint)
    wrong, used = [], set()
    if {name: model["uid"] for name, model in models.items()} != UIDS:
        wrong.append("the dashboards and their uids are not %s" % json.dumps(UIDS))
    for name, model in models.items():
        wrong += complaints(name, model, lint, used)
    for rule, exclusion in lint["exclusions"].items():
        wrong += [".lint excludes '%s' from %s for no reason" % (entry["panel"], rule)
                  for entry in exclusion["entries"] if (rule, entry["panel"]) not in used]
    if not any(target.get("exemplar") for panel in query_sources.panels(models["logctx-overview.json"])
               for target in panel["targets"]):
        wrong.append("no panel of the overview has exemplars, so none leads to a trace")
    result = subprocess.run([sys.executable, "-B", root / "deploy/grafana/generate.py", "--check"], stdout=subprocess.PIPE,
                            text=True, check=False)
    wrong += result.stdout.splitlines()
    if result.returncode and not result.stdout:
        wrong.append("deploy/grafana/generate.py does not run")
    for line in wrong:
        print(line)
    panels = sum(len(list(query_sources.panels(model))) for model in models.values())
    print("%d dashboards, %d panels, %d rules, %d problems" % (len(models), panels, len(RULES), len(wrong)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
