#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the OTLP messages of this project to a table written by hand.

The table below states the public OTLP wire format: numbers, types and names. This program encodes samples by
the table alone, and compares them byte for byte with what the generated code packs (wire_samples). After that
protoc decodes the same bytes by the .proto files, and may not meet a field that it does not know.
"""

import argparse
import re
import struct
import subprocess
import sys

C = "opentelemetry.proto.common.v1."
R = "opentelemetry.proto.resource.v1."
T = "opentelemetry.proto.trace.v1."
M = "opentelemetry.proto.metrics.v1."
L = "opentelemetry.proto.logs.v1."
X = "opentelemetry.proto.collector."

# One field: number, name, type; "*" repeated; "|name" member of that oneof.
POINT = "2 start_time_unix_nano fixed64, 3 time_unix_nano fixed64"
TABLE = {
    C + "AnyValue": f"""1 string_value string |value, 2 bool_value bool |value, 3 int_value int64 |value,
        4 double_value double |value, 5 array_value {C}ArrayValue |value,
        6 kvlist_value {C}KeyValueList |value, 7 bytes_value bytes |value""",
    C + "ArrayValue": f"1 values {C}AnyValue *",
    C + "KeyValueList": f"1 values {C}KeyValue *",
    C + "KeyValue": f"1 key string, 2 value {C}AnyValue",
    C + "InstrumentationScope": f"""1 name string, 2 version string, 3 attributes {C}KeyValue *,
        4 dropped_attributes_count uint32""",
    C + "EntityRef": "1 schema_url string, 2 type string, 3 id_keys string *, 4 description_keys string *",
    R + "Resource": f"""1 attributes {C}KeyValue *, 2 dropped_attributes_count uint32,
        3 entity_refs {C}EntityRef *""",
    T + "TracesData": f"1 resource_spans {T}ResourceSpans *",
    T + "ResourceSpans": f"1 resource {R}Resource, 2 scope_spans {T}ScopeSpans *, 3 schema_url string",
    T + "ScopeSpans": f"1 scope {C}InstrumentationScope, 2 spans {T}Span *, 3 schema_url string",
    T + "Span": f"""1 trace_id bytes, 2 span_id bytes, 3 trace_state string, 4 parent_span_id bytes,
        5 name string, 6 kind enum:{T}Span.SpanKind,
        7 start_time_unix_nano fixed64, 8 end_time_unix_nano fixed64,
        9 attributes {C}KeyValue *, 10 dropped_attributes_count uint32, 11 events {T}Span.Event *,
        12 dropped_events_count uint32, 13 links {T}Span.Link *, 14 dropped_links_count uint32,
        15 status {T}Status, 16 flags fixed32""",
    T + "Span.Event": f"""1 time_unix_nano fixed64, 2 name string, 3 attributes {C}KeyValue *,
        4 dropped_attributes_count uint32""",
    T + "Span.Link": f"""1 trace_id bytes, 2 span_id bytes, 3 trace_state string, 4 attributes {C}KeyValue *,
        5 dropped_attributes_count uint32, 6 flags fixed32""",
    T + "Status": f"2 message string, 3 code enum:{T}Status.StatusCode",
    M + "MetricsData": f"1 resource_metrics {M}ResourceMetrics *",
    M + "ResourceMetrics": f"1 resource {R}Resource, 2 scope_metrics {M}ScopeMetrics *, 3 schema_url string",
    M + "ScopeMetrics": f"1 scope {C}InstrumentationScope, 2 metrics {M}Metric *, 3 schema_url string",
    M + "Metric": f"""1 name string, 2 description string, 3 unit string, 5 gauge {M}Gauge |data,
        7 sum {M}Sum |data, 9 histogram {M}Histogram |data,
        10 exponential_histogram {M}ExponentialHistogram |data, 11 summary {M}Summary |data,
        12 metadata {C}KeyValue *""",
    M + "Gauge": f"1 data_points {M}NumberDataPoint *",
    M + "Sum": f"""1 data_points {M}NumberDataPoint *,
        2 aggregation_temporality enum:{M}AggregationTemporality, 3 is_monotonic bool""",
    M + "Histogram": f"""1 data_points {M}HistogramDataPoint *,
        2 aggregation_temporality enum:{M}AggregationTemporality""",
    M + "ExponentialHistogram": f"""1 data_points {M}ExponentialHistogramDataPoint *,
        2 aggregation_temporality enum:{M}AggregationTemporality""",
    M + "Summary": f"1 data_points {M}SummaryDataPoint *",
    M + "NumberDataPoint": f"""{POINT}, 4 as_double double |value, 5 exemplars {M}Exemplar *,
        6 as_int sfixed64 |value, 7 attributes {C}KeyValue *, 8 flags uint32""",
    M + "HistogramDataPoint": f"""{POINT}, 4 count fixed64, 5 sum double |sum, 6 bucket_counts fixed64 *,
        7 explicit_bounds double *, 8 exemplars {M}Exemplar *, 9 attributes {C}KeyValue *, 10 flags uint32,
        11 min double |min, 12 max double |max""",
    M + "ExponentialHistogramDataPoint": f"""1 attributes {C}KeyValue *, {POINT}, 4 count fixed64,
        5 sum double |sum, 6 scale sint32, 7 zero_count fixed64,
        8 positive {M}ExponentialHistogramDataPoint.Buckets,
        9 negative {M}ExponentialHistogramDataPoint.Buckets,
        10 flags uint32, 11 exemplars {M}Exemplar *, 12 min double |min, 13 max double |max,
        14 zero_threshold double""",
    M + "ExponentialHistogramDataPoint.Buckets": "1 offset sint32, 2 bucket_counts uint64 *",
    M + "SummaryDataPoint": f"""{POINT}, 4 count fixed64, 5 sum double,
        6 quantile_values {M}SummaryDataPoint.ValueAtQuantile *, 7 attributes {C}KeyValue *,
        8 flags uint32""",
    M + "SummaryDataPoint.ValueAtQuantile": "1 quantile double, 2 value double",
    M + "Exemplar": f"""2 time_unix_nano fixed64, 3 as_double double |value, 4 span_id bytes,
        5 trace_id bytes, 6 as_int sfixed64 |value, 7 filtered_attributes {C}KeyValue *""",
    L + "LogsData": f"1 resource_logs {L}ResourceLogs *",
    L + "ResourceLogs": f"1 resource {R}Resource, 2 scope_logs {L}ScopeLogs *, 3 schema_url string",
    L + "ScopeLogs": f"1 scope {C}InstrumentationScope, 2 log_records {L}LogRecord *, 3 schema_url string",
    L + "LogRecord": f"""1 time_unix_nano fixed64, 2 severity_number enum:{L}SeverityNumber,
        3 severity_text string, 5 body {C}AnyValue, 6 attributes {C}KeyValue *,
        7 dropped_attributes_count uint32, 8 flags fixed32, 9 trace_id bytes, 10 span_id bytes,
        11 observed_time_unix_nano fixed64, 12 event_name string""",
    "google.rpc.Status": "1 code int32, 2 message string, 3 details google.protobuf.Any *",
    "google.protobuf.Any": "1 type_url string, 2 value bytes",
}
for signal, word, field, item, rejected in (
    ("trace", "Trace", "resource_spans", T + "ResourceSpans", "rejected_spans"),
    ("metrics", "Metrics", "resource_metrics", M + "ResourceMetrics", "rejected_data_points"),
    ("logs", "Logs", "resource_logs", L + "ResourceLogs", "rejected_log_records"),
):
    package = f"{X}{signal}.v1."
    TABLE[f"{package}Export{word}ServiceRequest"] = f"1 {field} {item} *"
    TABLE[f"{package}Export{word}ServiceResponse"] = f"1 partial_success {package}Export{word}PartialSuccess"
    TABLE[f"{package}Export{word}PartialSuccess"] = f"1 {rejected} int64, 2 error_message string"

ENUMS = {
    T + "Span.SpanKind": {
        "SPAN_KIND_UNSPECIFIED": 0, "SPAN_KIND_INTERNAL": 1, "SPAN_KIND_SERVER": 2,
        "SPAN_KIND_CLIENT": 3, "SPAN_KIND_PRODUCER": 4, "SPAN_KIND_CONSUMER": 5,
    },
    T + "Status.StatusCode": {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2},
    T + "SpanFlags": {
        "SPAN_FLAGS_DO_NOT_USE": 0, "SPAN_FLAGS_TRACE_FLAGS_MASK": 255,
        "SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK": 256, "SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK": 512,
    },
    M + "AggregationTemporality": {
        "AGGREGATION_TEMPORALITY_UNSPECIFIED": 0, "AGGREGATION_TEMPORALITY_DELTA": 1,
        "AGGREGATION_TEMPORALITY_CUMULATIVE": 2,
    },
    M + "DataPointFlags": {"DATA_POINT_FLAGS_DO_NOT_USE": 0, "DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK": 1},
    L + "LogRecordFlags": {"LOG_RECORD_FLAGS_DO_NOT_USE": 0, "LOG_RECORD_FLAGS_TRACE_FLAGS_MASK": 255},
    L + "SeverityNumber": {
        "SEVERITY_NUMBER_UNSPECIFIED": 0,
        **{f"SEVERITY_NUMBER_{level}{grade if grade > 1 else ''}": 4 * i + grade
           for i, level in enumerate(("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"))
           for grade in (1, 2, 3, 4)},
    },
}

SERVICES = {
    "trace": ("TraceService", "ExportTraceServiceRequest", "ExportTraceServiceResponse"),
    "metrics": ("MetricsService", "ExportMetricsServiceRequest", "ExportMetricsServiceResponse"),
    "logs": ("LogsService", "ExportLogsServiceRequest", "ExportLogsServiceResponse"),
}


def fields_of(message):
    for entry in TABLE[message].split(","):
        number, name, kind, *rest = entry.split()
        label = rest[0] if rest else ""
        yield int(number), name, kind, label


def varint(value):
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def prefixed(data):
    return varint(len(data)) + data


def id_length(name):
    return {"trace_id": 16, "span_id": 8, "parent_span_id": 8}.get(name, 0)


def encode_value(name, kind, n, variant, level):
    """The wire type and the bytes of one value, by the rule that sample.c states."""
    signed = -(n * 1000 + 7)
    if kind.startswith("enum:"):
        return 0, varint(1)
    if kind in TABLE:
        return 2, prefixed(encode(kind, variant, level + 1))
    if kind in ("int32", "int64"):
        return 0, varint(signed)
    if kind in ("sint32", "sint64"):
        return 0, varint(-2 * signed - 1)
    if kind == "bytes":
        size = id_length(name)
        return 2, prefixed(bytes(n + i for i in range(size)) if size else bytes((0, 255, n)))
    return {
        "uint32": lambda: (0, varint((1 << 31) + n)),
        "uint64": lambda: (0, varint((1 << 63) + n)),
        "bool": lambda: (0, varint(1)),
        "fixed64": lambda: (1, struct.pack("<Q", (1 << 63) + n)),
        "sfixed64": lambda: (1, struct.pack("<q", signed)),
        "double": lambda: (1, struct.pack("<d", n + 0.25)),
        "fixed32": lambda: (5, struct.pack("<I", (1 << 31) + n)),
        "string": lambda: (2, prefixed(f"{name} é{n}".encode())),
    }[kind]()


def encode_repeated(number, name, kind, variant, level):
    values = [encode_value(name, kind, n, variant, level) for n in (number, number + 1)]
    if values[0][0] == 2:
        return b"".join(varint(number << 3 | 2) + data for _, data in values)
    return varint(number << 3 | 2) + prefixed(b"".join(data for _, data in values))


def encode(message, variant, level=1):
    out = b""
    fields = sorted(fields_of(message))
    for number, name, kind, label in fields if level <= 3 else ():
        if label == "*":
            out += encode_repeated(number, name, kind, variant, level)
            continue
        group = [f[0] for f in fields if label and f[3] == label]
        if not group or group[variant % len(group)] == number:
            wire, data = encode_value(name, kind, number, variant, level)
            out += varint(number << 3 | wire) + data
    return out


def expected_lines():
    for message in TABLE:
        for number, name, kind, label in sorted(fields_of(message)):
            word = "repeated" if label == "*" else "oneof" if label else "single"
            yield f"field {message} {name} {number} {word} {kind.removeprefix('enum:')}"
        labels = [f[3] for f in fields_of(message) if f[3].startswith("|")]
        for variant in range(max([1] + [labels.count(label) for label in labels])):
            yield f"sample {message} {variant} {encode(message, variant).hex()}"
    for enum, values in ENUMS.items():
        for name, value in values.items():
            yield f"enum {enum} {name} {value}"


def check_protoc(protoc, proto, files, lines):
    """protoc is a second reader of the bytes; a field it prints as a number is one the definitions lack."""
    wrong = []
    for line in lines:
        if not line.startswith("sample "):
            continue
        _, message, variant, *data = line.split(" ")
        done = subprocess.run([protoc, f"--proto_path={proto}", f"--decode={message}", *files],
                              input=bytes.fromhex(data[0]), capture_output=True, check=False)
        text = done.stdout.decode("utf-8", "replace")
        if done.returncode != 0:
            wrong.append(f"protoc does not read {message} {variant}: {done.stderr.decode()}")
        elif re.search(r"^\s*\d+[:\s]", text, re.MULTILINE):
            wrong.append(f"protoc finds an unknown field in {message} {variant}:\n{text}")
    return wrong


def check_services(proto):
    wrong = []
    for signal, (service, request, response) in SERVICES.items():
        path = f"{proto}/opentelemetry/proto/collector/{signal}/v1/{signal}_service.proto"
        with open(path, encoding="utf-8") as file:
            text = file.read()
        call = rf"service {service} {{\s*rpc Export\({request}\) returns \({response}\) {{}}\s*}}"
        if not re.search(call, text):
            wrong.append(f"{path} does not define {service}.Export({request}) returns ({response})")
    return wrong


def main():
    arguments = argparse.ArgumentParser()
    for name in ("samples", "protoc", "proto"):
        arguments.add_argument(f"--{name}", required=True)
    arguments.add_argument("files", nargs="+", help="every .proto file, relative to --proto")
    options = arguments.parse_args()
    run = subprocess.run([options.samples], capture_output=True, check=True)
    found = set(run.stdout.decode().splitlines())
    expected = set(expected_lines())
    wrong = [f"the table has, the code has not: {line}" for line in sorted(expected - found)]
    wrong += [f"the code has, the table has not: {line}" for line in sorted(found - expected)]
    wrong += check_protoc(options.protoc, options.proto, options.files, sorted(found))
    wrong += check_services(options.proto)
    for line in wrong:
        print(line)
    print(f"{len(expected)} lines compared, {len(wrong)} differences")
    return 1 if wrong or len(expected) < 200 else 0


if __name__ == "__main__":
    sys.exit(main())
