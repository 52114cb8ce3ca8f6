# What the dashboards are made of: panels, their queries, variables, and the grid that they stand in. Pure functions and
# one class; used by generate.py only.
# SPDX-License-Identifier: Apache-2.0
"""Grafana's dashboard model, as far as ours need it."""

SCHEMA_VERSION = 38  # of Grafana 10.0, the oldest that is supported; later ones migrate it when they load it
PROMETHEUS = {"type": "prometheus", "uid": "${prometheus_datasource}"}
TEMPO = {"type": "tempo", "uid": "${tempo_datasource}"}

# A colour is a state, never decoration. What has none (kinds, types, processes) takes the palette by its name, so that it
# keeps its colour from panel to panel.
RUN, DATABASE, WAIT, LOST, QUIET = "#2b66d6", "#0b8376", "#b86b00", "#c8202d", "#7c828c"
PLAIN = "text"

FULL, HALF, THIRD, EIGHTH = 24, 12, 8, 3


def query(expr, legend="", instant=False, table=False, exemplars=False, heatmap=False):
    """One PromQL query; the letter that names it is given when its panel is made."""
    target = {"datasource": PROMETHEUS, "editorMode": "code", "expr": expr, "legendFormat": legend or "__auto"}
    target |= {"instant": True, "range": False} if instant or table else {"instant": False, "range": True}
    if exemplars:
        target["exemplar"] = True
    if table or heatmap:
        target["format"] = "table" if table else "heatmap"
    return target


def traceql(text):
    """A search for traces; Tempo's answer is a table."""
    return {"datasource": TEMPO, "queryType": "traceql", "query": text, "tableType": "traces", "limit": 20}


def steps(*above, base=PLAIN):
    """Thresholds: `base`, and from each value on another colour. steps((0.1, LOST)): red from 0.1."""
    return {"mode": "absolute", "steps": [{"color": base, "value": None}]
            + [{"color": color, "value": value} for value, color in above]}


