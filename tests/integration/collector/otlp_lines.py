# What the Collector wrote: OTLP/JSON, one export request a line, read into plain dicts. Knows nothing of
# logctx, so that the comparison in the integration test rests on a reader of its own.
# SPDX-License-Identifier: Apache-2.0
"""Spans and metric points out of the JSON lines of the Collector's file exporter."""

import base64
import json
from typing import Any, NamedTuple

SPAN_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
STATUS_CODES = ("UNSET", "OK", "ERROR")
TEMPORALITIES = ("UNSPECIFIED", "DELTA", "CUMULATIVE")


class Records(NamedTuple):
    """Whole records in the order written, and how many pieces were no whole record."""

    records: list
    torn: int


def read_records(path, root):
    """The records of a file, each a JSON object whose one key is `root` (resourceSpans or resourceMetrics).

    SIGKILL may cut a record short, or fall between a record and its newline; what the next process appends
    then stands on the same line. Neither was acknowledged: a piece that is no record is counted, no error.
    """
    found, torn = [], 0
    with open(path, "rb") as file:
        lines = file.read().split(b"\n")  # not splitlines(): U+2028 and its like are not escaped
    for line in lines:
        records, pieces = _records_of_line(line.decode("utf-8", "surrogateescape"), '{"%s":' % root)
        found += records
        torn += pieces
    return Records(found, torn)


def _records_of_line(line, opening):
    found, torn, start = [], 0, 0
    decoder = json.JSONDecoder()
    while start < len(line):
        try:
            record, end = decoder.raw_decode(line, start)
            line[start:end].encode("utf-8")  # raises if the bytes were not UTF-8
            found.append(record)
            start = end
        except json.JSONDecodeError:
            torn += 1
            # Inside a JSON string the quotes would be escaped: this finds the beginning of a record only.
            start = line.find(opening, start + 1)
            if start < 0:
                break
    return found, torn


def spans(records):
    """Every span of the records, as dicts, in the order written; a request sent twice is there twice."""
    return [
        _span(span, _resource(group), _scope(scoped))
        for record in records
        for group in record["resourceSpans"]
        for scoped in group.get("scopeSpans", ())
        for span in scoped.get("spans", ())
    ]


def unique_spans(all_spans):
    """The spans without repeated deliveries. A client that got no answer sends again: at least once is the
    protocol's promise. Two spans with the same ids that differ are a mistake of the sender: ValueError."""
    first = {}
    for span in all_spans:
        known = first.setdefault((span["trace_id"], span["span_id"]), span)
        if repr(known) != repr(span):  # repr, since a NaN does not equal itself
            raise ValueError("two different spans have the ids %s/%s:\n%r\n%r"
                             % (span["trace_id"], span["span_id"], known, span))
    return list(first.values())


def points(records):
    """Every data point of the records, flattened: each carries its metric, scope and resource."""
    return [
        point
        for record in records
        for group in record["resourceMetrics"]
        for scoped in group.get("scopeMetrics", ())
        for metric in scoped.get("metrics", ())
        for point in _points_of_metric(metric, _resource(group), _scope(scoped))
    ]


def series_of(point):
    """What makes two points the same series: process, scope, metric and attributes."""
    resource, scope = point["resource"]["attributes"], point["scope"]
    return repr((resource.get("service.name"), resource.get("service.instance.id"), scope["name"],
                 scope["version"], point["metric"], point["type"], sorted(point["attributes"].items())))


def latest_points(all_points):
    """The newest point of each series: of a cumulative one, its total. Equal times: the one written last."""
    latest = {}
    for point in all_points:
        known = latest.get(series_of(point))
        if known is None or point["time"] >= known["time"]:
            latest[series_of(point)] = point
    return list(latest.values())


def value_of(any_value):
    """An AnyValue as the Python value it stands for; an empty one is None."""
    if not any_value:
        return None
    if len(any_value) != 1:
        raise ValueError("an AnyValue with more than one value: %r" % any_value)
    (kind, value), = any_value.items()
    convert: Any = {
        "stringValue": str,
        "boolValue": bool,
        "intValue": int,
        "doubleValue": float,
        "bytesValue": base64.b64decode,
        "arrayValue": lambda array: [value_of(item) for item in array.get("values", ())],
        "kvlistValue": lambda pairs: attributes_of(pairs.get("values", ())),
    }[kind]
    return convert(value)


def attributes_of(pairs):
    """KeyValues as a dict. The protocol forbids a key twice, and a dict would hide it: ValueError."""
    attributes = {}
    for pair in pairs:
        key = pair.get("key", "")
        if key in attributes:
            raise ValueError("the attribute %r is there twice: %r" % (key, pairs))
        attributes[key] = value_of(pair.get("value"))
    return attributes


def _resource(group):
    resource = group.get("resource", {})
    return {
        "attributes": attributes_of(resource.get("attributes", ())),
        "dropped_attributes": resource.get("droppedAttributesCount", 0),
        "schema_url": group.get("schemaUrl", ""),
    }