def colored(**by_name):
    """Overrides that give series of these names (spaces as _) a fixed colour."""
    return [{"matcher": {"id": "byName", "options": name.replace("_", " ")},
             "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}]}
            for name, color in by_name.items()]


def matched(name, **properties):
    """An override of one field: matched("Value", unit="s"); a dot in a property's name is written __."""
    return {"matcher": {"id": "byName", "options": name},
            "properties": [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()]}


def _panel(kind, title, description, unit, targets, width, height, datasource=PROMETHEUS):
    for letter, target in zip("ABCDEFGHIJKL", targets, strict=False):
        target["refId"] = letter
    return {"type": kind, "title": title, "description": description, "datasource": datasource, "targets": targets,
            "gridPos": {"w": width, "h": height, "x": 0, "y": 0},
            "fieldConfig": {"defaults": {"unit": unit}, "overrides": []}, "options": {}}


def stat(title, description, unit, expr, limits=None, decimals=None, width=EIGHTH, link=None):
    """A big number with its line; ink until a limit is passed."""
    panel = _panel("stat", title, description, unit, [query(expr)], width, 4)
    panel["fieldConfig"]["defaults"] |= {"color": {"mode": "thresholds"}, "thresholds": limits or steps(), "noValue": "-"}
    if decimals is not None:
        panel["fieldConfig"]["defaults"]["decimals"] = decimals
    panel["options"] = {"colorMode": "value", "graphMode": "area", "justifyMode": "auto", "orientation": "auto",
                        "textMode": "value", "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    if link:
        panel["links"] = [link]
    return panel


def count(title, description, expr, limits=None, width=EIGHTH, unit="none", decimals=0, link=None):
    """A number over the whole range of the dashboard: no line, one reading."""
    panel = stat(title, description, unit, expr, limits, decimals, width, link)
    panel["targets"][0] |= {"instant": True, "range": False}
    panel["options"]["graphMode"] = "none"
    return panel


def series(title, description, unit, targets, width=HALF, height=8, stacked=False, limit=None, overrides=(), bars=False,
           signed=False):
    """Lines over time, from 0 unless they are `signed`. `limit` is a dashed line, and the area above it is tinted."""
    panel = _panel("timeseries", title, description, unit, list(targets), width, height)
    custom = {"drawStyle": "bars" if bars else "line", "lineWidth": 1, "fillOpacity": 60 if stacked or bars else 0,
              "showPoints": "never", "spanNulls": False,
              "stacking": {"group": "A", "mode": "normal" if stacked else "none"}}
    defaults = panel["fieldConfig"]["defaults"]
    defaults |= {"color": {"mode": "palette-classic-by-name"}, "custom": custom}
    if not signed:
        defaults["min"] = 0
    if limit is not None:
        defaults["thresholds"] = steps((limit, LOST), base="transparent")
        custom["thresholdsStyle"] = {"mode": "dashed+area"}
    panel["fieldConfig"]["overrides"] = list(overrides)
    panel["options"] = {"legend": {"displayMode": "table", "placement": "bottom", "showLegend": True,
                                   "calcs": ["mean", "max"], "sortBy": "Mean", "sortDesc": True},
                        "tooltip": {"mode": "multi", "sort": "desc"}}
    return panel


def heatmap(title, description, unit, expr, width=HALF, height=8):
    """The buckets of a histogram over time, with exemplars as dots."""
    panel = _panel("heatmap", title, description, unit, [query(expr, "{{le}}", exemplars=True, heatmap=True)], width, height)
    panel["options"] = {"calculate": False, "yAxis": {"unit": unit, "axisPlacement": "left"},
                        "color": {"mode": "scheme", "scheme": "Greys", "steps": 64, "exponent": 0.5, "reverse": False,
                                  "fill": "dark-blue", "scale": "exponential"},
                        "cellGap": 1, "exemplars": {"color": LOST}, "filterValues": {"le": 1e-9},
                        "legend": {"show": True}, "rowsFrame": {"layout": "auto"},
                        "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": False}}
    return panel


def table(title, description, unit, columns, by, width=FULL, height=9, overrides=(), sort=None):
    """One row for each value of the labels `by`; `columns` are (head, unit, expression).

    Each query has a column named "Value #A", which is renamed; the rows are joined by their labels.
    """
    panel = _panel("table", title, description, unit, [query(expr, table=True) for _, _, expr in columns], width, height)
    values = ["Value #%s" % target["refId"] for target in panel["targets"]] if len(columns) > 1 else ["Value"]
    heads = dict(by) | {value: head for value, (head, _, _) in zip(values, columns)}
    panel["transformations"] = [{"id": "merge", "options": {}}] if len(columns) > 1 else []
    panel["transformations"].append({"id": "organize", "options": {
        "excludeByName": {"Time": True}, "indexByName": {name: place for place, name in enumerate(heads)},
        "renameByName": heads}})
    panel["fieldConfig"]["defaults"] |= {"noValue": "0", "custom": {"align": "auto", "filterable": True}}
    panel["fieldConfig"]["overrides"] = [matched(head, unit=its) for head, its, _ in columns] + list(overrides)
    panel["options"] = {"showHeader": True, "cellHeight": "sm",
                        "sortBy": [{"displayName": sort or columns[0][0], "desc": True}]}
    return panel


def traces(title, description, text, width=FULL, height=9):
    """A table of traces, each a link to its spans."""
    panel = _panel("table", title, description, "none", [traceql(text)], width, height, TEMPO)
    panel["options"] = {"showHeader": True, "cellHeight": "sm", "sortBy": [{"displayName": "Start time", "desc": True}]}
    return panel


def timeline(title, description, expr, legend, mappings, width=FULL, height=6):
    """States over time, a lane for each series."""
    panel = _panel("state-timeline", title, description, "none", [query(expr, legend)], width, height)
    panel["fieldConfig"]["defaults"] |= {"mappings": mappings, "color": {"mode": "fixed", "fixedColor": QUIET},
                                         "custom": {"lineWidth": 0, "fillOpacity": 80}}
    panel["options"] = {"showValue": "never", "mergeValues": True, "rowHeight": 0.8, "alignValue": "left",
                        "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
                        "tooltip": {"mode": "single", "sort": "none"}}
    return panel


def to_dashboard(uid, title):
    """A link to one of our dashboards that keeps the range and the variables."""
    return {"title": title, "type": "link", "url": "/d/%s?${__url_time_range}&${__all_variables}" % uid, "icon": "",
            "tooltip": "", "tags": [], "asDropdown": False, "targetBlank": False, "includeVars": False, "keepTime": False}


def with_links(panel, *links):
    """`panel`, each of whose values leads somewhere."""
    panel["fieldConfig"]["defaults"]["links"] = list(links)
    return panel


def to_kind(uid, title, kind):
    """A link of a value to a dashboard with one kind of contexts; `kind` is where the value has it."""
    return {"title": title, "url": "/d/%s?${__url_time_range}&${prometheus_datasource:queryparam}&${job:queryparam}&"
            "${instance:queryparam}&var-kind=%s" % (uid, kind), "targetBlank": False}


def _variable(name, expr):
    # Label, `multi` and ".+" are what the templated label rules of Grafana's linter ask for.
    return {"name": name, "label": name.title(), "type": "query", "datasource": PROMETHEUS, "query": expr,
            "definition": expr, "refresh": 2, "sort": 1, "multi": True, "includeAll": True, "allValue": ".+",
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]}, "options": [], "regex": "", "hide": 0,
            "skipUrlSync": False}


def _source(name, label, kind):
    return {"name": name, "label": label, "type": "datasource", "query": kind, "refresh": 1, "regex": "", "hide": 0,
            "multi": False, "includeAll": False, "options": [], "skipUrlSync": False,
            "current": {"selected": False, "text": kind.title(), "value": kind}}  # as provisioned; else the first of its type


class Dashboard:
    """Rows of panels, laid out from left to right as they are added."""

    def __init__(self, uid, title, description, tempo=False, kinds=False):
        self.uid, self.title, self.description = uid, title, description
        self.panels, self._y = [], 0
        self.variables = [_source("prometheus_datasource", "Prometheus data source", "prometheus")]
        if tempo:
            self.variables.append(_source("tempo_datasource", "Tempo data source", "tempo"))
        self.variables.append(_variable("job", "label_values(logctx_context_created_total, job)"))
        self.variables.append(_variable(
            "instance", 'label_values(logctx_context_created_total{job=~"$job"}, instance)'))
        if kinds:
            self.variables.append(_variable(
                "kind", 'label_values(logctx_context_created_total{job=~"$job", instance=~"$instance"}, logctx_kind)'))

    def row(self, title, *panels, collapsed=False):
        """Appends a row. A collapsed one asks its queries when it is opened."""
        head = {"type": "row", "title": title, "collapsed": collapsed, "panels": [],
                "gridPos": {"w": FULL, "h": 1, "x": 0, "y": self._y}}
        self.panels.append(head)
        self._y += 1
        self._place(panels)
        (head["panels"] if collapsed else self.panels).extend(panels)

    def _place(self, panels):
        x = tallest = 0
        for panel in panels:
            place = panel["gridPos"]
            if x + place["w"] > FULL:
                self._y, x, tallest = self._y + tallest, 0, 0
            place |= {"x": x, "y": self._y}
            x, tallest = x + place["w"], max(tallest, place["h"])
        self._y += tallest

    def model(self):
        """What Grafana loads: no id, no version, so that a provisioned copy is the same everywhere."""
        number = 0
        for panel in self.panels:
            for each in [panel] + panel.get("panels", []):
                number += 1
                each["id"] = number
        return {
            "uid": self.uid, "title": self.title, "description": self.description, "tags": ["logctx"],
            "schemaVersion": SCHEMA_VERSION, "editable": False, "graphTooltip": 1, "timezone": "browser",
            "refresh": "30s", "time": {"from": "now-1h", "to": "now"}, "fiscalYearStartMonth": 0, "liveNow": False,
            "annotations": {"list": []}, "templating": {"list": self.variables},
            "links": [{"title": "logctx", "type": "dashboards", "tags": ["logctx"], "asDropdown": False, "icon":
                       "external link", "includeVars": True, "keepTime": True, "targetBlank": False, "tooltip": "",
                       "url": ""}],
            "panels": self.panels,
        }