def _scope(scoped):
    scope = scoped.get("scope", {})
    return {
        "name": scope.get("name", ""),
        "version": scope.get("version", ""),
        "attributes": attributes_of(scope.get("attributes", ())),
        "schema_url": scoped.get("schemaUrl", ""),
    }


def _span(span, resource, scope):
    status = span.get("status", {})
    return {
        "resource": resource,
        "scope": scope,
        "name": span.get("name", ""),
        "trace_id": span.get("traceId", ""),
        "span_id": span.get("spanId", ""),
        "parent_span_id": span.get("parentSpanId", ""),
        "trace_state": span.get("traceState", ""),
        "flags": span.get("flags", 0),
        "kind": SPAN_KINDS[span.get("kind", 0)],
        "start": int(span.get("startTimeUnixNano", 0)),
        "end": int(span.get("endTimeUnixNano", 0)),
        "attributes": attributes_of(span.get("attributes", ())),
        "dropped_attributes": span.get("droppedAttributesCount", 0),
        "events": [_event(event) for event in span.get("events", ())],
        "dropped_events": span.get("droppedEventsCount", 0),
        "links": [_link(link) for link in span.get("links", ())],
        "dropped_links": span.get("droppedLinksCount", 0),
        "status": {"code": STATUS_CODES[status.get("code", 0)], "message": status.get("message", "")},
    }


def _event(event):
    return {
        "name": event.get("name", ""),
        "time": int(event.get("timeUnixNano", 0)),
        "attributes": attributes_of(event.get("attributes", ())),
        "dropped_attributes": event.get("droppedAttributesCount", 0),
    }


def _link(link):
    return {
        "trace_id": link.get("traceId", ""),
        "span_id": link.get("spanId", ""),
        "trace_state": link.get("traceState", ""),
        "flags": link.get("flags", 0),
        "attributes": attributes_of(link.get("attributes", ())),
        "dropped_attributes": link.get("droppedAttributesCount", 0),
    }


# How each kind of metric data names itself in JSON, in the result, and what its points hold.
def _number(point):
    return {"value": _number_value(point), "exemplars": _exemplars(point)}


def _histogram(point):
    return _summed(point) | _extremes(point) | {
        "bounds": [float(bound) for bound in point.get("explicitBounds", ())],
        "bucket_counts": [int(count) for count in point.get("bucketCounts", ())],
        "exemplars": _exemplars(point),
    }


def _exponential_histogram(point):
    return _summed(point) | _extremes(point) | {
        "scale": point.get("scale", 0),
        "zero_count": int(point.get("zeroCount", 0)),
        "zero_threshold": float(point.get("zeroThreshold", 0)),
        "positive": _buckets(point.get("positive", {})),
        "negative": _buckets(point.get("negative", {})),
        "exemplars": _exemplars(point),
    }


def _summary(point):
    return _summed(point) | {
        "quantiles": {float(item.get("quantile", 0)): float(item.get("value", 0))
                      for item in point.get("quantileValues", ())},
    }


METRIC_TYPES = {
    "sum": ("sum", _number),
    "gauge": ("gauge", _number),
    "histogram": ("histogram", _histogram),
    "exponentialHistogram": ("exponential_histogram", _exponential_histogram),
    "summary": ("summary", _summary),
}


def _points_of_metric(metric, resource, scope):
    for key, (type_name, read_values) in METRIC_TYPES.items():
        if key not in metric:
            continue
        data = metric[key]
        for point in data.get("dataPoints", ()):
            yield {
                "resource": resource,
                "scope": scope,
                "metric": metric.get("name", ""),
                "description": metric.get("description", ""),
                "unit": metric.get("unit", ""),
                "type": type_name,
                "temporality": TEMPORALITIES[data.get("aggregationTemporality", 0)],
                "monotonic": data.get("isMonotonic", False),
                "attributes": attributes_of(point.get("attributes", ())),
                "start": int(point.get("startTimeUnixNano", 0)),
                "time": int(point.get("timeUnixNano", 0)),
                "flags": point.get("flags", 0),
            } | read_values(point)


def _number_value(point):
    """An int or a float, as the sender chose; None for a point that says that there is no value."""
    if "asInt" in point:
        return int(point["asInt"])
    return float(point["asDouble"]) if "asDouble" in point else None


def _summed(point):
    return {"count": int(point.get("count", 0)), "sum": float(point["sum"]) if "sum" in point else None}


def _extremes(point):
    return {key: float(point[key]) if key in point else None for key in ("min", "max")}


def _buckets(buckets):
    counts = [int(count) for count in buckets.get("bucketCounts", ())]
    return {"offset": buckets.get("offset", 0), "counts": counts}


def _exemplars(point):
    return [
        {
            "value": _number_value(exemplar),
            "time": int(exemplar.get("timeUnixNano", 0)),
            "trace_id": exemplar.get("traceId", ""),
            "span_id": exemplar.get("spanId", ""),
            "attributes": attributes_of(exemplar.get("filteredAttributes", ())),
        }
        for exemplar in point.get("exemplars", ())
    ]
